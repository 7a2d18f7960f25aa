//! What waits to be written on one link.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use bytes::Bytes;

#[cfg(test)]
mod tests;

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
    task: Task,
}

/// What the link's task is doing.
enum Task {
    /// It runs, and looks again before it sleeps.
    Running,
    /// It sleeps until somebody wakes it.
    Asleep(Waker),
    /// It has been woken and has not looked yet. Whether it is to drain the engine when it does.
    Woken { errand: bool },
}

/// What a link's task is told when it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Orders {
    /// Write what there is, then close.
    pub(super) closing: bool,
    /// Whether to read.
    pub(super) reading: bool,
    /// Whether somebody left it to this task to drain the engine.
    pub(super) errand: bool,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            inner: Mutex::new(Inner {
                chunks: VecDeque::new(),
                closing: false,
                reading: true,
                task: Task::Running,
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
        inner.wake()
    }

    /// Nothing more will come. What is here is still written, unless it is `cut`, which nobody sane asks for.
    pub(super) fn close(&self, cut: bool) -> Option<Waker> {
        let mut inner = self.lock();
        if cut {
            inner.chunks.clear();
        }
        inner.closing = true;
        inner.wake()
    }

    /// Whether the task should read.
    pub(super) fn set_reading(&self, reading: bool) -> Option<Waker> {
        let mut inner = self.lock();
        inner.reading = reading;
        if reading { inner.wake() } else { None }
    }

    /// Leaves it to the link's task to drain the engine, if that is about to run. What several callers have queued by then
    /// goes into one record and one write.
    pub(super) fn leave_errand(&self) -> bool {
        let mut inner = self.lock();
        match &mut inner.task {
            Task::Woken { errand } => {
                *errand = true;
                true
            }
            Task::Running | Task::Asleep(_) => false,
        }
    }

    /// For the link's task, at the start of each round.
    pub(super) fn collect(&self, into: &mut VecDeque<Bytes>) -> Orders {
        let mut inner = self.lock();
        into.append(&mut inner.chunks);
        let errand = matches!(inner.task, Task::Woken { errand: true });
        inner.task = Task::Running;
        Orders { closing: inner.closing, reading: inner.reading, errand }
    }

    /// For the link's task, before it sleeps. `false`: something has come meanwhile, look again.
    pub(super) fn park(&self, waker: &Waker, seen: Orders) -> bool {
        let mut inner = self.lock();
        if !inner.chunks.is_empty() || inner.closing != seen.closing || inner.reading != seen.reading {
            return false;
        }
        debug_assert!(matches!(inner.task, Task::Running), "a task that sleeps has looked before");
        inner.task = Task::Asleep(waker.clone());
        true
    }
}

impl Inner {
    fn wake(&mut self) -> Option<Waker> {
        match std::mem::replace(&mut self.task, Task::Woken { errand: false }) {
            Task::Asleep(waker) => Some(waker),
            awake => {
                self.task = awake;
                None
            }
        }
    }
}
