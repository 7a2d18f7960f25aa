use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use std::vec;

use proptest::prelude::*;

use super::*;
use crate::capability::view::GpuVendor;
use crate::capability::{Filter, ScopeQuery, TagKey};
use crate::predicate::{Clause, Node, Predicate, VersionBound};

const SLOTS: u32 = 90;

/// The index next to what it must be equal to: a look at every set.
struct Pair {
    index: CapabilityIndex,
    sets: BTreeMap<u32, CapabilitySet>,
}

impl Pair {
    fn new() -> Self {
        Self { index: CapabilityIndex::new(SLOTS), sets: BTreeMap::new() }
    }

    fn apply(&mut self, (slot, set): (u32, Option<CapabilitySet>)) {
        match set {
            Some(set) => {
                self.index.insert(slot, &set).unwrap();
                self.sets.insert(slot, set);
            }
            None => assert_eq!(self.index.remove(slot), self.sets.remove(&slot).is_some()),
        }
    }

    fn scan(&self, matches: impl Fn(&CapabilitySet) -> bool) -> SlotSet {
        self.sets.iter().filter(|(_, set)| matches(set)).map(|(slot, _)| *slot).collect()
    }
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        5 => (0_u32..6).prop_map(|number| alloc::format!("{number}")),
        1 => prop::sample::select(["2.5", "-0", "1e1", "inf", "-inf", "NaN", "x", "", "0x2", "4.0"].map(String::from).to_vec()),
    ]
}

fn separator() -> impl Strategy<Value = &'static str> {
    prop::sample::select(["=", "=", ":"].to_vec())
}

fn tag() -> impl Strategy<Value = String> {
    let numbered = "hardware\\.(memory_gb|gpu\\.vram_gb|gpu)|software\\.model\\.[01x]\\.context_length";
    prop_oneof![
        (numbered, separator(), number()).prop_map(|(key, separator, number)| key + separator + &number),
        ("hardware\\.gpu\\.vendor", separator(), "nvidia|amd|voodoo")
            .prop_map(|(key, s, value)| key + s + &value),
        ("software\\.(model\\.[01x]\\.id|tool\\.[01]\\.tool_id)", separator(), "[abc]")
            .prop_map(|(key, s, value)| key + s + &value),
        "software\\.model\\.[01]\\.modalities=(text|code|,){1,4}",
        "hardware\\.gpu|hardware\\.memory_gb|[abc]|devices\\.[ab]",
        "scope:(tenant:[ab]?|region:[ab]|subnet-local|other)",
    ]
}

fn set() -> impl Strategy<Value = CapabilitySet> {
    let tags = prop::collection::vec(tag(), 0..10);
    let metadata = prop::collection::vec(("[abc]", number()), 0..4);
    (tags, metadata).prop_map(|(tags, metadata)| {
        let mut set = CapabilitySet::new();
        for tag in tags {
            set.insert_tag(&tag).unwrap();
        }
        for (key, value) in metadata {
            set.insert_metadata(&key, &value).unwrap();
        }
        set
    })
}

/// Nodes that come, change and go.
fn churn() -> impl Strategy<Value = Vec<(u32, Option<CapabilitySet>)>> {
    prop::collection::vec((0..SLOTS, prop::option::weighted(0.8, set())), 1..150)
}

fn texts(pattern: &'static str) -> impl Strategy<Value = Vec<String>> {
    prop_oneof![3 => Just(Vec::new()), 2 => prop::collection::vec(pattern, 1..3)]
}

fn filter() -> impl Strategy<Value = Filter> {
    let min = || prop::option::weighted(0.3, 0_u64..7);
    let tags = prop_oneof![3 => Just(Vec::new()), 2 => prop::collection::vec(tag(), 1..3)];
    let vendor =
        prop::option::weighted(0.3, prop::sample::select([GpuVendor::Nvidia, GpuVendor::Intel].to_vec()));
    (
        tags,
        texts("[abcd]"),
        texts("[abcd]"),
        min(),
        prop::bool::weighted(0.3),
        vendor,
        min(),
        min(),
        texts("text|code|"),
    )
        .prop_map(
            |(
                require_tags,
                require_models,
                require_tools,
                min_memory_gb,
                require_gpu,
                gpu_vendor,
                min_vram_gb,
                min_context_length,
                modalities,
            )| Filter {
                require_tags,
                require_models,
                require_tools,
                min_memory_gb,
                require_gpu,
                gpu_vendor,
                min_vram_gb,
                min_context_length,
                modalities,
            },
        )
}

