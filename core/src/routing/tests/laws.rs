//! Links that come, go and are replaced, and nodes that restart, in any order: never a loop, and shortest routes once it
//! is quiet.

use proptest::prelude::*;

use super::*;
use crate::wire::body::routing::RouteVersion;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    /// Joins two nodes, or cuts them.
    Toggle {
        a: usize,
        b: usize,
        latency_ms: u64,
    },
    /// Another link takes the place of one, on one side first.
    Replace {
        nth: usize,
        later_ms: u64,
        up_first: bool,
    },
    Restart {
        node: usize,
    },
    /// Signatures travel slower or faster than routes.
    Lag {
        ms: u64,
    },
    Isolate {
        node: usize,
    },
    Send {
        from: usize,
        to: usize,
    },
    /// Somebody asks for a newer sequence number although nobody needs one.
    Ask {
        at: usize,
        of: usize,
        ahead: u64,
    },
    Wait {
        ms: u64,
    },
}

fn step(nodes: usize) -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..nodes, 0..nodes, 1..40_u64).prop_map(|(a, b, latency_ms)| Step::Toggle { a, b, latency_ms }),
        3 => (0..64_usize, 0..30_u64, any::<bool>())
            .prop_map(|(nth, later_ms, up_first)| Step::Replace { nth, later_ms, up_first }),
        2 => (0..nodes).prop_map(|node| Step::Restart { node }),
        1 => prop_oneof![Just(0), 0..300_u64].prop_map(|ms| Step::Lag { ms }),
        1 => (0..nodes).prop_map(|node| Step::Isolate { node }),
        2 => (0..nodes, 0..nodes).prop_map(|(from, to)| Step::Send { from, to }),
        1 => (0..nodes, 0..nodes, 1..3_u64).prop_map(|(at, of, ahead)| Step::Ask { at, of, ahead }),
        6 => prop_oneof![0..60_u64, 0..2_000_u64, Just(200_000)].prop_map(|ms| Step::Wait { ms }),
    ]
}

fn apply(mesh: &mut Mesh, lives: &mut u64, step: &Step) {
    match *step {
        Step::Toggle { a, b, .. } if a == b => {}
        Step::Toggle { a, b, .. } if mesh.joined(a, b) => mesh.cut(a, b),
        Step::Toggle { a, b, latency_ms } => mesh.join(a, b, Duration::from_millis(latency_ms)),
        Step::Replace { nth, later_ms, up_first } => {
            let count = mesh.wires.len().max(1);
            let Some((a, b)) = mesh.wires.keys().nth(nth % count).copied() else { return };
            let (first, second) = if nth % 2 == 0 { (a, b) } else { (b, a) };
            let old = mesh.replace(a, b);
            mesh.change_over(first, second, old, up_first);
            mesh.run(Duration::from_millis(later_ms));
            mesh.change_over(second, first, old, up_first);
        }
        Step::Restart { node } => {
            *lives += 1;
            mesh.restart(node, *lives);
        }
        Step::Lag { ms } => mesh.proof_lag = Duration::from_millis(ms),
        Step::Isolate { node } => mesh.isolate(node),
        Step::Send { from, to } => mesh.send(from, to, b"payload"),
        Step::Ask { at, of, ahead } => {
            let Some(link) = mesh.nodes[at].routing.neighbours.keys().next().copied() else { return };
            let version = mesh.nodes[of].routing.version;
            let version = RouteVersion { sequence: version.sequence + ahead, ..version };
            mesh.act(at, |routing, cx| routing.asked_for_newer(cx, link, id(of), version, 16, ahead));
        }
        Step::Wait { ms } => mesh.run(Duration::from_millis(ms)),
    }
}

fn play(nodes: usize, metric: RouteMetric, start: &[(usize, usize)], steps: &[Step]) -> Mesh {
    let mut mesh = Mesh::new(nodes, config(metric, Limits::default(), Timing::default()));
    let mut lives = 1;
    for (a, b) in start {
        mesh.join(*a, *b, Duration::from_millis(3));
    }
    for step in steps {
        apply(&mut mesh, &mut lives, step);
        mesh.assert_no_loops();
    }
    mesh.settle();
    for node in &mesh.nodes {
        let found = node.routing.routes().map(|(to, _)| to);
        assert!(found.eq(node.heard.reachable.keys().copied()), "what was said of routes is how they are");
    }
    mesh
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn whatever_links_do_there_is_no_loop_and_routes_are_shortest_in_the_end(
        steps in proptest::collection::vec(step(9), 1..60),
    ) {
        play(9, RouteMetric::Hops, &topology::ring(9), &steps).assert_shortest();
    }

    #[test]
    fn two_islands_part_and_meet_without_a_loop(steps in proptest::collection::vec(step(8), 1..50)) {
        play(8, RouteMetric::Hops, &topology::islands(8), &steps).assert_shortest();
    }

    #[test]
    fn measured_round_trips_make_no_loops_either(steps in proptest::collection::vec(step(7), 1..50)) {
        let mesh = play(7, RouteMetric::RoundTrip, &topology::ring(7), &steps);
        for (index, node) in mesh.nodes.iter().enumerate() {
            prop_assert_eq!(node.routing.routes().count() + 1, mesh.distances(index).len());
        }
    }
}
