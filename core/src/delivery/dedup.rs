//! At most once: which sequence numbers of an origin have been seen.

use alloc::boxed::Box;

/// Numbers that the window spans. It is twice the default of calls that may be on the way, because large requests
/// are overtaken by small ones.
const SPAN: u64 = 32_768;
const WORDS: usize = SPAN as usize / 64;

/// What the window says of a sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Never seen: run it.
    New,
    /// Seen before: do not run it again.
    Duplicate,
    /// So far behind the newest that nobody can tell any more: do not run it.
    TooOld,
}

/// A sliding window over the sequence numbers of one incarnation of one origin (after RFC 4303, section 3.4.3).
#[derive(Debug)]
pub(super) struct DedupWindow {
    newest: u64,
    bits: Box<[u64; WORDS]>,
}

impl DedupWindow {
    pub(super) fn new() -> Self {
        Self { newest: 0, bits: Box::new([0; WORDS]) }
    }

    /// Marks `sequence` (never 0) as seen and says whether it was before.
    pub(super) fn observe(&mut self, sequence: u64) -> Seen {
        debug_assert!(sequence != 0, "frames of calls have ids from 1 on");
        if sequence > self.newest {
            self.slide_to(sequence);
        } else if self.newest - sequence >= SPAN {
            return Seen::TooOld;
        }
        let (word, bit) = ((sequence % SPAN / 64) as usize, 1 << (sequence % 64));
        let seen = self.bits[word] & bit != 0;
        self.bits[word] |= bit;
        if seen { Seen::Duplicate } else { Seen::New }
    }

    /// Clears the places of all numbers between the old newest and the new one.
    fn slide_to(&mut self, sequence: u64) {
        if sequence - self.newest >= SPAN {
            self.bits.fill(0);
        } else {
            // A word at a time: a peer may let its numbers jump with every frame.
            let mut next = self.newest + 1;
            while next <= sequence {
                let count = (64 - next % 64).min(sequence - next + 1);
                let mask = if count == 64 { u64::MAX } else { ((1 << count) - 1) << (next % 64) };
                self.bits[(next % SPAN / 64) as usize] &= !mask;
                next += count;
            }
        }
        self.newest = sequence;
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{DedupWindow, SPAN, Seen};

    proptest! {
        #[test]
        fn it_never_lets_a_number_pass_twice(steps in proptest::collection::vec(
            prop_oneof![1_u64..200, SPAN - 50..SPAN + 50, 3 * SPAN..3 * SPAN + 20], 1..300,
        )) {
            let (mut window, mut seen, mut newest) = (DedupWindow::new(), BTreeSet::new(), 0);
            for sequence in steps {
                newest = newest.max(sequence);
                let expected = if newest - sequence >= SPAN {
                    Seen::TooOld
                } else if seen.insert(sequence) {
                    Seen::New
                } else {
                    Seen::Duplicate
                };
                prop_assert_eq!(window.observe(sequence), expected);
            }
        }
    }

    #[test]
    fn the_edge_of_the_window_is_exact() {
        let mut window = DedupWindow::new();
        assert_eq!(window.observe(SPAN), Seen::New);
        assert_eq!(window.observe(1), Seen::New);
        assert_eq!(window.observe(SPAN + 1), Seen::New);
        assert_eq!(window.observe(1), Seen::TooOld);
        assert_eq!(window.observe(2), Seen::New);
    }
}
