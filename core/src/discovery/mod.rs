//! Who serves an action that the directory does not know: a question that is flooded, so that calls never are.
//!
//! The echo algorithm (Chang, 1982): the first neighbour to bring a question is the parent, the question goes on to all
//! other neighbours, and each of them answers, or crosses it with the same question, which counts as its answer. When all
//! have answered, this node answers its parent. No node sends more than one frame of a question on a link, so there are at
//! most two for each link.
//!
//! A `no` is sound: a neighbour that crosses a question reports what lies behind it to its own parent, and whoever loses a
//! link to somebody who has not answered reports `incomplete`. A `yes` carries a proof, and every node on the way checks it:
//! a forged one counts as `incomplete` where it enters and stops nobody from waiting for a true one. Only a node that lies
//! with a `no` is believed; it hides what it would have had to pass on, and nothing that others can reach without it first.

mod allowance;
mod cache;
mod flood;
mod past;
mod probe;
#[cfg(test)]
mod tests;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

use self::allowance::{Bucket, Neighbour, OWN};
use self::cache::{Cache, Known};
use self::flood::Terms;
use self::past::Past;
use self::probe::{Asker, Probe, Stage};
use crate::code::CloseReason;
use crate::config::Config;
use crate::identity::NodeId;
use crate::link::LinkId;
use crate::machine::{Cx, Machine};
use crate::time::Instant;
use crate::wire::body::discovery::{QUESTION_HOPS_MAX, QuestionId};
use crate::wire::frame::{FrameHeader, FrameType};
use crate::wire::path::ActionPath;

/// A question of this node's own. The asker chooses the number, and never uses it twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct QueryId(pub(crate) u64);

/// A question that passes through this node, its own or another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ProbeId(u64);

/// A proof that is being checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CheckId(u64);

/// What discovery is told.
#[derive(Debug)]
pub(crate) enum In {
    /// A neighbour is there, by this link. Which one does not matter.
    LinkUp { link: LinkId },
    /// The link is gone, or another one has taken its place.
    LinkDown { link: LinkId },
    /// `WHO_HAS` or `WHO_HAS_ANSWER`.
    Frame { link: LinkId, header: FrameHeader, body: Bytes },
    /// Who serves `path`? The answer comes before half of the time to `deadline` is over, so that the other half is left
    /// for the call. Without `gather` the first yes ends the question; with it, every yes within that time is collected,
    /// and the first one after it ends the question.
    Ask { query: QueryId, path: Arc<ActionPath>, deadline: Instant, gather: Option<Duration> },
    /// Nobody waits for this answer any more.
    Abandon { query: QueryId },
    /// What this node's directory knows: the proof of one provider that may be called, as its owner signed it.
    Resolved { probe: ProbeId, answer: Option<Bytes> },
    /// Whether a proof is good, and whose it is.
    Checked { check: CheckId, valid: bool, node: Option<NodeId> },
    /// The directory changed, this node's own entries included: for these paths, or (`None`) nobody knows for which. What is
    /// cached of them is forgotten, so that nobody is told of a provider that is paused or gone.
    DirectoryChanged { paths: Option<Vec<Arc<ActionPath>>> },
    /// Answer everything that is open, and ask nothing more.
    Stop,
}

/// What discovery gives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Out {
    /// Send this frame.
    Transmit { link: LinkId, frame_type: FrameType, body: Bytes },
    /// What does the directory know? [`In::Resolved`] answers.
    Resolve { probe: ProbeId, path: Arc<ActionPath> },
    /// Does this prove that a live node serves `path` and may be called? [`In::Checked`] answers.
    Check { check: CheckId, path: Arc<ActionPath>, proof: Bytes },
    /// What came of a question: exactly one for each [`In::Ask`].
    Answer { query: QueryId, outcome: Outcome },
    /// The peer broke the rules.
    Violation { link: LinkId, reason: CloseReason },
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// These serve it: proofs that were checked, of different nodes, at least one and without `gather` exactly one.
    Found(Vec<Bytes>),
    /// Everybody within reach was asked, and nobody serves it.
    NotFound,
    /// Nobody was found, and not everybody could be asked.
    Incomplete,
}

