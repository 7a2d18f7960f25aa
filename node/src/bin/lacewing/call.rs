//! `lacewing call`.

use lacewing::{Codec, Error, Payload, Predicate, Selector};

use crate::arguments::CallArguments;
use crate::failure::Failure;
use crate::visit::Visit;
use crate::{expression, lookup, outcome};

/// Whom the call is for.
struct Whom {
    to: Option<String>,
    select: Option<Selector>,
    wanted: Option<Predicate>,
}

pub(crate) async fn run(arguments: CallArguments) -> Result<(), Failure> {
    let CallArguments { action, argument, visit, to, select, wanted } = arguments;
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&argument) {
        return Err(Failure::usage(format!("the argument is no JSON: {error}")));
    }
    let wanted = wanted.map(|text| expression::parse(&text)).transpose()?;
    let as_json = visit.json;
    let payload = Payload { codec: Codec::Json, data: argument.into() };
    let visit = Visit::begin(visit).await?;
    let answer = answer(&visit, action, payload, Whom { to, select, wanted }).await;
    visit.end().await;
    match answer {
        Ok(payload) => outcome::print_answer(&payload, as_json),
        Err(error) => Err(outcome::failure(&error, as_json)),
    }
}

async fn answer(visit: &Visit, action: String, payload: Payload, whom: Whom) -> Result<Payload, Error> {
    let mut call = visit.node.call(action, payload);
    match whom.to.as_deref().map(|to| (to, to.parse())) {
        // Whoever is named in full may still be on its way here, as a neighbour may.
        Some((_, Ok(node))) => {
            visit.reach(Some(node)).await?;
            call = call.to(node);
        }
        Some((name, Err(_))) => {
            visit.look_around(visit.time_left() / 2).await?;
            call = call.to(lookup::first(&visit.node, name)?);
        }
        // A choice among several needs to know them all.
        None if whom.select.is_some() || whom.wanted.is_some() => {
            visit.look_around(visit.time_left() / 2).await?;
        }
        None => visit.reach(None).await?,
    }
    if let Some(selector) = whom.select {
        call = call.select(selector);
    }
    if let Some(predicate) = whom.wanted {
        call = call.matching(predicate);
    }
    call.timeout(visit.time_left()).await
}
