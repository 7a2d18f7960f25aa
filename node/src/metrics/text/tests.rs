use std::time::Duration;

use super::{seconds, text};
use crate::metrics::{Family, FamilyKind, Histogram, Sample, Snapshot, Value, families};

static AWKWARD: Family = Family {
    name: "awkward",
    kind: FamilyKind::Gauge,
    labels: &["a", "b"],
    help: "back\\slash\nand \"more\"",
};

#[test]
fn a_family_has_its_help_and_type_once_and_a_line_for_each_sample() {
    let mut snapshot = Snapshot::default();
    snapshot.add_by(&families::CALLS_FINISHED, [("ok", 2_u64), ("Cancelled", 1)]);
    snapshot.add(&families::CALLS_IN_FLIGHT, 4_u64);
    let help = |family: &Family| format!("# HELP {} {}\n", family.name, family.help);
    let helps = [help(&families::CALLS_FINISHED), help(&families::CALLS_IN_FLIGHT)];
    let expected = [
        &helps[0],
        "# TYPE lacewing_calls_finished_total counter\n",
        "lacewing_calls_finished_total{code=\"ok\"} 2\n",
        "lacewing_calls_finished_total{code=\"Cancelled\"} 1\n",
        &helps[1],
        "# TYPE lacewing_calls_in_flight gauge\n",
        "lacewing_calls_in_flight 4\n",
    ];
    assert_eq!(text(&snapshot), expected.concat());
}

#[test]
fn what_means_something_to_the_format_is_escaped() {
    let mut snapshot = Snapshot::default();
    let labels = vec!["quo\"te".into(), "new\nline\\".into()];
    snapshot.push(&AWKWARD, vec![Sample { labels, value: Value::Number(1) }]);
    let expected = "# HELP awkward back\\\\slash\\nand \"more\"\n# TYPE awkward gauge\n\
                    awkward{a=\"quo\\\"te\",b=\"new\\nline\\\\\"} 1\n";
    assert_eq!(text(&snapshot), expected);
}

#[test]
fn a_distribution_counts_what_is_not_above_each_bound() {
    let mut histogram = Histogram::default();
    for micros in [1, 2, 3, 1_000_000] {
        histogram.record(Duration::from_micros(micros));
    }
    let mut snapshot = Snapshot::default();
    snapshot.add(&families::CALL_DURATION, histogram);
    let text = text(&snapshot);
    let lines: Vec<&str> = text.lines().skip(2).collect();
    let name = "lacewing_call_duration_seconds";
    assert_eq!(lines[0], format!("{name}_bucket{{le=\"0.000002\"}} 2"));
    assert_eq!(lines[1], format!("{name}_bucket{{le=\"0.000003\"}} 3"));
    let end = [
        format!("{name}_bucket{{le=\"67.108864\"}} 4"),
        format!("{name}_bucket{{le=\"+Inf\"}} 4"),
        format!("{name}_sum 1.000006"),
        format!("{name}_count 4"),
    ];
    assert_eq!(lines[lines.len() - 4..], end);
}

#[test]
fn times_are_exact() {
    for (nanos, expected) in [(0, "0"), (1, "0.000000001"), (1_500_000_000, "1.5"), (60_000_000_000, "60")] {
        assert_eq!(seconds(Duration::from_nanos(nanos)), expected);
    }
}
