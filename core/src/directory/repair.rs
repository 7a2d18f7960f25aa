//! Neighbours compare what they know, and ask each other for what they lack.
//!
//! A comparison starts with one hash over everything. Where it differs, the other side answers with finer hashes or with
//! versions, and both end with lists of owners to ask for. A request is answered by the sets, and then by a hash over
//! everything again, which says that this was all. Each side asks at its own pace, so that nobody is flooded.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::{Bytes, BytesMut};
use rand_core::Rng;

use super::digest::bucket_range;
use super::neighbour::{Asked, Neighbour, PRICE_FRAME, PRICE_VERSIONS, PRICE_VIEW};
use super::{Directory, Out};
use crate::code::CloseReason;
use crate::identity::NodeId;
use crate::link::LinkId;
use crate::machine::{Cx, injected};
use crate::time::Instant;
use crate::wire::body::directory::{
    BUCKET_HASH_LEN, DIGEST_VERSIONS_MAX, DirectoryDigest, DirectoryRequest, OwnerVersion, Version,
};
use crate::wire::frame::FrameType;

/// Owners in one request.
const ASKED_MAX: usize = 32;
/// Owners that wait to be asked for on one link. The next comparison finds the rest.
const WANTS_MAX: usize = 8_192;
/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Comparisons that this node begins on one link are at least this far apart.
const COMPARE_SPACING: Duration = Duration::from_millis(500);
/// Frames with versions in one answer. The next comparison shows the rest.
const VERSION_FRAMES_MAX: usize = 4;
/// A view of so many owners is compared owner by owner at once.
const SMALL_VIEW: usize = 48;

const FIRST: NodeId = NodeId::from_bytes([0; 32]);
const LAST: NodeId = NodeId::from_bytes([0xff; 32]);

impl Directory {
    pub(super) fn link_up(&mut self, cx: &mut Cx<'_>, link: LinkId, peer: NodeId) {
        self.link_down(link);
        // One side begins, or every difference would be found twice.
        let digest_at = if self.own < peer { cx.now } else { self.next_comparison(cx.now) };
        self.neighbours.insert(link, Neighbour::new(peer, self.rates, cx.now, digest_at));
    }

    pub(super) fn link_down(&mut self, link: LinkId) {
        self.drop_reassembly(link);
        self.release_wants(link);
        self.neighbours.remove(&link);
    }

    /// The next regular comparison: not in step with those of other links.
    fn next_comparison(&mut self, now: Instant) -> Instant {
        let interval = self.config.timing.directory_digest_interval;
        let fifth_ms = u64::try_from(interval.as_millis() / 5).unwrap_or(u64::MAX).max(1);
        now + interval.saturating_sub(Duration::from_millis(self.rng.next_u64() % fifth_ms))
    }

    /// Begins a comparison on a link soon: the neighbour lacks something.
    pub(super) fn offer(&mut self, link: LinkId, now: Instant) {
        if let Some(neighbour) = self.neighbours.get_mut(&link) {
            let soonest = neighbour.digest_sent.map_or(now, |sent| sent + COMPARE_SPACING);
            neighbour.digest_at = neighbour.digest_at.min(soonest.max(now));
        }
    }

    /// Does what is due on links.
    pub(super) fn links_due(&mut self, cx: &mut Cx<'_>) {
        let due = self.neighbours.iter().filter(|(_, neighbour)| neighbour.due() <= cx.now);
        let due: Vec<LinkId> = due.map(|(link, _)| *link).collect();
        for link in due {
            let Some(neighbour) = self.neighbours.get_mut(&link) else { continue };
            if neighbour.asked.as_ref().is_some_and(|asked| asked.until <= cx.now) {
                cx.count("directory.request_unanswered");
                neighbour.owes = true;
                self.release_wants(link);
            }
            self.serve(cx, link);
            let next = self.next_comparison(cx.now);
            let Some(neighbour) = self.neighbours.get_mut(&link) else { continue };
            if neighbour.digest_at > cx.now {
                continue;
            }
            neighbour.digest_at = next;
            // While the neighbour is being answered, the end of the answer is the next comparison.
            if neighbour.serving.is_empty() && !neighbour.cut && !injected!(cx, "comparison-forgotten") {
                self.send_view(cx, link, false);
            }
        }
    }

