use alloc::format;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::capability::CapabilitySet;
use crate::code::Code;
use crate::crypto::{AeadId, AeadKey, CryptoProvider, RustCrypto};
use crate::identity::{Identity, NodeId};
use crate::time::Instant;
use crate::token::{
    DELEGATIONS_MAX, IssuerHead, Issuers, Right, Rights, SKEW_MS, Subject, Terms, Token, TokenError, Widening,
};
use crate::wire::{WireError, WireErrorKind};

const WALL: u64 = 1_700_000_000_000;
const HOUR: u64 = 3_600_000;
const START: Instant = Instant::from_millis(1_000);

fn identity(byte: u8) -> Identity {
    Identity::from_secret([byte; 32], Arc::new(RustCrypto))
}

fn issuer() -> Identity {
    identity(1)
}

fn alice() -> NodeId {
    identity(2).node_id()
}

fn bob() -> NodeId {
    identity(3).node_id()
}

/// Counts the signatures that it checks.
#[derive(Debug, Default)]
struct Counting(AtomicU32);

impl CryptoProvider for Counting {
    fn aead(&self, id: AeadId, key: &[u8; 32]) -> alloc::boxed::Box<dyn AeadKey> {
        RustCrypto.aead(id, key)
    }

    fn sha256(&self, parts: &[&[u8]]) -> [u8; 32] {
        RustCrypto.sha256(parts)
    }

    fn ed25519_public(&self, secret: &[u8; 32]) -> [u8; 32] {
        RustCrypto.ed25519_public(secret)
    }

    fn ed25519_sign(&self, secret: &[u8; 32], message: &[u8]) -> [u8; 64] {
        RustCrypto.ed25519_sign(secret, message)
    }

    fn ed25519_verify(&self, public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed);
        RustCrypto.ed25519_verify(public, message, signature)
    }
}

/// A node that checks what others show and want.
struct Host {
    policy: AccessPolicy,
    issuers: Issuers,
    gate: TokenGate,
    crypto: Counting,
    now: Instant,
    wall: u64,
}

impl Host {
    fn new(policy: AccessPolicy) -> Self {
        let mut issuers = Issuers::default();
        issuers.trust(issuer().public_key(), 0).unwrap();
        Self {
            policy,
            issuers,
            gate: TokenGate::default(),
            crypto: Counting::default(),
            now: START,
            wall: WALL,
        }
    }

    fn with(mut self, right: Right, pattern: &str, who: Who) -> Self {
        self.policy.allow(Rule::new(right, pattern.parse().unwrap(), who)).unwrap();
        self
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.wall += time.as_millis() as u64;
    }

    fn checks(&self) -> u32 {
        self.crypto.0.load(Ordering::Relaxed)
    }

    fn show(&mut self, session: &mut Credentials, token: &[u8]) -> Result<Shown, TokenError> {
        session.show(token, self.now, self.wall, &self.issuers, &mut self.gate, &self.crypto)
    }

    fn ask(&self, session: &Credentials, right: Right, target: Target<'_>) -> Result<(), Denied> {
        let caller = Caller::Peer { holds_network_key: false, capabilities: None, credentials: session };
        let request = Request { right, target, network: "prod", caller };
        self.policy.check(&request, &self.issuers, self.wall)
    }

    fn call(&self, session: &Credentials, path: &str) -> Result<(), Denied> {
        self.ask(session, Right::Call, Target::Path(&path.parse().unwrap()))
    }

    fn subscribe(&self, session: &Credentials, pattern: &str) -> Result<(), Denied> {
        self.ask(session, Right::Subscribe, Target::Pattern(&pattern.parse().unwrap()))
    }
}

fn terms(subject: NodeId, nonce: u8) -> Terms {
    Terms {
        subject: Subject::Node(subject),
        rights: [Right::Call, Right::Subscribe].into_iter().collect(),
        pattern: "orders/>".parse().unwrap(),
        from_unix_ms: WALL,
        until_unix_ms: WALL + HOUR,
        delegations: 0,
        nonce: [nonce; 16],
    }
}

