//! Who can do what: one map that all nodes keep, in which each writes its own entries and nobody else's.
//!
//! A node's entries are under one signed head. Changes are flooded as deltas; neighbours compare hashes of all that they
//! know, and ask each other for what they lack. What is no longer true goes by itself: a head has a time to live, and the
//! entries of a node that does not count as alive are hidden.

mod bucket;
mod catalogue;
mod digest;
pub mod entry;
mod flood;
pub mod index;
mod interests;
mod memory;
mod merkle;
mod neighbour;
mod own;
mod proof;
mod query;
mod receive;
mod repair;
mod set;
#[cfg(test)]
mod tests;
mod view;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;

use bytes::Bytes;
use rand_chacha::ChaCha8Rng;

pub use self::entry::{
    Alias, Entry, EntryError, EntryKind, EntryValue, Interest, NodeRecord, ProviderEntry, ProviderState,
    SchemaId,
};
use self::flood::Spread;
use self::memory::Memory;
use self::neighbour::{Neighbour, Rates, Wanted};
use self::own::Author;
pub use self::own::DirectoryError;
pub use self::proof::{ProofError, ProvenProvider, check_proof};
pub use self::query::{NodeDescription, Provider};
use self::set::Stored;
use self::view::{Arrival, View};
use crate::capability::CapabilitySet;
use crate::code::CloseReason;
use crate::config::Config;
use crate::identity::{Identity, Incarnation, NodeId};
use crate::link::LinkId;
use crate::machine::{Cx, Machine};
use crate::time::Instant;
use crate::wire::body::directory::{SignedHead, Version};
use crate::wire::frame::{FrameHeader, FrameType};

/// What the directory is told.
#[derive(Debug)]
pub(crate) enum In {
    /// There is a link to a neighbour.
    LinkUp { link: LinkId, peer: NodeId },
    /// It is gone, or another one has replaced it.
    LinkDown { link: LinkId },
    /// A neighbour sent a `DIRECTORY_DELTA`, `DIRECTORY_DIGEST` or `DIRECTORY_REQUEST`.
    Frame { link: LinkId, header: FrameHeader, body: Bytes },
    /// A node counts as alive.
    Show { node: NodeId },
    /// A node does not count as alive: its entries stay, but no query gives them.
    Hide { node: NodeId },
    /// A node is gone for good.
    Forget { node: NodeId },
    /// This node goes on under another incarnation.
    Reincarnated { incarnation: Incarnation },
    /// This node is leaving: it takes back all that it has said.
    Leave,
}

/// What the directory gives.
#[derive(Debug)]
pub(crate) enum Out {
    /// Send this to a neighbour.
    Transmit { link: LinkId, frame_type: FrameType, body: Bytes },
    /// What is known of this node has changed.
    Changed { node: NodeId },
    /// A node that was not known, or a new life of one, has announced itself.
    Learned { node: NodeId, incarnation: Incarnation },
    /// Somebody shows announcements of a later life of this very node.
    Superseded { by: Incarnation },
    /// A neighbour broke the rules.
    Violation { link: LinkId, reason: CloseReason },
}

/// The machine.
#[derive(Debug)]
pub(crate) struct Directory {
    config: Arc<Config>,
    identity: Identity,
    own: NodeId,
    rng: ChaCha8Rng,
    author: Author,
    view: View,
    memory: Memory,
    spread: Spread,
    neighbours: BTreeMap<LinkId, Neighbour>,
    wanted: Wanted,
    /// Bytes of sets that have arrived in part, on all links.
    reassembly_bytes: usize,
    rates: Rates,
    /// Nodes of which something has changed since the last flush.
    changed: BTreeSet<NodeId>,
    no_capabilities: CapabilitySet,
    wake: Option<Instant>,
    out: VecDeque<Out>,
}

