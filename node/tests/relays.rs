//! What a relay sees of what passes through it: on its wires, and after it has decrypted all that it can.

mod stage;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use lacewing::{Builder, Node, Request};
use lacewing_core::Trace;
use lacewing_core::routing::Class;
use lacewing_core::wire::body::routing::RoutedHead;
use stage::{NETWORK_KEY, Stage, addr_of, identity, know_each_other, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Bytes that were seen somewhere.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<u8>>>);

impl Seen {
    fn add(&self, bytes: &[u8]) {
        self.0.lock().unwrap().extend_from_slice(bytes);
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn holds(&self, wanted: &[u8]) -> bool {
        self.0.lock().unwrap().windows(wanted.len()).any(|window| window == wanted)
    }

    /// The first piece of one of the texts that can be read here: eight bytes are no accident.
    fn readable(&self, texts: &[&[u8]]) -> Option<String> {
        let pieces: BTreeSet<&[u8]> = texts.iter().flat_map(|text| text.windows(8)).collect();
        let seen = self.0.lock().unwrap();
        let found = seen.windows(8).find(|window| pieces.contains(window));
        found.map(|found| String::from_utf8_lossy(found).into_owned())
    }
}

/// What relays passed on, as it is once the links' own encryption is off.
#[derive(Clone, Default)]
struct Relayed {
    all: Seen,
    /// Without the answers to probes, which say in the open who is alive, with what everybody knows: the public key.
    sessions: Seen,
}

impl Trace for Relayed {
    fn relayed(&mut self, body: &[u8]) {
        self.all.add(body);
        if RoutedHead::decode(body).unwrap().class != Class::Probe {
            self.sessions.add(body);
        }
    }
}

/// Stands between two nodes, passes every byte on, and keeps it. Gives the address to dial instead of `target`.
async fn tap(target: String, seen: Seen) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (dialler, _) = listener.accept().await.unwrap();
            let listener = TcpStream::connect(&target).await.unwrap();
            let ((from_dialler, to_dialler), (from_listener, to_listener)) =
                (dialler.into_split(), listener.into_split());
            tokio::spawn(pass_on(from_dialler, to_listener, seen.clone()));
            tokio::spawn(pass_on(from_listener, to_dialler, seen.clone()));
        }
    });
    addr
}

async fn pass_on(mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin, seen: Seen) {
    let mut buffer = vec![0; 16 * 1_024];
    while let Ok(len @ 1..) = from.read(&mut buffer).await {
        seen.add(&buffer[..len]);
        if to.write_all(&buffer[..len]).await.is_err() {
            return;
        }
    }
}

/// A line of five, with a tap between the second and the third node, and with relays that keep what they pass on.
struct TappedLine {
    nodes: Vec<Node>,
    wire: Seen,
    relayed: Relayed,
}

impl TappedLine {
    async fn start() -> Self {
        let (wire, relayed) = (Seen::default(), Relayed::default());
        let builder = |number: u8| -> Builder {
            let builder = Stage::Tcp.builder(&format!("node-{number}")).identity(identity(number));
            builder.listen("127.0.0.1:0").trace(Box::new(relayed.clone()))
        };
        let mut nodes: Vec<Node> = vec![builder(1).start().await.unwrap()];
        for number in 2..=5 {
            let before = addr_of(nodes.last().unwrap());
            let before = if number == 3 { tap(before, wire.clone()).await.to_string() } else { before };
            nodes.push(builder(number).peer(before).start().await.unwrap());
        }
        know_each_other(&nodes).await;
        Self { nodes, wire, relayed }
    }
}

const QUESTION: &[u8] = b"what is said between the ends is for nobody in the middle to read";
const ANSWER: &[u8] = b"and what is answered is as little for them as what was asked";
const ACTION: &str = "whispers/behind/every/back";
const ACTION_BACK: &str = "echoes/of/what/was/whispered";

#[tokio::test]
async fn relays_and_wires_hold_nothing_that_the_ends_say() {
    let line = TappedLine::start().await;
    let (first, last) = (&line.nodes[0], &line.nodes[4]);
    last.serve(ACTION, async |request: Request| {
        assert_eq!(&request.payload.data[..], QUESTION);
        Ok(ANSWER)
    })
    .unwrap();
    let before = line.relayed.all.len();
    let answer = within(first.call(ACTION, QUESTION).to(last.node_id()).into_future()).await.unwrap();
    assert_eq!(&answer.data[..], ANSWER);
    // Enough for several records, so that nothing is hidden by being small.
    first.serve(ACTION_BACK, stage::echo).unwrap();
    let large = QUESTION.repeat(2_000);
    let answer =
        within(last.call(ACTION_BACK, large.clone()).to(first.node_id()).into_future()).await.unwrap();
    assert!(answer.data == large);

    // It all went this way: three relays each have passed on both directions of the large one.
    let passed = line.relayed.all.len() - before;
    assert!(passed >= 3 * 2 * large.len(), "{passed} bytes");
    assert!(line.wire.len() >= 2 * large.len(), "{} bytes", line.wire.len());
    // What a relay must know it knows, so looking for it finds it there, and on no wire.
    for end in [first, last] {
        assert!(line.relayed.all.holds(end.node_id().as_bytes()));
        assert!(line.relayed.all.readable(&[end.node_id().as_bytes()]).is_some());
        assert!(!line.wire.holds(end.node_id().as_bytes()));
    }
    for seen in [&line.relayed.all, &line.wire] {
        assert_eq!(seen.readable(&[QUESTION, ANSWER, ACTION.as_bytes(), ACTION_BACK.as_bytes()]), None);
        assert!(!seen.holds(&NETWORK_KEY));
        for node in 1..=5 {
            let secret = [node; 32];
            assert!(!seen.holds(&secret), "the secret of node {node}");
        }
    }
    // Nor do sessions tell in the open whose they are, beyond the two ids in front.
    for seen in [&line.relayed.sessions, &line.wire] {
        for node in 1..=5 {
            assert!(!seen.holds(&identity(node).public_key().0), "the public key of node {node}");
        }
    }
}
