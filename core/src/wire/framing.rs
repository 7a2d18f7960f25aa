//! Stream framing: a big-endian `u32` length in front of every handshake message and every record.

use bytes::{Buf, BytesMut};

use super::{WireError, WireErrorKind};

/// Bytes of the length prefix.
pub const PREFIX_LEN: usize = 4;

/// Cuts a byte stream into messages. It holds at most one unfinished message, and refuses a length over the limit
/// before it buffers anything of it.
///
/// ```
/// use bytes::BytesMut;
/// use lacewing_core::wire::framing::Deframer;
///
/// let mut deframer = Deframer::new(4_096);
/// deframer.push(BytesMut::from(&[0, 0, 0, 2, b'h'][..]));
/// assert_eq!(deframer.next().unwrap(), None);
/// deframer.push(BytesMut::from(&b"i"[..]));
/// assert_eq!(&deframer.next().unwrap().unwrap()[..], b"hi");
/// ```
#[derive(Debug)]
pub struct Deframer {
    buffer: BytesMut,
    length_max: usize,
}

impl Deframer {
    /// A deframer for messages of 1 to `length_max` bytes.
    pub fn new(length_max: usize) -> Self {
        Self { buffer: BytesMut::new(), length_max }
    }

    /// Changes the limit, from the next message on.
    pub fn set_length_max(&mut self, length_max: usize) {
        self.length_max = length_max;
    }

    /// Adds bytes that arrived. Without a remainder from before they are taken as they are, not copied.
    pub fn push(&mut self, data: BytesMut) {
        if self.buffer.is_empty() {
            self.buffer = data;
        } else {
            self.buffer.unsplit(data);
        }
    }

    /// The next whole message without its prefix; `None` when more bytes are needed.
    #[expect(clippy::should_implement_trait, reason = "an iterator would have to be fused after an error")]
    pub fn next(&mut self) -> Result<Option<BytesMut>, WireError> {
        let Some(prefix) = self.buffer.first_chunk::<PREFIX_LEN>() else { return Ok(None) };
        let length = u32::from_be_bytes(*prefix) as usize;
        if length == 0 {
            return Err(WireError { kind: WireErrorKind::Empty, at: 0 });
        }
        if length > self.length_max {
            return Err(WireError { kind: WireErrorKind::TooLarge, at: 0 });
        }
        if self.buffer.len() < PREFIX_LEN + length {
            return Ok(None);
        }
        self.buffer.advance(PREFIX_LEN);
        // The last message takes the whole buffer with it, so that an idle stream holds none of the driver's memory.
        let is_last = self.buffer.len() == length;
        Ok(Some(if is_last { core::mem::take(&mut self.buffer) } else { self.buffer.split_to(length) }))
    }

    /// Bytes of the unfinished message.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }
}
