//! What links are told, and what they give.

use alloc::boxed::Box;
use core::net::SocketAddr;

use bytes::{Bytes, BytesMut};

use super::{Drop, LinkId, Message, StreamLane, StreamOrder};
use crate::address::Address;
use crate::code::CloseReason;
use crate::identity::{Incarnation, NodeId, SignedIncarnation};
use crate::session::ProvenPeer;
use crate::token::{Grant, IssuerHead};
use crate::wire::body::topics::PublishHead;
use crate::wire::body::{Hello, TunnelKind};
use crate::wire::frame::{FrameHeader, FrameType};

/// What links are told.
#[derive(Debug)]
pub(crate) enum In {
    /// A byte stream is there; `dialled` where this side opened it.
    Open { link: LinkId, dialled: Option<Address>, remote_addr: SocketAddr },
    /// The byte stream is gone.
    Down { link: LinkId },
    /// Bytes arrived.
    Received { link: LinkId, data: BytesMut },
    /// The transport takes so many bytes more.
    TransportCredit { link: LinkId, bytes: usize },
    /// Send this.
    Send { link: LinkId, message: Message },
    /// Our call is not waited for any more.
    Withdraw { link: LinkId, op: u64, sequence: Option<u64>, tell_peer: bool },
    /// Our answer is not waited for any more.
    WithdrawReply { link: LinkId, id: u64 },
    /// Send this event behind the others.
    Publish { link: LinkId, head: PublishHead, payload: Bytes },
    /// Do this with the queue of a stream.
    Stream { link: LinkId, order: StreamOrder },
    /// The peer may send so many bytes more.
    Grant { link: LinkId, bytes: usize },
    /// Send a keep-alive now: if the stream is dead, this finds out.
    Poke { link: LinkId },
    /// Say goodbye once everything queued has left.
    Goodbye { link: LinkId, reason: CloseReason },
    /// Close now, saying why; with the proof for a peer whose incarnation has been overtaken.
    Close { link: LinkId, reason: CloseReason, stale: Option<SignedIncarnation> },
    /// Close this tunnel once everything that was sent on it has arrived.
    Finish { link: LinkId },
    /// The node stops: close every tunnel, while there are still links to carry its last words.
    EndTunnels,
    /// What time it is, in milliseconds since 1970-01-01T00:00:00Z.
    WallClock { unix_ms: u64 },
    /// An issuer has said this.
    IssuerHead { head: IssuerHead },
    /// Introduce ourselves with this membership token from now on.
    Membership { token: Option<Bytes> },
    /// Introduce ourselves with this incarnation from now on.
    Reincarnate { incarnation: Incarnation },
    /// Send a frame of another machine.
    Control { link: LinkId, frame_type: FrameType, body: Bytes },
    /// Pass on a ROUTED frame of this flow.
    Forward { link: LinkId, source: NodeId, destination: NodeId, body: Bytes },
    /// Open a session to a node that is no neighbour, unless one is being opened.
    OpenTunnel { peer: NodeId },
    /// A payload of a tunnel arrived.
    Routed { source: NodeId, payload: Bytes },
    /// The path to this node has changed, or has lost something.
    DoubtPath { peer: NodeId },
    /// No path is left, or another life began: close its tunnels, all or those to an older life.
    CloseTunnels { peer: NodeId, reason: CloseReason, older_than: Option<Incarnation> },
}

/// What links give.
#[derive(Debug)]
pub(crate) enum Out {
    /// Write these bytes.
    Transmit { link: LinkId, data: Bytes },
    /// The peer has proved who it is and said hello; with what let it in, where that was a token.
    Proved {
        link: LinkId,
        peer: ProvenPeer,
        hello: Hello,
        message_bytes_max: usize,
        membership: Option<Box<Grant>>,
    },
    /// The peer is silent.
    Suspect { link: LinkId },
    /// It was heard again.
    Recovered { link: LinkId },
    /// The peer will start no more calls here.
    Goodbye { link: LinkId, reason: CloseReason },
    /// Our goodbye has left, and everything before it.
    GoodbyeSent { link: LinkId },
    /// Proof that this node's own incarnation has been overtaken.
    Stale { link: LinkId, newer: SignedIncarnation },
    /// A frame of a call.
    Frame { link: LinkId, header: FrameHeader, body: Bytes },
    /// The first byte of this call has left.
    Started { link: LinkId, op: u64, sequence: u64 },
    /// So many payload bytes have left the queue.
    Flushed { link: LinkId, bytes: usize },
    /// So many bytes have left the queue of a stream; with the end, everything has.
    StreamLeft { link: LinkId, lane: StreamLane, bytes: usize, ended: bool },
    /// So many bytes of events have left the queue, as the queue counts them.
    Published { link: LinkId, bytes: usize },
    /// The queue had no room for a ROUTED frame.
    Dropped { link: LinkId, source: NodeId, destination: NodeId, reason: Drop },
    /// Send this through relays.
    Route { peer: NodeId, class: TunnelKind, payload: Bytes },
    /// Nothing has gone over a tunnel for a while; or its key is old, whatever goes over it.
    Quiet { link: LinkId, is_worn: bool },
    /// A tunnel is over.
    TunnelClosed { link: LinkId, peer: NodeId, proved: bool, reason: CloseReason },
    /// The link is over. `peer_closed` where the stream ended by itself, so that there is nothing left to close.
    Closed {
        link: LinkId,
        reason: CloseReason,
        remote_addr: SocketAddr,
        peer: Option<ProvenPeer>,
        peer_closed: bool,
    },
}
