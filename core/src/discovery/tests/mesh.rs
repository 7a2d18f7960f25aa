//! Machines put together: links with a latency each, a directory for each node, and a count of every frame.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use crate::code::CloseReason;
use crate::config::{Config, Limits, NetworkName, Timing, Trust};
use crate::crypto::RustCrypto;
use crate::discovery::{Discovery, In, Out, Outcome, QueryId};
use crate::identity::NodeId;
use crate::link::LinkId;
use crate::machine::{Counters, Cx, Machine, NoTrace, RandomDomain, random_stream};
use crate::time::Instant;
use crate::wire::body::discovery::{QuestionId, WhoHas, WhoHasAnswer};
use crate::wire::frame::{FrameHeader, FrameType};
use crate::wire::path::ActionPath;

pub(super) fn config(limits: Limits) -> Arc<Config> {
    Arc::new(Config {
        network: "test".parse::<NetworkName>().unwrap(),
        trust: Trust::Open,
        label: "test".parse().unwrap(),
        listen: Vec::new(),
        limits,
        timing: Timing::default(),
        crypto: Arc::new(RustCrypto),
        access: crate::config::Access::default(),
        route_metric: crate::config::RouteMetric::Hops,
    })
}

pub(super) fn node_id(node: usize) -> NodeId {
    NodeId::from_bytes([node as u8 + 1; 32])
}

pub(super) fn path(text: &str) -> Arc<ActionPath> {
    Arc::new(text.parse().unwrap())
}

/// What stands for the entry that node number `node` has signed.
pub(super) fn proof(node: usize, path: &str) -> Bytes {
    format!("{node} serves {path}").into_bytes().into()
}

/// Who has signed a proof, if it is a good one for this path.
pub(super) fn proved(proof: &[u8], path: &str) -> Option<usize> {
    let (node, served) = core::str::from_utf8(proof).ok()?.split_once(" serves ")?;
    (served.trim_end() == path).then(|| node.parse().ok())?
}

pub(super) fn header(frame_type: FrameType, body: &[u8]) -> FrameHeader {
    FrameHeader { frame_type, more: false, length: body.len() as u16, id: 0 }
}

/// What happens later.
#[derive(Debug)]
enum Later {
    Frame { to: usize, link: LinkId, frame_type: FrameType, body: Bytes },
    Cut { link: LinkId },
    Ask { node: usize, query: QueryId, path: Arc<ActionPath>, time: Duration, gather: Option<Duration> },
}

struct Member {
    machine: Discovery,
    counters: Counters,
    /// Who serves what, as far as this node knows.
    knows: BTreeMap<String, usize>,
}

/// The whole of it.
pub(super) struct Mesh {
    pub(super) now: Instant,
    members: Vec<Member>,
    links: BTreeMap<LinkId, (usize, usize, Duration)>,
    later: BTreeMap<(Instant, u64), Later>,
    scheduled: u64,
    asked: BTreeMap<QueryId, (usize, Instant)>,
    answers: BTreeMap<QueryId, (Instant, Outcome)>,
    /// Frames of each question on each link.
    pub(super) frames: BTreeMap<(QuestionId, LinkId), usize>,
    pub(super) violations: Vec<(usize, LinkId, CloseReason)>,
}

impl Mesh {
    /// Nodes with the numbers from 0 to `count` - 1, and links between them with a latency of 1 ms.
    pub(super) fn new(count: usize, edges: &[(usize, usize)]) -> Self {
        Self::with_hops(count, edges, Limits::default().question_hops_max)
    }

    pub(super) fn with_hops(count: usize, edges: &[(usize, usize)], hops: u8) -> Self {
        let config = config(Limits { question_hops_max: hops, ..Limits::default() });
        let members = (0..count)
            .map(|node| {
                let rng = random_stream(&[node as u8; 32], RandomDomain::Discovery);
                let machine = Discovery::new(config.clone(), node_id(node), rng);
                Member { machine, counters: Counters::default(), knows: BTreeMap::new() }
            })
            .collect();
        let mut mesh = Self {
            now: Instant::from_millis(1_000),
            members,
            links: BTreeMap::new(),
            later: BTreeMap::new(),
            scheduled: 0,
            asked: BTreeMap::new(),
            answers: BTreeMap::new(),
            frames: BTreeMap::new(),
            violations: Vec::new(),
        };
        for (a, b) in edges {
            mesh.connect(*a, *b, Duration::from_millis(1));
        }
        mesh
    }