    fn send_view(&mut self, cx: &mut Cx<'_>, link: LinkId, ends_answer: bool) {
        let hash = self.view.hash(&*self.config.crypto);
        if let Some(neighbour) = self.neighbours.get_mut(&link) {
            neighbour.digest_sent = Some(cx.now);
        }
        self.send_digest(link, &DirectoryDigest::View { hash, ends_answer });
    }

    fn send_digest(&mut self, link: LinkId, digest: &DirectoryDigest) {
        let mut body = BytesMut::new();
        digest.encode(&mut body);
        let (frame_type, body) = (FrameType::DirectoryDigest, body.freeze());
        self.out.push_back(Out::Transmit { link, frame_type, body });
    }

    /// `DIRECTORY_DIGEST`.
    pub(super) fn digest(&mut self, cx: &mut Cx<'_>, link: LinkId, body: &[u8]) {
        let awaited = self.neighbours.get(&link).is_some_and(|neighbour| neighbour.asked.is_some());
        if !awaited && !self.charge(cx, link, PRICE_FRAME) {
            return;
        }
        match DirectoryDigest::decode(body) {
            Ok(DirectoryDigest::View { hash, ends_answer: true }) => self.answer_ended(cx, link, hash),
            Ok(DirectoryDigest::View { hash, ends_answer: false }) => {
                if self.charge(cx, link, PRICE_VIEW) {
                    self.compare_view(cx, link, hash);
                }
            }
            Ok(DirectoryDigest::Buckets { hashes }) => {
                if self.charge(cx, link, PRICE_VERSIONS) {
                    self.compare_buckets(cx, link, &hashes);
                }
            }
            Ok(DirectoryDigest::Versions { from, to, answer, owners }) => {
                if self.charge(cx, link, PRICE_VERSIONS) {
                    self.compare_versions(cx, link, (from, to), answer, &owners);
                }
            }
            Err(_) => {
                cx.count("directory.malformed");
                self.violation(link, CloseReason::MalformedFrame);
            }
        }
    }

    fn compare_view(&mut self, cx: &mut Cx<'_>, link: LinkId, hash: [u8; 32]) {
        let crypto = self.config.crypto.clone();
        if self.view.hash(&*crypto) == hash {
            // Both sides know now that there is nothing to do: the other one's comparison counts as ours.
            cx.mark("directory.views_equal");
            let next = self.next_comparison(cx.now);
            if let Some(neighbour) = self.neighbours.get_mut(&link) {
                neighbour.digest_at = next;
            }
            return self.set_compared(link);
        }
        cx.mark("directory.views_differ");
        if self.view.len() <= SMALL_VIEW {
            self.send_versions(cx, link, (FIRST, LAST), VERSION_FRAMES_MAX);
            return;
        }
        let short = |hash: [u8; 32]| {
            let mut short = [0; BUCKET_HASH_LEN];
            short.copy_from_slice(&hash[..BUCKET_HASH_LEN]);
            short
        };
        let hashes = self.view.bucket_hashes(&*crypto);
        let hashes = hashes.into_iter().map(|(bucket, hash)| (bucket, short(hash))).collect();
        self.send_digest(link, &DirectoryDigest::Buckets { hashes });
    }

