//! Another process of this program, as its parent sees it: a line in, a line back.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::contender::Threads;
use crate::failure::{Failure, While as _};

/// Ends with its standard input, so that it cannot outlive whoever started it.
pub(crate) struct Process {
    child: Child,
    /// Closed first when the process is dropped.
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Process {
    /// Starts this program anew with these arguments.
    pub(crate) fn start(args: &[&str], threads: Threads) -> Result<Self, Failure> {
        let program = std::env::current_exe().when("looking for this program")?;
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        if threads == Threads::MultiThread {
            command.arg("--multi-thread");
        }
        let mut child = command.spawn().when("starting another process")?;
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("it was asked for"));
        Ok(Self { child, stdin, stdout })
    }

    /// Says a line.
    pub(crate) fn tell(&mut self, line: &str) -> Result<(), Failure> {
        let stdin = self.stdin.as_mut().expect("it is closed only when the process is dropped");
        writeln!(stdin, "{line}").when("talking to another process")
    }

    /// Waits for a line.
    pub(crate) fn answer(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        if self.stdout.read_line(&mut line).when("listening to another process")? == 0 {
            return Err(Failure::new("another process ended before its time"));
        }
        Ok(line.trim_end().to_owned())
    }

    /// Says a line and waits for one.
    pub(crate) fn ask(&mut self, line: &str) -> Result<String, Failure> {
        self.tell(line)?;
        self.answer()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // Whatever it says at its end, it has been said on its standard error.
        let _ = self.child.wait();
    }
}
