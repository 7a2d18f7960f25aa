//! A stream lasts for as long as something moves on it.

use std::time::Duration;

use lacewing_core::{Code, Instant};

use super::{Case, Class, Finding, Oracle, cancel_reaches_handler};
use crate::history::{Operation, What};
use crate::run::{CallSpec, Handler, StreamSpec};

/// One of the engines keeps whole milliseconds, and rounds down.
const ROUNDING: Duration = Duration::from_millis(1);

pub(super) const ORACLE: Oracle = Oracle {
    name: "streams-go-on",
    proves: "between neighbours that no fault has touched, and within a node, no stream ends for lack of movement whose applications never \
             pause for as long as its idle time, whatever its length",
    class: Class::Liveness,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    for (op, operation) in &case.operations {
        let (Some(invoked), Some(outcome)) = (operation.invoked.first(), operation.outcomes.first()) else {
            continue;
        };
        let Some(spec) = case.calls.get(op) else { continue };
        let (Some(stream), Some(to)) = (spec.stream, spec.to) else { continue };
        let (node, t) = (invoked.entry.node, outcome.entry.t);
        let What::Fail { code: Code::DeadlineExceeded, .. } = outcome.entry.what else { continue };
        if !stream.endless && t + ROUNDING >= invoked.entry.t + spec.timeout.as_duration() {
            continue;
        }
        let near = node == to || case.peer_was_up(node, to, invoked.index);
        if !near || !case.is_undisturbed(node, to, t) || !is_lively(case, spec, &stream, (node, to), t) {
            continue;
        }
        let (sent, taken) = moved(operation);
        let text = format!(
            "op {op} to n{to} ended for lack of movement after {sent} messages were sent and {taken} taken, though no fault has touched the two"
        );
        findings.push(Finding { node, t, text });
    }
}

/// Whether the applications do something often enough.
fn is_lively(
    case: &Case<'_>,
    spec: &CallSpec<'_>,
    stream: &StreamSpec,
    (node, to): (usize, usize),
    t: Instant,
) -> bool {
    let works = match spec.handler {
        Handler::Reply { after, .. } | Handler::Fail { after, .. } => after.as_duration(),
        Handler::Never | Handler::Call { .. } => return false,
    };
    let on_the_way = if node == to { Duration::ZERO } else { way(case, (node, to), t) };
    stream.idle.as_duration() > stream.longest_pause().as_duration() * 2 + works + on_the_way
}

/// There and back, behind everything that may be in the way.
pub(super) fn way(case: &Case<'_>, (one, other): (usize, usize), t: Instant) -> Duration {
    let bound = |pair| cancel_reaches_handler::bound(case, pair, t);
    bound((one, other)) + bound((other, one))
}

fn moved(operation: &Operation<'_>) -> (usize, usize) {
    let (uploads, items) = (&operation.uploads, &operation.items);
    (uploads.sent.len() + items.sent.len(), uploads.taken.len() + items.taken.len())
}
