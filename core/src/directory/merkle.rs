//! One hash over a list of entries, such that a single entry can be shown to be under it.
//!
//! The tree of RFC 6962, section 2.1, over SHA-256: a leaf is hashed behind a zero byte, two nodes behind a one, and a
//! list is split at the greatest power of two below its length.

use alloc::vec::Vec;

use crate::crypto::CryptoProvider;

/// A hash in the tree.
pub(super) type Hash = [u8; 32];

/// The hash of an entry.
pub(super) fn leaf(crypto: &dyn CryptoProvider, entry: &[u8]) -> Hash {
    crypto.sha256(&[&[0], entry])
}

fn parent(crypto: &dyn CryptoProvider, left: &Hash, right: &Hash) -> Hash {
    crypto.sha256(&[&[1], left, right])
}

/// The root over leaves in their order. Needs as many hashes of room as the tree is deep.
pub(super) fn root(crypto: &dyn CryptoProvider, leaves: impl IntoIterator<Item = Hash>) -> Hash {
    // Complete subtrees from left to right, as the ones of the binary number of leaves so far.
    let mut complete: Vec<Hash> = Vec::new();
    for (before, mut hash) in (0_u64..).zip(leaves) {
        for _ in 0..before.trailing_ones() {
            let left = complete.pop().unwrap_or_default();
            hash = parent(crypto, &left, &hash);
        }
        complete.push(hash);
    }
    let Some(mut hash) = complete.pop() else { return crypto.sha256(&[]) };
    while let Some(left) = complete.pop() {
        hash = parent(crypto, &left, &hash);
    }
    hash
}

/// What leads from the leaf at `index` to the root: the sibling on each level, from the bottom.
pub(super) fn path(crypto: &dyn CryptoProvider, leaves: &[Hash], index: usize) -> Vec<Hash> {
    debug_assert!(index < leaves.len(), "there is no path from a leaf that is not there");
    if leaves.len() < 2 {
        return Vec::new();
    }
    let split = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(split);
    let (inside, beside, index) =
        if index < split { (left, right, index) } else { (right, left, index - split) };
    let mut path = path(crypto, inside, index);
    path.push(root(crypto, beside.iter().copied()));
    path
}

/// The root that a leaf and its path give (RFC 9162, section 2.1.3.2); `None` if the path has not the length that it has
/// in a tree of `size` leaves.
pub(super) fn climb(
    crypto: &dyn CryptoProvider,
    leaf: Hash,
    index: u32,
    size: u32,
    path: &[Hash],
) -> Option<Hash> {
    let mut last = size.checked_sub(1)?;
    let mut node = index;
    if node > last {
        return None;
    }
    let mut hash = leaf;
    for sibling in path {
        if last == 0 {
            return None;
        }
        if node & 1 == 1 || node == last {
            hash = parent(crypto, sibling, &hash);
            // A node without a right sibling goes up as it is.
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = parent(crypto, &hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(hash)
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::vec::Vec;

    use super::{CryptoProvider, Hash, climb, leaf, parent, path, root};
    use crate::crypto::RustCrypto;
    use crate::identity::hex;

    fn leaves(count: usize) -> Vec<Hash> {
        (0..count).map(|n| leaf(&RustCrypto, format!("entry {n}").as_bytes())).collect()
    }

    /// RFC 6962 as it is written: recursive.
    fn by_definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => RustCrypto.sha256(&[]),
            [leaf] => *leaf,
            _ => {
                let mut split = 1;
                while split * 2 < leaves.len() {
                    split *= 2;
                }
                let (left, right) = leaves.split_at(split);
                parent(&RustCrypto, &by_definition(left), &by_definition(right))
            }
        }
    }

    #[test]
    fn the_root_is_that_of_the_definition() {
        for count in 0..70 {
            let leaves = leaves(count);
            assert_eq!(root(&RustCrypto, leaves.iter().copied()), by_definition(&leaves), "{count} leaves");
        }
    }

    /// The vectors that implementations of RFC 6962 are usually held to.
    #[test]
    fn the_root_is_that_of_other_implementations() {
        let inputs: [&[u8]; 3] = [b"", b"\x00", b"\x10"];
        let leaves: Vec<Hash> = inputs.iter().map(|input| leaf(&RustCrypto, input)).collect();
        let roots: Vec<_> = (0..=3).map(|n| hex(&root(&RustCrypto, leaves[..n].iter().copied()))).collect();
        assert_eq!(
            roots,
            [
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
                "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            ]
        );
    }

    #[test]
    fn every_leaf_has_a_path_that_leads_to_the_root_from_its_place_only() {
        for count in 1..=33 {
            let leaves = leaves(count);
            let root = root(&RustCrypto, leaves.iter().copied());
            for (index, leaf) in leaves.iter().enumerate() {
                let path = path(&RustCrypto, &leaves, index);
                let climbed =
                    |index: usize, size: usize| climb(&RustCrypto, *leaf, index as u32, size as u32, &path);
                assert_eq!(climbed(index, count), Some(root), "leaf {index} of {count}");
                for other in (0..count).filter(|other| *other != index) {
                    assert_ne!(climbed(other, count), Some(root), "leaf {index} at {other} of {count}");
                }
                assert_eq!(climbed(count, count), None);
                assert_eq!(climb(&RustCrypto, *leaf, index as u32, 0, &path), None);
            }
        }
    }

    #[test]
    fn a_path_that_is_too_long_or_too_short_leads_nowhere() {
        let leaves = leaves(6);
        let mut path = path(&RustCrypto, &leaves, 2);
        path.push([0; 32]);
        assert_eq!(climb(&RustCrypto, leaves[2], 2, 6, &path), None);
        path.truncate(2);
        assert_eq!(climb(&RustCrypto, leaves[2], 2, 6, &path), None);
    }
}
