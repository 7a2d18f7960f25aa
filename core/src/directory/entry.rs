//! What a node says about itself: entries, and how they are written.
//!
//! An entry is a map `{1: kind, 2: name, 3: value}`. Its owner's bytes are kept as they came, because they are what is
//! hashed and what is passed on; what they mean is read beside them.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use crate::address::Address;
use crate::capability::CapabilitySet;
use crate::identity::{LabelError, NodeLabel};
use crate::wire::body::directory::{ENTRY_LEN_MAX, EntryKey};
use crate::wire::body::topics::{GROUPS_MAX, GroupName, read_groups, write_groups};
use crate::wire::cbor::{Reader, Writer};
use crate::wire::path::{ActionPath, PathPattern};
use crate::wire::payload::Codec;
use crate::wire::shape::Shape;
use crate::wire::{WireError, WireErrorKind};

#[cfg(test)]
mod tests;

/// Most addresses in a node record.
pub const NODE_ADDRS_MAX: u64 = 16;
/// Longest version of an action in bytes.
pub const VERSION_LEN_MAX: usize = 64;
/// Longest name of a schema in bytes.
pub const SCHEMA_LEN_MAX: usize = 255;

/// The kinds of entries. Others are kept and passed on unread: later versions add some.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum EntryKind {
    /// Label, addresses and subnet of the node. One for each owner.
    Node = 1,
    /// What the node can do. One for each owner.
    Capabilities = 2,
    /// An action that the node serves, named by its path.
    Provider = 3,
    /// A name that the node goes by.
    Alias = 4,
    /// Topics that the node wants events of, named by a pattern.
    Interest = 5,
}

impl EntryKind {
    /// Every kind, by number.
    pub const ALL: [Self; 5] = [Self::Node, Self::Capabilities, Self::Provider, Self::Alias, Self::Interest];

    /// The number on the wire.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The kind of a number, where this version knows it.
    pub const fn from_number(number: u16) -> Option<Self> {
        match number {
            1 => Some(Self::Node),
            2 => Some(Self::Capabilities),
            3 => Some(Self::Provider),
            4 => Some(Self::Alias),
            5 => Some(Self::Interest),
            _ => None,
        }
    }

    /// The key of the entry of this kind with this name.
    pub(crate) fn key(self, name: &str) -> EntryKey {
        EntryKey { kind: self.number(), name: name.to_owned() }
    }
}

/// What a node says about itself as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRecord {
    /// What people call it.
    pub label: NodeLabel,
    /// Where it can be dialled, at most [`NODE_ADDRS_MAX`].
    pub addrs: Vec<Address>,
    /// Its subnet: four levels of eight bits, the highest on top; 0 is global.
    pub subnet: u32,
}

/// Whether an action takes calls.
///
/// ```
/// use lacewing_core::directory::ProviderState;
///
/// assert!(ProviderState::Running.takes_calls());
/// assert!(!ProviderState::Draining.takes_calls());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ProviderState {
    /// It takes calls.
    #[default]
    Running = 0,
    /// It takes none for now.
    Paused = 1,
    /// It finishes what it has and takes no more.
    Draining = 2,
}

impl ProviderState {
    /// Every state, by number.
    pub const ALL: [Self; 3] = [Self::Running, Self::Paused, Self::Draining];

    /// Whether new calls may be made.
    pub const fn takes_calls(self) -> bool {
        matches!(self, Self::Running)
    }

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Draining => "draining",
        }
    }

    /// The number on the wire.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The state of a number. One that this version does not know takes no calls, so it reads as paused.
    pub const fn from_number(number: u64) -> Self {
        match number {
            0 => Self::Running,
            2 => Self::Draining,
            _ => Self::Paused,
        }
    }
}

impl fmt::Display for ProviderState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which shape the payloads of an action have: a name or a hash that providers and callers have agreed on. The directory
/// does not look inside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SchemaId {
    /// A text of 1 to 255 bytes.
    Name(String),
    /// The hash of a schema.
    Hash([u8; 32]),
}

/// An action that a node serves.
///
/// ```
/// use lacewing_core::directory::{ProviderEntry, ProviderState};
///
/// let mut sum = ProviderEntry::new("math/sum".parse().unwrap());
/// assert_eq!((sum.state, sum.load), (ProviderState::Running, 0));
/// sum.version = Some("1.4.0".to_owned());
/// assert!(sum.check().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderEntry {
    /// What is called.
    pub path: ActionPath,
    /// The shape of its payloads, where that is told.
    pub schema: Option<SchemaId>,
    /// The version of the action, where that is told: at most 64 bytes without control characters, usually `1.4.0`.
    pub version: Option<String>,
    /// How busy it is: requests that run or wait there, as the provider last said.
    pub load: u32,
    /// Whether it takes calls.
    pub state: ProviderState,
    /// How many messages go each way.
    pub shape: Shape,
    /// How its payloads are to be read, where that is told.
    pub codec: Option<Codec>,
}

