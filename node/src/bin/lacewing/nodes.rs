//! `lacewing nodes` and `lacewing find`.

use std::collections::BTreeSet;

use lacewing::predicate::{self, Clause};
use lacewing::{CapabilitySet, NodeId, Predicate};
use serde_json::Value;

use crate::arguments::{FindArguments, NodesArguments, VisitArguments};
use crate::failure::Failure;
use crate::portrait::{Portrait, rtt_text};
use crate::visit::Visit;
use crate::{expression, lookup, outcome, screen};

/// Actions that a line names.
const ACTIONS_NAMED_MAX: usize = 4;

pub(crate) async fn run(arguments: NodesArguments) -> Result<(), Failure> {
    let as_json = arguments.visit.json;
    let view = view(arguments.visit, None).await?;
    if as_json { view.print_json() } else { view.print_table() }
}

pub(crate) async fn find(arguments: FindArguments) -> Result<(), Failure> {
    let predicate = expression::parse(&arguments.expression)?;
    let as_json = arguments.visit.json;
    let mut view = view(arguments.visit, Some(&predicate)).await?;
    let all = view.nodes.len();
    let report = view.report(&predicate);
    view.nodes.retain(|node| view.found.contains(&node.node));
    match (as_json, view.nodes.is_empty()) {
        (true, _) => view.print_json(),
        (false, false) => view.print_table(),
        (false, true) => nothing(all, &report),
    }
}

/// What a visitor sees.
struct View {
    nodes: Vec<Portrait>,
    /// Those for which the predicate holds.
    found: BTreeSet<NodeId>,
    short_len: usize,
}

async fn view(arguments: VisitArguments, predicate: Option<&Predicate>) -> Result<View, Failure> {
    let as_json = arguments.json;
    let visit = Visit::begin(arguments).await?;
    let looked = visit.look_around(visit.time_left()).await;
    let found = predicate.map(|predicate| visit.node.find(predicate.clone())).unwrap_or_default();
    let view = View {
        nodes: Portrait::all(&visit.node),
        found: found.into_iter().collect(),
        short_len: lookup::short_len(&visit.node),
    };
    visit.end().await;
    match looked {
        Ok(()) => Ok(view),
        Err(error) => Err(outcome::failure(&error, as_json)),
    }
}

impl View {
    fn print_json(&self) -> Result<(), Failure> {
        screen::line(&self.nodes.iter().map(Portrait::json).collect::<Value>().to_string())
    }

    fn print_table(&self) -> Result<(), Failure> {
        let rows = self.nodes.iter().map(|node| row(node, self.short_len));
        let head = ["NODE", "LABEL", "STATE", "HOPS", "RTT", "ACTIONS"].map(str::to_owned);
        screen::table(&[head].into_iter().chain(rows).collect::<Vec<_>>())
    }

    /// How many nodes there are for which each clause of a predicate holds, taken by itself.
    fn report(&self, predicate: &Predicate) -> Vec<[String; 2]> {
        let nothing = CapabilitySet::new();
        let all = self.nodes.len();
        let line = |clause: &Clause| {
            let alone = Predicate::new(vec![predicate::Node::Clause(clause.clone())], 0).ok()?;
            let sets =
                self.nodes.iter().map(|node| node.said.as_ref().map_or(&nothing, |said| &said.capabilities));
            let holds = sets.filter(|set| alone.evaluate(*set)).count();
            Some([format!("  {alone}"), format!("{holds} of {all}")])
        };
        predicate.clauses().filter_map(line).collect()
    }
}

fn row(node: &Portrait, short_len: usize) -> [String; 6] {
    let dash = || "-".to_owned();
    let route = node.route.as_ref();
    [
        node.node.to_string()[..short_len].to_owned(),
        node.label().map_or_else(dash, str::to_owned),
        node.status.to_string(),
        route.map_or_else(dash, |route| route.hops.to_string()),
        rtt_text(route.and_then(|route| route.rtt_us)),
        actions(node),
    ]
}

/// The first actions by name, with the state of those that take no calls.
fn actions(node: &Portrait) -> String {
    let providers = node.said.as_ref().map(|said| &said.providers[..]).unwrap_or_default();
    let named = providers.iter().take(ACTIONS_NAMED_MAX).map(|action| {
        let state = if action.state.takes_calls() { String::new() } else { format!(" ({})", action.state) };
        format!("{}{state}", action.path)
    });
    let text = named.collect::<Vec<_>>().join(", ");
    match providers.len() {
        0 => "-".to_owned(),
        1..=ACTIONS_NAMED_MAX => text,
        len => format!("{text} and {} more", len - ACTIONS_NAMED_MAX),
    }
}

/// Nobody was found: says which clauses hold for how many.
fn nothing(all: usize, report: &[[String; 2]]) -> Result<(), Failure> {
    screen::line(&format!("none of {all} nodes matches"))?;
    screen::table(report)
}
