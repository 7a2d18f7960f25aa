//! Calls with a policy.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::{Net, config};
use crate::delivery::selector::Selector;
use crate::engine::{
    Call, CallOptions, CallPolicy, Event, Hedge, OpId, Payload, RequestId, Retry, ServeOptions, Target,
};
use crate::{Code, Error, Kind, NodeId};

const MS: Duration = Duration::from_millis(1);

fn retry() -> CallPolicy {
    CallPolicy { retry: Some(Retry::default()), ..CallPolicy::default() }
}

fn hedge(delay: Duration, count: u32) -> CallPolicy {
    CallPolicy { idempotent: true, hedge: Some(Hedge { delay, count }), ..CallPolicy::default() }
}

/// Node 0 with `providers` neighbours that serve `work`, which nobody answers by itself.
fn star(providers: usize) -> Net {
    let mut net = Net::new(providers + 1);
    for other in 1..=providers {
        net.connect(0, other);
        let now = net.now;
        net.node(other).serve(now, "work").unwrap();
    }
    net.run_until("all are known", |net| {
        net.node(0).providers("work").len() == providers && net.node(0).peers().len() == providers
    });
    net
}

impl Net {
    fn try_call(&mut self, target: Target, policy: CallPolicy) -> Result<OpId, Error> {
        let options = CallOptions { policy: Some(Box::new(policy)), ..CallOptions::default() };
        let now = self.now;
        let payload = Payload::from("x");
        self.node(0).call(now, Call { target, action: "work", payload, timeout: None, options })
    }

    fn policy_call(&mut self, target: Target, policy: CallPolicy) -> OpId {
        let op = self.try_call(target, policy).unwrap();
        self.settle();
        op
    }

    /// Everything that was handed to the providers, in their order.
    fn served(&self) -> Vec<(usize, RequestId)> {
        let of = |node: usize| self.requests(node).into_iter().map(move |(request, _)| (node, request));
        (1..self.nodes.len()).flat_map(of).collect()
    }

    fn fail(&mut self, node: usize, request: RequestId, error: Error) {
        self.reply(node, request, Err(error));
        self.settle();
    }

    fn gathered(&self, op: OpId) -> Vec<(NodeId, Result<Payload, Error>)> {
        let found = self.events[0].iter().find_map(|event| match event {
            Event::Gathered { op: own, answers } if *own == op => Some(answers.clone()),
            _ => None,
        });
        found.unwrap()
    }

    fn outcomes(&self, op: OpId) -> usize {
        let is_it = |event: &&Event| matches!(event, Event::CallDone { op: done, .. } if *done == op);
        self.events[0].iter().filter(is_it).count()
    }
}

fn refusal() -> Error {
    Error::new(Code::PermissionDenied, "no")
}

#[test]
fn what_was_certainly_not_executed_is_tried_again_until_it_works() {
    let mut net = Net::new(2);
    let now = net.now;
    net.node(1).serve(now, "work").unwrap();
    let long = Retry { attempts: 10, base: 200 * MS, max: Duration::from_secs(1), attempt_timeout: None };
    let policy = CallPolicy { retry: Some(long), ..CallPolicy::default() };
    let target = Target::Node(net.id(1));
    let op = net.policy_call(target, policy);
    assert!(net.outcome(0, op).is_none(), "no path leads there, yet");
    net.connect(0, 1);
    net.run_until("it has arrived", |net| !net.served().is_empty());
    let (node, request) = net.served()[0];
    net.reply(node, request, Ok("at last".into()));
    assert_eq!(net.wait_for(0, op).unwrap().data, "at last");
    assert_eq!((net.outcomes(op), net.served().len()), (1, 1));
    assert!(net.counter(0, "resilience.retried") >= 1);
    net.assert_quiet();
}

#[test]
fn what_may_have_been_executed_is_tried_again_only_if_that_does_no_harm() {
    for (idempotent, runs) in [(false, 1), (true, 3)] {
        let mut net = star(1);
        let op = net.policy_call(Target::Any, CallPolicy { idempotent, ..retry() });
        let mut served = 0;
        while net.outcome(0, op).is_none() {
            net.run_until("it runs", |net| net.served().len() > served);
            let (node, request) = net.served()[served];
            served += 1;
            net.fail(node, request, Error::new(Code::Aborted, "half done"));
        }
        assert_eq!((served, net.outcomes(op)), (runs, 1));
        let error = net.wait_for(0, op).unwrap_err();
        assert_eq!((error.code(), error.maybe_executed()), (Code::Aborted, true));
        net.assert_quiet();
    }
}

