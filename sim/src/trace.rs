//! The hook that nodes report to, in whichever engine they run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use lacewing_core::crypto::{CryptoProvider as _, RustCrypto};
use lacewing_core::wire::body::directory::DirectoryDelta;
use lacewing_core::wire::body::discovery::{QuestionId, WhoHas, WhoHasAnswer};
use lacewing_core::wire::body::routing::{ROUTES_ENTRIES_MAX, RouteEntry, RoutedHead, Routes};
use lacewing_core::wire::frame::FrameType;
use lacewing_core::{NodeId, Trace};

use crate::history::mesh::Version;
use crate::payload;
use crate::run::Misbehaviour;

/// Coverage marks of all nodes of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks(Arc<Mutex<Table>>);

/// Counts by the place of the name in memory, which is compared faster than its text. The order never shows.
type Table = BTreeMap<usize, (&'static str, u64)>;

impl Marks {
    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        let marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counts = BTreeMap::new();
        for (name, count) in marks.values() {
            *counts.entry((*name).to_owned()).or_insert(0) += count;
        }
        counts
    }
}

/// What the testbed and the hooks of a node's lives tell each other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ear(Arc<Mutex<Heard>>);

/// What a node has done since somebody looked, and how it is to behave.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Marks in the order in which they were reached, where anybody reads them.
    pub(crate) marks: Option<Vec<&'static str>>,
    /// A way to some node is another one, or gone.
    pub(crate) ways_changed: bool,
    /// What it says of itself has changed, or is said again.
    pub(crate) announces: bool,
    /// It relayed something that shows what only the two ends should see: the bytes.
    pub(crate) shown: Vec<Bytes>,
    /// Questions that it has sent, passed on or answered, once for each frame.
    pub(crate) questions: Vec<QuestionId>,
    /// What it has said to neighbours: names of frames, and the lengths of their bodies.
    pub(crate) frames: Vec<(&'static str, u64)>,
    /// Announcements of its own that it has sent.
    pub(crate) signed: Vec<Version>,
    /// How it breaks the rules now, each with the number of faults that make it do so.
    manners: BTreeMap<Misbehaviour, u32>,
    relayed: u64,
    /// One that it relayed a while ago.
    kept: Option<Bytes>,
    /// Its own number, and the ids of all nodes of the run.
    own: usize,
    members: Vec<NodeId>,
}

