//! The states of the handshake, each consumed by the step that it allows.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use bytes::BytesMut;
use rand_chacha::ChaCha20Rng;
use snow::HandshakeState;

use super::noise;
use super::offer::{Agreed, Answer, Offer, RefusalNumber, VersionRange, decode_finish, encode_finish};
use super::proof::{Role, Unproven};
use crate::code::CloseReason;
use crate::config::{NetworkKey, NetworkName};
use crate::crypto::CryptoProvider;
use crate::wire::frame::HANDSHAKE_LEN_MAX;

/// Most bytes that Noise adds to a payload: an ephemeral key, an encrypted static key, a tag.
const NOISE_OVERHEAD: usize = 32 + 48 + 16;

/// What a side brings to a handshake.
///
/// The [module example](super) shows one.
#[derive(Clone, Debug)]
pub struct HandshakeConfig {
    /// The network that both sides must name.
    pub network: NetworkName,
    /// The key that both sides must hold, or neither.
    pub network_key: Option<NetworkKey>,
    /// Versions, AEADs and limits.
    pub offer: Offer,
    /// AEADs, hashes and signatures.
    pub crypto: Arc<dyn CryptoProvider>,
    /// What carries the session: a handshake for one carrier cannot be used on another.
    pub carrier: Carrier,
}

/// What carries a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// A byte stream between neighbours.
    Stream,
    /// Routed payloads, which relays pass on.
    Relays,
}

impl Carrier {
    /// What is added to the prologue.
    pub(super) const fn prologue(self) -> &'static [u8] {
        match self {
            Self::Stream => b"",
            Self::Relays => b"relays",
        }
    }
}

/// Why a handshake ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// Another network name, another network key, a key on one side only, or bytes that are no handshake. Which one is not
    /// told: a stranger learns nothing from trying, and most of the time this side cannot know either.
    #[error(
        "the handshake failed: the peer uses another network name or network key, or speaks another protocol"
    )]
    Failed,
    /// Both sides hold the same name and key, but speak no common version.
    #[error("no protocol version in common: this node speaks {ours}, the peer {theirs}")]
    NoCommonVersion {
        /// What this side speaks.
        ours: VersionRange,
        /// What the peer speaks.
        theirs: VersionRange,
    },
    /// Both sides hold the same name and key, but have no AEAD in common.
    #[error("no record encryption in common")]
    NoCommonAead,
    /// The responder refused for a reason that this version does not know.
    #[error("the peer refused the handshake with number {number}, which this version does not know")]
    Refused {
        /// The number.
        number: u64,
    },
}

impl HandshakeError {
    /// Why the link closes.
    pub const fn close_reason(self) -> CloseReason {
        match self {
            Self::Failed => CloseReason::HandshakeFailed,
            Self::NoCommonVersion { .. } | Self::NoCommonAead | Self::Refused { .. } => {
                CloseReason::VersionMismatch
            }
        }
    }

    fn of_refusal(number: RefusalNumber, ours: VersionRange, theirs: VersionRange) -> Self {
        match number {
            RefusalNumber::NO_COMMON_VERSION => Self::NoCommonVersion { ours, theirs },
            RefusalNumber::NO_COMMON_AEAD => Self::NoCommonAead,
            RefusalNumber(number) => Self::Refused { number },
        }
    }
}

/// A responder's end of a handshake that came to nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct Refusal {
    /// A last message to the initiator, which tells it why; only for those who hold the right name and key.
    pub reply: Option<BytesMut>,
    /// Why.
    pub error: HandshakeError,
}

/// The side that opened the connection.
///
/// The [module example](super) shows it at work.
#[derive(Debug)]
pub enum Initiator {}

impl Initiator {
    /// Starts a handshake; gives message 1. `rng` is used for this handshake and no other.
    pub fn start(config: &HandshakeConfig, rng: ChaCha20Rng) -> (AwaitResponse, BytesMut) {
        let mut pending = Pending::start(config, Role::Initiator, rng);
        let message = pending
            .write(|payload| config.offer.encode(payload))
            .expect("message 1 depends on nothing that the peer sent");
        (AwaitResponse(pending), message)
    }
}

/// The side that accepted the connection.
///
/// The [module example](super) shows it at work.
#[derive(Debug)]
pub enum Responder {}

impl Responder {
    /// Starts a handshake. `rng` is used for this handshake and no other.
    pub fn start(config: &HandshakeConfig, rng: ChaCha20Rng) -> AwaitRequest {
        AwaitRequest(Pending::start(config, Role::Responder, rng))
    }
}

