//! One request of a peer or of this node, as long as it is on the books.

use alloc::boxed::Box;

use super::OpId;
use super::admission::Held;
use super::stream;
use crate::code::Code;
use crate::link::LinkId;
use crate::machine::Cx;
use crate::metrics;
use crate::time::Instant;

/// A request that is being received, or that a handler works on.
#[derive(Debug)]
pub(super) struct ServedRequest {
    pub(super) origin: RequestOrigin,
    pub(super) deadline: Instant,
    pub(super) payload_len: usize,
    pub(super) stream: stream::Boxed,
    /// What the application is told of it once it may run, while it waits for that.
    pub(super) held: Option<Box<Held>>,
    /// When it began to wait, and then when its handler was told of it.
    pub(super) since: Instant,
    /// Whether its handler was told of it.
    pub(super) runs: bool,
    /// Whether its end was counted.
    ended: bool,
}

impl ServedRequest {
    pub(super) fn new(
        origin: RequestOrigin,
        (since, deadline): (Instant, Instant),
        payload_len: usize,
        stream: stream::Boxed,
    ) -> Self {
        Self { origin, deadline, payload_len, stream, held: None, since, runs: false, ended: false }
    }

    /// Counts its end, once.
    pub(super) fn count_end(&mut self, cx: &mut Cx<'_>, outcome: Option<Code>) {
        if core::mem::replace(&mut self.ended, true) {
            return;
        }
        let took = cx.now - self.since;
        let metrics = cx.metrics();
        metrics.requests_finished.add(outcome);
        if self.runs {
            metrics.request_duration.record(took);
        }
        if self.stream.is_some() {
            metrics.stream_finished(metrics::End::Handler, outcome);
        }
    }

    /// Whether the handler has answered, and what it sent before is still on its way.
    pub(super) fn is_answered(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.answered)
    }

    /// When it ends unless something moves.
    pub(super) fn due(&self) -> Instant {
        self.stream.as_ref().map_or(self.deadline, |stream| stream.due())
    }
}

/// Where the answer goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum RequestOrigin {
    Local(OpId),
    Link(LinkId, u64),
    /// Nowhere; the link that it came by, while that is there.
    Cast(Option<(LinkId, u64)>),
}
