use alloc::format;
use alloc::string::ToString;
use alloc::sync::Arc;

use super::{
    HexError, Identity, Incarnation, LabelError, NodeId, NodeLabel, PublicKey, SignedIncarnation, unhex,
};
use crate::crypto::{CryptoProvider, RustCrypto};

fn identity(seed: u8) -> Identity {
    Identity::from_secret([seed; 32], Arc::new(RustCrypto))
}

#[test]
fn a_node_id_is_the_hash_of_domain_and_key() {
    let key = identity(1).public_key();
    let mut hashed = b"lacewing-node-v1".to_vec();
    hashed.extend_from_slice(&key.0);
    assert_eq!(identity(1).node_id().as_bytes(), &RustCrypto.sha256(&[&hashed]));
    assert_eq!(NodeId::of(&key, &RustCrypto), identity(1).node_id());
    assert_ne!(identity(1).node_id(), identity(2).node_id());
}

/// Fixes key, id and signature for good: whoever changes them parts from every node that runs already.
#[test]
fn the_identity_of_a_fixed_secret_never_changes() {
    let identity = identity(7);
    let signed = identity.sign_incarnation(Incarnation::new(41));
    insta::assert_snapshot!(
        format!("{}\n{}\n{}", identity.public_key(), identity.node_id(), super::hex::Hex(&signed.signature)),
        @r"
    ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c
    d022a5ff627bc1857422864369a646be8efdbc6e194bfd3f0e082a70ca5f1f74
    65c64c7c15faeabf7fecc13a50c9f08b49148c88a30f3254b4fd0f38e6a065fcfabca6f76983919f837e4f967d636aa975455470c4013aad56f4d9b3014eea0c
    "
    );
}

#[test]
fn keys_and_ids_read_what_they_write() {
    let identity = identity(3);
    assert_eq!(identity.node_id().to_string().parse(), Ok(identity.node_id()));
    assert_eq!(identity.public_key().to_string().parse(), Ok(identity.public_key()));
    assert_eq!(identity.public_key().to_string().to_uppercase().parse(), Ok(identity.public_key()));
}

#[test]
fn text_that_is_no_key_says_where_and_why() {
    assert_eq!("ab".parse::<PublicKey>(), Err(HexError::Length { expected: 64, found: 2 }));
    assert_eq!(unhex::<2>("ab?d"), Err(HexError::Digit { at: 2 }));
    assert_eq!(unhex::<2>("+1ab"), Err(HexError::Digit { at: 0 }));
    assert_eq!(unhex::<2>("éé"), Err(HexError::Digit { at: 0 }));
}

#[test]
fn debug_output_of_an_identity_holds_no_secret() {
    let identity = identity(0x5e);
    let text = format!("{identity:?} {identity:#?}");
    assert!(text.contains(&identity.node_id().to_string()));
    assert!(!text.contains("5e5e") && !text.contains("94, 94"), "{text}");
}

#[test]
fn an_incarnation_is_the_clock_unless_the_last_life_was_ahead_of_it() {
    let at = |persisted: Option<u64>, unix_ms| {
        Incarnation::at_boot(persisted.map(Incarnation::new), unix_ms).get()
    };
    assert_eq!(at(None, 1_000), 1_000);
    assert_eq!(at(Some(10), 1_000), 1_000);
    assert_eq!(at(Some(999), 1_000), 1_000);
    assert_eq!(at(Some(1_000), 1_000), 1_001);
    assert_eq!(at(Some(5_000), 1_000), 5_001);
    assert_eq!(at(Some(u64::MAX), 1_000), u64::MAX);
}

#[test]
fn a_signed_incarnation_is_its_owners_only() {
    let (owner, other) = (identity(1), identity(2));
    let signed = owner.sign_incarnation(Incarnation::new(9));
    assert!(signed.verify(&owner.public_key(), &RustCrypto));
    assert!(!signed.verify(&other.public_key(), &RustCrypto));
    let raised = SignedIncarnation { incarnation: Incarnation::new(10), ..signed };
    assert!(!raised.verify(&owner.public_key(), &RustCrypto));
    // A signature of the same owner for another purpose does not serve.
    let elsewhere = SignedIncarnation { signature: owner.sign(&9_u64.to_be_bytes()), ..signed };
    assert!(!elsewhere.verify(&owner.public_key(), &RustCrypto));
}

#[test]
fn labels_have_1_to_255_bytes_and_no_control_characters() {
    assert_eq!("".parse::<NodeLabel>(), Err(LabelError::Empty));
    assert_eq!("x".repeat(256).parse::<NodeLabel>(), Err(LabelError::TooLong(256)));
    assert_eq!("a\u{7}b".parse::<NodeLabel>(), Err(LabelError::ControlCharacter(1)));
    assert_eq!("a\u{85}b".parse::<NodeLabel>(), Err(LabelError::ControlCharacter(1)));
    for text in ["a", "Grüße@höst:1", &"x".repeat(255)] {
        assert_eq!(text.parse::<NodeLabel>().unwrap().to_string(), text);
    }
}
