//! Commands and getters that have to do with the mesh: what this node offers, who else is there, and whom a call goes to.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Deref;

use super::{
    Call, DirectoryError, Engine, Lifecycle, NodeDescription, NodeStatus, OpId, ProviderEntry, ProviderState,
    RouteInfo, ServeError, Target,
};
use crate::capability::{CapabilitySet, Filter, ScopeQuery, SubnetId};
use crate::code::{Code, Error, Kind};
use crate::delivery::selector::{Candidate, Selector};
use crate::directory::Provider;
use crate::identity::{Incarnation, NodeId, NodeLabel};
use crate::machine::Cx;
use crate::predicate::Predicate;
use crate::time::Instant;
use crate::wire::path::ActionPath;

/// A node of the mesh, this one included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    /// Who it is.
    pub node: NodeId,
    /// Which of its lives.
    pub incarnation: Incarnation,
    /// How it is.
    pub status: NodeStatus,
    /// What people call it, where it has said so.
    pub label: Option<NodeLabel>,
    /// The way there; `None` for this node itself, and where no path leads.
    pub route: Option<RouteInfo>,
    /// How many actions it offers.
    pub actions: usize,
}

/// What a node is looked for by. All that is given must hold; the default finds every node but subnet-local ones.
///
/// ```
/// use lacewing_core::engine::Query;
///
/// let query = Query { predicate: Some("hardware.memory_gb >= 64".parse().unwrap()), ..Query::default() };
/// assert!(query.filter.require_tags.is_empty());
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// Tags, models, tools and sizes.
    pub filter: Filter,
    /// Anything else.
    pub predicate: Option<Predicate>,
    /// Tenants, regions or the own subnet.
    pub scope: ScopeQuery,
}

impl From<Predicate> for Query {
    fn from(predicate: Predicate) -> Self {
        Self { predicate: Some(predicate), ..Self::default() }
    }
}

impl From<Filter> for Query {
    fn from(filter: Filter) -> Self {
        Self { filter, ..Self::default() }
    }
}

/// Whom a call is for. A call to one node should not allocate a list of it.
pub(super) enum Nodes {
    One([NodeId; 1]),
    Several(Vec<NodeId>),
}

impl Deref for Nodes {
    type Target = [NodeId];

    fn deref(&self) -> &[NodeId] {
        match self {
            Self::One(node) => node,
            Self::Several(nodes) => nodes,
        }
    }
}

/// The macro's borrow of what every command hands on.
macro_rules! cx {
    ($engine:ident) => {
        &mut Cx { now: $engine.now, trace: &mut *$engine.trace, counters: &mut $engine.counters }
    };
}

impl Engine {
    // --- what this node offers

    /// Starts to serve an action and announces it. Paths that begin with `$` are for this node alone and not announced.
    pub fn serve(&mut self, now: Instant, action: &str) -> Result<Arc<ActionPath>, ServeError> {
        let path: ActionPath = action.parse().map_err(|error| ServeError::Path(alloc::format!("{error}")))?;
        self.serve_as(now, ProviderEntry::new(path))
    }

    /// Starts to serve an action, with what others are told of it.
    pub fn serve_as(&mut self, now: Instant, entry: ProviderEntry) -> Result<Arc<ActionPath>, ServeError> {
        self.advance(now);
        let path = self.delivery.serve(entry.path.as_str(), entry.shape)?;
        self.delivery.set_takes_calls(cx!(self), path.as_str(), entry.state.takes_calls());
        if let Err(error) = self.announce(entry) {
            self.delivery.unserve(cx!(self), path.as_str());
            return Err(ServeError::Announcement(error.to_string()));
        }
        self.settle();
        Ok(path)
    }

    /// Says something else of an action that is served: its schema, version, load or state. A paused or draining one refuses
    /// new calls, local ones too.
    pub fn update_action(&mut self, now: Instant, entry: ProviderEntry) -> Result<(), Error> {
        self.advance(now);
        let path = entry.path.clone();
        if !self.delivery.serves(path.as_str()) {
            let text = alloc::format!("this node does not serve {}", path.as_str());
            return Err(Error::new(Code::NotFound, text));
        }
        let takes_calls = entry.state.takes_calls();
        self.announce(entry).map_err(|error| refused(&error))?;
        self.delivery.set_takes_calls(cx!(self), path.as_str(), takes_calls);
        self.settle();
        Ok(())
    }

    /// Pauses an action, lets it drain, or lets it run again.
    pub fn set_action_state(
        &mut self,
        now: Instant,
        action: &str,
        state: ProviderState,
    ) -> Result<(), Error> {
        let path: ActionPath =
            action.parse().map_err(|error| Error::new(Code::InvalidArgument, alloc::format!("{error}")))?;
        let known = self.directory.own_provider(action).cloned();
        self.update_action(now, ProviderEntry { state, ..known.unwrap_or_else(|| ProviderEntry::new(path)) })
    }

