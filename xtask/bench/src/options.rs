//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use serde::Serialize;

use crate::contender::{Contender, PHASES, Threads};
use crate::directory::{Metric, NODES};
use crate::load::Amounts;

/// Calls that are on the way at once in the second phase.
pub(crate) const IN_FLIGHT: usize = 64;

/// Questions of the directory, in each round and for each size of the mesh.
const QUESTIONS: u32 = Metric::ALL.len() as u32 * NODES.len() as u32;

/// Measures calls beside raw TCP on loopback, questions to the directory, and how soon a mesh knows of a change; and what nodes bear, where that is asked for.
///
/// Prints tables and writes JSON. Where there is a goal, it says whether it is met, and asserts nothing: what a number means
/// depends on the machine.
#[derive(Parser, Debug)]
#[command(name = "lacewing-bench", version)]
pub(crate) struct Options {
    /// Bytes of each payload.
    // All that is on the way at once fits the socket buffers, so that two blocking ends cannot wait for each other.
    #[arg(long, value_name = "BYTES", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4_096))]
    payload: u16,

    /// Time to measure, in all: four fifths for calls, one for the directory.
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..=600))]
    seconds: u16,

    /// Two seconds, three rounds: whether it works, rather than how fast it is.
    #[arg(long, conflicts_with = "seconds")]
    quick: bool,

    /// Use tokio's multi-thread runtime on both sides, instead of the current-thread one.
    #[arg(long)]
    multi_thread: bool,

    /// Measure this part alone; it gets all the time.
    #[arg(long, value_name = "PART")]
    only: Option<Part>,

    /// The testbed, which measures convergence; without it that part is left out. `cargo xtask bench` builds it.
    #[arg(long, value_name = "PROGRAM", required_if_eq("only", "convergence"))]
    pub(crate) simulator: Option<PathBuf>,

    /// Where the JSON goes [default: bench/bench.json in cargo's target folder].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// The other process: prints its address, answers `cpu`, ends with its standard input.
    #[command(hide = true)]
    Serve {
        contender: Contender,
        #[arg(long)]
        multi_thread: bool,
    },
    /// One of the processes of a load: does what its standard input says, ends with it.
    #[command(hide = true)]
    Station {
        peers: Vec<SocketAddr>,
        #[arg(long)]
        multi_thread: bool,
    },
}

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Calls beside raw TCP.
    Calls,
    /// Questions to the directory.
    Directory,
    /// How soon a mesh knows of a change. Simulated, so that --seconds does not concern it.
    Convergence,
    /// Long streams, many calls, many links; takes minutes, and is measured only where it is asked for. The amounts are fixed, so
    /// that --seconds does not concern it.
    Load,
}

/// What is measured, and for how long.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Settings {
    pub(crate) payload_bytes: usize,
    pub(crate) in_flight: usize,
    pub(crate) rounds: usize,
    #[serde(skip)]
    pub(crate) phase: Duration,
    phase_ms: u64,
    /// How long each question to the directory is asked in each round.
    #[serde(skip)]
    pub(crate) question: Duration,
    question_us: u64,
    pub(crate) runtime: Threads,
    pub(crate) load: Amounts,
    pub(crate) load_rounds: usize,
    #[serde(skip)]
    only: Option<Part>,
}

impl Options {
    pub(crate) fn settings(&self) -> Settings {
        let (seconds, rounds) = if self.quick { (2, 3) } else { (self.seconds, 5) };
        let whole = Duration::from_secs(seconds.into());
        // The directory is less at the mercy of the machine, and needs less.
        let for_directory = if self.only == Some(Part::Directory) { whole } else { whole / 5 };
        let for_calls = if self.only == Some(Part::Calls) { whole } else { whole * 4 / 5 };
        let phase = for_calls / (rounds * Contender::ALL.len() as u32 * PHASES);
        let question = for_directory / (rounds * QUESTIONS);
        Settings {
            payload_bytes: self.payload.into(),
            in_flight: IN_FLIGHT,
            rounds: rounds as usize,
            phase,
            phase_ms: phase.as_millis() as u64,
            question,
            question_us: question.as_micros() as u64,
            runtime: self.multi_thread.into(),
            load: if self.quick { Amounts::QUICK } else { Amounts::FULL },
            load_rounds: if self.quick { 1 } else { 3 },
            only: self.only,
        }
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.out.clone().unwrap_or_else(|| {
            let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
            target.join("bench").join("bench.json")
        })
    }
}

impl Settings {
    /// Whether this part is measured. Loads take minutes, and so are measured only where they are asked for.
    pub(crate) fn measures(&self, part: Part) -> bool {
        self.only.map_or(part != Part::Load, |only| only == part)
    }

    /// By when a measurement has ended, or hangs: ten times what is planned, and time to start on a busy machine. The
    /// testbed is given ten minutes, and the loads half an hour.
    pub(crate) fn ends_within(&self) -> Duration {
        let rounds = self.rounds as u32;
        let calls = self.phase * rounds * Contender::ALL.len() as u32 * PHASES;
        let simulated = Duration::from_secs(if self.measures(Part::Convergence) { 600 } else { 0 });
        let load = Duration::from_secs(if self.measures(Part::Load) { 1_800 } else { 0 });
        (calls + self.question * rounds * QUESTIONS) * 10 + simulated + load + Duration::from_secs(60)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Options::command().debug_assert();
    }

    #[test]
    fn the_phases_add_up_to_the_time_that_was_asked_for() {
        let spent = |args: &[&str]| {
            let settings =
                Options::parse_from([&["lacewing-bench", "--seconds", "30"], args].concat()).settings();
            let calls = settings.phase * 3 * 2 * settings.rounds as u32;
            (calls, (settings.question * QUESTIONS * settings.rounds as u32).as_secs_f64().round())
        };
        assert_eq!(spent(&[]), (Duration::from_secs(24), 6.0));
        assert_eq!(spent(&["--only", "calls"]).0, Duration::from_secs(30));
        assert!((spent(&["--only", "directory"]).1 - 30.0).abs() < 1e-9);
    }
}
