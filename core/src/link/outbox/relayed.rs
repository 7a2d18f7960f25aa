//! ROUTED frames that wait for a neighbour: a queue for each flow, which take turns by deficit round robin, each within a
//! budget. A flow that sends more than the path takes loses its own frames and nobody else's.

use alloc::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::QUANTUM;
use crate::identity::NodeId;

/// Source and destination.
pub(super) type Flow = (NodeId, NodeId);

/// Why a frame was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drop {
    /// The flow has used up its budget, or the frame is larger than a record of this link.
    Budget,
    /// All flows together have.
    QueueFull,
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Relayed {
    flows: BTreeMap<Flow, Queue>,
    /// Flows with frames, in the order of their turns.
    turns: VecDeque<Flow>,
    bytes: usize,
    frame_len_max: usize,
    flow_bytes_max: usize,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Bytes>,
    bytes: usize,
    deficit: usize,
}

impl Relayed {
    /// A queue for frames of at most `frame_len_max` bytes: a larger one would never leave.
    pub(super) fn new(frame_len_max: usize, flow_bytes_max: usize, bytes_max: usize) -> Self {
        let (flows, turns) = (BTreeMap::new(), VecDeque::new());
        Self { flows, turns, bytes: 0, frame_len_max, flow_bytes_max, bytes_max }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn push(&mut self, flow: Flow, frame: Bytes) -> Result<(), Drop> {
        let queued = self.flows.get(&flow).map_or(0, |queue| queue.bytes);
        if frame.len() > self.frame_len_max || queued + frame.len() > self.flow_bytes_max {
            return Err(Drop::Budget);
        }
        if self.bytes + frame.len() > self.bytes_max {
            return Err(Drop::QueueFull);
        }
        let queue = self.flows.entry(flow).or_default();
        if queue.frames.is_empty() {
            self.turns.push_back(flow);
        }
        self.bytes += frame.len();
        queue.bytes += frame.len();
        queue.frames.push_back(frame);
        Ok(())
    }

    /// Takes the next frame, if it has at most `room` bytes.
    pub(super) fn pop(&mut self, room: usize) -> Option<Bytes> {
        loop {
            let flow = *self.turns.front()?;
            let queue = self.flows.get_mut(&flow)?;
            let length = queue.frames.front()?.len();
            if queue.deficit < length {
                queue.deficit += QUANTUM;
                self.turns.rotate_left(1);
                continue;
            }
            if length > room {
                return None;
            }
            let frame = queue.frames.pop_front()?;
            queue.deficit -= length;
            queue.bytes -= length;
            self.bytes -= length;
            if queue.frames.is_empty() {
                self.flows.remove(&flow);
                self.turns.pop_front();
            }
            return Some(frame);
        }
    }
}
