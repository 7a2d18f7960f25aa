//! Values to bytes.

use alloc::vec::Vec;

use bytes::BufMut;

use super::int::Repr;
use super::size::{Size, head_len};
use super::{ErrorValue, Int, Map, Ref, Regex, Struct, Time, Value, ValueError, tag};
use crate::wire::cbor::{Float, Major, Writer};

/// Key of the seconds in a time (RFC 9581, section 3.2).
pub(super) const SECONDS_KEY: u64 = 1;
/// Key of the nanoseconds, -9, as the argument of a negative integer (RFC 9581, section 3.4).
pub(super) const NANOS_ARGUMENT: u64 = 8;

/// The encoding of a value, of at most `len_max` bytes.
///
/// The length is known before the first byte is written, so a value that shares one node a billion times costs nothing
/// but its [`ValueError::TooLarge`].
pub fn encode(value: &Value, len_max: usize) -> Result<Vec<u8>, ValueError> {
    value.size().check(len_max)?;
    let mut out = Vec::with_capacity(value.encoded_len() as usize);
    write(value, &mut Writer::new(&mut out));
    Ok(out)
}

/// Appends the encoding of a value, of at most `len_max` bytes, to `out`. Writes nothing where it fails.
pub fn encode_into(value: &Value, len_max: usize, out: &mut impl BufMut) -> Result<(), ValueError> {
    value.size().check(len_max.min(out.remaining_mut()))?;
    write(value, &mut Writer::new(out));
    Ok(())
}

/// The size is checked before, which also bounds the recursion.
fn write<B: BufMut>(value: &Value, out: &mut Writer<'_, B>) {
    match value {
        Value::Null => {
            out.null();
        }
        Value::Undefined => {
            out.undefined();
        }
        Value::Bool(value) => {
            out.bool(*value);
        }
        Value::Int(int) => write_int(int, out),
        Value::Float(float) => {
            out.float(*float);
        }
        Value::String(text) => {
            out.text(text);
        }
        Value::Bytes(bytes) => {
            out.bytes(bytes);
        }
        Value::Time(time) => write_time(*time, out),
        Value::List(list) => write_items(list, out),
        Value::Map(map) => write_map(map, out),
        Value::Set(set) => write_items(set, out.tag(tag::SET)),
        Value::Error(error) => write_error(error, out),
        Value::Ref(reference) => write_ref(reference, out),
        Value::Regex(regex) => write_regex(regex, out),
        Value::Struct(record) => write_struct(record, out),
    }
}

fn write_int<B: BufMut>(int: &Int, out: &mut Writer<'_, B>) {
    match &int.0 {
        Repr::Unsigned(word) => out.uint(*word),
        Repr::Negative(word) => out.head(Major::Negative, *word),
        Repr::BigUnsigned(bytes) => out.tag(tag::BIG_UNSIGNED).bytes(bytes),
        Repr::BigNegative(bytes) => out.tag(tag::BIG_NEGATIVE).bytes(bytes),
    };
}

fn write_time<B: BufMut>(time: Time, out: &mut Writer<'_, B>) {
    out.tag(tag::TIME).map(1 + usize::from(time.nanos() > 0)).uint(SECONDS_KEY);
    write_int(&Int::from(time.seconds()), out);
    if time.nanos() > 0 {
        out.head(Major::Negative, NANOS_ARGUMENT).uint(u64::from(time.nanos()));
    }
}

pub(super) fn time_size(time: Time) -> Size {
    let seconds = Size::flat(1).beside(Int::from(time.seconds()).size());
    let (count, nanos) = if time.nanos() > 0 {
        (2, Size::flat(1 + head_len(u64::from(time.nanos()))))
    } else {
        (1, Size::NOTHING)
    };
    seconds.beside(nanos).inside(count).inside(tag::TIME)
}

fn write_items<B: BufMut>(items: &[Value], out: &mut Writer<'_, B>) {
    out.array(items.len());
    for item in items {
        write(item, out);
    }
}

fn write_map<B: BufMut>(map: &Map, out: &mut Writer<'_, B>) {
    out.map(map.len());
    for (key, value) in map.iter() {
        write(key, out);
        write(value, out);
    }
}

fn write_error<B: BufMut>(error: &ErrorValue, out: &mut Writer<'_, B>) {
    out.tag(tag::ERROR).array(3).text(error.name()).text(error.message());
    write(error.detail(), out);
}

fn write_ref<B: BufMut>(reference: &Ref, out: &mut Writer<'_, B>) {
    out.tag(tag::REF).array(2);
    match reference.node() {
        Some(node) => out.bytes(node.as_bytes()),
        None => out.null(),
    };
    match reference.path() {
        Some(path) => out.text(path.as_str()),
        None => out.null(),
    };
}

fn write_regex<B: BufMut>(regex: &Regex, out: &mut Writer<'_, B>) {
    out.tag(tag::REGEX).array(2).text(regex.source()).text(regex.flags());
}

fn write_struct<B: BufMut>(record: &Struct, out: &mut Writer<'_, B>) {
    out.tag(tag::STRUCT).array(2).text(record.name());
    write_map(record.fields(), out);
}

/// Bytes of a float's encoding.
pub(super) fn float_len(value: f64) -> u64 {
    match Float::shortest(value) {
        Float::Half(_) => 3,
        Float::Single(_) => 5,
        Float::Double(_) => 9,
    }
}

/// What orders floats like their encodings.
pub(super) fn float_key(value: f64) -> (u8, u64) {
    match Float::shortest(value) {
        Float::Half(bits) => (0xf9, u64::from(bits)),
        Float::Single(bits) => (0xfa, u64::from(bits)),
        Float::Double(bits) => (0xfb, bits),
    }
}
