//! What is known of one destination, and which of the ways to it is taken.

use alloc::vec::Vec;
use core::time::Duration;

use super::bucket::Bucket;
use super::round_trip::HOP_COST;
use crate::config::RouteMetric;
use crate::identity::Incarnation;
use crate::link::LinkId;
use crate::time::Instant;
use crate::wire::body::routing::{ANNOUNCEMENT_HOPS_MAX, RouteOffer, RouteVersion};

/// Neighbours that are remembered to wait for a newer sequence number of one destination. The oldest are forgotten.
const ASKS_MAX: usize = 8;

/// What the link costs more that makes a way too long for payloads: more than all links of a way that is not. It is part
/// of what is announced, because a way that is worse for whatever reason must never be announced as a better one.
pub(super) const TOO_FAR_COST: u32 = 1 << 29;

/// By how much a sequence number may leap at once: as far as its owner goes at a time, see `request.rs`.
pub(super) const SEQUENCE_LEAP_MAX: u64 = 1 << 20;
/// By how much the sequence numbers that are believed of one life may rise in a second: two leaps, which is the most that an owner
/// makes. So whatever others claim, the owner can go past it.
const SEQUENCE_RATE: u64 = 2 * SEQUENCE_LEAP_MAX;
/// And at once, because numbers are not heard as evenly as they are made. What rises further is believed when as much time has passed.
const SEQUENCE_BURST: u64 = 4 * SEQUENCE_LEAP_MAX;
/// How far a number may rise that is believed at all, and how far its owner goes, leap after leap, when others say that it has: a
/// minute of leaps.
pub(super) const SEQUENCE_AHEAD_MAX: u64 = 64 * SEQUENCE_RATE;
/// When the numbers of a life have risen by so much, its owner is told. One that is not under attack needs years for it.
const SEQUENCE_RISE_MAX: u64 = 1 << 16;

/// The best that this node has ever announced of a destination (the feasibility distance of RFC 8966, section 2.4).
///
/// A neighbour's offer is safe if it is better than this: then the neighbour's way cannot lead back here, because this
/// node would have had to announce something better than its best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Distance {
    pub(super) version: RouteVersion,
    pub(super) metric: u32,
}

/// What a neighbour offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) link: LinkId,
    /// What it said last.
    pub(super) said: RouteOffer,
    /// What counts: the last that it said and that was believed. To go by something older is safe, because nobody's distance
    /// ever becomes worse.
    terms: Option<RouteOffer>,
    /// Since when what it says is not believed.
    doubted_at: Option<Instant>,
    /// What the link to the neighbour costs.
    pub(super) cost: u32,
}

/// The life of a destination that it has signed, and how far its sequence numbers have come.
///
/// Offers are not signed. Without this anybody could raise the distance to where the destination never gets, and all true offers
/// would be unsafe from then on.
#[derive(Debug)]
struct Proof {
    incarnation: Incarnation,
    /// The latest sequence number of this life that was believed. The first that this node hears is, if the life may be an old one.
    latest: Option<u64>,
    pace: Bucket,
    /// The number from which on the owner is told.
    alarm: u64,
}

impl Proof {
    fn new(incarnation: Incarnation, latest: Option<u64>, now: Instant) -> Self {
        let pace = Bucket::new(SEQUENCE_RATE, SEQUENCE_BURST, now);
        Self { incarnation, latest, pace, alarm: SEQUENCE_RISE_MAX }
    }

    /// Whether the destination can have made what is offered. What belongs to an older life does no harm.
    fn believes(&mut self, offer: &RouteOffer, doubted_at: Option<Instant>, now: Instant) -> bool {
        let RouteVersion { incarnation, sequence } = offer.version;
        if incarnation != self.incarnation {
            return incarnation < self.incarnation;
        }
        let rise = self.rise(sequence);
        let has_waited =
            doubted_at.and_then(|at| Self::waits_until(at, rise)).is_some_and(|until| until <= now);
        // A destination may say of itself what it likes.
        let believed = rise == 0 || offer.hops == 0 || has_waited || self.pace.take(now, rise);
        if believed {
            self.latest = self.latest.max(Some(sequence));
        }
        believed
    }

    fn rise(&self, sequence: u64) -> u64 {
        self.latest.map_or(0, |latest| sequence.saturating_sub(latest))
    }

    /// When a number that rises by so much has waited for as long as its owner takes to make it, if it can be waited for.
    fn waits_until(doubted_at: Instant, rise: u64) -> Option<Instant> {
        let micros = (rise.min(SEQUENCE_AHEAD_MAX) * 1_000_000).div_ceil(SEQUENCE_RATE);
        (rise <= SEQUENCE_AHEAD_MAX).then(|| doubted_at + Duration::from_micros(micros))
    }

