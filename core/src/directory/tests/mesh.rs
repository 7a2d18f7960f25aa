//! Whole meshes: news spread, losses are repaired, views are equal once it is quiet.

use alloc::vec::Vec;
use core::time::Duration;

use proptest::prelude::*;

use super::{
    LIFE, Limits, Mesh, Node, RECORD_OVERHEAD, Timing, diameter, four_regular, line, provider, ring, tagged,
    tree,
};
use crate::directory::In;
use crate::identity::Incarnation;
use crate::machine::Machine;
use crate::wire::body::directory::HOPS_MAX;
use crate::wire::frame::FrameType;

const SECOND: Duration = Duration::from_secs(1);

fn settled(count: usize, edges: &[(usize, usize)]) -> Mesh {
    let mut mesh = Mesh::new(count, edges);
    mesh.run_while(30 * SECOND, |mesh| !mesh.views_equal());
    mesh.run(5 * SECOND);
    mesh
}

#[test]
fn everybody_knows_everybody_on_any_graph() {
    for edges in [line(12), ring(12), tree(12), four_regular(12)] {
        let mesh = settled(12, &edges);
        assert!(mesh.nodes.iter().all(|node| node.directory.nodes().count() == 12));
        let learned = mesh.learned.len();
        assert_eq!(learned, 12 * 11, "each node is told once of each other");
    }
}

#[test]
fn a_change_is_known_everywhere_within_diameter_times_latency_for_about_a_frame_a_link() {
    for (count, edges) in [(200, four_regular(200)), (14, ring(14)), (16, line(16))] {
        let mut mesh = settled(count, &edges);
        mesh.traffic = super::Traffic::default();
        mesh.act(0, |directory, cx| directory.put_provider(cx, provider("new/action")).unwrap());
        let most = mesh.latency * diameter(count, &edges) as u32;
        let took =
            mesh.run_while(most, |mesh| (0..count).any(|node| !mesh.knows_provider(node, 0, "new/action")));
        assert!(took <= most, "{count} nodes: {took:?}");
        mesh.run(SECOND / 2);
        let deltas = mesh.traffic.frames["DIRECTORY_DELTA"];
        assert!(deltas <= 2 * edges.len(), "{deltas} frames on {} links", edges.len());
        assert!(deltas >= count - 1, "everybody has heard it");
        std::println!(
            "{count} nodes: known in {took:?} of {most:?}, {deltas} deltas on {} links",
            edges.len()
        );
    }
}

#[test]
fn changes_of_one_turn_travel_as_one_delta() {
    let mut mesh = settled(3, &line(3));
    mesh.traffic = super::Traffic::default();
    mesh.act(0, |directory, cx| {
        for number in 0..50 {
            directory.put_provider(cx, provider(&alloc::format!("action/{number}"))).unwrap();
        }
        directory.set_capabilities(cx, tagged("hardware.gpu")).unwrap();
        directory.put_alias(cx, "master").unwrap();
        assert!(directory.remove_provider(cx, "action/7"));
    });
    mesh.run(SECOND / 2);
    assert_eq!(mesh.traffic.frames["DIRECTORY_DELTA"], 2);
    assert!(mesh.views_equal());
    assert!(mesh.knows_provider(2, 0, "action/49") && !mesh.knows_provider(2, 0, "action/7"));
}

/// C68.
#[test]
fn a_capability_update_reaches_all_peers_though_one_link_is_down() {
    let mut mesh = settled(6, &ring(6));
    mesh.cut(0, 1);
    mesh.act(0, |directory, cx| directory.set_capabilities(cx, tagged("hardware.gpu")).unwrap());
    let id = mesh.id(0);
    let knows = |mesh: &Mesh, node: usize| {
        mesh.nodes[node].directory.capabilities_of(&id).is_some_and(|set| set.has_tag("hardware.gpu"))
    };
    let took = mesh.run_while(SECOND, |mesh| (0..6).any(|node| !knows(mesh, node)));
    assert!(took <= 5 * mesh.latency, "{took:?}");
}

#[test]
fn news_travel_at_most_sixteen_links_by_flooding_and_any_distance_by_comparing() {
    let mut mesh = settled(40, &line(40));
    mesh.act(0, |directory, cx| directory.put_provider(cx, provider("far")).unwrap());
    mesh.run(mesh.latency * 17);
    let far = usize::from(HOPS_MAX);
    assert!(mesh.knows_provider(far, 0, "far") && !mesh.knows_provider(far + 1, 0, "far"));
    let took = mesh.run_while(10 * SECOND, |mesh| !mesh.views_equal());
    assert!(took <= 23 * 8 * mesh.latency, "a few round trips for each further link, not {took:?}");
    assert!(
        mesh.nodes[39].directory.describe(mesh.now, &mesh.id(0)).is_some_and(|node| node.hops == HOPS_MAX)
    );
}

