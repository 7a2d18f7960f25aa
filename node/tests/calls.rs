//! Calls and their outcomes.

mod stage;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lacewing::{Code, Error, Kind, Limits, Node, Request, demo};
use stage::{Stage, counter, echo, json, meet, until, within};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

scenarios!(
    a_call_brings_back_the_answer,
    an_unknown_action_is_not_found_at_once,
    a_handler_that_panics_fails_its_own_call_and_nothing_else,
    a_handler_that_panics_before_it_is_a_future_fails_its_own_call,
    an_error_of_the_handler_arrives_as_it_is,
    an_invalid_argument_comes_with_a_json_detail,
    c3_a_call_to_a_killed_peer_fails_at_once,
    c12_a_call_that_goes_back_and_forth_completes,
    c14_ten_megabytes_come_back_byte_for_byte,
    a_message_over_the_limit_is_refused_before_it_is_sent,
    dropping_a_call_drops_its_handler,
    a_call_that_takes_too_long_ends_with_its_deadline_and_drops_its_handler,
    a_thousand_calls_at_once_each_get_their_own_answer,
    a_call_reaches_the_neighbour_that_serves_it,
    an_action_that_is_served_no_longer_is_not_found,
);

async fn pair(stage: &Stage) -> (Node, Node) {
    let server = stage.server("server").await;
    server.serve("echo", echo).unwrap();
    let client = stage.client("client", &[&server]).await;
    (server, client)
}

async fn a_call_brings_back_the_answer(stage: Stage) {
    let (server, client) = pair(&stage).await;
    let answer = within(client.call("echo", "ping").to(server.node_id()).into_future()).await.unwrap();
    assert_eq!(&answer.data[..], b"ping");

    // The other way round it is the same.
    client.serve("who", async |request: Request| Ok(request.caller.node.to_string())).unwrap();
    let answer = within(server.call("who", ()).to(client.node_id()).into_future()).await.unwrap();
    assert_eq!(answer.data, server.node_id().to_string());
}

async fn an_unknown_action_is_not_found_at_once(stage: Stage) {
    let (server, client) = pair(&stage).await;
    let started = Instant::now();
    for call in [client.call("nothing", ()).to(server.node_id()), client.call("nothing", ())] {
        let error = within(call.timeout(Duration::from_secs(50)).into_future()).await.unwrap_err();
        assert_eq!(error.code(), Code::NotFound);
        assert!(!error.maybe_executed());
    }
    assert!(started.elapsed() < Duration::from_secs(5), "it did not wait for a deadline");
}

async fn a_handler_that_panics_fails_its_own_call_and_nothing_else(stage: Stage) {
    let (server, client) = pair(&stage).await;
    server
        .serve("panic", async |request: Request| {
            tokio::task::yield_now().await;
            if request.payload.data.is_empty() { panic!("on purpose") } else { Ok(()) }
        })
        .unwrap();
    let error = within(client.call("panic", ()).into_future()).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), (Code::Internal, Some(Kind::Panic)));
    assert!(error.maybe_executed());
    assert!(!error.message().contains("on purpose"), "what a panic says may hold secrets");
    within(client.call("panic", "not empty").into_future()).await.unwrap();
    within(client.call("echo", "still there").into_future()).await.unwrap();
    assert_eq!(counter(&server, "driver.handler_panicked"), 1);
}

async fn a_handler_that_panics_before_it_is_a_future_fails_its_own_call(stage: Stage) {
    let (server, client) = pair(&stage).await;
    let handler = |request: Request| {
        assert!(!request.payload.data.is_empty(), "on purpose");
        async { Ok(()) }
    };
    server.serve("panic", handler).unwrap();
    let error = within(client.call("panic", ()).into_future()).await.unwrap_err();
    assert_eq!(error.kind(), Some(Kind::Panic));
    within(client.call("panic", "not empty").into_future()).await.unwrap();
}

async fn an_error_of_the_handler_arrives_as_it_is(stage: Stage) {
    let (server, client) = pair(&stage).await;
    let sold_out = || {
        Error::new(Code::Application(0x8001), "sold out")
            .executed_perhaps(true)
            .with_retry_after_ms(Some(250))
            .with_detail("{\"left\":0}")
    };
    server.serve("buy", move |_: Request| std::future::ready(Err::<(), _>(sold_out()))).unwrap();
    assert_eq!(within(client.call("buy", ()).into_future()).await.unwrap_err(), sold_out());
    // Neither does it matter where the handler is.
    assert_eq!(within(server.call("buy", ()).into_future()).await.unwrap_err(), sold_out());
}

