//! All that is known of a node, put together for people and for programs.

use lacewing::{
    Node, NodeDescription, NodeId, NodeLabel, NodeStatus, ProviderEntry, RouteInfo, SchemaId, SubnetId,
};
use serde_json::{Value, json};

use crate::outcome::codec_name;

/// All that is known of a node.
pub(crate) struct Portrait {
    pub(crate) node: NodeId,
    pub(crate) incarnation: u64,
    pub(crate) status: NodeStatus,
    pub(crate) route: Option<RouteInfo>,
    /// What it says of itself; `None` where it says nothing.
    pub(crate) said: Option<NodeDescription>,
}

impl Portrait {
    /// All nodes but the visitor itself, in the order of their ids.
    pub(crate) fn all(visitor: &Node) -> Vec<Self> {
        let own = visitor.node_id();
        let others = visitor.nodes().into_iter().filter(|info| info.node != own);
        let portrait = |info: lacewing::NodeInfo| Self {
            node: info.node,
            incarnation: info.incarnation.get(),
            status: info.status,
            route: info.route,
            said: visitor.describe(info.node),
        };
        others.map(portrait).collect()
    }

    pub(crate) fn label(&self) -> Option<&str> {
        self.said.as_ref()?.label.as_ref().map(NodeLabel::as_str)
    }

    /// The stable shape of `--json`.
    pub(crate) fn json(&self) -> Value {
        let said = self.said.as_ref();
        let texts = |items: Vec<String>| items;
        json!({
            "node": self.node.to_string(),
            "label": self.label(),
            "aliases": said.map(|said| said.aliases.clone()).unwrap_or_default(),
            "state": self.status.name(),
            "incarnation": self.incarnation,
            "addrs": texts(said.map(|said| said.addrs.iter().map(ToString::to_string).collect()).unwrap_or_default()),
            "subnet": said.and_then(|said| said.subnet).map(|bits| SubnetId::from_bits(bits).to_string()),
            "tags": said.map(|said| said.capabilities.tags().clone()).unwrap_or_default(),
            "metadata": said.map(|said| said.capabilities.metadata().clone()).unwrap_or_default(),
            "actions": said.map(|said| said.providers.iter().map(action_json).collect::<Vec<_>>()).unwrap_or_default(),
            "route": self.route.as_ref().map(route_json),
            "age_s": said.map(|said| said.age_s),
        })
    }
}

fn action_json(action: &ProviderEntry) -> Value {
    json!({
        "path": action.path.as_str(),
        "shape": action.shape.name(),
        "codec": action.codec.map(codec_name),
        "state": action.state.name(),
        "load": action.load,
        "version": action.version,
        "schema": action.schema.as_ref().map(schema_text),
    })
}

/// The name of a schema, or the digits of its hash.
pub(crate) fn schema_text(schema: &SchemaId) -> String {
    match schema {
        SchemaId::Name(name) => name.clone(),
        SchemaId::Hash(hash) => NodeId::from_bytes(*hash).to_string(),
    }
}

/// The stable shape of a route.
pub(crate) fn route_json(route: &RouteInfo) -> Value {
    json!({
        "hops": route.hops,
        "next_hop": route.next_hop.to_string(),
        "rtt_us": route.rtt_us,
        "metric": route.metric,
        "alternatives": route.alternatives.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// A measured round trip, for people.
pub(crate) fn rtt_text(rtt_us: Option<u32>) -> String {
    match rtt_us {
        None => "-".to_owned(),
        Some(us @ 0..10_000) => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        Some(us) => format!("{} ms", us / 1_000),
    }
}
