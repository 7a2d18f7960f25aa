//! The frame header: 12 bytes in front of every frame in a record.

use bytes::BufMut;

use super::{WireError, WireErrorKind};

/// Bytes of a frame header.
pub const HEADER_LEN: usize = 12;
/// Largest record on the wire, tag included, without its length prefix.
pub const RECORD_LEN_MAX: usize = 65_535;
/// Largest body of a frame: what a record holds besides tag and header.
pub const BODY_LEN_MAX: usize = RECORD_LEN_MAX - crate::crypto::TAG_LEN - HEADER_LEN;
/// Most payload bytes in one frame; a longer message is sent in several.
pub const CHUNK_LEN_MAX: usize = 60 * 1024;
/// Largest message before a peer has proved its identity.
pub const HANDSHAKE_LEN_MAX: usize = 4_096;

/// What a frame is. Types from 0x80 on may be skipped by whoever does not know them; other unknown types close the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FrameType {
    /// The first frame each way: who the sender is, and the proof.
    Identity,
    /// Label, addresses and intervals of the sender.
    Hello,
    /// Nothing to say, still here.
    KeepAlive,
    /// The receiver of this frame may send that many bytes more.
    Credit,
    /// The sender will start no more calls here, and why.
    Goodbye,
    /// The last frame of a record; the next record is under the next key.
    Rekey,
    /// The receiver's own incarnation has been overtaken; here is the proof.
    Stale,
    /// A token that the sender has.
    Token,
    /// A call, or the first chunk of one.
    Request,
    /// A further chunk of a call.
    RequestMore,
    /// An answer, or the first chunk of one.
    Reply,
    /// A further chunk of an answer.
    ReplyMore,
    /// The failure of a call.
    Error,
    /// The caller no longer waits.
    Cancel,
    /// An item that the caller of a stream sends, or its first chunk.
    Upload,
    /// A further chunk of such an item.
    UploadMore,
    /// The caller sends no more items.
    UploadEnd,
    /// The handler takes so many bytes more of items.
    UploadCredit,
    /// An item that the handler of a stream sends, or its first chunk.
    Item,
    /// A further chunk of such an item.
    ItemMore,
    /// The handler has sent everything: the stream ends well.
    ItemEnd,
    /// The caller takes so many bytes more of items.
    ItemCredit,
    /// A sealed payload on its way to a node that is no neighbour.
    Routed,
    /// A routed payload could not be passed on; goes back along its flow.
    PathBroken,
    /// What the sender can reach, and how well.
    Routes,
    /// Asks for a newer sequence number of a destination.
    RouteRequest,
    /// Asks the neighbour for a PONG, to measure the round trip.
    Ping,
    /// The answer to a PING.
    Pong,
    /// Changed entries of one owner, and the signed head that covers them.
    DirectoryDelta,
    /// Hashes of the sender's view, to find what differs.
    DirectoryDigest,
    /// Asks for the sets of some owners.
    DirectoryRequest,
    /// The generation of an issuer of tokens, signed by it.
    IssuerHead,
    /// Asks who serves an action.
    WhoHas,
    /// The answer to a `WHO_HAS`.
    WhoHasAnswer,
    /// An event on a topic, or its first chunk.
    Publish,
    /// A further chunk of such an event.
    PublishMore,
    /// An unknown type that may be skipped.
    Skippable(u8),
}

impl FrameType {
    /// Every known type, by number.
    pub const ALL: [Self; 36] = [
        Self::Identity,
        Self::Hello,
        Self::KeepAlive,
        Self::Credit,
        Self::Goodbye,
        Self::Rekey,
        Self::Stale,
        Self::Token,
        Self::Request,
        Self::RequestMore,
        Self::Reply,
        Self::ReplyMore,
        Self::Error,
        Self::Cancel,
        Self::Upload,
        Self::UploadMore,
        Self::UploadEnd,
        Self::UploadCredit,
        Self::Item,
        Self::ItemMore,
        Self::ItemEnd,
        Self::ItemCredit,
        Self::Routed,
        Self::PathBroken,
        Self::Routes,
        Self::RouteRequest,
        Self::Ping,
        Self::Pong,
        Self::DirectoryDelta,
        Self::DirectoryDigest,
        Self::DirectoryRequest,
        Self::IssuerHead,
        Self::WhoHas,
        Self::WhoHasAnswer,
        Self::Publish,
        Self::PublishMore,
    ];

