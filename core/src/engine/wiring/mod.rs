//! The only place that connects machines: what one gives becomes what others take.
//!
//! Every match is exhaustive and without a wildcard, so that a new output does not compile until somebody has decided
//! where it goes. Delivery and topics are drained first, then resilience, then membership, then the mesh (routing, directory, discovery), and links last:
//! what a link gives is settled whole before the next thing that it gave, and the calls to a lost node have failed before
//! the application hears of its end.

mod mesh;
mod people;
mod topics;

use alloc::boxed::Box;

use super::access::Bench;
use super::{Engine, Event, Output};
use crate::authority;
use crate::code::CloseReason;
use crate::delivery;
use crate::directory;
use crate::discovery;
use crate::identity::NodeId;
use crate::link;
use crate::machine::{Cx, Machine};
use crate::membership;
use crate::resilience;
use crate::routing;
use crate::token::Grant;
use crate::topics as topics_machine;
use crate::wire::frame::{FrameHeader, FrameType};

/// Hops that one input may cause: far above the end of a node with every table full, far below for ever.
const HOPS_MAX: usize = 1 << 26;

/// Tells a machine something.
macro_rules! tell {
    ($name:ident, $machine:ident) => {
        pub(in crate::engine) fn $name(&mut self, input: $machine::In) {
            let mut cx = Cx { now: self.now, trace: &mut *self.trace, counters: &mut self.counters };
            self.$machine.handle(&mut cx, input);
        }
    };
    ($name:ident, $machine:ident, $module:ident) => {
        pub(in crate::engine) fn $name(&mut self, input: $module::In) {
            let mut cx = Cx { now: self.now, trace: &mut *self.trace, counters: &mut self.counters };
            self.$machine.handle(&mut cx, input);
        }
    };
}

impl Engine {
    tell!(tell_links, links, link);
    tell!(tell_membership, membership);
    tell!(tell_routing, routing);
    tell!(tell_directory, directory);
    tell!(tell_discovery, discovery);
    tell!(tell_delivery, delivery);
    tell!(tell_resilience, resilience);
    tell!(tell_topics, topics, topics_machine);
    tell!(tell_authority, authority);

    /// Puts what waits on links into records.
    pub(super) fn flush(&mut self) {
        let mut cx = Cx { now: self.now, trace: &mut *self.trace, counters: &mut self.counters };
        // A neighbour believes in a route to a new life of a node only when it has seen the node's signature.
        self.directory.flush(&mut cx);
        self.routing.flush(&mut cx);
        self.settle();
        // What leaves a tunnel goes on by a link of this node, which has something to send only then.
        while self.links.is_dirty() {
            let mut cx = Cx { now: self.now, trace: &mut *self.trace, counters: &mut self.counters };
            self.links.flush(&mut cx);
            self.settle();
        }
    }

    /// Routes until no machine has anything left to give.
    pub(super) fn settle(&mut self) {
        for _ in 0..HOPS_MAX {
            if let Some(out) = self.delivery.poll() {
                self.route_delivery(out);
            } else if let Some(out) = self.topics.poll() {
                self.route_topics(out);
            } else if let Some(out) = self.resilience.poll() {
                self.route_resilience(out);
            } else if let Some(out) = self.membership.poll() {
                self.route_membership(out);
            } else if let Some(out) = self.routing.poll() {
                self.route_routing(out);
            } else if let Some(out) = self.directory.poll() {
                self.route_directory(out);
            } else if let Some(out) = self.discovery.poll() {
                self.route_discovery(out);
            } else if let Some(out) = self.authority.poll() {
                self.route_authority(out);
            } else if let Some(out) = self.links.poll() {
                self.route_link(out);
            } else {
                return;
            }
        }
        debug_assert!(false, "the machines keep each other busy without an end");
    }

    /// Gives the calls that have ended their outcome before something else is told.
    pub(super) fn settle_delivery(&mut self) {
        loop {
            if let Some(out) = self.delivery.poll() {
                self.route_delivery(out);
            } else if let Some(out) = self.resilience.poll() {
                self.route_resilience(out);
            } else {
                return;
            }
        }
    }