fn token(terms: Terms) -> Vec<u8> {
    let mut bytes = Vec::new();
    Token::issue(&issuer(), 0, terms).unwrap().encode(&mut bytes);
    bytes
}

fn session(node: NodeId) -> Credentials {
    Credentials::new(node)
}

#[test]
fn an_open_policy_lets_everybody_but_inside() {
    let host = Host::new(AccessPolicy::default());
    assert_eq!(host.call(&session(bob()), "orders/eu"), Ok(()));
    assert_eq!(host.call(&session(bob()), "$lacewing/stop"), Err(Denied::Internal));
    assert_eq!(host.call(&session(bob()), "orders/$odd"), Ok(()));
}

#[test]
fn a_closed_policy_lets_nobody() {
    let host = Host::new(AccessPolicy::closed());
    assert_eq!(host.call(&session(bob()), "orders/eu"), Err(Denied::NoRule));
    assert_eq!(host.subscribe(&session(bob()), ">"), Err(Denied::NoRule));
    assert_eq!(Denied::NoRule.code(), Code::PermissionDenied);
}

#[test]
fn a_rule_is_about_its_right_and_its_paths_alone() {
    let host = Host::new(AccessPolicy::open()).with(Right::Call, "orders/>", Who::node(alice()));
    assert_eq!(host.call(&session(alice()), "orders/eu"), Ok(()));
    assert_eq!(host.call(&session(bob()), "orders/eu"), Err(Denied::NotNamed));
    assert_eq!(host.call(&session(bob()), "orders"), Ok(()));
    assert_eq!(host.subscribe(&session(bob()), "orders/eu"), Ok(()));
}

#[test]
fn one_rule_that_names_the_caller_is_enough() {
    let host = Host::new(AccessPolicy::closed()).with(Right::Call, "orders/>", Who::node(alice())).with(
        Right::Call,
        "orders/*/status",
        Who::Anyone,
    );
    assert_eq!(host.call(&session(bob()), "orders/eu/status"), Ok(()));
    assert_eq!(host.call(&session(bob()), "orders/eu/place"), Err(Denied::NotNamed));
}

#[test]
fn a_rule_for_another_network_says_nothing() {
    let host = Host::new(AccessPolicy::closed()).with(Right::Call, "test:orders/>", Who::Anyone).with(
        Right::Call,
        "prod:users/>",
        Who::Anyone,
    );
    assert_eq!(host.call(&session(bob()), "orders/eu"), Err(Denied::NoRule));
    assert_eq!(host.call(&session(bob()), "users/7"), Ok(()));
}

#[test]
fn only_a_rule_that_says_so_reaches_inside() {
    let host = Host::new(AccessPolicy::open())
        .with(Right::Call, ">", Who::Anyone)
        .with(Right::Call, "$admin/>", Who::node(alice()))
        .with(Right::Call, "$ops/>", Who::Token);
    assert_eq!(host.call(&session(alice()), "$admin/drain"), Ok(()));
    assert_eq!(host.call(&session(bob()), "$admin/drain"), Err(Denied::NotNamed));
    assert_eq!(host.call(&session(bob()), "$other"), Err(Denied::Internal));
    // Nor does a token for everything reach there.
    let mut host = host;
    let mut with_token = session(bob());
    let everything = token(Terms { pattern: ">".parse().unwrap(), ..terms(bob(), 1) });
    host.show(&mut with_token, &everything).unwrap();
    assert_eq!(host.call(&with_token, "$ops/drain"), Err(Denied::NoTokenForThis));
    let named = token(Terms { pattern: "$ops/*".parse().unwrap(), ..terms(bob(), 2) });
    host.show(&mut with_token, &named).unwrap();
    assert_eq!(host.call(&with_token, "$ops/drain"), Ok(()));
}

