//! What nodes offer, and who gets the calls.

use std::collections::BTreeMap;
use std::time::Duration;

use lacewing_core::{Code, Instant};

use crate::stage::{
    REPLY, Scene, Stage, assert_within, call, crash, ms, on_both, partition, pool_call, serve,
};

#[test]
fn c5_an_action_that_is_added_after_the_links_is_called_without_asking_around() {
    let items = [
        pool_call("2s", 1, 0, "", REPLY),
        serve("3s", 3, "running"),
        pool_call("3200ms", 2, 0, "", REPLY),
        r#"{"do":"unserve","t":"4s","node":3,"pool":0}"#.to_owned(),
        pool_call("4200ms", 3, 0, "", REPLY),
    ];
    on_both(&Stage::line(4).run(5, &items), |scene| {
        let unknown = |op| {
            let (_, code, maybe_executed) = scene.failed(op);
            assert_eq!((code, maybe_executed, scene.ran_at(op)), (Code::NotFound, false, vec![]));
        };
        // Nobody serves it, which takes a question to find out.
        unknown(1);
        assert_eq!(scene.questions(ms(2_000), ms(3_000)).len(), 1);
        // Now somebody does, three links away.
        scene.answered(2);
        assert_eq!(scene.ran_at(2), [3]);
        assert_eq!(scene.questions(ms(3_000), ms(4_000)), [0; 0], "everybody had been told");
        unknown(3);
    });
}

#[test]
fn c6_an_action_that_is_paused_refuses_calls_from_afar_and_from_here() {
    let to_server = r#""to":2"#;
    let mut items = vec![serve("1s", 2, "running")];
    for (t, state, id) in [(2, "paused", 10), (3, "running", 20), (4, "draining", 30)] {
        items.push(serve(&format!("{t}s"), 2, state));
        items.push(pool_call(&format!("{t}.5s"), id, 0, to_server, REPLY));
        items.push(pool_call(&format!("{t}.5s"), id + 1, 2, to_server, REPLY));
        items.push(pool_call(&format!("{t}.5s"), id + 2, 0, "", REPLY));
    }
    on_both(&Stage::line(3).run(6, &items), |scene| {
        for op in [10, 11, 12, 30, 31, 32] {
            let (t, code, maybe_executed) = scene.failed(op);
            assert_eq!(
                (code, maybe_executed, scene.ran_at(op)),
                (Code::Unavailable, false, vec![]),
                "op {op}"
            );
            let begun = if op < 20 { ms(2_500) } else { ms(4_500) };
            assert_within(t, begun, Duration::from_millis(100));
        }
        for op in 20..=22 {
            scene.answered(op);
            assert_eq!(scene.ran_at(op), [2], "op {op}");
        }
    });
}

/// Ten calls of node 0 to pool 0, one every 20 ms.
fn ten(first_ms: u64, first_id: u64, select: &str) -> Vec<String> {
    let more = format!(r#""select":"{select}""#);
    let call =
        |number: u64| pool_call(&format!("{}ms", first_ms + number * 20), first_id + number, 0, &more, REPLY);
    (0..10).map(call).collect()
}

fn all_answered(scene: &Scene<'_>, calls: std::ops::Range<u64>) {
    for op in calls {
        scene.answered(op);
    }
}

#[test]
fn c66_two_providers_share_the_load_and_the_exit_of_one_keeps_the_other() {
    for (exit, comes_back) in [
        (crash("4s", 2, "clean", "4s"), true),
        (crash("4s", 2, "kill", "4s"), true),
        (r#"{"do":"unserve","t":"4s","node":2,"pool":0}"#.to_owned(), false),
    ] {
        let mut items = vec![serve("1s", 1, "running"), serve("1s", 2, "running")];
        items.extend(ten(2_000, 100, "round-robin"));
        items.push(exit);
        items.extend(ten(5_500, 200, "round-robin"));
        items.extend(ten(13_500, 300, "round-robin"));
        on_both(&Stage::line(3).run(66, &items), |scene| {
            all_answered(scene, 100..110);
            assert_eq!(scene.shares(100..110), BTreeMap::from([(1, 5), (2, 5)]));
            all_answered(scene, 200..210);
            assert_eq!(scene.shares(200..210), BTreeMap::from([(1, 10)]), "one is left, and has all of it");
            all_answered(scene, 300..310);
            let afterwards = if comes_back { vec![(1, 5), (2, 5)] } else { vec![(1, 10)] };
            assert_eq!(scene.shares(300..310), afterwards.into_iter().collect());
        });
    }
}

#[test]
fn c66_a_call_to_a_provider_that_dies_with_it_does_not_take_the_others_along() {
    let slow = r#"{"kind":"reply","after":"1s","size":300}"#;
    let mut items = vec![serve("1s", 1, "running"), serve("1s", 2, "running")];
    items.extend((0..4).map(|id| pool_call("2s", 100 + id, 0, r#""select":"least-loaded""#, slow)));
    items.push(crash("2500ms", 2, "kill", "4s"));
    on_both(&Stage::of(3, &[[0, 1], [0, 2]]).run(66, &items), |scene| {
        assert_eq!(
            scene.shares(100..104),
            BTreeMap::from([(1, 2), (2, 2)]),
            "whoever has less to do is called"
        );
        for op in 100..104 {
            if scene.ran_at(op) == [1] {
                assert_within(scene.answered(op), ms(3_000), Duration::from_millis(50));
                continue;
            }
            let (t, code, maybe_executed) = scene.failed(op);
            assert_eq!((code, maybe_executed), (Code::Unavailable, true));
            assert_within(t, ms(2_500), Duration::from_millis(50));
        }
    });
}

/// When each node first had something that a node has announced in this time.
fn heard(scene: &Scene<'_>, owner: usize, from: Instant, to: Instant) -> BTreeMap<usize, Instant> {
    let mut heard = BTreeMap::new();
    for ((announcer, _, node), t) in &scene.outcome.history.mesh.heard {
        if *announcer == owner && from <= *t && *t < to {
            let first = heard.entry(*node).or_insert(*t);
            *first = (*first).min(*t);
        }
    }
    heard
}

#[test]
fn c68_new_capabilities_reach_all_peers_though_a_link_is_down() {
    let down = partition("2s", "5s", [0, 1], "both");
    let can =
        r#"{"do":"capabilities","t":"5s","node":1,"tags":["hardware.gpu","scope:region:eu"]}"#.to_owned();
    let ring = Stage::ring(4);
    on_both(&ring.run(68, std::slice::from_ref(&down)), |scene| {
        assert_eq!(heard(scene, 1, ms(5_000), ms(7_000)), BTreeMap::new(), "otherwise it has nothing to say");
    });
    on_both(&ring.run(68, &[down, can, call("6s", 1, 0, 1, "5s", REPLY)]), |scene| {
        assert!(
            !scene.downs(0).is_empty() && scene.losses(0, 1).is_empty(),
            "the link is down, the node is not"
        );
        let heard = heard(scene, 1, ms(5_000), ms(7_000));
        assert_eq!(heard.keys().copied().collect::<Vec<_>>(), [0, 2, 3]);
        for (node, links) in [(2, 1), (3, 2), (0, 3)] {
            // Nobody waits for a timer: a trip over each link on the way, and one to ask where that is needed.
            assert_within(heard[&node], ms(5_000), Duration::from_millis(30) * links);
        }
        scene.answered(1);
    });
}
