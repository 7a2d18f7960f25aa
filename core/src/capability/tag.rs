//! Tags: one text each, read as one of four things.
//!
//! `hardware.gpu` is there or not, `hardware.memory_gb=64` has a value, `scope:tenant:acme` has a meaning of its own, and
//! anything else is a free tag. Reading is total: what is no tag of the first three kinds is one of the last.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

#[cfg(test)]
mod tests;

/// Longest tag in bytes.
pub const TAG_LEN_MAX: usize = 256;

/// Prefixes with a meaning of their own, which users cannot write by hand.
pub const RESERVED_PREFIXES: [&str; 5] = ["causal:", "dataforts:", "fork-of:", "heat:", SCOPE_PREFIX];

/// The reserved prefix of tags that narrow who finds a node.
pub const SCOPE_PREFIX: &str = "scope:";

/// What a tag is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Axis {
    /// Processors, memory, accelerators, limits.
    Hardware,
    /// Operating system, runtimes, models, tools.
    Software,
    /// Devices that are attached.
    Devices,
    /// Stored data.
    Dataforts,
}

impl Axis {
    /// All axes.
    pub const ALL: [Self; 4] = [Self::Hardware, Self::Software, Self::Devices, Self::Dataforts];

    /// The name that tags start with.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hardware => "hardware",
            Self::Software => "software",
            Self::Devices => "devices",
            Self::Dataforts => "dataforts",
        }
    }

    /// The axis of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|axis| axis.name() == name)
    }

    /// The axis that a text starts with, and what follows the dot.
    fn split(text: &str) -> Option<(Self, &str)> {
        let (name, rest) = text.split_once('.')?;
        Some((Self::from_name(name)?, rest))
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Axis {
    type Err = TagError;

    fn from_str(name: &str) -> Result<Self, TagError> {
        Self::from_name(name).ok_or(TagError::UnknownAxis)
    }
}

/// The part of a tag that predicates ask for: an axis and a key, written `axis.key`.
///
/// ```
/// use lacewing_core::capability::{Axis, TagKey};
///
/// let key: TagKey = "hardware.gpu.vendor".parse().unwrap();
/// assert_eq!((key.axis(), key.key()), (Axis::Hardware, "gpu.vendor"));
/// assert_eq!(key.to_string(), "hardware.gpu.vendor");
/// assert!("memory_gb".parse::<TagKey>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TagKey {
    axis: Axis,
    key: String,
    /// Follows from the two above, and so changes nothing about which keys are equal and which is less.
    print: u32,
}

impl TagKey {
    /// A key of an axis. Any text is taken; one that no tag can have (empty, or with `=` or `:`) is in no set.
    pub fn new(axis: Axis, key: impl Into<String>) -> Self {
        let key = key.into();
        let print = Self::print_of(axis, &key);
        Self { axis, key, print }
    }

    /// A number that keys seldom share, to look for a key among many. It is made of no more than the axis, both ends and the
    /// length, since keys are short: those that share it have to be told apart by who looks.
    pub(crate) fn print_of(axis: Axis, key: &str) -> u32 {
        /// The golden ratio in 64 bits: it spreads what differs in a few bits over the upper half.
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        let bytes = key.as_bytes();
        let ends = match (bytes.first_chunk(), bytes.last_chunk()) {
            (Some(first), Some(last)) => [u64::from_le_bytes(*first), u64::from_le_bytes(*last)],
            _ => [0, bytes.iter().fold(0, |all, byte| all << 8 | u64::from(*byte))],
        };
        let [first, last] = ends.map(|end| end.wrapping_mul(SPREAD));
        let about = (bytes.len() as u64) << 2 | axis as u64;
        ((first.rotate_left(32) ^ last ^ about).wrapping_mul(SPREAD) >> 32) as u32
    }

    /// Its own.
    pub(crate) fn print(&self) -> u32 {
        self.print
    }

    /// The axis.
    pub fn axis(&self) -> Axis {
        self.axis
    }

    /// The key within the axis, dots and all.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Display for TagKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.axis, self.key)
    }
}

impl FromStr for TagKey {
    type Err = TagError;

    /// Reads `axis.key`; the key is not empty and has neither `=` nor `:`.
    fn from_str(text: &str) -> Result<Self, TagError> {
        let (axis, key) = Axis::split(text).ok_or(TagError::UnknownAxis)?;
        let start = text.len() - key.len();
        match key.find(['=', ':']) {
            _ if key.is_empty() => Err(TagError::NoKey(start)),
            Some(at) => Err(TagError::ValueInKey(start + at)),
            None => Ok(Self::new(axis, key)),
        }
    }
}

/// A tag, read.
///
/// ```
/// use lacewing_core::capability::{Axis, Tag};
///
/// assert_eq!(Tag::parse("hardware.gpu"), Tag::Presence { axis: Axis::Hardware, key: "gpu" });
/// let os = Tag::Value { axis: Axis::Software, key: "os", value: "linux" };
/// assert_eq!(Tag::parse("software.os=linux"), os);
/// assert_eq!(Tag::parse("software.os:linux"), os);
/// assert_eq!(Tag::parse("scope:tenant:acme"), Tag::Reserved { prefix: "scope:", rest: "tenant:acme" });
/// assert_eq!(Tag::parse("batch"), Tag::Free("batch"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tag<'a> {
    /// `axis.key`: it is there.
    Presence {
        /// What it is about.
        axis: Axis,
        /// The key; never empty.
        key: &'a str,
    },
    /// `axis.key=value` or `axis.key:value`.
    Value {
        /// What it is about.
        axis: Axis,
        /// The key; never empty.
        key: &'a str,
        /// What follows the first `=` or `:`; may be empty.
        value: &'a str,
    },
    /// A tag that starts with one of [`RESERVED_PREFIXES`].
    Reserved {
        /// The prefix, with its colon.
        prefix: &'static str,
        /// What follows.
        rest: &'a str,
    },
    /// Anything else.
    Free(&'a str),
}

