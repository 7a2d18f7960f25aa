//! Bodies of the frames of routes and relay: ROUTED, `PATH_BROKEN`, ROUTES, `ROUTE_REQUEST`, PING and PONG.

use alloc::vec::Vec;
use core::fmt;

use bytes::BufMut;

use super::{decode_single, encode_single};
use crate::identity::{Incarnation, NodeId};
use crate::wire::cbor::{Reader, Writer};
use crate::wire::frame::BODY_LEN_MAX;
use crate::wire::{WireError, WireErrorKind};

#[cfg(test)]
mod tests;

/// Most entries in one ROUTES frame: what fits in 60 KiB, however large the numbers are.
pub const ROUTES_ENTRIES_MAX: usize = 1_024;
/// How far an announcement or a request travels, in hops.
pub const ANNOUNCEMENT_HOPS_MAX: u8 = 16;

/// What relays may know of a payload, to queue it.
///
/// ```
/// use lacewing_core::wire::body::routing::Class;
///
/// assert_eq!(Class::from_number(Class::Probe.number()), Some(Class::Probe));
/// assert_eq!(Class::from_number(9), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Part of the handshake of an end-to-end session.
    Greeting,
    /// Calls and answers.
    Data,
    /// Credit, goodbye and the like.
    Control,
    /// A question of membership whether a node lives.
    Probe,
    /// The answer to one. Relays send it back the way that the question came, which has just been seen to carry something; the best
    /// way of the node that answers may be broken where nobody has noticed yet.
    ProbeAnswer,
}

impl Class {
    /// Every class, by number.
    pub const ALL: [Self; 5] = [Self::Greeting, Self::Data, Self::Control, Self::Probe, Self::ProbeAnswer];

    /// The number on the wire.
    pub const fn number(self) -> u8 {
        match self {
            Self::Greeting => 0,
            Self::Data => 1,
            Self::Control => 2,
            Self::Probe => 3,
            Self::ProbeAnswer => 4,
        }
    }

    /// The class of a number.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Greeting,
            1 => Self::Data,
            2 => Self::Control,
            3 => Self::Probe,
            4 => Self::ProbeAnswer,
            _ => return None,
        })
    }
}

/// Why a routed payload was dropped on its way.
///
/// ```
/// use lacewing_core::wire::body::routing::Broken;
///
/// assert_eq!(Broken::HopLimit.to_string(), "hop_limit");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Broken {
    /// The link that it was to leave by was lost.
    LinkLost,
    /// The queue of that link was full.
    QueueFull,
    /// Its flow had more in that queue than is its due.
    Budget,
    /// It may not travel that far.
    HopLimit,
    /// Nobody there knows a way.
    NoRoute,
}

impl Broken {
    /// Every reason, by number.
    pub const ALL: [Self; 5] = [Self::LinkLost, Self::QueueFull, Self::Budget, Self::HopLimit, Self::NoRoute];

    /// The number on the wire.
    pub const fn number(self) -> u8 {
        match self {
            Self::LinkLost => 1,
            Self::QueueFull => 2,
            Self::Budget => 3,
            Self::HopLimit => 4,
            Self::NoRoute => 5,
        }
    }

    /// The reason of a number; one that this version does not know is [`NoRoute`](Self::NoRoute).
    pub const fn from_number(number: u8) -> Self {
        match number {
            1 => Self::LinkLost,
            2 => Self::QueueFull,
            3 => Self::Budget,
            4 => Self::HopLimit,
            _ => Self::NoRoute,
        }
    }

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LinkLost => "link_lost",
            Self::QueueFull => "queue_full",
            Self::Budget => "budget",
            Self::HopLimit => "hop_limit",
            Self::NoRoute => "no_route",
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The start of the body of a ROUTED frame; the payload is the rest of it.
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 0 | 32 | destination |
/// | 32 | 32 | source, as the sender claims it |
/// | 64 | 1 | hop limit: how many links it may still cross, the one that it is on among them; 1 at least |
/// | 65 | 1 | [class](Class) |
///
/// ```
/// use lacewing_core::NodeId;
/// use lacewing_core::wire::body::routing::{Class, RoutedHead};
///
/// let (destination, source) = (NodeId::from_bytes([2; 32]), NodeId::from_bytes([1; 32]));
/// let head = RoutedHead { destination, source, hop_limit: 8, class: Class::Data };
/// let mut body = Vec::new();
/// head.encode(&mut body);
/// body.extend_from_slice(b"sealed");
/// assert_eq!(RoutedHead::decode(&body), Ok(head));
/// assert_eq!(&body[RoutedHead::LEN..], b"sealed");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoutedHead {
    /// Whom the payload is for.
    pub destination: NodeId,
    /// Who says that it comes from there.
    pub source: NodeId,
    /// How many links it may still cross, the one that it is on among them.
    pub hop_limit: u8,
    /// What relays may know of it.
    pub class: Class,
}

