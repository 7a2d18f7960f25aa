//! Figures as a table for people.

use std::fmt::Display;
use std::net::SocketAddr;

use super::figures::{Action, Figures, Latency, Neighbour, Work};

#[cfg(test)]
mod tests;

/// Incidents that are shown.
const INCIDENTS_MAX: usize = 6;
/// Digits of a node's id that are shown.
const ID_LEN: usize = 8;

/// The lines of a sheet. `is_windowed`: latencies are those of the last minute, not of all time.
pub(super) fn lines(figures: &Figures, addr: SocketAddr, is_windowed: bool) -> Vec<String> {
    let mut lines = vec![format!(
        "node {} ({}) in {}   up {}   {addr}",
        short(&figures.node),
        figures.label,
        figures.network,
        uptime(figures.uptime_s),
    )];
    let since = if is_windowed { "p50 and p99 of the last minute" } else { "p50 and p99 since the start" };
    lines.push(since.to_owned());
    lines.push(String::new());
    lines.extend(table(
        &["", "PER S", "FAILED", "IN FLIGHT", "P50", "P99"],
        &[work("calls made", &figures.calls), work("requests served", &figures.requests)],
    ));
    lines.push(String::new());
    lines.extend(totals(figures));
    lines.push(String::new());
    let headings =
        ["NEIGHBOUR", "LABEL", "RTT", "IN", "OUT", "CALLS/S", "P50", "P99", "CALLS", "SERVING", "DROPS"];
    lines.extend(table(&headings, &figures.neighbours.iter().map(neighbour).collect::<Vec<_>>()));
    if figures.neighbours.is_empty() {
        lines.push("nobody".to_owned());
    }
    if !figures.actions.is_empty() {
        lines.push(String::new());
        lines.extend(table(
            &["ACTION", "PER S", "TOTAL"],
            &figures.actions.iter().map(action).collect::<Vec<_>>(),
        ));
    }
    if !figures.incidents.is_empty() {
        lines.push(String::new());
        let incident = |(name, count): &(String, f64)| [name.clone(), number(*count)];
        let shown: Vec<_> = figures.incidents.iter().take(INCIDENTS_MAX).map(incident).collect();
        lines.extend(table(&["INCIDENT", "TOTAL"], &shown));
    }
    lines
}

fn totals(figures: &Figures) -> Vec<String> {
    let nodes: Vec<String> = ["up", "suspect", "down"]
        .iter()
        .map(|status| format!("{} {status}", number(figures.nodes.get(*status).copied().unwrap_or(0.0))))
        .collect();
    vec![
        format!(
            "links    {} in, {} out, relayed {}",
            bytes(figures.received_bytes_per_s),
            bytes(figures.sent_bytes_per_s),
            rate(figures.relayed_per_s)
        ),
        format!(
            "limits   queued {}, refused {}, dropped {}",
            rate(figures.queued_per_s),
            rate(figures.refused_per_s),
            rate(figures.dropped_per_s)
        ),
        format!(
            "events   published {}, delivered {}   streams {} open",
            rate(figures.events_published_per_s),
            rate(figures.events_delivered_per_s),
            number(figures.streams_open)
        ),
        format!("nodes    {}", nodes.join(", ")),
    ]
}

fn work(name: &str, work: &Work) -> [String; 6] {
    let Latency { p50, p99 } = work.latency;
    let name = name.to_owned();
    [name, amount(work.per_s), amount(work.failed_per_s), number(work.in_flight), time(p50), time(p99)]
}

fn neighbour(neighbour: &Neighbour) -> [String; 11] {
    let Latency { p50, p99 } = neighbour.latency;
    let silent = if neighbour.is_up { "" } else { " (silent)" };
    [
        short(&neighbour.node),
        format!("{}{silent}", neighbour.label),
        time(neighbour.round_trip_s),
        bytes(neighbour.received_bytes_per_s),
        bytes(neighbour.sent_bytes_per_s),
        amount(neighbour.calls_per_s),
        time(p50),
        time(p99),
        number(neighbour.calls_in_flight),
        number(neighbour.requests_in_flight),
        number(neighbour.dropped),
    ]
}

fn action(action: &Action) -> [String; 3] {
    [action.path.clone(), amount(action.per_s), number(action.total)]
}

/// Rows with their columns below each other: names to the left, figures to the right.
fn table<const N: usize>(headings: &[&str; N], rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([headings[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let is_name = |column: usize| column == 0 || headings[column] == "LABEL";
    let cell = |column: usize, text: &dyn Display| {
        let width = widths[column];
        // `Display` of text pads as it is told.
        if is_name(column) { format!("{text:<width$}") } else { format!("{text:>width$}") }
    };
    let head = (0..N).map(|column| cell(column, &headings[column])).collect::<Vec<_>>();
    let rows = rows.iter().map(|row| (0..N).map(|column| cell(column, &row[column])).collect::<Vec<_>>());
    [head].into_iter().chain(rows).map(|cells| cells.join("  ").trim_end().to_owned()).collect()
}

fn short(node: &str) -> String {
    node.chars().take(ID_LEN).collect()
}

fn number(value: f64) -> String {
    format!("{value:.0}")
}

/// A number with as many digits as say something.
fn amount(value: f64) -> String {
    match value {
        value if value < 0.05 => "0".to_owned(),
        value if value < 10.0 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

fn rate(value: f64) -> String {
    format!("{}/s", amount(value))
}

fn bytes(per_s: f64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if per_s < 1_000.0 {
        return format!("{per_s:.0} B/s");
    }
    let mut scaled = per_s;
    let mut unit = "";
    for next in UNITS {
        if scaled < 999.5 {
            break;
        }
        (scaled, unit) = (scaled / 1_000.0, next);
    }
    if scaled < 10.0 { format!("{scaled:.1} {unit}/s") } else { format!("{scaled:.0} {unit}/s") }
}

/// A time in the unit in which it is read best.
fn time(seconds: Option<f64>) -> String {
    let Some(seconds) = seconds else { return "-".to_owned() };
    let (value, unit) = match seconds {
        seconds if seconds < 0.000_999_5 => (seconds * 1e6, "us"),
        seconds if seconds < 0.999_5 => (seconds * 1e3, "ms"),
        seconds => (seconds, "s"),
    };
    if value < 10.0 && unit != "us" { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

fn uptime(seconds: f64) -> String {
    let seconds = seconds as u64;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}