    pub(super) fn event(&mut self, event: Event) {
        self.count_event(&event);
        self.outputs.push_back(Output::Event(event));
    }

    /// Whoever was let in by a token alone stays for as long as it lasts.
    fn member_came(&mut self, link: link::LinkId, node: NodeId, membership: Option<Box<Grant>>) {
        if let Some(grant) = membership {
            self.tell_authority(authority::In::Member { link, node, grant });
        }
    }

    /// A peer broke the rules of a machine.
    fn violation(&mut self, link: crate::link::LinkId, reason: CloseReason) {
        self.tell_links(link::In::Close { link, reason, stale: None });
    }

    fn route_link(&mut self, out: link::Out) {
        match out {
            link::Out::Transmit { link, data } => {
                self.counters.metrics.bytes_sent += data.len() as u64;
                self.outputs.push_back(Output::Transmit { link, data });
            }
            link::Out::Proved { link, peer, hello, message_bytes_max, membership } => {
                self.member_came(link, peer.node_id, membership);
                self.counters.metrics.links_opened[usize::from(link.is_tunnel())] += 1;
                if link.is_tunnel() {
                    self.tell_membership(membership::In::TunnelProved { link, peer, message_bytes_max });
                } else {
                    self.tell_membership(membership::In::Proved { link, peer, hello, message_bytes_max });
                    self.announce_addresses();
                }
            }
            link::Out::Suspect { link } => self.tell_membership(membership::In::Suspect { link }),
            link::Out::Recovered { link } => self.tell_membership(membership::In::Recovered { link }),
            link::Out::Goodbye { link, reason } => {
                self.tell_membership(membership::In::Goodbye { link, reason });
            }
            link::Out::GoodbyeSent { link } => self.tell_membership(membership::In::GoodbyeSent { link }),
            link::Out::Stale { link, newer } => self.tell_membership(membership::In::Stale { link, newer }),
            link::Out::Frame { link, header, body } => self.route_frame(link, header, body),
            link::Out::Started { link, op, sequence } => {
                self.tell_delivery(delivery::In::Started { link, op, sequence });
            }
            link::Out::Flushed { link, bytes } => self.tell_delivery(delivery::In::Flushed { link, bytes }),
            link::Out::StreamLeft { link, lane, bytes, ended } => {
                self.tell_delivery(delivery::In::StreamLeft { link, lane, bytes, ended });
            }
            link::Out::Published { link, bytes } => {
                self.tell_topics(topics_machine::In::Left { link, bytes });
            }
            link::Out::Dropped { link, source, destination, reason } => {
                let reason = match reason {
                    link::Drop::Budget => routing::Broken::Budget,
                    link::Drop::QueueFull => routing::Broken::QueueFull,
                };
                self.tell_routing(routing::In::Dropped { link, source, destination, reason });
            }
            link::Out::Route { peer, class, payload } => {
                let class = mesh::class_of(class);
                self.tell_routing(routing::In::Send { destination: peer, class, payload });
            }
            link::Out::Quiet { link, is_worn } => {
                // New calls take another tunnel, and those that are open go on.
                if is_worn || self.delivery.is_link_idle(link) {
                    self.tell_membership(membership::In::Quiet { link });
                }
            }
            link::Out::TunnelClosed { link, peer, proved, reason } => {
                self.tunnel_closed(link, peer, proved, reason);
            }
            link::Out::Closed { link, reason, remote_addr, peer, peer_closed } => {
                self.count_closed(reason, peer.is_some());
                if !peer_closed {
                    self.outputs.push_back(Output::Close { link, reason });
                }
                // First the calls, then the news.
                self.tell_delivery(delivery::In::LinkLost { link, reason });
                self.tell_topics(topics_machine::In::LinkLost { link });
                self.tell_authority(authority::In::LinkLost { link });
                self.tell_membership(membership::In::LinkClosed { link, reason });
                let node = peer.map(|peer| peer.node_id);
                self.event(Event::LinkClosed { link, remote_addr, node, reason });
            }
        }
    }

