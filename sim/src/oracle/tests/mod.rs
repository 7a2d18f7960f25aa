//! Every oracle is shown a history in which its promise is kept, and one in which it is broken.

mod access;
mod mesh;
mod policies;
mod streams;
mod topics;

use lacewing_core::{Code, Instant};

use super::{ALL, ask_all};
use crate::history::{History, Reading, What};
use crate::run::Run;

const HEADER: &str = r#"{"format":2,"wire":1,"plan":"test","seed":"7","nodes":[{},{}],"dials":[[0,1]],"net":{"latency_min":"1ms","latency_max":"2ms","jitter_max":0,"bandwidth":1000000,"window":1000,"retransmit_timeout":"9s"},"phases":{"heal":"10s","fresh":"20s","quiet":"30s","end":"40s"}}"#;
/// Op 1: node 0 calls node 1, which answers with 10 bytes; one second. Op 2: the action does not exist. Op 3: in the fresh phase.
const CALLS: &str = r#"{"do":"call","t":"1s","id":1,"from":0,"to":1,"size":20,"timeout":"1s","handler":{"kind":"reply","after":0,"size":10}}
{"do":"call","t":"1s","id":2,"from":0,"to":1,"action":"unknown","size":20,"timeout":"1s","handler":{"kind":"never"}}
{"do":"call","t":"20s","id":3,"from":0,"to":1,"size":20,"timeout":"1s","handler":{"kind":"reply","after":0,"size":10}}"#;
const PAUSE: &str = r#"{"do":"pause","t":"1500ms","lasts":"1s","node":0}"#;

/// A history that is written down by hand.
struct Story {
    run: Run,
    history: History,
}

impl Story {
    fn with(items: &str) -> Self {
        let mut story = Self::of(HEADER, items);
        story.history.peers_at_fresh.extend([(0, vec![1]), (1, vec![0])]);
        story
    }

    /// A run of these items, whatever their order, of which nothing has been seen.
    fn of(header: &str, items: &str) -> Self {
        let mut lines: Vec<&str> = items.lines().collect();
        lines.sort_by_key(|line| {
            let run = Run::parse("test", &format!("{header}\n{line}")).unwrap();
            run.items[0].at()
        });
        let run = Run::parse("test", &format!("{header}\n{}", lines.join("\n"))).unwrap();
        Self { run, history: History::default() }
    }

    /// The three calls as they should go.
    fn good() -> Self {
        Self::with(CALLS).starts().call_one().call_two().call_three()
    }

    fn at(mut self, millis: u64, node: usize, what: What) -> Self {
        self.history.push(Instant::from_millis(millis), node, what);
        self
    }

    fn starts(self) -> Self {
        self.at(0, 0, What::Started { life: 0 })
            .at(0, 1, What::Started { life: 0 })
            .at(10, 0, What::PeerUp { peer: Some(1) })
            .at(10, 1, What::PeerUp { peer: Some(0) })
    }

    fn call_one(self) -> Self {
        self.at(1_000, 0, What::Invoke { op: 1 })
            .at(1_002, 1, runs(1))
            .at(1_002, 1, What::Answer { op: 1 })
            .at(1_004, 0, ok(1))
    }

    fn call_two(self) -> Self {
        self.at(1_100, 0, What::Invoke { op: 2 }).at(1_104, 0, fail(2, Code::NotFound, false))
    }

    fn call_three(self) -> Self {
        self.at(20_000, 0, What::Invoke { op: 3 })
            .at(20_002, 1, runs(3))
            .at(20_002, 1, What::Answer { op: 3 })
            .at(20_004, 0, ok(3))
    }

