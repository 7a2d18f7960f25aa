//! Items of streams that wait to be sent: each stream has a queue and a window of its own, so that a consumer that takes nothing stops
//! its own stream and no other.
//!
//! Streams that may send take turns. How much one sends in its turn follows from its priority, which makes it a deficit round
//! robin whose deficits never outlive a turn, because items can be cut anywhere.

use alloc::collections::{BTreeMap, VecDeque};

use super::{
    CHUNK_LEN_MAX, ERROR_LEN_MAX, Filling, HEAD_LEN_MAX, HEADER_LEN, QUANTUM, Turn, chunk_frame, frame,
};
use crate::code::Error;
use crate::link::Out;
use crate::wire::body::{self, Credit, ReplyHead, STREAM_ITEM_COST};
use crate::wire::frame::FrameType;
use crate::wire::payload::Payload;
use crate::wire::shape::Priority;

/// No item is cut into pieces smaller than this, unless it is its end.
const CRUMB: usize = 1_024;

/// One direction of one stream on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// What this side uploads for a call of its own, by operation: its number on the wire is not known before it has left.
    Uploads(u64),
    /// The items of an answer of this side, by the number of the peer's call.
    Items(u64),
}

/// How a side ends what it sends.
#[derive(Debug)]
pub(crate) enum End {
    /// Everything was sent.
    Done,
    /// The handler failed.
    Failed(Error),
}

/// The queue of one direction of one stream.
#[derive(Debug)]
struct Queue {
    /// The number of the call, once all of its request has left.
    id: Option<u64>,
    priority: Priority,
    /// What the peer still takes.
    window: u64,
    items: VecDeque<Payload>,
    /// Bytes of the first item that have left.
    sent: usize,
    end: Option<End>,
    /// Whether it waits for its turn.
    is_ready: bool,
}

impl Queue {
    /// Whether it has something that may go, as far as its own window says.
    fn may_send(&self) -> bool {
        if self.id.is_none() {
            return false;
        }
        match self.items.front() {
            Some(item) => self.window >= self.least(item) as u64,
            None => self.end.is_some(),
        }
    }

    /// The smallest piece of an item that is worth a frame, as the window counts it.
    fn least(&self, item: &Payload) -> usize {
        let rest = (item.data.len() - self.sent).min(CRUMB);
        if self.sent == 0 { rest + STREAM_ITEM_COST } else { rest }
    }
}

/// All streams of a link.
#[derive(Debug, Default)]
pub(super) struct Streams {
    queues: BTreeMap<Lane, Queue>,
    /// Those that may send, in the order of their turns.
    ready: VecDeque<Lane>,
    /// Windows that are to be opened: granted to the peer with the next record.
    grants: BTreeMap<(FrameType, u64), u64>,
}

impl Streams {
    /// Whether nothing waits, not even for the peer.
    pub(super) fn is_empty(&self) -> bool {
        self.queues.values().all(|queue| queue.items.is_empty() && queue.end.is_none())
            && self.grants.is_empty()
    }

    /// Whether something could be sent now, where the link itself takes uploads or not.
    pub(super) fn has_work(&self, link_window: u64) -> bool {
        !self.grants.is_empty() || self.ready.iter().any(|lane| self.fits_link(*lane, link_window))
    }

    pub(super) fn len(&self) -> usize {
        self.queues.len()
    }

    /// A stream begins. `id` where it is known already.
    pub(super) fn open(&mut self, lane: Lane, id: Option<u64>, window: u32, priority: Priority) {
        let queue = Queue {
            id,
            priority,
            window: window.into(),
            items: VecDeque::new(),
            sent: 0,
            end: None,
            is_ready: false,
        };
        self.queues.insert(lane, queue);
    }

    /// The whole request of a call has left, under this number.
    pub(super) fn request_left(&mut self, op: u64, id: u64) {
        if let Some(queue) = self.queues.get_mut(&Lane::Uploads(op)) {
            queue.id = Some(id);
        }
        self.refresh(Lane::Uploads(op));
    }

    pub(super) fn push(&mut self, lane: Lane, item: Payload) {
        if let Some(queue) = self.queues.get_mut(&lane) {
            queue.items.push_back(item);
        }
        self.refresh(lane);
    }

    pub(super) fn end(&mut self, lane: Lane, end: End) {
        if let Some(queue) = self.queues.get_mut(&lane) {
            queue.end = Some(end);
        }
        self.refresh(lane);
    }

    /// Forgets a stream with all that waits in it.
    pub(super) fn close(&mut self, lane: Lane) {
        if self.queues.remove(&lane).is_some_and(|queue| queue.is_ready) {
            self.ready.retain(|other| *other != lane);
        }
    }

    /// The peer takes more of a stream. What is more than an honest peer would take counts as that much.
    pub(super) fn add_window(&mut self, lane: Lane, bytes: u32) {
        if let Some(queue) = self.queues.get_mut(&lane) {
            queue.window = queue.window.saturating_add(bytes.into()).min(1 << 40);
        }
        self.refresh(lane);
    }

    /// Lets the peer send more of a stream.
    pub(super) fn grant(&mut self, frame_type: FrameType, id: u64, bytes: u64) {
        *self.grants.entry((frame_type, id)).or_insert(0) += bytes;
    }

    /// The number on the wire of what this side uploads for a call.
    fn refresh(&mut self, lane: Lane) {
        let Some(queue) = self.queues.get_mut(&lane) else { return };
        if !queue.is_ready && queue.may_send() {
            queue.is_ready = true;
            self.ready.push_back(lane);
        }
    }

