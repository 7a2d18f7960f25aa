use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use serde_json::json;

use crate::wire::value::{Int, List, Map, Set, Value, decode, encode, from_json, to_json};

/// Through the encoding and through the JSON view as text, and back to itself.
fn travels(value: &Value) {
    let bytes = encode(value, 1 << 20).unwrap();
    let decoded = decode(&bytes).unwrap();
    assert_eq!(&decoded, value);
    assert_eq!(encode(&decoded, 1 << 20).unwrap(), bytes);
    let text = to_json(value, 1 << 20).unwrap().to_string();
    let read = from_json(&serde_json::from_str(&text).unwrap()).unwrap();
    assert_eq!(encode(&read, 1 << 20).unwrap(), bytes, "{text}");
}

fn float_bits(value: &Value) -> u64 {
    let Value::Float(float) = value else { panic!("{value:?} is no float") };
    float.to_bits()
}

#[test]
fn c15_special_floats_keep_what_they_are() {
    for float in
        [f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0, 1.0, 1.5, 5e-324, f64::MAX, 2_f64.powi(53), 1e-7]
    {
        travels(&Value::from(float));
        let decoded = decode(&encode(&Value::from(float), 9).unwrap()).unwrap();
        assert_eq!(float_bits(&decoded), float.to_bits());
        let read = from_json(&to_json(&Value::from(float), 9).unwrap()).unwrap();
        assert_eq!(float_bits(&read), float.to_bits());
    }
    for bits in [0x7ff8_0000_0000_0000, 0xfff8_0000_0000_0000, 0x7ff0_0000_0000_0001, u64::MAX] {
        let nan = Value::from(f64::from_bits(bits));
        travels(&nan);
        assert_eq!(encode(&nan, 3).unwrap(), [0xf9, 0x7e, 0x00]);
        assert_eq!(nan, Value::from(f64::NAN));
    }
    assert_ne!(Value::from(0.0), Value::from(-0.0));
    assert_ne!(Value::from(1.0), Value::from(1));
}

#[test]
fn c15_undefined_stays_in_maps_and_lists() {
    let map =
        Map::new(vec![(Value::from("unset"), Value::Undefined), (Value::from("null"), Value::Null)]).unwrap();
    let value = Value::from(vec![Value::Undefined, Value::from(map), Value::Null]);
    travels(&value);
    let Value::List(list) = decode(&encode(&value, 100).unwrap()).unwrap() else { panic!("no list") };
    assert!(matches!((&list[0], &list[2]), (Value::Undefined, Value::Null)));
    let Value::Map(map) = &list[1] else { panic!("no map") };
    assert_eq!(map.get(&Value::from("unset")), Some(&Value::Undefined));
    assert_ne!(Value::Undefined, Value::Null);
}

#[test]
fn c15_bytes_sets_bigints_and_maps_with_any_key_travel() {
    let bytes = Value::from((0..=255).collect::<Vec<u8>>());
    let set: Set = [bytes.clone(), Value::from(1), Value::from(1.0), Value::Null].into_iter().collect();
    let big: Int = "-123456789012345678901234567890123456789012345678901234567890".parse().unwrap();
    let keys = [
        Value::from(set),
        bytes,
        Value::from(big),
        Value::from(f64::NAN),
        Value::Undefined,
        Value::from("k"),
    ];
    let map = Map::new(keys.iter().cloned().map(|key| (key.clone(), key)).collect()).unwrap();
    let value = Value::from(map.clone());
    travels(&value);
    let nested = Map::new(vec![(value.clone(), value)]).unwrap();
    travels(&Value::from(nested));
    for key in keys {
        assert_eq!(map.get(&key), Some(&key));
    }
}

#[test]
fn c15_a_shared_sub_object_travels_as_equal_copies() {
    let shared = Value::from(vec![Value::from("shared"), Value::from(1)]);
    let value = Value::from(vec![shared.clone(), shared.clone(), shared.clone()]);
    let Value::List(list) = &value else { panic!("no list") };
    let same =
        |a: &Value, b: &Value| matches!((a, b), (Value::List(a), Value::List(b)) if List::is_same(a, b));
    assert!(same(&list[0], &list[2]), "cloning shares");
    travels(&value);
    let Value::List(decoded) = decode(&encode(&value, 100).unwrap()).unwrap() else { panic!("no list") };
    assert!(decoded.iter().all(|item| *item == shared));
    assert!(!same(&decoded[0], &decoded[2]), "the encoding knows no sharing");
}

#[test]
fn c16_marker_like_user_data_is_untouched() {
    let markers =
        ["$int", "$bytes", "$undefined", "$", "$$", "$$int", "$map", "$ref", "$set", "$struct", "$x"];
    for marker in markers {
        let single = Value::from(Map::new(vec![(Value::from(marker), Value::from("7"))]).unwrap());
        travels(&single);
        travels(&Value::from(Map::new(vec![(Value::from(marker), single.clone())]).unwrap()));
        travels(&Value::from(
            Map::new(vec![(Value::from(marker), single), (Value::from("b"), Value::Null)]).unwrap(),
        ));
        travels(&Value::from(marker));
    }
    let all = markers.map(|marker| (Value::from(marker), Value::Undefined));
    travels(&Value::from(Map::new(all.to_vec()).unwrap()));
}

#[test]
fn c16_a_user_map_that_looks_like_a_tag_is_escaped_and_a_tag_is_not() {
    let user = Value::from(Map::new(vec![(Value::from("$int"), Value::from("7"))]).unwrap());
    assert_eq!(to_json(&user, 100).unwrap(), json!({"$$int": "7"}));
    assert_eq!(from_json(&json!({"$$int": "7"})).unwrap(), user);
    assert_eq!(from_json(&json!({"$int": "7"})).unwrap(), Value::from(7));
    assert_eq!(from_json(&json!("$int")).unwrap(), Value::from("$int"), "strings are never looked at");
}