    /// Serves an action no more. Requests that were handed over may still be answered. `false` if it was not served.
    pub fn unserve(&mut self, now: Instant, action: &str) -> bool {
        self.advance(now);
        let was_served = self.delivery.unserve(cx!(self), action);
        self.directory.remove_provider(cx!(self), action);
        self.settle();
        was_served
    }

    fn announce(&mut self, entry: ProviderEntry) -> Result<(), DirectoryError> {
        if entry.path.as_str().starts_with('$') {
            return entry.check().map_err(DirectoryError::from);
        }
        self.directory.put_provider(cx!(self), entry)
    }

    /// Says what this node can do, in place of what it said before.
    pub fn set_capabilities(&mut self, now: Instant, capabilities: CapabilitySet) -> Result<(), Error> {
        self.advance(now);
        let result = self.directory.set_capabilities(cx!(self), capabilities);
        self.settle();
        result.map_err(|error| refused(&error))
    }

    /// What this node says that it can do.
    pub fn capabilities(&self) -> &CapabilitySet {
        self.directory.capabilities()
    }

    /// Says in which subnet this node is. 0 is global, and what it is at first.
    pub fn set_subnet(&mut self, now: Instant, subnet: SubnetId) -> Result<(), Error> {
        self.advance(now);
        let result = self.directory.set_subnet(cx!(self), subnet.to_bits());
        self.settle();
        result.map_err(|error| refused(&error))
    }

    /// Gives this node one more name. Names need not be unique.
    pub fn add_alias(&mut self, now: Instant, alias: &str) -> Result<(), Error> {
        self.advance(now);
        let result = self.directory.put_alias(cx!(self), alias);
        self.settle();
        result.map_err(|error| refused(&error))
    }

    /// Takes a name of this node back. `false` if it did not have it.
    pub fn remove_alias(&mut self, now: Instant, alias: &str) -> bool {
        self.advance(now);
        let removed = self.directory.remove_alias(cx!(self), alias);
        self.settle();
        removed
    }

    /// Tells others where this node can be dialled, once that is known better.
    pub(super) fn announce_addresses(&mut self) {
        // A node that leaves has taken back everything that it said.
        if self.lifecycle != Lifecycle::Running {
            return;
        }
        let addrs = self.links.addresses();
        // More than fit are never known: links keep at most as many as a HELLO takes.
        let announced = self.directory.set_addresses(cx!(self), addrs);
        debug_assert!(announced.is_ok(), "addresses of a HELLO fit a node record: {announced:?}");
    }

    // --- who else is there

    /// Every node of the mesh that this one knows, itself included, in the order of their ids.
    pub fn nodes(&self) -> Vec<NodeInfo> {
        let own = (self.node_id, NodeStatus::Up, self.incarnation());
        let mut nodes: Vec<_> = self.membership.nodes().chain([own]).collect();
        nodes.sort_unstable_by_key(|(node, ..)| *node);
        nodes.into_iter().map(|(node, status, incarnation)| self.info(node, status, incarnation)).collect()
    }

    fn info(&self, node: NodeId, status: NodeStatus, incarnation: Incarnation) -> NodeInfo {
        let said = self.directory.describe(self.now, &node);
        NodeInfo {
            node,
            incarnation,
            status,
            route: self.routing.route(&node),
            actions: said.as_ref().map_or(0, |said| said.providers.len()),
            label: said.and_then(|said| said.label),
        }
    }

    /// Everything that a node says of itself.
    pub fn describe(&self, node: &NodeId) -> Option<NodeDescription> {
        self.directory.describe(self.now, node)
    }

    /// How a node of the mesh is; `None` for one that was never up.
    pub fn node_status(&self, node: &NodeId) -> Option<NodeStatus> {
        if *node == self.node_id {
            return Some(NodeStatus::Up);
        }
        self.membership.status(node).map(|(status, _)| status)
    }

    /// Whether this node knows what its neighbours know: it has one, views have been compared on each link, and nothing that
    /// was found lacking is awaited.
    pub fn is_view_compared(&self) -> bool {
        self.directory.is_view_compared()
    }

    /// The way to a node; `None` for this node itself, and where no path leads.
    pub fn route(&self, node: &NodeId) -> Option<RouteInfo> {
        self.routing.route(node)
    }

    /// Every node that a path leads to, with the way, in the order of their ids.
    pub fn routes(&self) -> Vec<(NodeId, RouteInfo)> {
        self.routing.routes().collect()
    }

