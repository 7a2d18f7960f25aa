//! Bodies of frames: deterministic CBOR maps with integer keys. Unknown keys are skipped.
//!
//! The body of IDENTITY belongs to the handshake and lives in `session`.

pub mod directory;
pub mod discovery;
pub mod routing;
pub mod topics;
mod tunnel;

use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;
use alloc::vec::Vec;

use bytes::{BufMut, Bytes};

pub use tunnel::{
    ACK_GAPS_MAX, ACK_NUMBER_BIT, ProbeAnswer, TUNNEL_HEADER_LEN, TunnelAck, TunnelHeader, TunnelKind,
};

use super::cbor::{Reader, Writer};
use super::headers::Headers;
use super::path::ActionPath;
use super::shape::Shape;
use super::{WireError, WireErrorKind};
use crate::address::Address;
use crate::code::{CloseReason, Code, Error, Kind};
use crate::identity::NodeLabel;

/// Most addresses in a HELLO. With IDENTITY it fits the 4 KiB that an unproved peer may send at once.
pub const HELLO_ADDRS_MAX: u64 = 8;
/// The smallest window of a stream in bytes, which is also what a caller may upload before the handler grants anything.
pub const STREAM_WINDOW_MIN: u32 = 16 * 1024;
/// What each item takes of a stream's window besides its bytes, so that empty ones are not free.
pub const STREAM_ITEM_COST: usize = 64;
/// Longest address text: host, brackets, colon and port.
const ADDRESS_LEN_MAX: usize = Address::HOST_LEN_MAX + 8;
/// Longest token in a HELLO in bytes, so that the record fits what is read of somebody who has proved nothing.
pub const MEMBERSHIP_LEN_MAX: usize = 1_024;

/// Range of a keep-alive interval in milliseconds.
pub const KEEPALIVE_MS: core::ops::RangeInclusive<u64> = 100..=60_000;

/// HELLO: what a node tells its neighbour besides who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// What people call the sender.
    pub label: NodeLabel,
    /// Where the sender can be dialled.
    pub addrs: Vec<Address>,
    /// Bits for optional features. None is defined yet; unknown bits are ignored.
    pub features: u64,
    /// After this many milliseconds without anything to send, the sender sends a KEEPALIVE.
    pub keepalive_ms: u32,
    /// The address that the sender dialled to get here; absent from the side that accepted.
    pub dialled: Option<Address>,
    /// A token that makes the sender a member, where it has one: at most [`MEMBERSHIP_LEN_MAX`] bytes, opaque here.
    pub membership: Option<Bytes>,
}

impl Hello {
    /// Appends the body.
    pub fn encode(&self, out: &mut impl BufMut) {
        let mut writer = Writer::new(out);
        writer.map(4 + usize::from(self.dialled.is_some()) + usize::from(self.membership.is_some()));
        writer.uint(1).text(self.label.as_str());
        writer.uint(2).array(self.addrs.len());
        for addr in &self.addrs {
            writer.text(&alloc::format!("{addr}"));
        }
        writer.uint(3).uint(self.features);
        writer.uint(4).uint(self.keepalive_ms.into());
        if let Some(dialled) = &self.dialled {
            writer.uint(5).text(&alloc::format!("{dialled}"));
        }
        if let Some(membership) = &self.membership {
            writer.uint(6).bytes(membership);
        }
    }

