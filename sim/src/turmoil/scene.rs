//! What the machines of one execution share: the run, the record of what was seen, and each machine's board.
//!
//! Everything happens on one thread. The locks are there because the driver's tasks must be `Send`; no two are ever held
//! at once, and none across a step of the simulation.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lacewing_core::crypto::RustCrypto;
use lacewing_core::{Code, Identity, Incarnation, Instant, NodeId};
use tokio::sync::{mpsc, oneshot};

use super::mesh::Offers;
use super::wire::Wires;
use crate::chain::Chain;
use crate::engine::Tally;
use crate::history::{History, What};
use crate::quantity::Micros;
use crate::random::derive_key;
use crate::run::{
    ActionKind, CallSpec, Clock, Handler, Policy, PublishItem, Run, Selection, StreamSpec, SubscribeItem,
};
use crate::survey::Survey;
use crate::trace::{Ear, Marks};

/// See the module's text.
pub(super) struct Scene {
    pub(super) run: Run,
    calls: BTreeMap<u64, OwnedCall>,
    events: BTreeMap<u64, PublishItem>,
    pub(super) identities: Vec<Identity>,
    nodes: BTreeMap<NodeId, usize>,
    pub(super) inject: Option<String>,
    pub(super) marks: Marks,
    pub(super) ears: Vec<Ear>,
    pub(super) wires: Wires,
    boards: Vec<Mutex<Board>>,
    record: Mutex<Record>,
    survey: Mutex<Survey>,
}

/// A call without the loan of the run that [`CallSpec`] is.
struct OwnedCall {
    from: Option<usize>,
    to: Option<usize>,
    action: ActionKind,
    select: Selection,
    policy: Policy,
    stream: Option<StreamSpec>,
    size: u64,
    timeout: Micros,
    handler: Handler,
    at: Option<Micros>,
}

/// What is written down.
pub(super) struct Record {
    pub(super) history: History,
    pub(super) chain: Chain,
    pub(super) tally: Tally,
    pub(super) harness_error: Option<String>,
    /// The simulation's time between two steps.
    pub(super) now: Instant,
    /// Whether a machine may be running, and knows the time better.
    pub(super) stepping: bool,
    /// Lines of the trace, where anybody reads them.
    pub(super) lines: Option<Vec<(u64, String)>>,
}

/// What the testbed and a machine's software tell each other.
pub(super) struct Board {
    /// Which life of the process is, or was, the last.
    pub(super) life: u32,
    pub(super) phase: Phase,
    /// The incarnation that the last life wrote down.
    pub(super) persisted: Option<Incarnation>,
    pub(super) clock: Clock,
    /// The node of this life, once it is started.
    pub(super) node: Option<lacewing::WeakNode>,
    pub(super) commands: Option<mpsc::UnboundedSender<Command>>,
    /// Where the software fetches its end of the commands.
    pub(super) inbox: Option<mpsc::UnboundedReceiver<Command>>,
    /// Calls that have begun and have no outcome, each with the means to give it up.
    pub(super) open_calls: BTreeMap<u64, Option<oneshot::Sender<()>>>,
    /// Rates of the faults that make it a slow reader, in bytes a second.
    pub(super) slow: Vec<u64>,
    /// Start again as soon as the shutdown is over.
    pub(super) restart_due: bool,
    pub(super) offers: Offers,
    /// Subscriptions of the run that the application wants, whether or not its process runs.
    pub(super) subscribed: BTreeMap<u64, SubscribeItem>,
    /// The items that have given tokens to the application, whether or not its process runs.
    pub(super) tokens: Vec<usize>,
    /// What this life has heard of the issuers of areas.
    pub(super) heard: BTreeMap<u32, u64>,
}

/// How far a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Away,
    Running,
    Stopping,
}

/// What a process is told to do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Command {
    Call(u64),
    /// Serve this pool as the board says.
    Offer(u32),
    /// Serve it no more.
    Withdraw(u32),
    /// Say what the node can do, as the board says.
    Introduce,
    /// Subscribe as the board says.
    Subscribe(u64),
    /// End this subscription.
    Unsubscribe(u64),
    /// Publish this event.
    Publish(u64),
    /// Show the token of this item.
    Show(usize),
    /// Pass on what an issuer says in this item.
    Revoke(usize),
    Stop,
}

/// What the chain calls the kinds of what it holds.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub(super) enum Tag {
    Testbed = 1,
    Application,
    Event,
    Dialled,
    Accepted,
    Read,
    Written,
}

/// Leaves a line in the trace, if anybody reads it.
macro_rules! tell {
    ($scene:expr, $node:expr, $($text:tt)*) => {
        $scene.tell($node, format_args!($($text)*))
    };
}
pub(super) use tell;

