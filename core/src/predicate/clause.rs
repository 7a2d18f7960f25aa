//! Clauses: what is asked about one key.

use alloc::string::String;
use core::fmt;

use super::facts::{Fact, Facts};
use super::label::Label;
use super::version::Version;
use crate::capability::TagKey;

/// A question about the tags of one key or about one metadata entry. False where the key is missing.
///
/// Of several tags with the same key any may satisfy the clause. Clauses that look at a value pass over tags without one.
/// Its text is its label in traces and reports.
///
/// ```
/// use lacewing_core::capability::CapabilitySet;
/// use lacewing_core::predicate::Clause;
///
/// let clause = Clause::NumericAtLeast { key: "hardware.memory_gb".parse().unwrap(), threshold: 64.0 };
/// assert!(clause.holds(&CapabilitySet::new().with_tag("hardware.memory_gb=64").unwrap()));
/// assert!(!clause.holds(&CapabilitySet::new().with_tag("hardware.memory_gb=many").unwrap()));
/// assert_eq!(clause.to_string(), "NumericAtLeast(hardware.memory_gb >= 64)");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the fields are what the variants say they compare")]
pub enum Clause {
    /// There is a tag with the key, with a value or without.
    Exists { key: TagKey },
    /// A value is this text.
    Equals { key: TagKey, value: String },
    /// A value is a number of at least the threshold.
    NumericAtLeast { key: TagKey, threshold: f64 },
    /// A value is a number of at most the threshold.
    NumericAtMost { key: TagKey, threshold: f64 },
    /// A value is a number from `min` to `max`, both included.
    NumericInRange { key: TagKey, min: f64, max: f64 },
    /// A value is this version or a later one.
    SemverAtLeast { key: TagKey, version: VersionBound },
    /// A value is this version or an earlier one.
    SemverAtMost { key: TagKey, version: VersionBound },
    /// A value is a version that can stand in for this one, see [`Version::is_compatible_with`].
    SemverCompatible { key: TagKey, version: VersionBound },
    /// A value begins with this text.
    StringPrefix { key: TagKey, prefix: String },
    /// A value contains this text.
    StringMatches { key: TagKey, pattern: String },
    /// There is a metadata entry with the key.
    MetadataExists { key: String },
    /// The metadata entry is this text.
    MetadataEquals { key: String, value: String },
    /// The metadata entry contains this text.
    MetadataMatches { key: String, pattern: String },
    /// The metadata entry is a number of at least the threshold.
    MetadataNumericAtLeast { key: String, threshold: f64 },
}

/// What a clause asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key<'a> {
    /// Tags with this key.
    Tag(&'a TagKey),
    /// The metadata entry with this key.
    Metadata(&'a str),
}

/// The version that a clause compares with: any text, which no version matches if it is none itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionBound {
    text: String,
    version: Option<Version>,
}

impl VersionBound {
    /// The text as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The version that it is.
    pub fn version(&self) -> Option<Version> {
        self.version
    }
}

impl<T: Into<String>> From<T> for VersionBound {
    fn from(text: T) -> Self {
        let text = text.into();
        let version = Version::parse(&text);
        Self { text, version }
    }
}

