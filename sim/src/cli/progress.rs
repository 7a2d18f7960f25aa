//! How far a sweep is: a bar on a terminal, else a line every ten seconds.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::wall::Stopwatch;
use crate::engine::Tally;

const LINE_EVERY: Duration = Duration::from_secs(10);

/// See the module's text.
pub(super) struct Progress {
    engine: String,
    total: u64,
    bar: Option<ProgressBar>,
    watch: Stopwatch,
    lines: u32,
}

impl Progress {
    pub(super) fn new(engine: &str, total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total);
            let style = ProgressStyle::with_template("{prefix} {pos}/{len} {bar:24} {msg} · eta {eta}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_prefix(engine.to_owned());
            bar
        });
        Self { engine: engine.to_owned(), total, bar, watch: Stopwatch::start(), lines: 0 }
    }

    pub(super) fn show(&mut self, done: u64, tally: &Tally, failures: usize) {
        let elapsed = self.watch.elapsed();
        let text = || {
            let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
            let (seeds, seconds) = (done * 1_000 / millis, tally.simulated.0 / 1_000 / millis);
            let (events, marks) = (tally.events, tally.marks.len());
            format!("{seeds} seeds/s · {events} events · {seconds} sim-s/s · marks {marks} · fail {failures}")
        };
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            bar.set_message(text());
        } else if elapsed >= LINE_EVERY * (self.lines + 1) {
            self.lines += 1;
            eprintln!("{} {done}/{} {}", self.engine, self.total, text());
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
