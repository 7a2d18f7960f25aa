//! What is served, and what others are told of it.

use lacewing_core::directory::{ProviderEntry, ProviderState, SchemaId};
use lacewing_core::engine::{Codec, ServeError, ServeOptions};

/// An action, and what others are told of it.
///
/// A path alone is one, running and idle:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use lacewing::{Action, MemoryNetwork, Node, Request, SchemaId, Trust};
///
/// let node = Node::builder().trust(Trust::Open).transport(MemoryNetwork::new()).start().await?;
/// node.serve("math/double", async |request: Request| Ok(request.payload.data.repeat(2)))?;
///
/// let sum = Action::new("math/sum").version("1.4.0").schema(SchemaId::Name("math-v1".to_owned()));
/// node.serve(sum, async |request: Request| Ok(request.payload))?;
/// let (_, entry) = &node.providers("math/sum")[0];
/// assert_eq!((entry.version.as_deref(), entry.load), (Some("1.4.0"), 0));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "an action is served by `Node::serve`"]
pub struct Action {
    path: String,
    schema: Option<SchemaId>,
    version: Option<String>,
    codec: Option<Codec>,
    load: u32,
    state: ProviderState,
    limits: Option<ServeOptions>,
}

impl Action {
    /// An action with this path, running and idle, without schema, version or codec.
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            schema: None,
            version: None,
            codec: None,
            load: 0,
            state: ProviderState::Running,
            limits: None,
        }
    }

    /// Which shape its payloads have: a name of 1 to 255 bytes that callers know, or a hash.
    pub fn schema(mut self, schema: SchemaId) -> Self {
        self.schema = Some(schema);
        self
    }

    /// Its version: 1 to 64 bytes, usually `1.4.0`.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// How its payloads are to be read. An action that is served typed reads no others.
    pub fn codec(mut self, codec: Codec) -> Self {
        self.codec = Some(codec);
        self
    }

    /// How its payloads are to be read; like this where it does not say.
    #[cfg(feature = "typed")]
    pub(crate) fn codec_or(&self, codec: Codec) -> Codec {
        self.codec.unwrap_or(codec)
    }

    /// How busy it is: requests that run or wait. Calls that go to the least loaded provider look at it.
    pub fn load(mut self, load: u32) -> Self {
        self.load = load;
        self
    }

    /// Whether it takes calls. One that does not can be seen by others, and begins with
    /// [`Node::resume_action`](crate::Node::resume_action).
    pub fn state(mut self, state: ProviderState) -> Self {
        self.state = state;
        self
    }

    /// Handlers of it that run at once, at least 1, whoever calls. Other requests wait in a [`queue`](Self::queue). A handler that is told to
    /// stop keeps its place until it has stopped.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lacewing::{Action, MemoryNetwork, Node, Request, Trust};
    ///
    /// let node = Node::builder().trust(Trust::Open).transport(MemoryNetwork::new()).start().await?;
    /// let print = Action::new("print").max_in_flight(1).queue(100);
    /// node.serve(print, async |request: Request| Ok(request.payload))?;
    /// assert_eq!(node.call("print", "a page").await?.data, "a page");
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_in_flight(mut self, handlers: usize) -> Self {
        self.limits.get_or_insert_default().max_in_flight = Some(handlers);
        self
    }

    /// Requests that wait while [`max_in_flight`](Self::max_in_flight) others run, 5,000 where it is not said. More are refused as
    /// `ResourceExhausted`, and told when to come back.
    pub fn queue(mut self, requests: usize) -> Self {
        self.limits.get_or_insert_default().queue_max = requests;
        self
    }

    /// How much of it runs at once, where that was said.
    pub(crate) fn limits(&self) -> Option<ServeOptions> {
        self.limits
    }

    /// What the directory says of it.
    pub(crate) fn entry(self) -> Result<ProviderEntry, ServeError> {
        let path = self.path.parse().map_err(|error| ServeError::Path(format!("{error}")))?;
        Ok(ProviderEntry {
            schema: self.schema,
            version: self.version,
            codec: self.codec,
            load: self.load,
            state: self.state,
            ..ProviderEntry::new(path)
        })
    }
}

impl From<&str> for Action {
    fn from(path: &str) -> Self {
        Self::new(path)
    }
}

impl From<String> for Action {
    fn from(path: String) -> Self {
        Self::new(path)
    }
}

impl From<&String> for Action {
    fn from(path: &String) -> Self {
        Self::new(path)
    }
}
