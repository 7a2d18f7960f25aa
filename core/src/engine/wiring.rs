//! The only place that connects machines: what one gives becomes what others take.
//!
//! Every match is exhaustive and without a wildcard, so that a new output does not compile until somebody has decided
//! where it goes. Delivery is drained before membership and membership before links: what a link gives is settled whole
//! before the next thing that it gave, and the calls to a lost node have failed before the application hears of its end.

use super::{Caller, Engine, Event, Output};
use crate::delivery;
use crate::link;
use crate::machine::{Cx, Machine};
use crate::membership;

/// Hops that one input may cause: far above the end of a node with every table full, far below for ever.
const HOPS_MAX: usize = 1 << 26;

impl Engine {
    pub(super) fn tell_links(&mut self, input: link::In) {
        let mut cx = Cx { now: self.now, trace: &mut *self.trace, counters: &mut self.counters };
        self.links.handle(&mut cx, input);
    }

    pub(super) fn tell_membership(&mut self, input: membership::In) {
        let mut cx = Cx { now: self.now, trace: &mut *self.trace, counters: &mut self.counters };
        self.membership.handle(&mut cx, input);
    }

    pub(super) fn tell_delivery(&mut self, input: delivery::In) {
        let mut cx = Cx { now: self.now, trace: &mut *self.trace, counters: &mut self.counters };
        self.delivery.handle(&mut cx, input);
    }

    /// Puts what waits on links into records.
    pub(super) fn flush(&mut self) {
        let mut cx = Cx { now: self.now, trace: &mut *self.trace, counters: &mut self.counters };
        self.links.flush(&mut cx);
        self.settle();
    }

    /// Routes until no machine has anything left to give.
    pub(super) fn settle(&mut self) {
        for _ in 0..HOPS_MAX {
            if let Some(out) = self.delivery.poll() {
                self.route_delivery(out);
            } else if let Some(out) = self.membership.poll() {
                self.route_membership(out);
            } else if let Some(out) = self.links.poll() {
                self.route_link(out);
            } else {
                return;
            }
        }
        debug_assert!(false, "the machines keep each other busy without an end");
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn route_link(&mut self, out: link::Out) {
        match out {
            link::Out::Transmit { link, data } => self.outputs.push_back(Output::Transmit { link, data }),
            link::Out::Proved { link, peer, hello, message_bytes_max } => {
                self.tell_membership(membership::In::Proved { link, peer, hello, message_bytes_max });
            }
            link::Out::Suspect { link } => self.tell_membership(membership::In::Suspect { link }),
            link::Out::Recovered { link } => self.tell_membership(membership::In::Recovered { link }),
            link::Out::Goodbye { link, reason } => {
                self.tell_membership(membership::In::Goodbye { link, reason });
            }
            link::Out::GoodbyeSent { link } => self.tell_membership(membership::In::GoodbyeSent { link }),
            link::Out::Stale { link, newer } => self.tell_membership(membership::In::Stale { link, newer }),
            link::Out::Frame { link, header, body } => {
                self.tell_delivery(delivery::In::Frame { link, header, body });
            }
            link::Out::Started { link, op, sequence } => {
                self.tell_delivery(delivery::In::Started { link, op, sequence });
            }
            link::Out::Flushed { link, bytes } => self.tell_delivery(delivery::In::Flushed { link, bytes }),
            link::Out::Closed { link, reason, remote_addr, peer, peer_closed } => {
                *self.closed.entry(reason).or_insert(0) += 1;
                if !peer_closed {
                    self.outputs.push_back(Output::Close { link, reason });
                }
                // First the calls, then the news.
                self.tell_delivery(delivery::In::LinkLost { link, reason });
                self.tell_membership(membership::In::LinkClosed { link, reason });
                let node = peer.map(|peer| peer.node_id);
                self.event(Event::LinkClosed { link, remote_addr, node, reason });
            }
        }
    }

    fn route_membership(&mut self, out: membership::Out) {
        match out {
            membership::Out::Dial { dial, addr } => self.outputs.push_back(Output::Dial { dial, addr }),
            membership::Out::Accept { link, dialled, remote_addr } => {
                self.tell_links(link::In::Open { link, dialled, remote_addr });
            }
            membership::Out::Discard { link } => {
                let reason = crate::CloseReason::LocalClose;
                self.outputs.push_back(Output::Close { link, reason });
            }
            membership::Out::Close { link, reason, stale } => {
                self.tell_links(link::In::Close { link, reason, stale });
                // What membership says next may be that the node is down: its calls have failed by then.
                self.tell_delivery(delivery::In::LinkLost { link, reason });
            }
            membership::Out::Goodbye { link, reason } => self.tell_links(link::In::Goodbye { link, reason }),
            membership::Out::Poke { link } => self.tell_links(link::In::Poke { link }),
            membership::Out::Bind { link, node, incarnation, message_bytes_max } => {
                let peer = Caller { node, incarnation };
                self.tell_delivery(delivery::In::Bind { link, peer, message_bytes_max });
            }
            membership::Out::Prefer { node, link } => self.tell_delivery(delivery::In::Prefer { node, link }),
            membership::Out::Unlist { node } => self.tell_delivery(delivery::In::Unlist { node }),
            membership::Out::Retire { link } => self.tell_delivery(delivery::In::Retire { link }),
            membership::Out::PeerUp(info) => self.event(Event::PeerUp(info)),
            membership::Out::PeerSuspect { node } => self.event(Event::PeerSuspect { node }),
            membership::Out::PeerRecovered { node } => self.event(Event::PeerRecovered { node }),
            membership::Out::PeerDown { node, incarnation, reason } => {
                self.event(Event::PeerDown { node, incarnation, reason });
            }
            membership::Out::DialFailed { addr, reason, retry_at } => {
                self.event(Event::DialFailed { addr, reason, retry_at });
            }
            membership::Out::Reincarnate { incarnation } => {
                self.tell_links(link::In::Reincarnate { incarnation });
                self.tell_delivery(delivery::In::Reincarnated { incarnation });
                self.event(Event::IncarnationAdopted { incarnation });
            }
            membership::Out::Superseded { by } => self.event(Event::Superseded { by }),
        }
    }

    fn route_delivery(&mut self, out: delivery::Out) {
        match out {
            delivery::Out::Send { link, message } => self.tell_links(link::In::Send { link, message }),
            delivery::Out::Withdraw { link, op, sequence, tell_peer } => {
                self.tell_links(link::In::Withdraw { link, op, sequence, tell_peer });
            }
            delivery::Out::WithdrawReply { link, id } => {
                self.tell_links(link::In::WithdrawReply { link, id });
            }
            delivery::Out::Consumed { link, bytes } => self.tell_links(link::In::Grant { link, bytes }),
            delivery::Out::Idle { link } => self.tell_membership(membership::In::Idle { link }),
            delivery::Out::Violation { link, reason } => {
                self.tell_links(link::In::Close { link, reason, stale: None });
            }
            delivery::Out::CallDone { op, result } => self.event(Event::CallDone { op, result }),
            delivery::Out::Request { request, caller, action, payload, deadline } => {
                self.event(Event::Request { request, caller, action, payload, deadline });
            }
            delivery::Out::RequestCancelled { request } => self.event(Event::RequestCancelled { request }),
            delivery::Out::Writable { node } => self.event(Event::Writable { node }),
        }
    }
}
