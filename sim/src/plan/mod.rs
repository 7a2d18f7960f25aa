//! Plans: ranges and choices from which a seed makes a run.
//!
//! Plans are TOML files in `scenarios/`. Each family of faults draws from a random stream of its own, so that a change in one
//! moves nothing in another.

mod access;
mod expand;
mod faults;
mod offers;
mod streams;
#[cfg(test)]
mod tests;
mod topics;
mod topology;
mod work;

use serde::Deserialize;

use crate::quantity::{Micros, Range, Ratio};
use crate::run::{CrashMode, LimitOverrides, Misbehaviour, RouteMetric, TimingOverrides};

pub use self::streams::{StreamPlan, WeightedMessages};
pub use self::topology::Topology;

/// A plan.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What it is called, for how long it runs, on how many nodes.
    #[serde(rename = "plan")]
    pub outline: Outline,
    /// The network.
    #[serde(default)]
    pub net: NetPlan,
    /// Times that differ from the core's.
    #[serde(default)]
    pub timing: TimingOverrides,
    /// Limits that differ from the core's.
    #[serde(default)]
    pub limits: LimitOverrides,
    /// How much actions do at once; as much as comes where it is left out.
    #[serde(default)]
    pub action_limit: Option<ActionLimitPlan>,
    /// Which families of faults are left out.
    #[serde(default)]
    pub swarm: Swarm,
    /// Families of faults.
    #[serde(default)]
    pub fault: Vec<FaultPlan>,
    /// What the applications do.
    #[serde(default)]
    pub work: Vec<WorkPlan>,
}

/// See [`Plan::outline`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outline {
    /// The plan's name, which is also its file's.
    pub name: String,
    /// What it is for, in a line.
    pub about: String,
    /// How many nodes.
    pub nodes: Range<u64>,
    /// How long faults and work go on.
    pub duration: Range<Micros>,
    /// Who is linked with whom; one of these.
    pub topology: Vec<Topology>,
    /// When the processes start.
    #[serde(default = "at_once")]
    pub start: Range<Micros>,
    /// Whether some nodes may be further from each other than payloads go, so that calls between them are unavailable.
    #[serde(default)]
    pub beyond_hop_limit: bool,
    /// What makes a route good; one of these.
    #[serde(default = "by_round_trip")]
    pub route_metric: Vec<RouteMetric>,
    /// Keep-alive intervals of the nodes; one of these for each. None: what `timing` says.
    #[serde(default)]
    pub keepalive_interval: Vec<Micros>,
}

fn at_once() -> Range<Micros> {
    Range { low: Micros::ZERO, high: Micros::ZERO }
}

fn by_round_trip() -> Vec<RouteMetric> {
    vec![RouteMetric::RoundTrip]
}

/// See [`Plan::action_limit`].
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionLimitPlan {
    /// Handlers of an action that run at once.
    pub max: Range<u64>,
    /// Requests that wait.
    pub queue: Range<u64>,
}

/// See [`Plan::net`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetPlan {
    /// Latency of the directions of pairs.
    pub latency: Range<Micros>,
    /// Greatest jitter.
    pub jitter: Range<Micros>,
    /// Bytes a second in each direction of a stream.
    pub bandwidth: Range<u64>,
    /// Bytes that a stream holds.
    pub window: Range<u64>,
    /// How long streams retransmit.
    pub retransmit_timeout: Range<Micros>,
}

impl Default for NetPlan {
    fn default() -> Self {
        let millis = |low, high| Range { low: Micros::from_millis(low), high: Micros::from_millis(high) };
        Self {
            latency: millis(1, 40),
            jitter: millis(0, 10),
            bandwidth: Range { low: 1_000_000, high: 100_000_000 },
            window: Range { low: 65_536, high: 1_048_576 },
            retransmit_timeout: millis(8_000, 20_000),
        }
    }
}

/// See [`Plan::swarm`].
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Swarm {
    /// How likely each family is left out of a run: "Swarm Testing" (Groce et al., ISSTA 2012).
    pub omit_probability: Ratio,
}

