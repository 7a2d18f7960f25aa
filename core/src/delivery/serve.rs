//! The other side of a call: from its first frame to the answer.

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::sync::Arc;
use core::time::Duration;

use bytes::Bytes;

use super::admission::Place;
use super::call::{Route, not_found};
use super::dedup::Seen;
use super::reassembly::{Progress, Reassembly};
use super::served::{RequestOrigin, ServedRequest};
use super::stream::{self, Stream};
use super::{Caller, Delivery, OpId, Out, Payload, RequestId, Served, over_limit};
use crate::access::{Judge, Target};
use crate::code::{CloseReason, Code, Error, Kind};
use crate::identity::NodeId;
use crate::link::{LinkId, Message, StreamLane, StreamOrder};
use crate::machine::{Cx, injected};
use crate::metrics;
use crate::time::Instant;
use crate::token::Right;
use crate::wire::body::{CastMode, RequestExtras, RequestHead, StreamOpening};
use crate::wire::frame::FrameHeader;
use crate::wire::headers::Headers;
use crate::wire::path::ActionPath;
use crate::wire::payload::Codec;
use crate::wire::shape::{Priority, Shape};

/// A peer's call on one link.
#[derive(Debug)]
pub(super) enum Inbound {
    /// Some chunks are still to come.
    Receiving { ticket: Ticket, message: Reassembly },
    /// A handler works on it.
    Serving { request: RequestId },
}

/// What stays the same from a request's first chunk to its handler.
#[derive(Clone, Debug)]
pub(super) struct Ticket {
    pub(super) request: RequestId,
    action: Arc<ActionPath>,
    /// The shape of the action.
    shape: Shape,
    deadline: Instant,
    headers: Headers,
    /// What the peer has asked for.
    opening: Option<StreamOpening>,
    /// What its sender waits for, where it does not wait for an answer.
    cast: Option<CastMode>,
}

/// Unanswered requests of a link whose payloads may share the buffer that they came in.
const SHARED_BUFFERS_MAX: usize = 256;
/// Payloads up to this size are copied out of that buffer once there are more.
const COPY_LEN_MAX: usize = 16 * 1024;

/// Why an action cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServeError {
    /// The path is no valid action path.
    #[error("{0}")]
    Path(alloc::string::String),
    /// It is served already.
    #[error("the action {0:?} is served already")]
    Duplicate(alloc::string::String),
    /// The limit on actions was reached.
    #[error("this node serves {0} actions already, the limit")]
    TooMany(usize),
    /// The node is draining or stopped.
    #[error("the node is stopping")]
    Stopping,
    /// How much of it may run at once makes no sense.
    #[error("{0}")]
    Limit(alloc::string::String),
    /// Others could not be told of it.
    #[error("the action cannot be announced: {0}")]
    Announcement(alloc::string::String),
}

impl Delivery {
    pub(crate) fn serve(&mut self, action: &str, shape: Shape) -> Result<Arc<ActionPath>, ServeError> {
        if self.stopping {
            return Err(ServeError::Stopping);
        }
        let path: ActionPath = action.parse().map_err(|error| ServeError::Path(alloc::format!("{error}")))?;
        if self.actions.contains_key(&path) {
            return Err(ServeError::Duplicate(action.to_string()));
        }
        if self.actions.len() >= self.config.limits.actions_max {
            return Err(ServeError::TooMany(self.actions.len()));
        }
        let shared = Arc::new(path.clone());
        self.actions.insert(path, Served { path: shared.clone(), shape, takes_calls: true, requests: 0 });
        Ok(shared)
    }

    /// Pauses an action, or lets it run again. Requests that are being served are finished in any case; those that wait for their
    /// turn are refused, so that their callers can go elsewhere.
    pub(crate) fn set_takes_calls(&mut self, cx: &mut Cx<'_>, action: &str, takes_calls: bool) {
        let Some(served) = self.actions.get_mut(action) else { return };
        served.takes_calls = takes_calls;
        if !takes_calls {
            let path = served.path.clone();
            let text = alloc::format!("{action} takes no calls at the moment");
            self.reject_waiting(cx, &path, &Error::of_kind(Kind::NotRunning, text));
        }
    }

