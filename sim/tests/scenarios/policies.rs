//! What calls ask for besides being made once: that they are tried again, put to others, held back, or put to everybody.

use lacewing_core::{Code, Instant};
use lacewing_sim::history::What;

use crate::stage::{
    HOP, NEVER, REPLY, Scene, Stage, assert_within, crash, ms, on_both, pool_call, publish, serve, subscribe,
};

fn works(span: &str) -> String {
    format!(r#"{{"kind":"reply","after":"{span}","size":300}}"#)
}

fn policy(policy: &str) -> String {
    format!(r#""policy":{{{policy}}}"#)
}

/// A call to pool 0 of one node.
fn to(node: usize, more: &str) -> String {
    format!(r#""to":{node},{}"#, policy(more))
}

/// How many have answered a call well that everybody was asked.
#[track_caller]
fn gathered(scene: &Scene<'_>, wanted: u64) -> u64 {
    let good = |what: &What| match what {
        What::Gathered { op, good, matches: true } if *op == wanted => Some(*good),
        _ => None,
    };
    let entries = &scene.outcome.history.entries;
    entries.iter().find_map(|entry| good(&entry.what)).expect("the call was put to everybody")
}

#[track_caller]
fn failed_with(scene: &Scene<'_>, op: u64, expected: (Code, bool)) -> Instant {
    let (t, code, maybe_executed) = scene.failed(op);
    assert_eq!((code, maybe_executed), expected, "op {op}");
    t
}

#[test]
fn c13_the_first_error_does_not_mask_a_success_of_those_that_are_asked_together() {
    // Node 1 has all it may have, and refuses at once; node 3 dies with the call; node 2 takes its time and answers.
    let mut items = vec![serve("1s", 1, "running"), serve("1s", 2, "running"), serve("1s", 3, "running")];
    items.push(pool_call("2s", 1, 1, r#""to":1"#, &works("2s")));
    items.push(pool_call("2s", 2, 1, r#""to":1"#, REPLY));
    items.push(pool_call("2500ms", 10, 0, &policy(r#""gather":"1s""#), &works("300ms")));
    items.push(crash("2600ms", 3, "kill", "4s"));
    on_both(&Stage::of(4, &[[0, 1], [0, 2], [0, 3]]).limited(1, 1).run(13, &items), |scene| {
        assert_eq!(gathered(scene, 10), 1);
        // It is over as soon as the last one has answered.
        assert_within(scene.answered(10), ms(2_800), HOP * 3);
        let mut ran_at = scene.ran_at(10);
        ran_at.sort_unstable();
        assert_eq!(ran_at, [2, 3]);
    });
}

#[test]
fn c13_a_call_that_everybody_is_asked_fails_where_nobody_has_answered_well() {
    let fails = r#"{"kind":"fail","after":"10ms","code":32777}"#;
    let items = [
        serve("1s", 1, "running"),
        serve("1s", 2, "running"),
        pool_call("2s", 1, 0, &policy(r#""gather":"1s""#), fails),
        pool_call("3s", 2, 0, &policy(r#""gather":"500ms""#), NEVER),
        pool_call("4s", 3, 0, &policy(r#""gather":"500ms""#), REPLY),
    ];
    on_both(&Stage::of(3, &[[0, 1], [0, 2]]).run(13, &items), |scene| {
        let t = failed_with(scene, 1, (Code::Application(32_777), true));
        assert_within(t, ms(2_020), HOP * 2);
        let t = failed_with(scene, 2, (Code::DeadlineExceeded, true));
        assert_within(t, ms(3_500), HOP);
        scene.answered(3);
        assert_eq!(gathered(scene, 3), 2);
    });
}

/// So many calls to two providers in turn, of which one is killed while they work.
fn killed_meanwhile(calls: u64, policy: impl Fn(u64) -> String) -> Vec<String> {
    let mut items = vec![serve("1s", 1, "running"), serve("1s", 2, "running")];
    let slow = works("500ms");
    for id in 1..=calls {
        let more = format!(r#""select":"round-robin","policy":{{{}}}"#, policy(id));
        items.push(pool_call("2s", id, 0, &more, &slow));
    }
    items.push(crash("2200ms", 1, "kill", "4s"));
    items
}

#[test]
fn what_may_have_been_executed_is_tried_again_only_where_that_does_no_harm() {
    let items = killed_meanwhile(8, |id| format!(r#""retry":true,"idempotent":{}"#, id > 4));
    on_both(&Stage::of(3, &[[0, 1], [0, 2]]).run(71, &items), |scene| {
        let (lost, kept): (Vec<u64>, Vec<u64>) = (1..=8).partition(|op| scene.ran_at(*op)[0] == 1);
        assert_eq!((lost.len(), kept.len()), (4, 4));
        for op in kept {
            assert_within(scene.answered(op), ms(2_500), HOP * 3);
        }
        for op in lost {
            if op > 4 {
                scene.answered(op);
                assert_eq!(scene.ran_at(op), [1, 2], "op {op}");
            } else {
                let t = failed_with(scene, op, (Code::Unavailable, true));
                assert_within(t, ms(2_200), HOP * 2);
                assert_eq!(scene.ran_at(op), [1], "op {op}");
            }
        }
    });
}

#[test]
fn tries_have_a_budget() {
    let items = killed_meanwhile(400, |_| r#""retry":true,"idempotent":true"#.to_owned());
    on_both(&Stage::of(3, &[[0, 1], [0, 2]]).run(72, &items), |scene| {
        let again: usize = (1..=400).map(|op| scene.ran_at(op).len() - 1).sum();
        // Of two hundred that were lost: what can be saved up.
        assert_eq!(again, 10);
    });
}

#[test]
fn a_slow_answer_is_asked_of_somebody_else_and_the_loser_is_told_to_stop() {
    let mut items = vec![serve("1s", 1, "running"), serve("1s", 2, "running"), serve("1s", 3, "running")];
    items.push(pool_call("2s", 1, 0, &policy(r#""idempotent":true,"hedge":"100ms""#), &works("250ms")));
    on_both(&Stage::of(4, &[[0, 1], [0, 2], [0, 3]]).run(73, &items), |scene| {
        assert_within(scene.answered(1), ms(2_260), HOP * 2);
        let ran_at = scene.ran_at(1);
        assert_eq!(ran_at.len(), 2, "one other is asked, and no third");
        let loser = ran_at[1];
        let told = scene.seen(loser, |what| matches!(what, What::Withdrawn { op: 1 }));
        assert_within(told[0].t, ms(2_260), HOP * 2);
    });
}

#[test]
fn a_breaker_lets_one_call_through_to_see_whether_things_are_better() {
    // Calls that fail, until the breaker opens; then many at once when it may be tried again.
    let breaker = to(1, r#""breaker":true"#);
    let mut items = vec![serve("1s", 1, "running")];
    items.extend((0..30).map(|id| pool_call(&format!("{}ms", 2_000 + 30 * id), 1 + id, 0, &breaker, NEVER)));
    items.push(crash("2950ms", 1, "kill", "500ms"));
    items.extend((0..10).map(|id| pool_call("7s", 100 + id, 0, &breaker, &works("200ms"))));
    items.extend((0..10).map(|id| pool_call("7500ms", 200 + id, 0, &breaker, REPLY)));
    let timing = r#""keepalive_interval":"250ms","down_after":"2s","connect_timeout":"1s","backoff_max":"1s","retire_timeout":"1s","breaker_open":"3s""#;
    on_both(&Stage::pair().timing(timing).run(74, &items), |scene| {
        let passed = (100..110).filter(|op| !scene.ran_at(*op).is_empty()).count();
        assert_eq!(passed, 1, "one of ten tries it");
        for op in (100..110).filter(|op| scene.ran_at(*op).is_empty()) {
            assert_within(failed_with(scene, op, (Code::Unavailable, false)), ms(7_000), HOP);
        }
        for op in 200..210 {
            scene.answered(op);
        }
        assert_eq!(scene.marked("resilience.breaker_probes"), 1);
    });
}

#[test]
fn a_bulkhead_keeps_a_slow_node_from_having_all_calls() {
    let two = r#""bulkhead":2"#;
    let mut items = vec![serve("1s", 1, "running"), serve("1s", 2, "running")];
    items.extend((0..5).map(|id| pool_call("2s", 1 + id, 0, &to(1, two), &works("500ms"))));
    // Another node has a bulkhead of its own, and this one is free again when they are over.
    items.push(pool_call("2100ms", 10, 0, &to(2, two), REPLY));
    items.push(pool_call("3s", 11, 0, &to(1, two), REPLY));
    on_both(&Stage::of(3, &[[0, 1], [0, 2]]).run(75, &items), |scene| {
        for op in [1, 2, 10, 11] {
            scene.answered(op);
        }
        for op in 3..=5 {
            assert_within(failed_with(scene, op, (Code::Backpressure, false)), ms(2_000), HOP);
            assert!(scene.ran_at(op).is_empty());
        }
    });
}

#[test]
fn a_call_that_would_have_its_turn_too_late_is_refused_at_once() {
    let slow = works("100ms");
    // Ten are measured; then twenty wait, and the last ones would not begin in time.
    let mut items: Vec<String> = (0..10)
        .map(|id| crate::stage::call(&format!("{}ms", 2_000 + 150 * id), 1 + id, 0, 1, "5s", &slow))
        .collect();
    items.extend((0..20).map(|id| crate::stage::call("4s", 100 + id, 0, 1, "1s", &slow)));
    on_both(&Stage::pair().limited(1, 50).run(76, &items), |scene| {
        let refused = (100..120).filter(|op| {
            scene.ran_at(*op).is_empty()
                && scene.failed(*op).1 == Code::ResourceExhausted
                && scene.failed(*op).0 < ms(4_100)
        });
        assert!(refused.count() >= 8, "they were let wait");
        for op in 100..108 {
            scene.answered(op);
        }
    });
}

#[test]
fn a_cast_that_is_accepted_is_executed_and_one_that_is_refused_is_not() {
    let cast = r#""cast":true,"acknowledged":true"#;
    let items = [
        serve("1s", 1, "running"),
        pool_call("2s", 1, 0, &to(1, cast), &works("500ms")),
        // It waits for its turn, and is accepted all the same.
        pool_call("2100ms", 2, 0, &to(1, cast), REPLY),
        pool_call("2200ms", 3, 0, &to(1, cast), REPLY),
        serve("4s", 1, "paused"),
        pool_call("5s", 4, 0, &to(1, cast), REPLY),
    ];
    on_both(&Stage::pair().limited(1, 1).run(77, &items), |scene| {
        for (op, t) in [(1, 2_000), (2, 2_100)] {
            assert_within(scene.answered(op), ms(t + 10), HOP * 2);
            assert_eq!(scene.ran_at(op), [1]);
        }
        failed_with(scene, 3, (Code::ResourceExhausted, false));
        failed_with(scene, 4, (Code::Unavailable, false));
        assert_eq!((scene.ran_at(3), scene.ran_at(4)), (vec![], vec![]));
    });
}

#[test]
fn a_full_subscription_keeps_the_newest_the_oldest_or_its_publisher() {
    let rule = |rule: &str| format!(r#""overflow":"{rule}","work":"200ms""#);
    let mut items = Vec::new();
    for (id, name) in [(1, "drop-oldest"), (2, "drop-newest"), (3, "block")] {
        let item = subscribe("1s", id, 0, &format!("sim/topic/{id}"), &rule(name));
        items.push(item.replace(r#""queue":64"#, r#""queue":2"#));
    }
    for topic in 1..=3 {
        items.extend(
            (1..=5).map(|event| publish("2s", 10 * topic + event, 0, &format!("sim/topic/{topic}"), 100)),
        );
    }
    on_both(&Stage::pair().run(78, &items), |scene| {
        let got = |sub| scene.events(sub).into_iter().map(|(event, _)| event).collect::<Vec<u64>>();
        let refused: Vec<u64> = (31..=35).filter(|event| scene.copies(*event).is_none()).collect();
        let taken: Vec<u64> = (31..=35).filter(|event| !refused.contains(event)).collect();
        // The first is handed over at once, and two have room.
        assert_eq!((got(1).last(), got(1).len()), (Some(&15), got(2).len()));
        assert_eq!(got(2), (21..21 + got(2).len() as u64).collect::<Vec<u64>>());
        assert_eq!(got(3), taken, "nothing is lost");
        assert!((3..=4).contains(&got(1).len()), "{:?}", got(1));
        // Who publishes through the public interface waits for room; who uses the engine itself is told that there is none.
        assert!(taken.len() == 5 || taken.len() == got(1).len(), "{refused:?}");
    });
}

#[test]
fn a_topic_is_published_on_at_its_pace() {
    let pace = r#""limits":{"events_per_topic_burst":5,"events_per_topic_per_s":10}"#;
    let mut items = vec![subscribe("1s", 1, 1, "sim/topic/>", "")];
    items.extend((0..20).map(|id| publish("2s", 100 + id, 0, "sim/topic/a", 100)));
    items.push(publish("2s", 200, 0, "sim/topic/b", 100));
    items.push(publish("4s", 201, 0, "sim/topic/a", 100));
    on_both(&Stage::pair().with(pace).run(79, &items), |scene| {
        let taken = (100..120).filter(|event| scene.copies(*event).is_some()).count();
        assert_eq!(taken, 5);
        // Another topic has a pace of its own, and this one's is over in time.
        assert!(scene.copies(200).is_some() && scene.copies(201).is_some());
        assert_eq!(scene.events(1).len(), 7);
    });
}
