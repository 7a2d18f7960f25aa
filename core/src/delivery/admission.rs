//! How many requests of an action run at once, and which of the others wait.
//!
//! A request of an action with a limit runs under a permit. Who has none waits in the action's queue, in the order of arrival, and
//! has not been executed until then. A permit is given back when the handler has ended, not when nobody waits for it any more: a
//! handler that is being told to stop still runs. Calls of this node and of others share the permits.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::call::not_found;
use super::served::ServedRequest;
use super::{Delivery, Out, RequestId, RequestOrigin};
use crate::code::{Code, Error, Kind};
use crate::machine::{Cx, injected};
use crate::time::Instant;
use crate::wire::path::ActionPath;

/// Handlers that must have ended before anything is refused by how long they took.
const MEASURED_MIN: u32 = 8;
/// What a refused caller is told to wait while nothing is known of the action.
const RETRY_AFTER_UNKNOWN: Duration = Duration::from_millis(100);
/// The longest that a refused caller is told to wait.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(10);

/// How an action is served.
///
/// ```
/// use lacewing_core::delivery::ServeOptions;
///
/// let one_at_a_time = ServeOptions { max_in_flight: Some(1), ..ServeOptions::default() };
/// assert_eq!(one_at_a_time.queue_max, 5_000);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServeOptions {
    /// Handlers of the action that run at once, at least 1; `None` for as many as there are requests.
    pub max_in_flight: Option<usize>,
    /// Requests that wait until a handler has ended. Further ones are refused with `ResourceExhausted`, and told when to try again.
    pub queue_max: usize,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self { max_in_flight: None, queue_max: 5_000 }
    }
}

/// What is known of an action with a limit.
#[derive(Debug)]
pub(super) struct Admission {
    max: usize,
    queue_max: usize,
    running: usize,
    /// Requests that wait, oldest first, and some that have left in the meantime.
    queue: VecDeque<u64>,
    /// Those that wait.
    waiting: usize,
    /// How long handlers took, as a moving average.
    service: Duration,
    measured: u32,
}

/// What a running handler holds.
#[derive(Debug)]
pub(super) struct Permit {
    action: Arc<ActionPath>,
    since: Instant,
}

/// What the application is told of a request once that may run.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) action: Arc<ActionPath>,
    pub(super) told: VecDeque<Out>,
}

/// What becomes of a request that has arrived whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Runs,
    Waits,
}

impl Admission {
    /// How long the last of the queue will have waited by the time that it runs, as far as that is known.
    fn wait(&self) -> Option<Duration> {
        if self.measured < MEASURED_MIN {
            return None;
        }
        let rounds = u32::try_from(self.waiting / self.max).unwrap_or(u32::MAX);
        Some(self.service.saturating_mul(rounds))
    }

    fn retry_after(&self) -> Option<u32> {
        let wait = self.wait().unwrap_or(RETRY_AFTER_UNKNOWN).max(self.service).min(RETRY_AFTER_MAX);
        u32::try_from(wait.as_millis().max(1)).ok()
    }

    fn measure(&mut self, took: Duration) {
        self.service = match self.measured {
            0 => took,
            _ => (self.service * 7 + took) / 8,
        };
        self.measured = self.measured.saturating_add(1);
    }
}

impl Delivery {
    /// Sets how many handlers of an action run at once. Requests that run already count only where it had a limit before.
    /// `false` if it is not served.
    pub(crate) fn limit_action(
        &mut self,
        cx: &mut Cx<'_>,
        action: &str,
        options: ServeOptions,
    ) -> Result<(), Error> {
        let Some(served) = self.actions.get(action) else {
            return Err(Error::new(Code::NotFound, alloc::format!("this node does not serve {action}")));
        };
        if options.max_in_flight == Some(0) {
            let text = "an action of which no request may run cannot be served";
            return Err(Error::new(Code::InvalidArgument, text));
        }
        let path = served.path.clone();
        let (max, queue_max) = (options.max_in_flight.unwrap_or(usize::MAX), options.queue_max);
        match self.admissions.get_mut(&path) {
            None if options.max_in_flight.is_none() => return Ok(()),
            None => {
                let admission = Admission {
                    max,
                    queue_max,
                    running: 0,
                    queue: VecDeque::new(),
                    waiting: 0,
                    service: Duration::ZERO,
                    measured: 0,
                };
                self.admissions.insert(path, admission);
            }
            Some(admission) => {
                (admission.max, admission.queue_max) = (max, queue_max);
                self.start_waiting(cx, &path);
            }
        }
        Ok(())
    }

