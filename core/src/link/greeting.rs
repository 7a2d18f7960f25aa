//! The beginning of a link: handshake, proof of identity, hello.

use alloc::boxed::Box;

use bytes::{BufMut, BytesMut};
use rand_chacha::ChaCha20Rng;

use super::Shared;
use super::connected::Connected;
use super::outbox::frame;
use crate::address::Address;
use crate::code::{CloseReason, Code};
use crate::config::Trust;
use crate::identity::NodeId;
use crate::machine::Cx;
use crate::session::{
    AwaitFinish, AwaitRequest, AwaitResponse, HandshakeConfig, Initiator, RecordError, Responder,
    SessionError, Unproven,
};
use crate::token::Grant;
use crate::wire::body::Hello;
use crate::wire::frame::{FrameType, HEADER_LEN, split_frame};
use crate::wire::framing::PREFIX_LEN;

/// What is expected next.
#[derive(Debug)]
pub(super) enum Greeting {
    /// We dialled, and sent message 1.
    Response(AwaitResponse),
    /// We accepted.
    Request(AwaitRequest),
    /// We accepted, and sent message 2.
    Finish(AwaitFinish),
    /// The handshake is done; the next record must prove who the peer is.
    Proof(Box<Unproven>),
}

/// Which side of the greeting this is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side<'a> {
    /// We dialled this address.
    Dialled(&'a Address),
    /// We opened a tunnel to this node.
    Opened(NodeId),
    /// The other side began; on a tunnel it says that it is this node.
    Accepted(Option<NodeId>),
}

impl<'a> Side<'a> {
    fn dialled(self) -> Option<&'a Address> {
        match self {
            Self::Dialled(addr) => Some(addr),
            Self::Opened(_) | Self::Accepted(_) => None,
        }
    }

    /// Who the other side must be, where that is known before it proves anything.
    fn expected(self) -> Option<NodeId> {
        match self {
            Self::Dialled(_) => None,
            Self::Opened(node) => Some(node),
            Self::Accepted(node) => node,
        }
    }
}

/// What a message led to.
pub(super) enum Step {
    /// Go on.
    Next { greeting: Greeting, reply: Option<BytesMut> },
    /// Both sides know each other.
    Done { connected: Box<Connected>, reply: Option<BytesMut>, hello: Hello, membership: Option<Box<Grant>> },
    /// Close, after sending this.
    Refused { reply: Option<BytesMut>, reason: CloseReason },
}

impl Greeting {
    pub(super) fn initiate(config: &HandshakeConfig, rng: ChaCha20Rng) -> (Self, Option<BytesMut>) {
        let (state, message) = Initiator::start(config, rng);
        (Self::Response(state), Some(prefixed(&message)))
    }

    pub(super) fn respond(config: &HandshakeConfig, rng: ChaCha20Rng) -> Self {
        Self::Request(Responder::start(config, rng))
    }

    pub(super) fn read(
        self,
        cx: &mut Cx<'_>,
        shared: &mut Shared,
        side: Side<'_>,
        message: BytesMut,
    ) -> Step {
        match self {
            Self::Request(state) => match state.read(&message) {
                Ok((state, reply)) => {
                    Step::Next { greeting: Self::Finish(state), reply: Some(prefixed(&reply)) }
                }
                Err(refusal) => {
                    cx.mark("link.handshake_refused");
                    let reply = refusal.reply.as_ref().map(|reply| prefixed(reply));
                    Step::Refused { reply, reason: refusal.error.close_reason() }
                }
            },
            Self::Response(state) => match state.read(&message) {
                Ok((mut unproven, finish)) => {
                    // The last handshake message and our proof leave in one write.
                    let mut reply = prefixed(&finish);
                    match introduce(shared, &mut unproven, side.dialled(), &mut reply) {
                        Ok(()) => {
                            Step::Next { greeting: Self::Proof(Box::new(unproven)), reply: Some(reply) }
                        }
                        Err(reason) => Step::Refused { reply: None, reason },
                    }
                }
                Err(error) => Step::Refused { reply: None, reason: error.close_reason() },
            },
            Self::Finish(state) => match state.read(&message) {
                Ok(unproven) => Step::Next { greeting: Self::Proof(Box::new(unproven)), reply: None },
                Err(error) => Step::Refused { reply: None, reason: error.close_reason() },
            },
            Self::Proof(unproven) => prove(cx, shared, side, *unproven, message)
                .unwrap_or_else(|reason| Step::Refused { reply: None, reason }),
        }
    }
}

