//! How many tokens of one peer are checked.

use alloc::collections::BTreeMap;

use super::{BAD_TOKEN_COST, GATE_PEERS_MAX, GOOD_TOKEN_COST, TOKEN_COST_MAX};
use crate::identity::NodeId;
use crate::time::Instant;
use crate::token::TokenError;

/// Keeps peers from making a node check signatures without end: it is asked before a token is looked at.
///
/// Each check costs the peer some time, a bad token's eight times as much. Once that adds up to [`TOKEN_COST_MAX`] the peer waits:
/// after 8 bad tokens, or 64 good ones, at once. Peers that owe nothing take no room; of more than [`GATE_PEERS_MAX`] that do, the
/// one that owes least is forgotten.
///
/// ```
/// use lacewing_core::access::TokenGate;
/// use lacewing_core::{Instant, NodeId};
///
/// let (mut gate, peer, now) = (TokenGate::default(), NodeId::from_bytes([1; 32]), Instant::from_millis(5));
/// for _ in 0..8 {
///     assert!(gate.admit(&peer, now).is_ok());
///     gate.charge(peer, now, false);
/// }
/// assert!(gate.admit(&peer, now).is_err());
/// assert!(gate.admit(&peer, Instant::from_millis(10)).is_ok());
/// ```
#[derive(Clone, Debug, Default)]
pub struct TokenGate {
    /// When each peer will owe nothing any more.
    debts: BTreeMap<NodeId, Instant>,
}

impl TokenGate {
    /// Whether a token of this peer may be checked now; otherwise [`TokenError::Throttled`].
    pub fn admit(&self, peer: &NodeId, now: Instant) -> Result<(), TokenError> {
        let Some(free_at) = self.debts.get(peer) else { return Ok(()) };
        let debt = *free_at - now;
        let Some(over) = debt.checked_sub(TOKEN_COST_MAX) else { return Ok(()) };
        let wait = over.as_millis() + 1;
        Err(TokenError::Throttled { retry_after_ms: u32::try_from(wait).unwrap_or(u32::MAX) })
    }

    /// Notes that a token of this peer was checked, and what came of it.
    pub fn charge(&mut self, peer: NodeId, now: Instant, good: bool) {
        if !self.debts.contains_key(&peer) {
            self.make_room(now);
        }
        let free_at = self.debts.entry(peer).or_insert(now);
        *free_at = (*free_at).max(now) + if good { GOOD_TOKEN_COST } else { BAD_TOKEN_COST };
    }

    fn make_room(&mut self, now: Instant) {
        if self.debts.len() < GATE_PEERS_MAX {
            return;
        }
        self.debts.retain(|_, free_at| *free_at > now);
        if self.debts.len() >= GATE_PEERS_MAX {
            let least = self.debts.iter().min_by_key(|(_, free_at)| **free_at).map(|(peer, _)| *peer);
            least.and_then(|peer| self.debts.remove(&peer));
        }
    }

    /// Number of peers that are remembered, for gauges.
    pub fn len(&self) -> usize {
        self.debts.len()
    }

    /// Whether nobody is remembered.
    pub fn is_empty(&self) -> bool {
        self.debts.is_empty()
    }
}