    fn fits_link(&self, lane: Lane, link_window: u64) -> bool {
        let Some(queue) = self.queues.get(&lane) else { return false };
        match (lane, queue.items.front()) {
            (Lane::Uploads(_), Some(item)) => {
                link_window >= (queue.least(item) + HEADER_LEN + HEAD_LEN_MAX) as u64
            }
            _ => true,
        }
    }

    /// Writes what this side grants.
    pub(super) fn fill_grants(&mut self, to: &mut Filling<'_>) {
        while let Some(((frame_type, id), bytes)) =
            self.grants.first_key_value().map(|(key, bytes)| (*key, *bytes))
        {
            if to.room() < HEADER_LEN + 16 {
                return;
            }
            let now = bytes.min(u32::MAX.into());
            frame(to.record, frame_type, id, |out| Credit { bytes: now as u32 }.encode(out));
            self.grants.remove(&(frame_type, id));
            if bytes > now {
                self.grants.insert((frame_type, id), bytes - now);
            }
        }
    }

    /// Lets the next stream send one frame. Gives the bytes that were written, and takes those that count off `link_window`.
    pub(super) fn take_turn(
        &mut self,
        to: &mut Filling<'_>,
        link_window: &mut u64,
        alone: bool,
    ) -> (Turn, usize) {
        for _ in 0..self.ready.len() {
            let Some(lane) = self.ready.front().copied() else { break };
            if !self.fits_link(lane, *link_window) {
                self.ready.rotate_left(1);
                continue;
            }
            let alone = alone && self.ready.len() == 1;
            let before = to.record.len();
            let Some(wrote) = self.write(lane, to, *link_window, alone) else { return (Turn::Full, 0) };
            let written = to.record.len() - before;
            if wrote.uses_link {
                *link_window = link_window.saturating_sub(written as u64);
            }
            self.ready.pop_front();
            if let Some(queue) = self.queues.get_mut(&lane) {
                queue.is_ready = false;
            }
            to.out.push_back(Out::StreamLeft { link: to.link, lane, bytes: wrote.taken, ended: wrote.ended });
            if wrote.ended {
                self.queues.remove(&lane);
            } else {
                self.refresh(lane);
            }
            return (Turn::Wrote, written);
        }
        (Turn::Nothing, 0)
    }

    /// Writes the next frame of a stream; `None` where the record has no room for it.
    fn write(&mut self, lane: Lane, to: &mut Filling<'_>, link_window: u64, alone: bool) -> Option<Written> {
        let queue = self.queues.get_mut(&lane)?;
        let id = queue.id?;
        let Some(item) = queue.items.front() else { return write_end(lane, id, queue.end.as_ref()?, to) };
        let first = queue.sent == 0;
        let overhead = HEADER_LEN + if first { HEAD_LEN_MAX } else { 0 };
        let cost = if first { STREAM_ITEM_COST } else { 0 };
        let share = match queue.priority {
            _ if alone => CHUNK_LEN_MAX,
            Priority::High => QUANTUM,
            Priority::Normal => QUANTUM / 2,
            Priority::Low => QUANTUM / 8,
        };
        let window = usize::try_from(queue.window).unwrap_or(usize::MAX).saturating_sub(cost);
        let rest = item.data.len() - queue.sent;
        let mut chunk_len = rest.min(share).min(window).min(to.room().checked_sub(overhead)?);
        let uses_link = matches!(lane, Lane::Uploads(_));
        if uses_link {
            let link_window = usize::try_from(link_window).unwrap_or(usize::MAX);
            chunk_len = chunk_len.min(link_window.saturating_sub(overhead));
        }
        if chunk_len < rest.min(CRUMB) {
            return None;
        }
        let more = chunk_len < rest;
        let frame_type = match (lane, first) {
            (Lane::Uploads(_), true) => FrameType::Upload,
            (Lane::Uploads(_), false) => FrameType::UploadMore,
            (Lane::Items(_), true) => FrameType::Item,
            (Lane::Items(_), false) => FrameType::ItemMore,
        };
        let total_len = (first && more).then_some(item.data.len() as u64);
        let head = ReplyHead { codec: item.codec as u8, total_len };
        let chunk = &item.data[queue.sent..queue.sent + chunk_len];
        chunk_frame(to.record, frame_type, id, more, chunk, |out| head.encode(out));
        queue.window -= (chunk_len + cost) as u64;
        queue.sent += chunk_len;
        if !more {
            queue.items.pop_front();
            queue.sent = 0;
        }
        Some(Written { taken: chunk_len + cost, ended: false, uses_link })
    }
}

/// What a frame of a stream was.
struct Written {
    /// What it counted of the stream's queue.
    taken: usize,
    ended: bool,
    uses_link: bool,
}

fn write_end(lane: Lane, id: u64, end: &End, to: &mut Filling<'_>) -> Option<Written> {
    let needed = HEADER_LEN + if matches!(end, End::Failed(_)) { ERROR_LEN_MAX } else { 0 };
    if to.room() < needed {
        return None;
    }
    match (lane, end) {
        (Lane::Uploads(_), _) => frame(to.record, FrameType::UploadEnd, id, |_| {}),
        (Lane::Items(_), End::Done) => frame(to.record, FrameType::ItemEnd, id, |_| {}),
        (Lane::Items(_), End::Failed(error)) => {
            frame(to.record, FrameType::Error, id, |out| body::encode_error(error, out));
        }
    }
    Some(Written { taken: 0, ended: true, uses_link: false })
}
