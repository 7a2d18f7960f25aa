//! The way of a question through this node: it comes, goes on, is answered, and ends.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::allowance::{Admission, STRAY};
use super::cache::Known;
use super::past::{Ended, Reach};
use super::probe::{Asker, Probe, Stage};
use super::{
    CHECKS_MAX, Check, CheckId, Discovery, GATHERED_BYTES_MAX, Out, Outcome, ProbeId, TIME_LEFT_MAX,
};
use crate::code::CloseReason;
use crate::identity::NodeId;
use crate::link::LinkId;
use crate::machine::{Cx, injected};
use crate::time::Instant;
use crate::wire::body::discovery::{Finding, PROOF_LEN_MAX, PROOFS_MAX, QuestionId, WhoHas, WhoHasAnswer};
use crate::wire::frame::FrameType;
use crate::wire::path::ActionPath;

/// How far and how long a question goes from here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// Links that it may still cross.
    pub(super) hops: u8,
    /// How long this node waits for its neighbours.
    pub(super) time: Duration,
    /// For how long the first yes is not enough.
    pub(super) gather: Option<Duration>,
    /// Whether whoever brings it does not bring many.
    pub(super) modest: bool,
}

/// How a question ends.
#[derive(Debug)]
enum Verdict {
    Yes(Vec<Bytes>),
    No,
    Incomplete,
}

impl Discovery {
    /// A `WHO_HAS` arrived.
    pub(super) fn question_came(&mut self, cx: &mut Cx<'_>, link: LinkId, body: &[u8]) {
        let Ok(question) = WhoHas::decode(body) else {
            return self.violation(link, CloseReason::MalformedFrame);
        };
        let id = question.id;
        let Some(neighbour) = self.neighbours.get_mut(&link) else {
            // Both sides may disagree for a moment about which of two links counts.
            cx.mark("discovery.stray_question");
            if self.stray_allowance.take(cx.now, STRAY) {
                self.tell(link, id, Finding::Incomplete);
            }
            return;
        };
        let admission = neighbour.admit(cx.now);
        if admission == Admission::Flooding {
            cx.count("discovery.flooded");
            return self.violation(link, CloseReason::Flooding);
        }
        if let Some(probe) = self.by_id.get(&id).copied() {
            return self.question_came_again(cx, link, probe, &question.path);
        }
        if self.past.get(&id).is_some() {
            return self.question_came_late(cx, link, &question);
        }
        if id.origin == self.own {
            // It is ours and forgotten, or never was.
            cx.count("discovery.own_question_unknown");
            return self.refuse(cx.now, link, question);
        }
        let modest = admission == Admission::Taken { modest: true };
        let full = !self.has_room(modest) || self.stopping;
        if full || admission == Admission::TooMany || !self.admit_asker(cx.now, link, id.origin) {
            cx.count("discovery.question_refused");
            return self.refuse(cx.now, link, question);
        }
        let time = Duration::from_micros(question.time_left_us).min(TIME_LEFT_MAX) / 2;
        let gather = question.gather_us.map(Duration::from_micros);
        let terms = Terms { hops: question.hops - 1, time, gather, modest };
        self.begin(cx, id, Arc::new(question.path), Asker::Parent(link), terms);
    }

    /// Whether one more question fits. Neighbours that bring many get half of the room.
    pub(super) fn has_room(&self, modest: bool) -> bool {
        let count_max = self.config.limits.questions_max;
        self.probes.len() < if modest { count_max } else { count_max / 2 }
    }

    fn admit_asker(&mut self, now: Instant, link: LinkId, asker: NodeId) -> bool {
        self.neighbours.get_mut(&link).is_some_and(|neighbour| neighbour.admit_asker(now, asker))
    }

    /// Answers `incomplete`, and remembers it, so that the question is not taken from somebody else later: the neighbour
    /// would get a second frame.
    fn refuse(&mut self, now: Instant, link: LinkId, question: WhoHas) {
        let reach = Reach::default();
        let path = Arc::new(question.path);
        let ended = Ended { path, settled: false, parent: Some(link), reach };
        self.past.insert(now, question.id, ended, self.config.limits.remembered_questions_max);
        self.tell(link, question.id, Finding::Incomplete);
    }

