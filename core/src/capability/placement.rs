//! How well a node suits a piece of work.
//!
//! The score is a product: each axis gives a number from 0 to 1, and one that does not apply gives 1. It is a local judgement,
//! so that it may use floating point; nothing on the wire depends on it.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;

use super::filter::Filter;
use super::number;
use super::set::CapabilitySet;
use super::tag::{Axis, SCOPE_PREFIX, Tag};
use crate::identity::NodeId;

#[cfg(test)]
mod tests;

/// What the score of a soft colocation is where it is not met.
const COLOCATION_MISS: f64 = 0.7;
/// Cores at which the score of cores is one half.
const CORES_HALF: f64 = 8.0;
/// Gigabytes of memory at which its score is one half; the same for that of a GPU.
const MEMORY_GB_HALF: f64 = 16.0;
/// Gigabytes of storage at which its score is one half.
const STORAGE_GB_HALF: f64 = 1_000.0;

/// A node that might do the work.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Which node.
    pub node: NodeId,
    /// What it can do.
    pub set: &'a CapabilitySet,
    /// The round trip to it in microseconds; `None` where it was not measured.
    pub round_trip_us: Option<u64>,
    /// The part of the work of this kind that it does already, from 0 to 1; `None` where that is not known.
    pub share: Option<f64>,
    /// Names of what is known to be on it, for colocation; besides these, its `causal:` tags count.
    pub hosts: &'a [&'a str],
}

impl<'a> Candidate<'a> {
    /// A candidate of which nothing but its set is known.
    pub fn new(node: NodeId, set: &'a CapabilitySet) -> Self {
        Self { node, set, round_trip_us: None, share: None, hosts: &[] }
    }

    /// Whether the thing of this name is on the node: `causal:<name>`, alone or with a position or range after it.
    fn has_on_it(&self, name: &str) -> bool {
        let holds = |tag: Tag<'_>| match tag {
            Tag::Reserved { prefix: "causal:", rest } => {
                rest.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '[']))
            }
            _ => false,
        };
        self.hosts.contains(&name) || self.set.parsed().any(holds)
    }
}

/// What is to be placed. Its metadata (`intent`, `colocate-with`, `colocate-with-strict`) is looked for in what it requires
/// and then in what it would like.
#[derive(Clone, Copy, Debug)]
pub struct Work<'a> {
    /// Tags that a node must have.
    pub required: &'a CapabilitySet,
    /// Hints.
    pub optional: &'a CapabilitySet,
}

impl Work<'_> {
    fn metadata(&self, key: &str) -> Option<&str> {
        let value = self.required.metadata().get(key).or_else(|| self.optional.metadata().get(key));
        value.map(String::as_str)
    }
}

/// Whether the node must be able to do what the work is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IntentPolicy {
    /// It does not matter.
    #[default]
    Disabled,
    /// The node must meet the intent that the work names. No intent, or one that is not registered, asks nothing.
    Strict,
    /// The node must meet some registered intent. Where none is registered, nothing is asked.
    AnyOfLocal,
}

/// Whether the work wants to be where something else is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColocationPolicy {
    /// It does not matter.
    #[default]
    Ignore,
    /// `colocate-with` is a wish, `colocate-with-strict` a must.
    Soft,
    /// Both are musts.
    Strict,
}

/// Which resources count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResourceAxis {
    /// Cores, memory and GPU memory: the mean of those that the node tells.
    #[default]
    Compute,
    /// Storage.
    Storage,
    /// The mean of both.
    Both,
}

/// When a node has enough of one kind of work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AntiAffinity {
    /// The share from 0 to 1 above which a node is less wanted.
    pub threshold: f64,
    /// What its score is multiplied by then, from 0 to 1.
    pub penalty: f64,
}

impl Default for AntiAffinity {
    /// Above 30 %, times 0.4.
    fn default() -> Self {
        Self { threshold: 0.3, penalty: 0.4 }
    }
}

