//! Who serves an action that the directory does not know: a question that is flooded, so that calls never are.
//!
//! The echo algorithm (Chang, 1982; Tel, *Introduction to Distributed Algorithms*, section 6.2.3): the first node to
//! bring a question is the parent, the question goes on to all other neighbours, and each of them answers, or crosses
//! it with the same question, which counts as its answer. When all have answered, so does this node, to its parent.
//! No node sends more than one frame of a question on a link, so there are at most two for each link.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use crate::code::CloseReason;
use crate::identity::NodeId;
use crate::link::LinkId;
use crate::time::Instant;
use crate::wire::frame::{FrameHeader, FrameType};
use crate::wire::path::ActionPath;

/// A question of this node's own. The asker chooses the number, and never uses it twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct QueryId(pub(crate) u64);

/// A question that passes through this node, its own or another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ProbeId(u64);

/// A proof that is being checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CheckId(u64);

/// What discovery is told.
#[derive(Debug)]
pub(crate) enum In {
    /// A neighbour is there, by this link.
    LinkUp { link: LinkId, peer: NodeId },
    /// The link is gone, or another one has taken its place.
    LinkDown { link: LinkId },
    /// WHO_HAS or WHO_HAS_ANSWER.
    Frame { link: LinkId, header: FrameHeader, body: Bytes },
    /// Who serves `path`? The answer comes before half of the time to `deadline` is over. With `gather`, every yes of
    /// that long counts, and else the first.
    Ask { query: QueryId, path: Arc<ActionPath>, deadline: Instant, gather: Option<Duration> },
    /// Nobody waits for this answer any more.
    Abandon { query: QueryId },
    /// What this node's directory knows: the proof of one provider that may be called, as its owner signed it.
    Resolved { probe: ProbeId, answer: Option<Bytes> },
    /// Whether a proof is good, and whose it is.
    Checked { check: CheckId, valid: bool, node: Option<NodeId> },
    /// The directory changed: for these paths, or (`None`) nobody knows for which. What is cached of them is forgotten.
    DirectoryChanged { paths: Option<Vec<Arc<ActionPath>>> },
    /// Answer everything that is open, and ask nothing more.
    Stop,
}

/// What discovery gives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Out {
    /// Send this frame.
    Transmit { link: LinkId, frame_type: FrameType, body: Bytes },
    /// What does the directory know? [`In::Resolved`] answers.
    Resolve { probe: ProbeId, path: Arc<ActionPath> },
    /// Does this prove that a live node serves `path` and may be called? [`In::Checked`] answers.
    Check { check: CheckId, path: Arc<ActionPath>, proof: Bytes },
    /// What came of a question: exactly one for each [`In::Ask`].
    Answer { query: QueryId, outcome: Outcome },
    /// The peer broke the rules.
    Violation { link: LinkId, reason: CloseReason },
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// These serve it: proofs that were checked, of different nodes, at least one and without `gather` exactly one.
    Found(Vec<Bytes>),
    /// Everybody within reach was asked, and nobody serves it.
    NotFound,
    /// Nobody was found, and not everybody could be asked.
    Incomplete,
}
