//! A handler does not go on working for nobody.

use std::time::Duration;

use super::{Case, Class, Finding, Oracle};
use crate::bounds;

pub(super) const ORACLE: Oracle = Oracle {
    name: "cancel-reaches-handler",
    proves: "between nodes that no fault has touched, a cancelled call's handler is told within the derived time",
    class: Class::Liveness,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    // The cancel overtakes what is queued, not what is on the line already; twice that, where the line carries a full window.
    let bound = bounds::one_way(&case.run.header.net) * 2 + Duration::from_millis(1);
    for (op, operation) in &case.operations {
        let (Some(cancelled), Some(execution)) = (operation.cancelled.first(), operation.executions.first()) else { continue };
        let (caller, server) = (cancelled.entry.node, execution.entry.node);
        let latest = cancelled.entry.t.max(execution.entry.t) + bound;
        if !case.is_undisturbed(caller, server, latest) {
            continue;
        }
        let released = operation.releases.iter().any(|seen| seen.entry.t <= latest);
        // A run that ends first proves nothing.
        let end = lacewing_core::Instant::from_nanos(case.run.header.phases.end.as_nanos());
        if !released && latest <= end {
            let text = format!("the handler of op {op} was not told within {bound:?} that n{caller} had cancelled");
            findings.push(Finding { node: server, t: latest, text });
        }
    }
}
