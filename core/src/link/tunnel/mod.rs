//! How a session gets through relays, which may lose what they carry and change its order: records have numbers, are
//! acknowledged, and sent again where they were lost.
//!
//! A value of its own that knows no key: what it is told has been authenticated. The rules stand in `docs/spec/relay.md`.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::identity::NodeId;
use crate::time::Instant;
use crate::wire::body::{ACK_GAPS_MAX, TUNNEL_HEADER_LEN, TunnelAck, TunnelHeader, TunnelKind};

/// Plaintext of one record at most: small enough that relays can interleave flows, large enough for any frame that is not
/// cut into chunks.
pub(super) const PLAINTEXT_LEN_MAX: usize = 20 * 1024;
/// Records that wait for an acknowledgement, and records that wait for one before them.
const RECORDS_MAX: usize = 1_024;
/// The window begins with this, and falls to half of it at most.
const WINDOW_START: usize = 64 * 1024;
/// An acknowledgement waits this long for others to join it.
const ACK_DELAY: Duration = Duration::from_millis(20);
/// Records and bytes after which it does not wait.
const ACK_AFTER_RECORDS: usize = 8;
const ACK_AFTER_BYTES: usize = 64 * 1024;
/// Times before the path's loss is suspected.
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(2);

/// One end of a tunnel.
#[derive(Debug)]
pub(super) struct Tunnel {
    pub(super) peer: NodeId,
    pub(super) opened_by_us: bool,
    pub(super) id: u64,
    pub(super) greetings: Greetings,
    pub(super) sending: Sending,
    pub(super) receiving: Receiving,
    /// When the last record of calls came or went.
    pub(super) active_at: Instant,
    /// The peer, or somebody in its name, says that it knows of no such tunnel: since when.
    pub(super) reset_at: Option<Instant>,
    /// It closes once everything that was sent has arrived.
    pub(super) finishes: bool,
    /// How often a handshake to open it was begun before, and spoiled.
    pub(super) restarts: u32,
}

impl Tunnel {
    pub(super) fn new(peer: NodeId, opened_by_us: bool, id: u64, window_max: usize, now: Instant) -> Self {
        Self {
            peer,
            opened_by_us,
            id,
            greetings: Greetings::default(),
            sending: Sending::new(window_max),
            receiving: Receiving::new(window_max),
            active_at: now,
            reset_at: None,
            finishes: false,
            restarts: 0,
        }
    }

    pub(super) fn header(&self, kind: TunnelKind, number: u64) -> [u8; TUNNEL_HEADER_LEN] {
        TunnelHeader { kind, from_opener: self.opened_by_us, tunnel: self.id, number }.encode()
    }

    /// Makes payloads of what a step of the handshake sends (messages behind their lengths), and keeps them until the
    /// peer has answered.
    pub(super) fn greet(&mut self, now: Instant, mut messages: BytesMut) -> Vec<Bytes> {
        self.greetings.last_batch = self.greetings.sent.len();
        while let Some(prefix) = messages.first_chunk::<4>() {
            let length = u32::from_be_bytes(*prefix) as usize;
            let mut payload = BytesMut::with_capacity(TUNNEL_HEADER_LEN + length);
            payload.extend_from_slice(&self.header(TunnelKind::Greeting, self.greetings.sent.len() as u64));
            let _ = messages.split_to(4);
            payload.extend_from_slice(&messages.split_to(length.min(messages.len())));
            self.greetings.sent.push(payload.freeze());
        }
        self.greetings.again_at = now + RETRY_MIN;
        self.greetings.tries = 0;
        self.greetings.sent[self.greetings.last_batch..].to_vec()
    }

    /// Like [`greet`](Self::greet), but the messages leave only then.
    pub(super) fn greet_later(&mut self, at: Instant, messages: BytesMut) {
        self.greet(at, messages);
        self.greetings.again_at = at;
    }

    /// Something authentic arrived.
    pub(super) fn heard(&mut self, now: Instant) {
        self.sending.unanswered_since = None;
        self.sending.heard_at = now;
        self.reset_at = None;
    }
}

