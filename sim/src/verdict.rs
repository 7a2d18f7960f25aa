//! What an execution comes to, and the exit code that follows.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use serde::{Deserialize, Serialize};

use crate::engine::{Options, Outcome, SimEngine};
use crate::oracle::{self, Class, Violation};
use crate::run::Run;

/// How the program ends. The numbers are part of its contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Everything held.
    Ok = 0,
    /// Something happened that must never happen.
    Safety = 1,
    /// Something did not happen that must happen in the end.
    Liveness = 2,
    /// A run that the engine cannot execute, or a wrong command line.
    Usage = 3,
    /// Two executions of the same run differ.
    Nondeterminism = 5,
    /// The core panicked.
    Panic = 6,
    /// The testbed itself failed, or something hung.
    Harness = 7,
    /// Interrupted; what there was is reported.
    Interrupted = 130,
}

/// What an execution comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Verdict {
    /// Every promise was kept.
    Pass,
    /// Some were broken.
    Violated {
        /// Which: safety first, then what happened first.
        violations: Vec<Violation>,
    },
    /// The core panicked.
    Panicked {
        /// Where, and with what message.
        text: String,
    },
    /// The engine cannot execute the run.
    Refused {
        /// Why, and which engine can.
        text: String,
    },
    /// The testbed gave up.
    Harness {
        /// Why.
        text: String,
    },
}

impl Verdict {
    /// The exit code of this verdict alone.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Pass => Exit::Ok,
            Self::Violated { violations } => match violations.first().map(|first| first.class) {
                Some(Class::Safety) | None => Exit::Safety,
                Some(Class::Liveness) => Exit::Liveness,
            },
            Self::Panicked { .. } => Exit::Panic,
            Self::Refused { .. } => Exit::Usage,
            Self::Harness { .. } => Exit::Harness,
        }
    }

    /// What makes two failures the same one.
    pub fn signature(&self) -> String {
        match self {
            Self::Pass => "pass".to_owned(),
            Self::Violated { violations } => {
                violations.first().map_or_else(String::new, |first| first.oracle.clone())
            }
            Self::Panicked { text } => format!("panic {}", text.split(" — ").next().unwrap_or(text)),
            Self::Refused { .. } => "refused".to_owned(),
            Self::Harness { .. } => "harness".to_owned(),
        }
    }
}

/// Executes a run and asks the oracles. A panic of the core is a verdict, and so is a refusal of the engine; the outcome is then
/// an empty one.
pub fn judge(engine: &dyn SimEngine, run: &Run, options: &mut Options<'_>) -> (Verdict, Outcome) {
    if let Err(refusal) = engine.supports(run) {
        return (Verdict::Refused { text: refusal.to_string() }, Outcome::default());
    }
    catch_quietly();
    let Ok(mut outcome) = panic::catch_unwind(AssertUnwindSafe(|| engine.execute(run, options))) else {
        let text = PANIC.with_borrow_mut(Option::take).unwrap_or_else(|| "without a message".to_owned());
        return (Verdict::Panicked { text }, Outcome::default());
    };
    let verdict = match outcome.harness_error.take() {
        Some(text) => Verdict::Harness { text },
        None => match oracle::ask_all(run, &outcome.history) {
            violations if violations.is_empty() => Verdict::Pass,
            violations => Verdict::Violated { violations },
        },
    };
    (verdict, outcome)
}

thread_local! {
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps the place and the message of a panic for the verdict, in place of printing them between the lines of a report.
fn catch_quietly() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        panic::set_hook(Box::new(|info| {
            let place = info.location().map_or_else(String::new, |at| format!("{}:{}", at.file(), at.line()));
            let payload = info.payload();
            let text = payload.downcast_ref::<&str>().copied();
            let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
            let message = text.unwrap_or("without a message").replace('\n', " ");
            PANIC.with_borrow_mut(|slot| *slot = Some(format!("{place} — {message}")));
        }));
    });
}
