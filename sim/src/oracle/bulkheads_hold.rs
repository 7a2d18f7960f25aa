//! A slow node does not take all of its callers' calls.

use std::collections::BTreeMap;

use lacewing_core::Instant;

use super::{Case, Class, Finding, Oracle};
use crate::history::What;
use crate::payload;
use crate::run::CallSpec;

pub(super) const ORACLE: Oracle = Oracle {
    name: "bulkheads-hold",
    proves: "no call is executed that began while as many calls with a bulkhead were open to the same node and action as its own lets through",
    class: Class::Safety,
    check,
};

/// A call whose only attempt is open from its beginning to its outcome.
fn counted(spec: &CallSpec<'_>) -> Option<(usize, u64)> {
    let once = !spec.policy.retry && spec.policy.hedge.is_none() && spec.policy.gather.is_none();
    spec.to.zip(spec.policy.bulkhead).filter(|_| once)
}

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    // Until when each call is open, of each caller, node and action.
    let mut open: BTreeMap<(usize, usize, String), Vec<Instant>> = BTreeMap::new();
    for entry in &case.history.entries {
        let What::Invoke { op } = entry.what else { continue };
        let Some((spec, (to, most))) = case.calls.get(&op).and_then(|spec| Some((spec, counted(spec)?)))
        else {
            continue;
        };
        let Some(operation) = case.operations.get(&op) else { continue };
        let ends = operation.outcomes.first().map_or(Instant::NEVER, |seen| seen.entry.t);
        let others = open.entry((entry.node, to, payload::action(spec))).or_default();
        // What ends in the same moment may have ended before.
        others.retain(|ends| *ends > entry.t);
        let count = others.len() as u64;
        if count >= most && !operation.executions.is_empty() {
            let text =
                format!("op {op} to n{to} was made while {count} others were open, its bulkhead is {most}");
            findings.push(Finding { node: entry.node, t: entry.t, text });
        }
        others.push(ends);
    }
}
