//! A node is there as long as a way leads to it that nothing disturbs.

use super::{Case, Class, Finding, Oracle};
use crate::bounds;
use crate::history::What;

pub(super) const ORACLE: Oracle = Oracle {
    name: "no-node-down-without-cause",
    proves: "no node of the mesh is suspect or down as long as some path of links leads to it that no fault has touched; without faults, \
             never",
    class: Class::Safety,
    check,
};

/// A node that is lost by its way is down, or suspect, only if no other way has been found in the time that is given for that. Where
/// a run gives less time than finding one may take, nothing is promised.
fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let (header, found) = (&case.run.header, bounds::reroute(&case.run.header));
    for entry in &case.history.entries {
        let (of, how) = match &entry.what {
            What::NodeDown { of: Some(of), reason, .. } if bounds::down_after(header, entry.node) > found => {
                (*of, format!("down ({reason})"))
            }
            What::NodeSuspect { of: Some(of) } if bounds::path_patience(header, entry.node) > found => {
                (*of, "suspect".to_owned())
            }
            _ => continue,
        };
        if case.has_undisturbed_path(entry.node, of, entry.t) {
            let text = format!("n{of} is {how}, though a path leads there that no fault has touched");
            findings.push(Finding { node: entry.node, t: entry.t, text });
        }
    }
}