    /// The number on the wire.
    pub const fn number(self) -> u8 {
        match self {
            Self::Identity => 0x01,
            Self::Hello => 0x02,
            Self::KeepAlive => 0x03,
            Self::Credit => 0x04,
            Self::Goodbye => 0x05,
            Self::Rekey => 0x06,
            Self::Stale => 0x07,
            Self::Token => 0x08,
            Self::Request => 0x10,
            Self::RequestMore => 0x11,
            Self::Reply => 0x12,
            Self::ReplyMore => 0x13,
            Self::Error => 0x14,
            Self::Cancel => 0x15,
            Self::Upload => 0x16,
            Self::UploadMore => 0x17,
            Self::UploadEnd => 0x18,
            Self::UploadCredit => 0x19,
            Self::Item => 0x1a,
            Self::ItemMore => 0x1b,
            Self::ItemEnd => 0x1c,
            Self::ItemCredit => 0x1d,
            Self::Routed => 0x20,
            Self::PathBroken => 0x21,
            Self::Routes => 0x22,
            Self::RouteRequest => 0x23,
            Self::Ping => 0x24,
            Self::Pong => 0x25,
            Self::DirectoryDelta => 0x30,
            Self::DirectoryDigest => 0x31,
            Self::DirectoryRequest => 0x32,
            Self::IssuerHead => 0x33,
            Self::WhoHas => 0x38,
            Self::WhoHasAnswer => 0x39,
            Self::Publish => 0x40,
            Self::PublishMore => 0x41,
            Self::Skippable(number) => number,
        }
    }

    /// The type of a number; `None` for an unknown one that may not be skipped.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0x01 => Self::Identity,
            0x02 => Self::Hello,
            0x03 => Self::KeepAlive,
            0x04 => Self::Credit,
            0x05 => Self::Goodbye,
            0x06 => Self::Rekey,
            0x07 => Self::Stale,
            0x08 => Self::Token,
            0x10 => Self::Request,
            0x11 => Self::RequestMore,
            0x12 => Self::Reply,
            0x13 => Self::ReplyMore,
            0x14 => Self::Error,
            0x15 => Self::Cancel,
            0x16 => Self::Upload,
            0x17 => Self::UploadMore,
            0x18 => Self::UploadEnd,
            0x19 => Self::UploadCredit,
            0x1a => Self::Item,
            0x1b => Self::ItemMore,
            0x1c => Self::ItemEnd,
            0x1d => Self::ItemCredit,
            0x20 => Self::Routed,
            0x21 => Self::PathBroken,
            0x22 => Self::Routes,
            0x23 => Self::RouteRequest,
            0x24 => Self::Ping,
            0x25 => Self::Pong,
            0x30 => Self::DirectoryDelta,
            0x31 => Self::DirectoryDigest,
            0x32 => Self::DirectoryRequest,
            0x33 => Self::IssuerHead,
            0x38 => Self::WhoHas,
            0x39 => Self::WhoHasAnswer,
            0x40 => Self::Publish,
            0x41 => Self::PublishMore,
            0x80.. => Self::Skippable(number),
            _ => return None,
        })
    }

    /// The name in the specification and in fixtures.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "IDENTITY",
            Self::Hello => "HELLO",
            Self::KeepAlive => "KEEPALIVE",
            Self::Credit => "CREDIT",
            Self::Goodbye => "GOODBYE",
            Self::Rekey => "REKEY",
            Self::Stale => "STALE",
            Self::Token => "TOKEN",
            Self::Request => "REQUEST",
            Self::RequestMore => "REQUEST_MORE",
            Self::Reply => "REPLY",
            Self::ReplyMore => "REPLY_MORE",
            Self::Error => "ERROR",
            Self::Cancel => "CANCEL",
            Self::Upload => "UPLOAD",
            Self::UploadMore => "UPLOAD_MORE",
            Self::UploadEnd => "UPLOAD_END",
            Self::UploadCredit => "UPLOAD_CREDIT",
            Self::Item => "ITEM",
            Self::ItemMore => "ITEM_MORE",
            Self::ItemEnd => "ITEM_END",
            Self::ItemCredit => "ITEM_CREDIT",
            Self::Routed => "ROUTED",
            Self::PathBroken => "PATH_BROKEN",
            Self::Routes => "ROUTES",
            Self::RouteRequest => "ROUTE_REQUEST",
            Self::Ping => "PING",
            Self::Pong => "PONG",
            Self::DirectoryDelta => "DIRECTORY_DELTA",
            Self::DirectoryDigest => "DIRECTORY_DIGEST",
            Self::DirectoryRequest => "DIRECTORY_REQUEST",
            Self::IssuerHead => "ISSUER_HEAD",
            Self::WhoHas => "WHO_HAS",
            Self::WhoHasAnswer => "WHO_HAS_ANSWER",
            Self::Publish => "PUBLISH",
            Self::PublishMore => "PUBLISH_MORE",
            Self::Skippable(_) => "SKIPPABLE",
        }
    }

    /// Whether the frame belongs to a call: its id is a sequence number. The others have id 0.
    pub const fn is_delivery(self) -> bool {
        matches!(
            self,
            Self::Request
                | Self::RequestMore
                | Self::Reply
                | Self::ReplyMore
                | Self::Error
                | Self::Cancel
                | Self::Upload
                | Self::UploadMore
                | Self::UploadEnd
                | Self::UploadCredit
                | Self::Item
                | Self::ItemMore
                | Self::ItemEnd
                | Self::ItemCredit
        )
    }

    /// Whether the frame uses up link credit. Only calls and what follows them do: answers were asked for, and an answer that
    /// waited for the credit of the side that waits for it would be a deadlock.
    pub const fn uses_credit(self) -> bool {
        matches!(self, Self::Request | Self::RequestMore | Self::Upload | Self::UploadMore)
    }

    /// Whether the frame may come in a session that relays carry: those of calls and events, and those that keep the session itself.
    pub const fn may_be_relayed(self) -> bool {
        self.is_delivery()
            || matches!(
                self,
                Self::Publish
                    | Self::PublishMore
                    | Self::KeepAlive
                    | Self::Credit
                    | Self::Goodbye
                    | Self::Stale
                    | Self::Token
                    | Self::Skippable(_)
            )
    }

    /// Whether the flag [`MORE`] may be set.
    pub const fn may_continue(self) -> bool {
        matches!(
            self,
            Self::Request
                | Self::RequestMore
                | Self::Reply
                | Self::ReplyMore
                | Self::Upload
                | Self::UploadMore
                | Self::Item
                | Self::ItemMore
                | Self::Publish
                | Self::PublishMore
        )
    }
}

