//! That nobody serves an action is known as soon as everybody has been asked.

use lacewing_core::Code;

use super::{Case, Class, Finding, Oracle};
use crate::bounds;
use crate::history::What;
use crate::run::ActionKind;

/// Questions that a node asks in a second, beyond which it asks no more.
const ASKED_MAX: usize = 32;

pub(super) const ORACLE: Oracle = Oracle {
    name: "unknown-actions-are-answered",
    proves: "in a whole mesh that no fault has touched, a call to an action that nobody serves is NotFound within the time that a question \
             takes, or Unavailable where some nodes are too far to be asked; it never waits for its deadline",
    class: Class::Liveness,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    for (op, operation) in &case.operations {
        let (Some(spec), Some(invoked), Some(outcome)) =
            (case.calls.get(op), operation.invoked.first(), operation.outcomes.first())
        else {
            continue;
        };
        if spec.action != ActionKind::Unknown || spec.to.is_some() || !operation.cancelled.is_empty() {
            continue;
        }
        let (node, t) = (invoked.entry.node, outcome.entry.t);
        let bound = bounds::question(&case.run.header);
        let patient = bounds::is_patient(&case.run.header, spec.timeout);
        if !patient || !case.was_whole_and_calm(invoked.index, t) || asks_much(case, node, invoked.index) {
            continue;
        }
        let expected = match case.asks_everybody(node) {
            Some(true) => &[Code::NotFound][..],
            Some(false) => &[Code::Unavailable],
            None => &[Code::NotFound, Code::Unavailable],
        };
        let text = match &outcome.entry.what {
            What::Fail { code, maybe_executed: false, .. } if expected.contains(code) => {
                let took = t - invoked.entry.t;
                if took <= bound {
                    continue;
                }
                format!("op {op} to an action that nobody serves took {took:?}, and may take {bound:?}")
            }
            What::Fail { code, .. } => {
                format!(
                    "op {op} to an action that nobody serves failed with {}, not {}",
                    code.name(),
                    expected[0].name()
                )
            }
            What::Unknown { .. } => continue,
            _ => format!("op {op} to an action that nobody serves was answered"),
        };
        findings.push(Finding { node, t, text });
    }
}

/// Whether the node has asked so much in the last second that it may be told to wait.
fn asks_much(case: &Case<'_>, node: usize, index: usize) -> bool {
    let now = case.history.entries[index].t;
    let recent = case.history.entries[..=index]
        .iter()
        .rev()
        .take_while(|entry| now - entry.t < std::time::Duration::from_secs(1))
        .filter(|entry| entry.node == node && matches!(entry.what, What::Invoke { .. }));
    recent.count() > ASKED_MAX
}