    /// Shows the versions in all buckets that differ, as far as they fit one answer.
    fn compare_buckets(&mut self, cx: &mut Cx<'_>, link: LinkId, theirs: &[(u8, [u8; BUCKET_HASH_LEN])]) {
        let ours = self.view.bucket_hashes(&*self.config.crypto.clone());
        let differs = |bucket: u8| {
            let their = theirs.binary_search_by_key(&bucket, |(bucket, _)| *bucket).ok();
            let their = their.map(|place| &theirs[place].1[..]);
            their != ours.get(&bucket).map(|hash| &hash[..BUCKET_HASH_LEN])
        };
        // Beginning anywhere, so that a difference that cannot be mended does not hide the others for ever.
        let start = self.rng.next_u64() as u8;
        let (mut room, mut run): (usize, Option<(u8, u8)>) = (VERSION_FRAMES_MAX, None);
        for bucket in (start..=u8::MAX).chain(0..start) {
            let joined = run.filter(|(_, last)| last.checked_add(1) == Some(bucket));
            match (differs(bucket), joined) {
                (true, Some((first, _))) => run = Some((first, bucket)),
                (true, None) => {
                    self.send_run(cx, link, run.replace((bucket, bucket)), &mut room);
                }
                (false, _) => self.send_run(cx, link, run.take(), &mut room),
            }
        }
        self.send_run(cx, link, run, &mut room);
    }

    /// Shows the versions in neighbouring buckets.
    fn send_run(&mut self, cx: &mut Cx<'_>, link: LinkId, run: Option<(u8, u8)>, room: &mut usize) {
        let Some((first, last)) = run.filter(|_| *room > 0) else { return };
        let range = (bucket_range(first).0, bucket_range(last).1);
        *room = self.send_versions(cx, link, range, *room).unwrap_or(0);
    }

    /// Shows the versions of all owners in a range. Gives how many frames more may be sent; `None` if there was no room
    /// for the whole range, or the neighbour has been told too much.
    fn send_versions(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkId,
        (mut from, to): (NodeId, NodeId),
        mut room: usize,
    ) -> Option<usize> {
        loop {
            if room == 0 {
                return None;
            }
            let versions = self
                .view
                .range(from, to)
                .map(|(node, owner)| OwnerVersion { node: *node, version: owner.version() });
            let owners: Vec<OwnerVersion> = versions.take(DIGEST_VERSIONS_MAX as usize).collect();
            let cut = owners.last().filter(|_| owners.len() == DIGEST_VERSIONS_MAX as usize);
            let (end, next) = match cut.map(|last| last.node) {
                Some(last) if last < to => (last, successor(last)),
                _ => (to, None),
            };
            let list = DirectoryDigest::Versions { from, to: end, answer: false, owners };
            if !self.send_list(cx, link, &list) {
                return None;
            }
            room -= 1;
            match next {
                Some(next) => from = next,
                None => return Some(room),
            }
        }
    }

    /// Sends a list of versions, unless the neighbour has been told too much lately. The next comparison comes anyway.
    fn send_list(&mut self, cx: &mut Cx<'_>, link: LinkId, digest: &DirectoryDigest) -> bool {
        let DirectoryDigest::Versions { owners, .. } = digest else { return false };
        let Some(neighbour) = self.neighbours.get_mut(&link) else { return false };
        if neighbour.may_serve(cx.now, 64 * (owners.len() + 1)).is_err() {
            cx.count("directory.answer_withheld");
            return false;
        }
        self.send_digest(link, digest);
        true
    }

