//! The facts of one slot, packed for being asked about their keys.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::facts::FactRef;

/// Keys that are looked through one by one: without branches and side by side, that is faster than to search.
const LOOKED_THROUGH: usize = 64;

/// The facts of a slot: all keys, ascending, and then in the same order all facts. Keys are what is searched, and this way
/// they lie in one or two cache lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Held(Box<[u32]>);

impl Held {
    /// Packs sorted facts.
    pub(super) fn new(facts: &[FactRef]) -> Self {
        debug_assert!(facts.is_sorted(), "facts of a slot are sorted");
        let keys = facts.iter().map(|fact| fact.key);
        Self(keys.chain(facts.iter().map(|fact| fact.fact)).collect())
    }

    /// The facts in ascending order.
    pub(super) fn iter(&self) -> impl Iterator<Item = FactRef> {
        let (keys, facts) = self.0.split_at(self.0.len() / 2);
        keys.iter().zip(facts).map(|(key, fact)| FactRef { key: *key, fact: *fact })
    }

    /// The facts of one key.
    pub(super) fn facts_of(&self, key: u32) -> &[u32] {
        let (keys, facts) = self.0.split_at(self.0.len() / 2);
        let start = if keys.len() <= LOOKED_THROUGH {
            keys.iter().map(|other| u32::from(*other < key)).sum::<u32>() as usize
        } else {
            keys.partition_point(|other| *other < key)
        };
        let count = keys[start..].iter().take_while(|other| **other == key).count();
        &facts[start..start + count]
    }

    /// What is in this and not in `other`.
    pub(super) fn without(&self, other: &Self) -> Vec<FactRef> {
        self.iter().filter(|fact| !other.facts_of(fact.key).contains(&fact.fact)).collect()
    }

    /// Bytes that it takes beside itself.
    pub(super) fn heap_len(&self) -> usize {
        size_of_val(&*self.0)
    }
}
