//! The program as people and scripts use it: exit codes, one-line errors, artefacts.

use std::process::{Command, Output};

fn sim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lacewing-sim")).args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn refused(arguments: &[&str], what: &str) {
    let output = sim(arguments);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains(what), "{text}");
}

#[test]
fn a_sweep_that_holds_ends_with_0_and_says_what_it_did() {
    let output = sim(&["run", "--plan", "quiet", "--seeds", "3..7", "--engine", "des", "--jobs", "2"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("executed 4/4") && text.ends_with("verdict: ok\n"), "{text}");
}

#[test]
fn the_number_of_jobs_changes_nothing_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("brief.toml");
    let text = "[plan]\nname = \"brief\"\nabout = \"two nodes\"\nnodes = 2\nduration = \"1s\"\ntopology = [\"full\"]\n";
    std::fs::write(&plan, text).unwrap();
    // More seeds than one process is given.
    let run = |jobs| {
        let arguments =
            ["run", "--plan", plan.to_str().unwrap(), "--seeds", "0..50", "--engine", "des", "--jobs", jobs];
        stdout(&sim(&arguments))
    };
    let one = run("1");
    assert!(one.contains("executed 50/50"), "{one}");
    assert_eq!(one, run("3"));
}

#[test]
fn wrong_command_lines_end_with_3_and_name_what_there_is() {
    refused(&["run", "--plan", "smok"], "smoke");
    refused(&["run", "--engine", "dse"], "des");
    refused(&["run", "--seeds", "9..3"], "100..200");
    refused(&["run", "--seed", "xyz"], "0x");
    refused(&["replay", "17"], "SEED@PLAN");
    refused(&["fly"], "fly");
}

#[test]
fn a_run_with_an_unknown_field_ends_with_3_and_names_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.jsonl");
    let saved = sim(&["replay", "5@quiet", "--save", file.to_str().unwrap()]);
    assert_eq!(saved.status.code(), Some(0));
    let text = std::fs::read_to_string(&file).unwrap();
    let second = text.lines().nth(1).unwrap();
    std::fs::write(&file, text.replacen(second, &second.replacen("\"t\"", "\"when\"", 1), 1)).unwrap();
    refused(&["replay", file.to_str().unwrap()], "run.jsonl:2: unknown field `when`");
}

#[test]
fn a_saved_run_replays_to_the_same_chain_as_its_seed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.jsonl");
    let one = stdout(&sim(&["replay", "5@quiet", "--save", file.to_str().unwrap()]));
    assert_eq!(one, stdout(&sim(&["replay", file.to_str().unwrap()])));
}

#[test]
fn a_replay_that_stops_early_gives_no_verdict_and_its_trace_goes_no_further() {
    let output = sim(&["replay", "5@quiet", "--until", "2s", "--trace", "full"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("no verdict"));
    let trace = String::from_utf8(output.stderr).unwrap();
    assert!(trace.contains("[t=1.") && !trace.contains("[t=2.1"), "{trace}");
}

#[test]
fn meta_finds_the_same_seeds_the_same() {
    let output = sim(&["meta", "--plan", "quiet", "--seeds", "2", "--seed", "1", "--engine", "des"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).ends_with("verdict: deterministic\n"));
}

#[test]
fn the_list_shows_plans_oracles_and_faults() {
    let text = stdout(&sim(&["list"]));
    for name in ["smoke", "quiet", "handler-at-most-once", "half-open"] {
        assert!(text.contains(name), "{name}: {text}");
    }
}

#[cfg(not(lacewing_inject))]
#[test]
fn a_build_without_bugs_says_how_to_get_one_that_has_them() {
    refused(&["run", "--inject", "outcome-lost"], "cargo xtask sim");
    assert!(stdout(&sim(&["list", "--bugs"])).contains("none in this build"));
}
