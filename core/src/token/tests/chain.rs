use alloc::format;
use alloc::string::ToString;
use alloc::vec;

use super::*;
use crate::code::Code;
use crate::wire::cbor::Writer;
use crate::wire::{WireError, WireErrorKind};

#[test]
fn a_token_gives_its_subject_what_it_says() {
    let grant = shown_by(0, &issued(terms(0, 3))).unwrap();
    assert_eq!(grant.issuer, issuer().public_key());
    assert_eq!((grant.generation, grant.delegated), (GENERATION, 0));
    assert_eq!(grant.rights, rights(&[Right::Call, Right::Subscribe]));
    assert_eq!((grant.pattern.as_str(), grant.until_unix_ms), ("orders/>", NOW + HOUR));
    assert_eq!(grant.subject, Subject::Node(node(0).node_id()));
}

#[test]
fn a_token_for_another_node_is_refused() {
    assert_eq!(shown_by(1, &issued(terms(0, 0))), Err(TokenError::WrongSubject));
    assert_eq!(TokenError::WrongSubject.code(), Code::PermissionDenied);
    let for_anyone = issued(Terms { subject: Subject::Anyone, ..terms(0, 0) });
    assert!(shown_by(7, &for_anyone).is_ok());
}

#[test]
fn a_token_is_passed_on_eight_times_and_not_nine() {
    let longest = passed_on(DELEGATIONS_MAX);
    let grant = shown_by(8, &longest).unwrap();
    assert_eq!((grant.delegated, grant.issuer), (8, issuer().public_key()));
    assert_eq!(shown_by(7, &longest), Err(TokenError::WrongSubject), "only the last subject may use it");
    let more = longest.delegate(&node(8), terms(9, 0));
    assert_eq!(more, Err(TokenError::OverDelegated { link: 9 }));
    assert_eq!(Token::issue(&issuer(), 0, terms(0, 9)), Err(TokenError::BadTerms));
}

#[test]
fn only_the_subject_passes_a_token_on() {
    let token = issued(terms(0, 2));
    let stolen = token.delegate(&node(5), terms(1, 0));
    assert_eq!(stolen, Err(TokenError::WrongDelegator { link: 1 }));
    let for_anyone = issued(Terms { subject: Subject::Anyone, ..terms(0, 0) });
    assert_eq!(for_anyone.delegate(&node(5), terms(1, 0)), Err(TokenError::WrongDelegator { link: 1 }));
    let to_be_passed_on = Terms { subject: Subject::Anyone, ..terms(0, 1) };
    assert_eq!(Token::issue(&issuer(), 0, to_be_passed_on), Err(TokenError::BadTerms));
}

#[test]
fn what_is_passed_on_allows_no_more() {
    let token = issued(terms(0, 2));
    let with = |change: fn(&mut Terms)| {
        let mut wider = terms(1, 1);
        change(&mut wider);
        token.delegate(&node(0), wider).map(|_| ())
    };
    let widened = |what| Err(TokenError::Widened { link: 1, what });
    assert_eq!(with(|_| ()), Ok(()));
    assert_eq!(with(|terms| terms.rights = Right::Admin.into()), widened(Widening::Rights));
    assert_eq!(with(|terms| terms.rights = Rights::from_bits(1 | 1 << 31)), widened(Widening::Rights));
    assert_eq!(with(|terms| terms.pattern = ">".parse().unwrap()), widened(Widening::Pattern));
    assert_eq!(with(|terms| terms.pattern = "orders".parse().unwrap()), widened(Widening::Pattern));
    assert_eq!(with(|terms| terms.from_unix_ms -= 1), widened(Widening::Time));
    assert_eq!(with(|terms| terms.until_unix_ms += 1), widened(Widening::Time));
    assert_eq!(with(|terms| terms.delegations = 2), Err(TokenError::OverDelegated { link: 1 }));
    assert_eq!(with(|terms| terms.pattern = "n:orders/{x}".parse().unwrap()), Ok(()));
}

/// What a cheat would make, who does not ask [`Token::delegate`]: the body is signed as it is.
fn cheated(parent: &Token, signer: &Identity, terms: Terms) -> Vec<u8> {
    let link = parent.clone().with_unchecked(signer, terms);
    encoded(&link)
}

#[test]
fn a_checker_finds_what_a_maker_would_have_refused() {
    let parent = issued(terms(0, 2));
    let bearer = node(1).node_id();
    let with = |change: fn(&mut Terms)| {
        let mut wider = terms(1, 1);
        change(&mut wider);
        checks_of(&cheated(&parent, &node(0), wider), &bearer, NOW)
    };
    assert!(matches!(with(|_| ()), (2, Ok(_))));
    let widened = |what| (0, Err(TokenError::Widened { link: 1, what }));
    assert_eq!(with(|terms| terms.rights = Rights::ALL), widened(Widening::Rights));
    assert_eq!(with(|terms| terms.pattern = "*/eu".parse().unwrap()), widened(Widening::Pattern));
    assert_eq!(with(|terms| terms.until_unix_ms += 1), widened(Widening::Time));
    assert_eq!(with(|terms| terms.delegations = 2), (0, Err(TokenError::OverDelegated { link: 1 })));
    let other = checks_of(&cheated(&parent, &node(5), terms(1, 1)), &bearer, NOW);
    assert_eq!(other, (0, Err(TokenError::WrongDelegator { link: 1 })));
}

