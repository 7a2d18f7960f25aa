//! Commands and getters that have to do with topics.

use alloc::string::ToString;
use alloc::vec::Vec;

use super::access::Bench;
use super::{
    Engine, Publication, PublishMode, PublishReport, SubscribeOptions, SubscriptionId, SubscriptionStats,
    TopicStats,
};
use crate::capability::{SubnetId, Visibility};
use crate::code::{Code, Error};
use crate::directory::Interest;
use crate::identity::NodeId;
use crate::machine::{Cx, injected};
use crate::time::Instant;
use crate::topics::Candidate;
use crate::wire::path::PathPattern;

impl Engine {
    /// Subscribes to all topics that a pattern matches, and announces that. From now on each event that is published on one of them
    /// gives one [`Event::Published`](super::Event::Published), here at once, elsewhere once the announcement has got there. Patterns
    /// that begin with `$` are about events of this node alone and are not announced.
    ///
    /// `InvalidArgument` for what is no pattern or no queue, `ResourceExhausted` where there are too many subscriptions.
    pub fn subscribe(
        &mut self,
        now: Instant,
        pattern: &str,
        options: SubscribeOptions,
    ) -> Result<SubscriptionId, Error> {
        self.advance(now);
        let mut cx = Cx { now: self.now, trace: &mut *self.trace, counters: &mut self.counters };
        let (id, pattern) = self.topics.subscribe(&mut cx, pattern, options)?;
        if injected!(cx, "interest-unsaid") && pattern.as_str().contains(['*', '>', '{']) {
            return Ok(id);
        }
        if let Err(error) = self.announce_interest(&pattern) {
            self.unsubscribe(now, id);
            return Err(error);
        }
        self.settle();
        Ok(id)
    }

    /// Ends a subscription, and forgets what it was not handed. Nothing more comes of it. `false` if there was none.
    pub fn unsubscribe(&mut self, now: Instant, id: SubscriptionId) -> bool {
        self.advance(now);
        let mut cx = Cx { now: self.now, trace: &mut *self.trace, counters: &mut self.counters };
        let Some(pattern) = self.topics.unsubscribe(&mut cx, id) else { return false };
        // Saying less never exceeds a limit; a node that leaves has taken back everything already.
        let _ = self.announce_interest(&pattern);
        self.settle();
        true
    }

    /// Says what this node wants of a pattern's topics now.
    fn announce_interest(&mut self, pattern: &PathPattern) -> Result<(), Error> {
        let wanted = self.topics.wanted(pattern);
        let mut cx = Cx { now: self.now, trace: &mut *self.trace, counters: &mut self.counters };
        let Some((alone, groups)) = wanted else {
            self.directory.remove_interest(&mut cx, pattern);
            return Ok(());
        };
        let interest = Interest { pattern: pattern.clone(), alone, groups };
        let announced = self.directory.put_interest(&mut cx, interest);
        announced.map_err(|error| Error::new(Code::ResourceExhausted, error.to_string()))
    }

    /// Publishes an event: at once, to whoever is known to want it. The report says how far it got here; what is lost on the way is
    /// not sent again. An error says that nobody gets it: `InvalidArgument` for what is no topic, `TooLarge`, `ResourceExhausted`
    /// with a time to wait where there were too many on the topic, `Backpressure` where a full subscription of this node holds up its
    /// publishers ([`Event::PublishReady`](super::Event::PublishReady) follows), `Unavailable` while the node stops.
    pub fn publish(&mut self, now: Instant, publication: Publication<'_>) -> Result<PublishReport, Error> {
        self.advance(now);
        let topic = self.topics.topic(publication.topic)?;
        let network = self.config.network.as_str();
        let is_local = matches!(publication.mode, PublishMode::Local);
        let interested = if is_local { Vec::new() } else { self.directory.interested(network, &topic) };
        let own_subnet = self.directory.subnet_of(&self.node_id).unwrap_or_default();
        let sees = |node: &NodeId| match (&publication.visibility, self.directory.subnet_of(node)) {
            (Visibility::Global, _) => true,
            (visibility, Some(subnet)) => {
                visibility.shows(SubnetId::from_bits(own_subnet), SubnetId::from_bits(subnet))
            }
            (_, None) => false,
        };
        let mut candidates: Vec<Candidate<'_>> = Vec::new();
        for (node, interest) in interested {
            match candidates.last_mut().filter(|last| last.node == node) {
                Some(last) => {
                    last.alone |= interest.alone;
                    last.groups.extend(&interest.groups);
                }
                None if sees(&node) => {
                    let reachable = self.topics.has_way(&node) || self.check_path(&node).is_ok();
                    let groups = interest.groups.iter().collect();
                    candidates.push(Candidate { node, alone: interest.alone, groups, reachable });
                }
                None => {}
            }
        }
        let mut cx = Cx { now: self.now, trace: &mut *self.trace, counters: &mut self.counters };
        let bench = Bench { now: self.now, authority: &self.authority, directory: &self.directory };
        let report = self.topics.publish(&mut cx, &bench, &topic, publication, &candidates);
        self.settle();
        report
    }

    /// The application has taken an event that [`Event::Published`](super::Event::Published) gave: the next one may follow.
    pub fn event_taken(&mut self, now: Instant, id: SubscriptionId) {
        self.advance(now);
        self.topics.event_taken(id);
        self.settle();
    }

    /// How a subscription does; `None` once it has ended.
    pub fn subscription_stats(&self, id: SubscriptionId) -> Option<SubscriptionStats> {
        self.topics.subscription_stats(id)
    }

    /// What has come of all events of this node, and of others for it.
    pub fn topic_stats(&self) -> TopicStats {
        self.topics.stats()
    }
}
