use bytes::BytesMut;
use std::vec::Vec;

use super::super::noise;
use super::super::{Answer, Choice, RefusalNumber, Role};
use super::*;
use crate::code::CloseReason;
use crate::wire::frame::HANDSHAKE_LEN_MAX;

#[test]
fn both_patterns_and_both_aeads_carry_records_both_ways() {
    for key in [None, Some(7)] {
        for aead in AeadId::ALL {
            let config = config_with(key, (1, 1), &[aead]);
            let Shaken { mut initiator, mut responder, .. } = shake(&config, &config).unwrap();
            assert_eq!(initiator.handshake_hash(), responder.handshake_hash());
            for side in [&initiator, &responder] {
                assert_eq!((side.agreed().version, side.agreed().aead), (1, aead));
            }

            let (alice, bob) = (identity(11), identity(12));
            let from_alice = first_record(&mut initiator, &alice, b"and more");
            let from_bob = first_record(&mut responder, &bob, b"");
            let (mut alices, peer, rest) = initiator.prove(from_bob).unwrap();
            assert_eq!(
                (peer.node_id, peer.public_key, &rest[..]),
                (bob.node_id(), bob.public_key(), &b""[..])
            );
            let (mut bobs, peer, rest) = responder.prove(from_alice).unwrap();
            assert_eq!((peer.node_id, &rest[..]), (alice.node_id(), &b"and more"[..]));
            assert_eq!(peer.incarnation.incarnation, Incarnation::new(5));

            for text in [&b"one"[..], b"", b"three"] {
                let there = sealed_by(&mut alices.sealer, text);
                assert_eq!(&bobs.opener.open(there).unwrap()[..], text);
                let back = sealed_by(&mut bobs.sealer, text);
                assert_eq!(&alices.opener.open(back).unwrap()[..], text);
            }
        }
    }
}

#[test]
fn each_side_learns_the_limits_of_the_other() {
    let (mut ours, mut theirs) = (config(None), config(None));
    ours.offer.limits = WireLimits { record_bytes_max: 32_768, message_bytes_max: 1, window_bytes: 65_536 };
    theirs.offer.limits =
        WireLimits { record_bytes_max: 40_000, message_bytes_max: u32::MAX, window_bytes: u32::MAX };
    let shaken = shake(&ours, &theirs).unwrap();
    assert_eq!(shaken.initiator.agreed().peer_limits, theirs.offer.limits);
    assert_eq!(shaken.responder.agreed().peer_limits, ours.offer.limits);
}

#[test]
fn a_wrong_name_a_wrong_key_and_a_key_on_one_side_only_look_the_same() {
    let other_network = |key| HandshakeConfig { network: "best".parse().unwrap(), ..config(key) };
    let pairs = [
        (config(None), other_network(None)),
        (config(Some(7)), other_network(Some(7))),
        (config(Some(7)), config(Some(8))),
        (config(Some(7)), config(None)),
        (config(None), config(Some(7))),
        (config(Some(7)), other_network(None)),
    ];
    for (initiator, responder) in pairs {
        let error = shake(&initiator, &responder).unwrap_err();
        assert_eq!(error, HandshakeError::Failed, "{initiator:?} {responder:?}");
        assert_eq!(error.close_reason(), CloseReason::HandshakeFailed);
    }
}

#[test]
fn a_name_that_runs_into_the_pattern_is_another_name() {
    // The length in the prologue keeps ("a", "bc") and ("ab", "c") apart.
    let prologues: Vec<_> =
        ["a", "ab"].map(|name| noise::prologue(noise::PATTERN_OPEN, &name.parse().unwrap())).into();
    assert_eq!(prologues[0], b"lacewing/1Noise_XX_25519_AESGCM_SHA256\x00\x01a");
    assert!(!prologues[1].starts_with(&prologues[0]));
}

#[test]
fn a_flipped_bit_in_any_byte_of_any_message_fails_the_handshake() {
    for config in both_patterns() {
        let lengths = shake(&config, &config).unwrap().messages.map(|message| message.len());
        for (number, length) in lengths.into_iter().enumerate() {
            for at in 0..length {
                let flip = |current: usize, message: &mut BytesMut| {
                    if current == number {
                        message[at] ^= 1 << (at % 8);
                    }
                };
                let error = shake_through(&config, &config, (1, 2), flip).unwrap_err();
                assert_eq!(error, HandshakeError::Failed, "message {number}, byte {at}");
            }
        }
    }
}

#[test]
fn a_message_that_is_cut_or_extended_anywhere_fails_the_handshake() {
    for config in both_patterns() {
        let lengths = shake(&config, &config).unwrap().messages.map(|message| message.len());
        for (number, length) in lengths.into_iter().enumerate() {
            for cut in (0..length).chain([length + 1, HANDSHAKE_LEN_MAX, HANDSHAKE_LEN_MAX + 1]) {
                let resize = |current: usize, message: &mut BytesMut| {
                    if current == number {
                        message.resize(cut, 0);
                    }
                };
                let error = shake_through(&config, &config, (1, 2), resize).unwrap_err();
                assert_eq!(error, HandshakeError::Failed, "message {number}, {cut} bytes");
            }
        }
    }
}

