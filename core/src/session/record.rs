//! Records: what a session sends, sealed by the key and the counter of its direction.
//!
//! On a stream a record is `u32` length, big-endian, of what follows; ciphertext; 16 bytes of tag. The length is the
//! associated data. The counter is not sent: a stream loses nothing and keeps the order, so that a record that was lost,
//! repeated or moved does not open.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;

use bytes::BytesMut;
use zeroize::Zeroizing;

use super::noise::nonce_of;
use crate::code::CloseReason;
use crate::crypto::{AeadId, AeadKey, CryptoProvider, TAG_LEN};
use crate::wire::frame::RECORD_LEN_MAX;
use crate::wire::framing::PREFIX_LEN;

/// A record that cannot be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// It does not authenticate: corrupted, forged, replayed, reordered, or too short to hold a tag.
    #[error("the record does not authenticate: it was changed, repeated, reordered or lost on the way")]
    Rejected,
    /// It is longer than records may be.
    #[error("a record has at most {RECORD_LEN_MAX} bytes with its tag, this one has {0}")]
    TooLarge(usize),
    /// Every counter of this direction has been used. Sending at full speed this takes centuries.
    #[error("every record number of this session has been used")]
    Exhausted,
}

impl RecordError {
    /// Why the link closes.
    pub const fn close_reason(self) -> CloseReason {
        match self {
            Self::Rejected | Self::Exhausted => CloseReason::RecordRejected,
            Self::TooLarge(_) => CloseReason::LengthExceeded,
        }
    }
}

/// One direction of a session: a key, and how often it was used.
struct Direction {
    crypto: Arc<dyn CryptoProvider>,
    aead: AeadId,
    key: Box<dyn AeadKey>,
    /// The number of the next record. It goes on when the key changes.
    counter: u64,
    /// Bytes on the wire under the present key, length prefixes not counted.
    bytes_under_key: u64,
}

impl Direction {
    fn new(crypto: Arc<dyn CryptoProvider>, aead: AeadId, key: &[u8; 32]) -> Self {
        let key = crypto.aead(aead, key);
        Self { crypto, aead, key, counter: 0, bytes_under_key: 0 }
    }

    /// The nonce of the next record. 2^64-1 belongs to [`rekey`](Self::rekey).
    fn nonce(&self) -> Result<[u8; 12], RecordError> {
        if self.counter == u64::MAX { Err(RecordError::Exhausted) } else { Ok(nonce_of(self.counter)) }
    }

    fn used(&mut self, record_len: usize) {
        self.counter += 1;
        self.bytes_under_key += record_len as u64;
    }

    /// Noise, section 4.2: the next key is what the present one makes of 32 zero bytes with the nonce 2^64-1.
    fn rekey(&mut self) {
        let mut next = Zeroizing::new([0; 32]);
        self.key.seal(&nonce_of(u64::MAX), &[], &mut *next);
        self.key = self.crypto.aead(self.aead, &next);
        self.bytes_under_key = 0;
    }

    fn debug(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name).field("aead", &self.aead).field("counter", &self.counter).finish_non_exhaustive()
    }
}

/// Seals what this side sends.
///
/// The [module example](super) shows one at work.
pub struct Sealer(Direction);

impl Sealer {
    /// Bytes that a record takes besides its plaintext: the prefix and the tag.
    pub const OVERHEAD: usize = PREFIX_LEN + TAG_LEN;
    /// Longest plaintext of a record.
    pub const PLAINTEXT_LEN_MAX: usize = RECORD_LEN_MAX - TAG_LEN;

    pub(super) fn new(crypto: Arc<dyn CryptoProvider>, aead: AeadId, key: &[u8; 32]) -> Self {
        Self(Direction::new(crypto, aead, key))
    }

    /// Makes `buffer[start..]` a record, in place: four bytes that are overwritten with the length, and the plaintext,
    /// which is encrypted and followed by its tag. Allocates nothing where the buffer has room for the tag. On an error
    /// nothing was changed.
    ///
    /// Panics if there are no four bytes from `start`, which is a bug of the caller.
    pub fn seal(&mut self, buffer: &mut BytesMut, start: usize) -> Result<(), RecordError> {
        let text_start = start + PREFIX_LEN;
        assert!(buffer.len() >= text_start, "room for the prefix comes first");
        let record_len = buffer.len() - text_start + TAG_LEN;
        if record_len > RECORD_LEN_MAX {
            return Err(RecordError::TooLarge(record_len));
        }
        let nonce = self.0.nonce()?;
        let prefix = (record_len as u32).to_be_bytes();
        buffer[start..text_start].copy_from_slice(&prefix);
        let tag = self.0.key.seal(&nonce, &prefix, &mut buffer[text_start..]);
        buffer.extend_from_slice(&tag);
        self.0.used(record_len);
        Ok(())
    }

