//! Ways to nodes that are no neighbours, and the forwarding of what goes there.
//!
//! A distance-vector protocol modelled on Babel (RFC 8966): only a destination makes its sequence numbers, a way is taken
//! only if it is *feasible* (section 3.5.1), so that there is no loop at any time, and a node that is left with none but
//! infeasible ways asks for a newer sequence number (section 3.8.2.1). Links are reliable and in order here, so nothing is
//! announced twice: everything once when a link comes up, then what changes, and now and then a hash to compare.

mod announce;
mod bucket;
mod destination;
mod exchange;
mod flows;
mod neighbour;
mod ping;
mod relay;
mod request;
mod round_trip;
#[cfg(test)]
mod tests;
mod timers;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::{Bytes, BytesMut};
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

use self::bucket::Bucket;
use self::destination::{Destination, Rules, TOO_FAR_COST, Way};
use self::flows::Flows;
use self::neighbour::Neighbour;
use self::request::Seen;
use self::round_trip::HOP_COST;
use self::timers::Timers;
use crate::code::CloseReason;
use crate::config::{Config, RouteMetric};
use crate::identity::{Incarnation, NodeId};
use crate::link::LinkId;
use crate::machine::{Cx, Machine, injected};
use crate::time::Instant;
use crate::wire::body::routing::RouteVersion;
pub use crate::wire::body::routing::{Broken, Class};
use crate::wire::frame::{FrameHeader, FrameType};

/// The way that payloads to a node take.
///
/// ```
/// use lacewing_core::engine::LinkId;
/// use lacewing_core::routing::RouteInfo;
/// use lacewing_core::{Incarnation, NodeId};
///
/// let route = RouteInfo {
///     incarnation: Incarnation::new(1),
///     next_hop: NodeId::from_bytes([2; 32]),
///     link: LinkId(7),
///     hops: 3,
///     metric: 43_000,
///     rtt_us: Some(40_000),
///     alternatives: vec![NodeId::from_bytes([4; 32])],
/// };
/// assert!(!route.alternatives.contains(&route.next_hop));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteInfo {
    /// Which life of the node the way leads to.
    pub incarnation: Incarnation,
    /// The neighbour that they go to first: the node itself if it is one.
    pub next_hop: NodeId,
    /// The link to that neighbour.
    pub link: LinkId,
    /// How many links they cross: 1 to a neighbour, 16 at most.
    pub hops: u8,
    /// What the way costs. Only good to compare.
    pub metric: u32,
    /// The measured round trip in microseconds, as far as it is known: for neighbours once it is measured, for others where
    /// it is what routes are chosen by.
    pub rtt_us: Option<u32>,
    /// Other neighbours that offer a way, whether or not it could be taken at once, the best first.
    pub alternatives: Vec<NodeId>,
}

/// What routing is told.
#[derive(Debug)]
pub(crate) enum In {
    /// A neighbour is there, by this link. If it has another one, what it said there holds until it has said everything
    /// again here, and the end of the other link is no news.
    LinkUp { link: LinkId, peer: NodeId },
    /// The link is gone, or another one has taken its place.
    LinkDown { link: LinkId },
    /// ROUTED, `PATH_BROKEN`, ROUTES, `ROUTE_REQUEST`, PING or PONG.
    Frame { link: LinkId, header: FrameHeader, body: Bytes },
    /// A payload of this node, by the best way. At most `RoutedHead::PAYLOAD_LEN_MAX` bytes.
    Send { destination: NodeId, class: Class, payload: Bytes },
    /// A payload of this node, through this neighbour.
    SendVia { link: LinkId, destination: NodeId, class: Class, payload: Bytes },
    /// A link dropped a routed payload that waited in its queue.
    Dropped { link: LinkId, source: NodeId, destination: NodeId, reason: Broken },
    /// A node has signed that it lives, or has lived, with this incarnation. Offers of later ones do not count.
    Incarnation { node: NodeId, incarnation: Incarnation },
    /// This node goes on under a new incarnation.
    Reincarnated { incarnation: Incarnation },
    /// This node leaves: nobody is to take a way to it any more.
    Leave,
}

