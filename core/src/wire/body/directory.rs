//! Bodies of the directory's frames: `DIRECTORY_DELTA`, `DIRECTORY_DIGEST` and `DIRECTORY_REQUEST`, and the signed head that
//! they carry.
//!
//! Entries travel as the bytes that their owner wrote: whoever passes them on must not change a bit of what is hashed.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::BufMut;

use crate::crypto::CryptoProvider;
use crate::identity::{Identity, Incarnation, NodeId, PublicKey};
use crate::wire::cbor::{Reader, Writer};
use crate::wire::{WireError, WireErrorKind};

#[cfg(test)]
mod tests;

/// Most links that an announcement may cross by flooding.
pub const HOPS_MAX: u8 = 16;
/// Range of a head's time to live in seconds.
pub const TTL_S: core::ops::RangeInclusive<u32> = 60..=86_400;
/// Longest encoding of an entry in bytes.
pub const ENTRY_LEN_MAX: usize = 17 * 1_024;
/// Longest name of an entry in bytes.
pub const ENTRY_NAME_LEN_MAX: usize = 1_024;
/// Most frames that one set may be split over.
pub const PARTS_MAX: u16 = 64;
/// Most entries, or removed keys, in one frame.
pub const DELTA_ITEMS_MAX: u64 = 16_384;
/// Most nodes that one `DIRECTORY_REQUEST` may ask for.
pub const REQUEST_NODES_MAX: u64 = 64;
/// Most versions in one `DIRECTORY_DIGEST`.
pub const DIGEST_VERSIONS_MAX: u64 = 900;
/// Buckets that a view is divided into, by the first byte of the owner's id.
pub const BUCKETS: usize = 256;
/// Most hashes on the way from an entry to the root: 2^32 entries are no deeper.
pub const PATH_LEN_MAX: u64 = 32;
/// Bytes of a bucket's hash in a digest.
pub const BUCKET_HASH_LEN: usize = 8;

/// Which of an owner's sets: later ones are greater.
///
/// The tag is the first eight bytes of the root, big-endian. It only decides between two heads that one owner has signed
/// with the same numbers, so that all nodes settle on the same one.
///
/// ```
/// use lacewing_core::Incarnation;
/// use lacewing_core::wire::body::directory::Version;
///
/// let old = Version { incarnation: Incarnation::new(7), sequence: 90, tag: 5 };
/// assert!(Version { sequence: 91, tag: 0, ..old } > old);
/// assert!(Version { incarnation: Incarnation::new(8), sequence: 1, tag: 0 } > old);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The owner's life.
    pub incarnation: Incarnation,
    /// Counts the sets of one life, from 1.
    pub sequence: u64,
    /// The start of the root.
    pub tag: u64,
}

/// What an owner signs: one root over all its entries.
///
/// The signature is over [`DOMAIN`](Self::DOMAIN), the key, and incarnation (8 bytes), sequence (8), time to live (4) and
/// number of entries (4), all big-endian, and the root.
///
/// ```
/// use std::sync::Arc;
///
/// use lacewing_core::crypto::RustCrypto;
/// use lacewing_core::wire::body::directory::SignedHead;
/// use lacewing_core::{Identity, Incarnation};
///
/// let owner = Identity::from_secret([7; 32], Arc::new(RustCrypto));
/// let mut head = SignedHead::sign(&owner, Incarnation::new(41), 1, 3_600, 0, [0; 32]);
/// assert!(head.verify(&RustCrypto));
/// assert_eq!(head.node(&RustCrypto), owner.node_id());
///
/// head.sequence = 2;
/// assert!(!head.verify(&RustCrypto));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHead {
    /// Whose entries. The node's id follows from it.
    pub public_key: PublicKey,
    /// The owner's life.
    pub incarnation: Incarnation,
    /// Counts the sets of one life, from 1.
    pub sequence: u64,
    /// Seconds after which the set is void, from its signing on.
    pub ttl_s: u32,
    /// Number of entries.
    pub entries: u32,
    /// Root of the tree over all entries, in ascending order of their keys.
    pub root: [u8; 32],
    /// The owner's signature.
    pub signature: [u8; 64],
}

impl SignedHead {
    /// What is signed in front of everything else.
    pub const DOMAIN: &'static [u8; 15] = b"lacewing-dir-v1";
    const MESSAGE_LEN: usize = 15 + 32 + 8 + 8 + 4 + 4 + 32;

