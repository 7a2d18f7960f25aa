//! What this end of a stream sends.

use super::super::call::Route;
use super::super::served::RequestOrigin;
use super::super::{Delivery, OpId, Out, RequestId, over_limit};
use super::{Sending, Stream, StreamId, cost};
use crate::code::{Code, Error};
use crate::link::{End, LinkId, StreamLane, StreamOrder};
use crate::machine::{Cx, injected};
use crate::wire::body::STREAM_WINDOW_MIN;
use crate::wire::payload::Payload;

/// Where the other end of a stream is.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Nowhere yet.
    Unknown,
    /// In this node.
    Local(StreamId),
    /// Behind a link.
    Link(LinkId, StreamLane),
}

impl Delivery {
    /// Sends an item. An error says that it was not taken; `Backpressure` that it may be after `StreamWritable`.
    pub(crate) fn send_item(&mut self, cx: &mut Cx<'_>, id: StreamId, item: Payload) -> Result<(), Error> {
        let (way, limit) = (self.way(id), self.config.limits.stream_queue_bytes);
        let message_bytes_max = match way {
            Some(Way::Link(link, _)) => self.links.get(&link).map(|state| state.message_bytes_max),
            _ => None,
        };
        let message_bytes_max = message_bytes_max.unwrap_or(self.config.limits.message_bytes_max);
        let Some((way, stream)) = way.and_then(|way| Some((way, self.stream_mut(id)?))) else {
            return Err(Error::new(
                Code::FailedPrecondition,
                "the stream is not open: it has ended, or was none",
            ));
        };
        let shape = stream.shape;
        let Some(sending) = stream.sending.as_mut() else {
            let text = alloc::format!("this end of a {} call sends no items", shape.name());
            return Err(Error::new(Code::InvalidArgument, text));
        };
        if sending.ended {
            return Err(Error::new(Code::FailedPrecondition, "this end of the stream was ended before"));
        }
        if item.data.len() > message_bytes_max {
            return Err(Error::new(
                Code::TooLarge,
                over_limit("the item", item.data.len(), message_bytes_max),
            ));
        }
        if sending.queued > 0
            && sending.queued + cost(&item) > limit
            && !injected!(cx, "stream-queue-unbounded")
        {
            cx.mark("delivery.stream_backpressure");
            sending.refused = true;
            let text =
                alloc::format!("{} bytes of the stream wait for the other end to take them", sending.queued);
            return Err(Error::new(Code::Backpressure, text));
        }
        sending.queued += cost(&item);
        cx.metrics().items_sent.add(item.data.len());
        match way {
            Way::Unknown => sending.waiting.push_back(item),
            Way::Local(other) => {
                sending.waiting.push_back(item);
                self.pass_on(cx, id, other);
            }
            Way::Link(link, lane) => {
                stream.moved(cx.now);
                #[cfg(lacewing_inject)]
                let Some(item) = self.mistreated(cx, id, (link, lane), item) else { return Ok(()) };
                self.out.push_back(Out::Stream { link, order: StreamOrder::Push { lane, item } });
            }
        }
        Ok(())
    }

    /// The caller sends no more. `false` where it was told that before, or the call is open no more.
    pub(crate) fn end_uploads(&mut self, cx: &mut Cx<'_>, op: OpId) -> bool {
        let id = StreamId::Call(op);
        let way = self.way(id);
        let Some(sending) = self.stream_mut(id).and_then(|stream| stream.sending.as_mut()) else {
            return false;
        };
        if core::mem::replace(&mut sending.ended, true) {
            return false;
        }
        match way {
            Some(Way::Local(other)) => self.pass_on(cx, id, other),
            Some(Way::Link(link, lane)) => {
                self.out.push_back(Out::Stream { link, order: StreamOrder::End { lane, end: End::Done } });
            }
            Some(Way::Unknown) | None => {}
        }
        true
    }

