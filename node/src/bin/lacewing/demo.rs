//! `lacewing demo`: a story of three nodes, told while it happens.

use std::sync::Arc;
use std::time::Duration;

use lacewing::crypto::RustCrypto;
use lacewing::{Codec, Error, Identity, Incarnation, Node, Payload, Request, Timing, demo};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::failure::Failure;
use crate::screen::line;

/// No step of the story takes anywhere near as long.
const STEP_WITHIN: Duration = Duration::from_secs(10);
const GOODBYE_WITHIN: Duration = Duration::from_secs(1);

pub(crate) async fn run() -> Result<(), Failure> {
    let stage = Stage::new()?;
    line("Three nodes on this machine, real TCP on the loopback interface, one network key.")?;
    line("")?;
    let (alpha, beta, gamma) = joining(&stage).await?;
    calling(&alpha, &beta).await?;
    let beta = killing(&stage, &alpha, beta).await?;
    recovering(&alpha, &beta).await?;
    for node in [&beta, &gamma, &alpha] {
        node.shutdown(GOODBYE_WITHIN).await;
    }
    line("")?;
    line(
        "All three said goodbye. That is the whole story: every call had exactly one outcome, as soon as it was known.",
    )
}

/// What all nodes of the story share.
struct Stage {
    network_key: [u8; 32],
    beta_secret: [u8; 32],
    /// Told when beta has begun to think.
    thinking: Arc<Notify>,
}

impl Stage {
    fn new() -> Result<Self, Failure> {
        Ok(Self { network_key: random()?, beta_secret: random()?, thinking: Arc::default() })
    }

    fn builder(&self, name: &str) -> lacewing::Builder {
        // A quick story needs short pauses between dials.
        let timing = Timing {
            backoff_min: Duration::from_millis(20),
            backoff_max: Duration::from_millis(200),
            ..Timing::default()
        };
        Node::builder().name(name).network("demo").network_key(self.network_key).timing(timing)
    }

    /// The node that will be killed: it keeps its key from life to life.
    async fn beta(&self, listen: &str, peer: &str, after: Option<Incarnation>) -> Result<Node, Failure> {
        let identity = Identity::from_secret(self.beta_secret, Arc::new(RustCrypto));
        let mut builder = self.builder("beta").identity(identity).listen(listen).peer(peer);
        if let Some(last) = after {
            builder = builder.incarnation(last.after());
        }
        let node = builder.start().await?;
        node.serve("echo_sum", demo::echo_sum).map_err(Failure::operation)?;
        let thinking = Arc::clone(&self.thinking);
        node.serve("think", move |_: Request| {
            thinking.notify_one();
            std::future::pending::<Result<(), Error>>()
        })
        .map_err(Failure::operation)?;
        Ok(node)
    }
}

fn random() -> Result<[u8; 32], Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::usage(format!("the system gives no randomness: {error}")))?;
    Ok(bytes)
}

fn json(text: &'static str) -> Payload {
    Payload { codec: Codec::Json, data: text.into() }
}

fn listen_addr(node: &Node) -> Result<String, Failure> {
    node.local_addr()
        .map(|addr| addr.to_string())
        .ok_or_else(|| Failure::operation("the node does not listen"))
}

/// Waits for a step of the story, which never takes long.
async fn step<T>(what: &str, work: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
    match timeout(STEP_WITHIN, work).await {
        Ok(result) => result.map_err(|error| Failure::operation(format!("{what}: {error}"))),
        Err(_) => {
            Err(Failure::operation(format!("{what}: nothing happened for {} s", STEP_WITHIN.as_secs())))
        }
    }
}

