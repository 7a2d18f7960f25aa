//! What executes runs.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::chain::Checkpoints;
use crate::history::History;
use crate::quantity::Micros;
use crate::run::Run;

/// Something that executes runs and says what was seen.
///
/// The same run, executed twice by the same engine, must give the same [`Outcome`] in every part.
pub trait SimEngine {
    /// What it is called on the command line.
    fn name(&self) -> &'static str;

    /// Whether it can execute this run as it stands. An engine never leaves out what it cannot express: it refuses.
    fn supports(&self, run: &Run) -> Result<(), Unsupported>;

    /// Out of how many seeds it is given one, where a sweep is over several engines: slow ones look at fewer.
    fn one_seed_in(&self) -> u64 {
        1
    }

    /// Executes a run that it supports.
    fn execute(&self, run: &Run, options: &mut Options<'_>) -> Outcome;
}

/// How a run is executed. None of it changes what happens, except `inject`.
#[derive(Default)]
pub struct Options<'a> {
    /// The bug to switch on, from the list of the core or the driver.
    pub inject: Option<String>,
    /// Where to stop, for looking at a failure's beginnings.
    pub until: Option<Micros>,
    /// Who wants to read what happens: the number of the event, and a line.
    pub trace: Option<&'a mut TraceSink<'a>>,
}

/// Takes a line of the trace: the number of the event, and its text.
pub type TraceSink<'a> = dyn FnMut(u64, fmt::Arguments<'_>) + 'a;

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("inject", &self.inject)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

/// Why an engine refuses a run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {engine} engine cannot execute this run: {reason}")]
pub struct Unsupported {
    /// Which engine.
    pub engine: &'static str,
    /// What it cannot do, and who can.
    pub reason: String,
}

/// What came of an execution.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What was seen.
    pub history: History,
    /// The hash chain over all that went in and came out.
    pub chain: Checkpoints,
    /// How much of everything there was.
    pub tally: Tally,
    /// Where the testbed itself gave up: a driver's mistake, or a watchdog.
    pub harness_error: Option<String>,
}

/// How much of everything there was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// Inputs and outputs of engines.
    pub events: u64,
    /// Simulated time.
    pub simulated: Micros,
    /// Calls that were begun.
    pub calls: u64,
    /// Calls that were answered.
    pub answered: u64,
    /// How often each kind of fault took effect.
    pub faults: BTreeMap<String, u64>,
    /// How often each coverage mark was reached.
    pub marks: BTreeMap<String, u64>,
}

impl Tally {
    /// Adds another tally.
    pub fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.simulated = self.simulated.plus(other.simulated);
        self.calls += other.calls;
        self.answered += other.answered;
        for (mine, theirs) in [(&mut self.faults, &other.faults), (&mut self.marks, &other.marks)] {
            for (name, count) in theirs {
                *mine.entry(name.clone()).or_insert(0) += count;
            }
        }
    }
}

/// Every engine, in the order in which they are tried.
pub fn engines() -> Vec<Box<dyn SimEngine>> {
    vec![Box::new(crate::des::Des), Box::new(crate::turmoil::Turmoil)]
}
