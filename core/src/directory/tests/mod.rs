//! Directories on links in memory: one alone with a hand-made neighbour, or many in a mesh.

mod flooders;
mod mesh;
mod queries;
mod refusals;
mod sets;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::{Bytes, BytesMut};

use super::entry::Entry;
use super::merkle;
use super::{Directory, In, Out, ProviderEntry};
use crate::capability::CapabilitySet;
use crate::code::CloseReason;
use crate::config::{Config, Limits, Timing, Trust};
use crate::crypto::RustCrypto;
use crate::identity::{Identity, Incarnation, NodeId};
use crate::link::LinkId;
use crate::machine::{Counters, Cx, Machine, NoTrace, RandomDomain, random_stream};
use crate::time::Instant;
use crate::wire::body::directory::{
    DirectoryDelta, DirectoryDigest, DirectoryRequest, EntryKey, SignedHead, Version,
};
use crate::wire::frame::{FrameHeader, FrameType, HEADER_LEN};

/// What a frame takes on the wire when it is alone in its record: the prefix of the record and its tag.
const RECORD_OVERHEAD: usize = 4 + 16;
const LIFE: Incarnation = Incarnation::new(1_000);

fn identity(number: usize) -> Identity {
    let mut secret = [0x5a; 32];
    secret[..8].copy_from_slice(&(number as u64).to_be_bytes());
    Identity::from_secret(secret, Arc::new(RustCrypto))
}

fn config(label: &str, limits: Limits, timing: Timing) -> Arc<Config> {
    Arc::new(Config {
        network: "test".parse().unwrap(),
        trust: Trust::Open,
        access: crate::config::Access::default(),
        route_metric: crate::config::RouteMetric::default(),
        label: label.parse().unwrap(),
        listen: Vec::new(),
        limits,
        timing,
        crypto: Arc::new(RustCrypto),
    })
}

fn provider(path: &str) -> ProviderEntry {
    ProviderEntry::new(path.parse().unwrap())
}

fn tagged(tag: &str) -> CapabilitySet {
    CapabilitySet::new().with_tag(tag).unwrap()
}

/// What a node knows: of each owner the version, and every entry.
type Snapshot = BTreeMap<NodeId, (Version, Vec<(EntryKey, Vec<u8>)>)>;

/// One directory, the time, and what it has given.
struct Node {
    identity: Identity,
    directory: Directory,
    counters: Counters,
    now: Instant,
}

impl Node {
    fn new(number: usize, limits: Limits) -> Self {
        Self::in_life(number, limits, Timing::default(), LIFE, Instant::ZERO)
    }

    fn in_life(number: usize, limits: Limits, timing: Timing, life: Incarnation, now: Instant) -> Self {
        let identity = identity(number);
        let config = config(&format!("node-{number}"), limits, timing);
        let mut seed = [number as u8; 32];
        seed[..8].copy_from_slice(&(number as u64).to_be_bytes());
        let rng = random_stream(&seed, RandomDomain::Directory);
        let directory = Directory::new(config, identity.clone(), life, now, rng);
        Self { identity, directory, counters: Counters::default(), now }
    }

    fn id(&self) -> NodeId {
        self.identity.node_id()
    }

