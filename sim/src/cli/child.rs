//! Fresh processes of this program.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Problem;

/// This program.
pub(super) fn own_binary() -> Result<PathBuf, Problem> {
    std::env::current_exe()
        .map_err(|error| Problem::harness(format!("cannot find this program's own file: {error}")))
}

/// A fresh process of `binary`. It is in a group of its own, so that Ctrl-C reaches the parent alone, which ends it in order.
pub(super) fn command(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command
}
