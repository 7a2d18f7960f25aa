//! CBOR: the one encoding of typed values, written and read by serde.
//!
//! Structs and maps become maps, whose keys are put in order; an enum's variant without content becomes its name, one with
//! content a map of one pair. Numbers keep their kind: 1.0 is no integer, and 1 is no float.

mod reader;
mod writer;

use lacewing_core::wire::cbor::Reader;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::failure::Failure;

/// The encoding of a value.
pub(super) fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::new();
    value.serialize(writer::Writer::new(&mut out))?;
    Ok(out)
}

/// The value of an encoding. The bytes are checked first: that they are one item, in its one spelling, not too deep.
pub(super) fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    let mut check = Reader::new(bytes);
    check.skip()?;
    check.finish()?;
    T::deserialize(&mut reader::Item::new(bytes))
}
