//! The faults of a run.

use super::{FaultPlan, Shape};
use crate::quantity::{Micros, Range};
use crate::random::Random;
use crate::run::{
    Clock, CrashItem, Direction, Header, Item, MisbehaveItem, PairItem, PartitionItem, PauseItem,
    SlowReaderItem, StallItem,
};

/// Adds one family's faults, one after the other up to the heal phase.
pub(super) fn expand(fault: &FaultPlan, header: &Header, random: &mut Random, items: &mut Vec<Item>) {
    let (every, _) = fault.pace();
    let mut t = Micros::ZERO;
    loop {
        t = t.plus(Micros(every.draw(random).0.max(1)));
        if t >= header.phases.heal {
            return;
        }
        items.extend(one(fault, header, t, random));
    }
}

/// `None` where the run has no place for such a fault.
fn one(fault: &FaultPlan, header: &Header, t: Micros, random: &mut Random) -> Option<Item> {
    let nodes = header.nodes.len();
    let left = Micros(header.phases.heal.0 - t.0);
    let lasting = |lasts: &Range<Micros>, random: &mut Random| lasts.draw(random).min(left);
    Some(match fault {
        FaultPlan::Partition { lasts, shape, .. } => {
            let lasts = lasting(lasts, random);
            Item::Partition(partition(*random.pick(shape), nodes, t, lasts, random)?)
        }
        FaultPlan::Reset { .. } => Item::Reset(PairItem { t, pair: pair(header, random)? }),
        FaultPlan::HalfOpen { .. } => Item::HalfOpen(PairItem { t, pair: pair(header, random)? }),
        FaultPlan::Stall { lasts, .. } => {
            let (lasts, pair, dir) = (lasting(lasts, random), pair(header, random)?, direction(random));
            Item::Stall(StallItem { t, lasts, pair, dir })
        }
        FaultPlan::Crash { lasts, mode, clock_back, .. } => {
            let (node, mode, down) = (random.index(nodes), *random.pick(mode), lasting(lasts, random));
            let clock = if clock_back.draw(random) { Clock::Back } else { Clock::Forward };
            Item::Crash(CrashItem { t, node, mode, down, clock })
        }
        FaultPlan::SlowReader { lasts, rate, .. } => {
            let (lasts, node, rate) = (lasting(lasts, random), random.index(nodes), rate.draw(random).max(1));
            Item::SlowReader(SlowReaderItem { t, lasts, node, rate })
        }
        FaultPlan::Pause { lasts, .. } => {
            Item::Pause(PauseItem { t, lasts: lasting(lasts, random), node: random.index(nodes) })
        }
        FaultPlan::Misbehave { lasts, how, .. } => {
            let (lasts, node, how) = (lasting(lasts, random), random.index(nodes), *random.pick(how));
            Item::Misbehave(MisbehaveItem { t, lasts, node, how })
        }
    })
}

fn direction(random: &mut Random) -> Direction {
    if random.coin() { Direction::Both } else { Direction::Oneway }
}

fn pair(header: &Header, random: &mut Random) -> Option<[usize; 2]> {
    if header.dials.is_empty() {
        return None;
    }
    let [one, other] = *random.pick(&header.dials);
    Some(if random.coin() { [one, other] } else { [other, one] })
}

fn partition(
    shape: Shape,
    nodes: usize,
    t: Micros,
    lasts: Micros,
    random: &mut Random,
) -> Option<PartitionItem> {
    if nodes < 2 {
        return None;
    }
    let order = random.sample(nodes, nodes);
    let (from, to, dir) = match shape {
        Shape::IsolateOne => (order[..1].to_vec(), order[1..].to_vec(), direction(random)),
        Shape::Halves => (order[..nodes / 2].to_vec(), order[nodes / 2..].to_vec(), Direction::Both),
        Shape::Oneway => (order[..nodes / 2].to_vec(), order[nodes / 2..].to_vec(), Direction::Oneway),
        Shape::Islands => ((0..nodes / 2).collect(), (nodes / 2..nodes).collect(), direction(random)),
        Shape::Bridge => {
            let rest = &order[1..];
            (rest[..rest.len() / 2].to_vec(), rest[rest.len() / 2..].to_vec(), Direction::Both)
        }
    };
    if from.is_empty() || to.is_empty() {
        return None;
    }
    Some(PartitionItem { t, lasts, from, to, dir })
}
