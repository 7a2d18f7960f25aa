//! Who may do what: rules, tokens that are shown, and tokens that are taken back.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::{Net, config, identity};
use crate::access::{AccessPolicy, Denied, Rule, Who};
use crate::crypto::RustCrypto;
use crate::engine::{
    Call, CallOptions, Event, Input, NodeStatus, Payload, Publication, Shape, StreamOptions,
    SubscribeOptions, Target,
};
use crate::machine::Cx;
use crate::token::{IssuerHead, Right, Rights, SKEW_MS, Subject, Terms, Token};
use crate::{Code, Config, Error, Identity};

const WALL: u64 = 1_700_000_000_000;
const HOUR: u64 = 3_600_000;

fn issuer() -> Identity {
    Identity::from_secret([99; 32], Arc::new(RustCrypto))
}

/// A node may do this for an hour.
fn terms(node: usize, rights: impl Into<Rights>, pattern: &str) -> Terms {
    Terms {
        subject: Subject::Node(identity(node).node_id()),
        rights: rights.into(),
        pattern: pattern.parse().unwrap(),
        from_unix_ms: WALL,
        until_unix_ms: WALL + HOUR,
        delegations: 0,
        nonce: [0; 16],
    }
}

fn token(generation: u64, terms: Terms) -> Token {
    Token::issue(&issuer(), generation, terms).unwrap()
}

/// Believes the issuer, and lets whoever has a token call what is below `orders`.
fn guarded(node: usize) -> Config {
    let mut config = config(node);
    config.access.policy = allow(AccessPolicy::open(), Right::Call, "orders/>", Who::Token);
    config.access.issuers = alloc::vec![(issuer().public_key(), 0)];
    config
}

fn allow(mut policy: AccessPolicy, right: Right, pattern: &str, who: Who) -> AccessPolicy {
    policy.allow(Rule::new(right, pattern.parse().unwrap(), who)).unwrap();
    policy
}

impl Net {
    /// Nodes of which these are as they are told, that serve `orders/eu`, know what time it is, and are joined in a line.
    fn guarded_line(nodes: usize, configs: impl IntoIterator<Item = (usize, Config)>) -> Self {
        let mut net = Self::new(nodes);
        for (node, config) in configs {
            net.start(node, 2, config);
        }
        for node in 0..nodes {
            net.tell_time(node);
            let now = net.now;
            for action in ["orders/eu", "users/7", "$lacewing/stop"] {
                net.node(node).serve(now, action).unwrap();
            }
        }
        for node in 1..nodes {
            net.connect(node - 1, node);
        }
        net.run_until("everybody knows everybody", |net| {
            (0..nodes).all(|node| {
                let known = net.node(node).nodes();
                known.len() == nodes && known.iter().all(|info| info.status == NodeStatus::Up)
            })
        });
        net
    }

    fn tell_time(&mut self, node: usize) {
        let unix_ms = WALL + self.now.as_millis();
        self.input(node, Input::WallClock { unix_ms });
    }

    /// Calls, and answers what is asked.
    fn ask(&mut self, from: usize, to: usize, action: &str) -> Result<Payload, Error> {
        let served = self.requests(to).len();
        let op = self.call(from, to, action, "please")?;
        self.run_until("it is refused or handed over", |net| {
            net.outcome(from, op).is_some() || net.requests(to).len() > served
        });
        let requests = self.requests(to);
        if let Some((request, _)) = requests.get(served) {
            self.reply(to, *request, Ok("done".into()));
        }
        self.wait_for(from, op)
    }

    /// Why a call is refused, certainly without having run.
    fn refusal(&mut self, from: usize, to: usize, action: &str) -> Code {
        let served = self.requests(to).len();
        let error = self.ask(from, to, action).unwrap_err();
        assert!(!error.maybe_executed(), "{error}");
        assert_eq!(self.requests(to).len(), served, "the handler was told");
        error.code()
    }

    fn show(&mut self, node: usize, token: &Token) {
        let now = self.now;
        self.node(node).add_token(now, token).unwrap();
        self.settle();
    }

    fn revoke(&mut self, at: usize, generation: u64) {
        let now = self.now;
        self.node(at).inject_issuer_head(now, &IssuerHead::sign(&issuer(), generation)).unwrap();
        self.settle();
    }
}

