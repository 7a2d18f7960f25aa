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
    ANNOUNCEMENT_HOPS_MAX, ROUTES_ENTRIES_MAX, RouteEntry, RouteOffer, RouteVersion, Routes, RoutesCheck,
};
use crate::wire::frame::FrameType;

/// Changes that are announced in a second for ever. Neighbours take twice as much: a node that passes on what a flood does
/// to its routes must not look like one that floods.
const TOLD_RATE: u64 = 2_048;
/// And at once. What is over waits, and what changes again while it waits is announced once.
const TOLD_BURST: u64 = 32_768;
/// How long after a new sequence number those are told of it who have not asked for it: not because they need it, but so
/// that their spare ways are safe when they do.
const REFRESH_AFTER: Duration = Duration::from_secs(1);
/// How many such things are told in a second for ever, and at once. In a large network that breaks here and there all the time
/// there is no end of them.
const REFRESH_RATE: u64 = 64;
const REFRESH_BURST: u64 = 256;
/// Pause between two times that a neighbour is told everything because it asked.
const EVERYTHING_PAUSE: Duration = Duration::from_secs(30);

/// What announcements may cost.
pub(super) fn budget() -> Bucket {
    Bucket::new(TOLD_RATE, TOLD_BURST, Instant::ZERO)
}

/// What refreshing may cost.
pub(super) fn refresh_budget() -> Bucket {
    Bucket::new(REFRESH_RATE, REFRESH_BURST, Instant::ZERO)
}

/// What was told of a destination, and what is to be told from now on.
struct Change {
    node: NodeId,
    before: Option<Told>,
    after: Option<Told>,
    whom: Whom,
}

/// Who is told of a change. Those for whom a way appears or disappears always are.
enum Whom {
    /// Everybody for whom it is one.
    Concerned,
    /// Only those who have asked: it is nothing but a newer sequence number.
    Asked(Vec<LinkId>),
    /// Everybody.
    All,
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

    /// This node itself.
    fn own(version: RouteVersion) -> Self {
        Self { split: None, offer: RouteOffer { version, hops: 0, metric: 0 } }
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
        let told = match (&before, &after) {
            (None, None) => false,
            (Some(before), Some(after)) => match &self.whom {
                Whom::Concerned => before != after,
                Whom::Asked(links) => links.contains(&link),
                Whom::All => true,
            },
            _ => true,
        };
        // Nobody needs a way to itself.
        (told && self.node != *peer).then_some(RouteEntry { destination: self.node, offer: after })
    }

