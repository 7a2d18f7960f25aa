//! Applications that publish and subscribe, as the run says.

use lacewing_core::engine::{Codec, Payload, Publication, SubscribeOptions, SubscriptionId, TopicEvent};

use super::queue::Event;
use super::{Tag, World, tell};
use crate::history::What;
use crate::payload::{self, Way};
use crate::run::{PublishItem, SubscribeItem, UnsubscribeItem};

impl World<'_, '_, '_> {
    pub(super) fn subscribe(&mut self, item: &SubscribeItem) {
        self.hosts[item.node].subscribed.insert(item.id, item.clone());
        self.open_subscription(item);
    }

    /// A new life subscribes to what the last one did.
    pub(super) fn subscribe_again(&mut self, node: usize) {
        let wanted: Vec<SubscribeItem> = self.hosts[node].subscribed.values().cloned().collect();
        for item in &wanted {
            self.open_subscription(item);
        }
    }

    fn open_subscription(&mut self, item: &SubscribeItem) {
        let (now, node) = (self.now, item.node);
        let Some(process) = self.hosts[node].process.as_mut().filter(|process| !process.stopping) else {
            return;
        };
        let options = SubscribeOptions {
            group: item.group.as_ref().and_then(|group| group.parse().ok()),
            queue_len: item.queue,
            overflow: item.overflow.in_core(),
        };
        match process.engine.subscribe(now, &item.pattern, options) {
            Ok(id) => {
                process.subscriptions.insert(id, item.id);
                self.history.push(now, node, What::Subscribed { sub: item.id });
                self.chain.add(&[now.as_nanos(), node as u64, Tag::Command as u64, item.id], b"subscribe");
                tell!(self, node, "subscribes to {} as {}", item.pattern, item.id);
            }
            Err(error) => {
                self.harness_error
                    .get_or_insert(format!("n{node} refuses a command of the testbed: {error}"));
            }
        }
        self.drain(node);
    }

    pub(super) fn unsubscribe(&mut self, item: &UnsubscribeItem) {
        let (now, node) = (self.now, item.node);
        self.hosts[node].subscribed.remove(&item.id);
        let Some(process) = &mut self.hosts[node].process else { return };
        let Some(id) = process.subscriptions.iter().find(|(_, sub)| **sub == item.id).map(|(id, _)| *id)
        else {
            return;
        };
        process.engine.unsubscribe(now, id);
        self.history.push(now, node, What::Unsubscribed { sub: item.id });
        self.chain.add(&[now.as_nanos(), node as u64, Tag::Command as u64, item.id], b"unsubscribe");
        tell!(self, node, "ends subscription {}", item.id);
        self.drain(node);
    }

    pub(super) fn publish(&mut self, item: &PublishItem) {
        let (now, node, event) = (self.now, item.node, item.id);
        let data = payload::build(self.run.header.seed, event, Way::Request, item.size);
        let Some(process) = &mut self.hosts[node].process else { return };
        let publication = Publication {
            mode: item.mode.in_core(),
            ..Publication::new(&item.topic, Payload { codec: Codec::Raw, data })
        };
        let what = match process.engine.publish(now, publication) {
            Ok(report) => {
                let (attempted, dropped) = (report.attempted, report.dropped);
                What::EventPublished { event, attempted, dropped }
            }
            Err(error) => What::EventRefused { event, number: error.code().number() },
        };
        let ok = u64::from(matches!(what, What::EventPublished { .. }));
        self.chain.add(&[now.as_nanos(), node as u64, Tag::Command as u64, event, ok], b"publish");
        tell!(self, node, "publishes {event} on {}: {what:?}", item.topic);
        // Before what is handed to subscriptions of this node.
        self.history.push(now, node, what);
        self.drain(node);
    }

    pub(super) fn event_arrives(&mut self, node: usize, subscription: SubscriptionId, event: &TopicEvent) {
        let now = self.now;
        let data = &event.payload.data;
        let named = data.split_first_chunk::<8>().map(|(id, _)| u64::from_be_bytes(*id));
        let known = named.and_then(|id| self.events.get(&id).copied());
        let matches = known.is_some_and(|item| {
            event.payload.codec == Codec::Raw
                && event.topic.as_str() == item.topic
                && event.publisher.node == self.hosts[item.node].identity.node_id()
                && payload::matches(self.run.header.seed, item.id, Way::Request, item.size, data)
        });
        let host = &mut self.hosts[node];
        let life = host.life;
        let Some(process) = &mut host.process else { return };
        let sub = process.subscriptions.get(&subscription).copied();
        let what = What::EventArrives { sub, event: known.map(|item| item.id), matches };
        self.history.push(now, node, what);
        let work =
            sub.and_then(|sub| host.subscribed.get(&sub)).map_or_else(Default::default, |item| item.work);
        self.queue.push(now + work.as_duration(), Event::ApplicationDone { node, life, subscription });
    }

    pub(super) fn event_done(&mut self, node: usize, life: u32, subscription: SubscriptionId) {
        let now = self.now;
        let Some(process) = self.process(node, life) else { return };
        process.engine.event_taken(now, subscription);
        self.drain(node);
    }
}
