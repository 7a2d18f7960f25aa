//! Sessions through relays: what they owe to calls, and what members may do to them.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use std::sync::Mutex;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::Net;
use crate::engine::{CallOptions, Event, NodeStatus};
use crate::machine::Trace;
use crate::membership;
use crate::session::{Carrier, HandshakeConfig, Initiator, Offer, VersionRange, WireLimits};
use crate::wire::body::routing::RoutedHead;
use crate::wire::body::{TunnelHeader, TunnelKind};
use crate::wire::frame::{FrameHeader, FrameType};
use crate::{Config, Engine, NodeId};

#[test]
fn a_record_leaves_in_the_turn_in_which_it_was_made() {
    let mut net = Net::line(3);
    let op = net.call(0, 2, "echo", "opens the tunnel").unwrap();
    net.wait_for(0, op).unwrap();
    let asked_at = net.now;
    let op = net.call(0, 2, "echo", "goes at once").unwrap();
    net.wait_for(0, op).unwrap();
    assert_eq!(net.now, asked_at, "a record waited for something else to happen");
}

#[test]
fn a_call_that_is_open_when_a_link_comes_up_gets_its_answer_by_the_tunnel() {
    for patience in [1, 30] {
        let mut net = Net::line(3);
        net.echo = false;
        let (now, target) = (net.now, crate::engine::Target::Node(net.id(2)));
        let timeout = Some(Duration::from_secs(100));
        let call = crate::engine::Call {
            target,
            action: "echo",
            payload: "x".into(),
            timeout,
            options: CallOptions::default(),
        };
        let op = net.node(0).call(now, call).unwrap();
        net.run_until("the handler has it", |net| !net.requests(2).is_empty());
        net.connect(0, 2);
        net.run_until("they are neighbours", |net| net.node(0).peers().len() == 2);
        net.run_for(Duration::from_secs(patience));
        let request = net.requests(2)[0].0;
        assert!(net.reply(2, request, Ok("answered".into())), "the request was cancelled");
        assert_eq!(net.wait_for(0, op).unwrap().data, "answered", "after {patience} s");
        net.run_for(Duration::from_secs(1));
        let tunnels = net.node(0).gauges().into_iter().find(|gauge| gauge.name == "link.tunnels").unwrap();
        assert_eq!(tunnels.value, 0, "after {patience} s");
        net.assert_quiet();
    }
}

#[test]
fn calls_to_a_life_that_is_over_have_their_outcome_before_its_end_is_told() {
    let mut net = Net::line(4);
    net.echo = false;
    let op = net.call(0, 3, "echo", "x").unwrap();
    net.run_until("the handler has it", |net| !net.requests(3).is_empty());
    net.kill(3, true);
    net.start(3, 2, super::config(3));
    net.connect(3, 2);
    net.wait_for(0, op).unwrap_err();
    net.run_until("the end is told", |net| net.has_event(0, |event| matches!(event, Event::NodeDown { .. })));
    let place = |is_it: &dyn Fn(&Event) -> bool| net.events[0].iter().position(is_it).unwrap();
    let outcome = place(&|event| matches!(event, Event::CallDone { op: done, .. } if *done == op));
    assert!(outcome < place(&|event| matches!(event, Event::NodeDown { .. })), "{:?}", net.events[0]);
}

#[test]
fn tunnels_are_told_apart_by_the_life_at_their_other_end() {
    let mut net = Net::line(3);
    let op = net.call(0, 2, "echo", "x").unwrap();
    net.wait_for(0, op).unwrap();
    let (node, incarnation) = (net.id(2), crate::Incarnation::new(1));
    // That of this life ends with it, and one of a later life would not.
    let own = net.node(0).links.tunnels_to(node, Some(incarnation.after()));
    assert_eq!(own.len(), 1);
    assert!(net.node(0).links.tunnels_to(node, Some(incarnation)).is_empty());
}

/// The first message of a handshake for a tunnel, as a member can make it in anybody's name.
fn first_greeting(number: u64) -> bytes::Bytes {
    let crypto = Arc::new(crate::crypto::RustCrypto);
    let limits = WireLimits { record_bytes_max: 65_535, message_bytes_max: 16 << 20, window_bytes: 65_536 };
    let config = HandshakeConfig {
        network: "test".parse().unwrap(),
        network_key: Some(crate::config::NetworkKey::new([7; 32])),
        offer: Offer {
            versions: VersionRange::SUPPORTED,
            aeads: crate::crypto::AeadId::ALL.to_vec(),
            limits,
        },
        crypto,
        carrier: Carrier::Relays,
    };
    let mut seed = [1; 32];
    seed[..8].copy_from_slice(&number.to_be_bytes());
    let (_, message) = Initiator::start(&config, ChaCha20Rng::from_seed(seed));
    let header = TunnelHeader { kind: TunnelKind::Greeting, from_opener: true, tunnel: number, number: 0 };
    [&header.encode()[..], &message].concat().into()
}