impl ProviderEntry {
    /// A running, idle, unary action without schema, version or codec.
    pub fn new(path: ActionPath) -> Self {
        Self {
            path,
            schema: None,
            version: None,
            load: 0,
            state: ProviderState::Running,
            shape: Shape::Unary,
            codec: None,
        }
    }

    /// Whether every node would take this entry.
    pub fn check(&self) -> Result<(), EntryError> {
        if let Some(SchemaId::Name(name)) = &self.schema
            && !is_plain(name, SCHEMA_LEN_MAX)
        {
            return Err(EntryError::Schema);
        }
        match &self.version {
            Some(version) if !is_plain(version, VERSION_LEN_MAX) => Err(EntryError::Version),
            _ => Ok(()),
        }
    }
}

/// A name that a node goes by besides its label: 1 to 255 bytes without control characters. Several nodes may have one alias.
///
/// ```
/// use lacewing_core::directory::Alias;
///
/// assert_eq!("billing".parse::<Alias>().unwrap().as_str(), "billing");
/// assert!("".parse::<Alias>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Alias(String);

impl Alias {
    /// The alias as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Alias {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        // The rules of labels: both are names that people type.
        text.parse::<NodeLabel>().map(|label| Self(label.to_string()))
    }
}

impl fmt::Display for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Topics that a node wants events of.
///
/// ```
/// use lacewing_core::directory::Interest;
///
/// let interest = Interest { pattern: "orders/>".parse().unwrap(), alone: true, groups: Vec::new() };
/// assert!(interest.check().is_ok());
/// assert!(Interest { alone: false, ..interest }.check().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interest {
    /// Which topics: a pattern that does not begin with `$`.
    pub pattern: PathPattern,
    /// Whether the node has a subscription without a group.
    pub alone: bool,
    /// Groups in which it has subscriptions, ascending, at most [`GROUPS_MAX`].
    pub groups: Vec<GroupName>,
}

impl Interest {
    /// Whether every node would take this entry.
    pub fn check(&self) -> Result<(), EntryError> {
        let groups = self.groups.len() <= GROUPS_MAX && self.groups.windows(2).all(|pair| pair[0] < pair[1]);
        let somebody = self.alone || !self.groups.is_empty();
        if groups && somebody && !self.pattern.is_internal() { Ok(()) } else { Err(EntryError::Interest) }
    }
}

/// An entry that other nodes would refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The name of the schema is empty, too long or has control characters.
    #[error("the name of a schema has 1 to {SCHEMA_LEN_MAX} bytes and no control characters")]
    Schema,
    /// The version is empty, too long or has control characters.
    #[error("the version of an action has 1 to {VERSION_LEN_MAX} bytes and no control characters")]
    Version,
    /// An interest of nobody, in too many groups or in topics that begin with `$`.
    #[error(
        "an interest in topics that do not begin with $ is that of a subscription, in at most {GROUPS_MAX} groups"
    )]
    Interest,
    /// Too many addresses.
    #[error("a node names at most {NODE_ADDRS_MAX} addresses")]
    Addresses,
}

/// What an entry means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryValue {
    /// The node as a whole.
    Node(NodeRecord),
    /// What it can do.
    Capabilities(CapabilitySet),
    /// An action.
    Provider(ProviderEntry),
    /// A name; the key has it.
    Alias,
    /// Who on the node wants events.
    Interest(Interest),
    /// A kind that this version does not know.
    Unknown,
}

/// An entry: what it is called, and what it says.
///
/// ```
/// use lacewing_core::directory::{Entry, ProviderEntry};
///
/// let entry = Entry::provider(ProviderEntry::new("math/sum".parse().unwrap()));
/// let bytes = entry.encode();
/// assert_eq!(Entry::decode(&bytes).unwrap(), entry);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Kind and name.
    pub key: EntryKey,
    /// What it says.
    pub value: EntryValue,
}

impl Entry {
    /// The entry of a node record.
    pub fn node(record: NodeRecord) -> Self {
        Self { key: EntryKind::Node.key(""), value: EntryValue::Node(record) }
    }

    /// The entry of a capability set.
    pub fn capabilities(set: CapabilitySet) -> Self {
        Self { key: EntryKind::Capabilities.key(""), value: EntryValue::Capabilities(set) }
    }

    /// The entry of an action.
    pub fn provider(entry: ProviderEntry) -> Self {
        Self { key: EntryKind::Provider.key(entry.path.as_str()), value: EntryValue::Provider(entry) }
    }