    /// Signs a head.
    pub fn sign(
        owner: &Identity,
        incarnation: Incarnation,
        sequence: u64,
        ttl_s: u32,
        entries: u32,
        root: [u8; 32],
    ) -> Self {
        let public_key = owner.public_key();
        let mut head = Self { public_key, incarnation, sequence, ttl_s, entries, root, signature: [0; 64] };
        head.signature = owner.sign(&head.message());
        head
    }

    /// Whether the owner of the key has signed exactly this.
    pub fn verify(&self, crypto: &dyn CryptoProvider) -> bool {
        crypto.ed25519_verify(&self.public_key.0, &self.message(), &self.signature)
    }

    /// Whose entries these are.
    pub fn node(&self, crypto: &dyn CryptoProvider) -> NodeId {
        NodeId::of(&self.public_key, crypto)
    }

    /// Which of the owner's sets it covers.
    pub fn version(&self) -> Version {
        let tag = self.root[..8].iter().fold(0, |tag, byte| tag << 8 | u64::from(*byte));
        Version { incarnation: self.incarnation, sequence: self.sequence, tag }
    }

    /// What the owner signs.
    pub fn message(&self) -> Vec<u8> {
        let mut message = Vec::with_capacity(Self::MESSAGE_LEN);
        message.put_slice(Self::DOMAIN);
        message.put_slice(&self.public_key.0);
        message.put_u64(self.incarnation.get());
        message.put_u64(self.sequence);
        message.put_u32(self.ttl_s);
        message.put_u32(self.entries);
        message.put_slice(&self.root);
        message
    }

    /// Appends the head as a map.
    pub fn encode(&self, out: &mut impl BufMut) {
        let mut writer = Writer::new(out);
        writer.map(7).uint(1).bytes(&self.public_key.0).uint(2).uint(self.incarnation.get());
        writer.uint(3).uint(self.sequence).uint(4).uint(self.ttl_s.into());
        writer.uint(5).uint(self.entries.into()).uint(6).bytes(&self.root);
        writer.uint(7).bytes(&self.signature);
    }

    /// Reads a head; whether it is signed is [`verify`](Self::verify)'s business.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let mut fields = reader.fields()?;
        let (mut public_key, mut incarnation, mut sequence, mut ttl_s) = (None, None, None, None);
        let (mut entries, mut root, mut signature) = (None, None, None);
        while let Some(key) = fields.next(reader)? {
            match key {
                1 => public_key = Some(PublicKey(reader.byte_array()?)),
                2 => incarnation = Some(Incarnation::new(reader.uint()?)),
                3 => sequence = Some(reader.uint()?),
                4 => ttl_s = Some(reader.uint_max(u32::MAX.into())? as u32),
                5 => entries = Some(reader.uint_max(u32::MAX.into())? as u32),
                6 => root = Some(reader.byte_array()?),
                7 => signature = Some(reader.byte_array()?),
                _ => reader.skip()?,
            }
        }
        let missing = reader.error(WireErrorKind::MissingField);
        Ok(Self {
            public_key: public_key.ok_or(missing)?,
            incarnation: incarnation.ok_or(missing)?,
            sequence: sequence.ok_or(missing)?,
            ttl_s: ttl_s.ok_or(missing)?,
            entries: entries.ok_or(missing)?,
            root: root.ok_or(missing)?,
            signature: signature.ok_or(missing)?,
        })
    }
}

/// What an entry is called among the entries of its owner: its kind, and a name where there may be several of a kind.
///
/// ```
/// use lacewing_core::wire::body::directory::EntryKey;
///
/// // Entries are in this order under the root.
/// let (alias, other) = (EntryKey { kind: 4, name: "db".into() }, EntryKey { kind: 3, name: "sum".into() });
/// assert!(other < alias);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryKey {
    /// The number of the kind.
    pub kind: u16,
    /// The name; empty for a kind of which an owner has one.
    pub name: String,
}

impl EntryKey {
    /// Reads kind and name.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let kind = reader.uint_max(u16::MAX.into())? as u16;
        let name = reader.text_max(ENTRY_NAME_LEN_MAX)?.to_owned();
        Ok(Self { kind, name })
    }
}

/// `DIRECTORY_DELTA`: changed entries of one owner and the head that covers the result; or all its entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryDelta<'a> {
    /// The head that covers the set after the change.
    pub head: SignedHead,
    /// Seconds since the head was signed, rounded up. Not signed; only grows.
    pub age_s: u32,
    /// Links that the announcement has crossed, this one included, at most [`HOPS_MAX`]. Not signed; only grows.
    pub hops: u8,
    /// Whether the entries are the whole set. Otherwise they are those that have changed.
    pub full: bool,
    /// Which part of a set that does not fit one frame, and of how many; `(0, 1)` where it fits.
    pub part: (u16, u16),
    /// Encoded entries.
    pub entries: Vec<&'a [u8]>,
    /// Keys that are no longer there; empty where `full`.
    pub removed: Vec<EntryKey>,
}

