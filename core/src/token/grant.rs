//! What a token that was checked allows.

use core::fmt;

use super::{Right, Rights, SKEW_MS, Subject, TokenError};
use crate::crypto::CryptoProvider;
use crate::identity::PublicKey;
use crate::wire::path::PathPattern;

/// Eight digits that tell tokens apart in logs. Nothing of the token follows from them.
///
/// ```
/// use lacewing_core::crypto::RustCrypto;
/// use lacewing_core::token::Fingerprint;
///
/// let shown = Fingerprint::of(&[7; 64], &RustCrypto).to_string();
/// assert_eq!(shown.len(), 8);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(u32);

impl Fingerprint {
    const DOMAIN: &'static [u8] = b"lacewing-tok-fingerprint-v1";

    /// The fingerprint of a token whose last link has this signature.
    pub fn of(signature: &[u8; 64], crypto: &dyn CryptoProvider) -> Self {
        let [a, b, c, d, ..] = crypto.sha256(&[Self::DOMAIN, signature]);
        Self(u32::from_be_bytes([a, b, c, d]))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// What a token allows, once its signatures and everything else about it were checked: the terms of its last link.
///
/// It holds until its time is over or its issuer takes it back, so that both are asked again where it is used:
/// [`is_live`](Self::is_live) and [`Issuers::accepts`](super::Issuers::accepts).
///
/// ```
/// use std::sync::Arc;
///
/// use lacewing_core::Identity;
/// use lacewing_core::crypto::RustCrypto;
/// use lacewing_core::token::{Issuers, Right, SKEW_MS, Subject, Terms, Token};
///
/// let issuer = Identity::from_secret([1; 32], Arc::new(RustCrypto));
/// let bearer = Identity::from_secret([2; 32], Arc::new(RustCrypto)).node_id();
/// let now = 1_700_000_000_000;
/// let terms = Terms {
///     subject: Subject::Node(bearer),
///     rights: Right::Call.into(),
///     pattern: "orders/>".parse().unwrap(),
///     from_unix_ms: now,
///     until_unix_ms: now + 1_000,
///     delegations: 0,
///     nonce: [0; 16],
/// };
/// let mut bytes = Vec::new();
/// Token::issue(&issuer, 0, terms).unwrap().encode(&mut bytes);
///
/// let mut issuers = Issuers::default();
/// issuers.trust(issuer.public_key(), 0).unwrap();
/// let grant = issuers.verify(&bytes, &bearer, now, &RustCrypto).unwrap();
/// assert!(grant.rights.contains(Right::Call) && grant.is_live(now));
/// assert!(!grant.is_live(now + 1_000 + SKEW_MS));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Whose word it is.
    pub issuer: PublicKey,
    /// The issuer's generation when it signed.
    pub generation: u64,
    /// Whom it is for.
    pub subject: Subject,
    /// What is allowed.
    pub rights: Rights,
    /// On which paths, in which network.
    pub pattern: PathPattern,
    /// From when on, in milliseconds since 1970-01-01T00:00:00Z.
    pub from_unix_ms: u64,
    /// Until when.
    pub until_unix_ms: u64,
    /// How many times the token was passed on.
    pub delegated: u8,
    /// Which token it was, for logs.
    pub fingerprint: Fingerprint,
}

impl Grant {
    /// Whether its time has come and is not over, with [`SKEW_MS`] allowed at either end.
    pub fn is_live(&self, now_unix_ms: u64) -> bool {
        check_time(self.from_unix_ms, self.until_unix_ms, now_unix_ms).is_ok()
    }

    /// Whether it makes a node that it names a member of this network. A token for anyone makes nobody a member.
    pub fn makes_member_of(&self, network: &str) -> bool {
        self.rights.contains(Right::Join)
            && self.pattern.is_for(network)
            && matches!(self.subject, Subject::Node(_))
    }
}

/// Whether now is between two times, give or take [`SKEW_MS`].
pub(super) fn check_time(from: u64, until: u64, now: u64) -> Result<(), TokenError> {
    let early = from.saturating_sub(SKEW_MS).saturating_sub(now);
    if early > 0 {
        return Err(TokenError::NotYet { ms: early });
    }
    let end = until.saturating_add(SKEW_MS);
    if now >= end {
        return Err(TokenError::Expired { ms: now - end });
    }
    Ok(())
}
