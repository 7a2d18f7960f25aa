//! Routes, relays and questions.

use std::time::Duration;

use lacewing_core::Code;

use crate::stage::{DETECTION, REPLY, Stage, assert_within, call, half_open, misbehave, ms, on_both};

/// How many calls cross the diamond.
const CALLS: std::ops::RangeInclusive<u64> = 1..=80;

/// Calls from end to end of a diamond, in both directions in turn, one every 25 ms from 2 s on.
fn calls_across() -> Vec<String> {
    let calls = CALLS.map(|id| {
        let (from, to) = if id % 2 == 0 { (0, 3) } else { (3, 0) };
        call(&format!("{}ms", 2_000 + id * 25), id, from, to, "5s", REPLY)
    });
    calls.collect()
}

fn end_of_call(id: u64) -> usize {
    if id.is_multiple_of(2) { 3 } else { 0 }
}

#[test]
fn c1_a_diamond_runs_the_handler_once() {
    on_both(&Stage::diamond().run(1, &calls_across()), |scene| {
        for op in CALLS {
            scene.answered(op);
            assert_eq!(scene.ran_at(op), [end_of_call(op)], "op {op}");
        }
    });
}

#[test]
fn c1_a_diamond_runs_the_handler_once_though_both_relays_pass_everything_on_twice() {
    let mut items = [1, 2].map(|relay| misbehave("1s", "6s", relay, "repeats-relayed")).to_vec();
    items.extend(calls_across());
    on_both(&Stage::diamond().run(1, &items), |scene| {
        for op in CALLS {
            scene.answered(op);
            assert_eq!(scene.ran_at(op), [end_of_call(op)], "op {op}");
        }
        assert!(scene.marked("link.tunnel_record_repeated") > 80, "there was something to run twice");
    });
}

#[test]
fn c1_a_diamond_runs_the_handler_once_while_ways_change_under_the_calls() {
    let mut items = calls_across();
    // The list is in the order of time: the call at 2.5 s is the twentieth.
    items.insert(20, r#"{"do":"reset","t":"2510ms","pair":[0,1]}"#.to_owned());
    items.insert(41, r#"{"do":"reset","t":"3010ms","pair":[2,3]}"#.to_owned());
    // From here on those who are in the middle of something find out only by silence.
    items.insert(62, half_open("3510ms", [0, 1]));
    items.insert(63, half_open("3510ms", [0, 2]));
    on_both(&Stage::diamond().run(1, &items), |scene| {
        for op in CALLS {
            assert!(scene.ran_at(op).len() <= 1, "op {op} ran at {:?}", scene.ran_at(op));
        }
        let answered = CALLS.filter(|op| scene.ran_at(*op) == [end_of_call(*op)]).count();
        assert!(answered > 40, "{answered} of 80 ran");
    });
}

#[test]
fn c2_an_unknown_action_in_a_mesh_of_six_is_not_found_in_100_ms_by_few_frames() {
    let unknown = r#"{"do":"call","t":"3s","id":1,"from":0,"action":"unknown","size":50,"timeout":"10s","handler":{"kind":"never"}}"#;
    on_both(&Stage::full(6).run(2, &[unknown.to_owned()]), |scene| {
        let (t, code, maybe_executed) = scene.failed(1);
        assert_eq!((code, maybe_executed, scene.ran_at(1)), (Code::NotFound, false, vec![]));
        assert_within(t, ms(3_000), Duration::from_millis(99));
        let frames = scene.questions(ms(3_000), ms(4_000));
        // One question, which all five others have got.
        assert!(matches!(frames[..], [5..=30]), "2 x 15 links, and not {frames:?}");
    });
}

#[test]
fn c2_an_unknown_action_in_a_ring_of_six_is_not_found_in_100_ms_by_few_frames() {
    let unknown = r#"{"do":"call","t":"3s","id":1,"from":0,"action":"unknown","size":50,"timeout":"10s","handler":{"kind":"never"}}"#;
    on_both(&Stage::ring(6).run(2, &[unknown.to_owned()]), |scene| {
        let (t, code, maybe_executed) = scene.failed(1);
        assert_eq!((code, maybe_executed, scene.ran_at(1)), (Code::NotFound, false, vec![]));
        assert_within(t, ms(3_000), Duration::from_millis(99));
        let frames = scene.questions(ms(3_000), ms(4_000));
        assert!(matches!(frames[..], [6..=12]), "2 x 6 links, and not {frames:?}");
    });
}

#[test]
fn a_call_between_nodes_whose_link_is_dead_one_way_goes_round() {
    let items = [half_open("2s", [0, 1]), call("5s", 1, 0, 1, "5s", REPLY), call("5s", 2, 1, 0, "5s", REPLY)];
    on_both(&Stage::ring(3).run(7, &items), |scene| {
        for (op, provider) in [(1, 1), (2, 0)] {
            scene.answered(op);
            assert_eq!(scene.ran_at(op), [provider], "op {op}");
        }
        for node in [0, 1] {
            assert_within(scene.downs(node)[0], ms(2_000), DETECTION + Duration::from_millis(50));
            assert!(scene.losses(node, 1 - node).is_empty(), "there was another way");
        }
    });
}
