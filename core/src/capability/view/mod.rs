//! Structured views: what the known tags of a set say, as types.
//!
//! The tags are what there is; a view is read from them (`of`) and written back into them (`write_to`), which replaces what
//! the set said in its place and touches nothing else. Where tags contradict each other, the smallest that makes sense counts.

mod hardware;
mod model;
mod software;
#[cfg(test)]
mod tests;
mod tool;

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

pub use hardware::{Gpu, GpuVendor, Hardware, RequestLimits};
pub use model::Model;
pub use software::Software;
pub use tool::Tool;

use super::set::{CapabilitySet, SetError};
use super::tag::{Axis, Tag, TagError};

/// The first value of a key that is not empty.
fn text(set: &CapabilitySet, axis: Axis, key: &str) -> Option<String> {
    set.values(axis, key).flatten().find(|value| !value.is_empty()).map(ToOwned::to_owned)
}

/// The first value of a key that is a whole number.
fn number(set: &CapabilitySet, axis: Axis, key: &str) -> Option<u64> {
    set.values(axis, key).flatten().find_map(|value| value.parse().ok())
}

/// The tags below `prefix` (such as `model.`) of the software axis, grouped by the index that follows it.
fn list_entries<'a>(set: &'a CapabilitySet, prefix: &str) -> Vec<Entry<'a>> {
    let mut entries: BTreeMap<u32, Entry<'a>> = BTreeMap::new();
    for tag in set.parsed() {
        let Tag::Value { axis: Axis::Software, key, value } = tag else { continue };
        let Some((index, field)) = key.strip_prefix(prefix).and_then(|rest| rest.split_once('.')) else {
            continue;
        };
        if let Ok(index) = index.parse() {
            entries.entry(index).or_default().fields.push((field, value));
        }
    }
    entries.into_values().collect()
}

/// The fields of one entry of a numbered list.
#[derive(Debug, Default)]
struct Entry<'a> {
    fields: Vec<(&'a str, &'a str)>,
}

impl<'a> Entry<'a> {
    fn values(&self, field: &str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(name, _)| *name == field).map(|(_, value)| *value)
    }

    fn text(&self, field: &str) -> Option<String> {
        self.values(field).find(|value| !value.is_empty()).map(ToOwned::to_owned)
    }

    fn number(&self, field: &str) -> Option<u64> {
        self.values(field).find_map(|value| value.parse().ok())
    }

    fn flag(&self, field: &str) -> Option<bool> {
        self.values(field).find_map(|value| value.parse().ok())
    }

    /// The items of a list with commas; empty ones do not count.
    fn items(&self, field: &str) -> Vec<String> {
        let list = self.values(field).find(|value| !value.is_empty()).unwrap_or_default();
        list.split(',').filter(|item| !item.is_empty()).map(ToOwned::to_owned).collect()
    }
}

/// Writes a view into a set, under a prefix such as `software.model.0.`; a set that is too full stays as it was.
#[derive(Debug)]
struct Lowering<'a> {
    target: &'a mut CapabilitySet,
    set: CapabilitySet,
}

impl<'a> Lowering<'a> {
    /// Begins with the set without the tags that `replaced` names by axis and key.
    fn new(target: &'a mut CapabilitySet, replaced: impl Fn(Axis, &str) -> bool) -> Self {
        let mut set = target.clone();
        for tag in target.tags() {
            if Tag::parse(tag).axis_key().is_some_and(|(axis, key)| replaced(axis, key)) {
                set.remove_tag(tag);
            }
        }
        Self { target, set }
    }

    fn tag(&mut self, tag: &str) -> Result<(), SetError> {
        self.set.insert_tag(tag).map(drop)
    }

    fn text(&mut self, key: &str, value: Option<&str>) -> Result<(), SetError> {
        match value {
            None => Ok(()),
            Some("") => Err(SetError::Tag { tag: key.to_owned(), error: TagError::NoValue }),
            Some(value) => self.tag(&format!("{key}={value}")),
        }
    }

    fn number(&mut self, key: &str, value: Option<u64>) -> Result<(), SetError> {
        value.map_or(Ok(()), |value| self.tag(&format!("{key}={value}")))
    }

    fn flag(&mut self, key: &str, value: Option<bool>) -> Result<(), SetError> {
        value.map_or(Ok(()), |value| self.tag(&format!("{key}={value}")))
    }

    fn items(&mut self, key: &str, items: &[String]) -> Result<(), SetError> {
        let wrong = |error| Err(SetError::Tag { tag: key.to_owned(), error });
        if items.iter().any(|item| item.contains(',')) {
            return wrong(TagError::Comma);
        }
        if items.iter().any(String::is_empty) {
            return wrong(TagError::NoValue);
        }
        if items.is_empty() { Ok(()) } else { self.tag(&format!("{key}={}", items.join(","))) }
    }

    /// Puts the outcome in the place of the set that it began with.
    fn finish(self) {
        *self.target = self.set;
    }
}
