//! What membership gives: who is there and who is not.

use crate::authority;
use crate::code::{CloseReason, Error, Kind};
use crate::delivery;
use crate::directory;
use crate::discovery;
use crate::engine::{Caller, Engine, Event, Output, Publisher};
use crate::identity::{Incarnation, NodeId};
use crate::link::{self, LinkId};
use crate::membership;
use crate::routing;
use crate::topics;

/// Neighbours that are asked to pass a probe on.
const PROBE_PATHS_MAX: usize = 3;

impl Engine {
    pub(super) fn route_membership(&mut self, out: membership::Out) {
        match out {
            membership::Out::Dial { dial, addr } => self.outputs.push_back(Output::Dial { dial, addr }),
            membership::Out::Accept { link, dialled, remote_addr } => {
                self.tell_links(link::In::Open { link, dialled, remote_addr });
            }
            membership::Out::Discard { link } => {
                self.outputs.push_back(Output::Close { link, reason: CloseReason::LocalClose });
            }
            membership::Out::Close { link, reason, stale } => {
                self.tell_links(link::In::Close { link, reason, stale });
                // What membership says next may be that the node is down: its calls have failed by then.
                self.tell_delivery(delivery::In::LinkLost { link, reason });
                self.tell_topics(topics::In::LinkLost { link });
            }
            membership::Out::Finish { link } => self.tell_links(link::In::Finish { link }),
            membership::Out::Goodbye { link, reason } => self.tell_links(link::In::Goodbye { link, reason }),
            membership::Out::Poke { link } => self.tell_links(link::In::Poke { link }),
            membership::Out::Bind { link, node, incarnation, message_bytes_max } => {
                self.bind(link, Caller { node, incarnation }, message_bytes_max);
            }
            // A tunnel that has ended as well; membership will hear of that in its turn.
            membership::Out::Prefer { link, .. } if link.is_tunnel() && !self.links.contains(link) => {}
            membership::Out::Prefer { node, link } => {
                self.neighbour_link(node, Some(link).filter(|link| !link.is_tunnel()));
                self.tell_delivery(delivery::In::Prefer { node, link });
                self.tell_topics(topics::In::Prefer { node, link });
            }
            membership::Out::Unprefer { node, link } => {
                self.tell_delivery(delivery::In::Unprefer { node, link });
                self.tell_topics(topics::In::Unprefer { node, link });
            }
            membership::Out::Unlist { node } => {
                self.tell_delivery(delivery::In::Unlist { node });
                self.tell_topics(topics::In::Unlist { node });
            }
            membership::Out::Retire { link } => self.tell_delivery(delivery::In::Retire { link }),
            membership::Out::PeerUp(info) => self.event(Event::PeerUp(info)),
            membership::Out::PeerSuspect { node } => self.event(Event::PeerSuspect { node }),
            membership::Out::PeerRecovered { node } => self.event(Event::PeerRecovered { node }),
            membership::Out::PeerDown { node, incarnation, reason } => {
                self.peer_down(node, incarnation, reason);
            }
            membership::Out::NodeUp { node, incarnation } => self.node_up(node, incarnation),
            membership::Out::NodeSuspect { node } => self.event(Event::NodeSuspect { node }),
            membership::Out::NodeRecovered { node } => self.event(Event::NodeRecovered { node }),
            membership::Out::NodeDown { node, incarnation, reason } => {
                self.node_down(node, incarnation, reason);
            }
            membership::Out::Forget { node } => self.forget(node),
            membership::Out::RetirementOver { link } => self.retirement_over(link),
            membership::Out::SeekNeighbour { node } => self.tell_addresses(node),
            membership::Out::GiveUpPath { node } => self.give_up_path(node),
            membership::Out::Probe { node, .. } if self.is_too_far(&node) => {
                self.tell_membership(membership::In::TooFarToAsk { node });
            }
            membership::Out::Probe { node, payload } => self.probe(node, &payload),
            membership::Out::AnswerProbe { link, node, payload } => {
                let class = routing::Class::ProbeAnswer;
                self.tell_routing(routing::In::SendVia { link, destination: node, class, payload });
            }
            membership::Out::DialFailed { addr, reason, retry_at } => {
                self.event(Event::DialFailed { addr, reason, retry_at });
            }
            membership::Out::Reincarnate { incarnation } => self.reincarnate(incarnation),
            membership::Out::Superseded { by } => self.event(Event::Superseded { by }),
        }
    }

    fn peer_down(&mut self, node: NodeId, incarnation: Incarnation, reason: membership::DownReason) {
        self.event(Event::PeerDown { node, incarnation, reason });
        self.neighbour_lost(node);
    }

    /// Nobody needs to know of a node any more that has been gone for so long.
    fn forget(&mut self, node: NodeId) {
        self.tell_directory(directory::In::Forget { node });
        self.tell_topics(topics::In::Forget { node });
    }

    fn retirement_over(&mut self, link: LinkId) {
        let in_use = self.delivery.has_streams(link);
        self.tell_membership(membership::In::EndRetirement { link, in_use });
    }

    /// A link can carry calls and events.
    fn bind(&mut self, link: LinkId, peer: Caller, message_bytes_max: usize) {
        let Caller { node, incarnation } = peer;
        let publisher = Publisher { node, incarnation };
        // What this node has to show goes before its calls.
        self.tell_authority(authority::In::Bind { link, node });
        self.tell_topics(topics::In::Bind { link, peer: publisher, message_bytes_max });
        self.tell_routing(routing::In::Incarnation { node, incarnation });
        self.tell_delivery(delivery::In::Bind { link, peer, message_bytes_max });
    }

