//! What waits to be written on one link.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use bytes::Bytes;

/// The meeting point of whoever drains the engine and the task of a link.
///
/// Its size is bounded by the credit that the driver gives the engine for the link.
pub(super) struct Outbox {
    inner: Mutex<Inner>,
}

struct Inner {
    chunks: VecDeque<Bytes>,
    closing: bool,
    reading: bool,
    /// Set while the task sleeps, so that nobody wakes it while it runs.
    sleeper: Option<Waker>,
}

/// What a link's task is told when it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Orders {
    /// Write what there is, then close.
    pub(super) closing: bool,
    /// Whether to read.
    pub(super) reading: bool,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            inner: Mutex::new(Inner {
                chunks: VecDeque::new(),
                closing: false,
                reading: true,
                sleeper: None,
            }),
        }
    }
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds bytes. Whom to wake, if anybody.
    pub(super) fn push(&self, chunk: Bytes) -> Option<Waker> {
        let mut inner = self.lock();
        debug_assert!(!inner.closing, "the engine transmits nothing on a link that it has closed");
        inner.chunks.push_back(chunk);
        inner.sleeper.take()
    }

    /// Nothing more will come.
    pub(super) fn close(&self) -> Option<Waker> {
        let mut inner = self.lock();
        inner.closing = true;
        inner.sleeper.take()
    }

    /// Whether the task should read.
    pub(super) fn set_reading(&self, reading: bool) -> Option<Waker> {
        let mut inner = self.lock();
        inner.reading = reading;
        if reading { inner.sleeper.take() } else { None }
    }

    /// For the link's task, at the start of each round.
    pub(super) fn collect(&self, into: &mut VecDeque<Bytes>) -> Orders {
        let mut inner = self.lock();
        inner.sleeper = None;
        into.append(&mut inner.chunks);
        Orders { closing: inner.closing, reading: inner.reading }
    }

    /// For the link's task, before it sleeps. `false`: something has come meanwhile, look again.
    pub(super) fn park(&self, waker: &Waker, seen: Orders) -> bool {
        let mut inner = self.lock();
        let orders = Orders { closing: inner.closing, reading: inner.reading };
        if !inner.chunks.is_empty() || orders != seen {
            return false;
        }
        inner.sleeper = Some(waker.clone());
        true
    }
}
