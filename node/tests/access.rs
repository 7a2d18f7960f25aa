//! Who may call what, over real links: rules, tokens, and tokens that are taken back.

mod stage;

use std::sync::Arc;
use std::time::Duration;

use lacewing::access::{AccessPolicy, Rule, Who};
use lacewing::crypto::RustCrypto;
use lacewing::token::{IssuerHead, Right, Subject, Terms, Token};
use lacewing::{Code, Node, NodeId, Trust};
use lacewing_core::Identity;
use stage::{Stage, addr_of, echo, identity, meet, within};

scenarios!(
    a_token_lets_a_node_call_until_its_issuer_takes_it_back,
    a_membership_token_lets_a_node_in_until_its_issuer_takes_it_back,
);

fn issuer() -> Identity {
    Identity::from_secret([99; 32], Arc::new(RustCrypto))
}

/// A token for an hour from now on, by the wall clock that the nodes go by too.
fn token(subject: NodeId, generation: u64) -> Token {
    token_for(Right::Call, subject, generation)
}

#[expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "tokens are about the time in the world"
)]
fn token_for(right: Right, subject: NodeId, generation: u64) -> Token {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = u64::try_from(since_1970.as_millis()).unwrap();
    let terms = Terms {
        subject: Subject::Node(subject),
        rights: right.into(),
        pattern: "orders/>".parse().unwrap(),
        from_unix_ms: now,
        until_unix_ms: now + 3_600_000,
        delegations: 0,
        nonce: [0; 16],
    };
    Token::issue(&issuer(), generation, terms).unwrap()
}

async fn code(node: &Node, to: &Node) -> Option<Code> {
    let call = node.call("orders/eu", "please").to(to.node_id());
    within(call.into_future()).await.err().map(|error| error.code())
}

/// Calls again and again: nobody tells when a token has arrived, or a revocation.
async fn call_until(node: &Node, to: &Node, outcome: Option<Code>) {
    within(async {
        while code(node, to).await != outcome {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn a_token_lets_a_node_call_until_its_issuer_takes_it_back(stage: Stage) {
    let mut policy = AccessPolicy::open();
    policy.allow(Rule::new(Right::Call, "orders/>".parse().unwrap(), Who::Token)).unwrap();
    let server = stage
        .builder("server")
        .listen("127.0.0.1:0")
        .access(policy)
        .issuer(issuer().public_key(), 0)
        .start()
        .await
        .unwrap();
    server.serve("orders/eu", echo).unwrap();
    let subject = identity(1).node_id();
    let builder = stage.builder("clerk").identity(identity(1)).peer(addr_of(&server));
    let clerk = builder.token(token(subject, 0)).start().await.unwrap();
    let guest = stage.client("guest", &[&server]).await;
    meet(&clerk, &server).await;
    meet(&guest, &server).await;

    assert_eq!(code(&clerk, &server).await, None);
    assert_eq!(code(&guest, &server).await, Some(Code::Unauthenticated));
    // Any node may pass on what the issuer says; this one has no say in it.
    guest.revoke(&IssuerHead::sign(&issuer(), 1)).unwrap();
    call_until(&clerk, &server, Some(Code::Unauthenticated)).await;
    clerk.add_token(&token(subject, 1)).unwrap();
    call_until(&clerk, &server, None).await;
    server.shutdown(Duration::ZERO).await;
}

async fn a_membership_token_lets_a_node_in_until_its_issuer_takes_it_back(stage: Stage) {
    let trust = Trust::Tokens { issuers: [issuer().public_key()].into(), network_key: None };
    let node = |byte, generation| {
        let identity = identity(byte);
        let token = token_for(Right::Join, identity.node_id(), generation);
        stage.builder("member").trust(trust.clone()).identity(identity).token(token)
    };
    let gate = node(1, 1).listen("127.0.0.1:0").start().await.unwrap();
    let member = node(2, 0).peer(addr_of(&gate)).start().await.unwrap();
    let guest = stage.builder("guest").trust(trust.clone()).peer(addr_of(&gate)).start().await.unwrap();
    meet(&member, &gate).await;
    assert!(guest.peers().is_empty());
    gate.revoke(&IssuerHead::sign(&issuer(), 1)).unwrap();
    within(gate.wait_for_peers(|peers| peers.is_empty().then_some(()))).await.unwrap();
    member.add_token(&token_for(Right::Join, member.node_id(), 1)).unwrap();
    meet(&member, &gate).await;
    assert_eq!(gate.peers().len(), 1);
    gate.shutdown(Duration::ZERO).await;
}
