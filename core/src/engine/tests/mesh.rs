//! More than neighbours: calls through relays, nodes that come and go, actions that are found.

use core::time::Duration;
use std::format;
use std::vec::Vec;

use super::{Net, config};
use crate::engine::{Call, CallOptions, DownReason, Event, NodeStatus, OpId, Payload, Selector, Target};
use crate::machine::Cx;
use crate::{Code, Error, Kind};

impl Net {
    /// Nodes joined by these links, once everybody knows everybody.
    pub(super) fn mesh(nodes: usize, links: &[(usize, usize)]) -> Self {
        let mut net = Self::new(nodes);
        for (a, b) in links {
            net.connect(*a, *b);
        }
        net.run_until("everybody knows everybody", |net| {
            (0..nodes).all(|node| {
                let known = net.node(node).nodes();
                known.len() == nodes && known.iter().all(|info| info.status == NodeStatus::Up)
            })
        });
        net
    }

    pub(super) fn line(nodes: usize) -> Self {
        let links: Vec<_> = (1..nodes).map(|node| (node - 1, node)).collect();
        Self::mesh(nodes, &links)
    }

    fn ring(nodes: usize) -> Self {
        let links: Vec<_> = (0..nodes).map(|node| (node, (node + 1) % nodes)).collect();
        Self::mesh(nodes, &links)
    }

    fn call_any(&mut self, from: usize, action: &str) -> Result<OpId, Error> {
        let (now, payload) = (self.now, Payload::from("to any"));
        self.node(from).call(
            now,
            Call { target: Target::Any, action, payload, timeout: None, options: CallOptions::default() },
        )
    }

    pub(super) fn status(&mut self, of: usize, at: usize) -> Option<NodeStatus> {
        let id = self.id(of);
        self.node(at).node_status(&id)
    }

    pub(super) fn has_event(&self, at: usize, is_it: impl Fn(&Event) -> bool) -> bool {
        self.events[at].iter().any(is_it)
    }
}

#[test]
fn the_ends_of_a_line_call_each_other_through_relays() {
    let mut net = Net::line(5);
    for (from, to) in [(0, 4), (4, 0), (1, 3)] {
        let op = net.call(from, to, "echo", format!("from {from} to {to}")).unwrap();
        assert_eq!(net.wait_for(from, op).unwrap().data, format!("from {from} to {to}"));
    }
    net.run_for(Duration::from_secs(1));
    net.assert_quiet();
}

#[test]
fn a_large_call_goes_through_relays_whole() {
    let mut net = Net::line(4);
    let data: Vec<u8> = (0..3_000_000u32).map(|i| (i % 251) as u8).collect();
    let op = net.call(0, 3, "echo", data.clone()).unwrap();
    assert!(net.wait_for(0, op).unwrap().data == data, "the echo differs");
    net.run_for(Duration::from_secs(1));
    net.assert_quiet();
}

#[test]
fn a_link_that_takes_the_place_of_another_takes_no_route_away() {
    // Node 0 reaches node 2 by node 1, whose link to node 2 dies without its notice.
    let mut net = Net::line(3);
    let (near, far) = (net.id(1), net.id(2));
    net.run_for(Duration::from_secs(10));
    let link = net.node(2).peers()[0].link;
    let other = net.pipes.remove(&(2, link)).unwrap();
    net.pipes.remove(&other);
    let now = net.now;
    net.node(2).close_link(now, link);
    net.connect(2, 1);
    loop {
        net.drain();
        if !net.deliver() {
            break;
        }
        assert_eq!(net.node(0).routing.hops(&far), Some(2), "node 0 was told that there is no way");
    }
    assert_eq!(net.node(1).routing.hops(&far), Some(1));
    assert_eq!(net.node(2).routing.hops(&near), Some(1));
    assert_ne!(net.node(2).peers()[0].link, link);
}

