use alloc::vec;
use alloc::vec::Vec;

use bytes::BytesMut;

use super::unhex;
use crate::wire::cbor::DEPTH_MAX;
use crate::wire::value::{
    ErrorValue, Int, Map, Regex, Set, Struct, Value, ValueError, decode, encode, encode_into, from_json,
    to_json,
};
use crate::wire::{WireError, WireErrorKind};

/// A list of two times the same list, and so on: 2^`levels` leaves in as many nodes as levels.
fn bomb(levels: usize) -> Value {
    (0..levels).fold(Value::Null, |inner, _| Value::from(vec![inner.clone(), inner]))
}

fn nested(levels: usize) -> Value {
    (0..levels).fold(Value::Null, |inner, _| Value::from(vec![inner]))
}

#[test]
fn a_bomb_of_shared_nodes_ends_in_too_large_and_not_in_memory() {
    let too_large = ValueError::TooLarge { len_max: 1 << 20 };
    for levels in [20, 40, 60, 64, 1_000] {
        assert_eq!(encode(&bomb(levels), 1 << 20), Err(too_large), "{levels}");
        assert_eq!(to_json(&bomb(levels), 1 << 20), Err(too_large), "{levels}");
    }
    assert_eq!(bomb(1_000).encoded_len(), u64::MAX);
    assert_eq!(encode(&bomb(1_000), usize::MAX), Err(ValueError::TooLarge { len_max: usize::MAX }));
    assert_eq!(encode(&bomb(10), 2_047).unwrap().len(), 2_047);
    assert_eq!(encode(&bomb(10), 2_046), Err(ValueError::TooLarge { len_max: 2_046 }));
}

#[test]
fn bombs_in_keys_sets_structs_and_errors_are_counted_too() {
    let inner = bomb(40);
    let too_large = Err(ValueError::TooLarge { len_max: 1_000 });
    let map = Map::new(vec![(inner.clone(), Value::Null)]).unwrap();
    let set: Set = [inner.clone()].into_iter().collect();
    let record = Struct::new("s", [("f", inner.clone())]).unwrap();
    let error = ErrorValue::new("e", "", inner.clone()).unwrap();
    for value in [map.into(), set.into(), record.into(), Value::from(error)] {
        assert_eq!(encode(&value, 1_000), too_large);
    }
    assert_eq!(inner, inner.clone(), "the same nodes are not looked into");
}

#[test]
fn nothing_is_written_where_the_limit_or_the_room_does_not_suffice() {
    let value = Value::from("four");
    let mut out = BytesMut::new();
    assert_eq!(encode_into(&value, 4, &mut out), Err(ValueError::TooLarge { len_max: 4 }));
    assert!(out.is_empty());
    let mut room = [0_u8; 4];
    assert_eq!(encode_into(&value, 100, &mut room.as_mut_slice()), Err(ValueError::TooLarge { len_max: 4 }));
    assert_eq!(room, [0; 4]);
    encode_into(&value, 5, &mut out).unwrap();
    assert_eq!(&out[..], b"\x64four");
}

#[test]
fn sixty_four_levels_travel_and_sixty_five_do_not() {
    let deep = nested(DEPTH_MAX);
    let bytes = encode(&deep, 100).unwrap();
    assert_eq!(decode(&bytes), Ok(deep.clone()));
    assert_eq!(from_json(&to_json(&deep, 100).unwrap()).unwrap(), deep);

    let deeper = nested(DEPTH_MAX + 1);
    assert_eq!(encode(&deeper, 100), Err(ValueError::TooDeep));
    assert_eq!(to_json(&deeper, 100), Err(ValueError::TooDeep));
    let mut bytes = vec![0x81; DEPTH_MAX + 1];
    bytes.push(0xf6);
    assert_eq!(decode(&bytes), Err(WireError { kind: WireErrorKind::TooDeep, at: DEPTH_MAX }));
    let json = (0..=DEPTH_MAX).fold(serde_json::Value::Null, |inner, _| serde_json::json!([inner]));
    let error = from_json(&json).unwrap_err();
    assert_eq!(error.pointer, "/0".repeat(DEPTH_MAX));
    assert!(error.expected.contains("64 nested"), "{error}");
}

