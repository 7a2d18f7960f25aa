//! One subscription: what waits for it, and what happens when that is too much.

use alloc::collections::VecDeque;
use alloc::format;

use super::{GroupName, TopicEvent};
use crate::code::{Code, Error};
use crate::wire::body::topics::EVENT_COST;
use crate::wire::headers::Headers;
use crate::wire::path::{ActionPath, PathPattern};

/// Most events that may wait for one subscription.
pub(super) const QUEUE_LEN_MAX: usize = 65_536;
/// Bytes of events that may wait for one subscription; a single event always may.
pub(super) const BYTES_MAX: usize = 16 * 1024 * 1024;
/// What an event takes besides its payload, at most.
pub(super) const EVENT_BYTES_MAX: usize = EVENT_COST + ActionPath::LEN_MAX + Headers::BYTES_MAX;

/// What happens to an event for which a subscription has no room.
///
/// ```
/// assert_eq!(lacewing_core::topics::Overflow::default().name(), "drop_oldest");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// The event that has waited for longest is dropped for it.
    #[default]
    DropOldest,
    /// It is dropped.
    DropNewest,
    /// A publisher of the same node is told `Backpressure`, and nobody gets the event. One of another node cannot be held up without
    /// holding up others with it: its event is dropped and counted apart.
    Block,
}

impl Overflow {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DropOldest => "drop_oldest",
            Self::DropNewest => "drop_newest",
            Self::Block => "block",
        }
    }
}

/// How a subscription is to work.
///
/// ```
/// use lacewing_core::topics::{Overflow, SubscribeOptions};
///
/// let options = SubscribeOptions { queue_len: 1, overflow: Overflow::DropOldest, ..SubscribeOptions::default() };
/// assert_eq!(options.group, None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscribeOptions {
    /// The group that it is a member of: of an event that is published to one of each group, one member gets it.
    pub group: Option<GroupName>,
    /// Events that may wait besides the one that the application has been handed: 1 to 65,536. Together they may have 16 MiB.
    pub queue_len: usize,
    /// What happens when there is no room.
    pub overflow: Overflow,
}

impl Default for SubscribeOptions {
    fn default() -> Self {
        Self { group: None, queue_len: 1_024, overflow: Overflow::default() }
    }
}

impl SubscribeOptions {
    pub(super) fn check(&self) -> Result<(), Error> {
        if (1..=QUEUE_LEN_MAX).contains(&self.queue_len) {
            return Ok(());
        }
        let text =
            format!("the queue of a subscription has 1 to {QUEUE_LEN_MAX} places, not {}", self.queue_len);
        Err(Error::new(Code::InvalidArgument, text))
    }
}

/// How a subscription does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionStats {
    /// Events that wait now.
    pub waiting: usize,
    /// Events that were handed to the application.
    pub delivered: u64,
    /// Events that were dropped because there was no room, those counted apart not included.
    pub dropped: u64,
    /// Events of other nodes that were dropped although a full subscription is to hold up its publishers.
    pub dropped_unheld: u64,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// The application gets it now.
    Handed,
    /// It waits.
    Queued,
    /// It waits, and so many older ones were dropped for it.
    InPlaceOf(u64),
    /// It was dropped.
    Dropped,
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) pattern: PathPattern,
    pub(super) options: SubscribeOptions,
    held: VecDeque<TopicEvent>,
    bytes: usize,
    /// Whether the application has an event that it has not taken.
    handed: bool,
    stats: SubscriptionStats,
}

impl Subscription {
    pub(super) fn new(pattern: PathPattern, options: SubscribeOptions) -> Self {
        let (held, stats) = (VecDeque::new(), SubscriptionStats::default());
        Self { pattern, options, held, bytes: 0, handed: false, stats }
    }

    pub(super) fn held_len(&self) -> usize {
        self.held.len()
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn stats(&self) -> SubscriptionStats {
        SubscriptionStats { waiting: self.held.len(), ..self.stats }
    }

    /// Whether a publisher of this node has to wait until an event of so many bytes has room.
    pub(super) fn holds_up(&self, bytes: usize) -> bool {
        self.options.overflow == Overflow::Block && self.handed && !self.has_room(bytes)
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.held.len() < self.options.queue_len && (self.held.is_empty() || self.bytes + bytes <= BYTES_MAX)
    }

    /// Takes an event, or does with it what the rule says, which is that of the options.
    pub(super) fn offer(&mut self, event: TopicEvent, rule: Overflow) -> Held {
        if !self.handed {
            self.handed = true;
            self.stats.delivered += 1;
            return Held::Handed;
        }
        let bytes = bytes_of(&event);
        let mut dropped = 0;
        while !self.has_room(bytes) {
            if rule != Overflow::DropOldest {
                let is_block = rule == Overflow::Block;
                let counter = if is_block { &mut self.stats.dropped_unheld } else { &mut self.stats.dropped };
                *counter += 1;
                return Held::Dropped;
            }
            let Some(oldest) = self.held.pop_front() else { break };
            self.bytes -= bytes_of(&oldest);
            self.stats.dropped += 1;
            dropped += 1;
        }
        self.bytes += bytes;
        self.held.push_back(event);
        if dropped == 0 { Held::Queued } else { Held::InPlaceOf(dropped) }
    }

    /// A bug on purpose: the newest event comes before all others.
    pub(super) fn overtake(&mut self) {
        self.held.rotate_right(1);
    }

    /// The application has taken what it was handed. Gives the next one.
    pub(super) fn taken(&mut self) -> Option<TopicEvent> {
        if !core::mem::take(&mut self.handed) {
            return None;
        }
        let next = self.held.pop_front()?;
        self.bytes -= bytes_of(&next);
        self.handed = true;
        self.stats.delivered += 1;
        Some(next)
    }
}

/// What an event counts against the limit.
pub(super) fn bytes_of(event: &TopicEvent) -> usize {
    EVENT_COST + event.topic.as_str().len() + event.headers.bytes() + event.payload.data.len()
}
