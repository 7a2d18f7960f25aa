//! Random streams: one for each domain, so that one more draw in one of them shifts no other.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use crate::seed::Seed;

/// ChaCha8 over a seed, on a stream that is named.
///
/// ```
/// use lacewing_sim::random::Random;
/// use lacewing_sim::seed::Seed;
///
/// let (mut one, mut two) = (Random::new(Seed(7), "net"), Random::new(Seed(7), "work"));
/// assert_ne!(one.below(1 << 40), two.below(1 << 40));
/// ```
#[derive(Debug)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// The stream `domain` of `seed`.
    pub fn new(seed: Seed, domain: &str) -> Self {
        let mut rng = ChaCha8Rng::from_seed(derive_key(seed, "random"));
        let name = blake3::hash(domain.as_bytes());
        let mut stream = [0; 8];
        stream.copy_from_slice(&name.as_bytes()[..8]);
        rng.set_stream(u64::from_le_bytes(stream));
        Self(rng)
    }

    /// A number below `bound`; 0 for a bound of 0. The bias of the multiplication is below 2^-40 for any bound used here.
    pub fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.0.next_u64()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// An index into something of this length, which must not be 0.
    pub fn index(&mut self, len: usize) -> usize {
        assert!(len > 0, "nothing to choose from");
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// One of the items.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.index(items.len())]
    }

    /// Heads or tails.
    pub fn coin(&mut self) -> bool {
        self.0.next_u32() & 1 == 1
    }

    /// The first `count` of a random order of `0..len`.
    pub fn sample(&mut self, len: usize, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..len).collect();
        let count = count.min(len);
        for at in 0..count {
            let other = at + self.index(len - at);
            order.swap(at, other);
        }
        order.truncate(count);
        order
    }
}

/// 32 bytes that follow from the seed and a purpose: keys, engines' seeds.
pub fn derive_key(seed: Seed, purpose: &str) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("lacewing-sim 2026-11 run material");
    hasher.update(&seed.0.to_be_bytes());
    hasher.update(purpose.as_bytes());
    *hasher.finalize().as_bytes()
}
