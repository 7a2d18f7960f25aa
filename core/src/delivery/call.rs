//! The caller's side: from `call` to one outcome.

use alloc::string::ToString;
use alloc::sync::Arc;

use bytes::Bytes;

use super::reassembly::{Progress, Reassembly};
use super::{Call, Delivery, OpId, Out, Payload, RequestId, Target, over_limit};
use crate::code::{CloseReason, Code, Error, Kind};
use crate::identity::NodeId;
use crate::link::{LinkId, Message};
use crate::machine::{Cx, injected};
use crate::time::Instant;
use crate::wire::body::{ReplyHead, decode_error};
use crate::wire::frame::FrameHeader;
use crate::wire::path::ActionPath;
use crate::wire::payload::Codec;

/// Paths of calls that are kept parsed.
const CALLED_MAX: usize = 1_024;

/// A call that has no outcome yet.
#[derive(Debug)]
pub(super) struct PendingCall {
    action: Arc<ActionPath>,
    deadline: Instant,
    route: Route,
    /// Whether the first byte is on its way, so that the peer may execute it.
    started: bool,
    /// An answer of which some chunks are still to come.
    reply: Option<Reassembly>,
    /// For [`Target::Any`]: what to send to the next neighbour if this one does not serve the action.
    search: Option<Payload>,
}

/// Where a call went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    /// To a handler of this node.
    Local(RequestId),
    /// To a neighbour.
    Link(LinkId, NodeId),
}

impl Delivery {
    /// Starts a call. An error is its one outcome.
    pub(crate) fn call(&mut self, cx: &mut Cx<'_>, call: Call<'_>) -> Result<OpId, Error> {
        if self.stopping {
            return Err(Error::of_kind(Kind::Stopped, "this node is stopping"));
        }
        let timeout = call.timeout.unwrap_or(self.config.timing.call_timeout);
        if timeout.is_zero() {
            return Err(Error::new(Code::InvalidArgument, "the timeout of a call must be more than zero"));
        }
        let limit = self.config.limits.message_bytes_max;
        if call.payload.data.len() > limit {
            return Err(Error::new(
                Code::TooLarge,
                over_limit("the payload", call.payload.data.len(), limit),
            ));
        }
        let action = self.called_path(call.action)?;
        let deadline = cx.now + timeout;
        match call.target {
            Target::Node(node) if node == self.own.node => self.call_self(action, call.payload, deadline),
            Target::Node(node) => {
                let Some(link) = self.neighbours.get(&node).copied() else {
                    cx.mark("delivery.unreachable");
                    let text = alloc::format!("node {} is not a neighbour", node.short());
                    return Err(Error::of_kind(Kind::Unreachable, text));
                };
                self.call_neighbour(cx, (link, node), action, call.payload, deadline, false)
            }
            Target::Any if self.actions.contains_key(action.as_str()) => {
                self.call_self(action, call.payload, deadline)
            }
            Target::Any => {
                let Some((node, link)) = self.neighbours.iter().next().map(|(node, link)| (*node, *link))
                else {
                    return Err(not_found(&action));
                };
                self.call_neighbour(cx, (link, node), action, call.payload, deadline, true)
            }
        }
    }