impl<'a> DirectoryDelta<'a> {
    /// Appends the body.
    pub fn encode(&self, out: &mut impl BufMut) {
        let (part, parts) = self.part;
        let mut writer = Writer::new(out);
        writer.map(6 + if parts > 1 { 2 } else { 0 }).uint(1);
        self.head.encode(out);
        let mut writer = Writer::new(out);
        writer.uint(2).uint(self.age_s.into()).uint(3).uint(self.hops.into()).uint(4).bool(self.full);
        writer.uint(5).array(self.entries.len());
        for entry in &self.entries {
            writer.bytes(entry);
        }
        writer.uint(6).array(self.removed.len());
        for key in &self.removed {
            writer.array(2).uint(key.kind.into()).text(&key.name);
        }
        if parts > 1 {
            writer.uint(7).uint(part.into()).uint(8).uint(parts.into());
        }
    }

    /// Reads a whole body.
    pub fn decode(body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let mut fields = reader.fields()?;
        let (mut head, mut age_s, mut hops, mut full) = (None, None, None, None);
        let (mut entries, mut removed, mut part, mut parts) = (None, None, None, None);
        while let Some(key) = fields.next(&mut reader)? {
            match key {
                1 => head = Some(SignedHead::read(&mut reader)?),
                2 => age_s = Some(reader.uint_max(u32::MAX.into())? as u32),
                3 => hops = Some(reader.uint_max(u8::MAX.into())? as u8),
                4 => full = Some(reader.bool()?),
                5 => entries = Some(read_entries(&mut reader)?),
                6 => removed = Some(read_removed(&mut reader)?),
                7 => part = Some(reader.uint_max((PARTS_MAX - 1).into())? as u16),
                8 => parts = Some(reader.uint_max(PARTS_MAX.into())? as u16),
                _ => reader.skip()?,
            }
        }
        let missing = reader.error(WireErrorKind::MissingField);
        let wrong = reader.error(WireErrorKind::OutOfRange);
        reader.finish()?;
        let part = match (part, parts) {
            (None, None) => (0, 1),
            (Some(part), Some(parts)) if parts > 1 && part < parts => (part, parts),
            (Some(_), Some(_)) => return Err(wrong),
            _ => return Err(missing),
        };
        Ok(Self {
            head: head.ok_or(missing)?,
            age_s: age_s.ok_or(missing)?,
            hops: hops.ok_or(missing)?,
            full: full.ok_or(missing)?,
            part,
            entries: entries.ok_or(missing)?,
            removed: removed.ok_or(missing)?,
        })
    }
}

fn read_entries<'a>(reader: &mut Reader<'a>) -> Result<Vec<&'a [u8]>, WireError> {
    let count = reader.array(DELTA_ITEMS_MAX)?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let at = reader.position();
        let entry = reader.bytes()?;
        if entry.len() > ENTRY_LEN_MAX {
            return Err(WireError { kind: WireErrorKind::TooLarge, at });
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn read_removed(reader: &mut Reader<'_>) -> Result<Vec<EntryKey>, WireError> {
    let count = reader.array(DELTA_ITEMS_MAX)?;
    let mut removed = Vec::new();
    for _ in 0..count {
        expect_array(reader, 2)?;
        removed.push(EntryKey::read(reader)?);
    }
    Ok(removed)
}

/// An array of exactly `count` items.
fn expect_array(reader: &mut Reader<'_>, count: u64) -> Result<(), WireError> {
    let at = reader.position();
    if reader.array(count)? == count {
        Ok(())
    } else {
        Err(WireError { kind: WireErrorKind::OutOfRange, at })
    }
}

/// One owner in a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnerVersion {
    /// The owner.
    pub node: NodeId,
    /// The latest set of it that the sender has.
    pub version: Version,
}

