//! What carries links: something that listens, accepts and connects byte streams.
//!
//! A transport brings bytes from one end to the other, in order, and knows nothing of what they say. Encryption, identity and
//! keep-alive are the engine's.

mod memory;
mod tcp;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use lacewing_core::Address;
use lacewing_core::engine::DialFailure;
use tokio::io::{AsyncRead, AsyncWrite};

pub use memory::MemoryNetwork;
pub use tcp::TcpTransport;

/// A boxed future, so that transports are values and [`Node`](crate::Node) needs no type parameter. One is made for each
/// connection, none for each message.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An ordered stream of bytes in both directions.
///
/// Implemented for everything that is [`AsyncRead`], [`AsyncWrite`], `Send` and `Unpin`.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for S {}

/// A stream that was accepted or connected.
pub struct Connection {
    /// The bytes.
    pub stream: Box<dyn ByteStream>,
    /// The other end, as this side sees it.
    pub remote_addr: SocketAddr,
}

/// Where streams come in. Dropping it stops listening.
pub trait Listener: Send {
    /// The address that was really taken: port 0 has become the port that the system chose.
    fn local_addr(&self) -> SocketAddr;

    /// The next stream. After an error the driver pauses for a moment and asks again.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Connection>>;
}

/// Something that opens byte streams: TCP, a network within the process, a simulated one.
///
/// All futures are polled on the runtime on which the node was started. Time-outs are the driver's business.
///
/// ```
/// use std::io;
/// use lacewing::Address;
/// use lacewing::transport::{BoxFuture, Connection, Listener, Transport};
///
/// /// Reaches nobody, and nobody reaches it.
/// struct Alone;
///
/// impl Transport for Alone {
///     fn bind<'a>(&'a self, _: &'a Address) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
///         Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
///     }
///     fn connect<'a>(&'a self, _: &'a Address) -> BoxFuture<'a, io::Result<Connection>> {
///         Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) })
///     }
/// }
/// ```
pub trait Transport: Send + Sync + 'static {
    /// Starts to listen on `addr`.
    fn bind<'a>(&'a self, addr: &'a Address) -> BoxFuture<'a, io::Result<Box<dyn Listener>>>;

    /// Opens a stream to `addr`. The kind of the error tells the engine why not: `ConnectionRefused`, `TimedOut` and
    /// `NotFound` (the name has no address) are told apart, everything else is "unreachable".
    fn connect<'a>(&'a self, addr: &'a Address) -> BoxFuture<'a, io::Result<Connection>>;
}

/// What the engine is told of an error of [`Transport::connect`].
pub(crate) fn dial_failure(error: &io::Error) -> DialFailure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => DialFailure::Refused,
        io::ErrorKind::TimedOut => DialFailure::TimedOut,
        io::ErrorKind::NotFound => DialFailure::NameNotFound,
        _ => DialFailure::Unreachable,
    }
}
