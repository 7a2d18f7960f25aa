//! Who is alive: neighbours by their links, everybody else by the paths that lead there. Which link counts where there are
//! two, which instance where there are two, and which addresses are dialled.

mod dialling;
mod door;
mod nodes;
mod seeking;
mod tunnels;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;

use rand_chacha::ChaCha8Rng;

use self::dialling::Dialling;
pub use self::door::{DialFailure, DialId, DownReason, NodeStatus, PeerInfo};
pub(crate) use self::door::{In, Out};
use self::nodes::Nodes;
use crate::address::Address;
use crate::code::CloseReason;
use crate::config::Config;
use crate::identity::{Identity, Incarnation, NodeId, SignedIncarnation};
use crate::link::LinkId;
use crate::machine::{Cx, Machine, injected};
use crate::session::ProvenPeer;
use crate::time::Instant;
use crate::wire::body::Hello;

/// The machine.
#[derive(Debug)]
pub(crate) struct Membership {
    config: Arc<Config>,
    own: NodeId,
    incarnation: Incarnation,
    dialling: Dialling,
    links: BTreeMap<LinkId, LinkEntry>,
    /// Those of them that another one has replaced, or that say goodbye: few, while there may be many links.
    retiring: BTreeSet<LinkId>,
    neighbours: BTreeMap<NodeId, Neighbour>,
    /// The latest incarnation of every node that was ever here, as its owner signed it.
    seen: BTreeMap<NodeId, SignedIncarnation>,
    /// Nodes by when they were first seen, oldest first.
    seen_order: VecDeque<NodeId>,
    leaving: bool,
    /// The proof that a peer has just given of a later incarnation of this node, until its goodbye says what follows.
    overtaken_by: Option<(LinkId, Incarnation)>,
    /// When this node last took a new incarnation because the mesh knew a later one.
    adopted_at: Option<Instant>,
    /// Every node of the mesh, neighbour or not.
    nodes: Nodes,
    /// When more neighbours are looked for, if there are too few.
    seek_at: Instant,
    out: VecDeque<Out>,
}

/// A link that is there.
#[derive(Debug)]
struct LinkEntry {
    /// `None` for a tunnel.
    remote_addr: Option<SocketAddr>,
    /// Whether this side dialled.
    dialled: bool,
    /// Who is there, once that is proved.
    proof: Option<(NodeId, Incarnation)>,
    proved_at: Instant,
    hello: Option<Hello>,
    suspect: bool,
    goodbyes: Goodbyes,
    /// Set once another link has replaced it.
    retirement: Option<Retirement>,
}

/// Who has said goodbye on a link.
#[derive(Debug, Default)]
struct Goodbyes {
    /// It was asked for and leaves once everything queued has left.
    asked: bool,
    sent: bool,
    heard: bool,
}

/// The last phase of a link that another one has replaced.
#[derive(Debug)]
struct Retirement {
    /// When it is closed whether or not it is idle.
    until: Instant,
    /// Whether it falls to this side to say goodbye first.
    we_decide: bool,
    /// Whether all its calls have ended.
    idle: bool,
    /// Whether its time is over: a tunnel ends as soon as it is idle, whatever the other side says.
    over: bool,
}

impl Retirement {
    fn new(until: Instant, we_decide: bool) -> Self {
        Self { until, we_decide, idle: false, over: false }
    }
}

impl LinkEntry {
    fn new(remote_addr: Option<SocketAddr>, dialled: bool, now: Instant) -> Self {
        Self {
            remote_addr,
            dialled,
            proof: None,
            proved_at: now,
            hello: None,
            suspect: false,
            goodbyes: Goodbyes::default(),
            retirement: None,
        }
    }

    /// Whether new calls may go over it.
    fn is_usable(&self) -> bool {
        self.proof.is_some() && !self.goodbyes.asked && !self.goodbyes.heard
    }

    fn node(&self) -> Option<NodeId> {
        self.proof.map(|(node, _)| node)
    }
}

