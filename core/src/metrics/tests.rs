use alloc::collections::BTreeSet;
use core::time::Duration;
use std::prelude::v1::*;

use proptest::prelude::*;

use super::families::ALL;
use super::{ByCode, FamilyKind, Histogram, Snapshot, families};
use crate::code::Code;

#[test]
fn codes_count_from_one_without_a_gap() {
    let numbers: Vec<u16> = Code::ALL.iter().map(|code| code.number()).collect();
    assert_eq!(numbers, (1..=Code::ALL.len() as u16).collect::<Vec<_>>(), "places of `ByCode`");
}

#[test]
fn every_outcome_is_counted_under_its_own_name() {
    let mut outcomes = ByCode::default();
    assert_eq!(outcomes.iter().collect::<Vec<_>>(), [("ok", 0)]);
    for (times, code) in Code::ALL.into_iter().enumerate() {
        for _ in 0..=times {
            outcomes.add(Some(code));
        }
    }
    outcomes.add(Some(Code::Application(0x8000)));
    outcomes.add(Some(Code::Application(0xffff)));
    outcomes.add(None);
    let expected = Code::ALL.iter().enumerate().map(|(times, code)| (code.name(), times as u64 + 1));
    let expected: Vec<_> = [("ok", 1)].into_iter().chain(expected).chain([("Application", 2)]).collect();
    assert_eq!(outcomes.iter().collect::<Vec<_>>(), expected);
}

#[test]
fn a_time_is_counted_where_it_does_not_exceed_the_bound() {
    let bounds: Vec<Duration> = Histogram::default().buckets().filter_map(|(bound, _)| bound).collect();
    assert_eq!(bounds[..6], [2, 3, 4, 6, 8, 12].map(Duration::from_micros));
    assert_eq!(bounds.last(), Some(&Duration::from_micros(1 << 26)));
    for (place, bound) in bounds.iter().enumerate() {
        for (took, expected) in [(*bound, place), (*bound + Duration::from_nanos(1), place + 1)] {
            let mut histogram = Histogram::default();
            histogram.record(took);
            let found = histogram.buckets().position(|(_, count)| count == 1);
            assert_eq!(found, Some(expected), "{took:?}");
        }
    }
}

#[test]
fn what_takes_for_ever_is_counted_too() {
    let mut histogram = Histogram::default();
    histogram.record(Duration::ZERO);
    histogram.record(Duration::MAX);
    histogram.record(Duration::MAX);
    assert_eq!(histogram.count(), 3);
    assert_eq!(histogram.buckets().last(), Some((None, 2)));
    assert_eq!(histogram.sum(), Duration::from_nanos(u64::MAX), "it stays at the most that it can be");
    assert_eq!(histogram.quantile(1_000), Some(Duration::from_micros(1 << 26)));
    assert_eq!(Histogram::default().quantile(500), None);
}

proptest! {
    #[test]
    fn a_quantile_is_in_the_bucket_of_the_time_that_it_stands_for(
        mut micros in prop::collection::vec(1_u64..60_000_000, 1..200),
        per_mille in 1_u32..=1_000,
    ) {
        let mut histogram = Histogram::default();
        for micros in &micros {
            histogram.record(Duration::from_micros(*micros));
        }
        micros.sort_unstable();
        let rank = (micros.len() * per_mille as usize).div_ceil(1_000);
        let exact = Duration::from_micros(micros[rank - 1]);
        let found = histogram.quantile(per_mille).unwrap();
        let mut lower = Duration::ZERO;
        for (bound, _) in histogram.buckets() {
            let upper = bound.unwrap();
            if exact <= upper {
                prop_assert!(lower <= found && found <= upper, "{found:?} for {exact:?}");
                break;
            }
            lower = upper;
        }
        prop_assert_eq!(histogram.count(), micros.len() as u64);
        prop_assert_eq!(histogram.sum(), Duration::from_micros(micros.iter().sum()));
    }
}

#[test]
fn names_follow_the_conventions() {
    let mut names = BTreeSet::new();
    for family in ALL {
        let name = family.name;
        assert!(names.insert(name), "{name} is there twice");
        let plain = |c: char| c.is_ascii_lowercase() || c == '_';
        assert!(name.starts_with("lacewing_") && name.chars().all(plain), "{name}");
        assert_eq!(name.ends_with("_total"), family.kind == FamilyKind::Counter, "{name}");
        assert!(family.kind != FamilyKind::Histogram || name.ends_with("_seconds"), "{name}");
        assert!(family.help.ends_with('.') && !family.help.contains('\n'), "{name}");
        for label in family.labels {
            assert!(label.chars().all(plain) && !["le", "quantile"].contains(label), "{name}: {label}");
        }
    }
}

#[test]
fn a_snapshot_gives_back_what_was_added() {
    let mut snapshot = Snapshot::default();
    snapshot.add(&families::CALLS_STARTED, 3_u64);
    snapshot.add_by(&families::CALLS_FINISHED, [("ok", 2_u64), ("Cancelled", 1)]);
    snapshot.add(&families::CALL_DURATION, Histogram::default());
    assert_eq!(snapshot.count(&families::CALLS_STARTED, &[]), 3);
    assert_eq!(snapshot.count(&families::CALLS_FINISHED, &["Cancelled"]), 1);
    assert_eq!(snapshot.count(&families::CALLS_FINISHED, &["Internal"]), 0);
    assert_eq!(snapshot.count(&families::CALL_DURATION, &[]), 0, "a distribution is no number");
    assert!(snapshot.get(&families::CALLS_REFUSED_BY_POLICY, &["breaker"]).is_none());
}
