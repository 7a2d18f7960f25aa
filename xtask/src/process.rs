//! Running other programs, and failing with one clear line.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Why a chore did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line was wrong: exit code 2, with the usage.
    Usage(String),
    /// Something was tried and failed: exit code 1.
    Failed(String),
}

impl Failure {
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }

    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self::Failed(text.into())
    }

    pub(crate) fn is_usage(&self) -> bool {
        matches!(self, Self::Usage(_))
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Failed(_) => 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Failed(text) => f.write_str(text),
        }
    }
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").to_owned()
}

/// Where cargo puts what it builds.
pub(crate) fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// A command that does not inherit what `cargo run` told this process about xtask itself; build scripts that watch those
/// variables would run again each time the caller changes.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") || text == "CARGO_CRATE_NAME"
        {
            command.env_remove(&name);
        }
    }
    command
}

/// The command as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let mut text = Path::new(command.get_program())
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    for arg in command.get_args() {
        text.push(' ');
        text.push_str(&arg.to_string_lossy());
    }
    text
}

/// Runs a command with the terminal as its own, after printing it.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    eprintln!("$ {}", shown(command));
    let status = command.status().map_err(|error| not_started(command, &error))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!("`{}` failed ({status})", shown(command))))
}

/// Whether a command can be started and succeeds, without showing what it prints.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Becomes the command where the system can do that, so that signals and the exit code are the program's own.
pub(crate) fn become_program(command: &mut Command) -> Result<(), Failure> {
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt as _;
        let error = command.exec();
        Err(not_started(command, &error))
    }
    #[cfg(not(unix))]
    {
        let status = command.status().map_err(|error| not_started(command, &error))?;
        std::process::exit(status.code().unwrap_or(1))
    }
}

/// Runs a command and gives what it printed to standard output. On a failure that is shown, since it says why.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    eprintln!("$ {}", shown(command));
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| not_started(command, &error))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    print!("{text}");
    Err(Failure::new(format!("`{}` failed ({})", shown(command), output.status)))
}

fn not_started(command: &Command, error: &io::Error) -> Failure {
    Failure::new(format!("cannot start `{}`: {error}", command.get_program().to_string_lossy()))
}
