//! Nothing leaks.

use super::{Case, Class, Finding, Oracle};

pub(super) const ORACLE: Oracle = Oracle {
    name: "tables-empty-when-quiet",
    proves: "when nothing is going on, every table and buffer that belongs to calls is empty at every node",
    class: Class::Safety,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    for reading in case.history.at_end.iter().filter(|reading| reading.zero_when_quiet && reading.value != 0)
    {
        let text = format!("{} is {} at the end, and should be 0", reading.name, reading.value);
        findings.push(Finding { node: reading.node, t: reading.t, text });
    }
}
