//! What a handler is given.

use std::sync::Arc;
use std::time::Duration;

use lacewing_core::engine::{Caller, Headers, Payload, Shape};
use lacewing_core::wire::path::ActionPath;
use tokio::time::Instant;

use crate::trace_context::TraceContext;

/// Longer than anybody waits.
const FOR_EVER: Duration = Duration::from_secs(30 * 365 * 24 * 3_600);

/// A call that this node is to answer.
///
/// ```
/// use lacewing::{Code, Error, Request};
///
/// async fn halve(request: Request) -> Result<Vec<u8>, Error> {
///     if request.payload.data.len() % 2 == 1 {
///         return Err(Error::new(Code::InvalidArgument, "an even number of bytes, please"));
///     }
///     Ok(request.payload.data[..request.payload.data.len() / 2].to_vec())
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request {
    /// The argument.
    pub payload: Payload,
    /// Who calls, as the handshake proved.
    pub caller: Caller,
    pub(crate) action: Arc<ActionPath>,
    pub(crate) shape: Shape,
    pub(crate) headers: Headers,
    pub(crate) waited: Duration,
    pub(crate) deadline: Option<Instant>,
}

impl Request {
    /// What was called.
    pub fn action(&self) -> &str {
        self.action.as_str()
    }

    /// How many messages go each way: what the action is served as.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// How long it has waited for its turn, where as many of its action were running as may; zero where it did not have to.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// What the caller says besides the argument.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The value of the first header of this name.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lacewing::{MemoryNetwork, Node, Request, Trust};
    ///
    /// let node = Node::builder().trust(Trust::Open).transport(MemoryNetwork::new()).start().await?;
    /// node.serve("tenant", async |request: Request| {
    ///     Ok(request.header("tenant").unwrap_or("nobody").to_owned())
    /// })?;
    /// assert_eq!(node.call("tenant", ()).header("tenant", "blue").await?.data, "blue");
    /// # Ok(())
    /// # }
    /// ```
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// Which trace the call is part of, where the caller says so in a well-formed `traceparent` header. It is the caller's own
    /// step; for calls that the handler makes, [`CallBuilder::trace`](crate::CallBuilder::trace) makes a step beneath it.
    pub fn trace(&self) -> Option<TraceContext> {
        self.headers.get(TraceContext::HEADER)?.parse().ok()
    }

    /// When the caller stops waiting. `None`: a stream without an end of its own, which lasts for as long as something moves.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// How long the caller still waits; some decades where there is no deadline. When that is over, or when the caller cancels or
    /// is lost, the handler's future is dropped.
    pub fn time_left(&self) -> Duration {
        let left = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
        self.deadline.map_or(FOR_EVER, left)
    }
}