impl Default for Swarm {
    fn default() -> Self {
        Self { omit_probability: Ratio::NEVER }
    }
}

/// A family of faults.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum FaultPlan {
    /// Nodes cannot reach others.
    Partition {
        /// Pause between two.
        every: Range<Micros>,
        /// How long each lasts.
        lasts: Range<Micros>,
        /// Which nodes it separates; one of these.
        shape: Vec<Shape>,
    },
    /// The streams of a pair break.
    Reset {
        /// Pause between two.
        every: Range<Micros>,
    },
    /// The streams of a pair die unnoticed.
    HalfOpen {
        /// Pause between two.
        every: Range<Micros>,
    },
    /// The streams of a pair stand still.
    Stall {
        /// Pause between two.
        every: Range<Micros>,
        /// How long each lasts.
        lasts: Range<Micros>,
    },
    /// A node ends and comes back.
    Crash {
        /// Pause between two.
        every: Range<Micros>,
        /// How long it is away.
        lasts: Range<Micros>,
        /// How it ends; one of these.
        mode: Vec<CrashMode>,
        /// How likely it comes back with a clock that was set back.
        #[serde(default = "never")]
        clock_back: Ratio,
    },
    /// A node takes bytes slowly.
    SlowReader {
        /// Pause between two.
        every: Range<Micros>,
        /// How long each lasts.
        lasts: Range<Micros>,
        /// Bytes a second.
        rate: Range<u64>,
    },
    /// A node does nothing.
    Pause {
        /// Pause between two.
        every: Range<Micros>,
        /// How long each lasts.
        lasts: Range<Micros>,
    },
    /// A node breaks the rules.
    Misbehave {
        /// Pause between two.
        every: Range<Micros>,
        /// How long each lasts.
        lasts: Range<Micros>,
        /// What it does; one of these.
        how: Vec<Misbehaviour>,
    },
}

fn never() -> Ratio {
    Ratio::NEVER
}

/// Which nodes a partition separates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// One from all others.
    IsolateOne,
    /// One half from the other.
    Halves,
    /// Two halves, but for one node that still reaches both.
    Bridge,
    /// One half does not hear the other, which hears it.
    Oneway,
    /// The first half of the nodes from the second: of two islands one from the other.
    Islands,
}

/// What applications do.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum WorkPlan {
    /// Calls between random nodes.
    Calls(CallPlan),
    /// Nodes begin and cease to serve the actions of pools, pause them and say how busy they are.
    Providers(ProviderPlan),
    /// Nodes say what they can do, and something else later.
    Capabilities(CapabilityPlan),
    /// Streams between random nodes.
    Streams(StreamPlan),
    /// Nodes subscribe to topics and publish events.
    Topics(TopicPlan),
    /// Nodes guard areas, are given tokens for them, call and publish there, and issuers take tokens back.
    Access(AccessPlan),
}

/// See [`WorkPlan::Access`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessPlan {
    /// How many areas there are.
    pub areas: Range<u64>,
    /// How likely a node guards none.
    pub unguarded: Ratio,
    /// How likely a node has a token for an area from the start.
    pub entitled: Ratio,
    /// Pause between two changes: a new token, or tokens that are taken back.
    pub every: Range<Micros>,
    /// How likely a change takes tokens back.
    pub revoked: Ratio,
    /// How likely a token is no good.
    pub flawed: Ratio,
    /// Calls and events a second, of all nodes together.
    pub rate: Range<u64>,
    /// How likely one is an event.
    pub event: Ratio,
}

/// See [`WorkPlan::Topics`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicPlan {
    /// How many subscriptions a node has from the start.
    pub subscriptions: Range<u64>,
    /// Pause between two changes of subscriptions.
    pub every: Range<Micros>,
    /// Places of a subscription's queue.
    pub queue: Range<u64>,
    /// How long an application works on an event.
    pub work: Range<Micros>,
    /// Events a second, of all nodes together.
    pub rate: Range<u64>,
    /// How many come at once.
    #[serde(default = "one")]
    pub burst: Range<u64>,
    /// Sizes of events.
    pub size: Vec<WeightedSize>,
    /// How likely a subscription is in a group.
    #[serde(default = "never")]
    pub grouped: Ratio,
    /// How likely an event is for one of each group.
    #[serde(default = "never")]
    pub one_per_group: Ratio,
    /// How likely an event stays at its node.
    #[serde(default = "never")]
    pub local: Ratio,
}

