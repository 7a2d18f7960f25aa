//! Predicates as text.

use alloc::string::String;
use alloc::vec;
use core::fmt::Write;

use super::super::error::within;
use super::super::number::plain;
use super::super::{Clause, FORM_LEN_MAX, Key, Node, Predicate, PredicateError};
use super::{META, is_bare, is_version};
use crate::json_text::push_quoted;

impl Predicate {
    /// The text form, of at most [`FORM_LEN_MAX`] bytes. That is enough for every predicate whose JSON form is within its
    /// limit and whose nodes have one parent each; a node with more is written again for each, and `Oversize` where that
    /// becomes too much.
    pub fn to_text(&self) -> Result<String, PredicateError> {
        let mut text = String::new();
        // Composites that are being written: the node, how many of its children have begun, and what comes last.
        let mut open = vec![];
        let mut next = Some((self.root, false));
        loop {
            if let Some((node, operand)) = next.take() {
                let node = &self.nodes[usize::from(node)];
                let style = Style::of(node, operand);
                match node {
                    Node::Clause(clause) => write_clause(&mut text, clause),
                    Node::And(_) | Node::Or(_) | Node::Not(_) => {
                        text.push_str(style.before);
                        open.push((node, 0, style));
                    }
                }
                within("bytes of text", text.len(), FORM_LEN_MAX)?;
            }
            let Some((node, begun, style)) = open.last_mut() else { return Ok(text) };
            if let Some(child) = node.children().get(*begun) {
                if *begun > 0 {
                    text.push_str(style.between);
                }
                *begun += 1;
                next = Some((*child, style.children_are_operands));
            } else {
                text.push_str(style.after);
                open.pop();
            }
        }
    }
}

/// How a composite is written.
struct Style {
    before: &'static str,
    between: &'static str,
    after: &'static str,
    /// Whether its children stand beside `and`, `or` or `not`, so that what they hold together needs parentheses.
    children_are_operands: bool,
}

impl Style {
    fn of(node: &Node, operand: bool) -> Self {
        let (before, after) = if operand { ("(", ")") } else { ("", "") };
        let infix = |between| Self { before, between, after, children_are_operands: true };
        let listed = |before| Self { before, between: ", ", after: ")", children_are_operands: false };
        match node {
            Node::And(children) if children.len() > 1 => infix(" and "),
            Node::Or(children) if children.len() > 1 => infix(" or "),
            Node::And(_) => listed("all("),
            Node::Or(_) => listed("any("),
            Node::Not(_) | Node::Clause(_) => {
                Self { before: "not ", between: "", after: "", children_are_operands: true }
            }
        }
    }
}

fn write_clause(text: &mut String, clause: &Clause) {
    match clause.key() {
        Key::Tag(key) => write_key(text, key.axis().name(), key.key()),
        Key::Metadata(key) => write_key(text, META, key),
    }
    match clause {
        Clause::Exists { .. } | Clause::MetadataExists { .. } => {}
        Clause::Equals { value, .. } | Clause::MetadataEquals { value, .. } => write_text(text, " = ", value),
        Clause::NumericAtLeast { threshold, .. } | Clause::MetadataNumericAtLeast { threshold, .. } => {
            write_plain(text, " >= ", *threshold);
        }
        Clause::NumericAtMost { threshold, .. } => write_plain(text, " <= ", *threshold),
        Clause::NumericInRange { min, max, .. } => {
            write_plain(text, " in ", *min);
            write_plain(text, "..", *max);
        }
        Clause::SemverAtLeast { version, .. } => write_version(text, " >= v", version.as_str()),
        Clause::SemverAtMost { version, .. } => write_version(text, " <= v", version.as_str()),
        Clause::SemverCompatible { version, .. } => write_version(text, " ~= v", version.as_str()),
        Clause::StringPrefix { prefix, .. } => write_text(text, " starts_with ", prefix),
        Clause::StringMatches { pattern, .. } | Clause::MetadataMatches { pattern, .. } => {
            write_text(text, " contains ", pattern);
        }
    }
}

fn write_key(text: &mut String, start: &str, name: &str) {
    text.push_str(start);
    text.push('.');
    if !name.is_empty() && name.chars().all(is_bare) {
        text.push_str(name);
    } else {
        push_quoted(text, name);
    }
}

fn write_text(text: &mut String, operator: &str, value: &str) {
    text.push_str(operator);
    push_quoted(text, value);
}

fn write_plain(text: &mut String, operator: &str, number: f64) {
    // Writing to a String cannot fail.
    write!(text, "{operator}{}", plain(number)).unwrap_or_default();
}

fn write_version(text: &mut String, operator: &str, version: &str) {
    text.push_str(operator);
    if version.starts_with(|c: char| c.is_ascii_digit()) && version.chars().all(is_version) {
        text.push_str(version);
    } else {
        push_quoted(text, version);
    }
}
