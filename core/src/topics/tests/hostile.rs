//! What a peer may send, and what comes of it.

use alloc::vec::Vec;

use super::{Bench, LINK, body, head, publisher, violation};
use crate::link::LinkId;
use crate::topics::{In, SubscribeOptions};
use crate::wire::body::topics::{PublishHead, Recipients};
use crate::wire::frame::FrameType;
use crate::{CloseReason, Limits};

fn bench() -> Bench {
    let mut bench = Bench::new(Limits { message_bytes_max: 100_000, ..Limits::default() });
    bench.subscribe(">");
    bench
}

#[test]
fn what_cannot_be_read_closes_the_link() {
    let bodies: [Vec<u8>; 3] = [Vec::new(), Vec::from([0xff]), Vec::from([0xa1, 1, 0x61, b'*'])];
    for body in bodies {
        let out = bench().frame(LINK, FrameType::Publish, false, body.clone());
        assert_eq!(violation(&out), Some(CloseReason::MalformedFrame), "{body:?}");
    }
}

#[test]
fn chunks_that_do_not_add_up_close_the_link() {
    let large = PublishHead { total_len: Some(10), ..head("t", 1) };
    let malformed = Some(CloseReason::MalformedFrame);
    // A length without further chunks, and further chunks without a length.
    let out = bench().frame(LINK, FrameType::Publish, false, body(&large, b"x"));
    assert_eq!(violation(&out), malformed);
    let out = bench().frame(LINK, FrameType::Publish, true, body(&head("t", 1), b"x"));
    assert_eq!(violation(&out), malformed);
    // A chunk of nothing, one too many, too few, an empty one, and another event in between.
    let out = bench().frame(LINK, FrameType::PublishMore, false, b"x".to_vec());
    assert_eq!(violation(&out), malformed);
    let after: [(FrameType, bool, Vec<u8>); 4] = [
        (FrameType::PublishMore, false, b"0123456789".to_vec()),
        (FrameType::PublishMore, false, b"0".to_vec()),
        (FrameType::PublishMore, true, Vec::new()),
        (FrameType::Publish, false, body(&head("t", 2), b"x")),
    ];
    for (frame_type, more, next) in after {
        let mut bench = bench();
        assert!(bench.frame(LINK, FrameType::Publish, true, body(&large, b"x")).is_empty());
        let out = bench.frame(LINK, frame_type, more, next.clone());
        assert_eq!(violation(&out), malformed, "{frame_type:?} {next:?}");
        assert_eq!(bench.gauge("topics.reassembly_bytes_per_link"), 0);
    }
}

#[test]
fn an_event_over_the_limit_closes_the_link_before_it_is_there() {
    for claimed in [100_001, u64::MAX] {
        let head = PublishHead { total_len: Some(claimed), ..head("t", 1) };
        let out = bench().frame(LINK, FrameType::Publish, true, body(&head, b"x"));
        assert_eq!(violation(&out), Some(CloseReason::LengthExceeded));
    }
}

#[test]
fn nobody_else_publishes_on_internal_topics() {
    let mut bench = bench();
    bench.subscribe("$node/>");
    assert!(bench.arrives("$node/load", 1).is_empty());
    assert_eq!(bench.counter("topics.refused"), 1);
    assert_eq!(bench.arrives("other", 2).len(), 1, "the link goes on");
}

#[test]
fn what_nobody_asked_for_is_counted_and_goes_nowhere() {
    let mut bench = Bench::new(Limits::default());
    bench.subscribe("a/*");
    assert!(bench.arrives("b", 1).is_empty());
    let recipients = Recipients::OneOf { groups: Vec::from(["nobody".parse().unwrap()]), others: false };
    let head = PublishHead { recipients, ..head("a/b", 2) };
    assert!(bench.frame(LINK, FrameType::Publish, false, body(&head, b"x")).is_empty());
    assert_eq!(bench.counter("topics.unasked"), 2);
    assert_eq!(bench.arrives("a/b", 3).len(), 1);
}

#[test]
fn a_codec_that_is_not_known_is_counted_and_goes_nowhere() {
    let mut bench = bench();
    let head = PublishHead { codec: 200, ..head("t", 1) };
    assert!(bench.frame(LINK, FrameType::Publish, false, body(&head, b"x")).is_empty());
    assert_eq!(bench.counter("topics.codec_unknown"), 1);
    assert_eq!(bench.arrives("t", 2).len(), 1);
}

#[test]
fn publishers_come_and_go_without_filling_anything() {
    let mut bench = Bench::new(Limits { remembered_peers_max: 4, ..Limits::default() });
    let options = SubscribeOptions { queue_len: 2, ..SubscribeOptions::default() };
    bench.subscribe_with(">", options).unwrap();
    for number in 2..60 {
        let link = LinkId(number.into());
        bench.tell(In::Bind { link, peer: publisher(number, 1), message_bytes_max: 1_000 });
        bench.frame(link, FrameType::Publish, false, body(&head("t", 1), b"x"));
        assert!(bench.gauge("topics.publishers") <= 4);
        bench.tell(In::LinkLost { link });
    }
    assert_eq!(bench.gauge("topics.held_events_per_subscription"), 2);
}

#[test]
fn an_older_life_of_a_publisher_is_not_heard_any_more() {
    let mut bench = bench();
    let (new, old) = (LinkId(2), LinkId(3));
    bench.tell(In::Bind { link: new, peer: publisher(7, 2), message_bytes_max: 1_000 });
    bench.tell(In::Bind { link: old, peer: publisher(7, 1), message_bytes_max: 1_000 });
    assert_eq!(bench.frame(new, FrameType::Publish, false, body(&head("t", 1), b"x")).len(), 1);
    assert!(bench.frame(old, FrameType::Publish, false, body(&head("t", 50), b"x")).is_empty());
    assert_eq!(bench.counter("topics.came_late"), 1);
}

#[test]
fn frames_of_a_link_that_was_not_let_in_are_nothing() {
    let mut bench = bench();
    assert!(bench.frame(LinkId(99), FrameType::Publish, false, body(&head("t", 1), b"x")).is_empty());
    assert!(bench.frame(LinkId(99), FrameType::PublishMore, false, b"x".to_vec()).is_empty());
}
