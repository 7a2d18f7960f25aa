//! Predicates over the index: what must hold anyway narrows the slots down, and what is left is worked out with sets of
//! slots or asked slot by slot, whatever is cheaper.

mod prepared;
mod sets;

use alloc::vec;
use alloc::vec::Vec;

use self::prepared::Prepared;
use self::sets::Sets;
use super::condition::Condition;
use super::facts::{Facts, Kind, Range};
use super::{CapabilityIndex, SlotSet};
use crate::capability::Filter;
use crate::predicate::{Clause, Fact, Key, Node, Predicate};

impl CapabilityIndex {
    /// The slots of which the predicate holds.
    ///
    /// ```
    /// use lacewing_core::capability::CapabilitySet;
    /// use lacewing_core::directory::index::CapabilityIndex;
    /// use lacewing_core::predicate::Predicate;
    ///
    /// let mut index = CapabilityIndex::new(10);
    /// let set = CapabilitySet::from_json(r#"{"tags": ["hardware.gpu", "software.runtime.python=3.12.1"]}"#);
    /// index.insert(4, &set.unwrap()).unwrap();
    /// let predicate: Predicate = "hardware.gpu and software.runtime.python ~= 3.10".parse().unwrap();
    /// assert!(index.select(&predicate).contains(4));
    /// ```
    pub fn select(&self, predicate: &Predicate) -> SlotSet {
        self.narrow(Vec::new(), predicate)
    }

    /// The slots that have what the filter asks and of which the predicate holds.
    pub fn find(&self, filter: &Filter, predicate: &Predicate) -> SlotSet {
        self.narrow(self.conditions_of(filter), predicate)
    }

    /// Those of the candidates that are in use and of which the predicate holds, without a look at any other slot.
    pub fn select_among(&self, candidates: impl IntoIterator<Item = u32>, predicate: &Predicate) -> SlotSet {
        let candidates: SlotSet = candidates.into_iter().filter(|slot| self.live.contains(*slot)).collect();
        Prepared::new(predicate, self.slots(), candidates.len(), &[]).filter(&candidates)
    }

    /// Adds what must hold if the predicate does, and then sees to what is left of it.
    fn narrow<'a>(&'a self, mut conditions: Vec<Condition<'a>>, predicate: &Predicate) -> SlotSet {
        let conjuncts = Conjuncts::of(predicate, &self.facts, &mut conditions);
        let found = self.slots().of_all(conditions);
        if conjuncts.left.is_empty() || found.is_empty() {
            return found;
        }
        let sets = Sets::new(predicate, &conjuncts.left, self.slots());
        if sets.are_cheaper_than_asking(found.len()) {
            return sets.intersect(found);
        }
        Prepared::new(predicate, self.slots(), found.len(), &conjuncts.known).filter(&found)
    }
}

/// The parts of a predicate that must all hold.
struct Conjuncts {
    /// Of each node, whether it is a clause that became a condition.
    known: Vec<bool>,
    /// The other parts, as nodes.
    left: Vec<usize>,
}

impl Conjuncts {
    /// Adds a condition for each part that can be one.
    fn of<'a>(predicate: &Predicate, facts: &'a Facts, conditions: &mut Vec<Condition<'a>>) -> Self {
        let nodes = predicate.nodes();
        let (mut known, mut left) = (vec![false; nodes.len()], Vec::new());
        let mut seen = vec![false; nodes.len()];
        let mut open = vec![predicate.root()];
        while let Some(index) = open.pop() {
            if core::mem::replace(&mut seen[index], true) {
                continue;
            }
            match &nodes[index] {
                Node::And(children) => open.extend(children.iter().map(|child| usize::from(*child))),
                Node::Clause(clause) => match condition_of(clause, facts) {
                    Some(condition) => {
                        conditions.push(condition);
                        known[index] = true;
                    }
                    None => left.push(index),
                },
                Node::Or(_) | Node::Not(_) => left.push(index),
            }
        }
        Self { known, left }
    }
}

/// The condition that says the same as a clause, for the kinds of clauses that have one.
fn condition_of<'a>(clause: &Clause, facts: &'a Facts) -> Option<Condition<'a>> {
    let key = key_of(clause, facts);
    Some(match Asked::by(clause) {
        Asked::Key => Condition::key(facts, key),
        Asked::Text(text) => Condition::fact(facts, key.and_then(|key| facts.key(key).with_text(text))),
        Asked::Number(range) => Condition::number(key, range),
        Asked::Reading if key.is_none() => Condition::Never,
        Asked::Reading => return None,
    })
}

/// The key that a clause asks about, where some slot has it.
fn key_of(clause: &Clause, facts: &Facts) -> Option<u32> {
    match clause.key() {
        Key::Tag(key) => facts.key_id(Kind::Axis(key.axis()), key.key()),
        Key::Metadata(key) => facts.key_id(Kind::Metadata, key),
    }
}

/// What a clause asks of its key.
enum Asked<'a> {
    /// That it is there.
    Key,
    /// That it has this value.
    Text(&'a str),
    /// That it has a number within the range.
    Number(Range),
    /// Something that only a look at its values tells.
    Reading,
}

impl<'a> Asked<'a> {
    fn by(clause: &'a Clause) -> Self {
        match clause {
            Clause::Exists { .. } | Clause::MetadataExists { .. } => Self::Key,
            Clause::Equals { value, .. } | Clause::MetadataEquals { value, .. } => Self::Text(value),
            Clause::NumericAtLeast { threshold, .. } | Clause::MetadataNumericAtLeast { threshold, .. } => {
                Self::Number(Range::at_least(*threshold))
            }
            Clause::NumericAtMost { threshold, .. } => {
                Self::Number(Range { min: f64::NEG_INFINITY, max: *threshold })
            }
            Clause::NumericInRange { min, max, .. } => Self::Number(Range { min: *min, max: *max }),
            Clause::SemverAtLeast { .. }
            | Clause::SemverAtMost { .. }
            | Clause::SemverCompatible { .. }
            | Clause::StringPrefix { .. }
            | Clause::StringMatches { .. }
            | Clause::MetadataMatches { .. } => Self::Reading,
        }
    }
}

/// Whether the value of a fact satisfies a clause; without a value it does not.
fn accepts(clause: &Clause, facts: &Facts, fact: u32) -> bool {
    let fact = facts.fact(fact);
    let number = Some(fact.number).filter(|number| !number.is_nan());
    fact.text().is_some_and(|text| clause.accepts(Fact::new(text).with_number(number)))
}

/// The facts whose values satisfy a clause, sorted.
fn accepted(clause: &Clause, facts: &Facts, key: u32) -> Vec<u32> {
    let texts = facts.key(key).with_texts();
    let mut accepted: Vec<u32> = texts.filter(|fact| accepts(clause, facts, *fact)).collect();
    accepted.sort_unstable();
    accepted
}