    /// The action of a request that has just come, if it takes calls of this shape.
    pub(super) fn action(
        &mut self,
        cx: &mut Cx<'_>,
        action: &str,
        shape: Shape,
    ) -> Option<Result<(Arc<ActionPath>, Shape), Error>> {
        self.actions.get_mut(action)?.requests += 1;
        self.open_action(cx, action, shape)
    }

    /// The action, if it takes calls of this shape at the moment.
    fn open_action(
        &self,
        cx: &mut Cx<'_>,
        action: &str,
        shape: Shape,
    ) -> Option<Result<(Arc<ActionPath>, Shape), Error>> {
        let served = self.actions.get(action)?;
        if !(served.takes_calls || injected!(cx, "pause-unheeded")) {
            cx.mark("delivery.refused_while_paused");
            let text = alloc::format!("{action} takes no calls at the moment");
            return Some(Err(Error::of_kind(Kind::NotRunning, text)));
        }
        if !served.shape.may_be_called_as(shape) {
            cx.mark("delivery.called_in_another_shape");
            let (own, called) = (served.shape.name(), shape.name());
            let text = alloc::format!("{action} is {own}, and was called as {called}");
            return Some(Err(Error::new(Code::InvalidArgument, text)));
        }
        Some(Ok((served.path.clone(), served.shape)))
    }

    pub(crate) fn unserve(&mut self, cx: &mut Cx<'_>, action: &str) -> bool {
        let Some(served) = self.actions.remove(action) else { return false };
        self.end_admission(cx, &served.path);
        true
    }

    /// Hands a call of this node to its own handler.
    pub(super) fn serve_local(
        &mut self,
        cx: &mut Cx<'_>,
        op: OpId,
        (action, shape): (Arc<ActionPath>, Shape),
        payload: Payload,
    ) {
        cx.metrics().requests_received += 1;
        let Some(call) = self.calls.get(op.0) else { return };
        let extras = call.extras.as_deref().cloned().unwrap_or_default();
        let deadline = call.deadline;
        let RequestExtras { headers, stream: opening, cast } = extras;
        let ticket = self.ticket((action, shape), deadline, (headers, opening, cast));
        let request = ticket.request;
        if let Some(call) = self.calls.get_mut(op.0) {
            call.route = Route::Local(request);
        }
        let takes = self.stream_window();
        let stream =
            opening.filter(|_| shape.is_stream()).map(|StreamOpening { idle_us, window, .. }| {
                let idle = Duration::from_micros(idle_us);
                let ends = (cx.now, deadline);
                Box::new(Stream::new((shape, false), (idle, Priority::Normal), ends, (window, takes)))
            });
        if cast.is_some() {
            self.casts += 1;
            self.hand_over(cx, ticket, RequestOrigin::Cast(None), self.own, payload, stream);
            return self.complete(cx, op, Ok(Payload::default()));
        }
        self.hand_over(cx, ticket, RequestOrigin::Local(op), self.own, payload, stream);
        self.open_local(cx, op, request);
    }

    /// Hands a whole request to the application, or to the queue of its action.
    fn hand_over(
        &mut self,
        cx: &mut Cx<'_>,
        ticket: Ticket,
        origin: RequestOrigin,
        caller: Caller,
        payload: Payload,
        stream: stream::Boxed,
    ) {
        let Ticket { request, action, shape, deadline, headers, cast, .. } = ticket;
        let payload_len = payload.data.len();
        // Nobody waits for a cast: its time is the time to begin.
        let begins = cast.is_some() && matches!(self.place(cx, &action, deadline), Ok(Place::Runs));
        let ends = if begins { Instant::NEVER } else { deadline };
        if let Some(stream) = &stream {
            cx.metrics().stream_opened(metrics::End::Handler);
            self.request_deadlines.add(stream.due(), request.0);
        }
        let served = ServedRequest::new(origin, (cx.now, ends), payload_len, stream);
        self.requests.insert(request.0, served);
        let deadline = if cast.is_some() { Instant::NEVER } else { deadline };
        let own = action.clone();
        let waited = Duration::ZERO;
        let told = Out::Request { request, caller, action, shape, payload, headers, waited, deadline };
        self.begin(cx, request, &own, told);
    }

