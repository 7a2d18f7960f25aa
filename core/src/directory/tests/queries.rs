//! What a node says of itself, what it can be asked about others, and what can be proved.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use super::{Author, In, LIFE, Mesh, Node, Out, identity, line, provider, sent, tagged};
use crate::capability::{CapabilitySet, Filter, ScopeQuery};
use crate::config::Limits;
use crate::crypto::RustCrypto;
use crate::directory::entry::{Entry, NodeRecord};
use crate::directory::{DirectoryError, EntryError, ProofError, ProviderState, SchemaId, check_proof};
use crate::identity::NodeId;
use crate::link::LinkId;
use crate::machine::Machine;
use crate::predicate::Predicate;
use crate::wire::body::directory::EntryProof;

const SECOND: Duration = Duration::from_secs(1);

fn record(label: &str) -> Entry {
    Entry::node(NodeRecord {
        label: label.parse().unwrap(),
        addrs: Vec::from(["10.0.0.1:7400".parse().unwrap()]),
        subnet: 0x0102_0000,
    })
}

#[test]
fn a_node_knows_itself_from_the_start() {
    let node = Node::new(1, Limits::default());
    let own = node.id();
    assert_eq!(node.directory.nodes().collect::<Vec<_>>(), [own]);
    let described = node.directory.describe(node.now, &own).unwrap();
    assert_eq!(described.label.unwrap().as_str(), "node-1");
    assert!(described.visible && described.capabilities.is_empty() && described.providers.is_empty());
    assert!(node.directory.capabilities().is_empty());
}

#[test]
fn what_is_said_is_found_and_saying_it_again_is_no_change() {
    let (mut node, _) = Node::with_neighbour(1, Limits::default());
    let own = node.id();
    let mut entry = provider("math/sum");
    entry.schema = Some(SchemaId::Hash([3; 32]));
    entry.version = Some("1.4.0".to_string());
    node.with(|directory, cx| {
        directory.put_provider(cx, entry.clone()).unwrap();
        directory.set_capabilities(cx, tagged("hardware.gpu")).unwrap();
        directory.put_alias(cx, "calculator").unwrap();
        directory.set_addresses(cx, Vec::from(["10.0.0.9:7400".parse().unwrap()])).unwrap();
        directory.set_subnet(cx, 0x0a00_0000).unwrap();
    });
    let outs = node.settle();
    assert_eq!(sent(&outs).len(), 1, "one announcement of all");
    assert_eq!(outs.iter().filter(|out| matches!(out, Out::Changed { .. })).count(), 1);
    let found = node.directory.providers("math/sum");
    assert_eq!((found.len(), found[0].node, found[0].entry), (1, own, &entry));
    assert_eq!(node.directory.resolve("calculator"), [own]);
    assert!(node.directory.capabilities_of(&own).unwrap().has_tag("hardware.gpu"));
    assert_eq!(node.directory.subnet_of(&own), Some(0x0a00_0000));
    assert_eq!(node.directory.own_provider("math/sum"), Some(&entry));

    node.with(|directory, cx| {
        directory.put_provider(cx, entry.clone()).unwrap();
        directory.set_capabilities(cx, tagged("hardware.gpu")).unwrap();
        assert!(!directory.remove_provider(cx, "math/product"));
        assert!(!directory.remove_alias(cx, "abacus"));
    });
    assert!(node.settle().is_empty());

    entry.state = ProviderState::Paused;
    node.with(|directory, cx| directory.put_provider(cx, entry).unwrap());
    assert_eq!(sent(&node.settle()).len(), 1);
    assert_eq!(node.directory.providers("math/sum")[0].entry.state, ProviderState::Paused);
    assert!(node.with(|directory, cx| directory.remove_provider(cx, "math/sum")));
    assert!(node.directory.providers("math/sum").is_empty());
}

#[test]
fn what_others_would_refuse_cannot_be_said() {
    let limits = Limits { directory_entries_per_owner_max: 3, ..Limits::default() };
    let mut node = Node::new(1, limits);
    node.with(|directory, cx| {
        let mut wrong = provider("a");
        wrong.version = Some("x".repeat(65));
        assert_eq!(directory.put_provider(cx, wrong), Err(EntryError::Version.into()));
        let mut wrong = provider("a");
        wrong.schema = Some(SchemaId::Name("new\nline".to_string()));
        assert_eq!(directory.put_provider(cx, wrong), Err(EntryError::Schema.into()));
        assert!(matches!(directory.put_alias(cx, ""), Err(DirectoryError::Alias(_))));
        let many = (0..17).map(|port| alloc::format!("10.0.0.1:{}", 1 + port).parse().unwrap()).collect();
        assert_eq!(directory.set_addresses(cx, many), Err(EntryError::Addresses.into()));
        directory.put_provider(cx, provider("a")).unwrap();
        directory.put_provider(cx, provider("b")).unwrap();
        assert_eq!(directory.put_provider(cx, provider("c")), Err(DirectoryError::TooManyEntries(3)));
        directory.put_provider(cx, provider("b")).unwrap();
    });
    let limits = Limits { directory_bytes_per_owner_max: 500, ..Limits::default() };
    let mut node = Node::new(1, limits);
    let long = "x".repeat(600);
    let refused = node.with(|directory, cx| directory.put_provider(cx, provider(&long)));
    assert_eq!(refused, Err(DirectoryError::TooManyBytes(500)));
}

