//! The transport of simulated machines, and the faults of single streams.
//!
//! turmoil carries the bytes. What it cannot do to a stream is done here, at the ends: a reset is an error that both ends
//! get; a half-open stream swallows what is written and gives nothing; a stall holds back what has arrived; a slow reader
//! takes bites; and a line takes bytes no faster than its bandwidth.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use lacewing::Address;
use lacewing::transport::{BoxFuture, Connection, Listener, Transport};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant as LocalInstant, Sleep};
use turmoil::net::{TcpListener, TcpStream};

use super::leaks;
use super::scene::{Scene, Tag, tell};

/// The step of the simulation, below which it knows no time.
pub(super) const TICK: Duration = Duration::from_millis(1);
/// Segments that a stream holds between the writer and the reader; also dials that wait to be accepted.
pub(super) const SEGMENTS_MAX: u64 = 128;
/// Bites of a slow reader in a second.
const BITES_PER_SECOND: u32 = 20;

/// The name of a node's machine.
pub(super) fn name(node: usize) -> String {
    format!("n{node}")
}

/// The node whose machine has this address.
fn node_at(ip: IpAddr) -> Option<usize> {
    turmoil::reverse_lookup(ip)?.strip_prefix('n')?.parse().ok()
}

/// Every end of every stream that some process has.
#[derive(Default)]
pub(super) struct Wires {
    open: Mutex<Vec<Arc<Wire>>>,
    dying: Mutex<Option<Dying>>,
}

/// A process that is being killed.
struct Dying {
    node: usize,
    /// The sockets that it has let go of, with the order in which they were opened.
    sockets: Vec<(u64, TcpStream)>,
}

/// One end of a stream, as the testbed sees it.
pub(super) struct Wire {
    pub(super) node: usize,
    pub(super) peer: usize,
    /// How many were opened before it.
    order: u64,
    state: Mutex<WireState>,
}

#[derive(Default)]
struct WireState {
    fate: Fate,
    /// Faults that hold back what arrives at this end.
    stalls: u32,
    /// The process has dropped it.
    dropped: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// What a fault has done to a stream for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fate {
    #[default]
    Whole,
    /// Dead, and nobody is told.
    Severed,
    /// Broken, and everybody is told.
    Reset,
}

impl Wires {
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Wire>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_dying(&self) -> MutexGuard<'_, Option<Dying>> {
        self.dying.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on the sockets of this machine are closed together, in the order in which they were opened. The runtime of
    /// a process that is killed drops its tasks in an order that depends on what the process of the testbed did before.
    pub(super) fn begin_kill(&self, node: usize) {
        *self.lock_dying() = Some(Dying { node, sockets: Vec::new() });
    }

    /// The process is gone.
    pub(super) fn end_kill(&self) {
        self.lock_dying().take();
    }

    /// A process lets go of a socket. The last one of a machine that is being killed closes all.
    fn close(&self, wire: &Wire, socket: TcpStream) {
        wire.lock().dropped = true;
        let more = self.lock().iter().any(|other| other.node == wire.node && !other.lock().dropped);
        let mut sockets = match &mut *self.lock_dying() {
            Some(Dying { node, sockets }) if *node == wire.node => {
                sockets.push((wire.order, socket));
                if more {
                    return;
                }
                std::mem::take(sockets)
            }
            _ => return,
        };
        sockets.sort_by_key(|(order, _)| *order);
        for (_, socket) in sockets {
            drop(socket);
        }
    }

    fn open(&self, node: usize, peer: usize) -> Arc<Wire> {
        let mut wires = self.lock();
        let order = wires.last().map_or(0, |last| last.order + 1);
        let wire = Arc::new(Wire { node, peer, order, state: Mutex::default() });
        wires.retain(|wire| !wire.lock().dropped);
        wires.push(Arc::clone(&wire));
        wire
    }

    /// Both ends of every stream between two nodes, in the order in which they were opened.
    pub(super) fn between(&self, pair: [usize; 2]) -> Vec<Arc<Wire>> {
        let is_between = |wire: &Wire| [wire.node, wire.peer] == pair || [wire.peer, wire.node] == pair;
        let wires = self.lock();
        wires.iter().filter(|wire| is_between(wire) && !wire.lock().dropped).cloned().collect()
    }
}