/// Encoding, decoding and the JSON view must count the levels of every type alike.
#[test]
fn every_type_is_as_deep_for_the_reader_as_for_the_writer_and_the_json_view() {
    type Wrap = fn(Value) -> Value;
    let wraps: [(Wrap, usize); 6] = [
        (|inner| Value::from(vec![inner]), 1),
        (|inner| Map::new(vec![(Value::from(1), inner)]).unwrap().into(), 1),
        (|inner| Map::new(vec![(inner, Value::from(1))]).unwrap().into(), 1),
        (|inner| Value::from([inner].into_iter().collect::<Set>()), 2),
        (|inner| ErrorValue::new("e", "", inner).unwrap().into(), 2),
        (|inner| Struct::new("s", [("f", inner)]).unwrap().into(), 3),
    ];
    let leaves = [
        (Value::Null, 0),
        (Value::from(u128::MAX), 1),
        (Value::from("2026-01-01T00:00:00Z".parse::<crate::wire::value::Time>().unwrap()), 2),
        (Regex::new("", "").unwrap().into(), 2),
        (crate::wire::value::Ref::Path("p".parse().unwrap()).into(), 2),
    ];
    for (wrap, levels) in wraps {
        for (leaf, depth) in &leaves {
            let fitting = (DEPTH_MAX - depth) / levels;
            let fits = (0..fitting).fold(leaf.clone(), |inner, _| wrap(inner));
            let bytes = encode(&fits, 10_000).unwrap();
            assert_eq!(decode(&bytes).as_ref(), Ok(&fits));
            assert_eq!(from_json(&to_json(&fits, 10_000).unwrap()).as_ref(), Ok(&fits));
            assert_eq!(encode(&wrap(fits.clone()), 10_000), Err(ValueError::TooDeep));
        }
    }
    // One level too many in bytes and in JSON, which `encode` would not write.
    for (inner, json) in [
        (unhex("c249010000000000000000"), serde_json::json!({"$int": "18446744073709551616"})),
        (unhex("d903e9a10100"), serde_json::json!({"$time": "1970-01-01T00:00:00Z"})),
        (unhex("d9010280"), serde_json::json!({"$set": []})),
        (
            unhex("da4c570001836161606100"),
            serde_json::json!({"$error": {"name": "a", "message": "", "detail": []}}),
        ),
        (unhex("da4c57000282f66170"), serde_json::json!({"$ref": {"path": "p"}})),
        (unhex("da4c570003826060"), serde_json::json!({"$regex": {"source": "", "flags": ""}})),
        (unhex("da4c570004826161a0"), serde_json::json!({"$struct": {"name": "a", "fields": {}}})),
        (unhex("a0"), serde_json::json!({})),
        (unhex("a0"), serde_json::json!({"$map": []})),
    ] {
        let levels = DEPTH_MAX;
        let mut bytes = vec![0x81; levels];
        bytes.extend(inner);
        assert_eq!(decode(&bytes).map_err(|error| error.kind), Err(WireErrorKind::TooDeep), "{json}");
        let deep = (0..levels).fold(json, |inner, _| serde_json::json!([inner]));
        assert!(from_json(&deep).unwrap_err().expected.contains("64 nested"));
    }
}

#[test]
fn a_huge_claimed_count_takes_no_memory() {
    for head in [
        "9b7fffffffffffffff",
        "bb7fffffffffffffff",
        "d901029b7fffffffffffffff",
        "5b7fffffffffffffff",
        "7b7fffffffffffffff",
        "c25b7fffffffffffffff",
        "da4c57000482617abb7fffffffffffffff",
        "9bffffffffffffffff",
    ] {
        let bytes = unhex(head);
        let error = decode(&bytes).unwrap_err();
        assert_eq!((error.kind, error.at), (WireErrorKind::Truncated, bytes.len()), "{head}");
    }
}

#[test]
fn integers_end_at_8192_bits() {
    let most = [0xff; Int::BYTES_MAX];
    let greatest = Int::from_magnitude(false, &most).unwrap();
    let text = alloc::string::ToString::to_string(&greatest);
    assert_eq!(text.len(), 2_467);
    assert_eq!(text.parse(), Ok(greatest.clone()));
    let value = Value::from(greatest);
    assert_eq!(decode(&encode(&value, 2_000).unwrap()), Ok(value));

    let mut over = vec![1];
    over.extend([0; Int::BYTES_MAX]);
    assert_eq!(Int::from_magnitude(false, &over), Err(ValueError::IntTooLarge));
    let least = Int::from_magnitude(true, &over).unwrap();
    assert_eq!(decode(&encode(&Value::from(least.clone()), 2_000).unwrap()), Ok(Value::from(least)));
    let mut bytes = unhex("c2590401");
    bytes.extend([1; 1_025]);
    assert_eq!(decode(&bytes), Err(WireError { kind: WireErrorKind::TooLarge, at: 0 }));
    let digits: Vec<u8> = vec![b'9'; 2_467];
    assert!(core::str::from_utf8(&digits).unwrap().parse::<Int>().is_err());
}

#[test]
fn constructors_refuse_what_could_not_be_read_back() {
    let pair = || (Value::from(f64::NAN), Value::Null);
    assert_eq!(Map::new(vec![pair(), pair()]).err(), Some(ValueError::DuplicateKey));
    assert_eq!(
        Struct::new("s", [("a", Value::Null), ("a", Value::Null)]).err(),
        Some(ValueError::DuplicateKey)
    );
    assert_eq!(Struct::new("", [("a", Value::Null)]).err(), Some(ValueError::BadName));
    assert_eq!(ErrorValue::new("n".repeat(256), "", Value::Null).err(), Some(ValueError::BadName));
    assert_eq!(Regex::new("a", "i1").err(), Some(ValueError::BadFlags));
    assert_eq!(Regex::new("a", "gg").err(), Some(ValueError::BadFlags));
}