/// Replaces bytes of message 1, which is in clear without a network key.
fn rewritten(from: &[u8], to: &[u8]) -> impl FnMut(usize, &mut BytesMut) {
    move |number, message| {
        if number == 0 {
            let at = message.windows(from.len()).position(|window| window == from).unwrap();
            message[at..at + to.len()].copy_from_slice(to);
        }
    }
}

#[test]
fn a_downgrade_of_the_offer_that_the_responder_takes_fails_at_the_initiator() {
    let config = config_with(None, (1, 3), &[AeadId::ChaCha20Poly1305, AeadId::Aes256Gcm]);
    // Field 1, the versions, and field 2, the AEADs: each turned into the least of what was offered.
    for (from, to) in [(b"\x01\x82\x01\x03", b"\x01\x82\x01\x01"), (b"\x02\x82\x02\x01", b"\x02\x82\x01\x01")]
    {
        let (initiator, mut first) = Initiator::start(&config, rng(1));
        rewritten(from, to)(0, &mut first);
        let (responder, second) = Responder::start(&config, rng(2)).read(&first).unwrap();
        assert!(alloc::format!("{responder:?}").contains(if from[0] == 1 {
            "version: 1"
        } else {
            "Aes256Gcm"
        }));
        assert_eq!(initiator.read(&second).unwrap_err(), HandshakeError::Failed);
    }
}

#[test]
fn nobody_on_the_wire_can_make_two_willing_sides_refuse_each_other() {
    let config = config_with(None, (1, 3), &[AeadId::Aes256Gcm]);
    let error = shake_through(&config, &config, (1, 2), rewritten(b"\x01\x82\x01\x03", b"\x01\x82\x09\x09"));
    assert_eq!(error.unwrap_err(), HandshakeError::Failed);
}

#[test]
fn the_highest_common_version_and_the_initiators_favourite_aead_are_taken() {
    let all = [AeadId::ChaCha20Poly1305, AeadId::Aes256Gcm];
    let agreed = |initiator: &HandshakeConfig, responder: &HandshakeConfig| {
        let shaken = shake(initiator, responder).unwrap();
        let agreed = *shaken.responder.agreed();
        assert_eq!(
            (agreed.version, agreed.aead),
            (shaken.initiator.agreed().version, shaken.initiator.agreed().aead)
        );
        (agreed.version, agreed.aead)
    };
    let (wide, narrow) = (config_with(None, (1, 9), &all), config_with(None, (2, 4), &AeadId::ALL));
    assert_eq!(agreed(&wide, &narrow), (4, AeadId::ChaCha20Poly1305));
    assert_eq!(agreed(&narrow, &wide), (4, AeadId::Aes256Gcm));
    let only_gcm = config_with(None, (1, 1), &[AeadId::Aes256Gcm]);
    assert_eq!(agreed(&wide, &only_gcm), (1, AeadId::Aes256Gcm));
}

#[test]
fn no_common_version_is_a_refusal_that_both_sides_understand() {
    for key in [None, Some(7)] {
        let old = config_with(key, (1, 1), &AeadId::ALL);
        let new = config_with(key, (2, 3), &AeadId::ALL);
        let (initiator, first) = Initiator::start(&old, rng(1));
        let refusal = Responder::start(&new, rng(2)).read(&first).unwrap_err();
        let (ours, theirs) = (new.offer.versions, old.offer.versions);
        assert_eq!(refusal.error, HandshakeError::NoCommonVersion { ours, theirs });
        assert_eq!(refusal.error.close_reason(), CloseReason::VersionMismatch);
        let error = initiator.read(&refusal.reply.unwrap()).unwrap_err();
        assert_eq!(error, HandshakeError::NoCommonVersion { ours: theirs, theirs: ours });
        assert_eq!(
            alloc::format!("{error}"),
            "no protocol version in common: this node speaks 1, the peer 2 to 3"
        );
    }
}

#[test]
fn no_common_aead_is_a_refusal_that_both_sides_understand() {
    let gcm = config_with(None, (1, 1), &[AeadId::Aes256Gcm]);
    let chacha = config_with(None, (1, 1), &[AeadId::ChaCha20Poly1305]);
    let (initiator, first) = Initiator::start(&gcm, rng(1));
    let refusal = Responder::start(&chacha, rng(2)).read(&first).unwrap_err();
    assert_eq!(refusal.error, HandshakeError::NoCommonAead);
    assert_eq!(initiator.read(&refusal.reply.unwrap()).unwrap_err(), HandshakeError::NoCommonAead);
}

#[test]
fn a_stranger_gets_no_reply_to_a_first_message_that_does_not_fit() {
    let (_, first) = Initiator::start(&config(Some(8)), rng(1));
    let refusal = Responder::start(&config(Some(7)), rng(2)).read(&first).unwrap_err();
    assert_eq!((refusal.reply, refusal.error), (None, HandshakeError::Failed));
}

