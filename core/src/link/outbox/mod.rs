//! What waits to be sent on one link, and in which order it leaves.
//!
//! Control frames go first. Messages wait in six lanes (answers, requests, bulk, what is relayed for others, streams and events) that
//! take turns by deficit round robin (Shreedhar and Varghese, 1995), so that the chunks of a large message never hold up small
//! ones, nor starve behind them.

mod published;
mod relayed;
mod streams;

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use self::published::Published;
pub(crate) use self::relayed::Drop;
use self::relayed::{Flow, Relayed};
use self::streams::Streams;
pub(crate) use self::streams::{End, Lane as StreamLane};
use super::{LinkId, Out};
use crate::code::{CloseReason, Error};
use crate::config::Limits;
use crate::machine::Cx;
use crate::sequence_map::SequenceMap;
use crate::time::Instant;
use crate::wire::body::topics::PublishHead;
use crate::wire::body::{self, Credit, Goodbye, ReplyHead, RequestExtras, RequestHead};
use crate::wire::frame::{CHUNK_LEN_MAX, FrameHeader, FrameType, HEADER_LEN};
use crate::wire::path::ActionPath;
use crate::wire::payload::Payload;
use crate::wire::shape::Priority;

/// Bytes that a lane may send before the next one has its turn.
const QUANTUM: usize = 16 * 1024;
/// Room that the head of a REQUEST or REPLY takes at most, besides the path.
const HEAD_LEN_MAX: usize = 40;
/// Room that an ERROR takes at most.
const ERROR_LEN_MAX: usize = Error::MESSAGE_LEN_MAX + Error::DETAIL_LEN_MAX + 64;
/// Room that a GOODBYE takes at most.
const GOODBYE_LEN_MAX: usize = 32;
/// Room for the small control frames together.
const CONTROL_LEN_MAX: usize = 256;
/// Announcements may take this much of a record that has other things to carry.
const ANNOUNCED_LEN_MAX: usize = 24 * 1024;
/// Place of the relayed flows among the lanes.
const RELAYED: usize = 3;
/// Place of the streams among the lanes.
const STREAMS: usize = 4;
/// Place of the events among the lanes.
const PUBLISHED: usize = 5;
/// Lanes, with the relayed flows, the streams and the events.
const TURNS: usize = 6;

/// A message of a call.
#[derive(Debug)]
pub(crate) enum Message {
    /// A call of ours. It gets its sequence number when its first byte leaves, so that the numbers on a link ascend.
    Request {
        op: u64,
        action: Arc<ActionPath>,
        deadline: Instant,
        payload: Payload,
        extras: Option<Box<RequestExtras>>,
    },
    /// The answer to a call of the peer.
    Reply { id: u64, payload: Payload },
    /// The failure of a call of the peer.
    Error { id: u64, error: Error },
    /// We no longer wait for a call of ours.
    Cancel { id: u64 },
}

impl Message {
    /// What it counts against the limit on queued bytes.
    pub(crate) fn queued_len(&self) -> usize {
        match self {
            Self::Request { .. } | Self::Reply { .. } | Self::Cancel { .. } => self.payload_len(),
            Self::Error { error, .. } => error.message().len() + error.detail().len(),
        }
    }

    /// Whether it goes in several chunks, so that it may be withdrawn when half of it has left.
    pub(crate) fn is_bulk(&self) -> bool {
        self.payload_len() > QUANTUM
    }

    /// Bytes of its payload, which may be cut into chunks.
    fn payload_len(&self) -> usize {
        match self {
            Self::Request { payload, .. } | Self::Reply { payload, .. } => payload.data.len(),
            Self::Error { .. } | Self::Cancel { .. } => 0,
        }
    }
}

/// What happens to the queue of a stream.
#[derive(Debug)]
pub(crate) enum StreamOrder {
    /// It begins. `id` is the number of the peer's call, which is answered; one of ours gets its number when it leaves.
    Open { lane: StreamLane, id: Option<u64>, window: u32, priority: Priority },
    /// Send this item behind the others.
    Push { lane: StreamLane, item: Payload },
    /// Nothing comes behind what is queued.
    End { lane: StreamLane, end: End },
    /// Forget it.
    Close { lane: StreamLane },
    /// The peer takes so many bytes more.
    Window { lane: StreamLane, bytes: u32 },
    /// Tell the peer that this side takes so many bytes more, in a frame of this type.
    Grant { frame_type: FrameType, id: u64, bytes: u64 },
}

