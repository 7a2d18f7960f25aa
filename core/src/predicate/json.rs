//! The JSON form.

mod cursor;

use alloc::string::String;
use alloc::vec::Vec;

use super::error::{check_children, within};
use super::number::print_number;
use super::{Clause, FORM_LEN_MAX, NODES_MAX, Node, Predicate, PredicateError};
use crate::capability::{Axis, TagKey};
use crate::json_text::JsonText;
use cursor::Cursor;

type Result<T> = core::result::Result<T, PredicateError>;

const KINDS: &str = "one of the 17 kinds of nodes, from \"exists\" to \"not\"";

impl Predicate {
    /// Reads the JSON form, of at most [`FORM_LEN_MAX`] bytes. Fields may come in any order; all must be there, once, and
    /// no others.
    pub fn from_json(text: &str) -> Result<Self> {
        within("bytes", text.len(), FORM_LEN_MAX)?;
        let mut cursor = Cursor::new(text);
        let (mut nodes, mut root) = (None, None);
        cursor.object(r#"a predicate, {"nodes":[..],"root_idx":..}"#, |cursor, name, at| {
            match name {
                "nodes" if nodes.is_none() => nodes = Some(read_nodes(cursor)?),
                "root_idx" if root.is_none() => root = Some(cursor.index()?),
                _ => return Err(wrong(at, "only \"nodes\" and \"root_idx\", each once")),
            }
            Ok(())
        })?;
        let end = cursor.finish()?;
        let nodes = nodes.ok_or(wrong(end, "a field \"nodes\" before the end"))?;
        let root = root.ok_or(wrong(end, "a field \"root_idx\" before the end"))?;
        assemble(nodes, root)
    }

    /// The JSON form, compact and with the fields in the order of the specification.
    pub fn to_json(&self) -> String {
        let mut json = JsonText::default();
        json.object(|json| {
            json.name("nodes").list(|json| {
                for node in &self.nodes {
                    json.object(|json| write_node(json, node));
                }
            });
            json.name("root_idx").number(u64::from(self.root));
        });
        json.into_text()
    }
}

fn wrong(at: usize, expected: &'static str) -> PredicateError {
    PredicateError::Json { at, expected }
}

/// A node whose children are any indices.
pub(super) enum RawNode {
    Clause(Clause),
    And(Vec<u32>),
    Or(Vec<u32>),
    Not(u32),
}

/// Checks indices while they still are as wide as a form can have them.
pub(super) fn assemble(raw: Vec<RawNode>, root: u32) -> Result<Predicate> {
    if raw.is_empty() {
        return Err(PredicateError::Empty);
    }
    within("nodes", raw.len(), NODES_MAX)?;
    let count = raw.len();
    if root as usize >= count {
        return Err(PredicateError::RootOutOfBounds { root: root as usize, nodes: count });
    }
    let narrow = |node: usize, children: Vec<u32>| -> Result<Vec<u16>> {
        check_children(node, children.iter().map(|child| *child as usize), count)?;
        Ok(children.into_iter().map(|child| child as u16).collect())
    };
    let mut nodes = Vec::with_capacity(count);
    for (index, node) in raw.into_iter().enumerate() {
        nodes.push(match node {
            RawNode::Clause(clause) => Node::Clause(clause),
            RawNode::And(children) => Node::And(narrow(index, children)?),
            RawNode::Or(children) => Node::Or(narrow(index, children)?),
            RawNode::Not(child) => {
                check_children(index, [child as usize], count)?;
                Node::Not(child as u16)
            }
        });
    }
    Predicate::new(nodes, root as usize)
}

fn read_nodes(cursor: &mut Cursor<'_>) -> Result<Vec<RawNode>> {
    let mut nodes = Vec::new();
    cursor.list("a list of nodes", |cursor| {
        nodes.push(read_node(cursor)?);
        Ok(())
    })?;
    Ok(nodes)
}

/// What a field of a node can be.
enum Field {
    Key(TagKey),
    Text(String),
    Number(f64),
    Indices(Vec<u32>),
    Index(u32),
}

/// The fields of a node, with the places of their names. Which ones belong is known once its kind is, which may come last.
struct Fields {
    start: usize,
    list: Vec<(&'static str, usize, Field)>,
}

impl Fields {
    fn take(&mut self, name: &'static str, expected: &'static str) -> Result<(usize, Field)> {
        let index = self.list.iter().position(|(known, ..)| *known == name);
        let index = index.ok_or(wrong(self.start, expected))?;
        let (_, at, field) = self.list.remove(index);
        Ok((at, field))
    }