/// Flag: further chunks of this message follow.
pub const MORE: u8 = 0x01;

/// A frame header.
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 0 | 1 | type |
/// | 1 | 1 | flags: bit 0 = more chunks follow, the rest zero |
/// | 2 | 2 | length of the body, big-endian |
/// | 4 | 8 | id, big-endian: the sequence number of the call, or 0 |
///
/// ```
/// use lacewing_core::wire::frame::{FrameHeader, FrameType};
///
/// let header = FrameHeader { frame_type: FrameType::Cancel, more: false, length: 0, id: 7 };
/// let mut bytes = Vec::new();
/// header.encode(&mut bytes);
/// assert_eq!(bytes, [0x15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
/// assert_eq!(FrameHeader::decode(&bytes).unwrap(), header);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// What the frame is.
    pub frame_type: FrameType,
    /// Whether further chunks of the message follow.
    pub more: bool,
    /// Bytes of the body, at most [`BODY_LEN_MAX`].
    pub length: u16,
    /// The call that the frame belongs to, or 0.
    pub id: u64,
}

impl FrameHeader {
    /// Appends the 12 bytes.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_u8(self.frame_type.number());
        out.put_u8(if self.more { MORE } else { 0 });
        out.put_u16(self.length);
        out.put_u64(self.id);
    }

    /// Reads the first 12 bytes of `input`.
    pub fn decode(input: &[u8]) -> Result<Self, WireError> {
        let err = |kind, at| Err(WireError { kind, at });
        let Some(bytes) = input.first_chunk::<HEADER_LEN>() else {
            return err(WireErrorKind::Truncated, input.len());
        };
        let [number, flags, l0, l1, id @ ..] = *bytes;
        let Some(frame_type) = FrameType::from_number(number) else {
            return err(WireErrorKind::UnknownType, 0);
        };
        let skippable = matches!(frame_type, FrameType::Skippable(_));
        if !skippable && (flags & !MORE != 0 || flags & MORE != 0 && !frame_type.may_continue()) {
            return err(WireErrorKind::ReservedBits, 1);
        }
        let length = u16::from_be_bytes([l0, l1]);
        if usize::from(length) > BODY_LEN_MAX {
            return err(WireErrorKind::TooLarge, 2);
        }
        let id = u64::from_be_bytes(id);
        if !skippable && frame_type.is_delivery() != (id != 0) {
            return err(WireErrorKind::OutOfRange, 4);
        }
        Ok(Self { frame_type, more: flags & MORE != 0, length, id })
    }
}

/// Splits the next frame off a record's plaintext: its header, and how many bytes header and body take.
pub fn split_frame(plaintext: &[u8]) -> Result<(FrameHeader, usize), WireError> {
    let header = FrameHeader::decode(plaintext)?;
    let end = HEADER_LEN + usize::from(header.length);
    if plaintext.len() < end {
        return Err(WireError { kind: WireErrorKind::Truncated, at: plaintext.len() });
    }
    Ok((header, end))
}