/// A message, and how much of its payload has left.
#[derive(Debug)]
struct Sending {
    message: Message,
    sent: usize,
    /// The number of a request whose first byte has left.
    sequence: u64,
}

/// The lanes, in the order of their turns.
#[derive(Clone, Copy, Debug)]
enum Lane {
    Answers = 0,
    Requests = 1,
    Bulk = 2,
}

/// What became of a turn.
enum Turn {
    /// A frame was written.
    Wrote,
    /// Nothing in this lane can go now.
    Nothing,
    /// The record has no room for the next frame.
    Full,
}

/// A record that is being filled, and what comes of it.
#[derive(Debug)]
pub(super) struct Filling<'a> {
    pub(super) now: Instant,
    pub(super) link: LinkId,
    pub(super) record: &'a mut BytesMut,
    /// Where its first frame starts.
    pub(super) begin: usize,
    /// Where the record must end.
    pub(super) end: usize,
    /// The last sequence number that was given to a request, on whatever link.
    pub(super) last_sequence: &'a mut u64,
    pub(super) out: &'a mut VecDeque<Out>,
    /// Bytes that count as queued no longer.
    pub(super) flushed: usize,
    /// An injected bug: some requests are sent twice.
    pub(super) repeats: bool,
    /// An injected bug: streams go on for as long as they have anything to send.
    pub(super) streams_first: bool,
}

impl Filling<'_> {
    fn room(&self) -> usize {
        self.end - self.record.len()
    }

    fn repeat_if_told(&mut self, start: usize, sequence: u64) {
        let length = self.record.len() - start;
        if self.repeats && sequence.is_multiple_of(16) && length <= self.room() {
            let frame = self.record[start..].to_vec();
            self.record.put_slice(&frame);
        }
    }
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Outbox {
    lanes: [VecDeque<Sending>; 3],
    relayed: Relayed,
    streams: Streams,
    published: Published,
    /// Frames of other machines: routes, directory, questions.
    announced: VecDeque<(FrameType, Bytes)>,
    announced_bytes: usize,
    announced_bytes_max: usize,
    dropped: u64,
    deficits: [usize; TURNS],
    turn: usize,
    /// Requests that have not left whole, by operation: whether a withdrawal has to search at all.
    requests: SequenceMap<()>,
    /// Answers in chunks that have not left whole. Short ones are not worth withdrawing.
    bulk_replies: SequenceMap<()>,
    /// Bytes of requests that the peer still takes.
    window: u64,
    /// Bytes that we grant the peer with the next record.
    grant: u64,
    keepalive: bool,
    goodbye: Option<CloseReason>,
}

impl Outbox {
    /// An outbox of a link whose records have room for `frames_len_max` bytes of frames.
    pub(super) fn new(window: u32, frames_len_max: usize, limits: &Limits) -> Self {
        let routed_len_max = frames_len_max.saturating_sub(HEADER_LEN);
        Self {
            lanes: [VecDeque::new(), VecDeque::new(), VecDeque::new()],
            relayed: Relayed::new(
                routed_len_max,
                limits.relayed_flow_bytes_max,
                limits.relayed_link_bytes_max,
            ),
            streams: Streams::default(),
            published: Published::default(),
            announced: VecDeque::new(),
            announced_bytes: 0,
            announced_bytes_max: limits.announced_link_bytes_max,
            dropped: 0,
            deficits: [0; TURNS],
            turn: 0,
            requests: SequenceMap::new(),
            bulk_replies: SequenceMap::new(),
            window: window.into(),
            grant: 0,
            keepalive: false,
            goodbye: None,
        }
    }

    pub(super) fn push(&mut self, message: Message) {
        let lane = match &message {
            Message::Error { .. } | Message::Cancel { .. } => Lane::Answers,
            Message::Request { .. } | Message::Reply { .. } if message.is_bulk() => Lane::Bulk,
            Message::Reply { .. } => Lane::Answers,
            Message::Request { .. } => Lane::Requests,
        };
        match &message {
            Message::Request { op, .. } => self.requests.insert(*op, ()),
            Message::Reply { id, .. } if message.is_bulk() => self.bulk_replies.insert(*id, ()),
            Message::Reply { .. } | Message::Error { .. } | Message::Cancel { .. } => {}
        }
        self.lanes[lane as usize].push_back(Sending { message, sent: 0, sequence: 0 });
    }

