//! Actions and calls with more than one message, all of Rust types.

use std::fmt;
use std::future::{Future, IntoFuture, Ready, ready};
use std::marker::PhantomData;

use lacewing_core::Error;
use lacewing_core::engine::{Codec, Payload, ServeError, Shape};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::calls::{Argument, written};
use super::ends::{TypedDuplex, TypedItemSender, TypedStream, TypedUpload, TypedUploads};
use crate::action::Action;
use crate::call::{CallBuilder, StreamKind, sealed};
use crate::driver::StreamHandle;
use crate::node::Node;
use crate::payload::IntoPayload;
use crate::request::Request;
use crate::stream::{Duplex, ItemSender, ItemStream, Upload, Uploads};

/// A stream that is called with an argument of a known type. Awaiting it gives the caller's end: a [`TypedStream`], a [`TypedUpload`] or a
/// [`TypedDuplex`].
pub struct TypedStreamCall<'a, Req: ?Sized, End> {
    argument: Argument<'a, Req>,
    end: PhantomData<fn() -> End>,
}

impl<Req: ?Sized, End> sealed::Sealed for TypedStreamCall<'_, Req, End> {}

impl<Req: ?Sized, End> StreamKind for TypedStreamCall<'_, Req, End> {
    type End = End;
}

impl<Req: ?Sized, End> fmt::Debug for TypedStreamCall<'_, Req, End> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedStreamCall").finish_non_exhaustive()
    }
}

/// What a caller can hold of a stream of Rust types. No others can be made.
pub trait TypedEnd: sealed::Sealed + Sized {
    #[doc(hidden)]
    const SHAPE: Shape;

    #[doc(hidden)]
    fn of(begun: Begun) -> Self;
}

/// A stream that has begun, and the codec of its argument, in which the items go as well.
#[doc(hidden)]
pub struct Begun {
    handle: StreamHandle,
    codec: Codec,
}

impl fmt::Debug for Begun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Begun").field("codec", &self.codec).finish_non_exhaustive()
    }
}

impl<Item: DeserializeOwned> sealed::Sealed for TypedStream<Item> {}
impl<Item: Serialize + ?Sized, Res: DeserializeOwned> sealed::Sealed for TypedUpload<Item, Res> {}
impl<In: Serialize + ?Sized, Out: DeserializeOwned> sealed::Sealed for TypedDuplex<In, Out> {}

impl<Item: DeserializeOwned> TypedEnd for TypedStream<Item> {
    const SHAPE: Shape = Shape::ServerStream;

    fn of(begun: Begun) -> Self {
        ItemStream::new(begun.handle).typed()
    }
}

impl<Item: Serialize + ?Sized, Res: DeserializeOwned> TypedEnd for TypedUpload<Item, Res> {
    const SHAPE: Shape = Shape::ClientStream;

    fn of(begun: Begun) -> Self {
        Upload::new(begun.handle).typed(begun.codec)
    }
}

impl<In: Serialize + ?Sized, Out: DeserializeOwned> TypedEnd for TypedDuplex<In, Out> {
    const SHAPE: Shape = Shape::Bidirectional;

    fn of(begun: Begun) -> Self {
        Duplex::new(begun.handle).typed(begun.codec)
    }
}

