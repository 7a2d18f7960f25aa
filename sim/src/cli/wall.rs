//! The wall clock of the person who waits. No verdict depends on it, but for the time that was asked for.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "progress and budgets are measured in the time of the person who waits"
)]

use std::time::Duration;

/// Measures wall-clock time.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::disallowed_types,
    reason = "progress and budgets are measured in the time of the person who waits"
)]
pub(super) struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Starts.
    pub(super) fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// Time since the start.
    pub(super) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
