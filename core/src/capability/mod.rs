//! What a node says it can do: tags and metadata.
//!
//! Everything here is plain data and plain functions over it. A [`CapabilitySet`] is what travels and what is signed; the
//! other modules read it.

mod json;
pub mod set;
pub mod tag;

pub use set::{CapabilitySet, SetError};
pub use tag::{Axis, Tag, TagError, TagKey};