/// A node with at least one proved link.
#[derive(Debug)]
struct Neighbour {
    incarnation: Incarnation,
    /// The link that new calls take.
    link: LinkId,
    up_since: Instant,
    suspect: bool,
    /// Since when an older life has claimed to be this node.
    challenged_at: Option<Instant>,
}

impl Membership {
    pub(crate) fn new(
        config: Arc<Config>,
        identity: Identity,
        incarnation: Incarnation,
        rng: ChaCha8Rng,
    ) -> Self {
        let own = identity.node_id();
        let mut nonces = rng.clone();
        // A stream of its own, far from those of other machines.
        nonces.set_stream(rng.get_stream() | 1 << 32);
        Self {
            nodes: Nodes::new(config.clone(), identity, nonces),
            config,
            own,
            incarnation,
            dialling: Dialling::new(rng),
            links: BTreeMap::new(),
            retiring: BTreeSet::new(),
            neighbours: BTreeMap::new(),
            seen: BTreeMap::new(),
            seen_order: VecDeque::new(),
            leaving: false,
            adopted_at: None,
            overtaken_by: None,
            seek_at: Instant::ZERO,
            out: VecDeque::new(),
        }
    }

    pub(crate) fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    pub(crate) fn configured_len(&self) -> usize {
        self.dialling.len()
    }

    pub(crate) fn disconnect(&mut self, addr: &Address) -> bool {
        self.dialling.remove(addr)
    }

    pub(crate) fn was_dial_asked(&self, dial: DialId) -> bool {
        self.dialling.was_asked(dial)
    }

    pub(crate) fn peers(&self) -> Vec<PeerInfo> {
        self.neighbours.iter().filter_map(|(node, neighbour)| self.info(*node, neighbour)).collect()
    }

    /// How a node of the mesh is, and which of its lives.
    pub(crate) fn status(&self, node: &NodeId) -> Option<(NodeStatus, Incarnation)> {
        self.nodes.status(node)
    }

    /// Whether a node has said itself that it leaves.
    pub(crate) fn is_leaving(&self, node: &NodeId) -> bool {
        self.nodes.is_leaving(node)
    }

