//! What predicates are evaluated against.

use super::version::Version;
use crate::capability::number;
use crate::capability::{Axis, CapabilitySet, Tag, TagKey};
use alloc::vec::Vec;

/// Something with tags and metadata.
///
/// [`CapabilitySet`] is one, and [`Candidate`] is a faster one for a set that is asked often. Who keeps candidates in a form
/// of their own implements this, or answers [`Predicate::decide`](super::Predicate::decide).
pub trait Facts {
    /// Whether there is a tag with this key, with a value or without.
    fn has(&self, key: &TagKey) -> bool;

    /// The values of the tags with this key, in any order.
    fn values(&self, key: &TagKey) -> impl Iterator<Item = Fact<'_>>;

    /// The metadata entry with this key.
    fn metadata(&self, key: &str) -> Option<&str>;
}

/// A value: text, and what it is as a number and as a version. Those are read when they are asked for, unless they were
/// read before.
#[derive(Clone, Copy, Debug)]
pub struct Fact<'a> {
    text: &'a str,
    number: Reading<f64>,
    version: Reading<Version>,
}

#[derive(Clone, Copy, Debug)]
enum Reading<T> {
    Unread,
    Read(Option<T>),
}

impl<'a> Fact<'a> {
    /// A value of which only the text is known.
    pub fn new(text: &'a str) -> Self {
        Self { text, number: Reading::Unread, version: Reading::Unread }
    }

    /// A value that is read now, so that it does not have to be read again for each clause.
    pub fn read(text: &'a str) -> Self {
        Self {
            text,
            number: Reading::Read(number::parse(text)),
            version: Reading::Read(Version::parse(text)),
        }
    }

    /// The value, with the number that [`number::parse`] has found in it before.
    #[must_use]
    pub fn with_number(self, number: Option<f64>) -> Self {
        Self { number: Reading::Read(number), ..self }
    }

    /// The value as it was written.
    #[inline]
    pub fn text(self) -> &'a str {
        self.text
    }

    /// The number that it is.
    #[inline]
    pub fn number(self) -> Option<f64> {
        match self.number {
            Reading::Unread => number::parse(self.text),
            Reading::Read(number) => number,
        }
    }

    /// The version that it is.
    #[inline]
    pub fn version(self) -> Option<Version> {
        match self.version {
            Reading::Unread => Version::parse(self.text),
            Reading::Read(version) => version,
        }
    }
}

impl Facts for CapabilitySet {
    fn has(&self, key: &TagKey) -> bool {
        Self::values(self, key.axis(), key.key()).next().is_some()
    }

    fn values(&self, key: &TagKey) -> impl Iterator<Item = Fact<'_>> {
        Self::values(self, key.axis(), key.key()).flatten().map(Fact::new)
    }

    fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata().get(key).map(alloc::string::String::as_str)
    }
}

/// A capability set made ready for many predicates: keys sorted by their prints, numbers and versions read. Asking it does
/// not allocate.
///
/// ```
/// use lacewing_core::capability::CapabilitySet;
/// use lacewing_core::predicate::{Candidate, Predicate};
///
/// let set = CapabilitySet::new().with_tag("software.runtime.python=3.12.1").unwrap();
/// let candidate = Candidate::from(&set);
/// let predicate: Predicate = "software.runtime.python ~= 3.10".parse().unwrap();
/// assert!(predicate.evaluate(&candidate));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Candidate<'a> {
    /// The prints of the keys of all tags, ascending. They are what is searched, and this way they lie in a cache line or two.
    prints: Vec<u32>,
    /// The tags in the same order.
    tags: Vec<(Axis, &'a str, Option<Fact<'a>>)>,
    /// In ascending order of the keys' lengths and then of the keys: lengths are at hand.
    metadata: Vec<(&'a str, &'a str)>,
}

impl<'a> Candidate<'a> {
    /// A candidate with these tags and metadata. Tags without an axis say nothing to a predicate. Of several metadata
    /// entries with one key the first counts.
    pub fn new(
        tags: impl IntoIterator<Item = Tag<'a>>,
        metadata: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let read = |tag: Tag<'a>| match tag {
            Tag::Presence { axis, key } => Some((axis, key, None)),
            Tag::Value { axis, key, value } => Some((axis, key, Some(Fact::read(value)))),
            Tag::Reserved { .. } | Tag::Free(_) => None,
        };
        let mut tags: Vec<_> = tags.into_iter().filter_map(read).collect();
        tags.sort_by_cached_key(|(axis, key, _)| (TagKey::print_of(*axis, key), *axis, *key));
        let prints = tags.iter().map(|(axis, key, _)| TagKey::print_of(*axis, key)).collect();
        let mut metadata: Vec<_> = metadata.into_iter().collect();
        metadata.sort_by_key(|(key, _)| (key.len(), *key));
        metadata.dedup_by_key(|(key, _)| *key);
        Self { prints, tags, metadata }
    }

    /// The tags with a key.
    #[inline]
    fn with_key(&self, wanted: &TagKey) -> impl Iterator<Item = Option<Fact<'a>>> {
        let (axis, key, print) = (wanted.axis(), wanted.key(), wanted.print());
        let start = if self.prints.len() <= LOOKED_THROUGH {
            self.prints.iter().map(|other| u32::from(*other < print)).sum::<u32>() as usize
        } else {
            self.prints.partition_point(|other| *other < print)
        };
        let alike = self.prints[start..].iter().zip(&self.tags[start..]).take_while(move |it| *it.0 == print);
        alike.filter(move |(_, tag)| tag.0 == axis && tag.1 == key).map(|(_, tag)| tag.2)
    }
}

/// Prints that are looked through one by one: without branches and side by side, that is faster than to search.
const LOOKED_THROUGH: usize = 64;

impl<'a> From<&'a CapabilitySet> for Candidate<'a> {
    fn from(set: &'a CapabilitySet) -> Self {
        let metadata = set.metadata().iter().map(|(key, value)| (key.as_str(), value.as_str()));
        Self::new(set.parsed(), metadata)
    }
}

impl Facts for Candidate<'_> {
    fn has(&self, key: &TagKey) -> bool {
        self.with_key(key).next().is_some()
    }

    fn values(&self, key: &TagKey) -> impl Iterator<Item = Fact<'_>> {
        self.with_key(key).flatten()
    }

    fn metadata(&self, key: &str) -> Option<&str> {
        let index =
            self.metadata.binary_search_by_key(&(key.len(), key), |(known, _)| (known.len(), known)).ok()?;
        Some(self.metadata[index].1)
    }
}
