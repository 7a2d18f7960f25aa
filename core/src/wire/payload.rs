//! What applications send each other: opaque bytes and a codec id.

use bytes::Bytes;

/// How an application reads a payload; the protocol does not look inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum Codec {
    /// Opaque bytes.
    #[default]
    Raw = 0,
    /// JSON, UTF-8.
    Json = 1,
    /// MessagePack.
    MessagePack = 2,
    /// CBOR: the typed values of `wire::value`.
    Cbor = 3,
}

impl Codec {
    /// The codec of a number on the wire.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Raw,
            1 => Self::Json,
            2 => Self::MessagePack,
            3 => Self::Cbor,
            _ => return None,
        })
    }
}

/// Opaque bytes and how to read them.
///
/// ```
/// use lacewing_core::wire::payload::{Codec, Payload};
///
/// assert_eq!(Payload::from("hi").codec, Codec::Raw);
/// assert_eq!(Payload::json(r#"{"text":"hi"}"#).codec, Codec::Json);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Payload {
    /// How to read them.
    pub codec: Codec,
    /// The bytes.
    pub data: Bytes,
}

impl Payload {
    /// JSON text.
    pub fn json(data: impl Into<Bytes>) -> Self {
        Self { codec: Codec::Json, data: data.into() }
    }
}

impl<T: Into<Bytes>> From<T> for Payload {
    /// Raw bytes.
    fn from(data: T) -> Self {
        Self { codec: Codec::Raw, data: data.into() }
    }
}
