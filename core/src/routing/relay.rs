//! Payloads on their way: sent, passed on, delivered, or dropped with a word back.

use core::time::Duration;

use bytes::{Bytes, BytesMut};

use super::flows::FlowKey;
use super::{Out, Routing};
use crate::code::CloseReason;
use crate::identity::NodeId;
use crate::link::LinkId;
use crate::machine::Cx;
use crate::wire::body::routing::{Broken, Class, PathBroken, RoutedHead};
use crate::wire::frame::FrameType;

/// Pause between two pieces of bad news of one flow. What comes in between is told as one when it is over.
const BAD_NEWS_PAUSE: Duration = Duration::from_millis(50);

impl Routing {
    /// Sends a payload of this node by the best way.
    pub(super) fn send(&mut self, cx: &mut Cx<'_>, destination: NodeId, class: Class, payload: &Bytes) {
        let way = self.destinations.get(&destination).and_then(|known| known.chosen);
        // A neighbour that has not announced itself, or is leaving, can be reached all the same.
        let direct = || self.links.get(&destination).map(|link| (*link, 1));
        let Some((link, hops)) = way.map(|way| (way.link, way.hops)).or_else(direct) else {
            cx.mark("routing.sent_nowhere");
            return self.out.push_back(Out::PathBroken { destination, reason: Broken::NoRoute });
        };
        if hops > self.config.limits.hops_max {
            cx.mark("routing.sent_too_far");
            return self.out.push_back(Out::PathBroken { destination, reason: Broken::HopLimit });
        }
        self.flows.used(cx.now, (self.own, destination), None).egress = Some(link);
        self.set_out(link, destination, class, payload);
    }

    /// Sends a payload of this node through one neighbour, whatever the best way is.
    pub(super) fn send_via(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkId,
        destination: NodeId,
        class: Class,
        payload: &Bytes,
    ) {
        if !self.neighbours.contains_key(&link) {
            return self.out.push_back(Out::PathBroken { destination, reason: Broken::LinkLost });
        }
        // The flow itself goes on by its own way.
        self.flows.used(cx.now, (self.own, destination), None).egress.get_or_insert(link);
        self.set_out(link, destination, class, payload);
    }

    fn set_out(&mut self, link: LinkId, destination: NodeId, class: Class, payload: &Bytes) {
        debug_assert!(payload.len() <= RoutedHead::PAYLOAD_LEN_MAX, "{} bytes in one frame", payload.len());
        let (source, hop_limit) = (self.own, self.config.limits.hops_max);
        let mut body = BytesMut::with_capacity(RoutedHead::LEN + payload.len());
        RoutedHead { destination, source, hop_limit, class }.encode(&mut body);
        body.extend_from_slice(payload);
        self.out.push_back(Out::Forward { link, source, destination, body: body.freeze() });
    }

    pub(super) fn routed(&mut self, cx: &mut Cx<'_>, link: LinkId, body: Bytes) {
        let Ok(head) = RoutedHead::decode(&body) else {
            return self.violation(link, CloseReason::MalformedFrame);
        };
        if head.source == self.own {
            // Its own payload went round, or somebody borrows its name.
            return cx.count("routing.own_payload_returned");
        }
        let hops_max = self.config.limits.hops_max;
        if head.hop_limit > hops_max {
            cx.count("routing.hop_limit_refused");
        } else if head.destination == self.own {
            let (hops, payload) = (hops_max - head.hop_limit + 1, body.slice(RoutedHead::LEN..));
            let RoutedHead { source, class, .. } = head;
            return self.out.push_back(Out::Deliver { source, class, payload, hops, link });
        }
        let flow = (head.source, head.destination);
        match self.next_hop(link, &head) {
            Ok(next) => {
                let flow_known = self.flows.used(cx.now, flow, Some(link));
                if head.class == Class::ProbeAnswer {
                    // The flow itself goes on by its own way.
                    flow_known.egress.get_or_insert(next);
                } else {
                    flow_known.egress = Some(next);
                }
                let (source, destination) = flow;
                let body = with_hop_limit(body, head.hop_limit - 1);
                self.out.push_back(Out::Forward { link: next, source, destination, body });
            }
            Err(reason) => {
                cx.count("routing.payload_dropped");
                cx.metrics().payload_dropped(reason.number());
                self.flows.used(cx.now, flow, Some(link)).egress = None;
                self.bad_news(cx, flow, reason);
            }
        }
    }

