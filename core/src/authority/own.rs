//! The tokens that this node shows.

use alloc::vec::Vec;
use core::fmt;

use bytes::{Bytes, BytesMut};

use crate::access::TOKENS_PER_SESSION_MAX;
use crate::code::{Code, Error};
use crate::identity::{NodeId, PublicKey};
use crate::token::{Right, SKEW_MS, Subject, Token};
use crate::wire::body::{MEMBERSHIP_LEN_MAX, TokenShown};

/// How long before its time a token is shown. An issuer's clock and this one never quite agree, and a token that was made a moment
/// ago is to be of use now; others allow for far more ([`SKEW_MS`]).
const EARLY_MS: u64 = 1_000;
const _: () = assert!(EARLY_MS < SKEW_MS, "others would refuse it");

/// At most as many as others keep of one node.
#[derive(Debug)]
pub(super) struct OwnTokens {
    own: NodeId,
    kept: Vec<Kept>,
}

struct Kept {
    token: Token,
    shown_from_unix_ms: u64,
    until_unix_ms: u64,
    /// Whether its time has come: others would refuse it before that.
    is_due: bool,
    /// The body of the frame that shows it.
    body: Bytes,
}

/// Without the token, which is as good as a key where it names nobody.
impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("until_unix_ms", &self.until_unix_ms).finish_non_exhaustive()
    }
}

impl Kept {
    fn becomes_due(&mut self, now_unix_ms: u64) -> bool {
        let becomes = !self.is_due && self.shown_from_unix_ms <= now_unix_ms;
        self.is_due |= becomes;
        becomes
    }
}

impl OwnTokens {
    pub(super) fn new(own: NodeId, tokens: &[Token]) -> Self {
        let mut own = Self { own, kept: Vec::new() };
        for token in tokens {
            // `Config::check` has said so where there are too many; one of another node would be of no use.
            let _ = own.add(token, 0);
        }
        own
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Adds one; gives the body of the frame that shows it, if it was not there and its time has come.
    pub(super) fn add(&mut self, token: &Token, now_unix_ms: u64) -> Result<Option<Bytes>, Error> {
        let terms = token.terms();
        if matches!(terms.subject, Subject::Node(node) if node != self.own) {
            return Err(Error::new(Code::InvalidArgument, "the token is for another node"));
        }
        self.drop_dead(now_unix_ms);
        if self.kept.iter().any(|kept| kept.token == *token) {
            return Ok(None);
        }
        if self.kept.len() >= TOKENS_PER_SESSION_MAX {
            let text = alloc::format!("{TOKENS_PER_SESSION_MAX} tokens are shown already, the limit");
            return Err(Error::new(Code::ResourceExhausted, text));
        }
        let mut bytes = Vec::with_capacity(token.encoded_len());
        token.encode(&mut bytes);
        let mut body = BytesMut::new();
        TokenShown { token: &bytes }.encode(&mut body);
        let body = body.freeze();
        let mut kept = Kept {
            token: token.clone(),
            shown_from_unix_ms: terms.from_unix_ms.saturating_sub(EARLY_MS),
            until_unix_ms: terms.until_unix_ms,
            is_due: false,
            body: body.clone(),
        };
        let is_due = kept.becomes_due(now_unix_ms);
        self.kept.push(kept);
        Ok((is_due || now_unix_ms == 0).then_some(body))
    }

    /// Forgets what an issuer has taken back: nobody would believe it.
    pub(super) fn drop_revoked(&mut self, issuer: &PublicKey, generation_min: u64) {
        self.kept.retain(|kept| kept.token.generation() >= generation_min || kept.token.issuer() != *issuer);
    }

    /// When the time of the next one comes that has not come yet.
    pub(super) fn next_due(&self) -> Option<u64> {
        self.kept.iter().filter(|kept| !kept.is_due).map(|kept| kept.shown_from_unix_ms).min()
    }

    /// The bodies of the frames that show those whose time has just come.
    pub(super) fn come_due(&mut self, now_unix_ms: u64) -> Vec<Bytes> {
        self.drop_dead(now_unix_ms);
        let due =
            self.kept.iter_mut().filter_map(|kept| kept.becomes_due(now_unix_ms).then(|| kept.body.clone()));
        due.collect()
    }

    fn drop_dead(&mut self, now_unix_ms: u64) {
        self.kept.retain(|kept| now_unix_ms < kept.until_unix_ms.saturating_add(SKEW_MS));
    }

    /// What makes this node a member of a network for longest, and fits into a greeting.
    pub(super) fn membership(&self, network: &str, now_unix_ms: u64) -> Option<Bytes> {
        let fits = |kept: &&Kept| {
            let terms = kept.token.terms();
            terms.rights.contains(Right::Join)
                && terms.pattern.is_for(network)
                && matches!(terms.subject, Subject::Node(_))
                && kept.token.encoded_len() <= MEMBERSHIP_LEN_MAX
                && (kept.is_due || now_unix_ms == 0)
        };
        let longest = self.kept.iter().filter(fits).max_by_key(|kept| kept.until_unix_ms)?;
        let mut bytes = Vec::with_capacity(longest.token.encoded_len());
        longest.token.encode(&mut bytes);
        Some(bytes.into())
    }

    /// The bodies of the frames that show those whose time has come and is not over; of all of them as long as nobody has said
    /// what time it is.
    pub(super) fn bodies(&mut self, now_unix_ms: u64) -> Vec<Bytes> {
        self.drop_dead(now_unix_ms);
        self.kept
            .iter()
            .filter(|kept| kept.is_due || now_unix_ms == 0)
            .map(|kept| kept.body.clone())
            .collect()
    }
}