#[test]
fn an_old_proof_counts_for_nothing_where_something_newer_is_known() {
    let mut net = Net::line(3);
    let (owner, path) = (net.id(2), "job".parse().unwrap());
    let serve = |net: &mut Net| {
        let now = net.now;
        net.node(2).serve(now, "job").unwrap();
        net.run_for(Duration::from_secs(1));
    };
    serve(&mut net);
    let engine = net.node(0);
    let mut cx = Cx { now: engine.now, trace: &mut *engine.trace, counters: &mut engine.counters };
    let proof = engine.directory.proof(&mut cx, &owner, "job").unwrap();
    assert_eq!(net.node(1).check_proof(&proof, &path), Some(owner));
    let now = net.now;
    assert!(net.node(2).unserve(now, "job"));
    net.run_for(Duration::from_secs(1));
    assert_eq!(net.node(1).check_proof(&proof, &path), None, "its owner has taken it back");
    serve(&mut net);
    assert_eq!(net.node(1).check_proof(&proof, &path), Some(owner), "and said it again");
}

#[test]
fn c1_a_diamond_runs_the_handler_once() {
    let mut net = Net::mesh(4, &[(0, 1), (0, 2), (1, 3), (2, 3)]);
    net.echo = false;
    let op = net.call(0, 3, "echo", "once").unwrap();
    net.run_until("the handler has it", |net| !net.requests(3).is_empty());
    net.run_for(Duration::from_secs(1));
    let requests = net.requests(3);
    assert_eq!(requests.len(), 1);
    net.reply(3, requests[0].0, Ok("done".into()));
    assert_eq!(net.wait_for(0, op).unwrap().data, "done");
}

#[test]
fn c2_an_unknown_action_in_a_mesh_of_six_is_not_found_at_once() {
    let links: Vec<_> = (0..6).flat_map(|a| (a + 1..6).map(move |b| (a, b))).collect();
    let mut net = Net::mesh(6, &links);
    let asked_at = net.now;
    let op = net.call_any(0, "nobody/has/this").unwrap();
    let error = net.wait_for(0, op).unwrap_err();
    assert_eq!((error.code(), error.maybe_executed()), (Code::NotFound, false));
    assert!(net.now - asked_at < Duration::from_millis(100), "it took {:?}", net.now - asked_at);
}

#[test]
fn c4_a_relay_that_dies_in_the_middle_of_a_call_fails_it_long_before_the_deadline() {
    let mut net = Net::line(3);
    net.echo = false;
    let target = Target::Node(net.id(2));
    let (now, timeout) = (net.now, Some(Duration::from_secs(50)));
    let call = Call { target, action: "echo", payload: "x".into(), timeout, options: CallOptions::default() };
    let op = net.node(0).call(now, call).unwrap();
    net.run_until("the handler has it", |net| !net.requests(2).is_empty());
    let died_at = net.now;
    net.kill(1, true);
    let error = net.wait_for(0, op).unwrap_err();
    assert_eq!((error.code(), error.kind()), (Code::Unavailable, Some(Kind::Unreachable)));
    assert!(error.maybe_executed());
    assert!(net.now - died_at < Duration::from_secs(3), "it took {:?}", net.now - died_at);
}

#[test]
fn a_call_outlives_its_relay_where_there_is_another_way() {
    let mut net = Net::ring(4);
    net.echo = false;
    let op = net.call(0, 2, "echo", "x").unwrap();
    net.run_until("the handler has it", |net| !net.requests(2).is_empty());
    let id = net.id(2);
    let relay = net.node(0).route(&id).unwrap().next_hop;
    let relay = (0..4).find(|node| net.id(*node) == relay).unwrap();
    net.kill(relay, true);
    let request = net.requests(2)[0].0;
    net.reply(2, request, Ok("by the other way".into()));
    assert_eq!(net.wait_for(0, op).unwrap().data, "by the other way");
    assert_eq!(net.requests(2).len(), 1);
}

