//! A member of the network that proves who it is and then breaks the rules, frame by frame.

use alloc::borrow::Cow;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::{Net, identity};
use crate::access::{AccessPolicy, Rule, Who};
use crate::config::NetworkKey;
use crate::crypto::{AeadId, RustCrypto};
use crate::directory::entry::{ProviderEntry, ProviderState};
use crate::engine::{Call, CallOptions, Event, Input, LinkId, OpId, Output, Shape, Target};
use crate::session::{HandshakeConfig, Initiator, Offer, Session, VersionRange, WireLimits};
use crate::token::{IssuerHead, Right, Subject, Terms, Token};
use crate::wire::body::routing::{RouteEntry, RouteOffer, RouteVersion, Routes};
use crate::wire::body::{
    Hello, ReplyHead, RequestExtras, RequestHead, Stale, StreamOpening, TokenShown, encode_error,
};
use crate::wire::frame::{FrameHeader, FrameType, HEADER_LEN, split_frame};
use crate::wire::framing::PREFIX_LEN;
use crate::{CloseReason, Code, Error, Identity, Incarnation};

/// A session with node 0 whose frames are written by hand.
pub(super) struct Intruder {
    pub(super) link: LinkId,
    session: Session,
    /// What node 0 has sent it and it has not read.
    unread: BytesMut,
    /// How much of what was overheard it has looked through.
    looked_through: usize,
}

fn me() -> Identity {
    Identity::from_secret([99; 32], Arc::new(RustCrypto))
}

fn handshake() -> HandshakeConfig {
    let limits = WireLimits { record_bytes_max: 65_535, message_bytes_max: 16 << 20, window_bytes: 65_536 };
    HandshakeConfig {
        network: "test".parse().unwrap(),
        network_key: Some(NetworkKey::new([7; 32])),
        offer: Offer { versions: VersionRange::SUPPORTED, aeads: AeadId::ALL.to_vec(), limits },
        crypto: Arc::new(RustCrypto),
        carrier: crate::session::Carrier::Stream,
    }
}

/// What node 0 has transmitted on a link since the last time.
fn transmitted(net: &mut Net, link: LinkId) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(output) = net.node(0).poll_output() {
        match output {
            Output::Transmit { link: own, data } if own == link => all.extend_from_slice(&data),
            other => net.obey(0, other),
        }
    }
    all
}

fn prefixed(message: &[u8]) -> BytesMut {
    let mut framed = BytesMut::new();
    framed.put_u32(message.len() as u32);
    framed.put_slice(message);
    framed
}

impl Intruder {
    pub(super) fn join(net: &mut Net, link: u64) -> Self {
        let link = LinkId(link);
        net.input(0, Input::LinkUp { link, dial: None, remote_addr: "10.9.9.9:1".parse().unwrap() });
        net.input(0, Input::Credit { link, bytes: 1 << 30 });
        let rng = ChaCha20Rng::from_seed([link.0 as u8; 32]);
        let (state, first) = Initiator::start(&handshake(), rng);
        net.input(0, Input::Received { link, data: prefixed(&first) });
        let second = transmitted(net, link);
        let (mut unproven, third) = state.read(&second[PREFIX_LEN..]).unwrap();
        net.input(0, Input::Received { link, data: prefixed(&third) });
        let hello = Hello {
            label: "intruder@test".parse().unwrap(),
            addrs: Vec::new(),
            features: 0,
            keepalive_ms: 1_000,
            dialled: None,
            membership: None,
        };
        let mut record = BytesMut::zeroed(PREFIX_LEN);
        unproven.proof(&me(), me().sign_incarnation(Incarnation::new(1))).encode_frame(&mut record);
        put(&mut record, FrameType::Hello, false, 0, |out| hello.encode(out));
        unproven.sealer_mut().seal(&mut record, 0).unwrap();
        net.input(0, Input::Received { link, data: record });
        let answer = transmitted(net, link);
        let length = u32::from_be_bytes(*answer.first_chunk().unwrap()) as usize;
        let (proof, unread) = answer[PREFIX_LEN..].split_at(length);
        let (session, _, _) = unproven.prove(BytesMut::from(proof)).unwrap();
        Self { link, session, unread: BytesMut::from(unread), looked_through: net.overheard.len() }
    }

    /// The frames that node 0 has sent it since the last time.
    pub(super) fn hears(&mut self, net: &mut Net) -> Vec<(FrameHeader, Bytes)> {
        net.settle();
        for (end, data) in &net.overheard[self.looked_through..] {
            if *end == (0, self.link) {
                self.unread.extend_from_slice(data);
            }
        }
        self.looked_through = net.overheard.len();
        let mut frames = Vec::new();
        while let Some(length) = self.unread.first_chunk().map(|prefix| u32::from_be_bytes(*prefix)) {
            let record = self.unread.split_to(PREFIX_LEN + length as usize).split_off(PREFIX_LEN);
            let mut plaintext = self.session.opener.open(record).unwrap().freeze();
            while !plaintext.is_empty() {
                let (header, end) = split_frame(&plaintext).unwrap();
                frames.push((header, plaintext.split_to(end).slice(HEADER_LEN..)));
            }
        }
        frames
    }

