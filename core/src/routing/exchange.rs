//! What neighbours say of their routes, and what follows from it for this node's own.

use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::destination::{Destination, Offer};
use super::neighbour::Neighbour;
use super::{Out, Routing, Timer};
use crate::code::CloseReason;
use crate::identity::{Incarnation, NodeId};
use crate::link::LinkId;
use crate::machine::Cx;
use crate::wire::body::routing::{RouteEntry, RouteOffer, RouteRequest, Routes, RoutesCheck};
use crate::wire::frame::FrameType;

/// Links that are remembered because they said something before they came up here.
const EARLY_MAX: usize = 64;
/// A destination that has been unreachable for this long may be forgotten to make room. By then every neighbour has heard of it.
const GARBAGE_AGE_MIN: Duration = Duration::from_secs(10);

impl Routing {
    pub(super) fn link_up(&mut self, cx: &mut Cx<'_>, link: LinkId, peer: NodeId) {
        if self.neighbours.contains_key(&link) {
            return;
        }
        let mut neighbour = Neighbour::new(peer, cx.now);
        if let Some(old) = self.links.get(&peer).and_then(|old| self.neighbours.get(old)) {
            // It is as far away as it was, until it is measured anew: a route must not become worse for a moment.
            neighbour.round_trip = old.round_trip.clone();
        }
        let cost = neighbour.round_trip.cost(self.config.route_metric);
        self.neighbours.insert(link, neighbour);
        if let Some(old) = self.links.insert(peer, link) {
            cx.mark("routing.link_replaced");
            self.take_over(cx, old, link, cost);
        }
        self.tell_everything(cx, link);
        self.ping(cx, link);
        let interval = self.config.timing.route_check_interval;
        let at = cx.now + self.jittered(interval);
        self.timers.set(Timer::Check(link), at);
        if let Some(position) = self.early.iter().position(|early| *early == link) {
            cx.mark("routing.neighbour_was_early");
            self.early.remove(position);
            self.transmit(link, FrameType::RouteRequest, |body| RouteRequest::Everything.encode(body));
        }
    }

    pub(super) fn link_down(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        let Some(neighbour) = self.neighbours.remove(&link) else { return };
        self.links.remove(&neighbour.peer);
        self.stop_timers(link);
        for node in self.offered_by(link) {
            self.take_back(link, &node);
            self.reselect(cx, node);
        }
        self.flows_lost_link(cx, link);
    }

    /// A link takes the place of another one to the same neighbour, with what the neighbour offered there.
    fn take_over(&mut self, cx: &mut Cx<'_>, old: LinkId, new: LinkId, cost: u32) {
        let nodes = self.offered_by(old);
        self.neighbours.remove(&old);
        self.stop_timers(old);
        if let Some(neighbour) = self.neighbours.get_mut(&new) {
            neighbour.offers = nodes.len();
        }
        for node in nodes {
            let Some(destination) = self.destinations.get_mut(&node) else { continue };
            destination.relink(old, new, cost);
            self.reselect(cx, node);
        }
        self.flows_lost_link(cx, old);
    }

    fn stop_timers(&mut self, link: LinkId) {
        for timer in [Timer::Ping(link), Timer::Check(link), Timer::Backlog(link)] {
            self.timers.cancel(&timer);
        }
    }

    fn offered_by(&self, link: LinkId) -> Vec<NodeId> {
        let offered = |destination: &Destination| destination.offer_of(link).is_some();
        self.destinations.iter().filter(|(_, it)| offered(it)).map(|(node, _)| *node).collect()
    }

    /// A link costs something else than before.
    pub(super) fn recost(&mut self, cx: &mut Cx<'_>, link: LinkId, cost: u32) {
        for node in self.offered_by(link) {
            if let Some(destination) = self.destinations.get_mut(&node) {
                destination.set_cost(link, cost);
            }
            self.reselect(cx, node);
        }
    }

    /// ROUTES or `ROUTE_REQUEST`, heard now or later: a neighbour may say so much at once, and so much a second.
    pub(super) fn said(&mut self, cx: &mut Cx<'_>, link: LinkId, frame_type: FrameType, body: Bytes) {
        let Some(neighbour) = self.neighbours.get_mut(&link) else {
            // The neighbour prefers this link already, and this side does not yet. What it says is asked for then.
            if !self.early.contains(&link) {
                self.early.push_back(link);
            }
            if self.early.len() > EARLY_MAX {
                self.early.pop_front();
            }
            return;
        };
        let Some(words) = Words::decode(frame_type, &body) else {
            return self.violation(link, CloseReason::MalformedFrame);
        };
        if neighbour.may_say(cx.now, words.count()) {
            return self.hear(cx, link, words);
        }
        cx.count("routing.throttled");
        if !neighbour.wait(frame_type, body) {
            cx.count("routing.flooded");
            return self.violation(link, CloseReason::Flooding);
        }
        self.set_backlog_timer(link);
    }

