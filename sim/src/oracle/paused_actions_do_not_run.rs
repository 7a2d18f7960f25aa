//! Who takes no calls gets none.

use std::collections::BTreeMap;

use super::{Case, Class, Finding, Oracle};
use crate::history::What;
use crate::run::{ActionKind, PoolState};

pub(super) const ORACLE: Oracle = Oracle {
    name: "paused-actions-do-not-run",
    proves: "no call to the action of a pool runs at a node that does not serve it then, or has paused it or lets it drain",
    class: Class::Safety,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let mut served: BTreeMap<(usize, u32), PoolState> = BTreeMap::new();
    for entry in &case.history.entries {
        match entry.what {
            What::Started { .. } => served.retain(|(node, _), _| *node != entry.node),
            What::Serves { pool, state: Some(state) } => {
                served.insert((entry.node, pool), state);
            }
            What::Serves { pool, state: None } => {
                served.remove(&(entry.node, pool));
            }
            What::Execute { op: Some(op), .. } => {
                let Some(ActionKind::Pool(pool)) = case.calls.get(&op).map(|spec| spec.action) else {
                    continue;
                };
                let how = match served.get(&(entry.node, pool)) {
                    Some(PoolState::Running) => continue,
                    Some(PoolState::Paused) => "has paused",
                    Some(PoolState::Draining) => "lets drain",
                    None => "does not serve",
                };
                let text = format!("op {op} ran for pool {pool}, which the node {how}");
                findings.push(Finding { node: entry.node, t: entry.t, text });
            }
            _ => {}
        }
    }
}
