//! Lacewing: an encrypted mesh network in one library.
//!
//! A [`Node`] listens, dials its peers for as long as it lives, serves actions and calls those that others serve. Links are
//! always encrypted, and every peer proves who it is. Every call ends in exactly one outcome: the answer,
//! or one coded [`Error`].
//!
//! ```
//! use lacewing::{MemoryNetwork, Node, Request, Trust};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // `MemoryNetwork` connects nodes of one process; leave `.transport(..)` out, and it is TCP.
//! let network = MemoryNetwork::new();
//! let alpha = Node::builder().trust(Trust::Open).listen("alpha:1").transport(network.clone()).start().await?;
//! alpha.serve("shout", async |request: Request| {
//!     Ok(String::from_utf8_lossy(&request.payload.data).to_uppercase())
//! })?;
//!
//! let beta = Node::builder().trust(Trust::Open).peer("alpha:1").transport(network).start().await?;
//! beta.wait_for_peer(alpha.node_id()).await?;
//! let answer = beta.call("shout", "hello").await?;
//! assert_eq!(&answer.data[..], b"HELLO");
//! # Ok(())
//! # }
//! ```
//!
//! Nodes need no link to each other. Each knows what the others can do ([`Node::find`], [`Node::describe`]), and calls go through
//! relays, sealed from end to end, to a node, to whoever has a name, or to one that is chosen ([`CallBuilder`]).
//!
//! The protocol itself is the sans-IO engine of `lacewing_core`; this crate drives it with tokio, as tasks on the
//! caller's runtime, current-thread or multi-thread, and adds no thread of its own.

mod action;
mod builder;
mod call;
#[cfg(feature = "demo")]
pub mod demo;
mod driver;
mod events;
mod mesh;
pub mod metrics;
mod node;
mod payload;
mod policy;
mod request;
mod stream;
mod topics;
mod trace_context;
pub mod transport;
#[cfg(feature = "typed")]
pub mod typed;

#[cfg(lacewing_inject)]
#[doc(hidden)]
pub use driver::BUGS as DRIVER_BUGS;

pub use action::Action;
pub use builder::{Builder, StartError};
pub use call::{Bidirectional, CallBuilder, CallFuture, ClientStream, ServerStream, StreamKind, Unary};
pub use events::{Event, Events};
pub use node::{Node, WeakNode};
pub use payload::IntoPayload;
pub use policy::{AcknowledgedCast, Acknowledgement, Answers, Cast, Gather, OneAnswer};
pub use request::Request;
pub use stream::{Duplex, ItemSender, ItemStream, Upload, UploadSender, Uploads};
pub use topics::{PublishBuilder, Subscription};
pub use trace_context::{TraceContext, TraceContextError};
pub use transport::{MemoryNetwork, TcpTransport, Transport};

/// The cryptography that the protocol asks for, for nodes with a provider of their own.
pub use lacewing_core::crypto;

/// Rules: who may do what.
pub use lacewing_core::access;
/// What a node says that it can do: tags, metadata, and what follows from them.
pub use lacewing_core::capability;
/// How a provider is chosen among several.
pub use lacewing_core::delivery::selector;
/// Questions about what a node can do.
pub use lacewing_core::predicate;
/// Tokens: the signed word of an issuer that somebody may do something.
pub use lacewing_core::token;

pub use lacewing_core::capability::{CapabilitySet, SubnetId, Visibility};
pub use lacewing_core::config::{NetworkKey, NetworkName, RouteMetric};
pub use lacewing_core::delivery::selector::Selector;
pub use lacewing_core::directory::SchemaId;
pub use lacewing_core::engine::{
    Caller, Codec, DialFailure, DownReason, Gauge, GroupName, HeaderError, Headers, Lifecycle, LinkId,
    NodeDescription, NodeInfo, NodeStatus, Overflow, Payload, PeerInfo, Priority, ProviderEntry,
    ProviderState, PublishMode, PublishReport, Publisher, Query, Retry, RouteInfo, ServeError, Shape,
    SubscribeOptions, SubscriptionStats, TopicEvent, TopicStats,
};
pub use lacewing_core::identity::PublicKey;
pub use lacewing_core::predicate::Predicate;
pub use lacewing_core::wire::path::{ActionPath, PathPattern};
pub use lacewing_core::{
    Address, CloseReason, Code, Error, Identity, Incarnation, Kind, Limits, NodeId, NodeLabel, Timing, Trust,
};

/// The programs of the guide are run as doctests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/guide/mesh.md")]
#[doc = include_str!("../../docs/guide/streams.md")]
#[doc = include_str!("../../docs/guide/observability.md")]
#[doc = include_str!("../../docs/guide/resilience.md")]
#[doc = include_str!("../../docs/guide/tokens.md")]
#[doc = include_str!("../../docs/guide/topics.md")]
struct Guide;