#[test]
fn a_token_opens_what_a_rule_keeps_shut() {
    let mut net = Net::guarded_line(2, [(1, guarded(1))]);
    assert_eq!(net.refusal(0, 1, "orders/eu"), Code::Unauthenticated);
    assert_eq!(
        net.refusal(0, 1, "orders/nobody/serves/this"),
        Code::Unauthenticated,
        "that is not told either"
    );
    assert_eq!(net.ask(0, 1, "users/7").unwrap().data, "done", "no rule is about it");
    net.show(0, &token(0, terms(0, Right::Call, "orders/eu")));
    assert_eq!(net.ask(0, 1, "orders/eu").unwrap().data, "done");
    assert_eq!(net.refusal(0, 1, "orders/us"), Code::PermissionDenied, "the token is for another path");
    assert_eq!(net.counter(1, "delivery.unauthenticated"), 2);
    assert_eq!(net.counter(1, "delivery.permission_denied"), 1);
    assert_eq!(net.ask(1, 1, "orders/eu").unwrap().data, "done", "a node may do everything on itself");
    net.run_for(Duration::from_secs(1));
    net.assert_quiet();
}

#[test]
fn a_token_that_a_node_starts_with_is_shown_before_its_first_call() {
    let mut caller = config(0);
    caller.access.tokens = alloc::vec![token(0, terms(0, Right::Call, "orders/>"))];
    let mut net = Net::guarded_line(2, [(0, caller), (1, guarded(1))]);
    assert_eq!(net.ask(0, 1, "orders/eu").unwrap().data, "done");
    // And again to another life of the same node.
    net.kill(1, true);
    net.run_until("it is down", |net| net.node(0).peers().is_empty());
    net.start(1, 3, guarded(1));
    net.tell_time(1);
    let now = net.now;
    net.node(1).serve(now, "orders/eu").unwrap();
    net.run_until("it is back", |net| net.node(0).peers().len() == 1);
    assert_eq!(net.ask(0, 1, "orders/eu").unwrap().data, "done");
}

#[test]
fn paths_that_begin_with_a_dollar_are_for_the_node_alone() {
    let mut net = Net::guarded_line(2, []);
    assert_eq!(net.refusal(0, 1, "$lacewing/stop"), Code::PermissionDenied);
    assert_eq!(net.ask(1, 1, "$lacewing/stop").unwrap().data, "done");
}

#[test]
fn a_call_through_a_relay_needs_a_right_too() {
    let mut net = Net::guarded_line(3, [(2, guarded(2))]);
    assert_eq!(net.refusal(0, 2, "orders/eu"), Code::Unauthenticated);
    assert_eq!(net.refusal(0, 2, "$lacewing/stop"), Code::PermissionDenied);
    net.show(0, &token(0, terms(0, Right::Call, "orders/eu")));
    assert_eq!(net.ask(0, 2, "orders/eu").unwrap().data, "done");
    // The relay, a neighbour, has shown nothing, and what it carries is no token of its own.
    assert_eq!(net.refusal(1, 2, "orders/eu"), Code::Unauthenticated);
    net.run_for(Duration::from_secs(1));
    net.assert_quiet();
}

#[test]
fn a_stream_needs_the_same_right_before_it_opens() {
    let mut net = Net::guarded_line(2, [(1, guarded(1))]);
    let now = net.now;
    let path = "orders/all".parse().unwrap();
    let entry = crate::engine::ProviderEntry {
        shape: Shape::ServerStream,
        ..crate::engine::ProviderEntry::new(path)
    };
    net.node(1).serve_as(now, entry).unwrap();
    let open = |net: &mut Net| {
        let target = Target::Node(net.id(1));
        let stream = Some(StreamOptions::new(Shape::ServerStream));
        let options = CallOptions { stream, ..CallOptions::default() };
        let now = net.now;
        let call = Call { target, action: "orders/all", payload: "all".into(), timeout: None, options };
        net.node(0).call(now, call).unwrap()
    };
    let op = open(&mut net);
    assert_eq!(net.wait_for(0, op).unwrap_err().code(), Code::Unauthenticated);
    assert!(net.requests(1).is_empty());
    net.show(0, &token(0, terms(0, Right::Call, "orders/>")));
    open(&mut net);
    net.run_until("the handler has it", |net| net.requests(1).len() == 1);
}

