//! Somebody who holds the network key, records every byte of a link, and tries to read it.
//!
//! The derivation here is written from the Noise specification and shares no code with the session. The same code
//! reads everything once it is given the ephemeral secrets; so where it cannot read without them, that is not for want
//! of knowing how.

use rand_core::Rng;
use x25519_dalek::{PublicKey, StaticSecret};

use super::super::{PATTERN_KEYED, PATTERN_OPEN, RecordError, prologue};
use super::*;
use crate::crypto::{CryptoProvider, TAG_LEN};

type Key = [u8; 32];

fn hmac(key: &Key, parts: &[&[u8]]) -> Key {
    let mut padded = [0; 64];
    padded[..32].copy_from_slice(key);
    let inner_pad = padded.map(|byte| byte ^ 0x36);
    let outer_pad = padded.map(|byte| byte ^ 0x5c);
    let inner = RustCrypto.sha256(&[&[&inner_pad[..]], parts].concat());
    RustCrypto.sha256(&[&outer_pad, &inner])
}

/// HKDF of the specification, section 4.3.
fn hkdf(chaining_key: &Key, material: &[u8]) -> [Key; 3] {
    let temporary = hmac(chaining_key, &[material]);
    let first = hmac(&temporary, &[&[1]]);
    let second = hmac(&temporary, &[&first, &[2]]);
    let third = hmac(&temporary, &[&second, &[3]]);
    [first, second, third]
}

fn nonce(counter: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&counter.to_be_bytes());
    nonce
}

fn opened(aead: AeadId, key: &Key, counter: u64, aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (text, tag) = sealed.split_last_chunk::<TAG_LEN>()?;
    let mut text = text.to_vec();
    RustCrypto.aead(aead, key).open(&nonce(counter), aad, &mut text, tag).ok()?;
    Some(text)
}

/// The symmetric state of the specification, section 5.2.
#[derive(Clone)]
struct Derivation {
    chaining_key: Key,
    hash: Key,
    key: Option<(Key, u64)>,
}

impl Derivation {
    fn new(pattern: &str) -> Self {
        // The names of both patterns: 28 bytes are padded, 32 are just as long as a hash.
        let mut name = [0; 32];
        name[..pattern.len()].copy_from_slice(pattern.as_bytes());
        let mut derivation = Self { chaining_key: name, hash: name, key: None };
        derivation.mix_hash(&prologue(pattern, &"test".parse().unwrap()));
        derivation
    }

    fn mix_hash(&mut self, data: &[u8]) {
        self.hash = RustCrypto.sha256(&[&self.hash, data]);
    }

    fn mix_key(&mut self, material: &[u8]) {
        let [chaining_key, key, _] = hkdf(&self.chaining_key, material);
        (self.chaining_key, self.key) = (chaining_key, Some((key, 0)));
    }

    fn mix_network_key(&mut self, network_key: &Key) {
        let [chaining_key, hashed, key] = hkdf(&self.chaining_key, network_key);
        self.chaining_key = chaining_key;
        self.mix_hash(&hashed);
        self.key = Some((key, 0));
    }

    /// Takes a public key off the message; with a network key, it is mixed into the key too (section 9.2).
    fn ephemeral(&mut self, message: &mut &[u8], keyed: bool) -> Key {
        let (key, rest) = message.split_first_chunk::<32>().unwrap();
        *message = rest;
        self.mix_hash(key);
        if keyed {
            self.mix_key(key);
        }
        *key
    }

    fn decrypt(&mut self, sealed: &[u8]) -> Option<Vec<u8>> {
        let text = match &mut self.key {
            None => sealed.to_vec(),
            Some((key, counter)) => {
                let text = opened(AeadId::Aes256Gcm, key, *counter, &self.hash, sealed)?;
                *counter += 1;
                text
            }
        };
        self.mix_hash(sealed);
        Some(text)
    }

    fn split(&self) -> [Key; 2] {
        let [initiators, responders, _] = hkdf(&self.chaining_key, &[]);
        [initiators, responders]
    }
}

/// What the recorder of a handshake has.
struct Recording {
    network_key: Option<Key>,
    messages: [BytesMut; 3],
}

/// The three shared secrets, in the order in which they are mixed in.
struct SharedSecrets {
    ee: Key,
    es: Key,
    se: Key,
}

