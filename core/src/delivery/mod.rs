//! Calls and replies: who waits for what, who works on what, and that each ends exactly once.
//!
//! `call` is the caller's side, `serve` the other one. Both sides of a local call run through the same two files.

mod admission;
mod call;
mod cast;
mod deadlines;
mod dedup;
mod far;
mod policy;
pub mod selector;
mod serve;
mod served;
mod stream;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use rand_chacha::ChaCha8Rng;

pub use self::admission::ServeOptions;
use self::admission::{Admission, Permit};
use self::call::PendingCall;
use self::deadlines::Deadlines;
use self::dedup::DedupWindow;
pub use self::policy::{ATTEMPTS_MAX, CallPolicy, Hedge, Retry};
use self::selector::{Candidate, SelectionState, Selector};
use self::serve::Inbound;
pub use self::serve::ServeError;
use self::served::{RequestOrigin, ServedRequest};
pub use self::stream::{StreamId, StreamOptions};
use crate::access::Judge;
use crate::code::{CloseReason, Code, Error};
use crate::config::Config;
use crate::identity::{Incarnation, NodeId};
use crate::link::{LinkId, Message, StreamLane, StreamOrder};
use crate::machine::{Cx, Machine, injected};
use crate::metrics::Histogram;
use crate::reassembly;
use crate::sequence_map::SequenceMap;
use crate::time::Instant;
use crate::wire::frame::{FrameHeader, FrameType, HEADER_LEN};
pub use crate::wire::headers::{HeaderError, Headers};
use crate::wire::path::ActionPath;
pub use crate::wire::payload::{Codec, Payload};
pub use crate::wire::shape::{Priority, Shape};

/// One call of this node, from `Engine::call` to `Event::CallDone`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpId(pub u64);

/// One request that this node serves, from `Event::Request` to `Engine::reply` or `Event::RequestCancelled`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Whom a call is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// This node if it serves the action, else the nearest that does. Where the directory knows of none, the mesh is asked:
    /// `NotFound` if certainly nobody serves it, `Unavailable` if that could not be found out.
    Any,
    /// This node and no other, however many links away.
    Node(NodeId),
    /// Whoever the selector chooses among those that are known to serve the action and can be reached. If that one certainly
    /// did not execute it, the next one is called. `NotFound` where the selector takes none of them.
    Select(Selector),
}

/// What is called, where, with what, for how long.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// Whom it is for.
    pub target: Target,
    /// The action's path.
    pub action: &'a str,
    /// The argument.
    pub payload: Payload,
    /// How long the caller waits; `None` takes the configured default, or no limit for a stream, which has its idle timeout. Zero is
    /// `InvalidArgument`.
    pub timeout: Option<Duration>,
    /// What most calls do without.
    pub options: CallOptions,
}

/// What most calls do without.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallOptions {
    /// What the handler can read besides the argument.
    pub headers: Headers,
    /// Makes the call a stream.
    pub stream: Option<StreamOptions>,
    /// What is done for it besides making it once. Not for streams.
    pub policy: Option<Box<CallPolicy>>,
}

/// Who calls, as proved by the session's handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The calling node; this node's own id for a local call.
    pub node: NodeId,
    /// Which of its lives.
    pub incarnation: Incarnation,
}

/// What delivery is told.
#[derive(Debug)]
pub(crate) enum In {
    /// A neighbour's link can carry calls.
    Bind { link: LinkId, peer: Caller, message_bytes_max: usize },
    /// New calls to this node go over this link.
    Prefer { node: NodeId, link: LinkId },
    /// No new calls go to this node, though its links still finish what they have.
    Unlist { node: NodeId },
    /// No new calls go over this link.
    Unprefer { node: NodeId, link: LinkId },
    /// A session to this node cannot be had: what waits for it fails.
    NoPath { node: NodeId, error: Error },
    /// Who serves the action that was asked for, best first; or why that is not known.
    Sought { action: Arc<ActionPath>, outcome: Result<Vec<NodeId>, Error> },
    /// Another link replaces this one: say when it is idle.
    Retire { link: LinkId },
    /// The link is gone.
    LinkLost { link: LinkId, reason: CloseReason },
    /// The first byte of this call is on its way: from now on it may be executed.
    Started { link: LinkId, op: u64, sequence: u64 },
    /// So many payload bytes have left the link's queue.
    Flushed { link: LinkId, bytes: usize },
    /// So many bytes have left the queue of a stream; with the end, everything has.
    StreamLeft { link: LinkId, lane: StreamLane, bytes: usize, ended: bool },
    /// The node took a new incarnation.
    Reincarnated { incarnation: Incarnation },
    /// Refuse new work from both sides.
    Stop,
    /// End everything that is still open.
    Abandon,
}

