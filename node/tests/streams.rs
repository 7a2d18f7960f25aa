//! Streams of every shape: within a node, to a neighbour, and through a relay.

mod stage;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lacewing::{
    CallBuilder, Code, Error, ItemSender, ItemStream, Kind, Limits, Node, NodeId, Payload, Priority, Request,
    Shape, TraceContext, Uploads,
};
use stage::{Stage, know_each_other, until, within};
use tokio::sync::mpsc;
use tokio::time::Instant;

scenarios!(
    a_server_stream_gives_its_items_in_order_and_then_ends,
    a_client_stream_takes_items_and_has_one_answer,
    both_sides_talk_in_turns_and_end_one_after_the_other,
    an_error_of_the_handler_comes_behind_its_items,
    c7_a_slow_consumer_bounds_its_producer_and_nobody_else,
    a_slow_handler_bounds_the_uploader,
    c9_a_dropped_consumer_cancels_its_producer,
    half_an_upload_is_never_taken_for_all_of_it,
    c4_a_killed_peer_ends_its_streams,
    c10_an_action_is_called_in_its_own_shape,
    an_answer_may_come_before_the_uploads_end,
    what_a_handler_leaves_behind_is_refused,
    a_stream_stands_still_for_no_longer_than_it_may,
    a_handler_that_panics_ends_its_stream,
    a_node_that_is_closed_ends_its_streams,
    headers_and_traces_reach_the_handler,
    a_thousand_streams_at_once_each_get_their_own_items,
);

/// Three nodes in a line. The first one calls; the handler is with it, next to it, or behind a relay.
struct Line {
    nodes: Vec<Node>,
}

impl Line {
    async fn start(stage: &Stage) -> Self {
        Self { nodes: stage.line(3).await }
    }

    fn caller(&self) -> &Node {
        &self.nodes[0]
    }

    fn servers(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter()
    }

    /// Nothing is left of any stream, at any node.
    async fn is_quiet(&self) {
        for node in &self.nodes {
            until(|| node.gauges().iter().all(|gauge| !gauge.zero_when_quiet || gauge.value == 0)).await;
        }
    }
}

fn open<K>(call: CallBuilder<K>, to: NodeId) -> <CallBuilder<K> as IntoFuture>::IntoFuture
where
    CallBuilder<K>: IntoFuture,
{
    call.to(to).into_future()
}

/// Everything up to the end, and how it ends.
async fn drain(mut items: ItemStream) -> (Vec<String>, Result<(), Error>) {
    let mut texts = Vec::new();
    loop {
        match within(items.next()).await {
            Some(Ok(item)) => texts.push(text(&item)),
            Some(Err(error)) => {
                assert!(within(items.next()).await.is_none(), "nothing comes behind the end");
                return (texts, Err(error));
            }
            None => return (texts, Ok(())),
        }
    }
}

fn text(payload: &Payload) -> String {
    String::from_utf8_lossy(&payload.data).into_owned()
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("item {number}")).collect()
}

/// Gives as many items as it is asked for.
async fn count(request: Request, items: ItemSender) -> Result<(), Error> {
    for item in numbered(text(&request.payload).parse().unwrap()) {
        items.send(item).await?;
    }
    Ok(())
}

/// Says who is told when a handler is dropped.
struct Told(mpsc::UnboundedSender<&'static str>);

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
    }
}

async fn a_server_stream_gives_its_items_in_order_and_then_ends(stage: Stage) {
    let line = Line::start(&stage).await;
    for server in line.servers() {
        server.serve_stream("count", count).unwrap();
        for wanted in [0, 1, 3_000] {
            let call = line.caller().call_stream("count", wanted.to_string());
            let items = open(call, server.node_id()).await.unwrap();
            let (texts, end) = drain(items).await;
            assert_eq!((texts, end), (numbered(wanted), Ok(())));
        }
    }
    line.is_quiet().await;
}

async fn a_client_stream_takes_items_and_has_one_answer(stage: Stage) {
    let line = Line::start(&stage).await;
    for server in line.servers() {
        server
            .serve_upload("join", async |request: Request, mut uploads: Uploads| {
                assert_eq!(request.shape(), Shape::ClientStream);
                let mut joined = text(&request.payload);
                while let Some(item) = uploads.try_next().await? {
                    joined += &text(&item);
                }
                assert!(uploads.next().await.is_none(), "nothing comes behind the end");
                Ok(joined)
            })
            .unwrap();
        for wanted in [0, 1, 3_000] {
            let call = line.caller().upload("join", "first ");
            let upload = open(call, server.node_id()).await.unwrap();
            for item in numbered(wanted) {
                within(upload.send(item)).await.unwrap();
            }
            let answer = within(upload.finish()).await.unwrap();
            assert_eq!(text(&answer), format!("first {}", numbered(wanted).concat()));
        }
    }
    line.is_quiet().await;
}

