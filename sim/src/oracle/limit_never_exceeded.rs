//! Limits on what runs at once are strict.

use std::collections::BTreeMap;

use super::{Case, Class, Finding, Oracle};
use crate::history::What;
use crate::payload;

pub(super) const ORACLE: Oracle = Oracle {
    name: "limit-never-exceeded",
    proves: "no node runs more handlers of an action at once than its limit, whoever calls and whoever gives up",
    class: Class::Safety,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let Some(limit) = case.run.header.action_limit else { return };
    // The operations that run, of each action at each node.
    let mut running: BTreeMap<(usize, String), Vec<u64>> = BTreeMap::new();
    for entry in &case.history.entries {
        let action =
            |op: u64| case.calls.get(&op).map(payload::action).filter(|path| payload::is_limited(path));
        match entry.what {
            What::Execute { op: Some(op), .. } => {
                let Some(action) = action(op) else { continue };
                let ops = running.entry((entry.node, action.clone())).or_default();
                ops.push(op);
                if ops.len() as u64 > limit.max {
                    let text = format!(
                        "{} handlers of {action} run at once, the limit is {}: {ops:?}",
                        ops.len(),
                        limit.max
                    );
                    findings.push(Finding { node: entry.node, t: entry.t, text });
                }
            }
            What::Answer { op } | What::Withdrawn { op } => {
                let Some(ops) = action(op).and_then(|action| running.get_mut(&(entry.node, action))) else {
                    continue;
                };
                if let Some(at) = ops.iter().position(|running| *running == op) {
                    ops.remove(at);
                }
            }
            What::Started { .. } | What::Gone { .. } => running.retain(|(node, _), _| *node != entry.node),
            _ => {}
        }
    }
}
