//! What a node counts and measures, and how that is read.
//!
//! Machines count in `Metrics`, which is handed to them with every input: fixed arrays, so that counting neither allocates nor
//! branches much, and nothing but integers, so that a run of the testbed counts the same twice. What a machine counts for itself
//! anyway stays there. `Engine::metrics` walks all of it and gives one [`Snapshot`], whose [`Family`]s are listed in
//! [`families`].

pub mod families;
mod family;
mod histogram;
mod snapshot;
#[cfg(test)]
mod tests;

use alloc::collections::BTreeMap;
use core::time::Duration;

pub use self::family::{Family, FamilyKind};
pub use self::histogram::Histogram;
pub use self::snapshot::{Measured, Sample, Snapshot, Value};
use crate::code::{CloseReason, Code, Error};

/// What machines count in.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    pub(crate) calls_started: u64,
    pub(crate) calls_finished: ByCode,
    pub(crate) call_duration: Histogram,
    pub(crate) casts_queued: u64,
    pub(crate) casts_not_queued: u64,
    pub(crate) requests_received: u64,
    pub(crate) requests_finished: ByCode,
    pub(crate) request_duration: Histogram,
    pub(crate) requests_queued: u64,
    pub(crate) request_queue: Histogram,
    /// Of callers, and of handlers.
    pub(crate) streams_opened: [u64; 2],
    pub(crate) streams_finished: [ByCode; 2],
    pub(crate) items_sent: Volume,
    pub(crate) items_received: Volume,
    /// By the number of the policy.
    pub(crate) events_overflowed: [u64; 3],
    /// Of streams, and of tunnels.
    pub(crate) links_opened: [u64; 2],
    pub(crate) handshakes_failed: BTreeMap<CloseReason, u64>,
    pub(crate) dials_failed: u64,
    pub(crate) bytes_received: u64,
    pub(crate) bytes_sent: u64,
    /// By the number of the frame's type.
    pub(crate) frames_received: [u64; 256],
    pub(crate) round_trip: Histogram,
    pub(crate) relayed: Volume,
    /// By the number of the reason.
    pub(crate) relayed_dropped: [u64; 8],
    pub(crate) neighbours: Transitions,
    pub(crate) nodes: Transitions,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            calls_started: 0,
            calls_finished: ByCode::default(),
            call_duration: Histogram::default(),
            casts_queued: 0,
            casts_not_queued: 0,
            requests_received: 0,
            requests_finished: ByCode::default(),
            request_duration: Histogram::default(),
            requests_queued: 0,
            request_queue: Histogram::default(),
            streams_opened: [0; 2],
            streams_finished: [ByCode::default(); 2],
            items_sent: Volume::default(),
            items_received: Volume::default(),
            events_overflowed: [0; 3],
            links_opened: [0; 2],
            handshakes_failed: BTreeMap::new(),
            dials_failed: 0,
            bytes_received: 0,
            bytes_sent: 0,
            frames_received: [0; 256],
            round_trip: Histogram::default(),
            relayed: Volume::default(),
            relayed_dropped: [0; 8],
            neighbours: Transitions::default(),
            nodes: Transitions::default(),
        }
    }
}

/// Which end of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum End {
    Caller = 0,
    Handler = 1,
}

impl Metrics {
    /// A call has its outcome.
    pub(crate) fn call_finished(&mut self, outcome: Option<Code>, took: Duration) {
        self.calls_finished.add(outcome);
        self.call_duration.record(took);
    }

    /// A call was refused at once.
    pub(crate) fn call_refused(&mut self, code: Code) {
        self.calls_started += 1;
        self.calls_finished.add(Some(code));
    }

    /// A request was refused before anything of it was kept.
    pub(crate) fn request_refused(&mut self, code: Code) {
        self.requests_finished.add(Some(code));
    }

    pub(crate) fn stream_opened(&mut self, end: End) {
        self.streams_opened[end as usize] += 1;
    }

    pub(crate) fn stream_finished(&mut self, end: End, outcome: Option<Code>) {
        self.streams_finished[end as usize].add(outcome);
    }

    pub(crate) fn handshake_failed(&mut self, reason: CloseReason) {
        *self.handshakes_failed.entry(reason).or_insert(0) += 1;
    }

    pub(crate) fn payload_dropped(&mut self, reason: u8) {
        if let Some(count) = self.relayed_dropped.get_mut(usize::from(reason)) {
            *count += 1;
        }
    }
}

/// The code of an outcome; `None` is success.
pub(crate) fn outcome_of<T>(result: &Result<T, Error>) -> Option<Code> {
    result.as_ref().err().map(Error::code)
}

const CODES: usize = Code::ALL.len();

/// Outcomes by their codes. All codes of applications count as one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ByCode([u64; CODES + 2]);

impl Default for ByCode {
    fn default() -> Self {
        Self([0; CODES + 2])
    }
}

impl ByCode {
    pub(crate) fn add(&mut self, outcome: Option<Code>) {
        let place = match outcome {
            None => 0,
            Some(Code::Application(_)) => CODES + 1,
            // Numbers of codes count from one without a gap, which a test holds them to.
            Some(code) => usize::from(code.number()).min(CODES),
        };
        self.0[place] += 1;
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Outcomes that were seen, by name; success is `ok` and always there.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let names = core::iter::once("ok")
            .chain(Code::ALL.iter().map(|code| code.name()))
            .chain(core::iter::once(Code::Application(0).name()));
        names.zip(self.0).filter(|(name, count)| *count > 0 || *name == "ok")
    }
}

/// How many things, and how many bytes in all.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Volume {
    pub(crate) count: u64,
    pub(crate) bytes: u64,
}

impl Volume {
    pub(crate) fn add(&mut self, bytes: usize) {
        self.count += 1;
        self.bytes += bytes as u64;
    }
}

/// What others have become.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Transitions {
    pub(crate) up: u64,
    pub(crate) suspect: u64,
    pub(crate) recovered: u64,
    pub(crate) down: u64,
}

impl Transitions {
    pub(crate) fn iter(self) -> impl Iterator<Item = (&'static str, u64)> {
        [("up", self.up), ("suspect", self.suspect), ("recovered", self.recovered), ("down", self.down)]
            .into_iter()
    }
}
