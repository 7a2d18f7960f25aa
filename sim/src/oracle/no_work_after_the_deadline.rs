//! Work whose deadline has passed is not started.

use super::case::at;
use super::{Case, Class, Finding, Oracle, cancel_reaches_handler};

pub(super) const ORACLE: Oracle = Oracle {
    name: "no-work-after-the-deadline",
    proves: "no handler begins after the deadline of its call: at the caller's own node to the nanosecond, and between neighbours that no fault \
             has touched but for the time on the way",
    class: Class::Safety,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    for (op, operation) in &case.operations {
        let Some(spec) = case.calls.get(op) else { continue };
        if spec.stream.is_some_and(|stream| stream.endless) {
            continue;
        }
        // Nobody notes when a cast begins, nor takes it back when its time is over.
        let begun = match (operation.invoked.first(), spec.from, spec.at) {
            (Some(invoked), ..) => Some((invoked.entry.node, invoked.entry.t)),
            (None, Some(from), Some(t)) if spec.policy.cast => Some((from, at(t))),
            (None, ..) => None,
        };
        let Some((caller, begun)) = begun else { continue };
        let deadline = begun + spec.timeout.as_duration();
        let index = case.history.entries.partition_point(|entry| entry.t < begun);
        for execution in &operation.executions {
            let (server, t) = (execution.entry.node, execution.entry.t);
            if t <= deadline || case.paused_until(server, deadline).is_some() {
                continue;
            }
            let late = if caller == server {
                true
            } else {
                let on_the_way = cancel_reaches_handler::bound(case, (caller, server), deadline);
                let near = case.peer_was_up(caller, server, index);
                near && case.is_undisturbed(caller, server, t) && t > deadline + on_the_way
            };
            if late {
                let text = format!("the handler of op {op} began {:?} after the deadline", t - deadline);
                findings.push(Finding { node: server, t, text });
            }
        }
    }
}
