//! Lives of a node.

use core::fmt;

use super::PublicKey;
use crate::crypto::CryptoProvider;

/// Which life of a node. A later life has a greater number, whatever happened to its disk or its clock.
///
/// ```
/// use lacewing_core::Incarnation;
///
/// // A clock that was set back does not make a later life look earlier.
/// let first = Incarnation::at_boot(None, 1_700_000_000_000);
/// let second = Incarnation::at_boot(Some(first), 1_600_000_000_000);
/// assert_eq!(second, first.after());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(u64);

impl Incarnation {
    /// An incarnation from its number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The incarnation at boot: `max(persisted + 1, unix_ms)`, with what the last life wrote down, if it could.
    pub fn at_boot(persisted: Option<Self>, unix_ms: u64) -> Self {
        let wall = Self(unix_ms);
        persisted.map_or(wall, |last| last.after().max(wall))
    }

    /// The next one. A node that is shown its own signature of a later life than its present one adopts the one
    /// after that. Stays at the greatest number, which a clock reaches in half a billion years.
    #[must_use]
    pub const fn after(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An incarnation with its owner's signature, which third parties can check.
///
/// The signature is over `lacewing-inc-v1` and the number, eight bytes big-endian.
///
/// ```
/// use std::sync::Arc;
///
/// use lacewing_core::crypto::RustCrypto;
/// use lacewing_core::{Identity, Incarnation};
///
/// let identity = Identity::from_secret([7; 32], Arc::new(RustCrypto));
/// let mut signed = identity.sign_incarnation(Incarnation::new(41));
/// assert!(signed.verify(&identity.public_key(), &RustCrypto));
///
/// signed.incarnation = signed.incarnation.after();
/// assert!(!signed.verify(&identity.public_key(), &RustCrypto));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SignedIncarnation {
    /// Which one.
    pub incarnation: Incarnation,
    /// The owner's signature.
    pub signature: [u8; 64],
}

impl SignedIncarnation {
    /// What is signed in front of the number.
    pub const DOMAIN: &'static [u8; 15] = b"lacewing-inc-v1";

    /// Whether the owner of `key` signed this incarnation.
    pub fn verify(&self, key: &PublicKey, crypto: &dyn CryptoProvider) -> bool {
        crypto.ed25519_verify(&key.0, &Self::message(self.incarnation), &self.signature)
    }

    /// What the owner signs.
    pub(crate) fn message(incarnation: Incarnation) -> [u8; 23] {
        let mut message = [0; 23];
        message[..15].copy_from_slice(Self::DOMAIN);
        message[15..].copy_from_slice(&incarnation.0.to_be_bytes());
        message
    }
}

impl fmt::Debug for SignedIncarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignedIncarnation({})", self.incarnation)
    }
}
