//! The cryptography that the protocol asks for, behind one small trait.
//!
//! The default is [`RustCrypto`]. A faster provider must give identical bytes.

mod rustcrypto;
#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use core::fmt;

pub use rustcrypto::RustCrypto;

/// Authenticated encryption for records. Numbers are those of the handshake payload.
///
/// ```
/// use lacewing_core::crypto::AeadId;
///
/// assert_eq!(AeadId::from_number(2), Some(AeadId::ChaCha20Poly1305));
/// assert_eq!(AeadId::from_number(77), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum AeadId {
    /// AES-256-GCM (NIST SP 800-38D). Mandatory to implement.
    Aes256Gcm = 1,
    /// ChaCha20-Poly1305 (RFC 8439).
    ChaCha20Poly1305 = 2,
}

impl AeadId {
    /// Every AEAD, by number.
    pub const ALL: [Self; 2] = [Self::Aes256Gcm, Self::ChaCha20Poly1305];

    /// The number on the wire.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The AEAD of a number; `None` for one that this version does not know.
    pub const fn from_number(number: u64) -> Option<Self> {
        match number {
            1 => Some(Self::Aes256Gcm),
            2 => Some(Self::ChaCha20Poly1305),
            _ => None,
        }
    }
}

/// A record did not authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record does not authenticate")]
pub struct OpenError;

/// Length of an authentication tag in bytes.
pub const TAG_LEN: usize = 16;

/// One AEAD key. Nonces are the caller's business: never twice the same with one key.
///
/// Implementations wipe the key from memory when they are dropped.
pub trait AeadKey: Send + Sync {
    /// Encrypts `text` in place and gives the tag.
    fn seal(&self, nonce: &[u8; 12], aad: &[u8], text: &mut [u8]) -> [u8; TAG_LEN];
    /// Decrypts `text` in place. On an error `text` holds nothing of use.
    fn open(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        text: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), OpenError>;
}

/// AEADs, SHA-256 and Ed25519.
pub trait CryptoProvider: fmt::Debug + Send + Sync {
    /// An AEAD key, ready for use.
    fn aead(&self, id: AeadId, key: &[u8; 32]) -> Box<dyn AeadKey>;
    /// SHA-256 of the concatenation of `parts`.
    fn sha256(&self, parts: &[&[u8]]) -> [u8; 32];
    /// The Ed25519 public key of a secret seed (RFC 8032).
    fn ed25519_public(&self, secret: &[u8; 32]) -> [u8; 32];
    /// Signs (RFC 8032, Ed25519).
    fn ed25519_sign(&self, secret: &[u8; 32], message: &[u8]) -> [u8; 64];
    /// Verifies strictly: no small-order keys, no malleable signatures.
    fn ed25519_verify(&self, public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool;
}
