//! Large sets, and sets in parts.

use alloc::vec::Vec;
use core::time::Duration;

use proptest::prelude::*;

use super::{Author, Limits, Mesh, Node, line, provider, sent, tagged};
use crate::crypto::RustCrypto;
use crate::directory::entry::{Entry, EntryValue};
use crate::directory::set::{Changes, EntrySet, Stored};
use crate::identity::hex;
use crate::wire::frame::{CHUNK_LEN_MAX, FrameType};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_set_that_fills_many_frames_travels_whole() {
    let mut mesh = Mesh::new(3, &line(3));
    mesh.run(SECOND);
    mesh.act(0, |directory, cx| {
        for number in 0..900 {
            let path = alloc::format!("{number}/{}", "x".repeat(1_000));
            directory.put_provider(cx, provider(&path)).unwrap();
        }
        let mut set = tagged("hardware.gpu");
        set.insert_metadata("long", &"m".repeat(15_000)).unwrap();
        directory.set_capabilities(cx, set).unwrap();
    });
    mesh.run_while(SECOND, |mesh| !mesh.views_equal());
    assert!(mesh.nodes[2].gauge("directory.bytes") > 900_000);
    assert!(mesh.nodes.iter().all(|node| node.gauge("directory.reassembly_bytes") == 0));
    // And to somebody who comes later and asks for it.
    mesh.nodes.push(Node::in_life(3, Limits::default(), super::Timing::default(), super::LIFE, mesh.now));
    mesh.link(2, 3);
    mesh.run_while(SECOND, |mesh| !mesh.views_equal());
    // One change among them is one small frame.
    mesh.traffic = super::Traffic::default();
    mesh.act(0, |directory, cx| directory.put_provider(cx, provider("small")).unwrap());
    mesh.run(SECOND / 10);
    assert!(mesh.views_equal() && mesh.traffic.bytes < 3 * 400, "{} bytes", mesh.traffic.bytes);
    // Removing most of them fills frames too.
    mesh.act(0, |directory, cx| {
        for number in 0..500 {
            let path = alloc::format!("{number}/{}", "x".repeat(1_000));
            assert!(directory.remove_provider(cx, &path));
        }
    });
    mesh.run_while(SECOND, |mesh| !mesh.views_equal());
}

#[test]
fn no_frame_is_longer_than_a_chunk() {
    let (mut node, _) = Node::with_neighbour(1, Limits::default());
    node.with(|directory, cx| {
        for number in 0..63 {
            // Lengths that fill frames to the brim.
            let path = alloc::format!("{number:02}/{}", "y".repeat(940 + number));
            directory.put_provider(cx, provider(&path)).unwrap();
        }
    });
    let outs = node.settle();
    let frames = sent(&outs);
    assert!(frames.len() == 2, "{}", frames.len());
    assert!(frames.iter().all(|(_, _, body)| body.len() <= CHUNK_LEN_MAX));
}

#[test]
fn a_part_that_is_missing_or_of_another_set_spoils_the_whole() {
    let mut owner = Author::new(10);
    let paths = ["a", "b", "c"];
    let whole = owner.providers(&paths);
    let part = |number: u16| {
        let mut part = whole.clone();
        part.entries = Vec::from([whole.entries[usize::from(number)].clone()]);
        part.part = (number, 3);
        part
    };
    let mut later = Author::new(10);
    later.sequence = 1;
    let mut stray = later.providers(&paths);
    stray.part = (2, 3);
    for (order, taken) in [
        (Vec::from([part(0), part(1), part(2)]), true),
        (Vec::from([part(1), part(2)]), false),
        (Vec::from([part(0), part(2)]), false),
        (Vec::from([part(0), part(1), part(1), part(2)]), true),
        (Vec::from([part(0), part(1), stray.clone()]), false),
        (Vec::from([part(0), part(1), part(0), part(2)]), false),
    ] {
        let (mut node, link) = Node::with_neighbour(1, Limits::default());
        for part in &order {
            part.tell(&mut node, link);
        }
        assert_eq!(node.snapshot().contains_key(&owner.id()), taken, "{}", order.len());
    }
}

#[test]
fn parts_of_a_large_set_are_paid_for_by_whoever_sends_them_unasked() {
    let (mut node, link) = Node::with_neighbour(1, Limits::default());
    let long = "x".repeat(1_000);
    let paths: Vec<alloc::string::String> = (0..50).map(|number| alloc::format!("{number}/{long}")).collect();
    let paths: Vec<&str> = paths.iter().map(|path| &path[..]).collect();
    let mut owner = Author::new(10);
    for _ in 0..400 {
        let mut whole = owner.providers(&paths);
        whole.part = (0, 2);
        whole.tell(&mut node, link);
        whole.part = (1, 2);
        whole.tell(&mut node, link);
    }
    assert!(node.count("directory.throttled") > 200, "{:?}", node.counters);
}

