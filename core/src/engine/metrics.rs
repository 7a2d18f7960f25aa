//! Metrics: what is counted at the door, and one snapshot of what all machines have counted.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::time::Duration;

use super::{Engine, Event, NodeStatus, OpId, PeerInfo};
use crate::code::{CloseReason, Error};
use crate::delivery::Payload;
use crate::metrics::{self, End, Family, Sample, Snapshot, Value, families};
use crate::time::Instant;
use crate::topics::Overflow;
use crate::wire::body::routing::Broken;
use crate::wire::frame::FrameType;

/// Most neighbours in one snapshot of them.
const NEIGHBOURS_MAX: usize = 256;

/// What is counted by name and has a family of its own: the name, the family, and the value of its label.
const NAMED: &[(&str, &Family, Option<&str>)] = &[
    ("resilience.retried", &families::CALL_RETRIES, None),
    ("resilience.hedged", &families::CALL_HEDGES, None),
    ("resilience.breaker_opened", &families::BREAKER_OPENINGS, None),
    ("resilience.breaker_refused", &families::CALLS_REFUSED_BY_POLICY, Some("breaker")),
    ("resilience.bulkhead_full", &families::CALLS_REFUSED_BY_POLICY, Some("bulkhead")),
    ("resilience.budget_spent", &families::CALLS_REFUSED_BY_POLICY, Some("retry_budget")),
    ("resilience.calls_full", &families::CALLS_REFUSED_BY_POLICY, Some("policy_calls")),
    ("delivery.backpressure", &families::CALLS_HELD_BACK, None),
    ("delivery.cast_lost", &families::CASTS, Some("lost")),
    ("delivery.cast_refused", &families::CASTS, Some("refused")),
    ("delivery.cast_dropped", &families::CASTS, Some("dropped")),
    ("delivery.cast_failed", &families::CASTS, Some("failed")),
    ("delivery.queue_full", &families::REQUESTS_REFUSED, Some("queue")),
    ("delivery.shed", &families::REQUESTS_REFUSED, Some("deadline")),
    ("delivery.rejected_in_queue", &families::REQUESTS_REFUSED, Some("not_served")),
    ("delivery.requests_full", &families::REQUESTS_REFUSED, Some("requests_per_link")),
    ("delivery.streams_full", &families::REQUESTS_REFUSED, Some("streams_per_link")),
    ("delivery.reassembly_full", &families::REQUESTS_REFUSED, Some("reassembly_bytes")),
    ("delivery.duplicate_request", &families::REQUESTS_REPEATED, Some("duplicate")),
    ("delivery.request_too_old", &families::REQUESTS_REPEATED, Some("too_old")),
    ("topics.too_fast", &families::EVENTS_REFUSED, Some("events_per_topic")),
    ("topics.backpressure", &families::EVENTS_REFUSED, Some("subscription")),
    ("directory.refused_hops", &families::DIRECTORY_REFUSED, Some("hops")),
    ("directory.refused_ttl", &families::DIRECTORY_REFUSED, Some("ttl")),
    ("directory.refused_expired", &families::DIRECTORY_REFUSED, Some("expired")),
    ("directory.refused_oversized", &families::DIRECTORY_REFUSED, Some("oversized")),
    ("directory.refused_far_future", &families::DIRECTORY_REFUSED, Some("far_future")),
    ("directory.refused_replayed", &families::DIRECTORY_REFUSED, Some("replayed")),
    ("directory.refused_full", &families::DIRECTORY_REFUSED, Some("full")),
    ("directory.refused_forged", &families::DIRECTORY_REFUSED, Some("forged")),
    ("directory.refused_root", &families::DIRECTORY_REFUSED, Some("root")),
    ("directory.refused_entry", &families::DIRECTORY_REFUSED, Some("entry")),
    ("delivery.unauthenticated", &families::RIGHTS_REFUSED, Some("call_unauthenticated")),
    ("delivery.permission_denied", &families::RIGHTS_REFUSED, Some("call_denied")),
    ("topics.refused", &families::RIGHTS_REFUSED, Some("event_denied")),
    ("authority.token_refused", &families::TOKENS_REFUSED, Some("bad")),
    ("authority.token_throttled", &families::TOKENS_REFUSED, Some("throttled")),
    // A payload is counted with the reason why it was dropped.
    ("routing.payload_dropped", &families::RELAYED_DROPPED, None),
    ("link.routed_frame_dropped", &families::RELAYED_DROPPED, None),
    // So is a call.
    ("delivery.deadline_exceeded", &families::CALLS_FINISHED, None),
];

