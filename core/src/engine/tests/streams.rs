//! Streams of every shape: within a node, to a neighbour, and through a relay.

use std::string::{String, ToString};

use super::*;
use crate::Code;
use crate::engine::{CallOptions, Headers, Priority, ProviderEntry, Shape, StreamId, StreamOptions};

/// Where the handler is, seen from node 0.
pub(super) const HERE: usize = 0;
pub(super) const NEXT: usize = 1;
pub(super) const BEHIND: usize = 2;

/// Three nodes in a line, each of which serves an action of every shape by its name.
pub(super) fn line() -> Net {
    line_with(|_| {})
}

fn line_with(change: impl Fn(&mut Config)) -> Net {
    let mut net = Net::new(3);
    for node in 0..3 {
        let mut config = config(node);
        change(&mut config);
        net.start(node, 1, config);
        for shape in Shape::ALL {
            let entry = ProviderEntry { shape, ..ProviderEntry::new(shape.name().parse().unwrap()) };
            let now = net.now;
            net.node(node).serve_as(now, entry).unwrap();
        }
    }
    net.connect(0, 1);
    net.connect(1, 2);
    let far = net.id(2);
    net.run_until("the far end is known", |net| net.node(0).describe(&far).is_some());
    net
}

impl Net {
    pub(super) fn open(&mut self, to: usize, action: &str, options: StreamOptions) -> OpId {
        self.try_open(to, action, options).unwrap()
    }

    fn try_open(&mut self, to: usize, action: &str, options: StreamOptions) -> Result<OpId, Error> {
        let target = Target::Node(self.id(to));
        let options = CallOptions { stream: Some(options), ..CallOptions::default() };
        let (now, payload) = (self.now, Payload::from("the request"));
        self.node(0).call(now, Call { target, action, payload, timeout: None, options })
    }

    pub(super) fn request_at(&mut self, node: usize) -> RequestId {
        self.run_until("the request is there", |net| !net.requests(node).is_empty());
        self.requests(node).last().unwrap().0
    }

    pub(super) fn send(
        &mut self,
        node: usize,
        stream: StreamId,
        item: impl Into<Bytes>,
    ) -> Result<(), Error> {
        let (now, item) = (self.now, Payload::from(item.into()));
        self.node(node).send_item(now, stream, item)
    }

    /// Takes every item that has come to an end so far, in order.
    pub(super) fn take_items(&mut self, node: usize, stream: StreamId) -> Vec<Bytes> {
        let mut taken = Vec::new();
        self.events[node].retain(|event| match event {
            Event::Item { stream: at, item } if *at == stream => {
                taken.push(item.data.clone());
                false
            }
            _ => true,
        });
        let now = self.now;
        for item in &taken {
            self.node(node).item_taken(now, stream, item.len());
        }
        taken
    }

    fn wait_for_items(&mut self, node: usize, stream: StreamId, count: usize) -> Vec<Bytes> {
        let mut items = Vec::new();
        self.run_until("the items are there", |net| {
            items.extend(net.take_items(node, stream));
            items.len() >= count
        });
        items
    }

    pub(super) fn is_cancelled(&self, node: usize, wanted: RequestId) -> bool {
        self.has_event(
            node,
            |event| matches!(event, Event::RequestCancelled { request } if *request == wanted),
        )
    }

    /// Sends until nothing more is taken. Gives the bytes that were.
    pub(super) fn fill(&mut self, node: usize, stream: StreamId, item_len: usize) -> usize {
        let mut bytes = 0;
        loop {
            match self.send(node, stream, std::vec![7; item_len]) {
                Ok(()) => bytes += item_len,
                Err(error) if error.code() == Code::Backpressure => {
                    self.settle();
                    if self.send(node, stream, std::vec![7; item_len]).is_err() {
                        return bytes;
                    }
                    bytes += item_len;
                }
                Err(error) => panic!("{error}"),
            }
            assert!(bytes < 1 << 26, "nothing ever stops the producer");
        }
    }
}

