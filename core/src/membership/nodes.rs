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
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

use super::{DownReason, NodeStatus, Out};
use crate::config::{Config, Timing};
use crate::identity::{Identity, Incarnation, NodeId};
use crate::link::LinkId;
use crate::machine::{Cx, injected};
use crate::time::Instant;
use crate::wire::body::{ProbeAnswer, TunnelHeader, TunnelKind};

/// Probes that are answered in a second, of all neighbours together: each costs a signature.
const ANSWERS_MAX: u32 = 1_024;
/// And of those that one neighbour brings.
const ANSWERS_PER_LINK_MAX: u32 = 64;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Nodes {
    config: Arc<Config>,
    identity: Identity,
    table: BTreeMap<NodeId, Node>,
    /// When each node wants to be looked at.
    wake_ups: BTreeSet<(Instant, NodeId)>,
    /// Where nonces come from: nobody can collect answers before they are asked for.
    nonces: ChaCha8Rng,
    answers: Budget,
    answers_of_links: BTreeMap<LinkId, Budget>,
}

/// What is left of a second's allowance.
#[derive(Debug)]
struct Budget {
    since: Instant,
    left: u32,
}

impl Budget {
    /// Whether one more is within the allowance.
    fn take(&mut self, now: Instant, max: u32) -> bool {
        if now - self.since >= Duration::from_secs(1) {
            (self.since, self.left) = (now, max);
        }
        let there = self.left > 0;
        self.left -= u32::from(there);
        there
    }
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
    /// Gone since then; `left` if it said so itself. While a path leads there it is asked now and then, by this nonce.
    Down {
        since: Instant,
        left: bool,
        nonce: u64,
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
    pub(super) fn new(config: Arc<Config>, identity: Identity, nonces: ChaCha8Rng) -> Self {
        Self {
            config,
            identity,
            table: BTreeMap::new(),
            wake_ups: BTreeSet::new(),
            nonces,
            answers: Budget { since: Instant::ZERO, left: ANSWERS_MAX },
            answers_of_links: BTreeMap::new(),
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

    /// The node's entry, made if there is room. Only what can be reached has one, or has had one: whoever makes up nodes
    /// needs paths to them, of which there are only so many.
    fn entry(&mut self, cx: &mut Cx<'_>, node: NodeId, out: &mut VecDeque<Out>) -> Option<&mut Node> {
        if node == self.identity.node_id() {
            return None;
        }
        if !self.table.contains_key(&node) {
            if self.table.len() >= self.config.limits.nodes_max && !self.make_room(cx, out) {
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

    /// Forgets the node that has been down for longest.
    fn make_room(&mut self, cx: &mut Cx<'_>, out: &mut VecDeque<Out>) -> bool {
        let is_down = |entry: &Node| matches!(entry.status, Status::Down { .. });
        // Whatever else waits is due before.
        let later =
            (cx.now + self.config.timing.down_after + Duration::from_nanos(1), NodeId::from_bytes([0; 32]));
        let oldest = self.wake_ups.range(later..).next().map(|(_, node)| *node);
        let Some(node) = oldest.filter(|node| self.table.get(node).is_some_and(is_down)) else {
            return false;
        };
        cx.mark("membership.node_forgotten");
        self.remove(node);
        out.push_back(Out::Forget { node });
        true
    }

    fn remove(&mut self, node: NodeId) {
        if let Some(entry) = self.table.remove(&node) {
            self.wake_ups.remove(&(entry.wake_up_at, node));
        }
    }

    /// A link to the node is there.
    pub(super) fn peer_up(
        &mut self,
        cx: &mut Cx<'_>,
        node: NodeId,
        incarnation: Incarnation,
        out: &mut VecDeque<Out>,
    ) {
        let Some(entry) = self.entry(cx, node, out) else { return };
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
        if matches!(entry.status, Status::Unknown) && !entry.is_reachable {
            return self.remove(node);
        }
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

    /// A path leads to the node; `signed` is the life that its announcement is of, where there is one.
    pub(super) fn reachable(
        &mut self,
        cx: &mut Cx<'_>,
        node: NodeId,
        signed: Option<Incarnation>,
        out: &mut VecDeque<Out>,
    ) {
        let Some(entry) = self.entry(cx, node, out) else { return };
        entry.is_reachable = true;
        match entry.status {
            Status::Unknown => {
                entry.incarnation = entry.incarnation.max(signed);
                self.up_if_proved(cx, node, out);
            }
            // A path is no proof that the node is there: it is asked.
            Status::Suspect(_) | Status::Doubted(_) | Status::Down { left: false, .. } => {
                self.ask(cx, node, out);
            }
            Status::Up | Status::Down { left: true, .. } => {}
        }
    }

    /// No path leads to the node any more.
    pub(super) fn unreachable(&mut self, cx: &mut Cx<'_>, node: NodeId, out: &mut VecDeque<Out>) {
        let Some(entry) = self.table.get_mut(&node) else { return };
        entry.is_reachable = false;
        if !entry.is_neighbour {
            match entry.status {
                Status::Up | Status::Doubted(_) | Status::Suspect(_) if entry.says_goodbye => {
                    self.down(cx, node, DownReason::Graceful, true, out);
                }
                // A path that is lost is often found again at once, by asking for a newer sequence number.
                Status::Up => self.doubt(cx, node, DownReason::ConnectionClosed, out),
                Status::Doubted(_) | Status::Down { .. } => self.reschedule_doubt(node),
                Status::Unknown => self.remove(node),
                Status::Suspect(_) => {}
            }
        }
    }

    /// A node has said itself that this life of it leaves: when the last path to it ends, it is gone.
    pub(super) fn left(
        &mut self,
        cx: &mut Cx<'_>,
        node: NodeId,
        incarnation: Incarnation,
        out: &mut VecDeque<Out>,
    ) {
        let Some(entry) = self.table.get_mut(&node) else { return };
        if entry.incarnation.is_some_and(|latest| latest > incarnation) {
            return cx.mark("membership.older_life_left");
        }
        entry.says_goodbye = true;
        if !entry.is_reachable && !entry.is_neighbour {
            self.unreachable(cx, node, out);
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
        let Some(entry) = self.table.get_mut(&node) else { return };
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
        let fresh = self.nonces.next_u64();
        let Some(entry) = self.table.get_mut(&node) else { return };
        let is_reachable = entry.is_reachable;
        let nonce = match &mut entry.status {
            Status::Doubted(doubt) | Status::Suspect(doubt) => {
                doubt.asked_at = cx.now;
                Some(&mut doubt.nonce)
            }
            Status::Down { nonce, .. } => Some(nonce),
            Status::Unknown | Status::Up => None,
        };
        if let Some(nonce) = nonce.filter(|_| is_reachable) {
            *nonce = fresh;
            let header =
                TunnelHeader { kind: TunnelKind::Probe, from_opener: true, tunnel: fresh, number: 0 };
            let payload = Bytes::copy_from_slice(&header.encode());
            out.push_back(Out::Probe { node, payload });
        }
        if is_reachable && matches!(entry.status, Status::Down { .. }) {
            self.reschedule(node, cx.now + self.config.timing.down_after);
        } else {
            self.reschedule_doubt(node);
        }
    }

    /// Nobody asks by this link any more.
    pub(super) fn link_closed(&mut self, link: LinkId) {
        self.answers_of_links.remove(&link);
    }

    /// Answers a probe, within what our signatures may cost.
    pub(super) fn answer(
        &mut self,
        cx: &mut Cx<'_>,
        incarnation: Incarnation,
        (link, asker): (LinkId, NodeId),
        nonce: u64,
        out: &mut VecDeque<Out>,
    ) {
        // By link, because nothing proves who asks: whoever asks too much uses up what others may ask by the same one.
        let of_link =
            self.answers_of_links.entry(link).or_insert(Budget { since: cx.now, left: ANSWERS_PER_LINK_MAX });
        if !of_link.take(cx.now, ANSWERS_PER_LINK_MAX) || !self.answers.take(cx.now, ANSWERS_MAX) {
            return cx.count("membership.probes_over_budget");
        }
        cx.mark("membership.probe_answered");
        let answer = ProbeAnswer::sign(&self.identity, incarnation, &asker, nonce);
        out.push_back(Out::AnswerProbe { link, node: asker, payload: answer.payload(nonce).freeze() });
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
        let asked = match self.table.get(&node).map(|entry| entry.status) {
            Some(Status::Doubted(doubt) | Status::Suspect(doubt)) => doubt.nonce,
            Some(Status::Down { left: false, nonce, .. }) => nonce,
            _ => return cx.mark("membership.probe_answer_not_waited_for"),
        };
        let is_fresh = asked == nonce && nonce != 0;
        let crypto = self.config.crypto.clone();
        if !is_fresh || !answer.verify(&node, &self.identity.node_id(), nonce, &*crypto) {
            return cx.count("membership.probe_answer_refused");
        }
        self.learned(cx, node, answer.incarnation, out);
        self.refute(cx, node, out);
    }

    /// A node to which a way leads is too far away to be asked. The way is all that tells of it, as when it came up.
    pub(super) fn too_far_to_ask(&mut self, cx: &mut Cx<'_>, node: NodeId, out: &mut VecDeque<Out>) {
        cx.mark("membership.too_far_to_ask");
        self.refute(cx, node, out);
        self.up_if_proved(cx, node, out);
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
        entry.status = Status::Down { since: cx.now, left, nonce: 0 };
        let incarnation = entry.incarnation;
        self.reschedule_doubt(node);
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
            // One to which a path leads may only have been slow to answer.
            Status::Down { since, left: false, .. } if entry.is_reachable => since + timing.down_after,
            Status::Down { since, .. } => since + timing.forget_after,
            Status::Unknown | Status::Up => return,
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
            Status::Down { left: false, .. } if is_reachable => return self.ask(cx, node, out),
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
