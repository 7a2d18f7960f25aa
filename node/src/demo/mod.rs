//! Actions to try things out with. The `lacewing` command serves them on request.

mod count;
mod echo_sum;

use lacewing_core::engine::{Codec, ServeError};

use crate::action::Action;
use crate::node::Node;

pub use count::count;
pub use echo_sum::echo_sum;

/// The names of all that there are.
pub const ACTIONS: [&str; 2] = ["count", "echo_sum"];

/// Serves one of [`ACTIONS`] by its name. Another name is a `ServeError::Path`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use lacewing::{MemoryNetwork, Node, Trust, demo};
///
/// let node = Node::builder().trust(Trust::Open).transport(MemoryNetwork::new()).start().await?;
/// demo::serve(&node, "count")?;
/// assert!(demo::serve(&node, "nothing").is_err());
/// # Ok(())
/// # }
/// ```
pub fn serve(node: &Node, action: &str) -> Result<(), ServeError> {
    match action {
        "count" => node.serve_stream(Action::new(action).codec(Codec::Json), count),
        "echo_sum" => node.serve(action, echo_sum),
        other => Err(ServeError::Path(format!("there is no action {other:?} to try things out with"))),
    }
}
