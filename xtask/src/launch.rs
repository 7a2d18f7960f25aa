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

/// `cargo xtask bench`.
pub(crate) fn bench(args: &[String]) -> Result<(), Failure> {
    let program = cargo::build("lacewing-bench", "lacewing-bench", Profile::Release)?;
    process::become_program(process::command(program).args(args))
}
