//! A peer that has proved who it is and then breaks the rules of streams and calls. It loses that stream, or where the protocol
//! itself is broken its link; whatever else goes on, there and elsewhere, goes on.

use alloc::borrow::Cow;
use std::string::String;

use bytes::BufMut;

use super::intruder::{Intruder, closed, put, request};
use super::streams::{BEHIND, HERE, NEXT, line};
use super::*;
use crate::engine::{ProviderEntry, Shape, StreamId, StreamOptions};
use crate::metrics::{Family, families};
use crate::wire::body::{
    Credit, ReplyHead, RequestExtras, RequestHead, STREAM_WINDOW_MIN, StreamOpening, decode_error,
};
use crate::wire::cbor::Writer;
use crate::wire::frame::{FrameHeader, FrameType};
use crate::{CloseReason, Code};

/// A codec that nobody has.
const NO_CODEC: u8 = 9;

type Heard = [(FrameHeader, Bytes)];

/// Node 0, which serves an action of every shape and `echo`, a peer that breaks the rules, and node 1, which does not.
fn stage(change: impl Fn(&mut Config)) -> (Net, Intruder) {
    let mut net = Net::new(2);
    let mut config = config(0);
    change(&mut config);
    net.start(0, 1, config);
    for shape in Shape::ALL {
        let entry = ProviderEntry { shape, ..ProviderEntry::new(shape.name().parse().unwrap()) };
        let now = net.now;
        net.node(0).serve_as(now, entry).unwrap();
    }
    net.connect(1, 0);
    net.run_until("both are up", |net| net.node(0).peers().len() == 1 && net.node(1).peers().len() == 1);
    let intruder = Intruder::join(&mut net, 9_000);
    (net, intruder)
}

fn small_windows(config: &mut Config) {
    config.limits.stream_window_bytes = STREAM_WINDOW_MIN;
}

impl Intruder {
    /// Opens a stream to the action of this shape.
    fn opens(&mut self, net: &mut Net, id: u64, shape: Shape) {
        let stream = Some(StreamOpening { shape, idle_us: 30_000_000, window: 1 << 18 });
        let extras = Cow::Owned(RequestExtras { stream, ..RequestExtras::default() });
        let head =
            RequestHead { action: shape.name(), time_left_us: 60_000_000, codec: 0, total_len: None, extras };
        let mut frame = BytesMut::new();
        put(&mut frame, FrameType::Request, false, id, |out| head.encode(out));
        self.send(net, &frame);
        net.settle();
    }

    /// Opens a stream and gives the request that it has become.
    fn is_served(&mut self, net: &mut Net, id: u64, shape: Shape) -> RequestId {
        let before = net.requests(0).len();
        self.opens(net, id, shape);
        net.requests(0)[before].0
    }

    /// Node 0 opens a stream to it. Gives the call with its number on the link.
    fn is_streamed_to(&mut self, net: &mut Net, options: StreamOptions) -> (OpId, u64) {
        let op = Self::is_called_with(net, CallOptions { stream: Some(options), ..CallOptions::default() });
        (op, self.number_of_call(net))
    }

    fn number_of_call(&mut self, net: &mut Net) -> u64 {
        let heard = self.hears(net);
        heard.iter().find(|(header, _)| header.frame_type == FrameType::Request).unwrap().0.id
    }

    /// Sends a whole REPLY, ITEM or UPLOAD.
    fn says(&mut self, net: &mut Net, frame_type: FrameType, id: u64, data: &[u8]) {
        self.says_as(net, frame_type, id, 0, data);
    }

    fn says_as(&mut self, net: &mut Net, frame_type: FrameType, id: u64, codec: u8, data: &[u8]) {
        let mut frame = BytesMut::new();
        put(&mut frame, frame_type, false, id, |out| {
            ReplyHead { codec, total_len: None }.encode(out);
            out.put_slice(data);
        });
        self.send(net, &frame);
        net.settle();
    }

    /// Sends a frame without a body.
    fn nods(&mut self, net: &mut Net, frame_type: FrameType, id: u64) {
        let mut frame = BytesMut::new();
        put(&mut frame, frame_type, false, id, |_| {});
        self.send(net, &frame);
        net.settle();
    }