/// `DIRECTORY_DIGEST`: what the sender has, in one of three grains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectoryDigest {
    /// One hash over the whole view.
    View {
        /// The hash.
        hash: [u8; 32],
        /// Whether this ends the answer to a `DIRECTORY_REQUEST`. Otherwise it begins a comparison.
        ends_answer: bool,
    },
    /// The hashes of all buckets that are not empty, in ascending order of their numbers.
    Buckets {
        /// Number and hash.
        hashes: Vec<(u8, [u8; BUCKET_HASH_LEN])>,
    },
    /// Versions of the owners in a range of ids.
    Versions {
        /// The first id of the range.
        from: NodeId,
        /// The last id of the range, which belongs to it.
        to: NodeId,
        /// Whether the list has only what the receiver lacks. Otherwise it has every owner of the range that the sender
        /// knows, and is answered with what it lacks.
        answer: bool,
        /// Owners in ascending order of their ids, none twice.
        owners: Vec<OwnerVersion>,
    },
}

impl DirectoryDigest {
    /// Appends the body.
    pub fn encode(&self, out: &mut impl BufMut) {
        let mut writer = Writer::new(out);
        match self {
            Self::View { hash, ends_answer } => {
                writer.map(1 + usize::from(*ends_answer)).uint(1).bytes(hash);
                if *ends_answer {
                    writer.uint(2).bool(true);
                }
            }
            Self::Buckets { hashes } => {
                let mut bitmap = [0_u8; BUCKETS / 8];
                let mut all = Vec::with_capacity(hashes.len() * BUCKET_HASH_LEN);
                for (bucket, hash) in hashes {
                    bitmap[usize::from(*bucket) / 8] |= 0x80 >> (bucket % 8);
                    all.extend_from_slice(hash);
                }
                writer.map(2).uint(3).bytes(&bitmap).uint(4).bytes(&all);
            }
            Self::Versions { from, to, answer, owners } => {
                writer.map(4).uint(5).bytes(from.as_bytes()).uint(6).bytes(to.as_bytes());
                writer.uint(7).bool(*answer).uint(8).array(owners.len());
                for OwnerVersion { node, version } in owners {
                    writer.array(4).bytes(node.as_bytes()).uint(version.incarnation.get());
                    writer.uint(version.sequence).uint(version.tag);
                }
            }
        }
    }

    /// Reads a whole body.
    pub fn decode(body: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let mut fields = reader.fields()?;
        let (mut hash, mut ends_answer, mut bitmap, mut hashes) = (None, false, None, None);
        let (mut from, mut to, mut answer, mut owners) = (None, None, None, None);
        while let Some(key) = fields.next(&mut reader)? {
            match key {
                1 => hash = Some(reader.byte_array()?),
                2 => ends_answer = reader.bool()?,
                3 => bitmap = Some(reader.byte_array::<{ BUCKETS / 8 }>()?),
                4 => hashes = Some(reader.bytes()?),
                5 => from = Some(NodeId::from_bytes(reader.byte_array()?)),
                6 => to = Some(NodeId::from_bytes(reader.byte_array()?)),
                7 => answer = Some(reader.bool()?),
                8 => owners = Some(read_versions(&mut reader)?),
                _ => reader.skip()?,
            }
        }
        let missing = reader.error(WireErrorKind::MissingField);
        let wrong = reader.error(WireErrorKind::OutOfRange);
        reader.finish()?;
        match (hash, bitmap, from) {
            (Some(hash), None, None) => Ok(Self::View { hash, ends_answer }),
            (None, Some(bitmap), None) => {
                let hashes = split_hashes(&bitmap, hashes.ok_or(missing)?).ok_or(wrong)?;
                Ok(Self::Buckets { hashes })
            }
            (None, None, Some(from)) => {
                let (to, answer) = (to.ok_or(missing)?, answer.ok_or(missing)?);
                let owners: Vec<OwnerVersion> = owners.ok_or(missing)?;
                let inside = owners.iter().all(|owner| (from..=to).contains(&owner.node));
                if from > to || !inside {
                    Err(wrong)
                } else {
                    Ok(Self::Versions { from, to, answer, owners })
                }
            }
            (None, None, None) => Err(missing),
            _ => Err(wrong),
        }
    }
}

fn read_versions(reader: &mut Reader<'_>) -> Result<Vec<OwnerVersion>, WireError> {
    let count = reader.array(DIGEST_VERSIONS_MAX)?;
    let mut owners: Vec<OwnerVersion> = Vec::new();
    for _ in 0..count {
        let at = reader.position();
        expect_array(reader, 4)?;
        let node = NodeId::from_bytes(reader.byte_array()?);
        if owners.last().is_some_and(|last| last.node >= node) {
            return Err(WireError { kind: WireErrorKind::KeyOrder, at });
        }
        let version = Version {
            incarnation: Incarnation::new(reader.uint()?),
            sequence: reader.uint()?,
            tag: reader.uint()?,
        };
        owners.push(OwnerVersion { node, version });
    }
    Ok(owners)
}

