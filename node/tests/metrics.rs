//! What a node measures, as it says itself, over HTTP, and as the guide describes it.

mod stage;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use lacewing::metrics::{Family, Value, driver_families, families, text};
use lacewing::{Node, Request, StartError};
use stage::{Stage, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const FREE: &str = "127.0.0.1:0";

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

async fn get(addr: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

async fn measured(stage: &Stage, name: &str) -> Node {
    stage.builder(name).listen(FREE).metrics_at(addr(FREE)).start().await.unwrap()
}

#[tokio::test]
async fn a_node_says_over_http_what_it_says_of_itself() {
    let stage = Stage::memory();
    let server = measured(&stage, "server").await;
    server.serve("echo", async |request: Request| Ok(request.payload)).unwrap();
    let client = stage.client("client", &[&server]).await;
    for _ in 0..3 {
        client.call("echo", "hi").await.unwrap();
    }
    client.call("nobody", "hi").await.unwrap_err();

    let at = server.metrics_addr().unwrap();
    let page = get(at, "/metrics").await;
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    for line in [
        "lacewing_requests_finished_total{code=\"ok\"} 3",
        "lacewing_action_requests_total{action=\"echo\"} 3",
        "lacewing_request_duration_seconds_count 3",
        "lacewing_links_opened_total{kind=\"stream\"} 1",
        "lacewing_sockets 1",
        "lacewing_handlers_running 0",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}: {page}");
    }
    let info = format!(
        "lacewing_node_info{{node=\"{}\",label=\"server\",network=\"lacewing\",version=\"{}\"}} 1",
        server.node_id(),
        env!("CARGO_PKG_VERSION")
    );
    assert!(page.lines().any(|found| found == info), "{info}: {page}");

    let neighbours = get(at, "/metrics/neighbours").await;
    let up = format!("lacewing_neighbour_up{{node=\"{}\",label=\"client\"}} 1", client.node_id());
    assert!(neighbours.lines().any(|found| found == up), "{up}: {neighbours}");

    let snapshot = client.metrics();
    assert_eq!(snapshot.count(&families::CALLS_FINISHED, &["ok"]), 3);
    assert_eq!(snapshot.count(&families::CALLS_FINISHED, &["NotFound"]), 1);
    assert_eq!(client.metrics_addr(), None, "it was not asked for");
}

#[tokio::test]
async fn a_snapshot_has_every_family_in_the_order_of_the_lists() {
    let node = Stage::memory().server("alone").await;
    let expected = || families::ALL.iter().chain(driver_families::ALL).map(|family| family.name);
    let is_apart =
        |name: &&str| !name.starts_with("lacewing_neighbour_") || name.ends_with("transitions_total");
    let snapshot = node.metrics();
    let found: Vec<_> = snapshot.iter().map(|measured| measured.family.name).collect();
    assert_eq!(found, expected().filter(is_apart).collect::<Vec<_>>());
    let types = text(&snapshot).lines().filter(|line| line.starts_with("# TYPE ")).count();
    assert_eq!(types, found.len());
    let apart: Vec<_> = node.neighbour_metrics().iter().map(|measured| measured.family.name).collect();
    assert_eq!(apart, expected().filter(|name| !is_apart(name)).collect::<Vec<_>>());
}

#[tokio::test]
async fn metrics_are_exposed_only_to_whoever_asks_for_it() {
    let stage = Stage::memory();
    for exposed in ["0.0.0.0:0", "[::]:0", "192.0.2.1:9464"] {
        let error = stage.builder("careless").metrics_at(addr(exposed)).start().await.unwrap_err();
        assert!(matches!(&error, StartError::MetricsExposed(at) if *at == addr(exposed)), "{error}");
    }
    let node = stage.builder("careful").metrics_exposed_at(addr("0.0.0.0:0")).start().await.unwrap();
    let port = node.metrics_addr().unwrap().port();
    let page = get(SocketAddr::new(addr(FREE).ip(), port), "/metrics").await;
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error_that_says_so() {
    let stage = Stage::memory();
    let first = measured(&stage, "first").await;
    let at = first.metrics_addr().unwrap();
    let error = stage.builder("second").metrics_at(at).start().await.unwrap_err();
    assert!(matches!(error, StartError::Metrics { .. }), "{error}");
    assert!(error.to_string().contains("in use already"), "{error}");
}

#[tokio::test]
async fn the_endpoint_ends_with_its_node() {
    let node = measured(&Stage::memory(), "brief").await;
    let at = node.metrics_addr().unwrap();
    let mut idle = TcpStream::connect(at).await.unwrap();
    within(node.shutdown(Duration::from_secs(1))).await;
    assert!(TcpStream::connect(at).await.is_err(), "nobody listens any more");
    let mut rest = Vec::new();
    // Cut off, one way or the other.
    let _ = within(idle.read_to_end(&mut rest)).await;
    assert!(rest.is_empty());
}

#[tokio::test]
async fn what_a_slow_watcher_has_not_taken_is_measured() {
    let stage = Stage::memory();
    let node = stage.server("watched").await;
    let _watcher = node.events();
    let _client = stage.client("client", &[&node]).await;
    let snapshot = node.metrics();
    assert!(snapshot.count(&driver_families::WATCHER_QUEUE, &[]) > 0);
    assert_eq!(snapshot.count(&driver_families::WATCHERS_MISSED, &[]), 0);
    assert!(matches!(snapshot.get(&driver_families::UPTIME, &[]), Some(Value::Time(_))));
}

/// A line of the guide's table.
fn row(family: &Family) -> String {
    let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
    format!("| `{}` | {} | {} | {} |", family.name, family.kind.name(), labels.join(", "), family.help)
}

/// `LACEWING_BLESS=1` writes the table anew.
#[test]
fn the_guide_describes_every_family() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide/observability.md");
    let page = std::fs::read_to_string(&guide).unwrap();
    let rows: Vec<String> =
        families::ALL.iter().chain(driver_families::ALL).map(|family| row(family)).collect();
    let table = format!("| name | type | labels | |\n|---|---|---|---|\n{}\n", rows.join("\n"));
    let (before, rest) = page.split_once("<!-- families -->\n").unwrap();
    let (found, after) = rest.split_once("<!-- /families -->").unwrap();
    if std::env::var_os("LACEWING_BLESS").is_some() {
        let blessed = format!("{before}<!-- families -->\n{table}<!-- /families -->{after}");
        std::fs::write(&guide, blessed).unwrap();
    } else {
        assert_eq!(found, table, "LACEWING_BLESS=1 writes it anew");
    }
}
