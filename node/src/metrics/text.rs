//! The text format of Prometheus.

use std::fmt::Write;
use std::time::Duration;

use super::{Family, Histogram, Snapshot, Value};

#[cfg(test)]
mod tests;

/// What HTTP calls the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Writes a snapshot in the [text format of Prometheus](https://prometheus.io/docs/instrumenting/exposition_formats/), version
/// 0.0.4.
///
/// ```
/// use lacewing::metrics::{Snapshot, families, text};
///
/// let mut snapshot = Snapshot::default();
/// snapshot.add_by(&families::CALLS_FINISHED, [("ok", 7_u64)]);
/// assert!(text(&snapshot).ends_with("lacewing_calls_finished_total{code=\"ok\"} 7\n"));
/// ```
pub fn text(snapshot: &Snapshot) -> String {
    let mut text = String::new();
    for measured in snapshot.iter() {
        let family = measured.family;
        let (name, kind) = (family.name, family.kind.name());
        put(&mut text, format_args!("# HELP {name} "));
        escape(&mut text, family.help, false);
        put(&mut text, format_args!("\n# TYPE {name} {kind}\n"));
        for sample in &measured.samples {
            let labels: Vec<(&str, &str)> =
                family.labels.iter().copied().zip(sample.labels.iter().map(AsRef::as_ref)).collect();
            match &sample.value {
                Value::Number(number) => line(&mut text, (name, ""), &labels, *number),
                Value::Time(time) => line(&mut text, (name, ""), &labels, seconds(*time)),
                Value::Histogram(histogram) => distribution(&mut text, family, &labels, histogram),
            }
        }
    }
    text
}

fn distribution(text: &mut String, family: &Family, labels: &[(&str, &str)], histogram: &Histogram) {
    let name = family.name;
    let mut below = 0;
    for (bound, count) in histogram.buckets() {
        below += count;
        let bound = bound.map_or_else(|| "+Inf".to_owned(), seconds);
        let labels: Vec<(&str, &str)> = labels.iter().copied().chain([("le", bound.as_str())]).collect();
        line(text, (name, "_bucket"), &labels, below);
    }
    line(text, (name, "_sum"), labels, seconds(histogram.sum()));
    line(text, (name, "_count"), labels, below);
}

fn line(
    text: &mut String,
    (name, part): (&str, &str),
    labels: &[(&str, &str)],
    value: impl std::fmt::Display,
) {
    put(text, format_args!("{name}{part}"));
    for (place, (label, value)) in labels.iter().enumerate() {
        put(text, format_args!("{}{label}=\"", if place == 0 { '{' } else { ',' }));
        escape(text, value, true);
        text.push('"');
    }
    if !labels.is_empty() {
        text.push('}');
    }
    put(text, format_args!(" {value}\n"));
}

fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = text.write_fmt(what);
}

fn escape(text: &mut String, value: &str, quotes: bool) {
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '"' if quotes => text.push_str("\\\""),
            c => text.push(c),
        }
    }
}

/// Exact, without floating point: `0.000003`, `1.5`, `60`.
fn seconds(time: Duration) -> String {
    let nanos = time.subsec_nanos();
    if nanos == 0 {
        return time.as_secs().to_string();
    }
    let text = format!("{}.{nanos:09}", time.as_secs());
    text.trim_end_matches('0').to_owned()
}