    /// Whether one neighbour is told something else than most.
    fn is_special_for(&self, link: LinkId, peer: &NodeId) -> bool {
        let split = [&self.before, &self.after].into_iter().flatten().any(|told| told.split == Some(link));
        let asked = matches!(&self.whom, Whom::Asked(links) if links.contains(&link));
        split || asked || self.node == *peer
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
        changes.extend(self.settle_told_own(cx));
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

    /// What is to be told of this node itself from now on, if that is something else than before.
    fn settle_told_own(&mut self, cx: &mut Cx<'_>) -> Option<Change> {
        let own = (!self.leaving).then_some(self.version);
        let before = core::mem::replace(&mut self.told_version, own);
        if before == own {
            return None;
        }
        let whom = match (before, own) {
            (Some(before), Some(own)) if before.incarnation == own.incarnation => {
                self.set_stale(cx, self.own);
                Whom::Asked(core::mem::take(&mut self.own_asks))
            }
            _ => Whom::Concerned,
        };
        let (before, after) = (before.map(Told::own), own.map(Told::own));
        Some(Change { node: self.own, before, after, whom })
    }

    /// What is to be told of a destination from now on, if that is something else than before.
    fn settle_told(&mut self, cx: &mut Cx<'_>, node: NodeId, rules: Rules) -> Option<Change> {
        let destination = self.destinations.get_mut(&node)?;
        destination.dirty = false;
        let before = destination.told;
        // What is 16 hops away is told to nobody who would be 17 away.
        let now = destination.chosen.filter(|way| way.hops < ANNOUNCEMENT_HOPS_MAX);
        let (after, newer) = match (&before, now) {
            (Some(told), Some(now)) if !rules.is_news(told, &now) => {
                if told.version == now.version {
                    // A small change is kept to oneself. What was told stays within what the distance allows.
                    (Some(Way { link: now.link, ..*told }), false)
                } else {
                    (Some(now), true)
                }
            }
            (_, now) => (now, false),
        };
        if after.is_none() && injected!(cx, "retraction-unsaid") {
            return None;
        }
        let mut whom = Whom::Concerned;
        if let Some(way) = &after {
            destination.announced(way);
            let answered = destination.take_answered(way.version);
            if newer {
                whom = Whom::Asked(answered);
            }
        }
        destination.told = after;
        if newer {
            self.set_stale(cx, node);
        }
        self.tidy(cx, node);
        let (before, after) = (before.as_ref().map(Told::of), after.as_ref().map(Told::of));
        (before != after).then_some(Change { node, before, after, whom })
    }

    /// Tells every neighbour what has changed for it. Most are told the same.
    fn announce(&mut self, changes: &[Change]) {
        if changes.is_empty() {
            return;
        }
        let mut all_alike: Option<Vec<Bytes>> = None;
        for (link, neighbour) in &self.neighbours {
            let special = changes.iter().any(|change| change.is_special_for(*link, &neighbour.peer));
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

    /// Not everybody has been told of a newer sequence number.
    fn set_stale(&mut self, cx: &mut Cx<'_>, node: NodeId) {
        let stale = match self.destinations.get_mut(&node) {
            Some(destination) => &mut destination.stale,
            None => &mut self.own_stale,
        };
        if !core::mem::replace(stale, true) {
            self.stale.push_back(node);
        }
        if !self.timers.contains(&Timer::Refresh) {
            self.timers.set(Timer::Refresh, cx.now + REFRESH_AFTER);
        }
    }

    /// Tells everybody of newer sequence numbers, as far as the budget goes.
    pub(super) fn refresh(&mut self, cx: &mut Cx<'_>) {
        let mut changes = Vec::new();
        while let Some(node) = self.stale.front().copied() {
            if !self.refreshments.take(cx.now, 1) {
                let batch = self.stale.len().min(64) as u64;
                self.timers.set(Timer::Refresh, self.refreshments.ready_at(batch));
                break;
            }
            self.stale.pop_front();
            let told = if node == self.own {
                self.own_stale = false;
                self.told_version.map(Told::own)
            } else if let Some(destination) = self.destinations.get_mut(&node) {
                destination.stale = false;
                destination.told.as_ref().map(Told::of)
            } else {
                None
            };
            self.tidy(cx, node);
            let change = |told| Change { node, before: Some(told), after: Some(told), whom: Whom::All };
            changes.extend(told.map(change));
        }
        cx.mark("routing.refreshed");
        self.announce(&changes);
    }

    /// Everything that a neighbour has been told so far, or would have been if it had been there.
    fn told_to(&self, link: LinkId) -> impl Iterator<Item = (NodeId, RouteOffer)> + '_ {
        let peer = self.neighbours.get(&link).map(|neighbour| neighbour.peer);
        let own = self.told_version.map(|version| (self.own, Told::own(version).offer));
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

    /// Tells a neighbour once more of one destination, if what there is to tell is as new as it wants.
    pub(super) fn tell_again(&mut self, link: LinkId, node: NodeId, wanted: RouteVersion) -> bool {
        let offer = if node == self.own {
            self.told_version.map(|version| Told::own(version).offer)
        } else {
            let told = self.destinations.get(&node).and_then(|destination| destination.told);
            Told::to(told.as_ref().map(Told::of).as_ref(), link)
        };
        let Some(offer) = offer.filter(|offer| offer.version >= wanted) else { return false };
        let entries = alloc::vec![RouteEntry { destination: node, offer: Some(offer) }];
        let routes = Routes { entries, ..Routes::default() };
        self.transmit(link, FrameType::Routes, |body| routes.encode(body));
        true
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