/// An initiator that has sent message 1.
#[derive(Debug)]
pub struct AwaitResponse(Pending);

impl AwaitResponse {
    /// Reads message 2; gives message 3 and the session that it completes.
    pub fn read(mut self, message: &[u8]) -> Result<(Unproven, BytesMut), HandshakeError> {
        let payload = self.0.read(message)?;
        let offer = &self.0.offer;
        let choice = match Answer::decode(&payload).map_err(|_| HandshakeError::Failed)? {
            Answer::Chosen(choice) if offer.allows(&choice) => choice,
            Answer::Chosen(_) => return Err(HandshakeError::Failed),
            Answer::Refused { number, versions } => {
                return Err(HandshakeError::of_refusal(number, offer.versions, versions));
            }
        };
        let finish = self.0.write(encode_finish)?;
        let agreed = Agreed { version: choice.version, aead: choice.aead, peer_limits: choice.limits };
        Ok((self.0.finish(Role::Initiator, agreed), finish))
    }
}

/// A responder that has received nothing yet.
#[derive(Debug)]
pub struct AwaitRequest(Pending);

impl AwaitRequest {
    /// Reads message 1; gives message 2.
    pub fn read(mut self, message: &[u8]) -> Result<(AwaitFinish, BytesMut), Refusal> {
        let silent = |error| Refusal { reply: None, error };
        let payload = self.0.read(message).map_err(silent)?;
        let theirs = Offer::decode(&payload).map_err(|_| silent(HandshakeError::Failed))?;
        let answer = self.0.offer.answer(&theirs);
        let reply = self.0.write(|payload| answer.encode(payload)).map_err(silent)?;
        match answer {
            Answer::Chosen(choice) => {
                let agreed =
                    Agreed { version: choice.version, aead: choice.aead, peer_limits: theirs.limits };
                Ok((AwaitFinish { pending: self.0, agreed }, reply))
            }
            Answer::Refused { number, versions } => Err(Refusal {
                reply: Some(reply),
                error: HandshakeError::of_refusal(number, versions, theirs.versions),
            }),
        }
    }
}

/// A responder that has sent message 2.
#[derive(Debug)]
pub struct AwaitFinish {
    pending: Pending,
    agreed: Agreed,
}

impl AwaitFinish {
    /// Reads message 3, which completes the session.
    pub fn read(mut self, message: &[u8]) -> Result<Unproven, HandshakeError> {
        let payload = self.pending.read(message)?;
        decode_finish(&payload).map_err(|_| HandshakeError::Failed)?;
        Ok(self.pending.finish(Role::Responder, self.agreed))
    }
}

/// What all states have in common.
struct Pending {
    noise: Box<HandshakeState>,
    offer: Offer,
    crypto: Arc<dyn CryptoProvider>,
}

impl Pending {
    fn start(config: &HandshakeConfig, role: Role, rng: ChaCha20Rng) -> Self {
        let noise = noise::start(config, role, rng);
        Self { noise, offer: config.offer.clone(), crypto: Arc::clone(&config.crypto) }
    }

    /// Reads a message; gives its payload.
    fn read(&mut self, message: &[u8]) -> Result<Vec<u8>, HandshakeError> {
        if message.len() > HANDSHAKE_LEN_MAX {
            return Err(HandshakeError::Failed);
        }
        let mut payload = alloc::vec![0; message.len()];
        let length = self.noise.read_message(message, &mut payload).map_err(|_| HandshakeError::Failed)?;
        payload.truncate(length);
        Ok(payload)
    }

    /// Writes the next message. It can fail only on account of a public key of the peer's that is of small order.
    fn write(&mut self, encode: impl FnOnce(&mut Vec<u8>)) -> Result<BytesMut, HandshakeError> {
        let mut payload = Vec::new();
        encode(&mut payload);
        let mut message = BytesMut::zeroed(payload.len() + NOISE_OVERHEAD);
        let length = self.noise.write_message(&payload, &mut message).map_err(|_| HandshakeError::Failed)?;
        debug_assert!(length <= HANDSHAKE_LEN_MAX);
        message.truncate(length);
        Ok(message)
    }

    fn finish(self, role: Role, agreed: Agreed) -> Unproven {
        Unproven::new(*self.noise, role, agreed, self.crypto)
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("offer", &self.offer).finish_non_exhaustive()
    }
}
