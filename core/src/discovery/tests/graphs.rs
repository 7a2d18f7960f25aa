//! Laws, on any graph, with any latencies, and with links that are lost at any time.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use proptest::prelude::*;

use super::mesh::Mesh;
use crate::discovery::Outcome;
use crate::link::LinkId;

#[derive(Clone, Debug)]
struct Plan {
    count: usize,
    edges: Vec<(usize, usize, u64)>,
    providers: BTreeSet<usize>,
    /// When, who, and for how long the first yes is not enough.
    asks: Vec<(u64, usize, Option<u64>)>,
    cuts: Vec<(u64, usize)>,
}

fn plans(cuts_max: usize) -> impl Strategy<Value = Plan> {
    (1_usize..=9).prop_flat_map(move |count| {
        (
            prop::collection::btree_map((0..count, 0..count), 0_u64..5_000, 0..=20),
            prop::collection::btree_set(0..count, 0..=2),
            prop::collection::vec((0_u64..20_000, 0..count, prop::option::of(0_u64..400)), 1..=4),
            prop::collection::vec((0_u64..40_000, 0_usize..20), 0..=cuts_max),
        )
            .prop_map(move |(pairs, providers, asks, cuts)| {
                let edges =
                    pairs.into_iter().filter(|((a, b), _)| a < b).map(|((a, b), us)| (a, b, us)).collect();
                Plan { count, edges, providers, asks, cuts }
            })
    })
}

fn built(plan: &Plan, hops: u8) -> Mesh {
    let mut mesh = Mesh::with_hops(plan.count, &[], hops);
    for (a, b, latency_us) in &plan.edges {
        mesh.connect(*a, *b, Duration::from_micros(*latency_us));
    }
    plan.providers.iter().for_each(|node| mesh.provide(*node, "sum"));
    mesh
}

proptest! {
    /// Nothing is lost and everybody is within reach: the answer is the truth.
    #[test]
    fn where_all_can_be_asked_the_answer_is_the_truth(plan in plans(0)) {
        let mut mesh = built(&plan, 16);
        let queries: Vec<_> = plan
            .asks
            .iter()
            .map(|(us, node, gather)| mesh.ask_at(Duration::from_micros(*us), *node, "sum", 60_000, *gather))
            .collect();
        mesh.run();
        mesh.assert_quiet();
        for (query, (_, node, gather)) in queries.into_iter().zip(&plan.asks) {
            let within: BTreeSet<_> = mesh.reachable(*node).intersection(&plan.providers).copied().collect();
            if within.is_empty() {
                prop_assert_eq!(mesh.outcome(query), Outcome::NotFound);
            } else {
                let found = mesh.found(query, "sum");
                prop_assert!(found.is_subset(&within));
                prop_assert!(gather.is_some() || found.len() == 1);
            }
        }
        prop_assert!(mesh.frames.values().all(|count| *count <= 2), "{:?}", mesh.frames);
        prop_assert_eq!(&mesh.violations, &[]);
    }

    /// Links are lost, the hop limit is low, time is short: the answer may be incomplete, but is never a lie.
    #[test]
    fn every_question_has_one_answer_in_time_and_no_answer_lies(
        plan in plans(6),
        hops in 1_u8..=5,
        time_ms in 1_u64..200,
    ) {
        let mut mesh = built(&plan, hops);
        let start = mesh.now;
        let queries: Vec<_> = plan
            .asks
            .iter()
            .map(|(us, node, gather)| mesh.ask_at(Duration::from_micros(*us), *node, "sum", time_ms, *gather))
            .collect();
        for (us, edge) in &plan.cuts {
            mesh.cut_at(Duration::from_micros(*us), LinkId(*edge as u64 + 1));
        }
        mesh.run();
        mesh.assert_quiet();
        for (query, (us, node, _)) in queries.into_iter().zip(&plan.asks) {
            let took = mesh.answered_at(query).unwrap() - (start + Duration::from_micros(*us));
            prop_assert!(took <= Duration::from_millis(time_ms) / 2, "{took:?}");
            match mesh.outcome(query) {
                // Over links that are there to the end, every provider could have been asked.
                Outcome::NotFound => prop_assert!(mesh.reachable(*node).is_disjoint(&plan.providers)),
                Outcome::Found(_) => prop_assert!(mesh.found(query, "sum").is_subset(&plan.providers)),
                Outcome::Incomplete => {}
            }
        }
        prop_assert!(mesh.frames.values().all(|count| *count <= 2), "{:?}", mesh.frames);
        prop_assert_eq!(&mesh.violations, &[]);
    }
}