async fn both_sides_talk_in_turns_and_end_one_after_the_other(stage: Stage) {
    let line = Line::start(&stage).await;
    for server in line.servers() {
        server
            .serve_bidirectional("chat", async |_: Request, mut heard: Uploads, said: ItemSender| {
                while let Some(item) = heard.try_next().await? {
                    said.send(format!("{}, you say", text(&item))).await?;
                }
                said.send("goodbye").await
            })
            .unwrap();
        let call = line.caller().open("chat", ());
        let mut chat = open(call, server.node_id()).await.unwrap();
        for item in numbered(20) {
            within(chat.send(item.clone())).await.unwrap();
            let back = within(chat.try_next()).await.unwrap().unwrap();
            assert_eq!(text(&back), format!("{item}, you say"));
        }
        // Half closed: the other half goes on. In two tasks it is the same.
        let (sender, items) = chat.split();
        let last = tokio::spawn(async move {
            sender.send("the last").await.unwrap();
            sender.finish();
        });
        let (texts, end) = drain(items).await;
        assert_eq!((texts, end), (vec!["the last, you say".to_owned(), "goodbye".to_owned()], Ok(())));
        within(last).await.unwrap();
    }
    line.is_quiet().await;
}

async fn an_error_of_the_handler_comes_behind_its_items(stage: Stage) {
    let line = Line::start(&stage).await;
    let sold_out = || {
        Error::new(Code::Application(0x8001), "sold out").executed_perhaps(true).with_detail("{\"left\":0}")
    };
    for server in line.servers() {
        let handler = move |_: Request, items: ItemSender| async move {
            for item in numbered(100) {
                items.send(item).await?;
            }
            Err(sold_out())
        };
        server.serve_stream("buy", handler).unwrap();
        let items = open(line.caller().call_stream("buy", ()), server.node_id()).await.unwrap();
        assert_eq!(drain(items).await, (numbered(100), Err(sold_out())));
    }
    line.is_quiet().await;
}

/// What a stream may hold between a producer and a consumer that does not take anything: what waits to leave, and what has
/// arrived.
fn held_max() -> usize {
    let limits = Limits::default();
    limits.stream_queue_bytes + limits.stream_window_bytes as usize
}

const PART: usize = 10_000;

async fn c7_a_slow_consumer_bounds_its_producer_and_nobody_else(stage: Stage) {
    let line = Line::start(&stage).await;
    for server in line.servers() {
        let sent = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&sent);
        let flood = move |_: Request, items: ItemSender| {
            let count = Arc::clone(&count);
            async move {
                while count.load(Ordering::Relaxed) < 300 {
                    items.send(vec![7; PART]).await?;
                    count.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            }
        };
        server.serve_stream("flood", flood).unwrap();
        server.serve("echo", stage::echo).unwrap();
        let mut items = open(line.caller().call_stream("flood", ()), server.node_id()).await.unwrap();
        let window = Limits::default().stream_window_bytes as usize;
        until(|| sent.load(Ordering::Relaxed) * PART > window - PART).await;
        // Others are not held up, and while they come and go the producer stays where it is.
        for _ in 0..50 {
            let call = line.caller().call("echo", "quick").to(server.node_id());
            assert_eq!(within(call.into_future()).await.unwrap().data, "quick");
        }
        let held = sent.load(Ordering::Relaxed) * PART;
        assert!(held <= held_max() + 2 * PART, "{held} bytes");
        // And when the consumer goes on, so does the producer.
        let mut taken = 0;
        while let Some(item) = within(items.try_next()).await.unwrap() {
            assert_eq!(item.data.len(), PART);
            taken += 1;
        }
        assert_eq!(taken, 300);
    }
    line.is_quiet().await;
}

