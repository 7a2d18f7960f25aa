//! How a node is put together.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use lacewing_core::access::AccessPolicy;
use lacewing_core::address::AddressError;
use lacewing_core::capability::{CapabilitySet, SubnetId};
use lacewing_core::config::{Access, Config, NetworkKey, NetworkName, NetworkNameError, RouteMetric};
use lacewing_core::crypto::{CryptoProvider, RustCrypto};
use lacewing_core::identity::LabelError;
use lacewing_core::identity::PublicKey;
#[cfg(lacewing_inject)]
use lacewing_core::machine::NoTrace;
use lacewing_core::machine::Trace;
use lacewing_core::token::Token;
use lacewing_core::{Address, Engine, Error, Identity, Incarnation, Limits, NodeLabel, Timing, Trust};
use tokio::runtime::Handle;

use crate::driver::{Driver, RelayLog};
use crate::metrics::Endpoint;
use crate::node::Node;
use crate::transport::{TcpTransport, Transport};

/// The network of nodes that name none.
const NETWORK_DEFAULT: &str = "lacewing";

/// What a node is started from. Everything but the trust has a default.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), lacewing::StartError> {
/// use lacewing::{MemoryNetwork, Node, StartError};
///
/// // Whom to let in is the one thing that nobody else can decide.
/// let error = Node::builder().transport(MemoryNetwork::new()).start().await.unwrap_err();
/// assert!(matches!(error, StartError::NoTrust));
///
/// let node = Node::builder()
///     .name("orders@here")
///     .network("shop")
///     .network_key([7; 32])
///     .listen("orders:7400")
///     .transport(MemoryNetwork::new())
///     .start()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until it is started"]
pub struct Builder {
    name: Option<String>,
    network: String,
    listen: Vec<String>,
    peers: Vec<String>,
    capabilities: CapabilitySet,
    aliases: Vec<String>,
    subnet: SubnetId,
    metrics: Option<SocketAddr>,
    metrics_exposed: bool,
    trust: Option<Trust>,
    access: Access,
    route_metric: RouteMetric,
    limits: Limits,
    timing: Timing,
    identity: Option<Identity>,
    incarnation: Option<Incarnation>,
    unix_ms: Option<u64>,
    seed: Option<[u8; 32]>,
    transport: Arc<dyn Transport>,
    crypto: Arc<dyn CryptoProvider>,
    trace: Box<dyn Trace>,
    #[cfg(lacewing_inject)]
    driver_trace: Box<dyn Trace>,
}

/// Why a node could not be started. Nothing is left behind then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Nobody said whom to let in.
    #[error(
        "no trust is configured: give a network key (`network_key`), pinned public keys (`trust(Trust::PinnedKeys {{ .. }})`), \
         issuers of membership tokens (`trust(Trust::Tokens {{ .. }})`), or \
         ask for `trust(Trust::Open)`, which lets everybody in"
    )]
    NoTrust,
    /// The name cannot be a label.
    #[error("the name {name:?} cannot be used: {reason}")]
    Name {
        /// What was given.
        name: String,
        /// What is wrong with it.
        reason: LabelError,
    },
    /// The network's name cannot be one.
    #[error("the network {network:?} cannot be used: {reason}")]
    Network {
        /// What was given.
        network: String,
        /// What is wrong with it.
        reason: NetworkNameError,
    },
    /// Limits or times with which a node could not work.
    #[error("the configuration cannot work: {0}")]
    Config(#[from] lacewing_core::config::ConfigError),
    /// An address to listen on, or of a peer, is none.
    #[error("the address {addr:?} cannot be used: {reason}")]
    Address {
        /// What was given.
        addr: String,
        /// What is wrong with it.
        reason: AddressError,
    },
    /// An address cannot be listened on.
    #[error("cannot listen on {addr}: {}", bind_text(.source))]
    Listen {
        /// Which one.
        addr: Address,
        /// What the system says.
        source: io::Error,
    },
    /// A peer cannot be dialled: there are too many of them.
    #[error("cannot dial {addr}: {reason}")]
    Peer {
        /// Which one.
        addr: Address,
        /// What the engine says.
        reason: Error,
    },
    /// The address for metrics cannot be listened on.
    #[error("cannot listen on {addr} for metrics: {}", bind_text(.source))]
    Metrics {
        /// Which one.
        addr: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// Others could read the metrics.
    #[error(
        "metrics at {0} could be read by other machines: there is no authentication; take an address like 127.0.0.1:9464, or expose \
         them on purpose (`metrics_exposed_at`, `--metrics-exposed`)"
    )]
    MetricsExposed(SocketAddr),
    /// An alias cannot be one, or the node would say more of itself than its limits allow.
    #[error("the node cannot say that of itself: {0}")]
    Introduction(Error),
    /// The system has no randomness to give.
    #[error("the operating system gives no randomness: {0}")]
    Entropy(String),
    /// `start` was polled outside a tokio runtime.
    #[error("a node runs as tasks of a tokio runtime, and there is none here")]
    NoRuntime,
}

