//! The set of capabilities of one node.

use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Bound;

use bytes::BufMut;
use serde_json::Value as Json;

use super::tag::{Axis, Tag, TagError};
use crate::json_text::JsonText;
use crate::wire::cbor::{Major, Reader, Writer};
use crate::wire::{WireError, WireErrorKind};

#[cfg(test)]
mod tests;

/// Most tags of a set.
pub const TAGS_MAX: usize = 1_024;
/// Longest metadata key in bytes.
pub const METADATA_KEY_LEN_MAX: usize = 256;
/// Bytes of metadata (keys and values) above which validation warns.
pub const METADATA_SOFT_CAP: usize = 4_096;
/// Longest encoding of a set in bytes, counted as though the heads of both lists took three bytes each, so that a set fits
/// in whatever order it is put together.
pub const SET_LEN_MAX: usize = 16 * 1_024;
/// Longest encoding of what is around the items: the map of two, its keys, and two heads of up to three bytes.
const FRAME_LEN_MAX: usize = 9;

/// What one node can do: tags, and metadata for people and schedulers.
///
/// A set always fits its limits ([`TAGS_MAX`], [`SET_LEN_MAX`] and the rest), so that what one node accepts no other refuses.
///
/// ```
/// use lacewing_core::capability::CapabilitySet;
///
/// let mut set = CapabilitySet::new();
/// set.insert_user_tag("hardware.memory_gb=64").unwrap();
/// set.insert_metadata("owner", "alice").unwrap();
/// assert!(set.insert_user_tag("scope:tenant:acme").is_err());
///
/// assert_eq!(set.to_json(), r#"{"tags":["hardware.memory_gb=64"],"metadata":{"owner":"alice"}}"#);
/// let mut wire = Vec::new();
/// set.encode(&mut wire);
/// assert_eq!(CapabilitySet::decode(&wire).unwrap(), set);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct CapabilitySet {
    tags: BTreeSet<String>,
    metadata: BTreeMap<String, String>,
    /// Encoded bytes of all tags, keys and values.
    items_len: usize,
}

impl CapabilitySet {
    /// A set without anything.
    pub fn new() -> Self {
        Self::default()
    }

    /// The tags, in ascending order of their bytes.
    pub fn tags(&self) -> &BTreeSet<String> {
        &self.tags
    }

