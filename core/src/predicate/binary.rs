//! The CBOR form, for frames.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bytes::BufMut;

use super::error::within;
use super::json::{RawNode, assemble};
use super::{Clause, FORM_LEN_MAX, Key, Node, Predicate, PredicateError};
use crate::capability::{Axis, TagKey};
use crate::wire::cbor::{Head, Major, Reader, Writer};
use crate::wire::{WireError, WireErrorKind};

/// Numbers of kinds, in the order of the specification's table.
mod kind {
    pub(super) const EXISTS: u64 = 1;
    pub(super) const EQUALS: u64 = 2;
    pub(super) const NUMERIC_AT_LEAST: u64 = 3;
    pub(super) const NUMERIC_AT_MOST: u64 = 4;
    pub(super) const NUMERIC_IN_RANGE: u64 = 5;
    pub(super) const SEMVER_AT_LEAST: u64 = 6;
    pub(super) const SEMVER_AT_MOST: u64 = 7;
    pub(super) const SEMVER_COMPATIBLE: u64 = 8;
    pub(super) const STRING_PREFIX: u64 = 9;
    pub(super) const STRING_MATCHES: u64 = 10;
    pub(super) const METADATA_EXISTS: u64 = 11;
    pub(super) const METADATA_EQUALS: u64 = 12;
    pub(super) const METADATA_MATCHES: u64 = 13;
    pub(super) const METADATA_NUMERIC_AT_LEAST: u64 = 14;
    pub(super) const AND: u64 = 15;
    pub(super) const OR: u64 = 16;
    pub(super) const NOT: u64 = 17;
}

/// Numbers of axes are places in [`Axis::ALL`].
fn axis_number(axis: Axis) -> u64 {
    match axis {
        Axis::Hardware => 0,
        Axis::Software => 1,
        Axis::Devices => 2,
        Axis::Dataforts => 3,
    }
}

impl Predicate {
    /// Appends the CBOR form: `{1: [node, ..], 2: root}`, where a node is a list that begins with the number of its kind.
    ///
    /// ```
    /// use lacewing_core::predicate::Predicate;
    ///
    /// let predicate: Predicate = "hardware.gpu".parse().unwrap();
    /// let mut bytes = Vec::new();
    /// predicate.encode(&mut bytes);
    /// assert_eq!(bytes, b"\xa2\x01\x81\x83\x01\x00\x63gpu\x02\x00");
    /// assert_eq!(Predicate::decode(&bytes).unwrap(), predicate);
    /// ```
    pub fn encode(&self, out: &mut impl BufMut) {
        let mut writer = Writer::new(out);
        writer.map(2).uint(1).array(self.nodes.len());
        for node in &self.nodes {
            write_node(&mut writer, node);
        }
        writer.uint(2).uint(u64::from(self.root));
    }

    /// Reads the CBOR form, of at most [`FORM_LEN_MAX`] bytes. A predicate that would say something else to a reader that
    /// skips what it does not know is worse than none, so nothing is skipped.
    pub fn decode(input: &[u8]) -> Result<Self, PredicateError> {
        within("bytes", input.len(), FORM_LEN_MAX)?;
        let (nodes, root) = read(input).map_err(PredicateError::Cbor)?;
        assemble(nodes, root)
    }
}

fn write_node<B: BufMut>(writer: &mut Writer<'_, B>, node: &Node) {
    let children = |writer: &mut Writer<'_, B>, number: u64, children: &[u16]| {
        writer.array(2).uint(number).array(children.len());
        for child in children {
            writer.uint(u64::from(*child));
        }
    };
    match node {
        Node::And(list) => children(writer, kind::AND, list),
        Node::Or(list) => children(writer, kind::OR, list),
        Node::Not(child) => {
            writer.array(2).uint(kind::NOT).uint(u64::from(*child));
        }
        Node::Clause(clause) => write_clause(writer, clause),
    }
}

