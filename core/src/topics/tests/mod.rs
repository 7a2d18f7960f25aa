//! The machine by itself: what peers may send it, and what it keeps.

mod hostile;
mod laws;

use alloc::sync::Arc;
use alloc::vec::Vec;
use std::format;

use bytes::Bytes;

use super::{
    In, Out, Overflow, Publication, Publisher, SubscribeOptions, SubscriptionId, TopicEvent, Topics,
};
use crate::access::{Denied, Judge, Target};
use crate::crypto::RustCrypto;
use crate::link::LinkId;
use crate::machine::{Counters, Cx, Machine, NoTrace, RandomDomain, random_stream};
use crate::token::Right;
use crate::topics::publish::Candidate;
use crate::wire::body::topics::{PublishHead, Recipients};
use crate::wire::frame::{FrameHeader, FrameType};
use crate::wire::path::PathPattern;
use crate::{CloseReason, Config, Error, Incarnation, Instant, Limits, NodeId, Timing, Trust};

const LINK: LinkId = LinkId(1);

fn node(number: u8) -> NodeId {
    NodeId::from_bytes([number; 32])
}

fn publisher(number: u8, life: u64) -> Publisher {
    Publisher { node: node(number), incarnation: Incarnation::new(life) }
}

/// The machine of node 0, which has a link to node 1.
struct Bench {
    topics: Topics,
    now: Instant,
    counters: Counters,
}

/// No rules.
struct Anybody;

impl Judge for Anybody {
    fn judge(&self, _: Right, _: Target<'_>, _: &NodeId) -> Result<(), Denied> {
        Ok(())
    }
}

impl Bench {
    fn new(limits: Limits) -> Self {
        let config = Config {
            network: "test".parse().unwrap(),
            trust: Trust::Open,
            access: crate::config::Access::default(),
            route_metric: crate::config::RouteMetric::default(),
            label: "bench@test".parse().unwrap(),
            listen: Vec::new(),
            limits,
            timing: Timing::default(),
            crypto: Arc::new(RustCrypto),
        };
        let rng = random_stream(&[7; 32], RandomDomain::Topics);
        let topics = Topics::new(Arc::new(config), publisher(0, 1), rng);
        let mut bench = Self { topics, now: Instant::from_millis(1), counters: Counters::default() };
        bench.tell(In::Bind { link: LINK, peer: publisher(1, 1), message_bytes_max: 1 << 20 });
        bench.tell(In::Prefer { node: node(1), link: LINK });
        bench
    }

