//! Streams whose items are Rust types.

use std::fmt;
use std::future::{Future, IntoFuture, Ready, ready};
use std::marker::PhantomData;

use lacewing_core::Error;
use lacewing_core::engine::{Codec, Payload, ServeError, Shape};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::calls::Argument;
use super::{decode, encode};
use crate::action::Action;
use crate::call::{CallBuilder, StreamKind, sealed};
use crate::node::Node;
use crate::payload::IntoPayload;
use crate::request::Request;
use crate::stream::{ItemSender, ItemStream, Uploads};

/// A call with an argument of a known type that is answered with items of a known type. Awaiting it gives a [`TypedStream`].
#[derive(Debug)]
pub struct TypedItems<'a, Req: ?Sized, Item> {
    argument: Argument<'a, Req>,
    items: PhantomData<fn() -> Item>,
}

impl<Req: ?Sized, Item> sealed::Sealed for TypedItems<'_, Req, Item> {}

impl<Req: ?Sized, Item> StreamKind for TypedItems<'_, Req, Item> {
    type End = TypedStream<Item>;
}

/// Typed streams. Needs the feature `typed`, which is on by default.
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
            let handle = handle.expect("the driver opens an end for every action of such a shape");
            let done = handler(argument, request, ItemSender::new(handle).typed(codec));
            async move { done.await.map(IntoPayload::into_payload) }
        })
    }

    /// Calls an action with a Rust type, and takes its items as others.
    pub fn call_stream_typed<'a, Req, Item>(
        &self,
        action: impl Into<String>,
        argument: &'a Req,
    ) -> CallBuilder<TypedItems<'a, Req, Item>>
    where
        Req: Serialize + ?Sized,
        Item: DeserializeOwned,
    {
        let kind = TypedItems { argument: Argument::new(argument), items: PhantomData };
        self.begin(action.into(), Payload::default(), kind)
    }
}

impl<Req: Serialize + ?Sized, Item> CallBuilder<TypedItems<'_, Req, Item>> {
    /// How the argument is written, instead of what the action's providers have announced.
    pub fn codec(mut self, codec: Codec) -> Self {
        self.kind.argument.codec = Some(codec);
        self
    }
}

impl<Req: Serialize + ?Sized, Item: DeserializeOwned> IntoFuture for CallBuilder<TypedItems<'_, Req, Item>> {
    type Output = Result<TypedStream<Item>, Error>;
    type IntoFuture = Ready<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { driver, order, kind } = self;
        let mut call = CallBuilder { driver, order, kind: () };
        let written = call.write(&kind.argument);
        ready(written.and_then(|()| call.open(Shape::ServerStream)).map(|end| ItemStream::new(end).typed()))
    }
}

/// An [`ItemStream`] whose items are read.
#[must_use = "dropping it cancels the call"]
pub struct TypedStream<Item> {
    items: ItemStream,
    item: PhantomData<fn() -> Item>,
}

impl ItemStream {
    /// Reads the items from here on, in whatever codec each comes. Needs the feature `typed`.
    pub fn typed<Item: DeserializeOwned>(self) -> TypedStream<Item> {
        TypedStream { items: self, item: PhantomData }
    }
}

impl<Item: DeserializeOwned> TypedStream<Item> {
    /// The next item, as [`ItemStream::next`] gives it. One that does not hold an `Item` is a `Codec` error; the stream goes on
    /// behind it.
    pub async fn next(&mut self) -> Option<Result<Item, Error>> {
        read(self.items.next().await)
    }

    /// The next item, or `None` at the end, for `while let` and `?`.
    pub async fn try_next(&mut self) -> Result<Option<Item>, Error> {
        self.next().await.transpose()
    }
}

/// [`Uploads`] whose items are read.
pub struct TypedUploads<Item> {
    uploads: Uploads,
    item: PhantomData<fn() -> Item>,
}

impl Uploads {
    /// Reads the items from here on, in whatever codec each comes. Needs the feature `typed`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lacewing::typed::encode;
    /// use lacewing::{Codec, MemoryNetwork, Node, Request, Trust, Uploads};
    ///
    /// let node = Node::builder().trust(Trust::Open).transport(MemoryNetwork::new()).start().await?;
    /// node.serve_upload("sum", async |_: Request, uploads: Uploads| {
    ///     let (mut numbers, mut sum) = (uploads.typed::<i64>(), 0);
    ///     while let Some(number) = numbers.try_next().await? {
    ///         sum += number;
    ///     }
    ///     encode(Codec::Cbor, &sum)
    /// })?;
    /// let upload = node.upload("sum", ()).await?;
    /// for number in [1_i64, 2, 39] {
    ///     upload.send(encode(Codec::Cbor, &number)?).await?;
    /// }
    /// assert_eq!(lacewing::typed::decode::<i64>(&upload.finish().await?)?, 42);
    /// # Ok(())
    /// # }
    /// ```
    pub fn typed<Item: DeserializeOwned>(self) -> TypedUploads<Item> {
        TypedUploads { uploads: self, item: PhantomData }
    }
}

impl<Item: DeserializeOwned> TypedUploads<Item> {
    /// The next item, as [`Uploads::next`] gives it. One that does not hold an `Item` is a `Codec` error; others may come behind
    /// it.
    pub async fn next(&mut self) -> Option<Result<Item, Error>> {
        read(self.uploads.next().await)
    }

    /// The next item, or `None` at the end, for `while let` and `?`.
    pub async fn try_next(&mut self) -> Result<Option<Item>, Error> {
        self.next().await.transpose()
    }
}

fn read<Item: DeserializeOwned>(next: Option<Result<Payload, Error>>) -> Option<Result<Item, Error>> {
    // Whatever an item is worth here, the other end has done its work.
    next.map(|item| decode(&item?).map_err(|error| error.executed_perhaps(true)))
}

/// An [`ItemSender`] that writes its items.
pub struct TypedItemSender<Item: ?Sized> {
    items: ItemSender,
    codec: Codec,
    item: PhantomData<fn(&Item)>,
}

impl ItemSender {
    /// Writes the items from here on, in this codec. Needs the feature `typed`.
    pub fn typed<Item: Serialize + ?Sized>(self, codec: Codec) -> TypedItemSender<Item> {
        TypedItemSender { items: self, codec, item: PhantomData }
    }
}

impl<Item: Serialize + ?Sized> TypedItemSender<Item> {
    /// Sends an item, as [`ItemSender::send`] does. `Codec` where it cannot be written.
    pub async fn send(&self, item: &Item) -> Result<(), Error> {
        let written = encode(self.codec, item)?;
        self.items.send(written).await
    }

    /// Sends an item if there is room for it now; else `Backpressure`.
    pub fn try_send(&self, item: &Item) -> Result<(), Error> {
        self.items.try_send(encode(self.codec, item)?)
    }
}

impl<Item: ?Sized> Clone for TypedItemSender<Item> {
    fn clone(&self) -> Self {
        Self { items: self.items.clone(), codec: self.codec, item: PhantomData }
    }
}

macro_rules! opaque {
    ($($end:ident),+) => {$(
        impl<Item> fmt::Debug for $end<Item> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($end)).finish_non_exhaustive()
            }
        }
    )+};
}
opaque!(TypedStream, TypedUploads, TypedItemSender);