    /// Every node linked to every other.
    pub(super) fn full(count: usize) -> Self {
        let edges: Vec<_> = (0..count).flat_map(|a| (0..a).map(move |b| (b, a))).collect();
        Self::new(count, &edges)
    }

    pub(super) fn line(count: usize) -> Self {
        let edges: Vec<_> = (1..count).map(|node| (node - 1, node)).collect();
        Self::new(count, &edges)
    }

    pub(super) fn connect(&mut self, a: usize, b: usize, latency: Duration) {
        let link = LinkId(self.links.len() as u64 + 1);
        self.links.insert(link, (a, b, latency));
        self.tell(a, In::LinkUp { link });
        self.tell(b, In::LinkUp { link });
    }

    pub(super) fn link(&self, a: usize, b: usize) -> LinkId {
        let between =
            |ends: &(usize, usize, Duration)| (ends.0, ends.1) == (a, b) || (ends.1, ends.0) == (a, b);
        *self.links.iter().find(|(_, ends)| between(ends)).expect("they are linked").0
    }

    pub(super) fn slow_down(&mut self, a: usize, b: usize, latency: Duration) {
        let link = self.link(a, b);
        self.links.get_mut(&link).expect("it is there").2 = latency;
    }

    /// The node's own directory knows this from now on.
    pub(super) fn provide(&mut self, node: usize, path: &str) {
        self.learn(node, node, path);
    }

    /// `node` learns that `provider` serves a path.
    pub(super) fn learn(&mut self, node: usize, provider: usize, path: &str) {
        self.members[node].knows.insert(path.into(), provider);
    }

    pub(super) fn ask(&mut self, node: usize, path: &str, time_ms: u64) -> QueryId {
        self.ask_at(Duration::ZERO, node, path, time_ms, None)
    }

    pub(super) fn gather(&mut self, node: usize, path: &str, time_ms: u64, gather_ms: u64) -> QueryId {
        self.ask_at(Duration::ZERO, node, path, time_ms, Some(gather_ms))
    }

    pub(super) fn ask_at(
        &mut self,
        after: Duration,
        node: usize,
        path: &str,
        time_ms: u64,
        gather_ms: Option<u64>,
    ) -> QueryId {
        let query = QueryId(self.asked.len() as u64 + 1);
        let at = self.now + after;
        self.asked.insert(query, (node, at + Duration::from_millis(time_ms)));
        let gather = gather_ms.map(Duration::from_millis);
        let (path, time) = (self::path(path), Duration::from_millis(time_ms));
        self.schedule(at, Later::Ask { node, query, path, time, gather });
        query
    }

    pub(super) fn cut_at(&mut self, after: Duration, link: LinkId) {
        self.schedule(self.now + after, Later::Cut { link });
    }

    fn schedule(&mut self, at: Instant, later: Later) {
        self.scheduled += 1;
        self.later.insert((at, self.scheduled), later);
    }

    /// Gives a node an input, and settles what comes of it.
    pub(super) fn tell(&mut self, node: usize, input: In) {
        let member = &mut self.members[node];
        let mut cx = Cx { now: self.now, trace: &mut NoTrace, counters: &mut member.counters };
        member.machine.handle(&mut cx, input);
        self.settle(node);
    }

    fn settle(&mut self, node: usize) {
        while let Some(out) = self.members[node].machine.poll() {
            match out {
                Out::Transmit { link, frame_type, body } => self.transmit(node, link, frame_type, body),
                Out::Resolve { probe, path } => {
                    let provider = self.members[node].knows.get(path.as_str());
                    let answer = provider.map(|provider| proof(*provider, path.as_str()));
                    self.tell(node, In::Resolved { probe, answer });
                }
                Out::Check { check, path, proof } => {
                    let node_id = proved(&proof, path.as_str()).map(node_id);
                    self.tell(node, In::Checked { check, valid: node_id.is_some(), node: node_id });
                }
                Out::Answer { query, outcome } => {
                    assert_eq!(self.asked.get(&query).map(|(asker, _)| *asker), Some(node));
                    let before = self.answers.insert(query, (self.now, outcome));
                    assert_eq!(before, None, "{query:?} was answered twice");
                }
                Out::Violation { link, reason } => self.violations.push((node, link, reason)),
            }
        }
    }

    fn transmit(&mut self, from: usize, link: LinkId, frame_type: FrameType, body: Bytes) {
        let id = match frame_type {
            FrameType::WhoHas => WhoHas::decode(&body).unwrap().id,
            _ => WhoHasAnswer::decode(&body).unwrap().id,
        };
        let Some((a, b, latency)) = self.links.get(&link).copied() else { return };
        *self.frames.entry((id, link)).or_default() += 1;
        let to = if from == a { b } else { a };
        self.schedule(self.now + latency, Later::Frame { to, link, frame_type, body });
    }