fn texts(items: &[Bytes]) -> Vec<String> {
    items.iter().map(|item| String::from_utf8_lossy(item).to_string()).collect()
}

#[test]
fn a_server_stream_gives_its_items_in_order_and_then_ends() {
    for to in [HERE, NEXT, BEHIND] {
        let mut net = line();
        let op = net.open(to, "server_stream", StreamOptions::new(Shape::ServerStream));
        let request = net.request_at(to);
        for number in 0..100 {
            net.send(to, StreamId::Request(request), number.to_string()).unwrap();
        }
        assert!(net.reply(to, request, Ok(Payload::default())));
        assert!(!net.reply(to, request, Ok(Payload::default())), "it has been answered");
        let items = net.wait_for_items(0, StreamId::Call(op), 100);
        assert_eq!(texts(&items), (0..100).map(|number| number.to_string()).collect::<Vec<_>>());
        assert_eq!(net.wait_for(0, op), Ok(Payload::default()));
        net.settle();
        net.run_for(Duration::from_secs(1));
        net.assert_quiet();
    }
}

#[test]
fn a_client_stream_is_read_to_its_end_and_answered_once() {
    for to in [HERE, NEXT, BEHIND] {
        let mut net = line();
        let op = net.open(to, "client_stream", StreamOptions::new(Shape::ClientStream));
        // Before there is a session to the far node.
        for text in ["a", "b", "c"] {
            net.send(0, StreamId::Call(op), text).unwrap();
        }
        let now = net.now;
        assert!(net.node(0).end_uploads(now, op));
        assert!(!net.node(0).end_uploads(now, op), "it has ended");
        let late = net.send(0, StreamId::Call(op), "d").unwrap_err();
        assert_eq!(late.code(), Code::FailedPrecondition);
        let request = net.request_at(to);
        let items = net.wait_for_items(to, StreamId::Request(request), 3);
        assert_eq!(texts(&items), ["a", "b", "c"]);
        net.run_until("the end is known", |net| {
            net.has_event(
                to,
                |event| matches!(event, Event::UploadsEnded { request: ended } if *ended == request),
            )
        });
        net.reply(to, request, Ok(Payload::from("3")));
        assert_eq!(net.wait_for(0, op).unwrap().data, "3");
        net.run_for(Duration::from_secs(1));
        net.assert_quiet();
    }
}

#[test]
fn both_sides_talk_in_turns() {
    for to in [HERE, NEXT, BEHIND] {
        let mut net = line();
        let op = net.open(to, "bidirectional", StreamOptions::new(Shape::Bidirectional));
        let request = net.request_at(to);
        for round in 0..20 {
            net.send(0, StreamId::Call(op), std::format!("ping {round}")).unwrap();
            let heard = net.wait_for_items(to, StreamId::Request(request), 1);
            assert_eq!(texts(&heard), [std::format!("ping {round}")]);
            net.send(to, StreamId::Request(request), std::format!("pong {round}")).unwrap();
            let back = net.wait_for_items(0, StreamId::Call(op), 1);
            assert_eq!(texts(&back), [std::format!("pong {round}")]);
        }
        // Half closed: the other half goes on.
        let now = net.now;
        net.node(0).end_uploads(now, op);
        net.settle();
        net.send(to, StreamId::Request(request), "last").unwrap();
        net.reply(to, request, Ok(Payload::default()));
        assert_eq!(texts(&net.wait_for_items(0, StreamId::Call(op), 1)), ["last"]);
        assert!(net.wait_for(0, op).is_ok());
        net.run_for(Duration::from_secs(1));
        net.assert_quiet();
    }
}

