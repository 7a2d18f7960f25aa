use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::{Greetings, Heard, Tunnel};
use crate::identity::NodeId;
use crate::time::Instant;
use crate::wire::body::{TunnelAck, TunnelHeader};

const PATIENCE: Duration = Duration::from_secs(5);
const LATENCY: Duration = Duration::from_millis(30);

/// One direction of a tunnel over a path that loses and reorders: what is sent here arrives there, or not.
struct Path {
    now: Instant,
    source: Tunnel,
    sink: Tunnel,
    records: VecDeque<(Instant, u64, Bytes)>,
    acks: VecDeque<(Instant, u64, TunnelAck)>,
    arrived: Vec<u64>,
    sent: u64,
    sent_again: usize,
}

impl Path {
    fn new() -> Self {
        let (one, other) = (NodeId::from_bytes([1; 32]), NodeId::from_bytes([2; 32]));
        let now = Instant::from_millis(1);
        let mut path = Self {
            now,
            source: Tunnel::new(other, true, 7, 64 * 1024, now),
            sink: Tunnel::new(one, false, 7, 64 * 1024, now),
            records: VecDeque::new(),
            acks: VecDeque::new(),
            arrived: Vec::new(),
            sent: 0,
            sent_again: 0,
        };
        path.source.sending.begin(now, PATIENCE);
        path.sink.sending.begin(now, PATIENCE);
        path
    }

    /// A record of so many bytes, whose text is its number.
    fn send(&mut self, length: usize) {
        let number = self.source.sending.next_number();
        let mut payload = BytesMut::zeroed(length.max(8));
        payload[..8].copy_from_slice(&number.to_be_bytes());
        let payload = payload.freeze();
        self.source.sending.sent(self.now, payload.clone());
        self.records.push_back((self.now + LATENCY, number, payload));
        self.sent += 1;
    }

    fn number_of(payload: &Bytes) -> u64 {
        u64::from_be_bytes(*payload.first_chunk::<8>().unwrap())
    }

    fn receive(&mut self, number: u64, payload: Bytes) {
        if !self.sink.receiving.wants(number, payload.len()) {
            return self.sink.receiving.repeated(self.now);
        }
        self.sink.heard(self.now);
        self.sink.receiving.put(self.now, number, payload);
        while let Some(payload) = self.sink.receiving.next() {
            self.arrived.push(Self::number_of(&payload));
        }
    }

    /// What is due on both sides now; `lost` says which frames the path loses.
    fn step(&mut self, mut lost: impl FnMut() -> bool) {
        while self.records.front().is_some_and(|(at, ..)| *at <= self.now) {
            let Some((_, number, payload)) = self.records.pop_front() else { break };
            self.receive(number, payload);
        }
        while self.acks.front().is_some_and(|(at, ..)| *at <= self.now) {
            let Some((_, number, ack)) = self.acks.pop_front() else { break };
            if !self.source.receiving.is_news(number) {
                continue;
            }
            self.source.heard(self.now);
            self.source.receiving.ack_heard(self.now, number, ack.wants_answer);
            for payload in self.source.sending.acked(self.now, &ack, PATIENCE) {
                self.sent_again += 1;
                if !lost() {
                    self.records.push_back((self.now + LATENCY, Self::number_of(&payload), payload));
                }
            }
        }
        if self.source.sending.is_ask_due(self.now) {
            let number = self.source.sending.next_ack();
            let ask = self.source.receiving.ack(true);
            self.source.sending.asked(self.now, number, PATIENCE);
            if !lost() {
                self.sink.receiving.ack_heard(self.now, number, ask.wants_answer);
            }
        }
        if self.sink.receiving.ack_due().is_some_and(|due| due <= self.now) {
            let number = self.sink.sending.next_ack();
            let ack = self.sink.receiving.ack(false);
            if !lost() {
                self.acks.push_back((self.now + LATENCY, number, ack));
            }
        }
    }

    fn run(&mut self, span: Duration, mut lost: impl FnMut() -> bool) {
        let end = self.now + span;
        while self.now < end {
            self.step(&mut lost);
            self.now = self.now + Duration::from_millis(1);
        }
    }
}

#[test]
fn records_arrive_in_order_and_are_forgotten_once_acknowledged() {
    let mut path = Path::new();
    for _ in 0..20 {
        path.send(1_000);
    }
    path.run(Duration::from_millis(200), || false);
    assert_eq!(path.arrived, (1..=20).collect::<Vec<_>>());
    assert_eq!((path.source.sending.in_flight, path.sent_again), (0, 0));
    assert!(path.source.sending.unanswered_since().is_none());
}

#[test]
fn what_a_path_lost_is_sent_again_even_if_nothing_follows_it() {
    let mut path = Path::new();
    path.send(100);
    path.records.clear();
    path.run(Duration::from_secs(1), || false);
    assert_eq!((path.arrived.as_slice(), path.sent_again), (&[1][..], 1));
}

