//! Payloads through relays, and what comes back when they are lost.

use super::*;
use crate::wire::body::routing::{PathBroken, RoutedHead};
use topology::{line, ring};

const SECOND: Duration = Duration::from_secs(1);

fn broken_body(source: usize, destination: usize, reason: Broken) -> Bytes {
    let mut body = Vec::new();
    PathBroken { source: id(source), destination: id(destination), reason }.encode(&mut body);
    body.into()
}

fn routed_body(source: usize, destination: usize, hop_limit: u8) -> Bytes {
    let mut body = Vec::new();
    let head = RoutedHead { source: id(source), destination: id(destination), hop_limit, class: Class::Data };
    head.encode(&mut body);
    body.extend_from_slice(b"payload");
    body.into()
}

impl Mesh {
    fn frame(&mut self, node: usize, link: LinkId, frame_type: FrameType, body: &Bytes) {
        self.tell(node, In::Frame { link, header: header(frame_type, body), body: body.clone() });
    }
}

#[test]
fn a_payload_crosses_three_relays_and_says_how_far_it_came() {
    let mut mesh = Mesh::of(5, &line(5));
    mesh.send(0, 4, b"hello");
    mesh.run(SECOND);
    assert_eq!(mesh.nodes[4].heard.delivered(), [(id(0), Bytes::from_static(b"hello"), 4)]);
    assert!((1..4).all(|relay| mesh.nodes[relay].heard.delivered().is_empty()));
}

#[test]
fn eight_hops_are_not_too_far_and_nine_are_known_to_be_at_once() {
    let mut mesh = Mesh::of(10, &line(10));
    mesh.send(0, 8, b"just so");
    mesh.run(SECOND);
    assert_eq!(mesh.nodes[8].heard.delivered().len(), 1);
    let flown = mesh.flown;
    mesh.send(0, 9, b"too far");
    assert_eq!(mesh.nodes[0].heard.broken(), [(id(9), Broken::HopLimit)]);
    assert_eq!(mesh.flown, flown);
}

#[test]
fn a_payload_that_runs_out_of_hops_is_reported_to_its_source() {
    let mut mesh = Mesh::of(5, &line(5));
    let link = mesh.link(1, 0);
    // Node 0 has sent it with a limit of two links.
    mesh.send(0, 4, b"the flow");
    mesh.run(SECOND);
    mesh.frame(1, link, FrameType::Routed, &routed_body(0, 4, 2));
    mesh.run(SECOND);
    assert_eq!(mesh.nodes[4].heard.delivered().len(), 1);
    assert_eq!(mesh.nodes[0].heard.broken(), [(id(4), Broken::HopLimit)]);
}

#[test]
fn a_hop_limit_over_the_limit_is_refused_for_oneself_too() {
    let mut mesh = Mesh::of(3, &line(3));
    let link = mesh.link(1, 0);
    mesh.frame(1, link, FrameType::Routed, &routed_body(0, 2, 9));
    mesh.frame(1, link, FrameType::Routed, &routed_body(0, 1, 9));
    mesh.run(SECOND);
    assert_eq!(mesh.nodes[1].counted("routing.hop_limit_refused"), 2);
    assert!(mesh.nodes[1].heard.delivered().is_empty() && mesh.nodes[2].heard.delivered().is_empty());
}

#[test]
fn a_lost_link_tells_the_sources_of_what_left_by_it() {
    let mut mesh = Mesh::of(6, &line(6));
    mesh.send(0, 5, b"one");
    mesh.send(1, 5, b"two");
    mesh.send(5, 0, b"three");
    mesh.run(SECOND);
    mesh.cut(3, 4);
    mesh.run(SECOND);
    assert_eq!(mesh.nodes[0].heard.broken(), [(id(5), Broken::LinkLost)]);
    assert_eq!(mesh.nodes[1].heard.broken(), [(id(5), Broken::LinkLost)]);
    assert_eq!(mesh.nodes[5].heard.broken(), [(id(0), Broken::LinkLost)]);
    // What comes later finds no way.
    mesh.send(0, 5, b"four");
    assert_eq!(mesh.nodes[0].heard.broken().last(), Some(&(id(5), Broken::NoRoute)));
}

