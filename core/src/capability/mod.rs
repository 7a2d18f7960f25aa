//! What a node says it can do: tags and metadata.
//!
//! Everything here is plain data and plain functions over it. A [`CapabilitySet`] is what travels and what is signed; the
//! other modules read it.

pub mod diff;
pub mod filter;
pub mod number;
pub mod placement;
pub mod schema;
pub mod scope;
pub mod set;
pub mod subnet;
pub mod tag;
mod validate;
pub mod view;

pub use diff::{Diff, MetadataChange};
pub use filter::Filter;
pub use scope::{Scope, ScopeQuery};
pub use set::{CapabilitySet, SetError};
pub use subnet::{SubnetId, SubnetPolicy, SubnetRule, Visibility};
pub use tag::{Axis, Tag, TagError, TagKey};
pub use validate::{Problem, Report, Warning, validate};