/// What delivery gives.
#[derive(Debug)]
pub(crate) enum Out {
    /// Send this.
    Send { link: LinkId, message: Message },
    /// Nobody waits for this call any more: take it out of the queue, or tell the peer.
    Withdraw { link: LinkId, op: u64, sequence: Option<u64>, tell_peer: bool },
    /// Nobody waits for this reply any more.
    WithdrawReply { link: LinkId, id: u64 },
    /// Do this with the queue of a stream.
    Stream { link: LinkId, order: StreamOrder },
    /// An item has arrived.
    Item { stream: StreamId, item: Payload },
    /// The caller of a stream sends no more.
    UploadsEnded { request: RequestId },
    /// There is room again after `Backpressure`.
    StreamWritable { stream: StreamId },
    /// The peer may send so many bytes more.
    Consumed { link: LinkId, bytes: usize },
    /// A retiring link has nothing left to do.
    Idle { link: LinkId },
    /// The peer broke the rules.
    Violation { link: LinkId, reason: CloseReason },
    /// A session to a node that is no neighbour is needed.
    OpenTunnel { node: NodeId },
    /// Nobody is known to serve this action: ask the mesh.
    Seek { action: Arc<ActionPath>, deadline: Instant },
    /// Nobody waits for that any more.
    StopSeeking { action: Arc<ActionPath> },
    /// A call has its outcome. `began` where it is no cast.
    CallDone { op: OpId, node: Option<NodeId>, began: Option<Instant>, result: Result<Payload, Error> },
    /// An action is called.
    Request {
        request: RequestId,
        caller: Caller,
        action: Arc<ActionPath>,
        shape: Shape,
        payload: Payload,
        headers: Headers,
        waited: Duration,
        deadline: Instant,
    },
    /// Nobody waits for this answer any more.
    RequestCancelled { request: RequestId },
    /// There is room again after `Backpressure`.
    Writable { node: NodeId },
}

/// The machine.
#[derive(Debug)]
pub(crate) struct Delivery {
    config: Arc<Config>,
    own: Caller,
    stopping: bool,
    actions: BTreeMap<ActionPath, Served>,
    /// Paths that were called lately, so that a repeated call neither parses nor allocates.
    called: BTreeMap<ActionPath, Arc<ActionPath>>,
    calls: SequenceMap<PendingCall>,
    call_deadlines: Deadlines,
    local_calls: usize,
    /// Calls that wait for a session to a node that is no neighbour, oldest first.
    waiting: BTreeMap<NodeId, VecDeque<u64>>,
    /// Bytes of the calls that wait for that, or until it is known who serves their action.
    waiting_bytes: usize,
    /// Calls that wait until it is known who serves their action.
    seeking: BTreeMap<Arc<ActionPath>, VecDeque<u64>>,
    last_op: u64,
    selection: SelectionState,
    /// Whether a choice was ever made by speed, so that latencies are worth knowing.
    measures_latency: bool,
    rng: ChaCha8Rng,
    requests: SequenceMap<ServedRequest>,
    request_deadlines: Deadlines,
    last_request: u64,
    /// What actions with a limit have to do.
    admissions: BTreeMap<Arc<ActionPath>, Admission>,
    /// Handlers of such actions that run, by their requests.
    permits: BTreeMap<u64, Permit>,
    /// Requests that are being served and whose sender is gone, or is this node, and waits for nothing.
    casts: usize,
    links: BTreeMap<LinkId, LinkState>,
    /// The link or tunnel that new calls to a node take.
    neighbours: BTreeMap<NodeId, LinkId>,
    origins: BTreeMap<NodeId, Origin>,
    /// Origins by age, oldest first.
    origin_order: VecDeque<NodeId>,
    out: VecDeque<Out>,
}

/// An action that this node serves.
#[derive(Clone, Debug)]
struct Served {
    path: Arc<ActionPath>,
    shape: Shape,
    /// Not while it is paused or draining.
    takes_calls: bool,
    /// How often it was called.
    requests: u64,
}

