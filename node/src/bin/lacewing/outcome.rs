//! Answers and errors as text and as JSON.

use lacewing::{Codec, Error, Payload};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::screen;

/// Prints an answer: text with a line end, anything else byte by byte.
pub(crate) fn print_answer(payload: &Payload, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return screen::line(&answer_json(payload).to_string());
    }
    match std::str::from_utf8(&payload.data) {
        Ok(text) => screen::line(text),
        Err(_) => screen::bytes(&payload.data),
    }
}

/// Prints an item of a stream: one line each, digits where it is no text. `false`: nobody reads any more.
pub(crate) fn print_item(item: &Payload, as_json: bool) -> Result<bool, Failure> {
    if as_json {
        return screen::line_heard(&answer_json(item).to_string());
    }
    match std::str::from_utf8(&item.data) {
        Ok(text) => screen::line_heard(text),
        Err(_) => screen::line_heard(&hex(&item.data)),
    }
}

/// What people call a codec.
pub(crate) fn codec_name(codec: Codec) -> &'static str {
    match codec {
        Codec::Raw => "raw",
        Codec::Json => "json",
        Codec::MessagePack => "messagepack",
        Codec::Cbor => "cbor",
    }
}

/// A payload as JSON, and how to read it.
pub(crate) fn answer_json(payload: &Payload) -> Value {
    let codec = codec_name(payload.codec);
    let parsed = matches!(payload.codec, Codec::Json)
        .then(|| serde_json::from_slice::<Value>(&payload.data).ok())
        .flatten();
    match (parsed, std::str::from_utf8(&payload.data)) {
        (Some(value), _) => json!({ "codec": codec, "value": value }),
        (None, Ok(text)) => json!({ "codec": codec, "text": text }),
        (None, Err(_)) => json!({ "codec": codec, "hex": hex(&payload.data) }),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// An error as the one line, or the one JSON object, that stderr gets.
pub(crate) fn failure(error: &Error, as_json: bool) -> Failure {
    let detail = std::str::from_utf8(error.detail()).ok().filter(|detail| !detail.is_empty());
    if as_json {
        let parsed =
            detail.map(|detail| serde_json::from_str(detail).unwrap_or_else(|_| Value::from(detail)));
        return Failure::operation(json!({
            "code": error.code().to_string(),
            "number": error.code().number(),
            "kind": error.kind().map(lacewing::Kind::name),
            "message": error.message(),
            "retryable": error.code().retryable(),
            "maybe_executed": error.maybe_executed(),
            "retry_after_ms": error.retry_after_ms(),
            "detail": parsed,
        }));
    }
    match detail {
        Some(detail) => Failure::operation(format!("{error}; {detail}")),
        None => Failure::operation(error),
    }
}