#[test]
fn a_failure_that_cannot_pass_is_not_tried_again() {
    let mut net = star(1);
    let op = net.policy_call(Target::Any, CallPolicy { idempotent: true, ..retry() });
    let (node, request) = net.served()[0];
    net.fail(node, request, refusal());
    assert_eq!(net.wait_for(0, op).unwrap_err().code(), Code::PermissionDenied);
    assert_eq!(net.served().len(), 1);
}

#[test]
fn whoever_is_told_when_to_come_back_does_not_come_sooner() {
    let mut net = star(1);
    let op = net.policy_call(Target::Any, CallPolicy { idempotent: true, ..retry() });
    let (node, request) = net.served()[0];
    let before = net.now;
    let busy = Error::new(Code::ResourceExhausted, "").with_retry_after_ms(Some(700));
    net.fail(node, request, busy);
    net.run_until("it is tried again", |net| net.served().len() == 2);
    assert_eq!(net.now - before, 700 * MS);
    // Who asks for more than there is left is not asked again.
    let (node, request) = net.served()[1];
    let busy = Error::new(Code::ResourceExhausted, "").with_retry_after_ms(Some(60_000));
    net.fail(node, request, busy);
    assert!(net.outcome(0, op).is_some());
    net.assert_quiet();
}

#[test]
fn an_attempt_that_takes_too_long_is_ended_and_the_call_goes_on_elsewhere() {
    let mut net = star(2);
    let retry = Retry { attempt_timeout: Some(100 * MS), ..Retry::default() };
    let policy = CallPolicy { idempotent: true, retry: Some(retry), ..CallPolicy::default() };
    let op = net.policy_call(Target::Any, policy);
    let (slow, _) = net.served()[0];
    net.run_until("another one is asked", |net| net.served().len() == 2);
    let cancelled = |event: &Event| matches!(event, Event::RequestCancelled { .. });
    assert!(net.events[slow].iter().any(cancelled), "the first one is told");
    let (other, request) = *net.served().iter().find(|(node, _)| *node != slow).expect("the other node");
    net.reply(other, request, Ok("".into()));
    assert!(net.wait_for(0, op).is_ok());
    net.assert_quiet();
}

#[test]
fn the_deadline_is_that_of_the_call_and_a_cancel_ends_it_whatever_it_waits_for() {
    let mut net = Net::new(1);
    let id = crate::NodeId::from_bytes([9; 32]);
    let long = Retry { attempts: 10, base: 900 * MS, max: Duration::from_secs(1), attempt_timeout: None };
    let policy = CallPolicy { retry: Some(long), ..CallPolicy::default() };
    let begin = net.now;
    let op = net.policy_call(Target::Node(id), policy.clone());
    let error = net.wait_for(0, op).unwrap_err();
    assert_eq!((error.kind(), error.maybe_executed()), (Some(Kind::Unreachable), false));
    assert!(net.now - begin < Duration::from_secs(5));
    let op = net.policy_call(Target::Node(id), policy);
    assert!(net.outcome(0, op).is_none());
    let now = net.now;
    net.node(0).cancel(now, op);
    let error = net.wait_for(0, op).unwrap_err();
    assert_eq!((error.code(), error.maybe_executed(), net.outcomes(op)), (Code::Cancelled, false, 1));
    net.assert_quiet();
}

#[test]
fn a_stopping_node_does_not_wait_to_try_again() {
    let mut net = Net::new(1);
    let retry = Retry {
        attempts: 3,
        base: Duration::from_secs(1),
        max: Duration::from_secs(1),
        attempt_timeout: None,
    };
    let policy = CallPolicy { retry: Some(retry), ..CallPolicy::default() };
    let op = net.policy_call(Target::Node(crate::NodeId::from_bytes([9; 32])), policy);
    let now = net.now;
    net.node(0).shutdown(now, now + Duration::from_secs(30));
    net.settle();
    assert!(net.outcome(0, op).is_some());
    assert!(net.events[0].iter().any(|event| matches!(event, Event::Stopped)));
}

#[test]
fn a_partition_does_not_become_a_storm() {
    let mut net = Net::new(1);
    let target = Target::Node(crate::NodeId::from_bytes([9; 32]));
    for _ in 0..500 {
        net.policy_call(target.clone(), retry());
        net.run_for(2 * MS);
    }
    net.run_for(Duration::from_secs(5));
    let retried = net.counter(0, "resilience.budget_spent");
    assert!(retried > 300, "{retried} were not tried again");
    net.assert_quiet();
}

