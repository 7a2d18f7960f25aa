//! Answers that are kept for a while: proofs of anybody's questions, and that nobody serves what this node asked for.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use bytes::Bytes;

use crate::time::Instant;
use crate::wire::path::ActionPath;

/// Most bytes of proofs in the cache. A full one forgets the oldest.
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// What is known of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// This proof was good.
    Served(Bytes),
    /// Everybody within reach was asked.
    Absent,
}

impl Known {
    fn bytes(&self) -> usize {
        match self {
            Self::Served(proof) => proof.len(),
            Self::Absent => 0,
        }
    }
}

#[derive(Debug)]
struct Entry {
    known: Known,
    until: Instant,
    turn: u64,
}

/// The cache. At its limits the oldest entries are forgotten.
#[derive(Debug, Default)]
pub(super) struct Cache {
    entries: BTreeMap<Arc<ActionPath>, Entry>,
    /// Entries by age.
    turns: BTreeMap<u64, Arc<ActionPath>>,
    last_turn: u64,
    bytes: usize,
}

impl Cache {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&self, now: Instant, path: &ActionPath) -> Option<&Known> {
        self.entries.get(path).filter(|entry| now < entry.until).map(|entry| &entry.known)
    }

    pub(super) fn put(&mut self, path: &Arc<ActionPath>, known: Known, until: Instant, count_max: usize) {
        self.remove(path);
        self.last_turn += 1;
        self.bytes += known.bytes();
        self.turns.insert(self.last_turn, path.clone());
        self.entries.insert(path.clone(), Entry { known, until, turn: self.last_turn });
        while (self.entries.len() > count_max || self.bytes > BYTES_MAX)
            && let Some((_, oldest)) = self.turns.pop_first()
        {
            self.remove(&oldest);
        }
    }

    pub(super) fn remove(&mut self, path: &ActionPath) {
        if let Some(entry) = self.entries.remove(path) {
            self.bytes -= entry.known.bytes();
            self.turns.remove(&entry.turn);
        }
    }

    pub(super) fn clear(&mut self) {
        let last_turn = self.last_turn;
        *self = Self { last_turn, ..Self::default() };
    }

    /// Forgets what nobody was found to serve: there is somebody new to ask.
    pub(super) fn forget_absences(&mut self) {
        let turns = &mut self.turns;
        self.entries.retain(|_, entry| {
            let keep = entry.known != Known::Absent;
            if !keep {
                turns.remove(&entry.turn);
            }
            keep
        });
    }
}
