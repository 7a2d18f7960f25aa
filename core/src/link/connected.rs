//! A link whose two sides know each other: records in and out, credit, keep-alive, rekey.

use alloc::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};

use super::outbox::{Filling, Outbox, frame};
use super::{LinkId, Out, Shared};
use crate::code::CloseReason;
use crate::config::{Config, Timing};
use crate::crypto::TAG_LEN;
use crate::identity::SignedIncarnation;
use crate::machine::{Cx, injected};
use crate::session::{ProvenPeer, RecordError, Session, WireLimits};
use crate::time::Instant;
use crate::wire::body::routing::RoutedHead;
use crate::wire::body::{Credit, Goodbye, Stale, TUNNEL_HEADER_LEN};
use crate::wire::frame::{FrameHeader, FrameType, HEADER_LEN, RECORD_LEN_MAX, split_frame};
use crate::wire::framing::PREFIX_LEN;
use core::time::Duration;

/// Room for what follows the last frame of a record: REKEY and the tag.
const TRAILER_LEN: usize = HEADER_LEN + TAG_LEN;
/// Longest record that relays carry.
const RELAYED_LEN_MAX: usize = super::tunnel::PLAINTEXT_LEN_MAX + TAG_LEN;
/// The ROUTED frame around it fits the smallest record that a link may have: whatever the path, no relay has to drop it for its
/// size.
const _: () = assert!(
    HEADER_LEN + RoutedHead::LEN + TUNNEL_HEADER_LEN + RELAYED_LEN_MAX + TRAILER_LEN
        <= *WireLimits::RECORD_BYTES.start() as usize
);

/// How a record is put on its carrier.
#[derive(Clone, Copy, Debug)]
pub(super) enum Framing {
    /// Behind its length; the order says its number.
    Stream,
    /// Behind a header that says its number.
    Numbered { number: u64, header: [u8; TUNNEL_HEADER_LEN] },
}

impl Framing {
    fn begin(self, buffer: &mut BytesMut) {
        match self {
            Self::Stream => buffer.put_bytes(0, PREFIX_LEN),
            Self::Numbered { header, .. } => buffer.put_slice(&header),
        }
    }

    /// For the bug that is put in on purpose: not the same records each time that something is sent again.
    fn is_one_in_eight(self) -> bool {
        matches!(self, Self::Numbered { number, .. } if number.is_multiple_of(8))
    }

    fn seal(self, session: &mut Session, buffer: &mut BytesMut) -> Result<(), RecordError> {
        match self {
            Self::Stream => session.sealer.seal(buffer, 0),
            Self::Numbered { number, .. } => session.sealer.seal_numbered(number, buffer, TUNNEL_HEADER_LEN),
        }
    }
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Connected {
    pub(super) peer: ProvenPeer,
    /// The largest message that both sides take.
    pub(super) message_bytes_max: usize,
    pub(super) outbox: Outbox,
    /// The reason of the peer's goodbye.
    pub(super) goodbye_heard: Option<CloseReason>,
    /// Since when the transport has taken nothing although something waits.
    pub(super) stalled_since: Option<Instant>,
    session: Session,
    record_len_max: usize,
    /// Bytes of requests that the peer may still send.
    receive_window: u64,
    /// Bytes that were taken and not yet granted again.
    ungranted: u64,
    window: u64,
    last_sent: Instant,
    last_heard: Instant,
    peer_interval: Duration,
    suspect: bool,
    key_since: Instant,
}

/// What a look at the clock gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing has changed.
    Fine,
    /// The peer has just become suspect.
    Suspect,
    /// The link is over.
    Dead(CloseReason),
}

impl Connected {
    pub(super) fn new(
        session: Session,
        peer: ProvenPeer,
        keepalive_ms: u32,
        config: &Config,
        now: Instant,
    ) -> Self {
        let limits = &session.agreed.peer_limits;
        let record_len_max = RECORD_LEN_MAX.min(limits.record_bytes_max as usize);
        let window = super::wire_limits(&config.limits).window_bytes.into();
        Self {
            peer,
            message_bytes_max: config.limits.message_bytes_max.min(limits.message_bytes_max as usize),
            outbox: Outbox::new(limits.window_bytes, record_len_max - TRAILER_LEN, &config.limits),
            goodbye_heard: None,
            stalled_since: None,
            record_len_max,
            session,
            receive_window: window,
            ungranted: 0,
            window,
            last_sent: now,
            last_heard: now,
            peer_interval: Duration::from_millis(keepalive_ms.into()),
            suspect: false,
            key_since: now,
        }
    }

