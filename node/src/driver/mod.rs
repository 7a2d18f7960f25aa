//! Drives the sans-IO engine with tokio.
//!
//! One mutex holds the engine and the tables beside it. Whoever has something for the engine (a caller, a link that has read,
//! the timer) locks, hands it over, drains the outputs and unlocks; what the outputs ask for that may run foreign code (wakers,
//! handlers, spawning) is done after unlocking. Nothing is awaited, read or written under the lock.
//!
//! Each link is one task that reads and writes in one poll, so that the answer to a request that was just read leaves in
//! the same poll. There is one task for the timer, one for each listener, and one for each handler that did not
//! finish at its first poll.

mod handler;
mod inject;
mod link;
mod listen;
mod metrics;
mod outbox;
mod relay;
mod stream;
mod subscriber;
mod tasks;
mod timer;
mod topics;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use lacewing_core::engine::{
    Call, DialId, Input, LinkId, Misuse, OpId, Output, Payload, ProviderEntry, RequestId, ServeError, Shape,
    StreamId, SubscriptionId,
};
use lacewing_core::{Address, Config, Engine, Error, Instant, Kind, NodeId};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{Notify, oneshot};

use crate::action::Action;
use crate::metrics::Endpoint;
use crate::policy::Answers;
use crate::transport::{ByteStream, Transport};
use handler::HandlerTask;
use outbox::Outbox;
use stream::StreamEnd;
use tasks::Tasks;

#[cfg(lacewing_inject)]
pub use inject::BUGS;

pub(crate) use handler::{Handler, HandlerFuture, outcome_name, outcome_of};
use inject::injected;
pub(crate) use relay::RelayLog;
pub(crate) use stream::StreamHandle;
pub(crate) use subscriber::Subscriber;
pub(crate) use topics::Inbox;

/// Bytes that the engine may hand over for one link before some of them are written.
const LINK_CREDIT_BYTES: usize = 256 * 1024;

/// The outcome of a call.
pub(crate) type CallResult = Result<Payload, Error>;

/// What every task of one node shares.
pub(crate) struct Driver {
    core: Mutex<Core>,
    clock: Clock,
    runtime: Handle,
    /// Whether a handler is first polled where its request was read, see [`handler`].
    inline_handlers: bool,
    transport: Arc<dyn Transport>,
    timer: Notify,
    /// Told when a publication that was refused for lack of room may be tried again.
    publish_ready: Notify,
    /// Listeners, dials and the timer: ended from outside.
    services: Tasks,
    /// Links: end by themselves once the engine has closed them.
    links: Tasks,
    /// Closed links that wait for the end of the peer's stream.
    lingering: AtomicUsize,
    node_id: NodeId,
    config: Arc<Config>,
}

/// The engine, and what the driver knows beside it.
struct Core {
    engine: Engine,
    /// The testbed's hook into the driver: only simulation builds ask it anything.
    #[cfg(lacewing_inject)]
    trace: Box<dyn lacewing_core::machine::Trace>,
    /// How often an injected bug has had its chance.
    #[cfg(lacewing_inject)]
    injections: u64,
    link_last: u64,
    links: BTreeMap<LinkId, Arc<Outbox>>,
    /// The outbox whose task was woken last: while that has not run, it can drain the engine for others.
    woken_last: Option<Arc<Outbox>>,
    /// Links that are not read, because the engine has enough of them for now.
    paused: BTreeSet<LinkId>,
    calls: BTreeMap<OpId, oneshot::Sender<CallResult>>,
    /// What was gathered for calls, until it is taken.
    gathered: BTreeMap<OpId, Answers>,
    /// The ends of streams that are open: of calls until they have their outcome, of requests until they are answered.
    streams: BTreeMap<StreamId, Arc<StreamEnd>>,
    /// Dropping the sender cancels the handler.
    requests: BTreeMap<RequestId, oneshot::Sender<Infallible>>,
    handlers: BTreeMap<String, Handler>,
    subscribers: Vec<Arc<Subscriber>>,
    inboxes: BTreeMap<SubscriptionId, Arc<Inbox>>,
    /// What tells the time in the world, and when it is asked next.
    wall: Option<(fn() -> u64, Instant)>,
    /// When the timer task wakes up next.
    timer_at: Instant,
    counters: Counters,
    closed: bool,
}

