//! Who is let in by a membership token.

use alloc::sync::Arc;

use crate::access::TokenGate;
use crate::config::{Config, Trust};
use crate::identity::NodeId;
use crate::time::{Instant, WallClock};
use crate::token::{Grant, IssuerHead, Issuers, TokenError};

/// Looks at the tokens that strangers bring, before anything is told to them. Bad ones of a node make it wait, and no signature
/// is checked meanwhile. A good one costs nothing: whoever comes has cost a handshake, which is more.
#[derive(Debug)]
pub(super) struct Doorkeeper {
    config: Arc<Config>,
    issuers: Issuers,
    gate: TokenGate,
    wall: WallClock,
}

impl Doorkeeper {
    pub(super) fn new(config: &Arc<Config>) -> Self {
        let mut issuers = Issuers::default();
        if let Trust::Tokens { issuers: trusted, .. } = &config.trust {
            for (issuer, generation_min) in config.issuers().filter(|(issuer, _)| trusted.contains(issuer)) {
                let trusted = issuers.trust(issuer, generation_min);
                debug_assert!(trusted.is_ok(), "a configuration is checked before an engine starts");
            }
        }
        Self { config: config.clone(), issuers, gate: TokenGate::default(), wall: WallClock::default() }
    }

    pub(super) fn told_time(&mut self, now: Instant, unix_ms: u64) {
        self.wall.set(now, unix_ms);
    }

    pub(super) fn learn(&mut self, head: &IssuerHead) {
        self.issuers.learn(head, &*self.config.crypto);
    }

    /// What makes a node, which has proved that it is this one, a member.
    pub(super) fn admit(&mut self, now: Instant, node: &NodeId, token: &[u8]) -> Result<Grant, TokenError> {
        self.gate.admit(node, now)?;
        let result = self.check(now, node, token);
        if result.is_err() {
            self.gate.charge(*node, now, false);
        }
        result
    }

    fn check(&self, now: Instant, node: &NodeId, token: &[u8]) -> Result<Grant, TokenError> {
        let grant = self.issuers.verify(token, node, self.wall.unix_ms(now), &*self.config.crypto)?;
        let is_member = grant.makes_member_of(self.config.network.as_str());
        if is_member { Ok(grant) } else { Err(TokenError::WrongSubject) }
    }
}
