//! Who may do what: rules, and what a session has shown to meet them.
//!
//! An [`AccessPolicy`] is a list of rules, each of which allows. What a caller has to show for it beside its proved identity is
//! in its session's [`Credentials`]: tokens that were checked once, so that no signature is looked at when a call comes in. A
//! [`TokenGate`] bounds how many tokens of one peer are checked at all.

mod credentials;
mod denied;
mod gate;
mod policy;
mod request;
mod rule;
#[cfg(test)]
mod tests;

pub use credentials::{Credentials, Shown};
pub use denied::Denied;
pub use gate::TokenGate;
pub use policy::{AccessPolicy, PolicyFull};
pub(crate) use request::Judge;
pub use request::{Caller, Request, Target};
pub use rule::{Rule, Who};

use core::time::Duration;

/// Most tokens that are kept of one session.
pub const TOKENS_PER_SESSION_MAX: usize = 16;
/// Most rules of a policy.
pub const RULES_MAX: usize = 1_024;
/// Most peers whose checks are remembered.
pub const GATE_PEERS_MAX: usize = 1_024;
/// How long it takes until the check of a good token is forgotten.
pub const GOOD_TOKEN_COST: Duration = Duration::from_secs(1);
/// How long it takes until the check of a bad token is forgotten.
pub const BAD_TOKEN_COST: Duration = Duration::from_secs(8);
/// From which sum of these on no more tokens of a peer are checked.
pub const TOKEN_COST_MAX: Duration = Duration::from_secs(64);
