//! Announcements of others: what is refused, and why; what is taken.
//!
//! Cheap checks come first: a signature is looked at only when everything that can be judged without it is right, and when
//! the neighbour has not sent too much. Nothing that is refused is passed on.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::neighbour::{Announced, Neighbour, PRICE_FORGED, PRICE_FRAME, Reassembly, price};
use super::set::{Changes, EntrySet, Stored, Summary, weight};
use super::view::Arrival;
use super::{Directory, Out};
use crate::code::CloseReason;
use crate::identity::{Incarnation, NodeId};
use crate::link::LinkId;
use crate::machine::{Cx, injected};
use crate::wire::body::directory::{DirectoryDelta, EntryKey, HOPS_MAX, SignedHead, TTL_S, Version};
use crate::wire::frame::FrameType;

/// Bytes of half-received sets on all links.
pub(super) const REASSEMBLY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The greatest incarnation that is believed: a clock in milliseconds reaches it in the year 10889.
const INCARNATION_MAX: Incarnation = Incarnation::new(1 << 48);
/// The greatest sequence number that is believed.
const SEQUENCE_MAX: u64 = 1 << 40;
/// How far a sequence number may be ahead of the last one that was seen of the same life: ten days at the greatest rate.
const SEQUENCE_JUMP_MAX: u64 = 1 << 24;

/// Why an announcement is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// It has crossed too many links, or none.
    Hops,
    /// It would be good for too long or too short.
    Ttl,
    /// It is no longer good.
    Expired,
    /// The owner has more entries than are kept.
    Oversized,
    /// A later life or number than there can be.
    FarFuture,
    /// Older than what is known, or gone already.
    Replayed,
    /// There is no room for one more owner, or for what it says.
    Full,
    /// Its owner has not signed it.
    Forged,
    /// The set is not what the head is over.
    Root,
    /// An entry says nothing that can be read.
    Entry,
}

/// What to do with a head that could be new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judgement {
    /// Check its signature.
    Check,
    /// It is known.
    Duplicate,
    Refuse(Refusal),
}

impl Directory {
    /// Pays for a frame of a neighbour. `false`: it has sent too much, the frame is dropped; far too much, it is cut.
    pub(super) fn charge(&mut self, cx: &mut Cx<'_>, link: LinkId, price: u64) -> bool {
        let Some(neighbour) = self.neighbours.get_mut(&link) else { return false };
        if neighbour.charge(cx.now, price) {
            return true;
        }
        cx.count("directory.throttled");
        if !neighbour.tolerate(cx.now) {
            cx.count("directory.flooder_cut");
            self.violation(link, CloseReason::Flooding);
        }
        false
    }

    /// `DIRECTORY_DELTA`.
    pub(super) fn delta(&mut self, cx: &mut Cx<'_>, link: LinkId, body: &[u8]) {
        // A neighbour that was asked may be answering, which costs it nothing; that shows only once the frame is read.
        let waiting = self.neighbours.get(&link).is_some_and(Neighbour::is_awaited);
        if !waiting && !self.charge(cx, link, PRICE_FRAME) {
            return;
        }
        let Ok(delta) = DirectoryDelta::decode(body) else {
            cx.count("directory.malformed");
            return self.violation(link, CloseReason::MalformedFrame);
        };
        let node = delta.head.node(&*self.config.crypto);
        let further = delta.part.0 > 0;
        let solicited =
            if further { self.continues_answer(link, &node) } else { self.take_asked(link, &node) };
        if waiting && !solicited && !self.charge(cx, link, PRICE_FRAME) {
            return;
        }
        if further {
            return self.next_part(cx, link, node, &delta, body.len());
        }
        self.drop_reassembly(link);
        if node == self.own {
            return self.own_head_shown(cx, link, &delta.head, solicited);
        }
        match self.judge(&delta, &node) {
            Judgement::Duplicate => {
                cx.mark("directory.duplicate");
                self.spread.seen(&node, link);
            }
            Judgement::Refuse(refusal) => Self::refuse(cx, refusal),
            Judgement::Check => {
                let cost = price(body.len(), delta.head.entries) - PRICE_FRAME;
                if (solicited || self.charge(cx, link, cost)) && self.is_signed(cx, link, &delta.head) {
                    self.announced(cx, link, node, &delta, solicited);
                }
            }
        }
    }

