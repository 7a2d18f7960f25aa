//! What the two sides of a handshake tell each other, and how they agree.

use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use bytes::BufMut;

use crate::crypto::AeadId;
use crate::wire::cbor::{Major, Reader, Writer};
use crate::wire::frame::RECORD_LEN_MAX;
use crate::wire::{WireError, WireErrorKind};

/// Versions of the protocol that a side speaks, from the lowest to the highest.
///
/// ```
/// use lacewing_core::session::VersionRange;
///
/// let old = VersionRange::new(1, 3).unwrap();
/// let new = VersionRange::new(2, 9).unwrap();
/// assert_eq!(old.highest_common(new), Some(3));
/// assert_eq!(VersionRange::new(4, 3), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionRange {
    min: u16,
    max: u16,
}

impl VersionRange {
    /// What this build speaks.
    pub const SUPPORTED: Self = Self { min: 1, max: 1 };

    /// The range from `min` to `max`, both included; `None` if there is nothing in it.
    pub const fn new(min: u16, max: u16) -> Option<Self> {
        if min <= max { Some(Self { min, max }) } else { None }
    }

    /// The lowest version.
    pub const fn min(self) -> u16 {
        self.min
    }

    /// The highest version.
    pub const fn max(self) -> u16 {
        self.max
    }

    /// Whether `version` is in the range.
    pub const fn contains(self, version: u16) -> bool {
        self.min <= version && version <= self.max
    }

    /// The highest version in both ranges.
    pub fn highest_common(self, other: Self) -> Option<u16> {
        let version = self.max.min(other.max);
        (self.contains(version) && other.contains(version)).then_some(version)
    }

    fn encode<B: BufMut>(self, writer: &mut Writer<'_, B>) {
        writer.array(2).uint(self.min.into()).uint(self.max.into());
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let at = reader.position();
        let out_of_range = WireError { kind: WireErrorKind::OutOfRange, at };
        if reader.array(2)? != 2 {
            return Err(out_of_range);
        }
        let min = reader.uint_max(u16::MAX.into())? as u16;
        let max = reader.uint_max(u16::MAX.into())? as u16;
        Self::new(min, max).ok_or(out_of_range)
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max {
            write!(f, "{}", self.min)
        } else {
            write!(f, "{} to {}", self.min, self.max)
        }
    }
}

/// What a side is ready to receive.
///
/// ```
/// use lacewing_core::session::WireLimits;
///
/// let limits = WireLimits { record_bytes_max: 65_535, message_bytes_max: 16 << 20, window_bytes: 4 << 20 };
/// assert!(WireLimits::RECORD_BYTES.contains(&limits.record_bytes_max));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireLimits {
    /// Largest record in bytes, tag included; within [`RECORD_BYTES`](Self::RECORD_BYTES).
    pub record_bytes_max: u32,
    /// Largest message in bytes.
    pub message_bytes_max: u32,
    /// Bytes of calls that may be on the way before more credit is given; at least
    /// [`WINDOW_BYTES_MIN`](Self::WINDOW_BYTES_MIN).
    pub window_bytes: u32,
}

impl WireLimits {
    /// Range of `record_bytes_max`. Every control frame fits the smallest record, even an ERROR with its detail.
    pub const RECORD_BYTES: RangeInclusive<u32> = 32_768..=RECORD_LEN_MAX as u32;

    /// The smallest window. The largest frame of a call fits, or it could never be sent.
    pub const WINDOW_BYTES_MIN: u32 = crate::config::WINDOW_BYTES_MIN;

    fn encode<B: BufMut>(&self, writer: &mut Writer<'_, B>) {
        writer.uint(3).uint(self.record_bytes_max.into());
        writer.uint(4).uint(self.message_bytes_max.into());
        writer.uint(5).uint(self.window_bytes.into());
    }
}

/// The limits while their fields are being read.
#[derive(Default)]
struct PartialLimits {
    record_bytes_max: Option<u32>,
    message_bytes_max: Option<u32>,
    window_bytes: Option<u32>,
}

impl PartialLimits {
    /// Reads the field of `key`, or skips one that it does not know.
    fn read(&mut self, key: u64, reader: &mut Reader<'_>) -> Result<(), WireError> {
        match key {
            3 => {
                let at = reader.position();
                let value = reader.uint_max((*WireLimits::RECORD_BYTES.end()).into())? as u32;
                if !WireLimits::RECORD_BYTES.contains(&value) {
                    return Err(WireError { kind: WireErrorKind::OutOfRange, at });
                }
                self.record_bytes_max = Some(value);
            }
            4 => self.message_bytes_max = Some(reader.uint_max(u32::MAX.into())? as u32),
            5 => {
                let at = reader.position();
                let value = reader.uint_max(u32::MAX.into())? as u32;
                if value < WireLimits::WINDOW_BYTES_MIN {
                    return Err(WireError { kind: WireErrorKind::OutOfRange, at });
                }
                self.window_bytes = Some(value);
            }
            _ => reader.skip()?,
        }
        Ok(())
    }

