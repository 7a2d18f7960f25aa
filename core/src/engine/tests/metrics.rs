//! Metrics: everything that happens is counted once, on the side where it happens.

use alloc::boxed::Box;
use core::time::Duration;
use std::string::ToString;
use std::vec::Vec;

use super::*;
use crate::Code;
use crate::engine::{
    CallPolicy, Overflow, ProviderEntry, ProviderState, Publication, Retry, ServeOptions, Shape, StreamId,
    StreamOptions, SubscribeOptions,
};
use crate::metrics::{Family, FamilyKind, Histogram, Snapshot, Value, families};

const MS: Duration = Duration::from_millis(1);

impl Net {
    fn metrics(&mut self, node: usize) -> Snapshot {
        self.node(node).metrics()
    }

    fn metric(&mut self, node: usize, family: &Family, labels: &[&str]) -> u64 {
        self.metrics(node).count(family, labels)
    }
}

fn histogram(snapshot: &Snapshot, family: &Family, labels: &[&str]) -> Histogram {
    match snapshot.get(family, labels) {
        Some(Value::Histogram(histogram)) => **histogram,
        other => panic!("{}: {other:?}", family.name),
    }
}

#[test]
fn a_snapshot_has_every_family_once_in_the_order_of_the_list() {
    let mut net = Net::pair();
    let names =
        |snapshot: &Snapshot| snapshot.iter().map(|measured| measured.family.name).collect::<Vec<_>>();
    let found = [names(&net.metrics(0)), names(&net.node(0).neighbour_metrics())].concat();
    let expected: Vec<_> = families::ALL.iter().map(|family| family.name).collect();
    assert_eq!(found, expected);
    for measured in net.metrics(0).iter() {
        for sample in &measured.samples {
            let is_histogram = matches!(sample.value, Value::Histogram(_));
            assert_eq!(is_histogram, measured.family.kind == FamilyKind::Histogram, "{measured:?}");
        }
    }
}

#[test]
fn a_call_is_counted_on_both_sides_by_its_outcome_and_time() {
    let mut net = Net::pair();
    net.echo = false;
    let op = net.call(0, 1, "echo", "slow").unwrap();
    net.settle();
    for (node, family) in [(0, &families::CALLS_IN_FLIGHT), (1, &families::REQUESTS_IN_FLIGHT)] {
        assert_eq!(net.metric(node, family, &[]), 1, "{}", family.name);
    }
    net.run_for(10 * MS);
    let request = net.requests(1)[0].0;
    net.reply(1, request, Ok("done".into()));
    net.wait_for(0, op).unwrap();
    let op = net.call(0, 1, "nobody", "").unwrap();
    net.wait_for(0, op).unwrap_err();
    net.call(0, 1, "no path//", "").unwrap_err();

    let (caller, server) = (net.metrics(0), net.metrics(1));
    assert_eq!(caller.count(&families::CALLS_STARTED, &[]), 3);
    let outcomes = [("ok", 1), ("NotFound", 1), ("InvalidArgument", 1), ("Internal", 0)];
    for (code, count) in outcomes {
        assert_eq!(caller.count(&families::CALLS_FINISHED, &[code]), count, "{code}");
    }
    assert_eq!(server.count(&families::REQUESTS_RECEIVED, &[]), 2);
    assert_eq!(server.count(&families::REQUESTS_FINISHED, &["ok"]), 1);
    assert_eq!(server.count(&families::REQUESTS_FINISHED, &["NotFound"]), 1);
    assert_eq!(server.count(&families::ACTION_REQUESTS, &["echo"]), 1);
    for (snapshot, in_flight) in
        [(&caller, &families::CALLS_IN_FLIGHT), (&server, &families::REQUESTS_IN_FLIGHT)]
    {
        assert_eq!(snapshot.count(in_flight, &[]), 0);
    }
    let calls = histogram(&caller, &families::CALL_DURATION, &[]);
    assert_eq!((calls.count(), calls.sum()), (2, 10 * MS), "the refused one took no time at all");
    let requests = histogram(&server, &families::REQUEST_DURATION, &[]);
    assert_eq!((requests.count(), requests.sum()), (1, 10 * MS), "only one had a handler");
    assert_eq!(caller.count(&families::REQUESTS_RECEIVED, &[]), 0);
    assert_eq!(server.count(&families::CALLS_STARTED, &[]), 0);
}

