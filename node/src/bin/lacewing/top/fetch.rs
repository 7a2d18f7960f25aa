//! Fetching a page of metrics.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::failure::Failure;

/// How long one page may take.
const TIME_MAX: Duration = Duration::from_secs(5);
/// Bytes of one page: far more than a node with all of its tables full has to say.
const BYTES_MAX: u64 = 32 * 1024 * 1024;

/// The body of `path` at `addr`.
pub(super) async fn get(addr: SocketAddr, path: &str) -> Result<String, Failure> {
    let page = async {
        let mut stream = TcpStream::connect(addr).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut page = Vec::new();
        stream.take(BYTES_MAX).read_to_end(&mut page).await?;
        Ok::<_, std::io::Error>(page)
    };
    let refused = |what: String| Failure::operation(format!("no metrics from {addr}: {what}"));
    let page = match tokio::time::timeout(TIME_MAX, page).await {
        Ok(Ok(page)) => page,
        Ok(Err(error)) => {
            return Err(refused(format!("{error}; start the node with --metrics {addr}")));
        }
        Err(_) => return Err(refused("it takes too long to answer".to_owned())),
    };
    let page = String::from_utf8(page).map_err(|_| refused("what it serves is no text".to_owned()))?;
    let (head, body) =
        page.split_once("\r\n\r\n").ok_or_else(|| refused("it does not speak HTTP".to_owned()))?;
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        return Err(refused(format!("it says {status:?}")));
    }
    let length = lines.filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok()).flatten()
    });
    if length.is_some_and(|length| length != body.len()) {
        return Err(refused("the page ends too soon".to_owned()));
    }
    Ok(body.to_owned())
}
