//! What a handler logs is logged within its request.
#![cfg(feature = "cli")]

mod stage;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use lacewing::{ItemSender, Request, TraceContext};
use stage::{Stage, within};

/// A log that can be read.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn line_with(&self, text: &str) -> String {
        let log = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
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
