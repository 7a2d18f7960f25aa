//! Conformance scenarios on the discrete-event engine, by their numbers.

use lacewing_core::{Code, Instant};
use lacewing_sim::des::Des;
use lacewing_sim::engine::{Options, Outcome, SimEngine as _};
use lacewing_sim::history::{Entry, What};
use lacewing_sim::oracle;
use lacewing_sim::run::Run;

const NET: &str = r#"{"latency_min":"5ms","latency_max":"5ms","jitter_max":0,"bandwidth":100000000,"window":262144,"retransmit_timeout":"15s"}"#;
const PHASES: &str = r#"{"heal":"30s","fresh":"60s","quiet":"70s","end":"90s"}"#;
const REPLY: &str = r#"{"kind":"reply","after":"10ms","size":300}"#;
const NEVER: &str = r#"{"kind":"never"}"#;

fn run(seed: u64, nodes: &str, dials: &str, items: &[String]) -> Run {
    let head = format!(
        r#"{{"format":1,"wire":1,"plan":"scenario","seed":"{seed}","nodes":{nodes},"dials":{dials},"net":{NET},"phases":{PHASES},"timing":{{"backoff_max":"2s"}}}}"#
    );
    Run::parse("scenario", &format!("{head}\n{}", items.join("\n"))).unwrap_or_else(|error| panic!("{error}"))
}

fn call(t: &str, id: u64, from: usize, to: usize, size: u64, timeout: &str, handler: &str) -> String {
    format!(
        r#"{{"do":"call","t":"{t}","id":{id},"from":{from},"to":{to},"size":{size},"timeout":"{timeout}","handler":{handler}}}"#
    )
}