    /// Whether a set is arriving in parts that this node has asked for.
    fn continues_answer(&self, link: LinkId, node: &NodeId) -> bool {
        let reassembly = self.neighbours.get(&link).and_then(|neighbour| neighbour.reassembly.as_ref());
        reassembly.is_some_and(|set| set.announced.solicited && set.announced.node == *node)
    }

    /// Everything that can be judged without a signature.
    fn judge(&self, delta: &DirectoryDelta<'_>, node: &NodeId) -> Judgement {
        let (head, version) = (&delta.head, delta.head.version());
        let limits = &self.config.limits;
        let known = self.known(node);
        if self.view.get(node).is_some_and(|owner| owner.version() == version) {
            return Judgement::Duplicate;
        }
        let refusal = if known.is_some_and(|known| known >= version) {
            Refusal::Replayed
        } else if !(1..=HOPS_MAX).contains(&delta.hops) {
            Refusal::Hops
        } else if !TTL_S.contains(&head.ttl_s) {
            Refusal::Ttl
        } else if delta.age_s >= head.ttl_s {
            Refusal::Expired
        } else if head.entries as usize > limits.directory_entries_per_owner_max {
            Refusal::Oversized
        } else if is_far_future(version, known) {
            Refusal::FarFuture
        } else if self.view.get(node).is_none() && self.view.len() > limits.directory_owners_max {
            Refusal::Full
        } else {
            return Judgement::Check;
        };
        Judgement::Refuse(refusal)
    }

    fn refuse(cx: &mut Cx<'_>, refusal: Refusal) {
        cx.count(match refusal {
            Refusal::Hops => "directory.refused_hops",
            Refusal::Ttl => "directory.refused_ttl",
            Refusal::Expired => "directory.refused_expired",
            Refusal::Oversized => "directory.refused_oversized",
            Refusal::FarFuture => "directory.refused_far_future",
            Refusal::Replayed => "directory.refused_replayed",
            Refusal::Full => "directory.refused_full",
            Refusal::Forged => "directory.refused_forged",
            Refusal::Root => "directory.refused_root",
            Refusal::Entry => "directory.refused_entry",
        });
    }

    fn is_signed(&mut self, cx: &mut Cx<'_>, link: LinkId, head: &SignedHead) -> bool {
        if head.verify(&*self.config.crypto) || injected!(cx, "forgery-believed") {
            return true;
        }
        Self::refuse(cx, Refusal::Forged);
        if let Some(neighbour) = self.neighbours.get_mut(&link) {
            neighbour.fine(cx.now, PRICE_FORGED);
        }
        false
    }

    /// A head that is signed and new.
    fn announced(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkId,
        node: NodeId,
        delta: &DirectoryDelta<'_>,
        solicited: bool,
    ) {
        let announced = Announced {
            node,
            head: delta.head.clone(),
            age_s: delta.age_s,
            hops: delta.hops,
            full: delta.full,
            entries: delta.entries.iter().map(|entry| Box::from(*entry)).collect(),
            removed: delta.removed.clone(),
            solicited,
        };
        let (_, parts) = delta.part;
        if parts == 1 {
            return self.complete(cx, link, announced);
        }
        let Some(neighbour) = self.neighbours.get_mut(&link) else { return };
        neighbour.reassembly = Some(Reassembly { announced, next_part: 1, parts, bytes: 0 });
        self.grow_reassembly(cx, link, delta);
    }

