//! Events on topics: who of this node wants them, and to whom this node's own go.
//!
//! An event is published on a concrete topic and goes to whoever has subscribed to a pattern that the topic matches: at once, at most
//! once, to those that are there. Each node announces in the directory which patterns it wants; the publisher looks up who wants a
//! topic and sends one copy to each such node, which hands it to its subscriptions.
//!
//! Nothing waits for a slow subscriber. Towards each node there is a bounded queue beside those of calls, and what it has no room for
//! is dropped and counted; each subscription has a bounded queue and a rule for when it is full.

mod links;
mod pace;
mod publish;
mod receive;
mod rights;
mod subscription;
#[cfg(test)]
mod tests;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;
use rand_chacha::ChaCha8Rng;

use self::links::{LinkState, Waiting};
use self::pace::Paces;
pub(crate) use self::publish::Candidate;
pub use self::publish::{Publication, PublishMode, PublishReport};
use self::receive::Publishers;
use self::subscription::{Held, Subscription};
pub use self::subscription::{Overflow, SubscribeOptions, SubscriptionStats};
use crate::access::Judge;
use crate::code::{CloseReason, Code, Error, Kind};
use crate::config::Config;
use crate::identity::{Incarnation, NodeId};
use crate::link::LinkId;
use crate::machine::{Cx, Machine, injected};
use crate::time::Instant;
use crate::wire::body::topics::{GROUPS_MAX, PublishHead};
pub use crate::wire::body::topics::{GroupName, GroupNameError};
use crate::wire::frame::{FrameHeader, FrameType};
use crate::wire::headers::Headers;
use crate::wire::path::{ActionPath, PathPattern, PatternSet};
use crate::wire::payload::Payload;

/// Topics that were published on lately and are kept parsed.
const TOPICS_KEPT: usize = 1_024;

/// One subscription of this node, from `Engine::subscribe` to `Engine::unsubscribe`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(pub u64);

/// Who published an event, as proved by the session's handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publisher {
    /// The node; this node's own id for an event of its own.
    pub node: NodeId,
    /// Which of its lives.
    pub incarnation: Incarnation,
}

/// An event as a subscription gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicEvent {
    /// What it is about: a topic without wildcards.
    pub topic: Arc<ActionPath>,
    /// What it says.
    pub payload: Payload,
    /// Who published it.
    pub publisher: Publisher,
    /// What the publisher says besides.
    pub headers: Headers,
    /// Counts what the publisher has meant for this node, whatever the topic: each number is higher than the one before, and one more
    /// unless something was lost on the way or was for other subscriptions of this node.
    pub sequence: u64,
}

/// What has come of all events of a node so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TopicStats {
    /// Events of this node that were published.
    pub published: u64,
    /// Copies of them that were made: for nodes, and for subscriptions of this node.
    pub copies: u64,
    /// Copies for which there was no room or no way.
    pub dropped: u64,
    /// Events of other nodes that arrived whole.
    pub received: u64,
    /// Events of other nodes that were meant for this one and did not arrive, as far as later ones tell.
    pub lost: u64,
    /// Events that were handed to subscriptions.
    pub delivered: u64,
    /// Events that a full subscription has dropped.
    pub overflowed: u64,
}

/// What topics are told.
#[derive(Debug)]
pub(crate) enum In {
    /// A session with a node can carry events.
    Bind { link: LinkId, peer: Publisher, message_bytes_max: usize },
    /// New events to this node go over this link.
    Prefer { node: NodeId, link: LinkId },
    /// No new events go to this node.
    Unlist { node: NodeId },
    /// No new events go over this link.
    Unprefer { node: NodeId, link: LinkId },
    /// A session to this node cannot be had: what waits for it is lost.
    NoPath { node: NodeId },
    /// The link is gone.
    LinkLost { link: LinkId },
    /// The node is forgotten.
    Forget { node: NodeId },
    /// So many bytes have left the link's queue.
    Left { link: LinkId, bytes: usize },
    /// The node took a new incarnation.
    Reincarnated { incarnation: Incarnation },
    /// Publish nothing more.
    Stop,
}

/// What topics give.
#[derive(Debug)]
pub(crate) enum Out {
    /// Send this event.
    Send { link: LinkId, head: PublishHead, payload: Bytes },
    /// A session to a node that is no neighbour is needed.
    OpenTunnel { node: NodeId },
    /// A subscription has an event.
    Event { subscription: SubscriptionId, event: TopicEvent },
    /// After `Backpressure`: the subscription that had no room has some.
    Writable,
    /// The peer broke the rules.
    Violation { link: LinkId, reason: CloseReason },
}

