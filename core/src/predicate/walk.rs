//! The walk that traces and reports watch: the same order and the same short circuits as the plan, node by node.

use alloc::vec;
use alloc::vec::Vec;

use super::{Clause, Node, Predicate};

/// What happens on a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The evaluation of a node begins.
    Enter(usize),
    /// The node that was entered last, and not left yet, has a result.
    Leave(usize, bool),
    /// A node is needed again that has a result already.
    Again(usize, bool),
}

/// Evaluates the predicate; `see` is told what happens. Each node is entered at most once.
pub(super) fn walk(
    predicate: &Predicate,
    mut holds: impl FnMut(&Clause) -> bool,
    mut see: impl FnMut(Event),
) -> bool {
    let mut known: Vec<Option<bool>> = vec![None; predicate.nodes.len()];
    // Nodes that were entered, and how many of their children had their turn.
    let mut open: Vec<(usize, usize)> = vec![(predicate.root(), 0)];
    see(Event::Enter(predicate.root()));
    let mut last = None;
    while let Some((node, turn)) = open.last_mut() {
        let node = *node;
        let children = predicate.ordered(node);
        let result = match (&predicate.nodes[node], last.take()) {
            (Node::Clause(clause), _) => Some(holds(clause)),
            (Node::And(_), Some(false)) => Some(false),
            (Node::Or(_), Some(true)) => Some(true),
            (Node::Not(_), Some(result)) => Some(!result),
            (kind, _) if *turn == children.len() => Some(matches!(kind, Node::And(_))),
            _ => None,
        };
        if let Some(result) = result {
            known[node] = Some(result);
            see(Event::Leave(node, result));
            open.pop();
            last = Some(result);
            continue;
        }
        let child = usize::from(children[*turn]);
        *turn += 1;
        last = known[child];
        if let Some(result) = last {
            see(Event::Again(child, result));
        } else {
            see(Event::Enter(child));
            open.push((child, 0));
        }
    }
    last.unwrap_or(false)
}
