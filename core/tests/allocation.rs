//! What steady traffic costs the memory allocator.
//!
//! Only what happens inside the engine is counted; the driver around it, which uses its buffers again, is not.

mod pair;

use std::collections::BTreeMap;

use bytes::Bytes;
use pair::{Pair, Watch};

/// Counts the allocations behind each door of the engine.
#[derive(Default)]
struct Allocations {
    by_door: BTreeMap<&'static str, u64>,
    armed: bool,
}

impl Watch for Allocations {
    fn around<R>(&mut self, door: &'static str, enter: impl FnOnce() -> R) -> R {
        let mut result = None;
        let inside = allocation_counter::measure(|| result = Some(enter()));
        if self.armed && inside.count_total > 0 {
            *self.by_door.entry(door).or_default() += inside.count_total;
        }
        result.expect("measuring runs what is measured")
    }
}

/// Allocations in `rounds` rounds of `at_once` calls, after as many to warm up.
fn steady(
    pair: &mut Pair<Allocations>,
    rounds: usize,
    at_once: usize,
    payload_len: usize,
) -> BTreeMap<&'static str, u64> {
    let payload = Bytes::from(vec![0x5a; payload_len]);
    for round in 0..2 * rounds {
        pair.watch.armed = round >= rounds;
        assert_eq!(pair.round_trip(&payload, at_once), at_once, "every call gets its own payload back");
    }
    std::mem::take(&mut pair.watch.by_door)
}

fn pair() -> Pair<Allocations> {
    Pair::new(Allocations::default())
}

#[test]
fn the_counter_sees_what_engines_allocate() {
    let pair = Pair::new(Allocations { armed: true, ..Allocations::default() });
    assert!(pair.watch.by_door["handle_input"] > 0, "a handshake allocates");
}

#[test]
fn calls_one_after_the_other_allocate_nothing() {
    assert_eq!(steady(&mut pair(), 1_000, 1, 64), BTreeMap::new());
}

#[test]
fn many_calls_at_once_allocate_nothing() {
    assert_eq!(steady(&mut pair(), 100, 64, 64), BTreeMap::new());
}

#[test]
fn calls_of_a_kibibyte_allocate_nothing() {
    assert_eq!(steady(&mut pair(), 50, 16, 1_024), BTreeMap::new());
}

/// A record that is built while the last one is still being written cannot have its memory.
#[test]
fn a_slow_transport_costs_at_most_two_allocations_a_record() {
    const ROUNDS: usize = 100;
    let mut pair = pair();
    pair.write_slowly();
    let allocated = steady(&mut pair, ROUNDS, 64, 64);
    // One record there and one back in each round.
    let records = 2 * ROUNDS as u64;
    assert!(allocated.values().sum::<u64>() <= 2 * records, "{allocated:?} for {records} records");
    assert!(allocated.keys().all(|door| *door == "poll_output"), "{allocated:?}");
}
