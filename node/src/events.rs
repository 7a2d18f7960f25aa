//! What a node reports.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;

use lacewing_core::engine::{DialFailure, DownReason, LinkId, PeerInfo};
use lacewing_core::{Address, CloseReason, Incarnation, NodeId};

use crate::driver::Subscriber;

/// What happened to a node and its peers, in the order in which it happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A peer proved who it is and can be called.
    PeerUp(PeerInfo),
    /// Nothing was heard from a peer for some intervals.
    PeerSuspect {
        /// Which one.
        node: NodeId,
    },
    /// A suspect peer was heard again.
    PeerRecovered {
        /// Which one.
        node: NodeId,
    },
    /// A peer is gone. Calls to it have failed already.
    PeerDown {
        /// Which one.
        node: NodeId,
        /// Which of its lives ended.
        incarnation: Incarnation,
        /// Why.
        reason: DownReason,
    },
    /// A node of the mesh, neighbour or not, is there: it says so itself, and a path leads to it.
    NodeUp {
        /// Which one.
        node: NodeId,
        /// Which of its lives.
        incarnation: Incarnation,
    },
    /// No path leads to a node any more, or it does not answer.
    NodeSuspect {
        /// Which one.
        node: NodeId,
    },
    /// A suspect node is there after all.
    NodeRecovered {
        /// Which one.
        node: NodeId,
    },
    /// A node of the mesh is gone. Calls to it have failed already, and what it announced is hidden.
    NodeDown {
        /// Which one.
        node: NodeId,
        /// Which of its lives ended.
        incarnation: Incarnation,
        /// Why.
        reason: DownReason,
    },
    /// What a node says of itself has changed: its actions, capabilities or names.
    NodeChanged {
        /// Which one.
        node: NodeId,
    },
    /// A link ended, finished or not.
    LinkClosed {
        /// Which one.
        link: LinkId,
        /// The other end.
        remote_addr: SocketAddr,
        /// Who it was, where that was proved.
        node: Option<NodeId>,
        /// Why.
        reason: CloseReason,
    },
    /// A dial failed; the address is dialled again.
    DialFailed {
        /// The address.
        addr: Address,
        /// Why.
        reason: DialFailure,
        /// When it is dialled again.
        retry_at: tokio::time::Instant,
    },
    /// A call was refused with `Backpressure`; now there is room again.
    Writable {
        /// Towards whom.
        node: NodeId,
    },
    /// Somebody has seen this identity with a later incarnation; the node has taken the one after it. Whoever keeps
    /// incarnations on disk writes it down.
    IncarnationAdopted {
        /// The new one.
        incarnation: Incarnation,
    },
    /// Another process lives with this node's key, and is newer. This one has stopped dialling.
    Superseded {
        /// The newer one.
        by: Incarnation,
    },
    /// Shutdown is complete: every call has its outcome and every link is closed.
    Stopped,
}

impl Event {
    /// For people who read logs. No event holds anything secret.
    pub(crate) fn log(&self, this: NodeId) {
        match self {
            Self::PeerUp(peer) => {
                tracing::info!(node = %this, peer = %peer.node, label = %peer.label, addr = %peer.remote_addr, "peer up");
            }
            Self::PeerDown { node, reason, .. } => {
                tracing::info!(node = %this, peer = %node, ?reason, "peer down");
            }
            Self::PeerSuspect { node } => tracing::info!(node = %this, peer = %node, "peer suspect"),
            Self::PeerRecovered { node } => tracing::info!(node = %this, peer = %node, "peer recovered"),
            Self::NodeUp { node, .. } => tracing::info!(node = %this, other = %node, "node up"),
            Self::NodeSuspect { node } => tracing::info!(node = %this, other = %node, "node suspect"),
            Self::NodeRecovered { node } => tracing::info!(node = %this, other = %node, "node recovered"),
            Self::NodeDown { node, reason, .. } => {
                tracing::info!(node = %this, other = %node, ?reason, "node down");
            }
            Self::NodeChanged { node } => tracing::debug!(node = %this, other = %node, "node changed"),
            Self::LinkClosed { link, remote_addr, reason, .. } => {
                tracing::debug!(node = %this, link = link.0, addr = %remote_addr, %reason, "link closed");
            }
            Self::DialFailed { addr, reason, .. } => {
                tracing::debug!(node = %this, %addr, ?reason, "dial failed");
            }
            Self::Writable { node } => tracing::debug!(node = %this, peer = %node, "writable"),
            Self::IncarnationAdopted { .. } => {
                tracing::warn!(node = %this, "a later incarnation was adopted");
            }
            Self::Superseded { .. } => {
                tracing::error!(node = %this, "a newer process lives with this node's key");
            }
            Self::Stopped => tracing::debug!(node = %this, "stopped"),
        }
    }
}

/// The events of a node from the moment of [`Node::events`](crate::Node::events) on.
///
/// Up to 1,024 events wait for a slow reader; then the oldest are dropped and counted in [`missed`](Self::missed).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), lacewing::StartError> {
/// use std::time::Duration;
/// use lacewing::{Event, MemoryNetwork, Node, Trust};
///
/// let node = Node::builder().trust(Trust::Open).transport(MemoryNetwork::new()).start().await?;
/// let mut events = node.events();
/// node.shutdown(Duration::from_secs(1)).await;
/// let mut last = None;
/// while let Some(event) = events.recv().await {
///     last = Some(event);
/// }
/// assert!(matches!(last, Some(Event::Stopped)));
/// # Ok(())
/// # }
/// ```
pub struct Events {
    subscriber: Arc<Subscriber>,
}

impl Events {
    pub(crate) fn new(subscriber: Arc<Subscriber>) -> Self {
        Self { subscriber }
    }

    /// The next event; `None` once the node is closed. Dropping the future loses nothing.
    pub async fn recv(&mut self) -> Option<Event> {
        poll_fn(|cx| self.subscriber.poll_next(cx)).await
    }

    /// How many events were dropped because this reader was too slow.
    pub fn missed(&self) -> u64 {
        self.subscriber.missed()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.subscriber.close();
    }
}
