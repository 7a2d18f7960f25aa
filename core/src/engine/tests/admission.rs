//! Limits on actions, and casts.

use alloc::vec::Vec;
use core::time::Duration;
use std::format;

use super::Net;
use crate::engine::{
    Call, CallOptions, Event, OpId, Payload, ProviderState, RequestId, ServeOptions, Target,
};
use crate::{Code, Error, Kind};

fn limited(max_in_flight: usize, queue_max: usize) -> ServeOptions {
    ServeOptions { max_in_flight: Some(max_in_flight), queue_max }
}

/// Two nodes; the second serves `work` with a limit.
fn pair(options: ServeOptions) -> Net {
    let mut net = Net::pair();
    let now = net.now;
    net.node(1).serve(now, "work").unwrap();
    net.node(1).limit_action(now, "work", options).unwrap();
    net
}

impl Net {
    fn call_for(&mut self, from: usize, to: usize, timeout: Duration) -> OpId {
        let (now, target) = (self.now, Target::Node(self.id(to)));
        let payload = Payload::from("x");
        let call =
            Call { target, action: "work", payload, timeout: Some(timeout), options: CallOptions::default() };
        self.node(from).call(now, call).unwrap()
    }

    fn cast(&mut self, from: usize, to: usize, action: &str, timeout: Option<Duration>) -> Result<(), Error> {
        let (now, target) = (self.now, Target::Node(self.id(to)));
        let payload = Payload::from("x");
        self.node(from).cast(now, Call { target, action, payload, timeout, options: CallOptions::default() })
    }

    /// Requests of a node that were told to stop, in order.
    fn cancelled(&self, node: usize) -> Vec<RequestId> {
        let cancelled = |event: &Event| match event {
            Event::RequestCancelled { request } => Some(*request),
            _ => None,
        };
        self.events[node].iter().filter_map(cancelled).collect()
    }

    fn error_of(&mut self, node: usize, op: OpId) -> Error {
        self.wait_for(node, op).unwrap_err()
    }
}

#[test]
fn c11_a_limit_of_one_never_lets_two_run_whoever_calls_and_whoever_gives_up() {
    let mut net = pair(limited(1, 1_000));
    let (mut running, mut ended, mut served) = (Vec::<RequestId>::new(), 0, 0);
    let (mut seen, mut told) = (0, 0);
    for round in 0..300_u64 {
        // One caller is far away and one is the node itself; some give up at once, some soon.
        let from = usize::from(round % 3 == 0);
        let (now, target) = (net.now, Target::Node(net.id(1)));
        let (payload, timeout) = (Payload::from("x"), Some(Duration::from_millis(5 + round % 40)));
        let call = Call { target, action: "work", payload, timeout, options: CallOptions::default() };
        if let Ok(op) = net.node(from).call(now, call)
            && round % 5 == 0
        {
            net.node(from).cancel(now, op);
        }
        net.run_for(Duration::from_millis(round % 4));
        let requests = net.requests(1);
        running.extend(requests[seen..].iter().map(|(request, _)| *request));
        seen = requests.len();
        assert!(running.len() <= 1, "{running:?} run at once");
        let cancelled = net.cancelled(1);
        for request in &cancelled[told..] {
            // The handler takes its time to stop, and nobody runs until it has.
            assert_eq!(running, [*request]);
        }
        told = cancelled.len();
        if round % 2 == 0
            && let Some(request) = running.pop()
        {
            let now = net.now;
            if cancelled.contains(&request) {
                ended += 1;
                net.node(1).handler_ended(now, request);
            } else {
                served += 1;
                net.reply(1, request, Ok("done".into()));
            }
        }
    }
    assert!(ended > 5 && served > 50, "{ended} were told to stop, {served} were served");
    net.run_for(Duration::from_secs(1));
    for request in running {
        let now = net.now;
        net.node(1).handler_ended(now, request);
    }
    net.settle();
    assert_eq!(net.requests(1).len(), seen, "whoever waited has given up by now");
    net.assert_quiet();
}

#[test]
fn a_permit_goes_to_whoever_has_waited_for_longest() {
    let mut net = pair(limited(2, 10));
    let ops: Vec<OpId> = (0..6).map(|_| net.call_for(0, 1, Duration::from_secs(5))).collect();
    net.settle();
    for (done, op) in ops.into_iter().enumerate() {
        assert_eq!(net.requests(1).len(), (done + 2).min(6));
        let (request, _) = net.requests(1)[done];
        net.reply(1, request, Ok("".into()));
        net.settle();
        assert!(net.outcome(0, op).is_some(), "they run in the order in which they came");
    }
    net.assert_quiet();
}