    /// The names of the oracles that speak, each once.
    fn upsets(&self) -> Vec<String> {
        let mut names: Vec<String> =
            ask_all(&self.run, &self.history).into_iter().map(|violation| violation.oracle).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    #[track_caller]
    fn upsets_only(self, oracle: &str) {
        assert_eq!(self.upsets(), [oracle]);
    }
}

fn runs(op: u64) -> What {
    What::Execute { op: Some(op), matches: true, caller_matches: true }
}

fn ok(op: u64) -> What {
    What::Ok { op, matches: true, bytes: 10 }
}

fn fail(op: u64, code: Code, maybe_executed: bool) -> What {
    What::Fail { op, code, number: code.number(), maybe_executed }
}

fn down() -> What {
    What::PeerDown { peer: Some(1), reason: "ConnectionClosed".to_owned() }
}

fn reading(name: &'static str, value: usize) -> Reading {
    Reading { t: Instant::from_millis(40_000), node: 0, name, value, cap: 5, zero_when_quiet: true }
}

#[test]
fn a_history_in_which_all_went_well_upsets_nobody() {
    assert_eq!(Story::good().upsets(), Vec::<String>::new());
}

#[test]
fn silence_is_no_outcome() {
    let story = Story::with(CALLS).starts().at(1_000, 0, What::Invoke { op: 1 }).call_three();
    story.upsets_only("exactly-one-outcome");
}

#[test]
fn two_outcomes_are_one_too_many() {
    Story::good().at(1_005, 0, ok(1)).upsets_only("exactly-one-outcome");
}

#[test]
fn an_outcome_is_unknown_only_where_the_caller_died() {
    let begun = || {
        Story::with(CALLS).starts().at(1_000, 0, What::Invoke { op: 1 }).at(1_100, 0, What::Unknown { op: 1 })
    };
    let end = |clean| begun().at(1_100, 0, What::Gone { clean }).call_three();
    assert_eq!(end(false).upsets(), Vec::<String>::new());
    end(true).upsets_only("exactly-one-outcome");
}

#[test]
fn a_handler_that_runs_twice_is_seen() {
    Story::good().at(1_003, 1, runs(1)).upsets_only("handler-at-most-once");
}

#[test]
fn a_promise_that_nothing_was_executed_is_held_against_what_came_before_and_after() {
    let early = Story::with(CALLS).starts().at(1_000, 0, What::Invoke { op: 1 }).at(1_001, 1, runs(1));
    let early = early.at(1_004, 0, fail(1, Code::DeadlineExceeded, false)).call_three();
    early.upsets_only("no-execution-denied");
    let late = Story::with(CALLS).starts().at(1_000, 0, What::Invoke { op: 1 });
    let late = late.at(1_004, 0, fail(1, Code::DeadlineExceeded, false)).at(1_009, 1, runs(1)).call_three();
    late.upsets_only("no-execution-denied");
}

#[test]
fn an_answer_of_another_call_is_seen() {
    let story = Story::with(CALLS).starts().at(1_000, 0, What::Invoke { op: 1 }).at(1_002, 1, runs(1));
    let story = story.at(1_004, 0, What::Ok { op: 1, matches: false, bytes: 10 }).call_three();
    story.upsets_only("reply-matches-request");
}

#[test]
fn an_answer_without_a_handler_is_seen() {
    let story =
        Story::with(CALLS).starts().at(1_000, 0, What::Invoke { op: 1 }).at(1_004, 0, ok(1)).call_three();
    story.upsets_only("reply-matches-request");
}

#[test]
fn arguments_callers_and_places_that_do_not_fit_are_seen() {
    for (node, matches, caller_matches) in [(1, false, true), (1, true, false), (0, true, true)] {
        let story = Story::with(CALLS).starts().at(1_000, 0, What::Invoke { op: 1 });
        let story = story.at(1_002, node, What::Execute { op: Some(1), matches, caller_matches });
        story.at(1_004, 0, ok(1)).call_three().upsets_only("reply-matches-request");
    }
    let phantom = What::Execute { op: None, matches: false, caller_matches: false };
    Story::good().at(2_000, 1, phantom).upsets_only("reply-matches-request");
}

#[test]
fn an_application_code_that_no_handler_gave_is_seen() {
    let story = Story::with(CALLS).starts().at(1_000, 0, What::Invoke { op: 1 }).at(1_002, 1, runs(1));
    let story = story.at(1_004, 0, fail(1, Code::Application(0x8001), true)).call_three();
    story.upsets_only("reply-matches-request");
}

#[test]
fn an_outcome_after_the_deadline_is_late_unless_the_caller_stood_still() {
    let late = |items: &str| Story::with(items).starts().at(1_000, 0, What::Invoke { op: 1 });
    let story = late(CALLS).at(2_001, 0, fail(1, Code::DeadlineExceeded, true)).call_three();
    story.upsets_only("outcome-in-time");
    let paused = || late(&format!("{CALLS}\n{PAUSE}")).at(1_500, 0, What::Paused).at(2_500, 0, What::Resumed);
    let story = paused().at(2_500, 0, fail(1, Code::DeadlineExceeded, true)).call_three();
    assert_eq!(story.upsets(), Vec::<String>::new());
    let story = paused().at(2_501, 0, fail(1, Code::DeadlineExceeded, true)).call_three();
    story.upsets_only("outcome-in-time");
}

#[test]
fn what_is_left_in_a_table_is_a_leak() {
    let mut story = Story::good();
    story.history.at_end.push(reading("delivery.calls", 0));
    assert_eq!(story.upsets(), Vec::<String>::new());
    story.history.at_end.push(reading("delivery.calls", 1));
    story.upsets_only("tables-empty-when-quiet");
}

#[test]
fn a_queue_over_its_cap_is_seen() {
    let mut story = Story::good();
    story.history.over_cap.push(reading("delivery.calls", 6));
    story.upsets_only("queues-within-caps");
}

#[test]
fn a_link_that_one_side_lacks_has_not_come_back() {
    let mut story = Story::good();
    story.history.peers_at_fresh.insert(1, vec![]);
    story.upsets_only("links-come-back");
}

#[test]
fn a_fresh_call_that_fails_is_seen() {
    let story = Story::with(CALLS).starts().call_one().at(20_000, 0, What::Invoke { op: 3 });
    story.at(20_900, 0, fail(3, Code::DeadlineExceeded, false)).upsets_only("fresh-calls-succeed");
    Story::with(CALLS).starts().call_one().upsets_only("fresh-calls-succeed");
}

#[test]
fn a_neighbour_that_goes_down_needs_a_cause() {
    Story::good().at(21_000, 0, down()).upsets_only("no-down-without-cause");
    Story::good().at(21_000, 0, What::PeerSuspect { peer: Some(1) }).upsets_only("no-down-without-cause");
    let story = Story::with(&format!("{CALLS}\n{PAUSE}")).starts().call_one().call_two().call_three();
    assert_eq!(story.at(21_000, 0, down()).upsets(), Vec::<String>::new());
}

#[test]
fn a_call_that_fails_needs_a_cause() {
    let fails = |code| {
        Story::with(CALLS)
            .starts()
            .at(1_000, 0, What::Invoke { op: 1 })
            .at(1_004, 0, fail(1, code, true))
            .call_three()
    };
    fails(Code::Unavailable).upsets_only("no-failure-without-cause");
    fails(Code::NotFound).upsets_only("no-failure-without-cause");
    assert_eq!(fails(Code::ResourceExhausted).upsets(), Vec::<String>::new());
}

#[test]
fn neighbours_come_up_and_go_down_in_turn() {
    Story::good().at(21_000, 0, What::PeerUp { peer: Some(1) }).upsets_only("peers-alternate");
    Story::good().at(21_000, 0, What::PeerUp { peer: None }).upsets_only("peers-alternate");
    let paused = Story::with(&format!("{CALLS}\n{PAUSE}")).starts().call_one().call_three();
    paused.at(21_000, 0, down()).at(21_001, 0, down()).upsets_only("peers-alternate");
}

#[test]
fn a_call_that_waits_for_a_lost_neighbour_is_seen() {
    let story = |runs_at| {
        let story = Story::with(&format!("{CALLS}\n{PAUSE}")).starts().at(1_000, 0, What::Invoke { op: 1 });
        let mut story = if runs_at < 1_800 {
            story.at(runs_at, 1, runs(1)).at(1_800, 0, down())
        } else {
            story.at(1_800, 0, down()).at(runs_at, 1, runs(1))
        };
        story =
            story.at(1_900, 0, fail(1, Code::Unavailable, true)).at(1_950, 0, What::PeerUp { peer: Some(1) });
        story.call_three()
    };
    story(1_002).upsets_only("calls-fail-with-their-peer");
    // One that came too late for the link has found another way.
    assert_eq!(story(1_850).upsets(), Vec::<String>::new());
}

#[test]
fn a_handler_that_works_for_nobody_is_seen() {
    let story = |told: u64| {
        let story = Story::with(CALLS).starts().at(1_000, 0, What::Invoke { op: 1 }).at(1_002, 1, runs(1));
        let story = story.at(1_010, 0, What::Cancel { op: 1 }).at(1_010, 0, fail(1, Code::Cancelled, true));
        story.at(told, 1, What::Withdrawn { op: 1 }).call_three()
    };
    assert_eq!(story(1_020).upsets(), Vec::<String>::new());
    story(1_990).upsets_only("cancel-reaches-handler");
}

#[test]
fn a_goodbye_that_is_not_heard_is_seen() {
    let clean = r#"{"do":"crash","t":"5s","node":1,"mode":"clean","down":"1s"}"#;
    let story = |reason: &str| {
        let story = Story::with(&format!("{CALLS}\n{clean}")).starts().call_one();
        let story = story.at(5_000, 1, What::Gone { clean: true }).at(6_000, 1, What::Started { life: 1 });
        let story = story.at(5_002, 0, What::PeerDown { peer: Some(1), reason: reason.to_owned() });
        story.at(6_010, 0, What::PeerUp { peer: Some(1) }).call_three()
    };
    assert_eq!(story("Graceful").upsets(), Vec::<String>::new());
    story("ConnectionClosed").upsets_only("goodbye-is-heard");
}

#[test]
fn a_shutdown_that_hangs_is_seen() {
    Story::good().at(30_000, 1, What::StopOverdue).upsets_only("shutdown-ends");
}

#[test]
fn oracles_have_names_of_their_own_in_order() {
    assert!(ALL.is_sorted_by(|one, other| one.name < other.name));
}