    /// Every node of the mesh that is known, this one left out, in the order of their ids.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = (NodeId, NodeStatus, Incarnation)> + '_ {
        self.nodes.iter()
    }

    fn info(&self, node: NodeId, neighbour: &Neighbour) -> Option<PeerInfo> {
        let entry = self.links.get(&neighbour.link)?;
        let hello = entry.hello.as_ref()?;
        Some(PeerInfo {
            node,
            incarnation: neighbour.incarnation,
            label: hello.label.clone(),
            addrs: hello.addrs.clone(),
            link: neighbour.link,
            remote_addr: entry.remote_addr?,
            suspect: neighbour.suspect,
        })
    }

    pub(crate) fn gauges(&self, mut gauge: impl FnMut(&'static str, usize, usize, bool)) {
        let limits = &self.config.limits;
        gauge("membership.neighbours", self.neighbours.len(), limits.links_max, false);
        gauge("membership.configured_peers", self.dialling.len(), limits.configured_peers_max, false);
        gauge("membership.nodes_seen", self.seen.len(), limits.remembered_peers_max, false);
        let retiring = self.retirements().count();
        gauge("membership.retiring_links", retiring, limits.links_max + limits.tunnels_max, true);
        gauge("membership.nodes", self.nodes.len(), limits.nodes_max, false);
    }

    fn stream_up(&mut self, cx: &mut Cx<'_>, link: LinkId, dial: Option<DialId>, remote_addr: SocketAddr) {
        let dialled = match dial.map(|dial| self.dialling.opened(dial, link)) {
            None if self.leaving => return self.out.push_back(Out::Discard { link }),
            None => None,
            Some(Some(addr)) => Some(addr),
            Some(None) => {
                cx.mark("membership.stream_came_too_late");
                return self.out.push_back(Out::Discard { link });
            }
        };
        self.links.insert(link, LinkEntry::new(Some(remote_addr), dialled.is_some(), cx.now));
        self.out.push_back(Out::Accept { link, dialled, remote_addr });
    }

    /// A peer proved who it is. Is it the node's latest life, and is this the link to keep?
    fn proved(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkId,
        peer: ProvenPeer,
        hello: Hello,
        message_bytes_max: usize,
    ) {
        let node = peer.node_id;
        let incarnation = peer.incarnation.incarnation;
        if node == self.own {
            return self.met_a_copy(cx, link, incarnation);
        }
        if let Some(seen) = self.seen.get(&node).filter(|seen| seen.incarnation > incarnation).copied() {
            return self.refuse_older_life(cx, node, link, seen);
        }
        self.see(node, peer.incarnation);
        self.dialling.proved(link, node);
        if let Some(entry) = self.links.get_mut(&link) {
            entry.proof = Some((node, incarnation));
            entry.proved_at = cx.now;
            entry.hello = Some(hello);
        }
        self.end_older_life(cx, node, link, peer.incarnation);
        self.out.push_back(Out::Bind { link, node, incarnation, message_bytes_max });
        match self.neighbours.get(&node).map(|neighbour| neighbour.link) {
            None => self.node_up(cx, node, incarnation, link),
            Some(other) => self.choose(cx, node, other, link),
        }
        if self.leaving {
            self.say_goodbye(link, CloseReason::Graceful);
        }
    }

    /// Somebody else has this node's key. The older of the two gives way.
    fn met_a_copy(&mut self, cx: &mut Cx<'_>, link: LinkId, incarnation: Incarnation) {
        cx.count("membership.met_a_copy");
        if incarnation > self.incarnation {
            self.give_way(cx, incarnation);
        }
        self.out.push_back(Out::Close { link, reason: CloseReason::Superseded, stale: None });
    }

    /// This node has a later life somewhere else: it stops dialling and says so.
    fn give_way(&mut self, cx: &mut Cx<'_>, by: Incarnation) {
        cx.mark("membership.superseded");
        self.dialling.stop();
        self.out.push_back(Out::Superseded { by });
    }

    /// An older life of a node than one we know. If that one lives, this is its copy and must stop; else this is the node
    /// itself, which has forgotten where it was and must catch up.
    fn refuse_older_life(&mut self, cx: &mut Cx<'_>, node: NodeId, link: LinkId, seen: SignedIncarnation) {
        let (reason, stale) = match self.neighbours.get_mut(&node) {
            None => {
                cx.count("membership.stale_refused");
                (CloseReason::StaleIncarnation, Some(seen))
            }
            Some(neighbour) => {
                // What looks alive may be the stream of a life that has just crashed. Only one that is still there after
                // the time in which that would have been found out makes the other a copy.
                let since = *neighbour.challenged_at.get_or_insert(cx.now);
                self.out.push_back(Out::Poke { link: neighbour.link });
                let proved_alive = cx.now - since > self.config.timing.down_after;
                cx.count(if proved_alive { "membership.copy_refused" } else { "membership.copy_suspected" });
                (CloseReason::Superseded, proved_alive.then_some(seen))
            }
        };
        self.out.push_back(Out::Close { link, reason, stale });
    }

    fn see(&mut self, node: NodeId, incarnation: SignedIncarnation) {
        if self.seen.insert(node, incarnation).is_some() {
            return;
        }
        self.seen_order.push_back(node);
        while self.seen.len() > self.config.limits.remembered_peers_max {
            let absent = |node: &NodeId| !self.neighbours.contains_key(node);
            let Some(position) = self.seen_order.iter().position(absent) else { return };
            if let Some(oldest) = self.seen_order.remove(position) {
                self.seen.remove(&oldest);
            }
        }
    }

    fn node_up(&mut self, cx: &mut Cx<'_>, node: NodeId, incarnation: Incarnation, link: LinkId) {
        cx.mark("membership.peer_up");
        let neighbour =
            Neighbour { incarnation, link, up_since: cx.now, suspect: false, challenged_at: None };
        let info = self.info(node, &neighbour);
        self.neighbours.insert(node, neighbour);
        self.dialling.node_up(node);
        self.out.push_back(Out::Prefer { node, link });
        self.retire_tunnels_to(node);
        self.out.extend(info.map(Out::PeerUp));
        self.nodes.peer_up(cx, node, incarnation, &mut self.out);
    }

    /// If a newer life of a node is here, the older one is over, whatever its links say.
    fn end_older_life(
        &mut self,
        cx: &mut Cx<'_>,
        node: NodeId,
        newer_link: LinkId,
        newer: SignedIncarnation,
    ) {
        let is_older = |entry: &LinkEntry| {
            entry.proof.is_some_and(|(own, incarnation)| own == node && incarnation < newer.incarnation)
        };
        let older: Vec<LinkId> =
            self.links.iter().filter(|(_, entry)| is_older(entry)).map(|(link, _)| *link).collect();
        for link in older {
            cx.mark("membership.newer_life");
            // If somebody still lives there, it has a copy of the key, and the proof tells it to stop.
            self.out.push_back(Out::Close { link, reason: CloseReason::Superseded, stale: Some(newer) });
            self.forget_link(link);
        }
        if self.neighbours.get(&node).is_some_and(|neighbour| neighbour.incarnation < newer.incarnation) {
            self.node_down(cx, node, DownReason::Superseded);
            self.dialling.proved(newer_link, node);
        }
    }

    /// A node has announced itself, perhaps in a newer life than the one that there are links to: that one is over.
    fn learned(&mut self, cx: &mut Cx<'_>, node: NodeId, incarnation: Incarnation) {
        let is_older = |link: LinkId, entry: &LinkEntry| {
            !link.is_tunnel() && entry.proof.is_some_and(|(own, older)| own == node && older < incarnation)
        };
        let older: Vec<LinkId> = self
            .links
            .iter()
            .filter(|(link, entry)| is_older(**link, entry))
            .map(|(link, _)| *link)
            .collect();
        for link in older {
            cx.mark("membership.newer_life_announced");
            self.forget_link(link);
            self.out.push_back(Out::Close { link, reason: CloseReason::Superseded, stale: None });
        }
        if self.neighbours.get(&node).is_some_and(|neighbour| neighbour.incarnation < incarnation) {
            self.node_down(cx, node, DownReason::Superseded);
        }
        self.nodes.learned(cx, node, incarnation, &mut self.out);
    }

    /// Two links to one node: the one dialled by the smaller id stays, or the newer one of two by the same side. The
    /// dialler of the one that stays says goodbye on the other, so that each side finishes its calls there first.
    fn choose(&mut self, cx: &mut Cx<'_>, node: NodeId, old: LinkId, new: LinkId) {
        let dialled = |link: LinkId| self.links.get(&link).is_some_and(|entry| entry.dialled);
        let we_are_smaller = self.own < node;
        // A peer that has been connected for a while dials again only if it has lost that link, which then is dead.
        let at_once = self.links.get(&old).is_some_and(|entry| {
            entry.is_usable()
                && !entry.suspect
                && cx.now - entry.proved_at < self.config.timing.handshake_timeout
        });
        let (keep, drop) = match (dialled(old), dialled(new)) {
            (true, false) if at_once && we_are_smaller => (old, new),
            (false, true) if at_once && !we_are_smaller => (old, new),
            _ => (new, old),
        };
        let we_decide = dialled(keep);
        cx.mark(if we_decide {
            "membership.second_link_ours_to_end"
        } else {
            "membership.second_link_theirs_to_end"
        });
        if injected!(cx, "both-links-dropped") && !we_decide {
            self.out.push_back(Out::Close { link: keep, reason: CloseReason::Superseded, stale: None });
        }
        self.prefer(node, keep);
        if injected!(cx, "peer-up-twice") {
            let again = self.neighbours.get(&node).and_then(|neighbour| self.info(node, neighbour));
            self.out.extend(again.map(Out::PeerUp));
        }
        // The two sides may disagree, if they saw the links in different order. Whoever is not obeyed by then says
        // goodbye on its own, and not both at once.
        let patience = if we_are_smaller { 2 } else { 3 };
        if let Some(entry) = self.links.get_mut(&drop) {
            let until = cx.now + self.config.timing.retire_timeout * patience / 2;
            entry.retirement = Some(Retirement::new(until, we_decide));
            self.retiring.insert(drop);
        }
        self.out.push_back(Out::Poke { link: drop });
        self.out.push_back(Out::Retire { link: drop });
        self.advance_retirement(drop);
    }

    /// Lets new calls to a node take this link, whose state is from now on the node's.
    fn prefer(&mut self, node: NodeId, link: LinkId) {
        let suspect = self.links.get(&link).is_some_and(|entry| entry.suspect);
        if let Some(neighbour) = self.neighbours.get_mut(&node) {
            neighbour.link = link;
        }
        self.out.push_back(Out::Prefer { node, link });
        self.set_suspect(link, suspect);
    }

    fn say_goodbye(&mut self, link: LinkId, reason: CloseReason) {
        if let Some(entry) = self.links.get_mut(&link)
            && !entry.goodbyes.asked
        {
            entry.goodbyes.asked = true;
            self.out.push_back(Out::Goodbye { link, reason });
        }
    }

    /// A retiring link goes on towards its end: goodbye from the side that decides, goodbye from the other, close.
    fn advance_retirement(&mut self, link: LinkId) {
        let Some(entry) = self.links.get(&link) else { return };
        let Some(Retirement { we_decide, idle, .. }) = entry.retirement else { return };
        // A goodbye says only that no calls will be started here; those that are open go on.
        if we_decide || idle && entry.goodbyes.heard {
            self.say_goodbye(link, CloseReason::Superseded);
        }
        let Some(entry) = self.links.get(&link) else { return };
        if link.is_tunnel() {
            return self.advance_tunnel(link);
        }
        if idle && we_decide && entry.goodbyes.sent && entry.goodbyes.heard {
            self.out.push_back(Out::Close { link, reason: CloseReason::Superseded, stale: None });
        }
    }

    /// The time of a link is over that another one has replaced. What is left of it ends, unless that is a stream: nobody can say
    /// how long one takes, and it says itself when nothing moves.
    fn end_retirement(&mut self, cx: &mut Cx<'_>, link: LinkId, in_use: bool) {
        let Some(entry) = self.links.get_mut(&link) else { return };
        let Some(retirement) = &mut entry.retirement else { return };
        if in_use {
            cx.mark("membership.retirement_prolonged");
            retirement.until = cx.now + self.config.timing.retire_timeout;
            return;
        }
        entry.retirement = None;
        self.out.push_back(Out::Close { link, reason: CloseReason::Superseded, stale: None });
    }

    fn goodbye(&mut self, cx: &mut Cx<'_>, link: LinkId, reason: CloseReason) {
        let Some(entry) = self.links.get_mut(&link) else { return };
        if core::mem::replace(&mut entry.goodbyes.heard, true) {
            return;
        }
        let Some((node, incarnation)) = entry.proof else { return };
        if link.is_tunnel() {
            self.tunnel_goodbye(link);
        } else if reason == CloseReason::Superseded && entry.retirement.is_none() {
            let until = cx.now + self.config.timing.retire_timeout;
            entry.retirement = Some(Retirement::new(until, false));
            self.retiring.insert(link);
            self.out.push_back(Out::Retire { link });
        }
        if self.neighbours.get(&node).is_some_and(|neighbour| neighbour.link == link)
            && !self.promote(cx, node)
        {
            cx.mark("membership.peer_leaves");
            if reason == CloseReason::Graceful {
                self.nodes.left(cx, node, incarnation, &mut self.out);
            }
            self.out.push_back(Out::Unlist { node });
            self.prefer_tunnel(node);
        }
        if link.is_tunnel() {
            self.out.push_back(Out::Unprefer { node, link });
            self.prefer_other_tunnel(node);
        }
        self.advance_retirement(link);
    }

    /// Makes another usable link of a node the preferred one. `false` if there is none.
    fn promote(&mut self, cx: &mut Cx<'_>, node: NodeId) -> bool {
        let usable = |link: LinkId, entry: &LinkEntry| {
            !link.is_tunnel() && entry.node() == Some(node) && entry.is_usable()
        };
        let Some(link) = self.links.iter().find(|(link, entry)| usable(**link, entry)).map(|(link, _)| *link)
        else {
            return false;
        };
        cx.mark("membership.other_link_promoted");
        if let Some(entry) = self.links.get_mut(&link) {
            entry.retirement = None;
        }
        self.prefer(node, link);
        true
    }

    /// The links that another one has replaced, or that say goodbye.
    fn retirements(&self) -> impl Iterator<Item = (LinkId, &Retirement)> {
        let retirement = |link: &LinkId| Some((*link, self.links.get(link)?.retirement.as_ref()?));
        self.retiring.iter().filter_map(retirement)
    }

    fn forget_link(&mut self, link: LinkId) -> Option<LinkEntry> {
        self.retiring.remove(&link);
        self.links.remove(&link)
    }

    fn link_closed(&mut self, cx: &mut Cx<'_>, link: LinkId, reason: CloseReason) {
        let is_self = reason == CloseReason::SelfConnection;
        self.dialling.link_closed(cx, &self.config.timing, link, is_self);
        self.nodes.link_closed(link);
        let Some(entry) = self.forget_link(link) else { return };
        let Some(node) = entry.node() else { return };
        if self.neighbours.get(&node).is_none_or(|neighbour| neighbour.link != link) || self.promote(cx, node)
        {
            return;
        }
        self.node_down(cx, node, DownReason::of(reason));
    }

    fn node_down(&mut self, cx: &mut Cx<'_>, node: NodeId, reason: DownReason) {
        let Some(neighbour) = self.neighbours.remove(&node) else { return };
        cx.mark("membership.peer_down");
        // A link that another had replaced may still have had calls to finish. With the node they fail, before its end is
        // told.
        let proof = Some((node, neighbour.incarnation));
        let left: Vec<LinkId> = self
            .links
            .iter()
            .filter(|(link, entry)| !link.is_tunnel() && entry.proof == proof)
            .map(|(link, _)| *link)
            .collect();
        for link in left {
            cx.mark("membership.retiring_link_ended_with_its_node");
            self.forget_link(link);
            self.out.push_back(Out::Close { link, reason: CloseReason::Superseded, stale: None });
        }
        self.dialling.node_down(cx, &self.config.timing, node, cx.now - neighbour.up_since);
        self.out.push_back(Out::Unlist { node });
        self.prefer_tunnel(node);
        self.out.push_back(Out::PeerDown { node, incarnation: neighbour.incarnation, reason });
        self.nodes.peer_down(cx, node, neighbour.incarnation, reason, &mut self.out);
        self.dial_due(cx);
    }

    fn set_suspect(&mut self, link: LinkId, suspect: bool) {
        let Some(entry) = self.links.get_mut(&link) else { return };
        entry.suspect = suspect;
        let Some(node) = entry.node() else { return };
        if let Some(neighbour) = self.neighbours.get_mut(&node)
            && neighbour.link == link
            && neighbour.suspect != suspect
        {
            neighbour.suspect = suspect;
            self.out.push_back(if suspect { Out::PeerSuspect { node } } else { Out::PeerRecovered { node } });
        }
    }

    /// A peer proved, with our own signature, that a later incarnation of this node has been seen.
    fn stale(&mut self, cx: &mut Cx<'_>, link: LinkId, newer: SignedIncarnation) {
        if newer.incarnation <= self.incarnation {
            return;
        }
        // The goodbye in the same record tells the two cases apart: it is handled right after this.
        if let Some(entry) = self.links.get_mut(&link) {
            let until = cx.now + self.config.timing.retire_timeout;
            entry.retirement.get_or_insert(Retirement::new(until, false));
            self.retiring.insert(link);
        }
        self.overtaken_by = Some((link, newer.incarnation));
    }

    /// What a peer's goodbye means for a node whose incarnation it has just proved to be overtaken.
    fn settle_stale(&mut self, cx: &mut Cx<'_>, link: LinkId, reason: CloseReason) {
        let Some((_, newer)) = self.overtaken_by.take_if(|(told_on, _)| *told_on == link) else { return };
        if reason == CloseReason::StaleIncarnation {
            cx.mark("membership.incarnation_adopted");
            self.incarnation = newer.after();
            self.out.push_back(Out::Reincarnate { incarnation: self.incarnation });
            self.close_all(CloseReason::StaleIncarnation);
            self.dialling.retry_now(cx.now);
        } else {
            self.give_way(cx, newer);
        }
    }

    /// Dials no more, and says goodbye to everybody.
    fn leave(&mut self) {
        self.leaving = true;
        self.dialling.stop();
        let proved: Vec<LinkId> =
            self.links.iter().filter(|(_, entry)| entry.proof.is_some()).map(|(link, _)| *link).collect();
        for link in proved {
            self.say_goodbye(link, CloseReason::Graceful);
        }
    }

    /// Somebody shows an announcement of a later life of this node. It is most likely an earlier one, with a clock that was
    /// ahead; but one that comes again at once is a copy of the key that does the same.
    fn overtaken(&mut self, cx: &mut Cx<'_>, incarnation: Incarnation) {
        if incarnation < self.incarnation {
            return;
        }
        let again = self.adopted_at.is_some_and(|at| cx.now - at < self.config.timing.backoff_max * 2);
        if again {
            cx.count("membership.overtaken_again");
            return self.give_way(cx, incarnation);
        }
        cx.mark("membership.incarnation_adopted");
        self.adopted_at = Some(cx.now);
        self.incarnation = incarnation.after();
        self.out.push_back(Out::Reincarnate { incarnation: self.incarnation });
        self.close_all(CloseReason::StaleIncarnation);
        self.dialling.retry_now(cx.now);
    }

    fn close_all(&mut self, reason: CloseReason) {
        for link in self.links.keys() {
            self.out.push_back(Out::Close { link: *link, reason, stale: None });
        }
    }

    fn dial_due(&mut self, cx: &mut Cx<'_>) {
        while let Some((addr, reason, retry_at)) = self.dialling.give_up_late(cx, &self.config.timing) {
            self.out.push_back(Out::DialFailed { addr, reason, retry_at });
        }
        while let Some((dial, addr)) = self.dialling.next_dial(cx.now, &self.config.timing) {
            cx.mark("membership.dialled");
            self.out.push_back(Out::Dial { dial, addr });
        }
    }
}

