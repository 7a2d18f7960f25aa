//! Subscriptions to topics, between the engine and whoever awaits their events.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use lacewing_core::engine::{
    Publication, PublishReport, SubscribeOptions, SubscriptionId, SubscriptionStats, TopicEvent,
};
use lacewing_core::{Engine, Error};

use super::{Core, Driver, Effect, stopped_error};

/// What the engine has handed over for one subscription: an event, until that is taken.
#[derive(Default)]
pub(crate) struct Inbox {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// The engine hands over one, and the next only once that is taken.
    events: VecDeque<TopicEvent>,
    /// Nothing more will come.
    closed: bool,
    waiting: Option<Waker>,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<TopicEvent>> {
        let mut inner = self.lock();
        if let Some(event) = inner.events.pop_front() {
            return Poll::Ready(Some(event));
        }
        if inner.closed {
            return Poll::Ready(None);
        }
        inner.waiting = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Nothing more comes. What is there can still be taken.
    pub(super) fn close(&self) {
        let waiting = {
            let mut inner = self.lock();
            inner.closed = true;
            inner.waiting.take()
        };
        if let Some(waker) = waiting {
            waker.wake();
        }
    }
}

impl Driver {
    pub(crate) fn subscribe_to(
        self: &Arc<Self>,
        pattern: &str,
        options: SubscribeOptions,
    ) -> Result<(SubscriptionId, Arc<Inbox>), Error> {
        self.with(|core, now| {
            if core.closed {
                return Err(stopped_error());
            }
            let id = core.engine.subscribe(now, pattern, options)?;
            let inbox = Arc::new(Inbox::default());
            core.inboxes.insert(id, Arc::clone(&inbox));
            Ok((id, inbox))
        })
    }

    pub(crate) fn unsubscribe(self: &Arc<Self>, id: SubscriptionId) {
        let inbox = self.with(|core, now| {
            core.engine.unsubscribe(now, id);
            core.inboxes.remove(&id)
        });
        drop(inbox);
    }

    pub(crate) fn event_taken(self: &Arc<Self>, id: SubscriptionId) {
        self.with(|core, now| core.engine.event_taken(now, id));
    }

    pub(crate) fn publish(self: &Arc<Self>, publication: Publication<'_>) -> Result<PublishReport, Error> {
        self.with_soon(
            |core, now| {
                if core.closed { Err(stopped_error()) } else { core.engine.publish(now, publication) }
            },
        )
    }

    pub(crate) fn subscription_stats(&self, id: SubscriptionId) -> SubscriptionStats {
        self.inspect(|engine: &Engine| engine.subscription_stats(id)).unwrap_or_default()
    }

    /// Waits until a full subscription of this node has taken something. What happens from the call on counts.
    pub(crate) fn publish_ready(&self) -> tokio::sync::futures::Notified<'_> {
        self.publish_ready.notified()
    }
}

impl Core {
    /// Puts an event where its subscription finds it.
    pub(super) fn hand_over(&mut self, id: SubscriptionId, event: TopicEvent, effects: &mut Vec<Effect>) {
        // None: the subscription has been dropped, which ends it.
        let Some(inbox) = self.inboxes.get(&id) else { return };
        let mut inner = inbox.lock();
        inner.events.push_back(event);
        effects.extend(inner.waiting.take().map(Effect::Wake));
    }
}