    /// A number for a request, which ends at its deadline whether or not it is whole by then.
    fn ticket(
        &mut self,
        (action, shape): (Arc<ActionPath>, Shape),
        deadline: Instant,
        (headers, opening, cast): (Headers, Option<StreamOpening>, Option<CastMode>),
    ) -> Ticket {
        self.last_request += 1;
        self.request_deadlines.add(deadline, self.last_request);
        Ticket { request: RequestId(self.last_request), action, shape, deadline, headers, opening, cast }
    }

    pub(super) fn request_frame(
        &mut self,
        cx: &mut Cx<'_>,
        judge: &dyn Judge,
        link: LinkId,
        header: FrameHeader,
        body: &Bytes,
    ) -> Result<(), CloseReason> {
        let (head, taken) = RequestHead::decode(body).map_err(|_| CloseReason::MalformedFrame)?;
        if head.total_len.is_some() != header.more {
            return Err(CloseReason::MalformedFrame);
        }
        let Some(peer) = self.links.get(&link).map(|state| state.peer) else { return Ok(()) };
        match self.origins.get_mut(&peer.node).map(|origin| origin.window.observe(header.id)) {
            Some(Seen::New) => {}
            Some(Seen::Duplicate) if injected!(cx, "request-sent-twice") => {}
            Some(Seen::Duplicate) => {
                cx.count("delivery.duplicate_request");
                return Ok(());
            }
            Some(Seen::TooOld) | None => {
                cx.count("delivery.request_too_old");
                let error = Error::new(
                    Code::Aborted,
                    "the call is older than the window that keeps calls from running twice",
                );
                cx.metrics().requests_received += 1;
                self.refuse_request(cx, link, header.id, head.extras.cast, error.executed_perhaps(true));
                return Ok(());
            }
        }
        let cast = head.extras.cast;
        cx.metrics().requests_received += 1;
        let (served, codec) = match self.admit(cx, judge, (link, &peer.node), &head, body.len() - taken) {
            Ok(admitted) => admitted,
            Err(error) => {
                self.refuse_request(cx, link, header.id, cast, error);
                return Ok(());
            }
        };
        let deadline = cx.now + Duration::from_micros(head.time_left_us);
        let total_len = head.total_len;
        let RequestExtras { headers, stream, cast } = head.extras.into_owned();
        let opening = stream.filter(|_| served.1.is_stream());
        let ticket = self.ticket(served, deadline, (headers, opening, cast));
        let Some(total_len) = total_len else {
            let payload = Payload { codec, data: body.slice(taken..) };
            self.accept(cx, link, header.id, ticket, payload);
            return Ok(());
        };
        cx.mark("delivery.request_in_chunks");
        let message = Reassembly::new(codec, usize::try_from(total_len).unwrap_or(usize::MAX));
        let origin = RequestOrigin::Link(link, header.id);
        let served = ServedRequest::new(origin, (cx.now, deadline), 0, None);
        self.requests.insert(ticket.request.0, served);
        if let Some(state) = self.links.get_mut(&link) {
            state.inbound.insert(header.id, Inbound::Receiving { ticket, message });
        }
        self.request_chunk(cx, judge, link, header, &body[taken..])
    }

