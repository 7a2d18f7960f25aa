//! The discrete-event engine: `lacewing_core::Engine`s on simulated machines and byte streams, in one thread.
//!
//! It sees the whole protocol and nothing of the tokio driver. `FIDELITY.md` says how its network differs from a real one.

mod access;
mod application;
mod faults;
mod flows;
mod host;
mod mesh;
mod network;
mod queue;
mod stream;
mod topics;

use std::collections::{BTreeMap, BTreeSet};

use lacewing_core::engine::{Gauge, Input, Output, ProviderEntry};
use lacewing_core::wire::path::ActionPath;
use lacewing_core::{Engine, Instant, NodeId};

use self::host::{Host, Process};
use self::queue::{Event, Queue};
use self::stream::{Stream, StreamEnd};
use crate::bounds;
use crate::chain::Chain;
use crate::engine::{Options, Outcome, SimEngine, Tally, Unsupported};
use crate::history::{History, Reading, What};
use crate::payload;
use crate::quantity::Micros;
use crate::random::{Random, derive_key};
use crate::run::{CallSpec, PublishItem, Run};
use crate::survey::Survey;
use crate::trace::{Hook, Marks};

pub(crate) use self::stream::RETRANSMIT_MAX;

/// Steps of a node between two looks at its tables.
const GAUGE_EVERY: u32 = 64;
/// Events in one simulated second, for the run and for each of its nodes, beyond which it is taken to spin.
const EVENTS_PER_SECOND_MAX: u64 = 500_000;
const EVENTS_PER_SECOND_NODE_MAX: u64 = 50_000;

/// See the module's text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Des;

impl SimEngine for Des {
    fn name(&self) -> &'static str {
        "des"
    }

    fn supports(&self, _run: &Run) -> Result<(), Unsupported> {
        // Every item of the format can be executed; nodes are bounded by the format itself.
        Ok(())
    }

    fn execute(&self, run: &Run, options: &mut Options<'_>) -> Outcome {
        World::new(run, options).execute()
    }
}

/// Everything there is.
struct World<'r, 'o, 's> {
    run: &'r Run,
    options: &'o mut Options<'s>,
    calls: BTreeMap<u64, CallSpec<'r>>,
    /// The events of the run, by their numbers.
    events: BTreeMap<u64, &'r PublishItem>,
    now: Instant,
    queue: Queue,
    hosts: Vec<Host>,
    nodes: BTreeMap<NodeId, usize>,
    streams: Vec<Stream>,
    /// How many faults keep data from arriving, for each direction of each pair.
    blocked: Vec<u32>,
    /// Latency of each direction of each pair, in nanoseconds.
    latency: Vec<u64>,
    jitter: Random,
    /// The streams that each active stall holds up.
    stalled: BTreeMap<usize, Vec<StreamEnd>>,
    history: History,
    survey: Survey,
    over_cap_seen: BTreeSet<(usize, &'static str)>,
    chain: Chain,
    marks: Marks,
    tally: Tally,
    harness_error: Option<String>,
    second: u64,
    events_in_second: u64,
}

/// What the chain calls the kinds of events.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
enum Tag {
    LinkUp = 1,
    DialFailed,
    LinkDown,
    Received,
    Credit,
    Timeout,
    Transmit,
    Dial,
    Close,
    Event,
    Command,
    WallClock,
}

/// Leaves a line in the trace, if anybody reads it.
macro_rules! tell {
    ($world:expr, $node:expr, $($text:tt)*) => {
        if $world.options.trace.is_some() {
            $world.tell($node, format_args!($($text)*));
        }
    };
}
use tell;

