//! A token bucket: so many at once, and so many a second from then on.

use core::time::Duration;

use crate::time::Instant;

const NANOS: u64 = 1_000_000_000;

/// What is left, and when that was so.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: u64,
    burst: u64,
    level: u64,
    /// Up to when the level has been credited.
    credited: Instant,
}

impl Bucket {
    /// A full bucket for `burst` tokens that gains `rate` a second, both at least 1.
    pub(super) const fn new(rate: u64, burst: u64, now: Instant) -> Self {
        Self { rate, burst, level: burst, credited: now }
    }

    /// Takes `count` tokens if they are there. More than `burst` never are.
    pub(super) fn take(&mut self, now: Instant, count: u64) -> bool {
        self.refill(now);
        if self.level < count {
            return false;
        }
        self.level -= count;
        true
    }

    /// When `count` tokens will be there, if nobody takes any before.
    pub(super) fn ready_at(&self, count: u64) -> Instant {
        let missing = count.min(self.burst).saturating_sub(self.level);
        self.credited + Duration::from_nanos(missing.saturating_mul(NANOS).div_ceil(self.rate))
    }

    fn refill(&mut self, now: Instant) {
        let passed = (now - self.credited).as_nanos();
        let gained = u64::try_from(passed * u128::from(self.rate) / u128::from(NANOS)).unwrap_or(u64::MAX);
        if gained >= self.burst - self.level {
            self.level = self.burst;
            self.credited = now;
        } else if gained > 0 {
            // What the gained tokens took, not all of the time: else many short spans would gain nothing.
            self.level += gained;
            self.credited = self.credited + Duration::from_nanos(gained.saturating_mul(NANOS) / self.rate);
        }
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::Bucket;
    use crate::time::Instant;

    #[test]
    fn a_burst_is_let_through_and_then_the_rate() {
        let start = Instant::from_millis(1_000);
        let mut bucket = Bucket::new(10, 3, start);
        assert!(bucket.take(start, 3));
        assert!(!bucket.take(start, 1));
        assert_eq!(bucket.ready_at(1), start + Duration::from_millis(100));
        assert!(!bucket.take(start + Duration::from_millis(99), 1));
        assert!(bucket.take(start + Duration::from_millis(100), 1));
        assert!(!bucket.take(start + Duration::from_millis(199), 1));
        assert!(bucket.take(start + Duration::from_secs(9), 3));
        assert!(!bucket.take(start + Duration::from_secs(9), 1));
    }

    #[test]
    fn asking_often_loses_no_tokens() {
        let mut bucket = Bucket::new(7, 100, Instant::ZERO);
        assert!(bucket.take(Instant::ZERO, 100));
        let taken = (1..=10_000).filter(|ms| bucket.take(Instant::from_millis(*ms), 1)).count();
        assert!((69..=70).contains(&taken), "{taken}");
    }
}