impl Wire {
    fn lock(&self) -> MutexGuard<'_, WireState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut WireState)) {
        let wakers = {
            let mut state = self.lock();
            change(&mut state);
            [state.reader.take(), state.writer.take()]
        };
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    pub(super) fn reset(&self) {
        self.change(|state| state.fate = Fate::Reset);
    }

    pub(super) fn sever(&self) {
        self.change(|state| {
            if state.fate == Fate::Whole {
                state.fate = Fate::Severed;
            }
        });
    }

    /// Holds back what arrives here.
    pub(super) fn stall(&self) {
        self.change(|state| state.stalls += 1);
    }

    /// Takes one stall back.
    pub(super) fn release(&self) {
        self.change(|state| state.stalls -= 1);
    }
}

/// The transport of one simulated machine: TCP over turmoil, through which the testbed reaches every stream.
pub(super) struct TurmoilTransport {
    pub(super) scene: Arc<Scene>,
    pub(super) node: usize,
}

impl TurmoilTransport {
    fn wrap(
        scene: &Arc<Scene>,
        node: usize,
        inner: TcpStream,
        remote_addr: SocketAddr,
    ) -> io::Result<Connection> {
        let Some(peer) = node_at(remote_addr.ip()) else {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("{remote_addr} is no machine of the run"),
            ));
        };
        let net = &scene.run.header.net;
        let stream = FaultyStream {
            inner: Some(inner),
            wire: scene.wires.open(node, peer),
            scene: Arc::clone(scene),
            segment_bytes: usize::try_from((net.window / SEGMENTS_MAX).max(1)).unwrap_or(usize::MAX),
            line_free_at: LocalInstant::now(),
            bite_at: LocalInstant::now(),
            swallowed: 0,
            line_sleep: None,
            bite_sleep: None,
        };
        Ok(Connection { stream: Box::new(stream), remote_addr })
    }
}

impl Transport for TurmoilTransport {
    fn bind<'a>(&'a self, addr: &'a Address) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            // turmoil's machines have one address each, and listen on all they have.
            let inner = TcpListener::bind((Ipv4Addr::UNSPECIFIED, addr.port())).await?;
            let local_addr = SocketAddr::new(turmoil::lookup(name(self.node)), inner.local_addr()?.port());
            let (scene, node) = (Arc::clone(&self.scene), self.node);
            Ok(Box::new(Incoming { scene, node, inner, local_addr }) as Box<dyn Listener>)
        })
    }

    fn connect<'a>(&'a self, addr: &'a Address) -> BoxFuture<'a, io::Result<Connection>> {
        Box::pin(async move {
            let outcome = TcpStream::connect((addr.host(), addr.port())).await;
            self.scene.chain(self.node, Tag::Dialled, &[u64::from(outcome.is_ok())], addr.host().as_bytes());
            let stream = outcome?;
            let remote_addr = stream.peer_addr()?;
            Self::wrap(&self.scene, self.node, stream, remote_addr)
        })
    }
}

struct Incoming {
    scene: Arc<Scene>,
    node: usize,
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
            self.scene.chain(self.node, Tag::Accepted, &[remote_addr.port().into()], b"");
            TurmoilTransport::wrap(&self.scene, self.node, stream, remote_addr)
        })
    }
}

/// A stream that can be made to fail.
struct FaultyStream {
    /// Taken only when the stream is dropped.
    inner: Option<TcpStream>,
    wire: Arc<Wire>,
    scene: Arc<Scene>,
    /// Bytes of one segment: turmoil bounds what is on its way by segments, the run by bytes.
    segment_bytes: usize,
    /// When the line has taken what was written.
    line_free_at: LocalInstant,
    /// When a slow reader takes its next bite.
    bite_at: LocalInstant,
    /// Bytes written since the stream died.
    swallowed: u64,
    line_sleep: Option<Pin<Box<Sleep>>>,
    bite_sleep: Option<Pin<Box<Sleep>>>,
}

fn broken() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

/// Waits for a time, with a timer that is made when it is needed.
fn poll_until(sleep: &mut Option<Pin<Box<Sleep>>>, at: LocalInstant, cx: &mut Context<'_>) -> Poll<()> {
    if at <= LocalInstant::now() {
        return Poll::Ready(());
    }
    let timer = sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
    if timer.deadline() != at {
        timer.as_mut().reset(at);
    }
    timer.as_mut().poll(cx)
}