#[test]
fn handshakes_in_the_names_of_others_keep_nobody_out() {
    let mut net = Net::line(3);
    let source = net.id(0);
    for number in 0..40 {
        // Some in the name of a node that will want to open one, some in those of nodes that do not exist.
        let other = crate::NodeId::from_bytes([number as u8; 32]);
        for (offset, source) in [(0, source), (1_000, other)] {
            let payload = first_greeting(number + offset);
            net.node(2).tell_links(crate::link::In::Routed { source, payload });
        }
    }
    assert!(net.counter(2, "link.tunnel_made_room") > 0);
    let asked_at = net.now;
    let op = net.call(0, 2, "echo", "gets in").unwrap();
    assert_eq!(net.wait_for(0, op).unwrap().data, "gets in");
    assert!(net.now - asked_at < Duration::from_millis(500));
    let handshakes = net.node(2).gauges().into_iter().find(|gauge| gauge.name == "link.handshakes").unwrap();
    assert_eq!(handshakes.value, 0, "tunnels take no room from links");
    net.run_for(Duration::from_secs(6));
    net.assert_quiet();
}

#[test]
fn nodes_that_were_made_up_are_forgotten_with_the_paths_to_them() {
    let mut net = Net::new(1);
    for number in 0..1_000_u16 {
        let mut id = [0xaa; 32];
        id[..2].copy_from_slice(&number.to_be_bytes());
        let node = crate::NodeId::from_bytes(id);
        net.node(0).tell_membership(membership::In::Reachable { node, signed: None });
        net.node(0).tell_membership(membership::In::Unreachable { node });
    }
    let nodes = net.node(0).gauges().into_iter().find(|gauge| gauge.name == "membership.nodes").unwrap();
    assert_eq!(nodes.value, 0);
}

#[test]
fn where_nodes_fill_the_table_the_one_that_is_down_for_longest_makes_room() {
    let mut net = Net::new(1);
    let mut small = super::config(0);
    small.limits.nodes_max = 3;
    net.start(0, 2, small);
    let ids: Vec<_> = (1..=6).map(|number| crate::NodeId::from_bytes([number; 32])).collect();
    for (place, node) in ids.iter().enumerate() {
        let signed = Some(crate::Incarnation::new(1));
        net.node(0).tell_membership(membership::In::Reachable { node: *node, signed });
        net.settle();
        assert_eq!(net.node(0).node_status(node), Some(NodeStatus::Up), "node {place}");
        net.node(0).tell_membership(membership::In::Unreachable { node: *node });
        net.run_for(Duration::from_secs(6));
        assert_eq!(net.node(0).node_status(node), Some(NodeStatus::Down), "node {place}");
    }
    assert_eq!(net.node(0).node_status(&ids[2]), None);
    assert_eq!(net.node(0).node_status(&ids[3]), Some(NodeStatus::Down));
}

#[test]
fn a_path_alone_does_not_bring_a_node_back() {
    let mut net = Net::line(3);
    let node = net.id(2);
    net.kill(2, true);
    net.run_until("it is down", |net| net.status(2, 0) == Some(NodeStatus::Down));
    net.node(0).tell_membership(membership::In::Reachable { node, signed: None });
    net.run_for(Duration::from_secs(30));
    assert_eq!(net.status(2, 0), Some(NodeStatus::Down));
}