    /// The metadata, in ascending order of the keys' bytes.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Whether there is neither a tag nor metadata.
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty() && self.metadata.is_empty()
    }

    /// Whether the tag is there, spelled exactly so.
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags.contains(tag)
    }

    /// Whether a tag that means the same is there: `software.os:linux` is `software.os=linux`.
    pub fn holds(&self, tag: &str) -> bool {
        self.has_tag(tag) || Tag::other_spelling(tag).is_some_and(|other| self.has_tag(&other))
    }

    /// What follows a key, in each tag that has it: `None` where it is only present. Text that no tag can have as its key
    /// (empty, or with `=` or `:`) is in none.
    pub fn values(&self, axis: Axis, key: &str) -> impl Iterator<Item = Option<&str>> {
        let possible = !key.is_empty() && !key.contains(['=', ':']);
        // Formatting would take as long as all the rest.
        let start = [axis.name(), ".", key].concat();
        let tags = self.tags.range::<str, _>((Bound::Included(start.as_str()), Bound::Unbounded));
        let len = start.len();
        tags.take_while(move |tag| possible && tag.starts_with(&start)).filter_map(move |tag| {
            match tag.as_bytes().get(len) {
                None => Some(None),
                Some(b'=' | b':') => Some(Some(&tag[len + 1..])),
                Some(_) => None,
            }
        })
    }

    /// The tags, read.
    pub fn parsed(&self) -> impl Iterator<Item = Tag<'_>> {
        self.tags.iter().map(|tag| Tag::parse(tag))
    }

    /// Adds a tag that a user wrote; reserved prefixes are refused. Gives whether it is new.
    pub fn insert_user_tag(&mut self, tag: &str) -> Result<bool, SetError> {
        Tag::parse_user(tag).map_err(|error| SetError::tag(tag, error))?;
        self.insert_tag(tag)
    }

    /// Adds a tag of any kind. Gives whether it is new.
    pub fn insert_tag(&mut self, tag: &str) -> Result<bool, SetError> {
        Tag::check(tag).map_err(|error| SetError::tag(tag, error))?;
        if self.tags.contains(tag) {
            return Ok(false);
        }
        if self.tags.len() == TAGS_MAX {
            return Err(SetError::TooManyTags);
        }
        self.grow(0, text_len(tag))?;
        self.tags.insert(tag.to_owned());
        Ok(true)
    }

    /// Takes a tag away. Gives whether it was there.
    pub fn remove_tag(&mut self, tag: &str) -> bool {
        let there = self.tags.remove(tag);
        if there {
            self.items_len -= text_len(tag);
        }
        there
    }

    /// Sets the value of a metadata key: 1 to 256 bytes without control characters. Gives the value before.
    pub fn insert_metadata(&mut self, key: &str, value: &str) -> Result<Option<String>, SetError> {
        if check_key(key).is_err() {
            return Err(SetError::BadKey(clipped(key)));
        }
        let before = self.metadata.get(key).map_or(0, |value| text_len(key) + text_len(value));
        self.grow(before, text_len(key) + text_len(value))?;
        Ok(self.metadata.insert(key.to_owned(), value.to_owned()))
    }

    /// Takes a metadata key away. Gives its value.
    pub fn remove_metadata(&mut self, key: &str) -> Option<String> {
        let value = self.metadata.remove(key)?;
        self.items_len -= text_len(key) + text_len(&value);
        Some(value)
    }

    /// The set with one more tag that a user wrote.
    pub fn with_tag(mut self, tag: &str) -> Result<Self, SetError> {
        self.insert_user_tag(tag)?;
        Ok(self)
    }

    /// The set with one more metadata entry.
    pub fn with_metadata(mut self, key: &str, value: &str) -> Result<Self, SetError> {
        self.insert_metadata(key, value)?;
        Ok(self)
    }

    /// Takes away what a peer may not say about itself (see [`Tag::may_be_claimed`]). Gives the number of tags taken.
    pub fn strip_unclaimable(&mut self) -> usize {
        let before = self.tags.len();
        let items_len = &mut self.items_len;
        self.tags.retain(|tag| {
            let keep = Tag::parse(tag).may_be_claimed();
            *items_len -= if keep { 0 } else { text_len(tag) };
            keep
        });
        before - self.tags.len()
    }

    /// Bytes of the keys and values of the metadata.
    pub fn metadata_len(&self) -> usize {
        self.metadata.iter().map(|(key, value)| key.len() + value.len()).sum()
    }

    /// Bytes of the encoding.
    pub fn encoded_len(&self) -> usize {
        // The map of two, its keys 1 and 2, and the heads of the list and of the map within.
        3 + head_len(self.tags.len()) + head_len(self.metadata.len()) + self.items_len
    }

    /// Changes the length of the items, unless that makes the set too large.
    fn grow(&mut self, less: usize, more: usize) -> Result<(), SetError> {
        let items_len = self.items_len - less + more;
        if items_len + FRAME_LEN_MAX > SET_LEN_MAX {
            return Err(SetError::TooLarge(items_len + FRAME_LEN_MAX));
        }
        self.items_len = items_len;
        Ok(())
    }

    /// Appends the set as deterministic CBOR: `{1: [tag, ..], 2: {key: value, ..}}`, tags in ascending order of their bytes,
    /// keys in that of their encoding.
    pub fn encode(&self, out: &mut impl BufMut) {
        let mut writer = Writer::new(out);
        writer.map(2).uint(1).array(self.tags.len());
        for tag in &self.tags {
            writer.text(tag);
        }
        let mut metadata: Vec<(&String, &String)> = self.metadata.iter().collect();
        metadata.sort_unstable_by_key(|(key, _)| (key.len(), *key));
        writer.uint(2).map(metadata.len());
        for (key, value) in metadata {
            writer.text(key).text(value);
        }
    }

    /// Reads a whole encoding. Unknown fields of a later version are skipped: whoever has to pass a set on unchanged keeps
    /// its bytes.
    pub fn decode(input: &[u8]) -> Result<Self, WireError> {
        if input.len() > SET_LEN_MAX {
            return Err(WireError { kind: WireErrorKind::TooLarge, at: 0 });
        }
        let mut reader = Reader::new(input);
        let mut fields = reader.fields()?;
        let (mut tags, mut metadata) = (None, None);
        while let Some(key) = fields.next(&mut reader)? {
            match key {
                1 => tags = Some(read_tags(&mut reader)?),
                2 => metadata = Some(read_metadata(&mut reader)?),
                _ => reader.skip()?,
            }
        }
        let missing = reader.error(WireErrorKind::MissingField);
        reader.finish()?;
        let (tags, metadata) = (tags.ok_or(missing)?, metadata.ok_or(missing)?);
        let tags_len: usize = tags.iter().map(|tag| text_len(tag)).sum();
        let metadata_len: usize = metadata.iter().map(|(key, value)| text_len(key) + text_len(value)).sum();
        let items_len = tags_len + metadata_len;
        if items_len + FRAME_LEN_MAX > SET_LEN_MAX {
            return Err(WireError { kind: WireErrorKind::TooLarge, at: 0 });
        }
        Ok(Self { tags, metadata, items_len })
    }

    /// The set as compact JSON, `{"tags":[..],"metadata":{..}}`.
    pub fn to_json(&self) -> String {
        let mut json = JsonText::default();
        json.object(|json| {
            json.name("tags").list(|json| {
                for tag in &self.tags {
                    json.string(tag);
                }
            });
            json.name("metadata").object(|json| {
                for (key, value) in &self.metadata {
                    json.field(key, value);
                }
            });
        });
        json.into_text()
    }

    /// Reads the JSON form. Both fields may be left out; a tag that is there twice counts once. Reserved tags are taken:
    /// who must not set them is a matter of whose JSON it is.
    pub fn from_json(text: &str) -> Result<Self, SetError> {
        let json: Json = serde_json::from_str(text)
            .map_err(|error| SetError::Json { pointer: String::new(), problem: format!("{error}") })?;
        Self::from_json_value(&json)
    }

    /// As [`from_json`](Self::from_json), from JSON that is parsed already.
    pub fn from_json_value(json: &Json) -> Result<Self, SetError> {
        let wrong = |pointer: String, expected: &str| {
            Err(SetError::Json { pointer, problem: format!("expected {expected}") })
        };
        let Json::Object(fields) = json else {
            return wrong(String::new(), r#"an object {"tags": [..], "metadata": {..}}"#);
        };
        let mut set = Self::new();
        for (name, value) in fields {
            match (name.as_str(), value) {
                ("tags", Json::Array(tags)) => {
                    for (index, tag) in tags.iter().enumerate() {
                        let Json::String(tag) = tag else {
                            return wrong(format!("/tags/{index}"), "a string");
                        };
                        set.insert_tag(tag)?;
                    }
                }
                ("tags", _) => return wrong("/tags".to_owned(), "a list of strings"),
                ("metadata", Json::Object(entries)) => {
                    for (key, value) in entries {
                        let Json::String(value) = value else {
                            return wrong(format!("/metadata/{}", pointer_part(key)), "a string");
                        };
                        set.insert_metadata(key, value)?;
                    }
                }
                ("metadata", _) => return wrong("/metadata".to_owned(), "an object of strings"),
                (name, _) => {
                    return wrong(format!("/{}", pointer_part(name)), r#"only "tags" and "metadata""#);
                }
            }
        }
        Ok(set)
    }
}

/// A set that would break a limit, or JSON that is no set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// A tag is not allowed.
    #[error("tag {tag:?}: {error}")]
    Tag {
        /// The tag, or its first characters.
        tag: String,
        /// What is wrong with it.
        error: TagError,
    },
    /// More than [`TAGS_MAX`] tags.
    #[error("a node has at most {TAGS_MAX} tags")]
    TooManyTags,
    /// A metadata key, given by its first characters, that is empty, over-long or has control characters.
    #[error("metadata key {0:?}: a key has 1 to {METADATA_KEY_LEN_MAX} bytes and no control characters")]
    BadKey(String),
    /// The whole set would take this many bytes.
    #[error("tags and metadata take at most {SET_LEN_MAX} bytes in all, these would take {0}")]
    TooLarge(usize),
    /// JSON that is no set.
    #[error("capabilities at {pointer:?}: {problem}")]
    Json {
        /// JSON pointer (RFC 6901) to the place.
        pointer: String,
        /// What is wrong there.
        problem: String,
    },
}

