//! Who is there, for those who have a link to it and for all others.

use std::time::Duration;

use lacewing_core::Code;
use lacewing_sim::history::What;

use crate::stage::{
    DETECTION, HOP, NEVER, REPLY, Stage, assert_within, call, crash, misbehave, ms, on_both, partition,
};

/// Members compare what they know, and check their ways, often enough to get over lies soon.
const WATCHFUL: &str = r#""keepalive_interval":"250ms","down_after":"2s","connect_timeout":"1s","backoff_max":"1s","retire_timeout":"1s","directory_digest_interval":"2s","route_check_interval":"500ms""#;

/// Calls between two nodes, in both directions in turn, one every 100 ms from 2 s to 6 s.
fn calls_between(one: usize, other: usize, first_id: u64) -> Vec<String> {
    let calls = (0..40).map(|number| {
        let (from, to) = if number % 2 == 0 { (one, other) } else { (other, one) };
        call(&format!("{}ms", 2_000 + number * 100), first_id + number, from, to, "5s", REPLY)
    });
    calls.collect()
}

#[test]
fn c19_a_forged_goodbye_is_ignored() {
    let change = |t: &str, node: usize, tag: &str| {
        format!(r#"{{"do":"capabilities","t":"{t}","node":{node},"tags":["{tag}"]}}"#)
    };
    let items = [
        // The relay says of both ends that they have taken everything back, as soon as they say anything.
        misbehave("1500ms", "6s", 1, "forges-goodbyes"),
        change("2s", 0, "hardware.gpu"),
        change("2s", 2, "hardware.gpu"),
        // Who has said goodbye is gone at once when no way leads there. Who has not is asked for.
        r#"{"do":"reset","t":"4s","pair":[1,2]}"#.to_owned(),
        call("6s", 1, 0, 2, "5s", REPLY),
        call("6s", 2, 2, 0, "5s", REPLY),
    ];
    on_both(&Stage::line(3).timing(WATCHFUL).run(19, &items), |scene| {
        assert!(scene.marked("directory.refused_forged") >= 2, "they did come: {:?}", scene.outcome.tally);
        assert_eq!((scene.losses(0, 2), scene.losses(2, 0)), (vec![], vec![]));
        assert!(scene.marked("routing.unreachable") > 0, "{:?}", scene.outcome.tally);
        scene.answered(1);
        scene.answered(2);
    });
}

#[test]
fn c19_a_claim_that_others_are_gone_is_ignored_where_another_way_leads_to_them() {
    let mut items = vec![misbehave("1500ms", "6s", 1, "retracts-ways")];
    items.extend(calls_between(0, 2, 0));
    on_both(&Stage::ring(4).timing(WATCHFUL).run(19, &items), |scene| {
        for (node, other) in [(0, 2), (2, 0), (0, 3), (3, 0), (2, 3), (3, 2)] {
            let suspect = |what: &What| matches!(what, What::NodeSuspect { of: Some(of) } if *of == other);
            assert!(scene.seen(node, suspect).is_empty(), "n{node} suspects n{other}");
            assert_eq!(scene.losses(node, other), [], "for n{node}");
        }
        assert!(scene.marked("routing.check_failed") > 10, "they did come: {:?}", scene.outcome.tally);
        for op in 0..40 {
            scene.answered(op);
        }
    });
}

#[test]
fn c19_a_forged_sender_is_ignored() {
    let mut items = vec![misbehave("1500ms", "6s", 1, "forges-senders")];
    items.extend(calls_between(0, 2, 0).into_iter().zip(calls_between(0, 3, 100)).flat_map(<[_; 2]>::from));
    on_both(&Stage::line(4).timing(WATCHFUL).run(19, &items), |scene| {
        for (first, other) in [(0, 2), (100, 3)] {
            for number in 0..40 {
                scene.answered(first + number);
                // Where it ran, its caller was known for who it is.
                let provider = if number % 2 == 0 { other } else { 0 };
                assert_eq!(scene.ran_at(first + number), [provider], "op {}", first + number);
            }
        }
        assert!(scene.marked("link.tunnel_unknown") > 10, "they did come: {:?}", scene.outcome.tally);
    });
}

#[test]
fn c21_a_seed_that_starts_after_the_joiners_is_found() {
    let stage = Stage::of(3, &[[1, 0], [2, 0]]).node(0, r#"{"start":"5s"}"#);
    on_both(&stage.run(21, &[call("10s", 1, 1, 0, "3s", REPLY)]), |scene| {
        for joiner in [1, 2] {
            // Within the longest pause between two dials.
            assert_within(scene.ups(joiner)[0], ms(5_000), Duration::from_millis(1_100));
        }
        let mut peers = scene.outcome.history.peers_at_fresh[&0].clone();
        peers.sort_unstable();
        assert_eq!(peers, [1, 2]);
        scene.answered(1);
    });
}

#[test]
fn c23_neighbours_with_mixed_keep_alive_intervals_do_not_flap() {
    let intervals = ["100ms", "400ms", "1s", "3s", "10s"];
    let stage = Stage::full(5).timing("").phases(["20s", "30s", "40s", "45s"]);
    let stage = intervals.iter().enumerate().fold(stage, |stage, (node, interval)| {
        stage.node(node, &format!(r#"{{"timing":{{"keepalive_interval":"{interval}"}}}}"#))
    });
    on_both(&stage.run(23, &[]), |scene| {
        for node in 0..5 {
            assert_eq!((scene.ups(node).len(), scene.downs(node).len()), (4, 0), "n{node}");
            let doubts = |what: &What| matches!(what, What::PeerSuspect { .. } | What::NodeSuspect { .. });
            assert!(scene.seen(node, doubts).is_empty(), "n{node}");
        }
    });
}

#[test]
fn c24_a_restart_within_the_detection_time_ends_the_old_life_and_shows_the_new_one() {
    let items = [
        call("2s", 1, 0, 1, "15s", NEVER),
        crash("3s", 1, "power-loss", "300ms"),
        call("7s", 2, 0, 1, "5s", REPLY),
    ];
    on_both(&Stage::of(2, &[[1, 0]]).run(24, &items), |scene| {
        let (t, code, maybe_executed) = scene.failed(1);
        assert_eq!((code, maybe_executed), (Code::Unavailable, true));
        // The new life is the proof, not the silence of the old one.
        assert_within(t, ms(3_300), DETECTION / 2);
        let superseded =
            |what: &What| matches!(what, What::PeerDown { reason, .. } if reason == "Superseded");
        assert_eq!((scene.seen(0, superseded).len(), scene.downs(0).len(), scene.ups(0).len()), (1, 1, 2));
        scene.answered(2);
    });
}

#[test]
fn c24_a_restart_with_a_clock_that_was_set_back_adopts_a_later_life() {
    let crash = r#"{"do":"crash","t":"3s","node":1,"mode":"kill","down":"500ms","clock":"back"}"#.to_owned();
    let items = [crash, call("10s", 1, 0, 1, "3s", REPLY)];
    on_both(&Stage::of(2, &[[1, 0]]).run(24, &items), |scene| {
        assert_eq!(scene.seen(1, |what| matches!(what, What::Adopted)).len(), 1);
        scene.answered(1);
    });
}

#[test]
fn c25_a_one_way_partition_takes_the_link_down_on_both_sides_and_it_comes_back() {
    let items = [
        call("2900ms", 1, 1, 0, "15s", r#"{"kind":"reply","after":"1s","size":10}"#),
        partition("3s", "5s", [0, 1], "oneway"),
        call("13s", 2, 0, 1, "3s", REPLY),
    ];
    on_both(&Stage::pair().run(25, &items), |scene| {
        // The answer is lost; node 1 hears nothing and says so, and what it says reaches node 0.
        let (_, code, maybe_executed) = scene.failed(1);
        assert_eq!((code, maybe_executed, scene.ran_at(1)), (Code::Unavailable, true, vec![0]));
        for node in 0..2 {
            assert_within(scene.downs(node)[0], ms(2_700) + DETECTION, Duration::from_millis(300) + HOP * 3);
            assert!(scene.ups(node).len() >= 2, "up, and up again after the heal");
        }
        scene.answered(2);
    });
}

#[test]
fn c25_a_one_way_partition_in_a_mesh_takes_a_link_down_and_no_node() {
    let items = [
        partition("3s", "5s", [0, 1], "oneway"),
        call("6s", 1, 0, 1, "5s", REPLY),
        call("6s", 2, 1, 0, "5s", REPLY),
    ];
    on_both(&Stage::full(3).run(25, &items), |scene| {
        for (node, other) in [(0, 1), (1, 0)] {
            assert_within(scene.downs(node)[0], ms(2_700) + DETECTION, Duration::from_millis(300) + HOP * 3);
            assert_eq!(scene.losses(node, other), [], "there is a way by the third");
        }
        for (op, provider) in [(1, 1), (2, 0)] {
            scene.answered(op);
            assert_eq!(scene.ran_at(op), [provider], "op {op}");
        }
        assert!(scene.downs(2).is_empty());
    });
}

#[test]
fn a_half_mesh_that_is_cut_off_is_down_for_the_other_and_comes_back() {
    let cut = r#"{"do":"partition","t":"3s","lasts":"5s","from":[0,1],"to":[2,3],"dir":"both"}"#.to_owned();
    on_both(&Stage::line(4).run(25, &[cut, call("13s", 1, 0, 3, "3s", REPLY)]), |scene| {
        for (node, other) in [(0, 2), (0, 3), (1, 2), (1, 3), (2, 0), (3, 1)] {
            assert_eq!(scene.losses(node, other).len(), 1, "n{node} misses n{other}");
        }
        assert!(scene.losses(0, 1).is_empty() && scene.losses(3, 2).is_empty());
        scene.answered(1);
    });
}
