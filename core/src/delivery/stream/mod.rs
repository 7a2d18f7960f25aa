//! Streams: calls in which more than one message goes one way, or both.
//!
//! A stream is a call like any other: it has one outcome, can be cancelled, and ends with its link. What it has besides is two
//! directions, *uploads* from the caller and *items* from the handler. Each has a window: what was sent and not yet taken by the
//! application at the other end is bounded by it, so that a slow consumer stops its producer, and nobody else.
//!
//! `send` is what this side sends, `receive` what it is sent. Both ends of a stream of this node with itself run through the same
//! files.

mod receive;
mod send;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::time::Duration;

use super::reassembly::Reassembly;
use super::{Delivery, OpId, RequestId};
use crate::code::{Code, Error};
use crate::link::LinkId;
use crate::machine::Cx;
use crate::time::Instant;
use crate::wire::body::{STREAM_ITEM_COST, STREAM_WINDOW_MIN};
use crate::wire::payload::Payload;
use crate::wire::shape::{Priority, Shape};

/// One end of a stream: the caller's or the handler's.
///
/// ```
/// use lacewing_core::delivery::{OpId, StreamId};
///
/// assert_ne!(StreamId::Call(OpId(7)), StreamId::Call(OpId(8)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StreamId {
    /// The end of whoever called.
    Call(OpId),
    /// The end of whoever serves.
    Request(RequestId),
}

/// What makes a call a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamOptions {
    /// Any shape but unary, which is `InvalidArgument`.
    pub shape: Shape,
    /// For how long nothing may move before the stream ends as `DeadlineExceeded`; `None` takes `Timing::stream_idle_timeout`. Zero
    /// is `InvalidArgument`.
    pub idle_timeout: Option<Duration>,
    /// How much of the link it gets beside other streams of this node.
    pub priority: Priority,
}

impl StreamOptions {
    /// A stream of this shape, with the usual time-out and priority.
    pub const fn new(shape: Shape) -> Self {
        Self { shape, idle_timeout: None, priority: Priority::Normal }
    }
}

/// What this end knows of its stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) shape: Shape,
    pub(super) idle: Duration,
    pub(super) priority: Priority,
    /// When something moved last.
    active_at: Instant,
    /// When it ends whatever moves.
    pub(super) deadline: Instant,
    /// What this end sends; `None` where it sends nothing in this shape.
    sending: Option<Sending>,
    /// What this end receives; `None` where it receives nothing in this shape.
    receiving: Option<Receiving>,
    /// The handler has answered, and what it sent before is still on its way.
    pub(super) answered: bool,
}

/// The direction that this end sends.
#[derive(Debug, Default)]
struct Sending {
    /// Bytes that were accepted and have not left.
    queued: usize,
    /// Items that wait here: until the call has a link, or until the other end of a local stream takes them.
    waiting: VecDeque<Payload>,
    /// Of a local stream: what the other end still takes. It may go below zero with an item that is larger than what was left.
    local_window: i64,
    /// Nothing more is accepted.
    ended: bool,
    /// How the handler of a local stream has answered, while items of its wait.
    answer: Option<Result<Payload, Error>>,
    /// Something was refused for lack of room, so that `StreamWritable` is due.
    refused: bool,
}

/// The direction that this end receives.
#[derive(Debug)]
struct Receiving {
    /// What the peer may still send.
    window: i64,
    /// What may be granted again. It is below zero while an item waits that took more than the window.
    ungranted: i64,
    /// An item of which some chunks are still to come.
    item: Option<Reassembly>,
    /// Bytes of items that the application has not taken.
    untaken: usize,
    /// When something was granted last.
    granted_at: Instant,
    ended: bool,
}

impl Stream {
    pub(super) fn new(
        (shape, is_caller): (Shape, bool),
        (idle, priority): (Duration, Priority),
        (now, deadline): (Instant, Instant),
        windows: (u32, u32),
    ) -> Self {
        let (uploads, items) = (shape.has_uploads(), shape.has_items());
        let (sends, receives) = if is_caller { (uploads, items) } else { (items, uploads) };
        let (peer_takes, takes) = windows;
        Self {
            shape,
            idle,
            priority,
            active_at: now,
            deadline,
            sending: sends.then(|| Sending { local_window: peer_takes.into(), ..Sending::default() }),
            receiving: receives.then(|| Receiving {
                window: takes.into(),
                ungranted: 0,
                item: None,
                untaken: 0,
                granted_at: now,
                ended: false,
            }),
            answered: false,
        }
    }

    /// When it ends unless something moves.
    pub(super) fn due(&self) -> Instant {
        self.deadline.min(self.active_at + self.idle)
    }

    fn moved(&mut self, now: Instant) {
        self.active_at = now;
    }

    /// Bytes that this end holds for the application or of half-received items, by what they count against the link.
    fn held(&self) -> (usize, usize) {
        let Some(receiving) = &self.receiving else { return (0, 0) };
        (receiving.untaken, receiving.item.as_ref().map_or(0, Reassembly::len))
    }
}

/// What an item takes of a window.
pub(super) fn cost(item: &Payload) -> usize {
    item.data.len() + STREAM_ITEM_COST
}

impl Delivery {
    /// Bytes that this node takes of a stream before it grants more.
    pub(super) fn stream_window(&self) -> u32 {
        self.config.limits.stream_window_bytes.max(STREAM_WINDOW_MIN)
    }

    /// This end of a stream that is open.
    fn stream_mut(&mut self, id: StreamId) -> Option<&mut Stream> {
        match id {
            StreamId::Call(op) => self.calls.get_mut(op.0)?.stream.as_deref_mut(),
            StreamId::Request(request) => self.requests.get_mut(request.0)?.stream.as_deref_mut(),
        }
    }

    /// Takes what a stream held off the books of its link.
    pub(super) fn leave_stream(&mut self, link: LinkId, stream: Option<&Stream>) {
        let (Some(state), Some(stream)) = (self.links.get_mut(&link), stream) else { return };
        let (untaken, partial) = stream.held();
        state.stream_bytes -= untaken;
        state.reassembly_bytes -= partial;
        state.streams -= 1;
    }

    /// Whether streams go over this link.
    pub(crate) fn has_streams(&self, link: LinkId) -> bool {
        self.links.get(&link).is_some_and(|state| state.streams > 0)
    }

    pub(super) fn stream_gauges(&self, gauge: &mut impl FnMut(&'static str, usize, usize, bool)) {
        let limits = &self.config.limits;
        let streams = self.links.values().map(|link| link.streams).max().unwrap_or(0);
        // Those of either side are counted apart.
        gauge("delivery.streams_per_link", streams, 2 * limits.streams_per_link_max, true);
        let bytes = self.links.values().map(|link| link.stream_bytes).max().unwrap_or(0);
        gauge("delivery.stream_bytes_per_link", bytes, limits.stream_bytes_per_link_max, true);
    }

    /// Refuses a call that would be one stream too many on a link.
    pub(super) fn check_room_for_stream(
        &self,
        cx: &mut Cx<'_>,
        link: LinkId,
        shape: Shape,
    ) -> Result<(), Error> {
        let most = self.config.limits.streams_per_link_max;
        if !shape.is_stream() || self.links.get(&link).is_some_and(|state| state.streams < most) {
            return Ok(());
        }
        cx.count("delivery.streams_full");
        let text = alloc::format!("{most} streams with this peer are open, the limit");
        Err(Error::new(Code::ResourceExhausted, text))
    }
}

/// A stream that is no longer than it must be in calls that are none.
pub(super) type Boxed = Option<Box<Stream>>;
