//! What goes over the wire: stream framing, frames, bodies, typed values, and the limits on all of them.
//!
//! Nothing here knows a connection or a key; everything is a plain function of bytes.

pub mod body;
pub mod cbor;
pub mod frame;
pub mod framing;
pub mod headers;
pub mod path;
pub mod payload;
pub mod shape;
pub mod value;

use core::fmt;

/// Bytes that cannot be read: what is wrong, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {at}")]
pub struct WireError {
    /// What is wrong.
    pub kind: WireErrorKind,
    /// Offset from the start of the item that was being read.
    pub at: usize,
}

/// What can be wrong with bytes. The names are part of the contract between languages (`fixtures/`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WireErrorKind {
    /// The input ends inside an item.
    Truncated,
    /// Bytes are left after the item.
    TrailingBytes,
    /// A longer spelling than the shortest, an indefinite length, or a NaN with a payload.
    NonCanonical,
    /// Map keys (or set items) that are not in strictly ascending order.
    KeyOrder,
    /// Text that is not UTF-8.
    InvalidUtf8,
    /// Nested deeper than the limit.
    TooDeep,
    /// A length over its limit.
    TooLarge,
    /// A length of zero where something must follow.
    Empty,
    /// A type, tag or simple value that is not known and may not be skipped.
    UnknownType,
    /// Another type than the one that belongs here.
    WrongType,
    /// The right type with a value outside its range.
    OutOfRange,
    /// A field that must be there is not.
    MissingField,
    /// A bit that must be zero is set.
    ReservedBits,
}

impl WireErrorKind {
    /// Every kind, in the order of the specification.
    pub const ALL: [Self; 13] = [
        Self::Truncated,
        Self::TrailingBytes,
        Self::NonCanonical,
        Self::KeyOrder,
        Self::InvalidUtf8,
        Self::TooDeep,
        Self::TooLarge,
        Self::Empty,
        Self::UnknownType,
        Self::WrongType,
        Self::OutOfRange,
        Self::MissingField,
        Self::ReservedBits,
    ];

    /// The stable name that fixtures and other languages use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::TrailingBytes => "trailing_bytes",
            Self::NonCanonical => "non_canonical",
            Self::KeyOrder => "key_order",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::TooDeep => "too_deep",
            Self::TooLarge => "too_large",
            Self::Empty => "empty",
            Self::UnknownType => "unknown_type",
            Self::WrongType => "wrong_type",
            Self::OutOfRange => "out_of_range",
            Self::MissingField => "missing_field",
            Self::ReservedBits => "reserved_bits",
        }
    }
}

impl fmt::Display for WireErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
