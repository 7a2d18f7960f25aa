//! What the tests of this folder share: two sides, and somebody in between.

mod eavesdropper;
mod handshake;
mod offer;
mod proof;
mod record;
mod transcript;

use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::BytesMut;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::{
    HandshakeConfig, HandshakeError, Initiator, Offer, Responder, Session, Unproven, VersionRange, WireLimits,
};
use crate::config::NetworkKey;
use crate::crypto::{AeadId, RustCrypto};
use crate::identity::{Identity, Incarnation};
use crate::wire::framing::PREFIX_LEN;

const LIMITS: WireLimits =
    WireLimits { record_bytes_max: 65_535, message_bytes_max: 16 << 20, window_bytes: 4 << 20 };

/// A side of network `test`, with the key of this many equal bytes or with none.
fn config(key: Option<u8>) -> HandshakeConfig {
    HandshakeConfig {
        network: "test".parse().unwrap(),
        network_key: key.map(|byte| NetworkKey::new([byte; 32])),
        offer: Offer { versions: VersionRange::SUPPORTED, aeads: AeadId::ALL.to_vec(), limits: LIMITS },
        crypto: Arc::new(RustCrypto),
        carrier: crate::session::Carrier::Stream,
    }
}

fn config_with(key: Option<u8>, versions: (u16, u16), aeads: &[AeadId]) -> HandshakeConfig {
    let mut config = config(key);
    config.offer.versions = VersionRange::new(versions.0, versions.1).unwrap();
    config.offer.aeads = aeads.to_vec();
    config
}

fn both_patterns() -> [HandshakeConfig; 2] {
    [config(None), config(Some(7))]
}

fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

fn identity(seed: u8) -> Identity {
    Identity::from_secret([seed; 32], Arc::new(RustCrypto))
}

/// Two sides after their handshake, and what went over the wire.
#[derive(Debug)]
struct Shaken {
    initiator: Unproven,
    responder: Unproven,
    messages: [BytesMut; 3],
}

/// A handshake with somebody on the wire who may change message 0, 1 or 2.
fn shake_through(
    initiator: &HandshakeConfig,
    responder: &HandshakeConfig,
    seeds: (u8, u8),
    mut wire: impl FnMut(usize, &mut BytesMut),
) -> Result<Shaken, HandshakeError> {
    let (initiator, mut first) = Initiator::start(initiator, rng(seeds.0));
    let responder = Responder::start(responder, rng(seeds.1));
    wire(0, &mut first);
    let (responder, mut second) = match responder.read(&first) {
        Ok(answered) => answered,
        Err(refusal) => {
            // Whatever the responder says in its refusal, the initiator must fail as well.
            let mut reply = refusal.reply.ok_or(refusal.error)?;
            wire(1, &mut reply);
            return Err(initiator.read(&reply).unwrap_err());
        }
    };
    wire(1, &mut second);
    let (initiator, mut third) = initiator.read(&second)?;
    wire(2, &mut third);
    let responder = responder.read(&third)?;
    Ok(Shaken { initiator, responder, messages: [first, second, third] })
}

fn shake(initiator: &HandshakeConfig, responder: &HandshakeConfig) -> Result<Shaken, HandshakeError> {
    shake_through(initiator, responder, (1, 2), |_, _| ())
}

/// The first record of a side: its proof, and then `rest`.
fn first_record(side: &mut Unproven, identity: &Identity, rest: &[u8]) -> BytesMut {
    let mut plaintext = Vec::new();
    side.proof(identity, identity.sign_incarnation(Incarnation::new(5))).encode_frame(&mut plaintext);
    plaintext.extend_from_slice(rest);
    sealed_by(side.sealer_mut(), &plaintext)
}

/// A record as it arrives: without its prefix.
fn sealed_by(sealer: &mut super::Sealer, plaintext: &[u8]) -> BytesMut {
    let mut record = BytesMut::zeroed(PREFIX_LEN);
    record.extend_from_slice(plaintext);
    sealer.seal(&mut record, 0).unwrap();
    record.split_off(PREFIX_LEN)
}

/// Two sides that have proved who they are: identities 11 and 12.
fn sessions(config: &HandshakeConfig) -> (Session, Session) {
    let Shaken { mut initiator, mut responder, .. } = shake(config, config).unwrap();
    let from_initiator = first_record(&mut initiator, &identity(11), b"");
    let from_responder = first_record(&mut responder, &identity(12), b"");
    (initiator.prove(from_responder).unwrap().0, responder.prove(from_initiator).unwrap().0)
}
