//! Everything that is known of everybody, and the ways to find it.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::bucket::{Rate, TokenBucket};
use super::catalogue::Catalogue;
use super::digest::DigestTree;
use super::entry::{Alias, EntryKind, EntryValue, Interest, NodeRecord};
use super::interests::Interests;
use super::set::{Changes, EntrySet};
use crate::capability::{CapabilitySet, Filter, ScopeQuery};
use crate::identity::{NodeId, NodeLabel};
use crate::predicate::Predicate;
use crate::time::Instant;
use crate::wire::body::directory::{EntryKey, SignedHead, Version};
use crate::wire::path::ActionPath;

/// One owner's entries, and the head that covers them.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) head: SignedHead,
    pub(super) set: EntrySet,
    /// Links that the head has crossed on its way here.
    pub(super) hops: u8,
    /// Age of the head when it arrived.
    age_s: u32,
    arrived: Instant,
    /// How often its news may be passed on; `None` while it has had none.
    spread: Option<TokenBucket>,
}

impl Owner {
    /// Pays for passing its news on; else says when that may be.
    pub(super) fn may_spread(&mut self, rate: Rate, now: Instant, cost: u64) -> Result<(), Instant> {
        let bucket = self.spread.get_or_insert_with(|| TokenBucket::full(rate, now));
        if bucket.take(rate, now, cost) { Ok(()) } else { Err(bucket.ready_at(rate, cost)) }
    }

    /// When its news may be passed on next.
    pub(super) fn spreads_at(&self, rate: Rate, cost: u64) -> Instant {
        self.spread.map_or(Instant::ZERO, |bucket| bucket.ready_at(rate, cost))
    }

    pub(super) fn version(&self) -> Version {
        self.head.version()
    }

    /// Seconds since the head was signed, rounded up: whoever passes a head on never makes it younger.
    pub(super) fn age_s(&self, now: Instant) -> u32 {
        let held = (now - self.arrived).as_nanos().div_ceil(1_000_000_000);
        u32::try_from(held).unwrap_or(u32::MAX).saturating_add(self.age_s)
    }

    fn expires(&self) -> Instant {
        let left = self.head.ttl_s.saturating_sub(self.age_s);
        self.arrived + core::time::Duration::from_secs(left.into())
    }

    /// What the owner says of itself as a whole.
    pub(super) fn record(&self) -> Option<&NodeRecord> {
        match &self.set.get(&super::entry::EntryKind::Node.key(""))?.value {
            EntryValue::Node(record) => Some(record),
            _ => None,
        }
    }

    pub(super) fn capabilities(&self) -> Option<&CapabilitySet> {
        match &self.set.get(&EntryKind::Capabilities.key(""))?.value {
            EntryValue::Capabilities(set) => Some(set),
            _ => None,
        }
    }
}

/// How and when a head arrived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) now: Instant,
    pub(super) age_s: u32,
    pub(super) hops: u8,
}

/// The map of all owners.
#[derive(Debug, Default)]
pub(super) struct View {
    owners: BTreeMap<NodeId, Owner>,
    paths: BTreeMap<ActionPath, BTreeSet<NodeId>>,
    aliases: BTreeMap<Alias, BTreeSet<NodeId>>,
    labels: BTreeMap<NodeLabel, BTreeSet<NodeId>>,
    /// Nodes that are not alive as far as this node can tell.
    hidden: BTreeSet<NodeId>,
    expiries: BTreeSet<(Instant, NodeId)>,
    weight: usize,
    catalogue: Catalogue,
    interests: Interests,
    digests: DigestTree,
}

impl View {
    pub(super) fn len(&self) -> usize {
        self.owners.len()
    }

