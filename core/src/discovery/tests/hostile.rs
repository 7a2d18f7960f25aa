//! One machine, and neighbours that do not keep the rules.

use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::mesh::{config, header, node_id, path, proof, proved};
use crate::code::CloseReason;
use crate::config::Limits;
use crate::discovery::{Discovery, In, Out, Outcome, QueryId};
use crate::identity::NodeId;
use crate::link::LinkId;
use crate::machine::{Counters, Cx, Machine, NoTrace, RandomDomain, random_stream};
use crate::time::Instant;
use crate::wire::body::discovery::{Finding, QuestionId, WhoHas, WhoHasAnswer};
use crate::wire::frame::FrameType;

const OWN: usize = 0;
const A: LinkId = LinkId(1);
const B: LinkId = LinkId(2);
const C: LinkId = LinkId(3);

/// What the machine said to its neighbours and to its node.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Question(LinkId, QuestionId),
    Answer(LinkId, QuestionId, Finding),
    Outcome(Outcome),
    Violation(LinkId, CloseReason),
}

struct Bench {
    machine: Discovery,
    counters: Counters,
    now: Instant,
    asked: u64,
    checks: usize,
    /// What the directory has been asked and answers later, where it does.
    held: Option<Vec<In>>,
}

impl Bench {
    /// A machine with three neighbours, whose directory knows nothing.
    fn new(limits: Limits) -> Self {
        let rng = random_stream(&[9; 32], RandomDomain::Discovery);
        let machine = Discovery::new(config(limits), node_id(OWN), rng);
        let (counters, now) = (Counters::default(), Instant::from_millis(1_000));
        let mut bench = Self { machine, counters, now, asked: 0, checks: 0, held: None };
        for link in [A, B, C] {
            assert_eq!(bench.tell(In::LinkUp { link }), []);
        }
        bench
    }

    fn handle(&mut self, input: In) {
        let mut cx = Cx { now: self.now, trace: &mut NoTrace, counters: &mut self.counters };
        self.machine.handle(&mut cx, input);
    }

    fn tell(&mut self, input: In) -> Vec<Said> {
        self.handle(input);
        self.said()
    }

    fn said(&mut self) -> Vec<Said> {
        let mut said = Vec::new();
        while let Some(out) = self.machine.poll() {
            match out {
                Out::Transmit { link, frame_type: FrameType::WhoHas, body } => {
                    said.push(Said::Question(link, WhoHas::decode(&body).unwrap().id));
                }
                Out::Transmit { link, body, .. } => {
                    let WhoHasAnswer { id, finding } = WhoHasAnswer::decode(&body).unwrap();
                    said.push(Said::Answer(link, id, finding));
                }
                Out::Resolve { probe, .. } => self.directory_says(In::Resolved { probe, answer: None }),
                Out::Check { check, path, proof } => {
                    self.checks += 1;
                    let node = proved(&proof, path.as_str()).map(node_id);
                    self.directory_says(In::Checked { check, valid: node.is_some(), node });
                }
                Out::Answer { outcome, .. } => said.push(Said::Outcome(outcome)),
                Out::Violation { link, reason } => said.push(Said::Violation(link, reason)),
            }
        }
        said
    }

    fn directory_says(&mut self, answer: In) {
        match &mut self.held {
            Some(held) => held.push(answer),
            None => self.handle(answer),
        }
    }

    /// Lets the directory say what it has not said yet.
    fn release(&mut self) -> Vec<Said> {
        for answer in self.held.take().unwrap_or_default() {
            self.handle(answer);
        }
        self.said()
    }

    /// Asks for "sum", and gives the name that the question has.
    fn ask(&mut self) -> QuestionId {
        self.asked += 1;
        let (query, deadline) = (QueryId(self.asked), self.now + Duration::from_secs(4));
        let said = self.tell(In::Ask { query, path: path("sum"), deadline, gather: None });
        let [Said::Question(_, id), ..] = said[..] else { panic!("{said:?}") };
        id
    }