impl SetError {
    fn tag(tag: &str, error: TagError) -> Self {
        Self::Tag { tag: clipped(tag), error }
    }
}

/// The start of a text, short enough for an error.
fn clipped(text: &str) -> String {
    text.chars().take(64).collect()
}

/// A name as part of a JSON pointer, cut to a length for people.
fn pointer_part(name: &str) -> String {
    clipped(name).replace('~', "~0").replace('/', "~1")
}

fn check_key(key: &str) -> Result<(), WireErrorKind> {
    if key.is_empty() {
        Err(WireErrorKind::Empty)
    } else if key.len() > METADATA_KEY_LEN_MAX || key.contains(char::is_control) {
        Err(WireErrorKind::OutOfRange)
    } else {
        Ok(())
    }
}

fn read_tags(reader: &mut Reader<'_>) -> Result<BTreeSet<String>, WireError> {
    let count = reader.array(TAGS_MAX as u64)?;
    let mut tags: BTreeSet<String> = BTreeSet::new();
    for _ in 0..count {
        let at = reader.position();
        let tag = reader.text()?;
        match Tag::check(tag) {
            Ok(()) => {}
            Err(TagError::Empty) => return Err(WireError { kind: WireErrorKind::Empty, at }),
            Err(_) => return Err(WireError { kind: WireErrorKind::OutOfRange, at }),
        }
        if tags.last().is_some_and(|last| last.as_str() >= tag) {
            return Err(WireError { kind: WireErrorKind::KeyOrder, at });
        }
        tags.insert(tag.to_owned());
    }
    Ok(tags)
}

fn read_metadata(reader: &mut Reader<'_>) -> Result<BTreeMap<String, String>, WireError> {
    let count = reader.expect(Major::Map)?;
    let mut metadata = BTreeMap::new();
    let mut last: Option<&str> = None;
    for _ in 0..count {
        let at = reader.position();
        let key = reader.text()?;
        check_key(key).map_err(|kind| WireError { kind, at })?;
        if last.is_some_and(|last| (last.len(), last) >= (key.len(), key)) {
            return Err(WireError { kind: WireErrorKind::KeyOrder, at });
        }
        last = Some(key);
        metadata.insert(key.to_owned(), reader.text()?.to_owned());
    }
    Ok(metadata)
}

/// Bytes of the head of an item with this argument, for arguments below 65,536.
const fn head_len(argument: usize) -> usize {
    match argument {
        0..=23 => 1,
        24..=0xff => 2,
        _ => 3,
    }
}

/// Bytes of the encoding of a text.
const fn text_len(text: &str) -> usize {
    head_len(text.len()) + text.len()
}