    fn with(&mut self, act: impl FnOnce(&mut Topics, &mut Cx<'_>)) -> Vec<Out> {
        let mut cx = Cx { now: self.now, trace: &mut NoTrace, counters: &mut self.counters };
        act(&mut self.topics, &mut cx);
        core::iter::from_fn(|| self.topics.poll()).collect()
    }

    fn tell(&mut self, input: In) -> Vec<Out> {
        self.with(|topics, cx| topics.handle(cx, input))
    }

    fn subscribe(&mut self, pattern: &str) -> SubscriptionId {
        self.subscribe_with(pattern, SubscribeOptions::default()).unwrap().0
    }

    fn subscribe_with(
        &mut self,
        pattern: &str,
        options: SubscribeOptions,
    ) -> Result<(SubscriptionId, PathPattern), Error> {
        let mut cx = Cx { now: self.now, trace: &mut NoTrace, counters: &mut self.counters };
        self.topics.subscribe(&mut cx, pattern, options)
    }

    fn frame(&mut self, link: LinkId, frame_type: FrameType, more: bool, body: Vec<u8>) -> Vec<Out> {
        let header = FrameHeader { frame_type, more, length: body.len() as u16, id: 0 };
        self.with(|topics, cx| topics.frame(cx, &Anybody, link, header, &body.into()))
    }

    /// An event of node 1 arrives in one frame. Gives who got it.
    fn arrives(&mut self, topic: &str, sequence: u64) -> Vec<(SubscriptionId, TopicEvent)> {
        events(self.frame(LINK, FrameType::Publish, false, body(&head(topic, sequence), b"x")))
    }

    fn publish(
        &mut self,
        publication: Publication<'_>,
        to: &[u8],
    ) -> (Result<super::PublishReport, Error>, Vec<Out>) {
        let candidates: Vec<Candidate<'_>> = to
            .iter()
            .map(|number| Candidate { node: node(*number), alone: true, groups: Vec::new(), reachable: true })
            .collect();
        let mut report = None;
        let out = self.with(|topics, cx| {
            let topic = topics.topic(publication.topic).unwrap();
            report = Some(topics.publish(cx, &Anybody, &topic, publication, &candidates));
        });
        (report.unwrap(), out)
    }

    fn counter(&self, name: &str) -> u64 {
        self.counters.iter().find(|(own, _)| *own == name).map_or(0, |(_, count)| count)
    }

    fn gauge(&self, name: &str) -> usize {
        let mut found = None;
        self.topics.gauges(|own, value, cap, _| {
            assert!(value <= cap, "{own}: {value} is over {cap}");
            if own == name {
                found = Some(value);
            }
        });
        found.unwrap()
    }
}

fn head(topic: &str, sequence: u64) -> PublishHead {
    PublishHead {
        topic: Arc::new(topic.parse().unwrap()),
        sequence,
        codec: 0,
        total_len: None,
        recipients: Recipients::All,
        headers: crate::wire::headers::Headers::new(),
    }
}

fn body(head: &PublishHead, payload: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    head.encode(&mut body);
    body.extend_from_slice(payload);
    body
}

fn events(out: Vec<Out>) -> Vec<(SubscriptionId, TopicEvent)> {
    let event = |out| match out {
        Out::Event { subscription, event } => (subscription, event),
        other => panic!("{other:?} is no event"),
    };
    out.into_iter().map(event).collect()
}

#[test]
fn what_waits_for_a_session_goes_in_order_once_there_is_one() {
    let mut bench = Bench::new(Limits::default());
    let mut asked = 0;
    for number in 0..3 {
        let text = format!("{number}");
        let (report, out) = bench.publish(Publication::new("t", text), &[9]);
        assert_eq!(report.unwrap().delivered, 1);
        asked +=
            out.iter().filter(|out| matches!(out, Out::OpenTunnel { node: far } if *far == node(9))).count();
    }
    assert_eq!(asked, 1, "one session is asked for");
    assert!(bench.gauge("topics.waiting_bytes") > 0);
    let tunnel = LinkId(u64::MAX);
    bench.tell(In::Bind { link: tunnel, peer: publisher(9, 1), message_bytes_max: 1 << 20 });
    let out = bench.tell(In::Prefer { node: node(9), link: tunnel });
    let sent: Vec<Bytes> = out
        .into_iter()
        .map(|out| match out {
            Out::Send { link, payload, .. } if link == tunnel => payload,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(sent, ["0", "1", "2"]);
    assert_eq!(bench.gauge("topics.waiting_bytes"), 0);
}

#[test]
fn what_waits_for_a_session_that_cannot_be_had_is_dropped_and_counted() {
    let mut bench = Bench::new(Limits::default());
    for _ in 0..3 {
        bench.publish(Publication::new("t", "x"), &[9]).0.unwrap();
    }
    assert!(bench.tell(In::NoPath { node: node(9) }).is_empty());
    assert_eq!((bench.topics.stats().dropped, bench.counter("topics.dropped_late")), (3, 3));
    assert!(bench.topics.is_idle());
}

#[test]
fn a_queue_has_a_limit_and_room_again_when_something_has_left() {
    let limits = Limits { published_bytes_per_link_max: 10_000, ..Limits::default() };
    let mut bench = Bench::new(limits);
    let text = "x".repeat(4_000);
    let publish =
        |bench: &mut Bench| bench.publish(Publication::new("t", text.clone()), &[1]).0.unwrap().delivered;
    assert_eq!([publish(&mut bench), publish(&mut bench), publish(&mut bench)], [1, 1, 0]);
    bench.tell(In::Left { link: LINK, bytes: 4_065 });
    assert_eq!([publish(&mut bench), publish(&mut bench)], [1, 0]);
    bench.tell(In::LinkLost { link: LINK });
    assert_eq!(bench.gauge("topics.queued_bytes_per_link"), 0);
}

#[test]
fn a_number_is_given_to_a_node_once_even_if_the_node_was_forgotten() {
    let mut bench = Bench::new(Limits::default());
    let sequence = |out: Vec<Out>| match &out[..] {
        [Out::Send { head, .. }] => head.sequence,
        other => panic!("{other:?}"),
    };
    let mut last = 0;
    for round in 0..20 {
        if round % 5 == 4 {
            bench.tell(In::Forget { node: node(1) });
        }
        let next = sequence(bench.publish(Publication::new("t", "x"), &[1]).1);
        assert!(next > last, "{next} after {last}");
        last = next;
        bench.publish(Publication::new("t", "for others"), &[]).0.unwrap();
    }
}

#[test]
fn late_and_repeated_events_are_left_out_and_missing_ones_are_counted() {
    let mut bench = Bench::new(Limits::default());
    bench.subscribe("t");
    let mut got = |sequence| {
        let id = SubscriptionId(1);
        let got = !bench.arrives("t", sequence).is_empty();
        bench.with(|topics, _| topics.event_taken(id));
        got
    };
    assert!(got(10), "the first number is where it begins");
    assert!(got(11));
    assert!(!got(11) && !got(9), "again, and late");
    assert!(got(15));
    assert_eq!(bench.counter("topics.came_late"), 2);
    assert_eq!(bench.topics.stats().lost, 3);
}

#[test]
fn a_blocking_subscription_drops_events_of_others_and_counts_them_apart() {
    let mut bench = Bench::new(Limits::default());
    let options = SubscribeOptions { queue_len: 1, overflow: Overflow::Block, group: None };
    let id = bench.subscribe_with("t", options).unwrap().0;
    for sequence in 1..=5 {
        bench.arrives("t", sequence);
    }
    let stats = bench.topics.subscription_stats(id).unwrap();
    assert_eq!((stats.delivered, stats.waiting, stats.dropped, stats.dropped_unheld), (1, 1, 0, 3));
}

#[test]
fn bytes_bound_a_subscription_too() {
    let mut bench = Bench::new(Limits::default());
    let id = bench.subscribe("t");
    for sequence in 1..=40 {
        let total_len = Some(1_000_000);
        let head = PublishHead { total_len, ..head("t", sequence) };
        bench.frame(LINK, FrameType::Publish, true, body(&head, &alloc::vec![0; 50_000]));
        for chunk in 1..20 {
            bench.frame(LINK, FrameType::PublishMore, chunk < 19, alloc::vec![0; 50_000]);
        }
        assert!(bench.gauge("topics.held_bytes_per_subscription") <= 16 << 20);
    }
    let stats = bench.topics.subscription_stats(id).unwrap();
    assert_eq!((stats.waiting, stats.dropped), (16, 23));
}

fn violation(out: &[Out]) -> Option<CloseReason> {
    out.iter().find_map(|out| match out {
        Out::Violation { reason, .. } => Some(*reason),
        _ => None,
    })
}
