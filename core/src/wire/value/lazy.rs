//! Looking into an encoded value without decoding it.

use super::{Value, decode, tag};
use crate::wire::WireError;
use crate::wire::cbor::{Head, Major, Reader};

/// An encoded value that is read where it lies: nothing is allocated, and what is not asked for is skipped.
///
/// [`parse`](Self::parse) checks that the bytes are deterministic CBOR; what a tag may hold is checked when
/// [`decode`](Self::decode) is called on it.
///
/// ```
/// use lacewing_core::wire::value::{Value, ValueRef, encode, from_json};
///
/// let order = from_json(&serde_json::json!({"id": 7, "lines": ["a", "b"]})).unwrap();
/// let bytes = encode(&order, 100).unwrap();
/// let order = ValueRef::parse(&bytes).unwrap();
/// assert_eq!(order.field("lines").and_then(|lines| lines.item(1)).and_then(|line| line.as_str()), Some("b"));
/// assert_eq!(order.field("id").unwrap().decode(), Ok(Value::from(7)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueRef<'a> {
    /// One item that was checked.
    bytes: &'a [u8],
}

/// The type of an encoded value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ValueKind {
    /// [`Value::Null`].
    Null,
    /// [`Value::Undefined`].
    Undefined,
    /// [`Value::Bool`].
    Bool,
    /// [`Value::Int`].
    Int,
    /// [`Value::Float`].
    Float,
    /// [`Value::String`].
    String,
    /// [`Value::Bytes`].
    Bytes,
    /// [`Value::Time`].
    Time,
    /// [`Value::List`].
    List,
    /// [`Value::Map`].
    Map,
    /// [`Value::Set`].
    Set,
    /// [`Value::Error`].
    Error,
    /// [`Value::Ref`].
    Ref,
    /// [`Value::Regex`].
    Regex,
    /// [`Value::Struct`].
    Struct,
    /// A tag that is not known; it does not decode.
    Unknown,
}

impl<'a> ValueRef<'a> {
    /// Checks that `bytes` are exactly one item of deterministic CBOR.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.skip()?;
        reader.finish()?;
        Ok(Self { bytes })
    }

    /// The encoding.
    pub fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// The whole value.
    pub fn decode(self) -> Result<Value, WireError> {
        decode(self.bytes)
    }

    /// What it is.
    pub fn kind(self) -> ValueKind {
        let Some((head, _)) = self.open() else { return ValueKind::Unknown };
        match (head.major, head.argument) {
            (Major::Unsigned | Major::Negative, _) | (Major::Tag, tag::BIG_UNSIGNED | tag::BIG_NEGATIVE) => {
                ValueKind::Int
            }
            (Major::Bytes, _) => ValueKind::Bytes,
            (Major::Text, _) => ValueKind::String,
            (Major::Array, _) => ValueKind::List,
            (Major::Map, _) => ValueKind::Map,
            (Major::Tag, tag::SET) => ValueKind::Set,
            (Major::Tag, tag::TIME) => ValueKind::Time,
            (Major::Tag, tag::ERROR) => ValueKind::Error,
            (Major::Tag, tag::REF) => ValueKind::Ref,
            (Major::Tag, tag::REGEX) => ValueKind::Regex,
            (Major::Tag, tag::STRUCT) => ValueKind::Struct,
            (Major::Tag, _) => ValueKind::Unknown,
            (Major::Simple, _) if head.width > 0 => ValueKind::Float,
            (Major::Simple, 22) => ValueKind::Null,
            (Major::Simple, 23) => ValueKind::Undefined,
            (Major::Simple, _) => ValueKind::Bool,
        }
    }

    /// The text of a string, in place.
    pub fn as_str(self) -> Option<&'a str> {
        Reader::new(self.bytes).text().ok()
    }

    /// The bytes of a byte string, in place.
    pub fn as_bytes(self) -> Option<&'a [u8]> {
        Reader::new(self.bytes).bytes().ok()
    }

    /// The number of items of a list or a set, or of pairs of a map; `None` for everything else.
    pub fn count(self) -> Option<u64> {
        let (head, _) = self.container()?;
        Some(head.argument)
    }

    /// An item of a list or a set.
    pub fn item(self, index: u64) -> Option<Self> {
        let (head, mut reader) = self.container()?;
        if head.major != Major::Array || index >= head.argument {
            return None;
        }
        for _ in 0..index {
            reader.skip().ok()?;
        }
        Self::next(&mut reader)
    }

    /// The value of a string key of a map, or of a field of a struct.
    pub fn field(self, name: &str) -> Option<Self> {
        self.pairs()?.find(|(key, _)| key.as_str() == Some(name)).map(|(_, value)| value)
    }

    /// The value of any key of a map, given as its encoding.
    pub fn value_of(self, key: &[u8]) -> Option<Self> {
        let found = self.pairs()?.find(|(own, _)| own.bytes >= key)?;
        (found.0.bytes == key).then_some(found.1)
    }

    /// The pairs of a map, or the fields of a struct, in order; `None` for everything else.
    pub fn pairs(self) -> Option<impl Iterator<Item = (Self, Self)>> {
        let (head, mut reader) = self.container()?;
        if head.major != Major::Map {
            return None;
        }
        Some(
            (0..head.argument).map_while(move |_| Some((Self::next(&mut reader)?, Self::next(&mut reader)?))),
        )
    }

    fn next(reader: &mut Reader<'a>) -> Option<Self> {
        let rest = reader.rest();
        let start = reader.position();
        reader.skip().ok()?;
        Some(Self { bytes: &rest[..reader.position() - start] })
    }

    fn open(self) -> Option<(Head, Reader<'a>)> {
        let mut reader = Reader::new(self.bytes);
        Some((reader.head().ok()?, reader))
    }

    /// The head of the array or map, that of a set or a struct being inside its tag.
    fn container(self) -> Option<(Head, Reader<'a>)> {
        let (mut head, mut reader) = self.open()?;
        if head.major == Major::Tag {
            match head.argument {
                tag::SET => head = reader.head().ok()?,
                tag::STRUCT => {
                    reader.array(2).ok()?;
                    reader.text().ok()?;
                    head = reader.head().ok()?;
                }
                _ => return None,
            }
        }
        matches!(head.major, Major::Array | Major::Map).then_some((head, reader))
    }
}
