//! What is wrong, or unusual, with a set: a report for whoever wrote it. Nothing depends on its outcome.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use super::schema::{self, Expected, Known};
use super::set::{CapabilitySet, METADATA_SOFT_CAP};
use super::tag::{Axis, Tag};
use crate::json_text::JsonText;

#[cfg(test)]
mod tests;

/// What validation found. Both lists are sorted by the JSON of their items.
///
/// ```
/// use lacewing_core::capability::{CapabilitySet, validate};
///
/// let set = CapabilitySet::from_json(r#"{"tags": ["hardware.memory_gb=lots"]}"#).unwrap();
/// let report = validate(&set);
/// assert!(!report.is_valid());
/// assert_eq!(
///     report.to_json(),
///     concat!(
///         r#"{"errors":[{"kind":"type_mismatch","axis":"hardware","key":"memory_gb","#,
///         r#""expected":"number","actual":"lots"}],"warnings":[]}"#
///     )
/// );
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What is surely a mistake.
    pub errors: Vec<Problem>,
    /// What may be one.
    pub warnings: Vec<Warning>,
}

/// A tag that cannot mean what its key says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A known key with a value of another kind.
    TypeMismatch {
        /// The axis.
        axis: Axis,
        /// The key; inside `model.<i>.` and `tool.<i>.` the field alone.
        key: String,
        /// What belongs there.
        expected: Expected,
        /// What is there; `<no value>` where there is none.
        actual: String,
    },
    /// A numbered list with something else in the place of the number.
    IndexMalformed {
        /// The axis.
        axis: Axis,
        /// The list, with its dot.
        prefix: &'static str,
        /// What stands where the number belongs.
        index: String,
        /// The whole tag.
        tag: String,
    },
}

/// Something that this version does not know, or that is easily done by mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// A key that this version does not know.
    UnknownKey {
        /// The axis.
        axis: Axis,
        /// The whole key.
        key: String,
    },
    /// A tag without an axis or a prefix.
    LegacyTag {
        /// The tag.
        tag: String,
    },
    /// Much metadata, which every node of the mesh has to hold.
    MetadataOversize {
        /// Bytes that are fine.
        soft_cap_bytes: usize,
        /// Bytes that are there, keys and values.
        actual_bytes: usize,
    },
    /// A metadata key that the mesh itself reads.
    MetadataReservedKey {
        /// The key.
        key: String,
    },
    /// A metadata key with a prefix that the mesh itself reads.
    MetadataReservedPrefix {
        /// The key.
        key: String,
        /// The prefix.
        prefix: &'static str,
    },
}

/// Looks through a set.
pub fn validate(set: &CapabilitySet) -> Report {
    let mut report = Report::default();
    for tag in set.tags() {
        report.look_at_tag(tag);
    }
    for key in set.metadata().keys() {
        if schema::RESERVED_METADATA.contains(&key.as_str()) {
            report.warnings.push(Warning::MetadataReservedKey { key: key.clone() });
        } else if key.starts_with(schema::TOOL_METADATA_PREFIX) {
            let prefix = schema::TOOL_METADATA_PREFIX;
            report.warnings.push(Warning::MetadataReservedPrefix { key: key.clone(), prefix });
        }
    }
    let actual_bytes = set.metadata_len();
    if actual_bytes > METADATA_SOFT_CAP {
        report.warnings.push(Warning::MetadataOversize { soft_cap_bytes: METADATA_SOFT_CAP, actual_bytes });
    }
    report.errors.sort_by_cached_key(Problem::to_json);
    report.warnings.sort_by_cached_key(Warning::to_json);
    report
}

impl Report {
    /// Whether there is nothing to say at all.
    pub fn is_clean(&self) -> bool {
        self.errors.is_empty() && self.warnings.is_empty()
    }

    /// Whether there are no errors; warnings may be there.
    pub fn is_valid(&self) -> bool {
        self.errors.is_empty()
    }

    /// Compact JSON, `{"errors":[..],"warnings":[..]}`; in each object `kind` is first.
    pub fn to_json(&self) -> String {
        let mut json = JsonText::default();
        json.object(|json| {
            json.name("errors").list(|json| self.errors.iter().for_each(|error| error.write(json)));
            json.name("warnings").list(|json| self.warnings.iter().for_each(|warning| warning.write(json)));
        });
        json.into_text()
    }

    fn look_at_tag(&mut self, text: &str) {
        let (axis, key, value) = match Tag::parse(text) {
            Tag::Presence { axis, key } => (axis, key, None),
            Tag::Value { axis, key, value } => (axis, key, Some(value)),
            Tag::Reserved { .. } => return,
            Tag::Free(tag) => return self.warnings.push(Warning::LegacyTag { tag: tag.to_owned() }),
        };
        match schema::lookup(axis, key) {
            Known::Key { expected, .. } if expected.fits(value) => {}
            Known::Key { field, expected } => self.errors.push(Problem::TypeMismatch {
                axis,
                key: field.to_owned(),
                expected,
                actual: value.unwrap_or("<no value>").to_owned(),
            }),
            Known::BadIndex { prefix, index } => self.errors.push(Problem::IndexMalformed {
                axis,
                prefix,
                index: index.to_owned(),
                tag: text.to_owned(),
            }),
            Known::Unknown => self.warnings.push(Warning::UnknownKey { axis, key: key.to_owned() }),
        }
    }
}

impl Problem {
    /// Compact JSON, `kind` first.
    pub fn to_json(&self) -> String {
        let mut json = JsonText::default();
        self.write(&mut json);
        json.into_text()
    }

    fn write(&self, json: &mut JsonText) {
        json.object(|json| match self {
            Self::TypeMismatch { axis, key, expected, actual } => {
                json.field("kind", "type_mismatch").field("axis", axis.name()).field("key", key);
                json.field("expected", expected.name()).field("actual", actual);
            }
            Self::IndexMalformed { axis, prefix, index, tag } => {
                json.field("kind", "index_malformed").field("axis", axis.name()).field("prefix", prefix);
                json.field("index", index).field("tag", tag);
            }
        });
    }
}

impl Warning {
    /// Compact JSON, `kind` first.
    pub fn to_json(&self) -> String {
        let mut json = JsonText::default();
        self.write(&mut json);
        json.into_text()
    }

    fn write(&self, json: &mut JsonText) {
        json.object(|json| match self {
            Self::UnknownKey { axis, key } => {
                json.field("kind", "unknown_key").field("axis", axis.name()).field("key", key);
            }
            Self::LegacyTag { tag } => {
                json.field("kind", "legacy_tag").field("tag", tag);
            }
            Self::MetadataOversize { soft_cap_bytes, actual_bytes } => {
                json.field("kind", "metadata_oversize");
                json.name("soft_cap_bytes").number(*soft_cap_bytes as u64);
                json.name("actual_bytes").number(*actual_bytes as u64);
            }
            Self::MetadataReservedKey { key } => {
                json.field("kind", "metadata_reserved_key").field("key", key);
            }
            Self::MetadataReservedPrefix { key, prefix } => {
                json.field("kind", "metadata_reserved_prefix").field("key", key).field("prefix", prefix);
            }
        });
    }
}