    /// Asks for what is later there, and shows what is later here.
    fn compare_versions(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkId,
        (from, to): (NodeId, NodeId),
        answer: bool,
        theirs: &[OwnerVersion],
    ) {
        for their in theirs {
            if self.known(&their.node).is_none_or(|known| known < their.version) {
                self.want(link, their.node, their.version);
            }
        }
        if !answer {
            let lacking = |node: &NodeId, version: Version| {
                let place = theirs.binary_search_by_key(node, |their| their.node);
                place.ok().is_none_or(|place| theirs[place].version < version)
            };
            let ours = self.view.range(from, to).map(|(node, owner)| (*node, owner.version()));
            let news: Vec<OwnerVersion> = ours
                .filter(|(node, version)| lacking(node, *version))
                .map(|(node, version)| OwnerVersion { node, version })
                .take(VERSION_FRAMES_MAX * DIGEST_VERSIONS_MAX as usize)
                .collect();
            for owners in news.chunks(DIGEST_VERSIONS_MAX as usize) {
                let owners = owners.to_vec();
                let list = DirectoryDigest::Versions { from, to, answer: true, owners };
                if !self.send_list(cx, link, &list) {
                    break;
                }
            }
        }
        self.set_compared(link);
        self.ask(cx, link);
    }

    /// What this node lacks on a link is known now.
    fn set_compared(&mut self, link: LinkId) {
        if let Some(neighbour) = self.neighbours.get_mut(&link) {
            neighbour.compared = true;
        }
    }

    /// Puts an owner on the list of those to ask for, unless it is on another one already. Being on the list of a neighbour
    /// that owes something does not count: it may claim to have anything.
    pub(super) fn want(&mut self, link: LinkId, node: NodeId, version: Version) {
        let limits = &self.config.limits;
        let no_room = self.view.get(&node).is_none() && self.view.len() > limits.directory_owners_max;
        let taken = self.wanted.get(&node).is_some_and(|(on, _)| {
            *on == link || self.neighbours.get(on).is_some_and(|neighbour| !neighbour.owes)
        });
        let many = self.wanted.len() >= limits.directory_owners_max;
        let Some(neighbour) = self.neighbours.get_mut(&link) else { return };
        if no_room || taken || many || neighbour.wants.len() >= WANTS_MAX {
            return;
        }
        self.wanted.insert(node, (link, version));
        neighbour.wants.push_back(node);
    }

    /// Asks for the next owners on the list, unless an answer is awaited.
    pub(super) fn ask(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        let Some(neighbour) = self.neighbours.get_mut(&link).filter(|neighbour| neighbour.asked.is_none())
        else {
            return;
        };
        let mut nodes = BTreeSet::new();
        while nodes.len() < ASKED_MAX
            && let Some(node) = neighbour.wants.pop_front()
        {
            // It may have come from elsewhere in the meantime.
            if self.wanted.get(&node).is_some_and(|(on, _)| *on == link) {
                nodes.insert(node);
            }
        }
        if nodes.is_empty() {
            return;
        }
        cx.mark("directory.asked");
        let request = DirectoryRequest { nodes: nodes.iter().copied().collect() };
        neighbour.asked = Some(Asked { nodes, until: cx.now + ANSWER_TIMEOUT, progress: false });
        let mut body = BytesMut::new();
        request.encode(&mut body);
        let (frame_type, body) = (FrameType::DirectoryRequest, body.freeze());
        self.out.push_back(Out::Transmit { link, frame_type, body });
    }

    /// Whether this node has asked for an owner on this link. It is answered now: what comes next was not asked for.
    pub(super) fn take_asked(&mut self, link: LinkId, node: &NodeId) -> bool {
        let asked = self.neighbours.get_mut(&link).and_then(|neighbour| neighbour.asked.as_mut());
        let was_asked = asked.is_some_and(|asked| asked.nodes.remove(node));
        if was_asked {
            self.wanted.remove(node);
        }
        was_asked
    }

    /// An owner that was perhaps to be asked for is here.
    pub(super) fn fulfil(&mut self, link: LinkId, node: NodeId, solicited: bool) {
        let known = self.known(&node);
        if self.wanted.get(&node).is_some_and(|(_, version)| known.is_some_and(|known| known >= *version)) {
            self.wanted.remove(&node);
        }
        let asked = self.neighbours.get_mut(&link).and_then(|neighbour| neighbour.asked.as_mut());
        if let Some(asked) = asked {
            asked.progress |= solicited;
        }
    }