    fn complete(self) -> Option<WireLimits> {
        Some(WireLimits {
            record_bytes_max: self.record_bytes_max?,
            message_bytes_max: self.message_bytes_max?,
            window_bytes: self.window_bytes?,
        })
    }
}

/// The payload of message 1, and what a responder holds against it.
///
/// ```
/// use lacewing_core::crypto::AeadId;
/// use lacewing_core::session::{Offer, VersionRange, WireLimits};
///
/// let offer = Offer {
///     versions: VersionRange::SUPPORTED,
///     aeads: vec![AeadId::ChaCha20Poly1305, AeadId::Aes256Gcm],
///     limits: WireLimits { record_bytes_max: 65_535, message_bytes_max: 16 << 20, window_bytes: 4 << 20 },
/// };
/// let mut payload = Vec::new();
/// offer.encode(&mut payload);
/// assert_eq!(Offer::decode(&payload), Ok(offer));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Protocol versions.
    pub versions: VersionRange,
    /// Record AEADs, the most wanted first. The initiator's order decides.
    pub aeads: Vec<AeadId>,
    /// What this side is ready to receive.
    pub limits: WireLimits,
}

impl Offer {
    /// Most AEADs that a peer may list.
    pub const AEADS_MAX: u64 = 16;

    /// Appends the payload: `{1: [version_min, version_max], 2: [aeads], 3: record_bytes_max, 4: message_bytes_max,
    /// 5: window_bytes}`.
    pub fn encode(&self, out: &mut impl BufMut) {
        let mut writer = Writer::new(out);
        writer.map(5).uint(1);
        self.versions.encode(&mut writer);
        writer.uint(2).array(self.aeads.len());
        for aead in &self.aeads {
            writer.uint(aead.number().into());
        }
        self.limits.encode(&mut writer);
    }

    /// Reads a whole payload. AEADs that this version does not know are left out.
    pub fn decode(payload: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(payload);
        let mut fields = reader.fields()?;
        let (mut versions, mut aeads, mut limits) = (None, None, PartialLimits::default());
        while let Some(key) = fields.next(&mut reader)? {
            match key {
                1 => versions = Some(VersionRange::decode(&mut reader)?),
                2 => {
                    let mut known = Vec::new();
                    for _ in 0..reader.array(Self::AEADS_MAX)? {
                        known.extend(AeadId::from_number(reader.uint()?));
                    }
                    aeads = Some(known);
                }
                _ => limits.read(key, &mut reader)?,
            }
        }
        let missing = reader.error(WireErrorKind::MissingField);
        reader.finish()?;
        Ok(Self {
            versions: versions.ok_or(missing)?,
            aeads: aeads.ok_or(missing)?,
            limits: limits.complete().ok_or(missing)?,
        })
    }

    /// The responder's answer to `theirs`: the highest common version, and the first AEAD of theirs that is among
    /// these; or a refusal.
    pub fn answer(&self, theirs: &Self) -> Answer {
        let refused = |number| Answer::Refused { number, versions: self.versions };
        let Some(version) = self.versions.highest_common(theirs.versions) else {
            return refused(RefusalNumber::NO_COMMON_VERSION);
        };
        let Some(aead) = theirs.aeads.iter().copied().find(|aead| self.aeads.contains(aead)) else {
            return refused(RefusalNumber::NO_COMMON_AEAD);
        };
        Answer::Chosen(Choice { version, aead, limits: self.limits })
    }

    /// Whether a choice is one that this offer allows.
    pub fn allows(&self, choice: &Choice) -> bool {
        self.versions.contains(choice.version) && self.aeads.contains(&choice.aead)
    }
}

/// Why an offer is refused. A number that this version does not know is a refusal all the same.
///
/// ```
/// use lacewing_core::session::RefusalNumber;
///
/// assert_eq!(RefusalNumber::NO_COMMON_VERSION.0, 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusalNumber(pub u64);

impl RefusalNumber {
    /// No protocol version in common.
    pub const NO_COMMON_VERSION: Self = Self(1);
    /// No record AEAD in common.
    pub const NO_COMMON_AEAD: Self = Self(2);
}