    /// Its link still carries calls, and so does that of node 1.
    fn goes_on(&mut self, net: &mut Net, id: u64) {
        let mut frame = BytesMut::new();
        request(&mut frame, id, "echo", None, b"still here");
        self.send(net, &frame);
        let heard = self.hears(net);
        assert!(has(&heard, FrameType::Reply, id), "{heard:?}");
        assert_eq!(closed(net, self.link), None);
        others_go_on(net);
    }
}

fn others_go_on(net: &mut Net) {
    let op = net.call(1, 0, "echo", "still here").unwrap();
    assert_eq!(net.wait_for(1, op).unwrap().data, "still here");
}

fn has(heard: &Heard, frame_type: FrameType, id: u64) -> bool {
    heard.iter().any(|(header, _)| (header.frame_type, header.id) == (frame_type, id))
}

/// The code of the ERROR for a call, and whether it says that it may have been executed.
fn refusal(heard: &Heard, id: u64) -> Option<(Code, bool)> {
    let is_it = |header: &FrameHeader| (header.frame_type, header.id) == (FrameType::Error, id);
    let (_, body) = heard.iter().find(|(header, _)| is_it(header))?;
    let error = decode_error(body).unwrap();
    Some((error.code(), error.maybe_executed()))
}

fn failure(net: &mut Net, op: OpId) -> (Code, bool) {
    let error = net.wait_for(0, op).unwrap_err();
    (error.code(), error.maybe_executed())
}

fn finished(net: &mut Net, node: usize, family: &Family, labels: &[&str]) -> u64 {
    net.node(node).metrics().count(family, labels)
}

#[test]
fn more_items_than_were_granted_end_their_stream_and_no_other() {
    let (mut net, mut intruder) = stage(small_windows);
    let (greedy, first) = intruder.is_streamed_to(&mut net, StreamOptions::new(Shape::ServerStream));
    let (other, second) = intruder.is_streamed_to(&mut net, StreamOptions::new(Shape::ServerStream));
    intruder.says(&mut net, FrameType::Item, first, &[7; 10_000]);
    assert_eq!(net.counter(0, "delivery.stream_overrun"), 0);
    intruder.says(&mut net, FrameType::Item, first, &[7; 10_000]);
    assert_eq!(failure(&mut net, greedy), (Code::Protocol, true));
    assert_eq!(net.counter(0, "delivery.stream_overrun"), 1);
    assert!(has(&intruder.hears(&mut net), FrameType::Cancel, first), "it is told to stop");
    // It goes on as if nothing were: that is dropped.
    intruder.says(&mut net, FrameType::Item, first, &[7; 10_000]);
    assert_eq!(net.counter(0, "delivery.stream_overrun"), 1);
    assert_eq!(net.take_items(0, StreamId::Call(greedy)).len(), 1);

    intruder.says(&mut net, FrameType::Item, second, b"fine");
    intruder.nods(&mut net, FrameType::ItemEnd, second);
    assert_eq!(net.take_items(0, StreamId::Call(other)), ["fine"]);
    assert_eq!(net.wait_for(0, other), Ok(Payload::default()));
    intruder.goes_on(&mut net, 1);
    net.assert_quiet();
}

#[test]
fn more_uploads_than_were_granted_end_their_stream_and_no_other() {
    let (mut net, mut intruder) = stage(small_windows);
    let greedy = intruder.is_served(&mut net, 1, Shape::ClientStream);
    let other = intruder.is_served(&mut net, 2, Shape::ClientStream);
    intruder.says(&mut net, FrameType::Upload, 1, &[7; 10_000]);
    assert_eq!(net.counter(0, "delivery.stream_overrun"), 0);
    intruder.says(&mut net, FrameType::Upload, 1, &[7; 10_000]);
    assert_eq!(refusal(&intruder.hears(&mut net), 1), Some((Code::Protocol, true)));
    assert!(net.is_cancelled(0, greedy));
    assert_eq!(net.counter(0, "delivery.stream_overrun"), 1);
    intruder.says(&mut net, FrameType::Upload, 1, &[7; 10_000]);
    assert_eq!(net.counter(0, "delivery.stream_overrun"), 1);
    assert_eq!(net.take_items(0, StreamId::Request(greedy)).len(), 1);

    intruder.says(&mut net, FrameType::Upload, 2, b"fine");
    intruder.nods(&mut net, FrameType::UploadEnd, 2);
    assert_eq!(net.take_items(0, StreamId::Request(other)), ["fine"]);
    assert!(net.reply(0, other, Ok("done".into())));
    assert!(has(&intruder.hears(&mut net), FrameType::Reply, 2));
    intruder.goes_on(&mut net, 3);
    net.assert_quiet();
}