    /// The handler has answered: its answer goes behind its items. `Err` gives the answer back where nothing of it waits.
    pub(in super::super) fn end_items(
        &mut self,
        request: RequestId,
        result: Result<Payload, Error>,
    ) -> Result<(), Result<Payload, Error>> {
        let id = StreamId::Request(request);
        let way = self.way(id);
        let Some(stream) = self.stream_mut(id) else { return Err(result) };
        let Some(sending) = stream.sending.as_mut() else { return Err(result) };
        sending.ended = true;
        match way {
            Some(Way::Local(_)) if !sending.waiting.is_empty() => {
                sending.answer = Some(result);
                stream.answered = true;
                Ok(())
            }
            Some(Way::Link(link, lane)) => {
                stream.answered = true;
                let end = result.map_or_else(End::Failed, |_| End::Done);
                self.out.push_back(Out::Stream { link, order: StreamOrder::End { lane, end } });
                Ok(())
            }
            _ => Err(result),
        }
    }

    fn way(&self, id: StreamId) -> Option<Way> {
        Some(match id {
            StreamId::Call(op) => match self.calls.get(op.0)?.route {
                Route::Local(request) => Way::Local(StreamId::Request(request)),
                Route::Link(link, _) => Way::Link(link, StreamLane::Uploads(op.0)),
                Route::Waiting(_) | Route::Seeking => Way::Unknown,
            },
            StreamId::Request(request) => match self.requests.get(request.0)?.origin {
                RequestOrigin::Local(op) => Way::Local(StreamId::Call(op)),
                RequestOrigin::Link(link, id) => Way::Link(link, StreamLane::Items(id)),
                RequestOrigin::Cast(_) => Way::Unknown,
            },
        })
    }

    /// A stream call has a link: the queue of its uploads is opened there, and filled with what has waited.
    pub(in super::super) fn open_stream(&mut self, link: LinkId, op: OpId) {
        if let Some(state) = self.links.get_mut(&link) {
            state.streams += 1;
        }
        let Some(stream) = self.calls.get_mut(op.0).and_then(|call| call.stream.as_deref_mut()) else {
            return;
        };
        let (priority, lane) = (stream.priority, StreamLane::Uploads(op.0));
        let Some(sending) = stream.sending.as_mut() else { return };
        let mut order = |order| self.out.push_back(Out::Stream { link, order });
        order(StreamOrder::Open { lane, id: None, window: STREAM_WINDOW_MIN, priority });
        for item in sending.waiting.drain(..) {
            order(StreamOrder::Push { lane, item });
        }
        if sending.ended {
            order(StreamOrder::End { lane, end: End::Done });
        }
    }

    /// A stream call has met its handler in this node: what has waited goes there.
    pub(in super::super) fn open_local(&mut self, cx: &mut Cx<'_>, op: OpId, request: RequestId) {
        let window = self.stream_window();
        let id = StreamId::Call(op);
        if let Some(sending) = self.stream_mut(id).and_then(|stream| stream.sending.as_mut()) {
            sending.local_window = window.into();
        }
        self.pass_on(cx, id, StreamId::Request(request));
    }