#[test]
fn c39_a_call_that_timed_out_in_the_queue_is_not_executed() {
    let mut net = pair(limited(1, 10));
    let first = net.call_for(0, 1, Duration::from_secs(5));
    net.settle();
    let near = net.call_for(1, 1, Duration::from_millis(100));
    let far = net.call_for(0, 1, Duration::from_millis(100));
    let last = net.call_for(0, 1, Duration::from_secs(5));
    net.run_for(Duration::from_millis(200));
    let error = net.error_of(1, near);
    assert_eq!((error.code(), error.maybe_executed()), (Code::DeadlineExceeded, false));
    assert_eq!(net.error_of(0, far).code(), Code::DeadlineExceeded);
    assert_eq!(net.cancelled(1), [], "the application never heard of them");
    for op in [first, last] {
        let (request, _) = net.requests(1).pop().unwrap();
        net.reply(1, request, Ok("".into()));
        assert!(net.wait_for(0, op).is_ok());
    }
    assert_eq!(net.requests(1).len(), 2);
    net.assert_quiet();
}

#[test]
fn a_full_queue_refuses_at_once_and_says_when_to_come_back() {
    let mut net = pair(limited(1, 2));
    let mut ops: Vec<OpId> = (0..3).map(|_| net.call_for(0, 1, Duration::from_secs(5))).collect();
    net.settle();
    let far = net.call_for(0, 1, Duration::from_secs(5));
    let error = net.error_of(0, far);
    assert_eq!((error.code(), error.maybe_executed()), (Code::ResourceExhausted, false));
    assert!(error.retry_after_ms().is_some_and(|ms| ms > 0));
    let near = net.call(1, 1, "work", "x").unwrap_err();
    assert_eq!(near.code(), Code::ResourceExhausted, "calls of the node itself are in the same queue");
    // Who gives up makes room.
    let now = net.now;
    net.node(0).cancel(now, ops.remove(1));
    net.settle();
    ops.push(net.call_for(0, 1, Duration::from_secs(5)));
    for (served, op) in ops.into_iter().enumerate() {
        net.settle();
        let (request, _) = net.requests(1)[served];
        net.reply(1, request, Ok("".into()));
        assert!(net.wait_for(0, op).is_ok());
    }
    net.assert_quiet();
}

#[test]
fn what_would_not_begin_in_time_is_shed_when_it_comes() {
    let mut net = pair(limited(1, 100));
    for served in 0..10 {
        let op = net.call_for(0, 1, Duration::from_secs(5));
        net.settle();
        net.run_for(Duration::from_millis(100));
        let (request, _) = net.requests(1)[served];
        net.reply(1, request, Ok("".into()));
        assert!(net.wait_for(0, op).is_ok());
    }
    let ops: Vec<OpId> = (0..6).map(|_| net.call_for(0, 1, Duration::from_secs(5))).collect();
    net.settle();
    // Five wait, for a hundred milliseconds each.
    let hurried = net.call_for(0, 1, Duration::from_millis(400));
    let error = net.error_of(0, hurried);
    assert_eq!(error.code(), Code::ResourceExhausted);
    assert_eq!(error.retry_after_ms(), Some(500));
    let patient = net.call_for(0, 1, Duration::from_millis(900));
    net.settle();
    assert!(net.outcome(0, patient).is_none());
    assert_eq!(net.counter(1, "delivery.shed"), 1);
    assert_eq!(ops.iter().filter(|op| net.outcome(0, **op).is_some()).count(), 0);
}

#[test]
fn c40_calls_behind_a_stop_fail_fast_and_what_runs_is_finished() {
    let mut net = pair(limited(1, 10));
    let ops: Vec<OpId> = (0..3).map(|_| net.call_for(0, 1, Duration::from_secs(5))).collect();
    net.settle();
    let own = net.call_for(1, 1, Duration::from_secs(5));
    net.settle();
    let (now, before) = (net.now, net.now);
    net.node(1).shutdown(now, now + Duration::from_secs(10));
    for op in &ops[1..] {
        let error = net.error_of(0, *op);
        assert_eq!((error.kind(), error.maybe_executed()), (Some(Kind::Stopped), false));
    }
    assert_eq!(net.error_of(1, own).kind(), Some(Kind::Stopped));
    assert_eq!(net.now, before);
    let (request, _) = net.requests(1)[0];
    net.reply(1, request, Ok("finished".into()));
    assert_eq!(net.wait_for(0, ops[0]).unwrap().data, "finished");
    assert_eq!(net.requests(1).len(), 1);
}

#[test]
fn pausing_an_action_empties_its_queue_and_so_does_its_end() {
    let mut net = pair(limited(1, 10));
    let ops: Vec<OpId> = (0..2).map(|_| net.call_for(0, 1, Duration::from_secs(5))).collect();
    net.settle();
    let now = net.now;
    net.node(1).set_action_state(now, "work", ProviderState::Paused).unwrap();
    assert_eq!(net.error_of(0, ops[1]).kind(), Some(Kind::NotRunning));
    net.node(1).set_action_state(now, "work", ProviderState::Running).unwrap();
    let waiting = net.call_for(0, 1, Duration::from_secs(5));
    net.settle();
    net.node(1).unserve(now, "work");
    assert_eq!(net.error_of(0, waiting).code(), Code::NotFound);
    // Served again, the handler of before still counts.
    net.node(1).serve(now, "work").unwrap();
    net.node(1).limit_action(now, "work", limited(1, 10)).unwrap();
    let next = net.call_for(0, 1, Duration::from_secs(5));
    net.settle();
    assert_eq!(net.requests(1).len(), 1);
    for (served, op) in [ops[0], next].into_iter().enumerate() {
        let (request, _) = net.requests(1)[served];
        net.reply(1, request, Ok("".into()));
        assert!(net.wait_for(0, op).is_ok());
    }
    net.assert_quiet();
}

