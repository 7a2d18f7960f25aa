use super::{BUNDLED, Plan};
use crate::run::{Item, Run};
use crate::seed::Seed;

fn smoke_with(find: &str, replace: &str) -> String {
    let (_, text) = BUNDLED.iter().find(|(name, _)| *name == "smoke").unwrap();
    assert!(text.contains(find), "the smoke plan has no {find:?}");
    text.replacen(find, replace, 1)
}

fn error(find: &str, replace: &str) -> String {
    let error = Plan::parse("scenarios/smoke.toml", &smoke_with(find, replace)).unwrap_err().to_string();
    assert!(!error.contains('\n'), "{error}");
    error
}

fn of_kind(run: &Run, kind: &str) -> Vec<Item> {
    run.items.iter().filter(|item| item.fault() == Some(kind)).cloned().collect()
}

fn calls(run: &Run) -> Vec<Item> {
    run.items
        .iter()
        .filter(|item| matches!(item, Item::Call(_)) && item.at() <= run.header.phases.heal)
        .cloned()
        .collect()
}

#[test]
fn every_bundled_plan_is_read_and_named_like_its_file() {
    for (name, _) in BUNDLED {
        assert_eq!(Plan::load(name).unwrap().outline.name, *name);
    }
}

#[test]
fn a_plan_and_a_seed_always_give_the_same_run_and_another_seed_another() {
    let plan = Plan::load("smoke").unwrap();
    assert_eq!(plan.expand(Seed(42)).to_text(), plan.expand(Seed(42)).to_text());
    assert_ne!(plan.expand(Seed(42)).items, plan.expand(Seed(43)).items);
}

#[test]
fn a_change_in_one_family_of_faults_moves_nothing_in_the_others() {
    let plan = Plan::load("smoke").unwrap();
    let other =
        Plan::parse("smoke.toml", &smoke_with("every = \"1s..6s\"", "every = \"0.1s..0.2s\"")).unwrap();
    let mut changed = false;
    for seed in (0..20).map(Seed) {
        let (one, two) = (plan.expand(seed), other.expand(seed));
        changed |= of_kind(&one, "reset") != of_kind(&two, "reset");
        for kind in ["partition", "half-open", "stall", "crash", "slow-reader", "pause"] {
            assert_eq!(of_kind(&one, kind), of_kind(&two, kind), "{kind}");
        }
        assert_eq!(calls(&one), calls(&two));
    }
    assert!(changed, "the change must show in its own family");
}

#[test]
fn the_swarm_leaves_each_family_out_of_some_runs_and_in_others() {
    let plan = Plan::load("smoke").unwrap();
    for (kind, _) in Item::FAULTS {
        let with = (0..40).filter(|seed| !of_kind(&plan.expand(Seed(*seed)), kind).is_empty()).count();
        assert!((5..36).contains(&with), "{kind} is in {with} of 40 runs");
    }
}

#[test]
fn no_fault_outlives_the_heal_phase_and_no_work_the_quiet_one() {
    for (name, _) in BUNDLED {
        for seed in 0..10 {
            let run = Plan::load(name).unwrap().expand(Seed(seed));
            let phases = run.header.phases;
            for item in &run.items {
                assert!(item.fault().is_none() || item.at() <= phases.heal);
                if let Item::Call(call) = item {
                    assert!(call.t.plus(call.timeout) <= phases.quiet, "{name} {seed}");
                }
            }
        }
    }
}

#[test]
fn mistakes_are_told_in_one_line_with_file_line_and_what_is_allowed() {
    let unknown = error("rate = \"10..30\"", "rat = \"10..30\"");
    assert!(unknown.starts_with("scenarios/smoke.toml:") && unknown.contains("rat"), "{unknown}");
    let kind = error("kind = \"reset\"", "kind = \"earthquake\"");
    assert!(kind.contains("earthquake") && kind.contains("half-open"), "{kind}");
    let top = error("[swarm]", "[storm]");
    assert!(top.contains("storm") && top.contains("swarm"), "{top}");
    let range = error("nodes = \"3..5\"", "nodes = \"5..3\"");
    assert!(range.contains("smoke.toml:5:") && range.contains("low not above high"), "{range}");
    assert!(error("nodes = \"3..5\"", "nodes = \"0..5\"").contains("1 to 200"));
    assert!(error("omit_probability = \"1/2\"", "omit_probability = \"3/2\"").contains("ratio"));
    assert!(error("name = \"smoke\"", "name = \"other\"").contains("like its file"));
    assert!(error("rate = \"10..30\"", "rate = \"0\"").contains("above 0"));
}

#[test]
fn an_unknown_plan_is_told_which_there_are() {
    let error = Plan::load("smok").unwrap_err().to_string();
    assert!(error.contains("smoke") && error.contains("quiet"), "{error}");
}
