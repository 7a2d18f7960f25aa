use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::{Net, config};
use crate::engine::{Call, CallOptions, Codec, Event, OpId, Payload, Target};
use crate::{Code, Error, Kind};

#[test]
fn a_neighbour_answers() {
    let mut net = Net::pair();
    let op = net.call(0, 1, "echo", "hi").unwrap();
    assert_eq!(net.wait_for(0, op).unwrap().data, "hi");
    // The one who was dialled can call as well.
    let op = net.call(1, 0, "echo", "back").unwrap();
    assert_eq!(net.wait_for(1, op).unwrap().data, "back");
    net.assert_quiet();
}

#[test]
fn a_call_to_oneself_is_like_any_other() {
    let mut net = Net::new(1);
    let op = net.call(0, 0, "echo", "me").unwrap();
    assert_eq!(net.wait_for(0, op).unwrap().data, "me");
    assert_eq!(net.call(0, 0, "nobody", "").unwrap_err().code(), Code::NotFound);
    net.echo = false;
    let op = net.call(0, 0, "echo", "slow").unwrap();
    let error = net.wait_for(0, op).unwrap_err();
    assert_eq!((error.code(), error.maybe_executed()), (Code::DeadlineExceeded, true));
    assert!(net.events[0].iter().any(|event| matches!(event, Event::RequestCancelled { .. })));
    net.assert_quiet();
}

#[test]
fn an_unknown_action_is_not_found_at_once() {
    let mut net = Net::pair();
    let before = net.now;
    let op = net.call(0, 1, "nobody/serves/this", "").unwrap();
    let error = net.wait_for(0, op).unwrap_err();
    assert_eq!((error.code(), error.maybe_executed(), net.now), (Code::NotFound, false, before));
}

#[test]
fn a_call_to_any_is_local_first_then_goes_to_whoever_is_found() {
    let mut net = Net::new(4);
    for other in 1..4 {
        net.connect(0, other);
    }
    net.run_until("all are up", |net| net.node(0).peers().len() == 3);
    let now = net.now;
    net.node(3).serve(now, "rare").unwrap();
    let any = |action| Call {
        target: Target::Any,
        action,
        payload: Payload::from("x"),
        timeout: None,
        options: CallOptions::default(),
    };
    let op = net.node(0).call(now, any("rare")).unwrap();
    net.settle();
    let (request, _) = net.requests(3)[0];
    net.reply(3, request, Ok("found".into()));
    assert_eq!(net.wait_for(0, op).unwrap().data, "found");
    let op = net.node(0).call(now, any("nowhere")).unwrap();
    assert_eq!(net.wait_for(0, op).unwrap_err().code(), Code::NotFound);
    let op = net.node(0).call(now, any("echo")).unwrap();
    assert_eq!(net.wait_for(0, op).unwrap().data, "x");
    assert_eq!(net.requests(0).len(), 1, "the node itself serves echo");
    net.assert_quiet();
}

#[test]
fn c14_ten_megabytes_come_back_byte_for_byte_and_small_calls_pass_them() {
    let mut net = Net::pair();
    let large: Vec<u8> = (0..10_000_000_u32).map(|at| (at % 251) as u8).collect();
    let large_op = net.call(0, 1, "echo", large.clone()).unwrap();
    let small_op = net.call(0, 1, "echo", "small").unwrap();
    net.run_until("both have an outcome", |net| {
        net.outcome(0, large_op).is_some() && net.outcome(0, small_op).is_some()
    });
    let order: Vec<OpId> = net.events[0]
        .iter()
        .filter_map(|event| match event {
            Event::CallDone { op, .. } => Some(*op),
            _ => None,
        })
        .collect();
    assert_eq!(order, [small_op, large_op], "the small call does not wait for the large one");
    assert!(net.wait_for(0, large_op).unwrap().data == large);
    net.assert_quiet();
}

