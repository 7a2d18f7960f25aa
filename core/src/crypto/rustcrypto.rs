//! The default provider.

use alloc::boxed::Box;

use aes_gcm::Aes256Gcm;
use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::{AeadInOut, KeyInit, consts};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use super::{AeadId, AeadKey, CryptoProvider, OpenError, TAG_LEN};

/// The crates `aes-gcm`, `chacha20poly1305`, `sha2` and `ed25519-dalek`. Portable Rust, with
/// the processor's own AES and SHA instructions where it has them.
///
/// ```
/// use lacewing_core::crypto::{CryptoProvider, RustCrypto};
///
/// let parts = RustCrypto.sha256(&[b"lace", b"wing"]);
/// assert_eq!(parts, RustCrypto.sha256(&[b"lacewing"]));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct RustCrypto;

impl CryptoProvider for RustCrypto {
    fn aead(&self, id: AeadId, key: &[u8; 32]) -> Box<dyn AeadKey> {
        match id {
            AeadId::Aes256Gcm => Box::new(Keyed(Aes256Gcm::new(key.into()))),
            AeadId::ChaCha20Poly1305 => Box::new(Keyed(ChaCha20Poly1305::new(key.into()))),
        }
    }

    fn sha256(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        hasher.finalize().into()
    }

    fn ed25519_public(&self, secret: &[u8; 32]) -> [u8; 32] {
        SigningKey::from_bytes(secret).verifying_key().to_bytes()
    }

    fn ed25519_sign(&self, secret: &[u8; 32], message: &[u8]) -> [u8; 64] {
        SigningKey::from_bytes(secret).sign(message).to_bytes()
    }

    fn ed25519_verify(&self, public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = Signature::from_bytes(signature);
        VerifyingKey::from_bytes(public).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }
}

/// An AEAD with its key schedule.
struct Keyed<A>(A);

impl<A> AeadKey for Keyed<A>
where
    A: AeadInOut<NonceSize = consts::U12, TagSize = consts::U16> + Send + Sync,
{
    fn seal(&self, nonce: &[u8; 12], aad: &[u8], text: &mut [u8]) -> [u8; TAG_LEN] {
        self.0
            .encrypt_inout_detached(nonce.into(), aad, text.into())
            .expect("both AEADs take at least 2^36 - 64 bytes, and a record has at most 2^16")
            .into()
    }

    fn open(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        text: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), OpenError> {
        self.0.decrypt_inout_detached(nonce.into(), aad, text.into(), tag.into()).map_err(|_| OpenError)
    }
}
