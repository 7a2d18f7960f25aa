//! A large stream does not hold up small calls.

use lacewing_core::Instant;

use super::{Case, Class, Finding, Oracle, no_failure_without_cause};
use crate::history::{Operation, What};
use crate::run::{ActionKind, CallSpec, Handler};
use crate::{bounds, payload};

/// Bytes of an argument or answer that is small.
const SMALL_MAX: u64 = 4_000;

pub(super) const ORACLE: Oracle = Oracle {
    name: "small-calls-pass-streams",
    proves: "between neighbours that no fault has touched, a small call beside streams of any length has its outcome in the time that follows from \
             the line, the turns that streams and calls take, and the other calls",
    class: Class::Liveness,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    // Where handlers wait for each other, it is not the link that makes them.
    if case.run.header.action_limit.is_some() {
        return;
    }
    for (op, operation) in &case.operations {
        let (Some(invoked), Some(outcome)) = (operation.invoked.first(), operation.outcomes.first()) else {
            continue;
        };
        let Some(spec) = case.calls.get(op) else { continue };
        let Some((to, works)) = small(spec).filter(|(to, _)| *to != invoked.entry.node) else { continue };
        let (node, begun, t) = (invoked.entry.node, invoked.entry.t, outcome.entry.t);
        if matches!(outcome.entry.what, What::Unknown { .. }) || !operation.cancelled.is_empty() {
            continue;
        }
        let bound = works + bounds::call_beside_streams(&case.run.header, queued(case, (begun, t)));
        if t <= begun + bound
            || !case.peer_was_up(node, to, invoked.index)
            || !case.peer_was_up(to, node, invoked.index)
            || !case.is_undisturbed(node, to, t)
            || no_failure_without_cause::link_was_replaced(case, (node, to), (begun, t))
            || !beside_stream(case, (node, to), (begun, t))
        {
            continue;
        }
        let text = format!("op {op} to n{to} took {:?} beside a stream, the bound is {bound:?}", t - begun);
        findings.push(Finding { node, t, text });
    }
}

/// Whom a small call is for, and how long its handler works.
fn small(spec: &CallSpec<'_>) -> Option<(usize, std::time::Duration)> {
    let Handler::Reply { after, size } = spec.handler else { return None };
    let is_plain = spec.stream.is_none() && spec.policy.is_none() && spec.action == ActionKind::Served;
    (is_plain && spec.size <= SMALL_MAX && *size <= SMALL_MAX).then_some((spec.to?, after.as_duration()))
}

fn is_open(operation: &Operation<'_>, (begun, t): (Instant, Instant)) -> bool {
    operation.invoked.first().is_some_and(|seen| seen.entry.t <= t)
        && operation.outcomes.first().is_none_or(|seen| seen.entry.t >= begun)
}

/// Bytes of all calls that are open at the same time, as if all of them were in the way. Of streams it is what they begin with.
fn queued(case: &Case<'_>, span: (Instant, Instant)) -> u64 {
    let open = case.operations.iter().filter(|(_, operation)| is_open(operation, span));
    let specs = open.filter_map(|(op, _)| case.calls.get(op));
    specs.map(|spec| spec.size + payload::answer_size(spec)).sum()
}

/// Whether there was a stream between the two meanwhile.
fn beside_stream(case: &Case<'_>, (one, other): (usize, usize), span: (Instant, Instant)) -> bool {
    case.operations.iter().any(|(op, operation)| {
        let spec = case.calls.get(op).filter(|spec| spec.stream.is_some());
        let ends = operation.invoked.first().map(|seen| seen.entry.node).zip(spec.and_then(|spec| spec.to));
        let between = ends.is_some_and(|ends| ends == (one, other) || ends == (other, one));
        between && is_open(operation, span)
    })
}
