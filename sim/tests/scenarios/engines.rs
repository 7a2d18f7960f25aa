//! What the engines promise whatever the run: the same again, or a refusal that says why.

use std::collections::BTreeSet;

use lacewing_sim::des::Des;
use lacewing_sim::engine::{Options, SimEngine as _};
use lacewing_sim::plan::Plan;
use lacewing_sim::quantity::Micros;
use lacewing_sim::run::Run;
use lacewing_sim::seed::Seed;
use lacewing_sim::turmoil::Turmoil;

use crate::stage::Stage;

/// Runs of the smoke plan that turmoil can execute.
fn supported() -> impl Iterator<Item = Run> {
    let plan = Plan::load("smoke").unwrap();
    (0..).map(move |seed| plan.expand(Seed(seed))).filter(|run| Turmoil.supports(run).is_ok())
}

#[test]
fn the_same_run_gives_the_same_chain_and_history_twice_on_the_discrete_event_engine() {
    let plan = Plan::load("smoke").unwrap();
    for seed in (0..3).map(Seed) {
        let run = plan.expand(seed);
        let (one, two) =
            (Des.execute(&run, &mut Options::default()), Des.execute(&run, &mut Options::default()));
        assert_eq!((one.chain, &one.tally), (two.chain, &two.tally));
        assert_eq!(one.history.to_text(), two.history.to_text());
    }
}

#[test]
fn the_same_run_gives_the_same_chain_and_another_seed_another_on_turmoil() {
    let mut supported = supported();
    let (one, other) = (supported.next().unwrap(), supported.next().unwrap());
    let until = Some(Micros::from_millis(12_000));
    let chain = |run: &Run| Turmoil.execute(run, &mut Options { until, ..Options::default() }).chain;
    assert_eq!(chain(&one).first_difference(&chain(&one)), None);
    assert_ne!(chain(&one).last(), chain(&other).last());
}

#[test]
fn a_draw_that_no_seed_decides_shows_in_the_chain() {
    let run = supported().find(|run| run.header.nodes.len() > 3).unwrap();
    let until = Some(Micros::from_millis(4_000));
    for leak in ["harness:futures-select", "harness:hashmap-iteration", "harness:thread-random"] {
        let last = |_| {
            let mut options = Options { inject: Some(leak.to_owned()), until, ..Options::default() };
            Turmoil.execute(&run, &mut options).chain.last().to_owned()
        };
        let chains: BTreeSet<String> = (0..8).map(last).collect();
        assert!(chains.len() > 1, "{leak} changes nothing");
    }
}

#[test]
fn what_turmoil_cannot_do_is_refused_by_name() {
    let pause = r#"{"do":"pause","t":"1s","lasts":"1s","node":0}"#.to_owned();
    let error = Turmoil.supports(&Stage::pair().run(7, &[pause])).unwrap_err().to_string();
    assert!(error.contains("turmoil") && error.contains("pause at 1s") && error.contains("des"), "{error}");
    let crowd = Stage::of(17, &[[0, 1]]).run(7, &[]);
    assert!(Turmoil.supports(&crowd).unwrap_err().to_string().contains("17 nodes"));
}

#[test]
fn the_table_of_scenarios_names_those_that_there_are() {
    let files = [
        include_str!("calls.rs"),
        include_str!("limits.rs"),
        include_str!("links.rs"),
        include_str!("membership.rs"),
        include_str!("mesh.rs"),
        include_str!("policies.rs"),
        include_str!("providers.rs"),
        include_str!("streams.rs"),
        include_str!("topics.rs"),
    ];
    let tests = files.iter().flat_map(|file| file.lines());
    let number = |line: &str, before: &str, after: char| {
        let (digits, _) = line.strip_prefix(before)?.split_once(after)?;
        digits.parse::<u32>().ok()
    };
    let tested: BTreeSet<u32> = tests.filter_map(|line| number(line, "fn c", '_')).collect();
    let table = include_str!("../../FIDELITY.md").lines();
    let told: BTreeSet<u32> = table.filter_map(|line| number(line, "| C", ' ')).collect();
    assert_eq!(tested, told);
    assert!(tested.len() > 10, "{tested:?}");
}
