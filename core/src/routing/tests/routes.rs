//! Routes in networks of many shapes: shortest once quiet, never a loop, and none left behind by what is gone.

use super::*;
use topology::{full, islands, line, regular, ring, star, tree};

#[test]
fn every_shape_of_network_finds_shortest_routes() {
    for (shape, nodes, edges) in [
        ("a line", 12, line(12)),
        ("a ring", 13, ring(13)),
        ("a star", 20, star(20)),
        ("a tree", 31, tree(31)),
        ("all with all", 9, full(9)),
        ("two islands", 12, islands(12)),
        ("4-regular", 40, regular(40, 4, 1)),
    ] {
        let mesh = Mesh::of(nodes, &edges);
        std::println!("{shape}");
        mesh.assert_shortest();
    }
}

#[test]
fn nobody_hears_of_a_node_more_than_16_hops_away() {
    let mesh = Mesh::of(20, &line(20));
    mesh.assert_shortest();
    assert_eq!(mesh.nodes[0].routing.route(&id(16)).unwrap().hops, 16);
    assert!(!mesh.nodes[0].reaches(17));
}

#[test]
fn a_cut_in_a_ring_turns_the_routes_round() {
    let mut mesh = Mesh::of(10, &ring(10));
    mesh.cut(0, 1);
    mesh.settle();
    mesh.assert_shortest();
    assert_eq!(mesh.nodes[0].routing.route(&id(1)).unwrap().hops, 9);
    mesh.join(0, 1, Duration::from_millis(3));
    mesh.settle();
    mesh.assert_shortest();
}

#[test]
fn a_spare_way_is_taken_over_at_once_where_it_is_safe() {
    // From 0 to 3 by 1 or by 2.
    let mut mesh = Mesh::of(4, &[(0, 1), (0, 2), (1, 3), (2, 3)]);
    let before = mesh.nodes[0].routing.route(&id(3)).unwrap();
    assert_eq!(before.alternatives.len(), 1);
    assert_eq!(mesh.nodes[0].routing.alternatives(&id(3)).len(), 2);
    let by = mesh.node_by(&before.next_hop);
    mesh.cut(0, by);
    let after = mesh.nodes[0].routing.route(&id(3)).unwrap();
    assert_eq!((after.next_hop, after.hops), (before.alternatives[0], 2));
    assert!(mesh.nodes[0].heard.news.contains(&Out::PathChanged { node: id(3) }));
    assert!(mesh.nodes[0].heard.reachable.contains_key(&id(3)));
}

#[test]
fn a_node_that_starves_gets_a_newer_sequence_number() {
    // 1 is near 3; 0 knows a longer way by 4 and 5, which is no better than what 0 has announced itself.
    let mut mesh = Mesh::of(6, &[(0, 1), (1, 3), (0, 2), (2, 4), (4, 5), (5, 3)]);
    mesh.cut(1, 3);
    mesh.settle();
    mesh.assert_shortest();
    assert_eq!(mesh.nodes[1].routing.route(&id(3)).unwrap().hops, 5);
    assert!(mesh.nodes[3].routing.version.sequence >= 1);
    assert!((0..6).any(|node| mesh.nodes[node].counted("routing.request_passed_on") > 0));
}

#[test]
fn a_lost_node_is_unreachable_everywhere_and_nobody_counts_to_infinity() {
    for edges in [ring(9), full(7), regular(24, 4, 5), islands(10)] {
        let nodes = edges.iter().map(|(_, b)| b + 1).max().unwrap();
        let mut mesh = Mesh::of(nodes, &edges);
        let frames = mesh.flown;
        mesh.isolate(2);
        let took = mesh.settle();
        mesh.assert_shortest();
        // Everybody says once or twice that node 2 is gone, and that is all.
        assert!(took < Duration::from_millis(500), "{took:?}");
        assert!(mesh.flown - frames < 12 * edges.len() as u64, "{} frames", mesh.flown - frames);
    }
}

#[test]
fn halves_forget_each_other_and_find_each_other_again() {
    let mut mesh = Mesh::of(12, &islands(12));
    for _ in 0..3 {
        mesh.cut(5, 6);
        mesh.settle();
        mesh.assert_shortest();
        mesh.run(Duration::from_secs(7));
        mesh.join(5, 6, Duration::from_millis(20));
        mesh.settle();
        mesh.assert_shortest();
    }
}

#[test]
fn what_is_unreachable_for_long_is_forgotten() {
    let mut mesh = Mesh::of(8, &line(8));
    mesh.cut(3, 4);
    mesh.settle();
    assert_eq!(mesh.nodes[0].routing.destinations.len(), 7);
    mesh.run(mesh.config.timing.route_garbage_after + Duration::from_secs(1));
    assert_eq!(mesh.nodes[0].routing.destinations.len(), 3);
    mesh.assert_shortest();
}

#[test]
fn a_restarted_node_is_reached_under_its_new_incarnation() {
    let mut mesh = Mesh::of(7, &ring(7));
    // It asks for newer numbers of the old life, which the new one must not be held to.
    mesh.cut(0, 1);
    mesh.settle();
    mesh.restart(3, 9);
    mesh.join(3, 4, Duration::from_millis(4));
    mesh.join(2, 3, Duration::from_millis(9));
    mesh.settle();
    mesh.assert_shortest();
    for node in [0, 1, 2, 4, 5, 6] {
        assert_eq!(mesh.nodes[node].heard.reachable[&id(3)], Incarnation::new(9));
    }
}