impl Directory {
    /// A directory that knows this node and nobody else.
    pub(crate) fn new(
        config: Arc<Config>,
        identity: Identity,
        incarnation: Incarnation,
        now: Instant,
        rng: ChaCha8Rng,
    ) -> Self {
        let own = identity.node_id();
        let rates = Rates::of(&config.limits);
        let memory = Memory::new(config.limits.directory_owners_max);
        let mut view = View::default();
        let record = NodeRecord { label: config.label.clone(), addrs: config.listen.clone(), subnet: 0 };
        let (key, stored) = Stored::own(&*config.crypto, Entry::node(record));
        // Nobody sees this head: the first flush signs a real one.
        let head = SignedHead {
            public_key: identity.public_key(),
            incarnation,
            sequence: 0,
            ttl_s: *crate::wire::body::directory::TTL_S.end(),
            entries: 0,
            root: [0; 32],
            signature: [0; 64],
        };
        view.open(own, head, Arrival { now, age_s: 0, hops: 0 });
        view.apply(own, BTreeMap::from([(key, Some(stored))]));
        Self {
            config,
            identity,
            own,
            rng,
            author: Author::new(incarnation),
            view,
            memory,
            spread: Spread::default(),
            neighbours: BTreeMap::new(),
            wanted: Wanted::new(),
            reassembly_bytes: 0,
            rates,
            changed: BTreeSet::new(),
            no_capabilities: CapabilitySet::new(),
            wake: Some(now),
            out: VecDeque::new(),
        }
    }

