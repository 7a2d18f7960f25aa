//! Newer sequence numbers: asking for one when no way is safe, passing the question on, and making one
//! (RFC 8966, sections 3.8.1.2 and 3.8.2).

use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use rand_core::Rng;

use super::destination::{Hunger, Rules, SEQUENCE_AHEAD_MAX, SEQUENCE_LEAP_MAX};
use super::{Routing, Timer};
use crate::identity::NodeId;
use crate::link::LinkId;
use crate::machine::{Cx, injected};
use crate::wire::body::routing::{ANNOUNCEMENT_HOPS_MAX, RouteRequest, RouteVersion};
use crate::wire::frame::FrameType;

/// The first pause before everybody is asked again; it doubles.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// The longest.
const ASK_PAUSE_MAX: Duration = Duration::from_secs(32);
/// How long a safe way is put up with while a better one is not safe. It often is by then.
const PUT_UP_FOR: Duration = Duration::from_secs(2);
/// Pause between two sequence numbers. Each is announced through the whole network.
const SEQUENCE_PAUSE: Duration = Duration::from_millis(500);
/// Requests of others that are remembered, so as not to be passed on twice.
pub(super) const SEEN_MAX: usize = 4_096;

/// Requests that were here already. The oldest are forgotten.
#[derive(Debug, Default)]
pub(super) struct Seen {
    set: BTreeSet<(NodeId, u64)>,
    order: VecDeque<(NodeId, u64)>,
}

impl Seen {
    pub(super) fn len(&self) -> usize {
        self.set.len()
    }

    /// Whether this request is here for the first time.
    fn is_new(&mut self, destination: NodeId, id: u64) -> bool {
        if !self.set.insert((destination, id)) {
            return false;
        }
        self.order.push_back((destination, id));
        if self.order.len() > SEEN_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.set.remove(&oldest);
        }
        true
    }
}

impl Routing {
    /// Asks for a newer sequence number of a destination whose ways are not safe, and no more once one is.
    pub(super) fn feed(&mut self, cx: &mut Cx<'_>, node: NodeId, rules: Rules) {
        let Some(destination) = self.destinations.get_mut(&node) else { return };
        if !destination.wants_newer(rules) {
            if destination.hunger.take().is_some() {
                self.timers.cancel(&Timer::Ask(node));
            }
            return;
        }
        let starving = destination.chosen.is_none();
        if destination.hunger.is_none() {
            let id = self.rng.next_u64();
            destination.hunger = Some(Hunger { rounds: 0, id, asked: Vec::new() });
            let pause = if starving { ASK_AGAIN_AFTER } else { PUT_UP_FOR };
            self.timers.set(Timer::Ask(node), cx.now + pause);
        }
        if starving {
            self.ask(cx, node, rules);
        }
    }

    /// A round of asking is over without an answer.
    pub(super) fn ask_again(&mut self, cx: &mut Cx<'_>, node: NodeId) {
        let rules = self.rules(cx);
        let id = self.rng.next_u64();
        let Some(destination) = self.destinations.get_mut(&node) else { return };
        if !destination.wants_newer(rules) {
            destination.hunger = None;
            return;
        }
        let Some(hunger) = &mut destination.hunger else { return };
        hunger.rounds += 1;
        let pause = (ASK_AGAIN_AFTER * (1 << hunger.rounds.min(6))).min(ASK_PAUSE_MAX);
        (hunger.id, hunger.asked) = (id, Vec::new());
        let at = cx.now + self.jittered(pause);
        self.timers.set(Timer::Ask(node), at);
        self.ask(cx, node, rules);
    }

    /// Asks those neighbours who have an offer and were not asked in this round.
    fn ask(&mut self, cx: &mut Cx<'_>, node: NodeId, rules: Rules) {
        let Some(destination) = self.destinations.get_mut(&node) else { return };
        let Some(version) = destination.version_wanted(rules) else { return };
        let links: Vec<LinkId> = destination.offers().iter().map(|offer| offer.link).collect();
        let Some(hunger) = &mut destination.hunger else { return };
        let id = hunger.id;
        let fresh: Vec<LinkId> = links.into_iter().filter(|link| !hunger.asked.contains(link)).collect();
        hunger.asked.extend(&fresh);
        if fresh.is_empty() {
            return;
        }
        cx.mark("routing.newer_asked_for");
        self.seen.is_new(node, id);
        for link in fresh {
            self.request(link, node, version, ANNOUNCEMENT_HOPS_MAX, id);
        }
    }

