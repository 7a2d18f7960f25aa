//! Events on topics: publish, and subscribe.

use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use lacewing_core::capability::Visibility;
use lacewing_core::engine::{
    GroupName, Headers, Payload, Publication, PublishMode, PublishReport, SubscribeOptions, SubscriptionId,
    SubscriptionStats, TopicEvent,
};
use lacewing_core::{Code, Engine, Error, NodeId};
use tokio::time::{Instant, timeout_at};

use crate::driver::{Driver, Inbox, stopped_error};
use crate::node::Node;
use crate::payload::IntoPayload;

/// Events on topics.
impl Node {
    /// Publishes an event: to whoever has subscribed to a pattern that the topic matches, at once, at most once. A topic is a path
    /// without wildcards; one that begins with `$` stays on this node.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lacewing::{MemoryNetwork, Node, Trust};
    ///
    /// let node = Node::builder().trust(Trust::Open).transport(MemoryNetwork::new()).start().await?;
    /// let mut orders = node.subscribe("orders/*/placed")?;
    /// let report = node.publish("orders/eu/placed", "order 7").await?;
    /// assert_eq!((report.attempted, report.delivered), (1, 1));
    /// let event = orders.next().await.unwrap();
    /// assert_eq!((event.topic.as_str(), &event.payload.data[..]), ("orders/eu/placed", &b"order 7"[..]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn publish(&self, topic: impl Into<String>, payload: impl IntoPayload) -> PublishBuilder {
        PublishBuilder {
            driver: Arc::clone(self.driver()),
            topic: topic.into(),
            payload: payload.into_payload(),
            mode: PublishMode::All,
            visibility: Visibility::Global,
            headers: Headers::new(),
            timeout: None,
        }
    }

    /// Subscribes to the topics that a pattern matches: `*` is any one segment, `>` at the end is all that follow. Events that are
    /// published from now on come, those of other nodes once they have heard of the subscription.
    pub fn subscribe(&self, pattern: &str) -> Result<Subscription, Error> {
        self.subscribe_with(pattern, SubscribeOptions::default())
    }

    /// As [`subscribe`](Self::subscribe), in a group, or with another queue.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lacewing::{MemoryNetwork, Node, Overflow, SubscribeOptions, Trust};
    ///
    /// let node = Node::builder().trust(Trust::Open).transport(MemoryNetwork::new()).start().await?;
    /// // Only the latest reading counts.
    /// let options = SubscribeOptions { queue_len: 1, overflow: Overflow::DropOldest, ..SubscribeOptions::default() };
    /// let mut readings = node.subscribe_with("sensors/*/temperature", options)?;
    /// # drop(readings);
    /// # Ok(())
    /// # }
    /// ```
    pub fn subscribe_with(&self, pattern: &str, options: SubscribeOptions) -> Result<Subscription, Error> {
        let driver = Arc::clone(self.driver());
        let (id, inbox) = driver.subscribe_to(pattern, options)?;
        Ok(Subscription { driver, id, inbox })
    }

    /// Waits for one event on a topic that the pattern matches. It counts from the call on, whenever the future is polled first; put a
    /// time-out around it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lacewing::{MemoryNetwork, Node, Trust};
    ///
    /// let node = Node::builder().trust(Trust::Open).transport(MemoryNetwork::new()).start().await?;
    /// let ready = node.wait("services/*/ready");
    /// node.publish("services/db/ready", ()).await?;
    /// assert_eq!(ready.await?.topic.as_str(), "services/db/ready");
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait(&self, pattern: &str) -> impl Future<Output = Result<TopicEvent, Error>> + Send + use<> {
        let subscription =
            self.subscribe_with(pattern, SubscribeOptions { queue_len: 1, ..Default::default() });
        async move { subscription?.next().await.ok_or_else(stopped_error) }
    }

    /// What has come of all events of this node, and of others for it.
    pub fn topic_stats(&self) -> lacewing_core::engine::TopicStats {
        self.driver().inspect(Engine::topic_stats)
    }
}

