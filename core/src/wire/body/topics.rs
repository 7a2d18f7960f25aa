//! PUBLISH: an event on a topic.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use bytes::BufMut;

use crate::wire::cbor::{Reader, Writer};
use crate::wire::headers::Headers;
use crate::wire::path::ActionPath;
use crate::wire::{WireError, WireErrorKind};

/// Most groups that one PUBLISH names, and that one pattern has on a node.
pub const GROUPS_MAX: usize = 16;
/// What an event takes of a queue besides payload, topic and headers.
pub const EVENT_COST: usize = 64;
/// Room that the head of a PUBLISH takes besides topic, groups and headers.
const HEAD_LEN_MAX: usize = 48;

/// The name of a group of subscribers, of which one gets each event: 1 to 64 bytes without control characters.
///
/// ```
/// use lacewing_core::wire::body::topics::GroupName;
///
/// assert_eq!("billing".parse::<GroupName>().unwrap().as_str(), "billing");
/// assert!("".parse::<GroupName>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(String);

/// Text that names no group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name of a group has 1 to 64 bytes and no control characters")]
pub struct GroupNameError;

impl GroupName {
    /// Longest name in bytes.
    pub const LEN_MAX: usize = 64;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for GroupName {
    type Err = GroupNameError;

    fn from_str(text: &str) -> Result<Self, GroupNameError> {
        if text.is_empty() || text.len() > Self::LEN_MAX || text.contains(char::is_control) {
            return Err(GroupNameError);
        }
        Ok(Self(text.to_string()))
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which subscriptions of the receiver an event is for, of those whose pattern the topic matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipients {
    /// All of them.
    All,
    /// One of each of these groups, at most [`GROUPS_MAX`], and with `others` those without a group. The names ascend.
    OneOf {
        /// The groups.
        groups: Vec<GroupName>,
        /// Whether subscriptions without a group get it too.
        others: bool,
    },
}

/// The map at the start of a PUBLISH; the payload, or its first chunk, follows it.
///
/// ```
/// use lacewing_core::wire::body::topics::{PublishHead, Recipients};
///
/// let head = PublishHead {
///     topic: std::sync::Arc::new("orders/eu".parse().unwrap()),
///     sequence: 7,
///     codec: 0,
///     total_len: None,
///     recipients: Recipients::All,
///     headers: Default::default(),
/// };
/// let mut body = Vec::new();
/// head.encode(&mut body);
/// body.extend_from_slice(b"payload");
/// let (read, length) = PublishHead::decode(&body).unwrap();
/// assert_eq!((read, &body[length..]), (head, &b"payload"[..]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishHead {
    /// What it is about, without wildcards.
    pub topic: Arc<ActionPath>,
    /// Counts what this publisher has meant for this receiver, from 1: each number is higher than the one before, and one more
    /// unless something was lost.
    pub sequence: u64,
    /// How to read the payload.
    pub codec: u8,
    /// Bytes of the whole payload; present exactly when further chunks follow.
    pub total_len: Option<u64>,
    /// Who is to get it.
    pub recipients: Recipients,
    /// What the publisher says besides.
    pub headers: Headers,
}

impl PublishHead {
    /// Appends the head.
    pub fn encode(&self, out: &mut impl BufMut) {
        let mut writer = Writer::new(out);
        let named = if matches!(self.recipients, Recipients::OneOf { .. }) { 2 } else { 0 };
        let fields =
            3 + usize::from(self.total_len.is_some()) + named + usize::from(!self.headers.is_empty());
        writer.map(fields).uint(1).text(self.topic.as_str()).uint(2).uint(self.sequence);
        writer.uint(3).uint(self.codec.into());
        if let Some(total) = self.total_len {
            writer.uint(4).uint(total);
        }
        if let Recipients::OneOf { groups, others } = &self.recipients {
            writer.uint(5);
            write_groups(groups, &mut writer);
            writer.uint(6).bool(*others);
        }
        if !self.headers.is_empty() {
            writer.uint(7);
            self.headers.write(&mut writer);
        }
    }

    /// Reads the head at the start of a body; gives it with the number of bytes it took.
    pub fn decode(body: &[u8]) -> Result<(Self, usize), WireError> {
        let mut reader = Reader::new(body);
        let mut fields = reader.fields()?;
        let (mut topic, mut sequence, mut codec, mut total_len) = (None, None, None, None);
        let (mut groups, mut others, mut headers) = (None, None, Headers::new());
        while let Some(key) = fields.next(&mut reader)? {
            match key {
                1 => topic = Some(super::parsed(&mut reader, ActionPath::LEN_MAX)?),
                2 => sequence = Some(super::positive(&mut reader)?),
                3 => codec = Some(reader.uint_max(u8::MAX.into())? as u8),
                4 => total_len = Some(reader.uint()?),
                5 => groups = Some(read_groups(&mut reader)?),
                6 => others = Some(reader.bool()?),
                7 => headers = Headers::read(&mut reader)?,
                _ => reader.skip()?,
            }
        }
        let missing = reader.error(WireErrorKind::MissingField);
        let recipients = match (groups, others) {
            (None, None) => Recipients::All,
            (Some(groups), Some(others)) if others || !groups.is_empty() => {
                Recipients::OneOf { groups, others }
            }
            _ => return Err(missing),
        };
        let head = Self {
            topic: Arc::new(topic.ok_or(missing)?),
            sequence: sequence.ok_or(missing)?,
            codec: codec.ok_or(missing)?,
            total_len,
            recipients,
            headers,
        };
        Ok((head, reader.position()))
    }

    /// What the event takes of a queue besides its payload, so that empty ones are not free.
    pub(crate) fn queue_cost(&self) -> usize {
        EVENT_COST + self.topic.as_str().len() + self.headers.bytes()
    }

    /// The most bytes that the head can take.
    pub(crate) fn encoded_len_max(&self) -> usize {
        let groups = match &self.recipients {
            Recipients::All => 0,
            Recipients::OneOf { groups, .. } => groups.iter().map(|group| group.as_str().len() + 2).sum(),
        };
        HEAD_LEN_MAX + self.topic.as_str().len() + groups + self.headers.encoded_len_max()
    }
}

/// Writes the names of groups, which ascend.
pub(crate) fn write_groups<B: BufMut>(groups: &[GroupName], writer: &mut Writer<'_, B>) {
    debug_assert!(groups.is_sorted(), "groups have one spelling");
    writer.array(groups.len());
    for group in groups {
        writer.text(group.as_str());
    }
}

/// Reads such an array.
pub(crate) fn read_groups(reader: &mut Reader<'_>) -> Result<Vec<GroupName>, WireError> {
    let count = reader.array(GROUPS_MAX as u64)?;
    let mut groups: Vec<GroupName> = Vec::new();
    for _ in 0..count {
        let at = reader.position();
        let group = super::parsed(reader, GroupName::LEN_MAX)?;
        if groups.last().is_some_and(|last| *last >= group) {
            return Err(WireError { kind: WireErrorKind::OutOfRange, at });
        }
        groups.push(group);
    }
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> PublishHead {
        let mut headers = Headers::new();
        headers.push("traceparent", "00-1").unwrap();
        PublishHead {
            topic: Arc::new("orders/eu/placed".parse().unwrap()),
            sequence: 9,
            codec: 3,
            total_len: Some(1 << 20),
            recipients: Recipients::OneOf {
                groups: ["audit", "billing"].map(|name| name.parse().unwrap()).to_vec(),
                others: true,
            },
            headers,
        }
    }

    fn read(write: impl FnOnce(&mut Writer<'_, Vec<u8>>)) -> Result<PublishHead, WireErrorKind> {
        let mut bytes = Vec::new();
        write(&mut Writer::new(&mut bytes));
        PublishHead::decode(&bytes).map(|(head, _)| head).map_err(|error| error.kind)
    }

    #[test]
    fn a_head_comes_back_as_it_was_written_within_the_room_that_is_kept_for_it() {
        for recipients in [Recipients::All, head().recipients] {
            let head = PublishHead { recipients, ..head() };
            let mut body = Vec::new();
            head.encode(&mut body);
            assert!(body.len() <= head.encoded_len_max());
            assert_eq!(PublishHead::decode(&body), Ok((head, body.len())));
        }
    }

    #[test]
    fn a_wildcard_is_no_topic_and_zero_no_number() {
        for (topic, sequence) in [("a/*", 1), ("a/>", 1), ("", 1), ("a//b", 1), ("a", 0)] {
            let head = read(|writer| {
                writer.map(3).uint(1).text(topic).uint(2).uint(sequence).uint(3).uint(0);
            });
            assert_eq!(head, Err(WireErrorKind::OutOfRange), "{topic:?} {sequence}");
        }
    }

    #[test]
    fn groups_ascend_and_an_event_is_for_somebody() {
        let with = |groups: &[&str], others: Option<bool>| {
            read(|writer| {
                writer.map(4 + usize::from(others.is_some()));
                writer.uint(1).text("a").uint(2).uint(1).uint(3).uint(0).uint(5).array(groups.len());
                for group in groups {
                    writer.text(group);
                }
                if let Some(others) = others {
                    writer.uint(6).bool(others);
                }
            })
        };
        assert!(with(&["a", "b"], Some(false)).is_ok());
        assert!(with(&[], Some(true)).is_ok());
        assert_eq!(with(&["a", "b"], None), Err(WireErrorKind::MissingField));
        assert_eq!(with(&[], Some(false)), Err(WireErrorKind::MissingField));
        assert_eq!(with(&["b", "a"], Some(true)), Err(WireErrorKind::OutOfRange));
        assert_eq!(with(&["a", "a"], Some(true)), Err(WireErrorKind::OutOfRange));
        assert_eq!(with(&[""], Some(true)), Err(WireErrorKind::OutOfRange));
        let many: Vec<String> = (10..30).map(|n| n.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(with(&many, Some(true)).is_err());
    }
}