    pub(super) fn order(&mut self, order: StreamOrder) {
        match order {
            StreamOrder::Open { lane, id, window, priority } => self.streams.open(lane, id, window, priority),
            StreamOrder::Push { lane, item } => self.streams.push(lane, item),
            StreamOrder::End { lane, end } => self.streams.end(lane, end),
            StreamOrder::Close { lane } => self.streams.close(lane),
            StreamOrder::Window { lane, bytes } => self.streams.add_window(lane, bytes),
            StreamOrder::Grant { frame_type, id, bytes } => self.streams.grant(frame_type, id, bytes),
        }
    }

    /// Queues an event behind the others.
    pub(super) fn publish(&mut self, head: PublishHead, payload: Bytes) {
        self.published.push(head, payload);
    }

    /// Queues of streams.
    pub(super) fn streams_len(&self) -> usize {
        self.streams.len()
    }

    /// Queues a frame of another machine, or drops it where a slow peer has too many already: each of those machines repairs
    /// what was lost.
    pub(super) fn push_control(&mut self, cx: &mut Cx<'_>, frame_type: FrameType, body: Bytes) {
        if self.announced_bytes + body.len() + HEADER_LEN > self.announced_bytes_max {
            self.dropped += 1;
            return cx.count("link.announcement_dropped");
        }
        self.announced_bytes += body.len() + HEADER_LEN;
        self.announced.push_back((frame_type, body));
    }

    /// Queues the body of a ROUTED frame.
    pub(super) fn push_routed(&mut self, flow: Flow, body: Bytes) -> Result<(), Drop> {
        self.relayed.push(flow, body).inspect_err(|_| self.dropped += 1)
    }

    /// Announcements and payloads that were dropped for lack of room.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Bytes that are relayed for others or for ourselves, and bytes of announcements.
    pub(super) fn carried_bytes(&self) -> (usize, usize) {
        (self.relayed.bytes(), self.announced_bytes)
    }

    /// Takes what is left of a call out of the queue, and tells the peer of one that has begun to leave, if it is to be
    /// told. Gives the payload bytes that were taken out.
    pub(super) fn withdraw(&mut self, op: u64, sequence: Option<u64>, tell_peer: bool) -> usize {
        let is_it = |message: &Message| matches!(message, Message::Request { op: own, .. } if *own == op);
        let queued =
            self.requests.remove(op).and_then(|()| self.remove(&[Lane::Requests, Lane::Bulk], is_it));
        if let Some(id) = sequence.filter(|_| tell_peer) {
            self.push(Message::Cancel { id });
        }
        queued.map_or(0, |sending| sending.message.payload_len() - sending.sent)
    }

    /// Takes what is left of an answer out of the queue. Its caller no longer waits, so a half-sent one may just end.
    pub(super) fn withdraw_reply(&mut self, id: u64) -> usize {
        let is_it = |message: &Message| matches!(message, Message::Reply { id: own, .. } if *own == id);
        let queued = self.bulk_replies.remove(id).and_then(|()| self.remove(&[Lane::Bulk], is_it));
        queued.map_or(0, |sending| sending.message.payload_len() - sending.sent)
    }

    fn remove(&mut self, lanes: &[Lane], which: impl Fn(&Message) -> bool) -> Option<Sending> {
        lanes.iter().find_map(|lane| {
            let lane = &mut self.lanes[*lane as usize];
            let position = lane.iter().position(|sending| which(&sending.message))?;
            lane.remove(position)
        })
    }

    /// The peer takes so many bytes more. `None` when no honest peer would grant so much.
    pub(super) fn add_window(&mut self, bytes: u32) -> Option<()> {
        self.window = self.window.checked_add(bytes.into()).filter(|window| *window <= 1 << 40)?;
        Some(())
    }

    pub(super) fn grant(&mut self, bytes: u64) {
        self.grant += bytes;
    }

    pub(super) fn keep_alive(&mut self) {
        self.keepalive = true;
    }

    pub(super) fn say_goodbye(&mut self, reason: CloseReason) {
        self.goodbye = Some(reason);
    }

    /// Whether no message waits.
    pub(super) fn is_drained(&self) -> bool {
        self.lanes.iter().all(VecDeque::is_empty)
            && self.relayed.is_empty()
            && self.announced.is_empty()
            && self.streams.is_empty()
            && self.published.is_empty()
    }

