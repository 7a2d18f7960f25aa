//! Permission tokens: an issuer's signed word that somebody may do something somewhere, for some time.
//!
//! Whoever a token names may pass a part of it on, without asking the issuer: each step of such a chain narrows the one before.
//! A node believes the issuers that it was told to trust ([`Issuers`]), and takes back what they have signed when they count up
//! their generation. The bytes and the rules stand in `docs/spec/tokens.md`.
//!
//! Nothing here has a clock: whoever checks says what time it is, in milliseconds since 1970-01-01T00:00:00Z.

mod chain;
mod error;
mod grant;
mod issuer_head;
mod issuers;
mod rights;
mod terms;
#[cfg(test)]
mod tests;
mod text;

pub use chain::Token;
pub use error::{TokenError, Widening};
pub use grant::{Fingerprint, Grant};
pub use issuer_head::IssuerHead;
pub use issuers::{Issuers, IssuersFull, Learnt};
pub use rights::{Right, Rights};
pub use terms::{Subject, Terms};

/// Longest token in bytes. A longer one is refused before anything of it is read.
pub const TOKEN_LEN_MAX: usize = 4_096;
/// Most times that a token may be passed on. A chain has one link more, and as many signatures.
pub const DELEGATIONS_MAX: u8 = 8;
/// How far the clock of a checker may be off, in milliseconds, at either end of a token's time.
pub const SKEW_MS: u64 = 60_000;
/// Longest life of a token in milliseconds, by default: what a partition can keep from hearing of a revocation.
pub const LIFE_MS_MAX: u64 = 24 * 60 * 60 * 1_000;
/// Most issuers that a node trusts.
pub const ISSUERS_MAX: usize = 256;
