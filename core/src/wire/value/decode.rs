//! Bytes to values.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::encode::{NANOS_ARGUMENT, SECONDS_KEY};
use super::{ErrorValue, Int, List, Map, NAME_LEN_MAX, Ref, Regex, Set, Struct, Time, Value, tag};
use crate::identity::NodeId;
use crate::wire::cbor::{DEPTH_MAX, Head, Major, Reader, check_simple};
use crate::wire::path::ActionPath;
use crate::wire::{WireError, WireErrorKind};

/// The value that `bytes` encode: exactly one item, in the one form that [`encode`](super::encode) writes.
///
/// Takes memory in proportion to the input (about 50 bytes for each, at worst), whatever counts it claims.
pub fn decode(bytes: &[u8]) -> Result<Value, WireError> {
    let mut reader = Reader::new(bytes);
    let value = read(&mut reader, bytes, DEPTH_MAX)?;
    reader.finish()?;
    Ok(value)
}

/// Items that may be reserved at once; more is reserved only as items arrive.
const RESERVE_MAX: u64 = 64;

fn fail<T>(kind: WireErrorKind, at: usize) -> Result<T, WireError> {
    Err(WireError { kind, at })
}

/// Reads one item that nests at most `depth` arrays, maps and tags.
pub(super) fn read(reader: &mut Reader<'_>, input: &[u8], depth: usize) -> Result<Value, WireError> {
    let start = reader.position();
    let head = reader.head()?;
    if matches!(head.major, Major::Array | Major::Map | Major::Tag) && depth == 0 {
        return fail(WireErrorKind::TooDeep, start);
    }
    Ok(match head.major {
        Major::Unsigned => Value::from(head.argument),
        Major::Negative => Value::Int(Int::from(-1 - i128::from(head.argument))),
        Major::Bytes => Value::from(reader.take(head.argument)?),
        Major::Text => Value::from(reader.text_of(head.argument)?),
        Major::Array => Value::List(List::new(read_items(reader, input, head.argument, depth - 1)?)),
        Major::Map => Value::Map(read_map(reader, input, head.argument, depth - 1)?),
        Major::Tag => read_tagged(reader, input, head.argument, start, depth - 1)?,
        Major::Simple => read_simple(head).map_err(|kind| WireError { kind, at: start })?,
    })
}

fn read_simple(head: Head) -> Result<Value, WireErrorKind> {
    check_simple(head)?;
    if let Some(float) = head.float() {
        return Ok(Value::Float(float));
    }
    Ok(match head.argument {
        20 => Value::Bool(false),
        21 => Value::Bool(true),
        22 => Value::Null,
        _ => Value::Undefined,
    })
}

fn read_items(
    reader: &mut Reader<'_>,
    input: &[u8],
    count: u64,
    depth: usize,
) -> Result<Vec<Value>, WireError> {
    let mut items = Vec::with_capacity(count.min(RESERVE_MAX) as usize);
    for _ in 0..count {
        items.push(read(reader, input, depth)?);
    }
    Ok(items)
}

/// Keeps encodings in strictly ascending order.
struct Ascending<'a> {
    input: &'a [u8],
    last: &'a [u8],
}

impl<'a> Ascending<'a> {
    fn new(input: &'a [u8]) -> Self {
        Self { input, last: &[] }
    }

    /// Takes the item from `start` to `end`.
    fn check(&mut self, start: usize, end: usize) -> Result<(), WireError> {
        let item = &self.input[start..end];
        if self.last >= item {
            return fail(WireErrorKind::KeyOrder, start);
        }
        self.last = item;
        Ok(())
    }
}

fn read_map(reader: &mut Reader<'_>, input: &[u8], count: u64, depth: usize) -> Result<Map, WireError> {
    let mut pairs = Vec::with_capacity(count.min(RESERVE_MAX) as usize);
    let mut order = Ascending::new(input);
    for _ in 0..count {
        let start = reader.position();
        let key = read(reader, input, depth)?;
        order.check(start, reader.position())?;
        pairs.push((key, read(reader, input, depth)?));
    }
    Ok(Map::sorted(pairs))
}

fn read_tagged(
    reader: &mut Reader<'_>,
    input: &[u8],
    number: u64,
    start: usize,
    depth: usize,
) -> Result<Value, WireError> {
    match number {
        tag::BIG_UNSIGNED | tag::BIG_NEGATIVE => read_big(reader, number == tag::BIG_NEGATIVE, start),
        tag::SET => read_set(reader, input, depth),
        tag::TIME => read_time(reader, depth),
        tag::ERROR => read_error(reader, input, depth),
        tag::REF => read_ref(reader, depth),
        tag::REGEX => read_regex(reader, depth),
        tag::STRUCT => read_struct(reader, input, depth),
        _ => fail(WireErrorKind::UnknownType, start),
    }
}

fn read_big(reader: &mut Reader<'_>, negative: bool, start: usize) -> Result<Value, WireError> {
    let bytes = reader.bytes()?;
    if bytes.len() > Int::BYTES_MAX {
        return fail(WireErrorKind::TooLarge, start);
    }
    if bytes.len() <= 8 || bytes[0] == 0 {
        return fail(WireErrorKind::NonCanonical, start);
    }
    Ok(Value::Int(Int::of(negative, bytes)))
}

/// The head of an array or map inside a tag.
fn nested(reader: &mut Reader<'_>, major: Major, depth: usize) -> Result<u64, WireError> {
    let start = reader.position();
    let count = reader.expect(major)?;
    if depth == 0 { fail(WireErrorKind::TooDeep, start) } else { Ok(count) }
}

