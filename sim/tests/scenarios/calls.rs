//! Calls and how they end: of themselves, with their provider, with a relay.

use std::time::Duration;

use lacewing_core::{Code, Instant};
use lacewing_sim::history::What;

use crate::stage::{
    DETECTION, HOP, NEVER, REPLY, Scene, Stage, assert_within, call, crash, ms, on_both, sized_call,
};

/// How long a node puts up with having no way to another one, before calls to it fail.
const PATH_PATIENCE: Duration = Duration::from_secs(1);

/// Calls that are not answered, all begun at 2 s.
const OPEN: std::ops::RangeInclusive<u64> = 1..=6;

fn open_calls(from: usize, to: usize) -> Vec<String> {
    OPEN.map(|id| call("2s", id, from, to, "15s", NEVER)).collect()
}

/// All of them had begun to run, failed as unavailable, and say that they may have run. When they failed.
fn ends_of_open_calls(scene: &Scene<'_>, provider: usize) -> Vec<Instant> {
    let end = |op| {
        let (t, code, maybe_executed) = scene.failed(op);
        assert_eq!((code, maybe_executed), (Code::Unavailable, true), "op {op}");
        assert_eq!(scene.ran_at(op), [provider], "op {op}");
        t
    };
    OPEN.map(end).collect()
}

#[test]
fn c3_a_killed_provider_fails_its_calls_as_soon_as_its_end_is_heard() {
    let mut items = open_calls(0, 1);
    items.push(crash("3s", 1, "kill", "1s"));
    on_both(&Stage::pair().run(3, &items), |scene| {
        for t in ends_of_open_calls(scene, 1) {
            assert_within(t, ms(3_000), HOP);
        }
    });
}

#[test]
fn c3_a_provider_that_loses_power_fails_its_calls_within_the_detection_bound() {
    let mut items = open_calls(0, 1);
    items.push(crash("3s", 1, "power-loss", "5s"));
    on_both(&Stage::pair().run(3, &items), |scene| {
        for t in ends_of_open_calls(scene, 1) {
            // Nothing tells of it, so that silence must: counted from the last byte, and not the deadline at 17 s.
            assert_within(t, ms(2_700) + DETECTION, Duration::from_millis(300) + HOP);
        }
    });
}

#[test]
fn c3_a_killed_provider_that_is_no_neighbour_fails_its_calls_within_the_detection_bound() {
    let mut items = open_calls(0, 3);
    items.push(crash("3s", 3, "kill", "5s"));
    on_both(&Stage::line(4).run(3, &items), |scene| {
        for t in ends_of_open_calls(scene, 3) {
            assert_within(t, ms(3_000), DETECTION);
        }
    });
}

#[test]
fn c4_a_relay_that_is_killed_fails_calls_well_before_their_deadline() {
    let mut items = open_calls(0, 2);
    items.push(crash("3s", 1, "kill", "5s"));
    on_both(&Stage::line(3).run(4, &items), |scene| {
        for t in ends_of_open_calls(scene, 2) {
            // Both ends of its links are told at once. Then another way is looked for, and there is none.
            assert_within(t, ms(3_000), PATH_PATIENCE + HOP * 4);
        }
    });
}

#[test]
fn c4_a_relay_that_loses_power_fails_calls_well_before_their_deadline() {
    let mut items = open_calls(0, 2);
    items.push(crash("3s", 1, "power-loss", "5s"));
    on_both(&Stage::line(3).run(4, &items), |scene| {
        for t in ends_of_open_calls(scene, 2) {
            assert_within(t, ms(3_000) + PATH_PATIENCE, DETECTION + HOP * 4);
        }
    });
}

#[test]
fn c4_a_call_outlives_its_relay_where_there_is_another_way() {
    let slow = r#"{"kind":"reply","after":"3s","size":300}"#;
    // Either of the relays may be the one; the other has another call.
    let items = [
        call("2s", 1, 0, 2, "15s", slow),
        call("2s", 2, 2, 0, "15s", slow),
        crash("3s", 1, "kill", "5s"),
        call("3500ms", 3, 0, 2, "5s", REPLY),
    ];
    on_both(&Stage::ring(4).run(4, &items), |scene| {
        for (op, provider) in [(1, 2), (2, 0), (3, 2)] {
            scene.answered(op);
            assert_eq!(scene.ran_at(op), [provider], "op {op}");
        }
    });
}

