//! What a call may ask for besides being made once, and casts.

use std::fmt;
use std::future::{Future, IntoFuture, Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use lacewing_core::engine::{CallPolicy, Hedge, OpId, Payload, Retry, Shape};
use lacewing_core::{Error, NodeId};
use tokio::sync::oneshot;

use crate::call::{CallBuilder, Unary, sealed};
use crate::driver::{CallResult, Driver, stopped_error};

/// A message that nobody waits for. Awaiting it queues it, or gives the local reason why not.
#[derive(Clone, Copy, Debug)]
pub struct Cast;

/// A cast of which it is to be known that it was accepted. Awaiting it waits for that.
#[derive(Clone, Copy, Debug)]
pub struct AcknowledgedCast;

/// Who has answered what to a call that asks everybody.
pub type Answers = Vec<(NodeId, Result<Payload, Error>)>;

/// The kinds of calls that have one answer. No others can be made.
pub trait OneAnswer: sealed::Sealed {}

impl sealed::Sealed for Unary {}
impl OneAnswer for Unary {}

/// What is done for a call besides making it once.
impl<K: OneAnswer> CallBuilder<K> {
    fn with_policy(mut self, change: impl FnOnce(&mut CallPolicy)) -> Self {
        change(self.order.policy());
        self
    }

    /// Says that executing it twice does no more than executing it once.
    pub fn idempotent(self) -> Self {
        self.with_policy(|policy| policy.idempotent = true)
    }

    /// Tries again after a failure that may pass: only what was certainly not executed, or is [`idempotent`](Self::idempotent), and
    /// only so much that a partition does not become a storm. The timeout is that of all attempts together.
    ///
    /// ```
    /// # async fn example(node: lacewing::Node) -> Result<(), lacewing::Error> {
    /// use lacewing::Retry;
    ///
    /// node.call("stock/set", "bolts 7").idempotent().retry(Retry::default()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn retry(self, retry: Retry) -> Self {
        self.with_policy(|policy| policy.retry = Some(retry))
    }

    /// Asks another provider if nobody has answered after `delay`, and again up to `count` of them. The first success is the answer,
    /// and the others are told to stop. A call that is not [`idempotent`](Self::idempotent) ends as `InvalidArgument`.
    pub fn hedge(self, delay: Duration, count: u32) -> Self {
        self.with_policy(|policy| policy.hedge = Some(Hedge { delay, count }))
    }

    /// Does not call a node whose answers to this action fail, until a single call has found that they do no longer.
    pub fn breaker(self) -> Self {
        self.with_policy(|policy| policy.breaker = true)
    }

    /// Goes only where fewer than so many attempts are under way to the node and action, at least 1, else somewhere else. Attempts of
    /// every call with a policy count. Where nobody has room, it is `Backpressure`.
    pub fn bulkhead(self, most: usize) -> Self {
        self.with_policy(|policy| policy.bulkhead = Some(most))
    }
}

impl CallBuilder<Unary> {
    /// Asks every provider that is known, this node included, and collects what they answer within this time. It is over as soon
    /// as all have answered. Neither tried again nor hedged.
    ///
    /// ```
    /// # async fn example(node: lacewing::Node) -> Result<(), lacewing::Error> {
    /// use std::time::Duration;
    ///
    /// for (node, answer) in node.call("temperature", ()).gather(Duration::from_millis(200)).await? {
    ///     println!("{node}: {answer:?}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn gather(self, within: Duration) -> Gather {
        Gather { call: self.with_policy(|policy| policy.gather = Some(within)), waiting: None }
    }
}

/// A call that asks everybody. Awaiting it gives all answers; an error where nobody could be asked. Dropping it cancels the call.
#[must_use = "a call is made when it is awaited"]
pub struct Gather {
    call: CallBuilder<Unary>,
    waiting: Option<(OpId, oneshot::Receiver<CallResult>)>,
}

impl Future for Gather {
    type Output = Result<Answers, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let driver: &Arc<Driver> = &this.call.driver;
        let (op, outcome) = match &mut this.waiting {
            Some(waiting) => waiting,
            none => {
                let order = &mut this.call.order;
                match driver.call(|engine| order.call(engine, Shape::Unary)) {
                    Ok(started) => none.insert(started),
                    Err(refused) => return Poll::Ready(Err(refused)),
                }
            }
        };
        let outcome = std::task::ready!(Pin::new(outcome).poll(cx));
        let answers = driver.take_gathered(*op);
        this.waiting = None;
        // The sender is dropped without a word only with the whole node.
        let outcome = outcome.unwrap_or_else(|_| Err(stopped_error().executed_perhaps(true)));
        Poll::Ready(match (answers, outcome) {
            (Some(answers), _) => Ok(answers),
            (None, Err(error)) => Err(error),
            (None, Ok(_)) => Ok(Answers::new()),
        })
    }
}

impl Drop for Gather {
    fn drop(&mut self) {
        if let Some((op, _)) = self.waiting {
            self.call.driver.cancel(op);
        }
    }
}

impl fmt::Debug for Gather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gather").field("call", &self.call).finish_non_exhaustive()
    }
}

impl CallBuilder<Cast> {
    /// Waits until the other side has accepted it: handed it to the handler, or put it into the handler's queue.
    pub fn acknowledged(self) -> CallBuilder<AcknowledgedCast> {
        let Self { driver, order, .. } = self;
        CallBuilder { driver, order, kind: AcknowledgedCast }
    }
}

impl IntoFuture for CallBuilder<Cast> {
    type Output = Result<(), Error>;
    type IntoFuture = Ready<Self::Output>;

    fn into_future(mut self) -> Self::IntoFuture {
        let order = &mut self.order;
        ready(self.driver.cast(|engine| order.call(engine, Shape::Unary)))
    }
}

impl IntoFuture for CallBuilder<AcknowledgedCast> {
    type Output = Result<(), Error>;
    type IntoFuture = Acknowledgement;

    fn into_future(self) -> Acknowledgement {
        Acknowledgement { cast: self, waiting: None }
    }
}

/// A cast on its way. Dropping it does not take it back.
#[must_use = "a cast is made when it is awaited"]
pub struct Acknowledgement {
    cast: CallBuilder<AcknowledgedCast>,
    waiting: Option<oneshot::Receiver<CallResult>>,
}

impl Future for Acknowledgement {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let outcome = match &mut this.waiting {
            Some(outcome) => outcome,
            none => {
                let order = &mut this.cast.order;
                match this.cast.driver.cast_acknowledged(|engine| order.call(engine, Shape::Unary)) {
                    Ok(outcome) => none.insert(outcome),
                    Err(refused) => return Poll::Ready(Err(refused)),
                }
            }
        };
        let outcome = std::task::ready!(Pin::new(outcome).poll(cx));
        this.waiting = None;
        Poll::Ready(outcome.unwrap_or_else(|_| Err(stopped_error().executed_perhaps(true))).map(drop))
    }
}

impl fmt::Debug for Acknowledgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acknowledgement").finish_non_exhaustive()
    }
}
