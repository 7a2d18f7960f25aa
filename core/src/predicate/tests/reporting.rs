use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use super::{parsed, set};
use crate::predicate::build::{
    all, any, equals, exists, metadata_equals, metadata_matches, numeric_at_least,
};
use crate::predicate::{Clause, DebugReport, Node, Predicate, TraceEntry};

#[test]
fn labels_are_those_of_the_specification() {
    let labels = [
        ("hardware.gpu", "Exists(hardware.gpu)"),
        ("hardware.gpu.vendor = nvidia", "Equals(hardware.gpu.vendor=nvidia)"),
        ("hardware.memory_gb >= 64", "NumericAtLeast(hardware.memory_gb >= 64)"),
        ("hardware.memory_gb <= 0.5", "NumericAtMost(hardware.memory_gb <= 0.5)"),
        ("hardware.memory_gb in 16..1e300", "NumericInRange(hardware.memory_gb in [16, 1e300])"),
        ("software.a ~= 3.10", "SemverCompatible(software.a ~= 3.10)"),
        ("software.a >= v3.10", "SemverAtLeast(software.a >= 3.10)"),
        ("software.a <= v3.10", "SemverAtMost(software.a <= 3.10)"),
        ("software.os starts_with \"lin\"", "StringPrefix(software.os starts with \"lin\")"),
        ("software.os contains \"a\\\"b\"", "StringMatches(software.os contains \"a\\\"b\")"),
        ("meta.owner", "MetadataExists(owner)"),
        ("meta.owner = alice", "MetadataEquals(owner=alice)"),
        ("meta.intent contains \"train\"", "MetadataMatches(intent contains \"train\")"),
        ("meta.priority >= -7", "MetadataNumericAtLeast(priority >= -7)"),
        ("all()", "And(0 clauses)"),
        ("meta.a or meta.b or meta.c", "Or(3 clauses)"),
        ("not meta.a", "Not"),
    ];
    for (text, label) in labels {
        assert_eq!(parsed(text).trace(&set(&[], &[])).root().label(), label, "{text}");
    }
}

#[test]
fn a_trace_shows_what_was_evaluated_in_this_order() {
    let predicate =
        parsed("hardware.memory_gb >= 64 and (hardware.gpu or hardware.npu) and not meta.draining");
    let trace = predicate.trace(&set(&["hardware.gpu"], &[]));
    let expected = concat!(
        r#"{"label":"And(3 clauses)","result":false,"children":["#,
        r#"{"label":"Not","result":true,"children":[{"label":"MetadataExists(draining)","result":false,"children":[]}]},"#,
        r#"{"label":"NumericAtLeast(hardware.memory_gb >= 64)","result":false,"children":[]}]}"#,
    );
    assert_eq!(trace.to_json().unwrap(), expected);
    let labels: Vec<&str> = trace.root().children().map(TraceEntry::label).collect();
    assert_eq!(labels, ["Not", "NumericAtLeast(hardware.memory_gb >= 64)"], "the or was not reached");
}

#[test]
fn a_shared_node_has_its_children_where_it_was_evaluated() {
    let gpu = Node::Clause(Clause::Exists { key: "hardware.gpu".parse().unwrap() });
    let nodes = vec![gpu, Node::Not(0), Node::Not(1), Node::And(vec![1, 2, 1])];
    let trace = Predicate::new(nodes, 3).unwrap().trace(&set(&[], &[]));
    let expected = concat!(
        r#"{"label":"And(3 clauses)","result":false,"children":["#,
        r#"{"label":"Not","result":true,"children":[{"label":"Exists(hardware.gpu)","result":false,"children":[]}]},"#,
        r#"{"label":"Not","result":false,"children":[{"label":"Not","result":true,"children":[]}]}]}"#,
    );
    assert_eq!(trace.to_json().unwrap(), expected, "all three cost 20, so that they stay in their order");
}

#[test]
fn a_report_counts_what_was_evaluated_and_sorts_by_label() {
    let predicate = parsed("hardware.gpu and hardware.memory_gb >= 64");
    let small = set(&["hardware.gpu", "hardware.memory_gb=8"], &[]);
    let large = set(&["hardware.gpu", "hardware.memory_gb=64"], &[]);
    let none = set(&[], &[]);
    let report = DebugReport::over(&predicate, [&small, &large, &none, &none]);
    let expected = concat!(
        r#"{"total_candidates":4,"matched":1,"clause_stats":["#,
        r#"{"label":"And(2 clauses)","evaluated":4,"matched":1},"#,
        r#"{"label":"Exists(hardware.gpu)","evaluated":4,"matched":2},"#,
        r#"{"label":"NumericAtLeast(hardware.memory_gb >= 64)","evaluated":2,"matched":1}]}"#,
    );
    assert_eq!(report.to_json(), expected);
}

