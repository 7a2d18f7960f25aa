//! What issuers say whom nobody here trusts: it is passed on, because others may.

use alloc::collections::BTreeMap;
use core::time::Duration;

use crate::crypto::CryptoProvider;
use crate::identity::PublicKey;
use crate::link::LinkId;
use crate::time::Instant;
use crate::token::{IssuerHead, Learnt};

/// Most issuers that are not trusted here and whose heads are passed on. Then whoever has brought most makes room.
pub(super) const STRANGERS_MAX: usize = 1_024;
/// How long it takes until a head of such an issuer is forgotten that a neighbour has brought and that had to be checked.
const CHECK_COST: Duration = Duration::from_millis(250);
/// From which sum of these on a neighbour's heads are not looked at.
const CHECKS_MAX: Duration = Duration::from_secs(512);

#[derive(Debug, Default)]
pub(super) struct Heads {
    strangers: BTreeMap<PublicKey, Stranger>,
    taken: u64,
    /// The links that heads are told on, and when each will owe nothing any more.
    neighbours: BTreeMap<LinkId, Instant>,
}

#[derive(Debug)]
struct Stranger {
    head: IssuerHead,
    /// Who brought it; nobody where this node's application did.
    from: Option<LinkId>,
    number: u64,
}

impl Heads {
    pub(super) fn len(&self) -> usize {
        self.strangers.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.strangers.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &IssuerHead> {
        self.strangers.values().map(|stranger| &stranger.head)
    }

    pub(super) fn get(&self, issuer: &PublicKey) -> Option<&IssuerHead> {
        self.strangers.get(issuer).map(|stranger| &stranger.head)
    }

    pub(super) fn neighbours(&self) -> impl Iterator<Item = LinkId> + '_ {
        self.neighbours.keys().copied()
    }

    pub(super) fn is_neighbour(&self, link: LinkId) -> bool {
        self.neighbours.contains_key(&link)
    }

    pub(super) fn link_up(&mut self, link: LinkId) {
        self.neighbours.insert(link, Instant::ZERO);
    }

    pub(super) fn link_down(&mut self, link: LinkId) {
        self.neighbours.remove(&link);
    }

    /// Whether a neighbour has made this node check too much lately to look at this head.
    pub(super) fn must_wait(&self, now: Instant, from: Option<LinkId>, head: &IssuerHead) -> bool {
        let is_news = self.get(&head.public_key).is_none_or(|known| known.generation < head.generation);
        let free_at = from.and_then(|link| self.neighbours.get(&link));
        is_news && free_at.is_some_and(|free_at| *free_at - now > CHECKS_MAX)
    }

    /// Notes what a head has cost.
    pub(super) fn charge(&mut self, now: Instant, from: Option<LinkId>, learnt: Learnt) {
        let was_checked = matches!(learnt, Learnt::Newer | Learnt::BadSignature);
        if let Some(free_at) = from.filter(|_| was_checked).and_then(|link| self.neighbours.get_mut(&link)) {
            *free_at = (*free_at).max(now) + CHECK_COST;
        }
    }

    /// Takes in a head. Its signature is checked only where it says something new.
    pub(super) fn learn(
        &mut self,
        head: &IssuerHead,
        from: Option<LinkId>,
        crypto: &dyn CryptoProvider,
    ) -> Learnt {
        if let Some(known) = self.get(&head.public_key) {
            if head.generation < known.generation {
                return Learnt::Older;
            }
            if head.generation == known.generation {
                return Learnt::Known;
            }
        }
        if !head.verify(crypto) {
            return Learnt::BadSignature;
        }
        self.make_room(&head.public_key);
        self.taken += 1;
        self.strangers.insert(head.public_key, Stranger { head: *head, from, number: self.taken });
        Learnt::Newer
    }

    /// Takes the oldest away from whoever has brought most, if there is no room for one more.
    fn make_room(&mut self, issuer: &PublicKey) {
        if self.strangers.len() < STRANGERS_MAX || self.strangers.contains_key(issuer) {
            return;
        }
        let mut brought: BTreeMap<Option<LinkId>, usize> = BTreeMap::new();
        for stranger in self.strangers.values() {
            *brought.entry(stranger.from).or_insert(0) += 1;
        }
        let most = brought.into_iter().max_by_key(|(_, count)| *count).map(|(from, _)| from);
        let oldest = self
            .strangers
            .iter()
            .filter(|(_, stranger)| Some(stranger.from) == most)
            .min_by_key(|(_, stranger)| stranger.number)
            .map(|(issuer, _)| *issuer);
        oldest.and_then(|oldest| self.strangers.remove(&oldest));
    }
}
