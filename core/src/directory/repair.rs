//! Neighbours compare what they know, and ask each other for what they lack.

use super::Directory;
use super::neighbour::Neighbour;
use crate::identity::NodeId;
use crate::link::LinkId;
use crate::machine::Cx;
use crate::time::Instant;

impl Directory {
    pub(super) fn link_up(&mut self, cx: &mut Cx<'_>, link: LinkId, peer: NodeId) {
        self.neighbours.insert(link, Neighbour::new(peer, self.rates, cx.now, Instant::NEVER));
    }
    pub(super) fn link_down(&mut self, link: LinkId) {
        self.neighbours.remove(&link);
    }
    pub(super) fn offer(&mut self, _link: LinkId, _now: Instant) {}
    pub(super) fn digest(&mut self, _cx: &mut Cx<'_>, _link: LinkId, _body: &[u8]) {}
    pub(super) fn request(&mut self, _cx: &mut Cx<'_>, _link: LinkId, _body: &[u8]) {}
    pub(super) fn links_due(&mut self, _cx: &mut Cx<'_>) {}
}