#[test]
fn the_nodes_own_application_is_under_no_rules() {
    let host = Host::new(AccessPolicy::closed());
    let path = "$lacewing/stop".parse().unwrap();
    let target = Target::Path(&path);
    let request = Request { right: Right::Admin, target, network: "prod", caller: Caller::Local };
    assert_eq!(host.policy.check(&request, &host.issuers, WALL), Ok(()));
}

#[test]
fn tags_and_the_network_key_can_be_asked_for() {
    let host = Host::new(AccessPolicy::closed())
        .with(Right::Call, "train/>", Who::Tag("software.os=linux".to_string()))
        .with(Right::Call, "core/>", Who::NetworkKey);
    let (set, nothing) = (CapabilitySet::new().with_tag("software.os:linux").unwrap(), CapabilitySet::new());
    let ask = |path: &str, holds_network_key, capabilities| {
        let (path, session) = (path.parse().unwrap(), session(bob()));
        let caller = Caller::Peer { holds_network_key, capabilities, credentials: &session };
        let request = Request { right: Right::Call, target: Target::Path(&path), network: "prod", caller };
        host.policy.check(&request, &host.issuers, WALL)
    };
    assert_eq!(ask("train/start", false, Some(&set)), Ok(()));
    assert_eq!(ask("train/start", true, None), Err(Denied::NotNamed));
    assert_eq!(ask("train/start", true, Some(&nothing)), Err(Denied::NotNamed));
    assert_eq!(ask("core/sync", true, None), Ok(()));
    assert_eq!(ask("core/sync", false, Some(&set)), Err(Denied::NotNamed));
}

#[test]
fn a_subscription_must_be_whole_within_what_is_allowed() {
    let host = Host::new(AccessPolicy::open()).with(Right::Subscribe, "orders/>", Who::node(alice()));
    assert_eq!(host.subscribe(&session(alice()), "orders/*/placed"), Ok(()));
    assert_eq!(
        host.subscribe(&session(alice()), ">"),
        Err(Denied::NotNamed),
        "it may match other things too"
    );
    assert_eq!(host.subscribe(&session(bob()), "orders/*/placed"), Err(Denied::NotNamed));
    assert_eq!(host.subscribe(&session(bob()), "*/eu"), Err(Denied::NotNamed), "no way around the rule");
    assert_eq!(host.subscribe(&session(bob()), "users/>"), Ok(()));
    assert_eq!(host.subscribe(&session(bob()), "prod:users/>"), Ok(()));
    assert_eq!(host.subscribe(&session(bob()), "test:users/>"), Err(Denied::NoRule));
    assert_eq!(host.subscribe(&session(bob()), "$sys/>"), Err(Denied::Internal));
}

fn host_with_tokens() -> Host {
    Host::new(AccessPolicy::closed()).with(Right::Call, ">", Who::Token).with(
        Right::Subscribe,
        ">",
        Who::Token,
    )
}

#[test]
fn a_token_allows_what_it_says() {
    let mut host = host_with_tokens();
    let mut session = session(alice());
    assert_eq!(host.call(&session, "orders/eu"), Err(Denied::NoToken));
    assert_eq!(Denied::NoToken.code(), Code::Unauthenticated);
    host.show(&mut session, &token(terms(alice(), 1))).unwrap();
    assert_eq!(host.call(&session, "orders/eu"), Ok(()));
    assert_eq!(host.call(&session, "users/7"), Err(Denied::NoTokenForThis));
    assert_eq!(host.subscribe(&session, "orders/*"), Ok(()));
    assert_eq!(host.subscribe(&session, "*/eu"), Err(Denied::NoTokenForThis));
    assert_eq!(
        host.ask(&session, Right::Publish, Target::Path(&"orders/eu".parse().unwrap())),
        Err(Denied::NoRule)
    );
}