    /// Whether a request may be served, from its head alone: nothing of a refused one is buffered.
    fn admit(
        &mut self,
        cx: &mut Cx<'_>,
        judge: &dyn Judge,
        (link, caller): (LinkId, &NodeId),
        head: &RequestHead<'_>,
        first_len: usize,
    ) -> Result<((Arc<ActionPath>, Shape), Codec), Error> {
        self.refuse_if_stopping(cx)?;
        if head.time_left_us == 0 {
            cx.mark("delivery.expired_on_arrival");
            return Err(Error::new(Code::DeadlineExceeded, "the deadline had passed on arrival"));
        }
        let limits = &self.config.limits;
        let total_len = usize::try_from(head.total_len.unwrap_or(first_len as u64)).unwrap_or(usize::MAX);
        if total_len > limits.message_bytes_max {
            return Err(Error::new(
                Code::TooLarge,
                over_limit("the request", total_len, limits.message_bytes_max),
            ));
        }
        if self
            .links
            .get(&link)
            .is_none_or(|state| state.inbound.len() >= limits.pending_requests_per_link_max)
        {
            cx.count("delivery.requests_full");
            let text = alloc::format!(
                "{} requests of this peer are pending, the limit",
                limits.pending_requests_per_link_max
            );
            return Err(Error::new(Code::ResourceExhausted, text));
        }
        let codec = Codec::from_number(head.codec)
            .ok_or_else(|| Error::new(Code::Codec, alloc::format!("the codec {} is unknown", head.codec)))?;
        let shape = head.extras.stream.map_or(Shape::Unary, |stream| stream.shape);
        self.check_right(cx, judge, caller, head.action)?;
        if let Some(served) = self.action(cx, head.action, shape) {
            self.check_room_for_stream(cx, link, shape)?;
            let served = served?;
            let deadline = cx.now + Duration::from_micros(head.time_left_us);
            self.place(cx, &served.0, deadline)?;
            return Ok((served, codec));
        }
        cx.mark("delivery.not_found");
        match head.action.parse::<ActionPath>() {
            Ok(path) => Err(not_found(&path)),
            Err(error) => Err(Error::new(Code::InvalidArgument, alloc::format!("{error}"))),
        }
    }

    /// Whether a request that came in chunks may still be served, now that it is whole: everything that was asked of its head may have
    /// changed meanwhile, and its sender has had the choice of how long that was.
    fn readmit(
        &mut self,
        cx: &mut Cx<'_>,
        judge: &dyn Judge,
        (link, caller): (LinkId, &NodeId),
        ticket: &Ticket,
    ) -> Result<(), Error> {
        self.refuse_if_stopping(cx)?;
        self.check_right(cx, judge, caller, ticket.action.as_str())?;
        let served = self.open_action(cx, ticket.action.as_str(), ticket.shape);
        let (path, shape) = served.unwrap_or_else(|| Err(not_found(&ticket.action)))?;
        if shape != ticket.shape {
            let text = alloc::format!("{} is {} by now", path.as_str(), shape.name());
            return Err(Error::new(Code::InvalidArgument, text));
        }
        self.check_room_for_stream(cx, link, ticket.shape)?;
        self.place(cx, &path, ticket.deadline).map(drop)
    }

    fn refuse_if_stopping(&self, cx: &mut Cx<'_>) -> Result<(), Error> {
        if self.stopping {
            cx.mark("delivery.refused_while_stopping");
            return Err(Error::of_kind(Kind::Stopped, "the node is stopping"));
        }
        Ok(())
    }

    /// Whether a node may call an action, served or not: what is served is none of the business of who may not call it.
    fn check_right(
        &self,
        cx: &mut Cx<'_>,
        judge: &dyn Judge,
        caller: &NodeId,
        action: &str,
    ) -> Result<(), Error> {
        let parsed;
        let path = if let Some(served) = self.actions.get(action) {
            &*served.path
        } else {
            parsed = action.parse().map_err(|error: crate::wire::path::PathError| {
                Error::new(Code::InvalidArgument, alloc::format!("{error}"))
            })?;
            &parsed
        };
        if injected!(cx, "access-unchecked") {
            return Ok(());
        }
        judge.judge(Right::Call, Target::Path(path), caller).map_err(|denied| {
            if denied.code() == Code::Unauthenticated {
                cx.count("delivery.unauthenticated");
            } else {
                cx.count("delivery.permission_denied");
            }
            Error::new(denied.code(), alloc::format!("{denied}"))
        })
    }