#[test]
fn a_payload_that_meets_the_news_of_a_lost_way_is_reported() {
    let mut mesh = Mesh::of(4, &line(4));
    mesh.cut(2, 3);
    // Node 0 does not know yet.
    mesh.send(0, 3, b"too late");
    mesh.run(SECOND);
    assert_eq!(mesh.nodes[0].heard.broken(), [(id(3), Broken::NoRoute)]);
}

#[test]
fn in_a_ring_payloads_go_the_other_way_after_a_relay_died() {
    let mut mesh = Mesh::of(6, &ring(6));
    mesh.send(0, 2, b"by 1");
    mesh.run(SECOND);
    mesh.isolate(1);
    mesh.settle();
    mesh.send(0, 2, b"the long way");
    mesh.run(SECOND);
    let delivered = mesh.nodes[2].heard.delivered();
    assert_eq!(delivered.iter().map(|(_, _, hops)| *hops).collect::<Vec<_>>(), [2, 4]);
    assert_eq!(mesh.nodes[0].heard.broken(), [(id(2), Broken::LinkLost)]);
}

#[test]
fn a_drop_in_a_queue_travels_back_along_the_flow_only() {
    let mut mesh = Mesh::of(5, &line(5));
    mesh.send(0, 4, b"flow of 0");
    mesh.send(1, 4, b"flow of 1");
    mesh.run(SECOND);
    let (link, reason) = (mesh.link(3, 4), Broken::Budget);
    mesh.tell(3, In::Dropped { link, source: id(0), destination: id(4), reason });
    mesh.run(SECOND);
    assert_eq!(mesh.nodes[0].heard.broken(), [(id(4), Broken::Budget)]);
    assert!(mesh.nodes[1].heard.broken().is_empty());
    let link = mesh.link(0, 1);
    mesh.tell(0, In::Dropped { link, source: id(0), destination: id(4), reason: Broken::QueueFull });
    assert_eq!(mesh.nodes[0].heard.broken().last(), Some(&(id(4), Broken::QueueFull)));
}

#[test]
fn many_drops_of_one_flow_are_told_as_few() {
    let mut mesh = Mesh::of(4, &line(4));
    mesh.send(0, 3, b"flow");
    mesh.run(SECOND);
    let link = mesh.link(2, 3);
    for reason in [Broken::Budget; 100].into_iter().chain([Broken::QueueFull]) {
        mesh.tell(2, In::Dropped { link, source: id(0), destination: id(3), reason });
    }
    mesh.run(SECOND);
    assert_eq!(mesh.nodes[0].heard.broken(), [(id(3), Broken::Budget), (id(3), Broken::QueueFull)]);
}

#[test]
fn bad_news_counts_only_from_where_the_flow_went() {
    // 0 sends to 3 by 1; 4 is a neighbour of 0 that has nothing to do with it.
    let mut mesh = Mesh::of(5, &[(0, 1), (1, 2), (2, 3), (0, 4)]);
    mesh.send(0, 3, b"flow");
    mesh.run(SECOND);
    let body = broken_body(0, 3, Broken::NoRoute);
    let (from_4, from_1) = (mesh.link(0, 4), mesh.link(0, 1));
    mesh.frame(0, from_4, FrameType::PathBroken, &body);
    assert!(mesh.nodes[0].heard.broken().is_empty());
    assert_eq!(mesh.nodes[0].counted("routing.path_broken_refused"), 1);
    // A relay refuses what comes from the side of the source, and flows that it does not know.
    let from_0 = mesh.link(1, 0);
    mesh.frame(1, from_0, FrameType::PathBroken, &body);
    mesh.frame(1, from_0, FrameType::PathBroken, &broken_body(4, 3, Broken::NoRoute));
    assert_eq!(mesh.nodes[1].counted("routing.path_broken_refused"), 2);
    mesh.frame(0, from_1, FrameType::PathBroken, &body);
    assert_eq!(mesh.nodes[0].heard.broken(), [(id(3), Broken::NoRoute)]);
}

