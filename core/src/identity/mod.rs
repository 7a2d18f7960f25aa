//! Who a node is: an Ed25519 key, the id that follows from it, a label for people, and an incarnation.

mod hex;
mod incarnation;
mod key;
mod label;
mod node_id;
#[cfg(test)]
mod tests;

pub(crate) use hex::Hex;
pub use hex::HexError;
#[cfg(test)]
pub(crate) use hex::{hex, unhex};
pub use incarnation::{Incarnation, SignedIncarnation};
pub use key::{Identity, PublicKey};
pub use label::{LabelError, NodeLabel};
pub use node_id::NodeId;
