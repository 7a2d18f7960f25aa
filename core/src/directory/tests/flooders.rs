//! Neighbours that send too much hurt themselves only.

use alloc::vec::Vec;
use core::time::Duration;

use super::{Author, In, Node, encoded_digest, encoded_request, identity, sent, violations};
use crate::code::CloseReason;
use crate::config::Limits;
use crate::directory::tests::{Mesh, provider, ring};
use crate::identity::NodeId;
use crate::link::LinkId;
use crate::wire::body::directory::{DirectoryDigest, OwnerVersion, Version};
use crate::wire::frame::FrameType;

const HONEST: LinkId = LinkId(2);
const SECOND: Duration = Duration::from_secs(1);

fn between_flooder_and_friend() -> (Node, LinkId) {
    let (mut node, link) = Node::with_neighbour(1, Limits::default());
    node.handle(In::LinkUp { link: HONEST, peer: identity(901).node_id() });
    node.settle();
    (node, link)
}

#[test]
fn a_flooder_is_throttled_and_then_cut_while_others_are_heard() {
    let (mut node, flooder) = between_flooder_and_friend();
    let mut authors: Vec<Author> = (0..50).map(|number| Author::new(100 + number)).collect();
    let mut friend = Author::new(10);
    let mut passed_on = 0;
    let mut cut_after = None;
    for number in 0..8_000 {
        let announcement = authors[number % 50].providers(&["spam"]);
        let outs = announcement.tell(&mut node, flooder);
        passed_on += sent(&outs).iter().filter(|(link, _, _)| *link == HONEST).count();
        if let [reason] = violations(&outs)[..] {
            assert_eq!(reason, CloseReason::Flooding);
            cut_after = Some(number);
            break;
        }
        if number % 100 == 0 {
            friend.providers(&["useful"]).tell(&mut node, HONEST);
            let version = node.snapshot()[&friend.id()].0;
            assert_eq!(version.sequence, friend.sequence, "a friend is heard at once, after {number} frames");
        }
    }
    let cut_after = cut_after.expect("the flooder is cut");
    assert!((4_000..6_000).contains(&cut_after), "{cut_after}");
    assert!((3_000..5_000).contains(&node.count("directory.throttled")));
    assert!(passed_on < 400, "what is passed on is limited: {passed_on} frames");
    assert!(node.snapshot().contains_key(&friend.id()));
}

#[test]
fn frames_over_the_limit_are_not_even_read() {
    let (mut node, flooder) = between_flooder_and_friend();
    let announcement = Author::new(100).providers(&["a"]);
    // The same again costs little, but something.
    for _ in 0..10_000 {
        announcement.tell(&mut node, flooder);
    }
    let throttled = node.count("directory.throttled");
    assert!(throttled > 0);
    node.frame(flooder, FrameType::DirectoryDelta, alloc::vec![0xff; 100]);
    assert_eq!(violations(&node.settle()), [], "dropped before it is looked at");
    assert_eq!(node.count("directory.throttled"), throttled + 1);
    node.rest(SECOND);
    node.frame(flooder, FrameType::DirectoryDelta, alloc::vec![0xff; 100]);
    assert_eq!(violations(&node.settle()), [CloseReason::MalformedFrame]);
}

#[test]
fn forgeries_cost_far_more_than_genuine_announcements() {
    let (mut node, flooder) = between_flooder_and_friend();
    for number in 0..40 {
        let mut forged = Author::new(100 + number).providers(&["a"]);
        forged.head.signature[0] ^= 1;
        forged.tell(&mut node, flooder);
    }
    assert!(node.count("directory.refused_forged") <= 21, "{:?}", node.counters);
    assert!(node.count("directory.throttled") >= 19);
}

#[test]
fn a_flooder_that_rests_is_heard_again_and_what_was_dropped_is_repaired() {
    let mut mesh = Mesh::with(
        2,
        &[(0, 1)],
        Limits { directory_announcements_burst: 40, directory_announcements_per_s: 10, ..Limits::default() },
        super::Timing::default(),
    );
    mesh.run(SECOND);
    // An honest node sends less than its neighbour takes, whatever it has to say.
    for round in 0..200 {
        mesh.act(0, |directory, cx| {
            directory.put_provider(cx, provider(&alloc::format!("a/{round}"))).unwrap();
        });
        mesh.run(Duration::from_millis(20));
    }
    assert_eq!(mesh.nodes[1].count("directory.throttled"), 0);
    assert!(mesh.nodes[0].count("directory.neighbour_lags") > 0);
    mesh.run_while(2 * SECOND, |mesh| !mesh.views_equal());
    assert!(mesh.violations.is_empty());
}

#[test]
fn comparisons_without_end_are_throttled_and_then_cut() {
    let (mut node, flooder) = between_flooder_and_friend();
    let (from, to) = (NodeId::from_bytes([0; 32]), NodeId::from_bytes([0xff; 32]));
    let kinds = [
        encoded_digest(&DirectoryDigest::View { hash: [1; 32], ends_answer: false }),
        encoded_digest(&DirectoryDigest::View { hash: [1; 32], ends_answer: true }),
        encoded_digest(&DirectoryDigest::Buckets { hashes: alloc::vec![(7, [1; 8])] }),
        encoded_digest(&DirectoryDigest::Versions { from, to, answer: false, owners: Vec::new() }),
    ];
    let (mut answered, mut asked) = (0, 0);
    for body in kinds.iter().cycle().take(40_000) {
        node.frame(flooder, FrameType::DirectoryDigest, body.clone());
        let outs = node.settle();
        answered += sent(&outs).len();
        asked += 1;
        if violations(&outs) == [CloseReason::Flooding] {
            break;
        }
    }
    assert!(asked < 8_000, "cut after {asked} frames");
    assert!(answered < 1_500, "{answered} answers");
}