    /// When something that is not believed now will be, if ever.
    fn believes_at(&self, offer: &Offer) -> Option<Instant> {
        let RouteVersion { incarnation, sequence } = offer.said.version;
        if incarnation != self.incarnation {
            return None;
        }
        let rise = self.rise(sequence);
        let ready = (rise <= SEQUENCE_BURST).then(|| self.pace.ready_at(rise));
        let waited = offer.doubted_at.and_then(|at| Self::waits_until(at, rise));
        [ready, waited].into_iter().flatten().min()
    }
}

/// A way, seen from this node: with the link to the neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) link: LinkId,
    pub(super) version: RouteVersion,
    pub(super) hops: u8,
    pub(super) metric: u32,
}

/// By what a way is chosen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) metric: RouteMetric,
    /// How many links a payload may cross.
    pub(super) hops_max: u8,
    /// A bug that the testbed switches on.
    pub(super) infeasible_too: bool,
}

impl Rules {
    /// Whether it is worth changing from one way to another. What is only a little better may be noise.
    fn prefers(self, new: &Way, old: &Way) -> bool {
        match self.metric {
            RouteMetric::Hops => new.metric < old.metric,
            RouteMetric::RoundTrip => new.metric.saturating_add(Self::noise(new.metric)) < old.metric,
        }
    }

    /// Whether all neighbours should hear at once that a way has changed from what they were told.
    ///
    /// A newer sequence number for a way that is as good as before is none: whoever needs it has asked for it.
    pub(super) fn is_news(self, told: &Way, now: &Way) -> bool {
        if told.version.incarnation != now.version.incarnation || told.hops != now.hops {
            return true;
        }
        match self.metric {
            // What is told under a newer number must be what holds: it becomes the distance.
            _ if told.version != now.version => told.metric != now.metric,
            RouteMetric::Hops => told.metric != now.metric,
            RouteMetric::RoundTrip => told.metric.abs_diff(now.metric) > Self::noise(told.metric),
        }
    }

    fn noise(metric: u32) -> u32 {
        (metric / 8).max(HOP_COST)
    }

    fn rank(way: &Way) -> (u32, u8, LinkId) {
        (way.metric, way.hops, way.link)
    }

    /// The way by an offer; `None` if it is not believed, or longer or dearer than anything that counts.
    fn way(self, offer: &Offer) -> Option<Way> {
        let terms = offer.terms?;
        let hops = terms.hops + 1;
        let mut metric = terms.metric.checked_add(offer.cost)?;
        if hops == self.hops_max.saturating_add(1) {
            metric = metric.checked_add(TOO_FAR_COST)?;
        }
        (hops <= ANNOUNCEMENT_HOPS_MAX).then_some(Way {
            link: offer.link,
            version: terms.version,
            hops,
            metric,
        })
    }
}

/// Everything about one destination.
#[derive(Debug, Default)]
pub(super) struct Destination {
    /// What neighbours offer, in the order of their links. All but one are spare.
    offers: Vec<Offer>,
    proof: Option<Proof>,
    pub(super) distance: Option<Distance>,
    /// The way that is taken.
    pub(super) chosen: Option<Way>,
    /// The latest incarnation that the rest of the node was told of, while there is a way.
    pub(super) shown: Option<Incarnation>,
    /// The way that neighbours were told of.
    pub(super) told: Option<Way>,
    /// Whether it waits to be announced.
    pub(super) dirty: bool,
    /// Whether some neighbours have not been told of the latest sequence number yet.
    pub(super) stale: bool,
    /// Neighbours that wait for a newer sequence number, and from which on one will do.
    asks: Vec<(LinkId, RouteVersion)>,
    /// Set while a newer sequence number is asked for.
    pub(super) hunger: Option<Hunger>,
}

/// A newer sequence number is being asked for.
#[derive(Debug)]
pub(super) struct Hunger {
    /// How often everybody was asked.
    pub(super) rounds: u32,
    /// The number of the present round.
    pub(super) id: u64,
    /// Who was asked in this round.
    pub(super) asked: Vec<LinkId>,
}

impl Offer {
    /// Whether what the neighbour said last counts.
    pub(super) fn is_believed(&self) -> bool {
        self.terms == Some(self.said)
    }
}

impl Destination {
    pub(super) fn offers(&self) -> &[Offer] {
        &self.offers
    }

    fn position(&self, link: LinkId) -> Result<usize, usize> {
        self.offers.binary_search_by_key(&link, |offer| offer.link)
    }

