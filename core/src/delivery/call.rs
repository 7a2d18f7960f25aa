//! The caller's side: from `call` to one outcome.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::ToString;
use alloc::sync::Arc;

use bytes::Bytes;

use super::reassembly::{Progress, Reassembly};
use super::stream::{self, Stream, StreamId, StreamOptions};
use super::{Call, CallOptions, Delivery, OpId, Out, Payload, RequestId, over_limit};
use crate::code::{CloseReason, Code, Error, Kind};
use crate::identity::NodeId;
use crate::link::{LinkId, Message, StreamLane, StreamOrder};
use crate::machine::{Cx, injected};
use crate::metrics;
use crate::time::Instant;
use crate::wire::body::{CastMode, ReplyHead, RequestExtras, StreamOpening, decode_error};
use crate::wire::frame::FrameHeader;
use crate::wire::path::ActionPath;
use crate::wire::payload::Codec;
use crate::wire::shape::Shape;

/// Paths of calls that are kept parsed.
const CALLED_MAX: usize = 1_024;

/// A call that has no outcome yet.
#[derive(Debug)]
pub(super) struct PendingCall {
    pub(super) action: Arc<ActionPath>,
    /// When the application made it.
    began: Instant,
    /// When it ends, unless it is a stream, which says so itself.
    pub(super) deadline: Instant,
    /// What makes it a stream.
    pub(super) stream: stream::Boxed,
    /// What is sent with it besides its payload.
    pub(super) extras: Option<Box<RequestExtras>>,
    /// When it was sent to where it is now.
    pub(super) sent_at: Instant,
    pub(super) route: Route,
    /// Its number on the link, once its first byte is on its way.
    pub(super) sequence: Option<u64>,
    /// Whether it leaves in chunks, so that it may have its outcome before it has left whole.
    is_bulk: bool,
    /// An answer of which some chunks are still to come.
    reply: Option<Reassembly>,
    /// What to send, for a call that has not been sent, or that goes elsewhere if this node does not serve the action.
    pub(super) held: Option<Payload>,
    /// Bytes of it that are counted as waiting.
    pub(super) waits: usize,
    /// Who else serves the action, best first.
    pub(super) others: VecDeque<NodeId>,
}

impl PendingCall {
    /// A call of an order, whose payload is given back.
    pub(super) fn new(order: Order, route: Route) -> (Self, Payload) {
        let Order { action, payload, began, deadline, stream, extras } = order;
        let call = Self {
            action,
            began,
            deadline,
            stream,
            extras,
            sent_at: Instant::ZERO,
            route,
            sequence: None,
            is_bulk: false,
            reply: None,
            held: None,
            waits: 0,
            others: VecDeque::new(),
        };
        (call, payload)
    }

    pub(super) fn shape(&self) -> Shape {
        self.stream.as_ref().map_or(Shape::Unary, |stream| stream.shape)
    }

    /// When it ends unless something moves.
    pub(super) fn due(&self) -> Instant {
        self.stream.as_ref().map_or(self.deadline, |stream| stream.due())
    }

    /// Forgets where it went.
    pub(super) fn reset(&mut self) {
        self.sequence = None;
        self.reply = None;
        self.is_bulk = false;
        self.waits = 0;
    }

    /// Whether it is a cast, and which.
    pub(super) fn cast(&self) -> Option<CastMode> {
        self.extras.as_ref().and_then(|extras| extras.cast)
    }

    /// Whether nobody waits for its outcome.
    fn is_silent(&self) -> bool {
        self.cast() == Some(CastMode::Silent)
    }

    /// Whether a handler may have seen it.
    pub(super) fn maybe_executed(&self) -> bool {
        self.sequence.is_some() || matches!(self.route, Route::Local(_))
    }
}

/// A call that is being made.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) action: Arc<ActionPath>,
    pub(super) payload: Payload,
    pub(super) began: Instant,
    pub(super) deadline: Instant,
    pub(super) stream: stream::Boxed,
    pub(super) extras: Option<Box<RequestExtras>>,
}

/// Where a call went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// To a handler of this node.
    Local(RequestId),
    /// To a node, over a link or tunnel.
    Link(LinkId, NodeId),
    /// To a node to which a session is being opened.
    Waiting(NodeId),
    /// Nowhere yet: it is being asked who serves the action.
    Seeking,
}

