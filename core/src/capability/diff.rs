//! What changed between two sets of one node.

use alloc::string::String;
use alloc::vec::Vec;

use super::set::CapabilitySet;
use crate::json_text::JsonText;

#[cfg(test)]
mod tests;

/// The difference between two sets.
///
/// ```
/// use lacewing_core::capability::{CapabilitySet, Diff};
///
/// let before = CapabilitySet::from_json(r#"{"tags": ["batch"], "metadata": {"owner": "alice"}}"#).unwrap();
/// let after = CapabilitySet::from_json(r#"{"tags": ["hardware.gpu"], "metadata": {"owner": "bob"}}"#).unwrap();
/// assert_eq!(
///     Diff::between(&before, &after).to_json(),
///     concat!(
///         r#"{"added_tags":["hardware.gpu"],"removed_tags":["batch"],"#,
///         r#""metadata_changes":[{"kind":"updated","key":"owner","prev_value":"alice","new_value":"bob"}]}"#
///     )
/// );
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// Tags that are only in the later set, sorted.
    pub added_tags: Vec<String>,
    /// Tags that are only in the earlier set, sorted.
    pub removed_tags: Vec<String>,
    /// Changes of metadata, sorted by key. A key that was renamed is removed and added.
    pub metadata_changes: Vec<MetadataChange>,
}

/// A change of one metadata key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetadataChange {
    /// The key is new.
    Added {
        /// The key.
        key: String,
        /// Its value.
        value: String,
    },
    /// The key is gone.
    Removed {
        /// The key.
        key: String,
        /// The value that it had.
        prev_value: String,
    },
    /// The key has another value.
    Updated {
        /// The key.
        key: String,
        /// The value that it had.
        prev_value: String,
        /// The value that it has.
        new_value: String,
    },
}

impl Diff {
    /// What changed from `before` to `after`.
    pub fn between(before: &CapabilitySet, after: &CapabilitySet) -> Self {
        let mut metadata_changes = Vec::new();
        for (key, prev) in before.metadata() {
            let (key, prev_value) = (key.clone(), prev.clone());
            match after.metadata().get(&key) {
                None => metadata_changes.push(MetadataChange::Removed { key, prev_value }),
                Some(new) if *new != prev_value => {
                    let new_value = new.clone();
                    metadata_changes.push(MetadataChange::Updated { key, prev_value, new_value });
                }
                Some(_) => {}
            }
        }
        for (key, value) in after.metadata() {
            if !before.metadata().contains_key(key) {
                metadata_changes.push(MetadataChange::Added { key: key.clone(), value: value.clone() });
            }
        }
        metadata_changes.sort_unstable_by(|left, right| left.key().cmp(right.key()));
        Self {
            added_tags: after.tags().difference(before.tags()).cloned().collect(),
            removed_tags: before.tags().difference(after.tags()).cloned().collect(),
            metadata_changes,
        }
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.added_tags.is_empty() && self.removed_tags.is_empty() && self.metadata_changes.is_empty()
    }

    /// Compact JSON, `{"added_tags":[..],"removed_tags":[..],"metadata_changes":[..]}`.
    pub fn to_json(&self) -> String {
        let mut json = JsonText::default();
        json.object(|json| {
            for (name, tags) in [("added_tags", &self.added_tags), ("removed_tags", &self.removed_tags)] {
                json.name(name).list(|json| {
                    for tag in tags {
                        json.string(tag);
                    }
                });
            }
            let changes = &self.metadata_changes;
            json.name("metadata_changes").list(|json| changes.iter().for_each(|change| change.write(json)));
        });
        json.into_text()
    }
}

impl MetadataChange {
    /// The key that changed.
    pub fn key(&self) -> &str {
        match self {
            Self::Added { key, .. } | Self::Removed { key, .. } | Self::Updated { key, .. } => key,
        }
    }

    fn write(&self, json: &mut JsonText) {
        json.object(|json| match self {
            Self::Added { key, value } => {
                json.field("kind", "added").field("key", key).field("value", value);
            }
            Self::Removed { key, prev_value } => {
                json.field("kind", "removed").field("key", key).field("prev_value", prev_value);
            }
            Self::Updated { key, prev_value, new_value } => {
                json.field("kind", "updated").field("key", key);
                json.field("prev_value", prev_value).field("new_value", new_value);
            }
        });
    }
}