#[test]
fn two_islands_know_all_of_each_other_after_a_bridge() {
    let mut edges = four_regular(20);
    edges.extend(four_regular(20).into_iter().map(|(a, b)| (a + 20, b + 20)));
    let mut mesh = Mesh::new(40, &edges);
    mesh.run(5 * SECOND);
    assert_eq!(mesh.nodes[0].directory.nodes().count(), 20);
    mesh.link(3, 27);
    mesh.run_while(SECOND, |mesh| !mesh.views_equal());
    assert_eq!(mesh.nodes[0].directory.nodes().count(), 40);
}

#[test]
fn lost_deltas_are_repaired_by_comparing() {
    let mut mesh = settled(8, &four_regular(8));
    mesh.loss = Some((FrameType::DirectoryDelta, 255));
    mesh.act(2, |directory, cx| directory.put_provider(cx, provider("lost")).unwrap());
    mesh.run(SECOND);
    mesh.loss = None;
    assert!(!mesh.views_equal(), "the delta was lost");
    mesh.run_while(31 * SECOND, |mesh| !mesh.views_equal());
    assert!(mesh.knows_provider(5, 2, "lost"));
}

#[test]
fn a_delta_whose_base_was_lost_makes_the_receiver_ask_for_the_whole_set() {
    let mut mesh = settled(2, &line(2));
    mesh.loss = Some((FrameType::DirectoryDelta, 255));
    mesh.act(0, |directory, cx| directory.put_provider(cx, provider("first")).unwrap());
    mesh.run(SECOND);
    mesh.loss = None;
    mesh.act(0, |directory, cx| directory.put_provider(cx, provider("second")).unwrap());
    let took = mesh.run_while(SECOND, |mesh| !mesh.views_equal());
    assert!(took <= 4 * mesh.latency, "at once, not with the next comparison: {took:?}");
    assert!(mesh.knows_provider(1, 0, "first") && mesh.knows_provider(1, 0, "second"));
}

#[test]
fn a_new_life_replaces_all_that_the_old_one_said() {
    let mut mesh = settled(5, &ring(5));
    mesh.act(1, |directory, cx| directory.put_provider(cx, provider("old")).unwrap());
    mesh.run(SECOND);
    mesh.restart(1, Incarnation::new(2_000));
    mesh.act(1, |directory, cx| directory.put_provider(cx, provider("new")).unwrap());
    mesh.learned.clear();
    mesh.run_while(SECOND, |mesh| !mesh.views_equal());
    mesh.run(SECOND);
    assert!((0..5).all(|node| mesh.knows_provider(node, 1, "new") && !mesh.knows_provider(node, 1, "old")));
    let told: Vec<usize> =
        mesh.learned.iter().filter(|(_, who)| *who == mesh.id(1)).map(|(node, _)| *node).collect();
    assert_eq!(told.len(), 4, "each other node is told of the new life: {told:?}");
    assert!(mesh.superseded.is_empty());
}

#[test]
fn a_life_before_one_that_was_announced_is_told_so() {
    let mut mesh = settled(4, &ring(4));
    mesh.restart(1, Incarnation::new(999));
    mesh.run(SECOND);
    assert_eq!(mesh.superseded, [(1, LIFE)]);
    // What the engine makes of that, where nobody else lives with this key.
    mesh.act(1, |directory, cx| {
        directory.put_provider(cx, provider("back")).unwrap();
        directory.handle(cx, In::Reincarnated { incarnation: LIFE.after() });
    });
    mesh.run_while(SECOND, |mesh| !mesh.views_equal());
    assert!(mesh.knows_provider(3, 1, "back"));
}

#[test]
fn a_node_that_forgot_how_far_it_had_counted_goes_on_after_that() {
    let mut mesh = settled(4, &ring(4));
    for number in 0..5 {
        mesh.act(1, |directory, cx| {
            directory.put_provider(cx, provider(&alloc::format!("a/{number}"))).unwrap();
        });
        mesh.run(SECOND);
    }
    mesh.restart(1, LIFE);
    mesh.act(1, |directory, cx| directory.put_provider(cx, provider("b")).unwrap());
    mesh.run_while(2 * SECOND, |mesh| !mesh.views_equal());
    assert!(mesh.knows_provider(3, 1, "b") && !mesh.knows_provider(3, 1, "a/0"));
    assert_eq!(mesh.nodes[1].count("directory.own_sequence_overtaken"), 1);
}

#[test]
fn a_leaving_node_takes_back_everything() {
    let mut mesh = settled(5, &ring(5));
    mesh.act(2, |directory, cx| directory.put_provider(cx, provider("gone")).unwrap());
    mesh.run(SECOND);
    mesh.act(2, |directory, cx| directory.handle(cx, In::Leave));
    mesh.run(mesh.latency * 3);
    for node in &mesh.nodes {
        assert_eq!(node.directory.nodes().count(), 4);
        assert!(node.directory.providers("gone").is_empty());
    }
    assert!(mesh.views_equal());
}