/// What delivery knows of a link.
#[derive(Debug)]
struct LinkState {
    peer: Caller,
    message_bytes_max: usize,
    /// Our calls that wait for an answer on this link.
    pending_calls: usize,
    /// How long those took that are over.
    call_duration: Histogram,
    /// Those of them that have begun to leave, by their sequence numbers.
    sent: SequenceMap<u64>,
    /// The peer's calls on this link, by their sequence numbers.
    inbound: SequenceMap<Inbound>,
    /// Bytes of half-received requests and replies.
    reassembly_bytes: usize,
    /// Bytes of requests that were handed to handlers and are not answered.
    backlog_bytes: usize,
    /// Streams of either side.
    streams: usize,
    /// Bytes of items that the application has not taken.
    stream_bytes: usize,
    /// Credit that is held back until the backlog shrinks.
    credit_withheld: usize,
    /// Payload bytes in the link's queue.
    queued_bytes: usize,
    /// Whether a call was refused for lack of room, so that `Writable` is due.
    refused: bool,
    retiring: bool,
}

/// What goes on over a link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinkWork {
    /// Our calls that have no outcome yet.
    pub(crate) calls: usize,
    /// The peer's, that have no answer yet.
    pub(crate) requests: usize,
    /// How long those of our calls took that are over.
    pub(crate) call_duration: Histogram,
}

/// What has been seen of one node's calls, whatever link they came by.
#[derive(Debug)]
struct Origin {
    incarnation: Incarnation,
    window: DedupWindow,
}

impl Delivery {
    pub(crate) fn new(config: Arc<Config>, own: Caller, rng: ChaCha8Rng) -> Self {
        Self {
            config,
            own,
            stopping: false,
            actions: BTreeMap::new(),
            called: BTreeMap::new(),
            calls: SequenceMap::new(),
            call_deadlines: Deadlines::default(),
            local_calls: 0,
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            seeking: BTreeMap::new(),
            last_op: 0,
            selection: SelectionState::default(),
            measures_latency: false,
            rng,
            requests: SequenceMap::new(),
            request_deadlines: Deadlines::default(),
            last_request: 0,
            admissions: BTreeMap::new(),
            permits: BTreeMap::new(),
            casts: 0,
            links: BTreeMap::new(),
            neighbours: BTreeMap::new(),
            origins: BTreeMap::new(),
            origin_order: VecDeque::new(),
            out: VecDeque::new(),
        }
    }

    /// Whether no call waits and no request is being served.
    pub(crate) fn is_idle(&self) -> bool {
        self.calls.len() == 0 && self.requests.len() == 0
    }

    /// Whether nothing waits on this link.
    pub(crate) fn is_link_idle(&self, link: LinkId) -> bool {
        self.links.get(&link).is_none_or(|state| state.pending_calls == 0 && state.inbound.len() == 0)
    }

    /// Whether calls to this node can leave at once.
    pub(crate) fn is_connected(&self, node: &NodeId) -> bool {
        self.neighbours.contains_key(node)
    }