#[test]
fn c5_an_action_that_is_added_later_is_called_without_asking_around() {
    let mut net = Net::line(4);
    let now = net.now;
    net.node(3).serve(now, "late/arrival").unwrap();
    net.run_until("the far end has heard of it", |net| !net.node(0).providers("late/arrival").is_empty());
    let op = net.call_any(0, "late/arrival").unwrap();
    net.run_until("the handler has it", |net| !net.requests(3).is_empty());
    let request = net.requests(3)[0].0;
    net.reply(3, request, Ok("here".into()));
    assert_eq!(net.wait_for(0, op).unwrap().data, "here");
    assert_eq!(net.counter(0, "discovery.asked"), 0);
    // And taking it back is heard too.
    let now = net.now;
    assert!(net.node(3).unserve(now, "late/arrival"));
    net.run_until("nobody offers it", |net| net.node(0).providers("late/arrival").is_empty());
}

#[test]
fn a_paused_action_refuses_calls_and_is_passed_over() {
    let mut net = Net::line(3);
    let now = net.now;
    net.node(2).set_action_state(now, "echo", crate::engine::ProviderState::Paused).unwrap();
    net.run_until("it is known", |net| {
        let id = net.id(2);
        net.node(0).providers("echo").iter().any(|(node, entry)| *node == id && !entry.state.takes_calls())
    });
    let op = net.call(0, 2, "echo", "x").unwrap();
    let error = net.wait_for(0, op).unwrap_err();
    assert_eq!((error.kind(), error.maybe_executed()), (Some(Kind::NotRunning), false));
    let now = net.now;
    net.node(2).set_action_state(now, "echo", crate::engine::ProviderState::Running).unwrap();
    let op = net.call(0, 2, "echo", "x").unwrap();
    net.wait_for(0, op).unwrap();
}

#[test]
fn a_node_that_dies_is_down_for_those_who_never_had_a_link_to_it() {
    let mut net = Net::line(4);
    net.kill(3, false);
    net.run_until("the far end knows", |net| net.status(3, 0) == Some(NodeStatus::Down));
    assert!(net.has_event(0, |event| matches!(event, Event::NodeSuspect { .. })));
    let error = net.call(0, 3, "echo", "x").unwrap_err();
    assert_eq!(error.kind(), Some(Kind::Unreachable));
    let op = net.call_any(0, "only/there").unwrap();
    assert!(net.wait_for(0, op).is_err());
}

#[test]
fn a_node_that_leaves_is_down_at_once_and_gracefully() {
    let mut net = Net::line(4);
    let (now, id) = (net.now, net.id(3));
    net.node(3).shutdown(now, now + Duration::from_secs(5));
    net.run_until("the far end knows", |net| net.status(3, 0) == Some(NodeStatus::Down));
    let is_it = |event: &Event| matches!(event, Event::NodeDown { node, reason: DownReason::Graceful, .. } if *node == id);
    for at in 0..3 {
        assert!(net.has_event(at, is_it), "node {at}: {:?}", net.events[at]);
    }
    assert!(net.now - now < Duration::from_secs(1));
}

#[test]
fn a_lost_link_takes_nobody_down_while_another_path_leads_there() {
    let mut net = Net::ring(3);
    net.cut(0, 1);
    net.run_for(Duration::from_secs(20));
    for at in 0..3 {
        assert!(
            !net.has_event(at, |event| matches!(event, Event::NodeDown { .. } | Event::NodeSuspect { .. }))
        );
    }
}

#[test]
fn a_node_that_lives_anew_is_another_node_to_those_far_away() {
    let mut net = Net::line(4);
    net.echo = false;
    let op = net.call(0, 3, "echo", "x").unwrap();
    net.run_until("the handler has it", |net| !net.requests(3).is_empty());
    net.kill(3, true);
    net.start(3, 2, config(3));
    net.connect(3, 2);
    let error = net.wait_for(0, op).unwrap_err();
    assert!(error.maybe_executed());
    net.run_until("its new life is known", |net| {
        let id = net.id(3);
        net.node(0).nodes().iter().any(|info| info.node == id && info.incarnation.get() == 2)
    });
    let op = net.call(0, 3, "echo", "again").unwrap();
    net.run_until("the handler has it", |net| net.requests(3).len() == 2);
    let request = net.requests(3)[1].0;
    net.reply(3, request, Ok("anew".into()));
    assert_eq!(net.wait_for(0, op).unwrap().data, "anew");
}