    /// A question that is under way comes by another link, or by the same one again.
    fn question_came_again(&mut self, cx: &mut Cx<'_>, link: LinkId, id: ProbeId, path: &ActionPath) {
        let Some(neighbour) = self.neighbours.get_mut(&link) else { return };
        let Some(probe) = self.probes.get_mut(&id) else { return };
        let same = *probe.path == *path;
        if probe.parent() == Some(link) {
            cx.count("discovery.asked_twice");
        } else if probe.went_to(link, neighbour.order) {
            if !probe.waiting.remove(&link) {
                cx.count("discovery.asked_twice");
                return;
            }
            // Its question and ours have crossed: each is the answer to the other.
            cx.mark("discovery.crossed");
            neighbour.owes = neighbour.owes.saturating_sub(1);
            if !same {
                cx.count("discovery.path_differs");
                probe.incomplete = true;
            }
            self.conclude_if_settled(cx, id);
        } else if !same {
            // Somebody uses another's question for a path of its own. Whoever is honest here must not take a `no` for it.
            cx.count("discovery.path_differs");
            let id = probe.id;
            self.tell(link, id, Finding::Incomplete);
        } else if probe.stage == Stage::Resolving {
            probe.heard.insert(link);
        } else {
            // It came up after the question went out. What is found here reaches the asker by the parent.
            cx.mark("discovery.asked_by_a_newcomer");
            let id = probe.id;
            self.tell(link, id, Finding::No);
        }
    }

    /// A question that is over comes by another link.
    fn question_came_late(&mut self, cx: &mut Cx<'_>, link: LinkId, question: &WhoHas) {
        let Some(neighbour) = self.neighbours.get(&link) else { return };
        let Some(ended) = self.past.get(&question.id) else { return };
        if ended.parent == Some(link) || ended.reach.covers(link, neighbour.order) {
            cx.mark("discovery.crossed_late");
            return;
        }
        cx.mark("discovery.asked_late");
        let finding = match self.cache.get(cx.now, &question.path) {
            Some(Known::Served(proof)) => Finding::Yes(Vec::from([proof.clone()])),
            _ if ended.settled && *ended.path == question.path => Finding::No,
            _ => Finding::Incomplete,
        };
        self.tell(link, question.id, finding);
    }

    /// A question begins here: what does this node know itself?
    pub(super) fn begin(
        &mut self,
        cx: &mut Cx<'_>,
        id: QuestionId,
        path: Arc<ActionPath>,
        asker: Asker,
        terms: Terms,
    ) -> ProbeId {
        let Terms { hops, time, gather, modest } = terms;
        self.last_probe += 1;
        let probe_id = ProbeId(self.last_probe);
        let cut = cx.now + time;
        let gather_until = gather.map(|gather| cx.now + gather.min(time));
        let wake = gather_until.unwrap_or(cut);
        let probe = Probe {
            id,
            path: path.clone(),
            asker,
            stage: Stage::Resolving,
            hops,
            modest,
            cut,
            gather_until,
            wake,
            heard: BTreeSet::new(),
            reach: Reach::default(),
            waiting: BTreeSet::new(),
            checking: 0,
            incomplete: false,
            proofs: Vec::new(),
            keep_no: true,
        };
        self.probes.insert(probe_id, probe);
        self.by_id.insert(id, probe_id);
        self.wake_ups.insert((wake, probe_id));
        self.out.push_back(Out::Resolve { probe: probe_id, path });
        probe_id
    }

    /// The directory has answered.
    pub(super) fn resolved(&mut self, cx: &mut Cx<'_>, id: ProbeId, answer: Option<Bytes>) {
        let Some(probe) = self.probes.get_mut(&id) else { return };
        let gathers = probe.gathers(cx.now);
        let fits = |proof: &Bytes| (1..=PROOF_LEN_MAX).contains(&proof.len());
        debug_assert!(answer.as_ref().is_none_or(fits), "a proof that cannot be passed on");
        probe.incomplete |= answer.as_ref().is_some_and(|proof| !fits(proof));
        let path = probe.path.clone();
        let known = match answer.filter(fits) {
            Some(proof) => {
                if probe.parent().is_some() {
                    // For whoever brings the same question by another way.
                    self.keep(cx.now, &path, proof.clone());
                }
                Some(proof)
            }
            None if gathers || probe.stage == Stage::Out => None,
            None => match self.cache.get(cx.now, &path) {
                Some(Known::Served(proof)) => Some(proof.clone()),
                Some(Known::Absent) | None => None,
            },
        };
        match known {
            Some(proof) if gathers => self.check(cx, id, proof),
            Some(proof) => {
                cx.mark("discovery.known_here");
                return self.conclude(cx, id, Verdict::Yes(Vec::from([proof])));
            }
            None => {}
        }
        if self.probes.get(&id).is_some_and(|probe| probe.stage == Stage::Resolving) {
            self.send_out(cx, id);
        }
    }

