//! Predicates as sets of slots.

use alloc::borrow::Cow;
use alloc::vec;
use alloc::vec::Vec;

use super::super::SlotSet;
use super::super::condition::{Condition, Slots};
use super::{Asked, accepted, condition_of, key_of};
use crate::predicate::{Clause, Node, Predicate};

/// What reading a value costs, in clauses asked of a slot.
const READ_COST: usize = 3;
/// Slots that can be added to a set in the time that asking one of them takes.
const ADDED_AT_ONCE: usize = 10;

/// Parts of a predicate, each to be worked out as the set of the slots of which it holds. That costs what there are in values
/// of the keys that are asked about, and is then known of all slots at once.
pub(super) struct Sets<'a> {
    nodes: &'a [Node],
    index: Slots<'a>,
    wanted: &'a [usize],
    /// Which nodes are below the wanted ones, or are one.
    needed: Vec<bool>,
}

impl<'a> Sets<'a> {
    pub(super) fn new(predicate: &'a Predicate, wanted: &'a [usize], index: Slots<'a>) -> Self {
        let nodes = predicate.nodes();
        let mut needed = vec![false; nodes.len()];
        for node in wanted {
            needed[*node] = true;
        }
        // Children come before parents.
        for (place, node) in nodes.iter().enumerate().rev() {
            if needed[place] {
                for child in node.children() {
                    needed[usize::from(*child)] = true;
                }
            }
        }
        Self { nodes, index, wanted, needed }
    }

    /// Whether to work out the sets costs less than to ask that many slots one by one.
    pub(super) fn are_cheaper_than_asking(&self, slots: usize) -> bool {
        let clauses = self.nodes.iter().zip(&self.needed).filter_map(|(node, needed)| match node {
            Node::Clause(clause) if *needed => Some(clause),
            _ => None,
        });
        let (mut asking, mut adding) = (0, 0);
        for clause in clauses {
            asking += slots;
            adding += cost_of_set(clause, self.index);
        }
        adding < asking
    }

    /// Those of the slots of which all wanted parts hold.
    pub(super) fn intersect(&self, found: SlotSet) -> SlotSet {
        let mut sets: Vec<Cow<'a, SlotSet>> = Vec::with_capacity(self.nodes.len());
        for (node, needed) in self.nodes.iter().zip(&self.needed) {
            let set = if *needed { self.set_of(node, &sets) } else { Cow::Owned(SlotSet::new()) };
            sets.push(set);
        }
        self.wanted.iter().fold(found, |found, node| found.and(&sets[*node]))
    }

    /// The slots of which a node holds, from those of its children.
    fn set_of(&self, node: &'a Node, sets: &[Cow<'a, SlotSet>]) -> Cow<'a, SlotSet> {
        let slots = self.index.held.len();
        let of = |child: &u16| -> &SlotSet { &sets[usize::from(*child)] };
        Cow::Owned(match node {
            Node::Clause(clause) => return set_of(clause, self.index),
            Node::And(children) => match children.split_first() {
                Some((first, rest)) => rest.iter().fold(of(first).clone(), |set, child| set.and(of(child))),
                None => self.index.live.clone(),
            },
            Node::Or(children) => SlotSet::union(children.iter().map(of), slots),
            Node::Not(child) => self.index.live.without(of(child)),
        })
    }
}

/// What it costs to work out the set of a clause, in clauses asked of a slot: each slot may have to be added, and each value
/// of the key be added or even read.
pub(super) fn cost_of_set(clause: &Clause, index: Slots<'_>) -> usize {
    let Some(key) = key_of(clause, index.facts) else { return 0 };
    let values = match Asked::by(clause) {
        Asked::Key | Asked::Text(_) => 0,
        Asked::Number(_) => index.facts.key(key).numbers() / ADDED_AT_ONCE,
        Asked::Reading => index.facts.key(key).with_texts().len() * READ_COST,
    };
    index.held.len() / ADDED_AT_ONCE + values
}

/// The slots of which a clause holds.
pub(super) fn set_of<'a>(clause: &Clause, index: Slots<'a>) -> Cow<'a, SlotSet> {
    let facts = index.facts;
    let condition = condition_of(clause, facts).unwrap_or_else(|| {
        let accepted = key_of(clause, facts).map_or_else(Vec::new, |key| accepted(clause, facts, key));
        Condition::InAny(accepted.into_iter().map(|fact| &facts.fact(fact).holders).collect())
    });
    condition.slots(facts, index.held.len())
}
