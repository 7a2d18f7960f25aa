//! The flows that pass through: where each comes from and where it goes, so that bad news finds its way back.
//!
//! It is soft state. A flow that is forgotten is only one whose source learns later that a payload was lost.

use alloc::collections::BTreeMap;

use slab::Slab;

use super::timers::Timers;
use crate::identity::NodeId;
use crate::link::LinkId;
use crate::time::Instant;
use crate::wire::body::routing::Broken;

/// Source and destination.
pub(super) type FlowKey = (NodeId, NodeId);

/// One flow.
#[derive(Debug)]
pub(super) struct Flow {
    key: FlowKey,
    /// The link that it comes by; `None` for one of this node's own.
    pub(super) ingress: Option<LinkId>,
    /// The link that it leaves by, if it leaves at all.
    pub(super) egress: Option<LinkId>,
    /// When bad news was last sent back.
    pub(super) told_at: Option<Instant>,
    /// Bad news that waits, so as not to follow the last too closely.
    owed: Option<Broken>,
    used_at: Instant,
    newer: Option<usize>,
    older: Option<usize>,
}

/// A bounded table of flows, ordered by when they were last used.
#[derive(Debug)]
pub(super) struct Flows {
    slots: Slab<Flow>,
    index: BTreeMap<FlowKey, usize>,
    newest: Option<usize>,
    oldest: Option<usize>,
    /// When the bad news that waits may go.
    owed: Timers<FlowKey>,
    cap: usize,
}

