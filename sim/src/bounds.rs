//! How long things may take at most, derived from the times that the nodes are given. Oracles and plans use the same ones.

use std::time::Duration;

use lacewing_core::{Limits, Timing};

use crate::des::RETRANSMIT_MAX;
use crate::quantity::Micros;
use crate::run::{Header, Net};

/// The longest of each time that any node of a run is given.
pub fn slowest_timing(header: &Header) -> Timing {
    let mut slowest = Timing::default();
    header.timing.apply(&mut slowest);
    let common = slowest.clone();
    for node in &header.nodes {
        let mut own = common.clone();
        node.timing.apply(&mut own);
        slowest.keepalive_interval = slowest.keepalive_interval.max(own.keepalive_interval);
        slowest.suspect_after_missed = slowest.suspect_after_missed.max(own.suspect_after_missed);
        slowest.down_after = slowest.down_after.max(own.down_after);
        slowest.handshake_timeout = slowest.handshake_timeout.max(own.handshake_timeout);
        slowest.connect_timeout = slowest.connect_timeout.max(own.connect_timeout);
        slowest.backoff_max = slowest.backoff_max.max(own.backoff_max);
        slowest.write_stall_timeout = slowest.write_stall_timeout.max(own.write_stall_timeout);
        slowest.retire_timeout = slowest.retire_timeout.max(own.retire_timeout);
    }
    slowest
}

/// From the last byte of a peer to the moment at which it is down.
pub fn detection(timing: &Timing) -> Duration {
    timing.down_after.max(timing.keepalive_interval * (timing.suspect_after_missed + 2))
}

/// One way, with everything that can be in front of it on the line.
pub fn one_way(net: &Net) -> Duration {
    let queued = Duration::from_nanos(net.window.saturating_mul(1_000_000_000) / net.bandwidth);
    net.latency_max.as_duration() + net.jitter_max.as_duration() + queued
}

/// From the end of all faults to the moment at which every link is back.
///
/// The worst that is left over is a stream that is dead on one side only: it must be found out (detection, or the retransmission
/// that was under way), its end must be heard, then a dial that was begun under the fault must fail, the longest pause
/// pass, and a new dial and handshake succeed. A dial that meets another of the same pair, or a peer that knows a later life, costs
/// a second round, and retired links their time.
pub fn converge(header: &Header) -> Duration {
    let timing = slowest_timing(header);
    let round =
        timing.connect_timeout + timing.backoff_max + timing.handshake_timeout + one_way(&header.net) * 8;
    detection(&timing).max(timing.write_stall_timeout)
        + RETRANSMIT_MAX * 2
        + round * 2
        + timing.retire_timeout
}

/// From the last outcome to the moment at which nothing may be left in any table: retired links end, keep-alives settle.
pub fn quiet(header: &Header) -> Duration {
    let timing = slowest_timing(header);
    timing.retire_timeout + one_way(&header.net) * 8 + timing.keepalive_interval * 2 + Duration::from_secs(1)
}

/// Room that a timeout leaves for a small call and its answer on a line that nothing disturbs: three round trips, because the
/// call may meet a link that is being replaced.
pub fn undisturbed_call(net: &Net) -> Duration {
    one_way(net) * 6
}

/// Bytes of one message that a run's nodes take.
pub fn message_bytes_max(header: &Header) -> u64 {
    let mut limits = Limits::default();
    header.limits.apply(&mut limits);
    limits.message_bytes_max as u64
}

/// A span as runs write it, rounded up.
pub fn micros(span: Duration) -> Micros {
    Micros::from_duration(span).plus(Micros(1))
}
