//! What was counted and measured, at one moment.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use super::{Family, Histogram};

/// Everything that a node counts and measures, at one moment, in the order of [`families`](super::families).
///
/// ```
/// use lacewing_core::metrics::{Snapshot, families};
///
/// let snapshot = Snapshot::default();
/// assert_eq!(snapshot.count(&families::CALLS_STARTED, &[]), 0);
/// assert_eq!(snapshot.iter().count(), 0);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Snapshot(Vec<Measured>);

/// A family with its samples.
#[derive(Clone, Debug)]
pub struct Measured {
    /// What was measured.
    pub family: &'static Family,
    /// A sample for each combination of labels that there is. Of codes, reasons and the like only those that have occurred.
    pub samples: Vec<Sample>,
}

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The values of the family's labels, in its order.
    pub labels: Vec<Cow<'static, str>>,
    /// The value.
    pub value: Value,
}

/// What a sample holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number of things or bytes.
    Number(u64),
    /// A time.
    Time(Duration),
    /// A distribution of times.
    Histogram(Box<Histogram>),
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Number(number as u64)
    }
}

impl From<Duration> for Value {
    fn from(time: Duration) -> Self {
        Self::Time(time)
    }
}

impl From<Histogram> for Value {
    fn from(histogram: Histogram) -> Self {
        Self::Histogram(Box::new(histogram))
    }
}

impl Snapshot {
    /// The families in their order. None is there twice.
    pub fn iter(&self) -> impl Iterator<Item = &Measured> {
        self.0.iter()
    }

    /// The sample of a family whose labels have these values.
    pub fn get(&self, family: &Family, labels: &[&str]) -> Option<&Value> {
        let measured = self.0.iter().find(|measured| measured.family == family)?;
        let sample = measured.samples.iter().find(|sample| sample.labels == labels)?;
        Some(&sample.value)
    }

    /// The number in that sample; 0 where it is not there, as nothing has occurred, or holds no number.
    pub fn count(&self, family: &Family, labels: &[&str]) -> u64 {
        match self.get(family, labels) {
            Some(Value::Number(number)) => *number,
            Some(Value::Time(_) | Value::Histogram(_)) | None => 0,
        }
    }

    /// Adds a family without labels.
    pub fn add(&mut self, family: &'static Family, value: impl Into<Value>) {
        let sample = Sample { labels: Vec::new(), value: value.into() };
        self.push(family, alloc::vec![sample]);
    }

    /// Adds a family with one label.
    pub fn add_by<L: Into<Cow<'static, str>>, V: Into<Value>>(
        &mut self,
        family: &'static Family,
        values: impl IntoIterator<Item = (L, V)>,
    ) {
        let samples = values.into_iter();
        let samples =
            samples.map(|(label, value)| Sample { labels: alloc::vec![label.into()], value: value.into() });
        self.push(family, samples.collect());
    }

    /// Adds a family with its samples.
    pub fn push(&mut self, family: &'static Family, samples: Vec<Sample>) {
        debug_assert!(self.0.iter().all(|known| known.family != family), "{} is there twice", family.name);
        debug_assert!(
            samples.iter().all(|sample| sample.labels.len() == family.labels.len()),
            "{} has the labels {:?}",
            family.name,
            family.labels
        );
        self.0.push(Measured { family, samples });
    }
}