impl Flows {
    pub(super) const fn new(cap: usize) -> Self {
        Self {
            slots: Slab::new(),
            index: BTreeMap::new(),
            newest: None,
            oldest: None,
            owed: Timers::new(),
            cap,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn get(&self, key: &FlowKey) -> Option<&Flow> {
        self.index.get(key).map(|slot| &self.slots[*slot])
    }

    pub(super) fn get_mut(&mut self, key: &FlowKey) -> Option<&mut Flow> {
        self.index.get(key).map(|slot| &mut self.slots[*slot])
    }

    /// The flow, as the one used last. Where it is new and the table is full, the one idle for longest makes room.
    pub(super) fn used(&mut self, now: Instant, key: FlowKey, ingress: Option<LinkId>) -> &mut Flow {
        let slot = if let Some(slot) = self.index.get(&key).copied() {
            if self.newest != Some(slot) {
                self.unlink(slot);
                self.link(slot);
            }
            slot
        } else {
            if self.slots.len() >= self.cap.max(1) {
                self.forget_oldest();
            }
            let slot = self.slots.insert(Flow {
                key,
                ingress,
                egress: None,
                told_at: None,
                owed: None,
                used_at: now,
                newer: None,
                older: None,
            });
            self.index.insert(key, slot);
            self.link(slot);
            slot
        };
        let flow = &mut self.slots[slot];
        flow.used_at = now;
        flow.ingress = ingress;
        flow
    }

    /// When the flow that has been idle for longest was last used.
    pub(super) fn oldest_use(&self) -> Option<Instant> {
        self.oldest.map(|slot| self.slots[slot].used_at)
    }

    /// Forgets the flow that has been idle for longest.
    pub(super) fn forget_oldest(&mut self) {
        if let Some(oldest) = self.oldest {
            self.remove(oldest);
        }
    }

    /// Lets bad news of a flow wait until `at`, instead of what waits already.
    pub(super) fn owe(&mut self, key: FlowKey, reason: Broken, at: Instant) {
        if let Some(flow) = self.get_mut(&key) {
            flow.owed = Some(reason);
            self.owed.set(key, at);
        }
    }

    /// Takes bad news that may go now.
    pub(super) fn pop_owed(&mut self, now: Instant) -> Option<(FlowKey, Broken)> {
        let key = self.owed.pop(now)?;
        let reason = self.get_mut(&key)?.owed.take()?;
        Some((key, reason))
    }

    /// When the next bad news may go.
    pub(super) fn next_owed(&self) -> Option<Instant> {
        self.owed.first().map(|(at, _)| at)
    }

    /// A link is gone: forgets the flows that came by it, and gives those that left by it.
    pub(super) fn link_lost(&mut self, link: LinkId, mut left_by: impl FnMut(FlowKey)) {
        let mut next = self.oldest;
        while let Some(slot) = next {
            let flow = &mut self.slots[slot];
            next = flow.newer;
            if flow.ingress == Some(link) {
                self.remove(slot);
            } else if flow.egress == Some(link) {
                flow.egress = None;
                left_by(flow.key);
            }
        }
    }

    fn remove(&mut self, slot: usize) {
        self.unlink(slot);
        let flow = self.slots.remove(slot);
        self.index.remove(&flow.key);
        if flow.owed.is_some() {
            self.owed.cancel(&flow.key);
        }
    }

    fn link(&mut self, slot: usize) {
        self.slots[slot].older = self.newest;
        self.slots[slot].newer = None;
        match self.newest {
            Some(newest) => self.slots[newest].newer = Some(slot),
            None => self.oldest = Some(slot),
        }
        self.newest = Some(slot);
    }

    fn unlink(&mut self, slot: usize) {
        let (newer, older) = (self.slots[slot].newer, self.slots[slot].older);
        match newer {
            Some(newer) => self.slots[newer].older = older,
            None => self.newest = older,
        }
        match older {
            Some(older) => self.slots[older].newer = newer,
            None => self.oldest = newer,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::{FlowKey, Flows};
    use crate::identity::NodeId;
    use crate::link::LinkId;
    use crate::time::Instant;

    fn key(number: u8) -> FlowKey {
        (NodeId::from_bytes([number; 32]), NodeId::from_bytes([0; 32]))
    }

    fn keys_oldest_first(flows: &Flows) -> Vec<u8> {
        let (mut keys, mut next) = (Vec::new(), flows.oldest);
        while let Some(slot) = next {
            keys.push(flows.slots[slot].key.0.as_bytes()[0]);
            next = flows.slots[slot].newer;
        }
        keys
    }

    #[test]
    fn a_lost_link_forgets_what_came_by_it_and_names_what_left_by_it() {
        let mut flows = Flows::new(8);
        for (number, ingress, egress) in [(1, 1, 2), (2, 2, 1), (3, 3, 1), (4, 3, 2)] {
            flows.used(Instant::ZERO, key(number), Some(LinkId(ingress))).egress = Some(LinkId(egress));
        }
        let mut named = Vec::new();
        flows.link_lost(LinkId(1), |(source, _)| named.push(source.as_bytes()[0]));
        assert_eq!(named, [2, 3]);
        assert_eq!(keys_oldest_first(&flows), [2, 3, 4]);
        assert_eq!(flows.get_mut(&key(2)).unwrap().egress, None);
    }

    proptest! {
        #[test]
        fn it_forgets_in_the_order_of_use_and_never_holds_more_than_its_cap(
            steps in proptest::collection::vec((0_u8..12, any::<bool>()), 0..200),
        ) {
            let (mut flows, mut model) = (Flows::new(5), Vec::<(u8, Instant)>::new());
            for (step, (number, forget)) in steps.into_iter().enumerate() {
                let now = Instant::from_millis(step as u64);
                if forget {
                    flows.forget_oldest();
                    model.drain(..1.min(model.len()));
                } else {
                    flows.used(now, key(number), None);
                    model.retain(|(other, _)| *other != number);
                    model.push((number, now));
                    if model.len() > 5 {
                        model.remove(0);
                    }
                }
                prop_assert_eq!(flows.len(), model.len());
                prop_assert_eq!(flows.oldest_use(), model.first().map(|(_, used_at)| *used_at));
                let expected: Vec<u8> = model.iter().map(|(number, _)| *number).collect();
                prop_assert_eq!(keys_oldest_first(&flows), expected);
                for (number, _) in &model {
                    prop_assert!(flows.get_mut(&key(*number)).is_some());
                }
            }
        }
    }
}
