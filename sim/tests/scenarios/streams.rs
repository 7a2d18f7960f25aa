//! Streams of every shape: how they end, who waits for whom, and what passes them.

use std::time::Duration;

use lacewing_core::Code;
use lacewing_sim::history::What;
use lacewing_sim::run::Flow;

use crate::stage::{
    DETECTION, HOP, NEVER, REPLY, Scene, Stage, assert_within, call, crash, ms, on_both, stream, stream_call,
};

/// How long a node puts up with having no way to another one, before calls to it fail.
const PATH_PATIENCE: Duration = Duration::from_secs(1);

/// Everything that was sent one way was taken.
#[track_caller]
fn all_taken(scene: &Scene<'_>, op: u64, flow: Flow, count: usize) {
    assert_eq!(
        (scene.sent(op, flow).len(), scene.taken(op, flow).len()),
        (count, count),
        "{flow} of op {op}"
    );
}

/// One of each shape, that goes on for ever: a message a tenth of a second.
fn open_streams(from: usize, to: usize) -> Vec<String> {
    let paced = r#"{"count":400,"size":300,"every":"100ms"}"#;
    [
        stream(
            "2s",
            1,
            from,
            to,
            &format!(r#""shape":"server-stream","items":{paced},"endless":true"#),
            NEVER,
        ),
        stream(
            "2s",
            2,
            from,
            to,
            &format!(r#""shape":"client-stream","uploads":{paced},"endless":true"#),
            NEVER,
        ),
        stream(
            "2s",
            3,
            from,
            to,
            &format!(r#""shape":"bidirectional","items":{paced},"uploads":{paced},"endless":true"#),
            NEVER,
        ),
    ]
    .into()
}

/// Where there is a message, and none afterwards, at both ends.
fn ends_of_open_streams(scene: &Scene<'_>, provider: usize) -> Vec<lacewing_core::Instant> {
    let end = |op| {
        let (t, code, maybe_executed) = scene.failed(op);
        assert_eq!((code, maybe_executed), (Code::Unavailable, true), "op {op}");
        assert_eq!(scene.ran_at(op), [provider], "op {op}");
        let flow = if op == 2 { Flow::Uploads } else { Flow::Items };
        assert!(scene.taken(op, flow).len() > 5, "op {op} was not under way");
        t
    };
    (1..=3).map(end).collect()
}

#[test]
fn c4_a_relay_that_is_killed_ends_streams_at_both_ends_long_before_they_stand_still() {
    let mut items = open_streams(0, 2);
    items.push(crash("3s", 1, "kill", "5s"));
    on_both(&Stage::line(3).run(4, &items), |scene| {
        for t in ends_of_open_streams(scene, 2) {
            // The caller of an upload learns of it when it sends.
            assert_within(t, ms(3_000), PATH_PATIENCE + HOP * 4 + Duration::from_millis(100));
        }
        for op in 1..=3 {
            let told = scene.seen(2, |what| matches!(what, What::Withdrawn { op: ended } if *ended == op));
            assert_within(told[0].t, ms(3_000), DETECTION + HOP * 4);
        }
    });
}

#[test]
fn c4_a_stream_outlives_its_relay_where_there_is_another_way() {
    let paced = r#"{"count":30,"size":300,"every":"100ms"}"#;
    let told = format!(r#""shape":"bidirectional","items":{paced},"uploads":{paced}"#);
    let items = [stream("2s", 1, 0, 3, &told, REPLY), crash("3s", 1, "kill", "5s")];
    on_both(&Stage::diamond().run(4, &items), |scene| {
        scene.answered(1);
        all_taken(scene, 1, Flow::Items, 30);
        all_taken(scene, 1, Flow::Uploads, 30);
    });
}

#[test]
fn c7_a_slow_consumer_holds_up_its_producer_and_nobody_else() {
    // 4 MB, of which the consumer takes 200 kB a second.
    let slow = r#"{"count":400,"size":10000,"taken_every":"50ms"}"#;
    let quick = r#"{"count":400,"size":10000}"#;
    let items = [
        stream("2s", 1, 0, 1, &format!(r#""shape":"server-stream","items":{slow},"endless":true"#), REPLY),
        stream("2s", 2, 0, 1, &format!(r#""shape":"client-stream","uploads":{slow},"endless":true"#), REPLY),
        stream("2500ms", 3, 0, 1, &format!(r#""shape":"server-stream","items":{quick}"#), REPLY),
        call("3s", 4, 0, 1, "5s", REPLY),
    ];
    let stage = Stage::pair().phases(["8s", "13s", "25s", "28s"]);
    on_both(&stage.run(7, &items), |scene| {
        for (op, flow) in [(1, Flow::Items), (2, Flow::Uploads)] {
            let (sent, taken) = (scene.sent(op, flow), scene.taken(op, flow));
            assert_eq!((sent.len(), taken.len()), (400, 400));
            // A window and a queue of 256 KiB each, and a message.
            for (place, entry) in sent.iter().enumerate() {
                let taken = taken.iter().filter(|taken| taken.t <= entry.t).count();
                assert!(place <= taken + 2 * 27, "{place} were sent and {taken} taken at {:?}", entry.t);
            }
            assert!(scene.end_of(op).t >= ms(2_000 + 400 * 50));
        }
        // 4 MB at 100 MB a second.
        assert_within(scene.answered(3), ms(2_500), Duration::from_millis(500));
        assert_within(scene.answered(4), ms(3_010), HOP * 3);
    });
}

#[test]
fn c8_a_stream_lives_for_ten_times_its_idle_time_while_something_moves() {
    // Three seconds, and never more than 200 ms between two messages.
    let paced = r#"{"count":15,"size":100,"every":"200ms"}"#;
    let told = |shape: &str| {
        format!(r#""shape":"{shape}","items":{paced},"uploads":{paced},"idle":"300ms","endless":true"#)
    };
    let items = [
        stream_call("2s", 1, 0, 1, &told("server-stream"), REPLY),
        stream_call("2s", 2, 0, 1, &told("client-stream"), REPLY),
        stream_call("2s", 3, 0, 1, &told("bidirectional"), REPLY),
        stream_call("2s", 4, 0, 0, &told("bidirectional"), REPLY),
    ];
    on_both(&Stage::pair().run(8, &items), |scene| {
        for op in 1..=4 {
            assert_within(scene.answered(op), ms(5_000), Duration::from_millis(100));
        }
    });
}

#[test]
fn c8_a_stream_on_which_nothing_moves_ends_after_its_idle_time() {
    let told = r#""shape":"server-stream","items":{"count":2,"size":100},"idle":"300ms","endless":true"#;
    on_both(&Stage::pair().run(8, &[stream_call("2s", 1, 0, 1, told, NEVER)]), |scene| {
        let (t, code, maybe_executed) = scene.failed(1);
        assert_eq!((code, maybe_executed), (Code::DeadlineExceeded, true));
        assert_within(t, ms(2_300), HOP * 4);
        all_taken(scene, 1, Flow::Items, 2);
        assert_eq!(scene.seen(1, |what| matches!(what, What::Withdrawn { op: 1 })).len(), 1);
    });
}

#[test]
fn c9_a_consumer_that_has_had_enough_stops_its_producer() {
    let endless = r#"{"count":10000,"size":1000}"#;
    let told = |shape: &str, more: &str| {
        format!(r#""shape":"{shape}","items":{endless},"stop_after":10,"endless":true{more}"#)
    };
    let items = [
        stream("2s", 1, 0, 1, &told("server-stream", ""), REPLY),
        stream("2s", 2, 0, 1, &told("bidirectional", r#","uploads":{"count":9000,"size":900}"#), REPLY),
        stream("2s", 3, 0, 2, &told("server-stream", ""), REPLY),
        stream("2s", 4, 0, 0, &told("server-stream", ""), REPLY),
    ];
    on_both(&Stage::line(3).run(9, &items), |scene| {
        for (op, provider) in [(1, 1), (2, 1), (3, 2), (4, 0)] {
            assert_eq!(scene.failed(op).1, Code::Cancelled);
            assert_eq!(scene.taken(op, Flow::Items).len(), 10);
            let told =
                scene.seen(provider, |what| matches!(what, What::Withdrawn { op: ended } if *ended == op));
            assert_within(told[0].t, ms(2_000), Duration::from_millis(300));
            // What fits the window and the queue, and no more.
            assert!(scene.sent(op, Flow::Items).len() < 1_000, "op {op}");
        }
    });
}

#[test]
fn c10_shapes_must_agree_but_for_one_answer_that_is_taken_as_an_item() {
    let shapes = ["unary", "server-stream", "client-stream", "bidirectional"];
    let mut items = Vec::new();
    let mut mistaken = Vec::new();
    for (served, shape) in shapes.iter().enumerate() {
        for (called, other) in shapes.iter().enumerate().filter(|(called, _)| *called != served) {
            let (id, to) = (1 + 4 * served as u64 + called as u64, (served + called) % 2);
            let told = format!(
                r#""shape":"{shape}","called":"{other}","items":{{"count":2,"size":50}},"uploads":{{"count":2,"size":50}}"#
            );
            items.push(stream("2s", id, 0, to, &told, REPLY));
            if (*shape, *other) != ("unary", "server-stream") {
                mistaken.push(id);
            }
        }
    }
    on_both(&Stage::pair().run(10, &items), |scene| {
        assert_eq!(mistaken.len(), 11);
        for op in &mistaken {
            let (_, code, maybe_executed) = scene.failed(*op);
            assert_eq!(
                (code, maybe_executed, scene.ran_at(*op)),
                (Code::InvalidArgument, false, vec![]),
                "op {op}"
            );
        }
        scene.answered(2);
        all_taken(scene, 2, Flow::Items, 1);
    });
}

#[test]
fn streams_of_every_shape_go_through_relays_whole_and_in_order() {
    let many = r#"{"count":100,"size":5000}"#;
    let few = r#"{"count":2,"size":400000}"#;
    let told = |shape: &str| format!(r#""shape":"{shape}","items":{many},"uploads":{few}"#);
    let items = [
        stream("2s", 1, 0, 3, &told("server-stream"), REPLY),
        stream("2s", 2, 0, 3, &told("client-stream"), REPLY),
        stream("2s", 3, 3, 0, &told("bidirectional"), REPLY),
    ];
    on_both(&Stage::line(4).run(11, &items), |scene| {
        for (op, flow, count) in
            [(1, Flow::Items, 100), (2, Flow::Uploads, 2), (3, Flow::Items, 100), (3, Flow::Uploads, 2)]
        {
            scene.answered(op);
            all_taken(scene, op, flow, count);
        }
    });
}

#[test]
fn a_handler_that_answers_early_or_fails_ends_what_its_caller_still_sends() {
    let many = r#"{"count":2000,"size":1000}"#;
    let fail = r#"{"kind":"fail","after":0,"code":32777}"#;
    let items = [
        stream("2s", 1, 0, 1, &format!(r#""shape":"client-stream","uploads":{many},"ends_after":5"#), REPLY),
        stream("2s", 2, 0, 1, &format!(r#""shape":"server-stream","items":{many},"ends_after":7"#), fail),
        stream(
            "2s",
            3,
            0,
            1,
            &format!(r#""shape":"bidirectional","uploads":{many},"items":{many},"ends_after":9"#),
            REPLY,
        ),
    ];
    on_both(&Stage::pair().run(12, &items), |scene| {
        scene.answered(1);
        assert_eq!(scene.taken(1, Flow::Uploads).len(), 5);
        assert_eq!(scene.failed(2).1, Code::Application(32_777));
        all_taken(scene, 2, Flow::Items, 7);
        scene.answered(3);
        all_taken(scene, 3, Flow::Items, 9);
    });
}

#[test]
fn a_small_call_beside_a_large_stream_takes_little_longer_than_alone() {
    // 10 MB a second: the stream alone takes a second and a half in each direction.
    let narrow = r#""latency_min":"5ms","latency_max":"5ms","jitter_max":0,"bandwidth":10000000,"window":131072,"retransmit_timeout":"10s""#;
    let large = r#"{"count":15,"size":1000000}"#;
    let told = format!(r#""shape":"bidirectional","uploads":{large},"items":{large}"#);
    let mut items = vec![stream("2s", 1, 0, 1, &told, REPLY)];
    items.extend((1..=8).map(|tenth| call(&format!("2{tenth}00ms"), 1 + tenth, 0, 1, "5s", REPLY)));
    on_both(&Stage::pair().net(narrow).run(13, &items), |scene| {
        assert!(scene.answered(1) > ms(3_000), "the stream was too short to be in anybody's way");
        for tenth in 1..=8 {
            // 10 ms of work, 10 ms on the way; twice 131,072 bytes on the line, and a record and some turns before them.
            let begun = ms(2_000 + 100 * tenth);
            assert_within(scene.answered(1 + tenth), begun, Duration::from_millis(100));
        }
    });
}
