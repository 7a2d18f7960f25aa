//! `cargo xtask bench`: calls beside raw TCP on loopback, in one run, then questions to the directory, then how soon a
//! simulated mesh knows of a change. And, where that is asked for, what nodes bear: long streams, many calls, many links.
//!
//! Three contenders carry the same payload between two processes: a blocking TCP echo, a tokio TCP echo with length prefixes,
//! and a call of Lacewing. The first two are floors: they do less than any call can. Rounds are interleaved, so that the
//! drift of a noisy machine hits all three alike.

mod clock;
mod contender;
mod convergence;
mod directory;
mod environment;
mod failure;
mod goal;
mod load;
mod options;
mod process;
mod report;
mod rounds;
mod server;
mod statistics;
mod thread;

use std::process::ExitCode;

use clap::Parser as _;

use failure::Failure;
use options::{Command, Options, Part};

fn main() -> ExitCode {
    let options = Options::parse();
    let outcome = match options.command {
        Some(Command::Serve { contender, multi_thread }) => server::serve(contender, multi_thread.into()),
        Some(Command::Station { ref peers, multi_thread }) => load::serve(multi_thread.into(), peers),
        None => measure(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("lacewing-bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> Result<(), Failure> {
    let settings = options.settings();
    thread::end_process_after(settings.ends_within());
    let rounds = if settings.measures(Part::Calls) { rounds::run(&settings)? } else { Vec::new() };
    let directory = if settings.measures(Part::Directory) {
        directory::run(settings.rounds, settings.question)
    } else {
        Vec::new()
    };
    let convergence = match &options.simulator {
        Some(simulator) if settings.measures(Part::Convergence) => convergence::run(simulator)?,
        _ => Vec::new(),
    };
    let load = if settings.measures(Part::Load) {
        load::run(&settings.load, settings.load_rounds, settings.runtime)?
    } else {
        Vec::new()
    };
    let environment = environment::Environment::look();
    let report = report::Report::new(environment, settings, &rounds, directory, convergence, load);
    print!("{}", report.table());
    let path = options.out();
    report.write(&path)?;
    eprintln!("written to {}", path.display());
    Ok(())
}
