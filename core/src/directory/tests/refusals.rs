//! What is refused, each with its own counter; none of it is kept, and none of it is passed on.

use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::{
    Announcement, Author, Incarnation, LIFE, Node, encoded_digest, encoded_request, identity, sent,
    violations,
};
use crate::code::CloseReason;
use crate::config::Limits;
use crate::directory::entry::{Entry, EntryKind};
use crate::directory::{In, Out};
use crate::identity::NodeId;
use crate::link::LinkId;
use crate::wire::body::directory::{DirectoryDigest, OwnerVersion, SignedHead, Version};
use crate::wire::frame::FrameType;

/// A second neighbour, to see what is passed on.
const OTHER: LinkId = LinkId(2);

fn listening() -> (Node, LinkId) {
    let (mut node, link) = Node::with_neighbour(1, Limits::default());
    node.handle(In::LinkUp { link: OTHER, peer: identity(901).node_id() });
    node.settle();
    (node, link)
}

/// The announcement is refused with this counter, and leaves no trace besides.
fn assert_refused(node: &mut Node, link: LinkId, announcement: &Announcement, counter: &str) {
    let (before, count) = (node.snapshot(), node.count(counter));
    let outs = announcement.tell(node, link);
    assert_eq!(node.count(counter), count + 1, "{counter}: {:?}", node.counters);
    assert_eq!(node.snapshot(), before, "{counter}");
    let passed_on =
        sent(&outs).into_iter().filter(|(_, frame_type, _)| *frame_type == FrameType::DirectoryDelta);
    assert_eq!(passed_on.count(), 0, "{counter}");
    assert!(violations(&outs).is_empty());
}

fn assert_taken(node: &mut Node, link: LinkId, announcement: &Announcement) {
    let outs = announcement.tell(node, link);
    let sent = sent(&outs);
    assert!(
        matches!(sent[..], [(OTHER, FrameType::DirectoryDelta, _)]),
        "passed on to the other neighbour: {sent:?}, {:?}",
        node.counters
    );
}

#[test]
fn a_head_that_its_owner_has_not_signed_is_refused() {
    let (mut node, link) = listening();
    let (mut owner, mut other) = (Author::new(10), Author::new(11));
    let genuine = owner.providers(&["a"]);
    for change in 0..6 {
        let mut forged = genuine.clone();
        match change {
            0 => forged.head.sequence += 1,
            1 => forged.head.incarnation = LIFE.after(),
            2 => forged.head.ttl_s += 1,
            3 => forged.head.root[0] ^= 1,
            4 => forged.head.signature[63] ^= 1,
            // Somebody else signs in the owner's name: only the owner's key makes the owner's id.
            _ => forged.head.signature = other.providers(&["a"]).head.signature,
        }
        assert_refused(&mut node, link, &forged, "directory.refused_forged");
    }
    assert_taken(&mut node, link, &genuine);
}

#[test]
fn entries_that_are_not_what_the_owner_signed_are_refused() {
    let (mut node, link) = listening();
    let mut owner = Author::new(10);
    let genuine = owner.providers(&["a", "b"]);
    let mut added = genuine.clone();
    added.entries.push(Entry::provider(super::provider("c")).encode());
    let mut swapped = genuine.clone();
    swapped.entries[1] = Entry::provider(super::provider("c")).encode();
    let mut missing = genuine.clone();
    missing.entries.pop();
    for wrong in [added, swapped, missing] {
        assert_refused(&mut node, link, &wrong, "directory.refused_root");
    }
    let mut twice = genuine.clone();
    twice.entries[1] = twice.entries[0].clone();
    assert_refused(&mut node, link, &twice, "directory.refused_entry");
    let mut removing = genuine.clone();
    removing.removed.push(EntryKind::Alias.key("x"));
    assert_refused(&mut node, link, &removing, "directory.refused_entry");
    assert_taken(&mut node, link, &genuine);
}

#[test]
fn an_entry_that_says_nothing_is_refused_even_if_it_is_signed() {
    let (mut node, link) = listening();
    let mut owner = Author::new(10);
    let key = EntryKind::Provider.key("a");
    for bytes in [&b""[..], b"\xff\xff", b"\xa0", b"\xa3\x01\x03\x02\x61a\x03\xa0"] {
        let announcement = owner.announce_bytes(Vec::from([(key.clone(), bytes.to_vec())]));
        assert_refused(&mut node, link, &announcement, "directory.refused_entry");
    }
}

