//! Events on topics, between nodes that run.

mod stage;

use std::time::Duration;

use lacewing::{Code, Node, Overflow, SubscribeOptions, Subscription, TopicEvent};
use stage::{Stage, within};

scenarios!(
    c63_a_wildcard_subscriber_gets_the_concrete_topic_once,
    c65_subscriptions_end_in_any_order,
    events_of_a_publisher_come_in_order_through_relays,
    large_events_arrive_as_they_went,
    one_of_a_group_gets_each_event,
    a_wait_counts_from_the_call_on,
    a_publisher_waits_for_a_full_subscription_of_its_node_that_blocks,
    a_subscription_ends_with_its_node,
);

async fn next(subscription: &mut Subscription) -> TopicEvent {
    within(subscription.next()).await.expect("the node is up")
}

/// Waits until a node has heard who wants what.
async fn heard(node: &Node, of: &Node, patterns: usize) {
    let interests =
        |node: &Node| node.describe(of.node_id()).is_some_and(|said| said.interests.len() == patterns);
    within(node.wait_until(|node| interests(node).then_some(()))).await.unwrap();
}

fn in_group(name: &str) -> SubscribeOptions {
    SubscribeOptions { group: Some(name.parse().unwrap()), ..SubscribeOptions::default() }
}

async fn c63_a_wildcard_subscriber_gets_the_concrete_topic_once(stage: Stage) {
    let line = stage.line(2).await;
    let mut star = line[1].subscribe("orders/*/placed").unwrap();
    let mut tail = line[1].subscribe("orders/>").unwrap();
    heard(&line[0], &line[1], 2).await;
    let report = line[0].publish("orders/eu/placed", "7").await.unwrap();
    assert_eq!((report.attempted, report.delivered, report.dropped), (1, 1, 0));
    line[0].publish("orders/eu", "the end").await.unwrap();
    for subscription in [&mut star, &mut tail] {
        let event = next(subscription).await;
        assert_eq!((event.topic.as_str(), &event.payload.data[..]), ("orders/eu/placed", &b"7"[..]));
        assert_eq!(event.publisher.node, line[0].node_id());
    }
    assert_eq!(next(&mut tail).await.topic.as_str(), "orders/eu");
    assert_eq!(star.stats().delivered, 1);
}

async fn c65_subscriptions_end_in_any_order(stage: Stage) {
    let line = stage.line(2).await;
    let first = line[1].subscribe("t").unwrap();
    let mut second = line[1].subscribe("t").unwrap();
    let third = line[1].subscribe_with("t", in_group("g")).unwrap();
    heard(&line[0], &line[1], 1).await;
    drop(first);
    line[0].publish("t", "after the first").await.unwrap();
    assert_eq!(next(&mut second).await.payload.data, "after the first");
    drop(third);
    line[0].publish("t", "after the third").await.unwrap();
    assert_eq!(next(&mut second).await.payload.data, "after the third");
    drop(second);
    heard(&line[0], &line[1], 0).await;
    assert_eq!(line[0].publish("t", "to nobody").await.unwrap().attempted, 0);
}

async fn events_of_a_publisher_come_in_order_through_relays(stage: Stage) {
    let line = stage.line(4).await;
    let mut events = line[3].subscribe("numbers/>").unwrap();
    heard(&line[0], &line[3], 1).await;
    for number in 0..200_u32 {
        let topic = format!("numbers/{}", number % 3);
        assert_eq!(line[0].publish(topic, number.to_string()).await.unwrap().dropped, 0);
    }
    for number in 0..200_u32 {
        let event = next(&mut events).await;
        assert_eq!((event.payload.data, event.sequence), (number.to_string().into(), u64::from(number) + 1));
    }
    assert_eq!(line[1].topic_stats().received + line[2].topic_stats().received, 0);
}

async fn large_events_arrive_as_they_went(stage: Stage) {
    let line = stage.line(3).await;
    let (mut near, mut far) = (line[1].subscribe("large").unwrap(), line[2].subscribe("large").unwrap());
    heard(&line[0], &line[1], 1).await;
    heard(&line[0], &line[2], 1).await;
    let large: Vec<u8> = (0..600_000_u32).map(|i| (i % 251) as u8).collect();
    assert_eq!(line[0].publish("large", large.clone()).await.unwrap().delivered, 2);
    for subscription in [&mut near, &mut far] {
        assert!(next(subscription).await.payload.data == large, "it came as it went");
    }
}

async fn one_of_a_group_gets_each_event(stage: Stage) {
    let mesh = stage.mesh(3, &[(0, 1), (0, 2)]).await;
    let members: Vec<_> =
        (1..3).map(|node| mesh[node].subscribe_with("jobs", in_group("workers")).unwrap()).collect();
    for node in &mesh[1..] {
        heard(&mesh[0], node, 1).await;
    }
    for _ in 0..60 {
        assert_eq!(mesh[0].publish("jobs", "x").one_per_group().await.unwrap().delivered, 1);
    }
    let counts = || {
        members.iter().map(|member| {
            let stats = member.stats();
            stats.delivered + stats.waiting as u64
        })
    };
    stage::until(|| counts().sum::<u64>() == 60).await;
    assert!(counts().all(|count| count > 5), "{:?}", counts().collect::<Vec<_>>());
}

async fn a_wait_counts_from_the_call_on(stage: Stage) {
    let line = stage.line(2).await;
    let ready = line[1].wait("ready/*");
    heard(&line[0], &line[1], 1).await;
    line[0].publish("ready/one", "1").await.unwrap();
    line[0].publish("ready/two", "2").await.unwrap();
    assert_eq!(within(ready).await.unwrap().topic.as_str(), "ready/one");
    heard(&line[0], &line[1], 0).await;
    assert_eq!(line[1].wait("a//b").await.unwrap_err().code(), Code::InvalidArgument);
}

async fn a_publisher_waits_for_a_full_subscription_of_its_node_that_blocks(stage: Stage) {
    let node = stage.server("alone").await;
    let options = SubscribeOptions { queue_len: 1, overflow: Overflow::Block, ..SubscribeOptions::default() };
    let mut slow = node.subscribe_with("t", options).unwrap();
    node.publish("t", "0").await.unwrap();
    node.publish("t", "1").await.unwrap();
    let refused = node.publish("t", "never").timeout(Duration::from_millis(20)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Backpressure);
    let waits = tokio::spawn({
        let event = node.publish("t", "2").timeout(stage::PATIENCE);
        async move { event.await }
    });
    for expected in ["0", "1", "2"] {
        assert_eq!(next(&mut slow).await.payload.data, expected);
    }
    assert_eq!(within(waits).await.unwrap().unwrap().delivered, 1);
}

async fn a_subscription_ends_with_its_node(stage: Stage) {
    let node = stage.server("ends").await;
    let mut events = node.subscribe("t").unwrap();
    node.publish("t", "the last").await.unwrap();
    node.shutdown(Duration::from_secs(5)).await;
    assert_eq!(next(&mut events).await.payload.data, "the last");
    assert!(within(events.next()).await.is_none());
    assert_eq!(node.publish("t", "too late").await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(node.subscribe("t").unwrap_err().code(), Code::Unavailable);
}