    /// Reads a whole body.
    pub fn decode(body: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let mut fields = reader.fields()?;
        let (mut label, mut addrs, mut features, mut keepalive_ms) = (None, None, None, None);
        let (mut dialled, mut membership) = (None, None);
        while let Some(key) = fields.next(&mut reader)? {
            match key {
                1 => label = Some(parsed(&mut reader, NodeLabel::LEN_MAX)?),
                2 => {
                    let count = reader.array(HELLO_ADDRS_MAX)?;
                    let mut list = Vec::new();
                    for _ in 0..count {
                        list.push(parsed(&mut reader, ADDRESS_LEN_MAX)?);
                    }
                    addrs = Some(list);
                }
                3 => features = Some(reader.uint()?),
                4 => {
                    let at = reader.position();
                    let value = reader.uint()?;
                    if !KEEPALIVE_MS.contains(&value) {
                        return Err(WireError { kind: WireErrorKind::OutOfRange, at });
                    }
                    keepalive_ms = Some(value as u32);
                }
                5 => dialled = Some(parsed(&mut reader, ADDRESS_LEN_MAX)?),
                6 => {
                    let at = reader.position();
                    let token = reader.bytes()?;
                    if token.len() > MEMBERSHIP_LEN_MAX {
                        return Err(WireError { kind: WireErrorKind::OutOfRange, at });
                    }
                    membership = Some(Bytes::copy_from_slice(token));
                }
                _ => reader.skip()?,
            }
        }
        let missing = reader.error(WireErrorKind::MissingField);
        reader.finish()?;
        Ok(Self {
            label: label.ok_or(missing)?,
            addrs: addrs.ok_or(missing)?,
            features: features.ok_or(missing)?,
            keepalive_ms: keepalive_ms.ok_or(missing)?,
            dialled,
            membership,
        })
    }
}

/// A text that must parse as `T`.
fn parsed<T: core::str::FromStr>(reader: &mut Reader<'_>, length_max: usize) -> Result<T, WireError> {
    let at = reader.position();
    let text = reader.text_max(length_max)?;
    text.parse().map_err(|_| WireError { kind: WireErrorKind::OutOfRange, at })
}

/// A body that is a map with the one key 1 and an unsigned integer: CREDIT (bytes) and GOODBYE (reason).
fn encode_single(value: u64, out: &mut impl BufMut) {
    Writer::new(out).map(1).uint(1).uint(value);
}

fn decode_single(body: &[u8], max: u64) -> Result<u64, WireError> {
    let mut reader = Reader::new(body);
    let mut fields = reader.fields()?;
    let mut value = None;
    while let Some(key) = fields.next(&mut reader)? {
        match key {
            1 => value = Some(reader.uint_max(max)?),
            _ => reader.skip()?,
        }
    }
    let missing = reader.error(WireErrorKind::MissingField);
    reader.finish()?;
    value.ok_or(missing)
}

/// CREDIT: the receiver of this frame may send `bytes` more of calls. `UPLOAD_CREDIT` and `ITEM_CREDIT` have the same body, and are about the
/// items of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credit {
    /// Additional bytes. On a link: of frames that use its credit, headers included. On a stream: of items, and
    /// [`STREAM_ITEM_COST`] for each.
    pub bytes: u32,
}

impl Credit {
    /// Appends the body.
    pub fn encode(self, out: &mut impl BufMut) {
        encode_single(self.bytes.into(), out);
    }

    /// Reads a whole body.
    pub fn decode(body: &[u8]) -> Result<Self, WireError> {
        Ok(Self { bytes: decode_single(body, u32::MAX.into())? as u32 })
    }
}

/// GOODBYE: the sender starts no more calls on this link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Goodbye {
    /// Why. An unknown number reads as `graceful`.
    pub reason: CloseReason,
}

impl Goodbye {
    /// Appends the body.
    pub fn encode(self, out: &mut impl BufMut) {
        encode_single(self.reason.number().into(), out);
    }

    /// Reads a whole body.
    pub fn decode(body: &[u8]) -> Result<Self, WireError> {
        let number = decode_single(body, u16::MAX.into())?;
        Ok(Self { reason: CloseReason::from_number(number as u16).unwrap_or(CloseReason::Graceful) })
    }
}

/// STALE: the owner-signed incarnation that overtakes the one the receiver came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale {
    /// The later incarnation.
    pub incarnation: u64,
    /// The receiver's own signature of it.
    pub signature: [u8; 64],
}

impl Stale {
    /// Appends the body.
    pub fn encode(&self, out: &mut impl BufMut) {
        Writer::new(out).map(2).uint(1).uint(self.incarnation).uint(2).bytes(&self.signature);
    }

