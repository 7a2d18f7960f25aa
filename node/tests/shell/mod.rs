//! The `lacewing` command as a shell sees it: runs that end, runs that go on, and a folder with keys.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test binary uses a part of it")]

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

/// The command without anything that the test's own environment says.
pub fn lacewing(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lacewing"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LACEWING_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

pub fn run(arguments: &[&str]) -> Output {
    lacewing(arguments).output().unwrap()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Ends in `exit` with one clear line, which is returned, and nothing else.
pub fn one_line(output: &Output, exit: i32) -> String {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(exit), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(!text.contains("panicked") && !text.contains("RUST_BACKTRACE"), "{text}");
    assert!(output.stdout.is_empty(), "{}", stdout(output));
    text.trim_end().to_owned()
}

/// A running command, whose lines are read as they come. Killed at the end of the test at the latest.
pub struct Running {
    pub child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Running {
    pub fn start(arguments: &[&str]) -> Self {
        Self::spawn(&mut lacewing(arguments))
    }

    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next line that starts with `prefix`; others are passed over.
    pub fn line(&mut self, prefix: &str) -> String {
        let mut passed = String::new();
        for line in &mut self.lines {
            let line = line.unwrap();
            if line.starts_with(prefix) {
                return line;
            }
            passed.push_str(&line);
            passed.push('\n');
        }
        let mut errors = String::new();
        let _ = self.child.stderr.take().unwrap().read_to_string(&mut errors);
        panic!("it ended without a line {prefix:?}:\n{passed}{errors}");
    }

    /// Waits until the node is up; its id and its address.
    pub fn up(&mut self) -> (String, String) {
        let line = self.line("up: node ");
        let id = line.split(' ').nth(2).unwrap().to_owned();
        let addr = line.rsplit(' ').next().unwrap().to_owned();
        assert_eq!(id.len(), 64, "{line}");
        (id, addr)
    }

    #[cfg(unix)]
    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    pub fn exit_code(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder with a network key in it.
pub struct Folder {
    inner: tempfile::TempDir,
}

impl Folder {
    pub fn new() -> Self {
        let folder = Self { inner: tempfile::tempdir().unwrap() };
        let made = run(&["keygen", "--network", "--out", folder.path("network.key").to_str().unwrap()]);
        assert!(made.status.success(), "{}", stderr(&made));
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.inner.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// A server for `echo_sum` on this address.
    pub fn server(&self, listen: &str, more: &[&str]) -> Running {
        let key = self.text("network.key");
        let mut arguments = vec!["up", "--listen", listen, "--network-key-file", &key, "--serve", "echo_sum"];
        arguments.extend(more);
        Running::start(&arguments)
    }

    pub fn call(&self, addr: &str, argument: &str, more: &[&str]) -> Output {
        let key = self.text("network.key");
        let mut arguments = vec!["call", "echo_sum", argument, "--peer", addr, "--network-key-file", &key];
        arguments.extend(more);
        run(&arguments)
    }
}

/// An address that nobody listens on.
pub fn free_addr() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}