/// What routing gives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Out {
    /// Send a control frame.
    Transmit { link: LinkId, frame_type: FrameType, body: Bytes },
    /// Queue the body of a ROUTED frame, for its flow.
    Forward { link: LinkId, source: NodeId, destination: NodeId, body: Bytes },
    /// A payload for this node. The source is a claim: whoever reads the payload must prove it.
    Deliver { source: NodeId, class: Class, payload: Bytes, hops: u8, link: LinkId },
    /// Somebody offers a way to a life of a node that is not known to be signed: which one is?
    Unproven { node: NodeId },
    /// There is a way to a node (a neighbour has one too), or the node shows a newer incarnation.
    Reachable { node: NodeId, incarnation: Incarnation, hops: u8 },
    /// There is no way to a node any more. A newer sequence number has been asked for where somebody may have one.
    Unreachable { node: NodeId },
    /// The first hop to a node is another one now: what is under way may be lost or overtaken.
    PathChanged { node: NodeId },
    /// A payload of this node was dropped on its way.
    PathBroken { destination: NodeId, reason: Broken },
    /// A neighbour broke the rules: close the link.
    Violation { link: LinkId, reason: CloseReason },
}

/// What is due at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// Measure the round trip of a link.
    Ping(LinkId),
    /// Let the neighbour compare what it has heard with what it was told.
    Check(LinkId),
    /// Hear what a neighbour said too fast.
    Backlog(LinkId),
    /// Tell everybody of newer sequence numbers.
    Refresh,
    /// Ask again for a newer sequence number.
    Ask(NodeId),
    /// Look once more at sequence numbers that rose too fast to be believed.
    Believe(NodeId),
    /// Make a newer sequence number, now that the last one is old enough.
    Sequence,
}

/// The machine.
#[derive(Debug)]
pub(crate) struct Routing {
    config: Arc<Config>,
    own: NodeId,
    /// This node's own latest sequence number.
    version: RouteVersion,
    /// The own version that neighbours were told, unless they were told that this node is gone.
    told_version: Option<RouteVersion>,
    leaving: bool,
    /// Until then no newer sequence number is made, and which one is wanted by then.
    sequence_rests_until: Instant,
    sequence_wanted: u64,
    rng: ChaCha8Rng,
    neighbours: BTreeMap<LinkId, Neighbour>,
    links: BTreeMap<NodeId, LinkId>,
    /// Links that said something before they came up here, the latest last.
    early: VecDeque<LinkId>,
    destinations: BTreeMap<NodeId, Destination>,
    /// Offers of all neighbours together.
    offers: usize,
    /// Destinations without a way, and when they are forgotten.
    garbage: Timers<NodeId>,
    /// Destinations to announce, in the order in which they changed.
    dirty: VecDeque<NodeId>,
    /// Destinations of whose latest sequence number not everybody was told.
    stale: VecDeque<NodeId>,
    /// Whether this node is one of them.
    own_stale: bool,
    /// Neighbours that wait for a newer sequence number of this node.
    own_asks: Vec<LinkId>,
    /// When there is something to announce, and the budget for it.
    flush_at: Option<Instant>,
    announcements: Bucket,
    refreshments: Bucket,
    seen: Seen,
    flows: Flows,
    timers: Timers<Timer>,
    out: VecDeque<Out>,
}

impl Routing {
    pub(crate) fn new(config: Arc<Config>, own: NodeId, incarnation: Incarnation, rng: ChaCha8Rng) -> Self {
        let version = RouteVersion { incarnation, sequence: 0 };
        Self {
            flows: Flows::new(config.limits.flows_max),
            config,
            own,
            version,
            told_version: Some(version),
            leaving: false,
            sequence_rests_until: Instant::ZERO,
            sequence_wanted: 0,
            rng,
            neighbours: BTreeMap::new(),
            links: BTreeMap::new(),
            early: VecDeque::new(),
            destinations: BTreeMap::new(),
            offers: 0,
            garbage: Timers::new(),
            dirty: VecDeque::new(),
            stale: VecDeque::new(),
            own_stale: false,
            own_asks: Vec::new(),
            flush_at: None,
            announcements: announce::budget(),
            refreshments: announce::refresh_budget(),
            seen: Seen::default(),
            timers: Timers::new(),
            out: VecDeque::new(),
        }
    }

    /// The smoothed round trip to a neighbour in microseconds, once there is one.
    pub(crate) fn round_trip_us(&self, node: &NodeId) -> Option<u32> {
        self.neighbours.get(self.links.get(node)?)?.round_trip.micros()
    }

