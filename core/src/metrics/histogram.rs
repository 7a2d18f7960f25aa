//! Distributions of times.

use core::time::Duration;

/// Bounds are the powers of two from 2 µs to 2^26 µs, and what lies halfway between them.
const BOUNDS: usize = 51;

/// How often something took how long. Two buckets for each doubling from 2 µs to 67 s: what a quantile says is at most half too much
/// or a third too little, and mostly far closer.
///
/// ```
/// use core::time::Duration;
/// use lacewing_core::metrics::Histogram;
///
/// let mut histogram = Histogram::default();
/// for millis in 1..=100 {
///     histogram.record(Duration::from_millis(millis));
/// }
/// assert_eq!(histogram.count(), 100);
/// assert_eq!(histogram.sum(), Duration::from_millis(5_050));
/// let median = histogram.quantile(500).unwrap();
/// assert!(median > Duration::from_millis(45) && median < Duration::from_millis(55));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// The last one is for what is longer than every bound.
    counts: [u64; BOUNDS + 1],
    sum_ns: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [0; BOUNDS + 1], sum_ns: 0 }
    }
}

impl Histogram {
    /// Counts something that took so long.
    pub fn record(&mut self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket_of(nanos.div_ceil(1_000))] += 1;
        self.sum_ns = self.sum_ns.saturating_add(nanos);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How long they took together.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_ns)
    }

    /// The buckets, shortest first: the longest time that belongs in it, and how many do and are in none before it. The last one has
    /// no bound.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<Duration>, u64)> + '_ {
        let bounds = (0..BOUNDS).map(|place| Some(Duration::from_micros(bound_us(place)))).chain([None]);
        bounds.zip(self.counts)
    }

    /// The time that so many of a thousand did not exceed: 500 asks for the median. Within a bucket times are taken to be spread
    /// evenly. `None` where nothing was counted; the largest bound for what lies above all.
    pub fn quantile(&self, per_mille: u32) -> Option<Duration> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let wanted = u128::from(count) * u128::from(per_mille.min(1_000));
        let mut below = 0;
        let mut lower = Duration::ZERO;
        for (bound, count) in self.buckets() {
            let Some(upper) = bound else { break };
            let here = u128::from(count) * 1_000;
            if below + here >= wanted && count > 0 {
                let nanos = upper.saturating_sub(lower).as_nanos() * (wanted - below) / here;
                return Some(lower + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)));
            }
            below += here;
            lower = upper;
        }
        Some(lower)
    }
}

/// 2, 3, 4, 6, 8, 12, ...
const fn bound_us(place: usize) -> u64 {
    let power = 2 << (place / 2);
    if place.is_multiple_of(2) { power } else { power + power / 2 }
}

/// The first bucket whose bound is not below so many microseconds.
const fn bucket_of(micros: u64) -> usize {
    if micros <= 2 {
        return 0;
    }
    // Above this power of two, and not above the next one.
    let exponent = (micros - 1).ilog2() as usize;
    let is_lower_half = micros <= 3 << (exponent - 1);
    let place = 2 * exponent - if is_lower_half { 1 } else { 0 };
    if place < BOUNDS { place } else { BOUNDS }
}