/// A -> B -> A -> B -> A.
fn nested_calls(a: usize, b: usize) -> String {
    let nested = |id: u64, to: usize, inner: &str| {
        format!(r#"{{"kind":"call","id":{id},"to":{to},"size":50,"timeout":"5s","handler":{inner}}}"#)
    };
    let handler = nested(2, a, &nested(3, b, &nested(4, a, REPLY)));
    call("3s", 1, a, b, "5s", &handler)
}

#[test]
fn c12_calls_nested_back_and_forth_complete() {
    on_both(&Stage::pair().run(12, &[nested_calls(0, 1)]), |scene| {
        for (op, at) in [(1, 1), (2, 0), (3, 1), (4, 0)] {
            scene.answered(op);
            assert_eq!(scene.ran_at(op), [at], "op {op}");
        }
        // Four round trips and the handler.
        assert_within(scene.answered(1), ms(3_000 + 4 * 10 + 10), HOP * 4);
    });
}

#[test]
fn c12_calls_nested_back_and_forth_through_relays_complete() {
    on_both(&Stage::line(4).run(12, &[nested_calls(0, 3)]), |scene| {
        for (op, at) in [(1, 3), (2, 0), (3, 3), (4, 0)] {
            scene.answered(op);
            assert_eq!(scene.ran_at(op), [at], "op {op}");
        }
        // A session is opened first, which takes two round trips more.
        assert_within(scene.answered(1), ms(3_000 + 4 * 30 + 10), HOP * 3 * 8);
    });
}

#[test]
fn c14_ten_megabytes_go_and_come_back_byte_for_byte() {
    let handler = r#"{"kind":"reply","after":0,"size":10000000}"#;
    let items = [sized_call("2s", 1, 0, 1, 10_000_000, "6s", handler)];
    on_both(&Stage::pair().run(14, &items), |scene| {
        assert!(matches!(scene.end_of(1).what, What::Ok { matches: true, bytes: 10_000_000, .. }));
        assert_eq!(scene.ran_at(1), [1], "with the argument whole");
    });
}

#[test]
fn c20_payloads_of_no_byte_and_of_one_are_calls_like_any_other() {
    let tiny = |size: u64| format!(r#"{{"kind":"reply","after":0,"size":{size}}}"#);
    let items = [sized_call("2s", 1, 0, 1, 0, "5s", &tiny(1)), sized_call("2s", 2, 1, 0, 1, "5s", &tiny(0))];
    on_both(&Stage::pair().run(20, &items), |scene| {
        assert!(matches!(scene.end_of(1).what, What::Ok { matches: true, bytes: 1, .. }));
        assert!(matches!(scene.end_of(2).what, What::Ok { matches: true, bytes: 0, .. }));
    });
}

#[test]
fn a_large_call_crosses_a_narrow_line_in_the_time_that_it_takes() {
    let narrow = r#""latency_min":"2ms","latency_max":"8ms","jitter_max":"3ms","bandwidth":10000000,"window":131072,"retransmit_timeout":"10s""#;
    let items = [sized_call("2s", 1, 0, 1, 2_000_000, "5s", REPLY)];
    on_both(&Stage::pair().net(narrow).run(7, &items), |scene| {
        // 2 MB at 10 MB a second.
        assert_within(scene.answered(1), ms(2_200), Duration::from_millis(400));
    });
}

#[test]
fn a_call_that_is_given_up_tells_its_handler() {
    let items = [call("2s", 1, 0, 1, "5s", NEVER), r#"{"do":"cancel","t":"2500ms","id":1}"#.to_owned()];
    on_both(&Stage::pair().run(7, &items), |scene| {
        let told = scene.seen(1, |what| matches!(what, What::Withdrawn { op: 1 }));
        assert_within(told[0].t, ms(2_500), HOP);
        assert_eq!(scene.failed(1).1, Code::Cancelled);
    });
}

#[test]
fn a_node_that_shuts_down_finishes_what_it_has() {
    let slow = r#"{"kind":"reply","after":"400ms","size":300}"#;
    let items = [
        call("2s", 1, 0, 1, "5s", slow),
        crash("2200ms", 1, "clean", "2s"),
        call("2300ms", 2, 0, 1, "5s", REPLY),
    ];
    on_both(&Stage::pair().run(7, &items), |scene| {
        assert_within(scene.answered(1), ms(2_400), HOP * 3);
        let gone = scene.seen(1, |what| matches!(what, What::Gone { clean: true }));
        assert_within(gone[0].t, ms(2_400), Duration::from_millis(300));
        // What comes later is not begun.
        let (_, code, maybe_executed) = scene.failed(2);
        assert_eq!((code, maybe_executed, scene.ran_at(2)), (Code::Unavailable, false, vec![]));
    });
}