    /// Whether a request of an action may run, or has to wait; an error where there is no room, or it would wait for too long.
    pub(super) fn place(
        &self,
        cx: &mut Cx<'_>,
        action: &ActionPath,
        deadline: Instant,
    ) -> Result<Place, Error> {
        let Some(admission) = self.admissions.get(action) else { return Ok(Place::Runs) };
        if admission.waiting == 0 && admission.running < admission.max {
            return Ok(Place::Runs);
        }
        if admission.waiting >= admission.queue_max && !injected!(cx, "queue-cap-ignored") {
            cx.count("delivery.queue_full");
            let text =
                alloc::format!("{} requests wait for {}, the limit", admission.queue_max, action.as_str());
            let error = Error::new(Code::ResourceExhausted, text);
            return Err(error.with_retry_after_ms(admission.retry_after()));
        }
        if admission.wait().is_some_and(|wait| cx.now + wait >= deadline)
            && !injected!(cx, "hopeless-work-queued")
        {
            cx.count("delivery.shed");
            let text = alloc::format!("{} would not begin before the deadline", action.as_str());
            let error = Error::new(Code::ResourceExhausted, text);
            return Err(error.with_retry_after_ms(admission.retry_after()));
        }
        Ok(Place::Waits)
    }

    /// Tells the application of a request, now or when it may run.
    pub(super) fn begin(&mut self, cx: &mut Cx<'_>, request: RequestId, action: &Arc<ActionPath>, told: Out) {
        let Some(admission) = self.admissions.get_mut(action) else {
            self.handler_begins(cx, request);
            return self.out.push_back(told);
        };
        let ignored = injected!(cx, "limit-ignored") && request.0.is_multiple_of(4);
        if ignored || admission.waiting == 0 && admission.running < admission.max {
            admission.running += 1;
            self.permits.insert(request.0, Permit { action: action.clone(), since: cx.now });
            self.handler_begins(cx, request);
            return self.out.push_back(told);
        }
        cx.mark("delivery.request_waits");
        cx.metrics().requests_queued += 1;
        admission.waiting += 1;
        admission.queue.push_back(request.0);
        if let Some(served) = self.requests.get_mut(request.0) {
            let told = VecDeque::from([told]);
            served.held = Some(alloc::boxed::Box::new(Held { action: action.clone(), told }));
        }
    }

    fn handler_begins(&mut self, cx: &mut Cx<'_>, request: RequestId) {
        if let Some(served) = self.requests.get_mut(request.0) {
            (served.since, served.runs) = (cx.now, true);
        }
    }

    /// Tells the application something of a request, behind the request itself.
    pub(super) fn tell_handler(&mut self, request: RequestId, told: Out) {
        match self.requests.get_mut(request.0).and_then(|served| served.held.as_mut()) {
            Some(held) => held.told.push_back(told),
            None => self.out.push_back(told),
        }
    }

    /// Tells the application that nobody waits for a request any more, unless it never heard of it.
    pub(super) fn tell_cancelled(&mut self, request: RequestId) {
        // Who has answered a stream, and sends the last of it, is done.
        let works = self.requests.get(request.0).is_some_and(|served| !served.is_answered());
        if works && !self.is_waiting(request) {
            self.out.push_back(Out::RequestCancelled { request });
        }
    }

    /// Whether a request waits for a permit, so that it has certainly not been executed.
    pub(super) fn is_waiting(&self, request: RequestId) -> bool {
        self.requests.get(request.0).is_some_and(|served| served.held.is_some())
    }

    /// A request has been taken off the books: its place in the queue is free.
    pub(super) fn leave_place(&mut self, served: &ServedRequest) {
        if matches!(served.origin, RequestOrigin::Cast(None)) {
            self.casts -= 1;
        }
        let Some(held) = &served.held else { return };
        let Some(admission) = self.admissions.get_mut(&held.action) else { return };
        admission.waiting -= 1;
        if admission.queue.len() > 64 && admission.queue.len() > 4 * admission.waiting {
            let requests = &self.requests;
            admission.queue.retain(|id| requests.contains(*id));
        }
    }

