//! Calling cargo.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use crate::process::{self, Failure};

/// Flags that simulation builds add: tokio's random choices follow the seed, and the named bugs are compiled in.
const SIM_FLAGS: [&str; 4] = ["--cfg", "tokio_unstable", "--cfg", "lacewing_inject"];

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    process::command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Builds one program of the workspace and gives its path.
pub(crate) fn build(package: &str, binary: &str, profile: Profile) -> Result<PathBuf, Failure> {
    let mut cargo = cargo();
    let quiet = if std::env::var_os("CI").is_some() { &[][..] } else { &["--quiet"][..] };
    cargo.args(["build", "--package", package, "--bin", binary]).args(quiet).args(profile.args());
    let mut dir = process::target_dir();
    if matches!(profile, Profile::Sim | Profile::SimDebug) {
        dir = dir.join("sim");
        cargo.env("CARGO_TARGET_DIR", &dir);
        add_sim_flags(&mut cargo);
    }
    let status = cargo.status().map_err(|error| Failure::new(format!("cannot start cargo: {error}")))?;
    if !status.success() {
        return Err(Failure::new(format!("`{}` failed ({status})", process::shown(&cargo))));
    }
    Ok(dir.join(profile.folder()).join(binary).with_extension(std::env::consts::EXE_EXTENSION))
}

/// Builds a program of ours for chores, and gives its path. `test` is one of its package's test files.
///
/// It is built as what that test needs, since the tests of the whole workspace need it in the very same form: a plain
/// build would choose other features for the dependencies, and compile most of them a second time.
pub(crate) fn build_tool(binary: &str, test: &str) -> Result<PathBuf, Failure> {
    let mut cargo = cargo();
    cargo.args(["test", "--quiet", "--workspace", "--no-run", "--test", test]);
    let status = cargo.status().map_err(|error| Failure::new(format!("cannot start cargo: {error}")))?;
    if !status.success() {
        return Err(Failure::new(format!("`{}` failed ({status})", process::shown(&cargo))));
    }
    let folder = process::target_dir().join(Profile::Dev.folder());
    Ok(folder.join(binary).with_extension(std::env::consts::EXE_EXTENSION))
}

/// How something is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// For tests and chores.
    Dev,
    /// What users get.
    Release,
    /// Release speed with every assertion and with the named bugs, in a target folder of its own.
    Sim,
    /// The same without optimisation, to see that it makes no difference.
    SimDebug,
}

impl Profile {
    fn args(self) -> &'static [&'static str] {
        match self {
            Self::Dev | Self::SimDebug => &[],
            Self::Release => &["--release"],
            Self::Sim => &["--profile", "sim"],
        }
    }

    fn folder(self) -> &'static str {
        match self {
            Self::Dev | Self::SimDebug => "debug",
            Self::Release => "release",
            Self::Sim => "sim",
        }
    }
}

/// Appends to the flags that are set already: an override would drop the caller's.
pub(crate) fn add_sim_flags(cargo: &mut Command) {
    // Cargo looks at the encoded variable first, so whichever is in force is the one to extend.
    let (name, separator) = match std::env::var_os("CARGO_ENCODED_RUSTFLAGS") {
        Some(_) => ("CARGO_ENCODED_RUSTFLAGS", "\x1f"),
        None => ("RUSTFLAGS", " "),
    };
    cargo.env(name, appended(std::env::var_os(name), separator));
}

fn appended(flags: Option<OsString>, separator: &str) -> OsString {
    let mut flags = flags.unwrap_or_default();
    for flag in SIM_FLAGS {
        if !flags.is_empty() {
            flags.push(separator);
        }
        flags.push(flag);
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::appended;

    #[test]
    fn simulation_flags_come_after_the_callers() {
        assert_eq!(appended(None, " "), "--cfg tokio_unstable --cfg lacewing_inject");
        let both = appended(Some("-C target-cpu=native".into()), " ");
        assert_eq!(both, "-C target-cpu=native --cfg tokio_unstable --cfg lacewing_inject");
    }
}