    fn frame(&mut self, link: LinkId, frame_type: FrameType, body: Vec<u8>) -> Vec<Said> {
        self.tell(In::Frame { link, header: header(frame_type, &body), body: body.into() })
    }

    fn question(&mut self, link: LinkId, id: QuestionId, text: &str) -> Vec<Said> {
        let path = text.parse().unwrap();
        let mut body = Vec::new();
        WhoHas { id, path, hops: 8, time_left_us: 4_000_000, gather_us: None }.encode(&mut body);
        self.frame(link, FrameType::WhoHas, body)
    }

    fn answer(&mut self, link: LinkId, id: QuestionId, finding: Finding) -> Vec<Said> {
        let mut body = Vec::new();
        WhoHasAnswer { id, finding }.encode(&mut body);
        self.frame(link, FrameType::WhoHasAnswer, body)
    }

    fn pass(&mut self, time: Duration) -> Vec<Said> {
        self.now = self.now + time;
        let mut cx = Cx { now: self.now, trace: &mut NoTrace, counters: &mut self.counters };
        self.machine.on_timeout(&mut cx);
        self.said()
    }

    fn counted(&self, name: &str) -> u64 {
        self.counters.iter().find(|(counter, _)| *counter == name).map_or(0, |(_, count)| count)
    }

    fn assert_within_limits(&self) {
        self.machine.gauges(|name, value, cap, _| assert!(value <= cap, "{name} is {value}, over {cap}"));
    }
}

fn bench() -> Bench {
    Bench::new(Limits::default())
}

fn foreign(number: u64) -> QuestionId {
    QuestionId { origin: NodeId::from_bytes([0xee; 32]), number }
}

fn forged() -> Finding {
    Finding::Yes([Bytes::from_static(b"trust me")].into())
}

fn genuine() -> Finding {
    Finding::Yes([proof(7, "sum")].into())
}

#[test]
fn a_forged_yes_does_not_win_over_a_true_one() {
    let mut bench = bench();
    let id = bench.ask();
    assert_eq!(bench.answer(A, id, forged()), []);
    assert_eq!(bench.counted("discovery.proof_refused"), 1);
    assert_eq!(bench.answer(B, id, Finding::No), []);
    let found = Outcome::Found([proof(7, "sum")].into());
    assert_eq!(bench.answer(C, id, genuine()), [Said::Outcome(found)]);
}

#[test]
fn a_forged_yes_alone_is_incomplete_and_is_not_cached() {
    let mut bench = bench();
    let id = bench.ask();
    bench.answer(A, id, Finding::No);
    bench.answer(B, id, Finding::No);
    assert_eq!(bench.answer(C, id, forged()), [Said::Outcome(Outcome::Incomplete)]);
    bench.ask();
}

#[test]
fn a_forged_yes_is_not_passed_on() {
    let mut bench = bench();
    let id = foreign(1);
    assert_eq!(bench.question(A, id, "sum"), [Said::Question(B, id), Said::Question(C, id)]);
    bench.answer(B, id, Finding::No);
    assert_eq!(bench.answer(C, id, forged()), [Said::Answer(A, id, Finding::Incomplete)]);
}

#[test]
fn a_true_proof_of_another_path_proves_nothing() {
    let mut bench = bench();
    let id = bench.ask();
    let other = Finding::Yes([proof(7, "product")].into());
    for link in [A, B] {
        assert_eq!(bench.answer(link, id, Finding::No), []);
    }
    assert_eq!(bench.answer(C, id, other), [Said::Outcome(Outcome::Incomplete)]);
}

#[test]
fn of_many_proofs_in_an_answer_only_the_first_is_checked_unless_more_are_wanted() {
    let mut bench = bench();
    let id = bench.ask();
    bench.answer(A, id, Finding::Yes((0..8).map(|_| Bytes::from_static(b"trust me")).collect()));
    assert_eq!(bench.checks, 1);
}