#[test]
fn whoever_gives_up_or_is_lost_ends_what_was_served_for_it() {
    let mut net = Net::pair();
    net.echo = false;
    let op = net.call(0, 1, "echo", "cancelled").unwrap();
    net.settle();
    let now = net.now;
    net.node(0).cancel(now, op);
    net.settle();
    assert_eq!(net.metric(0, &families::CALLS_FINISHED, &["Cancelled"]), 1);
    assert_eq!(net.metric(1, &families::REQUESTS_FINISHED, &["Cancelled"]), 1);
    let op = net.call(0, 1, "echo", "late").unwrap();
    net.wait_for(0, op).unwrap_err();
    net.run_for(MS);
    assert_eq!(net.metric(0, &families::CALLS_FINISHED, &["DeadlineExceeded"]), 1);
    assert_eq!(net.metric(1, &families::REQUESTS_RECEIVED, &[]), 2);
    assert_eq!(net.metric(1, &families::REQUESTS_IN_FLIGHT, &[]), 0);
    net.call(0, 1, "echo", "lost").unwrap();
    net.settle();
    net.kill(0, true);
    net.run_until("the loss is noticed", |net| net.node(1).peers().is_empty());
    let server = net.metrics(1);
    assert_eq!(server.count(&families::REQUESTS_RECEIVED, &[]), 3);
    assert_eq!(server.count(&families::REQUESTS_IN_FLIGHT, &[]), 0);
    assert_eq!(server.count(&families::NEIGHBOUR_TRANSITIONS, &["up"]), 1);
    assert_eq!(server.count(&families::NEIGHBOUR_TRANSITIONS, &["down"]), 1);
    let closed: u64 = match server.iter().find(|measured| measured.family == &families::LINKS_CLOSED) {
        Some(measured) => measured.samples.len() as u64,
        None => 0,
    };
    assert_eq!(closed, 1, "one link, one reason");
    assert_eq!(server.count(&families::LINKS_OPENED, &["stream"]), 1);
}

#[test]
fn a_call_with_a_policy_is_one_call_and_its_attempts_are_counted_apart() {
    let mut net = Net::pair();
    net.echo = false;
    let target = Target::Node(net.id(1));
    let policy = CallPolicy { idempotent: true, retry: Some(Retry::default()), ..CallPolicy::default() };
    let options = CallOptions { policy: Some(Box::new(policy)), ..CallOptions::default() };
    let call = Call { target, action: "echo", payload: "x".into(), timeout: None, options };
    let now = net.now;
    let op = net.node(0).call(now, call).unwrap();
    net.settle();
    let request = net.requests(1)[0].0;
    let full = Error::new(Code::ResourceExhausted, "try again");
    net.reply(1, request, Err(full));
    net.run_until("it is tried again", |net| net.requests(1).len() == 2);
    let request = net.requests(1)[1].0;
    net.reply(1, request, Ok("at last".into()));
    net.wait_for(0, op).unwrap();
    let caller = net.metrics(0);
    assert_eq!(caller.count(&families::CALLS_STARTED, &[]), 1);
    assert_eq!(caller.count(&families::CALLS_FINISHED, &["ok"]), 1);
    assert_eq!(caller.count(&families::CALL_RETRIES, &[]), 1);
    assert_eq!(histogram(&caller, &families::CALL_DURATION, &[]).count(), 1);
    assert_eq!(net.metric(1, &families::REQUESTS_RECEIVED, &[]), 2);
}