    /// A handler has ended, with an answer or without one: the next request may run.
    pub(crate) fn handler_ended(&mut self, cx: &mut Cx<'_>, request: RequestId, answered: bool) {
        let Some(Permit { action, since }) = self.permits.remove(&request.0) else { return };
        if injected!(cx, "permit-leak") && request.0.is_multiple_of(4) {
            return;
        }
        let Some(admission) = self.admissions.get_mut(&action) else { return };
        admission.running -= 1;
        if answered {
            admission.measure(cx.now - since);
        }
        self.start_waiting(cx, &action);
        self.tidy_admission(&action);
    }

    /// Lets those run that have waited for longest, as far as there are permits.
    fn start_waiting(&mut self, cx: &mut Cx<'_>, action: &Arc<ActionPath>) {
        while let Some(admission) = self.admissions.get_mut(action) {
            if admission.running >= admission.max {
                return;
            }
            let Some(id) = admission.queue.pop_front() else { return };
            let Some(served) = self.requests.get_mut(id) else { continue };
            if served.deadline <= cx.now && !injected!(cx, "expired-work-started") {
                // Its time is over, and it is about to be taken off the books for that.
                continue;
            }
            let Some(mut held) = served.held.take() else { continue };
            cx.mark("delivery.permit_handed_over");
            let so_long = cx.now - served.since;
            cx.metrics().request_queue.record(so_long);
            (served.since, served.runs) = (cx.now, true);
            if matches!(served.origin, RequestOrigin::Cast(_)) {
                served.deadline = Instant::NEVER;
            }
            admission.waiting -= 1;
            admission.running += 1;
            self.permits.insert(id, Permit { action: action.clone(), since: cx.now });
            if let Some(Out::Request { waited, .. }) = held.told.front_mut() {
                *waited = so_long;
            }
            self.out.extend(held.told);
        }
    }

    /// Gives everything that waits for an action its end: it was certainly not executed.
    pub(super) fn reject_waiting(&mut self, cx: &mut Cx<'_>, action: &ActionPath, error: &Error) {
        let Some(admission) = self.admissions.get_mut(action) else { return };
        for id in core::mem::take(&mut admission.queue) {
            if self.is_waiting(RequestId(id)) {
                cx.count("delivery.rejected_in_queue");
                self.fail_request(cx, RequestId(id), error.clone());
            }
        }
    }

    /// The node stops: what waits is not begun any more.
    pub(super) fn reject_all_waiting(&mut self, cx: &mut Cx<'_>) {
        let actions: Vec<Arc<ActionPath>> = self.admissions.keys().cloned().collect();
        for action in actions {
            self.reject_waiting(cx, &action, &Error::of_kind(Kind::Stopped, "the node is stopping"));
        }
    }

    /// An action is served no more. Handlers that still run keep their permits, should it be served again.
    pub(super) fn end_admission(&mut self, cx: &mut Cx<'_>, action: &ActionPath) {
        self.reject_waiting(cx, action, &not_found(action));
        self.tidy_admission(action);
    }

    fn tidy_admission(&mut self, action: &ActionPath) {
        let idle = self.admissions.get(action).is_some_and(|own| own.running == 0);
        if idle && !self.actions.contains_key(action.as_str()) {
            self.admissions.remove(action);
        }
    }

    /// The tables of the limits: name, entries, most entries, and whether there is none when nothing goes on.
    pub(super) fn admission_gauges(&self, gauge: &mut impl FnMut(&'static str, usize, usize, bool)) {
        let limits = &self.config.limits;
        gauge("delivery.limited_actions", self.admissions.len(), 2 * limits.actions_max, false);
        let most = |f: fn(&Admission) -> usize| self.admissions.values().map(f).max().unwrap_or(0);
        let all = |f: fn(&Admission) -> usize| self.admissions.values().map(f).fold(0, usize::saturating_add);
        // A limit may be lowered while more run.
        let running_max = all(|own| own.max.max(own.running));
        gauge("delivery.running_with_a_limit", all(|own| own.running), running_max, true);
        let queues = self.admissions.values().map(|own| own.queue_max).max().unwrap_or(0);
        gauge("delivery.requests_in_queue", most(|own| own.waiting), queues, true);
        gauge("delivery.casts", self.casts, limits.pending_requests_per_link_max, true);
    }
}
