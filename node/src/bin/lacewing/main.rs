//! The `lacewing` command: keys and tokens, a node to run, calls to make, a mesh to look at, and a demo.

mod arguments;
mod call;
mod demo;
mod describe;
mod duration;
mod expression;
mod failure;
mod incarnation;
mod interrupt;
mod keyfile;
mod keygen;
mod lookup;
mod nodes;
mod outcome;
mod peers;
mod portrait;
mod route;
mod rules;
mod screen;
mod settings;
mod token;
mod top;
mod topics;
mod up;
mod visit;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use arguments::{Arguments, Command};
use failure::Failure;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let quiet = !matches!(arguments.command, Command::Up(_));
    start_log(quiet);
    match run(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Logs go to stderr. `LACEWING_LOG` says how much, in the syntax of `RUST_LOG`: `debug`, `lacewing=trace`, ...
fn start_log(quiet: bool) {
    let default = if quiet { "off" } else { "warn" };
    let filter = EnvFilter::try_from_env("LACEWING_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
}

fn run(command: Command) -> Result<(), Failure> {
    if let Command::Keygen(arguments) = command {
        return keygen::run(&arguments);
    }
    // One thread is enough: sockets, engine and handlers share it, and nothing is handed from one to another.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::usage(format!("cannot start: {error}")))?;
    let result = runtime.block_on(async {
        match command {
            Command::Keygen(_) => Ok(()),
            Command::Up(arguments) => up::run(arguments).await,
            Command::Call(arguments) => interrupt::or(call::run(arguments)).await,
            Command::Peers(arguments) => interrupt::or(peers::run(arguments)).await,
            Command::Nodes(arguments) => interrupt::or(nodes::run(arguments)).await,
            Command::Find(arguments) => interrupt::or(nodes::find(arguments)).await,
            Command::Describe(arguments) => interrupt::or(describe::run(arguments)).await,
            Command::Route(arguments) => interrupt::or(route::run(arguments)).await,
            Command::Pub(arguments) => interrupt::or(topics::publish(arguments)).await,
            Command::Sub(arguments) => interrupt::or(topics::subscribe(arguments)).await,
            Command::Top(arguments) => interrupt::or(top::run(arguments)).await,
            Command::Token(command) => interrupt::or(token::run(command)).await,
            Command::Demo => interrupt::or(demo::run()).await,
        }
    });
    // A name that is still being looked up must not hold up the end.
    runtime.shutdown_background();
    result
}
