//! The end of a node is noticed by everybody.

use std::collections::{BTreeMap, BTreeSet};

use lacewing_core::Instant;

use super::{Case, Class, Finding, Oracle};
use crate::bounds;
use crate::history::What;

pub(super) const ORACLE: Oracle = Oracle {
    name: "dead-nodes-are-down",
    proves: "when the process of a node is gone, stays away for the derived time, and nothing else goes wrong, every node that had it up \
             says that it is down",
    class: Class::Liveness,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let bound = bounds::death_is_known(&case.run.header);
    // Who has whom up, or suspect; and since when each process is away.
    let mut up: BTreeSet<(usize, usize)> = BTreeSet::new();
    let mut gone: BTreeMap<usize, Instant> = BTreeMap::new();
    let mut overdue = |up: &BTreeSet<(usize, usize)>, gone: usize, since: Instant, now: Instant| {
        for (node, _) in up.iter().filter(|(_, of)| *of == gone) {
            if now - since > bound && !case.is_stormy(since, since + bound, gone) {
                let text = format!("n{gone} has been away for {:?}, and is not down", now - since);
                findings.push(Finding { node: *node, t: now, text });
            }
        }
    };
    for entry in &case.history.entries {
        match entry.what {
            What::NodeUp { of: Some(of), .. } => {
                up.insert((entry.node, of));
            }
            What::NodeDown { of: Some(of), .. } => {
                up.remove(&(entry.node, of));
            }
            What::Gone { .. } => {
                gone.insert(entry.node, entry.t);
                up.retain(|(node, _)| *node != entry.node);
            }
            What::Started { .. } => {
                if let Some(since) = gone.remove(&entry.node) {
                    overdue(&up, entry.node, since, entry.t);
                }
            }
            _ => {}
        }
    }
}