    /// Something arrived. Gives whether the peer was suspect.
    pub(super) fn heard(&mut self, now: Instant) -> bool {
        self.last_heard = now;
        core::mem::take(&mut self.suspect)
    }

    /// Starts the peer's silence anew.
    pub(super) fn forgive(&mut self, now: Instant) {
        self.last_heard = now;
        self.stalled_since = self.stalled_since.map(|_| now);
    }

    /// Opens a record and hands on what is in it.
    pub(super) fn record(
        &mut self,
        cx: &mut Cx<'_>,
        shared: &Shared,
        link: LinkId,
        record: BytesMut,
        out: &mut VecDeque<Out>,
    ) -> Result<(), CloseReason> {
        let plaintext = self.session.opener.open(record).map_err(RecordError::close_reason)?.freeze();
        self.frames(cx, shared, link, plaintext, out)
    }

    /// Opens a record that came through relays.
    pub(super) fn open_numbered(
        &mut self,
        number: u64,
        header: &[u8],
        record: BytesMut,
    ) -> Result<Bytes, RecordError> {
        self.session.opener.open_numbered(number, header, record).map(BytesMut::freeze)
    }

    /// Seals what follows the header, under a number of its own.
    pub(super) fn seal_numbered(
        &mut self,
        number: u64,
        buffer: &mut BytesMut,
        header_len: usize,
    ) -> Result<(), RecordError> {
        self.session.sealer.seal_numbered(number, buffer, header_len)
    }

    /// Whether so much has gone over the session that it should have new keys.
    pub(super) fn is_worn(&self, now: Instant, timing: &Timing) -> bool {
        let bytes = self.session.sealer.bytes_under_key().max(self.session.opener.bytes_under_key());
        bytes >= timing.rekey_after_bytes || now - self.key_since >= timing.rekey_after
    }

    /// Hands on what is in a record.
    pub(super) fn frames(
        &mut self,
        cx: &mut Cx<'_>,
        shared: &Shared,
        link: LinkId,
        mut plaintext: Bytes,
        out: &mut VecDeque<Out>,
    ) -> Result<(), CloseReason> {
        if plaintext.is_empty() {
            return Err(CloseReason::MalformedFrame);
        }
        while !plaintext.is_empty() {
            let (header, end) = split_frame(&plaintext).map_err(|error| match error.kind {
                crate::wire::WireErrorKind::UnknownType => CloseReason::UnknownFrame,
                _ => CloseReason::MalformedFrame,
            })?;
            let body = plaintext.split_to(end).slice(HEADER_LEN..);
            self.frame(cx, shared, link, header, body, plaintext.is_empty(), out)?;
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "what a frame is handled with, each once")]
    fn frame(
        &mut self,
        cx: &mut Cx<'_>,
        shared: &Shared,
        link: LinkId,
        header: FrameHeader,
        body: Bytes,
        is_last: bool,
        out: &mut VecDeque<Out>,
    ) -> Result<(), CloseReason> {
        let malformed = |_| CloseReason::MalformedFrame;
        if link.is_tunnel() && !header.frame_type.may_be_relayed() {
            return Err(CloseReason::UnexpectedFrame);
        }
        match header.frame_type {
            FrameType::Request | FrameType::RequestMore | FrameType::Upload | FrameType::UploadMore => {
                let taken = (HEADER_LEN + body.len()) as u64;
                self.receive_window =
                    self.receive_window.checked_sub(taken).ok_or(CloseReason::CreditExceeded)?;
                out.push_back(Out::Frame { link, header, body });
            }
            FrameType::Reply
            | FrameType::ReplyMore
            | FrameType::Error
            | FrameType::Cancel
            | FrameType::UploadEnd
            | FrameType::UploadCredit
            | FrameType::Item
            | FrameType::ItemMore
            | FrameType::ItemEnd
            | FrameType::ItemCredit
            | FrameType::Routed
            | FrameType::PathBroken
            | FrameType::Routes
            | FrameType::RouteRequest
            | FrameType::Ping
            | FrameType::Pong
            | FrameType::DirectoryDelta
            | FrameType::DirectoryDigest
            | FrameType::DirectoryRequest
            | FrameType::IssuerHead
            | FrameType::Token
            | FrameType::WhoHas
            | FrameType::WhoHasAnswer
            | FrameType::Publish
            | FrameType::PublishMore => {
                out.push_back(Out::Frame { link, header, body });
            }
            FrameType::KeepAlive if body.is_empty() => cx.mark("link.keepalive_heard"),
            FrameType::Credit => {
                let credit = Credit::decode(&body).map_err(malformed)?;
                self.outbox.add_window(credit.bytes).ok_or(CloseReason::CreditExceeded)?;
            }
            FrameType::Goodbye => {
                let reason = Goodbye::decode(&body).map_err(malformed)?.reason;
                cx.mark("link.goodbye_heard");
                self.goodbye_heard = Some(reason);
                out.push_back(Out::Goodbye { link, reason });
            }
            FrameType::Rekey if body.is_empty() && is_last => {
                cx.mark("link.peer_rekeyed");
                self.session.opener.rekey();
            }
            FrameType::Stale => Self::stale(cx, shared, link, &body, out)?,
            FrameType::Skippable(_) => cx.count("link.frame_skipped"),
            FrameType::KeepAlive | FrameType::Rekey => return Err(CloseReason::MalformedFrame),
            FrameType::Identity | FrameType::Hello => return Err(CloseReason::UnexpectedFrame),
        }
        Ok(())
    }

