//! The benchmark runs, says what it has to say, and refuses what it cannot do.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn bench(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lacewing-bench")).args(args).output().unwrap()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs quickly with these arguments and gives table and JSON.
fn quick(args: &[&str]) -> (String, Value) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("not/yet/there.json");
    let output = bench(&[&["--quick", "--out", path.to_str().unwrap()], args].concat());
    assert!(output.status.success(), "{}", errors(&output));
    (String::from_utf8(output.stdout).unwrap(), read(&path))
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

const METRICS: [&str; 5] = [
    "one_in_flight_p50_us",
    "one_in_flight_p99_us",
    "many_in_flight_calls_per_s",
    "many_in_flight_client_cpu_s_per_million",
    "many_in_flight_server_cpu_s_per_million",
];

/// Every metric of a column was measured: nothing takes no time.
fn assert_measured(column: &Value) {
    for metric in METRICS {
        let [min, median, max] = ["min", "median", "max"].map(|part| column[metric][part].as_f64().unwrap());
        assert!(0.0 < min && min <= median && median <= max, "{metric} of {column}");
    }
}

#[test]
fn a_quick_run_measures_every_contender_and_their_ratios() {
    let (table, json) = quick(&[]);
    assert!(table.contains("Lacewing call") && table.contains("64 in flight: calls/s"), "{table}");
    let names: Vec<_> = json["contenders"].as_array().unwrap().iter().map(|column| &column["name"]).collect();
    assert_eq!(names, ["blocking", "framed", "call"]);
    json["contenders"].as_array().unwrap().iter().for_each(assert_measured);
    assert_eq!(json["ratios_of_call_to"].as_array().unwrap().len(), 2);
    json["ratios_of_call_to"].as_array().unwrap().iter().for_each(assert_measured);
    assert_eq!(json["settings"]["payload_bytes"], 64);
    assert_eq!(json["settings"]["runtime"], "current-thread");
    assert!(json["environment"]["rustc"].as_str().unwrap().starts_with("rustc "));
    assert!(table.contains("50000 nodes"), "{table}");
    assert_questions_answered(&json);
}

/// Every question was put to every mesh.
fn assert_questions_answered(json: &Value) {
    let columns = json["directory"].as_array().unwrap();
    let nodes: Vec<_> = columns.iter().map(|column| column["nodes"].as_u64().unwrap()).collect();
    assert_eq!(nodes, [1_000, 10_000, 50_000]);
    for column in columns {
        let metrics: Vec<_> =
            column.as_object().unwrap().iter().filter(|(name, _)| *name != "nodes").collect();
        assert_eq!(metrics.len(), 13);
        for (name, spread) in metrics {
            let [min, median, max] = ["min", "median", "max"].map(|part| spread[part].as_f64().unwrap());
            assert!(0.0 < min && min <= median && median <= max, "{name} of {nodes:?}");
        }
    }
    // Whether goals are met is not for a test to say; that they were judged is.
    assert_eq!(json["goals"]["two_broad_tags_ns_per_node"]["nodes"], 10_000);
    assert_eq!(json["goals"].as_object().unwrap().len(), 7);
}

#[test]
fn a_part_can_be_measured_alone() {
    let (table, json) = quick(&["--only", "directory"]);
    assert!(!table.contains("in flight"), "{table}");
    assert_eq!(json["contenders"].as_array().unwrap().len(), 0);
    assert_questions_answered(&json);
    let (table, json) = quick(&["--only", "calls"]);
    assert!(!table.contains("nodes"), "{table}");
    assert_eq!(json["directory"].as_array().unwrap().len(), 0);
    assert_eq!(json["goals"].as_object().unwrap().len(), 0);
}

const LOADS: [&str; 10] = [
    "raw_stream_mib_per_s",
    "stream_mib_per_s",
    "stream_to_raw",
    "relayed_stream_mib_per_s",
    "relayed_stream_to_raw",
    "open_calls_per_s",
    "links_per_s",
    "calls_over_links_per_s",
    // Only where the system tells it.
    "stream_memory_above_idle_mib",
    "relayed_stream_memory_above_idle_mib",
];

