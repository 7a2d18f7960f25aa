//! A call that has its answer leaves nobody working on it.

use lacewing_core::Instant;

use super::{Case, Class, Finding, Oracle, cancel_reaches_handler};
use crate::history::What;

pub(super) const ORACLE: Oracle = Oracle {
    name: "losers-are-told-to-stop",
    proves: "in a whole mesh that no fault has touched, every handler of a call that was put to several nodes has ended, or been told to stop, \
             within the derived time after the call had its answer",
    class: Class::Liveness,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let end = Instant::from_nanos(case.run.header.phases.end.as_nanos());
    for (op, operation) in &case.operations {
        if operation.executions.len() < 2 {
            continue;
        }
        let (Some(invoked), Some(outcome)) = (operation.invoked.first(), operation.outcomes.first()) else {
            continue;
        };
        if !matches!(outcome.entry.what, What::Ok { .. }) {
            continue;
        }
        let caller = outcome.entry.node;
        for execution in &operation.executions {
            let server = execution.entry.node;
            let t = outcome.entry.t.max(execution.entry.t);
            let released = |latest| {
                operation.releases.iter().any(|seen| seen.entry.node == server && seen.entry.t <= latest)
            };
            if released(t + cancel_reaches_handler::least_bound(case)) {
                continue;
            }
            let latest = t + cancel_reaches_handler::bound(case, (caller, server), t);
            if latest > end || !case.was_whole_and_calm(invoked.index, latest) {
                continue;
            }
            let near = caller == server || case.peer_was_up(caller, server, invoked.index);
            if near && !released(latest) {
                let text = format!(
                    "op {op} had its answer at {:?}, but n{server} still works on it",
                    outcome.entry.t
                );
                findings.push(Finding { node: server, t: latest, text });
            }
        }
    }
}