#[test]
fn waiting_for_a_turn_is_counted_and_measured() {
    let mut net = Net::pair();
    net.echo = false;
    let now = net.now;
    net.node(1).serve(now, "work").unwrap();
    let options = ServeOptions { max_in_flight: Some(1), queue_max: 1 };
    net.node(1).limit_action(now, "work", options).unwrap();
    let ops = ["runs", "waits", "is refused"].map(|text| net.call(0, 1, "work", text).unwrap());
    net.settle();
    assert_eq!(net.wait_for(0, ops[2]).unwrap_err().code(), Code::ResourceExhausted);
    net.run_for(20 * MS);
    let first = net.requests(1)[0].0;
    net.reply(1, first, Ok("1".into()));
    net.settle();
    net.run_for(5 * MS);
    let second = net.requests(1)[1].0;
    net.reply(1, second, Ok("2".into()));
    net.wait_for(0, ops[1]).unwrap();
    let server = net.metrics(1);
    assert_eq!(server.count(&families::REQUESTS_QUEUED, &[]), 1);
    assert_eq!(server.count(&families::REQUESTS_REFUSED, &["queue"]), 1);
    assert_eq!(server.count(&families::REQUESTS_FINISHED, &["ResourceExhausted"]), 1);
    let queue = histogram(&server, &families::REQUEST_QUEUE, &[]);
    assert_eq!((queue.count(), queue.sum()), (1, 20 * MS));
    let waited = |event: &Event| match event {
        Event::Request { waited, .. } => Some(*waited),
        _ => None,
    };
    let waited: Vec<Duration> = net.events[1].iter().filter_map(waited).collect();
    assert_eq!(waited, [Duration::ZERO, 20 * MS], "the handler is told");
    let handlers = histogram(&server, &families::REQUEST_DURATION, &[]);
    assert_eq!((handlers.count(), handlers.sum()), (2, 25 * MS), "waiting is no handling");
    assert_eq!(server.count(&families::ACTION_REQUESTS, &["work"]), 3);
}

#[test]
fn casts_are_counted_by_their_fate_and_are_no_calls() {
    let mut net = Net::pair();
    let (now, target) = (net.now, Target::Node(net.id(1)));
    let cast = |action| Call {
        target: target.clone(),
        action,
        payload: "x".into(),
        timeout: None,
        options: CallOptions::default(),
    };
    net.node(0).cast(now, cast("echo")).unwrap();
    net.node(0).cast(now, cast("no path//")).unwrap_err();
    let op = net.node(0).cast_acknowledged(now, cast("echo")).unwrap();
    net.wait_for(0, op).unwrap();
    net.node(0).cast(now, cast("nobody")).unwrap();
    net.settle();
    let (caller, server) = (net.metrics(0), net.metrics(1));
    assert_eq!(caller.count(&families::CASTS, &["queued"]), 3);
    assert_eq!(caller.count(&families::CASTS, &["not_queued"]), 1);
    assert_eq!(caller.count(&families::CALLS_STARTED, &[]), 0);
    assert_eq!(histogram(&caller, &families::CALL_DURATION, &[]).count(), 0);
    assert_eq!(server.count(&families::CASTS, &["refused"]), 1);
    assert_eq!(server.count(&families::REQUESTS_FINISHED, &["ok"]), 2);
    assert_eq!(server.count(&families::REQUESTS_IN_FLIGHT, &[]), 0);
}

