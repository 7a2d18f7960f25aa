//! A network inside the process.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use lacewing_core::Address;
use tokio::sync::mpsc;

use super::{BoxFuture, Connection, Listener, Transport};

/// Bytes that one side may write ahead of what the other has read.
const PIPE_BYTES: usize = 64 * 1024;
/// Connections that may wait to be accepted; more are refused, as a full listen queue does.
const BACKLOG_MAX: usize = 1_024;
const EPHEMERAL_PORT_MIN: u16 = 49_152;

/// A network inside the process: nodes that share one reach each other by address, and nobody else does.
///
/// Nothing touches the operating system, so tests and examples need no free ports. Host names are whatever the nodes
/// listen on. Clones are the same network.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), lacewing::StartError> {
/// use lacewing::{MemoryNetwork, Node, Trust};
///
/// let network = MemoryNetwork::new();
/// let node = Node::builder().trust(Trust::Open).transport(network.clone()).listen("alpha:7400").start().await?;
/// assert_eq!(node.local_addr().unwrap().port(), 7400);
///
/// // The address is taken now.
/// let twice = Node::builder().trust(Trust::Open).transport(network).listen("alpha:7400").start().await;
/// assert!(twice.is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemoryNetwork {
    hub: Arc<Mutex<Hub>>,
}

#[derive(Debug, Default)]
struct Hub {
    hosts: BTreeMap<String, IpAddr>,
    listeners: BTreeMap<SocketAddr, mpsc::Sender<(tokio::io::DuplexStream, SocketAddr)>>,
    connections: u64,
}

impl MemoryNetwork {
    /// A network with nobody on it.
    pub fn new() -> Self {
        Self::default()
    }

    fn with_hub<R>(&self, work: impl FnOnce(&mut Hub) -> R) -> R {
        work(&mut self.hub.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Hub {
    /// The IP of a host that somebody has listened on, or that is one already.
    fn lookup(&self, addr: &Address) -> Option<IpAddr> {
        match addr.ip() {
            Some(ip) if ip.is_unspecified() => Some(Ipv4Addr::LOCALHOST.into()),
            Some(ip) => Some(ip),
            None => self.hosts.get(addr.host()).copied(),
        }
    }

    /// Names get 10.0.0.1, 10.0.0.2, ... in the order in which they are first listened on.
    fn register(&mut self, addr: &Address) -> IpAddr {
        if let Some(ip) = self.lookup(addr) {
            return ip;
        }
        let number = u32::try_from(self.hosts.len() + 1).unwrap_or(u32::MAX);
        let ip = IpAddr::from(Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 0)).wrapping_add(number)));
        self.hosts.insert(addr.host().to_owned(), ip);
        ip
    }

    fn free_port(&self, ip: IpAddr) -> io::Result<u16> {
        (EPHEMERAL_PORT_MIN..=u16::MAX)
            .find(|port| !self.listeners.contains_key(&SocketAddr::new(ip, *port)))
            .ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
    }
}

impl Transport for MemoryNetwork {
    fn bind<'a>(&'a self, addr: &'a Address) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let (sender, queue) = mpsc::channel(BACKLOG_MAX);
            let local_addr = self.with_hub(|hub| {
                let ip = hub.register(addr);
                let port = if addr.port() == 0 { hub.free_port(ip)? } else { addr.port() };
                let socket = SocketAddr::new(ip, port);
                match hub.listeners.entry(socket) {
                    Entry::Occupied(_) => Err(io::Error::from(io::ErrorKind::AddrInUse)),
                    Entry::Vacant(free) => {
                        free.insert(sender);
                        Ok(socket)
                    }
                }
            })?;
            Ok(Box::new(Incoming { network: self.clone(), local_addr, queue }) as Box<dyn Listener>)
        })
    }

    fn connect<'a>(&'a self, addr: &'a Address) -> BoxFuture<'a, io::Result<Connection>> {
        Box::pin(async move {
            self.with_hub(|hub| {
                let ip = hub.lookup(addr).ok_or(io::ErrorKind::NotFound)?;
                let remote_addr = SocketAddr::new(ip, addr.port());
                let listener = hub.listeners.get(&remote_addr).ok_or(io::ErrorKind::ConnectionRefused)?;
                let port_count = u64::from(u16::MAX - EPHEMERAL_PORT_MIN) + 1;
                let port = EPHEMERAL_PORT_MIN + (hub.connections % port_count) as u16;
                let (near, far) = tokio::io::duplex(PIPE_BYTES);
                listener
                    .try_send((far, SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)))
                    .map_err(|_| io::ErrorKind::ConnectionRefused)?;
                hub.connections += 1;
                Ok(Connection { stream: Box::new(near), remote_addr })
            })
        })
    }
}

struct Incoming {
    network: MemoryNetwork,
    local_addr: SocketAddr,
    queue: mpsc::Receiver<(tokio::io::DuplexStream, SocketAddr)>,
}

impl Listener for Incoming {
    fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    fn accept(&mut self) -> BoxFuture<'_, io::Result<Connection>> {
        Box::pin(async move {
            let (stream, remote_addr) = self.queue.recv().await.ok_or(io::ErrorKind::BrokenPipe)?;
            Ok(Connection { stream: Box::new(stream), remote_addr })
        })
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.network.with_hub(|hub| hub.listeners.remove(&self.local_addr));
    }
}
