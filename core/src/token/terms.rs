//! What one link of a chain says.

use alloc::vec::Vec;

use bytes::BufMut;

use super::{DELEGATIONS_MAX, Rights};
use crate::identity::{NodeId, PublicKey};
use crate::wire::cbor::{Reader, Writer};
use crate::wire::path::PathPattern;
use crate::wire::{WireError, WireErrorKind};

/// Keys from this one on may be skipped. A key below that is not known may be a restriction, and is refused.
const SKIPPABLE: u64 = 128;

/// Whom a token is for.
///
/// ```
/// use lacewing_core::NodeId;
/// use lacewing_core::token::Subject;
///
/// let node = NodeId::from_bytes([7; 32]);
/// assert!(Subject::Node(node).is(&node) && Subject::Anyone.is(&node));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Whoever has the token. It cannot be passed on in part, as nobody could prove to be named in it.
    Anyone,
    /// This node.
    Node(NodeId),
}

impl Subject {
    /// Whether a node may use the token.
    pub fn is(&self, node: &NodeId) -> bool {
        match self {
            Self::Anyone => true,
            Self::Node(own) => own == node,
        }
    }
}

/// What is allowed to whom, where and when: what a link of a chain is made from.
///
/// ```
/// use lacewing_core::NodeId;
/// use lacewing_core::token::{Right, Subject, Terms};
///
/// let now = 1_700_000_000_000;
/// let terms = Terms {
///     subject: Subject::Node(NodeId::from_bytes([7; 32])),
///     rights: Right::Call.into(),
///     pattern: "orders/>".parse().unwrap(),
///     from_unix_ms: now,
///     until_unix_ms: now + 3_600_000,
///     delegations: 0,
///     nonce: [1; 16], // random where the same terms are signed twice
/// };
/// assert_eq!(terms.life_ms(), 3_600_000);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Who may.
    pub subject: Subject,
    /// May do what; at least one bit.
    pub rights: Rights,
    /// On which paths, and in which network.
    pub pattern: PathPattern,
    /// From when on, in milliseconds since 1970-01-01T00:00:00Z.
    pub from_unix_ms: u64,
    /// Until when; later than `from_unix_ms`.
    pub until_unix_ms: u64,
    /// How many times it may be passed on, at most [`DELEGATIONS_MAX`]; 0 for [`Subject::Anyone`].
    pub delegations: u8,
    /// Tells apart what is otherwise the same.
    pub nonce: [u8; 16],
}

impl Terms {
    /// How long they hold, in milliseconds.
    pub const fn life_ms(&self) -> u64 {
        self.until_unix_ms.saturating_sub(self.from_unix_ms)
    }
}

/// What is signed in a link: terms, who signs, and in the first link the issuer's generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Body {
    pub(super) signer: PublicKey,
    pub(super) terms: Terms,
    /// Where this is, the signer is the issuer.
    pub(super) generation: Option<u64>,
}

impl Body {
    /// The bytes that are signed, which is how they travel.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut impl BufMut) {
        let Terms { subject, rights, pattern, from_unix_ms, until_unix_ms, delegations, nonce } = &self.terms;
        let mut writer = Writer::new(out);
        writer.map(8 + usize::from(self.generation.is_some()));
        writer.uint(1).bytes(&self.signer.0);
        writer.uint(2).bytes(match subject {
            Subject::Anyone => &[],
            Subject::Node(node) => node.as_bytes(),
        });
        writer.uint(3).uint(rights.bits().into());
        writer.uint(4).text(pattern.as_str());
        writer.uint(5).uint(*from_unix_ms);
        writer.uint(6).uint(*until_unix_ms);
        writer.uint(7).uint((*delegations).into());
        writer.uint(8).bytes(nonce);
        if let Some(generation) = self.generation {
            writer.uint(9).uint(generation);
        }
    }

    /// Reads the whole body of the first link (`root`) or of a later one.
    pub(super) fn decode(input: &[u8], root: bool) -> Result<Self, WireError> {
        let mut reader = Reader::new(input);
        let mut fields = reader.fields()?;
        let (mut signer, mut subject, mut rights, mut pattern) = (None, None, None, None);
        let (mut from, mut until, mut delegations, mut nonce, mut generation) =
            (None, None, None, None, None);
        let mut at = reader.position();
        while let Some(key) = fields.next(&mut reader)? {
            match key {
                1 => signer = Some(PublicKey(reader.byte_array()?)),
                2 => subject = Some(read_subject(&mut reader)?),
                3 => rights = Some(read_rights(&mut reader)?),
                4 => pattern = Some(read_pattern(&mut reader)?),
                5 => from = Some(reader.uint()?),
                6 => until = Some((reader.position(), reader.uint()?)),
                7 => delegations = Some((reader.position(), reader.uint_max(DELEGATIONS_MAX.into())? as u8)),
                8 => nonce = Some(reader.byte_array()?),
                9 if root => generation = Some(reader.uint()?),
                SKIPPABLE.. => reader.skip()?,
                _ => return Err(WireError { kind: WireErrorKind::UnknownType, at }),
            }
            at = reader.position();
        }
        let missing = reader.error(WireErrorKind::MissingField);
        reader.finish()?;
        let (until_at, until_unix_ms) = until.ok_or(missing)?;
        let (delegations_at, delegations) = delegations.ok_or(missing)?;
        let terms = Terms {
            subject: subject.ok_or(missing)?,
            rights: rights.ok_or(missing)?,
            pattern: pattern.ok_or(missing)?,
            from_unix_ms: from.ok_or(missing)?,
            until_unix_ms,
            delegations,
            nonce: nonce.ok_or(missing)?,
        };
        if root && generation.is_none() {
            return Err(missing);
        }
        let out_of_range = |at| WireError { kind: WireErrorKind::OutOfRange, at };
        if terms.life_ms() == 0 {
            return Err(out_of_range(until_at));
        }
        if terms.subject == Subject::Anyone && delegations > 0 {
            return Err(out_of_range(delegations_at));
        }
        Ok(Self { signer: signer.ok_or(missing)?, terms, generation })
    }
}

fn read_subject(reader: &mut Reader<'_>) -> Result<Subject, WireError> {
    let at = reader.position();
    match reader.bytes()? {
        [] => Ok(Subject::Anyone),
        id => {
            let id = id.try_into().map_err(|_| WireError { kind: WireErrorKind::OutOfRange, at })?;
            Ok(Subject::Node(NodeId::from_bytes(id)))
        }
    }
}

fn read_rights(reader: &mut Reader<'_>) -> Result<Rights, WireError> {
    let at = reader.position();
    match reader.uint_max(u32::MAX.into())? {
        0 => Err(WireError { kind: WireErrorKind::OutOfRange, at }),
        bits => Ok(Rights::from_bits(bits as u32)),
    }
}

fn read_pattern(reader: &mut Reader<'_>) -> Result<PathPattern, WireError> {
    let at = reader.position();
    let text = reader.text_max(PathPattern::LEN_MAX)?;
    text.parse().map_err(|_| WireError { kind: WireErrorKind::OutOfRange, at })
}
