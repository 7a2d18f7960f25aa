//! `cargo xtask bench`: calls beside raw TCP on loopback, in one run, and then questions to the directory.
//!
//! Three contenders carry the same payload between two processes: a blocking TCP echo, a tokio TCP echo with length prefixes,
//! and a call of Lacewing. The first two are floors: they do less than any call can. Rounds are interleaved, so that the
//! drift of a noisy machine hits all three alike.

mod clock;
mod contender;
mod directory;
mod environment;
mod failure;
mod options;
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
    let report = report::Report::new(environment::Environment::look(), settings, &rounds, directory);
    print!("{}", report.table());
    let path = options.out();
    report.write(&path)?;
    eprintln!("written to {}", path.display());
    Ok(())
}