/// See [`WorkPlan::Providers`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderPlan {
    /// How many pools there are.
    pub pools: Range<u64>,
    /// How likely a node serves a pool from the start.
    pub serves: Ratio,
    /// Pause between two changes.
    pub every: Range<Micros>,
}

/// See [`WorkPlan::Capabilities`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapabilityPlan {
    /// How many tags a node has.
    pub tags: Range<u64>,
    /// Pause between two changes.
    pub every: Range<Micros>,
}

/// See [`WorkPlan::Calls`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallPlan {
    /// Calls a second, of all nodes together.
    pub rate: Range<u64>,
    /// How many calls come at once.
    #[serde(default = "one")]
    pub burst: Range<u64>,
    /// Sizes of arguments and answers.
    pub size: Vec<WeightedSize>,
    /// How long callers wait.
    pub timeout: Range<Micros>,
    /// How long handlers work.
    pub work: Range<Micros>,
    /// How likely a handler fails.
    #[serde(default = "never")]
    pub fails: Ratio,
    /// How likely a handler does not answer.
    #[serde(default = "never")]
    pub hangs: Ratio,
    /// How likely a handler calls on.
    #[serde(default = "never")]
    pub nested: Ratio,
    /// How likely the caller gives up early.
    #[serde(default = "never")]
    pub cancelled: Ratio,
    /// How likely a node calls itself.
    #[serde(default = "never")]
    pub own: Ratio,
    /// How likely the action does not exist.
    #[serde(default = "never")]
    pub unknown: Ratio,
    /// How likely nobody in particular is called.
    #[serde(default = "never")]
    pub anybody: Ratio,
    /// How likely any node is called, in place of one with a link.
    #[serde(default = "now_and_then")]
    pub far: Ratio,
    /// How likely the action is that of a pool. Somebody must serve them: `kind = "providers"`.
    #[serde(default = "never")]
    pub pool: Ratio,
    /// How likely a call asks for more than to be made once: to be tried again, hedged, or not made where it fails.
    #[serde(default = "never")]
    pub policy: Ratio,
    /// How likely nobody waits for it.
    #[serde(default = "never")]
    pub cast: Ratio,
}

fn now_and_then() -> Ratio {
    Ratio { part: 1, whole: 16 }
}

fn one() -> Range<u64> {
    Range { low: 1, high: 1 }
}

/// A class of sizes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightedSize {
    /// Bytes.
    pub bytes: Range<u64>,
    /// How likely, in proportion to the other classes.
    pub weight: u32,
}

/// Text that is no plan: where, and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The text does not fit.
    #[error("{file}:{line}: {text}")]
    Text {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong, and what would be right.
        text: String,
    },
    /// There is no plan of that name.
    #[error("there is no plan {name:?}: the plans are {known}, or give the path of a .toml file")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The file cannot be read.
    #[error("cannot read {file}: {text}")]
    File {
        /// The file.
        file: String,
        /// Why.
        text: String,
    },
}

