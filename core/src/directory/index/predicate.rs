//! Predicates over the index: what sets of slots can tell of them, and the rest slot by slot.

use alloc::vec;
use alloc::vec::Vec;

use super::condition::{Condition, Slots, facts_of};
use super::facts::{FactRef, Facts, Kind, Range};
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
        let prepared = Prepared::new(predicate, &self.facts, candidates.len());
        prepared.filter(&candidates, self.slots())
    }

    /// Adds what must hold if the predicate does, and asks it about what is left if that was not all.
    fn narrow<'a>(&'a self, mut conditions: Vec<Condition<'a>>, predicate: &Predicate) -> SlotSet {
        let said_all = add_conjuncts(predicate, &self.facts, &mut conditions);
        let found = self.slots().of_all(conditions);
        if said_all || found.is_empty() {
            return found;
        }
        Prepared::new(predicate, &self.facts, found.len()).filter(&found, self.slots())
    }
}

/// Adds the clauses that must hold wherever the predicate does. Gives whether they are all that it says.
fn add_conjuncts<'a>(predicate: &Predicate, facts: &'a Facts, conditions: &mut Vec<Condition<'a>>) -> bool {
    let nodes = predicate.nodes();
    let mut said_all = true;
    let mut seen = vec![false; nodes.len()];
    let mut open = vec![predicate.root()];
    while let Some(index) = open.pop() {
        if core::mem::replace(&mut seen[index], true) {
            continue;
        }
        match &nodes[index] {
            Node::And(children) => open.extend(children.iter().map(|child| usize::from(*child))),
            Node::Clause(clause) => match condition_of(clause, facts) {
                Some(condition) => conditions.push(condition),
                None => said_all = false,
            },
            Node::Or(_) | Node::Not(_) => said_all = false,
        }
    }
    said_all
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

/// A predicate whose clauses were looked up once, to be asked about many slots.
struct Prepared<'a> {
    predicate: &'a Predicate,
    facts: &'a Facts,
    tests: Vec<Test<'a>>,
}

/// What a clause comes to, for a slot.
enum Test<'a> {
    /// No slot can pass.
    Never,
    /// It has the key.
    Key(u32),
    /// It has the fact.
    Fact(FactRef),
    /// It has a number within the range for the key.
    Number(u32, Range),
    /// It has one of these facts (sorted) of the key.
    Facts(u32, Vec<u32>),
    /// A value of the key has to be read.
    Read(u32, &'a Clause),
}

impl<'a> Prepared<'a> {
    /// Prepares a predicate for about so many slots: where a key has fewer values than that, each value is read now and not
    /// once for each slot.
    fn new(predicate: &'a Predicate, facts: &'a Facts, slots: usize) -> Self {
        let tests = predicate.clauses().map(|clause| Test::of(clause, facts, slots)).collect();
        Self { predicate, facts, tests }
    }

    fn filter(&self, found: &SlotSet, index: Slots<'_>) -> SlotSet {
        found.filtered(|slot| {
            let held = index.held[slot as usize].as_slice();
            self.predicate.decide(|clause| self.tests[clause].passes(held, self.facts))
        })
    }
}

impl<'a> Test<'a> {
    fn of(clause: &'a Clause, facts: &Facts, slots: usize) -> Self {
        let Some(key) = key_of(clause, facts) else { return Self::Never };
        match Asked::by(clause) {
            Asked::Key => Self::Key(key),
            Asked::Text(text) => {
                facts.key(key).with_text(text).map_or(Self::Never, |fact| Self::Fact(FactRef { key, fact }))
            }
            Asked::Number(range) => Self::Number(key, range),
            Asked::Reading => {
                let texts = facts.key(key).with_texts();
                if texts.len() > slots {
                    return Self::Read(key, clause);
                }
                let mut accepted: Vec<u32> = texts.filter(|fact| accepts(clause, facts, *fact)).collect();
                accepted.sort_unstable();
                Self::Facts(key, accepted)
            }
        }
    }

    fn passes(&self, held: &[FactRef], facts: &Facts) -> bool {
        let any = |key: u32, passes: &dyn Fn(u32) -> bool| {
            facts_of(held, key).iter().any(|reference| passes(reference.fact))
        };
        match self {
            Self::Never => false,
            Self::Key(key) => !facts_of(held, *key).is_empty(),
            Self::Fact(fact) => held.binary_search(fact).is_ok(),
            Self::Number(key, range) => any(*key, &|fact| range.contains(facts.fact(fact).number)),
            Self::Facts(key, accepted) => any(*key, &|fact| accepted.binary_search(&fact).is_ok()),
            Self::Read(key, clause) => any(*key, &|fact| accepts(clause, facts, fact)),
        }
    }
}

/// Whether the value of a fact satisfies a clause; without a value it does not.
fn accepts(clause: &Clause, facts: &Facts, fact: u32) -> bool {
    let fact = facts.fact(fact);
    let number = Some(fact.number).filter(|number| !number.is_nan());
    fact.text().is_some_and(|text| clause.accepts(Fact::new(text).with_number(number)))
}