async fn a_slow_handler_bounds_the_uploader(stage: Stage) {
    let line = Line::start(&stage).await;
    for server in line.servers() {
        server
            .serve_upload("sleepy", async |request: Request, mut uploads: Uploads| {
                // As slow as the caller says.
                let wanted: usize = text(&request.payload).parse().unwrap();
                let mut bytes = 0;
                if wanted == 0 {
                    std::future::pending::<()>().await;
                }
                while let Some(item) = uploads.try_next().await? {
                    bytes += item.data.len();
                }
                Ok(bytes.to_string())
            })
            .unwrap();
        let upload = open(line.caller().upload("sleepy", "0"), server.node_id()).await.unwrap();
        let mut held = 0;
        let full = loop {
            match upload.try_send(vec![7; PART]) {
                Ok(()) => held += PART,
                Err(error) => break error,
            }
            assert!(held <= held_max() + 2 * PART, "{held} bytes");
            tokio::task::yield_now().await;
        };
        assert_eq!(full.code(), Code::Backpressure);
        // Whoever waits for room waits, and can be told not to.
        drop(upload);
        let upload = open(line.caller().upload("sleepy", "1"), server.node_id()).await.unwrap();
        for _ in 0..300 {
            within(upload.send(vec![7; PART])).await.unwrap();
        }
        assert_eq!(text(&within(upload.finish()).await.unwrap()), (300 * PART).to_string());
    }
    line.is_quiet().await;
}

async fn c9_a_dropped_consumer_cancels_its_producer(stage: Stage) {
    let line = Line::start(&stage).await;
    for server in line.servers() {
        let (told, mut drops) = mpsc::unbounded_channel();
        let endless = move |_: Request, items: ItemSender| {
            let guard = Told(told.clone());
            async move {
                let _guard = guard;
                loop {
                    items.send(vec![7; PART]).await?;
                }
            }
        };
        server.serve_stream("endless", endless).unwrap();
        // Whether the producer waits for room or has just found some.
        for taken in [1, 100] {
            let mut items = open(line.caller().call_stream("endless", ()), server.node_id()).await.unwrap();
            for _ in 0..taken {
                within(items.try_next()).await.unwrap().unwrap();
            }
            drop(items);
            assert_eq!(within(drops.recv()).await, Some("dropped"));
        }
    }
    line.is_quiet().await;
}

async fn half_an_upload_is_never_taken_for_all_of_it(stage: Stage) {
    let line = Line::start(&stage).await;
    for server in line.servers() {
        let (told, mut ends) = mpsc::unbounded_channel();
        let serve = move |_: Request, mut uploads: Uploads, items: ItemSender| {
            let told = told.clone();
            async move {
                // Read by a task of its own, which outlives the handler.
                tokio::spawn(async move {
                    while let Some(item) = uploads.next().await {
                        let Ok(_) = item else {
                            return told.send(item.map(drop)).unwrap();
                        };
                    }
                    told.send(Ok(())).unwrap();
                });
                items.send("begun").await?;
                std::future::pending().await
            }
        };
        server.serve_bidirectional("read", serve).unwrap();
        let mut chat = open(line.caller().open("read", ()), server.node_id()).await.unwrap();
        within(chat.send("half")).await.unwrap();
        within(chat.try_next()).await.unwrap().unwrap();
        let (sender, mut items) = chat.split();
        drop(sender);
        let error = within(items.try_next()).await.unwrap_err();
        assert_eq!(error.code(), Code::Cancelled);
        assert!(error.message().contains("before it had finished"), "{error}");
        assert_eq!(within(ends.recv()).await.unwrap().unwrap_err().code(), Code::Cancelled);
    }
    line.is_quiet().await;
}

async fn c4_a_killed_peer_ends_its_streams(stage: Stage) {
    let line = Line::start(&stage).await;
    let (told, mut drops) = mpsc::unbounded_channel();
    for server in &line.nodes[1..] {
        let told = told.clone();
        let serve = move |_: Request, mut uploads: Uploads, items: ItemSender| {
            let guard = Told(told.clone());
            async move {
                let _guard = guard;
                items.send("begun").await?;
                while uploads.try_next().await?.is_some() {}
                Ok(())
            }
        };
        server.serve_bidirectional("wait", serve).unwrap();
    }
    let mut chats = Vec::new();
    for server in &line.nodes[1..] {
        let mut chat = open(line.caller().open("wait", ()), server.node_id()).await.unwrap();
        within(chat.try_next()).await.unwrap().unwrap();
        chats.push(chat);
    }
    // The one in the middle ends its own stream, and the one that goes through it.
    let killed = Instant::now();
    let mut nodes = line.nodes;
    drop(nodes.remove(1));
    for mut chat in chats {
        let error = within(chat.try_next()).await.unwrap_err();
        assert_eq!(error.code(), Code::Unavailable, "{error}");
        assert!(error.maybe_executed());
        let error = within(chat.send("too late")).await.unwrap_err();
        assert_eq!(error.code(), Code::Unavailable, "{error}");
    }
    // Both handlers are gone: that of the killed node, and that of the one which lost its caller.
    for _ in 0..2 {
        assert_eq!(within(drops.recv()).await, Some("dropped"));
    }
    assert!(killed.elapsed() < Duration::from_secs(25), "before anything could have stood still for 30 s");
}

