//! What can be wrong with a predicate, in whatever form it came.

use super::{CHILDREN_MAX, FORM_LEN_MAX, NODES_MAX, Node};
use crate::wire::WireError;

/// A predicate that is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PredicateError {
    /// More than a limit allows.
    #[error("a predicate has at most {max} {what}, this one has {found}")]
    Oversize {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        found: usize,
        /// How much there may be.
        max: usize,
    },
    /// No JSON, or JSON of another shape.
    #[error("byte {at} of the predicate's JSON: expected {expected}")]
    Json {
        /// Byte in the JSON, counted from 0.
        at: usize,
        /// What would be right there.
        expected: &'static str,
    },
    /// No deterministic CBOR, or CBOR of another shape.
    #[error("the predicate's CBOR: {0}")]
    Cbor(WireError),
    /// No nodes at all.
    #[error("a predicate needs at least one node; all() is always true")]
    Empty,
    /// A root that is not among the nodes.
    #[error("the root is node {root}, but there are only {nodes} nodes")]
    RootOutOfBounds {
        /// The root that was given.
        root: usize,
        /// Number of nodes.
        nodes: usize,
    },
    /// A child that is not among the nodes.
    #[error("node {node} has the child {child}, but there are only {nodes} nodes")]
    ChildOutOfBounds {
        /// The parent.
        node: usize,
        /// The child that was given.
        child: usize,
        /// Number of nodes.
        nodes: usize,
    },
    /// A child that does not come before its parent, so that a walk down might never end.
    #[error("node {node} has the child {child}: children come before their parents")]
    CycleDetected {
        /// The parent.
        node: usize,
        /// The child that was given.
        child: usize,
    },
    /// A threshold that is infinite or no number, which no form can say.
    #[error("node {node} compares with a number that is not finite")]
    NotFinite {
        /// The clause.
        node: usize,
    },
}

impl PredicateError {
    /// The stable name that fixtures and other languages use.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Oversize { .. } => "Oversize",
            Self::Json { .. } => "Json",
            Self::Cbor(_) => "Cbor",
            Self::Empty => "Empty",
            Self::RootOutOfBounds { .. } => "RootOutOfBounds",
            Self::ChildOutOfBounds { .. } => "ChildOutOfBounds",
            Self::CycleDetected { .. } => "CycleDetected",
            Self::NotFinite { .. } => "NotFinite",
        }
    }
}

/// A list of nodes as a form gives it: indices are only numbers yet.
pub(super) fn check(nodes: &[Node], root: usize) -> Result<(), PredicateError> {
    if nodes.is_empty() {
        return Err(PredicateError::Empty);
    }
    within("nodes", nodes.len(), NODES_MAX)?;
    if root >= nodes.len() {
        return Err(PredicateError::RootOutOfBounds { root, nodes: nodes.len() });
    }
    let (mut children, mut text_len) = (0, 0);
    for (node, found) in nodes.iter().enumerate() {
        check_children(node, found.children().iter().copied().map(usize::from), nodes.len())?;
        children += found.children().len();
        if let Node::Clause(clause) = found {
            text_len += clause.text_len();
            if !clause.is_finite() {
                return Err(PredicateError::NotFinite { node });
            }
        }
    }
    within("references to children", children, CHILDREN_MAX)?;
    within("bytes of keys and texts", text_len, FORM_LEN_MAX)
}

/// Whether the children of a node are nodes before it. Forms ask this too: their indices can be wider than those of nodes.
pub(super) fn check_children(
    node: usize,
    children: impl IntoIterator<Item = usize>,
    nodes: usize,
) -> Result<(), PredicateError> {
    for child in children {
        if child >= nodes {
            return Err(PredicateError::ChildOutOfBounds { node, child, nodes });
        }
        if child >= node {
            return Err(PredicateError::CycleDetected { node, child });
        }
    }
    Ok(())
}

/// Whether `found` is within a limit.
pub(super) fn within(what: &'static str, found: usize, max: usize) -> Result<(), PredicateError> {
    if found <= max { Ok(()) } else { Err(PredicateError::Oversize { what, found, max }) }
}
