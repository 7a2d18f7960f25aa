//! How often each topic may be published on: so many events at once, and so many a second from then on.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::time::Duration;

use crate::config::Limits;
use crate::time::Instant;
use crate::wire::path::ActionPath;

/// Pause between two looks for topics that have been quiet for long enough to be forgotten.
const SWEEP_EVERY: Duration = Duration::from_millis(100);

/// Why an event may not be published now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TooFast {
    /// The topic has had as many as it may; after this time there may be one more.
    Topic(Duration),
    /// Events are published on so many topics that not one more can be kept track of.
    Topics,
}

/// Each event costs its topic some time. A topic that owes nothing takes no room.
#[derive(Debug)]
pub(super) struct Paces {
    /// When each topic will owe nothing any more.
    free_at: BTreeMap<Arc<ActionPath>, Instant>,
    topics_max: usize,
    cost: Duration,
    debt_max: Duration,
    sweep_at: Instant,
}

impl Paces {
    pub(super) fn new(limits: &Limits) -> Self {
        let cost = Duration::from_secs(1) / limits.events_per_topic_per_s.max(1);
        Self {
            free_at: BTreeMap::new(),
            topics_max: limits.topics_max,
            cost,
            debt_max: cost.saturating_mul(limits.events_per_topic_burst.saturating_sub(1)),
            sweep_at: Instant::ZERO,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.free_at.len()
    }

    /// Counts one event, if it may be published now.
    pub(super) fn admit(&mut self, topic: &Arc<ActionPath>, now: Instant) -> Result<(), TooFast> {
        if let Some(free_at) = self.free_at.get_mut(topic) {
            let debt = *free_at - now;
            if let Some(wait) = debt.checked_sub(self.debt_max).filter(|wait| !wait.is_zero()) {
                return Err(TooFast::Topic(wait));
            }
            *free_at = (*free_at).max(now) + self.cost;
            return Ok(());
        }
        if self.free_at.len() >= self.topics_max {
            if now < self.sweep_at {
                return Err(TooFast::Topics);
            }
            self.sweep_at = now + SWEEP_EVERY;
            self.free_at.retain(|_, free_at| *free_at > now);
            if self.free_at.len() >= self.topics_max {
                return Err(TooFast::Topics);
            }
        }
        self.free_at.insert(topic.clone(), now + self.cost);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paces() -> Paces {
        let limits = Limits {
            topics_max: 2,
            events_per_topic_burst: 3,
            events_per_topic_per_s: 10,
            ..Limits::default()
        };
        Paces::new(&limits)
    }

    fn topic(name: &str) -> Arc<ActionPath> {
        Arc::new(name.parse().unwrap())
    }

    #[test]
    fn a_topic_has_its_burst_at_once_and_then_its_rate() {
        let (mut paces, a, start) = (paces(), topic("a"), Instant::from_millis(1));
        for _ in 0..3 {
            assert_eq!(paces.admit(&a, start), Ok(()));
        }
        assert_eq!(paces.admit(&a, start), Err(TooFast::Topic(Duration::from_millis(100))));
        assert_eq!(paces.admit(&topic("b"), start), Ok(()), "another topic has a pace of its own");
        let mut taken = 0;
        for ms in 2..=1_001 {
            taken += u32::from(paces.admit(&a, Instant::from_millis(ms)).is_ok());
        }
        assert_eq!(taken, 10);
    }

    #[test]
    fn topics_that_owe_nothing_make_room_and_others_do_not() {
        let (mut paces, start) = (paces(), Instant::from_millis(1));
        paces.admit(&topic("a"), start).unwrap();
        paces.admit(&topic("b"), start).unwrap();
        assert_eq!(paces.admit(&topic("c"), start), Err(TooFast::Topics));
        assert_eq!(paces.admit(&topic("c"), Instant::from_millis(150)), Ok(()));
        assert_eq!(paces.len(), 1);
    }
}