    /// Runs until nothing is left to happen.
    pub(super) fn run(&mut self) {
        self.run_until(Instant::NEVER);
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        self.run_until(end);
        self.now = end;
    }

    fn run_until(&mut self, end: Instant) {
        for _ in 0..1_000_000 {
            let event = self.later.first_key_value().map(|((at, _), _)| *at);
            let timer = self.members.iter().filter_map(|member| member.machine.timeout()).min();
            let next = event.into_iter().chain(timer).min().filter(|next| *next <= end);
            let Some(next) = next else { return };
            self.now = self.now.max(next);
            for node in 0..self.members.len() {
                if self.members[node].machine.timeout().is_some_and(|timeout| timeout <= self.now) {
                    let member = &mut self.members[node];
                    let mut cx = Cx { now: self.now, trace: &mut NoTrace, counters: &mut member.counters };
                    member.machine.on_timeout(&mut cx);
                    self.settle(node);
                }
            }
            while let Some(entry) = self.later.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let later = entry.remove();
                self.happen(later);
            }
        }
        panic!("it never ends");
    }

    fn happen(&mut self, later: Later) {
        match later {
            // What was on a link that was cut is lost.
            Later::Frame { to, link, frame_type, body } if self.links.contains_key(&link) => {
                self.tell(to, In::Frame { link, header: header(frame_type, &body), body });
            }
            Later::Frame { .. } => {}
            Later::Cut { link } => {
                if let Some((a, b, _)) = self.links.remove(&link) {
                    self.tell(a, In::LinkDown { link });
                    self.tell(b, In::LinkDown { link });
                }
            }
            Later::Ask { node, query, path, time, gather } => {
                let deadline = self.now + time;
                self.tell(node, In::Ask { query, path, deadline, gather });
            }
        }
    }

    pub(super) fn outcome(&self, query: QueryId) -> Outcome {
        self.answers.get(&query).expect("it was answered").1.clone()
    }

    pub(super) fn answered_at(&self, query: QueryId) -> Option<Instant> {
        self.answers.get(&query).map(|(at, _)| *at)
    }

    /// The nodes whose proofs a question found.
    pub(super) fn found(&self, query: QueryId, path: &str) -> BTreeSet<usize> {
        match self.outcome(query) {
            Outcome::Found(proofs) => {
                let nodes: BTreeSet<_> =
                    proofs.iter().map(|proof| proved(proof, path).expect("only good proofs win")).collect();
                assert_eq!(nodes.len(), proofs.len(), "no node is found twice");
                nodes
            }
            other => panic!("{query:?} came to {other:?}"),
        }
    }

    pub(super) fn frame_count(&self) -> usize {
        self.frames.values().sum()
    }

    pub(super) fn link_count(&self) -> usize {
        self.links.len()
    }

    /// Nodes that can be reached from `from` over the links that are left.
    pub(super) fn reachable(&self, from: usize) -> BTreeSet<usize> {
        let (mut seen, mut next) = (BTreeSet::from([from]), Vec::from([from]));
        while let Some(node) = next.pop() {
            for (a, b, _) in self.links.values() {
                for (one, other) in [(*a, *b), (*b, *a)] {
                    if one == node && seen.insert(other) {
                        next.push(other);
                    }
                }
            }
        }
        seen
    }

    pub(super) fn counted(&self, node: usize, name: &str) -> u64 {
        self.members[node].counters.iter().find(|(counter, _)| *counter == name).map_or(0, |(_, count)| count)
    }

    /// Nothing that should be over is left anywhere.
    pub(super) fn assert_quiet(&self) {
        for (node, member) in self.members.iter().enumerate() {
            member.machine.gauges(|name, value, cap, zero_when_quiet| {
                assert!(value <= cap, "{name} of node {node} is {value}, over {cap}");
                assert!(!zero_when_quiet || value == 0, "{name} of node {node} is {value} in the end");
            });
            assert_eq!(member.machine.timeout(), None, "node {node} still waits for something");
            assert!(member.machine.queries.is_empty() && member.machine.own_probes.is_empty());
            assert!(member.machine.by_id.is_empty());
        }
        for (query, (node, _)) in &self.asked {
            assert!(self.answers.contains_key(query), "{query:?} of node {node} was never answered");
        }
    }
}
