//! `lacewing call`.

use lacewing::{CallBuilder, Codec, Error, Payload, Predicate, Selector, ServerStream};

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
    let CallArguments { action, argument, visit, stream, to, select, wanted } = arguments;
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&argument) {
        return Err(Failure::usage(format!("the argument is no JSON: {error}")));
    }
    let wanted = wanted.map(|text| expression::parse(&text)).transpose()?;
    let as_json = visit.json;
    let payload = Payload { codec: Codec::Json, data: argument.into() };
    let visit = Visit::begin(visit).await?;
    let whom = Whom { to, select, wanted };
    let outcome = if stream {
        follow(&visit, visit.node.call_stream(action, payload), whom, as_json).await
    } else {
        match answer(&visit, visit.node.call(action, payload), whom).await {
            Ok(payload) => outcome::print_answer(&payload, as_json),
            Err(error) => Err(outcome::failure(&error, as_json)),
        }
    };
    visit.end().await;
    outcome
}

async fn answer(visit: &Visit, call: CallBuilder, whom: Whom) -> Result<Payload, Error> {
    aim(visit, call, whom).await?.timeout(visit.time_left()).await
}

/// Prints the items of a stream until it ends, or nobody reads them any more.
async fn follow(
    visit: &Visit,
    call: CallBuilder<ServerStream>,
    whom: Whom,
    as_json: bool,
) -> Result<(), Failure> {
    let failed = |error: Error| outcome::failure(&error, as_json);
    let call = aim(visit, call, whom).await.map_err(failed)?;
    let mut items = call.idle_timeout(visit.patience).await.map_err(failed)?;
    while let Some(item) = items.try_next().await.map_err(failed)? {
        if !outcome::print_item(&item, as_json)? {
            break;
        }
    }
    Ok(())
}

/// Finds out whom the call is for.
async fn aim<K>(visit: &Visit, mut call: CallBuilder<K>, whom: Whom) -> Result<CallBuilder<K>, Error> {
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
    Ok(call)
}
