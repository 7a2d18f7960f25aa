use proptest::collection::vec;
use proptest::prelude::*;

use super::super::{Answer, Choice, IdentityProof, RefusalNumber, decode_finish};
use super::*;
use crate::wire::WireErrorKind;

fn encoded(offer: &Offer) -> Vec<u8> {
    let mut payload = Vec::new();
    offer.encode(&mut payload);
    payload
}

fn kind(payload: &[u8]) -> WireErrorKind {
    Offer::decode(payload).unwrap_err().kind
}

#[test]
fn fields_and_aeads_of_later_versions_are_skipped() {
    let offer = config(None).offer;
    let mut payload = encoded(&offer);
    payload[0] += 1;
    payload.extend_from_slice(b"\x18\x63\x82\x01\x63new");
    assert_eq!(Offer::decode(&payload), Ok(offer.clone()));

    // AEAD 200 comes first in the other side's order, and is unknown here.
    let payload = [
        b"\xa5\x01\x82\x01\x01\x02\x83\x18\xc8\x02\x01\x03\x19\xff\xff\x04\x1a\x01\x00\x00\x00".as_slice(),
        b"\x05\x1a\x00\x40\x00\x00",
    ]
    .concat();
    let decoded = Offer::decode(&payload).unwrap();
    assert_eq!(decoded.aeads, [AeadId::ChaCha20Poly1305, AeadId::Aes256Gcm]);
    assert!(matches!(offer.answer(&decoded), Answer::Chosen(Choice { aead: AeadId::ChaCha20Poly1305, .. })));
}

#[test]
fn offers_that_make_no_sense_are_malformed() {
    let payload = encoded(&config(None).offer);
    for length in 0..payload.len() {
        assert_eq!(kind(&payload[..length]), WireErrorKind::Truncated, "{length} bytes");
    }
    assert_eq!(kind(b"\xa0"), WireErrorKind::MissingField);
    assert_eq!(kind(&[&payload[..], b"\0"].concat()), WireErrorKind::TrailingBytes);
    assert_eq!(kind(b"\xa1\x01\x82\x02\x01"), WireErrorKind::OutOfRange, "versions 2 to 1");
    assert_eq!(kind(b"\xa1\x01\x81\x01"), WireErrorKind::OutOfRange, "one version");
    assert_eq!(kind(b"\xa1\x02\x91"), WireErrorKind::OutOfRange, "17 AEADs");
    assert_eq!(kind(b"\xa1\x03\x19\x7f\xff"), WireErrorKind::OutOfRange, "records of 32,767 bytes");
    assert_eq!(kind(b"\xa1\x03\x1a\x00\x01\x00\x00"), WireErrorKind::OutOfRange, "records of 65,536 bytes");
    assert_eq!(kind(b"\xa2\x02\x80\x01\x82\x01\x01"), WireErrorKind::KeyOrder);
}

#[test]
fn a_choice_of_an_unknown_aead_is_malformed() {
    let payload = b"\xa5\x01\x01\x02\x09\x03\x19\xff\xff\x04\x00\x05\x00";
    assert_eq!(Answer::decode(payload).unwrap_err().kind, WireErrorKind::OutOfRange);
}

#[test]
fn a_refusal_with_fields_of_later_versions_is_a_refusal() {
    let refused = Answer::Refused { number: RefusalNumber(9), versions: VersionRange::SUPPORTED };
    assert_eq!(Answer::decode(b"\xa3\x00\x09\x01\x82\x01\x01\x03\x61x"), Ok(refused));
    assert_eq!(Answer::decode(b"\xa1\x00\x09").unwrap_err().kind, WireErrorKind::MissingField);
}

fn limits() -> impl Strategy<Value = WireLimits> {
    (WireLimits::RECORD_BYTES, any::<u32>(), WireLimits::WINDOW_BYTES_MIN..=u32::MAX).prop_map(
        |(record_bytes_max, message_bytes_max, window_bytes)| WireLimits {
            record_bytes_max,
            message_bytes_max,
            window_bytes,
        },
    )
}

fn versions() -> impl Strategy<Value = VersionRange> {
    any::<(u16, u16)>().prop_map(|(a, b)| VersionRange::new(a.min(b), a.max(b)).unwrap())
}

fn offers() -> impl Strategy<Value = Offer> {
    let aeads = vec(prop::sample::select(AeadId::ALL.as_slice()), 0..5);
    (versions(), aeads, limits()).prop_map(|(versions, aeads, limits)| Offer { versions, aeads, limits })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn offers_and_answers_read_what_they_write(ours in offers(), theirs in offers()) {
        prop_assert_eq!(&Offer::decode(&encoded(&ours)).unwrap(), &ours);
        let answer = ours.answer(&theirs);
        let mut payload = Vec::new();
        answer.encode(&mut payload);
        prop_assert_eq!(Answer::decode(&payload).unwrap(), answer);
        if let Answer::Chosen(choice) = answer {
            // What the responder chooses, it has, and the initiator has offered.
            prop_assert!(ours.allows(&choice) && theirs.allows(&choice));
        }
    }

    #[test]
    fn decoders_survive_arbitrary_bytes(bytes in vec(any::<u8>(), 0..300)) {
        let _ = Offer::decode(&bytes);
        let _ = Answer::decode(&bytes);
        let _ = IdentityProof::decode(&bytes);
        let _ = decode_finish(&bytes);
    }

    #[test]
    fn handshake_states_survive_arbitrary_bytes(bytes in vec(any::<u8>(), 0..300), key in prop::option::of(0..2_u8)) {
        let config = config(key);
        let refusal = Responder::start(&config, rng(2)).read(&bytes).map(|_| ()).unwrap_err();
        prop_assert_eq!(refusal.error, HandshakeError::Failed);
        let (initiator, _) = Initiator::start(&config, rng(1));
        prop_assert_eq!(initiator.read(&bytes).map(|_| ()).unwrap_err(), HandshakeError::Failed);
    }
}
