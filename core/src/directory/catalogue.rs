//! The capabilities of every owner in the index, and which slot of it is whose.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::index::CapabilityIndex;
use crate::capability::{CapabilitySet, Filter, ScopeQuery};
use crate::identity::NodeId;
use crate::predicate::Predicate;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Catalogue {
    index: CapabilityIndex,
    slots: BTreeMap<NodeId, u32>,
    owners: Vec<Option<NodeId>>,
    free: Vec<u32>,
}

impl Default for Catalogue {
    fn default() -> Self {
        Self {
            // The view's own limit on owners is what bounds it.
            index: CapabilityIndex::new(u32::MAX),
            slots: BTreeMap::new(),
            owners: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl Catalogue {
    /// What a node says it can do, from now on.
    pub(super) fn put(&mut self, node: NodeId, set: &CapabilitySet) {
        let slot = match self.slots.get(&node) {
            Some(slot) => *slot,
            None => self.take_slot(node),
        };
        let fits = self.index.insert(slot, set);
        debug_assert!(fits.is_ok(), "slots are given out below the limit");
    }

    fn take_slot(&mut self, node: NodeId) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.owners.push(None);
            self.owners.len() as u32 - 1
        });
        self.owners[slot as usize] = Some(node);
        self.slots.insert(node, slot);
        slot
    }

    /// The node is forgotten.
    pub(super) fn remove(&mut self, node: &NodeId) {
        if let Some(slot) = self.slots.remove(node) {
            self.index.remove(slot);
            self.owners[slot as usize] = None;
            self.free.push(slot);
        }
    }

    /// Who has what is asked, in no order that means anything.
    pub(super) fn find(
        &self,
        filter: &Filter,
        predicate: Option<&Predicate>,
        scope: &ScopeQuery,
        same_subnet: impl Fn(&NodeId) -> Option<bool>,
    ) -> Vec<NodeId> {
        let found = match predicate {
            Some(predicate) => self.index.find(filter, predicate),
            None => self.index.query(filter),
        };
        let owner = |slot: u32| self.owners.get(slot as usize).copied().flatten();
        let found = self.index.in_scope(&found, scope, |slot| owner(slot).as_ref().and_then(&same_subnet));
        found.iter().filter_map(owner).collect()
    }
}
