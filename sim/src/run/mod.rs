//! Runs: what is to happen, when, concretely. The only thing that engines execute.
//!
//! A run is a header and a list of items in the order of their times. Each item stands for itself (a fault names its own
//! end), so that leaving any of them out gives another valid run: that is what makes shrinking simple.

mod format;
mod graph;
mod offers;
mod overrides;
mod policy;
mod rights;
mod stream;
#[cfg(test)]
mod tests;
mod topics;

use serde::{Deserialize, Serialize};

pub use format::{FORMAT_VERSION, RunError, WIRE_VERSION};
pub use graph::Graph;
pub use offers::{CapabilitiesItem, PoolState, Selection, ServeItem, UnserveItem};
pub use rights::{AreaRight, Areas, Flaw, RevokeItem, TokenItem};
pub use topics::{EventMode, OverflowRule, PublishItem, SubscribeItem, UnsubscribeItem};

pub use overrides::{LimitOverrides, TimingOverrides};
pub use policy::{ActionLimit, Policy};
pub use stream::{Flow, Sends, Shape, StreamSpec};

use crate::quantity::Micros;
use crate::seed::Seed;

/// A whole run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// What the items happen to.
    pub header: Header,
    /// What happens, in the order of time.
    pub items: Vec<Item>,
}

/// The first line of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Version of this format.
    pub format: u32,
    /// Version of the wire protocol that the run was made for.
    pub wire: u32,
    /// The plan that it came of.
    pub plan: String,
    /// The seed that it came of. Also the source of keys, latencies and payloads.
    pub seed: Seed,
    /// The nodes, by their numbers.
    pub nodes: Vec<NodeSpec>,
    /// Who is told to dial whom: `[from, to]`.
    pub dials: Vec<[usize; 2]>,
    /// The network between them.
    pub net: Net,
    /// When which phase begins.
    pub phases: Phases,
    /// What makes a route good, for every node.
    #[serde(default, skip_serializing_if = "is_round_trip")]
    pub route_metric: RouteMetric,
    /// Caps that differ from the defaults, for every node.
    #[serde(default, skip_serializing_if = "LimitOverrides::is_empty")]
    pub limits: LimitOverrides,
    /// How much every action that names no operation does at once, at each node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_limit: Option<ActionLimit>,
    /// What nodes guard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub areas: Option<Areas>,
    /// Times that differ from the defaults, for every node.
    #[serde(default, skip_serializing_if = "TimingOverrides::is_empty")]
    pub timing: TimingOverrides,
}

/// What makes a route good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RouteMetric {
    /// The measured round trips.
    #[default]
    RoundTrip,
    /// The number of links alone.
    Hops,
}