/// Typed streams. Needs the feature `typed`, which is on by default.
///
/// Items travel in the codec of the action; whoever reads takes any.
impl Node {
    /// Serves `action` with a handler whose argument and items are Rust types, as [`serve_typed`](Self::serve_typed) does one with an
    /// answer.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lacewing::typed::TypedItemSender;
    /// use lacewing::{MemoryNetwork, Node, Request, Trust};
    ///
    /// let node = Node::builder().trust(Trust::Open).transport(MemoryNetwork::new()).start().await?;
    /// let squares = async |upto: u32, _: Request, items: TypedItemSender<(u32, u32)>| {
    ///     for number in 1..=upto {
    ///         items.send(&(number, number * number)).await?;
    ///     }
    ///     Ok(())
    /// };
    /// node.serve_stream_typed("squares", squares)?;
    ///
    /// let mut items = node.call_stream_typed::<u32, (u32, u32)>("squares", &3).await?;
    /// let mut heard = Vec::new();
    /// while let Some(item) = items.try_next().await? {
    ///     heard.push(item);
    /// }
    /// assert_eq!(heard, [(1, 1), (2, 4), (3, 9)]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn serve_stream_typed<Req, Item, F, Fut>(
        &self,
        action: impl Into<Action>,
        handler: F,
    ) -> Result<(), ServeError>
    where
        Req: DeserializeOwned + Send + 'static,
        Item: Serialize + 'static,
        F: Fn(Req, Request, TypedItemSender<Item>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Error>> + Send + 'static,
    {
        self.serve_decoded(action.into(), Shape::ServerStream, move |argument, request, codec, handle| {
            let done = handler(argument, request, ItemSender::new(opened(handle)).typed(codec));
            async move { done.await.map(IntoPayload::into_payload) }
        })
    }

    /// Serves `action` with a handler that is sent items of a Rust type, and answers with one.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lacewing::typed::TypedUploads;
    /// use lacewing::{MemoryNetwork, Node, Request, Trust};
    ///
    /// let node = Node::builder().trust(Trust::Open).transport(MemoryNetwork::new()).start().await?;
    /// let sum = async |from: i64, _: Request, mut numbers: TypedUploads<i64>| {
    ///     let mut sum = from;
    ///     while let Some(number) = numbers.try_next().await? {
    ///         sum += number;
    ///     }
    ///     Ok(sum)
    /// };
    /// node.serve_upload_typed("sum", sum)?;
    ///
    /// let upload = node.upload_typed::<i64, i64, i64>("sum", &0).await?;
    /// for number in [1, 2, 39] {
    ///     upload.send(&number).await?;
    /// }
    /// assert_eq!(upload.finish().await?, 42);
    /// # Ok(())
    /// # }
    /// ```
    pub fn serve_upload_typed<Req, Item, Res, F, Fut>(
        &self,
        action: impl Into<Action>,
        handler: F,
    ) -> Result<(), ServeError>
    where
        Req: DeserializeOwned + Send + 'static,
        Item: DeserializeOwned + 'static,
        Res: Serialize + Send + 'static,
        F: Fn(Req, Request, TypedUploads<Item>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Res, Error>> + Send + 'static,
    {
        self.serve_decoded(action.into(), Shape::ClientStream, move |argument, request, codec, handle| {
            let answer = handler(argument, request, Uploads::new(opened(handle)).typed());
            async move { written(codec, &answer.await?) }
        })
    }

    /// Serves `action` with a handler that is sent items of a Rust type, and sends items of one.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lacewing::typed::{TypedItemSender, TypedUploads};
    /// use lacewing::{MemoryNetwork, Node, Request, Trust};
    ///
    /// let node = Node::builder().trust(Trust::Open).transport(MemoryNetwork::new()).start().await?;
    /// let lengths = async |(): (), _: Request, mut words: TypedUploads<String>, sums: TypedItemSender<usize>| {
    ///     while let Some(word) = words.try_next().await? {
    ///         sums.send(&word.len()).await?;
    ///     }
    ///     Ok(())
    /// };
    /// node.serve_bidirectional_typed("lengths", lengths)?;
    ///
    /// let mut lengths = node.open_typed::<(), str, usize>("lengths", &()).await?;
    /// lengths.send("lacewing").await?;
    /// assert_eq!(lengths.try_next().await?, Some(8));
    /// lengths.finish();
    /// assert_eq!(lengths.try_next().await?, None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn serve_bidirectional_typed<Req, In, Out, F, Fut>(
        &self,
        action: impl Into<Action>,
        handler: F,
    ) -> Result<(), ServeError>
    where
        Req: DeserializeOwned + Send + 'static,
        In: DeserializeOwned + 'static,
        Out: Serialize + 'static,
        F: Fn(Req, Request, TypedUploads<In>, TypedItemSender<Out>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Error>> + Send + 'static,
    {
        self.serve_decoded(action.into(), Shape::Bidirectional, move |argument, request, codec, handle| {
            let handle = opened(handle);
            let uploads = Uploads::new(handle.clone()).typed();
            let done = handler(argument, request, uploads, ItemSender::new(handle).typed(codec));
            async move { done.await.map(IntoPayload::into_payload) }
        })
    }

    /// Calls an action with a Rust type, and takes its items as others. [`serve_stream_typed`](Self::serve_stream_typed) shows both sides.
    pub fn call_stream_typed<'a, Req, Item>(
        &self,
        action: impl Into<String>,
        argument: &'a Req,
    ) -> CallBuilder<TypedStreamCall<'a, Req, TypedStream<Item>>>
    where
        Req: Serialize + ?Sized,
        Item: DeserializeOwned,
    {
        self.begin_typed(action.into(), argument)
    }

    /// Calls an action with a Rust type, sends it items of another and takes its answer as a third.
    /// [`serve_upload_typed`](Self::serve_upload_typed) shows both sides.
    pub fn upload_typed<'a, Req, Item, Res>(
        &self,
        action: impl Into<String>,
        argument: &'a Req,
    ) -> CallBuilder<TypedStreamCall<'a, Req, TypedUpload<Item, Res>>>
    where
        Req: Serialize + ?Sized,
        Item: Serialize + ?Sized,
        Res: DeserializeOwned,
    {
        self.begin_typed(action.into(), argument)
    }

    /// Calls an action with a Rust type, and exchanges items of others with it.
    /// [`serve_bidirectional_typed`](Self::serve_bidirectional_typed) shows both sides.
    pub fn open_typed<'a, Req, In, Out>(
        &self,
        action: impl Into<String>,
        argument: &'a Req,
    ) -> CallBuilder<TypedStreamCall<'a, Req, TypedDuplex<In, Out>>>
    where
        Req: Serialize + ?Sized,
        In: Serialize + ?Sized,
        Out: DeserializeOwned,
    {
        self.begin_typed(action.into(), argument)
    }

    fn begin_typed<'a, Req: ?Sized, End>(
        &self,
        action: String,
        argument: &'a Req,
    ) -> CallBuilder<TypedStreamCall<'a, Req, End>> {
        let kind = TypedStreamCall { argument: Argument::new(argument), end: PhantomData };
        self.begin(action, Payload::default(), kind)
    }
}

/// The handler's end.
fn opened(handle: Option<StreamHandle>) -> StreamHandle {
    handle.expect("the driver opens an end for every action of such a shape")
}

impl<Req: Serialize + ?Sized, End> CallBuilder<TypedStreamCall<'_, Req, End>> {
    /// How the argument and the items are written, instead of what the action's providers have announced.
    pub fn codec(mut self, codec: Codec) -> Self {
        self.kind.argument.codec = Some(codec);
        self
    }
}

/// Begins the stream. It does not wait for anybody: what ends the stream is heard at the end that it gives. An argument that cannot be
/// written is a `Codec` error.
impl<Req: Serialize + ?Sized, End: TypedEnd> IntoFuture for CallBuilder<TypedStreamCall<'_, Req, End>> {
    type Output = Result<End, Error>;
    type IntoFuture = Ready<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { driver, order, kind } = self;
        let mut call = CallBuilder { driver, order, kind: () };
        let begun = call.write(&kind.argument).and_then(|codec| {
            let handle = call.open(End::SHAPE)?;
            Ok(Begun { handle, codec })
        });
        ready(begun.map(End::of))
    }
}