#[test]
fn c7_a_slow_consumer_bounds_its_producer_and_nobody_else() {
    for to in [HERE, NEXT, BEHIND] {
        let mut net = line();
        let op = net.open(to, "server_stream", StreamOptions::new(Shape::ServerStream));
        let request = net.request_at(to);
        let sent = net.fill(to, StreamId::Request(request), 10_000);
        let limits = Limits::default();
        let most = limits.stream_queue_bytes + limits.stream_window_bytes as usize + 2 * 10_064;
        assert!((limits.stream_window_bytes as usize..=most).contains(&sent), "{sent} bytes to {to}");
        // Another call to the same node does not wait.
        let other = net.call(0, to, "echo", "quick").unwrap();
        assert_eq!(net.wait_for(0, other).unwrap().data, "quick");
        // The consumer goes on: so does the producer.
        net.take_items(0, StreamId::Call(op));
        net.settle();
        net.take_items(0, StreamId::Call(op));
        net.run_until("there is room again", |net| {
            net.has_event(to, |event| {
                matches!(event, Event::StreamWritable { stream: StreamId::Request(at) } if *at == request)
            })
        });
        assert!(net.fill(to, StreamId::Request(request), 10_000) > 0);
        // What the consumer had not asked for is given up with the stream.
        let now = net.now;
        net.node(0).cancel(now, op);
        net.run_until("the handler knows", |net| net.is_cancelled(to, request));
        net.run_for(Duration::from_secs(1));
        net.assert_quiet();
    }
}

#[test]
fn a_slow_handler_bounds_the_caller() {
    for to in [HERE, NEXT, BEHIND] {
        let mut net = line();
        let op = net.open(to, "client_stream", StreamOptions::new(Shape::ClientStream));
        let sent = net.fill(0, StreamId::Call(op), 10_000);
        let limits = Limits::default();
        let most = limits.stream_queue_bytes + limits.stream_window_bytes as usize + 2 * 10_064;
        assert!((limits.stream_window_bytes as usize..=most).contains(&sent), "{sent} bytes to {to}");
        // The handler answers before it has read anything: what waits is dropped.
        let request = net.request_at(to);
        net.reply(to, request, Ok(Payload::from("enough")));
        assert_eq!(net.wait_for(0, op).unwrap().data, "enough");
        net.run_for(Duration::from_secs(1));
        net.assert_quiet();
    }
}

#[test]
fn c8_a_stream_outlives_many_idle_timeouts_as_long_as_something_moves() {
    for to in [HERE, NEXT, BEHIND] {
        let mut net = line();
        let idle_timeout = Some(Duration::from_secs(2));
        let options = StreamOptions { idle_timeout, ..StreamOptions::new(Shape::ServerStream) };
        let op = net.open(to, "server_stream", options);
        let request = net.request_at(to);
        for number in 0..20 {
            net.run_for(Duration::from_millis(1_500));
            net.send(to, StreamId::Request(request), number.to_string()).unwrap();
            net.settle();
            assert_eq!(texts(&net.take_items(0, StreamId::Call(op))), [number.to_string()]);
        }
        assert_eq!(net.outcome(0, op), None);
        // Then nothing moves, and both ends say so.
        net.run_for(Duration::from_millis(2_500));
        let error = net.outcome(0, op).unwrap().clone().unwrap_err();
        assert_eq!(error.code(), Code::DeadlineExceeded);
        assert!(error.maybe_executed() && error.message().contains("2s"), "{error}");
        assert!(net.is_cancelled(to, request));
        net.run_for(Duration::from_secs(1));
        net.assert_quiet();
    }
}

/// Forty items that fit the window came at once, were taken one by one, and the end that had sent them saw nothing move.
#[test]
fn slow_consumers_of_what_was_sent_long_ago_keep_a_stream_alive() {
    for to in [HERE, NEXT, BEHIND] {
        let mut net = line();
        let idle_timeout = Some(Duration::from_secs(2));
        let options = StreamOptions { idle_timeout, ..StreamOptions::new(Shape::Bidirectional) };
        let op = net.open(to, "bidirectional", options);
        let request = net.request_at(to);
        let ends = [(0, StreamId::Call(op)), (to, StreamId::Request(request))];
        for number in 0..40 {
            for (node, stream) in ends {
                net.send(node, stream, number.to_string()).unwrap();
            }
        }
        let now = net.now;
        assert!(net.node(0).end_uploads(now, op));
        net.settle();
        for _ in 0..40 {
            net.run_for(Duration::from_millis(500));
            for (node, stream) in ends {
                let now = net.now;
                net.node(node).item_taken(now, stream, 1);
            }
            net.settle();
            assert_eq!(net.outcome(0, op), None, "to node {to}");
        }
        assert!(net.reply(to, request, Ok(Payload::default())));
        assert_eq!(net.wait_for(0, op), Ok(Payload::default()));
        net.settle();
        net.run_for(Duration::from_secs(1));
        net.assert_quiet();
    }
}