/// What only the driver can count.
#[derive(Default)]
struct Counters {
    accept_failed: u64,
    engine_misused: u64,
    handler_panicked: u64,
    events_missed: u64,
}

/// What must wait until the lock is released, in the order in which it came up.
enum Effect {
    Wake(Waker),
    WakeTimer,
    PublishReady,
    Resolve(oneshot::Sender<CallResult>, CallResult),
    Start(HandlerTask),
    /// Dropped outside the lock, because that wakes the handler.
    Cancel(oneshot::Sender<Infallible>),
    Dial(DialId, Address),
    /// Tells whoever waits for room at this end of a stream.
    Room(Arc<StreamEnd>),
}

/// How often the engine is told the time in the world.
const WALL_CLOCK_EVERY: Duration = Duration::from_secs(60);

impl Core {
    /// Tells the engine the time in the world, if that is due.
    fn follow_time(&mut self, now: Instant) {
        let Some((unix_ms, due)) = self.wall else { return };
        if now >= due {
            self.wall = Some((unix_ms, now + WALL_CLOCK_EVERY));
            let outcome = self.engine.handle_input(now, Input::WallClock { unix_ms: unix_ms() });
            self.check(outcome);
        }
    }
}

/// The engine's time: nanoseconds since the node was started, by tokio's clock, which tests and simulators own.
#[derive(Clone, Copy)]
struct Clock {
    epoch: tokio::time::Instant,
}

impl Clock {
    fn now(self) -> Instant {
        Instant::ZERO + self.epoch.elapsed()
    }

    fn at(self, instant: Instant) -> tokio::time::Instant {
        // Some decades ahead is as good as never, and cannot overflow.
        const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3_600);
        self.epoch + (instant - Instant::ZERO).min(FAR)
    }
}

impl Driver {
    pub(crate) fn new(
        engine: impl FnOnce(Instant) -> Engine,
        #[cfg(lacewing_inject)] trace: Box<dyn lacewing_core::machine::Trace>,
        transport: Arc<dyn Transport>,
        runtime: Handle,
    ) -> Arc<Self> {
        let clock = Clock { epoch: tokio::time::Instant::now() };
        let engine = engine(clock.now());
        Arc::new(Self {
            node_id: engine.node_id(),
            config: Arc::clone(engine.config()),
            core: Mutex::new(Core {
                engine,
                #[cfg(lacewing_inject)]
                trace,
                #[cfg(lacewing_inject)]
                injections: 0,
                link_last: 0,
                links: BTreeMap::new(),
                woken_last: None,
                paused: BTreeSet::new(),
                calls: BTreeMap::new(),
                gathered: BTreeMap::new(),
                streams: BTreeMap::new(),
                requests: BTreeMap::new(),
                handlers: BTreeMap::new(),
                subscribers: Vec::new(),
                inboxes: BTreeMap::new(),
                wall: None,
                timer_at: Instant::ZERO,
                counters: Counters::default(),
                closed: false,
            }),
            clock,
            inline_handlers: runtime.runtime_flavor() == RuntimeFlavor::CurrentThread,
            runtime,
            transport,
            timer: Notify::new(),
            publish_ready: Notify::new(),
            services: Tasks::default(),
            links: Tasks::default(),
            lingering: AtomicUsize::new(0),
        })
    }

    pub(crate) fn node_id(&self) -> NodeId {
        self.node_id
    }