    /// The parsed path of a call, from the cache where it was called before.
    fn called_path(&mut self, text: &str) -> Result<Arc<ActionPath>, Error> {
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

    fn call_self(
        &mut self,
        action: Arc<ActionPath>,
        payload: Payload,
        deadline: Instant,
    ) -> Result<OpId, Error> {
        if !self.actions.contains_key(action.as_str()) {
            return Err(not_found(&action));
        }
        if self.local_calls >= self.config.limits.pending_calls_per_link_max {
            return Err(Error::new(Code::Backpressure, "too many calls of this node to itself are pending"));
        }
        self.local_calls += 1;
        let op = self.next_op();
        let request = self.serve_local(op, &action, payload, deadline);
        let route = Route::Local(request);
        self.add_call(op, PendingCall { action, deadline, route, started: true, reply: None, search: None });
        Ok(op)
    }

    fn call_neighbour(
        &mut self,
        cx: &mut Cx<'_>,
        (link, node): (LinkId, NodeId),
        action: Arc<ActionPath>,
        payload: Payload,
        deadline: Instant,
        search: bool,
    ) -> Result<OpId, Error> {
        self.check_room(cx, link, payload.data.len())?;
        let op = self.next_op();
        let route = Route::Link(link, node);
        let search = search.then(|| payload.clone());
        let call =
            PendingCall { action: action.clone(), deadline, route, started: false, reply: None, search };
        self.add_call(op, call);
        self.send_request(cx, link, op, action, payload, deadline);
        Ok(op)
    }

    fn send_request(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkId,
        op: OpId,
        action: Arc<ActionPath>,
        payload: Payload,
        deadline: Instant,
    ) {
        if let Some(state) = self.links.get_mut(&link) {
            state.pending_calls += 1;
        }
        if injected!(cx, "request-sent-twice") && op.0.is_multiple_of(16) {
            let again =
                Message::Request { id: op.0, action: action.clone(), deadline, payload: payload.clone() };
            self.send(link, again);
        }
        self.send(link, Message::Request { id: op.0, action, deadline, payload });
    }

    /// Whether the link takes another call of so many bytes.
    fn check_room(&mut self, cx: &mut Cx<'_>, link: LinkId, payload_len: usize) -> Result<(), Error> {
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

    fn next_op(&mut self) -> OpId {
        self.last_op += 1;
        OpId(self.last_op)
    }

    fn add_call(&mut self, op: OpId, call: PendingCall) {
        self.call_deadlines.add(call.deadline, op.0);
        self.calls.insert(op.0, call);
    }

    /// Cancels a call: its outcome is `Cancelled`, unless it had another before.
    pub(crate) fn cancel(&mut self, cx: &mut Cx<'_>, op: OpId) {
        let Some(call) = self.calls.get(op.0) else { return };
        cx.mark("delivery.cancelled");
        let error = Error::new(Code::Cancelled, "").executed_perhaps(call.started);
        self.give_up(cx, op, error);
    }

    /// Ends a call for which this side no longer waits, and tells the other side.
    fn give_up(&mut self, cx: &mut Cx<'_>, op: OpId, error: Error) {
        let Some(call) = self.calls.get(op.0) else { return };
        match call.route {
            Route::Local(request) => {
                if self.drop_request(request) {
                    self.out.push_back(Out::RequestCancelled { request });
                }
            }
            Route::Link(link, _) => self.out.push_back(Out::Withdraw { link, id: op.0 }),
        }
        self.complete(cx, op, Err(error));
    }

    /// The one place where a call ends.
    pub(super) fn complete(&mut self, cx: &mut Cx<'_>, op: OpId, result: Result<Payload, Error>) {
        let Some(call) = self.calls.remove(op.0) else { return };
        self.leave_route(cx, &call);
        if injected!(cx, "double-outcome") && op.0.is_multiple_of(64) {
            self.out.push_back(Out::CallDone { op, result: result.clone() });
        }
        if !(injected!(cx, "outcome-lost") && op.0.is_multiple_of(64)) {
            self.out.push_back(Out::CallDone { op, result });
        }
        let calls = &self.calls;
        self.call_deadlines.tidy(calls.len(), |key| calls.contains(key));
    }

    /// Takes a call off the books of where it went.
    fn leave_route(&mut self, cx: &mut Cx<'_>, call: &PendingCall) {
        match call.route {
            Route::Local(_) => self.local_calls -= 1,
            Route::Link(link, _) => {
                let reassembled = call.reply.as_ref().map_or(0, Reassembly::len);
                if let Some(state) = self.links.get_mut(&link) {
                    state.pending_calls -= 1;
                    state.reassembly_bytes -= reassembled;
                }
                self.announce_room(cx, link);
                self.check_idle(link);
            }
        }
    }

    /// A neighbour does not serve the action, or could not be asked: asks the next one. `false` when there is none, or
    /// the call was for this one only.
    fn search_on(&mut self, cx: &mut Cx<'_>, op: OpId) -> bool {
        let Some(call) = self.calls.get(op.0) else { return false };
        let (Some(payload), Route::Link(_, asked)) = (call.search.clone(), call.route) else { return false };
        let (action, deadline) = (call.action.clone(), call.deadline);
        let after = (core::ops::Bound::Excluded(asked), core::ops::Bound::Unbounded);
        let next = self.neighbours.range(after).next().map(|(node, link)| (*node, *link));
        let Some((node, link)) = next else { return false };
        if self.check_room(cx, link, payload.data.len()).is_err() {
            return false;
        }
        cx.mark("delivery.searched_on");
        let Some(mut call) = self.calls.remove(op.0) else { return false };
        self.leave_route(cx, &call);
        call.route = Route::Link(link, node);
        call.started = false;
        call.reply = None;
        self.calls.insert(op.0, call);
        self.send_request(cx, link, op, action, payload, deadline);
        true
    }

    pub(super) fn started(&mut self, link: LinkId, id: u64) {
        if let Some(call) = self.calls.get_mut(id)
            && matches!(call.route, Route::Link(on, _) if on == link)
        {
            call.started = true;
        }
    }

    /// The call that a frame of the peer answers: only one that went over this very link.
    fn answered(&mut self, cx: &mut Cx<'_>, link: LinkId, id: u64) -> Option<&mut PendingCall> {
        let call =
            self.calls.get_mut(id).filter(|call| matches!(call.route, Route::Link(on, _) if on == link));
        if call.is_none() {
            cx.count("delivery.late_reply");
        }
        call
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
        let Some(call) = self.answered(cx, link, header.id) else { return Ok(()) };
        if call.reply.is_some() {
            return Err(CloseReason::UnexpectedFrame);
        }
        let op = OpId(header.id);
        let Some(codec) = Codec::from_number(head.codec) else {
            let error =
                Error::new(Code::Codec, alloc::format!("the answer has the unknown codec {}", head.codec));
            self.give_up(cx, op, error.executed_perhaps(true));
            return Ok(());
        };
        let Some(total_len) = head.total_len else {
            let data = body.slice(taken..);
            self.complete(cx, op, Ok(Payload { codec, data }));
            return Ok(());
        };
        let limit = self.config.limits.message_bytes_max;
        let Some(total_len) = usize::try_from(total_len).ok().filter(|total| *total <= limit) else {
            let text = alloc::format!("the answer has {total_len} bytes, the limit is {limit}");
            self.give_up(cx, op, Error::new(Code::TooLarge, text).executed_perhaps(true));
            return Ok(());
        };
        cx.mark("delivery.reply_in_chunks");
        if let Some(call) = self.calls.get_mut(header.id) {
            call.reply = Some(Reassembly::new(codec, total_len));
        }
        self.reply_chunk(cx, link, header, &body[taken..])
    }

    pub(super) fn reply_more_frame(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkId,
        header: FrameHeader,
        body: &Bytes,
    ) -> Result<(), CloseReason> {
        match self.answered(cx, link, header.id) {
            None => Ok(()),
            Some(call) if call.reply.is_none() => Err(CloseReason::UnexpectedFrame),
            Some(_) => self.reply_chunk(cx, link, header, body),
        }
    }

    fn reply_chunk(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkId,
        header: FrameHeader,
        chunk: &[u8],
    ) -> Result<(), CloseReason> {
        let (Some(call), Some(state)) = (self.calls.get_mut(header.id), self.links.get_mut(&link)) else {
            return Ok(());
        };
        let Some(reply) = call.reply.as_mut() else { return Ok(()) };
        let limit = self.config.limits.reassembly_bytes_per_link_max;
        if state.reassembly_bytes + chunk.len() > limit {
            let text =
                alloc::format!("half-received messages from this peer would pass {limit} bytes, the limit");
            let error = Error::new(Code::ResourceExhausted, text).executed_perhaps(true);
            self.give_up(cx, OpId(header.id), error);
            return Ok(());
        }
        let before = reply.len();
        let progress = reply.add(chunk, header.more)?;
        state.reassembly_bytes += chunk.len();
        if let Progress::Whole(payload) = progress {
            state.reassembly_bytes -= before + chunk.len();
            call.reply = None;
            self.complete(cx, OpId(header.id), Ok(payload));
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
        if self.answered(cx, link, id).is_none() {
            return Ok(());
        }
        let elsewhere = matches!(error.code(), Code::NotFound | Code::Unavailable) && !error.maybe_executed();
        if !(elsewhere && self.search_on(cx, OpId(id))) {
            self.complete(cx, OpId(id), Err(error));
        }
        Ok(())
    }

    pub(super) fn expire_calls(&mut self, cx: &mut Cx<'_>) {
        while let Some(id) = self.call_deadlines.pop_due(cx.now) {
            if injected!(cx, "deadline-missed") && id.is_multiple_of(8) {
                continue;
            }
            let Some(call) = self.calls.get(id) else { continue };
            cx.count("delivery.deadline_exceeded");
            let error = Error::new(Code::DeadlineExceeded, "").executed_perhaps(call.started);
            self.give_up(cx, OpId(id), error);
        }
    }

    /// Gives every call that went over a lost link its outcome, or another neighbour where it was for any.
    pub(super) fn fail_calls_of(&mut self, cx: &mut Cx<'_>, link: LinkId, reason: CloseReason) {
        let on_link = |route: Route| matches!(route, Route::Link(on, _) if on == link);
        let lost: alloc::vec::Vec<u64> =
            self.calls.iter().filter(|(_, call)| on_link(call.route)).map(|(id, _)| id).collect();
        for id in lost {
            let started = self.calls.get(id).is_some_and(|call| call.started);
            if !started && self.search_on(cx, OpId(id)) {
                continue;
            }
            cx.mark("delivery.call_lost_its_link");
            if injected!(cx, "lost-link-unnoticed") && id.is_multiple_of(2) {
                continue;
            }
            let maybe = started && !injected!(cx, "maybe-executed-denied");
            let text = alloc::format!("the link to the node was lost: {}", reason.text());
            self.complete(cx, OpId(id), Err(Error::of_kind(Kind::NodeDown, text).executed_perhaps(maybe)));
        }
    }

    /// The node stops: calls that are still open fail.
    pub(super) fn abandon_calls(&mut self, cx: &mut Cx<'_>) {
        let open: alloc::vec::Vec<(u64, bool)> =
            self.calls.iter().map(|(id, call)| (id, call.started)).collect();
        for (id, started) in open {
            let error = Error::of_kind(Kind::Stopped, "this node stopped").executed_perhaps(started);
            self.give_up(cx, OpId(id), error);
        }
    }
}

pub(super) fn not_found(action: &ActionPath) -> Error {
    Error::new(Code::NotFound, "no action ".to_string() + action.as_str() + " is served")
}