/// A responder that follows Noise and answers whatever it likes.
fn answered_by_hand(config: &HandshakeConfig, payload: &[u8]) -> HandshakeError {
    let (initiator, first) = Initiator::start(config, rng(1));
    let mut responder = noise::start(config, Role::Responder, rng(2));
    responder.read_message(&first, &mut [0; 4_096]).unwrap();
    let mut second = [0; 4_096];
    let length = responder.write_message(payload, &mut second).unwrap();
    initiator.read(&second[..length]).unwrap_err()
}

#[test]
fn an_initiator_takes_no_choice_that_it_did_not_offer() {
    let config = config_with(Some(7), (2, 3), &[AeadId::Aes256Gcm]);
    for (version, aead) in [(1, AeadId::Aes256Gcm), (4, AeadId::Aes256Gcm), (2, AeadId::ChaCha20Poly1305)] {
        let mut payload = Vec::new();
        Answer::Chosen(Choice { version, aead, limits: LIMITS }).encode(&mut payload);
        assert_eq!(answered_by_hand(&config, &payload), HandshakeError::Failed);
    }
}

#[test]
fn an_answer_that_cannot_be_read_fails_and_an_unknown_refusal_is_a_refusal() {
    for payload in [&b""[..], b"\xa0", b"\xff", b"\xa2\x01\x01\x02\x01"] {
        assert_eq!(answered_by_hand(&config(None), payload), HandshakeError::Failed);
    }
    let mut payload = Vec::new();
    Answer::Refused { number: RefusalNumber(77), versions: VersionRange::SUPPORTED }.encode(&mut payload);
    let error = answered_by_hand(&config(None), &payload);
    assert_eq!(error, HandshakeError::Refused { number: 77 });
    assert_eq!(error.close_reason(), CloseReason::VersionMismatch);
}

#[test]
fn a_responder_takes_fields_it_does_not_know_in_message_3_but_nothing_else() {
    let finished = |payload: &[u8]| {
        let config = config(Some(7));
        let mut initiator = noise::start(&config, Role::Initiator, rng(1));
        let mut offer = Vec::new();
        config.offer.encode(&mut offer);
        let mut message = [0; 4_096];
        let length = initiator.write_message(&offer, &mut message).unwrap();
        let (responder, second) = Responder::start(&config, rng(2)).read(&message[..length]).unwrap();
        initiator.read_message(&second, &mut [0; 4_096]).unwrap();
        let length = initiator.write_message(payload, &mut message).unwrap();
        responder.read(&message[..length]).map(|_| ())
    };
    assert_eq!(finished(b"\xa0"), Ok(()));
    assert_eq!(finished(b"\xa1\x09\x61x"), Ok(()));
    for payload in [&b""[..], b"\x00", b"\xa1", b"\xa0\xa0"] {
        assert_eq!(finished(payload), Err(HandshakeError::Failed));
    }
}

#[test]
fn a_first_message_has_at_most_4_kib() {
    let answered = |message_len: usize| {
        // A field of a later version makes the offer as long as it takes: its key, and a head of three bytes.
        let mut offer = Vec::new();
        config(None).offer.encode(&mut offer);
        offer[0] += 1;
        let filler_len = (message_len - 32 - offer.len() - 4) as u16;
        offer.extend_from_slice(b"\x09\x59");
        offer.extend_from_slice(&filler_len.to_be_bytes());
        offer.resize(offer.len() + usize::from(filler_len), 0);
        let mut initiator = noise::start(&config(None), Role::Initiator, rng(1));
        let mut message = [0; 8_192];
        let length = initiator.write_message(&offer, &mut message).unwrap();
        assert_eq!(length, message_len);
        Responder::start(&config(None), rng(2))
            .read(&message[..length])
            .map(|_| ())
            .map_err(|refusal| refusal.error)
    };
    assert_eq!(answered(HANDSHAKE_LEN_MAX), Ok(()));
    assert_eq!(answered(HANDSHAKE_LEN_MAX + 1), Err(HandshakeError::Failed));
}

#[test]
fn a_public_key_of_small_order_fails_the_handshake() {
    // Whoever sends the point zero would know every shared secret (RFC 7748, section 6.1).
    let zeroed = |number: usize| {
        let error = shake_through(&config(None), &config(None), (1, 2), |current, message| {
            if current == number {
                message[..32].fill(0);
            }
        });
        error.unwrap_err()
    };
    assert_eq!(zeroed(0), HandshakeError::Failed);
    assert_eq!(zeroed(1), HandshakeError::Failed);
    let (_, mut first) = Initiator::start(&config(None), rng(1));
    first[..32].fill(0);
    let refusal = Responder::start(&config(None), rng(2)).read(&first).unwrap_err();
    assert_eq!((refusal.reply, refusal.error), (None, HandshakeError::Failed));
}

#[test]
fn debug_output_of_handshake_states_holds_no_secret() {
    let config = config(Some(0x5e));
    let (initiator, first) = Initiator::start(&config, rng(1));
    let (responder, second) = Responder::start(&config, rng(2)).read(&first).unwrap();
    let (unproven, _) = initiator.read(&second).unwrap();
    let text = alloc::format!("{config:?} {responder:?} {unproven:?}");
    assert!(!text.contains("94, 94") && !text.contains("5e5e"), "{text}");
}