    /// Whether something could be sent now.
    pub(super) fn has_work(&self) -> bool {
        self.keepalive
            || self.grant > 0
            || !self.announced.is_empty()
            || !self.relayed.is_empty()
            || !self.published.is_empty()
            || self.streams.has_work(self.window)
            || self.lanes[Lane::Answers as usize].front().is_some()
            || self.lanes[Lane::Requests as usize].front().is_some_and(|sending| self.fits_window(sending))
            || self.lanes[Lane::Bulk as usize].iter().any(|sending| self.fits_window(sending))
            || self.goodbye.is_some() && self.is_drained()
    }

    /// How many messages wait.
    pub(super) fn len(&self) -> usize {
        self.lanes.iter().map(VecDeque::len).sum()
    }

    fn fits_window(&self, sending: &Sending) -> bool {
        let Message::Request { payload, .. } = &sending.message else { return true };
        let rest = payload.data.len() - sending.sent;
        let needed = rest.min(QUANTUM) + overhead(&sending.message);
        self.window >= needed as u64
    }

    /// Writes frames into the record until it is full or nothing is left that may go. Gives the reason of a goodbye that
    /// went out.
    pub(super) fn fill(&mut self, to: &mut Filling<'_>) -> Option<CloseReason> {
        self.fill_control(to.record);
        self.fill_announced(to);
        self.streams.fill_grants(to);
        let mut idle_turns = 0;
        while idle_turns < TURNS {
            match self.take_turn(to) {
                Turn::Wrote => idle_turns = 0,
                Turn::Nothing => {
                    self.deficits[self.turn] = 0;
                    self.turn = (self.turn + 1) % TURNS;
                    idle_turns += 1;
                }
                Turn::Full => break,
            }
        }
        if !self.is_drained() || to.room() < GOODBYE_LEN_MAX {
            return None;
        }
        let reason = self.goodbye.take()?;
        frame(to.record, FrameType::Goodbye, 0, |out| Goodbye { reason }.encode(out));
        Some(reason)
    }

    fn fill_control(&mut self, record: &mut BytesMut) {
        let before = record.len();
        if self.grant > 0 {
            let bytes = self.grant.min(u32::MAX.into()) as u32;
            self.grant -= u64::from(bytes);
            frame(record, FrameType::Credit, 0, |out| Credit { bytes }.encode(out));
        }
        if core::mem::take(&mut self.keepalive) && record.len() == before {
            frame(record, FrameType::KeepAlive, 0, |_| {});
        }
        debug_assert!(record.len() - before <= CONTROL_LEN_MAX, "control frames are small");
    }

    /// Announcements go before messages, which they are about, and leave them most of a record.
    fn fill_announced(&mut self, to: &mut Filling<'_>) {
        let start = to.record.len();
        while let Some((frame_type, body)) = self.announced.front() {
            let length = HEADER_LEN + body.len();
            let so_far = to.record.len() - start;
            let others_wait = self.lanes.iter().any(|lane| !lane.is_empty());
            if so_far > 0 && (length > to.room() || others_wait && so_far + length > ANNOUNCED_LEN_MAX) {
                break;
            }
            // One that fits no record of this peer would wait for ever.
            if length <= to.room() {
                frame(to.record, *frame_type, 0, |out| out.put_slice(body));
            } else if to.record.len() > to.begin {
                break;
            }
            self.announced_bytes -= length;
            self.announced.pop_front();
        }
    }

    /// Lets the flows that are relayed send one frame.
    fn take_relayed_turn(&mut self, to: &mut Filling<'_>) -> Turn {
        if self.relayed.is_empty() {
            return Turn::Nothing;
        }
        if self.deficits[RELAYED] == 0 {
            self.deficits[RELAYED] = QUANTUM;
        }
        let Some(body) = self.relayed.pop(to.room().saturating_sub(HEADER_LEN)) else { return Turn::Full };
        frame(to.record, FrameType::Routed, 0, |out| out.put_slice(&body));
        self.deficits[RELAYED] = self.deficits[RELAYED].saturating_sub(body.len());
        if self.deficits[RELAYED] == 0 {
            self.turn = STREAMS;
        }
        Turn::Wrote
    }

    /// Lets the streams send one frame.
    fn take_stream_turn(&mut self, to: &mut Filling<'_>) -> Turn {
        if self.deficits[STREAMS] == 0 {
            self.deficits[STREAMS] = QUANTUM;
        }
        let alone =
            self.relayed.is_empty() && self.published.is_empty() && self.lanes.iter().all(VecDeque::is_empty);
        let (turn, written) = self.streams.take_turn(to, &mut self.window, alone);
        self.deficits[STREAMS] = self.deficits[STREAMS].saturating_sub(written);
        if matches!(turn, Turn::Wrote) && self.deficits[STREAMS] == 0 && !to.streams_first {
            self.turn = PUBLISHED;
        }
        turn
    }

