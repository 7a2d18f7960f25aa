//! Looks at all nodes of a run together and writes down what no node can see alone.

use std::collections::{BTreeMap, BTreeSet};

use lacewing::Node;
use lacewing_core::engine::{NodeDescription, NodeInfo, NodeStatus, ProviderEntry, RouteInfo};
use lacewing_core::{Engine, Instant, NodeId};

use crate::history::What;
use crate::history::mesh::{Loop, Mesh, Owner, Question, Route, Shown, Sight, Version};
use crate::payload;
use crate::run::{Item, Run};
use crate::trace::{Ear, Heard};

/// See the module's text.
pub(crate) struct Survey {
    /// One for each node, whichever of its lives it has.
    pub(crate) ears: Vec<Ear>,
    pub(crate) mesh: Mesh,
    numbers: BTreeMap<NodeId, usize>,
    /// The next hop of each living node to each other one.
    next_hops: Vec<Vec<Option<usize>>>,
    /// Whom each living node has met in their present life. What it sends to an earlier one ends with that.
    met: BTreeSet<(usize, usize)>,
    loops_seen: BTreeSet<(usize, Vec<usize>)>,
}

impl Survey {
    pub(crate) fn new(numbers: BTreeMap<NodeId, usize>) -> Self {
        let count = numbers.len();
        let mut members: Vec<NodeId> = numbers.keys().copied().collect();
        members.sort_unstable_by_key(|id| numbers[id]);
        Self {
            ears: (0..count).map(|own| Ear::of(own, &members)).collect(),
            mesh: Mesh::default(),
            numbers,
            next_hops: vec![vec![None; count]; count],
            met: BTreeSet::new(),
            loops_seen: BTreeSet::new(),
        }
    }

    fn number(&self, node: &NodeId) -> Option<usize> {
        self.numbers.get(node).copied()
    }

    /// What a node says of itself. `false` where it was known already, so that what is new is not yet signed.
    pub(crate) fn announced(&mut self, node: usize, said: &NodeDescription) -> bool {
        let version = version(said);
        if version.sequence == 0 || self.mesh.announced.get(&(node, version)).is_some_and(Option::is_some) {
            return false;
        }
        self.mesh.announced.insert((node, version), Some(fingerprint(said)));
        true
    }

    /// What a node has of another one.
    pub(crate) fn known(&mut self, now: Instant, node: usize, said: &NodeDescription) {
        let Some(owner) = self.number(&said.node).filter(|owner| *owner != node) else { return };
        self.mesh.known.entry((owner, version(said), fingerprint(said))).or_insert((now, node));
        self.mesh.heard.entry((owner, version(said), node)).or_insert(now);
    }

    /// What relays and askers have done since the last look.
    pub(crate) fn listen(&mut self, now: Instant, node: usize) {
        let (shown, questions, frames, signed) = {
            let mut heard = self.ears[node].lock();
            if heard.shown.is_empty() && heard.frames.is_empty() {
                return;
            }
            let Heard { shown, questions, frames, signed, .. } = &mut *heard;
            (std::mem::take(shown), std::mem::take(questions), std::mem::take(frames), std::mem::take(signed))
        };
        for version in signed {
            self.mesh.announced.entry((node, version)).or_insert(None);
        }
        for (name, bytes) in frames {
            self.mesh.frames.entry((now.as_millis() / 1_000, name)).or_default().add(bytes);
        }
        self.mesh.shown.extend(shown.iter().map(|body| Shown { t: now, node, bytes: body.len() }));
        for id in questions {
            let Some(asker) = self.number(&id.origin) else { continue };
            let fresh = Question { first: now, last: now, frames: 0 };
            let question = self.mesh.questions.entry((asker, id.number)).or_insert(fresh);
            question.frames += 1;
            question.last = now;
        }
    }

    /// Bytes leave a node.
    pub(crate) fn transmitted(&mut self, now: Instant, bytes: usize) {
        self.mesh.traffic.entry(now.as_millis() / 1_000).or_default().add(bytes as u64);
    }

    /// Something goes into the history of a node.
    pub(crate) fn happens(&mut self, node: usize, what: &What) {
        match what {
            What::Started { .. } => self.met.retain(|(one, other)| *one != node && *other != node),
            What::PeerUp { peer: Some(peer) } => {
                self.met.insert((node, *peer));
                self.ears[node].lock().ways_changed = true;
            }
            _ => {}
        }
    }

    /// The ways of a node are these from now on; none where it does not run.
    pub(crate) fn set_routes(&mut self, node: usize, routes: &[(NodeId, RouteInfo)]) {
        let mut row = vec![None; self.next_hops.len()];
        for (destination, route) in routes {
            if let Some(destination) = self.number(destination) {
                row[destination] = self.number(&route.next_hop);
            }
        }
        self.next_hops[node] = row;
    }

    /// Follows the next hops from a node to every other one, and writes down each circle that is met.
    pub(crate) fn look_for_loops(&mut self, now: Instant, from: usize) {
        for destination in 0..self.next_hops.len() {
            if let Some(circle) = self.circle(from, destination)
                && self.loops_seen.insert((destination, circle.clone()))
            {
                self.mesh.loops.push(Loop { t: now, destination, circle });
            }
        }
    }

