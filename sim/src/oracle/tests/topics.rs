//! Oracles about events.

use super::Story;
use crate::history::What;

/// Node 1 subscribes twice, once in a group; node 0 publishes three events, of which the last one in the fresh phase.
const ITEMS: &str = r#"{"do":"subscribe","t":"1s","id":1,"node":1,"pattern":"a/*","queue":64}
{"do":"subscribe","t":"1s","id":2,"node":1,"pattern":"b","group":"g","queue":64}
{"do":"subscribe","t":"1s","id":3,"node":0,"pattern":"b","group":"g","queue":64}
{"do":"publish","t":"2s","id":4,"node":0,"topic":"a/x","size":20}
{"do":"publish","t":"2s","id":5,"node":0,"topic":"a/x","size":20}
{"do":"publish","t":"2s","id":6,"node":0,"topic":"b","size":20,"mode":"one-per-group"}
{"do":"publish","t":"2s","id":7,"node":1,"topic":"a/x","size":20,"mode":"local"}
{"do":"publish","t":"20s","id":8,"node":0,"topic":"a/y","size":20}"#;

fn published(event: u64) -> What {
    What::EventPublished { event, attempted: 1, dropped: 0 }
}

fn arrives(sub: u64, event: u64) -> What {
    What::EventArrives { sub: Some(sub), event: Some(event), matches: true }
}

fn begun() -> Story {
    Story::with(ITEMS)
        .starts()
        .at(1_000, 1, What::Subscribed { sub: 1 })
        .at(1_000, 1, What::Subscribed { sub: 2 })
        .at(1_000, 0, What::Subscribed { sub: 3 })
        .at(2_000, 0, published(4))
        .at(2_000, 0, published(5))
        .at(2_000, 0, published(6))
}

fn ended(story: Story) -> Story {
    story.at(20_000, 0, published(8)).at(20_002, 1, arrives(1, 8))
}

#[test]
fn events_that_come_as_they_should_upset_nobody() {
    let story = begun()
        .at(2_002, 1, arrives(1, 4))
        .at(2_002, 1, arrives(1, 5))
        .at(2_002, 1, arrives(2, 6))
        .at(2_003, 1, published(7))
        .at(2_003, 1, arrives(1, 7));
    assert_eq!(ended(story).upsets(), Vec::<String>::new());
}

#[test]
fn a_lost_event_upsets_nobody_but_a_fresh_one() {
    assert_eq!(ended(begun()).upsets(), Vec::<String>::new());
    begun().at(20_000, 0, published(8)).upsets_only("fresh-events-arrive");
}

#[test]
fn no_event_comes_twice_or_to_two_of_a_group() {
    let story = begun().at(2_002, 1, arrives(1, 5)).at(2_003, 1, arrives(1, 5));
    ended(story).upsets_only("events-at-most-once");
    let story = begun().at(2_002, 1, arrives(2, 6)).at(2_003, 0, arrives(3, 6));
    ended(story).upsets_only("events-at-most-once");
}

#[test]
fn no_event_overtakes_another_of_its_publisher_and_topic() {
    let story = begun().at(2_002, 1, arrives(1, 5)).at(2_003, 1, arrives(1, 4));
    ended(story).upsets_only("events-in-order");
}

#[test]
fn nobody_gets_what_they_did_not_ask_for() {
    let none = What::EventArrives { sub: Some(1), event: None, matches: false };
    let changed = What::EventArrives { sub: Some(1), event: Some(4), matches: false };
    let stories = [
        // Another topic, nobody's event, another payload, and one of before its time.
        begun().at(2_002, 1, arrives(1, 6)),
        begun().at(2_002, 1, none),
        begun().at(2_002, 1, changed),
        begun().at(2_002, 1, arrives(1, 7)),
        // After the end of a subscription, or of its process.
        begun().at(2_001, 1, What::Unsubscribed { sub: 2 }).at(2_002, 1, arrives(2, 6)),
        begun().at(2_001, 0, What::Gone { clean: true }).at(2_002, 0, What::Started { life: 1 }).at(
            2_003,
            0,
            arrives(3, 6),
        ),
    ];
    for (number, story) in stories.into_iter().enumerate() {
        let upset = ended(story).upsets();
        assert!(upset.contains(&"events-are-asked-for".to_owned()), "story {number}: {upset:?}");
    }
}

/// Node 1 subscribes with two places and this rule, works on each event for 100 ms, and publishes five events at once.
fn overflowing(rule: &str) -> Story {
    let subscription = format!(
        r#"{{"do":"subscribe","t":"1s","id":1,"node":1,"pattern":"a","queue":2,"overflow":"{rule}","work":"100ms"}}"#
    );
    let event = |id| format!(r#"{{"do":"publish","t":"2s","id":{id},"node":1,"topic":"a","size":20}}"#);
    let items: Vec<String> = core::iter::once(subscription).chain((11..=15).map(event)).collect();
    let items = items.join("\n");
    let mut story = Story::with(&items).starts().at(1_000, 1, What::Subscribed { sub: 1 });
    for event in 11..=15 {
        story = story.at(2_000, 1, published(event));
        if event == 11 {
            story = story.at(2_000, 1, arrives(1, 11));
        }
    }
    story
}

#[test]
fn a_full_subscription_drops_what_its_rule_says() {
    let gets = |rule, first, second| {
        overflowing(rule).at(2_100, 1, arrives(1, first)).at(2_200, 1, arrives(1, second)).upsets()
    };
    assert_eq!(gets("drop-oldest", 14, 15), Vec::<String>::new());
    assert_eq!(gets("drop-newest", 12, 13), Vec::<String>::new());
    for (rule, first, second) in
        [("drop-oldest", 12, 13), ("drop-newest", 14, 15), ("block", 14, 15), ("block", 12, 13)]
    {
        assert_eq!(gets(rule, first, second), ["overflow-keeps-its-rule"], "{rule}");
    }
    // Nobody knows what would have come of it.
    let ended = overflowing("block").at(2_050, 1, What::Unsubscribed { sub: 1 });
    assert_eq!(ended.upsets(), Vec::<String>::new());
}

#[test]
fn a_topic_has_its_burst_and_then_its_rate() {
    let header = super::HEADER.replace(
        r#""phases""#,
        r#""limits":{"events_per_topic_burst":3,"events_per_topic_per_s":10},"phases""#,
    );
    let items: Vec<String> = (1..=5)
        .map(|event| format!(r#"{{"do":"publish","t":"2s","id":{event},"node":0,"topic":"a","size":20}}"#))
        .collect();
    let story = |last_at: u64| {
        let mut story = Story::of(&header, &items.join("\n")).starts();
        for event in 1..=3 {
            story = story.at(2_000, 0, published(event));
        }
        story.history.peers_at_fresh.extend([(0, vec![1]), (1, vec![0])]);
        story.at(2_100, 0, published(4)).at(last_at, 0, published(5))
    };
    assert_eq!(story(2_200).upsets(), Vec::<String>::new());
    story(2_150).upsets_only("topics-keep-their-pace");
}