#[test]
fn c20_one_byte_passes_and_a_path_of_ten_thousand_segments_is_refused() {
    let mut net = Net::pair();
    let op = net.call(0, 1, "echo", "1").unwrap();
    assert_eq!(net.wait_for(0, op).unwrap().data, "1");
    let op = net.call(0, 1, "echo", "").unwrap();
    assert_eq!(net.wait_for(0, op).unwrap().data, "");
    let path = vec!["a"; 10_000].join("/");
    let error = net.call(0, 1, &path, "").unwrap_err();
    assert_eq!((error.code(), error.maybe_executed()), (Code::InvalidArgument, false));
}

#[test]
fn c12_a_calls_b_calls_a_calls_b_calls_a() {
    let mut net = Net::pair();
    net.echo = false;
    let outer = net.call(0, 1, "echo", "0").unwrap();
    // Each handler calls back before it answers; the innermost answers at once.
    let mut waiting = Vec::new();
    for depth in 1..5 {
        let (node, other) = (depth % 2, (depth + 1) % 2);
        net.settle();
        let request = net.requests(node).last().unwrap().0;
        let inner = (depth < 4).then(|| net.call(node, other, "echo", "deeper").unwrap());
        waiting.push((node, request, inner));
    }
    for (node, request, inner) in waiting.into_iter().rev() {
        if let Some(inner) = inner {
            assert!(net.wait_for(node, inner).is_ok());
        }
        assert!(net.reply(node, request, Ok("done".into())));
    }
    assert_eq!(net.wait_for(0, outer).unwrap().data, "done");
    net.assert_quiet();
}