impl Ear {
    /// That of the node with this number among the members.
    pub(crate) fn of(own: usize, members: &[NodeId]) -> Self {
        let heard = Heard { own, members: members.to_vec(), ..Heard::default() };
        Self(Arc::new(Mutex::new(heard)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heard {
    /// A fault of this kind begins or ends.
    pub(crate) fn misbehave(&mut self, how: Misbehaviour, begins: bool) {
        let faults = self.manners.entry(how).or_insert(0);
        *faults = if begins { *faults + 1 } else { faults.saturating_sub(1) };
    }

    fn is(&self, how: Misbehaviour) -> bool {
        self.manners.get(&how).is_some_and(|faults| *faults > 0)
    }

    /// Whether this is one of the payloads that a relay treats badly: every third.
    fn is_third(&self) -> bool {
        self.relayed.is_multiple_of(3)
    }

    /// The same, but in no order: what is sent again and again, in step with something else, is not hit each time.
    fn is_some_third(&self) -> bool {
        (self.relayed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32).is_multiple_of(3)
    }

    fn relays(&mut self, body: &[u8]) {
        self.relayed += 1;
        if payload::shows_content(body) {
            self.shown.push(Bytes::copy_from_slice(body));
        }
    }

    fn fault(&self, site: &str) -> bool {
        match site {
            "relay.loses" => self.is(Misbehaviour::LosesRelayed) && self.is_third(),
            "relay.repeats" => self.is(Misbehaviour::RepeatsRelayed),
            _ => false,
        }
    }

    /// What a member says in the place of this frame.
    fn say(&mut self, frame: &'static str, body: Bytes) -> Bytes {
        self.frames.push((frame, body.len() as u64));
        if frame == FrameType::Routed.name() {
            self.pass_on(body)
        } else if frame == FrameType::DirectoryDelta.name() {
            self.announce(body)
        } else if frame == FrameType::Routes.name() {
            self.offer_ways(body)
        } else {
            if frame == FrameType::WhoHas.name() {
                let id = WhoHas::decode(&body).map(|question| question.id);
                self.questions.extend(id);
            } else if frame == FrameType::WhoHasAnswer.name() {
                let id = WhoHasAnswer::decode(&body).map(|answer| answer.id);
                self.questions.extend(id);
            }
            body
        }
    }

    /// An announcement that has crossed no link before is its sender's own.
    fn announce(&mut self, body: Bytes) -> Bytes {
        let Ok(mut delta) = DirectoryDelta::decode(&body) else { return body };
        if delta.hops == 1 {
            let (incarnation, sequence) = (delta.head.incarnation.get(), delta.head.sequence);
            self.signed.push(Version { incarnation, sequence });
            return body;
        }
        let (number, goodbye) =
            (self.is(Misbehaviour::ForgesAnnouncements), self.is(Misbehaviour::ForgesGoodbyes));
        if !number && !goodbye {
            return body;
        }
        // A later number than its owner gave it.
        delta.head.sequence += 1;
        if goodbye {
            (delta.head.entries, delta.head.root) = (0, RustCrypto.sha256(&[]));
            (delta.full, delta.part) = (true, (0, 1));
            delta.entries.clear();
            delta.removed.clear();
        }
        let mut forged = BytesMut::new();
        delta.encode(&mut forged);
        forged.freeze()
    }

    /// What it tells a neighbour of the ways that it has.
    fn offer_ways(&self, body: Bytes) -> Bytes {
        if !self.is(Misbehaviour::RetractsWays) {
            return body;
        }
        let Ok(mut routes) = Routes::decode(&body) else { return body };
        let own = self.members.get(self.own);
        routes.entries.retain(|entry| Some(&entry.destination) == own);
        let others = self.members.iter().filter(|member| Some(*member) != own);
        routes.entries.extend(others.map(|member| RouteEntry { destination: *member, offer: None }));
        routes.entries.truncate(ROUTES_ENTRIES_MAX);
        let mut changed = BytesMut::new();
        routes.encode(&mut changed);
        changed.freeze()
    }

    fn pass_on(&mut self, body: Bytes) -> Bytes {
        if self.is(Misbehaviour::ForgesSenders)
            && self.is_some_third()
            && let Ok(mut head) = RoutedHead::decode(&body)
            && let Some(another) = self.another_than(&head)
        {
            head.source = another;
            let mut forged = BytesMut::with_capacity(body.len());
            head.encode(&mut forged);
            forged.extend_from_slice(&body[RoutedHead::LEN..]);
            return forged.freeze();
        }
        if self.is(Misbehaviour::ChangesRelayed) && self.is_third() {
            let mut changed = BytesMut::from(&body[..]);
            if let Some(last) = changed.last_mut() {
                *last ^= 0x10;
            }
            return changed.freeze();
        }
        if !self.is(Misbehaviour::RepeatsRelayed) {
            return body;
        }
        // Now and then an old one comes in the place of a new one, which its source has to send again.
        match self.relayed % 16 {
            0 => self.kept.replace(body.clone()).unwrap_or(body),
            8 => self.kept.clone().unwrap_or(body),
            _ => body,
        }
    }
}

impl Heard {
    /// Some member that has nothing to do with this payload.
    fn another_than(&self, head: &RoutedHead) -> Option<NodeId> {
        let own = self.members.get(self.own);
        let concerned = |id: &NodeId| *id == head.source || *id == head.destination || Some(id) == own;
        self.members.iter().copied().find(|id| !concerned(id))
    }
}

/// One engine's hook: counts marks, listens, and switches the injected bug on.
pub(crate) struct Hook {
    marks: Marks,
    ear: Ear,
    /// Whether somebody reads the marks in their order.
    tells_marks: bool,
    #[cfg(lacewing_inject)]
    inject: Option<String>,
}

impl Hook {
    #[cfg_attr(
        not(lacewing_inject),
        expect(unused_variables, reason = "bugs exist in simulation builds only")
    )]
    pub(crate) fn new(marks: &Marks, ear: &Ear, inject: Option<&str>) -> Self {
        Self {
            marks: marks.clone(),
            tells_marks: ear.lock().marks.is_some(),
            ear: ear.clone(),
            #[cfg(lacewing_inject)]
            inject: inject.map(str::to_owned),
        }
    }
}

impl Trace for Hook {
    fn mark(&mut self, name: &'static str) {
        if self.tells_marks {
            self.ear.lock().marks.get_or_insert_default().push(name);
        }
        {
            let mut marks = self.marks.0.lock().unwrap_or_else(PoisonError::into_inner);
            marks.entry(name.as_ptr().addr()).or_insert((name, 0)).1 += 1;
        }
        if name == "routing.way_changed" {
            self.ear.lock().ways_changed = true;
        } else if matches!(
            name,
            "directory.own_changed"
                | "directory.refreshed"
                | "directory.reincarnated"
                | "directory.own_sequence_overtaken"
        ) {
            self.ear.lock().announces = true;
        }
    }

    fn fault(&mut self, site: &'static str) -> bool {
        self.ear.lock().fault(site)
    }

    fn relayed(&mut self, body: &[u8]) {
        self.ear.lock().relays(body);
    }

    fn say(&mut self, frame: &'static str, body: Bytes) -> Bytes {
        self.ear.lock().say(frame, body)
    }

    #[cfg(lacewing_inject)]
    fn inject(&mut self, bug: &'static str) -> bool {
        self.inject.as_deref() == Some(bug)
    }
}
