//! Many machines over links in memory, with latency. At every frame, no destination may have a loop.

mod flooding;
mod hostile;
mod laws;
mod metric;
mod relay;
mod routes;
mod topology;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::{Broken, Class, In, Out, Routing};
use crate::config::{Config, Limits, NetworkKey, RouteMetric, Timing, Trust};
use crate::crypto::RustCrypto;
use crate::identity::{Incarnation, NodeId};
use crate::link::LinkId;
use crate::machine::{Counters, Cx, Machine, RandomDomain, Trace, random_stream};
use crate::time::Instant;
use crate::wire::frame::{FrameHeader, FrameType, HEADER_LEN};

/// Bytes that a record adds to the frame in it: length prefix and tag.
const RECORD_BYTES: usize = 20;

/// Marks by how often they were left.
#[derive(Default)]
struct Marks(BTreeMap<&'static str, u64>);

impl Trace for Marks {
    fn mark(&mut self, name: &'static str) {
        *self.0.entry(name).or_default() += 1;
    }
}

/// What a node has told the rest of its engine.
#[derive(Debug, Default)]
struct Heard {
    /// Who is reachable, by what was said.
    reachable: BTreeMap<NodeId, Incarnation>,
    /// Everything that was said, but for frames.
    news: Vec<Out>,
}

struct Node {
    id: NodeId,
    routing: Routing,
    heard: Heard,
    marks: Marks,
    counters: Counters,
}

/// Between two nodes, the one with the smaller index first.
#[derive(Clone, Copy)]
struct Wire {
    links: [LinkId; 2],
    latency: Duration,
}

struct Flight {
    from: usize,
    to: usize,
    /// The link on the side of the receiver.
    link: LinkId,
    frame_type: FrameType,
    body: Bytes,
}

struct Mesh {
    now: Instant,
    config: Arc<Config>,
    nodes: Vec<Node>,
    wires: BTreeMap<(usize, usize), Wire>,
    /// Frames on their way, by when they arrive.
    flights: BTreeMap<(Instant, u64), Flight>,
    flown: u64,
    links_made: u64,
    /// Bytes on each wire, both ways.
    bytes: BTreeMap<(usize, usize), u64>,
    /// Whether loops are looked for at every frame.
    watchful: bool,
    /// How long it takes until a node hears which life of another one is signed. Who is not of the mesh has signed life 1.
    proof_lag: Duration,
    /// Who is about to hear of whom.
    proofs: BTreeSet<(Instant, usize, NodeId)>,
}

fn id(node: usize) -> NodeId {
    let mut bytes = [0; 32];
    // Spread, so that the order of ids is not that of the indices.
    bytes[..8].copy_from_slice(&(node as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    NodeId::from_bytes(bytes)
}

fn config(route_metric: RouteMetric, limits: Limits, timing: Timing) -> Arc<Config> {
    Arc::new(Config {
        network: "test".parse().unwrap(),
        trust: Trust::NetworkKey(NetworkKey::new([7; 32])),
        access: crate::config::Access::default(),
        route_metric,
        label: "node@test".parse().unwrap(),
        listen: Vec::new(),
        limits,
        timing,
        crypto: Arc::new(RustCrypto),
    })
}

fn machine(config: &Arc<Config>, node: usize, incarnation: u64) -> Routing {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&(node as u64).to_be_bytes());
    seed[8..16].copy_from_slice(&incarnation.to_be_bytes());
    let rng = random_stream(&seed, RandomDomain::Routing);
    Routing::new(config.clone(), id(node), Incarnation::new(incarnation), rng)
}

fn header(frame_type: FrameType, body: &Bytes) -> FrameHeader {
    FrameHeader { frame_type, more: false, length: body.len() as u16, id: 0 }
}

impl Node {
    fn new(config: &Arc<Config>, node: usize, incarnation: u64) -> Self {
        Self {
            id: id(node),
            routing: machine(config, node, incarnation),
            heard: Heard::default(),
            marks: Marks::default(),
            counters: Counters::default(),
        }
    }

    fn act(&mut self, now: Instant, act: impl FnOnce(&mut Routing, &mut Cx<'_>)) -> Vec<Out> {
        let mut cx = Cx { now, trace: &mut self.marks, counters: &mut self.counters };
        act(&mut self.routing, &mut cx);
        let mut outs = Vec::new();
        while let Some(out) = self.routing.poll() {
            self.heard.hear(&out);
            outs.push(out);
        }
        outs
    }

    fn reaches(&self, node: usize) -> bool {
        self.routing.route(&id(node)).is_some()
    }

    fn counted(&self, name: &str) -> u64 {
        self.marks.0.get(name).copied().unwrap_or(0)
    }
}

/// Of whom a node wants to know which life is signed.
fn unproven(outs: &[Out]) -> BTreeSet<NodeId> {
    let subject = |out: &Out| match out {
        Out::Unproven { node } => Some(*node),
        _ => None,
    };
    outs.iter().filter_map(subject).collect()
}

impl Heard {
    fn hear(&mut self, out: &Out) {
        match out {
            Out::Transmit { .. } | Out::Forward { .. } | Out::Unproven { .. } => return,
            Out::Reachable { node, incarnation, .. } => {
                let before = self.reachable.insert(*node, *incarnation);
                assert!(before.is_none_or(|before| before < *incarnation), "{node:?} came up twice");
            }
            Out::Unreachable { node } => {
                assert!(self.reachable.remove(node).is_some(), "{node:?} was not reachable");
            }
            Out::PathChanged { node } => {
                assert!(self.reachable.contains_key(node), "the path to {node:?} changed, which has none");
            }
            Out::Deliver { .. } | Out::PathBroken { .. } | Out::Violation { .. } => {}
        }
        self.news.push(match out {
            Out::Deliver { source, class, payload, hops, link } => Out::Deliver {
                source: *source,
                class: *class,
                payload: payload.clone(),
                hops: *hops,
                link: *link,
            },
            Out::Reachable { node, incarnation, hops } => {
                Out::Reachable { node: *node, incarnation: *incarnation, hops: *hops }
            }
            Out::Unreachable { node } => Out::Unreachable { node: *node },
            Out::PathChanged { node } => Out::PathChanged { node: *node },
            Out::PathBroken { destination, reason } => {
                Out::PathBroken { destination: *destination, reason: *reason }
            }
            Out::Violation { link, reason } => Out::Violation { link: *link, reason: *reason },
            Out::Transmit { .. } | Out::Forward { .. } | Out::Unproven { .. } => return,
        });
    }

    /// What was delivered, with its source and the hops that it took.
    fn delivered(&self) -> Vec<(NodeId, Bytes, u8)> {
        let delivered = |out: &Out| match out {
            Out::Deliver { source, payload, hops, .. } => Some((*source, payload.clone(), *hops)),
            _ => None,
        };
        self.news.iter().filter_map(delivered).collect()
    }

    fn broken(&self) -> Vec<(NodeId, Broken)> {
        let broken = |out: &Out| match out {
            Out::PathBroken { destination, reason } => Some((*destination, *reason)),
            _ => None,
        };
        self.news.iter().filter_map(broken).collect()
    }
}

impl Mesh {
    fn new(nodes: usize, config: Arc<Config>) -> Self {
        Self {
            now: Instant::from_millis(1_000),
            nodes: (0..nodes).map(|node| Node::new(&config, node, 1)).collect(),
            config,
            wires: BTreeMap::new(),
            flights: BTreeMap::new(),
            flown: 0,
            links_made: 0,
            bytes: BTreeMap::new(),
            watchful: true,
            proof_lag: Duration::ZERO,
            proofs: BTreeSet::new(),
        }
    }

    /// Nodes that count hops, and the links between them, all quiet.
    fn of(nodes: usize, edges: &[(usize, usize)]) -> Self {
        let config = config(RouteMetric::Hops, Limits::default(), Timing::default());
        let mut mesh = Self::new(nodes, config);
        for (index, (a, b)) in edges.iter().enumerate() {
            mesh.join(*a, *b, Duration::from_millis(5 + index as u64 % 7));
        }
        mesh.settle();
        mesh
    }

    fn join(&mut self, a: usize, b: usize, latency: Duration) {
        let edge = (a.min(b), a.max(b));
        assert!(a != b && !self.wires.contains_key(&edge));
        self.links_made += 2;
        let links = [LinkId(self.links_made - 1), LinkId(self.links_made)];
        self.wires.insert(edge, Wire { links, latency });
        let peers = [id(edge.1), id(edge.0)];
        for (node, link, peer) in [(edge.0, links[0], peers[0]), (edge.1, links[1], peers[1])] {
            self.tell(node, In::LinkUp { link, peer });
        }
    }

    fn cut(&mut self, a: usize, b: usize) {
        let edge = (a.min(b), a.max(b));
        let Wire { links, .. } = self.wires.remove(&edge).expect("they are joined");
        self.flights.retain(|_, flight| !links.contains(&flight.link));
        for (node, link) in [(edge.0, links[0]), (edge.1, links[1])] {
            self.tell(node, In::LinkDown { link });
        }
    }

    /// Puts another link between two nodes, and gives the old one: neither side uses the new one yet.
    fn replace(&mut self, a: usize, b: usize) -> Wire {
        let edge = (a.min(b), a.max(b));
        let old = self.wires[&edge];
        self.links_made += 2;
        let links = [LinkId(self.links_made - 1), LinkId(self.links_made)];
        self.wires.insert(edge, Wire { links, ..old });
        old
    }

    /// `node` changes over to the new link to `peer`.
    fn change_over(&mut self, node: usize, peer: usize, old: Wire, up_first: bool) {
        let up = In::LinkUp { link: self.link(node, peer), peer: id(peer) };
        let down = In::LinkDown { link: old.links[usize::from(node > peer)] };
        for input in if up_first { [up, down] } else { [down, up] } {
            self.tell(node, input);
        }
    }

    fn isolate(&mut self, node: usize) {
        let edges: Vec<_> = self.wires.keys().filter(|(a, b)| *a == node || *b == node).copied().collect();
        for (a, b) in edges {
            self.cut(a, b);
        }
    }

    fn joined(&self, a: usize, b: usize) -> bool {
        self.wires.contains_key(&(a.min(b), a.max(b)))
    }

    /// The link of `a` to `b`.
    fn link(&self, a: usize, b: usize) -> LinkId {
        self.wires[&(a.min(b), a.max(b))].links[usize::from(a > b)]
    }

    fn tell(&mut self, node: usize, input: In) {
        self.act(node, |routing, cx| routing.handle(cx, input));
    }

    fn send(&mut self, from: usize, to: usize, payload: &'static [u8]) {
        let payload = Bytes::from_static(payload);
        self.tell(from, In::Send { destination: id(to), class: Class::Data, payload });
    }

    fn act(&mut self, node: usize, act: impl FnOnce(&mut Routing, &mut Cx<'_>)) {
        let now = self.now;
        let mut outs = self.nodes[node].act(now, act);
        for subject in unproven(&outs) {
            if self.proof_lag > Duration::ZERO {
                self.proofs.insert((now + self.proof_lag, node, subject));
            } else {
                let proof = In::Incarnation { node: subject, incarnation: self.life_of(&subject) };
                outs.extend(self.nodes[node].act(now, |routing, cx| routing.handle(cx, proof)));
            }
        }
        outs.extend(self.nodes[node].act(now, Routing::flush));
        for out in outs {
            match out {
                Out::Transmit { link, frame_type, body } => self.fly(node, link, frame_type, body),
                Out::Forward { link, body, .. } => self.fly(node, link, FrameType::Routed, body),
                Out::Deliver { .. }
                | Out::Unproven { .. }
                | Out::Reachable { .. }
                | Out::Unreachable { .. }
                | Out::PathChanged { .. }
                | Out::PathBroken { .. }
                | Out::Violation { .. } => {}
            }
        }
        let flush_at = self.nodes[node].routing.flush_at;
        assert!(flush_at.is_none_or(|at| at > now), "node {node} has not said everything");
    }

    /// Somebody hears which life of a node is signed.
    fn prove_next(&mut self) {
        let Some((_, node, subject)) = self.proofs.pop_first() else { return };
        let incarnation = self.life_of(&subject);
        self.tell(node, In::Incarnation { node: subject, incarnation });
    }

    fn life_of(&self, subject: &NodeId) -> Incarnation {
        let present = self.nodes.iter().find(|node| node.id == *subject);
        present.map_or(Incarnation::new(1), |present| present.routing.version.incarnation)
    }

    fn fly(&mut self, from: usize, link: LinkId, frame_type: FrameType, body: Bytes) {
        let wire = self.wires.iter().find(|(_, wire)| wire.links.contains(&link));
        // A link that was replaced is gone.
        let Some((edge, wire)) = wire else { return };
        let side = usize::from(wire.links[1] == link);
        let to = [edge.1, edge.0][side];
        *self.bytes.entry(*edge).or_default() += (body.len() + HEADER_LEN + RECORD_BYTES) as u64;
        self.flown += 1;
        let flight = Flight { from, to, link: wire.links[1 - side], frame_type, body };
        self.flights.insert((self.now + wire.latency, self.flown), flight);
    }

    /// Lets the next thing happen, if anything does by then.
    fn step(&mut self, until: Instant) -> bool {
        let timer =
            (0..self.nodes.len()).filter_map(|node| Some((self.nodes[node].routing.timeout()?, node))).min();
        let flight = self.flights.keys().next().copied();
        if let Some((at, ..)) = self.proofs.first().copied().filter(|(at, ..)| {
            *at <= until
                && timer.is_none_or(|(due, _)| *at <= due)
                && flight.is_none_or(|(due, _)| *at <= due)
        }) {
            self.now = self.now.max(at);
            self.prove_next();
            return true;
        }
        match (timer, flight) {
            (Some((at, node)), flight) if flight.is_none_or(|(arrives, _)| at <= arrives) && at <= until => {
                self.now = self.now.max(at);
                self.act(node, Routing::on_timeout);
                let next = self.nodes[node].routing.timeout();
                assert!(next.is_none_or(|next| next > self.now), "node {node} has not done what was due");
            }
            (_, Some(key)) if key.0 <= until => {
                self.now = key.0;
                let Flight { to, link, frame_type, body, .. } = self.flights.remove(&key).unwrap();
                self.tell(to, In::Frame { link, header: header(frame_type, &body), body });
                if self.watchful {
                    self.assert_no_loops();
                }
            }
            _ => {
                self.now = until;
                return false;
            }
        }
        true
    }

    fn run(&mut self, span: Duration) {
        let until = self.now + span;
        while self.step(until) {}
    }

    /// Whether nothing is on its way or about to be, but for pings.
    fn is_quiet(&self) -> bool {
        let ping = |flight: &Flight| matches!(flight.frame_type, FrameType::Ping | FrameType::Pong);
        self.proofs.is_empty()
            && self.flights.values().all(ping)
            && self.nodes.iter().all(|node| {
                node.routing.flush_at.is_none()
                    && node.routing.sequence_wanted == 0
                    && node.routing.destinations.values().all(|destination| {
                        destination.hunger.is_none() && destination.believes_at().is_none()
                    })
            })
    }

    /// Who is not content with its route to whom.
    fn hungry(&self) -> Vec<(usize, usize, &super::Destination)> {
        let mut hungry = Vec::new();
        for (index, node) in self.nodes.iter().enumerate() {
            let all = node.routing.destinations.iter().filter(|(_, known)| known.hunger.is_some());
            hungry.extend(all.map(|(to, known)| (index, self.node_by(to), known)));
        }
        hungry
    }

    /// Lets everything happen until it is quiet. Gives how long that took.
    fn settle(&mut self) -> Duration {
        let start = self.now;
        while !self.is_quiet() {
            self.step(Instant::NEVER);
            assert!(
                self.now - start < Duration::from_secs(60),
                "it does not come to rest: {:#?}",
                self.hungry()
            );
        }
        self.assert_no_loops();
        self.now - start
    }

    fn node_by(&self, peer: &NodeId) -> usize {
        self.nodes.iter().position(|node| node.id == *peer).expect("a node of this mesh")
    }

    /// Follows every route of every node, hop by hop.
    fn assert_no_loops(&self) {
        let next: BTreeMap<LinkId, usize> =
            self.wires.iter().flat_map(|((a, b), wire)| [(wire.links[0], *b), (wire.links[1], *a)]).collect();
        for destination in self.nodes.iter().map(|node| node.id) {
            let mut safe = BTreeSet::new();
            for start in 0..self.nodes.len() {
                let (mut at, mut passed) = (start, Vec::new());
                while !safe.contains(&at) && self.nodes[at].id != destination {
                    assert!(
                        !passed.contains(&at),
                        "a loop towards {destination:?}: {passed:?} and {at} again"
                    );
                    passed.push(at);
                    let known = self.nodes[at].routing.destinations.get(&destination);
                    let Some(way) = known.and_then(|known| known.chosen) else { break };
                    let Some(peer) = next.get(&way.link) else { break };
                    at = *peer;
                }
                safe.extend(passed);
            }
        }
    }

    /// How many links are between a node and each other one.
    fn distances(&self, from: usize) -> BTreeMap<usize, u8> {
        let (mut found, mut queue) = (BTreeMap::from([(from, 0_u8)]), VecDeque::from([from]));
        while let Some(at) = queue.pop_front() {
            let hops = found[&at] + 1;
            for (a, b) in self.wires.keys() {
                let peer = if *a == at { *b } else { *a };
                if (*a == at || *b == at) && !found.contains_key(&peer) {
                    found.insert(peer, hops);
                    queue.push_back(peer);
                }
            }
        }
        found
    }

    /// Every node reaches exactly whom it should, by a shortest way, and has said so.
    fn assert_shortest(&self) {
        for (index, node) in self.nodes.iter().enumerate() {
            let mut expected: BTreeMap<NodeId, u8> =
                self.distances(index).into_iter().map(|(to, hops)| (id(to), hops)).collect();
            expected.remove(&node.id);
            expected.retain(|_, hops| *hops <= 16);
            let found: BTreeMap<NodeId, u8> =
                node.routing.routes().map(|(to, route)| (to, route.hops)).collect();
            assert_eq!(found, expected, "the routes of node {index}");
            assert!(node.heard.reachable.keys().eq(found.keys()), "what node {index} has said");
        }
    }

    fn restart(&mut self, node: usize, incarnation: u64) {
        self.isolate(node);
        self.nodes[node] = Node::new(&self.config, node, incarnation);
    }
}