impl Machine for Membership {
    type In = In;
    type Out = Out;

    fn handle(&mut self, cx: &mut Cx<'_>, input: In) {
        match input {
            In::Connect { addr } => {
                self.dialling.add(addr, cx.now);
                self.dial_due(cx);
            }
            In::StreamUp { link, dial, remote_addr } => self.stream_up(cx, link, dial, remote_addr),
            In::DialFailed { dial, reason } => {
                if let Some((addr, retry_at)) = self.dialling.failed(cx, &self.config.timing, dial) {
                    self.out.push_back(Out::DialFailed { addr, reason, retry_at });
                }
            }
            In::Proved { link, peer, hello, message_bytes_max } => {
                self.proved(cx, link, peer, hello, message_bytes_max);
            }
            In::LinkClosed { link, reason } => {
                self.link_closed(cx, link, reason);
                self.dial_due(cx);
            }
            In::Suspect { link } => self.set_suspect(link, true),
            In::Recovered { link } => self.set_suspect(link, false),
            In::Goodbye { link, reason } => {
                self.goodbye(cx, link, reason);
                self.settle_stale(cx, link, reason);
            }
            In::GoodbyeSent { link } => {
                if let Some(entry) = self.links.get_mut(&link) {
                    entry.goodbyes.sent = true;
                }
                self.advance_retirement(link);
            }
            In::Idle { link } => {
                if let Some(retirement) =
                    self.links.get_mut(&link).and_then(|entry| entry.retirement.as_mut())
                {
                    retirement.idle = true;
                    if link.is_tunnel() {
                        retirement.until = cx.now + self.config.timing.retire_timeout * 2;
                    }
                }
                self.advance_retirement(link);
            }
            In::Stale { link, newer } => self.stale(cx, link, newer),
            In::TunnelProved { link, peer, message_bytes_max } => {
                self.tunnel_proved(cx, link, peer, message_bytes_max);
            }
            In::TunnelClosed { link } => self.tunnel_closed(link),
            In::Quiet { link } => self.retire_tunnel(link),
            In::Reachable { node, signed } => self.nodes.reachable(cx, node, signed, &mut self.out),
            In::Unreachable { node } => self.nodes.unreachable(cx, node, &mut self.out),
            In::Learned { node, incarnation } => self.learned(cx, node, incarnation),
            In::Left { node, incarnation } => self.nodes.left(cx, node, incarnation, &mut self.out),
            In::TooFarToAsk { node } => self.nodes.too_far_to_ask(cx, node, &mut self.out),
            In::Overtaken { incarnation } => self.overtaken(cx, incarnation),
            In::Probe { link, asker, nonce } => {
                self.nodes.answer(cx, self.incarnation, (link, asker), nonce, &mut self.out);
            }
            In::ProbeAnswer { node, nonce, answer } => {
                self.nodes.answered(cx, node, nonce, &answer, &mut self.out);
            }
            In::Candidate { node, addrs } => self.candidate(cx, node, &addrs),
            In::EndRetirement { link, in_use } => self.end_retirement(cx, link, in_use),
            In::Leave => self.leave(),
            In::CloseAll => self.close_all(CloseReason::Graceful),
        }
    }