#[test]
fn idle_links_carry_less_than_two_hundred_bytes_a_second() {
    let (count, edges) = (40, four_regular(40));
    let mut mesh = settled(count, &edges);
    mesh.run(60 * SECOND);
    mesh.traffic = super::Traffic::default();
    let span = 1_900;
    mesh.run(span * SECOND);
    let most = mesh.traffic.by_link.values().max().copied().unwrap_or(0) / span as usize;
    let mean = mesh.traffic.bytes / edges.len() / span as usize;
    // What grows is one refresh for each node, so for two hundred nodes it is at most so much more.
    assert!(most * 200 / count < 200, "{most} bytes a second on the busiest link");
    assert!(mean > 0, "every node has announced itself again");
    assert!(mesh.views_equal());
    std::println!(
        "idle, 200 nodes: {mean} bytes a second on a link, {most} on the busiest; {:?}",
        mesh.traffic.frames
    );
}

#[test]
fn a_comparison_of_equal_views_is_one_small_frame() {
    let mut mesh = settled(2, &line(2));
    mesh.traffic = super::Traffic::default();
    mesh.run(600 * SECOND);
    let frames = mesh.traffic.frames["DIRECTORY_DIGEST"];
    assert!((20..=26).contains(&frames), "{frames} frames in ten minutes");
    assert_eq!(mesh.traffic.bytes, frames * (48 + RECORD_OVERHEAD));
}

#[test]
fn an_owner_that_announces_too_often_is_joined_but_nothing_is_lost() {
    let mut mesh = settled(6, &line(6));
    mesh.traffic = super::Traffic::default();
    for number in 0..2_000_u32 {
        let mut entry = provider("busy");
        entry.load = number;
        mesh.act(0, |directory, cx| directory.put_provider(cx, entry).unwrap());
        mesh.run(Duration::from_millis(5));
    }
    mesh.run_while(SECOND, |mesh| !mesh.views_equal());
    let deltas = mesh.traffic.frames["DIRECTORY_DELTA"];
    // A burst of a hundred, then twenty a second for ten seconds, on five links.
    assert!(deltas <= 5 * (100 + 210), "{deltas} deltas");
    let id = mesh.id(0);
    let load = |node: &Node| {
        node.directory.providers("busy").iter().find(|it| it.node == id).map(|it| it.entry.load)
    };
    assert!(mesh.nodes.iter().all(|node| load(node) == Some(1_999)));
    assert!(mesh.violations.is_empty());
}

#[test]
fn what_nobody_renews_goes_by_itself_everywhere() {
    let timing = Timing { directory_ttl: 120 * SECOND, ..Timing::default() };
    let mut mesh = Mesh::with(5, &line(5), Limits::default(), timing);
    mesh.run_while(10 * SECOND, |mesh| !mesh.views_equal());
    mesh.cut(3, 4);
    let gone = mesh.id(4);
    mesh.run(90 * SECOND);
    assert!(mesh.nodes[0].directory.describe(mesh.now, &gone).is_some(), "it may still be good");
    mesh.run(60 * SECOND);
    for node in 0..4 {
        assert!(mesh.nodes[node].directory.describe(mesh.now, &gone).is_none(), "node {node}");
        assert_eq!(mesh.nodes[node].directory.nodes().count(), 4, "the others renew what they say");
    }
    mesh.link(3, 4);
    mesh.run_while(SECOND, |mesh| !mesh.views_equal());
    assert_eq!(mesh.nodes[0].directory.nodes().count(), 5);
}

#[test]
fn a_joiner_of_a_large_mesh_learns_it_in_seconds_and_is_not_cut() {
    let mut mesh = Mesh::new(3, &[(0, 1)]);
    let strangers = 3_000;
    for number in 0..strangers {
        let mut author = super::Author::new(10_000 + number);
        let announcement = author.providers(&["shared"]);
        let node = &mut mesh.nodes[0];
        let changes = announcement.entries.iter().map(|bytes| {
            let (key, stored) = crate::directory::Stored::read(&crate::crypto::RustCrypto, bytes).unwrap();
            (key, Some(stored))
        });
        let arrival = crate::directory::Arrival { now: mesh.now, age_s: 5, hops: 3 };
        node.directory.view.open(author.id(), announcement.head.clone(), arrival);
        node.directory.view.apply(author.id(), changes.collect());
    }
    let took = mesh.run_while(40 * SECOND, |mesh| mesh.nodes[1].directory.view.len() < strangers + 2);
    mesh.link(1, 2);
    let joined = mesh.run_while(40 * SECOND, |mesh| !mesh.views_equal());
    std::println!("{strangers} owners learned in {took:?}, and by a joiner in {joined:?}");
    assert!(joined <= 10 * SECOND, "{joined:?}");
    assert!(mesh.violations.is_empty());
    assert_eq!(mesh.nodes[2].directory.providers("shared").len(), strangers);
    assert_eq!(mesh.nodes[2].gauge("directory.wanted"), 0);
}

