use std::borrow::ToOwned;
use std::vec;

use proptest::prelude::*;

use super::*;

fn set(tags: &[&str], metadata: &[(&str, &str)]) -> CapabilitySet {
    let mut set = CapabilitySet::new();
    for tag in tags {
        set.insert_tag(tag).unwrap();
    }
    for (key, value) in metadata {
        set.insert_metadata(key, value).unwrap();
    }
    set
}

fn node(number: u8) -> NodeId {
    NodeId::from_bytes([number; 32])
}

/// The score of a node with these tags for work that requires `required`.
fn score(placement: &Placement, required: &CapabilitySet, tags: &[&str]) -> Option<f64> {
    let work = Work { required, optional: &CapabilitySet::new() };
    placement.score(&work, &Candidate::new(node(1), &set(tags, &[])))
}

fn assert_score(actual: Option<f64>, expected: f64) {
    let actual = actual.expect("the node is not ruled out");
    assert!((actual - expected).abs() < 1e-12, "{actual} is not {expected}");
}

#[test]
fn a_node_of_which_nothing_is_known_suits_work_that_asks_nothing() {
    assert_score(score(&Placement::default(), &set(&[], &[]), &[]), 1.0);
}

#[test]
fn a_missing_tag_rules_a_node_out() {
    let required = set(&["hardware.gpu", "software.os:linux"], &[]);
    assert_eq!(score(&Placement::default(), &required, &["hardware.gpu"]), None);
    assert_score(score(&Placement::default(), &required, &["hardware.gpu", "software.os=linux"]), 1.0);
}

#[test]
fn one_scope_of_several_is_enough() {
    let placement = Placement {
        scopes: vec!["scope:tenant:a".to_owned(), "region:eu".to_owned()],
        ..Placement::default()
    };
    let nothing = set(&[], &[]);
    assert_score(score(&placement, &nothing, &["scope:tenant:a"]), 1.0);
    assert_score(score(&placement, &nothing, &["scope:region:eu"]), 1.0);
    assert_score(score(&placement, &nothing, &["scope:tenant:b"]), 0.0);
    assert_score(score(&placement, &nothing, &["tenant:a"]), 0.0);
}

#[test]
fn far_nodes_score_nothing_and_unmeasured_ones_everything() {
    let placement = Placement { round_trip_us_max: Some(1_000), ..Placement::default() };
    let nothing = set(&[], &[]);
    let work = Work { required: &nothing, optional: &nothing };
    let at = |round_trip_us| {
        placement.score(&work, &Candidate { round_trip_us, ..Candidate::new(node(1), &nothing) })
    };
    assert_score(at(Some(1_000)), 1.0);
    assert_score(at(Some(1_001)), 0.0);
    assert_score(at(None), 1.0);
}

#[test]
fn an_intent_asks_what_is_registered_for_it() {
    let needs_gpu = Filter { require_gpu: true, ..Filter::default() };
    let needs_memory = Filter { min_memory_gb: Some(8), ..Filter::default() };
    let intents = BTreeMap::from([("train".to_owned(), needs_gpu), ("serve".to_owned(), needs_memory)]);
    let placement = |intent| Placement {
        intent,
        intents: intents.clone(),
        resources: ResourceAxis::Storage,
        ..Placement::default()
    };
    let train = set(&[], &[("intent", "train")]);
    let strict = placement(IntentPolicy::Strict);
    assert_score(score(&strict, &train, &["hardware.gpu"]), 1.0);
    assert_score(score(&strict, &train, &["hardware.memory_gb=8"]), 0.0);
    assert_score(score(&strict, &set(&[], &[("intent", "fly")]), &[]), 1.0);
    assert_score(score(&strict, &set(&[], &[]), &[]), 1.0);
    let any = placement(IntentPolicy::AnyOfLocal);
    assert_score(score(&any, &train, &["hardware.memory_gb=8"]), 1.0);
    assert_score(score(&any, &train, &[]), 0.0);
    assert_score(score(&placement(IntentPolicy::Disabled), &train, &[]), 1.0);
    let none = Placement { intent: IntentPolicy::AnyOfLocal, ..Placement::default() };
    assert_score(score(&none, &train, &[]), 1.0);
}

#[test]
fn a_wish_for_company_costs_less_than_a_must() {
    let wish = set(&[], &[("colocate-with", "ff")]);
    let must = set(&[], &[("colocate-with-strict", "ff")]);
    let with = |colocation| Placement { colocation, ..Placement::default() };
    assert_score(score(&with(ColocationPolicy::Ignore), &must, &[]), 1.0);
    assert_score(score(&with(ColocationPolicy::Soft), &wish, &[]), 0.7);
    assert_score(score(&with(ColocationPolicy::Soft), &must, &[]), 0.0);
    assert_score(score(&with(ColocationPolicy::Strict), &wish, &[]), 0.0);
    for tag in ["causal:ff", "causal:ff:12", "causal:ff[1..5]"] {
        assert_score(score(&with(ColocationPolicy::Strict), &wish, &[tag]), 1.0);
    }
    assert_score(score(&with(ColocationPolicy::Soft), &wish, &["causal:fff"]), 0.7);
    let (nothing, hosts) = (set(&[], &[]), ["ff"]);
    let candidate = Candidate { hosts: &hosts, ..Candidate::new(node(1), &nothing) };
    let work = Work { required: &nothing, optional: &wish };
    assert_score(with(ColocationPolicy::Strict).score(&work, &candidate), 1.0);
}

