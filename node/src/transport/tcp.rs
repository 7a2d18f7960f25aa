//! TCP through tokio.

use std::io;
use std::net::SocketAddr;

use lacewing_core::Address;
use tokio::net::{TcpListener, TcpStream, lookup_host};

use super::{BoxFuture, Connection, Listener, Transport};

/// TCP over IPv4 and IPv6, with names resolved by the system.
///
/// ```no_run
/// # async fn example() -> Result<(), lacewing::StartError> {
/// use lacewing::{Node, TcpTransport, Trust};
///
/// // This is the default; the line says it aloud.
/// let node = Node::builder().trust(Trust::Open).transport(TcpTransport).listen("127.0.0.1:0").start().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpTransport;

impl Transport for TcpTransport {
    fn bind<'a>(&'a self, addr: &'a Address) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let mut failure = None;
            for socket in resolve(addr).await? {
                match TcpListener::bind(socket).await {
                    Ok(inner) => {
                        let local_addr = inner.local_addr()?;
                        return Ok(Box::new(Incoming { inner, local_addr }) as Box<dyn Listener>);
                    }
                    Err(error) => failure = Some(error),
                }
            }
            Err(failure.unwrap_or_else(no_address))
        })
    }

    fn connect<'a>(&'a self, addr: &'a Address) -> BoxFuture<'a, io::Result<Connection>> {
        Box::pin(async move {
            let mut failure = None;
            // One after the other: a name with a dead IPv6 and a live IPv4 address is still reached.
            for socket in resolve(addr).await? {
                match TcpStream::connect(socket).await {
                    Ok(stream) => return connection(stream, socket),
                    Err(error) => failure = Some(error),
                }
            }
            Err(failure.unwrap_or_else(no_address))
        })
    }
}

/// The socket addresses of an address; IP addresses do not bother the resolver.
async fn resolve(addr: &Address) -> io::Result<Vec<SocketAddr>> {
    if let Some(ip) = addr.ip() {
        return Ok(vec![SocketAddr::new(ip, addr.port())]);
    }
    match lookup_host((addr.host(), addr.port())).await {
        Ok(found) => Ok(found.collect()),
        Err(error) => Err(io::Error::new(io::ErrorKind::NotFound, format!("no such host ({error})"))),
    }
}

fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the host name has no address")
}

fn connection(stream: TcpStream, remote_addr: SocketAddr) -> io::Result<Connection> {
    // Small records must not wait for an acknowledgement (RFC 896); the engine already fills them.
    stream.set_nodelay(true)?;
    Ok(Connection { stream: Box::new(stream), remote_addr })
}

struct Incoming {
    inner: TcpListener,
    local_addr: SocketAddr,
}

impl Listener for Incoming {
    fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    fn accept(&mut self) -> BoxFuture<'_, io::Result<Connection>> {
        Box::pin(async move {
            let (stream, remote_addr) = self.inner.accept().await?;
            connection(stream, remote_addr)
        })
    }
}