    /// Passes a question on to every neighbour but the one that brought it.
    fn send_out(&mut self, cx: &mut Cx<'_>, id: ProbeId) {
        let Some(probe) = self.probes.get_mut(&id) else { return };
        probe.stage = Stage::Out;
        let parent = probe.parent();
        let left = probe.cut - cx.now;
        let others = self.neighbours.keys().any(|link| Some(*link) != parent);
        if others && (probe.hops == 0 || left < Duration::from_micros(1)) {
            cx.mark("discovery.went_too_far");
            probe.incomplete |= !injected!(cx, "unasked-counts-as-no");
        } else if others {
            probe.reach.before = self.links_seen + 1;
            let gather_us = probe.gather_until.map(|until| micros(until - cx.now) / 2);
            let question = WhoHas {
                id: probe.id,
                path: (*probe.path).clone(),
                hops: probe.hops,
                time_left_us: micros(left),
                gather_us,
            };
            let mut body = Vec::new();
            question.encode(&mut body);
            let body = Bytes::from(body);
            let copies = if injected!(cx, "question-sent-twice") { 2 } else { 1 };
            for (link, neighbour) in &mut self.neighbours {
                let link = *link;
                if Some(link) == parent {
                    continue;
                }
                if !neighbour.may_be_asked(cx.now, probe.modest) {
                    cx.count("discovery.neighbour_not_asked");
                    probe.reach.skipped.push(link);
                    probe.incomplete = true;
                    continue;
                }
                for _ in 0..copies {
                    let body = body.clone();
                    self.out.push_back(Out::Transmit { link, frame_type: FrameType::WhoHas, body });
                }
                if !probe.heard.remove(&link) {
                    neighbour.owes = neighbour.owes.saturating_add(1);
                    probe.waiting.insert(link);
                }
            }
        }
        // Whoever brought the question too and was not asked must not wait for those who were: they may wait for it.
        let (name, unasked) = (probe.id, core::mem::take(&mut probe.heard));
        if probe.is_settled() {
            probe.heard = unasked;
        } else {
            for link in unasked {
                self.tell(link, name, Finding::No);
            }
        }
        self.conclude_if_settled(cx, id);
    }

    /// A `WHO_HAS_ANSWER` arrived.
    pub(super) fn answer_came(&mut self, cx: &mut Cx<'_>, link: LinkId, body: &[u8]) {
        let Ok(WhoHasAnswer { id, finding }) = WhoHasAnswer::decode(body) else {
            return self.violation(link, CloseReason::MalformedFrame);
        };
        // An answer on a link that was replaced: it has counted as incomplete.
        let Some(neighbour) = self.neighbours.get_mut(&link) else { return };
        if neighbour.owes == 0 {
            cx.count("discovery.answer_unasked");
            return self.violation(link, CloseReason::UnexpectedFrame);
        }
        neighbour.owes -= 1;
        let Some(probe_id) = self.by_id.get(&id).copied() else {
            return self.answer_came_late(cx, &id, finding);
        };
        let Some(probe) = self.probes.get_mut(&probe_id) else { return };
        if !probe.waiting.remove(&link) {
            cx.count("discovery.answered_twice");
            return;
        }
        match finding {
            Finding::No => {}
            Finding::Incomplete => {
                cx.mark("discovery.incomplete_behind");
                probe.incomplete |= !injected!(cx, "unasked-counts-as-no");
            }
            Finding::Yes(proofs) => {
                let wanted = if probe.gathers(cx.now) { PROOFS_MAX } else { 1 };
                for proof in proofs.into_iter().take(wanted) {
                    self.check(cx, probe_id, proof);
                }
            }
        }
        self.conclude_if_settled(cx, probe_id);
    }