    pub(super) fn offer_of(&self, link: LinkId) -> Option<&Offer> {
        self.position(link).ok().map(|position| &self.offers[position])
    }

    /// Takes a neighbour's offer in the place of its last one, which goes on to count while this one is not believed. Whether it is
    /// the neighbour's first.
    pub(super) fn put(&mut self, link: LinkId, said: RouteOffer, cost: u32, now: Instant) -> bool {
        let doubted_at = self.offer_of(link).and_then(|offer| offer.doubted_at);
        let believed = self.proof.as_mut().is_some_and(|proof| proof.believes(&said, doubted_at, now));
        let doubted_at = if believed { None } else { doubted_at.or(Some(now)) };
        let terms = believed.then_some(said);
        match self.position(link) {
            Ok(position) => {
                let offer = &mut self.offers[position];
                *offer = Offer { said, terms: terms.or(offer.terms), doubted_at, cost, ..*offer };
                false
            }
            Err(position) => {
                self.offers.insert(position, Offer { link, said, terms, doubted_at, cost });
                true
            }
        }
    }

    /// The neighbour's offer comes by another link from now on.
    pub(super) fn relink(&mut self, old: LinkId, new: LinkId, cost: u32) {
        let Ok(position) = self.position(old) else { return };
        let offer = Offer { link: new, cost, ..self.offers.remove(position) };
        if let Err(position) = self.position(new) {
            self.offers.insert(position, offer);
        }
        // The same neighbour on another link is the same way.
        for way in [&mut self.chosen, &mut self.told].into_iter().flatten() {
            if way.link == old {
                way.link = new;
            }
        }
    }

    /// Whether the destination has not signed this life of it, as far as is known here.
    pub(super) fn lacks_proof(&self, incarnation: Incarnation) -> bool {
        self.proof.as_ref().is_none_or(|proof| proof.incarnation < incarnation)
    }

    /// The destination has signed this life. Whether that is new.
    pub(super) fn prove(&mut self, incarnation: Incarnation, now: Instant) -> bool {
        let is_new = self.lacks_proof(incarnation);
        if is_new {
            // A life that begins while this node looks on begins with the number 0.
            let latest = self.proof.as_ref().map(|_| 0);
            self.proof = Some(Proof::new(incarnation, latest, now));
            // What was offered before cannot have waited for anything.
            for offer in self.offers.iter_mut().filter(|offer| !offer.is_believed()) {
                offer.doubted_at = Some(now);
            }
            self.believe(now);
        }
        is_new
    }

    /// Whether what a neighbour offers has risen by a lot since the last time, and is or will be believed. Gives its version.
    pub(super) fn has_risen(&mut self, link: LinkId) -> Option<RouteVersion> {
        let RouteVersion { incarnation, sequence } = self.offer_of(link)?.said.version;
        let proof = self.proof.as_mut().filter(|proof| proof.incarnation == incarnation)?;
        if sequence < proof.alarm || proof.rise(sequence) > SEQUENCE_AHEAD_MAX {
            return None;
        }
        proof.alarm = sequence.saturating_add(SEQUENCE_RISE_MAX);
        Some(RouteVersion { incarnation: proof.incarnation, sequence })
    }

    /// Forgets the distance, and what the sequence numbers were.
    pub(super) fn begin_anew(&mut self, now: Instant) {
        self.distance = None;
        if let Some(proof) = &mut self.proof {
            *proof = Proof::new(proof.incarnation, None, now);
            self.believe(now);
        }
    }

    /// Looks once more at what was not believed, the oldest first.
    pub(super) fn believe(&mut self, now: Instant) {
        let Some(proof) = &mut self.proof else { return };
        let mut doubted: Vec<&mut Offer> =
            self.offers.iter_mut().filter(|offer| !offer.is_believed()).collect();
        doubted.sort_unstable_by_key(|offer| offer.said.version);
        for offer in doubted {
            if proof.believes(&offer.said, offer.doubted_at, now) {
                (offer.terms, offer.doubted_at) = (Some(offer.said), None);
            }
        }
    }

    /// When something that was not believed may be.
    pub(super) fn believes_at(&self) -> Option<Instant> {
        let proof = self.proof.as_ref()?;
        let doubted = self.offers.iter().filter(|offer| !offer.is_believed());
        doubted.filter_map(|offer| proof.believes_at(offer)).min()
    }

    /// Whether the neighbour had an offer, which is gone now.
    pub(super) fn remove(&mut self, link: LinkId) -> bool {
        self.position(link).map(|position| self.offers.remove(position)).is_ok()
    }