    /// Does something with the directory and its context.
    fn with<T>(&mut self, act: impl FnOnce(&mut Directory, &mut Cx<'_>) -> T) -> T {
        let mut trace = NoTrace;
        let mut cx = Cx { now: self.now, trace: &mut trace, counters: &mut self.counters };
        act(&mut self.directory, &mut cx)
    }

    fn handle(&mut self, input: In) {
        self.with(|directory, cx| directory.handle(cx, input));
    }

    fn frame(&mut self, link: LinkId, frame_type: FrameType, body: impl Into<Bytes>) {
        let body = body.into();
        let header = FrameHeader { frame_type, more: false, length: body.len() as u16, id: 0 };
        self.handle(In::Frame { link, header, body });
    }

    /// Everything that is due now, and all that it leads to.
    fn settle(&mut self) -> Vec<Out> {
        while self.directory.timeout().is_some_and(|at| at <= self.now) {
            self.with(Directory::on_timeout);
        }
        core::iter::from_fn(|| self.directory.poll()).collect()
    }

    /// Lets time pass; gives what came of it.
    fn rest(&mut self, span: Duration) -> Vec<Out> {
        let until = self.now + span;
        let mut outs = self.settle();
        while let Some(at) = self.directory.timeout().filter(|at| *at <= until) {
            self.now = at;
            outs.extend(self.settle());
        }
        self.now = until;
        outs.extend(self.settle());
        outs
    }

    fn count(&self, name: &str) -> u64 {
        self.counters.iter().find(|(other, _)| *other == name).map_or(0, |(_, count)| count)
    }

    /// A link to somebody who is played by the test.
    fn with_neighbour(number: usize, limits: Limits) -> (Self, LinkId) {
        let mut node = Self::new(number, limits);
        let link = LinkId(1);
        node.handle(In::LinkUp { link, peer: identity(900).node_id() });
        node.settle();
        (node, link)
    }

    fn gauge(&self, wanted: &str) -> usize {
        let mut found = None;
        self.directory.gauges(|name, value, _, _| {
            if name == wanted {
                found = Some(value);
            }
        });
        found.unwrap_or_else(|| panic!("there is no gauge {wanted}"))
    }

    /// What this node knows of everybody, entry by entry.
    fn snapshot(&self) -> Snapshot {
        let entries = |owner: &super::view::Owner| {
            owner.set.iter().map(|(key, stored)| (key.clone(), stored.bytes.to_vec())).collect()
        };
        self.directory.view.iter().map(|(node, owner)| (*node, (owner.version(), entries(owner)))).collect()
    }
}

/// A node that is played by the test: it says what it wants.
struct Author {
    identity: Identity,
    life: Incarnation,
    sequence: u64,
    ttl_s: u32,
}

/// Entries under a signed head, ready to be announced.
#[derive(Clone)]
struct Announcement {
    head: SignedHead,
    entries: Vec<Vec<u8>>,
    removed: Vec<EntryKey>,
    full: bool,
    age_s: u32,
    hops: u8,
    part: (u16, u16),
}

impl Author {
    fn new(number: usize) -> Self {
        Self { identity: identity(number), life: LIFE, sequence: 0, ttl_s: 3_600 }
    }

    fn id(&self) -> NodeId {
        self.identity.node_id()
    }

    /// The next version of this author's set: exactly these entries.
    fn announce(&mut self, entries: &[Entry]) -> Announcement {
        self.announce_bytes(entries.iter().map(|entry| (entry.key.clone(), entry.encode())).collect())
    }

    fn announce_bytes(&mut self, mut entries: Vec<(EntryKey, Vec<u8>)>) -> Announcement {
        self.sequence += 1;
        entries.sort();
        let leaves = entries.iter().map(|(_, bytes)| merkle::leaf(&RustCrypto, bytes));
        let root = merkle::root(&RustCrypto, leaves);
        let head = SignedHead::sign(
            &self.identity,
            self.life,
            self.sequence,
            self.ttl_s,
            entries.len() as u32,
            root,
        );
        let entries = entries.into_iter().map(|(_, bytes)| bytes).collect();
        Announcement { head, entries, removed: Vec::new(), full: true, age_s: 0, hops: 1, part: (0, 1) }
    }

    fn providers(&mut self, paths: &[&str]) -> Announcement {
        let entries: Vec<Entry> = paths.iter().map(|path| Entry::provider(provider(path))).collect();
        self.announce(&entries)
    }
}

impl Announcement {
    fn body(&self) -> Bytes {
        let delta = DirectoryDelta {
            head: self.head.clone(),
            age_s: self.age_s,
            hops: self.hops,
            full: self.full,
            part: self.part,
            entries: self.entries.iter().map(|entry| &entry[..]).collect(),
            removed: self.removed.clone(),
        };
        let mut body = BytesMut::new();
        delta.encode(&mut body);
        body.freeze()
    }

    fn tell(&self, node: &mut Node, link: LinkId) -> Vec<Out> {
        node.frame(link, FrameType::DirectoryDelta, self.body());
        node.settle()
    }
}

fn encoded_digest(digest: &DirectoryDigest) -> Bytes {
    let mut body = BytesMut::new();
    digest.encode(&mut body);
    body.freeze()
}

fn encoded_request(nodes: &[NodeId]) -> Bytes {
    let mut body = BytesMut::new();
    DirectoryRequest { nodes: nodes.to_vec() }.encode(&mut body);
    body.freeze()
}

/// The frames among outputs.
fn sent(outs: &[Out]) -> Vec<(LinkId, FrameType, &Bytes)> {
    let frame = |out| match out {
        &Out::Transmit { link, frame_type, ref body } => Some((link, frame_type, body)),
        _ => None,
    };
    outs.iter().filter_map(frame).collect()
}

fn violations(outs: &[Out]) -> Vec<CloseReason> {
    let reason = |out: &Out| match out {
        Out::Violation { reason, .. } => Some(*reason),
        _ => None,
    };
    outs.iter().filter_map(reason).collect()
}

/// Many nodes, links between them, and the frames on their way.
struct Mesh {
    now: Instant,
    nodes: Vec<Node>,
    latency: Duration,
    /// The two ends of each link.
    links: BTreeMap<LinkId, (usize, usize)>,
    frames: BTreeMap<(Instant, u64), (usize, LinkId, FrameType, Bytes)>,
    last: u64,
    limits: Limits,
    timing: Timing,
    traffic: Traffic,
    /// Frames of this type are lost with this chance in 256.
    loss: Option<(FrameType, u8)>,
    learned: Vec<(usize, NodeId)>,
    superseded: Vec<(usize, Incarnation)>,
    violations: Vec<(usize, CloseReason)>,
}

#[derive(Clone, Debug, Default)]
struct Traffic {
    frames: BTreeMap<&'static str, usize>,
    bytes: usize,
    by_link: BTreeMap<LinkId, usize>,
}

impl Mesh {
    fn new(count: usize, edges: &[(usize, usize)]) -> Self {
        Self::with(count, edges, Limits::default(), Timing::default())
    }

