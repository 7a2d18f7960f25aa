//! The ways by which events leave: a bounded queue for each, and one for each node to which there is no session yet.

use alloc::collections::VecDeque;

use bytes::Bytes;

use super::{Out, Publisher, Topics};
use crate::identity::NodeId;
use crate::link::LinkId;
use crate::machine::Cx;
use crate::reassembly::Reassembly;
use crate::wire::body::topics::PublishHead;

/// What topics know of a link.
#[derive(Debug)]
pub(super) struct LinkState {
    pub(super) peer: Publisher,
    pub(super) message_bytes_max: usize,
    /// Bytes of events in its queue.
    pub(super) queued_bytes: usize,
    /// An event of which some chunks are still to come.
    pub(super) partial: Option<Partial>,
}

/// An event of the peer that has arrived in part.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) head: PublishHead,
    pub(super) payload: Reassembly,
}

impl LinkState {
    pub(super) fn partial_bytes(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| partial.payload.len())
    }
}

/// Events that wait for a session to one node.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    events: VecDeque<(PublishHead, Bytes)>,
    bytes: usize,
}

/// How an event would get to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By this link, now.
    Link(LinkId),
    /// By a session that is not there yet.
    Session,
}

impl Topics {
    pub(super) fn bind(&mut self, link: LinkId, peer: Publisher, message_bytes_max: usize) {
        let state = LinkState { peer, message_bytes_max, queued_bytes: 0, partial: None };
        self.links.insert(link, state);
    }

    /// A session to a node is there: what has waited for it goes.
    pub(super) fn prefer(&mut self, cx: &mut Cx<'_>, node: NodeId, link: LinkId) {
        self.ways.insert(node, link);
        let Some(waiting) = self.waiting.remove(&node) else { return };
        self.waiting_bytes -= waiting.bytes;
        for (head, payload) in waiting.events {
            let is_too_large =
                self.links.get(&link).is_none_or(|state| payload.len() > state.message_bytes_max);
            if is_too_large {
                cx.count("topics.dropped_late");
                self.stats.dropped += 1;
                continue;
            }
            self.send(link, head, payload);
        }
    }

    /// A session to a node cannot be had: what has waited for it is lost.
    pub(super) fn no_path(&mut self, cx: &mut Cx<'_>, node: NodeId) {
        let Some(waiting) = self.waiting.remove(&node) else { return };
        self.waiting_bytes -= waiting.bytes;
        for _ in &waiting.events {
            cx.count("topics.dropped_late");
            self.stats.dropped += 1;
        }
    }

    pub(super) fn link_lost(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        let Some(state) = self.links.remove(&link) else { return };
        if state.queued_bytes > 0 {
            cx.count("topics.lost_with_their_link");
        }
        if self.ways.get(&state.peer.node) == Some(&link) {
            self.ways.remove(&state.peer.node);
        }
    }

    /// Whether events to this node can leave at once.
    pub(crate) fn has_way(&self, node: &NodeId) -> bool {
        self.ways.contains_key(node)
    }

    /// The way to a node that has room for an event of so many bytes, of which so many are the payload.
    pub(super) fn way(
        &self,
        node: &NodeId,
        reachable: bool,
        bytes: usize,
        payload_len: usize,
    ) -> Option<Way> {
        let limit = self.config.limits.published_bytes_per_link_max;
        let fits = |queued: usize| queued == 0 || queued + bytes <= limit;
        if let Some(link) = self.ways.get(node) {
            let state = self.links.get(link)?;
            let is_good = payload_len <= state.message_bytes_max && fits(state.queued_bytes);
            return is_good.then_some(Way::Link(*link));
        }
        (reachable && fits(self.waiting_bytes)).then_some(Way::Session)
    }

    /// Queues an event by a way that was found to have room.
    pub(super) fn queue(
        &mut self,
        cx: &mut Cx<'_>,
        node: NodeId,
        way: Way,
        head: PublishHead,
        payload: Bytes,
    ) {
        let link = match way {
            Way::Link(link) => link,
            Way::Session => {
                cx.mark("topics.waits_for_a_session");
                let bytes = head.queue_cost() + payload.len();
                let waiting = self.waiting.entry(node).or_default();
                if waiting.events.is_empty() {
                    self.out.push_back(Out::OpenTunnel { node });
                }
                waiting.bytes += bytes;
                self.waiting_bytes += bytes;
                waiting.events.push_back((head, payload));
                return;
            }
        };
        self.send(link, head, payload);
    }

    fn send(&mut self, link: LinkId, head: PublishHead, payload: Bytes) {
        if let Some(state) = self.links.get_mut(&link) {
            state.queued_bytes += head.queue_cost() + payload.len();
        }
        self.out.push_back(Out::Send { link, head, payload });
    }
}