#[test]
fn who_has_left_says_nothing_more() {
    let (mut node, _) = Node::with_neighbour(1, Limits::default());
    node.handle(In::Leave);
    assert_eq!(sent(&node.settle()).len(), 1);
    assert_eq!(node.directory.nodes().count(), 0);
    let refused = node.with(|directory, cx| directory.put_provider(cx, provider("late")));
    assert_eq!(refused, Err(DirectoryError::Left));
    node.handle(In::Leave);
    assert!(node.settle().is_empty());
}

#[test]
fn names_are_resolved_as_id_then_alias_then_label_smallest_id_first() {
    let (mut node, link) = Node::with_neighbour(1, Limits::default());
    let alias = |name: &str| Entry::alias(&name.parse().unwrap());
    let mut tell = |number: usize, entries: &[Entry]| {
        let mut author = Author::new(number);
        author.announce(entries).tell(&mut node, link);
        author.id()
    };
    let labelled = tell(20, &[record("db")]);
    let first = tell(21, &[record("x"), alias("queue")]);
    let second = tell(22, &[record("db"), alias("queue")]);
    let third = tell(23, &[record("queue")]);
    let sorted = |mut nodes: Vec<NodeId>| {
        nodes.sort();
        nodes
    };
    assert_eq!(node.directory.resolve("queue"), sorted(Vec::from([first, second])), "aliases hide the label");
    assert_eq!(node.directory.resolve("db"), sorted(Vec::from([labelled, second])));
    assert_eq!(node.directory.resolve(&third.to_string()), [third]);
    assert!(node.directory.resolve("nobody").is_empty());
    node.handle(In::Hide { node: first });
    assert_eq!(node.directory.resolve("queue"), [second]);
    node.handle(In::Hide { node: second });
    assert_eq!(node.directory.resolve("queue"), [third], "no alias is left, so the label counts");
}

#[test]
fn of_hidden_nodes_nothing_is_left_when_their_time_is_over() {
    let limits = Limits { directory_owners_max: 4, ..Limits::default() };
    let (mut node, link) = Node::with_neighbour(1, limits);
    // More than there is room for, one after another: none of them ever counts as alive.
    for number in 20..30 {
        let mut owner = Author::new(number);
        owner.ttl_s = 60;
        owner.announce(&[record("ghost")]).tell(&mut node, link);
        node.handle(In::Hide { node: owner.id() });
        assert!(!node.directory.is_visible(&owner.id()), "there is room to hide node {number}");
        node.rest(Duration::from_secs(61));
        assert_eq!(node.gauge("directory.owners"), 1);
        assert_eq!(node.gauge("directory.hidden_nodes"), 0);
    }
}

#[test]
fn hidden_nodes_are_kept_but_not_given() {
    let (mut node, link) = Node::with_neighbour(1, Limits::default());
    let mut owner = Author::new(20);
    let mut outs = owner.announce(&[record("db"), Entry::provider(provider("a"))]).tell(&mut node, link);
    assert!(matches!(
        outs.remove(0),
        Out::Learned { node, incarnation } if node == owner.id() && incarnation == LIFE
    ));
    let described = node.directory.describe(node.now, &owner.id()).unwrap();
    assert_eq!((described.public_key, described.addrs.len()), (owner.identity.public_key(), 1));
    node.handle(In::Hide { node: owner.id() });
    let outs = node.settle();
    assert!(matches!(outs[..], [Out::Changed { node }] if node == owner.id()));
    assert!(node.directory.providers("a").is_empty());
    assert_eq!(node.directory.nodes().count(), 1);
    assert_eq!(node.directory.capabilities_of(&owner.id()), None);
    assert!(node.directory.describe(node.now, &owner.id()).is_some_and(|described| !described.visible));
    // It stays hidden whatever it says, until it counts as alive again.
    owner.announce(&[record("db"), Entry::provider(provider("b"))]).tell(&mut node, link);
    assert!(node.directory.providers("b").is_empty());
    node.handle(In::Show { node: owner.id() });
    node.handle(In::Show { node: owner.id() });
    assert_eq!(node.settle().len(), 1);
    assert_eq!(node.directory.providers("b").len(), 1);
    // Hiding this very node means nothing.
    let own = node.id();
    node.handle(In::Hide { node: own });
    assert!(node.directory.is_visible(&own));
}

