//! Sources of chance that this engine can be given on purpose, to prove that `meta` notices them.

use std::hash::{BuildHasher, RandomState};
use std::pin::pin;

/// Every such source, with what it does.
pub(crate) const ALL: [(&str, &str); 3] = [
    ("harness:futures-select", "callers pause, or not, as a draw of `futures::select!` says"),
    ("harness:hashmap-iteration", "what is drawn for each node is drawn in the order of a std HashMap"),
    ("harness:thread-random", "pauses of lines come from the thread's random state"),
];

/// The order in which things are drawn for nodes.
#[expect(clippy::disallowed_types, reason = "the very mistake that `meta` must notice")]
pub(super) fn node_order(count: usize, inject: Option<&str>) -> Vec<usize> {
    if inject != Some(ALL[1].0) {
        return (0..count).collect();
    }
    let nodes: std::collections::HashSet<usize> = (0..count).collect();
    nodes.into_iter().collect()
}

/// A number that no seed decides.
pub(super) fn number(inject: Option<&str>) -> Option<u64> {
    (inject == Some(ALL[2].0)).then(|| RandomState::new().hash_one(0_u8))
}

/// Heads or tails, by whichever of two ready futures is looked at first.
#[expect(clippy::disallowed_macros, reason = "the very mistake that `meta` must notice")]
pub(super) async fn coin(inject: Option<&str>) -> bool {
    if inject != Some(ALL[0].0) {
        return false;
    }
    let mut heads = pin!(futures::FutureExt::fuse(std::future::ready(())));
    let mut tails = pin!(futures::FutureExt::fuse(std::future::ready(())));
    futures::select! {
        () = heads => true,
        () = tails => false,
    }
}
