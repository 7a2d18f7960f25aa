//! When the network is whole again, so is the mesh.

use super::{Case, Class, Finding, Oracle};

pub(super) const ORACLE: Oracle = Oracle {
    name: "links-come-back",
    proves: "once all faults are over, and the derived time has passed, every configured pair is linked, on both sides",
    class: Class::Liveness,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let t = lacewing_core::Instant::from_nanos(case.run.header.phases.fresh.as_nanos());
    for (one, other) in case.run.pairs() {
        for (node, peer) in [(one, other), (other, one)] {
            let knows = case.history.peers_at_fresh.get(&node).is_some_and(|peers| peers.contains(&peer));
            if !knows {
                let text = format!("n{peer} is no neighbour again, {} after the faults", wait(case));
                findings.push(Finding { node, t, text });
            }
        }
    }
}

fn wait(case: &Case<'_>) -> crate::quantity::Micros {
    let phases = case.run.header.phases;
    crate::quantity::Micros(phases.fresh.0 - phases.heal.0)
}
