//! A node that is asked to stop does.

use super::{Case, Class, Finding, Oracle};
use crate::history::What;

pub(super) const ORACLE: Oracle = Oracle {
    name: "shutdown-ends",
    proves: "a node that shuts down has stopped by its deadline, whatever the network does",
    class: Class::Liveness,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    for entry in case.history.entries.iter().filter(|entry| entry.what == What::StopOverdue) {
        let text = "the shutdown's deadline has passed, and the node has not stopped".to_owned();
        findings.push(Finding { node: entry.node, t: entry.t, text });
    }
}