    /// Sends frames in one record.
    pub(super) fn send(&mut self, net: &mut Net, frames: &[u8]) {
        let mut record = BytesMut::zeroed(PREFIX_LEN);
        record.put_slice(frames);
        self.session.sealer.seal(&mut record, 0).unwrap();
        net.input(0, Input::Received { link: self.link, data: record });
    }

    fn is_called(net: &mut Net) -> OpId {
        Self::is_called_with(net, CallOptions::default())
    }

    /// Node 0 calls it.
    pub(super) fn is_called_with(net: &mut Net, options: CallOptions) -> OpId {
        let (now, target) = (net.now, Target::Node(me().node_id()));
        let call = Call { target, action: "x", payload: "".into(), timeout: None, options };
        net.node(0).call(now, call).unwrap()
    }
}

pub(super) fn put(
    out: &mut BytesMut,
    frame_type: FrameType,
    more: bool,
    id: u64,
    body: impl FnOnce(&mut BytesMut),
) {
    let mut written = BytesMut::new();
    body(&mut written);
    FrameHeader { frame_type, more, length: written.len() as u16, id }.encode(out);
    out.put_slice(&written);
}

pub(super) fn request(out: &mut BytesMut, id: u64, action: &str, total_len: Option<u64>, data: &[u8]) {
    put(out, FrameType::Request, total_len.is_some(), id, |out| {
        RequestHead { action, time_left_us: 60_000_000, codec: 0, total_len, extras: Cow::default() }
            .encode(out);
        out.put_slice(data);
    });
}

pub(super) fn closed(net: &mut Net, link: LinkId) -> Option<CloseReason> {
    net.settle();
    net.events[0].iter().find_map(|event| match event {
        Event::LinkClosed { link: own, reason, .. } if *own == link => Some(*reason),
        _ => None,
    })
}

#[test]
fn more_bytes_of_a_request_than_announced_end_the_link_and_what_follows_in_the_record_is_not_read() {
    let mut net = Net::new(1);
    let mut intruder = Intruder::join(&mut net, 9_000);
    let mut frames = BytesMut::new();
    request(&mut frames, 1, "echo", Some(10), b"12345");
    put(&mut frames, FrameType::RequestMore, true, 1, |out| out.put_slice(b"123456"));
    put(&mut frames, FrameType::Cancel, false, 1, |_| {});
    request(&mut frames, 2, "echo", None, b"must not run");
    intruder.send(&mut net, &frames);
    assert_eq!(closed(&mut net, intruder.link), Some(CloseReason::MalformedFrame));
    assert!(net.requests(0).is_empty());
    net.assert_quiet();
}

#[test]
fn more_bytes_of_an_answer_than_announced_end_the_link_and_the_call() {
    let mut net = Net::new(1);
    let mut intruder = Intruder::join(&mut net, 9_000);
    let op = Intruder::is_called(&mut net);
    transmitted(&mut net, intruder.link);
    let mut frames = BytesMut::new();
    put(&mut frames, FrameType::Reply, true, 1, |out| {
        ReplyHead { codec: 0, total_len: Some(3) }.encode(out);
        out.put_slice(b"123456");
    });
    put(&mut frames, FrameType::Error, false, 1, |out| encode_error(&Error::new(Code::Internal, "x"), out));
    intruder.send(&mut net, &frames);
    assert_eq!(closed(&mut net, intruder.link), Some(CloseReason::MalformedFrame));
    assert_eq!(net.wait_for(0, op).unwrap_err().code(), Code::Unavailable);
    net.assert_quiet();
}

#[test]
fn a_call_that_has_not_left_cannot_be_answered() {
    let mut net = Net::new(1);
    let mut intruder = Intruder::join(&mut net, 9_000);
    let op = Intruder::is_called(&mut net);
    let mut frames = BytesMut::new();
    put(&mut frames, FrameType::Reply, false, 1, |out| ReplyHead { codec: 0, total_len: None }.encode(out));
    intruder.send(&mut net, &frames);
    net.settle();
    assert_eq!(net.outcome(0, op), None, "the answer came before the question");
    assert_eq!(net.counter(0, "delivery.late_reply"), 1);
}