/// The hashes of the buckets whose bits are set; `None` if there are more or fewer hashes than bits.
fn split_hashes(bitmap: &[u8; BUCKETS / 8], all: &[u8]) -> Option<Vec<(u8, [u8; BUCKET_HASH_LEN])>> {
    let set = (0..=u8::MAX).filter(|bucket| bitmap[usize::from(*bucket) / 8] & 0x80 >> (bucket % 8) != 0);
    let (chunks, rest) = all.as_chunks::<BUCKET_HASH_LEN>();
    let buckets: Vec<u8> = set.collect();
    (rest.is_empty() && buckets.len() == chunks.len())
        .then(|| buckets.into_iter().zip(chunks.iter().copied()).collect())
}

/// `DIRECTORY_REQUEST`: asks for the whole sets of some owners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryRequest {
    /// The owners, at most [`REQUEST_NODES_MAX`].
    pub nodes: Vec<NodeId>,
}

impl DirectoryRequest {
    /// Appends the body.
    pub fn encode(&self, out: &mut impl BufMut) {
        let mut writer = Writer::new(out);
        writer.map(1).uint(1).array(self.nodes.len());
        for node in &self.nodes {
            writer.bytes(node.as_bytes());
        }
    }

    /// Reads a whole body.
    pub fn decode(body: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let mut fields = reader.fields()?;
        let mut nodes = None;
        while let Some(key) = fields.next(&mut reader)? {
            match key {
                1 => {
                    let count = reader.array(REQUEST_NODES_MAX)?;
                    let mut list = Vec::new();
                    for _ in 0..count {
                        list.push(NodeId::from_bytes(reader.byte_array()?));
                    }
                    nodes = Some(list);
                }
                _ => reader.skip()?,
            }
        }
        let missing = reader.error(WireErrorKind::MissingField);
        reader.finish()?;
        Ok(Self { nodes: nodes.ok_or(missing)? })
    }
}

/// What shows that an owner has said something: its head, one entry, and the path from the entry to the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryProof<'a> {
    /// The head.
    pub head: SignedHead,
    /// Seconds since the head was signed, rounded up. Not signed.
    pub age_s: u32,
    /// The encoded entry.
    pub entry: &'a [u8],
    /// Its place among the entries of the owner.
    pub index: u32,
    /// The siblings on the way to the root, from the bottom, at most [`PATH_LEN_MAX`].
    pub path: Vec<[u8; 32]>,
}

impl<'a> EntryProof<'a> {
    /// Appends the proof.
    pub fn encode(&self, out: &mut impl BufMut) {
        Writer::new(out).map(5).uint(1);
        self.head.encode(out);
        let mut writer = Writer::new(out);
        writer.uint(2).uint(self.age_s.into()).uint(3).bytes(self.entry).uint(4).uint(self.index.into());
        writer.uint(5).array(self.path.len());
        for hash in &self.path {
            writer.bytes(hash);
        }
    }

    /// Reads a whole proof; whether it proves anything is another matter.
    pub fn decode(input: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(input);
        let mut fields = reader.fields()?;
        let (mut head, mut age_s, mut entry, mut index, mut path) = (None, None, None, None, None);
        while let Some(key) = fields.next(&mut reader)? {
            match key {
                1 => head = Some(SignedHead::read(&mut reader)?),
                2 => age_s = Some(reader.uint_max(u32::MAX.into())? as u32),
                3 => {
                    let at = reader.position();
                    let bytes = reader.bytes()?;
                    if bytes.len() > ENTRY_LEN_MAX {
                        return Err(WireError { kind: WireErrorKind::TooLarge, at });
                    }
                    entry = Some(bytes);
                }
                4 => index = Some(reader.uint_max(u32::MAX.into())? as u32),
                5 => {
                    let count = reader.array(PATH_LEN_MAX)?;
                    let mut list = Vec::new();
                    for _ in 0..count {
                        list.push(reader.byte_array()?);
                    }
                    path = Some(list);
                }
                _ => reader.skip()?,
            }
        }
        let missing = reader.error(WireErrorKind::MissingField);
        reader.finish()?;
        Ok(Self {
            head: head.ok_or(missing)?,
            age_s: age_s.ok_or(missing)?,
            entry: entry.ok_or(missing)?,
            index: index.ok_or(missing)?,
            path: path.ok_or(missing)?,
        })
    }
}
