//! How much may be tried again, so that a partition does not become a storm.

use crate::time::Instant;

/// Thousandths of an extra attempt that each first attempt adds: one in ten may be tried again in the long run.
const EARNED_BY_CALL: u64 = 100;
/// Thousandths that each millisecond adds, so that whoever calls seldom may try again too: one in a second.
const EARNED_BY_MS: u64 = 1;
/// Thousandths that one extra attempt takes.
const COST: u64 = 1_000;
/// The most that is saved up, and what there is at first: ten extra attempts.
pub(super) const SAVED_MAX: u64 = 10 * COST;

/// A token bucket for the retries and hedges to one target.
#[derive(Debug)]
pub(super) struct Budget {
    saved: u64,
    counted_at: Instant,
}

impl Budget {
    pub(super) fn new(now: Instant) -> Self {
        Self { saved: SAVED_MAX, counted_at: now }
    }

    fn refill(&mut self, now: Instant) {
        let whole_ms = u64::try_from((now - self.counted_at).as_millis()).unwrap_or(u64::MAX);
        if whole_ms > 0 {
            self.saved = self.saved.saturating_add(whole_ms.saturating_mul(EARNED_BY_MS)).min(SAVED_MAX);
            self.counted_at = now;
        }
    }

    /// A first attempt is made.
    pub(super) fn earn(&mut self, now: Instant) {
        self.refill(now);
        self.saved = (self.saved + EARNED_BY_CALL).min(SAVED_MAX);
    }

    /// Takes what an extra attempt costs; `false` where there is not enough.
    pub(super) fn spend(&mut self, now: Instant) -> bool {
        self.refill(now);
        let enough = self.saved >= COST;
        if enough {
            self.saved -= COST;
        }
        enough
    }

    pub(super) fn is_full(&self, now: Instant) -> bool {
        let earned = u64::try_from((now - self.counted_at).as_millis()).unwrap_or(u64::MAX);
        self.saved.saturating_add(earned.saturating_mul(EARNED_BY_MS)) >= SAVED_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_the_long_run_one_call_in_ten_is_tried_again_and_one_in_a_second() {
        let mut budget = Budget::new(Instant::ZERO);
        let mut extra = 0;
        // A thousand calls a second for ten seconds, all of which fail.
        for ms in 0..10_000 {
            let now = Instant::from_millis(ms);
            budget.earn(now);
            extra += u32::from(budget.spend(now));
        }
        assert!((1_000..=1_030).contains(&extra), "{extra} extra attempts for 10,000 calls");
    }

    #[test]
    fn whoever_calls_seldom_may_try_again_at_once() {
        let mut budget = Budget::new(Instant::ZERO);
        assert!((0..10).all(|_| budget.spend(Instant::ZERO)));
        assert!(!budget.spend(Instant::ZERO) && !budget.is_full(Instant::ZERO));
        assert!(budget.spend(Instant::from_millis(1_000)) && !budget.spend(Instant::from_millis(1_000)));
        assert!(budget.is_full(Instant::from_millis(11_000)));
    }
}
