//! A call with a policy, from its start to its one outcome.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::target::Key;
use super::{Answers, Next};
use crate::code::Error;
use crate::delivery::{CallPolicy, Headers, OpId, Payload, Target};
use crate::identity::NodeId;
use crate::time::Instant;
use crate::wire::path::ActionPath;

/// What is to be called, as often as need be.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) target: Target,
    pub(crate) action: Arc<ActionPath>,
    pub(crate) payload: Payload,
    pub(crate) headers: Headers,
    /// When the application made the call.
    pub(crate) began: Instant,
    /// When the call ends, whatever is under way.
    pub(crate) deadline: Instant,
    pub(crate) policy: CallPolicy,
}

impl Order {
    /// How long an attempt that begins now may take.
    pub(crate) fn time_for_attempt(&self, now: Instant) -> Duration {
        let longest = self.policy.gather.or(self.policy.retry.and_then(|retry| retry.attempt_timeout));
        (self.deadline - now).min(longest.unwrap_or(Duration::MAX))
    }
}

/// A call that has no outcome yet.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) order: Order,
    /// First attempts and retries that were made.
    pub(super) attempts: u32,
    /// Others that may still be asked.
    pub(super) hedges_left: u32,
    /// Attempts that are under way.
    pub(super) live: Vec<OpId>,
    /// Nodes that an attempt went to.
    pub(super) tried: Vec<NodeId>,
    /// Whether there was nobody left to turn to.
    pub(super) exhausted: bool,
    /// Whether an attempt may have been executed.
    pub(super) maybe_executed: bool,
    /// How the last attempt failed, and where.
    pub(super) failure: Option<(Error, Key)>,
    /// What is done next, and when.
    pub(super) wake: Option<(Instant, Next)>,
    /// How it ends, once the attempts have ended that are under way.
    pub(super) ending: Option<Error>,
    /// What was gathered; present exactly when everybody is asked.
    pub(super) answers: Option<Answers>,
    /// Whether attempts are still being made, so that the end of one is not the end of all.
    pub(super) is_asking: bool,
}

impl Plan {
    pub(super) fn new(order: Order) -> Self {
        let hedges_left = order.policy.hedge.map_or(0, |hedge| hedge.count);
        let answers = order.policy.gather.map(|_| Answers::new());
        Self {
            order,
            attempts: 0,
            hedges_left,
            live: Vec::new(),
            tried: Vec::new(),
            exhausted: false,
            maybe_executed: false,
            failure: None,
            wake: None,
            ending: None,
            answers,
            is_asking: false,
        }
    }

    /// Those of `nodes` that have not been tried, and then the others, unless only new ones will do.
    pub(super) fn preferred(&self, nodes: &[NodeId], next: Next) -> Vec<NodeId> {
        let is_new = |node: &&NodeId| !self.tried.contains(node);
        let mut order: Vec<NodeId> = nodes.iter().filter(is_new).copied().collect();
        if next != Next::Elsewhere {
            order.extend(nodes.iter().filter(|node| !is_new(node)));
        }
        order
    }
}
