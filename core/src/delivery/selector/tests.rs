use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use super::{CHOICES_MAX, Candidate, SelectionState, Selector, SelectorError};
use crate::capability::CapabilitySet;
use crate::identity::NodeId;
use crate::predicate::Predicate;

fn node(number: u16) -> NodeId {
    let mut bytes = [0; 32];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    NodeId::from_bytes(bytes)
}

fn nodes(numbers: impl IntoIterator<Item = u16>) -> Vec<Candidate<'static>> {
    numbers.into_iter().map(|number| Candidate { hops: 1, ..Candidate::new(node(number)) }).collect()
}

fn local(number: u16) -> Candidate<'static> {
    Candidate { is_local: true, hops: 0, ..Candidate::new(node(number)) }
}

/// A selector with its memory and its chance.
struct Chooser {
    selector: Selector,
    state: SelectionState,
    rng: ChaCha8Rng,
}

impl Chooser {
    fn new(selector: Selector) -> Self {
        Self { selector, state: SelectionState::default(), rng: ChaCha8Rng::from_seed([3; 32]) }
    }

    /// Everybody in the order of preference.
    fn order(&mut self, candidates: &[Candidate<'_>]) -> Vec<NodeId> {
        self.order_for("sum", candidates)
    }

    fn order_for(&mut self, path: &str, candidates: &[Candidate<'_>]) -> Vec<NodeId> {
        let order = self.selector.select(&mut self.state, path, candidates, &mut self.rng);
        order.into_iter().map(|index| candidates[index].node).collect()
    }

    fn first(&mut self, candidates: &[Candidate<'_>]) -> NodeId {
        self.order(candidates)[0]
    }

    /// How often each is the first of so many.
    fn shares(&mut self, candidates: &[Candidate<'_>], calls: usize) -> BTreeMap<NodeId, usize> {
        let mut shares = BTreeMap::new();
        for _ in 0..calls {
            *shares.entry(self.first(candidates)).or_default() += 1;
        }
        shares
    }
}

fn in_turn() -> Chooser {
    Chooser::new(Selector::RoundRobin)
}

#[test]
fn a_local_action_is_preferred() {
    let candidates = [nodes([1, 2]), [local(9)].into()].concat();
    let mut chooser = Chooser::new(Selector::default());
    assert!((0..10).all(|_| chooser.first(&candidates) == node(9)));
}

#[test]
fn without_a_local_one_the_nearest_are_preferred_and_take_turns() {
    let mut candidates = nodes([1, 2, 3]);
    candidates[0].hops = 2;
    let mut chooser = Chooser::new(Selector::LocalFirst);
    assert_eq!(chooser.order(&candidates), [node(2), node(3), node(1)]);
    assert_eq!(chooser.order(&candidates), [node(3), node(2), node(1)]);
    assert_eq!(chooser.order(&candidates), [node(2), node(3), node(1)]);
}

#[test]
fn the_first_found_is_the_first_that_is_given() {
    let candidates = nodes([7, 3, 5]);
    assert_eq!(Chooser::new(Selector::FirstFound).order(&candidates), [node(7), node(3), node(5)]);
}

/// C66, as far as the selector goes.
#[test]
fn two_providers_share_load_and_the_exit_of_one_keeps_the_other() {
    for selector in [Selector::RoundRobin, Selector::LocalFirst] {
        let mut chooser = Chooser::new(selector);
        let both = nodes([1, 2]);
        assert_eq!(chooser.shares(&both, 1_000), [(node(1), 500), (node(2), 500)].into());
        assert_eq!(chooser.shares(&both[1..], 10), [(node(2), 10)].into());
        assert_eq!(chooser.shares(&both, 1_000), [(node(1), 500), (node(2), 500)].into());
        // And whoever is not first is there to fall back on.
        assert_eq!(chooser.order(&both).len(), 2);
    }
    for selector in [Selector::LeastLoaded, Selector::Random] {
        let shares = Chooser::new(selector).shares(&nodes([1, 2]), 1_000);
        assert!(shares.values().all(|share| (400..=600).contains(share)), "{shares:?}");
    }
}

#[test]
fn turns_are_taken_for_each_path_by_itself() {
    let (mut chooser, candidates) = (in_turn(), nodes([1, 2, 3]));
    assert_eq!(chooser.order_for("sum", &candidates), [node(1), node(2), node(3)]);
    assert_eq!(chooser.order_for("product", &candidates), [node(1), node(2), node(3)]);
    assert_eq!(chooser.order_for("sum", &candidates), [node(2), node(3), node(1)]);
}

#[test]
fn a_provider_that_comes_or_goes_does_not_spoil_the_turns_of_the_others() {
    let mut chooser = in_turn();
    assert_eq!(chooser.first(&nodes([2, 4, 6])), node(2));
    assert_eq!(chooser.first(&nodes([2, 3, 4, 6])), node(3));
    assert_eq!(chooser.first(&nodes([2, 6])), node(6));
    assert_eq!(chooser.first(&nodes([6, 4, 2])), node(2));
}

#[test]
fn the_least_loaded_has_the_fewest_calls_of_ours_and_the_least_load_of_its_own() {
    let mut candidates = nodes([1, 2, 3]);
    (candidates[0].in_flight, candidates[0].load) = (0, 9);
    (candidates[1].in_flight, candidates[1].load) = (5, 1);
    (candidates[2].in_flight, candidates[2].load) = (7, 0);
    assert_eq!(Chooser::new(Selector::LeastLoaded).order(&candidates), [node(2), node(3), node(1)]);
    (candidates[1].load, candidates[1].in_flight) = (u32::MAX, usize::MAX);
    assert_eq!(Chooser::new(Selector::LeastLoaded).order(&candidates), [node(3), node(1), node(2)]);
}

#[test]
fn calls_that_are_under_way_are_spread_by_the_least_loaded() {
    let (mut chooser, mut candidates) = (Chooser::new(Selector::LeastLoaded), nodes(1..=4));
    for _ in 0..40 {
        let first = chooser.first(&candidates);
        candidates.iter_mut().find(|candidate| candidate.node == first).unwrap().in_flight += 1;
    }
    assert!(candidates.iter().all(|candidate| candidate.in_flight == 10));
}

#[test]
fn chance_is_fair_and_is_the_same_with_the_same_seed() {
    let candidates = nodes(1..=5);
    let mut chooser = Chooser::new(Selector::Random);
    let mut places = BTreeMap::<(NodeId, usize), usize>::new();
    for _ in 0..5_000 {
        for (place, node) in chooser.order(&candidates).into_iter().enumerate() {
            *places.entry((node, place)).or_default() += 1;
        }
    }
    assert_eq!(places.len(), 25);
    assert!(places.values().all(|count| (850..=1_150).contains(count)), "{places:?}");
    let orders = || {
        let mut chooser = Chooser::new(Selector::Random);
        (0..10).map(|_| chooser.order(&candidates)).collect::<Vec<_>>()
    };
    assert_eq!(orders(), orders());
}

#[test]
fn a_key_sticks_to_its_provider_and_keys_are_spread_evenly() {
    let candidates = nodes(1..=10);
    let mut shares = BTreeMap::<NodeId, usize>::new();
    for key in 0..10_000 {
        let mut chooser = Chooser::new(Selector::sticky(format!("user-{key}")));
        let first = chooser.first(&candidates);
        assert_eq!(chooser.order_for("another/path", &candidates)[0], first);
        *shares.entry(first).or_default() += 1;
    }
    assert!(shares.values().all(|share| (850..=1_150).contains(share)), "{shares:?}");
}

#[test]
fn when_a_provider_goes_only_its_own_keys_move_and_they_go_to_their_second_choice() {
    let all = nodes(1..=10);
    let without: Vec<_> = all.iter().filter(|candidate| candidate.node != node(4)).copied().collect();
    let mut moved = 0;
    for key in 0..1_000 {
        let mut chooser = Chooser::new(Selector::sticky(format!("user-{key}")));
        let (before, after) = (chooser.order(&all), chooser.first(&without));
        if before[0] == node(4) {
            moved += 1;
            assert_eq!(after, before[1]);
        } else {
            assert_eq!(after, before[0]);
        }
    }
    assert!((60..=140).contains(&moved), "{moved}");
}

/// Other implementations come to the same: SHA-256 over "lacewing-sticky-v1", the node id and the key; the greatest wins.
#[test]
fn sticky_choices_do_not_change_from_version_to_version() {
    let order = Chooser::new(Selector::sticky("user-7")).order(&nodes(1..=6));
    let expected = STICKY_ORDER.map(node);
    assert_eq!(order, expected);
}

const STICKY_ORDER: [u16; 6] = [6, 5, 1, 3, 2, 4];

#[test]
fn whoever_has_not_been_tried_is_tried_before_the_fastest() {
    let (mut chooser, candidates) = (Chooser::new(Selector::Fastest), nodes([1, 2, 3]));
    let mut tried = BTreeSet::new();
    for latency_ms in [30, 10, 20] {
        let first = chooser.first(&candidates);
        assert!(tried.insert(first), "{first} was tried already");
        chooser.state.answered(first, Duration::from_millis(latency_ms));
    }
    let order = chooser.order(&candidates);
    let latencies: Vec<_> = order.iter().map(|node| chooser.state.latency_us(node)).collect();
    assert_eq!(latencies, [Some(10_000), Some(20_000), Some(30_000)]);
}

#[test]
fn a_provider_that_becomes_slow_is_no_longer_the_fastest() {
    let (mut chooser, candidates) = (Chooser::new(Selector::Fastest), nodes([1, 2]));
    chooser.state.answered(node(1), Duration::from_millis(1));
    chooser.state.answered(node(2), Duration::from_millis(5));
    assert_eq!(chooser.first(&candidates), node(1));
    for _ in 0..5 {
        chooser.state.answered(node(1), Duration::from_millis(20));
    }
    assert_eq!(chooser.first(&candidates), node(2));
}

#[test]
fn who_fails_at_once_is_not_fast() {
    let (mut chooser, candidates) = (Chooser::new(Selector::Fastest), nodes([1, 2]));
    chooser.state.answered(node(1), Duration::from_millis(100));
    chooser.state.failed(node(2));
    assert_eq!(chooser.shares(&candidates, 100), [(node(1), 100)].into());
    chooser.state.failed(node(1));
    chooser.state.failed(node(1));
    assert_eq!(chooser.first(&candidates), node(2));
}

#[test]
fn one_call_in_a_thousand_finds_out_who_has_become_faster() {
    let (mut chooser, candidates) = (Chooser::new(Selector::Fastest), nodes([1, 2]));
    chooser.state.failed(node(2));
    let mut calls = BTreeMap::<NodeId, usize>::new();
    for _ in 0..10_000 {
        let first = chooser.first(&candidates);
        *calls.entry(first).or_default() += 1;
        chooser.state.answered(first, Duration::from_millis(if first == node(1) { 10 } else { 50 }));
    }
    assert_eq!(calls, [(node(1), 9_991), (node(2), 9)].into());
}

#[test]
fn a_node_that_went_down_is_unknown_when_it_comes_back() {
    let (mut chooser, candidates) = (Chooser::new(Selector::Fastest), nodes([1, 2]));
    chooser.state.answered(node(1), Duration::from_millis(1));
    chooser.state.answered(node(2), Duration::from_millis(2));
    chooser.state.forget(&node(2));
    assert_eq!(chooser.first(&candidates), node(2));
}

#[test]
fn a_node_that_is_named_is_called_or_nobody() {
    let mut chooser = Chooser::new(Selector::Node(node(2)));
    assert_eq!(chooser.order(&nodes([1, 2, 3])), [node(2)]);
    assert_eq!(chooser.order(&nodes([1, 3])), []);
}

#[test]
fn a_predicate_selects_by_capabilities_and_leaves_the_choice_among_them_to_another_selector() {
    let large = CapabilitySet::new().with_tag("hardware.memory_gb=128").unwrap();
    let small = CapabilitySet::new().with_tag("hardware.memory_gb=16").unwrap();
    let mut candidates = nodes(1..=5);
    for (candidate, set) in candidates.iter_mut().zip([&large, &small, &large, &large]) {
        candidate.capabilities = Some(set);
    }
    let predicate: Predicate = "hardware.memory_gb >= 64".parse().unwrap();
    let mut chooser = Chooser::new(Selector::predicate(predicate, Selector::RoundRobin));
    assert_eq!(chooser.order(&candidates), [node(1), node(3), node(4)]);
    assert_eq!(chooser.order(&candidates), [node(3), node(4), node(1)]);
    assert_eq!(chooser.order(&candidates[1..2]), []);
    // Who says nothing about itself does not have what is asked for, and may be what is asked for all the same.
    let predicate: Predicate = "not hardware.memory_gb".parse().unwrap();
    assert_eq!(Chooser::new(Selector::predicate(predicate, Selector::Random)).order(&candidates), [node(5)]);
}

#[test]
fn a_function_of_the_application_chooses_and_is_asked_who_is_next() {
    let greatest_but_three = |candidates: &[Candidate<'_>]| {
        let allowed = candidates.iter().enumerate().filter(|(_, candidate)| candidate.node != node(3));
        allowed.max_by_key(|(_, candidate)| candidate.node).map(|(index, _)| index)
    };
    let mut chooser = Chooser::new(Selector::custom(greatest_but_three));
    assert_eq!(chooser.order(&nodes([2, 3, 5, 4])), [node(5), node(4), node(2)]);
}

#[test]
fn a_function_that_names_nobody_who_is_there_chooses_nobody() {
    assert_eq!(Chooser::new(Selector::custom(|candidates| Some(candidates.len()))).order(&nodes([1, 2])), []);
}

#[test]
fn what_is_remembered_has_a_bound_and_the_oldest_goes_first() {
    let (mut chooser, candidates) = (in_turn(), nodes([1, 2]));
    for path in 0..3_000 {
        chooser.order_for(&format!("action/{path}"), &candidates);
    }
    for number in 0..10_000 {
        chooser.state.answered(node(number), Duration::from_millis(1));
    }
    chooser.state.gauges(|name, value, cap| assert_eq!(value, cap, "{name}"));
    assert_eq!(chooser.order_for("action/2999", &candidates)[0], node(2), "the last is remembered");
    assert_eq!(chooser.order_for("action/0", &candidates)[0], node(1), "the first is not");
}

#[test]
fn whoever_is_alone_takes_no_turn_and_pushes_out_nobody_elses() {
    let (mut chooser, candidates) = (in_turn(), nodes([1, 2]));
    assert_eq!(chooser.order_for("sum", &candidates)[0], node(1));
    for path in 0..3_000 {
        assert_eq!(chooser.order_for(&format!("action/{path}"), &candidates[..1]), [node(1)]);
    }
    assert_eq!(chooser.order_for("sum", &candidates)[0], node(2));
}

#[test]
fn selectors_are_read_as_they_are_written() {
    let id = node(0xab).to_string();
    for selector in [
        Selector::LocalFirst,
        Selector::FirstFound,
        Selector::RoundRobin,
        Selector::LeastLoaded,
        Selector::Random,
        Selector::Fastest,
        Selector::Node(node(0xab)),
        Selector::sticky("a key: with everything"),
    ] {
        assert_eq!(selector.to_string().parse(), Ok(selector));
    }
    assert_eq!(format!("node:{id}").parse(), Ok(Selector::Node(node(0xab))));
}

#[test]
fn what_is_no_selector_is_refused_and_says_why() {
    for (text, error) in [
        ("", SelectorError::Unknown),
        ("Random", SelectorError::Unknown),
        ("custom", SelectorError::Unknown),
        ("random where hardware.gpu", SelectorError::Unknown),
        ("random:3", SelectorError::Unknown),
        ("node", SelectorError::Unknown),
        ("node:", SelectorError::BadNode),
        ("node:12ab", SelectorError::BadNode),
        ("sticky:", SelectorError::NoKey),
    ] {
        assert_eq!(text.parse::<Selector>(), Err(error), "{text}");
    }
}

fn selectors() -> impl Strategy<Value = Selector> {
    let simple = prop_oneof![
        Just(Selector::LocalFirst),
        Just(Selector::FirstFound),
        Just(Selector::RoundRobin),
        Just(Selector::LeastLoaded),
        Just(Selector::Random),
        Just(Selector::Fastest),
        "[a-c]".prop_map(Selector::Sticky),
        (0_u16..12).prop_map(|number| Selector::Node(node(number))),
        (1_usize..4)
            .prop_map(|step| Selector::custom(move |candidates| (candidates.len() + 1).checked_sub(step))),
    ];
    simple.prop_flat_map(|inner| {
        let some = Selector::predicate("hardware.gpu".parse().unwrap(), inner.clone());
        prop_oneof![Just(inner), Just(some)]
    })
}

proptest! {
    /// Whatever the candidates: indices that exist, none twice, few, and all that there are where all may be called.
    #[test]
    fn a_choice_is_an_order_of_some_of_the_candidates(
        selector in selectors(),
        facts in prop::collection::btree_map(0_u16..12, (0_u8..5, any::<u32>(), 0_usize..9, any::<bool>()), 0..12),
        measured in prop::collection::vec((0_u16..12, 0_u64..1_000), 0..20),
    ) {
        let gpu = CapabilitySet::new().with_tag("hardware.gpu").unwrap();
        let candidates: Vec<_> = facts
            .iter()
            .map(|(number, (hops, load, in_flight, has_gpu))| Candidate {
                capabilities: has_gpu.then_some(&gpu),
                hops: *hops,
                load: *load,
                in_flight: *in_flight,
                is_local: *hops == 0,
                ..Candidate::new(node(*number))
            })
            .collect();
        let mut chooser = Chooser::new(selector.clone());
        for (number, latency_ms) in measured {
            chooser.state.answered(node(number), Duration::from_millis(latency_ms));
        }
        for _ in 0..3 {
            let order = chooser.order(&candidates);
            prop_assert!(order.len() <= CHOICES_MAX);
            prop_assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), order.len());
            let all = !matches!(selector, Selector::Node(_) | Selector::Predicate(..) | Selector::Custom(_));
            prop_assert!(!all || order.len() == candidates.len().min(CHOICES_MAX));
        }
    }
}
