//! No caller waits longer than it asked for.

use lacewing_core::Instant;

use super::{Case, Class, Finding, Oracle, streams_go_on};
use crate::history::{Operation, Seen, What};
use crate::run::{CallSpec, StreamSpec};

pub(super) const ORACLE: Oracle = Oracle {
    name: "outcome-in-time",
    proves: "no outcome comes after the call's deadline, plus what the caller's node stood still across it; a stream has a time for which \
             nothing may move besides, or in its place, and is over when its caller has taken what came before",
    class: Class::Liveness,
    check,
};

/// The caller's own timer ends a call, and in simulated time timers are exact. A node that stands still when the deadline passes
/// acts on it when it goes on. Nothing else can delay it, so that the bound is the deadline itself, or the end of that pause.
fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    for (op, operation) in &case.operations {
        let (Some(invoked), Some(spec)) = (operation.invoked.first(), case.calls.get(op)) else { continue };
        let node = invoked.entry.node;
        let bound = match spec.stream {
            None => {
                let deadline = invoked.entry.t + spec.timeout.as_duration();
                if operation.outcomes.iter().all(|outcome| outcome.entry.t <= deadline) {
                    continue;
                }
                Some((deadline, case.paused_until(node, deadline).unwrap_or(deadline)))
            }
            Some(stream) => stream_bound(case, (spec, &stream), operation, invoked),
        };
        let Some((deadline, bound)) = bound else { continue };
        for outcome in &operation.outcomes {
            let t = outcome.entry.t;
            if t > bound && !matches!(outcome.entry.what, What::Unknown { .. }) {
                let text = format!("op {op} had its outcome {:?} after its deadline", t - deadline);
                findings.push(Finding { node, t, text });
            }
        }
    }
}

/// When a stream must end, and when its caller must know. `None` where that depends on what faults hold up.
fn stream_bound(
    case: &Case<'_>,
    (spec, stream): (&CallSpec<'_>, &StreamSpec),
    operation: &Operation<'_>,
    invoked: &Seen<'_>,
) -> Option<(Instant, Instant)> {
    let node = invoked.entry.node;
    let last = operation.outcomes.last()?.entry.t;
    let unaware = stream.unaware().as_duration() + case.stood_still(node, (invoked.entry.t, last));
    if !stream.endless {
        let deadline = invoked.entry.t + spec.timeout.as_duration();
        return Some((deadline, deadline + unaware));
    }
    let to = spec.to?;
    if !case.peer_was_up(node, to, invoked.index) || !case.is_undisturbed(node, to, last) {
        return None;
    }
    let flows = [&operation.uploads, &operation.items];
    let messages = flows.into_iter().flat_map(|messages| messages.sent.iter().chain(&messages.taken));
    let ends = operation.releases.iter().chain(&operation.uploads_ended).chain(&operation.uploads_over);
    let moved = messages.chain(ends).filter(|seen| seen.entry.t <= last).map(|seen| seen.entry.t);
    let deadline = moved.fold(invoked.entry.t, Instant::max) + stream.idle.as_duration();
    Some((deadline, deadline + unaware + streams_go_on::way(case, (node, to), last)))
}