#[test]
fn a_link_belongs_to_one_chain() {
    // The same node has two tokens, and passes the lesser one on. Its link does not fit the other one.
    let (lesser, greater) = (issued(terms(0, 1)), issued(Terms { nonce: [9; 16], ..terms(0, 2) }));
    let passed_on = lesser.delegate(&node(0), terms(1, 0)).unwrap();
    let moved = greater.clone().with_last_link_of(&passed_on);
    assert_eq!(shown_by(1, &moved), Err(TokenError::BadSignature { link: 1 }));
    assert!(shown_by(1, &passed_on).is_ok());
}

#[test]
fn a_link_that_is_left_out_is_missed() {
    let whole = passed_on(3);
    for left_out in 0..3 {
        let shorter = whole.clone().without_link(left_out);
        let bytes = encoded(&shorter);
        let result = trusting().verify(&bytes, &node(3).node_id(), NOW, &RustCrypto);
        assert!(result.is_err(), "without link {left_out}");
    }
}

#[test]
fn every_byte_of_a_token_counts() {
    let bytes = encoded(&passed_on(1));
    let bearer = node(1).node_id();
    assert!(trusting().verify(&bytes, &bearer, NOW, &RustCrypto).is_ok());
    for at in 0..bytes.len() {
        for bit in [0x01, 0x80] {
            let mut changed = bytes.clone();
            changed[at] ^= bit;
            let result = trusting().verify(&changed, &bearer, NOW, &RustCrypto);
            assert!(result.is_err(), "bit {bit:#04x} of byte {at}");
        }
    }
}

#[test]
fn a_token_holds_between_its_times_give_or_take_a_minute() {
    let token = encoded(&issued(terms(0, 0)));
    let at = |now| checks_of(&token, &node(0).node_id(), now);
    assert_eq!(at(NOW - SKEW_MS - 1), (0, Err(TokenError::NotYet { ms: 1 })));
    assert!(at(NOW - SKEW_MS).1.is_ok());
    assert!(at(NOW + HOUR + SKEW_MS - 1).1.is_ok());
    assert_eq!(at(NOW + HOUR + SKEW_MS), (0, Err(TokenError::Expired { ms: 0 })));
    assert_eq!(at(u64::MAX), (0, Err(TokenError::Expired { ms: u64::MAX - NOW - HOUR - SKEW_MS })));
    assert_eq!(TokenError::Expired { ms: 0 }.code(), Code::Unauthenticated);
}

#[test]
fn a_token_that_lives_too_long_is_refused() {
    let life = |ms| issued(Terms { until_unix_ms: NOW + ms, ..terms(0, 0) });
    assert!(shown_by(0, &life(LIFE_MS_MAX)).is_ok());
    assert_eq!(shown_by(0, &life(LIFE_MS_MAX + 1)), Err(TokenError::TooLongLived(LIFE_MS_MAX)));
    let for_ever = issued(Terms { from_unix_ms: 0, until_unix_ms: u64::MAX, ..terms(0, 0) });
    assert_eq!(shown_by(0, &for_ever), Err(TokenError::TooLongLived(LIFE_MS_MAX)));
}

#[test]
fn signatures_are_checked_last_and_one_for_each_link() {
    let longest = encoded(&passed_on(8));
    let (checks, result) = checks_of(&longest, &node(8).node_id(), NOW);
    assert_eq!((checks, result.is_ok()), (9, true));
    let mut forged = longest.clone();
    let at = forged.len() - 1;
    forged[at] ^= 1;
    let forged = checks_of(&forged, &node(8).node_id(), NOW);
    assert_eq!(forged, (9, Err(TokenError::BadSignature { link: 8 })));
    assert_eq!(checks_of(&longest, &node(7).node_id(), NOW).0, 0);
}

#[test]
fn a_token_that_is_too_long_is_not_read() {
    let long = "a".repeat(1_000);
    let mut token = issued(Terms { pattern: long.parse().unwrap(), ..terms(0, 8) });
    let error = loop {
        let step = token.links().len() as u8;
        let next = Terms { pattern: long.parse().unwrap(), ..terms(step, 8 - step) };
        match token.delegate(&node(step - 1), next) {
            Ok(longer) => token = longer,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, TokenError::TooLong(len) if len > TOKEN_LEN_MAX), "{error}");
    assert!(token.links().len() >= 3);
    assert_eq!(Token::decode(&[0xff; TOKEN_LEN_MAX + 1]), Err(TokenError::TooLong(TOKEN_LEN_MAX + 1)));
    assert!(matches!(Token::decode(&[0xff; TOKEN_LEN_MAX]), Err(TokenError::Malformed(_))));
}

