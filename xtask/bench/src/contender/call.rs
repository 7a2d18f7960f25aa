//! Our own: a call from one node to another, as an application makes it.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use lacewing::{Node, NodeId, Request};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::{Burst, Client, PATIENCE, Threads, drive, latencies};
use crate::clock::Stopwatch;
use crate::failure::{Failure, While as _};
use crate::options::Settings;

const ACTION: &str = "echo";
/// Both processes belong to one run and nobody else can reach them for longer than that; the key is a formality.
pub(crate) const NETWORK_KEY: [u8; 32] = [0x5a; 32];
const GOODBYE_WITHIN: Duration = Duration::from_secs(1);

pub(crate) fn serve(threads: Threads, ready: impl FnOnce(SocketAddr)) -> Result<(), Failure> {
    threads.runtime()?.block_on(async {
        let node = Node::builder()
            .name("server@bench")
            .network_key(NETWORK_KEY)
            .listen("127.0.0.1:0")
            .start()
            .await
            .when("starting the node that serves")?;
        node.serve(ACTION, async |request: Request| Ok(request.payload)).when("serving")?;
        ready(node.local_addr().ok_or_else(|| Failure::new("the node listens nowhere"))?);
        // The process ends when its parent wants it to.
        std::future::pending().await
    })
}

pub(crate) struct CallClient {
    runtime: Runtime,
    caller: Caller,
}

/// What each task needs to call.
#[derive(Clone)]
struct Caller {
    node: Node,
    server: NodeId,
    payload: Bytes,
}

impl Caller {
    async fn call(&self) -> Result<Bytes, Failure> {
        let call = self.node.call(ACTION, self.payload.clone()).to(self.server);
        Ok(call.await.when("calling")?.data)
    }

    async fn one_after_the_other(self, span: Duration) -> Result<Vec<u64>, Failure> {
        let (mut taken, phase) = (latencies(span), Stopwatch::start());
        while phase.elapsed() < span {
            let watch = Stopwatch::start();
            self.call().await?;
            taken.push(watch.elapsed().as_nanos() as u64);
        }
        Ok(taken)
    }

    /// As many tasks as calls on the way: that is how applications come to have many.
    async fn many(self, in_flight: usize, span: Duration) -> Result<Burst, Failure> {
        let watch = Stopwatch::start();
        let mut tasks = JoinSet::new();
        for _ in 0..in_flight {
            let caller = self.clone();
            tasks.spawn(async move {
                let mut calls = 0;
                while watch.elapsed() < span {
                    caller.call().await?;
                    calls += 1;
                }
                Ok::<u64, Failure>(calls)
            });
        }
        let mut calls = 0;
        while let Some(ended) = tasks.join_next().await {
            calls += ended.when("calling")??;
        }
        Ok(Burst { calls, elapsed: watch.elapsed() })
    }
}

impl CallClient {
    pub(crate) fn connect(addr: SocketAddr, settings: &Settings) -> Result<Self, Failure> {
        let runtime = settings.runtime.runtime()?;
        let payload = Bytes::from(vec![0x5a; settings.payload_bytes]);
        let caller = drive(&runtime, PATIENCE, async move {
            let node = Node::builder()
                .name("client@bench")
                .network_key(NETWORK_KEY)
                .peer(addr.to_string())
                .start()
                .await
                .when("starting the node that calls")?;
            let server = node.wait_for_peers(|peers| peers.first().map(|peer| peer.node));
            let server = server.await.when("waiting for the server")?;
            let caller = Caller { node, server, payload };
            if caller.call().await? != caller.payload {
                return Err(Failure::new("the call gave back something else"));
            }
            Ok(caller)
        })?;
        Ok(Self { runtime, caller })
    }
}

impl Client for CallClient {
    fn one_in_flight(&mut self, span: Duration) -> Result<Vec<u64>, Failure> {
        drive(&self.runtime, span + PATIENCE, self.caller.clone().one_after_the_other(span))
    }

    fn many_in_flight(&mut self, in_flight: usize, span: Duration) -> Result<Burst, Failure> {
        drive(&self.runtime, span + PATIENCE, self.caller.clone().many(in_flight, span))
    }
}

impl Drop for CallClient {
    /// Says goodbye, so that the server keeps nothing of this client.
    fn drop(&mut self) {
        self.runtime.block_on(self.caller.node.shutdown(GOODBYE_WITHIN));
    }
}
