//! What one session has shown.

use alloc::vec::Vec;

use super::{Denied, TOKENS_PER_SESSION_MAX, Target, TokenGate};
use crate::crypto::CryptoProvider;
use crate::identity::{NodeId, PublicKey};
use crate::time::Instant;
use crate::token::{Fingerprint, Grant, Issuers, Right, TOKEN_LEN_MAX, TokenError};

/// A token that was taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// What it allows.
    pub grant: Grant,
    /// Whether it was shown before, and its signatures were not looked at again.
    pub known: bool,
    /// The token that had to go for it: of all that hold, the one whose end was nearest.
    pub dropped: Option<Fingerprint>,
}

/// The tokens that a session has shown, at most [`TOKENS_PER_SESSION_MAX`]: each is checked once, and what it allows is kept.
///
/// Whether a token still holds is asked anew each time, of the time and of the [`Issuers`], which cost nothing. So nothing has to
/// be done here when an issuer counts up its generation.
///
/// ```
/// use std::sync::Arc;
///
/// use lacewing_core::access::{Credentials, Target, TokenGate};
/// use lacewing_core::crypto::RustCrypto;
/// use lacewing_core::token::{Issuers, Right, Subject, Terms, Token};
/// use lacewing_core::{Identity, Instant};
///
/// let issuer = Identity::from_secret([1; 32], Arc::new(RustCrypto));
/// let peer = Identity::from_secret([2; 32], Arc::new(RustCrypto)).node_id();
/// let (now, wall) = (Instant::from_millis(5), 1_700_000_000_000);
/// let terms = Terms {
///     subject: Subject::Node(peer),
///     rights: Right::Call.into(),
///     pattern: "orders/>".parse().unwrap(),
///     from_unix_ms: wall,
///     until_unix_ms: wall + 1_000,
///     delegations: 0,
///     nonce: [0; 16],
/// };
/// let mut token = Vec::new();
/// Token::issue(&issuer, 0, terms).unwrap().encode(&mut token);
///
/// let (mut issuers, mut gate, mut session) = (Issuers::default(), TokenGate::default(), Credentials::new(peer));
/// issuers.trust(issuer.public_key(), 0).unwrap();
/// session.show(&token, now, wall, &issuers, &mut gate, &RustCrypto).unwrap();
/// let path = "orders/eu".parse().unwrap();
/// assert!(session.allow(Right::Call, Target::Path(&path), "prod", None, &issuers, wall).is_ok());
/// assert!(session.allow(Right::Serve, Target::Path(&path), "prod", None, &issuers, wall).is_err());
/// ```
#[derive(Clone, Debug)]
pub struct Credentials {
    holder: NodeId,
    kept: Vec<Kept>,
}

/// A token that was checked.
#[derive(Clone, Debug)]
struct Kept {
    /// SHA-256 of all its bytes, signatures included.
    digest: [u8; 32],
    grant: Grant,
}

impl Credentials {
    /// Nothing yet, of a session whose peer has proved to be this node.
    pub fn new(holder: NodeId) -> Self {
        Self { holder, kept: Vec::new() }
    }

    /// Whose they are.
    pub fn holder(&self) -> NodeId {
        self.holder
    }

    /// Number of tokens, those included that do not hold any more.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// What the tokens allow, those included that do not hold any more.
    pub fn grants(&self) -> impl Iterator<Item = &Grant> {
        self.kept.iter().map(|kept| &kept.grant)
    }

    /// Takes in a token that the session shows. One that is known costs a hash. Otherwise the gate is asked, and only then are
    /// signatures checked.
    pub fn show(
        &mut self,
        token: &[u8],
        now: Instant,
        now_unix_ms: u64,
        issuers: &Issuers,
        gate: &mut TokenGate,
        crypto: &dyn CryptoProvider,
    ) -> Result<Shown, TokenError> {
        if token.len() > TOKEN_LEN_MAX {
            return Err(TokenError::TooLong(token.len()));
        }
        self.drop_dead(issuers, now_unix_ms);
        let digest = crypto.sha256(&[token]);
        if let Some(kept) = self.kept.iter().find(|kept| kept.digest == digest) {
            return Ok(Shown { grant: kept.grant.clone(), known: true, dropped: None });
        }
        gate.admit(&self.holder, now)?;
        let result = issuers.verify(token, &self.holder, now_unix_ms, crypto);
        gate.charge(self.holder, now, result.is_ok());
        let grant = result?;
        let dropped = self.make_room(grant.until_unix_ms)?;
        self.kept.push(Kept { digest, grant: grant.clone() });
        Ok(Shown { grant, known: false, dropped })
    }

    /// Drops the token whose end is nearest, if there are too many. One whose end is nearer still is not taken in.
    fn make_room(&mut self, until_unix_ms: u64) -> Result<Option<Fingerprint>, TokenError> {
        if self.kept.len() < TOKENS_PER_SESSION_MAX {
            return Ok(None);
        }
        let ends = self.kept.iter().enumerate().map(|(index, kept)| (kept.grant.until_unix_ms, index));
        match ends.min() {
            Some((end, index)) if end < until_unix_ms => Ok(Some(self.kept.remove(index).grant.fingerprint)),
            _ => Err(TokenError::TooMany(self.kept.len())),
        }
    }

    /// Forgets tokens whose time is over or that were taken back; gives how many. They allow nothing either way.
    pub fn drop_dead(&mut self, issuers: &Issuers, now_unix_ms: u64) -> usize {
        let before = self.kept.len();
        self.kept.retain(|Kept { grant, .. }| {
            grant.is_live(now_unix_ms) && issuers.accepts(&grant.issuer, grant.generation)
        });
        before - self.kept.len()
    }

    /// Whether a token that holds now allows this in this network; of `issuer` alone, if one is named. Checks no signature and
    /// allocates nothing.
    pub fn allow(
        &self,
        right: Right,
        target: Target<'_>,
        network: &str,
        issuer: Option<&PublicKey>,
        issuers: &Issuers,
        now_unix_ms: u64,
    ) -> Result<(), Denied> {
        let mut denied = if self.kept.is_empty() { Denied::NoToken } else { Denied::NoTokenForThis };
        for Kept { grant, .. } in &self.kept {
            let fits = grant.rights.contains(right)
                && issuer.is_none_or(|issuer| grant.issuer == *issuer)
                && grant.pattern.is_for(network)
                && target.is_within(&grant.pattern);
            if !fits {
                continue;
            }
            if !grant.is_live(now_unix_ms) {
                denied = Denied::TokenNotNow;
            } else if !issuers.accepts(&grant.issuer, grant.generation) {
                denied = Denied::TokenRevoked;
            } else {
                return Ok(());
            }
        }
        Err(denied)
    }

    /// Until when the session's peer is a member of this network by one of its tokens, in milliseconds since
    /// 1970-01-01T00:00:00Z and without the allowance for clocks; `None` where it is not.
    pub fn member_until(&self, network: &str, issuers: &Issuers, now_unix_ms: u64) -> Option<u64> {
        let holds = |grant: &&Grant| {
            grant.rights.contains(Right::Join)
                && grant.pattern.is_for(network)
                && grant.is_live(now_unix_ms)
                && issuers.accepts(&grant.issuer, grant.generation)
        };
        self.grants().filter(holds).map(|grant| grant.until_unix_ms).max()
    }
}