#[test]
fn nobody_keeps_a_node_from_proving_that_it_is_alive() {
    let mut net = Net::mesh(4, &[(0, 1), (1, 2), (0, 2), (3, 2)]);
    let bad = net.id(3);
    let link = net.node(2).peers().iter().find(|peer| peer.node == bad).unwrap().link;
    for (a, b) in [(0, 2), (2, 0)] {
        let now = net.now;
        net.node(a).disconnect(now, &super::address(b));
    }
    net.cut(0, 2);
    for _ in 0..100 {
        let at = net.now + Duration::from_millis(100);
        // Node 3 asks in the names of others, all the time.
        let asker = net.id(0);
        for nonce in 0..64 {
            let header =
                TunnelHeader { kind: TunnelKind::Probe, from_opener: true, tunnel: nonce, number: 0 };
            let payload = bytes::Bytes::copy_from_slice(&header.encode());
            net.node(2).deliver(asker, payload, link);
        }
        net.run_for(at - net.now);
    }
    net.run_for(Duration::from_secs(30));
    assert_eq!(net.status(2, 0), Some(NodeStatus::Up));
    assert!(net.counter(2, "membership.probes_over_budget") > 0);
    assert!(!net.has_event(0, |event| matches!(event, Event::NodeDown { .. })), "{:?}", net.events[0]);
}

/// What a relay sees of tunnels, and whether it loses what it should pass on.
#[derive(Clone, Default)]
struct Relay(Arc<Mutex<Relayed>>);

#[derive(Default)]
struct Relayed {
    loses: bool,
    /// Who sent it, and what it is.
    seen: Vec<(NodeId, TunnelHeader)>,
}

impl Trace for Relay {
    fn fault(&mut self, site: &'static str) -> bool {
        site == "relay.loses" && self.0.lock().unwrap().loses
    }

    fn relayed(&mut self, body: &[u8]) {
        let head = RoutedHead::decode(body).unwrap();
        let header = TunnelHeader::decode(&body[RoutedHead::LEN..]).unwrap();
        self.0.lock().unwrap().seen.push((head.source, header));
    }
}

impl Relay {
    fn loses(&self, loses: bool) {
        self.0.lock().unwrap().loses = loses;
    }

    /// What a node has sent of one kind.
    fn seen(&self, source: NodeId, kind: TunnelKind) -> Vec<TunnelHeader> {
        let relayed = self.0.lock().unwrap();
        relayed
            .seen
            .iter()
            .filter(|(from, header)| *from == source && header.kind == kind)
            .map(|(_, header)| *header)
            .collect()
    }

    /// Everything that a node has sent.
    fn kinds(&self, source: NodeId) -> Vec<TunnelKind> {
        let relayed = self.0.lock().unwrap();
        relayed.seen.iter().filter(|(from, _)| *from == source).map(|(_, header)| header.kind).collect()
    }
}

impl Net {
    /// A line of three nodes, the middle one of which is watched.
    fn through(relay: &Relay, first: Config) -> Self {
        let mut net = Self::new(3);
        net.start(0, 1, first);
        let config = Arc::new(super::config(1));
        let life = crate::Incarnation::new(1);
        net.nodes[1] = Some(Engine::new(config, super::identity(1), life, net.now, [77; 32], relay.clone()));
        net.connect(0, 1);
        net.connect(1, 2);
        for (of, at) in [(2, 0), (0, 2)] {
            net.run_until("the ends know each other", |net| net.status(of, at) == Some(NodeStatus::Up));
        }
        net
    }

    /// Runs without letting time pass, until that is so or nothing moves.
    fn step_until(&mut self, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        loop {
            self.drain();
            if done(self) {
                return true;
            }
            if !self.deliver() {
                return false;
            }
        }
    }

    /// Something that the relay could make: a greeting of a tunnel, in another node's name.
    fn forge_greeting(&mut self, at: usize, source: usize, seen: TunnelHeader, number: u64) {
        let from_opener = source == 0;
        let header = TunnelHeader { kind: TunnelKind::Greeting, from_opener, tunnel: seen.tunnel, number };
        let payload = [&header.encode()[..], &[0x5a; 100]].concat().into();
        let source = self.id(source);
        self.node(at).tell_links(crate::link::In::Routed { source, payload });
    }

    fn gauge(&mut self, node: usize, name: &str) -> usize {
        self.node(node).gauges().into_iter().find(|gauge| gauge.name == name).unwrap().value
    }
}

#[test]
fn a_node_stops_only_when_its_last_answer_has_arrived() {
    let relay = Relay::default();
    let mut net = Net::through(&relay, super::config(0));
    net.echo = false;
    let op = net.call(0, 2, "echo", "x").unwrap();
    net.run_until("the handler has it", |net| !net.requests(2).is_empty());
    relay.loses(true);
    let (request, now) = (net.requests(2)[0].0, net.now);
    assert!(net.reply(2, request, Ok("the last one".into())));
    net.node(2).shutdown(now, now + Duration::from_secs(5));
    net.run_for(Duration::from_millis(300));
    relay.loses(false);
    assert_eq!(net.wait_for(0, op).unwrap().data, "the last one");
    net.run_until("it has stopped", |net| net.has_event(2, |event| matches!(event, Event::Stopped)));
    assert!(net.now - now < Duration::from_secs(2), "it waits for nothing else");
}

