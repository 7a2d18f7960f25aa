//! Joining a network for a moment.

use std::io::Write;
use std::time::Duration;

use lacewing::{CloseReason, Code, Error, Event, Kind, Node, NodeId, NodeStatus, Timing};
use tokio::time::{Instant, timeout_at};

use crate::arguments::VisitArguments;
use crate::failure::Failure;
use crate::settings::{self, ConfigFile};

/// How long the goodbye may take.
const GOODBYE_WITHIN: Duration = Duration::from_millis(500);
const UNSETTLED: &str = "what the neighbours know could not be compared in time: something may be missing";

/// How long nothing new must have been heard of until all is known.
const QUIET: Duration = Duration::from_millis(200);
/// Pauses between dials stay short, so that a peer that starts later is found within the time-out.
const BACKOFF_MS_MAX: u64 = 300;

/// Whoever does not know the network's name or key, or is not let in, is not told so, only hung up on. Once may be an
/// accident: the peer was just stopped.
const HANG_UPS_MAX: u32 = 3;
const HUNG_UP: &str = "hangs up during the handshake, as a peer does that has another network name or key or does not let this one in";

/// A node that is there for one operation.
pub(crate) struct Visit {
    pub(crate) node: Node,
    /// When the user's patience ends.
    pub(crate) deadline: Instant,
    /// How long it is in all.
    pub(crate) patience: Duration,
    pub(crate) peer_count: usize,
    addrs: String,
}

impl Visit {
    /// Starts the node and begins to dial.
    pub(crate) async fn begin(arguments: VisitArguments) -> Result<Self, Failure> {
        let patience = arguments.timeout;
        let deadline = Instant::now() + patience;
        let mut file = ConfigFile::load(arguments.mesh.config.as_deref())?;
        let (mut builder, peers) = settings::builder(arguments.mesh, &mut file)?;
        if peers.is_empty() {
            return Err(Failure::usage("no peer to dial: give --peer host:port"));
        }
        if let Some(key_file) = &arguments.key_file {
            builder = settings::identity(builder, key_file)?.0;
        }
        let backoff_max = Duration::from_millis(BACKOFF_MS_MAX);
        let timing = Timing { backoff_max, backoff_min: Duration::from_millis(50), ..Timing::default() };
        let node = builder.timing(timing).start().await?;
        Ok(Self { node, deadline, patience, peer_count: peers.len(), addrs: peers.join(", ") })
    }

    /// Waits until this node is up, or any neighbour. Fails at once when a peer does not want us, since asking again does not
    /// help.
    pub(crate) async fn reach(&self, wanted: Option<NodeId>) -> Result<(), Error> {
        let mut events = self.node.events();
        let mut last_failure = "nobody answered".to_owned();
        let mut hang_ups = 0;
        loop {
            let reached = match wanted {
                None => !self.node.peers().is_empty(),
                Some(id) => self.node.node_status(id) == Some(NodeStatus::Up),
            };
            if reached {
                return Ok(());
            }
            match timeout_at(self.deadline, events.recv()).await {
                Ok(Some(Event::LinkClosed { reason, remote_addr, node: peer, .. })) => {
                    let code = reason.code();
                    let hung_up = reason == CloseReason::HandshakeFailed && peer.is_none();
                    if matches!(code, Code::HandshakeFailed | Code::Unauthenticated) && !hung_up {
                        return Err(Error::new(code, format!("{remote_addr}: {}", reason.text())));
                    }
                    last_failure = format!("{remote_addr}: {}", reason.text());
                    hang_ups += u32::from(hung_up);
                    if hang_ups >= HANG_UPS_MAX {
                        return Err(Error::new(Code::HandshakeFailed, format!("{remote_addr}: {HUNG_UP}")));
                    }
                }
                Ok(Some(Event::DialFailed { addr, reason, .. })) => {
                    last_failure = format!("{addr}: {reason}");
                }
                Ok(Some(_)) => {}
                Ok(None) => return Err(Error::of_kind(Kind::Stopped, "the node was stopped")),
                Err(_) => return Err(self.nobody(wanted, &last_failure)),
            }
        }
    }

    /// Waits for a neighbour, and then until this node knows what its neighbours know, `within` at the longest. What was waited
    /// for in vain is said on stderr; what is known by then is better than nothing.
    pub(crate) async fn look_around(&self, within: Duration) -> Result<(), Error> {
        self.reach(None).await?;
        let until = self.deadline.min(Instant::now() + within);
        if let Ok(settled) = timeout_at(until, self.node.wait_until_settled(QUIET)).await {
            return settled;
        }
        // Where even stderr is closed, there is nobody to tell.
        let _ = writeln!(std::io::stderr(), "lacewing: {UNSETTLED}");
        Ok(())
    }

    fn nobody(&self, wanted: Option<NodeId>, last_failure: &str) -> Error {
        let who = wanted.map_or_else(|| "no peer".to_owned(), |id| format!("node {} not", id.short()));
        Error::of_kind(
            Kind::Unreachable,
            format!("{who} reached at {} in time; last: {last_failure}", self.addrs),
        )
    }

    /// What is left of the user's patience; never nothing, which would be a wrong argument.
    pub(crate) fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
    }

    /// Says goodbye.
    pub(crate) async fn end(self) {
        self.node.shutdown(GOODBYE_WITHIN).await;
    }
}
