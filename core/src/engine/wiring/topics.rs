//! What topics give: events, for other nodes and for the application.

use crate::engine::{Engine, Event};
use crate::link;
use crate::topics;

impl Engine {
    pub(super) fn route_topics(&mut self, out: topics::Out) {
        match out {
            topics::Out::Send { link, head, payload } => {
                self.tell_links(link::In::Publish { link, head, payload });
            }
            topics::Out::OpenTunnel { node } => self.open_tunnel(node),
            topics::Out::Event { subscription, event } => {
                self.event(Event::Published { subscription, event });
            }
            topics::Out::Writable => self.event(Event::PublishReady),
            topics::Out::Violation { link, reason } => self.violation(link, reason),
        }
    }
}
