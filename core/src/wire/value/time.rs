//! Points in time, to the nanosecond.

use core::fmt;
use core::str::FromStr;

/// A point in time: POSIX seconds since 1970-01-01T00:00:00Z (no leap seconds) and nanoseconds,
/// from the start of year 1 to the end of year 9999.
///
/// ```
/// use lacewing_core::wire::value::Time;
///
/// let time: Time = "2026-11-21T12:30:00.000000001Z".parse().unwrap();
/// assert_eq!((time.seconds(), time.nanos()), (1_795_264_200, 1));
/// assert_eq!(Time::new(0, 0).unwrap().to_string(), "1970-01-01T00:00:00Z");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    seconds: i64,
    nanos: u32,
}

/// Text that is no time in the one form that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a time like 2026-11-21T12:30:00Z or 2026-11-21T12:30:00.000000001Z, years 0001 to 9999")]
pub struct TimeError;

const DAY_S: i64 = 86_400;
/// Days of 400 years of the Gregorian calendar, after which it repeats.
const ERA_DAYS: i64 = 146_097;
/// Days from 0000-03-01, where the eras start, to 1970-01-01.
const EPOCH_DAYS: i64 = 719_468;

impl Time {
    /// 0001-01-01T00:00:00Z.
    pub const SECONDS_MIN: i64 = -62_135_596_800;
    /// 9999-12-31T23:59:59Z.
    pub const SECONDS_MAX: i64 = 253_402_300_799;

    /// The point `nanos` nanoseconds (less than 1,000,000,000) after `seconds`. `None` out of range.
    pub fn new(seconds: i64, nanos: u32) -> Option<Self> {
        let inside = (Self::SECONDS_MIN..=Self::SECONDS_MAX).contains(&seconds) && nanos < 1_000_000_000;
        inside.then_some(Self { seconds, nanos })
    }

    /// Whole seconds since 1970, rounded down.
    pub fn seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds after the second, 0 to 999,999,999.
    pub fn nanos(self) -> u32 {
        self.nanos
    }
}

/// Days since 1970-01-01. Years run from March, so that the leap day is the last of its year.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let in_era = year.rem_euclid(400);
    let in_year = (153 * month + 2) / 5 + day - 1;
    year.div_euclid(400) * ERA_DAYS + in_era * 365 + in_era / 4 - in_era / 100 + in_year - EPOCH_DAYS
}

/// Year, month and day; the inverse of [`days_of`].
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + EPOCH_DAYS;
    let in_era = days.rem_euclid(ERA_DAYS);
    let year = (in_era - in_era / 1_460 + in_era / 36_524 - in_era / (ERA_DAYS - 1)) / 365;
    let in_year = in_era - (year * 365 + year / 4 - year / 100);
    let month = (5 * in_year + 2) / 153;
    let day = in_year - (153 * month + 2) / 5 + 1;
    let year = days.div_euclid(ERA_DAYS) * 400 + year;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date_of(self.seconds.div_euclid(DAY_S));
        let second = self.seconds.rem_euclid(DAY_S);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if self.nanos > 0 {
            write!(f, ".{:09}", self.nanos)?;
        }
        f.write_str("Z")
    }
}

impl FromStr for Time {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let number = |from: usize, to: usize| -> Result<i64, TimeError> {
            let digits = text.as_bytes().get(from..to).ok_or(TimeError)?;
            digits.iter().try_fold(0, |value, digit| {
                if digit.is_ascii_digit() { Ok(value * 10 + i64::from(digit - b'0')) } else { Err(TimeError) }
            })
        };
        let nanos = if text.len() > 20 { number(20, 29)? } else { 0 };
        let days = days_of(number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let seconds = days * DAY_S + number(11, 13)? * 3_600 + number(14, 16)? * 60 + number(17, 19)?;
        let time = Self::new(seconds, nanos as u32).ok_or(TimeError)?;
        // Writing it back settles separators, day 31 of short months, hour 24 and trailing characters in one go.
        if Written(text).equals(&time) { Ok(time) } else { Err(TimeError) }
    }
}

/// Compares what is written with a text, without a buffer.
struct Written<'a>(&'a str);

impl Written<'_> {
    fn equals(mut self, time: &Time) -> bool {
        fmt::Write::write_fmt(&mut self, format_args!("{time}")).is_ok() && self.0.is_empty()
    }
}

impl fmt::Write for Written<'_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.0 = self.0.strip_prefix(part).ok_or(fmt::Error)?;
        Ok(())
    }
}
