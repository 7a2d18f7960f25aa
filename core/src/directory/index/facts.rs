//! What sets say, each thing once: facts by key, and who holds them.
//!
//! A fact is a key with a value, or a key alone. Every tag and every metadata entry is one, read when its set comes in, so
//! that no query reads a text again. The entries of numbered lists are facts besides (`software.model.3.id=x` says that there
//! is a model `x`), because queries ask for them without their numbers.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;

use slab::Slab;

use super::slots::SlotSet;
use crate::capability::filter::ListField;
use crate::capability::{Axis, CapabilitySet, Tag, number};

/// What a key belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Tags with an axis.
    Axis(Axis),
    /// Metadata.
    Metadata,
    /// Reserved tags. There is one key, and the whole tags are its values.
    Reserved,
    /// Free tags; as with reserved ones.
    Free,
    /// A field of all entries of a numbered list; one key each.
    List(ListField),
}

impl Kind {
    const COUNT: usize = 7 + ListField::ALL.len();

    fn index(self) -> usize {
        match self {
            Self::Axis(axis) => axis as usize,
            Self::Metadata => 4,
            Self::Reserved => 5,
            Self::Free => 6,
            Self::List(field) => {
                7 + ListField::ALL.iter().position(|known| *known == field).unwrap_or_default()
            }
        }
    }
}

/// The name of the one key of kinds that have only one.
const ONLY: &str = "";

/// A fact of some slot: the number of its key, and its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FactRef {
    pub(super) key: u32,
    pub(super) fact: u32,
}

/// A key, and its facts.
#[derive(Debug)]
pub(super) struct Key {
    kind: Kind,
    name: Arc<str>,
    /// Who has any fact of this key.
    pub(super) holders: SlotSet,
    /// The fact without a value.
    bare: Option<u32>,
    by_text: BTreeMap<Arc<str>, u32>,
    by_number: BTreeSet<(Number, u32)>,
}

impl Key {
    /// The fact with this value.
    pub(super) fn with_text(&self, text: &str) -> Option<u32> {
        self.by_text.get(text).copied()
    }

    /// The facts with a value, and how many there are.
    pub(super) fn with_texts(&self) -> impl ExactSizeIterator<Item = u32> {
        self.by_text.values().copied()
    }

    /// The facts whose values are numbers within the range.
    pub(super) fn with_numbers(&self, range: Range) -> impl Iterator<Item = u32> + Clone {
        let bounds = (Number::new(range.min), 0)..=(Number::new(range.max), u32::MAX);
        // A range that ends before it begins would panic.
        let facts = (range.min <= range.max).then(|| self.by_number.range(bounds));
        facts.into_iter().flatten().map(|(_, fact)| *fact)
    }

    /// How many of its values are numbers.
    pub(super) fn numbers(&self) -> usize {
        self.by_number.len()
    }

    fn is_unused(&self) -> bool {
        self.bare.is_none() && self.by_text.is_empty()
    }
}

/// Numbers from `min` to `max`, both included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range {
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Range {
    pub(super) fn at_least(min: f64) -> Self {
        Self { min, max: f64::INFINITY }
    }

    /// Whether a number is within; NaN, which stands for no number, is not.
    pub(super) fn contains(self, number: f64) -> bool {
        self.min <= number && number <= self.max
    }
}

/// A number that is one, in ascending order.
#[derive(Clone, Copy, Debug)]
struct Number(f64);

