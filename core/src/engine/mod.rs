//! The composed machine of one node.
//!
//! Four families of methods, and no others: *inputs* (`handle_*`), *outputs* (`poll_*`), *commands* of the application
//! (`call`, `serve`, ...), and *getters*. After any input or command, drain [`Engine::poll_output`] until it gives `None`
//! and look at [`Engine::poll_timeout`].

mod access;
mod door;
mod mesh;
mod metrics;
mod policy;
#[cfg(test)]
mod tests;
mod topics;
mod wiring;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

pub use door::*;
pub use mesh::{NodeInfo, Query};

use crate::address::Address;
use crate::authority::{self, Authority};
use crate::code::{CloseReason, Code, Error};
use crate::config::Config;
use crate::delivery::{self, Delivery};
use crate::directory::{self, Directory};
use crate::discovery::{self, Discovery};
use crate::identity::{Identity, Incarnation, NodeId};
use crate::link::{self, Links};
use crate::machine::{Counters, Cx, Machine, RandomDomain, Trace, injected, random_stream};
use crate::membership::{self, Membership};
use crate::resilience::{self, Resilience};
use crate::routing::{self, Routing};
use crate::time::Instant;
use crate::topics::{self as topics_machine, Topics};
use crate::wire::path::ActionPath;

/// The protocol of one node, without any I/O.
///
/// Two engines, one thread, no network: the bytes that one transmits are handed to the other.
///
/// ```
/// use std::sync::Arc;
/// use bytes::BytesMut;
/// use lacewing_core::crypto::RustCrypto;
/// use lacewing_core::engine::{Call, CallOptions, Event, Input, LinkId, Output, Target};
/// use lacewing_core::{Config, Engine, Identity, Incarnation, Instant, Limits, NoTrace, Timing, Trust};
///
/// let engine = |name: u8| {
///     let config = Arc::new(Config {
///         network: "example".parse().unwrap(),
///         trust: Trust::Open,
///         access: lacewing_core::config::Access::default(),
///         route_metric: lacewing_core::config::RouteMetric::default(),
///         label: "node@example".parse().unwrap(),
///         listen: Vec::new(),
///         limits: Limits::default(),
///         timing: Timing::default(),
///         crypto: Arc::new(RustCrypto),
///     });
///     let identity = Identity::from_secret([name; 32], Arc::new(RustCrypto));
///     Engine::new(config, identity, Incarnation::new(1), Instant::ZERO, [name; 32], NoTrace)
/// };
/// let mut nodes = [engine(1), engine(2)];
/// let now = Instant::from_millis(1);
/// nodes[1].serve(now, "greet").unwrap();
/// nodes[0].connect(now, "b.example:7400".parse().unwrap()).unwrap();
///
/// let (link, mut answer) = (LinkId(1), None);
/// while answer.is_none() {
///     for side in [0, 1] {
///         while let Some(output) = nodes[side].poll_output() {
///             match output {
///                 Output::Dial { dial, .. } => {
///                     for (node, dial) in [(0, Some(dial)), (1, None)] {
///                         let remote_addr = "127.0.0.1:7400".parse().unwrap();
///                         nodes[node].handle_input(now, Input::LinkUp { link, dial, remote_addr }).unwrap();
///                         nodes[node].handle_input(now, Input::Credit { link, bytes: 1 << 20 }).unwrap();
///                     }
///                 }
///                 Output::Transmit { data, .. } => {
///                     let data = BytesMut::from(&data[..]);
///                     nodes[1 - side].handle_input(now, Input::Received { link, data }).unwrap();
///                 }
///                 Output::Event(Event::PeerUp(peer)) if side == 0 => {
///                     let target = Target::Node(peer.node);
///                     let call = Call { target, action: "greet", payload: "hi".into(), timeout: None, options: CallOptions::default() };
///                     nodes[0].call(now, call).unwrap();
///                 }
///                 Output::Event(Event::Request { request, .. }) => {
///                     nodes[1].reply(now, request, Ok("hi yourself".into()));
///                 }
///                 Output::Event(Event::CallDone { result, .. }) => answer = Some(result),
///                 _ => {}
///             }
///         }
///     }
/// }
/// assert_eq!(answer.unwrap().unwrap().data, "hi yourself");
/// ```
pub struct Engine {
    config: Arc<Config>,
    node_id: NodeId,
    now: Instant,
    lifecycle: Lifecycle,
    /// By when a draining node stops, whatever is still open.
    stop_by: Instant,
    links: Links,
    membership: Membership,
    routing: Routing,
    directory: Directory,
    discovery: Discovery,
    authority: Box<Authority>,
    delivery: Delivery,
    resilience: Resilience,
    topics: Topics,
    /// The one link to each neighbour that routing, directory and discovery use.
    neighbour_links: BTreeMap<NodeId, LinkId>,
    /// Questions that are being asked for calls, by their numbers.
    queries: BTreeMap<u64, Arc<ActionPath>>,
    /// The question that is open for each action.
    sought: BTreeMap<Arc<ActionPath>, u64>,
    last_query: u64,
    /// Whose turn it is among those that are asked for their tokens.
    session_turn: usize,
    outputs: VecDeque<Output>,
    closed: BTreeMap<CloseReason, u64>,
    counters: Counters,
    trace: Box<dyn Trace>,
}

