//! Predicates slot by slot.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use super::super::SlotSet;
use super::super::condition::Slots;
use super::super::facts::Range;
use super::sets::{cost_of_set, set_of};
use super::{Asked, accepted, accepts, key_of};
use crate::predicate::{Clause, Node, Predicate};

/// A predicate whose clauses were looked up once, to be asked about many slots.
pub(super) struct Prepared<'a> {
    predicate: &'a Predicate,
    index: Slots<'a>,
    tests: Vec<Test<'a>>,
}

/// What a clause comes to, for a slot.
enum Test<'a> {
    /// It passes, that much is known.
    Passed,
    /// No slot can pass.
    Never,
    /// It is in the set.
    In(Cow<'a, SlotSet>),
    /// It has a number within the range for the key.
    Number(u32, Range),
    /// It has one of these facts (sorted) of the key.
    Facts(u32, Vec<u32>),
    /// A value of the key has to be read.
    Read(u32, &'a Clause),
}

impl<'a> Prepared<'a> {
    /// Prepares a predicate for about so many slots, of all of which the nodes hold that `known` marks. What is cheaper to
    /// find out of all slots at once than of each of these is found out now: a set is then asked in a nanosecond or two.
    pub(super) fn new(predicate: &'a Predicate, index: Slots<'a>, slots: usize, known: &[bool]) -> Self {
        let clauses = predicate.nodes().iter().enumerate().filter_map(|(place, node)| match node {
            Node::Clause(_) if known.get(place) == Some(&true) => Some(Test::Passed),
            Node::Clause(clause) => Some(Test::of(clause, index, slots)),
            Node::And(_) | Node::Or(_) | Node::Not(_) => None,
        });
        Self { predicate, index, tests: clauses.collect() }
    }

    /// Those of the slots of which the predicate holds.
    pub(super) fn filter(&self, found: &SlotSet) -> SlotSet {
        found.filtered(|slot| self.predicate.decide(|clause| self.tests[clause].passes(slot, self.index)))
    }
}

impl<'a> Test<'a> {
    fn of(clause: &'a Clause, index: Slots<'a>, slots: usize) -> Self {
        let facts = index.facts;
        let Some(key) = key_of(clause, facts) else { return Self::Never };
        match Asked::by(clause) {
            Asked::Key => Self::In(Cow::Borrowed(&facts.key(key).holders)),
            Asked::Text(text) => match facts.key(key).with_text(text) {
                Some(fact) => Self::In(Cow::Borrowed(&facts.fact(fact).holders)),
                None => Self::Never,
            },
            Asked::Number(_) | Asked::Reading if cost_of_set(clause, index) < slots => {
                Self::In(set_of(clause, index))
            }
            Asked::Number(range) => Self::Number(key, range),
            // Where there are fewer values than slots, each is read now and not once for each slot.
            Asked::Reading if facts.key(key).with_texts().len() > slots => Self::Read(key, clause),
            Asked::Reading => Self::Facts(key, accepted(clause, facts, key)),
        }
    }

    fn passes(&self, slot: u32, index: Slots<'_>) -> bool {
        let facts_of = |key: &u32| index.held[slot as usize].facts_of(*key);
        match self {
            Self::Passed => true,
            Self::Never => false,
            Self::In(set) => set.contains(slot),
            Self::Number(key, range) => {
                facts_of(key).iter().any(|fact| range.contains(index.facts.fact(*fact).number))
            }
            Self::Facts(key, accepted) => {
                facts_of(key).iter().any(|fact| accepted.binary_search(fact).is_ok())
            }
            Self::Read(key, clause) => facts_of(key).iter().any(|fact| accepts(clause, index.facts, *fact)),
        }
    }
}
