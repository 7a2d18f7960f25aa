//! Neighbours that lie, and bytes that mean nothing.

use proptest::prelude::*;

use super::*;
use crate::CloseReason;
use crate::wire::body::routing::{
    PathBroken, Ping, RouteEntry, RouteOffer, RouteRequest, RouteVersion, RoutedHead, Routes, RoutesCheck,
};
use topology::{line, ring};

const LIAR: LinkId = LinkId(9_000);

fn version(incarnation: u64, sequence: u64) -> RouteVersion {
    RouteVersion { incarnation: Incarnation::new(incarnation), sequence }
}

fn offer(node: usize, version: RouteVersion, hops: u8, metric: u32) -> RouteEntry {
    RouteEntry { destination: id(node), offer: Some(RouteOffer { version, hops, metric }) }
}

impl Mesh {
    /// A neighbour of `node` that is none of ours; what is sent to it is lost.
    fn admit_liar(&mut self, node: usize) {
        self.tell(node, In::LinkUp { link: LIAR, peer: id(900) });
    }

    fn lie(&mut self, node: usize, entries: Vec<RouteEntry>) {
        let mut body = Vec::new();
        Routes { entries, ..Routes::default() }.encode(&mut body);
        let body = Bytes::from(body);
        self.tell(node, In::Frame { link: LIAR, header: header(FrameType::Routes, &body), body });
    }

    fn violations(&self, node: usize) -> Vec<CloseReason> {
        let reason = |out: &Out| match out {
            Out::Violation { reason, .. } => Some(*reason),
            _ => None,
        };
        self.nodes[node].heard.news.iter().filter_map(reason).collect()
    }
}

#[test]
fn a_liar_attracts_traffic_but_makes_no_loop_and_is_got_over() {
    let mut mesh = Mesh::of(8, &ring(8));
    mesh.admit_liar(4);
    // It claims to be next to node 0, under a number that node 0 has not made.
    mesh.lie(4, alloc::vec![offer(0, version(1, 1_000), 1, 1)]);
    mesh.run(Duration::from_secs(3));
    mesh.assert_no_loops();
    assert_eq!(mesh.nodes[4].routing.route(&id(0)).unwrap().link, LIAR);
    // Who is next to node 0 asks nobody else.
    assert_eq!(mesh.nodes[1].routing.route(&id(0)).unwrap().hops, 1);
    assert_eq!(mesh.nodes[7].routing.route(&id(0)).unwrap().hops, 1);
    mesh.tell(4, In::LinkDown { link: LIAR });
    let took = mesh.settle();
    mesh.assert_shortest();
    assert!(took < Duration::from_secs(5), "node 0 has overtaken the false number after {took:?}");
    assert!(mesh.nodes[0].routing.version.sequence > 1_000);
}

#[test]
fn a_life_that_its_owner_has_not_signed_changes_no_route() {
    let mut mesh = Mesh::of(6, &ring(6));
    mesh.admit_liar(3);
    let before: Vec<_> = mesh.nodes[2].routing.routes().collect();
    for lie in [version(2, 0), version(u64::MAX, 5), version(u64::MAX, u64::MAX)] {
        mesh.lie(3, alloc::vec![offer(0, lie, 1, 1)]);
        mesh.run(Duration::from_secs(2));
        mesh.assert_shortest();
        assert_ne!(mesh.nodes[3].routing.route(&id(0)).unwrap().link, LIAR);
        assert_eq!(mesh.nodes[2].routing.routes().collect::<Vec<_>>(), before);
    }
    // Nor when something else changes meanwhile.
    mesh.cut(1, 2);
    mesh.settle();
    mesh.assert_shortest();
}

#[test]
fn a_life_that_nobody_has_ever_signed_is_passed_on_by_nobody() {
    let mut mesh = Mesh::of(3, &line(3));
    mesh.admit_liar(0);
    mesh.lie(0, alloc::vec![offer(77, version(2, 0), 1, 1)]);
    mesh.settle();
    assert!(!mesh.nodes[0].reaches(77) && !mesh.nodes[1].reaches(77));
    mesh.tell(0, In::Incarnation { node: id(77), incarnation: Incarnation::new(2) });
    assert!(mesh.nodes[0].reaches(77), "it was kept");
}

#[test]
fn numbers_out_of_reach_are_not_believed_and_keep_nobody_away() {
    for sequence in [u64::MAX, u64::MAX - 1, 1 << 40, 1 << 28] {
        let mut mesh = Mesh::of(6, &line(6));
        mesh.admit_liar(3);
        mesh.lie(3, alloc::vec![offer(0, version(1, sequence), 1, 1)]);
        mesh.run(Duration::from_secs(1));
        mesh.assert_shortest();
        mesh.tell(3, In::LinkDown { link: LIAR });
        mesh.settle();
        mesh.assert_shortest();
    }
}