    /// The way to a node.
    pub(crate) fn route(&self, node: &NodeId) -> Option<RouteInfo> {
        let destination = self.destinations.get(node)?;
        self.info(destination, destination.chosen.as_ref()?)
    }

    /// How many links the way to a node has.
    pub(crate) fn hops(&self, node: &NodeId) -> Option<u8> {
        Some(self.destinations.get(node)?.chosen?.hops)
    }

    /// Every node that can be reached, in the order of their ids, with the way.
    pub(crate) fn routes(&self) -> impl Iterator<Item = (NodeId, RouteInfo)> + '_ {
        self.destinations.iter().filter_map(|(node, destination)| {
            Some((*node, self.info(destination, destination.chosen.as_ref()?)?))
        })
    }

    /// The links whose neighbours offer a way to a node, whether or not it could be taken at once, the best first.
    pub(crate) fn alternatives(&self, node: &NodeId) -> Vec<LinkId> {
        self.destinations
            .get(node)
            .map_or_else(Vec::new, |destination| destination.by_rank(self.sane_rules()))
    }

    fn info(&self, destination: &Destination, way: &Way) -> Option<RouteInfo> {
        let neighbour = self.neighbours.get(&way.link)?;
        let rtt_us = match self.config.route_metric {
            _ if way.hops == 1 => neighbour.round_trip.micros(),
            RouteMetric::Hops => None,
            RouteMetric::RoundTrip => {
                let far = if way.hops > self.config.limits.hops_max { TOO_FAR_COST } else { 0 };
                Some(way.metric.saturating_sub(u32::from(way.hops) * HOP_COST + far))
            }
        };
        let ranked = destination.by_rank(self.sane_rules());
        let others = ranked.into_iter().filter(|link| *link != way.link);
        Some(RouteInfo {
            incarnation: way.version.incarnation,
            next_hop: neighbour.peer,
            link: way.link,
            hops: way.hops,
            metric: way.metric,
            rtt_us,
            alternatives: others.filter_map(|link| Some(self.neighbours.get(&link)?.peer)).collect(),
        })
    }

    pub(crate) fn gauges(&self, mut gauge: impl FnMut(&'static str, usize, usize, bool)) {
        let limits = &self.config.limits;
        gauge("routing.neighbours", self.neighbours.len(), limits.links_max, false);
        gauge("routing.destinations", self.destinations.len(), limits.routes_max, false);
        gauge("routing.offers", self.offers, limits.route_offers_max, false);
        let most = self.neighbours.values().map(|neighbour| neighbour.offers).max();
        gauge("routing.offers_of_one_link", most.unwrap_or(0), limits.routes_per_link_max, false);
        gauge("routing.flows", self.flows.len(), limits.flows_max, false);
        gauge("routing.requests_seen", self.seen.len(), request::SEEN_MAX, false);
        gauge("routing.announcements_waiting", self.dirty.len(), limits.routes_max, true);
        let backlog = self.neighbours.values().map(Neighbour::backlog_bytes).max();
        gauge("routing.backlog_bytes", backlog.unwrap_or(0), neighbour::BACKLOG_BYTES_MAX, true);
    }

    fn rules(&self, cx: &mut Cx<'_>) -> Rules {
        let infeasible_too = injected!(cx, "infeasible-route-taken");
        Rules { infeasible_too, ..self.sane_rules() }
    }

    fn sane_rules(&self) -> Rules {
        let (metric, hops_max) = (self.config.route_metric, self.config.limits.hops_max);
        Rules { metric, hops_max, infeasible_too: false }
    }

    /// A span give or take a quarter, so that not all nodes do the same thing at the same time.
    fn jittered(&mut self, span: Duration) -> Duration {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(nanos - nanos / 4 + self.rng.next_u64() % (nanos / 2).max(1))
    }

    fn transmit(&mut self, link: LinkId, frame_type: FrameType, write: impl FnOnce(&mut BytesMut)) {
        let mut body = BytesMut::new();
        write(&mut body);
        self.out.push_back(Out::Transmit { link, frame_type, body: body.freeze() });
    }

    /// A neighbour broke the rules. Nothing that it says until its link is gone counts.
    fn violation(&mut self, link: LinkId, reason: CloseReason) {
        if let Some(neighbour) = self.neighbours.get_mut(&link) {
            neighbour.cut();
        }
        self.out.push_back(Out::Violation { link, reason });
    }

    fn frame(&mut self, cx: &mut Cx<'_>, link: LinkId, frame_type: FrameType, body: Bytes) {
        if self.neighbours.get(&link).is_some_and(|neighbour| neighbour.cut) {
            return;
        }
        match frame_type {
            FrameType::Routed => self.routed(cx, link, body),
            FrameType::PathBroken => self.path_broken(cx, link, &body),
            FrameType::Routes | FrameType::RouteRequest => self.said(cx, link, frame_type, body),
            FrameType::Ping => self.pinged(cx, link, &body),
            FrameType::Pong => self.ponged(cx, link, &body),
            FrameType::Identity
            | FrameType::Hello
            | FrameType::Token
            | FrameType::KeepAlive
            | FrameType::Credit
            | FrameType::Goodbye
            | FrameType::Rekey
            | FrameType::Stale
            | FrameType::Request
            | FrameType::RequestMore
            | FrameType::Reply
            | FrameType::ReplyMore
            | FrameType::Error
            | FrameType::Cancel
            | FrameType::Upload
            | FrameType::UploadMore
            | FrameType::UploadEnd
            | FrameType::UploadCredit
            | FrameType::Item
            | FrameType::ItemMore
            | FrameType::ItemEnd
            | FrameType::ItemCredit
            | FrameType::DirectoryDelta
            | FrameType::DirectoryDigest
            | FrameType::DirectoryRequest
            | FrameType::IssuerHead
            | FrameType::WhoHas
            | FrameType::WhoHasAnswer
            | FrameType::Publish
            | FrameType::PublishMore
            | FrameType::Skippable(_) => debug_assert!(false, "{frame_type:?} is no frame of routing"),
        }
    }

    fn timer(&mut self, cx: &mut Cx<'_>, timer: Timer) {
        match timer {
            Timer::Ping(link) => self.ping(cx, link),
            Timer::Check(link) => self.let_check(cx, link),
            Timer::Backlog(link) => self.hear_backlog(cx, link),
            Timer::Refresh => self.refresh(cx),
            Timer::Ask(node) => self.ask_again(cx, node),
            Timer::Believe(node) => self.believe(cx, node),
            Timer::Sequence => self.make_sequence(cx),
        }
    }
}