impl RouteMetric {
    /// The core's word for it.
    pub fn in_core(self) -> lacewing_core::config::RouteMetric {
        match self {
            Self::RoundTrip => lacewing_core::config::RouteMetric::RoundTrip,
            Self::Hops => lacewing_core::config::RouteMetric::Hops,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_round_trip(metric: &RouteMetric) -> bool {
    *metric == RouteMetric::RoundTrip
}

/// One node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeSpec {
    /// When its process starts for the first time.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub start: Micros,
    /// Times of this node alone.
    #[serde(default, skip_serializing_if = "TimingOverrides::is_empty")]
    pub timing: TimingOverrides,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(span: &Micros) -> bool {
    *span == Micros::ZERO
}

/// The network. Latency is drawn once for each direction of each pair, jitter for each piece of data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Net {
    /// Least latency of a direction.
    pub latency_min: Micros,
    /// Greatest latency of a direction.
    pub latency_max: Micros,
    /// Greatest addition to it.
    pub jitter_max: Micros,
    /// Bytes a second in each direction of a stream.
    pub bandwidth: u64,
    /// Bytes that a stream holds between the writer and the reader.
    pub window: u64,
    /// How long a stream retransmits before it gives up.
    pub retransmit_timeout: Micros,
}

/// When which phase begins. From the start to `heal` faults happen; then all of them end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phases {
    /// Every fault ends, every node is brought back.
    pub heal: Micros,
    /// Every link must be back; calls from now on must succeed.
    pub fresh: Micros,
    /// Nothing is going on any more.
    pub quiet: Micros,
    /// Tables are looked at, and the run ends.
    pub end: Micros,
}

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Item {
    /// A node calls.
    Call(CallItem),
    /// The caller gives up on a call.
    Cancel(CancelItem),
    /// A node begins to serve the action of a pool, or says something else of it.
    Serve(ServeItem),
    /// A node serves the action of a pool no more.
    Unserve(UnserveItem),
    /// A node says what it can do.
    Capabilities(CapabilitiesItem),
    /// A node subscribes to topics.
    Subscribe(SubscribeItem),
    /// A node ends a subscription.
    Unsubscribe(UnsubscribeItem),
    /// A node publishes an event.
    Publish(PublishItem),
    /// A node is given a token.
    Token(TokenItem),
    /// An issuer takes tokens back.
    Revoke(RevokeItem),
    /// Nodes cannot reach others.
    Partition(PartitionItem),
    /// The streams between two nodes break, and both sides are told.
    Reset(PairItem),
    /// The streams between two nodes die, and neither side is told.
    HalfOpen(PairItem),
    /// The streams between two nodes stand still for a while.
    Stall(StallItem),
    /// A node ends, and comes back with the same identity.
    Crash(CrashItem),
    /// A node takes bytes slowly for a while.
    SlowReader(SlowReaderItem),
    /// A node does nothing for a while.
    Pause(PauseItem),
    /// A node breaks the rules of a member for a while.
    Misbehave(MisbehaveItem),
}

/// See [`Item::Call`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallItem {
    /// When.
    pub t: Micros,
    /// The number of the operation, unique in the run.
    pub id: u64,
    /// Who calls.
    pub from: usize,
    /// Who is called; nobody in particular where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<usize>,
    /// Whether the action exists anywhere.
    #[serde(default, skip_serializing_if = "is_served")]
    pub action: ActionKind,
    /// How one is chosen of those that may be called, where nobody in particular is.
    #[serde(default, skip_serializing_if = "is_local_first")]
    pub select: Selection,
    /// What is done for it besides making it once.
    #[serde(default, skip_serializing_if = "Policy::is_none")]
    pub policy: Policy,
    /// What makes it a stream, if it is one, or meets one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamSpec>,
    /// Bytes of the argument.
    pub size: u64,
    /// How long the caller waits.
    pub timeout: Micros,
    /// What the handler does.
    pub handler: Handler,
}

/// Which action is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionKind {
    /// One that its provider serves all the time.
    #[default]
    Served,
    /// One that no node ever serves.
    Unknown,
    /// That of a pool, which nodes begin and cease to serve during the run.
    Pool(u32),
    /// That of an area, which every node serves all the time to those who may call it.
    Area(u32),
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_served(kind: &ActionKind) -> bool {
    *kind == ActionKind::Served
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_local_first(selection: &Selection) -> bool {
    *selection == Selection::LocalFirst
}

/// What the handler of a call does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Handler {
    /// Answers with so many bytes.
    Reply {
        /// How long it works.
        after: Micros,
        /// Bytes of the answer.
        size: u64,
    },
    /// Fails with an application code from 0x8000.
    Fail {
        /// How long it works.
        after: Micros,
        /// The code.
        code: u16,
    },
    /// Does not answer.
    Never,
    /// Calls another node, and answers like it was answered.
    Call {
        /// The number of that operation, unique in the run.
        id: u64,
        /// Who is called.
        to: usize,
        /// Bytes of the argument.
        size: u64,
        /// How long it waits.
        timeout: Micros,
        /// What that handler does.
        handler: Box<Handler>,
    },
}

/// See [`Item::Cancel`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CancelItem {
    /// When.
    pub t: Micros,
    /// The operation.
    pub id: u64,
}

/// See [`Item::Partition`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartitionItem {
    /// When it begins.
    pub t: Micros,
    /// How long it lasts, at most to the heal phase.
    pub lasts: Micros,
    /// The nodes whose data does not arrive.
    pub from: Vec<usize>,
    /// The nodes at which it does not.
    pub to: Vec<usize>,
    /// Whether the other direction is cut, too.
    pub dir: Direction,
}

