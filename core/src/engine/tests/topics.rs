//! Events on topics, between engines: who gets them, once and in order, and what they do to others.

use core::time::Duration;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use super::Net;
use crate::capability::{SubnetId, Visibility};
use crate::engine::{
    Event, Overflow, Publication, PublishMode, PublishReport, SubscribeOptions, SubscriptionId, TopicEvent,
};
use crate::metrics::families;
use crate::wire::body::topics::GROUPS_MAX;
use crate::wire::frame::{FrameHeader, FrameType};
use crate::{Code, Error};

impl Net {
    fn subscribe(&mut self, node: usize, pattern: &str) -> SubscriptionId {
        self.subscribe_with(node, pattern, SubscribeOptions::default())
    }

    fn subscribe_in(&mut self, node: usize, pattern: &str, group: &str) -> SubscriptionId {
        let options = SubscribeOptions { group: Some(group.parse().unwrap()), ..SubscribeOptions::default() };
        self.subscribe_with(node, pattern, options)
    }

    fn subscribe_with(&mut self, node: usize, pattern: &str, options: SubscribeOptions) -> SubscriptionId {
        let now = self.now;
        self.node(node).subscribe(now, pattern, options).unwrap()
    }

    fn unsubscribe(&mut self, node: usize, id: SubscriptionId) -> bool {
        let now = self.now;
        self.node(node).unsubscribe(now, id)
    }

    /// Lets announcements get everywhere.
    fn spread(&mut self) {
        self.run_for(Duration::from_millis(500));
    }

    fn publish(&mut self, node: usize, topic: &str, text: &str) -> PublishReport {
        self.publish_as(node, topic, text, PublishMode::All).unwrap()
    }

    fn publish_as(
        &mut self,
        node: usize,
        topic: &str,
        text: &str,
        mode: PublishMode,
    ) -> Result<PublishReport, Error> {
        let now = self.now;
        let publication = Publication { mode, ..Publication::new(topic, text.to_string()) };
        self.node(node).publish(now, publication)
    }

    fn got(&self, node: usize, id: SubscriptionId) -> Vec<TopicEvent> {
        let of = |event: &Event| match event {
            Event::Published { subscription, event } if *subscription == id => Some(event.clone()),
            _ => None,
        };
        self.events[node].iter().filter_map(of).collect()
    }

    fn texts(&self, node: usize, id: SubscriptionId) -> Vec<String> {
        let text = |event: TopicEvent| String::from_utf8(event.payload.data.to_vec()).unwrap();
        self.got(node, id).into_iter().map(text).collect()
    }
}

fn report(attempted: u64, delivered: u64) -> PublishReport {
    PublishReport { attempted, delivered, dropped: attempted - delivered }
}

#[test]
fn c63_a_wildcard_subscriber_gets_the_concrete_topic_once() {
    let mut net = Net::pair();
    let star = net.subscribe(1, "orders/*/placed");
    let tail = net.subscribe(1, "orders/>");
    let other = net.subscribe(1, "invoices/>");
    net.spread();
    assert_eq!(net.publish(0, "orders/eu/placed", "order 7"), report(1, 1));
    net.settle();
    for id in [star, tail] {
        let got = net.got(1, id);
        assert_eq!(got.len(), 1);
        assert_eq!((got[0].topic.as_str(), &got[0].payload.data[..]), ("orders/eu/placed", &b"order 7"[..]));
        assert_eq!(got[0].publisher.node, net.id(0));
    }
    assert!(net.got(1, other).is_empty());
    net.assert_quiet();
}

#[test]
fn c64_overlapping_subscriptions_of_one_peer_are_one_copy_on_the_wire() {
    let mut net = Net::pair();
    let ids = ["a/b", "a/*", "a/>", ">", "{x}/b"].map(|pattern| net.subscribe(1, pattern));
    net.spread();
    let before = net.node(1).topic_stats().received;
    let sent: usize = net.overheard.iter().map(|(_, data)| data.len()).sum();
    assert_eq!(net.publish(0, "a/b", &"x".repeat(10_000)), report(1, 1));
    net.settle();
    let bytes = net.overheard.iter().map(|(_, data)| data.len()).sum::<usize>() - sent;
    assert_eq!(net.node(1).topic_stats().received - before, 1);
    assert!((10_000..10_500).contains(&bytes), "{bytes} bytes on the wire");
    for id in ids {
        assert_eq!(net.got(1, id).len(), 1);
    }
}

