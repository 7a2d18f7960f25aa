//! A session: the Noise handshake and the encrypted records between two identities, whatever carries them.
//!
//! The handshake is `Noise_XX_25519_AESGCM_SHA256`, or `Noise_XXpsk0_25519_AESGCM_SHA256` with a network key
//! (The Noise Protocol Framework, revision 34). Its states are types that are consumed by value:
//!
//! ```text
//! initiator                                    responder
//! Initiator::start  ---- message 1: offer ---> AwaitRequest
//! AwaitResponse     <--- message 2: choice --- AwaitFinish
//! Unproven          ---- message 3 ----------> Unproven
//! Unproven          <--- first records ------> Unproven      IDENTITY: key, incarnation, signature over this handshake
//! Session           <--- records ------------> Session
//! ```
//!
//! Messages and records are handed over without their length prefix; [`Sealer::seal`] alone writes the prefix, which a
//! record authenticates.
//!
//! ```
//! use std::sync::Arc;
//!
//! use bytes::BytesMut;
//! use lacewing_core::crypto::{AeadId, RustCrypto};
//! use lacewing_core::session::{Carrier, HandshakeConfig, Initiator, Offer, Responder, VersionRange, WireLimits};
//! use lacewing_core::{Identity, Incarnation};
//! use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
//!
//! let config = HandshakeConfig {
//!     network: "example".parse().unwrap(),
//!     network_key: None,
//!     offer: Offer {
//!         versions: VersionRange::SUPPORTED,
//!         aeads: AeadId::ALL.to_vec(),
//!         limits: WireLimits { record_bytes_max: 65_535, message_bytes_max: 1 << 24, window_bytes: 1 << 22 },
//!     },
//!     crypto: Arc::new(RustCrypto),
//!     carrier: Carrier::Stream,
//! };
//!
//! let (initiator, message) = Initiator::start(&config, ChaCha20Rng::from_seed([1; 32]));
//! let responder = Responder::start(&config, ChaCha20Rng::from_seed([2; 32]));
//! let (responder, message) = responder.read(&message).unwrap();
//! let (mut initiator, message) = initiator.read(&message).unwrap();
//! let responder = responder.read(&message).unwrap();
//!
//! let alice = Identity::from_secret([3; 32], Arc::new(RustCrypto));
//! let mut record = BytesMut::zeroed(4);
//! initiator.proof(&alice, alice.sign_incarnation(Incarnation::new(1))).encode_frame(&mut record);
//! initiator.sealer_mut().seal(&mut record, 0).unwrap();
//! let (_session, peer, _rest) = responder.prove(record.split_off(4)).unwrap();
//! assert_eq!(peer.node_id, alice.node_id());
//! ```

mod handshake;
mod noise;
mod offer;
mod proof;
mod record;
#[cfg(test)]
mod tests;

pub use handshake::{
    AwaitFinish, AwaitRequest, AwaitResponse, Carrier, HandshakeConfig, HandshakeError, Initiator, Refusal,
    Responder,
};
pub use noise::{PATTERN_KEYED, PATTERN_OPEN, prologue};
pub use offer::{Agreed, Answer, Choice, Offer, RefusalNumber, VersionRange, WireLimits, decode_finish};
pub use proof::{IdentityProof, ProvenPeer, Role, Session, SessionError, Unproven};
pub use record::{Opener, RecordError, Sealer};