    fn set_backlog_timer(&mut self, link: LinkId) {
        let Some(neighbour) = self.neighbours.get(&link) else { return };
        let Some((frame_type, body)) = neighbour.waiting() else { return };
        let count = Words::decode(*frame_type, body).map_or(1, |words| words.count());
        self.timers.set(Timer::Backlog(link), neighbour.hears_at(count));
    }

    pub(super) fn hear_backlog(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        while let Some(neighbour) = self.neighbours.get_mut(&link)
            && let Some((frame_type, body)) = neighbour.waiting()
        {
            let Some(words) = Words::decode(*frame_type, body) else { return };
            if !neighbour.hear_waiting(cx.now, words.count()) {
                return self.set_backlog_timer(link);
            }
            self.hear(cx, link, words);
        }
    }

    fn hear(&mut self, cx: &mut Cx<'_>, link: LinkId, words: Words) {
        match words {
            Words::Routes(routes) => self.hear_routes(cx, link, routes),
            Words::Request(RouteRequest::Everything) => self.asked_for_everything(cx, link),
            Words::Request(RouteRequest::Newer { destination, version, hops, id }) => {
                self.asked_for_newer(cx, link, destination, version, hops, id);
            }
        }
    }

    fn hear_routes(&mut self, cx: &mut Cx<'_>, link: LinkId, routes: Routes) {
        let Some(peer) = self.neighbours.get(&link).map(|neighbour| neighbour.peer) else { return };
        // Only a destination itself is no hop away from it.
        let lies = |entry: &RouteEntry| {
            entry.offer.is_some_and(|offer| (offer.hops == 0) != (entry.destination == peer))
        };
        if routes.entries.iter().any(lies) {
            cx.count("routing.offer_refused");
            return self.violation(link, CloseReason::MalformedFrame);
        }
        let mut changed = if routes.anew { self.offered_by(link) } else { Vec::new() };
        for node in &changed {
            self.take_back(link, node);
        }
        if routes.anew
            && let Some(neighbour) = self.neighbours.get_mut(&link)
        {
            neighbour.deaf = false;
        }
        for RouteEntry { destination, offer } in routes.entries {
            match offer {
                Some(offer) if destination == self.own => self.heard_of_itself(cx, offer.version),
                Some(offer) => {
                    self.take(cx, link, destination, offer);
                    changed.push(destination);
                }
                None => {
                    self.take_back(link, &destination);
                    changed.push(destination);
                }
            }
        }
        for node in changed {
            self.reselect(cx, node);
        }
        if let Some(check) = routes.check {
            self.check(cx, link, check);
        }
    }

    /// A neighbour's offer takes the place of its last one, if there is room for it.
    fn take(&mut self, cx: &mut Cx<'_>, link: LinkId, node: NodeId, offer: RouteOffer) {
        let Some(neighbour) = self.neighbours.get(&link) else { return };
        let cost = neighbour.round_trip.cost(self.config.route_metric);
        let limits = &self.config.limits;
        let known = self.destinations.get(&node);
        let is_new = known.is_none_or(|destination| destination.offer_of(link).is_none());
        let full = neighbour.offers >= limits.routes_per_link_max || self.offers >= limits.route_offers_max;
        let crowded = known.is_none() && self.destinations.len() >= limits.routes_max;
        if is_new && (full || crowded && !self.make_room(cx)) {
            cx.count("routing.offer_unheard");
            if let Some(neighbour) = self.neighbours.get_mut(&link) {
                neighbour.deaf = true;
            }
            return;
        }
        let destination = self.destinations.entry(node).or_default();
        if destination.put(link, offer, cost, cx.now) {
            self.offers += 1;
            if let Some(neighbour) = self.neighbours.get_mut(&link) {
                neighbour.offers += 1;
            }
        }
        if destination.lacks_proof(offer.version.incarnation) {
            cx.mark("routing.offer_without_proof");
            self.out.push_back(Out::Unproven { node });
        } else if !destination.offer_of(link).is_some_and(Offer::is_believed) {
            cx.count("routing.sequence_not_believed");
        }
        let risen = destination.has_risen(link);
        self.set_belief_timer(node);
        if let Some(version) = risen {
            self.tell_owner(cx, link, node, version);
        }
    }

    /// A destination has signed this life of it.
    pub(super) fn proved(&mut self, cx: &mut Cx<'_>, node: NodeId, incarnation: Incarnation) {
        let destination = self.destinations.get_mut(&node);
        if destination.is_some_and(|destination| destination.prove(incarnation, cx.now)) {
            self.set_belief_timer(node);
            self.reselect(cx, node);
        }
    }

    /// Sequence numbers that rose too fast may be believed by now.
    pub(super) fn believe(&mut self, cx: &mut Cx<'_>, node: NodeId) {
        let Some(destination) = self.destinations.get_mut(&node) else { return };
        destination.believe(cx.now);
        self.set_belief_timer(node);
        self.reselect(cx, node);
    }

    fn set_belief_timer(&mut self, node: NodeId) {
        let at = self.destinations.get(&node).and_then(Destination::believes_at);
        match at {
            Some(at) => self.timers.set(Timer::Believe(node), at),
            None => self.timers.cancel(&Timer::Believe(node)),
        }
    }