/// The messages of the handshake, each with its place in the order.
#[derive(Debug, Default)]
pub(super) struct Greetings {
    sent: Vec<Bytes>,
    last_batch: usize,
    heard: u64,
    again_at: Instant,
    tries: u32,
}

/// What an arriving greeting is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The next one.
    Next,
    /// One that came before: the peer has not heard our answer.
    Again,
    /// One whose predecessor is missing.
    TooEarly,
}

impl Greetings {
    pub(super) fn hear(&mut self, index: u64) -> Heard {
        match index.cmp(&self.heard) {
            core::cmp::Ordering::Less => Heard::Again,
            core::cmp::Ordering::Equal => {
                self.heard += 1;
                Heard::Next
            }
            core::cmp::Ordering::Greater => Heard::TooEarly,
        }
    }

    /// Whether the peer, or somebody in its name, has answered.
    pub(super) fn has_heard(&self) -> bool {
        self.heard > 0
    }

    /// What was said last, to be said again; not more often than it may be.
    pub(super) fn again(&mut self, now: Instant, is_due: bool) -> &[Bytes] {
        let early = self.again_at - now > RETRY_MIN / 2;
        if now < self.again_at && (is_due || early) {
            return &[];
        }
        self.tries = (self.tries + 1).min(3);
        self.again_at = now + RETRY_MIN * (1 << self.tries);
        &self.sent[self.last_batch..]
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        (!self.sent.is_empty()).then_some(self.again_at)
    }
}

/// What has been sent and not acknowledged.
#[derive(Debug)]
pub(super) struct Sending {
    next_number: u64,
    unacked: BTreeMap<u64, Unacked>,
    in_flight: usize,
    window: usize,
    window_max: usize,
    window_cut_at: Instant,
    /// The number of the last acknowledgement that we sent.
    acks: u64,
    /// The acknowledgement that asked for an answer: its number, the last record before it, and when it left.
    question: Option<(u64, u64, Instant)>,
    /// When to ask what has arrived.
    ask_at: Instant,
    backoff: u32,
    round_trip: Duration,
    heard_at: Instant,
    /// Since when everything we sent has been without an answer.
    unanswered_since: Option<Instant>,
}

#[derive(Debug)]
struct Unacked {
    payload: Bytes,
    sent_at: Instant,
    resent: bool,
}

impl Sending {
    fn new(window_max: usize) -> Self {
        Self {
            next_number: 1,
            unacked: BTreeMap::new(),
            in_flight: 0,
            window: WINDOW_START.min(window_max),
            window_max,
            window_cut_at: Instant::ZERO,
            acks: 0,
            question: None,
            ask_at: Instant::NEVER,
            backoff: 0,
            round_trip: Duration::ZERO,
            heard_at: Instant::ZERO,
            unanswered_since: None,
        }
    }

    /// The session is up: from now on a silent peer is asked whether it is there.
    pub(super) fn begin(&mut self, now: Instant, patience: Duration) {
        self.heard_at = now;
        self.ask_at = now + patience;
    }

    pub(super) fn has_room(&self) -> bool {
        self.in_flight < self.window && self.unacked.len() < RECORDS_MAX
    }

    /// Whether everything that was sent has arrived.
    pub(super) fn has_arrived(&self) -> bool {
        self.unacked.is_empty()
    }

    pub(super) fn next_number(&self) -> u64 {
        self.next_number
    }

    /// A record leaves.
    pub(super) fn sent(&mut self, now: Instant, payload: Bytes) {
        if self.unacked.is_empty() {
            self.backoff = 0;
            self.ask_at = now + self.retry_after();
        }
        self.unanswered_since.get_or_insert(now);
        self.in_flight += payload.len();
        self.unacked.insert(self.next_number, Unacked { payload, sent_at: now, resent: false });
        self.next_number += 1;
    }

    fn retry_after(&self) -> Duration {
        let base = (self.round_trip * 2 + ACK_DELAY * 4).max(RETRY_MIN);
        (base * (1 << self.backoff.min(4))).min(RETRY_MAX)
    }

