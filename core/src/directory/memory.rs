//! The last versions of owners that are no longer in the view, or that were refused.
//!
//! Age is not signed, so nobody can tell an old head with a false age from a young one. Memory can: what was void, gone or
//! refused once is not taken again at the same version.

use alloc::collections::BTreeMap;

use crate::identity::NodeId;
use crate::wire::body::directory::Version;

/// Versions by owner. At the limit the oldest is forgotten.
#[derive(Debug)]
pub(super) struct Memory {
    versions: BTreeMap<NodeId, (Version, u64)>,
    /// Owners in the order in which they came here.
    order: BTreeMap<u64, NodeId>,
    next: u64,
    max: usize,
}

impl Memory {
    pub(super) fn new(max: usize) -> Self {
        Self { versions: BTreeMap::new(), order: BTreeMap::new(), next: 0, max }
    }

    pub(super) fn len(&self) -> usize {
        self.versions.len()
    }

    pub(super) fn get(&self, node: &NodeId) -> Option<Version> {
        self.versions.get(node).map(|(version, _)| *version)
    }

    pub(super) fn remember(&mut self, node: NodeId, version: Version) {
        if self.get(&node).is_some_and(|known| known >= version) {
            return;
        }
        self.forget(&node);
        while self.versions.len() >= self.max {
            let Some((_, oldest)) = self.order.pop_first() else { break };
            self.versions.remove(&oldest);
        }
        self.versions.insert(node, (version, self.next));
        self.order.insert(self.next, node);
        self.next += 1;
    }

    pub(super) fn forget(&mut self, node: &NodeId) {
        if let Some((_, place)) = self.versions.remove(node) {
            self.order.remove(&place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Memory, NodeId, Version};
    use crate::identity::Incarnation;

    fn version(sequence: u64) -> Version {
        Version { incarnation: Incarnation::new(1), sequence, tag: 0 }
    }

    #[test]
    fn the_oldest_is_forgotten_at_the_limit() {
        let mut memory = Memory::new(2);
        let [a, b, c] = [1, 2, 3].map(|byte| NodeId::from_bytes([byte; 32]));
        memory.remember(a, version(5));
        memory.remember(b, version(1));
        memory.remember(a, version(6));
        memory.remember(c, version(2));
        assert_eq!(
            (memory.get(&a), memory.get(&b), memory.get(&c)),
            (Some(version(6)), None, Some(version(2)))
        );
        assert_eq!(memory.len(), 2);
    }

    #[test]
    fn a_version_never_goes_back() {
        let mut memory = Memory::new(2);
        let node = NodeId::from_bytes([1; 32]);
        memory.remember(node, version(5));
        memory.remember(node, version(4));
        assert_eq!(memory.get(&node), Some(version(5)));
        memory.forget(&node);
        assert_eq!((memory.get(&node), memory.len()), (None, 0));
    }
}