    pub(super) fn take_back(&mut self, link: LinkId, node: &NodeId) {
        if !self.destinations.get_mut(node).is_some_and(|destination| destination.remove(link)) {
            return;
        }
        self.offers -= 1;
        if let Some(neighbour) = self.neighbours.get_mut(&link) {
            neighbour.offers -= 1;
        }
    }

    /// Forgets the destination that has been unreachable for longest, if that is long enough.
    fn make_room(&mut self, cx: &mut Cx<'_>) -> bool {
        let Some((due, node)) = self.garbage.first() else { return false };
        let left = self.config.timing.route_garbage_after.saturating_sub(GARBAGE_AGE_MIN);
        if due > cx.now + left {
            return false;
        }
        cx.count("routing.forgotten_early");
        self.garbage.cancel(&node);
        self.forget(cx, node);
        !self.destinations.contains_key(&node)
    }

    /// Chooses the way to a destination anew, and says what is different.
    pub(super) fn reselect(&mut self, cx: &mut Cx<'_>, node: NodeId) {
        let rules = self.rules(cx);
        let Some(destination) = self.destinations.get_mut(&node) else { return };
        let before = destination.chosen;
        let after = destination.choose(rules);
        destination.chosen = after;
        let incarnation = after.map(|way| way.version.incarnation);
        let newer_life = incarnation > destination.shown;
        destination.shown =
            incarnation.map(|incarnation| destination.shown.unwrap_or(incarnation).max(incarnation));
        if before != after {
            cx.mark("routing.way_changed");
            self.set_dirty(cx, node);
        }
        self.feed(cx, node, rules);
        if let Some(way) = after.filter(|_| newer_life) {
            let (incarnation, hops) = (way.version.incarnation, way.hops);
            self.out.push_back(Out::Reachable { node, incarnation, hops });
        }
        match (before, after) {
            (None, Some(_)) => self.garbage.cancel(&node),
            (Some(before), Some(way)) if before.link != way.link => {
                cx.mark("routing.path_changed");
                self.out.push_back(Out::PathChanged { node });
            }
            (Some(_), Some(_)) => {}
            (Some(_), None) => {
                cx.mark("routing.unreachable");
                self.out.push_back(Out::Unreachable { node });
                self.tidy(cx, node);
            }
            (None, None) => self.tidy(cx, node),
        }
    }

    /// Sees to it that a destination without a way is forgotten some day, or now if nothing is left of it.
    pub(super) fn tidy(&mut self, cx: &mut Cx<'_>, node: NodeId) {
        let Some(destination) = self.destinations.get(&node) else { return };
        if destination.chosen.is_some() {
            return;
        }
        if destination.is_blank() {
            self.destinations.remove(&node);
            self.garbage.cancel(&node);
            self.timers.cancel(&Timer::Believe(node));
        } else if !self.garbage.contains(&node) {
            self.garbage.set(node, cx.now + self.config.timing.route_garbage_after);
        }
    }

    /// A destination has had no way for so long that nobody can hold an offer of this node's any more: the distance need
    /// not be kept.
    pub(super) fn forget(&mut self, cx: &mut Cx<'_>, node: NodeId) {
        cx.mark("routing.forgotten");
        if let Some(destination) = self.destinations.get_mut(&node) {
            destination.begin_anew(cx.now);
        }
        self.set_belief_timer(node);
        self.reselect(cx, node);
    }

    /// Whether a neighbour has heard all that it was told, and nothing else. It is a bug if not, unless there was no room.
    fn check(&mut self, cx: &mut Cx<'_>, link: LinkId, theirs: RoutesCheck) {
        let mut ours = RoutesCheck::default();
        for (node, destination) in &self.destinations {
            if let Some(offer) = destination.offer_of(link) {
                ours.add(node, &offer.said);
            }
        }
        if ours == theirs {
            return cx.mark("routing.check_passed");
        }
        let Some(neighbour) = self.neighbours.get(&link) else { return };
        let limits = &self.config.limits;
        let room = neighbour.offers < limits.routes_per_link_max
            && self.offers < limits.route_offers_max
            && self.destinations.len() < limits.routes_max;
        if !neighbour.deaf {
            cx.count("routing.check_failed");
        } else if !room {
            return;
        }
        self.transmit(link, FrameType::RouteRequest, |body| RouteRequest::Everything.encode(body));
    }
}

/// What a neighbour says, read.
enum Words {
    Routes(Routes),
    Request(RouteRequest),
}

impl Words {
    fn decode(frame_type: FrameType, body: &[u8]) -> Option<Self> {
        match frame_type {
            FrameType::Routes => Routes::decode(body).ok().map(Self::Routes),
            _ => RouteRequest::decode(body).ok().map(Self::Request),
        }
    }

    /// How much of what the neighbour may say this is.
    fn count(&self) -> u64 {
        match self {
            Self::Routes(routes) => routes.entries.len().max(1) as u64,
            Self::Request(_) => 1,
        }
    }
}