impl Machine for Routing {
    type In = In;
    type Out = Out;

    fn handle(&mut self, cx: &mut Cx<'_>, input: In) {
        match input {
            In::LinkUp { link, peer } => self.link_up(cx, link, peer),
            In::LinkDown { link } => self.link_down(cx, link),
            In::Frame { link, header, body } => self.frame(cx, link, header.frame_type, body),
            In::Send { destination, class, payload } => self.send(cx, destination, class, &payload),
            In::SendVia { link, destination, class, payload } => {
                self.send_via(cx, link, destination, class, &payload);
            }
            In::Dropped { link, source, destination, reason } => {
                self.dropped(cx, link, (source, destination), reason);
            }
            In::Incarnation { node, incarnation } => self.proved(cx, node, incarnation),
            In::Reincarnated { incarnation } => {
                self.version = RouteVersion { incarnation, sequence: 0 };
                self.sequence_wanted = 0;
                self.announce_own(cx);
            }
            In::Leave => {
                self.leaving = true;
                self.announce_own(cx);
            }
        }
    }

    fn poll(&mut self) -> Option<Out> {
        self.out.pop_front()
    }

    fn timeout(&self) -> Option<Instant> {
        let idle = self.flows.oldest_use().map(|used_at| used_at + self.config.timing.flow_idle_after);
        let timers = self.timers.first().map(|(at, _)| at);
        let garbage = self.garbage.first().map(|(at, _)| at);
        [self.flush_at, idle, timers, garbage, self.flows.next_owed()].into_iter().flatten().min()
    }

    fn on_timeout(&mut self, cx: &mut Cx<'_>) {
        while let Some(timer) = self.timers.pop(cx.now) {
            self.timer(cx, timer);
        }
        while let Some(node) = self.garbage.pop(cx.now) {
            self.forget(cx, node);
        }
        self.pay_bad_news(cx);
        let idle_after = self.config.timing.flow_idle_after;
        while self.flows.oldest_use().is_some_and(|used_at| used_at + idle_after <= cx.now) {
            self.flows.forget_oldest();
        }
        self.flush(cx);
    }
}