    fn with(count: usize, edges: &[(usize, usize)], limits: Limits, timing: Timing) -> Self {
        let node = |number| Node::in_life(number, limits.clone(), timing.clone(), LIFE, Instant::ZERO);
        let mut mesh = Self {
            now: Instant::ZERO,
            nodes: (0..count).map(node).collect(),
            latency: Duration::from_millis(10),
            links: BTreeMap::new(),
            frames: BTreeMap::new(),
            last: 0,
            limits,
            timing,
            traffic: Traffic::default(),
            loss: None,
            learned: Vec::new(),
            superseded: Vec::new(),
            violations: Vec::new(),
        };
        for (a, b) in edges {
            mesh.link(*a, *b);
        }
        mesh
    }

    fn id(&self, node: usize) -> NodeId {
        self.nodes[node].id()
    }

    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn link(&mut self, a: usize, b: usize) {
        let link = LinkId(self.next());
        self.links.insert(link, (a, b));
        for (node, peer) in [(a, b), (b, a)] {
            let peer = self.id(peer);
            self.act(node, |directory, cx| directory.handle(cx, In::LinkUp { link, peer }));
        }
    }

    /// Ends all links between two nodes; what is on its way there is lost.
    fn cut(&mut self, a: usize, b: usize) {
        let between = |ends: &(usize, usize)| *ends == (a, b) || *ends == (b, a);
        let cut: BTreeSet<LinkId> =
            self.links.iter().filter(|(_, ends)| between(ends)).map(|(link, _)| *link).collect();
        self.links.retain(|link, _| !cut.contains(link));
        self.frames.retain(|_, (_, link, _, _)| !cut.contains(link));
        for link in cut {
            for node in [a, b] {
                self.act(node, |directory, cx| directory.handle(cx, In::LinkDown { link }));
            }
        }
    }

    fn is_linked(&self, a: usize, b: usize) -> bool {
        self.links.values().any(|ends| *ends == (a, b) || *ends == (b, a))
    }

    /// A node dies and comes back in a later life, with its links.
    fn restart(&mut self, node: usize, life: Incarnation) {
        let peers: Vec<usize> = self
            .links
            .values()
            .filter_map(|(a, b)| if *a == node { Some(*b) } else { (*b == node).then_some(*a) })
            .collect();
        for peer in &peers {
            self.cut(node, *peer);
        }
        self.nodes[node] = Node::in_life(node, self.limits.clone(), self.timing.clone(), life, self.now);
        for peer in peers {
            self.link(node, peer);
        }
    }