#[test]
fn who_answers_twice_counts_once() {
    let mut bench = bench();
    let id = bench.ask();
    assert_eq!(bench.answer(A, id, Finding::No), []);
    assert_eq!(bench.answer(A, id, Finding::No), [Said::Violation(A, CloseReason::UnexpectedFrame)]);
    // With another question open the second answer looks like a late one, and still counts for nothing.
    let other = bench.question(B, foreign(1), "product");
    assert_eq!(other.len(), 2);
    assert_eq!(bench.answer(A, id, genuine()), []);
    assert_eq!(bench.counted("discovery.answered_twice"), 1);
}

#[test]
fn an_answer_that_nobody_asked_for_closes_the_link() {
    let mut bench = bench();
    assert_eq!(bench.answer(A, foreign(1), genuine()), [Said::Violation(A, CloseReason::UnexpectedFrame)]);
    assert_eq!(bench.checks, 0);
}

#[test]
fn a_question_that_goes_in_circles_is_asked_once() {
    let mut bench = bench();
    let id = foreign(1);
    assert_eq!(bench.question(A, id, "sum").len(), 2);
    assert_eq!(bench.question(A, id, "sum"), [], "the parent brings it again");
    assert_eq!(bench.question(B, id, "sum"), [], "it crosses ours");
    assert_eq!(bench.question(B, id, "sum"), [], "and comes again");
    assert_eq!(bench.answer(C, id, Finding::No), [Said::Answer(A, id, Finding::No)]);
    for link in [A, B, C] {
        assert_eq!(bench.question(link, id, "sum"), [], "it is over");
    }
}

#[test]
fn a_late_question_by_a_new_link_gets_the_answer_that_was_found() {
    let mut bench = bench();
    let id = foreign(1);
    bench.question(A, id, "sum");
    bench.answer(B, id, Finding::No);
    let d = LinkId(4);
    bench.tell(In::LinkUp { link: d });
    assert_eq!(bench.question(d, id, "sum"), [Said::Answer(d, id, Finding::No)], "the parent hears the rest");
    bench.answer(C, id, genuine());
    let e = LinkId(5);
    bench.tell(In::LinkUp { link: e });
    assert_eq!(bench.question(e, id, "sum"), [Said::Answer(e, id, genuine())]);
}

#[test]
fn a_question_that_comes_back_for_another_path_is_not_answered_with_no() {
    let mut bench = bench();
    let id = foreign(1);
    bench.question(A, id, "nonsense");
    // B asked honestly, and its question met the other one here.
    assert_eq!(bench.question(B, id, "sum"), []);
    assert_eq!(bench.answer(C, id, Finding::No), [Said::Answer(A, id, Finding::Incomplete)]);
    let d = LinkId(4);
    bench.tell(In::LinkUp { link: d });
    assert_eq!(bench.question(d, id, "sum"), [Said::Answer(d, id, Finding::Incomplete)]);
}

#[test]
fn a_no_for_one_path_is_no_answer_for_another_whoever_brings_it() {
    let mut bench = bench();
    let (id, d, e) = (foreign(1), LinkId(4), LinkId(5));
    bench.question(A, id, "nonsense");
    bench.tell(In::LinkUp { link: d });
    assert_eq!(bench.question(d, id, "sum"), [Said::Answer(d, id, Finding::Incomplete)], "under way");
    assert_eq!(bench.answer(B, id, Finding::No), []);
    assert_eq!(bench.answer(C, id, Finding::No), [Said::Answer(A, id, Finding::No)]);
    bench.tell(In::LinkUp { link: e });
    assert_eq!(bench.question(e, id, "sum"), [Said::Answer(e, id, Finding::Incomplete)], "over");
    assert_eq!(bench.question(e, id, "nonsense"), [Said::Answer(e, id, Finding::No)]);
}

#[test]
fn a_question_without_time_is_answered_and_not_spread() {
    let (mut bench, id) = (bench(), foreign(1));
    let mut body = Vec::new();
    WhoHas { id, path: "sum".parse().unwrap(), hops: 8, time_left_us: 1, gather_us: None }.encode(&mut body);
    let said = bench.frame(A, FrameType::WhoHas, body);
    assert_eq!(said, [Said::Answer(A, id, Finding::Incomplete)]);
}

