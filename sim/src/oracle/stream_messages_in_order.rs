//! What goes through a stream comes out as it went in.

use super::{Case, Class, Finding, Oracle};
use crate::history::What;
use crate::run::Flow;

pub(super) const ORACLE: Oracle = Oracle {
    name: "stream-messages-in-order",
    proves: "the messages of each direction of a stream are taken in the order in which they were sent, each once and unchanged, and none that was not sent",
    class: Class::Safety,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    for (op, operation) in &case.operations {
        for flow in Flow::ALL {
            let messages = operation.flow(flow);
            for (place, taken) in messages.taken.iter().enumerate() {
                let What::Taken { number, bytes, .. } = taken.entry.what else { continue };
                let (node, t) = (taken.entry.node, taken.entry.t);
                let mut found = |text| findings.push(Finding { node, t, text });
                let Some(number) = number else {
                    found(format!(
                        "{bytes} bytes were taken from the {flow} of op {op} that are none of them"
                    ));
                    continue;
                };
                if number != place as u64 {
                    found(format!("number {number} of the {flow} of op {op} was taken as number {place}"));
                    break;
                }
                if messages.sent.get(place).is_none_or(|sent| sent.index > taken.index) {
                    found(format!("number {number} of the {flow} of op {op} was taken before it was sent"));
                    break;
                }
            }
        }
    }
}
