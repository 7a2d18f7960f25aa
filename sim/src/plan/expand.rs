//! Plan and seed give a run.

use super::{AccessPlan, Plan, WorkPlan, access, faults, offers, streams, topics, work};
use crate::bounds;
use crate::quantity::Micros;
use crate::random::Random;
use crate::run::{
    ActionLimit, FORMAT_VERSION, Header, Item, Net, NodeSpec, Phases, RouteMetric, Run, TimingOverrides,
    WIRE_VERSION,
};
use crate::seed::Seed;

/// How long callers of the fresh phase wait: as long as it takes on any network that plans describe.
pub(super) const FRESH_TIMEOUT: Micros = Micros::from_millis(10_000);

impl Plan {
    /// The run that this plan and a seed give: always the same.
    pub fn expand(&self, seed: Seed) -> Run {
        let mut random = Random::new(seed, "plan.nodes");
        let count =
            usize::try_from(self.outline.nodes.draw(&mut random)).expect("plans have 200 nodes at most");
        let duration = self.outline.duration.draw(&mut random);
        let topology = *random.pick(&self.outline.topology);
        let route_metric = *random.pick(&self.outline.route_metric);
        let nodes = (0..count).map(|_| self.node(&mut random)).collect();
        let pairs = topology.pairs(count, self.outline.beyond_hop_limit, &mut random);
        let dials = dials(pairs, &mut random);
        let pools = self.pools().map_or(0, |pools| u32::try_from(pools.draw(&mut random)).unwrap_or(0));
        let mut run = Run { header: self.header(seed, nodes, dials), items: Vec::new() };
        run.header.route_metric = route_metric;
        run.header.phases = phases(&run.header, duration);
        run.header.areas = self
            .areas()
            .map(|plan| access::areas(plan, run.header.nodes.len(), &mut Random::new(seed, "plan.areas")));
        let mut ids = work::Ids::default();
        for (index, work) in self.work.iter().enumerate() {
            let mut random = Random::new(seed, &format!("plan.work.{index}"));
            let (random, items) = (&mut random, &mut run.items);
            match work {
                WorkPlan::Calls(plan) => work::expand(plan, pools, &run.header, &mut ids, random, items),
                WorkPlan::Providers(plan) => offers::providers(plan, pools, &run.header, random, items),
                WorkPlan::Capabilities(plan) => offers::capabilities(plan, &run.header, random, items),
                WorkPlan::Topics(plan) => topics::expand(plan, &run.header, &mut ids, random, items),
                WorkPlan::Access(plan) => access::expand(plan, &run.header, &mut ids, random, items),
                WorkPlan::Streams(plan) => streams::expand(plan, &run.header, &mut ids, random, items),
            }
        }
        let mut swarm = Random::new(seed, "plan.swarm");
        for (index, fault) in self.fault.iter().enumerate() {
            let omitted = self.swarm.omit_probability.draw(&mut swarm);
            let mut random = Random::new(seed, &format!("plan.fault.{index}"));
            if !omitted {
                faults::expand(fault, &run.header, &mut random, &mut run.items);
            }
        }
        let fresh =
            work::fresh(&run.header, pools, FRESH_TIMEOUT, &mut ids, &mut Random::new(seed, "plan.fresh"));
        run.items.extend(fresh);
        if self.has_streams() {
            let mut random = Random::new(seed, "plan.fresh.streams");
            run.items.extend(streams::fresh(&run.header, FRESH_TIMEOUT, &mut ids, &mut random));
        }
        // Stable: what comes at the same time stays in the order of the plan.
        run.items.sort_by_key(Item::at);
        run
    }

    fn areas(&self) -> Option<&AccessPlan> {
        self.work.iter().find_map(|work| match work {
            WorkPlan::Access(plan) => Some(plan),
            _ => None,
        })
    }

    fn node(&self, random: &mut Random) -> NodeSpec {
        let mut timing = TimingOverrides::default();
        if !self.outline.keepalive_interval.is_empty() {
            timing.keepalive_interval = Some(*random.pick(&self.outline.keepalive_interval));
        }
        NodeSpec { start: self.outline.start.draw(random), timing }
    }

    fn header(&self, seed: Seed, nodes: Vec<NodeSpec>, dials: Vec<[usize; 2]>) -> Header {
        let mut random = Random::new(seed, "plan.net");
        let (one, other) = (self.net.latency.draw(&mut random), self.net.latency.draw(&mut random));
        let net = Net {
            latency_min: one.min(other),
            latency_max: one.max(other),
            jitter_max: self.net.jitter.draw(&mut random),
            bandwidth: self.net.bandwidth.draw(&mut random),
            window: self.net.window.draw(&mut random),
            retransmit_timeout: self.net.retransmit_timeout.draw(&mut random),
        };
        let zero = Micros::ZERO;
        Header {
            format: FORMAT_VERSION,
            wire: WIRE_VERSION,
            plan: self.outline.name.clone(),
            seed,
            nodes,
            dials,
            net,
            phases: Phases { heal: zero, fresh: zero, quiet: zero, end: zero },
            route_metric: RouteMetric::default(),
            limits: self.limits.clone(),
            action_limit: self.action_limit.map(|limit| ActionLimit {
                max: limit.max.draw(&mut random),
                queue: limit.queue.draw(&mut random),
            }),
            areas: None,
            timing: self.timing.clone(),
        }
    }
}

/// Who dials whom: for each pair that is linked, the one, the other, or both at once.
fn dials(pairs: Vec<[usize; 2]>, random: &mut Random) -> Vec<[usize; 2]> {
    let mut dials = Vec::new();
    for [one, other] in pairs {
        match random.below(3) {
            0 => dials.push([one, other]),
            1 => dials.push([other, one]),
            _ => dials.extend([[one, other], [other, one]]),
        }
    }
    dials
}

/// When each phase begins: the bounds that oracles hold the nodes to decide it.
fn phases(header: &Header, duration: Micros) -> Phases {
    let heal = duration;
    let fresh = heal.plus(bounds::micros(bounds::converge(header)));
    let quiet = fresh.plus(FRESH_TIMEOUT).plus(Micros::from_millis(100));
    let end = quiet.plus(bounds::micros(bounds::quiet(header)));
    Phases { heal, fresh, quiet, end }
}
