//! Where it was measured.

use std::process::Command;

use serde::Serialize;

/// What a number is worth nothing without.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Environment {
    pub(crate) cores: usize,
    pub(crate) cpu_model: String,
    pub(crate) os: String,
    pub(crate) target: &'static str,
    pub(crate) rustc: &'static str,
    pub(crate) profile: &'static str,
    opt_level: &'static str,
    /// What is checked out where the program runs; `cargo xtask bench` builds just that. Absent where there is no repository.
    pub(crate) commit: Option<String>,
    /// Whether tracked files differ from that commit.
    pub(crate) uncommitted_changes: bool,
}

impl Environment {
    pub(crate) fn look() -> Self {
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            cpu_model: cpu_model().unwrap_or_else(|| "unknown".to_owned()),
            os: output("uname", &["-sr"]).unwrap_or_else(|| std::env::consts::OS.to_owned()),
            target: env!("LACEWING_BENCH_TARGET"),
            rustc: env!("LACEWING_BENCH_RUSTC"),
            profile: env!("LACEWING_BENCH_PROFILE"),
            opt_level: env!("LACEWING_BENCH_OPT_LEVEL"),
            commit: output("git", &["rev-parse", "HEAD"]),
            uncommitted_changes: output("git", &["status", "--porcelain", "--untracked-files=no"]).is_some(),
        }
    }
}

/// From the one place where Linux says it; elsewhere it stays unknown.
fn cpu_model() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// What a program prints, if it can be had and is not empty.
fn output(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}