/// The plans that come with the testbed: their files' names and texts.
pub const BUNDLED: &[(&str, &str)] = &[
    ("access", include_str!("../../scenarios/access.toml")),
    ("calls", include_str!("../../scenarios/calls.toml")),
    ("churn", include_str!("../../scenarios/churn.toml")),
    ("crashes", include_str!("../../scenarios/crashes.toml")),
    ("crowds", include_str!("../../scenarios/crowds.toml")),
    ("deaths", include_str!("../../scenarios/deaths.toml")),
    ("floods", include_str!("../../scenarios/floods.toml")),
    ("hops", include_str!("../../scenarios/hops.toml")),
    ("islands", include_str!("../../scenarios/islands.toml")),
    ("liars", include_str!("../../scenarios/liars.toml")),
    ("links", include_str!("../../scenarios/links.toml")),
    ("mesh", include_str!("../../scenarios/mesh.toml")),
    ("overload", include_str!("../../scenarios/overload.toml")),
    ("quiet", include_str!("../../scenarios/quiet.toml")),
    ("smoke", include_str!("../../scenarios/smoke.toml")),
    ("storms", include_str!("../../scenarios/storms.toml")),
    ("streams", include_str!("../../scenarios/streams.toml")),
    ("tight", include_str!("../../scenarios/tight.toml")),
    ("topics", include_str!("../../scenarios/topics.toml")),
];

impl Plan {
    /// The plan of this name, or in this file.
    pub fn load(name: &str) -> Result<Self, PlanError> {
        if Self::is_file(name) {
            let read = std::fs::read_to_string(name);
            let text =
                read.map_err(|error| PlanError::File { file: name.to_owned(), text: error.to_string() })?;
            return Self::parse(name, &text);
        }
        let Some((_, text)) = BUNDLED.iter().find(|(known, _)| *known == name) else {
            let known: Vec<&str> = BUNDLED.iter().map(|(name, _)| *name).collect();
            return Err(PlanError::Unknown { name: name.to_owned(), known: known.join(", ") });
        };
        Self::parse(&format!("sim/scenarios/{name}.toml"), text)
    }

    /// Whether this asks for a file, not for one of the plans that come with the testbed.
    pub fn is_file(name: &str) -> bool {
        std::path::Path::new(name).extension().is_some_and(|extension| extension == "toml")
    }

    /// Reads a plan. `file` is for messages, and its stem must be the plan's name.
    pub fn parse(file: &str, text: &str) -> Result<Self, PlanError> {
        let error = |line: usize, text: String| PlanError::Text { file: file.to_owned(), line, text };
        let plan: Self = toml::from_str(text).map_err(|cause| {
            let start = cause.span().map_or(0, |span| span.start);
            error(line_of(text, start), cause.message().replace('\n', " "))
        })?;
        plan.check().map_err(|(word, what)| error(line_of(text, text.find(word).unwrap_or(0)), what))?;
        let stem = std::path::Path::new(file).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if plan.outline.name == stem {
            Ok(plan)
        } else {
            let line = line_of(text, text.find("name").unwrap_or(0));
            Err(error(
                line,
                format!("the plan {:?} must be called {stem:?}, like its file", plan.outline.name),
            ))
        }
    }