    /// Frames go to the machine that they belong to.
    fn route_frame(&mut self, link: crate::link::LinkId, header: FrameHeader, body: bytes::Bytes) {
        self.counters.metrics.frames_received[usize::from(header.frame_type.number())] += 1;
        match header.frame_type {
            FrameType::Request
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
            | FrameType::ItemCredit => self.frame_of_a_call(link, header, &body),
            FrameType::Token | FrameType::IssuerHead => {
                self.tell_authority(authority::In::Frame { link, header, body });
            }
            FrameType::Routed
            | FrameType::PathBroken
            | FrameType::Routes
            | FrameType::RouteRequest
            | FrameType::Ping
            | FrameType::Pong => self.tell_routing(routing::In::Frame { link, header, body }),
            FrameType::DirectoryDelta | FrameType::DirectoryDigest | FrameType::DirectoryRequest => {
                self.tell_directory(directory::In::Frame { link, header, body });
            }
            FrameType::WhoHas | FrameType::WhoHasAnswer => {
                self.tell_discovery(discovery::In::Frame { link, header, body });
            }
            FrameType::Publish | FrameType::PublishMore => {
                let bench = Bench { now: self.now, authority: &self.authority, directory: &self.directory };
                let mut cx = Cx { now: self.now, trace: &mut *self.trace, counters: &mut self.counters };
                self.topics.frame(&mut cx, &bench, link, header, &body);
            }
            FrameType::Identity
            | FrameType::Hello
            | FrameType::KeepAlive
            | FrameType::Credit
            | FrameType::Goodbye
            | FrameType::Rekey
            | FrameType::Stale
            | FrameType::Skippable(_) => {
                debug_assert!(false, "links keep {:?} to themselves", header.frame_type);
            }
        }
    }

    /// Whether its sender may call is asked of what is known at this moment.
    fn frame_of_a_call(&mut self, link: crate::link::LinkId, header: FrameHeader, body: &bytes::Bytes) {
        let bench = Bench { now: self.now, authority: &self.authority, directory: &self.directory };
        let mut cx = Cx { now: self.now, trace: &mut *self.trace, counters: &mut self.counters };
        self.delivery.frame(&mut cx, &bench, link, header, body);
    }

    fn route_authority(&mut self, out: authority::Out) {
        match out {
            authority::Out::Transmit { link, frame_type, body } => {
                self.tell_links(link::In::Control { link, frame_type, body });
            }
            authority::Out::Membership { token } => self.tell_links(link::In::Membership { token }),
            authority::Out::Learnt { head } => self.tell_links(link::In::IssuerHead { head }),
            authority::Out::Violation { link, reason } => self.violation(link, reason),
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
            delivery::Out::Violation { link, reason } => self.violation(link, reason),
            delivery::Out::OpenTunnel { node } => self.open_tunnel(node),
            delivery::Out::Seek { action, deadline } => self.seek(action, deadline),
            delivery::Out::StopSeeking { action } => self.stop_seeking(&action),
            delivery::Out::CallDone { op, node, result, .. } if self.resilience.is_attempt(op) => {
                self.tell_resilience(resilience::In::Ended { attempt: op, node, result });
            }
            delivery::Out::CallDone { op, began, result, .. } => self.call_done(op, began, result),
            delivery::Out::Stream { link, order } => self.tell_links(link::In::Stream { link, order }),
            delivery::Out::Item { stream, item } => {
                self.counters.metrics.items_received.add(item.data.len());
                self.event(Event::Item { stream, item });
            }
            delivery::Out::UploadsEnded { request } => self.event(Event::UploadsEnded { request }),
            delivery::Out::StreamWritable { stream } => self.event(Event::StreamWritable { stream }),
            delivery::Out::Request { request, caller, action, shape, payload, headers, waited, deadline } => {
                self.event(Event::Request {
                    request,
                    caller,
                    action,
                    shape,
                    payload,
                    headers,
                    waited,
                    deadline,
                });
            }
            delivery::Out::RequestCancelled { request } => self.event(Event::RequestCancelled { request }),
            delivery::Out::Writable { node } => self.event(Event::Writable { node }),
        }
    }
}