#[test]
fn a_rule_may_ask_for_the_word_of_one_issuer() {
    let second = identity(9);
    let mut host =
        Host::new(AccessPolicy::closed()).with(Right::Call, "orders/>", Who::TokenOf(second.public_key()));
    host.issuers.trust(second.public_key(), 0).unwrap();
    let mut session = session(alice());
    host.show(&mut session, &token(terms(alice(), 1))).unwrap();
    assert_eq!(host.call(&session, "orders/eu"), Err(Denied::NoTokenForThis));
    let mut bytes = Vec::new();
    Token::issue(&second, 0, terms(alice(), 1)).unwrap().encode(&mut bytes);
    host.show(&mut session, &bytes).unwrap();
    assert_eq!(host.call(&session, "orders/eu"), Ok(()));
}

#[test]
fn a_token_is_checked_once_and_calls_check_none() {
    let mut host = host_with_tokens();
    let mut session = session(alice());
    let token = token(terms(alice(), 1));
    assert!(!host.show(&mut session, &token).unwrap().known);
    assert_eq!(host.checks(), 1);
    for _ in 0..100 {
        assert!(host.show(&mut session, &token).unwrap().known);
        assert_eq!(host.call(&session, "orders/eu"), Ok(()));
    }
    assert_eq!((host.checks(), session.len()), (1, 1));
}

#[test]
fn a_token_that_differs_in_its_signature_alone_is_another() {
    let mut host = host_with_tokens();
    let mut session = session(alice());
    let mut token = token(terms(alice(), 1));
    host.show(&mut session, &token).unwrap();
    *token.last_mut().unwrap() ^= 1;
    assert_eq!(host.show(&mut session, &token), Err(TokenError::BadSignature { link: 0 }));
}

#[test]
fn a_right_ends_with_its_token() {
    let mut host = host_with_tokens();
    let mut session = session(alice());
    let token = token(terms(alice(), 1));
    host.show(&mut session, &token).unwrap();
    host.pass(Duration::from_millis(HOUR + SKEW_MS - 1));
    assert_eq!(host.call(&session, "orders/eu"), Ok(()));
    host.pass(Duration::from_millis(1));
    assert_eq!(host.call(&session, "orders/eu"), Err(Denied::TokenNotNow));
    assert_eq!(host.show(&mut session, &token), Err(TokenError::Expired { ms: 0 }));
    assert!(session.is_empty());
}

#[test]
fn a_right_ends_when_its_issuer_takes_it_back() {
    let mut host = host_with_tokens();
    let mut session = session(alice());
    let token = token(terms(alice(), 1));
    host.show(&mut session, &token).unwrap();
    assert!(host.issuers.learn(&IssuerHead::sign(&issuer(), 1), &RustCrypto).is_news());
    assert_eq!(host.call(&session, "orders/eu"), Err(Denied::TokenRevoked));
    assert_eq!(host.show(&mut session, &token), Err(TokenError::Revoked(1)));
    assert_eq!(session.drop_dead(&host.issuers, host.wall), 0, "it is gone already");
    let mut other = Credentials::new(alice());
    host.issuers.distrust(&issuer().public_key());
    assert_eq!(host.show(&mut other, &token), Err(TokenError::UnknownIssuer));
}

#[test]
fn a_token_of_another_node_is_of_no_use() {
    let mut host = host_with_tokens();
    let mut session = session(bob());
    assert_eq!(host.show(&mut session, &token(terms(alice(), 1))), Err(TokenError::WrongSubject));
    assert_eq!(host.call(&session, "orders/eu"), Err(Denied::NoToken));
    assert_eq!(host.checks(), 0);
}