#[test]
fn uploads_after_their_end_and_a_second_end_end_their_streams_and_no_other() {
    let (mut net, mut intruder) = stage(|_| {});
    let talks_on = intruder.is_served(&mut net, 1, Shape::ClientStream);
    let ends_twice = intruder.is_served(&mut net, 2, Shape::Bidirectional);
    let other = intruder.is_served(&mut net, 3, Shape::Bidirectional);
    for (request, id, after, count) in
        [(talks_on, 1, FrameType::Upload, 1), (ends_twice, 2, FrameType::UploadEnd, 2)]
    {
        intruder.nods(&mut net, FrameType::UploadEnd, id);
        assert!(!net.is_cancelled(0, request));
        match after {
            FrameType::Upload => intruder.says(&mut net, after, id, b"one more thing"),
            _ => intruder.nods(&mut net, after, id),
        }
        assert_eq!(refusal(&intruder.hears(&mut net), id), Some((Code::Protocol, true)), "{after:?}");
        assert!(net.is_cancelled(0, request));
        assert_eq!(net.counter(0, "delivery.stream_data_after_end"), count);
        assert!(net.take_items(0, StreamId::Request(request)).is_empty());
    }

    intruder.says(&mut net, FrameType::Upload, 3, b"fine");
    assert_eq!(net.take_items(0, StreamId::Request(other)), ["fine"]);
    net.send(0, StreamId::Request(other), "fine too").unwrap();
    assert!(net.reply(0, other, Ok(Payload::default())));
    let heard = intruder.hears(&mut net);
    assert!(has(&heard, FrameType::Item, 3) && has(&heard, FrameType::ItemEnd, 3));
    intruder.goes_on(&mut net, 4);
    net.assert_quiet();
}

#[test]
fn items_after_their_end_are_dropped_and_the_stream_keeps_its_outcome() {
    let (mut net, mut intruder) = stage(|_| {});
    let (ended, first) = intruder.is_streamed_to(&mut net, StreamOptions::new(Shape::ServerStream));
    let (other, second) = intruder.is_streamed_to(&mut net, StreamOptions::new(Shape::ServerStream));
    intruder.says(&mut net, FrameType::Item, first, b"last");
    intruder.nods(&mut net, FrameType::ItemEnd, first);
    intruder.says(&mut net, FrameType::Item, first, b"one more thing");
    intruder.nods(&mut net, FrameType::ItemEnd, first);
    assert_eq!(net.counter(0, "delivery.late_reply"), 2);
    assert_eq!(net.take_items(0, StreamId::Call(ended)), ["last"]);
    let outcomes: Vec<&Event> = net.events[0]
        .iter()
        .filter(|event| matches!(event, Event::CallDone { op, .. } if *op == ended))
        .collect();
    assert!(matches!(outcomes[..], [Event::CallDone { result: Ok(_), .. }]), "{outcomes:?}");

    intruder.says(&mut net, FrameType::Item, second, b"fine");
    intruder.nods(&mut net, FrameType::ItemEnd, second);
    assert_eq!(net.take_items(0, StreamId::Call(other)), ["fine"]);
    assert_eq!(net.wait_for(0, other), Ok(Payload::default()));
    intruder.goes_on(&mut net, 1);
    net.assert_quiet();
}

#[test]
fn more_bytes_of_calls_than_the_link_has_credit_for_end_the_link_and_no_other() {
    let (mut net, mut intruder) = stage(|config| config.limits.link_window_bytes = 65_536);
    let mut credit = 65_536;
    let mut sent = 0;
    // Nobody answers, so that before long no credit comes back.
    loop {
        assert!(sent < 20, "there is always credit");
        let mut frame = BytesMut::new();
        request(&mut frame, sent + 1, "unary", None, &[7; 16_000]);
        intruder.send(&mut net, &frame);
        if frame.len() > credit {
            break;
        }
        assert_eq!(closed(&mut net, intruder.link), None, "it had {credit} bytes left");
        sent += 1;
        credit -= frame.len();
        for (header, body) in intruder.hears(&mut net) {
            if header.frame_type == FrameType::Credit {
                credit += Credit::decode(&body).unwrap().bytes as usize;
            }
        }
    }
    assert_eq!(closed(&mut net, intruder.link), Some(CloseReason::CreditExceeded));
    assert_eq!(net.counter(0, "link.closed.credit_exceeded"), 1);
    let requests = net.requests(0);
    assert_eq!(requests.len() as u64, sent, "what was within its credit was served");
    assert!(requests.iter().all(|(request, _)| net.is_cancelled(0, *request)));
    others_go_on(&mut net);
    net.assert_quiet();
}