async fn joining(stage: &Stage) -> Result<(Node, Node, Node), Failure> {
    line("1. Joining")?;
    let alpha = stage.builder("alpha").listen("127.0.0.1:0").start().await?;
    let alpha_addr = listen_addr(&alpha)?;
    line(&format!("   alpha ({}) listens on {alpha_addr}.", alpha.node_id().short()))?;
    let beta = stage.beta("127.0.0.1:0", &alpha_addr, None).await?;
    let beta_addr = listen_addr(&beta)?;
    let gamma = stage.builder("gamma").peer(&alpha_addr).peer(&beta_addr).start().await?;
    line(&format!(
        "   beta ({}) dials alpha, gamma ({}) dials both.",
        beta.node_id().short(),
        gamma.node_id().short()
    ))?;
    let two = |node: &Node| {
        let node = node.clone();
        async move { node.wait_for_peers(|peers| (peers.len() == 2).then_some(())).await }
    };
    for node in [&alpha, &beta, &gamma] {
        step("joining", two(node)).await?;
    }
    line("   Each has proved to the others who it is; every byte between them is encrypted.")?;
    Ok((alpha, beta, gamma))
}

async fn calling(alpha: &Node, beta: &Node) -> Result<(), Failure> {
    line("2. Calling")?;
    let good = r#"{"text": "hello", "numbers": [1, 2, 39]}"#;
    line(&format!("   alpha calls echo_sum on beta with {good}"))?;
    let started = Instant::now();
    let answer = step("calling", alpha.call("echo_sum", json(good)).to(beta.node_id()).into_future()).await?;
    let took_us = started.elapsed().as_micros();
    line(&format!("   and has {} after {took_us} us.", String::from_utf8_lossy(&answer.data)))?;

    let bad = r#"{"text": "hello", "numbers": [1, "two"]}"#;
    line(&format!("   Then with {bad}"))?;
    match alpha.call("echo_sum", json(bad)).to(beta.node_id()).await {
        Ok(_) => return Err(Failure::operation("an invalid argument was accepted")),
        Err(error) => {
            line(&format!("   and has the error {error}"))?;
            line(&format!("   with a detail for machines: {}", String::from_utf8_lossy(error.detail())))?;
        }
    }
    match alpha.call("no_such_action", ()).to(beta.node_id()).await {
        Ok(_) => Err(Failure::operation("an unknown action was answered")),
        Err(error) => line(&format!("   An action that nobody serves: {error}")),
    }
}

async fn killing(stage: &Stage, alpha: &Node, beta: Node) -> Result<Node, Failure> {
    line("3. Losing a node in the middle of a call")?;
    let (id, life, beta_addr, alpha_addr) =
        (beta.node_id(), beta.incarnation(), listen_addr(&beta)?, listen_addr(alpha)?);
    line("   alpha calls think on beta, which takes for ever, with 60 s of patience. Then beta is killed.")?;
    let call = tokio::spawn(alpha.call("think", ()).to(id).timeout(Duration::from_secs(60)).into_future());
    // Killed when the call has arrived, not before.
    step("waiting for the call", async {
        stage.thinking.notified().await;
        Ok(())
    })
    .await?;
    let killed = Instant::now();
    drop(beta);
    let outcome = step("failing", async { Ok(call.await) }).await?;
    let took_ms = killed.elapsed().as_millis();
    match outcome {
        Ok(Err(error)) => line(&format!("   {took_ms} ms later the call has failed: {error}"))?,
        _ => return Err(Failure::operation("a call to a killed node did not fail")),
    }
    line("   beta starts again, with the same key and address.")?;
    stage.beta(&beta_addr, &alpha_addr, Some(life)).await
}

async fn recovering(alpha: &Node, beta: &Node) -> Result<(), Failure> {
    line("4. Recovering")?;
    let (id, life) = (beta.node_id(), beta.incarnation());
    let back = |peers: &[lacewing::PeerInfo]| {
        peers.iter().any(|peer| peer.node == id && peer.incarnation >= life).then_some(())
    };
    step("waiting for beta", alpha.wait_for_peers(back)).await?;
    let good = r#"{"text": "again", "numbers": [20, 22]}"#;
    let answer = step("calling", alpha.call("echo_sum", json(good)).to(id).into_future()).await?;
    line(&format!(
        "   They have found each other; alpha calls again and has {}.",
        String::from_utf8_lossy(&answer.data)
    ))
}