#[test]
fn a_gap_is_filled_and_what_came_after_it_waits() {
    let mut path = Path::new();
    for _ in 0..5 {
        path.send(100);
    }
    path.records.remove(1);
    path.run(LATENCY + Duration::from_millis(2), || false);
    assert_eq!(path.arrived, [1]);
    path.run(Duration::from_millis(300), || false);
    assert_eq!((path.arrived.as_slice(), path.sent_again), (&[1, 2, 3, 4, 5][..], 1));
}

#[test]
fn the_window_closes_over_what_is_not_acknowledged_and_shrinks_with_losses() {
    let mut path = Path::new();
    while path.source.sending.has_room() {
        path.send(4_000);
    }
    assert!(path.sent <= 17);
    let window = path.source.sending.window;
    path.records.drain(2..6);
    path.run(Duration::from_millis(100), || false);
    assert!(path.source.sending.window <= window, "no loss makes a window wider");
    path.run(Duration::from_secs(1), || false);
    assert_eq!(path.arrived.len() as u64, path.sent);
    assert!(path.source.sending.has_room());
}

#[test]
fn a_record_is_wanted_once() {
    let mut path = Path::new();
    path.send(10);
    path.send(10);
    let again = path.records.clone();
    path.run(Duration::from_millis(100), || false);
    for (_, number, _) in again {
        assert!(!path.sink.receiving.wants(number, 10), "record {number} is replayed");
    }
    assert!(!path.sink.receiving.wants(0, 10));
    assert!(!path.sink.receiving.wants(u64::MAX, 10), "nobody is that far ahead");
}

#[test]
fn an_acknowledgement_of_what_was_never_sent_does_no_harm() {
    let mut path = Path::new();
    path.send(100);
    let absurd = TunnelAck {
        before: 900,
        highest: u64::MAX,
        gaps: alloc::vec![(1_000, u32::MAX)],
        wants_answer: true,
        answers: Some(77),
    };
    path.source.sending.acked(path.now, &absurd, PATIENCE);
    assert_eq!(path.source.sending.in_flight, 0);
    path.send(100);
    path.run(Duration::from_secs(1), || false);
}

#[test]
fn greetings_are_heard_in_their_order_and_said_again_in_time() {
    let mut greetings = Greetings::default();
    assert_eq!(greetings.hear(1), Heard::TooEarly);
    assert_eq!(greetings.hear(0), Heard::Next);
    assert_eq!(greetings.hear(0), Heard::Again);
    let mut path = Path::new();
    let mut message = BytesMut::new();
    message.extend_from_slice(b"\x00\x00\x00\x02hi\x00\x00\x00\x03you");
    let said = path.source.greet(path.now, message);
    assert_eq!(said.len(), 2);
    assert_eq!(TunnelHeader::decode(&said[1]).unwrap().number, 1);
    assert!(path.source.greetings.again(path.now, true).is_empty(), "not at once");
    let due = path.source.greetings.next_due().unwrap();
    assert_eq!(path.source.greetings.again(due, true).len(), 2);
    assert!(path.source.greetings.next_due().unwrap() > due);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_a_path_loses_every_record_arrives_once_and_in_order(
        sizes in prop::collection::vec(1usize..4_000, 1..60),
        losses in prop::collection::vec(any::<bool>(), 1..64),
        swaps in prop::collection::vec((0usize..8, 0usize..8), 0..12),
    ) {
        let mut path = Path::new();
        let mut at = 0;
        // A third of what the list says is lost, for two seconds; then the path is good.
        let mut lost = || {
            at += 1;
            losses[at % losses.len()] && at % 3 == 0
        };
        for (index, size) in sizes.iter().enumerate() {
            if path.source.sending.has_room() {
                path.send(*size);
            }
            if let Some((a, b)) = swaps.get(index)
                && *a < path.records.len()
                && *b < path.records.len()
            {
                // Another path overtakes: the texts change places, the times stay.
                let (x, y) = (path.records[*a].clone(), path.records[*b].clone());
                (path.records[*a].1, path.records[*a].2) = (y.1, y.2);
                (path.records[*b].1, path.records[*b].2) = (x.1, x.2);
            }
            if lost() {
                path.records.pop_back();
            }
            path.run(Duration::from_millis(7), &mut lost);
        }
        path.run(Duration::from_secs(2), lost);
        path.run(Duration::from_secs(8), || false);
        prop_assert_eq!(&path.arrived, &(1..=path.sent).collect::<Vec<_>>());
        prop_assert_eq!(path.source.sending.in_flight, 0);
        prop_assert!(path.source.sending.unacked.is_empty());
    }
}
