//! Equality and order of values: those of their encodings, found without encoding.
//!
//! Heads are as short as they can be, so of two items of one type the shorter sorts first, and of two types the one with
//! the smaller first byte. Nodes that are the same in memory are not looked into.

use core::cmp::Ordering;

use super::{ErrorValue, Int, List, Map, Ref, Regex, Set, Struct, Time, Value, encode, tag};

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        // Different lengths settle most cases at once.
        self.size() == other.size() && self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a.cmp_encoded(b),
            (Self::Float(a), Self::Float(b)) => encode::float_key(*a).cmp(&encode::float_key(*b)),
            (Self::String(a), Self::String(b)) => strings(a.as_bytes(), b.as_bytes()),
            (Self::Bytes(a), Self::Bytes(b)) => strings(a, b),
            (Self::Time(a), Self::Time(b)) => times(*a, *b),
            (Self::List(a), Self::List(b)) => lists(a, b),
            (Self::Map(a), Self::Map(b)) => maps(a, b),
            (Self::Set(a), Self::Set(b)) => sets(a, b),
            (Self::Error(a), Self::Error(b)) => errors(a, b),
            (Self::Ref(a), Self::Ref(b)) => references(a, b),
            (Self::Regex(a), Self::Regex(b)) => regexes(a, b),
            (Self::Struct(a), Self::Struct(b)) => structs(a, b),
            _ => lead(self).cmp(&lead(other)),
        }
    }
}

/// The first bytes of the encoding, as far as they tell types apart.
fn lead(value: &Value) -> (u8, u64) {
    let tagged = |number: u64| (0xc0 + number.min(27) as u8, number);
    match value {
        Value::Int(int) if int.to_u64().is_some() => (0x00, 0),
        Value::Int(int) => match int.0 {
            super::int::Repr::BigUnsigned(_) => tagged(tag::BIG_UNSIGNED),
            super::int::Repr::BigNegative(_) => tagged(tag::BIG_NEGATIVE),
            _ => (0x20, 0),
        },
        Value::Bytes(_) => (0x40, 0),
        Value::String(_) => (0x60, 0),
        Value::List(_) => (0x80, 0),
        Value::Map(_) => (0xa0, 0),
        Value::Set(_) => tagged(tag::SET),
        Value::Time(_) => tagged(tag::TIME),
        Value::Error(_) => tagged(tag::ERROR),
        Value::Ref(_) => tagged(tag::REF),
        Value::Regex(_) => tagged(tag::REGEX),
        Value::Struct(_) => tagged(tag::STRUCT),
        Value::Bool(false) => (0xf4, 0),
        Value::Bool(true) => (0xf5, 0),
        Value::Null => (0xf6, 0),
        Value::Undefined => (0xf7, 0),
        Value::Float(_) => (0xf9, 0),
    }
}

fn strings(a: &[u8], b: &[u8]) -> Ordering {
    (a.len(), a).cmp(&(b.len(), b))
}

fn times(a: Time, b: Time) -> Ordering {
    // A time on the full second is a map of one pair, others have two.
    let key = |time: Time| (time.nanos() > 0, Int::from(time.seconds()), time.nanos());
    let ((a_two, a_seconds, a_nanos), (b_two, b_seconds, b_nanos)) = (key(a), key(b));
    a_two.cmp(&b_two).then_with(|| a_seconds.cmp_encoded(&b_seconds)).then(a_nanos.cmp(&b_nanos))
}

fn lists(a: &List, b: &List) -> Ordering {
    if a.is_same(b) { Ordering::Equal } else { a.len().cmp(&b.len()).then_with(|| a.iter().cmp(b.iter())) }
}

fn maps(a: &Map, b: &Map) -> Ordering {
    if a.is_same(b) { Ordering::Equal } else { a.len().cmp(&b.len()).then_with(|| a.iter().cmp(b.iter())) }
}

fn sets(a: &Set, b: &Set) -> Ordering {
    if a.is_same(b) { Ordering::Equal } else { a.len().cmp(&b.len()).then_with(|| a.iter().cmp(b.iter())) }
}

fn errors(a: &ErrorValue, b: &ErrorValue) -> Ordering {
    strings(a.name().as_bytes(), b.name().as_bytes())
        .then_with(|| strings(a.message().as_bytes(), b.message().as_bytes()))
        .then_with(|| a.detail().cmp(b.detail()))
}

fn references(a: &Ref, b: &Ref) -> Ordering {
    // Null sorts after bytes and text.
    let node = |it: &Ref| (it.node().is_none(), it.node().copied());
    let path = |it: &Ref| (it.path().is_none(), it.path().map_or(0, |path| path.as_str().len()));
    node(a).cmp(&node(b)).then_with(|| path(a).cmp(&path(b))).then_with(|| a.path().cmp(&b.path()))
}

fn regexes(a: &Regex, b: &Regex) -> Ordering {
    strings(a.source().as_bytes(), b.source().as_bytes())
        .then_with(|| strings(a.flags().as_bytes(), b.flags().as_bytes()))
}

fn structs(a: &Struct, b: &Struct) -> Ordering {
    strings(a.name().as_bytes(), b.name().as_bytes()).then_with(|| maps(a.fields(), b.fields()))
}

impl PartialEq for List {
    fn eq(&self, other: &Self) -> bool {
        self.size() == other.size() && lists(self, other) == Ordering::Equal
    }
}

impl Eq for List {}

impl PartialEq for Map {
    fn eq(&self, other: &Self) -> bool {
        self.size() == other.size() && maps(self, other) == Ordering::Equal
    }
}

impl Eq for Map {}

impl PartialEq for Set {
    fn eq(&self, other: &Self) -> bool {
        self.size() == other.size() && sets(self, other) == Ordering::Equal
    }
}

impl Eq for Set {}

impl PartialEq for ErrorValue {
    fn eq(&self, other: &Self) -> bool {
        errors(self, other) == Ordering::Equal
    }
}

impl Eq for ErrorValue {}

impl PartialEq for Struct {
    fn eq(&self, other: &Self) -> bool {
        structs(self, other) == Ordering::Equal
    }
}

impl Eq for Struct {}