#[test]
fn a_probe_takes_the_neighbour_that_it_was_given() {
    let mut mesh = Mesh::of(4, &[(0, 1), (0, 2), (1, 3), (2, 3)]);
    let payload = Bytes::from_static(b"alive?");
    for via in [1, 2] {
        let link = mesh.link(0, via);
        let (destination, class) = (id(3), Class::Probe);
        mesh.tell(0, In::SendVia { link, destination, class, payload: payload.clone() });
    }
    mesh.run(SECOND);
    let links: Vec<LinkId> = (mesh.nodes[3].heard.news.iter())
        .filter_map(|out| match out {
            Out::Deliver { link, class: Class::Probe, hops: 2, .. } => Some(*link),
            _ => None,
        })
        .collect();
    assert_eq!(links, [mesh.link(3, 1), mesh.link(3, 2)]);
    let (link, destination, class) = (LinkId(77), id(3), Class::Probe);
    mesh.tell(0, In::SendVia { link, destination, class, payload });
    assert_eq!(mesh.nodes[0].heard.broken(), [(id(3), Broken::LinkLost)]);
}

#[test]
fn the_answer_to_a_probe_goes_back_the_way_that_the_probe_came() {
    // From node 3 it is two hops to node 0 by node 5, and three by node 2, where the question comes from.
    let mut mesh = Mesh::of(6, &[(0, 1), (1, 2), (2, 3), (3, 4), (3, 5), (5, 0)]);
    let mut tell = |from: usize, by: usize, to: usize, class| {
        let (link, destination) = (mesh.link(from, by), id(to));
        mesh.tell(from, In::SendVia { link, destination, class, payload: Bytes::from_static(b"alive?") });
        mesh.run(SECOND);
        mesh.nodes[to].heard.news.iter().rev().find_map(|out| match out {
            Out::Deliver { hops, .. } => Some(*hops),
            _ => None,
        })
    };
    assert_eq!(tell(0, 1, 4, Class::Probe), Some(4));
    assert_eq!(tell(4, 3, 0, Class::Probe), Some(3), "another question goes the best way");
    assert_eq!(tell(4, 3, 0, Class::ProbeAnswer), Some(4), "the answer goes back");
}

#[test]
fn nothing_goes_back_where_it_came_from() {
    let mut mesh = Mesh::of(3, &line(3));
    // Node 2 has gone, says node 1, but node 0 sends by node 1 what node 1 would have to send back.
    let link = mesh.link(1, 2);
    mesh.frame(1, link, FrameType::Routed, &routed_body(7, 2, 5));
    assert!(mesh.flights.values().all(|flight| flight.frame_type != FrameType::Routed));
    let told = mesh.flights.values().find(|flight| flight.frame_type == FrameType::PathBroken);
    assert_eq!(told.unwrap().body, broken_body(7, 2, Broken::NoRoute));
}

#[test]
fn only_so_many_flows_are_remembered_and_idle_ones_are_not() {
    let limits = Limits { flows_max: 4, ..Limits::default() };
    let mut mesh = Mesh::new(3, config(RouteMetric::Hops, limits, Timing::default()));
    mesh.join(0, 1, Duration::from_millis(1));
    mesh.join(1, 2, Duration::from_millis(1));
    mesh.settle();
    let link = mesh.link(1, 0);
    for source in 10..30 {
        mesh.frame(1, link, FrameType::Routed, &routed_body(source, 2, 5));
    }
    assert_eq!(mesh.nodes[1].routing.flows.len(), 4);
    let onward = mesh.link(1, 2);
    mesh.frame(1, onward, FrameType::PathBroken, &broken_body(10, 2, Broken::Budget));
    assert_eq!(mesh.nodes[1].counted("routing.path_broken_refused"), 1, "the oldest is forgotten");
    mesh.frame(1, onward, FrameType::PathBroken, &broken_body(29, 2, Broken::Budget));
    assert_eq!(mesh.nodes[1].counted("routing.bad_news_sent"), 1);
    mesh.run(mesh.config.timing.flow_idle_after + SECOND);
    assert_eq!(mesh.nodes[1].routing.flows.len(), 0);
}

#[test]
fn a_payload_that_comes_home_or_borrows_this_nodes_name_is_dropped() {
    let mut mesh = Mesh::of(3, &line(3));
    let link = mesh.link(0, 1);
    mesh.frame(0, link, FrameType::Routed, &routed_body(0, 2, 4));
    mesh.frame(0, link, FrameType::Routed, &routed_body(0, 0, 4));
    assert_eq!(mesh.nodes[0].counted("routing.own_payload_returned"), 2);
    assert!(mesh.nodes[0].heard.delivered().is_empty());
}