#[test]
fn a_handler_that_has_answered_is_done_though_its_items_wait_to_be_taken() {
    for to in [HERE, NEXT, BEHIND] {
        let mut net = line();
        let op = net.open(to, "server_stream", StreamOptions::new(Shape::ServerStream));
        let request = net.request_at(to);
        net.fill(to, StreamId::Request(request), 10_000);
        assert!(net.reply(to, request, Ok(Payload::default())));
        let now = net.now;
        net.node(0).cancel(now, op);
        net.settle();
        net.run_for(Duration::from_secs(1));
        assert!(!net.is_cancelled(to, request), "node {to}");
        net.assert_quiet();
    }
}

#[test]
fn a_stream_with_a_deadline_ends_then_whatever_moves() {
    let mut net = line();
    let target = Target::Node(net.id(1));
    let stream = Some(StreamOptions::new(Shape::ServerStream));
    let options = CallOptions { stream, ..CallOptions::default() };
    let timeout = Some(Duration::from_secs(3));
    let (now, payload) = (net.now, Payload::default());
    let op =
        net.node(0).call(now, Call { target, action: "server_stream", payload, timeout, options }).unwrap();
    let request = net.request_at(1);
    for _ in 0..5 {
        net.run_for(Duration::from_millis(500));
        net.send(1, StreamId::Request(request), "still here").unwrap();
    }
    net.run_for(Duration::from_millis(600));
    assert_eq!(net.outcome(0, op).unwrap().as_ref().unwrap_err().code(), Code::DeadlineExceeded);
    net.run_until("the handler knows", |net| net.is_cancelled(1, request));
}

#[test]
fn c9_a_consumer_that_goes_away_cancels_its_producer() {
    for to in [HERE, NEXT, BEHIND] {
        let mut net = line();
        let op = net.open(to, "bidirectional", StreamOptions::new(Shape::Bidirectional));
        let request = net.request_at(to);
        net.send(to, StreamId::Request(request), "one").unwrap();
        net.settle();
        let now = net.now;
        net.node(0).cancel(now, op);
        assert_eq!(net.wait_for(0, op).unwrap_err().code(), Code::Cancelled);
        net.run_until("the handler knows", |net| net.is_cancelled(to, request));
        let error = net.send(to, StreamId::Request(request), "two").unwrap_err();
        assert_eq!(error.code(), Code::FailedPrecondition);
        net.run_for(Duration::from_secs(1));
        net.assert_quiet();
    }
}

#[test]
fn c10_an_action_is_called_in_its_own_shape_or_as_a_stream_of_one() {
    for to in [HERE, NEXT, BEHIND] {
        let mut net = line();
        for shape in Shape::ALL {
            for called in Shape::ALL.into_iter().filter(|called| *called != shape) {
                let one = (shape, called) == (Shape::Unary, Shape::ServerStream);
                let started = if called == Shape::Unary {
                    net.call(0, to, shape.name(), "x")
                } else {
                    net.try_open(to, shape.name(), StreamOptions::new(called))
                };
                let outcome = match started {
                    Ok(op) if one => {
                        let request = net.request_at(to);
                        net.reply(to, request, Ok(Payload::from("the one")));
                        assert_eq!(texts(&net.wait_for_items(0, StreamId::Call(op), 1)), ["the one"]);
                        assert_eq!(net.wait_for(0, op), Ok(Payload::default()));
                        continue;
                    }
                    Ok(op) => net.wait_for(0, op),
                    Err(error) => Err(error),
                };
                let error = outcome.unwrap_err();
                assert_eq!(error.code(), Code::InvalidArgument, "{shape:?} as {called:?}");
                assert!(!error.maybe_executed() && error.message().contains(shape.name()), "{error}");
            }
        }
        net.run_for(Duration::from_secs(1));
        net.assert_quiet();
    }
    let mut net = line();
    let unary = net.try_open(NEXT, "unary", StreamOptions::new(Shape::Unary)).unwrap_err();
    assert_eq!(unary.code(), Code::InvalidArgument);
}

