//! A failure that says "not executed" is a promise.

use super::{Case, Class, Finding, Oracle};
use crate::history::What;

pub(super) const ORACLE: Oracle = Oracle {
    name: "no-execution-denied",
    proves: "a call that failed with maybe_executed = false never ran its handler, before or after",
    class: Class::Safety,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    for (op, operation) in &case.operations {
        let Some(execution) = operation.executions.first() else { continue };
        for outcome in &operation.outcomes {
            if let What::Fail { code, maybe_executed: false, .. } = outcome.entry.what {
                let (node, t) = (outcome.entry.node, outcome.entry.t);
                let text = format!(
                    "op {op} failed with {} and maybe_executed = false, but its handler ran at n{} at {:?}",
                    code.name(),
                    execution.entry.node,
                    execution.entry.t
                );
                findings.push(Finding { node, t, text });
            }
        }
    }
}
