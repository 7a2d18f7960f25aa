//! One simulated machine and the process on it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use lacewing_core::config::{NetworkKey, Trust};
use lacewing_core::crypto::RustCrypto;
use lacewing_core::engine::{DialId, OpId, RequestId, StreamId, SubscriptionId};
use lacewing_core::{Address, Config, Engine, Identity, Incarnation, Instant, Limits, Timing};

use super::flows;
use super::mesh::Offers;
use super::queue::Event;
use super::stream::StreamEnd;
use crate::random::derive_key;
use crate::rights::{self, CLOCK_START_MS};
use crate::run::{Clock, Run, SubscribeItem, TokenItem};

/// The port on which every node listens.
pub(super) const PORT: u16 = 7_400;
/// What a clock says that was set back.
const CLOCK_BACK_MS: u64 = 1_600_000_000_000;

/// A machine.
pub(super) struct Host {
    pub(super) identity: Identity,
    pub(super) config: Arc<Config>,
    pub(super) process: Option<Process>,
    /// Which life of the process is, or was, the last.
    pub(super) life: u32,
    pub(super) powered: bool,
    /// The incarnation that the last life wrote down.
    pub(super) persisted: Option<Incarnation>,
    pub(super) clock: Clock,
    /// Faults that make it stand still.
    pub(super) pauses: u32,
    /// What was due while it stood still.
    pub(super) deferred: VecDeque<Event>,
    /// Rates of the faults that make it a slow reader, in bytes a second.
    pub(super) slow: Vec<u64>,
    /// Start again as soon as the shutdown is over.
    pub(super) restart_due: bool,
    pub(super) offers: Offers,
    /// Subscriptions of the run that the application wants, whether or not its process runs.
    pub(super) subscribed: BTreeMap<u64, SubscribeItem>,
    /// Tokens that the application has, whether or not its process runs.
    pub(super) tokens: Vec<TokenItem>,
}

/// A process.
pub(super) struct Process {
    pub(super) engine: Engine,
    pub(super) timer_at: Instant,
    pub(super) stopping: bool,
    pub(super) stopped: bool,
    pub(super) calls: BTreeMap<OpId, PendingCall>,
    pub(super) requests: BTreeMap<RequestId, Request>,
    /// Subscriptions of the run that this process has.
    pub(super) subscriptions: BTreeMap<SubscriptionId, u64>,
    /// Streams that have been answered, and their operations.
    pub(super) answered: BTreeMap<RequestId, u64>,
    /// The ends of streams that the application holds.
    pub(super) ends: BTreeMap<StreamId, flows::End>,
    pub(super) dials: BTreeSet<DialId>,
    /// What it has heard of the issuers of areas.
    pub(super) heard: BTreeMap<u32, u64>,
    /// Ends that the engine does not want to read now.
    pub(super) choked: BTreeSet<StreamEnd>,
    /// Steps since the tables were last looked at.
    pub(super) steps: u32,
}

/// A call of this process.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingCall {
    pub(super) op: u64,
    pub(super) done: bool,
    /// The request on whose behalf it is made.
    pub(super) parent: Option<RequestId>,
}

/// A request that a handler of this process works on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) op: u64,
    /// The call that it waits for.
    pub(super) child: Option<OpId>,
}

/// The address of a node.
pub(super) fn ip(node: usize) -> IpAddr {
    let [.., high, low] = (node as u64 + 1).to_be_bytes();
    Ipv4Addr::new(10, 0, high, low).into()
}

/// Which node has this address.
pub(super) fn node_at(addr: &Address) -> Option<usize> {
    let Some(IpAddr::V4(ip)) = addr.ip() else { return None };
    let [10, 0, high, low] = ip.octets() else { return None };
    (usize::from(high) * 256 + usize::from(low)).checked_sub(1)
}

/// What time it is in the world of a run. Clocks that go back are for incarnations; those of tokens are right.
pub(super) fn unix_ms(now: Instant) -> u64 {
    CLOCK_START_MS + now.as_millis()
}

/// The configuration of a node of a run.
pub(super) fn config(run: &Run, node: usize) -> Config {
    let (mut limits, mut timing) = (Limits::default(), Timing::default());
    run.header.limits.apply(&mut limits);
    run.header.timing.apply(&mut timing);
    run.header.nodes[node].timing.apply(&mut timing);
    Config {
        network: "simulation".parse().expect("a valid network name"),
        trust: Trust::NetworkKey(NetworkKey::new(derive_key(run.header.seed, "network key"))),
        access: rights::access(run, node),
        route_metric: run.header.route_metric.in_core(),
        label: format!("n{node}").parse().expect("a valid label"),
        listen: vec![SocketAddr::new(ip(node), PORT).into()],
        limits,
        timing,
        crypto: Arc::new(RustCrypto),
    }
}

impl Host {
    pub(super) fn new(run: &Run, node: usize) -> Self {
        let secret = derive_key(run.header.seed, &format!("identity {node}"));
        Self {
            identity: Identity::from_secret(secret, Arc::new(RustCrypto)),
            config: Arc::new(config(run, node)),
            process: None,
            life: 0,
            powered: true,
            persisted: None,
            clock: Clock::Forward,
            pauses: 0,
            deferred: VecDeque::new(),
            slow: Vec::new(),
            restart_due: false,
            offers: Offers::default(),
            subscribed: BTreeMap::new(),
            tokens: Vec::new(),
        }
    }

    /// The incarnation of a life that begins now.
    pub(super) fn incarnation(&self, now: Instant) -> Incarnation {
        match self.clock {
            Clock::Forward => Incarnation::at_boot(self.persisted, CLOCK_START_MS + now.as_millis()),
            Clock::Back => Incarnation::at_boot(None, CLOCK_BACK_MS + u64::from(self.life)),
        }
    }
}