impl Clause {
    /// The name of its kind in the JSON form.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Exists { .. } => "exists",
            Self::Equals { .. } => "equals",
            Self::NumericAtLeast { .. } => "numeric_at_least",
            Self::NumericAtMost { .. } => "numeric_at_most",
            Self::NumericInRange { .. } => "numeric_in_range",
            Self::SemverAtLeast { .. } => "semver_at_least",
            Self::SemverAtMost { .. } => "semver_at_most",
            Self::SemverCompatible { .. } => "semver_compatible",
            Self::StringPrefix { .. } => "string_prefix",
            Self::StringMatches { .. } => "string_matches",
            Self::MetadataExists { .. } => "metadata_exists",
            Self::MetadataEquals { .. } => "metadata_equals",
            Self::MetadataMatches { .. } => "metadata_matches",
            Self::MetadataNumericAtLeast { .. } => "metadata_numeric_at_least",
        }
    }

    /// What it costs to evaluate, relative to others: children of a composite are evaluated in ascending order of this.
    pub const fn cost(&self) -> u32 {
        match self {
            Self::MetadataExists { .. } => 10,
            Self::MetadataEquals { .. } => 11,
            Self::Exists { .. } => 20,
            Self::Equals { .. } => 21,
            Self::MetadataNumericAtLeast { .. } => 25,
            Self::NumericAtLeast { .. } | Self::NumericAtMost { .. } | Self::NumericInRange { .. } => 30,
            Self::StringPrefix { .. } => 40,
            Self::MetadataMatches { .. } => 45,
            Self::StringMatches { .. } => 50,
            Self::SemverAtLeast { .. } | Self::SemverAtMost { .. } | Self::SemverCompatible { .. } => 60,
        }
    }

    /// What it asks about.
    #[inline]
    pub fn key(&self) -> Key<'_> {
        match self {
            Self::Exists { key }
            | Self::Equals { key, .. }
            | Self::NumericAtLeast { key, .. }
            | Self::NumericAtMost { key, .. }
            | Self::NumericInRange { key, .. }
            | Self::SemverAtLeast { key, .. }
            | Self::SemverAtMost { key, .. }
            | Self::SemverCompatible { key, .. }
            | Self::StringPrefix { key, .. }
            | Self::StringMatches { key, .. } => Key::Tag(key),
            Self::MetadataExists { key }
            | Self::MetadataEquals { key, .. }
            | Self::MetadataMatches { key, .. }
            | Self::MetadataNumericAtLeast { key, .. } => Key::Metadata(key),
        }
    }

    /// Whether it holds for these facts.
    pub fn holds(&self, facts: &impl Facts) -> bool {
        match self.key() {
            Key::Tag(key) if matches!(self, Self::Exists { .. }) => facts.has(key),
            Key::Tag(key) => facts.values(key).any(|fact| self.accepts(fact)),
            Key::Metadata(key) => facts.metadata(key).is_some_and(|value| self.accepts(Fact::new(value))),
        }
    }

    /// Whether one value of its key satisfies it. Any value shows that the key exists.
    #[inline]
    pub fn accepts(&self, fact: Fact<'_>) -> bool {
        match self {
            Self::Exists { .. } | Self::MetadataExists { .. } => true,
            Self::Equals { value, .. } | Self::MetadataEquals { value, .. } => fact.text() == value,
            Self::NumericAtLeast { threshold, .. } | Self::MetadataNumericAtLeast { threshold, .. } => {
                fact.number().is_some_and(|number| number >= *threshold)
            }
            Self::NumericAtMost { threshold, .. } => fact.number().is_some_and(|number| number <= *threshold),
            Self::NumericInRange { min, max, .. } => {
                fact.number().is_some_and(|number| (*min..=*max).contains(&number))
            }
            Self::SemverAtLeast { version, .. } => compare(fact, version, |found, wanted| found >= wanted),
            Self::SemverAtMost { version, .. } => compare(fact, version, |found, wanted| found <= wanted),
            Self::SemverCompatible { version, .. } => compare(fact, version, Version::is_compatible_with),
            Self::StringPrefix { prefix, .. } => fact.text().starts_with(prefix.as_str()),
            Self::StringMatches { pattern, .. } | Self::MetadataMatches { pattern, .. } => {
                fact.text().contains(pattern.as_str())
            }
        }
    }

    /// Bytes of all texts in it.
    pub(super) fn text_len(&self) -> usize {
        let key = match self.key() {
            Key::Tag(key) => key.key().len(),
            Key::Metadata(key) => key.len(),
        };
        key + match self {
            Self::Equals { value: text, .. }
            | Self::StringPrefix { prefix: text, .. }
            | Self::StringMatches { pattern: text, .. }
            | Self::MetadataEquals { value: text, .. }
            | Self::MetadataMatches { pattern: text, .. } => text.len(),
            Self::SemverAtLeast { version, .. }
            | Self::SemverAtMost { version, .. }
            | Self::SemverCompatible { version, .. } => version.text.len(),
            Self::Exists { .. }
            | Self::NumericAtLeast { .. }
            | Self::NumericAtMost { .. }
            | Self::NumericInRange { .. }
            | Self::MetadataExists { .. }
            | Self::MetadataNumericAtLeast { .. } => 0,
        }
    }

    /// Whether all its numbers are finite.
    pub(super) fn is_finite(&self) -> bool {
        match self {
            Self::NumericAtLeast { threshold, .. }
            | Self::NumericAtMost { threshold, .. }
            | Self::MetadataNumericAtLeast { threshold, .. } => threshold.is_finite(),
            Self::NumericInRange { min, max, .. } => min.is_finite() && max.is_finite(),
            _ => true,
        }
    }
}

fn compare(fact: Fact<'_>, wanted: &VersionBound, holds: impl Fn(Version, Version) -> bool) -> bool {
    match (fact.version(), wanted.version) {
        (Some(found), Some(wanted)) => holds(found, wanted),
        _ => false,
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Label::of_clause(self).text)
    }
}