#[test]
fn so_many_tokens_are_kept_and_the_nearest_end_goes() {
    let mut host = host_with_tokens();
    let mut session = session(alice());
    let until = |nonce: u8, minutes: u64| {
        token(Terms { until_unix_ms: WALL + minutes * 60_000, ..terms(alice(), nonce) })
    };
    for nonce in 0..TOKENS_PER_SESSION_MAX as u8 {
        host.show(&mut session, &until(nonce, 10 + u64::from(nonce))).unwrap();
    }
    let first = session.grants().next().unwrap().fingerprint;
    let nearer = host.show(&mut session, &until(90, 10));
    assert_eq!(nearer, Err(TokenError::TooMany(TOKENS_PER_SESSION_MAX)));
    assert_eq!(host.show(&mut session, &until(91, 50)).unwrap().dropped, Some(first));
    assert_eq!(session.len(), TOKENS_PER_SESSION_MAX);
    // Those whose time is over make room by themselves.
    host.pass(Duration::from_secs(15 * 60));
    assert_eq!(host.show(&mut session, &until(92, 20)).unwrap().dropped, None);
    assert!(session.len() < TOKENS_PER_SESSION_MAX);
}

#[test]
fn membership_lasts_as_long_as_the_token_for_it() {
    let mut host = host_with_tokens();
    let mut session = session(alice());
    let join = |pattern: &str, minutes: u64| {
        token(Terms {
            rights: Right::Join.into(),
            pattern: pattern.parse().unwrap(),
            until_unix_ms: WALL + minutes * 60_000,
            ..terms(alice(), 1)
        })
    };
    let until = |host: &Host, session: &Credentials| session.member_until("prod", &host.issuers, host.wall);
    host.show(&mut session, &token(terms(alice(), 1))).unwrap();
    host.show(&mut session, &join("test:>", 50)).unwrap();
    assert_eq!(until(&host, &session), None, "one is for calls, one for another network");
    host.show(&mut session, &join("prod:>", 10)).unwrap();
    host.show(&mut session, &join(">", 20)).unwrap();
    assert_eq!(until(&host, &session), Some(WALL + 20 * 60_000));
    host.pass(Duration::from_secs(15 * 60));
    assert_eq!(until(&host, &session), Some(WALL + 20 * 60_000));
    host.pass(Duration::from_secs(6 * 60));
    assert_eq!(until(&host, &session), None);
}

#[test]
fn after_eight_bad_tokens_no_signature_is_checked_for_a_while() {
    let mut host = host_with_tokens();
    let mut session = session(alice());
    let bad = |nonce: u8| {
        let mut bytes = token(terms(alice(), nonce));
        *bytes.last_mut().unwrap() ^= 1;
        bytes
    };
    for nonce in 0..8 {
        assert_eq!(host.show(&mut session, &bad(nonce)), Err(TokenError::BadSignature { link: 0 }));
    }
    assert_eq!(host.checks(), 8);
    let good = token(terms(alice(), 9));
    for _ in 0..100 {
        let throttled = host.show(&mut session, &good).unwrap_err();
        assert_eq!(throttled, TokenError::Throttled { retry_after_ms: 1 });
        assert_eq!(throttled.code(), Code::ResourceExhausted);
    }
    assert_eq!(host.checks(), 8);
    // Nobody else waits, and who waits is heard again.
    let mut other = Credentials::new(bob());
    assert!(host.show(&mut other, &token(terms(bob(), 1))).is_ok());
    host.pass(Duration::from_millis(1));
    assert!(host.show(&mut session, &good).is_ok());
}

#[test]
fn a_new_session_of_the_same_node_owes_what_the_old_one_did() {
    let mut host = host_with_tokens();
    for nonce in 0..8 {
        let mut session = Credentials::new(alice());
        assert!(host.show(&mut session, &token(terms(bob(), nonce))).is_err());
    }
    let mut session = Credentials::new(alice());
    let shown = host.show(&mut session, &token(terms(alice(), 1)));
    assert!(matches!(shown, Err(TokenError::Throttled { .. })), "{shown:?}");
}