#[test]
fn nobody_comes_in_with_the_token_of_another_node() {
    let mut net = Net::guarded_line(2, [(1, guarded(1))]);
    let others = token(0, terms(1, Right::Call, "orders/>"));
    let now = net.now;
    assert_eq!(net.node(0).add_token(now, &others).unwrap_err().code(), Code::InvalidArgument);
    // Somebody who shows it all the same.
    let (body, link) = (shown(&others), net.node(0).peers()[0].link);
    net.node(0).tell_links(crate::link::In::Control {
        link,
        frame_type: crate::wire::frame::FrameType::Token,
        body,
    });
    assert_eq!(net.refusal(0, 1, "orders/eu"), Code::Unauthenticated);
    assert_eq!(net.counter(1, "authority.token_refused"), 1);
    assert_eq!(net.node(0).peers().len(), 1, "the link stays");
}

/// The body of a frame that shows a token.
fn shown(token: &Token) -> bytes::Bytes {
    let (mut bytes, mut body) = (Vec::new(), Vec::new());
    token.encode(&mut bytes);
    crate::wire::body::TokenShown { token: &bytes }.encode(&mut body);
    body.into()
}

#[test]
fn a_right_ends_with_the_time_of_its_token() {
    let mut net = Net::guarded_line(2, [(1, guarded(1))]);
    net.show(0, &token(0, terms(0, Right::Call, "orders/eu")));
    assert_eq!(net.ask(0, 1, "orders/eu").unwrap().data, "done");
    let spent = net.now.as_millis();
    net.run_for(Duration::from_millis(HOUR + SKEW_MS - spent - 1_000));
    assert_eq!(net.ask(0, 1, "orders/eu").unwrap().data, "done", "clocks may differ by a minute");
    net.run_for(Duration::from_secs(2));
    assert_eq!(net.refusal(0, 1, "orders/eu"), Code::Unauthenticated);
    // Time is asked again, and what the driver says of it counts.
    net.input(1, Input::WallClock { unix_ms: WALL + HOUR });
    assert_eq!(net.ask(0, 1, "orders/eu").unwrap().data, "done");
}

#[test]
fn a_token_whose_time_has_not_come_is_shown_when_it_does() {
    let mut caller = config(0);
    let later = |ms| Terms { from_unix_ms: WALL + ms, ..terms(0, Right::Call, "orders/>") };
    caller.access.tokens = alloc::vec![token(0, later(100_000))];
    let mut net = Net::guarded_line(2, [(0, caller), (1, guarded(1))]);
    net.show(0, &token(0, Terms { pattern: "users/>".parse().unwrap(), ..later(200_000) }));
    assert_eq!(net.refusal(0, 1, "orders/eu"), Code::Unauthenticated);
    net.run_for(Duration::from_secs(100));
    assert_eq!(net.ask(0, 1, "orders/eu").unwrap().data, "done");
    net.run_for(Duration::from_secs(100));
    assert_eq!(net.counter(1, "authority.token_refused"), 0, "nothing was shown too early");
}

#[test]
fn tokens_that_were_taken_back_are_shown_to_nobody() {
    let mut net = Net::guarded_line(2, [(1, guarded(1))]);
    let old = token(0, terms(0, Right::Call, "orders/>"));
    net.show(0, &old);
    net.revoke(1, 1);
    for _ in 0..20 {
        net.cut(0, 1);
        net.run_until("the link is back", |net| {
            net.node(0).peers().len() == 1 && net.node(1).peers().len() == 1
        });
    }
    assert_eq!(net.counter(1, "authority.token_refused"), 0);
    let now = net.now;
    assert_eq!(net.node(0).add_token(now, &old).unwrap_err().code(), Code::FailedPrecondition);
    // So there is no debt that the next one would have to wait for.
    net.show(0, &token(1, terms(0, Right::Call, "orders/>")));
    assert_eq!(net.ask(0, 1, "orders/eu").unwrap().data, "done");
}

#[test]
fn a_node_that_nobody_told_the_time_believes_no_token() {
    let mut net = Net::new(2);
    net.start(1, 2, guarded(1));
    net.connect(0, 1);
    net.run_until("both are up", |net| net.node(0).peers().len() == 1 && net.node(1).peers().len() == 1);
    net.show(0, &token(0, terms(0, Right::Call, ">")));
    assert_eq!(net.refusal(0, 1, "orders/eu"), Code::Unauthenticated);
}