    fn accept(&mut self, cx: &mut Cx<'_>, link: LinkId, id: u64, ticket: Ticket, mut payload: Payload) {
        let opening = ticket.opening.filter(|_| ticket.shape.is_stream());
        let stream =
            opening.and_then(|opening| self.accept_stream(cx.now, (link, id), opening, ticket.deadline));
        let Some(state) = self.links.get_mut(&link) else { return };
        let payload_len = payload.data.len();
        if state.inbound.len() > SHARED_BUFFERS_MAX && payload_len <= COPY_LEN_MAX {
            // A small payload keeps the whole buffer alive that it came in. A few may, thousands may not.
            payload.data = Bytes::copy_from_slice(&payload.data);
        }
        state.backlog_bytes += payload_len;
        // A duplicate gets here in simulation only, when the injected bug lets it pass.
        if state.inbound.contains(id) {
            state.inbound.remove(id);
        }
        state.inbound.insert(id, Inbound::Serving { request: ticket.request });
        let peer = state.peer;
        let cast = ticket.cast;
        let origin = match cast {
            None => RequestOrigin::Link(link, id),
            Some(_) => RequestOrigin::Cast(Some((link, id))),
        };
        self.hand_over(cx, ticket, origin, peer, payload, stream);
        if cast == Some(CastMode::Acknowledged) {
            self.send(link, Message::Reply { id, payload: Payload::default() });
        }
    }

    /// Refuses a request of which nothing is kept.
    fn refuse_request(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkId,
        id: u64,
        cast: Option<CastMode>,
        error: Error,
    ) {
        cx.metrics().request_refused(error.code());
        self.refuse_cast(cx, link, id, cast, error);
    }

    /// Refuses a request, without a word to whoever does not wait for one.
    fn refuse_cast(&mut self, cx: &mut Cx<'_>, link: LinkId, id: u64, cast: Option<CastMode>, error: Error) {
        if cast.is_some() {
            cx.count("delivery.cast_refused");
        }
        if cast == Some(CastMode::Acknowledged) && injected!(cx, "cast-accepted-in-vain") {
            return self.send(link, Message::Reply { id, payload: Payload::default() });
        }
        if cast != Some(CastMode::Silent) {
            self.refuse(link, id, error);
        }
    }

    fn refuse(&mut self, link: LinkId, id: u64, error: Error) {
        self.send(link, Message::Error { id, error });
    }

    pub(super) fn request_more_frame(
        &mut self,
        cx: &mut Cx<'_>,
        judge: &dyn Judge,
        link: LinkId,
        header: FrameHeader,
        body: &Bytes,
    ) -> Result<(), CloseReason> {
        let Some(state) = self.links.get(&link) else { return Ok(()) };
        match state.inbound.get(header.id) {
            // Refused, cancelled or expired before its last chunk: the rest is dropped.
            None => {
                cx.mark("delivery.chunk_of_refused_request");
                Ok(())
            }
            Some(Inbound::Serving { .. }) => Err(CloseReason::UnexpectedFrame),
            Some(Inbound::Receiving { .. }) => self.request_chunk(cx, judge, link, header, body),
        }
    }

    fn request_chunk(
        &mut self,
        cx: &mut Cx<'_>,
        judge: &dyn Judge,
        link: LinkId,
        header: FrameHeader,
        chunk: &[u8],
    ) -> Result<(), CloseReason> {
        let limit = self.config.limits.reassembly_bytes_per_link_max;
        let Some(state) = self.links.get_mut(&link) else { return Ok(()) };
        if state.reassembly_bytes + chunk.len() > limit {
            cx.count("delivery.reassembly_full");
            let text =
                alloc::format!("half-received messages of this peer would pass {limit} bytes, the limit");
            self.stop_receiving(cx, link, header.id, Some(Error::new(Code::ResourceExhausted, text)));
            return Ok(());
        }
        let Some(Inbound::Receiving { ticket, message }) = state.inbound.get_mut(header.id) else {
            return Ok(());
        };
        let before = message.len();
        let progress = message.add(chunk, header.more)?;
        state.reassembly_bytes += chunk.len();
        if let Progress::Whole(payload) = progress {
            let ticket = ticket.clone();
            let caller = state.peer.node;
            state.reassembly_bytes -= before + chunk.len();
            state.inbound.remove(header.id);
            self.requests.remove(ticket.request.0);
            if let Err(error) = self.readmit(cx, judge, (link, &caller), &ticket) {
                self.refuse_request(cx, link, header.id, ticket.cast, error);
                self.check_idle(link);
                return Ok(());
            }
            self.accept(cx, link, header.id, ticket, payload);
        }
        Ok(())
    }