    /// A peer says that this node's own incarnation has been overtaken.
    fn stale(
        cx: &mut Cx<'_>,
        shared: &Shared,
        link: LinkId,
        body: &[u8],
        out: &mut VecDeque<Out>,
    ) -> Result<(), CloseReason> {
        let Stale { incarnation, signature } =
            Stale::decode(body).map_err(|_| CloseReason::MalformedFrame)?;
        let newer = SignedIncarnation { incarnation: crate::Incarnation::new(incarnation), signature };
        // Every peer holds a signature of the present one; repeating it must not cost us a verification.
        if newer.incarnation <= shared.incarnation.incarnation {
            cx.count("link.stale_is_old_news");
            return Ok(());
        }
        // Only this node's own signature counts: nobody else can make it give way.
        if !newer.verify(&shared.identity.public_key(), &*shared.config.crypto) {
            cx.count("link.stale_forged");
            return Err(CloseReason::IdentityRejected);
        }
        out.push_back(Out::Stale { link, newer });
        Ok(())
    }

    /// The peer may send so many bytes more. Small grants are saved up: a CREDIT for each request would double the frames.
    pub(super) fn grant(&mut self, bytes: u64) {
        self.ungranted += bytes;
        if self.ungranted >= self.window / 4 {
            self.receive_window += self.ungranted;
            self.outbox.grant(core::mem::take(&mut self.ungranted));
        }
    }

