//! A call asks no more often than it is told to.

use std::collections::BTreeMap;

use super::{Case, Class, Finding, Oracle};

pub(super) const ORACLE: Oracle = Oracle {
    name: "attempts-within-policy",
    proves: "no call is executed more often than its attempts and its hedges come to, and of one that everybody is asked each node executes it once",
    class: Class::Safety,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    for (op, operation) in &case.operations {
        // What may be executed once at most is another oracle's.
        let policy = case.calls.get(op).map(|spec| spec.policy).filter(|policy| policy.may_repeat());
        let Some(policy) = policy else { continue };
        let mut of_node: BTreeMap<usize, u64> = BTreeMap::new();
        for (place, execution) in (1_u64..).zip(&operation.executions) {
            let (node, t) = (execution.entry.node, execution.entry.t);
            let here = of_node.entry(node).or_default();
            *here += 1;
            let (count, most, which) = match policy.gather {
                Some(_) => (*here, 1, "by one node"),
                None => (place, policy.executions_max(), "in all"),
            };
            if count == most + 1 {
                let text = format!("op {op} was executed more than {most} times {which}");
                findings.push(Finding { node, t, text });
            }
        }
    }
}
