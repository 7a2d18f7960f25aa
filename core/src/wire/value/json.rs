//! The JSON view of values, lossless in both directions.
//!
//! What JSON can say exactly is plain JSON. Everything else is a tagged object: one key that starts with a single `$`.
//! A user's own key that starts with `$` gets another `$` in front, so no user data reads as a tag.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use serde_json::Value as Json;
use serde_json::{Map as Object, Number};

use super::{ErrorValue, Int, List, Map, Ref, Regex, Set, Struct, Value, ValueError};
use crate::identity::{Hex, NodeId};
use crate::wire::cbor::DEPTH_MAX;

/// Greatest integer that is a plain JSON number: 2^53 - 1, up to which doubles hold every integer.
const PLAIN_MAX: i64 = (1 << 53) - 1;

/// JSON that is no view of a value: where, and what would be right there.
///
/// ```
/// use lacewing_core::wire::value::from_json;
///
/// let error = from_json(&serde_json::json!({"sizes": [1, {"$bytes": "0F"}]})).unwrap_err();
/// assert_eq!(error.pointer, "/sizes/1");
/// assert_eq!(error.to_string(), r#"JSON view at "/sizes/1": expected {"$bytes": "<lower-case hexadecimal digits, two a byte>"}"#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("JSON view at {pointer:?}: expected {expected}")]
pub struct JsonError {
    /// JSON pointer (RFC 6901) to the value.
    pub pointer: String,
    /// What would be right there.
    pub expected: &'static str,
}

/// The JSON view of a value whose encoding has at most `len_max` bytes.
///
/// The view takes more memory than the encoding: a byte can become a tagged object, some 700 bytes in `serde_json`.
pub fn to_json(value: &Value, len_max: usize) -> Result<Json, ValueError> {
    value.size().check(len_max)?;
    Ok(view(value))
}

/// The value of a JSON view.
pub fn from_json(json: &Json) -> Result<Value, JsonError> {
    read(json, &Place { parent: None, step: Step::Root }, DEPTH_MAX)
}

fn view(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Undefined => tagged("$undefined", Json::Bool(true)),
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(int) => view_int(int),
        Value::Float(float) => view_float(*float),
        Value::String(text) => text_of(text),
        Value::Bytes(bytes) => tagged("$bytes", Json::String(hex(bytes))),
        Value::Time(time) => tagged("$time", Json::String(time.to_string())),
        Value::List(list) => view_items(list),
        Value::Map(map) => view_map(map),
        Value::Set(set) => tagged("$set", view_items(set)),
        Value::Error(error) => tagged("$error", view_error(error)),
        Value::Ref(reference) => tagged("$ref", view_ref(reference)),
        Value::Regex(regex) => {
            let parts = [("source", text_of(regex.source())), ("flags", text_of(regex.flags()))];
            tagged("$regex", object(parts))
        }
        Value::Struct(record) => {
            let fields = view_fields(record.fields()).unwrap_or_default();
            let parts = [("name", text_of(record.name())), ("fields", Json::Object(fields))];
            tagged("$struct", object(parts))
        }
    }
}

fn object<'a>(members: impl IntoIterator<Item = (&'a str, Json)>) -> Json {
    Json::Object(members.into_iter().map(|(key, json)| (key.to_owned(), json)).collect())
}

fn tagged(tag: &str, json: Json) -> Json {
    object([(tag, json)])
}

fn text_of(text: &str) -> Json {
    Json::String(text.to_owned())
}

fn view_int(int: &Int) -> Json {
    match int.to_i64() {
        Some(small) if small.unsigned_abs() <= PLAIN_MAX as u64 => Json::from(small),
        _ => tagged("$int", Json::String(int.to_string())),
    }
}

/// Whether a finite float has no fraction; the remainder is exact.
fn is_integral(float: f64) -> bool {
    float % 1.0 == 0.0
}

/// Whether a float is an integer that a plain JSON number can be.
fn is_plain_integer(float: f64) -> bool {
    is_integral(float) && float.abs() <= PLAIN_MAX as f64
}

fn view_float(float: f64) -> Json {
    if float.is_finite() && !is_integral(float) {
        return Json::from(float);
    }
    let inner = if float.is_nan() {
        text_of("NaN")
    } else if float == f64::INFINITY {
        text_of("Infinity")
    } else if float == f64::NEG_INFINITY {
        text_of("-Infinity")
    } else if float == 0.0 && float.is_sign_negative() {
        text_of("-0")
    } else if is_plain_integer(float) {
        Json::from(float as i64)
    } else {
        Json::String(format!("{:016x}", float.to_bits()))
    };
    tagged("$float", inner)
}

