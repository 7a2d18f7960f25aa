//! The turmoil engine: the real tokio driver, [`lacewing::Node`], on simulated machines and sockets, up to 16 of them.
//!
//! It sees what the discrete-event engine cannot: the life of sockets, reconnects, cancellation by dropping, who is woken
//! and when, the hand-over of buffers, shutdown. How its network differs from a real one:
//!
//! - Time comes in steps of 1 ms. Latencies are drawn once for each pair, at least 1 ms, with jitter in whole milliseconds.
//! - Nothing is sent again. What is on its way when a partition begins is lost, and a stream that lost a segment stands
//!   still in that direction for good: `retransmit_timeout` is never reached, and keep-alives must find it.
//! - A dial across a partition, or to a machine without power, is refused at once instead of timing out.
//! - The answer to a dial, and the notice that bytes were taken, travel in no time and through partitions.
//! - The window is counted in segments of a 128th of it, so that many small writes fill it sooner.
//!
//! A node cannot be paused, because all machines step together: such runs are refused.

mod access;
mod application;
mod faults;
mod host;
pub(crate) mod leaks;
mod mesh;
mod scene;
mod streams;
mod topics;
mod wire;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Once};
use std::time::Duration;

use lacewing_core::Instant;

use self::scene::{Phase, Scene};
use self::wire::{SEGMENTS_MAX, TICK, name};
use crate::chain::Chain;
use crate::engine::{Options, Outcome, SimEngine, Unsupported};
use crate::history::Reading;
use crate::quantity::Micros;
use crate::random::Random;
use crate::run::{Item, Run};

/// Machines beyond which turmoil is slower than it is worth: a step costs the cube of their number.
const NODES_MAX: usize = 16;
/// Steps between two looks at the nodes' tables.
const GAUGE_EVERY: u64 = 50;
/// Events in one simulated second, for the run and for each of its nodes, beyond which it is taken to spin.
const EVENTS_PER_SECOND_MAX: u64 = 500_000;
const EVENTS_PER_SECOND_NODE_MAX: u64 = 50_000;

/// See the module's text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Turmoil;

impl SimEngine for Turmoil {
    fn name(&self) -> &'static str {
        "turmoil"
    }

    fn supports(&self, run: &Run) -> Result<(), Unsupported> {
        let refuse = |reason| Err(Unsupported { engine: "turmoil", reason });
        let nodes = run.header.nodes.len();
        if nodes > NODES_MAX {
            return refuse(format!(
                "it has {nodes} nodes, and turmoil takes {NODES_MAX} at most; the des engine takes them"
            ));
        }
        if let Some(pause) = run.items.iter().find(|item| matches!(item, Item::Pause(_))) {
            let at = pause.at();
            return refuse(format!(
                "there is a pause at {at}, and turmoil's machines all step together; the des engine can"
            ));
        }
        if let Some(call) = run.calls().iter().find(|call| call.timeout < Micros::from_millis(1)) {
            let (id, timeout) = (call.id, call.timeout);
            return refuse(format!(
                "call {id} waits for {timeout}, and turmoil's steps are 1ms; the des engine can"
            ));
        }
        Ok(())
    }

    fn one_seed_in(&self) -> u64 {
        // Each step of each machine costs, whether anything happens in it or not.
        10
    }

    fn execute(&self, run: &Run, options: &mut Options<'_>) -> Outcome {
        World::new(run, options).execute()
    }
}