#[test]
fn whatever_numbers_a_liar_gets_believed_the_owner_is_past_them_within_a_minute() {
    for step in [1 << 22, 1 << 20, 1 << 17] {
        let mut mesh = Mesh::of(6, &line(6));
        mesh.admit_liar(3);
        let mut sequence = 0;
        for _ in 0..200 {
            mesh.lie(3, alloc::vec![offer(0, version(1, sequence + step), 1, 1)]);
            mesh.run(Duration::from_millis(50));
            mesh.assert_no_loops();
            let way = mesh.nodes[3].routing.destinations[&id(0)].chosen;
            sequence = sequence.max(way.map_or(0, |way| way.version.sequence));
        }
        assert_eq!(mesh.nodes[3].routing.route(&id(0)).unwrap().link, LIAR, "it attracts what it can");
        mesh.tell(3, In::LinkDown { link: LIAR });
        let took = mesh.settle();
        mesh.assert_shortest();
        assert!(took < Duration::from_secs(45), "{took:?} with steps of {step}");
    }
}

#[test]
fn who_hears_of_a_node_from_a_liar_first_gets_over_it() {
    let mut mesh = Mesh::of(4, &line(3));
    mesh.admit_liar(2);
    mesh.lie(2, alloc::vec![offer(3, version(1, u64::MAX), 1, 1)]);
    mesh.join(0, 3, Duration::from_millis(4));
    mesh.run(Duration::from_secs(5));
    assert_eq!(mesh.nodes[0].routing.hops(&id(3)), Some(1));
    mesh.tell(2, In::LinkDown { link: LIAR });
    mesh.run(mesh.config.timing.route_garbage_after * 2);
    mesh.settle();
    mesh.assert_shortest();
}

#[test]
fn a_liar_that_speaks_of_this_very_node_is_overtaken_and_not_believed() {
    let mut mesh = Mesh::of(3, &line(3));
    mesh.admit_liar(0);
    mesh.lie(0, alloc::vec![offer(0, version(1, 41), 3, 3)]);
    mesh.settle();
    assert_eq!(mesh.nodes[0].routing.version, version(1, 42));
    mesh.lie(0, alloc::vec![offer(0, version(7, 41), 3, 3), offer(0, version(1, 1 << 60), 3, 3)]);
    mesh.run(Duration::from_secs(2));
    assert_eq!(mesh.nodes[0].routing.version, version(1, 43));
    assert!(!mesh.nodes[0].reaches(0));
    mesh.assert_shortest();
}

#[test]
fn only_a_node_itself_is_no_hop_away_from_it() {
    for entry in [offer(1, version(1, 9), 0, 0), offer(900, version(1, 9), 1, 1)] {
        let mut mesh = Mesh::of(3, &line(3));
        mesh.admit_liar(0);
        // What comes before it in the frame does not count either.
        mesh.lie(0, alloc::vec![offer(77, version(1, 1), 1, 1), entry]);
        assert_eq!(mesh.violations(0), [CloseReason::MalformedFrame]);
        assert!(!mesh.nodes[0].reaches(77));
        mesh.lie(0, alloc::vec![offer(78, version(1, 1), 1, 1)]);
        assert!(!mesh.nodes[0].reaches(78), "it is not heard any more");
    }
}

#[test]
fn what_costs_more_than_can_be_counted_is_no_way() {
    let mut mesh = Mesh::of(3, &line(3));
    mesh.admit_liar(0);
    mesh.lie(
        0,
        alloc::vec![offer(50, version(1, 0), 1, u32::MAX), offer(51, version(1, 0), 1, u32::MAX - 1)],
    );
    mesh.settle();
    assert!(!mesh.nodes[0].reaches(50));
    assert!(mesh.nodes[0].reaches(51) && !mesh.nodes[1].reaches(51));
    mesh.lie(0, alloc::vec![offer(52, version(1, 0), 15, 15)]);
    mesh.settle();
    assert!(mesh.nodes[0].reaches(52) && !mesh.nodes[1].reaches(52), "16 hops, and 17");
}

#[test]
fn bodies_that_cannot_be_read_close_the_link() {
    let types = [
        FrameType::Routed,
        FrameType::PathBroken,
        FrameType::Routes,
        FrameType::RouteRequest,
        FrameType::Ping,
        FrameType::Pong,
    ];
    for frame_type in types {
        for body in [&[][..], &[0xff; 65], &[0xa1, 0x01], &[0; 66]] {
            let mut mesh = Mesh::of(2, &line(2));
            mesh.admit_liar(0);
            let body = Bytes::from_static(body);
            mesh.tell(0, In::Frame { link: LIAR, header: header(frame_type, &body), body });
            assert_eq!(mesh.violations(0), [CloseReason::MalformedFrame], "{frame_type:?}");
        }
    }
}

#[test]
fn a_link_that_is_not_up_says_nothing_and_is_not_kept_in_mind_for_ever() {
    let mut mesh = Mesh::of(2, &line(2));
    let mut body = Vec::new();
    Routes { entries: alloc::vec![offer(50, version(1, 0), 1, 1)], ..Routes::default() }.encode(&mut body);
    let body = Bytes::from(body);
    for link in 100..1_000 {
        mesh.tell(
            0,
            In::Frame { link: LinkId(link), header: header(FrameType::Routes, &body), body: body.clone() },
        );
    }
    assert!(!mesh.nodes[0].reaches(50));
    assert_eq!(mesh.nodes[0].routing.early.len(), 64);
}

