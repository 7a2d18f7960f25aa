//! No caller waits longer than it asked for.

use super::{Case, Class, Finding, Oracle};
use crate::history::What;

pub(super) const ORACLE: Oracle = Oracle {
    name: "outcome-in-time",
    proves: "no outcome comes after the call's deadline, plus what the caller's node stood still across it",
    class: Class::Liveness,
    check,
};

/// The caller's own timer ends a call, and in simulated time timers are exact. A node that stands still when the deadline passes
/// acts on it when it goes on. Nothing else can delay it, so that the bound is the deadline itself, or the end of that pause.
fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    for (op, operation) in &case.operations {
        let (Some(invoked), Some(spec)) = (operation.invoked.first(), case.calls.get(op)) else { continue };
        let node = invoked.entry.node;
        let deadline = invoked.entry.t + spec.timeout.as_duration();
        let bound = case.paused_until(node, deadline).unwrap_or(deadline);
        for outcome in &operation.outcomes {
            let t = outcome.entry.t;
            if t > bound && !matches!(outcome.entry.what, What::Unknown { .. }) {
                let text = format!("op {op} had its outcome {:?} after its deadline", t - deadline);
                findings.push(Finding { node, t, text });
            }
        }
    }
}
