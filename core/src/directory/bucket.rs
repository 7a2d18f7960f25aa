//! Token buckets: how much may happen at once, and how fast after that.

use crate::time::Instant;

/// Thousandths of a token: small things cost less than one.
pub(super) const TOKEN: u64 = 1_000;

/// The shape of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    /// Tokens of a full bucket.
    pub(super) burst: u64,
    /// Tokens that come back in a second.
    pub(super) per_s: u64,
}

/// How full a bucket is.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenBucket {
    /// Thousandths of a token.
    level: u64,
    at: Instant,
}

impl TokenBucket {
    pub(super) fn full(rate: Rate, now: Instant) -> Self {
        Self { level: rate.burst * TOKEN, at: now }
    }

    fn refill(&mut self, rate: Rate, now: Instant) {
        let elapsed = (now - self.at).as_nanos();
        let gained = elapsed * u128::from(rate.per_s) * u128::from(TOKEN) / 1_000_000_000;
        if gained > 0 {
            self.level =
                u64::try_from(gained).unwrap_or(u64::MAX).saturating_add(self.level).min(rate.burst * TOKEN);
            self.at = now;
        }
    }

    /// Takes so many thousandths of a token, if they are there. More than a full bucket costs the whole of it.
    pub(super) fn take(&mut self, rate: Rate, now: Instant, cost: u64) -> bool {
        self.refill(rate, now);
        let cost = cost.min(rate.burst * TOKEN);
        let enough = self.level >= cost;
        if enough {
            self.level -= cost;
        }
        enough
    }

    /// Takes what is there, up to so many thousandths of a token.
    pub(super) fn drain(&mut self, rate: Rate, now: Instant, cost: u64) {
        self.refill(rate, now);
        self.level = self.level.saturating_sub(cost);
    }

    /// When so many thousandths of a token will be there, counted from `now`.
    pub(super) fn ready_at(&self, rate: Rate, cost: u64) -> Instant {
        let missing = cost.min(rate.burst * TOKEN).saturating_sub(self.level);
        let per_s = (rate.per_s * TOKEN).max(1);
        let nanos = (u128::from(missing) * 1_000_000_000).div_ceil(u128::from(per_s));
        self.at + core::time::Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::{Instant, Rate, TOKEN, TokenBucket};

    const RATE: Rate = Rate { burst: 10, per_s: 4 };

    fn emptied() -> TokenBucket {
        let mut bucket = TokenBucket::full(RATE, Instant::ZERO);
        for _ in 0..10 {
            assert!(bucket.take(RATE, Instant::ZERO, TOKEN));
        }
        bucket
    }

    #[test]
    fn a_bucket_gives_its_burst_at_once_and_then_its_rate() {
        let mut bucket = emptied();
        assert!(!bucket.take(RATE, Instant::ZERO, TOKEN));
        assert_eq!(bucket.ready_at(RATE, TOKEN), Instant::from_millis(250));
        assert!(!bucket.take(RATE, Instant::from_millis(249), TOKEN));
        assert!(bucket.take(RATE, Instant::from_millis(250), TOKEN));
        let taken =
            (251..10_250_u64).filter(|ms| bucket.take(RATE, Instant::from_millis(*ms), TOKEN)).count();
        assert!((39..=40).contains(&taken), "{taken} tokens in ten seconds");
    }

    #[test]
    fn a_rest_never_fills_a_bucket_over_its_burst() {
        let mut bucket = emptied();
        let later = Instant::ZERO + Duration::from_secs(1 << 40);
        let taken = (0..100).filter(|_| bucket.take(RATE, later, TOKEN)).count();
        assert_eq!(taken, 10);
    }

    #[test]
    fn what_costs_more_than_a_full_bucket_costs_a_full_bucket() {
        let mut bucket = TokenBucket::full(RATE, Instant::ZERO);
        assert!(bucket.take(RATE, Instant::ZERO, 1_000 * TOKEN));
        assert!(!bucket.take(RATE, Instant::ZERO, 1));
        let ready = bucket.ready_at(RATE, 1_000 * TOKEN);
        assert_eq!(ready, Instant::from_millis(2_500));
        assert!(bucket.take(RATE, ready, 1_000 * TOKEN));
    }
}
