//! Sessions through relays: what they owe to calls, and what members may do to them.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::Net;
use crate::engine::{Event, NodeStatus};
use crate::membership;
use crate::session::{Carrier, HandshakeConfig, Initiator, Offer, VersionRange, WireLimits};
use crate::wire::body::{TunnelHeader, TunnelKind};

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
        let call = crate::engine::Call { target, action: "echo", payload: "x".into(), timeout };
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