    /// Changes what the link of an offer costs.
    pub(super) fn set_cost(&mut self, link: LinkId, cost: u32) -> bool {
        let Ok(position) = self.position(link) else { return false };
        self.offers[position].cost = cost;
        true
    }

    /// Whether an offer is safe to take (RFC 8966, section 3.5.1). That of the destination itself always is: what is
    /// given to it has arrived.
    pub(super) fn is_feasible(&self, offer: &Offer) -> bool {
        let Some(RouteOffer { version, hops, metric }) = offer.terms else { return false };
        let Some(distance) = self.distance else { return true };
        hops == 0 || version > distance.version || version == distance.version && metric < distance.metric
    }

    /// The best way by the rules; the present one unless another is clearly better.
    pub(super) fn choose(&self, rules: Rules) -> Option<Way> {
        let safe = |offer: &&Offer| rules.infeasible_too || self.is_feasible(offer);
        let best =
            self.offers.iter().filter(safe).filter_map(|offer| rules.way(offer)).min_by_key(Rules::rank)?;
        let present = self
            .chosen
            .and_then(|chosen| self.offer_of(chosen.link))
            .filter(safe)
            .and_then(|offer| rules.way(offer))
            .filter(|present| !rules.prefers(&best, present));
        Some(present.unwrap_or(best))
    }

    /// Whether there is a way that would be taken if only it were safe.
    pub(super) fn wants_newer(&self, rules: Rules) -> bool {
        let unsafe_best = self
            .offers
            .iter()
            .filter(|offer| !self.is_feasible(offer))
            .filter_map(|offer| rules.way(offer))
            .min_by_key(Rules::rank);
        match (unsafe_best, &self.chosen) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(unsafe_best), Some(chosen)) => rules.prefers(&unsafe_best, chosen),
        }
    }

    /// The neighbours with an offer, the best first, whether or not it is safe.
    pub(super) fn by_rank(&self, rules: Rules) -> Vec<LinkId> {
        let mut ways: Vec<Way> = self.offers.iter().filter_map(|offer| rules.way(offer)).collect();
        ways.sort_unstable_by_key(Rules::rank);
        ways.into_iter().map(|way| way.link).collect()
    }

    /// The oldest sequence number with which the best unsafe way would be safe.
    pub(super) fn version_wanted(&self, rules: Rules) -> Option<RouteVersion> {
        let distance = self.distance?;
        let unsafe_offers = self.offers.iter().filter(|offer| !self.is_feasible(offer));
        let ways = unsafe_offers.filter_map(|offer| Some((Rules::rank(&rules.way(offer)?), offer.terms?)));
        let (_, terms) = ways.min_by_key(|(rank, _)| *rank)?;
        // Good enough, but old: the number that this node has already will do.
        if terms.version < distance.version && terms.metric < distance.metric {
            return Some(distance.version);
        }
        let sequence = distance.version.sequence.saturating_add(1);
        Some(RouteVersion { sequence, ..distance.version })
    }

    /// A neighbour waits for this sequence number or a newer one.
    pub(super) fn asked(&mut self, link: LinkId, version: RouteVersion) {
        self.asks.retain(|(other, _)| *other != link);
        if self.asks.len() == ASKS_MAX {
            self.asks.remove(0);
        }
        self.asks.push((link, version));
    }

    /// Takes the neighbours that waited for this sequence number.
    pub(super) fn take_answered(&mut self, version: RouteVersion) -> Vec<LinkId> {
        let (answered, waiting) = self.asks.iter().partition(|(_, wanted)| *wanted <= version);
        self.asks = waiting;
        let answered: Vec<(LinkId, RouteVersion)> = answered;
        answered.into_iter().map(|(link, _)| link).collect()
    }

    /// Another way than by `link` for a request, the best one, whether or not it is safe.
    pub(super) fn other_than(&self, link: LinkId, rules: Rules) -> Option<LinkId> {
        let others = self.offers.iter().filter(|offer| offer.link != link);
        others.filter_map(|offer| rules.way(offer)).min_by_key(Rules::rank).map(|way| way.link)
    }

    /// This way has been announced: what the distance is from now on (RFC 8966, section 3.7.3).
    pub(super) fn announced(&mut self, way: &Way) {
        let better = self.distance.is_none_or(|distance| {
            way.version > distance.version || way.version == distance.version && way.metric < distance.metric
        });
        if better {
            self.distance = Some(Distance { version: way.version, metric: way.metric });
        }
    }

    /// Whether nothing is left that anybody could need.
    pub(super) fn is_blank(&self) -> bool {
        self.offers.is_empty() && self.distance.is_none() && self.told.is_none() && !self.dirty && !self.stale
    }
}