    /// Sequence numbers of a node that one neighbour offers rise fast. If the node itself does not know, they are not its own: it is
    /// told by another way, and goes past them before anybody needs it.
    pub(super) fn tell_owner(&mut self, cx: &mut Cx<'_>, link: LinkId, node: NodeId, version: RouteVersion) {
        let rules = self.sane_rules();
        let Some(destination) = self.destinations.get(&node) else { return };
        let Some(other) = destination.other_than(link, rules) else { return };
        cx.count("routing.sequence_rises_fast");
        let id = self.rng.next_u64();
        self.seen.is_new(node, id);
        self.request(other, node, version, ANNOUNCEMENT_HOPS_MAX, id);
    }

    fn request(&mut self, link: LinkId, destination: NodeId, version: RouteVersion, hops: u8, id: u64) {
        let request = RouteRequest::Newer { destination, version, hops, id };
        self.transmit(link, FrameType::RouteRequest, |body| request.encode(body));
    }

    /// A neighbour wants a newer sequence number: its own announcement is the answer, here or further on.
    pub(super) fn asked_for_newer(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkId,
        node: NodeId,
        version: RouteVersion,
        hops: u8,
        id: u64,
    ) {
        if injected!(cx, "sequence-request-unheard") || self.tell_again(link, node, version) {
            return;
        }
        if node == self.own {
            if version > self.version && version.incarnation == self.version.incarnation {
                cx.mark("routing.asked_for_own_sequence");
                if !self.own_asks.contains(&link) {
                    self.own_asks.push(link);
                }
                self.want_sequence(cx, version.sequence);
            }
            return;
        }
        let rules = self.sane_rules();
        let Some(destination) = self.destinations.get_mut(&node) else { return };
        destination.asked(link, version);
        if !self.seen.is_new(node, id) {
            return cx.mark("routing.request_seen_before");
        }
        let next = match &destination.chosen {
            // It is about to be told.
            Some(way) if way.link != link && way.version >= version => return,
            Some(way) if way.link != link => Some(way.link),
            _ => destination.other_than(link, rules),
        };
        match next {
            Some(next) if hops > 1 => {
                cx.mark("routing.request_passed_on");
                self.request(next, node, version, hops - 1, id);
            }
            _ => cx.mark("routing.request_ends_here"),
        }
    }

    /// A neighbour has heard of this very node. Nobody but this node makes its sequence numbers: what is later than the latest is
    /// a mistake, or a lie, and is overtaken.
    pub(super) fn heard_of_itself(&mut self, cx: &mut Cx<'_>, version: RouteVersion) {
        if version > self.version && version.incarnation == self.version.incarnation {
            cx.count("routing.own_sequence_claimed");
            self.want_sequence(cx, version.sequence.saturating_add(1));
        }
    }

    fn want_sequence(&mut self, cx: &mut Cx<'_>, sequence: u64) {
        self.sequence_wanted = self.sequence_wanted.max(sequence);
        if cx.now >= self.sequence_rests_until {
            self.make_sequence(cx);
        } else {
            self.timers.set(Timer::Sequence, self.sequence_rests_until);
        }
    }

    /// Makes the wanted sequence number: in leaps where it is far away, which others believe one after another, and the next
    /// one where it is absurdly far away.
    pub(super) fn make_sequence(&mut self, cx: &mut Cx<'_>) {
        let RouteVersion { sequence, .. } = self.version;
        let wanted = core::mem::take(&mut self.sequence_wanted);
        if wanted <= sequence {
            return;
        }
        cx.mark("routing.sequence_made");
        let ahead = wanted - sequence;
        let leap = if ahead <= SEQUENCE_AHEAD_MAX { ahead.min(SEQUENCE_LEAP_MAX) } else { 1 };
        if leap < ahead && leap > 1 {
            self.sequence_wanted = wanted;
            self.timers.set(Timer::Sequence, cx.now + SEQUENCE_PAUSE);
        }
        self.version.sequence = sequence.saturating_add(leap);
        self.sequence_rests_until = cx.now + SEQUENCE_PAUSE;
        self.announce_own(cx);
    }
}
