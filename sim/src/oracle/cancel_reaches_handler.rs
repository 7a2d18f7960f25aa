//! A handler does not go on working for nobody.

use std::time::Duration;

use lacewing_core::Instant;

use super::{Case, Class, Finding, Oracle};
use crate::run::{CallSpec, Flow};
use crate::{bounds, payload};

/// A chunk that has begun, and the heads of all frames.
const FRAMES_BYTES: u64 = 128 * 1024;

/// Records that relays have dropped because too many waited are sent again after a while.
const LOST_RECORDS: Duration = Duration::from_secs(4);

pub(super) const ORACLE: Oracle = Oracle {
    name: "cancel-reaches-handler",
    proves: "between neighbours that no fault has touched, and in a whole mesh that none has, a cancelled call's handler is told within the derived time",
    class: Class::Liveness,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    // A run that ends first proves nothing.
    let end = Instant::from_nanos(case.run.header.phases.end.as_nanos());
    for (op, operation) in &case.operations {
        let (Some(cancelled), Some(execution)) = (operation.cancelled.first(), operation.executions.first())
        else {
            continue;
        };
        let (caller, server) = (cancelled.entry.node, execution.entry.node);
        let near = caller == server
            || operation.invoked.first().is_some_and(|seen| case.peer_was_up(caller, server, seen.index));
        let begun = cancelled.entry.t.max(execution.entry.t);
        if operation.releases.iter().any(|seen| seen.entry.t <= begun + least_bound(case)) {
            continue;
        }
        let mut bound = bound(case, (caller, server), cancelled.entry.t);
        if !near {
            bound = bound * case.run.header.nodes.len().try_into().unwrap_or(u32::MAX) + LOST_RECORDS;
        }
        let latest = begun + bound;
        let calm =
            || operation.invoked.first().is_some_and(|seen| case.was_whole_and_calm(seen.index, latest));
        if latest > end || !(near && case.is_undisturbed(caller, server, latest) || !near && calm()) {
            continue;
        }
        if !operation.releases.iter().any(|seen| seen.entry.t <= latest) {
            let text =
                format!("the handler of op {op} was not told within {bound:?} that n{caller} had cancelled");
            findings.push(Finding { node: server, t: latest, text });
        }
    }
}

/// The cancel may have to wait for what is on the line, and for what is queued in front of it: at most the arguments and answers
/// of all operations that are open between the two. A queue leaves as fast as the line takes it, or as windows are acknowledged.
pub(super) fn bound(case: &Case<'_>, (caller, server): (usize, usize), t: Instant) -> Duration {
    let net = &case.run.header.net;
    let mut queued = FRAMES_BYTES;
    for (op, operation) in &case.operations {
        let (Some(spec), Some(invoked)) = (case.calls.get(op), operation.invoked.first()) else { continue };
        let over = operation.outcomes.first().is_some_and(|seen| seen.entry.t < t);
        if over || invoked.entry.t > t {
            continue;
        }
        let provider = spec.provider(case.run.header.nodes.len());
        let ends = (invoked.entry.node, provider);
        if ends == (caller, Some(server)) {
            queued += stream_queued(case, spec, Flow::Uploads);
        } else if ends == (server, Some(caller)) {
            queued += stream_queued(case, spec, Flow::Items);
        }
        if invoked.entry.node == caller && provider == Some(server) {
            queued += spec.size;
        } else if invoked.entry.node == server && provider == Some(caller) {
            queued += payload::answer_size(spec);
        }
    }
    let on_line = Duration::from_nanos(queued * 1_000_000_000 / net.bandwidth);
    let turns = u32::try_from(queued / net.window + 1).unwrap_or(u32::MAX);
    on_line + bounds::one_way(net) * 2 * turns
}

/// What no bound is below: most are told within that, and what is queued need not be counted for them.
pub(super) fn least_bound(case: &Case<'_>) -> Duration {
    bounds::one_way(&case.run.header.net) * 2
}

/// What may be under way of a stream in one direction.
fn stream_queued(case: &Case<'_>, spec: &CallSpec<'_>, flow: Flow) -> u64 {
    let (count, size) = spec.sends(flow);
    let all = count.saturating_mul(bounds::stream_cost(size));
    all.min(bounds::stream_ahead(&case.run.header, size))
}