#[test]
fn resources_count_one_half_at_their_reference() {
    let with = |resources| Placement { resources, ..Placement::default() };
    let of = |resources, tags: &[&str]| score(&with(resources), &set(&[], &[]), tags);
    assert_score(of(ResourceAxis::Compute, &["hardware.cpu_cores=8"]), 0.5);
    assert_score(of(ResourceAxis::Compute, &["hardware.memory_gb=16"]), 0.5);
    assert_score(of(ResourceAxis::Compute, &["hardware.gpu.vram_gb=16"]), 0.5);
    assert_score(of(ResourceAxis::Storage, &["hardware.storage_gb=1000"]), 0.5);
    assert_score(of(ResourceAxis::Compute, &["hardware.cpu_cores=24", "hardware.memory_gb=16"]), 0.625);
    assert_score(of(ResourceAxis::Compute, &["hardware.storage_gb=1000"]), 1.0);
    assert_score(of(ResourceAxis::Both, &["hardware.storage_gb=3000", "hardware.cpu_cores=8"]), 0.625);
    assert_score(of(ResourceAxis::Both, &["hardware.cpu_cores=8"]), 0.5);
    for tag in ["hardware.cpu_cores=inf", "hardware.cpu_cores=-8", "hardware.cpu_cores=x"] {
        assert_score(of(ResourceAxis::Compute, &[tag]), 1.0);
    }
}

#[test]
fn a_node_that_does_much_already_is_less_wanted() {
    let nothing = set(&[], &[]);
    let work = Work { required: &nothing, optional: &nothing };
    let with =
        |share| Placement::default().score(&work, &Candidate { share, ..Candidate::new(node(1), &nothing) });
    assert_score(with(Some(0.3)), 1.0);
    assert_score(with(Some(0.31)), 0.4);
    assert_score(with(Some(f64::NAN)), 1.0);
    assert_score(with(None), 1.0);
}

#[test]
fn a_custom_filter_scores_or_rules_out() {
    let with = |name: &str, result: Option<f64>| {
        let custom: CustomFilter = Box::new(move |_| result);
        let customs = BTreeMap::from([("mine".to_owned(), custom)]);
        let placement = Placement { custom: Some(name.to_owned()), customs, ..Placement::default() };
        score(&placement, &set(&[], &[]), &[])
    };
    assert_score(with("mine", Some(0.25)), 0.25);
    assert_score(with("mine", Some(7.0)), 1.0);
    assert_score(with("mine", Some(f64::NAN)), 0.0);
    assert_eq!(with("mine", None), None);
    assert_eq!(with("other", Some(1.0)), None);
}

#[test]
fn ties_go_to_the_nearest_then_the_largest_then_the_smallest_id() {
    // Storage does not count in the score of this placement, nor does what ties are broken by in that of the other.
    let (small, large) = (set(&["hardware.cpu_cores=8"], &[]), set(&["hardware.cpu_cores=9"], &[]));
    let nothing = set(&[], &[]);
    let work = Work { required: &nothing, optional: &nothing };
    let at = |number, set, round_trip_us| Candidate { round_trip_us, ..Candidate::new(node(number), set) };
    let placement = Placement { scopes: vec!["nobody".to_owned()], ..Placement::default() };
    let candidates = [
        at(5, &small, None),
        at(1, &large, None),
        at(4, &small, Some(9)),
        at(3, &small, Some(10)),
        at(2, &small, Some(10)),
    ];
    let order: Vec<NodeId> = placement.rank(&work, &candidates).into_iter().map(|(node, _)| node).collect();
    assert_eq!(order, [4, 2, 3, 1, 5].map(node));
}

proptest! {
    #[test]
    fn scores_stay_within_one_and_ranks_do_not_depend_on_the_order(
        mut nodes in prop::collection::vec((any::<u8>(), 0_u32..40, prop::option::of(0_u64..3), prop::option::of(-1.0..2.0)), 0..12),
        axis in prop::sample::select(vec![ResourceAxis::Compute, ResourceAxis::Storage, ResourceAxis::Both]),
    ) {
        nodes.sort_by_key(|(number, ..)| *number);
        nodes.dedup_by_key(|(number, ..)| *number);
        let sets: Vec<CapabilitySet> = nodes.iter().map(|(_, cores, ..)| set(&[&std::format!("hardware.cpu_cores={cores}")], &[])).collect();
        let nothing = set(&[], &[]);
        let work = Work { required: &nothing, optional: &nothing };
        let placement = Placement { resources: axis, ..Placement::default() };
        let mut candidates: Vec<Candidate<'_>> = nodes
            .iter()
            .zip(&sets)
            .map(|((number, _, round_trip_us, share), set)| Candidate { round_trip_us: *round_trip_us, share: *share, ..Candidate::new(node(*number), set) })
            .collect();
        let ranked = placement.rank(&work, &candidates);
        prop_assert!(ranked.iter().all(|(_, score)| (0.0..=1.0).contains(score)));
        candidates.reverse();
        prop_assert_eq!(placement.rank(&work, &candidates), ranked);
    }
}
