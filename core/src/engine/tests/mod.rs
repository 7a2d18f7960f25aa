//! The engine as a whole: a few of them in one thread, joined by pipes that lose nothing unless told to.

mod access;
mod admission;
mod calls;
mod chaos;
mod hostile;
mod hostile_streams;
mod intruder;
mod links;
mod members;
mod mesh;
mod metrics;
mod relayed;
mod resilience;
mod seeking;
mod streams;
mod topics;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use std::format;

use bytes::{Bytes, BytesMut};

use crate::crypto::RustCrypto;
use crate::engine::{
    Call, CallOptions, DialFailure, Event, Input, LinkId, OpId, Output, Payload, RequestId, Target,
};
use crate::{
    Address, Config, Engine, Error, Identity, Incarnation, Instant, Limits, NoTrace, NodeId, Timing, Trust,
};

/// One end of a pipe.
type End = (usize, LinkId);

/// Engines and the pipes between them. Node `i` can be dialled at `10.0.0.i:7400`.
struct Net {
    now: Instant,
    nodes: Vec<Option<Engine>>,
    events: Vec<Vec<Event>>,
    /// The other end of each open pipe.
    pipes: BTreeMap<End, End>,
    /// Bytes on the way, with their destination.
    wire: VecDeque<(End, BytesMut)>,
    /// Nodes that answer `echo` by themselves.
    echo: bool,
    /// Whether each event is taken as soon as it is handed over.
    takes: bool,
    /// Ends whose reader takes nothing, so that the writer gets no credit.
    blocked: Vec<End>,
    /// What was transmitted, for eavesdroppers.
    overheard: Vec<(End, Bytes)>,
    next_link: u64,
}

fn address(node: usize) -> Address {
    format!("10.0.0.{node}:7400").parse().unwrap()
}

/// Every node can be reached by another address too.
fn second_address(node: usize) -> Address {
    format!("10.0.1.{node}:7400").parse().unwrap()
}

fn config(node: usize) -> Config {
    Config {
        network: "test".parse().unwrap(),
        trust: Trust::NetworkKey(crate::config::NetworkKey::new([7; 32])),
        access: crate::config::Access::default(),
        route_metric: crate::config::RouteMetric::default(),
        label: format!("node{node}@test").parse().unwrap(),
        listen: alloc::vec![address(node)],
        limits: Limits::default(),
        timing: Timing::default(),
        crypto: Arc::new(RustCrypto),
    }
}

fn identity(node: usize) -> Identity {
    Identity::from_secret([node as u8 + 1; 32], Arc::new(RustCrypto))
}

impl Net {
    fn new(nodes: usize) -> Self {
        let mut net = Self {
            now: Instant::from_millis(1),
            nodes: (0..nodes).map(|_| None).collect(),
            events: (0..nodes).map(|_| Vec::new()).collect(),
            pipes: BTreeMap::new(),
            wire: VecDeque::new(),
            echo: true,
            takes: true,
            blocked: Vec::new(),
            overheard: Vec::new(),
            next_link: 0,
        };
        for node in 0..nodes {
            net.start(node, 1, config(node));
        }
        net
    }

    /// Two nodes, the first of which dials the second, until both are up.
    fn pair() -> Self {
        let mut net = Self::new(2);
        net.connect(0, 1);
        net.run_until("both are up", |net| net.node(0).peers().len() == 1 && net.node(1).peers().len() == 1);
        net
    }

    fn start(&mut self, node: usize, incarnation: u64, config: Config) {
        let seed = [node as u8 * 16 + incarnation as u8; 32];
        let incarnation = Incarnation::new(incarnation);
        let mut engine = Engine::new(Arc::new(config), identity(node), incarnation, self.now, seed, NoTrace);
        engine.serve(self.now, "echo").unwrap();
        self.nodes[node] = Some(engine);
    }

    fn node(&mut self, node: usize) -> &mut Engine {
        self.nodes[node].as_mut().expect("the node runs")
    }

    #[expect(clippy::unused_self, reason = "it reads like the other questions to the net")]
    fn id(&self, node: usize) -> NodeId {
        identity(node).node_id()
    }

    fn connect(&mut self, from: usize, to: usize) {
        let now = self.now;
        self.node(from).connect(now, address(to)).unwrap();
    }

    fn call(&mut self, from: usize, to: usize, action: &str, data: impl Into<Bytes>) -> Result<OpId, Error> {
        let target = Target::Node(self.id(to));
        let payload = Payload::from(data.into());
        let now = self.now;
        self.node(from)
            .call(now, Call { target, action, payload, timeout: None, options: CallOptions::default() })
    }

    fn reply(&mut self, node: usize, request: RequestId, result: Result<Payload, Error>) -> bool {
        let now = self.now;
        self.node(node).reply(now, request, result)
    }

    /// Outcome of a call, once it is there.
    fn outcome(&self, node: usize, op: OpId) -> Option<&Result<Payload, Error>> {
        self.events[node].iter().find_map(|event| match event {
            Event::CallDone { op: done, result } if *done == op => Some(result),
            _ => None,
        })
    }

    fn wait_for(&mut self, node: usize, op: OpId) -> Result<Payload, Error> {
        self.run_until("the call has an outcome", |net| net.outcome(node, op).is_some());
        self.outcome(node, op).unwrap().clone()
    }

    /// Requests that were handed to a node.
    fn requests(&self, node: usize) -> Vec<(RequestId, Payload)> {
        let request = |event: &Event| match event {
            Event::Request { request, payload, .. } => Some((*request, payload.clone())),
            _ => None,
        };
        self.events[node].iter().filter_map(request).collect()
    }