    /// Puts providers in the order in which they are to be called.
    pub(crate) fn choose(
        &mut self,
        selector: &Selector,
        action: &str,
        candidates: &[Candidate<'_>],
    ) -> Vec<NodeId> {
        self.measures_latency |= selector.is_by_speed();
        let order = selector.select(&mut self.selection, action, candidates, &mut self.rng);
        order.into_iter().map(|index| candidates[index].node).collect()
    }

    /// The node is down: what comes back may be another machine.
    pub(crate) fn forget_latency(&mut self, node: &NodeId) {
        self.selection.forget(node);
    }

    /// Whether this node serves the action itself, and takes calls of it.
    pub(crate) fn takes_calls(&self, action: &str) -> bool {
        self.actions.get(action).is_some_and(|served| served.takes_calls)
    }

    /// Whether this node serves the action itself.
    pub(crate) fn serves(&self, action: &str) -> bool {
        self.actions.contains_key(action)
    }

    /// Our calls to a node that have no outcome yet.
    pub(crate) fn in_flight(&self, node: &NodeId) -> usize {
        if *node == self.own.node {
            return self.local_calls;
        }
        let link = self.neighbours.get(node).and_then(|link| self.links.get(link));
        link.map_or(0, |state| state.pending_calls) + self.waiting.get(node).map_or(0, VecDeque::len)
    }

    /// How often each action was called that this node serves.
    pub(crate) fn action_requests(&self) -> impl Iterator<Item = (&ActionPath, u64)> {
        self.actions.iter().map(|(path, served)| (path, served.requests))
    }

    /// What goes on over a link.
    pub(crate) fn link_work(&self, link: LinkId) -> Option<LinkWork> {
        let LinkState { pending_calls, inbound, call_duration, .. } = self.links.get(&link)?;
        Some(LinkWork { calls: *pending_calls, requests: inbound.len(), call_duration: *call_duration })
    }

    /// Every table with its cap, summed over links where it is kept for each.
    pub(crate) fn gauges(&self, mut gauge: impl FnMut(&'static str, usize, usize, bool)) {
        let limits = &self.config.limits;
        let links = self.links.len();
        let most = |f: fn(&LinkState) -> usize| self.links.values().map(f).max().unwrap_or(0);
        let pending_max = limits.pending_calls_per_link_max;
        self.selection.gauges(|name, value, cap| gauge(name, value, cap, false));
        let waiting = self.waiting.values().map(VecDeque::len).max().unwrap_or(0);
        gauge("delivery.calls_waiting_for_a_path", waiting, pending_max, true);
        // A single call always has room.
        let waiting_max = limits.waiting_bytes_max.max(limits.message_bytes_max);
        gauge("delivery.waiting_bytes", self.waiting_bytes, waiting_max, true);
        let seeking = self.seeking.values().map(VecDeque::len).sum();
        gauge("delivery.calls_seeking", seeking, pending_max, true);
        gauge("delivery.calls", self.calls.len(), (links + self.waiting.len() + 2) * pending_max, true);
        gauge(
            "delivery.calls_per_link",
            most(|link| link.pending_calls).max(self.local_calls),
            pending_max,
            true,
        );
        gauge(
            "delivery.requests_per_link",
            most(|link| link.inbound.len()),
            limits.pending_requests_per_link_max,
            true,
        );
        gauge(
            "delivery.requests",
            self.requests.len(),
            (links + 1) * limits.pending_requests_per_link_max + pending_max,
            true,
        );
        gauge(
            "delivery.reassembly_bytes_per_link",
            most(|link| link.reassembly_bytes),
            limits.reassembly_bytes_per_link_max,
            true,
        );
        gauge(
            "delivery.queued_bytes_per_link",
            most(|link| link.queued_bytes),
            // A single message always has room.
            limits.queued_bytes_per_link_max.max(limits.message_bytes_max)
                + 2 * limits.pending_requests_per_link_max * Error::MESSAGE_LEN_MAX,
            true,
        );
        gauge(
            "delivery.backlog_bytes_per_link",
            most(|link| link.backlog_bytes),
            // Credit is withheld above one window; by then another may be on the way, and messages half received.
            2 * limits.link_window_bytes as usize + limits.reassembly_bytes_per_link_max,
            true,
        );
        self.stream_gauges(&mut gauge);
        self.admission_gauges(&mut gauge);
        gauge("delivery.origins", self.origins.len(), limits.remembered_peers_max, false);
        gauge("delivery.actions", self.actions.len(), limits.actions_max, false);
        // Swept whenever an operation ends; until then each new one adds its entry.
        let deadlines_max = |live: usize| 64.max(4 * live) + live + 1;
        gauge("delivery.call_deadlines", self.call_deadlines.len(), deadlines_max(self.calls.len()), false);
        gauge(
            "delivery.request_deadlines",
            self.request_deadlines.len(),
            deadlines_max(self.requests.len()),
            false,
        );
    }

    fn bind(&mut self, link: LinkId, peer: Caller, message_bytes_max: usize) {
        let state = LinkState {
            peer,
            message_bytes_max,
            pending_calls: 0,
            call_duration: Histogram::default(),
            sent: SequenceMap::new(),
            inbound: SequenceMap::new(),
            reassembly_bytes: 0,
            backlog_bytes: 0,
            streams: 0,
            stream_bytes: 0,
            credit_withheld: 0,
            queued_bytes: 0,
            refused: false,
            retiring: false,
        };
        let unbound = self.links.insert(link, state).is_none();
        debug_assert!(unbound, "{link:?} is bound twice");
        let fresh = Origin { incarnation: peer.incarnation, window: DedupWindow::new() };
        match self.origins.get_mut(&peer.node) {
            // Another life numbers its calls anew.
            Some(origin) if origin.incarnation != peer.incarnation => *origin = fresh,
            Some(_) => {}
            None => self.remember(peer.node, fresh),
        }
    }

    /// Keeps an origin's window, forgetting the oldest of those that have no link when there are too many.
    fn remember(&mut self, node: NodeId, origin: Origin) {
        if self.origins.len() >= self.config.limits.remembered_peers_max {
            let linked: BTreeSet<NodeId> = self.links.values().map(|link| link.peer.node).collect();
            let position = self.origin_order.iter().position(|node| !linked.contains(node)).unwrap_or(0);
            if let Some(oldest) = self.origin_order.remove(position) {
                self.origins.remove(&oldest);
            }
        }
        self.origins.insert(node, origin);
        self.origin_order.push_back(node);
    }

    /// The link is gone: every call on it has its outcome now, and nobody waits for what is being served to it.
    fn link_lost(&mut self, cx: &mut Cx<'_>, link: LinkId, reason: CloseReason) {
        let Some(state) = self.links.remove(&link) else { return };
        self.neighbours.retain(|_, preferred| *preferred != link);
        if state.refused {
            // Whoever waits for room here may try again, on another link or to be told that there is none.
            self.out.push_back(Out::Writable { node: state.peer.node });
        }
        for (_, inbound) in state.inbound.iter() {
            match inbound {
                Inbound::Receiving { ticket, .. } => {
                    self.drop_request(cx, ticket.request, Code::Cancelled);
                }
                Inbound::Serving { request } => {
                    if self.keep_cast(cx, *request) {
                        continue;
                    }
                    cx.mark("delivery.request_orphaned");
                    let is_stream =
                        self.requests.get(request.0).is_some_and(|served| served.stream.is_some());
                    if !(is_stream && injected!(cx, "stream-handler-forgotten")) {
                        self.tell_cancelled(*request);
                    }
                    self.drop_request(cx, *request, Code::Cancelled);
                }
            }
        }
        self.fail_calls_of(cx, link, reason);
    }

    /// A frame of a call arrived. Whether its sender may call is asked before anything is done about it.
    pub(crate) fn frame(
        &mut self,
        cx: &mut Cx<'_>,
        judge: &dyn Judge,
        link: LinkId,
        header: FrameHeader,
        body: &Bytes,
    ) {
        if !self.links.contains_key(&link) {
            return;
        }
        let taken = HEADER_LEN + body.len();
        let result = match header.frame_type {
            FrameType::Request => self.request_frame(cx, judge, link, header, body),
            FrameType::RequestMore => self.request_more_frame(cx, judge, link, header, body),
            FrameType::Reply => self.reply_frame(cx, link, header, body),
            FrameType::ReplyMore => self.reply_more_frame(cx, link, header, body),
            FrameType::Error => self.error_frame(cx, link, header.id, body),
            FrameType::Cancel => self.cancel_frame(cx, link, header.id, body),
            FrameType::Upload
            | FrameType::UploadMore
            | FrameType::UploadEnd
            | FrameType::UploadCredit
            | FrameType::Item
            | FrameType::ItemMore
            | FrameType::ItemEnd
            | FrameType::ItemCredit => self.stream_frame(cx, link, header, body),
            FrameType::Identity
            | FrameType::Hello
            | FrameType::KeepAlive
            | FrameType::Credit
            | FrameType::Goodbye
            | FrameType::Rekey
            | FrameType::Stale
            | FrameType::Token
            | FrameType::Routed
            | FrameType::PathBroken
            | FrameType::Routes
            | FrameType::RouteRequest
            | FrameType::Ping
            | FrameType::Pong
            | FrameType::DirectoryDelta
            | FrameType::DirectoryDigest
            | FrameType::DirectoryRequest
            | FrameType::IssuerHead
            | FrameType::WhoHas
            | FrameType::WhoHasAnswer
            | FrameType::Publish
            | FrameType::PublishMore
            | FrameType::Skippable(_) => Err(CloseReason::UnexpectedFrame),
        };
        match result {
            Ok(()) if header.frame_type.uses_credit() => self.return_credit(cx, link, taken),
            Ok(()) => {}
            Err(reason) => {
                self.out.push_back(Out::Violation { link, reason });
                // What else it sent is on its way to us already, and is not looked at any more.
                self.link_lost(cx, link, reason);
            }
        }
    }

    /// Gives credit back for bytes that were taken, or holds it while handlers are behind.
    fn return_credit(&mut self, cx: &mut Cx<'_>, link: LinkId, bytes: usize) {
        let Some(state) = self.links.get_mut(&link) else { return };
        state.credit_withheld += bytes;
        if state.backlog_bytes > self.config.limits.link_window_bytes as usize {
            cx.mark("delivery.credit_withheld");
            return;
        }
        let bytes = core::mem::take(&mut state.credit_withheld);
        if bytes > 0 && !injected!(cx, "credit-leak") {
            self.out.push_back(Out::Consumed { link, bytes });
        }
    }

    fn flushed(&mut self, cx: &mut Cx<'_>, link: LinkId, bytes: usize) {
        let Some(state) = self.links.get_mut(&link) else { return };
        debug_assert!(state.queued_bytes >= bytes, "more left the queue of {link:?} than went in");
        state.queued_bytes = state.queued_bytes.saturating_sub(bytes);
        self.announce_room(cx, link);
    }

    /// Says `Writable` once there is room again after a refusal.
    fn announce_room(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        let limits = &self.config.limits;
        let Some(state) = self.links.get_mut(&link) else { return };
        let room = state.queued_bytes <= limits.queued_bytes_per_link_max / 2
            && state.pending_calls <= limits.pending_calls_per_link_max / 2;
        if state.refused && room {
            cx.mark("delivery.writable_again");
            state.refused = false;
            let node = state.peer.node;
            self.out.push_back(Out::Writable { node });
        }
    }

    fn send(&mut self, link: LinkId, message: Message) {
        if let Some(state) = self.links.get_mut(&link) {
            state.queued_bytes += message.queued_len();
            self.out.push_back(Out::Send { link, message });
        }
    }

    /// Says `Idle` when a retiring link has nothing left to do.
    fn check_idle(&mut self, link: LinkId) {
        let Some(state) = self.links.get(&link) else { return };
        if state.retiring && state.pending_calls == 0 && state.inbound.len() == 0 {
            self.out.push_back(Out::Idle { link });
        }
    }
}

impl Machine for Delivery {
    type In = In;
    type Out = Out;

    fn handle(&mut self, cx: &mut Cx<'_>, input: In) {
        match input {
            In::Bind { link, peer, message_bytes_max } => self.bind(link, peer, message_bytes_max),
            In::Prefer { node, link } => {
                self.neighbours.insert(node, link);
                self.send_waiting(cx, node);
                if let Some(state) = self.links.get_mut(&link) {
                    state.retiring = false;
                }
            }
            In::Unlist { node } => {
                self.neighbours.remove(&node);
            }
            In::Unprefer { node, link } => {
                if self.neighbours.get(&node) == Some(&link) {
                    self.neighbours.remove(&node);
                }
            }
            In::NoPath { node, error } => self.no_path(cx, node, &error),
            In::Sought { action, outcome } => self.sought(cx, &action, &outcome),
            In::Retire { link } => {
                if let Some(state) = self.links.get_mut(&link) {
                    state.retiring = true;
                }
                self.check_idle(link);
            }
            In::LinkLost { link, reason } => self.link_lost(cx, link, reason),
            In::Started { link, op, sequence } => self.started(cx, link, op, sequence),
            In::Flushed { link, bytes } => self.flushed(cx, link, bytes),
            In::StreamLeft { link, lane, bytes, ended } => self.stream_left(cx, link, lane, bytes, ended),
            In::Reincarnated { incarnation } => self.own.incarnation = incarnation,
            In::Stop => {
                self.stopping = true;
                self.reject_all_waiting(cx);
            }
            In::Abandon => self.abandon(cx),
        }
    }

    fn poll(&mut self) -> Option<Out> {
        self.out.pop_front()
    }

    fn timeout(&self) -> Option<Instant> {
        match (self.call_deadlines.next(), self.request_deadlines.next()) {
            (Some(call), Some(request)) => Some(call.min(request)),
            (call, request) => call.or(request),
        }
    }

    fn on_timeout(&mut self, cx: &mut Cx<'_>) {
        self.expire_calls(cx);
        self.expire_requests(cx);
    }
}

/// Text for an error that names a limit in bytes.
fn over_limit(what: &str, actual: usize, limit: usize) -> String {
    alloc::format!("{what} has {actual} bytes, the limit is {limit}")
}
