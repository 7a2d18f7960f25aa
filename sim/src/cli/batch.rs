//! A few seeds in a process of their own, so that what one of them breaks cannot touch the others of a sweep.

use std::io::Write as _;

use serde::{Deserialize, Serialize};

use super::args::BatchArgs;
use super::{Problem, engine_named, plans};
use crate::engine::{Options, Tally};
use crate::seed::Seed;
use crate::verdict::{Exit, Verdict, judge};

/// One line of a batch's output.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SeedReport {
    /// Which seed.
    pub(super) seed: Seed,
    /// What it came to.
    pub(super) verdict: Verdict,
    /// How much there was.
    pub(super) tally: Tally,
    /// The last hash of the chain.
    pub(super) chain: String,
}

/// Executes the seeds and prints a line for each. Ends after a panic: whatever it left behind ends with the process.
pub(super) fn main(options: &BatchArgs) -> Result<Exit, Problem> {
    let engine = engine_named(&options.engine)?;
    let (_, plan) = plans(&options.plan)?.remove(0);
    let mut out = std::io::stdout().lock();
    for offset in 0..options.count {
        let seed = Seed(options.first.0.wrapping_add(offset));
        let run = plan.expand(seed);
        let mut how = Options { inject: options.inject.clone(), ..Options::default() };
        let (verdict, outcome) = judge(&*engine, &run, &mut how);
        let ends = matches!(verdict, Verdict::Panicked { .. });
        let report =
            SeedReport { seed, verdict, tally: outcome.tally, chain: outcome.chain.last().to_owned() };
        let line = serde_json::to_string(&report).map_err(Problem::harness)?;
        // Nobody reads any more: the sweep was stopped.
        if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() || ends {
            break;
        }
    }
    Ok(Exit::Ok)
}