#[test]
fn c65_subscriptions_end_in_any_order_and_the_others_go_on() {
    let orders: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for order in orders {
        let mut net = Net::pair();
        let ids = [net.subscribe(1, "t/>"), net.subscribe(1, "t/>"), net.subscribe_in(1, "t/>", "g")];
        net.spread();
        for (ended, at) in order.into_iter().enumerate() {
            net.publish(0, "t/a", &format!("{ended} have ended"));
            net.settle();
            assert!(net.unsubscribe(1, ids[at]), "{order:?}");
            assert!(!net.unsubscribe(1, ids[at]), "{order:?}: it ends once");
            net.spread();
            for (place, id) in ids.iter().enumerate() {
                let until = order.iter().position(|other| *other == place).unwrap();
                assert_eq!(net.got(1, *id).len(), (ended + 1).min(until + 1), "{order:?}, {place}");
            }
        }
        assert_eq!(net.publish(0, "t/a", "to nobody"), report(0, 0));
        let own = net.id(1);
        assert!(net.node(0).describe(&own).unwrap().interests.is_empty(), "nothing is announced any more");
        net.assert_quiet();
    }
}

#[test]
fn events_reach_nodes_behind_relays_and_their_publisher_and_no_relay_reads_them() {
    let mut net = Net::line(4);
    let far = net.subscribe(3, "news/>");
    let near = net.subscribe(0, "news/>");
    net.spread();
    assert_eq!(net.publish(0, "news/today", "a secret of two"), report(2, 2));
    net.run_until("it is there", |net| !net.got(3, far).is_empty());
    assert_eq!(net.texts(3, far), ["a secret of two"]);
    assert_eq!(net.texts(0, near), ["a secret of two"]);
    assert_eq!(net.node(1).topic_stats().received + net.node(2).topic_stats().received, 0);
    for number in 0..100 {
        net.publish(0, "news/today", &number.to_string());
    }
    net.run_until("all are there", |net| net.got(3, far).len() == 101);
    let expected: Vec<String> = (0..100).map(|number: u32| number.to_string()).collect();
    assert_eq!(net.texts(3, far)[1..], expected);
    net.run_for(Duration::from_secs(1));
    net.assert_quiet();
}

#[test]
fn the_order_of_a_publisher_is_kept_whatever_the_sizes() {
    let mut net = Net::pair();
    let id = net.subscribe(1, ">");
    net.spread();
    for number in 0..40_usize {
        let text = format!("{number:04}").repeat(if number % 7 == 3 { 100_000 } else { 1 });
        net.publish(0, if number % 2 == 0 { "even" } else { "odd" }, &text);
    }
    net.settle();
    let numbers: Vec<usize> = net.texts(1, id).iter().map(|text| text[..4].parse().unwrap()).collect();
    assert_eq!(numbers, (0..40).collect::<Vec<_>>());
    let sequences: Vec<u64> = net.got(1, id).iter().map(|event| event.sequence).collect();
    assert!(sequences.windows(2).all(|pair| pair[1] == pair[0] + 1), "{sequences:?}");
    assert_eq!(net.node(1).topic_stats().lost, 0);
    net.assert_quiet();
}

#[test]
fn large_events_do_not_hold_up_calls() {
    let mut net = Net::pair();
    let id = net.subscribe(1, "video");
    net.spread();
    net.drain();
    let to_one: Vec<_> = net.pipes.keys().filter(|(node, _)| *node == 0).copied().collect();
    net.blocked.extend(to_one.iter().copied());
    for _ in 0..4 {
        net.publish(0, "video", &"x".repeat(1 << 20));
    }
    net.settle();
    let before: usize = sent_by(&net, 0);
    let op = net.call(0, 1, "echo", "small").unwrap();
    let link = to_one[0].1;
    for _ in 0..8 {
        net.input(0, crate::engine::Input::Credit { link, bytes: 64 * 1024 });
        net.settle();
    }
    assert!(net.outcome(0, op).is_some(), "the call waited behind {} bytes", sent_by(&net, 0) - before);
    assert!(net.got(1, id).len() < 4, "the events have left meanwhile");
}

