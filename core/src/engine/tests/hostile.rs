use core::time::Duration;

use bytes::{Bytes, BytesMut};

use super::{End, Net, address, config};
use crate::CloseReason;
use crate::engine::{DialId, Event, Input, LinkId, Misuse};

/// Opens a stream to node 0 from nowhere; whoever holds it can send what it likes.
fn intrude(net: &mut Net, link: u64) -> LinkId {
    let link = LinkId(link);
    net.input(0, Input::LinkUp { link, dial: None, remote_addr: "10.9.9.9:1".parse().unwrap() });
    net.input(0, Input::Credit { link, bytes: 1 << 20 });
    net.settle();
    link
}

fn closed(net: &Net, link: LinkId) -> Option<CloseReason> {
    net.events[0].iter().find_map(|event| match event {
        Event::LinkClosed { link: own, reason, .. } if *own == link => Some(*reason),
        _ => None,
    })
}

fn assert_others_noticed_nothing(net: &mut Net) {
    let op = net.call(1, 0, "echo", "still here").unwrap();
    assert!(net.wait_for(1, op).is_ok());
}

#[test]
fn c17_garbage_closes_its_link_and_nothing_else() {
    let mut net = Net::pair();
    for (number, (bytes, reason)) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], CloseReason::LengthExceeded),
        (&[0xff; 64][..], CloseReason::LengthExceeded),
        (&[0, 0, 0, 0][..], CloseReason::LengthExceeded),
        (&[0, 0, 0, 5, 1, 2, 3, 4, 5][..], CloseReason::HandshakeFailed),
        (&[0, 0, 16, 1][..], CloseReason::LengthExceeded),
    ]
    .into_iter()
    .enumerate()
    {
        let link = intrude(&mut net, 1_000 + number as u64);
        net.input(0, Input::Received { link, data: BytesMut::from(bytes) });
        net.settle();
        assert_eq!(closed(&net, link), Some(reason), "{bytes:?}");
    }
    assert_others_noticed_nothing(&mut net);
}

#[test]
fn c17_silence_and_a_handshake_byte_by_byte_end_after_two_seconds() {
    let mut net = Net::pair();
    let silent = intrude(&mut net, 1_000);
    let slow = intrude(&mut net, 1_001);
    for _ in 0..30 {
        net.input(0, Input::Received { link: slow, data: BytesMut::from(&[0][..]) });
        net.run_for(Duration::from_millis(100));
    }
    assert_eq!(closed(&net, silent), Some(CloseReason::HandshakeTimeout));
    assert!(closed(&net, slow).is_some());
    assert_others_noticed_nothing(&mut net);
}

#[test]
fn c17_strangers_cannot_fill_the_table_of_handshakes() {
    let mut net = Net::pair();
    for number in 0..200 {
        intrude(&mut net, 1_000 + number);
    }
    let refused = net.counter(0, "link.closed.too_many_handshakes");
    assert_eq!(refused, 200 - 64, "64 unfinished handshakes from one address");
    net.assert_quiet();
    assert_others_noticed_nothing(&mut net);
}

/// Sends what `mangle` makes of the next bytes between two connected nodes, and gives the reason for which it ends.
fn tamper(mangle: impl Fn(&mut Net, End, BytesMut)) -> CloseReason {
    let mut net = Net::pair();
    net.call(0, 1, "echo", "first").unwrap();
    net.call(0, 1, "echo", alloc::vec![1; 200_000]).unwrap();
    net.drain();
    let (to, data) = net.wire.pop_front().unwrap();
    mangle(&mut net, to, data);
    let link = to.1;
    net.run_until("the link is closed", |net| {
        net.events[1].iter().any(|event| matches!(event, Event::LinkClosed { link: own, .. } if *own == link))
    });
    net.run_until("and there is a new one that works", |net| {
        net.node(0).peers().len() == 1 && net.node(1).peers().len() == 1
    });
    assert_others_noticed_nothing(&mut net);
    net.events[1]
        .iter()
        .find_map(|event| match event {
            Event::LinkClosed { link: own, reason, .. } if *own == link => Some(*reason),
            _ => None,
        })
        .unwrap()
}

#[test]
fn c18_a_replayed_a_reordered_and_a_changed_record_close_the_link() {
    let replayed = tamper(|net, to, data| {
        net.wire.push_front((to, data.clone()));
        net.wire.push_front((to, data));
    });
    assert_eq!(replayed, CloseReason::RecordRejected);
    let reordered = tamper(|net, to, data| {
        let (_, second) = net.wire.pop_front().unwrap();
        net.wire.push_front((to, data));
        net.wire.push_front((to, second));
    });
    assert_eq!(reordered, CloseReason::RecordRejected);
    let changed = tamper(|net, to, mut data| {
        let last = data.len() - 1;
        data[last] ^= 1;
        net.wire.push_front((to, data));
    });
    assert_eq!(changed, CloseReason::RecordRejected);
    let huge = tamper(|net, to, mut data| {
        data[0] = 0xff;
        net.wire.push_front((to, data));
    });
    assert_eq!(huge, CloseReason::LengthExceeded);
}

