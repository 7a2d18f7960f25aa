//! The engine's door: everything that goes in, and everything that comes out.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::address::Address;
use crate::code::{CloseReason, Error};
use crate::identity::{Incarnation, NodeId};
use crate::time::Instant;
use crate::wire::path::ActionPath;

pub use crate::delivery::ServeError;
pub use crate::delivery::selector::{Candidate, Selector};
pub use crate::delivery::{
    Call, CallOptions, CallPolicy, Caller, Codec, HeaderError, Headers, Hedge, OpId, Payload, Priority,
    RequestId, Retry, ServeOptions, Shape, StreamId, StreamOptions, Target,
};
pub use crate::directory::{DirectoryError, NodeDescription, ProviderEntry, ProviderState};
pub use crate::link::LinkId;
pub use crate::membership::{DialFailure, DialId, DownReason, NodeStatus, PeerInfo};
pub use crate::routing::RouteInfo;
pub use crate::topics::{
    GroupName, Overflow, Publication, PublishMode, PublishReport, Publisher, SubscribeOptions,
    SubscriptionId, SubscriptionStats, TopicEvent, TopicStats,
};

/// What the driver tells the engine.
#[derive(Debug)]
pub enum Input {
    /// A byte stream is there: accepted (`dial` is `None`), or the result of an [`Output::Dial`].
    LinkUp {
        /// The driver's number for it.
        link: LinkId,
        /// The dial that it came of.
        dial: Option<DialId>,
        /// The other end, as the transport sees it.
        remote_addr: SocketAddr,
    },
    /// A dial did not lead to a byte stream.
    DialFailed {
        /// Which one.
        dial: DialId,
        /// Why.
        reason: DialFailure,
    },
    /// The byte stream ended or failed. Nothing more is sent or received on it.
    LinkDown {
        /// Which one.
        link: LinkId,
    },
    /// Bytes arrived. The buffer is owned, so that it is decrypted in place.
    Received {
        /// On which stream.
        link: LinkId,
        /// The bytes, in any portions.
        data: BytesMut,
    },
    /// What time it is in the world. To be told at the start, before the first link, and now and then: tokens hold from a time until
    /// a time, and hold never as long as nobody has said what time it is.
    WallClock {
        /// Milliseconds since 1970-01-01T00:00:00Z.
        unix_ms: u64,
    },
    /// The transport can take this many bytes more. Without credit the engine transmits nothing, so a peer that
    /// does not read fills the engine's bounded queue, not the driver's memory.
    Credit {
        /// Which stream.
        link: LinkId,
        /// Additional bytes.
        bytes: usize,
    },
}

/// What the engine wants done, in this order.
#[derive(Debug)]
pub enum Output {
    /// Write these bytes to the stream.
    Transmit {
        /// Which stream.
        link: LinkId,
        /// The bytes.
        data: Bytes,
    },
    /// Open a stream to this address; answer with [`Input::LinkUp`] or [`Input::DialFailed`].
    Dial {
        /// To be named in the answer.
        dial: DialId,
        /// Where to.
        addr: Address,
    },
    /// Write what was handed over for this stream, then close it. The engine has forgotten it already.
    Close {
        /// Which stream.
        link: LinkId,
        /// Why, for the log.
        reason: CloseReason,
    },
    /// Something for the application.
    Event(Event),
}

/// What happened, for the application. Every started call ends in exactly one [`Event::CallDone`].
#[derive(Clone, Debug)]
pub enum Event {
    /// A neighbour proved who it is and can be called.
    PeerUp(PeerInfo),
    /// Nothing was heard from a neighbour for some intervals.
    PeerSuspect {
        /// Which one.
        node: NodeId,
    },
    /// A suspect neighbour was heard again.
    PeerRecovered {
        /// Which one.
        node: NodeId,
    },
    /// A neighbour is gone. Calls to it have failed already.
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
    /// No path leads to a node any more, or it does not answer. Calls to it wait a little.
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
        retry_at: Instant,
    },
    /// A call of this node has its outcome.
    CallDone {
        /// Which one.
        op: OpId,
        /// The answer, or one coded error.
        result: Result<Payload, Error>,
    },
    /// What everybody has answered to a call that collects answers; its `CallDone` comes behind it. Where nobody could be asked there is
    /// the `CallDone` alone.
    Gathered {
        /// Which one.
        op: OpId,
        /// Who has answered what, in the order in which the answers came; who has not answered in time is there with the reason.
        answers: Vec<(NodeId, Result<Payload, Error>)>,
    },
    /// A peer, or this node itself, calls an action that is served here. Answer with `Engine::reply`.
    Request {
        /// To be named in the answer.
        request: RequestId,
        /// Who calls.
        caller: Caller,
        /// What is called.
        action: Arc<ActionPath>,
        /// The shape in which it is served.
        shape: Shape,
        /// With what.
        payload: Payload,
        /// What the caller says besides.
        headers: Headers,
        /// How long it has waited for its turn; zero where it did not have to.
        waited: Duration,
        /// When the caller stops waiting; [`Instant::NEVER`] for a stream without an end of its own.
        deadline: Instant,
    },
    /// An item of a stream has arrived. Say [`Engine::item_taken`](crate::Engine::item_taken) once the application has it.
    Item {
        /// At which end.
        stream: StreamId,
        /// The item.
        item: Payload,
    },
    /// The caller of a stream uploads no more.
    UploadsEnded {
        /// Which request it was.
        request: RequestId,
    },
    /// After `Backpressure` from `Engine::send_item`: there is room again.
    StreamWritable {
        /// At which end.
        stream: StreamId,
    },
    /// Nobody waits for the answer any more: the caller cancelled, its deadline passed, or it is gone.
    RequestCancelled {
        /// Which one.
        request: RequestId,
    },
    /// After `Backpressure`: there is room again.
    Writable {
        /// Towards whom.
        node: NodeId,
    },
    /// A subscription of this node has an event. Say [`Engine::event_taken`](crate::Engine::event_taken) once the application has it:
    /// the next one comes only then.
    Published {
        /// Which one.
        subscription: SubscriptionId,
        /// The event.
        event: TopicEvent,
    },
    /// After `Backpressure` from `Engine::publish`: a full subscription has taken something.
    PublishReady,
    /// A peer proved that this identity has been seen with a later incarnation; the node took the one after it.
    /// Whoever keeps incarnations on disk writes it down.
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

/// A bug of the driver, never of a peer. The input had no effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misuse {
    /// Time went back.
    #[error("time went back: {now:?} is before {last:?}")]
    TimeWentBack {
        /// What was passed.
        now: Instant,
        /// What had been passed before.
        last: Instant,
    },
    /// A link number was used again.
    #[error("link {0:?} is already open")]
    LinkIdReused(LinkId),
    /// Link numbers from 2^63 on belong to the engine.
    #[error("link {0:?}: numbers from 2^63 on belong to the engine")]
    LinkIdReserved(LinkId),
    /// A dial that was not asked for, or was answered before.
    #[error("dial {0:?} was not asked for, or has its answer already")]
    UnknownDial(DialId),
}

/// How far a node is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    /// Dials, accepts, serves.
    Running,
    /// Refuses new work and finishes what it has.
    Draining,
    /// Has ended; every command is refused.
    Stopped,
}

/// One bounded thing: how much of it there is, and how much there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gauge {
    /// What it is.
    pub name: &'static str,
    /// How much there is now.
    pub value: usize,
    /// How much there may be.
    pub cap: usize,
    /// Whether it must be zero when nothing is going on (calls, buffers), unlike links.
    pub zero_when_quiet: bool,
}
