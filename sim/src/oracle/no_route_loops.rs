//! What is sent somewhere never comes back.

use super::{Case, Class, Finding, Oracle};

pub(super) const ORACLE: Oracle = Oracle {
    name: "no-route-loops",
    proves: "at no time do the next hops of living nodes lead in a circle, for any destination; what is sent to a life that has ended goes nowhere",
    class: Class::Safety,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    for found in &case.history.mesh.loops {
        let circle: Vec<String> = found.circle.iter().map(|node| format!("n{node}")).collect();
        let text = format!("the way to n{} goes round {}", found.destination, circle.join(", "));
        findings.push(Finding { node: found.circle[0], t: found.t, text });
    }
}
