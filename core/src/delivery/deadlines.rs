//! When operations expire.

use alloc::collections::BinaryHeap;
use core::cmp::Reverse;

use crate::time::Instant;

/// A heap of deadlines. Operations that end early leave their entry behind; when most entries are such, they are swept,
/// so that the heap stays within a factor of what is alive.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    heap: BinaryHeap<Reverse<(Instant, u64)>>,
}

impl Deadlines {
    pub(super) fn add(&mut self, at: Instant, key: u64) {
        self.heap.push(Reverse((at, key)));
    }

    /// The earliest entry. It may belong to an operation that has ended.
    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes the next key that is due at `now`.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<u64> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, key))| key)
    }

    /// Drops the entries of ended operations at the front, and all of them when they outnumber `live` by far.
    pub(super) fn tidy(&mut self, live: usize, is_live: impl Fn(u64) -> bool) {
        while self.heap.peek().is_some_and(|Reverse((_, key))| !is_live(*key)) {
            self.heap.pop();
        }
        if self.heap.len() > 64 && self.heap.len() > 4 * live {
            self.heap.retain(|Reverse((_, key))| is_live(*key));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }
}

#[cfg(test)]
mod tests {
    use super::Deadlines;
    use crate::time::Instant;

    #[test]
    fn ended_operations_do_not_pile_up() {
        let mut deadlines = Deadlines::default();
        for key in 0..100_000 {
            deadlines.add(Instant::from_millis(5_000 + key), key);
            deadlines.tidy(1, |other| other == key);
        }
        assert!(deadlines.len() <= 65);
    }

    #[test]
    fn they_come_due_in_order() {
        let mut deadlines = Deadlines::default();
        deadlines.add(Instant::from_millis(20), 1);
        deadlines.add(Instant::from_millis(10), 2);
        assert_eq!(deadlines.next(), Some(Instant::from_millis(10)));
        assert_eq!(deadlines.pop_due(Instant::from_millis(9)), None);
        assert_eq!(deadlines.pop_due(Instant::from_millis(20)), Some(2));
        assert_eq!(deadlines.pop_due(Instant::from_millis(20)), Some(1));
    }
}
