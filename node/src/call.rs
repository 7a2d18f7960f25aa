//! One call.

use std::fmt;
use std::future::{Future, IntoFuture, Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use lacewing_core::delivery::selector::Selector;
use lacewing_core::engine::{
    Call, CallOptions, CallPolicy, Headers, NodeStatus, OpId, Payload, Priority, Shape, StreamOptions, Target,
};
use lacewing_core::predicate::Predicate;
use lacewing_core::{Code, Engine, Error, NodeId};
use tokio::sync::oneshot;
use tracing::{Span, field};

use crate::driver::{CallResult, Driver, StreamHandle, outcome_name, outcome_of, stopped_error};
use crate::stream::{Duplex, ItemStream, Upload};
use crate::trace_context::TraceContext;

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
///
/// `K` is what kind of call it is, and with it what awaiting gives: the answer of a [`Unary`] one, or the caller's end of a
/// [`ServerStream`], a [`ClientStream`] or a [`Bidirectional`] one.
#[must_use = "a call is made when it is awaited"]
#[derive(Clone)]
pub struct CallBuilder<K = Unary> {
    pub(crate) driver: Arc<Driver>,
    pub(crate) order: Order,
    #[cfg_attr(not(feature = "typed"), expect(dead_code, reason = "only typed calls have more to say"))]
    pub(crate) kind: K,
}

/// A call with one answer. Awaiting it gives the answer.
#[derive(Clone, Copy, Debug)]
pub struct Unary;

/// A call that is answered with any number of items. Awaiting it gives an [`ItemStream`].
#[derive(Clone, Copy, Debug)]
pub struct ServerStream;

/// A call that sends any number of items and has one answer. Awaiting it gives an [`Upload`].
#[derive(Clone, Copy, Debug)]
pub struct ClientStream;

/// A call in which any number of items goes both ways. Awaiting it gives a [`Duplex`].
#[derive(Clone, Copy, Debug)]
pub struct Bidirectional;

/// The kinds of calls that are streams. No others can be made.
pub trait StreamKind: sealed::Sealed {
    /// The caller's end.
    type End;
}

pub(crate) mod sealed {
    pub trait Sealed {}
}

macro_rules! stream_kind {
    ($kind:ident, $end:ident) => {
        impl sealed::Sealed for $kind {}

        impl StreamKind for $kind {
            type End = $end;
        }

        /// Begins the stream. It does not wait for anybody: what ends the stream is heard at the end that it gives.
        impl IntoFuture for CallBuilder<$kind> {
            type Output = Result<$end, Error>;
            type IntoFuture = Ready<Self::Output>;

            fn into_future(mut self) -> Self::IntoFuture {
                ready(self.open(Shape::$kind).map($end::new))
            }
        }
    };
}
stream_kind!(ServerStream, ItemStream);
stream_kind!(ClientStream, Upload);
stream_kind!(Bidirectional, Duplex);

/// What is called; the engine borrows the name and takes the payload.
#[derive(Clone)]
pub(crate) struct Order {
    whom: Whom,
    /// What must hold for whoever is called.
    wanted: Vec<Arc<Predicate>>,
    action: String,
    pub(crate) payload: Payload,
    timeout: Option<Duration>,
    extras: Option<Box<Extras>>,
}

/// What most calls do without.
#[derive(Clone, Default)]
struct Extras {
    headers: Headers,
    /// The first thing that cannot be sent.
    refused: Option<Error>,
    idle_timeout: Option<Duration>,
    priority: Priority,
    policy: Option<Box<CallPolicy>>,
}

/// Who is called.
#[derive(Clone)]
enum Whom {
    Any(Selector),
    Node(NodeId),
    Name(String),
}

impl Order {
    /// The call that the engine makes, of what the node knows now.
    pub(crate) fn call(&mut self, engine: &Engine, shape: Shape) -> Result<Call<'_>, Error> {
        let Extras { headers, refused, idle_timeout, priority, policy } =
            *self.extras.take().unwrap_or_default();
        if let Some(refused) = refused {
            return Err(refused);
        }
        let stream = shape.is_stream().then_some(StreamOptions { shape, idle_timeout, priority });
        Ok(Call {
            target: self.target(engine)?,
            payload: std::mem::take(&mut self.payload),
            action: &self.action,
            timeout: self.timeout,
            options: CallOptions { headers, stream, policy },
        })
    }

    /// How the action is read by whoever is meant, as far as that is known.
    #[cfg(feature = "typed")]
    pub(crate) fn announced_codec(&self, engine: &Engine) -> Option<lacewing_core::engine::Codec> {
        let meant = match &self.whom {
            Whom::Any(_) => None,
            Whom::Node(node) => Some(*node),
            Whom::Name(name) => holder(engine, name).ok(),
        };
        let providers = engine.providers(&self.action);
        let mut meant = providers.iter().filter(|(node, _)| meant.is_none_or(|meant| meant == *node));
        meant.find_map(|(_, entry)| entry.codec)
    }

    /// The caller's step: what is called, and in which trace.
    fn span(&self, node: NodeId) -> Span {
        let action = self.action.as_str();
        let span =
            tracing::debug_span!("call", action, %node, trace_id = field::Empty, span_id = field::Empty);
        if span.is_disabled() {
            return span;
        }
        let headers = self.extras.as_ref().map(|extras| &extras.headers);
        let trace = headers.and_then(|headers| headers.get(TraceContext::HEADER));
        if let Some(trace) = trace.and_then(|trace| trace.parse::<TraceContext>().ok()) {
            span.record("trace_id", field::display(trace.trace_id_hex()));
            span.record("span_id", field::display(trace.span_id_hex()));
        }
        span
    }

    fn set_header(&mut self, name: &str, value: &str) {
        let extras = self.extras();
        if let Err(error) = extras.headers.push(name, value) {
            extras.refused.get_or_insert(Error::new(Code::InvalidArgument, error.to_string()));
        }
    }

    /// What is done for it besides making it once.
    pub(crate) fn policy(&mut self) -> &mut CallPolicy {
        self.extras().policy.get_or_insert_default()
    }

    fn extras(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

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

impl<K> CallBuilder<K> {
    pub(crate) fn new(driver: Arc<Driver>, action: String, payload: Payload, kind: K) -> Self {
        let order = Order {
            whom: Whom::Any(Selector::default()),
            wanted: Vec::new(),
            action,
            payload,
            timeout: None,
            extras: None,
        };
        Self { driver, order, kind }
    }

    pub(crate) fn open(&mut self, shape: Shape) -> Result<StreamHandle, Error> {
        let order = &mut self.order;
        self.driver.open_stream(|engine| order.call(engine, shape))
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

    /// How long to wait for the outcome, instead of `Timing::call_timeout`. A stream has no such end unless it is given one here.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.order.timeout = Some(timeout);
        self
    }

    /// Says something besides the argument, which the handler reads with [`Request::header`](crate::Request::header). A name has 1 to
    /// 64 bytes of a-z, 0-9, `-`, `_` and `.`; a value at most 4,096 bytes. With a header that cannot be sent, or too many of them
    /// (64, or 8,192 bytes in all), the call ends as `InvalidArgument`.
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.order.set_header(name.as_ref(), value.as_ref());
        self
    }

    /// Makes the call a step of a trace: it sends a [`child`](TraceContext::child) of `trace`, in place of an earlier one.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lacewing::{MemoryNetwork, Node, Request, TraceContext, Trust};
    ///
    /// let node = Node::builder().trust(Trust::Open).transport(MemoryNetwork::new()).start().await?;
    /// node.serve("trace", async |request: Request| {
    ///     Ok(request.trace().map(|trace| trace.trace_id_hex()).unwrap_or_default())
    /// })?;
    /// let trace = TraceContext::root(true);
    /// assert_eq!(node.call("trace", ()).trace(trace).await?.data, trace.trace_id_hex());
    /// # Ok(())
    /// # }
    /// ```
    pub fn trace(mut self, trace: TraceContext) -> Self {
        self.order.extras().headers.remove(TraceContext::HEADER);
        self.order.set_header(TraceContext::HEADER, &trace.child().to_string());
        self
    }
}

/// What only streams have.
impl<K: StreamKind> CallBuilder<K> {
    /// For how long nothing may move before the stream ends as `DeadlineExceeded`, instead of `Timing::stream_idle_timeout`.
    pub fn idle_timeout(mut self, idle_timeout: Duration) -> Self {
        self.order.extras().idle_timeout = Some(idle_timeout);
        self
    }

    /// How much of a link the stream gets beside other streams of this node.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.order.extras().priority = priority;
        self
    }
}