impl Number {
    /// Both zeros become one: they are equal to whoever compares with them.
    fn new(number: f64) -> Self {
        Self(number + 0.0)
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Number {}

/// A fact.
#[derive(Debug)]
pub(super) struct Fact {
    value: Option<Arc<str>>,
    /// The number that the value is; NaN where it is none.
    pub(super) number: f64,
    /// Who says so.
    pub(super) holders: SlotSet,
}

impl Fact {
    /// The value, where there is one.
    pub(super) fn text(&self) -> Option<&str> {
        self.value.as_deref()
    }
}

/// All facts that some slot holds.
#[derive(Debug)]
pub(super) struct Facts {
    key_ids: [BTreeMap<Arc<str>, u32>; Kind::COUNT],
    keys: Slab<Key>,
    all: Slab<Fact>,
}

impl Facts {
    pub(super) fn new() -> Self {
        Self { key_ids: core::array::from_fn(|_| BTreeMap::new()), keys: Slab::new(), all: Slab::new() }
    }

    /// The number of a key that some slot has.
    pub(super) fn key_id(&self, kind: Kind, name: &str) -> Option<u32> {
        self.key_ids[kind.index()].get(name).copied()
    }

    /// The number of the one key of a kind that has only one.
    pub(super) fn only_key(&self, kind: Kind) -> Option<u32> {
        self.key_id(kind, ONLY)
    }

    /// The key of this number, which must be in use.
    pub(super) fn key(&self, id: u32) -> &Key {
        &self.keys[id as usize]
    }

    /// The fact of this number, which must be in use.
    pub(super) fn fact(&self, id: u32) -> &Fact {
        &self.all[id as usize]
    }

    /// The fact that a tag is, where some slot holds it.
    pub(super) fn of_tag(&self, tag: &str) -> Option<u32> {
        let said = Said::by_tag(tag);
        let key = self.key(self.key_id(said.kind, said.name)?);
        match said.value {
            Some(text) => key.with_text(text),
            None => key.bare,
        }
    }

    /// The facts that a set says, sorted, each once. New ones are made, and nobody holds them yet.
    pub(super) fn read(&mut self, set: &CapabilitySet) -> Vec<FactRef> {
        let mut refs = Vec::with_capacity(set.tags().len() + set.metadata().len());
        for tag in set.tags() {
            refs.push(self.intern(&Said::by_tag(tag)));
            let Tag::Value { axis: Axis::Software, key, value } = Tag::parse(tag) else { continue };
            let Some(field) = ListField::ALL.into_iter().find(|field| field.is(key)) else { continue };
            for item in value.split(|c| c == ',' && field == ListField::MODALITIES) {
                refs.push(self.intern(&Said { kind: Kind::List(field), name: ONLY, value: Some(item) }));
            }
        }
        for (key, value) in set.metadata() {
            refs.push(self.intern(&Said { kind: Kind::Metadata, name: key, value: Some(value) }));
        }
        refs.sort_unstable();
        refs.dedup();
        refs
    }

    /// The slot holds the fact from now on.
    pub(super) fn hold(&mut self, slot: u32, fact: FactRef) {
        self.all[fact.fact as usize].holders.insert(slot);
        self.keys[fact.key as usize].holders.insert(slot);
    }

    /// The slot no longer holds the fact, and no other of its key unless `keeps_key`. What nobody holds is forgotten.
    pub(super) fn release(&mut self, slot: u32, reference: FactRef, keeps_key: bool) {
        let key = &mut self.keys[reference.key as usize];
        if !keeps_key {
            key.holders.remove(slot);
        }
        let fact = &mut self.all[reference.fact as usize];
        fact.holders.remove(slot);
        if !fact.holders.is_empty() {
            return;
        }
        match &fact.value {
            Some(text) => key.by_text.remove(text),
            None => key.bare.take(),
        };
        if !fact.number.is_nan() {
            key.by_number.remove(&(Number::new(fact.number), reference.fact));
        }
        self.all.remove(reference.fact as usize);
        if key.is_unused() {
            self.key_ids[key.kind.index()].remove(&key.name);
            self.keys.remove(reference.key as usize);
        }
    }

    /// How many facts there are.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Bytes that keys and facts take, about.
    pub(super) fn memory(&self) -> usize {
        /// The counters before a shared text.
        const SHARED: usize = 16;
        let keys = self.keys.iter().map(|(_, key)| key.name.len() + SHARED + key.holders.heap_len());
        let facts = self.all.iter().map(|(_, fact)| {
            fact.value.as_ref().map_or(0, |text| text.len() + SHARED) + fact.holders.heap_len()
        });
        // Trees keep their nodes between half and whole full, and have an eleventh of inner nodes.
        let entry = (size_of::<Arc<str>>() + size_of::<u32>()) * 3 / 2;
        let number = size_of::<(Number, u32)>() * 3 / 2;
        let numbers: usize = self.keys.iter().map(|(_, key)| key.by_number.len() * number).sum();
        keys.sum::<usize>()
            + facts.sum::<usize>()
            + numbers
            + self.keys.capacity() * (size_of::<Key>() + 8)
            + self.all.capacity() * (size_of::<Fact>() + 8)
            + (self.keys.len() + self.all.len()) * entry
    }

    fn intern(&mut self, said: &Said<'_>) -> FactRef {
        let key = self.key_id(said.kind, said.name).unwrap_or_else(|| {
            let name: Arc<str> = said.name.into();
            let id = self.keys.insert(Key {
                kind: said.kind,
                name: Arc::clone(&name),
                holders: SlotSet::new(),
                bare: None,
                by_text: BTreeMap::new(),
                by_number: BTreeSet::new(),
            });
            self.key_ids[said.kind.index()].insert(name, id as u32);
            id as u32
        });
        FactRef { key, fact: self.intern_fact(key, said.value) }
    }

    fn intern_fact(&mut self, key: u32, value: Option<&str>) -> u32 {
        let key = &mut self.keys[key as usize];
        let Some(text) = value else {
            let new = Fact { value: None, number: f64::NAN, holders: SlotSet::new() };
            return *key.bare.get_or_insert_with(|| self.all.insert(new) as u32);
        };
        if let Some(known) = key.by_text.get(text) {
            return *known;
        }
        let number = number::parse(text).unwrap_or(f64::NAN);
        let text: Arc<str> = text.into();
        let new = Fact { value: Some(Arc::clone(&text)), number, holders: SlotSet::new() };
        let id = self.all.insert(new) as u32;
        key.by_text.insert(text, id);
        if !number.is_nan() {
            key.by_number.insert((Number::new(number), id));
        }
        id
    }
}

/// What a set says, before it is a fact.
struct Said<'a> {
    kind: Kind,
    name: &'a str,
    value: Option<&'a str>,
}

impl<'a> Said<'a> {
    fn by_tag(text: &'a str) -> Self {
        match Tag::parse(text) {
            Tag::Presence { axis, key } => Self { kind: Kind::Axis(axis), name: key, value: None },
            Tag::Value { axis, key, value } => Self { kind: Kind::Axis(axis), name: key, value: Some(value) },
            Tag::Reserved { .. } => Self { kind: Kind::Reserved, name: ONLY, value: Some(text) },
            Tag::Free(_) => Self { kind: Kind::Free, name: ONLY, value: Some(text) },
        }
    }
}
