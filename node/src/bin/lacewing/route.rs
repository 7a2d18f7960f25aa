//! `lacewing route`.

use lacewing::{Node, NodeId};
use serde_json::{Value, json};

use crate::arguments::NodeArguments;
use crate::failure::Failure;
use crate::portrait::{Portrait, route_json, rtt_text};
use crate::visit::Visit;
use crate::{lookup, outcome, screen};

pub(crate) async fn run(arguments: NodeArguments) -> Result<(), Failure> {
    let as_json = arguments.visit.json;
    let visit = Visit::begin(arguments.visit).await?;
    let looked = visit.look_around(visit.time_left()).await;
    let found = looked.and_then(|()| lookup::only(&visit.node, &arguments.node));
    let shown = found.map(|id| {
        let portrait = Portrait::all(&visit.node).into_iter().find(|portrait| portrait.node == id);
        portrait
            .map(|portrait| if as_json { json(&portrait).to_string() } else { text(&visit.node, &portrait) })
    });
    visit.end().await;
    match shown {
        Ok(Some(text)) => screen::line(&text),
        Ok(None) => Err(Failure::operation("the node is gone")),
        Err(error) => Err(outcome::failure(&error, as_json)),
    }
}

fn json(portrait: &Portrait) -> Value {
    json!({ "node": portrait.node.to_string(), "route": portrait.route.as_ref().map(route_json) })
}

/// The way to a node, in words.
pub(crate) fn text(visitor: &Node, portrait: &Portrait) -> String {
    let Some(route) = &portrait.route else { return "no path leads there".to_owned() };
    let len = lookup::short_len(visitor);
    let called = |id: &NodeId| {
        let label = visitor.describe(*id).and_then(|said| said.label);
        let label = label.map(|label| format!(" ({label})")).unwrap_or_default();
        format!("{}{label}", &id.to_string()[..len])
    };
    let way = match route.hops {
        1 => "a neighbour".to_owned(),
        hops => format!("{hops} links, through {}", called(&route.next_hop)),
    };
    let round_trip = match route.rtt_us {
        None => String::new(),
        measured => format!(", round trip {}", rtt_text(measured)),
    };
    let others: Vec<String> = route.alternatives.iter().map(called).collect();
    match others[..] {
        [] => format!("{way}{round_trip}"),
        _ => format!("{way}{round_trip}; or through {}", others.join(", ")),
    }
}
