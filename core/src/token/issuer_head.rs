//! What an issuer says of itself.

use core::fmt;

use bytes::BufMut;

use crate::crypto::CryptoProvider;
use crate::identity::{Identity, PublicKey};
use crate::wire::cbor::{Reader, Writer};
use crate::wire::{WireError, WireErrorKind};

/// An issuer's signed word about its generation: tokens that it signed in an earlier one are void.
///
/// An issuer is no node. Anyone may pass its head on, and the greater generation wins. The signature is over
/// [`DOMAIN`](Self::DOMAIN), the key, and the generation, eight bytes big-endian.
///
/// ```
/// use std::sync::Arc;
///
/// use lacewing_core::Identity;
/// use lacewing_core::crypto::RustCrypto;
/// use lacewing_core::token::IssuerHead;
///
/// let issuer = Identity::from_secret([1; 32], Arc::new(RustCrypto));
/// let head = IssuerHead::sign(&issuer, 5);
/// assert!(head.verify(&RustCrypto));
/// assert!(!IssuerHead { generation: 6, ..head }.verify(&RustCrypto));
///
/// let mut bytes = Vec::new();
/// head.encode(&mut bytes);
/// assert_eq!(IssuerHead::decode(&bytes), Ok(head));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IssuerHead {
    /// The issuer.
    pub public_key: PublicKey,
    /// The least generation whose tokens are good.
    pub generation: u64,
    /// The issuer's signature.
    pub signature: [u8; 64],
}

impl IssuerHead {
    /// What is signed in front of key and generation.
    pub const DOMAIN: &'static [u8; 15] = b"lacewing-iss-v1";
    /// Longest encoding in bytes.
    pub const LEN_MAX: usize = 1 + (1 + 34) + (1 + 9) + (1 + 66);

    /// Signs a head.
    pub fn sign(issuer: &Identity, generation: u64) -> Self {
        let mut head = Self { public_key: issuer.public_key(), generation, signature: [0; 64] };
        head.signature = issuer.sign(&head.message());
        head
    }

    /// Whether the issuer has signed exactly this.
    pub fn verify(&self, crypto: &dyn CryptoProvider) -> bool {
        crypto.ed25519_verify(&self.public_key.0, &self.message(), &self.signature)
    }

    fn message(&self) -> [u8; 55] {
        let mut message = [0; 55];
        message[..15].copy_from_slice(Self::DOMAIN);
        message[15..47].copy_from_slice(&self.public_key.0);
        message[47..].copy_from_slice(&self.generation.to_be_bytes());
        message
    }

    /// Appends `{1: public key, 2: generation, 3: signature}`.
    pub fn encode(&self, out: &mut impl BufMut) {
        let mut writer = Writer::new(out);
        writer.map(3);
        writer.uint(1).bytes(&self.public_key.0);
        writer.uint(2).uint(self.generation);
        writer.uint(3).bytes(&self.signature);
    }

    /// Reads a whole head. Checks no signature.
    pub fn decode(input: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(input);
        let mut fields = reader.fields()?;
        let (mut public_key, mut generation, mut signature) = (None, None, None);
        while let Some(key) = fields.next(&mut reader)? {
            match key {
                1 => public_key = Some(PublicKey(reader.byte_array()?)),
                2 => generation = Some(reader.uint()?),
                3 => signature = Some(reader.byte_array()?),
                _ => reader.skip()?,
            }
        }
        let missing = reader.error(WireErrorKind::MissingField);
        reader.finish()?;
        Ok(Self {
            public_key: public_key.ok_or(missing)?,
            generation: generation.ok_or(missing)?,
            signature: signature.ok_or(missing)?,
        })
    }
}

impl fmt::Debug for IssuerHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IssuerHead({}, generation {})", self.public_key, self.generation)
    }
}
