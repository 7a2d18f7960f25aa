use alloc::vec::Vec;

use serde_json::json;

use super::unhex;
use crate::wire::WireErrorKind::{self, *};
use crate::wire::value::{Map, Set, Value, ValueKind, ValueRef, decode, encode, from_json};

/// Bytes that do not decode, why, and where.
const REFUSED: &[(&str, WireErrorKind, usize)] = &[
    ("", Truncated, 0),
    ("18", Truncated, 0),
    ("f97e", Truncated, 0),
    ("6261", Truncated, 1),
    ("4261", Truncated, 1),
    ("82f6", Truncated, 2),
    ("a101", Truncated, 2),
    ("d90102", Truncated, 3),
    ("f6f6", TrailingBytes, 1),
    ("1817", NonCanonical, 0),
    ("1900ff", NonCanonical, 0),
    ("1a0000ffff", NonCanonical, 0),
    ("1b00000000ffffffff", NonCanonical, 0),
    ("3817", NonCanonical, 0),
    ("5800", NonCanonical, 0),
    ("7800", NonCanonical, 0),
    ("9800", NonCanonical, 0),
    ("b800", NonCanonical, 0),
    ("1c", NonCanonical, 0),
    ("1f", NonCanonical, 0),
    ("5f4101ff", NonCanonical, 0),
    ("7f6161ff", NonCanonical, 0),
    ("9ff6ff", NonCanonical, 0),
    ("bf6161f6ff", NonCanonical, 0),
    ("ff", NonCanonical, 0),
    ("81ff", NonCanonical, 1),
    ("f818", NonCanonical, 0),
    ("f817", NonCanonical, 0),
    ("f97e01", NonCanonical, 0),
    ("f9fe00", NonCanonical, 0),
    ("f97c01", NonCanonical, 0),
    ("fa7fc00000", NonCanonical, 0),
    ("fa7f800000", NonCanonical, 0),
    ("fa3f800000", NonCanonical, 0),
    ("fa80000000", NonCanonical, 0),
    ("fb7ff8000000000000", NonCanonical, 0),
    ("fbfff0000000000000", NonCanonical, 0),
    ("fb3ff0000000000000", NonCanonical, 0),
    ("fb40f86a0000000000", NonCanonical, 0),
    ("e0", UnknownType, 0),
    ("f3", UnknownType, 0),
    ("f820", UnknownType, 0),
    ("f8ff", UnknownType, 0),
    ("c000", UnknownType, 0),
    ("c100", UnknownType, 0),
    ("d81b00", UnknownType, 0),
    ("da4c57000500", UnknownType, 0),
    ("da4c57000000", UnknownType, 0),
    ("61ff", InvalidUtf8, 1),
    ("6461c32861", InvalidUtf8, 2),
    ("63eda080", InvalidUtf8, 1),
    ("a20200 0100", KeyOrder, 3),
    ("a201000100", KeyOrder, 3),
    ("a2616200616100", KeyOrder, 4),
    ("a2626161006162 00", KeyOrder, 5),
    ("d90102820201", KeyOrder, 5),
    ("d90102820101", KeyOrder, 5),
    ("d9010200", WrongType, 3),
    ("d90102a0", WrongType, 3),
    ("c200", WrongType, 1),
    ("c26161", WrongType, 1),
    ("c240", NonCanonical, 0),
    ("c24105", NonCanonical, 0),
    ("c248ffffffffffffffff", NonCanonical, 0),
    ("c24900ffffffffffffffff", NonCanonical, 0),
    ("c3490000000000000000ff", NonCanonical, 0),
    ("d903e900", WrongType, 3),
    ("d903e9a0", OutOfRange, 3),
    ("d903e9a3010028002901", OutOfRange, 3),
    ("d903e9a10000", OutOfRange, 4),
    ("d903e9a1616100", WrongType, 4),
    ("d903e9a101f93c00", WrongType, 5),
    ("d903e9a1011b0000003afff44180", OutOfRange, 5),
    ("d903e9a1013b0000000e7791f700", OutOfRange, 5),
    ("d903e9a1011bffffffffffffffff", OutOfRange, 5),
    ("d903e9a2010028 00", NonCanonical, 7),
    ("d903e9a20100281a3b9aca00", OutOfRange, 7),
    ("d903e9a20100281b0000000100000000", OutOfRange, 7),
    ("d903e9a201002701", OutOfRange, 6),
    ("d903e9a201000201", WrongType, 6),
    ("d903e9a201002820", WrongType, 7),
    ("da4c57000182616160", OutOfRange, 5),
    ("da4c570001836060f7", Empty, 6),
    ("da4c57000183006 0f7", WrongType, 6),
    ("da4c570001836161 00f7", WrongType, 8),
    ("da4c570001a0", WrongType, 5),
    ("da4c57000281f6", OutOfRange, 5),
    ("da4c57000282f6f6", MissingField, 5),
    ("da4c570002824100f6", OutOfRange, 6),
    ("da4c57000282f7f6", WrongType, 6),
    ("da4c57000282f660", OutOfRange, 7),
    ("da4c57000282f6612f", OutOfRange, 7),
    ("da4c57000282f600", WrongType, 7),
    ("da4c5700038161 61", OutOfRange, 5),
    ("da4c57000382616162 6969", OutOfRange, 8),
    ("da4c57000382616162 6d69", OutOfRange, 8),
    ("da4c570003826161 6131", OutOfRange, 8),
    ("da4c5700048260a0", Empty, 6),
    ("da4c57000482616180", WrongType, 8),
    ("da4c570004826161a10000", WrongType, 9),
    ("da4c570004826161a2616200616100", KeyOrder, 12),
    ("da4c570004826161a2616100616100", KeyOrder, 12),
];

