//! What a metric is called and what it means.

/// A metric, or several that differ in their labels. Names, units and labels follow the conventions of Prometheus: seconds and bytes,
/// `_total` for what only grows.
///
/// ```
/// use lacewing_core::metrics::{FamilyKind, families};
///
/// let family = &families::CALLS_FINISHED;
/// assert_eq!(family.name, "lacewing_calls_finished_total");
/// assert_eq!((family.kind, family.labels), (FamilyKind::Counter, &["code"][..]));
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    /// The name, with the unit and, for counters, `_total` last.
    pub name: &'static str,
    /// How its values behave.
    pub kind: FamilyKind,
    /// The labels that each of its samples has.
    pub labels: &'static [&'static str],
    /// What it counts or measures, in a sentence.
    pub help: &'static str,
}

/// How the values of a family behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FamilyKind {
    /// They only grow, until the node ends.
    Counter,
    /// They go up and down.
    Gauge,
    /// They are distributions of times, whose counts only grow.
    Histogram,
}

impl FamilyKind {
    /// What Prometheus calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}
