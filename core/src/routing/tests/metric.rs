//! Round trips as the metric, and what all of it costs when nothing happens.

use super::*;
use topology::{line, regular, ring};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn by_round_trip(nodes: usize, edges: &[(usize, usize, u64)]) -> Mesh {
    let config = config(RouteMetric::RoundTrip, Limits::default(), Timing::default());
    let mut mesh = Mesh::new(nodes, config);
    for (a, b, latency) in edges {
        mesh.join(*a, *b, ms(*latency));
    }
    mesh.settle();
    mesh.run(Duration::from_secs(5));
    mesh
}

impl Mesh {
    fn set_latency(&mut self, a: usize, b: usize, latency: Duration) {
        self.wires.get_mut(&(a, b)).unwrap().latency = latency;
    }

    fn path_changes(&self, node: usize) -> usize {
        let news = &self.nodes[node].heard.news;
        news.iter().filter(|out| matches!(out, Out::PathChanged { .. })).count()
    }
}

#[test]
fn two_quick_links_are_better_than_a_slow_one() {
    let mesh = by_round_trip(3, &[(0, 1, 100), (0, 2, 10), (1, 2, 15)]);
    let route = mesh.nodes[0].routing.route(&id(1)).unwrap();
    assert_eq!((route.next_hop, route.hops, route.rtt_us), (id(2), 2, Some(50_000)));
    assert_eq!(route.metric, 52_000);
    assert_eq!(route.alternatives, [id(1)]);
    let direct = mesh.nodes[0].routing.route(&id(2)).unwrap();
    assert_eq!((direct.hops, direct.rtt_us), (1, Some(20_000)));
}

#[test]
fn between_ways_that_are_equally_quick_the_one_with_fewer_links_wins() {
    let mesh = by_round_trip(4, &[(0, 1, 1), (1, 2, 1), (2, 3, 1), (0, 3, 3)]);
    assert_eq!(mesh.nodes[0].routing.route(&id(3)).unwrap().hops, 1);
}

#[test]
fn counting_hops_tells_nothing_of_round_trips_beyond_neighbours() {
    let mut mesh = Mesh::of(3, &line(3));
    mesh.run(Duration::from_secs(1));
    assert_eq!(mesh.nodes[0].routing.route(&id(1)).unwrap().rtt_us, Some(10_000));
    assert_eq!(mesh.nodes[0].routing.route(&id(2)).unwrap().rtt_us, None);
}

#[test]
fn a_way_that_no_payload_can_take_is_no_better_for_being_quick() {
    // Nine quick links, or two slow ones.
    let mut edges: Vec<_> = line(10).into_iter().map(|(a, b)| (a, b, 1)).collect();
    edges.extend([(0, 10, 200), (9, 10, 200)]);
    let mut mesh = by_round_trip(11, &edges);
    assert_eq!(mesh.nodes[0].routing.route(&id(8)).unwrap().hops, 8);
    assert_eq!(mesh.nodes[0].routing.route(&id(9)).unwrap().hops, 2);
    mesh.send(0, 9, b"the slow way");
    mesh.run(Duration::from_secs(1));
    assert_eq!(mesh.nodes[9].heard.delivered().len(), 1);
}

#[test]
fn noise_does_not_move_routes_and_a_lasting_change_does() {
    let mut mesh = by_round_trip(4, &[(0, 1, 20), (1, 3, 20), (0, 2, 22), (2, 3, 22)]);
    assert_eq!(mesh.nodes[0].routing.route(&id(3)).unwrap().next_hop, id(1));
    let (flown, changes) = (mesh.flown, mesh.path_changes(0));
    for round in 0..40 {
        for (a, b) in [(0, 1), (1, 3), (0, 2), (2, 3)] {
            mesh.set_latency(a, b, ms(18 + (round * 7 + a as u64 * 5 + b as u64 * 3) % 7));
        }
        mesh.run(Duration::from_secs(30));
    }
    assert_eq!(mesh.path_changes(0), changes);
    // Only PINGs and PONGs in 20 minutes, and now and then a hash to compare.
    assert!(mesh.flown - flown < 4 * 4 * 60, "{} frames", mesh.flown - flown);
    mesh.set_latency(0, 1, ms(150));
    mesh.run(Duration::from_secs(300));
    assert_eq!(mesh.nodes[0].routing.route(&id(3)).unwrap().next_hop, id(2));
    mesh.set_latency(0, 1, ms(20));
    mesh.run(Duration::from_secs(900));
    assert_eq!(mesh.nodes[0].routing.route(&id(1)).unwrap().hops, 1);
}

#[test]
fn a_link_that_becomes_slow_makes_nobody_unreachable_for_long() {
    let mut mesh = by_round_trip(6, &ring(6).into_iter().map(|(a, b)| (a, b, 10)).collect::<Vec<_>>());
    for latency in [300, 10, 500, 40, 900] {
        mesh.set_latency(0, 1, ms(latency));
        mesh.run(Duration::from_secs(600));
        for node in 0..6 {
            assert_eq!(mesh.nodes[node].routing.routes().count(), 5, "node {node} at {latency} ms");
        }
    }
}

#[test]
fn a_quiet_network_of_200_costs_next_to_nothing() {
    let config = config(RouteMetric::RoundTrip, Limits::default(), Timing::default());
    let mut mesh = Mesh::new(200, config);
    mesh.watchful = false;
    for (index, (a, b)) in regular(200, 4, 7).into_iter().enumerate() {
        mesh.join(a, b, ms(5 + index as u64 % 20));
    }
    mesh.settle();
    mesh.run(Duration::from_secs(60));
    let before: u64 = mesh.bytes.values().sum();
    mesh.run(Duration::from_secs(600));
    let spent = mesh.bytes.values().sum::<u64>() - before;
    let per_second = spent / 600 / mesh.wires.len() as u64;
    // The goal is 200 bytes a second with keep-alives, which take 64.
    assert!(per_second < 15, "{per_second} bytes a second on each link");
    let passed: u64 = mesh.nodes.iter().map(|node| node.counted("routing.check_passed")).sum();
    assert!(passed >= 800 && mesh.nodes.iter().all(|node| node.counted("routing.check_failed") == 0));
}

#[test]
fn a_lost_node_among_200_is_known_everywhere_within_the_diameter_and_cheaply() {
    let edges = regular(200, 4, 9);
    let mut mesh = Mesh::new(200, config(RouteMetric::Hops, Limits::default(), Timing::default()));
    mesh.watchful = false;
    for (a, b) in &edges {
        mesh.join(*a, *b, ms(10));
    }
    let joined = mesh.settle();
    mesh.assert_shortest();
    // All links at once: the news of each node takes as many steps as it is far away.
    assert!(joined < ms(200), "{joined:?}");
    mesh.run(Duration::from_secs(20));
    let (before, start): (u64, _) = (mesh.bytes.values().sum(), mesh.now);
    mesh.isolate(17);
    while mesh.nodes.iter().any(|node| node.id != id(17) && node.reaches(17)) {
        assert!(mesh.step(Instant::NEVER));
    }
    // A spare way that seems safe is tried first, here and there; then there is none.
    assert!(mesh.now - start < ms(300), "{:?}", mesh.now - start);
    mesh.settle();
    mesh.assert_shortest();
    let spent = (mesh.bytes.values().sum::<u64>() - before) / mesh.wires.len() as u64;
    assert!(spent < 4_000, "{spent} bytes on each link");
}
