//! Who is let in by a membership token, and for how long.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use core::time::Duration;

use super::{Net, config, identity};
use crate::config::{Config, Trust};
use crate::crypto::RustCrypto;
use crate::engine::Input;
use crate::token::{IssuerHead, Right, SKEW_MS, Subject, Terms, Token};
use crate::{Code, Identity};

const WALL: u64 = 1_700_000_000_000;
const HOUR: u64 = 3_600_000;

fn issuer(byte: u8) -> Identity {
    Identity::from_secret([byte; 32], Arc::new(RustCrypto))
}

/// A node is a member for an hour.
fn terms(node: usize) -> Terms {
    Terms {
        subject: Subject::Node(identity(node).node_id()),
        rights: Right::Join.into(),
        pattern: ">".parse().unwrap(),
        from_unix_ms: WALL,
        until_unix_ms: WALL + HOUR,
        delegations: 0,
        nonce: [0; 16],
    }
}

fn token(generation: u64, terms: Terms) -> Token {
    Token::issue(&issuer(99), generation, terms).unwrap()
}

/// Lets in whom the issuer has named.
fn gated(node: usize) -> Config {
    let issuers: BTreeSet<_> = core::iter::once(issuer(99).public_key()).collect();
    Config { trust: Trust::Tokens { issuers, network_key: None }, ..config(node) }
}

fn member(node: usize, token: Token) -> Config {
    let mut config = gated(node);
    config.access.tokens = alloc::vec![token];
    config
}

impl Net {
    /// Node 0, a member, dials node 1, a member that listens.
    fn members(dialler: Config, listener: Config) -> Self {
        let mut net = Self::new(2);
        for (node, config) in [(0, dialler), (1, listener)] {
            net.start(node, 2, config);
            let unix_ms = WALL + net.now.as_millis();
            net.input(node, Input::WallClock { unix_ms });
        }
        net.connect(0, 1);
        net
    }

    fn meet(&mut self) {
        self.run_until("both are up", |net| net.node(0).peers().len() == 1 && net.node(1).peers().len() == 1);
    }
}

/// Node 1 does not let node 0 in with this, in some time.
#[track_caller]
fn kept_out(token: Option<Token>) -> Net {
    let mut dialler = gated(0);
    dialler.access.tokens = token.into_iter().collect();
    let mut net = Net::members(dialler, member(1, self::token(0, terms(1))));
    net.run_for(Duration::from_secs(5));
    assert!(net.node(0).peers().is_empty() && net.node(1).peers().is_empty());
    assert!(net.counter(1, "link.closed.untrusted") > 0);
    net
}

#[test]
fn members_let_each_other_in() {
    let mut net = Net::members(member(0, token(0, terms(0))), member(1, token(0, terms(1))));
    net.meet();
    let op = net.call(0, 1, "echo", "hello").unwrap();
    assert_eq!(net.wait_for(0, op).unwrap().data, "hello");
    net.run_for(Duration::from_secs(1));
    net.assert_quiet();
}

#[test]
fn a_token_that_was_passed_on_lets_in_too() {
    let wider =
        Terms { rights: [Right::Join, Right::Call].into_iter().collect(), delegations: 1, ..terms(5) };
    let passed_on = token(0, wider).delegate(&identity(5), terms(0)).unwrap();
    Net::members(member(0, passed_on), member(1, token(0, terms(1)))).meet();
}

#[test]
fn others_are_kept_out_and_learn_nothing() {
    let mut net = kept_out(None);
    // Whoever dials says who it is first, and is told nothing.
    let ends = net.overheard.iter().filter(|((node, _), _)| *node == 1).count();
    let begun = net.counter(1, "link.closed.untrusted") as usize;
    assert_eq!(ends, begun, "of each handshake only the second message comes back");
    assert_eq!(net.counter(1, "link.membership_refused"), 0, "there is nothing to check");
}

#[test]
fn a_token_that_is_no_good_keeps_its_node_out() {
    let long_ago = Terms { from_unix_ms: WALL - 2 * HOUR, until_unix_ms: WALL - SKEW_MS - 1_000, ..terms(0) };
    let another_right = Terms { rights: Right::Call.into(), ..terms(0) };
    let another_network = Terms { pattern: "elsewhere:>".parse().unwrap(), ..terms(0) };
    for terms in [long_ago, another_right, another_network] {
        kept_out(Some(token(0, terms)));
    }
    let stranger = Token::issue(&issuer(98), 0, terms(0)).unwrap();
    let mut net = kept_out(Some(stranger));
    assert!(net.counter(1, "link.membership_refused") > 0);
}

#[test]
fn the_token_of_another_node_or_for_anyone_lets_nobody_in() {
    for subject in [Subject::Node(identity(1).node_id()), Subject::Anyone] {
        let mut net = Net::members(gated(0), member(1, token(0, terms(1))));
        let borrowed = token(0, Terms { subject, ..terms(0) });
        let mut bytes = alloc::vec::Vec::new();
        borrowed.encode(&mut bytes);
        // An engine does not bring it by itself.
        net.node(0).tell_links(crate::link::In::Membership { token: Some(bytes.into()) });
        net.run_for(Duration::from_secs(5));
        assert!(net.node(1).peers().is_empty());
        assert!(net.counter(1, "link.membership_refused") > 0);
    }
}

