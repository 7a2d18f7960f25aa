//! What a handler logs is logged within its request, and each hop says what becomes of a call.
#![cfg(feature = "cli")]

mod stage;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use lacewing::{Action, ItemSender, Request, TraceContext};
use stage::{Stage, within};
use tracing::Level;

/// A log that can be read.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The last words of the lines within a span, in order.
    fn within(&self, span: &str) -> Vec<String> {
        let text = self.text();
        let lines = text.lines().filter(|line| line.contains(span));
        lines.map(|line| line.rsplit("}: ").next().unwrap().to_owned()).collect()
    }

    fn line_with(&self, text: &str) -> String {
        let log = self.text();
        log.lines().find(|line| line.contains(text)).unwrap_or_else(|| panic!("{text}: {log}")).to_owned()
    }
}

impl Write for Log {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_handler_logs_within_a_span_that_names_its_request() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _default = tracing::subscriber::set_default(subscriber);

    let server = Stage::memory().server("server").await;
    server
        .serve("unary", async |_: Request| {
            tracing::info!("at first");
            tokio::task::yield_now().await;
            tracing::info!("later");
            Ok(())
        })
        .unwrap();
    server
        .serve_stream("stream", async |_: Request, items: ItemSender| {
            tracing::info!("streaming");
            items.send("one").await
        })
        .unwrap();
    let trace = TraceContext::root(true);
    within(server.call("unary", ()).trace(trace).into_future()).await.unwrap();
    let mut items = server.call_stream("stream", ()).await.unwrap();
    while within(items.try_next()).await.unwrap().is_some() {}
    tracing::info!("outside");

    let who = format!("caller={}", server.node_id());
    for text in ["at first", "later"] {
        let line = log.line_with(text);
        let trace = format!("trace_id={}", trace.trace_id_hex());
        assert!(
            line.contains(r#"request{action="unary""#) && line.contains(&who) && line.contains(&trace),
            "{line}"
        );
        assert!(line.contains("span_id="), "{line}");
    }
    let line = log.line_with("streaming");
    assert!(line.contains(r#"request{action="stream""#) && !line.contains("trace_id"), "{line}");
    assert!(!log.line_with("outside").contains("request{"));
}

#[tokio::test]
async fn each_hop_says_what_becomes_of_a_call_and_nothing_of_what_is_in_it() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_target(false)
        .with_max_level(Level::DEBUG)
        .with_writer(move || writer.clone())
        .finish();
    let _default = tracing::subscriber::set_default(subscriber);

    let line = Stage::memory().line(3).await;
    let [caller, relay, server] = [0, 1, 2].map(|place| line[place].node_id());
    let one_at_a_time = Action::new("echo").max_in_flight(1);
    line[2]
        .serve(one_at_a_time, async |request: Request| {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            assert_eq!(request.waited().is_zero(), request.payload.data.starts_with(b"first"));
            Ok(request.payload)
        })
        .unwrap();
    let traces = [TraceContext::root(true), TraceContext::root(true)];
    let call =
        |payload: &'static str, trace| line[0].call("echo", payload).to(server).trace(trace).into_future();
    let (first, second) =
        within(async { tokio::join!(call("first secret", traces[0]), call("second secret", traces[1])) })
            .await;
    assert_eq!(
        (&first.unwrap().data[..], &second.unwrap().data[..]),
        (&b"first secret"[..], &b"second secret"[..])
    );
    let refused = within(line[0].call("nobody", "secret").to(server).into_future()).await;
    refused.unwrap_err();

    let of = |name: &str, node, trace: &TraceContext| {
        let trace = trace.trace_id_hex();
        let is_it = |line: &&str| {
            line.contains(&format!("{name}{{action="))
                && line.contains(&format!(" node={node}"))
                && line.contains(&format!("trace_id={trace}"))
        };
        let text = log.text();
        let lines: Vec<String> = text.lines().filter(is_it).map(str::to_owned).collect();
        lines.iter().map(|line| line.rsplit("}: ").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for trace in &traces {
        assert_eq!(of("call", caller, trace), ["queued", "done outcome=\"ok\""], "{}", log.text());
    }
    assert_eq!(of("request", server, &traces[0]), ["received", "executing", "done outcome=\"ok\""]);
    let second = of("request", server, &traces[1]);
    assert_eq!(second.len(), 4, "{second:?}");
    assert!(second[1].starts_with("queued waited_us="), "{second:?}");
    let refused = log.line_with("outcome=\"NotFound\"");
    assert!(refused.contains(r#"call{action="nobody""#), "{refused}");

    let passed_on = log.within(&format!("relay{{source={caller} destination={server}"));
    assert!(!passed_on.is_empty() && passed_on.iter().all(|words| words == "forwarded"), "{passed_on:?}");
    assert_ne!(relay, server);
    assert!(!log.text().contains("secret"), "{}", log.text());
}