    /// Lets the events send one frame.
    fn take_published_turn(&mut self, to: &mut Filling<'_>) -> Turn {
        if self.deficits[PUBLISHED] == 0 {
            self.deficits[PUBLISHED] = QUANTUM;
        }
        let alone = self.relayed.is_empty()
            && !self.streams.has_work(self.window)
            && self.lanes.iter().all(VecDeque::is_empty);
        let (turn, written) = self.published.take_turn(to, alone);
        self.deficits[PUBLISHED] = self.deficits[PUBLISHED].saturating_sub(written);
        if matches!(turn, Turn::Wrote) && self.deficits[PUBLISHED] == 0 {
            self.turn = 0;
        }
        turn
    }

    /// Lets the lane whose turn it is write one frame, if its deficit allows.
    fn take_turn(&mut self, to: &mut Filling<'_>) -> Turn {
        if self.turn == RELAYED {
            return self.take_relayed_turn(to);
        }
        if self.turn == STREAMS {
            return self.take_stream_turn(to);
        }
        if self.turn == PUBLISHED {
            return self.take_published_turn(to);
        }
        let alone = self.relayed.is_empty()
            && self.published.is_empty()
            && !self.streams.has_work(self.window)
            && self.lanes.iter().enumerate().all(|(other, lane)| other == self.turn || lane.is_empty());
        if !self.rotate_to_sendable() {
            return Turn::Nothing;
        }
        if self.deficits[self.turn] == 0 {
            self.deficits[self.turn] = QUANTUM;
        }
        let Some(sending) = self.lanes[self.turn].front() else { return Turn::Nothing };
        let chunk_max = if alone { CHUNK_LEN_MAX } else { QUANTUM };
        let Some(chunk_len) = chunk_len(sending, to.room(), chunk_max, self.window) else {
            return Turn::Full;
        };
        let Some(sending) = self.lanes[self.turn].pop_front() else { return Turn::Nothing };
        let written = self.write(sending, chunk_len, to);
        let turn = self.turn;
        self.deficits[turn] = self.deficits[turn].saturating_sub(written);
        if self.deficits[turn] == 0 {
            self.turn = (turn + 1) % TURNS;
        }
        Turn::Wrote
    }

    /// Writes the next frame of a message and puts what is left of it back behind the others of its lane.
    fn write(&mut self, mut sending: Sending, chunk_len: usize, to: &mut Filling<'_>) -> usize {
        let before = to.record.len();
        if let (0, Message::Request { op, .. }) = (sending.sent, &sending.message) {
            *to.last_sequence += 1;
            sending.sequence = *to.last_sequence;
            to.out.push_back(Out::Started { link: to.link, op: *op, sequence: sending.sequence });
        }
        let more = write_frame(&mut sending, to.now, chunk_len, to.record);
        let written = to.record.len() - before;
        match &sending.message {
            Message::Request { op, .. } => {
                self.window = self.window.saturating_sub(written as u64);
                to.flushed += chunk_len;
                if !more {
                    self.requests.remove(*op);
                    self.streams.request_left(*op, sending.sequence);
                    to.repeat_if_told(before, sending.sequence);
                }
            }
            Message::Reply { id, .. } => {
                to.flushed += chunk_len;
                if !more {
                    self.bulk_replies.remove(*id);
                }
            }
            Message::Error { .. } | Message::Cancel { .. } => to.flushed += sending.message.queued_len(),
        }
        if more {
            // Large messages take turns among themselves too.
            self.lanes[self.turn].push_back(sending);
        }
        written
    }

    /// Brings a message to the front of the present lane that the peer's window lets through. In the bulk lane any will
    /// do; the other lanes keep their order.
    fn rotate_to_sendable(&mut self) -> bool {
        let tries = if self.turn == Lane::Bulk as usize { self.lanes[self.turn].len() } else { 1 };
        for _ in 0..tries {
            let Some(front) = self.lanes[self.turn].front() else { return false };
            if self.fits_window(front) {
                return true;
            }
            if tries > 1 {
                self.lanes[self.turn].rotate_left(1);
            }
        }
        false
    }
}