/// Whether a name has a family of its own.
pub(super) fn is_named(name: &str) -> bool {
    NAMED.iter().any(|(known, ..)| *known == name)
}

#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    NAMED.iter().map(|(name, ..)| *name)
}

impl Engine {
    // --- counting

    /// A call was begun, or refused at once.
    pub(super) fn count_call(&mut self, started: &Result<OpId, Error>, is_stream: bool) {
        let metrics = &mut self.counters.metrics;
        match started {
            Ok(_) => {
                metrics.calls_started += 1;
                if is_stream {
                    metrics.stream_opened(End::Caller);
                }
            }
            Err(error) => metrics.call_refused(error.code()),
        }
    }

    pub(super) fn count_cast(&mut self, queued: &Result<OpId, Error>) {
        let metrics = &mut self.counters.metrics;
        *(if queued.is_ok() { &mut metrics.casts_queued } else { &mut metrics.casts_not_queued }) += 1;
    }

    /// A call has its outcome, or a cast that began at no time worth knowing.
    pub(super) fn call_done(&mut self, op: OpId, began: Option<Instant>, result: Result<Payload, Error>) {
        if let Some(began) = began {
            let took = self.now - began;
            self.counters.metrics.call_finished(metrics::outcome_of(&result), took);
        }
        self.event(Event::CallDone { op, result });
    }

    /// What others have become is counted where the application is told of it.
    pub(super) fn count_event(&mut self, event: &Event) {
        let metrics = &mut self.counters.metrics;
        let count = match event {
            Event::PeerUp(_) => &mut metrics.neighbours.up,
            Event::PeerSuspect { .. } => &mut metrics.neighbours.suspect,
            Event::PeerRecovered { .. } => &mut metrics.neighbours.recovered,
            Event::PeerDown { .. } => &mut metrics.neighbours.down,
            Event::NodeUp { .. } => &mut metrics.nodes.up,
            Event::NodeSuspect { .. } => &mut metrics.nodes.suspect,
            Event::NodeRecovered { .. } => &mut metrics.nodes.recovered,
            Event::NodeDown { .. } => &mut metrics.nodes.down,
            Event::DialFailed { .. } => &mut metrics.dials_failed,
            _ => return,
        };
        *count += 1;
    }

    /// A link or tunnel is over.
    pub(super) fn count_closed(&mut self, reason: CloseReason, was_proved: bool) {
        *self.closed.entry(reason).or_insert(0) += 1;
        if !was_proved {
            self.counters.metrics.handshake_failed(reason);
        }
    }

    // --- reading

    /// Everything that this node counts and measures, neighbours apart. It walks every table, so it is for every few seconds.
    pub fn metrics(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        self.measure_calls(&mut snapshot);
        self.measure_requests(&mut snapshot);
        self.measure_streams(&mut snapshot);
        self.measure_topics(&mut snapshot);
        self.measure_links(&mut snapshot);
        self.measure_mesh(&mut snapshot);
        self.measure_tables(&mut snapshot);
        let others = self.counters.iter().filter(|(name, _)| !is_named(name));
        snapshot.add_by(&families::INCIDENTS, others);
        snapshot
    }

    /// The count of a name; 0 where it has not occurred.
    fn named(&self, name: &str) -> u64 {
        self.counters.iter().find(|(known, _)| *known == name).map_or(0, |(_, count)| count)
    }