impl Scene {
    pub(super) fn new(run: &Run, inject: Option<&str>, tracing: bool) -> Arc<Self> {
        let count = run.header.nodes.len();
        let identity = |node| {
            let secret = derive_key(run.header.seed, &format!("identity {node}"));
            Identity::from_secret(secret, Arc::new(RustCrypto))
        };
        let identities: Vec<Identity> = (0..count).map(identity).collect();
        let nodes: BTreeMap<NodeId, usize> =
            identities.iter().enumerate().map(|(node, identity)| (identity.node_id(), node)).collect();
        let survey = Survey::new(nodes.clone());
        Arc::new(Self {
            run: run.clone(),
            events: run.events().into_iter().map(|(id, item)| (id, item.clone())).collect(),
            calls: run.calls().iter().map(|call| (call.id, OwnedCall::new(call))).collect(),
            identities,
            nodes,
            inject: inject.map(str::to_owned),
            marks: Marks::default(),
            ears: survey.ears.clone(),
            survey: Mutex::new(survey),
            wires: Wires::default(),
            boards: (0..count).map(|_| Mutex::new(Board::new())).collect(),
            record: Mutex::new(Record {
                history: History::default(),
                chain: Chain::default(),
                tally: Tally::default(),
                harness_error: None,
                now: Instant::ZERO,
                stepping: false,
                lines: tracing.then(Vec::new),
            }),
        })
    }

    pub(super) fn call(&self, op: u64) -> Option<CallSpec<'_>> {
        self.calls.get(&op).map(|call| call.spec(op))
    }

    pub(super) fn event(&self, id: u64) -> Option<&PublishItem> {
        self.events.get(&id)
    }

    /// The number of a node; `None` for an identity that no node of the run has.
    pub(super) fn node_of(&self, id: NodeId) -> Option<usize> {
        self.nodes.get(&id).copied()
    }

    pub(super) fn board(&self, node: usize) -> MutexGuard<'_, Board> {
        self.boards[node].lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn survey(&self) -> MutexGuard<'_, Survey> {
        self.survey.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The present: a machine's own, which may be up to a step ahead of that of the machines that have not had their turn.
    pub(super) fn now(&self) -> Instant {
        let (now, stepping) = {
            let record = self.record();
            (record.now, record.stepping)
        };
        match turmoil::sim_elapsed().filter(|_| stepping) {
            Some(elapsed) => Instant::ZERO + elapsed,
            None => now,
        }
    }

    /// Writes down something that was seen.
    pub(super) fn push(&self, node: usize, what: What) {
        let now = self.now();
        tell!(self, node, "{what:?}");
        self.survey().happens(node, &what);
        self.record().history.push(now, node, what);
    }

    /// Adds something to the chain.
    pub(super) fn chain(&self, node: usize, tag: Tag, parts: &[u64], tail: &[u8]) {
        let now = self.now();
        let mut all = [0; 8];
        all[..3].copy_from_slice(&[now.as_nanos(), node as u64, tag as u64]);
        all[3..3 + parts.len()].copy_from_slice(parts);
        self.record().chain.add(&all[..3 + parts.len()], tail);
    }

    pub(super) fn tell(&self, node: usize, text: fmt::Arguments<'_>) {
        if self.record().lines.is_none() {
            return;
        }
        let now = self.now();
        let mut record = self.record();
        let event = record.chain.events();
        if let Some(lines) = &mut record.lines {
            lines.push((event, format!("[t={now:?} n{node} e{event}] {text}")));
        }
    }

    /// The testbed itself cannot go on. The first reason counts.
    pub(super) fn give_up(&self, reason: String) {
        self.record().harness_error.get_or_insert(reason);
    }

    /// The process of a node is gone. Nothing is known of the outcome of what it still waited for.
    pub(super) fn gone(&self, node: usize, clean: bool) {
        let open = {
            let mut board = self.board(node);
            board.phase = Phase::Away;
            board.life += 1;
            board.node = None;
            board.commands = None;
            board.inbox = None;
            board.heard.clear();
            std::mem::take(&mut board.open_calls)
        };
        self.survey().set_routes(node, &[]);
        for op in open.keys() {
            self.push(node, What::Unknown { op: *op });
        }
        self.chain(node, Tag::Testbed, &[u64::from(clean)], b"gone");
        self.push(node, What::Gone { clean });
    }

    /// Ends an operation that is still open. `false`: it has its outcome.
    pub(super) fn close_call(&self, node: usize, op: u64) -> bool {
        self.board(node).open_calls.remove(&op).is_some()
    }

    /// A call that was given up by its caller, who is told nothing else: for it the call is cancelled, and may have run.
    pub(super) fn call_cancelled(&self, node: usize, op: u64) {
        self.chain(node, Tag::Application, &[op], b"cancelled");
        let (code, number) = (Code::Cancelled, Code::Cancelled.number());
        self.push(node, What::Fail { op, code, number, maybe_executed: true });
    }
}

impl Board {
    fn new() -> Self {
        Self {
            life: 0,
            phase: Phase::Away,
            persisted: None,
            clock: Clock::Forward,
            node: None,
            commands: None,
            inbox: None,
            open_calls: BTreeMap::new(),
            slow: Vec::new(),
            restart_due: false,
            offers: Offers::default(),
            subscribed: BTreeMap::new(),
            tokens: Vec::new(),
            heard: BTreeMap::new(),
        }
    }
}

impl OwnedCall {
    fn new(call: &CallSpec<'_>) -> Self {
        let CallSpec { from, to, action, select, policy, stream, size, timeout, handler, at, .. } = *call;
        Self { from, to, action, select, policy, stream, size, timeout, handler: handler.clone(), at }
    }

    fn spec(&self, id: u64) -> CallSpec<'_> {
        CallSpec {
            id,
            from: self.from,
            to: self.to,
            action: self.action,
            select: self.select,
            policy: self.policy,
            stream: self.stream,
            size: self.size,
            timeout: self.timeout,
            handler: &self.handler,
            at: self.at,
        }
    }
}