    /// A further part of a set.
    fn next_part(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkId,
        node: NodeId,
        delta: &DirectoryDelta<'_>,
        body_len: usize,
    ) {
        let (part, parts) = delta.part;
        let Some(neighbour) = self.neighbours.get_mut(&link) else { return };
        let expected = neighbour.reassembly.as_mut().filter(|reassembly| {
            let Reassembly { announced, next_part, parts: of, .. } = reassembly;
            (announced.node, *next_part, *of) == (node, part, parts)
                && announced.head.version() == delta.head.version()
        });
        let Some(reassembly) = expected else {
            // The rest of something that was known or refused.
            return cx.mark("directory.part_dropped");
        };
        reassembly.next_part += 1;
        let announced = &mut reassembly.announced;
        announced.entries.extend(delta.entries.iter().map(|entry| Box::from(*entry)));
        announced.removed.extend(delta.removed.iter().cloned());
        let solicited = announced.solicited;
        if !solicited && !self.charge(cx, link, price(body_len, 0)) {
            return self.drop_reassembly(link);
        }
        self.grow_reassembly(cx, link, delta);
        let done = self.neighbours.get_mut(&link).and_then(|neighbour| {
            neighbour.reassembly.take_if(|reassembly| reassembly.next_part == reassembly.parts)
        });
        if let Some(Reassembly { announced, bytes, .. }) = done {
            self.reassembly_bytes -= bytes;
            cx.mark("directory.set_reassembled");
            self.complete(cx, link, announced);
        }
    }

    /// Counts what the last part has brought, and gives the set up if that is too much.
    fn grow_reassembly(&mut self, cx: &mut Cx<'_>, link: LinkId, delta: &DirectoryDelta<'_>) {
        let names = delta.removed.iter().map(|key| key.name.len()).sum::<usize>();
        let count = delta.entries.len() + delta.removed.len();
        let grown = weight(count, delta.entries.iter().map(|entry| entry.len()).sum::<usize>() + names);
        let limits = &self.config.limits;
        let max = weight(limits.directory_entries_per_owner_max, limits.directory_bytes_per_owner_max);
        let Some(reassembly) =
            self.neighbours.get_mut(&link).and_then(|neighbour| neighbour.reassembly.as_mut())
        else {
            return;
        };
        reassembly.bytes += grown;
        self.reassembly_bytes += grown;
        if reassembly.bytes > max {
            Self::refuse(cx, Refusal::Oversized);
            self.drop_reassembly(link);
        } else if self.reassembly_bytes > REASSEMBLY_BYTES_MAX {
            Self::refuse(cx, Refusal::Full);
            self.drop_reassembly(link);
        }
    }

    pub(super) fn drop_reassembly(&mut self, link: LinkId) {
        let reassembly = self.neighbours.get_mut(&link).and_then(|neighbour| neighbour.reassembly.take());
        self.reassembly_bytes -= reassembly.map_or(0, |reassembly| reassembly.bytes);
    }

    /// All of an announcement is there. Does it come to what the owner has signed?
    fn complete(&mut self, cx: &mut Cx<'_>, link: LinkId, announced: Announced) {
        match self.changes_of(&announced) {
            Ok(changes) => self.accept(cx, link, announced, changes),
            Err(Refusal::Root | Refusal::Entry) if !announced.full && !announced.solicited => {
                cx.mark("directory.delta_does_not_fit");
                self.want(link, announced.node, announced.head.version());
                self.ask(cx, link);
            }
            Err(refusal) => {
                Self::refuse(cx, refusal);
                if refusal == Refusal::Oversized {
                    // The owner has signed it: it is that large wherever it comes from.
                    self.memory.remember(announced.node, announced.head.version());
                }
            }
        }
    }

    /// What an announcement changes, if the result is what its head is over.
    fn changes_of(&self, announced: &Announced) -> Result<Changes, Refusal> {
        let crypto = &*self.config.crypto;
        let mut changes = Changes::new();
        for bytes in &announced.entries {
            let (key, stored) = Stored::read(crypto, bytes).map_err(|_| Refusal::Entry)?;
            if changes.insert(key, Some(stored)).is_some() {
                return Err(Refusal::Entry);
            }
        }
        for key in &announced.removed {
            if announced.full || changes.insert(key.clone(), None).is_some() {
                return Err(Refusal::Entry);
            }
        }
        let (empty, present) = (EntrySet::default(), self.view.get(&announced.node).map(|owner| &owner.set));
        let base = present.filter(|_| !announced.full).unwrap_or(&empty);
        let summary = base.summary_with(crypto, &changes);
        if (summary.root, summary.entries) != (announced.head.root, announced.head.entries as usize) {
            return Err(Refusal::Root);
        }
        self.check_room(&summary, present.map_or(0, EntrySet::weight))?;
        if announced.full {
            keep_what_is_same(&mut changes, present.unwrap_or(&empty));
        }
        Ok(changes)
    }

