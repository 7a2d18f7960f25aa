//! When calling a target has no point for a while.

use core::time::Duration;

use crate::time::Instant;

/// Stops attempts to a target whose answers fail, and lets one through now and then to see whether they still do.
#[derive(Debug)]
pub(super) struct Breaker {
    state: State,
    window_from: Instant,
    ended: u32,
    failed: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open {
        until: Instant,
    },
    /// The probe is under way.
    Probing,
}

/// When it opens, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// Failures in a window, where they are at least half of all that has ended in it.
    pub(super) failures: u32,
    pub(super) window: Duration,
    pub(super) open: Duration,
}

/// What an attempt says of its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It works.
    Good,
    /// It does not.
    Bad,
    /// Nothing: the attempt never got there, or was not waited for.
    None,
}

/// Whether an attempt may go to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Pass,
    /// As the one probe.
    Probe,
    /// Not before so long.
    Refused(Duration),
}

impl Breaker {
    pub(super) fn new(now: Instant) -> Self {
        Self { state: State::Closed, window_from: now, ended: 0, failed: 0 }
    }

    pub(super) fn ask(&self, now: Instant, settings: &Settings) -> Answer {
        match self.state {
            State::Closed => Answer::Pass,
            State::Open { until } if now >= until => Answer::Probe,
            State::Open { until } => Answer::Refused(until - now),
            // How the probe ends is not known. If it fails, this long is right.
            State::Probing => Answer::Refused(settings.open),
        }
    }

    /// The probe leaves.
    pub(super) fn probe_begins(&mut self) {
        self.state = State::Probing;
    }

    /// An attempt has ended. `true` where the breaker opens.
    pub(super) fn ended(&mut self, now: Instant, verdict: Verdict, probe: bool, settings: &Settings) -> bool {
        if probe {
            self.state = match verdict {
                Verdict::Good => State::Closed,
                Verdict::Bad => State::Open { until: now + settings.open },
                // The next one is the probe.
                Verdict::None => State::Open { until: now },
            };
            (self.window_from, self.ended, self.failed) = (now, 0, 0);
            return verdict == Verdict::Bad;
        }
        // What left before it opened says nothing of the time since.
        if self.state != State::Closed || verdict == Verdict::None {
            return false;
        }
        if now - self.window_from >= settings.window {
            (self.window_from, self.ended, self.failed) = (now, 0, 0);
        }
        self.ended = self.ended.saturating_add(1);
        if verdict == Verdict::Bad {
            self.failed = self.failed.saturating_add(1);
        }
        let opens = self.failed >= settings.failures && self.failed >= self.ended.div_ceil(2);
        if opens {
            self.state = State::Open { until: now + settings.open };
        }
        opens
    }

    /// Whether forgetting it would change nothing that matters.
    pub(super) fn is_forgettable(&self, now: Instant, settings: &Settings) -> bool {
        self.state == State::Closed && (self.failed == 0 || now - self.window_from >= settings.window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Settings =
        Settings { failures: 3, window: Duration::from_secs(10), open: Duration::from_secs(5) };

    fn at(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    fn broken() -> Breaker {
        let mut breaker = Breaker::new(at(0));
        for ms in 0..3 {
            breaker.ended(at(ms), Verdict::Bad, false, &SETTINGS);
        }
        breaker
    }

    #[test]
    fn it_opens_after_so_many_failures_and_says_for_how_long() {
        let breaker = broken();
        assert_eq!(breaker.ask(at(1_002), &SETTINGS), Answer::Refused(Duration::from_secs(4)));
        assert!(!breaker.is_forgettable(at(1_002), &SETTINGS));
    }

    #[test]
    fn it_stays_closed_while_most_attempts_succeed() {
        let mut breaker = Breaker::new(at(0));
        for _ in 0..100 {
            assert!(!breaker.ended(at(1), Verdict::Good, false, &SETTINGS));
            assert!(!breaker.ended(at(1), Verdict::Good, false, &SETTINGS));
            assert!(!breaker.ended(at(1), Verdict::Bad, false, &SETTINGS));
        }
        assert_eq!(breaker.ask(at(2), &SETTINGS), Answer::Pass);
    }

    #[test]
    fn failures_of_another_window_do_not_count() {
        let mut breaker = Breaker::new(at(0));
        for second in [0, 11, 22, 33] {
            assert!(!breaker.ended(at(second * 1_000), Verdict::Bad, false, &SETTINGS));
            assert!(!breaker.ended(at(second * 1_000), Verdict::Bad, false, &SETTINGS));
        }
    }

    #[test]
    fn exactly_one_probe_goes_out_and_decides() {
        let mut breaker = broken();
        assert_eq!(breaker.ask(at(5_002), &SETTINGS), Answer::Probe);
        breaker.probe_begins();
        assert!(matches!(breaker.ask(at(60_000), &SETTINGS), Answer::Refused(_)), "one probe is enough");
        assert!(
            !breaker.ended(at(60_001), Verdict::Good, false, &SETTINGS),
            "an old attempt decides nothing"
        );
        assert!(matches!(breaker.ask(at(60_001), &SETTINGS), Answer::Refused(_)));
        assert!(breaker.ended(at(60_002), Verdict::Bad, true, &SETTINGS));
        assert_eq!(breaker.ask(at(60_003), &SETTINGS), Answer::Refused(Duration::from_millis(4_999)));
        breaker.probe_begins();
        breaker.ended(at(70_000), Verdict::Good, true, &SETTINGS);
        assert_eq!(breaker.ask(at(70_000), &SETTINGS), Answer::Pass);
    }

    #[test]
    fn a_probe_that_is_cancelled_makes_room_for_the_next() {
        let mut breaker = broken();
        breaker.probe_begins();
        breaker.ended(at(6_000), Verdict::None, true, &SETTINGS);
        assert_eq!(breaker.ask(at(6_000), &SETTINGS), Answer::Probe);
    }
}