    /// Forgets a request that is not whole; further chunks of it are dropped.
    fn stop_receiving(&mut self, cx: &mut Cx<'_>, link: LinkId, id: u64, error: Option<Error>) {
        let Some(state) = self.links.get_mut(&link) else { return };
        let Some(Inbound::Receiving { ticket, message }) = state.inbound.remove(id) else { return };
        state.reassembly_bytes -= message.len();
        let code = error.as_ref().map_or(Code::Cancelled, Error::code);
        self.drop_request(cx, ticket.request, code);
        if let Some(error) = error {
            self.refuse_cast(cx, link, id, ticket.cast, error);
        }
        self.check_idle(link);
    }

    pub(super) fn cancel_frame(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkId,
        id: u64,
        body: &Bytes,
    ) -> Result<(), CloseReason> {
        if !body.is_empty() {
            return Err(CloseReason::MalformedFrame);
        }
        let Some(state) = self.links.get_mut(&link) else { return Ok(()) };
        match state.inbound.get(id) {
            None => {
                // The answer and the cancel crossed: whatever of the answer is still queued need not be sent.
                cx.mark("delivery.cancel_after_answer");
                self.out.push_back(Out::WithdrawReply { link, id });
            }
            Some(Inbound::Receiving { .. }) => self.stop_receiving(cx, link, id, None),
            Some(Inbound::Serving { request }) => {
                let request = *request;
                cx.mark("delivery.cancel_reached_handler");
                if injected!(cx, "cancel-dropped") {
                    return Ok(());
                }
                let is_stream = self.requests.get(request.0).is_some_and(|served| served.stream.is_some());
                if is_stream && injected!(cx, "stream-cancel-lost") {
                    return Ok(());
                }
                self.tell_cancelled(request);
                self.release(cx, request);
            }
        }
        Ok(())
    }

    /// The application's answer. `false` when nobody waits for it any more.
    pub(crate) fn reply(
        &mut self,
        cx: &mut Cx<'_>,
        request: RequestId,
        result: Result<Payload, Error>,
    ) -> bool {
        self.handler_ended(cx, request, true);
        let served = self.requests.get(request.0).filter(|served| !served.is_answered());
        let Some(origin) = served.map(|served| served.origin) else {
            cx.count("delivery.late_answer");
            return false;
        };
        let result = result
            .and_then(|payload| self.check_answer(cx, origin, payload))
            .map_err(|error| self.check_failure(origin, error));
        let outcome = metrics::outcome_of(&result);
        if let Some(served) = self.requests.get_mut(request.0) {
            served.count_end(cx, outcome);
        }
        // The end of a stream goes behind its items.
        let Err(result) = self.end_items(request, result) else { return true };
        self.finish_answer(cx, request, result);
        true
    }

    /// Sends an answer that nothing has to leave before.
    pub(super) fn finish_answer(
        &mut self,
        cx: &mut Cx<'_>,
        request: RequestId,
        result: Result<Payload, Error>,
    ) {
        let Some(served) = self.requests.get(request.0) else { return };
        let origin = served.origin;
        let has_items = served.stream.as_ref().is_some_and(|stream| stream.shape.has_items());
        self.release(cx, request);
        match (origin, result) {
            (RequestOrigin::Local(op), Ok(_)) if has_items => self.complete(cx, op, Ok(Payload::default())),
            (RequestOrigin::Local(op), Ok(answer)) => self.complete_with(cx, op, answer),
            (RequestOrigin::Local(op), Err(error)) => self.complete(cx, op, Err(error)),
            (RequestOrigin::Link(link, id), Ok(payload)) => {
                let id = if injected!(cx, "answer-to-wrong-call") && id > 1 && id.is_multiple_of(32) {
                    id - 1
                } else {
                    id
                };
                self.send(link, Message::Reply { id, payload });
            }
            (RequestOrigin::Link(link, id), Err(error)) => self.send(link, Message::Error { id, error }),
            (RequestOrigin::Cast(_), Ok(_)) => {}
            (RequestOrigin::Cast(_), Err(_)) => cx.count("delivery.cast_failed"),
        }
    }

