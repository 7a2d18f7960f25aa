//! Neighbours that nothing disturbs stay neighbours.

use super::{Case, Class, Finding, Oracle};
use crate::history::What;

pub(super) const ORACLE: Oracle = Oracle {
    name: "no-down-without-cause",
    proves: "no neighbour is suspect or down before a fault has touched the pair; without faults, never",
    class: Class::Safety,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    for entry in &case.history.entries {
        let (peer, how) = match &entry.what {
            What::PeerDown { peer: Some(peer), reason } => (*peer, format!("down ({reason})")),
            What::PeerSuspect { peer: Some(peer) } => (*peer, "suspect".to_owned()),
            _ => continue,
        };
        if case.is_undisturbed(entry.node, peer, entry.t) {
            let text = format!("n{peer} is {how}, though no fault has touched the two");
            findings.push(Finding { node: entry.node, t: entry.t, text });
        }
    }
}
