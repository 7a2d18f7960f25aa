use super::super::{IdentityProof, SessionError};
use super::*;
use crate::code::CloseReason;
use crate::identity::SignedIncarnation;
use crate::wire::frame::{FrameHeader, FrameType, HEADER_LEN};

/// What the responder makes of a first record with this plaintext.
fn answered(plaintext: impl FnOnce(&Unproven, &Unproven) -> Vec<u8>) -> Result<(), SessionError> {
    let Shaken { mut initiator, responder, .. } = shake(&config(Some(7)), &config(Some(7))).unwrap();
    let plaintext = plaintext(&initiator, &responder);
    let record = sealed_by(initiator.sealer_mut(), &plaintext);
    responder.prove(record).map(|_| ())
}

fn honest(side: &Unproven) -> IdentityProof {
    let identity = identity(11);
    side.proof(&identity, identity.sign_incarnation(Incarnation::new(5)))
}

fn framed(proof: &IdentityProof) -> Vec<u8> {
    let mut frame = Vec::new();
    proof.encode_frame(&mut frame);
    frame
}

fn frame(frame_type: FrameType, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    FrameHeader { frame_type, more: false, length: body.len() as u16, id: 0 }.encode(&mut frame);
    frame.extend_from_slice(body);
    frame
}

#[test]
fn an_identity_that_does_not_sign_is_rejected() {
    assert_eq!(answered(|side, _| framed(&honest(side))), Ok(()));
    let unsigned = answered(|side, _| framed(&IdentityProof { signature: [0; 64], ..honest(side) }));
    assert_eq!(unsigned, Err(SessionError::SessionSignature));
    // Somebody who knows another node's public key, and signs with its own.
    let forged =
        answered(|side, _| framed(&IdentityProof { public_key: identity(99).public_key(), ..honest(side) }));
    assert_eq!(forged, Err(SessionError::SessionSignature));
    assert_eq!(SessionError::SessionSignature.close_reason(), CloseReason::IdentityRejected);
}

#[test]
fn ones_own_proof_sent_back_is_rejected() {
    let reflected = answered(|_, responder| framed(&honest(responder)));
    assert_eq!(reflected, Err(SessionError::SessionSignature));
}

#[test]
fn a_proof_from_another_session_is_rejected() {
    let other = shake_through(&config(Some(7)), &config(Some(7)), (3, 4), |_, _| ()).unwrap();
    let replayed = answered(|_, _| framed(&honest(&other.initiator)));
    assert_eq!(replayed, Err(SessionError::SessionSignature));
}

#[test]
fn somebody_between_two_nodes_cannot_pass_their_proofs_on() {
    // Mallory is a member: she can shake hands with both, and hopes to be each to the other.
    let config = config(Some(7));
    let mut with_alice = shake_through(&config, &config, (1, 66), |_, _| ()).unwrap();
    let mut with_bob = shake_through(&config, &config, (67, 2), |_, _| ()).unwrap();
    let proof_of_alice = framed(&honest(&with_alice.initiator));
    let record = sealed_by(with_bob.initiator.sealer_mut(), &proof_of_alice);
    assert_eq!(with_bob.responder.prove(record).unwrap_err(), SessionError::SessionSignature);
    let proof_of_bob = {
        let other = shake_through(&config, &config, (67, 2), |_, _| ()).unwrap();
        framed(&honest(&other.responder))
    };
    let record = sealed_by(with_alice.responder.sealer_mut(), &proof_of_bob);
    assert_eq!(with_alice.initiator.prove(record).unwrap_err(), SessionError::SessionSignature);
}

