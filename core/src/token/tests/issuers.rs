use super::*;
use crate::code::Code;

#[test]
fn a_stranger_cannot_issue() {
    let token = Token::issue(&identity(99), GENERATION, terms(0, 0)).unwrap();
    assert_eq!(shown_by(0, &token), Err(TokenError::UnknownIssuer));
    assert_eq!(TokenError::UnknownIssuer.code(), Code::Unauthenticated);
    // Nor does it help to name a trusted issuer in the token.
    let (checks, result) = checks_of(&token.named_after(&issuer()), &node(0).node_id(), NOW);
    assert_eq!((checks, result), (1, Err(TokenError::BadSignature { link: 0 })));
}

#[test]
fn a_generation_takes_back_what_was_signed_before() {
    let mut issuers = trusting();
    let token = encoded(&issued(terms(0, 0)));
    let shown = |issuers: &Issuers| issuers.verify(&token, &node(0).node_id(), NOW, &RustCrypto);
    assert!(shown(&issuers).is_ok());
    let next = IssuerHead::sign(&issuer(), GENERATION + 1);
    assert_eq!(issuers.learn(&next, &RustCrypto), Learnt::Newer);
    assert_eq!(shown(&issuers), Err(TokenError::Revoked(GENERATION + 1)));
    // A token of a generation that this node has not heard of is the issuer's word all the same.
    let ahead = encoded(&Token::issue(&issuer(), GENERATION + 9, terms(0, 0)).unwrap());
    assert!(issuers.verify(&ahead, &node(0).node_id(), NOW, &RustCrypto).is_ok());
    assert_eq!(issuers.generation_min(&issuer().public_key()), Some(GENERATION + 1));
}

#[test]
fn an_older_head_changes_nothing() {
    let mut issuers = trusting();
    let (older, newer) = (IssuerHead::sign(&issuer(), 7), IssuerHead::sign(&issuer(), 8));
    assert_eq!(issuers.learn(&newer, &RustCrypto), Learnt::Newer);
    assert_eq!(issuers.learn(&older, &RustCrypto), Learnt::Older);
    assert_eq!(issuers.learn(&newer, &RustCrypto), Learnt::Known);
    assert_eq!(issuers.heads().collect::<Vec<_>>(), [&newer]);
    issuers.trust(issuer().public_key(), 3).unwrap();
    assert_eq!(issuers.generation_min(&issuer().public_key()), Some(8), "trusting again takes nothing back");
}

#[test]
fn only_the_issuer_counts_itself_up() {
    let mut issuers = trusting();
    let forged = IssuerHead { public_key: issuer().public_key(), ..IssuerHead::sign(&node(3), 1_000) };
    assert_eq!(issuers.learn(&forged, &RustCrypto), Learnt::BadSignature);
    let stretched = IssuerHead { generation: u64::MAX, ..IssuerHead::sign(&issuer(), 9) };
    assert_eq!(issuers.learn(&stretched, &RustCrypto), Learnt::BadSignature);
    assert_eq!(issuers.learn(&IssuerHead::sign(&node(3), 5), &RustCrypto), Learnt::Unknown);
    assert_eq!(issuers.generation_min(&issuer().public_key()), Some(GENERATION));
    assert_eq!((issuers.len(), issuers.heads().count()), (1, 0));
}

#[test]
fn what_changes_nothing_costs_no_signature() {
    let mut issuers = trusting();
    let crypto = Counting::default();
    let head = IssuerHead::sign(&issuer(), 9);
    issuers.learn(&head, &crypto);
    for _ in 0..10 {
        issuers.learn(&head, &crypto);
        issuers.learn(&IssuerHead::sign(&issuer(), 8), &crypto);
        issuers.learn(&IssuerHead::sign(&node(1), 10), &crypto);
    }
    assert_eq!(crypto.checks(), 1);
}

#[test]
fn there_is_room_for_so_many_issuers() {
    let mut issuers = Issuers::default();
    let key = |number: usize| {
        crate::identity::PublicKey(
            [(number % 251) as u8, (number / 251) as u8].repeat(16).try_into().unwrap(),
        )
    };
    for number in 0..ISSUERS_MAX {
        issuers.trust(key(number), 0).unwrap();
    }
    assert_eq!(issuers.trust(key(ISSUERS_MAX), 0), Err(IssuersFull));
    assert_eq!(issuers.trust(key(3), 1), Ok(()), "who is trusted already needs no room");
    assert!(issuers.distrust(&key(3)) && !issuers.distrust(&key(3)));
    assert_eq!(issuers.trust(key(ISSUERS_MAX), 0), Ok(()));
    assert_eq!(issuers.len(), ISSUERS_MAX);
}

#[test]
fn a_head_of_an_issuer_signs_no_token_and_the_reverse() {
    // The same key signs both; each text begins with its own word.
    assert_ne!(Token::DOMAIN, IssuerHead::DOMAIN);
    let head = IssuerHead::sign(&issuer(), GENERATION);
    let token = issued(terms(0, 0)).with_signature(head.signature);
    assert_eq!(shown_by(0, &token), Err(TokenError::BadSignature { link: 0 }));
}

#[test]
fn a_head_reads_back_as_it_was_written() {
    let mut longest = 0;
    for generation in [0, 23, 24, u64::MAX] {
        let head = IssuerHead::sign(&issuer(), generation);
        let mut bytes = Vec::new();
        head.encode(&mut bytes);
        assert_eq!(IssuerHead::decode(&bytes), Ok(head));
        longest = longest.max(bytes.len());
    }
    assert_eq!(longest, IssuerHead::LEN_MAX);
}