fn changes(of: &[(u8, Option<u8>)]) -> Changes {
    let change = |(path, load): &(u8, Option<u8>)| {
        let mut entry = provider(&alloc::format!("p/{path}"));
        entry.load = u32::from(load.unwrap_or(0));
        let (key, stored) = Stored::own(&RustCrypto, Entry::provider(entry));
        (key, load.is_some().then_some(stored))
    };
    of.iter().map(change).collect()
}

proptest! {
    /// What a set would come to is what it comes to, whatever way leads there.
    #[test]
    fn a_summary_foretells_what_changes_make(
        steps in proptest::collection::vec(proptest::collection::vec((0..20_u8, any::<Option<u8>>()), 0..10), 1..8),
    ) {
        let mut set = EntrySet::default();
        for step in &steps {
            let foretold = set.summary_with(&RustCrypto, &changes(step));
            set.apply(changes(step));
            prop_assert_eq!(set.summary(&RustCrypto), foretold);
            prop_assert_eq!(set.bytes(), set.iter().map(|(_, stored)| stored.bytes.len()).sum::<usize>());
        }
        let whole: Changes = set.iter().map(|(key, stored)| {
            let (_, copy) = Stored::read(&RustCrypto, &stored.bytes).unwrap();
            (key.clone(), Some(copy))
        }).collect();
        prop_assert_eq!(EntrySet::default().summary_with(&RustCrypto, &whole), set.summary(&RustCrypto));
        for (key, stored) in set.iter() {
            prop_assert!(matches!(stored.value, EntryValue::Provider(_)));
            let (index, path) = set.path(&RustCrypto, key).unwrap();
            let leaf = crate::directory::merkle::leaf(&RustCrypto, &stored.bytes);
            let root = crate::directory::merkle::climb(&RustCrypto, leaf, index as u32, set.len() as u32, &path);
            prop_assert_eq!(root, Some(set.summary(&RustCrypto).root));
        }
    }
}

#[test]
fn a_whole_set_for_a_known_owner_is_passed_on_as_what_has_changed() {
    let (mut node, link) = Node::with_neighbour(1, Limits::default());
    node.handle(super::In::LinkUp { link: crate::link::LinkId(2), peer: super::identity(901).node_id() });
    node.settle();
    let mut owner = Author::new(10);
    owner.providers(&["a", "b", "c", "d"]).tell(&mut node, link);
    let outs = owner.providers(&["a", "b", "c", "e"]).tell(&mut node, link);
    let frames = sent(&outs);
    let [(_, FrameType::DirectoryDelta, body)] = frames[..] else { panic!("{frames:?}") };
    let delta = crate::wire::body::directory::DirectoryDelta::decode(body).unwrap();
    assert_eq!((delta.full, delta.entries.len(), delta.removed.len()), (false, 1, 1));
    assert_eq!(delta.hops, 2);
}

/// The numbers of the page `docs/spec/directory.md`, which another implementation has worked out.
#[test]
fn the_worked_example_of_the_specification() {
    let mut node = Node::new(1, Limits::default());
    let owner = crate::identity::Identity::from_secret([7; 32], alloc::sync::Arc::new(RustCrypto));
    let sum = crate::directory::ProviderEntry {
        schema: Some(crate::directory::SchemaId::Name("sum.v1".into())),
        version: Some("1.4.0".into()),
        ..provider("math/sum")
    };
    let record = crate::directory::NodeRecord {
        label: "bob@example".parse().unwrap(),
        addrs: Vec::from(["127.0.0.1:7400".parse().unwrap()]),
        subnet: 0,
    };
    let entries = [Entry::node(record), Entry::provider(sum), Entry::alias(&"billing".parse().unwrap())];
    let whole: Changes = entries
        .into_iter()
        .map(|entry| {
            let (key, stored) = Stored::own(&RustCrypto, entry);
            (key, Some(stored))
        })
        .collect();
    let root = EntrySet::default().summary_with(&RustCrypto, &whole).root;
    assert_eq!(hex(&root), "8c6e7e2e9f1e1b7bf2a103167bf624e9ad58384d96378f5e66d5ae6b25d532c9");
    let life = crate::identity::Incarnation::new(1_700_000_000_000);
    let head = crate::wire::body::directory::SignedHead::sign(&owner, life, 9, 3_600, 3, root);
    assert_eq!(
        hex(&head.signature),
        "10d4047dc438803014a265b45ae5d0fcac1d49a44a4b11bed73ead831c559497\
         9030737e297cc4c88b524da7005fdbf9f5e45354e6fc600fbf8e8689014ee90c"
    );
    let view = &mut node.directory.view;
    let own = node.identity.node_id();
    view.open(owner.node_id(), head, crate::directory::Arrival { now: node.now, age_s: 0, hops: 1 });
    view.remove(&own);
    let buckets = view.bucket_hashes(&RustCrypto);
    assert_eq!(hex(&buckets[&0xd0]), "859d9b7590b7047c9b535e8a8c764c65dbbd10ff626ddc7e79b8cae1a1f25f3b");
    assert_eq!(
        hex(&view.hash(&RustCrypto)),
        "c5b4355e03a8f5ebec34fa158c0540145b7bd8a8ce4e959fc7ae4042c9abcf0c"
    );
}