#[test]
fn items_larger_than_the_window_arrive_whole() {
    for to in [HERE, NEXT, BEHIND] {
        let mut net = line();
        let op = net.open(to, "bidirectional", StreamOptions::new(Shape::Bidirectional));
        let request = net.request_at(to);
        let large: Vec<u8> = (0..2_000_000_u32).map(|at| (at % 251) as u8).collect();
        for (node, from, at, to_end) in [
            (0, StreamId::Call(op), to, StreamId::Request(request)),
            (to, StreamId::Request(request), 0, StreamId::Call(op)),
        ] {
            for _ in 0..3 {
                net.send(node, from, large.clone()).unwrap();
                net.send(node, from, "small")
                    .unwrap_or_else(|error| assert_eq!(error.code(), Code::Backpressure));
                let mut heard = net.wait_for_items(at, to_end, 1);
                if heard.len() == 1 {
                    net.settle();
                    heard.extend(net.take_items(at, to_end));
                }
                assert!(heard[0] == large, "the first {} bytes of {}", heard[0].len(), large.len());
            }
        }
        net.reply(to, request, Ok(Payload::default()));
        assert!(net.wait_for(0, op).is_ok());
        net.run_for(Duration::from_secs(1));
        net.assert_quiet();
    }
}

#[test]
fn an_error_comes_behind_the_items_that_were_sent_before_it() {
    for to in [HERE, NEXT, BEHIND] {
        let mut net = line();
        let op = net.open(to, "server_stream", StreamOptions::new(Shape::ServerStream));
        let request = net.request_at(to);
        net.fill(to, StreamId::Request(request), 20_000);
        net.reply(to, request, Err(Error::new(Code::Aborted, "half way")));
        net.settle();
        assert_eq!(net.outcome(0, op), None, "its items are not taken yet");
        let mut items = 0;
        net.run_until("it has ended", |net| {
            items += net.take_items(0, StreamId::Call(op)).len();
            net.outcome(0, op).is_some()
        });
        assert!(items >= 13, "{items} items");
        let error = net.wait_for(0, op).unwrap_err();
        assert_eq!((error.code(), error.message()), (Code::Aborted, "half way"));
        net.run_for(Duration::from_secs(1));
        net.assert_quiet();
    }
}

#[test]
fn c4_a_relay_that_dies_ends_the_streams_that_went_through_it() {
    let mut net = line();
    let op = net.open(BEHIND, "bidirectional", StreamOptions::new(Shape::Bidirectional));
    let request = net.request_at(BEHIND);
    net.send(BEHIND, StreamId::Request(request), "one").unwrap();
    net.settle();
    let begun = net.now;
    net.kill(1, true);
    net.run_until("it has ended", |net| net.outcome(0, op).is_some());
    let error = net.wait_for(0, op).unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.maybe_executed());
    assert!(net.now - begun < Duration::from_secs(10), "long before its idle timeout of 30 s");
    net.run_until("the handler knows", |net| net.is_cancelled(BEHIND, request));
}

