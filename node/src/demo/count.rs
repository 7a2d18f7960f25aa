//! The action `count`.

use std::time::Duration;

use lacewing_core::engine::{Codec, Payload};
use lacewing_core::{Code, Error};
use serde_json::{Map, Value};

use crate::request::Request;
use crate::stream::ItemSender;

/// Takes `{"to": integer, "every_ms": integer}` and gives the integers from 1 to that one as a stream of JSON, one every so many
/// milliseconds. Without `every_ms` they come as fast as they are taken. Everything else is `InvalidArgument`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use lacewing::{Code, MemoryNetwork, Node, Payload, Trust, demo};
///
/// let node = Node::builder().trust(Trust::Open).transport(MemoryNetwork::new()).start().await?;
/// node.serve_stream("count", demo::count)?;
///
/// let mut numbers = node.call_stream("count", Payload::json(r#"{"to": 3}"#)).await?;
/// let mut heard = Vec::new();
/// while let Some(number) = numbers.try_next().await? {
///     heard.push(number.data);
/// }
/// assert_eq!(heard, ["1", "2", "3"]);
///
/// let mut numbers = node.call_stream("count", Payload::json(r#"{"to": "three"}"#)).await?;
/// assert_eq!(numbers.try_next().await.unwrap_err().code(), Code::InvalidArgument);
/// # Ok(())
/// # }
/// ```
pub async fn count(request: Request, items: ItemSender) -> Result<(), Error> {
    let (to, pause) = read(&request.payload)?;
    for number in 1..=to {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        items.send(Payload::json(number.to_string())).await?;
    }
    Ok(())
}

fn read(payload: &Payload) -> Result<(u64, Duration), Error> {
    let wrong = |text: &'static str| Error::new(Code::InvalidArgument, text);
    if !matches!(payload.codec, Codec::Json | Codec::Raw) {
        return Err(wrong("the argument: expected JSON text"));
    }
    let fields: Map<String, Value> =
        serde_json::from_slice(&payload.data).map_err(|_| wrong("the argument: expected a JSON object"))?;
    if fields.keys().any(|name| !matches!(name.as_str(), "to" | "every_ms")) {
        return Err(wrong("the argument: expected only the fields to and every_ms"));
    }
    let to = fields.get("to").and_then(Value::as_u64).ok_or(wrong("to: expected an integer from 0 on"))?;
    let every_ms = match fields.get("every_ms") {
        None => 0,
        Some(every) => every.as_u64().ok_or(wrong("every_ms: expected an integer from 0 on"))?,
    };
    Ok((to, Duration::from_millis(every_ms)))
}