fn sent_by(net: &Net, node: usize) -> usize {
    net.overheard.iter().filter(|((from, _), _)| *from == node).map(|(_, data)| data.len()).sum()
}

#[test]
fn a_peer_that_takes_nothing_loses_events_and_holds_up_nobody() {
    let mut net = Net::mesh(3, &[(0, 1), (0, 2)]);
    let (slow, quick) = (net.subscribe(1, "t"), net.subscribe(2, "t"));
    net.spread();
    let one = net.id(1);
    let link = net.node(0).peers().iter().find(|peer| peer.node == one).unwrap().link;
    net.blocked.push((0, link));
    let text = "x".repeat(1 << 20);
    let reports: Vec<_> = (0..30)
        .map(|_| {
            let report = net.publish(0, "t", &text);
            net.settle();
            report
        })
        .collect();
    assert_eq!(net.got(2, quick).len(), 30);
    let dropped: u64 = reports.iter().map(|report| report.dropped).sum();
    assert!((20..30).contains(&dropped), "{dropped} of 30 were dropped");
    assert_eq!(net.counter(0, "topics.dropped"), dropped);
    // The receiver sees from the numbers how many are missing.
    net.blocked.clear();
    net.input(0, crate::engine::Input::Credit { link, bytes: 1 << 30 });
    net.publish(0, "t", "the last one");
    net.settle();
    assert_eq!(net.node(1).topic_stats().lost, dropped);
    assert_eq!(net.got(1, slow).len() as u64, 31 - dropped);
}

#[test]
fn of_a_group_one_member_gets_each_event_wherever_it_is() {
    let mut net = Net::mesh(3, &[(0, 1), (0, 2)]);
    let members = [
        (0, net.subscribe_in(0, "jobs/*", "workers")),
        (1, net.subscribe_in(1, "jobs/*", "workers")),
        (1, net.subscribe_in(1, "jobs/>", "workers")),
        (2, net.subscribe_in(2, "jobs/*", "workers")),
    ];
    let audit = net.subscribe_in(2, "jobs/*", "audit");
    let watcher = net.subscribe(2, "jobs/*");
    net.spread();
    for number in 0..120 {
        let report = net.publish_as(0, "jobs/new", &number.to_string(), PublishMode::OnePerGroup).unwrap();
        assert_eq!(report.dropped, 0);
    }
    net.settle();
    let counts: Vec<usize> = members.iter().map(|(node, id)| net.got(*node, *id).len()).collect();
    assert_eq!(counts.iter().sum::<usize>(), 120, "{counts:?}");
    assert!(counts.iter().all(|count| *count >= 8), "everybody has a share: {counts:?}");
    assert_eq!((net.got(2, audit).len(), net.got(2, watcher).len()), (120, 120));
    // To one group alone; and to all, where groups do not count.
    net.publish_as(0, "jobs/new", "x", PublishMode::Group("audit".parse().unwrap())).unwrap();
    net.settle();
    assert_eq!((net.got(2, audit).len(), net.got(2, watcher).len()), (121, 120));
    net.publish(0, "jobs/new", "to all");
    net.settle();
    assert_eq!(members.iter().map(|(node, id)| net.got(*node, *id).len()).sum::<usize>(), 124);
    assert_eq!((net.got(2, audit).len(), net.got(2, watcher).len()), (122, 121));
    assert_eq!(
        net.publish_as(0, "jobs/new", "x", PublishMode::Group("none".parse().unwrap())),
        Ok(report(0, 0))
    );
}

