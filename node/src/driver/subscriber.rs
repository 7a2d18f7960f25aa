//! Gives what the engine reports to whom it concerns.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use lacewing_core::engine::{Event as EngineEvent, RequestId};
use lacewing_core::{Code, Error, Instant};
use tokio::sync::oneshot;

use super::handler::HandlerTask;
use super::inject::injected;
use super::{Core, Driver, Effect};
use crate::events::Event;
use crate::request::Request;

/// Events that wait for one subscriber; the oldest give way.
const QUEUE_MAX: usize = 1_024;

/// The queue of one subscriber.
#[derive(Default)]
pub(crate) struct Subscriber {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    queue: VecDeque<Event>,
    missed: u64,
    /// Nothing more will come, or nobody is there to take it.
    closed: bool,
    waiting: Option<Waker>,
}

impl Subscriber {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the subscription from either side. What is queued can still be taken.
    pub(crate) fn close(&self) {
        let waiting = {
            let mut inner = self.lock();
            inner.closed = true;
            inner.waiting.take()
        };
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    pub(crate) fn missed(&self) -> u64 {
        self.lock().missed
    }

    /// How much waits.
    pub(super) fn queue_len(&self) -> usize {
        self.lock().queue.len()
    }

    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let mut inner = self.lock();
        if let Some(event) = inner.queue.pop_front() {
            return Poll::Ready(Some(event));
        }
        if inner.closed {
            return Poll::Ready(None);
        }
        inner.waiting = Some(cx.waker().clone());
        Poll::Pending
    }

    /// `false`: nobody listens any more.
    fn push(&self, event: Event, missed: &mut u64, effects: &mut Vec<Effect>) -> bool {
        let mut inner = self.lock();
        if inner.closed {
            return false;
        }
        if inner.queue.len() == QUEUE_MAX {
            inner.queue.pop_front();
            inner.missed += 1;
            *missed += 1;
        }
        inner.queue.push_back(event);
        effects.extend(inner.waiting.take().map(Effect::Wake));
        true
    }
}

impl Core {
    pub(super) fn distribute(&mut self, driver: &Arc<Driver>, event: EngineEvent, effects: &mut Vec<Effect>) {
        let event = match event {
            EngineEvent::CallDone { op, result } => {
                if injected!(self, "driver-outcome-lost", every 8) {
                    return;
                }
                // Neither: the call's future was dropped, which is what cancelled it.
                match self.calls.remove(&op) {
                    Some(waiter) => effects.push(Effect::Resolve(waiter, result)),
                    None => self.stream_done(op, result, effects),
                }
                return;
            }
            request @ EngineEvent::Request { .. } => return self.requested(driver, request, effects),
            EngineEvent::RequestCancelled { request } => {
                effects.extend(self.requests.remove(&request).map(Effect::Cancel));
                let gone = Error::new(Code::Cancelled, "nobody waits for the answer any more");
                self.request_over(request, gone, effects);
                return;
            }
            EngineEvent::Item { stream, item } => return self.item_arrived(stream, item, effects),
            EngineEvent::UploadsEnded { request } => return self.uploads_ended(request, effects),
            EngineEvent::StreamWritable { stream } => return self.stream_writable(stream, effects),
            EngineEvent::Published { subscription, event } => {
                return self.hand_over(subscription, event, effects);
            }
            EngineEvent::PublishReady => {
                effects.push(Effect::PublishReady);
                return;
            }
            EngineEvent::PeerUp(peer) => Event::PeerUp(peer),
            EngineEvent::PeerSuspect { node } => Event::PeerSuspect { node },
            EngineEvent::PeerRecovered { node } => Event::PeerRecovered { node },
            EngineEvent::PeerDown { node, incarnation, reason } => {
                Event::PeerDown { node, incarnation, reason }
            }
            EngineEvent::NodeUp { node, incarnation } => Event::NodeUp { node, incarnation },
            EngineEvent::NodeSuspect { node } => Event::NodeSuspect { node },
            EngineEvent::NodeRecovered { node } => Event::NodeRecovered { node },
            EngineEvent::NodeDown { node, incarnation, reason } => {
                Event::NodeDown { node, incarnation, reason }
            }
            EngineEvent::NodeChanged { node } => Event::NodeChanged { node },
            EngineEvent::LinkClosed { link, remote_addr, node, reason } => {
                Event::LinkClosed { link, remote_addr, node, reason }
            }
            EngineEvent::DialFailed { addr, reason, retry_at } => {
                Event::DialFailed { addr, reason, retry_at: driver.deadline(retry_at) }
            }
            EngineEvent::Gathered { op, answers } => {
                if self.calls.contains_key(&op) {
                    self.gathered.insert(op, answers);
                }
                return;
            }
            EngineEvent::Writable { node } => Event::Writable { node },
            EngineEvent::IncarnationAdopted { incarnation } => Event::IncarnationAdopted { incarnation },
            EngineEvent::Superseded { by } => Event::Superseded { by },
            EngineEvent::Stopped => Event::Stopped,
        };
        self.publish(driver, &event, effects);
    }

    fn requested(&mut self, driver: &Arc<Driver>, event: EngineEvent, effects: &mut Vec<Effect>) {
        let EngineEvent::Request { request: id, caller, action, shape, payload, headers, waited, deadline } =
            event
        else {
            return;
        };
        let deadline = (deadline < Instant::NEVER).then(|| driver.deadline(deadline));
        let request = Request { payload, caller, action, shape, headers, waited, deadline };
        self.start_handler(driver, id, request, effects);
    }

    fn start_handler(
        &mut self,
        driver: &Arc<Driver>,
        id: RequestId,
        request: Request,
        effects: &mut Vec<Effect>,
    ) {
        let Some(handler) = self.handlers.get(request.action()).cloned() else {
            // Served until a moment ago: `unserve` came between.
            let gone = Error::new(Code::NotFound, "the action is no longer served");
            self.engine.reply(driver.clock.now(), id, Err(gone));
            return;
        };
        let stream = request.shape.is_stream().then(|| self.open_request(driver, id));
        let (cancel, cancelled) = oneshot::channel();
        if injected!(self, "driver-handler-twice") {
            let (never, cancelled) = oneshot::channel();
            std::mem::forget(never);
            let work = (Arc::clone(&handler), request.clone(), stream.clone());
            effects.push(Effect::Start(HandlerTask::new(driver, id, cancelled, work)));
        }
        effects.push(Effect::Start(HandlerTask::new(driver, id, cancelled, (handler, request, stream))));
        self.requests.insert(id, cancel);
    }

    fn publish(&mut self, driver: &Arc<Driver>, event: &Event, effects: &mut Vec<Effect>) {
        event.log(driver.node_id);
        let missed = &mut self.counters.events_missed;
        self.subscribers.retain(|subscriber| subscriber.push(event.clone(), missed, effects));
    }
}