#[test]
fn a_big_stream_leaves_room_for_small_calls_and_streams_share_by_priority() {
    let mut net = line();
    let mut requests = Vec::new();
    let mut ops = Vec::new();
    for priority in [Priority::High, Priority::Low] {
        let options = StreamOptions { priority, ..StreamOptions::new(Shape::ClientStream) };
        ops.push(net.open(NEXT, "client_stream", options));
        net.settle();
        requests.push(net.request_at(NEXT));
    }
    // The pipe is full, so that everything waits for its turn.
    let ends: Vec<End> = net.pipes.keys().copied().filter(|end| end.0 == 0).collect();
    net.blocked.clone_from(&ends);
    for op in &ops {
        for _ in 0..5 {
            net.send(0, StreamId::Call(*op), std::vec![1; 50_000]).unwrap();
        }
    }
    let small = net.call(0, 1, "echo", "small").unwrap();
    let mut heard = [0_usize; 2];
    let mut at_answer = None;
    for _ in 0..200 {
        for end in &ends {
            net.input(0, Input::Credit { link: end.1, bytes: 4_000 });
        }
        net.settle();
        for (sum, request) in heard.iter_mut().zip(&requests) {
            *sum += net.take_items(1, StreamId::Request(*request)).iter().map(Bytes::len).sum::<usize>();
        }
        if net.outcome(0, small).is_some() && at_answer.is_none() {
            at_answer = Some(heard[0] + heard[1]);
        }
        if heard[0] == 250_000 {
            break;
        }
    }
    assert!(at_answer.is_some_and(|bytes| bytes <= 400_000), "the small call came after {at_answer:?} bytes");
    assert_eq!(heard[0], 250_000);
    assert!(heard[1] <= 100_000, "the low one had {} bytes by then", heard[1]);
}

#[test]
fn a_node_that_stops_lets_its_streams_end_and_fails_them_when_time_is_up() {
    let mut net = line();
    let op = net.open(NEXT, "server_stream", StreamOptions::new(Shape::ServerStream));
    let request = net.request_at(NEXT);
    net.send(NEXT, StreamId::Request(request), "one").unwrap();
    let now = net.now;
    net.node(1).shutdown(now, now + Duration::from_secs(5));
    net.settle();
    net.send(NEXT, StreamId::Request(request), "two").unwrap();
    assert_eq!(texts(&net.wait_for_items(0, StreamId::Call(op), 2)), ["one", "two"]);
    net.run_until("it has ended", |net| net.outcome(0, op).is_some());
    let error = net.wait_for(0, op).unwrap_err();
    assert_eq!(error.code(), Code::Unavailable, "{error}");
}

#[test]
fn a_stream_outlives_the_replacement_of_its_link() {
    let mut net = line();
    let op = net.open(NEXT, "server_stream", StreamOptions::new(Shape::ServerStream));
    let request = net.request_at(NEXT);
    net.run_for(Duration::from_secs(5));
    // The other side dials, and the newer link takes the place of the older one.
    net.connect(1, 0);
    for number in 0..30 {
        net.run_for(Duration::from_secs(1));
        net.send(NEXT, StreamId::Request(request), number.to_string()).unwrap();
        net.settle();
        assert_eq!(texts(&net.take_items(0, StreamId::Call(op))), [number.to_string()]);
    }
    net.reply(NEXT, request, Ok(Payload::default()));
    assert!(net.wait_for(0, op).is_ok());
    net.run_for(Duration::from_secs(20));
    net.assert_quiet();
}

#[test]
fn headers_reach_the_handler_whatever_the_shape() {
    for to in [HERE, NEXT, BEHIND] {
        let mut net = line();
        let mut headers = Headers::new();
        headers.push("tenant", "blue").unwrap();
        headers.push("net-where", &"x".repeat(4_096)).unwrap();
        let target = Target::Node(net.id(to));
        let options = CallOptions { headers: headers.clone(), ..CallOptions::default() };
        let (now, payload) = (net.now, Payload::default());
        net.node(0).call(now, Call { target, action: "unary", payload, timeout: None, options }).unwrap();
        net.request_at(to);
        assert!(net.has_event(
            to,
            |event| matches!(event, Event::Request { headers: seen, .. } if *seen == headers)
        ));
    }
}