fn scope_query() -> impl Strategy<Value = ScopeQuery> {
    prop_oneof![
        Just(ScopeQuery::Any),
        Just(ScopeQuery::GlobalOnly),
        Just(ScopeQuery::SameSubnet),
        prop::collection::vec("[abc]?", 0..3)
            .prop_map(|ids| ScopeQuery::tenants(ids.iter().map(String::as_str))),
        prop::collection::vec("[abc]?", 0..3)
            .prop_map(|names| ScopeQuery::regions(names.iter().map(String::as_str))),
    ]
}

fn clause() -> impl Strategy<Value = Clause> {
    let key = || {
        let keys = [
            "hardware.gpu",
            "hardware.memory_gb",
            "hardware.gpu.vendor",
            "software.model.0.id",
            "devices.a",
            "devices.nothing",
        ];
        prop::sample::select(keys.to_vec()).prop_map(|key| key.parse::<TagKey>().unwrap())
    };
    let version = || prop::sample::select(["1", "2.0", "4", "x"].to_vec()).prop_map(VersionBound::from);
    let text = || prop_oneof![number(), "nvidia|amd|[abc]|vo|"];
    let bound = || -1.0..6.0;
    prop_oneof![
        key().prop_map(|key| Clause::Exists { key }),
        (key(), text()).prop_map(|(key, value)| Clause::Equals { key, value }),
        (key(), bound()).prop_map(|(key, threshold)| Clause::NumericAtLeast { key, threshold }),
        (key(), bound())
            .prop_map(|(key, threshold)| Clause::NumericAtMost { key, threshold: threshold.floor() }),
        (key(), bound(), bound()).prop_map(|(key, min, max)| Clause::NumericInRange { key, min, max }),
        (key(), version()).prop_map(|(key, version)| Clause::SemverAtLeast { key, version }),
        (key(), version()).prop_map(|(key, version)| Clause::SemverAtMost { key, version }),
        (key(), version()).prop_map(|(key, version)| Clause::SemverCompatible { key, version }),
        (key(), text()).prop_map(|(key, prefix)| Clause::StringPrefix { key, prefix }),
        (key(), text()).prop_map(|(key, pattern)| Clause::StringMatches { key, pattern }),
        "[abcd]".prop_map(|key| Clause::MetadataExists { key }),
        ("[abcd]", text()).prop_map(|(key, value)| Clause::MetadataEquals { key, value }),
        ("[abcd]", text()).prop_map(|(key, pattern)| Clause::MetadataMatches { key, pattern }),
        ("[abcd]", bound()).prop_map(|(key, threshold)| Clause::MetadataNumericAtLeast { key, threshold }),
    ]
}

/// A predicate of some nodes, each of which may be the child of several.
fn predicate() -> impl Strategy<Value = Predicate> {
    let children = || prop::collection::vec(any::<prop::sample::Index>(), 0..4);
    let node = prop_oneof![
        4 => clause().prop_map(|clause| (Some(clause), 0, Vec::new())),
        3 => (0..3, children()).prop_map(|(kind, children)| (None, kind, children)),
    ];
    let nodes = prop::collection::vec(node, 0..9);
    (clause(), nodes, children()).prop_map(|(first, nodes, last)| {
        let mut all = vec![Node::Clause(first)];
        // The root is an `and`, as most are.
        for (clause, kind, children) in nodes.into_iter().chain([(None, 0, last)]) {
            let mut children: Vec<u16> = children.iter().map(|child| child.index(all.len()) as u16).collect();
            all.push(match (clause, kind) {
                (Some(clause), _) => Node::Clause(clause),
                (None, 0) => Node::And(children),
                (None, 1) => Node::Or(children),
                (None, _) => Node::Not(children.pop().unwrap_or_default()),
            });
        }
        let root = all.len() - 1;
        Predicate::new(all, root).unwrap()
    })
}

