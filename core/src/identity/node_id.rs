//! Names of nodes.

use core::fmt;
use core::str::FromStr;

use super::PublicKey;
use super::hex::{Hex, HexError, unhex};
use crate::crypto::CryptoProvider;

/// SHA-256(`lacewing-node-v1` + public key): the name of a node, never shortened on the wire.
///
/// Written as 64 hexadecimal digits; logs use the eight of [`short`](Self::short).
///
/// ```
/// use lacewing_core::NodeId;
///
/// let id = NodeId::from_bytes([0x1f; 32]);
/// assert_eq!(id.to_string().parse(), Ok(id));
/// assert_eq!(id.short().to_string(), "1f1f1f1f");
/// assert_eq!(format!("{id:?}"), "NodeId(1f1f1f1f..)");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; 32]);

impl NodeId {
    /// What is hashed in front of the key.
    pub const DOMAIN: &'static [u8] = b"lacewing-node-v1";

    /// The id of a public key.
    pub fn of(key: &PublicKey, crypto: &dyn CryptoProvider) -> Self {
        Self(crypto.sha256(&[Self::DOMAIN, &key.0]))
    }

    /// An id from its bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first eight digits, for logs. Not unique enough for anything else.
    pub fn short(&self) -> impl fmt::Display + use<> {
        let Self([a, b, c, d, ..]) = *self;
        Short([a, b, c, d])
    }
}

/// The start of an id.
struct Short([u8; 4]);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({}..)", self.short())
    }
}

impl FromStr for NodeId {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        unhex(text).map(Self)
    }
}