#[test]
fn a_tunnel_gives_way_to_a_link() {
    let mut net = Net::line(3);
    let op = net.call(0, 2, "echo", "far").unwrap();
    net.wait_for(0, op).unwrap();
    net.connect(0, 2);
    net.run_until("they are neighbours", |net| net.node(0).peers().len() == 2);
    let op = net.call(0, 2, "echo", "near").unwrap();
    net.wait_for(0, op).unwrap();
    net.run_for(Duration::from_secs(10));
    let tunnels = net.node(0).gauges().into_iter().find(|gauge| gauge.name == "link.tunnels").unwrap();
    assert_eq!(tunnels.value, 0);
    // And the other way round.
    net.cut(0, 2);
    let now = net.now;
    net.node(0).disconnect(now, &super::address(2));
    net.run_for(Duration::from_millis(100));
    let op = net.call(0, 2, "echo", "far again").unwrap();
    net.wait_for(0, op).unwrap();
}

#[test]
fn a_tunnel_that_nobody_uses_ends() {
    let mut net = Net::line(3);
    let op = net.call(0, 2, "echo", "far").unwrap();
    net.wait_for(0, op).unwrap();
    net.run_for(Duration::from_secs(180));
    for node in [0, 2] {
        let tunnels = net.node(node).gauges().into_iter().find(|gauge| gauge.name == "link.tunnels").unwrap();
        assert_eq!(tunnels.value, 0, "node {node}");
    }
    let op = net.call(0, 2, "echo", "far").unwrap();
    net.wait_for(0, op).unwrap();
}

#[test]
fn nine_links_are_too_many() {
    let links: Vec<_> = (1..10).map(|node| (node - 1, node)).collect();
    let mut net = Net::mesh(10, &links);
    let op = net.call(0, 8, "echo", "eight links").unwrap();
    net.wait_for(0, op).unwrap();
    let error = net.call(0, 9, "echo", "nine links").unwrap_err();
    assert_eq!(error.kind(), Some(Kind::Unreachable));
    assert!(error.message().contains("9 links away"), "{error}");
}

impl Net {
    fn can(&mut self, node: usize, tags: &[&str]) {
        let mut set = crate::capability::CapabilitySet::new();
        for tag in tags {
            set.insert_user_tag(tag).unwrap();
        }
        let now = self.now;
        self.node(node).set_capabilities(now, set).unwrap();
    }

    fn find(&mut self, at: usize, predicate: &str) -> Vec<usize> {
        let query =
            crate::engine::Query { predicate: Some(predicate.parse().unwrap()), ..Default::default() };
        let found = self.node(at).find(&query);
        (0..self.nodes.len()).filter(|node| found.contains(&self.id(*node))).collect()
    }

    fn call_selected(&mut self, from: usize, action: &str, selector: Selector) -> Result<OpId, Error> {
        let (now, target, payload) = (self.now, Target::Select(selector), Payload::from("x"));
        self.node(from)
            .call(now, Call { target, action, payload, timeout: None, options: CallOptions::default() })
    }
}

#[test]
fn a_predicate_finds_nodes_and_chooses_the_provider_of_a_call() {
    let mut net = Net::line(4);
    net.echo = false;
    net.can(1, &["hardware.memory_gb=16"]);
    net.can(3, &["hardware.memory_gb=128", "hardware.gpu"]);
    net.run_until("the far end is known to be large", |net| !net.find(0, "hardware.gpu").is_empty());
    assert_eq!(net.find(0, "hardware.memory_gb >= 8"), [1, 3]);
    assert_eq!(net.find(2, "not hardware.gpu"), [0, 1, 2], "the asking node is found too");
    let large = || Selector::predicate("hardware.memory_gb >= 64".parse().unwrap(), Selector::LocalFirst);
    let op = net.call_selected(0, "echo", large()).unwrap();
    net.run_until("the large one has it", |net| !net.requests(3).is_empty());
    let request = net.requests(3)[0].0;
    net.reply(3, request, Ok("large".into()));
    assert_eq!(net.wait_for(0, op).unwrap().data, "large");
    let huge = Selector::predicate("hardware.memory_gb >= 1000".parse().unwrap(), Selector::LocalFirst);
    assert_eq!(net.call_selected(0, "echo", huge).unwrap_err().code(), Code::NotFound);
}

