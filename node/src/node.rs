//! The handle of a node.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use lacewing_core::config::Config;
use lacewing_core::engine::{Gauge, Lifecycle, LinkId, PeerInfo, ServeError};
use lacewing_core::identity::PublicKey;
use lacewing_core::token::{IssuerHead, Token};
use lacewing_core::{Address, Engine, Error, Incarnation, NodeId};

use crate::action::Action;
use crate::builder::Builder;
use crate::call::{CallBuilder, Unary};
use crate::driver::{Driver, HandlerFuture, stopped_error};
use crate::events::{Event, Events};
use crate::metrics::{Snapshot, Source};
use crate::payload::IntoPayload;
use crate::policy::Cast;
use crate::request::Request;

/// How long the links of a node that is shut down may take for their last bytes, beyond the deadline.
const LAST_BYTES_WITHIN: Duration = Duration::from_millis(1_500);

/// A node of the mesh. Clones are the same node.
///
/// The node lives until [`shutdown`](Self::shutdown), or until the last clone is dropped, which ends it without a goodbye. A handler
/// that wants to call others takes a [`WeakNode`] with it, since a clone of the node in its own handler would keep it alive.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use lacewing::{MemoryNetwork, Node, Request, Trust};
///
/// let node = Node::builder().trust(Trust::Open).transport(MemoryNetwork::new()).start().await?;
/// node.serve("echo", async |request: Request| Ok(request.payload))?;
/// assert_eq!(&node.call("echo", "to myself").await?.data[..], b"to myself");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

struct Inner {
    driver: Arc<Driver>,
    listen: Vec<SocketAddr>,
    metrics_addr: Option<SocketAddr>,
    /// Whoever shuts down holds it, so that a second one waits for the same end.
    ending: tokio::sync::Mutex<()>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.driver.close();
    }
}

