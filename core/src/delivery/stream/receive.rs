//! What this end of a stream is sent.

use alloc::boxed::Box;
use core::time::Duration;

use bytes::Bytes;

use super::super::reassembly::{Progress, Reassembly};
use super::super::serve::Inbound;
use super::super::served::RequestOrigin;
use super::super::{Delivery, OpId, Out, RequestId, over_limit};
use super::{Boxed, Receiving, Stream, StreamId};
use crate::code::{CloseReason, Code, Error};
use crate::link::{LinkId, StreamLane, StreamOrder};
use crate::machine::{Cx, injected};
use crate::time::Instant;
use crate::wire::body::{Credit, ReplyHead, STREAM_ITEM_COST, STREAM_WINDOW_MIN, StreamOpening};
use crate::wire::frame::{FrameHeader, FrameType};
use crate::wire::payload::{Codec, Payload};
use crate::wire::shape::Priority;

/// Items up to this size are copied, so that each does not keep the whole record alive that it came in.
const COPY_LEN_MAX: usize = 4 * 1024;
/// How often in the idle time of a stream its other end is shown that items are being taken: it could not know that of a slow
/// consumer whose items are too small to be worth new credit.
const SIGNS_PER_IDLE_TIME: u32 = 4;

impl Receiving {
    /// Whether the other end may send so many bytes now.
    fn admit(&mut self, cx: &mut Cx<'_>, cost: usize) -> Result<(), Error> {
        if self.ended {
            cx.count("delivery.stream_data_after_end");
            let text = "the other end of the stream sent something after its end";
            return Err(Error::new(Code::Protocol, text));
        }
        self.window -= cost as i64;
        if self.window < 0 {
            cx.count("delivery.stream_overrun");
            let text = "the other end of the stream sent more than it was granted";
            return Err(Error::new(Code::Protocol, text));
        }
        Ok(())
    }
}

impl Delivery {
    /// The handler's end of a stream that a peer has opened, with its queue on the link.
    pub(in super::super) fn accept_stream(
        &mut self,
        now: Instant,
        (link, number): (LinkId, u64),
        opening: StreamOpening,
        deadline: Instant,
    ) -> Boxed {
        let state = self.links.get_mut(&link)?;
        state.streams += 1;
        let StreamOpening { shape, idle_us, window } = opening;
        let idle = Duration::from_micros(idle_us);
        let priority = Priority::Normal;
        let takes = self.stream_window();
        if shape.has_items() {
            let (lane, id) = (StreamLane::Items(number), Some(number));
            self.out.push_back(Out::Stream { link, order: StreamOrder::Open { lane, id, window, priority } });
        }
        if shape.has_uploads() && takes > STREAM_WINDOW_MIN {
            let bytes = (takes - STREAM_WINDOW_MIN).into();
            let order = StreamOrder::Grant { frame_type: FrameType::UploadCredit, id: number, bytes };
            self.out.push_back(Out::Stream { link, order });
        }
        Some(Box::new(Stream::new((shape, false), (idle, priority), (now, deadline), (window, takes))))
    }

    /// The request that this peer's call has become, where a handler works on it.
    pub(super) fn serving(&self, link: LinkId, number: u64) -> Option<RequestId> {
        match self.links.get(&link)?.inbound.get(number)? {
            Inbound::Serving { request } => Some(*request),
            Inbound::Receiving { .. } => None,
        }
    }

    /// The end that a frame of a stream is for: the caller's for ITEM, the handler's for UPLOAD.
    fn stream_of(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkId,
        header: FrameHeader,
    ) -> Result<Option<StreamId>, CloseReason> {
        let for_caller = matches!(
            header.frame_type,
            FrameType::Item | FrameType::ItemMore | FrameType::ItemEnd | FrameType::UploadCredit
        );
        let id = if for_caller {
            self.answered(cx, link, header.id).map(StreamId::Call)
        } else {
            let inbound = self.links.get(&link).and_then(|state| state.inbound.get(header.id));
            if matches!(inbound, Some(Inbound::Receiving { .. })) {
                return Err(CloseReason::UnexpectedFrame);
            }
            self.serving(link, header.id).map(StreamId::Request)
        };
        match id {
            Some(id) if self.stream_mut(id).is_none() => Err(CloseReason::UnexpectedFrame),
            Some(id) => Ok(Some(id)),
            None => {
                // It ended here before the peer knew.
                cx.mark("delivery.frame_of_ended_stream");
                Ok(None)
            }
        }
    }

