//! What may be asked of the directory.

use alloc::string::String;
use alloc::vec::Vec;

use super::entry::{EntryKind, EntryValue, Interest, ProviderEntry};
use super::view::Owner;
use super::{Directory, ProvenProvider};
use crate::address::Address;
use crate::capability::{CapabilitySet, Filter, ScopeQuery};
use crate::identity::{Incarnation, NodeId, NodeLabel, PublicKey};
use crate::predicate::Predicate;
use crate::time::Instant;
use crate::wire::body::directory::Version;
use crate::wire::path::ActionPath;

/// A node that serves an action.
///
/// ```
/// use lacewing_core::NodeId;
/// use lacewing_core::directory::{Provider, ProviderEntry};
///
/// let entry = ProviderEntry::new("math/sum".parse().unwrap());
/// let provider = Provider { node: NodeId::from_bytes([1; 32]), entry: &entry };
/// assert!(provider.entry.state.takes_calls());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provider<'a> {
    /// Who.
    pub node: NodeId,
    /// What it says of the action.
    pub entry: &'a ProviderEntry,
}

/// All that the directory knows of a node.
///
/// ```
/// use lacewing_core::directory::NodeDescription;
///
/// fn line(node: &NodeDescription) -> String {
///     let label = node.label.as_ref().map_or("?", |label| label.as_str());
///     format!("{} {label} {} actions", node.node.short(), node.providers.len())
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeDescription {
    /// Who.
    pub node: NodeId,
    /// Its key.
    pub public_key: PublicKey,
    /// Which of its lives said all this.
    pub incarnation: Incarnation,
    /// Which announcement of that life this is.
    pub sequence: u64,
    /// What people call it; `None` where it has not said so, or has taken back everything.
    pub label: Option<NodeLabel>,
    /// Where it says that it can be dialled.
    pub addrs: Vec<Address>,
    /// Its subnet, four levels of eight bits; 0 is global. `None` where it has not said so.
    pub subnet: Option<u32>,
    /// What it says it can do.
    pub capabilities: CapabilitySet,
    /// Actions that it serves, by their paths.
    pub providers: Vec<ProviderEntry>,
    /// Names that it goes by.
    pub aliases: Vec<String>,
    /// Topics that it wants events of, by their patterns.
    pub interests: Vec<Interest>,
    /// Whether it counts as alive. Other queries leave out a node that does not.
    pub visible: bool,
    /// Seconds since it announced this.
    pub age_s: u32,
    /// Links that the announcement has crossed; 0 for this node.
    pub hops: u8,
}

