//! The part of a node that is about the others: who is there, what they can do, and what this one says of itself.

use std::collections::BTreeSet;
use std::time::Duration;

use lacewing_core::capability::{CapabilitySet, SubnetId};
use lacewing_core::engine::{
    NodeDescription, NodeInfo, NodeStatus, ProviderEntry, ProviderState, Query, RouteInfo,
};
use lacewing_core::{Code, Engine, Error, NodeId};
use tokio::time::{Instant, timeout_at};

use crate::action::Action;
use crate::driver::stopped_error;
use crate::events::Event;
use crate::node::Node;

/// Who else is there.
impl Node {
    /// Every node of the mesh that this one knows, itself included, in the order of their ids. Nodes that are down are shown
    /// until they are forgotten.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lacewing::{MemoryNetwork, Node, NodeStatus, Trust};
    ///
    /// let node = Node::builder().trust(Trust::Open).transport(MemoryNetwork::new()).start().await?;
    /// let nodes = node.nodes();
    /// assert_eq!((nodes[0].node, nodes[0].status), (node.node_id(), NodeStatus::Up));
    /// # Ok(())
    /// # }
    /// ```
    pub fn nodes(&self) -> Vec<NodeInfo> {
        self.driver().inspect(Engine::nodes)
    }

    /// How a node of the mesh is; `None` for one that was never up.
    pub fn node_status(&self, node: NodeId) -> Option<NodeStatus> {
        self.driver().inspect(|engine| engine.node_status(&node))
    }

    /// Everything that a node says of itself: names, addresses, capabilities, actions. `None` for one that says nothing.
    pub fn describe(&self, node: NodeId) -> Option<NodeDescription> {
        self.driver().inspect(|engine| engine.describe(&node))
    }

    /// The nodes that have what is asked for, this one included where it has, in the order of their ids.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lacewing::capability::{CapabilitySet, Filter};
    /// use lacewing::{MemoryNetwork, Node, Predicate, Query, Trust};
    ///
    /// let large = CapabilitySet::new().with_tag("hardware.gpu")?.with_tag("hardware.memory_gb=64")?;
    /// let node =
    ///     Node::builder().trust(Trust::Open).capabilities(large).transport(MemoryNetwork::new()).start().await?;
    /// let wanted: Predicate = "hardware.gpu and hardware.memory_gb >= 32".parse()?;
    /// assert_eq!(node.find(wanted), [node.node_id()]);
    ///
    /// // A filter says the usual things, and a query all that there is to say.
    /// assert_eq!(node.find(Filter { min_memory_gb: Some(128), ..Filter::default() }), []);
    /// assert_eq!(node.find(Query::default()), [node.node_id()]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn find(&self, query: impl Into<Query>) -> Vec<NodeId> {
        let query = query.into();
        self.driver().inspect(|engine| engine.find(&query))
    }

    /// Who goes by a name, the smallest id first: the node whose id it is, written out; else all that have it as an alias; else
    /// all that have it as their label.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lacewing::{MemoryNetwork, Node, Trust};
    ///
    /// let builder = Node::builder().trust(Trust::Open).name("orders@here").alias("orders");
    /// let node = builder.transport(MemoryNetwork::new()).start().await?;
    /// for name in ["orders", "orders@here", &node.node_id().to_string()] {
    ///     assert_eq!(node.resolve(name), [node.node_id()]);
    /// }
    /// assert_eq!(node.resolve("nobody"), []);
    /// # Ok(())
    /// # }
    /// ```
    pub fn resolve(&self, name: &str) -> Vec<NodeId> {
        self.driver().inspect(|engine| engine.resolve(name))
    }

    /// Who is known to serve an action, in the order of their ids, with what they say of it.
    pub fn providers(&self, action: &str) -> Vec<(NodeId, ProviderEntry)> {
        self.driver().inspect(|engine| engine.providers(action))
    }

    /// The way to a node; `None` for this node itself, and where no path leads.
    pub fn route(&self, node: NodeId) -> Option<RouteInfo> {
        self.driver().inspect(|engine| engine.route(&node))
    }

    /// Every node that a path leads to, with the way, in the order of their ids.
    pub fn routes(&self) -> Vec<(NodeId, RouteInfo)> {
        self.driver().inspect(Engine::routes)
    }

    /// Waits until `node` is up, however many links away. Fails only when this node is stopped; put a time-out around it.
    pub async fn wait_for_node(&self, node: NodeId) -> Result<(), Error> {
        self.wait_until(|this| (this.node_status(node) == Some(NodeStatus::Up)).then_some(())).await
    }

    /// Waits until this node knows what its neighbours know: it has a neighbour, has compared views with each that it has,
    /// and has heard of no further node for the time `quiet`. 200 ms is enough for a mesh within a continent.
    ///
    /// For nodes that join to look around. Where there are no neighbours it never ends; put a time-out around it.
    pub async fn wait_until_settled(&self, quiet: Duration) -> Result<(), Error> {
        // Less would not let anything happen in between.
        let quiet = quiet.max(Duration::from_millis(1));
        let mut events = self.events();
        let mut known: BTreeSet<NodeId> = self.nodes().iter().map(|info| info.node).collect();
        let mut quiet_at = Instant::now() + quiet;
        loop {
            let is_news = match timeout_at(quiet_at, events.recv()).await {
                Ok(None | Some(Event::Stopped)) => return Err(stopped_error()),
                Ok(Some(Event::PeerUp(_) | Event::NodeUp { .. })) => true,
                Ok(Some(Event::NodeChanged { node })) => known.insert(node),
                Ok(Some(_)) => false,
                Err(_) if self.driver().inspect(Engine::is_view_compared) => return Ok(()),
                // Nothing tells of the end of a comparison that brought nothing new.
                Err(_) => true,
            };
            if is_news {
                quiet_at = Instant::now() + quiet;
            }
        }
    }
}