/// The peer's first record: its identity and its hello. The side that accepted introduces itself only now, to somebody
/// whom it knows and trusts.
fn prove(
    cx: &mut Cx<'_>,
    shared: &mut Shared,
    side: Side<'_>,
    unproven: Unproven,
    record: BytesMut,
) -> Result<Step, CloseReason> {
    // The side that accepted signs before the session is consumed, and sends only if the peer's proof holds.
    let proof =
        matches!(side, Side::Accepted(_)).then(|| unproven.proof(&shared.identity, shared.incarnation));
    let (mut session, peer, rest) = unproven.prove(record).map_err(SessionError::close_reason)?;
    if side.expected().is_some_and(|node| node != peer.node_id) {
        cx.count("link.tunnel_to_somebody_else");
        return Err(CloseReason::IdentityRejected);
    }
    let has_our_key = peer.public_key == shared.identity.public_key();
    // Another life with the same key is no self but a copy, with which membership deals.
    let is_self = has_our_key && peer.incarnation.incarnation == shared.incarnation.incarnation;
    let trust = &shared.config.trust;
    let is_known = has_our_key || trust.admits(&peer.public_key);
    if !is_known && !matches!(trust, Trust::Tokens { .. }) {
        cx.mark("link.untrusted");
        return Err(CloseReason::Untrusted);
    }
    let (header, end) = split_frame(&rest).map_err(|_| CloseReason::MalformedFrame)?;
    if header.frame_type != FrameType::Hello || end != rest.len() {
        return Err(CloseReason::UnexpectedFrame);
    }
    let hello = Hello::decode(&rest[HEADER_LEN..]).map_err(|_| CloseReason::MalformedFrame)?;
    let membership = if is_known {
        None
    } else {
        Some(Box::new(admit(cx, shared, &peer.node_id, hello.membership.as_deref())?))
    };
    if let Some(dialled) = &hello.dialled {
        shared.advertised.reached_on(dialled);
    }
    let mut reply = None;
    if let Some(proof) = proof {
        let mut record = BytesMut::zeroed(PREFIX_LEN);
        proof.encode_frame(&mut record);
        let ours = shared.hello(None);
        frame(&mut record, FrameType::Hello, 0, |out| ours.encode(out));
        session.sealer.seal(&mut record, 0).map_err(RecordError::close_reason)?;
        reply = Some(record);
    }
    if is_self {
        cx.mark("link.dialled_itself");
        // The end that dialled must learn it too, or it would dial again.
        return Ok(Step::Refused { reply, reason: CloseReason::SelfConnection });
    }
    let connected = Connected::new(session, peer, hello.keepalive_ms, &shared.config, cx.now);
    Ok(Step::Done { connected: Box::new(connected), reply, hello, membership })
}

/// Lets in who is let in by a token alone. The side that accepted has not said yet who it is.
fn admit(
    cx: &mut Cx<'_>,
    shared: &mut Shared,
    node: &NodeId,
    token: Option<&[u8]>,
) -> Result<Grant, CloseReason> {
    let grant = token.map(|token| shared.doorkeeper.admit(cx.now, node, token));
    match grant {
        Some(Ok(grant)) => {
            cx.mark("link.member_by_token");
            return Ok(grant);
        }
        Some(Err(error)) if error.code() == Code::ResourceExhausted => cx.count("link.membership_throttled"),
        Some(Err(_)) => cx.count("link.membership_refused"),
        None => {}
    }
    cx.mark("link.untrusted");
    Err(CloseReason::Untrusted)
}

/// Appends our first record: IDENTITY and HELLO.
fn introduce(
    shared: &Shared,
    unproven: &mut Unproven,
    dialled: Option<&Address>,
    out: &mut BytesMut,
) -> Result<(), CloseReason> {
    let start = out.len();
    out.put_bytes(0, PREFIX_LEN);
    unproven.proof(&shared.identity, shared.incarnation).encode_frame(out);
    let hello = shared.hello(dialled);
    frame(out, FrameType::Hello, 0, |out| hello.encode(out));
    unproven.sealer_mut().seal(out, start).map_err(RecordError::close_reason)
}

/// A handshake message behind its length.
fn prefixed(message: &[u8]) -> BytesMut {
    let mut framed = BytesMut::with_capacity(PREFIX_LEN + message.len());
    framed.put_u32(message.len() as u32);
    framed.put_slice(message);
    framed
}