#[test]
fn what_an_issuer_takes_back_is_void_wherever_its_word_comes() {
    // Neither the caller nor the relay trusts the issuer, and it is the caller that is told.
    let mut net = Net::guarded_line(4, [(3, guarded(3))]);
    net.show(0, &token(0, terms(0, Right::Call, "orders/eu")));
    assert_eq!(net.ask(0, 3, "orders/eu").unwrap().data, "done");
    net.revoke(1, 1);
    assert_eq!(net.node(3).issuer_generation(&issuer().public_key()), Some(1));
    assert_eq!(net.refusal(0, 3, "orders/eu"), Code::Unauthenticated);
    net.show(0, &token(1, terms(0, Right::Call, "orders/eu")));
    assert_eq!(net.ask(0, 3, "orders/eu").unwrap().data, "done", "the next generation counts");
    let now = net.now;
    let old = net.node(0).inject_issuer_head(now, &IssuerHead::sign(&issuer(), 0));
    assert_eq!(old.unwrap_err().code(), Code::FailedPrecondition);
    net.run_for(Duration::from_secs(1));
    net.assert_quiet();
}

#[test]
fn who_was_away_hears_of_it_when_it_is_back() {
    let mut net = Net::guarded_line(3, [(2, guarded(2))]);
    net.show(0, &token(0, terms(0, Right::Call, "orders/eu")));
    assert_eq!(net.ask(0, 2, "orders/eu").unwrap().data, "done");
    net.cut(1, 2);
    net.revoke(0, 7);
    net.run_until("the link is back", |net| net.node(2).peers().len() == 1);
    net.run_until("it has heard", |net| net.node(2).issuer_generation(&issuer().public_key()) == Some(7));
    net.run_until("the path is back", |net| net.status(2, 0) == Some(NodeStatus::Up));
    assert_eq!(net.refusal(0, 2, "orders/eu"), Code::Unauthenticated);
}

#[test]
fn who_has_lost_a_head_is_told_again_after_a_while() {
    let mut net = Net::guarded_line(2, [(1, guarded(1))]);
    net.revoke(0, 3);
    // As if the queue had been full.
    let fresh = crate::authority::Authority::new(net.node(1).config().clone(), net.id(1));
    let link = net.node(1).peers()[0].link;
    *net.node(1).authority = fresh;
    net.node(1).tell_authority(crate::authority::In::Bind { link, node: identity(0).node_id() });
    net.node(1).tell_authority(crate::authority::In::LinkUp { link });
    assert_eq!(net.node(1).issuer_generation(&issuer().public_key()), Some(0));
    net.run_for(Duration::from_secs(301));
    assert_eq!(net.node(1).issuer_generation(&issuer().public_key()), Some(3));
}

#[test]
fn a_head_that_its_issuer_has_not_signed_cuts_the_link() {
    let mut net = Net::guarded_line(2, [(1, guarded(1))]);
    let forged = IssuerHead { generation: 9, ..IssuerHead::sign(&issuer(), 1) };
    let now = net.now;
    assert_eq!(net.node(0).inject_issuer_head(now, &forged).unwrap_err().code(), Code::InvalidArgument);
    let link = net.node(0).peers()[0].link;
    let mut body = Vec::new();
    forged.encode(&mut body);
    let frame_type = crate::wire::frame::FrameType::IssuerHead;
    net.node(0).tell_links(crate::link::In::Control { link, frame_type, body: body.into() });
    net.settle();
    assert_eq!(net.counter(1, "link.closed.identity_rejected"), 1);
    assert_eq!(net.node(1).issuer_generation(&issuer().public_key()), Some(0));
}

#[test]
fn bad_tokens_are_throttled_before_any_signature_is_looked_at() {
    let mut net = Net::guarded_line(2, [(1, guarded(1))]);
    let link = net.node(0).peers()[0].link;
    for nonce in 0..20 {
        let good = token(0, Terms { nonce: [nonce; 16], ..terms(0, Right::Call, "orders/>") });
        let mut body = shown(&good).to_vec();
        *body.last_mut().unwrap() ^= 1;
        let frame_type = crate::wire::frame::FrameType::Token;
        net.node(0).tell_links(crate::link::In::Control { link, frame_type, body: body.into() });
    }
    net.settle();
    assert_eq!(net.counter(1, "authority.token_refused"), 8);
    assert_eq!(net.counter(1, "authority.token_throttled"), 12);
    assert_eq!(net.node(0).peers().len(), 1, "the link stays");
    assert_eq!(net.refusal(0, 1, "orders/eu"), Code::Unauthenticated);
}

