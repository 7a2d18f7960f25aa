//! The end of a stream means that there was no more.

use super::{Case, Class, Finding, Oracle};
use crate::history::What;
use crate::run::Flow;

pub(super) const ORACLE: Oracle = Oracle {
    name: "streams-are-whole",
    proves: "a stream that ended well has given its caller everything that the handler had sent, and a handler that learns of the end of the \
             uploads has been given all of them",
    class: Class::Safety,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    for (op, operation) in &case.operations {
        let Some(spec) = case.calls.get(op).filter(|spec| spec.stream.is_some()) else { continue };
        let outcome = operation.outcomes.first().filter(|seen| matches!(seen.entry.what, What::Ok { .. }));
        let ends = [(Flow::Items, outcome), (Flow::Uploads, operation.uploads_over.as_ref())];
        for (flow, end) in ends {
            let Some(end) = end.filter(|_| spec.called().has(flow)) else { continue };
            let messages = operation.flow(flow);
            let (sent, taken) = (messages.sent.len(), messages.taken.len());
            let (node, t) = (end.entry.node, end.entry.t);
            if taken < sent {
                let text = format!("the {flow} of op {op} ended well after {taken} of {sent}");
                findings.push(Finding { node, t, text });
            }
        }
        if let Some(over) = &operation.uploads_over
            && operation.uploads_ended.is_none_or(|ended| ended.index > over.index)
        {
            let text =
                format!("the handler of op {op} was told that the uploads are over, which they were not");
            findings.push(Finding { node: over.entry.node, t: over.entry.t, text });
        }
    }
}
