//! Neighbours that nobody has configured.

use super::*;
use crate::engine::NodeStatus;

/// Nodes that all dial the first one, and want so many neighbours.
fn star(nodes: usize, wanted: usize) -> Net {
    let mut net = Net::new(nodes);
    for node in 0..nodes {
        let mut config = config(node);
        config.limits.neighbours_sought = wanted;
        net.start(node, 1, config);
    }
    for node in 1..nodes {
        net.connect(node, 0);
    }
    net.run_until("everybody knows everybody", |net| {
        (0..nodes).all(|node| net.node(node).nodes().len() == nodes)
    });
    net
}

#[test]
fn a_mesh_outlives_the_node_through_which_it_came_together() {
    let mut net = star(6, 3);
    net.run_until("everybody has three neighbours", |net| {
        (0..6).all(|node| net.node(node).peers().len() >= 3)
    });
    net.kill(0, true);
    net.run_for(Duration::from_secs(20));
    for from in 1..6 {
        for to in (1..6).filter(|to| *to != from) {
            let id = net.id(to);
            assert_eq!(net.node(from).node_status(&id), Some(NodeStatus::Up), "{to} as {from} sees it");
            let op = net.call(from, to, "echo", "still here").unwrap();
            assert!(net.wait_for(from, op).is_ok());
        }
        assert!(net.node(from).peers().len() >= 3);
    }
}

#[test]
fn who_wants_no_more_neighbours_dials_nobody() {
    let mut net = star(4, 0);
    net.run_for(Duration::from_secs(60));
    for node in 1..4 {
        assert_eq!(net.node(node).peers().len(), 1);
    }
}

#[test]
fn an_address_that_leads_nowhere_is_given_up_and_found_again_later() {
    let mut net = star(3, 2);
    net.run_until("both have two neighbours", |net| (1..3).all(|node| net.node(node).peers().len() == 2));
    net.kill(2, true);
    net.run_for(Duration::from_secs(60));
    assert_eq!(net.node(1).peers().len(), 1);
    let gauge =
        |net: &mut Net, name: &str| net.node(1).gauges().into_iter().find(|it| it.name == name).unwrap();
    assert_eq!(gauge(&mut net, "membership.configured_peers").value, 1, "what was sought is not configured");
    let mut config = config(2);
    config.limits.neighbours_sought = 2;
    net.start(2, 2, config);
    net.connect(2, 0);
    net.run_until("it is a neighbour again", |net| net.node(1).peers().len() == 2);
}
