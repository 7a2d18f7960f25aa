//! Two engines in one thread, joined by a pipe that loses nothing, whose driver uses its buffers again.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "each program that includes it uses a part of it"
)]

use lacewing_core::engine::CallOptions;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use lacewing_core::config::NetworkKey;
use lacewing_core::crypto::RustCrypto;
use lacewing_core::engine::{Call, Event, Input, LinkId, Output, Target};
use lacewing_core::{Config, Engine, Identity, Incarnation, Instant, Limits, NoTrace, NodeId, Timing, Trust};

/// The action that both sides could be asked for; only the second serves it.
pub const ACTION: &str = "echo";
const LINK: LinkId = LinkId(1);
/// What the driver reads into before it starts over with the same memory.
const POOL_BYTES: usize = 256 * 1024;

/// Runs each call into an engine; whoever measures looks at what happens inside.
pub trait Watch {
    fn around<R>(&mut self, door: &'static str, enter: impl FnOnce() -> R) -> R;
}

/// Looks away.
pub struct Unwatched;

impl Watch for Unwatched {
    fn around<R>(&mut self, _door: &'static str, enter: impl FnOnce() -> R) -> R {
        enter()
    }
}

/// A caller and a callee that are up with each other.
pub struct Pair<W> {
    engines: [Engine; 2],
    /// What each side reads into.
    pools: [BytesMut; 2],
    now: Instant,
    callee: NodeId,
    /// The answers that have come, not looked at yet.
    answers: Vec<Bytes>,
    /// What each side's transport has taken last, where it is slow.
    unwritten: Option<[Bytes; 2]>,
    pub watch: W,
}

impl<W: Watch> Pair<W> {
    pub fn new(watch: W) -> Self {
        let engines = [engine(1), engine(2)];
        let callee = engines[1].node_id();
        let pools = [BytesMut::with_capacity(POOL_BYTES), BytesMut::with_capacity(POOL_BYTES)];
        let now = Instant::from_millis(1);
        let answers = Vec::with_capacity(1_024);
        let mut pair = Self { engines, pools, now, callee, answers, unwritten: None, watch };
        pair.engines[1].serve(now, ACTION).unwrap();
        pair.engines[0].connect(now, "callee.example:7400".parse().unwrap()).unwrap();
        pair.settle();
        assert!(
            pair.engines.iter().all(|engine| engine.peers().len() == 1),
            "the two are up with each other"
        );
        pair
    }

    /// From now on what is sent is still being written when the next thing is sent.
    pub fn write_slowly(&mut self) {
        self.unwritten = Some([Bytes::new(), Bytes::new()]);
    }

    /// Makes `calls` calls at once and gives how many answers came back whole.
    pub fn round_trip(&mut self, payload: &Bytes, calls: usize) -> usize {
        // A microsecond a round, so that deadlines are as different as they are in life.
        self.now = Instant::from_nanos(self.now.as_nanos() + 1_000);
        let (now, target) = (self.now, Target::Node(self.callee));
        for _ in 0..calls {
            let call = Call {
                target: target.clone(),
                action: ACTION,
                payload: payload.clone().into(),
                timeout: None,
                options: CallOptions::default(),
            };
            let caller = &mut self.engines[0];
            self.watch.around("call", || caller.call(now, call)).unwrap();
        }
        self.settle();
        self.answers.drain(..).filter(|answer| answer == payload).count()
    }

    /// Lets both sides do what they have to do, until nothing moves.
    fn settle(&mut self) {
        let mut quiet = 0;
        while quiet < 2 {
            quiet += 1;
            for side in [0, 1] {
                while let Some(output) = self.poll(side) {
                    quiet = 0;
                    self.obey(side, output);
                }
            }
        }
    }

    fn poll(&mut self, side: usize) -> Option<Output> {
        let engine = &mut self.engines[side];
        self.watch.around("poll_output", || engine.poll_output())
    }

    fn obey(&mut self, side: usize, output: Output) {
        match output {
            Output::Dial { dial, .. } => {
                for (node, dial) in [(0, Some(dial)), (1, None)] {
                    let remote_addr = "127.0.0.1:7400".parse().unwrap();
                    self.input(node, Input::LinkUp { link: LINK, dial, remote_addr });
                    self.input(node, Input::Credit { link: LINK, bytes: POOL_BYTES });
                }
            }
            Output::Transmit { link, data } => {
                let bytes = data.len();
                if let Some(unwritten) = &mut self.unwritten {
                    unwritten[side] = data.clone();
                }
                let received = self.read(1 - side, &data);
                // It is written, and its memory free again.
                drop(data);
                self.input(side, Input::Credit { link, bytes });
                self.input(1 - side, Input::Received { link, data: received });
            }
            Output::Event(Event::Request { request, payload, .. }) => {
                let (now, callee) = (self.now, &mut self.engines[side]);
                let waited_for = self.watch.around("reply", || callee.reply(now, request, Ok(payload)));
                assert!(waited_for, "the caller waits for its answer");
            }
            Output::Event(Event::CallDone { result, .. }) => self.answers.push(result.unwrap().data),
            Output::Event(Event::PeerUp(_) | Event::NodeUp { .. } | Event::NodeChanged { .. }) => {}
            other => panic!("nothing else happens between the two: {other:?}"),
        }
    }

    /// What a read from a socket gives: a part of the side's pool.
    fn read(&mut self, side: usize, sent: &[u8]) -> BytesMut {
        let pool = &mut self.pools[side];
        pool.extend_from_slice(sent);
        pool.split()
    }

    fn input(&mut self, side: usize, input: Input) {
        let (now, engine) = (self.now, &mut self.engines[side]);
        self.watch.around("handle_input", || engine.handle_input(now, input)).unwrap();
    }
}

fn engine(secret: u8) -> Engine {
    let config = Arc::new(Config {
        network: "pair".parse().unwrap(),
        trust: Trust::NetworkKey(NetworkKey::new([7; 32])),
        access: lacewing_core::config::Access::default(),
        route_metric: lacewing_core::config::RouteMetric::default(),
        label: "node@pair".parse().unwrap(),
        listen: Vec::new(),
        limits: Limits::default(),
        timing: Timing::default(),
        crypto: Arc::new(RustCrypto),
    });
    let identity = Identity::from_secret([secret; 32], Arc::new(RustCrypto));
    Engine::new(config, identity, Incarnation::new(1), Instant::from_millis(1), [secret; 32], NoTrace)
}