impl Delivery {
    /// Starts a call that goes to the first of `nodes` that serves it and can be reached; where there are none, to whoever
    /// is found to serve it. An error is its one outcome.
    pub(crate) fn call(&mut self, cx: &mut Cx<'_>, call: Call<'_>, nodes: &[NodeId]) -> Result<OpId, Error> {
        self.start(cx, call, nodes, None)
    }

    pub(super) fn start(
        &mut self,
        cx: &mut Cx<'_>,
        call: Call<'_>,
        nodes: &[NodeId],
        cast: Option<CastMode>,
    ) -> Result<OpId, Error> {
        if self.stopping {
            return Err(Error::of_kind(Kind::Stopped, "this node is stopping"));
        }
        let limit = self.config.limits.message_bytes_max;
        if call.payload.data.len() > limit {
            return Err(Error::new(
                Code::TooLarge,
                over_limit("the payload", call.payload.data.len(), limit),
            ));
        }
        let order = self.order(cx.now, call, cast)?;
        let Some((first, others)) = nodes.split_first() else { return self.seek(cx, order) };
        if *first == self.own.node {
            return self.call_self(cx, order);
        }
        let Some(link) = self.neighbours.get(first).copied() else {
            return self.call_far(cx, nodes, order);
        };
        self.call_connected(cx, (link, *first), order, others)
    }