/// The usual failures in words that say what would help.
fn bind_text(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "the address is in use already".to_owned(),
        io::ErrorKind::AddrNotAvailable => "no interface of this machine has that address".to_owned(),
        io::ErrorKind::PermissionDenied => "not permitted; ports below 1024 need privileges".to_owned(),
        _ => error.to_string(),
    }
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            name: None,
            network: NETWORK_DEFAULT.to_owned(),
            listen: Vec::new(),
            peers: Vec::new(),
            capabilities: CapabilitySet::new(),
            aliases: Vec::new(),
            subnet: SubnetId::GLOBAL,
            metrics: None,
            metrics_exposed: false,
            trust: None,
            access: Access::default(),
            route_metric: RouteMetric::default(),
            limits: Limits::default(),
            timing: Timing::default(),
            identity: None,
            incarnation: None,
            unix_ms: None,
            seed: None,
            transport: Arc::new(TcpTransport),
            crypto: Arc::new(RustCrypto),
            trace: Box::new(RelayLog),
            #[cfg(lacewing_inject)]
            driver_trace: Box::new(NoTrace),
        }
    }

    /// What people call this node, usually `name@host`. Names need not be unique. Default: the start of the node's id.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The name of the network. Nodes of another one cannot finish a handshake with this one. Default: `lacewing`.
    pub fn network(mut self, network: impl Into<String>) -> Self {
        self.network = network.into();
        self
    }

    /// Listens on `host:port`; port 0 asks for a free one. May be given several times. Default: not at all.
    pub fn listen(mut self, addr: impl Into<String>) -> Self {
        self.listen.push(addr.into());
        self
    }

    /// Dials `host:port` for as long as the node lives. May be given several times. The peer need not be there yet.
    pub fn peer(mut self, addr: impl Into<String>) -> Self {
        self.peers.push(addr.into());
        self
    }

    /// What the node can do, for others to find. Default: nothing is said.
    pub fn capabilities(mut self, capabilities: CapabilitySet) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// One more name that the node goes by, besides that of [`name`](Self::name). May be given several times; several nodes
    /// may have the same.
    pub fn alias(mut self, alias: impl Into<String>) -> Self {
        self.aliases.push(alias.into());
        self
    }

    /// The subnet that the node is in. Default: the whole mesh.
    pub fn subnet(mut self, subnet: SubnetId) -> Self {
        self.subnet = subnet;
        self
    }

    /// Serves what the node measures at `http://ADDR/metrics` and `http://ADDR/metrics/neighbours`, in the text format of Prometheus; port
    /// 0 asks for a free one. There is no authentication, so only an address of this machine alone is taken ([`StartError::MetricsExposed`]
    /// otherwise). Default: not at all.
    pub fn metrics_at(mut self, addr: SocketAddr) -> Self {
        (self.metrics, self.metrics_exposed) = (Some(addr), false);
        self
    }

    /// The same at any address: whoever can reach it reads the names of nodes and actions, and how much they do.
    pub fn metrics_exposed_at(mut self, addr: SocketAddr) -> Self {
        (self.metrics, self.metrics_exposed) = (Some(addr), true);
        self
    }

    /// What makes a route good; all nodes of a network should agree. Default: measured round trips.
    pub fn route_metric(mut self, route_metric: RouteMetric) -> Self {
        self.route_metric = route_metric;
        self
    }

    /// Whom to let in.
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = Some(trust);
        self
    }

    /// How many neighbours the node wants. While it has fewer, it dials nodes that it has heard of, chosen at random, so that the mesh
    /// stays whole when the peers die that it came together through. 3 or 4 is enough for hundreds of nodes, since
    /// everybody can be reached through others. Default: 0, only the peers that are named, and whoever dials this node.
    pub fn neighbours(mut self, neighbours: usize) -> Self {
        self.limits.neighbours_sought = neighbours;
        self
    }

    /// Who may do what on this node. Default: everybody who is let in may do everything, but on paths that begin with `$`.
    pub fn access(mut self, policy: AccessPolicy) -> Self {
        self.access.policy = policy;
        self
    }

    /// An issuer whose tokens count on this node, from this generation on. It can be given more than once.
    pub fn issuer(mut self, issuer: PublicKey, generation_min: u64) -> Self {
        self.access.issuers.push((issuer, generation_min));
        self
    }

    /// A token of this node, which it shows to every node that it has to do with. It can be given more than once; later ones come
    /// by [`Node::add_token`].
    pub fn token(mut self, token: Token) -> Self {
        self.access.tokens.push(token);
        self
    }

    /// Lets in whoever holds the same 32 random bytes.
    pub fn network_key(self, key: [u8; 32]) -> Self {
        self.trust(Trust::NetworkKey(NetworkKey::new(key)))
    }

    /// Caps on everything that can grow.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Intervals and time-outs.
    pub fn timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// Who this node is. Default: a fresh random key, so a new node at each start.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Which life of its identity this is. Default: the milliseconds since 1970, which is right as long as the clock never goes
    /// back; who wants to be sure keeps the last one on disk and gives [`Incarnation::at_boot`] of it.
    pub fn incarnation(mut self, incarnation: Incarnation) -> Self {
        self.incarnation = Some(incarnation);
        self
    }

    /// What carries the links. Default: [`TcpTransport`].
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transport = Arc::new(transport);
        self
    }

    /// Another implementation of the same cryptography.
    pub fn crypto(mut self, crypto: Arc<dyn CryptoProvider>) -> Self {
        self.crypto = crypto;
        self
    }

    /// The present as milliseconds since 1970, for simulations; it matters for the default incarnation and for tokens.
    #[doc(hidden)]
    pub fn unix_ms(mut self, unix_ms: u64) -> Self {
        self.unix_ms = Some(unix_ms);
        self
    }

    /// All randomness of the node, for simulations. Two nodes with the same seed have the same keys, so in production it must be
    /// 32 bytes from the operating system, used once; which is the default.
    #[doc(hidden)]
    pub fn seed(mut self, seed: [u8; 32]) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Where the engine leaves its coverage marks and asks its fault sites, for simulations.
    #[doc(hidden)]
    pub fn trace(mut self, trace: Box<dyn Trace>) -> Self {
        self.trace = trace;
        self
    }

    /// Whom the driver asks which of its own bugs, `lacewing::DRIVER_BUGS`, are switched on.
    #[cfg(lacewing_inject)]
    #[doc(hidden)]
    pub fn driver_trace(mut self, trace: Box<dyn Trace>) -> Self {
        self.driver_trace = trace;
        self
    }

    /// Listens, starts the node's tasks on the current tokio runtime, and starts to dial.
    pub async fn start(self) -> Result<Node, StartError> {
        let runtime = Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        let trust = self.trust.ok_or(StartError::NoTrust)?;
        let network = self
            .network
            .parse::<NetworkName>()
            .map_err(|reason| StartError::Network { network: self.network.clone(), reason })?;
        let listen = parse_addresses(&self.listen)?;
        let peers = parse_addresses(&self.peers)?;
        let identity = match self.identity {
            Some(identity) => identity,
            None => Identity::from_secret(entropy()?, Arc::clone(&self.crypto)),
        };
        let label = label(self.name, &identity)?;
        let mut config = Config {
            network,
            trust,
            access: self.access,
            route_metric: self.route_metric,
            label,
            // Known once they are listened on.
            listen: Vec::new(),
            limits: self.limits,
            timing: self.timing,
            crypto: self.crypto,
        };
        config.check()?;
        let seed = self.seed.map_or_else(entropy, Ok)?;
        let incarnation = self
            .incarnation
            .unwrap_or_else(|| Incarnation::at_boot(None, self.unix_ms.unwrap_or_else(unix_ms_now)));

        let mut listeners = Vec::with_capacity(listen.len());
        for addr in listen {
            let bound = self.transport.bind(&addr).await;
            listeners.push(bound.map_err(|source| StartError::Listen { addr, source })?);
        }
        let metrics = endpoint(self.metrics, self.metrics_exposed).await?;
        let local_addrs: Vec<SocketAddr> = listeners.iter().map(|listener| listener.local_addr()).collect();

        config.listen = local_addrs.iter().copied().map(Address::from).collect();
        let config = Arc::new(config);
        let trace = self.trace;
        let engine = |now| Engine::new(config, identity, incarnation, now, seed, trace);
        let driver = Driver::new(
            engine,
            #[cfg(lacewing_inject)]
            self.driver_trace,
            self.transport,
            runtime,
        );
        // From here on dropping the node closes what was opened.
        let metrics_addr = metrics.as_ref().map(Endpoint::local_addr);
        let node = Node::new(Arc::clone(&driver), local_addrs, metrics_addr);
        match self.unix_ms {
            Some(unix_ms) => driver.tell_time(|| unix_ms),
            None => driver.follow_time(unix_ms_now),
        }
        introduce(&driver, self.capabilities, &self.aliases, self.subnet)?;
        for addr in peers {
            node.connect(addr.clone()).map_err(|reason| StartError::Peer { addr, reason })?;
        }
        driver.run(listeners, metrics);
        Ok(node)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("network", &self.network)
            .field("listen", &self.listen)
            .field("peers", &self.peers)
            .finish_non_exhaustive()
    }
}