#[test]
fn an_old_version_is_refused_and_a_known_one_is_no_news() {
    let (mut node, link) = listening();
    let mut owner = Author::new(10);
    let (first, second) = (owner.providers(&["a"]), owner.providers(&["b"]));
    assert_taken(&mut node, link, &second);
    assert_refused(&mut node, link, &first, "directory.refused_replayed");
    let before = node.snapshot();
    let outs = second.tell(&mut node, link);
    assert!(sent(&outs).is_empty() && node.snapshot() == before);
    owner.life = Incarnation::new(LIFE.get() - 1);
    owner.sequence = 500;
    assert_refused(&mut node, link, &owner.providers(&["c"]), "directory.refused_replayed");
}

#[test]
fn of_two_sets_with_the_same_number_every_node_keeps_the_same_one() {
    let mut owner = Author::new(10);
    let first = owner.providers(&["a"]);
    owner.sequence = 0;
    let second = owner.providers(&["b"]);
    let kept = |order: [&Announcement; 2]| {
        let (mut node, link) = listening();
        for announcement in order {
            announcement.tell(&mut node, link);
        }
        node.snapshot().remove(&owner.id()).unwrap()
    };
    assert_eq!(kept([&first, &second]), kept([&second, &first]));
}

#[test]
fn a_version_that_is_void_or_forgotten_is_not_taken_again_whatever_age_it_is_said_to_have() {
    let (mut node, link) = listening();
    let mut owner = Author::new(10);
    owner.ttl_s = 100;
    let mut announcement = owner.providers(&["a"]);
    announcement.age_s = 40;
    assert_taken(&mut node, link, &announcement);
    node.rest(Duration::from_secs(59));
    assert!(node.snapshot().contains_key(&owner.id()));
    let outs = node.rest(Duration::from_secs(2));
    assert!(!node.snapshot().contains_key(&owner.id()));
    assert!(outs.iter().any(|out| matches!(out, Out::Changed { node } if *node == owner.id())));
    announcement.age_s = 0;
    assert_refused(&mut node, link, &announcement, "directory.refused_replayed");

    let next = owner.providers(&["a"]);
    assert_taken(&mut node, link, &next);
    node.handle(In::Forget { node: owner.id() });
    assert!(!node.snapshot().contains_key(&owner.id()));
    assert_refused(&mut node, link, &next, "directory.refused_replayed");
    assert_taken(&mut node, link, &owner.providers(&["a"]));
}

#[test]
fn what_is_void_on_arrival_or_would_live_too_long_is_refused() {
    let (mut node, link) = listening();
    let mut owner = Author::new(10);
    let mut void = owner.providers(&["a"]);
    for age_s in [3_600, 3_601, u32::MAX] {
        void.age_s = age_s;
        assert_refused(&mut node, link, &void, "directory.refused_expired");
    }
    for ttl_s in [0, 59, 86_401, u32::MAX] {
        owner.ttl_s = ttl_s;
        assert_refused(&mut node, link, &owner.providers(&["a"]), "directory.refused_ttl");
    }
    void.age_s = 3_599;
    assert_taken(&mut node, link, &void);
}

#[test]
fn a_number_from_a_far_future_is_refused() {
    let (mut node, link) = listening();
    let mut owner = Author::new(10);
    owner.life = Incarnation::new((1 << 48) + 1);
    assert_refused(&mut node, link, &owner.providers(&["a"]), "directory.refused_far_future");
    owner.life = LIFE;
    owner.sequence = 1 << 40;
    assert_refused(&mut node, link, &owner.providers(&["a"]), "directory.refused_far_future");
    owner.sequence = 6;
    assert_taken(&mut node, link, &owner.providers(&["a"]));
    owner.sequence += 1 << 24;
    assert_refused(&mut node, link, &owner.providers(&["a"]), "directory.refused_far_future");
    owner.sequence -= 2;
    assert_taken(&mut node, link, &owner.providers(&["a"]));
}

#[test]
fn too_many_hops_or_none_are_refused() {
    let (mut node, link) = listening();
    let mut announcement = Author::new(10).providers(&["a"]);
    for hops in [0, 17, 255] {
        announcement.hops = hops;
        assert_refused(&mut node, link, &announcement, "directory.refused_hops");
    }
    announcement.hops = 16;
    let outs = announcement.tell(&mut node, link);
    assert!(node.snapshot().contains_key(&announcement.head.node(&crate::crypto::RustCrypto)));
    let sent = sent(&outs);
    assert!(
        sent.iter().all(|(_, frame_type, _)| *frame_type == FrameType::DirectoryDigest),
        "it is offered, not passed on: {sent:?}"
    );
}

