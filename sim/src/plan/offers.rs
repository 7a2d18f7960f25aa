//! What nodes of a run offer, and how it changes.

use super::{CapabilityPlan, ProviderPlan};
use crate::quantity::{Micros, Range};
use crate::random::Random;
use crate::run::{CapabilitiesItem, Header, Item, PoolState, ServeItem, UnserveItem};

/// What tags are made of: a few of each kind, so that nodes share some.
const TAGS: [&str; 10] = [
    "hardware.gpu",
    "hardware.memory_gb=64",
    "hardware.memory_gb=128",
    "hardware.cpu_cores=16",
    "software.os=linux",
    "software.framework.torch=2.3.1",
    "scope:region:north",
    "scope:tenant:blue",
    "spot",
    "devices.camera",
];

/// Times from the start to the heal phase, `every` so long.
fn times(every: &Range<Micros>, header: &Header, random: &mut Random) -> Vec<Micros> {
    let mut times = Vec::new();
    let mut t = Micros::ZERO;
    loop {
        t = t.plus(Micros(every.draw(random).0.max(1)));
        if t >= header.phases.heal {
            return times;
        }
        times.push(t);
    }
}

/// Who serves which pool from the start, and what becomes of that.
pub(super) fn providers(
    plan: &ProviderPlan,
    pools: u32,
    header: &Header,
    random: &mut Random,
    items: &mut Vec<Item>,
) {
    for node in 0..header.nodes.len() {
        for pool in 0..pools {
            if plan.serves.draw(random) {
                let (t, state, load) = (Micros::ZERO, PoolState::Running, 0);
                items.push(Item::Serve(ServeItem { t, node, pool, state, load }));
            }
        }
    }
    for t in times(&plan.every, header, random) {
        let node = random.index(header.nodes.len());
        let pool = u32::try_from(random.below(pools.into())).unwrap_or(0);
        let (choice, state, load) = (random.below(4), *random.pick(&PoolState::ALL), random.below(10));
        let load = u32::try_from(load).unwrap_or(0);
        items.push(match choice {
            0 => Item::Unserve(UnserveItem { t, node, pool }),
            1 => Item::Serve(ServeItem { t, node, pool, state, load }),
            _ => Item::Serve(ServeItem { t, node, pool, state: PoolState::Running, load }),
        });
    }
}

/// What nodes say that they can do.
pub(super) fn capabilities(
    plan: &CapabilityPlan,
    header: &Header,
    random: &mut Random,
    items: &mut Vec<Item>,
) {
    let mut set = |t, node, random: &mut Random| {
        let count = usize::try_from(plan.tags.draw(random)).unwrap_or(0);
        let mut tags: Vec<String> =
            random.sample(TAGS.len(), count).into_iter().map(|tag| TAGS[tag].to_owned()).collect();
        tags.push(format!("draw.{}", random.below(1_000_000)));
        items.push(Item::Capabilities(CapabilitiesItem { t, node, tags }));
    };
    for node in 0..header.nodes.len() {
        set(Micros::ZERO, node, random);
    }
    for t in times(&plan.every, header, random) {
        let node = random.index(header.nodes.len());
        set(t, node, random);
    }
}