#[test]
fn a_member_of_a_group_that_dies_leaves_its_share_to_the_others() {
    let mut net = Net::mesh(3, &[(0, 1), (0, 2)]);
    net.subscribe_in(1, "jobs", "g");
    let stays = net.subscribe_in(2, "jobs", "g");
    net.spread();
    net.kill(1, true);
    net.run_for(Duration::from_secs(10));
    for _ in 0..20 {
        assert_eq!(net.publish_as(0, "jobs", "x", PublishMode::OnePerGroup), Ok(report(1, 1)));
    }
    net.settle();
    assert_eq!(net.got(2, stays).len(), 20);
}

#[test]
fn local_events_and_internal_topics_stay_where_they_are() {
    let mut net = Net::pair();
    let (here, there) = (net.subscribe(0, ">"), net.subscribe(1, ">"));
    let internal = net.subscribe(0, "$node/*");
    net.spread();
    let own = net.id(0);
    let interests = net.node(1).describe(&own).unwrap().interests;
    assert_eq!(interests.iter().map(|interest| interest.pattern.as_str()).collect::<Vec<_>>(), [">"]);
    assert_eq!(net.publish_as(0, "t", "local", PublishMode::Local), Ok(report(1, 1)));
    assert_eq!(net.publish(0, "$node/load", "internal"), report(1, 1));
    let other = net.id(1);
    assert_eq!(net.publish_as(0, "t", "to one", PublishMode::Node(other)), Ok(report(1, 1)));
    assert_eq!(net.publish_as(0, "t", "to this one", PublishMode::Node(own)), Ok(report(1, 1)));
    net.settle();
    assert_eq!(net.texts(0, here), ["local", "to this one"]);
    assert_eq!(net.texts(0, internal), ["internal"]);
    assert_eq!(net.texts(1, there), ["to one"]);
}

#[test]
fn subnets_that_do_not_see_a_topic_do_not_get_its_events() {
    let mut net = Net::mesh(4, &[(0, 1), (0, 2), (0, 3)]);
    for (node, subnet) in [[3, 7, 0, 0], [3, 7, 0, 0], [3, 0, 0, 0], [4, 0, 0, 0]].into_iter().enumerate() {
        let now = net.now;
        net.node(node).set_subnet(now, SubnetId::from_levels(subnet)).unwrap();
    }
    let ids: Vec<_> = (1..4).map(|node| net.subscribe(node, "t")).collect();
    net.spread();
    let exported = Visibility::Exported(Vec::from([SubnetId::from_levels([4, 0, 0, 0])]));
    let cases = [
        (Visibility::Global, [true, true, true]),
        (Visibility::SubnetLocal, [true, false, false]),
        (Visibility::ParentVisible, [true, true, false]),
        (exported, [false, false, true]),
    ];
    for (visibility, sees) in cases {
        let before: Vec<_> = (1..4).map(|node| net.got(node, ids[node - 1]).len()).collect();
        let (now, publication) = (net.now, Publication { visibility, ..Publication::new("t", "x") });
        net.node(0).publish(now, publication.clone()).unwrap();
        net.settle();
        let got: Vec<_> =
            (1..4).map(|node| net.got(node, ids[node - 1]).len() - before[node - 1] == 1).collect();
        assert_eq!(got, sees, "{publication:?}");
    }
}

#[test]
fn a_full_subscription_keeps_to_its_rule() {
    for (overflow, expected) in [
        (Overflow::DropOldest, ["0", "8", "9"]),
        (Overflow::DropNewest, ["0", "1", "2"]),
        (Overflow::Block, ["0", "1", "2"]),
    ] {
        let mut net = Net::pair();
        net.takes = false;
        let options = SubscribeOptions { queue_len: 2, overflow, group: None };
        let id = net.subscribe_with(1, "t", options);
        let other = net.subscribe(1, "t");
        net.spread();
        for number in 0..10 {
            net.publish(0, "t", &number.to_string());
            net.settle();
        }
        assert_eq!(net.texts(1, id), ["0"], "{overflow:?}: only one is handed over");
        for _ in 0..3 {
            let now = net.now;
            net.node(1).event_taken(now, id);
            net.drain();
        }
        assert_eq!(net.texts(1, id), expected, "{overflow:?}");
        let stats = net.node(1).subscription_stats(id).unwrap();
        assert_eq!((stats.waiting, stats.delivered, stats.dropped + stats.dropped_unheld), (0, 3, 7));
        assert_eq!(stats.dropped_unheld > 0, overflow == Overflow::Block);
        let waiting = net.node(1).subscription_stats(other).unwrap().waiting;
        assert_eq!(waiting, 9, "{overflow:?}: another subscription has a queue of its own");
    }
}