    pub(in super::super) fn stream_frame(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkId,
        header: FrameHeader,
        body: &Bytes,
    ) -> Result<(), CloseReason> {
        match header.frame_type {
            FrameType::UploadCredit | FrameType::ItemCredit => {
                let credit = Credit::decode(body).map_err(|_| CloseReason::MalformedFrame)?;
                let Some(id) = self.stream_of(cx, link, header)? else { return Ok(()) };
                return self.stream_credit(cx, link, (id, header.id), credit);
            }
            FrameType::UploadEnd | FrameType::ItemEnd if !body.is_empty() => {
                return Err(CloseReason::MalformedFrame);
            }
            _ => {}
        }
        let Some(id) = self.stream_of(cx, link, header)? else { return Ok(()) };
        let is_receiver = self.stream_mut(id).is_some_and(|stream| stream.receiving.is_some());
        if !is_receiver {
            // A handler that answers once has no items, and takes no uploads that its shape does not have.
            return Err(CloseReason::UnexpectedFrame);
        }
        match header.frame_type {
            FrameType::UploadEnd => self.uploads_ended(cx, id),
            FrameType::ItemEnd => self.items_ended(cx, id),
            _ => self.stream_chunk(cx, link, id, header, body),
        }
    }

    fn stream_credit(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkId,
        (id, number): (StreamId, u64),
        credit: Credit,
    ) -> Result<(), CloseReason> {
        let Some(stream) = self.stream_mut(id) else { return Ok(()) };
        if stream.sending.is_none() {
            return Err(CloseReason::UnexpectedFrame);
        }
        stream.moved(cx.now);
        let lane = match id {
            StreamId::Call(op) => StreamLane::Uploads(op.0),
            StreamId::Request(_) => StreamLane::Items(number),
        };
        self.out.push_back(Out::Stream { link, order: StreamOrder::Window { lane, bytes: credit.bytes } });
        Ok(())
    }

    fn stream_chunk(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkId,
        id: StreamId,
        header: FrameHeader,
        body: &Bytes,
    ) -> Result<(), CloseReason> {
        let first = matches!(header.frame_type, FrameType::Item | FrameType::Upload);
        let (head, chunk) = if first {
            let (head, taken) = ReplyHead::decode(body).map_err(|_| CloseReason::MalformedFrame)?;
            if head.total_len.is_some() != header.more {
                return Err(CloseReason::MalformedFrame);
            }
            (Some(head), body.slice(taken..))
        } else {
            (None, body.clone())
        };
        match self.take_chunk(cx, link, id, header.more, head, chunk)? {
            Ok(Some(item)) => self.item_arrived(cx, link, id, item),
            Ok(None) => self.grant(cx, link, id),
            Err(error) => self.fail_stream(cx, id, error),
        }
        Ok(())
    }