    fn check_room(&self, summary: &Summary, weight_before: usize) -> Result<(), Refusal> {
        let limits = &self.config.limits;
        if summary.bytes > limits.directory_bytes_per_owner_max {
            return Err(Refusal::Oversized);
        }
        let weight_after = weight(summary.entries, summary.bytes);
        let total = self.view.weight() - weight_before + weight_after;
        let grows = weight_after > weight_before;
        if grows && total > limits.directory_bytes_max { Err(Refusal::Full) } else { Ok(()) }
    }

    fn accept(&mut self, cx: &mut Cx<'_>, link: LinkId, announced: Announced, changes: Changes) {
        let Announced { node, head, age_s, hops, solicited, .. } = announced;
        let named =
            |directory: &Self| directory.view.get(&node).is_some_and(|owner| owner.record().is_some());
        let was_named = named(self);
        let before = self.view.get(&node).map(|owner| owner.head.incarnation);
        let life = head.incarnation;
        let new_life = before != Some(life);
        let keys: Vec<EntryKey> = changes.keys().cloned().collect();
        let arrival = Arrival { now: cx.now, age_s, hops };
        cx.mark(if keys.is_empty() { "directory.refresh_heard" } else { "directory.changes_heard" });
        if before.is_some() {
            self.view.set_head(node, head, arrival);
        } else {
            self.view.open(node, head, arrival);
        }
        if !injected!(cx, "announcement-not-applied") || new_life {
            self.view.apply(node, changes);
        }
        self.memory.forget(&node);
        self.fulfil(link, node, solicited);
        if new_life || !keys.is_empty() {
            self.changed.insert(node);
        }
        if named(self) && (new_life || !was_named) {
            cx.mark("directory.learned");
            self.out.push_back(Out::Learned { node, incarnation: life });
        }
        self.spread.queue(node, (!new_life).then_some(keys), Some(link));
    }

    /// Somebody shows an announcement with this node's own key.
    fn own_head_shown(&mut self, cx: &mut Cx<'_>, link: LinkId, head: &SignedHead, solicited: bool) {
        let Some(own) = self.view.get(&self.own) else { return };
        let (shown, ours) = (head.version(), own.version());
        if shown == ours {
            return;
        }
        if shown < ours {
            cx.mark("directory.own_past_shown");
            if shown.incarnation < ours.incarnation {
                self.tell_own_set(cx, link);
            }
            return;
        }
        if (solicited || self.charge(cx, link, price(0, 0))) && self.is_signed(cx, link, head) {
            self.overtaken(cx, head);
        }
    }

    /// A neighbour takes an earlier life of this node for the present one: here is the present one.
    fn tell_own_set(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        self.sign(cx.now);
        let Some(own) = self.view.get(&self.own) else { return };
        let frames = Self::set_frames(cx.now, own);
        let cost = frames.iter().map(|frame| price(frame.len(), own.head.entries)).sum();
        let Some(neighbour) = self.neighbours.get_mut(&link) else { return };
        if neighbour.may_announce(cx.now, cost) {
            for body in frames {
                self.out.push_back(Out::Transmit { link, frame_type: FrameType::DirectoryDelta, body });
            }
        }
    }
}

/// Whether no owner can have got that far, or none that was there a short time ago. The version is later than the known one.
fn is_far_future(version: Version, known: Option<Version>) -> bool {
    let same_life = known.filter(|known| known.incarnation == version.incarnation);
    version.incarnation > INCARNATION_MAX
        || version.sequence > SEQUENCE_MAX
        || same_life.is_some_and(|known| version.sequence - known.sequence > SEQUENCE_JUMP_MAX)
}

/// Of a whole set, only what differs from the one before is a change; what is not in it goes.
fn keep_what_is_same(changes: &mut Changes, before: &EntrySet) {
    let gone: BTreeSet<EntryKey> =
        before.iter().filter(|(key, _)| !changes.contains_key(key)).map(|(key, _)| key.clone()).collect();
    changes.retain(|key, stored| {
        let same = before.get(key).zip(stored.as_ref()).is_some_and(|(old, new)| old.bytes == new.bytes);
        !same
    });
    changes.extend(gone.into_iter().map(|key| (key, None)));
}
