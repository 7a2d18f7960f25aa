//! Proof of determinism: each seed twice, in fresh processes with other surroundings, must give the same hash chain.
//!
//! The second process executes another seed first: state that survives in a process (statics, thread-locals, the draws of
//! `futures::select!`) is then another one.

use std::path::Path;

use super::args::{ChainArgs, MetaArgs};
use super::{Problem, check_inject, child, engine_named, engine_names, plans, sweep};
use crate::chain::Checkpoints;
use crate::engine::Options;
use crate::plan::Plan;
use crate::seed::Seed;
use crate::verdict::{Exit, Verdict, judge};

/// Seeds where none are asked for; `--seeds` has a default of its own.
const SEEDS_DEFAULT: u64 = 20;

/// Runs that an engine may refuse for each that it takes.
const REFUSALS_EACH_MAX: u64 = 20;

/// What is executed twice.
struct Subject<'a> {
    plan: &'a str,
    engine: &'static str,
    seed: Seed,
    inject: Option<&'a str>,
}

pub(super) fn main(options: &MetaArgs) -> Result<Exit, Problem> {
    check_inject(options.inject.as_deref())?;
    let (first, count) = sweep::seeds(Some(options.seeds), options.seed, SEEDS_DEFAULT);
    let own = child::own_binary()?;
    let other = options.other_binary.as_deref().unwrap_or(&own);
    println!("tokio_unstable is {}", if cfg!(tokio_unstable) { "on" } else { "off" });
    for (name, plan) in plans(&options.plan)? {
        for engine in engine_names(&options.engine)? {
            let (mut executed, mut offset, mut events) = (0, 0, 0);
            // A run that the engine refuses is replaced by the next one that it takes.
            while executed < count {
                let seed = Seed(first.0.wrapping_add(offset));
                offset += 1;
                if let Err(refusal) = engine_named(engine)?.supports(&plan.expand(seed)) {
                    if offset >= count * REFUSALS_EACH_MAX {
                        return Err(Problem::usage(refusal));
                    }
                    continue;
                }
                executed += 1;
                let subject = Subject { plan: &name, engine, seed, inject: options.inject.as_deref() };
                let one = chain(&own, &subject, false)?;
                let two = chain(other, &subject, true)?;
                events += one.events;
                if let Some(window) = one.first_difference(&two) {
                    difference(&subject, (&own, other), (&one, &two), window)?;
                    return Ok(Exit::Nondeterminism);
                }
            }
            let refused =
                if offset > executed { format!(" ({} refused)", offset - executed) } else { String::new() };
            println!(
                "{name} on {engine}: {executed} seeds from {first} twice{refused}, {events} events, the same each time"
            );
        }
    }
    println!("verdict: deterministic");
    Ok(Exit::Ok)
}

/// Executes the subject in a fresh process. `elsewhere`: with another environment and in another folder.
fn output(binary: &Path, subject: &Subject<'_>, elsewhere: bool, more: &[String]) -> Result<String, Problem> {
    let mut command = child::command(binary);
    let plan = match Path::new(subject.plan).canonicalize() {
        Ok(path) if Plan::is_file(subject.plan) => path.display().to_string(),
        _ => subject.plan.to_owned(),
    };
    command.args(["chain", "--plan", &plan, "--engine", subject.engine, "--seed", &subject.seed.to_string()]);
    command.args(more);
    if let Some(inject) = subject.inject {
        command.args(["--inject", inject]);
    }
    if elsewhere {
        command.args(["--after", &Seed(subject.seed.0.wrapping_add(1)).to_string()]);
        command.current_dir("/").env("LACEWING_META", "second").env("LANG", "C").env("TZ", "Pacific/Chatham");
        command.env_remove("HOME");
    }
    let output = command
        .output()
        .map_err(|error| Problem::harness(format!("cannot start {}: {error}", binary.display())))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).trim().replace('\n', " ");
        return Err(Problem::harness(format!("{}@{}: {text}", subject.seed, subject.plan)));
    }
    String::from_utf8(output.stdout).map_err(Problem::harness)
}

fn chain(binary: &Path, subject: &Subject<'_>, elsewhere: bool) -> Result<Checkpoints, Problem> {
    let text = output(binary, subject, elsewhere, &[])?;
    serde_json::from_str(text.trim()).map_err(Problem::harness)
}

/// Shows the window of events in which two executions part.
fn difference(
    subject: &Subject<'_>,
    (own, other): (&Path, &Path),
    (one, two): (&Checkpoints, &Checkpoints),
    window: std::ops::Range<u64>,
) -> Result<(), Problem> {
    let Subject { plan, engine, seed, .. } = subject;
    println!("NOT DETERMINISTIC: {seed}@{plan} on {engine} parts in events {}..{}", window.start, window.end);
    println!(
        "  first execution: {} events, chain {}; second: {} events, chain {}",
        one.events,
        one.last(),
        two.events,
        two.last()
    );
    let bounds = ["--from".to_owned(), window.start.to_string(), "--to".to_owned(), window.end.to_string()];
    let (first, second) = (output(own, subject, false, &bounds)?, output(other, subject, true, &bounds)?);
    let (mut first, mut second) = (first.lines(), second.lines());
    loop {
        match (first.next(), second.next()) {
            (None, None) => {
                println!(
                    "  executed once more, that window is the same: the difference itself comes and goes"
                );
                return Ok(());
            }
            (one, two) if one == two => {}
            (one, two) => {
                println!("  first:  {}", one.unwrap_or("(nothing)"));
                println!("  second: {}", two.unwrap_or("(nothing)"));
                return Ok(());
            }
        }
    }
}

/// Executes one seed, and prints its chain or a window of its trace.
pub(super) fn chain_main(options: &ChainArgs) -> Result<Exit, Problem> {
    let engine = engine_named(&options.engine)?;
    let plan = plans(&options.plan)?.remove(0).1;
    let run = plan.expand(options.seed);
    engine.supports(&run).map_err(Problem::usage)?;
    if let Some(before) = options.after {
        judge(
            &*engine,
            &plan.expand(before),
            &mut Options { inject: options.inject.clone(), ..Options::default() },
        );
    }
    let window = options.from.unwrap_or(0)..options.to.unwrap_or(0);
    let mut print = |event: u64, line: std::fmt::Arguments<'_>| {
        if window.contains(&event) {
            println!("{line}");
        }
    };
    let mut how = Options { inject: options.inject.clone(), ..Options::default() };
    if options.from.is_some() {
        how.trace = Some(&mut print);
    }
    let (verdict, outcome) = judge(&*engine, &run, &mut how);
    // What the oracles say does not matter here; an execution that came to no end has no chain.
    if let Verdict::Panicked { text } | Verdict::Refused { text } | Verdict::Harness { text } = verdict {
        return Err(Problem::harness(text));
    }
    if options.from.is_none() {
        println!("{}", serde_json::to_string(&outcome.chain).map_err(Problem::harness)?);
    }
    Ok(Exit::Ok)
}
