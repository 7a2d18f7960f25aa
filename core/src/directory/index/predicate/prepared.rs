//! Predicates slot by slot.

use alloc::vec::Vec;

use super::super::SlotSet;
use super::super::condition::Slots;
use super::super::facts::{Facts, Range};
use super::super::held::Held;
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
    /// It has the key.
    Key(u32),
    /// It has this fact of the key.
    Fact(u32, u32),
    /// It has a number within the range for the key.
    Number(u32, Range),
    /// It has one of these facts (sorted) of the key.
    Facts(u32, Vec<u32>),
    /// A value of the key has to be read.
    Read(u32, &'a Clause),
}

impl<'a> Prepared<'a> {
    /// Prepares a predicate for about so many slots, of all of which the nodes hold that `known` marks. Where a key has fewer
    /// values than there are slots, each value is read now and not once for each slot.
    pub(super) fn new(predicate: &'a Predicate, index: Slots<'a>, slots: usize, known: &[bool]) -> Self {
        let clauses = predicate.nodes().iter().enumerate().filter_map(|(place, node)| match node {
            Node::Clause(_) if known.get(place) == Some(&true) => Some(Test::Passed),
            Node::Clause(clause) => Some(Test::of(clause, index.facts, slots)),
            Node::And(_) | Node::Or(_) | Node::Not(_) => None,
        });
        Self { predicate, index, tests: clauses.collect() }
    }

    /// Those of the slots of which the predicate holds.
    pub(super) fn filter(&self, found: &SlotSet) -> SlotSet {
        found.filtered(|slot| {
            let held = &self.index.held[slot as usize];
            self.predicate.decide(|clause| self.tests[clause].passes(held, self.index.facts))
        })
    }
}

impl<'a> Test<'a> {
    fn of(clause: &'a Clause, facts: &Facts, slots: usize) -> Self {
        let Some(key) = key_of(clause, facts) else { return Self::Never };
        match Asked::by(clause) {
            Asked::Key => Self::Key(key),
            Asked::Text(text) => {
                facts.key(key).with_text(text).map_or(Self::Never, |fact| Self::Fact(key, fact))
            }
            Asked::Number(range) => Self::Number(key, range),
            Asked::Reading if facts.key(key).with_texts().len() > slots => Self::Read(key, clause),
            Asked::Reading => Self::Facts(key, accepted(clause, facts, key)),
        }
    }

    fn passes(&self, held: &Held, facts: &Facts) -> bool {
        match self {
            Self::Passed => true,
            Self::Never => false,
            Self::Key(key) => !held.facts_of(*key).is_empty(),
            Self::Fact(key, fact) => held.facts_of(*key).contains(fact),
            Self::Number(key, range) => {
                held.facts_of(*key).iter().any(|fact| range.contains(facts.fact(*fact).number))
            }
            Self::Facts(key, accepted) => {
                held.facts_of(*key).iter().any(|fact| accepted.binary_search(fact).is_ok())
            }
            Self::Read(key, clause) => held.facts_of(*key).iter().any(|fact| accepts(clause, facts, *fact)),
        }
    }
}