/// Which directions a fault concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Both.
    Both,
    /// From the first to the second.
    Oneway,
}

/// See [`Item::Reset`] and [`Item::HalfOpen`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairItem {
    /// When.
    pub t: Micros,
    /// The two nodes.
    pub pair: [usize; 2],
}

/// See [`Item::Stall`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StallItem {
    /// When it begins.
    pub t: Micros,
    /// How long it lasts, at most to the heal phase.
    pub lasts: Micros,
    /// The two nodes.
    pub pair: [usize; 2],
    /// Which of the two directions stand still.
    pub dir: Direction,
}

/// See [`Item::Crash`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrashItem {
    /// When.
    pub t: Micros,
    /// Who.
    pub node: usize,
    /// How.
    pub mode: CrashMode,
    /// How long it is away, at most to the heal phase.
    pub down: Micros,
    /// What the clock says when it comes back.
    #[serde(default, skip_serializing_if = "is_forward")]
    pub clock: Clock,
}

/// How a node ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CrashMode {
    /// It shuts down in order.
    Clean,
    /// The process is killed; its system closes the streams.
    Kill,
    /// The machine loses power; peers are told nothing.
    PowerLoss,
}

/// What a restarted node's clock says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clock {
    /// A later time than in its last life.
    #[default]
    Forward,
    /// An earlier time than in its last life, of which it has kept nothing.
    Back,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_forward(clock: &Clock) -> bool {
    *clock == Clock::Forward
}

/// See [`Item::SlowReader`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlowReaderItem {
    /// When it begins.
    pub t: Micros,
    /// How long it lasts, at most to the heal phase.
    pub lasts: Micros,
    /// Who.
    pub node: usize,
    /// Bytes a second that it takes from each stream.
    pub rate: u64,
}

/// See [`Item::Pause`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PauseItem {
    /// When it begins.
    pub t: Micros,
    /// How long it lasts, at most to the heal phase.
    pub lasts: Micros,
    /// Who.
    pub node: usize,
}

/// See [`Item::Misbehave`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MisbehaveItem {
    /// When it begins.
    pub t: Micros,
    /// How long it lasts, at most to the heal phase.
    pub lasts: Micros,
    /// Who.
    pub node: usize,
    /// What it does.
    pub how: Misbehaviour,
}

/// How a member breaks the rules, in ways that the others must survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Misbehaviour {
    /// It loses every third payload that it relays, and tells nobody.
    LosesRelayed,
    /// It passes on every payload that it relays twice, and now and then an old one once more.
    RepeatsRelayed,
    /// It changes a byte of every third payload that it relays.
    ChangesRelayed,
    /// It changes what it passes on of others' announcements.
    ForgesAnnouncements,
    /// It passes on others' announcements as if they had taken back everything, which is how a node says that it leaves.
    ForgesGoodbyes,
    /// It tells its neighbours that it has no way to anybody else, as if all others were gone.
    RetractsWays,
    /// It passes on every third payload that it relays as if it came from another member.
    ForgesSenders,
}

impl Misbehaviour {
    /// Every way.
    pub const ALL: [Self; 7] = [
        Self::LosesRelayed,
        Self::RepeatsRelayed,
        Self::ChangesRelayed,
        Self::ForgesAnnouncements,
        Self::ForgesGoodbyes,
        Self::RetractsWays,
        Self::ForgesSenders,
    ];
}

impl Item {
    /// Every kind of fault, by the name that runs and plans use.
    pub const FAULTS: [(&'static str, &'static str); 8] = [
        (
            "partition",
            "nodes cannot reach others, in one or both directions; streams retransmit when it ends, or give up",
        ),
        ("reset", "the streams between two nodes break, and both sides are told"),
        ("half-open", "the streams between two nodes die, and neither side is told"),
        ("stall", "the streams between two nodes stand still for a while, new ones do not"),
        ("crash", "a node ends (clean shutdown, kill, power loss) and comes back with the same identity"),
        ("slow-reader", "a node takes bytes slowly for a while"),
        ("pause", "a node does nothing for a while"),
        (
            "misbehave",
            "a member loses, repeats or changes what it relays, forges what others announce or who sent what, or denies ways, for a while",
        ),
    ];

