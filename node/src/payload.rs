//! What can be sent without ceremony.

use bytes::Bytes;
use lacewing_core::engine::{Codec, Payload};

/// What can be the argument or the answer of a call.
///
/// Bytes and text travel as raw bytes; a [`Payload`] says itself how it is to be read.
///
/// ```
/// use lacewing::{Codec, IntoPayload, Payload};
///
/// assert_eq!("hi".into_payload(), Payload { codec: Codec::Raw, data: "hi".into() });
/// assert!(().into_payload().data.is_empty());
/// ```
pub trait IntoPayload {
    /// The payload.
    fn into_payload(self) -> Payload;
}

impl IntoPayload for Payload {
    fn into_payload(self) -> Payload {
        self
    }
}

/// Raw bytes of everything that `Bytes` can be made from without a copy, or with one.
macro_rules! raw_payload {
    ($($type:ty),+) => {$(
        impl IntoPayload for $type {
            fn into_payload(self) -> Payload {
                Payload { codec: Codec::Raw, data: Bytes::from(self) }
            }
        }
    )+};
}
raw_payload!(Bytes, Vec<u8>, String);

impl IntoPayload for &str {
    fn into_payload(self) -> Payload {
        self.as_bytes().into_payload()
    }
}

impl IntoPayload for &[u8] {
    fn into_payload(self) -> Payload {
        Payload { codec: Codec::Raw, data: Bytes::copy_from_slice(self) }
    }
}

impl<const N: usize> IntoPayload for &[u8; N] {
    fn into_payload(self) -> Payload {
        self.as_slice().into_payload()
    }
}

impl IntoPayload for () {
    fn into_payload(self) -> Payload {
        Payload::default()
    }
}