async fn c10_an_action_is_called_in_its_own_shape(stage: Stage) {
    let line = Line::start(&stage).await;
    for server in line.servers() {
        server.serve("unary", stage::echo).unwrap();
        server.serve_stream("server_stream", count).unwrap();
        server.serve_upload("client_stream", async |_: Request, _: Uploads| Ok(())).unwrap();
        server
            .serve_bidirectional("bidirectional", async |_: Request, _: Uploads, _: ItemSender| Ok(()))
            .unwrap();
    }
    let caller = line.caller();
    for server in line.servers() {
        let to = server.node_id();
        let known = |node: &Node| (node.describe(to)?.providers.len() == 4).then_some(());
        within(caller.wait_until(known)).await.unwrap();
        for shape in Shape::ALL {
            let action = shape.name();
            let mut outcomes = Vec::new();
            let unary = caller.call(action, "1").to(to);
            outcomes.push((Shape::Unary, within(unary.into_future()).await.map(drop)));
            let stream = caller.call_stream(action, "1").to(to).await;
            let outcome = match stream {
                Ok(items) => drain(items).await.1,
                Err(error) => Err(error),
            };
            outcomes.push((Shape::ServerStream, outcome));
            let outcome = match caller.upload(action, "1").to(to).await {
                Ok(upload) => within(upload.finish()).await.map(drop),
                Err(error) => Err(error),
            };
            outcomes.push((Shape::ClientStream, outcome));
            let outcome = match caller.open(action, "1").to(to).await {
                Ok(mut chat) => {
                    chat.finish();
                    drain(chat.split().1).await.1
                }
                Err(error) => Err(error),
            };
            outcomes.push((Shape::Bidirectional, outcome));
            for (called, outcome) in outcomes {
                if shape.may_be_called_as(called) {
                    assert_eq!(outcome, Ok(()), "{shape:?} as {called:?}");
                    continue;
                }
                let error = outcome.unwrap_err();
                assert_eq!(error.code(), Code::InvalidArgument, "{shape:?} as {called:?}");
                assert!(!error.maybe_executed() && error.message().contains(action), "{error}");
            }
        }
        // One answer is a stream of one.
        let items = caller.call_stream("unary", "the one").to(to).await.unwrap();
        assert_eq!(drain(items).await, (vec!["the one".to_owned()], Ok(())));
    }
    line.is_quiet().await;
}

async fn an_answer_may_come_before_the_uploads_end(stage: Stage) {
    let line = Line::start(&stage).await;
    for server in line.servers() {
        server
            .serve_upload("enough", async |_: Request, mut uploads: Uploads| {
                let first = uploads.try_next().await?.unwrap();
                Ok(first)
            })
            .unwrap();
        let upload = open(line.caller().upload("enough", ()), server.node_id()).await.unwrap();
        within(upload.send("the first")).await.unwrap();
        let error = within(async {
            loop {
                match upload.send(vec![7; PART]).await {
                    Ok(()) => tokio::task::yield_now().await,
                    Err(error) => return error,
                }
            }
        })
        .await;
        assert_eq!(error.code(), Code::FailedPrecondition);
        assert_eq!(within(upload.finish()).await.unwrap().data, "the first");
    }
    line.is_quiet().await;
}

async fn what_a_handler_leaves_behind_is_refused(stage: Stage) {
    let line = Line::start(&stage).await;
    for server in line.servers() {
        let (give, mut given) = mpsc::unbounded_channel();
        let serve = move |_: Request, uploads: Uploads, items: ItemSender| {
            give.send((uploads, items)).unwrap();
            std::future::ready(Ok(()))
        };
        server.serve_bidirectional("leave", serve).unwrap();
        let chat = open(line.caller().open("leave", ()), server.node_id()).await.unwrap();
        let (_sender, items) = chat.split();
        assert_eq!(drain(items).await, (Vec::new(), Ok(())));
        let (mut uploads, items) = within(given.recv()).await.unwrap();
        let error = within(uploads.try_next()).await.unwrap_err();
        assert_eq!(error.code(), Code::FailedPrecondition, "{error}");
        let error = within(items.send("too late")).await.unwrap_err();
        assert_eq!(error.code(), Code::FailedPrecondition, "{error}");
    }
    line.is_quiet().await;
}