fn view_items(items: &[Value]) -> Json {
    Json::Array(items.iter().map(view).collect())
}

/// An object, where all keys are strings.
fn view_fields(map: &Map) -> Option<Object<String, Json>> {
    let pairs = map.iter().map(|(key, value)| Some((escaped(key.as_str()?), value)));
    // Two passes, so that a map with one odd key at the end is not viewed for nothing.
    let keys: Vec<(String, &Value)> = pairs.collect::<Option<_>>()?;
    Some(keys.into_iter().map(|(key, value)| (key, view(value))).collect())
}

fn escaped(key: &str) -> String {
    if key.starts_with('$') { format!("${key}") } else { key.to_owned() }
}

fn view_map(map: &Map) -> Json {
    if let Some(fields) = view_fields(map) {
        return Json::Object(fields);
    }
    let pairs = map.iter().map(|(key, value)| Json::Array([view(key), view(value)].into()));
    tagged("$map", Json::Array(pairs.collect()))
}

fn view_error(error: &ErrorValue) -> Json {
    let detail = match error.detail() {
        Value::Undefined => None,
        detail => Some(("detail", view(detail))),
    };
    object([("name", text_of(error.name())), ("message", text_of(error.message()))].into_iter().chain(detail))
}

fn view_ref(reference: &Ref) -> Json {
    let node = reference.node().map(|node| ("node", Json::String(node.to_string())));
    let path = reference.path().map(|path| ("path", text_of(path.as_str())));
    object(node.into_iter().chain(path))
}

fn hex(bytes: &[u8]) -> String {
    Hex(bytes).to_string()
}

/// Where in the JSON the reading is. Becomes a pointer only where something is wrong.
struct Place<'a> {
    parent: Option<&'a Place<'a>>,
    step: Step<'a>,
}

enum Step<'a> {
    Root,
    Key(&'a str),
    Index(usize),
}

impl<'a> Place<'a> {
    fn key(&'a self, key: &'a str) -> Self {
        Self { parent: Some(self), step: Step::Key(key) }
    }

    fn index(&'a self, index: usize) -> Self {
        Self { parent: Some(self), step: Step::Index(index) }
    }

    fn expected(&self, expected: &'static str) -> JsonError {
        JsonError { pointer: self.to_string(), expected }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Root => Ok(()),
            Step::Key(key) => write!(f, "/{}", key.replace('~', "~0").replace('/', "~1")),
            Step::Index(index) => write!(f, "/{index}"),
        }
    }
}

/// Reads a value that nests at most `depth` arrays, maps and tags once encoded.
fn read(json: &Json, place: &Place<'_>, depth: usize) -> Result<Value, JsonError> {
    match json {
        Json::Null => Ok(Value::Null),
        Json::Bool(value) => Ok(Value::Bool(*value)),
        Json::Number(number) => read_number(number, place),
        Json::String(text) => Ok(Value::from(text.as_str())),
        Json::Array(items) => Ok(Value::List(List::new(read_items(items, place, inside(depth, 1, place)?)?))),
        Json::Object(members) => match tag_of(members, place)? {
            None => read_fields(members, place, depth).map(Value::Map),
            Some((tag, inner)) => read_tagged(tag, inner, place, depth),
        },
    }
}

/// The depth left inside `levels` arrays, maps and tags.
fn inside(depth: usize, levels: usize, place: &Place<'_>) -> Result<usize, JsonError> {
    depth
        .checked_sub(levels)
        .ok_or_else(|| place.expected("at most 64 nested arrays, maps and tags once encoded"))
}

/// The tag of a tagged object; `None` for a user's.
fn tag_of<'a>(
    members: &'a Object<String, Json>,
    place: &Place<'_>,
) -> Result<Option<(&'a str, &'a Json)>, JsonError> {
    let is_tag = |key: &str| key.starts_with('$') && !key.starts_with("$$");
    let Some((tag, inner)) = members.iter().find(|(key, _)| is_tag(key)) else { return Ok(None) };
    if members.len() == 1 {
        Ok(Some((tag, inner)))
    } else {
        Err(place.expected(
            "one key that starts with $, alone; a key of your own that starts with $ gets another $ in front",
        ))
    }
}

