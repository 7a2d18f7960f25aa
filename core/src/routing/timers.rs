//! Times at which something is due, one for each key.

use alloc::collections::{BTreeMap, BTreeSet};

use crate::time::Instant;

/// Each key has at most one time. All operations are logarithmic.
#[derive(Debug)]
pub(super) struct Timers<K> {
    by_time: BTreeSet<(Instant, K)>,
    by_key: BTreeMap<K, Instant>,
}

impl<K: Copy + Ord> Timers<K> {
    pub(super) const fn new() -> Self {
        Self { by_time: BTreeSet::new(), by_key: BTreeMap::new() }
    }

    /// Sets the time of a key; an earlier setting is void.
    pub(super) fn set(&mut self, key: K, at: Instant) {
        self.cancel(&key);
        self.by_time.insert((at, key));
        self.by_key.insert(key, at);
    }

    pub(super) fn cancel(&mut self, key: &K) {
        if let Some(at) = self.by_key.remove(key) {
            self.by_time.remove(&(at, *key));
        }
    }

    pub(super) fn contains(&self, key: &K) -> bool {
        self.by_key.contains_key(key)
    }

    /// The earliest time, and whose it is.
    pub(super) fn first(&self) -> Option<(Instant, K)> {
        self.by_time.first().copied()
    }

    /// Takes the earliest key that is due.
    pub(super) fn pop(&mut self, now: Instant) -> Option<K> {
        let (at, key) = self.first()?;
        if at > now {
            return None;
        }
        self.cancel(&key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::Timers;
    use crate::time::Instant;

    #[test]
    fn keys_come_out_in_the_order_of_their_times_and_only_when_due() {
        let at = Instant::from_millis;
        let mut timers = Timers::new();
        timers.set('b', at(20));
        timers.set('a', at(30));
        timers.set('c', at(10));
        timers.set('c', at(25));
        assert_eq!(timers.first(), Some((at(20), 'b')));
        assert_eq!(timers.pop(at(19)), None);
        assert_eq!(timers.pop(at(30)), Some('b'));
        assert_eq!(timers.pop(at(30)), Some('c'));
        timers.cancel(&'a');
        assert!(!timers.contains(&'a'));
        assert_eq!(timers.pop(at(30)), None);
    }
}