async fn a_stream_stands_still_for_no_longer_than_it_may(stage: Stage) {
    let line = Line::start(&stage).await;
    for server in line.servers() {
        let (told, mut drops) = mpsc::unbounded_channel();
        let serve = move |request: Request, items: ItemSender| {
            let guard = Told(told.clone());
            async move {
                let _guard = guard;
                assert_eq!(request.deadline().is_some(), request.payload.data == "timed");
                items.send("one").await?;
                std::future::pending().await
            }
        };
        server.serve_stream("still", serve).unwrap();
        let patience = Duration::from_millis(300);
        let idle = line.caller().call_stream("still", "idle").idle_timeout(patience);
        let timed = line.caller().call_stream("still", "timed").timeout(patience).priority(Priority::High);
        for call in [idle, timed] {
            let began = Instant::now();
            let items = open(call, server.node_id()).await.unwrap();
            let (texts, end) = drain(items).await;
            assert_eq!(texts, ["one"]);
            let error = end.unwrap_err();
            assert_eq!(error.code(), Code::DeadlineExceeded, "{error}");
            assert!(error.maybe_executed() && began.elapsed() >= patience);
            assert_eq!(within(drops.recv()).await, Some("dropped"));
        }
    }
    line.is_quiet().await;
}

async fn a_handler_that_panics_ends_its_stream(stage: Stage) {
    let line = Line::start(&stage).await;
    for server in line.servers() {
        server
            .serve_stream("panic", async |_: Request, items: ItemSender| {
                items.send("one").await?;
                panic!("on purpose")
            })
            .unwrap();
        let items = open(line.caller().call_stream("panic", ()), server.node_id()).await.unwrap();
        let (texts, end) = drain(items).await;
        assert_eq!(texts, ["one"]);
        assert_eq!(end.unwrap_err().kind(), Some(Kind::Panic));
    }
    line.is_quiet().await;
}

async fn a_node_that_is_closed_ends_its_streams(stage: Stage) {
    let line = Line::start(&stage).await;
    let wait = async |_: Request, items: ItemSender| {
        items.send("begun").await?;
        std::future::pending().await
    };
    line.nodes[1].serve_stream("wait", wait).unwrap();
    let mut items = open(line.caller().call_stream("wait", ()), line.nodes[1].node_id()).await.unwrap();
    within(items.try_next()).await.unwrap().unwrap();
    let mut nodes = line.nodes;
    drop(nodes.remove(0));
    let error = within(items.try_next()).await.unwrap_err();
    assert_eq!(error.kind(), Some(Kind::Stopped), "{error}");
}

async fn headers_and_traces_reach_the_handler(stage: Stage) {
    let line = Line::start(&stage).await;
    for server in line.servers() {
        let describe = |request: &Request| {
            let trace = request.trace().map(|trace| (trace.trace_id_hex(), trace.sampled()));
            format!("{:?} {:?} {}", request.header("tenant"), trace, request.headers().len())
        };
        server.serve("unary", move |request: Request| std::future::ready(Ok(describe(&request)))).unwrap();
        let stream =
            move |request: Request, items: ItemSender| async move { items.send(describe(&request)).await };
        server.serve_stream("stream", stream).unwrap();
        let to = server.node_id();
        let root = TraceContext::root(true);
        let expected = format!("Some(\"blue\") Some((\"{}\", true)) 2", root.trace_id_hex());

        let unary = line.caller().call("unary", ()).to(to).header("tenant", "blue");
        let answer = within(unary.trace(TraceContext::root(false)).trace(root).into_future()).await.unwrap();
        assert_eq!(answer.data, expected);
        let stream = line.caller().call_stream("stream", ()).to(to).header("tenant", "blue").trace(root);
        assert_eq!(drain(stream.await.unwrap()).await.0, [expected]);
        // What is not well-formed is as good as none.
        let broken = line.caller().call("unary", ()).to(to).header("traceparent", "00-1-2-3");
        assert_eq!(within(broken.into_future()).await.unwrap().data, "None None 1");

        for bad in [
            line.caller().call("unary", ()).header("Tenant", "blue"),
            line.caller().call("unary", ()).header("tenant", "b".repeat(5_000)),
            (0..65).fold(line.caller().call("unary", ()), |call, _| call.header("tenant", "b")),
            (0..3).fold(line.caller().call("unary", ()), |call, _| call.header("tenant", "b".repeat(3_000))),
        ] {
            let error = within(bad.to(to).into_future()).await.unwrap_err();
            assert_eq!(error.code(), Code::InvalidArgument);
            assert!(!error.maybe_executed());
        }
    }
}