#[test]
fn equal_labels_are_merged_and_what_never_ran_is_absent() {
    let predicate = parsed("(meta.a and meta.b) or (meta.a and meta.c)");
    let report = DebugReport::over(&predicate, [&set(&[], &[]), &set(&[], &[("a", "")])]);
    let stats: Vec<(&str, u64, u64)> =
        report.clause_stats.iter().map(|stats| (stats.label(), stats.evaluated, stats.matched)).collect();
    let expected = [
        ("And(2 clauses)", 4, 0),
        ("MetadataExists(a)", 4, 2),
        ("MetadataExists(b)", 1, 0),
        ("MetadataExists(c)", 1, 0),
        ("Or(2 clauses)", 2, 0),
    ];
    assert_eq!(stats, expected);
    let empty = DebugReport::over(&predicate, [] as [&crate::capability::CapabilitySet; 0]);
    assert_eq!(empty.to_json(), r#"{"total_candidates":0,"matched":0,"clause_stats":[]}"#);
    let skipped = DebugReport::over(&parsed("all() or meta.a"), [&set(&[], &[])]);
    assert_eq!(skipped.clause_stats.len(), 2);
}

#[test]
fn redaction_takes_values_out_merges_and_sorts_again() {
    let predicate = parsed(
        "meta.z or meta.owner = zoe or meta.owner = bob or meta.owner contains o or meta.owner >= 5 or meta.team = red",
    );
    let report = DebugReport::over(&predicate, [&set(&[], &[("owner", "bob")]), &set(&[], &[])]);
    let redacted = report.redacted(&["owner", "nobody"]);
    let stats: Vec<(&str, u64, u64)> =
        redacted.clause_stats.iter().map(|stats| (stats.label(), stats.evaluated, stats.matched)).collect();
    let expected = [
        ("MetadataEquals(owner=<redacted>)", 4, 1),
        ("MetadataEquals(team=red)", 1, 0),
        ("MetadataExists(z)", 2, 0),
        ("MetadataMatches(owner contains \"<redacted>\")", 1, 0),
        ("MetadataNumericAtLeast(owner >= <redacted>)", 1, 0),
        ("Or(6 clauses)", 2, 1),
    ];
    assert_eq!(stats, expected);
    assert_eq!((redacted.total_candidates, redacted.matched), (2, 1));
    assert_eq!(redacted.redacted(&["owner"]), redacted, "a second time changes nothing");
    assert_eq!(report.redacted(&[]), report);
    let trace = predicate.trace(&set(&[], &[])).redacted(&["owner", "team"]).to_json().unwrap();
    for secret in ["zoe", "bob", "red\"", "=red", ">= 5"] {
        assert!(!trace.replace("<redacted>", "").contains(secret), "{secret}: {trace}");
    }
}

/// Two clauses whose labels read the same: `a=` and `b=c`, or `a=b=` and `c`.
#[test]
fn redaction_does_not_take_one_key_for_another() {
    let predicate = any([metadata_equals("a", "b=c"), metadata_equals("a=b", "c")]).build().unwrap();
    let report = DebugReport::over(&predicate, [&set(&[], &[])]);
    let labels = |report: &DebugReport| -> Vec<alloc::string::String> {
        report.clause_stats.iter().map(|stats| stats.label().to_string()).collect()
    };
    assert_eq!(labels(&report), ["MetadataEquals(a=b=c)", "Or(2 clauses)"]);
    assert_eq!(labels(&report.redacted(&["a=b"])), ["MetadataEquals(a=b=<redacted>)", "Or(2 clauses)"]);
    assert_eq!(labels(&report.redacted(&["a"])), ["MetadataEquals(a=<redacted>)", "Or(2 clauses)"]);
    let matches = metadata_matches("a\" contains \"b", "c").build().unwrap();
    let report = DebugReport::over(&matches, [&set(&[], &[])]).redacted(&["a"]);
    assert_eq!(labels(&report), ["MetadataMatches(a\" contains \"b contains \"c\")"]);
}

#[test]
fn operators_build_what_they_read_like() {
    let json = |draft: crate::predicate::build::Draft| draft.build().unwrap();
    let a = || exists("hardware.a");
    let b = || exists("hardware.b");
    let c = || exists("hardware.c");
    for (draft, text) in [
        (a() & b() & c(), "hardware.a and hardware.b and hardware.c"),
        (a() & (b() & c()), "hardware.a and (hardware.b and hardware.c)"),
        (a() | b() & c(), "hardware.a or (hardware.b and hardware.c)"),
        (!a() | !(b() | c()), "not hardware.a or not (hardware.b or hardware.c)"),
        (!(a() & b()) & c(), "not (hardware.a and hardware.b) and hardware.c"),
        (all([a() & b()]) & c(), "all(hardware.a and hardware.b) and hardware.c"),
        (all([a(), b()]) & c(), "(hardware.a and hardware.b) and hardware.c"),
        (all([]) | any([any([])]), "all() or any(any())"),
    ] {
        assert_eq!(json(draft), parsed(text), "{text}");
    }
}

#[test]
fn a_draft_says_what_is_wrong_with_it_at_the_end() {
    let error = |draft: crate::predicate::build::Draft| draft.build().unwrap_err().to_string();
    assert!(error(exists("gpu")).starts_with("key \"gpu\": a key starts with hardware."));
    assert!(error(exists("hardware.a") & !equals("hardware.b=c", "d")).starts_with("key \"hardware.b=c\""));
    assert!(error(all([exists("x"), exists("y")]) & exists("z")).starts_with("key \"x\""));
    assert!(error(numeric_at_least("hardware.a", f64::NAN)).contains("not finite"));
    let many = (0..600).map(|_| !exists("hardware.a"));
    assert!(error(any(many)).contains("at most 1024 nodes, this one has 1201"));
    let more = (0..40_000).map(|_| !exists("hardware.a"));
    assert!(error(any(more)).contains("at most 1024 nodes"));
}
