mod binary;
mod evaluation;
mod form;
mod header;
mod hostile;
mod laws;
mod reporting;
mod text;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use proptest::prelude::*;

use super::{Clause, Node, Predicate};
use crate::capability::{Axis, CapabilitySet, TagKey};

fn set(tags: &[&str], metadata: &[(&str, &str)]) -> CapabilitySet {
    let mut set = CapabilitySet::new();
    for tag in tags {
        set.insert_tag(tag).unwrap();
    }
    for (key, value) in metadata {
        set.insert_metadata(key, value).unwrap();
    }
    set
}

fn parsed(text: &str) -> Predicate {
    text.parse().unwrap_or_else(|error: super::text::TextError| panic!("{}", error.render(text)))
}

/// Whether the text holds of a node with these tags.
fn holds(text: &str, tags: &[&str]) -> bool {
    parsed(text).evaluate(&set(tags, &[]))
}

fn clause(key: &str) -> Node {
    Node::Clause(Clause::Exists { key: key.parse().unwrap() })
}

/// `nots` times not, around one clause.
fn chain(nots: u16) -> Predicate {
    let mut nodes = Vec::from([clause("hardware.gpu")]);
    nodes.extend((0..nots).map(Node::Not));
    Predicate::new(nodes, usize::from(nots)).unwrap()
}

/// A clause doubled so often that as a tree it would have 2^`times` leaves.
fn doubled(times: u16) -> Predicate {
    let mut nodes = Vec::from([clause("hardware.gpu")]);
    nodes.extend((0..times).map(|node| match node % 2 {
        0 => Node::And(Vec::from([node, node])),
        _ => Node::Or(Vec::from([node, node])),
    }));
    Predicate::new(nodes, usize::from(times)).unwrap()
}

/// A predicate as people think of it.
#[derive(Clone, Debug)]
enum Tree {
    Leaf(Clause),
    And(Vec<Tree>),
    Or(Vec<Tree>),
    Not(Box<Tree>),
}

impl Tree {
    fn predicate(&self) -> Predicate {
        let mut nodes = Vec::new();
        let root = self.flatten(&mut nodes);
        Predicate::new(nodes, usize::from(root)).unwrap()
    }

    fn flatten(&self, nodes: &mut Vec<Node>) -> u16 {
        let node = match self {
            Self::Leaf(clause) => Node::Clause(clause.clone()),
            Self::And(children) => Node::And(children.iter().map(|child| child.flatten(nodes)).collect()),
            Self::Or(children) => Node::Or(children.iter().map(|child| child.flatten(nodes)).collect()),
            Self::Not(child) => Node::Not(child.flatten(nodes)),
        };
        nodes.push(node);
        nodes.len() as u16 - 1
    }
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (0..100_u32).prop_map(f64::from),
        2 => (-100..100_i32).prop_map(|tenths| f64::from(tenths) / 10.0),
        1 => any::<f64>().prop_filter("finite", |number| number.is_finite()),
        1 => Just(-0.0),
    ]
}

/// Values and texts to compare with: many that meet, some that are odd.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (0..30_u32).prop_map(|number| number.to_string()),
        2 => (0..4_u32, 0..4_u32, 0..3_u32).prop_map(|(a, b, c)| format!("{a}.{b}.{c}")),
        2 => "[ab]{0,3}",
        1 => prop::sample::select(&["1e1", "-3", "+7", ".5", "5.", "inf", "-inf", "nan", "0x10", "1_0", "1.2-rc.1", "1.2+b", "٣", "v1", "1.", "1.2.3.4", "18446744073709551616", "1e400"][..]).prop_map(str::to_string),
        1 => "\\PC{0,6}",
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![8 => "[abc]", 2 => "[ab]\\.[ab]", 1 => "[\"\\\\a :=.-]{0,4}", 1 => "\\PC{0,4}"]
}

fn key() -> impl Strategy<Value = TagKey> {
    (prop::sample::select(&Axis::ALL[..2]), name()).prop_map(|(axis, name)| TagKey::new(axis, name))
}

fn leaf() -> impl Strategy<Value = Clause> {
    let about_tags =
        (key(), 0..10, value(), number(), number()).prop_map(|(key, kind, text, min, max)| match kind {
            0 => Clause::Exists { key },
            1 => Clause::Equals { key, value: text },
            2 => Clause::NumericAtLeast { key, threshold: min },
            3 => Clause::NumericAtMost { key, threshold: min },
            4 => Clause::NumericInRange { key, min, max },
            5 => Clause::SemverAtLeast { key, version: text.into() },
            6 => Clause::SemverAtMost { key, version: text.into() },
            7 => Clause::SemverCompatible { key, version: text.into() },
            8 => Clause::StringPrefix { key, prefix: text },
            _ => Clause::StringMatches { key, pattern: text },
        });
    let about_metadata =
        (name(), 0..4, value(), number()).prop_map(|(key, kind, text, threshold)| match kind {
            0 => Clause::MetadataExists { key },
            1 => Clause::MetadataEquals { key, value: text },
            2 => Clause::MetadataMatches { key, pattern: text },
            _ => Clause::MetadataNumericAtLeast { key, threshold },
        });
    prop_oneof![3 => about_tags, 1 => about_metadata]
}

fn tree() -> impl Strategy<Value = Tree> {
    leaf().prop_map(Tree::Leaf).prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Tree::And),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Tree::Or),
            inner.prop_map(|child| Tree::Not(Box::new(child))),
        ]
    })
}

/// Nodes that share children as they like, and nodes that nothing leads to.
fn graph() -> impl Strategy<Value = Predicate> {
    let composite = (0..3, prop::collection::vec(any::<prop::sample::Index>(), 0..4));
    let node = prop_oneof![1 => leaf().prop_map(Ok), 2 => composite.prop_map(Err)];
    (leaf(), prop::collection::vec(node, 0..20), any::<prop::sample::Index>()).prop_map(
        |(first, rest, root)| {
            let mut nodes = Vec::from([Node::Clause(first)]);
            for node in rest {
                let count = nodes.len();
                nodes.push(match node {
                    Ok(clause) => Node::Clause(clause),
                    Err((kind, children)) => {
                        let children: Vec<u16> =
                            children.iter().map(|child| child.index(count) as u16).collect();
                        match (kind, &children[..]) {
                            (0, _) => Node::And(children),
                            (1, _) | (_, []) => Node::Or(children),
                            (_, [child, ..]) => Node::Not(*child),
                        }
                    }
                });
            }
            // Mostly a late node: early ones lead to little.
            let back = root.index(nodes.len().min(4));
            let root = nodes.len() - 1 - back;
            Predicate::new(nodes, root).unwrap()
        },
    )
}

fn capabilities() -> impl Strategy<Value = CapabilitySet> {
    let tag = (prop::sample::select(&Axis::ALL[..2]), name(), prop::option::of(value()), any::<bool>())
        .prop_map(|(axis, name, value, colon)| match value {
            None => format!("{axis}.{name}"),
            Some(value) => format!("{axis}.{name}{}{value}", if colon { ':' } else { '=' }),
        });
    (prop::collection::vec(tag, 0..12), prop::collection::vec((name(), value()), 0..4)).prop_map(
        |(tags, metadata)| {
            let mut set = CapabilitySet::new();
            for tag in tags {
                // Control characters and the like are not in sets.
                let _ = set.insert_tag(&tag);
            }
            for (key, value) in metadata {
                let _ = set.insert_metadata(&key, &value);
            }
            set
        },
    )
}