#[test]
fn a_new_incarnation_without_a_break_is_told_to_everybody() {
    let mut mesh = Mesh::of(5, &line(5));
    mesh.tell(0, In::Reincarnated { incarnation: Incarnation::new(4) });
    mesh.settle();
    let news = Out::Reachable { node: id(0), incarnation: Incarnation::new(4), hops: 4 };
    assert!(mesh.nodes[4].heard.news.contains(&news));
    mesh.assert_shortest();
}

#[test]
fn a_node_that_leaves_is_given_up_before_its_links_end() {
    let mut mesh = Mesh::of(5, &line(5));
    mesh.tell(4, In::Leave);
    mesh.settle();
    for node in 0..4 {
        assert!(!mesh.nodes[node].reaches(4));
    }
    // It still carries what others send through it, and hears what is sent to it by its neighbour.
    mesh.tell(2, In::Leave);
    mesh.settle();
    mesh.send(0, 3, b"through 2");
    mesh.send(3, 4, b"to a neighbour");
    mesh.run(Duration::from_secs(1));
    assert_eq!(mesh.nodes[3].heard.delivered().len(), 1);
    assert_eq!(mesh.nodes[4].heard.delivered().len(), 1);
}

#[test]
fn a_link_that_takes_the_place_of_another_keeps_the_routes() {
    let mut mesh = Mesh::of(6, &line(6));
    let said = |mesh: &Mesh| mesh.nodes.iter().map(|node| node.heard.news.len()).sum::<usize>();
    let news = said(&mesh);
    let old = mesh.replace(2, 3);
    // One side changes over before the other.
    mesh.change_over(2, 3, old, true);
    mesh.run(Duration::from_millis(100));
    mesh.change_over(3, 2, old, true);
    mesh.settle();
    mesh.assert_shortest();
    assert_eq!(said(&mesh), news, "nobody has noticed");
    assert_eq!(mesh.nodes[3].counted("routing.neighbour_was_early"), 1);
    mesh.cut(2, 3);
    mesh.settle();
    mesh.assert_shortest();
}

#[test]
fn what_one_turn_changes_is_said_in_one_frame() {
    let mut mesh = Mesh::of(30, &star(30));
    mesh.join(1, 2, Duration::from_millis(1));
    mesh.settle();
    let frames = mesh.flown;
    mesh.cut(0, 1);
    // 28 destinations have a new way: one ROUTES to the one neighbour that is left.
    let routes = |flight: &&Flight| flight.frame_type == FrameType::Routes && flight.from == 1;
    assert_eq!(mesh.flights.values().filter(routes).count(), 1);
    mesh.settle();
    mesh.assert_shortest();
    // And for each of them a question to it by way of 2 and 0, and the answer.
    assert!(mesh.flown - frames < 7 * 28 + 80, "{} frames", mesh.flown - frames);
}

#[test]
fn neighbours_find_out_what_one_has_missed() {
    let mut mesh = Mesh::of(6, &line(6));
    // A bug: node 2 loses an offer that node 3 has made, and keeps one that it has not.
    let (link, lost) = (mesh.link(2, 3), id(5));
    mesh.act(2, |routing, cx| {
        routing.take_back(link, &lost);
        routing.reselect(cx, lost);
    });
    mesh.settle();
    assert!(!mesh.nodes[0].reaches(5));
    mesh.run(mesh.config.timing.route_check_interval * 2);
    mesh.settle();
    mesh.assert_shortest();
    assert_eq!(mesh.nodes[2].counted("routing.check_failed"), 1);
    assert!(mesh.nodes[1].counted("routing.check_passed") > 0);
}

#[test]
fn a_table_at_its_limit_hears_no_more_and_asks_again_when_there_is_room() {
    let limits = Limits { routes_per_link_max: 3, ..Limits::default() };
    let mut mesh = Mesh::new(6, config(RouteMetric::Hops, limits, Timing::default()));
    for (a, b) in line(6) {
        mesh.join(a, b, Duration::from_millis(2));
    }
    mesh.settle();
    assert_eq!(mesh.nodes[0].routing.routes().count(), 3);
    assert!(mesh.nodes[0].counted("routing.offer_unheard") > 0);
    mesh.cut(2, 3);
    mesh.settle();
    assert_eq!(mesh.nodes[0].routing.routes().count(), 2);
    mesh.join(2, 3, Duration::from_millis(2));
    mesh.run(mesh.config.timing.route_check_interval * 2);
    assert_eq!(mesh.nodes[0].routing.routes().count(), 3);
}

#[test]
fn a_way_is_kept_while_the_signature_of_a_new_life_is_under_way() {
    let mut mesh = Mesh::of(4, &line(4));
    mesh.proof_lag = Duration::from_millis(100);
    mesh.tell(0, In::Reincarnated { incarnation: Incarnation::new(2) });
    for _ in 0..40 {
        mesh.run(Duration::from_millis(10));
        assert!((1..4).all(|node| mesh.nodes[node].reaches(0)));
        mesh.assert_no_loops();
    }
    mesh.settle();
    mesh.assert_shortest();
    let life = |node: usize| mesh.nodes[node].routing.route(&id(0)).unwrap().incarnation;
    assert_eq!([1, 2, 3].map(life), [Incarnation::new(2); 3]);
}

#[test]
fn a_restarted_node_is_reached_as_soon_as_its_signature_is_there() {
    let mut mesh = Mesh::of(5, &line(5));
    mesh.restart(0, 2);
    mesh.settle();
    let wait = Duration::from_millis(30);
    mesh.proof_lag = wait;
    mesh.join(0, 1, Duration::from_millis(5));
    let took = mesh.settle();
    mesh.assert_shortest();
    assert!(took < wait * 4 + Duration::from_millis(60), "{took:?}");
}
