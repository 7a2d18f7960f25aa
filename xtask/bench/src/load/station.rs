//! A process with a node that others call, and that does what its parent says.
//!
//! It prints its addresses and its id, then one line for each order, and ends with its standard input.

use std::future::IntoFuture as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lacewing::{Code, Error, ItemSender, Node, NodeId, Request};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::content::{self, ITEM};
use super::memory::Memory;
use super::order::Order;
use crate::clock::Stopwatch;
use crate::contender::{NETWORK_KEY, Threads};
use crate::failure::{Failure, While as _};
use crate::thread;

/// Sends a stream of as many bytes as it is asked for.
const BULK: &str = "bulk";
/// Answers when as many calls are open as the payload says.
const HOLD: &str = "hold";
/// Answers at once.
const ECHO: &str = "echo";
/// The thousand nodes of one process go through their handshakes one after the other; nothing of it may be taken for a failure.
const PATIENCE: Duration = Duration::from_secs(600);
/// Nodes that dial at once: less than a node admits of one address.
const DIALLING: usize = 32;

/// Is a station until its standard input closes.
pub(crate) fn serve(threads: Threads, peers: &[SocketAddr]) -> Result<(), Failure> {
    let (sender, orders) = mpsc::unbounded_channel();
    thread::start(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    threads.runtime()?.block_on(run(peers, orders))
}

async fn run(peers: &[SocketAddr], mut orders: mpsc::UnboundedReceiver<String>) -> Result<(), Failure> {
    let raw = TcpListener::bind("127.0.0.1:0").await.when("listening")?;
    let mut builder = Node::builder().network_key(NETWORK_KEY).listen("127.0.0.1:0");
    for peer in peers {
        builder = builder.peer(peer.to_string());
    }
    let node = builder.start().await.when("starting a node")?;
    offer(&node)?;
    let addr = node.local_addr().ok_or_else(|| Failure::new("the node listens nowhere"))?;
    println!("{addr} {} {}", raw.local_addr().when("listening")?, node.node_id());
    tokio::spawn(send_raw(raw));
    let mut station = Station { node, others: Vec::new() };
    while let Some(line) = orders.recv().await {
        let order = line
            .parse()
            .map_err(|()| Failure::new(format!("the parent says `{line}`, which means nothing here")))?;
        println!("{}", station.obey(order).await?);
    }
    Ok(())
}

/// What others can call.
fn offer(node: &Node) -> Result<(), Failure> {
    node.serve(ECHO, async |request: Request| Ok(request.payload)).when("serving")?;
    node.serve_stream(BULK, async |request: Request, items: ItemSender| {
        for (position, len) in content::pieces(number(&request)?) {
            items.send(content::item(position, len)).await?;
        }
        Ok(())
    })
    .when("serving")?;
    let (open, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    node.serve(HOLD, move |request: Request| {
        let (open, gate) = (Arc::clone(&open), Arc::clone(&gate));
        async move {
            let wanted = number(&request)? as usize;
            if open.fetch_add(1, Ordering::Relaxed) + 1 == wanted {
                open.store(0, Ordering::Relaxed);
                gate.add_permits(wanted);
            }
            if let Ok(permit) = gate.acquire().await {
                permit.forget();
            }
            Ok(request.payload)
        }
    })
    .when("serving")
}

/// The number that a request consists of.
fn number(request: &Request) -> Result<u64, Error> {
    let data = request.payload.data.as_ref().try_into();
    let data = data.map_err(|_| Error::new(Code::InvalidArgument, "a number has eight bytes"))?;
    Ok(u64::from_le_bytes(data))
}

/// Whoever connects says how much it wants, and gets it.
async fn send_raw(listener: TcpListener) -> Result<(), std::io::Error> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        let bytes = stream.read_u64().await?;
        for (position, len) in content::pieces(bytes) {
            stream.write_all(&content::item(position, len)).await?;
        }
    }
}

struct Station {
    node: Node,
    /// More nodes of this process.
    others: Vec<Node>,
}