proptest! {
    // Each case asks many questions of many sets.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_index_answers_what_a_look_at_every_set_answers(
        churn in churn(),
        queries in prop::collection::vec((filter(), scope_query()), 8),
        tags in prop::collection::vec(tag(), 1..3),
    ) {
        let mut pair = Pair::new();
        for step in churn {
            pair.apply(step);
        }
        prop_assert_eq!(pair.index.len(), pair.sets.len());
        for (filter, scope) in queries {
            let found = pair.index.query(&filter);
            prop_assert_eq!(&found, &pair.scan(|set| filter.matches(set)), "{:?}", filter);
            let same_subnet = |slot: u32| [None, Some(true), Some(false)][slot as usize % 3];
            let seen: SlotSet =
                found.iter().filter(|slot| scope.admits(&Scope::of(&pair.sets[slot]), same_subnet(*slot))).collect();
            prop_assert_eq!(pair.index.in_scope(&found, &scope, same_subnet), seen, "{:?}", scope);
        }
        let found = pair.index.with_tags(tags.iter().map(String::as_str));
        prop_assert_eq!(found, pair.scan(|set| tags.iter().all(|tag| set.holds(tag))));
    }

    #[test]
    fn predicates_hold_of_the_slots_of_whose_sets_they_hold(
        churn in churn(),
        questions in prop::collection::vec((predicate(), filter(), prop::collection::vec(0..SLOTS, 0..9)), 12),
    ) {
        let mut pair = Pair::new();
        for step in churn {
            pair.apply(step);
        }
        for (predicate, filter, candidates) in questions {
            let selected = pair.index.select(&predicate);
            prop_assert_eq!(&selected, &pair.scan(|set| predicate.evaluate(set)), "{:?}", predicate);
            let found = pair.scan(|set| filter.matches(set) && predicate.evaluate(set));
            prop_assert_eq!(pair.index.find(&filter, &predicate), found, "{:?} {:?}", filter, predicate);
            let among: SlotSet = candidates.iter().copied().filter(|slot| selected.contains(*slot)).collect();
            prop_assert_eq!(pair.index.select_among(candidates, &predicate), among, "{:?}", predicate);
            // Asked of very many, clauses are worked out as sets.
            prop_assert_eq!(pair.index.select_among(0..SLOTS, &predicate), selected, "{:?}", predicate);
        }
    }

    #[test]
    fn what_nobody_says_any_more_is_forgotten(churn in churn()) {
        let mut pair = Pair::new();
        for step in churn {
            pair.apply(step);
        }
        let mut fresh = CapabilityIndex::new(SLOTS);
        for (slot, set) in &pair.sets {
            fresh.insert(*slot, set).unwrap();
        }
        prop_assert_eq!(pair.index.facts(), fresh.facts());
        for slot in 0..SLOTS {
            pair.apply((slot, None));
        }
        prop_assert_eq!((pair.index.facts(), pair.index.len()), (0, 0));
        prop_assert_eq!(pair.index.query(&Filter::default()), SlotSet::new());
    }
}

#[test]
fn a_wide_range_over_many_numbers_is_found_both_ways() {
    let mut pair = Pair::new();
    for slot in 0..SLOTS {
        let mut set = CapabilitySet::new();
        set.insert_tag(&alloc::format!("hardware.memory_gb={slot}")).unwrap();
        if slot % 10 == 0 {
            set.insert_tag("rare").unwrap();
        }
        pair.apply((slot, Some(set)));
    }
    // Alone the range is gathered; next to a rare tag its few nodes are looked at.
    for require_tags in [Vec::new(), vec!["rare".to_owned()]] {
        for min in [0, 1, 45, 80, 89, 90] {
            let filter =
                Filter { require_tags: require_tags.clone(), min_memory_gb: Some(min), ..Filter::default() };
            assert_eq!(pair.index.query(&filter), pair.scan(|set| filter.matches(set)));
        }
    }
}

#[test]
fn both_zeros_are_the_same_number() {
    let mut pair = Pair::new();
    for (slot, number) in [(0, "0"), (1, "-0"), (2, "-0.0e5"), (3, "-1e-300")] {
        let set = CapabilitySet::new().with_tag(&alloc::format!("hardware.memory_gb={number}")).unwrap();
        pair.apply((slot, Some(set)));
    }
    let from_zero: SlotSet = [0, 1, 2].into_iter().collect();
    assert_eq!(pair.index.query(&Filter { min_memory_gb: Some(0), ..Filter::default() }), from_zero);
    for text in ["hardware.memory_gb in 0 .. 1", "hardware.memory_gb in -0 .. -0", "hardware.memory_gb >= -0"]
    {
        let predicate: Predicate = text.parse().unwrap();
        assert_eq!(pair.index.select(&predicate), pair.scan(|set| predicate.evaluate(set)), "{text}");
        assert_eq!(pair.index.select(&predicate), from_zero);
    }
}

#[test]
fn a_slot_beyond_the_limit_is_refused() {
    let mut index = CapabilityIndex::new(3);
    assert_eq!(index.insert(2, &CapabilitySet::new()), Ok(()));
    assert_eq!(index.insert(3, &CapabilitySet::new()), Err(NoSuchSlot { slot: 3, slots_max: 3 }));
    assert!(!index.remove(7));
}
