//! Single entries that can be shown to others: what a node says of one of its actions, signed by it.

use bytes::{Bytes, BytesMut};

use super::entry::{Entry, EntryKind, EntryValue, ProviderEntry};
use super::{Directory, merkle};
use crate::crypto::CryptoProvider;
use crate::identity::{Incarnation, NodeId, PublicKey};
use crate::machine::Cx;
use crate::wire::WireError;
use crate::wire::body::directory::{EntryProof, TTL_S};

/// What a proof has shown: this node has said this of one of its actions.
///
/// It was true when the node signed it. What the node may have said since, the proof does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenProvider {
    /// Who.
    pub node: NodeId,
    /// Its key.
    pub public_key: PublicKey,
    /// In which life.
    pub incarnation: Incarnation,
    /// In which announcement of that life.
    pub sequence: u64,
    /// What it says of the action.
    pub entry: ProviderEntry,
    /// Seconds for which the announcement is still good.
    pub good_for_s: u32,
}

/// Bytes that prove nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// They are no proof at all.
    #[error("the proof cannot be read: {0}")]
    Malformed(#[from] WireError),
    /// They are about something else than the action that was asked for.
    #[error("the proof is about another entry")]
    OtherEntry,
    /// The announcement is no longer good, or claims to be good for too long.
    #[error("the proof is out of date")]
    Expired,
    /// The entry is not under the root of the head.
    #[error("the entry is not part of what its owner has signed")]
    NotUnderRoot,
    /// The owner has not signed the head.
    #[error("the signature is not that of the owner")]
    Forged,
}

impl ProofError {
    /// The stable name that fixtures and other languages use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::OtherEntry => "other_entry",
            Self::Expired => "expired",
            Self::NotUnderRoot => "not_under_root",
            Self::Forged => "forged",
        }
    }
}

/// Checks that the owner of the head in `bytes` serves the action at `path`. Costs one signature, and that only if all
/// else is right.
pub fn check_proof(
    bytes: &[u8],
    path: &str,
    crypto: &dyn CryptoProvider,
) -> Result<ProvenProvider, ProofError> {
    let proof = EntryProof::decode(bytes)?;
    let EntryValue::Provider(entry) = Entry::decode(proof.entry)?.value else {
        return Err(ProofError::OtherEntry);
    };
    if entry.path.as_str() != path {
        return Err(ProofError::OtherEntry);
    }
    let head = &proof.head;
    if !TTL_S.contains(&head.ttl_s) || proof.age_s >= head.ttl_s {
        return Err(ProofError::Expired);
    }
    let leaf = merkle::leaf(crypto, proof.entry);
    if merkle::climb(crypto, leaf, proof.index, head.entries, &proof.path) != Some(head.root) {
        return Err(ProofError::NotUnderRoot);
    }
    if !head.verify(crypto) {
        return Err(ProofError::Forged);
    }
    Ok(ProvenProvider {
        node: head.node(crypto),
        public_key: head.public_key,
        incarnation: head.incarnation,
        sequence: head.sequence,
        entry,
        good_for_s: head.ttl_s - proof.age_s,
    })
}

impl Directory {
    /// What proves to anybody that a node serves an action; `None` if it does not, as far as this node knows.
    pub(crate) fn proof(&mut self, cx: &mut Cx<'_>, node: &NodeId, path: &str) -> Option<Bytes> {
        if *node == self.own {
            self.sign(cx.now);
            self.plan(cx.now);
        }
        let owner = self.view.get(node).filter(|_| self.is_visible(node))?;
        let key = EntryKind::Provider.key(path);
        let entry = &owner.set.get(&key)?.bytes;
        let (index, path) = owner.set.path(&*self.config.crypto, &key)?;
        let (head, age_s) = (owner.head.clone(), owner.age_s(cx.now));
        let proof = EntryProof { head, age_s, entry, index: index as u32, path };
        let mut bytes = BytesMut::new();
        proof.encode(&mut bytes);
        Some(bytes.freeze())
    }
}
