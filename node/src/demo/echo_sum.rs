//! The action `echo_sum`.

use bytes::Bytes;
use lacewing_core::engine::{Codec, Payload};
use lacewing_core::{Code, Error};
use serde_json::{Map, Value, json};

use crate::request::Request;

/// Longest part of a name that a detail repeats, in characters.
const NAME_CHARS_MAX: usize = 64;

/// Takes `{"text": string, "numbers": [integer, ...]}` and gives `{"echo": text, "sum": sum of the numbers}`.
///
/// Integers are those of 64 bits, signed or not; the sum is exact, since 128 bits cannot overflow within one message. Everything else is
/// refused with `InvalidArgument`, unknown fields too, since they are usually misspelt ones. The error's detail is JSON:
/// `{"field": "numbers[1]", "expected": "an integer", "got": "a string"}`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use lacewing::{Code, Codec, MemoryNetwork, Node, Payload, Trust, demo};
///
/// let node = Node::builder().trust(Trust::Open).transport(MemoryNetwork::new()).start().await?;
/// node.serve("echo_sum", demo::echo_sum)?;
///
/// let json = |text: &'static str| Payload { codec: Codec::Json, data: text.into() };
/// let answer = node.call("echo_sum", json(r#"{"text": "hi", "numbers": [1, 2, 39]}"#)).await?;
/// assert_eq!(&answer.data[..], br#"{"echo":"hi","sum":42}"#);
///
/// let error = node.call("echo_sum", json(r#"{"text": "hi", "numbers": [1, "2"]}"#)).await.unwrap_err();
/// assert_eq!(error.code(), Code::InvalidArgument);
/// assert_eq!(&error.detail()[..], br#"{"expected":"an integer","field":"numbers[1]","got":"a string"}"#);
/// # Ok(())
/// # }
/// ```
pub async fn echo_sum(request: Request) -> Result<Payload, Error> {
    if !matches!(request.payload.codec, Codec::Json | Codec::Raw) {
        return Err(wrong("", "JSON text", "another codec"));
    }
    let input: Value = serde_json::from_slice(&request.payload.data).map_err(|error| {
        wrong("", "a JSON object", &format!("no JSON: line {}, column {}", error.line(), error.column()))
    })?;
    let Value::Object(fields) = input else { return Err(wrong("", "a JSON object", kind(&input))) };
    let (text, sum) = read(&fields)?;
    // Written by hand because `Value` holds no 128-bit integer.
    let answer = format!(r#"{{"echo":{},"sum":{sum}}}"#, Value::String(text));
    Ok(Payload { codec: Codec::Json, data: Bytes::from(answer) })
}

fn read(fields: &Map<String, Value>) -> Result<(String, i128), Error> {
    if let Some(name) = fields.keys().find(|name| !matches!(name.as_str(), "text" | "numbers")) {
        let name: String = name.chars().take(NAME_CHARS_MAX).collect();
        return Err(wrong(&name, "only the fields text and numbers", "an unknown field"));
    }
    let text = match fields.get("text") {
        Some(Value::String(text)) => text.clone(),
        other => return Err(wrong("text", "a string", other.map_or("nothing", kind))),
    };
    let numbers = match fields.get("numbers") {
        Some(Value::Array(numbers)) => numbers,
        other => return Err(wrong("numbers", "an array of integers", other.map_or("nothing", kind))),
    };
    let mut sum = 0_i128;
    for (at, number) in numbers.iter().enumerate() {
        let integer = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
        sum += integer.ok_or_else(|| wrong(&format!("numbers[{at}]"), "an integer", kind(number)))?;
    }
    Ok((text, sum))
}

/// What a value is, in words; never what it says.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_i64() || number.is_u64() => "an integer",
        Value::Number(_) => "a number that is no 64-bit integer",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// The name of an unknown field comes from the caller, so it stands in the detail alone.
fn wrong(field: &str, expected: &str, got: &str) -> Error {
    let detail = json!({ "field": field, "expected": expected, "got": got });
    let known = field.is_empty() || field == "text" || field.starts_with("numbers");
    let place = if field.is_empty() {
        "the argument"
    } else if known {
        field
    } else {
        "a field"
    };
    Error::new(Code::InvalidArgument, format!("{place}: expected {expected}, got {got}"))
        .with_detail(detail.to_string())
}
