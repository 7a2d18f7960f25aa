use alloc::sync::Arc;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::{
    BUCKET_HASH_LEN, DIGEST_VERSIONS_MAX, DirectoryDelta, DirectoryDigest, DirectoryRequest, ENTRY_LEN_MAX,
    EntryKey, EntryProof, OwnerVersion, SignedHead, Version,
};
use crate::crypto::RustCrypto;
use crate::identity::{Identity, Incarnation, NodeId};
use crate::wire::frame::CHUNK_LEN_MAX;
use crate::wire::{WireError, WireErrorKind};

fn head() -> SignedHead {
    let owner = Identity::from_secret([7; 32], Arc::new(RustCrypto));
    SignedHead::sign(&owner, Incarnation::new(1_700_000_000_000), 9, 3_600, 2, [5; 32])
}

fn delta(entries: Vec<&[u8]>) -> DirectoryDelta<'_> {
    let removed = Vec::from([EntryKey { kind: 3, name: "old".into() }]);
    DirectoryDelta { head: head(), age_s: 12, hops: 3, full: false, part: (0, 1), entries, removed }
}

fn encoded(delta: &DirectoryDelta<'_>) -> Vec<u8> {
    let mut body = Vec::new();
    delta.encode(&mut body);
    body
}

fn digest_bytes(digest: &DirectoryDigest) -> Vec<u8> {
    let mut body = Vec::new();
    digest.encode(&mut body);
    body
}

