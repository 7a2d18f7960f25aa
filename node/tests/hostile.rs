//! What strangers and broken peers do to a real socket: their link closes, the node lives (C17).

mod stage;

use std::time::Duration;

use lacewing::{CloseReason, Event, Limits, Node, Timing};
use stage::{Stage, addr_of, counter, echo, event, meet, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A server that is impatient with handshakes, and a client that watches whether the server still serves.
async fn scene() -> (Node, Node) {
    let timing = Timing { handshake_timeout: Duration::from_millis(300), ..Timing::default() };
    let server = Stage::Tcp.builder("server").timing(timing).listen("127.0.0.1:0").start().await.unwrap();
    server.serve("echo", echo).unwrap();
    let client = Stage::Tcp.client("client", &[&server]).await;
    (server, client)
}

/// Connects, sends `bytes`, and waits until the server hangs up. The reason that the server gives itself.
async fn reason_for(server: &Node, bytes: &[u8]) -> CloseReason {
    let mut events = server.events();
    let mut socket = TcpStream::connect(server.local_addr().unwrap()).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A reset is a way to hang up as well.
    let _ = within(socket.read_to_end(&mut answer)).await;
    assert!(answer.len() < 4_096, "a stranger gets no more than a handshake");
    closed(&mut events).await
}

async fn closed(events: &mut lacewing::Events) -> CloseReason {
    event(events, |event| match event {
        Event::LinkClosed { reason, node: None, .. } => Some(reason),
        _ => None,
    })
    .await
}

async fn still_serves(client: &Node) {
    let answer = within(client.call("echo", "alive").into_future()).await.unwrap();
    assert_eq!(&answer.data[..], b"alive");
    assert_eq!(client.peers().len(), 1);
}

#[tokio::test]
async fn a_huge_length_closes_the_link_before_anything_is_allocated() {
    let (server, client) = scene().await;
    assert_eq!(reason_for(&server, &[0xff; 4]).await, CloseReason::LengthExceeded);
    assert_eq!(reason_for(&server, &4_097_u32.to_be_bytes()).await, CloseReason::LengthExceeded);
    assert_eq!(counter(&server, "link.closed.length_exceeded"), 2);
    still_serves(&client).await;
}

#[tokio::test]
async fn random_bytes_close_the_link() {
    let (server, client) = scene().await;
    let mut state = 7_u32;
    for round in 0..50_u32 {
        let mut junk: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(2_000)
        .collect();
        if round % 2 == 0 {
            // A credible length, so that the handshake itself has to look at the rest.
            junk[..4].copy_from_slice(&(round * 13 + 40).to_be_bytes());
        }
        let reason = reason_for(&server, &junk).await;
        let expected =
            [CloseReason::HandshakeFailed, CloseReason::LengthExceeded, CloseReason::ConnectionClosed];
        assert!(expected.contains(&reason), "{reason}");
    }
    still_serves(&client).await;
}

#[tokio::test]
async fn a_silent_connection_is_closed_in_time() {
    let (server, client) = scene().await;
    assert_eq!(reason_for(&server, &[]).await, CloseReason::HandshakeTimeout);
    // Half a length is silence too.
    assert_eq!(reason_for(&server, &[0, 0]).await, CloseReason::HandshakeTimeout);
    still_serves(&client).await;
}

#[tokio::test]
async fn a_wrong_network_key_and_a_wrong_name_look_the_same() {
    let (server, client) = scene().await;
    let mut events = server.events();
    for wrong in [Stage::Tcp.builder("key").network_key([1; 32]), Stage::Tcp.builder("name").network("other")]
    {
        let stranger = wrong.peer(addr_of(&server)).start().await.unwrap();
        let mut felt = stranger.events();
        assert_eq!(closed(&mut events).await, CloseReason::HandshakeFailed);
        event(&mut felt, |event| matches!(event, Event::LinkClosed { .. }).then_some(())).await;
        assert!(stranger.peers().is_empty());
        within(stranger.shutdown(Duration::ZERO)).await;
    }
    still_serves(&client).await;
}

#[tokio::test]
async fn one_address_cannot_take_all_handshakes() {
    let limits = Limits { handshakes_per_address_max: 2, ..Limits::default() };
    let timing = Timing { handshake_timeout: Duration::from_secs(30), ..Timing::default() };
    let builder = Stage::Tcp.builder("server").limits(limits).timing(timing).listen("127.0.0.1:0");
    let server = builder.start().await.unwrap();
    let mut events = server.events();
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(TcpStream::connect(server.local_addr().unwrap()).await.unwrap());
    }
    assert_eq!(closed(&mut events).await, CloseReason::TooManyHandshakes);
    // Once a place is free, it can be taken.
    drop(silent);
    for _ in 0..2 {
        assert_eq!(closed(&mut events).await, CloseReason::ConnectionClosed);
    }
    let _client = Stage::Tcp.client("client", &[&server]).await;
}