#[test]
fn a_full_subscription_that_blocks_holds_up_publishers_of_its_node_until_it_has_room() {
    let mut net = Net::pair();
    net.takes = false;
    let options = SubscribeOptions { queue_len: 1, overflow: Overflow::Block, group: None };
    let (id, far) = (net.subscribe_with(0, "t", options), net.subscribe(1, "t"));
    net.spread();
    net.publish(0, "t", "0");
    net.publish(0, "t", "1");
    let refused = net.publish_as(0, "t", "2", PublishMode::All).unwrap_err();
    assert_eq!(refused.code(), Code::Backpressure);
    net.settle();
    assert!(!net.has_event(0, |event| matches!(event, Event::PublishReady)));
    let now = net.now;
    net.node(0).event_taken(now, id);
    net.settle();
    assert!(net.has_event(0, |event| matches!(event, Event::PublishReady)));
    assert_eq!(net.publish(0, "t", "2"), report(2, 2));
    net.settle();
    // Nobody got the one that was refused, and its number was not used up.
    net.takes = true;
    let now = net.now;
    net.node(1).event_taken(now, far);
    net.settle();
    assert_eq!(net.texts(1, far), ["0", "1", "2"]);
    assert_eq!(net.node(1).topic_stats().lost, 0);
}

#[test]
fn a_topic_has_a_pace_and_says_when_it_may_go_on() {
    let mut net = Net::new(1);
    let mut config = super::config(0);
    config.limits.events_per_topic_burst = 5;
    config.limits.events_per_topic_per_s = 10;
    net.start(0, 2, config);
    let id = net.subscribe(0, ">");
    for _ in 0..5 {
        net.publish(0, "t", "x");
    }
    let refused = net.publish_as(0, "t", "x", PublishMode::All).unwrap_err();
    assert_eq!((refused.code(), refused.retry_after_ms()), (Code::ResourceExhausted, Some(101)));
    net.publish(0, "another", "x");
    net.run_for(Duration::from_millis(101));
    net.publish(0, "t", "x");
    net.settle();
    assert_eq!(net.got(0, id).len(), 7);
}

#[test]
fn what_is_no_topic_or_pattern_and_one_subscription_too_many_are_refused() {
    let mut net = Net::new(1);
    let mut config = super::config(0);
    config.limits.subscriptions_max = 2;
    net.start(0, 2, config);
    for topic in ["", "a/*", "a//b", ">"] {
        let error = net.publish_as(0, topic, "x", PublishMode::All).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{topic:?}");
    }
    let now = net.now;
    let mut subscribe = |pattern: &str, queue_len: usize| {
        let options = SubscribeOptions { queue_len, ..SubscribeOptions::default() };
        net.node(0).subscribe(now, pattern, options).map_err(|error| error.code())
    };
    assert_eq!(subscribe("a/>/b", 1), Err(Code::InvalidArgument));
    assert_eq!(subscribe("a", 0), Err(Code::InvalidArgument));
    let first = subscribe("a", 1).unwrap();
    subscribe("a", 1).unwrap();
    assert_eq!(subscribe("b", 1), Err(Code::ResourceExhausted));
    assert_eq!(net.counter(0, "topics.subscriptions_full"), 1);
    let metrics = net.node(0).metrics();
    assert_eq!(metrics.count(&families::INCIDENTS, &["topics.subscriptions_full"]), 1);
    assert!(net.node(0).unsubscribe(now, first));
    net.subscribe(0, "b");
    assert_eq!(net.counter(0, "topics.subscriptions_full"), 1, "there was room");
}

