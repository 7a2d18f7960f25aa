//! The ends of streams: what has arrived at them, and who waits there.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use lacewing_core::engine::{Call, OpId, Payload, RequestId, StreamId};
use lacewing_core::{Code, Engine, Error};
use tokio::sync::Notify;

use super::{CallResult, Core, Driver, Effect, stopped_error};

/// One end of a stream, shared by the driver and the handles of the application.
///
/// What waits here to be taken is bounded by the window that the engine keeps for the stream: nothing is granted anew before the
/// application has taken something.
#[derive(Default)]
pub(crate) struct StreamEnd {
    inner: Mutex<Inner>,
    /// Told when there may be room for another item, or never will be.
    room: Notify,
}

#[derive(Default)]
struct Inner {
    items: VecDeque<Payload>,
    /// What comes behind the items: of a call its outcome, of a request the end of its uploads.
    outcome: Option<CallResult>,
    /// The outcome has been given to whoever reads.
    told: bool,
    /// Nobody reads here any more.
    deaf: bool,
    reader: Option<Waker>,
}

/// An item that somebody takes.
struct Taken {
    item: Payload,
    /// Whether the outcome is known, so that the engine has forgotten a call.
    over: bool,
}

impl StreamEnd {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an item. Whom to wake, if anybody.
    fn push(&self, item: Payload) -> Option<Waker> {
        let mut inner = self.lock();
        if inner.deaf || inner.outcome.is_some() {
            return None;
        }
        inner.items.push_back(item);
        inner.reader.take()
    }

    /// Nothing more comes. The first outcome is the one that counts.
    fn finish(&self, outcome: CallResult) -> Option<Waker> {
        let mut inner = self.lock();
        if inner.outcome.is_none() {
            inner.outcome = Some(outcome);
        }
        inner.reader.take()
    }

    /// Drops what has come and what is still to come.
    pub(crate) fn stop_reading(&self) {
        let items = {
            let mut inner = self.lock();
            inner.deaf = true;
            std::mem::take(&mut inner.items)
        };
        drop(items);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.lock().outcome.is_some()
    }

    /// The error that the stream has ended with.
    fn failure(&self) -> Option<Error> {
        self.lock().outcome.as_ref()?.as_ref().err().cloned()
    }

