//! From a finished handshake to a proved identity.
//!
//! The handshake's keys are fresh and prove nothing. The first record each way starts with an IDENTITY frame: an Ed25519
//! key, an incarnation, and a signature over this very handshake, which nobody else's handshake can have.

use alloc::sync::Arc;
use core::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use snow::HandshakeState;
use zeroize::Zeroizing;

use super::offer::Agreed;
use super::record::{Opener, RecordError, Sealer};
use crate::code::CloseReason;
use crate::crypto::CryptoProvider;
use crate::identity::{Identity, Incarnation, NodeId, PublicKey, SignedIncarnation};
use crate::wire::cbor::{Reader, Writer};
use crate::wire::frame::{FrameHeader, FrameType, HEADER_LEN, split_frame};
use crate::wire::{WireError, WireErrorKind};

/// Which side of the handshake a node is. Signed, so that a proof cannot be sent back to its author.
///
/// ```
/// use lacewing_core::session::Role;
///
/// assert_eq!(Role::Initiator.peer(), Role::Responder);
/// assert_eq!((Role::Initiator.byte(), Role::Responder.byte()), (0, 1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Sent message 1.
    Initiator,
    /// Answered it.
    Responder,
}

impl Role {
    /// The byte that is signed.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Initiator => 0,
            Self::Responder => 1,
        }
    }

    /// The other side.
    #[must_use]
    pub const fn peer(self) -> Self {
        match self {
            Self::Initiator => Self::Responder,
            Self::Responder => Self::Initiator,
        }
    }
}

/// A session of which the first record is not as it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The first record does not open.
    #[error("the first record: {0}")]
    Record(#[from] RecordError),
    /// Something else comes before the IDENTITY frame, or the frame cannot be read.
    #[error("the first record does not start with an IDENTITY frame")]
    NoIdentity,
    /// The body of the IDENTITY frame cannot be read.
    #[error("the body of the IDENTITY frame: {0}")]
    MalformedIdentity(WireError),
    /// The key did not sign this handshake in this role: a forged, reflected or replayed proof.
    #[error("the peer's key did not sign this handshake")]
    SessionSignature,
    /// The key did not sign the incarnation.
    #[error("the peer's key did not sign its incarnation")]
    IncarnationSignature,
}

impl SessionError {
    /// Why the link closes.
    pub const fn close_reason(self) -> CloseReason {
        match self {
            Self::Record(error) => error.close_reason(),
            Self::NoIdentity
            | Self::MalformedIdentity(_)
            | Self::SessionSignature
            | Self::IncarnationSignature => CloseReason::IdentityRejected,
        }
    }
}

/// The body of an IDENTITY frame: `{1: public key, 2: incarnation, 3: session signature, 4: incarnation signature}`.
///
/// The session signature is over `lacewing-id-v1`, the role byte of the signer, and the 32 bytes of the handshake hash.
///
/// ```
/// use lacewing_core::session::IdentityProof;
///
/// assert!(IdentityProof::decode(b"\xa0").is_err()); // an empty map proves nothing
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IdentityProof {
    /// Who.
    pub public_key: PublicKey,
    /// Which life, signed for third parties.
    pub incarnation: SignedIncarnation,
    /// Signature of this session.
    pub signature: [u8; 64],
}

impl IdentityProof {
    /// What is signed in front of role and hash.
    pub const DOMAIN: &'static [u8; 14] = b"lacewing-id-v1";
    /// Longest body that [`encode`](Self::encode) writes.
    pub const LEN_MAX: usize = 180;

    /// Appends the body.
    pub fn encode(&self, out: &mut impl BufMut) {
        let mut writer = Writer::new(out);
        writer.map(4);
        writer.uint(1).bytes(&self.public_key.0);
        writer.uint(2).uint(self.incarnation.incarnation.get());
        writer.uint(3).bytes(&self.signature);
        writer.uint(4).bytes(&self.incarnation.signature);
    }

    /// Appends the whole frame, header and body.
    pub fn encode_frame(&self, out: &mut impl BufMut) {
        let mut body = BytesMut::with_capacity(Self::LEN_MAX);
        self.encode(&mut body);
        let length = body.len() as u16;
        FrameHeader { frame_type: FrameType::Identity, more: false, length, id: 0 }.encode(out);
        out.put_slice(&body);
    }

    /// Reads a whole body. Checks no signature.
    pub fn decode(body: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let mut fields = reader.fields()?;
        let (mut key, mut incarnation, mut session_signature, mut incarnation_signature) =
            (None, None, None, None);
        while let Some(field) = fields.next(&mut reader)? {
            match field {
                1 => key = Some(PublicKey(reader.byte_array()?)),
                2 => incarnation = Some(Incarnation::new(reader.uint()?)),
                3 => session_signature = Some(reader.byte_array()?),
                4 => incarnation_signature = Some(reader.byte_array()?),
                _ => reader.skip()?,
            }
        }
        let missing = reader.error(WireErrorKind::MissingField);
        reader.finish()?;
        let incarnation = incarnation.ok_or(missing)?;
        Ok(Self {
            public_key: key.ok_or(missing)?,
            signature: session_signature.ok_or(missing)?,
            incarnation: SignedIncarnation { incarnation, signature: incarnation_signature.ok_or(missing)? },
        })
    }

