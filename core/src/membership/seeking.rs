//! Links to nodes that nobody has configured: a node that has fewer neighbours than it wants dials some of those that it has heard of,
//! so that the mesh stays whole when the nodes die through which it came together.

use alloc::vec::Vec;

use super::{Membership, NodeStatus, Out};
use crate::address::Address;
use crate::identity::NodeId;
use crate::machine::Cx;
use crate::time::Instant;

impl Membership {
    /// When more neighbours are looked for; `None` while there are enough.
    pub(super) fn next_seek(&self) -> Option<Instant> {
        let wanted = self.config.limits.neighbours_sought;
        (!self.leaving && self.neighbours.len() < wanted).then_some(self.seek_at)
    }

    /// Chooses nodes to become neighbours, at random, so that the mesh has no centre.
    pub(super) fn seek(&mut self, cx: &mut Cx<'_>) {
        if self.next_seek().is_none_or(|at| at > cx.now) {
            return;
        }
        let interval = self.config.timing.neighbour_seek_interval;
        self.seek_at = cx.now + interval / 2 + self.dialling.drawn(interval);
        let sought = self.dialling.sought_len() + self.neighbours.len();
        let mut candidates: Vec<NodeId> = self
            .nodes
            .iter()
            .filter(|(node, status, _)| {
                *status == NodeStatus::Up && !self.neighbours.contains_key(node) && !self.dialling.seeks(node)
            })
            .map(|(node, _, _)| node)
            .collect();
        for _ in sought..self.config.limits.neighbours_sought {
            if candidates.is_empty() {
                break;
            }
            let node = candidates.swap_remove(self.dialling.drawn_below(candidates.len()));
            self.out.push_back(Out::SeekNeighbour { node });
        }
        if sought < self.config.limits.neighbours_sought {
            cx.mark("membership.seeks_neighbours");
        }
    }

    /// Where a node can be dialled that was chosen.
    pub(super) fn candidate(&mut self, cx: &mut Cx<'_>, node: NodeId, addrs: &[Address]) {
        let usable: Vec<&Address> =
            addrs.iter().filter(|addr| !addr.is_unspecified() && addr.port() != 0).collect();
        if self.leaving || usable.is_empty() || self.neighbours.contains_key(&node) {
            return;
        }
        let addr = usable[self.dialling.drawn_below(usable.len())].clone();
        self.dialling.seek(addr, node, cx.now);
        self.dial_due(cx);
    }
}