#[test]
fn sets_over_the_limits_are_refused() {
    let limits = Limits {
        directory_entries_per_owner_max: 3,
        directory_bytes_per_owner_max: 400,
        directory_owners_max: 2,
        ..Limits::default()
    };
    let (mut node, link) = Node::with_neighbour(1, limits);
    let mut owner = Author::new(10);
    assert_refused(&mut node, link, &owner.providers(&["a", "b", "c", "d"]), "directory.refused_oversized");
    let long = "x".repeat(500);
    let large = owner.providers(&[&long]);
    assert_refused(&mut node, link, &large, "directory.refused_oversized");
    assert_refused(&mut node, link, &large, "directory.refused_replayed");
    owner.providers(&["a"]).tell(&mut node, link);
    Author::new(11).providers(&["a"]).tell(&mut node, link);
    assert_eq!(node.snapshot().len(), 3, "this node and two others");
    assert_refused(&mut node, link, &Author::new(12).providers(&["a"]), "directory.refused_full");
    // Who is known may still change what it says.
    owner.providers(&["b"]).tell(&mut node, link);
    assert_eq!(node.directory.providers("b").len(), 1);
}

#[test]
fn what_would_take_too_much_memory_is_refused() {
    let limits = Limits { directory_bytes_max: 2_000, ..Limits::default() };
    let (mut node, link) = Node::with_neighbour(1, limits);
    let mut owner = Author::new(10);
    owner.providers(&["a", "b", "c"]).tell(&mut node, link);
    assert_eq!(node.directory.providers("a").len(), 1);
    let more = owner.providers(&["a", "b", "c", "d", "e", "f", "g"]);
    assert_refused(&mut node, link, &more, "directory.refused_full");
    owner.providers(&["b"]).tell(&mut node, link);
    assert!(node.directory.providers("a").is_empty(), "less is always taken");
}

#[test]
fn nobody_else_writes_this_nodes_entries() {
    let (mut node, link) = listening();
    let before = node.snapshot();
    let mut forged = Author::new(1).providers(&["evil"]);
    forged.head.incarnation = Incarnation::new(5_000);
    let outs = forged.tell(&mut node, link);
    assert_eq!(node.count("directory.refused_forged"), 1);
    assert!(outs.is_empty() && node.snapshot() == before);
}

#[test]
fn a_later_life_of_this_node_is_told_once_and_an_earlier_one_is_corrected() {
    let (mut node, link) = listening();
    let mut copy = Author::new(1);
    copy.life = Incarnation::new(LIFE.get() + 5);
    for _ in 0..3 {
        let outs = copy.providers(&["copy"]).tell(&mut node, link);
        let told =
            outs.iter().filter(|out| matches!(out, Out::Superseded { by } if *by == copy.life)).count();
        assert_eq!(told, usize::from(copy.sequence == 1));
    }
    assert!(node.directory.providers("copy").is_empty());
    copy.life = Incarnation::new(LIFE.get() - 5);
    let outs = copy.providers(&["past"]).tell(&mut node, link);
    assert!(matches!(sent(&outs)[..], [(LinkId(1), FrameType::DirectoryDelta, _)]), "{outs:?}");
    assert!(node.directory.providers("past").is_empty());
}

#[test]
fn frames_that_cannot_be_read_cut_the_link() {
    let genuine = Author::new(10).providers(&["a"]).body();
    let cases: [(FrameType, Vec<u8>); 6] = [
        (FrameType::DirectoryDelta, Vec::new()),
        (FrameType::DirectoryDelta, genuine[..genuine.len() - 1].to_vec()),
        (FrameType::DirectoryDelta, alloc::vec![0x81; 60_000]),
        (FrameType::DirectoryDigest, alloc::vec![0xa0]),
        (FrameType::DirectoryDigest, alloc::vec![0xa1, 0x01, 0x41, 0x00]),
        (FrameType::DirectoryRequest, alloc::vec![0xa1, 0x01, 0x98, 0x41]),
    ];
    for (frame_type, body) in cases {
        let (mut node, link) = listening();
        node.frame(link, frame_type, body);
        let outs = node.settle();
        assert_eq!(violations(&outs), [CloseReason::MalformedFrame], "{frame_type:?}");
        // What comes after it is not heard any more.
        node.frame(link, FrameType::DirectoryDelta, genuine.clone());
        assert!(node.settle().is_empty());
        assert_eq!(node.snapshot().len(), 1);
        node.handle(In::LinkDown { link });
        assert_eq!(node.gauge("directory.links"), 1);
    }
}

