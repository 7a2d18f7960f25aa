//! Issuers, rules and tokens of a run, as the core has them. All of it follows from the run.

use std::sync::Arc;

use lacewing_core::Identity;
use lacewing_core::access::{AccessPolicy, Rule, Who};
use lacewing_core::config::Access;
use lacewing_core::crypto::RustCrypto;
use lacewing_core::token::{IssuerHead, Right, Rights, SKEW_MS, Subject, Terms, Token, TokenError};

use crate::payload;
use crate::quantity::Micros;
use crate::random::derive_key;
use crate::run::{AreaRight, Flaw, RevokeItem, Run, TokenItem};
use crate::seed::Seed;

/// What wall clocks say at the start of a run, in Unix milliseconds.
pub const CLOCK_START_MS: u64 = 1_700_000_000_000;
/// How far beyond the run tokens reach that are not to begin or end in it.
const FAR_MS: u64 = 3_600_000;

/// The issuer of an area.
pub fn issuer(seed: Seed, area: u32) -> Identity {
    keys(derive_key(seed, &format!("issuer {area}")))
}

fn keys(secret: [u8; 32]) -> Identity {
    Identity::from_secret(secret, Arc::new(RustCrypto))
}

/// Whom a node trusts, and what it guards. What it shows comes later.
///
/// # Panics
/// Never for a run that could be read: it has so few areas that there is room for the rules.
pub fn access(run: &Run, node: usize) -> Access {
    let mut access = Access { policy: AccessPolicy::open(), ..Access::default() };
    let Some(areas) = run.header.areas.as_ref().filter(|areas| areas.are_guarded_by(node)) else {
        return access;
    };
    for area in 0..areas.count {
        let public_key = issuer(run.header.seed, area).public_key();
        access.issuers.push((public_key, 0));
        let pattern = payload::area(area).parse().expect("a path is a pattern");
        let rights: Rights = [Right::Call, Right::Publish, Right::Subscribe].into_iter().collect();
        let rule = Rule::new(rights, pattern, Who::TokenOf(public_key));
        access.policy.allow(rule).expect("there are fewer areas than rules that a policy may have");
    }
    access
}

/// The token that an item speaks of. `identities` are those of the nodes.
pub fn token(
    run: &Run,
    item: &TokenItem,
    identities: impl Fn(usize) -> Identity,
) -> Result<Token, TokenError> {
    let seed = run.header.seed;
    let issuer = match item.flaw {
        Some(Flaw::Stranger) => keys(derive_key(seed, "an issuer whom nobody trusts")),
        Some(Flaw::Forged) | None => issuer(seed, item.area),
    };
    let rights = item.rights.iter().map(|right| match right {
        AreaRight::Call => Right::Call,
        AreaRight::Publish => Right::Publish,
        AreaRight::Subscribe => Right::Subscribe,
    });
    let terms = Terms {
        subject: Subject::Node(identities(item.node).node_id()),
        rights: rights.collect(),
        pattern: payload::area(item.area).parse().expect("a path is a pattern"),
        // Whoever has a token shows it from then on, by its own clock.
        from_unix_ms: item.from.map_or(CLOCK_START_MS - FAR_MS, wall),
        // Clocks are right here, so what nodes allow for wrong ones is taken off.
        until_unix_ms: item.until.map_or(CLOCK_START_MS + FAR_MS, |until| wall(until) - SKEW_MS),
        delegations: 0,
        nonce: [0; 16],
    };
    let token = match item.via {
        None => Token::issue(&issuer, item.generation, terms)?,
        Some(via) => {
            let wider = Terms {
                subject: Subject::Node(identities(via).node_id()),
                rights: Rights::ALL,
                delegations: 1,
                ..terms.clone()
            };
            Token::issue(&issuer, item.generation, wider)?.delegate(&identities(via), terms)?
        }
    };
    if item.flaw != Some(Flaw::Forged) {
        return Ok(token);
    }
    let mut bytes = Vec::new();
    token.encode(&mut bytes);
    // The signature is what comes last.
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    Token::decode(&bytes)
}

fn wall(time: Micros) -> u64 {
    CLOCK_START_MS + time.0 / 1_000
}

/// What the issuer of an area says.
pub fn head(seed: Seed, item: &RevokeItem) -> IssuerHead {
    IssuerHead::sign(&issuer(seed, item.area), item.generation)
}
