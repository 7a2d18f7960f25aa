//! How soon everybody knows of a change, and what it costs; and what a mesh costs in which nothing happens.
//!
//! Nodes on a random graph, each with four links, all of one latency. Bytes are those that leave nodes: sealed, with everything around
//! them. Everything is simulated, so that the figures are the same on every machine.

use std::collections::BTreeMap;
use std::time::Duration;

use lacewing_core::Instant;
use serde::Serialize;

use super::Problem;
use super::args::ConvergenceArgs;
use crate::des::Des;
use crate::engine::{Options, SimEngine as _};
use crate::history::mesh::{Mesh, Traffic, Version};
use crate::plan::Plan;
use crate::quantity::Micros;
use crate::run::{CapabilitiesItem, Item, Phases, Run};
use crate::seed::Seed;
use crate::verdict::Exit;

/// One way over each link.
const LATENCY_MS: u64 = 20;
/// From the start to the first look at what an idle mesh costs.
const SETTLED_S: u64 = 60;
/// How long that is looked at.
const IDLE_S: u64 = 120;
/// From the change to the end.
const AFTER_S: u64 = 10;

/// What was measured for one graph.
#[derive(Clone, Debug, Serialize)]
struct Figures {
    seed: Seed,
    nodes: usize,
    links: usize,
    /// Links between the two nodes that are farthest from each other.
    diameter: usize,
    /// The latency of as many links.
    diameter_ms: f64,
    /// From the start of all nodes to the moment at which everybody has everybody's first announcement.
    start_known_by_all_ms: f64,
    /// From a change to the moment at which half of the nodes, and all of them, know of it.
    change_known_by_half_ms: f64,
    change_known_by_all_ms: f64,
    /// The latter, in latencies of the diameter.
    change_in_diameters: f64,
    /// What the change has cost in all, beyond what an idle mesh costs: writes, sealed bytes, and frames that announce it.
    change_writes: i64,
    change_bytes: i64,
    change_frames: u64,
    /// Sealed bytes a second on each link without calls or changes, both directions together.
    idle_bytes_per_link_per_s: f64,
    /// Writes a second on each link, both directions together.
    idle_writes_per_link_per_s: f64,
    /// Of that, what control frames carry, by name; keep-alives and what seals and frames take are the rest.
    idle_body_bytes_per_link_per_s: BTreeMap<&'static str, f64>,
}

pub(super) fn main(options: &ConvergenceArgs) -> Result<Exit, Problem> {
    let mut all = Vec::new();
    for nodes in &options.nodes {
        for seed in 0..options.seeds {
            all.push(measure(*nodes, Seed(seed))?);
        }
    }
    if options.json {
        println!("{}", serde_json::to_string_pretty(&all).map_err(Problem::harness)?);
    } else {
        table(&all);
    }
    Ok(Exit::Ok)
}

fn table(all: &[Figures]) {
    println!(
        "nodes links diameter  change known by half / all      x diameter  writes  bytes  idle B/s per link  started in"
    );
    for it in all {
        println!(
            "{:>5} {:>5} {:>8}  {:>9.1} ms / {:>9.1} ms  {:>10.2}  {:>6} {:>6}  {:>17.1}  {:>8.0} ms",
            it.nodes,
            it.links,
            it.diameter,
            it.change_known_by_half_ms,
            it.change_known_by_all_ms,
            it.change_in_diameters,
            it.change_writes,
            it.change_bytes,
            it.idle_bytes_per_link_per_s,
            it.start_known_by_all_ms,
        );
    }
    for it in all.iter().take(1) {
        println!("of the idle bytes, bodies of control frames ({} nodes):", it.nodes);
        for (name, bytes) in &it.idle_body_bytes_per_link_per_s {
            println!("  {name:<20} {bytes:>8.2} B/s per link");
        }
        println!("  writes               {:>8.2} per link and second", it.idle_writes_per_link_per_s);
    }
}

