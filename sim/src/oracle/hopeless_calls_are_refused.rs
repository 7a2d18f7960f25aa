//! A call that cannot have its turn in time is told so at once.

use std::collections::BTreeMap;
use std::time::Duration;

use lacewing_core::{Code, Instant};

use super::{Case, Class, Finding, Oracle, cancel_reaches_handler};
use crate::history::{Operation, What};
use crate::payload::{self, ACTION};
use crate::run::CallSpec;

/// Handlers that must have ended before nodes judge by how long they took.
const MEASURED_MIN: usize = 8;
/// What nodes and applications may measure apart.
const SLACK: Duration = Duration::from_millis(5);

pub(super) const ORACLE: Oracle = Oracle {
    name: "hopeless-calls-are-refused",
    proves: "where no fault has touched caller and server, no call waits in vain to its deadline behind so many others that by the time which handlers have \
             taken so far it could not have begun before",
    class: Class::Liveness,
    check,
};

/// What a node has measured: how many handlers have ended by a time, and how long they take on average.
type Measured = Vec<(Instant, Duration)>;

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let Some(limit) = case.run.header.action_limit else { return };
    let measured = measure(case);
    for (op, operation) in &case.operations {
        let (Some(invoked), Some(outcome)) = (operation.invoked.first(), operation.outcomes.first()) else {
            continue;
        };
        let Some((spec, to)) = case.calls.get(op).and_then(|spec| Some((spec, plain(spec)?))) else {
            continue;
        };
        let What::Fail { code: Code::DeadlineExceeded, .. } = outcome.entry.what else { continue };
        let (caller, begun, t) = (invoked.entry.node, invoked.entry.t, outcome.entry.t);
        let near = caller == to || case.peer_was_up(caller, to, invoked.index);
        if !operation.executions.is_empty()
            || !operation.cancelled.is_empty()
            || !near
            || !case.is_undisturbed(caller, to, t)
            || case.stood_still(to, (begun, t)) > Duration::ZERO
        {
            continue;
        }
        let arrived = begun + way(case, (caller, to), begun);
        let Some(service) = least_service(measured.get(&to), (begun, arrived)) else { continue };
        let ahead = waiting(case, (invoked.index, to), (begun, arrived));
        let rounds = u32::try_from(ahead / limit.max).unwrap_or(u32::MAX);
        let wait = service.saturating_mul(rounds);
        if wait > spec.timeout.as_duration() + SLACK {
            let text = format!(
                "op {op} waited for {:?} at n{to} behind {ahead} others, each of which takes {service:?}",
                spec.timeout.as_duration()
            );
            findings.push(Finding { node: to, t, text });
        }
    }
}

/// Whom a call is for that is made once, to the action that all nodes serve.
fn plain(spec: &CallSpec<'_>) -> Option<usize> {
    let is_plain = spec.policy.is_none() && spec.stream.is_none() && payload::action(spec) == ACTION;
    spec.to.filter(|_| is_plain)
}

fn way(case: &Case<'_>, (from, to): (usize, usize), t: Instant) -> Duration {
    if from == to { Duration::ZERO } else { cancel_reaches_handler::bound(case, (from, to), t) }
}

/// What each node has measured in its latest life, as the moving average that nodes keep.
fn measure(case: &Case<'_>) -> BTreeMap<usize, Measured> {
    let mut measured: BTreeMap<usize, Measured> = BTreeMap::new();
    let mut began: BTreeMap<(usize, u64), Instant> = BTreeMap::new();
    for entry in &case.history.entries {
        match entry.what {
            What::Started { .. } => {
                measured.remove(&entry.node);
            }
            What::Execute { op: Some(op), .. } => {
                began.insert((entry.node, op), entry.t);
            }
            What::Answer { op } => {
                let is_it = case.calls.get(&op).is_some_and(|spec| payload::action(spec) == ACTION);
                let Some(begun) = began.remove(&(entry.node, op)).filter(|_| is_it) else { continue };
                let (took, own) = (entry.t - begun, measured.entry(entry.node).or_default());
                let service = own.last().map_or(took, |(_, before)| (*before * 7 + took) / 8);
                own.push((entry.t, service));
            }
            _ => {}
        }
    }
    measured
}

/// The least that a node thought that a handler takes, at any time of these; `None` where it could not know.
fn least_service(measured: Option<&Measured>, (from, to): (Instant, Instant)) -> Option<Duration> {
    let measured = measured?;
    let known = measured.partition_point(|(t, _)| *t < from);
    if known < MEASURED_MIN {
        return None;
    }
    let until = measured.partition_point(|(t, _)| *t <= to);
    measured[known - 1..until.max(known)].iter().map(|(_, service)| *service).min()
}

/// How many calls surely waited before this one had come, and still did when it had: they were executed afterwards.
fn waiting(case: &Case<'_>, (index, to): (usize, usize), (begun, arrived): (Instant, Instant)) -> u64 {
    let waited = |(other, operation): &(&u64, &Operation<'_>)| {
        if case.calls.get(*other).is_none_or(|spec| plain(spec) != Some(to)) {
            return false;
        }
        let (Some(invoked), Some(execution)) = (operation.invoked.first(), operation.executions.first())
        else {
            return false;
        };
        let (caller, since) = (invoked.entry.node, invoked.entry.t);
        invoked.index < index
            && execution.entry.t > arrived
            && since + way(case, (caller, to), since) <= begun
            && (caller == to || case.peer_was_up(caller, to, invoked.index))
            && case.is_undisturbed(caller, to, begun)
    };
    case.operations.iter().filter(waited).count() as u64
}