#[test]
fn loads_are_borne_with_little_memory() {
    let (table, json) = quick(&["--only", "load"]);
    assert!(table.contains("32 MiB as a stream through a relay"), "{table}");
    let measured = if cfg!(target_os = "linux") { &LOADS[..] } else { &LOADS[..8] };
    for load in measured {
        assert!(json["load"][load]["median"].as_f64().unwrap() > 0.0, "{load} of {json}");
    }
    // Memory is no matter of the machine, so that its goal is one that is kept.
    for goal in &measured[8..] {
        assert_eq!(json["goals"][goal]["met"], true, "{table}");
    }
}

#[test]
fn a_station_that_is_told_nonsense_ends_with_code_1() {
    let mut station = Command::new(env!("CARGO_BIN_EXE_lacewing-bench"));
    let mut station = station
        .arg("station")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(station.stdin.take().unwrap(), "dance").unwrap();
    let output = station.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains("`dance`"), "{}", errors(&output));
}

/// The testbed that is not built for this.
const STAND_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stand-in/simulator.sh");

#[test]
fn convergence_is_what_the_testbed_says_next_to_its_goals() {
    let (table, json) = quick(&["--only", "convergence", "--simulator", STAND_IN]);
    assert!(table.contains("200 nodes") && !table.contains("10000 nodes"), "{table}");
    assert_eq!(json["convergence"][1]["links"], 400);
    let verdicts = ["change_in_diameters", "idle_bytes_per_link_per_s"].map(|name| &json["goals"][name]);
    assert_eq!(verdicts.map(|verdict| verdict["met"].as_bool()), [Some(true), Some(false)]);
    assert_eq!(verdicts.map(|verdict| verdict["nodes"].as_u64()), [Some(200), Some(200)]);
    assert!(table.contains("missed, 1.50 of it"), "{table}");
}

#[test]
fn a_testbed_that_gives_no_figures_is_a_failure_with_code_1() {
    for (simulator, complaint) in
        [("false", "exit status"), ("echo", "running echo"), ("/not/there", "running")]
    {
        let output = bench(&["--quick", "--only", "convergence", "--simulator", simulator]);
        assert_eq!(output.status.code(), Some(1), "{simulator}");
        assert!(errors(&output).contains(complaint), "{}", errors(&output));
    }
}

#[test]
fn other_payloads_and_several_threads_can_be_asked_for() {
    let (_, json) = quick(&["--payload", "1024", "--multi-thread", "--only", "calls"]);
    assert_eq!(json["settings"]["payload_bytes"], 1_024);
    assert_eq!(json["settings"]["runtime"], "multi-thread");
    json["contenders"].as_array().unwrap().iter().for_each(assert_measured);
}

#[test]
fn a_command_line_that_cannot_be_followed_is_refused_with_code_2() {
    for args in [
        &["--payload", "0"][..],
        &["--payload", "70000"],
        &["--seconds", "0"],
        &["--quick", "--seconds", "3"],
        &["--fast"],
        &["--only", "nothing"],
        &["--only", "convergence"],
        &["serve", "nothing"],
    ] {
        let output = bench(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", errors(&output));
    }
}

#[test]
fn a_file_that_cannot_be_written_is_a_failure_with_code_1() {
    let folder = tempfile::tempdir().unwrap();
    let output = bench(&["--quick", "--only", "calls", "--out", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains("writing"), "{}", errors(&output));
}

#[test]
fn a_server_ends_when_its_standard_input_closes() {
    // `output` gives the process an empty standard input.
    for contender in ["blocking", "framed", "call"] {
        let output = bench(&["serve", contender]);
        assert!(output.status.success(), "{}", errors(&output));
        let addr: std::net::SocketAddr = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
        assert!(addr.ip().is_loopback());
    }
}