fn run_of(nodes: usize, seed: Seed) -> Result<Run, Problem> {
    let text = format!(
        "[plan]\nname = \"convergence\"\nabout = \"one change\"\nnodes = {nodes}\nduration = \"1s\"\ntopology = [\"random-k4\"]\n\
         [net]\nlatency = \"{LATENCY_MS}ms\"\njitter = \"0s\"\nbandwidth = 100000000\n"
    );
    let mut run = Plan::parse("convergence.toml", &text).map_err(Problem::usage)?.expand(seed);
    let change = Micros::from_millis((SETTLED_S + IDLE_S) * 1_000);
    let end = change.plus(Micros::from_millis(AFTER_S * 1_000));
    run.header.phases = Phases { heal: change, fresh: change, quiet: change, end };
    let tags = vec!["hardware.gpu".to_owned(), "hardware.memory_gb=64".to_owned()];
    run.items = vec![Item::Capabilities(CapabilitiesItem { t: change, node: 0, tags })];
    Ok(run)
}

fn measure(nodes: usize, seed: Seed) -> Result<Figures, Problem> {
    let run = run_of(nodes, seed)?;
    let outcome = Des.execute(&run, &mut Options::default());
    if let Some(text) = outcome.harness_error {
        return Err(Problem::harness(text));
    }
    let mesh = &outcome.history.mesh;
    let (graph, links) = (run.graph(), run.graph().links());
    let diameter = graph.diameter().ok_or_else(|| Problem::harness("the graph is in parts"))?;
    let change = Instant::from_millis((SETTLED_S + IDLE_S) * 1_000);
    let known = known_after(mesh, change, nodes)?;
    let started = mesh.heard.iter().filter(|(_, at)| **at < change).map(|(_, at)| *at).max();
    let idle = sum(mesh.traffic.range(SETTLED_S..SETTLED_S + IDLE_S).map(|(_, it)| *it));
    let during = SETTLED_S + IDLE_S..SETTLED_S + IDLE_S + AFTER_S;
    let after = sum(mesh.traffic.range(during.clone()).map(|(_, it)| *it));
    let share = |whole: u64| (whole * AFTER_S / IDLE_S) as i64;
    let per_link = |count: u64| count as f64 / (links as u64 * IDLE_S) as f64;
    let all = *known.last().ok_or_else(|| Problem::harness("nobody heard of the change"))?;
    let diameter_ms = (diameter as u64 * LATENCY_MS) as f64;
    Ok(Figures {
        seed,
        nodes,
        links,
        diameter,
        diameter_ms,
        start_known_by_all_ms: started.map_or(0.0, |at| millis(at - Instant::ZERO)),
        change_known_by_half_ms: millis(known[known.len() / 2]),
        change_known_by_all_ms: millis(all),
        change_in_diameters: millis(all) / diameter_ms,
        change_writes: after.count as i64 - share(idle.count),
        change_bytes: after.bytes as i64 - share(idle.bytes),
        change_frames: frames(mesh, during).get("DIRECTORY_DELTA").map_or(0, |it| it.count),
        idle_bytes_per_link_per_s: per_link(idle.bytes),
        idle_writes_per_link_per_s: per_link(idle.count),
        idle_body_bytes_per_link_per_s: frames(mesh, SETTLED_S..SETTLED_S + IDLE_S)
            .into_iter()
            .map(|(name, it)| (name, per_link(it.bytes)))
            .collect(),
    })
}

/// After how long each other node knew of what node 0 said last, in order.
fn known_after(mesh: &Mesh, change: Instant, nodes: usize) -> Result<Vec<Duration>, Problem> {
    let latest: Option<Version> =
        mesh.announced.keys().filter(|(owner, _)| *owner == 0).map(|(_, version)| *version).max();
    let mut known: Vec<Duration> = mesh
        .heard
        .iter()
        .filter(|((owner, version, _), _)| *owner == 0 && Some(*version) == latest)
        .map(|(_, at)| *at - change)
        .collect();
    known.sort_unstable();
    if known.len() + 1 == nodes {
        Ok(known)
    } else {
        Err(Problem::harness(format!("{} of {} nodes heard of the change", known.len(), nodes - 1)))
    }
}

fn sum(traffic: impl Iterator<Item = Traffic>) -> Traffic {
    traffic.fold(Traffic::default(), |all, it| Traffic {
        count: all.count + it.count,
        bytes: all.bytes + it.bytes,
    })
}

fn frames(mesh: &Mesh, seconds: std::ops::Range<u64>) -> BTreeMap<&'static str, Traffic> {
    let mut frames: BTreeMap<&'static str, Traffic> = BTreeMap::new();
    for ((second, name), it) in &mesh.frames {
        if seconds.contains(second) {
            let all = frames.entry(name).or_default();
            *all = sum([*all, *it].into_iter());
        }
    }
    frames
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1_000.0
}
