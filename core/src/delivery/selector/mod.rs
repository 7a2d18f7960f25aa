//! Which of several providers gets a call, and who is next if it certainly did not take it.
//!
//! A choice depends on the candidates, on what was chosen and measured before, and on the random stream that is passed in.
//! The same ones in the same order give the same choice.

mod candidate;
mod recent;
mod state;
#[cfg(test)]
mod tests;
mod text;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use rand_core::Rng;
use sha2::{Digest, Sha256};

pub use self::candidate::Candidate;
pub use self::state::SelectionState;
pub use self::text::SelectorError;
use crate::capability::CapabilitySet;
use crate::identity::NodeId;
use crate::predicate::Predicate;

/// Most providers in an order of preference: the first is called, the others are there in case that it did not take the call.
pub const CHOICES_MAX: usize = 8;

/// Hashed in front of a node id and a sticky key.
const STICKY_DOMAIN: &[u8] = b"lacewing-sticky-v1";

/// How a provider is chosen among those that may be called.
///
/// ```
/// use lacewing_core::delivery::selector::{Candidate, SelectionState, Selector};
/// use lacewing_core::NodeId;
/// use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
///
/// let candidates = [1, 2].map(|byte| Candidate::new(NodeId::from_bytes([byte; 32])));
/// let (mut state, mut rng) = (SelectionState::default(), ChaCha8Rng::from_seed([0; 32]));
/// let mut first = || Selector::RoundRobin.select(&mut state, "sum", &candidates, &mut rng)[0];
/// assert_eq!([first(), first(), first()], [0, 1, 0]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Selector {
    /// This node itself where it is a candidate; else the fewest links away, and those that are equally near take turns.
    #[default]
    LocalFirst,
    /// In the order in which the candidates are given.
    FirstFound,
    /// Each in turn, in the order of their ids, for each path by itself.
    RoundRobin,
    /// The one with the least to do: what this node has on the way to it, and what it says itself. Equals by chance.
    LeastLoaded,
    /// Any, with the same chance for each.
    Random,
    /// The same for the same key, for as long as it is there; when others come and go, few keys move (rendezvous hashing,
    /// Thaler and Ravishankar, 1998).
    Sticky(String),
    /// The one that has answered fastest lately. One that has not been tried, or not for long, is tried first.
    Fastest,
    /// This node and no other.
    Node(NodeId),
    /// Only those for whose capabilities the predicate holds; among them, as the other selector says. Who says nothing about
    /// itself has no capabilities.
    Predicate(Arc<Predicate>, Box<Selector>),
    /// As a function of the application says.
    Custom(Choose),
}

/// The function of a [`Selector::Custom`]: the index of the one to call, or `None` for none of them. It is called again with
/// those that are left to find out who is next. An index that is out of range counts as `None`.
#[derive(Clone)]
pub struct Choose(Arc<ChooseFn>);

