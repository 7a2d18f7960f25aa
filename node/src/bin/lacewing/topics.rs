//! `lacewing pub` and `lacewing sub`.

use lacewing::{Codec, GroupName, Payload, PublishReport, SubscribeOptions, TopicEvent};
use serde_json::json;
use tokio::time::timeout_at;

use crate::arguments::{PubArguments, SubArguments};
use crate::failure::Failure;
use crate::visit::Visit;
use crate::{lookup, outcome, screen};

pub(crate) async fn publish(arguments: PubArguments) -> Result<(), Failure> {
    let PubArguments { topic, argument, visit, to, group, one_per_group } = arguments;
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&argument) {
        return Err(Failure::usage(format!("the payload is no JSON: {error}")));
    }
    let group = group.map(|name| parse_group(&name)).transpose()?;
    let as_json = visit.json;
    let payload = Payload { codec: Codec::Json, data: argument.into() };
    let visit = Visit::begin(visit).await?;
    let published = async {
        // Who wants it is known only once the others have said so.
        visit.look_around(visit.time_left() / 2).await?;
        let mut event = visit.node.publish(topic, payload);
        if let Some(name) = to {
            event = event.to(lookup::first(&visit.node, &name)?);
        } else if let Some(group) = group {
            event = event.to_group(group);
        } else if one_per_group {
            event = event.one_per_group();
        }
        event.await
    };
    let published = published.await;
    // What was queued leaves before the goodbye.
    visit.end().await;
    match published {
        Ok(report) => print_report(report, as_json),
        Err(error) => Err(outcome::failure(&error, as_json)),
    }
}

fn print_report(report: PublishReport, as_json: bool) -> Result<(), Failure> {
    let PublishReport { attempted, delivered, dropped } = report;
    if as_json {
        let report = json!({ "attempted": attempted, "delivered": delivered, "dropped": dropped });
        return screen::line(&report.to_string());
    }
    screen::line(&format!("published: {delivered} of {attempted} copies on their way, {dropped} dropped"))
}

pub(crate) async fn subscribe(arguments: SubArguments) -> Result<(), Failure> {
    let SubArguments { pattern, visit, group, count } = arguments;
    let group = group.map(|name| parse_group(&name)).transpose()?;
    let as_json = visit.json;
    let visit = Visit::begin(visit).await?;
    let options = SubscribeOptions { group, ..SubscribeOptions::default() };
    let mut subscription = match visit.node.subscribe_with(&pattern, options) {
        Ok(subscription) => subscription,
        Err(error) => {
            visit.end().await;
            return Err(outcome::failure(&error, as_json));
        }
    };
    let reached = visit.reach(None).await;
    if let Err(error) = reached {
        drop(subscription);
        visit.end().await;
        return Err(outcome::failure(&error, as_json));
    }
    if !as_json {
        screen::line(&format!("subscribed to {pattern}"))?;
    }
    // With a count, the user's patience bounds the wait for it; without one, the user ends it.
    let mut left = count;
    while left != Some(0) {
        let next = subscription.next();
        let event = match left {
            Some(_) => timeout_at(visit.deadline, next).await.unwrap_or_default(),
            None => next.await,
        };
        let Some(event) = event else { break };
        print_event(&event, as_json)?;
        left = left.map(|left| left - 1);
    }
    let (missing, dropped) = (left.unwrap_or(0), subscription.stats().dropped);
    drop(subscription);
    visit.end().await;
    if dropped > 0 {
        return Err(Failure::operation(format!("{dropped} events came faster than they could be printed")));
    }
    if missing > 0 {
        return Err(Failure::operation(format!("{missing} events did not come in time")));
    }
    Ok(())
}

fn print_event(event: &TopicEvent, as_json: bool) -> Result<(), Failure> {
    if as_json {
        let mut line = outcome::answer_json(&event.payload);
        line["topic"] = event.topic.as_str().into();
        line["publisher"] = event.publisher.node.to_string().into();
        line["sequence"] = event.sequence.into();
        return screen::line(&line.to_string());
    }
    match std::str::from_utf8(&event.payload.data) {
        Ok(text) => screen::line(&format!("{} {text}", event.topic)),
        Err(_) => screen::line(&format!("{} {} bytes", event.topic, event.payload.data.len())),
    }
}

fn parse_group(name: &str) -> Result<GroupName, Failure> {
    name.parse().map_err(|error| Failure::usage(format!("{name:?}: {error}")))
}