/// Everything there is, from the testbed's side.
struct World<'o, 's> {
    scene: Arc<Scene>,
    sim: turmoil::Sim<'static>,
    options: &'o mut Options<'s>,
    /// What is to happen, by its time, and in the order in which it came to be known.
    agenda: BTreeMap<(Instant, u64), Act>,
    acts: u64,
    /// How many faults keep data from arriving, for each direction of each pair.
    blocked: Vec<u32>,
    /// Machines without power.
    dark: Vec<bool>,
    /// The ends that each active stall holds up.
    stalled: BTreeMap<usize, Vec<Arc<wire::Wire>>>,
    over_cap_seen: std::collections::BTreeSet<(usize, &'static str)>,
    steps: u64,
}

/// Something that the testbed does between two steps.
#[derive(Clone, Copy, Debug)]
enum Act {
    Start(usize),
    Item(usize),
    FaultEnd(usize),
    StopDue { node: usize, life: u32 },
    FreshPhase,
    Look,
}

impl<'o, 's> World<'o, 's> {
    fn new(run: &Run, options: &'o mut Options<'s>) -> Self {
        watch_for_panics();
        let scene = Scene::new(run, options.inject.as_deref(), options.trace.is_some());
        let count = run.header.nodes.len();
        let mut world = Self {
            sim: simulation(&scene),
            scene,
            options,
            agenda: BTreeMap::new(),
            acts: 0,
            blocked: vec![0; count * count],
            dark: vec![false; count],
            stalled: BTreeMap::new(),
            over_cap_seen: std::collections::BTreeSet::new(),
            steps: 0,
        };
        for (node, spec) in run.header.nodes.iter().enumerate() {
            world.plan(at(spec.start), Act::Start(node));
        }
        world.plan(at(run.header.phases.fresh), Act::FreshPhase);
        world.plan_last_looks();
        for (index, item) in run.items.iter().enumerate() {
            world.plan(at(item.at()), Act::Item(index));
        }
        world
    }

    fn plan(&mut self, when: Instant, act: Act) {
        self.acts += 1;
        self.agenda.insert((when, self.acts), act);
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.sim.elapsed()
    }

    fn execute(mut self) -> Outcome {
        let end = at(self.scene.run.header.phases.end);
        let stop = self.options.until.map_or(end, |until| end.min(at(until)));
        let mut second = Second::default();
        while self.now() < stop && self.scene.record().harness_error.is_none() {
            self.act();
            self.step();
            second.watch(&self.scene, self.now());
        }
        self.finish(stop == end)
    }

    /// Does what is due. What becomes due by it is done in the same go.
    fn act(&mut self) {
        let now = self.now();
        while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= now) {
            match entry.remove() {
                Act::Start(node) => self.start(node),
                Act::Item(index) => self.item(index),
                Act::FaultEnd(index) => self.fault_ends(index),
                Act::StopDue { node, life } => self.stop_due(node, life),
                Act::FreshPhase => {
                    self.note_peers();
                    self.note_statuses();
                }
                Act::Look => self.look_towards_the_end(),
            }
        }
    }

    fn step(&mut self) {
        self.scene.record().stepping = true;
        let outcome = self.sim.step();
        let now = self.now();
        {
            let mut record = self.scene.record();
            record.stepping = false;
            record.now = now;
        }
        // tokio keeps the panics of tasks to itself. One in the node or the core must not.
        if let Some(panic) = PANIC.with(RefCell::take) {
            std::panic::resume_unwind(Box::new(panic));
        }
        if let Err(error) = outcome {
            self.scene.give_up(format!("a machine's software failed: {error}"));
        }
        self.look_at_mesh();
        self.pass_lines_on();
        self.restart_the_stopped();
        self.steps += 1;
        if self.steps.is_multiple_of(GAUGE_EVERY) {
            for node in 0..self.dark.len() {
                drop(self.look_at_tables(node));
            }
        }
    }

    fn pass_lines_on(&mut self) {
        let Some(sink) = &mut self.options.trace else { return };
        let lines = self.scene.record().lines.as_mut().map(std::mem::take).unwrap_or_default();
        for (event, line) in lines {
            sink(event, format_args!("{line}"));
        }
    }

    fn restart_the_stopped(&mut self) {
        for node in 0..self.dark.len() {
            let due = {
                let board = self.scene.board(node);
                board.restart_due && board.phase == Phase::Away
            };
            if due {
                self.start(node);
            }
        }
    }

    // --- looking

    /// The tables of a node's process, after a look whether any is too full.
    fn look_at_tables(&mut self, node: usize) -> Vec<Reading> {
        let now = self.now();
        let living = self.scene.board(node).node.as_ref().and_then(lacewing::WeakNode::upgrade);
        let Some(living) = living else { return Vec::new() };
        let reading = |gauge: lacewing::Gauge| Reading {
            t: now,
            node,
            name: gauge.name,
            value: gauge.value,
            cap: gauge.cap,
            zero_when_quiet: gauge.zero_when_quiet,
        };
        let readings: Vec<Reading> = living.gauges().into_iter().map(reading).collect();
        for reading in readings.iter().filter(|reading| reading.value > reading.cap) {
            if self.over_cap_seen.insert((node, reading.name)) {
                self.scene.record().history.over_cap.push(reading.clone());
            }
        }
        readings
    }

