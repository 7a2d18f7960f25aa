//! The slow proofs, run by hand.

use crate::cargo::{self, Profile};
use crate::process::{self, Failure};

/// The target that sanitizers are built for: naming it keeps their flags away from build scripts and macros.
const SANITIZED_TARGET: &str = "x86_64-unknown-linux-gnu";

/// The tests in the other profile.
pub(super) fn release() -> Result<(), Failure> {
    process::run(cargo::cargo().args(["test", "--workspace", "--release", "--no-fail-fast"]))
}

/// The tests of core and node under `AddressSanitizer`, which needs a nightly compiler.
pub(super) fn sanitizers() -> Result<(), Failure> {
    let mut cargo = process::command("rustup");
    cargo.args([
        "run",
        "nightly",
        "cargo",
        "test",
        "--package",
        "lacewing-core",
        "--package",
        "lacewing",
        "--tests",
    ]);
    cargo.args(["--target", SANITIZED_TARGET]).env("RUSTFLAGS", "-Zsanitizer=address");
    cargo.env("CARGO_TARGET_DIR", process::target_dir().join("sanitizer"));
    for name in ["CARGO", "RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN", "CARGO_ENCODED_RUSTFLAGS"] {
        cargo.env_remove(name);
    }
    process::run(&mut cargo)
}

/// A million mutations of each decoder's inputs.
pub(super) fn fuzz() -> Result<(), Failure> {
    let program = cargo::build("lacewing-fixtures", "lacewing-fixtures", Profile::Release)?;
    process::run(process::command(program).args(["fuzz", "--iterations", "1000000"]))
}

/// Many seeds of every plan; each run twice, the second time in a build without optimisation.
pub(super) fn sim() -> Result<(), Failure> {
    let program = cargo::build("lacewing-sim", "lacewing-sim", Profile::Sim)?;
    let unoptimised = cargo::build("lacewing-sim", "lacewing-sim", Profile::SimDebug)?;
    for (engine, seeds) in [("des", "5000"), ("turmoil", "300")] {
        let run = ["run", "--plan", "all", "--keep-going", "--engine", engine, "--seeds", seeds];
        process::run(process::command(&program).args(run))?;
        let meta = ["meta", "--seeds", "100", "--engine", engine, "--other-binary"];
        process::run(process::command(&program).args(meta).arg(&unoptimised))?;
    }
    Ok(())
}
