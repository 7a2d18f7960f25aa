//! Sealing and opening records, with both AEADs.
#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]

use std::hint::black_box;
use std::sync::Arc;

use bytes::BytesMut;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use lacewing_core::crypto::{AeadId, RustCrypto};
use lacewing_core::session::{
    HandshakeConfig, Initiator, Offer, Opener, Responder, Sealer, Unproven, VersionRange, WireLimits,
};
use lacewing_core::wire::frame::RECORD_LEN_MAX;
use lacewing_core::wire::framing::PREFIX_LEN;
use lacewing_core::{Identity, Incarnation};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

const PLAINTEXT_LENS: [usize; 3] = [64, 1_024, 60 * 1_024];

/// The sending side of one node and the receiving side of another, after a handshake and the proof of the first.
fn one_way(aead: AeadId) -> (Sealer, Opener) {
    let config = HandshakeConfig {
        network: "bench".parse().unwrap(),
        network_key: None,
        offer: Offer {
            versions: VersionRange::SUPPORTED,
            aeads: vec![aead],
            limits: WireLimits {
                record_bytes_max: RECORD_LEN_MAX as u32,
                message_bytes_max: 1 << 24,
                window_bytes: 1 << 22,
            },
        },
        crypto: Arc::new(RustCrypto),
        carrier: lacewing_core::session::Carrier::Stream,
    };
    let (initiator, message) = Initiator::start(&config, ChaCha20Rng::from_seed([1; 32]));
    let responder = Responder::start(&config, ChaCha20Rng::from_seed([2; 32]));
    let (responder, message) = responder.read(&message).unwrap();
    let (mut initiator, message) = initiator.read(&message).unwrap();
    let mut responder = responder.read(&message).unwrap();

    let prove = |secret: u8, side: &mut Unproven| {
        let identity = Identity::from_secret([secret; 32], Arc::new(RustCrypto));
        let mut record = BytesMut::zeroed(PREFIX_LEN);
        side.proof(&identity, identity.sign_incarnation(Incarnation::new(1))).encode_frame(&mut record);
        side.sealer_mut().seal(&mut record, 0).unwrap();
        record.split_off(PREFIX_LEN)
    };
    let (from_initiator, from_responder) = (prove(3, &mut initiator), prove(4, &mut responder));
    let (sending, ..) = initiator.prove(from_responder).unwrap();
    let (receiving, ..) = responder.prove(from_initiator).unwrap();
    (sending.sealer, receiving.opener)
}

/// A buffer with room for the prefix, a plaintext of this length, and the tag.
fn plaintext(buffer: &mut BytesMut, len: usize) {
    buffer.clear();
    buffer.resize(PREFIX_LEN + len, 0x5a);
}

fn seal(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("seal");
    for aead in AeadId::ALL {
        let (mut sealer, _) = one_way(aead);
        for len in PLAINTEXT_LENS {
            let mut buffer = BytesMut::with_capacity(RECORD_LEN_MAX + PREFIX_LEN);
            group.throughput(Throughput::Bytes(len as u64));
            group.bench_function(BenchmarkId::new(format!("{aead:?}"), len), |bencher| {
                bencher.iter(|| {
                    // Filling the buffer is a small part of what follows.
                    plaintext(&mut buffer, len);
                    sealer.seal(black_box(&mut buffer), 0).unwrap();
                });
            });
        }
    }
    group.finish();
}

fn open(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("open");
    for aead in AeadId::ALL {
        for len in PLAINTEXT_LENS {
            // Records open once and in their order, so each is sealed for its own opening, outside the clock.
            let (mut sealer, mut opener) = one_way(aead);
            group.throughput(Throughput::Bytes(len as u64));
            group.bench_function(BenchmarkId::new(format!("{aead:?}"), len), |bencher| {
                bencher.iter_batched(
                    || {
                        let mut record = BytesMut::with_capacity(RECORD_LEN_MAX + PREFIX_LEN);
                        plaintext(&mut record, len);
                        sealer.seal(&mut record, 0).unwrap();
                        record.split_off(PREFIX_LEN)
                    },
                    |record| opener.open(black_box(record)).unwrap(),
                    BatchSize::SmallInput,
                );
            });
        }
    }
    group.finish();
}

criterion_group!(benches, seal, open);
criterion_main!(benches);
