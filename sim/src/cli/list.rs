//! What there is. Everything comes from the code, so that it cannot go stale.

use super::args::ListArgs;
use super::{Problem, plans};
use crate::des::{Des, leaks};
use crate::engine::{Options, SimEngine as _, Tally};
use crate::oracle::{self, Class};
use crate::run::Item;
use crate::seed::Seed;
use crate::verdict::Exit;

/// Whether this build holds bugs to inject.
pub(super) const HAS_BUGS: bool = cfg!(lacewing_inject);
/// Seeds of each plan that marks are counted over.
const MARK_SEEDS: u64 = 20;

/// Where the bugs are that only `meta` can notice.
const TESTBED: &str = "testbed";

/// A bug that `--inject` switches on.
pub(super) struct Bug {
    pub(super) name: &'static str,
    pub(super) place: &'static str,
    pub(super) what: &'static str,
}

/// Every bug of this build: the core's, the driver's, and those of the testbed that `meta` must notice.
pub(super) fn bugs() -> Vec<Bug> {
    let mut bugs = product_bugs();
    let leaks = crate::turmoil::leaks::ALL.iter().chain(&leaks::ALL);
    let leaks: std::collections::BTreeMap<_, _> = leaks.map(|(name, what)| (*name, *what)).collect();
    bugs.extend(leaks.into_iter().map(|(name, what)| Bug { name, place: TESTBED, what }));
    bugs
}

/// The bugs of the core and of the driver.
#[cfg(lacewing_inject)]
pub(super) fn product_bugs() -> Vec<Bug> {
    let bug = |bug: &lacewing_core::machine::Bug| Bug { name: bug.name, place: bug.machine, what: bug.what };
    lacewing_core::machine::BUGS.iter().chain(lacewing::DRIVER_BUGS).map(bug).collect()
}

/// The bugs of the core and of the driver: only simulation builds hold any.
#[cfg(not(lacewing_inject))]
pub(super) fn product_bugs() -> Vec<Bug> {
    Vec::new()
}

pub(super) fn main(options: ListArgs) -> Result<Exit, Problem> {
    let all = !(options.plans || options.oracles || options.faults || options.marks || options.bugs);
    if all || options.plans {
        println!("plans:");
        for (name, plan) in plans("all")? {
            println!("  {name:<12} {}", plan.outline.about);
        }
    }
    if all || options.oracles {
        println!("oracles:");
        for oracle in oracle::ALL {
            let class = if oracle.class == Class::Safety { "safety" } else { "liveness" };
            println!("  {:<28} {class:<9} {}", oracle.name, oracle.proves);
        }
    }
    if all || options.faults {
        println!("faults:");
        for (name, what) in Item::FAULTS {
            println!("  {name:<12} {what}");
        }
    }
    if all || options.bugs {
        println!("bugs:");
        if HAS_BUGS {
            for bug in bugs() {
                println!("  {:<28} {:<11} {}", bug.name, bug.place, bug.what);
            }
        } else {
            println!("  none in this build: only simulation builds (`cargo xtask sim`) hold any");
        }
    }
    // Not part of the whole list: it takes a while.
    if options.marks {
        marks()?;
    }
    Ok(Exit::Ok)
}

/// Executes some seeds of every plan and shows what they reached.
fn marks() -> Result<(), Problem> {
    let mut tally = Tally::default();
    for (_, plan) in plans("all")? {
        for seed in 0..MARK_SEEDS {
            tally.add(&Des.execute(&plan.expand(Seed(seed)), &mut Options::default()).tally);
        }
    }
    println!(
        "marks of the core, and how often {MARK_SEEDS} seeds of every plan reach them on the des engine:"
    );
    for name in lacewing_core::marks::MARKS {
        println!("  {name:<44} {}", tally.marks.get(*name).copied().unwrap_or(0));
    }
    Ok(())
}