    /// Reads a whole body.
    pub fn decode(body: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let mut fields = reader.fields()?;
        let (mut incarnation, mut signature) = (None, None);
        while let Some(key) = fields.next(&mut reader)? {
            match key {
                1 => incarnation = Some(reader.uint()?),
                2 => signature = Some(reader.byte_array()?),
                _ => reader.skip()?,
            }
        }
        let missing = reader.error(WireErrorKind::MissingField);
        reader.finish()?;
        Ok(Self { incarnation: incarnation.ok_or(missing)?, signature: signature.ok_or(missing)? })
    }
}

/// TOKEN: the sender has this token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenShown<'a> {
    /// Its bytes. Whoever receives them bounds and reads them as a token; here they are opaque.
    pub token: &'a [u8],
}

impl<'a> TokenShown<'a> {
    /// Appends the body: `{1: token}`.
    pub fn encode(self, out: &mut impl BufMut) {
        Writer::new(out).map(1).uint(1).bytes(self.token);
    }

    /// Reads a whole body.
    pub fn decode(body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let mut fields = reader.fields()?;
        let mut token = None;
        while let Some(key) = fields.next(&mut reader)? {
            match key {
                1 => token = Some(reader.bytes()?),
                _ => reader.skip()?,
            }
        }
        let missing = reader.error(WireErrorKind::MissingField);
        reader.finish()?;
        Ok(Self { token: token.ok_or(missing)? })
    }
}

/// The map at the start of a REQUEST; the payload, or its first chunk, follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead<'a> {
    /// The action's path.
    pub action: &'a str,
    /// How long the caller still waits, in microseconds.
    pub time_left_us: u64,
    /// How to read the payload.
    pub codec: u8,
    /// Bytes of the whole payload; present exactly when further chunks follow.
    pub total_len: Option<u64>,
    /// What most calls do without.
    pub extras: Cow<'a, RequestExtras>,
}

/// What most calls do without: headers, and what makes a call a stream or a cast.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RequestExtras {
    /// What the caller says besides its argument.
    pub headers: Headers,
    /// Present exactly when the call is a stream.
    pub stream: Option<StreamOpening>,
    /// Present where the caller waits for no answer. Never together with a stream.
    pub cast: Option<CastMode>,
}

/// What the sender of a cast waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CastMode {
    /// Nothing: there is neither REPLY nor ERROR.
    Silent = 1,
    /// An empty REPLY once it is accepted, before it runs; or an ERROR.
    Acknowledged = 2,
}

impl CastMode {
    /// The number on the wire.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The mode of a number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Silent),
            2 => Some(Self::Acknowledged),
            _ => None,
        }
    }
}

/// How the caller opens a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamOpening {
    /// Any shape but unary.
    pub shape: Shape,
    /// For how long nothing may move, in microseconds, at least 1.
    pub idle_us: u64,
    /// Bytes of items that the caller takes before it grants more: [`STREAM_WINDOW_MIN`] at least.
    pub window: u32,
}

impl RequestExtras {
    fn fields(&self) -> usize {
        usize::from(!self.headers.is_empty())
            + 3 * usize::from(self.stream.is_some())
            + usize::from(self.cast.is_some())
    }

    /// The most bytes that they can take on the wire.
    pub(crate) fn encoded_len_max(&self) -> usize {
        let headers = if self.headers.is_empty() { 0 } else { self.headers.encoded_len_max() };
        headers + 3 * 10 + 2
    }
}

impl<'a> RequestHead<'a> {
    /// Appends the head.
    pub fn encode(&self, out: &mut impl BufMut) {
        let mut writer = Writer::new(out);
        writer.map(3 + usize::from(self.total_len.is_some()) + self.extras.fields());
        writer.uint(1).text(self.action).uint(2).uint(self.time_left_us).uint(3).uint(self.codec.into());
        if let Some(total) = self.total_len {
            writer.uint(4).uint(total);
        }
        let RequestExtras { headers, stream, cast } = &*self.extras;
        if !headers.is_empty() {
            writer.uint(5);
            headers.write(&mut writer);
        }
        if let Some(StreamOpening { shape, idle_us, window }) = stream {
            writer.uint(6).uint(shape.number().into()).uint(7).uint(*idle_us).uint(8).uint((*window).into());
        }
        if let Some(cast) = cast {
            writer.uint(9).uint(cast.number().into());
        }
    }