/// Bytes that the next frame of a message takes besides its payload, at most.
fn overhead(message: &Message) -> usize {
    HEADER_LEN
        + match message {
            Message::Request { action, extras, .. } => {
                let extras = extras.as_ref().map_or(0, |extras| extras.encoded_len_max());
                HEAD_LEN_MAX + action.as_str().len() + extras
            }
            Message::Reply { .. } => HEAD_LEN_MAX,
            Message::Error { .. } => ERROR_LEN_MAX,
            Message::Cancel { .. } => 0,
        }
}

/// How many payload bytes of this message go into the next frame; `None` when the room is too small to begin.
fn chunk_len(sending: &Sending, room: usize, chunk_max: usize, window: u64) -> Option<usize> {
    let overhead = overhead(&sending.message);
    let rest = sending.message.payload_len() - sending.sent;
    let mut chunk = rest.min(chunk_max).min(room.checked_sub(overhead)?);
    if matches!(sending.message, Message::Request { .. }) {
        let window = usize::try_from(window).unwrap_or(usize::MAX);
        chunk = chunk.min(window.checked_sub(overhead)?);
    }
    // A message of one chunk is not cut, and a large one not into crumbs.
    (chunk == rest || chunk >= QUANTUM / 4 && rest > QUANTUM).then_some(chunk)
}

/// Writes one frame of a message; gives whether more is to come.
fn write_frame(sending: &mut Sending, now: Instant, chunk_len: usize, record: &mut BytesMut) -> bool {
    let first = sending.sent == 0;
    match &sending.message {
        Message::Request { action, deadline, payload, extras, .. } => {
            let id = sending.sequence;
            let (chunk, more) = next_chunk(&payload.data, &mut sending.sent, chunk_len);
            let total_len = more.then_some(payload.data.len() as u64);
            let time_left_us = match *deadline {
                // A stream without an end of its own says so, wherever the clocks stand.
                Instant::NEVER => u64::MAX,
                deadline => u64::try_from((deadline - now).as_micros()).unwrap_or(u64::MAX),
            };
            let extras = extras.as_deref().map_or_else(Cow::default, Cow::Borrowed);
            let (action, codec) = (action.as_str(), payload.codec as u8);
            let head = RequestHead { action, time_left_us, codec, total_len, extras };
            let frame_type = if first { FrameType::Request } else { FrameType::RequestMore };
            chunk_frame(record, frame_type, id, more, chunk, |out| head.encode(out));
            more
        }
        Message::Reply { id, payload } => {
            let (chunk, more) = next_chunk(&payload.data, &mut sending.sent, chunk_len);
            let total_len = more.then_some(payload.data.len() as u64);
            let head = ReplyHead { codec: payload.codec as u8, total_len };
            let frame_type = if first { FrameType::Reply } else { FrameType::ReplyMore };
            chunk_frame(record, frame_type, *id, more, chunk, |out| head.encode(out));
            more
        }
        Message::Error { id, error } => {
            frame(record, FrameType::Error, *id, |out| body::encode_error(error, out));
            false
        }
        Message::Cancel { id } => {
            frame(record, FrameType::Cancel, *id, |_| {});
            false
        }
    }
}

/// The next `chunk_len` bytes, and whether more follow.
fn next_chunk<'a>(data: &'a Bytes, sent: &mut usize, chunk_len: usize) -> (&'a [u8], bool) {
    let start = *sent;
    *sent += chunk_len;
    (&data[start..*sent], *sent < data.len())
}

/// Writes a frame of a message: the head only in the first one.
fn chunk_frame(
    record: &mut BytesMut,
    frame_type: FrameType,
    id: u64,
    more: bool,
    chunk: &[u8],
    head: impl FnOnce(&mut BytesMut),
) {
    let start = record.len();
    frame(record, frame_type, id, |out| {
        let has_head = matches!(
            frame_type,
            FrameType::Request | FrameType::Reply | FrameType::Upload | FrameType::Item | FrameType::Publish
        );
        if has_head {
            head(out);
        }
        out.put_slice(chunk);
    });
    if more {
        record[start + 1] |= crate::wire::frame::MORE;
    }
}

/// Writes a header and the body that `body` writes, in place.
pub(super) fn frame(record: &mut BytesMut, frame_type: FrameType, id: u64, body: impl FnOnce(&mut BytesMut)) {
    let start = record.len();
    record.put_bytes(0, HEADER_LEN);
    body(record);
    let length = record.len() - start - HEADER_LEN;
    debug_assert!(length <= crate::wire::frame::BODY_LEN_MAX, "a body of {length} bytes fits no frame");
    let header = FrameHeader { frame_type, more: false, length: length as u16, id };
    header.encode(&mut &mut record[start..start + HEADER_LEN]);
}