    /// Moves what waits at one end of a local stream to the other one, as far as that takes it.
    pub(super) fn pass_on(&mut self, cx: &mut Cx<'_>, from: StreamId, to: StreamId) {
        let Some(stream) = self.stream_mut(from) else { return };
        let Some(sending) = stream.sending.as_mut() else { return };
        let mut passed = 0;
        let mut items = alloc::vec::Vec::new();
        while sending.local_window > 0
            && let Some(item) = sending.waiting.pop_front()
        {
            sending.local_window -= cost(&item) as i64;
            sending.queued -= cost(&item);
            passed += cost(&item);
            items.push(item);
        }
        let over = sending.ended && sending.waiting.is_empty();
        let answer = if over { sending.answer.take() } else { None };
        if passed > 0 {
            stream.moved(cx.now);
        }
        self.announce_stream_room(cx, from);
        if let Some(other) = self.stream_mut(to) {
            if passed > 0 {
                other.moved(cx.now);
            }
            if let Some(receiving) = other.receiving.as_mut() {
                receiving.untaken += passed;
                receiving.ended |= over;
            }
        }
        for item in items {
            match to {
                StreamId::Request(request) => self.tell_handler(request, Out::Item { stream: to, item }),
                StreamId::Call(_) => self.out.push_back(Out::Item { stream: to, item }),
            }
        }
        match (from, to) {
            (StreamId::Call(_), StreamId::Request(request)) if over => {
                self.tell_handler(request, Out::UploadsEnded { request });
            }
            (StreamId::Request(request), _) => {
                if let Some(result) = answer {
                    self.finish_answer(cx, request, result);
                }
            }
            (StreamId::Call(_), _) => {}
        }
    }

    /// So many bytes of a stream have left its queue on a link.
    pub(in super::super) fn stream_left(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkId,
        lane: StreamLane,
        bytes: usize,
        ended: bool,
    ) {
        let id = match lane {
            StreamLane::Uploads(op) => StreamId::Call(OpId(op)),
            StreamLane::Items(number) => match self.serving(link, number) {
                Some(request) => StreamId::Request(request),
                None => return,
            },
        };
        let Some(stream) = self.stream_mut(id) else { return };
        stream.moved(cx.now);
        if let Some(sending) = stream.sending.as_mut() {
            debug_assert!(sending.queued >= bytes, "more left the queue of {id:?} than went in");
            sending.queued = sending.queued.saturating_sub(bytes);
        }
        if let (StreamId::Request(request), true) = (id, ended) {
            return self.release(cx, request);
        }
        self.announce_stream_room(cx, id);
    }

    /// Says `StreamWritable` once there is room again after a refusal.
    fn announce_stream_room(&mut self, cx: &mut Cx<'_>, id: StreamId) {
        let limit = self.config.limits.stream_queue_bytes;
        let Some(Sending { queued, refused, ended: false, .. }) =
            self.stream_mut(id).and_then(|stream| stream.sending.as_mut())
        else {
            return;
        };
        if *refused && *queued <= limit / 2 {
            *refused = false;
            cx.mark("delivery.stream_writable_again");
            self.out.push_back(Out::StreamWritable { stream: id });
        }
    }

    /// The text of a stream's end for lack of movement.
    pub(in super::super) fn stood_still(stream: &Stream) -> Error {
        let text = alloc::format!("nothing has moved on the stream for {:?}", stream.idle);
        Error::new(Code::DeadlineExceeded, text)
    }
}

/// Injected bugs.
#[cfg(lacewing_inject)]
impl Delivery {
    /// What is sent now in place of an item, which may be lost, be sent twice, or wait for the next one.
    fn mistreated(
        &mut self,
        cx: &mut Cx<'_>,
        id: StreamId,
        (link, lane): (LinkId, StreamLane),
        item: Payload,
    ) -> Option<Payload> {
        let now_and_then = item.data.len().is_multiple_of(4);
        let sending = self.stream_mut(id)?.sending.as_mut()?;
        if now_and_then && injected!(cx, "stream-item-lost") {
            sending.queued -= cost(&item);
            return None;
        }
        let held_back = sending.waiting.pop_front();
        if held_back.is_none() && now_and_then && injected!(cx, "stream-order-lost") {
            sending.waiting.push_back(item);
            return None;
        }
        let again = now_and_then && injected!(cx, "stream-item-twice");
        sending.queued += if again { cost(&item) } else { 0 };
        if again || held_back.is_some() {
            let item = item.clone();
            self.out.push_back(Out::Stream { link, order: StreamOrder::Push { lane, item } });
        }
        Some(held_back.unwrap_or(item))
    }
}