impl<'r, 'o, 's> World<'r, 'o, 's> {
    fn new(run: &'r Run, options: &'o mut Options<'s>) -> Self {
        let count = run.header.nodes.len();
        let hosts: Vec<Host> = (0..count).map(|node| Host::new(run, node)).collect();
        let nodes: BTreeMap<NodeId, usize> =
            hosts.iter().enumerate().map(|(node, host)| (host.identity.node_id(), node)).collect();
        let net = &run.header.net;
        let mut random = Random::new(run.header.seed, "des.latency");
        let spread = net.latency_max.as_nanos() - net.latency_min.as_nanos();
        let mut latency = vec![0; count * count];
        for direction in leaks::order(latency.len(), options.inject.as_deref()) {
            latency[direction] = net.latency_min.as_nanos() + random.below(spread + 1);
        }
        let mut world = Self {
            run,
            options,
            calls: run.calls().into_iter().map(|call| (call.id, call)).collect(),
            events: run.events(),
            now: Instant::ZERO,
            queue: Queue::default(),
            hosts,
            survey: Survey::new(nodes.clone()),
            nodes,
            streams: Vec::new(),
            blocked: vec![0; count * count],
            latency,
            jitter: Random::new(run.header.seed, "des.jitter"),
            stalled: BTreeMap::new(),
            history: History::default(),
            over_cap_seen: BTreeSet::new(),
            chain: Chain::default(),
            marks: Marks::default(),
            tally: Tally::default(),
            harness_error: None,
            second: 0,
            events_in_second: 0,
        };
        if world.options.trace.is_some() {
            world.survey.ears.iter().for_each(|ear| ear.lock().marks = Some(Vec::new()));
        }
        world.schedule_run();
        world
    }

    fn schedule_run(&mut self) {
        for (node, spec) in self.run.header.nodes.iter().enumerate() {
            self.queue.push(at(spec.start), Event::Start(node));
        }
        self.queue.push(at(self.run.header.phases.fresh), Event::FreshPhase);
        for look in bounds::last_looks(&self.run.header) {
            self.queue.push(at(look), Event::Look);
        }
        for (index, item) in self.run.items.iter().enumerate() {
            self.queue.push(at(item.at()), Event::Item(index));
        }
    }

    fn execute(mut self) -> Outcome {
        let end = at(self.run.header.phases.end);
        let stop = self.options.until.map_or(end, |until| end.min(at(until)));
        while let Some((due, event)) = self.queue.pop() {
            if due > stop || self.harness_error.is_some() {
                break;
            }
            self.now = self.now.max(due);
            self.watch();
            self.handle(event);
        }
        if self.harness_error.is_none() {
            self.now = stop;
        }
        self.finish(stop == end)
    }

    /// Ends a run that no longer gets anywhere.
    fn watch(&mut self) {
        let second = self.now.as_millis() / 1_000;
        if second != self.second {
            (self.second, self.events_in_second) = (second, 0);
        }
        self.events_in_second += 1;
        let budget = EVENTS_PER_SECOND_MAX + EVENTS_PER_SECOND_NODE_MAX * self.hosts.len() as u64;
        if self.events_in_second > budget {
            let reasons: Vec<String> = self
                .hosts
                .iter()
                .enumerate()
                .filter_map(|(node, host)| Some((node, host.process.as_ref()?.engine.timeout_reason()?)))
                .map(|(node, reason)| format!("n{node} {reason}"))
                .collect();
            let text = format!(
                "more than {budget} events in second {second}; timers wanted by: {}",
                reasons.join(", ")
            );
            self.harness_error = Some(text);
        }
    }

    fn handle(&mut self, event: Event) {
        if let Some(node) = self.concerned(&event)
            && self.hosts[node].pauses > 0
        {
            self.hosts[node].deferred.push_back(event);
            return;
        }
        match event {
            Event::Item(index) => self.item(index),
            Event::FaultEnd(index) => self.fault_ends(index),
            Event::Start(node) => self.start(node),
            Event::FreshPhase => self.note_who_is_there(),
            Event::Look => self.look_at_tables(),
            Event::Timer { node, life } => self.timer(node, life),
            Event::HandlerDone { node, life, request } => self.handler_done(node, life, request),
            Event::ApplicationDone { node, life, subscription } => self.event_done(node, life, subscription),
            Event::Send { node, life, stream } => self.send_due(node, life, stream),
            Event::Take { node, life, stream } => self.take_due(node, life, stream),
            Event::StopDue { node, life } => self.stop_due(node, life),
            Event::Syn(dialling) => self.syn(dialling),
            Event::SynAck(dialling) => self.syn_ack(dialling),
            Event::DialFailed { node, life, dial, reason } => self.dial_failed(node, life, dial, reason),
            Event::Arrive(end) => self.arrive(end),
            Event::Retransmit(end) => self.retransmit(end),
            Event::Credit { end, bytes, since } => self.credit(end, bytes, since),
            Event::Refused(end) => self.refused(end),
            Event::Read(end) => self.bite(end),
        }
    }

