//! What goes over a link, for whoever looks at it.

use super::{Carrier, LinkId, Links, Phase};

/// What went over a link since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    /// Bytes that were read from its stream.
    pub(crate) received_bytes: u64,
    /// Bytes that were handed over for it.
    pub(crate) sent_bytes: u64,
    /// Announcements and relayed payloads that were dropped because it is slow.
    pub(crate) dropped: u64,
}

impl Links {
    /// What went over a link; `None` for one that is not there, or is no stream.
    pub(crate) fn traffic(&self, link: LinkId) -> Option<Traffic> {
        let link = self.table.get(&link)?;
        let Carrier::Stream(stream) = &link.carrier else { return None };
        let dropped = match &link.phase {
            Phase::Greeting(_) => 0,
            Phase::Connected(connected) => connected.outbox.dropped(),
        };
        Some(Traffic { received_bytes: stream.received_bytes, sent_bytes: stream.sent_bytes, dropped })
    }
}