fn crash(t: &str, node: usize, mode: &str, down: &str) -> String {
    format!(r#"{{"do":"crash","t":"{t}","node":{node},"mode":"{mode}","down":"{down}"}}"#)
}

/// Executes a run; every oracle must be content.
fn execute(run: &Run) -> Outcome {
    let outcome = Des.execute(run, &mut Options::default());
    assert_eq!(outcome.harness_error, None);
    let violations = oracle::ask_all(run, &outcome.history);
    assert!(violations.is_empty(), "{violations:#?}\n{}", outcome.history.to_text());
    outcome
}

fn seen(outcome: &Outcome, node: usize, wanted: impl Fn(&What) -> bool) -> Vec<&Entry> {
    outcome.history.entries.iter().filter(|entry| entry.node == node && wanted(&entry.what)).collect()
}

fn outcome_of(outcome: &Outcome, wanted: u64) -> &Entry {
    let is =
        |entry: &&Entry| matches!(entry.what, What::Ok { op, .. } | What::Fail { op, .. } if op == wanted);
    outcome.history.entries.iter().find(is).expect("the oracles have seen to it that there is one")
}

fn downs(outcome: &Outcome, node: usize) -> Vec<&Entry> {
    seen(outcome, node, |what| matches!(what, What::PeerDown { .. }))
}

fn ups(outcome: &Outcome, node: usize) -> Vec<&Entry> {
    seen(outcome, node, |what| matches!(what, What::PeerUp { .. }))
}

#[test]
fn c3_a_killed_provider_fails_its_calls_as_soon_as_its_end_is_heard() {
    let items = [call("5s", 1, 0, 1, 100, "20s", NEVER), crash("6s", 1, "kill", "1s")];
    let outcome = execute(&run(3, "[{},{}]", "[[0,1]]", &items));
    let end = outcome_of(&outcome, 1);
    assert!(matches!(end.what, What::Fail { code: Code::Unavailable, maybe_executed: true, .. }), "{end:?}");
    assert_eq!(end.t, Instant::from_millis(6_005), "one latency after the kill");
}

#[test]
fn c3_a_provider_that_loses_power_fails_its_calls_within_the_detection_bound() {
    let items = [call("5s", 1, 0, 1, 100, "25s", NEVER), crash("6s", 1, "power-loss", "20s")];
    let outcome = execute(&run(3, "[{},{}]", "[[0,1]]", &items));
    let end = outcome_of(&outcome, 1);
    assert!(matches!(end.what, What::Fail { code: Code::Unavailable, maybe_executed: true, .. }), "{end:?}");
    // Nothing tells of it, so that silence must: five seconds since the last byte, and not the deadline at 30 s.
    assert!(end.t > Instant::from_millis(9_900) && end.t <= Instant::from_millis(11_005), "{end:?}");
}

#[test]
fn c12_calls_nested_back_and_forth_complete() {
    let nested = |id: u64, to: usize, inner: &str| {
        format!(r#"{{"kind":"call","id":{id},"to":{to},"size":50,"timeout":"5s","handler":{inner}}}"#)
    };
    // A -> B -> A -> B -> A.
    let handler = nested(2, 0, &nested(3, 1, &nested(4, 0, REPLY)));
    let outcome = execute(&run(12, "[{},{}]", "[[0,1]]", &[call("5s", 1, 0, 1, 50, "5s", &handler)]));
    for op in 1..=4 {
        assert!(
            matches!(outcome_of(&outcome, op).what, What::Ok { matches: true, bytes: 300, .. }),
            "op {op}"
        );
    }
    assert_eq!(
        outcome_of(&outcome, 1).t.as_millis(),
        5_000 + 4 * 10 + 10,
        "four round trips and the handler"
    );
}

#[test]
fn c14_ten_megabytes_go_and_come_back_byte_for_byte() {
    let handler = r#"{"kind":"reply","after":0,"size":10000000}"#;
    let outcome = execute(&run(14, "[{},{}]", "[[0,1]]", &[call("5s", 1, 0, 1, 10_000_000, "20s", handler)]));
    assert!(matches!(outcome_of(&outcome, 1).what, What::Ok { matches: true, bytes: 10_000_000, .. }));
}

#[test]
fn c20_payloads_of_no_byte_and_of_one_are_calls_like_any_other() {
    let tiny = |size: u64| format!(r#"{{"kind":"reply","after":0,"size":{size}}}"#);
    let items = [call("5s", 1, 0, 1, 0, "5s", &tiny(1)), call("5s", 2, 1, 0, 1, "5s", &tiny(0))];
    let outcome = execute(&run(20, "[{},{}]", "[[0,1]]", &items));
    assert!(matches!(outcome_of(&outcome, 1).what, What::Ok { matches: true, bytes: 1, .. }));
    assert!(matches!(outcome_of(&outcome, 2).what, What::Ok { matches: true, bytes: 0, .. }));
}

#[test]
fn c21_a_seed_that_starts_after_the_joiner_is_found() {
    let outcome =
        execute(&run(21, r#"[{"start":"8s"},{}]"#, "[[1,0]]", &[call("20s", 1, 1, 0, 50, "5s", REPLY)]));
    let up = ups(&outcome, 1)[0].t;
    assert!(
        up > Instant::from_millis(8_000) && up < Instant::from_millis(10_100),
        "within the longest pause: {up:?}"
    );
    assert!(matches!(outcome_of(&outcome, 1).what, What::Ok { .. }));
}

#[test]
fn c22_a_thousand_simultaneous_dials_leave_one_link_each_and_nothing_flaps() {
    let mut doubled = 0;
    for seed in 0..1_000 {
        let mut run = run(seed, "[{},{}]", "[[0,1],[1,0]]", &[]);
        run.header.phases = lacewing_sim::run::Phases {
            heal: lacewing_sim::quantity::Micros::from_millis(1_000),
            fresh: lacewing_sim::quantity::Micros::from_millis(2_000),
            quiet: lacewing_sim::quantity::Micros::from_millis(8_000),
            end: lacewing_sim::quantity::Micros::from_millis(8_000),
        };
        run.header.net.jitter_max = lacewing_sim::quantity::Micros(seed % 3 * 2_000);
        let outcome = execute(&run);
        for node in 0..2 {
            assert_eq!((ups(&outcome, node).len(), downs(&outcome, node).len()), (1, 0), "seed {seed}");
            let links = outcome
                .history
                .at_end
                .iter()
                .find(|reading| reading.node == node && reading.name == "link.links");
            assert_eq!(links.map(|reading| reading.value), Some(1), "seed {seed}");
        }
        let replaced = seen(
            &outcome,
            0,
            |what| matches!(what, What::LinkClosed { reason, .. } if reason == "superseded"),
        );
        doubled += usize::from(!replaced.is_empty());
    }
    assert!(doubled > 500, "dials did meet: {doubled}");
}

#[test]
fn c23_neighbours_with_mixed_keep_alive_intervals_do_not_flap() {
    let specs: Vec<String> = ["100ms", "400ms", "1s", "3s", "10s"]
        .iter()
        .map(|interval| format!(r#"{{"timing":{{"keepalive_interval":"{interval}"}}}}"#))
        .collect();
    let dials: Vec<String> =
        (0..5).flat_map(|one| (one + 1..5).map(move |other| format!("[{one},{other}]"))).collect();
    let outcome =
        execute(&run(23, &format!("[{}]", specs.join(",")), &format!("[{}]", dials.join(",")), &[]));
    for node in 0..5 {
        assert_eq!(ups(&outcome, node).len(), 4);
        assert_eq!(downs(&outcome, node).len(), 0);
        assert_eq!(seen(&outcome, node, |what| matches!(what, What::PeerSuspect { .. })).len(), 0);
    }
}

#[test]
fn c24_a_restart_within_the_detection_time_ends_the_old_life_and_shows_the_new_one() {
    let items = [
        call("5s", 1, 0, 1, 100, "25s", NEVER),
        crash("6s", 1, "power-loss", "500ms"),
        call("12s", 2, 0, 1, 100, "5s", REPLY),
    ];
    let outcome = execute(&run(24, "[{},{}]", "[[1,0]]", &items));
    let old = outcome_of(&outcome, 1);
    assert!(matches!(old.what, What::Fail { code: Code::Unavailable, maybe_executed: true, .. }), "{old:?}");
    assert!(
        old.t < Instant::from_millis(7_000),
        "the new life is the proof, not the silence of the old one: {old:?}"
    );
    let superseded = |what: &What| matches!(what, What::PeerDown { reason, .. } if reason == "Superseded");
    assert_eq!(seen(&outcome, 0, superseded).len(), 1);
    assert_eq!(ups(&outcome, 0).len(), 2);
    assert!(matches!(outcome_of(&outcome, 2).what, What::Ok { .. }));
}

#[test]
fn c24_a_restart_with_a_clock_that_was_set_back_adopts_a_later_life() {
    let crash = r#"{"do":"crash","t":"6s","node":1,"mode":"kill","down":"500ms","clock":"back"}"#.to_owned();
    let outcome = execute(&run(24, "[{},{}]", "[[1,0]]", &[crash, call("20s", 1, 0, 1, 100, "5s", REPLY)]));
    assert_eq!(seen(&outcome, 1, |what| matches!(what, What::Adopted)).len(), 1);
    assert!(matches!(outcome_of(&outcome, 1).what, What::Ok { .. }));
}

#[test]
fn c25_a_one_way_partition_takes_the_link_down_on_both_sides_and_it_comes_back() {
    let partition =
        r#"{"do":"partition","t":"6s","lasts":"20s","from":[0],"to":[1],"dir":"oneway"}"#.to_owned();
    let items = [
        call("5900ms", 1, 1, 0, 100, "20s", r#"{"kind":"reply","after":"1s","size":10}"#),
        partition,
        call("29s", 2, 0, 1, 100, "5s", REPLY),
    ];
    let outcome = execute(&run(25, "[{},{}]", "[[0,1]]", &items));
    // The answer is lost; node 1 hears nothing and says so, and what it says reaches node 0.
    let lost = outcome_of(&outcome, 1);
    assert!(
        matches!(lost.what, What::Fail { code: Code::Unavailable, maybe_executed: true, .. }),
        "{lost:?}"
    );
    for node in 0..2 {
        let down = downs(&outcome, node)[0].t;
        assert!(
            down > Instant::from_millis(9_900) && down < Instant::from_millis(11_100),
            "n{node} {down:?}"
        );
        assert_eq!(ups(&outcome, node).len(), 2, "up, and up again after the heal");
    }
    assert!(matches!(outcome_of(&outcome, 2).what, What::Ok { .. }));
}

#[test]
fn a_half_open_link_is_found_out_by_both_sides() {
    let half_open = r#"{"do":"half-open","t":"6s","pair":[0,1]}"#.to_owned();
    let outcome =
        execute(&run(45, "[{},{}]", "[[0,1]]", &[half_open, call("15s", 1, 1, 0, 100, "5s", REPLY)]));
    for node in 0..2 {
        assert_eq!((downs(&outcome, node).len(), ups(&outcome, node).len()), (1, 2), "n{node}");
    }
    assert!(matches!(outcome_of(&outcome, 1).what, What::Ok { .. }));
}

#[test]
fn a_stream_that_stands_still_for_a_moment_loses_nothing() {
    let stall = r#"{"do":"stall","t":"6s","lasts":"2s","pair":[0,1],"dir":"both"}"#.to_owned();
    let outcome =
        execute(&run(46, "[{},{}]", "[[0,1]]", &[stall, call("6500ms", 1, 1, 0, 100, "9s", REPLY)]));
    assert!(downs(&outcome, 0).is_empty() && downs(&outcome, 1).is_empty());
    assert!(matches!(outcome_of(&outcome, 1).what, What::Ok { .. }));
}

#[test]
fn a_clean_shutdown_is_a_goodbye_and_not_a_silence() {
    let items = [crash("6s", 1, "clean", "5s"), call("7s", 1, 0, 1, 100, "3s", REPLY)];
    let outcome = execute(&run(47, "[{},{}]", "[[0,1]]", &items));
    let graceful = |what: &What| matches!(what, What::PeerDown { reason, .. } if reason == "Graceful");
    assert_eq!(seen(&outcome, 0, graceful).len(), 1, "{}", outcome.history.to_text());
    assert!(matches!(
        outcome_of(&outcome, 1).what,
        What::Fail { code: Code::Unavailable, maybe_executed: false, .. }
    ));
}

#[test]
fn the_same_run_gives_the_same_chain_and_history_twice() {
    let plan = lacewing_sim::plan::Plan::load("smoke").unwrap();
    for seed in (0..3).map(lacewing_sim::seed::Seed) {
        let run = plan.expand(seed);
        let (one, two) =
            (Des.execute(&run, &mut Options::default()), Des.execute(&run, &mut Options::default()));
        assert_eq!((one.chain, &one.tally), (two.chain, &two.tally));
        assert_eq!(one.history.to_text(), two.history.to_text());
    }
}