#[test]
fn who_comes_and_goes_with_a_good_token_is_not_throttled() {
    let mut caller = config(0);
    caller.access.tokens = alloc::vec![token(0, terms(0, Right::Call, "orders/>"))];
    let mut net = Net::guarded_line(2, [(0, caller), (1, guarded(1))]);
    for _ in 0..100 {
        net.cut(0, 1);
        net.run_until("the link is back", |net| {
            net.node(0).peers().len() == 1 && net.node(1).peers().len() == 1
        });
    }
    assert_eq!(net.ask(0, 1, "orders/eu").unwrap().data, "done");
    assert_eq!(net.counter(1, "authority.token_throttled"), 0);
}

#[test]
fn a_token_frame_that_is_none_cuts_the_link() {
    let mut net = Net::guarded_line(2, []);
    let link = net.node(0).peers()[0].link;
    let body = bytes::Bytes::from_static(&[0xa0]);
    net.node(0).tell_links(crate::link::In::Control {
        link,
        frame_type: crate::wire::frame::FrameType::Token,
        body,
    });
    net.settle();
    assert_eq!(net.counter(1, "link.closed.malformed_frame"), 1);
}

#[test]
fn rules_by_node_and_by_tag() {
    let mut strict = config(2);
    let policy = allow(AccessPolicy::closed(), Right::Call, "orders/>", Who::node(identity(0).node_id()));
    strict.access.policy = allow(policy, Right::Call, "users/>", Who::Tag("software.os=linux".into()));
    let mut net = Net::guarded_line(3, [(2, strict)]);
    assert_eq!(net.ask(0, 2, "orders/eu").unwrap().data, "done");
    assert_eq!(net.refusal(1, 2, "orders/eu"), Code::PermissionDenied);
    assert_eq!(net.refusal(1, 2, "users/7"), Code::PermissionDenied);
    let set = crate::capability::CapabilitySet::new().with_tag("software.os=linux").unwrap();
    let now = net.now;
    net.node(1).set_capabilities(now, set).unwrap();
    net.run_for(Duration::from_secs(1));
    assert_eq!(net.ask(1, 2, "users/7").unwrap().data, "done");
    assert_eq!(net.refusal(0, 2, "echo"), Code::PermissionDenied, "a closed policy allows nothing else");
}

#[test]
fn rights_to_topics_are_asked_for_in_the_same_way() {
    let mut strict = guarded(1);
    strict.access.policy = allow(strict.access.policy, Right::Publish, "news/>", Who::Token);
    strict.access.policy = allow(strict.access.policy, Right::Subscribe, "news/>", Who::Token);
    let mut net = Net::guarded_line(2, [(1, strict)]);
    let (peer, own) = (net.id(0), net.id(1));
    let (topic, pattern) = ("news/eu".parse().unwrap(), "news/*".parse().unwrap());
    assert_eq!(net.node(1).may_publish(&peer, &topic), Err(Denied::NoToken));
    assert_eq!(net.node(1).may_publish(&own, &topic), Ok(()));
    net.show(
        0,
        &token(0, terms(0, [Right::Publish, Right::Subscribe].into_iter().collect::<Rights>(), "news/>")),
    );
    assert_eq!(net.node(1).may_publish(&peer, &topic), Ok(()));
    assert_eq!(net.node(1).may_subscribe(&peer, &pattern), Ok(()));
    assert_eq!(net.node(1).may_subscribe(&peer, &">".parse().unwrap()), Err(Denied::NotNamed));
    assert_eq!(net.node(1).may_call(&peer, &"orders/eu".parse().unwrap()), Err(Denied::NoTokenForThis));
    net.revoke(0, 1);
    assert_eq!(net.node(1).may_publish(&peer, &topic), Err(Denied::TokenRevoked));
}

