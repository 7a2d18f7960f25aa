//! Oracles: each knows one promise, reads a run and its history, and says where the promise was broken.
//!
//! One file each, named after what it proves. They know nothing of engines, so both engines are judged by the same ones.

mod calls_fail_with_their_peer;
mod cancel_reaches_handler;
mod exactly_one_outcome;
mod fresh_calls_succeed;
mod goodbye_is_heard;
mod handler_at_most_once;
mod links_come_back;
mod no_down_without_cause;
mod no_execution_denied;
mod no_failure_without_cause;
mod outcome_in_time;
mod peers_alternate;
mod queues_within_caps;
mod reply_matches_request;
mod shutdown_ends;
mod tables_empty_when_quiet;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use lacewing_core::Instant;
use serde::{Deserialize, Serialize};

use crate::history::{History, Operation, What};
use crate::quantity::Micros;
use crate::run::{CallSpec, Item, Run};

/// What kind of promise was broken. It decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Something happened that must never happen: exit code 1.
    Safety,
    /// Something did not happen that must happen in the end: exit code 2.
    Liveness,
}

/// A promise and how to check it.
#[derive(Clone, Copy)]
pub struct Oracle {
    /// What `list` and reports call it.
    pub name: &'static str,
    /// What it proves.
    pub proves: &'static str,
    /// What kind of promise it is.
    pub class: Class,
    check: fn(&Case<'_>, &mut Vec<Finding>),
}

impl std::fmt::Debug for Oracle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Oracle").field("name", &self.name).field("class", &self.class).finish_non_exhaustive()
    }
}

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Violation {
    /// Which oracle says so.
    pub oracle: String,
    /// What kind of promise it was.
    pub class: Class,
    /// At which node.
    pub node: usize,
    /// When.
    pub t: Micros,
    /// What happened, and what should have.
    pub text: String,
}

/// Every oracle, by name.
pub const ALL: &[Oracle] = &[
    calls_fail_with_their_peer::ORACLE,
    cancel_reaches_handler::ORACLE,
    exactly_one_outcome::ORACLE,
    fresh_calls_succeed::ORACLE,
    goodbye_is_heard::ORACLE,
    handler_at_most_once::ORACLE,
    links_come_back::ORACLE,
    no_down_without_cause::ORACLE,
    no_execution_denied::ORACLE,
    no_failure_without_cause::ORACLE,
    outcome_in_time::ORACLE,
    peers_alternate::ORACLE,
    queues_within_caps::ORACLE,
    reply_matches_request::ORACLE,
    shutdown_ends::ORACLE,
    tables_empty_when_quiet::ORACLE,
];

/// Asks every oracle. Safety comes first, then what happened first.
pub fn ask_all(run: &Run, history: &History) -> Vec<Violation> {
    let case = Case::new(run, history);
    let mut violations = Vec::new();
    for oracle in ALL {
        let mut findings = Vec::new();
        (oracle.check)(&case, &mut findings);
        violations.extend(findings.into_iter().map(|finding| Violation {
            oracle: oracle.name.to_owned(),
            class: oracle.class,
            node: finding.node,
            t: Micros(finding.t.as_nanos() / 1_000),
            text: finding.text,
        }));
    }
    violations.sort_by_key(|violation| (violation.class, violation.t));
    violations
}

/// What one oracle found.
struct Finding {
    node: usize,
    t: Instant,
    text: String,
}

/// A run and what was seen, in the order in which oracles want it.
struct Case<'a> {
    run: &'a Run,
    history: &'a History,
    calls: BTreeMap<u64, CallSpec<'a>>,
    operations: BTreeMap<u64, Operation<'a>>,
}

impl<'a> Case<'a> {
    fn new(run: &'a Run, history: &'a History) -> Self {
        let calls = run.calls().into_iter().map(|call| (call.id, call)).collect();
        Self { run, history, calls, operations: history.operations() }
    }

    /// Whether no fault of the run has touched two nodes, or what is between them, up to this time. What a fault leaves
    /// behind may show long after its end, so a pair that was once disturbed stays so.
    fn is_undisturbed(&self, one: usize, other: usize, until: Instant) -> bool {
        let until = Micros(until.as_nanos() / 1_000);
        !self
            .run
            .items
            .iter()
            .take_while(|item| item.at() <= until)
            .any(|item: &Item| item.disturbs(one, other))
    }

    /// The last thing that happened to a node's neighbour before this place in the history: whether it came up.
    fn peer_was_up(&self, node: usize, peer: usize, before: usize) -> bool {
        for entry in self.history.entries[..before].iter().rev().filter(|entry| entry.node == node) {
            match &entry.what {
                What::PeerUp { peer: up } if *up == Some(peer) => return true,
                What::PeerDown { peer: down, .. } if *down == Some(peer) => return false,
                What::Started { .. } => return false,
                _ => {}
            }
        }
        false
    }

    /// When a node that stands still at this time goes on; `None` where it does not stand still.
    fn paused_until(&self, node: usize, t: Instant) -> Option<Instant> {
        let mut since = None;
        for entry in self.history.entries.iter().filter(|entry| entry.node == node) {
            match entry.what {
                What::Paused => since = Some(entry.t),
                What::Resumed => {
                    let begun = since.take();
                    if begun.is_some_and(|begun| begun <= t && t <= entry.t) {
                        return Some(entry.t);
                    }
                }
                _ => {}
            }
        }
        since.filter(|since| *since <= t).map(|_| Instant::NEVER)
    }
}
