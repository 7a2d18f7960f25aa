//! This node's own entries.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use rand_core::Rng;

use super::entry::{
    Alias, Entry, EntryError, EntryKind, Interest, NODE_ADDRS_MAX, NodeRecord, ProviderEntry,
};
use super::set::{Changes, Stored};
use super::view::Arrival;
use super::{Directory, Out};
use crate::address::Address;
use crate::capability::CapabilitySet;
use crate::identity::{Incarnation, LabelError};
use crate::machine::Cx;
use crate::time::Instant;
use crate::wire::body::directory::{EntryKey, SignedHead};
use crate::wire::path::PathPattern;

/// Why this node cannot say that of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// The node has so many entries that others would take no more.
    #[error("a node has at most {0} entries in the directory")]
    TooManyEntries(usize),
    /// The node's entries are so large that others would take no more.
    #[error("the entries of a node have at most {0} bytes in all")]
    TooManyBytes(usize),
    /// The entry itself is not allowed.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The alias is not allowed.
    #[error("an alias is a name like a label: {0}")]
    Alias(#[from] LabelError),
    /// The node has taken back everything, because it is leaving.
    #[error("this node is leaving")]
    Left,
}

/// What the node keeps of itself besides its entries.
#[derive(Debug)]
pub(super) struct Author {
    pub(super) incarnation: Incarnation,
    pub(super) sequence: u64,
    /// Keys that have changed since the last head was signed; `None` where nothing has.
    unsigned: Option<Vec<EntryKey>>,
    /// When the head must be signed again, so that it never runs out.
    pub(super) refresh_at: Instant,
    pub(super) left: bool,
    /// The latest life of this key that somebody else has shown.
    pub(super) overtaken_by: Option<Incarnation>,
}

impl Author {
    pub(super) fn new(incarnation: Incarnation) -> Self {
        Self {
            incarnation,
            sequence: 0,
            unsigned: Some(Vec::new()),
            refresh_at: Instant::NEVER,
            left: false,
            overtaken_by: None,
        }
    }

    pub(super) fn is_unsigned(&self) -> bool {
        self.unsigned.is_some()
    }

    /// A new head is wanted, and these entries are why.
    pub(super) fn touch(&mut self, keys: impl IntoIterator<Item = EntryKey>) {
        self.unsigned.get_or_insert_default().extend(keys);
    }
}

impl Directory {
    /// What this node says it can do.
    pub(crate) fn capabilities(&self) -> &CapabilitySet {
        self.view.get(&self.own).and_then(super::view::Owner::capabilities).unwrap_or(&self.no_capabilities)
    }

    /// Says what this node can do from now on.
    pub(crate) fn set_capabilities(
        &mut self,
        cx: &mut Cx<'_>,
        set: CapabilitySet,
    ) -> Result<(), DirectoryError> {
        self.put_own(cx, Entry::capabilities(set)).map(|_| ())
    }

    /// Says where this node can be dialled from now on. Addresses over [`NODE_ADDRS_MAX`] are refused.
    pub(crate) fn set_addresses(
        &mut self,
        cx: &mut Cx<'_>,
        addrs: Vec<Address>,
    ) -> Result<(), DirectoryError> {
        if addrs.len() as u64 > NODE_ADDRS_MAX {
            return Err(EntryError::Addresses.into());
        }
        let record = NodeRecord { addrs, ..self.own_record() };
        self.put_own(cx, Entry::node(record)).map(|_| ())
    }

    /// Says in which subnet this node is from now on.
    pub(crate) fn set_subnet(&mut self, cx: &mut Cx<'_>, subnet: u32) -> Result<(), DirectoryError> {
        let record = NodeRecord { subnet, ..self.own_record() };
        self.put_own(cx, Entry::node(record)).map(|_| ())
    }

    /// Adds an action, or says something else of it.
    pub(crate) fn put_provider(
        &mut self,
        cx: &mut Cx<'_>,
        entry: ProviderEntry,
    ) -> Result<(), DirectoryError> {
        entry.check()?;
        self.put_own(cx, Entry::provider(entry)).map(|_| ())
    }

    /// What this node says of one of its actions.
    pub(crate) fn own_provider(&self, path: &str) -> Option<&ProviderEntry> {
        let key = EntryKind::Provider.key(path);
        match &self.view.get(&self.own)?.set.get(&key)?.value {
            super::EntryValue::Provider(entry) => Some(entry),
            _ => None,
        }
    }

    /// Takes an action back. `false` if it was not there.
    pub(crate) fn remove_provider(&mut self, cx: &mut Cx<'_>, path: &str) -> bool {
        self.remove_own(cx, EntryKind::Provider.key(path))
    }

    /// Wants events of the topics of a pattern, or says something else of whom they are for.
    pub(crate) fn put_interest(&mut self, cx: &mut Cx<'_>, interest: Interest) -> Result<(), DirectoryError> {
        interest.check()?;
        self.put_own(cx, Entry::interest(interest)).map(|_| ())
    }

    /// Wants no more events of the topics of a pattern. `false` if that was not there.
    pub(crate) fn remove_interest(&mut self, cx: &mut Cx<'_>, pattern: &PathPattern) -> bool {
        self.remove_own(cx, EntryKind::Interest.key(pattern.as_str()))
    }

