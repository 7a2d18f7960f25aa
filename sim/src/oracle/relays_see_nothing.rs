//! Relays carry what they cannot read.

use super::{Case, Class, Finding, Oracle};

pub(super) const ORACLE: Oracle = Oracle {
    name: "relays-see-nothing",
    proves: "in the bytes that a relay passes on, neither what calls carry nor the names of their actions can be read",
    class: Class::Safety,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    for shown in &case.history.mesh.shown {
        let text = format!("it relayed {} bytes in which the content of a call can be read", shown.bytes);
        findings.push(Finding { node: shown.node, t: shown.t, text });
    }
}
