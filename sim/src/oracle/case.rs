//! A run and what was seen, in the order in which oracles want it.

use std::collections::BTreeMap;
use std::time::Duration;

use lacewing_core::Instant;

use crate::bounds;
use crate::history::{History, Operation, What};
use crate::quantity::Micros;
use crate::run::{CallSpec, Graph, Item, PoolState, Run};

/// See the module's text.
pub(super) struct Case<'a> {
    pub(super) run: &'a Run,
    pub(super) history: &'a History,
    pub(super) calls: BTreeMap<u64, CallSpec<'a>>,
    pub(super) operations: BTreeMap<u64, Operation<'a>>,
    /// The links that nodes are told to keep.
    pub(super) graph: Graph,
    /// Every such link, the smaller number first.
    links: BTreeMap<(usize, usize), Link>,
    /// What each node serves at the end.
    served: BTreeMap<(usize, u32), PoolState>,
    /// From when on every link has been up for as long as it takes to be known everywhere, if nothing disturbs it.
    whole_at: Instant,
    /// When the first fault begins.
    calm_until: Instant,
}

/// A link that nodes are told to keep.
#[derive(Clone, Copy, Debug)]
struct Link {
    /// When it was up at both ends for the first time.
    up_at: Instant,
    /// When a fault touches it for the first time.
    disturbed_at: Instant,
}

impl<'a> Case<'a> {
    pub(super) fn new(run: &'a Run, history: &'a History) -> Self {
        let calls = run.calls().into_iter().map(|call| (call.id, call)).collect();
        let links = links(run, history);
        let spread = bounds::spread(&run.header);
        let last_up = links.values().map(|link| link.up_at).max().unwrap_or(Instant::ZERO);
        let first_fault = run.items.iter().find(|item| item.fault().is_some());
        Self {
            run,
            history,
            calls,
            operations: history.operations(),
            graph: run.graph(),
            links,
            served: served(history),
            whole_at: if last_up == Instant::NEVER { last_up } else { last_up + spread },
            calm_until: first_fault.map_or(Instant::NEVER, |item| at(item.at())),
        }
    }

    /// Whether no fault of the run has touched two nodes, or what is between them, up to this time. What a fault leaves
    /// behind may show long after its end, so a pair that was once disturbed stays so.
    pub(super) fn is_undisturbed(&self, one: usize, other: usize, until: Instant) -> bool {
        let until = Micros(until.as_nanos() / 1_000);
        !self
            .run
            .items
            .iter()
            .take_while(|item| item.at() <= until)
            .any(|item: &Item| item.disturbs(one, other))
    }

    /// Whether a path of links leads from one node to another, each of them up for a while and never touched by a fault. A way that
    /// was lost is found again in the meantime.
    pub(super) fn has_undisturbed_path(&self, one: usize, other: usize, until: Instant) -> bool {
        let spread = bounds::spread(&self.run.header);
        let passes = |from: usize, to: usize| {
            let link = self.links.get(&(from.min(to), from.max(to)));
            link.is_some_and(|link| {
                link.disturbed_at > until && link.up_at < Instant::NEVER && link.up_at + spread <= until
            })
        };
        // A way of more links than that is told to nobody.
        self.graph.distances_over(one, passes)[other].is_some_and(|distance| distance <= 16)
    }

    /// Whether, from this place in the history to this time, every link was up, everybody knew of it, and no fault had happened.
    pub(super) fn was_whole_and_calm(&self, from: usize, to: Instant) -> bool {
        self.history.entries[from].t >= self.whole_at && to < self.calm_until
    }

    /// Every node that a path of links leads to, the node itself included.
    pub(super) fn reachable_from(&self, node: usize) -> impl Iterator<Item = usize> + use<> {
        let distances = self.graph.distances(node);
        distances
            .into_iter()
            .enumerate()
            .filter(|(_, it)| it.is_some_and(|it| it <= 16))
            .map(|(node, _)| node)
    }

    /// Whether payloads surely get from one node to another in a mesh that is whole: `None` where it depends on which of several
    /// ways is taken.
    pub(super) fn is_near(&self, one: usize, other: usize) -> Option<bool> {
        let hops_max = usize::from(bounds::limits(&self.run.header).hops_max);
        let distance = self.graph.distance(one, other)?;
        let exact = self.run.header.route_metric == crate::run::RouteMetric::Hops;
        if distance > hops_max {
            Some(false)
        } else if distance <= 1 || exact || self.run.header.nodes.len() <= hops_max + 1 {
            Some(true)
        } else {
            None
        }
    }

    /// Whether a question of a node reaches everybody in a mesh that is whole: `None` where it depends on who hears it first. It goes
    /// by the fastest ways, which may have more links than others, and whoever is as many links away as questions go, and has others
    /// behind it, cannot tell that they have been asked.
    pub(super) fn asks_everybody(&self, node: usize) -> Option<bool> {
        let hops_max = usize::from(bounds::limits(&self.run.header).question_hops_max);
        let distances = self.graph.distances(node);
        let nodes = distances.iter().flatten().count();
        let farthest = distances.iter().flatten().max().copied().unwrap_or(0);
        let is_tree = self.graph.links() + 1 == self.run.header.nodes.len();
        let at_the_rim = distances.iter().enumerate().filter(|(_, distance)| **distance == Some(hops_max));
        let mut rim = at_the_rim.map(|(node, _)| self.graph.neighbours(node).count());
        if farthest > hops_max {
            Some(false)
        } else if nodes <= hops_max || is_tree && rim.all(|links| links == 1) {
            Some(true)
        } else {
            None
        }
    }

