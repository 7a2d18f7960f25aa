//! Trying again does not multiply the load.

use std::collections::BTreeMap;

use super::{Case, Class, Finding, Oracle};
use crate::payload;

/// What each target has saved up at first.
const SAVED: u64 = 10;

pub(super) const ORACLE: Oracle = Oracle {
    name: "repeats-stay-in-budget",
    proves: "of the calls of a node, no more are executed again than one in ten, one a second for each node and action, and what was saved up",
    class: Class::Safety,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let header = &case.run.header;
    // The calls of each life would have a budget of their own.
    let lives = case
        .history
        .entries
        .iter()
        .filter(|entry| matches!(entry.what, crate::history::What::Started { .. }));
    let mut starts: BTreeMap<usize, u64> = BTreeMap::new();
    for entry in lives {
        *starts.entry(entry.node).or_default() += 1;
    }
    let mut calls: BTreeMap<(usize, String), (u64, u64)> = BTreeMap::new();
    for (op, operation) in &case.operations {
        let (Some(invoked), Some(spec)) = (operation.invoked.first(), case.calls.get(op)) else { continue };
        // Asking everybody is no repetition.
        if spec.policy.is_none() || spec.policy.gather.is_some() {
            continue;
        }
        let (made, again) = calls.entry((invoked.entry.node, payload::action(spec))).or_default();
        *made += 1;
        *again += (operation.executions.len() as u64).saturating_sub(1);
    }
    let seconds = header.phases.fresh.as_nanos() / 1_000_000_000 + 1;
    for ((node, action), (made, again)) in calls {
        // A node of its own for each provider, and one for what nobody is known to serve.
        let targets = header.nodes.len() as u64 + 1;
        let budget = made / 10 + targets * (SAVED + seconds) * starts.get(&node).copied().unwrap_or(1);
        if again > budget {
            let t = case.history.entries.last().map(|entry| entry.t).unwrap_or_default();
            let text =
                format!("of {made} calls of {action} {again} were executed again, the budget is {budget}");
            findings.push(Finding { node, t, text });
        }
    }
}
