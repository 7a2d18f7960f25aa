//! Events: who gets which, how often, and for how long.

use std::time::Duration;

use crate::stage::{HOP, Scene, Stage, assert_within, crash, ms, on_both, publish, subscribe, unsubscribe};

/// The events that a subscription has got, in order.
#[track_caller]
fn got(scene: &Scene<'_>, sub: u64) -> Vec<u64> {
    scene.events(sub).into_iter().map(|(event, _)| event).collect()
}

#[test]
fn c63_a_subscription_with_wildcards_gets_the_concrete_topic_once() {
    let patterns = ["sim/topic/*/placed", "sim/topic/>", ">", "sim/*/eu/{what}"];
    let mut items = Vec::new();
    for node in 0..3 {
        for (number, pattern) in patterns.iter().enumerate() {
            items.push(subscribe("1s", 10 * node + number as u64, node as usize, pattern, ""));
        }
    }
    items.push(publish("2s", 100, 0, "sim/topic/eu/placed", 500));
    items.push(publish("2500ms", 101, 2, "sim/topic/eu/placed", 500));
    // Nobody has asked for that, but with the wildcard of everything.
    items.push(publish("3s", 102, 1, "sim/other", 500));
    on_both(&Stage::line(3).run(63, &items), |scene| {
        for node in 0..3 {
            for number in 0..4 {
                let expected: &[u64] = if number == 2 { &[100, 101, 102] } else { &[100, 101] };
                // The testbed compares topic, payload and publisher with what was published.
                assert_eq!(
                    got(scene, 10 * node + number),
                    expected,
                    "{} at node {node}",
                    patterns[number as usize]
                );
            }
        }
    });
}

#[test]
fn c64_overlapping_subscriptions_of_a_peer_cost_one_copy_on_the_wire() {
    // 100 kB a second: a second copy would take another second.
    let narrow = r#""latency_min":"5ms","latency_max":"5ms","jitter_max":0,"bandwidth":100000,"window":131072,"retransmit_timeout":"10s""#;
    let patterns = ["sim/topic/a", "sim/topic/*", "sim/>", ">", "sim/topic/a"];
    let mut items = Vec::new();
    for (number, pattern) in (0_u64..).zip(patterns) {
        let group = if number == 4 { r#""group":"workers""# } else { "" };
        items.push(subscribe("1s", 1 + number, 1, pattern, group));
    }
    items.push(publish("3s", 100, 0, "sim/topic/a", 100_000));
    on_both(&Stage::pair().net(narrow).run(64, &items), |scene| {
        assert_eq!(scene.copies(100), Some((1, 0)));
        for sub in 1..=5 {
            let events = scene.events(sub);
            assert_eq!(events.len(), 1, "subscription {sub}");
            assert_within(events[0].1, ms(3_000), Duration::from_millis(1_500));
        }
    });
}

#[test]
fn c65_overlapping_subscriptions_end_in_any_order() {
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let mut items: Vec<(u64, String)> = Vec::new();
    for (place, order) in (0_u64..).zip(orders) {
        let (topic, first) = (format!("sim/topic/{place}/x"), 100 * (place + 1));
        let patterns = [topic.clone(), format!("sim/topic/{place}/*"), format!("sim/topic/{place}/>")];
        for (sub, pattern) in (0..).zip(&patterns) {
            items.push((1_000, subscribe("1s", first + sub, 1, pattern, "")));
        }
        for step in 0..4 {
            let t = 2_500 + 1_000 * step;
            items.push((t, publish(&format!("{t}ms"), first + 10 + step, 0, &topic, 100)));
        }
        for (step, sub) in (0..).zip(order) {
            let t = 3_000 + 1_000 * step;
            items.push((t, unsubscribe(&format!("{t}ms"), first + sub, 1)));
        }
    }
    items.sort_by_key(|(t, _)| *t);
    let items: Vec<String> = items.into_iter().map(|(_, item)| item).collect();
    on_both(&Stage::pair().run(65, &items), |scene| {
        for (place, order) in (0_u64..).zip(orders) {
            let first = 100 * (place + 1);
            for (left, sub) in (1_u64..).zip(order) {
                let expected: Vec<u64> = (0..left).map(|step| first + 10 + step).collect();
                assert_eq!(got(scene, first + sub), expected, "{order:?}, subscription {sub}");
            }
            // One copy for as long as anybody wants it, and none for nobody.
            let copies: Vec<_> = (0..4).map(|step| scene.copies(first + 10 + step)).collect();
            assert_eq!(copies, [Some((1, 0)), Some((1, 0)), Some((1, 0)), Some((0, 0))], "{order:?}");
        }
    });
}

#[test]
fn c67_a_subscription_gets_what_is_published_while_it_lasts_and_nothing_of_the_past() {
    let mut items = vec![
        publish("2s", 100, 0, "sim/topic/news", 100),
        publish("2s", 101, 1, "sim/topic/news", 100),
        subscribe("3s", 1, 1, "sim/topic/news", ""),
        subscribe("3s", 2, 0, "sim/topic/news", ""),
    ];
    items.push(publish("4s", 102, 0, "sim/topic/news", 100));
    items.push(unsubscribe("5s", 2, 0));
    items.push(crash("5s", 1, "kill", "2s"));
    items.push(publish("6s", 103, 0, "sim/topic/news", 100));
    // It is back, and its new life has subscribed again.
    items.push(publish("14s", 104, 0, "sim/topic/news", 100));
    on_both(&Stage::pair().run(67, &items), |scene| {
        assert_eq!(got(scene, 1), [102, 104]);
        assert_eq!(got(scene, 2), [102]);
        assert_eq!(scene.copies(100), Some((0, 0)), "nobody was there");
        assert_within(scene.events(1)[0].1, ms(4_000), HOP * 2);
    });
}
