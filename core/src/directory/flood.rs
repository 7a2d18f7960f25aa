//! What is new goes to all neighbours but the one it came from, at most so far and not too often.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};

use super::bucket::{Rate, TOKEN};
use super::neighbour::price;
use super::view::Owner;
use super::{Directory, Out};
use crate::identity::NodeId;
use crate::link::LinkId;
use crate::machine::Cx;
use crate::time::Instant;
use crate::wire::body::directory::{DirectoryDelta, EntryKey, HOPS_MAX};
use crate::wire::frame::{CHUNK_LEN_MAX, FrameType};

/// Room for everything in a frame that is no entry: a head, and what is around it.
const AROUND_ENTRIES: usize = 512;
/// What an item takes besides its own bytes, at most.
const AROUND_ITEM: usize = 8;

/// Owners with news for the neighbours.
#[derive(Debug, Default)]
pub(super) struct Spread {
    pending: BTreeMap<NodeId, News>,
    /// Owners whose news may leave now.
    ready: BTreeSet<NodeId>,
    /// Owners whose news must wait, because they have had many.
    delayed: BTreeSet<(Instant, NodeId)>,
}

/// What has changed since an owner's news were last passed on.
#[derive(Debug)]
struct News {
    /// Keys that have changed; `None`: the whole set.
    keys: Option<BTreeSet<EntryKey>>,
    /// Links on which somebody has shown this very version.
    seen_on: Vec<LinkId>,
}

impl Spread {
    /// Adds to an owner's news. What is on its way already is joined with it; only the latest version ever leaves.
    pub(super) fn queue(
        &mut self,
        node: NodeId,
        keys: Option<impl IntoIterator<Item = EntryKey>>,
        from: Option<LinkId>,
    ) {
        let keys = keys.map(|keys| keys.into_iter().collect::<BTreeSet<_>>());
        let Some(news) = self.pending.get_mut(&node) else {
            self.pending.insert(node, News { keys, seen_on: from.into_iter().collect() });
            self.ready.insert(node);
            return;
        };
        news.seen_on = from.into_iter().collect();
        match (&mut news.keys, keys) {
            (Some(known), Some(keys)) => known.extend(keys),
            (known, _) => *known = None,
        }
    }

    /// A neighbour has this version already.
    pub(super) fn seen(&mut self, node: &NodeId, link: LinkId) {
        if let Some(news) = self.pending.get_mut(node)
            && !news.seen_on.contains(&link)
        {
            news.seen_on.push(link);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }

    /// When something may leave.
    pub(super) fn due(&self) -> Option<Instant> {
        if self.ready.is_empty() { self.delayed.first().map(|(at, _)| *at) } else { Some(Instant::ZERO) }
    }

    fn wake(&mut self, now: Instant) {
        while let Some((at, node)) = self.delayed.first().copied() {
            if at > now {
                break;
            }
            self.delayed.pop_first();
            self.ready.insert(node);
        }
    }
}

impl Directory {
    pub(super) fn owner_rate(&self) -> Rate {
        let limits = &self.config.limits;
        let (burst, per_s) =
            (limits.directory_changes_per_owner_burst, limits.directory_changes_per_owner_per_s);
        Rate { burst: burst.max(1) as u64, per_s: per_s.max(1) as u64 }
    }

    /// Passes on what is ready.
    pub(super) fn flood(&mut self, cx: &mut Cx<'_>) {
        self.spread.wake(cx.now);
        let rate = self.owner_rate();
        while let Some(node) = self.spread.ready.pop_first() {
            let Some(owner) = self.view.get_mut(&node) else {
                self.spread.pending.remove(&node);
                continue;
            };
            if let Err(at) = owner.may_spread(rate, cx.now, TOKEN) {
                cx.count("directory.owner_slowed");
                self.spread.delayed.insert((at, node));
                continue;
            }
            let Some(news) = self.spread.pending.remove(&node) else { continue };
            self.pass_on(cx, node, &news);
        }
    }

    fn pass_on(&mut self, cx: &mut Cx<'_>, node: NodeId, news: &News) {
        let Some(owner) = self.view.get(&node) else { return };
        let others = self
            .neighbours
            .iter()
            .filter(|(link, other)| !other.cut && !news.seen_on.contains(link) && other.peer != node);
        let others: Vec<LinkId> = others.map(|(link, _)| *link).collect();
        if owner.hops >= HOPS_MAX {
            // Further than that news go only where they are asked for.
            cx.mark("directory.hop_limit");
            return others.into_iter().for_each(|link| self.offer(link, cx.now));
        }
        let keys = news.keys.as_ref().filter(|keys| keys.len() < owner.set.len().max(1));
        let frames = frames(owner, cx.now, owner.hops + 1, keys);
        let entries = owner.head.entries;
        let cost = frames.iter().map(|frame| price(frame.len(), entries)).sum();
        for link in others {
            let Some(neighbour) = self.neighbours.get_mut(&link) else { continue };
            if neighbour.may_announce(cx.now, cost) {
                for body in &frames {
                    let (frame_type, body) = (FrameType::DirectoryDelta, body.clone());
                    self.out.push_back(Out::Transmit { link, frame_type, body });
                }
            } else {
                cx.count("directory.neighbour_lags");
                self.offer(link, cx.now);
            }
        }
    }

    /// The whole set of an owner, as it is sent to a neighbour that asks.
    pub(super) fn set_frames(now: Instant, owner: &Owner) -> Vec<Bytes> {
        frames(owner, now, (owner.hops + 1).min(HOPS_MAX), None)
    }
}

/// An owner's set, or these entries of it, in as few frames as hold them.
fn frames(owner: &Owner, now: Instant, hops: u8, keys: Option<&BTreeSet<EntryKey>>) -> Vec<Bytes> {
    let mut entries: Vec<&[u8]> = Vec::new();
    let mut removed: Vec<EntryKey> = Vec::new();
    match keys {
        None => entries.extend(owner.set.iter().map(|(_, stored)| &*stored.bytes)),
        Some(keys) => {
            for key in keys {
                match owner.set.get(key) {
                    Some(stored) => entries.push(&stored.bytes),
                    None => removed.push(key.clone()),
                }
            }
        }
    }
    let mut parts: Vec<(Vec<&[u8]>, Vec<EntryKey>)> = alloc::vec![(Vec::new(), Vec::new())];
    let mut room = CHUNK_LEN_MAX - AROUND_ENTRIES;
    let mut part_for = |parts: &mut Vec<_>, length: usize| {
        let length = length + AROUND_ITEM;
        if length > room {
            parts.push((Vec::new(), Vec::new()));
            room = CHUNK_LEN_MAX - AROUND_ENTRIES;
        }
        room -= length;
        parts.len() - 1
    };
    for entry in entries {
        let part = part_for(&mut parts, entry.len());
        parts[part].0.push(entry);
    }
    for key in removed {
        let part = part_for(&mut parts, key.name.len());
        parts[part].1.push(key);
    }
    let count = parts.len() as u16;
    let frame = |(index, (entries, removed)): (usize, (Vec<&[u8]>, Vec<EntryKey>))| {
        let delta = DirectoryDelta {
            head: owner.head.clone(),
            age_s: owner.age_s(now),
            hops,
            full: keys.is_none(),
            part: (index as u16, count),
            entries,
            removed,
        };
        let mut body = BytesMut::new();
        delta.encode(&mut body);
        debug_assert!(body.len() <= CHUNK_LEN_MAX, "a part fits a frame");
        body.freeze()
    };
    parts.into_iter().enumerate().map(frame).collect()
}