#[test]
fn a_node_whose_last_answer_cannot_arrive_stops_in_time() {
    let relay = Relay::default();
    let mut net = Net::through(&relay, super::config(0));
    net.echo = false;
    net.call(0, 2, "echo", "x").unwrap();
    net.run_until("the handler has it", |net| !net.requests(2).is_empty());
    relay.loses(true);
    let (request, now) = (net.requests(2)[0].0, net.now);
    assert!(net.reply(2, request, Ok("the last one".into())));
    net.node(2).shutdown(now, now + Duration::from_secs(3));
    net.run_for(Duration::from_millis(2_999));
    assert!(!net.has_event(2, |event| matches!(event, Event::Stopped)), "it gave up early");
    net.run_for(Duration::from_millis(1));
    assert!(net.has_event(2, |event| matches!(event, Event::Stopped)), "it never stops");
}

#[test]
fn the_last_words_of_a_tunnel_leave_before_the_link_that_carries_them_closes() {
    let relay = Relay::default();
    let mut net = Net::through(&relay, super::config(0));
    net.echo = false;
    let op = net.call(0, 2, "echo", "x").unwrap();
    net.run_until("the handler has it", |net| !net.requests(2).is_empty());
    let now = net.now;
    net.node(2).shutdown(now, now);
    let error = net.wait_for(0, op).unwrap_err();
    assert_eq!(error.kind(), Some(crate::Kind::Stopped), "{error}");
    let kinds = relay.kinds(net.id(2));
    assert!(kinds.ends_with(&[TunnelKind::Record, TunnelKind::Ack, TunnelKind::Record]), "{kinds:?}");
}

#[test]
fn a_forged_greeting_only_makes_the_handshake_begin_again() {
    let relay = Relay::default();
    let mut net = Net::through(&relay, super::config(0));
    let (asked_at, own) = (net.now, net.id(0));
    let op = net.call(0, 2, "echo", "patient").unwrap();
    assert!(net.step_until(|_| !relay.seen(own, TunnelKind::Greeting).is_empty()));
    let seen = relay.seen(own, TunnelKind::Greeting)[0];
    net.forge_greeting(0, 2, seen, 0);
    assert_eq!(net.wait_for(0, op).unwrap().data, "patient");
    assert_eq!(net.now, asked_at, "the first time it begins again at once");
    assert_eq!(net.counter(0, "link.tunnel_began_again"), 1);
    net.run_for(Duration::from_secs(10));
    net.assert_quiet();
}

#[test]
fn a_handshake_that_was_spoiled_at_its_other_end_begins_again_too() {
    let relay = Relay::default();
    let mut net = Net::through(&relay, super::config(0));
    let (asked_at, other) = (net.now, net.id(2));
    let op = net.call(0, 2, "echo", "patient").unwrap();
    assert!(net.step_until(|_| !relay.seen(other, TunnelKind::Greeting).is_empty()));
    let seen = relay.seen(other, TunnelKind::Greeting)[0];
    net.forge_greeting(2, 0, seen, 1);
    assert_eq!(net.wait_for(0, op).unwrap().data, "patient");
    assert!(net.now - asked_at < Duration::from_secs(1), "after {:?}", net.now - asked_at);
}

#[test]
fn who_spoils_every_handshake_is_given_so_many_tries() {
    let relay = Relay::default();
    let mut net = Net::through(&relay, super::config(0));
    let (asked_at, own) = (net.now, net.id(0));
    let op = net.call(0, 2, "echo", "patient").unwrap();
    let mut forged = 0;
    while net.outcome(0, op).is_none() {
        if net.step_until(|_| relay.seen(own, TunnelKind::Greeting).len() > forged) {
            let seen = relay.seen(own, TunnelKind::Greeting)[forged];
            forged += 1;
            net.forge_greeting(0, 2, seen, 0);
        } else if let Some(next) = net.next_timeout() {
            net.advance_to(next);
        }
    }
    assert_eq!(forged, 6);
    let error = net.wait_for(0, op).unwrap_err();
    assert_eq!((error.kind(), error.maybe_executed()), (Some(crate::Kind::Unreachable), false));
    assert!(net.now - asked_at > Duration::from_secs(3), "it gave up after {:?}", net.now - asked_at);
}

