//! The ends that a caller holds.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use lacewing_core::Error;
use lacewing_core::engine::Payload;

use super::next;
use crate::call::{Bidirectional, CallBuilder, ClientStream, ServerStream};
use crate::driver::StreamHandle;
use crate::node::Node;
use crate::payload::IntoPayload;

/// Calls in which more than one message goes one way, or both.
impl Node {
    /// Calls an action that answers with a stream of items.
    ///
    /// An action that answers once may be called so too, and gives its answer as the only item.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lacewing::{ItemSender, MemoryNetwork, Node, Request, Trust};
    ///
    /// let node = Node::builder().trust(Trust::Open).transport(MemoryNetwork::new()).start().await?;
    /// node.serve_stream("logs/tail", async |request: Request, items: ItemSender| {
    ///     for line in 1..=3 {
    ///         items.send(format!("{}: line {line}", String::from_utf8_lossy(&request.payload.data))).await?;
    ///     }
    ///     Ok(())
    /// })?;
    ///
    /// let mut lines = node.call_stream("logs/tail", "app").await?;
    /// let mut heard = Vec::new();
    /// while let Some(line) = lines.try_next().await? {
    ///     heard.push(line.data);
    /// }
    /// assert_eq!(heard, ["app: line 1", "app: line 2", "app: line 3"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn call_stream(
        &self,
        action: impl Into<String>,
        payload: impl IntoPayload,
    ) -> CallBuilder<ServerStream> {
        self.begin(action.into(), payload.into_payload(), ServerStream)
    }

    /// Calls an action to which any number of items is sent, and which answers once.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lacewing::{MemoryNetwork, Node, Request, Trust, Uploads};
    ///
    /// let node = Node::builder().trust(Trust::Open).transport(MemoryNetwork::new()).start().await?;
    /// node.serve_upload("ingest", async |_: Request, mut uploads: Uploads| {
    ///     let mut bytes = 0;
    ///     while let Some(part) = uploads.try_next().await? {
    ///         bytes += part.data.len();
    ///     }
    ///     Ok(format!("{bytes} bytes"))
    /// })?;
    ///
    /// let upload = node.upload("ingest", "report.csv").await?;
    /// for _ in 0..10 {
    ///     upload.send(vec![b','; 1_000]).await?;
    /// }
    /// assert_eq!(upload.finish().await?.data, "10000 bytes");
    /// # Ok(())
    /// # }
    /// ```
    pub fn upload(&self, action: impl Into<String>, payload: impl IntoPayload) -> CallBuilder<ClientStream> {
        self.begin(action.into(), payload.into_payload(), ClientStream)
    }

    /// Calls an action with which any number of items is exchanged.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lacewing::{ItemSender, MemoryNetwork, Node, Request, Trust, Uploads};
    ///
    /// let node = Node::builder().trust(Trust::Open).transport(MemoryNetwork::new()).start().await?;
    /// node.serve_bidirectional("chat", async |_: Request, mut heard: Uploads, said: ItemSender| {
    ///     while let Some(question) = heard.try_next().await? {
    ///         said.send(format!("{}?", String::from_utf8_lossy(&question.data))).await?;
    ///     }
    ///     said.send("bye").await
    /// })?;
    ///
    /// let mut chat = node.open("chat", ()).await?;
    /// chat.send("hello").await?;
    /// assert_eq!(chat.try_next().await?.unwrap().data, "hello?");
    /// chat.finish();
    /// assert_eq!(chat.try_next().await?.unwrap().data, "bye");
    /// assert_eq!(chat.try_next().await?, None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn open(&self, action: impl Into<String>, payload: impl IntoPayload) -> CallBuilder<Bidirectional> {
        self.begin(action.into(), payload.into_payload(), Bidirectional)
    }

    pub(crate) fn begin<K>(&self, action: String, payload: Payload, kind: K) -> CallBuilder<K> {
        CallBuilder::new(Arc::clone(self.driver()), action, payload, kind)
    }
}

/// Why a call was given up.
const STREAM_DROPPED: &str = "the caller has dropped its end of the stream";
const UPLOAD_DROPPED: &str = "the sending half was dropped before it had finished";

/// What a handler sends back, in the order in which it was sent.
///
/// Dropping it gives the call up: the handler is dropped as well. Items that are not taken hold the handler back, and nobody else.
///
/// It is a [`Stream`](futures_core::Stream), so that everything fits it that combines those:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use futures::TryStreamExt as _;
/// use lacewing::{ItemSender, MemoryNetwork, Node, Request, Trust};
///
/// let node = Node::builder().trust(Trust::Open).transport(MemoryNetwork::new()).start().await?;
/// node.serve_stream("letters", async |_: Request, items: ItemSender| {
///     for letter in ["a", "b", "c"] {
///         items.send(letter).await?;
///     }
///     Ok(())
/// })?;
/// let letters = node.call_stream("letters", ()).await?;
/// let letters: Vec<_> = letters.map_ok(|item| item.data).try_collect().await?;
/// assert_eq!(letters, ["a", "b", "c"]);
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping it cancels the call"]
pub struct ItemStream {
    handle: StreamHandle,
}