impl RoutedHead {
    /// Bytes of the head.
    pub const LEN: usize = 66;
    /// Offset of the hop limit, the only byte that a relay changes.
    pub const HOP_LIMIT_AT: usize = 64;
    /// Longest payload in bytes.
    pub const PAYLOAD_LEN_MAX: usize = BODY_LEN_MAX - Self::LEN;

    /// Appends the 66 bytes.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_slice(self.destination.as_bytes());
        out.put_slice(self.source.as_bytes());
        out.put_u8(self.hop_limit);
        out.put_u8(self.class.number());
    }

    /// Reads the first 66 bytes of a body.
    pub fn decode(body: &[u8]) -> Result<Self, WireError> {
        let Some(bytes) = body.first_chunk::<{ Self::LEN }>() else {
            return Err(WireError { kind: WireErrorKind::Truncated, at: body.len() });
        };
        let id = |from: usize| {
            let mut id = [0; 32];
            id.copy_from_slice(&bytes[from..from + 32]);
            NodeId::from_bytes(id)
        };
        let [hop_limit, class] = [bytes[Self::HOP_LIMIT_AT], bytes[Self::HOP_LIMIT_AT + 1]];
        let out_of_range = |at| WireError { kind: WireErrorKind::OutOfRange, at };
        if hop_limit == 0 {
            return Err(out_of_range(Self::HOP_LIMIT_AT));
        }
        let class = Class::from_number(class).ok_or(out_of_range(Self::HOP_LIMIT_AT + 1))?;
        Ok(Self { destination: id(0), source: id(32), hop_limit, class })
    }
}

/// `PATH_BROKEN`: a payload from `source` to `destination` was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathBroken {
    /// Where the payload said that it came from; this frame goes there.
    pub source: NodeId,
    /// Whom it was for.
    pub destination: NodeId,
    /// Why it was dropped.
    pub reason: Broken,
}

impl PathBroken {
    /// Appends the body.
    pub fn encode(&self, out: &mut impl BufMut) {
        let mut writer = Writer::new(out);
        writer.map(3).uint(1).bytes(self.source.as_bytes());
        writer.uint(2).bytes(self.destination.as_bytes());
        writer.uint(3).uint(self.reason.number().into());
    }

    /// Reads a whole body.
    pub fn decode(body: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let mut fields = reader.fields()?;
        let (mut source, mut destination, mut reason) = (None, None, None);
        while let Some(key) = fields.next(&mut reader)? {
            match key {
                1 => source = Some(NodeId::from_bytes(reader.byte_array()?)),
                2 => destination = Some(NodeId::from_bytes(reader.byte_array()?)),
                3 => reason = Some(Broken::from_number(reader.uint_max(u8::MAX.into())? as u8)),
                _ => reader.skip()?,
            }
        }
        let missing = reader.error(WireErrorKind::MissingField);
        reader.finish()?;
        Ok(Self {
            source: source.ok_or(missing)?,
            destination: destination.ok_or(missing)?,
            reason: reason.ok_or(missing)?,
        })
    }
}

/// The age of what is known of a destination. Only the destination itself makes a newer one.
///
/// ```
/// use lacewing_core::Incarnation;
/// use lacewing_core::wire::body::routing::RouteVersion;
///
/// // A restart begins anew, and is newer than all that was before it.
/// let before = RouteVersion { incarnation: Incarnation::new(7), sequence: 41 };
/// let after = RouteVersion { incarnation: Incarnation::new(8), sequence: 0 };
/// assert!(after > before);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouteVersion {
    /// Which life of the destination.
    pub incarnation: Incarnation,
    /// Its sequence number in that life.
    pub sequence: u64,
}