#[test]
fn what_another_question_found_meanwhile_is_an_answer_too() {
    let mut bench = bench();
    bench.ask();
    bench.question(A, foreign(1), "sum");
    assert_eq!(bench.answer(B, foreign(1), genuine()), [Said::Answer(A, foreign(1), genuine())]);
    let found = Outcome::Found([proof(7, "sum")].into());
    assert_eq!(bench.pass(Duration::from_secs(2)), [Said::Outcome(found)]);
}

#[test]
fn a_question_in_this_nodes_own_name_is_not_spread() {
    let mut bench = bench();
    let id = QuestionId { origin: node_id(OWN), number: 7 };
    assert_eq!(bench.question(A, id, "sum"), [Said::Answer(A, id, Finding::Incomplete)]);
}

#[test]
fn what_cannot_be_read_closes_the_link() {
    let malformed = [Said::Violation(B, CloseReason::MalformedFrame)];
    assert_eq!(bench().frame(B, FrameType::WhoHas, Vec::from([0xa0])), malformed);
    assert_eq!(bench().frame(B, FrameType::WhoHasAnswer, Vec::from([0xff])), malformed);
}

#[test]
fn a_flood_of_questions_is_answered_with_incomplete_and_then_closes_the_link() {
    let mut bench = bench();
    let (mut spread, mut refused, mut closed) = (0, 0, 0);
    for number in 0..11_000 {
        let asker = NodeId::from_bytes([(number % 200) as u8; 32]);
        for said in bench.question(A, QuestionId { origin: asker, number }, "sum") {
            match said {
                Said::Question(B, _) => spread += 1,
                Said::Question(C, _) => {}
                Said::Answer(A, _, Finding::Incomplete) => refused += 1,
                Said::Violation(A, CloseReason::Flooding) => closed += 1,
                other => panic!("{other:?}"),
            }
        }
        bench.assert_within_limits();
    }
    // A half of what B may be sent is kept for others, and what could go nowhere is incomplete.
    assert_eq!(spread, 1_024);
    assert_eq!(refused, 6_144 - 1_024 + 4_096);
    assert_eq!(closed, 11_000 - 6_144 - 4_096);
    // Another neighbour is still heard, and its question goes everywhere.
    assert_eq!(bench.question(B, foreign(1), "sum").len(), 2);
    // The flood is cut off in time and leaves nothing running.
    bench.pass(Duration::from_secs(3));
    bench.machine.gauges(|name, value, _, zero| assert!(!zero || value == 0, "{name} is {value}"));
}

#[test]
fn one_asker_who_asks_too_much_does_not_take_the_place_of_others() {
    let mut bench = bench();
    let taken = (0..1_000).filter(|number| bench.question(A, foreign(*number), "sum").len() == 2).count();
    assert_eq!(taken, 256);
    let other = QuestionId { origin: NodeId::from_bytes([0x77; 32]), number: 1 };
    assert_eq!(bench.question(A, other, "sum").len(), 2);
    // And who forges the name of another uses up nothing of what the other may ask elsewhere.
    assert_eq!(bench.question(B, foreign(5_000), "sum").len(), 2);
}

#[test]
fn too_many_questions_at_once_are_refused_and_take_no_room() {
    let mut bench = Bench::new(Limits { questions_max: 3, remembered_questions_max: 4, ..Limits::default() });
    for number in 0..3 {
        assert_eq!(bench.question(A, foreign(number), "sum").len(), 2);
    }
    for number in 3..20 {
        let id = foreign(number);
        assert_eq!(bench.question(B, id, "sum"), [Said::Answer(B, id, Finding::Incomplete)]);
        bench.assert_within_limits();
    }
    let (query, deadline) = (QueryId(1), bench.now + Duration::from_secs(4));
    let said = bench.tell(In::Ask { query, path: path("sum"), deadline, gather: None });
    assert_eq!(said, [Said::Outcome(Outcome::Incomplete)]);
}