/// The machine.
#[derive(Debug)]
pub(crate) struct Topics {
    config: Arc<Config>,
    own: Publisher,
    rng: ChaCha8Rng,
    stopping: bool,
    subscriptions: BTreeMap<u64, Subscription>,
    patterns: PatternSet<Subscribers>,
    last_subscription: u64,
    /// Topics that were published on lately, so that a repeated one neither parses nor allocates.
    known: BTreeMap<ActionPath, Arc<ActionPath>>,
    paces: Paces,
    links: BTreeMap<LinkId, LinkState>,
    /// The link or tunnel that new events to a node take.
    ways: BTreeMap<NodeId, LinkId>,
    /// Events that wait for a session to a node that is no neighbour.
    waiting: BTreeMap<NodeId, Waiting>,
    waiting_bytes: usize,
    /// The last number that each node was sent.
    counts: BTreeMap<NodeId, u64>,
    publishers: Publishers,
    /// Whether a publication was refused because a subscription of this node had no room.
    refused: bool,
    stats: TopicStats,
    out: VecDeque<Out>,
}

/// Subscriptions of one pattern.
#[derive(Debug, Default)]
struct Subscribers {
    alone: Vec<u64>,
    groups: BTreeMap<GroupName, Vec<u64>>,
}

impl Subscribers {
    fn is_empty(&self) -> bool {
        self.alone.is_empty() && self.groups.is_empty()
    }
}

/// What the directory is to be told of a pattern: whether there are subscriptions without a group, and the groups.
pub(crate) type Wanted = (bool, Vec<GroupName>);

impl Topics {
    pub(crate) fn new(config: Arc<Config>, own: Publisher, rng: ChaCha8Rng) -> Self {
        Self {
            publishers: Publishers::new(config.limits.remembered_peers_max),
            paces: Paces::new(&config.limits),
            config,
            own,
            rng,
            stopping: false,
            subscriptions: BTreeMap::new(),
            patterns: PatternSet::default(),
            last_subscription: 0,
            known: BTreeMap::new(),
            links: BTreeMap::new(),
            ways: BTreeMap::new(),
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            counts: BTreeMap::new(),
            refused: false,
            stats: TopicStats::default(),
            out: VecDeque::new(),
        }
    }

    /// Subscribes. Gives the pattern too; [`wanted`](Self::wanted) says what others are to be told of it.
    pub(crate) fn subscribe(
        &mut self,
        cx: &mut Cx<'_>,
        pattern: &str,
        options: SubscribeOptions,
    ) -> Result<(SubscriptionId, PathPattern), Error> {
        if self.stopping {
            return Err(Error::of_kind(Kind::Stopped, "this node is stopping"));
        }
        let pattern: PathPattern =
            pattern.parse().map_err(|error| Error::new(Code::InvalidArgument, alloc::format!("{error}")))?;
        options.check()?;
        let limit = self.config.limits.subscriptions_max;
        if self.subscriptions.len() >= limit {
            cx.count("topics.subscriptions_full");
            let text = alloc::format!("this node has {limit} subscriptions already, the limit");
            return Err(Error::new(Code::ResourceExhausted, text));
        }
        let known = self.patterns.get(&pattern);
        if let (Some(group), Some(known)) = (&options.group, known)
            && known.groups.len() >= GROUPS_MAX
            && !known.groups.contains_key(group)
        {
            cx.count("topics.groups_full");
            let text = alloc::format!("a pattern has at most {GROUPS_MAX} groups on a node");
            return Err(Error::new(Code::ResourceExhausted, text));
        }
        self.last_subscription += 1;
        let id = self.last_subscription;
        let subscribers = self.patterns.get_or_insert_with(&pattern, Subscribers::default);
        match &options.group {
            None => subscribers.alone.push(id),
            Some(group) => subscribers.groups.entry(group.clone()).or_default().push(id),
        }
        self.subscriptions.insert(id, Subscription::new(pattern.clone(), options));
        Ok((SubscriptionId(id), pattern))
    }

