//! Predicates in Rust: a function for each kind of clause, and the operators `&`, `|` and `!`.
//!
//! ```
//! use lacewing_core::predicate::build::{exists, metadata_equals, numeric_at_least, semver_compatible};
//!
//! let wanted = exists("hardware.gpu")
//!     & numeric_at_least("hardware.memory_gb", 64.0)
//!     & !metadata_equals("draining", "true")
//!     & semver_compatible("software.runtime.python", "3.10");
//! assert_eq!(wanted.build().unwrap().to_string(),
//!     r#"hardware.gpu and hardware.memory_gb >= 64 and not meta.draining = "true" and software.runtime.python ~= v3.10"#);
//!
//! let error = exists("memory_gb").build().unwrap_err();
//! assert_eq!(error.to_string(), r#"key "memory_gb": a key starts with hardware., software., devices. or dataforts."#);
//! ```

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::ops::{BitAnd, BitOr, Not};

use super::{Clause, Node, Predicate, PredicateError, VersionBound};
use crate::capability::{TagError, TagKey};

/// A predicate that is not checked yet: [`build`](Self::build) ends it.
///
/// `a & b & c` is one composite of three, as it reads; `a & (b & c)` is two.
#[derive(Clone, Debug)]
#[must_use = "a draft is of no use until it is built"]
pub struct Draft {
    /// The root is the last one.
    nodes: Vec<Node>,
    chain: Chain,
    error: Option<BuildError>,
}

/// The operator that made the root, and that may add to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chain {
    Closed,
    And,
    Or,
}

/// A draft that is no predicate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// A key that no tag can have.
    #[error("key {key:?}: {error}")]
    Key {
        /// The key as it was given.
        key: String,
        /// What is wrong with it.
        error: TagError,
    },
    /// Too large, or with a number that is not finite.
    #[error(transparent)]
    Predicate(#[from] PredicateError),
}

impl Draft {
    /// The predicate; the first thing that is wrong otherwise.
    pub fn build(self) -> Result<Predicate, BuildError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        // Before places are made into sixteen bits.
        super::error::within("nodes", self.nodes.len(), super::NODES_MAX)?;
        let root = self.nodes.len() - 1;
        Ok(Predicate::new(self.nodes, root)?)
    }

    fn clause(clause: Clause) -> Self {
        Self { nodes: vec![Node::Clause(clause)], chain: Chain::Closed, error: None }
    }

    fn tag(key: &str, clause: impl FnOnce(TagKey) -> Clause) -> Self {
        match key.parse() {
            Ok(key) => Self::clause(clause(key)),
            Err(error) => {
                let error = Some(BuildError::Key { key: key.to_string(), error });
                Self { nodes: Vec::new(), chain: Chain::Closed, error }
            }
        }
    }

    /// Appends the nodes of another draft; gives the place of its root.
    fn take_in(&mut self, other: Self) -> u16 {
        let shift = self.nodes.len() as u16;
        self.error = self.error.take().or(other.error);
        for mut node in other.nodes {
            match &mut node {
                Node::Clause(_) => {}
                Node::And(children) | Node::Or(children) => {
                    for child in children {
                        *child = child.wrapping_add(shift);
                    }
                }
                Node::Not(child) => *child = child.wrapping_add(shift),
            }
            self.nodes.push(node);
        }
        (self.nodes.len() as u16).wrapping_sub(1)
    }

    fn chained(mut self, other: Self, chain: Chain) -> Self {
        let mut children = match self.nodes.pop() {
            Some(Node::And(children) | Node::Or(children)) if self.chain == chain => children,
            Some(root) => {
                self.nodes.push(root);
                vec![(self.nodes.len() as u16).wrapping_sub(1)]
            }
            None => Vec::new(),
        };
        children.push(self.take_in(other));
        self.nodes.push(if chain == Chain::And { Node::And(children) } else { Node::Or(children) });
        self.chain = chain;
        self
    }

    fn composite(drafts: impl IntoIterator<Item = Self>, node: impl FnOnce(Vec<u16>) -> Node) -> Self {
        let mut whole = Self { nodes: Vec::new(), chain: Chain::Closed, error: None };
        let children = drafts.into_iter().map(|draft| whole.take_in(draft)).collect();
        whole.nodes.push(node(children));
        whole
    }
}

