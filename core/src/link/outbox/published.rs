//! Events that wait to be sent: one queue, so that a link keeps their order. One that goes in several chunks holds up the events behind
//! it and nothing else, because chunks take turns with all other lanes.

use alloc::collections::VecDeque;

use bytes::Bytes;

use super::{CHUNK_LEN_MAX, Filling, HEADER_LEN, QUANTUM, Turn, chunk_frame, next_chunk};
use crate::link::Out;
use crate::wire::body::topics::PublishHead;
use crate::wire::frame::FrameType;

/// An event, and how much of its payload has left.
#[derive(Debug)]
struct Waiting {
    head: PublishHead,
    payload: Bytes,
    sent: usize,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Published {
    queue: VecDeque<Waiting>,
}

impl Published {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn push(&mut self, head: PublishHead, payload: Bytes) {
        self.queue.push_back(Waiting { head, payload, sent: 0 });
    }

    /// Writes the next frame. Gives the bytes that were written.
    pub(super) fn take_turn(&mut self, to: &mut Filling<'_>, alone: bool) -> (Turn, usize) {
        let Some(waiting) = self.queue.front_mut() else { return (Turn::Nothing, 0) };
        let first = waiting.sent == 0;
        let overhead = HEADER_LEN + if first { waiting.head.encoded_len_max() } else { 0 };
        let rest = waiting.payload.len() - waiting.sent;
        let chunk_max = if alone { CHUNK_LEN_MAX } else { QUANTUM };
        let Some(room) = to.room().checked_sub(overhead) else { return (Turn::Full, 0) };
        let chunk_len = rest.min(chunk_max).min(room);
        // An event of one chunk is not cut, and a large one not into crumbs, where a record of its own would take it.
        let is_crumb = chunk_len < QUANTUM / 4 || rest <= QUANTUM;
        let is_new = to.record.len() == to.begin;
        if chunk_len < rest && is_crumb && !(is_new && chunk_len > 0) {
            return (Turn::Full, 0);
        }
        let before = to.record.len();
        let (chunk, more) = next_chunk(&waiting.payload, &mut waiting.sent, chunk_len);
        waiting.head.total_len = more.then_some(waiting.payload.len() as u64);
        let frame_type = if first { FrameType::Publish } else { FrameType::PublishMore };
        chunk_frame(to.record, frame_type, 0, more, chunk, |out| waiting.head.encode(out));
        let mut left = chunk_len;
        if !more {
            left += waiting.head.queue_cost();
            self.queue.pop_front();
        }
        to.out.push_back(Out::Published { link: to.link, bytes: left });
        (Turn::Wrote, to.record.len() - before)
    }
}
