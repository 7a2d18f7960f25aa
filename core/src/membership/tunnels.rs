//! Tunnels beside links: a session through relays carries calls only while there is no link to the node.

use alloc::vec::Vec;

use super::{LinkEntry, Membership, Out, Retirement};
use crate::code::CloseReason;
use crate::identity::NodeId;
use crate::link::LinkId;
use crate::machine::Cx;
use crate::session::ProvenPeer;
use crate::time::Instant;

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
        if !self.has_usable_link(node) {
            cx.mark("membership.tunnel_preferred");
            self.out.push_back(Out::Prefer { node, link });
        }
        self.nodes.learned(cx, node, incarnation, &mut self.out);
        if self.leaving {
            self.say_goodbye(link, CloseReason::Graceful);
        }
    }

    /// Whether new calls to a node take a link. One that ends takes none any more.
    fn has_usable_link(&self, node: NodeId) -> bool {
        let link_of = self.neighbours.get(&node).and_then(|neighbour| self.links.get(&neighbour.link));
        link_of.is_some_and(LinkEntry::is_usable)
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

    /// A tunnel to a node takes no new calls any more: they take an older one, if one is there.
    pub(super) fn prefer_other_tunnel(&mut self, node: NodeId) {
        if !self.has_usable_link(node) {
            self.prefer_tunnel(node);
        }
    }

    /// A tunnel is over.
    pub(super) fn tunnel_closed(&mut self, link: LinkId) {
        if let Some(node) = self.forget_link(link).and_then(|entry| entry.node()) {
            self.prefer_other_tunnel(node);
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
        let until = Instant::NEVER;
        entry.retirement = Some(Retirement::new(until, true));
        self.retiring.insert(link);
        self.out.push_back(Out::Unprefer { node, link });
        self.prefer_other_tunnel(node);
        self.out.push_back(Out::Retire { link });
        self.advance_retirement(link);
    }

    /// The peer starts no more calls on a tunnel, and all that it started are here. Only now it can be said whether it is
    /// idle.
    pub(super) fn tunnel_goodbye(&mut self, link: LinkId) {
        let Some(entry) = self.links.get_mut(&link) else { return };
        let until = Instant::NEVER;
        let retirement = entry.retirement.get_or_insert(Retirement::new(until, false));
        (retirement.idle, retirement.until) = (false, until);
        self.retiring.insert(link);
        self.out.push_back(Out::Retire { link });
    }

    /// A tunnel that is idle ends once both sides have said goodbye. Each side ends it for itself when what it has sent has
    /// arrived: the last answers may still be on their way.
    pub(super) fn advance_tunnel(&mut self, link: LinkId) {
        let Some(entry) = self.links.get(&link) else { return };
        let Some(Retirement { idle: true, over, .. }) = entry.retirement else { return };
        if over {
            let reason = CloseReason::Superseded;
            self.out.push_back(Out::Close { link, reason, stale: None });
        } else if entry.goodbyes.sent && entry.goodbyes.heard {
            self.out.push_back(Out::Finish { link });
        }
    }

    /// A retired tunnel has been idle for long, and the peer does not end it. If it still is idle, that is enough.
    pub(super) fn end_tunnel(&mut self, link: LinkId) {
        let retirement = self.links.get_mut(&link).and_then(|entry| entry.retirement.as_mut());
        if let Some(retirement) = retirement {
            (retirement.over, retirement.idle, retirement.until) = (true, false, Instant::NEVER);
            self.say_goodbye(link, CloseReason::Superseded);
            self.out.push_back(Out::Retire { link });
        }
    }
}