    /// The number of the next acknowledgement.
    pub(super) fn next_ack(&mut self) -> u64 {
        self.acks += 1;
        self.acks
    }

    /// The acknowledgement with this number asks for an answer.
    pub(super) fn asked(&mut self, now: Instant, number: u64, patience: Duration) {
        self.question = Some((number, self.next_number - 1, now));
        self.backoff = (self.backoff + 1).min(8);
        self.ask_at = now + if self.unacked.is_empty() { patience / 4 } else { self.retry_after() };
        self.unanswered_since.get_or_insert(now);
    }

    /// Whether it is time to ask.
    pub(super) fn is_ask_due(&self, now: Instant) -> bool {
        self.ask_at <= now
    }

    /// The path has changed or lost something: ask soon, unless it has just been asked.
    pub(super) fn doubt(&mut self, now: Instant) {
        let just_asked = self.question.is_some_and(|(_, _, at)| now - at < RETRY_MIN / 4);
        if !self.unacked.is_empty() && !just_asked {
            self.ask_at = now;
        }
    }

    pub(super) fn ask_at(&self) -> Instant {
        self.ask_at
    }

    pub(super) fn unanswered_since(&self) -> Option<Instant> {
        self.unanswered_since
    }

    /// What an acknowledgement means: gives the payloads to be sent again.
    pub(super) fn acked(&mut self, now: Instant, ack: &TunnelAck, patience: Duration) -> Vec<Bytes> {
        let answered = self.question.take_if(|(number, _, _)| ack.answers == Some(*number));
        if let Some((_, _, asked_at)) = answered {
            self.measured(now - asked_at);
            self.backoff = 0;
        }
        let arrived = self.take_arrived(now, ack);
        if arrived > 0 {
            self.backoff = 0;
            self.window = (self.window + arrived / 2).min(self.window_max);
        }
        let again = self.take_lost(now, ack, answered.map(|(_, last, _)| last));
        if !again.is_empty() && now - self.window_cut_at >= self.round_trip {
            self.window_cut_at = now;
            self.window = (self.window / 2).max(WINDOW_START / 2).min(self.window_max);
        }
        self.ask_at = now + if self.unacked.is_empty() { patience } else { self.retry_after() };
        if !self.unacked.is_empty() {
            self.unanswered_since = Some(now);
        }
        again
    }

    fn measured(&mut self, sample: Duration) {
        self.round_trip = if self.round_trip.is_zero() { sample } else { (self.round_trip * 7 + sample) / 8 };
    }

    /// Forgets what has arrived; gives its bytes.
    fn take_arrived(&mut self, now: Instant, ack: &TunnelAck) -> usize {
        let missing = |number: u64| {
            number > ack.highest
                || ack.gaps.iter().any(|(first, count)| (*first..first + u64::from(*count)).contains(&number))
                // More gaps than were told may follow the last one.
                || ack.gaps.len() == ACK_GAPS_MAX
                    && ack.gaps.last().is_some_and(|(first, count)| number >= first + u64::from(*count))
        };
        let arrived: Vec<u64> =
            self.unacked.keys().copied().filter(|number| *number < ack.before || !missing(*number)).collect();
        let mut bytes = 0;
        for number in arrived {
            let Some(record) = self.unacked.remove(&number) else { continue };
            bytes += record.payload.len();
            if !record.resent && self.unacked.range(..number).next().is_none() {
                self.measured(now - record.sent_at);
            }
        }
        self.in_flight -= bytes;
        bytes
    }

    /// What is lost: a gap, because paths keep the order; and what left before a question that was answered without it.
    fn take_lost(&mut self, now: Instant, ack: &TunnelAck, before_question: Option<u64>) -> Vec<Bytes> {
        let mut again = Vec::new();
        let in_gap = |number: u64| {
            ack.gaps.iter().any(|(first, count)| (*first..first + u64::from(*count)).contains(&number))
        };
        let rest = self.round_trip.max(ACK_DELAY);
        for (number, record) in &mut self.unacked {
            let passed_over = in_gap(*number) && now - record.sent_at >= rest;
            let lost = passed_over || before_question.is_some_and(|last| *number <= last);
            if lost {
                record.sent_at = now;
                record.resent = true;
                again.push(record.payload.clone());
            }
        }
        again
    }
}