    fn poll(&mut self) -> Option<Out> {
        self.out.pop_front()
    }

    fn timeout(&self) -> Option<Instant> {
        let retirement = self.retirements().map(|(_, retirement)| retirement.until).min();
        let retirement = retirement.filter(|until| *until < Instant::NEVER);
        let due = [self.dialling.next_due(), retirement, self.nodes.next_due(), self.next_seek()];
        due.into_iter().flatten().min()
    }

    fn on_timeout(&mut self, cx: &mut Cx<'_>) {
        self.dial_due(cx);
        self.seek(cx);
        self.nodes.wake(cx, &mut self.out);
        let over = self.retirements().filter(|(_, retirement)| retirement.until <= cx.now);
        let over: Vec<LinkId> = over.map(|(link, _)| link).collect();
        for link in over {
            cx.mark("membership.retirement_over");
            if link.is_tunnel() {
                self.end_tunnel(link);
                continue;
            }
            let Some(entry) = self.links.get_mut(&link) else { continue };
            if entry.goodbyes.asked {
                self.out.push_back(Out::RetirementOver { link });
            } else {
                let until = cx.now + self.config.timing.retire_timeout;
                if let Some(retirement) = &mut entry.retirement {
                    (retirement.until, retirement.we_decide) = (until, true);
                }
                self.say_goodbye(link, CloseReason::Superseded);
            }
        }
    }
}