    /// When it happens.
    pub fn at(&self) -> Micros {
        match self {
            Self::Call(item) => item.t,
            Self::Cancel(item) => item.t,
            Self::Serve(item) => item.t,
            Self::Unserve(item) => item.t,
            Self::Capabilities(item) => item.t,
            Self::Subscribe(item) => item.t,
            Self::Unsubscribe(item) => item.t,
            Self::Publish(item) => item.t,
            Self::Token(item) => item.t,
            Self::Revoke(item) => item.t,
            Self::Partition(item) => item.t,
            Self::Reset(item) | Self::HalfOpen(item) => item.t,
            Self::Stall(item) => item.t,
            Self::Crash(item) => item.t,
            Self::SlowReader(item) => item.t,
            Self::Pause(item) => item.t,
            Self::Misbehave(item) => item.t,
        }
    }

    /// The kind of fault that it is, if it is one.
    pub fn fault(&self) -> Option<&'static str> {
        match self {
            Self::Call(_)
            | Self::Cancel(_)
            | Self::Serve(_)
            | Self::Unserve(_)
            | Self::Capabilities(_)
            | Self::Subscribe(_)
            | Self::Unsubscribe(_)
            | Self::Publish(_)
            | Self::Token(_)
            | Self::Revoke(_) => None,
            Self::Partition(_) => Some("partition"),
            Self::Reset(_) => Some("reset"),
            Self::HalfOpen(_) => Some("half-open"),
            Self::Stall(_) => Some("stall"),
            Self::Crash(_) => Some("crash"),
            Self::SlowReader(_) => Some("slow-reader"),
            Self::Pause(_) => Some("pause"),
            Self::Misbehave(_) => Some("misbehave"),
        }
    }

    /// Whether it can disturb what goes on between two nodes.
    pub fn disturbs(&self, one: usize, other: usize) -> bool {
        let either = |node: usize| node == one || node == other;
        let pair_is = |pair: &[usize; 2]| either(pair[0]) && either(pair[1]);
        match self {
            Self::Call(_)
            | Self::Cancel(_)
            | Self::Serve(_)
            | Self::Unserve(_)
            | Self::Capabilities(_)
            | Self::Subscribe(_)
            | Self::Unsubscribe(_)
            | Self::Publish(_)
            | Self::Token(_)
            | Self::Revoke(_) => false,
            Self::Partition(item) => {
                let cuts = |from: usize, to: usize| item.from.contains(&from) && item.to.contains(&to);
                cuts(one, other) || cuts(other, one)
            }
            Self::Reset(item) | Self::HalfOpen(item) => pair_is(&item.pair),
            Self::Stall(item) => pair_is(&item.pair),
            Self::Crash(item) => either(item.node),
            Self::SlowReader(item) => either(item.node),
            Self::Pause(item) => either(item.node),
            Self::Misbehave(item) => either(item.node),
        }
    }
}

/// A call of a run, whether an item or made by a handler.
#[derive(Clone, Copy, Debug)]
pub struct CallSpec<'a> {
    /// The number of the operation.
    pub id: u64,
    /// Who calls, where that is known beforehand.
    pub from: Option<usize>,
    /// Who is called, if somebody in particular.
    pub to: Option<usize>,
    /// Whether the action exists.
    pub action: ActionKind,
    /// How one is chosen of those that may be called.
    pub select: Selection,
    /// What is done for it besides making it once.
    pub policy: Policy,
    /// What makes it a stream, if it is one, or meets one.
    pub stream: Option<StreamSpec>,
    /// Bytes of the argument.
    pub size: u64,
    /// How long the caller waits.
    pub timeout: Micros,
    /// What the handler does.
    pub handler: &'a Handler,
    /// When an item makes it; `None` where a handler does.
    pub at: Option<Micros>,
}