fn write_clause<B: BufMut>(writer: &mut Writer<'_, B>, clause: &Clause) {
    let (number, values) = shape(clause);
    match clause.key() {
        Key::Tag(key) => writer.array(3 + values).uint(number).uint(axis_number(key.axis())).text(key.key()),
        Key::Metadata(key) => writer.array(2 + values).uint(number).text(key),
    };
    match clause {
        Clause::Exists { .. } | Clause::MetadataExists { .. } => writer,
        Clause::Equals { value, .. } | Clause::MetadataEquals { value, .. } => writer.text(value),
        Clause::NumericAtLeast { threshold, .. }
        | Clause::NumericAtMost { threshold, .. }
        | Clause::MetadataNumericAtLeast { threshold, .. } => writer.float(*threshold),
        Clause::NumericInRange { min, max, .. } => writer.float(*min).float(*max),
        Clause::SemverAtLeast { version, .. }
        | Clause::SemverAtMost { version, .. }
        | Clause::SemverCompatible { version, .. } => writer.text(version.as_str()),
        Clause::StringPrefix { prefix, .. } => writer.text(prefix),
        Clause::StringMatches { pattern, .. } | Clause::MetadataMatches { pattern, .. } => {
            writer.text(pattern)
        }
    };
}

/// The number of a clause's kind, and how many values follow its key.
fn shape(clause: &Clause) -> (u64, usize) {
    match clause {
        Clause::Exists { .. } => (kind::EXISTS, 0),
        Clause::Equals { .. } => (kind::EQUALS, 1),
        Clause::NumericAtLeast { .. } => (kind::NUMERIC_AT_LEAST, 1),
        Clause::NumericAtMost { .. } => (kind::NUMERIC_AT_MOST, 1),
        Clause::NumericInRange { .. } => (kind::NUMERIC_IN_RANGE, 2),
        Clause::SemverAtLeast { .. } => (kind::SEMVER_AT_LEAST, 1),
        Clause::SemverAtMost { .. } => (kind::SEMVER_AT_MOST, 1),
        Clause::SemverCompatible { .. } => (kind::SEMVER_COMPATIBLE, 1),
        Clause::StringPrefix { .. } => (kind::STRING_PREFIX, 1),
        Clause::StringMatches { .. } => (kind::STRING_MATCHES, 1),
        Clause::MetadataExists { .. } => (kind::METADATA_EXISTS, 0),
        Clause::MetadataEquals { .. } => (kind::METADATA_EQUALS, 1),
        Clause::MetadataMatches { .. } => (kind::METADATA_MATCHES, 1),
        Clause::MetadataNumericAtLeast { .. } => (kind::METADATA_NUMERIC_AT_LEAST, 1),
    }
}

fn read(input: &[u8]) -> Result<(Vec<RawNode>, u32), WireError> {
    let mut reader = Reader::new(input);
    let mut fields = reader.fields()?;
    let (mut nodes, mut root) = (None, None);
    loop {
        let at = reader.position();
        match fields.next(&mut reader)? {
            Some(1) => nodes = Some(read_nodes(&mut reader)?),
            Some(2) => root = Some(read_index(&mut reader)?),
            Some(_) => return Err(WireError { kind: WireErrorKind::UnknownType, at }),
            None => break,
        }
    }
    let missing = reader.error(WireErrorKind::MissingField);
    reader.finish()?;
    Ok((nodes.ok_or(missing)?, root.ok_or(missing)?))
}

fn read_index(reader: &mut Reader<'_>) -> Result<u32, WireError> {
    reader.uint_max(u64::from(u32::MAX)).map(|index| index as u32)
}

fn read_nodes(reader: &mut Reader<'_>) -> Result<Vec<RawNode>, WireError> {
    // An item takes a byte at least, so that a count which is not there runs out of input soon.
    let count = reader.array(FORM_LEN_MAX as u64)?;
    let mut nodes = Vec::new();
    for _ in 0..count {
        nodes.push(read_node(reader)?);
    }
    Ok(nodes)
}

/// The rest of a node, after the number of its kind.
struct Items<'r, 'a> {
    reader: &'r mut Reader<'a>,
    /// Where the node's list begins.
    start: usize,
    /// How many items the list says it has.
    count: u64,
}

impl Items<'_, '_> {
    fn expect(&self, items: u64) -> Result<(), WireError> {
        if self.count == items {
            Ok(())
        } else {
            Err(WireError { kind: WireErrorKind::OutOfRange, at: self.start })
        }
    }

