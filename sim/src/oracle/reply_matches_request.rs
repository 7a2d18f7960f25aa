//! Handlers see what callers sent, and callers get what their own handler answered.

use super::{Case, Class, Finding, Oracle};
use crate::history::What;
use crate::run::{ActionKind, CallSpec, Handler};

pub(super) const ORACLE: Oracle = Oracle {
    name: "reply-matches-request",
    proves: "arguments, callers and answers are, byte for byte, those of their operation, and come where the run says",
    class: Class::Safety,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    for (index, entry) in case.history.entries.iter().enumerate() {
        let mut found = |text| findings.push(Finding { node: entry.node, t: entry.t, text });
        match entry.what {
            What::Ok { op, matches, bytes } => {
                let Some(spec) = case.calls.get(&op) else { continue };
                if !matches {
                    found(format!("op {op} was answered with {bytes} bytes that are not its own"));
                } else if spec.policy.cast {
                    // It was accepted, which says nothing of its handler.
                } else if !answers(spec) {
                    found(format!("op {op} was answered, though its handler does not answer"));
                } else if !ran_before(case, op, index) {
                    found(format!("op {op} was answered before its handler ran"));
                }
            }
            What::Fail { op, number, .. } if number >= 0x8000 => {
                let Some(spec) = case.calls.get(&op) else { continue };
                if !matches!(spec.handler, Handler::Fail { code, .. } if *code == number) {
                    found(format!(
                        "op {op} failed with the application code {number:#06x}, which is not its handler's"
                    ));
                }
            }
            What::Execute { op: None, .. } => {
                found("a handler ran for an operation that the run does not have".to_owned());
            }
            What::Execute { op: Some(op), matches, caller_matches } => {
                let nodes = case.run.header.nodes.len();
                if !matches {
                    found(format!("the handler of op {op} got an argument that is not its own"));
                } else if !caller_matches {
                    found(format!("the handler of op {op} was told of another caller"));
                } else if case
                    .calls
                    .get(&op)
                    .and_then(|spec| spec.provider(nodes))
                    .is_some_and(|provider| provider != entry.node)
                {
                    found(format!("op {op} ran at a node that was not called"));
                }
            }
            _ => {}
        }
    }
}

/// Whether the handler, or the last one of those that call on, answers.
fn answers(spec: &CallSpec<'_>) -> bool {
    let mut handler = spec.handler;
    while let Handler::Call { handler: inner, .. } = handler {
        handler = inner;
    }
    spec.action != ActionKind::Unknown
        && spec.stream.is_none_or(|stream| stream.is_allowed())
        && matches!(handler, Handler::Reply { .. })
}

fn ran_before(case: &Case<'_>, op: u64, index: usize) -> bool {
    case.operations
        .get(&op)
        .is_some_and(|operation| operation.executions.iter().any(|seen| seen.index < index))
}