#[test]
fn entries_of_later_versions_are_kept_and_passed_on_unread() {
    let mut mesh = Mesh::new(2, &line(2));
    mesh.run(SECOND);
    let mut author = Author::new(20);
    let key = super::EntryKey { kind: 77, name: "later".to_string() };
    let mut later = Vec::new();
    crate::wire::cbor::Writer::new(&mut later)
        .map(4)
        .uint(1)
        .uint(77)
        .uint(2)
        .text("later")
        .uint(3)
        .array(2)
        .uint(1)
        .text("x")
        .uint(9)
        .bool(true);
    let announcement = author.announce_bytes(Vec::from([(key, later)]));
    mesh.nodes[0].now = mesh.now;
    mesh.act(0, |directory, cx| {
        directory.handle(cx, In::LinkUp { link: LinkId(99), peer: author.id() });
    });
    let header = |body: &bytes::Bytes| crate::wire::frame::FrameHeader {
        frame_type: crate::wire::frame::FrameType::DirectoryDelta,
        more: false,
        length: body.len() as u16,
        id: 0,
    };
    let body = announcement.body();
    mesh.act(0, |directory, cx| {
        directory.handle(cx, In::Frame { link: LinkId(99), header: header(&body), body });
    });
    mesh.run(SECOND);
    assert!(mesh.views_equal());
    assert!(mesh.nodes[1].snapshot()[&author.id()].1[0].1.starts_with(&[0xa4]));
}

#[test]
fn tags_that_nobody_may_claim_are_not_believed() {
    let (mut node, link) = Node::with_neighbour(1, Limits::default());
    let mut owner = Author::new(20);
    let mut set = tagged("hardware.gpu");
    set.insert_tag("causal:everything").unwrap();
    set.insert_tag("scope:subnet-local").unwrap();
    owner.announce(&[Entry::capabilities(set)]).tell(&mut node, link);
    let believed = node.directory.capabilities_of(&owner.id()).unwrap();
    assert!(believed.has_tag("hardware.gpu") && believed.has_tag("scope:subnet-local"));
    assert!(!believed.has_tag("causal:everything"));
}

#[test]
fn who_serves_an_action_can_be_proved_to_anybody() {
    let mut mesh = Mesh::new(3, &line(3));
    mesh.act(0, |directory, cx| {
        for path in ["a", "b/c", "d", "e", "f"] {
            directory.put_provider(cx, provider(path)).unwrap();
        }
    });
    mesh.run(SECOND);
    let owner = mesh.id(0);
    for node in [0, 2] {
        for path in ["a", "b/c", "d", "e", "f"] {
            let proof = mesh.act(node, |directory, cx| directory.proof(cx, &owner, path)).unwrap();
            let proven = check_proof(&proof, path, &RustCrypto).unwrap();
            assert_eq!((proven.node, proven.entry), (owner, provider(path)));
            assert_eq!((proven.incarnation, proven.public_key), (LIFE, identity(0).public_key()));
            assert!(proven.good_for_s > 3_590);
            assert_eq!(check_proof(&proof, "other", &RustCrypto), Err(ProofError::OtherEntry));
        }
        assert_eq!(mesh.act(node, |directory, cx| directory.proof(cx, &owner, "nothing")), None);
    }
    // An action of this very moment can be proved too.
    let proof = mesh.act(0, |directory, cx| {
        directory.put_provider(cx, provider("new")).unwrap();
        directory.proof(cx, &owner, "new").unwrap()
    });
    assert!(check_proof(&proof, "new", &RustCrypto).is_ok());
    mesh.run(SECOND);
    assert!(mesh.views_equal());
    mesh.act(2, |directory, cx| directory.handle(cx, In::Hide { node: owner }));
    assert_eq!(mesh.act(2, |directory, cx| directory.proof(cx, &owner, "a")), None);
}

