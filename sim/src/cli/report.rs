//! What is said about a sweep and about a failure, and what is kept of it.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::args::RunArgs;
use super::sweep::{self, Failure};
use super::{Problem, engine_named, plans};
use crate::engine::{Options, Tally};
use crate::run::Run;
use crate::seed::Seed;
use crate::verdict::{Exit, Verdict, judge};

/// Lines of the trace that a report shows.
const LAST_LINES: usize = 3;
/// Violations that a report shows.
const VIOLATIONS_SHOWN: usize = 3;
/// Longest line of the trace that a report shows.
const LINE_CHARS: usize = 200;

/// What `failure.json` holds: all that it takes to see the same again.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FailureFile {
    pub(super) commit: Option<String>,
    pub(super) lock_hash: Option<String>,
    pub(super) target: String,
    pub(super) debug_assertions: bool,
    pub(super) engine: String,
    pub(super) plan: String,
    pub(super) seed: Seed,
    pub(super) inject: Option<String>,
    /// BLAKE3 of `run.jsonl`, which lies beside this file.
    pub(super) run_hash: String,
    pub(super) chain: String,
    #[serde(with = "verdict_object")]
    pub(super) verdict: Verdict,
}

/// The verdict as an object of its own.
mod verdict_object {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::verdict::Verdict;

    pub(super) fn serialize<S: Serializer>(verdict: &Verdict, serializer: S) -> Result<S::Ok, S::Error> {
        verdict.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Verdict, D::Error> {
        Verdict::deserialize(deserializer)
    }
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// The seed that the present commit gives; 1 where there is none.
pub(super) fn commit_seed() -> Seed {
    git(&["rev-parse", "HEAD"]).and_then(|hash| hash.parse().ok()).unwrap_or(Seed(1))
}

/// The folder above this one that holds the workspace, or this one.
fn workspace() -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    let holds = |folder: &&Path| folder.join("Cargo.lock").is_file();
    here.ancestors().find(holds).unwrap_or(&here).to_owned()
}

/// Says what failed, after a fresh process has seen the same; writes what it takes to look at it.
pub(super) fn failure(failure: &Failure, options: &RunArgs, at_length: bool) -> Result<Exit, Problem> {
    let Failure { plan, engine, report } = failure;
    let (name, seed) = (crate::plan::short_name(plan), report.seed);
    let inject = options.inject.as_deref();
    println!("FAILED {seed}@{name} on {engine}: {}", report.verdict.signature());
    if !at_length {
        return Ok(report.verdict.exit());
    }
    if matches!(report.verdict, Verdict::Harness { .. }) && report.chain.is_empty() {
        if let Verdict::Harness { text } = &report.verdict {
            println!("  {text}");
        }
        println!(
            "  REPRODUCE: cargo xtask sim replay {seed}@{plan} --engine {engine}{}",
            inject_flag(inject)
        );
        return Ok(Exit::Harness);
    }
    let again = sweep::again(failure, inject)?;
    let same =
        again.as_ref().is_some_and(|again| again.verdict == report.verdict && again.chain == report.chain);
    let plan = plans(plan)?.remove(0).1;
    let run = plan.expand(seed);
    let (lines, history) = last_lines(&run, engine, inject, &report.verdict)?;
    describe(&report.verdict, &lines);
    let folder = options.out.clone().unwrap_or_else(|| workspace().join("target/sim"));
    let folder = folder.join(format!("{name}-{seed}"));
    write(&folder, failure, name, inject, &run, &history)?;
    println!("  artefacts: {}", folder.display());
    println!("  REPRODUCE: cargo xtask sim replay {}", folder.join("failure.json").display());
    if same {
        return Ok(report.verdict.exit());
    }
    let found = again.map_or_else(|| "nothing".to_owned(), |again| again.verdict.signature());
    println!(
        "  NOT DETERMINISTIC: a fresh process came to another end ({found}); see `cargo xtask sim meta`"
    );
    Ok(Exit::Nondeterminism)
}

fn inject_flag(inject: Option<&str>) -> String {
    inject.map(|name| format!(" --inject {name}")).unwrap_or_default()
}

/// Prints the first violations, or the panic, and the last lines before them.
pub(super) fn describe(verdict: &Verdict, lines: &[String]) {
    match verdict {
        Verdict::Pass => println!("  every promise was kept"),
        Verdict::Violated { violations } => {
            for violation in violations.iter().take(VIOLATIONS_SHOWN) {
                println!(
                    "  {} at n{} t={}: {}",
                    violation.oracle, violation.node, violation.t, violation.text
                );
            }
            if violations.len() > VIOLATIONS_SHOWN {
                println!("  and {} more", violations.len() - VIOLATIONS_SHOWN);
            }
        }
        Verdict::Panicked { text } => println!("  panic at {text}"),
        Verdict::Refused { text } | Verdict::Harness { text } => println!("  {text}"),
    }
    for line in lines {
        println!("  {line}");
    }
}

/// Executes the run once more for the lines of its trace that lead to the failure, and its history.
pub(super) fn last_lines(
    run: &Run,
    engine: &str,
    inject: Option<&str>,
    verdict: &Verdict,
) -> Result<(Vec<String>, String), Problem> {
    let first = if let Verdict::Violated { violations } = verdict { violations.first() } else { None };
    let mut lines: VecDeque<String> = VecDeque::new();
    let mut keep = |_: u64, text: std::fmt::Arguments<'_>| {
        let mut line = text.to_string();
        let wanted = first.is_none_or(|violation| {
            line.contains(&format!(" n{} ", violation.node)) && seconds(&line) <= violation.t.0
        });
        if wanted {
            if let Some((end, _)) = line.char_indices().nth(LINE_CHARS) {
                line.truncate(end);
            }
            lines.push_back(line);
            if lines.len() > LAST_LINES {
                lines.pop_front();
            }
        }
    };
    let inject = inject.map(str::to_owned);
    let mut options = Options { inject, until: None, trace: Some(&mut keep) };
    let (_, outcome) = judge(&*engine_named(engine)?, run, &mut options);
    Ok((lines.into(), outcome.history.to_text()))
}

