use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{CONNECTIONS_MAX, Endpoint, REQUEST_BYTES_MAX, Source, is_local_name};
use crate::metrics::{Snapshot, families};

struct Fixed;

impl Source for Fixed {
    fn metrics(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        snapshot.add(&families::CALLS_STARTED, 42_u64);
        snapshot
    }

    fn neighbour_metrics(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        snapshot.add(&families::CALLS_IN_FLIGHT, 7_u64);
        snapshot
    }
}

async fn start() -> SocketAddr {
    let endpoint = Endpoint::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let addr = endpoint.local_addr();
    tokio::spawn(endpoint.run(Arc::new(Fixed)));
    addr
}

/// Sends this and gives all that comes back until the end.
async fn exchange(addr: SocketAddr, request: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(request.as_ref()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1:9464\r\nAccept: */*\r\n\r\n")
}

#[tokio::test]
async fn a_collector_gets_the_text_with_its_type_and_length() {
    let addr = start().await;
    let answer = exchange(addr, get("/metrics")).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
    assert!(body.ends_with("\nlacewing_calls_started_total 42\n"), "{body}");
    for target in ["/metrics?debug=1", "/metrics/neighbours"] {
        assert!(exchange(addr, get(target)).await.starts_with("HTTP/1.1 200 OK\r\n"), "{target}");
    }
    assert!(exchange(addr, get("/metrics/neighbours")).await.ends_with("lacewing_calls_in_flight 7\n"));
}

#[tokio::test]
async fn head_gives_the_same_without_the_text() {
    let addr = start().await;
    let get = exchange(addr, get("/metrics")).await;
    let head = exchange(addr, "HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(head, get.split_inclusive("\r\n\r\n").next().unwrap());
}

#[tokio::test]
async fn what_is_no_question_for_metrics_is_refused_with_a_reason() {
    let addr = start().await;
    let host = "Host: localhost\r\n\r\n";
    for (request, status) in [
        (format!("POST /metrics HTTP/1.1\r\n{host}"), "405 Method Not Allowed"),
        (format!("get /metrics HTTP/1.1\r\n{host}"), "405 Method Not Allowed"),
        (format!("GET / HTTP/1.1\r\n{host}"), "404 Not Found"),
        (format!("GET /metrics/../secret HTTP/1.1\r\n{host}"), "404 Not Found"),
        (format!("GET http://localhost/metrics HTTP/1.1\r\n{host}"), "404 Not Found"),
        (format!("GET /metrics HTTP/2.0\r\n{host}"), "400 Bad Request"),
        (format!("GET  /metrics HTTP/1.1\r\n{host}"), "400 Bad Request"),
        ("GET /metrics HTTP/1.1\r\n\r\n".to_owned(), "400 Bad Request"),
        (format!("GET /metrics HTTP/1.1\r\nno header\r\n{host}"), "400 Bad Request"),
        (format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{host}"), "400 Bad Request"),
        ("\r\n\r\n".to_owned(), "400 Bad Request"),
        ("GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_owned(), "403 Forbidden"),
    ] {
        let answer = exchange(addr, &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request:?}: {answer}");
        assert!(!answer.contains("lacewing_calls"), "{request:?}: {answer}");
        assert_eq!(status.starts_with("405"), answer.contains("\r\nAllow: GET, HEAD\r\n"), "{answer}");
    }
    let binary = exchange(addr, b"\xff\xfe\r\n\r\n").await;
    assert!(binary.starts_with("HTTP/1.1 400 "), "{binary}");
    let old = exchange(addr, "GET /metrics HTTP/1.0\r\n\r\n").await;
    assert!(old.starts_with("HTTP/1.1 200 OK\r\n"), "{old}");
}

#[tokio::test]
async fn a_request_without_an_end_in_sight_is_refused_at_the_limit() {
    let addr = start().await;
    let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(REQUEST_BYTES_MAX));
    let answer = exchange(addr, long).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    // As long as may be is fine.
    let padding = REQUEST_BYTES_MAX - "GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: ".len();
    let longest = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(padding));
    let answer = exchange(addr, longest).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn half_a_request_that_never_ends_is_cut_off() {
    let addr = start().await;
    // The clock jumps to the time limit, since nothing else is going to happen.
    let answer = exchange(addr, "GET /metrics HTTP/1.1\r\nHos").await;
    assert_eq!(answer, "");
}

#[tokio::test(start_paused = true)]
async fn idle_connections_hold_up_others_for_no_longer_than_their_time() {
    let addr = start().await;
    let mut idle = Vec::new();
    for _ in 0..2 * CONNECTIONS_MAX {
        idle.push(TcpStream::connect(addr).await.unwrap());
    }
    let answer = exchange(addr, get("/metrics")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[test]
fn names_that_could_point_anywhere_are_not_local() {
    for host in
        ["localhost", "LOCALHOST:9464", "127.0.0.1", "127.0.0.1:9464", "[::1]:9464", "[::1]", "10.0.0.7:1"]
    {
        assert!(is_local_name(host), "{host}");
    }
    for host in ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example:9464", "localhost:9:9"]
    {
        assert!(!is_local_name(host), "{host}");
    }
}