#[test]
fn a_stream_and_its_items_are_counted_at_both_ends() {
    for to in [0, 1] {
        let mut net = Net::pair();
        let now = net.now;
        let entry =
            ProviderEntry { shape: Shape::ServerStream, ..ProviderEntry::new("items".parse().unwrap()) };
        net.node(to).serve_as(now, entry).unwrap();
        let target = Target::Node(net.id(to));
        let stream = StreamOptions::new(Shape::ServerStream);
        let options = CallOptions { stream: Some(stream), ..CallOptions::default() };
        let call = Call { target, action: "items", payload: "x".into(), timeout: None, options };
        let op = net.node(0).call(now, call).unwrap();
        net.run_until("the handler has it", |net| !net.requests(to).is_empty());
        let request = net.requests(to)[0].0;
        for item in ["one", "three"] {
            net.node(to).send_item(now, StreamId::Request(request), item.into()).unwrap();
        }
        net.reply(to, request, Ok(Payload::default()));
        net.wait_for(0, op).unwrap();
        net.settle();
        let (caller, handler) = (net.metrics(0), net.metrics(to));
        assert_eq!(caller.count(&families::STREAMS_OPENED, &["caller"]), 1, "to {to}");
        assert_eq!(caller.count(&families::STREAMS_FINISHED, &["caller", "ok"]), 1, "to {to}");
        assert_eq!(handler.count(&families::STREAMS_OPENED, &["handler"]), 1, "to {to}");
        assert_eq!(handler.count(&families::STREAMS_FINISHED, &["handler", "ok"]), 1, "to {to}");
        assert_eq!(handler.count(&families::STREAM_ITEMS_SENT, &[]), 2, "to {to}");
        assert_eq!(handler.count(&families::STREAM_SENT, &[]), 8, "to {to}");
        assert_eq!(caller.count(&families::STREAM_ITEMS_RECEIVED, &[]), 2, "to {to}");
        assert_eq!(caller.count(&families::STREAM_RECEIVED, &[]), 8, "to {to}");
        assert_eq!(caller.count(&families::CALLS_FINISHED, &["ok"]), 1, "to {to}");
        assert_eq!(handler.count(&families::REQUESTS_FINISHED, &["ok"]), 1, "to {to}");
    }
}

#[test]
fn events_are_counted_and_what_a_full_subscription_drops_by_its_policy() {
    let mut net = Net::new(1);
    net.takes = false;
    let now = net.now;
    let policies = [Overflow::DropOldest, Overflow::DropNewest];
    for overflow in policies {
        let options = SubscribeOptions { queue_len: 1, overflow, ..SubscribeOptions::default() };
        net.node(0).subscribe(now, "news", options).unwrap();
    }
    for text in ["handed", "waits", "too much", "far too much"] {
        net.node(0).publish(now, Publication::new("news", text.to_string())).unwrap();
    }
    net.settle();
    let snapshot = net.metrics(0);
    assert_eq!(snapshot.count(&families::EVENTS_PUBLISHED, &[]), 4);
    assert_eq!(snapshot.count(&families::EVENT_COPIES, &[]), 8);
    assert_eq!(snapshot.count(&families::EVENTS_DELIVERED, &[]), 2);
    for (policy, count) in [("drop_oldest", 2), ("drop_newest", 2), ("block", 0)] {
        assert_eq!(snapshot.count(&families::EVENTS_OVERFLOWED, &[policy]), count, "{policy}");
    }
}

#[test]
fn bytes_that_one_side_sends_are_bytes_that_the_other_receives() {
    let mut net = Net::pair();
    let op = net.call(0, 1, "echo", alloc::vec![7; 100_000]).unwrap();
    net.wait_for(0, op).unwrap();
    net.run_for(Duration::from_secs(3));
    for (from, to) in [(0, 1), (1, 0)] {
        let sent = net.metric(from, &families::LINK_SENT, &[]);
        assert_eq!(sent, net.metric(to, &families::LINK_RECEIVED, &[]));
        assert!(sent > 100_000);
        let peer = [net.id(to).to_string(), std::format!("node{to}@test")];
        let neighbour = net.node(from).neighbour_metrics();
        let labels = [peer[0].as_str(), peer[1].as_str()];
        assert_eq!(neighbour.count(&families::NEIGHBOUR_SENT, &labels), sent, "there is but one link");
        assert_eq!(neighbour.count(&families::NEIGHBOUR_UP, &labels), 1);
        assert!(neighbour.get(&families::NEIGHBOUR_ROUND_TRIP, &labels).is_some());
        let calls = histogram(&neighbour, &families::NEIGHBOUR_CALL_DURATION, &labels);
        assert_eq!(calls.count(), u64::from(from == 0));
    }
    let snapshot = net.metrics(1);
    assert_eq!(snapshot.count(&families::FRAMES_RECEIVED, &["REQUEST"]), 1);
    assert!(histogram(&snapshot, &families::LINK_ROUND_TRIP, &[]).count() > 0);
}

