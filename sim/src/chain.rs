//! A rolling hash over everything that goes into the engines and comes out of them.
//!
//! Two executions of the same run must give the same chain. Where they do not, the first checkpoint that differs names the
//! window of events to look at.

use serde::{Deserialize, Serialize};

/// Events between two checkpoints.
pub const WINDOW: u64 = 1_000;

/// The chain while it grows.
#[derive(Debug, Default)]
pub struct Chain {
    events: u64,
    state: [u8; 32],
    pending: Vec<u8>,
    checkpoints: Vec<String>,
}

/// The chain of a finished execution.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoints {
    /// Events in all.
    pub events: u64,
    /// The hash after every [`WINDOW`] events, and after the last one.
    pub hashes: Vec<String>,
}

impl Chain {
    /// Adds one event and gives its number. `parts` must say everything about it that matters.
    pub fn add(&mut self, parts: &[u64], tail: &[u8]) -> u64 {
        for part in parts {
            self.pending.extend_from_slice(&part.to_le_bytes());
        }
        self.pending.extend_from_slice(&(tail.len() as u64).to_le_bytes());
        self.pending.extend_from_slice(tail);
        let number = self.events;
        self.events += 1;
        if self.events.is_multiple_of(WINDOW) {
            self.checkpoint();
        }
        number
    }

    /// How many events there have been.
    pub fn events(&self) -> u64 {
        self.events
    }

    fn checkpoint(&mut self) {
        let mut hasher = blake3::Hasher::new_keyed(&self.state);
        hasher.update(&self.pending);
        let hash = hasher.finalize();
        self.state = *hash.as_bytes();
        self.pending.clear();
        self.checkpoints.push(hash.to_hex()[..16].to_owned());
    }

    /// Closes the chain.
    pub fn finish(mut self) -> Checkpoints {
        self.checkpoint();
        Checkpoints { events: self.events, hashes: self.checkpoints }
    }
}

impl Checkpoints {
    /// The first window in which two chains differ, as the numbers of its events; `None` where they are the same.
    ///
    /// ```
    /// use lacewing_sim::chain::Chain;
    ///
    /// let chain = |odd: u64| {
    ///     let mut chain = Chain::default();
    ///     (0..2_500).for_each(|event| drop(chain.add(&[if event == 1_234 { odd } else { event }], b"")));
    ///     chain.finish()
    /// };
    /// assert_eq!(chain(0).first_difference(&chain(0)), None);
    /// assert_eq!(chain(0).first_difference(&chain(1)), Some(1_000..2_000));
    /// ```
    pub fn first_difference(&self, other: &Self) -> Option<std::ops::Range<u64>> {
        if self == other {
            return None;
        }
        let same = self.hashes.iter().zip(&other.hashes).take_while(|(one, two)| one == two).count() as u64;
        Some(same * WINDOW..(same + 1) * WINDOW)
    }

    /// The last hash, which stands for the whole execution.
    pub fn last(&self) -> &str {
        self.hashes.last().map_or("", String::as_str)
    }
}