#[test]
fn requests_are_answered_one_at_a_time_and_at_a_limited_pace() {
    let limits = Limits { directory_bytes_per_owner_max: 2 << 20, ..Limits::default() };
    let (mut node, greedy) = Node::with_neighbour(1, limits);
    node.with(|directory, cx| {
        for number in 0..1_000 {
            let long = alloc::format!("{number}/{}", "x".repeat(900));
            directory.put_provider(cx, provider(&long)).unwrap();
        }
    });
    node.settle();
    let id = node.id();
    let bytes = |outs: &[super::Out]| sent(outs).iter().map(|(_, _, body)| body.len()).sum::<usize>();
    let mut total = 0;
    for _ in 0..200 {
        node.frame(greedy, FrameType::DirectoryRequest, encoded_request(&[id; 64]));
        total += bytes(&node.settle());
    }
    assert!(total < 5 << 20, "{total} bytes at once");
    assert!(node.count("directory.request_too_soon") > 100);
    let outs = node.rest(10 * SECOND);
    let rate = bytes(&outs) / 10;
    assert!((1 << 19..(1 << 20) + (1 << 18)).contains(&rate), "{rate} bytes a second");
}

#[test]
fn half_received_sets_are_bounded_and_go_with_their_link() {
    let limits = Limits { directory_bytes_per_owner_max: 300_000, ..Limits::default() };
    let (mut node, link) = Node::with_neighbour(1, limits);
    let mut owner = Author::new(10);
    let mut part = owner.providers(&[&"x".repeat(1_000)]);
    part.head = crate::wire::body::directory::SignedHead { entries: 8_000, ..part.head };
    part.head = {
        let head = &part.head;
        crate::wire::body::directory::SignedHead::sign(
            &owner.identity,
            head.incarnation,
            head.sequence,
            head.ttl_s,
            head.entries,
            head.root,
        )
    };
    part.entries = (0..50).map(|_| part.entries[0].clone()).collect();
    for number in 0..60 {
        part.part = (number, 64);
        part.tell(&mut node, link);
        assert!(node.gauge("directory.reassembly_bytes") < 300_000 + 8_192 * 256 + 100_000);
    }
    assert_eq!(node.count("directory.refused_oversized"), 1, "{:?}", node.counters);
    assert_eq!(node.gauge("directory.reassembly_bytes"), 0);
    // A second one is begun, and the link ends.
    let mut next = owner.providers(&["a"]);
    next.part = (0, 2);
    next.tell(&mut node, link);
    assert!(node.gauge("directory.reassembly_bytes") > 0);
    node.handle(In::LinkDown { link });
    assert_eq!(node.gauge("directory.reassembly_bytes"), 0);
}

#[test]
fn a_silent_neighbour_is_not_waited_for_for_ever() {
    let mut mesh = Mesh::new(3, &ring(3));
    mesh.run(5 * SECOND);
    mesh.loss = Some((FrameType::DirectoryRequest, 255));
    mesh.nodes[0].now = mesh.now;
    mesh.loss = Some((FrameType::DirectoryDelta, 255));
    mesh.act(1, |directory, cx| directory.put_provider(cx, provider("a")).unwrap());
    mesh.run(SECOND);
    mesh.loss = Some((FrameType::DirectoryRequest, 255));
    mesh.run(45 * SECOND);
    assert!(!mesh.views_equal());
    mesh.loss = None;
    mesh.run(60 * SECOND);
    assert!(mesh.views_equal());
    let unanswered: u64 = mesh.nodes.iter().map(|node| node.count("directory.request_unanswered")).sum();
    assert!(unanswered > 0);
    assert!(mesh.nodes.iter().all(|node| node.gauge("directory.wanted") == 0));
}

#[test]
fn a_neighbour_that_claims_what_it_does_not_send_keeps_nobody_from_getting_it_elsewhere() {
    let (mut node, liar) = between_flooder_and_friend();
    let owner = Author::new(10).providers(&["a"]);
    let id = owner.head.node(&crate::crypto::RustCrypto);
    let (from, to) = (NodeId::from_bytes([0; 32]), NodeId::from_bytes([0xff; 32]));
    let claim = |sequence: u64| {
        let version = Version { sequence, ..owner.head.version() };
        let owners = Vec::from([OwnerVersion { node: id, version }]);
        encoded_digest(&DirectoryDigest::Versions { from, to, answer: true, owners })
    };
    let end = encoded_digest(&DirectoryDigest::View { hash: [7; 32], ends_answer: true });
    node.frame(liar, FrameType::DirectoryDigest, claim(1_000));
    assert_eq!(sent(&node.settle()).len(), 1, "the liar is asked");
    node.frame(HONEST, FrameType::DirectoryDigest, claim(1));
    assert_eq!(sent(&node.settle()), [], "one is asked at a time");
    node.frame(liar, FrameType::DirectoryDigest, end);
    node.frame(liar, FrameType::DirectoryDigest, claim(1_000));
    assert_eq!(sent(&node.settle()).len(), 1, "the liar is asked again");
    node.frame(HONEST, FrameType::DirectoryDigest, claim(1));
    let outs = node.settle();
    let frames = sent(&outs);
    assert!(matches!(frames[..], [(HONEST, FrameType::DirectoryRequest, _)]), "{frames:?}");
    owner.tell(&mut node, HONEST);
    assert_eq!(node.directory.providers("a").len(), 1);
}