#[test]
fn a_proof_that_was_touched_proves_nothing() {
    let mut node = Node::new(1, Limits::default());
    let own = node.id();
    let proof = node.with(|directory, cx| {
        for path in ["a", "b", "c"] {
            directory.put_provider(cx, provider(path)).unwrap();
        }
        directory.proof(cx, &own, "b").unwrap()
    });
    let genuine = EntryProof::decode(&proof).unwrap();
    let check = |change: &dyn Fn(&mut EntryProof<'_>)| {
        let mut changed = genuine.clone();
        change(&mut changed);
        let mut bytes = Vec::new();
        changed.encode(&mut bytes);
        check_proof(&bytes, "b", &RustCrypto).map(|proven| proven.node)
    };
    assert_eq!(check(&|_| {}), Ok(own));
    assert_eq!(check(&|proof| proof.index = 0), Err(ProofError::NotUnderRoot));
    assert_eq!(check(&|proof| proof.path[0][0] ^= 1), Err(ProofError::NotUnderRoot));
    assert_eq!(check(&|proof| proof.path.clear()), Err(ProofError::NotUnderRoot));
    assert_eq!(check(&|proof| proof.head.root[0] ^= 1), Err(ProofError::NotUnderRoot));
    assert_eq!(check(&|proof| proof.head.signature[0] ^= 1), Err(ProofError::Forged));
    assert_eq!(check(&|proof| proof.head.sequence += 1), Err(ProofError::Forged));
    assert_eq!(check(&|proof| proof.head.public_key = identity(2).public_key()), Err(ProofError::Forged));
    assert_eq!(check(&|proof| proof.age_s = 3_600), Err(ProofError::Expired));
    assert_eq!(check(&|proof| proof.head.ttl_s = 1 << 20), Err(ProofError::Expired));
    let mut busy = provider("b");
    busy.load = 9;
    let other = Entry::provider(busy).encode();
    let replaced = EntryProof { entry: &other, ..genuine.clone() };
    let mut bytes = Vec::new();
    replaced.encode(&mut bytes);
    assert_eq!(check_proof(&bytes, "b", &RustCrypto), Err(ProofError::NotUnderRoot));
    for length in 0..proof.len() {
        assert!(matches!(check_proof(&proof[..length], "b", &RustCrypto), Err(ProofError::Malformed(_))));
    }
}

#[test]
fn a_head_is_signed_again_before_it_runs_out() {
    let (mut node, _) = Node::with_neighbour(1, Limits::default());
    let own = node.id();
    let outs = node.rest(24 * 3_600 * SECOND);
    let announced = sent(&outs);
    let refreshes = announced
        .iter()
        .filter(|(_, frame_type, _)| *frame_type == crate::wire::frame::FrameType::DirectoryDelta)
        .count();
    assert!((48..=60).contains(&refreshes), "{refreshes} refreshes in a day");
    assert_eq!(node.count("directory.expired"), 0);
    let sequence = node.directory.describe(node.now, &own).unwrap().sequence;
    assert_eq!(sequence, refreshes as u64 + 1);
}

#[test]
fn what_is_found_by_capability_is_what_a_look_at_every_node_would_find() {
    let (mut node, link) = Node::with_neighbour(1, Limits::default());
    node.with(|directory, cx| directory.set_capabilities(cx, tagged("hardware.gpu")).unwrap());
    let mut authors: Vec<Author> = (0..30).map(|number| Author::new(40 + number)).collect();
    let find = |node: &Node, text: &str| {
        let predicate: Predicate = text.parse().unwrap();
        let found = node.directory.find(&Filter::default(), Some(&predicate), &ScopeQuery::Any);
        let nothing = CapabilitySet::new();
        let looked_at: Vec<NodeId> = node
            .directory
            .nodes()
            .filter(|id| predicate.evaluate(node.directory.capabilities_of(id).unwrap_or(&nothing)))
            .collect();
        assert_eq!(found, looked_at, "{text}");
        found.len()
    };
    for (number, author) in authors.iter_mut().enumerate() {
        let set = tagged(&alloc::format!("hardware.memory_gb={number}"));
        let entries = [record("x"), Entry::capabilities(set)];
        // Some say nothing of what they can do.
        author.announce(&entries[..=usize::from(number % 3 != 0)]).tell(&mut node, link);
    }
    let everybody = |node: &Node| node.directory.find(&Filter::default(), None, &ScopeQuery::Any).len();
    assert_eq!(everybody(&node), 31);
    assert_eq!(find(&node, "hardware.gpu"), 1);
    assert_eq!(find(&node, "hardware.memory_gb >= 20"), 7);
    assert_eq!(find(&node, "not hardware.memory_gb >= 20"), 24);
    // Hidden, shown again, changed, taken back, forgotten: the index follows.
    let (hidden, forgotten) = (authors[20].id(), authors[23].id());
    node.handle(In::Hide { node: hidden });
    node.handle(In::Forget { node: forgotten });
    assert_eq!((find(&node, "hardware.memory_gb >= 20"), everybody(&node)), (5, 29));
    node.handle(In::Show { node: hidden });
    authors[22].announce(&[record("x")]).tell(&mut node, link);
    authors[25].announce(&[]).tell(&mut node, link);
    assert_eq!((find(&node, "hardware.memory_gb >= 20"), everybody(&node)), (4, 29));
    let set = tagged("hardware.memory_gb=500");
    authors[25].announce(&[record("x"), Entry::capabilities(set)]).tell(&mut node, link);
    assert_eq!((find(&node, "hardware.memory_gb >= 20"), everybody(&node)), (5, 30));
    assert_eq!(find(&node, "hardware.memory_gb >= 100"), 1);
}