impl Engine {
    /// An engine at its start. `incarnation` must be higher than any that this identity has had; `seed` must come from the
    /// system's entropy in production and never be used twice, because keys are drawn from it.
    pub fn new(
        config: Arc<Config>,
        identity: Identity,
        incarnation: Incarnation,
        now: Instant,
        seed: [u8; 32],
        trace: impl Trace + 'static,
    ) -> Self {
        let node_id = identity.node_id();
        let own = Caller { node: node_id, incarnation };
        let rng = |domain| random_stream(&seed, domain);
        let membership_rng = rng(RandomDomain::Membership);
        let directory_rng = rng(RandomDomain::Directory);
        Self {
            links: Links::new(config.clone(), identity.clone(), incarnation, seed),
            membership: Membership::new(config.clone(), identity.clone(), incarnation, membership_rng),
            routing: Routing::new(config.clone(), node_id, incarnation, rng(RandomDomain::Routing)),
            directory: Directory::new(config.clone(), identity, incarnation, now, directory_rng),
            discovery: Discovery::new(config.clone(), node_id, rng(RandomDomain::Discovery)),
            authority: Box::new(Authority::new(config.clone(), node_id)),
            delivery: Delivery::new(config.clone(), own, rng(RandomDomain::Delivery)),
            resilience: Resilience::new(config.clone(), rng(RandomDomain::Resilience)),
            topics: Topics::new(
                config.clone(),
                Publisher { node: node_id, incarnation },
                rng(RandomDomain::Topics),
            ),
            neighbour_links: BTreeMap::new(),
            queries: BTreeMap::new(),
            sought: BTreeMap::new(),
            last_query: 0,
            session_turn: 0,
            config,
            node_id,
            now,
            lifecycle: Lifecycle::Running,
            stop_by: Instant::NEVER,
            outputs: VecDeque::new(),
            closed: BTreeMap::new(),
            counters: Counters::default(),
            trace: Box::new(trace),
        }
    }

    // --- inputs

    /// Tells the engine what happened outside. An error is a bug of the driver, never of a peer.
    pub fn handle_input(&mut self, now: Instant, input: Input) -> Result<(), Misuse> {
        self.set_now(now)?;
        match input {
            Input::LinkUp { link, dial, remote_addr } => self.link_up(link, dial, remote_addr)?,
            Input::DialFailed { dial, reason } => {
                if !self.membership.was_dial_asked(dial) {
                    return Err(Misuse::UnknownDial(dial));
                }
                self.tell_membership(membership::In::DialFailed { dial, reason });
            }
            Input::LinkDown { link } => self.tell_links(link::In::Down { link }),
            Input::Received { link, data } => {
                self.counters.metrics.bytes_received += data.len() as u64;
                self.tell_links(link::In::Received { link, data });
            }
            Input::WallClock { unix_ms } => {
                self.tell_links(link::In::WallClock { unix_ms });
                self.tell_authority(authority::In::WallClock { unix_ms });
            }
            Input::Credit { link, bytes } => self.tell_links(link::In::TransportCredit { link, bytes }),
        }
        self.settle();
        Ok(())
    }