impl Node {
    /// What a node is started from.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn new(
        driver: Arc<Driver>,
        listen: Vec<SocketAddr>,
        metrics_addr: Option<SocketAddr>,
    ) -> Self {
        let ending = tokio::sync::Mutex::new(());
        Self { inner: Arc::new(Inner { driver, listen, metrics_addr, ending }) }
    }

    pub(crate) fn driver(&self) -> &Arc<Driver> {
        &self.inner.driver
    }

    /// The name of this node, which follows from its key.
    pub fn node_id(&self) -> NodeId {
        self.driver().node_id()
    }

    /// Which life of this node.
    pub fn incarnation(&self) -> Incarnation {
        self.driver().inspect(Engine::incarnation)
    }

    /// What the node was told at its start.
    pub fn config(&self) -> &Config {
        self.driver().config()
    }

    /// The first address that the node really listens on.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.inner.listen.first().copied()
    }

    /// All addresses that the node really listens on, in the order of the builder.
    pub fn listen_addrs(&self) -> &[SocketAddr] {
        &self.inner.listen
    }

    /// Where the node really serves its metrics, if it does.
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.inner.metrics_addr
    }

    /// Serves `action` with `handler` from now on, and tells the mesh of it. A path is an [`Action`] that says no more of
    /// itself. Paths that begin with `$` are for this node alone: nobody is told of them.
    ///
    /// The handler may be an async closure, `async |request: Request| { .. }`, or, where it needs something of its own, a closure that gives
    /// each request its share: `move |request: Request| { let store = store.clone(); async move { .. } }`. Each request gets a future of its own, which is dropped
    /// when the caller cancels, is lost, or has waited long enough. A handler that panics fails its own call, with `Internal`,
    /// and nothing else. On a current-thread runtime it makes its first step while its link is read, so it should
    /// await soon, as everything on such a runtime should.
    pub fn serve<F, Fut, R>(&self, action: impl Into<Action>, handler: F) -> Result<(), ServeError>
    where
        F: Fn(Request) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, Error>> + Send + 'static,
        R: IntoPayload,
    {
        let handler = move |request, _| -> HandlerFuture {
            let answer = handler(request);
            Box::pin(async move { answer.await.map(IntoPayload::into_payload) })
        };
        self.driver().serve(action.into(), None, Arc::new(handler))
    }

    /// Serves `action` no longer. Requests that are being served are finished. `false`: it was not served.
    pub fn unserve(&self, action: &str) -> bool {
        self.driver().unserve(action)
    }

    /// Calls `action`. Ends in exactly one outcome: the answer, or one coded error; at once where a failure is known at once.
    pub fn call(&self, action: impl Into<String>, payload: impl IntoPayload) -> CallBuilder {
        CallBuilder::new(Arc::clone(self.driver()), action.into(), payload.into_payload(), Unary)
    }

    /// Sends something that nobody waits for: it is executed once at most, and nobody is told how it went. Awaiting it queues it, or
    /// says why not; with [`acknowledged`](CallBuilder::acknowledged) it waits until the other side has accepted it. Its timeout is the
    /// time until it must have begun.
    pub fn cast(&self, action: impl Into<String>, payload: impl IntoPayload) -> CallBuilder<Cast> {
        CallBuilder::new(Arc::clone(self.driver()), action.into(), payload.into_payload(), Cast)
    }

    /// Shows `token` to every node that this one has to do with, while its time lasts and its issuer does not take it back. Fails with
    /// `InvalidArgument` for a token of another node, with `FailedPrecondition` for one that was taken back, and with
    /// `ResourceExhausted` where 16 are shown already.
    pub fn add_token(&self, token: &Token) -> Result<(), Error> {
        self.driver().command(|engine, now| engine.add_token(now, token))
    }

    /// The least generation of an issuer whose tokens count here: what was configured, or what the issuer has said since. `None` for
    /// an issuer that this node does not trust.
    pub fn issuer_generation(&self, issuer: &PublicKey) -> Option<u64> {
        self.driver().inspect(|engine| engine.issuer_generation(issuer))
    }

    /// Passes on what an issuer says of its generation: whatever it signed in earlier ones is void from now on, on every node that
    /// can be reached and trusts the issuer. Whether this node does so does not matter. Fails with `InvalidArgument` if the
    /// issuer has not signed it, and with `FailedPrecondition` if it has taken back more before.
    pub fn revoke(&self, head: &IssuerHead) -> Result<(), Error> {
        self.driver().command(|engine, now| engine.inject_issuer_head(now, head))
    }

    /// Dials `addr` until it is reached, and again whenever the link is lost, until [`disconnect`](Self::disconnect).
    pub fn connect(&self, addr: Address) -> Result<(), Error> {
        self.driver().connect(addr)
    }

    /// Dials `addr` no longer. A link that is up stays. `false`: it was not dialled.
    pub fn disconnect(&self, addr: &Address) -> bool {
        self.driver().disconnect(addr)
    }

    /// Closes one link. It may be dialled again.
    pub fn close_link(&self, link: LinkId) {
        self.driver().close_link(link);
    }

    /// The neighbours, in the order of their ids.
    pub fn peers(&self) -> Vec<PeerInfo> {
        self.driver().inspect(Engine::peers)
    }

    /// Everything that happens from now on.
    pub fn events(&self) -> Events {
        Events::new(self.driver().subscribe())
    }

    /// Waits until `node` is a neighbour. Fails only when this node is stopped; put a time-out around it.
    pub async fn wait_for_peer(&self, node: NodeId) -> Result<PeerInfo, Error> {
        self.wait_for_peers(|peers| peers.iter().find(|peer| peer.node == node).cloned()).await
    }

    /// Waits until `pick` finds what it wants among the neighbours.
    ///
    /// ```no_run
    /// # async fn example(node: lacewing::Node) -> Result<(), lacewing::Error> {
    /// // Until there are three of them.
    /// node.wait_for_peers(|peers| (peers.len() >= 3).then_some(())).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn wait_for_peers<R>(
        &self,
        mut pick: impl FnMut(&[PeerInfo]) -> Option<R>,
    ) -> Result<R, Error> {
        self.wait_until(|node| pick(&node.peers())).await
    }

    /// Waits until `look` finds what it wants, looking again whenever something has happened to the node. Fails only when
    /// this node is stopped; put a time-out around it.
    ///
    /// ```no_run
    /// # async fn example(node: lacewing::Node) -> Result<(), lacewing::Error> {
    /// // Until somebody serves it.
    /// let provider = node.wait_until(|node| node.providers("math/sum").first().map(|(node, _)| *node)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn wait_until<R>(&self, mut look: impl FnMut(&Self) -> Option<R>) -> Result<R, Error> {
        // Subscribed before the first look, so that no change falls between.
        let mut events = self.events();
        loop {
            if let Some(found) = look(self) {
                return Ok(found);
            }
            match events.recv().await {
                Some(Event::Stopped) | None => return Err(stopped_error()),
                Some(_) => {}
            }
        }
    }

    /// How far the node is in its life.
    pub fn lifecycle(&self) -> Lifecycle {
        self.driver().inspect(Engine::lifecycle)
    }

    /// Everything that is counted, sorted by name. Counters only grow.
    pub fn counters(&self) -> Vec<(String, u64)> {
        self.driver().counters()
    }

    /// Every bounded table and queue, with its cap.
    pub fn gauges(&self) -> Vec<Gauge> {
        self.driver().inspect(Engine::gauges)
    }

    /// Everything that the node counts and measures, at this moment. It walks every table under the node's lock, so it is for every few
    /// seconds.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lacewing::metrics::families;
    /// use lacewing::{MemoryNetwork, Node, Request, Trust};
    ///
    /// let node = Node::builder().trust(Trust::Open).transport(MemoryNetwork::new()).start().await?;
    /// node.serve("echo", async |request: Request| Ok(request.payload))?;
    /// node.call("echo", "to myself").await?;
    /// assert_eq!(node.metrics().count(&families::CALLS_FINISHED, &["ok"]), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn metrics(&self) -> Snapshot {
        self.driver().metrics()
    }

    /// What the node measures of each neighbour: bytes, calls, round trips. At most of 256, the first by their ids.
    pub fn neighbour_metrics(&self) -> Snapshot {
        self.driver().neighbour_metrics()
    }

    /// Refuses new work, finishes what it has within `deadline`, says goodbye, and closes everything.
    ///
    /// When it returns, all sockets are closed and all tasks have ended; links that do not take their last bytes are cut off 1.5
    /// seconds after the deadline. Calling it again, also from another clone, waits for the same end.
    pub async fn shutdown(&self, deadline: Duration) {
        let mut events = self.events();
        if self.lifecycle() == Lifecycle::Running {
            self.driver().begin_shutdown(deadline);
        }
        let stopped = async {
            while self.lifecycle() != Lifecycle::Stopped {
                if events.recv().await.is_none() {
                    return;
                }
            }
        };
        if tokio::time::timeout(deadline + LAST_BYTES_WITHIN, stopped).await.is_err() {
            tracing::error!(node = %self.node_id(), "the engine did not stop by its deadline");
        }
        let _ending = self.inner.ending.lock().await;
        self.driver().finish(LAST_BYTES_WITHIN).await;
    }

    /// A handle that does not keep the node alive.
    pub fn downgrade(&self) -> WeakNode {
        WeakNode { inner: Arc::downgrade(&self.inner) }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("id", &self.node_id()).finish_non_exhaustive()
    }
}

/// A handle that does not keep the node alive, for handlers that call.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use lacewing::{Code, Error, MemoryNetwork, Node, Request, Trust};
///
/// let node = Node::builder().trust(Trust::Open).transport(MemoryNetwork::new()).start().await?;
/// node.serve("inner", async |_: Request| Ok("42"))?;
/// let weak = node.downgrade();
/// node.serve("outer", move |_: Request| {
///     let node = weak.upgrade();
///     async move { node.ok_or(Error::new(Code::Unavailable, "stopping"))?.call("inner", ()).await }
/// })?;
/// assert_eq!(&node.call("outer", ()).await?.data[..], b"42");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct WeakNode {
    inner: Weak<Inner>,
}

impl WeakNode {
    /// The node, where it still lives.
    pub fn upgrade(&self) -> Option<Node> {
        self.inner.upgrade().map(|inner| Node { inner })
    }
}

impl fmt::Debug for WeakNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakNode").finish_non_exhaustive()
    }
}
