//! Laws of values: one encoding and one JSON view each, both lossless.

mod document;
mod json_view;
mod laws;
mod limits;
mod reading;
mod scenarios;

use alloc::string::String;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::{ErrorValue, Int, Map, Ref, Regex, Set, Struct, Time, Value};
use crate::identity::NodeId;

fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "{text}");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Strings that look like tags, and others.
fn text() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        3 => "\\$?\\$?(int|bytes|x|map)?",
        1 => any::<String>(),
        1 => Just(String::from("$")),
    ]
}

fn int() -> impl Strategy<Value = Int> {
    let edge = (0_u32..=127, -2_i128..=2).prop_map(|(bits, off)| (1_i128 << bits.min(126)).wrapping_add(off));
    prop_oneof![
        any::<i64>().prop_map(Int::from),
        any::<i128>().prop_map(Int::from),
        any::<u128>().prop_map(Int::from),
        edge.clone().prop_map(Int::from),
        edge.prop_map(|value| Int::from(-value)),
        (any::<bool>(), prop::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(negative, magnitude)| Int::from_magnitude(negative, &magnitude).unwrap()),
    ]
}

fn float() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        any::<f32>().prop_map(f64::from),
        any::<u16>().prop_map(crate::wire::cbor::f16_value),
        any::<i32>().prop_map(|value| f64::from(value) / 4.0),
        any::<i64>().prop_map(|value| value as f64),
        prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(-0.0), Just(0.0)],
    ]
}

fn reference() -> impl Strategy<Value = Ref> {
    let node = any::<[u8; 32]>().prop_map(NodeId::from_bytes);
    let path = "[a-z$]{1,5}(/[a-z]{1,5}){0,2}".prop_map(|path| path.parse().unwrap());
    prop_oneof![
        node.clone().prop_map(Ref::Node),
        path.clone().prop_map(Ref::Path),
        (node, path).prop_map(|(node, path)| Ref::PathOn(node, path)),
    ]
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(Value::Undefined),
        any::<bool>().prop_map(Value::from),
        int().prop_map(Value::from),
        float().prop_map(Value::from),
        text().prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::from),
        (Time::SECONDS_MIN..=Time::SECONDS_MAX, prop_oneof![Just(0), 0..1_000_000_000_u32])
            .prop_map(|(seconds, nanos)| Value::from(Time::new(seconds, nanos).unwrap())),
        reference().prop_map(Value::from),
        (text(), "(g)?(i)?(m)?").prop_map(|(source, flags)| Value::from(Regex::new(source, &flags).unwrap())),
    ]
}

/// Pairs without the second of two equal keys.
fn map_of(mut pairs: Vec<(Value, Value)>) -> Map {
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    pairs.dedup_by(|a, b| a.0 == b.0);
    Map::new(pairs).unwrap()
}

/// Any value.
fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 40, 6, |inner| {
        let fields = prop::collection::btree_map(text(), inner.clone(), 0..5);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((inner.clone(), inner.clone()), 0..5)
                .prop_map(|pairs| Value::from(map_of(pairs))),
            fields.clone().prop_map(|fields| {
                let pairs = fields.into_iter().map(|(key, value)| (Value::from(key), value)).collect();
                Value::from(Map::new(pairs).unwrap())
            }),
            prop::collection::vec(inner.clone(), 0..6)
                .prop_map(|items| Value::from(items.into_iter().collect::<Set>())),
            ("[a-z$]{1,30}", text(), inner.clone()).prop_map(|(name, message, detail)| Value::from(
                ErrorValue::new(name, message, detail).unwrap()
            )),
            ("[a-z$]{1,30}", fields)
                .prop_map(|(name, fields)| Value::from(Struct::new(name, fields).unwrap())),
        ]
    })
}
