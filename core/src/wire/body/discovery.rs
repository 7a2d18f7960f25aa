//! `WHO_HAS` and `WHO_HAS_ANSWER`.

use alloc::vec::Vec;

use bytes::{BufMut, Bytes};

use crate::identity::NodeId;
use crate::wire::cbor::{Reader, Writer};
use crate::wire::path::ActionPath;
use crate::wire::{WireError, WireErrorKind};

/// Most links that a question may still cross.
pub const QUESTION_HOPS_MAX: u8 = 16;
/// Most proofs in one answer.
pub const PROOFS_MAX: usize = 8;
/// Longest proof in bytes.
pub const PROOF_LEN_MAX: usize = 16 * 1024;
/// Most bytes of all proofs of one answer together.
pub const PROOFS_LEN_MAX: usize = 48 * 1024;

/// Names a question wherever it travels: who asked, and a number that the asker drew at random.
///
/// ```
/// use lacewing_core::NodeId;
/// use lacewing_core::wire::body::discovery::QuestionId;
///
/// let id = QuestionId { origin: NodeId::from_bytes([7; 32]), number: 42 };
/// assert_eq!(id.to_string(), "07070707/000000000000002a");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuestionId {
    /// Who asked. Nothing proves it.
    pub origin: NodeId,
    /// 64 random bits.
    pub number: u64,
}

impl core::fmt::Display for QuestionId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}/{:016x}", self.origin.short(), self.number)
    }
}

/// `WHO_HAS`: asks the receiver, and whomever it passes the question on to, who serves an action.
///
/// ```
/// use lacewing_core::NodeId;
/// use lacewing_core::wire::body::discovery::{QuestionId, WhoHas};
///
/// let question = WhoHas {
///     id: QuestionId { origin: NodeId::from_bytes([7; 32]), number: 42 },
///     path: "orders/place".parse().unwrap(),
///     hops: 8,
///     time_left_us: 2_500_000,
///     gather_us: None,
/// };
/// let mut body = Vec::new();
/// question.encode(&mut body);
/// assert_eq!(WhoHas::decode(&body), Ok(question));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhoHas {
    /// The question's name.
    pub id: QuestionId,
    /// The action that is looked for.
    pub path: ActionPath,
    /// Links that the question may cross, the one that carries this frame included: 1 to [`QUESTION_HOPS_MAX`].
    pub hops: u8,
    /// How long the sender waits for the answer, in microseconds.
    pub time_left_us: u64,
    /// How long the sender collects more than one yes, in microseconds; absent where the first one is enough.
    pub gather_us: Option<u64>,
}

impl WhoHas {
    /// Appends the body.
    pub fn encode(&self, out: &mut impl BufMut) {
        let mut writer = Writer::new(out);
        writer.map(5 + usize::from(self.gather_us.is_some()));
        writer.uint(1).bytes(self.id.origin.as_bytes()).uint(2).uint(self.id.number);
        writer.uint(3).text(self.path.as_str()).uint(4).uint(self.hops.into());
        writer.uint(5).uint(self.time_left_us);
        if let Some(gather_us) = self.gather_us {
            writer.uint(6).uint(gather_us);
        }
    }

    /// Reads a whole body.
    pub fn decode(body: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let mut fields = reader.fields()?;
        let (mut origin, mut number, mut path, mut hops) = (None, None, None, None);
        let (mut time_left_us, mut gather_us) = (None, None);
        while let Some(key) = fields.next(&mut reader)? {
            match key {
                1 => origin = Some(NodeId::from_bytes(reader.byte_array()?)),
                2 => number = Some(reader.uint()?),
                3 => path = Some(super::parsed(&mut reader, ActionPath::LEN_MAX)?),
                4 => {
                    let at = reader.position();
                    let value = reader.uint_max(QUESTION_HOPS_MAX.into())?;
                    if value == 0 {
                        return Err(WireError { kind: WireErrorKind::OutOfRange, at });
                    }
                    hops = Some(value as u8);
                }
                5 => time_left_us = Some(reader.uint()?),
                6 => gather_us = Some(reader.uint()?),
                _ => reader.skip()?,
            }
        }
        let missing = reader.error(WireErrorKind::MissingField);
        reader.finish()?;
        let id = QuestionId { origin: origin.ok_or(missing)?, number: number.ok_or(missing)? };
        Ok(Self {
            id,
            path: path.ok_or(missing)?,
            hops: hops.ok_or(missing)?,
            time_left_us: time_left_us.ok_or(missing)?,
            gather_us,
        })
    }
}

