//! Ways to nodes that are no neighbours, and the forwarding of what goes there.
//!
//! A distance-vector protocol modelled on Babel (RFC 8966): only a destination makes its sequence numbers, a way is taken
//! only if it is *feasible* (section 3.5.1), so that there is no loop at any time, and a node that is left with none but
//! infeasible ways asks for a newer sequence number (section 3.8.2.1). Links are reliable and in order here, so nothing is
//! announced twice: everything once when a link comes up, then what changes.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};
use rand_chacha::ChaCha8Rng;

use crate::code::CloseReason;
use crate::config::Config;
use crate::identity::{Incarnation, NodeId};
use crate::link::LinkId;
use crate::machine::{Cx, Machine};
use crate::time::Instant;
use crate::wire::body::routing::RoutedHead;
pub use crate::wire::body::routing::{Broken, Class};
use crate::wire::frame::{FrameHeader, FrameType};

/// The way that payloads to a node take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteInfo {
    /// Which life of the node the way leads to; `None` for a neighbour that has not announced itself yet.
    pub incarnation: Option<Incarnation>,
    /// The neighbour that they go to first.
    pub next_hop: NodeId,
    /// The link to it.
    pub link: LinkId,
    /// How many links they cross: 1 to a neighbour.
    pub hops: u8,
    /// What the way costs. Only good to compare.
    pub metric: u32,
    /// The measured round trip in microseconds, as far as it is known: always for neighbours once measured, for others
    /// where the metric is the round trip.
    pub rtt_us: Option<u32>,
    /// Other neighbours that offer a way, whether or not it could be taken at once, in the order of their ids.
    pub alternatives: Vec<NodeId>,
}

/// What routing is told.
#[derive(Debug)]
pub(crate) enum In {
    /// A neighbour is there, by this link.
    LinkUp { link: LinkId, peer: NodeId },
    /// The link is gone, or another one has taken its place.
    LinkDown { link: LinkId },
    /// ROUTED, `PATH_BROKEN`, ROUTES, `ROUTE_REQUEST`, PING or PONG.
    Frame { link: LinkId, header: FrameHeader, body: Bytes },
    /// A payload of this node, by the best way. At most [`RoutedHead::PAYLOAD_LEN_MAX`] bytes.
    Send { destination: NodeId, class: Class, payload: Bytes },
    /// A payload of this node, through this neighbour.
    SendVia { link: LinkId, destination: NodeId, class: Class, payload: Bytes },
    /// A link dropped a routed payload that waited in its queue.
    Dropped { link: LinkId, source: NodeId, destination: NodeId, reason: Broken },
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

/// The machine.
#[derive(Debug)]
pub(crate) struct Routing {
    config: Arc<Config>,
    own: NodeId,
    incarnation: Incarnation,
    rng: ChaCha8Rng,
    neighbours: BTreeMap<LinkId, NodeId>,
    out: VecDeque<Out>,
}

impl Routing {
    pub(crate) fn new(config: Arc<Config>, own: NodeId, incarnation: Incarnation, rng: ChaCha8Rng) -> Self {
        Self { config, own, incarnation, rng, neighbours: BTreeMap::new(), out: VecDeque::new() }
    }

    /// Announces what has changed since the last time. The engine calls it once at the end of each turn; if it does not,
    /// the timer does.
    pub(crate) fn flush(&mut self, _cx: &mut Cx<'_>) {}

    /// The way to a node.
    pub(crate) fn route(&self, node: &NodeId) -> Option<RouteInfo> {
        let (link, peer) = self.neighbours.iter().find(|(_, peer)| *peer == node)?;
        Some(RouteInfo {
            incarnation: None,
            next_hop: *peer,
            link: *link,
            hops: 1,
            metric: 1,
            rtt_us: None,
            alternatives: Vec::new(),
        })
    }

    /// Whether there is a way to a node.
    pub(crate) fn has_route(&self, node: &NodeId) -> bool {
        self.neighbours.values().any(|peer| peer == node)
    }

    /// Every node that can be reached, in the order of their ids, with the way.
    pub(crate) fn routes(&self) -> impl Iterator<Item = (NodeId, RouteInfo)> + '_ {
        let mut nodes: Vec<NodeId> = self.neighbours.values().copied().collect();
        nodes.sort_unstable();
        nodes.into_iter().filter_map(|node| Some((node, self.route(&node)?)))
    }

    /// The links whose neighbours offer a way to a node, the best one first.
    pub(crate) fn alternatives(&self, node: &NodeId) -> Vec<LinkId> {
        self.route(node).map(|route| route.link).into_iter().collect()
    }

    pub(crate) fn gauges(&self, mut gauge: impl FnMut(&'static str, usize, usize, bool)) {
        gauge("routing.neighbours", self.neighbours.len(), self.config.limits.links_max, false);
    }

    fn send(&mut self, link: Option<LinkId>, destination: NodeId, class: Class, payload: &Bytes) {
        let link = link.or_else(|| Some(self.route(&destination)?.link));
        let Some(link) = link.filter(|link| self.neighbours.contains_key(link)) else {
            return self.out.push_back(Out::PathBroken { destination, reason: Broken::NoRoute });
        };
        let head =
            RoutedHead { destination, source: self.own, hop_limit: self.config.limits.hops_max, class };
        let mut body = BytesMut::with_capacity(RoutedHead::LEN + payload.len());
        head.encode(&mut body);
        body.extend_from_slice(payload);
        self.out.push_back(Out::Forward { link, source: self.own, destination, body: body.freeze() });
    }
}

impl Machine for Routing {
    type In = In;
    type Out = Out;

    fn handle(&mut self, _cx: &mut Cx<'_>, input: In) {
        match input {
            In::LinkUp { link, peer } => {
                self.neighbours.insert(link, peer);
            }
            In::LinkDown { link } => {
                self.neighbours.remove(&link);
            }
            In::Frame { link, header, body } => {
                if header.frame_type != FrameType::Routed {
                    return;
                }
                match RoutedHead::decode(&body) {
                    Ok(head) if head.destination == self.own => self.out.push_back(Out::Deliver {
                        source: head.source,
                        class: head.class,
                        payload: body.slice(RoutedHead::LEN..),
                        hops: 1,
                        link,
                    }),
                    Ok(_) => {}
                    Err(_) => {
                        self.out.push_back(Out::Violation { link, reason: CloseReason::MalformedFrame });
                    }
                }
            }
            In::Send { destination, class, payload } => self.send(None, destination, class, &payload),
            In::SendVia { link, destination, class, payload } => {
                self.send(Some(link), destination, class, &payload);
            }
            In::Dropped { source, destination, reason, .. } => {
                if source == self.own {
                    self.out.push_back(Out::PathBroken { destination, reason });
                }
            }
            In::Reincarnated { incarnation } => self.incarnation = incarnation,
            In::Leave => {}
        }
    }

    fn poll(&mut self) -> Option<Out> {
        self.out.pop_front()
    }

    fn timeout(&self) -> Option<Instant> {
        None
    }

    fn on_timeout(&mut self, _cx: &mut Cx<'_>) {}
}
