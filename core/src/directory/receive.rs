//! Announcements of others: what is refused, and why; what is taken.

use super::Directory;
use crate::link::LinkId;
use crate::machine::Cx;

/// Bytes of half-received sets on all links.
pub(super) const REASSEMBLY_BYTES_MAX: usize = 32 * 1024 * 1024;

impl Directory {
    pub(super) fn delta(&mut self, _cx: &mut Cx<'_>, _link: LinkId, _body: &[u8]) {}
}