fn read_number(number: &Number, place: &Place<'_>) -> Result<Value, JsonError> {
    if let Some(int) = number.as_i64() {
        if int.unsigned_abs() <= PLAIN_MAX as u64 {
            return Ok(Value::from(int));
        }
    } else if let Some(float) = number.as_f64().filter(|_| !number.is_u64()) {
        if !is_integral(float) {
            return Ok(Value::Float(float));
        }
        if is_plain_integer(float) {
            return Ok(Value::from(float as i64));
        }
    }
    Err(place.expected(
        r#"an integer within 2^53 - 1 of zero or a number with a fraction; others are {"$int": "<digits>"} or {"$float": "<16 hexadecimal digits>"}"#,
    ))
}

fn read_items(items: &[Json], place: &Place<'_>, depth: usize) -> Result<Vec<Value>, JsonError> {
    items.iter().enumerate().map(|(index, item)| read(item, &place.index(index), depth)).collect()
}

fn read_fields(members: &Object<String, Json>, place: &Place<'_>, depth: usize) -> Result<Map, JsonError> {
    let depth = inside(depth, 1, place)?;
    let mut pairs = Vec::with_capacity(members.len());
    for (key, json) in members {
        let value = read(json, &place.key(key), depth)?;
        let key: Arc<str> = if key.starts_with("$$") { key[1..].into() } else { key.as_str().into() };
        pairs.push((Value::String(key), value));
    }
    Map::new(pairs).map_err(|_| place.expected("different keys"))
}

fn read_tagged(tag: &str, inner: &Json, place: &Place<'_>, depth: usize) -> Result<Value, JsonError> {
    let here = place.key(tag);
    match tag {
        "$undefined" if *inner == Json::Bool(true) => Ok(Value::Undefined),
        "$undefined" => Err(place.expected(r#"{"$undefined": true}"#)),
        "$int" => read_int(inner, place, depth),
        "$float" => read_float(inner, place),
        "$bytes" => inner.as_str().and_then(unhex).map(Value::from).ok_or_else(|| {
            place.expected(r#"{"$bytes": "<lower-case hexadecimal digits, two a byte>"}"#)
        }),
        "$time" => {
            inside(depth, 2, place)?;
            inner.as_str().and_then(|text| text.parse().ok()).map(Value::Time).ok_or_else(|| {
                place.expected(
                    r#"{"$time": "2026-11-21T12:30:00Z"}, with nine digits of a second where they are not zero"#,
                )
            })
        }
        "$map" => read_pairs(inner, &here, depth),
        "$set" => read_set(inner, &here, depth),
        "$error" => read_error(inner, &here, depth),
        "$ref" => read_ref(inner, &here, depth),
        "$regex" => read_regex(inner, &here, depth),
        "$struct" => read_struct(inner, &here, depth),
        _ => Err(place.expected(
            "one of $undefined, $int, $float, $bytes, $time, $map, $set, $error, $ref, $regex, $struct; a key of your own that starts with $ gets another $ in front",
        )),
    }
}

fn read_int(inner: &Json, place: &Place<'_>, depth: usize) -> Result<Value, JsonError> {
    let int: Option<Int> = inner.as_str().and_then(|text| text.parse().ok());
    let Some(int) = int else {
        return Err(place.expected(
            r#"{"$int": "<decimal digits, - in front where negative, no leading zeros, at most 8192 bits>"}"#,
        ));
    };
    inside(depth, int.size().depth as usize, place)?;
    Ok(Value::Int(int))
}

fn read_float(inner: &Json, place: &Place<'_>) -> Result<Value, JsonError> {
    let float = match inner {
        Json::Number(number) => match read_number(number, place)? {
            Value::Float(float) => Some(float),
            Value::Int(int) => int.to_i64().map(|int| int as f64),
            _ => None,
        },
        Json::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            "-0" => Some(-0.0),
            digits => unhex(digits)
                .and_then(|bytes| bytes.try_into().ok())
                .map(f64::from_be_bytes)
                .filter(|float| float.is_finite() && float.abs() > PLAIN_MAX as f64),
        },
        _ => None,
    };
    float.map(Value::Float).ok_or_else(|| {
        place.expected(
            r#"{"$float": <number>}, "NaN", "Infinity", "-Infinity", "-0", or the 16 hexadecimal digits of a float beyond 2^53 - 1"#,
        )
    })
}

fn read_pairs(inner: &Json, place: &Place<'_>, depth: usize) -> Result<Value, JsonError> {
    let depth = inside(depth, 1, place)?;
    let Json::Array(items) = inner else { return Err(place.expected("an array of [key, value] pairs")) };
    let mut pairs = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let place = place.index(index);
        let Some([key, value]) = item.as_array().map(Vec::as_slice) else {
            return Err(place.expected("a pair: [key, value]"));
        };
        pairs.push((read(key, &place.index(0), depth)?, read(value, &place.index(1), depth)?));
    }
    Map::new(pairs).map(Value::Map).map_err(|_| place.expected("different keys"))
}

fn read_set(inner: &Json, place: &Place<'_>, depth: usize) -> Result<Value, JsonError> {
    let depth = inside(depth, 2, place)?;
    let Json::Array(items) = inner else { return Err(place.expected("an array of different values")) };
    let set: Set = read_items(items, place, depth)?.into_iter().collect();
    if set.len() == items.len() {
        Ok(Value::Set(set))
    } else {
        Err(place.expected("an array of different values"))
    }
}

/// The members of an object that has these and no others.
fn members<'a, const N: usize>(
    inner: &'a Json,
    names: [&str; N],
    place: &Place<'_>,
    expected: &'static str,
) -> Result<[Option<&'a Json>; N], JsonError> {
    let object = inner.as_object().filter(|object| object.keys().all(|key| names.contains(&key.as_str())));
    let object = object.ok_or_else(|| place.expected(expected))?;
    Ok(names.map(|name| object.get(name)))
}

