//! "Accepted" means that it will be done.

use std::time::Duration;

use lacewing_core::Instant;

use super::{Case, Class, Finding, Oracle};
use crate::history::{Seen, What};
use crate::payload;
use crate::run::{ActionKind, CallSpec, PoolState};

/// What the engine and the application may note apart.
const SLACK: Duration = Duration::from_millis(3);

pub(super) const ORACLE: Oracle = Oracle {
    name: "accepted-casts-run",
    proves: "a cast that the other side has accepted is executed, unless that node or its action ends, stands still, or does nothing but \
             other work until the time of the cast is over",
    class: Class::Liveness,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    for (op, operation) in &case.operations {
        let (Some(invoked), Some(outcome)) = (operation.invoked.first(), operation.outcomes.first()) else {
            continue;
        };
        let Some(spec) = case.calls.get(op).filter(|spec| spec.policy.cast) else { continue };
        let (Some(to), What::Ok { .. }) = (spec.to, &outcome.entry.what) else { continue };
        let deadline = invoked.entry.t + spec.timeout.as_duration();
        if !operation.executions.is_empty()
            || ended(case, spec, to, invoked)
            || case.paused_until(to, deadline).is_some()
            || was_busy(case, spec, to, deadline)
        {
            continue;
        }
        let text = format!("n{to} accepted the cast {op} and has not executed it");
        findings.push(Finding { node: to, t: outcome.entry.t, text });
    }
}

/// Whether the node, or what it serves, ended after this.
fn ended(case: &Case<'_>, spec: &CallSpec<'_>, to: usize, since: &Seen<'_>) -> bool {
    let later = case.history.entries[since.index..].iter().filter(|entry| entry.node == to);
    later.map(|entry| &entry.what).any(|what| match what {
        What::Gone { .. } | What::StopOverdue => true,
        What::Serves { pool, state } => {
            spec.action == ActionKind::Pool(*pool) && *state != Some(PoolState::Running)
        }
        _ => false,
    })
}

/// Whether as many others ran as may, when the time was over.
fn was_busy(case: &Case<'_>, spec: &CallSpec<'_>, to: usize, deadline: Instant) -> bool {
    let action = payload::action(spec);
    let Some(limit) = case.run.header.action_limit.filter(|_| payload::is_limited(&action)) else {
        return false;
    };
    let is_of = |op: &u64| case.calls.get(op).is_some_and(|spec| payload::action(spec) == action);
    let mut running: Vec<u64> = Vec::new();
    let mut was_full = false;
    for entry in case.history.entries.iter().filter(|entry| entry.node == to) {
        if entry.t > deadline {
            break;
        }
        let full = running.len() as u64 >= limit.max;
        was_full |= full && entry.t + SLACK >= deadline;
        match entry.what {
            What::Execute { op: Some(op), .. } if is_of(&op) => running.push(op),
            What::Answer { op } | What::Withdrawn { op } => running.retain(|other| *other != op),
            _ => {}
        }
    }
    was_full || running.len() as u64 >= limit.max
}
