//! The tasks of one node, so that its end can be awaited.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// Finished tasks are forgotten when the list has doubled since the last look, and not below this many.
const SWEEP_AT_MIN: usize = 64;

#[derive(Default)]
pub(super) struct Tasks {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    handles: Vec<JoinHandle<()>>,
    sweep_at: usize,
}

impl Tasks {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn spawn(&self, runtime: &Handle, task: impl Future<Output = ()> + Send + 'static) {
        // Spawned outside the lock: a runtime that is shutting down drops the task right here.
        let handle = runtime.spawn(task);
        let mut inner = self.lock();
        if inner.handles.len() >= inner.sweep_at.max(SWEEP_AT_MIN) {
            inner.handles.retain(|handle| !handle.is_finished());
            inner.sweep_at = inner.handles.len() * 2;
        }
        inner.handles.push(handle);
    }

    pub(super) fn abort_all(&self) {
        for handle in &self.lock().handles {
            handle.abort();
        }
    }

    /// Waits until every task has ended.
    pub(super) async fn join_all(&self) {
        loop {
            let Some(handle) = self.lock().handles.pop() else { return };
            // An aborted task is an ended one; tasks of ours do not panic.
            let _ = handle.await;
        }
    }
}
