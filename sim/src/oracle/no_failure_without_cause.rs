//! Calls between neighbours that nothing disturbs fail for reasons of their own only.

use lacewing_core::{Code, Instant};

use super::{Case, Class, Finding, Oracle};
use crate::history::What;
use crate::run::{ActionKind, CallSpec, Handler};

pub(super) const ORACLE: Oracle = Oracle {
    name: "no-failure-without-cause",
    proves: "between neighbours that no fault has touched, and between any two nodes of a whole mesh that none has, no call fails as \
             unavailable, aborted, internal or malformed, and NotFound means that nobody serves the action",
    class: Class::Safety,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    for (op, operation) in &case.operations {
        let (Some(invoked), Some(outcome)) = (operation.invoked.first(), operation.outcomes.first()) else {
            continue;
        };
        let (Some(spec), What::Fail { code, .. }) = (case.calls.get(op), &outcome.entry.what) else {
            continue;
        };
        // A handler that calls on fails for the other call's reasons.
        let called = spec.provider(case.run.header.nodes.len());
        let (Some(to), false) = (called, matches!(spec.handler, Handler::Call { .. })) else { continue };
        let (node, t) = (invoked.entry.node, outcome.entry.t);
        // A breaker may be open, for whatever reason it had.
        if is_own_reason(*code, spec) || spec.policy.breaker {
            continue;
        }
        let near = spec.to.is_some() && (node == to || case.peer_was_up(node, to, invoked.index));
        // Two links were one too many, and the calls of the older one had had their time.
        if near && link_was_replaced(case, (node, to), (t, t)) {
            continue;
        }
        let text = if near && case.is_undisturbed(node, to, t) {
            format!("op {op} to n{to} failed with {}, though no fault has touched the two", code.name())
        } else if case.was_whole_and_calm(invoked.index, t) && is_reached(case, node, to, spec.action) {
            format!("op {op} for n{to} failed with {}, though no fault has touched the mesh", code.name())
        } else {
            continue;
        };
        findings.push(Finding { node, t, text });
    }
}

/// Whether a call is for somebody, and surely gets there.
fn is_reached(case: &Case<'_>, node: usize, to: usize, action: ActionKind) -> bool {
    action == ActionKind::Served && (node == to || case.is_near(node, to) == Some(true))
}

/// Whether a call can end like this on a perfect network.
fn is_own_reason(code: Code, spec: &CallSpec<'_>) -> bool {
    let action = spec.action;
    match code {
        // Whether somebody serves a pool is a matter of its own.
        Code::NotFound | Code::Unavailable if matches!(action, ActionKind::Pool(_)) => true,
        // Who may call an area is asked elsewhere.
        Code::Unauthenticated | Code::PermissionDenied => matches!(action, ActionKind::Area(_)),
        Code::NotFound => action == ActionKind::Unknown,
        Code::InvalidArgument => spec.stream.is_some_and(|stream| !stream.is_allowed()),
        Code::DeadlineExceeded
        | Code::Cancelled
        | Code::ResourceExhausted
        | Code::TooLarge
        | Code::Backpressure
        | Code::Application(_) => true,
        _ => false,
    }
}

/// Whether a link between the two ended in this time because another took its place. It is given `retire_timeout` to finish its calls,
/// and a call that takes longer fails with it.
pub(super) fn link_was_replaced(
    case: &Case<'_>,
    (node, peer): (usize, usize),
    (from, to): (Instant, Instant),
) -> bool {
    let meanwhile = case.history.entries.iter().filter(|entry| from <= entry.t && entry.t <= to);
    meanwhile.filter(|entry| entry.node == node).any(|entry| {
        matches!(&entry.what, What::LinkClosed { peer: Some(other), reason } if *other == peer && reason == "superseded")
    })
}