impl<K> fmt::Debug for CallBuilder<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallBuilder").field("action", &self.order.action).finish_non_exhaustive()
    }
}

impl IntoFuture for CallBuilder {
    type Output = Result<Payload, Error>;
    type IntoFuture = CallFuture;

    fn into_future(self) -> CallFuture {
        CallFuture { driver: self.driver, stage: Stage::Ready(self.order), span: Span::none() }
    }
}

/// A call on its way. Dropping it cancels the call, here and at the node that serves it.
#[must_use = "a call is made when it is awaited"]
pub struct CallFuture {
    driver: Arc<Driver>,
    stage: Stage,
    span: Span,
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
            this.span = order.span(this.driver.node_id());
            match this.driver.call(|engine| order.call(engine, Shape::Unary)) {
                Ok((op, outcome)) => {
                    this.span.in_scope(|| tracing::debug!("queued"));
                    this.stage = Stage::Waiting(op, outcome);
                }
                Err(refused) => {
                    this.done(Some(refused.code()));
                    return Poll::Ready(Err(refused));
                }
            }
        }
        let Stage::Waiting(_, outcome) = &mut this.stage else {
            panic!("a call's future was polled after it gave its outcome");
        };
        let outcome = std::task::ready!(Pin::new(outcome).poll(cx));
        // The sender is dropped without a word only with the whole node.
        let outcome = outcome.unwrap_or_else(|_| Err(stopped_error().executed_perhaps(true)));
        this.done(outcome_of(&outcome));
        Poll::Ready(outcome)
    }
}

impl CallFuture {
    fn done(&mut self, outcome: Option<Code>) {
        self.stage = Stage::Done;
        self.span.in_scope(|| tracing::debug!(outcome = outcome_name(outcome), "done"));
    }
}

impl Drop for CallFuture {
    fn drop(&mut self) {
        if let Stage::Waiting(op, _) = self.stage {
            self.driver.cancel(op);
            self.done(Some(Code::Cancelled));
        }
    }
}

impl fmt::Debug for CallFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallFuture").finish_non_exhaustive()
    }
}