impl FaultyStream {
    fn inner(&mut self) -> Pin<&mut TcpStream> {
        Pin::new(self.inner.as_mut().expect("a stream has its socket until it is dropped"))
    }

    /// What the faults allow a reader: an error, nothing for now, or a look at the inner stream.
    fn reader_gate(&self, cx: &Context<'_>) -> Option<Poll<io::Result<()>>> {
        let mut state = self.wire.lock();
        state.reader = Some(cx.waker().clone());
        match state.fate {
            Fate::Reset => Some(Poll::Ready(Err(broken()))),
            Fate::Severed => Some(Poll::Pending),
            Fate::Whole if state.stalls > 0 => Some(Poll::Pending),
            Fate::Whole => None,
        }
    }

    /// The same for a writer. A dead stream takes as much as fits between two ends.
    fn writer_gate(&mut self, cx: &Context<'_>, len: usize) -> Option<Poll<io::Result<usize>>> {
        let mut state = self.wire.lock();
        state.writer = Some(cx.waker().clone());
        match state.fate {
            Fate::Reset => Some(Poll::Ready(Err(broken()))),
            Fate::Severed if self.swallowed >= self.scene.run.header.net.window => Some(Poll::Pending),
            Fate::Severed => {
                self.swallowed += len as u64;
                Some(Poll::Ready(Ok(len)))
            }
            Fate::Whole => None,
        }
    }

    fn note(&self, tag: Tag, data: &[u8]) {
        let tail = &data[data.len().saturating_sub(16)..];
        self.scene.chain(self.wire.node, tag, &[self.wire.peer as u64, data.len() as u64], tail);
        tell!(self.scene, self.wire.node, "{tag:?} {} bytes, n{}", data.len(), self.wire.peer);
    }

    /// Reads at most so many bytes.
    fn poll_bite(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>, rate: u64) -> Poll<io::Result<()>> {
        std::task::ready!(poll_until(&mut self.bite_sleep, self.bite_at, cx));
        let bytes = usize::try_from(rate / u64::from(BITES_PER_SECOND)).unwrap_or(usize::MAX).max(1);
        let mut bite = vec![0; bytes.min(buf.remaining())];
        let mut bite = ReadBuf::new(&mut bite);
        std::task::ready!(self.inner().poll_read(cx, &mut bite))?;
        buf.put_slice(bite.filled());
        self.bite_at = LocalInstant::now() + Duration::from_secs(1) / BITES_PER_SECOND;
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for FaultyStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Some(verdict) = this.reader_gate(cx) {
            return verdict;
        }
        let before = buf.filled().len();
        let slowest = this.scene.board(this.wire.node).slow.iter().min().copied();
        let outcome = match slowest {
            Some(rate) => this.poll_bite(cx, buf, rate),
            None => this.inner().poll_read(cx, buf),
        };
        if outcome.is_ready() {
            this.note(Tag::Read, &buf.filled()[before..]);
        }
        outcome
    }
}

impl AsyncWrite for FaultyStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if let Some(verdict) = this.writer_gate(cx, data.len()) {
            return verdict;
        }
        // What leaves within a step leaves together.
        let due = this.line_free_at.checked_sub(TICK).unwrap_or(this.line_free_at);
        std::task::ready!(poll_until(&mut this.line_sleep, due, cx));
        let data = &data[..data.len().min(this.segment_bytes)];
        let written = std::task::ready!(this.inner().poll_write(cx, data))?;
        this.note(Tag::Written, &data[..written]);
        let mut nanos = written as u64 * 1_000_000_000 / this.scene.run.header.net.bandwidth;
        if let Some(number) = leaks::number(this.scene.inject.as_deref()) {
            nanos += number % 5_000_000;
        }
        this.line_free_at = this.line_free_at.max(LocalInstant::now()) + Duration::from_nanos(nanos);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let fate = self.wire.lock().fate;
        match fate {
            Fate::Reset => Poll::Ready(Err(broken())),
            Fate::Severed => Poll::Ready(Ok(())),
            Fate::Whole => self.inner().poll_shutdown(cx),
        }
    }
}

impl Drop for FaultyStream {
    fn drop(&mut self) {
        if let Some(socket) = self.inner.take() {
            self.scene.wires.close(&self.wire, socket);
        }
    }
}