    /// Reads the head at the start of a body; gives it with the number of bytes it took.
    pub fn decode(body: &'a [u8]) -> Result<(Self, usize), WireError> {
        let mut reader = Reader::new(body);
        let mut fields = reader.fields()?;
        let (mut action, mut time_left_us, mut codec, mut total_len) = (None, None, None, None);
        let (mut headers, mut shape, mut idle_us, mut window) = (Headers::new(), None, None, None);
        let mut cast = None;
        while let Some(key) = fields.next(&mut reader)? {
            match key {
                1 => action = Some(reader.text_max(ActionPath::LEN_MAX)?),
                2 => time_left_us = Some(reader.uint()?),
                3 => codec = Some(reader.uint_max(u8::MAX.into())? as u8),
                4 => total_len = Some(reader.uint()?),
                5 => headers = Headers::read(&mut reader)?,
                6 => shape = Some(stream_shape(&mut reader)?),
                7 => idle_us = Some(positive(&mut reader)?),
                8 => window = Some(stream_window(&mut reader)?),
                9 => cast = Some(cast_mode(&mut reader, shape.is_some())?),
                _ => reader.skip()?,
            }
        }
        let missing = reader.error(WireErrorKind::MissingField);
        let stream = match (shape, idle_us, window) {
            (None, None, None) => None,
            (Some(shape), Some(idle_us), Some(window)) => Some(StreamOpening { shape, idle_us, window }),
            _ => return Err(missing),
        };
        let head = Self {
            action: action.ok_or(missing)?,
            time_left_us: time_left_us.ok_or(missing)?,
            codec: codec.ok_or(missing)?,
            total_len,
            extras: Cow::Owned(RequestExtras { headers, stream, cast }),
        };
        Ok((head, reader.position()))
    }
}

fn stream_shape(reader: &mut Reader<'_>) -> Result<Shape, WireError> {
    let at = reader.position();
    let number = reader.uint_max(u8::MAX.into())? as u8;
    let out_of_range = WireError { kind: WireErrorKind::OutOfRange, at };
    Shape::from_number(number).filter(|shape| shape.is_stream()).ok_or(out_of_range)
}

/// How a request is a cast; one that is a stream is out of range.
fn cast_mode(reader: &mut Reader<'_>, is_stream: bool) -> Result<CastMode, WireError> {
    let at = reader.position();
    let mode = CastMode::from_number(reader.uint_max(u8::MAX.into())? as u8).filter(|_| !is_stream);
    mode.ok_or(WireError { kind: WireErrorKind::OutOfRange, at })
}

fn positive(reader: &mut Reader<'_>) -> Result<u64, WireError> {
    let at = reader.position();
    let value = reader.uint()?;
    if value == 0 { Err(WireError { kind: WireErrorKind::OutOfRange, at }) } else { Ok(value) }
}

fn stream_window(reader: &mut Reader<'_>) -> Result<u32, WireError> {
    let at = reader.position();
    let window = reader.uint_max(u32::MAX.into())? as u32;
    if window < STREAM_WINDOW_MIN {
        Err(WireError { kind: WireErrorKind::OutOfRange, at })
    } else {
        Ok(window)
    }
}

/// The map at the start of a REPLY, an UPLOAD or an ITEM; the payload, or its first chunk, follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyHead {
    /// How to read the payload.
    pub codec: u8,
    /// Bytes of the whole payload; present exactly when further chunks follow.
    pub total_len: Option<u64>,
}

