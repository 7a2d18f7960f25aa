//! One run again.

use std::path::Path;

use super::args::{ReplayArgs, Trace};
use super::report::{self, FailureFile};
use super::{Problem, check_inject, engine_named, plans};
use crate::engine::Options;
use crate::run::Run;
use crate::seed::Seed;
use crate::verdict::{Exit, Verdict, judge};

/// What is to be executed, and what is known of it.
struct Subject {
    run: Run,
    known: Option<FailureFile>,
}

pub(super) fn main(options: &ReplayArgs) -> Result<Exit, Problem> {
    let Subject { run, known } = subject(&options.what)?;
    let known_inject = known.as_ref().and_then(|known| known.inject.clone());
    let inject = options.inject.clone().or(known_inject);
    check_inject(inject.as_deref())?;
    let known_engine = known.as_ref().map(|known| known.engine.clone());
    let name = options.engine.as_deref().or(known_engine.as_deref()).unwrap_or("des");
    let engine = engine_named(name)?;
    engine.supports(&run).map_err(Problem::usage)?;
    if let Some(file) = &options.save {
        let cannot = |error| Problem::harness(format!("cannot write {}: {error}", file.display()));
        std::fs::write(file, run.to_text()).map_err(cannot)?;
    }
    let mut print = |_: u64, line: std::fmt::Arguments<'_>| eprintln!("{line}");
    let mut how = Options { inject: inject.clone(), until: options.until, trace: None };
    if options.trace == Trace::Full {
        how.trace = Some(&mut print);
    }
    let (verdict, outcome) = judge(&*engine, &run, &mut how);
    let (plan, seed) = (&run.header.plan, run.header.seed);
    println!("{seed}@{plan} on {name}: {} events, chain {}", outcome.chain.events, outcome.chain.last());
    if options.until.is_some() && !matches!(verdict, Verdict::Panicked { .. } | Verdict::Harness { .. }) {
        println!("stopped before its end: no verdict");
        return Ok(Exit::Ok);
    }
    let lines = match verdict {
        Verdict::Pass => Vec::new(),
        _ => report::last_lines(&run, name, inject.as_deref(), &verdict)?.0,
    };
    report::describe(&verdict, &lines);
    if let Some(known) = known.filter(|known| known.engine == name) {
        let same = known.verdict.signature() == verdict.signature();
        println!("{}", if same { "REPRODUCED" } else { "NOT REPRODUCED: the file says otherwise" });
    }
    println!("verdict: {}", verdict.signature());
    Ok(verdict.exit())
}

fn subject(what: &str) -> Result<Subject, Problem> {
    let read = |path: &Path| {
        std::fs::read_to_string(path)
            .map_err(|error| Problem::usage(format!("cannot read {}: {error}", path.display())))
    };
    let path = Path::new(what);
    let parse = |path: &Path| Run::parse(&path.display().to_string(), &read(path)?).map_err(Problem::usage);
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("jsonl") => Ok(Subject { run: parse(path)?, known: None }),
        Some("json") => {
            let error =
                |cause: serde_json::Error| Problem::usage(format!("{what}:{}: {cause}", cause.line()));
            let known: FailureFile = serde_json::from_str(&read(path)?).map_err(error)?;
            Ok(Subject { run: parse(&path.with_file_name("run.jsonl"))?, known: Some(known) })
        }
        _ => {
            let wanted = || {
                Problem::usage(format!("{what:?} is neither a failure.json, nor a run.jsonl, nor SEED@PLAN"))
            };
            let (seed, plan) = what.split_once('@').ok_or_else(wanted)?;
            let seed: Seed = seed.parse().map_err(Problem::usage)?;
            Ok(Subject { run: plans(plan)?.remove(0).1.expand(seed), known: None })
        }
    }
}