/// What this node says of itself.
impl Node {
    /// Says what this node can do, in place of what it said before. The others are told only what has changed.
    pub fn set_capabilities(&self, capabilities: CapabilitySet) -> Result<(), Error> {
        self.driver().command(|engine, now| engine.set_capabilities(now, capabilities))
    }

    /// What this node says that it can do.
    pub fn capabilities(&self) -> CapabilitySet {
        self.driver().inspect(|engine| engine.capabilities().clone())
    }

    /// Says in which subnet this node is.
    pub fn set_subnet(&self, subnet: SubnetId) -> Result<(), Error> {
        self.driver().command(|engine, now| engine.set_subnet(now, subnet))
    }

    /// Gives this node one more name: 1 to 255 bytes without control characters. Several nodes may have the same.
    pub fn add_alias(&self, alias: &str) -> Result<(), Error> {
        self.driver().command(|engine, now| engine.add_alias(now, alias))
    }

    /// Takes a name of this node back. `false`: it did not have it.
    pub fn remove_alias(&self, alias: &str) -> bool {
        self.driver().command(|engine, now| Ok(engine.remove_alias(now, alias))).unwrap_or(false)
    }

    /// Says something else of an action that this node serves: schema, version, load, state. How much of it runs at once changes where
    /// that is said too.
    pub fn update_action(&self, action: impl Into<Action>) -> Result<(), Error> {
        let action: Action = action.into();
        let limits = action.limits();
        let entry = action.entry().map_err(|error| Error::new(Code::InvalidArgument, error.to_string()))?;
        self.driver().command(|engine, now| {
            let path = entry.path.clone();
            engine.update_action(now, entry)?;
            limits.map_or(Ok(()), |limits| engine.limit_action(now, path.as_str(), limits))
        })
    }

    /// Lets an action take no calls for now, from here or elsewhere: they go to another provider, or fail as `Unavailable`
    /// (`not_running`). Those that run are finished.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lacewing::{Kind, MemoryNetwork, Node, Request, Trust};
    ///
    /// let node = Node::builder().trust(Trust::Open).transport(MemoryNetwork::new()).start().await?;
    /// node.serve("echo", async |request: Request| Ok(request.payload))?;
    /// node.pause_action("echo")?;
    /// assert_eq!(node.call("echo", "?").await.unwrap_err().kind(), Some(Kind::NotRunning));
    /// node.resume_action("echo")?;
    /// node.call("echo", "!").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn pause_action(&self, action: &str) -> Result<(), Error> {
        self.set_action_state(action, ProviderState::Paused)
    }

    /// Lets an action take calls again.
    pub fn resume_action(&self, action: &str) -> Result<(), Error> {
        self.set_action_state(action, ProviderState::Running)
    }

    /// As [`pause_action`](Self::pause_action), and says that it will not be back.
    pub fn drain_action(&self, action: &str) -> Result<(), Error> {
        self.set_action_state(action, ProviderState::Draining)
    }

    fn set_action_state(&self, action: &str, state: ProviderState) -> Result<(), Error> {
        self.driver().command(|engine, now| engine.set_action_state(now, action, state))
    }
}
