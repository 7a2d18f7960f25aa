//! A whole call between two engines, both sides in one thread and nothing in between: what the protocol costs
//! without any I/O.
#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]

#[path = "../tests/pair/mod.rs"]
mod pair;

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pair::{Pair, Unwatched};

fn calls(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine call round trip, no I/O");
    for (payload_len, at_once) in [(64, 1), (64, 64), (60 * 1_024, 1)] {
        let mut pair = Pair::new(Unwatched);
        let payload = Bytes::from(vec![0x5a; payload_len]);
        group.throughput(Throughput::Elements(at_once as u64));
        let id = BenchmarkId::new(format!("{payload_len} B"), format!("{at_once} at once"));
        group.bench_function(id, |bencher| {
            bencher.iter(|| {
                let answered = pair.round_trip(black_box(&payload), at_once);
                assert_eq!(answered, at_once);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, calls);
criterion_main!(benches);
