//! What can be asked for.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};

use crate::quantity::Micros;
use crate::seed::Seed;

/// Simulated networks that try to break the protocol, and oracles that say whether they did.
///
/// Exit codes: 0 all held, 1 safety, 2 liveness, 3 usage or unsupported run, 5 nondeterminism, 6 panic in the core, 7 testbed error or
/// hang, 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "sim", bin_name = "cargo xtask sim", version)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Execute the runs that plans and seeds give, and judge them. The bare command is `run` with its defaults.
    Run(RunArgs),
    /// Execute one run again.
    Replay(ReplayArgs),
    /// Prove determinism: execute each seed twice in fresh processes, and compare.
    Meta(MetaArgs),
    /// Show what there is.
    List(ListArgs),
    /// Switch on every bug in turn until an oracle notices; fail if one is missed.
    Prove(ProveArgs),
    /// Measure how soon everybody knows of a change, and what it costs, in simulated time and sealed bytes.
    Convergence(ConvergenceArgs),
    /// Execute seeds for a sweep, in a process of its own.
    #[command(hide = true)]
    Batch(BatchArgs),
    /// Print the hash chain of one execution.
    #[command(hide = true)]
    Chain(ChainArgs),
}

impl Default for Command {
    fn default() -> Self {
        let defaults = ["sim", "run"];
        let parsed = Arguments::try_parse_from(defaults).ok().and_then(|arguments| arguments.command);
        parsed.expect("`run` needs no arguments")
    }
}

/// How many seeds, or which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seeds {
    /// So many, from the base on.
    Count(u64),
    /// From the first to before the second.
    Range(u64, u64),
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let error =
            || format!("{text:?} is neither a number of seeds, such as 200, nor a range, such as 100..200");
        let number = |text: &str| text.parse::<Seed>().map(|seed| seed.0).map_err(|_| error());
        match text.split_once("..") {
            Some((low, high)) => match (number(low)?, number(high)?) {
                (low, high) if low < high => Ok(Self::Range(low, high)),
                _ => Err(error()),
            },
            None => {
                number(text).and_then(|count| if count == 0 { Err(error()) } else { Ok(Self::Count(count)) })
            }
        }
    }
}

/// See [`Command::Run`].
#[derive(Clone, Debug, Args)]
pub(super) struct RunArgs {
    /// The plan: a name from `list --plans`, a .toml file, or `all`
    #[arg(long, default_value = "smoke")]
    pub(super) plan: String,
    /// How many seeds, or which: 200 or 100..200 [default: 200, or 1 where --seed is given]
    #[arg(long)]
    pub(super) seeds: Option<Seeds>,
    /// The first seed: decimal, 0x..., or a commit's 40 digits [default: the commit of HEAD]
    #[arg(long)]
    pub(super) seed: Option<Seed>,
    /// The engine: a name, or `both`
    #[arg(long, default_value = "both")]
    pub(super) engine: String,
    /// Processes at the same time [default: one for each processor]
    #[arg(long)]
    pub(super) jobs: Option<usize>,
    /// Stop at the first failure (the default)
    #[arg(long, conflicts_with = "keep_going")]
    pub(super) fail_fast: bool,
    /// Go on after failures
    #[arg(long)]
    pub(super) keep_going: bool,
    /// Switch on a bug from `list --bugs`
    #[arg(long, value_name = "NAME")]
    pub(super) inject: Option<String>,
    /// Where failures are written [default: target/sim]
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Stop after this time, such as 90s or 3m, and judge what was executed
    #[arg(long, value_name = "TIME")]
    pub(super) time_budget: Option<Micros>,
}