    /// What types alone cannot say: the word to look for, and what is wrong.
    fn check(&self) -> Result<(), (&'static str, String)> {
        let outline = &self.outline;
        if outline.nodes.low < 1 || outline.nodes.high > 200 {
            return Err(("nodes", "a plan has 1 to 200 nodes".to_owned()));
        }
        if outline.topology.is_empty() {
            let all = "full, ring, line, star, tree, random-k3, random-k4, islands";
            return Err(("topology", format!("name at least one of {all}")));
        }
        for topology in &outline.topology {
            let nodes_max = topology.nodes_max().filter(|_| !outline.beyond_hop_limit);
            if let Some(max) = nodes_max.filter(|max| outline.nodes.high > *max) {
                let text = format!(
                    "{topology:?} with more than {max} nodes is too long for payloads; with `beyond_hop_limit = true` that is wanted"
                );
                return Err(("topology", text));
            }
        }
        if outline.route_metric.is_empty() {
            return Err(("route_metric", "name at least one of round-trip, hops".to_owned()));
        }
        if outline.duration.high > Micros(3_600_000_000) {
            return Err(("duration", "a run lasts an hour at most".to_owned()));
        }
        if self.action_limit.is_some_and(|limit| limit.max.low == 0) {
            return Err(("max", "an action runs at least one handler at once".to_owned()));
        }
        if self.net.bandwidth.low == 0 || self.net.window.low == 0 {
            return Err(("[net]", "bandwidth and window must be at least 1".to_owned()));
        }
        for fault in &self.fault {
            let (every, choices) = fault.pace();
            if every.high == Micros::ZERO {
                return Err(("every", "a fault that comes every 0s never lets time pass".to_owned()));
            }
            if choices == 0 {
                return Err(("[[fault]]", "`shape`, `mode` and `how` need at least one choice".to_owned()));
            }
        }
        self.work.iter().try_for_each(|work| match work {
            WorkPlan::Calls(calls) => self.check_calls(calls),
            WorkPlan::Streams(streams) => streams.check(),
            WorkPlan::Providers(ProviderPlan { every, .. })
            | WorkPlan::Capabilities(CapabilityPlan { every, .. })
            | WorkPlan::Topics(TopicPlan { every, .. })
            | WorkPlan::Access(AccessPlan { every, .. })
                if every.high == Micros::ZERO =>
            {
                Err(("every", "a change that comes every 0s never lets time pass".to_owned()))
            }
            WorkPlan::Providers(plan) if plan.pools.low < 1 || plan.pools.high > 100 => {
                Err(("pools", "a plan has 1 to 100 pools".to_owned()))
            }
            WorkPlan::Topics(plan)
                if plan.size.iter().all(|size| size.weight == 0) || plan.burst.low == 0 =>
            {
                Err(("size", "a size must have a weight above 0, and burst be above 0".to_owned()))
            }
            WorkPlan::Access(plan) if plan.areas.low < 1 || plan.areas.high > 4 || plan.rate.low == 0 => {
                // A node shows 16 tokens at most.
                Err(("areas", "a plan has 1 to 4 areas, and a rate above 0".to_owned()))
            }
            WorkPlan::Providers(_)
            | WorkPlan::Capabilities(_)
            | WorkPlan::Topics(_)
            | WorkPlan::Access(_) => Ok(()),
        })
    }

    fn check_calls(&self, calls: &CallPlan) -> Result<(), (&'static str, String)> {
        if calls.size.iter().all(|size| size.weight == 0) {
            return Err(("size", "at least one size must have a weight above 0".to_owned()));
        }
        if calls.rate.low == 0 || calls.burst.low == 0 || calls.timeout.low == Micros::ZERO {
            return Err(("[[work]]", "rate, burst and timeout must be above 0".to_owned()));
        }
        if calls.pool != Ratio::NEVER && self.pools().is_none() {
            return Err(("pool", "nobody serves a pool: add work of the kind \"providers\"".to_owned()));
        }
        Ok(())
    }
}

impl Plan {
    /// How many pools there are, where there are any.
    fn pools(&self) -> Option<Range<u64>> {
        self.work.iter().find_map(|work| match work {
            WorkPlan::Providers(plan) => Some(plan.pools),
            WorkPlan::Calls(_)
            | WorkPlan::Capabilities(_)
            | WorkPlan::Topics(_)
            | WorkPlan::Streams(_)
            | WorkPlan::Access(_) => None,
        })
    }
}

impl Plan {
    /// Whether there are streams.
    fn has_streams(&self) -> bool {
        self.work.iter().any(|work| matches!(work, WorkPlan::Streams(_)))
    }
}

impl FaultPlan {
    fn pace(&self) -> (Range<Micros>, usize) {
        match self {
            Self::Partition { every, shape, .. } => (*every, shape.len()),
            Self::Crash { every, mode, .. } => (*every, mode.len()),
            Self::Misbehave { every, how, .. } => (*every, how.len()),
            Self::Reset { every }
            | Self::HalfOpen { every }
            | Self::Stall { every, .. }
            | Self::SlowReader { every, .. }
            | Self::Pause { every, .. } => (*every, 1),
        }
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.char_indices().take_while(|(at, _)| *at < offset).filter(|(_, char)| *char == '\n').count() + 1
}

/// The name of a plan in names of files, whether it was given by name or by path.
pub fn short_name(plan: &str) -> &str {
    std::path::Path::new(plan).file_stem().and_then(|stem| stem.to_str()).unwrap_or(plan)
}
