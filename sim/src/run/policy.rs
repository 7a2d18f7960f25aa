//! What a call asks for besides being made once, and what a node asks of its callers.

use lacewing_core::engine::{CallPolicy, Hedge, Retry};
use serde::{Deserialize, Serialize};

use crate::quantity::Micros;

/// What is done for a call.
#[expect(clippy::struct_excessive_bools, reason = "each is a key of its own in runs")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Executing it twice is said to do no harm.
    #[serde(skip_serializing_if = "is_false")]
    pub idempotent: bool,
    /// It is tried again, as is usual.
    #[serde(skip_serializing_if = "is_false")]
    pub retry: bool,
    /// Another provider is asked if there is no answer after this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hedge: Option<Micros>,
    /// Who fails is not called for a while.
    #[serde(skip_serializing_if = "is_false")]
    pub breaker: bool,
    /// So many of such calls of a node may be open to one node and action, 1 at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bulkhead: Option<u64>,
    /// Everybody who may be called is, and what they answer within this time counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gather: Option<Micros>,
    /// Nobody waits for it.
    #[serde(skip_serializing_if = "is_false")]
    pub cast: bool,
    /// Somebody waits for it to be accepted, of a cast.
    #[serde(skip_serializing_if = "is_false")]
    pub acknowledged: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_false(value: &bool) -> bool {
    !value
}

impl Policy {
    /// Whether it is a call like any other.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The core's word for it; `None` where nothing is asked for that the core must know.
    pub fn in_core(self) -> Option<CallPolicy> {
        if self.cast || self.is_none() {
            return None;
        }
        Some(CallPolicy {
            idempotent: self.idempotent,
            retry: self.retry.then(Retry::default),
            hedge: self.hedge.map(|delay| Hedge { delay: delay.as_duration(), count: 1 }),
            breaker: self.breaker,
            bulkhead: self.bulkhead.map(|most| usize::try_from(most).unwrap_or(usize::MAX)),
            gather: self.gather.map(Micros::as_duration),
        })
    }

    /// Whether its handler may run more than once.
    pub fn may_repeat(self) -> bool {
        self.gather.is_some() || self.executions_max() > 1
    }

    /// How often it may be executed, unless everybody is asked.
    pub fn executions_max(self) -> u64 {
        let retries = if self.retry { u64::from(Retry::default().attempts) - 1 } else { 0 };
        let repeats = retries + u64::from(self.hedge.is_some());
        if self.idempotent { 1 + repeats } else { 1 }
    }

    /// What is wrong with it, if anything.
    pub(super) fn check(self) -> Result<(), String> {
        if self.hedge.is_some() && !self.idempotent {
            return Err("a call that is hedged is idempotent".to_owned());
        }
        let cast = Self { cast: true, acknowledged: self.acknowledged, ..Self::default() };
        if self.cast && self != cast {
            return Err("a cast has no other policy".to_owned());
        }
        if self.acknowledged && !self.cast {
            return Err("only casts are acknowledged: a call has an answer".to_owned());
        }
        if self.bulkhead == Some(0) || self.gather == Some(Micros::ZERO) {
            return Err("a bulkhead lets 1 call through at least, and answers are gathered for 1us at least"
                .to_owned());
        }
        if self.gather.is_some() && (self.retry || self.hedge.is_some()) {
            return Err("a call that asks everybody is neither tried again nor hedged".to_owned());
        }
        Ok(())
    }
}

/// How much every action that names no operation does at once, at each node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionLimit {
    /// Handlers that run at once, 1 at least.
    pub max: u64,
    /// Requests that wait.
    pub queue: u64,
}

impl ActionLimit {
    /// The core's word for it.
    pub fn in_core(self) -> lacewing_core::engine::ServeOptions {
        let size = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        lacewing_core::engine::ServeOptions {
            max_in_flight: Some(size(self.max)),
            queue_max: size(self.queue),
        }
    }
}