    pub(crate) fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// The time until `deadline`, for handlers that want to know.
    pub(crate) fn deadline(&self, deadline: Instant) -> tokio::time::Instant {
        self.clock.at(deadline)
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        // A panic under the lock would be a bug of ours; the other tasks should still be able to end in order.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the engine.
    pub(crate) fn inspect<R>(&self, look: impl FnOnce(&Engine) -> R) -> R {
        look(&self.lock().engine)
    }

    /// Gives the engine a command or an input, and does what it then wants done.
    fn with<R>(self: &Arc<Self>, work: impl FnOnce(&mut Core, Instant) -> R) -> R {
        self.with_inline(None, work)
    }

    /// The same on behalf of a link's task, in whose poll handlers may make their first step.
    fn with_inline<R>(
        self: &Arc<Self>,
        cx: Option<&mut Context<'_>>,
        work: impl FnOnce(&mut Core, Instant) -> R,
    ) -> R {
        let mut effects = Vec::new();
        let result = {
            let mut core = self.lock();
            // Read under the lock: time must not go back between two threads.
            let now = self.clock.now();
            let result = work(&mut core, now);
            core.drain(self, &mut effects);
            result
        };
        self.run_effects(effects, cx);
        result
    }

    /// The same for what may wait until a link's task that is about to run has its turn: then calls that are made in one
    /// go share a record. Nothing waits where no task is about to run, as with a lone call.
    fn with_soon<R>(self: &Arc<Self>, work: impl FnOnce(&mut Core, Instant) -> R) -> R {
        let mut effects = Vec::new();
        let result = {
            let mut core = self.lock();
            let now = self.clock.now();
            let result = work(&mut core, now);
            if !core.woken_last.as_ref().is_some_and(|outbox| outbox.leave_errand()) {
                core.drain(self, &mut effects);
            }
            result
        };
        self.run_effects(effects, None);
        result
    }

    fn run_effects(self: &Arc<Self>, effects: Vec<Effect>, mut cx: Option<&mut Context<'_>>) {
        let mut replies = Vec::new();
        for effect in effects {
            self.run_effect(effect, cx.as_deref_mut(), &mut replies);
        }
        if !replies.is_empty() {
            // All answers in one go, so that the engine can put them into one record.
            let ends: Vec<_> = self.with(|core, now| {
                let reply = |(request, result)| core.reply(now, request, result);
                replies.into_iter().filter_map(reply).collect()
            });
            for end in ends {
                stream::answered(&end);
            }
        }
    }

    fn run_effect(
        self: &Arc<Self>,
        effect: Effect,
        cx: Option<&mut Context<'_>>,
        replies: &mut Vec<(RequestId, CallResult)>,
    ) {
        match effect {
            Effect::Wake(waker) => waker.wake(),
            Effect::WakeTimer => self.timer.notify_one(),
            Effect::PublishReady => self.publish_ready.notify_waiters(),
            // Nobody listens any more where the call's future was dropped.
            Effect::Resolve(waiter, result) => drop(waiter.send(result)),
            Effect::Start(task) => match cx.filter(|_| self.inline_handlers) {
                Some(cx) => replies.extend(task.start_inline(self, cx)),
                None => task.spawn(self),
            },
            Effect::Cancel(sender) => drop(sender),
            Effect::Room(end) => stream::tell_room(&end),
            Effect::Dial(dial, addr) => {
                let driver = Arc::clone(self);
                self.services.spawn(&self.runtime, async move { listen::dial(driver, dial, addr).await });
            }
        }
    }

    // --- the time in the world

    /// Tells the engine once, and lets it count from there.
    pub(crate) fn tell_time(self: &Arc<Self>, unix_ms: impl FnOnce() -> u64) {
        self.with(|core, now| {
            let outcome = core.engine.handle_input(now, Input::WallClock { unix_ms: unix_ms() });
            core.check(outcome);
        });
    }

    /// Tells the engine, and again every minute while it is awake: the clock may be set.
    pub(crate) fn follow_time(self: &Arc<Self>, unix_ms: fn() -> u64) {
        self.with(|core, now| {
            core.wall = Some((unix_ms, now));
            core.follow_time(now);
        });
    }

    // --- commands of the application

    /// Starts the call that `order` makes of what the node knows now.
    pub(crate) fn call<'a>(
        self: &Arc<Self>,
        order: impl FnOnce(&Engine) -> Result<Call<'a>, Error>,
    ) -> Result<(OpId, oneshot::Receiver<CallResult>), Error> {
        self.with_soon(|core, now| {
            if core.closed {
                return Err(stopped_error());
            }
            let call = order(&core.engine)?;
            let op = core.engine.call(now, call)?;
            let (sender, receiver) = oneshot::channel();
            core.calls.insert(op, sender);
            Ok((op, receiver))
        })
    }

