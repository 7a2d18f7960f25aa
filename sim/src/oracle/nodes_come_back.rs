//! When the network is whole again, everybody sees everybody.

use lacewing_core::engine::NodeStatus;

use super::case::at;
use super::{Case, Class, Finding, Oracle};

pub(super) const ORACLE: Oracle = Oracle {
    name: "nodes-come-back",
    proves: "once all faults are over, and the derived time has passed, each node sees every node up that a path leads to",
    class: Class::Liveness,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let t = at(case.run.header.phases.fresh);
    for (node, statuses) in &case.history.mesh.statuses_at_fresh {
        for other in case.reachable_from(*node).filter(|other| other != node) {
            let how = match statuses.get(&other) {
                Some(NodeStatus::Up) => continue,
                Some(status) => status.name(),
                None => "unknown",
            };
            let wait = case.run.header.phases.fresh.0 - case.run.header.phases.heal.0;
            let text = format!("n{other} is {how}, {} after the faults", crate::quantity::Micros(wait));
            findings.push(Finding { node: *node, t, text });
        }
    }
}
