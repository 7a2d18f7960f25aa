//! Typed values: what applications in different languages can say to each other without losing anything.
//!
//! A value has exactly one encoding (deterministic CBOR, `docs/spec/values.md`) and one JSON view, both lossless.
//! Containers are shared when they are cloned. An encoding writes a shared node out each time, within a limit on
//! its length; cycles cannot be built.

mod container;
mod decode;
mod encode;
mod int;
mod json;
mod lazy;
mod order;
mod record;
mod size;
mod time;

#[cfg(test)]
mod tests;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

pub use container::{List, Map, Set};
pub use decode::decode;
pub use encode::{encode, encode_into};
pub use int::{Int, IntError};
pub use json::{JsonError, from_json, to_json};
pub use lazy::{ValueKind, ValueRef};
pub use record::{ErrorValue, NAME_LEN_MAX, Ref, Regex, Struct};
pub use time::{Time, TimeError};

use size::Size;

/// Numbers of the CBOR tags in use. Those above 32,767 are our own.
pub mod tag {
    /// A big integer n, as bytes (RFC 8949, section 3.4.3).
    pub const BIG_UNSIGNED: u64 = 2;
    /// A big integer -1 - n, as bytes (RFC 8949, section 3.4.3).
    pub const BIG_NEGATIVE: u64 = 3;
    /// A set, as an array (IANA registry of CBOR tags).
    pub const SET: u64 = 258;
    /// A time, as a map (RFC 9581).
    pub const TIME: u64 = 1001;
    /// `[name, message, detail]`.
    pub const ERROR: u64 = 0x4c57_0001;
    /// `[node or null, path or null]`.
    pub const REF: u64 = 0x4c57_0002;
    /// `[source, flags]`.
    pub const REGEX: u64 = 0x4c57_0003;
    /// `[name, fields]`.
    pub const STRUCT: u64 = 0x4c57_0004;
}

/// A typed value.
///
/// Equality and order are those of the encodings: NaN equals NaN, -0.0 and 0.0 differ, so do the integer 1 and
/// the float 1.0. Cloning is cheap whatever the size. Comparing, encoding and dropping descend into the value, so
/// do not nest values without bound; encodings end at [`cbor::DEPTH_MAX`](super::cbor::DEPTH_MAX) levels.
///
/// ```
/// use lacewing_core::wire::value::{Value, decode, encode, from_json, to_json};
///
/// let order = from_json(&serde_json::json!({
///     "id": 7,
///     "total": {"$int": "18446744073709551616"},
///     "sent": {"$time": "2026-11-21T12:30:00Z"},
/// }))
/// .unwrap();
/// let bytes = encode(&order, 1_000).unwrap();
/// assert_eq!(decode(&bytes), Ok(order.clone()));
/// assert_eq!(to_json(&order, 1_000).unwrap()["id"], 7);
/// ```
#[derive(Clone, Debug)]
pub enum Value {
    /// Nothing, said on purpose.
    Null,
    /// Not set.
    Undefined,
    /// A boolean.
    Bool(bool),
    /// An integer; never equal to a float.
    Int(Int),
    /// A double. All NaNs are the same value.
    Float(f64),
    /// Text.
    String(Arc<str>),
    /// Bytes.
    Bytes(Arc<[u8]>),
    /// A point in time.
    Time(Time),
    /// Values in order.
    List(List),
    /// Values under keys of any type.
    Map(Map),
    /// Different values.
    Set(Set),
    /// An error as data.
    Error(Arc<ErrorValue>),
    /// A reference to a node or a path.
    Ref(Arc<Ref>),
    /// A regular expression as data.
    Regex(Arc<Regex>),
    /// A named struct.
    Struct(Arc<Struct>),
}

/// A value that cannot be built or encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// The encoding would be longer than the caller's limit; shared nodes count each time they occur.
    #[error("the encoded value is longer than the limit of {len_max} bytes")]
    TooLarge {
        /// The caller's limit.
        len_max: usize,
    },
    /// Arrays, maps and tags nest deeper than [`cbor::DEPTH_MAX`](super::cbor::DEPTH_MAX).
    #[error("the value nests deeper than 64 levels of arrays, maps and tags")]
    TooDeep,
    /// A key comes twice in a map, or a field in a struct.
    #[error("a key comes twice; the keys of a map are unique")]
    DuplicateKey,
    /// The name of an error or a struct is empty or too long.
    #[error("a name has 1 to 255 bytes")]
    BadName,
    /// The flags of a regular expression are not different ASCII letters.
    #[error("the flags of a regular expression are different ASCII letters")]
    BadFlags,
    /// An integer of more than 8,192 bits.
    #[error("an integer has at most 8192 bits")]
    IntTooLarge,
}

impl Value {
    /// The bytes that [`encode`] gives, or `u64::MAX` where they do not fit that number. Takes no time: containers know
    /// their own.
    pub fn encoded_len(&self) -> u64 {
        self.size().len
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    fn size(&self) -> Size {
        match self {
            Self::Null | Self::Undefined | Self::Bool(_) => Size::flat(1),
            Self::Int(int) => int.size(),
            Self::Float(float) => Size::flat(encode::float_len(*float)),
            Self::String(text) => Size::string(text.len()),
            Self::Bytes(bytes) => Size::string(bytes.len()),
            Self::Time(time) => encode::time_size(*time),
            Self::List(list) => list.size(),
            Self::Map(map) => map.size(),
            Self::Set(set) => set.size(),
            Self::Error(error) => error.size(),
            Self::Ref(reference) => reference.size(),
            Self::Regex(regex) => regex.size(),
            Self::Struct(record) => record.size(),
        }
    }
}

macro_rules! value_from {
    ($($type:ty => $variant:ident($convert:expr);)*) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant($convert(value))
            }
        }
    )*};
}

value_from! {
    bool => Bool(core::convert::identity);
    i32 => Int(Int::from);
    i64 => Int(Int::from);
    i128 => Int(Int::from);
    u8 => Int(Int::from);
    u32 => Int(Int::from);
    u64 => Int(Int::from);
    u128 => Int(Int::from);
    usize => Int(Int::from);
    Int => Int(core::convert::identity);
    f64 => Float(core::convert::identity);
    &str => String(Arc::from);
    String => String(Arc::from);
    &[u8] => Bytes(Arc::from);
    Vec<u8> => Bytes(Arc::from);
    Time => Time(core::convert::identity);
    Vec<Value> => List(List::new);
    List => List(core::convert::identity);
    Map => Map(core::convert::identity);
    Set => Set(core::convert::identity);
    ErrorValue => Error(Arc::new);
    Ref => Ref(Arc::new);
    Regex => Regex(Arc::new);
    Struct => Struct(Arc::new);
}