    /// Ends a request before its handler has answered, or before what it has answered has left.
    pub(super) fn fail_request(&mut self, cx: &mut Cx<'_>, request: RequestId, error: Error) {
        let Some(served) = self.requests.get_mut(request.0) else { return };
        served.count_end(cx, Some(error.code()));
        let origin = served.origin;
        self.release(cx, request);
        match origin {
            RequestOrigin::Local(op) => self.complete(cx, op, Err(error)),
            RequestOrigin::Link(link, id) => self.send(link, Message::Error { id, error }),
            RequestOrigin::Cast(_) => cx.count("delivery.cast_dropped"),
        }
    }

    /// Whether an answer can be sent. The work is done by now, so that every refusal says that it may have been executed.
    fn check_answer(
        &self,
        cx: &mut Cx<'_>,
        origin: RequestOrigin,
        payload: Payload,
    ) -> Result<Payload, Error> {
        let limits = &self.config.limits;
        let length = payload.data.len();
        let state = match origin {
            RequestOrigin::Local(_) | RequestOrigin::Cast(_) => None,
            RequestOrigin::Link(link, _) => self.links.get(&link),
        };
        let limit = state.map_or(limits.message_bytes_max, |state| state.message_bytes_max);
        if length > limit {
            let error = Error::new(Code::TooLarge, over_limit("the answer", length, limit));
            return Err(error.executed_perhaps(true));
        }
        // A caller that asks for more than it reads must not fill our memory.
        let queued = state.map_or(0, |state| state.queued_bytes);
        if queued > 0 && queued + length > limits.queued_bytes_per_link_max {
            cx.count("delivery.answer_dropped");
            let text =
                alloc::format!("{queued} bytes of answers wait for the caller to read; this one was dropped");
            return Err(Error::new(Code::ResourceExhausted, text).executed_perhaps(true));
        }
        Ok(payload)
    }

    /// A handler has run, so its failure may have had effects, unless its code says that it refused to begin.
    fn check_failure(&self, origin: RequestOrigin, error: Error) -> Error {
        let refused =
            matches!(error.code(), Code::InvalidArgument | Code::PermissionDenied | Code::Unauthenticated);
        let executed = error.maybe_executed() || !refused;
        let error = error.executed_perhaps(executed);
        let full = match origin {
            RequestOrigin::Local(_) | RequestOrigin::Cast(_) => false,
            RequestOrigin::Link(link, _) => {
                let limit = self.config.limits.queued_bytes_per_link_max;
                self.links.get(&link).is_some_and(|state| state.queued_bytes + error.detail().len() > limit)
            }
        };
        // A caller that does not read its answers gets the codes without the details.
        if full { error.with_detail(Bytes::new()) } else { error }
    }

    /// Takes a request off the books: of the node, and of the link that it came by.
    pub(super) fn release(&mut self, cx: &mut Cx<'_>, request: RequestId) {
        let Some(mut served) = self.requests.remove(request.0) else { return };
        served.count_end(cx, Some(Code::Cancelled));
        self.leave_place(&served);
        let requests = &self.requests;
        self.request_deadlines.tidy(requests.len(), |key| requests.contains(key));
        let (RequestOrigin::Link(link, id) | RequestOrigin::Cast(Some((link, id)))) = served.origin else {
            return;
        };
        if let Some(state) = self.links.get_mut(&link) {
            if !injected!(cx, "request-leak") {
                state.inbound.remove(id);
            }
            state.backlog_bytes -= served.payload_len;
        }
        if let Some(stream) = &served.stream {
            self.leave_stream(link, Some(stream));
            if stream.shape.has_items() {
                let lane = StreamLane::Items(id);
                self.out.push_back(Out::Stream { link, order: StreamOrder::Close { lane } });
            }
        }
        self.return_credit(cx, link, 0);
        self.check_idle(link);
    }

