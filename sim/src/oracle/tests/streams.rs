//! Stories of streams between two nodes that nothing disturbs.

use lacewing_core::Code;

use super::{Story, fail, ok, runs};
use crate::history::What;
use crate::run::Flow;

const HEADER: &str = r#"{"format":2,"wire":1,"plan":"test","seed":"7","nodes":[{},{}],"dials":[[0,1]],"net":{"latency_min":"1ms","latency_max":"2ms","jitter_max":0,"bandwidth":10000000,"window":100000,"retransmit_timeout":"9s"},"phases":{"heal":"20s","fresh":"30s","quiet":"40s","end":"50s"},"limits":{"stream_window_bytes":16384,"stream_queue_bytes":10000}}"#;
/// Op 1: node 0 uploads two messages to node 1, and is sent three. Op 2: a small call beside it. Op 3: the shapes do not agree.
const CALLS: &str = r#"{"do":"call","t":"1s","id":1,"from":0,"to":1,"stream":{"shape":"bidirectional","uploads":{"count":2,"size":1000},"items":{"count":3,"size":1000},"idle":"2s","endless":true},"size":20,"timeout":"1s","handler":{"kind":"reply","after":0,"size":10}}
{"do":"call","t":"1s","id":2,"from":0,"to":1,"size":20,"timeout":"5s","handler":{"kind":"reply","after":0,"size":10}}
{"do":"call","t":"1s","id":3,"from":0,"to":1,"stream":{"shape":"unary","called":"bidirectional","idle":"2s"},"size":20,"timeout":"5s","handler":{"kind":"reply","after":0,"size":10}}"#;

fn sent(flow: Flow, number: u64) -> What {
    What::Sent { op: 1, flow, number, bytes: 1_000 }
}

fn taken(flow: Flow, number: Option<u64>) -> What {
    What::Taken { op: 1, flow, number, bytes: 1_000 }
}

impl Story {
    fn streams() -> Self {
        let mut story = Self::of(HEADER, CALLS);
        story.history.peers_at_fresh.extend([(0, vec![1]), (1, vec![0])]);
        story.starts()
    }

    /// The stream has begun, and all of it is sent.
    fn stream_begins(self) -> Self {
        self.at(1_000, 0, What::Invoke { op: 1 })
            .at(1_000, 0, sent(Flow::Uploads, 0))
            .at(1_000, 0, sent(Flow::Uploads, 1))
            .at(1_000, 0, What::UploadsEnded { op: 1 })
            .at(1_002, 1, runs(1))
            .at(1_002, 1, sent(Flow::Items, 0))
            .at(1_002, 1, sent(Flow::Items, 1))
            .at(1_002, 1, sent(Flow::Items, 2))
    }

    fn takes(self, t: u64, flow: Flow, numbers: &[u64]) -> Self {
        let node = usize::from(flow == Flow::Uploads);
        numbers.iter().fold(self, |story, number| story.at(t, node, taken(flow, Some(*number))))
    }

    fn handler_ends(self, t: u64) -> Self {
        self.takes(t, Flow::Uploads, &[0, 1]).at(t, 1, What::UploadsOver { op: 1 }).at(
            t,
            1,
            What::Answer { op: 1 },
        )
    }

    fn stream_ends(self, t: u64) -> Self {
        self.handler_ends(t).takes(t + 2, Flow::Items, &[0, 1, 2]).at(t + 2, 0, done())
    }
}

fn done() -> What {
    What::Ok { op: 1, matches: true, bytes: 0 }
}

#[test]
fn a_stream_in_which_all_went_well_upsets_nobody_however_long_it_takes() {
    assert_eq!(Story::streams().stream_begins().stream_ends(1_004).upsets(), Vec::<String>::new());
    // The deadline of an endless stream is of no effect.
    assert_eq!(Story::streams().stream_begins().stream_ends(2_900).upsets(), Vec::<String>::new());
}

#[test]
fn messages_that_are_lost_doubled_disordered_or_invented_are_seen() {
    for numbers in [&[0, 2, 1][..], &[0, 0, 1], &[1, 2, 0]] {
        let story = Story::streams().stream_begins().handler_ends(1_004).takes(1_006, Flow::Items, numbers);
        story.at(1_006, 0, done()).upsets_only("stream-messages-in-order");
    }
    let story = Story::streams().stream_begins().handler_ends(1_004).takes(1_006, Flow::Items, &[0, 1]);
    story.at(1_006, 0, taken(Flow::Items, None)).at(1_006, 0, done()).upsets_only("stream-messages-in-order");
    let early = Story::streams().at(1_000, 0, What::Invoke { op: 1 }).at(1_001, 1, runs(1));
    let early = early.takes(1_001, Flow::Items, &[0]).at(1_002, 1, sent(Flow::Items, 0));
    let early = early.at(1_003, 1, What::Answer { op: 1 }).at(1_003, 0, done());
    early.upsets_only("stream-messages-in-order");
}

