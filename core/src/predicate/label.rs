//! What nodes are called in traces and reports.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::number::plain;
use super::{Clause, Node};
use crate::json_text::quoted;

/// What stands in a label instead of a value that was taken out.
pub const REDACTED: &str = "<redacted>";

/// A label, and what it becomes where the value of its metadata key must not be shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Label {
    pub(super) text: Arc<str>,
    /// More than one only where labels that read the same were made one.
    hidden: Vec<Arc<Hidden>>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Hidden {
    key: Box<str>,
    text: Arc<str>,
}

impl Label {
    pub(super) fn of(node: &Node) -> Self {
        let text = match node {
            Node::Clause(clause) => return Self::of_clause(clause),
            Node::And(children) => format!("And({} clauses)", children.len()),
            Node::Or(children) => format!("Or({} clauses)", children.len()),
            Node::Not(_) => String::from("Not"),
        };
        Self { text: text.into(), hidden: Vec::new() }
    }

    pub(super) fn of_clause(clause: &Clause) -> Self {
        let open = |text: String| Self { text: text.into(), hidden: Vec::new() };
        match clause {
            Clause::Exists { key } => open(format!("Exists({key})")),
            Clause::Equals { key, value } => open(format!("Equals({key}={value})")),
            Clause::NumericAtLeast { key, threshold } => {
                open(format!("NumericAtLeast({key} >= {})", plain(*threshold)))
            }
            Clause::NumericAtMost { key, threshold } => {
                open(format!("NumericAtMost({key} <= {})", plain(*threshold)))
            }
            Clause::NumericInRange { key, min, max } => {
                open(format!("NumericInRange({key} in [{}, {}])", plain(*min), plain(*max)))
            }
            Clause::SemverAtLeast { key, version } => {
                open(format!("SemverAtLeast({key} >= {})", version.as_str()))
            }
            Clause::SemverAtMost { key, version } => {
                open(format!("SemverAtMost({key} <= {})", version.as_str()))
            }
            Clause::SemverCompatible { key, version } => {
                open(format!("SemverCompatible({key} ~= {})", version.as_str()))
            }
            Clause::StringPrefix { key, prefix } => {
                open(format!("StringPrefix({key} starts with {})", quoted(prefix)))
            }
            Clause::StringMatches { key, pattern } => {
                open(format!("StringMatches({key} contains {})", quoted(pattern)))
            }
            Clause::MetadataExists { key } => open(format!("MetadataExists({key})")),
            Clause::MetadataEquals { key, value } => {
                Self::hideable(key, value, |value| format!("MetadataEquals({key}={value})"))
            }
            Clause::MetadataMatches { key, pattern } => Self::hideable(key, pattern, |pattern| {
                format!("MetadataMatches({key} contains {})", quoted(pattern))
            }),
            Clause::MetadataNumericAtLeast { key, threshold } => {
                let label = |threshold: &str| format!("MetadataNumericAtLeast({key} >= {threshold})");
                Self::hideable(key, &plain(*threshold), label)
            }
        }
    }

    fn hideable(key: &str, value: &str, label: impl Fn(&str) -> String) -> Self {
        let hidden = Hidden { key: key.into(), text: label(REDACTED).into() };
        Self { text: label(value).into(), hidden: Vec::from([Arc::new(hidden)]) }
    }

    /// The label without the value, if its metadata key is one of `keys`.
    pub(super) fn redacted(&self, keys: &[&str]) -> Self {
        match self.hidden.iter().find(|hidden| keys.contains(&&*hidden.key)) {
            Some(hidden) => Self { text: hidden.text.clone(), hidden: self.hidden.clone() },
            None => self.clone(),
        }
    }

    /// Takes over what must be hidden in another label of the same text.
    pub(super) fn absorb(&mut self, other: &Self) {
        for hidden in &other.hidden {
            if !self.hidden.contains(hidden) {
                self.hidden.push(hidden.clone());
            }
        }
    }
}
