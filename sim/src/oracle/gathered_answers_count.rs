//! Of those that are asked together, the first to fail does not speak for the others.

use std::collections::BTreeMap;

use lacewing_core::Instant;

use super::{Case, Class, Finding, Oracle, cancel_reaches_handler, no_failure_without_cause};
use crate::history::{Operation, What};
use crate::run::Handler;

pub(super) const ORACLE: Oracle = Oracle {
    name: "gathered-answers-count",
    proves: "a call that everybody is asked succeeds exactly if somebody has answered well; its answers are those that were given, and of nodes that \
             no fault has touched none is missing that was given in time",
    class: Class::Safety,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let mut gathered = BTreeMap::new();
    for entry in &case.history.entries {
        if let What::Gathered { op, good, matches } = entry.what {
            gathered.insert(op, (good, matches));
        }
    }
    for (op, operation) in &case.operations {
        if case.calls.get(op).is_none_or(|spec| spec.policy.gather.is_none()) {
            continue;
        }
        let Some(outcome) = operation.outcomes.first().filter(|_| operation.cancelled.is_empty()) else {
            continue;
        };
        let (good, matches) = gathered.get(op).copied().unwrap_or((0, true));
        let (node, t) = (outcome.entry.node, outcome.entry.t);
        let mut found = |text| findings.push(Finding { node, t, text });
        match outcome.entry.what {
            What::Ok { .. } if good == 0 => found(format!("op {op} succeeded without a good answer")),
            What::Fail { .. } if good > 0 => {
                found(format!("op {op} failed though {good} have answered well"));
            }
            What::Unknown { .. } => continue,
            _ => {}
        }
        if !matches {
            found(format!("an answer of op {op} is not as it was given"));
        }
        let given = given(case, *op, operation);
        if good > given {
            found(format!("op {op} has {good} good answers, but {given} were given"));
        } else if good < given {
            let in_time = in_time(case, *op, operation, t);
            if good < in_time {
                found(format!("op {op} has {good} good answers, but {in_time} were given in time"));
            }
        }
    }
}

/// How many good answers were given.
fn given(case: &Case<'_>, op: u64, operation: &Operation<'_>) -> u64 {
    let is_good = case.calls.get(&op).is_some_and(|spec| matches!(spec.handler, Handler::Reply { .. }));
    let answers = operation.releases.iter().filter(|seen| matches!(seen.entry.what, What::Answer { .. }));
    if is_good { answers.count() as u64 } else { 0 }
}

/// How many of them were surely given early enough.
fn in_time(case: &Case<'_>, op: u64, operation: &Operation<'_>, t: Instant) -> u64 {
    let (Some(spec), Some(invoked)) = (case.calls.get(&op), operation.invoked.first()) else { return 0 };
    let within = spec.policy.gather.unwrap_or_default().min(spec.timeout).as_duration();
    let (caller, latest) = (invoked.entry.node, invoked.entry.t + within);
    let mut in_time = 0;
    for answer in operation.releases.iter().filter(|seen| matches!(seen.entry.what, What::Answer { .. })) {
        let server = answer.entry.node;
        let on_the_way = cancel_reaches_handler::bound(case, (server, caller), answer.entry.t);
        let near = server == caller
            || case.peer_was_up(caller, server, invoked.index)
                && case.peer_was_up(server, caller, invoked.index);
        let replaced = || {
            no_failure_without_cause::link_was_replaced(case, (caller, server), (invoked.entry.t, latest))
                || no_failure_without_cause::link_was_replaced(
                    case,
                    (server, caller),
                    (invoked.entry.t, latest),
                )
        };
        let early = answer.entry.t + on_the_way < latest && case.paused_until(caller, latest).is_none();
        if near && early && case.is_undisturbed(caller, server, t.max(latest)) && !replaced() {
            in_time += 1;
        }
    }
    in_time
}