#[test]
fn the_errors_of_a_handler_arrive_as_they_are() {
    let mut net = Net::pair();
    net.echo = false;
    let op = net.call(0, 1, "echo", "").unwrap();
    net.settle();
    let (request, _) = net.requests(1)[0];
    let error = Error::new(Code::Application(0x8001), "no stock")
        .with_detail(&br#"{"left":0}"#[..])
        .with_retry_after_ms(Some(250))
        .executed_perhaps(true);
    assert!(net.reply(1, request, Err(error.clone())));
    assert_eq!(net.wait_for(0, op).unwrap_err(), error);
    assert!(!net.reply(1, request, Ok("again".into())), "a request is answered once");
}

#[test]
fn a_cancel_reaches_the_handler_and_ends_the_call_at_once() {
    let mut net = Net::pair();
    net.echo = false;
    let op = net.call(0, 1, "echo", "").unwrap();
    net.settle();
    let now = net.now;
    net.node(0).cancel(now, op);
    net.settle();
    let error = net.outcome(0, op).unwrap().clone().unwrap_err();
    assert_eq!((error.code(), error.maybe_executed(), net.now), (Code::Cancelled, true, now));
    assert!(net.events[1].iter().any(|event| matches!(event, Event::RequestCancelled { .. })));
    let (request, _) = net.requests(1)[0];
    assert!(!net.reply(1, request, Ok("late".into())));
    net.assert_quiet();
}

#[test]
fn a_call_that_was_cancelled_before_it_left_was_not_executed() {
    let mut net = Net::pair();
    let op = net.call(0, 1, "echo", "").unwrap();
    let now = net.now;
    net.node(0).cancel(now, op);
    let error = net.wait_for(0, op).unwrap_err();
    assert_eq!((error.code(), error.maybe_executed()), (Code::Cancelled, false));
    assert!(net.requests(1).is_empty());
    net.assert_quiet();
}

#[test]
fn the_deadline_ends_the_call_on_both_sides() {
    let mut net = Net::pair();
    net.echo = false;
    let start = net.now;
    let op = net.call(0, 1, "echo", "").unwrap();
    let error = net.wait_for(0, op).unwrap_err();
    assert_eq!((error.code(), error.maybe_executed()), (Code::DeadlineExceeded, true));
    assert_eq!(net.now - start, Duration::from_secs(5));
    net.settle();
    assert!(net.events[1].iter().any(|event| matches!(event, Event::RequestCancelled { .. })));
    net.assert_quiet();
}

#[test]
fn a_timeout_of_zero_and_a_node_that_is_no_neighbour_are_refused_at_once() {
    let mut net = Net::pair();
    let now = net.now;
    let target = Target::Node(net.id(1));
    let zero = Call {
        target,
        action: "echo",
        payload: Payload::default(),
        timeout: Some(Duration::ZERO),
        options: CallOptions::default(),
    };
    assert_eq!(net.node(0).call(now, zero).unwrap_err().code(), Code::InvalidArgument);
    let far = Call {
        target: Target::Node(super::identity(9).node_id()),
        action: "echo",
        payload: Payload::default(),
        timeout: None,
        options: CallOptions::default(),
    };
    let error = net.node(0).call(now, far).unwrap_err();
    assert_eq!((error.kind(), error.maybe_executed()), (Some(Kind::Unreachable), false));
}

#[test]
fn too_large_is_said_by_the_sender_before_anything_is_sent() {
    let mut net = Net::new(2);
    let mut small = config(1);
    small.limits.message_bytes_max = 100_000;
    net.start(1, 1, small);
    net.connect(0, 1);
    net.run_until("both are up", |net| net.node(0).peers().len() == 1);
    let error = net.call(0, 1, "echo", vec![0; 100_001]).unwrap_err();
    assert_eq!((error.code(), error.maybe_executed()), (Code::TooLarge, false));
    let op = net.call(0, 1, "echo", vec![0; 100_000]).unwrap();
    assert!(net.wait_for(0, op).is_ok());
    // An answer that is too large for the caller is an error of the handler's side.
    net.echo = false;
    let op = net.call(1, 0, "echo", "").unwrap();
    net.settle();
    let (request, _) = net.requests(0)[0];
    net.reply(0, request, Ok(vec![0; 100_001].into()));
    let error = net.wait_for(1, op).unwrap_err();
    assert_eq!((error.code(), error.maybe_executed()), (Code::TooLarge, true));
}

#[test]
fn at_the_limit_of_pending_calls_the_caller_is_told_and_later_that_there_is_room() {
    let mut net = Net::new(2);
    let mut tight = config(0);
    tight.limits.pending_calls_per_link_max = 4;
    net.start(0, 1, tight);
    net.connect(0, 1);
    net.run_until("both are up", |net| net.node(0).peers().len() == 1);
    net.echo = false;
    for _ in 0..4 {
        net.call(0, 1, "echo", "").unwrap();
    }
    let error = net.call(0, 1, "echo", "").unwrap_err();
    assert_eq!((error.code(), error.maybe_executed()), (Code::Backpressure, false));
    net.settle();
    for (request, _) in net.requests(1) {
        net.reply(1, request, Ok(Payload::default()));
    }
    net.settle();
    assert!(net.events[0].iter().any(|event| matches!(event, Event::Writable { .. })));
    net.call(0, 1, "echo", "").unwrap();
}

#[test]
fn at_the_limit_of_served_requests_the_peer_is_told() {
    let mut net = Net::new(2);
    let mut tight = config(1);
    tight.limits.pending_requests_per_link_max = 4;
    net.start(1, 1, tight);
    net.connect(0, 1);
    net.run_until("both are up", |net| net.node(0).peers().len() == 1);
    net.echo = false;
    let ops: Vec<OpId> = (0..5).map(|_| net.call(0, 1, "echo", "").unwrap()).collect();
    let error = net.wait_for(0, ops[4]).unwrap_err();
    assert_eq!((error.code(), error.maybe_executed()), (Code::ResourceExhausted, false));
    assert_eq!(net.requests(1).len(), 4);
}

#[test]
fn requests_wait_for_credit_while_handlers_are_behind_and_answers_never_do() {
    let mut net = Net::new(2);
    for node in 0..2 {
        let mut narrow = config(node);
        narrow.limits.link_window_bytes = 65_536;
        net.start(node, 1, narrow);
    }
    net.connect(0, 1);
    net.run_until("both are up", |net| net.node(0).peers().len() == 1);
    net.echo = false;
    let ops: Vec<OpId> = (0..40).map(|_| net.call(0, 1, "echo", vec![1; 10_000]).unwrap()).collect();
    net.settle();
    let handed_over = net.requests(1).len();
    assert!((6..20).contains(&handed_over), "{handed_over} requests got through a window of 64 KiB");
    // The other direction is free, and so are the answers.
    let back = net.call(1, 0, "echo", "free").unwrap();
    net.settle();
    let (request, payload) = net.requests(0)[0].clone();
    net.reply(0, request, Ok(payload));
    assert!(net.wait_for(1, back).is_ok());
    let mut answered = 0;
    while answered < 40 {
        net.settle();
        for (request, _) in net.requests(1).split_off(answered) {
            net.reply(1, request, Ok(Payload { codec: Codec::Json, data: "1".into() }));
            answered += 1;
        }
    }
    for op in ops {
        assert_eq!(net.wait_for(0, op).unwrap().codec, Codec::Json);
    }
    net.assert_quiet();
}

#[test]
fn a_node_that_stops_finishes_its_calls_and_refuses_new_ones() {
    let mut net = Net::pair();
    net.echo = false;
    let op = net.call(0, 1, "echo", "").unwrap();
    net.settle();
    let (now, deadline) = (net.now, net.now + Duration::from_secs(10));
    net.node(1).shutdown(now, deadline);
    net.settle();
    assert_eq!(net.call(0, 1, "echo", "").unwrap_err().code(), Code::Unavailable, "its goodbye is known");
    assert_eq!(net.call(1, 0, "echo", "").unwrap_err().kind(), Some(Kind::Stopped));
    let (request, _) = net.requests(1)[0];
    net.reply(1, request, Ok("finished".into()));
    assert_eq!(net.wait_for(0, op).unwrap().data, "finished");
    assert!(net.events[1].iter().any(|event| matches!(event, Event::Stopped)));
    assert!(net.now < deadline);
    net.assert_quiet();
}

#[test]
fn at_the_end_of_its_time_a_stopping_node_tells_whoever_still_waits() {
    let mut net = Net::pair();
    net.echo = false;
    let theirs = net.call(0, 1, "echo", "").unwrap();
    let ours = net.call(1, 0, "echo", "").unwrap();
    net.settle();
    let (now, deadline) = (net.now, net.now + Duration::from_secs(1));
    net.node(1).shutdown(now, deadline);
    let error = net.wait_for(0, theirs).unwrap_err();
    assert_eq!((error.kind(), error.maybe_executed()), (Some(Kind::Stopped), true));
    let error = net.wait_for(1, ours).unwrap_err();
    assert_eq!((error.kind(), error.maybe_executed()), (Some(Kind::Stopped), true));
    net.settle();
    assert_eq!(net.now, deadline);
    assert!(net.events[1].iter().any(|event| matches!(event, Event::Stopped)));
}

#[test]
fn a_caller_that_asks_for_more_than_it_reads_gets_errors_and_not_our_memory() {
    let mut net = Net::pair();
    let link = net.node(1).peers()[0].link;
    net.blocked.push((1, link));
    for _ in 0..200 {
        net.call(0, 1, "echo", vec![0; 1 << 20]).ok();
    }
    net.settle();
    let queued = net
        .node(1)
        .gauges()
        .into_iter()
        .find(|gauge| gauge.name == "delivery.queued_bytes_per_link")
        .unwrap();
    assert!(queued.value > 32 << 20 && queued.value <= queued.cap, "{queued:?}");
    assert!(queued.value <= 64 << 20);
}