/// The token with one link whose body is changed before it is signed.
fn with_body(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    issued(terms(0, 0)).with_raw_body(&issuer(), change)
}

#[test]
fn what_may_be_a_restriction_is_not_skipped() {
    let add = |key: u8| {
        with_body(move |body| {
            body[0] += 1;
            body.extend_from_slice(&[0x18, key, 0xf5]);
        })
    };
    let refused = trusting().verify(&add(127), &node(0).node_id(), NOW, &RustCrypto).unwrap_err();
    assert!(
        matches!(refused, TokenError::Malformed(WireError { kind: WireErrorKind::UnknownType, .. })),
        "{refused}"
    );
    let skipped = trusting().verify(&add(128), &node(0).node_id(), NOW, &RustCrypto);
    assert!(skipped.is_ok(), "{skipped:?}");
    // What is skipped stays signed, and is passed on.
    let token = Token::decode(&add(200)).unwrap();
    assert_eq!(encoded(&token), add(200));
}

#[test]
fn rights_that_are_not_known_allow_nothing() {
    let token = issued(Terms { rights: Rights::from_bits(1 << 31), ..terms(0, 1) });
    let grant = shown_by(0, &token).unwrap();
    assert_eq!(grant.rights.iter().count(), 0);
    assert!(Right::ALL.into_iter().all(|right| !grant.rights.contains(right)));
    let none = Token::issue(&issuer(), 0, Terms { rights: Rights::NONE, ..terms(0, 0) });
    assert_eq!(none, Err(TokenError::BadTerms));
}

#[test]
fn only_the_issuer_says_which_generation_it_is() {
    let mut token = issued(terms(0, 1));
    token = token.delegate(&node(0), terms(1, 0)).unwrap();
    let bytes = token.with_raw_body(&node(0), |body| {
        body[0] += 1;
        body.extend_from_slice(&[9, 7]);
    });
    let refused = Token::decode(&bytes).unwrap_err();
    assert!(matches!(refused, TokenError::Malformed(WireError { kind: WireErrorKind::UnknownType, .. })));
}

#[test]
fn a_chain_of_no_links_or_of_ten_is_no_token() {
    let refused = |bytes: &[u8], kind, at| {
        assert_eq!(Token::decode(bytes), Err(TokenError::Malformed(WireError { kind, at })));
    };
    refused(&[0xa0], WireErrorKind::MissingField, 1);
    refused(&[0xa1, 1, 0x80], WireErrorKind::Empty, 2);
    refused(&[0xa1, 1, 0x8a], WireErrorKind::OutOfRange, 2);
    refused(&[], WireErrorKind::Truncated, 0);
    let mut bytes = vec![];
    Writer::new(&mut bytes).map(1).uint(1).array(1).array(1).bytes(&[0xa0]);
    refused(&bytes, WireErrorKind::OutOfRange, 3);
}

#[test]
fn text_has_one_spelling() {
    let token = passed_on(2);
    let text = token.to_text();
    assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)));
    assert_eq!(text.parse::<Token>(), Ok(token.clone()));
    for other in [
        text.replace("lwt1.", ""),
        text.replace("lwt1.", "LWT1."),
        text.replace("lwt1.", "lwt2."),
        format!("{text}="),
        format!("{text} "),
        text.replace("lwt1.", "lwt1.+"),
    ] {
        assert_eq!(other.parse::<Token>(), Err(TokenError::Text), "{other}");
    }
    // Of the two digits behind the last whole group, four bits are left over.
    let short = Base64::with_one_byte_left_over();
    assert_eq!(format!("lwt1.{short}").parse::<Token>(), Err(TokenError::Text));
    let long = format!("lwt1.{}", "A".repeat(6_000));
    assert!(matches!(long.parse::<Token>(), Err(TokenError::TooLong(_))));
}

/// Digits whose unused bits are not zero.
struct Base64;

impl Base64 {
    fn with_one_byte_left_over() -> &'static str {
        "oQ_" // a1 0f, and two bits that are set
    }
}

#[test]
fn neither_errors_nor_debug_show_a_token() {
    let token = issued(terms(0, 0));
    let text = token.to_text();
    let shown = format!("{token:?} {}", token.fingerprint(&RustCrypto));
    let digits = &text["lwt1.".len()..];
    assert!(!digits.as_bytes().windows(8).any(|part| shown.as_bytes().windows(8).any(|seen| seen == part)));
    let key = issuer().public_key().to_string();
    for error in [
        Token::decode(&encoded(&token)[1..]).unwrap_err(),
        shown_by(1, &token).unwrap_err(),
        Issuers::default().verify(&encoded(&token), &node(0).node_id(), NOW, &RustCrypto).unwrap_err(),
    ] {
        let said = format!("{error} {error:?}");
        assert!(!said.contains(&key) && !said.contains("orders"), "{said}");
    }
}