    /// Adds a family that is counted by name, together with what is counted elsewhere.
    fn add_named(&self, snapshot: &mut Snapshot, family: &'static Family, others: &[(&'static str, u64)]) {
        let names = NAMED.iter().filter(|(_, of, _)| *of == family);
        if family.labels.is_empty() {
            return snapshot.add(family, names.map(|(name, ..)| self.named(name)).sum::<u64>());
        }
        let counts = names.filter_map(|(name, _, label)| Some(((*label)?, self.named(name))));
        snapshot.add_by(family, others.iter().copied().chain(counts));
    }

    fn measure_calls(&self, snapshot: &mut Snapshot) {
        let metrics = &self.counters.metrics;
        let finished: u64 = metrics.calls_finished.total();
        snapshot.add(&families::CALLS_STARTED, metrics.calls_started);
        snapshot.add_by(&families::CALLS_FINISHED, metrics.calls_finished.iter());
        snapshot.add(&families::CALLS_IN_FLIGHT, metrics.calls_started.saturating_sub(finished));
        snapshot.add(&families::CALL_DURATION, metrics.call_duration);
        self.add_named(snapshot, &families::CALL_RETRIES, &[]);
        self.add_named(snapshot, &families::CALL_HEDGES, &[]);
        self.add_named(snapshot, &families::CALLS_REFUSED_BY_POLICY, &[]);
        self.add_named(snapshot, &families::BREAKER_OPENINGS, &[]);
        self.add_named(snapshot, &families::CALLS_HELD_BACK, &[]);
        let casts = [("queued", metrics.casts_queued), ("not_queued", metrics.casts_not_queued)];
        self.add_named(snapshot, &families::CASTS, &casts);
    }

    fn measure_requests(&self, snapshot: &mut Snapshot) {
        let metrics = &self.counters.metrics;
        snapshot.add(&families::REQUESTS_RECEIVED, metrics.requests_received);
        snapshot.add_by(&families::REQUESTS_FINISHED, metrics.requests_finished.iter());
        let finished: u64 = metrics.requests_finished.total();
        snapshot.add(&families::REQUESTS_IN_FLIGHT, metrics.requests_received.saturating_sub(finished));
        snapshot.add(&families::REQUEST_DURATION, metrics.request_duration);
        snapshot.add(&families::REQUESTS_QUEUED, metrics.requests_queued);
        snapshot.add(&families::REQUEST_QUEUE, metrics.request_queue);
        self.add_named(snapshot, &families::REQUESTS_REFUSED, &[]);
        self.add_named(snapshot, &families::REQUESTS_REPEATED, &[]);
        let actions = self.delivery.action_requests();
        let actions = actions.map(|(action, requests)| (Cow::Owned(action.as_str().into()), requests));
        snapshot.add_by(&families::ACTION_REQUESTS, actions);
    }

    fn measure_streams(&self, snapshot: &mut Snapshot) {
        const ENDS: [&str; 2] = ["caller", "handler"];
        let metrics = &self.counters.metrics;
        snapshot.add_by(&families::STREAMS_OPENED, ENDS.into_iter().zip(metrics.streams_opened));
        let mut finished = Vec::new();
        for (end, outcomes) in ENDS.into_iter().zip(&metrics.streams_finished) {
            finished.extend(outcomes.iter().map(|(code, count)| Sample {
                labels: alloc::vec![Cow::Borrowed(end), Cow::Borrowed(code)],
                value: count.into(),
            }));
        }
        snapshot.push(&families::STREAMS_FINISHED, finished);
        snapshot.add(&families::STREAM_ITEMS_SENT, metrics.items_sent.count);
        snapshot.add(&families::STREAM_SENT, metrics.items_sent.bytes);
        snapshot.add(&families::STREAM_ITEMS_RECEIVED, metrics.items_received.count);
        snapshot.add(&families::STREAM_RECEIVED, metrics.items_received.bytes);
    }

    fn measure_topics(&self, snapshot: &mut Snapshot) {
        let stats = self.topics.stats();
        snapshot.add(&families::EVENTS_PUBLISHED, stats.published);
        snapshot.add(&families::EVENT_COPIES, stats.copies);
        snapshot.add(&families::EVENT_COPIES_DROPPED, stats.dropped);
        self.add_named(snapshot, &families::EVENTS_REFUSED, &[]);
        snapshot.add(&families::EVENTS_RECEIVED, stats.received);
        snapshot.add(&families::EVENTS_LOST, stats.lost);
        snapshot.add(&families::EVENTS_DELIVERED, stats.delivered);
        let overflowed = self.counters.metrics.events_overflowed;
        let policies = [Overflow::DropOldest, Overflow::DropNewest, Overflow::Block];
        let overflowed = policies.map(|policy| (policy.name(), overflowed[policy as usize]));
        snapshot.add_by(&families::EVENTS_OVERFLOWED, overflowed);
    }

    fn measure_links(&self, snapshot: &mut Snapshot) {
        let metrics = &self.counters.metrics;
        snapshot.add_by(&families::LINKS_OPENED, ["stream", "tunnel"].into_iter().zip(metrics.links_opened));
        let by_reason = |(reason, count): (&CloseReason, &u64)| (reason.name(), *count);
        snapshot.add_by(&families::LINKS_CLOSED, self.closed.iter().map(by_reason));
        snapshot.add_by(&families::HANDSHAKES_FAILED, metrics.handshakes_failed.iter().map(by_reason));
        snapshot.add(&families::DIALS_FAILED, metrics.dials_failed);
        snapshot.add(&families::LINK_RECEIVED, metrics.bytes_received);
        snapshot.add(&families::LINK_SENT, metrics.bytes_sent);
        let frames = FrameType::ALL.iter().map(|frame| (frame.name(), frame.number()));
        let frames = frames.map(|(name, number)| (name, metrics.frames_received[usize::from(number)]));
        snapshot.add_by(&families::FRAMES_RECEIVED, frames.filter(|(_, count)| *count > 0));
        snapshot.add(&families::LINK_ROUND_TRIP, metrics.round_trip);
    }

    fn measure_mesh(&self, snapshot: &mut Snapshot) {
        let metrics = &self.counters.metrics;
        snapshot.add(&families::RELAYED, metrics.relayed.count);
        snapshot.add(&families::RELAYED_BYTES, metrics.relayed.bytes);
        let dropped =
            Broken::ALL.map(|reason| (reason.name(), metrics.relayed_dropped[usize::from(reason.number())]));
        snapshot.add_by(&families::RELAYED_DROPPED, dropped);
        snapshot.add_by(&families::NEIGHBOUR_TRANSITIONS, metrics.neighbours.iter());
        snapshot.add_by(&families::NODE_TRANSITIONS, metrics.nodes.iter());
        let statuses = [NodeStatus::Up, NodeStatus::Suspect, NodeStatus::Down];
        let mut nodes = statuses.map(|status| (status.name(), u64::from(status == NodeStatus::Up)));
        for (_, status, _) in self.membership.nodes() {
            nodes[statuses.iter().position(|known| *known == status).unwrap_or(0)].1 += 1;
        }
        snapshot.add_by(&families::NODES, nodes);
        self.add_named(snapshot, &families::DIRECTORY_REFUSED, &[]);
        self.add_named(snapshot, &families::RIGHTS_REFUSED, &[]);
        self.add_named(snapshot, &families::TOKENS_REFUSED, &[]);
    }

    fn measure_tables(&self, snapshot: &mut Snapshot) {
        let gauges = self.gauges();
        snapshot.add_by(&families::TABLE_ENTRIES, gauges.iter().map(|gauge| (gauge.name, gauge.value)));
        let limited = gauges.iter().filter(|gauge| gauge.cap != usize::MAX);
        snapshot.add_by(&families::TABLE_LIMIT, limited.map(|gauge| (gauge.name, gauge.cap)));
    }

    /// What this node measures of each neighbour; of the first 256 in the order of their ids.
    pub fn neighbour_metrics(&self) -> Snapshot {
        let mut peers = self.peers();
        peers.truncate(NEIGHBOURS_MAX);
        let mut snapshot = Snapshot::default();
        let mut add = |family, value: &dyn Fn(&PeerInfo) -> Option<Value>| {
            let sample = |peer: &PeerInfo| {
                let (node, label) = (alloc::format!("{}", peer.node), alloc::format!("{}", peer.label));
                Some(Sample { labels: alloc::vec![node.into(), label.into()], value: value(peer)? })
            };
            snapshot.push(family, peers.iter().filter_map(sample).collect());
        };
        let traffic = |peer: &PeerInfo| self.links.traffic(peer.link);
        let work = |peer: &PeerInfo| self.delivery.link_work(peer.link);
        add(&families::NEIGHBOUR_UP, &|peer| Some(u64::from(!peer.suspect).into()));
        add(&families::NEIGHBOUR_ROUND_TRIP, &|peer| {
            let rtt_us = self.routing.round_trip_us(&peer.node)?;
            Some(Duration::from_micros(rtt_us.into()).into())
        });
        add(&families::NEIGHBOUR_RECEIVED, &|peer| Some(traffic(peer)?.received_bytes.into()));
        add(&families::NEIGHBOUR_SENT, &|peer| Some(traffic(peer)?.sent_bytes.into()));
        add(&families::NEIGHBOUR_DROPPED, &|peer| Some(traffic(peer)?.dropped.into()));
        add(&families::NEIGHBOUR_CALLS_IN_FLIGHT, &|peer| Some(work(peer)?.calls.into()));
        add(&families::NEIGHBOUR_REQUESTS_IN_FLIGHT, &|peer| Some(work(peer)?.requests.into()));
        add(&families::NEIGHBOUR_CALL_DURATION, &|peer| Some(work(peer)?.call_duration.into()));
        snapshot
    }
}
