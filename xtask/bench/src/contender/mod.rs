//! What is measured side by side.
//!
//! Each contender has a server, which echoes, and a client that waits for one echo after the other, or keeps several on
//! the way.

mod blocking;
mod call;
mod framed;

use std::net::SocketAddr;
use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;
use tokio::runtime::Runtime;

use crate::clock::Stopwatch;
use crate::failure::{Failure, While as _};
use crate::options::Settings;

pub(crate) use call::NETWORK_KEY;

/// One call at a time, then many.
pub(crate) const PHASES: u32 = 2;
/// No single echo on loopback takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Who takes part, in the order of each round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Contender {
    /// A blocking TCP echo: what the system alone takes.
    Blocking,
    /// A tokio TCP echo of messages with a length in front: what any asynchronous protocol takes.
    Framed,
    /// A call between two nodes.
    Call,
}

impl Contender {
    pub(crate) const ALL: [Self; 3] = [Self::Blocking, Self::Framed, Self::Call];

    /// The name in tables, in JSON and on the server's command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Blocking => "blocking",
            Self::Framed => "framed",
            Self::Call => "call",
        }
    }

    /// What it is, in words.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Blocking => "raw blocking TCP echo",
            Self::Framed => "raw tokio TCP echo, u32 length prefix",
            Self::Call => "Lacewing call",
        }
    }

    /// Serves until the process ends, after telling `ready` where.
    pub(crate) fn serve(self, threads: Threads, ready: impl FnOnce(SocketAddr)) -> Result<(), Failure> {
        match self {
            Self::Blocking => blocking::serve(ready),
            Self::Framed => framed::serve(threads, ready),
            Self::Call => call::serve(threads, ready),
        }
    }

    /// A client that is connected, and has had an echo of what it will send.
    pub(crate) fn connect(self, addr: SocketAddr, settings: &Settings) -> Result<Box<dyn Client>, Failure> {
        Ok(match self {
            Self::Blocking => Box::new(blocking::BlockingClient::connect(addr, settings)?),
            Self::Framed => Box::new(framed::FramedClient::connect(addr, settings)?),
            Self::Call => Box::new(call::CallClient::connect(addr, settings)?),
        })
    }
}

/// The measured side.
pub(crate) trait Client {
    /// Waits for one echo after the other, for this long; gives how long each took, in nanoseconds.
    fn one_in_flight(&mut self, span: Duration) -> Result<Vec<u64>, Failure>;

    /// Keeps `in_flight` on the way for this long, and then waits for the last of them.
    fn many_in_flight(&mut self, in_flight: usize, span: Duration) -> Result<Burst, Failure>;
}

/// How many calls in which time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Burst {
    pub(crate) calls: u64,
    pub(crate) elapsed: Duration,
}

/// Room for the latencies of a phase, so that their list does not grow while it is measured.
fn latencies(span: Duration) -> Vec<u64> {
    const FASTEST_US: u128 = 4;
    Vec::with_capacity((span.as_micros() / FASTEST_US) as usize)
}

/// Counts echoes, and says how many messages replace them: one for one until the time is over.
struct Window {
    watch: Stopwatch,
    span: Duration,
    calls: u64,
    open: usize,
}

impl Window {
    fn new(in_flight: usize, span: Duration) -> Self {
        Self { watch: Stopwatch::start(), span, calls: 0, open: in_flight }
    }

    /// So many echoes came; gives how many messages go out for them.
    fn came(&mut self, echoes: usize) -> usize {
        self.calls += echoes as u64;
        let again = if self.watch.elapsed() < self.span { echoes } else { 0 };
        self.open = self.open + again - echoes;
        again
    }

    fn is_open(&self) -> bool {
        self.open > 0
    }

    fn burst(&self) -> Burst {
        Burst { calls: self.calls, elapsed: self.watch.elapsed() }
    }
}

/// Which of tokio's runtimes the asynchronous contenders run on, both sides alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Threads {
    CurrentThread,
    MultiThread,
}

impl From<bool> for Threads {
    fn from(multi_thread: bool) -> Self {
        if multi_thread { Self::MultiThread } else { Self::CurrentThread }
    }
}

impl Threads {
    pub(crate) fn runtime(self) -> Result<Runtime, Failure> {
        let mut builder = match self {
            Self::CurrentThread => tokio::runtime::Builder::new_current_thread(),
            Self::MultiThread => tokio::runtime::Builder::new_multi_thread(),
        };
        builder.enable_all().build().when("starting a tokio runtime")
    }
}

/// Runs a measurement as a task of the runtime, with an end to all waiting. On a multi-thread runtime it then runs on a
/// worker, like everything else there, and not on a thread beside them.
fn drive<T: Send + 'static>(
    runtime: &Runtime,
    limit: Duration,
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<T, Failure> {
    let task = runtime.spawn(async move {
        let late = |_| Failure::new(format!("no echo came within {} s", limit.as_secs()));
        tokio::time::timeout(limit, work).await.map_err(late)?
    });
    runtime.block_on(task).when("measuring")?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn echoes_are_replaced_until_the_time_is_over() {
        let mut window = Window::new(4, Duration::from_secs(3_600));
        assert_eq!(window.came(3), 3);
        window.span = Duration::ZERO;
        assert_eq!(window.came(2), 0);
        assert!(window.is_open());
        assert_eq!(window.came(2), 0);
        assert!(!window.is_open());
        assert_eq!(window.burst().calls, 7);
    }
}