impl ReplyHead {
    /// Appends the head.
    pub fn encode(&self, out: &mut impl BufMut) {
        let mut writer = Writer::new(out);
        writer.map(1 + usize::from(self.total_len.is_some())).uint(1).uint(self.codec.into());
        if let Some(total) = self.total_len {
            writer.uint(2).uint(total);
        }
    }

    /// Reads the head at the start of a body; gives it with the number of bytes it took.
    pub fn decode(body: &[u8]) -> Result<(Self, usize), WireError> {
        let mut reader = Reader::new(body);
        let mut fields = reader.fields()?;
        let (mut codec, mut total_len) = (None, None);
        while let Some(key) = fields.next(&mut reader)? {
            match key {
                1 => codec = Some(reader.uint_max(u8::MAX.into())? as u8),
                2 => total_len = Some(reader.uint()?),
                _ => reader.skip()?,
            }
        }
        let missing = reader.error(WireErrorKind::MissingField);
        Ok((Self { codec: codec.ok_or(missing)?, total_len }, reader.position()))
    }
}

/// Appends the body of an ERROR. Over-long texts are cut, over-long details left out, so that it always fits a frame.
pub fn encode_error(error: &Error, out: &mut impl BufMut) {
    let message = clipped(error.message(), Error::MESSAGE_LEN_MAX);
    let detail =
        (!error.detail().is_empty() && error.detail().len() <= Error::DETAIL_LEN_MAX).then(|| error.detail());
    let fields = 3
        + usize::from(error.kind().is_some())
        + usize::from(detail.is_some())
        + usize::from(error.retry_after_ms().is_some());
    let mut writer = Writer::new(out);
    writer.map(fields).uint(1).uint(error.code().number().into());
    if let Some(kind) = error.kind() {
        writer.uint(2).uint(kind.number().into());
    }
    writer.uint(3).text(message);
    if let Some(detail) = detail {
        writer.uint(4).bytes(detail);
    }
    writer.uint(5).bool(error.maybe_executed());
    if let Some(retry_after_ms) = error.retry_after_ms() {
        writer.uint(6).uint(retry_after_ms.into());
    }
}

/// The longest start of `text` of at most `length_max` bytes that ends at a character.
fn clipped(text: &str, length_max: usize) -> &str {
    let mut end = text.len().min(length_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Reads the body of an ERROR. A code that this version does not know reads as `Internal`; an unknown kind, or one of
/// another code, is left out.
pub fn decode_error(body: &[u8]) -> Result<Error, WireError> {
    let mut reader = Reader::new(body);
    let mut fields = reader.fields()?;
    let (mut code, mut kind, mut message, mut maybe_executed) = (None, None, None, None);
    let (mut detail, mut retry_after_ms) = (Bytes::new(), None);
    while let Some(key) = fields.next(&mut reader)? {
        match key {
            1 => code = Some(reader.uint_max(u16::MAX.into())? as u16),
            2 => kind = Kind::from_number(reader.uint_max(u16::MAX.into())? as u16),
            3 => message = Some(reader.text_max(Error::MESSAGE_LEN_MAX)?),
            4 => {
                let at = reader.position();
                let bytes = reader.bytes()?;
                if bytes.len() > Error::DETAIL_LEN_MAX {
                    return Err(WireError { kind: WireErrorKind::OutOfRange, at });
                }
                detail = Bytes::copy_from_slice(bytes);
            }
            5 => maybe_executed = Some(reader.bool()?),
            6 => retry_after_ms = Some(reader.uint_max(u32::MAX.into())? as u32),
            _ => reader.skip()?,
        }
    }
    let missing = reader.error(WireErrorKind::MissingField);
    reader.finish()?;
    let code = Code::from_number(code.ok_or(missing)?).unwrap_or(Code::Internal);
    let message: String = message.ok_or(missing)?.to_owned();
    let error = match kind.filter(|kind| kind.code() == code) {
        Some(kind) => Error::of_kind(kind, message),
        None => Error::new(code, message),
    };
    Ok(error
        .executed_perhaps(maybe_executed.ok_or(missing)?)
        .with_detail(detail)
        .with_retry_after_ms(retry_after_ms))
}