/// The longest time that a question is given, whatever its asker says.
const TIME_LEFT_MAX: Duration = Duration::from_secs(60);
/// Proofs that may be checked at the same time. At the limit they count as incomplete.
const CHECKS_MAX: usize = 1_024;
/// Bytes of proofs that questions may have gathered. At the limit a question ends with what it has.
const GATHERED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A proof that is being checked.
#[derive(Debug)]
struct Check {
    /// The question that it answers, which may be over by now.
    probe: Option<ProbeId>,
    path: Arc<ActionPath>,
    proof: Bytes,
}

/// The machine.
#[derive(Debug)]
pub(crate) struct Discovery {
    config: Arc<Config>,
    own: NodeId,
    rng: ChaCha8Rng,
    stopping: bool,
    neighbours: BTreeMap<LinkId, Neighbour>,
    links_seen: u64,
    probes: BTreeMap<ProbeId, Probe>,
    by_id: BTreeMap<QuestionId, ProbeId>,
    /// The latest question of this node for each path, which others for the same path may join.
    own_probes: BTreeMap<Arc<ActionPath>, ProbeId>,
    queries: BTreeMap<QueryId, ProbeId>,
    /// When each probe wants to be looked at.
    wake_ups: BTreeSet<(Instant, ProbeId)>,
    last_probe: u64,
    checks: BTreeMap<CheckId, Check>,
    last_check: u64,
    gathered_bytes: usize,
    past: Past,
    cache: Cache,
    own_allowance: Bucket,
    stray_allowance: Bucket,
    out: VecDeque<Out>,
}

impl Discovery {
    pub(crate) fn new(config: Arc<Config>, own: NodeId, rng: ChaCha8Rng) -> Self {
        Self {
            config,
            own,
            rng,
            stopping: false,
            neighbours: BTreeMap::new(),
            links_seen: 0,
            probes: BTreeMap::new(),
            by_id: BTreeMap::new(),
            own_probes: BTreeMap::new(),
            queries: BTreeMap::new(),
            wake_ups: BTreeSet::new(),
            last_probe: 0,
            checks: BTreeMap::new(),
            last_check: 0,
            gathered_bytes: 0,
            past: Past::default(),
            cache: Cache::default(),
            own_allowance: Bucket::default(),
            stray_allowance: Bucket::default(),
            out: VecDeque::new(),
        }
    }

