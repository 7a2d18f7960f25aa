//! What choices remember: whose turn it was, and who has answered how fast.

use alloc::string::String;
use core::time::Duration;

use super::recent::Recent;
use crate::identity::NodeId;

/// Paths whose turns are remembered.
const PATHS_MAX: usize = 1_024;
/// Nodes whose latency is remembered.
const NODES_MAX: usize = 4_096;
/// An estimate is forgotten after so many choices by speed that did not renew it, so that its node is tried again: one call
/// in a thousand or so goes to find out who has become faster.
const CHOICES_FORGOTTEN_AFTER: u64 = 1_024;
/// What a failure counts as, at least.
const FAILURE_US_MIN: u64 = 1_000_000;

/// What is remembered between choices. Bounded: what was used longest ago is forgotten.
///
/// ```
/// use core::time::Duration;
/// use lacewing_core::NodeId;
/// use lacewing_core::delivery::selector::SelectionState;
///
/// let (mut state, node) = (SelectionState::default(), NodeId::from_bytes([1; 32]));
/// state.answered(node, Duration::from_millis(8));
/// state.answered(node, Duration::from_millis(16));
/// assert_eq!(state.latency_us(&node), Some(9_000));
/// ```
#[derive(Clone, Debug)]
pub struct SelectionState {
    turns: Recent<String, NodeId>,
    latencies: Recent<NodeId, Estimate>,
    choices: u64,
}

/// How fast a node answers.
#[derive(Clone, Copy, Debug)]
struct Estimate {
    latency_us: u64,
    /// How many choices had been made by then.
    at: u64,
}

impl Default for SelectionState {
    fn default() -> Self {
        Self { turns: Recent::new(PATHS_MAX), latencies: Recent::new(NODES_MAX), choices: 0 }
    }
}

impl SelectionState {
    /// A call to this node was answered after `latency`. The estimate moves by an eighth of the difference.
    pub fn answered(&mut self, node: NodeId, latency: Duration) {
        let sample = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let latency_us = match self.latency_us(&node) {
            None => sample,
            Some(old) if sample >= old => old + (sample - old) / 8,
            Some(old) => old - (old - sample) / 8,
        };
        self.put(node, latency_us);
    }

    /// A call to this node failed for a reason that lies with the node or on the way to it. Counts as twice its estimate, and
    /// as one second at least, so that a node is not the fastest because it fails at once.
    pub fn failed(&mut self, node: NodeId) {
        let known = self.latency_us(&node).unwrap_or(0);
        self.put(node, known.saturating_mul(2).max(FAILURE_US_MIN));
    }

    /// The node is down: what comes back may be another machine.
    pub fn forget(&mut self, node: &NodeId) {
        self.latencies.remove(node);
    }

    /// How long this node takes to answer, in microseconds; `None` where that is not known, or was measured long ago.
    pub fn latency_us(&self, node: &NodeId) -> Option<u64> {
        let Estimate { latency_us, at } = *self.latencies.get(node)?;
        (self.choices - at <= CHOICES_FORGOTTEN_AFTER).then_some(latency_us)
    }

    /// Every table with its cap: name, entries, most entries.
    pub fn gauges(&self, mut gauge: impl FnMut(&'static str, usize, usize)) {
        gauge("selection.turns", self.turns.len(), PATHS_MAX);
        gauge("selection.latencies", self.latencies.len(), NODES_MAX);
    }

    fn put(&mut self, node: NodeId, latency_us: u64) {
        self.latencies.put(node, Estimate { latency_us, at: self.choices });
    }

    /// A choice by speed is made.
    pub(super) fn count_choice(&mut self) {
        self.choices += 1;
    }

    /// Who was called last among those that take turns.
    pub(super) fn last_turn(&self, path: &str) -> Option<NodeId> {
        self.turns.get(path).copied()
    }

    pub(super) fn take_turn(&mut self, path: &str, node: NodeId) {
        self.turns.put(path.into(), node);
    }
}
