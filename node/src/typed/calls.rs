//! Calls and actions with one argument and one answer.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use lacewing_core::engine::{Codec, Payload, ServeError, Shape};
use lacewing_core::{Code, Error};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{decode, encode, name};
use crate::action::Action;
use crate::call::{CallBuilder, CallFuture, Unary, sealed};
use crate::driver::StreamHandle;
use crate::node::Node;
use crate::policy::OneAnswer;
use crate::request::Request;

/// A call with an argument and an answer of known types. Awaiting it gives the answer.
#[derive(Debug)]
pub struct Typed<'a, Req: ?Sized, Res> {
    argument: Argument<'a, Req>,
    answer: PhantomData<fn() -> Res>,
}

impl<Req: ?Sized, Res> sealed::Sealed for Typed<'_, Req, Res> {}
impl<Req: ?Sized, Res> OneAnswer for Typed<'_, Req, Res> {}

/// An argument that is written when it is known how.
#[derive(Debug)]
pub(super) struct Argument<'a, Req: ?Sized> {
    value: &'a Req,
    pub(super) codec: Option<Codec>,
}

impl<'a, Req: ?Sized> Argument<'a, Req> {
    pub(super) fn new(value: &'a Req) -> Self {
        Self { value, codec: None }
    }
}

/// Typed calls. Needs the feature `typed`, which is on by default.
impl Node {
    /// Serves `action` with a handler whose argument and answer are Rust types. Its codec is what [`Action::codec`] says, or JSON; it is
    /// announced with the action, and a request in another one is refused as `Codec` before the handler runs, as is one that
    /// does not hold a `Req`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lacewing::{Action, Codec, MemoryNetwork, Node, Request, SchemaId, Trust};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Order { item: String, count: u32 }
    ///
    /// #[derive(Serialize, Deserialize, PartialEq, Debug)]
    /// struct Receipt { number: u64, total: f64 }
    ///
    /// let node = Node::builder().trust(Trust::Open).transport(MemoryNetwork::new()).start().await?;
    /// let action = Action::new("shop/buy").codec(Codec::Cbor).schema(SchemaId::Name("shop-v1".to_owned()));
    /// node.serve_typed::<Order, Receipt, _, _>(action, async |order: Order, _: Request| {
    ///     Ok(Receipt { number: 1, total: f64::from(order.count) * 1.5 })
    /// })?;
    ///
    /// let order = Order { item: "tea".to_owned(), count: 3 };
    /// let receipt = node.call_typed::<Order, Receipt>("shop/buy", &order).await?;
    /// assert_eq!(receipt, Receipt { number: 1, total: 4.5 });
    /// # Ok(())
    /// # }
    /// ```
    pub fn serve_typed<Req, Res, F, Fut>(
        &self,
        action: impl Into<Action>,
        handler: F,
    ) -> Result<(), ServeError>
    where
        Req: DeserializeOwned + Send + 'static,
        Res: Serialize + Send + 'static,
        F: Fn(Req, Request) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Res, Error>> + Send + 'static,
    {
        self.serve_decoded(action.into(), Shape::Unary, move |argument, request, codec, _| {
            let answer = handler(argument, request);
            async move { written(codec, &answer.await?) }
        })
    }

    /// Calls an action with a Rust type, and takes its answer as one.
    ///
    /// The codec is the one that the action's providers have announced, JSON where that is not known;
    /// [`codec`](CallBuilder::codec) says another one. An argument that cannot be written, and an answer that does not hold a `Res`, are
    /// `Codec` errors.
    pub fn call_typed<'a, Req, Res>(
        &self,
        action: impl Into<String>,
        argument: &'a Req,
    ) -> CallBuilder<Typed<'a, Req, Res>>
    where
        Req: Serialize + ?Sized,
        Res: DeserializeOwned,
    {
        self.begin(
            action.into(),
            Payload::default(),
            Typed { argument: Argument::new(argument), answer: PhantomData },
        )
    }

    /// Serves an action whose argument is read before the handler is called.
    pub(super) fn serve_decoded<Req, F, Fut>(
        &self,
        action: Action,
        shape: Shape,
        handler: F,
    ) -> Result<(), ServeError>
    where
        Req: DeserializeOwned + Send + 'static,
        F: Fn(Req, Request, Codec, Option<StreamHandle>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Payload, Error>> + Send + 'static,
    {
        let codec = action.codec_or(Codec::Json);
        let action = action.codec(codec);
        let handler = move |request: Request, handle: Option<StreamHandle>| -> crate::driver::HandlerFuture {
            match argument(&request, codec) {
                Ok(argument) => Box::pin(handler(argument, request, codec, handle)),
                Err(error) => Box::pin(std::future::ready(Err(error))),
            }
        };
        self.driver().serve(action, Some(shape), Arc::new(handler))
    }
}