    /// Makes `buffer[..header_len]` the associated data of a record whose plaintext is the rest, and seals it under an explicit
    /// number, for carriers that may lose records or change their order. No number may be used twice; 0 is taken by the
    /// proof of identity, and 2^64-1 by rekeying.
    pub fn seal_numbered(
        &mut self,
        number: u64,
        buffer: &mut BytesMut,
        header_len: usize,
    ) -> Result<(), RecordError> {
        if number == 0 || number == u64::MAX {
            return Err(RecordError::Exhausted);
        }
        let record_len = buffer.len().saturating_sub(header_len) + TAG_LEN;
        if record_len > RECORD_LEN_MAX {
            return Err(RecordError::TooLarge(record_len));
        }
        let (header, text) = buffer.split_at_mut(header_len);
        let tag = self.0.key.seal(&nonce_of(number), header, text);
        buffer.extend_from_slice(&tag);
        self.0.bytes_under_key += record_len as u64;
        Ok(())
    }

    /// Goes on to the next key. The peer must do the same with its [`Opener`] after the last record under this one.
    pub fn rekey(&mut self) {
        self.0.rekey();
    }

    /// Bytes sealed under the present key, tags included. An AEAD is safe only up to a bounded amount.
    pub fn bytes_under_key(&self) -> u64 {
        self.0.bytes_under_key
    }

    /// The number of the next record.
    pub fn counter(&self) -> u64 {
        self.0.counter
    }

    #[cfg(test)]
    pub(super) fn set_counter(&mut self, counter: u64) {
        self.0.counter = counter;
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.debug("Sealer", f)
    }
}

/// Opens what the peer sends.
///
/// The [module example](super) shows one at work.
pub struct Opener(Direction);

impl Opener {
    pub(super) fn new(crypto: Arc<dyn CryptoProvider>, aead: AeadId, key: &[u8; 32]) -> Self {
        Self(Direction::new(crypto, aead, key))
    }

    /// Decrypts a record in place and gives its plaintext. `record` is ciphertext and tag, without the prefix.
    /// Allocates nothing. After an error the session is of no more use: the stream has lost its place.
    pub fn open(&mut self, mut record: BytesMut) -> Result<BytesMut, RecordError> {
        let record_len = record.len();
        if record_len > RECORD_LEN_MAX {
            return Err(RecordError::TooLarge(record_len));
        }
        let nonce = self.0.nonce()?;
        let prefix = (record_len as u32).to_be_bytes();
        let (text, tag) = record.split_last_chunk_mut::<TAG_LEN>().ok_or(RecordError::Rejected)?;
        self.0.key.open(&nonce, &prefix, text, tag).map_err(|_| RecordError::Rejected)?;
        self.0.used(record_len);
        record.truncate(record_len - TAG_LEN);
        Ok(record)
    }

    /// Opens a record with an explicit number. Whether the number was seen before is for the caller to know. A record that
    /// does not open changes nothing: it may have been put in by a stranger.
    pub fn open_numbered(
        &mut self,
        number: u64,
        header: &[u8],
        mut record: BytesMut,
    ) -> Result<BytesMut, RecordError> {
        let record_len = record.len();
        if record_len > RECORD_LEN_MAX {
            return Err(RecordError::TooLarge(record_len));
        }
        if number == 0 || number == u64::MAX {
            return Err(RecordError::Rejected);
        }
        let (text, tag) = record.split_last_chunk_mut::<TAG_LEN>().ok_or(RecordError::Rejected)?;
        self.0.key.open(&nonce_of(number), header, text, tag).map_err(|_| RecordError::Rejected)?;
        self.0.bytes_under_key += record_len as u64;
        record.truncate(record_len - TAG_LEN);
        Ok(record)
    }

    /// Goes on to the next key, as the peer has done.
    pub fn rekey(&mut self) {
        self.0.rekey();
    }

    /// Bytes opened under the present key, tags included.
    pub fn bytes_under_key(&self) -> u64 {
        self.0.bytes_under_key
    }

    /// The number of the next record.
    pub fn counter(&self) -> u64 {
        self.0.counter
    }

    #[cfg(test)]
    pub(super) fn set_counter(&mut self, counter: u64) {
        self.0.counter = counter;
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.debug("Opener", f)
    }
}
