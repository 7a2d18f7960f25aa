//! `lacewing describe`.

use lacewing::{NodeDescription, SubnetId};

use crate::arguments::NodeArguments;
use crate::failure::Failure;
use crate::portrait::{Portrait, schema_text};
use crate::visit::Visit;
use crate::{lookup, outcome, route, screen};

pub(crate) async fn run(arguments: NodeArguments) -> Result<(), Failure> {
    let as_json = arguments.visit.json;
    let visit = Visit::begin(arguments.visit).await?;
    let looked = visit.look_around(visit.time_left()).await;
    let found = looked.and_then(|()| lookup::only(&visit.node, &arguments.node));
    let shown = found.map(|id| {
        let portrait = Portrait::all(&visit.node).into_iter().find(|portrait| portrait.node == id);
        let way = portrait.as_ref().map(|portrait| route::text(&visit.node, portrait)).unwrap_or_default();
        (portrait, way)
    });
    visit.end().await;
    match shown {
        Ok((Some(portrait), _)) if as_json => screen::line(&portrait.json().to_string()),
        Ok((Some(portrait), way)) => print(&portrait, &way),
        // It went while it was looked up.
        Ok((None, _)) => Err(Failure::operation("the node is gone")),
        Err(error) => Err(outcome::failure(&error, as_json)),
    }
}

fn print(portrait: &Portrait, way: &str) -> Result<(), Failure> {
    let mut lines = vec![
        ("node", portrait.node.to_string()),
        ("label", portrait.label().unwrap_or("-").to_owned()),
        ("state", portrait.status.to_string()),
        ("incarnation", portrait.incarnation.to_string()),
        ("route", way.to_owned()),
    ];
    if let Some(said) = &portrait.said {
        lines.extend(said_lines(said));
    }
    let mut last = "";
    for (name, text) in lines {
        let shown = if name == last { "" } else { name };
        screen::line(&format!("{shown:<11}  {text}"))?;
        last = name;
    }
    Ok(())
}

/// What the node says of itself, a line for each thing.
fn said_lines(said: &NodeDescription) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    lines.extend(said.aliases.iter().map(|alias| ("alias", alias.clone())));
    lines.extend(said.addrs.iter().map(|addr| ("address", addr.to_string())));
    lines.extend(said.subnet.map(|bits| ("subnet", SubnetId::from_bits(bits).to_string())));
    lines.extend(said.capabilities.tags().iter().map(|tag| ("tag", tag.clone())));
    lines.extend(said.capabilities.metadata().iter().map(|(key, value)| ("metadata", printable(key, value))));
    for action in &said.providers {
        let shape = action.shape.is_stream().then(|| format!(", {}", action.shape.name()));
        let codec = action.codec.map(|codec| format!(", {}", outcome::codec_name(codec)));
        let version = action.version.as_ref().map(|version| format!(", version {version}"));
        let schema = action.schema.as_ref().map(|schema| format!(", schema {}", schema_text(schema)));
        let rest = [shape, codec, version, schema].into_iter().flatten().collect::<String>();
        lines.push(("action", format!("{} ({}, load {}){rest}", action.path, action.state, action.load)));
    }
    lines.push(("announced", format!("{} s ago", said.age_s)));
    lines
}

/// A metadata value may hold anything, also what would garble a terminal.
fn printable(key: &str, value: &str) -> String {
    format!("{key}={}", value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>())
}