    /// Ends a subscription, and drops what waits for it. Gives its pattern.
    pub(crate) fn unsubscribe(&mut self, cx: &mut Cx<'_>, id: SubscriptionId) -> Option<PathPattern> {
        if injected!(cx, "unsubscribe-forgotten") {
            return self.subscriptions.get(&id.0).map(|subscription| subscription.pattern.clone());
        }
        let subscription = self.subscriptions.remove(&id.0)?;
        let pattern = subscription.pattern.clone();
        let subscribers = self.patterns.get_or_insert_with(&pattern, Subscribers::default);
        match &subscription.options.group {
            None => subscribers.alone.retain(|other| *other != id.0),
            Some(group) => {
                if let Some(members) = subscribers.groups.get_mut(group) {
                    members.retain(|other| *other != id.0);
                    if members.is_empty() {
                        subscribers.groups.remove(group);
                    }
                }
            }
        }
        if subscribers.is_empty() {
            self.patterns.remove(&pattern);
        }
        // Whoever waited for room in it does not any more.
        self.tell_writable();
        Some(pattern)
    }

    /// What others are to be told of a pattern; `None` where this node wants nothing of it, or keeps it to itself.
    pub(crate) fn wanted(&self, pattern: &PathPattern) -> Option<Wanted> {
        if pattern.is_internal() {
            return None;
        }
        let subscribers = self.patterns.get(pattern)?;
        Some((!subscribers.alone.is_empty(), subscribers.groups.keys().cloned().collect()))
    }

    /// The application has taken an event: the next one follows, if one waits.
    pub(crate) fn event_taken(&mut self, id: SubscriptionId) {
        let Some(subscription) = self.subscriptions.get_mut(&id.0) else { return };
        if let Some(event) = subscription.taken() {
            self.stats.delivered += 1;
            self.out.push_back(Out::Event { subscription: id, event });
        }
        self.tell_writable();
    }

    fn tell_writable(&mut self) {
        if core::mem::take(&mut self.refused) {
            self.out.push_back(Out::Writable);
        }
    }

    /// How a subscription does.
    pub(crate) fn subscription_stats(&self, id: SubscriptionId) -> Option<SubscriptionStats> {
        self.subscriptions.get(&id.0).map(Subscription::stats)
    }

    /// What has come of all events so far.
    pub(crate) fn stats(&self) -> TopicStats {
        self.stats
    }