    fn tag_key(&mut self) -> Result<TagKey> {
        let expected = r#"a node of this kind with a field "key": {"axis":"..","key":".."}"#;
        match self.take("key", expected)? {
            (_, Field::Key(key)) => Ok(key),
            (at, _) => Err(wrong(at, expected)),
        }
    }

    fn text(&mut self, name: &'static str, expected: &'static str) -> Result<String> {
        match self.take(name, expected)? {
            (_, Field::Text(text)) => Ok(text),
            (at, _) => Err(wrong(at, expected)),
        }
    }

    fn metadata_key(&mut self) -> Result<String> {
        self.text("key", "a node of this kind with a field \"key\" that is a string")
    }

    fn value(&mut self) -> Result<String> {
        self.text("value", "a node of this kind with a field \"value\"")
    }

    fn pattern(&mut self) -> Result<String> {
        self.text("pattern", "a node of this kind with a field \"pattern\"")
    }

    fn version(&mut self) -> Result<super::VersionBound> {
        self.text("version", "a node of this kind with a field \"version\"").map(Into::into)
    }

    fn number(&mut self, name: &'static str, expected: &'static str) -> Result<f64> {
        match self.take(name, expected)? {
            (_, Field::Number(number)) => Ok(number),
            (at, _) => Err(wrong(at, expected)),
        }
    }

    fn threshold(&mut self) -> Result<f64> {
        self.number("threshold", "a node of this kind with a field \"threshold\"")
    }

    fn children(&mut self) -> Result<Vec<u32>> {
        let expected = "a node of this kind with a field \"children\"";
        match self.take("children", expected)? {
            (_, Field::Indices(children)) => Ok(children),
            (at, _) => Err(wrong(at, expected)),
        }
    }

