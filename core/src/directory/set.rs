//! The entries of one owner, in the order in which they are hashed.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::entry::{Entry, EntryValue};
use super::merkle::{self, Hash};
use crate::crypto::CryptoProvider;
use crate::wire::WireError;
use crate::wire::body::directory::EntryKey;

/// What an entry takes in memory besides its bytes, by which the limit on all of them counts.
const ENTRY_OVERHEAD: usize = 256;

/// An entry as its owner wrote it, and what it means.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) bytes: Box<[u8]>,
    leaf: Hash,
    pub(super) value: EntryValue,
}

impl Stored {
    /// An entry of this node.
    pub(super) fn own(crypto: &dyn CryptoProvider, entry: Entry) -> (EntryKey, Self) {
        let bytes = entry.encode().into_boxed_slice();
        let leaf = merkle::leaf(crypto, &bytes);
        (entry.key, Self { bytes, leaf, value: entry.value })
    }

    /// An entry of another node.
    pub(super) fn read(crypto: &dyn CryptoProvider, bytes: &[u8]) -> Result<(EntryKey, Self), WireError> {
        let entry = Entry::decode(bytes)?;
        let leaf = merkle::leaf(crypto, bytes);
        Ok((entry.key, Self { bytes: bytes.into(), leaf, value: entry.value }))
    }
}

/// What becomes of a set: new or changed entries, and keys that go.
pub(super) type Changes = BTreeMap<EntryKey, Option<Stored>>;

/// What a set comes to: what the head says of it, and what it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) root: Hash,
    pub(super) entries: usize,
    pub(super) bytes: usize,
}

/// The entries of one owner.
#[derive(Debug, Default)]
pub(super) struct EntrySet {
    entries: BTreeMap<EntryKey, Stored>,
    bytes: usize,
}

impl EntrySet {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of all encodings.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What the set takes in memory, roughly.
    pub(super) fn weight(&self) -> usize {
        weight(self.entries.len(), self.bytes)
    }

    pub(super) fn get(&self, key: &EntryKey) -> Option<&Stored> {
        self.entries.get(key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&EntryKey, &Stored)> {
        self.entries.iter()
    }

    pub(super) fn summary(&self, crypto: &dyn CryptoProvider) -> Summary {
        let root = merkle::root(crypto, self.entries.values().map(|stored| stored.leaf));
        Summary { root, entries: self.entries.len(), bytes: self.bytes }
    }

    /// What the set would come to with these changes.
    pub(super) fn summary_with(&self, crypto: &dyn CryptoProvider, changes: &Changes) -> Summary {
        let (mut entries, mut bytes) = (0, 0);
        let mut kept = self.entries.iter().filter(|(key, _)| !changes.contains_key(key)).peekable();
        let mut changed = changes.iter().filter_map(|(key, stored)| Some((key, stored.as_ref()?))).peekable();
        let leaves = core::iter::from_fn(|| {
            let kept_first = match (kept.peek(), changed.peek()) {
                (Some((kept, _)), Some((changed, _))) => kept < changed,
                (kept, _) => kept.is_some(),
            };
            let (_, stored) = if kept_first { kept.next() } else { changed.next() }?;
            entries += 1;
            bytes += stored.bytes.len();
            Some(stored.leaf)
        });
        let root = merkle::root(crypto, leaves);
        Summary { root, entries, bytes }
    }

    pub(super) fn apply(&mut self, changes: Changes) {
        for (key, stored) in changes {
            let before = match stored {
                Some(stored) => {
                    self.bytes += stored.bytes.len();
                    self.entries.insert(key, stored)
                }
                None => self.entries.remove(&key),
            };
            self.bytes -= before.map_or(0, |stored| stored.bytes.len());
        }
    }

    /// What leads from an entry to the root: its place, and the path.
    pub(super) fn path(&self, crypto: &dyn CryptoProvider, key: &EntryKey) -> Option<(usize, Vec<Hash>)> {
        let index = self.entries.keys().position(|other| other == key)?;
        let leaves: Vec<Hash> = self.entries.values().map(|stored| stored.leaf).collect();
        Some((index, merkle::path(crypto, &leaves, index)))
    }
}

/// What a set of so many entries and bytes takes in memory, roughly.
pub(super) fn weight(entries: usize, bytes: usize) -> usize {
    entries * ENTRY_OVERHEAD + bytes
}