#[test]
fn a_digest_outside_its_range_or_out_of_order_cuts_the_link() {
    let version = Version { incarnation: LIFE, sequence: 1, tag: 0 };
    let owner = |byte: u8| OwnerVersion { node: NodeId::from_bytes([byte; 32]), version };
    let (from, to) = (NodeId::from_bytes([3; 32]), NodeId::from_bytes([7; 32]));
    for owners in [
        alloc::vec![owner(2)],
        alloc::vec![owner(8)],
        alloc::vec![owner(5), owner(4)],
        alloc::vec![owner(5), owner(5)],
    ] {
        let (mut node, link) = listening();
        let digest = DirectoryDigest::Versions { from, to, answer: false, owners };
        node.frame(link, FrameType::DirectoryDigest, encoded_digest(&digest));
        assert_eq!(violations(&node.settle()), [CloseReason::MalformedFrame]);
    }
    let (mut node, link) = listening();
    let digest = DirectoryDigest::Versions { from: to, to: from, answer: false, owners: Vec::new() };
    node.frame(link, FrameType::DirectoryDigest, encoded_digest(&digest));
    assert_eq!(violations(&node.settle()), [CloseReason::MalformedFrame]);
}

#[test]
fn a_set_that_was_asked_for_and_is_refused_is_not_asked_for_at_once_again() {
    let (mut node, link) = listening();
    let mut owner = Author::new(10);
    let mut wrong = owner.providers(&["a", "b"]);
    wrong.entries.pop();
    let version = wrong.head.version();
    let owners = alloc::vec![OwnerVersion { node: owner.id(), version }];
    let (from, to) = (NodeId::from_bytes([0; 32]), NodeId::from_bytes([0xff; 32]));
    let digest = DirectoryDigest::Versions { from, to, answer: true, owners };
    node.frame(link, FrameType::DirectoryDigest, encoded_digest(&digest));
    let outs = node.settle();
    assert_eq!(sent(&outs), [(link, FrameType::DirectoryRequest, &encoded_request(&[owner.id()]))]);
    for full in [true, false] {
        wrong.full = full;
        let outs = wrong.tell(&mut node, link);
        assert!(
            sent(&outs).iter().all(|(_, frame_type, _)| *frame_type != FrameType::DirectoryRequest) || !full
        );
    }
    let end = DirectoryDigest::View { hash: [7; 32], ends_answer: true };
    node.frame(link, FrameType::DirectoryDigest, encoded_digest(&end));
    node.settle();
    assert!(node.gauge("directory.wanted") <= 1);
}

fn noise() -> impl Strategy<Value = (FrameType, Vec<u8>)> {
    let types = [FrameType::DirectoryDelta, FrameType::DirectoryDigest, FrameType::DirectoryRequest];
    (proptest::sample::select(types.to_vec()), proptest::collection::vec(any::<u8>(), 0..600))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// No bytes do harm: the node goes on, and knows what it knew.
    #[test]
    fn noise_does_no_harm(frames in proptest::collection::vec(noise(), 1..8)) {
        let (mut node, link) = listening();
        let before = node.snapshot();
        for (frame_type, body) in frames {
            node.frame(link, frame_type, body);
            node.settle();
        }
        prop_assert_eq!(node.snapshot(), before);
    }

    /// A genuine announcement with some bytes changed is never taken for one of the owner's, unless it is the same.
    #[test]
    fn damage_is_noticed(places in proptest::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..4)) {
        let (mut node, link) = listening();
        let genuine = Author::new(10).providers(&["a", "b", "c"]);
        let mut body = genuine.body().to_vec();
        for (place, change) in places {
            let place = place.index(body.len());
            body[place] ^= change;
        }
        node.frame(link, FrameType::DirectoryDelta, Bytes::from(body));
        node.settle();
        for (id, (version, _)) in node.snapshot() {
            prop_assert!(id == node.id() || version == genuine.head.version());
        }
    }
}

#[test]
fn a_signature_for_another_purpose_does_not_serve() {
    let owner = identity(10);
    let mut head = SignedHead::sign(&owner, LIFE, 1, 3_600, 0, [0; 32]);
    let bare = head.message()[SignedHead::DOMAIN.len()..].to_vec();
    head.signature = owner.sign(&bare);
    assert!(!head.verify(&crate::crypto::RustCrypto));
}