    /// Checks both signatures against the handshake of which `signer` was one side.
    pub fn verify(
        &self,
        signer: Role,
        handshake_hash: &[u8; 32],
        crypto: &dyn CryptoProvider,
    ) -> Result<ProvenPeer, SessionError> {
        if !crypto.ed25519_verify(&self.public_key.0, &signed_text(signer, handshake_hash), &self.signature) {
            return Err(SessionError::SessionSignature);
        }
        if !self.incarnation.verify(&self.public_key, crypto) {
            return Err(SessionError::IncarnationSignature);
        }
        let node_id = NodeId::of(&self.public_key, crypto);
        Ok(ProvenPeer { public_key: self.public_key, node_id, incarnation: self.incarnation })
    }
}

impl fmt::Debug for IdentityProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityProof")
            .field("public_key", &self.public_key)
            .field("incarnation", &self.incarnation)
            .finish_non_exhaustive()
    }
}

/// What a session signature is over.
fn signed_text(signer: Role, handshake_hash: &[u8; 32]) -> [u8; 47] {
    let mut text = [0; 47];
    text[..14].copy_from_slice(IdentityProof::DOMAIN);
    text[14] = signer.byte();
    text[15..].copy_from_slice(handshake_hash);
    text
}

/// Who the other side is, beyond doubt. Whether it may be here is another question.
///
/// The [module example](super) shows how one is had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProvenPeer {
    /// Its key.
    pub public_key: PublicKey,
    /// Its id.
    pub node_id: NodeId,
    /// Its life, in a form that can be shown to others.
    pub incarnation: SignedIncarnation,
}

/// A finished handshake with somebody who has not said who it is. It can send, but opens nothing except the proof.
///
/// The [module example](super) shows one at work.
#[derive(Debug)]
pub struct Unproven {
    role: Role,
    session: Session,
    crypto: Arc<dyn CryptoProvider>,
}

impl Unproven {
    /// Takes the keys of Noise's Split, the first of which is for what the initiator sends (Noise, section 5.2).
    pub(super) fn new(
        mut noise: HandshakeState,
        role: Role,
        agreed: Agreed,
        crypto: Arc<dyn CryptoProvider>,
    ) -> Self {
        debug_assert!(noise.is_handshake_finished());
        let handshake_hash = *noise.get_handshake_hash().first_chunk().expect("SHA-256 gives 32 bytes");
        let keys = Zeroizing::new(noise.dangerously_get_raw_split());
        let (ours, theirs) = match role {
            Role::Initiator => (&keys.0, &keys.1),
            Role::Responder => (&keys.1, &keys.0),
        };
        let sealer = Sealer::new(Arc::clone(&crypto), agreed.aead, ours);
        let opener = Opener::new(Arc::clone(&crypto), agreed.aead, theirs);
        Self { role, session: Session { sealer, opener, agreed, handshake_hash }, crypto }
    }

    /// What the handshake agreed on.
    pub fn agreed(&self) -> &Agreed {
        &self.session.agreed
    }

    /// Which side this is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The hash of the whole handshake, the same on both sides and in no other session.
    pub fn handshake_hash(&self) -> &[u8; 32] {
        &self.session.handshake_hash
    }

    /// Seals what this side sends, first of all its own proof.
    pub fn sealer_mut(&mut self) -> &mut Sealer {
        &mut self.session.sealer
    }

    /// The proof of this side's identity. `incarnation` is signed by the same identity.
    pub fn proof(&self, identity: &Identity, incarnation: SignedIncarnation) -> IdentityProof {
        let signature = identity.sign(&signed_text(self.role, &self.session.handshake_hash));
        IdentityProof { public_key: identity.public_key(), incarnation, signature }
    }

    /// Opens the peer's first record (without its length prefix), which must start with an IDENTITY frame that proves
    /// who the peer is. Gives the rest of the record's plaintext too.
    pub fn prove(mut self, first_record: BytesMut) -> Result<(Session, ProvenPeer, Bytes), SessionError> {
        let mut plaintext = self.session.opener.open(first_record)?;
        let (header, end) = split_frame(&plaintext).map_err(|_| SessionError::NoIdentity)?;
        if header.frame_type != FrameType::Identity {
            return Err(SessionError::NoIdentity);
        }
        let rest = plaintext.split_off(end).freeze();
        let proof =
            IdentityProof::decode(&plaintext[HEADER_LEN..]).map_err(SessionError::MalformedIdentity)?;
        let peer = proof.verify(self.role.peer(), &self.session.handshake_hash, &*self.crypto)?;
        Ok((self.session, peer, rest))
    }
}

/// A session between two proved identities: one key each way, and what was agreed.
///
/// The [module example](super) shows how one comes to be.
#[derive(Debug)]
pub struct Session {
    /// Seals what this side sends.
    pub sealer: Sealer,
    /// Opens what the peer sends.
    pub opener: Opener,
    /// What the handshake agreed on.
    pub agreed: Agreed,
    /// The hash of the whole handshake.
    pub handshake_hash: [u8; 32],
}