/// Fixes what owners sign for good.
#[test]
fn the_head_of_a_fixed_key_never_changes() {
    let head = head();
    assert_eq!(head.message().len(), SignedHead::MESSAGE_LEN);
    let text = alloc::format!(
        "{}\n{}",
        crate::identity::hex(&head.message()),
        crate::identity::hex(&head.signature)
    );
    insta::assert_snapshot!(text, @r"
    6c61636577696e672d6469722d7631ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c0000018bcfe56800000000000000000900000e10000000020505050505050505050505050505050505050505050505050505050505050505
    9151746e1460f41e8b8d525a13aac48ddacc7f8cd48e6c0c6991ae15d33d5f38c6755d98ff9e46b8f55830aa83b3ea91f143c5cee4278cd5e55a01337e7d5f0c
    ");
}

#[test]
fn a_delta_reads_what_it_writes() {
    let whole = delta(Vec::from([&b"one"[..], b"two"]));
    assert_eq!(DirectoryDelta::decode(&encoded(&whole)).unwrap(), whole);
    let part = DirectoryDelta { part: (63, 64), full: true, removed: Vec::new(), ..whole };
    assert_eq!(DirectoryDelta::decode(&encoded(&part)).unwrap(), part);
}

#[test]
fn parts_are_numbered_below_their_count() {
    for part in [(1, 1), (2, 2), (3, 2), (0, 65)] {
        let bytes = encoded(&DirectoryDelta { part, ..delta(Vec::new()) });
        match DirectoryDelta::decode(&bytes) {
            // A single part has no number on the wire.
            Ok(read) => assert_eq!((part, read.part), ((1, 1), (0, 1))),
            Err(error) => assert_eq!(error.kind, WireErrorKind::OutOfRange),
        }
    }
}

#[test]
fn an_entry_that_is_too_long_is_not_even_kept() {
    let long = alloc::vec![0; ENTRY_LEN_MAX + 1];
    let error = DirectoryDelta::decode(&encoded(&delta(Vec::from([&long[..]])))).unwrap_err();
    assert_eq!(error.kind, WireErrorKind::TooLarge);
    assert!(DirectoryDelta::decode(&encoded(&delta(Vec::from([&long[1..]])))).is_ok());
}

#[test]
fn a_body_without_one_of_its_fields_is_refused() {
    // An empty map, whatever it is to be.
    let missing = Err(WireError { kind: WireErrorKind::MissingField, at: 1 });
    assert_eq!(DirectoryDelta::decode(&[0xa0]).map(drop), missing);
    assert_eq!(DirectoryDigest::decode(&[0xa0]).map(drop), missing);
    assert_eq!(DirectoryRequest::decode(&[0xa0]).map(drop), missing);
    assert_eq!(EntryProof::decode(&[0xa0]).map(drop), missing);
}

fn version(sequence: u64) -> Version {
    Version { incarnation: Incarnation::new(u64::MAX), sequence, tag: u64::MAX }
}

#[test]
fn the_longest_list_of_versions_fits_a_frame() {
    let owner = |number: u64| {
        let mut id = [0xff; 32];
        id[..8].copy_from_slice(&number.to_be_bytes());
        OwnerVersion { node: NodeId::from_bytes(id), version: version(u64::MAX) }
    };
    let digest = |count: u64| DirectoryDigest::Versions {
        from: NodeId::from_bytes([0; 32]),
        to: NodeId::from_bytes([0xff; 32]),
        answer: false,
        owners: (0..count).map(owner).collect(),
    };
    let longest = digest(DIGEST_VERSIONS_MAX);
    let bytes = digest_bytes(&longest);
    assert!(bytes.len() <= CHUNK_LEN_MAX, "{} bytes", bytes.len());
    assert_eq!(DirectoryDigest::decode(&bytes).unwrap(), longest);
    let error = DirectoryDigest::decode(&digest_bytes(&digest(DIGEST_VERSIONS_MAX + 1))).unwrap_err();
    assert_eq!(error.kind, WireErrorKind::OutOfRange);
}

#[test]
fn a_digest_is_of_one_grain() {
    let view = digest_bytes(&DirectoryDigest::View { hash: [1; 32], ends_answer: false });
    let buckets = digest_bytes(&DirectoryDigest::Buckets { hashes: Vec::new() });
    let mut both = Vec::from([0xa3]);
    both.extend_from_slice(&view[1..]);
    both.extend_from_slice(&buckets[1..]);
    assert_eq!(DirectoryDigest::decode(&both).unwrap_err().kind, WireErrorKind::OutOfRange);
}

#[test]
fn there_are_as_many_hashes_as_buckets() {
    let buckets = DirectoryDigest::Buckets {
        hashes: Vec::from([(0, [1; BUCKET_HASH_LEN]), (255, [2; BUCKET_HASH_LEN])]),
    };
    let bytes = digest_bytes(&buckets);
    assert_eq!(DirectoryDigest::decode(&bytes).unwrap(), buckets);
    let mut more = bytes.clone();
    // One more bit in the bitmap, which starts behind the head of the map, a key and the head of the string.
    more[1 + 1 + 2] |= 0x01;
    assert_eq!(DirectoryDigest::decode(&more).unwrap_err().kind, WireErrorKind::OutOfRange);
}

fn digests() -> impl Strategy<Value = DirectoryDigest> {
    let hashes = proptest::collection::btree_map(any::<u8>(), any::<[u8; BUCKET_HASH_LEN]>(), 0..40);
    let versions = proptest::collection::btree_map(any::<[u8; 32]>(), any::<(u64, u64, u64)>(), 0..20);
    prop_oneof![
        (any::<[u8; 32]>(), any::<bool>())
            .prop_map(|(hash, ends_answer)| DirectoryDigest::View { hash, ends_answer }),
        hashes.prop_map(|hashes| DirectoryDigest::Buckets { hashes: hashes.into_iter().collect() }),
        (versions, any::<bool>()).prop_map(|(versions, answer)| DirectoryDigest::Versions {
            from: NodeId::from_bytes([0; 32]),
            to: NodeId::from_bytes([0xff; 32]),
            answer,
            owners: versions
                .into_iter()
                .map(|(id, (incarnation, sequence, tag))| OwnerVersion {
                    node: NodeId::from_bytes(id),
                    version: Version { incarnation: Incarnation::new(incarnation), sequence, tag },
                })
                .collect(),
        }),
    ]
}

proptest! {
    #[test]
    fn digests_read_what_they_write(digest in digests()) {
        prop_assert_eq!(DirectoryDigest::decode(&digest_bytes(&digest)).unwrap(), digest);
    }

    #[test]
    fn proofs_and_requests_read_what_they_write(
        path in proptest::collection::vec(any::<[u8; 32]>(), 0..=32),
        nodes in proptest::collection::vec(any::<[u8; 32]>(), 0..=64),
        index in any::<u32>(),
    ) {
        let proof = EntryProof { head: head(), age_s: 3, entry: b"entry", index, path };
        let mut bytes = Vec::new();
        proof.encode(&mut bytes);
        prop_assert_eq!(EntryProof::decode(&bytes).unwrap(), proof);
        let request = DirectoryRequest { nodes: nodes.into_iter().map(NodeId::from_bytes).collect() };
        let mut bytes = Vec::new();
        request.encode(&mut bytes);
        prop_assert_eq!(DirectoryRequest::decode(&bytes).unwrap(), request);
    }

    #[test]
    fn no_bytes_make_reading_fail_in_any_other_way(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = (DirectoryDelta::decode(&bytes), DirectoryDigest::decode(&bytes));
        let _ = (DirectoryRequest::decode(&bytes), EntryProof::decode(&bytes));
    }
}
