//! Time as the engine sees it: a number that the driver passes in.

use core::fmt;
use core::ops::{Add, Sub};
use core::time::Duration;

/// A point in time: nanoseconds since the driver's own epoch.
///
/// The epoch is whatever the driver likes (process start, simulation start); only differences mean anything.
/// Arithmetic saturates, so a far deadline is simply "never".
///
/// ```
/// use core::time::Duration;
/// use lacewing_core::Instant;
///
/// let start = Instant::from_nanos(1_000);
/// let later = start + Duration::from_micros(2);
/// assert_eq!(later - start, Duration::from_nanos(2_000));
/// assert_eq!(start - later, Duration::ZERO);
/// assert_eq!(Instant::NEVER + Duration::from_secs(1), Instant::NEVER);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The driver's epoch.
    pub const ZERO: Self = Self(0);
    /// Further away than anything that will be reached (584 years).
    pub const NEVER: Self = Self(u64::MAX);

    /// The instant `nanos` nanoseconds after the epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The instant `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the epoch.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since the epoch, rounded down.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }
}

/// What time it is in the world, from when somebody has said so.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WallClock(Option<(Instant, u64)>);

impl WallClock {
    /// It is so late now, in milliseconds since 1970-01-01T00:00:00Z.
    pub(crate) fn set(&mut self, now: Instant, unix_ms: u64) {
        self.0 = Some((now, unix_ms));
    }

    /// Milliseconds since 1970-01-01T00:00:00Z; 0 as long as nobody has said so, which is before every token.
    pub(crate) fn unix_ms(self, now: Instant) -> u64 {
        let Some((at, unix_ms)) = self.0 else { return 0 };
        let elapsed = u64::try_from((now - at).as_millis()).unwrap_or(u64::MAX);
        unix_ms.saturating_add(elapsed)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NEVER {
            return f.write_str("never");
        }
        write!(f, "{}.{:09}s", self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
}
