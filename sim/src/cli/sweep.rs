//! Many seeds, in many processes.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::args::{RunArgs, Seeds};
use super::batch::SeedReport;
use super::progress::Progress;
use super::wall::Stopwatch;
use super::{Problem, check_inject, child, engine_named, engine_names, plans, report};
use crate::engine::Tally;
use crate::seed::Seed;
use crate::verdict::{Exit, Verdict};

/// Seeds that one process executes.
const BATCH: u64 = 20;
/// A seed that takes longer than this hangs.
const SEED_WITHIN: Duration = Duration::from_secs(120);
const SEEDS_DEFAULT: u64 = 200;

/// Some seeds of one plan on one engine. Batches are numbered in the order in which they are handed out.
#[derive(Clone, Debug)]
struct Batch {
    plan: String,
    engine: &'static str,
    first: Seed,
    count: u64,
}

/// What a worker tells.
enum News {
    Seed { number: usize, plan: String, engine: &'static str, report: Box<SeedReport> },
    Broken(Problem),
    Idle,
}

/// A failure, and where in the sweep it was found.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) plan: String,
    pub(super) engine: &'static str,
    pub(super) report: SeedReport,
}

/// What the workers share.
struct Shared {
    batches: Mutex<VecDeque<(usize, Batch)>>,
    /// Hand out no more.
    stop: AtomicBool,
    /// End what runs.
    abort: AtomicBool,
    children: Mutex<BTreeMap<usize, (Child, Stopwatch)>>,
    inject: Option<String>,
}

impl Shared {
    fn children(&self) -> MutexGuard<'_, BTreeMap<usize, (Child, Stopwatch)>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<(usize, Batch)> {
        if self.stop.load(Ordering::SeqCst) {
            return None;
        }
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

/// What came of a sweep.
#[derive(Default)]
struct Sum {
    tally: Tally,
    done: u64,
    failures: BTreeMap<(usize, u64), Failure>,
    /// How many runs each engine refused, and why it refused the first.
    refused: BTreeMap<&'static str, (u64, String)>,
    broken: Option<Problem>,
    interrupted: bool,
    out_of_time: bool,
}

/// The seeds that a command line asks for: the first, and how many.
pub(super) fn seeds(asked: Option<Seeds>, base: Option<Seed>, default: u64) -> (Seed, u64) {
    match asked {
        Some(Seeds::Range(low, high)) => (Seed(low), high - low),
        Some(Seeds::Count(count)) => (base.unwrap_or_else(report::commit_seed), count),
        None => (base.unwrap_or_else(report::commit_seed), if base.is_some() { 1 } else { default }),
    }
}

pub(super) fn main(options: &RunArgs) -> Result<Exit, Problem> {
    check_inject(options.inject.as_deref())?;
    let (first, count) = seeds(options.seeds, options.seed, SEEDS_DEFAULT);
    let batches = batches(options, first, count)?;
    let total = batches.iter().map(|(_, batch)| batch.count).sum();
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let jobs = options.jobs.unwrap_or(processors).clamp(1, 64);
    let shared = Arc::new(Shared {
        batches: Mutex::new(batches),
        stop: AtomicBool::new(false),
        abort: AtomicBool::new(false),
        children: Mutex::new(BTreeMap::new()),
        inject: options.inject.clone(),
    });
    let watch = Stopwatch::start();
    let mut progress = Progress::new(&options.engine, total);
    let sum = std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..jobs {
            let (sender, shared) = (sender.clone(), Arc::clone(&shared));
            scope.spawn(move || work(&shared, &sender));
        }
        drop(sender);
        listen_for_interrupt();
        collect(options, &shared, &receiver, jobs, &mut progress)
    });
    progress.finish();
    finish(options, sum, total, first, watch.elapsed())
}