    /// Who goes by a name, the smallest id first: the node whose id it is, written out; else all that have it as an alias; else
    /// all that have it as their label.
    pub fn resolve(&self, name: &str) -> Vec<NodeId> {
        self.directory.resolve(name)
    }

    /// The nodes that a query finds, this one included if it matches, in the order of their ids.
    pub fn find(&self, query: &Query) -> Vec<NodeId> {
        self.directory.find(&query.filter, query.predicate.as_ref(), &query.scope)
    }

    /// Who is known to serve an action, in the order of their ids, with what they say of it.
    pub fn providers(&self, action: &str) -> Vec<(NodeId, ProviderEntry)> {
        let found = self.directory.providers(action);
        found.into_iter().map(|provider| (provider.node, provider.entry.clone())).collect()
    }

    // --- whom a call goes to

    pub(super) fn start_call(&mut self, call: Call<'_>) -> Result<OpId, Error> {
        let mut call = call;
        if let Some(policy) = call.options.policy.take() {
            return self.start_policy_call(call, *policy);
        }
        let nodes = self.nodes_for(&call.target, call.action)?;
        self.delivery.call(cx!(self), call, &nodes)
    }

    /// Whom a call is for, best first; nobody where the mesh has to be asked.
    pub(super) fn nodes_for(&mut self, target: &Target, action: &str) -> Result<Nodes, Error> {
        match target {
            Target::Node(node) => {
                if *node != self.node_id && !self.delivery.is_connected(node) {
                    self.check_path(node)?;
                }
                if self.authority.asks_who_serves()
                    && let Ok(path) = action.parse()
                    && self.may_serve(node, &path).is_err()
                {
                    return Err(self.nobody_may_serve(&path, &[*node]));
                }
                Ok(Nodes::One([*node]))
            }
            Target::Any | Target::Select(Selector::LocalFirst) if self.delivery.takes_calls(action) => {
                Ok(Nodes::One([self.node_id]))
            }
            Target::Any => self.choose_nodes(action, &Selector::LocalFirst).map(Nodes::Several),
            Target::Select(selector) => self.choose_nodes(action, selector).map(Nodes::Several),
        }
    }

    /// Those that serve the action, as the selector prefers them; nobody where the mesh has to be asked who they are.
    pub(super) fn choose_nodes(&mut self, action: &str, selector: &Selector) -> Result<Vec<NodeId>, Error> {
        let hops_max = self.config.limits.hops_max;
        let providers = self.directory.providers(action);
        let is_known = !providers.is_empty();
        let running: Vec<_> =
            providers.into_iter().filter(|provider| provider.entry.state.takes_calls()).collect();
        if is_known && running.is_empty() {
            let text = alloc::format!("whoever serves {action} takes no calls at the moment");
            return Err(Error::of_kind(Kind::NotRunning, text));
        }
        let may = |provider: &&Provider<'_>| self.may_serve(&provider.node, &provider.entry.path).is_ok();
        let rightful: Vec<&Provider<'_>> = running.iter().filter(may).collect();
        if is_known && rightful.is_empty() {
            let path = running[0].entry.path.clone();
            let nodes: Vec<NodeId> = running.iter().map(|provider| provider.node).collect();
            return Err(self.nobody_may_serve(&path, &nodes));
        }
        let candidates: Vec<Candidate<'_>> = rightful
            .iter()
            .filter_map(|provider| {
                let node = provider.node;
                let is_local = node == self.node_id;
                let route = self.routing.route(&node);
                let hops = if is_local { 0 } else { route.as_ref()?.hops };
                (hops <= hops_max).then(|| Candidate {
                    node,
                    is_local,
                    hops,
                    round_trip_us: route.and_then(|route| route.rtt_us).map(u64::from),
                    load: provider.entry.load,
                    in_flight: self.delivery.in_flight(&node),
                    capabilities: self.directory.capabilities_of(&node),
                })
            })
            .collect();
        let nodes = self.delivery.choose(selector, action, &candidates);
        if nodes.is_empty() && is_known {
            let text = if candidates.is_empty() {
                alloc::format!("no path leads to any node that serves {action}")
            } else {
                let text = "the selector takes none of the nodes that serve";
                return Err(Error::new(Code::NotFound, alloc::format!("{text} {action}")));
            };
            return Err(Error::of_kind(Kind::Unreachable, text));
        }
        if nodes.is_empty() && !selector.takes_strangers() {
            let text = alloc::format!("no node is known to serve {action}");
            return Err(Error::new(Code::NotFound, text));
        }
        Ok(nodes)
    }
}

fn refused(error: &DirectoryError) -> Error {
    let text: String = error.to_string();
    Error::new(Code::InvalidArgument, text)
}