#[test]
fn a_slow_answer_is_asked_of_another_and_the_slower_one_is_told_to_stop() {
    let mut net = star(3);
    let op = net.policy_call(Target::Any, hedge(20 * MS, 1));
    let (slow, _) = net.served()[0];
    net.run_for(19 * MS);
    assert_eq!(net.served().len(), 1);
    net.run_for(MS);
    assert_eq!(net.served().len(), 2);
    net.run_for(500 * MS);
    assert_eq!(net.served().len(), 2, "one more was asked for, and no further");
    let (other, request) = *net.served().iter().find(|(node, _)| *node != slow).expect("another node");
    net.reply(other, request, Ok("fast".into()));
    assert_eq!(net.wait_for(0, op).unwrap().data, "fast");
    net.settle();
    assert!(net.events[slow].iter().any(|event| matches!(event, Event::RequestCancelled { .. })));
    assert_eq!(net.outcomes(op), 1);
    net.assert_quiet();
}

#[test]
fn the_failure_of_one_does_not_mask_the_success_of_the_other() {
    let mut net = star(2);
    let op = net.policy_call(Target::Any, hedge(20 * MS, 1));
    net.run_for(20 * MS);
    let served = net.served();
    net.fail(served[0].0, served[0].1, refusal());
    assert!(net.outcome(0, op).is_none());
    net.reply(served[1].0, served[1].1, Ok("fine".into()));
    assert_eq!(net.wait_for(0, op).unwrap().data, "fine");
    net.assert_quiet();
}

#[test]
fn a_cancel_ends_every_attempt_and_says_that_they_may_have_run() {
    let mut net = star(2);
    let op = net.policy_call(Target::Any, hedge(20 * MS, 1));
    net.run_for(20 * MS);
    let now = net.now;
    net.node(0).cancel(now, op);
    let error = net.wait_for(0, op).unwrap_err();
    assert_eq!((error.code(), error.maybe_executed(), net.outcomes(op)), (Code::Cancelled, true, 1));
    net.settle();
    for node in [1, 2] {
        assert!(net.events[node].iter().any(|event| matches!(event, Event::RequestCancelled { .. })));
    }
    net.assert_quiet();
}

#[test]
fn a_breaker_opens_lets_one_probe_through_and_closes() {
    let mut net = star(1);
    let policy = CallPolicy { breaker: true, ..CallPolicy::default() };
    for failure in 0..5 {
        let op = net.policy_call(Target::Any, policy.clone());
        let (node, request) = net.served()[failure];
        net.fail(node, request, Error::of_kind(Kind::Handler, "broken"));
        assert!(net.wait_for(0, op).is_err());
    }
    let op = net.policy_call(Target::Any, policy.clone());
    let error = net.wait_for(0, op).unwrap_err();
    assert_eq!((error.kind(), error.maybe_executed()), (Some(Kind::Unstable), false));
    assert_eq!(error.retry_after_ms(), Some(5_000));
    assert_eq!(net.served().len(), 5);
    // Others are not kept from calling.
    net.call(0, 1, "work", "").unwrap();
    net.run_for(Duration::from_secs(5));
    let probes: Vec<OpId> = (0..10).map(|_| net.policy_call(Target::Any, policy.clone())).collect();
    net.settle();
    let (node, request) = net.served()[6];
    assert_eq!(net.served().len(), 7, "one probe goes out");
    let refused = probes.iter().filter(|op| net.outcome(0, **op).is_some()).count();
    assert_eq!(refused, 9);
    net.reply(node, request, Ok("".into()));
    net.settle();
    for _ in 0..3 {
        net.policy_call(Target::Any, policy.clone());
    }
    assert_eq!(net.served().len(), 10, "it is closed again");
}

#[test]
fn with_a_breaker_open_others_are_called() {
    let mut net = star(2);
    let policy = CallPolicy { breaker: true, ..CallPolicy::default() };
    let mut answered = [0, 0];
    let mut seen = [0, 0];
    for _ in 0..40 {
        let op = net.policy_call(Target::Select(Selector::RoundRobin), policy.clone());
        for node in [1, 2] {
            for (request, _) in net.requests(node).split_off(seen[node - 1]) {
                seen[node - 1] += 1;
                let broken = Err(Error::of_kind(Kind::Handler, "broken"));
                net.reply(node, request, if node == 1 { broken } else { Ok("".into()) });
            }
        }
        answered[usize::from(net.wait_for(0, op).is_ok())] += 1;
    }
    assert_eq!(answered, [5, 35]);
}

#[test]
fn a_bulkhead_lets_so_many_through_and_refuses_the_rest_at_once() {
    let mut net = star(1);
    let policy = CallPolicy { bulkhead: Some(3), ..CallPolicy::default() };
    let ops: Vec<OpId> = (0..5).map(|_| net.policy_call(Target::Any, policy.clone())).collect();
    assert_eq!(net.served().len(), 3);
    for op in &ops[3..] {
        assert_eq!(net.wait_for(0, *op).unwrap_err().code(), Code::Backpressure);
    }
    for (node, request) in net.served() {
        net.reply(node, request, Ok("".into()));
    }
    net.settle();
    net.policy_call(Target::Any, policy);
    assert_eq!(net.served().len(), 4);
}

