//! Noise, a second time and straight from the paper (The Noise Protocol Framework, revision 34), for these two patterns
//! only. The worked example is computed by it and by the code; where they agree, the specification can be followed.

use lacewing_core::crypto::{AeadId, CryptoProvider, RustCrypto};
use sha2::{Digest, Sha256};
use x25519_dalek::{PublicKey, StaticSecret};

/// The two X25519 secrets of one side.
pub(crate) struct Secrets {
    pub(crate) fixed: [u8; 32],
    pub(crate) ephemeral: [u8; 32],
}

/// What a handshake gives.
pub(crate) struct Handshake {
    /// Messages 1, 2 and 3 without their length prefixes.
    pub(crate) messages: [Vec<u8>; 3],
    /// The hash of all of it.
    pub(crate) hash: [u8; 32],
    /// What the initiator seals with, and what the responder seals with.
    pub(crate) keys: [[u8; 32]; 2],
}

/// The three messages of `XX`, or of `XXpsk0` where there is a key. Knowing the secrets of both sides, one symmetric state
/// plays both.
pub(crate) fn shake(
    pattern: &str,
    prologue: &[u8],
    psk: Option<&[u8; 32]>,
    [initiator, responder]: [&Secrets; 2],
    [offer, answer, finish]: [&[u8]; 3],
) -> Handshake {
    let mut state = Symmetric::new(pattern, prologue);
    let mut messages = [Vec::new(), Vec::new(), Vec::new()];
    // -> (psk,) e
    if let Some(psk) = psk {
        state.mix_key_and_hash(psk);
    }
    state.ephemeral(&initiator.ephemeral, psk.is_some(), &mut messages[0]);
    state.seal(offer, &mut messages[0]);
    // <- e, ee, s, es
    state.ephemeral(&responder.ephemeral, psk.is_some(), &mut messages[1]);
    state.mix_key(&agree(&responder.ephemeral, &initiator.ephemeral));
    state.seal(&public(&responder.fixed), &mut messages[1]);
    state.mix_key(&agree(&responder.fixed, &initiator.ephemeral));
    state.seal(answer, &mut messages[1]);
    // -> s, se
    state.seal(&public(&initiator.fixed), &mut messages[2]);
    state.mix_key(&agree(&initiator.fixed, &responder.ephemeral));
    state.seal(finish, &mut messages[2]);
    let [from_initiator, from_responder] = derive(&state.chaining_key, &[]);
    Handshake { messages, hash: state.hash, keys: [from_initiator, from_responder] }
}

pub(crate) fn public(secret: &[u8; 32]) -> [u8; 32] {
    PublicKey::from(&StaticSecret::from(*secret)).to_bytes()
}

fn agree(ours: &[u8; 32], theirs: &[u8; 32]) -> [u8; 32] {
    StaticSecret::from(*ours).diffie_hellman(&PublicKey::from(public(theirs))).to_bytes()
}

/// Section 5.2.
struct Symmetric {
    chaining_key: [u8; 32],
    hash: [u8; 32],
    key: Option<[u8; 32]>,
    nonce: u64,
}

impl Symmetric {
    /// Both names have at most 32 bytes, so they are padded and not hashed.
    fn new(pattern: &str, prologue: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash[..pattern.len()].copy_from_slice(pattern.as_bytes());
        let mut state = Self { chaining_key: hash, hash, key: None, nonce: 0 };
        state.mix_hash(prologue);
        state
    }

    fn mix_hash(&mut self, data: &[u8]) {
        self.hash = Sha256::new().chain_update(self.hash).chain_update(data).finalize().into();
    }

    fn mix_key(&mut self, input: &[u8]) {
        let [chaining_key, key] = derive(&self.chaining_key, input);
        (self.chaining_key, self.key, self.nonce) = (chaining_key, Some(key), 0);
    }

    /// Section 9.
    fn mix_key_and_hash(&mut self, psk: &[u8]) {
        let [chaining_key, hash, key] = derive(&self.chaining_key, psk);
        self.chaining_key = chaining_key;
        self.mix_hash(&hash);
        (self.key, self.nonce) = (Some(key), 0);
    }

    /// The token `e`, which is mixed into the key too where there is a pre-shared one.
    fn ephemeral(&mut self, secret: &[u8; 32], keyed: bool, out: &mut Vec<u8>) {
        let public = public(secret);
        out.extend_from_slice(&public);
        self.mix_hash(&public);
        if keyed {
            self.mix_key(&public);
        }
    }

    /// `EncryptAndHash`: in clear where there is no key yet.
    fn seal(&mut self, plaintext: &[u8], out: &mut Vec<u8>) {
        let mut text = plaintext.to_vec();
        if let Some(key) = &self.key {
            let tag = RustCrypto.aead(AeadId::Aes256Gcm, key).seal(&nonce(self.nonce), &self.hash, &mut text);
            text.extend_from_slice(&tag);
            self.nonce += 1;
        }
        self.mix_hash(&text);
        out.extend_from_slice(&text);
    }
}

/// Four zero bytes and the counter, big-endian.
pub(crate) fn nonce(counter: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&counter.to_be_bytes());
    nonce
}

/// HKDF (RFC 5869) as section 4.3 of Noise has it: `N` outputs of 32 bytes.
fn derive<const N: usize>(chaining_key: &[u8; 32], input: &[u8]) -> [[u8; 32]; N] {
    let temporary = hmac(chaining_key, &[input]);
    let mut outputs = [[0; 32]; N];
    for index in 0..N {
        let number = [index as u8 + 1];
        outputs[index] = match index {
            0 => hmac(&temporary, &[&number]),
            _ => hmac(&temporary, &[&outputs[index - 1], &number]),
        };
    }
    outputs
}

/// HMAC-SHA-256 (RFC 2104) with a key of 32 bytes.
fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let pad = |byte: u8| {
        let mut block = [byte; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let mut inner = Sha256::new().chain_update(pad(0x36));
    for part in parts {
        inner.update(part);
    }
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner.finalize()).finalize().into()
}
