//! Messages that arrive in several chunks.

use bytes::{Bytes, BytesMut};

use crate::code::CloseReason;
use crate::wire::payload::{Codec, Payload};

/// A message of which some chunks are still to come. The buffer grows as chunks arrive, whatever the sender claimed.
#[derive(Debug)]
pub(crate) struct Reassembly {
    codec: Codec,
    total_len: usize,
    buffer: BytesMut,
}

/// Where a message stands after a chunk.
#[derive(Debug)]
pub(crate) enum Progress {
    /// More is to come.
    Unfinished,
    /// That was the last chunk.
    Whole(Payload),
}

impl Reassembly {
    pub(crate) fn new(codec: Codec, total_len: usize) -> Self {
        Self { codec, total_len, buffer: BytesMut::new() }
    }

    /// Bytes that have arrived.
    pub(crate) fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Adds a chunk. Fewer or more bytes than were announced break the protocol, and so does an empty chunk.
    pub(crate) fn add(&mut self, chunk: &[u8], more: bool) -> Result<Progress, CloseReason> {
        let left =
            self.total_len.checked_sub(self.buffer.len() + chunk.len()).ok_or(CloseReason::MalformedFrame)?;
        match (more, left) {
            (true, 1..) if !chunk.is_empty() => {
                self.buffer.extend_from_slice(chunk);
                Ok(Progress::Unfinished)
            }
            (false, 0) => {
                self.buffer.extend_from_slice(chunk);
                let data: Bytes = core::mem::take(&mut self.buffer).freeze();
                Ok(Progress::Whole(Payload { codec: self.codec, data }))
            }
            _ => Err(CloseReason::MalformedFrame),
        }
    }
}
