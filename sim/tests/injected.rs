//! With bugs switched on. Only simulation builds hold any: `RUSTFLAGS="--cfg tokio_unstable --cfg lacewing_inject"`.
#![cfg(lacewing_inject)]

use std::process::{Command, Output};

fn sim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lacewing-sim")).args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn every_bug_of_core_and_driver_is_noticed() {
    let output = sim(&["prove"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
}

#[test]
fn a_failure_is_reported_in_15_lines_and_replays_from_its_artefacts() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let found = sim(&[
        "run",
        "--plan",
        "quiet",
        "--engine",
        "des",
        "--seeds",
        "0..20",
        "--inject",
        "outcome-lost",
        "--out",
        out,
    ]);
    let text = stdout(&found);
    assert_eq!(found.status.code(), Some(1), "{text}");
    assert!(text.contains("exactly-one-outcome") && text.lines().count() <= 15, "{text}");
    let command =
        text.lines().find_map(|line| line.trim().strip_prefix("REPRODUCE: cargo xtask sim ")).unwrap();
    let again = sim(&command.split(' ').collect::<Vec<_>>());
    assert_eq!(again.status.code(), Some(1));
    assert!(stdout(&again).contains("REPRODUCED"), "{}", stdout(&again));
}

#[test]
fn meta_notices_what_no_seed_decides() {
    for leak in ["harness:hashmap-iteration", "harness:thread-random"] {
        let output = sim(&["meta", "--seeds", "3", "--seed", "1", "--engine", "des", "--inject", leak]);
        let text = stdout(&output);
        assert_eq!(output.status.code(), Some(5), "{leak}: {text}");
        assert!(text.contains("parts in events") && text.contains("second:"), "{text}");
    }
}

#[test]
fn a_bug_that_does_not_exist_is_refused_with_those_that_do() {
    let output = sim(&["run", "--inject", "no-such-bug"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8(output.stderr).unwrap().contains("outcome-lost"));
}