    /// Tells membership where a node can be dialled.
    fn tell_addresses(&mut self, node: NodeId) {
        let known = self.directory.describe(self.now, &node);
        let addrs = known.map(|known| known.addrs).unwrap_or_default();
        self.tell_membership(membership::In::Candidate { node, addrs });
    }

    /// Asks a node whether it lives, through several neighbours.
    fn probe(&mut self, node: NodeId, payload: &bytes::Bytes) {
        for link in self.routing.alternatives(&node).into_iter().take(PROBE_PATHS_MAX) {
            let (class, payload) = (routing::Class::Probe, payload.clone());
            self.tell_routing(routing::In::SendVia { link, destination: node, class, payload });
        }
    }

    /// This node goes on under a new incarnation.
    fn reincarnate(&mut self, incarnation: crate::identity::Incarnation) {
        self.tell_links(link::In::Reincarnate { incarnation });
        self.tell_delivery(delivery::In::Reincarnated { incarnation });
        self.tell_topics(topics::In::Reincarnated { incarnation });
        self.tell_routing(routing::In::Reincarnated { incarnation });
        self.tell_directory(directory::In::Reincarnated { incarnation });
        self.event(Event::IncarnationAdopted { incarnation });
    }

    /// The machines of the mesh know one link to each neighbour: this one, from now on. A tunnel is none.
    fn neighbour_link(&mut self, node: NodeId, link: Option<LinkId>) {
        let Some(link) = link else { return };
        if self.neighbour_links.get(&node) == Some(&link) {
            return;
        }
        let old = self.neighbour_links.insert(node, link);
        // Routing takes what was offered on the old link for offered on the new one, so that no route is lost for a moment.
        self.tell_routing(routing::In::LinkUp { link, peer: node });
        if let Some(old) = old {
            self.neighbour_link_lost(old);
        }
        self.tell_directory(directory::In::LinkUp { link, peer: node });
        self.tell_discovery(discovery::In::LinkUp { link });
        self.tell_authority(authority::In::LinkUp { link });
    }

    fn neighbour_lost(&mut self, node: NodeId) {
        if let Some(link) = self.neighbour_links.remove(&node) {
            self.neighbour_link_lost(link);
        }
    }

    fn neighbour_link_lost(&mut self, link: LinkId) {
        self.tell_routing(routing::In::LinkDown { link });
        self.tell_directory(directory::In::LinkDown { link });
        self.tell_discovery(discovery::In::LinkDown { link });
        self.tell_authority(authority::In::LinkDown { link });
    }

    fn node_up(&mut self, node: NodeId, incarnation: Incarnation) {
        self.tell_routing(routing::In::Incarnation { node, incarnation });
        self.tell_directory(directory::In::Show { node });
        self.event(Event::NodeUp { node, incarnation });
    }

    /// A node is down: one step, in this order. Its entries are hidden; what waits for it fails; then it is told.
    fn node_down(&mut self, node: NodeId, incarnation: Incarnation, reason: membership::DownReason) {
        self.tell_directory(directory::In::Hide { node });
        self.delivery.forget_latency(&node);
        // A later life may be there already, with sessions of its own.
        self.close_tunnels(node, CloseReason::Unreachable, Some(incarnation.after()));
        self.fail_waiting(node);
        self.event(Event::NodeDown { node, incarnation, reason });
    }

    /// Nothing leads to a node: its sessions end, and what waits for one fails.
    pub(super) fn give_up_path(&mut self, node: NodeId) {
        self.close_tunnels(node, CloseReason::Unreachable, None);
        self.fail_waiting(node);
    }

    /// Ends the sessions to a node, all or those to an older life. Their calls have failed when this is done.
    pub(super) fn close_tunnels(
        &mut self,
        node: NodeId,
        reason: CloseReason,
        older_than: Option<Incarnation>,
    ) {
        for link in self.links.tunnels_to(node, older_than) {
            self.tell_delivery(delivery::In::LinkLost { link, reason });
            self.tell_topics(topics::In::LinkLost { link });
        }
        self.tell_links(link::In::CloseTunnels { peer: node, reason, older_than });
        self.settle_delivery();
    }

    fn fail_waiting(&mut self, node: NodeId) {
        let text = alloc::format!("no path leads to node {}", node.short());
        let error = Error::of_kind(Kind::Unreachable, text);
        self.tell_delivery(delivery::In::NoPath { node, error });
        self.tell_topics(topics::In::NoPath { node });
        self.settle_delivery();
    }

    /// Whether payloads do not get to a node, though a way leads there.
    fn is_too_far(&self, node: &NodeId) -> bool {
        self.routing.hops(node).is_some_and(|hops| hops > self.config.limits.hops_max)
    }

    /// A tunnel is over.
    pub(super) fn tunnel_closed(&mut self, link: LinkId, peer: NodeId, proved: bool, reason: CloseReason) {
        self.count_closed(reason, proved);
        if proved {
            self.tell_delivery(delivery::In::LinkLost { link, reason });
            self.tell_topics(topics::In::LinkLost { link });
            self.tell_authority(authority::In::LinkLost { link });
            self.tell_membership(membership::In::TunnelClosed { link });
        }
        // Another one may be on its way, or a link have come up in the meantime. One that was proved and yet refused is of no
        // use to those who waited for it.
        if !self.links.is_opening_tunnel(peer) && !self.delivery.is_connected(&peer) {
            let text = alloc::format!("no session to node {}: {}", peer.short(), reason.text());
            let error = Error::of_kind(Kind::Unreachable, text);
            self.tell_delivery(delivery::In::NoPath { node: peer, error });
            self.tell_topics(topics::In::NoPath { node: peer });
        }
    }
}