/// Listens for whoever collects metrics, if that is wanted.
async fn endpoint(addr: Option<SocketAddr>, exposed: bool) -> Result<Option<Endpoint>, StartError> {
    let Some(addr) = addr else { return Ok(None) };
    if !exposed && !addr.ip().is_loopback() {
        return Err(StartError::MetricsExposed(addr));
    }
    let bound = Endpoint::bind(addr).await;
    bound.map(Some).map_err(|source| StartError::Metrics { addr, source })
}

fn parse_addresses(texts: &[String]) -> Result<Vec<Address>, StartError> {
    let parse =
        |text: &String| text.parse().map_err(|reason| StartError::Address { addr: text.clone(), reason });
    texts.iter().map(parse).collect()
}

fn label(name: Option<String>, identity: &Identity) -> Result<NodeLabel, StartError> {
    let name = name.unwrap_or_else(|| identity.node_id().short().to_string());
    name.parse().map_err(|reason| StartError::Name { name, reason })
}

/// Says what the node was told to say of itself, in one announcement.
fn introduce(
    driver: &Arc<Driver>,
    capabilities: CapabilitySet,
    aliases: &[String],
    subnet: SubnetId,
) -> Result<(), StartError> {
    let introduced = driver.command(|engine, now| {
        if !capabilities.is_empty() {
            engine.set_capabilities(now, capabilities)?;
        }
        if subnet != SubnetId::GLOBAL {
            engine.set_subnet(now, subnet)?;
        }
        aliases.iter().try_for_each(|alias| engine.add_alias(now, alias))
    });
    introduced.map_err(StartError::Introduction)
}

fn entropy() -> Result<[u8; 32], StartError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| StartError::Entropy(error.to_string()))?;
    Ok(bytes)
}

#[expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "incarnations and tokens are about the time in the world, and simulations pass their own"
)]
fn unix_ms_now() -> u64 {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}