/// Stands between two nodes and keeps what it carries.
struct Tap {
    addr: std::net::SocketAddr,
    carried: tokio::sync::mpsc::UnboundedReceiver<(Direction, Vec<u8>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    ToServer,
    ToClient,
}

impl Tap {
    async fn before(server: &Node) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (addr, target) = (listener.local_addr().unwrap(), server.local_addr().unwrap());
        let (sender, carried) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            let (client, _) = listener.accept().await.unwrap();
            // One connection is all there is to see.
            drop(listener);
            let server = TcpStream::connect(target).await.unwrap();
            let (client_read, client_write) = client.into_split();
            let (server_read, server_write) = server.into_split();
            let to_server = carry(Direction::ToServer, client_read, server_write, sender.clone());
            let to_client = carry(Direction::ToClient, server_read, client_write, sender);
            tokio::join!(to_server, to_client);
        });
        Self { addr, carried }
    }

    /// Everything until both sides have hung up.
    async fn all(mut self) -> Vec<(Direction, Vec<u8>)> {
        let mut all = Vec::new();
        while let Some(piece) = within(self.carried.recv()).await {
            all.push(piece);
        }
        all
    }
}

async fn carry(
    direction: Direction,
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    seen: tokio::sync::mpsc::UnboundedSender<(Direction, Vec<u8>)>,
) {
    let mut piece = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut piece).await {
        seen.send((direction, piece[..count].to_vec())).unwrap();
        if to.write_all(&piece[..count]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// One call of `secret/action`, as somebody on the way sees it.
async fn capture(server: &Node) -> Vec<(Direction, Vec<u8>)> {
    let tap = Tap::before(server).await;
    let client = Stage::Tcp.builder("label-of-the-client").peer(tap.addr.to_string()).start().await.unwrap();
    meet(&client, server).await;
    let answer = within(client.call("secret/action", "what nobody may read").into_future()).await.unwrap();
    assert_eq!(&answer.data[..], b"WHAT NOBODY MAY READ");
    within(client.shutdown(Duration::from_secs(5))).await;
    tap.all().await
}

async fn capture_server() -> (Node, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    let server = Stage::Tcp.server("label-of-the-server").await;
    let calls = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&calls);
    let handler = move |request: lacewing::Request| {
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        std::future::ready(Ok(request.payload.data.to_ascii_uppercase()))
    };
    server.serve("secret/action", handler).unwrap();
    (server, calls)
}

#[tokio::test]
async fn a_capture_shows_nothing_in_clear() {
    let (server, _) = capture_server().await;
    let (id, key) = (server.node_id(), stage::NETWORK_KEY);
    let capture = capture(&server).await;
    for direction in [Direction::ToServer, Direction::ToClient] {
        let bytes: Vec<u8> = capture
            .iter()
            .filter(|(way, _)| *way == direction)
            .flat_map(|(_, piece)| piece.clone())
            .collect();
        assert!(bytes.len() > 200, "the tap saw a handshake and a call: {} bytes", bytes.len());
        for secret in [
            &b"nobody may"[..],
            b"NOBODY MAY",
            b"secret",
            b"action",
            b"label-of-the-client",
            b"label-of-the-server",
            b"label",
            &key,
            &id.as_bytes()[..],
        ] {
            assert!(!contains(&bytes, secret), "{:?} is in clear", String::from_utf8_lossy(secret));
        }
    }
}

#[tokio::test]
async fn a_capture_that_is_sent_again_executes_nothing() {
    let (server, calls) = capture_server().await;
    let capture = capture(&server).await;
    assert_eq!(calls.load(std::sync::atomic::Ordering::Relaxed), 1);
    let mut events = server.events();
    let mut socket = TcpStream::connect(server.local_addr().unwrap()).await.unwrap();
    for (_, piece) in capture.iter().filter(|(way, _)| *way == Direction::ToServer) {
        if socket.write_all(piece).await.is_err() {
            break;
        }
    }
    let reason = closed(&mut events).await;
    assert_eq!(
        reason,
        CloseReason::HandshakeFailed,
        "the server's part of the handshake was another one this time"
    );
    assert_eq!(calls.load(std::sync::atomic::Ordering::Relaxed), 1);
    assert!(server.peers().is_empty());
}
