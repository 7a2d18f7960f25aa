//! What is asked of a mesh, and what the answer is divided by.

use std::hint::black_box;
use std::time::Duration;

use lacewing_core::capability::{CapabilitySet, Filter};
use lacewing_core::directory::index::{CapabilityIndex, SlotSet};
use lacewing_core::predicate::{Candidate, Predicate};

use super::mesh;
use crate::clock::cpu_time;
use crate::goal::Goal;

/// Five clauses that must all hold; the index can tell three of them by itself.
const NARROWING: &str = concat!(
    "hardware.gpu and hardware.memory_gb >= 64 and software.os = linux",
    " and software.runtime.python ~= 3.10 and meta.owner contains \"team-1\""
);
/// Five clauses of which any would do and each holds of few, so that most nodes have to be asked all five.
const EXHAUSTING: &str = concat!(
    "hardware.storage_gb >= 3900 or hardware.gpu.model = \"amd-3\" or software.runtime.python >= v\"3.13\"",
    " or software.os_version starts_with \"6.19\" or meta.owner contains \"team-49\""
);

/// Nodes that a predicate is asked about without a look at any other: as many as a call has providers to choose from.
const FEW: usize = 16;

/// What is told of a mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    SelectiveTag,
    SelectiveTags,
    BroadTag,
    TwoTags,
    GpuMemory,
    Narrowing,
    Exhausting,
    EachSlot,
    FewSlots,
    EvaluatePrepared,
    EvaluateSet,
    Change,
    Memory,
}

impl Metric {
    pub(crate) const ALL: [Self; 13] = [
        Self::SelectiveTag,
        Self::SelectiveTags,
        Self::BroadTag,
        Self::TwoTags,
        Self::GpuMemory,
        Self::Narrowing,
        Self::Exhausting,
        Self::EachSlot,
        Self::FewSlots,
        Self::EvaluatePrepared,
        Self::EvaluateSet,
        Self::Change,
        Self::Memory,
    ];

    /// The name in JSON, its unit last.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::SelectiveTag => "selective_tag_ns",
            Self::SelectiveTags => "selective_and_broad_tag_ns",
            Self::BroadTag => "broad_tag_ns",
            Self::TwoTags => "two_broad_tags_ns_per_node",
            Self::GpuMemory => "gpu_and_memory_ns",
            Self::Narrowing => "predicate_narrowed_ns",
            Self::Exhausting => "predicate_in_index_ns_per_node",
            Self::EachSlot => "predicate_in_index_one_by_one_ns_per_node",
            Self::FewSlots => "predicate_in_index_16_nodes_ns_per_node",
            Self::EvaluatePrepared => "predicate_on_prepared_set_ns",
            Self::EvaluateSet => "predicate_on_plain_set_ns",
            Self::Change => "change_one_tag_ns",
            Self::Memory => "memory_bytes_per_node",
        }
    }

    /// What it should come to: a selective query and a match of two tags among 10,000 nodes, and a predicate of five clauses
    /// asked of a node that has to be looked at, whatever form that node is in.
    pub(crate) const fn goal(self) -> Option<Goal> {
        match self {
            Self::SelectiveTag | Self::SelectiveTags => Some(Goal::at(10_000, 2_000.0)),
            Self::TwoTags => Some(Goal::at(10_000, 0.2)),
            Self::EachSlot | Self::FewSlots | Self::EvaluatePrepared | Self::EvaluateSet => {
                Some(Goal::everywhere(70.0))
            }
            Self::BroadTag
            | Self::GpuMemory
            | Self::Narrowing
            | Self::Exhausting
            | Self::Change
            | Self::Memory => None,
        }
    }

    /// The name in the table.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::SelectiveTag => "tag of 10 nodes: ns",
            Self::SelectiveTags => "tag of 10 and tag of half the nodes: ns",
            Self::BroadTag => "tag of half the nodes: ns",
            Self::TwoTags => "two tags of half the nodes each: ns a node",
            Self::GpuMemory => "filter, GPU and memory: ns",
            Self::Narrowing => "5 clauses, 3 looked up: ns",
            Self::Exhausting => "5 clauses, any of them: ns a node",
            Self::EachSlot => "the same, one node after the other: ns a node",
            Self::FewSlots => "the same of 16 nodes here and there: ns a node",
            Self::EvaluatePrepared => "the same on 16 prepared sets: ns a set",
            Self::EvaluateSet => "the same on 16 plain sets: ns a set",
            Self::Change => "one tag of a node changes: ns",
            Self::Memory => "memory: bytes a node",
        }
    }
}

/// A mesh in all the forms in which it is asked.
pub(super) struct Mesh {
    sets: Vec<CapabilitySet>,
    index: CapabilityIndex,
    narrowing: Predicate,
    exhausting: Predicate,
}