#[test]
fn sequence_numbers_that_jump_and_cancels_of_nothing_do_no_harm() {
    let mut net = Net::new(1);
    let mut intruder = Intruder::join(&mut net, 9_000);
    let mut frames = BytesMut::new();
    for jump in 0..1_000_u64 {
        request(&mut frames, 1 + jump * 32_767, "nobody", None, b"");
        put(&mut frames, FrameType::Cancel, false, 1 << 40 | jump, |_| {});
    }
    intruder.send(&mut net, &frames);
    assert_eq!(closed(&mut net, intruder.link), None);
    net.assert_quiet();
}

#[test]
fn an_old_proof_of_our_own_incarnation_is_not_even_looked_at() {
    let mut net = Net::new(1);
    let mut intruder = Intruder::join(&mut net, 9_000);
    let own = identity(0).sign_incarnation(Incarnation::new(1));
    let mut frames = BytesMut::new();
    for _ in 0..100 {
        let stale = Stale { incarnation: 1, signature: own.signature };
        put(&mut frames, FrameType::Stale, false, 0, |out| stale.encode(out));
    }
    intruder.send(&mut net, &frames);
    assert_eq!(net.counter(0, "link.stale_is_old_news"), 100);
    // One that claims a later incarnation must be signed by us.
    let mut frames = BytesMut::new();
    let stale = Stale { incarnation: 2, signature: own.signature };
    put(&mut frames, FrameType::Stale, false, 0, |out| stale.encode(out));
    intruder.send(&mut net, &frames);
    assert_eq!(closed(&mut net, intruder.link), Some(CloseReason::IdentityRejected));
}

#[test]
fn half_a_request_is_forgotten_at_its_deadline() {
    let mut net = Net::new(1);
    let mut intruder = Intruder::join(&mut net, 9_000);
    let mut frames = BytesMut::new();
    put(&mut frames, FrameType::Request, true, 1, |out| {
        RequestHead {
            action: "echo",
            time_left_us: 1_000_000,
            codec: 0,
            total_len: Some(1 << 20),
            extras: Cow::default(),
        }
        .encode(out);
        out.put_slice(&[0; 1_000]);
    });
    intruder.send(&mut net, &frames);
    net.run_for(Duration::from_millis(1_500));
    assert_eq!(closed(&mut net, intruder.link), None);
    net.assert_quiet();
}

fn entry(action: &str, shape: Shape, state: ProviderState) -> ProviderEntry {
    ProviderEntry { state, shape, ..ProviderEntry::new(action.parse().unwrap()) }
}

fn count(net: &mut Net, name: &str) -> u64 {
    net.node(0).counters().into_iter().find(|(own, _)| own == name).map_or(0, |(_, count)| count)
}

/// A request of which all but the last byte has come.
fn begun(net: &mut Net, intruder: &mut Intruder, id: u64, action: &str) {
    let mut frames = BytesMut::new();
    request(&mut frames, id, action, Some(2), b"1");
    intruder.send(net, &frames);
}

fn finished(net: &mut Net, intruder: &mut Intruder, id: u64) {
    let mut frames = BytesMut::new();
    put(&mut frames, FrameType::RequestMore, false, id, |out| out.put_slice(b"2"));
    intruder.send(net, &frames);
    net.settle();
}

