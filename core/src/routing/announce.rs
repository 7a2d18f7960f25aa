//! What neighbours are told: everything when a link comes up, and then what has changed, once for each turn of the engine.

use alloc::vec::Vec;
use core::time::Duration;

use bytes::{Bytes, BytesMut};

use super::bucket::Bucket;
use super::destination::{Rules, Way};
use super::{Out, Routing, Timer};
use crate::identity::NodeId;
use crate::link::LinkId;
use crate::machine::{Cx, injected};
use crate::time::Instant;
use crate::wire::body::routing::{
    ANNOUNCEMENT_HOPS_MAX, ROUTES_ENTRIES_MAX, RouteEntry, RouteOffer, Routes, RoutesCheck,
};
use crate::wire::frame::FrameType;

/// Changes that are announced in a second for ever. Neighbours take twice as much: a node that passes on what a flood does
/// to its routes must not look like one that floods.
const TOLD_RATE: u64 = 2_048;
/// And at once. What is over waits, and what changes again while it waits is announced once.
const TOLD_BURST: u64 = 32_768;
/// Pause between two times that a neighbour is told everything because it asked.
const EVERYTHING_PAUSE: Duration = Duration::from_secs(30);

/// What announcements may cost.
pub(super) fn budget() -> Bucket {
    Bucket::new(TOLD_RATE, TOLD_BURST, Instant::ZERO)
}

/// What was told of a destination, and what is to be told from now on.
struct Change {
    node: NodeId,
    before: Option<Told>,
    after: Option<Told>,
}

/// An announcement.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Told {
    /// Who is not told, because it is the next hop: it needs no way that leads back to it. `None` for this node itself.
    split: Option<LinkId>,
    offer: RouteOffer,
}

impl Told {
    /// A way in the words of an announcement.
    fn of(way: &Way) -> Self {
        let offer = RouteOffer { version: way.version, hops: way.hops, metric: way.metric };
        Self { split: Some(way.link), offer }
    }

    /// What one neighbour is told of it.
    fn to(this: Option<&Self>, link: LinkId) -> Option<RouteOffer> {
        this.filter(|told| told.split != Some(link)).map(|told| told.offer)
    }
}

impl Change {
    /// What has changed for one neighbour, if anything has.
    fn entry_for(&self, link: LinkId, peer: &NodeId) -> Option<RouteEntry> {
        let (before, after) = (Told::to(self.before.as_ref(), link), Told::to(self.after.as_ref(), link));
        // Nobody needs a way to itself.
        let changed = before != after && self.node != *peer;
        changed.then_some(RouteEntry { destination: self.node, offer: after })
    }

    fn concerns_split_of(&self, link: LinkId) -> bool {
        [&self.before, &self.after].into_iter().flatten().any(|told| told.split == Some(link))
    }
}

impl Routing {
    /// Announces this node itself anew.
    pub(super) fn announce_own(&mut self, cx: &mut Cx<'_>) {
        self.flush_at = Some(self.flush_at.map_or(cx.now, |at| at.min(cx.now)));
    }

    pub(super) fn set_dirty(&mut self, cx: &mut Cx<'_>, node: NodeId) {
        let Some(destination) = self.destinations.get_mut(&node) else { return };
        if !destination.dirty {
            destination.dirty = true;
            self.dirty.push_back(node);
        }
        // Where the budget is used up, the time is set already, and stays.
        self.flush_at.get_or_insert(cx.now);
    }

    /// Announces what has changed since the last time. The engine calls it once at the end of each turn, so that what one
    /// input changed is said in one frame; the timer would do it too.
    pub(crate) fn flush(&mut self, cx: &mut Cx<'_>) {
        if self.flush_at.is_none_or(|at| at > cx.now) {
            return;
        }
        self.flush_at = None;
        let rules = self.rules(cx);
        let mut changes = Vec::new();
        let own = (!self.leaving).then_some(self.version);
        if own != self.told_version {
            let offer = |version| Told { split: None, offer: RouteOffer { version, hops: 0, metric: 0 } };
            let before = self.told_version.map(offer);
            changes.push(Change { node: self.own, before, after: own.map(offer) });
            self.told_version = own;
        }
        while let Some(node) = self.dirty.front().copied() {
            if !self.announcements.take(cx.now, 1) {
                cx.count("routing.announcements_delayed");
                // Not one by one: a frame for each would cost more than the entries.
                let batch = self.dirty.len().min(64) as u64;
                self.flush_at = Some(self.announcements.ready_at(batch));
                break;
            }
            self.dirty.pop_front();
            changes.extend(self.settle_told(cx, node, rules));
        }
        self.announce(&changes);
    }