/// Every batch of the sweep.
fn batches(options: &RunArgs, first: Seed, count: u64) -> Result<VecDeque<(usize, Batch)>, Problem> {
    let mut batches = VecDeque::new();
    let engines = engine_names(&options.engine)?;
    let several = engines.len() > 1;
    for (name, _) in plans(&options.plan)? {
        for engine in engines.iter().copied() {
            let count = if several { count.div_ceil(engine_named(engine)?.one_seed_in()) } else { count };
            for start in (0..count).step_by(usize::try_from(BATCH).unwrap_or(1)) {
                let batch = Batch {
                    plan: name.clone(),
                    engine,
                    first: Seed(first.0.wrapping_add(start)),
                    count: BATCH.min(count - start),
                };
                batches.push_back((batches.len(), batch));
            }
        }
    }
    Ok(batches)
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Notes Ctrl-C, so that the sweep can end its processes and say what it has.
fn listen_for_interrupt() {
    let listen = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        if let Ok(runtime) = runtime
            && runtime.block_on(tokio::signal::ctrl_c()).is_ok()
        {
            INTERRUPTED.store(true, Ordering::SeqCst);
        }
    };
    // Not awaited: it ends with the process. Without it Ctrl-C ends the program as usual.
    drop(std::thread::Builder::new().name("interrupt".to_owned()).spawn(listen));
}

