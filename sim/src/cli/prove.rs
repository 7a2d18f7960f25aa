//! Proof that the oracles see: every bug that can be switched on must be noticed.

use std::collections::{BTreeMap, BTreeSet};

use super::args::ProveArgs;
use super::list::{self, Bug};
use super::{Problem, check_inject, plans};
use crate::des::Des;
use crate::engine::{Options, SimEngine};
use crate::oracle;
use crate::plan::Plan;
use crate::seed::Seed;
use crate::turmoil::Turmoil;
use crate::verdict::{Exit, Verdict, judge};

/// What the driver calls itself in its list of bugs.
const DRIVER: &str = "driver";

/// What noticed a bug, and where.
struct Catch {
    plan: String,
    seed: Seed,
    by: BTreeSet<String>,
}

pub(super) fn main(options: &ProveArgs) -> Result<Exit, Problem> {
    // The testbed's own bugs are `meta`'s to notice.
    check_inject(options.bug.as_deref().or(Some("harness:thread-random")))?;
    let plans = plans("all")?;
    let (mut missed, mut eyes) = (0, BTreeMap::new());
    for bug in list::product_bugs() {
        if options.bug.as_deref().is_some_and(|name| name != bug.name) {
            continue;
        }
        let Some(Catch { plan, seed, by }) = catch(&bug, &plans, options.seeds) else {
            missed += 1;
            println!("  {:<28} MISSED in {} seeds of every plan", bug.name, options.seeds);
            continue;
        };
        let by: Vec<String> = by.into_iter().collect();
        println!("  {:<28} noticed by {} in {seed}@{plan}", bug.name, by.join(", "));
        for oracle in by {
            *eyes.entry(oracle).or_insert(0) += 1;
        }
    }
    let blind: Vec<&str> =
        oracle::ALL.iter().map(|oracle| oracle.name).filter(|name| !eyes.contains_key(*name)).collect();
    let mut all_see = true;
    if options.bug.is_none() {
        all_see = blind.is_empty();
        println!("oracles that noticed none: {}", if all_see { "none".to_owned() } else { blind.join(", ") });
    }
    let verdict = match (missed, all_see) {
        (0, true) => "ok".to_owned(),
        (0, false) => "some oracles saw no bug".to_owned(),
        _ => format!("{missed} missed"),
    };
    println!("verdict: {verdict}");
    Ok(if missed == 0 && all_see { Exit::Ok } else { Exit::Safety })
}

/// The first seed in which the bug shows, plans in turn. A seed that fails without the bug proves nothing.
fn catch(bug: &Bug, plans: &[(String, Plan)], seeds: u64) -> Option<Catch> {
    // The driver's bugs do not show where there is no driver.
    let engine: &dyn SimEngine = if bug.place == DRIVER { &Turmoil } else { &Des };
    for seed in (0..seeds).map(Seed) {
        for (name, plan) in plans {
            let with = noticed(engine, plan, seed, Some(bug.name));
            if with.is_empty() {
                continue;
            }
            let without = noticed(engine, plan, seed, None);
            let by: BTreeSet<String> = with.difference(&without).cloned().collect();
            if !by.is_empty() {
                return Some(Catch { plan: name.clone(), seed, by });
            }
        }
    }
    None
}

/// The oracles that a seed upsets.
fn noticed(engine: &dyn SimEngine, plan: &Plan, seed: Seed, inject: Option<&str>) -> BTreeSet<String> {
    let mut options = Options { inject: inject.map(str::to_owned), ..Options::default() };
    match judge(engine, &plan.expand(seed), &mut options).0 {
        Verdict::Pass | Verdict::Refused { .. } => BTreeSet::new(),
        Verdict::Violated { violations } => {
            violations.into_iter().map(|violation| violation.oracle).collect()
        }
        Verdict::Panicked { .. } => BTreeSet::from(["an assertion of the core".to_owned()]),
        Verdict::Harness { .. } => BTreeSet::from(["the testbed".to_owned()]),
    }
}
