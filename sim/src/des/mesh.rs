//! What nodes offer, and what the testbed looks at that concerns more than one node.

use lacewing_core::capability::CapabilitySet;
use lacewing_core::engine::ProviderEntry;
use lacewing_core::wire::path::ActionPath;
use lacewing_core::{Engine, Instant};

use super::{World, reading, tell};
use crate::history::What;
use crate::run::{ActionLimit, CapabilitiesItem, PoolState, ServeItem, UnserveItem};
use crate::{payload, survey};

/// Sets the limit of the run on an action that it holds for.
pub(super) fn limit_action(
    engine: &mut Engine,
    now: Instant,
    limit: Option<ActionLimit>,
    action: &str,
) -> Result<(), String> {
    match limit.filter(|_| payload::is_limited(action)) {
        None => Ok(()),
        Some(limit) => engine.limit_action(now, action, limit.in_core()).map_err(|error| error.to_string()),
    }
}

/// What the application of a node offers, whether or not its process runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Offers {
    pools: std::collections::BTreeMap<u32, (PoolState, u32)>,
    tags: Option<Vec<String>>,
}

impl World<'_, '_, '_> {
    pub(super) fn serve(&mut self, item: &ServeItem) {
        self.hosts[item.node].offers.pools.insert(item.pool, (item.state, item.load));
        self.offer_pool(item.node, item.pool);
    }

    pub(super) fn unserve(&mut self, item: &UnserveItem) {
        let (node, pool) = (item.node, item.pool);
        if self.hosts[node].offers.pools.remove(&pool).is_none() || !self.takes_commands(node) {
            return;
        }
        let path = payload::pool_action(pool);
        self.history.push(self.now, node, What::Serves { pool, state: None });
        self.with(node, |engine, now| {
            engine.unserve(now, &path).then_some(()).ok_or_else(|| format!("{path} was not served"))
        });
    }

    pub(super) fn set_capabilities(&mut self, item: &CapabilitiesItem) {
        self.hosts[item.node].offers.tags = Some(item.tags.clone());
        self.offer_capabilities(item.node);
    }

    /// A new life serves what the last one did.
    pub(super) fn offer_again(&mut self, node: usize) {
        let pools: Vec<u32> = self.hosts[node].offers.pools.keys().copied().collect();
        for pool in pools {
            self.offer_pool(node, pool);
        }
        self.offer_capabilities(node);
    }

    /// A process that shuts down has taken back what it said, and says no more.
    fn takes_commands(&self, node: usize) -> bool {
        self.hosts[node].process.as_ref().is_some_and(|process| !process.stopping)
    }

    fn offer_pool(&mut self, node: usize, pool: u32) {
        let Some((state, load)) = self.hosts[node].offers.pools.get(&pool).copied() else { return };
        if !self.takes_commands(node) {
            return;
        }
        // Before the command: it may be followed at once by a call that has waited for it.
        self.history.push(self.now, node, What::Serves { pool, state: Some(state) });
        tell!(self, node, "serves pool {pool}: {state:?}, load {load}");
        let limit = self.run.header.action_limit;
        self.with(node, |engine, now| {
            let path: ActionPath = payload::pool_action(pool).parse().map_err(|_| "no path".to_owned())?;
            let entry = ProviderEntry { load, state: state.in_core(), ..ProviderEntry::new(path) };
            if engine.update_action(now, entry.clone()).is_ok() {
                return Ok(());
            }
            let path = engine.serve_as(now, entry).map_err(|error| error.to_string())?;
            limit_action(engine, now, limit, path.as_str())
        });
    }

    fn offer_capabilities(&mut self, node: usize) {
        let Some(tags) = self.hosts[node].offers.tags.clone() else { return };
        if !self.takes_commands(node) {
            return;
        }
        self.with(node, |engine, now| {
            let mut set = CapabilitySet::new();
            for tag in &tags {
                set.insert_tag(tag).map_err(|error| error.to_string())?;
            }
            engine.set_capabilities(now, set).map_err(|error| error.to_string())
        });
    }

    // --- looking

    /// Writes down what a node says of itself, once for each time that it signs it.
    pub(super) fn note_announcement(&mut self, node: usize) {
        if !self.survey.ears[node].lock().announces {
            return;
        }
        let Some(process) = &self.hosts[node].process else { return };
        let Some(said) = process.engine.describe(&self.hosts[node].identity.node_id()) else { return };
        if self.survey.announced(node, &said) {
            self.survey.ears[node].lock().announces = false;
        }
    }

    /// Writes down what a node knows of another one.
    pub(super) fn note_known(&mut self, node: usize, of: &lacewing_core::NodeId) {
        let Some(process) = &self.hosts[node].process else { return };
        if let Some(said) = process.engine.describe(of) {
            self.survey.known(self.now, node, &said);
        }
    }

    /// Where ways of a node have changed, looks whether any leads in a circle.
    pub(super) fn note_ways(&mut self, node: usize) {
        let changed = std::mem::take(&mut self.survey.ears[node].lock().ways_changed);
        if !changed {
            return;
        }
        let routes =
            self.hosts[node].process.as_ref().map(|process| process.engine.routes()).unwrap_or_default();
        if self.options.trace.is_some() {
            let ways: Vec<String> = self
                .survey
                .routes(&routes)
                .into_iter()
                .map(|(to, way)| format!("n{to} by n{} {}", way.next_hop, way.hops))
                .collect();
            self.tell(node, format_args!("ways: {}", ways.join(", ")));
        }
        self.survey.set_routes(node, &routes);
        self.survey.look_for_loops(self.now, node);
    }

    pub(super) fn note_who_is_there(&mut self) {
        for (node, host) in self.hosts.iter().enumerate() {
            let Some(process) = &host.process else { continue };
            let peers = process.engine.peers();
            let known = peers.iter().filter_map(|peer| self.nodes.get(&peer.node).copied()).collect();
            self.history.peers_at_fresh.insert(node, known);
            let statuses = self.survey.statuses(node, &process.engine.nodes());
            self.survey.mesh.statuses_at_fresh.insert(node, statuses);
        }
    }

    /// Looks at all tables. What is left in one at every look to the end of the run is left for good.
    pub(super) fn look_at_tables(&mut self) {
        for node in 0..self.hosts.len() {
            let Some(gauges) = self.hosts[node].process.as_ref().map(|process| process.engine.gauges())
            else {
                continue;
            };
            self.note_over_cap(node, &gauges);
            let now = self.now;
            for gauge in &gauges {
                self.history.look(reading(now, node, gauge));
            }
        }
    }

    /// What each living node knows at the end.
    pub(super) fn note_sights(&mut self) {
        let pools = survey::pools(self.run);
        for (node, host) in self.hosts.iter().enumerate() {
            if let Some(process) = &host.process {
                self.survey.note_sight(node, &pools, &process.engine);
            }
        }
    }
}
