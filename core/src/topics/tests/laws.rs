//! Whoever subscribes and ends subscriptions, in whatever order: what is announced and what is handed out follow from those that are
//! left.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::Bench;
use crate::Limits;
use crate::topics::{PublishMode, SubscribeOptions, SubscriptionId};
use crate::wire::path::{ActionPath, PathPattern};

const PATTERNS: [&str; 6] = ["a", "a/b", "a/*", "a/>", "*/b", ">"];
const TOPICS: [&str; 5] = ["a", "b", "a/b", "b/b", "a/b/c"];

proptest! {
    #[test]
    fn each_subscription_that_matches_gets_an_event_once_and_nobody_else(
        steps in prop::collection::vec((0..PATTERNS.len(), 0..3_usize, any::<bool>(), any::<prop::sample::Index>()), 1..40),
    ) {
        let mut bench = Bench::new(Limits::default());
        let mut left: Vec<(SubscriptionId, PathPattern, usize)> = Vec::new();
        let mut sequence = 0;
        for (pattern, group, ends, which) in steps {
            if ends && !left.is_empty() {
                let (id, pattern, _) = left.remove(which.index(left.len()));
                bench.with(|topics, cx| assert_eq!(topics.unsubscribe(cx, id), Some(pattern)));
            } else {
                let group_name = ["g", "h"].get(group).map(|name| name.parse().unwrap());
                let options = SubscribeOptions { group: group_name, ..SubscribeOptions::default() };
                let (id, pattern) = bench.subscribe_with(PATTERNS[pattern], options).unwrap();
                left.push((id, pattern, group));
            }
            for text in PATTERNS {
                let pattern: PathPattern = text.parse().unwrap();
                let groups: BTreeSet<usize> =
                    left.iter().filter(|(_, own, _)| *own == pattern).map(|(.., group)| *group).collect();
                let wanted = bench.topics.wanted(&pattern);
                let expected = (!groups.is_empty())
                    .then(|| (groups.contains(&2), groups.iter().filter(|group| **group < 2).count()));
                prop_assert_eq!(wanted.map(|(alone, groups)| (alone, groups.len())), expected);
            }
            for text in TOPICS {
                sequence += 1;
                let topic: ActionPath = text.parse().unwrap();
                let got: Vec<SubscriptionId> = bench.arrives(text, sequence).into_iter().map(|(id, _)| id).collect();
                for id in &got {
                    bench.with(|topics, _| topics.event_taken(*id));
                }
                let mut expected: Vec<_> =
                    left.iter().filter(|(_, pattern, _)| pattern.admits(&topic)).map(|(id, ..)| *id).collect();
                expected.sort();
                let mut sorted = got.clone();
                sorted.sort();
                prop_assert_eq!(sorted, expected);
            }
        }
    }

    #[test]
    fn one_of_each_group_and_all_without_one(groups in prop::collection::vec(0..3_usize, 0..12)) {
        let mut bench = Bench::new(Limits::default());
        for group in &groups {
            let group = ["g", "h"].get(*group).map(|name| name.parse().unwrap());
            let options = SubscribeOptions { group, ..SubscribeOptions::default() };
            bench.subscribe_with("t", options).unwrap();
        }
        let publication = super::Publication { mode: PublishMode::OnePerGroup, ..super::Publication::new("t", "x") };
        let (report, out) = bench.publish(publication, &[]);
        let alone = groups.iter().filter(|group| **group == 2).count();
        let named: BTreeSet<_> = groups.iter().filter(|group| **group < 2).collect();
        prop_assert_eq!(report.unwrap().delivered as usize, alone + named.len());
        prop_assert_eq!(out.len(), alone + named.len());
    }
}
