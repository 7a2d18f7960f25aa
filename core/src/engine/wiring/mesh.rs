//! What routing, directory and discovery give: paths, what nodes say of themselves, and answers to questions.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::code::{CloseReason, Code, Error, Kind};
use crate::delivery;
use crate::directory;
use crate::discovery::{self, Outcome, QueryId};
use crate::engine::{Engine, Event, NodeStatus};
use crate::identity::NodeId;
use crate::link::{self, LinkId};
use crate::machine::Cx;
use crate::membership;
use crate::routing::{self, Broken, Class};
use crate::time::Instant;
use crate::topics;
use crate::wire::body::{ProbeAnswer, TUNNEL_HEADER_LEN, TunnelHeader, TunnelKind};
use crate::wire::frame::FrameType;
use crate::wire::path::ActionPath;

/// What relays may know of a payload.
pub(super) fn class_of(kind: TunnelKind) -> Class {
    match kind {
        TunnelKind::Greeting => Class::Greeting,
        TunnelKind::Record => Class::Data,
        TunnelKind::Ack | TunnelKind::Reset => Class::Control,
        TunnelKind::Probe => Class::Probe,
        TunnelKind::ProbeAnswer => Class::ProbeAnswer,
    }
}

impl Engine {
    pub(super) fn route_routing(&mut self, out: routing::Out) {
        match out {
            routing::Out::Transmit { link, frame_type, body } => self.say(link, frame_type, body),
            routing::Out::Forward { link, source, destination, body } => {
                if source == self.node_id {
                    self.tell_links(link::In::Forward { link, source, destination, body });
                } else {
                    self.relay(link, source, destination, body);
                }
            }
            routing::Out::Deliver { source, payload, link, .. } => self.deliver(source, payload, link),
            routing::Out::Unproven { node } => {
                // In the directory, on a link, or in an answer to a probe.
                let seen = self.membership.status(&node).map(|(_, incarnation)| incarnation);
                if let Some(incarnation) = self.directory.signed_life_of(&node).max(seen) {
                    self.tell_routing(routing::In::Incarnation { node, incarnation });
                }
            }
            routing::Out::Reachable { node, .. } => {
                let signed = self.directory.incarnation_of(&node);
                self.tell_membership(membership::In::Reachable { node, signed });
            }
            routing::Out::Unreachable { node } => {
                self.tell_membership(membership::In::Unreachable { node });
            }
            routing::Out::PathChanged { node } => self.tell_links(link::In::DoubtPath { peer: node }),
            routing::Out::PathBroken { destination, reason } => match reason {
                // A longer wait does not make the path shorter; but a relay alone may be wrong about it, or lie.
                Broken::HopLimit if self.check_path(&destination).is_err() => self.give_up_path(destination),
                Broken::HopLimit
                | Broken::LinkLost
                | Broken::QueueFull
                | Broken::Budget
                | Broken::NoRoute => self.tell_links(link::In::DoubtPath { peer: destination }),
            },
            routing::Out::Violation { link, reason } => self.violation(link, reason),
        }
    }

    /// Says something to a neighbour.
    fn say(&mut self, link: LinkId, frame_type: FrameType, body: Bytes) {
        let body = self.trace.say(frame_type.name(), body);
        self.tell_links(link::In::Control { link, frame_type, body });
    }

    /// Passes on what is others'. A relay that loses it, changes it or passes it on twice is the testbed's to make.
    fn relay(&mut self, link: LinkId, source: NodeId, destination: NodeId, body: Bytes) {
        self.counters.metrics.relayed.add(body.len());
        self.trace.relayed(&body);
        if self.trace.fault("relay.loses") {
            return;
        }
        let body = self.trace.say(FrameType::Routed.name(), body);
        if self.trace.fault("relay.repeats") {
            let body = body.clone();
            self.tell_links(link::In::Forward { link, source, destination, body });
        }
        self.tell_links(link::In::Forward { link, source, destination, body });
    }