impl BitAnd for Draft {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        self.chained(other, Chain::And)
    }
}

impl BitOr for Draft {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.chained(other, Chain::Or)
    }
}

impl Not for Draft {
    type Output = Self;

    fn not(mut self) -> Self {
        let child = (self.nodes.len() as u16).wrapping_sub(1);
        self.nodes.push(Node::Not(child));
        self.chain = Chain::Closed;
        self
    }
}

/// Every one holds; true of none.
pub fn all(drafts: impl IntoIterator<Item = Draft>) -> Draft {
    Draft::composite(drafts, Node::And)
}

/// At least one holds; false of none.
pub fn any(drafts: impl IntoIterator<Item = Draft>) -> Draft {
    Draft::composite(drafts, Node::Or)
}

/// There is a tag with the key, such as `hardware.gpu`.
pub fn exists(key: &str) -> Draft {
    Draft::tag(key, |key| Clause::Exists { key })
}

/// A value of the key is this text.
pub fn equals(key: &str, value: impl Into<String>) -> Draft {
    Draft::tag(key, |key| Clause::Equals { key, value: value.into() })
}

/// A value of the key is a number of at least the threshold.
pub fn numeric_at_least(key: &str, threshold: f64) -> Draft {
    Draft::tag(key, |key| Clause::NumericAtLeast { key, threshold })
}

/// A value of the key is a number of at most the threshold.
pub fn numeric_at_most(key: &str, threshold: f64) -> Draft {
    Draft::tag(key, |key| Clause::NumericAtMost { key, threshold })
}

/// A value of the key is a number from `min` to `max`, both included.
pub fn numeric_in_range(key: &str, min: f64, max: f64) -> Draft {
    Draft::tag(key, |key| Clause::NumericInRange { key, min, max })
}

/// A value of the key is this version or a later one.
pub fn semver_at_least(key: &str, version: impl Into<VersionBound>) -> Draft {
    Draft::tag(key, |key| Clause::SemverAtLeast { key, version: version.into() })
}

/// A value of the key is this version or an earlier one.
pub fn semver_at_most(key: &str, version: impl Into<VersionBound>) -> Draft {
    Draft::tag(key, |key| Clause::SemverAtMost { key, version: version.into() })
}

/// A value of the key is a version that can stand in for this one.
pub fn semver_compatible(key: &str, version: impl Into<VersionBound>) -> Draft {
    Draft::tag(key, |key| Clause::SemverCompatible { key, version: version.into() })
}

/// A value of the key begins with this text.
pub fn string_prefix(key: &str, prefix: impl Into<String>) -> Draft {
    Draft::tag(key, |key| Clause::StringPrefix { key, prefix: prefix.into() })
}

/// A value of the key contains this text.
pub fn string_matches(key: &str, pattern: impl Into<String>) -> Draft {
    Draft::tag(key, |key| Clause::StringMatches { key, pattern: pattern.into() })
}

/// There is a metadata entry with the key.
pub fn metadata_exists(key: impl Into<String>) -> Draft {
    Draft::clause(Clause::MetadataExists { key: key.into() })
}

/// The metadata entry with the key is this text.
pub fn metadata_equals(key: impl Into<String>, value: impl Into<String>) -> Draft {
    Draft::clause(Clause::MetadataEquals { key: key.into(), value: value.into() })
}

/// The metadata entry with the key contains this text.
pub fn metadata_matches(key: impl Into<String>, pattern: impl Into<String>) -> Draft {
    Draft::clause(Clause::MetadataMatches { key: key.into(), pattern: pattern.into() })
}

/// The metadata entry with the key is a number of at least the threshold.
pub fn metadata_numeric_at_least(key: impl Into<String>, threshold: f64) -> Draft {
    Draft::clause(Clause::MetadataNumericAtLeast { key: key.into(), threshold })
}
