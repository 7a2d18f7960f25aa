//! What the scenarios stand on: networks, nodes, and an end to all waiting.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unused_async,
    reason = "each test binary uses a part of it"
)]

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use lacewing::crypto::RustCrypto;
use lacewing::{
    Builder, CapabilitySet, Codec, Event, Events, Identity, MemoryNetwork, Node, Payload, Predicate, Request,
    TcpTransport, Timing,
};

pub const NETWORK_KEY: [u8; 32] = [0x5a; 32];
/// Far longer than anything here takes; reaching it is a failure, not a wait.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Where nodes meet.
#[derive(Clone)]
pub enum Stage {
    Memory(MemoryNetwork),
    Tcp,
}

impl Stage {
    pub fn memory() -> Self {
        Self::Memory(MemoryNetwork::new())
    }

    /// A builder for a node on this stage, which listens nowhere and dials quickly.
    pub fn builder(&self, name: &str) -> Builder {
        let timing = Timing {
            backoff_min: Duration::from_millis(10),
            backoff_max: Duration::from_millis(100),
            ..Timing::default()
        };
        let builder = Node::builder().name(name).network_key(NETWORK_KEY).timing(timing);
        match self {
            Self::Memory(network) => builder.transport(network.clone()),
            Self::Tcp => builder.transport(TcpTransport),
        }
    }

    /// A node that others can dial.
    pub async fn server(&self, name: &str) -> Node {
        self.builder(name).listen("127.0.0.1:0").start().await.unwrap()
    }

    /// A node that dials the others, and is up with all of them when this returns.
    pub async fn client(&self, name: &str, servers: &[&Node]) -> Node {
        let mut builder = self.builder(name);
        for server in servers {
            builder = builder.peer(addr_of(server));
        }
        let node = builder.start().await.unwrap();
        for server in servers {
            meet(&node, server).await;
        }
        node
    }

    /// So many nodes, of which each pair `(a, b)` is linked by `a` dialling `b`. Everybody knows that everybody is up when this
    /// returns.
    pub async fn mesh(&self, nodes: usize, links: &[(usize, usize)]) -> Vec<Node> {
        let mut mesh = Vec::new();
        for number in 0..nodes {
            mesh.push(self.server(&format!("node-{number}")).await);
        }
        for (a, b) in links {
            mesh[*a].connect(addr_of(&mesh[*b]).parse().unwrap()).unwrap();
        }
        know_each_other(&mesh).await;
        mesh
    }

    /// Nodes of which each is linked to the next and to no other.
    pub async fn line(&self, nodes: usize) -> Vec<Node> {
        let links: Vec<_> = (1..nodes).map(|node| (node - 1, node)).collect();
        self.mesh(nodes, &links).await
    }

    /// A line whose ends are linked too.
    pub async fn ring(&self, nodes: usize) -> Vec<Node> {
        let links: Vec<_> = (0..nodes).map(|node| (node, (node + 1) % nodes)).collect();
        self.mesh(nodes, &links).await
    }
}

/// Waits until each of them knows that all of them are up, and what they say of themselves.
pub async fn know_each_other(mesh: &[Node]) {
    for node in mesh {
        for other in mesh {
            within(node.wait_for_node(other.node_id())).await.unwrap();
            let described = |node: &Node| node.describe(other.node_id()).map(drop);
            within(node.wait_until(described)).await.unwrap();
        }
    }
}

/// A set with these tags.
pub fn tags(tags: &[&str]) -> CapabilitySet {
    let mut set = CapabilitySet::new();
    for tag in tags {
        set.insert_user_tag(tag).unwrap();
    }
    set
}

pub fn predicate(text: &str) -> Predicate {
    text.parse().unwrap()
}

pub fn addr_of(node: &Node) -> String {
    node.local_addr().unwrap().to_string()
}

/// Waits until each sees the other.
pub async fn meet(one: &Node, other: &Node) {
    within(one.wait_for_peer(other.node_id())).await.unwrap();
    within(other.wait_for_peer(one.node_id())).await.unwrap();
}

pub fn identity(secret: u8) -> Identity {
    Identity::from_secret([secret; 32], Arc::new(RustCrypto))
}

pub fn json(text: &str) -> Payload {
    Payload { codec: Codec::Json, data: text.to_owned().into() }
}

/// The work's result, or a failed test.
pub async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("this should not take a minute")
}

/// The first event that `pick` wants.
pub async fn event<T>(events: &mut Events, mut pick: impl FnMut(Event) -> Option<T>) -> T {
    within(async {
        loop {
            let event = events.recv().await.expect("the node is still up");
            if let Some(found) = pick(event) {
                return found;
            }
        }
    })
    .await
}

/// Waits until `done`, looking again whenever something happened to the node, and every now and then.
pub async fn until(mut done: impl FnMut() -> bool) {
    within(async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

pub fn counter(node: &Node, name: &str) -> u64 {
    node.counters().iter().find(|(counter, _)| counter == name).map_or(0, |(_, count)| *count)
}

/// A handler that gives back what it gets.
pub async fn echo(request: Request) -> Result<Payload, lacewing::Error> {
    Ok(request.payload)
}

/// Runs each scenario on the in-process network and over real TCP, on current-thread and multi-thread runtimes.
#[macro_export]
macro_rules! scenarios {
    ($($name:ident),+ $(,)?) => {
        mod in_memory {
            $(#[tokio::test]
            async fn $name() { super::$name($crate::stage::Stage::memory()).await; })+
        }
        mod over_tcp {
            $(#[tokio::test]
            async fn $name() { super::$name($crate::stage::Stage::Tcp).await; })+
        }
        mod on_several_threads {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
            async fn $name() { super::$name($crate::stage::Stage::Tcp).await; })+
        }
    };
}
