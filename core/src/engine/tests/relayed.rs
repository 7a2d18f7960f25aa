//! Sessions through relays: what they owe to calls, and what members may do to them.

use core::time::Duration;

use super::Net;
use crate::engine::Event;

#[test]
fn a_record_leaves_in_the_turn_in_which_it_was_made() {
    let mut net = Net::line(3);
    let op = net.call(0, 2, "echo", "opens the tunnel").unwrap();
    net.wait_for(0, op).unwrap();
    let asked_at = net.now;
    let op = net.call(0, 2, "echo", "goes at once").unwrap();
    net.wait_for(0, op).unwrap();
    assert_eq!(net.now, asked_at, "a record waited for something else to happen");
}

#[test]
fn a_call_that_is_open_when_a_link_comes_up_gets_its_answer_by_the_tunnel() {
    for patience in [1, 30] {
        let mut net = Net::line(3);
        net.echo = false;
        let (now, target) = (net.now, crate::engine::Target::Node(net.id(2)));
        let timeout = Some(Duration::from_secs(100));
        let call = crate::engine::Call { target, action: "echo", payload: "x".into(), timeout };
        let op = net.node(0).call(now, call).unwrap();
        net.run_until("the handler has it", |net| !net.requests(2).is_empty());
        net.connect(0, 2);
        net.run_until("they are neighbours", |net| net.node(0).peers().len() == 2);
        net.run_for(Duration::from_secs(patience));
        let request = net.requests(2)[0].0;
        assert!(net.reply(2, request, Ok("answered".into())), "the request was cancelled");
        assert_eq!(net.wait_for(0, op).unwrap().data, "answered", "after {patience} s");
        net.run_for(Duration::from_secs(1));
        let tunnels = net.node(0).gauges().into_iter().find(|gauge| gauge.name == "link.tunnels").unwrap();
        assert_eq!(tunnels.value, 0, "after {patience} s");
        net.assert_quiet();
    }
}

#[test]
fn calls_to_a_life_that_is_over_have_their_outcome_before_its_end_is_told() {
    let mut net = Net::line(4);
    net.echo = false;
    let op = net.call(0, 3, "echo", "x").unwrap();
    net.run_until("the handler has it", |net| !net.requests(3).is_empty());
    net.kill(3, true);
    net.start(3, 2, super::config(3));
    net.connect(3, 2);
    net.wait_for(0, op).unwrap_err();
    net.run_until("the end is told", |net| net.has_event(0, |event| matches!(event, Event::NodeDown { .. })));
    let place = |is_it: &dyn Fn(&Event) -> bool| net.events[0].iter().position(is_it).unwrap();
    let outcome = place(&|event| matches!(event, Event::CallDone { op: done, .. } if *done == op));
    assert!(outcome < place(&|event| matches!(event, Event::NodeDown { .. })), "{:?}", net.events[0]);
}

#[test]
fn tunnels_are_told_apart_by_the_life_at_their_other_end() {
    let mut net = Net::line(3);
    let op = net.call(0, 2, "echo", "x").unwrap();
    net.wait_for(0, op).unwrap();
    let (node, incarnation) = (net.id(2), crate::Incarnation::new(1));
    // That of this life ends with it, and one of a later life would not.
    let own = net.node(0).links.tunnels_to(node, Some(incarnation.after()));
    assert_eq!(own.len(), 1);
    assert!(net.node(0).links.tunnels_to(node, Some(incarnation)).is_empty());
}