    fn link_up(
        &mut self,
        link: LinkId,
        dial: Option<DialId>,
        remote_addr: core::net::SocketAddr,
    ) -> Result<(), Misuse> {
        if self.links.contains(link) {
            return Err(Misuse::LinkIdReused(link));
        }
        if link.is_tunnel() {
            return Err(Misuse::LinkIdReserved(link));
        }
        if let Some(dial) = dial.filter(|dial| !self.membership.was_dial_asked(*dial)) {
            return Err(Misuse::UnknownDial(dial));
        }
        self.tell_membership(membership::In::StreamUp { link, dial, remote_addr });
        Ok(())
    }

    /// Does what is due. Early and repeated calls are harmless.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Misuse> {
        self.set_now(now)?;
        let mut cx = Cx { now, trace: &mut *self.trace, counters: &mut self.counters };
        self.delivery.on_timeout(&mut cx);
        self.resilience.on_timeout(&mut cx);
        self.links.on_timeout(&mut cx);
        // The calls of a session that has just ended fail before the end of its node is told, which may be due now too.
        self.settle();
        let mut cx = Cx { now, trace: &mut *self.trace, counters: &mut self.counters };
        self.membership.on_timeout(&mut cx);
        self.routing.on_timeout(&mut cx);
        self.directory.on_timeout(&mut cx);
        self.discovery.on_timeout(&mut cx);
        self.authority.on_timeout(&mut cx);
        self.settle();
        if self.lifecycle == Lifecycle::Draining && now >= self.stop_by {
            self.abandon();
        }
        Ok(())
    }

    fn set_now(&mut self, now: Instant) -> Result<(), Misuse> {
        if now < self.now {
            return Err(Misuse::TimeWentBack { now, last: self.now });
        }
        self.now = now;
        Ok(())
    }

    // --- outputs

    /// The next thing that the driver must do or pass on, in the order in which they came to be. Drain it after every input
    /// and command: what has been queued on links since then is put into records only now, as many frames to a record as
    /// fit.
    pub fn poll_output(&mut self) -> Option<Output> {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return Some(output);
            }
            self.flush();
            if self.outputs.is_empty() {
                self.finish_when_drained();
            }
            if self.outputs.is_empty() {
                return None;
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next_timeout().map(|(at, _)| at)
    }

    /// Which machine asked to be woken.
    pub fn timeout_reason(&self) -> Option<&'static str> {
        self.next_timeout().map(|(_, who)| who)
    }

    fn next_timeout(&self) -> Option<(Instant, &'static str)> {
        let stop = (self.lifecycle == Lifecycle::Draining).then_some(self.stop_by);
        [
            (self.delivery.timeout(), "delivery"),
            (self.resilience.timeout(), "resilience"),
            (self.links.timeout(), "link"),
            (self.membership.timeout(), "membership"),
            (self.routing.timeout(), "routing"),
            (self.directory.timeout(), "directory"),
            (self.discovery.timeout(), "discovery"),
            (self.authority.timeout(), "authority"),
            (stop, "engine"),
        ]
        .into_iter()
        .filter_map(|(at, who)| Some((at?, who)))
        .min()
    }

    /// Read back-pressure: whether the driver should go on reading from this link.
    pub fn wants_input(&self, link: LinkId) -> bool {
        self.links.wants_input(link)
    }

    // --- commands

    /// Dials this address for ever, with back-off, until [`disconnect`](Self::disconnect). Doing it again changes nothing.
    pub fn connect(&mut self, now: Instant, addr: Address) -> Result<(), Error> {
        self.advance(now);
        let limit = self.config.limits.configured_peers_max;
        if self.lifecycle != Lifecycle::Running {
            return Err(Error::of_kind(crate::Kind::Stopped, "this node is stopping"));
        }
        if addr.is_unspecified() || addr.port() == 0 {
            let text = alloc::format!("{addr} cannot be dialled: name a host and a port other than 0");
            return Err(Error::new(Code::InvalidArgument, text));
        }
        if self.membership.configured_len() >= limit {
            let text = alloc::format!("{limit} addresses are configured already, the limit");
            return Err(Error::new(Code::ResourceExhausted, text));
        }
        self.tell_membership(membership::In::Connect { addr });
        self.settle();
        Ok(())
    }

    /// Dials this address no more. Links that exist stay. `false` if it was not configured.
    pub fn disconnect(&mut self, now: Instant, addr: &Address) -> bool {
        self.advance(now);
        self.membership.disconnect(addr)
    }

    /// Starts a call. An error is its one outcome: it was refused at once and nothing was sent. `Ok` promises exactly one
    /// [`Event::CallDone`].
    pub fn call(&mut self, now: Instant, call: Call<'_>) -> Result<OpId, Error> {
        self.advance(now);
        let is_stream = call.options.stream.is_some();
        let started = self.start_call(call);
        self.count_call(&started, is_stream);
        self.settle();
        started
    }

    /// Cancels a call: its outcome is `Cancelled`, unless it had another before.
    pub fn cancel(&mut self, now: Instant, op: OpId) {
        self.advance(now);
        let mut cx = Cx { now: self.now, trace: &mut *self.trace, counters: &mut self.counters };
        if self.resilience.is_open(op) {
            self.resilience.handle(&mut cx, resilience::In::Cancel { op });
        } else {
            self.delivery.cancel(&mut cx, op);
        }
        self.settle();
    }

    /// Answers a request. Where its shape has items, the answer is the end of the stream, behind the items, and its payload is not
    /// sent. `false`: nobody waits for it any more (cancelled, late, link lost), or it was answered before.
    pub fn reply(&mut self, now: Instant, request: RequestId, result: Result<Payload, Error>) -> bool {
        self.advance(now);
        let mut cx = Cx { now: self.now, trace: &mut *self.trace, counters: &mut self.counters };
        let waited_for = self.delivery.reply(&mut cx, request, result);
        self.settle();
        waited_for
    }

    /// Sends an item of a stream: of a call that uploads, or of a request whose shape has items. An error says that the item was
    /// not taken: `Backpressure` where too much waits to be taken at the other end ([`Event::StreamWritable`] follows when there
    /// is room), `FailedPrecondition` where the stream has ended, `InvalidArgument` where this end sends nothing, `TooLarge`.
    pub fn send_item(&mut self, now: Instant, stream: StreamId, item: Payload) -> Result<(), Error> {
        self.advance(now);
        let mut cx = Cx { now: self.now, trace: &mut *self.trace, counters: &mut self.counters };
        let sent = self.delivery.send_item(&mut cx, stream, item);
        self.settle();
        sent
    }

    /// The caller of a stream uploads no more; its answer, or its items, may still come. `false` where it was told that before, or
    /// the call is not open. A handler ends its side with [`reply`](Self::reply).
    pub fn end_uploads(&mut self, now: Instant, op: OpId) -> bool {
        self.advance(now);
        let mut cx = Cx { now: self.now, trace: &mut *self.trace, counters: &mut self.counters };
        let was_open = self.delivery.end_uploads(&mut cx, op);
        self.settle();
        was_open
    }

    /// The application has taken an item whose payload had so many bytes: the other end may send as much more. Every item that
    /// [`Event::Item`] gave wants this once, unless the stream has ended.
    pub fn item_taken(&mut self, now: Instant, stream: StreamId, item_len: usize) {
        self.advance(now);
        let mut cx = Cx { now: self.now, trace: &mut *self.trace, counters: &mut self.counters };
        self.delivery.item_taken(&mut cx, stream, item_len);
        self.settle();
    }

    /// Closes one link, for tests and administration. It may be dialled again.
    pub fn close_link(&mut self, now: Instant, link: LinkId) {
        self.advance(now);
        self.tell_links(link::In::Close { link, reason: CloseReason::LocalClose, stale: None });
        self.settle();
    }

    /// Refuses new work, finishes what it has and says goodbye, by `deadline` at the latest. Ends in [`Event::Stopped`].
    pub fn shutdown(&mut self, now: Instant, deadline: Instant) {
        self.advance(now);
        if self.lifecycle == Lifecycle::Stopped {
            return;
        }
        self.stop_by = self.stop_by.min(deadline);
        if self.lifecycle == Lifecycle::Running {
            self.lifecycle = Lifecycle::Draining;
            self.tell_resilience(resilience::In::Stop);
            self.tell_delivery(delivery::In::Stop);
            self.tell_topics(topics_machine::In::Stop);
            self.tell_discovery(discovery::In::Stop);
            self.tell_directory(directory::In::Leave);
            self.tell_membership(membership::In::Leave);
            self.settle();
        }
    }

    /// Commands come from the same driver as inputs; one that is told an older time simply acts now.
    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    // --- the end

    /// Stops once nothing is open, everything that was said has left or arrived, and nobody has to be told anything. Tunnels
    /// end first: links carry their last words.
    fn finish_when_drained(&mut self) {
        if self.is_drained() {
            self.end_tunnels();
        }
        if self.is_drained() {
            self.finish();
        }
    }

    fn is_drained(&self) -> bool {
        self.lifecycle == Lifecycle::Draining
            && self.resilience.is_idle()
            && self.delivery.is_idle()
            && self.topics.is_idle()
            && self.links.is_drained()
    }

    fn end_tunnels(&mut self) {
        self.tell_links(link::In::EndTunnels);
        self.settle();
        self.flush();
    }

    /// The time to drain is over: what is open fails, and is told so.
    fn abandon(&mut self) {
        self.tell_delivery(delivery::In::Abandon);
        self.settle();
        self.flush();
        self.finish();
    }

    fn finish(&mut self) {
        self.end_tunnels();
        self.tell_routing(routing::In::Leave);
        self.flush();
        self.tell_membership(membership::In::CloseAll);
        self.settle();
        // A link whose handshake is not over may be known to links alone.
        for link in self.links.ids() {
            self.tell_links(link::In::Close { link, reason: CloseReason::Graceful, stale: None });
        }
        self.settle();
        debug_assert!(self.links.is_empty(), "a stopped node has no links");
        self.lifecycle = Lifecycle::Stopped;
        let cx = Cx { now: self.now, trace: &mut *self.trace, counters: &mut self.counters };
        if !injected!(cx, "stop-untold") {
            self.outputs.push_back(Output::Event(Event::Stopped));
        }
    }

    // --- getters

    /// Who this node is.
    pub fn node_id(&self) -> NodeId {
        self.node_id
    }

    /// Which of its lives.
    pub fn incarnation(&self) -> Incarnation {
        self.membership.incarnation()
    }

    /// What it was told at its start.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// How far it is in its life.
    pub fn lifecycle(&self) -> Lifecycle {
        self.lifecycle
    }

    /// Its neighbours, in the order of their ids.
    pub fn peers(&self) -> Vec<PeerInfo> {
        self.membership.peers()
    }

    /// Every bounded table and queue, with its cap.
    pub fn gauges(&self) -> Vec<Gauge> {
        let mut gauges = Vec::new();
        let mut add =
            |name, value, cap, zero_when_quiet| gauges.push(Gauge { name, value, cap, zero_when_quiet });
        self.delivery.gauges(&mut add);
        self.resilience.gauges(&mut add);
        self.topics.gauges(&mut add);
        self.links.gauges(&mut add);
        self.membership.gauges(&mut add);
        self.routing.gauges(&mut add);
        self.directory.gauges(&mut add);
        self.discovery.gauges(&mut add);
        self.authority.gauges(&mut add);
        gauges
    }

    /// Monotonic counters by name, sorted: `link.closed.record_rejected`, `delivery.late_reply`, ...
    pub fn counters(&self) -> Vec<(String, u64)> {
        let closed =
            self.closed.iter().map(|(reason, count)| (alloc::format!("link.closed.{reason}"), *count));
        let mut all: Vec<_> =
            self.counters.iter().map(|(name, count)| (name.to_string(), count)).chain(closed).collect();
        all.sort();
        all
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("node", &self.node_id)
            .field("now", &self.now)
            .field("lifecycle", &self.lifecycle)
            .finish_non_exhaustive()
    }
}