    /// What all entries take in memory, roughly.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    pub(super) fn get(&self, node: &NodeId) -> Option<&Owner> {
        self.owners.get(node)
    }

    pub(super) fn get_mut(&mut self, node: &NodeId) -> Option<&mut Owner> {
        self.owners.get_mut(node)
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (&NodeId, &Owner)> {
        self.owners.iter()
    }

    pub(super) fn range(&self, from: NodeId, to: NodeId) -> impl Iterator<Item = (&NodeId, &Owner)> {
        self.owners.range(from..=to)
    }

    pub(super) fn is_hidden(&self, node: &NodeId) -> bool {
        self.hidden.contains(node)
    }

    pub(super) fn hidden_len(&self) -> usize {
        self.hidden.len()
    }

    /// Hides a node from queries, or shows it again. `false` if that changes nothing.
    pub(super) fn set_hidden(&mut self, node: NodeId, hidden: bool) -> bool {
        if hidden { self.hidden.insert(node) } else { self.hidden.remove(&node) }
    }

    pub(super) fn with_path(&self, path: &str) -> impl Iterator<Item = &NodeId> {
        self.paths.get(path).into_iter().flatten()
    }

    pub(super) fn with_alias(&self, alias: &str) -> impl Iterator<Item = &NodeId> {
        alias.parse::<Alias>().ok().and_then(|alias| self.aliases.get(&alias)).into_iter().flatten()
    }

    pub(super) fn with_label(&self, label: &str) -> impl Iterator<Item = &NodeId> {
        label.parse::<NodeLabel>().ok().and_then(|label| self.labels.get(&label)).into_iter().flatten()
    }

    /// Who wants events of a topic.
    pub(super) fn interests(&self) -> &Interests {
        &self.interests
    }

    /// The hash over all versions.
    pub(super) fn hash(&mut self, crypto: &dyn crate::crypto::CryptoProvider) -> [u8; 32] {
        self.digests.view(crypto, &self.owners)
    }

    /// The hashes of all buckets that are not empty.
    pub(super) fn bucket_hashes(
        &mut self,
        crypto: &dyn crate::crypto::CryptoProvider,
    ) -> BTreeMap<u8, [u8; 32]> {
        self.digests.buckets(crypto, &self.owners)
    }

    /// The next time at which an owner's head is void, and whose.
    pub(super) fn next_expiry(&self) -> Option<(Instant, NodeId)> {
        self.expiries.first().copied()
    }

    /// Adds a new owner without entries.
    pub(super) fn open(&mut self, node: NodeId, head: SignedHead, arrival: Arrival) {
        debug_assert!(!self.owners.contains_key(&node), "an owner is opened once");
        let Arrival { now, age_s, hops } = arrival;
        let owner = Owner { head, set: EntrySet::default(), hops, age_s, arrived: now, spread: None };
        self.expiries.insert((owner.expires(), node));
        self.owners.insert(node, owner);
        self.catalogue.put(node, &CapabilitySet::new());
        self.digests.touch(&node);
    }

    /// Gives an owner its next head.
    pub(super) fn set_head(&mut self, node: NodeId, head: SignedHead, arrival: Arrival) {
        let Some(owner) = self.owners.get_mut(&node) else { return };
        self.expiries.remove(&(owner.expires(), node));
        owner.head = head;
        (owner.arrived, owner.age_s, owner.hops) = (arrival.now, arrival.age_s, arrival.hops);
        self.expiries.insert((owner.expires(), node));
        self.digests.touch(&node);
    }

    /// Changes an owner's entries, and what finds them.
    pub(super) fn apply(&mut self, node: NodeId, changes: Changes) {
        let Some(owner) = self.owners.get_mut(&node) else { return };
        self.weight -= owner.set.weight();
        let old: Vec<Found> = changes.keys().filter_map(|key| Found::of(key, owner)).collect();
        let keys: Vec<EntryKey> = changes.keys().cloned().collect();
        owner.set.apply(changes);
        let capabilities = EntryKind::Capabilities.key("");
        if keys.contains(&capabilities) {
            let nothing = CapabilitySet::new();
            self.catalogue.put(node, owner.capabilities().unwrap_or(&nothing));
        }
        self.weight += owner.set.weight();
        let new: Vec<Found> = keys.iter().filter_map(|key| Found::of(key, owner)).collect();
        for found in old {
            self.unfind(node, found);
        }
        for found in new {
            self.find(node, found);
        }
    }

    /// Forgets an owner. Gives the last head.
    pub(super) fn remove(&mut self, node: &NodeId) -> Option<SignedHead> {
        let owner = self.owners.remove(node)?;
        self.weight -= owner.set.weight();
        self.expiries.remove(&(owner.expires(), *node));
        let found: Vec<Found> = owner.set.iter().filter_map(|(key, _)| Found::of(key, &owner)).collect();
        for found in found {
            self.unfind(*node, found);
        }
        self.catalogue.remove(node);
        self.digests.touch(node);
        self.hidden.remove(node);
        Some(owner.head)
    }

    /// Who has the capabilities that are asked for, hidden or not, in the order of node ids.
    pub(super) fn with_capabilities(
        &self,
        filter: &Filter,
        predicate: Option<&Predicate>,
        scope: &ScopeQuery,
        same_subnet: impl Fn(&NodeId) -> Option<bool>,
    ) -> Vec<NodeId> {
        let mut found = self.catalogue.find(filter, predicate, scope, same_subnet);
        found.sort_unstable();
        found
    }

    fn find(&mut self, node: NodeId, found: Found) {
        match found {
            Found::Path(path) => {
                self.paths.entry(path).or_default().insert(node);
            }
            Found::Alias(alias) => {
                self.aliases.entry(alias).or_default().insert(node);
            }
            Found::Label(label) => {
                self.labels.entry(label).or_default().insert(node);
            }
            Found::Interest(interest) => self.interests.put(node, interest),
        }
    }

    fn unfind(&mut self, node: NodeId, found: Found) {
        match found {
            Found::Path(path) => drop_from(&mut self.paths, &path, &node),
            Found::Alias(alias) => drop_from(&mut self.aliases, &alias, &node),
            Found::Label(label) => drop_from(&mut self.labels, &label, &node),
            Found::Interest(interest) => self.interests.remove(&node, &interest.pattern),
        }
    }
}

/// What an entry makes its owner found by.
enum Found {
    Path(ActionPath),
    Alias(Alias),
    Label(NodeLabel),
    Interest(Interest),
}

impl Found {
    fn of(key: &EntryKey, owner: &Owner) -> Option<Self> {
        match &owner.set.get(key)?.value {
            EntryValue::Provider(entry) => Some(Self::Path(entry.path.clone())),
            EntryValue::Alias => Some(Self::Alias(key.name.parse().ok()?)),
            EntryValue::Node(record) => Some(Self::Label(record.label.clone())),
            EntryValue::Interest(interest) => Some(Self::Interest(interest.clone())),
            EntryValue::Capabilities(_) | EntryValue::Unknown => None,
        }
    }
}

fn drop_from<K: Ord>(map: &mut BTreeMap<K, BTreeSet<NodeId>>, key: &K, node: &NodeId) {
    if let Some(nodes) = map.get_mut(key) {
        nodes.remove(node);
        if nodes.is_empty() {
            map.remove(key);
        }
    }
}
