//! A neighbour comes up, goes down, and comes up again; never twice the same.

use std::collections::BTreeMap;

use super::{Case, Class, Finding, Oracle};
use crate::history::What;

pub(super) const ORACLE: Oracle = Oracle {
    name: "peers-alternate",
    proves: "each node sees each neighbour up and down in turn, and only neighbours that exist",
    class: Class::Safety,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let mut up: BTreeMap<(usize, usize), bool> = BTreeMap::new();
    for entry in &case.history.entries {
        let mut found = |text| findings.push(Finding { node: entry.node, t: entry.t, text });
        match entry.what {
            What::Started { .. } => up.retain(|(node, _), _| *node != entry.node),
            What::PeerUp { peer: None }
            | What::PeerDown { peer: None, .. }
            | What::PeerSuspect { peer: None } => {
                found("a neighbour that no node of the run is".to_owned());
            }
            What::PeerUp { peer: Some(peer) } => {
                let before = up.insert((entry.node, peer), true);
                if before == Some(true) {
                    found(format!("n{peer} came up twice without going down"));
                }
            }
            What::PeerDown { peer: Some(peer), .. } => {
                let before = up.insert((entry.node, peer), false);
                if before != Some(true) {
                    found(format!("n{peer} went down without having been up"));
                }
            }
            What::PeerSuspect { peer: Some(peer) } if up.get(&(entry.node, peer)) != Some(&true) => {
                found(format!("n{peer} is suspect without being up"));
            }
            _ => {}
        }
    }
}