    /// Adds a chunk to what a stream has received; gives the item that is whole now. The inner error ends the stream and nothing
    /// else.
    fn take_chunk(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkId,
        id: StreamId,
        more: bool,
        head: Option<ReplyHead>,
        chunk: Bytes,
    ) -> Result<Result<Option<Payload>, Error>, CloseReason> {
        let limits = &self.config.limits;
        let (message_max, reassembly_max) = (limits.message_bytes_max, limits.reassembly_bytes_per_link_max);
        let Some(reassembled) = self.links.get(&link).map(|state| state.reassembly_bytes) else {
            return Ok(Ok(None));
        };
        let Some(stream) = self.stream_mut(id) else { return Ok(Ok(None)) };
        stream.moved(cx.now);
        let Some(receiving) = stream.receiving.as_mut() else { return Err(CloseReason::UnexpectedFrame) };
        let cost = chunk.len() + if head.is_some() { STREAM_ITEM_COST } else { 0 };
        if let Err(error) = receiving.admit(cx, cost) {
            return Ok(Err(error));
        }
        match head {
            Some(_) if receiving.item.is_some() => return Err(CloseReason::UnexpectedFrame),
            Some(head) => {
                let Some(codec) = Codec::from_number(head.codec) else {
                    let text = alloc::format!("an item has the unknown codec {}", head.codec);
                    return Ok(Err(Error::new(Code::Codec, text)));
                };
                let Some(total_len) = head.total_len else {
                    let short = chunk.len() <= COPY_LEN_MAX;
                    let data = if short { Bytes::copy_from_slice(&chunk) } else { chunk };
                    return Ok(Ok(Some(Payload { codec, data })));
                };
                let Some(total_len) = usize::try_from(total_len).ok().filter(|total| *total <= message_max)
                else {
                    let text = alloc::format!("an item has {total_len} bytes, the limit is {message_max}");
                    return Ok(Err(Error::new(Code::TooLarge, text)));
                };
                cx.mark("delivery.item_in_chunks");
                receiving.item = Some(Reassembly::new(codec, total_len));
            }
            None if receiving.item.is_none() => return Err(CloseReason::UnexpectedFrame),
            None => {}
        }
        if reassembled + chunk.len() > reassembly_max {
            return Ok(Err(Error::new(
                Code::ResourceExhausted,
                over_limit("what is half received", reassembled, reassembly_max),
            )));
        }
        let Some(item) = receiving.item.as_mut() else { return Ok(Ok(None)) };
        let before = item.len();
        let progress = item.add(&chunk, more)?;
        // What an item needs beyond the window is lent while it arrives, and taken back when it is whole.
        receiving.ungranted += cost as i64;
        match progress {
            Progress::Unfinished => {
                self.add_reassembled(link, chunk.len() as isize);
                Ok(Ok(None))
            }
            Progress::Whole(payload) => {
                receiving.item = None;
                receiving.ungranted -= (payload.data.len() + STREAM_ITEM_COST) as i64;
                self.add_reassembled(link, -(before as isize));
                Ok(Ok(Some(payload)))
            }
        }
    }

    fn add_reassembled(&mut self, link: LinkId, bytes: isize) {
        if let Some(state) = self.links.get_mut(&link) {
            state.reassembly_bytes = state.reassembly_bytes.saturating_add_signed(bytes);
        }
    }

    fn item_arrived(&mut self, cx: &mut Cx<'_>, link: LinkId, id: StreamId, item: Payload) {
        let (cost, most) = (super::cost(&item), self.config.limits.stream_bytes_per_link_max);
        let Some(state) = self.links.get_mut(&link) else { return };
        if state.stream_bytes + cost > most {
            cx.count("delivery.stream_bytes_full");
            let text =
                over_limit("what waits to be taken from streams of this peer", state.stream_bytes, most);
            return self.fail_stream(cx, id, Error::new(Code::ResourceExhausted, text));
        }
        state.stream_bytes += cost;
        if let Some(receiving) = self.stream_mut(id).and_then(|stream| stream.receiving.as_mut()) {
            receiving.untaken += cost;
        }
        match id {
            StreamId::Request(request) => self.tell_handler(request, Out::Item { stream: id, item }),
            StreamId::Call(_) => self.out.push_back(Out::Item { stream: id, item }),
        }
    }

    fn uploads_ended(&mut self, cx: &mut Cx<'_>, id: StreamId) -> Result<(), CloseReason> {
        let StreamId::Request(request) = id else { return Err(CloseReason::UnexpectedFrame) };
        let Some(stream) = self.stream_mut(id) else { return Ok(()) };
        stream.moved(cx.now);
        let Some(receiving) = stream.receiving.as_mut() else { return Err(CloseReason::UnexpectedFrame) };
        if receiving.item.is_some() {
            return Err(CloseReason::UnexpectedFrame);
        }
        if core::mem::replace(&mut receiving.ended, true) {
            cx.count("delivery.stream_data_after_end");
            self.fail_stream(
                cx,
                id,
                Error::new(Code::Protocol, "the other end of the stream ended it twice"),
            );
            return Ok(());
        }
        self.tell_handler(request, Out::UploadsEnded { request });
        Ok(())
    }

    fn items_ended(&mut self, cx: &mut Cx<'_>, id: StreamId) -> Result<(), CloseReason> {
        let StreamId::Call(op) = id else { return Err(CloseReason::UnexpectedFrame) };
        let unfinished = self
            .stream_mut(id)
            .and_then(|stream| stream.receiving.as_ref())
            .is_some_and(|receiving| receiving.item.is_some());
        if unfinished {
            return Err(CloseReason::UnexpectedFrame);
        }
        self.stop_sending(op);
        if !injected!(cx, "stream-end-lost") {
            self.complete(cx, op, Ok(Payload::default()));
        }
        Ok(())
    }