type ChooseFn = dyn Fn(&[Candidate<'_>]) -> Option<usize> + Send + Sync;

impl Selector {
    /// The same key always goes to the same provider.
    pub fn sticky(key: impl Into<String>) -> Self {
        Self::Sticky(key.into())
    }

    /// Chooses by `inner` among those for whose capabilities the predicate holds.
    ///
    /// ```
    /// use lacewing_core::delivery::selector::Selector;
    ///
    /// let large = Selector::predicate("hardware.memory_gb >= 64".parse().unwrap(), Selector::Random);
    /// assert_eq!(large.to_string(), "random where hardware.memory_gb >= 64");
    /// ```
    pub fn predicate(predicate: Predicate, inner: Self) -> Self {
        Self::Predicate(Arc::new(predicate), Box::new(inner))
    }

    /// Chooses as a function says.
    ///
    /// ```
    /// use lacewing_core::delivery::selector::Selector;
    ///
    /// let last = Selector::custom(|candidates| candidates.len().checked_sub(1));
    /// assert_eq!(last.to_string(), "custom");
    /// ```
    pub fn custom(choose: impl Fn(&[Candidate<'_>]) -> Option<usize> + Send + Sync + 'static) -> Self {
        Self::Custom(Choose(Arc::new(choose)))
    }

    /// Whether it wants to know how fast nodes answer.
    pub(crate) fn is_by_speed(&self) -> bool {
        match self {
            Self::Fastest => true,
            Self::Predicate(_, inner) => inner.is_by_speed(),
            Self::LocalFirst
            | Self::FirstFound
            | Self::RoundRobin
            | Self::LeastLoaded
            | Self::Random
            | Self::Sticky(_)
            | Self::Node(_)
            | Self::Custom(_) => false,
        }
    }

    /// Whether it takes a node of which nothing is known but that it serves the action.
    pub(crate) fn takes_strangers(&self) -> bool {
        !matches!(self, Self::Node(_) | Self::Predicate(..) | Self::Custom(_))
    }

    /// Indices of candidates in the order of preference, at most [`CHOICES_MAX`]; none where none may be called. A choice by
    /// turns is taken as made.
    ///
    /// `candidates` are different nodes that may be called, in any order. `path` tells apart whose turns are counted.
    pub fn select(
        &self,
        state: &mut SelectionState,
        path: &str,
        candidates: &[Candidate<'_>],
        rng: &mut impl Rng,
    ) -> Vec<usize> {
        let all: Vec<usize> = (0..candidates.len()).collect();
        let mut order = self.order(state, path, candidates, all, rng);
        order.truncate(CHOICES_MAX);
        order
    }

    /// The indices in `order` in the order of preference.
    fn order(
        &self,
        state: &mut SelectionState,
        path: &str,
        candidates: &[Candidate<'_>],
        mut order: Vec<usize>,
        rng: &mut impl Rng,
    ) -> Vec<usize> {
        match self {
            Self::LocalFirst => {
                take_turns(state, path, candidates, &mut order, nearness);
            }
            Self::FirstFound => {}
            Self::RoundRobin => take_turns(state, path, candidates, &mut order, |_| ()),
            Self::LeastLoaded => {
                shuffle(&mut order, rng);
                order.sort_by_key(|index| candidates[*index].work());
            }
            Self::Random => shuffle(&mut order, rng),
            Self::Sticky(key) => order.sort_by_cached_key(|index| {
                let candidate = &candidates[*index];
                (core::cmp::Reverse(sticky_weight(key, &candidate.node)), candidate.node)
            }),
            Self::Fastest => {
                state.count_choice();
                shuffle(&mut order, rng);
                order.sort_by_cached_key(|index| state.latency_us(&candidates[*index].node).unwrap_or(0));
            }
            Self::Node(node) => order.retain(|index| candidates[*index].node == *node),
            Self::Predicate(predicate, inner) => {
                let nothing = CapabilitySet::new();
                order.retain(|index| predicate.evaluate(candidates[*index].capabilities.unwrap_or(&nothing)));
                return inner.order(state, path, candidates, order, rng);
            }
            Self::Custom(choose) => return chosen(choose, candidates, order),
        }
        order
    }
}

/// Nearest first.
fn nearness(candidate: &Candidate<'_>) -> (bool, u8) {
    (!candidate.is_local, candidate.hops)
}

/// Sorts by `rank`, and then by id, so that the one whose turn it is leads those of the best rank.
fn take_turns<R: Ord>(
    state: &mut SelectionState,
    path: &str,
    candidates: &[Candidate<'_>],
    order: &mut [usize],
    rank: impl Fn(&Candidate<'_>) -> R,
) {
    order.sort_by_key(|index| (rank(&candidates[*index]), candidates[*index].node));
    let Some(best) = order.first().map(|index| rank(&candidates[*index])) else { return };
    let equals = order.partition_point(|index| rank(&candidates[*index]) <= best);
    let equals = &mut order[..equals];
    // Whoever is alone at the top takes no turn, so that the turns of the others are not forgotten for it.
    if equals.len() > 1 {
        let after = state.last_turn(path);
        let next = equals.partition_point(|index| after.is_some_and(|last| candidates[*index].node <= last));
        equals.rotate_left(next % equals.len());
        state.take_turn(path, candidates[equals[0]].node);
    }
}

/// Brings the indices into a random order (Fisher and Yates; Durstenfeld, 1964).
fn shuffle(order: &mut [usize], rng: &mut impl Rng) {
    for left in (1..order.len()).rev() {
        // The high half of a 96-bit product maps 64 random bits to 0..=left without a bias that would matter.
        let drawn = (u128::from(rng.next_u64()) * (left as u128 + 1)) >> 64;
        order.swap(left, drawn as usize);
    }
}

/// How much a node wants a key.
fn sticky_weight(key: &str, node: &NodeId) -> [u8; 32] {
    let hash = Sha256::new().chain_update(STICKY_DOMAIN).chain_update(node.as_bytes());
    hash.chain_update(key.as_bytes()).finalize().into()
}

/// Lets a function choose among those that are left until it has had enough.
fn chosen(choose: &Choose, candidates: &[Candidate<'_>], mut left: Vec<usize>) -> Vec<usize> {
    let mut order = Vec::new();
    let mut offered: Vec<Candidate<'_>> = left.iter().map(|index| candidates[*index]).collect();
    while order.len() < CHOICES_MAX
        && let Some(at) = choose.0(&offered).filter(|at| *at < offered.len())
    {
        offered.remove(at);
        order.push(left.remove(at));
    }
    order
}

impl fmt::Debug for Choose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Choose(..)")
    }
}

/// The very same function.
impl PartialEq for Choose {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Choose {}
