//! What two looks at a node say: how much a second, and how long things take.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::reading::Reading;

#[cfg(test)]
mod tests;

/// The latest look, the one before it, and the one from which latencies count, where that is not the beginning.
type Looks<'a> = (&'a Reading, &'a Reading, Option<&'a Reading>);

/// How long something took, in seconds: half of them at most so long, and 99 of a hundred.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Latency {
    pub(super) p50: Option<f64>,
    pub(super) p99: Option<f64>,
}

/// Everything that is shown.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) node: String,
    pub(super) label: String,
    pub(super) network: String,
    pub(super) version: String,
    pub(super) uptime_s: f64,
    pub(super) calls: Work,
    pub(super) requests: Work,
    pub(super) queued_per_s: f64,
    pub(super) refused_per_s: f64,
    pub(super) streams_open: f64,
    pub(super) received_bytes_per_s: f64,
    pub(super) sent_bytes_per_s: f64,
    pub(super) relayed_per_s: f64,
    pub(super) events_published_per_s: f64,
    pub(super) events_delivered_per_s: f64,
    /// Events and payloads that were dropped.
    pub(super) dropped_per_s: f64,
    /// Nodes of the mesh, by how they are.
    pub(super) nodes: BTreeMap<String, f64>,
    pub(super) neighbours: Vec<Neighbour>,
    pub(super) actions: Vec<Action>,
    /// How often each thing that should be rare has happened since the node began, the most frequent first.
    pub(super) incidents: Vec<(String, f64)>,
}

/// Calls, or requests.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) per_s: f64,
    pub(super) failed_per_s: f64,
    pub(super) in_flight: f64,
    pub(super) latency: Latency,
}

/// One neighbour.
#[derive(Debug)]
pub(super) struct Neighbour {
    pub(super) node: String,
    pub(super) label: String,
    pub(super) is_up: bool,
    pub(super) round_trip_s: Option<f64>,
    pub(super) received_bytes_per_s: f64,
    pub(super) sent_bytes_per_s: f64,
    pub(super) calls_per_s: f64,
    pub(super) calls_in_flight: f64,
    pub(super) requests_in_flight: f64,
    pub(super) latency: Latency,
    pub(super) dropped: f64,
}

/// One action of the node.
#[derive(Debug)]
pub(super) struct Action {
    pub(super) path: String,
    pub(super) per_s: f64,
    pub(super) total: f64,
}

/// What is the same for everything that is worked out.
struct Scale<'a> {
    looks: Looks<'a>,
    elapsed_s: f64,
}

impl Scale<'_> {
    /// How much a counter has grown in a second. One that is smaller than before has begun anew.
    fn rate(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let (latest, before, _) = self.looks;
        let (latest, before) = (latest.sum(name, labels), before.sum(name, labels));
        let growth = if latest < before { latest } else { latest - before };
        if self.elapsed_s > 0.0 { growth / self.elapsed_s } else { 0.0 }
    }

    fn latency(&self, name: &str, labels: &[(&str, &str)]) -> Latency {
        let (latest, _, oldest) = self.looks;
        let latest = latest.buckets(name, labels);
        let oldest = oldest.map(|oldest| oldest.buckets(name, labels)).unwrap_or_default();
        let is_newer = latest.last().map_or(0.0, |last| last.1) >= oldest.last().map_or(0.0, |last| last.1);
        let buckets: Vec<(f64, f64)> = latest
            .iter()
            .enumerate()
            .map(|(place, (bound, count))| {
                let before = oldest.get(place).filter(|_| is_newer).map_or(0.0, |(_, before)| *before);
                (*bound, count - before)
            })
            .collect();
        Latency { p50: quantile(&buckets, 0.5), p99: quantile(&buckets, 0.99) }
    }

    fn work(&self, started: &str, finished: &str, in_flight: &str, duration: &str) -> Work {
        let failed = self.rate(finished, &[]) - self.rate(finished, &[("code", "ok")]);
        Work {
            per_s: self.rate(started, &[]),
            failed_per_s: failed.max(0.0),
            in_flight: self.looks.0.sum(in_flight, &[]),
            latency: self.latency(duration, &[]),
        }
    }
}

/// The value that a part of all does not exceed. Within a bucket they are taken to be spread evenly.
fn quantile(buckets: &[(f64, f64)], part: f64) -> Option<f64> {
    let all = buckets.last()?.1;
    if all <= 0.0 {
        return None;
    }
    let wanted = all * part;
    let (mut lower, mut below) = (0.0, 0.0);
    for (bound, count) in buckets {
        if *count >= wanted && *count > below {
            let inside = (wanted - below) / (count - below);
            return Some(if bound.is_finite() { lower + (bound - lower) * inside } else { lower });
        }
        (lower, below) = (*bound, *count);
    }
    None
}