    /// The link by which a payload goes on.
    fn next_hop(&self, ingress: LinkId, head: &RoutedHead) -> Result<LinkId, Broken> {
        if head.hop_limit <= 1 || head.hop_limit > self.config.limits.hops_max {
            return Err(Broken::HopLimit);
        }
        let way = self.destinations.get(&head.destination).and_then(|known| known.chosen);
        let direct = || self.links.get(&head.destination).copied();
        let back = self.way_back(head).filter(|back| *back != ingress);
        let link = back.or_else(|| way.map(|way| way.link)).or_else(direct).ok_or(Broken::NoRoute)?;
        // The neighbour does not know yet that the way leads through it.
        if link == ingress { Err(Broken::NoRoute) } else { Ok(link) }
    }

    /// The link that the question came by which this answers.
    fn way_back(&self, head: &RoutedHead) -> Option<LinkId> {
        if head.class != Class::ProbeAnswer {
            return None;
        }
        let link = self.flows.get(&(head.destination, head.source))?.ingress?;
        self.neighbours.contains_key(&link).then_some(link)
    }

    /// A link dropped a payload that waited in its queue.
    pub(super) fn dropped(&mut self, cx: &mut Cx<'_>, link: LinkId, flow: FlowKey, reason: Broken) {
        cx.mark("routing.dropped_in_queue");
        cx.metrics().payload_dropped(reason.number());
        let known =
            self.flows.get_mut(&flow).is_some_and(|flow| flow.egress.is_none_or(|egress| egress == link));
        // A payload that was sent through one neighbour on purpose has no flow of its own.
        if known || flow.0 == self.own {
            self.bad_news(cx, flow, reason);
        } else {
            cx.count("routing.flow_forgotten");
        }
    }

    /// A neighbour dropped a payload that went through it, or heard of one that was dropped further on.
    pub(super) fn path_broken(&mut self, cx: &mut Cx<'_>, link: LinkId, body: &[u8]) {
        let Ok(PathBroken { source, destination, reason }) = PathBroken::decode(body) else {
            return self.violation(link, CloseReason::MalformedFrame);
        };
        let flow = (source, destination);
        // Only whoever the flow was given to can have lost it.
        if self.flows.get_mut(&flow).is_some_and(|flow| flow.egress == Some(link)) {
            self.bad_news(cx, flow, reason);
        } else {
            cx.count("routing.path_broken_refused");
        }
    }

    /// Tells the source of a flow that a payload was lost, but not more often than makes sense.
    fn bad_news(&mut self, cx: &mut Cx<'_>, key: FlowKey, reason: Broken) {
        let Some(flow) = self.flows.get_mut(&key) else {
            if key.0 == self.own {
                self.out.push_back(Out::PathBroken { destination: key.1, reason });
            }
            return;
        };
        if let Some(next) = flow.told_at.map(|told_at| told_at + BAD_NEWS_PAUSE).filter(|next| *next > cx.now)
        {
            cx.mark("routing.bad_news_waits");
            return self.flows.owe(key, reason, next);
        }
        flow.told_at = Some(cx.now);
        let (source, destination) = key;
        match flow.ingress {
            None => self.out.push_back(Out::PathBroken { destination, reason }),
            Some(link) => {
                cx.mark("routing.bad_news_sent");
                let broken = PathBroken { source, destination, reason };
                self.transmit(link, FrameType::PathBroken, |body| broken.encode(body));
            }
        }
    }

    /// Sends the bad news that had to wait and may go now.
    pub(super) fn pay_bad_news(&mut self, cx: &mut Cx<'_>) {
        while let Some((key, reason)) = self.flows.pop_owed(cx.now) {
            self.bad_news(cx, key, reason);
        }
    }

    /// What left by a lost link may be lost with it.
    pub(super) fn flows_lost_link(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        let mut lost = alloc::vec::Vec::new();
        self.flows.link_lost(link, |flow| lost.push(flow));
        for flow in lost {
            self.bad_news(cx, flow, Broken::LinkLost);
        }
    }
}

/// The body with another hop limit: in place where nobody else holds the buffer, else in a copy.
fn with_hop_limit(body: Bytes, hop_limit: u8) -> Bytes {
    let mut body = body.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
    body[RoutedHead::HOP_LIMIT_AT] = hop_limit;
    body.freeze()
}
