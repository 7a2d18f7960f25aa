//! The Noise state machine of the `snow` crate, on our own primitives and with injected randomness.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::Cell;

use rand_chacha::ChaCha20Rng;
use rand_core::Rng;
use sha2::{Digest, Sha256};
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::CryptoResolver;
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Builder, HandshakeState};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::handshake::HandshakeConfig;
use super::proof::Role;
use crate::config::NetworkName;
use crate::crypto::{AeadId, AeadKey, CryptoProvider, TAG_LEN};

/// The pattern without a network key.
pub const PATTERN_OPEN: &str = "Noise_XX_25519_AESGCM_SHA256";
/// The pattern with a network key, which is mixed in before anything is encrypted.
pub const PATTERN_KEYED: &str = "Noise_XXpsk0_25519_AESGCM_SHA256";

/// The prologue, which both sides must have in common: `lacewing/1`, the pattern, and the network's name with its
/// length, two bytes big-endian.
pub fn prologue(pattern: &str, network: &NetworkName) -> Vec<u8> {
    let name = network.as_str().as_bytes();
    let mut prologue = Vec::new();
    prologue.extend_from_slice(b"lacewing/1");
    prologue.extend_from_slice(pattern.as_bytes());
    prologue.extend_from_slice(&(name.len() as u16).to_be_bytes());
    prologue.extend_from_slice(name);
    prologue
}

/// A Noise handshake at its start. The static key is as short-lived as the ephemeral one: identities are proved by
/// signatures, not by it.
pub(super) fn start(config: &HandshakeConfig, role: Role, mut rng: ChaCha20Rng) -> Box<HandshakeState> {
    let mut static_secret = Zeroizing::new([0; 32]);
    rng.fill_bytes(&mut *static_secret);
    let pattern = if config.network_key.is_some() { PATTERN_KEYED } else { PATTERN_OPEN };
    let mut prologue = prologue(pattern, &config.network);
    prologue.extend_from_slice(config.carrier.prologue());
    let resolver = Resolver { crypto: Arc::clone(&config.crypto), rng: Cell::new(Some(rng)) };
    let build = || {
        let mut builder = Builder::with_resolver(pattern.parse()?, Box::new(resolver))
            .prologue(&prologue)?
            .local_private_key(&*static_secret)?;
        if let Some(key) = &config.network_key {
            builder = builder.psk(0, key.expose())?;
        }
        match role {
            Role::Initiator => builder.build_initiator(),
            Role::Responder => builder.build_responder(),
        }
    };
    Box::new(build().expect("both patterns are known to snow, and the resolver has all that they ask for"))
}

struct Resolver {
    crypto: Arc<dyn CryptoProvider>,
    /// Handed out once, so that no two users can draw the same bytes.
    rng: Cell<Option<ChaCha20Rng>>,
}

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        self.rng.take().map(|rng| Box::new(InjectedRandom(rng)) as Box<dyn Random>)
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        matches!(choice, DHChoice::Curve25519)
            .then(|| Box::new(X25519::new(StaticSecret::from([0; 32]))) as Box<dyn Dh>)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        matches!(choice, HashChoice::SHA256).then(|| Box::new(HandshakeHash(Sha256::new())) as Box<dyn Hash>)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        let cipher = || AesGcm { crypto: Arc::clone(&self.crypto), key: None };
        matches!(choice, CipherChoice::AESGCM).then(|| Box::new(cipher()) as Box<dyn Cipher>)
    }
}

struct InjectedRandom(ChaCha20Rng);

impl Random for InjectedRandom {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), snow::Error> {
        self.0.fill_bytes(dest);
        Ok(())
    }
}

/// X25519 (RFC 7748), refusing the results that a small-order point brings about (section 6.1).
struct X25519 {
    secret: StaticSecret,
    public: PublicKey,
}

impl X25519 {
    fn new(secret: StaticSecret) -> Self {
        Self { public: PublicKey::from(&secret), secret }
    }
}

impl Dh for X25519 {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    fn set(&mut self, privkey: &[u8]) {
        let mut secret = Zeroizing::new([0; 32]);
        secret.copy_from_slice(privkey);
        *self = Self::new(StaticSecret::from(*secret));
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), snow::Error> {
        let mut secret = Zeroizing::new([0; 32]);
        rng.try_fill_bytes(&mut *secret)?;
        self.set(&*secret);
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        self.public.as_bytes()
    }

    fn privkey(&self) -> &[u8] {
        self.secret.as_bytes()
    }

    fn dh(&self, pubkey: &[u8], out: &mut [u8]) -> Result<(), snow::Error> {
        let theirs: [u8; 32] = *pubkey.first_chunk().ok_or(snow::Error::Dh)?;
        let shared = self.secret.diffie_hellman(&PublicKey::from(theirs));
        if !shared.was_contributory() {
            return Err(snow::Error::Dh);
        }
        out[..32].copy_from_slice(shared.as_bytes());
        Ok(())
    }
}

struct HandshakeHash(Sha256);

impl Hash for HandshakeHash {
    fn name(&self) -> &'static str {
        "SHA256"
    }

    fn block_len(&self) -> usize {
        64
    }

    fn hash_len(&self) -> usize {
        32
    }

    fn reset(&mut self) {
        self.0 = Sha256::new();
    }

    fn input(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn result(&mut self, out: &mut [u8]) {
        out[..32].copy_from_slice(&self.0.clone().finalize());
    }
}

/// AES-256-GCM with the nonce of Noise, section 12.4: 32 zero bits and the counter, big-endian.
struct AesGcm {
    crypto: Arc<dyn CryptoProvider>,
    key: Option<Box<dyn AeadKey>>,
}

impl AesGcm {
    fn key(&self) -> &dyn AeadKey {
        self.key.as_deref().expect("snow sets a key before it uses one")
    }
}

impl Cipher for AesGcm {
    fn name(&self) -> &'static str {
        "AESGCM"
    }

    fn set(&mut self, key: &[u8; 32]) {
        self.key = Some(self.crypto.aead(AeadId::Aes256Gcm, key));
    }

    fn encrypt(&self, nonce: u64, authtext: &[u8], plaintext: &[u8], out: &mut [u8]) -> usize {
        let (text, rest) = out.split_at_mut(plaintext.len());
        text.copy_from_slice(plaintext);
        let tag = self.key().seal(&nonce_of(nonce), authtext, text);
        rest[..TAG_LEN].copy_from_slice(&tag);
        plaintext.len() + TAG_LEN
    }

    fn decrypt(
        &self,
        nonce: u64,
        authtext: &[u8],
        ciphertext: &[u8],
        out: &mut [u8],
    ) -> Result<usize, snow::Error> {
        let (sealed, tag) = ciphertext.split_last_chunk::<TAG_LEN>().ok_or(snow::Error::Decrypt)?;
        let text = out.get_mut(..sealed.len()).ok_or(snow::Error::Decrypt)?;
        text.copy_from_slice(sealed);
        self.key().open(&nonce_of(nonce), authtext, text, tag).map_err(|_| snow::Error::Decrypt)?;
        Ok(text.len())
    }
}

/// The nonce of handshake messages and of records: four zero bytes and the counter, big-endian.
pub(super) fn nonce_of(counter: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&counter.to_be_bytes());
    nonce
}
