//! `cargo xtask`: the chores of this workspace.
//!
//! A thin launcher without dependencies. What needs more than std (the simulator, the fixtures, the lints, the
//! benchmarks) is a program of its own that this one builds and runs.

mod cargo;
mod launch;
mod markdown;
mod process;
mod suite;

use std::process::ExitCode;

use process::Failure;

const USAGE: &str = "\
usage: cargo xtask COMMAND [ARGS]

  sim [ARGS]                   run the testbed; without arguments the smoke plan on both engines
  test [OPTIONS] [PART..]      run every suite once, or only the named parts
  fixtures [--check|--reports] write the generated files, or compare them, or cross-check the runners' reports
  lint                         check what rustc and clippy do not know: selects, layers, sizes, marks, minimum Rust
  bench [ARGS]                 measure calls, the directory and convergence, in a release build
  help                         this text

options of test:
  --skip PART                  leave a part out; may be given more than once
  --deep                       add the slow proofs: both profiles, sanitizers, long fuzzing, long simulation
  --list                       print the parts and what each proves
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let command = args.next();
    let rest: Vec<String> = args.collect();
    let outcome = match command.as_deref() {
        Some("sim") => launch::sim(&rest),
        Some("test") => suite::run(&rest),
        Some("fixtures") => launch::fixtures(&rest),
        Some("lint") => launch::lint(&rest),
        Some("bench") => launch::bench(&rest),
        Some("help" | "--help" | "-h") => {
            print!("{USAGE}");
            Ok(())
        }
        Some(other) => Err(Failure::usage(format!("unknown command `{other}`"))),
        None => Err(Failure::usage("no command given")),
    };
    let Err(failure) = outcome else { return ExitCode::SUCCESS };
    eprintln!("xtask: {failure}");
    if failure.is_usage() {
        eprint!("\n{USAGE}");
    }
    ExitCode::from(failure.exit_code())
}
