//! What nodes offer, and what the testbed looks at that concerns more than one node.

use std::collections::BTreeMap;
use std::sync::Arc;

use lacewing::capability::CapabilitySet;
use lacewing::{Node, NodeId};

use super::application;
use super::scene::{Phase, Scene};
use super::{World, at};
use crate::history::What;
use crate::run::{CapabilitiesItem, Misbehaviour, PoolState, ServeItem, Shape, UnserveItem};
use crate::turmoil::scene::Command;
use crate::{payload, survey};

/// What the application of a node offers, whether or not its process runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Offers {
    pub(super) pools: BTreeMap<u32, (PoolState, u32)>,
    pub(super) tags: Option<Vec<String>>,
}

/// Serves a pool as the application wants it.
pub(super) fn offer_pool(scene: &Arc<Scene>, host: usize, node: &Node, pool: u32) {
    let offer = {
        let board = scene.board(host);
        board.offers.pools.get(&pool).copied().filter(|_| board.phase == Phase::Running)
    };
    let Some((state, load)) = offer else { return };
    // Before the command: it may be followed at once by a call that has waited for it.
    scene.push(host, What::Serves { pool, state: Some(state) });
    let action = application::action(scene, payload::pool_action(pool)).load(load).state(state.in_core());
    if node.update_action(action.clone()).is_err()
        && let Err(error) = application::serve(scene, host, node, action, Shape::Unary)
    {
        scene.give_up(format!("n{host} refuses a command of the testbed: {error}"));
    }
}

/// Serves a pool no more.
pub(super) fn unserve_pool(scene: &Scene, host: usize, node: &Node, pool: u32) {
    if scene.board(host).phase == Phase::Running {
        scene.push(host, What::Serves { pool, state: None });
        // It may have been taken back before it was ever served.
        node.unserve(&payload::pool_action(pool));
    }
}

/// Says what the node can do.
pub(super) fn offer_capabilities(scene: &Scene, host: usize, node: &Node) {
    let tags = {
        let board = scene.board(host);
        board.offers.tags.clone().filter(|_| board.phase == Phase::Running)
    };
    let Some(tags) = tags else { return };
    let mut set = CapabilitySet::new();
    let inserted = tags.iter().try_for_each(|tag| set.insert_tag(tag).map(drop));
    let error = inserted.err().map(|error| error.to_string());
    let error = error.or_else(|| node.set_capabilities(set).err().map(|error| error.to_string()));
    if let Some(error) = error {
        scene.give_up(format!("n{host} refuses a command of the testbed: {error}"));
    }
}

/// A new life serves what the last one did.
pub(super) fn offer_again(scene: &Arc<Scene>, host: usize, node: &Node) {
    let pools: Vec<u32> = scene.board(host).offers.pools.keys().copied().collect();
    for pool in pools {
        offer_pool(scene, host, node, pool);
    }
    offer_capabilities(scene, host, node);
}

/// Writes down what a node knows of another one.
pub(super) fn note_known(scene: &Scene, host: usize, of: NodeId) {
    let living = scene.board(host).node.as_ref().and_then(lacewing::WeakNode::upgrade);
    if let Some(said) = living.and_then(|living| living.describe(of)) {
        let now = scene.now();
        scene.survey().known(now, host, &said);
    }
}

impl World<'_, '_> {
    pub(super) fn serve(&mut self, item: &ServeItem) -> bool {
        self.scene.board(item.node).offers.pools.insert(item.pool, (item.state, item.load));
        self.command(item.node, Command::Offer(item.pool))
    }

    pub(super) fn unserve(&mut self, item: &UnserveItem) -> bool {
        let served = self.scene.board(item.node).offers.pools.remove(&item.pool).is_some();
        served && self.command(item.node, Command::Withdraw(item.pool))
    }

    pub(super) fn set_capabilities(&mut self, item: &CapabilitiesItem) -> bool {
        self.scene.board(item.node).offers.tags = Some(item.tags.clone());
        self.command(item.node, Command::Introduce)
    }

    pub(super) fn misbehave(&mut self, node: usize, how: Misbehaviour, begins: bool) {
        self.scene.ears[node].lock().misbehave(how, begins);
    }

    fn living(&self, node: usize) -> Option<Node> {
        self.scene.board(node).node.as_ref().and_then(lacewing::WeakNode::upgrade)
    }

    /// Looks at what has changed in a step.
    pub(super) fn look_at_mesh(&mut self) {
        let now = self.now();
        for node in 0..self.dark.len() {
            let (ways_changed, announces) = {
                let mut heard = self.scene.ears[node].lock();
                (std::mem::take(&mut heard.ways_changed), heard.announces)
            };
            self.scene.survey().listen(now, node);
            if !ways_changed && !announces {
                continue;
            }
            let living = self.living(node);
            let mut survey = self.scene.survey();
            if let Some(living) = living.as_ref().filter(|_| announces)
                && let Some(said) = living.describe(living.node_id())
                && survey.announced(node, &said)
            {
                self.scene.ears[node].lock().announces = false;
            }
            if ways_changed {
                survey.set_routes(node, &living.map(|living| living.routes()).unwrap_or_default());
                survey.look_for_loops(now, node);
            }
        }
    }

    pub(super) fn note_statuses(&mut self) {
        for node in 0..self.dark.len() {
            let Some(living) = self.living(node) else { continue };
            let nodes = living.nodes();
            let mut survey = self.scene.survey();
            let statuses = survey.statuses(node, &nodes);
            survey.mesh.statuses_at_fresh.insert(node, statuses);
        }
    }

    /// What each living node knows at the end.
    pub(super) fn note_sights(&mut self) {
        let pools = survey::pools(&self.scene.run);
        for node in 0..self.dark.len() {
            if let Some(living) = self.living(node) {
                self.scene.survey().note_sight(node, &pools, &living);
            }
        }
    }

    /// When tables are looked at towards the end.
    pub(super) fn plan_last_looks(&mut self) {
        for look in crate::bounds::last_looks(&self.scene.run.header) {
            self.plan(at(look), super::Act::Look);
        }
    }
}