    /// The neighbour has sent all that it has of what was asked for.
    fn answer_ended(&mut self, cx: &mut Cx<'_>, link: LinkId, hash: [u8; 32]) {
        let Some(neighbour) = self.neighbours.get_mut(&link) else { return };
        let Some(asked) = neighbour.asked.take() else { return };
        neighbour.owes = !asked.nodes.is_empty();
        for node in &asked.nodes {
            if self.wanted.get(node).is_some_and(|(on, _)| *on == link) {
                self.wanted.remove(node);
            }
        }
        self.ask(cx, link);
        let waiting = self.neighbours.get(&link).is_some_and(|neighbour| neighbour.asked.is_some());
        if !waiting && asked.progress && self.view.hash(&*self.config.crypto.clone()) != hash {
            self.offer(link, cx.now);
        }
    }

    /// Gives up what was to be asked for on a link; another link's comparison finds it again.
    fn release_wants(&mut self, link: LinkId) {
        let Some(neighbour) = self.neighbours.get_mut(&link) else { return };
        let asked = neighbour.asked.take().map(|asked| asked.nodes).unwrap_or_default();
        let wants = core::mem::take(&mut neighbour.wants);
        for node in asked.into_iter().chain(wants) {
            if self.wanted.get(&node).is_some_and(|(on, _)| *on == link) {
                self.wanted.remove(&node);
            }
        }
    }

    /// `DIRECTORY_REQUEST`.
    pub(super) fn request(&mut self, cx: &mut Cx<'_>, link: LinkId, body: &[u8]) {
        if self.neighbours.get(&link).is_some_and(|neighbour| !neighbour.serving.is_empty()) {
            // Whoever waits for the end of an answer never comes here.
            cx.count("directory.request_too_soon");
            self.charge(cx, link, PRICE_VERSIONS);
            return;
        }
        let Ok(request) = DirectoryRequest::decode(body) else {
            cx.count("directory.malformed");
            return self.violation(link, CloseReason::MalformedFrame);
        };
        // Whoever asks has compared, and has shown before what it has.
        self.set_compared(link);
        let Some(neighbour) = self.neighbours.get_mut(&link) else { return };
        neighbour.serving = request.nodes.into();
        neighbour.serve_at = cx.now;
        self.serve(cx, link);
    }

    fn next_served(&self, link: LinkId) -> Option<NodeId> {
        self.neighbours.get(&link)?.serving.front().copied()
    }

    /// Sends what a neighbour has asked for, as fast as it may.
    fn serve(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        if self.neighbours.get(&link).is_none_or(|neighbour| neighbour.serve_at > cx.now) {
            return;
        }
        while let Some(node) = self.next_served(link) {
            if node == self.own {
                self.sign(cx.now);
            }
            let frames =
                self.view.get(&node).map(|owner| Self::set_frames(cx.now, owner)).unwrap_or_default();
            let bytes = frames.iter().map(Bytes::len).sum();
            let Some(neighbour) = self.neighbours.get_mut(&link) else { return };
            if let Err(at) = neighbour.may_serve(cx.now, bytes) {
                cx.mark("directory.answer_paced");
                neighbour.serve_at = at;
                return;
            }
            neighbour.serving.pop_front();
            for body in frames {
                self.out.push_back(Out::Transmit { link, frame_type: FrameType::DirectoryDelta, body });
            }
        }
        if let Some(neighbour) = self.neighbours.get_mut(&link) {
            neighbour.serve_at = Instant::NEVER;
        }
        self.send_view(cx, link, true);
    }
}

/// The id after this one; `None` after the last.
fn successor(node: NodeId) -> Option<NodeId> {
    let mut bytes = *node.as_bytes();
    for byte in bytes.iter_mut().rev() {
        let (next, carry) = byte.overflowing_add(1);
        *byte = next;
        if !carry {
            return Some(NodeId::from_bytes(bytes));
        }
    }
    None
}
