//! `lacewing call`.

use lacewing::{Codec, Error, Payload};

use crate::arguments::CallArguments;
use crate::failure::Failure;
use crate::outcome;
use crate::visit::Visit;

pub(crate) async fn run(arguments: CallArguments) -> Result<(), Failure> {
    let CallArguments { action, argument, visit, to } = arguments;
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&argument) {
        return Err(Failure::usage(format!("the argument is no JSON: {error}")));
    }
    let as_json = visit.json;
    let payload = Payload { codec: Codec::Json, data: argument.into() };
    let visit = Visit::begin(visit).await?;
    let answer = answer(&visit, action, payload, to).await;
    visit.end().await;
    match answer {
        Ok(payload) => outcome::print_answer(&payload, as_json),
        Err(error) => Err(outcome::failure(&error, as_json)),
    }
}

async fn answer(
    visit: &Visit,
    action: String,
    payload: Payload,
    to: Option<lacewing::NodeId>,
) -> Result<Payload, Error> {
    visit.peer(to).await?;
    let mut call = visit.node.call(action, payload).timeout(visit.time_left());
    if let Some(node) = to {
        call = call.to(node);
    }
    call.await
}
