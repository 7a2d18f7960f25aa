//! Every node of the mesh: who is up, suspect or down, whether or not there is a link to it.
//!
//! A node is up while its own signature (in the directory, or on a link) and a path that leads to it say so. When the path
//! ends, or a link to it is lost, nobody else's word takes it down: it is asked itself, by every neighbour that offers a
//! path (the indirect probes of SWIM; Das, Gupta and Motivala, 2002), and its signed answer refutes the suspicion.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::{DownReason, NodeStatus, Out};
use crate::config::{Config, Timing};
use crate::identity::{Identity, Incarnation, NodeId};
use crate::machine::{Cx, injected};
use crate::time::Instant;
use crate::wire::body::{ProbeAnswer, TunnelHeader, TunnelKind};

/// Probes that are answered at once, and each second: each costs a signature.
const ANSWERS_MAX: u32 = 64;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Nodes {
    config: Arc<Config>,
    identity: Identity,
    table: BTreeMap<NodeId, Node>,
    /// When each node wants to be looked at.
    wake_ups: BTreeSet<(Instant, NodeId)>,
    last_nonce: u64,
    answers_left: u32,
    answers_at: Instant,
}

/// What is known of one node.
#[derive(Debug)]
struct Node {
    /// The latest life that its own signature tells of.
    incarnation: Option<Incarnation>,
    is_reachable: bool,
    is_neighbour: bool,
    /// It has said itself that it leaves.
    says_goodbye: bool,
    status: Status,
    wake_up_at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    /// Heard of, and not up yet.
    Unknown,
    Up,
    /// A link to it was lost, and it is being asked.
    Doubted(Doubt),
    /// Nothing proves that it is there.
    Suspect(Doubt),
    /// Gone since then; `left` if it said so itself.
    Down {
        since: Instant,
        left: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Doubt {
    since: Instant,
    reason: DownReason,
    nonce: u64,
    asked_at: Instant,
    gave_up_path: bool,
}

impl Nodes {
    pub(super) fn new(config: Arc<Config>, identity: Identity) -> Self {
        Self {
            config,
            identity,
            table: BTreeMap::new(),
            wake_ups: BTreeSet::new(),
            last_nonce: 0,
            answers_left: ANSWERS_MAX,
            answers_at: Instant::ZERO,
        }
    }

    /// How a node is, and which of its lives; `None` for one that was never up.
    pub(super) fn status(&self, node: &NodeId) -> Option<(NodeStatus, Incarnation)> {
        let entry = self.table.get(node)?;
        let status = match entry.status {
            Status::Unknown => return None,
            Status::Up | Status::Doubted(_) => NodeStatus::Up,
            Status::Suspect(_) => NodeStatus::Suspect,
            Status::Down { .. } => NodeStatus::Down,
        };
        Some((status, entry.incarnation?))
    }

    /// Every node that was ever up and is not forgotten, in the order of their ids.
    pub(super) fn iter(&self) -> impl Iterator<Item = (NodeId, NodeStatus, Incarnation)> + '_ {
        self.table.keys().filter_map(|node| {
            let (status, incarnation) = self.status(node)?;
            Some((*node, status, incarnation))
        })
    }

    /// Whether a node has said itself that it leaves.
    pub(super) fn is_leaving(&self, node: &NodeId) -> bool {
        self.table.get(node).is_some_and(|entry| entry.says_goodbye)
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.wake_ups.first().map(|(at, _)| *at)
    }

    /// The node's entry, made if there is room.
    fn entry(&mut self, cx: &mut Cx<'_>, node: NodeId) -> Option<&mut Node> {
        if node == self.identity.node_id() {
            return None;
        }
        if !self.table.contains_key(&node) {
            if self.table.len() >= self.config.limits.nodes_max {
                cx.count("membership.nodes_full");
                return None;
            }
            let fresh = Node {
                incarnation: None,
                is_reachable: false,
                is_neighbour: false,
                says_goodbye: false,
                status: Status::Unknown,
                wake_up_at: Instant::NEVER,
            };
            self.table.insert(node, fresh);
        }
        self.table.get_mut(&node)
    }

    /// A link to the node is there.
    pub(super) fn peer_up(
        &mut self,
        cx: &mut Cx<'_>,
        node: NodeId,
        incarnation: Incarnation,
        out: &mut VecDeque<Out>,
    ) {
        let Some(entry) = self.entry(cx, node) else { return };
        entry.is_neighbour = true;
        self.learned(cx, node, incarnation, out);
        self.refute(cx, node, out);
    }

    /// The last link to the node is gone.
    pub(super) fn peer_down(
        &mut self,
        cx: &mut Cx<'_>,
        node: NodeId,
        incarnation: Incarnation,
        reason: DownReason,
        out: &mut VecDeque<Out>,
    ) {
        let Some(entry) = self.table.get_mut(&node) else { return };
        entry.is_neighbour = false;
        if entry.incarnation.is_some_and(|latest| latest > incarnation) {
            return;
        }
        match reason {
            DownReason::Graceful => {
                cx.mark("membership.node_left");
                self.down(cx, node, reason, true, out);
            }
            DownReason::HeartbeatTimeout if !entry.is_reachable => self.down(cx, node, reason, false, out),
            DownReason::HeartbeatTimeout
            | DownReason::ConnectionClosed
            | DownReason::Refused
            | DownReason::Superseded => {
                if matches!(entry.status, Status::Up) {
                    self.doubt(cx, node, reason, out);
                }
            }
        }
    }

    /// A path leads to the node, or none any more.
    pub(super) fn reachable(
        &mut self,
        cx: &mut Cx<'_>,
        node: NodeId,
        is_reachable: bool,
        out: &mut VecDeque<Out>,
    ) {
        let Some(entry) = self.entry(cx, node) else { return };
        entry.is_reachable = is_reachable;
        if is_reachable {
            match entry.status {
                Status::Unknown | Status::Down { left: false, .. } => self.up_if_proved(cx, node, out),
                // A path is no proof that the node is there: it is asked.
                Status::Suspect(_) | Status::Doubted(_) => self.ask(cx, node, out),
                Status::Up | Status::Down { left: true, .. } => {}
            }
        } else if !entry.is_neighbour {
            match entry.status {
                Status::Up | Status::Doubted(_) | Status::Suspect(_) if entry.says_goodbye => {
                    self.down(cx, node, DownReason::Graceful, true, out);
                }
                // A path that is lost is often found again at once, by asking for a newer sequence number.
                Status::Up => self.doubt(cx, node, DownReason::ConnectionClosed, out),
                Status::Doubted(_) => self.reschedule_doubt(node),
                Status::Unknown | Status::Suspect(_) | Status::Down { .. } => {}
            }
        }
    }

    /// A node has said itself that it leaves: when the last path to it ends, it is gone.
    pub(super) fn left(&mut self, cx: &mut Cx<'_>, node: NodeId, out: &mut VecDeque<Out>) {
        let Some(entry) = self.table.get_mut(&node) else { return };
        entry.says_goodbye = true;
        if !entry.is_reachable && !entry.is_neighbour {
            self.reachable(cx, node, false, out);
        }
    }

    /// The node's own signature says that it lives, or has lived, with this incarnation.
    pub(super) fn learned(
        &mut self,
        cx: &mut Cx<'_>,
        node: NodeId,
        incarnation: Incarnation,
        out: &mut VecDeque<Out>,
    ) {
        let Some(entry) = self.entry(cx, node) else { return };
        match entry.incarnation {
            Some(latest) if latest > incarnation => return,
            Some(latest) if latest == incarnation => {}
            Some(_) | None => {
                let before = entry.incarnation;
                if before.is_some() && !matches!(entry.status, Status::Unknown | Status::Down { .. }) {
                    cx.mark("membership.node_lives_anew");
                    self.down(cx, node, DownReason::Superseded, false, out);
                }
                let Some(entry) = self.table.get_mut(&node) else { return };
                entry.incarnation = Some(incarnation);
                entry.says_goodbye = false;
                if let Status::Down { left, .. } = &mut entry.status {
                    *left = false;
                }
            }
        }
        self.up_if_proved(cx, node, out);
    }

    /// Up is who has a signature of its own life and a path, or a link.
    fn up_if_proved(&mut self, cx: &mut Cx<'_>, node: NodeId, out: &mut VecDeque<Out>) {
        let Some(entry) = self.table.get_mut(&node) else { return };
        let is_away = matches!(entry.status, Status::Unknown | Status::Down { left: false, .. });
        let Some(incarnation) = entry.incarnation.filter(|_| is_away) else { return };
        if entry.is_reachable || entry.is_neighbour {
            cx.mark("membership.node_up");
            entry.status = Status::Up;
            out.push_back(Out::NodeUp { node, incarnation });
            self.reschedule(node, Instant::NEVER);
        }
    }

    /// Begins to ask a node whether it is there.
    fn doubt(&mut self, cx: &mut Cx<'_>, node: NodeId, reason: DownReason, out: &mut VecDeque<Out>) {
        let Some(entry) = self.table.get_mut(&node) else { return };
        cx.mark("membership.node_doubted");
        let doubt = Doubt { since: cx.now, reason, nonce: 0, asked_at: Instant::ZERO, gave_up_path: false };
        entry.status = Status::Doubted(doubt);
        self.ask(cx, node, out);
    }

    fn suspect(&mut self, cx: &mut Cx<'_>, node: NodeId, out: &mut VecDeque<Out>) {
        let Some(entry) = self.table.get_mut(&node) else { return };
        let Status::Doubted(doubt) = entry.status else { return };
        cx.mark("membership.node_suspect");
        entry.status = Status::Suspect(doubt);
        out.push_back(Out::NodeSuspect { node });
        self.reschedule_doubt(node);
    }

    /// Asks the node itself, by every path that there is.
    fn ask(&mut self, cx: &mut Cx<'_>, node: NodeId, out: &mut VecDeque<Out>) {
        self.last_nonce += 1;
        let nonce = self.last_nonce;
        let Some(entry) = self.table.get_mut(&node) else { return };
        let is_reachable = entry.is_reachable;
        if let Status::Doubted(doubt) | Status::Suspect(doubt) = &mut entry.status {
            doubt.asked_at = cx.now;
            if is_reachable {
                doubt.nonce = nonce;
                let header =
                    TunnelHeader { kind: TunnelKind::Probe, from_opener: true, tunnel: nonce, number: 0 };
                let payload = Bytes::copy_from_slice(&header.encode());
                out.push_back(Out::Probe { node, payload });
            }
        }
        self.reschedule_doubt(node);
    }

    /// Answers a probe, within what our signatures may cost.
    pub(super) fn answer(
        &mut self,
        cx: &mut Cx<'_>,
        incarnation: Incarnation,
        asker: NodeId,
        nonce: u64,
        out: &mut VecDeque<Out>,
    ) {
        if cx.now - self.answers_at >= Duration::from_secs(1) {
            self.answers_at = cx.now;
            self.answers_left = ANSWERS_MAX;
        }
        if self.answers_left == 0 {
            return cx.count("membership.probes_over_budget");
        }
        self.answers_left -= 1;
        cx.mark("membership.probe_answered");
        let answer = ProbeAnswer::sign(&self.identity, incarnation, &asker, nonce);
        out.push_back(Out::AnswerProbe { node: asker, payload: answer.payload(nonce).freeze() });
    }

    /// An answer to a probe. Only one that the node itself has signed for this very question counts.
    pub(super) fn answered(
        &mut self,
        cx: &mut Cx<'_>,
        node: NodeId,
        nonce: u64,
        answer: &ProbeAnswer,
        out: &mut VecDeque<Out>,
    ) {
        let Some(Node { status: Status::Doubted(doubt) | Status::Suspect(doubt), .. }) =
            self.table.get(&node)
        else {
            return cx.mark("membership.probe_answer_not_waited_for");
        };
        let is_fresh = doubt.nonce == nonce;
        let crypto = self.config.crypto.clone();
        if !is_fresh || !answer.verify(&node, &self.identity.node_id(), nonce, &*crypto) {
            return cx.count("membership.probe_answer_refused");
        }
        self.learned(cx, node, answer.incarnation, out);
        self.refute(cx, node, out);
    }

    /// The node is there: whatever was suspected is over.
    fn refute(&mut self, cx: &mut Cx<'_>, node: NodeId, out: &mut VecDeque<Out>) {
        let Some(entry) = self.table.get_mut(&node) else { return };
        match entry.status {
            Status::Doubted(_) => entry.status = Status::Up,
            Status::Suspect(_) => {
                cx.mark("membership.suspicion_refuted");
                entry.status = Status::Up;
                out.push_back(Out::NodeRecovered { node });
            }
            Status::Unknown | Status::Up | Status::Down { .. } => return,
        }
        self.reschedule(node, Instant::NEVER);
    }

    fn down(
        &mut self,
        cx: &mut Cx<'_>,
        node: NodeId,
        reason: DownReason,
        left: bool,
        out: &mut VecDeque<Out>,
    ) {
        let Some(entry) = self.table.get_mut(&node) else { return };
        let was_there = !matches!(entry.status, Status::Unknown | Status::Down { .. });
        entry.status = Status::Down { since: cx.now, left };
        let incarnation = entry.incarnation;
        self.reschedule(node, cx.now + self.config.timing.forget_after);
        if let Some(incarnation) = incarnation.filter(|_| was_there) {
            cx.mark("membership.node_down");
            if !injected!(cx, "node-down-unsaid") {
                out.push_back(Out::NodeDown { node, incarnation, reason });
            }
        }
    }

    fn reschedule(&mut self, node: NodeId, at: Instant) {
        let Some(entry) = self.table.get_mut(&node) else { return };
        self.wake_ups.remove(&(entry.wake_up_at, node));
        entry.wake_up_at = at;
        if at < Instant::NEVER {
            self.wake_ups.insert((at, node));
        }
    }

    /// The next time at which something follows from a doubt.
    fn reschedule_doubt(&mut self, node: NodeId) {
        let timing = &self.config.timing;
        let Some(entry) = self.table.get(&node) else { return };
        let at = match entry.status {
            Status::Doubted(doubt) => {
                let suspect_at = doubt.since + Self::patience(timing, entry.is_reachable);
                suspect_at.min(doubt.asked_at + timing.keepalive_interval)
            }
            Status::Suspect(doubt) => {
                let mut at =
                    (doubt.since + timing.down_after).min(doubt.asked_at + timing.keepalive_interval);
                if !doubt.gave_up_path {
                    at = at.min(doubt.since + timing.path_patience);
                }
                at
            }
            _ => return,
        };
        self.reschedule(node, at);
    }

    /// How long a node is doubted before it is suspect.
    fn patience(timing: &Timing, is_reachable: bool) -> Duration {
        let silence = timing.keepalive_interval * timing.suspect_after_missed;
        if is_reachable { silence } else { timing.path_patience.min(silence) }
    }

    /// Looks at the nodes whose time has come.
    pub(super) fn wake(&mut self, cx: &mut Cx<'_>, out: &mut VecDeque<Out>) {
        let mut due: Vec<NodeId> = Vec::new();
        while let Some((at, node)) = self.wake_ups.first().copied().filter(|(at, _)| *at <= cx.now) {
            self.wake_ups.remove(&(at, node));
            due.push(node);
        }
        for node in due {
            if let Some(entry) = self.table.get_mut(&node) {
                entry.wake_up_at = Instant::NEVER;
            }
            self.wake_node(cx, node, out);
        }
    }

    fn wake_node(&mut self, cx: &mut Cx<'_>, node: NodeId, out: &mut VecDeque<Out>) {
        let timing = self.config.timing.clone();
        let Some(entry) = self.table.get_mut(&node) else { return };
        let is_reachable = entry.is_reachable;
        match &mut entry.status {
            Status::Down { since, .. } if cx.now - *since >= timing.forget_after => {
                cx.mark("membership.node_forgotten");
                self.table.remove(&node);
                return out.push_back(Out::Forget { node });
            }
            Status::Doubted(doubt) | Status::Suspect(doubt) if cx.now - doubt.since >= timing.down_after => {
                let reason = doubt.reason;
                return self.down(cx, node, reason, false, out);
            }
            Status::Doubted(doubt) if cx.now - doubt.since >= Self::patience(&timing, is_reachable) => {
                self.suspect(cx, node, out);
            }
            _ => {}
        }
        if let Some(Node { status: Status::Suspect(doubt), .. }) = self.table.get_mut(&node)
            && !doubt.gave_up_path
            && cx.now - doubt.since >= timing.path_patience
        {
            doubt.gave_up_path = true;
            if !is_reachable {
                cx.mark("membership.path_given_up");
                out.push_back(Out::GiveUpPath { node });
            }
        }
        let asked_at = match self.table.get(&node).map(|entry| entry.status) {
            Some(Status::Doubted(doubt) | Status::Suspect(doubt)) => doubt.asked_at,
            _ => return,
        };
        if cx.now - asked_at >= timing.keepalive_interval {
            self.ask(cx, node, out);
        } else {
            self.reschedule_doubt(node);
        }
    }
}
