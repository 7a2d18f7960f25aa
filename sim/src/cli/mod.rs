//! The command line.

mod args;
mod batch;
mod child;
mod convergence;
mod list;
mod meta;
mod progress;
mod prove;
mod replay;
mod report;
mod sweep;
mod wall;

use clap::Parser;

use self::args::{Arguments, Command};
use crate::engine::{SimEngine, engines};
use crate::plan::{BUNDLED, Plan};
use crate::verdict::Exit;

/// Does what the command line says.
pub fn main() -> Exit {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no mistakes.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            drop(error.print());
            return exit;
        }
    };
    let command = arguments.command.unwrap_or_default();
    let done = match command {
        Command::Run(options) => sweep::main(&options),
        Command::Replay(options) => replay::main(&options),
        Command::Meta(options) => meta::main(&options),
        Command::List(options) => list::main(options),
        Command::Prove(options) => prove::main(&options),
        Command::Convergence(options) => convergence::main(&options),
        Command::Batch(options) => batch::main(&options),
        Command::Chain(options) => meta::chain_main(&options),
    };
    done.unwrap_or_else(|problem| {
        eprintln!("{problem}");
        problem.exit()
    })
}

/// Why a command did not get to a verdict. One line.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Harness(String),
}

impl Problem {
    fn usage(text: impl std::fmt::Display) -> Self {
        Self::Usage(text.to_string())
    }

    fn harness(text: impl std::fmt::Display) -> Self {
        Self::Harness(text.to_string())
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Harness(_) => Exit::Harness,
        }
    }
}

/// The engine of this name.
fn engine_named(name: &str) -> Result<Box<dyn SimEngine>, Problem> {
    let known: Vec<&str> = engines().iter().map(|engine| engine.name()).collect();
    engines().into_iter().find(|engine| engine.name() == name).ok_or_else(|| {
        Problem::usage(format!("there is no engine {name:?}: write {} or both", known.join(", ")))
    })
}

/// The names of the engines that `--engine` asks for.
fn engine_names(asked: &str) -> Result<Vec<&'static str>, Problem> {
    if asked == "both" {
        return Ok(engines().iter().map(|engine| engine.name()).collect());
    }
    engine_named(asked).map(|engine| vec![engine.name()])
}

/// The plans that `--plan` asks for, by name.
fn plans(asked: &str) -> Result<Vec<(String, Plan)>, Problem> {
    let names: Vec<&str> =
        if asked == "all" { BUNDLED.iter().map(|(name, _)| *name).collect() } else { vec![asked] };
    let load = |name: &str| Plan::load(name).map(|plan| (name.to_owned(), plan)).map_err(Problem::usage);
    names.into_iter().map(load).collect()
}

/// Checks the name of a bug. In builds that have none it says how to get one that does.
fn check_inject(name: Option<&str>) -> Result<(), Problem> {
    let Some(name) = name else { return Ok(()) };
    if !list::HAS_BUGS {
        let text = "this build holds no bugs to inject: use `cargo xtask sim`, or build with RUSTFLAGS=\"--cfg lacewing_inject\"";
        return Err(Problem::usage(text));
    }
    let bugs = list::bugs();
    if bugs.iter().any(|bug| bug.name == name) {
        return Ok(());
    }
    let known: Vec<&str> = bugs.iter().map(|bug| bug.name).collect();
    Err(Problem::usage(format!("there is no bug {name:?}: the bugs are {}", known.join(", "))))
}