impl ItemStream {
    pub(crate) fn new(handle: StreamHandle) -> Self {
        Self { handle }
    }

    /// The next item; the error that the stream ended with, once, behind the items that came before it; `None` at the end. It can
    /// be dropped and asked again, nothing is lost.
    pub async fn next(&mut self) -> Option<Result<Payload, Error>> {
        next(&self.handle).await
    }

    /// The next item, or `None` at the end, for `while let` and `?`.
    pub async fn try_next(&mut self) -> Result<Option<Payload>, Error> {
        self.next().await.transpose()
    }

    /// [`next`](Self::next), for futures written by hand.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Payload, Error>>> {
        self.handle.poll_next(cx)
    }
}

/// The same items, for those who combine streams.
impl futures_core::Stream for ItemStream {
    type Item = Result<Payload, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Self::poll_next(self.get_mut(), cx)
    }
}

impl Drop for ItemStream {
    fn drop(&mut self) {
        self.handle.end().stop_reading();
        self.handle.cancel(STREAM_DROPPED);
    }
}

/// A call that sends items and has one answer.
///
/// Dropping it before [`finish`](Self::finish) gives the call up, so that half of an upload is never taken for all of it.
#[must_use = "dropping it cancels the call"]
pub struct Upload {
    handle: StreamHandle,
}

impl Upload {
    pub(crate) fn new(handle: StreamHandle) -> Self {
        Self { handle }
    }

    /// Sends an item, waiting until there is room for it. Where the call has failed, its error; `FailedPrecondition` where the
    /// handler has answered already, and [`finish`](Self::finish) gives its answer; `TooLarge`. Dropping it before it is done sends nothing.
    pub async fn send(&self, item: impl IntoPayload) -> Result<(), Error> {
        self.handle.send(item.into_payload()).await
    }

    /// Sends an item if there is room for it now; else `Backpressure`.
    pub fn try_send(&self, item: impl IntoPayload) -> Result<(), Error> {
        self.handle.try_send(item.into_payload())
    }

    /// Says that this was all, and waits for the answer.
    pub async fn finish(self) -> Result<Payload, Error> {
        self.handle.end_uploads();
        poll_fn(|cx| self.handle.poll_outcome(cx)).await
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.handle.cancel(STREAM_DROPPED);
    }
}

/// The caller's end of a call in which items go both ways.
///
/// Dropping it gives the call up.
#[must_use = "dropping it cancels the call"]
#[derive(Debug)]
pub struct Duplex {
    sender: UploadSender,
    items: ItemStream,
}

impl Duplex {
    pub(crate) fn new(handle: StreamHandle) -> Self {
        let sender = UploadSender { handle: handle.clone(), finished: false };
        Self { sender, items: ItemStream::new(handle) }
    }

    /// Sends an item, waiting until there is room for it, as [`UploadSender::send`] does.
    pub async fn send(&self, item: impl IntoPayload) -> Result<(), Error> {
        self.sender.send(item).await
    }

    /// Sends an item if there is room for it now; else `Backpressure`.
    pub fn try_send(&self, item: impl IntoPayload) -> Result<(), Error> {
        self.sender.try_send(item)
    }

    /// Says that this was all. Items may still come.
    pub fn finish(&mut self) {
        self.sender.end();
    }

    /// The next item, as [`ItemStream::next`] gives it.
    pub async fn next(&mut self) -> Option<Result<Payload, Error>> {
        self.items.next().await
    }

    /// The next item, or `None` at the end, for `while let` and `?`.
    pub async fn try_next(&mut self) -> Result<Option<Payload>, Error> {
        self.items.try_next().await
    }

    /// Both halves, for two tasks.
    pub fn split(self) -> (UploadSender, ItemStream) {
        (self.sender, self.items)
    }
}

/// The sending half of a [`Duplex`].
///
/// Dropping it before [`finish`](Self::finish) gives the call up, so that half of what was to be said is never taken for all of it.
#[must_use = "dropping it cancels the call"]
pub struct UploadSender {
    handle: StreamHandle,
    finished: bool,
}

impl UploadSender {
    /// Sends an item, waiting until there is room for it. Where the call has failed, its error; `FailedPrecondition` where it has ended;
    /// `TooLarge`. Dropping it before it is done sends nothing.
    pub async fn send(&self, item: impl IntoPayload) -> Result<(), Error> {
        self.handle.send(item.into_payload()).await
    }

    /// Sends an item if there is room for it now; else `Backpressure`.
    pub fn try_send(&self, item: impl IntoPayload) -> Result<(), Error> {
        self.handle.try_send(item.into_payload())
    }

    /// Says that this was all. Items may still come.
    pub fn finish(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.finished = true;
        self.handle.end_uploads();
    }
}

impl Drop for UploadSender {
    fn drop(&mut self) {
        if !self.finished {
            self.handle.cancel(UPLOAD_DROPPED);
        }
    }
}

macro_rules! opaque {
    ($($end:ident),+) => {$(
        impl fmt::Debug for $end {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($end)).finish_non_exhaustive()
            }
        }
    )+};
}
opaque!(ItemStream, Upload, UploadSender);
