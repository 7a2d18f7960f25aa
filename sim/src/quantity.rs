//! Quantities as plans and runs write them: spans of time, ranges and ratios. Whole numbers throughout, because floating
//! point differs between machines.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::random::Random;

/// A span of time in whole microseconds; as a point in time, the span since the start of the run.
///
/// Written `1500us`, `1200ms`, `0.5s`, `2m`, or as a whole number of microseconds.
///
/// ```
/// use lacewing_sim::quantity::Micros;
///
/// let span: Micros = "0.5s".parse().unwrap();
/// assert_eq!(span, Micros(500_000));
/// assert_eq!(span.to_string(), "500ms");
/// assert!("1.2345678s".parse::<Micros>().unwrap_err().to_string().contains("microsecond"));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Micros(pub u64);

/// Text that is no quantity of the kind asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is no {wanted}")]
pub struct QuantityError {
    found: String,
    wanted: &'static str,
}

const SPAN: &str = "span of time: write 1500us, 1200ms, 0.5s or 2m, down to a microsecond, or a whole number of microseconds";
const RATIO: &str = "ratio: write two whole numbers, the first not above the second, for example 1/20";
const RANGE: &str =
    "range: write one value, or low..high with low not above high, for example 5..10 or 1ms..80ms";

impl Micros {
    /// Nothing at all.
    pub const ZERO: Self = Self(0);

    /// Whole milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000)
    }

    /// The same span, rounded down to microseconds.
    pub fn from_duration(span: Duration) -> Self {
        Self(u64::try_from(span.as_micros()).unwrap_or(u64::MAX))
    }

    /// Nanoseconds, which is what engines count in.
    pub const fn as_nanos(self) -> u64 {
        self.0.saturating_mul(1_000)
    }

    /// As a standard span.
    pub const fn as_duration(self) -> Duration {
        Duration::from_micros(self.0)
    }

    /// The sum, at most the greatest span.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("0s"),
            micros if micros % 1_000_000 == 0 => write!(f, "{}s", micros / 1_000_000),
            micros if micros % 1_000 == 0 => write!(f, "{}ms", micros / 1_000),
            micros => write!(f, "{micros}us"),
        }
    }
}

impl FromStr for Micros {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let error = || QuantityError { found: text.to_owned(), wanted: SPAN };
        let digits_end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(digits_end);
        let micros_per_unit: u64 = match unit {
            "us" => 1,
            "ms" => 1_000,
            "s" => 1_000_000,
            "m" => 60_000_000,
            _ => return Err(error()),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let whole: u64 = whole.parse().map_err(|_| error())?;
        let scale = u32::try_from(fraction.len()).ok().and_then(|digits| 10_u64.checked_pow(digits));
        let fraction: u64 = fraction.parse().map_err(|_| error())?;
        let scaled = fraction.checked_mul(micros_per_unit).ok_or_else(error)?;
        let scale = scale.ok_or_else(error)?;
        if scaled % scale != 0 {
            return Err(error());
        }
        whole
            .checked_mul(micros_per_unit)
            .and_then(|micros| micros.checked_add(scaled / scale))
            .map(Self)
            .ok_or_else(error)
    }
}

impl Serialize for Micros {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Micros {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Span;
        impl Visitor<'_> for Span {
            type Value = Micros;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a span of time such as \"1200ms\" or a whole number of microseconds")
            }
            fn visit_u64<E: de::Error>(self, micros: u64) -> Result<Micros, E> {
                Ok(Micros(micros))
            }
            fn visit_i64<E: de::Error>(self, micros: i64) -> Result<Micros, E> {
                u64::try_from(micros)
                    .map(Micros)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(micros), &self))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Micros, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Span)
    }
}

/// A probability as two whole numbers.
///
/// ```
/// use lacewing_sim::quantity::Ratio;
///
/// assert_eq!("1/20".parse::<Ratio>().unwrap(), Ratio { part: 1, whole: 20 });
/// assert!("3/2".parse::<Ratio>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    /// How many.
    pub part: u32,
    /// Out of how many; never 0.
    pub whole: u32,
}

impl Ratio {
    /// Never.
    pub const NEVER: Self = Self { part: 0, whole: 1 };

    /// Whether it happens this time.
    pub fn draw(self, random: &mut Random) -> bool {
        self.part > 0 && random.below(self.whole.into()) < u64::from(self.part)
    }
}

impl FromStr for Ratio {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let error = || QuantityError { found: text.to_owned(), wanted: RATIO };
        let (part, whole) = text.split_once('/').ok_or_else(error)?;
        let ratio =
            Self { part: part.parse().map_err(|_| error())?, whole: whole.parse().map_err(|_| error())? };
        if ratio.whole == 0 || ratio.part > ratio.whole { Err(error()) } else { Ok(ratio) }
    }
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// Values from `low` to `high`, both included.
///
/// ```
/// use lacewing_sim::quantity::{Micros, Range};
///
/// let range: Range<Micros> = "1ms..80ms".parse().unwrap();
/// assert_eq!((range.low, range.high), (Micros(1_000), Micros(80_000)));
/// assert!("9..3".parse::<Range<u64>>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range<T> {
    /// The least value.
    pub low: T,
    /// The greatest value.
    pub high: T,
}

impl<T: FromStr + PartialOrd + Copy> FromStr for Range<T> {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let error = || QuantityError { found: text.to_owned(), wanted: RANGE };
        let (low, high) = text.split_once("..").unwrap_or((text, text));
        let range = Self { low: low.parse().map_err(|_| error())?, high: high.parse().map_err(|_| error())? };
        if range.low <= range.high { Ok(range) } else { Err(error()) }
    }
}

impl<'de, T: FromStr + PartialOrd + Copy + From<Whole>> Deserialize<'de> for Range<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(std::marker::PhantomData<T>);
        impl<T: FromStr + PartialOrd + Copy + From<Whole>> Visitor<'_> for Either<T> {
            type Value = Range<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one value or low..high")
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Range<T>, E> {
                let value = u64::try_from(value)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(value), &self))?;
                self.visit_u64(value)
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Range<T>, E> {
                let value = T::from(Whole(value));
                Ok(Range { low: value, high: value })
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Range<T>, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Either(std::marker::PhantomData))
    }
}

/// A bare number where a range may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole(pub u64);

impl From<Whole> for u64 {
    fn from(whole: Whole) -> Self {
        whole.0
    }
}

impl From<Whole> for Micros {
    fn from(whole: Whole) -> Self {
        Self(whole.0)
    }
}

impl Range<u64> {
    /// One of the values, each equally likely.
    pub fn draw(self, random: &mut Random) -> u64 {
        self.low + random.below((self.high - self.low).saturating_add(1))
    }
}

impl Range<Micros> {
    /// One of the values, each equally likely.
    pub fn draw(self, random: &mut Random) -> Micros {
        Micros(Range { low: self.low.0, high: self.high.0 }.draw(random))
    }
}