    fn poll_taken(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Taken, Error>>> {
        let mut inner = self.lock();
        let over = inner.outcome.is_some();
        if let Some(item) = inner.items.pop_front() {
            return Poll::Ready(Some(Ok(Taken { item, over })));
        }
        match &inner.outcome {
            Some(Err(error)) if !inner.told => {
                let error = error.clone();
                inner.told = true;
                Poll::Ready(Some(Err(error)))
            }
            Some(_) => Poll::Ready(None),
            None => {
                inner.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn poll_outcome(&self, cx: &mut Context<'_>) -> Poll<CallResult> {
        let mut inner = self.lock();
        if let Some(outcome) = &inner.outcome {
            return Poll::Ready(outcome.clone());
        }
        inner.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// An end that the application can use: its node, its number, and what has arrived.
#[derive(Clone)]
pub(crate) struct StreamHandle {
    driver: Arc<Driver>,
    id: StreamId,
    end: Arc<StreamEnd>,
}

impl StreamHandle {
    pub(crate) fn end(&self) -> &StreamEnd {
        &self.end
    }

    /// Sends an item. `Backpressure`: not now.
    pub(crate) fn try_send(&self, item: Payload) -> Result<(), Error> {
        let sent = self.driver.with_soon(|core, now| core.engine.send_item(now, self.id, item));
        sent.map_err(|error| match error.code() {
            // Why it is not open any more is worth more than that it is not.
            Code::FailedPrecondition => self.end.failure().unwrap_or(error),
            _ => error,
        })
    }

    /// Sends an item once there is room for it.
    pub(crate) async fn send(&self, item: Payload) -> Result<(), Error> {
        loop {
            let mut room = std::pin::pin!(self.end.room.notified());
            // Before the attempt, so that no room falls between.
            room.as_mut().enable();
            match self.try_send(item.clone()) {
                Err(error) if error.code() == Code::Backpressure => room.await,
                done => return done,
            }
        }
    }

    /// The next item, then the error that the stream ended with, if any, then nothing.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Payload, Error>>> {
        self.end.poll_taken(cx).map(|next| {
            next.map(|taken| {
                let Taken { item, over } = taken?;
                if !(over && matches!(self.id, StreamId::Call(_))) {
                    let len = item.data.len();
                    self.driver.with_soon(|core, now| core.engine.item_taken(now, self.id, len));
                }
                Ok(item)
            })
        })
    }

    /// The outcome of the whole call.
    pub(crate) fn poll_outcome(&self, cx: &mut Context<'_>) -> Poll<CallResult> {
        self.end.poll_outcome(cx)
    }

    /// Of a call: uploads no more.
    pub(crate) fn end_uploads(&self) {
        if let StreamId::Call(op) = self.id {
            self.driver.with_soon(|core, now| core.engine.end_uploads(now, op));
        }
    }

    /// Of a call: gives it up, unless it is over. Whoever still holds another half of it is told why.
    pub(crate) fn cancel(&self, why: &'static str) {
        if let (StreamId::Call(op), false) = (self.id, self.end.is_over()) {
            finish_now(&self.end, Error::new(Code::Cancelled, why).executed_perhaps(true));
            self.driver.cancel(op);
        }
    }
}

impl Driver {
    /// Opens the stream that `order` makes of what the node knows now.
    pub(crate) fn open_stream<'a>(
        self: &Arc<Self>,
        order: impl FnOnce(&Engine) -> Result<Call<'a>, Error>,
    ) -> Result<StreamHandle, Error> {
        self.with_soon(|core, now| {
            if core.closed {
                return Err(stopped_error());
            }
            let call = order(&core.engine)?;
            let id = StreamId::Call(core.engine.call(now, call)?);
            Ok(core.open_end(self, id))
        })
    }
}

impl Core {
    fn open_end(&mut self, driver: &Arc<Driver>, id: StreamId) -> StreamHandle {
        let end = Arc::<StreamEnd>::default();
        self.streams.insert(id, Arc::clone(&end));
        StreamHandle { driver: Arc::clone(driver), id, end }
    }

    /// The handler's end of a stream.
    pub(super) fn open_request(&mut self, driver: &Arc<Driver>, request: RequestId) -> StreamHandle {
        self.open_end(driver, StreamId::Request(request))
    }

    pub(super) fn item_arrived(&self, stream: StreamId, item: Payload, effects: &mut Vec<Effect>) {
        // No end: the call was given up, or the request is answered, and what was under way is dropped.
        let waker = self.streams.get(&stream).and_then(|end| end.push(item));
        effects.extend(waker.map(Effect::Wake));
    }

    pub(super) fn uploads_ended(&self, request: RequestId, effects: &mut Vec<Effect>) {
        let end = self.streams.get(&StreamId::Request(request));
        let waker = end.and_then(|end| end.finish(Ok(Payload::default())));
        effects.extend(waker.map(Effect::Wake));
    }

    pub(super) fn stream_writable(&self, stream: StreamId, effects: &mut Vec<Effect>) {
        effects.extend(self.streams.get(&stream).cloned().map(Effect::Room));
    }

    /// The call behind a stream has its outcome.
    pub(super) fn stream_done(&mut self, op: OpId, result: CallResult, effects: &mut Vec<Effect>) {
        self.end_stream(StreamId::Call(op), result, effects);
    }

    /// Nobody waits for the answer to a request any more.
    pub(super) fn request_over(&mut self, request: RequestId, why: Error, effects: &mut Vec<Effect>) {
        self.end_stream(StreamId::Request(request), Err(why), effects);
    }

    fn end_stream(&mut self, id: StreamId, outcome: CallResult, effects: &mut Vec<Effect>) {
        if let Some(end) = self.streams.remove(&id) {
            effects.extend(end.finish(outcome).map(Effect::Wake));
            effects.push(Effect::Room(end));
        }
    }
}

/// Wakes whoever waits for room at an end.
pub(super) fn tell_room(end: &StreamEnd) {
    end.room.notify_waiters();
}

/// The node is closed: nothing comes any more.
pub(super) fn close(end: &StreamEnd) {
    finish_now(end, stopped_error().executed_perhaps(true));
}

/// The handler has answered: whoever still holds its end hears no more.
pub(super) fn answered(end: &StreamEnd) {
    finish_now(end, Error::new(Code::FailedPrecondition, "the request was answered"));
}

fn finish_now(end: &StreamEnd, why: Error) {
    let waker = end.finish(Err(why));
    if let Some(waker) = waker {
        waker.wake();
    }
    tell_room(end);
}