/// A score of one's own: from 0 to 1, or `None` to rule the node out.
pub type CustomFilter = Box<dyn Fn(&Candidate<'_>) -> Option<f64> + Send + Sync>;

/// How nodes are judged. By default every axis but resources and anti-affinity is off, and those say nothing about nodes of
/// which nothing is known.
///
/// ```
/// use lacewing_core::NodeId;
/// use lacewing_core::capability::CapabilitySet;
/// use lacewing_core::capability::placement::{Candidate, Placement, Work};
///
/// let small = CapabilitySet::from_json(r#"{"tags": ["hardware.gpu", "hardware.cpu_cores=8"]}"#).unwrap();
/// let large = CapabilitySet::from_json(r#"{"tags": ["hardware.gpu", "hardware.cpu_cores=24"]}"#).unwrap();
/// let required = CapabilitySet::from_json(r#"{"tags": ["hardware.gpu"]}"#).unwrap();
/// let work = Work { required: &required, optional: &CapabilitySet::new() };
/// let (a, b) = (NodeId::from_bytes([1; 32]), NodeId::from_bytes([2; 32]));
///
/// let ranked = Placement::default().rank(&work, &[Candidate::new(a, &small), Candidate::new(b, &large)]);
/// assert_eq!(ranked, [(b, 0.75), (a, 0.5)]);
/// ```
#[derive(Default)]
pub struct Placement {
    /// Scopes of which the node must have one, as tags (`scope:tenant:acme`) or without the prefix. Empty: any node will do.
    pub scopes: Vec<String>,
    /// Longest round trip in microseconds.
    pub round_trip_us_max: Option<u64>,
    /// Whether the intent of the work counts.
    pub intent: IntentPolicy,
    /// What each intent needs.
    pub intents: BTreeMap<String, Filter>,
    /// Whether colocation counts.
    pub colocation: ColocationPolicy,
    /// Which resources count.
    pub resources: ResourceAxis,
    /// When a node has enough of this work.
    pub anti_affinity: AntiAffinity,
    /// The name of a filter in `customs`. One that is not there rules every node out.
    pub custom: Option<String>,
    /// Filters by name.
    pub customs: BTreeMap<String, CustomFilter>,
}

impl fmt::Debug for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Placement")
            .field("scopes", &self.scopes)
            .field("round_trip_us_max", &self.round_trip_us_max)
            .field("intent", &self.intent)
            .field("colocation", &self.colocation)
            .field("resources", &self.resources)
            .field("anti_affinity", &self.anti_affinity)
            .field("custom", &self.custom)
            .finish_non_exhaustive()
    }
}

impl Placement {
    /// How well the candidate suits the work, from 0 to 1; `None` rules it out.
    pub fn score(&self, work: &Work<'_>, candidate: &Candidate<'_>) -> Option<f64> {
        let custom = match &self.custom {
            None => 1.0,
            Some(name) => self.customs.get(name)?(candidate)?,
        };
        if !work.required.tags().iter().all(|tag| candidate.set.holds(tag)) {
            return None;
        }
        let axes = [
            self.scope(candidate),
            self.proximity(candidate),
            self.intent(work, candidate),
            self.colocation(work, candidate),
            self.resources(candidate).unwrap_or(1.0),
            self.anti_affinity(candidate),
            custom,
        ];
        Some(axes.into_iter().map(unit).product())
    }

