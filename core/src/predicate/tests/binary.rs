use alloc::vec;
use alloc::vec::Vec;

use super::{chain, parsed};
use crate::predicate::{FORM_LEN_MAX, NODES_MAX, Predicate, PredicateError};
use crate::wire::cbor::Writer;
use crate::wire::{WireError, WireErrorKind};

fn encoded(predicate: &Predicate) -> Vec<u8> {
    let mut bytes = Vec::new();
    predicate.encode(&mut bytes);
    bytes
}

#[test]
fn the_cbor_form_is_a_map_of_nodes_and_root() {
    let predicate = parsed("hardware.memory_gb >= 64 and not meta.owner = \"a\"");
    let mut expected = Vec::new();
    let mut writer = Writer::new(&mut expected);
    writer.map(2).uint(1).array(4);
    writer.array(4).uint(3).uint(0).text("memory_gb").float(64.0);
    writer.array(3).uint(12).text("owner").text("a");
    writer.array(2).uint(17).uint(1);
    writer.array(2).uint(15).array(2).uint(0).uint(2);
    writer.uint(2).uint(3);
    assert_eq!(encoded(&predicate), expected);
    assert_eq!(Predicate::decode(&expected), Ok(predicate));
}

#[test]
fn what_is_no_form_is_refused_where_it_goes_wrong() {
    let cases: [(&[u8], WireErrorKind, usize); 21] = [
        (b"", WireErrorKind::Truncated, 0),
        (b"\x80", WireErrorKind::WrongType, 0),
        (b"\xa0", WireErrorKind::MissingField, 1),
        (b"\xa1\x01\x80", WireErrorKind::MissingField, 3),
        (b"\xa2\x01\x80\x02\x00\x00", WireErrorKind::TrailingBytes, 5),
        (b"\xa3\x01\x80\x02\x00\x03\x00", WireErrorKind::UnknownType, 5),
        (b"\xa2\x02\x00\x01\x80", WireErrorKind::KeyOrder, 3),
        (b"\xa2\x01\x81\x80\x02\x00", WireErrorKind::OutOfRange, 3),
        (b"\xa2\x01\x81\x82\x00\x80\x02\x00", WireErrorKind::UnknownType, 4),
        (b"\xa2\x01\x81\x82\x12\x80\x02\x00", WireErrorKind::UnknownType, 4),
        (b"\xa2\x01\x81\x83\x0f\x80\x00\x02\x00", WireErrorKind::OutOfRange, 3),
        (b"\xa2\x01\x81\x82\x01\x00\x02\x00", WireErrorKind::OutOfRange, 3),
        (b"\xa2\x01\x81\x83\x01\x04\x61a\x02\x00", WireErrorKind::OutOfRange, 5),
        (b"\xa2\x01\x81\x83\x01\x00\x41a\x02\x00", WireErrorKind::WrongType, 6),
        (b"\xa2\x01\x81\x83\x0e\x61a\x18\x40\x02\x00", WireErrorKind::WrongType, 7),
        (b"\xa2\x01\x81\x83\x0e\x61a\xf9\x7e\x00\x02\x00", WireErrorKind::OutOfRange, 7),
        (b"\xa2\x01\x81\x83\x0e\x61a\xf9\x7c\x00\x02\x00", WireErrorKind::OutOfRange, 7),
        (b"\xa2\x01\x81\x83\x0e\x61a\xfa\x42\x80\x00\x00\x02\x00", WireErrorKind::NonCanonical, 7),
        (b"\xa2\x01\x81\x82\x0b\x62\xc3\x28\x02\x00", WireErrorKind::InvalidUtf8, 6),
        (b"\xa2\x01\x9b\xff\xff\xff\xff\xff\xff\xff\xff\x02\x00", WireErrorKind::OutOfRange, 2),
        (b"\xa2\x01\x80\x02\x1b\x00\x00\x00\x01\x00\x00\x00\x00", WireErrorKind::OutOfRange, 4),
    ];
    for (bytes, kind, at) in cases {
        assert_eq!(Predicate::decode(bytes), Err(PredicateError::Cbor(WireError { kind, at })), "{bytes:x?}");
    }
}

#[test]
fn places_are_checked_as_in_json() {
    let name = |bytes: &[u8]| Predicate::decode(bytes).unwrap_err().name();
    assert_eq!(name(b"\xa2\x01\x80\x02\x00"), "Empty");
    assert_eq!(name(b"\xa2\x01\x81\x82\x0f\x80\x02\x01"), "RootOutOfBounds");
    assert_eq!(name(b"\xa2\x01\x81\x82\x0f\x81\x01\x02\x00"), "ChildOutOfBounds");
    assert_eq!(
        name(b"\xa2\x01\x81\x82\x11\x1a\x00\x01\x00\x00\x02\x00"),
        "ChildOutOfBounds",
        "no index wraps around"
    );
    assert_eq!(name(b"\xa2\x01\x81\x82\x0f\x81\x00\x02\x00"), "CycleDetected");
}

#[test]
fn a_form_has_at_most_4096_bytes_and_1024_nodes() {
    assert_eq!(Predicate::decode(&vec![0xa2; FORM_LEN_MAX + 1]).unwrap_err().name(), "Oversize");
    let flat = |nodes: usize| {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        writer.map(2).uint(1).array(nodes);
        for _ in 0..nodes {
            writer.array(2).uint(15).array(0);
        }
        writer.uint(2).uint(0);
        bytes
    };
    assert!(Predicate::decode(&flat(NODES_MAX)).is_ok());
    assert_eq!(Predicate::decode(&flat(NODES_MAX + 1)).unwrap_err().name(), "Oversize");
}

#[test]
fn a_long_chain_fits_into_cbor_where_json_is_full() {
    let long = chain(700);
    assert!(long.to_header().is_err());
    assert_eq!(Predicate::decode(&encoded(&long)), Ok(long));
}