/// A subject may pass tokens on to itself without end, and each is good.
#[test]
fn good_tokens_are_limited_too() {
    let mut host = host_with_tokens();
    let mut session = session(alice());
    let whole =
        Token::issue(&issuer(), 0, Terms { delegations: DELEGATIONS_MAX, ..terms(alice(), 0) }).unwrap();
    let mut shown = 0;
    for nonce in 0..200 {
        let again = whole.delegate(&identity(2), terms(alice(), nonce)).unwrap();
        let mut bytes = Vec::new();
        again.encode(&mut bytes);
        match host.show(&mut session, &bytes) {
            Ok(_) | Err(TokenError::TooMany(_)) => shown += 1,
            Err(error) => assert!(matches!(error, TokenError::Throttled { .. }), "{error}"),
        }
    }
    assert_eq!((shown, host.checks()), (64, 128));
}

#[test]
fn the_gate_remembers_so_many_peers_and_forgets_who_owes_least() {
    let mut gate = TokenGate::default();
    let peer = |number: usize| {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&(number as u64).to_be_bytes());
        NodeId::from_bytes(id)
    };
    let worst = peer(usize::MAX);
    for _ in 0..8 {
        gate.charge(worst, START, false);
    }
    for number in 0..10 * GATE_PEERS_MAX {
        gate.charge(peer(number), START, false);
        assert!(gate.len() <= GATE_PEERS_MAX);
    }
    assert!(gate.admit(&worst, START).is_err(), "others do not wash its debt away");
    gate.charge(peer(7), START + Duration::from_secs(1_000), true);
    assert_eq!(gate.len(), 1, "debts that are paid take no room");
}

#[test]
fn a_policy_has_so_many_rules() {
    let mut policy = AccessPolicy::closed();
    let rule = Rule::new(Rights::ALL, ">".parse().unwrap(), Who::Anyone);
    for _ in 0..RULES_MAX {
        policy.allow(rule.clone()).unwrap();
    }
    assert_eq!(policy.allow(rule), Err(PolicyFull));
    assert_eq!(policy.rules().len(), RULES_MAX);
}

#[test]
fn what_is_said_of_a_refusal_names_no_rule() {
    for denied in [
        Denied::Internal,
        Denied::NoRule,
        Denied::NotNamed,
        Denied::NoToken,
        Denied::NoTokenForThis,
        Denied::TokenNotNow,
        Denied::TokenRevoked,
    ] {
        assert!(matches!(denied.code(), Code::PermissionDenied | Code::Unauthenticated));
        assert_eq!(format!("{denied:?}"), denied.name());
    }
}

#[test]
fn the_page_of_the_specification_has_every_reason_with_its_code() {
    let page = include_str!("../../../docs/spec/tokens.md");
    let has = |name: &str, code: Code| {
        let (name, code) = (format!("`{name}`"), format!("`{}`", code.name()));
        let found = page.lines().any(|line| line.contains(&name) && line.contains(&code));
        assert!(found, "no line has {name} and {code}");
    };
    for denied in [
        Denied::Internal,
        Denied::NoRule,
        Denied::NotNamed,
        Denied::NoToken,
        Denied::NoTokenForThis,
        Denied::TokenNotNow,
        Denied::TokenRevoked,
    ] {
        has(denied.name(), denied.code());
    }
    let (link, what) = (1, Widening::Rights);
    for error in [
        TokenError::TooLong(1),
        TokenError::Malformed(WireError { kind: WireErrorKind::Empty, at: 0 }),
        TokenError::UnknownIssuer,
        TokenError::Revoked(1),
        TokenError::TooLongLived(1),
        TokenError::WrongDelegator { link },
        TokenError::OverDelegated { link },
        TokenError::Widened { link, what },
        TokenError::WrongSubject,
        TokenError::NotYet { ms: 1 },
        TokenError::Expired { ms: 1 },
        TokenError::BadSignature { link },
        TokenError::TooMany(1),
        TokenError::Throttled { retry_after_ms: 1 },
    ] {
        has(error.name(), error.code());
    }
    for right in Right::ALL {
        assert!(page.contains(&format!("| {} | `{right}` |", right.number())), "no row for {right}");
    }
}
