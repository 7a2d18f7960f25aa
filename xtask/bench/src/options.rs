//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use serde::Serialize;

use crate::contender::{Contender, PHASES, Threads};

/// Calls that are on the way at once in the second phase.
pub(crate) const IN_FLIGHT: usize = 64;

/// Measures calls beside raw TCP on loopback.
///
/// Prints a table and writes JSON. It asserts nothing about times: what a number means depends on the machine.
#[derive(Parser, Debug)]
#[command(name = "lacewing-bench", version)]
pub(crate) struct Options {
    /// Bytes of each payload.
    // All that is on the way at once fits the socket buffers, so that two blocking ends cannot wait for each other.
    #[arg(long, value_name = "BYTES", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4_096))]
    payload: u16,

    /// Time to measure, in all.
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..=600))]
    seconds: u16,

    /// Two seconds, three rounds: whether it works, rather than how fast it is.
    #[arg(long, conflicts_with = "seconds")]
    quick: bool,

    /// Use tokio's multi-thread runtime on both sides, instead of the current-thread one.
    #[arg(long)]
    multi_thread: bool,

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
    pub(crate) runtime: Threads,
}

impl Options {
    pub(crate) fn settings(&self) -> Settings {
        let (seconds, rounds) = if self.quick { (2, 3) } else { (self.seconds, 5) };
        let phase = Duration::from_secs(seconds.into()) / (rounds * Contender::ALL.len() as u32 * PHASES);
        Settings {
            payload_bytes: self.payload.into(),
            in_flight: IN_FLIGHT,
            rounds: rounds as usize,
            phase,
            phase_ms: phase.as_millis() as u64,
            runtime: self.multi_thread.into(),
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
    /// By when a measurement has ended, or hangs: ten times what is planned, and time to start on a busy machine.
    pub(crate) fn ends_within(&self) -> Duration {
        self.phase * (self.rounds * Contender::ALL.len()) as u32 * PHASES * 10 + Duration::from_secs(60)
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
        let settings = Options::parse_from(["lacewing-bench", "--seconds", "30"]).settings();
        assert_eq!(settings.phase * 3 * 2 * settings.rounds as u32, Duration::from_secs(30));
    }
}
