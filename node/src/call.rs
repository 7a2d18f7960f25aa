//! One call.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use lacewing_core::engine::{Call, OpId, Payload, Target};
use lacewing_core::{Error, NodeId};
use tokio::sync::oneshot;

use crate::driver::{CallResult, Driver, stopped_error};

/// A call that is being put together; awaiting it makes it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use lacewing::{Code, MemoryNetwork, Node, Trust};
///
/// let node = Node::builder().trust(Trust::Open).transport(MemoryNetwork::new()).start().await?;
/// let error = node.call("sum", "1 2").to(node.node_id()).timeout(Duration::from_secs(1)).await.unwrap_err();
/// assert_eq!(error.code(), Code::NotFound);
/// # Ok(())
/// # }
/// ```
#[must_use = "a call is made when it is awaited"]
#[derive(Clone)]
pub struct CallBuilder {
    driver: Arc<Driver>,
    order: Order,
}

/// What is called; the engine borrows the name and takes the payload.
#[derive(Clone)]
struct Order {
    target: Target,
    action: String,
    payload: Payload,
    timeout: Option<Duration>,
}

impl CallBuilder {
    pub(crate) fn new(driver: Arc<Driver>, action: String, payload: Payload) -> Self {
        Self { driver, order: Order { target: Target::Any, action, payload, timeout: None } }
    }

    /// Calls this node and no other. Without it the call goes to this very node where it serves the action, else to the first
    /// neighbour that does.
    pub fn to(mut self, node: NodeId) -> Self {
        self.order.target = Target::Node(node);
        self
    }

    /// How long to wait for the outcome, instead of `Timing::call_timeout`.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.order.timeout = Some(timeout);
        self
    }
}

impl fmt::Debug for CallBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallBuilder").field("action", &self.order.action).finish_non_exhaustive()
    }
}

impl IntoFuture for CallBuilder {
    type Output = Result<Payload, Error>;
    type IntoFuture = CallFuture;

    fn into_future(self) -> CallFuture {
        CallFuture { driver: self.driver, stage: Stage::Ready(self.order) }
    }
}

/// A call on its way. Dropping it cancels the call, here and at the node that serves it.
#[must_use = "a call is made when it is awaited"]
pub struct CallFuture {
    driver: Arc<Driver>,
    stage: Stage,
}

enum Stage {
    Ready(Order),
    Waiting(OpId, oneshot::Receiver<CallResult>),
    Done,
}

impl Future for CallFuture {
    type Output = Result<Payload, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Stage::Ready(order) = &mut this.stage {
            let call = Call {
                target: order.target,
                payload: std::mem::take(&mut order.payload),
                action: &order.action,
                timeout: order.timeout,
            };
            match this.driver.call(call) {
                Ok((op, outcome)) => this.stage = Stage::Waiting(op, outcome),
                Err(refused) => {
                    this.stage = Stage::Done;
                    return Poll::Ready(Err(refused));
                }
            }
        }
        let Stage::Waiting(_, outcome) = &mut this.stage else {
            panic!("a call's future was polled after it gave its outcome");
        };
        let outcome = std::task::ready!(Pin::new(outcome).poll(cx));
        this.stage = Stage::Done;
        // The sender is dropped without a word only with the whole node.
        Poll::Ready(outcome.unwrap_or_else(|_| Err(stopped_error().executed_perhaps(true))))
    }
}

impl Drop for CallFuture {
    fn drop(&mut self) {
        if let Stage::Waiting(op, _) = self.stage {
            self.driver.cancel(op);
        }
    }
}

impl fmt::Debug for CallFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallFuture").finish_non_exhaustive()
    }
}