impl Figures {
    pub(super) fn between(node: Looks<'_>, neighbours: Looks<'_>, elapsed: Duration) -> Self {
        let scale = Scale { looks: node, elapsed_s: elapsed.as_secs_f64() };
        let info = node.0.samples("lacewing_node_info").first();
        let info = |label: &str| info.map(|info| info.label(label).to_owned()).unwrap_or_default();
        let opened = node.0.sum("lacewing_streams_opened_total", &[]);
        let finished = node.0.sum("lacewing_streams_finished_total", &[]);
        let dropped = [
            "lacewing_events_overflowed_total",
            "lacewing_event_copies_dropped_total",
            "lacewing_relayed_dropped_total",
        ];
        let nodes = node.0.samples("lacewing_nodes").iter();
        Self {
            node: info("node"),
            label: info("label"),
            network: info("network"),
            version: info("version"),
            uptime_s: node.0.sum("lacewing_uptime_seconds", &[]),
            calls: scale.work(
                "lacewing_calls_started_total",
                "lacewing_calls_finished_total",
                "lacewing_calls_in_flight",
                "lacewing_call_duration_seconds",
            ),
            requests: scale.work(
                "lacewing_requests_received_total",
                "lacewing_requests_finished_total",
                "lacewing_requests_in_flight",
                "lacewing_request_duration_seconds",
            ),
            queued_per_s: scale.rate("lacewing_requests_queued_total", &[]),
            refused_per_s: scale.rate("lacewing_requests_refused_total", &[]),
            streams_open: (opened - finished).max(0.0),
            received_bytes_per_s: scale.rate("lacewing_link_received_bytes_total", &[]),
            sent_bytes_per_s: scale.rate("lacewing_link_sent_bytes_total", &[]),
            relayed_per_s: scale.rate("lacewing_relayed_payloads_total", &[]),
            events_published_per_s: scale.rate("lacewing_events_published_total", &[]),
            events_delivered_per_s: scale.rate("lacewing_events_delivered_total", &[]),
            dropped_per_s: dropped.iter().map(|name| scale.rate(name, &[])).sum(),
            nodes: nodes.map(|sample| (sample.label("status").to_owned(), sample.value)).collect(),
            neighbours: Neighbour::all(&Scale { looks: neighbours, ..scale }),
            actions: Action::all(&scale),
            incidents: incidents(node.0),
        }
    }

    pub(super) fn json(&self) -> Value {
        let neighbours: Vec<Value> = self.neighbours.iter().map(Neighbour::json).collect();
        let action =
            |action: &Action| json!({ "action": action.path, "per_s": action.per_s, "total": action.total });
        json!({
            "node": self.node,
            "label": self.label,
            "network": self.network,
            "version": self.version,
            "uptime_s": self.uptime_s,
            "calls": self.calls.json(),
            "requests": self.requests.json(),
            "queued_per_s": self.queued_per_s,
            "refused_per_s": self.refused_per_s,
            "streams_open": self.streams_open,
            "received_bytes_per_s": self.received_bytes_per_s,
            "sent_bytes_per_s": self.sent_bytes_per_s,
            "relayed_per_s": self.relayed_per_s,
            "events_published_per_s": self.events_published_per_s,
            "events_delivered_per_s": self.events_delivered_per_s,
            "dropped_per_s": self.dropped_per_s,
            "nodes": self.nodes,
            "neighbours": neighbours,
            "actions": self.actions.iter().map(action).collect::<Vec<_>>(),
            "incidents": self.incidents.iter().cloned().collect::<BTreeMap<_, _>>(),
        })
    }
}

impl Work {
    fn json(&self) -> Value {
        json!({
            "per_s": self.per_s,
            "failed_per_s": self.failed_per_s,
            "in_flight": self.in_flight,
            "p50_s": self.latency.p50,
            "p99_s": self.latency.p99,
        })
    }
}

impl Neighbour {
    fn all(scale: &Scale<'_>) -> Vec<Self> {
        let latest = scale.looks.0;
        let neighbours = latest.samples("lacewing_neighbour_up").iter();
        neighbours
            .map(|sample| {
                let node = sample.label("node");
                let labels = [("node", node)];
                Self {
                    node: node.to_owned(),
                    label: sample.label("label").to_owned(),
                    is_up: sample.value > 0.0,
                    round_trip_s: latest.get("lacewing_neighbour_round_trip_seconds", &labels),
                    received_bytes_per_s: scale.rate("lacewing_neighbour_received_bytes_total", &labels),
                    sent_bytes_per_s: scale.rate("lacewing_neighbour_sent_bytes_total", &labels),
                    calls_per_s: scale.rate("lacewing_neighbour_call_duration_seconds_count", &labels),
                    calls_in_flight: latest.sum("lacewing_neighbour_calls_in_flight", &labels),
                    requests_in_flight: latest.sum("lacewing_neighbour_requests_in_flight", &labels),
                    latency: scale.latency("lacewing_neighbour_call_duration_seconds", &labels),
                    dropped: latest.sum("lacewing_neighbour_dropped_total", &labels),
                }
            })
            .collect()
    }

    fn json(&self) -> Value {
        json!({
            "node": self.node,
            "label": self.label,
            "up": self.is_up,
            "round_trip_s": self.round_trip_s,
            "received_bytes_per_s": self.received_bytes_per_s,
            "sent_bytes_per_s": self.sent_bytes_per_s,
            "calls_per_s": self.calls_per_s,
            "calls_in_flight": self.calls_in_flight,
            "requests_in_flight": self.requests_in_flight,
            "p50_s": self.latency.p50,
            "p99_s": self.latency.p99,
            "dropped": self.dropped,
        })
    }
}

impl Action {
    fn all(scale: &Scale<'_>) -> Vec<Self> {
        const NAME: &str = "lacewing_action_requests_total";
        let action = |path: &str, total| Self {
            path: path.to_owned(),
            per_s: scale.rate(NAME, &[("action", path)]),
            total,
        };
        let samples = scale.looks.0.samples(NAME).iter();
        samples.map(|sample| action(sample.label("action"), sample.value)).collect()
    }
}

fn incidents(node: &Reading) -> Vec<(String, f64)> {
    let samples = node.samples("lacewing_incidents_total").iter();
    let mut incidents: Vec<(String, f64)> =
        samples.map(|sample| (sample.label("incident").to_owned(), sample.value)).collect();
    incidents.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    incidents
}
