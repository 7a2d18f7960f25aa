//! The outcome comes as soon as it is known: a lost neighbour fails its calls at once.

use std::collections::BTreeMap;

use lacewing_core::Code;

use super::{Case, Class, Finding, Oracle};
use crate::history::What;
use crate::quantity::Micros;
use crate::run::CallSpec;

pub(super) const ORACLE: Oracle = Oracle {
    name: "calls-fail-with-their-peer",
    proves: "when a neighbour is reported down, every call that took the link to it has its outcome already, and when a node of the mesh \
             is, every call to it that has got there, and if it does not live anew, every call to it at all; none waits for its deadline",
    class: Class::Safety,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let mut open: BTreeMap<(usize, usize), Vec<u64>> = BTreeMap::new();
    // Of those, the ones that began while there was a link.
    let mut linked: BTreeMap<(usize, usize), Vec<u64>> = BTreeMap::new();
    for (index, entry) in case.history.entries.iter().enumerate() {
        // One that is tried again, or hedged, waits for a better time, and the caller of a stream may still be busy with what came before.
        let is_aware =
            |spec: &&CallSpec<'_>| spec.stream.is_none_or(|stream| stream.unaware() == Micros::ZERO);
        let waits = |op: u64| {
            let once = |spec: &&CallSpec<'_>| {
                !spec.policy.retry && spec.policy.hedge.is_none() && spec.policy.gather.is_none()
            };
            case.calls.get(&op).filter(once).filter(is_aware)
        };
        let to = |op: u64| waits(op).and_then(|spec| spec.to).filter(|to| *to != entry.node);
        let (of, open) = match entry.what {
            What::Invoke { op } => {
                if let Some(to) = to(op) {
                    open.entry((entry.node, to)).or_default().push(op);
                    linked.entry((entry.node, to)).and_modify(|ops| ops.push(op));
                }
                continue;
            }
            What::Ok { op, .. } | What::Fail { op, .. } | What::Unknown { op } => {
                if let Some(to) = to(op) {
                    for calls in [&mut open, &mut linked] {
                        calls.entry((entry.node, to)).and_modify(|ops| ops.retain(|other| *other != op));
                    }
                }
                continue;
            }
            What::PeerUp { peer: Some(peer) } => {
                linked.insert((entry.node, peer), Vec::new());
                continue;
            }
            What::PeerDown { peer: Some(peer), .. } => {
                let calls = linked.remove(&(entry.node, peer)).unwrap_or_default();
                (peer, Some(calls.into_iter().filter(|op| took_the_link(case, *op, index)).collect()))
            }
            What::NodeDown { of: Some(of), ref reason, .. } => {
                let calls = open.remove(&(entry.node, of)).unwrap_or_default();
                // Where only its old life is over, calls that have not got there wait for the new one.
                let (over, waiting): (Vec<u64>, Vec<u64>) =
                    calls.into_iter().partition(|op| reason != "Superseded" || ran_before(case, *op, index));
                open.insert((entry.node, of), waiting);
                (of, Some(over))
            }
            _ => continue,
        };
        if let Some(op) = open.unwrap_or_default().first() {
            let text = format!("n{of} is down, but op {op} to it still waits");
            findings.push(Finding { node: entry.node, t: entry.t, text });
        }
    }
}

/// Whether a call that began while there was a link took it, as far as can be told: it got there, or it left and nothing came of it. A link
/// that is about to end takes no more calls, and those that begin then look for another way: they may wait for one until their
/// deadline, and have certainly not been executed.
fn took_the_link(case: &Case<'_>, op: u64, index: usize) -> bool {
    let Some(operation) = case.operations.get(&op) else { return false };
    let runs_later = operation.executions.iter().any(|seen| seen.index > index);
    let in_vain = operation.outcomes.first().is_some_and(|seen| {
        matches!(seen.entry.what, What::Fail { code: Code::DeadlineExceeded, maybe_executed: true, .. })
    });
    ran_before(case, op, index) || in_vain && !runs_later
}

fn ran_before(case: &Case<'_>, op: u64, index: usize) -> bool {
    let operation = case.operations.get(&op);
    operation.is_some_and(|operation| operation.executions.iter().any(|seen| seen.index < index))
}
