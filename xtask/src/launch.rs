//! The commands that only build a program and become it.

use crate::cargo::{self, Profile};
use crate::process::{self, Failure};

/// `cargo xtask sim`: the testbed.
pub(crate) fn sim(args: &[String]) -> Result<(), Failure> {
    let program = cargo::build("lacewing-sim", "lacewing-sim", Profile::Sim)?;
    process::become_program(process::command(program).args(args))
}

/// `cargo xtask fixtures`: the generator.
pub(crate) fn fixtures(args: &[String]) -> Result<(), Failure> {
    if let Some(arg) = args.iter().find(|arg| !["--check", "--reports"].contains(&arg.as_str())) {
        return Err(Failure::usage(format!("fixtures: unknown argument `{arg}`")));
    }
    let program = cargo::build_tool("lacewing-fixtures", "fixture_runner")?;
    process::become_program(process::command(program).args(args))
}

/// `cargo xtask lint`.
pub(crate) fn lint(args: &[String]) -> Result<(), Failure> {
    if let Some(arg) = args.first() {
        return Err(Failure::usage(format!("lint: unknown argument `{arg}`")));
    }
    let program = cargo::build_tool("lacewing-lint", "rules")?;
    process::become_program(&mut process::command(program))
}

/// `cargo xtask bench`: the benchmarks, and the testbed for those of them that are simulated.
pub(crate) fn bench(args: &[String]) -> Result<(), Failure> {
    let program = cargo::build("lacewing-bench", "lacewing-bench", Profile::Release)?;
    let mut command = process::command(program);
    if wants_simulator(args) {
        command.arg("--simulator").arg(cargo::build("lacewing-sim", "lacewing-sim", Profile::Sim)?);
    }
    process::become_program(command.args(args))
}

/// Whether these arguments of the benchmarks lead to a simulation: what would not should not wait for the testbed.
fn wants_simulator(args: &[String]) -> bool {
    const OTHERS: [&str; 7] = ["calls", "directory", "load", "-h", "--help", "-V", "--version"];
    let is_other = |arg: &String| OTHERS.contains(&arg.trim_start_matches("--only="));
    let names_one = |arg: &String| arg == "--simulator" || arg.starts_with("--simulator=");
    !args.iter().any(|arg| is_other(arg) || names_one(arg))
}
