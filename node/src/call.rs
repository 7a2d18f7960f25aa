//! One call.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use lacewing_core::delivery::selector::Selector;
use lacewing_core::engine::{Call, NodeStatus, OpId, Payload, Target};
use lacewing_core::predicate::Predicate;
use lacewing_core::{Code, Engine, Error, NodeId};
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
    whom: Whom,
    /// What must hold for whoever is called.
    wanted: Vec<Arc<Predicate>>,
    action: String,
    payload: Payload,
    timeout: Option<Duration>,
}

/// Who is called.
#[derive(Clone)]
enum Whom {
    Any(Selector),
    Node(NodeId),
    Name(String),
}

impl Order {
    /// Whom the call is for, as far as the node knows the others now.
    fn target(&mut self, engine: &Engine) -> Result<Target, Error> {
        let node = match &self.whom {
            Whom::Any(_) => None,
            Whom::Node(node) => Some(*node),
            Whom::Name(name) => Some(holder(engine, name)?),
        };
        let selector = match (node, &mut self.whom) {
            (Some(node), _) if self.wanted.is_empty() => return Ok(Target::Node(node)),
            (None, Whom::Any(Selector::LocalFirst)) if self.wanted.is_empty() => return Ok(Target::Any),
            (Some(node), _) => Selector::Node(node),
            (None, Whom::Any(selector)) => std::mem::take(selector),
            (None, Whom::Node(_) | Whom::Name(_)) => Selector::default(),
        };
        let narrowed = |inner, predicate| Selector::Predicate(predicate, Box::new(inner));
        Ok(Target::Select(self.wanted.drain(..).fold(selector, narrowed)))
    }
}

/// Who goes by a name: the first holder that is up, or the first one.
fn holder(engine: &Engine, name: &str) -> Result<NodeId, Error> {
    let holders = engine.resolve(name);
    let up = holders.iter().find(|node| engine.node_status(node) == Some(NodeStatus::Up));
    up.or(holders.first())
        .copied()
        .ok_or_else(|| Error::new(Code::NotFound, format!("no node goes by the name {name:?}")))
}

impl CallBuilder {
    pub(crate) fn new(driver: Arc<Driver>, action: String, payload: Payload) -> Self {
        let whom = Whom::Any(Selector::default());
        Self { driver, order: Order { whom, wanted: Vec::new(), action, payload, timeout: None } }
    }

    /// Calls this node and no other, however many links away. Without it the call goes to this very node where it serves the
    /// action, else to the nearest that does.
    pub fn to(mut self, node: NodeId) -> Self {
        self.order.whom = Whom::Node(node);
        self
    }

    /// Calls the node of this name: an id written out, an alias, or a label, as [`Node::resolve`](crate::Node::resolve) finds
    /// it when the call is made. Of several the first that is up is called; where there is none, the call ends as
    /// `NotFound`.
    #[expect(clippy::wrong_self_convention, reason = "it says to whom, as `to` does")]
    pub fn to_name(mut self, name: impl Into<String>) -> Self {
        self.order.whom = Whom::Name(name.into());
        self
    }

    /// How one of several providers is chosen, instead of the nearest. In place of [`to`](Self::to) and
    /// [`to_name`](Self::to_name).
    ///
    /// ```
    /// # async fn example(node: lacewing::Node) -> Result<(), lacewing::Error> {
    /// use lacewing::Selector;
    ///
    /// node.call("sum", "1 2").select(Selector::LeastLoaded).await?;
    /// // The same user always gets the same provider, while it is there.
    /// node.call("cart/show", ()).select(Selector::sticky("user-7")).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn select(mut self, selector: Selector) -> Self {
        self.order.whom = Whom::Any(selector);
        self
    }

    /// Calls only a node for whose capabilities the predicate holds. Several must all hold, and other choices are made among
    /// those that are left.
    ///
    /// ```
    /// # async fn example(node: lacewing::Node) -> Result<(), Box<dyn std::error::Error>> {
    /// use lacewing::{Predicate, Selector};
    ///
    /// let large: Predicate = "hardware.gpu.vram_gb >= 24".parse()?;
    /// node.call("model/run", "hi").matching(large).select(Selector::LeastLoaded).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn matching(mut self, predicate: impl Into<Arc<Predicate>>) -> Self {
        self.order.wanted.push(predicate.into());
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
            let started = this.driver.call(|engine| {
                let target = order.target(engine)?;
                let payload = std::mem::take(&mut order.payload);
                Ok(Call {
                    target,
                    payload,
                    action: &order.action,
                    timeout: order.timeout,
                    options: Default::default(),
                })
            });
            match started {
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