    /// The entry of an alias.
    pub fn alias(alias: &Alias) -> Self {
        Self { key: EntryKind::Alias.key(alias.as_str()), value: EntryValue::Alias }
    }

    /// The entry of an interest in topics.
    pub fn interest(interest: Interest) -> Self {
        Self {
            key: EntryKind::Interest.key(interest.pattern.as_str()),
            value: EntryValue::Interest(interest),
        }
    }

    /// The bytes that are hashed and sent. An entry of a kind that is not known has none of its own: it gets an empty value.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out);
        writer.map(3).uint(1).uint(self.key.kind.into()).uint(2).text(&self.key.name).uint(3);
        match &self.value {
            EntryValue::Node(record) => {
                writer.map(3).uint(1).text(record.label.as_str()).uint(2).array(record.addrs.len());
                for addr in &record.addrs {
                    writer.text(&format!("{addr}"));
                }
                writer.uint(3).uint(record.subnet.into());
            }
            EntryValue::Capabilities(set) => set.encode(&mut out),
            EntryValue::Provider(entry) => {
                let optional = usize::from(entry.schema.is_some())
                    + usize::from(entry.version.is_some())
                    + usize::from(entry.shape.is_stream())
                    + usize::from(entry.codec.is_some());
                writer
                    .map(2 + optional)
                    .uint(1)
                    .uint(entry.load.into())
                    .uint(2)
                    .uint(entry.state.number().into());
                match &entry.schema {
                    None => {}
                    Some(SchemaId::Name(name)) => {
                        writer.uint(3).text(name);
                    }
                    Some(SchemaId::Hash(hash)) => {
                        writer.uint(3).bytes(hash);
                    }
                }
                if let Some(version) = &entry.version {
                    writer.uint(4).text(version);
                }
                if entry.shape.is_stream() {
                    writer.uint(5).uint(entry.shape.number().into());
                }
                if let Some(codec) = entry.codec {
                    writer.uint(6).uint((codec as u8).into());
                }
            }
            EntryValue::Interest(interest) => {
                writer.map(2).uint(1).bool(interest.alone).uint(2);
                write_groups(&interest.groups, &mut writer);
            }
            EntryValue::Alias | EntryValue::Unknown => {
                writer.map(0);
            }
        }
        out
    }

    /// Reads a whole entry. Unknown fields are skipped, unknown kinds are [`EntryValue::Unknown`].
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        if bytes.len() > ENTRY_LEN_MAX {
            return Err(WireError { kind: WireErrorKind::TooLarge, at: 0 });
        }
        let mut reader = Reader::new(bytes);
        let mut fields = reader.fields()?;
        let (mut kind, mut name, mut value) = (None, None, None);
        while let Some(key) = fields.next(&mut reader)? {
            match key {
                1 => kind = Some(reader.uint_max(u16::MAX.into())? as u16),
                2 => name = Some(reader.text_max(ActionPath::LEN_MAX)?.to_owned()),
                3 => {
                    let start = reader.position();
                    reader.skip()?;
                    value = Some((start, &bytes[start..reader.position()]));
                }
                _ => reader.skip()?,
            }
        }
        let missing = reader.error(WireErrorKind::MissingField);
        reader.finish()?;
        let key = EntryKey { kind: kind.ok_or(missing)?, name: name.ok_or(missing)? };
        let (start, value) = value.ok_or(missing)?;
        let value = read_value(&key, value).map_err(|error| WireError { at: start + error.at, ..error })?;
        Ok(Self { key, value })
    }
}

/// What the value of an entry with this key says.
fn read_value(key: &EntryKey, value: &[u8]) -> Result<EntryValue, WireError> {
    let wrong = WireError { kind: WireErrorKind::OutOfRange, at: 0 };
    let Some(kind) = EntryKind::from_number(key.kind) else { return Ok(EntryValue::Unknown) };
    match kind {
        EntryKind::Node | EntryKind::Capabilities if !key.name.is_empty() => Err(wrong),
        EntryKind::Node => read_record(value).map(EntryValue::Node),
        EntryKind::Capabilities => {
            let mut set = CapabilitySet::decode(value)?;
            set.strip_unclaimable();
            Ok(EntryValue::Capabilities(set))
        }
        EntryKind::Provider => {
            let path = key.name.parse().map_err(|_| wrong)?;
            read_provider(path, value).map(EntryValue::Provider)
        }
        EntryKind::Alias => {
            key.name.parse::<Alias>().map_err(|_| wrong)?;
            let mut reader = Reader::new(value);
            let mut fields = reader.fields()?;
            while fields.next(&mut reader)?.is_some() {
                reader.skip()?;
            }
            Ok(EntryValue::Alias)
        }
        EntryKind::Interest => {
            let pattern = key.name.parse().map_err(|_| wrong)?;
            read_interest(pattern, value).map(EntryValue::Interest)
        }
    }
}