#[test]
fn a_cast_runs_once_and_nobody_hears_of_it() {
    let mut net = Net::pair();
    net.echo = false;
    for to in [0, 1] {
        net.cast(0, to, "echo", None).unwrap();
        net.settle();
        let (request, payload) = net.requests(to)[0].clone();
        assert_eq!(payload.data, "x");
        net.reply(to, request, Ok("unheard".into()));
        net.settle();
    }
    assert!(!net.events[0].iter().any(|event| matches!(event, Event::CallDone { .. })));
    net.assert_quiet();
    assert_eq!(net.counter(0, "delivery.late_reply"), 0, "no answer comes for a cast");
    assert_eq!(net.cast(0, 0, "nobody", None).unwrap_err().code(), Code::NotFound);
}

#[test]
fn an_acknowledged_cast_is_told_that_it_was_accepted_before_it_runs() {
    let mut net = pair(limited(1, 1));
    let acknowledged = |net: &mut Net, to: usize| {
        let (now, target) = (net.now, Target::Node(net.id(to)));
        let (action, payload) = ("work", Payload::from("x"));
        let call = Call { target, action, payload, timeout: None, options: CallOptions::default() };
        net.node(0).cast_acknowledged(now, call).unwrap()
    };
    for _ in 0..2 {
        let op = acknowledged(&mut net, 1);
        assert_eq!(net.wait_for(0, op).unwrap().data, "");
    }
    assert_eq!(net.requests(1).len(), 1, "the second waits in the queue");
    let op = acknowledged(&mut net, 1);
    assert_eq!(net.error_of(0, op).code(), Code::ResourceExhausted);
    assert_eq!(net.counter(1, "delivery.cast_refused"), 1);
    for served in 0..2 {
        let (request, _) = net.requests(1)[served];
        net.reply(1, request, Err(Error::new(Code::Aborted, "no")));
        net.settle();
    }
    assert_eq!(net.counter(1, "delivery.cast_failed"), 2);
    net.settle();
    net.assert_quiet();
}

#[test]
fn a_cast_outlives_the_link_that_it_came_by() {
    let mut net = pair(limited(1, 10));
    net.cast(0, 1, "work", None).unwrap();
    net.cast(0, 1, "work", None).unwrap();
    net.settle();
    net.cut(0, 1);
    net.settle();
    assert_eq!(net.cancelled(1), []);
    for served in 0..2 {
        let (request, _) = net.requests(1)[served];
        net.reply(1, request, Ok("".into()));
        net.settle();
    }
    net.run_for(Duration::from_secs(2));
    net.assert_quiet();
}

#[test]
fn a_cast_that_does_not_begin_in_time_is_dropped_and_counted() {
    let mut net = pair(limited(1, 10));
    net.call_for(0, 1, Duration::from_secs(5));
    net.cast(0, 1, "work", Some(Duration::from_millis(50))).unwrap();
    net.run_for(Duration::from_millis(100));
    assert_eq!(net.counter(1, "delivery.cast_dropped"), 1);
    assert_eq!(net.requests(1).len(), 1);
    // What has begun may take its time.
    net.reply(1, net.requests(1)[0].0, Ok("".into()));
    net.cast(0, 1, "work", Some(Duration::from_millis(50))).unwrap();
    net.run_for(Duration::from_secs(1));
    assert_eq!((net.requests(1).len(), net.cancelled(1).len()), (2, 0));
    net.reply(1, net.requests(1)[1].0, Ok("".into()));
    net.settle();
    net.assert_quiet();
}

#[test]
fn a_cast_that_has_not_left_is_lost_with_its_link_and_counted() {
    let mut net = Net::pair();
    let link = net.node(0).peers()[0].link;
    net.blocked.push((0, link));
    // More than the transport takes.
    for _ in 0..10 {
        let (now, target) = (net.now, Target::Node(net.id(1)));
        let payload = Payload::from(alloc::vec![0_u8; 100_000]);
        let call = Call { target, action: "echo", payload, timeout: None, options: CallOptions::default() };
        net.node(0).cast(now, call).unwrap();
    }
    net.settle();
    net.cut(0, 1);
    net.run_for(Duration::from_secs(1));
    let lost = net.counter(0, "delivery.cast_lost");
    assert!((1..10).contains(&lost), "{}", format!("{lost} of 10 were lost"));
}