    /// Whether nothing waits for a session.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Name, value, cap and whether it is zero when nothing happens, of everything that can grow.
    pub(crate) fn gauges(&self, mut gauge: impl FnMut(&'static str, usize, usize, bool)) {
        let limits = &self.config.limits;
        gauge("topics.subscriptions", self.subscriptions.len(), limits.subscriptions_max, false);
        let of = |f: fn(&Subscription) -> usize| self.subscriptions.values().map(f).max().unwrap_or(0);
        gauge(
            "topics.held_events_per_subscription",
            of(Subscription::held_len),
            subscription::QUEUE_LEN_MAX,
            false,
        );
        let bytes_max = subscription::BYTES_MAX.max(limits.message_bytes_max + subscription::EVENT_BYTES_MAX);
        gauge("topics.held_bytes_per_subscription", of(Subscription::held_bytes), bytes_max, false);
        // A single event always has room.
        let queued_max =
            limits.published_bytes_per_link_max.max(limits.message_bytes_max + subscription::EVENT_BYTES_MAX);
        let queued = self.links.values().map(|link| link.queued_bytes).max().unwrap_or(0);
        gauge("topics.queued_bytes_per_link", queued, queued_max, true);
        let partial = self.links.values().map(LinkState::partial_bytes).max().unwrap_or(0);
        gauge("topics.reassembly_bytes_per_link", partial, limits.message_bytes_max, true);
        gauge("topics.waiting_bytes", self.waiting_bytes, queued_max, true);
        gauge("topics.receivers", self.counts.len(), limits.nodes_max, false);
        gauge("topics.publishers", self.publishers.len(), limits.remembered_peers_max, false);
        gauge("topics.paces", self.paces.len(), limits.topics_max, false);
    }

    /// Every subscription of this node that an event is for, of those whose pattern the topic matches.
    fn matching(&self, topic: &ActionPath) -> (Vec<u64>, BTreeMap<GroupName, Vec<u64>>) {
        let (mut alone, mut groups) = (Vec::new(), BTreeMap::<GroupName, Vec<u64>>::new());
        self.patterns.for_each(self.config.network.as_str(), topic, &mut |pattern, subscribers| {
            // A wildcard in the first place stands for no topic that begins with `$`.
            if topic.is_internal() && !pattern.is_internal() {
                return;
            }
            alone.extend(&subscribers.alone);
            for (group, members) in &subscribers.groups {
                groups.entry(group.clone()).or_default().extend(members);
            }
        });
        (alone, groups)
    }

    /// Hands an event to a subscription, or does with it what its rule says. Gives whether it was taken.
    fn offer(&mut self, cx: &mut Cx<'_>, id: u64, event: &TopicEvent) -> bool {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return false };
        let rule = match subscription.options.overflow {
            Overflow::DropOldest if injected!(cx, "oldest-event-kept") => Overflow::DropNewest,
            Overflow::DropNewest if injected!(cx, "newest-event-kept") => Overflow::DropOldest,
            rule => rule,
        };
        let offered = subscription.offer(event.clone(), rule);
        match offered {
            Held::Handed => {
                self.stats.delivered += 1;
                self.out.push_back(Out::Event { subscription: SubscriptionId(id), event: event.clone() });
            }
            Held::Queued => {
                cx.mark("topics.event_held");
                if event.sequence.is_multiple_of(4) && injected!(cx, "event-overtaken") {
                    subscription.overtake();
                }
            }
            Held::InPlaceOf(dropped) => {
                cx.mark("topics.oldest_dropped");
                self.stats.overflowed += dropped;
                cx.metrics().events_overflowed[subscription.options.overflow as usize] += dropped;
            }
            Held::Dropped => {
                cx.mark("topics.newest_dropped");
                self.stats.overflowed += 1;
                cx.metrics().events_overflowed[subscription.options.overflow as usize] += 1;
            }
        }
        if event.sequence.is_multiple_of(8) && injected!(cx, "event-delivered-twice") {
            self.out.push_back(Out::Event { subscription: SubscriptionId(id), event: event.clone() });
        }
        !matches!(offered, Held::Dropped)
    }

    /// A bug on purpose: now and then a subscription that did not ask for it gets an event too.
    fn misdirected(&self, cx: &mut Cx<'_>, event: &TopicEvent, chosen: &[u64]) -> Option<u64> {
        if event.sequence.is_multiple_of(4) && injected!(cx, "event-to-wrong-topic") {
            return self.subscriptions.keys().find(|id| !chosen.contains(id)).copied();
        }
        None
    }
}

impl Topics {
    /// A frame of an event arrived. Whether its sender may publish is asked once the event is whole.
    pub(crate) fn frame(
        &mut self,
        cx: &mut Cx<'_>,
        judge: &dyn Judge,
        link: LinkId,
        header: FrameHeader,
        body: &Bytes,
    ) {
        match header.frame_type {
            FrameType::Publish => self.published(cx, judge, link, header.more, body),
            FrameType::PublishMore => self.published_more(cx, judge, link, header.more, body),
            other => debug_assert!(false, "{} is no frame of topics", other.name()),
        }
    }
}

impl Machine for Topics {
    type In = In;
    type Out = Out;

    fn handle(&mut self, cx: &mut Cx<'_>, input: In) {
        match input {
            In::Bind { link, peer, message_bytes_max } => self.bind(link, peer, message_bytes_max),
            In::Prefer { node, link } => self.prefer(cx, node, link),
            In::Unlist { node } => {
                self.ways.remove(&node);
            }
            In::Unprefer { node, link } => {
                if self.ways.get(&node) == Some(&link) {
                    self.ways.remove(&node);
                }
            }
            In::NoPath { node } => self.no_path(cx, node),
            In::LinkLost { link } => self.link_lost(cx, link),
            In::Forget { node } => {
                self.counts.remove(&node);
                self.publishers.forget(&node);
            }
            In::Left { link, bytes } => {
                if let Some(state) = self.links.get_mut(&link) {
                    state.queued_bytes = state.queued_bytes.saturating_sub(bytes);
                }
            }
            In::Reincarnated { incarnation } => self.own.incarnation = incarnation,
            In::Stop => self.stopping = true,
        }
    }

    fn poll(&mut self) -> Option<Out> {
        self.out.pop_front()
    }

    fn timeout(&self) -> Option<Instant> {
        None
    }

    fn on_timeout(&mut self, _: &mut Cx<'_>) {}
}