    /// A new circle must go through the node whose ways have changed.
    fn circle(&self, from: usize, destination: usize) -> Option<Vec<usize>> {
        let mut circle = vec![from];
        let mut at = from;
        while at != destination {
            let next = self.next_hops[at][destination]?;
            if !self.met.contains(&(at, next)) {
                return None;
            }
            at = next;
            if at == from {
                let smallest = circle.iter().enumerate().min_by_key(|(_, node)| **node)?.0;
                circle.rotate_left(smallest);
                return Some(circle);
            }
            if circle.contains(&at) {
                return None;
            }
            circle.push(at);
        }
        None
    }

    /// What a node has of another one, or of itself.
    fn owner(&self, said: &NodeDescription) -> Option<(usize, Owner)> {
        let owner = Owner { version: version(said), fingerprint: fingerprint(said), visible: said.visible };
        Some((self.number(&said.node)?, owner))
    }

    /// Ways by the numbers of nodes.
    pub(crate) fn routes(&self, routes: &[(NodeId, RouteInfo)]) -> BTreeMap<usize, Route> {
        let route = |(destination, route): &(NodeId, RouteInfo)| {
            let next_hop = self.number(&route.next_hop)?;
            Some((self.number(destination)?, Route { next_hop, hops: route.hops }))
        };
        routes.iter().filter_map(route).collect()
    }

    /// How a node sees the others.
    pub(crate) fn statuses(&self, node: usize, nodes: &[NodeInfo]) -> BTreeMap<usize, NodeStatus> {
        let others = nodes.iter().filter_map(|info| Some((self.number(&info.node)?, info.status)));
        others.filter(|(other, _)| *other != node).collect()
    }

    /// Everything that a node knows, where it can be asked like this.
    pub(crate) fn note_sight(&mut self, node: usize, pools: &BTreeSet<u32>, asked: &dyn Asked) {
        let described = self.numbers.keys().filter_map(|id| asked.describe(id));
        let owners = described.filter_map(|said| self.owner(&said)).collect();
        let providers = |pool: &u32| {
            let found = asked.providers(&payload::pool_action(*pool)).into_iter();
            let running = found.filter(|(_, entry)| entry.state.takes_calls());
            let mut nodes: Vec<usize> = running.filter_map(|(id, _)| self.number(&id)).collect();
            nodes.sort_unstable();
            (*pool, nodes)
        };
        let sight = Sight {
            owners,
            routes: self.routes(&asked.routes()),
            statuses: self.statuses(node, &asked.nodes()),
            providers: pools.iter().map(providers).collect(),
        };
        self.mesh.at_end.insert(node, sight);
    }
}

/// What can be asked of a node, whether it is an engine or has a driver.
pub(crate) trait Asked {
    fn describe(&self, node: &NodeId) -> Option<NodeDescription>;
    fn routes(&self) -> Vec<(NodeId, RouteInfo)>;
    fn nodes(&self) -> Vec<NodeInfo>;
    fn providers(&self, action: &str) -> Vec<(NodeId, ProviderEntry)>;
}

impl Asked for Engine {
    fn describe(&self, node: &NodeId) -> Option<NodeDescription> {
        Engine::describe(self, node)
    }

    fn routes(&self) -> Vec<(NodeId, RouteInfo)> {
        Engine::routes(self)
    }

    fn nodes(&self) -> Vec<NodeInfo> {
        Engine::nodes(self)
    }

    fn providers(&self, action: &str) -> Vec<(NodeId, ProviderEntry)> {
        Engine::providers(self, action)
    }
}

impl Asked for Node {
    fn describe(&self, node: &NodeId) -> Option<NodeDescription> {
        Node::describe(self, *node)
    }

    fn routes(&self) -> Vec<(NodeId, RouteInfo)> {
        Node::routes(self)
    }

    fn nodes(&self) -> Vec<NodeInfo> {
        Node::nodes(self)
    }

    fn providers(&self, action: &str) -> Vec<(NodeId, ProviderEntry)> {
        Node::providers(self, action)
    }
}

/// The pools of a run.
pub(crate) fn pools(run: &Run) -> BTreeSet<u32> {
    let pool = |item: &Item| match item {
        Item::Serve(item) => Some(item.pool),
        _ => None,
    };
    run.items.iter().filter_map(pool).collect()
}

fn version(said: &NodeDescription) -> Version {
    Version { incarnation: said.incarnation.get(), sequence: said.sequence }
}

/// A number for everything that an owner says of itself, and for nothing that depends on who has heard it.
fn fingerprint(said: &NodeDescription) -> u64 {
    let NodeDescription { public_key, label, addrs, subnet, capabilities, providers, aliases, .. } = said;
    let text = format!(
        "{public_key:?} {label:?} {addrs:?} {subnet:?} {} {providers:?} {aliases:?}",
        capabilities.to_json()
    );
    let hash = blake3::hash(text.as_bytes());
    let (first, _) = hash.as_bytes().split_first_chunk().expect("a hash has 32 bytes");
    u64::from_le_bytes(*first)
}
