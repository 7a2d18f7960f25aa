//! Predicates: questions about what a node can do.
//!
//! A [`Predicate`] is a small program over tags and metadata: clauses such as "memory is at least 64", put together with
//! and, or and not. It has four forms that say the same: JSON ([`Predicate::from_json`], which other software speaks too),
//! CBOR for frames ([`Predicate::decode`]), text for people ([`text`]), and Rust ([`build`]).
//!
//! ```
//! use lacewing_core::capability::CapabilitySet;
//! use lacewing_core::predicate::Predicate;
//!
//! let predicate: Predicate = r#"hardware.gpu and hardware.memory_gb >= 64 and not software.os = "windows""#.parse().unwrap();
//! let set = CapabilitySet::new().with_tag("hardware.gpu").unwrap().with_tag("hardware.memory_gb=128").unwrap();
//! assert!(predicate.evaluate(&set));
//! assert_eq!(Predicate::from_json(&predicate.to_json()).unwrap(), predicate);
//! ```
//!
//! # What it costs
//!
//! Predicates come from peers, so whatever one says, work on it is linear in its nodes and references. A node may be a child
//! of several others; it is evaluated once, and no function here is recursive over nodes. What would repeat a shared
//! node at each of its places, the text form and the JSON of a trace, has a limit and then gives an error.

mod binary;
pub mod build;
mod clause;
mod error;
mod facts;
mod header;
mod json;
mod label;
mod number;
mod plan;
mod report;
pub mod text;
mod trace;
mod version;
mod walk;

#[cfg(test)]
mod tests;

pub use clause::{Clause, Key, VersionBound};
pub use error::PredicateError;
pub use facts::{Candidate, Fact, Facts};
pub use header::{HEADER, Where};
pub use label::REDACTED;
pub use number::print_number;
pub use report::{ClauseStats, DebugReport, Tally};
pub use trace::{ClauseTrace, TRACE_JSON_LEN_MAX, TraceEntry};
pub use version::Version;

use alloc::vec::Vec;
use core::fmt;

use plan::Plan;

/// Longest JSON or CBOR form that is read, and longest text form, in bytes.
pub const FORM_LEN_MAX: usize = 4_096;
/// Most nodes of a predicate. No JSON form within [`FORM_LEN_MAX`] has as many.
pub const NODES_MAX: usize = 1_024;
/// Most references to children, in all nodes together.
pub const CHILDREN_MAX: usize = 4_096;

/// One node of a predicate. Children are places in the list of nodes, each below the node's own.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// A question about one key.
    Clause(Clause),
    /// All children hold; true without children.
    And(Vec<u16>),
    /// Some child holds; false without children.
    Or(Vec<u16>),
    /// The child does not hold.
    Not(u16),
}

impl Node {
    /// The children in the order in which they are written.
    pub fn children(&self) -> &[u16] {
        match self {
            Self::Clause(_) => &[],
            Self::And(children) | Self::Or(children) => children,
            Self::Not(child) => core::slice::from_ref(child),
        }
    }
}

/// A predicate whose nodes were checked: there is a root, children come before parents, and all limits are kept.
///
/// ```
/// use lacewing_core::predicate::Predicate;
///
/// let json = r#"{"nodes":[{"kind":"exists","key":{"axis":"hardware","key":"gpu"}},{"kind":"not","child":0}],"root_idx":1}"#;
/// let predicate = Predicate::from_json(json).unwrap();
/// assert_eq!(predicate.to_json(), json);
/// assert_eq!(predicate.to_string(), "not hardware.gpu");
/// ```
#[derive(Clone)]
pub struct Predicate {
    nodes: Vec<Node>,
    root: u16,
    plan: Plan,
}

impl Predicate {
    /// A predicate of these nodes. Nodes that the root does not lead to are kept, and do nothing.
    pub fn new(nodes: Vec<Node>, root: usize) -> Result<Self, PredicateError> {
        error::check(&nodes, root)?;
        let plan = Plan::new(&nodes, root as u16);
        Ok(Self { nodes, root: root as u16, plan })
    }

    /// The nodes, children before parents.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The place of the root in [`nodes`](Self::nodes).
    pub fn root(&self) -> usize {
        usize::from(self.root)
    }

    /// The clauses in the order of the nodes. [`decide`](Self::decide) names them by their number here.
    pub fn clauses(&self) -> impl ExactSizeIterator<Item = &Clause> {
        self.plan.clauses().iter().map(|node| match &self.nodes[usize::from(*node)] {
            Node::Clause(clause) => clause,
            Node::And(_) | Node::Or(_) | Node::Not(_) => unreachable!("the plan lists clauses only"),
        })
    }

    /// What it costs at most to evaluate a node, in the units of the specification. A composite costs the sum of its
    /// children, at each reference anew, up to `u32::MAX`.
    pub fn cost_of(&self, node: usize) -> u32 {
        self.plan.cost(node)
    }

    /// The cost of the root.
    pub fn cost(&self) -> u32 {
        self.cost_of(self.root())
    }

    /// Whether the predicate holds for these facts. Cheap children first, and no child that no longer matters.
    ///
    /// Does not allocate, unless more than 64 nodes have several parents.
    pub fn evaluate(&self, facts: &impl Facts) -> bool {
        self.plan.run(|clause| self.clause(clause).is_some_and(|clause| clause.holds(facts)))
    }

    /// Whether the predicate holds, where `holds` answers for the clauses by their number in [`clauses`](Self::clauses).
    ///
    /// This is [`evaluate`](Self::evaluate) for those who prepared the clauses, for example by looking their keys up in an
    /// index once and not once a candidate. No clause is asked twice.
    ///
    /// ```
    /// use lacewing_core::predicate::Predicate;
    ///
    /// let predicate: Predicate = "hardware.gpu and not (meta.owner or meta.draining)".parse().unwrap();
    /// assert_eq!(predicate.clauses().map(|clause| clause.to_string()).collect::<Vec<_>>(),
    ///     ["Exists(hardware.gpu)", "MetadataExists(owner)", "MetadataExists(draining)"]);
    /// assert!(predicate.decide(|clause| [true, false, false][clause]));
    /// assert!(!predicate.decide(|clause| [true, false, true][clause]));
    /// ```
    pub fn decide(&self, holds: impl FnMut(usize) -> bool) -> bool {
        self.plan.run(holds)
    }

    /// As [`evaluate`](Self::evaluate), with what was evaluated on the way and how it came out.
    pub fn trace(&self, facts: &impl Facts) -> ClauseTrace {
        ClauseTrace::of(self, facts)
    }

    #[inline]
    fn clause(&self, number: usize) -> Option<&Clause> {
        match &self.nodes[usize::from(self.plan.clauses()[number])] {
            Node::Clause(clause) => Some(clause),
            Node::And(_) | Node::Or(_) | Node::Not(_) => None,
        }
    }

    /// The children of a node in the order in which they are evaluated.
    fn ordered(&self, node: usize) -> &[u16] {
        self.plan.ordered(node)
    }
}

impl PartialEq for Predicate {
    fn eq(&self, other: &Self) -> bool {
        self.root == other.root && self.nodes == other.nodes
    }
}

/// All numbers of a predicate are finite.
impl Eq for Predicate {}

impl fmt::Debug for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Predicate({self})")
    }
}

impl fmt::Display for Predicate {
    /// The text form; where that would be too long because of shared nodes, the JSON form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_text() {
            Ok(text) => f.write_str(&text),
            Err(_) => f.write_str(&self.to_json()),
        }
    }
}