#[test]
fn c66_two_providers_share_the_load_and_the_exit_of_one_keeps_the_other() {
    let mut net = Net::line(3);
    net.echo = false;
    let now = net.now;
    net.node(1).serve(now, "work").unwrap();
    net.node(2).serve(now, "work").unwrap();
    net.run_until("both are known", |net| net.node(0).providers("work").len() == 2);
    for _ in 0..10 {
        net.call_selected(0, "work", Selector::RoundRobin).unwrap();
    }
    net.run_until("all are there", |net| net.requests(1).len() + net.requests(2).len() == 10);
    assert_eq!((net.requests(1).len(), net.requests(2).len()), (5, 5));
    net.kill(2, true);
    net.run_until("its end is known", |net| net.status(2, 0) == Some(NodeStatus::Down));
    for _ in 0..10 {
        net.call_selected(0, "work", Selector::RoundRobin).unwrap();
    }
    net.run_until("the other has them all", |net| net.requests(1).len() == 15);
}

#[test]
fn a_call_whose_first_choice_cannot_be_reached_goes_to_the_next() {
    let mut net = Net::mesh(3, &[(0, 1), (0, 2)]);
    net.echo = false;
    for node in [1, 2] {
        let now = net.now;
        net.node(node).serve(now, "work").unwrap();
    }
    net.run_until("both are known", |net| net.node(0).providers("work").len() == 2);
    // Both take it back, one of them without a word that could have arrived.
    let op = net.call_any(0, "work").unwrap();
    let other = net.call_any(0, "work").unwrap();
    let now = net.now;
    assert!(net.node(1).unserve(now, "work"));
    net.run_until("one has both", |net| net.requests(2).len() == 2);
    for (request, _) in net.requests(2) {
        net.reply(2, request, Ok("done".into()));
    }
    for op in [op, other] {
        assert_eq!(net.wait_for(0, op).unwrap().data, "done");
    }
}

#[test]
fn who_comes_later_does_not_find_those_who_died_before() {
    let mut net = Net::new(4);
    net.connect(0, 1);
    net.connect(1, 2);
    net.run_until("both ends know each other", |net| net.status(2, 0) == Some(NodeStatus::Up));
    let (dead, now) = (net.id(2), net.now);
    net.node(2).add_alias(now, "soon dead").unwrap();
    net.run_until("the alias is known", |net| net.node(0).resolve("soon dead") == [dead]);
    net.kill(2, false);
    net.run_until("it is down", |net| net.status(2, 0) == Some(NodeStatus::Down));

    net.connect(3, 0);
    net.run_until("the newcomer knows what its neighbour knows", |net| net.node(3).is_view_compared());
    assert!(net.node(3).describe(&dead).is_some_and(|said| !said.visible), "its entries are passed on");
    assert_eq!(net.node(3).resolve("soon dead"), []);
    assert_eq!(net.node(3).find(&crate::engine::Query::default()).len(), 3);
    assert!(net.node(3).providers("echo").iter().all(|(node, _)| *node != dead));

    // Until it is back.
    net.start(2, 2, config(2));
    net.connect(2, 1);
    net.run_until("it is found", |net| net.node(3).find(&crate::engine::Query::default()).len() == 4);
}