fn read_record(value: &[u8]) -> Result<NodeRecord, WireError> {
    let mut reader = Reader::new(value);
    let mut fields = reader.fields()?;
    let (mut label, mut addrs, mut subnet) = (None, None, None);
    while let Some(key) = fields.next(&mut reader)? {
        match key {
            1 => label = Some(parsed(&mut reader, NodeLabel::LEN_MAX)?),
            2 => {
                let count = reader.array(NODE_ADDRS_MAX)?;
                let mut list = Vec::new();
                for _ in 0..count {
                    list.push(parsed(&mut reader, Address::HOST_LEN_MAX + 8)?);
                }
                addrs = Some(list);
            }
            3 => subnet = Some(reader.uint_max(u32::MAX.into())? as u32),
            _ => reader.skip()?,
        }
    }
    let missing = reader.error(WireErrorKind::MissingField);
    Ok(NodeRecord {
        label: label.ok_or(missing)?,
        addrs: addrs.ok_or(missing)?,
        subnet: subnet.ok_or(missing)?,
    })
}

fn read_provider(path: ActionPath, value: &[u8]) -> Result<ProviderEntry, WireError> {
    let mut reader = Reader::new(value);
    let mut fields = reader.fields()?;
    let mut entry = ProviderEntry::new(path);
    let (mut load, mut state) = (None, None);
    while let Some(key) = fields.next(&mut reader)? {
        match key {
            1 => load = Some(reader.uint_max(u32::MAX.into())? as u32),
            2 => state = Some(ProviderState::from_number(reader.uint()?)),
            3 => entry.schema = Some(read_schema(&mut reader)?),
            4 => entry.version = Some(plain(&mut reader, VERSION_LEN_MAX)?),
            5 => {
                let at = reader.position();
                let shape = Shape::from_number(reader.uint_max(u8::MAX.into())? as u8);
                entry.shape = shape.ok_or(WireError { kind: WireErrorKind::OutOfRange, at })?;
            }
            // One that this version does not know is none that it could use.
            6 => entry.codec = Codec::from_number(reader.uint_max(u8::MAX.into())? as u8),
            _ => reader.skip()?,
        }
    }
    let missing = reader.error(WireErrorKind::MissingField);
    entry.load = load.ok_or(missing)?;
    entry.state = state.ok_or(missing)?;
    Ok(entry)
}

fn read_interest(pattern: PathPattern, value: &[u8]) -> Result<Interest, WireError> {
    let mut reader = Reader::new(value);
    let mut fields = reader.fields()?;
    let (mut alone, mut groups) = (None, None);
    while let Some(key) = fields.next(&mut reader)? {
        match key {
            1 => alone = Some(reader.bool()?),
            2 => groups = Some(read_groups(&mut reader)?),
            _ => reader.skip()?,
        }
    }
    let missing = reader.error(WireErrorKind::MissingField);
    let interest = Interest { pattern, alone: alone.ok_or(missing)?, groups: groups.ok_or(missing)? };
    if interest.check().is_err() {
        Err(WireError { kind: WireErrorKind::OutOfRange, at: 0 })
    } else {
        Ok(interest)
    }
}

fn read_schema(reader: &mut Reader<'_>) -> Result<SchemaId, WireError> {
    match reader.byte_array() {
        Ok(hash) => Ok(SchemaId::Hash(hash)),
        Err(WireError { kind: WireErrorKind::WrongType, .. }) => {
            plain(reader, SCHEMA_LEN_MAX).map(SchemaId::Name)
        }
        Err(error) => Err(error),
    }
}

/// A text that must parse as `T`.
fn parsed<T: FromStr>(reader: &mut Reader<'_>, length_max: usize) -> Result<T, WireError> {
    let at = reader.position();
    let text = reader.text_max(length_max)?;
    text.parse().map_err(|_| WireError { kind: WireErrorKind::OutOfRange, at })
}

/// A text of 1 to `length_max` bytes without control characters.
fn plain(reader: &mut Reader<'_>, length_max: usize) -> Result<String, WireError> {
    let at = reader.position();
    let text = reader.text()?;
    if is_plain(text, length_max) {
        Ok(text.to_owned())
    } else {
        Err(WireError { kind: WireErrorKind::OutOfRange, at })
    }
}

fn is_plain(text: &str, length_max: usize) -> bool {
    !text.is_empty() && text.len() <= length_max && !text.contains(char::is_control)
}