impl Mesh {
    pub(super) fn new(nodes: u32) -> Self {
        let sets: Vec<CapabilitySet> = (0..nodes).map(mesh::set_of).collect();
        let mut index = CapabilityIndex::new(nodes);
        for (slot, set) in (0..).zip(&sets) {
            index.insert(slot, set).expect("the index has room for all nodes");
        }
        let parse = |text: &str| text.parse().expect("the predicate is well-formed");
        Self { sets, index, narrowing: parse(NARROWING), exhausting: parse(EXHAUSTING) }
    }

    /// One sample of every metric, each measured for about this long.
    pub(super) fn sample(&mut self, span: Duration) -> [f64; Metric::ALL.len()] {
        // They borrow the sets, and nothing else does that for longer than a question.
        let few = &self.sets[..FEW];
        let prepared: Vec<Candidate<'_>> = few.iter().map(Candidate::from).collect();
        let nodes = self.sets.len() as f64;
        let (index, exhausting) = (&self.index, &self.exhausting);
        let rack = format!("rack-{}", self.sets.len() as u32 / mesh::RACK / 2);
        let tags = |tags: &[&str]| spend(span, || index.with_tags(tags.iter().copied()));
        let gpu_and_memory = Filter { require_gpu: true, min_memory_gb: Some(64), ..Filter::default() };
        let holds = |sets: &[CapabilitySet]| sets.iter().filter(|set| exhausting.evaluate(*set)).count();
        let (all_hold, few_hold) = (holds(&self.sets), holds(few));
        assert!(all_hold > 0 && all_hold < self.sets.len() / 3, "most nodes are asked all clauses");
        let few_slots = |slot: usize| (slot * self.sets.len() / FEW) as u32;
        let mut sample = Metric::ALL.map(|metric| match metric {
            Metric::SelectiveTag => tags(&[&rack]),
            Metric::SelectiveTags => tags(&[&rack, "hardware.gpu"]),
            Metric::BroadTag => tags(&["batch"]),
            Metric::TwoTags => tags(&["batch", "hardware.gpu"]) / nodes,
            Metric::GpuMemory => spend(span, || index.query(&gpu_and_memory)),
            Metric::Narrowing => spend(span, || index.select(&self.narrowing)),
            Metric::Exhausting => {
                spend(span, || assert_eq!(index.select(exhausting).len(), all_hold)) / nodes
            }
            Metric::EachSlot => {
                let all = 0..self.sets.len() as u32;
                spend(span, || assert_eq!(index.select_among(all.clone(), exhausting).len(), all_hold))
                    / nodes
            }
            Metric::FewSlots => {
                spend(span, || index.select_among((0..FEW).map(few_slots), exhausting)) / FEW as f64
            }
            Metric::EvaluatePrepared => {
                let holds = || prepared.iter().filter(|candidate| exhausting.evaluate(*candidate)).count();
                spend(span, || assert_eq!(holds(), few_hold)) / FEW as f64
            }
            Metric::EvaluateSet => spend(span, || assert_eq!(holds(few), few_hold)) / FEW as f64,
            Metric::Change => f64::NAN,
            Metric::Memory => index.memory() as f64 / nodes,
        });
        drop(prepared);
        sample[Metric::Change as usize] = self.change(span);
        sample
    }

    /// Nodes gain a tag and lose it again, one after the other.
    fn change(&mut self, span: Duration) -> f64 {
        const TAG: &str = "changed";
        let mut next = 0;
        let index = &mut self.index;
        let sets = &mut self.sets;
        spend(span, || {
            let set = &mut sets[next];
            if !set.remove_tag(TAG) {
                set.insert_tag(TAG).expect("the tag is well-formed and fits");
            }
            index.insert(next as u32, set).expect("the slot is in use");
            next = (next + 1) % sets.len();
            SlotSet::new()
        })
    }
}

/// Nanoseconds of processor time that a question takes, asked again and again for about this long: nothing waits here, so that
/// what other programs do to the clock on the wall does not count.
fn spend<T>(span: Duration, mut question: impl FnMut() -> T) -> f64 {
    let mut ask = |times: u32| {
        let before = cpu_time();
        for _ in 0..times {
            black_box(question());
        }
        cpu_time().saturating_sub(before)
    };
    // What is warm now stays so, and the clock is looked at too rarely to matter.
    let mut times = 1;
    loop {
        let spent = ask(times);
        if spent >= span / 4 {
            return ask(times.saturating_mul(4)).as_nanos() as f64 / f64::from(times.saturating_mul(4));
        }
        times = times.saturating_mul(2);
    }
}
