//! Calls that are streams, as applications hold them: what they still have to send, what has come and is not taken yet.

use std::collections::VecDeque;

use lacewing_core::engine::{OpId, Payload, RequestId, StreamId};
use lacewing_core::{Code, Error};

use super::queue::Event;
use super::{Tag, World, tell};
use crate::history::What;
use crate::payload;
use crate::run::{Flow, Handler, Shape};

/// One end of a stream, as the application holds it.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a stage of its own, and they come in any order")]
pub(super) struct End {
    op: u64,
    /// How many of its messages the node has taken.
    sent: u64,
    /// It sends no more: all have been sent, or it is of no use.
    sent_all: bool,
    /// The next message goes when a pause is over.
    sends_later: bool,
    /// What has come and waits to be taken.
    inbox: VecDeque<Payload>,
    taken: u64,
    /// The next message is taken when a pause is over.
    takes_later: bool,
    /// Behind what waits comes the end: of a call its outcome, of a request the end of its uploads.
    last: Option<Result<Payload, Error>>,
    /// The handler has taken everything, and knows.
    taken_all: bool,
    /// The handler only works on its answer.
    ending: bool,
}

/// The direction in which an end sends.
fn sends(stream: StreamId) -> Flow {
    match stream {
        StreamId::Call(_) => Flow::Uploads,
        StreamId::Request(_) => Flow::Items,
    }
}

/// The direction in which an end receives.
fn takes(stream: StreamId) -> Flow {
    match stream {
        StreamId::Call(_) => Flow::Items,
        StreamId::Request(_) => Flow::Uploads,
    }
}

/// A number for each end of a stream of one node.
pub(super) fn number(stream: StreamId) -> u64 {
    match stream {
        StreamId::Call(op) => 2 * op.0,
        StreamId::Request(request) => 2 * request.0 + 1,
    }
}