    /// The node whose process has to do something for this event, if it is the process and not the network.
    fn concerned(&self, event: &Event) -> Option<usize> {
        match event {
            Event::Item(index) => self.item_node(*index),
            Event::Timer { node, .. }
            | Event::HandlerDone { node, .. }
            | Event::ApplicationDone { node, .. }
            | Event::Send { node, .. }
            | Event::Take { node, .. }
            | Event::StopDue { node, .. }
            | Event::DialFailed { node, .. } => Some(*node),
            Event::Credit { end, .. } | Event::Refused(end) | Event::Read(end) => Some(self.side(*end).node),
            // The system answers and takes data while the process stands still.
            Event::Syn(_) | Event::SynAck(_) | Event::Arrive(_) | Event::Retransmit(_) => None,
            Event::FaultEnd(_) | Event::Start(_) | Event::FreshPhase | Event::Look => None,
        }
    }

    fn tell(&mut self, node: usize, text: std::fmt::Arguments<'_>) {
        let event = self.chain.events();
        let now = self.now;
        if let Some(trace) = &mut self.options.trace {
            trace(event, format_args!("[t={now:?} n{node} e{event}] {text}"));
        }
    }

    /// What the core has marked since the last time, if anybody reads the trace.
    fn tell_marks(&mut self, node: usize) {
        if self.options.trace.is_none() {
            return;
        }
        let marks = self.survey.ears[node].lock().marks.as_mut().map(std::mem::take).unwrap_or_default();
        for mark in marks {
            self.tell(node, format_args!("   {mark}"));
        }
    }

    // --- engines

    /// Starts a node's process, unless it runs.
    fn start(&mut self, node: usize) {
        let now = self.now;
        let host = &mut self.hosts[node];
        if host.process.is_some() {
            host.restart_due = true;
            return;
        }
        host.powered = true;
        host.restart_due = false;
        let life = host.life;
        let incarnation = host.incarnation(now);
        host.persisted = Some(incarnation);
        let seed = derive_key(self.run.header.seed, &format!("engine {node} life {life}"));
        let hook = Box::new(Hook::new(&self.marks, &self.survey.ears[node], self.options.inject.as_deref()));
        let mut engine =
            Engine::new(host.config.clone(), host.identity.clone(), incarnation, now, seed, hook);
        let told = engine.handle_input(now, Input::WallClock { unix_ms: host::unix_ms(now) });
        debug_assert!(told.is_ok(), "time does not go back");
        host.process = Some(Process::new(engine));
        self.survey.happens(node, &What::Started { life });
        self.history.push(now, node, What::Started { life });
        self.chain.add(&[now.as_nanos(), node as u64, Tag::Command as u64, life.into()], b"start");
        tell!(self, node, "starts life {life}");
        self.survey.ears[node].lock().announces = true;
        self.show_again(node);
        let limit = self.run.header.action_limit;
        for (action, shape) in payload::actions_of(self.run, node) {
            self.with(node, |engine, now| {
                let path: ActionPath = action.parse().map_err(|_| "no path".to_owned())?;
                let entry = ProviderEntry { shape: shape.in_core(), ..ProviderEntry::new(path) };
                engine.serve_as(now, entry).map_err(|error| error.to_string())?;
                mesh::limit_action(engine, now, limit, &action)
            });
        }
        self.offer_again(node);
        self.subscribe_again(node);
        for [from, to] in &self.run.header.dials {
            if *from == node {
                let addr = std::net::SocketAddr::new(host::ip(*to), host::PORT).into();
                self.with(node, |engine, now| engine.connect(now, addr).map_err(|error| error.to_string()));
            }
        }
    }

    /// Gives a command that the testbed expects to be accepted.
    fn with(&mut self, node: usize, command: impl FnOnce(&mut Engine, Instant) -> Result<(), String>) {
        let now = self.now;
        let Some(process) = &mut self.hosts[node].process else { return };
        if let Err(text) = command(&mut process.engine, now) {
            self.harness_error.get_or_insert(format!("n{node} refuses a command of the testbed: {text}"));
        }
        self.drain(node);
    }

