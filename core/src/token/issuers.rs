//! Whose tokens are believed.

use alloc::collections::BTreeMap;

use super::grant::check_time;
use super::{Grant, ISSUERS_MAX, IssuerHead, LIFE_MS_MAX, Token, TokenError};
use crate::crypto::CryptoProvider;
use crate::identity::{NodeId, PublicKey};

/// What came of an issuer's head.
///
/// ```
/// use lacewing_core::token::Learnt;
///
/// assert!(Learnt::Newer.is_news() && !Learnt::Known.is_news());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learnt {
    /// The generation went up: tokens before it are void from now on.
    Newer,
    /// It says what was known.
    Known,
    /// It is older than what is known.
    Older,
    /// Nobody here trusts this issuer.
    Unknown,
    /// The issuer has not signed it.
    BadSignature,
}

impl Learnt {
    /// Whether something changed.
    pub const fn is_news(self) -> bool {
        matches!(self, Self::Newer)
    }
}

/// No room for one more issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at most {ISSUERS_MAX} issuers can be trusted")]
pub struct IssuersFull;

/// What is known of an issuer.
#[derive(Clone, Copy, Debug)]
struct Standing {
    generation_min: u64,
    /// The head that says so, to be passed on; none where only the configuration does.
    head: Option<IssuerHead>,
}

/// The issuers that a node trusts, at most [`ISSUERS_MAX`], and the least generation of each whose tokens are good.
///
/// Which they are is the node's own configuration; heads only count generations up. See [`Token`] for how tokens are made.
///
/// ```
/// use std::sync::Arc;
///
/// use lacewing_core::Identity;
/// use lacewing_core::crypto::RustCrypto;
/// use lacewing_core::token::{IssuerHead, Issuers, Learnt};
///
/// let issuer = Identity::from_secret([1; 32], Arc::new(RustCrypto));
/// let mut issuers = Issuers::default();
/// let head = IssuerHead::sign(&issuer, 3);
/// assert_eq!(issuers.learn(&head, &RustCrypto), Learnt::Unknown);
///
/// issuers.trust(issuer.public_key(), 0).unwrap();
/// assert!(issuers.accepts(&issuer.public_key(), 2));
/// assert_eq!(issuers.learn(&head, &RustCrypto), Learnt::Newer);
/// assert!(!issuers.accepts(&issuer.public_key(), 2) && issuers.accepts(&issuer.public_key(), 3));
/// ```
#[derive(Clone, Debug)]
pub struct Issuers {
    table: BTreeMap<PublicKey, Standing>,
    life_ms_max: u64,
}

impl Default for Issuers {
    fn default() -> Self {
        Self::new(LIFE_MS_MAX)
    }
}

impl Issuers {
    /// No issuers, and the longest life that a token may have, in milliseconds.
    pub fn new(life_ms_max: u64) -> Self {
        Self { table: BTreeMap::new(), life_ms_max }
    }

    /// Trusts an issuer from this generation on. What is known of it already stays: generations never go down.
    pub fn trust(&mut self, issuer: PublicKey, generation_min: u64) -> Result<(), IssuersFull> {
        if !self.table.contains_key(&issuer) && self.table.len() >= ISSUERS_MAX {
            return Err(IssuersFull);
        }
        let standing = self.table.entry(issuer).or_insert(Standing { generation_min, head: None });
        if standing.generation_min < generation_min {
            *standing = Standing { generation_min, head: None };
        }
        Ok(())
    }

    /// Trusts an issuer no more; tells whether it was trusted. What is known of its generation is forgotten.
    pub fn distrust(&mut self, issuer: &PublicKey) -> bool {
        self.table.remove(issuer).is_some()
    }

    /// Number of issuers.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The longest life that a token may have, in milliseconds.
    pub fn life_ms_max(&self) -> u64 {
        self.life_ms_max
    }

    /// The least generation of an issuer whose tokens are good; `None` for one that is not trusted.
    pub fn generation_min(&self, issuer: &PublicKey) -> Option<u64> {
        self.table.get(issuer).map(|standing| standing.generation_min)
    }

    /// Whether an issuer is trusted, and has not taken back what it signed in this generation.
    pub fn accepts(&self, issuer: &PublicKey, generation: u64) -> bool {
        self.generation_min(issuer).is_some_and(|least| generation >= least)
    }

    /// Takes in an issuer's head. Its signature is checked only where it would change something.
    pub fn learn(&mut self, head: &IssuerHead, crypto: &dyn CryptoProvider) -> Learnt {
        let Some(standing) = self.table.get_mut(&head.public_key) else { return Learnt::Unknown };
        if head.generation < standing.generation_min {
            return Learnt::Older;
        }
        // A head is kept even where the configuration knew as much: others may not.
        if head.generation == standing.generation_min && standing.head.is_some() {
            return Learnt::Known;
        }
        if !head.verify(crypto) {
            return Learnt::BadSignature;
        }
        let newer = head.generation > standing.generation_min;
        *standing = Standing { generation_min: head.generation, head: Some(*head) };
        if newer { Learnt::Newer } else { Learnt::Known }
    }

    /// What an issuer has said last, if its word for its generation is known.
    pub fn head(&self, issuer: &PublicKey) -> Option<&IssuerHead> {
        self.table.get(issuer).and_then(|standing| standing.head.as_ref())
    }

    /// The heads that are known, for passing on, in the order of their keys.
    pub fn heads(&self) -> impl Iterator<Item = &IssuerHead> {
        self.table.values().filter_map(|standing| standing.head.as_ref())
    }

    /// Checks a token that the node `bearer`, whose identity is proved, shows at this time.
    ///
    /// What is cheap comes first, and signatures come last: at most nine of them, and none of a token that is refused for
    /// anything else.
    pub fn verify(
        &self,
        token: &[u8],
        bearer: &NodeId,
        now_unix_ms: u64,
        crypto: &dyn CryptoProvider,
    ) -> Result<Grant, TokenError> {
        let token = Token::decode(token)?;
        let (issuer, generation) = (token.issuer(), token.generation());
        let least = self.generation_min(&issuer).ok_or(TokenError::UnknownIssuer)?;
        if generation < least {
            return Err(TokenError::Revoked(least));
        }
        let terms = token.terms();
        let first = token.links().next().map_or(terms, |(_, terms)| terms);
        if first.life_ms() > self.life_ms_max {
            return Err(TokenError::TooLongLived(self.life_ms_max));
        }
        token.check_steps(crypto)?;
        if !terms.subject.is(bearer) {
            return Err(TokenError::WrongSubject);
        }
        // The links before the last one hold at least as long.
        check_time(terms.from_unix_ms, terms.until_unix_ms, now_unix_ms)?;
        token.check_signatures(crypto)?;
        Ok(Grant {
            issuer,
            generation,
            subject: terms.subject,
            rights: terms.rights,
            pattern: terms.pattern.clone(),
            from_unix_ms: terms.from_unix_ms,
            until_unix_ms: terms.until_unix_ms,
            delegated: token.links().len() as u8 - 1,
            fingerprint: token.fingerprint(crypto),
        })
    }
}
