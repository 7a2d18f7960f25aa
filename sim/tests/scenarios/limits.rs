//! Actions that run only so many requests at once: who waits, and what becomes of those that wait.

use std::time::Duration;

use lacewing_core::{Code, Instant};
use lacewing_sim::history::What;

use crate::stage::{
    HOP, NEVER, REPLY, Scene, Stage, assert_within, call, cancel, crash, ms, on_both, pool_call, reset,
    serve, unserve,
};

/// Works for so long, and answers.
fn works(span: &str) -> String {
    format!(r#"{{"kind":"reply","after":"{span}","size":300}}"#)
}

/// The most requests of these calls that ran at once, and how many ran.
fn at_once(scene: &Scene<'_>, calls: std::ops::Range<u64>) -> (usize, usize) {
    let (mut running, mut most, mut began) = (0_usize, 0, 0);
    for entry in &scene.outcome.history.entries {
        match entry.what {
            What::Execute { op: Some(op), .. } if calls.contains(&op) => {
                running += 1;
                began += 1;
                most = most.max(running);
            }
            What::Answer { op } | What::Withdrawn { op } if calls.contains(&op) => running -= 1,
            _ => {}
        }
    }
    (most, began)
}

#[test]
fn c11_one_at_a_time_stays_one_under_churn() {
    // A call every 20 ms, of which some are given up, some time out, some fail and some never answer, over links that break.
    let handlers = [
        works("15ms"),
        works("40ms"),
        works("90ms"),
        r#"{"kind":"fail","after":"25ms","code":32777}"#.to_owned(),
        NEVER.to_owned(),
    ];
    let mut items = vec![];
    for number in 0..200 {
        let (t, from) = (2_000 + number * 20, [0, 1, 2][number as usize % 3]);
        let timeout = format!("{}ms", 60 + number * 37 % 400);
        let handler = &handlers[number as usize * 7 % handlers.len()];
        items.push((t, call(&format!("{t}ms"), 1 + number, from, 1, &timeout, handler)));
        if number % 6 == 0 {
            let t = t + 10 + number % 50;
            items.push((t, cancel(&format!("{t}ms"), 1 + number)));
        }
        if number % 45 == 44 {
            items.push((t + 1, reset(&format!("{}ms", t + 1), [0, 1])));
        }
    }
    items.push((13_500, call("13500ms", 1_000, 0, 1, "2s", REPLY)));
    items.sort_by_key(|(t, _)| *t);
    let items: Vec<String> = items.into_iter().map(|(_, item)| item).collect();
    on_both(&Stage::of(3, &[[0, 1], [2, 1]]).limited(1, 20).run(11, &items), |scene| {
        let (most, began) = at_once(scene, 1..201);
        assert_eq!(most, 1);
        assert!(began > 30, "only {began} ran: nothing was at stake");
        assert!(scene.marked("delivery.permit_handed_over") > 10);
        // Whatever has happened, the place is free again.
        scene.answered(1_000);
    });
}

#[test]
fn c39_a_call_whose_time_is_over_in_the_queue_is_not_executed() {
    for caller in [0, 1] {
        let items = [
            call("2s", 1, caller, 1, "5s", &works("2s")),
            call("2100ms", 2, caller, 1, "500ms", REPLY),
            call("2200ms", 3, caller, 1, "10s", REPLY),
        ];
        on_both(&Stage::pair().limited(1, 10).run(39, &items), |scene| {
            assert_within(scene.answered(1), ms(4_000), HOP * 3);
            let (t, code, _) = scene.failed(2);
            assert_eq!((code, scene.ran_at(2)), (Code::DeadlineExceeded, vec![]), "of node {caller}");
            assert_within(t, ms(2_600), HOP);
            // Whoever came later, and has time, has its turn.
            assert_within(scene.answered(3), ms(4_010), HOP * 4);
        });
    }
}

/// These calls failed shortly after `t`, which was long before their time, and have never run.
#[track_caller]
fn refused_at(scene: &Scene<'_>, calls: &[u64], t: Instant, expected: Code) {
    for op in calls {
        let (failed, code, maybe_executed) = scene.failed(*op);
        assert_eq!((code, maybe_executed, scene.ran_at(*op)), (expected, false, vec![]), "op {op}");
        assert_within(failed, t, Duration::from_millis(50));
    }
}

#[test]
fn c40_calls_behind_the_end_of_a_node_fail_at_once() {
    let items = [
        call("2s", 1, 0, 1, "10s", &works("1500ms")),
        call("2100ms", 2, 0, 1, "10s", REPLY),
        call("2200ms", 3, 0, 1, "10s", REPLY),
        crash("2500ms", 1, "clean", "4s"),
        call("2600ms", 4, 0, 1, "10s", REPLY),
    ];
    on_both(&Stage::pair().limited(1, 10).run(40, &items), |scene| {
        refused_at(scene, &[2, 3], ms(2_500), Code::Unavailable);
        refused_at(scene, &[4], ms(2_600), Code::Unavailable);
        // What had begun is finished.
        assert_within(scene.answered(1), ms(3_500), HOP * 3);
    });
}

#[test]
fn c40_calls_behind_the_end_of_an_action_fail_at_once() {
    for (end, code) in [
        (serve("2500ms", 1, "paused"), Code::Unavailable),
        (serve("2500ms", 1, "draining"), Code::Unavailable),
        (unserve("2500ms", 1), Code::NotFound),
    ] {
        let to_server = r#""to":1"#;
        let items = [
            serve("1s", 1, "running"),
            pool_call("2s", 1, 0, to_server, &works("1500ms")),
            pool_call("2100ms", 2, 0, to_server, REPLY),
            pool_call("2200ms", 3, 1, to_server, REPLY),
            end,
            pool_call("2600ms", 4, 0, to_server, REPLY),
        ];
        on_both(&Stage::pair().limited(1, 10).run(40, &items), |scene| {
            refused_at(scene, &[2, 3], ms(2_500), code);
            refused_at(scene, &[4], ms(2_600), code);
            assert_within(scene.answered(1), ms(3_500), HOP * 3);
        });
    }
}

#[test]
fn a_queue_takes_so_many_and_says_when_to_come_again() {
    let mut items = vec![call("2s", 1, 0, 1, "5s", &works("1s"))];
    items.extend((2..8).map(|id| call("2100ms", id, 0, 1, "5s", REPLY)));
    on_both(&Stage::pair().limited(1, 4).run(41, &items), |scene| {
        for op in 1..=5 {
            scene.answered(op);
        }
        refused_at(scene, &[6, 7], ms(2_100), Code::ResourceExhausted);
    });
}
