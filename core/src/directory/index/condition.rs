//! What must hold of a slot, as far as the index can tell, and how to find all slots of which it does.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use super::facts::{Facts, Range};
use super::held::Held;
use super::slots::SlotSet;

/// Facts of a range that are counted before it is taken for a large one.
const COUNTED: usize = 32;
/// What adding one fact of a range to a union costs, in looks at a slot.
const UNION_COST: usize = 4;

/// What must hold of a slot.
#[derive(Clone, Debug)]
pub(super) enum Condition<'a> {
    /// It is in the set.
    In(&'a SlotSet),
    /// It is in one of the sets.
    InAny(Vec<&'a SlotSet>),
    /// One of its facts with the key is a number within the range.
    Number(u32, Range),
    /// Nothing that any slot has.
    Never,
}

impl<'a> Condition<'a> {
    /// It holds this fact, if there is one.
    pub(super) fn fact(facts: &'a Facts, fact: Option<u32>) -> Self {
        fact.map_or(Self::Never, |fact| Self::In(&facts.fact(fact).holders))
    }

    /// It holds a fact of this key, if there is one.
    pub(super) fn key(facts: &'a Facts, key: Option<u32>) -> Self {
        key.map_or(Self::Never, |key| Self::In(&facts.key(key).holders))
    }

    /// It has a number within the range for this key, if there is one.
    pub(super) fn number(key: Option<u32>, range: Range) -> Self {
        key.map_or(Self::Never, |key| Self::Number(key, range))
    }

    /// How many slots there are at most, about: for a range of many facts, all that have the key.
    fn estimate(&self, facts: &Facts) -> usize {
        match self {
            Self::In(set) => set.len(),
            Self::InAny(sets) => sets.iter().map(|set| set.len()).sum(),
            Self::Number(key, range) => {
                let key = facts.key(*key);
                let mut within = key.with_numbers(*range);
                let sum = within.by_ref().take(COUNTED).map(|fact| facts.fact(fact).holders.len()).sum();
                if within.next().is_none() { sum } else { key.holders.len() }
            }
            Self::Never => 0,
        }
    }

    /// All slots of which it holds.
    pub(super) fn slots(&self, facts: &'a Facts, slots: usize) -> Cow<'a, SlotSet> {
        match self {
            Self::In(set) => Cow::Borrowed(*set),
            Self::InAny(sets) => Cow::Owned(SlotSet::union(sets.iter().copied(), slots)),
            Self::Number(key, range) => {
                let holders = facts.key(*key).with_numbers(*range).map(|fact| &facts.fact(fact).holders);
                Cow::Owned(SlotSet::union(holders, slots))
            }
            Self::Never => Cow::Owned(SlotSet::new()),
        }
    }

    /// Those of the found slots of which it holds.
    fn among(&self, found: &SlotSet, index: Slots<'a>) -> SlotSet {
        if let Self::Number(key, range) = self {
            // A wide range over many distinct numbers is dearer to gather than to look up for few slots.
            let wide = index.facts.key(*key).with_numbers(*range).take(found.len() / UNION_COST + 1).count();
            if wide * UNION_COST > found.len() {
                let is_within = |fact: &u32| range.contains(index.facts.fact(*fact).number);
                return found.filtered(|slot| index.held[slot as usize].facts_of(*key).iter().any(is_within));
            }
        }
        found.and(&self.slots(index.facts, index.held.len()))
    }
}

/// What conditions are asked of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slots<'a> {
    pub(super) facts: &'a Facts,
    /// The facts of each slot.
    pub(super) held: &'a [Held],
    /// Slots that are in use.
    pub(super) live: &'a SlotSet,
}

impl<'a> Slots<'a> {
    /// The slots of which all conditions hold: the narrowest first, so that the others have little left to do.
    pub(super) fn of_all(self, mut conditions: Vec<Condition<'a>>) -> SlotSet {
        conditions.sort_by_cached_key(|condition| condition.estimate(self.facts));
        let mut rest = conditions.iter();
        let Some(first) = rest.next() else { return self.live.clone() };
        let mut found = first.slots(self.facts, self.held.len());
        for condition in rest {
            if found.is_empty() {
                break;
            }
            found = Cow::Owned(condition.among(&found, self));
        }
        found.into_owned()
    }
}