    /// Queues the cast that `order` makes of what the node knows now.
    pub(crate) fn cast<'a>(
        self: &Arc<Self>,
        order: impl FnOnce(&Engine) -> Result<Call<'a>, Error>,
    ) -> Result<(), Error> {
        self.with_soon(|core, now| {
            if core.closed {
                return Err(stopped_error());
            }
            let call = order(&core.engine)?;
            core.engine.cast(now, call)
        })
    }

    /// The same, with the outcome once it is accepted.
    pub(crate) fn cast_acknowledged<'a>(
        self: &Arc<Self>,
        order: impl FnOnce(&Engine) -> Result<Call<'a>, Error>,
    ) -> Result<oneshot::Receiver<CallResult>, Error> {
        self.with_soon(|core, now| {
            if core.closed {
                return Err(stopped_error());
            }
            let call = order(&core.engine)?;
            let op = core.engine.cast_acknowledged(now, call)?;
            let (sender, receiver) = oneshot::channel();
            core.calls.insert(op, sender);
            Ok(receiver)
        })
    }

    /// What everybody has answered to a call that asked them.
    pub(crate) fn take_gathered(&self, op: OpId) -> Option<Answers> {
        self.lock().gathered.remove(&op)
    }

    /// A handler has ended without an answer.
    fn handler_ended(self: &Arc<Self>, request: RequestId) {
        self.with_soon(|core, now| core.engine.handler_ended(now, request));
    }

    pub(crate) fn cancel(self: &Arc<Self>, op: OpId) {
        let waiters = self.with_soon(|core, now| {
            if !injected!(core, "driver-cancel-forgotten") {
                core.engine.cancel(now, op);
            }
            let gathered = core.gathered.remove(&op);
            (core.calls.remove(&op), core.streams.remove(&StreamId::Call(op)), gathered)
        });
        drop(waiters);
    }

    fn reply(self: &Arc<Self>, request: RequestId, result: CallResult) {
        let end = self.with_soon(|core, now| core.reply(now, request, result));
        if let Some(end) = end {
            stream::answered(&end);
        }
    }

    /// Gives the engine a command, unless the node is closed.
    pub(crate) fn command<R>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Engine, Instant) -> Result<R, Error>,
    ) -> Result<R, Error> {
        self.with(|core, now| if core.closed { Err(stopped_error()) } else { work(&mut core.engine, now) })
    }

    /// Serves an action, in another shape than unary where one is given.
    pub(crate) fn serve(
        self: &Arc<Self>,
        action: Action,
        shape: Option<Shape>,
        handler: Handler,
    ) -> Result<(), ServeError> {
        let limits = action.limits();
        let entry = action.entry()?;
        let entry = ProviderEntry { shape: shape.unwrap_or(entry.shape), ..entry };
        self.with(|core, now| {
            if core.closed {
                return Err(ServeError::Stopping);
            }
            let path = core.engine.serve_as(now, entry)?;
            if let Some(limits) = limits
                && let Err(error) = core.engine.limit_action(now, path.as_str(), limits)
            {
                core.engine.unserve(now, path.as_str());
                return Err(ServeError::Limit(error.message().to_owned()));
            }
            core.handlers.insert(path.as_str().to_owned(), handler);
            Ok(())
        })
    }

    pub(crate) fn unserve(self: &Arc<Self>, action: &str) -> bool {
        // The handler may own anything, so it is dropped outside the lock.
        let (served, _handler) =
            self.with(|core, now| (core.engine.unserve(now, action), core.handlers.remove(action)));
        served
    }

    pub(crate) fn connect(self: &Arc<Self>, addr: Address) -> Result<(), Error> {
        self.with(|core, now| core.engine.connect(now, addr))
    }

    pub(crate) fn disconnect(self: &Arc<Self>, addr: &Address) -> bool {
        self.with(|core, now| core.engine.disconnect(now, addr))
    }

    pub(crate) fn close_link(self: &Arc<Self>, link: LinkId) {
        self.with(|core, now| core.engine.close_link(now, link));
    }

    pub(crate) fn subscribe(&self) -> Arc<Subscriber> {
        let subscriber = Arc::new(Subscriber::default());
        let mut core = self.lock();
        if core.closed {
            subscriber.close();
        } else {
            core.subscribers.push(Arc::clone(&subscriber));
        }
        subscriber
    }

    /// The engine's counters and the driver's, sorted by name.
    pub(crate) fn counters(&self) -> Vec<(String, u64)> {
        let core = self.lock();
        let mut all = core.engine.counters();
        all.push(("driver.accept_failed".to_owned(), core.counters.accept_failed));
        all.push(("driver.engine_misused".to_owned(), core.counters.engine_misused));
        all.push(("driver.handler_panicked".to_owned(), core.counters.handler_panicked));
        all.sort_unstable();
        all
    }

    // --- life and death

    /// Starts the tasks: the timer, and one for each listener, that for metrics included.
    pub(crate) fn run(
        self: &Arc<Self>,
        listeners: Vec<Box<dyn crate::transport::Listener>>,
        metrics: Option<Endpoint>,
    ) {
        self.services.spawn(&self.runtime, timer::run(Arc::clone(self)));
        if let Some(endpoint) = metrics {
            self.services.spawn(&self.runtime, endpoint.run(Arc::clone(self)));
        }
        for listener in listeners {
            self.services.spawn(&self.runtime, listen::accept(Arc::clone(self), listener));
        }
        self.with(|_, _| ());
    }

    /// Takes over a new stream. The engine sees it before its task runs.
    fn open_link(
        self: &Arc<Self>,
        dial: Option<DialId>,
        stream: Box<dyn ByteStream>,
        remote_addr: SocketAddr,
    ) {
        let outbox = Arc::new(Outbox::default());
        let opened = self.with(|core, now| {
            if core.closed {
                return None;
            }
            core.link_last += 1;
            let link = LinkId(core.link_last);
            core.links.insert(link, Arc::clone(&outbox));
            let up = core.input(now, Input::LinkUp { link, dial, remote_addr });
            if !up {
                core.links.remove(&link);
                return None;
            }
            core.input(now, Input::Credit { link, bytes: LINK_CREDIT_BYTES });
            Some(link)
        });
        if let Some(link) = opened {
            let task = link::LinkTask::new(Arc::clone(self), link, outbox, stream);
            self.links.spawn(&self.runtime, task.run());
        }
    }

    /// Asks the engine to refuse new work and to finish what it has.
    pub(crate) fn begin_shutdown(self: &Arc<Self>, within: Duration) {
        self.with(|core, now| core.engine.shutdown(now, now + within));
    }

    /// Waits until the links have written what they had and all is closed, `within` at the longest.
    pub(crate) async fn finish(self: &Arc<Self>, within: Duration) {
        self.services.abort_all();
        self.services.join_all().await;
        if tokio::time::timeout(within, self.links.join_all()).await.is_err() {
            tracing::debug!(node = %self.node_id, "links did not take their last bytes in time");
        }
        self.close();
        self.links.join_all().await;
    }

    /// Ends everything at once: calls fail, handlers are dropped, streams are closed without a word.
    pub(crate) fn close(&self) {
        let (calls, streams, leftovers, subscribers, inboxes) = {
            let mut core = self.lock();
            core.closed = true;
            let calls = std::mem::take(&mut core.calls);
            let streams = std::mem::take(&mut core.streams);
            let requests = std::mem::take(&mut core.requests);
            let handlers = std::mem::take(&mut core.handlers);
            core.links.clear();
            core.woken_last = None;
            let inboxes = std::mem::take(&mut core.inboxes);
            (calls, streams, (requests, handlers), std::mem::take(&mut core.subscribers), inboxes)
        };
        self.services.abort_all();
        self.links.abort_all();
        for (_, waiter) in calls {
            drop(waiter.send(Err(stopped_error().executed_perhaps(true))));
        }
        for end in streams.values() {
            stream::close(end);
        }
        drop(leftovers);
        for subscriber in subscribers {
            subscriber.close();
        }
        for inbox in inboxes.into_values() {
            inbox.close();
        }
        // Whoever waits for room learns that the node is closed.
        self.publish_ready.notify_waiters();
    }

    fn count_accept_failure(&self) {
        self.lock().counters.accept_failed += 1;
    }

    fn count_handler_panic(&self) {
        self.lock().counters.handler_panicked += 1;
    }
}