    /// A payload for this node.
    pub(in crate::engine) fn deliver(&mut self, source: NodeId, payload: Bytes, link: LinkId) {
        match TunnelHeader::decode(&payload) {
            Ok(TunnelHeader { kind: TunnelKind::Probe, tunnel: nonce, .. }) => {
                self.tell_membership(membership::In::Probe { link, asker: source, nonce });
            }
            Ok(TunnelHeader { kind: TunnelKind::ProbeAnswer, tunnel: nonce, .. }) => {
                if let Ok(answer) = ProbeAnswer::decode(&payload[TUNNEL_HEADER_LEN..]) {
                    self.tell_membership(membership::In::ProbeAnswer { node: source, nonce, answer });
                }
            }
            Ok(TunnelHeader { .. }) | Err(_) => self.tell_links(link::In::Routed { source, payload }),
        }
    }

    pub(super) fn route_directory(&mut self, out: directory::Out) {
        match out {
            directory::Out::Transmit { link, frame_type, body } => self.say(link, frame_type, body),
            directory::Out::Changed { node } => {
                // Nobody says for which paths, so whatever was not found may be there now.
                self.tell_discovery(discovery::In::DirectoryChanged { paths: None });
                let life = self.directory.incarnation_of(&node).filter(|_| self.directory.has_left(&node));
                if let Some(incarnation) = life {
                    self.tell_membership(membership::In::Left { node, incarnation });
                }
                self.event(Event::NodeChanged { node });
            }
            directory::Out::Learned { node, incarnation, .. } => {
                self.close_tunnels(node, CloseReason::Superseded, Some(incarnation));
                self.tell_membership(membership::In::Learned { node, incarnation });
                self.tell_routing(routing::In::Incarnation { node, incarnation });
                // What somebody has left behind is passed on until it runs out, but nobody is to find it.
                if !matches!(self.node_status(&node), Some(NodeStatus::Up | NodeStatus::Suspect)) {
                    self.tell_directory(directory::In::Hide { node });
                }
            }
            directory::Out::Superseded { by } => {
                self.tell_membership(membership::In::Overtaken { incarnation: by });
            }
            directory::Out::Violation { link, reason } => self.violation(link, reason),
        }
    }

    pub(super) fn route_discovery(&mut self, out: discovery::Out) {
        match out {
            discovery::Out::Transmit { link, frame_type, body } => self.say(link, frame_type, body),
            discovery::Out::Resolve { probe, path } => {
                let providers = self.directory.providers(path.as_str());
                let running = providers.iter().find(|provider| provider.entry.state.takes_calls());
                let answer = running.map(|found| found.node).and_then(|node| {
                    let mut cx = Cx { now: self.now, trace: &mut *self.trace, counters: &mut self.counters };
                    self.directory.proof(&mut cx, &node, path.as_str())
                });
                self.tell_discovery(discovery::In::Resolved { probe, answer });
            }
            discovery::Out::Check { check, path, proof } => {
                let node = self.check_proof(&proof, &path);
                self.tell_discovery(discovery::In::Checked { check, valid: node.is_some(), node });
            }
            discovery::Out::Answer { query, outcome } => self.answered(query, outcome),
            discovery::Out::Violation { link, reason } => self.violation(link, reason),
        }
    }

    /// Who is known to serve an action, takes calls and can be reached.
    pub(in crate::engine) fn known_providers(&self, action: &str) -> Vec<NodeId> {
        let providers = self.directory.providers(action).into_iter();
        let running = providers.filter(|provider| provider.entry.state.takes_calls());
        let rightful =
            running.filter(|provider| self.may_serve(&provider.node, &provider.entry.path).is_ok());
        let nodes = rightful.map(|provider| provider.node);
        nodes.filter(|node| *node == self.node_id || self.check_path(node).is_ok()).collect()
    }

    /// As many of them as a call may have to choose from.
    fn reachable_providers(&self, action: &ActionPath) -> Vec<NodeId> {
        let mut nodes = self.known_providers(action.as_str());
        nodes.truncate(crate::delivery::selector::CHOICES_MAX);
        nodes
    }