    fn child(&mut self) -> Result<u32> {
        let expected = "a node of this kind with a field \"child\"";
        match self.take("child", expected)? {
            (_, Field::Index(child)) => Ok(child),
            (at, _) => Err(wrong(at, expected)),
        }
    }
}

fn read_node(cursor: &mut Cursor<'_>) -> Result<RawNode> {
    let mut kind: Option<(String, usize)> = None;
    let mut fields = Fields { start: cursor.at(), list: Vec::new() };
    cursor.object("a node, an object with a \"kind\"", |cursor, name, at| {
        if name == "kind" {
            let place = cursor.at();
            let twice = kind.replace((cursor.string()?, place)).is_some();
            return if twice { Err(wrong(at, "one \"kind\"")) } else { Ok(()) };
        }
        let (name, field) = read_field(cursor, name, at)?;
        if fields.list.iter().any(|(known, ..)| *known == name) {
            return Err(wrong(at, "each field once"));
        }
        fields.list.push((name, at, field));
        Ok(())
    })?;
    let (kind, kind_at) = kind.ok_or(wrong(fields.start, "a node with a \"kind\""))?;
    let node = node_of(&kind, kind_at, &mut fields)?;
    match fields.list.first() {
        Some((_, at, _)) => Err(wrong(*at, "only the fields of this kind of node")),
        None => Ok(node),
    }
}

fn read_field(cursor: &mut Cursor<'_>, name: &str, at: usize) -> Result<(&'static str, Field)> {
    Ok(match name {
        "key" if cursor.is_at_string() => ("key", Field::Text(cursor.string()?)),
        "key" => ("key", Field::Key(read_tag_key(cursor)?)),
        "value" => ("value", Field::Text(cursor.string()?)),
        "version" => ("version", Field::Text(cursor.string()?)),
        "prefix" => ("prefix", Field::Text(cursor.string()?)),
        "pattern" => ("pattern", Field::Text(cursor.string()?)),
        "threshold" => ("threshold", Field::Number(cursor.number()?)),
        "min" => ("min", Field::Number(cursor.number()?)),
        "max" => ("max", Field::Number(cursor.number()?)),
        "child" => ("child", Field::Index(cursor.index()?)),
        "children" => {
            let mut children = Vec::new();
            cursor.list("a list of indices of nodes", |cursor| {
                children.push(cursor.index()?);
                Ok(())
            })?;
            ("children", Field::Indices(children))
        }
        _ => return Err(wrong(at, "the name of a field that nodes have")),
    })
}

fn read_tag_key(cursor: &mut Cursor<'_>) -> Result<TagKey> {
    const EXPECTED: &str = r#"a key, {"axis":"..","key":".."}, or a string for metadata"#;
    let start = cursor.at();
    let (mut axis, mut key) = (None, None);
    cursor.object(EXPECTED, |cursor, name, at| {
        match name {
            "axis" if axis.is_none() => {
                let place = cursor.at();
                let known = Axis::from_name(&cursor.string()?);
                axis = Some(known.ok_or(wrong(place, "hardware, software, devices or dataforts"))?);
            }
            "key" if key.is_none() => key = Some(cursor.string()?),
            _ => return Err(wrong(at, "only \"axis\" and \"key\", each once")),
        }
        Ok(())
    })?;
    match (axis, key) {
        (Some(axis), Some(key)) => Ok(TagKey::new(axis, key)),
        _ => Err(wrong(start, EXPECTED)),
    }
}

fn node_of(kind: &str, kind_at: usize, fields: &mut Fields) -> Result<RawNode> {
    let clause = match kind {
        "and" => return fields.children().map(RawNode::And),
        "or" => return fields.children().map(RawNode::Or),
        "not" => return fields.child().map(RawNode::Not),
        "exists" => Clause::Exists { key: fields.tag_key()? },
        "equals" => Clause::Equals { key: fields.tag_key()?, value: fields.value()? },
        "numeric_at_least" => {
            Clause::NumericAtLeast { key: fields.tag_key()?, threshold: fields.threshold()? }
        }
        "numeric_at_most" => Clause::NumericAtMost { key: fields.tag_key()?, threshold: fields.threshold()? },
        "numeric_in_range" => Clause::NumericInRange {
            key: fields.tag_key()?,
            min: fields.number("min", "a node of this kind with a field \"min\"")?,
            max: fields.number("max", "a node of this kind with a field \"max\"")?,
        },
        "semver_at_least" => Clause::SemverAtLeast { key: fields.tag_key()?, version: fields.version()? },
        "semver_at_most" => Clause::SemverAtMost { key: fields.tag_key()?, version: fields.version()? },
        "semver_compatible" => {
            Clause::SemverCompatible { key: fields.tag_key()?, version: fields.version()? }
        }
        "string_prefix" => Clause::StringPrefix {
            key: fields.tag_key()?,
            prefix: fields.text("prefix", "a node of this kind with a field \"prefix\"")?,
        },
        "string_matches" => Clause::StringMatches { key: fields.tag_key()?, pattern: fields.pattern()? },
        "metadata_exists" => Clause::MetadataExists { key: fields.metadata_key()? },
        "metadata_equals" => Clause::MetadataEquals { key: fields.metadata_key()?, value: fields.value()? },
        "metadata_matches" => {
            Clause::MetadataMatches { key: fields.metadata_key()?, pattern: fields.pattern()? }
        }
        "metadata_numeric_at_least" => {
            Clause::MetadataNumericAtLeast { key: fields.metadata_key()?, threshold: fields.threshold()? }
        }
        _ => return Err(wrong(kind_at, KINDS)),
    };
    Ok(RawNode::Clause(clause))
}

fn write_node(json: &mut JsonText, node: &Node) {
    match node {
        Node::Clause(clause) => write_clause(json, clause),
        Node::And(children) => write_children(json, "and", children),
        Node::Or(children) => write_children(json, "or", children),
        Node::Not(child) => {
            json.field("kind", "not").name("child").number(u64::from(*child));
        }
    }
}

fn write_children(json: &mut JsonText, kind: &str, children: &[u16]) {
    json.field("kind", kind).name("children").list(|json| {
        for child in children {
            json.number(u64::from(*child));
        }
    });
}

fn write_clause(json: &mut JsonText, clause: &Clause) {
    json.field("kind", clause.kind());
    match clause.key() {
        super::Key::Tag(key) => {
            json.name("key").object(|json| {
                json.field("axis", key.axis().name()).field("key", key.key());
            });
        }
        super::Key::Metadata(key) => {
            json.field("key", key);
        }
    }
    match clause {
        Clause::Exists { .. } | Clause::MetadataExists { .. } => json,
        Clause::Equals { value, .. } | Clause::MetadataEquals { value, .. } => json.field("value", value),
        Clause::NumericAtLeast { threshold, .. }
        | Clause::NumericAtMost { threshold, .. }
        | Clause::MetadataNumericAtLeast { threshold, .. } => {
            json.name("threshold").literal(&print_number(*threshold))
        }
        Clause::NumericInRange { min, max, .. } => {
            json.name("min").literal(&print_number(*min)).name("max").literal(&print_number(*max))
        }
        Clause::SemverAtLeast { version, .. }
        | Clause::SemverAtMost { version, .. }
        | Clause::SemverCompatible { version, .. } => json.field("version", version.as_str()),
        Clause::StringPrefix { prefix, .. } => json.field("prefix", prefix),
        Clause::StringMatches { pattern, .. } | Clause::MetadataMatches { pattern, .. } => {
            json.field("pattern", pattern)
        }
    };
}
