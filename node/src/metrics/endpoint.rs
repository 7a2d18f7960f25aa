//! Metrics over HTTP, for whoever collects them.
//!
//! As little of HTTP/1.1 as a collector needs: one GET or HEAD for each connection, with no body. It is written out here, because
//! everything of a server that is more than this would have to be switched off or bounded: what is read is bounded in bytes and
//! time, what is written is made of a snapshot and nothing that a client says, and there are a few connections at once.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::{CONTENT_TYPE, Snapshot, text};

#[cfg(test)]
mod tests;

/// Bytes of a request, its line and headers.
const REQUEST_BYTES_MAX: usize = 8 * 1_024;
/// From the connection to the last byte of the answer.
const TIME_MAX: Duration = Duration::from_secs(5);
/// Connections at once. Further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 8;
/// What is read of a client that says more than it should, so that it sees its answer and no reset.
const IGNORED_BYTES_MAX: usize = 64 * 1_024;
/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A listener that answers with metrics.
pub(crate) struct Endpoint {
    listener: TcpListener,
    local_addr: SocketAddr,
}

/// Where snapshots come from.
pub(crate) trait Source: Send + Sync + 'static {
    /// What the node measures.
    fn metrics(&self) -> Snapshot;
    /// What it measures of each neighbour.
    fn neighbour_metrics(&self) -> Snapshot;
}

impl Endpoint {
    pub(crate) async fn bind(addr: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let local_addr = listener.local_addr()?;
        Ok(Self { listener, local_addr })
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Answers for as long as it is polled.
    pub(crate) async fn run<S: Source>(self, source: Arc<S>) {
        // A page that a browser on this machine has loaded from elsewhere may not ask under a name of its own.
        let only_local_names = self.local_addr.ip().is_loopback();
        let mut connections = JoinSet::new();
        loop {
            while connections.len() >= CONNECTIONS_MAX {
                connections.join_next().await;
            }
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let source = Arc::clone(&source);
                    connections.spawn(async move {
                        let answered = answer(&*source, stream, only_local_names);
                        // Whoever is too slow, or has gone, gets no answer.
                        drop(tokio::time::timeout(TIME_MAX, answered).await);
                    });
                }
                Err(error) => {
                    tracing::warn!(addr = %self.local_addr, %error, "cannot accept who asks for metrics");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
    }
}

/// What is answered.
#[derive(Debug)]
struct Answer {
    status: &'static str,
    body: String,
    content_type: &'static str,
    has_body: bool,
}

impl Answer {
    fn refusal(status: &'static str, text: &str) -> Self {
        let body = format!("{text}\n");
        Self { status, body, content_type: "text/plain; charset=utf-8", has_body: true }
    }

    fn bytes(&self) -> Vec<u8> {
        let Self { status, body, content_type, has_body } = self;
        let mut text = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
             X-Content-Type-Options: nosniff\r\nConnection: close\r\n",
            body.len()
        );
        if status.starts_with("405") {
            text.push_str("Allow: GET, HEAD\r\n");
        }
        text.push_str("\r\n");
        if *has_body {
            text.push_str(body);
        }
        text.into_bytes()
    }
}

/// Reads one request and answers it.
async fn answer<S: Source>(
    source: &S,
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    only_local_names: bool,
) -> io::Result<()> {
    let mut request = Vec::new();
    let answer = match read_head(&mut stream, &mut request).await? {
        Some(head) => respond(source, head, only_local_names),
        None => Answer::refusal("431 Request Header Fields Too Large", "the request is too long"),
    };
    stream.write_all(&answer.bytes()).await?;
    stream.shutdown().await?;
    // A stream that is closed with unread bytes is reset, and the answer may be lost with it.
    let mut ignored = stream.take(IGNORED_BYTES_MAX as u64);
    tokio::io::copy(&mut ignored, &mut tokio::io::sink()).await?;
    Ok(())
}

/// The request's line and headers. `None` where they are too long; what ends before they are whole is an error.
async fn read_head<'a>(
    stream: &mut (impl AsyncRead + Unpin),
    request: &'a mut Vec<u8>,
) -> io::Result<Option<&'a [u8]>> {
    loop {
        let mut chunk = [0; 1_024];
        let read = stream.read(&mut chunk).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // The end may lie across two chunks.
        let from = request.len().saturating_sub(3);
        request.extend_from_slice(&chunk[..read]);
        let end = request[from..].windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end.map(|at| from + at).filter(|end| *end <= REQUEST_BYTES_MAX) {
            return Ok(Some(&request[..end]));
        }
        if request.len() > REQUEST_BYTES_MAX {
            return Ok(None);
        }
    }
}

fn respond<S: Source>(source: &S, head: &[u8], only_local_names: bool) -> Answer {
    let bad = || Answer::refusal("400 Bad Request", "that is no HTTP/1.1 request");
    let Ok(head) = std::str::from_utf8(head) else { return bad() };
    let mut lines = head.split("\r\n");
    let words: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let [method, target, version] = words[..] else { return bad() };
    if !matches!(version, "HTTP/1.1" | "HTTP/1.0") {
        return bad();
    }
    let mut host = None;
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { return bad() };
        if name.eq_ignore_ascii_case("host") && host.replace(value.trim()).is_some() {
            return bad();
        }
    }
    match host {
        None if version == "HTTP/1.1" => return bad(),
        Some(host) if only_local_names && !is_local_name(host) => {
            return Answer::refusal("403 Forbidden", "ask under an address of this machine, or localhost");
        }
        Some(_) | None => {}
    }
    let has_body = match method {
        "GET" => true,
        "HEAD" => false,
        _ => return Answer::refusal("405 Method Not Allowed", "metrics can only be read"),
    };
    let snapshot = match target.split('?').next() {
        Some("/metrics") => source.metrics(),
        Some("/metrics/neighbours") => source.neighbour_metrics(),
        _ => {
            return Answer {
                has_body,
                ..Answer::refusal("404 Not Found", "see /metrics and /metrics/neighbours")
            };
        }
    };
    Answer { status: "200 OK", body: text(&snapshot), content_type: CONTENT_TYPE, has_body }
}

/// Whether a `Host` header names an address, or this machine, and no name that somebody could let point here.
fn is_local_name(host: &str) -> bool {
    if host.parse::<SocketAddr>().is_ok() {
        return true;
    }
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}