    /// The candidates that are not ruled out with their scores, best first. What has the same score is ordered by the lower
    /// round trip, the more resources, and the lower node id.
    pub fn rank(&self, work: &Work<'_>, candidates: &[Candidate<'_>]) -> Vec<(NodeId, f64)> {
        let scored =
            candidates.iter().filter_map(|candidate| Some((self.score(work, candidate)?, candidate)));
        let mut scored: Vec<(f64, &Candidate<'_>)> = scored.collect();
        scored.sort_by(|(left_score, left), (right_score, right)| {
            right_score.total_cmp(left_score).then_with(|| self.break_tie(left, right))
        });
        scored.into_iter().map(|(score, candidate)| (candidate.node, score)).collect()
    }

    /// Which of two candidates with the same score comes first: `Less` for the left one.
    pub fn break_tie(&self, left: &Candidate<'_>, right: &Candidate<'_>) -> Ordering {
        // A round trip that nobody measured is the longest.
        let round_trip = |candidate: &Candidate<'_>| candidate.round_trip_us.unwrap_or(u64::MAX);
        let resources = |candidate: &Candidate<'_>| self.resources(candidate).unwrap_or(0.0);
        round_trip(left)
            .cmp(&round_trip(right))
            .then_with(|| resources(right).total_cmp(&resources(left)))
            .then_with(|| left.node.cmp(&right.node))
    }

    fn scope(&self, candidate: &Candidate<'_>) -> f64 {
        let has = |wanted: &String| {
            let wanted = wanted.strip_prefix(SCOPE_PREFIX).unwrap_or(wanted);
            candidate.set.parsed().any(|tag| tag == Tag::Reserved { prefix: SCOPE_PREFIX, rest: wanted })
        };
        yes(self.scopes.is_empty() || self.scopes.iter().any(has))
    }

    fn proximity(&self, candidate: &Candidate<'_>) -> f64 {
        match (self.round_trip_us_max, candidate.round_trip_us) {
            (Some(max), Some(round_trip)) => yes(round_trip <= max),
            _ => 1.0,
        }
    }

    fn intent(&self, work: &Work<'_>, candidate: &Candidate<'_>) -> f64 {
        yes(match self.intent {
            IntentPolicy::Disabled => true,
            IntentPolicy::Strict => {
                let needs = work.metadata("intent").and_then(|intent| self.intents.get(intent));
                needs.is_none_or(|needs| needs.matches(candidate.set))
            }
            IntentPolicy::AnyOfLocal => {
                self.intents.is_empty() || self.intents.values().any(|needs| needs.matches(candidate.set))
            }
        })
    }

    fn colocation(&self, work: &Work<'_>, candidate: &Candidate<'_>) -> f64 {
        if self.colocation == ColocationPolicy::Ignore {
            return 1.0;
        }
        let missed = |key| work.metadata(key).is_some_and(|name| !candidate.has_on_it(name));
        match (missed("colocate-with-strict"), missed("colocate-with"), self.colocation) {
            (true, _, _) | (_, true, ColocationPolicy::Strict) => 0.0,
            (false, true, _) => COLOCATION_MISS,
            (false, false, _) => 1.0,
        }
    }

    /// The score of the resources, where the node tells any.
    fn resources(&self, candidate: &Candidate<'_>) -> Option<f64> {
        let part = |key, half| resource(candidate.set, key).map(|value| value / (value + half));
        let compute = || {
            mean(&[
                part("cpu_cores", CORES_HALF),
                part("memory_gb", MEMORY_GB_HALF),
                part("gpu.vram_gb", MEMORY_GB_HALF),
            ])
        };
        let storage = || part("storage_gb", STORAGE_GB_HALF);
        match self.resources {
            ResourceAxis::Compute => compute(),
            ResourceAxis::Storage => storage(),
            ResourceAxis::Both => mean(&[compute(), storage()]),
        }
    }

    fn anti_affinity(&self, candidate: &Candidate<'_>) -> f64 {
        let over = candidate.share.is_some_and(|share| share > self.anti_affinity.threshold);
        if over { self.anti_affinity.penalty } else { 1.0 }
    }
}

const fn yes(yes: bool) -> f64 {
    if yes { 1.0 } else { 0.0 }
}

/// A score within 0 and 1; what is no number is 0.
fn unit(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score.clamp(0.0, 1.0) }
}

/// The mean of the parts that are known.
fn mean(parts: &[Option<f64>]) -> Option<f64> {
    let known = parts.iter().flatten();
    let count = known.clone().count();
    (count > 0).then(|| known.sum::<f64>() / count as f64)
}

/// The largest amount that a hardware key has; negative and infinite amounts are none.
fn resource(set: &CapabilitySet, key: &str) -> Option<f64> {
    let amounts = set.values(Axis::Hardware, key).flatten().filter_map(number::parse);
    amounts.filter(|amount| amount.is_finite() && *amount >= 0.0).reduce(f64::max)
}