/// Something that a hostile neighbour may send, of one link of three.
fn hostile_frame() -> impl Strategy<Value = (u64, FrameType, Vec<u8>)> {
    let node = 0..40_usize;
    let number = prop_oneof![0..4_u64, Just(u64::MAX), any::<u64>()];
    let entry = (
        node.clone(),
        any::<bool>(),
        0..3_u64,
        number.clone(),
        0..16_u8,
        prop_oneof![0..40_u32, any::<u32>()],
    )
        .prop_map(|(node, keep, incarnation, sequence, hops, metric)| {
            let entry = offer(node, version(incarnation, sequence), hops, metric.max(hops.into()));
            let entry = if hops == 0 { offer(node, version(incarnation, sequence), 0, 0) } else { entry };
            RouteEntry { offer: entry.offer.filter(|_| keep), ..entry }
        });
    let routes = (proptest::collection::vec(entry, 0..12), any::<bool>(), any::<bool>()).prop_map(
        |(mut entries, anew, check)| {
            entries
                .retain(|entry| entry.offer.is_none_or(|offer| offer.hops > 0 || entry.destination == id(1)));
            let mut body = Vec::new();
            let check = check.then_some(RoutesCheck { count: 1, hash: 2 });
            Routes { entries, check, anew }.encode(&mut body);
            (FrameType::Routes, body)
        },
    );
    let request = (node.clone(), 0..3_u64, number, 1..17_u8, 0..9_u64).prop_map(
        |(node, incarnation, sequence, hops, id_of_request)| {
            let mut body = Vec::new();
            let (destination, version) = (id(node), version(incarnation, sequence));
            RouteRequest::Newer { destination, version, hops, id: id_of_request }.encode(&mut body);
            (FrameType::RouteRequest, body)
        },
    );
    let routed = (node.clone(), node.clone(), 1..12_u8).prop_map(|(destination, source, hop_limit)| {
        let mut body = Vec::new();
        let (destination, source) = (id(destination), id(source));
        RoutedHead { destination, source, hop_limit, class: Class::Data }.encode(&mut body);
        (FrameType::Routed, body)
    });
    let broken = (node.clone(), node).prop_map(|(source, destination)| {
        let mut body = Vec::new();
        let reason = Broken::NoRoute;
        PathBroken { source: id(source), destination: id(destination), reason }.encode(&mut body);
        (FrameType::PathBroken, body)
    });
    let ping = any::<bool>().prop_map(|ping| {
        let mut body = Vec::new();
        Ping { token: 1 }.encode(&mut body);
        (if ping { FrameType::Ping } else { FrameType::Pong }, body)
    });
    let garbage = proptest::collection::vec(any::<u8>(), 0..80).prop_map(|body| (FrameType::Routes, body));
    (1..4_u64, prop_oneof![8 => routes, 3 => request, 4 => routed, 2 => broken, 1 => ping, 1 => garbage])
        .prop_map(|(link, (frame_type, body))| (link, frame_type, body))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_neighbours_send_no_table_outgrows_its_limit_and_what_was_said_of_routes_holds(
        frames in proptest::collection::vec((hostile_frame(), 0..3_000_u64, 0..30_u8), 0..120),
    ) {
        let limits = Limits {
            routes_max: 20,
            routes_per_link_max: 12,
            route_offers_max: 25,
            flows_max: 6,
            ..Limits::default()
        };
        let config = config(RouteMetric::RoundTrip, limits, Timing::default());
        let (mut node, mut now) = (Node::new(&config, 0, 1), Instant::from_millis(1));
        for ((link, frame_type, body), pause_ms, event) in frames {
            let link = LinkId(link);
            let mut inputs = Vec::new();
            if event == 0 {
                inputs.push(In::LinkDown { link });
            }
            inputs.push(In::LinkUp { link, peer: id(link.0 as usize) });
            let body = Bytes::from(body);
            inputs.push(In::Frame { link, header: header(frame_type, &body), body });
            for input in inputs {
                node.act(now, |routing, cx| routing.handle(cx, input));
            }
            node.act(now, Routing::flush);
            let until = now + Duration::from_millis(pause_ms);
            while let Some(at) = node.routing.timeout().filter(|at| *at <= until) {
                now = now.max(at);
                node.act(now, Routing::on_timeout);
            }
            now = until;
            node.routing.gauges(|name, value, cap, _| assert!(value <= cap, "{name}: {value} of {cap}"));
            let offers: usize = node.routing.destinations.values().map(|known| known.offers().len()).sum();
            prop_assert_eq!(offers, node.routing.offers);
            let of_links: usize = node.routing.neighbours.values().map(|neighbour| neighbour.offers).sum();
            prop_assert_eq!(offers, of_links);
            let reachable: Vec<NodeId> = node.routing.routes().map(|(to, _)| to).collect();
            prop_assert!(reachable.iter().eq(node.heard.reachable.keys()));
        }
    }
}