    /// Goes by one more name.
    pub(crate) fn put_alias(&mut self, cx: &mut Cx<'_>, alias: &str) -> Result<(), DirectoryError> {
        let alias: Alias = alias.parse()?;
        self.put_own(cx, Entry::alias(&alias)).map(|_| ())
    }

    /// Goes by a name no more. `false` if it was not there.
    pub(crate) fn remove_alias(&mut self, cx: &mut Cx<'_>, alias: &str) -> bool {
        self.remove_own(cx, EntryKind::Alias.key(alias))
    }

    fn own_record(&self) -> NodeRecord {
        let record = self.view.get(&self.own).and_then(super::view::Owner::record);
        record.cloned().unwrap_or_else(|| NodeRecord {
            label: self.config.label.clone(),
            addrs: Vec::new(),
            subnet: 0,
        })
    }

    /// Changes an entry of this node. `false` if it says the same already.
    fn put_own(&mut self, cx: &mut Cx<'_>, entry: Entry) -> Result<bool, DirectoryError> {
        if self.author.left {
            return Err(DirectoryError::Left);
        }
        let crypto = &*self.config.crypto;
        let (key, stored) = Stored::own(crypto, entry);
        let Some(owner) = self.view.get(&self.own) else { return Err(DirectoryError::Left) };
        let before = owner.set.get(&key).map(|before| before.bytes.len());
        if owner.set.get(&key).is_some_and(|before| before.bytes == stored.bytes) {
            return Ok(false);
        }
        let limits = &self.config.limits;
        if owner.set.len() + usize::from(before.is_none()) > limits.directory_entries_per_owner_max {
            return Err(DirectoryError::TooManyEntries(limits.directory_entries_per_owner_max));
        }
        if owner.set.bytes() - before.unwrap_or(0) + stored.bytes.len() > limits.directory_bytes_per_owner_max
        {
            return Err(DirectoryError::TooManyBytes(limits.directory_bytes_per_owner_max));
        }
        self.change_own(cx, BTreeMap::from([(key, Some(stored))]));
        Ok(true)
    }

    fn remove_own(&mut self, cx: &mut Cx<'_>, key: EntryKey) -> bool {
        let there = self.view.get(&self.own).is_some_and(|owner| owner.set.get(&key).is_some());
        if there {
            self.change_own(cx, BTreeMap::from([(key, None)]));
        }
        there
    }

    fn change_own(&mut self, cx: &mut Cx<'_>, changes: Changes) {
        cx.mark("directory.own_changed");
        self.author.touch(changes.keys().cloned());
        self.view.apply(self.own, changes);
        self.changed.insert(self.own);
        self.plan(cx.now);
    }

    /// Takes back everything that this node has said.
    pub(super) fn leave(&mut self, cx: &mut Cx<'_>) {
        if core::mem::replace(&mut self.author.left, true) {
            return;
        }
        cx.mark("directory.left");
        let keys = self.view.get(&self.own).into_iter().flat_map(|owner| owner.set.iter());
        let changes: Changes = keys.map(|(key, _)| (key.clone(), None)).collect();
        self.change_own(cx, changes);
    }

    /// Goes on under another incarnation: everything is said again.
    pub(super) fn reincarnated(&mut self, cx: &mut Cx<'_>, incarnation: Incarnation) {
        if incarnation <= self.author.incarnation {
            return;
        }
        cx.mark("directory.reincarnated");
        self.author.incarnation = incarnation;
        self.author.sequence = 0;
        self.author.touch(None);
    }

    /// Signs a head over the node's entries as they are now.
    pub(super) fn sign(&mut self, now: Instant) {
        let Some(keys) = self.author.unsigned.take() else { return };
        let Some(owner) = self.view.get(&self.own) else { return };
        let summary = owner.set.summary(&*self.config.crypto);
        let new_life = owner.head.incarnation != self.author.incarnation;
        self.author.sequence += 1;
        let ttl_s = u32::try_from(self.config.timing.directory_ttl.as_secs()).unwrap_or(u32::MAX);
        let head = SignedHead::sign(
            &self.identity,
            self.author.incarnation,
            self.author.sequence,
            ttl_s,
            summary.entries as u32,
            summary.root,
        );
        self.view.set_head(self.own, head, Arrival { now, age_s: 0, hops: 0 });
        // Early enough that a lost refresh can be repaired, and not in step with other nodes.
        let half_ms = u64::from(ttl_s) * 500;
        let early_ms = self.rng.next_u64() % (half_ms / 5).max(1);
        self.author.refresh_at = now + core::time::Duration::from_millis(half_ms - early_ms);
        self.spread.queue(self.own, if new_life { None } else { Some(keys) }, None);
    }

    /// Somebody shows a head of this very key that is later than any that this node has signed.
    pub(super) fn overtaken(&mut self, cx: &mut Cx<'_>, head: &SignedHead) {
        if head.incarnation == self.author.incarnation {
            // Nobody else lives with this incarnation: this node has forgotten how far it had counted.
            cx.count("directory.own_sequence_overtaken");
            self.author.sequence = head.sequence.max(self.author.sequence);
            self.author.touch(None);
        } else if self.author.overtaken_by.is_none_or(|by| by < head.incarnation) {
            cx.count("directory.superseded");
            self.author.overtaken_by = Some(head.incarnation);
            self.out.push_back(Out::Superseded { by: head.incarnation });
        }
    }
}