impl World<'_, '_, '_> {
    fn end(&mut self, node: usize, stream: StreamId) -> Option<&mut End> {
        self.hosts[node].process.as_mut()?.ends.get_mut(&stream)
    }

    /// A stream begins at one of its ends.
    pub(super) fn open_end(&mut self, node: usize, stream: StreamId, op: u64) {
        let Some(spec) = self.calls.get(&op).copied() else { return };
        let shape = match stream {
            StreamId::Call(_) => spec.called(),
            StreamId::Request(_) => spec.served(),
        };
        if shape == Shape::Unary {
            return;
        }
        let Some(process) = &mut self.hosts[node].process else { return };
        let sent_all = !shape.has(sends(stream));
        let taken_all = !shape.has(takes(stream));
        process.ends.insert(stream, End { op, sent_all, taken_all, ..End::default() });
        if !sent_all {
            // Once the engine's outputs have been seen to.
            self.send_later(node, stream, crate::quantity::Micros::ZERO);
        } else if let StreamId::Request(request) = stream {
            self.end_when_done(node, request);
        }
    }

    fn send_later(&mut self, node: usize, stream: StreamId, pause: crate::quantity::Micros) {
        let (due, life) = (self.now + pause.as_duration(), self.hosts[node].life);
        let Some(end) = self.end(node, stream) else { return };
        end.sends_later = true;
        self.queue.push(due, Event::Send { node, life, stream });
    }

    pub(super) fn send_due(&mut self, node: usize, life: u32, stream: StreamId) {
        if self.process(node, life).is_none() {
            return;
        }
        if let Some(end) = self.end(node, stream) {
            end.sends_later = false;
            self.send_messages(node, stream);
            self.drain(node);
        }
    }

    /// The node has room again.
    pub(super) fn writable(&mut self, node: usize, stream: StreamId) {
        if self.end(node, stream).is_some_and(|end| !end.sends_later) {
            self.send_messages(node, stream);
        }
    }

    /// Sends as much as the node takes, or one message where there is a pause between two.
    fn send_messages(&mut self, node: usize, stream: StreamId) {
        let (now, seed, flow) = (self.now, self.run.header.seed, sends(stream));
        loop {
            let Some(process) = &mut self.hosts[node].process else { return };
            let Some(end) = process.ends.get_mut(&stream).filter(|end| !end.sent_all && !end.ending) else {
                return;
            };
            let Some(spec) = self.calls.get(&end.op) else { return };
            let (op, number) = (end.op, end.sent);
            let Some(message) = payload::message(seed, spec, flow, number) else {
                return self.all_sent(node, stream);
            };
            let bytes = message.data.len() as u64;
            let sent = process.engine.send_item(now, stream, message);
            let code = sent.as_ref().err().map(Error::code);
            let parts =
                [now.as_nanos(), node as u64, Tag::Command as u64, op, number, u64::from(code.is_none())];
            self.chain.add(&parts, b"item");
            match code {
                None => {
                    end.sent += 1;
                    self.history.push(now, node, What::Sent { op, flow, number, bytes });
                    let every = spec.stream.map_or_else(Default::default, |stream| stream.sends(flow).every);
                    if every.0 > 0 {
                        return self.send_later(node, stream, every);
                    }
                }
                Some(Code::Backpressure) => return,
                Some(_) => {
                    end.sent_all = true;
                    return;
                }
            }
        }
    }

    fn all_sent(&mut self, node: usize, stream: StreamId) {
        let now = self.now;
        let Some(process) = &mut self.hosts[node].process else { return };
        let Some(end) = process.ends.get_mut(&stream) else { return };
        end.sent_all = true;
        match stream {
            StreamId::Call(id) => {
                let op = end.op;
                if process.engine.end_uploads(now, id) {
                    self.history.push(now, node, What::UploadsEnded { op });
                }
            }
            StreamId::Request(request) => self.end_when_done(node, request),
        }
    }

    /// A message has come.
    pub(super) fn message(&mut self, node: usize, stream: StreamId, message: Payload) {
        // Nobody holds the end any more: it was given up, or has answered, while this was under way.
        let Some(end) = self.end(node, stream) else { return };
        end.inbox.push_back(message);
        self.take_messages(node, stream);
    }

    /// Everything that the caller uploads has come.
    pub(super) fn uploads_ended(&mut self, node: usize, request: RequestId) {
        let stream = StreamId::Request(request);
        if let Some(end) = self.end(node, stream) {
            end.last = Some(Ok(Payload::default()));
            self.take_messages(node, stream);
        }
    }

    /// A call has its outcome, which the application reads behind what came before. `false` where the call is no stream.
    pub(super) fn stream_done(&mut self, node: usize, id: OpId, result: &Result<Payload, Error>) -> bool {
        let stream = StreamId::Call(id);
        let Some(end) = self.end(node, stream) else { return false };
        end.sent_all = true;
        end.last = Some(result.clone());
        self.take_messages(node, stream);
        true
    }

    pub(super) fn take_due(&mut self, node: usize, life: u32, stream: StreamId) {
        if self.process(node, life).is_none() {
            return;
        }
        if let Some(end) = self.end(node, stream) {
            end.takes_later = false;
            self.take_messages(node, stream);
            self.drain(node);
        }
    }

    /// Takes what has come, or one message where there is a pause between two, and then the end.
    fn take_messages(&mut self, node: usize, stream: StreamId) {
        let (now, seed, flow) = (self.now, self.run.header.seed, takes(stream));
        let life = self.hosts[node].life;
        loop {
            let Some(process) = &mut self.hosts[node].process else { return };
            let Some(end) = process.ends.get_mut(&stream).filter(|end| !end.takes_later && !end.ending)
            else {
                return;
            };
            let Some(spec) = self.calls.get(&end.op) else { return };
            let Some(told) = spec.stream else { return };
            let op = end.op;
            let Some(message) = end.inbox.pop_front() else { return self.take_end(node, stream) };
            let (expected, bytes) = (end.taken, message.data.len());
            let number = payload::recognise(seed, spec, flow, expected, &message);
            end.taken += 1;
            let taken = end.taken;
            let waits = told.sends(flow).taken_every;
            if waits.0 > 0 {
                end.takes_later = true;
                self.queue.push(now + waits.as_duration(), Event::Take { node, life, stream });
            }
            self.history.push(now, node, What::Taken { op, flow, number, bytes: bytes as u64 });
            self.chain.add(&[now.as_nanos(), node as u64, Tag::Command as u64, op, expected], b"taken");
            process.engine.item_taken(now, stream, bytes);
            match stream {
                StreamId::Call(id) if told.stop_after == Some(taken) => return self.stop(node, id, op),
                StreamId::Call(_) => {}
                StreamId::Request(request) => self.end_when_done(node, request),
            }
        }
    }

    /// Nothing waits to be taken: learns of the end, where that has come.
    fn take_end(&mut self, node: usize, stream: StreamId) {
        let now = self.now;
        let Some(end) = self.end(node, stream) else { return };
        let Some(last) = end.last.take() else { return };
        let op = end.op;
        match stream {
            StreamId::Call(id) => {
                if let Some(process) = &mut self.hosts[node].process {
                    process.ends.remove(&stream);
                    process.calls.entry(id).and_modify(|call| call.done = true);
                }
                self.call_over(node, op, None, last);
            }
            StreamId::Request(request) => {
                end.taken_all = true;
                self.history.push(now, node, What::UploadsOver { op });
                self.end_when_done(node, request);
            }
        }
    }

    /// The caller has had enough.
    pub(super) fn stop(&mut self, node: usize, id: OpId, op: u64) {
        let now = self.now;
        let Some(process) = &mut self.hosts[node].process else { return };
        process.ends.remove(&StreamId::Call(id));
        self.history.push(now, node, What::Cancel { op });
        self.chain.add(&[now.as_nanos(), node as u64, Tag::Command as u64, op], b"stop");
        tell!(self, node, "has enough of op {op}");
        let Some(process) = &mut self.hosts[node].process else { return };
        process.calls.entry(id).and_modify(|call| call.done = true);
        process.engine.cancel(now, id);
        let error = Error::new(Code::Cancelled, "as the run says").executed_perhaps(true);
        self.call_over(node, op, None, Err(error));
    }

    /// Where the handler of a stream has done what the run says, it works on its answer.
    fn end_when_done(&mut self, node: usize, request: RequestId) {
        let (now, life) = (self.now, self.hosts[node].life);
        let Some(process) = &mut self.hosts[node].process else { return };
        let Some(end) = process.ends.get_mut(&StreamId::Request(request)).filter(|end| !end.ending) else {
            return;
        };
        let Some(spec) = self.calls.get(&end.op) else { return };
        let enough = spec.stream.and_then(|stream| stream.ends_after);
        let done = match enough {
            Some(_) if spec.served().has(Flow::Items) => end.sent_all,
            Some(enough) => end.taken >= enough || end.taken_all,
            None => end.sent_all && end.taken_all,
        };
        if !done {
            return;
        }
        match spec.handler {
            // It goes on taking, and never answers.
            Handler::Never => {}
            Handler::Reply { after, .. } | Handler::Fail { after, .. } => {
                end.ending = true;
                self.queue.push(now + after.as_duration(), Event::HandlerDone { node, life, request });
            }
            Handler::Call { .. } => {}
        }
    }
}
