use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const SLOTS: u32 = 700;

#[test]
fn a_set_is_a_list_or_bits_whatever_takes_less_room() {
    let few: SlotSet = (0..16).map(|slot| slot * 40).collect();
    let many: SlotSet = (0..350).map(|slot| slot * 2).collect();
    assert!(matches!(few.0, Form::List(_)) && matches!(many.0, Form::Bits(..)));
    assert!(many.heap_len() < 350 * size_of::<u32>());
    assert_eq!(SlotSet::from_iter([5]).heap_len(), 0);
}

#[test]
fn a_slot_that_comes_and_goes_does_not_turn_the_set_over() {
    let mut set: SlotSet = (0..17).collect();
    assert!(matches!(set.0, Form::Bits(..)));
    assert!(set.remove(16) && matches!(set.0, Form::Bits(..)));
    for slot in 3..16 {
        assert!(set.remove(slot));
    }
    assert!(matches!(set.0, Form::List(_)));
    assert_eq!(set, [2, 1, 0].into_iter().collect());
}

fn slots() -> impl Strategy<Value = BTreeSet<u32>> {
    let sparse = prop::collection::btree_set(0..SLOTS, 0..20);
    let dense = prop::collection::btree_set(0..SLOTS, 0..600);
    prop_oneof![sparse, dense]
}

proptest! {
    #[test]
    fn it_is_the_set_that_it_was_told_to_be(steps in prop::collection::vec((any::<bool>(), 0..SLOTS), 0..900)) {
        let (mut set, mut model) = (SlotSet::new(), BTreeSet::new());
        for (insert, slot) in steps {
            if insert {
                prop_assert_eq!(set.insert(slot), model.insert(slot));
            } else {
                prop_assert_eq!(set.remove(slot), model.remove(&slot));
            }
            prop_assert_eq!(set.len(), model.len());
        }
        prop_assert!(set.iter().eq(model.iter().copied()));
        prop_assert!((0..SLOTS + 99).all(|slot| set.contains(slot) == model.contains(&slot)));
    }

    #[test]
    fn sets_are_put_together_as_sets_are(left in slots(), right in slots(), third in slots()) {
        let [a, b, c] = [&left, &right, &third].map(|set| set.iter().copied().collect::<SlotSet>());
        prop_assert!(a.and(&b).iter().eq(left.intersection(&right).copied()));
        prop_assert!(a.without(&b).iter().eq(left.difference(&right).copied()));
        let union = SlotSet::union([&a, &b, &c].into_iter(), SLOTS as usize);
        let all: BTreeSet<u32> = left.iter().chain(&right).chain(&third).copied().collect();
        prop_assert!(union.iter().eq(all.iter().copied()) && union.len() == all.len());
        let even = a.filtered(|slot| slot % 2 == 0);
        prop_assert!(even.iter().eq(left.iter().copied().filter(|slot| slot % 2 == 0)));
        prop_assert_eq!(a == b, left == right);
        prop_assert_eq!(a.and(&b), b.and(&a));
    }
}