    /// Builds and seals one record of what waits; `None` when nothing may go now.
    pub(super) fn build_record(
        &mut self,
        cx: &mut Cx<'_>,
        shared: &mut Shared,
        link: LinkId,
        out: &mut VecDeque<Out>,
        framing: Framing,
    ) -> Result<Option<BytesMut>, CloseReason> {
        let Shared { config, buffer, last_sequence, .. } = shared;
        debug_assert!(buffer.is_empty(), "the last record was split off");
        let (head_len, record_len_max) = match framing {
            Framing::Stream => (PREFIX_LEN, self.record_len_max),
            Framing::Numbered { .. } => (TUNNEL_HEADER_LEN, self.record_len_max.min(RELAYED_LEN_MAX)),
        };
        buffer.reserve(head_len + record_len_max);
        framing.begin(buffer);
        let end = head_len + record_len_max - TRAILER_LEN;
        let repeats = injected!(cx, "request-sent-twice");
        let streams_first = injected!(cx, "streams-hog-link");
        let mut filling = Filling {
            now: cx.now,
            link,
            record: &mut *buffer,
            begin: head_len,
            end,
            last_sequence,
            out,
            flushed: 0,
            repeats,
            streams_first,
        };
        let goodbye = self.outbox.fill(&mut filling);
        let bytes = filling.flushed;
        if buffer.len() == head_len {
            buffer.clear();
            return Ok(None);
        }
        let timing = &config.timing;
        let rekey = matches!(framing, Framing::Stream)
            && (self.session.sealer.bytes_under_key() >= timing.rekey_after_bytes
                || cx.now - self.key_since >= timing.rekey_after);
        if rekey {
            frame(buffer, FrameType::Rekey, 0, |_| {});
        }
        if framing.is_one_in_eight() && injected!(cx, "relayed-in-clear") {
            buffer.put_bytes(0, TAG_LEN);
        } else {
            framing.seal(&mut self.session, buffer).map_err(RecordError::close_reason)?;
        }
        if rekey {
            cx.mark("link.rekeyed");
            self.session.sealer.rekey();
            self.key_since = cx.now;
        }
        self.last_sent = cx.now;
        if bytes > 0 {
            out.push_back(Out::Flushed { link, bytes });
        }
        if goodbye.is_some() {
            out.push_back(Out::GoodbyeSent { link });
        }
        Ok(Some(buffer.split()))
    }

    /// The record that tells the peer why the link closes, whatever else waited.
    pub(super) fn last_words(
        &mut self,
        buffer: &mut BytesMut,
        reason: CloseReason,
        stale: Option<SignedIncarnation>,
        framing: Framing,
    ) -> Option<BytesMut> {
        framing.begin(buffer);
        if let Some(newer) = stale {
            let stale = Stale { incarnation: newer.incarnation.get(), signature: newer.signature };
            frame(buffer, FrameType::Stale, 0, |out| stale.encode(out));
        }
        frame(buffer, FrameType::Goodbye, 0, |out| Goodbye { reason }.encode(out));
        let sealed = framing.seal(&mut self.session, buffer).is_ok();
        let record = buffer.split();
        sealed.then_some(record)
    }

    /// When the clock must be looked at again.
    pub(super) fn next_due(&self, timing: &Timing) -> Instant {
        let silence = if self.suspect { self.down_after(timing) } else { self.suspect_after(timing) };
        let mut due = (self.last_sent + timing.keepalive_interval).min(self.last_heard + silence);
        if let Some(since) = self.stalled_since {
            due = due.min(since + timing.write_stall_timeout);
        }
        due
    }

    fn suspect_after(&self, timing: &Timing) -> Duration {
        self.peer_interval * timing.suspect_after_missed
    }

    /// Never before the peer could be suspect: its interval is its own choice.
    fn down_after(&self, timing: &Timing) -> Duration {
        timing.down_after.max(self.peer_interval * (timing.suspect_after_missed + 2))
    }

    /// Looks at the clock.
    pub(super) fn wake(&mut self, cx: &mut Cx<'_>, timing: &Timing) -> Verdict {
        let silent_for = cx.now - self.last_heard;
        if silent_for >= self.down_after(timing) {
            cx.mark("link.heartbeat_timeout");
            return Verdict::Dead(CloseReason::HeartbeatTimeout);
        }
        if self.stalled_since.is_some_and(|since| cx.now - since >= timing.write_stall_timeout) {
            cx.mark("link.write_stalled");
            return Verdict::Dead(CloseReason::WriteStalled);
        }
        // One that is due within an eighth of an interval goes now, with the others.
        let idle_for = cx.now - self.last_sent;
        if idle_for + timing.keepalive_interval / 8 >= timing.keepalive_interval {
            if !injected!(cx, "keepalive-forgotten") {
                self.outbox.keep_alive();
            }
            // Whether or not the transport takes it now, the next one is an interval away.
            self.last_sent = cx.now;
        }
        if !self.suspect && silent_for >= self.suspect_after(timing) {
            cx.mark("link.suspect");
            self.suspect = true;
            return Verdict::Suspect;
        }
        Verdict::Fine
    }
}
