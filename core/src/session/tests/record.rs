use proptest::collection::vec;
use proptest::prelude::*;

use super::super::{Opener, RecordError, Sealer};
use super::*;
use crate::code::CloseReason;
use crate::crypto::TAG_LEN;
use crate::wire::frame::RECORD_LEN_MAX;

/// One direction between two sides, after the handshake.
fn direction(aead: AeadId) -> (Sealer, Opener) {
    let (ours, theirs) = sessions(&config_with(Some(7), (1, 1), &[aead]));
    (ours.sealer, theirs.opener)
}

#[test]
fn a_replayed_record_is_rejected() {
    for aead in AeadId::ALL {
        let (mut sealer, mut opener) = direction(aead);
        let record = sealed_by(&mut sealer, b"once");
        opener.open(record.clone()).unwrap();
        assert_eq!(opener.open(record).unwrap_err(), RecordError::Rejected);
    }
}

#[test]
fn a_reordered_or_lost_record_is_rejected() {
    for aead in AeadId::ALL {
        let (mut sealer, mut opener) = direction(aead);
        let _first = sealed_by(&mut sealer, b"first");
        let second = sealed_by(&mut sealer, b"second");
        let error = opener.open(second).unwrap_err();
        assert_eq!((error, error.close_reason()), (RecordError::Rejected, CloseReason::RecordRejected));
    }
}

#[test]
fn a_record_that_comes_back_to_its_sender_is_rejected() {
    let (mut ours, _) = sessions(&config(None));
    let record = sealed_by(&mut ours.sealer, b"mirror");
    assert_eq!(ours.opener.open(record).unwrap_err(), RecordError::Rejected);
}

#[test]
fn a_record_of_another_session_is_rejected() {
    let config = config(Some(7));
    let (mut ours, _) = sessions(&config);
    let other = shake_through(&config, &config, (3, 4), |_, _| ()).unwrap();
    let record = sealed_by(&mut ours.sealer, b"elsewhere");
    assert!(other.responder.prove(record).is_err());
}

#[test]
fn a_flipped_bit_in_any_byte_of_a_record_is_rejected() {
    for aead in AeadId::ALL {
        let (mut sealer, mut opener) = direction(aead);
        let record = sealed_by(&mut sealer, b"not to be touched");
        for at in 0..record.len() {
            let mut changed = record.clone();
            changed[at] ^= 0x80 >> (at % 8);
            assert_eq!(opener.open(changed).unwrap_err(), RecordError::Rejected, "byte {at}");
        }
        // A record that was rejected uses up no number.
        opener.open(record).unwrap();
    }
}

#[test]
fn a_record_that_is_cut_or_extended_is_rejected() {
    for aead in AeadId::ALL {
        let (mut sealer, mut opener) = direction(aead);
        let record = sealed_by(&mut sealer, b"whole");
        for length in (0..record.len()).chain([record.len() + 1]) {
            let mut changed = record.clone();
            changed.resize(length, 0);
            assert_eq!(opener.open(changed).unwrap_err(), RecordError::Rejected, "{length} bytes");
        }
    }
}

#[test]
fn the_largest_record_passes_and_a_larger_one_is_refused_on_both_sides() {
    let (mut sealer, mut opener) = direction(AeadId::Aes256Gcm);
    let largest = sealed_by(&mut sealer, &alloc::vec![7; Sealer::PLAINTEXT_LEN_MAX]);
    assert_eq!(largest.len(), RECORD_LEN_MAX);
    assert_eq!(opener.open(largest).unwrap().len(), Sealer::PLAINTEXT_LEN_MAX);

    let mut larger = BytesMut::zeroed(PREFIX_LEN + Sealer::PLAINTEXT_LEN_MAX + 1);
    let before = (larger.clone(), sealer.counter());
    let error = sealer.seal(&mut larger, 0).unwrap_err();
    assert_eq!((error, error.close_reason()), (RecordError::TooLarge(65_536), CloseReason::LengthExceeded));
    assert_eq!((larger, sealer.counter()), before);
    let larger = BytesMut::zeroed(RECORD_LEN_MAX + 1);
    assert_eq!(opener.open(larger).unwrap_err(), RecordError::TooLarge(65_536));
}