    /// Drains every engine's outputs into the pipes.
    fn drain(&mut self) {
        for node in 0..self.nodes.len() {
            while let Some(output) = self.nodes[node].as_mut().and_then(Engine::poll_output) {
                self.obey(node, output);
            }
        }
    }

    fn obey(&mut self, node: usize, output: Output) {
        match output {
            Output::Transmit { link, data } => {
                let end = (node, link);
                self.overheard.push((end, data.clone()));
                let Some(peer) = self.pipes.get(&end).copied() else { return };
                self.wire.push_back((peer, BytesMut::from(&data[..])));
                if !self.blocked.contains(&end) {
                    self.input(node, Input::Credit { link, bytes: data.len() });
                }
            }
            Output::Dial { dial, addr } => {
                let at = |to: usize| address(to) == addr || second_address(to) == addr;
                let to = (0..self.nodes.len()).find(|to| at(*to) && self.nodes[*to].is_some());
                let Some(to) = to else {
                    return self.input(node, Input::DialFailed { dial, reason: DialFailure::Refused });
                };
                let (near, far) = (LinkId(self.next_link + 1), LinkId(self.next_link + 2));
                self.next_link += 2;
                self.pipes.insert((node, near), (to, far));
                self.pipes.insert((to, far), (node, near));
                for (end, link, dial, remote) in [(node, near, Some(dial), to), (to, far, None, node)] {
                    let remote_addr = format!("10.0.0.{remote}:7400").parse().unwrap();
                    self.input(end, Input::LinkUp { link, dial, remote_addr });
                    self.input(end, Input::Credit { link, bytes: 256 * 1024 });
                }
            }
            Output::Close { link, .. } => {
                if let Some(peer) = self.pipes.remove(&(node, link)) {
                    // What was sent before the end arrives before it.
                    self.wire.push_back((peer, BytesMut::new()));
                }
            }
            Output::Event(event) => {
                if let (true, Event::Request { request, payload, action, .. }) = (self.echo, &event)
                    && action.as_str() == "echo"
                {
                    self.reply(node, *request, Ok(payload.clone()));
                }
                if let (true, Event::Published { subscription, .. }) = (self.takes, &event) {
                    let (now, subscription) = (self.now, *subscription);
                    self.node(node).event_taken(now, subscription);
                }
                self.events[node].push(event);
            }
        }
    }

    fn input(&mut self, node: usize, input: Input) {
        let now = self.now;
        if let Some(engine) = self.nodes[node].as_mut() {
            engine.handle_input(now, input).unwrap();
        }
    }

    /// Delivers the next bytes. `false` when nothing is on the way.
    fn deliver(&mut self) -> bool {
        let Some(((node, link), data)) = self.wire.pop_front() else { return false };
        if data.is_empty() {
            self.pipes.remove(&(node, link));
            self.input(node, Input::LinkDown { link });
        } else {
            self.input(node, Input::Received { link, data });
        }
        true
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.nodes.iter().flatten().filter_map(Engine::poll_timeout).min()
    }

    fn advance_to(&mut self, at: Instant) {
        self.now = self.now.max(at);
        let now = self.now;
        for engine in self.nodes.iter_mut().flatten() {
            if engine.poll_timeout().is_some_and(|due| due <= now) {
                engine.handle_timeout(now).unwrap();
            }
        }
    }

    /// Runs until nothing moves, without letting time pass.
    fn settle(&mut self) {
        for _ in 0..1_000_000 {
            self.drain();
            if !self.deliver() {
                return;
            }
        }
        panic!("the engines never come to rest");
    }

    /// Runs, letting time pass as needed, until `done`; a minute at most.
    fn run_until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let give_up_at = self.now + Duration::from_secs(60);
        loop {
            self.settle();
            if done(self) {
                return;
            }
            let next = self.next_timeout().filter(|at| *at <= give_up_at);
            let Some(next) = next else { panic!("after a minute still not: {what}") };
            self.advance_to(next);
        }
    }

    fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            self.settle();
            match self.next_timeout().filter(|at| *at <= end) {
                Some(next) => self.advance_to(next),
                None => break,
            }
        }
        self.advance_to(end);
        self.settle();
    }

    /// The process of a node dies: its peers see their streams end, where `reset`, or just silence.
    fn kill(&mut self, node: usize, reset: bool) {
        self.nodes[node] = None;
        let ends: Vec<End> = self.pipes.keys().filter(|(own, _)| *own == node).copied().collect();
        for end in ends {
            let peer = self.pipes.remove(&end);
            if let Some(peer) = peer.filter(|_| reset) {
                self.wire.push_back((peer, BytesMut::new()));
            }
        }
    }

    /// Ends every stream between two nodes, as a reset on the way does.
    fn cut(&mut self, a: usize, b: usize) {
        let ends: Vec<(End, End)> = self.pipes.iter().map(|(end, peer)| (*end, *peer)).collect();
        for (end, peer) in ends {
            if (end.0, peer.0) == (a, b) || (end.0, peer.0) == (b, a) {
                self.pipes.remove(&end);
                self.wire.retain(|(to, _)| *to != end);
                self.input(end.0, Input::LinkDown { link: end.1 });
            }
        }
    }

    /// Everything that must be zero when nothing is going on is zero, and nothing is over its cap.
    fn assert_quiet(&mut self) {
        for (node, engine) in self.nodes.iter().enumerate() {
            let Some(engine) = engine else { continue };
            for gauge in engine.gauges() {
                assert!(gauge.value <= gauge.cap, "node {node}: {gauge:?} is over its cap");
                assert!(!gauge.zero_when_quiet || gauge.value == 0, "node {node}: {gauge:?} has leaked");
            }
        }
    }

    fn counter(&mut self, node: usize, name: &str) -> u64 {
        self.node(node).counters().into_iter().find(|(own, _)| own == name).map_or(0, |(_, count)| count)
    }
}
