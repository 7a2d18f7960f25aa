//! What nodes offer, as it changes during a run.

use lacewing_core::delivery::selector::Selector;
use lacewing_core::engine::ProviderState;
use serde::{Deserialize, Serialize};

use crate::quantity::Micros;

/// A node serves the action of a pool, from now on like this. The application remembers it: a node that comes back serves
/// again what it served last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServeItem {
    /// When.
    pub t: Micros,
    /// Who.
    pub node: usize,
    /// The number of the pool.
    pub pool: u32,
    /// Whether it takes calls.
    #[serde(default, skip_serializing_if = "is_running")]
    pub state: PoolState,
    /// How busy it says it is.
    #[serde(default, skip_serializing_if = "is_idle")]
    pub load: u32,
}

/// Whether a provider takes calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PoolState {
    /// It takes calls.
    #[default]
    Running,
    /// It takes none for now.
    Paused,
    /// It finishes what it has and takes no more.
    Draining,
}

impl PoolState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Running, Self::Paused, Self::Draining];

    /// The core's word for it.
    pub fn in_core(self) -> ProviderState {
        match self {
            Self::Running => ProviderState::Running,
            Self::Paused => ProviderState::Paused,
            Self::Draining => ProviderState::Draining,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_running(state: &PoolState) -> bool {
    *state == PoolState::Running
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_idle(load: &u32) -> bool {
    *load == 0
}

/// How a caller chooses among those that serve an action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Selection {
    /// Itself, or the nearest, in turn where several are equally near.
    #[default]
    LocalFirst,
    /// Each in turn.
    RoundRobin,
    /// The one with the least to do.
    LeastLoaded,
}

impl Selection {
    /// The core's word for it.
    pub fn in_core(self) -> Selector {
        match self {
            Self::LocalFirst => Selector::LocalFirst,
            Self::RoundRobin => Selector::RoundRobin,
            Self::LeastLoaded => Selector::LeastLoaded,
        }
    }
}

/// A node serves the action of a pool no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnserveItem {
    /// When.
    pub t: Micros,
    /// Who.
    pub node: usize,
    /// The number of the pool.
    pub pool: u32,
}

/// A node says what it can do, in place of what it said before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapabilitiesItem {
    /// When.
    pub t: Micros,
    /// Who.
    pub node: usize,
    /// The tags of the set.
    pub tags: Vec<String>,
}