#[test]
fn rekeying_goes_on_both_ways_only_if_both_sides_do_it() {
    for aead in AeadId::ALL {
        let (mut ours, mut theirs) = sessions(&config_with(None, (1, 1), &[aead]));
        for (sealer, opener) in
            [(&mut ours.sealer, &mut theirs.opener), (&mut theirs.sealer, &mut ours.opener)]
        {
            let counter = sealer.counter();
            sealer.rekey();
            let record = sealed_by(sealer, b"new key");
            assert_eq!(opener.open(record.clone()).unwrap_err(), RecordError::Rejected);
            opener.rekey();
            assert_eq!(&opener.open(record).unwrap()[..], b"new key");
            assert_eq!((sealer.counter(), opener.counter()), (counter + 1, counter + 1));
            opener.rekey();
            let record = sealed_by(sealer, b"old key");
            assert_eq!(opener.open(record).unwrap_err(), RecordError::Rejected);
        }
    }
}

#[test]
fn bytes_under_a_key_are_counted_from_rekey_to_rekey() {
    let (mut sealer, mut opener) = direction(AeadId::Aes256Gcm);
    sealer.rekey();
    opener.rekey();
    assert_eq!(sealer.bytes_under_key(), 0);
    for _ in 0..3 {
        opener.open(sealed_by(&mut sealer, b"12345")).unwrap();
    }
    assert_eq!(sealer.bytes_under_key(), 3 * (5 + TAG_LEN as u64));
    assert_eq!(opener.bytes_under_key(), sealer.bytes_under_key());
    sealer.rekey();
    assert_eq!(sealer.bytes_under_key(), 0);
}

#[test]
fn the_last_record_number_is_never_used() {
    let (mut sealer, mut opener) = direction(AeadId::ChaCha20Poly1305);
    sealer.set_counter(u64::MAX - 1);
    opener.set_counter(u64::MAX - 1);
    let last = sealed_by(&mut sealer, b"last");
    assert_eq!(&opener.open(last.clone()).unwrap()[..], b"last");
    let mut record = BytesMut::zeroed(PREFIX_LEN);
    assert_eq!(sealer.seal(&mut record, 0), Err(RecordError::Exhausted));
    assert_eq!(record, BytesMut::zeroed(PREFIX_LEN));
    assert_eq!(opener.open(last).unwrap_err(), RecordError::Exhausted);
    // A new key does not help: the number goes on.
    sealer.rekey();
    assert_eq!(sealer.seal(&mut record, 0), Err(RecordError::Exhausted));
}

#[test]
fn records_are_sealed_and_opened_where_they_lie() {
    let (mut sealer, mut opener) = direction(AeadId::Aes256Gcm);
    let mut record = BytesMut::with_capacity(Sealer::OVERHEAD + 5);
    record.extend_from_slice(b"\0\0\0\0hello");
    let place = record.as_ptr();
    sealer.seal(&mut record, 0).unwrap();
    assert_eq!(record.as_ptr(), place);
    assert_eq!(record[..PREFIX_LEN], [0, 0, 0, 21]);
    let record = record.split_off(PREFIX_LEN);
    let place = record.as_ptr();
    assert_eq!(opener.open(record).unwrap().as_ptr(), place);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn records_of_any_sizes_in_one_buffer_come_out_as_they_went_in(
        sizes in vec(prop_oneof![0..64_usize, 0..=Sealer::PLAINTEXT_LEN_MAX], 1..6),
        chacha in any::<bool>(),
        filler in any::<u8>(),
    ) {
        let (mut sealer, mut opener) = direction(AeadId::ALL[usize::from(chacha)]);
        let mut stream = BytesMut::from(&b"in front"[..]);
        for size in &sizes {
            let start = stream.len();
            stream.resize(start + PREFIX_LEN + size, filler);
            sealer.seal(&mut stream, start).unwrap();
        }
        prop_assert_eq!(&stream.split_to(8)[..], b"in front");
        for size in &sizes {
            let prefix: [u8; 4] = stream.split_to(PREFIX_LEN)[..].try_into().unwrap();
            let record = stream.split_to(u32::from_be_bytes(prefix) as usize);
            prop_assert_eq!(record.len(), size + TAG_LEN);
            let plaintext = opener.open(record).unwrap();
            prop_assert!(plaintext.len() == *size && plaintext.iter().all(|byte| *byte == filler));
        }
        prop_assert!(stream.is_empty());
    }

    #[test]
    fn arbitrary_bytes_are_never_a_record(bytes in vec(any::<u8>(), 0..200)) {
        let (_, mut opener) = direction(AeadId::Aes256Gcm);
        prop_assert_eq!(opener.open(BytesMut::from(&bytes[..])).unwrap_err(), RecordError::Rejected);
    }
}
