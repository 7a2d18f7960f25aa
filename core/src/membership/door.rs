//! What membership is told, what it gives, and the words for it.

use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;

use bytes::Bytes;

use crate::address::Address;
use crate::code::CloseReason;
use crate::identity::{Incarnation, NodeId, NodeLabel, SignedIncarnation};
use crate::link::LinkId;
use crate::session::ProvenPeer;
use crate::time::Instant;
use crate::wire::body::{Hello, ProbeAnswer};

/// One attempt to open a stream to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DialId(pub u64);

/// Why a dial failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DialFailure {
    /// The other side refused the connection.
    Refused,
    /// Nobody answered in time.
    TimedOut,
    /// The host name has no address.
    NameNotFound,
    /// No way to that address, or another failure of the transport.
    Unreachable,
}

impl fmt::Display for DialFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "the connection was refused",
            Self::TimedOut => "nobody answered in time",
            Self::NameNotFound => "the host name has no address",
            Self::Unreachable => "the address cannot be reached",
        })
    }
}

/// Why a neighbour is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DownReason {
    /// Nothing was heard from it for too long.
    HeartbeatTimeout,
    /// The connection ended, or the peer broke the protocol.
    ConnectionClosed,
    /// It refused us, or we it.
    Refused,
    /// It said goodbye.
    Graceful,
    /// A newer instance of it took over.
    Superseded,
}

impl DownReason {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HeartbeatTimeout => "heartbeat_timeout",
            Self::ConnectionClosed => "connection_closed",
            Self::Refused => "refused",
            Self::Graceful => "graceful",
            Self::Superseded => "superseded",
        }
    }

    pub(super) fn of(reason: CloseReason) -> Self {
        match reason {
            CloseReason::HeartbeatTimeout => Self::HeartbeatTimeout,
            CloseReason::Graceful => Self::Graceful,
            CloseReason::Superseded | CloseReason::StaleIncarnation => Self::Superseded,
            CloseReason::Untrusted | CloseReason::IdentityRejected | CloseReason::TooManyLinks => {
                Self::Refused
            }
            _ => Self::ConnectionClosed,
        }
    }
}

impl fmt::Display for DownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a node of the mesh is, as far as this one can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeStatus {
    /// It is there.
    Up,
    /// No path leads to it, or it does not answer.
    Suspect,
    /// It is gone.
    Down,
}

impl NodeStatus {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Suspect => "suspect",
            Self::Down => "down",
        }
    }
}

impl fmt::Display for NodeStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A neighbour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// Who it is.
    pub node: NodeId,
    /// Which of its lives.
    pub incarnation: Incarnation,
    /// What people call it.
    pub label: NodeLabel,
    /// Where it says that it can be dialled.
    pub addrs: Vec<Address>,
    /// The link that calls use.
    pub link: LinkId,
    /// The other end of that link.
    pub remote_addr: SocketAddr,
    /// Whether nothing was heard from it for some intervals.
    pub suspect: bool,
}

