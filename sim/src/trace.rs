//! The hook that nodes report to, in whichever engine they run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use lacewing_core::Trace;

/// Coverage marks of all nodes of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks(Arc<Mutex<Table>>);

/// Counts by the place of the name in memory, which is compared faster than its text. The order never shows.
type Table = BTreeMap<usize, (&'static str, u64)>;

impl Marks {
    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        let marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counts = BTreeMap::new();
        for (name, count) in marks.values() {
            *counts.entry((*name).to_owned()).or_insert(0) += count;
        }
        counts
    }
}

/// One engine's hook: counts marks, and switches the injected bug on.
pub(crate) struct Hook {
    marks: Marks,
    #[cfg(lacewing_inject)]
    inject: Option<String>,
}

impl Hook {
    #[cfg_attr(
        not(lacewing_inject),
        expect(unused_variables, reason = "bugs exist in simulation builds only")
    )]
    pub(crate) fn new(marks: &Marks, inject: Option<&str>) -> Self {
        Self {
            marks: marks.clone(),
            #[cfg(lacewing_inject)]
            inject: inject.map(str::to_owned),
        }
    }
}

impl Trace for Hook {
    fn mark(&mut self, name: &'static str) {
        let mut marks = self.marks.0.lock().unwrap_or_else(PoisonError::into_inner);
        marks.entry(name.as_ptr().addr()).or_insert((name, 0)).1 += 1;
    }

    #[cfg(lacewing_inject)]
    fn inject(&mut self, bug: &'static str) -> bool {
        self.inject.as_deref() == Some(bug)
    }
}
