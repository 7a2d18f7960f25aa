//! Work whose deadline has passed is not started.

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
        let (Some(invoked), Some(spec)) = (operation.invoked.first(), case.calls.get(op)) else { continue };
        let (caller, deadline) = (invoked.entry.node, invoked.entry.t + spec.timeout.as_duration());
        for execution in &operation.executions {
            let (server, t) = (execution.entry.node, execution.entry.t);
            if t <= deadline || case.paused_until(server, deadline).is_some() {
                continue;
            }
            let late = if caller == server {
                true
            } else {
                let on_the_way = cancel_reaches_handler::bound(case, (caller, server), deadline);
                let near = case.peer_was_up(caller, server, invoked.index);
                near && case.is_undisturbed(caller, server, t) && t > deadline + on_the_way
            };
            if late {
                let text = format!("the handler of op {op} began {:?} after the deadline", t - deadline);
                findings.push(Finding { node: server, t, text });
            }
        }
    }
}