#[test]
fn an_incarnation_that_its_owner_did_not_sign_is_rejected() {
    let raised = answered(|side, _| {
        let honest = honest(side);
        let incarnation = SignedIncarnation { incarnation: Incarnation::new(6), ..honest.incarnation };
        framed(&IdentityProof { incarnation, ..honest })
    });
    assert_eq!(raised, Err(SessionError::IncarnationSignature));
    let of_another = answered(|side, _| {
        let incarnation = identity(12).sign_incarnation(Incarnation::new(5));
        framed(&IdentityProof { incarnation, ..honest(side) })
    });
    assert_eq!(of_another, Err(SessionError::IncarnationSignature));
    assert_eq!(SessionError::IncarnationSignature.close_reason(), CloseReason::IdentityRejected);
}

#[test]
fn nothing_else_is_accepted_before_the_proof() {
    let first = |plaintext: Vec<u8>| answered(|_, _| plaintext).unwrap_err();
    for frame_type in FrameType::ALL.into_iter().filter(|frame_type| *frame_type != FrameType::Identity) {
        let id = u64::from(frame_type.is_delivery());
        let mut early = Vec::new();
        FrameHeader { frame_type, more: false, length: 0, id }.encode(&mut early);
        assert_eq!(first(early), SessionError::NoIdentity, "{frame_type:?}");
    }
    // Not even a frame that may be skipped, an empty record, half a header, or a body that ends early.
    assert_eq!(first(frame(FrameType::Skippable(0x80), b"")), SessionError::NoIdentity);
    assert_eq!(first(Vec::new()), SessionError::NoIdentity);
    assert_eq!(first(alloc::vec![1; HEADER_LEN - 1]), SessionError::NoIdentity);
    let behind = answered(|side, _| [frame(FrameType::KeepAlive, b""), framed(&honest(side))].concat());
    assert_eq!(behind, Err(SessionError::NoIdentity));
    let cut = answered(|side, _| {
        let mut frame = framed(&honest(side));
        frame.pop();
        frame
    });
    assert_eq!(cut, Err(SessionError::NoIdentity));
    assert_eq!(SessionError::NoIdentity.close_reason(), CloseReason::IdentityRejected);
}

#[test]
fn a_proof_with_a_malformed_body_is_rejected() {
    let malformed = |body: &[u8]| match answered(|_, _| frame(FrameType::Identity, body)) {
        Err(error @ SessionError::MalformedIdentity(_)) => {
            error.close_reason() == CloseReason::IdentityRejected
        }
        _ => false,
    };
    assert!(malformed(b""));
    assert!(malformed(b"\xa0"));
    assert!(malformed(b"\xa1\x01\x41k"));
    let trailing = answered(|side, _| {
        let mut body = Vec::new();
        honest(side).encode(&mut body);
        body.push(0);
        frame(FrameType::Identity, &body)
    });
    assert!(matches!(trailing, Err(SessionError::MalformedIdentity(_))), "{trailing:?}");
}

#[test]
fn fields_of_later_versions_in_a_proof_are_skipped() {
    let extended = answered(|side, _| {
        let mut body = Vec::new();
        honest(side).encode(&mut body);
        body[0] += 1;
        body.extend_from_slice(b"\x09\x65later");
        frame(FrameType::Identity, &body)
    });
    assert_eq!(extended, Ok(()));
}

#[test]
fn a_first_record_that_does_not_open_closes_as_a_record_not_as_an_identity() {
    let Shaken { mut initiator, responder, .. } = shake(&config(None), &config(None)).unwrap();
    let mut record = first_record(&mut initiator, &identity(11), b"");
    record[3] ^= 1;
    assert_eq!(responder.prove(record).unwrap_err().close_reason(), CloseReason::RecordRejected);
}

#[test]
fn the_longest_proof_has_the_length_that_is_stated() {
    let Shaken { initiator, .. } = shake(&config(None), &config(None)).unwrap();
    let identity = identity(11);
    let proof = initiator.proof(&identity, identity.sign_incarnation(Incarnation::new(u64::MAX)));
    let mut body = Vec::new();
    proof.encode(&mut body);
    assert_eq!(body.len(), IdentityProof::LEN_MAX);
    assert_eq!(IdentityProof::decode(&body), Ok(proof));
}