#[test]
fn what_no_writer_writes_is_refused_by_name_and_place() {
    for (hex, kind, at) in REFUSED {
        let bytes = unhex(&hex.replace(' ', ""));
        let error = decode(&bytes).expect_err(hex);
        assert_eq!((error.kind, error.at), (*kind, *at), "{hex}");
    }
    let long = [&unhex("da4c57000482790100")[..], &[b'n'; 256], &[0xa0]].concat();
    assert_eq!(decode(&long).unwrap_err().kind, TooLarge);
}

#[test]
fn every_beginning_of_a_value_is_truncated() {
    let value = from_json(&json!({
        "a": [1, 70_000, -3, 1.5, 1.1, {"$int": "18446744073709551616"}, {"$bytes": "00ff"}, {"$undefined": true}],
        "b": {"$set": ["x", {"$time": "2026-11-21T12:30:00.000000001Z"}]},
        "c": {"$map": [[1, {"$regex": {"source": "a", "flags": "i"}}], [2.5, {"$ref": {"path": "a/b"}}]]},
        "d": {"$struct": {"name": "s", "fields": {"f": {"$error": {"name": "e", "message": "m"}}}}},
    }))
    .unwrap();
    let bytes = encode(&value, 1_000).unwrap();
    for end in 0..bytes.len() {
        assert_eq!(decode(&bytes[..end]).map_err(|error| error.kind), Err(Truncated), "{end}");
        assert_eq!(ValueRef::parse(&bytes[..end]).map_err(|error| error.kind), Err(Truncated), "{end}");
    }
    assert_eq!(decode(&bytes), Ok(value));
}