async fn an_invalid_argument_comes_with_a_json_detail(stage: Stage) {
    let (server, client) = pair(&stage).await;
    server.serve("echo_sum", demo::echo_sum).unwrap();
    let good = json(r#"{"text": "hi", "numbers": [18446744073709551615, 1, -2]}"#);
    let answer = within(client.call("echo_sum", good).into_future()).await.unwrap();
    assert_eq!(&answer.data[..], br#"{"echo":"hi","sum":18446744073709551614}"#);

    for (argument, field, expected, got) in [
        (r#"{"text": 1, "numbers": []}"#, "text", "a string", "an integer"),
        (r#"{"numbers": []}"#, "text", "a string", "nothing"),
        (r#"{"text": "", "numbers": {}}"#, "numbers", "an array of integers", "an object"),
        (
            r#"{"text": "", "numbers": [1, 2.5]}"#,
            "numbers[1]",
            "an integer",
            "a number that is no 64-bit integer",
        ),
        (
            r#"{"text": "", "numbers": [18446744073709551616]}"#,
            "numbers[0]",
            "an integer",
            "a number that is no 64-bit integer",
        ),
        (
            r#"{"text": "", "numbers": [], "txet": 1}"#,
            "txet",
            "only the fields text and numbers",
            "an unknown field",
        ),
        ("[]", "", "a JSON object", "an array"),
        ("{", "", "a JSON object", "no JSON: line 1, column 1"),
    ] {
        let error = within(client.call("echo_sum", json(argument)).into_future()).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{argument}");
        let detail: serde_json::Value = serde_json::from_slice(error.detail()).unwrap();
        assert_eq!(
            detail,
            serde_json::json!({ "field": field, "expected": expected, "got": got }),
            "{argument}"
        );
        assert!(!error.message().contains("txet"), "what the caller sent stays out of the text");
    }
}

async fn c3_a_call_to_a_killed_peer_fails_at_once(stage: Stage) {
    let (server, client) = pair(&stage).await;
    let begun = Arc::new(Notify::new());
    let told = Arc::clone(&begun);
    let forever = move |_: Request| {
        told.notify_one();
        std::future::pending::<Result<(), Error>>()
    };
    server.serve("forever", forever).unwrap();
    let call = client.call("forever", ()).to(server.node_id()).timeout(Duration::from_secs(50));
    let call = tokio::spawn(call.into_future());
    within(begun.notified()).await;

    let killed = Instant::now();
    let id = server.node_id();
    drop(server);
    let error = within(call).await.unwrap().unwrap_err();
    assert_eq!((error.code(), error.kind()), (Code::Unavailable, Some(Kind::NodeDown)));
    assert!(error.maybe_executed(), "the handler had begun");
    // And the next one is not even sent.
    let error = within(client.call("forever", ()).to(id).timeout(Duration::from_secs(50)).into_future())
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(!error.maybe_executed());
    assert!(killed.elapsed() < Duration::from_secs(5), "at once, not at the deadline");
}

async fn c12_a_call_that_goes_back_and_forth_completes(stage: Stage) {
    let (server, client) = pair(&stage).await;
    for (here, there) in [(&server, client.node_id()), (&client, server.node_id())] {
        let weak = here.downgrade();
        let bounce = move |request: Request| {
            let node = weak.upgrade().expect("a node that serves lives");
            async move {
                let left = request.payload.data[0];
                if left == 0 {
                    return Ok(vec![0]);
                }
                let answer = node.call("bounce", vec![left - 1]).to(there).await?;
                Ok([&answer.data[..], &[left]].concat())
            }
        };
        here.serve("bounce", bounce).unwrap();
    }
    let answer = within(client.call("bounce", vec![4]).to(server.node_id()).into_future()).await.unwrap();
    assert_eq!(&answer.data[..], [0, 1, 2, 3, 4]);
}

async fn c14_ten_megabytes_come_back_byte_for_byte(stage: Stage) {
    let (_server, client) = pair(&stage).await;
    // No period that a chunk or a record could hide behind.
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let data: Vec<u8> = std::iter::repeat_with(&mut noise).take(10 * 1024 * 1024).collect();
    let call = client.call("echo", data.clone()).timeout(Duration::from_secs(50));
    let answer = within(call.into_future()).await.unwrap();
    assert!(answer.data == data, "{} bytes came back", answer.data.len());
}

async fn a_message_over_the_limit_is_refused_before_it_is_sent(stage: Stage) {
    let server = stage.server("server").await;
    server.serve("echo", echo).unwrap();
    server.serve("flood", async |_: Request| Ok(vec![0; 2_000])).unwrap();
    let limits = Limits { message_bytes_max: 1_000, ..Limits::default() };
    let builder = stage.builder("client").limits(limits).peer(stage::addr_of(&server));
    let client = builder.start().await.unwrap();
    meet(&client, &server).await;

    within(client.call("echo", vec![7; 1_000]).into_future()).await.unwrap();
    let error = within(client.call("echo", vec![7; 1_001]).into_future()).await.unwrap_err();
    assert_eq!(error.code(), Code::TooLarge);
    assert!(!error.maybe_executed());
    // An answer that the caller could not take is refused where it is made; the work was done, though.
    let error = within(client.call("flood", ()).into_future()).await.unwrap_err();
    assert_eq!(error.code(), Code::TooLarge);
    assert!(error.maybe_executed());
}

/// A handler that says when it starts, and when it is dropped.
fn watched()
-> (impl Fn(Request) -> WatchedFuture + Send + Sync + 'static, mpsc::UnboundedReceiver<&'static str>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (move |_| WatchedFuture { told: false, sender: sender.clone() }, receiver)
}

struct WatchedFuture {
    told: bool,
    sender: mpsc::UnboundedSender<&'static str>,
}

impl Future for WatchedFuture {
    type Output = Result<(), Error>;

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        if !std::mem::replace(&mut self.told, true) {
            self.sender.send("started").unwrap();
        }
        std::task::Poll::Pending
    }
}

impl Drop for WatchedFuture {
    fn drop(&mut self) {
        let _ = self.sender.send("dropped");
    }
}

async fn dropping_a_call_drops_its_handler(stage: Stage) {
    let (server, client) = pair(&stage).await;
    let (handler, mut told) = watched();
    server.serve("watched", handler).unwrap();
    let call = tokio::spawn(client.call("watched", ()).timeout(Duration::from_secs(50)).into_future());
    assert_eq!(within(told.recv()).await, Some("started"));
    call.abort();
    assert_eq!(within(told.recv()).await, Some("dropped"));
    // Nothing is left behind on either side.
    for node in [&client, &server] {
        until(|| node.gauges().iter().all(|gauge| !gauge.zero_when_quiet || gauge.value == 0)).await;
    }
}

async fn a_call_that_takes_too_long_ends_with_its_deadline_and_drops_its_handler(stage: Stage) {
    let (server, client) = pair(&stage).await;
    let (handler, mut told) = watched();
    server.serve("watched", handler).unwrap();
    let started = Instant::now();
    let call = client.call("watched", ()).timeout(Duration::from_millis(300));
    let error = within(call.into_future()).await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
    assert!(error.maybe_executed());
    assert!(started.elapsed() >= Duration::from_millis(300));
    assert_eq!(within(told.recv()).await, Some("started"));
    assert_eq!(within(told.recv()).await, Some("dropped"));

    let error = within(client.call("watched", ()).timeout(Duration::ZERO).into_future()).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
}

async fn a_thousand_calls_at_once_each_get_their_own_answer(stage: Stage) {
    let (server, client) = pair(&stage).await;
    let served = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&served);
    let handler = move |request: Request| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        async move {
            // Some answer at once, some later, so that answers overtake each other.
            for _ in 0..number % 4 {
                tokio::task::yield_now().await;
            }
            Ok(request.payload)
        }
    };
    server.serve("count", handler).unwrap();
    let calls: Vec<_> = (0..1_000_u32)
        .map(|number| {
            (number, tokio::spawn(client.call("count", number.to_be_bytes().to_vec()).into_future()))
        })
        .collect();
    for (number, call) in calls {
        let answer = within(call).await.unwrap().unwrap();
        assert_eq!(&answer.data[..], number.to_be_bytes());
    }
    assert_eq!(served.load(Ordering::Relaxed), 1_000);
}

async fn a_call_reaches_the_neighbour_that_serves_it(stage: Stage) {
    let nobody = stage.server("nobody").await;
    let somebody = stage.server("somebody").await;
    somebody.serve("rare", async |_: Request| Ok("here")).unwrap();
    let client = stage.client("client", &[&nobody, &somebody]).await;
    let answer = within(client.call("rare", ()).into_future()).await.unwrap();
    assert_eq!(&answer.data[..], b"here");
    // What is served here is not asked of others.
    client.serve("rare", async |_: Request| Ok("mine")).unwrap();
    let answer = within(client.call("rare", ()).into_future()).await.unwrap();
    assert_eq!(&answer.data[..], b"mine");
}

async fn an_action_that_is_served_no_longer_is_not_found(stage: Stage) {
    let (server, client) = pair(&stage).await;
    assert!(server.serve("echo", echo).is_err(), "an action has one handler");
    assert!(server.unserve("echo"));
    assert!(!server.unserve("echo"));
    let error = within(client.call("echo", ()).into_future()).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    server.serve("echo", echo).unwrap();
    within(client.call("echo", ()).into_future()).await.unwrap();
}