#[test]
fn heads_of_strangers_are_bounded_and_whoever_brings_most_makes_room() {
    let mut net = Net::guarded_line(3, [(2, guarded(2))]);
    net.revoke(0, 1);
    let now = net.now;
    for number in 0..1_100_u32 {
        let mut secret = [200; 32];
        secret[..4].copy_from_slice(&number.to_be_bytes());
        let head = IssuerHead::sign(&Identity::from_secret(secret, Arc::new(RustCrypto)), 1);
        // A neighbour that makes issuers up.
        let engine = net.node(0);
        let mut cx = Cx { now: engine.now, trace: &mut *engine.trace, counters: &mut engine.counters };
        engine.authority.learn(&mut cx, &head, None);
        let _ = now;
    }
    net.settle();
    for node in 0..3 {
        for gauge in net.node(node).gauges() {
            assert!(gauge.value <= gauge.cap, "node {node}: {gauge:?}");
        }
    }
    // An issuer that is trusted takes no room among strangers.
    net.revoke(1, 2);
    assert_eq!(net.node(2).issuer_generation(&issuer().public_key()), Some(2));
    assert!(!net.has_event(2, |event| matches!(event, Event::PeerDown { .. })));
}

#[test]
fn calls_go_to_none_who_may_not_serve() {
    let mut caller = guarded(0);
    caller.access.policy = allow(AccessPolicy::open(), Right::Serve, "orders/>", Who::Token);
    let mut net = Net::guarded_line(3, [(0, caller)]);
    let refused = |net: &mut Net, to: usize| net.ask(0, to, "orders/eu").unwrap_err().code();
    assert_eq!(refused(&mut net, 1), Code::Unauthenticated);
    assert_eq!(net.ask(0, 1, "users/7").unwrap().data, "done", "no rule is about it");
    // One that is no neighbour has had no session to show its token in: it gets one.
    net.show(2, &token(0, terms(2, Right::Serve, "orders/>")));
    assert_eq!(refused(&mut net, 2), Code::Unauthenticated);
    net.run_for(Duration::from_secs(1));
    assert_eq!(net.ask(0, 2, "orders/eu").unwrap().data, "done");
    // Of the two who announce the action, only that one is called; it is the farther one.
    let now = net.now;
    net.node(0).unserve(now, "orders/eu");
    let call = Call {
        target: Target::Any,
        action: "orders/eu",
        payload: "please".into(),
        timeout: None,
        options: CallOptions::default(),
    };
    let served = net.requests(2).len();
    net.node(0).call(now, call).unwrap();
    net.run_until("it has the call", |net| net.requests(2).len() > served);
    assert!(net.requests(1).iter().all(|(_, payload)| payload.data != "orders/eu"));
    net.revoke(1, 1);
    assert_eq!(refused(&mut net, 2), Code::Unauthenticated);
}

#[test]
fn events_come_from_those_who_may_publish_and_go_to_those_who_may_subscribe() {
    let mut strict = guarded(0);
    strict.access.policy = allow(AccessPolicy::open(), Right::Publish, "news/>", Who::Token);
    strict.access.policy = allow(strict.access.policy, Right::Subscribe, "news/>", Who::Token);
    let mut net = Net::guarded_line(3, [(0, strict)]);
    let now = net.now;
    for node in [0, 2] {
        net.node(node).subscribe(now, "news/*", SubscribeOptions::default()).unwrap();
    }
    net.run_for(Duration::from_secs(1));
    let publish = |net: &mut Net, from: usize, text: &'static str| {
        let now = net.now;
        net.node(from).publish(now, Publication::new("news/eu", text)).unwrap();
        net.run_for(Duration::from_secs(1));
    };
    let heard = |net: &Net, at: usize| -> Vec<bytes::Bytes> {
        let event = |event: &Event| match event {
            Event::Published { event, .. } => Some(event.payload.data.clone()),
            _ => None,
        };
        net.events[at].iter().filter_map(event).collect()
    };
    publish(&mut net, 2, "from nobody in particular");
    assert!(heard(&net, 0).is_empty());
    assert_eq!(net.counter(0, "topics.refused"), 1);
    publish(&mut net, 0, "for those with a token");
    assert_eq!(heard(&net, 2), ["from nobody in particular"], "its own alone");
    let both = [Right::Publish, Right::Subscribe].into_iter().collect::<Rights>();
    net.show(2, &token(0, terms(2, both, "news/>")));
    net.run_for(Duration::from_secs(1));
    publish(&mut net, 2, "from one who may");
    publish(&mut net, 0, "again");
    assert_eq!(heard(&net, 0), ["for those with a token", "from one who may", "again"]);
    assert_eq!(heard(&net, 2), ["from nobody in particular", "from one who may", "again"]);
    assert_eq!(net.counter(0, "topics.refused"), 1);
    net.revoke(1, 1);
    publish(&mut net, 2, "too late");
    assert_eq!(net.counter(0, "topics.refused"), 2);
}