#[test]
fn a_call_with_the_number_of_a_live_stream_is_dropped_and_the_stream_goes_on() {
    let (mut net, mut intruder) = stage(|_| {});
    let live = intruder.is_served(&mut net, 1, Shape::ServerStream);
    intruder.opens(&mut net, 1, Shape::ServerStream);
    let mut frame = BytesMut::new();
    request(&mut frame, 1, "echo", None, b"must not run");
    intruder.send(&mut net, &frame);
    let heard = intruder.hears(&mut net);
    assert!(!has(&heard, FrameType::Reply, 1) && refusal(&heard, 1).is_none(), "{heard:?}");
    assert_eq!(net.requests(0).len(), 1);
    assert_eq!(net.counter(0, "delivery.duplicate_request"), 2);

    net.send(0, StreamId::Request(live), "an item").unwrap();
    assert!(net.reply(0, live, Ok(Payload::default())));
    let heard = intruder.hears(&mut net);
    assert!(has(&heard, FrameType::Item, 1) && has(&heard, FrameType::ItemEnd, 1));
    intruder.goes_on(&mut net, 2);
    net.assert_quiet();
}

/// A call of `echo` with these headers, whether or not they are allowed.
fn with_headers(id: u64, headers: &[(String, String)]) -> BytesMut {
    let mut frame = BytesMut::new();
    put(&mut frame, FrameType::Request, false, id, |out| {
        let mut writer = Writer::new(out);
        writer.map(4).uint(1).text("echo").uint(2).uint(60_000_000).uint(3).uint(0);
        writer.uint(5).array(2 * headers.len());
        for (name, value) in headers {
            writer.text(name).text(value);
        }
    });
    frame
}

#[test]
fn headers_over_a_limit_end_the_link_and_those_at_the_limit_are_taken() {
    let header = |name_len: usize, value_len: usize| ("n".repeat(name_len), "v".repeat(value_len));
    let many = |count: usize| std::vec![header(1, 1); count];
    let in_all = |last: usize| std::vec![header(1, 4_095), header(1, last)];
    let (mut net, mut intruder) = stage(|_| {});
    let allowed = [many(64), in_all(4_095), std::vec![header(64, 4_096)]];
    for (id, headers) in (1..).zip(&allowed) {
        intruder.send(&mut net, &with_headers(id, headers));
        assert!(has(&intruder.hears(&mut net), FrameType::Reply, id), "{} headers", headers.len());
    }
    intruder.goes_on(&mut net, 9);
    let refused = [many(65), in_all(4_096), std::vec![header(65, 1)], std::vec![header(1, 4_097)]];
    for headers in &refused {
        let (mut net, mut intruder) = stage(|_| {});
        intruder.send(&mut net, &with_headers(1, headers));
        assert_eq!(
            closed(&mut net, intruder.link),
            Some(CloseReason::MalformedFrame),
            "{} headers",
            headers.len()
        );
        assert_eq!(net.counter(0, "link.closed.malformed_frame"), 1);
        assert!(net.requests(0).is_empty());
        others_go_on(&mut net);
        net.assert_quiet();
    }
}

