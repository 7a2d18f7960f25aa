//! Streams end, at both ends, once.

use super::{Case, Class, Finding, Oracle};
use crate::history::{Seen, What};
use crate::run::Flow;

pub(super) const ORACLE: Oracle = Oracle {
    name: "streams-end-once",
    proves: "every stream whose handler has begun ends there exactly once (answered, withdrawn, or with its node), and nothing is sent or taken at \
             either end behind the end",
    class: Class::Safety,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    for (op, operation) in &case.operations {
        if case.calls.get(op).is_none_or(|spec| spec.stream.is_none()) {
            continue;
        }
        if let Some(execution) = operation.executions.first() {
            let server = execution.entry.node;
            let gone = case.history.entries[execution.index..]
                .iter()
                .any(|entry| entry.node == server && matches!(entry.what, What::Gone { .. }));
            let mut found = |t, text| findings.push(Finding { node: server, t, text });
            match operation.releases.as_slice() {
                [] if !gone => found(execution.entry.t, format!("the handler's end of op {op} never ended")),
                [] | [_] => {}
                [_, second, ..] => found(second.entry.t, format!("the handler's end of op {op} ended twice")),
            }
        }
        let caller = operation.outcomes.first();
        let handler = operation.releases.first();
        for (flow, sender, taker) in [(Flow::Uploads, caller, handler), (Flow::Items, handler, caller)] {
            let messages = operation.flow(flow);
            for (end, seen) in [(sender, messages.sent.last()), (taker, messages.taken.last())] {
                late(*op, end, seen, findings);
            }
        }
    }
}

fn late(op: u64, end: Option<&Seen<'_>>, last: Option<&Seen<'_>>, findings: &mut Vec<Finding>) {
    if let (Some(end), Some(last)) = (end, last)
        && last.index > end.index
    {
        let text = format!("op {op} went on after its end at {:?}", end.entry.t);
        findings.push(Finding { node: last.entry.node, t: last.entry.t, text });
    }
}
