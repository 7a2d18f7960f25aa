//! What is told of the loads.

use super::{Amounts, Rows};
use crate::goal::{Goal, Verdict};

/// The most memory in MiB that any process of a stream may take beyond what it has when idle.
const STREAM_MEMORY_MIB: f64 = 64.0;

/// A line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    RawStream,
    Stream,
    StreamToRaw,
    StreamMemory,
    RelayedStream,
    RelayedToRaw,
    RelayedMemory,
    OpenCalls,
    OpenCallMemory,
    Links,
    CallsOfLinks,
    LinkMemory,
}

impl Metric {
    pub(crate) const ALL: [Self; 12] = [
        Self::RawStream,
        Self::Stream,
        Self::StreamToRaw,
        Self::StreamMemory,
        Self::RelayedStream,
        Self::RelayedToRaw,
        Self::RelayedMemory,
        Self::OpenCalls,
        Self::OpenCallMemory,
        Self::Links,
        Self::CallsOfLinks,
        Self::LinkMemory,
    ];

    /// The name in JSON, its unit last.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::RawStream => "raw_stream_mib_per_s",
            Self::Stream => "stream_mib_per_s",
            Self::StreamToRaw => "stream_to_raw",
            Self::StreamMemory => "stream_memory_above_idle_mib",
            Self::RelayedStream => "relayed_stream_mib_per_s",
            Self::RelayedToRaw => "relayed_stream_to_raw",
            Self::RelayedMemory => "relayed_stream_memory_above_idle_mib",
            Self::OpenCalls => "open_calls_per_s",
            Self::OpenCallMemory => "open_call_memory_kib",
            Self::Links => "links_per_s",
            Self::CallsOfLinks => "calls_over_links_per_s",
            Self::LinkMemory => "link_memory_kib",
        }
    }

    /// The name in the table.
    pub(crate) fn title(self, amounts: &Amounts) -> String {
        let Amounts { stream_bytes, calls, links } = amounts;
        let mib = stream_bytes >> 20;
        match self {
            Self::RawStream => format!("{mib} MiB over raw TCP: MiB/s"),
            Self::Stream => format!("{mib} MiB as a stream to a neighbour: MiB/s"),
            Self::StreamToRaw => "the same / raw TCP".to_owned(),
            Self::StreamMemory => "most memory of a process above idle: MiB".to_owned(),
            Self::RelayedStream => format!("{mib} MiB as a stream through a relay: MiB/s"),
            Self::RelayedToRaw => "the same / raw TCP".to_owned(),
            Self::RelayedMemory => "most memory of a process above idle: MiB".to_owned(),
            Self::OpenCalls => format!("{calls} calls open at once on one link: calls/s"),
            Self::OpenCallMemory => "most memory of a process for each: KiB".to_owned(),
            Self::Links => format!("{links} nodes link to one: links/s"),
            Self::CallsOfLinks => "one call over each of them: calls/s".to_owned(),
            Self::LinkMemory => "memory of the one for each: KiB".to_owned(),
        }
    }

    /// What it should come to.
    const fn goal(self) -> Option<Goal> {
        match self {
            Self::StreamMemory | Self::RelayedMemory => Some(Goal::everywhere(STREAM_MEMORY_MIB)),
            _ => None,
        }
    }

    /// The processes that it is about.
    const fn nodes(self) -> u32 {
        match self {
            Self::RelayedStream | Self::RelayedToRaw | Self::RelayedMemory => 3,
            _ => 2,
        }
    }
}

/// What became of a metric's goal, if it has one and was measured: the worst round counts.
pub(crate) fn verdict(metric: Metric, rows: &Rows) -> Option<Verdict> {
    let worst = rows.iter().filter(|(row, _)| *row == metric).map(|(_, spread)| (metric.nodes(), spread.max));
    metric.goal()?.judge(worst)
}
