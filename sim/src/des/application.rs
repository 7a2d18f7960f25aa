//! The applications on the simulated machines: they call, and they serve, as the run says.

use lacewing_core::engine::{
    Call, CallOptions, Caller, Codec, Event as Happening, OpId, Payload, RequestId, StreamId, StreamOptions,
    Target,
};
use lacewing_core::{Code, Error, Kind, NodeId};

use super::flows::number as stream_number;
use super::host::{PendingCall, Request};
use super::queue::Event;
use super::{Tag, World, tell};
use crate::history::What;
use crate::payload::{self, Way};
use crate::quantity::Micros;
use crate::run::{CallSpec, Flow, Handler, Shape};

impl World<'_, '_, '_> {
    /// Starts a call, for its own sake or for that of a request.
    pub(super) fn begin_call(&mut self, node: usize, op: u64, parent: Option<RequestId>) {
        let (now, seed) = (self.now, self.run.header.seed);
        let Some(spec) = self.calls.get(&op).copied() else { return };
        let target = match spec.to {
            Some(to) => Target::Node(self.hosts[to].identity.node_id()),
            None => Target::Select(spec.select.in_core()),
        };
        // Nobody is there to call while the process is away.
        let Some(process) = &mut self.hosts[node].process else { return };
        let silent = spec.policy.cast && !spec.policy.acknowledged;
        if !silent {
            self.history.push(now, node, What::Invoke { op });
        }
        self.tally.calls += 1;
        let payload = Payload { codec: Codec::Raw, data: payload::build(seed, op, Way::Request, spec.size) };
        let action = payload::action(&spec);
        let call = Call {
            target,
            action: &action,
            payload,
            timeout: time_limit(&spec).map(Micros::as_duration),
            options: CallOptions {
                policy: spec.policy.in_core().map(Box::new),
                stream: stream_options(&spec),
                ..CallOptions::default()
            },
        };
        if silent {
            let queued = process.engine.cast(now, call).is_ok();
            let parts = [now.as_nanos(), node as u64, Tag::Command as u64, op, u64::from(queued)];
            self.chain.add(&parts, b"cast");
            tell!(self, node, "casts op {op}: {}", if queued { "queued" } else { "refused" });
            return self.drain(node);
        }
        let started = if spec.policy.acknowledged {
            process.engine.cast_acknowledged(now, call)
        } else {
            process.engine.call(now, call)
        };
        let parts = [now.as_nanos(), node as u64, Tag::Command as u64, op, u64::from(started.is_ok())];
        self.chain.add(&parts, b"call");
        tell!(
            self,
            node,
            "calls op {op} -> {:?}: {}",
            spec.to,
            if started.is_ok() { "started" } else { "refused" }
        );
        match started {
            Ok(id) => {
                let Some(process) = &mut self.hosts[node].process else { return };
                process.calls.insert(id, PendingCall { op, done: false, parent });
                if let Some(request) = parent.and_then(|parent| process.requests.get_mut(&parent)) {
                    request.child = Some(id);
                }
                self.open_end(node, StreamId::Call(id), op);
            }
            Err(error) => self.call_over(node, op, parent, Err(error)),
        }
        self.drain(node);
    }

    pub(super) fn cancel_call(&mut self, op: u64) {
        let now = self.now;
        // A cast is not taken back.
        let spec = self.calls.get(&op).filter(|call| !call.policy.cast);
        let Some(node) = spec.and_then(|call| call.from) else { return };
        let Some(process) = &self.hosts[node].process else { return };
        let pending = process.calls.iter().find(|(_, call)| call.op == op && !call.done).map(|(id, _)| *id);
        let Some(id) = pending else { return };
        if process.ends.contains_key(&StreamId::Call(id)) {
            self.stop(node, id, op);
            return self.drain(node);
        }
        self.history.push(now, node, What::Cancel { op });
        self.chain.add(&[now.as_nanos(), node as u64, Tag::Command as u64, op], b"cancel");
        tell!(self, node, "cancels op {op}");
        if let Some(process) = &mut self.hosts[node].process {
            process.engine.cancel(now, id);
        }
        self.drain(node);
    }

    /// What the engine of a node has to say.
    pub(super) fn event(&mut self, node: usize, happening: Happening) {
        self.chain_event(node, &happening);
        let peer_of = |world: &Self, id| world.nodes.get(id).copied();
        let what = match &happening {
            Happening::PeerUp(info) => What::PeerUp { peer: peer_of(self, &info.node) },
            Happening::PeerSuspect { node } => What::PeerSuspect { peer: peer_of(self, node) },
            Happening::PeerDown { node, reason, .. } => {
                What::PeerDown { peer: peer_of(self, node), reason: format!("{reason:?}") }
            }
            Happening::NodeUp { node, incarnation } => {
                What::NodeUp { of: peer_of(self, node), incarnation: incarnation.get() }
            }
            Happening::NodeSuspect { node } => What::NodeSuspect { of: peer_of(self, node) },
            Happening::NodeRecovered { node } => What::NodeRecovered { of: peer_of(self, node) },
            Happening::NodeDown { node, incarnation, reason } => What::NodeDown {
                of: peer_of(self, node),
                incarnation: incarnation.get(),
                reason: format!("{reason:?}"),
            },
            Happening::NodeChanged { node: of } => return self.note_known(node, of),
            Happening::LinkClosed { node, reason, .. } => What::LinkClosed {
                peer: node.as_ref().and_then(|node| peer_of(self, node)),
                reason: reason.name().to_owned(),
            },
            Happening::IncarnationAdopted { incarnation } => {
                self.hosts[node].persisted = Some(*incarnation);
                What::Adopted
            }
            Happening::Superseded { .. } => What::Superseded,
            Happening::CallDone { .. } => {
                let Happening::CallDone { op, result } = happening else { return };
                return self.call_done(node, op, result);
            }
            Happening::Request { .. } => return self.request(node, happening),
            Happening::RequestCancelled { request } => return self.withdrawn(node, *request),
            Happening::Published { subscription, event } => {
                return self.event_arrives(node, *subscription, event);
            }
            Happening::Stopped => {
                if let Some(process) = &mut self.hosts[node].process {
                    process.stopped = true;
                }
                return;
            }
            Happening::PeerRecovered { .. }
            | Happening::DialFailed { .. }
            | Happening::Writable { .. }
            | Happening::PublishReady => return,
            Happening::Gathered { op, answers } => return self.gathered(node, *op, answers),
            Happening::Item { stream, .. } => {
                let stream = *stream;
                let Happening::Item { item, .. } = happening else { return };
                return self.message(node, stream, item);
            }
            Happening::UploadsEnded { request } => return self.uploads_ended(node, *request),
            Happening::StreamWritable { stream } => return self.writable(node, *stream),
        };
        self.survey.happens(node, &what);
        self.history.push(self.now, node, what);
    }

    fn chain_event(&mut self, node: usize, happening: &Happening) {
        let (kind, number, extent) = match happening {
            Happening::PeerUp(info) => (1, info.link.0, info.incarnation.get()),
            Happening::PeerSuspect { .. } => (2, 0, 0),
            Happening::PeerRecovered { .. } => (3, 0, 0),
            Happening::PeerDown { incarnation, reason, .. } => (4, incarnation.get(), *reason as u64),
            Happening::LinkClosed { link, reason, .. } => (5, link.0, reason.number().into()),
            Happening::DialFailed { retry_at, reason, .. } => (6, retry_at.as_nanos(), *reason as u64),
            Happening::CallDone { op, result: Ok(payload) } => (7, op.0, payload.data.len() as u64),
            Happening::CallDone { op, result: Err(error) } => (8, op.0, error.code().number().into()),
            Happening::Request { request, payload, .. } => (9, request.0, payload.data.len() as u64),
            Happening::RequestCancelled { request } => (10, request.0, 0),
            Happening::Writable { .. } => (11, 0, 0),
            Happening::IncarnationAdopted { incarnation } => (12, incarnation.get(), 0),
            Happening::Superseded { by } => (13, by.get(), 0),
            Happening::Stopped => (14, 0, 0),
            Happening::NodeUp { incarnation, .. } => (15, incarnation.get(), 0),
            Happening::NodeSuspect { .. } => (16, 0, 0),
            Happening::NodeRecovered { .. } => (17, 0, 0),
            Happening::NodeDown { incarnation, reason, .. } => (18, incarnation.get(), *reason as u64),
            Happening::NodeChanged { .. } => (19, 0, 0),
            Happening::Item { stream, item } => (20, stream_number(*stream), item.data.len() as u64),
            Happening::UploadsEnded { request } => (21, request.0, 0),
            Happening::StreamWritable { stream } => (22, stream_number(*stream), 0),
            Happening::Published { subscription, event } => (23, subscription.0, event.sequence),
            Happening::PublishReady => (24, 0, 0),
            Happening::Gathered { op, answers } => (25, op.0, answers.len() as u64),
        };
        self.chain.add(&[self.now.as_nanos(), node as u64, Tag::Event as u64, kind, number, extent], b"");
        if self.options.trace.is_none() {
            return;
        }
        match happening {
            Happening::CallDone { op, result } => {
                let text = result
                    .as_ref()
                    .map_or_else(ToString::to_string, |payload| format!("{} bytes", payload.data.len()));
                tell!(self, node, "-> CallDone {} {text}", op.0);
            }
            Happening::Request { request, action, payload, .. } => {
                tell!(self, node, "-> Request {} {action} {} bytes", request.0, payload.data.len());
            }
            other => tell!(self, node, "-> {other:?}"),
        }
    }

    /// Everybody has answered a call, or its time is over.
    fn gathered(&mut self, node: usize, id: OpId, answers: &[(NodeId, Result<Payload, Error>)]) {
        let calls = self.hosts[node].process.as_ref().map(|process| &process.calls);
        let Some(op) = calls.and_then(|calls| calls.get(&id)).map(|call| call.op) else { return };
        let Some(spec) = self.calls.get(&op) else { return };
        self.history.push(self.now, node, payload::gathered(self.run.header.seed, spec, answers));
    }

    fn call_done(&mut self, node: usize, id: OpId, result: Result<Payload, Error>) {
        let Some(process) = &mut self.hosts[node].process else { return };
        let Some(call) = process.calls.get_mut(&id) else {
            self.harness_error
                .get_or_insert(format!("n{node}: an outcome for call {}, which was never started", id.0));
            return;
        };
        if call.done {
            // Of a stream that the application has given up.
            if self.calls.get(&call.op).is_some_and(|spec| spec.called() != Shape::Unary) {
                return;
            }
        }
        let call = *call;
        if self.stream_done(node, id, &result) {
            return;
        }
        if let Some(call) = self.hosts[node].process.as_mut().and_then(|process| process.calls.get_mut(&id)) {
            call.done = true;
        }
        self.call_over(node, call.op, call.parent, result);
    }

    /// Notes an outcome, and passes it on where a handler waits for it.
    pub(super) fn call_over(
        &mut self,
        node: usize,
        op: u64,
        parent: Option<RequestId>,
        result: Result<Payload, Error>,
    ) {
        let now = self.now;
        let what = match &result {
            Ok(payload) => {
                self.tally.answered += 1;
                let matches = self
                    .calls
                    .get(&op)
                    .is_some_and(|spec| payload::is_answer(self.run.header.seed, spec, payload));
                What::Ok { op, matches, bytes: payload.data.len() as u64 }
            }
            Err(error) => What::Fail {
                op,
                code: error.code(),
                number: error.code().number(),
                maybe_executed: error.maybe_executed(),
            },
        };
        self.history.push(now, node, what);
        let Some(request) = parent else { return };
        let Some(outer) =
            self.hosts[node].process.as_ref().and_then(|process| process.requests.get(&request).copied())
        else {
            return;
        };
        let answer = match result {
            Ok(_) => Ok(self.answer(outer.op)),
            Err(error) => {
                let text = format!("the nested call failed: {}", error.code());
                Err(Error::of_kind(Kind::Handler, text).executed_perhaps(true))
            }
        };
        self.answer_request(node, request, answer);
    }

    /// The answer of an operation's handler.
    fn answer(&self, op: u64) -> Payload {
        let spec = self.calls.get(&op);
        if spec.is_some_and(|spec| spec.served().has(Flow::Items)) {
            return Payload::default();
        }
        let size = spec.map_or(0, |spec| payload::answer_size(spec));
        Payload { codec: Codec::Raw, data: payload::build(self.run.header.seed, op, Way::Reply, size) }
    }

    // --- serving

    fn request(&mut self, node: usize, happening: Happening) {
        let Happening::Request { request, caller, action, payload, .. } = happening else { return };
        let now = self.now;
        let op = payload::operation(action.as_str(), &payload.data).filter(|op| self.calls.contains_key(op));
        let spec = op.and_then(|op| self.calls.get(&op).copied());
        let matches = spec.is_some_and(|spec| {
            payload.codec == Codec::Raw
                && payload::matches(self.run.header.seed, spec.id, Way::Request, spec.size, &payload.data)
        });
        let caller_matches = spec.is_some_and(|spec| self.is_caller(&spec, &caller));
        self.history.push(now, node, What::Execute { op, matches, caller_matches });
        let Some(spec) = spec else {
            self.answer_request(node, request, Err(Error::new(Code::NotFound, "no operation of this run")));
            return;
        };
        let host = &mut self.hosts[node];
        let life = host.life;
        let Some(process) = &mut host.process else { return };
        process.requests.insert(request, Request { op: spec.id, child: None });
        if spec.served() != Shape::Unary {
            return self.open_end(node, StreamId::Request(request), spec.id);
        }
        match spec.handler {
            Handler::Reply { after, .. } | Handler::Fail { after, .. } => {
                self.queue.push(now + after.as_duration(), Event::HandlerDone { node, life, request });
            }
            Handler::Never => {}
            // The call is made once the engine's outputs have been seen to.
            Handler::Call { .. } => self.queue.push(now, Event::HandlerDone { node, life, request }),
        }
    }

    fn is_caller(&self, spec: &CallSpec<'_>, caller: &Caller) -> bool {
        spec.from.is_some_and(|from| self.hosts[from].identity.node_id() == caller.node)
    }

    pub(super) fn handler_done(&mut self, node: usize, life: u32, request: RequestId) {
        let Some(process) = self.process(node, life) else { return };
        let Some(op) = process.requests.get(&request).map(|request| request.op) else { return };
        let Some(spec) = self.calls.get(&op).copied() else { return };
        match spec.handler {
            Handler::Reply { .. } => {
                let answer = self.answer(op);
                if spec.served() == Shape::Unary && spec.called().has(Flow::Items) {
                    let (now, bytes) = (self.now, answer.data.len() as u64);
                    self.history.push(now, node, What::Sent { op, flow: Flow::Items, number: 0, bytes });
                }
                self.answer_request(node, request, Ok(answer));
            }
            Handler::Fail { code, .. } => {
                let error = Error::new(Code::Application(*code), "as the run says").executed_perhaps(true);
                self.answer_request(node, request, Err(error));
            }
            Handler::Never => {}
            Handler::Call { id, .. } => self.begin_call(node, *id, Some(request)),
        }
        self.drain(node);
    }

    fn answer_request(&mut self, node: usize, request: RequestId, result: Result<Payload, Error>) {
        let now = self.now;
        let Some(process) = &mut self.hosts[node].process else { return };
        let op = process.requests.remove(&request).map(|request| request.op);
        if let (Some(_), Some(op)) = (process.ends.remove(&StreamId::Request(request)), op) {
            process.answered.insert(request, op);
        }
        let ok = result.is_ok();
        let taken = process.engine.reply(now, request, result);
        let parts =
            [now.as_nanos(), node as u64, Tag::Command as u64, request.0, u64::from(ok), u64::from(taken)];
        self.chain.add(&parts, b"reply");
        tell!(self, node, "answers request {}", request.0);
        if let Some(op) = op {
            self.history.push(now, node, What::Answer { op });
        }
    }

    fn withdrawn(&mut self, node: usize, request: RequestId) {
        let now = self.now;
        let Some(process) = &mut self.hosts[node].process else { return };
        let Some(withdrawn) = process.requests.remove(&request) else {
            // Once more, after the handler of a stream was done.
            if let Some(op) = process.answered.get(&request).copied() {
                self.history.push(now, node, What::Withdrawn { op });
            }
            return;
        };
        process.ends.remove(&StreamId::Request(request));
        self.history.push(now, node, What::Withdrawn { op: withdrawn.op });
        // Its work is a timer, so it has stopped already.
        process.engine.handler_ended(now, request);
        // Nobody waits for the outer call, so the inner one is of no use either.
        if let Some(child) = withdrawn.child {
            let pending = process.calls.get(&child).filter(|call| !call.done).map(|call| call.op);
            if let Some(op) = pending {
                self.history.push(now, node, What::Cancel { op });
                process.engine.cancel(now, child);
            }
        }
    }
}

/// How long a caller waits, unless it is for as long as something moves.
fn time_limit(spec: &CallSpec<'_>) -> Option<Micros> {
    Some(spec.timeout).filter(|_| !spec.stream.is_some_and(|stream| stream.endless))
}

/// The core's word for what makes a call a stream.
fn stream_options(spec: &CallSpec<'_>) -> Option<StreamOptions> {
    let stream = spec.stream.filter(|stream| stream.called() != Shape::Unary)?;
    let options = StreamOptions::new(stream.called().in_core());
    Some(StreamOptions { idle_timeout: Some(stream.idle.as_duration()), ..options })
}
