//! Tunnels beside links: a session through relays carries calls only while there is no link to the node.

use alloc::vec::Vec;

use super::{LinkEntry, Membership, Out, Retirement};
use crate::code::CloseReason;
use crate::identity::NodeId;
use crate::link::LinkId;
use crate::machine::Cx;
use crate::session::ProvenPeer;

impl Membership {
    /// The node at the other end of a tunnel proved who it is.
    pub(super) fn tunnel_proved(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkId,
        peer: ProvenPeer,
        message_bytes_max: usize,
    ) {
        let (node, incarnation) = (peer.node_id, peer.incarnation.incarnation);
        if node == self.own {
            return self.met_a_copy(cx, link, incarnation);
        }
        if let Some(seen) = self.seen.get(&node).filter(|seen| seen.incarnation > incarnation).copied() {
            cx.count("membership.stale_refused");
            let reason = CloseReason::StaleIncarnation;
            return self.out.push_back(Out::Close { link, reason, stale: Some(seen) });
        }
        self.see(node, peer.incarnation);
        let mut entry = LinkEntry::new(None, false, cx.now);
        entry.proof = Some((node, incarnation));
        self.links.insert(link, entry);
        self.end_older_life(cx, node, link, peer.incarnation);
        self.out.push_back(Out::Bind { link, node, incarnation, message_bytes_max });
        if !self.neighbours.contains_key(&node) {
            cx.mark("membership.tunnel_preferred");
            self.out.push_back(Out::Prefer { node, link });
        }
        if self.leaving {
            self.say_goodbye(link, CloseReason::Graceful);
        }
    }

    /// The usable tunnels to a node, oldest first.
    fn tunnels_to(&self, node: NodeId) -> Vec<LinkId> {
        let usable = |link: &LinkId, entry: &LinkEntry| {
            link.is_tunnel() && entry.node() == Some(node) && entry.is_usable() && entry.retirement.is_none()
        };
        self.links.iter().filter(|(link, entry)| usable(link, entry)).map(|(link, _)| *link).collect()
    }

    /// The last link to a node is gone: its calls take a tunnel, if one is there.
    pub(super) fn prefer_tunnel(&mut self, node: NodeId) {
        if let Some(link) = self.tunnels_to(node).pop() {
            self.out.push_back(Out::Prefer { node, link });
        }
    }

    /// A link to the node is there: its tunnels finish what they have.
    pub(super) fn retire_tunnels_to(&mut self, node: NodeId) {
        for link in self.tunnels_to(node) {
            self.retire_tunnel(link);
        }
    }

    /// Lets a tunnel finish what it has, then ends it.
    pub(super) fn retire_tunnel(&mut self, link: LinkId) {
        let Some(entry) = self.links.get_mut(&link) else { return };
        if entry.retirement.is_some() {
            return;
        }
        let Some(node) = entry.node() else { return };
        let until = crate::time::Instant::NEVER;
        entry.retirement = Some(Retirement { until, we_decide: true, idle: false });
        self.out.push_back(Out::Unprefer { node, link });
        self.out.push_back(Out::Retire { link });
        self.advance_retirement(link);
    }
}
