//! Measuring the round trips of links, often at first and rarely later.

use rand_core::Rng;

use super::{Out, Routing, Timer};
use crate::code::CloseReason;
use crate::link::LinkId;
use crate::machine::Cx;
use crate::wire::body::routing::Ping;
use crate::wire::frame::FrameType;

impl Routing {
    /// Sends a PING, unless the last one has not been answered: links lose nothing, so the answer is on its way.
    pub(super) fn ping(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        let token = self.rng.next_u64();
        let Some(neighbour) = self.neighbours.get_mut(&link) else { return };
        let pause = neighbour.ping_pause(self.config.timing.ping_interval);
        if neighbour.ping.is_none() {
            neighbour.ping = Some((token, cx.now));
            self.transmit(link, FrameType::Ping, |body| Ping { token }.encode(body));
        }
        let at = cx.now + self.jittered(pause);
        self.timers.set(Timer::Ping(link), at);
    }

    pub(super) fn pinged(&mut self, cx: &mut Cx<'_>, link: LinkId, body: &bytes::Bytes) {
        if Ping::decode(body).is_err() {
            return self.violation(link, CloseReason::MalformedFrame);
        }
        // A link that is not up here may be up there already.
        if self.neighbours.get_mut(&link).is_some_and(|neighbour| !neighbour.may_ping(cx.now)) {
            return cx.count("routing.ping_ignored");
        }
        self.out.push_back(Out::Transmit { link, frame_type: FrameType::Pong, body: body.clone() });
    }

    pub(super) fn ponged(&mut self, cx: &mut Cx<'_>, link: LinkId, body: &[u8]) {
        let Ok(Ping { token }) = Ping::decode(body) else {
            return self.violation(link, CloseReason::MalformedFrame);
        };
        let Some(neighbour) = self.neighbours.get_mut(&link) else { return };
        let Some((_, sent_at)) = neighbour.ping.take_if(|(expected, _)| *expected == token) else {
            return cx.count("routing.pong_unasked");
        };
        neighbour.pongs = neighbour.pongs.saturating_add(1);
        let before = neighbour.round_trip.cost(self.config.route_metric);
        let round_trip = cx.now - sent_at;
        neighbour.round_trip.measured(round_trip);
        cx.metrics().round_trip.record(round_trip);
        let cost = neighbour.round_trip.cost(self.config.route_metric);
        if cost != before {
            cx.mark("routing.cost_changed");
            self.recost(cx, link, cost);
        }
    }
}