#[test]
fn an_end_that_comes_before_all_was_taken_is_seen() {
    let story = Story::streams().stream_begins().handler_ends(1_004).takes(1_006, Flow::Items, &[0, 1]);
    story.at(1_006, 0, done()).upsets_only("streams-are-whole");
    let story = Story::streams().stream_begins().takes(1_004, Flow::Uploads, &[0]);
    let story = story.at(1_004, 1, What::UploadsOver { op: 1 }).at(1_004, 1, What::Answer { op: 1 });
    story.takes(1_006, Flow::Items, &[0, 1, 2]).at(1_006, 0, done()).upsets_only("streams-are-whole");
}

#[test]
fn a_handler_that_never_ends_or_ends_twice_or_goes_on_is_seen() {
    let failed = || Story::streams().stream_begins().at(1_100, 0, fail(1, Code::Cancelled, true));
    failed().upsets_only("streams-end-once");
    let gone = failed().at(1_200, 1, What::Withdrawn { op: 1 });
    assert_eq!(gone.upsets(), Vec::<String>::new());
    Story::streams()
        .stream_begins()
        .stream_ends(1_004)
        .at(1_010, 1, What::Withdrawn { op: 1 })
        .upsets_only("streams-end-once");
    let on = failed().at(1_200, 1, What::Withdrawn { op: 1 }).takes(1_201, Flow::Uploads, &[0]);
    on.upsets_only("streams-end-once");
}

#[test]
fn a_producer_that_does_not_wait_is_seen() {
    let story = |ahead: u64| {
        let story = Story::streams().at(1_000, 0, What::Invoke { op: 1 }).at(1_002, 1, runs(1));
        let story = (0..ahead).fold(story, |story, number| story.at(1_003, 1, sent(Flow::Items, number)));
        story.at(1_004, 1, What::Withdrawn { op: 1 }).at(1_006, 0, fail(1, Code::Cancelled, true))
    };
    // 16,384 of the window, 10,000 of the queue and one message, of 1,064 bytes each.
    assert_eq!(story(25).upsets(), Vec::<String>::new());
    story(26).upsets_only("producers-wait-for-consumers");
}

#[test]
fn a_stream_that_is_given_up_though_its_applications_are_quick_is_seen() {
    let story = Story::streams().stream_begins().at(3_002, 1, What::Withdrawn { op: 1 });
    story.at(3_004, 0, fail(1, Code::DeadlineExceeded, true)).upsets_only("streams-go-on");
}

#[test]
fn an_endless_stream_that_stands_still_ends_after_its_idle_time() {
    let story = Story::streams().stream_begins().handler_ends(1_004).takes(1_006, Flow::Items, &[0, 1, 2]);
    story.at(5_000, 0, done()).upsets_only("outcome-in-time");
}

#[test]
fn a_small_call_that_a_stream_holds_up_is_seen() {
    let story = |t: u64, ends: u64| {
        let story =
            Story::streams().stream_begins().at(1_000, 0, What::Invoke { op: 2 }).at(1_002, 1, runs(2));
        let story = story.at(1_002, 1, What::Answer { op: 2 });
        let story = if t < ends {
            story.at(t, 0, ok(2)).stream_ends(ends)
        } else {
            story.stream_ends(ends).at(t, 0, ok(2))
        };
        story.upsets()
    };
    assert_eq!(story(1_100, 2_500), Vec::<String>::new());
    assert_eq!(story(1_900, 2_500), ["small-calls-pass-streams"]);
}

#[test]
fn a_stream_of_a_shape_that_the_action_does_not_have_fails_and_nothing_else() {
    let story = || Story::streams().at(1_000, 0, What::Invoke { op: 3 });
    assert_eq!(story().at(1_004, 0, fail(3, Code::InvalidArgument, false)).upsets(), Vec::<String>::new());
    let story = story().at(1_002, 1, runs(3)).at(1_002, 1, What::Answer { op: 3 });
    story.at(1_004, 0, What::Ok { op: 3, matches: true, bytes: 0 }).upsets_only("reply-matches-request");
}