impl Directory {
    /// Who serves an action, in the order of node ids, this node included.
    pub(crate) fn providers(&self, path: &str) -> Vec<Provider<'_>> {
        let key = EntryKind::Provider.key(path);
        let provider = |node: &NodeId| match &self.view.get(node)?.set.get(&key)?.value {
            EntryValue::Provider(entry) => Some(Provider { node: *node, entry }),
            _ => None,
        };
        self.view.with_path(path).filter(|node| self.is_visible(node)).filter_map(provider).collect()
    }

    /// Who else is alive and wants events of a topic, by what each pattern says, in the order of node ids.
    pub(crate) fn interested(&self, network: &str, topic: &ActionPath) -> Vec<(NodeId, &Interest)> {
        let mut found = self.view.interests().of(network, topic);
        found.retain(|(node, _)| *node != self.own && self.is_visible(node));
        found.sort_by_key(|(node, _)| *node);
        found
    }

    /// Everything about a node, hidden or not.
    pub(crate) fn describe(&self, now: Instant, node: &NodeId) -> Option<NodeDescription> {
        let owner = self.view.get(node)?;
        let record = owner.record();
        let mut description = NodeDescription {
            node: *node,
            public_key: owner.head.public_key,
            incarnation: owner.head.incarnation,
            sequence: owner.head.sequence,
            label: record.map(|record| record.label.clone()),
            addrs: record.map(|record| record.addrs.clone()).unwrap_or_default(),
            subnet: record.map(|record| record.subnet),
            capabilities: owner.capabilities().cloned().unwrap_or_default(),
            providers: Vec::new(),
            aliases: Vec::new(),
            interests: Vec::new(),
            visible: self.is_visible(node),
            age_s: owner.age_s(now),
            hops: owner.hops,
        };
        for (key, stored) in owner.set.iter() {
            match &stored.value {
                EntryValue::Provider(entry) => description.providers.push(entry.clone()),
                EntryValue::Alias => description.aliases.push(key.name.clone()),
                EntryValue::Interest(interest) => description.interests.push(interest.clone()),
                EntryValue::Node(_) | EntryValue::Capabilities(_) | EntryValue::Unknown => {}
            }
        }
        Some(description)
    }

    /// Whether a node has taken back even its name, which is the last that it does.
    pub(crate) fn has_left(&self, node: &NodeId) -> bool {
        self.view.get(node).is_some_and(|owner| owner.record().is_none())
    }

    /// The life of a node that its latest announcement is of.
    pub(crate) fn incarnation_of(&self, node: &NodeId) -> Option<Incarnation> {
        Some(self.view.get(node)?.head.incarnation)
    }

    /// The latest life of a node that has been seen to be signed, also of one whose announcement is no longer kept.
    pub(crate) fn signed_life_of(&self, node: &NodeId) -> Option<Incarnation> {
        Some(self.known(node)?.incarnation)
    }

    /// Whether its owner has said since, as far as is known here, that what a proof shows is over.
    pub(crate) fn contradicts(&self, proved: &ProvenProvider) -> bool {
        let shown = (proved.incarnation, proved.sequence);
        let is_newer = |known: Version| (known.incarnation, known.sequence) > shown;
        if !self.known(&proved.node).is_some_and(is_newer) {
            return false;
        }
        let key = EntryKind::Provider.key(proved.entry.path.as_str());
        let now = self.view.get(&proved.node).and_then(|owner| owner.set.get(&key));
        !now.is_some_and(
            |stored| matches!(&stored.value, EntryValue::Provider(entry) if entry.state.takes_calls()),
        )
    }

    /// Every node that counts as alive and says anything at all, in the order of ids.
    #[cfg(test)]
    pub(crate) fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.view.iter().map(|(node, _)| *node).filter(|node| self.is_visible(node))
    }

    /// Who goes by a name, the smallest id first: the node whose id it is, written out; else all that have it as an alias;
    /// else all that have it as their label.
    pub(crate) fn resolve(&self, name: &str) -> Vec<NodeId> {
        if let Ok(node) = name.parse() {
            return alloc::vec![node];
        }
        let visible = |node: &&NodeId| self.is_visible(node);
        let holders: Vec<NodeId> = self.view.with_alias(name).filter(visible).copied().collect();
        if holders.is_empty() {
            self.view.with_label(name).filter(visible).copied().collect()
        } else {
            holders
        }
    }

    /// Who has the capabilities that are asked for and counts as alive, in the order of node ids.
    pub(crate) fn find(
        &self,
        filter: &Filter,
        predicate: Option<&Predicate>,
        scope: &ScopeQuery,
    ) -> Vec<NodeId> {
        let own = self.subnet_of(&self.own);
        let same_subnet = |node: &NodeId| own.zip(self.subnet_of(node)).map(|(own, other)| own == other);
        let mut found = self.view.with_capabilities(filter, predicate, scope, same_subnet);
        found.retain(|node| self.is_visible(node));
        found
    }

    /// What a node says it can do; `None` where it says nothing, or does not count as alive.
    pub(crate) fn capabilities_of(&self, node: &NodeId) -> Option<&CapabilitySet> {
        self.view.get(node).filter(|_| self.is_visible(node)).and_then(Owner::capabilities)
    }

    /// The subnet that a node says it is in.
    pub(crate) fn subnet_of(&self, node: &NodeId) -> Option<u32> {
        Some(self.view.get(node)?.record()?.subnet)
    }

    /// Whether there is a neighbour, views have been compared on each link, and nothing that was found lacking is awaited.
    pub(crate) fn is_view_compared(&self) -> bool {
        let compared = |neighbour: &super::Neighbour| neighbour.compared && !neighbour.is_awaited();
        !self.neighbours.is_empty() && self.neighbours.values().all(compared) && self.wanted.is_empty()
    }

    /// Whether queries give this node: it counts as alive, and has not taken back everything.
    pub(crate) fn is_visible(&self, node: &NodeId) -> bool {
        let says_anything = self.view.get(node).is_some_and(|owner| owner.set.len() > 0);
        says_anything && (*node == self.own || !self.view.is_hidden(node))
    }
}