#[test]
fn c18_a_recorded_handshake_cannot_be_replayed() {
    let mut net = Net::pair();
    let recorded: alloc::vec::Vec<Bytes> =
        net.overheard.iter().filter(|((node, _), _)| *node == 0).map(|(_, data)| data.clone()).collect();
    let mut victim = Net::pair();
    let before = victim.node(0).peers();
    // Node 1 of this network is played by the recording of node 0 of the other one.
    let link = LinkId(5_000);
    victim.input(1, Input::LinkUp { link, dial: None, remote_addr: "10.9.9.9:1".parse().unwrap() });
    victim.input(1, Input::Credit { link, bytes: 1 << 20 });
    for data in recorded {
        victim.input(1, Input::Received { link, data: BytesMut::from(&data[..]) });
    }
    victim.run_for(Duration::from_secs(3));
    let rejected = |event: &Event| matches!(event, Event::LinkClosed { link: own, reason: CloseReason::HandshakeFailed, .. } if *own == link);
    assert!(victim.events[1].iter().any(rejected));
    assert_eq!(victim.node(0).peers(), before);
    net.settle();
}

#[test]
fn c19_a_peer_cannot_answer_or_cancel_the_calls_of_another() {
    let mut net = Net::new(3);
    net.connect(0, 1);
    net.connect(2, 1);
    net.run_until("all are up", |net| net.node(1).peers().len() == 2);
    net.echo = false;
    // Both calls have the sequence number 1, each on its own link.
    let first = net.call(0, 1, "echo", "from 0").unwrap();
    let second = net.call(2, 1, "echo", "from 2").unwrap();
    assert_eq!(first, second);
    net.settle();
    let requests = net.requests(1);
    let now = net.now;
    net.node(2).cancel(now, second);
    net.settle();
    assert!(
        net.reply(1, requests[0].0, Ok(requests[0].1.clone())),
        "the other caller's cancel does not touch it"
    );
    assert_eq!(net.wait_for(0, first).unwrap().data, "from 0");
    assert!(!net.reply(1, requests[1].0, Ok("too late".into())));
}

#[test]
fn the_driver_is_told_of_its_own_mistakes_and_nothing_happens() {
    let mut net = Net::pair();
    let now = net.now;
    let link = net.node(0).peers()[0].link;
    let remote_addr = "10.0.0.1:7400".parse().unwrap();
    let reused = net.node(0).handle_input(now, Input::LinkUp { link, dial: None, remote_addr });
    assert_eq!(reused, Err(Misuse::LinkIdReused(link)));
    let dial = DialId(77);
    let unknown =
        net.node(0).handle_input(now, Input::LinkUp { link: LinkId(500), dial: Some(dial), remote_addr });
    assert_eq!(unknown, Err(Misuse::UnknownDial(dial)));
    let past = crate::Instant::ZERO;
    let back = net.node(0).handle_timeout(past);
    assert_eq!(back, Err(Misuse::TimeWentBack { now: past, last: now }));
    // Bytes for a link that has just gone are no mistake: the two cross.
    net.node(0)
        .handle_input(now, Input::Received { link: LinkId(404), data: BytesMut::from(&[1][..]) })
        .unwrap();
    assert_others_noticed_nothing(&mut net);
}

#[test]
fn nothing_of_a_call_shows_on_the_wire() {
    let mut net = Net::new(2);
    for node in 0..2 {
        let mut named = config(node);
        named.label = "very-secret-label".parse().unwrap();
        net.start(node, 1, named);
    }
    let now = net.now;
    net.node(1).serve(now, "very/secret/action").unwrap();
    net.connect(0, 1);
    net.run_until("up", |net| net.node(0).peers().len() == 1);
    assert_eq!(net.node(0).peers()[0].addrs, [address(1)]);
    net.call(0, 1, "very/secret/action", "very-secret-payload").unwrap();
    net.settle();
    let (request, payload) = net.requests(1)[0].clone();
    net.reply(1, request, Ok(payload));
    net.settle();
    let all: alloc::vec::Vec<u8> = net.overheard.iter().flat_map(|(_, data)| data.iter().copied()).collect();
    let shows = |needle: &[u8]| all.windows(needle.len()).any(|window| window == needle);
    for needle in [
        &b"very"[..],
        b"secret",
        b"10.0.0.1",
        &net.id(0).as_bytes()[..8],
        &super::identity(0).public_key().0[..8],
    ] {
        assert!(!shows(needle), "{needle:?} can be read on the wire");
    }
}

#[test]
fn strangers_who_hold_every_handshake_open_do_not_keep_a_node_from_its_own_peers() {
    let mut net = Net::new(2);
    for number in 0..300_u64 {
        let remote_addr = std::format!("10.9.{}.9:1", number % 8).parse().unwrap();
        net.input(0, Input::LinkUp { link: LinkId(1_000 + number), dial: None, remote_addr });
    }
    net.settle();
    assert_eq!(net.counter(0, "link.closed.too_many_handshakes"), 300 - 256);
    let before = net.now;
    net.connect(0, 1);
    net.settle();
    assert_eq!((net.node(0).peers().len(), net.now), (1, before));
}