fn read_error(inner: &Json, place: &Place<'_>, depth: usize) -> Result<Value, JsonError> {
    const EXPECTED: &str =
        r#"{"name": "<1 to 255 bytes>", "message": "<text>", "detail": <any value, or leave it out>}"#;
    let depth = inside(depth, 2, place)?;
    let [name, message, detail] = members(inner, ["name", "message", "detail"], place, EXPECTED)?;
    let (Some(name), Some(message)) = (name.and_then(Json::as_str), message.and_then(Json::as_str)) else {
        return Err(place.expected(EXPECTED));
    };
    let detail = detail.map_or(Ok(Value::Undefined), |detail| read(detail, &place.key("detail"), depth))?;
    ErrorValue::new(name, message, detail).map(Value::from).map_err(|_| place.expected(EXPECTED))
}

fn read_ref(inner: &Json, place: &Place<'_>, depth: usize) -> Result<Value, JsonError> {
    const EXPECTED: &str =
        r#"{"node": "<64 lower-case hexadecimal digits>", "path": "<action path>"}, one of them at least"#;
    inside(depth, 2, place)?;
    let [node, path] = members(inner, ["node", "path"], place, EXPECTED)?;
    let wrong = || place.expected(EXPECTED);
    let node = match node {
        None => None,
        Some(node) => {
            let bytes =
                node.as_str().and_then(unhex).and_then(|bytes| bytes.try_into().ok()).ok_or_else(wrong)?;
            Some(NodeId::from_bytes(bytes))
        }
    };
    let path = match path {
        None => None,
        Some(path) => Some(path.as_str().and_then(|path| path.parse().ok()).ok_or_else(wrong)?),
    };
    Ok(Value::from(match (node, path) {
        (Some(node), None) => Ref::Node(node),
        (None, Some(path)) => Ref::Path(path),
        (Some(node), Some(path)) => Ref::PathOn(node, path),
        (None, None) => return Err(wrong()),
    }))
}

fn read_regex(inner: &Json, place: &Place<'_>, depth: usize) -> Result<Value, JsonError> {
    const EXPECTED: &str = r#"{"source": "<text>", "flags": "<different ASCII letters in ascending order>"}"#;
    inside(depth, 2, place)?;
    let [source, flags] = members(inner, ["source", "flags"], place, EXPECTED)?;
    let (Some(source), Some(flags)) = (source.and_then(Json::as_str), flags.and_then(Json::as_str)) else {
        return Err(place.expected(EXPECTED));
    };
    Regex::strict(source.to_owned(), flags.to_owned()).map(Value::from).map_err(|_| place.expected(EXPECTED))
}

fn read_struct(inner: &Json, place: &Place<'_>, depth: usize) -> Result<Value, JsonError> {
    const EXPECTED: &str = r#"{"name": "<1 to 255 bytes>", "fields": {"<field>": <any value>}}"#;
    let depth = inside(depth, 2, place)?;
    let [name, fields] = members(inner, ["name", "fields"], place, EXPECTED)?;
    let (Some(name), Some(Json::Object(fields))) = (name.and_then(Json::as_str), fields) else {
        return Err(place.expected(EXPECTED));
    };
    let here = place.key("fields");
    if tag_of(fields, &here)?.is_some() {
        return Err(here.expected("field names; one that starts with $ gets another $ in front"));
    }
    let fields = read_fields(fields, &here, depth)?;
    Struct::of(name.to_owned(), fields).map(Value::from).map_err(|_| place.expected(EXPECTED))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}
