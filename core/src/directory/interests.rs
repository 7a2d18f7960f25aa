//! Who wants events of which topics, looked up by walking down a topic's segments.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::entry::Interest;
use crate::identity::NodeId;
use crate::wire::path::{ActionPath, PathPattern, PatternSet};

/// See the module's text. The view's limits on entries are what bounds it.
#[derive(Debug, Default)]
pub(super) struct Interests {
    patterns: PatternSet<BTreeMap<NodeId, Interest>>,
}

impl Interests {
    /// A node wants events of the topics of a pattern.
    pub(super) fn put(&mut self, node: NodeId, interest: Interest) {
        let owners = self.patterns.get_or_insert_with(&interest.pattern, BTreeMap::new);
        owners.insert(node, interest);
    }

    /// It does not any more.
    pub(super) fn remove(&mut self, node: &NodeId, pattern: &PathPattern) {
        // A look first, so that nothing is put where nothing was.
        if self.patterns.get(pattern).is_none_or(|owners| !owners.contains_key(node)) {
            return;
        }
        let owners = self.patterns.get_or_insert_with(pattern, BTreeMap::new);
        owners.remove(node);
        if owners.is_empty() {
            self.patterns.remove(pattern);
        }
    }

    /// Everybody who wants events of a topic, once for each pattern that matches.
    pub(super) fn of(&self, network: &str, topic: &ActionPath) -> Vec<(NodeId, &Interest)> {
        let mut found = Vec::new();
        self.patterns.for_each(network, topic, &mut |_, owners| {
            found.extend(owners.iter().map(|(node, interest)| (*node, interest)));
        });
        found
    }
}
