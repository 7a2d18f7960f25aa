//! A provider that may be called.

use crate::capability::CapabilitySet;
use crate::identity::NodeId;

/// A provider that may be called: it runs the action, and neither is paused or draining.
///
/// ```
/// use lacewing_core::NodeId;
/// use lacewing_core::delivery::selector::Candidate;
///
/// let near = Candidate { hops: 1, round_trip_us: Some(200), ..Candidate::new(NodeId::from_bytes([1; 32])) };
/// assert!(!near.is_local);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// Which node.
    pub node: NodeId,
    /// Whether it is this node itself.
    pub is_local: bool,
    /// Links between this node and it; 0 for this node itself, 255 where that is not known.
    pub hops: u8,
    /// The round trip to it in microseconds, along the route of now; `None` where it was not measured.
    pub round_trip_us: Option<u64>,
    /// Requests that it says it has to do.
    pub load: u32,
    /// Calls of this node to it that have no outcome yet.
    pub in_flight: usize,
    /// What it says it can do; `None` where it says nothing.
    pub capabilities: Option<&'a CapabilitySet>,
}

impl Candidate<'_> {
    /// A candidate of which nothing but its id is known.
    pub fn new(node: NodeId) -> Self {
        Self {
            node,
            is_local: false,
            hops: u8::MAX,
            round_trip_us: None,
            load: 0,
            in_flight: 0,
            capabilities: None,
        }
    }

    /// What it has to do as far as is known here. Calls of this node may be in both numbers: the other one is older.
    pub(super) fn work(&self) -> u64 {
        u64::from(self.load).saturating_add(self.in_flight as u64)
    }
}
