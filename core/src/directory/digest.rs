//! Hashes over the versions of all owners, in two grains: a bucket for each first byte of an id, and all of them.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::view::Owner;
use crate::crypto::CryptoProvider;
use crate::identity::NodeId;
use crate::wire::body::directory::BUCKETS;

/// The hashes, recomputed only where something has changed since they were last asked for.
#[derive(Debug)]
pub(super) struct DigestTree {
    /// `None` for an empty bucket.
    buckets: Vec<Option<[u8; 32]>>,
    stale: Vec<bool>,
    view: Option<[u8; 32]>,
}

impl Default for DigestTree {
    fn default() -> Self {
        Self { buckets: alloc::vec![None; BUCKETS], stale: alloc::vec![false; BUCKETS], view: None }
    }
}

/// The first and the last id of a bucket.
pub(super) fn bucket_range(bucket: u8) -> (NodeId, NodeId) {
    let (mut from, mut to) = ([0; 32], [0xff; 32]);
    (from[0], to[0]) = (bucket, bucket);
    (NodeId::from_bytes(from), NodeId::from_bytes(to))
}

impl DigestTree {
    /// An owner of this id has come, gone or changed.
    pub(super) fn touch(&mut self, node: &NodeId) {
        self.stale[usize::from(node.as_bytes()[0])] = true;
        self.view = None;
    }

    /// The hash over all buckets that are not empty: number and hash of each, in order.
    pub(super) fn view(&mut self, crypto: &dyn CryptoProvider, owners: &BTreeMap<NodeId, Owner>) -> [u8; 32] {
        if let Some(view) = self.view {
            return view;
        }
        let mut hashed = Vec::new();
        for (bucket, hash) in self.buckets(crypto, owners) {
            hashed.push(bucket);
            hashed.extend_from_slice(&hash);
        }
        let view = crypto.sha256(&[&hashed]);
        self.view = Some(view);
        view
    }

    /// The hashes of all buckets that are not empty.
    pub(super) fn buckets(
        &mut self,
        crypto: &dyn CryptoProvider,
        owners: &BTreeMap<NodeId, Owner>,
    ) -> BTreeMap<u8, [u8; 32]> {
        let mut hashes = BTreeMap::new();
        for bucket in 0..=u8::MAX {
            let place = usize::from(bucket);
            if core::mem::take(&mut self.stale[place]) {
                self.buckets[place] = bucket_hash(crypto, owners, bucket);
            }
            if let Some(hash) = self.buckets[place] {
                hashes.insert(bucket, hash);
            }
        }
        hashes
    }
}

/// The hash of a bucket: id, incarnation, sequence and tag of each of its owners, in order.
fn bucket_hash(
    crypto: &dyn CryptoProvider,
    owners: &BTreeMap<NodeId, Owner>,
    bucket: u8,
) -> Option<[u8; 32]> {
    let (from, to) = bucket_range(bucket);
    let mut hashed = Vec::new();
    for (node, owner) in owners.range(from..=to) {
        let version = owner.version();
        hashed.extend_from_slice(node.as_bytes());
        hashed.extend_from_slice(&version.incarnation.get().to_be_bytes());
        hashed.extend_from_slice(&version.sequence.to_be_bytes());
        hashed.extend_from_slice(&version.tag.to_be_bytes());
    }
    (!hashed.is_empty()).then(|| crypto.sha256(&[&hashed]))
}
