//! Runs what serves an action.
//!
//! On a current-thread runtime a handler makes its first step in the poll in which its request was read: most handlers are
//! done by then, and their answer leaves without a task having been made. There, a handler that blocks stops everything
//! wherever it runs. On a multi-thread runtime it would stop its link only because of this, so there each handler is a task.

use std::any::Any;
use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use lacewing_core::engine::{Payload, RequestId};
use lacewing_core::{Code, Error, Kind, NodeId};
use tokio::sync::oneshot;
use tracing::Span;

use super::{CallResult, Driver, StreamHandle};
use crate::request::Request;

/// What a handler does with one request.
pub(crate) type HandlerFuture = Pin<Box<dyn Future<Output = Result<Payload, Error>> + Send>>;

/// What serves an action. It is given the handler's end where the action is a stream.
pub(crate) type Handler = Arc<dyn Fn(Request, Option<StreamHandle>) -> HandlerFuture + Send + Sync>;

/// A handler and what it is to be called with.
pub(super) type Work = (Handler, Request, Option<StreamHandle>);

/// What the handler logs is logged within it: who calls what, and in which trace. What happens to the request itself is logged there
/// too: received, queued, executing, done.
fn span(node: NodeId, request: &Request) -> Span {
    let span = tracing::info_span!(
        "request",
        action = request.action(),
        caller = %request.caller.node,
        %node,
        trace_id = tracing::field::Empty,
        span_id = tracing::field::Empty,
    );
    if span.is_disabled() {
        return span;
    }
    if let Some(trace) = request.trace() {
        span.record("trace_id", tracing::field::display(trace.trace_id_hex()));
        span.record("span_id", tracing::field::display(trace.span_id_hex()));
    }
    span.in_scope(|| {
        tracing::debug!("received");
        if !request.waited.is_zero() {
            let waited_us = u64::try_from(request.waited.as_micros()).unwrap_or(u64::MAX);
            tracing::debug!(waited_us, "queued");
        }
    });
    span
}

/// The code of an outcome; `None` is success.
pub(crate) fn outcome_of(result: &CallResult) -> Option<Code> {
    result.as_ref().err().map(Error::code)
}

/// What logs and metrics call an outcome.
pub(crate) fn outcome_name(outcome: Option<Code>) -> &'static str {
    outcome.map_or("ok", Code::name)
}

/// One request that is being served. Ends with its result, or with `None` when nobody waits for it any more.
pub(super) struct HandlerTask {
    driver: Arc<Driver>,
    id: RequestId,
    /// Resolves (to an error) when the engine, or the end of the node, drops the other half.
    cancelled: oneshot::Receiver<Infallible>,
    span: Span,
    stage: Stage,
}

enum Stage {
    /// The handler has not been called.
    Waiting(Work),
    /// It has been called.
    Running(HandlerFuture),
    /// There is nothing left of it.
    Done,
}

impl HandlerTask {
    pub(super) fn new(
        driver: &Arc<Driver>,
        id: RequestId,
        cancelled: oneshot::Receiver<Infallible>,
        work: Work,
    ) -> Self {
        let span = span(driver.node_id, &work.1);
        Self { driver: Arc::clone(driver), id, cancelled, span, stage: Stage::Waiting(work) }
    }

    /// Makes the first step here, and lets a task make the others.
    pub(super) fn start_inline(
        mut self,
        driver: &Arc<Driver>,
        cx: &mut Context<'_>,
    ) -> Option<(RequestId, CallResult)> {
        match Pin::new(&mut self).poll(cx) {
            Poll::Ready(None) => {
                driver.handler_ended(self.id);
                None
            }
            Poll::Ready(result) => result.map(|result| (self.id, result)),
            Poll::Pending => {
                self.spawn(driver);
                None
            }
        }
    }

    /// Makes all steps in a task of their own, which answers at the end.
    pub(super) fn spawn(self, driver: &Arc<Driver>) {
        let (runtime, id) = (&driver.runtime, self.id);
        let driver = Arc::clone(driver);
        runtime.spawn(async move {
            // What is left of the handler is dropped by then.
            match self.await {
                Some(result) => driver.reply(id, result),
                None => driver.handler_ended(id),
            }
        });
    }

    /// Polls the handler; a panic in it is its result.
    fn poll_stage(&mut self, cx: &mut Context<'_>) -> Poll<CallResult> {
        let step = catch_unwind(AssertUnwindSafe(|| {
            let _entered = self.span.enter();
            if let Stage::Waiting(_) = self.stage
                && let Stage::Waiting((handler, request, stream)) =
                    std::mem::replace(&mut self.stage, Stage::Done)
            {
                tracing::debug!("executing");
                self.stage = Stage::Running(handler(request, stream));
            }
            match &mut self.stage {
                Stage::Running(future) => future.as_mut().poll(cx),
                Stage::Waiting(_) | Stage::Done => Poll::Pending,
            }
        }));
        step.unwrap_or_else(|panic| {
            self.panicked(&panic);
            Poll::Ready(Err(Error::of_kind(Kind::Panic, "the handler panicked").executed_perhaps(true)))
        })
    }

    /// Drops what is left of the handler, where a panic has nobody else to hurt.
    fn clear(&mut self) {
        let stage = std::mem::replace(&mut self.stage, Stage::Done);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(stage))) {
            self.panicked(&panic);
        }
    }

    /// What the panic says may hold parts of a payload, so it is not logged here; the panic hook has printed it.
    fn panicked(&self, _panic: &Box<dyn Any + Send>) {
        self.driver.count_handler_panic();
        tracing::error!(node = %self.driver.node_id, request = self.id.0, "a handler panicked");
    }
}

impl Future for HandlerTask {
    type Output = Option<CallResult>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let step = match Pin::new(&mut self.cancelled).poll(cx) {
            Poll::Ready(_) => Poll::Ready(None),
            Poll::Pending => self.poll_stage(cx).map(Some),
        };
        if let Poll::Ready(result) = &step {
            self.clear();
            // Nobody waits for one that has no result.
            let outcome = result.as_ref().map_or(Some(Code::Cancelled), outcome_of);
            self.span.in_scope(|| tracing::debug!(outcome = outcome_name(outcome), "done"));
        }
        step
    }
}

impl Drop for HandlerTask {
    fn drop(&mut self) {
        self.clear();
    }
}