    /// Name, value, cap and whether it is zero when nothing happens, of everything that can grow.
    pub(crate) fn gauges(&self, mut gauge: impl FnMut(&'static str, usize, usize, bool)) {
        let limits = &self.config.limits;
        let owners_max = limits.directory_owners_max;
        gauge("directory.owners", self.view.len(), owners_max + 1, false);
        gauge("directory.bytes", self.view.weight(), limits.directory_bytes_max, false);
        gauge("directory.hidden_nodes", self.view.hidden_len(), owners_max, false);
        gauge("directory.remembered", self.memory.len(), owners_max, false);
        gauge("directory.links", self.neighbours.len(), limits.links_max, false);
        gauge("directory.news", self.spread.len(), owners_max + 1, true);
        gauge("directory.wanted", self.wanted.len(), owners_max, true);
        gauge("directory.reassembly_bytes", self.reassembly_bytes, receive::REASSEMBLY_BYTES_MAX, true);
    }

    /// The latest version of an owner that this node has, or has had, or does not want.
    fn known(&self, node: &NodeId) -> Option<Version> {
        let present = self.view.get(node).map(view::Owner::version);
        present.max(self.memory.get(node))
    }

    /// Signs, passes on and tells what has changed. The engine calls it at the end of a turn; where it does not, the timer
    /// does.
    pub(crate) fn flush(&mut self, cx: &mut Cx<'_>) {
        if self.wake.is_none_or(|wake| wake > cx.now) {
            // Most turns are about calls, and cost nothing here.
            return;
        }
        self.sign_if_time(cx.now);
        self.flood(cx);
        while let Some(node) = self.changed.pop_first() {
            self.out.push_back(Out::Changed { node });
        }
        self.plan(cx.now);
    }

    fn sign_if_time(&mut self, now: Instant) {
        if self.author.is_unsigned() && self.may_sign_at() <= now {
            self.sign(now);
        }
    }

    /// When the next head may be signed: no sooner than it may be passed on, or joined changes would be signed one by one.
    fn may_sign_at(&self) -> Instant {
        let rate = self.owner_rate();
        self.view.get(&self.own).map_or(Instant::ZERO, |own| own.spreads_at(rate, bucket::TOKEN))
    }

    /// Works out when there is something to do.
    fn plan(&mut self, now: Instant) {
        let unsigned = self.author.is_unsigned().then(|| self.may_sign_at());
        let told = (!self.changed.is_empty()).then_some(now);
        let expiry = self.view.next_expiry().map(|(at, _)| at);
        let links = self.neighbours.values().map(Neighbour::due).min();
        let due = [unsigned, told, self.spread.due(), expiry, links, Some(self.author.refresh_at)];
        self.wake = due.into_iter().flatten().min().map(|at| at.max(now)).filter(|at| *at < Instant::NEVER);
    }

    fn frame(&mut self, cx: &mut Cx<'_>, link: LinkId, header: &FrameHeader, body: &[u8]) {
        if self.neighbours.get(&link).is_none_or(|neighbour| neighbour.cut) {
            return;
        }
        match header.frame_type {
            FrameType::DirectoryDelta => self.delta(cx, link, body),
            FrameType::DirectoryDigest => self.digest(cx, link, body),
            FrameType::DirectoryRequest => self.request(cx, link, body),
            _ => debug_assert!(false, "only frames of the directory are brought here"),
        }
    }

    /// The link is closed for what its peer has done; nothing more is heard from it.
    fn violation(&mut self, link: LinkId, reason: CloseReason) {
        if let Some(neighbour) = self.neighbours.get_mut(&link)
            && !core::mem::replace(&mut neighbour.cut, true)
        {
            self.out.push_back(Out::Violation { link, reason });
        }
    }

    fn set_hidden(&mut self, cx: &mut Cx<'_>, node: NodeId, hidden: bool) {
        if node == self.own || hidden && self.view.hidden_len() >= self.config.limits.directory_owners_max {
            return;
        }
        if self.view.set_hidden(node, hidden) {
            cx.mark(if hidden { "directory.hidden" } else { "directory.shown" });
            if self.view.get(&node).is_some() {
                self.changed.insert(node);
            }
        }
    }

    /// Drops what an owner has said, but not which version it was.
    fn drop_owner(&mut self, node: NodeId) {
        if node == self.own {
            return;
        }
        if let Some(head) = self.view.remove(&node) {
            self.memory.remember(node, head.version());
            self.changed.insert(node);
        }
    }

    fn expire(&mut self, cx: &mut Cx<'_>) {
        while let Some((at, node)) = self.view.next_expiry() {
            if at > cx.now {
                break;
            }
            if node == self.own {
                // A node does not outlive what it says of itself, unless its clock stood still for all that time.
                self.author.touch(None);
                self.sign(cx.now);
                continue;
            }
            cx.count("directory.expired");
            self.drop_owner(node);
        }
    }
}

impl Machine for Directory {
    type In = In;
    type Out = Out;

    fn handle(&mut self, cx: &mut Cx<'_>, input: In) {
        match input {
            In::LinkUp { link, peer } => self.link_up(cx, link, peer),
            In::LinkDown { link } => self.link_down(link),
            In::Frame { link, header, body } => self.frame(cx, link, &header, &body),
            In::Show { node } => self.set_hidden(cx, node, false),
            In::Hide { node } => self.set_hidden(cx, node, true),
            In::Forget { node } => {
                self.drop_owner(node);
                self.view.set_hidden(node, false);
            }
            In::Reincarnated { incarnation } => self.reincarnated(cx, incarnation),
            In::Leave => self.leave(cx),
        }
        self.plan(cx.now);
    }

    fn poll(&mut self) -> Option<Out> {
        self.out.pop_front()
    }

    fn timeout(&self) -> Option<Instant> {
        self.wake
    }

    fn on_timeout(&mut self, cx: &mut Cx<'_>) {
        if self.wake.is_none_or(|wake| wake > cx.now) {
            return;
        }
        self.expire(cx);
        if self.author.refresh_at <= cx.now {
            cx.mark("directory.refreshed");
            self.author.refresh_at = Instant::NEVER;
            self.author.touch(None);
        }
        self.sign_if_time(cx.now);
        self.links_due(cx);
        self.flush(cx);
    }
}