    pub(crate) fn gauges(&self, mut gauge: impl FnMut(&'static str, usize, usize, bool)) {
        let limits = &self.config.limits;
        gauge("discovery.questions", self.probes.len(), limits.questions_max, true);
        gauge("discovery.checks", self.checks.len(), CHECKS_MAX, true);
        gauge("discovery.gathered_bytes", self.gathered_bytes, GATHERED_BYTES_MAX, true);
        gauge("discovery.remembered", self.past.len(), limits.remembered_questions_max, false);
        gauge("discovery.cached", self.cache.len(), limits.cached_answers_max, false);
    }

    fn ask(
        &mut self,
        cx: &mut Cx<'_>,
        query: QueryId,
        path: Arc<ActionPath>,
        deadline: Instant,
        gather: Option<Duration>,
    ) {
        debug_assert!(!self.queries.contains_key(&query), "a question's number is used once");
        let time = (deadline - cx.now).min(TIME_LEFT_MAX) / 2;
        if self.stopping || time.is_zero() {
            return self.answer(query, Outcome::Incomplete);
        }
        if gather.is_none() {
            match self.cache.get(cx.now, &path) {
                Some(Known::Served(proof)) => {
                    cx.mark("discovery.known_from_before");
                    let outcome = Outcome::Found(Vec::from([proof.clone()]));
                    return self.answer(query, outcome);
                }
                Some(Known::Absent) => {
                    cx.mark("discovery.absent_from_before");
                    return self.answer(query, Outcome::NotFound);
                }
                None => {}
            }
            if self.join(cx, query, &path, time) {
                return;
            }
        }
        if !self.has_room(true) {
            cx.count("discovery.questions_full");
            return self.answer(query, Outcome::Incomplete);
        }
        if !self.own_allowance.take(cx.now, OWN) {
            cx.count("discovery.asked_too_often");
            return self.answer(query, Outcome::Incomplete);
        }
        let id = self.fresh_id();
        let hops = self.config.limits.question_hops_max.clamp(1, QUESTION_HOPS_MAX);
        let asker = Asker::Own(Vec::from([query]));
        let probe = self.begin(cx, id, path.clone(), asker, Terms { hops, time, gather, modest: true });
        self.queries.insert(query, probe);
        if gather.is_none() {
            self.own_probes.insert(path, probe);
        }
    }

    /// Waits with another question of this node for the same path, if enough of the time is left in it.
    fn join(&mut self, cx: &mut Cx<'_>, query: QueryId, path: &ActionPath, time: Duration) -> bool {
        let Some(id) = self.own_probes.get(path).copied() else { return false };
        let Some(probe) = self.probes.get_mut(&id) else { return false };
        let left = probe.cut - cx.now;
        let Asker::Own(queries) = &mut probe.asker else { return false };
        if left > time || left < time / 2 {
            return false;
        }
        cx.mark("discovery.joined");
        queries.push(query);
        self.queries.insert(query, id);
        true
    }

    fn fresh_id(&mut self) -> QuestionId {
        loop {
            let id = QuestionId { origin: self.own, number: self.rng.next_u64() };
            if !self.by_id.contains_key(&id) && self.past.get(&id).is_none() {
                return id;
            }
        }
    }

    fn abandon(&mut self, query: QueryId) {
        let Some(id) = self.queries.remove(&query) else { return };
        if let Some(Probe { asker: Asker::Own(queries), .. }) = self.probes.get_mut(&id) {
            queries.retain(|other| *other != query);
        }
    }

    fn answer(&mut self, query: QueryId, outcome: Outcome) {
        self.out.push_back(Out::Answer { query, outcome });
    }

    fn link_up(&mut self, link: LinkId) {
        self.links_seen += 1;
        let again = self.neighbours.insert(link, Neighbour::new(self.links_seen));
        debug_assert!(again.is_none(), "a link comes up once");
        // There is somebody new to ask.
        self.cache.forget_absences();
        for probe in self.probes.values_mut() {
            probe.keep_no = false;
        }
    }

    fn directory_changed(&mut self, paths: Option<&[Arc<ActionPath>]>) {
        match paths {
            None => self.cache.clear(),
            Some(paths) => paths.iter().for_each(|path| self.cache.remove(path)),
        }
        // What this node waits for may be known now.
        for (id, probe) in &mut self.probes {
            let touched = paths.is_none_or(|paths| paths.contains(&probe.path));
            if touched && probe.stage == Stage::Out && matches!(probe.asker, Asker::Own(_)) {
                probe.keep_no = false;
                self.out.push_back(Out::Resolve { probe: *id, path: probe.path.clone() });
            }
        }
    }

    fn stop(&mut self, cx: &mut Cx<'_>) {
        self.stopping = true;
        self.checks.clear();
        let open: Vec<ProbeId> = self.probes.keys().copied().collect();
        for id in open {
            self.cut_off(cx, id);
        }
    }
}

impl Machine for Discovery {
    type In = In;
    type Out = Out;

    fn handle(&mut self, cx: &mut Cx<'_>, input: In) {
        self.past.forget(cx.now);
        match input {
            In::LinkUp { link } => self.link_up(link),
            In::LinkDown { link } => self.link_down(cx, link),
            In::Frame { link, header, body } => match header.frame_type {
                FrameType::WhoHas => self.question_came(cx, link, &body),
                FrameType::WhoHasAnswer => self.answer_came(cx, link, &body),
                other => debug_assert!(false, "{} is no frame of discovery", other.name()),
            },
            In::Ask { query, path, deadline, gather } => self.ask(cx, query, path, deadline, gather),
            In::Abandon { query } => self.abandon(query),
            In::Resolved { probe, answer } => self.resolved(cx, probe, answer),
            In::Checked { check, valid, node } => self.checked(cx, check, node.filter(|_| valid)),
            In::DirectoryChanged { paths } => self.directory_changed(paths.as_deref()),
            In::Stop => self.stop(cx),
        }
    }

    fn poll(&mut self) -> Option<Out> {
        self.out.pop_front()
    }

    fn timeout(&self) -> Option<Instant> {
        self.wake_ups.first().map(|(wake, _)| *wake)
    }

    fn on_timeout(&mut self, cx: &mut Cx<'_>) {
        self.past.forget(cx.now);
        while let Some((_, id)) = self.wake_ups.first().copied().filter(|(wake, _)| *wake <= cx.now) {
            self.wake(cx, id);
        }
    }
}