/// What the handler is called with.
fn argument<Req: DeserializeOwned>(request: &Request, codec: Codec) -> Result<Req, Error> {
    expect_codec(request.action(), codec, &request.payload)?;
    decode(&request.payload)
}

fn expect_codec(action: &str, codec: Codec, payload: &Payload) -> Result<(), Error> {
    if payload.codec == codec {
        return Ok(());
    }
    let (own, got) = (name(codec), name(payload.codec));
    Err(Error::new(Code::Codec, format!("{action} reads {own}, and was sent {got}")))
}

/// An answer. The handler has run by now, so that a failure says so.
pub(super) fn written<T: Serialize + ?Sized>(codec: Codec, value: &T) -> Result<Payload, Error> {
    encode(codec, value).map_err(|error| error.executed_perhaps(true))
}

impl<K> CallBuilder<K> {
    /// Writes the argument, in the codec that was asked for, or that is announced; gives that codec.
    pub(super) fn write<Req: Serialize + ?Sized>(
        &mut self,
        argument: &Argument<'_, Req>,
    ) -> Result<Codec, Error> {
        let announced = || self.driver.inspect(|engine| self.order.announced_codec(engine));
        let codec = argument.codec.or_else(announced).unwrap_or(Codec::Json);
        self.order.payload = encode(codec, argument.value)?;
        Ok(codec)
    }
}

impl<Req: Serialize + ?Sized, Res> CallBuilder<Typed<'_, Req, Res>> {
    /// How the argument is written, instead of what the action's providers have announced.
    pub fn codec(mut self, codec: Codec) -> Self {
        self.kind.argument.codec = Some(codec);
        self
    }
}

impl<Req: Serialize + ?Sized, Res: DeserializeOwned> IntoFuture for CallBuilder<Typed<'_, Req, Res>> {
    type Output = Result<Res, Error>;
    type IntoFuture = TypedFuture<Res>;

    fn into_future(self) -> TypedFuture<Res> {
        let Self { driver, order, kind } = self;
        let mut call = CallBuilder { driver, order, kind: Unary };
        let stage = match call.write(&kind.argument) {
            Ok(_) => Stage::Called(call.into_future()),
            Err(error) => Stage::Unwritten(Some(error)),
        };
        TypedFuture { stage, answer: PhantomData }
    }
}

/// A typed call on its way. Dropping it cancels the call, here and at the node that serves it.
#[must_use = "a call is made when it is awaited"]
pub struct TypedFuture<Res> {
    stage: Stage,
    answer: PhantomData<fn() -> Res>,
}

enum Stage {
    Called(CallFuture),
    Unwritten(Option<Error>),
}

impl<Res: DeserializeOwned> Future for TypedFuture<Res> {
    type Output = Result<Res, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.get_mut().stage {
            Stage::Called(call) => {
                let answer = std::task::ready!(Pin::new(call).poll(cx));
                // The work was done, whatever its answer is worth here.
                Poll::Ready(
                    answer.and_then(|answer| decode(&answer).map_err(|error| error.executed_perhaps(true))),
                )
            }
            Stage::Unwritten(error) => {
                let error = error.take().expect("a call's future was polled after it gave its outcome");
                Poll::Ready(Err(error))
            }
        }
    }
}

impl<Res> fmt::Debug for TypedFuture<Res> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedFuture").finish_non_exhaustive()
    }
}
