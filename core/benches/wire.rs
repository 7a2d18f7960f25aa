//! Frames and typed values, to bytes and back.
#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]

use std::borrow::Cow;
use std::hint::black_box;

use bytes::{BufMut, BytesMut};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use lacewing_core::wire::body::RequestHead;
use lacewing_core::wire::frame::{CHUNK_LEN_MAX, FrameHeader, FrameType, HEADER_LEN, split_frame};
use lacewing_core::wire::value::{self, Map, Value};

const PAYLOAD_LENS: [usize; 3] = [64, 1_024, CHUNK_LEN_MAX];
const VALUE_LEN_MAX: usize = 1 << 20;

/// The REQUEST frame of a call with this payload.
fn encode_request(out: &mut BytesMut, payload: &[u8]) {
    out.clear();
    out.put_bytes(0, HEADER_LEN);
    let head = RequestHead {
        action: "orders/eu/place",
        time_left_us: 4_999_000,
        codec: 0,
        total_len: None,
        extras: Cow::default(),
    };
    head.encode(out);
    out.put_slice(payload);
    let length = (out.len() - HEADER_LEN) as u16;
    FrameHeader { frame_type: FrameType::Request, more: false, length, id: 1_234_567 }
        .encode(&mut &mut out[..HEADER_LEN]);
}

/// What the receiver of that frame looks at: header, head, and the place of the payload.
fn decode_request(plaintext: &[u8]) -> (FrameHeader, u64, &[u8]) {
    let (header, end) = split_frame(plaintext).unwrap();
    let body = &plaintext[HEADER_LEN..end];
    let (head, taken) = RequestHead::decode(body).unwrap();
    (header, head.time_left_us, &body[taken..])
}

fn frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request frame");
    for len in PAYLOAD_LENS {
        let payload = vec![0x5a; len];
        let mut frame = BytesMut::with_capacity(HEADER_LEN + 64 + len);
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::new("encode", len), |bencher| {
            bencher.iter(|| encode_request(&mut frame, black_box(&payload)));
        });
        encode_request(&mut frame, &payload);
        group.bench_function(BenchmarkId::new("decode", len), |bencher| {
            bencher.iter(|| black_box(decode_request(black_box(&frame))));
        });
    }
    group.finish();
}

/// An order with `lines` lines, as applications send them.
fn order(lines: usize) -> Value {
    let line = |number: usize| {
        let members = [
            ("sku", Value::from("LW-0042")),
            ("quantity", Value::from(number as i64)),
            ("price", Value::from(19.95)),
            ("gift", Value::from(number.is_multiple_of(2))),
        ];
        map(members)
    };
    map([("customer", Value::from("Ada")), ("lines", Value::List((0..lines).map(line).collect()))])
}

fn map<const N: usize>(members: [(&str, Value); N]) -> Value {
    let pairs = members.into_iter().map(|(name, member)| (Value::from(name), member)).collect();
    Map::new(pairs).expect("the names differ").into()
}

fn values(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("typed value");
    for lines in [1, 100] {
        let order = order(lines);
        let encoded = value::encode(&order, VALUE_LEN_MAX).unwrap();
        group.throughput(Throughput::Bytes(encoded.len() as u64));
        let mut out = BytesMut::with_capacity(encoded.len());
        group.bench_function(BenchmarkId::new("encode", lines), |bencher| {
            bencher.iter(|| {
                out.clear();
                value::encode_into(black_box(&order), VALUE_LEN_MAX, &mut out).unwrap();
            });
        });
        group.bench_function(BenchmarkId::new("decode", lines), |bencher| {
            bencher.iter(|| value::decode(black_box(&encoded)).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, frames, values);
criterion_main!(benches);