    /// Forgets a request whose link is gone or whose local caller gave up.
    pub(super) fn drop_request(&mut self, cx: &mut Cx<'_>, request: RequestId, code: Code) {
        let Some(mut served) = self.requests.remove(request.0) else { return };
        served.count_end(cx, Some(code));
        self.leave_place(&served);
        let requests = &self.requests;
        self.request_deadlines.tidy(requests.len(), |key| requests.contains(key));
    }

    /// The link is lost by which a request came: nobody ever waited for a cast, which goes on. `false` if it is none, or too many
    /// go on already.
    pub(super) fn keep_cast(&mut self, cx: &mut Cx<'_>, request: RequestId) -> bool {
        let most = self.config.limits.pending_requests_per_link_max;
        let Some(served) = self.requests.get_mut(request.0) else { return false };
        if !matches!(served.origin, RequestOrigin::Cast(_)) {
            return false;
        }
        if self.casts >= most {
            cx.count("delivery.cast_dropped");
            return false;
        }
        self.casts += 1;
        served.origin = RequestOrigin::Cast(None);
        true
    }

    pub(super) fn expire_requests(&mut self, cx: &mut Cx<'_>) {
        while let Some(id) = self.request_deadlines.pop_due(cx.now) {
            let Some(served) = self.requests.get(id) else { continue };
            let due = served.due();
            if due > cx.now {
                // Something has moved on the stream.
                self.request_deadlines.add(due, id);
                continue;
            }
            let request = RequestId(id);
            if self.is_waiting(request) && injected!(cx, "expired-work-started") {
                continue;
            }
            cx.count("delivery.request_expired");
            let Some(served) = self.requests.get(id) else { continue };
            if let Some(stream) = &served.stream {
                // The caller has waited for as long, and may be one that does not keep its own time.
                let error = Self::stood_still(stream).executed_perhaps(!self.is_waiting(request));
                self.tell_cancelled(request);
                self.fail_request(cx, request, error);
                continue;
            }
            if let Some((link, wire_id)) = self.receiving(served.origin) {
                let error =
                    Error::new(Code::DeadlineExceeded, "the deadline passed before the request was whole");
                self.stop_receiving(cx, link, wire_id, Some(error));
                continue;
            }
            // A local caller's own deadline is the same instant, and is handled with the calls.
            if matches!(served.origin, RequestOrigin::Cast(_)) {
                cx.count("delivery.cast_dropped");
            }
            self.tell_cancelled(request);
            if let Some(served) = self.requests.get_mut(id) {
                served.count_end(cx, Some(Code::DeadlineExceeded));
            }
            self.release(cx, request);
        }
    }

    /// Where a request comes from that is not whole yet.
    fn receiving(&self, origin: RequestOrigin) -> Option<(LinkId, u64)> {
        let RequestOrigin::Link(link, id) = origin else { return None };
        let inbound = self.links.get(&link)?.inbound.get(id)?;
        matches!(inbound, Inbound::Receiving { .. }).then_some((link, id))
    }

    /// The node stops: whoever waits for an answer gets one.
    pub(super) fn abandon(&mut self, cx: &mut Cx<'_>) {
        self.abandon_calls(cx);
        let open: alloc::vec::Vec<u64> = self.requests.iter().map(|(id, _)| id).collect();
        for id in open {
            let request = RequestId(id);
            let origin = self.requests.get(id).map(|served| served.origin);
            if let Some((link, wire_id)) = origin.and_then(|origin| self.receiving(origin)) {
                let error = Error::of_kind(Kind::Stopped, "the node stopped before the request was whole");
                self.stop_receiving(cx, link, wire_id, Some(error));
                continue;
            }
            let error = Error::of_kind(Kind::Stopped, "the node stopped before the handler had finished");
            let executed = !self.is_waiting(request);
            self.tell_cancelled(request);
            self.fail_request(cx, request, error.executed_perhaps(executed));
        }
    }
}
