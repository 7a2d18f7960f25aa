//! Commands and getters that have to do with who may do what.

use alloc::vec::Vec;

use super::Engine;
use crate::access::{Denied, Judge, Target};
use crate::authority::Authority;
use crate::code::{Code, Error};
use crate::directory::Directory;
use crate::identity::{NodeId, PublicKey};
use crate::machine::Cx;
use crate::time::Instant;
use crate::token::{IssuerHead, Learnt, Right, Token};
use crate::wire::path::{ActionPath, PathPattern};

/// Nodes that are asked for their tokens at once, where nobody is known to have a right to serve.
const SESSIONS_AT_ONCE: usize = 4;

/// All that a question about a right is answered from, for as long as one input takes.
pub(super) struct Bench<'a> {
    pub(super) now: Instant,
    pub(super) authority: &'a Authority,
    pub(super) directory: &'a Directory,
}

impl Judge for Bench<'_> {
    fn judge(&self, right: Right, target: Target<'_>, node: &NodeId) -> Result<(), Denied> {
        let said = if self.authority.asks_for_tags() { self.directory.capabilities_of(node) } else { None };
        self.authority.judge(self.now, right, target, node, said)
    }
}

impl Engine {
    fn bench(&self) -> Bench<'_> {
        Bench { now: self.now, authority: &self.authority, directory: &self.directory }
    }

    /// Shows one token more to every node that this one has a session with, now or later, from when its time has come. It is
    /// dropped when its time is over, and when its issuer takes it back.
    ///
    /// Fails with `InvalidArgument` for a token of another node, with `FailedPrecondition` for one that was taken back, as far as
    /// is known here, and with `ResourceExhausted` where
    /// [`TOKENS_PER_SESSION_MAX`](crate::access::TOKENS_PER_SESSION_MAX) are shown already.
    pub fn add_token(&mut self, now: Instant, token: &Token) -> Result<(), Error> {
        self.advance(now);
        let mut cx = Cx { now: self.now, trace: &mut *self.trace, counters: &mut self.counters };
        let added = self.authority.add_token(&mut cx, token);
        self.settle();
        added
    }

    /// Takes in what an issuer says of its generation, and tells the mesh, whether or not this node trusts that issuer: its older
    /// tokens are void from now on wherever this arrives. Fails with `InvalidArgument` if the issuer has not signed it, and with
    /// `FailedPrecondition` if it has taken back more before.
    pub fn inject_issuer_head(&mut self, now: Instant, head: &IssuerHead) -> Result<(), Error> {
        self.advance(now);
        let mut cx = Cx { now: self.now, trace: &mut *self.trace, counters: &mut self.counters };
        let learnt = self.authority.learn(&mut cx, head, None);
        self.settle();
        match learnt {
            Learnt::Newer | Learnt::Known => Ok(()),
            Learnt::BadSignature => {
                Err(Error::new(Code::InvalidArgument, "the issuer has not signed this head"))
            }
            Learnt::Older | Learnt::Unknown => {
                Err(Error::new(Code::FailedPrecondition, "a later generation of the issuer is known"))
            }
        }
    }

    /// The least generation of an issuer whose tokens count here; `None` for one that is not trusted.
    pub fn issuer_generation(&self, issuer: &PublicKey) -> Option<u64> {
        self.authority.generation_min(issuer)
    }

    /// What time it is in the world, in milliseconds since 1970-01-01T00:00:00Z, as far as the driver has told; 0 if it has not.
    pub fn unix_ms(&self) -> u64 {
        self.authority.unix_ms(self.now)
    }

    /// Whether a node may call an action here at this moment. This node itself may.
    pub fn may_call(&self, node: &NodeId, action: &ActionPath) -> Result<(), Denied> {
        self.may(Right::Call, Target::Path(action), node)
    }

    /// Whether a node may serve an action to this one at this moment: whether what it announces counts here, so that calls go there.
    pub fn may_serve(&self, node: &NodeId, action: &ActionPath) -> Result<(), Denied> {
        if self.authority.asks_who_serves() {
            self.may(Right::Serve, Target::Path(action), node)
        } else {
            Ok(())
        }
    }

    /// Why a call goes to none of these nodes. Those that may just not have had a session to show their token in get one.
    pub(super) fn nobody_may_serve(&mut self, action: &ActionPath, nodes: &[NodeId]) -> Error {
        let mut code = Code::PermissionDenied;
        let mut unheard = Vec::new();
        for node in nodes {
            let Err(denied) = self.may_serve(node, action) else { continue };
            if denied.code() == Code::Unauthenticated {
                code = Code::Unauthenticated;
            }
            if denied.wants_token() && !self.delivery.is_connected(node) {
                unheard.push(*node);
            }
        }
        // In turns, so that some who never answer do not stand in the way of one who would.
        if !unheard.is_empty() {
            let first = self.session_turn % unheard.len();
            unheard.rotate_left(first);
            unheard.truncate(SESSIONS_AT_ONCE);
            self.session_turn = self.session_turn.wrapping_add(unheard.len());
        }
        for node in unheard {
            self.open_tunnel(node);
        }
        Error::new(code, alloc::format!("nobody who serves {} may do so for this node", action.as_str()))
    }

    /// Whether a node may publish to a topic at this moment: whether its events are for this node's subscribers.
    pub fn may_publish(&self, node: &NodeId, topic: &ActionPath) -> Result<(), Denied> {
        self.may(Right::Publish, Target::Path(topic), node)
    }

    /// Whether a node may subscribe to the topics of a pattern at this moment: whether this node sends it its events.
    pub fn may_subscribe(&self, node: &NodeId, topics: &PathPattern) -> Result<(), Denied> {
        self.may(Right::Subscribe, Target::Pattern(topics), node)
    }

    fn may(&self, right: Right, target: Target<'_>, node: &NodeId) -> Result<(), Denied> {
        if *node == self.node_id { Ok(()) } else { self.bench().judge(right, target, node) }
    }
}