    /// Whether a node takes calls to a pool at the end.
    pub(super) fn serves_at_end(&self, node: usize, pool: u32) -> bool {
        self.served.get(&(node, pool)) == Some(&PoolState::Running)
    }

    /// Whether a node serves a pool at the end, but takes no calls.
    pub(super) fn pauses_at_end(&self, node: usize, pool: u32) -> bool {
        self.served.get(&(node, pool)).is_some_and(|state| *state != PoolState::Running)
    }

    /// The last thing that happened to a node's neighbour before this place in the history: whether it came up.
    pub(super) fn peer_was_up(&self, node: usize, peer: usize, before: usize) -> bool {
        for entry in self.history.entries[..before].iter().rev().filter(|entry| entry.node == node) {
            match &entry.what {
                What::PeerUp { peer: up } if *up == Some(peer) => return true,
                What::PeerDown { peer: down, .. } if *down == Some(peer) => return false,
                What::Started { .. } => return false,
                _ => {}
            }
        }
        false
    }

    /// When a node that stands still at this time goes on; `None` where it does not stand still.
    pub(super) fn paused_until(&self, node: usize, t: Instant) -> Option<Instant> {
        let mut since = None;
        for entry in self.history.entries.iter().filter(|entry| entry.node == node) {
            match entry.what {
                What::Paused => since = Some(entry.t),
                What::Resumed => {
                    let begun = since.take();
                    if begun.is_some_and(|begun| begun <= t && t <= entry.t) {
                        return Some(entry.t);
                    }
                }
                _ => {}
            }
        }
        since.filter(|since| *since <= t).map(|_| Instant::NEVER)
    }

    /// For how long a node stood still, of all pauses that touch this time.
    pub(super) fn stood_still(&self, node: usize, (from, to): (Instant, Instant)) -> Duration {
        let (mut since, mut sum) = (None, Duration::ZERO);
        for entry in self.history.entries.iter().filter(|entry| entry.node == node) {
            match entry.what {
                What::Paused => since = since.or(Some(entry.t)),
                What::Resumed => {
                    if let Some(since) = since.take().filter(|since| *since <= to && entry.t >= from) {
                        sum += entry.t - since;
                    }
                }
                _ => {}
            }
        }
        sum
    }

    /// Whether some fault happens, goes on or has ended shortly before, in this time, but for the end of one node.
    pub(super) fn is_stormy(&self, from: Instant, to: Instant, but_for: usize) -> bool {
        let echo = bounds::echo(&self.run.header);
        self.run.items.iter().filter(|item| item.fault().is_some()).any(|item| {
            let ends = at(item.at()) + lasts(item) + echo;
            let is_excepted = matches!(item, Item::Crash(crash) if crash.node == but_for && at(crash.t) <= from && from < ends);
            at(item.at()) <= to && ends >= from && !is_excepted
        })
    }
}

/// A time of the run as histories write it.
pub(super) fn at(time: Micros) -> Instant {
    Instant::from_nanos(time.as_nanos())
}

/// How long a fault goes on.
fn lasts(item: &Item) -> Duration {
    let lasts = match item {
        Item::Partition(item) => item.lasts,
        Item::Stall(item) => item.lasts,
        Item::Crash(item) => item.down,
        Item::SlowReader(item) => item.lasts,
        Item::Pause(item) => item.lasts,
        Item::Misbehave(item) => item.lasts,
        Item::Reset(_) | Item::HalfOpen(_) => Micros::ZERO,
        Item::Call(_)
        | Item::Cancel(_)
        | Item::Serve(_)
        | Item::Unserve(_)
        | Item::Capabilities(_)
        | Item::Subscribe(_)
        | Item::Unsubscribe(_)
        | Item::Publish(_)
        | Item::Token(_)
        | Item::Revoke(_) => Micros::ZERO,
    };
    lasts.as_duration()
}

fn links(run: &Run, history: &History) -> BTreeMap<(usize, usize), Link> {
    let mut ups: BTreeMap<(usize, usize), Instant> = BTreeMap::new();
    for entry in &history.entries {
        if let What::PeerUp { peer: Some(peer) } = entry.what {
            ups.entry((entry.node, peer)).or_insert(entry.t);
        }
    }
    let up_at = |from: usize, to: usize| ups.get(&(from, to)).copied().unwrap_or(Instant::NEVER);
    let link = |(one, other): (usize, usize)| {
        let disturbance = run.items.iter().find(|item| item.disturbs(one, other));
        let disturbed_at = disturbance.map_or(Instant::NEVER, |item| at(item.at()));
        ((one, other), Link { up_at: up_at(one, other).max(up_at(other, one)), disturbed_at })
    };
    run.pairs().into_iter().map(link).collect()
}

/// What each node serves at the end of the history.
fn served(history: &History) -> BTreeMap<(usize, u32), PoolState> {
    let mut served = BTreeMap::new();
    for entry in &history.entries {
        match entry.what {
            What::Started { .. } => served.retain(|(node, _), _| *node != entry.node),
            What::Serves { pool, state: Some(state) } => {
                served.insert((entry.node, pool), state);
            }
            What::Serves { pool, state: None } => {
                served.remove(&(entry.node, pool));
            }
            _ => {}
        }
    }
    served
}