#[test]
fn calls_that_wait_for_a_session_are_bounded_in_bytes() {
    let relay = Relay::default();
    let mut small = super::config(0);
    small.limits.waiting_bytes_max = 1_000;
    let mut net = Net::through(&relay, small);
    let first = net.call(0, 2, "echo", std::vec![1; 600]).unwrap();
    let error = net.call(0, 2, "echo", std::vec![2; 600]).unwrap_err();
    assert_eq!((error.code(), error.maybe_executed()), (crate::Code::Backpressure, false));
    let second = net.call(0, 2, "echo", std::vec![3; 400]).unwrap();
    assert_eq!(net.gauge(0, "delivery.waiting_bytes"), 1_000);
    // Those whose action is being looked for are of the same kind.
    let (now, target) = (net.now, crate::engine::Target::Any);
    let call = crate::engine::Call {
        target,
        action: "nobody/has/it",
        payload: "x".into(),
        timeout: None,
        options: CallOptions::default(),
    };
    assert_eq!(net.node(0).call(now, call).unwrap_err().code(), crate::Code::Backpressure);
    for op in [first, second] {
        net.wait_for(0, op).unwrap();
    }
    net.run_for(Duration::from_secs(1));
    net.assert_quiet();
    // A large one has room where nothing else waits.
    let now = net.now;
    for link in net.node(0).links.ids().into_iter().filter(|link| link.is_tunnel()) {
        net.node(0).close_link(now, link);
    }
    net.settle();
    let op = net.call(0, 2, "echo", std::vec![4; 5_000]).unwrap();
    net.node(0).cancel(now, op);
    assert_eq!(net.gauge(0, "delivery.waiting_bytes"), 0, "a call that is cancelled waits no more");
    let op = net.call(0, 2, "echo", std::vec![4; 5_000]).unwrap();
    net.wait_for(0, op).unwrap();
    net.run_for(Duration::from_secs(5));
    net.assert_quiet();
}

#[test]
fn a_payload_that_fits_no_record_on_the_way_is_not_dropped_in_silence() {
    let mut net = Net::line(3);
    let (source, destination) = (net.id(0), net.id(2));
    let link = net.node(1).peers().iter().find(|peer| peer.node == source).unwrap().link;
    let mut body = bytes::BytesMut::new();
    let class = crate::wire::body::routing::Class::Data;
    RoutedHead { destination, source, hop_limit: 8, class }.encode(&mut body);
    // The largest that a record can hold if nothing else is in it; relays leave room for what follows the last frame.
    body.resize(crate::wire::frame::BODY_LEN_MAX, 0);
    let header = FrameHeader { frame_type: FrameType::Routed, more: false, length: 65_507, id: 0 };
    net.node(1).tell_routing(crate::routing::In::Frame { link, header, body: body.freeze() });
    net.settle();
    net.run_for(Duration::from_secs(1));
    // The source did not send it, and so does not believe it; but it was told.
    assert_eq!(net.counter(0, "routing.path_broken_refused"), 1);
    net.assert_quiet();
}

#[test]
fn an_older_tunnel_takes_the_calls_again_when_a_newer_one_ends() {
    let relay = Relay::default();
    let mut net = Net::through(&relay, super::config(0));
    // Both sides open one at the same time.
    let calls = [(0, net.call(0, 2, "echo", "one").unwrap()), (2, net.call(2, 0, "echo", "other").unwrap())];
    for (node, op) in calls {
        net.wait_for(node, op).unwrap();
    }
    let ends = [net.id(0), net.id(2)];
    let tunnels = net.node(0).links.tunnels_to(ends[1], None);
    assert_eq!(tunnels.len(), 2);
    let now = net.now;
    net.node(0).close_link(now, *tunnels.iter().max().unwrap());
    net.settle();
    assert_eq!(net.node(0).links.tunnels_to(ends[1], None).len(), 1);
    let greetings = |relay: &Relay| ends.map(|end| relay.seen(end, TunnelKind::Greeting).len());
    let before = greetings(&relay);
    for (from, to) in [(0, 2), (2, 0)] {
        let op = net.call(from, to, "echo", "again").unwrap();
        assert_eq!(net.wait_for(from, op).unwrap().data, "again", "from {from} to {to}");
    }
    assert_eq!(greetings(&relay), before, "another one was opened");
}