impl<'a> Tag<'a> {
    /// Reads a tag. An axis without a key is a free tag.
    pub fn parse(text: &'a str) -> Self {
        if let Some(prefix) = RESERVED_PREFIXES.into_iter().find(|prefix| text.starts_with(prefix)) {
            return Self::Reserved { prefix, rest: &text[prefix.len()..] };
        }
        let Some((axis, rest)) = Axis::split(text) else { return Self::Free(text) };
        match rest.find(['=', ':']) {
            Some(0) => Self::Free(text),
            None if rest.is_empty() => Self::Free(text),
            Some(at) => Self::Value { axis, key: &rest[..at], value: &rest[at + 1..] },
            None => Self::Presence { axis, key: rest },
        }
    }

    /// Reads a tag that a user wrote: as [`check`](Self::check), and without a reserved prefix.
    pub fn parse_user(text: &'a str) -> Result<Self, TagError> {
        Self::check(text)?;
        match Self::parse(text) {
            Self::Reserved { prefix, .. } => Err(TagError::Reserved(prefix)),
            tag => Ok(tag),
        }
    }

    /// Whether a set can hold the text: 1 to 256 bytes, no control characters.
    pub fn check(text: &str) -> Result<(), TagError> {
        if text.is_empty() {
            return Err(TagError::Empty);
        }
        if text.len() > TAG_LEN_MAX {
            return Err(TagError::TooLong(text.len()));
        }
        text.find(char::is_control).map_or(Ok(()), |at| Err(TagError::ControlCharacter(at)))
    }

    /// The same tag with the other separator before its value, of a tag that has one.
    pub fn other_spelling(text: &'a str) -> Option<String> {
        let Self::Value { value, .. } = Self::parse(text) else { return None };
        let at = text.len() - value.len() - 1;
        let other = if text.as_bytes()[at] == b'=' { ':' } else { '=' };
        Some(format!("{}{other}{value}", &text[..at]))
    }

    /// The axis and the key, of a tag that has them.
    pub fn axis_key(self) -> Option<(Axis, &'a str)> {
        match self {
            Self::Presence { axis, key } | Self::Value { axis, key, .. } => Some((axis, key)),
            Self::Reserved { .. } | Self::Free(_) => None,
        }
    }

    /// Whether a node may say this about itself to others.
    ///
    /// `scope:` narrows who finds the node that says it, so that it can only hurt itself. `causal:`, `fork-of:`, `heat:`
    /// and `dataforts:` draw the readers of stored data to a node, and this version has no data whose holder could prove
    /// it: nobody can make such a claim in good faith, so it is taken off what a peer announces.
    pub fn may_be_claimed(self) -> bool {
        match self {
            Self::Reserved { prefix, .. } => prefix == SCOPE_PREFIX,
            Self::Presence { .. } | Self::Value { .. } | Self::Free(_) => true,
        }
    }
}

impl fmt::Display for Tag<'_> {
    /// The tag as text, with `=` before a value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Presence { axis, key } => write!(f, "{axis}.{key}"),
            Self::Value { axis, key, value } => write!(f, "{axis}.{key}={value}"),
            Self::Reserved { prefix, rest } => write!(f, "{prefix}{rest}"),
            Self::Free(text) => f.write_str(text),
        }
    }
}

/// Text that is no tag, or no key, and what would be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// Nothing at all.
    #[error("a tag cannot be empty: write for example hardware.gpu or software.os=linux")]
    Empty,
    /// More than [`TAG_LEN_MAX`] bytes.
    #[error("a tag has at most {TAG_LEN_MAX} bytes, this one has {0}: put long texts into the metadata")]
    TooLong(usize),
    /// A control character, which would garble logs and terminals.
    #[error("byte {0} of the tag is a control character, which tags cannot have")]
    ControlCharacter(usize),
    /// A prefix that has a meaning of its own.
    #[error("tags that start with {0:?} are set by the functions made for them, not by hand")]
    Reserved(&'static str),
    /// A tenant or region without a name.
    #[error("the name of the tenant or region is missing")]
    NoScopeName,
    /// A key that does not start with an axis and a dot.
    #[error("a key starts with hardware., software., devices. or dataforts.")]
    UnknownAxis,
    /// An axis, a dot, and nothing more.
    #[error("nothing follows the axis at byte {0}: write for example hardware.memory_gb")]
    NoKey(usize),
    /// A key without the value that belongs to it.
    #[error("the value of this key is missing")]
    NoValue,
    /// A comma in an item of a list that is written with commas.
    #[error("an item of this list cannot have a comma")]
    Comma,
    /// A value where only a key belongs.
    #[error("byte {0} of the key begins a value, which a key does not have")]
    ValueInKey(usize),
}

impl From<Tag<'_>> for String {
    fn from(tag: Tag<'_>) -> Self {
        match tag {
            Tag::Free(text) => text.to_owned(),
            tag => format!("{tag}"),
        }
    }
}
