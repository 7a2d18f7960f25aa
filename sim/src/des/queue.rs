//! What is to happen, in the order of time and, at the same time, in the order in which it was asked for.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use lacewing_core::Instant;
use lacewing_core::engine::{DialFailure, DialId, RequestId, StreamId, SubscriptionId};

use super::stream::StreamEnd;

/// Something that is due.
#[derive(Debug)]
pub(super) enum Event {
    /// The item of this number in the run.
    Item(usize),
    /// The fault of this number in the run ends.
    FaultEnd(usize),
    /// A node's process starts, unless it runs.
    Start(usize),
    /// Everything should have come back.
    FreshPhase,
    /// Tables should be empty.
    Look,
    /// A node's engine asked to be woken.
    Timer { node: usize, life: u32 },
    /// A handler has worked long enough.
    HandlerDone { node: usize, life: u32, request: RequestId },
    /// An application has worked long enough on an event.
    ApplicationDone { node: usize, life: u32, subscription: SubscriptionId },
    /// An application sends the next message of a stream of calls.
    Send { node: usize, life: u32, stream: StreamId },
    /// An application takes the next one.
    Take { node: usize, life: u32, stream: StreamId },
    /// A shutdown should be over.
    StopDue { node: usize, life: u32 },
    /// The first packet of a dial arrives.
    Syn(Dialling),
    /// Its answer arrives.
    SynAck(Dialling),
    /// A dial has failed, unless it came to an end before.
    DialFailed { node: usize, life: u32, dial: DialId, reason: DialFailure },
    /// Data arrives, that was sent by this end.
    Arrive(StreamEnd),
    /// Data that did not get through is sent again by this end.
    Retransmit(StreamEnd),
    /// This end is told that the other one has taken bytes.
    Credit { end: StreamEnd, bytes: usize, since: Instant },
    /// This end is told that the other one does not know the stream.
    Refused(StreamEnd),
    /// A slow reader takes its next bytes.
    Read(StreamEnd),
}

/// A dial on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dialling {
    pub(super) from: usize,
    pub(super) life: u32,
    pub(super) to: usize,
    pub(super) dial: DialId,
    /// Packets lost so far.
    pub(super) losses: u32,
}

struct Due {
    at: Instant,
    sequence: u64,
    event: Event,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.sequence == other.sequence
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

/// The queue of events.
#[derive(Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Reverse<Due>>,
    sequence: u64,
}

impl Queue {
    pub(super) fn push(&mut self, at: Instant, event: Event) {
        self.sequence += 1;
        self.heap.push(Reverse(Due { at, sequence: self.sequence, event }));
    }

    pub(super) fn pop(&mut self) -> Option<(Instant, Event)> {
        self.heap.pop().map(|Reverse(due)| (due.at, due.event))
    }
}
