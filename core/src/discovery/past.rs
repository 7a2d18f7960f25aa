//! Questions that are over. Whoever brings one again gets an answer, and it is not flooded a second time.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use crate::link::LinkId;
use crate::time::Instant;
use crate::wire::body::discovery::QuestionId;
use crate::wire::path::ActionPath;

/// How long a question is remembered after its end: longer than any frame of it may still be on its way.
pub(super) const REMEMBERED: Duration = Duration::from_secs(30);

/// The links that a question went out on: those that were up then, but for a few.
#[derive(Clone, Debug, Default)]
pub(super) struct Reach {
    /// Links that came up before this one in the order of all.
    pub(super) before: u64,
    /// Links that had used up their allowance.
    pub(super) skipped: Vec<LinkId>,
}

impl Reach {
    pub(super) fn covers(&self, link: LinkId, order: u64) -> bool {
        order < self.before && !self.skipped.contains(&link)
    }
}

/// What is kept of a question.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) path: Arc<ActionPath>,
    /// Whether everybody behind this node was asked, or somebody said yes.
    pub(super) settled: bool,
    /// The link that brought it and got the answer.
    pub(super) parent: Option<LinkId>,
    pub(super) reach: Reach,
}

/// The memory. At its limit the oldest are forgotten.
#[derive(Debug, Default)]
pub(super) struct Past {
    ended: BTreeMap<QuestionId, Ended>,
    order: VecDeque<(Instant, QuestionId)>,
}

impl Past {
    pub(super) fn len(&self) -> usize {
        self.ended.len()
    }

    pub(super) fn get(&self, id: &QuestionId) -> Option<&Ended> {
        self.ended.get(id)
    }

    pub(super) fn insert(&mut self, now: Instant, id: QuestionId, ended: Ended, count_max: usize) {
        self.forget(now);
        while self.order.len() >= count_max.max(1)
            && let Some((_, oldest)) = self.order.pop_front()
        {
            self.ended.remove(&oldest);
        }
        let again = self.ended.insert(id, ended);
        debug_assert!(again.is_none(), "a question ends once");
        self.order.push_back((now + REMEMBERED, id));
    }

    /// Forgets what is old.
    pub(super) fn forget(&mut self, now: Instant) {
        while self.order.front().is_some_and(|(until, _)| *until <= now)
            && let Some((_, oldest)) = self.order.pop_front()
        {
            self.ended.remove(&oldest);
        }
    }
}