#[test]
fn a_relay_counts_what_it_passes_on() {
    let mut net = Net::line(3);
    let op = net.call(0, 2, "echo", "through the middle").unwrap();
    net.wait_for(0, op).unwrap();
    let relay = net.metrics(1);
    assert!(relay.count(&families::RELAYED, &[]) > 0);
    assert!(relay.count(&families::RELAYED_BYTES, &[]) > 0);
    assert_eq!(relay.count(&families::REQUESTS_RECEIVED, &[]), 0, "it is none of its business");
    assert_eq!(net.metric(0, &families::RELAYED, &[]), 0);
    assert_eq!(net.metric(0, &families::LINKS_OPENED, &["tunnel"]), 1);
    assert_eq!(net.metric(0, &families::NODES, &["up"]), 3);
}

#[test]
fn what_has_no_family_of_its_own_is_an_incident_and_nothing_is_lost() {
    let mut net = Net::pair();
    net.call(0, 1, "echo", "x").unwrap();
    net.settle();
    net.cut(0, 1);
    net.run_until("they are up again", |net| net.node(0).peers().len() == 1);
    net.run_for(Duration::from_secs(60));
    for node in 0..2 {
        let snapshot = net.metrics(node);
        for (name, count) in net.node(node).counters() {
            if name.starts_with("link.closed.") {
                let reason = name.trim_start_matches("link.closed.");
                assert_eq!(snapshot.count(&families::LINKS_CLOSED, &[reason]), count, "{name}");
            } else if !crate::engine::metrics::is_named(&name) {
                assert_eq!(snapshot.count(&families::INCIDENTS, &[&name]), count, "{name}");
            }
        }
    }
}

#[test]
fn what_waits_for_an_action_that_is_paused_or_ended_or_whose_node_stops_was_not_served() {
    type End = fn(&mut Engine, Instant);
    let pause: End = |node, now| node.set_action_state(now, "work", ProviderState::Paused).unwrap();
    let unserve: End = |node, now| assert!(node.unserve(now, "work"));
    let stop: End = |node, now| node.shutdown(now, now + Duration::from_secs(5));
    for end in [pause, unserve, stop] {
        let mut net = Net::pair();
        let now = net.now;
        net.node(1).serve(now, "work").unwrap();
        let options = ServeOptions { max_in_flight: Some(1), queue_max: 1 };
        net.node(1).limit_action(now, "work", options).unwrap();
        let ops = ["runs", "waits"].map(|text| net.call(0, 1, "work", text).unwrap());
        net.settle();
        end(net.node(1), now);
        net.settle();
        let error = net.wait_for(0, ops[1]).unwrap_err();
        assert!(!error.maybe_executed(), "{error}");
        assert_eq!(net.metric(1, &families::REQUESTS_REFUSED, &["not_served"]), 1, "{error}");
        let runs = net.requests(1)[0].0;
        assert!(net.reply(1, runs, Ok("done".into())));
        assert_eq!(net.wait_for(0, ops[0]).unwrap().data, "done");
    }
}

#[test]
fn every_name_with_a_family_of_its_own_is_a_mark() {
    for name in crate::engine::metrics::names() {
        assert!(crate::marks::MARKS.contains(&name), "{name} is counted nowhere");
    }
}

#[test]
fn a_handshake_that_fails_is_counted_with_its_reason() {
    let mut net = Net::new(2);
    let stranger = crate::config::NetworkKey::new([8; 32]);
    let config = Config { trust: Trust::NetworkKey(stranger), ..config(1) };
    net.start(1, 1, config);
    net.connect(0, 1);
    net.run_for(Duration::from_secs(1));
    let snapshot = net.metrics(0);
    let failed = snapshot.iter().find(|measured| measured.family == &families::HANDSHAKES_FAILED).unwrap();
    assert!(!failed.samples.is_empty(), "{failed:?}");
    assert_eq!(snapshot.count(&families::LINKS_OPENED, &["stream"]), 0);
}
