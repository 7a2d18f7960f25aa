//! The ends that a handler is given.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use lacewing_core::Error;
use lacewing_core::engine::{Payload, ServeError, Shape};

use super::next;
use crate::action::Action;
use crate::driver::{HandlerFuture, StreamHandle};
use crate::node::Node;
use crate::payload::IntoPayload;
use crate::request::Request;

/// Actions in which more than one message goes one way, or both. What [`serve`](Self::serve) says of handlers holds of these too.
impl Node {
    /// Serves `action` with a handler that sends any number of items, and ends the stream by being done. An error of its comes behind
    /// the items that it has sent. [`call_stream`](Self::call_stream) shows both sides.
    pub fn serve_stream<F, Fut>(&self, action: impl Into<Action>, handler: F) -> Result<(), ServeError>
    where
        F: Fn(Request, ItemSender) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Error>> + Send + 'static,
    {
        self.serve_shape(action.into(), Shape::ServerStream, move |request, handle| {
            let done = handler(request, ItemSender::new(handle));
            Box::pin(async move { done.await.map(IntoPayload::into_payload) })
        })
    }

    /// Serves `action` with a handler that is sent any number of items, and answers once, whenever it likes.
    /// [`upload`](Self::upload) shows both sides.
    pub fn serve_upload<F, Fut, R>(&self, action: impl Into<Action>, handler: F) -> Result<(), ServeError>
    where
        F: Fn(Request, Uploads) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, Error>> + Send + 'static,
        R: IntoPayload,
    {
        self.serve_shape(action.into(), Shape::ClientStream, move |request, handle| {
            let answer = handler(request, Uploads::new(handle));
            Box::pin(async move { answer.await.map(IntoPayload::into_payload) })
        })
    }

    /// Serves `action` with a handler that is sent any number of items and sends any number back, in whatever order. It ends the stream
    /// by being done. [`open`](Self::open) shows both sides.
    pub fn serve_bidirectional<F, Fut>(&self, action: impl Into<Action>, handler: F) -> Result<(), ServeError>
    where
        F: Fn(Request, Uploads, ItemSender) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Error>> + Send + 'static,
    {
        self.serve_shape(action.into(), Shape::Bidirectional, move |request, handle| {
            let uploads = Uploads::new(handle.clone());
            let done = handler(request, uploads, ItemSender::new(handle));
            Box::pin(async move { done.await.map(IntoPayload::into_payload) })
        })
    }

    fn serve_shape(
        &self,
        action: Action,
        shape: Shape,
        handler: impl Fn(Request, StreamHandle) -> HandlerFuture + Send + Sync + 'static,
    ) -> Result<(), ServeError> {
        let handler = move |request, handle: Option<StreamHandle>| {
            let handle = handle.expect("the driver opens an end for every action of such a shape");
            handler(request, handle)
        };
        self.driver().serve(action, Some(shape), Arc::new(handler))
    }
}

/// Where a handler sends its items. Clones send to the same stream.
///
/// The stream ends with the handler: what is sent later is refused.
#[derive(Clone)]
pub struct ItemSender {
    handle: StreamHandle,
}

impl ItemSender {
    pub(crate) fn new(handle: StreamHandle) -> Self {
        Self { handle }
    }

    /// Sends an item, waiting until there is room for it. `FailedPrecondition` or `Cancelled` where the stream has ended, `TooLarge`.
    /// Dropping it before it is done sends nothing.
    pub async fn send(&self, item: impl IntoPayload) -> Result<(), Error> {
        self.handle.send(item.into_payload()).await
    }

    /// Sends an item if there is room for it now; else `Backpressure`.
    pub fn try_send(&self, item: impl IntoPayload) -> Result<(), Error> {
        self.handle.try_send(item.into_payload())
    }
}

impl fmt::Debug for ItemSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ItemSender").finish_non_exhaustive()
    }
}

/// What the caller sends to a handler, in the order in which it was sent.
///
/// Items that are not taken hold the caller back, and nobody else. Dropping it throws away what comes.
pub struct Uploads {
    handle: StreamHandle,
}

impl Uploads {
    pub(crate) fn new(handle: StreamHandle) -> Self {
        Self { handle }
    }

    /// The next item; `None` once the caller has said that this was all. An error, once, where it will not say so any more: it
    /// is gone or has given up, or the request was answered. It can be dropped and asked again, nothing is lost.
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
impl futures_core::Stream for Uploads {
    type Item = Result<Payload, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Self::poll_next(self.get_mut(), cx)
    }
}

impl Drop for Uploads {
    fn drop(&mut self) {
        self.handle.end().stop_reading();
    }
}

impl fmt::Debug for Uploads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uploads").finish_non_exhaustive()
    }
}