#[test]
fn c13_whoever_gathers_has_every_answer_and_a_first_error_masks_none() {
    let mut net = star(4);
    let gather = CallPolicy { gather: Some(200 * MS), ..CallPolicy::default() };
    let op = net.policy_call(Target::Any, gather.clone());
    let served = net.served();
    assert_eq!(served.len(), 4);
    net.fail(served[0].0, served[0].1, refusal());
    net.reply(served[1].0, served[1].1, Ok("one".into()));
    net.reply(served[2].0, served[2].1, Ok("two".into()));
    net.settle();
    assert!(net.outcome(0, op).is_none(), "one has not answered");
    let begin = net.now;
    assert!(net.wait_for(0, op).is_ok());
    assert_eq!(net.now - begin, 200 * MS);
    let answers = net.gathered(op);
    let codes: Vec<Result<&[u8], Code>> = answers
        .iter()
        .map(|(_, answer)| answer.as_ref().map(|payload| &payload.data[..]).map_err(Error::code))
        .collect();
    assert_eq!(
        codes,
        [Err(Code::PermissionDenied), Ok(&b"one"[..]), Ok(&b"two"[..]), Err(Code::DeadlineExceeded)]
    );
    assert_eq!(answers[1].0, net.id(served[1].0));
    // All answer: nobody waits for the end of the time.
    let op = net.policy_call(Target::Any, gather.clone());
    let before = net.now;
    for (node, request) in net.served() {
        net.reply(node, request, Err(refusal()));
    }
    assert_eq!(net.wait_for(0, op).unwrap_err().code(), Code::PermissionDenied);
    assert_eq!((net.gathered(op).len(), net.now), (4, before));
    net.assert_quiet();
}

/// Found in simulation: what was left when the caller gave up had not begun, and who had answered before was forgotten.
#[test]
fn a_gathered_call_that_is_given_up_after_an_answer_was_executed() {
    let mut net = star(1);
    let now = net.now;
    net.node(0).serve(now, "work").unwrap();
    let one = ServeOptions { max_in_flight: Some(1), ..ServeOptions::default() };
    net.node(0).limit_action(now, "work", one).unwrap();
    // The own node is busy, so that its share of the other call waits.
    let own = Target::Node(net.id(0));
    let busy = net.policy_call(own, CallPolicy::default());
    let gather = CallPolicy { gather: Some(200 * MS), ..CallPolicy::default() };
    let op = net.policy_call(Target::Any, gather);
    let (node, request) = net.served()[0];
    net.reply(node, request, Ok("one".into()));
    net.settle();
    let now = net.now;
    net.node(0).cancel(now, op);
    let error = net.wait_for(0, op).unwrap_err();
    assert_eq!((error.code(), error.maybe_executed()), (Code::Cancelled, true));
    let now = net.now;
    net.node(0).cancel(now, busy);
    net.settle();
}

#[test]
fn policies_that_make_no_sense_are_refused() {
    let mut net = Net::new(1);
    let hedged = Hedge { delay: MS, count: 1 };
    let bad = vec![
        CallPolicy { retry: Some(Retry { attempts: 0, ..Retry::default() }), ..CallPolicy::default() },
        CallPolicy { retry: Some(Retry { attempts: 11, ..Retry::default() }), ..CallPolicy::default() },
        CallPolicy {
            retry: Some(Retry { base: Duration::ZERO, ..Retry::default() }),
            ..CallPolicy::default()
        },
        CallPolicy { hedge: Some(hedged), ..CallPolicy::default() },
        CallPolicy { gather: Some(MS), ..retry() },
        CallPolicy { gather: Some(Duration::ZERO), ..CallPolicy::default() },
        CallPolicy { bulkhead: Some(0), ..CallPolicy::default() },
    ];
    for policy in bad {
        let error = net.try_call(Target::Any, policy.clone()).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{policy:?}");
    }
    net.assert_quiet();
}

#[test]
fn calls_with_a_policy_are_no_more_than_the_limit() {
    let mut net = Net::new(1);
    let mut few = config(0);
    few.limits.policy_calls_max = 2;
    net.start(0, 2, few);
    let target = Target::Node(crate::NodeId::from_bytes([9; 32]));
    for _ in 0..2 {
        net.policy_call(target.clone(), retry());
    }
    assert_eq!(net.try_call(target, retry()).unwrap_err().code(), Code::Backpressure);
    net.run_for(Duration::from_secs(10));
    net.assert_quiet();
}
