//! Neighbours that say too much.

use super::*;
use crate::CloseReason;
use crate::wire::body::routing::{RouteEntry, RouteOffer, RouteRequest, RouteVersion, Routes};

const LINK: LinkId = LinkId(1);
const OTHER: LinkId = LinkId(2);

/// One node, with one neighbour that floods and another one.
struct Flooded {
    node: Node,
    now: Instant,
    outs: Vec<Out>,
}

impl Flooded {
    fn new(limits: Limits) -> Self {
        let config = config(RouteMetric::Hops, limits, Timing::default());
        let mut flooded =
            Self { node: Node::new(&config, 0, 1), now: Instant::from_millis(1), outs: Vec::new() };
        flooded.tell(In::LinkUp { link: LINK, peer: id(1) });
        flooded.tell(In::LinkUp { link: OTHER, peer: id(2) });
        flooded
    }

    fn tell(&mut self, input: In) {
        let mut outs = self.node.act(self.now, |routing, cx| routing.handle(cx, input));
        for node in unproven(&outs) {
            let proof = In::Incarnation { node, incarnation: Incarnation::new(1) };
            outs.extend(self.node.act(self.now, |routing, cx| routing.handle(cx, proof)));
        }
        self.outs.extend(outs);
        self.outs.extend(self.node.act(self.now, Routing::flush));
    }

    fn wait(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some(at) = self.node.routing.timeout().filter(|at| *at <= until) {
            self.now = at;
            self.outs.extend(self.node.act(at, Routing::on_timeout));
        }
        self.now = until;
    }

    fn say(&mut self, link: LinkId, routes: &Routes) {
        let mut body = Vec::new();
        routes.encode(&mut body);
        let body = Bytes::from(body);
        self.tell(In::Frame { link, header: header(FrameType::Routes, &body), body });
    }

    /// 1,024 offers, all new or all as good as others.
    fn say_many(&mut self, from: usize, sequence: u64) {
        let version = RouteVersion { incarnation: Incarnation::new(1), sequence };
        let offer = Some(RouteOffer { version, hops: 1 + (sequence % 2) as u8, metric: 2 });
        let entry = |node| RouteEntry { destination: id(node), offer };
        let entries = (from..from + 1_024).map(entry).collect();
        self.say(LINK, &Routes { entries, ..Routes::default() });
    }

    fn told(&mut self, link: LinkId) -> usize {
        let outs = core::mem::take(&mut self.outs);
        let entries = |out: &Out| match out {
            Out::Transmit { link: to, frame_type: FrameType::Routes, body } if *to == link => {
                Routes::decode(body).unwrap().entries.len()
            }
            _ => 0,
        };
        outs.iter().map(entries).sum()
    }

    fn violation(&self) -> Option<CloseReason> {
        self.node.heard.news.iter().find_map(|out| match out {
            Out::Violation { link: LINK, reason } => Some(*reason),
            _ => None,
        })
    }
}

#[test]
fn who_says_everything_at_once_is_heard_and_who_goes_on_is_throttled_and_then_cut() {
    let mut flooded = Flooded::new(Limits::default());
    for round in 0..128 {
        flooded.say_many(1_000, round);
    }
    assert_eq!(flooded.node.counted("routing.throttled"), 0);
    // Some of it waits, and is heard when its time has come.
    for round in 128..138 {
        flooded.say_many(1_000, round);
    }
    assert_eq!(flooded.node.counted("routing.throttled"), 10);
    let heard = |flooded: &Flooded| flooded.node.routing.route(&id(1_000)).unwrap().hops;
    assert_eq!(heard(&flooded), 3);
    flooded.wait(Duration::from_secs(1));
    flooded.say_many(1_000, 138);
    assert_eq!(flooded.node.counted("routing.throttled"), 11, "nothing overtakes what waits");
    flooded.wait(Duration::from_secs(60));
    assert_eq!((flooded.violation(), heard(&flooded)), (None, 2));
    for round in 0..200 {
        flooded.say_many(1_000, 1_000 + round);
    }
    assert_eq!(flooded.violation(), Some(CloseReason::Flooding));
    assert_eq!(flooded.node.counted("routing.flooded"), 1, "after that, nothing of it is heard");
    flooded.tell(In::LinkDown { link: LINK });
    assert_eq!(flooded.node.routing.offers, 0);
}

