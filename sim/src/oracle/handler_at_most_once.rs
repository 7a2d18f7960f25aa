//! A call runs its handler at most once.

use super::{Case, Class, Finding, Oracle};

pub(super) const ORACLE: Oracle = Oracle {
    name: "handler-at-most-once",
    proves: "no call runs a handler twice, at one node or at several, unless it is said to be idempotent and tried again or hedged",
    class: Class::Safety,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    for (op, operation) in &case.operations {
        if case.calls.get(op).is_some_and(|spec| spec.policy.may_repeat()) {
            continue;
        }
        if let [_, second, ..] = operation.executions.as_slice() {
            let (node, t, count) = (second.entry.node, second.entry.t, operation.executions.len());
            findings.push(Finding { node, t, text: format!("the handler of op {op} ran {count} times") });
        }
    }
}
