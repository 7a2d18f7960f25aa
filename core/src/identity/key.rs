//! Key pairs.

use alloc::sync::Arc;
use core::fmt;
use core::str::FromStr;

use zeroize::Zeroizing;

use super::hex::{Hex, HexError, unhex};
use super::{Incarnation, NodeId, SignedIncarnation};
use crate::crypto::CryptoProvider;

/// An Ed25519 public key (RFC 8032). Written as 64 hexadecimal digits.
///
/// ```
/// use lacewing_core::identity::PublicKey;
///
/// let key = PublicKey([0xab; 32]);
/// assert_eq!(key.to_string().parse(), Ok(key));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        unhex(text).map(Self)
    }
}

/// A node's key pair. The secret is wiped from memory when the last clone is dropped, and never printed.
///
/// ```
/// use std::sync::Arc;
///
/// use lacewing_core::Identity;
/// use lacewing_core::crypto::RustCrypto;
///
/// let identity = Identity::from_secret([7; 32], Arc::new(RustCrypto));
/// assert_eq!(format!("{identity:?}"), format!("Identity({})", identity.node_id()));
/// ```
#[derive(Clone)]
pub struct Identity {
    secret: Zeroizing<[u8; 32]>,
    public_key: PublicKey,
    node_id: NodeId,
    crypto: Arc<dyn CryptoProvider>,
}

impl Identity {
    /// The identity of a 32-byte secret seed (RFC 8032, section 5.1.5).
    pub fn from_secret(secret: [u8; 32], crypto: Arc<dyn CryptoProvider>) -> Self {
        let secret = Zeroizing::new(secret);
        let public_key = PublicKey(crypto.ed25519_public(&secret));
        let node_id = NodeId::of(&public_key, &*crypto);
        Self { secret, public_key, node_id, crypto }
    }

    /// The public half.
    pub fn public_key(&self) -> PublicKey {
        self.public_key
    }

    /// The id that follows from the public key.
    pub fn node_id(&self) -> NodeId {
        self.node_id
    }

    /// The secret seed, for writing key files and for nothing else. Whoever has it is this node.
    pub fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    /// Signs a message. Every use in the protocol starts with a text of its own, so that no signature can
    /// serve for another.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.crypto.ed25519_sign(&self.secret, message)
    }

    /// Signs the statement that this node has lived with this incarnation, for others to show around.
    pub fn sign_incarnation(&self, incarnation: Incarnation) -> SignedIncarnation {
        SignedIncarnation { incarnation, signature: self.sign(&SignedIncarnation::message(incarnation)) }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.node_id)
    }
}