#[test]
fn a_flood_is_not_passed_on_as_one() {
    let mut flooded = Flooded::new(Limits::default());
    flooded.told(OTHER);
    for round in 0..100 {
        flooded.say_many(1_000, round);
    }
    // So much at once, and no more.
    assert!((20_000..=32_768).contains(&flooded.told(OTHER)));
    assert!(flooded.node.counted("routing.announcements_delayed") > 0);
    flooded.wait(Duration::from_secs(10));
    // What changed back and forth while it waited is said once.
    assert!(flooded.told(OTHER) <= 1_024);
    assert!(flooded.node.routing.dirty.is_empty());
}

#[test]
fn requests_of_all_kinds_are_answered_a_few_times() {
    let mut flooded = Flooded::new(Limits::default());
    for _ in 0..50 {
        for (frame_type, body) in [
            (FrameType::Ping, Bytes::from_static(&[0xa1, 1, 7])),
            (FrameType::RouteRequest, {
                let mut body = Vec::new();
                RouteRequest::Everything.encode(&mut body);
                body.into()
            }),
        ] {
            flooded.tell(In::Frame { link: LINK, header: header(frame_type, &body), body });
        }
    }
    assert_eq!(flooded.node.counted("routing.ping_ignored"), 30);
    assert_eq!(flooded.node.counted("routing.asked_for_everything_too_often"), 49);
}

#[test]
fn newer_sequence_numbers_are_made_twice_a_second_at_most_and_never_run_out() {
    let mut flooded = Flooded::new(Limits::default());
    for id_of_request in 0..1_000 {
        let version = RouteVersion { incarnation: Incarnation::new(1), sequence: u64::MAX };
        let request = RouteRequest::Newer { destination: id(0), version, hops: 3, id: id_of_request };
        let mut body = Vec::new();
        request.encode(&mut body);
        let body = Bytes::from(body);
        flooded.tell(In::Frame { link: LINK, header: header(FrameType::RouteRequest, &body), body });
        flooded.wait(Duration::from_millis(10));
    }
    let made = flooded.node.counted("routing.sequence_made");
    assert!((18..=21).contains(&made), "{made} in 10 s");
    assert!(flooded.node.routing.version.sequence <= 21);
}

#[test]
fn a_neighbour_that_offers_more_than_its_share_leaves_room_for_the_others() {
    let limits = Limits { routes_max: 5_000, routes_per_link_max: 3_000, ..Limits::default() };
    let mut flooded = Flooded::new(limits);
    for round in 0..8 {
        flooded.say_many(1_000 + 1_024 * round, 0);
    }
    assert_eq!(flooded.node.routing.destinations.len(), 3_000);
    // It takes them all back and offers others, again and again: what is gone must not fill the table.
    for round in 8..30 {
        let entries =
            |from: usize| (from..from + 1_024).map(|node| RouteEntry { destination: id(node), offer: None });
        for gone in [round - 8, round - 7, round - 6] {
            let entries = entries(1_000 + 1_024 * gone).collect();
            flooded.say(LINK, &Routes { entries, ..Routes::default() });
        }
        flooded.say_many(1_000 + 1_024 * round, 0);
        assert!(flooded.node.routing.destinations.len() <= 5_000);
        flooded.wait(Duration::from_secs(11));
    }
    let version = RouteVersion { incarnation: Incarnation::new(1), sequence: 0 };
    let offer = Some(RouteOffer { version, hops: 1, metric: 1 });
    let entries = alloc::vec![RouteEntry { destination: id(77), offer }];
    flooded.say(OTHER, &Routes { entries, ..Routes::default() });
    assert!(flooded.node.reaches(77), "another neighbour is heard all the same");
    assert!(flooded.node.counted("routing.forgotten_early") > 0);
}
