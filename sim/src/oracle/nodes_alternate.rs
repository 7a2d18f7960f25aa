//! A node of the mesh comes up, goes down, and comes up again; never twice the same.

use std::collections::BTreeMap;

use super::{Case, Class, Finding, Oracle};
use crate::history::What;

pub(super) const ORACLE: Oracle = Oracle {
    name: "nodes-alternate",
    proves: "each node sees each other node of the mesh up and down in turn, suspect only while it is up, recovered only while it is \
             suspect, in lives that never go back, and only nodes that exist",
    class: Class::Safety,
    check,
};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Status {
    #[default]
    Down,
    Up,
    Suspect,
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    status: Status,
    incarnation: u64,
}

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let mut seen: BTreeMap<(usize, usize), Seen> = BTreeMap::new();
    for entry in &case.history.entries {
        let mut found = |text| findings.push(Finding { node: entry.node, t: entry.t, text });
        let (of, incarnation) = match entry.what {
            What::Started { .. } => {
                seen.retain(|(node, _), _| *node != entry.node);
                continue;
            }
            What::NodeUp { of, incarnation } | What::NodeDown { of, incarnation, .. } => {
                (of, Some(incarnation))
            }
            What::NodeSuspect { of } | What::NodeRecovered { of } => (of, None),
            _ => continue,
        };
        let Some(of) = of else {
            found("a node of the mesh that no node of the run is".to_owned());
            continue;
        };
        let before = seen.entry((entry.node, of)).or_default();
        if incarnation.is_some_and(|incarnation| incarnation < before.incarnation) {
            found(format!("n{of} is told of in an earlier life than before"));
        }
        let (after, fits, how) = match entry.what {
            What::NodeUp { .. } => {
                (Status::Up, before.status == Status::Down, "came up without having been down")
            }
            What::NodeDown { .. } => {
                (Status::Down, before.status != Status::Down, "went down without having been up")
            }
            What::NodeSuspect { .. } => {
                (Status::Suspect, before.status == Status::Up, "is suspect without being up")
            }
            _ => (Status::Up, before.status == Status::Suspect, "recovered without having been suspect"),
        };
        if !fits {
            found(format!("n{of} {how}"));
        }
        *before = Seen { status: after, incarnation: incarnation.unwrap_or(before.incarnation) };
    }
}
