//! Applications that publish and subscribe, as the run says.

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::sync::Arc;

use lacewing::{Codec, Node, Payload, SubscribeOptions, Subscription, TopicEvent};
use tokio::task::JoinHandle;

use super::World;
use super::scene::{Command, Phase, Scene, Tag};
use crate::history::What;
use crate::payload::{self, Way};
use crate::quantity::Micros;
use crate::run::{PublishItem, SubscribeItem, UnsubscribeItem};

/// The tasks that take the events of one life's subscriptions.
#[derive(Default)]
pub(super) struct Takers(BTreeMap<u64, JoinHandle<()>>);

impl Drop for Takers {
    fn drop(&mut self) {
        self.0.values().for_each(JoinHandle::abort);
    }
}

impl Takers {
    /// A new life subscribes to what the last one did.
    pub(super) fn again(&mut self, scene: &Arc<Scene>, host: usize, node: &Node) {
        let wanted: Vec<u64> = scene.board(host).subscribed.keys().copied().collect();
        for sub in wanted {
            self.subscribe(scene, host, node, sub);
        }
    }

    pub(super) fn subscribe(&mut self, scene: &Arc<Scene>, host: usize, node: &Node, sub: u64) {
        let wanted = {
            let board = scene.board(host);
            board.subscribed.get(&sub).cloned().filter(|_| board.phase == Phase::Running)
        };
        let Some(item) = wanted.filter(|_| !self.0.contains_key(&sub)) else { return };
        let options = SubscribeOptions {
            group: item.group.as_ref().and_then(|group| group.parse().ok()),
            queue_len: item.queue,
            overflow: item.overflow.in_core(),
        };
        match node.subscribe_with(&item.pattern, options) {
            Ok(subscription) => {
                scene.chain(host, Tag::Application, &[sub], b"subscribe");
                scene.push(host, What::Subscribed { sub });
                let scene = Arc::clone(scene);
                self.0.insert(sub, tokio::spawn(take(scene, host, subscription, sub, item.work)));
            }
            Err(error) => scene.give_up(format!("n{host} refuses a command of the testbed: {error}")),
        }
    }

    pub(super) fn unsubscribe(&mut self, scene: &Scene, host: usize, sub: u64) {
        if let Some(taker) = self.0.remove(&sub) {
            taker.abort();
            scene.chain(host, Tag::Application, &[sub], b"unsubscribe");
            scene.push(host, What::Unsubscribed { sub });
        }
    }
}

/// Takes the events of a subscription, one after the other.
async fn take(scene: Arc<Scene>, host: usize, mut subscription: Subscription, sub: u64, work: Micros) {
    while let Some(event) = subscription.next().await {
        arrives(&scene, host, sub, &event);
        if work > Micros::ZERO {
            tokio::time::sleep(work.as_duration()).await;
        }
    }
}

fn arrives(scene: &Scene, host: usize, sub: u64, event: &TopicEvent) {
    let data = &event.payload.data;
    let named = data.split_first_chunk::<8>().map(|(id, _)| u64::from_be_bytes(*id));
    let known = named.and_then(|id| scene.event(id));
    let matches = known.is_some_and(|item| {
        event.payload.codec == Codec::Raw
            && event.topic.as_str() == item.topic
            && scene.node_of(event.publisher.node) == Some(item.node)
            && payload::matches(scene.run.header.seed, item.id, Way::Request, item.size, data)
    });
    scene.chain(host, Tag::Application, &[sub, named.unwrap_or(u64::MAX), event.sequence], b"event");
    scene.push(host, What::EventArrives { sub: Some(sub), event: known.map(|item| item.id), matches });
}

/// Publishes an event, in a task of its own.
pub(super) fn spawn_publish(scene: &Arc<Scene>, host: usize, node: &Node, event: u64) {
    let Some(item) = scene.event(event) else { return };
    let data = payload::build(scene.run.header.seed, event, Way::Request, item.size);
    let order =
        node.publish(item.topic.clone(), Payload { codec: Codec::Raw, data }).mode(item.mode.in_core());
    let scene = Arc::clone(scene);
    tokio::spawn(async move {
        let what = match order.into_future().await {
            Ok(report) => {
                let (attempted, dropped) = (report.attempted, report.dropped);
                What::EventPublished { event, attempted, dropped }
            }
            Err(error) => What::EventRefused { event, number: error.code().number() },
        };
        scene.chain(host, Tag::Application, &[event], b"publish");
        scene.push(host, what);
    });
}

impl World<'_, '_> {
    pub(super) fn subscribe(&mut self, item: &SubscribeItem) -> bool {
        self.scene.board(item.node).subscribed.insert(item.id, item.clone());
        self.command(item.node, Command::Subscribe(item.id))
    }

    pub(super) fn unsubscribe(&mut self, item: &UnsubscribeItem) -> bool {
        self.scene.board(item.node).subscribed.remove(&item.id);
        self.command(item.node, Command::Unsubscribe(item.id))
    }

    pub(super) fn publish(&mut self, item: &PublishItem) -> bool {
        self.command(item.node, Command::Publish(item.id))
    }
}
