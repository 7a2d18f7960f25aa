//! What is known of one destination, and which of the ways to it is taken.

use alloc::vec::Vec;

use super::round_trip::HOP_COST;
use crate::config::RouteMetric;
use crate::identity::Incarnation;
use crate::link::LinkId;
use crate::wire::body::routing::{ANNOUNCEMENT_HOPS_MAX, RouteOffer, RouteVersion};

/// Neighbours that are remembered to wait for a newer sequence number of one destination. The oldest are forgotten.
const ASKS_MAX: usize = 8;

/// What the link costs more that makes a way too long for payloads: more than all links of a way that is not. It is part
/// of what is announced, because a way that is worse for whatever reason must never be announced as a better one.
pub(super) const TOO_FAR_COST: u32 = 1 << 29;

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
    pub(super) terms: RouteOffer,
    /// What the link to the neighbour costs.
    pub(super) cost: u32,
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

    /// The way by an offer; `None` if it is longer or dearer than anything that counts.
    fn way(self, offer: &Offer) -> Option<Way> {
        let hops = offer.terms.hops + 1;
        let mut metric = offer.terms.metric.checked_add(offer.cost)?;
        if hops == self.hops_max.saturating_add(1) {
            metric = metric.checked_add(TOO_FAR_COST)?;
        }
        (hops <= ANNOUNCEMENT_HOPS_MAX).then_some(Way {
            link: offer.link,
            version: offer.terms.version,
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
    /// Whether the neighbour is the destination itself. It alone offers a way without a hop.
    fn is_owner(&self) -> bool {
        self.terms.hops == 0
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

    /// Takes a neighbour's offer in the place of its last one. Whether it is its first.
    pub(super) fn put(&mut self, offer: Offer) -> bool {
        match self.position(offer.link) {
            Ok(position) => {
                self.offers[position] = offer;
                false
            }
            Err(position) => {
                self.offers.insert(position, offer);
                true
            }
        }
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
        let Some(distance) = self.distance else { return true };
        let Offer { terms: RouteOffer { version, metric, .. }, .. } = *offer;
        offer.is_owner()
            || version > distance.version
            || version == distance.version && metric < distance.metric
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
        let ways = unsafe_offers.filter_map(|offer| Some((Rules::rank(&rules.way(offer)?), offer)));
        let (_, Offer { terms, .. }) = ways.min_by_key(|(rank, _)| *rank)?;
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