#[test]
fn a_codec_that_nobody_has_fails_what_it_came_with_and_nothing_else() {
    let (mut net, mut intruder) = stage(|_| {});
    // In a call: its handler never hears of it.
    let mut frame = BytesMut::new();
    let extras = Cow::default();
    let head =
        RequestHead { action: "echo", time_left_us: 1_000_000, codec: NO_CODEC, total_len: None, extras };
    put(&mut frame, FrameType::Request, false, 1, |out| head.encode(out));
    intruder.send(&mut net, &frame);
    assert_eq!(refusal(&intruder.hears(&mut net), 1), Some((Code::Codec, false)));
    assert!(net.requests(0).is_empty());
    assert_eq!(finished(&mut net, 0, &families::REQUESTS_FINISHED, &["Codec"]), 1);

    // In an answer.
    let op = Intruder::is_called_with(&mut net, CallOptions::default());
    let number = intruder.number_of_call(&mut net);
    intruder.says_as(&mut net, FrameType::Reply, number, NO_CODEC, b"?");
    assert_eq!(failure(&mut net, op), (Code::Codec, true));
    assert_eq!(finished(&mut net, 0, &families::CALLS_FINISHED, &["Codec"]), 1);

    // In an item, and in an upload.
    let (bad, first) = intruder.is_streamed_to(&mut net, StreamOptions::new(Shape::ServerStream));
    let (good, second) = intruder.is_streamed_to(&mut net, StreamOptions::new(Shape::ServerStream));
    intruder.says_as(&mut net, FrameType::Item, first, NO_CODEC, b"?");
    assert_eq!(failure(&mut net, bad), (Code::Codec, true));
    assert!(has(&intruder.hears(&mut net), FrameType::Cancel, first));
    assert_eq!(finished(&mut net, 0, &families::STREAMS_FINISHED, &["caller", "Codec"]), 1);
    let served = intruder.is_served(&mut net, 2, Shape::ClientStream);
    intruder.says_as(&mut net, FrameType::Upload, 2, NO_CODEC, b"?");
    assert_eq!(refusal(&intruder.hears(&mut net), 2), Some((Code::Codec, true)));
    assert!(net.is_cancelled(0, served));
    assert_eq!(finished(&mut net, 0, &families::STREAMS_FINISHED, &["handler", "Codec"]), 1);

    intruder.says(&mut net, FrameType::Item, second, b"fine");
    intruder.nods(&mut net, FrameType::ItemEnd, second);
    assert_eq!(net.take_items(0, StreamId::Call(good)), ["fine"]);
    assert_eq!(net.wait_for(0, good), Ok(Payload::default()));
    intruder.goes_on(&mut net, 3);
    net.assert_quiet();
}

#[test]
fn one_stream_more_than_a_peer_may_have_is_refused_and_the_others_go_on() {
    let (mut net, mut intruder) = stage(|config| config.limits.streams_per_link_max = 2);
    let requests = [1, 2].map(|id| intruder.is_served(&mut net, id, Shape::ServerStream));
    intruder.opens(&mut net, 3, Shape::ServerStream);
    assert_eq!(refusal(&intruder.hears(&mut net), 3), Some((Code::ResourceExhausted, false)));
    assert_eq!(net.counter(0, "delivery.streams_full"), 1);
    assert_eq!(net.requests(0).len(), 2);
    for (id, request) in (1..).zip(requests) {
        net.send(0, StreamId::Request(request), "an item").unwrap();
        assert!(has(&intruder.hears(&mut net), FrameType::Item, id));
    }
    intruder.goes_on(&mut net, 4);
    // Once one has ended there is room.
    assert!(net.reply(0, requests[0], Ok(Payload::default())));
    net.settle();
    let next = intruder.is_served(&mut net, 5, Shape::ServerStream);
    for request in [requests[1], next] {
        assert!(net.reply(0, request, Ok(Payload::default())));
    }
    let heard = intruder.hears(&mut net);
    assert!([1, 2, 5].into_iter().all(|id| has(&heard, FrameType::ItemEnd, id)), "{heard:?}");
    assert_eq!(net.counter(0, "delivery.streams_full"), 1);
    net.assert_quiet();
}