/// The head of an array of exactly `count` items.
fn array_of(reader: &mut Reader<'_>, count: u64, depth: usize) -> Result<(), WireError> {
    let start = reader.position();
    if nested(reader, Major::Array, depth)? == count {
        Ok(())
    } else {
        fail(WireErrorKind::OutOfRange, start)
    }
}

fn read_set(reader: &mut Reader<'_>, input: &[u8], depth: usize) -> Result<Value, WireError> {
    let count = nested(reader, Major::Array, depth)?;
    let mut items = Vec::with_capacity(count.min(RESERVE_MAX) as usize);
    let mut order = Ascending::new(input);
    for _ in 0..count {
        let start = reader.position();
        items.push(read(reader, input, depth - 1)?);
        order.check(start, reader.position())?;
    }
    Ok(Value::Set(Set::sorted(items)))
}

fn read_time(reader: &mut Reader<'_>, depth: usize) -> Result<Value, WireError> {
    let start = reader.position();
    let count = nested(reader, Major::Map, depth)?;
    if !(1..=2).contains(&count) {
        return fail(WireErrorKind::OutOfRange, start);
    }
    let at = reader.position();
    if reader.uint()? != SECONDS_KEY {
        return fail(WireErrorKind::OutOfRange, at);
    }
    let at = reader.position();
    let head = reader.head()?;
    let seconds = match head.major {
        Major::Unsigned => i128::from(head.argument),
        Major::Negative => -1 - i128::from(head.argument),
        _ => return fail(WireErrorKind::WrongType, at),
    };
    let time = i64::try_from(seconds).ok().and_then(|seconds| Time::new(seconds, 0));
    let Some(time) = time else { return fail(WireErrorKind::OutOfRange, at) };
    if count == 1 {
        return Ok(Value::Time(time));
    }
    let at = reader.position();
    if reader.expect(Major::Negative)? != NANOS_ARGUMENT {
        return fail(WireErrorKind::OutOfRange, at);
    }
    let at = reader.position();
    match reader.uint()? {
        0 => fail(WireErrorKind::NonCanonical, at),
        nanos => u32::try_from(nanos)
            .ok()
            .and_then(|nanos| Time::new(time.seconds(), nanos))
            .map_or_else(|| fail(WireErrorKind::OutOfRange, at), |time| Ok(Value::Time(time))),
    }
}

/// The name of an error or a struct.
fn read_name(reader: &mut Reader<'_>) -> Result<String, WireError> {
    let at = reader.position();
    match reader.text()? {
        "" => fail(WireErrorKind::Empty, at),
        name if name.len() > NAME_LEN_MAX => fail(WireErrorKind::TooLarge, at),
        name => Ok(name.to_string()),
    }
}

fn read_error(reader: &mut Reader<'_>, input: &[u8], depth: usize) -> Result<Value, WireError> {
    array_of(reader, 3, depth)?;
    let at = reader.position();
    let name = read_name(reader)?;
    let message = reader.text()?.to_string();
    let detail = read(reader, input, depth - 1)?;
    let error = ErrorValue::new(name, message, detail);
    error.map_or_else(|_| fail(WireErrorKind::OutOfRange, at), |error| Ok(Value::from(error)))
}

fn read_ref(reader: &mut Reader<'_>, depth: usize) -> Result<Value, WireError> {
    let start = reader.position();
    array_of(reader, 2, depth)?;
    let node = if reader.take_null() { None } else { Some(NodeId::from_bytes(reader.byte_array()?)) };
    let at = reader.position();
    let path = if reader.take_null() { None } else { Some(reader.text()?) };
    let path = match path.map(str::parse::<ActionPath>) {
        None => None,
        Some(Ok(path)) => Some(path),
        Some(Err(_)) => return fail(WireErrorKind::OutOfRange, at),
    };
    Ok(Value::from(match (node, path) {
        (Some(node), None) => Ref::Node(node),
        (None, Some(path)) => Ref::Path(path),
        (Some(node), Some(path)) => Ref::PathOn(node, path),
        (None, None) => return fail(WireErrorKind::MissingField, start),
    }))
}

fn read_regex(reader: &mut Reader<'_>, depth: usize) -> Result<Value, WireError> {
    array_of(reader, 2, depth)?;
    let source = reader.text()?.to_string();
    let at = reader.position();
    let regex = Regex::strict(source, reader.text()?.to_string());
    regex.map_or_else(|_| fail(WireErrorKind::OutOfRange, at), |regex| Ok(Value::from(regex)))
}

fn read_struct(reader: &mut Reader<'_>, input: &[u8], depth: usize) -> Result<Value, WireError> {
    array_of(reader, 2, depth)?;
    let at = reader.position();
    let name = read_name(reader)?;
    let count = nested(reader, Major::Map, depth - 1)?;
    let mut fields = Vec::with_capacity(count.min(RESERVE_MAX) as usize);
    let mut order = Ascending::new(input);
    for _ in 0..count {
        let start = reader.position();
        let key: Arc<str> = reader.text()?.into();
        order.check(start, reader.position())?;
        fields.push((Value::String(key), read(reader, input, depth - 2)?));
    }
    let record = Struct::of(name, Map::sorted(fields));
    record.map_or_else(|_| fail(WireErrorKind::OutOfRange, at), |record| Ok(Value::from(record)))
}