#[test]
fn one_group_too_many_of_a_pattern_is_refused_and_counted() {
    let mut net = Net::new(1);
    for number in 0..GROUPS_MAX {
        net.subscribe_in(0, "t", &format!("g{number}"));
    }
    let options =
        SubscribeOptions { group: Some("one-more".parse().unwrap()), ..SubscribeOptions::default() };
    let now = net.now;
    let refused = net.node(0).subscribe(now, "t", options).unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(net.counter(0, "topics.groups_full"), 1);
    // Its members, subscribers without a group and other patterns are not concerned.
    net.subscribe_in(0, "t", "g0");
    net.subscribe(0, "t");
    net.subscribe_in(0, "u", "one-more");
}

#[test]
fn an_event_that_the_peer_would_not_take_is_dropped_here() {
    let mut net = Net::new(2);
    let mut small = super::config(1);
    small.limits.message_bytes_max = 1_000;
    net.start(1, 2, small);
    net.connect(0, 1);
    net.run_until("both are up", |net| net.node(0).peers().len() == 1 && net.node(1).peers().len() == 1);
    let id = net.subscribe(1, "t");
    net.spread();
    assert_eq!(net.publish(0, "t", &"x".repeat(1_001)), report(1, 0));
    assert_eq!(net.publish(0, "t", &"x".repeat(1_000)), report(1, 1));
    net.settle();
    assert_eq!(net.got(1, id).len(), 1);
    assert_eq!(net.node(1).topic_stats().lost, 0, "there was none before it");
}

#[test]
fn a_new_life_of_a_publisher_counts_anew() {
    let mut net = Net::pair();
    let id = net.subscribe(1, "t");
    net.spread();
    for _ in 0..5 {
        net.publish(0, "t", "first life");
    }
    net.settle();
    net.kill(0, true);
    net.start(0, 2, super::config(0));
    net.connect(0, 1);
    net.run_until("both are up", |net| net.node(0).peers().len() == 1 && net.node(1).peers().len() == 1);
    net.spread();
    assert_eq!(net.publish(0, "t", "second life"), report(1, 1));
    net.settle();
    assert_eq!(net.got(1, id).len(), 6);
    assert_eq!(net.node(1).topic_stats().lost, 0);
}

#[test]
fn events_go_on_when_another_link_takes_the_place_of_the_one_that_carried_them() {
    let mut net = Net::pair();
    let id = net.subscribe(1, "t");
    net.spread();
    let mut published = 0;
    for _ in 0..3 {
        for _ in 0..5 {
            net.publish(0, "t", &published.to_string());
            published += 1;
        }
        net.settle();
        net.cut(0, 1);
        net.run_until("both are up", |net| net.node(0).peers().len() == 1 && net.node(1).peers().len() == 1);
        net.spread();
    }
    let numbers: Vec<u32> = net.texts(1, id).iter().map(|text| text.parse().unwrap()).collect();
    assert_eq!(numbers, (0..15).collect::<Vec<_>>());
}

#[test]
fn a_node_that_stops_sends_what_it_has_published() {
    let mut net = Net::line(3);
    let id = net.subscribe(2, "t");
    net.spread();
    for number in 0..50 {
        net.publish(0, "t", &number.to_string());
    }
    let (now, deadline) = (net.now, net.now + Duration::from_secs(5));
    net.node(0).shutdown(now, deadline);
    let refused = net.publish_as(0, "t", "too late", PublishMode::All).unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    net.run_until("it has stopped", |net| net.has_event(0, |event| matches!(event, Event::Stopped)));
    net.settle();
    assert_eq!(net.got(2, id).len(), 50);
}

#[test]
fn a_frame_of_an_event_is_as_the_page_says() {
    let header = FrameHeader { frame_type: FrameType::Publish, more: true, length: 5, id: 0 };
    let mut bytes = Vec::new();
    header.encode(&mut bytes);
    assert_eq!(bytes, [0x40, 1, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes[11] = 1;
    assert!(FrameHeader::decode(&bytes).is_err(), "an event has no id");
}