impl Recording {
    /// Reads message 1, for which the network key is enough; gives its payload.
    fn first(&self) -> (Derivation, Option<Vec<u8>>) {
        let keyed = self.network_key.is_some();
        let mut derivation = Derivation::new(if keyed { PATTERN_KEYED } else { PATTERN_OPEN });
        if let Some(key) = &self.network_key {
            derivation.mix_network_key(key);
        }
        let mut message = &self.messages[0][..];
        derivation.ephemeral(&mut message, keyed);
        let payload = derivation.decrypt(message);
        (derivation, payload)
    }

    /// Reads messages 2 and 3, for which shared secrets are needed; gives the keys of both directions.
    fn rest(&self, secrets: &SharedSecrets) -> Option<[Key; 2]> {
        let mut derivation = self.first().0;
        let mut second = &self.messages[1][..];
        derivation.ephemeral(&mut second, self.network_key.is_some());
        derivation.mix_key(&secrets.ee);
        let (sealed_static, payload) = second.split_at(48);
        derivation.decrypt(sealed_static)?;
        derivation.mix_key(&secrets.es);
        derivation.decrypt(payload)?;
        let (sealed_static, payload) = self.messages[2].split_at(48);
        derivation.decrypt(sealed_static)?;
        derivation.mix_key(&secrets.se);
        derivation.decrypt(payload)?;
        Some(derivation.split())
    }

    fn ephemerals(&self) -> [Key; 2] {
        [0, 1].map(|number| *self.messages[number].first_chunk().unwrap())
    }
}

/// A side's static and ephemeral secret, in the order in which it draws them.
fn secrets_of(seed: u8) -> [StaticSecret; 2] {
    let mut rng = rng(seed);
    [(); 2].map(|()| {
        let mut secret = [0; 32];
        rng.fill_bytes(&mut secret);
        StaticSecret::from(secret)
    })
}

fn shared(ours: &StaticSecret, theirs: &StaticSecret) -> Key {
    ours.diffie_hellman(&PublicKey::from(theirs)).to_bytes()
}

/// What only the two sides know, from their seeds.
fn true_secrets() -> SharedSecrets {
    let ([initiator_static, initiator_ephemeral], [responder_static, responder_ephemeral]) =
        (secrets_of(1), secrets_of(2));
    SharedSecrets {
        ee: shared(&initiator_ephemeral, &responder_ephemeral),
        es: shared(&initiator_ephemeral, &responder_static),
        se: shared(&initiator_static, &responder_ephemeral),
    }
}

fn recorded(key: Option<u8>, aead: AeadId) -> (Recording, [BytesMut; 2]) {
    let config = config_with(key, (1, 1), &[aead]);
    let Shaken { mut initiator, mut responder, messages } = shake(&config, &config).unwrap();
    let records = [
        first_record(&mut initiator, &identity(11), b"a word in confidence"),
        first_record(&mut responder, &identity(12), b"and the answer"),
    ];
    (Recording { network_key: key.map(|byte| [byte; 32]), messages }, records)
}

/// Every key at hand and everything that can be computed from what was seen.
fn guesses(recording: &Recording) -> Vec<Key> {
    let [first, second] = recording.ephemerals();
    let own = StaticSecret::from([66; 32]);
    let network_key = recording.network_key.unwrap();
    let mut guesses = alloc::vec![
        [0; 32],
        [0xff; 32],
        network_key,
        first,
        second,
        PublicKey::from(&own).to_bytes(),
        own.diffie_hellman(&PublicKey::from(first)).to_bytes(),
        own.diffie_hellman(&PublicKey::from(second)).to_bytes(),
        StaticSecret::from(network_key).diffie_hellman(&PublicKey::from(first)).to_bytes(),
        StaticSecret::from(network_key).diffie_hellman(&PublicKey::from(second)).to_bytes(),
        StaticSecret::from(first).diffie_hellman(&PublicKey::from(second)).to_bytes(),
        RustCrypto.sha256(&[&first, &second]),
        RustCrypto.sha256(&[&network_key, &first, &second]),
    ];
    let state = recording.first().0;
    guesses.extend([state.chaining_key, state.hash, state.key.unwrap().0]);
    guesses.extend(state.split());
    guesses
}

#[test]
fn the_two_sides_secrets_open_the_link_so_that_the_derivation_is_right() {
    for key in [None, Some(7)] {
        for aead in AeadId::ALL {
            let (recording, records) = recorded(key, aead);
            let keys = recording.rest(&true_secrets()).unwrap();
            for ((key, record), text) in
                keys.iter().zip(&records).zip([&b"a word in confidence"[..], b"and the answer"])
            {
                let length = (record.len() as u32).to_be_bytes();
                assert!(opened(aead, key, 0, &length, record).unwrap().ends_with(text));
            }
        }
    }
}

