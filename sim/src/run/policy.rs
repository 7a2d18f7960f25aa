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
    /// Nobody waits for it.
    #[serde(skip_serializing_if = "is_false")]
    pub cast: bool,
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
            ..CallPolicy::default()
        })
    }

    /// Whether its handler may run more than once.
    pub fn may_repeat(self) -> bool {
        self.idempotent && (self.retry || self.hedge.is_some())
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