    /// Hands an input to the engine of a node. `false`: the engine did not take it.
    fn input(&mut self, node: usize, input: Input) -> bool {
        let now = self.now;
        let (tag, number, extent, tail) = describe(&input);
        self.chain.add(&[now.as_nanos(), node as u64, tag as u64, number, extent], &tail);
        tell!(self, node, "<- {tag:?} {number} {extent}");
        let Some(process) = &mut self.hosts[node].process else { return false };
        let outcome = process.engine.handle_input(now, input);
        self.tell_marks(node);
        match outcome {
            Ok(()) => true,
            Err(lacewing_core::Misuse::UnknownDial(_)) => false,
            Err(misuse) => {
                self.harness_error.get_or_insert(format!("n{node}: {misuse}"));
                false
            }
        }
    }

    fn timer(&mut self, node: usize, life: u32) {
        let now = self.now;
        let Some(process) = self.process(node, life) else { return };
        if process.timer_at > now {
            return;
        }
        process.timer_at = Instant::NEVER;
        if process.engine.poll_timeout().is_some_and(|timeout| timeout <= now) {
            let outcome = process.engine.handle_timeout(now);
            self.chain.add(&[now.as_nanos(), node as u64, Tag::Timeout as u64], b"");
            tell!(self, node, "<- Timeout");
            self.tell_marks(node);
            if let Err(misuse) = outcome {
                self.harness_error.get_or_insert(format!("n{node}: {misuse}"));
            }
        }
        self.drain(node);
    }

    /// The process of a node, if this life of it goes on.
    fn process(&mut self, node: usize, life: u32) -> Option<&mut Process> {
        let host = &mut self.hosts[node];
        if host.life == life { host.process.as_mut() } else { None }
    }

    /// Does what the engine of a node wants done.
    fn drain(&mut self, node: usize) {
        while let Some(output) =
            self.hosts[node].process.as_mut().and_then(|process| process.engine.poll_output())
        {
            self.tell_marks(node);
            match output {
                Output::Transmit { link, data } => {
                    let tail = &data[data.len().saturating_sub(16)..];
                    let parts =
                        [self.now.as_nanos(), node as u64, Tag::Transmit as u64, link.0, data.len() as u64];
                    self.chain.add(&parts, tail);
                    tell!(self, node, "-> Transmit {} {} bytes", link.0, data.len());
                    self.survey.transmitted(self.now, data.len());
                    self.transmit(StreamEnd::of_link(link), data);
                }
                Output::Dial { dial, addr } => {
                    self.chain.add(&[self.now.as_nanos(), node as u64, Tag::Dial as u64, dial.0], b"");
                    tell!(self, node, "-> Dial {} {addr}", dial.0);
                    self.dial(node, dial, &addr);
                }
                Output::Close { link, reason } => {
                    let parts =
                        [self.now.as_nanos(), node as u64, Tag::Close as u64, link.0, reason.number().into()];
                    self.chain.add(&parts, b"");
                    tell!(self, node, "-> Close {} {reason}", link.0);
                    self.close(StreamEnd::of_link(link));
                }
                Output::Event(event) => self.event(node, event),
            }
            self.note_announcement(node);
        }
        self.tell_marks(node);
        self.note_announcement(node);
        self.after_step(node);
    }

    fn after_step(&mut self, node: usize) {
        let now = self.now;
        self.note_ways(node);
        self.note_issuers(node);
        self.survey.listen(now, node);
        let host = &mut self.hosts[node];
        let life = host.life;
        let Some(process) = &mut host.process else { return };
        let timeout = process.engine.poll_timeout().unwrap_or(Instant::NEVER).max(now);
        if timeout < process.timer_at {
            process.timer_at = timeout;
            self.queue.push(timeout, Event::Timer { node, life });
        }
        process.steps += 1;
        if process.steps >= GAUGE_EVERY {
            process.steps = 0;
            let gauges = process.engine.gauges();
            self.note_over_cap(node, &gauges);
        }
        let Some(process) = &self.hosts[node].process else { return };
        if process.stopped {
            self.process_ends(node, true);
            return;
        }
        if process.choked.is_empty() {
            return;
        }
        let free = process.choked.iter().copied().filter(|end| process.engine.wants_input(end.link()));
        for end in free.collect::<Vec<_>>() {
            if let Some(process) = &mut self.hosts[node].process {
                process.choked.remove(&end);
            }
            self.read(end);
        }
    }

