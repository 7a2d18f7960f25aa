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

/// Allocations in a thousand rounds of `at_once` calls, after as many to warm up.
fn steady(pair: &mut Pair<Allocations>, at_once: usize, payload_len: usize) -> BTreeMap<&'static str, u64> {
    const ROUNDS: usize = 1_000;
    let payload = Bytes::from(vec![0x5a; payload_len]);
    for round in 0..2 * ROUNDS {
        pair.watch.armed = round >= ROUNDS;
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
    assert_eq!(steady(&mut pair(), 1, 64), BTreeMap::new());
}

#[test]
fn many_calls_at_once_allocate_nothing() {
    assert_eq!(steady(&mut pair(), 64, 64), BTreeMap::new());
}

#[test]
fn calls_of_a_kibibyte_allocate_nothing() {
    assert_eq!(steady(&mut pair(), 16, 1_024), BTreeMap::new());
}

#[test]
fn probe_slow() {
    let mut pair = pair();
    pair.write_slowly();
    println!("slow, 1: {:?}", steady(&mut pair, 1, 64));
    println!("slow, 64: {:?}", steady(&mut pair, 64, 64));
    println!("slow, 16 of 1 KiB: {:?}", steady(&mut pair, 16, 1_024));
}

#[test]
fn probe_large() {
    println!("60 KiB: {:?}", steady(&mut pair(), 1, 60 * 1_024));
    println!("4 of 60 KiB: {:?}", steady(&mut pair(), 4, 60 * 1_024));
    println!("200 KiB: {:?}", steady(&mut pair(), 1, 200 * 1_024));
}