/// The simulated time of a line of the trace, in microseconds.
fn seconds(line: &str) -> u64 {
    let text = line.strip_prefix("[t=").and_then(|rest| rest.split_once('s')).map_or("0.0", |(text, _)| text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let micros: u64 = fraction.get(..6).and_then(|digits| digits.parse().ok()).unwrap_or(0);
    whole.parse::<u64>().unwrap_or(0) * 1_000_000 + micros
}

fn write(
    folder: &Path,
    failure: &Failure,
    plan: &str,
    inject: Option<&str>,
    run: &Run,
    history: &str,
) -> Result<(), Problem> {
    let text = run.to_text();
    let lock = std::fs::read(workspace().join("Cargo.lock")).ok();
    let file = FailureFile {
        commit: git(&["rev-parse", "HEAD"]),
        lock_hash: lock.map(|lock| blake3::hash(&lock).to_string()),
        target: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        debug_assertions: cfg!(debug_assertions),
        engine: failure.engine.to_owned(),
        plan: plan.to_owned(),
        seed: failure.report.seed,
        inject: inject.map(str::to_owned),
        run_hash: blake3::hash(text.as_bytes()).to_string(),
        chain: failure.report.chain.clone(),
        verdict: failure.report.verdict.clone(),
    };
    let json = serde_json::to_string_pretty(&file).map_err(Problem::harness)?;
    let cannot = |error| Problem::harness(format!("cannot write to {}: {error}", folder.display()));
    std::fs::create_dir_all(folder).map_err(cannot)?;
    std::fs::write(folder.join("failure.json"), json + "\n").map_err(cannot)?;
    std::fs::write(folder.join("run.jsonl"), text).map_err(cannot)?;
    std::fs::write(folder.join("history.jsonl"), history).map_err(cannot)
}

/// The machine-stable summary of a sweep.
pub(super) fn summary(
    options: &RunArgs,
    tally: &Tally,
    (done, total): (u64, u64),
    first: Seed,
    failures: usize,
    elapsed: Duration,
) {
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    let faults: Vec<String> = tally.faults.iter().map(|(name, count)| format!("{name} {count}")).collect();
    let marks = tally.marks.len();
    println!(
        "plan {} · engine {} · first seed {first} · executed {done}/{total}",
        options.plan, options.engine
    );
    println!("calls {} · answered {} · events {} · marks {marks}", tally.calls, tally.answered, tally.events);
    println!("faults: {}", if faults.is_empty() { "none".to_owned() } else { faults.join(", ") });
    let (seeds, events, simulated) =
        (done * 1_000 / millis, tally.events * 1_000 / millis, tally.simulated.0 / 1_000 / millis);
    eprintln!(
        "{}.{:03} s · {seeds} seeds/s · {events} events/s · {simulated} sim-s/s",
        millis / 1_000,
        millis % 1_000
    );
    println!(
        "{}",
        if failures == 0 { "verdict: ok".to_owned() } else { format!("verdict: {failures} failed") }
    );
}
