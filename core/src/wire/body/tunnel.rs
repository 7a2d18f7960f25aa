//! What a ROUTED frame carries between the two ends of a path. Relays see none of it but the first 17 bytes.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 1 | kind; bit 7 is set by the side that opened the tunnel |
//! | 1 | 8 | tunnel, big-endian: chosen by the side that opened it; the nonce of a probe |
//! | 9 | 8 | number, big-endian: of a greeting, a record or an acknowledgement; else 0 |
//! | 17 | | what the kind says |

use alloc::vec::Vec;

use bytes::{BufMut, BytesMut};

use crate::crypto::CryptoProvider;
use crate::identity::{Identity, Incarnation, NodeId, PublicKey};
use crate::wire::{WireError, WireErrorKind};

/// Bytes of a tunnel header.
pub const TUNNEL_HEADER_LEN: usize = 17;
/// Gaps that one acknowledgement tells of at most.
pub const ACK_GAPS_MAX: usize = 16;
/// Bit of the number under which an acknowledgement is sealed, so that no record has the same.
pub const ACK_NUMBER_BIT: u64 = 1 << 63;

const OPENER_BIT: u8 = 0x80;

/// What a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TunnelKind {
    /// A message of the handshake, or a first record with the proof of identity.
    Greeting,
    /// A sealed record of frames.
    Record,
    /// A sealed acknowledgement.
    Ack,
    /// The sender knows of no such tunnel.
    Reset,
    /// Asks whether a node is alive.
    Probe,
    /// The signed answer to a probe.
    ProbeAnswer,
}

impl TunnelKind {
    const ALL: [Self; 6] =
        [Self::Greeting, Self::Record, Self::Ack, Self::Reset, Self::Probe, Self::ProbeAnswer];

    /// The number on the wire.
    pub const fn number(self) -> u8 {
        match self {
            Self::Greeting => 1,
            Self::Record => 2,
            Self::Ack => 3,
            Self::Reset => 4,
            Self::Probe => 5,
            Self::ProbeAnswer => 6,
        }
    }
}

/// The first bytes of a routed payload.
///
/// ```
/// use lacewing_core::wire::body::{TunnelHeader, TunnelKind};
///
/// let header = TunnelHeader { kind: TunnelKind::Record, from_opener: true, tunnel: 7, number: 1 };
/// assert_eq!(header.encode(), [0x82, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1]);
/// assert_eq!(TunnelHeader::decode(&header.encode()).unwrap(), header);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelHeader {
    /// What follows.
    pub kind: TunnelKind,
    /// Whether the sender is the side that opened the tunnel.
    pub from_opener: bool,
    /// Which tunnel of the side that opened it.
    pub tunnel: u64,
    /// The number of the greeting, record or acknowledgement.
    pub number: u64,
}

impl TunnelHeader {
    /// The 17 bytes.
    pub fn encode(&self) -> [u8; TUNNEL_HEADER_LEN] {
        let mut bytes = [0; TUNNEL_HEADER_LEN];
        bytes[0] = self.kind.number() | if self.from_opener { OPENER_BIT } else { 0 };
        bytes[1..9].copy_from_slice(&self.tunnel.to_be_bytes());
        bytes[9..].copy_from_slice(&self.number.to_be_bytes());
        bytes
    }

    /// Reads the first 17 bytes of a payload.
    pub fn decode(payload: &[u8]) -> Result<Self, WireError> {
        let Some([kind, rest @ ..]) = payload.first_chunk::<TUNNEL_HEADER_LEN>() else {
            return Err(WireError { kind: WireErrorKind::Truncated, at: payload.len() });
        };
        let number = kind & !OPENER_BIT;
        let Some(kind_read) = TunnelKind::ALL.into_iter().find(|kind| kind.number() == number) else {
            return Err(WireError { kind: WireErrorKind::UnknownType, at: 0 });
        };
        let mut numbers = rest
            .chunks_exact(8)
            .map(|bytes| bytes.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte)));
        Ok(Self {
            kind: kind_read,
            from_opener: kind & OPENER_BIT != 0,
            tunnel: numbers.next().unwrap_or_default(),
            number: numbers.next().unwrap_or_default(),
        })
    }
}

/// What has arrived of a tunnel's records: the plaintext of an acknowledgement.
///
/// ```
/// use lacewing_core::wire::body::TunnelAck;
///
/// // All up to 4 and number 6 have arrived, 5 has not.
/// let ack = TunnelAck { before: 5, highest: 6, gaps: vec![(5, 1)], wants_answer: false, answers: None };
/// let mut bytes = Vec::new();
/// ack.encode(&mut bytes);
/// assert_eq!(TunnelAck::decode(&bytes).unwrap(), ack);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelAck {
    /// Every record below this number has arrived.
    pub before: u64,
    /// The highest number that has arrived; `before - 1` where there is no gap.
    pub highest: u64,
    /// What is missing between the two, as first number and count, ascending. There may be more than fits.
    pub gaps: Vec<(u64, u32)>,
    /// Whether the sender wants an acknowledgement at once.
    pub wants_answer: bool,
    /// The number of the acknowledgement that wanted this one.
    pub answers: Option<u64>,
}