#[test]
fn who_was_refused_by_one_link_is_not_asked_again_by_another() {
    let mut bench = Bench::new(Limits { questions_max: 1, ..Limits::default() });
    bench.question(A, foreign(1), "sum");
    let id = foreign(2);
    assert_eq!(bench.question(A, id, "sum"), [Said::Answer(A, id, Finding::Incomplete)]);
    for link in [B, C] {
        bench.answer(link, foreign(1), Finding::No);
    }
    assert_eq!(bench.question(B, id, "sum"), [Said::Answer(B, id, Finding::Incomplete)]);
}

#[test]
fn many_names_of_askers_take_no_room() {
    let mut bench = bench();
    for number in 0..2_000_u64 {
        let mut asker = [0xab; 32];
        asker[..8].copy_from_slice(&number.to_be_bytes());
        bench.question(A, QuestionId { origin: NodeId::from_bytes(asker), number }, "sum");
    }
    assert!(bench.machine.neighbours[&A].askers_len() <= 256);
}

#[test]
fn silence_is_cut_off_and_forgotten() {
    let mut bench = bench();
    let id = foreign(1);
    bench.question(A, id, "sum");
    assert_eq!(bench.pass(Duration::from_millis(1_999)), []);
    assert_eq!(bench.pass(Duration::from_millis(1)), [Said::Answer(A, id, Finding::Incomplete)]);
    assert_eq!(bench.machine.timeout(), None);
    assert_eq!(bench.machine.past.len(), 1);
    bench.now = bench.now + Duration::from_secs(31);
    bench.tell(In::LinkDown { link: C });
    assert_eq!(bench.machine.past.len(), 0);
}

#[test]
fn no_asker_makes_a_node_wait_for_more_than_half_a_minute() {
    let mut bench = bench();
    let question = WhoHas {
        id: foreign(1),
        path: "sum".parse().unwrap(),
        hops: 16,
        time_left_us: u64::MAX,
        gather_us: Some(u64::MAX),
    };
    let mut body = Vec::new();
    question.encode(&mut body);
    bench.frame(A, FrameType::WhoHas, body);
    assert_eq!(bench.pass(Duration::from_secs(30)).len(), 1);
}

#[test]
fn the_loss_of_the_parent_ends_the_question() {
    let mut bench = bench();
    let id = foreign(1);
    bench.question(A, id, "sum");
    assert_eq!(bench.tell(In::LinkDown { link: A }), []);
    bench.machine.gauges(|name, value, _, zero| assert!(!zero || value == 0, "{name} is {value}"));
    assert_eq!(bench.answer(B, id, genuine()), [], "and what comes is kept for others");
    let deadline = bench.now + Duration::from_secs(4);
    let said = bench.tell(In::Ask { query: QueryId(1), path: path("sum"), deadline, gather: None });
    assert_eq!(said, [Said::Outcome(Outcome::Found([proof(7, "sum")].into()))]);
}

#[test]
fn a_question_by_a_link_that_was_replaced_is_answered_with_incomplete() {
    let mut bench = bench();
    let stray = LinkId(99);
    for number in 0..1_000 {
        let said = bench.question(stray, foreign(number), "sum");
        let refused = Said::Answer(stray, foreign(number), Finding::Incomplete);
        assert_eq!(said, if number < 256 { Vec::from([refused]) } else { Vec::new() }, "{number}");
    }
    assert_eq!(bench.answer(stray, foreign(1), genuine()), []);
}

#[test]
fn what_is_cached_has_a_bound() {
    let mut bench = Bench::new(Limits { cached_answers_max: 5, ..Limits::default() });
    for number in 0..100 {
        let (id, text) = (foreign(number), format!("action/{number}"));
        bench.question(A, id, &text);
        let said = bench.answer(B, id, Finding::Yes([proof(7, &text)].into()));
        assert_eq!(said.len(), 1);
        bench.assert_within_limits();
    }
    assert_eq!(bench.machine.cache.len(), 5);
}