    /// What is to be told of a destination from now on, if that is something else than before.
    fn settle_told(&mut self, cx: &mut Cx<'_>, node: NodeId, rules: Rules) -> Option<Change> {
        let destination = self.destinations.get_mut(&node)?;
        destination.dirty = false;
        let before = destination.told;
        // What is 16 hops away is told to nobody who would be 17 away.
        let now = destination.chosen.filter(|way| way.hops < ANNOUNCEMENT_HOPS_MAX);
        let after = match (&before, now) {
            // A small change is kept to oneself. What was told stays within what the distance allows.
            (Some(told), Some(now)) if !rules.is_news(told, &now) => Some(Way { link: now.link, ..*told }),
            (_, now) => now,
        };
        if after.is_none() && injected!(cx, "retraction-unsaid") {
            return None;
        }
        if let Some(way) = &after {
            destination.announced(way);
        }
        destination.told = after;
        self.tidy(cx, node);
        let (before, after) = (before.as_ref().map(Told::of), after.as_ref().map(Told::of));
        (before != after).then_some(Change { node, before, after })
    }

    /// Tells every neighbour what has changed for it. Most are told the same.
    fn announce(&mut self, changes: &[Change]) {
        if changes.is_empty() {
            return;
        }
        let mut all_alike: Option<Vec<Bytes>> = None;
        for (link, neighbour) in &self.neighbours {
            let special =
                changes.iter().any(|change| change.node == neighbour.peer || change.concerns_split_of(*link));
            let entries = || -> Vec<RouteEntry> {
                changes.iter().filter_map(|change| change.entry_for(*link, &neighbour.peer)).collect()
            };
            let bodies = if special {
                bodies(&entries(), false)
            } else {
                all_alike.get_or_insert_with(|| bodies(&entries(), false)).clone()
            };
            for body in bodies {
                self.out.push_back(Out::Transmit { link: *link, frame_type: FrameType::Routes, body });
            }
        }
    }

    /// Everything that a neighbour has been told so far, or would have been if it had been there.
    fn told_to(&self, link: LinkId) -> impl Iterator<Item = (NodeId, RouteOffer)> + '_ {
        let peer = self.neighbours.get(&link).map(|neighbour| neighbour.peer);
        let own = self.told_version.map(|version| RouteOffer { version, hops: 0, metric: 0 });
        let own = own.map(|offer| (self.own, offer));
        let others = self.destinations.iter().filter_map(move |(node, destination)| {
            let told = Told::of(destination.told.as_ref()?);
            Some((*node, Told::to(Some(&told), link).filter(|_| peer != Some(*node))?))
        });
        own.into_iter().chain(others)
    }

    /// Tells a neighbour everything, in the place of all that it was told before.
    pub(super) fn tell_everything(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        cx.mark("routing.told_everything");
        let entry = |(destination, offer)| RouteEntry { destination, offer: Some(offer) };
        let entries: Vec<RouteEntry> = self.told_to(link).map(entry).collect();
        for body in bodies(&entries, true) {
            self.out.push_back(Out::Transmit { link, frame_type: FrameType::Routes, body });
        }
    }

    pub(super) fn asked_for_everything(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        let Some(neighbour) = self.neighbours.get_mut(&link) else { return };
        if neighbour.told_everything_at.is_some_and(|at| cx.now < at + EVERYTHING_PAUSE) {
            return cx.count("routing.asked_for_everything_too_often");
        }
        neighbour.told_everything_at = Some(cx.now);
        self.tell_everything(cx, link);
    }

    /// Tells a neighbour once more what it was told of one destination.
    pub(super) fn tell_again(&mut self, link: LinkId, node: NodeId) {
        let offer = if node == self.own {
            self.told_version.map(|version| RouteOffer { version, hops: 0, metric: 0 })
        } else {
            let told = self.destinations.get(&node).and_then(|destination| destination.told);
            Told::to(told.as_ref().map(Told::of).as_ref(), link)
        };
        if let Some(offer) = offer {
            let routes = Routes {
                entries: alloc::vec![RouteEntry { destination: node, offer: Some(offer) }],
                ..Routes::default()
            };
            self.transmit(link, FrameType::Routes, |body| routes.encode(body));
        }
    }

    /// Lets a neighbour compare what it has heard with what it was told.
    pub(super) fn let_check(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        let mut check = RoutesCheck::default();
        for (node, offer) in self.told_to(link) {
            check.add(&node, &offer);
        }
        let routes = Routes { check: Some(check), ..Routes::default() };
        self.transmit(link, FrameType::Routes, |body| routes.encode(body));
        let interval = self.config.timing.route_check_interval;
        let at = cx.now + self.jittered(interval);
        self.timers.set(Timer::Check(link), at);
    }
}

/// The bodies of as many ROUTES frames as the entries take; one at least if all before them is void.
fn bodies(entries: &[RouteEntry], anew: bool) -> Vec<Bytes> {
    let empty: &[RouteEntry] = &[];
    let chunks = entries.chunks(ROUTES_ENTRIES_MAX).chain((anew && entries.is_empty()).then_some(empty));
    let body = |(index, chunk): (usize, &[RouteEntry])| {
        let mut body = BytesMut::new();
        Routes { entries: chunk.to_vec(), check: None, anew: anew && index == 0 }.encode(&mut body);
        body.freeze()
    };
    chunks.enumerate().map(body).collect()
}
