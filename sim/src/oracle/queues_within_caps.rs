//! Nothing is unbounded.

use super::{Case, Class, Finding, Oracle};

pub(super) const ORACLE: Oracle = Oracle {
    name: "queues-within-caps",
    proves: "no table, queue or buffer ever holds more than its cap",
    class: Class::Safety,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    for reading in &case.history.over_cap {
        let text = format!("{} is {}, over its cap of {}", reading.name, reading.value, reading.cap);
        findings.push(Finding { node: reading.node, t: reading.t, text });
    }
}