    /// What is left in a table at every look to the end of the run is left for good.
    fn look_towards_the_end(&mut self) {
        for node in 0..self.dark.len() {
            let readings = self.look_at_tables(node);
            let mut record = self.scene.record();
            for reading in readings {
                record.history.look(reading);
            }
        }
    }

    fn note_peers(&mut self) {
        for node in 0..self.dark.len() {
            let living = self.scene.board(node).node.as_ref().and_then(lacewing::WeakNode::upgrade);
            let Some(living) = living else { continue };
            let known = living.peers().iter().filter_map(|peer| self.scene.node_of(peer.node)).collect();
            self.scene.record().history.peers_at_fresh.insert(node, known);
        }
    }

    fn finish(mut self, to_the_end: bool) -> Outcome {
        let now = self.now();
        if to_the_end {
            self.look_towards_the_end();
            self.note_sights();
        }
        // The machines' destructors run before the record is taken, and have nothing to add to it.
        let outcome = {
            let mut record = self.scene.record();
            let mut history = std::mem::take(&mut record.history);
            history.mesh = std::mem::take(&mut self.scene.survey().mesh);
            // Within a step the machines have their turns one after the other. What one does, another sees in a later step.
            history.entries.sort_by_key(|entry| entry.t);
            let mut tally = std::mem::take(&mut record.tally);
            let chain: Chain = std::mem::take(&mut record.chain);
            tally.simulated = Micros(now.as_nanos() / 1_000);
            tally.events = chain.events();
            tally.marks = self.scene.marks.counts();
            Outcome { history, chain: chain.finish(), tally, harness_error: record.harness_error.take() }
        };
        drop(self.sim);
        outcome
    }
}

/// The machines and the network of a run; no process runs yet.
fn simulation(scene: &Arc<Scene>) -> turmoil::Sim<'static> {
    let (net, count) = (&scene.run.header.net, scene.run.header.nodes.len());
    #[expect(clippy::disallowed_types, reason = "turmoil wants one; it is the same in every execution")]
    let epoch = std::time::SystemTime::UNIX_EPOCH + Duration::from_millis(crate::rights::CLOCK_START_MS);
    let mut sim = turmoil::Builder::new()
        .tick_duration(TICK)
        .epoch(epoch)
        .rng_seed(scene.run.header.seed.0)
        .enable_random_order()
        .tcp_capacity(usize::try_from(SEGMENTS_MAX).unwrap_or(usize::MAX))
        .build();
    for node in 0..count {
        let scene = Arc::clone(scene);
        sim.host(name(node), move || host::live(Arc::clone(&scene), node));
    }
    let mut random = Random::new(scene.run.header.seed, "turmoil.latency");
    let spread = net.latency_max.0 - net.latency_min.0;
    for one in leaks::node_order(count, scene.inject.as_deref()) {
        for other in one + 1..count {
            let latency = (net.latency_min.0 + random.below(spread + 1)).max(1_000);
            sim.set_link_latency(name(one), name(other), Duration::from_micros(latency));
            let most = Duration::from_micros(latency + net.jitter_max.0);
            sim.set_link_max_message_latency(name(one), name(other), most);
        }
    }
    sim
}

/// Ends a run that no longer gets anywhere.
#[derive(Default)]
struct Second {
    number: u64,
    events_before: u64,
}

impl Second {
    fn watch(&mut self, scene: &Scene, now: Instant) {
        let (number, events) = (now.as_millis() / 1_000, scene.record().chain.events());
        if number != self.number {
            (self.number, self.events_before) = (number, events);
        }
        let budget = EVENTS_PER_SECOND_MAX + EVENTS_PER_SECOND_NODE_MAX * scene.run.header.nodes.len() as u64;
        if events - self.events_before > budget {
            scene.give_up(format!("more than {budget} events in second {number}"));
        }
    }
}

fn at(time: Micros) -> Instant {
    Instant::from_nanos(time.as_nanos())
}

thread_local! {
    /// The first panic on this thread that nobody has asked for yet.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Remembers panics from now on, and still lets the hook that was there before see them.
fn watch_for_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let text = info.to_string();
            // A thread that is at its end has no place to remember.
            let _ = PANIC.try_with(|panic| _ = panic.borrow_mut().get_or_insert(text));
            before(info);
        }));
    });
    PANIC.with(RefCell::take);
}
