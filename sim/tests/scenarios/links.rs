//! Links: how they come, end and come again.

use std::time::Duration;

use lacewing_core::Code;
use lacewing_sim::history::What;

use crate::stage::{
    DETECTION, HOP, REPLY, Scene, Stage, assert_within, call, crash, half_open, ms, on_both, on_des,
};

/// Two nodes that dial each other at the same time, with a jitter that differs from seed to seed.
fn dial_each_other(seed: u64) -> lacewing_sim::run::Run {
    let stage = Stage::of(2, &[[0, 1], [1, 0]]).phases(["1s", "2s", "6s", "6s"]);
    let mut run = stage.run(seed, &[call("3s", 1, 0, 1, "1s", REPLY)]);
    run.header.net.jitter_max = lacewing_sim::quantity::Micros(seed % 3 * 2_000);
    run
}

fn one_link_is_left(scene: &Scene<'_>) {
    for node in 0..2 {
        assert_eq!((scene.ups(node).len(), scene.downs(node).len()), (1, 0), "n{node}");
        let mut readings = scene.outcome.history.at_end.iter();
        let links = readings.find(|reading| reading.node == node && reading.name == "link.links");
        assert_eq!(links.map(|reading| reading.value), Some(1), "n{node}");
    }
    scene.answered(1);
}

#[test]
fn c22_a_thousand_simultaneous_dials_leave_one_link_each_and_nothing_flaps() {
    let doubled = std::cell::Cell::new(0);
    for seed in 0..1_000 {
        on_des(&dial_each_other(seed), |scene| {
            one_link_is_left(scene);
            let replaced =
                |what: &What| matches!(what, What::LinkClosed { reason, .. } if reason == "superseded");
            doubled.set(doubled.get() + usize::from(!scene.seen(0, replaced).is_empty()));
        });
    }
    assert!(doubled.get() > 500, "dials did meet: {}", doubled.get());
}

#[test]
fn c22_simultaneous_dials_leave_one_link_on_both_engines() {
    for seed in 0..6 {
        on_both(&dial_each_other(seed), one_link_is_left);
    }
}

#[test]
fn a_half_open_link_is_found_out_by_both_sides() {
    let items = [half_open("3s", [0, 1]), call("13s", 1, 1, 0, "3s", REPLY)];
    on_both(&Stage::pair().run(45, &items), |scene| {
        for node in 0..2 {
            assert_eq!((scene.downs(node).len(), scene.ups(node).len()), (1, 2), "n{node}");
            assert_within(scene.downs(node)[0], ms(2_700) + DETECTION, Duration::from_millis(300) + HOP);
        }
        scene.answered(1);
    });
}

#[test]
fn a_link_that_is_reset_is_missed_at_once_on_both_sides() {
    let items = [r#"{"do":"reset","t":"3s","pair":[0,1]}"#.to_owned(), call("13s", 1, 0, 1, "3s", REPLY)];
    on_both(&Stage::pair().run(46, &items), |scene| {
        for node in 0..2 {
            assert_within(scene.downs(node)[0], ms(3_000), HOP);
            assert_within(scene.ups(node)[1], ms(3_000), Duration::from_millis(1_200));
        }
        scene.answered(1);
    });
}

#[test]
fn a_stream_that_stands_still_for_a_moment_loses_nothing() {
    let stall = r#"{"do":"stall","t":"3s","lasts":"600ms","pair":[0,1],"dir":"both"}"#.to_owned();
    let items = [stall, call("3200ms", 1, 1, 0, "9s", REPLY)];
    on_both(&Stage::pair().run(46, &items), |scene| {
        assert!(scene.downs(0).is_empty() && scene.downs(1).is_empty());
        assert_within(scene.answered(1), ms(3_600), Duration::from_millis(900));
    });
}

#[test]
fn a_clean_shutdown_is_a_goodbye_and_not_a_silence() {
    let items = [crash("3s", 1, "clean", "4s"), call("4s", 1, 0, 1, "3s", REPLY)];
    on_both(&Stage::pair().run(47, &items), |scene| {
        let graceful = |what: &What| matches!(what, What::PeerDown { reason, .. } if reason == "Graceful");
        let told = scene.seen(0, graceful);
        assert_eq!(told.len(), 1);
        assert_within(told[0].t, ms(3_000), HOP * 3);
        let (_, code, maybe_executed) = scene.failed(1);
        assert_eq!((code, maybe_executed), (Code::Unavailable, false));
    });
}