    /// A yes that comes too late for its question is of use to the next one.
    fn answer_came_late(&mut self, cx: &mut Cx<'_>, id: &QuestionId, finding: Finding) {
        cx.mark("discovery.answered_late");
        let Some(ended) = self.past.get(id) else { return };
        let path = ended.path.clone();
        let known = matches!(self.cache.get(cx.now, &path), Some(Known::Served(_)));
        if let Finding::Yes(proofs) = finding
            && !known
            && !self.stopping
            && let Some(proof) = proofs.into_iter().next()
        {
            self.start_check(cx, Check { probe: None, path, proof });
        }
    }

    fn check(&mut self, cx: &mut Cx<'_>, id: ProbeId, proof: Bytes) {
        let Some(probe) = self.probes.get(&id) else { return };
        let path = probe.path.clone();
        let started = self.start_check(cx, Check { probe: Some(id), path, proof });
        if let Some(probe) = self.probes.get_mut(&id) {
            probe.checking += usize::from(started);
            probe.incomplete |= !started;
        }
    }

    fn start_check(&mut self, cx: &mut Cx<'_>, check: Check) -> bool {
        if self.checks.len() >= CHECKS_MAX {
            cx.count("discovery.checks_full");
            return false;
        }
        self.last_check += 1;
        let id = CheckId(self.last_check);
        let (path, proof) = (check.path.clone(), check.proof.clone());
        self.out.push_back(Out::Check { check: id, path, proof });
        self.checks.insert(id, check);
        true
    }

    /// A proof was checked; `node` is there where it is good.
    pub(super) fn checked(&mut self, cx: &mut Cx<'_>, check: CheckId, node: Option<NodeId>) {
        let Some(Check { probe, path, proof }) = self.checks.remove(&check) else { return };
        if node.is_some() {
            self.keep(cx.now, &path, proof.clone());
        } else {
            cx.count("discovery.proof_refused");
        }
        let Some(id) = probe else { return };
        let Some(probe) = self.probes.get_mut(&id) else { return };
        probe.checking -= 1;
        let Some(node) = node else {
            probe.incomplete = true;
            return self.conclude_if_settled(cx, id);
        };
        self.gathered_bytes += probe.add(node, proof);
        if !probe.gathers(cx.now) || self.gathered_bytes > GATHERED_BYTES_MAX {
            return self.conclude_by_what_is_there(cx, id);
        }
        cx.mark("discovery.gathers");
        self.conclude_if_settled(cx, id);
    }

    fn keep(&mut self, now: Instant, path: &Arc<ActionPath>, proof: Bytes) {
        let until = now + self.config.timing.found_ttl;
        self.cache.put(path, Known::Served(proof), until, self.config.limits.cached_answers_max);
    }

    /// A link is gone: whoever has not answered on it counts as incomplete.
    pub(super) fn link_down(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        if self.neighbours.remove(&link).is_none() {
            return;
        }
        let (mut orphans, mut touched) = (Vec::new(), Vec::new());
        for (id, probe) in &mut self.probes {
            probe.heard.remove(&link);
            if probe.parent() == Some(link) {
                orphans.push(*id);
            } else if probe.waiting.remove(&link) {
                cx.mark("discovery.link_lost");
                probe.incomplete |= !injected!(cx, "unasked-counts-as-no");
                touched.push(*id);
            }
        }
        for id in orphans {
            // Nobody hears the answer: the parent has counted this node as incomplete.
            cx.mark("discovery.orphaned");
            self.conclude(cx, id, Verdict::Incomplete);
        }
        for id in touched {
            self.conclude_if_settled(cx, id);
        }
    }