    // --- looking

    fn note_over_cap(&mut self, node: usize, gauges: &[Gauge]) {
        for gauge in gauges {
            if gauge.value > gauge.cap && self.over_cap_seen.insert((node, gauge.name)) {
                self.history.over_cap.push(reading(self.now, node, gauge));
            }
        }
    }

    fn finish(mut self, to_the_end: bool) -> Outcome {
        if to_the_end {
            self.look_at_tables();
            self.note_sights();
        }
        self.history.mesh = self.survey.mesh;
        self.tally.simulated = Micros(self.now.as_nanos() / 1_000);
        self.tally.events = self.chain.events();
        self.tally.marks = self.marks.counts();
        Outcome {
            history: self.history,
            chain: self.chain.finish(),
            tally: self.tally,
            harness_error: self.harness_error,
        }
    }
}

fn at(time: Micros) -> Instant {
    Instant::from_nanos(time.as_nanos())
}

fn reading(t: Instant, node: usize, gauge: &Gauge) -> Reading {
    Reading {
        t,
        node,
        name: gauge.name,
        value: gauge.value,
        cap: gauge.cap,
        zero_when_quiet: gauge.zero_when_quiet,
    }
}

/// What the chain holds of an input: kind, number, extent, and its last bytes, which for sealed data stand for all of it.
fn describe(input: &Input) -> (Tag, u64, u64, [u8; 16]) {
    let none = [0; 16];
    match input {
        Input::LinkUp { link, dial, .. } => (Tag::LinkUp, link.0, dial.map_or(0, |dial| dial.0), none),
        Input::DialFailed { dial, reason } => (Tag::DialFailed, dial.0, *reason as u64, none),
        Input::LinkDown { link } => (Tag::LinkDown, link.0, 0, none),
        Input::Received { link, data } => {
            let (mut tail, last) = (none, &data[data.len().saturating_sub(16)..]);
            tail[..last.len()].copy_from_slice(last);
            (Tag::Received, link.0, data.len() as u64, tail)
        }
        Input::Credit { link, bytes } => (Tag::Credit, link.0, *bytes as u64, none),
        Input::WallClock { unix_ms } => (Tag::WallClock, *unix_ms, 0, none),
    }
}

impl Process {
    fn new(engine: Engine) -> Self {
        Self {
            engine,
            timer_at: Instant::NEVER,
            stopping: false,
            stopped: false,
            calls: BTreeMap::new(),
            requests: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            answered: BTreeMap::new(),
            ends: BTreeMap::new(),
            dials: BTreeSet::new(),
            heard: BTreeMap::new(),
            choked: BTreeSet::new(),
            steps: 0,
        }
    }
}

/// Sources of chance that the testbed can be given on purpose, to prove that `meta` notices them.
pub(crate) mod leaks {
    use std::hash::{BuildHasher, RandomState};

    /// Every such source, with what it does.
    pub(crate) const ALL: [(&str, &str); 2] = [
        ("harness:hashmap-iteration", "what is drawn for each node is drawn in the order of a std HashMap"),
        ("harness:thread-random", "jitter comes from the thread's random state"),
    ];

    /// The order in which latencies are drawn.
    #[expect(clippy::disallowed_types, reason = "the very mistake that `meta` must notice")]
    pub(super) fn order(count: usize, inject: Option<&str>) -> Vec<usize> {
        if inject != Some(ALL[0].0) {
            return (0..count).collect();
        }
        let numbers: std::collections::HashMap<usize, usize> =
            (0..count).map(|number| (number, number)).collect();
        numbers.into_values().collect()
    }

    /// A number that no seed decides.
    pub(super) fn number(inject: Option<&str>) -> Option<u64> {
        (inject == Some(ALL[1].0)).then(|| RandomState::new().hash_one(0_u8))
    }
}