    /// Checks a call, and works out when it ends.
    fn order(&mut self, now: Instant, call: Call<'_>, cast: Option<CastMode>) -> Result<Order, Error> {
        let Call { action, payload, timeout, options, .. } = call;
        let timing = &self.config.timing;
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(Error::new(Code::InvalidArgument, "the timeout of a call must be more than zero"));
        }
        // Policies are seen to above this machine: here, an attempt is a call.
        let CallOptions { headers, stream, policy: _ } = options;
        let (deadline, stream, opening) = match stream {
            None => (now + timeout.unwrap_or(timing.call_timeout), None, None),
            Some(StreamOptions { shape: Shape::Unary, .. }) => {
                return Err(Error::new(Code::InvalidArgument, "a unary call is no stream"));
            }
            Some(StreamOptions { shape, idle_timeout, priority }) => {
                let deadline = timeout.map_or(Instant::NEVER, |timeout| now + timeout);
                let idle = idle_timeout.unwrap_or(timing.stream_idle_timeout);
                if idle.as_micros() == 0 {
                    let text = "the idle timeout of a stream must be a microsecond at least";
                    return Err(Error::new(Code::InvalidArgument, text));
                }
                let window = self.stream_window();
                let idle_us = u64::try_from(idle.as_micros()).unwrap_or(u64::MAX);
                let opening = StreamOpening { shape, idle_us, window };
                // What the other end takes is known when there is one.
                let windows = (0, window);
                let stream = Stream::new((shape, true), (idle, priority), (now, deadline), windows);
                (deadline, Some(Box::new(stream)), Some(opening))
            }
        };
        let is_plain = headers.is_empty() && opening.is_none() && cast.is_none();
        let extras = (!is_plain).then(|| Box::new(RequestExtras { headers, stream: opening, cast }));
        Ok(Order { action: self.called_path(action)?, payload, began: now, deadline, stream, extras })
    }

    /// The parsed path of a call, from the cache where it was called before.
    pub(crate) fn called_path(&mut self, text: &str) -> Result<Arc<ActionPath>, Error> {
        if let Some(path) = self.called.get(text) {
            return Ok(path.clone());
        }
        let path: ActionPath =
            text.parse().map_err(|error| Error::new(Code::InvalidArgument, alloc::format!("{error}")))?;
        if self.called.len() >= CALLED_MAX {
            self.called.clear();
        }
        let shared = Arc::new(path.clone());
        self.called.insert(path, shared.clone());
        Ok(shared)
    }

    fn call_self(&mut self, cx: &mut Cx<'_>, order: Order) -> Result<OpId, Error> {
        let shape = order.stream.as_ref().map_or(Shape::Unary, |stream| stream.shape);
        let Some(served) = self.action(cx, order.action.as_str(), shape) else {
            return Err(not_found(&order.action));
        };
        let served = served?;
        self.place(cx, &served.0, order.deadline)?;
        self.check_local_room(order.extras.as_ref().is_some_and(|extras| extras.cast.is_some()))?;
        self.local_calls += 1;
        let op = self.next_op();
        let (call, payload) = PendingCall::new(order, Route::Seeking);
        self.add_call(op, call);
        self.serve_local(cx, op, served, payload);
        Ok(op)
    }

    /// Whether another call, or another cast, of this node to itself may be made.
    pub(super) fn check_local_room(&self, is_cast: bool) -> Result<(), Error> {
        let limits = &self.config.limits;
        let casts_full = is_cast && self.casts >= limits.pending_requests_per_link_max;
        if casts_full || self.local_calls >= limits.pending_calls_per_link_max {
            return Err(Error::new(Code::Backpressure, "too many calls of this node to itself are pending"));
        }
        Ok(())
    }

    fn call_connected(
        &mut self,
        cx: &mut Cx<'_>,
        (link, node): (LinkId, NodeId),
        order: Order,
        others: &[NodeId],
    ) -> Result<OpId, Error> {
        self.check_room(cx, link, order.payload.data.len(), order.stream.is_some())?;
        let op = self.next_op();
        let (mut call, payload) = PendingCall::new(order, Route::Link(link, node));
        if !others.is_empty() {
            call.held = Some(payload.clone());
            call.others = others.iter().copied().collect();
        }
        self.add_call(op, call);
        self.send_request(cx.now, link, op, payload);
        Ok(op)
    }

    pub(super) fn send_request(&mut self, now: Instant, link: LinkId, op: OpId, payload: Payload) {
        if let Some(state) = self.links.get_mut(&link) {
            state.pending_calls += 1;
        }
        let Some(call) = self.calls.get_mut(op.0) else { return };
        let (action, deadline, extras) = (call.action.clone(), call.deadline, call.extras.clone());
        let message = Message::Request { op: op.0, action, deadline, payload, extras };
        call.is_bulk = message.is_bulk();
        call.sent_at = now;
        let is_stream = call.stream.is_some();
        self.send(link, message);
        if is_stream {
            self.open_stream(link, op);
        }
    }

    /// Whether the link takes another call of so many bytes.
    pub(super) fn check_room(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkId,
        payload_len: usize,
        is_stream: bool,
    ) -> Result<(), Error> {
        let limits = &self.config.limits;
        let Some(state) = self.links.get_mut(&link) else {
            return Err(Error::of_kind(Kind::Unreachable, "the link was lost"));
        };
        if payload_len > state.message_bytes_max {
            let text = over_limit("the payload", payload_len, state.message_bytes_max);
            return Err(Error::new(Code::TooLarge, alloc::format!("{text} of the peer")));
        }
        let full = if state.pending_calls >= limits.pending_calls_per_link_max
            && !injected!(cx, "pending-cap-ignored")
        {
            Some(alloc::format!("{} calls to this peer are pending, the limit", state.pending_calls))
        } else if state.queued_bytes > 0
            && state.queued_bytes + payload_len > limits.queued_bytes_per_link_max
        {
            Some(alloc::format!(
                "{} bytes to this peer are queued, the limit is {}",
                state.queued_bytes,
                limits.queued_bytes_per_link_max
            ))
        } else if is_stream && state.streams >= limits.streams_per_link_max {
            Some(alloc::format!("{} streams with this peer are open, the limit", state.streams))
        } else {
            None
        };
        match full {
            Some(text) => {
                cx.count("delivery.backpressure");
                state.refused = true;
                Err(Error::new(Code::Backpressure, text))
            }
            None => Ok(()),
        }
    }

    /// A number for an operation of this node.
    pub(crate) fn next_op(&mut self) -> OpId {
        self.last_op += 1;
        OpId(self.last_op)
    }

    pub(super) fn add_call(&mut self, op: OpId, call: PendingCall) {
        self.call_deadlines.add(call.due(), op.0);
        self.calls.insert(op.0, call);
    }

    /// Cancels a call: its outcome is `Cancelled`, unless it had another before.
    pub(crate) fn cancel(&mut self, cx: &mut Cx<'_>, op: OpId) {
        let Some(call) = self.calls.get(op.0) else { return };
        cx.mark("delivery.cancelled");
        let error = Error::new(Code::Cancelled, "").executed_perhaps(self.may_have_run(call));
        self.give_up(cx, op, error);
    }

    /// Ends a call for which this side no longer waits, and tells the other side.
    pub(super) fn give_up(&mut self, cx: &mut Cx<'_>, op: OpId, error: Error) {
        let Some(call) = self.calls.get(op.0) else { return };
        match call.route {
            Route::Local(request) => {
                self.tell_cancelled(request);
                self.drop_request(cx, request, error.code());
            }
            Route::Link(link, _) => {
                let sequence = call.sequence;
                self.out.push_back(Out::Withdraw { link, op: op.0, sequence, tell_peer: true });
            }
            Route::Waiting(_) | Route::Seeking => {}
        }
        self.complete(cx, op, Err(error));
    }

    /// A call has its one answer. Who has asked for items gets it as the only one.
    pub(super) fn complete_with(&mut self, cx: &mut Cx<'_>, op: OpId, answer: Payload) {
        let is_stream = self.calls.get(op.0).is_some_and(|call| call.shape().has_items());
        if is_stream {
            self.out.push_back(Out::Item { stream: StreamId::Call(op), item: answer });
            return self.complete(cx, op, Ok(Payload::default()));
        }
        self.complete(cx, op, Ok(answer));
    }

    /// The one place where a call ends.
    pub(super) fn complete(&mut self, cx: &mut Cx<'_>, op: OpId, result: Result<Payload, Error>) {
        let Some(call) = self.calls.remove(op.0) else { return };
        self.leave_route(cx, op, &call);
        if self.measures_latency {
            self.measure(cx.now, &call, result.as_ref());
        }
        if call.stream.is_some() {
            cx.metrics().stream_finished(metrics::End::Caller, metrics::outcome_of(&result));
        }
        if call.is_silent() {
            if result.is_err() {
                cx.count("delivery.cast_lost");
            }
        } else {
            self.tell_outcome(cx, op, &call, result);
        }
        let calls = &self.calls;
        self.call_deadlines.tidy(calls.len(), |key| calls.contains(key));
    }

    fn tell_outcome(
        &mut self,
        cx: &mut Cx<'_>,
        op: OpId,
        call: &PendingCall,
        result: Result<Payload, Error>,
    ) {
        let node = match call.route {
            Route::Local(_) => Some(self.own.node),
            Route::Link(_, node) | Route::Waiting(node) => Some(node),
            Route::Seeking => None,
        };
        // A cast that was accepted ends like a call, and is none.
        let began = Some(call.began).filter(|_| call.cast().is_none());
        if injected!(cx, "double-outcome") && op.0.is_multiple_of(64) {
            self.out.push_back(Out::CallDone { op, node, began, result: result.clone() });
        }
        if !(injected!(cx, "outcome-lost") && op.0.is_multiple_of(64)) {
            self.out.push_back(Out::CallDone { op, node, began, result });
        }
    }

    /// Whether a handler may have run for a call: not while it waits for its turn in this node.
    fn may_have_run(&self, call: &PendingCall) -> bool {
        match call.route {
            Route::Local(request) => !self.is_waiting(request),
            Route::Link(..) | Route::Waiting(_) | Route::Seeking => call.maybe_executed(),
        }
    }

    /// Notes how fast a node has answered, or that it did not.
    fn measure(&mut self, now: Instant, call: &PendingCall, result: Result<&Payload, &Error>) {
        let Route::Link(_, node) = call.route else { return };
        match result.map_err(Error::code) {
            Ok(_) => self.selection.answered(node, now - call.sent_at),
            Err(Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted | Code::Internal) => {
                self.selection.failed(node);
            }
            Err(_) => {}
        }
    }

    /// Takes a call off the books of where it went.
    pub(super) fn leave_route(&mut self, cx: &mut Cx<'_>, op: OpId, call: &PendingCall) {
        self.waiting_bytes -= call.waits;
        match call.route {
            Route::Local(_) => self.local_calls -= 1,
            Route::Link(link, _) => {
                let reassembled = call.reply.as_ref().map_or(0, Reassembly::len);
                if let Some(state) = self.links.get_mut(&link) {
                    state.pending_calls -= 1;
                    state.call_duration.record(cx.now - call.sent_at);
                    state.reassembly_bytes -= reassembled;
                    if let Some(sequence) = call.sequence {
                        state.sent.remove(sequence);
                    }
                }
                self.leave_stream(link, call.stream.as_deref());
                if call.shape().has_uploads() {
                    let lane = StreamLane::Uploads(op.0);
                    self.out.push_back(Out::Stream { link, order: StreamOrder::Close { lane } });
                }
                self.announce_room(cx, link);
                self.check_idle(link);
            }
            Route::Waiting(_) | Route::Seeking => self.leave_queue(call),
        }
    }

    pub(super) fn started(&mut self, cx: &mut Cx<'_>, link: LinkId, op: u64, sequence: u64) {
        let (Some(call), Some(state)) = (self.calls.get_mut(op), self.links.get_mut(&link)) else { return };
        if !matches!(call.route, Route::Link(on, _) if on == link) {
            return;
        }
        if call.is_silent() {
            // It leaves, and that is all that there is to know of it.
            return self.complete(cx, OpId(op), Ok(Payload::default()));
        }
        call.sequence = Some(sequence);
        state.sent.insert(sequence, op);
    }

    /// The call that a frame of the peer answers: only one that has begun to leave on this very link.
    pub(super) fn answered(&mut self, cx: &mut Cx<'_>, link: LinkId, sequence: u64) -> Option<OpId> {
        let op = self.links.get(&link).and_then(|state| state.sent.get(sequence)).map(|op| OpId(*op));
        if op.is_none() {
            cx.count("delivery.late_reply");
        }
        op
    }

    /// A call may have its answer before its last chunk has left: what is left of it need not be sent.
    pub(super) fn stop_sending(&mut self, op: OpId) {
        if let Some(PendingCall { is_bulk: true, route: Route::Link(link, _), .. }) = self.calls.get(op.0) {
            self.out.push_back(Out::Withdraw { link: *link, op: op.0, sequence: None, tell_peer: false });
        }
    }

    pub(super) fn reply_frame(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkId,
        header: FrameHeader,
        body: &Bytes,
    ) -> Result<(), CloseReason> {
        let (head, taken) = ReplyHead::decode(body).map_err(|_| CloseReason::MalformedFrame)?;
        if head.total_len.is_some() != header.more {
            return Err(CloseReason::MalformedFrame);
        }
        let Some(op) = self.answered(cx, link, header.id) else { return Ok(()) };
        if self.calls.get(op.0).is_some_and(|call| call.reply.is_some()) {
            return Err(CloseReason::UnexpectedFrame);
        }
        let Some(codec) = Codec::from_number(head.codec) else {
            let error =
                Error::new(Code::Codec, alloc::format!("the answer has the unknown codec {}", head.codec));
            self.give_up(cx, op, error.executed_perhaps(true));
            return Ok(());
        };
        let total_len = head.total_len.unwrap_or((body.len() - taken) as u64);
        let limit = self.config.limits.message_bytes_max;
        let Some(total_len) = usize::try_from(total_len).ok().filter(|total| *total <= limit) else {
            let text = alloc::format!("the answer has {total_len} bytes, the limit is {limit}");
            self.give_up(cx, op, Error::new(Code::TooLarge, text).executed_perhaps(true));
            return Ok(());
        };
        if !header.more {
            let data = body.slice(taken..);
            self.stop_sending(op);
            self.complete_with(cx, op, Payload { codec, data });
            return Ok(());
        }
        cx.mark("delivery.reply_in_chunks");
        if let Some(call) = self.calls.get_mut(op.0) {
            call.reply = Some(Reassembly::new(codec, total_len));
        }
        self.reply_chunk(cx, link, op, header.more, &body[taken..])
    }

    pub(super) fn reply_more_frame(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkId,
        header: FrameHeader,
        body: &Bytes,
    ) -> Result<(), CloseReason> {
        let Some(op) = self.answered(cx, link, header.id) else { return Ok(()) };
        if self.calls.get(op.0).is_some_and(|call| call.reply.is_none()) {
            return Err(CloseReason::UnexpectedFrame);
        }
        self.reply_chunk(cx, link, op, header.more, body)
    }

    fn reply_chunk(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkId,
        op: OpId,
        more: bool,
        chunk: &[u8],
    ) -> Result<(), CloseReason> {
        let (Some(call), Some(state)) = (self.calls.get_mut(op.0), self.links.get_mut(&link)) else {
            return Ok(());
        };
        let Some(reply) = call.reply.as_mut() else { return Ok(()) };
        let limit = self.config.limits.reassembly_bytes_per_link_max;
        if state.reassembly_bytes + chunk.len() > limit {
            let text =
                alloc::format!("half-received messages from this peer would pass {limit} bytes, the limit");
            let error = Error::new(Code::ResourceExhausted, text).executed_perhaps(true);
            self.give_up(cx, op, error);
            return Ok(());
        }
        let before = reply.len();
        let progress = reply.add(chunk, more)?;
        state.reassembly_bytes += chunk.len();
        if let Progress::Whole(payload) = progress {
            state.reassembly_bytes -= before + chunk.len();
            call.reply = None;
            self.stop_sending(op);
            self.complete_with(cx, op, payload);
        }
        Ok(())
    }

    pub(super) fn error_frame(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkId,
        id: u64,
        body: &Bytes,
    ) -> Result<(), CloseReason> {
        let error = decode_error(body).map_err(|_| CloseReason::MalformedFrame)?;
        let Some(op) = self.answered(cx, link, id) else { return Ok(()) };
        self.stop_sending(op);
        let elsewhere = matches!(error.code(), Code::NotFound | Code::Unavailable) && !error.maybe_executed();
        if !(elsewhere && self.go_elsewhere(cx, op)) {
            self.complete(cx, op, Err(error));
        }
        Ok(())
    }

    pub(super) fn expire_calls(&mut self, cx: &mut Cx<'_>) {
        while let Some(id) = self.call_deadlines.pop_due(cx.now) {
            if injected!(cx, "deadline-missed") && id.is_multiple_of(8) {
                continue;
            }
            let Some(call) = self.calls.get(id) else { continue };
            let due = call.due();
            if due > cx.now {
                // Something has moved on the stream.
                self.call_deadlines.add(due, id);
                continue;
            }
            cx.count("delivery.deadline_exceeded");
            let error = match &call.stream {
                Some(stream) if stream.deadline > cx.now => Self::stood_still(stream),
                _ => Error::new(Code::DeadlineExceeded, ""),
            };
            let error = error.executed_perhaps(self.may_have_run(call));
            self.give_up(cx, OpId(id), error);
        }
    }

    /// Gives every call that went over a lost link its outcome, or another neighbour where it was for any.
    pub(super) fn fail_calls_of(&mut self, cx: &mut Cx<'_>, link: LinkId, reason: CloseReason) {
        let on_link = |route: Route| matches!(route, Route::Link(on, _) if on == link);
        let lost: alloc::vec::Vec<u64> =
            self.calls.iter().filter(|(_, call)| on_link(call.route)).map(|(id, _)| id).collect();
        for id in lost {
            let started = self.calls.get(id).is_some_and(PendingCall::maybe_executed);
            if !started && self.go_elsewhere(cx, OpId(id)) {
                continue;
            }
            cx.mark("delivery.call_lost_its_link");
            if injected!(cx, "lost-link-unnoticed") && id.is_multiple_of(2) {
                continue;
            }
            let maybe = started && !injected!(cx, "maybe-executed-denied");
            let text = alloc::format!("the link to the node was lost: {}", reason.text());
            let kind = if reason == CloseReason::Unreachable { Kind::Unreachable } else { Kind::NodeDown };
            self.complete(cx, OpId(id), Err(Error::of_kind(kind, text).executed_perhaps(maybe)));
        }
    }

    /// The node stops: calls that are still open fail.
    pub(super) fn abandon_calls(&mut self, cx: &mut Cx<'_>) {
        let open: alloc::vec::Vec<(u64, bool)> =
            self.calls.iter().map(|(id, call)| (id, self.may_have_run(call))).collect();
        for (id, started) in open {
            let error = Error::of_kind(Kind::Stopped, "this node stopped").executed_perhaps(started);
            self.give_up(cx, OpId(id), error);
        }
    }
}

pub(super) fn not_found(action: &ActionPath) -> Error {
    Error::new(Code::NotFound, "no action ".to_string() + action.as_str() + " is served")
}