    fn act<T>(&mut self, node: usize, act: impl FnOnce(&mut Directory, &mut Cx<'_>) -> T) -> T {
        self.nodes[node].now = self.now;
        let result = self.nodes[node].with(act);
        self.collect(node);
        result
    }

    fn collect(&mut self, node: usize) {
        while let Some(out) = self.nodes[node].directory.poll() {
            match out {
                Out::Transmit { link, frame_type, body } => self.transmit(node, link, frame_type, body),
                Out::Changed { .. } => {}
                Out::Learned { node: other, .. } => self.learned.push((node, other)),
                Out::Superseded { by } => self.superseded.push((node, by)),
                Out::Violation { link, reason } => {
                    self.violations.push((node, reason));
                    if let Some((a, b)) = self.links.get(&link).copied() {
                        self.cut(a, b);
                    }
                }
            }
        }
    }

    fn transmit(&mut self, from: usize, link: LinkId, frame_type: FrameType, body: Bytes) {
        let Some((a, b)) = self.links.get(&link).copied() else { return };
        let bytes = HEADER_LEN + RECORD_OVERHEAD + body.len();
        *self.traffic.frames.entry(frame_type.name()).or_default() += 1;
        *self.traffic.by_link.entry(link).or_default() += bytes;
        self.traffic.bytes += bytes;
        let number = self.next();
        if self.loss.is_some_and(|(lossy, chance)| {
            lossy == frame_type && (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) < u64::from(chance)
        }) {
            return;
        }
        let to = if a == from { b } else { a };
        self.frames.insert((self.now + self.latency, number), (to, link, frame_type, body));
    }

    /// The next thing that happens, and when.
    fn next_event(&self) -> Option<Instant> {
        let frame = self.frames.keys().next().map(|(at, _)| *at);
        let timer = self.nodes.iter().filter_map(|node| node.directory.timeout()).min();
        frame.into_iter().chain(timer).min()
    }

    fn run_until(&mut self, until: Instant) {
        while let Some(at) = self.next_event().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            while let Some(entry) = self.frames.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let (to, link, frame_type, body) = entry.remove();
                let header = FrameHeader { frame_type, more: false, length: body.len() as u16, id: 0 };
                self.act(to, |directory, cx| directory.handle(cx, In::Frame { link, header, body }));
            }
            for node in 0..self.nodes.len() {
                if self.nodes[node].directory.timeout().is_some_and(|at| at <= self.now) {
                    self.act(node, Directory::on_timeout);
                }
            }
        }
        self.now = until;
    }

    fn run(&mut self, span: Duration) {
        self.run_until(self.now + span);
    }

    /// Runs until something is so; gives how long that took. Panics after `most`.
    fn run_while(&mut self, most: Duration, mut unsettled: impl FnMut(&Self) -> bool) -> Duration {
        let start = self.now;
        while unsettled(self) {
            let at = self.next_event().expect("something happens while something is unsettled");
            assert!(at - start <= most, "still unsettled after {most:?}: {}", self.differences());
            self.run_until(at);
        }
        self.now - start
    }

    fn views_equal(&self) -> bool {
        let versions = |node: &Node| {
            let view = node.directory.view.iter();
            view.map(|(id, owner)| (*id, owner.version())).collect::<Vec<_>>()
        };
        let same = versions(&self.nodes[0]);
        if self.nodes.iter().any(|node| node.directory.view.len() != same.len() || versions(node) != same) {
            return false;
        }
        let first = self.nodes[0].snapshot();
        self.nodes.iter().all(|node| node.snapshot() == first)
    }

    /// Which nodes know what, for messages.
    fn differences(&self) -> String {
        let line = |(number, node): (usize, &Node)| {
            let view = node.directory.view.iter();
            let versions: Vec<String> =
                view.map(|(id, owner)| format!("{}:{}", id.short(), owner.head.sequence)).collect();
            format!("\n{number} {}: {}", node.id().short(), versions.join(" "))
        };
        self.nodes.iter().enumerate().map(line).collect()
    }

    fn knows_provider(&self, node: usize, owner: usize, path: &str) -> bool {
        let owner = self.id(owner);
        self.nodes[node].directory.providers(path).iter().any(|provider| provider.node == owner)
    }
}

fn line(count: usize) -> Vec<(usize, usize)> {
    (1..count).map(|node| (node - 1, node)).collect()
}

fn ring(count: usize) -> Vec<(usize, usize)> {
    (0..count).map(|node| (node, (node + 1) % count)).collect()
}

fn tree(count: usize) -> Vec<(usize, usize)> {
    (1..count).map(|node| ((node - 1) / 2, node)).collect()
}

/// A graph in which each node has four neighbours: a ring, and a second ring over all in another order.
fn four_regular(count: usize) -> Vec<(usize, usize)> {
    let step = (2..count).find(|step| gcd(*step, count) == 1 && step * step > count).unwrap_or(1);
    let mut edges: BTreeSet<(usize, usize)> = BTreeSet::new();
    for (a, b) in ring(count).into_iter().chain((0..count).map(|node| (node, (node + step) % count))) {
        edges.insert((a.min(b), a.max(b)));
    }
    edges.into_iter().collect()
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Links on the longest of all shortest ways.
fn diameter(count: usize, edges: &[(usize, usize)]) -> usize {
    let from = |start: usize| {
        let mut distance = alloc::vec![usize::MAX; count];
        distance[start] = 0;
        for _ in 0..count {
            for (a, b) in edges {
                let (to_a, to_b) = (distance[*a], distance[*b]);
                distance[*a] = to_a.min(to_b.saturating_add(1));
                distance[*b] = to_b.min(to_a.saturating_add(1));
            }
        }
        distance.into_iter().max().unwrap_or(0)
    };
    (0..count).map(from).max().unwrap_or(0)
}