fn collect(
    options: &RunArgs,
    shared: &Shared,
    receiver: &mpsc::Receiver<News>,
    jobs: usize,
    progress: &mut Progress,
) -> Sum {
    let (mut sum, mut idle) = (Sum::default(), 0);
    let watch = Stopwatch::start();
    let budget = options.time_budget.map(crate::quantity::Micros::as_duration);
    while idle < jobs {
        match receiver.recv_timeout(Duration::from_millis(100)) {
            Ok(News::Idle) => idle += 1,
            Ok(News::Broken(problem)) => {
                shared.stop.store(true, Ordering::SeqCst);
                sum.broken.get_or_insert(problem);
            }
            Ok(News::Seed { number, plan, engine, report }) => {
                sum.done += 1;
                sum.tally.add(&report.tally);
                if let Verdict::Refused { text } = &report.verdict {
                    sum.refused.entry(engine).or_insert_with(|| (0, text.clone())).0 += 1;
                } else if report.verdict != Verdict::Pass {
                    let failure = Failure { plan, engine, report: *report };
                    sum.failures.insert((number, sum.done), failure);
                    // Batches before this one are running or done, so that the first failure of the sweep is found
                    // whatever the number of processes.
                    shared.stop.fetch_or(!options.keep_going, Ordering::SeqCst);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        progress.show(sum.done, &sum.tally, sum.failures.len());
        sum.interrupted = INTERRUPTED.load(Ordering::SeqCst);
        sum.out_of_time |= budget.is_some_and(|budget| watch.elapsed() > budget);
        end_children(shared, sum.interrupted || sum.out_of_time);
    }
    sum
}

/// Ends all processes, or those that hang. Their workers notice, and say what became of them.
fn end_children(shared: &Shared, all: bool) {
    if all {
        shared.stop.store(true, Ordering::SeqCst);
        shared.abort.store(true, Ordering::SeqCst);
    }
    for (child, since) in shared.children().values_mut() {
        if all || since.elapsed() > SEED_WITHIN {
            drop(child.kill());
        }
    }
}

fn work(shared: &Shared, sender: &Sender<News>) {
    while let Some((number, mut batch)) = shared.next() {
        while batch.count > 0 {
            match execute(shared, number, &mut batch, sender) {
                Ok(()) if shared.abort.load(Ordering::SeqCst) => break,
                Ok(()) => {}
                Err(problem) => {
                    drop(sender.send(News::Broken(problem)));
                    break;
                }
            }
        }
    }
    drop(sender.send(News::Idle));
}

/// Executes a batch in a fresh process, as far as that lives.
fn execute(shared: &Shared, number: usize, batch: &mut Batch, sender: &Sender<News>) -> Result<(), Problem> {
    let mut child = spawn(&child::own_binary()?, batch, shared.inject.as_deref())?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    shared.children().insert(number, (child, Stopwatch::start()));
    for line in BufReader::new(stdout.ok_or_else(|| Problem::harness("a batch has no output"))?).lines() {
        let line = line.map_err(Problem::harness)?;
        let report: SeedReport = serde_json::from_str(&line).map_err(Problem::harness)?;
        batch.count -= 1;
        batch.first = Seed(report.seed.0.wrapping_add(1));
        if let Some((_, since)) = shared.children().get_mut(&number) {
            *since = Stopwatch::start();
        }
        tell(sender, number, batch, report);
    }
    let mut text = String::new();
    if let Some(mut stderr) = stderr {
        drop(stderr.read_to_string(&mut text));
    }
    let Some((mut child, since)) = shared.children().remove(&number) else { return Ok(()) };
    let status = child.wait().map_err(Problem::harness)?;
    if status.success() || shared.abort.load(Ordering::SeqCst) {
        return Ok(());
    }
    if status.code() == Some(Exit::Usage as i32) {
        return Err(Problem::usage(text.trim()));
    }
    let seed = batch.first;
    let text = if since.elapsed() > SEED_WITHIN {
        format!("the seed was not done within {SEED_WITHIN:?}")
    } else {
        format!("the process ended with {status}: {}", text.trim().replace('\n', " "))
    };
    batch.count = batch.count.saturating_sub(1);
    batch.first = Seed(seed.0.wrapping_add(1));
    let report = SeedReport {
        seed,
        verdict: Verdict::Harness { text },
        tally: Tally::default(),
        chain: String::new(),
    };
    tell(sender, number, batch, report);
    Ok(())
}

fn tell(sender: &Sender<News>, number: usize, batch: &Batch, report: SeedReport) {
    let (plan, engine) = (batch.plan.clone(), batch.engine);
    // Nobody listens once the sweep is over.
    drop(sender.send(News::Seed { number, plan, engine, report: Box::new(report) }));
}

fn spawn(binary: &Path, batch: &Batch, inject: Option<&str>) -> Result<Child, Problem> {
    let mut command = child::command(binary);
    command.args(["batch", "--plan", &batch.plan, "--engine", batch.engine]);
    command.args(["--first", &batch.first.to_string(), "--count", &batch.count.to_string()]);
    if let Some(inject) = inject {
        command.args(["--inject", inject]);
    }
    command.spawn().map_err(|error| Problem::harness(format!("cannot start a batch: {error}")))
}

/// Executes one seed in a fresh process.
pub(super) fn again(failure: &Failure, inject: Option<&str>) -> Result<Option<SeedReport>, Problem> {
    let batch =
        Batch { plan: failure.plan.clone(), engine: failure.engine, first: failure.report.seed, count: 1 };
    let output =
        spawn(&child::own_binary()?, &batch, inject)?.wait_with_output().map_err(Problem::harness)?;
    let line = String::from_utf8_lossy(&output.stdout);
    Ok(line.lines().next().and_then(|line| serde_json::from_str(line).ok()))
}

fn finish(options: &RunArgs, sum: Sum, total: u64, first: Seed, elapsed: Duration) -> Result<Exit, Problem> {
    if let Some(problem) = sum.broken {
        return Err(problem);
    }
    let mut exit = Exit::Ok;
    for (index, failure) in sum.failures.values().enumerate() {
        let found = report::failure(failure, options, index == 0)?;
        // The gravest comes first in the table of exit codes, but for what is no verdict on the core.
        exit = if exit == Exit::Ok { found } else { exit.min(found) };
        if !options.keep_going {
            break;
        }
    }
    // A run that an engine cannot execute is left to the other one, and said so. Where none was executed there is no verdict.
    for (count, text) in sum.refused.values() {
        println!("refused {count} runs; the first: {text}");
    }
    if sum.done > 0 && sum.refused.values().map(|(count, _)| count).sum::<u64>() == sum.done {
        exit = Exit::Usage;
    }
    if sum.interrupted {
        exit = Exit::Interrupted;
    }
    report::summary(options, &sum.tally, (sum.done, total), first, sum.failures.len(), elapsed);
    if sum.out_of_time {
        println!("stopped by the time budget");
    }
    Ok(exit)
}