/// See [`Command::Replay`].
#[derive(Clone, Debug, Args)]
pub(super) struct ReplayArgs {
    /// A failure.json, a run.jsonl, or SEED@PLAN
    pub(super) what: String,
    /// The engine [default: the failure's, or des]
    #[arg(long)]
    pub(super) engine: Option<String>,
    /// Switch on a bug from `list --bugs` [default: the failure's, or none]
    #[arg(long, value_name = "NAME")]
    pub(super) inject: Option<String>,
    /// Stop at this simulated time, without a verdict
    #[arg(long, value_name = "TIME")]
    pub(super) until: Option<Micros>,
    /// What to print of what happens
    #[arg(long, value_enum, default_value_t = Trace::None)]
    pub(super) trace: Trace,
    /// Write the run to this file
    #[arg(long, value_name = "FILE")]
    pub(super) save: Option<PathBuf>,
}

/// How much a replay prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Trace {
    /// The verdict.
    None,
    /// Every input and output.
    Full,
}

/// See [`Command::Meta`].
#[derive(Clone, Debug, Args)]
pub(super) struct MetaArgs {
    /// How many seeds, or which
    #[arg(long, default_value = "20")]
    pub(super) seeds: Seeds,
    /// The first seed [default: the commit of HEAD]
    #[arg(long)]
    pub(super) seed: Option<Seed>,
    /// The plan
    #[arg(long, default_value = "smoke")]
    pub(super) plan: String,
    /// The engine: a name, or `both`
    #[arg(long, default_value = "both")]
    pub(super) engine: String,
    /// Another build of this program for the second execution, such as one with another profile
    #[arg(long, value_name = "PATH")]
    pub(super) other_binary: Option<PathBuf>,
    /// Switch on a bug, to see that `meta` notices it
    #[arg(long, value_name = "NAME")]
    pub(super) inject: Option<String>,
}

/// See [`Command::List`].
#[derive(Clone, Copy, Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct ListArgs {
    /// The plans
    #[arg(long)]
    pub(super) plans: bool,
    /// The oracles
    #[arg(long)]
    pub(super) oracles: bool,
    /// The kinds of faults
    #[arg(long)]
    pub(super) faults: bool,
    /// The core's coverage marks, and how often twenty seeds of every plan reach them
    #[arg(long)]
    pub(super) marks: bool,
    /// The bugs that can be injected
    #[arg(long)]
    pub(super) bugs: bool,
}

/// See [`Command::Prove`].
#[derive(Clone, Debug, Args)]
pub(super) struct ProveArgs {
    /// Most seeds of each plan before a bug counts as missed
    #[arg(long, default_value_t = 40)]
    pub(super) seeds: u64,
    /// One bug only
    #[arg(long, value_name = "NAME")]
    pub(super) bug: Option<String>,
}

/// See [`Command::Convergence`].
#[derive(Clone, Debug, Args)]
pub(super) struct ConvergenceArgs {
    /// How many nodes, on a random graph with four links each; may be given several times
    #[arg(long, value_name = "N", default_values_t = [50, 200], value_parser = clap::value_parser!(usize))]
    pub(super) nodes: Vec<usize>,
    /// Graphs for each number of nodes
    #[arg(long, default_value_t = 1)]
    pub(super) seeds: u64,
    /// Print JSON in place of a table
    #[arg(long)]
    pub(super) json: bool,
}

/// See [`Command::Batch`].
#[derive(Clone, Debug, Args)]
pub(super) struct BatchArgs {
    #[arg(long)]
    pub(super) plan: String,
    #[arg(long)]
    pub(super) first: Seed,
    #[arg(long)]
    pub(super) count: u64,
    #[arg(long)]
    pub(super) engine: String,
    #[arg(long)]
    pub(super) inject: Option<String>,
}

/// See [`Command::Chain`].
#[derive(Clone, Debug, Args)]
pub(super) struct ChainArgs {
    #[arg(long)]
    pub(super) plan: String,
    #[arg(long)]
    pub(super) seed: Seed,
    #[arg(long)]
    pub(super) engine: String,
    #[arg(long)]
    pub(super) inject: Option<String>,
    /// Execute another seed first, whose traces in the process must not matter
    #[arg(long)]
    pub(super) after: Option<Seed>,
    /// Print the trace of the events from this number on
    #[arg(long)]
    pub(super) from: Option<u64>,
    /// ... and before this one
    #[arg(long)]
    pub(super) to: Option<u64>,
}