#[test]
fn rekeying_is_the_one_of_the_specification() {
    for aead in AeadId::ALL {
        let config = config_with(Some(7), (1, 1), &[aead]);
        let Shaken { mut initiator, messages, .. } = shake(&config, &config).unwrap();
        let [key, _] = Recording { network_key: Some([7; 32]), messages }.rest(&true_secrets()).unwrap();
        let mut next = [0; 32];
        RustCrypto.aead(aead, &key).seal(
            &[0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255],
            b"",
            &mut next,
        );

        let sealer = initiator.sealer_mut();
        sealed_by(sealer, b"record 0");
        sealer.rekey();
        let record = sealed_by(sealer, b"record 1");
        let length = (record.len() as u32).to_be_bytes();
        assert_eq!(opened(aead, &next, 1, &length, &record).unwrap(), b"record 1");
    }
}

#[test]
fn the_network_key_reads_the_offer_and_nothing_after_it() {
    for aead in AeadId::ALL {
        let (recording, records) = recorded(Some(7), aead);
        let offer = recording.first().1.expect("members can read what others offer");
        assert_eq!(Offer::decode(&offer).unwrap().aeads, [aead]);

        let guesses = guesses(&recording);
        for guess in &guesses {
            let secrets = SharedSecrets { ee: *guess, es: *guess, se: *guess };
            assert_eq!(recording.rest(&secrets), None);
            // Nor is any of them, or what Split makes of them, the key of a record.
            let split = Derivation { chaining_key: *guess, ..Derivation::new(PATTERN_KEYED) }.split();
            for key in [*guess, split[0], split[1]] {
                for record in &records {
                    let length = (record.len() as u32).to_be_bytes();
                    assert_eq!(opened(aead, &key, 0, &length, record), None);
                }
            }
        }
        // Even the ephemeral secret alone would not do: the static keys are fresh, and go in as well.
        let SharedSecrets { ee, .. } = true_secrets();
        for guess in guesses {
            assert_eq!(recording.rest(&SharedSecrets { ee, es: guess, se: guess }), None);
        }
    }
}

#[test]
fn without_the_network_key_not_even_the_offer_can_be_read() {
    let (recording, _) = recorded(Some(7), AeadId::Aes256Gcm);
    let stranger = Recording { network_key: Some([8; 32]), messages: recording.messages.clone() };
    assert_eq!(stranger.first().1, None);
    assert_eq!(stranger.rest(&true_secrets()), None);
}

#[test]
fn a_member_that_repeats_recorded_messages_gets_no_session_that_opens_the_records() {
    let config = config_with(Some(7), (1, 1), &[AeadId::Aes256Gcm]);
    let (Recording { messages: [first, second, third], .. }, [record, _]) =
        recorded(Some(7), AeadId::Aes256Gcm);

    // As the responder: the recorded message 3 answers another message 2.
    let (impostor, _) = Responder::start(&config, rng(66)).read(&first).unwrap();
    assert_eq!(impostor.read(&third).unwrap_err(), HandshakeError::Failed);
    // As the initiator: the recorded message 2 answers another message 1.
    let (impostor, _) = Initiator::start(&config, rng(66));
    assert_eq!(impostor.read(&second).unwrap_err(), HandshakeError::Failed);
    // A session of its own with either side has other keys.
    let own = shake_through(&config, &config, (66, 2), |_, _| ()).unwrap();
    let error = own.responder.prove(record.clone()).unwrap_err();
    assert_eq!(error, super::super::SessionError::Record(RecordError::Rejected));
    let own = shake_through(&config, &config, (1, 66), |_, _| ()).unwrap();
    assert!(own.responder.prove(record).is_err());
}

#[test]
fn nothing_that_was_sealed_shows_on_the_wire() {
    for config in both_patterns() {
        let Shaken { mut initiator, messages, .. } = shake(&config, &config).unwrap();
        let identity = identity(11);
        let record = first_record(&mut initiator, &identity, b"orders/eu/place");
        let seen: Vec<u8> = messages.iter().chain([&record]).flatten().copied().collect();
        let shows = |needle: &[u8]| seen.windows(needle.len()).any(|window| window == needle);
        assert!(!shows(b"orders"));
        assert!(!shows(&identity.public_key().0[..8]));
        assert!(!shows(&identity.node_id().as_bytes()[..8]));
        assert!(!shows(b"test"), "the network's name is in the prologue, which is not sent");
    }
}