impl TunnelAck {
    /// Appends the plaintext: `before`, `highest`, `answers` or 0 (eight bytes each), a flag byte (bit 0: wants an answer), the
    /// number of gaps (one byte), and twelve bytes for each gap. Everything big-endian.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_u64(self.before);
        out.put_u64(self.highest);
        out.put_u64(self.answers.unwrap_or(0));
        out.put_u8(u8::from(self.wants_answer));
        let gaps = &self.gaps[..self.gaps.len().min(ACK_GAPS_MAX)];
        out.put_u8(gaps.len() as u8);
        for (first, count) in gaps {
            out.put_u64(*first);
            out.put_u32(*count);
        }
    }

    /// Reads a whole plaintext.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let err = |kind, at| WireError { kind, at };
        let truncated = err(WireErrorKind::Truncated, bytes.len());
        let number = |at: usize| {
            let bytes = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>());
            bytes.map(|bytes| u64::from_be_bytes(*bytes)).ok_or(truncated)
        };
        let (before, highest, answers) = (number(0)?, number(8)?, number(16)?);
        let (flags, count) = (*bytes.get(24).ok_or(truncated)?, *bytes.get(25).ok_or(truncated)?);
        if flags > 1 {
            return Err(err(WireErrorKind::ReservedBits, 24));
        }
        if usize::from(count) > ACK_GAPS_MAX {
            return Err(err(WireErrorKind::TooLarge, 25));
        }
        let mut gaps = Vec::with_capacity(count.into());
        let mut floor = before;
        for index in 0..usize::from(count) {
            let at = 26 + 12 * index;
            let first = number(at)?;
            let length = bytes.get(at + 8..).and_then(|rest| rest.first_chunk::<4>()).ok_or(truncated)?;
            let length = u32::from_be_bytes(*length);
            let end = first.checked_add(length.into()).filter(|end| *end <= highest);
            let (Some(end), true) = (end, first >= floor && length > 0) else {
                return Err(err(WireErrorKind::OutOfRange, at));
            };
            floor = end;
            gaps.push((first, length));
        }
        let end = 26 + 12 * usize::from(count);
        if bytes.len() > end {
            return Err(err(WireErrorKind::TrailingBytes, end));
        }
        if before == 0 || highest < before - 1 {
            return Err(err(WireErrorKind::OutOfRange, 0));
        }
        let answers = (answers != 0).then_some(answers);
        Ok(Self { before, highest, gaps, wants_answer: flags == 1, answers })
    }
}

/// The answer to a probe, signed by the node that was asked: nobody else can say that it is alive.
///
/// The signature is over `lacewing-probe-v1`, the asking node's id, the nonce and the incarnation (eight bytes big-endian each).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeAnswer {
    /// The life of the node that answers.
    pub incarnation: Incarnation,
    /// Its key.
    pub public_key: PublicKey,
    /// Its signature.
    pub signature: [u8; 64],
}

impl ProbeAnswer {
    /// What is signed in front of the rest.
    pub const DOMAIN: &'static [u8; 17] = b"lacewing-probe-v1";
    /// Bytes of an answer behind the tunnel header.
    pub const LEN: usize = 8 + 32 + 64;

    /// The answer of `identity` to a probe of `asker`.
    pub fn sign(identity: &Identity, incarnation: Incarnation, asker: &NodeId, nonce: u64) -> Self {
        let signature = identity.sign(&Self::message(asker, nonce, incarnation));
        Self { incarnation, public_key: identity.public_key(), signature }
    }

    /// Whether it is the answer of `node` to that probe of `asker`.
    pub fn verify(&self, node: &NodeId, asker: &NodeId, nonce: u64, crypto: &dyn CryptoProvider) -> bool {
        NodeId::of(&self.public_key, crypto) == *node
            && crypto.ed25519_verify(
                &self.public_key.0,
                &Self::message(asker, nonce, self.incarnation),
                &self.signature,
            )
    }

    /// The whole payload: header and answer.
    pub fn payload(&self, nonce: u64) -> BytesMut {
        let header =
            TunnelHeader { kind: TunnelKind::ProbeAnswer, from_opener: false, tunnel: nonce, number: 0 };
        let mut payload = BytesMut::with_capacity(TUNNEL_HEADER_LEN + Self::LEN);
        payload.extend_from_slice(&header.encode());
        payload.put_u64(self.incarnation.get());
        payload.extend_from_slice(&self.public_key.0);
        payload.extend_from_slice(&self.signature);
        payload
    }

    /// Reads what follows the header.
    pub fn decode(body: &[u8]) -> Result<Self, WireError> {
        let Some(bytes) = body.first_chunk::<{ Self::LEN }>() else {
            return Err(WireError { kind: WireErrorKind::Truncated, at: body.len() });
        };
        if body.len() > Self::LEN {
            return Err(WireError { kind: WireErrorKind::TrailingBytes, at: Self::LEN });
        }
        let mut answer =
            Self { incarnation: Incarnation::new(0), public_key: PublicKey([0; 32]), signature: [0; 64] };
        let number = bytes[..8].iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        answer.incarnation = Incarnation::new(number);
        answer.public_key.0.copy_from_slice(&bytes[8..40]);
        answer.signature.copy_from_slice(&bytes[40..]);
        Ok(answer)
    }

    fn message(asker: &NodeId, nonce: u64, incarnation: Incarnation) -> Vec<u8> {
        let mut message = Self::DOMAIN.to_vec();
        message.extend_from_slice(asker.as_bytes());
        message.extend_from_slice(&nonce.to_be_bytes());
        message.extend_from_slice(&incarnation.get().to_be_bytes());
        message
    }
}
