//! Oracles: each knows one promise, reads a run and its history, and says where the promise was broken.
//!
//! One file each, named after what it proves. They know nothing of engines, so both engines are judged by the same ones.

mod accepted_casts_run;
mod attempts_within_policy;
mod bulkheads_hold;
mod calls_fail_with_their_peer;
mod cancel_reaches_handler;
mod case;
mod dead_nodes_are_down;
mod entries_are_their_owners;
mod events_are_asked_for;
mod events_at_most_once;
mod events_in_order;
mod exactly_one_outcome;
mod fresh_calls_succeed;
mod fresh_events_arrive;
mod gathered_answers_count;
mod goodbye_is_heard;
mod handler_at_most_once;
mod hopeless_calls_are_refused;
mod hops_are_distances;
mod limit_never_exceeded;
mod links_come_back;
mod losers_are_told_to_stop;
mod no_action_without_a_right;
mod no_down_without_cause;
mod no_execution_denied;
mod no_failure_without_cause;
mod no_node_down_without_cause;
mod no_route_loops;
mod no_work_after_the_deadline;
mod nodes_alternate;
mod nodes_come_back;
mod outcome_in_time;
mod overflow_keeps_its_rule;
mod paused_actions_do_not_run;
mod peers_alternate;
mod producers_wait_for_consumers;
mod questions_stay_small;
mod queues_within_caps;
mod relays_see_nothing;
mod repeats_stay_in_budget;
mod reply_matches_request;
mod rights_hold_when_quiet;
mod shutdown_ends;
mod small_calls_pass_streams;
mod stream_messages_in_order;
mod streams_are_whole;
mod streams_end_once;
mod streams_go_on;
mod tables_empty_when_quiet;
#[cfg(test)]
mod tests;
mod topics_keep_their_pace;
mod unknown_actions_are_answered;
mod views_agree_when_quiet;

use lacewing_core::Instant;
use serde::{Deserialize, Serialize};

use self::case::Case;
use crate::history::History;
use crate::quantity::Micros;
use crate::run::Run;

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
    accepted_casts_run::ORACLE,
    attempts_within_policy::ORACLE,
    bulkheads_hold::ORACLE,
    calls_fail_with_their_peer::ORACLE,
    cancel_reaches_handler::ORACLE,
    dead_nodes_are_down::ORACLE,
    entries_are_their_owners::ORACLE,
    events_are_asked_for::ORACLE,
    events_at_most_once::ORACLE,
    events_in_order::ORACLE,
    exactly_one_outcome::ORACLE,
    fresh_calls_succeed::ORACLE,
    fresh_events_arrive::ORACLE,
    gathered_answers_count::ORACLE,
    goodbye_is_heard::ORACLE,
    handler_at_most_once::ORACLE,
    hopeless_calls_are_refused::ORACLE,
    hops_are_distances::ORACLE,
    limit_never_exceeded::ORACLE,
    links_come_back::ORACLE,
    losers_are_told_to_stop::ORACLE,
    no_action_without_a_right::ORACLE,
    no_down_without_cause::ORACLE,
    no_execution_denied::ORACLE,
    no_failure_without_cause::ORACLE,
    no_node_down_without_cause::ORACLE,
    no_route_loops::ORACLE,
    no_work_after_the_deadline::ORACLE,
    nodes_alternate::ORACLE,
    nodes_come_back::ORACLE,
    outcome_in_time::ORACLE,
    overflow_keeps_its_rule::ORACLE,
    paused_actions_do_not_run::ORACLE,
    peers_alternate::ORACLE,
    producers_wait_for_consumers::ORACLE,
    questions_stay_small::ORACLE,
    queues_within_caps::ORACLE,
    relays_see_nothing::ORACLE,
    repeats_stay_in_budget::ORACLE,
    reply_matches_request::ORACLE,
    rights_hold_when_quiet::ORACLE,
    shutdown_ends::ORACLE,
    small_calls_pass_streams::ORACLE,
    stream_messages_in_order::ORACLE,
    streams_are_whole::ORACLE,
    streams_end_once::ORACLE,
    streams_go_on::ORACLE,
    tables_empty_when_quiet::ORACLE,
    topics_keep_their_pace::ORACLE,
    unknown_actions_are_answered::ORACLE,
    views_agree_when_quiet::ORACLE,
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