/// What the responder chose.
///
/// ```
/// use lacewing_core::crypto::AeadId;
/// use lacewing_core::session::{Answer, Choice, WireLimits};
///
/// let limits = WireLimits { record_bytes_max: 65_535, message_bytes_max: 16 << 20, window_bytes: 4 << 20 };
/// let answer = Answer::Chosen(Choice { version: 1, aead: AeadId::Aes256Gcm, limits });
/// let mut payload = Vec::new();
/// answer.encode(&mut payload);
/// assert_eq!(Answer::decode(&payload), Ok(answer));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The protocol version.
    pub version: u16,
    /// The AEAD of records.
    pub aead: AeadId,
    /// What the responder is ready to receive.
    pub limits: WireLimits,
}

/// The payload of message 2.
///
/// ```
/// use lacewing_core::session::{Answer, RefusalNumber, VersionRange};
///
/// let answer = Answer::Refused { number: RefusalNumber::NO_COMMON_VERSION, versions: VersionRange::SUPPORTED };
/// let mut payload = Vec::new();
/// answer.encode(&mut payload);
/// assert_eq!(payload, [0xa2, 0, 1, 1, 0x82, 1, 1]); // {0: 1, 1: [1, 1]}
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// `{1: version, 2: aead, 3: record_bytes_max, 4: message_bytes_max, 5: window_bytes}`.
    Chosen(Choice),
    /// `{0: number, 1: [version_min, version_max]}`.
    Refused {
        /// Why.
        number: RefusalNumber,
        /// What the responder speaks.
        versions: VersionRange,
    },
}

impl Answer {
    /// Appends the payload.
    pub fn encode(&self, out: &mut impl BufMut) {
        let mut writer = Writer::new(out);
        match self {
            Self::Chosen(choice) => {
                writer.map(5).uint(1).uint(choice.version.into()).uint(2).uint(choice.aead.number().into());
                choice.limits.encode(&mut writer);
            }
            Self::Refused { number, versions } => {
                writer.map(2).uint(0).uint(number.0).uint(1);
                versions.encode(&mut writer);
            }
        }
    }

    /// Reads a whole payload. Key 0 makes it a refusal.
    pub fn decode(payload: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(payload);
        let mut fields = reader.fields()?;
        let (mut number, mut versions, mut version, mut aead) = (None, None, None, None);
        let mut limits = PartialLimits::default();
        while let Some(key) = fields.next(&mut reader)? {
            match key {
                0 => number = Some(RefusalNumber(reader.uint()?)),
                1 if number.is_some() => versions = Some(VersionRange::decode(&mut reader)?),
                _ if number.is_some() => reader.skip()?,
                1 => version = Some(reader.uint_max(u16::MAX.into())? as u16),
                2 => {
                    let unknown = reader.error(WireErrorKind::OutOfRange);
                    aead = Some(AeadId::from_number(reader.uint()?).ok_or(unknown)?);
                }
                _ => limits.read(key, &mut reader)?,
            }
        }
        let missing = reader.error(WireErrorKind::MissingField);
        reader.finish()?;
        if let Some(number) = number {
            return Ok(Self::Refused { number, versions: versions.ok_or(missing)? });
        }
        Ok(Self::Chosen(Choice {
            version: version.ok_or(missing)?,
            aead: aead.ok_or(missing)?,
            limits: limits.complete().ok_or(missing)?,
        }))
    }
}

/// What both sides hold after the handshake.
///
/// ```
/// use lacewing_core::crypto::AeadId;
/// use lacewing_core::session::{Agreed, WireLimits};
///
/// let peer_limits = WireLimits { record_bytes_max: 65_535, message_bytes_max: 16 << 20, window_bytes: 4 << 20 };
/// let agreed = Agreed { version: 1, aead: AeadId::Aes256Gcm, peer_limits };
/// assert_eq!(agreed.aead, AeadId::Aes256Gcm);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The protocol version of the session.
    pub version: u16,
    /// The AEAD of its records.
    pub aead: AeadId,
    /// What the peer is ready to receive.
    pub peer_limits: WireLimits,
}

/// Writes the payload of message 3: an empty map, in which later versions may put fields.
pub(super) fn encode_finish(out: &mut impl BufMut) {
    Writer::new(out).head(Major::Map, 0);
}

/// Reads the payload of message 3: a map of which no key is known yet.
pub fn decode_finish(payload: &[u8]) -> Result<(), WireError> {
    let mut reader = Reader::new(payload);
    let mut fields = reader.fields()?;
    while fields.next(&mut reader)?.is_some() {
        reader.skip()?;
    }
    reader.finish()
}