#[test]
fn more_untaken_items_than_a_link_may_have_end_the_stream_that_brought_them_and_no_other() {
    let (mut net, mut intruder) = stage(|config| config.limits.stream_bytes_per_link_max = 40_000);
    let slow = intruder.is_served(&mut net, 1, Shape::ClientStream);
    let over = intruder.is_served(&mut net, 2, Shape::ClientStream);
    for _ in 0..2 {
        intruder.says(&mut net, FrameType::Upload, 1, &[7; 15_000]);
    }
    assert_eq!(net.counter(0, "delivery.stream_bytes_full"), 0);
    intruder.says(&mut net, FrameType::Upload, 2, &[7; 15_000]);
    assert_eq!(refusal(&intruder.hears(&mut net), 2), Some((Code::ResourceExhausted, true)));
    assert_eq!(net.counter(0, "delivery.stream_bytes_full"), 1);
    assert!(net.is_cancelled(0, over) && !net.is_cancelled(0, slow));
    // Once something is taken there is room, for old streams and new ones.
    assert_eq!(net.take_items(0, StreamId::Request(slow)).len(), 2);
    let next = intruder.is_served(&mut net, 3, Shape::ClientStream);
    for (id, request) in [(1, slow), (3, next)] {
        intruder.says(&mut net, FrameType::Upload, id, &[7; 15_000]);
        assert_eq!(net.take_items(0, StreamId::Request(request)).len(), 1);
        assert!(net.reply(0, request, Ok("done".into())));
        assert!(has(&intruder.hears(&mut net), FrameType::Reply, id));
    }
    intruder.goes_on(&mut net, 4);
    net.assert_quiet();
}

#[test]
fn a_handler_that_never_reads_bounds_its_caller_and_both_ends_give_up_when_nothing_moves() {
    for to in [HERE, NEXT, BEHIND] {
        let mut net = line();
        let idle_timeout = Some(Duration::from_secs(2));
        let options = StreamOptions { idle_timeout, ..StreamOptions::new(Shape::ClientStream) };
        let op = net.open(to, "client_stream", options);
        let sent = net.fill(0, StreamId::Call(op), 10_000);
        let limits = Limits::default();
        let most = limits.stream_queue_bytes + limits.stream_window_bytes as usize + 2 * 10_064;
        assert!(sent <= most, "{sent} bytes to {to}");
        let request = net.request_at(to);
        let other = net.open(to, "client_stream", StreamOptions::new(Shape::ClientStream));
        net.settle();
        net.run_for(Duration::from_millis(1_900));
        assert_eq!((net.outcome(0, op), net.is_cancelled(to, request)), (None, false), "to {to}");
        net.run_for(Duration::from_millis(600));
        assert_eq!(failure(&mut net, op), (Code::DeadlineExceeded, true), "to {to}");
        assert!(net.is_cancelled(to, request));
        for (node, end) in [(0, "caller"), (to, "handler")] {
            let labels = [end, "DeadlineExceeded"];
            assert_eq!(finished(&mut net, node, &families::STREAMS_FINISHED, &labels), 1, "{end} to {to}");
        }
        // A stream beside it, whose handler reads, knows nothing of it.
        net.send(0, StreamId::Call(other), "fine").unwrap();
        net.settle();
        let next = net.request_at(to);
        assert_ne!(next, request);
        assert_eq!(net.take_items(to, StreamId::Request(next)), ["fine"]);
        assert!(net.reply(to, next, Ok("read".into())));
        assert_eq!(net.wait_for(0, other).unwrap().data, "read");
        net.run_for(Duration::from_secs(1));
        net.assert_quiet();
    }
}

#[test]
fn a_peer_that_never_takes_what_it_is_sent_costs_a_bounded_queue_for_the_idle_time() {
    let (mut net, mut intruder) = stage(|_| {});
    let idle_timeout = Some(Duration::from_secs(2));
    let options = StreamOptions { idle_timeout, ..StreamOptions::new(Shape::ClientStream) };
    let (op, number) = intruder.is_streamed_to(&mut net, options);
    let sent = net.fill(0, StreamId::Call(op), 1_000);
    let most = Limits::default().stream_queue_bytes + STREAM_WINDOW_MIN as usize;
    assert!(sent <= most, "{sent} bytes");
    let uploads = intruder.hears(&mut net);
    let uploads = uploads.iter().filter(|(header, _)| header.frame_type == FrameType::Upload);
    let left: usize = uploads.map(|(_, body)| body.len()).sum();
    assert!(
        left <= STREAM_WINDOW_MIN as usize,
        "{left} bytes have left and {STREAM_WINDOW_MIN} were granted"
    );
    net.run_for(Duration::from_millis(2_100));
    assert_eq!(failure(&mut net, op), (Code::DeadlineExceeded, true));
    assert!(has(&intruder.hears(&mut net), FrameType::Cancel, number));
    intruder.goes_on(&mut net, 1);
    net.assert_quiet();
}
