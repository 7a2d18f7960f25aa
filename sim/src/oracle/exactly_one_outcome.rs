//! Every call ends in exactly one result: never silence, never two.

use super::{Case, Class, Finding, Oracle};
use crate::history::What;
use crate::quantity::Micros;

pub(super) const ORACLE: Oracle = Oracle {
    name: "exactly-one-outcome",
    proves: "every call that was begun has exactly one outcome; it is unknown only where the caller's process died",
    class: Class::Safety,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    for (op, operation) in &case.operations {
        let Some(invoked) = operation.invoked.first() else { continue };
        let node = invoked.entry.node;
        let mut found = |t, text| findings.push(Finding { node, t, text });
        match operation.outcomes.as_slice() {
            [] => found(invoked.entry.t, format!("op {op} has no outcome to the end of the run")),
            [only] => {
                let died = || {
                    case.history.entries[only.index..].iter().find_map(|entry| match entry.what {
                        What::Gone { clean } if entry.node == node => Some(!clean),
                        _ => None,
                    })
                };
                // The caller of a stream may be busy with what came before it until its node is gone.
                let stream = case.calls.get(op).and_then(|spec| spec.stream);
                let is_aware = stream.is_none_or(|stream| stream.unaware() == Micros::ZERO);
                if matches!(only.entry.what, What::Unknown { .. }) && is_aware && died() != Some(true) {
                    found(
                        only.entry.t,
                        format!("op {op} has no outcome though its caller shut down in order"),
                    );
                }
            }
            [_, second, ..] => {
                let count = operation.outcomes.len();
                found(second.entry.t, format!("op {op} has {count} outcomes"));
            }
        }
    }
}