    /// A probe is due.
    pub(super) fn wake(&mut self, cx: &mut Cx<'_>, id: ProbeId) {
        let Some(probe) = self.probes.get_mut(&id) else {
            debug_assert!(false, "a wake-up outlived its probe");
            self.wake_ups.retain(|(_, other)| *other != id);
            return;
        };
        if probe.cut <= cx.now {
            cx.mark("discovery.cut_off");
            return self.cut_off(cx, id);
        }
        if !probe.proofs.is_empty() {
            return self.conclude_by_what_is_there(cx, id);
        }
        // The time for gathering is over, and the first yes is enough from now on.
        self.wake_ups.remove(&(probe.wake, id));
        probe.wake = probe.cut;
        self.wake_ups.insert((probe.wake, id));
    }

    /// Whoever has not answered by now counts as incomplete.
    pub(super) fn cut_off(&mut self, cx: &mut Cx<'_>, id: ProbeId) {
        if let Some(probe) = self.probes.get_mut(&id) {
            probe.incomplete |= !probe.is_settled();
            self.conclude_by_what_is_there(cx, id);
        }
    }

    fn conclude_if_settled(&mut self, cx: &mut Cx<'_>, id: ProbeId) {
        if self.probes.get(&id).is_some_and(Probe::is_settled) {
            self.conclude_by_what_is_there(cx, id);
        }
    }

    fn conclude_by_what_is_there(&mut self, cx: &mut Cx<'_>, id: ProbeId) {
        let Some(probe) = self.probes.get(&id) else { return };
        let verdict = if !probe.proofs.is_empty() {
            Verdict::Yes(probe.proofs.iter().map(|(_, proof)| proof.clone()).collect())
        } else if let Some(Known::Served(proof)) = self.cache.get(cx.now, &probe.path) {
            // Found meanwhile, for another question.
            Verdict::Yes(Vec::from([proof.clone()]))
        } else if probe.incomplete {
            Verdict::Incomplete
        } else {
            Verdict::No
        };
        self.conclude(cx, id, verdict);
    }

    /// Ends a question and answers whoever waits for it. The one place where questions end.
    fn conclude(&mut self, cx: &mut Cx<'_>, id: ProbeId, verdict: Verdict) {
        let Some(probe) = self.probes.remove(&id) else { return };
        self.by_id.remove(&probe.id);
        self.wake_ups.remove(&(probe.wake, id));
        self.gathered_bytes -= probe.proofs.iter().map(|(_, proof)| proof.len()).sum::<usize>();
        let finding = match verdict {
            Verdict::Yes(proofs) => Finding::Yes(proofs),
            Verdict::No => Finding::No,
            Verdict::Incomplete => Finding::Incomplete,
        };
        for link in &probe.heard {
            self.tell(*link, probe.id, finding.clone());
        }
        let parent = probe.parent();
        let settled = finding != Finding::Incomplete;
        match probe.asker {
            Asker::Parent(link) => {
                if !injected!(cx, "finding-kept-to-itself") && self.neighbours.contains_key(&link) {
                    self.tell(link, probe.id, finding);
                }
            }
            Asker::Own(queries) => {
                if self.own_probes.get(&probe.path) == Some(&id) {
                    self.own_probes.remove(&probe.path);
                }
                if finding == Finding::No && probe.keep_no {
                    let until = cx.now + self.config.timing.absent_ttl;
                    let count_max = self.config.limits.cached_answers_max;
                    self.cache.put(&probe.path, Known::Absent, until, count_max);
                }
                let outcome = match finding {
                    Finding::Yes(proofs) => Outcome::Found(proofs),
                    Finding::No => Outcome::NotFound,
                    Finding::Incomplete => Outcome::Incomplete,
                };
                for query in queries {
                    self.queries.remove(&query);
                    self.out.push_back(Out::Answer { query, outcome: outcome.clone() });
                }
            }
        }
        let ended = Ended { path: probe.path, settled, parent, reach: probe.reach };
        self.past.insert(cx.now, probe.id, ended, self.config.limits.remembered_questions_max);
    }

    fn tell(&mut self, link: LinkId, id: QuestionId, finding: Finding) {
        let mut body = Vec::new();
        WhoHasAnswer { id, finding }.encode(&mut body);
        self.out.push_back(Out::Transmit { link, frame_type: FrameType::WhoHasAnswer, body: body.into() });
    }

    fn violation(&mut self, link: LinkId, reason: CloseReason) {
        self.out.push_back(Out::Violation { link, reason });
    }
}

/// Whole microseconds, rounded down.
fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