    /// Whose proof this is, if it proves that its owner serves the path and takes calls.
    pub(in crate::engine) fn check_proof(&mut self, proof: &[u8], path: &ActionPath) -> Option<NodeId> {
        let proved = directory::check_proof(proof, path.as_str(), &*self.config.crypto).ok()?;
        if self.directory.contradicts(&proved) {
            return None;
        }
        // A proof may be older than the end of its owner.
        let is_down =
            self.membership.status(&proved.node).is_some_and(|(status, _)| status == NodeStatus::Down);
        if !proved.entry.state.takes_calls() || is_down {
            return None;
        }
        // The answer may come before the announcement: the way to its owner is wanted now.
        let (node, incarnation) = (proved.node, proved.incarnation);
        self.tell_routing(routing::In::Incarnation { node, incarnation });
        Some(node)
    }

    /// A call to a node that is no neighbour waits for a session.
    pub(in crate::engine) fn open_tunnel(&mut self, node: NodeId) {
        if let Err(error) = self.check_path(&node) {
            self.tell_topics(topics::In::NoPath { node });
            return self.tell_delivery(delivery::In::NoPath { node, error });
        }
        self.tell_links(link::In::OpenTunnel { peer: node });
    }

    /// Whether payloads can get to a node at all.
    pub(in crate::engine) fn check_path(&self, node: &NodeId) -> Result<(), Error> {
        let limit = self.config.limits.hops_max;
        if self.membership.is_leaving(node) {
            let text = alloc::format!("node {} is leaving", node.short());
            return Err(Error::of_kind(Kind::Unreachable, text));
        }
        match self.routing.hops(node) {
            None => {
                let text = alloc::format!("no path leads to node {}", node.short());
                Err(Error::of_kind(Kind::Unreachable, text))
            }
            Some(hops) if hops > limit => {
                let text = alloc::format!("node {} is {hops} links away, the limit is {limit}", node.short());
                Err(Error::of_kind(Kind::Unreachable, text))
            }
            Some(_) => Ok(()),
        }
    }

    /// Nobody is known to serve an action: asks the mesh.
    pub(super) fn seek(&mut self, action: Arc<ActionPath>, deadline: Instant) {
        self.last_query += 1;
        let query = QueryId(self.last_query);
        self.queries.insert(query.0, action.clone());
        self.sought.insert(action.clone(), query.0);
        self.tell_discovery(discovery::In::Ask { query, path: action, deadline, gather: None });
    }

    pub(super) fn stop_seeking(&mut self, action: &Arc<ActionPath>) {
        if let Some(query) = self.sought.remove(action) {
            self.queries.remove(&query);
            self.tell_discovery(discovery::In::Abandon { query: QueryId(query) });
        }
    }

    fn answered(&mut self, query: QueryId, outcome: Outcome) {
        let Some(action) = self.queries.remove(&query.0) else { return };
        if self.sought.get(&action) == Some(&query.0) {
            self.sought.remove(&action);
        }
        // What the question did not find may have been announced in the meantime.
        let known =
            if matches!(outcome, Outcome::Found(_)) { Vec::new() } else { self.reachable_providers(&action) };
        let outcome = match outcome {
            Outcome::NotFound | Outcome::Incomplete if !known.is_empty() => Ok(known),
            Outcome::Found(proofs) => {
                let checked = proofs.iter().filter_map(|proof| self.check_proof(proof, &action));
                let nodes: Vec<NodeId> = checked.collect();
                let may = |node: &&NodeId| self.may_serve(node, &action).is_ok();
                let rightful: Vec<NodeId> = nodes.iter().filter(may).copied().collect();
                if rightful.is_empty() && !nodes.is_empty() {
                    Err(self.nobody_may_serve(&action, &nodes))
                } else {
                    Ok(rightful)
                }
            }
            Outcome::NotFound => {
                let text = alloc::format!("no node within reach serves {}", action.as_str());
                Err(Error::new(Code::NotFound, text))
            }
            Outcome::Incomplete => {
                let text = alloc::format!("not every node could be asked who serves {}", action.as_str());
                Err(Error::of_kind(Kind::Unreachable, text))
            }
        };
        self.tell_delivery(delivery::In::Sought { action, outcome });
    }
}
