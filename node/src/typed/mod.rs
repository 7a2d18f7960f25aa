//! Calls whose arguments, answers and items are Rust types.
//!
//! Types travel with [serde](https://serde.rs), in one of the codecs that other languages read as well:
//!
//! | codec | what it can hold |
//! |---|---|
//! | [`Codec::Json`] | everything that serde knows, bytes as arrays of numbers |
//! | [`Codec::MessagePack`] | everything; structs as maps with the names of their fields |
//! | [`Codec::Cbor`] | everything but integers beyond 128 bits, and nested at most 64 deep; the one encoding of `docs/spec/values.md` |
//! | [`Codec::Raw`] | a text, bytes (also `Vec<u8>`), or nothing |
//!
//! What cannot be written or read is a [`Code::Codec`] error that says where, and never repeats what was sent.

mod calls;
mod cbor;
mod ends;
mod failure;
mod raw;
mod streams;

#[cfg(test)]
mod tests;

use std::io::Cursor;

use lacewing_core::engine::{Codec, Payload};
use lacewing_core::{Code, Error};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use calls::{Typed, TypedFuture};
pub use ends::{TypedDuplex, TypedItemSender, TypedStream, TypedUpload, TypedUploadSender, TypedUploads};
pub use streams::{Begun, TypedEnd, TypedStreamCall};

/// Levels of arrays and maps that are read, as in JSON: whoever sends more must not use up a stack.
const DEPTH_MAX: usize = 128;

/// Writes a value.
///
/// ```
/// use lacewing::typed::{decode, encode};
/// use lacewing::{Code, Codec};
///
/// let payload = encode(Codec::Json, &vec![1, 2, 39])?;
/// assert_eq!(&payload.data[..], b"[1,2,39]");
/// assert_eq!(decode::<Vec<u32>>(&payload)?, [1, 2, 39]);
///
/// let error = decode::<Vec<String>>(&payload).unwrap_err();
/// assert_eq!((error.code(), error.message()), (Code::Codec, "no such json: expected a string, at line 1, column 2"));
/// # Ok::<(), lacewing::Error>(())
/// ```
pub fn encode<T: Serialize + ?Sized>(codec: Codec, value: &T) -> Result<Payload, Error> {
    let written = match codec {
        Codec::Raw => raw::to_vec(value).map_err(|error| error.to_string()),
        Codec::Json => serde_json::to_vec(value).map_err(|error| failure::told(&error.to_string())),
        Codec::MessagePack => {
            rmp_serde::to_vec_named(value).map_err(|error| failure::told(&error.to_string()))
        }
        Codec::Cbor => cbor::to_vec(value).map_err(|error| error.to_string()),
    };
    let unwritten = |why| Error::new(Code::Codec, format!("cannot be written as {}: {why}", name(codec)));
    Ok(Payload { codec, data: written.map_err(unwritten)?.into() })
}

/// Reads a value, in whatever codec it comes.
pub fn decode<T: DeserializeOwned>(payload: &Payload) -> Result<T, Error> {
    let bytes = &payload.data[..];
    let read = match payload.codec {
        Codec::Raw => raw::from_slice(bytes).map_err(|error| error.to_string()),
        Codec::Json => serde_json::from_slice(bytes).map_err(|error| failure::json(&error)),
        Codec::MessagePack => {
            let mut deserializer = rmp_serde::Deserializer::new(Cursor::new(bytes));
            deserializer.set_max_depth(DEPTH_MAX);
            let read = T::deserialize(&mut deserializer);
            let at = deserializer.position();
            match read {
                Ok(_) if at < bytes.len() as u64 => Err(format!("expected the end, at byte {at}")),
                read => {
                    read.map_err(|error| format!("{}, before byte {at}", failure::told(&error.to_string())))
                }
            }
        }
        Codec::Cbor => cbor::from_slice(bytes).map_err(|error| error.to_string()),
    };
    let unread = |why| Error::new(Code::Codec, format!("no such {}: {why}", name(payload.codec)));
    read.map_err(unread)
}

/// What people call a codec.
fn name(codec: Codec) -> &'static str {
    match codec {
        Codec::Raw => "raw payload",
        Codec::Json => "json",
        Codec::MessagePack => "messagepack",
        Codec::Cbor => "cbor",
    }
}
