//! The real driver on simulated sockets: small runs, each a sentence about what nodes do.

use std::collections::BTreeSet;

use lacewing_sim::engine::{Options, Outcome, SimEngine as _};
use lacewing_sim::history::{Entry, What};
use lacewing_sim::oracle;
use lacewing_sim::plan::Plan;
use lacewing_sim::quantity::Micros;
use lacewing_sim::run::Run;
use lacewing_sim::seed::Seed;
use lacewing_sim::turmoil::Turmoil;

/// A run on nodes that start at once, on a network of 2 ms to 8 ms with a little jitter.
fn run(nodes: usize, dials: &str, phases: [&str; 4], items: &[&str]) -> Run {
    let specs = vec!["{}"; nodes].join(",");
    run_of(&specs, dials, phases, items)
}

fn run_of(specs: &str, dials: &str, [heal, fresh, quiet, end]: [&str; 4], items: &[&str]) -> Run {
    let net = r#"{"latency_min":"2ms","latency_max":"8ms","jitter_max":"3ms","bandwidth":10000000,"window":131072,"retransmit_timeout":"10s"}"#;
    let phases = format!(r#"{{"heal":"{heal}","fresh":"{fresh}","quiet":"{quiet}","end":"{end}"}}"#);
    let timing =
        r#"{"keepalive_interval":"250ms","down_after":"1s","backoff_max":"1s","retire_timeout":"1s"}"#;
    let head = format!(
        r#"{{"format":1,"wire":1,"plan":"test","seed":"7","nodes":[{specs}],"dials":{dials},"net":{net},"phases":{phases},"timing":{timing}}}"#
    );
    let mut text = head;
    for item in items {
        text.push('\n');
        text.push_str(item);
    }
    Run::parse("test.jsonl", &text).unwrap_or_else(|error| panic!("{error}"))
}

fn execute(run: &Run) -> Outcome {
    Turmoil.supports(run).unwrap();
    let outcome = Turmoil.execute(run, &mut Options::default());
    assert_eq!(outcome.harness_error, None);
    let violations = oracle::ask_all(run, &outcome.history);
    assert!(violations.is_empty(), "{violations:#?}\n{}", outcome.history.to_text());
    outcome
}

fn seen<'a>(outcome: &'a Outcome, node: usize, wanted: impl Fn(&What) -> bool + 'a) -> Vec<&'a Entry> {
    outcome.history.entries.iter().filter(|entry| entry.node == node && wanted(&entry.what)).collect()
}

fn call(t: &str, id: u64, from: usize, to: usize, timeout: &str, handler: &str) -> String {
    format!(
        r#"{{"do":"call","t":"{t}","id":{id},"from":{from},"to":{to},"size":200,"timeout":"{timeout}","handler":{handler}}}"#
    )
}

const REPLY: &str = r#"{"kind":"reply","after":"10ms","size":300}"#;
const NEVER: &str = r#"{"kind":"never"}"#;
const SHORT: [&str; 4] = ["2s", "3s", "4s", "7s"];

#[test]
fn a_call_crosses_and_its_answer_comes_back() {
    let outcome = execute(&run(2, "[[0,1]]", SHORT, &[&call("1s", 1, 0, 1, "1s", REPLY)]));
    assert_eq!((outcome.tally.calls, outcome.tally.answered), (1, 1));
    let answered = seen(&outcome, 0, |what| matches!(what, What::Ok { op: 1, matches: true, bytes: 300 }));
    let executed = seen(&outcome, 1, |what| matches!(what, What::Execute { op: Some(1), .. }));
    assert_eq!((answered.len(), executed.len()), (1, 1));
}

#[test]
fn a_large_call_crosses_a_narrow_line_in_the_time_that_it_takes() {
    let item = r#"{"do":"call","t":"1s","id":1,"from":0,"to":1,"size":2000000,"timeout":"3s","handler":{"kind":"reply","after":"0s","size":12}}"#;
    let outcome = execute(&run(2, "[[0,1]]", ["5s", "6s", "7s", "10s"], &[item]));
    let answered = seen(&outcome, 0, |what| matches!(what, What::Ok { .. }));
    // 2 MB at 10 MB a second.
    let took_ms = answered[0].t.as_millis() - 1_000;
    assert!((200..600).contains(&took_ms), "{took_ms} ms");
}

#[test]
fn a_killed_provider_fails_its_calls_at_once() {
    let items = [
        call("1s", 1, 0, 1, "5s", NEVER),
        r#"{"do":"crash","t":"1.2s","node":1,"mode":"kill","down":"500ms"}"#.to_owned(),
    ];
    let outcome =
        execute(&run(2, "[[0,1]]", ["2s", "6s", "7s", "11s"], &items.each_ref().map(String::as_str)));
    let failed = seen(&outcome, 0, |what| matches!(what, What::Fail { op: 1, maybe_executed: true, .. }));
    assert!(failed[0].t.as_millis() < 1_300, "{:?}", failed[0]);
}

#[test]
fn a_provider_without_power_fails_its_calls_when_it_is_missed() {
    let items = [
        call("1s", 1, 0, 1, "5s", NEVER),
        r#"{"do":"crash","t":"1.2s","node":1,"mode":"power-loss","down":"3s"}"#.to_owned(),
    ];
    let outcome =
        execute(&run(2, "[[0,1]]", ["5s", "9s", "10s", "14s"], &items.each_ref().map(String::as_str)));
    let failed = seen(&outcome, 0, |what| matches!(what, What::Fail { op: 1, maybe_executed: true, .. }));
    let failed_ms = failed[0].t.as_millis();
    assert!(
        (2_000..3_000).contains(&failed_ms),
        "down after 5 missed keep-alives of 250 ms, not at {failed_ms} ms"
    );
    assert_eq!(outcome.history.peers_at_fresh[&0], [1]);
}

#[test]
fn a_node_that_starts_after_those_that_dial_it_is_found() {
    let specs = r#"{"start":"3s"},{},{}"#;
    let phases = ["4s", "6s", "7s", "10s"];
    let outcome = execute(&run_of(specs, "[[1,0],[2,0]]", phases, &[&call("6s", 1, 1, 0, "1s", REPLY)]));
    assert_eq!(outcome.history.peers_at_fresh[&0], [1, 2]);
    assert_eq!(outcome.tally.answered, 1);
}

#[test]
fn two_nodes_that_dial_each_other_at_once_keep_one_link() {
    let outcome = execute(&run(2, "[[0,1],[1,0]]", SHORT, &[&call("1s", 1, 0, 1, "1s", REPLY)]));
    for node in [0, 1] {
        assert_eq!(seen(&outcome, node, |what| matches!(what, What::PeerUp { .. })).len(), 1);
        assert_eq!(seen(&outcome, node, |what| matches!(what, What::PeerDown { .. })).len(), 0);
        let links = outcome
            .history
            .at_end
            .iter()
            .find(|reading| reading.node == node && reading.name == "link.links");
        assert_eq!(links.map(|reading| reading.value), Some(1), "{:?}", outcome.history.at_end);
    }
}

#[test]
fn a_restarted_node_is_recognised_before_its_old_life_was_missed() {
    let items = [
        call("1s", 1, 0, 1, "5s", NEVER),
        r#"{"do":"crash","t":"1.2s","node":1,"mode":"power-loss","down":"100ms"}"#.to_owned(),
        call("2.5s", 2, 1, 0, "1s", REPLY),
    ];
    let outcome =
        execute(&run(2, "[[1,0]]", ["3s", "7s", "8s", "12s"], &items.each_ref().map(String::as_str)));
    let downs = seen(&outcome, 0, |what| matches!(what, What::PeerDown { peer: Some(1), .. }));
    assert_eq!(downs.len(), 1);
    assert!(
        downs[0].t.as_millis() < 2_200,
        "the new life replaces the old one, instead of waiting for it to be missed"
    );
    let ups = seen(&outcome, 0, |what| matches!(what, What::PeerUp { peer: Some(1) }));
    assert_eq!(ups.len(), 2);
    assert_eq!(outcome.tally.answered, 1);
}

#[test]
fn a_node_that_is_heard_but_hears_nothing_is_found_out() {
    let partition = r#"{"do":"partition","t":"1s","lasts":"4s","from":[0],"to":[1],"dir":"oneway"}"#;
    let items = [partition.to_owned(), call("9s", 1, 0, 1, "1s", REPLY)];
    let outcome =
        execute(&run(2, "[[0,1]]", ["5s", "9s", "10s", "14s"], &items.each_ref().map(String::as_str)));
    let down = seen(&outcome, 1, |what| matches!(what, What::PeerDown { peer: Some(0), .. }));
    assert!((2_000..3_000).contains(&down[0].t.as_millis()), "{:?}", down[0]);
    assert_eq!(seen(&outcome, 0, |what| matches!(what, What::PeerDown { peer: Some(1), .. })).len(), 1);
    assert_eq!(outcome.tally.answered, 1);
}

#[test]
fn a_dropped_call_tells_its_handler() {
    let items = [call("1s", 1, 0, 1, "5s", NEVER), r#"{"do":"cancel","t":"1.5s","id":1}"#.to_owned()];
    let outcome = execute(&run(2, "[[0,1]]", SHORT, &items.each_ref().map(String::as_str)));
    let told = seen(&outcome, 1, |what| matches!(what, What::Withdrawn { op: 1 }));
    assert!((1_500..1_520).contains(&told[0].t.as_millis()), "{:?}", told[0]);
}

#[test]
fn a_node_that_shuts_down_finishes_what_it_has() {
    let slow = r#"{"kind":"reply","after":"400ms","size":300}"#;
    let items = [
        call("1s", 1, 0, 1, "5s", slow),
        r#"{"do":"crash","t":"1.2s","node":1,"mode":"clean","down":"2s"}"#.to_owned(),
    ];
    let outcome =
        execute(&run(2, "[[0,1]]", ["4s", "8s", "9s", "13s"], &items.each_ref().map(String::as_str)));
    assert_eq!(outcome.tally.answered, 1);
    let gone = seen(&outcome, 1, |what| matches!(what, What::Gone { clean: true }));
    assert!((1_400..1_700).contains(&gone[0].t.as_millis()), "{:?}", gone[0]);
}

#[test]
fn a_reset_is_noticed_at_once_and_a_half_open_stream_when_it_is_missed() {
    let items = [
        r#"{"do":"reset","t":"1s","pair":[0,1]}"#.to_owned(),
        r#"{"do":"half-open","t":"4s","pair":[0,1]}"#.to_owned(),
        call("9s", 1, 0, 1, "1s", REPLY),
    ];
    let outcome =
        execute(&run(2, "[[0,1]]", ["5s", "9s", "10s", "14s"], &items.each_ref().map(String::as_str)));
    for node in [0, 1] {
        let downs = seen(&outcome, node, |what| matches!(what, What::PeerDown { .. }));
        let at_ms: Vec<u64> = downs.iter().map(|entry| entry.t.as_millis()).collect();
        assert!(matches!(at_ms[..], [1_000..1_010, 5_000..6_000]), "{at_ms:?}");
    }
    assert_eq!(outcome.tally.faults.values().sum::<u64>(), 2);
}

#[test]
fn what_cannot_be_done_is_refused_by_name() {
    let pause = run(2, "[[0,1]]", SHORT, &[r#"{"do":"pause","t":"1s","lasts":"1s","node":0}"#]);
    let error = Turmoil.supports(&pause).unwrap_err().to_string();
    assert!(error.contains("turmoil") && error.contains("pause at 1s") && error.contains("des"), "{error}");
    let crowd = run(17, "[[0,1]]", SHORT, &[]);
    assert!(Turmoil.supports(&crowd).unwrap_err().to_string().contains("17 nodes"));
}

#[test]
fn the_same_run_gives_the_same_chain_and_another_seed_another() {
    let plan = Plan::load("smoke").unwrap();
    let mut supported = (0..).map(|seed| plan.expand(Seed(seed))).filter(|run| Turmoil.supports(run).is_ok());
    let (one, other) = (supported.next().unwrap(), supported.next().unwrap());
    let chain = |run: &Run| Turmoil.execute(run, &mut Options::default()).chain;
    assert_eq!(chain(&one).first_difference(&chain(&one)), None);
    assert_ne!(chain(&one).last(), chain(&other).last());
}

#[test]
fn a_draw_that_no_seed_decides_shows_in_the_chain() {
    let plan = Plan::load("smoke").unwrap();
    let mut supported = (0..).map(|seed| plan.expand(Seed(seed))).filter(|run| Turmoil.supports(run).is_ok());
    let run = supported.find(|run| run.header.nodes.len() > 3).unwrap();
    let until = Some(Micros::from_millis(4_000));
    for leak in ["harness:futures-select", "harness:hashmap-iteration", "harness:thread-random"] {
        let last = |_| {
            let mut options = Options { inject: Some(leak.to_owned()), until, ..Options::default() };
            Turmoil.execute(&run, &mut options).chain.last().to_owned()
        };
        let chains: BTreeSet<String> = (0..8).map(last).collect();
        assert!(chains.len() > 1, "{leak} changes nothing");
    }
}
