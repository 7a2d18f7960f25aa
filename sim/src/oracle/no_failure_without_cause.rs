//! Calls between neighbours that nothing disturbs fail for reasons of their own only.

use lacewing_core::Code;

use super::{Case, Class, Finding, Oracle};
use crate::history::What;
use crate::run::{ActionKind, Handler};

pub(super) const ORACLE: Oracle = Oracle {
    name: "no-failure-without-cause",
    proves: "between neighbours that no fault has touched, no call fails as unavailable, aborted, internal or malformed, and NotFound \
             means that nobody serves the action",
    class: Class::Safety,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    for (op, operation) in &case.operations {
        let (Some(invoked), Some(outcome)) = (operation.invoked.first(), operation.outcomes.first()) else { continue };
        let (Some(spec), What::Fail { code, .. }) = (case.calls.get(op), &outcome.entry.what) else { continue };
        // A handler that calls on fails for the other call's reasons.
        let (Some(to), false) = (spec.to, matches!(spec.handler, Handler::Call { .. })) else { continue };
        let (node, t) = (invoked.entry.node, outcome.entry.t);
        let up = node == to || case.peer_was_up(node, to, invoked.index);
        if !up || !case.is_undisturbed(node, to, t) || is_own_reason(*code, spec.action) {
            continue;
        }
        let text = format!("op {op} to n{to} failed with {}, though no fault has touched the two", code.name());
        findings.push(Finding { node, t, text });
    }
}

/// Whether a call can end like this on a perfect network.
fn is_own_reason(code: Code, action: ActionKind) -> bool {
    match code {
        Code::NotFound => action == ActionKind::Unknown,
        Code::DeadlineExceeded
        | Code::Cancelled
        | Code::ResourceExhausted
        | Code::TooLarge
        | Code::Backpressure
        | Code::Application(_) => true,
        _ => false,
    }
}