/// What has arrived, and in which order it is handed on.
#[derive(Debug)]
pub(super) struct Receiving {
    /// Every record below this number has been handed on.
    before: u64,
    /// Records that wait for one before them.
    waiting: BTreeMap<u64, Bytes>,
    waiting_bytes: usize,
    bytes_max: usize,
    ack_due: Option<Instant>,
    unacked_records: usize,
    unacked_bytes: usize,
    /// The number of the last acknowledgement that was heard; older ones are ignored.
    ack_heard: u64,
    /// The peer's question that the next acknowledgement answers.
    question: Option<u64>,
}

impl Receiving {
    fn new(bytes_max: usize) -> Self {
        Self {
            before: 1,
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            bytes_max,
            ack_due: None,
            unacked_records: 0,
            unacked_bytes: 0,
            ack_heard: 0,
            question: None,
        }
    }

    /// Whether a record with this number is new and has room; a replayed one is neither.
    pub(super) fn wants(&self, number: u64, length: usize) -> bool {
        let in_window = number >= self.before && number - self.before < RECORDS_MAX as u64;
        in_window
            && !self.waiting.contains_key(&number)
            && (number == self.before || self.waiting_bytes + length <= 2 * self.bytes_max)
    }

    /// Records are handed on once, and in their order.
    pub(super) fn check_order(&self, number: u64) {
        debug_assert_eq!(number, self.before, "a record of a tunnel was handed on before");
    }

    /// A record came once more: the acknowledgement was lost, and is repeated.
    pub(super) fn repeated(&mut self, now: Instant) {
        self.ack_due = Some(self.ack_due.map_or(now + ACK_DELAY, |due| due.min(now + ACK_DELAY)));
    }

    /// Keeps a record that was opened.
    pub(super) fn put(&mut self, now: Instant, number: u64, plaintext: Bytes) {
        debug_assert!(self.wants(number, plaintext.len()), "only what is wanted is kept");
        self.unacked_records += 1;
        self.unacked_bytes += plaintext.len();
        self.waiting_bytes += plaintext.len();
        self.waiting.insert(number, plaintext);
        let hurry = self.unacked_records >= ACK_AFTER_RECORDS
            || self.unacked_bytes >= ACK_AFTER_BYTES
            || number != self.before;
        let due = if hurry { now } else { now + ACK_DELAY };
        self.ack_due = Some(self.ack_due.map_or(due, |at| at.min(due)));
    }

    /// The next record in the order of their numbers.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        let plaintext = self.waiting.remove(&self.before)?;
        self.before += 1;
        self.waiting_bytes -= plaintext.len();
        Some(plaintext)
    }

    /// Whether an acknowledgement with this number is newer than the last one.
    pub(super) fn is_news(&self, number: u64) -> bool {
        number > self.ack_heard
    }

    /// An acknowledgement was opened.
    pub(super) fn ack_heard(&mut self, now: Instant, number: u64, wants_answer: bool) {
        self.ack_heard = number;
        if wants_answer {
            self.question = Some(number);
            self.ack_due = Some(now);
        }
    }

    pub(super) fn ack_due(&self) -> Option<Instant> {
        self.ack_due
    }

    /// What is to be acknowledged.
    pub(super) fn ack(&mut self, wants_answer: bool) -> TunnelAck {
        self.ack_due = None;
        self.unacked_records = 0;
        self.unacked_bytes = 0;
        let mut gaps = Vec::new();
        let mut next = self.before;
        for number in self.waiting.keys() {
            if *number > next && gaps.len() < ACK_GAPS_MAX {
                gaps.push((next, (*number - next) as u32));
            }
            next = *number + 1;
        }
        let highest = self.waiting.keys().next_back().copied().unwrap_or(self.before - 1);
        TunnelAck { before: self.before, highest, gaps, wants_answer, answers: self.question.take() }
    }
}

#[cfg(test)]
mod tests;
