//! What a handler is given.

use std::sync::Arc;
use std::time::Duration;

use lacewing_core::engine::{Caller, Payload};
use lacewing_core::wire::path::ActionPath;

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
    pub(crate) deadline: tokio::time::Instant,
}

impl Request {
    /// What was called.
    pub fn action(&self) -> &str {
        self.action.as_str()
    }

    /// How long the caller still waits. When that is over, or when the caller cancels or is lost, the handler's future is
    /// dropped.
    pub fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(tokio::time::Instant::now())
    }
}