/// What a neighbour offers: to carry to a destination, and how well it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteOffer {
    /// The sequence number that it is for.
    pub version: RouteVersion,
    /// How many links are between the neighbour and the destination: 0 for itself, at most 15.
    pub hops: u8,
    /// What the way costs from the neighbour on; 0 for itself, and never less than `hops`.
    pub metric: u32,
}

/// One entry of ROUTES. Without an offer it is a retraction: the neighbour has no way any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteEntry {
    /// Where the way leads.
    pub destination: NodeId,
    /// The way; `None` is a retraction.
    pub offer: Option<RouteOffer>,
}

/// How many offers a neighbour believes to have made, and a hash of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoutesCheck {
    /// How many destinations are on offer.
    pub count: u64,
    /// The sum of the hashes of the entries, modulo 2^64.
    pub hash: u64,
}

impl RoutesCheck {
    /// Adds an offer. The order in which offers are added makes no difference.
    ///
    /// The hash of an entry is FNV-1a (64 bits) over its encoding in ROUTES, with 0 for the sequence number, which not every
    /// neighbour is told of at once. It finds bugs, not attacks.
    pub fn add(&mut self, destination: &NodeId, offer: &RouteOffer) {
        let version = RouteVersion { sequence: 0, ..offer.version };
        let mut bytes = Vec::with_capacity(64);
        RouteEntry { destination: *destination, offer: Some(RouteOffer { version, ..*offer }) }
            .encode(&mut bytes);
        let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        self.count += 1;
        self.hash = self.hash.wrapping_add(hash);
    }
}

/// ROUTES: what the sender can reach, and how well; only what has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes {
    /// The changes, in the order in which they hold.
    pub entries: Vec<RouteEntry>,
    /// Everything that the sender has on offer now, for the receiver to compare after these changes.
    pub check: Option<RoutesCheck>,
    /// Whether all that the sender offered before is void.
    pub anew: bool,
}

impl RouteEntry {
    /// Appends the entry: an array of the id alone, or of id, incarnation, sequence number, hops and metric.
    pub fn encode(&self, out: &mut impl BufMut) {
        let mut writer = Writer::new(out);
        let Some(offer) = &self.offer else {
            writer.array(1).bytes(self.destination.as_bytes());
            return;
        };
        writer.array(5).bytes(self.destination.as_bytes());
        writer.uint(offer.version.incarnation.get()).uint(offer.version.sequence);
        writer.uint(offer.hops.into()).uint(offer.metric.into());
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let at = reader.position();
        let items = reader.array(5)?;
        if items != 1 && items != 5 {
            return Err(WireError { kind: WireErrorKind::OutOfRange, at });
        }
        let destination = NodeId::from_bytes(reader.byte_array()?);
        if items == 1 {
            return Ok(Self { destination, offer: None });
        }
        let version =
            RouteVersion { incarnation: Incarnation::new(reader.uint()?), sequence: reader.uint()? };
        let hops = reader.uint_max(u64::from(ANNOUNCEMENT_HOPS_MAX) - 1)? as u8;
        let at = reader.position();
        let metric = reader.uint_max(u32::MAX.into())? as u32;
        if (hops == 0) != (metric == 0) || metric < hops.into() {
            return Err(WireError { kind: WireErrorKind::OutOfRange, at });
        }
        Ok(Self { destination, offer: Some(RouteOffer { version, hops, metric }) })
    }
}

impl Routes {
    /// Appends the body.
    pub fn encode(&self, out: &mut impl BufMut) {
        let mut writer = Writer::new(out);
        writer.map(1 + usize::from(self.check.is_some()) + usize::from(self.anew));
        writer.uint(1).array(self.entries.len());
        for entry in &self.entries {
            entry.encode(out);
        }
        let mut writer = Writer::new(out);
        if let Some(check) = self.check {
            writer.uint(2).array(2).uint(check.count).uint(check.hash);
        }
        if self.anew {
            writer.uint(3).bool(true);
        }
    }