    /// The application has taken an item of so many bytes.
    pub(crate) fn item_taken(&mut self, cx: &mut Cx<'_>, id: StreamId, item_len: usize) {
        let cost = item_len + STREAM_ITEM_COST;
        let Some(stream) = self.stream_mut(id) else { return };
        stream.moved(cx.now);
        let Some(receiving) = stream.receiving.as_mut() else { return };
        debug_assert!(receiving.untaken >= cost, "{id:?}: more was taken than has arrived");
        receiving.untaken = receiving.untaken.saturating_sub(cost);
        receiving.ungranted += cost as i64;
        match self.other_end(id) {
            OtherEnd::Local(other) => {
                if let Some(stream) = self.stream_mut(other) {
                    stream.moved(cx.now);
                    if let Some(sending) = stream.sending.as_mut() {
                        sending.local_window += cost as i64;
                    }
                }
                self.pass_on(cx, other, id);
            }
            OtherEnd::Link(link) => {
                if let Some(state) = self.links.get_mut(&link) {
                    state.stream_bytes = state.stream_bytes.saturating_sub(cost);
                }
                self.grant(cx, link, id);
            }
            OtherEnd::Nowhere => {}
        }
    }

    /// Grants what may be granted, once it is worth a frame, or the other end could think that nothing moves.
    fn grant(&mut self, cx: &mut Cx<'_>, link: LinkId, id: StreamId) {
        let least = i64::from(self.stream_window() / 2);
        let (frame_type, number) = match id {
            StreamId::Call(op) => {
                (FrameType::ItemCredit, self.calls.get(op.0).and_then(|call| call.sequence))
            }
            StreamId::Request(request) => {
                let origin = self.requests.get(request.0).map(|served| served.origin);
                let number = origin.and_then(|origin| match origin {
                    RequestOrigin::Link(_, number) => Some(number),
                    RequestOrigin::Local(_) | RequestOrigin::Cast(_) => None,
                });
                (FrameType::UploadCredit, number)
            }
        };
        let Some(stream) = self.stream_mut(id) else { return };
        let sign_after = stream.idle / SIGNS_PER_IDLE_TIME;
        let (Some(number), Some(receiving)) = (number, stream.receiving.as_mut()) else { return };
        // What an item lacks that is half received is granted at once: nothing is taken before it is whole.
        let worth_it = receiving.ungranted >= least || receiving.item.is_some() && receiving.window < least;
        let sign_due = cx.now >= receiving.granted_at + sign_after;
        if receiving.ungranted <= 0 || !(worth_it && !receiving.ended || sign_due) {
            return;
        }
        if injected!(cx, "stream-credit-leak") {
            return;
        }
        receiving.granted_at = cx.now;
        let bytes = core::mem::take(&mut receiving.ungranted);
        receiving.window += bytes;
        let order = StreamOrder::Grant { frame_type, id: number, bytes: bytes as u64 };
        self.out.push_back(Out::Stream { link, order });
    }

    /// Ends a stream because of what the other end did. It is told, and the application as well.
    fn fail_stream(&mut self, cx: &mut Cx<'_>, id: StreamId, error: Error) {
        let waits = matches!(id, StreamId::Request(request) if self.is_waiting(request));
        let error = error.executed_perhaps(!waits);
        match id {
            StreamId::Call(op) => self.give_up(cx, op, error),
            StreamId::Request(request) => {
                self.tell_cancelled(request);
                self.fail_request(cx, request, error);
            }
        }
    }

    fn other_end(&self, id: StreamId) -> OtherEnd {
        use super::super::call::Route;
        match id {
            StreamId::Call(OpId(op)) => match self.calls.get(op).map(|call| call.route) {
                Some(Route::Local(request)) => OtherEnd::Local(StreamId::Request(request)),
                Some(Route::Link(link, _)) => OtherEnd::Link(link),
                Some(Route::Waiting(_) | Route::Seeking) | None => OtherEnd::Nowhere,
            },
            StreamId::Request(request) => match self.requests.get(request.0).map(|served| served.origin) {
                Some(RequestOrigin::Local(op)) => OtherEnd::Local(StreamId::Call(op)),
                Some(RequestOrigin::Link(link, _)) => OtherEnd::Link(link),
                Some(RequestOrigin::Cast(_)) | None => OtherEnd::Nowhere,
            },
        }
    }
}

enum OtherEnd {
    Nowhere,
    Local(StreamId),
    Link(LinkId),
}
