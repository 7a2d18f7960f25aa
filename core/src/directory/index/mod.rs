//! Who can do what, looked up and not searched for.
//!
//! The index keeps, for every fact that some node says about itself, the set of nodes that say it. A query intersects such
//! sets, the smallest first, and looks at single nodes only for what no set can tell. What it gives is what a look at every
//! node would give.
//!
//! Nodes are slots here: small numbers that whoever owns the index gives out and takes back. Its memory is bounded by what
//! the sets in it may take, times a factor for what each distinct text costs.

mod condition;
mod facts;
mod held;
mod predicate;
mod query;
mod slots;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;

pub use slots::{Iter, SlotSet};

use crate::capability::{CapabilitySet, Scope};
use condition::Slots;
use facts::Facts;
use held::Held;

/// An index over the capability sets of many nodes.
///
/// ```
/// use lacewing_core::capability::{CapabilitySet, Filter};
/// use lacewing_core::directory::index::CapabilityIndex;
///
/// let mut index = CapabilityIndex::new(1_000);
/// for (slot, memory) in [(0, 16), (1, 64), (2, 128)] {
///     let mut set = CapabilitySet::new();
///     set.insert_user_tag(&format!("hardware.memory_gb={memory}")).unwrap();
///     index.insert(slot, &set).unwrap();
/// }
/// let large = index.query(&Filter { min_memory_gb: Some(64), ..Filter::default() });
/// assert_eq!(large.iter().collect::<Vec<_>>(), [1, 2]);
/// ```
#[derive(Debug)]
pub struct CapabilityIndex {
    slots_max: u32,
    facts: Facts,
    /// The facts of each slot; none for a slot that is not in use.
    held: Vec<Held>,
    live: SlotSet,
    /// Slots with tenants or regions.
    limited: SlotSet,
    /// Slots that only their own subnet finds.
    subnet_local: SlotSet,
}

/// The slot is beyond those that the index was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the index has slots 0 to {slots_max} without the last, there is no slot {slot}")]
pub struct NoSuchSlot {
    /// The slot.
    pub slot: u32,
    /// How many there may be.
    pub slots_max: u32,
}

impl CapabilityIndex {
    /// An index for slots below `slots_max`.
    pub fn new(slots_max: u32) -> Self {
        Self {
            slots_max,
            facts: Facts::new(),
            held: Vec::new(),
            live: SlotSet::new(),
            limited: SlotSet::new(),
            subnet_local: SlotSet::new(),
        }
    }

    /// Puts a set into a slot, in the place of what was there. Only what differs costs more than a comparison.
    pub fn insert(&mut self, slot: u32, set: &CapabilitySet) -> Result<(), NoSuchSlot> {
        if slot >= self.slots_max {
            return Err(NoSuchSlot { slot, slots_max: self.slots_max });
        }
        let place = slot as usize;
        if self.held.len() <= place {
            self.held.resize_with(place + 1, Held::default);
        }
        let new = Held::new(&self.facts.read(set));
        self.exchange(slot, new);
        self.live.insert(slot);
        let scope = Scope::of(set);
        mark(&mut self.limited, slot, matches!(scope, Scope::Limited { .. }));
        mark(&mut self.subnet_local, slot, scope == Scope::SubnetLocal);
        Ok(())
    }

    /// Empties a slot. Gives whether there was something in it.
    pub fn remove(&mut self, slot: u32) -> bool {
        if !self.live.remove(slot) {
            return false;
        }
        self.exchange(slot, Held::default());
        self.limited.remove(slot);
        self.subnet_local.remove(slot);
        true
    }

    /// How many slots are in use.
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// Whether no slot is in use.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// How many distinct facts the sets say.
    pub fn facts(&self) -> usize {
        self.facts.len()
    }

    /// Bytes that the index takes, about. Walks through all of it.
    pub fn memory(&self) -> usize {
        let held: usize = self.held.iter().map(Held::heap_len).sum();
        let sets = [&self.live, &self.limited, &self.subnet_local].map(SlotSet::heap_len);
        held + self.held.capacity() * size_of::<Held>() + sets.iter().sum::<usize>() + self.facts.memory()
    }

    fn slots(&self) -> Slots<'_> {
        Slots { facts: &self.facts, held: &self.held, live: &self.live }
    }

    /// Makes `new` the facts of a slot.
    fn exchange(&mut self, slot: u32, new: Held) {
        let old = core::mem::take(&mut self.held[slot as usize]);
        for fact in new.without(&old) {
            self.facts.hold(slot, fact);
        }
        for fact in old.without(&new) {
            self.facts.release(slot, fact, !new.facts_of(fact.key).is_empty());
        }
        self.held[slot as usize] = new;
    }
}

/// Puts a slot into a set, or takes it out.
fn mark(set: &mut SlotSet, slot: u32, there: bool) {
    if there {
        set.insert(slot);
    } else {
        set.remove(slot);
    }
}
