//! A node that leaves in order says so, and its neighbours hear it.

use super::{Case, Class, Finding, Oracle};
use crate::bounds;
use crate::history::{Entry, What};
use crate::quantity::Micros;
use crate::run::{CrashMode, Item};

pub(super) const ORACLE: Oracle = Oracle {
    name: "goodbye-is-heard",
    proves: "where nothing but the shutdown touches two neighbours, the one that stays sees the other leave gracefully, not vanish",
    class: Class::Safety,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let gone = |entry: &Entry| entry.what == (What::Gone { clean: true });
    for (end, gone) in case.history.entries.iter().enumerate().filter(|(_, entry)| gone(entry)) {
        let latest = gone.t + bounds::one_way(&case.run.header.net) * 2;
        for (index, entry) in case.history.entries.iter().enumerate() {
            let What::PeerDown { peer: Some(peer), reason } = &entry.what else { continue };
            // The neighbour may be told while the node still works off its last calls.
            if *peer != gone.node || entry.t > latest || reason == "Graceful" {
                continue;
            }
            // Whoever has not heard who is at the other end has nobody to say goodbye to.
            let knew = knew(case, (*peer, entry.node), end);
            if knew
                && case.peer_was_up(entry.node, *peer, index)
                && only_shutdown_touches(case, entry.node, *peer, latest)
            {
                let text = format!("n{peer} shut down in order, but is taken for lost ({reason})");
                findings.push(Finding { node: entry.node, t: entry.t, text });
            }
        }
    }
}

/// Whether the leaver had its neighbour up in the life that ends here.
fn knew(case: &Case<'_>, (leaver, stayer): (usize, usize), end: usize) -> bool {
    let life = case.history.entries[..end].iter().rev().filter(|entry| entry.node == leaver);
    life.take_while(|entry| !matches!(entry.what, What::Started { .. }))
        .any(|entry| entry.what == (What::PeerUp { peer: Some(stayer) }))
}

/// Whether one clean end of `leaver` is all that has happened to the two up to this time.
fn only_shutdown_touches(
    case: &Case<'_>,
    stayer: usize,
    leaver: usize,
    until: lacewing_core::Instant,
) -> bool {
    let until = Micros(until.as_nanos() / 1_000);
    let mut faults = case
        .run
        .items
        .iter()
        .take_while(|item| item.at() <= until)
        .filter(|item| item.disturbs(stayer, leaver));
    let is_shutdown = |item: &Item| matches!(item, Item::Crash(crash) if crash.node == leaver && crash.mode == CrashMode::Clean);
    faults.next().is_some_and(is_shutdown) && faults.next().is_none()
}