    /// The key of a clause about tags, which `values` values follow.
    fn tag_key(&mut self, values: u64) -> Result<TagKey, WireError> {
        self.expect(3 + values)?;
        let axis = self.reader.uint_max(Axis::ALL.len() as u64 - 1)?;
        Ok(TagKey::new(Axis::ALL[axis as usize], self.text()?))
    }

    /// The key of a clause about metadata, which `values` values follow.
    fn metadata_key(&mut self, values: u64) -> Result<String, WireError> {
        self.expect(2 + values)?;
        self.text()
    }

    fn text(&mut self) -> Result<String, WireError> {
        self.reader.text().map(ToString::to_string)
    }

    fn number(&mut self) -> Result<f64, WireError> {
        let at = self.reader.position();
        let wrong = |kind| WireError { kind, at };
        let head: Head = self.reader.head()?;
        let number = head.float().ok_or(wrong(WireErrorKind::WrongType))?;
        crate::wire::cbor::check_simple(head).map_err(wrong)?;
        if number.is_finite() { Ok(number) } else { Err(wrong(WireErrorKind::OutOfRange)) }
    }

    fn children(&mut self) -> Result<Vec<u32>, WireError> {
        self.expect(2)?;
        let count = self.reader.array(FORM_LEN_MAX as u64)?;
        let mut children = Vec::new();
        for _ in 0..count {
            children.push(read_index(self.reader)?);
        }
        Ok(children)
    }
}

fn read_node(reader: &mut Reader<'_>) -> Result<RawNode, WireError> {
    let start = reader.position();
    let count = reader.expect(Major::Array)?;
    if count == 0 {
        return Err(WireError { kind: WireErrorKind::OutOfRange, at: start });
    }
    let kind_at = reader.position();
    let kind = reader.uint()?;
    let mut items = Items { reader, start, count };
    let clause = match kind {
        kind::AND => return items.children().map(RawNode::And),
        kind::OR => return items.children().map(RawNode::Or),
        kind::NOT => {
            items.expect(2)?;
            return read_index(items.reader).map(RawNode::Not);
        }
        kind::EXISTS => Clause::Exists { key: items.tag_key(0)? },
        kind::EQUALS => Clause::Equals { key: items.tag_key(1)?, value: items.text()? },
        kind::NUMERIC_AT_LEAST => {
            Clause::NumericAtLeast { key: items.tag_key(1)?, threshold: items.number()? }
        }
        kind::NUMERIC_AT_MOST => Clause::NumericAtMost { key: items.tag_key(1)?, threshold: items.number()? },
        kind::NUMERIC_IN_RANGE => {
            Clause::NumericInRange { key: items.tag_key(2)?, min: items.number()?, max: items.number()? }
        }
        kind::SEMVER_AT_LEAST => {
            Clause::SemverAtLeast { key: items.tag_key(1)?, version: items.text()?.into() }
        }
        kind::SEMVER_AT_MOST => {
            Clause::SemverAtMost { key: items.tag_key(1)?, version: items.text()?.into() }
        }
        kind::SEMVER_COMPATIBLE => {
            Clause::SemverCompatible { key: items.tag_key(1)?, version: items.text()?.into() }
        }
        kind::STRING_PREFIX => Clause::StringPrefix { key: items.tag_key(1)?, prefix: items.text()? },
        kind::STRING_MATCHES => Clause::StringMatches { key: items.tag_key(1)?, pattern: items.text()? },
        kind::METADATA_EXISTS => Clause::MetadataExists { key: items.metadata_key(0)? },
        kind::METADATA_EQUALS => Clause::MetadataEquals { key: items.metadata_key(1)?, value: items.text()? },
        kind::METADATA_MATCHES => {
            Clause::MetadataMatches { key: items.metadata_key(1)?, pattern: items.text()? }
        }
        kind::METADATA_NUMERIC_AT_LEAST => {
            Clause::MetadataNumericAtLeast { key: items.metadata_key(1)?, threshold: items.number()? }
        }
        _ => return Err(WireError { kind: WireErrorKind::UnknownType, at: kind_at }),
    };
    Ok(RawNode::Clause(clause))
}