/// What happens to a mesh.
#[derive(Clone, Debug)]
enum Happening {
    Serve(usize, u8),
    Stop(usize, u8),
    Load(usize, u8, u32),
    Tag(usize, u8),
    Alias(usize, u8),
    Link(usize, usize),
    Cut(usize, usize),
    Restart(usize),
    Rest(u16),
    Lossy(bool),
}

const NODES: usize = 9;

fn happening() -> impl Strategy<Value = Happening> {
    let node = 0..NODES;
    prop_oneof![
        4 => (node.clone(), 0..6_u8).prop_map(|(node, path)| Happening::Serve(node, path)),
        2 => (node.clone(), 0..6_u8).prop_map(|(node, path)| Happening::Stop(node, path)),
        2 => (node.clone(), 0..6_u8, any::<u32>()).prop_map(|(node, path, load)| Happening::Load(node, path, load)),
        2 => (node.clone(), any::<u8>()).prop_map(|(node, tag)| Happening::Tag(node, tag)),
        1 => (node.clone(), 0..4_u8).prop_map(|(node, alias)| Happening::Alias(node, alias)),
        2 => (node.clone(), node.clone()).prop_map(|(a, b)| Happening::Link(a, b)),
        2 => (node.clone(), node.clone()).prop_map(|(a, b)| Happening::Cut(a, b)),
        1 => node.prop_map(Happening::Restart),
        5 => (0..3_000_u16).prop_map(Happening::Rest),
        1 => any::<bool>().prop_map(Happening::Lossy),
    ]
}

fn path(number: u8) -> alloc::string::String {
    alloc::format!("path/{number}")
}

fn happen(mesh: &mut Mesh, happening: &Happening, life: &mut u64) {
    match *happening {
        Happening::Serve(node, number) => {
            mesh.act(node, |directory, cx| directory.put_provider(cx, provider(&path(number))).unwrap());
        }
        Happening::Stop(node, number) => {
            mesh.act(node, |directory, cx| directory.remove_provider(cx, &path(number)));
        }
        Happening::Load(node, number, load) => {
            let mut entry = provider(&path(number));
            entry.load = load;
            mesh.act(node, |directory, cx| directory.put_provider(cx, entry).unwrap());
        }
        Happening::Tag(node, tag) => {
            let set = tagged(&alloc::format!("tag-{tag}"));
            mesh.act(node, |directory, cx| directory.set_capabilities(cx, set).unwrap());
        }
        Happening::Alias(node, alias) => {
            let alias = alloc::format!("alias-{alias}");
            mesh.act(node, |directory, cx| {
                if !directory.remove_alias(cx, &alias) {
                    directory.put_alias(cx, &alias).unwrap();
                }
            });
        }
        Happening::Link(a, b) => {
            if a != b && !mesh.is_linked(a, b) {
                mesh.link(a, b);
            }
        }
        Happening::Cut(a, b) => mesh.cut(a, b),
        Happening::Restart(node) => {
            *life += 1;
            mesh.restart(node, Incarnation::new(*life));
        }
        Happening::Rest(ms) => mesh.run(Duration::from_millis(ms.into())),
        Happening::Lossy(lossy) => mesh.loss = lossy.then_some((FrameType::DirectoryDelta, 90)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever happens, once all are connected and quiet, all know the same, and it is what the owners say.
    #[test]
    fn views_are_equal_after_quiet(
        graph in 0..4_usize,
        happenings in proptest::collection::vec(happening(), 1..60),
    ) {
        let edges = [line(NODES), ring(NODES), tree(NODES), four_regular(NODES)][graph].clone();
        let mut mesh = Mesh::new(NODES, &edges);
        let mut life = LIFE.get();
        for happening in &happenings {
            happen(&mut mesh, happening, &mut life);
        }
        mesh.loss = None;
        for (a, b) in edges {
            if !mesh.is_linked(a, b) {
                mesh.link(a, b);
            }
        }
        mesh.run(70 * SECOND);
        prop_assert!(mesh.views_equal(), "{}", mesh.differences());
        prop_assert!(mesh.violations.is_empty());
        for node in &mesh.nodes {
            prop_assert_eq!(node.gauge("directory.wanted"), 0);
            prop_assert_eq!(node.gauge("directory.news"), 0);
            prop_assert_eq!(node.gauge("directory.reassembly_bytes"), 0);
        }
    }
}