/// An event that is being put together; awaiting it publishes it and gives how far it got here.
///
/// Awaiting takes no time, unless a subscription of this very node is full and holds up its publishers ([`Overflow::Block`]): then it
/// waits for room, as long as a call would, and ends as `Backpressure`.
///
/// [`Overflow::Block`]: crate::Overflow::Block
#[must_use = "an event is published when it is awaited"]
#[derive(Clone)]
pub struct PublishBuilder {
    driver: Arc<Driver>,
    topic: String,
    payload: Payload,
    mode: PublishMode,
    visibility: Visibility,
    headers: Headers,
    timeout: Option<Duration>,
}

impl PublishBuilder {
    /// Whom it is for, in place of all subscriptions.
    pub fn mode(mut self, mode: PublishMode) -> Self {
        self.mode = mode;
        self
    }

    /// For subscriptions of this node alone.
    pub fn local(self) -> Self {
        self.mode(PublishMode::Local)
    }

    /// For one subscription of each group, and all without a group.
    pub fn one_per_group(self) -> Self {
        self.mode(PublishMode::OnePerGroup)
    }

    /// For one subscription of this group.
    #[expect(clippy::wrong_self_convention, reason = "it says to whom, as `to` does")]
    pub fn to_group(self, group: GroupName) -> Self {
        self.mode(PublishMode::Group(group))
    }

    /// For the subscriptions of this node, which may be another one.
    pub fn to(self, node: NodeId) -> Self {
        self.mode(PublishMode::Node(node))
    }

    /// For nodes of which subnets it is, seen from that of this node.
    pub fn visibility(mut self, visibility: Visibility) -> Self {
        self.visibility = visibility;
        self
    }

    /// What subscribers can read besides the payload.
    pub fn headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// How long to wait for room in a subscription of this node, instead of `Timing::call_timeout`.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    async fn publish(self) -> Result<PublishReport, Error> {
        let Self { driver, topic, payload, mode, visibility, headers, timeout } = self;
        let deadline = Instant::now() + timeout.unwrap_or(driver.config().timing.call_timeout);
        loop {
            // Listened for before the attempt, so that no room falls between.
            let mut room = pin!(driver.publish_ready());
            room.as_mut().enable();
            let refused = match driver.publish(Publication {
                topic: &topic,
                payload: payload.clone(),
                mode: mode.clone(),
                visibility: visibility.clone(),
                headers: headers.clone(),
            }) {
                Err(error) if error.code() == Code::Backpressure => error,
                outcome => return outcome,
            };
            if timeout_at(deadline, room).await.is_err() {
                return Err(refused);
            }
        }
    }
}

impl IntoFuture for PublishBuilder {
    type Output = Result<PublishReport, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.publish())
    }
}

impl fmt::Debug for PublishBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishBuilder").field("topic", &self.topic).finish_non_exhaustive()
    }
}

/// A subscription. Dropping it ends it.
///
/// Events wait in a bounded queue for [`next`](Self::next); what happens when that is full, [`SubscribeOptions`] says. Each publisher's
/// events on a topic come in its order, each at most once.
pub struct Subscription {
    driver: Arc<Driver>,
    id: SubscriptionId,
    inbox: Arc<Inbox>,
}

impl Subscription {
    /// The next event; `None` once the node is closed. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<TopicEvent> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// [`next`](Self::next), for futures written by hand.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<TopicEvent>> {
        let event = ready!(self.inbox.poll_next(cx));
        if event.is_some() {
            self.driver.event_taken(self.id);
        }
        Poll::Ready(event)
    }

    /// How many events wait, came and were dropped.
    pub fn stats(&self) -> SubscriptionStats {
        self.driver.subscription_stats(self.id)
    }
}

/// The same events, for those who combine streams.
impl futures_core::Stream for Subscription {
    type Item = TopicEvent;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<TopicEvent>> {
        Self::poll_next(self.get_mut(), cx)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.driver.unsubscribe(self.id);
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("id", &self.id.0).finish_non_exhaustive()
    }
}