#[test]
fn a_request_that_was_begun_in_time_does_not_slip_past_what_has_changed_since() {
    let mut net = Net::new(1);
    let mut intruder = Intruder::join(&mut net, 9_000);
    for (id, action) in (1..).zip(["paused", "gone", "reshaped", "open"]) {
        let now = net.now;
        net.node(0).serve(now, action).unwrap();
        begun(&mut net, &mut intruder, id, action);
    }
    let now = net.now;
    net.node(0).update_action(now, entry("paused", Shape::Unary, ProviderState::Paused)).unwrap();
    for action in ["gone", "reshaped"] {
        net.node(0).unserve(now, action);
    }
    net.node(0).serve_as(now, entry("reshaped", Shape::ServerStream, ProviderState::Running)).unwrap();
    for id in 1..=4 {
        finished(&mut net, &mut intruder, id);
    }
    let served: Vec<&str> = net.events[0]
        .iter()
        .filter_map(|event| match event {
            Event::Request { action, .. } => Some(action.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(served, ["open"]);
    assert_eq!(closed(&mut net, intruder.link), None);
}

#[test]
fn a_right_that_ended_while_a_request_came_is_none() {
    const WALL: u64 = 1_700_000_000_000;
    let issuer = Identity::from_secret([98; 32], Arc::new(RustCrypto));
    let mut config = super::config(0);
    config.access.policy = AccessPolicy::closed();
    let rule = Rule::new(Right::Call, "orders/>".parse().unwrap(), Who::Token);
    config.access.policy.allow(rule).unwrap();
    config.access.issuers = alloc::vec![(issuer.public_key(), 0)];
    let mut net = Net::new(1);
    net.start(0, 2, config);
    net.input(0, Input::WallClock { unix_ms: WALL });
    let now = net.now;
    net.node(0).serve(now, "orders/eu").unwrap();
    let mut intruder = Intruder::join(&mut net, 9_000);
    let terms = Terms {
        subject: Subject::Node(me().node_id()),
        rights: Right::Call.into(),
        pattern: "orders/>".parse().unwrap(),
        from_unix_ms: WALL,
        until_unix_ms: WALL + 3_600_000,
        delegations: 0,
        nonce: [0; 16],
    };
    let mut token = Vec::new();
    Token::issue(&issuer, 0, terms).unwrap().encode(&mut token);
    let mut frames = BytesMut::new();
    put(&mut frames, FrameType::Token, false, 0, |out| TokenShown { token: &token }.encode(out));
    intruder.send(&mut net, &frames);
    begun(&mut net, &mut intruder, 1, "orders/eu");
    begun(&mut net, &mut intruder, 2, "orders/eu");
    finished(&mut net, &mut intruder, 1);
    assert_eq!(net.requests(0).len(), 1, "it has the right");
    let now = net.now;
    net.node(0).inject_issuer_head(now, &IssuerHead::sign(&issuer, 1)).unwrap();
    finished(&mut net, &mut intruder, 2);
    assert_eq!(net.requests(0).len(), 1, "and has it no more");
    assert_eq!(count(&mut net, "delivery.unauthenticated"), 1);
}

#[test]
fn streams_that_are_opened_in_chunks_have_no_more_room_than_others() {
    let mut config = super::config(0);
    config.limits.streams_per_link_max = 2;
    let mut net = Net::new(1);
    net.start(0, 2, config);
    let now = net.now;
    net.node(0).serve_as(now, entry("count", Shape::ServerStream, ProviderState::Running)).unwrap();
    let mut intruder = Intruder::join(&mut net, 9_000);
    for id in 1..=3 {
        let stream = StreamOpening { shape: Shape::ServerStream, idle_us: 30_000_000, window: 1 << 18 };
        let extras = RequestExtras { stream: Some(stream), ..RequestExtras::default() };
        let mut frames = BytesMut::new();
        put(&mut frames, FrameType::Request, true, id, |out| {
            RequestHead {
                action: "count",
                time_left_us: 60_000_000,
                codec: 0,
                total_len: Some(2),
                extras: Cow::Owned(extras),
            }
            .encode(out);
            out.put_slice(b"1");
        });
        intruder.send(&mut net, &frames);
    }
    for id in 1..=3 {
        finished(&mut net, &mut intruder, id);
    }
    assert_eq!(net.requests(0).len(), 2);
    assert_eq!(count(&mut net, "delivery.streams_full"), 1);
}

#[test]
fn a_node_that_was_suspect_on_one_link_is_not_so_on_its_next() {
    let mut net = Net::new(1);
    Intruder::join(&mut net, 9_000);
    net.run_for(Duration::from_millis(3_500));
    assert!(net.node(0).peers()[0].suspect);
    Intruder::join(&mut net, 9_001);
    net.settle();
    assert!(!net.node(0).peers()[0].suspect);
    assert!(net.events[0].iter().any(|event| matches!(event, Event::PeerRecovered { .. })));
}

#[test]
fn a_member_cannot_claim_a_life_of_others_that_they_have_not_signed() {
    let mut net = Net::line(3);
    let (near, far) = (net.id(1), net.id(2));
    let mut intruder = Intruder::join(&mut net, 900);
    net.settle();
    for (incarnation, sequence) in [(2, 0), (1, u64::MAX), (u64::MAX, u64::MAX)] {
        let version = RouteVersion { incarnation: Incarnation::new(incarnation), sequence };
        let offer = Some(RouteOffer { version, hops: 1, metric: 1 });
        let entries = alloc::vec![RouteEntry { destination: far, offer }];
        let mut frames = BytesMut::new();
        put(&mut frames, FrameType::Routes, false, 0, |out| {
            Routes { entries, ..Routes::default() }.encode(out);
        });
        intruder.send(&mut net, &frames);
        net.run_for(Duration::from_millis(200));
        assert_eq!(net.node(0).routing.route(&far).unwrap().next_hop, near);
    }
    // A sequence number that its owner has not made either keeps nobody away when what was chosen before is lost.
    net.cut(0, 1);
    net.run_until("there is a route again", |net| {
        net.node(0).routing.route(&far).is_some_and(|route| route.next_hop == near)
    });
    let op = net.call(0, 2, "echo", "x").unwrap();
    assert_eq!(net.wait_for(0, op).unwrap().data, "x");
}