/// The outcome of what a closed node is asked for.
pub(crate) fn stopped_error() -> Error {
    Error::of_kind(Kind::Stopped, "this node is stopped")
}

impl Core {
    /// Hands an input over. `false`: the engine calls it a mistake of ours, and nothing happened.
    fn input(&mut self, now: Instant, input: Input) -> bool {
        if matches!(input, Input::Credit { .. }) && injected!(self, "driver-credit-lost", every 2) {
            return true;
        }
        let outcome = self.engine.handle_input(now, input);
        self.check(outcome)
    }

    fn check(&mut self, outcome: Result<(), Misuse>) -> bool {
        let Err(misuse) = outcome else { return true };
        self.counters.engine_misused += 1;
        tracing::error!(%misuse, "the engine refused an input of the driver");
        // A dial that the engine has given up meanwhile is the one harmless case.
        debug_assert!(matches!(misuse, Misuse::UnknownDial(_)), "{misuse}");
        false
    }

    /// Gives the handler's end of the request, where it was a stream.
    fn reply(&mut self, now: Instant, request: RequestId, result: CallResult) -> Option<Arc<StreamEnd>> {
        self.requests.remove(&request);
        self.engine.reply(now, request, result);
        self.streams.remove(&StreamId::Request(request))
    }

    /// Takes what the engine has to say, and sees to what follows from it.
    fn drain(&mut self, driver: &Arc<Driver>, effects: &mut Vec<Effect>) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Transmit { link, data } => {
                    if let Some(outbox) = self.links.get(&link)
                        && let Some(waker) = outbox.push(data)
                        && !injected!(self, "driver-wake-lost", every 16)
                    {
                        self.woken_last = Some(Arc::clone(outbox));
                        effects.push(Effect::Wake(waker));
                    }
                }
                Output::Dial { dial, addr } => effects.push(Effect::Dial(dial, addr)),
                Output::Close { link, reason } => {
                    tracing::debug!(node = %driver.node_id, link = link.0, %reason, "link closed");
                    self.paused.remove(&link);
                    let cut = injected!(self, "driver-goodbye-cut");
                    let waker = self.links.remove(&link).and_then(|outbox| outbox.close(cut));
                    effects.extend(waker.map(Effect::Wake));
                }
                Output::Event(event) => self.distribute(driver, event, effects),
            }
        }
        self.resume_links(effects);
        let timeout = self.engine.poll_timeout().unwrap_or(Instant::NEVER);
        if timeout < self.timer_at {
            self.timer_at = timeout;
            effects.push(Effect::WakeTimer);
        }
    }

    fn resume_links(&mut self, effects: &mut Vec<Effect>) {
        if self.paused.is_empty() {
            return;
        }
        let (engine, links) = (&self.engine, &self.links);
        self.paused.retain(|link| {
            let paused = !engine.wants_input(*link);
            if !paused && let Some(outbox) = links.get(link) {
                effects.extend(outbox.set_reading(true).map(Effect::Wake));
            }
            paused
        });
    }

    /// Reads no more from a link that the engine has enough of.
    fn pause_if_full(&mut self, link: LinkId) {
        if let Some(outbox) = self.links.get(&link)
            && !self.engine.wants_input(link)
        {
            outbox.set_reading(false);
            self.paused.insert(link);
        }
    }
}