#[test]
fn who_brings_a_question_while_the_directory_thinks_gets_one_frame_all_the_same() {
    let mut bench = bench();
    bench.held = Some(Vec::new());
    let id = foreign(1);
    assert_eq!(bench.question(A, id, "sum"), []);
    assert_eq!(bench.question(B, id, "sum"), []);
    // Our question to B is the answer to B's, and B's is the answer to ours.
    assert_eq!(bench.release(), [Said::Question(B, id), Said::Question(C, id)]);
    assert_eq!(bench.answer(C, id, Finding::No), [Said::Answer(A, id, Finding::No)]);

    let (mut bench, id) = (self::bench(), foreign(2));
    bench.held = Some(Vec::new());
    bench.question(A, id, "sum");
    bench.question(C, id, "sum");
    let Some(In::Resolved { probe, .. }) = bench.held.take().unwrap().pop() else { panic!("it was asked") };
    let said = bench.tell(In::Resolved { probe, answer: Some(proof(OWN, "sum")) });
    let yes = || Finding::Yes([proof(OWN, "sum")].into());
    assert_eq!(said, [Said::Answer(C, id, yes()), Said::Answer(A, id, yes())]);
}

#[test]
fn an_answer_is_not_final_while_its_proof_is_being_checked() {
    let mut bench = bench();
    let id = bench.ask();
    for link in [A, B] {
        assert_eq!(bench.answer(link, id, Finding::No), []);
    }
    bench.held = Some(Vec::new());
    assert_eq!(bench.answer(C, id, genuine()), []);
    assert_eq!(bench.release(), [Said::Outcome(Outcome::Found([proof(7, "sum")].into()))]);

    // Nor does a check that takes too long hold anything up, or lead to a second answer.
    let mut bench = self::bench();
    let id = bench.ask();
    bench.held = Some(Vec::new());
    assert_eq!(bench.answer(C, id, genuine()), []);
    assert_eq!(bench.pass(Duration::from_secs(2)), [Said::Outcome(Outcome::Incomplete)]);
    assert_eq!(bench.release(), []);
    bench.machine.gauges(|name, value, _, zero| assert!(!zero || value == 0, "{name} is {value}"));
}

#[test]
fn not_more_proofs_than_fit_are_checked_at_the_same_time() {
    let mut bench = bench();
    bench.held = Some(Vec::new());
    for number in 0..1_100 {
        let asker = NodeId::from_bytes([(number % 10) as u8 + 0x10; 32]);
        let id = QuestionId { origin: asker, number };
        bench.question(A, id, "sum");
        let resolved = bench.held.as_mut().unwrap().pop().unwrap();
        assert!(matches!(resolved, In::Resolved { .. }));
        bench.tell(resolved);
        bench.answer(B, id, genuine());
        bench.now = bench.now + Duration::from_millis(1);
        bench.assert_within_limits();
    }
    assert_eq!(bench.counted("discovery.checks_full"), 1_100 - 1_024);
}

#[test]
fn what_is_gathered_has_a_bound() {
    let mut bench = bench();
    let large = |node: usize| {
        let mut bytes = proof(node, "sum").to_vec();
        bytes.extend_from_slice(&[b' '; 16_000]);
        Bytes::from(bytes)
    };
    let mut ended = 0;
    for number in 0..400 {
        let id = QuestionId { origin: NodeId::from_bytes([(number % 10) as u8 + 0x10; 32]), number };
        let mut body = Vec::new();
        let gather_us = Some(10_000_000);
        WhoHas { id, path: "sum".parse().unwrap(), hops: 8, time_left_us: 30_000_000, gather_us }
            .encode(&mut body);
        bench.frame(A, FrameType::WhoHas, body);
        ended += bench.answer(B, id, Finding::Yes((1..=3).map(large).collect())).len();
        bench.assert_within_limits();
    }
    assert!((200..300).contains(&ended), "{ended} questions ended with what they had");
}

#[test]
fn who_asks_when_little_time_is_left_in_a_question_asks_anew() {
    let mut bench = bench();
    let first = bench.ask();
    bench.pass(Duration::from_millis(900));
    let (query, deadline) = (QueryId(77), bench.now + Duration::from_secs(3));
    assert_eq!(bench.tell(In::Ask { query, path: path("sum"), deadline, gather: None }), []);
    bench.pass(Duration::from_millis(600));
    let second = bench.ask();
    assert_ne!(first, second);
}