/// What is known behind the sender of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Nobody serves the action.
    No,
    /// Nobody was found, and not everybody could be asked.
    Incomplete,
    /// These nodes serve it: the proof of each as its owner signed it, one to [`PROOFS_MAX`] of them, each of at most
    /// [`PROOF_LEN_MAX`] bytes and all of at most [`PROOFS_LEN_MAX`].
    Yes(Vec<Bytes>),
}

impl Finding {
    /// The number on the wire.
    pub const fn number(&self) -> u8 {
        match self {
            Self::No => 0,
            Self::Incomplete => 1,
            Self::Yes(_) => 2,
        }
    }
}

/// `WHO_HAS_ANSWER`: the answer to a `WHO_HAS`.
///
/// ```
/// use lacewing_core::NodeId;
/// use lacewing_core::wire::body::discovery::{Finding, QuestionId, WhoHasAnswer};
///
/// let id = QuestionId { origin: NodeId::from_bytes([7; 32]), number: 42 };
/// let answer = WhoHasAnswer { id, finding: Finding::Yes(vec![b"a signed entry"[..].into()]) };
/// let mut body = Vec::new();
/// answer.encode(&mut body);
/// assert_eq!(WhoHasAnswer::decode(&body), Ok(answer));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhoHasAnswer {
    /// Which question.
    pub id: QuestionId,
    /// What came of it.
    pub finding: Finding,
}

impl WhoHasAnswer {
    /// Appends the body.
    pub fn encode(&self, out: &mut impl BufMut) {
        let proofs = match &self.finding {
            Finding::Yes(proofs) => Some(proofs),
            Finding::No | Finding::Incomplete => None,
        };
        let mut writer = Writer::new(out);
        writer.map(3 + usize::from(proofs.is_some()));
        writer.uint(1).bytes(self.id.origin.as_bytes()).uint(2).uint(self.id.number);
        writer.uint(3).uint(self.finding.number().into());
        if let Some(proofs) = proofs {
            writer.uint(4).array(proofs.len());
            for proof in proofs {
                writer.bytes(proof);
            }
        }
    }

    /// Reads a whole body. A finding that this version does not know reads as incomplete.
    pub fn decode(body: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let mut fields = reader.fields()?;
        let (mut origin, mut number, mut finding, mut proofs) = (None, None, None, None);
        while let Some(key) = fields.next(&mut reader)? {
            match key {
                1 => origin = Some(NodeId::from_bytes(reader.byte_array()?)),
                2 => number = Some(reader.uint()?),
                3 => finding = Some(reader.uint()?),
                4 => proofs = Some(read_proofs(&mut reader)?),
                _ => reader.skip()?,
            }
        }
        let missing = reader.error(WireErrorKind::MissingField);
        reader.finish()?;
        let finding = match finding.ok_or(missing)? {
            0 => Finding::No,
            2 => Finding::Yes(proofs.ok_or(missing)?),
            _ => Finding::Incomplete,
        };
        let id = QuestionId { origin: origin.ok_or(missing)?, number: number.ok_or(missing)? };
        Ok(Self { id, finding })
    }
}

fn read_proofs(reader: &mut Reader<'_>) -> Result<Vec<Bytes>, WireError> {
    let at = reader.position();
    let count = reader.array(PROOFS_MAX as u64)?;
    if count == 0 {
        return Err(WireError { kind: WireErrorKind::OutOfRange, at });
    }
    let (mut proofs, mut total) = (Vec::new(), 0);
    for _ in 0..count {
        let at = reader.position();
        let proof = reader.bytes()?;
        total += proof.len();
        if proof.is_empty() || proof.len() > PROOF_LEN_MAX || total > PROOFS_LEN_MAX {
            return Err(WireError { kind: WireErrorKind::OutOfRange, at });
        }
        // A copy: a slice would keep the whole record alive for as long as the proof is cached.
        proofs.push(Bytes::copy_from_slice(proof));
    }
    Ok(proofs)
}
