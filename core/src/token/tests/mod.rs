mod chain;
mod issuers;
mod laws;

use alloc::sync::Arc;
use alloc::vec::Vec;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::crypto::{AeadId, AeadKey, CryptoProvider, RustCrypto};
use crate::identity::{Identity, NodeId};

/// A time of day.
const NOW: u64 = 1_700_000_000_000;
const HOUR: u64 = 3_600_000;
/// The generation that [`issued`] signs in.
const GENERATION: u64 = 4;

fn identity(byte: u8) -> Identity {
    Identity::from_secret([byte; 32], Arc::new(RustCrypto))
}

fn issuer() -> Identity {
    identity(1)
}

/// The `step`-th in a row of nodes.
fn node(step: u8) -> Identity {
    identity(0x10 + step)
}

fn rights(list: &[Right]) -> Rights {
    list.iter().copied().collect()
}

/// Terms for the node at `step`: everything below `orders`, for an hour, to be passed on `delegations` times.
fn terms(step: u8, delegations: u8) -> Terms {
    Terms {
        subject: Subject::Node(node(step).node_id()),
        rights: rights(&[Right::Call, Right::Subscribe]),
        pattern: "orders/>".parse().unwrap(),
        from_unix_ms: NOW,
        until_unix_ms: NOW + HOUR,
        delegations,
        nonce: [step; 16],
    }
}

fn issued(terms: Terms) -> Token {
    Token::issue(&issuer(), GENERATION, terms).unwrap()
}

/// A token that was passed on so many times, by each node to the next.
fn passed_on(times: u8) -> Token {
    (1..=times).fold(issued(terms(0, times)), |token, step| {
        token.delegate(&node(step - 1), terms(step, times - step)).unwrap()
    })
}

fn encoded(token: &Token) -> Vec<u8> {
    let mut bytes = Vec::new();
    token.encode(&mut bytes);
    assert_eq!(bytes.len(), token.encoded_len());
    bytes
}

/// Issuers among whom is [`issuer`].
fn trusting() -> Issuers {
    let mut issuers = Issuers::default();
    issuers.trust(issuer().public_key(), GENERATION).unwrap();
    issuers
}

/// What becomes of a token that the node at `step` shows.
fn shown_by(step: u8, token: &Token) -> Result<Grant, TokenError> {
    trusting().verify(&encoded(token), &node(step).node_id(), NOW, &RustCrypto)
}

/// Counts the signatures that it checks.
#[derive(Debug, Default)]
struct Counting(AtomicU32);

impl Counting {
    fn checks(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

impl CryptoProvider for Counting {
    fn aead(&self, id: AeadId, key: &[u8; 32]) -> alloc::boxed::Box<dyn AeadKey> {
        RustCrypto.aead(id, key)
    }

    fn sha256(&self, parts: &[&[u8]]) -> [u8; 32] {
        RustCrypto.sha256(parts)
    }

    fn ed25519_public(&self, secret: &[u8; 32]) -> [u8; 32] {
        RustCrypto.ed25519_public(secret)
    }

    fn ed25519_sign(&self, secret: &[u8; 32], message: &[u8]) -> [u8; 64] {
        RustCrypto.ed25519_sign(secret, message)
    }

    fn ed25519_verify(&self, public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed);
        RustCrypto.ed25519_verify(public, message, signature)
    }
}

/// How many signatures are checked before it is known what becomes of a token.
fn checks_of(token: &[u8], bearer: &NodeId, now: u64) -> (u32, Result<Grant, TokenError>) {
    let crypto = Counting::default();
    let result = trusting().verify(token, bearer, now, &crypto);
    (crypto.checks(), result)
}
