use alloc::string::ToString;
use alloc::vec::Vec;

use serde_json::json;

use crate::wire::value::{Time, Value, from_json, to_json};

#[test]
fn a_bad_view_is_refused_with_its_place_and_what_would_be_right() {
    let zeros = "0".repeat(64);
    let bad = [
        (json!(9_007_199_254_740_992_u64), "", "$int"),
        (json!(u64::MAX), "", "$int"),
        (json!(-9_007_199_254_740_992_i64), "", "$int"),
        (json!(1e300), "", "$float"),
        (json!([0, {"a/b~": 1e16}]), "/1/a~1b~0", "2^53 - 1"),
        (json!({"$undefined": false}), "", r#"{"$undefined": true}"#),
        (json!({"$int": 5}), "", "decimal digits"),
        (json!({"$int": "05"}), "", "no leading zeros"),
        (json!({"$int": "-0"}), "", "decimal digits"),
        (json!({"$int": "+1"}), "", "decimal digits"),
        (json!({"$int": ""}), "", "decimal digits"),
        (json!({"$int": "1e3"}), "", "decimal digits"),
        (json!({"$float": "1.5"}), "", "hexadecimal"),
        (json!({"$float": "nan"}), "", "NaN"),
        (json!({"$float": "7ff8000000000000"}), "", "NaN"),
        (json!({"$float": "3ff0000000000000"}), "", "beyond"),
        (json!({"$float": "43E0000000000000"}), "", "hexadecimal"),
        (json!({"$bytes": "0"}), "", "two a byte"),
        (json!({"$bytes": "AB"}), "", "lower-case"),
        (json!({"$time": 5}), "", "2026-11-21T12:30:00Z"),
        (json!({"$map": {}}), "/$map", "[key, value]"),
        (json!({"$map": [[1]]}), "/$map/0", "[key, value]"),
        (json!({"$map": [[1, 2], [1, 3]]}), "/$map", "different"),
        (json!({"$map": [[1, {"$x": 1}]]}), "/$map/0/1", "$undefined"),
        (json!({"$set": [1, 1]}), "/$set", "different"),
        (json!({"$set": 1}), "/$set", "array"),
        (json!({"$error": {"name": "", "message": ""}}), "/$error", "1 to 255 bytes"),
        (json!({"$error": {"name": "n"}}), "/$error", "message"),
        (json!({"$error": {"name": "n", "message": "", "x": 1}}), "/$error", "detail"),
        (
            json!({"$error": {"name": "n", "message": "", "detail": {"$x": 1}}}),
            "/$error/detail",
            "$undefined",
        ),
        (json!({"$ref": {}}), "/$ref", "one of them"),
        (json!({"$ref": {"node": "ab"}}), "/$ref", "64"),
        (json!({"$ref": {"path": ""}}), "/$ref", "path"),
        (json!({"$ref": {"node": zeros, "path": null}}), "/$ref", "path"),
        (json!({"$regex": {"source": "a"}}), "/$regex", "flags"),
        (json!({"$regex": {"source": "a", "flags": "mi"}}), "/$regex", "ascending"),
        (json!({"$struct": {"name": "n"}}), "/$struct", "fields"),
        (json!({"$struct": {"name": "n", "fields": {"$int": "1"}}}), "/$struct/fields", "another $"),
        (json!({"$struct": {"name": "n", "fields": {"f": {"$": 1}}}}), "/$struct/fields/f", "another $"),
        (json!({"$int": "1", "x": 1}), "", "alone"),
        (json!({"$a": 1, "$b": 1}), "", "alone"),
        (json!({"$$a": 1, "$int": "1"}), "", "alone"),
        (json!({"$": 1}), "", "another $"),
        (json!({"a": {"$INT": "1"}}), "/a", "another $"),
    ];
    for (json, pointer, expected) in bad {
        let error = from_json(&json).expect_err(&json.to_string());
        assert_eq!(error.pointer, pointer, "{json}");
        assert!(error.expected.contains(expected), "{json}: {error}");
    }
}

#[test]
fn numbers_without_a_fraction_are_integers_however_they_are_spelled() {
    for (text, value) in
        [("1", 1), ("1.0", 1), ("1e3", 1_000), ("-0.0", 0), ("9007199254740991", 9_007_199_254_740_991_i64)]
    {
        assert_eq!(from_json(&serde_json::from_str(text).unwrap()).unwrap(), Value::from(value), "{text}");
    }
    assert_eq!(from_json(&json!({"$float": 1})).unwrap(), Value::from(1.0));
    assert_eq!(from_json(&json!({"$float": 1.5})).unwrap(), Value::from(1.5));
    assert_eq!(to_json(&Value::from(1.5), 9).unwrap(), json!(1.5));
    assert_eq!(to_json(&Value::from(2.0), 9).unwrap(), json!({"$float": 2}));
}

#[test]
fn pairs_and_items_may_come_in_any_order() {
    let one = from_json(&json!({"$map": [["b", 1], [1, {"$set": [2, 1]}]]})).unwrap();
    let two = from_json(&json!({"$map": [[1, {"$set": [1, 2]}], ["b", 1]]})).unwrap();
    assert_eq!(one, two);
    assert_eq!(to_json(&one, 100).unwrap(), json!({"$map": [[1, {"$set": [1, 2]}], ["b", 1]]}));
    let plain = from_json(&json!({"$map": [["b", 1]]})).unwrap();
    assert_eq!(to_json(&plain, 100).unwrap(), json!({"b": 1}));
}

#[test]
fn a_time_has_one_spelling() {
    let bad: Vec<&str> = "2026-11-21 12:30:00Z|2026-11-21T12:30:00|2026-11-21t12:30:00Z|2026-02-29T00:00:00Z|\
        2026-11-21T24:00:00Z|2026-11-21T12:60:00Z|2026-11-21T12:30:60Z|0000-01-01T00:00:00Z|2026-13-01T00:00:00Z|\
        2026-00-01T00:00:00Z|2026-01-00T00:00:00Z|2026-04-31T00:00:00Z|10000-01-01T00:00:00Z|2026-11-21T12:30:00.5Z|\
        2026-11-21T12:30:00.000000000Z|2026-11-21T12:30:00.123456789|2026-11-21T12:30:00.1234567890Z|\
        2026-11-21T12:30:00+00:00|+026-11-21T12:30:00Z|2026-11-21T12:30:00ZZ|Z||é026-11-21T12:30:00Z|-001-01-01T00:00:00Z"
        .split('|')
        .collect();
    for text in bad {
        assert!(text.parse::<Time>().is_err(), "{text}");
    }
    assert_eq!("2000-02-29T23:59:59Z".parse::<Time>().unwrap().seconds(), 951_868_799);
    assert_eq!("1969-12-31T23:59:59.999999999Z".parse(), Ok(Time::new(-1, 999_999_999).unwrap()));
}