#[test]
fn an_action_that_begins_paused_takes_no_calls() {
    let mut net = Net::line(2);
    let now = net.now;
    let entry = crate::engine::ProviderEntry::new("later".parse().unwrap());
    let paused = crate::engine::ProviderEntry { state: crate::engine::ProviderState::Paused, ..entry };
    net.node(1).serve_as(now, paused).unwrap();
    for from in [0, 1] {
        let error = match net.call(from, 1, "later", "x") {
            Ok(op) => net.wait_for(from, op).unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(error.kind(), Some(Kind::NotRunning), "from {from}");
    }
}

#[test]
fn a_call_through_relays_waits_for_no_timer() {
    let mut net = Net::line(4);
    for _ in 0..2 {
        let called_at = net.now;
        let op = net.call(0, 3, "echo", "at once").unwrap();
        net.wait_for(0, op).unwrap();
        assert_eq!(net.now, called_at, "nothing takes time here but waiting");
    }
}

#[test]
fn a_node_stops_in_order_while_a_session_is_being_opened() {
    let mut net = Net::line(3);
    net.call(0, 2, "echo", "x").unwrap();
    let now = net.now;
    net.node(0).shutdown(now, now);
    net.run_until("it has stopped", |net| net.has_event(0, |event| matches!(event, Event::Stopped)));
}

#[test]
fn a_node_that_leaves_may_still_get_to_know_a_neighbour() {
    let mut net = Net::new(3);
    net.echo = false;
    net.connect(0, 1);
    net.run_until("the link is up", |net| net.node(0).peers().len() == 1);
    net.call(0, 1, "echo", "x").unwrap();
    net.run_until("the handler has it", |net| !net.requests(1).is_empty());
    net.connect(0, 2);
    net.drain();
    assert!(net.pipes.keys().any(|(node, _)| *node == 2), "the stream is there");
    let now = net.now;
    net.node(0).shutdown(now, now + Duration::from_secs(5));
    net.run_for(Duration::from_secs(6));
    assert!(net.has_event(2, |event| matches!(event, Event::PeerUp(_))), "{:?}", net.events[2]);
}

#[test]
fn calls_to_an_older_life_fail_before_its_end_is_told_however_that_is_known() {
    let mut net = Net::ring(3);
    net.echo = false;
    let op = net.call(0, 2, "echo", "x").unwrap();
    net.run_until("the handler has it", |net| !net.requests(2).is_empty());
    // Nobody is told of its end, and its next life has a link to one of the two only.
    net.kill(2, false);
    net.start(2, 2, config(2));
    net.connect(2, 1);
    let id = net.id(2);
    let is_over = |event: &Event| matches!(event, Event::NodeDown { node, .. } if *node == id);
    net.run_until("the other one has heard of the new life", |net| net.has_event(0, is_over));
    let position = |is_it: &dyn Fn(&Event) -> bool| net.events[0].iter().position(is_it).unwrap();
    let outcome = position(&|event| matches!(event, Event::CallDone { op: done, .. } if *done == op));
    let link = position(&|event| matches!(event, Event::PeerDown { node, .. } if *node == id));
    assert!(outcome < link && link < position(&is_over), "{:?}", net.events[0]);
}

#[test]
fn a_node_too_far_away_to_be_asked_is_there_as_long_as_a_way_leads_to_it() {
    let links: Vec<_> = (1..11).map(|node| (node - 1, node)).collect();
    let mut net = Net::mesh(11, &links);
    net.cut(4, 5);
    net.run_until("the way is lost", |net| net.node(0).routes().len() < 10);
    net.run_for(Duration::from_secs(30));
    for (of, at) in [(10, 0), (0, 10)] {
        assert_eq!(net.status(of, at), Some(NodeStatus::Up), "node {of} at node {at}");
    }
}

#[test]
fn a_life_that_begins_is_not_taken_for_one_that_leaves() {
    let mut net = Net::ring(3);
    let (now, id) = (net.now, net.id(2));
    net.node(2).shutdown(now, now + Duration::from_secs(5));
    net.run_until("it is gone", |net| net.status(2, 0) == Some(NodeStatus::Down));
    net.kill(2, true);
    net.start(2, 2, config(2));
    net.connect(2, 0);
    net.connect(2, 1);
    net.run_until("it is back", |net| net.status(2, 0) == Some(NodeStatus::Up));
    net.run_for(Duration::from_secs(2));
    net.cut(2, 0);
    net.run_for(Duration::from_secs(1));
    let gone = |event: &&Event| matches!(event, Event::NodeDown { node, .. } if *node == id);
    assert_eq!(net.events[0].iter().filter(gone).count(), 1, "{:?}", net.events[0]);
}