#[test]
fn whoever_brings_bad_tokens_waits_and_no_signature_is_looked_at() {
    let mut net = Net::members(gated(0), member(1, token(0, terms(1))));
    let mut bytes = alloc::vec::Vec::new();
    token(0, terms(0)).encode(&mut bytes);
    *bytes.last_mut().unwrap() ^= 1;
    net.node(0).tell_links(crate::link::In::Membership { token: Some(bytes.into()) });
    for _ in 0..20 {
        net.run_for(Duration::from_millis(200));
        let now = net.now;
        net.node(0).disconnect(now, &super::address(1));
        net.connect(0, 1);
    }
    net.run_for(Duration::from_millis(200));
    // Eight at once, and one more for the seconds that have passed.
    assert_eq!(net.counter(1, "link.membership_refused"), 9);
    assert!(net.counter(1, "link.membership_throttled") >= 8);
    assert!(net.node(1).peers().is_empty());
}

#[test]
fn a_node_that_does_not_know_what_time_it_is_lets_nobody_in() {
    let mut net = Net::new(2);
    net.start(0, 2, member(0, token(0, terms(0))));
    net.start(1, 2, member(1, token(0, terms(1))));
    let unix_ms = WALL;
    net.input(0, Input::WallClock { unix_ms });
    net.connect(0, 1);
    net.run_for(Duration::from_secs(5));
    assert!(net.node(1).peers().is_empty());
}

#[test]
fn a_membership_ends_with_its_token() {
    let brief = Terms { until_unix_ms: WALL + 30_000, ..terms(0) };
    let mut net = Net::members(member(0, token(0, brief)), member(1, token(0, terms(1))));
    net.meet();
    net.run_for(Duration::from_secs(85));
    assert_eq!(net.node(1).peers().len(), 1, "clocks may differ by a minute");
    net.run_for(Duration::from_secs(10));
    assert!(net.node(1).peers().is_empty());
    assert_eq!(net.counter(1, "authority.membership_over"), 1);
}

#[test]
fn whoever_shows_the_next_token_in_time_stays() {
    let brief = Terms { until_unix_ms: WALL + 30_000, ..terms(0) };
    let mut net = Net::members(member(0, token(0, brief)), member(1, token(0, terms(1))));
    net.meet();
    let now = net.now;
    net.node(0).add_token(now, &token(0, terms(0))).unwrap();
    net.run_for(Duration::from_secs(600));
    assert_eq!(net.node(1).peers().len(), 1);
    assert_eq!(net.counter(1, "authority.membership_over"), 0);
    // And comes back with it.
    net.cut(0, 1);
    net.run_until("they have noticed", |net| net.node(0).peers().is_empty());
    net.meet();
}

#[test]
fn what_the_issuer_takes_back_lets_nobody_in_and_ends_what_is_open() {
    let mut net = Net::members(member(0, token(1, terms(0))), member(1, token(2, terms(1))));
    net.meet();
    let now = net.now;
    net.node(1).inject_issuer_head(now, &IssuerHead::sign(&issuer(99), 2)).unwrap();
    net.run_for(Duration::from_secs(10));
    assert!(net.node(1).peers().is_empty());
    assert_eq!(net.counter(1, "authority.membership_over"), 1);
    let now = net.now;
    let again = net.node(0).add_token(now, &token(1, terms(0)));
    assert!(again.is_ok() || again.unwrap_err().code() == Code::FailedPrecondition);
    net.run_for(Duration::from_secs(10));
    assert!(net.node(1).peers().is_empty());
    let now = net.now;
    net.node(0).add_token(now, &token(2, terms(0))).unwrap();
    net.meet();
}

#[test]
fn a_network_key_can_be_asked_for_on_top() {
    let with_key = |mut config: Config, key: u8| {
        let Trust::Tokens { network_key, .. } = &mut config.trust else { unreachable!() };
        *network_key = Some(crate::config::NetworkKey::new([key; 32]));
        config
    };
    let (one, other) = (member(0, token(0, terms(0))), member(1, token(0, terms(1))));
    Net::members(with_key(one.clone(), 7), with_key(other.clone(), 7)).meet();
    let mut net = Net::members(with_key(one, 7), with_key(other, 8));
    net.run_for(Duration::from_secs(5));
    assert!(net.node(1).peers().is_empty());
}

#[test]
fn members_meet_through_relays_too() {
    let mut net = Net::new(3);
    for node in 0..3 {
        net.start(node, 2, member(node, token(0, terms(node))));
        let unix_ms = WALL + net.now.as_millis();
        net.input(node, Input::WallClock { unix_ms });
    }
    net.connect(0, 1);
    net.connect(1, 2);
    let far = net.id(2);
    net.run_until("the far end is known", |net| net.node(0).nodes().iter().any(|info| info.node == far));
    let op = net.call(0, 2, "echo", "hello").unwrap();
    assert_eq!(net.wait_for(0, op).unwrap().data, "hello");
}