impl CallSpec<'_> {
    /// The node whose handler runs: the one that is called, or the one node that serves what is called at large. `None` where
    /// it is whoever serves the action of a pool.
    pub fn provider(&self, nodes: usize) -> Option<usize> {
        let alone = || usize::try_from(self.id % nodes as u64).unwrap_or(0);
        match (self.to, self.action) {
            (Some(to), _) => Some(to),
            (None, ActionKind::Pool(_)) => None,
            (None, ActionKind::Served | ActionKind::Unknown | ActionKind::Area(_)) => Some(alone()),
        }
    }

    /// The shape in which its action is served.
    pub fn served(&self) -> Shape {
        self.stream.map_or(Shape::Unary, |stream| stream.shape)
    }

    /// The shape in which it is called.
    pub fn called(&self) -> Shape {
        self.stream.map_or(Shape::Unary, |stream| stream.called())
    }

    /// How many messages go one way that are no request and no answer, and how many bytes each has. An action that answers once
    /// and is called as a stream gives its answer as the only item.
    pub fn sends(&self, flow: Flow) -> (u64, u64) {
        match &self.stream {
            Some(stream) if stream.shape.has(flow) => {
                let sends = stream.sends(flow);
                let count = match (stream.ends_after, flow) {
                    (Some(most), Flow::Items) => sends.count.min(most),
                    _ => sends.count,
                };
                (count, sends.size)
            }
            Some(stream) if stream.called().has(flow) => (1, crate::payload::answer_size(self)),
            _ => (0, 0),
        }
    }
}

impl Run {
    /// Every call, handlers' own included.
    pub fn calls(&self) -> Vec<CallSpec<'_>> {
        let mut calls = Vec::new();
        for item in &self.items {
            let Item::Call(call) = item else { continue };
            let (id, from, to, action) = (call.id, Some(call.from), call.to, call.action);
            let (select, policy, stream) = (call.select, call.policy, call.stream);
            let (size, timeout, at, handler) = (call.size, call.timeout, Some(call.t), &call.handler);
            calls.push(CallSpec { id, from, to, action, select, policy, stream, size, timeout, handler, at });
            let provider = calls.last().and_then(|call| call.provider(self.header.nodes.len()));
            let (mut handler, mut caller) = (&call.handler, provider);
            while let Handler::Call { id, to, size, timeout, handler: inner } = handler {
                let (from, action) = (caller, ActionKind::Served);
                calls.push(CallSpec {
                    id: *id,
                    from,
                    to: Some(*to),
                    action,
                    select: Selection::default(),
                    policy: Policy::default(),
                    stream: None,
                    size: *size,
                    timeout: *timeout,
                    handler: inner,
                    at: None,
                });
                (handler, caller) = (inner, Some(*to));
            }
        }
        calls
    }

    /// Every event that is published, by its number.
    pub fn events<'a>(&'a self) -> std::collections::BTreeMap<u64, &'a PublishItem> {
        let event = |item: &'a Item| match item {
            Item::Publish(event) => Some((event.id, event)),
            _ => None,
        };
        self.items.iter().filter_map(event).collect()
    }

    /// Every subscription, by its number.
    pub fn subscriptions<'a>(&'a self) -> std::collections::BTreeMap<u64, &'a SubscribeItem> {
        let subscription = |item: &'a Item| match item {
            Item::Subscribe(subscription) => Some((subscription.id, subscription)),
            _ => None,
        };
        self.items.iter().filter_map(subscription).collect()
    }

    /// Whether two nodes are told to keep a link.
    pub fn linked(&self, one: usize, other: usize) -> bool {
        self.header.dials.iter().any(|pair| *pair == [one, other] || *pair == [other, one])
    }

    /// The links that nodes are told to keep, as a graph.
    pub fn graph(&self) -> Graph {
        Graph::new(self.header.nodes.len(), self.pairs())
    }

    /// Every pair that is told to keep a link, smaller number first, each once.
    pub fn pairs(&self) -> std::collections::BTreeSet<(usize, usize)> {
        self.header.dials.iter().map(|[from, to]| (*from.min(to), *from.max(to))).collect()
    }
}