async fn a_thousand_streams_at_once_each_get_their_own_items(stage: Stage) {
    let line = Line::start(&stage).await;
    for server in line.servers() {
        server
            .serve_stream("thrice", async |request: Request, items: ItemSender| {
                for _ in 0..3 {
                    items.send(request.payload.clone()).await?;
                    tokio::task::yield_now().await;
                }
                Ok(())
            })
            .unwrap();
    }
    let mut streams = Vec::new();
    for number in 0..999_usize {
        let server = &line.nodes[number % 3];
        let call = line.caller().call_stream("thrice", number.to_string()).to(server.node_id());
        streams.push((number, call.await.unwrap()));
    }
    for (number, items) in streams {
        assert_eq!(drain(items).await, (vec![number.to_string(); 3], Ok(())));
    }
    line.is_quiet().await;
}

/// Bytes without a period that a chunk or a record could hide behind.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(&mut byte).take(len).collect()
}

const BLOCK: usize = 256 * 1024;
const MEBIBYTE: usize = 1024 * 1024;

/// So many bytes go to a handler in parts of which each is another one, and come back as they were.
async fn mirror(stage: Stage, to: usize, len: usize) {
    let line = Line::start(&stage).await;
    let server = &line.nodes[to];
    server
        .serve_bidirectional("mirror", async |_: Request, mut uploads: Uploads, items: ItemSender| {
            while let Some(item) = uploads.try_next().await? {
                items.send(item).await?;
            }
            Ok(())
        })
        .unwrap();
    let chat = line.caller().open("mirror", ()).to(server.node_id()).await.unwrap();
    let (sender, mut items) = chat.split();
    let block = bytes::Bytes::from(noise(BLOCK + len / BLOCK));
    let parts = block.clone();
    let upload = tokio::spawn(async move {
        for part in 0..len / BLOCK {
            sender.send(parts.slice(part..part + BLOCK)).await.unwrap();
        }
        sender.finish();
    });
    let mut part = 0;
    while let Some(item) = within(items.try_next()).await.unwrap() {
        assert!(item.data == block.slice(part..part + BLOCK), "part {part}");
        part += 1;
    }
    assert_eq!(part, len / BLOCK);
    within(upload).await.unwrap();
    line.is_quiet().await;
}

#[tokio::test]
async fn sixty_four_mebibytes_come_back_within_a_node() {
    mirror(Stage::memory(), 0, 64 * MEBIBYTE).await;
}

#[tokio::test]
async fn eight_mebibytes_come_back_through_a_relay() {
    mirror(Stage::Tcp, 2, 8 * MEBIBYTE).await;
}

#[tokio::test]
async fn sixty_four_mebibytes_arrive_at_a_neighbour_intact() {
    let server = Stage::Tcp.server("server").await;
    let block = bytes::Bytes::from(noise(BLOCK + 256));
    let expected = block.clone();
    let check = move |_: Request, mut uploads: Uploads| {
        let expected = expected.clone();
        async move {
            let mut part = 0;
            while let Some(item) = uploads.try_next().await? {
                if item.data != expected.slice(part..part + BLOCK) {
                    return Err(Error::new(Code::Aborted, format!("part {part}")));
                }
                part += 1;
            }
            Ok(part.to_string())
        }
    };
    server.serve_upload("check", check).unwrap();
    let client = Stage::Tcp.client("client", &[&server]).await;
    let upload = client.upload("check", ()).await.unwrap();
    for part in 0..256 {
        within(upload.send(block.slice(part..part + BLOCK))).await.unwrap();
    }
    assert_eq!(within(upload.finish()).await.unwrap().data, "256");
}

#[tokio::test]
async fn everybody_is_told_which_shape_an_action_has() {
    let nodes = Stage::memory().line(2).await;
    nodes[1].serve_stream("count", count).unwrap();
    know_each_other(&nodes).await;
    let shape = |node: &Node| node.providers("count").first().map(|(_, entry)| entry.shape);
    assert_eq!(within(nodes[0].wait_until(shape)).await.unwrap(), Shape::ServerStream);
}
