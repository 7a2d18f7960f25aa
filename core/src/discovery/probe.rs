//! One question while it passes through this node.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

use super::QueryId;
use super::past::Reach;
use crate::identity::NodeId;
use crate::link::LinkId;
use crate::time::Instant;
use crate::wire::body::discovery::{PROOFS_LEN_MAX, PROOFS_MAX, QuestionId};
use crate::wire::path::ActionPath;

/// Who gets the answer.
#[derive(Debug)]
pub(super) enum Asker {
    /// This node, for these questions. They may have been given up, and then it is only for the cache.
    Own(Vec<QueryId>),
    /// The neighbour that brought the question first.
    Parent(LinkId),
}

/// Where a question stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The directory is being asked.
    Resolving,
    /// It went out, as far as it may.
    Out,
}

/// A question.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) id: QuestionId,
    pub(super) path: Arc<ActionPath>,
    pub(super) asker: Asker,
    pub(super) stage: Stage,
    /// Links that it may still cross from here.
    pub(super) hops: u8,
    /// Whether whoever brought it does not bring many.
    pub(super) modest: bool,
    /// When whoever has not answered counts as incomplete: half of the time that the asker gave.
    pub(super) cut: Instant,
    /// Until when the first yes is not enough.
    pub(super) gather_until: Option<Instant>,
    /// When it is looked at next.
    pub(super) wake: Instant,
    /// Neighbours that brought it too, before it went out to them.
    pub(super) heard: BTreeSet<LinkId>,
    pub(super) reach: Reach,
    /// Neighbours that have it and have not answered.
    pub(super) waiting: BTreeSet<LinkId>,
    /// Proofs that are being checked.
    pub(super) checking: usize,
    /// Whether somebody could not be asked.
    pub(super) incomplete: bool,
    /// Proofs that were good, of different nodes.
    pub(super) proofs: Vec<(NodeId, Bytes)>,
    /// Whether a `no` may be kept: nothing has happened meanwhile that would have changed it.
    pub(super) keep_no: bool,
}

impl Probe {
    pub(super) fn parent(&self) -> Option<LinkId> {
        match self.asker {
            Asker::Own(_) => None,
            Asker::Parent(link) => Some(link),
        }
    }

    /// Whether it went to this neighbour, so that the neighbour's own frame is an answer.
    pub(super) fn went_to(&self, link: LinkId, order: u64) -> bool {
        self.stage == Stage::Out && self.reach.covers(link, order)
    }

    /// Whether everybody has answered.
    pub(super) fn is_settled(&self) -> bool {
        self.stage == Stage::Out && self.waiting.is_empty() && self.checking == 0
    }

    /// Whether a further yes would still be of use at `now`.
    pub(super) fn gathers(&self, now: Instant) -> bool {
        self.gather_until.is_some_and(|until| now < until) && self.proofs.len() < PROOFS_MAX
    }

    /// Adds a good proof, unless its node has one already; gives the bytes by which it grew.
    pub(super) fn add(&mut self, node: NodeId, proof: Bytes) -> usize {
        let total: usize = self.proofs.iter().map(|(_, proof)| proof.len()).sum();
        let known = self.proofs.iter().any(|(other, _)| *other == node);
        if known || self.proofs.len() >= PROOFS_MAX || total + proof.len() > PROOFS_LEN_MAX {
            return 0;
        }
        let grown = proof.len();
        self.proofs.push((node, proof));
        grown
    }
}
