//! The ends of streams, for items that are Rust types.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use lacewing_core::Error;
use lacewing_core::engine::{Codec, Payload};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{decode, encode};
use crate::stream::{Duplex, ItemSender, ItemStream, Upload, UploadSender, Uploads};

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

    /// [`next`](Self::next), for futures written by hand.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Item, Error>>> {
        self.items.poll_next(cx).map(read)
    }
}

/// The same items, for those who combine streams.
impl<Item: DeserializeOwned> futures_core::Stream for TypedStream<Item> {
    type Item = Result<Item, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Self::poll_next(self.get_mut(), cx)
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

    /// [`next`](Self::next), for futures written by hand.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Item, Error>>> {
        self.uploads.poll_next(cx).map(read)
    }
}

/// The same items, for those who combine streams.
impl<Item: DeserializeOwned> futures_core::Stream for TypedUploads<Item> {
    type Item = Result<Item, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Self::poll_next(self.get_mut(), cx)
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

/// An [`Upload`] whose items are written, and whose answer is read.
#[must_use = "dropping it cancels the call"]
pub struct TypedUpload<Item: ?Sized, Res> {
    upload: Upload,
    codec: Codec,
    types: PhantomData<fn(&Item) -> Res>,
}

impl Upload {
    /// Writes the items from here on, in this codec, and reads the answer in whatever codec it comes. Needs the feature `typed`.
    pub fn typed<Item: Serialize + ?Sized, Res: DeserializeOwned>(
        self,
        codec: Codec,
    ) -> TypedUpload<Item, Res> {
        TypedUpload { upload: self, codec, types: PhantomData }
    }
}

impl<Item: Serialize + ?Sized, Res: DeserializeOwned> TypedUpload<Item, Res> {
    /// Sends an item, as [`Upload::send`] does. `Codec` where it cannot be written.
    pub async fn send(&self, item: &Item) -> Result<(), Error> {
        let written = encode(self.codec, item)?;
        self.upload.send(written).await
    }

    /// Sends an item if there is room for it now; else `Backpressure`.
    pub fn try_send(&self, item: &Item) -> Result<(), Error> {
        self.upload.try_send(encode(self.codec, item)?)
    }

    /// Says that this was all, and waits for the answer. `Codec` where that does not hold a `Res`.
    pub async fn finish(self) -> Result<Res, Error> {
        let answer = self.upload.finish().await?;
        // Whatever the answer is worth here, the other end has done its work.
        decode(&answer).map_err(|error| error.executed_perhaps(true))
    }
}

/// An [`UploadSender`] that writes its items.
#[must_use = "dropping it cancels the call"]
pub struct TypedUploadSender<Item: ?Sized> {
    sender: UploadSender,
    codec: Codec,
    item: PhantomData<fn(&Item)>,
}

impl UploadSender {
    /// Writes the items from here on, in this codec. Needs the feature `typed`.
    pub fn typed<Item: Serialize + ?Sized>(self, codec: Codec) -> TypedUploadSender<Item> {
        TypedUploadSender { sender: self, codec, item: PhantomData }
    }
}

impl<Item: Serialize + ?Sized> TypedUploadSender<Item> {
    /// Sends an item, as [`UploadSender::send`] does. `Codec` where it cannot be written.
    pub async fn send(&self, item: &Item) -> Result<(), Error> {
        let written = encode(self.codec, item)?;
        self.sender.send(written).await
    }

    /// Sends an item if there is room for it now; else `Backpressure`.
    pub fn try_send(&self, item: &Item) -> Result<(), Error> {
        self.sender.try_send(encode(self.codec, item)?)
    }

    /// Says that this was all. Items may still come.
    pub fn finish(self) {
        self.sender.finish();
    }
}

/// A [`Duplex`] whose items are written and read.
#[must_use = "dropping it cancels the call"]
pub struct TypedDuplex<In: ?Sized, Out> {
    duplex: Duplex,
    codec: Codec,
    types: PhantomData<fn(&In) -> Out>,
}

impl Duplex {
    /// Writes the items from here on, in this codec, and reads those that come in whatever codec each has. Needs the feature `typed`.
    pub fn typed<In: Serialize + ?Sized, Out: DeserializeOwned>(self, codec: Codec) -> TypedDuplex<In, Out> {
        TypedDuplex { duplex: self, codec, types: PhantomData }
    }
}

impl<In: Serialize + ?Sized, Out: DeserializeOwned> TypedDuplex<In, Out> {
    /// Sends an item, as [`Duplex::send`] does. `Codec` where it cannot be written.
    pub async fn send(&self, item: &In) -> Result<(), Error> {
        let written = encode(self.codec, item)?;
        self.duplex.send(written).await
    }

    /// Sends an item if there is room for it now; else `Backpressure`.
    pub fn try_send(&self, item: &In) -> Result<(), Error> {
        self.duplex.try_send(encode(self.codec, item)?)
    }

    /// Says that this was all. Items may still come.
    pub fn finish(&mut self) {
        self.duplex.finish();
    }

    /// The next item, as [`TypedStream::next`] gives it.
    pub async fn next(&mut self) -> Option<Result<Out, Error>> {
        read(self.duplex.next().await)
    }

    /// The next item, or `None` at the end, for `while let` and `?`.
    pub async fn try_next(&mut self) -> Result<Option<Out>, Error> {
        self.next().await.transpose()
    }

    /// Both halves, for two tasks.
    pub fn split(self) -> (TypedUploadSender<In>, TypedStream<Out>) {
        let (sender, items) = self.duplex.split();
        (sender.typed(self.codec), items.typed())
    }
}

macro_rules! opaque {
    ($($end:ident<$($type:ident $(: ?$sized:ident)?),+>),+) => {$(
        impl<$($type $(: ?$sized)?),+> fmt::Debug for $end<$($type),+> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($end)).finish_non_exhaustive()
            }
        }
    )+};
}
opaque!(
    TypedStream<Item>,
    TypedUploads<Item>,
    TypedItemSender<Item: ?Sized>,
    TypedUpload<Item: ?Sized, Res>,
    TypedUploadSender<Item: ?Sized>,
    TypedDuplex<In: ?Sized, Out>
);