#[test]
fn the_lazy_view_finds_what_decoding_finds() {
    let json = json!({
        "list": [1, "two", {"$bytes": "03"}],
        "set": {"$set": [1, 2]},
        "struct": {"$struct": {"name": "s", "fields": {"x": 1, "y": 2}}},
        "map": {"$map": [[1, "one"], [2.5, "half"], [[], {"$undefined": true}]]},
    });
    let value = from_json(&json).unwrap();
    let bytes = encode(&value, 1_000).unwrap();
    let view = ValueRef::parse(&bytes).unwrap();
    assert_eq!((view.kind(), view.count()), (ValueKind::Map, Some(4)));
    assert_eq!(view.decode(), Ok(value.clone()));

    let list = view.field("list").unwrap();
    assert_eq!((list.kind(), list.count()), (ValueKind::List, Some(3)));
    assert_eq!(list.item(1).unwrap().as_str(), Some("two"));
    assert_eq!(list.item(2).unwrap().as_bytes(), Some(&[3][..]));
    assert_eq!((list.item(3), list.field("x")), (None, None));

    let set = view.field("set").unwrap();
    assert_eq!((set.kind(), set.item(1).unwrap().decode()), (ValueKind::Set, Ok(Value::from(2))));
    let record = view.field("struct").unwrap();
    assert_eq!((record.kind(), record.field("y").unwrap().decode()), (ValueKind::Struct, Ok(Value::from(2))));
    assert_eq!(record.field("z"), None);

    let map = view.field("map").unwrap();
    let half = encode(&Value::from(2.5), 9).unwrap();
    assert_eq!(map.value_of(&half).unwrap().as_str(), Some("half"));
    assert_eq!(map.value_of(&[0x80]).unwrap().kind(), ValueKind::Undefined);
    assert_eq!(map.value_of(&[0x02]), None);
    assert_eq!(map.field("one"), None);
    let Value::Map(decoded) = &value else { panic!("no map") };
    let pairs: Vec<_> =
        view.pairs().unwrap().map(|(k, v)| (k.decode().unwrap(), v.decode().unwrap())).collect();
    assert_eq!(pairs, **decoded);
}

#[test]
fn the_lazy_view_names_every_kind() {
    let kinds = [
        (json!(null), ValueKind::Null),
        (json!({"$undefined": true}), ValueKind::Undefined),
        (json!(true), ValueKind::Bool),
        (json!(false), ValueKind::Bool),
        (json!(-1), ValueKind::Int),
        (json!({"$int": "-18446744073709551617"}), ValueKind::Int),
        (json!(1.5), ValueKind::Float),
        (json!(1.1), ValueKind::Float),
        (json!("s"), ValueKind::String),
        (json!({"$bytes": ""}), ValueKind::Bytes),
        (json!({"$time": "2000-01-01T00:00:00Z"}), ValueKind::Time),
        (json!({"$error": {"name": "e", "message": ""}}), ValueKind::Error),
        (json!({"$ref": {"path": "p"}}), ValueKind::Ref),
        (json!({"$regex": {"source": "", "flags": ""}}), ValueKind::Regex),
    ];
    for (json, kind) in kinds {
        let bytes = encode(&from_json(&json).unwrap(), 100).unwrap();
        assert_eq!(ValueRef::parse(&bytes).unwrap().kind(), kind, "{json}");
    }
    assert_eq!(ValueRef::parse(&[0xc1, 0x00]).unwrap().kind(), ValueKind::Unknown);
}

#[test]
fn maps_and_sets_find_their_items_however_they_were_built() {
    let keys: Vec<Value> =
        [json!(3), json!("b"), json!("aa"), json!(null), json!([1]), json!(-1), json!(0.5)]
            .iter()
            .map(|json| from_json(json).unwrap())
            .collect();
    let forth = Map::new(keys.iter().map(|key| (key.clone(), Value::Null)).collect()).unwrap();
    let back = Map::new(keys.iter().rev().map(|key| (key.clone(), Value::Null)).collect()).unwrap();
    assert_eq!(forth, back);
    let set: Set = keys.iter().chain(&keys).cloned().collect();
    assert_eq!(set.len(), keys.len());
    assert!(keys.iter().all(|key| set.contains(key) && forth.get(key) == Some(&Value::Null)));
    assert!(!set.contains(&Value::from(4)));
}