impl Station {
    async fn obey(&mut self, order: Order) -> Result<String, Failure> {
        let watch = Stopwatch::start();
        match order {
            Order::Memory => {
                return Ok(Memory::look().map_or_else(
                    || "unknown".to_owned(),
                    |Memory { resident, peak }| format!("{resident} {peak}"),
                ));
            }
            Order::Neighbours => return Ok(self.node.peers().len().to_string()),
            Order::Find(node) => self.node.wait_for_node(node).await.when("looking for a node")?,
            Order::FetchRaw { from, bytes } => fetch_raw(from, bytes).await?,
            Order::Fetch { from, bytes } => self.fetch(from, bytes).await?,
            Order::Hold { at, calls } => self.hold(at, calls).await?,
            Order::Link { to, nodes } => self.link(to, nodes).await?,
            Order::CallFromEach { at } => self.call_from_each(at).await?,
        }
        Ok(watch.elapsed().as_nanos().to_string())
    }

    async fn fetch(&self, from: NodeId, bytes: u64) -> Result<(), Failure> {
        let stream = self.node.call_stream(BULK, &bytes.to_le_bytes()).to(from).await;
        let mut stream = stream.when("calling for a stream")?;
        let mut position = 0;
        while let Some(item) = stream.try_next().await.when("reading a stream")? {
            checked(position, &item.data)?;
            position += item.data.len() as u64;
        }
        complete(position, bytes)
    }

    async fn hold(&self, at: NodeId, calls: usize) -> Result<(), Failure> {
        let mut tasks = JoinSet::new();
        for _ in 0..calls {
            let payload = (calls as u64).to_le_bytes();
            tasks.spawn(self.node.call(HOLD, &payload).to(at).timeout(PATIENCE).into_future());
        }
        while let Some(ended) = tasks.join_next().await {
            ended.when("calling")?.when("one of many calls")?;
        }
        Ok(())
    }

    async fn link(&mut self, to: SocketAddr, nodes: usize) -> Result<(), Failure> {
        let dialling = Arc::new(Semaphore::new(DIALLING));
        let mut tasks = JoinSet::new();
        for _ in 0..nodes {
            let dialling = Arc::clone(&dialling);
            tasks.spawn(async move {
                let _permit = dialling.acquire().await.when("waiting for a turn")?;
                let builder = Node::builder().network_key(NETWORK_KEY).peer(to.to_string());
                let node = builder.start().await.when("starting one of many nodes")?;
                node.wait_for_peers(|peers| peers.first().map(|_| ()))
                    .await
                    .when("linking one of many nodes")?;
                Ok::<Node, Failure>(node)
            });
        }
        while let Some(ended) = tasks.join_next().await {
            self.others.push(ended.when("linking")??);
        }
        Ok(())
    }

    async fn call_from_each(&self, at: NodeId) -> Result<(), Failure> {
        let mut tasks = JoinSet::new();
        for node in &self.others {
            tasks.spawn(node.call(ECHO, "here").to(at).timeout(PATIENCE).into_future());
        }
        while let Some(ended) = tasks.join_next().await {
            let answer = ended.when("calling")?.when("a call over one of many links")?;
            if answer.data != "here" {
                return Err(Failure::new("the call gave back something else"));
            }
        }
        Ok(())
    }
}

/// The floor: the same bytes over a socket of the system.
async fn fetch_raw(from: SocketAddr, bytes: u64) -> Result<(), Failure> {
    let doing = "reading from a raw socket";
    let mut stream = TcpStream::connect(from).await.when(doing)?;
    stream.write_u64(bytes).await.when(doing)?;
    let mut buffer = vec![0; ITEM];
    for (position, len) in content::pieces(bytes) {
        stream.read_exact(&mut buffer[..len]).await.when(doing)?;
        checked(position, &buffer[..len])?;
    }
    Ok(())
}

fn checked(position: u64, data: &[u8]) -> Result<(), Failure> {
    if content::is_right(position, data) {
        return Ok(());
    }
    Err(Failure::new(format!("from byte {position} on, something else came than was sent")))
}

fn complete(came: u64, wanted: u64) -> Result<(), Failure> {
    if came == wanted {
        return Ok(());
    }
    Err(Failure::new(format!("{came} of {wanted} bytes came, and then the end")))
}