    /// Reads a whole body.
    pub fn decode(body: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let mut fields = reader.fields()?;
        let (mut entries, mut check, mut anew) = (None, None, false);
        while let Some(key) = fields.next(&mut reader)? {
            match key {
                1 => {
                    let count = reader.array(ROUTES_ENTRIES_MAX as u64)?;
                    let mut list = Vec::new();
                    for _ in 0..count {
                        list.push(RouteEntry::decode(&mut reader)?);
                    }
                    entries = Some(list);
                }
                2 => {
                    let at = reader.position();
                    if reader.array(2)? != 2 {
                        return Err(WireError { kind: WireErrorKind::OutOfRange, at });
                    }
                    check = Some(RoutesCheck { count: reader.uint()?, hash: reader.uint()? });
                }
                3 => {
                    let at = reader.position();
                    anew = reader.bool()?;
                    if !anew {
                        return Err(WireError { kind: WireErrorKind::OutOfRange, at });
                    }
                }
                _ => reader.skip()?,
            }
        }
        let missing = reader.error(WireErrorKind::MissingField);
        reader.finish()?;
        Ok(Self { entries: entries.ok_or(missing)?, check, anew })
    }
}

/// `ROUTE_REQUEST`: asks for more than the neighbour has told by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteRequest {
    /// Say everything again: what was told does not add up.
    Everything,
    /// A way to this destination under this sequence number, or a newer one. It goes from node to node until somebody
    /// has one, at the latest the destination itself.
    Newer {
        /// The destination.
        destination: NodeId,
        /// The oldest sequence number that will do.
        version: RouteVersion,
        /// How many links it may still cross, the one that it is on among them: 1 to 16.
        hops: u8,
        /// The number by which a node knows it when it comes a second time.
        id: u64,
    },
}

impl RouteRequest {
    /// Appends the body.
    pub fn encode(&self, out: &mut impl BufMut) {
        let mut writer = Writer::new(out);
        let Self::Newer { destination, version, hops, id } = self else {
            writer.map(0);
            return;
        };
        writer.map(5).uint(1).bytes(destination.as_bytes());
        writer.uint(2).uint(version.incarnation.get()).uint(3).uint(version.sequence);
        writer.uint(4).uint((*hops).into()).uint(5).uint(*id);
    }

    /// Reads a whole body.
    pub fn decode(body: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let mut fields = reader.fields()?;
        let (mut destination, mut incarnation, mut sequence, mut hops, mut id) =
            (None, None, None, None, None);
        while let Some(key) = fields.next(&mut reader)? {
            match key {
                1 => destination = Some(NodeId::from_bytes(reader.byte_array()?)),
                2 => incarnation = Some(Incarnation::new(reader.uint()?)),
                3 => sequence = Some(reader.uint()?),
                4 => {
                    let at = reader.position();
                    let value = reader.uint()?;
                    if !(1..=u64::from(ANNOUNCEMENT_HOPS_MAX)).contains(&value) {
                        return Err(WireError { kind: WireErrorKind::OutOfRange, at });
                    }
                    hops = Some(value as u8);
                }
                5 => id = Some(reader.uint()?),
                _ => reader.skip()?,
            }
        }
        let missing = reader.error(WireErrorKind::MissingField);
        reader.finish()?;
        if destination.is_none()
            && incarnation.is_none()
            && sequence.is_none()
            && hops.is_none()
            && id.is_none()
        {
            return Ok(Self::Everything);
        }
        let version =
            RouteVersion { incarnation: incarnation.ok_or(missing)?, sequence: sequence.ok_or(missing)? };
        Ok(Self::Newer {
            destination: destination.ok_or(missing)?,
            version,
            hops: hops.ok_or(missing)?,
            id: id.ok_or(missing)?,
        })
    }
}

/// PING, and the PONG that answers it with the same token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ping {
    /// What the sender of the PING knows the answer by.
    pub token: u64,
}

impl Ping {
    /// Appends the body.
    pub fn encode(self, out: &mut impl BufMut) {
        encode_single(self.token, out);
    }

    /// Reads a whole body.
    pub fn decode(body: &[u8]) -> Result<Self, WireError> {
        Ok(Self { token: decode_single(body, u64::MAX)? })
    }
}