/// What membership is told.
#[derive(Debug)]
pub(crate) enum In {
    /// Dial this address for ever.
    Connect { addr: Address },
    /// The driver has a stream.
    StreamUp { link: LinkId, dial: Option<DialId>, remote_addr: SocketAddr },
    /// The driver could not get one.
    DialFailed { dial: DialId, reason: DialFailure },
    /// A peer proved who it is.
    Proved { link: LinkId, peer: ProvenPeer, hello: Hello, message_bytes_max: usize },
    /// A link ended.
    LinkClosed { link: LinkId, reason: CloseReason },
    /// A peer is silent.
    Suspect { link: LinkId },
    /// A peer was heard again.
    Recovered { link: LinkId },
    /// A peer starts no more calls on a link.
    Goodbye { link: LinkId, reason: CloseReason },
    /// Our own goodbye has left.
    GoodbyeSent { link: LinkId },
    /// A retiring link has no calls left.
    Idle { link: LinkId },
    /// Our own incarnation has been overtaken.
    Stale { link: LinkId, newer: SignedIncarnation },
    /// A peer at the other end of a tunnel proved who it is.
    TunnelProved { link: LinkId, peer: ProvenPeer, message_bytes_max: usize },
    /// A tunnel ended.
    TunnelClosed { link: LinkId },
    /// Nothing goes over a tunnel any more.
    Quiet { link: LinkId },
    /// A path leads to this node; with the life that its announcement is of, where there is one.
    Reachable { node: NodeId, signed: Option<Incarnation> },
    /// No path leads to it any more.
    Unreachable { node: NodeId },
    /// A node's own signature says that it lives, or has lived, with this incarnation.
    Learned { node: NodeId, incarnation: Incarnation },
    /// A node has said itself that this life of it leaves.
    Left { node: NodeId, incarnation: Incarnation },
    /// A way leads to this node, but it is too long for payloads, and so for a probe.
    TooFarToAsk { node: NodeId },
    /// Somebody shows an announcement that this node's own key signed in a later life.
    Overtaken { incarnation: Incarnation },
    /// Somebody asks, in the name of this node, whether we live.
    Probe { link: LinkId, asker: NodeId, nonce: u64 },
    /// Answers [`Out::RetirementOver`]: whether streams go on over the link.
    EndRetirement { link: LinkId, in_use: bool },
    /// Where a node can be dialled that was chosen to be a neighbour.
    Candidate { node: NodeId, addrs: Vec<Address> },
    /// The answer to a probe of ours, as it says.
    ProbeAnswer { node: NodeId, nonce: u64, answer: ProbeAnswer },
    /// Dial no more, and say goodbye to everybody.
    Leave,
    /// Close every link.
    CloseAll,
}

/// What membership gives.
#[derive(Debug)]
pub(crate) enum Out {
    /// Ask the driver for a stream.
    Dial { dial: DialId, addr: Address },
    /// Start the handshake on a stream.
    Accept { link: LinkId, dialled: Option<Address>, remote_addr: SocketAddr },
    /// The stream came too late: close it.
    Discard { link: LinkId },
    /// Close a link.
    Close { link: LinkId, reason: CloseReason, stale: Option<SignedIncarnation> },
    /// Close a tunnel once everything that was sent on it has arrived.
    Finish { link: LinkId },
    /// Say goodbye on a link once everything queued has left.
    Goodbye { link: LinkId, reason: CloseReason },
    /// Find out whether a link is dead.
    Poke { link: LinkId },
    /// A link can carry calls.
    Bind { link: LinkId, node: NodeId, incarnation: Incarnation, message_bytes_max: usize },
    /// New calls to a node take this link.
    Prefer { node: NodeId, link: LinkId },
    /// No new calls to this node.
    Unlist { node: NodeId },
    /// Say when this link is idle.
    Retire { link: LinkId },
    /// A neighbour is there.
    PeerUp(PeerInfo),
    /// A neighbour is silent.
    PeerSuspect { node: NodeId },
    /// It was heard again.
    PeerRecovered { node: NodeId },
    /// A neighbour is gone.
    PeerDown { node: NodeId, incarnation: Incarnation, reason: DownReason },
    /// No new calls over this tunnel.
    Unprefer { node: NodeId, link: LinkId },
    /// A node of the mesh, neighbour or not, is there.
    NodeUp { node: NodeId, incarnation: Incarnation },
    /// Nothing proves any more that it is there.
    NodeSuspect { node: NodeId },
    /// It was there all the time.
    NodeRecovered { node: NodeId },
    /// It is gone.
    NodeDown { node: NodeId, incarnation: Incarnation, reason: DownReason },
    /// It has been gone for so long that it may be forgotten.
    Forget { node: NodeId },
    /// Nothing leads to it: what waits for it fails.
    GiveUpPath { node: NodeId },
    /// Ask this node whether it lives, by every path that there is.
    Probe { node: NodeId, payload: Bytes },
    /// The time of a link is over that another one has replaced: does it still carry streams?
    RetirementOver { link: LinkId },
    /// Where can this node be dialled? [`In::Candidate`] answers.
    SeekNeighbour { node: NodeId },
    /// Send the answer to a probe, by the link that the probe came by.
    AnswerProbe { link: LinkId, node: NodeId, payload: Bytes },
    /// A dial failed.
    DialFailed { addr: Address, reason: DialFailure, retry_at: Instant },
    /// This node goes on under a new incarnation.
    Reincarnate { incarnation: Incarnation },
    /// A newer instance of this node has taken over.
    Superseded { by: Incarnation },
}
