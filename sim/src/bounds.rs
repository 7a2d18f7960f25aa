//! How long things may take at most, derived from the times that the nodes are given. Oracles and plans use the same ones.

use std::time::Duration;

use lacewing_core::wire::body::{STREAM_ITEM_COST, STREAM_WINDOW_MIN};
use lacewing_core::wire::frame::{CHUNK_LEN_MAX, RECORD_LEN_MAX};
use lacewing_core::{Limits, Timing};

use crate::des::RETRANSMIT_MAX;
use crate::quantity::Micros;
use crate::run::{Graph, Header, Net};

/// Looks before the last one, and how far apart they are.
const LAST_LOOKS: u64 = 12;
const LAST_LOOK_EVERY_US: u64 = 250_000;

/// The lanes of a link, what each sends in its turn, and what announcements may take of a record.
const LANES: u64 = 6;
const QUANTUM: u64 = 16 * 1024;
const ANNOUNCED_LEN_MAX: u64 = 24 * 1024;

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
        slowest.path_patience = slowest.path_patience.max(own.path_patience);
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
    let links = detection(&timing).max(timing.write_stall_timeout)
        + RETRANSMIT_MAX * 2
        + round * 2
        + timing.retire_timeout;
    links + mesh(header)
}

/// From the moment at which every link is back to the moment at which every node knows the others, and the ways to them.
///
/// What was missed is told, or asked for, when a link comes up, and goes on from there; what a member has kept to itself is found
/// out when views are compared. A node that is doubted is asked once in an interval.
fn mesh(header: &Header) -> Duration {
    let timing = slowest_timing(header);
    let compared = header.timing.directory_digest_interval.map_or(Duration::ZERO, Micros::as_duration);
    spread(header) * 2 + compared * 2 + timing.keepalive_interval * 2 + ROUTE_PATIENCE
}

/// How long a node puts up with a way that is not the best while the best is not safe, asks for a newer number and gets it.
const ROUTE_PATIENCE: Duration = Duration::from_secs(6);

/// The time in which everybody hears of a change, nothing being lost: four trips over each link on the way, since an announcement may
/// have to be asked for.
pub fn spread(header: &Header) -> Duration {
    one_way(&header.net) * 4 * farthest(header)
}

/// Links between the two nodes that are farthest from each other.
fn farthest(header: &Header) -> u32 {
    let links = header.dials.iter().map(|[from, to]| (*from, *to));
    let diameter = Graph::new(header.nodes.len(), links).diameter();
    u32::try_from(diameter.unwrap_or(header.nodes.len())).unwrap_or(u32::MAX).max(1)
}

/// From the end of a process, of which nobody is told, to the moment at which every node that can know it does: silence is noticed
/// by its neighbours, ways are taken back everywhere, and then the node is given the time of a silent neighbour to answer.
pub fn death_is_known(header: &Header) -> Duration {
    let timing = slowest_timing(header);
    detection(&timing) * 2 + timing.keepalive_interval * 2 + spread(header) * 2 + ROUTE_PATIENCE
}

/// The times of one node.
fn timing_of(header: &Header, node: usize) -> Timing {
    let mut timing = Timing::default();
    header.timing.apply(&mut timing);
    header.nodes[node].timing.apply(&mut timing);
    timing
}

/// For how long a node asks for another way, or for a sign of life, before another node is down.
pub fn down_after(header: &Header, node: usize) -> Duration {
    timing_of(header, node).down_after
}

/// For how long it does so before the other node is suspect.
pub fn path_patience(header: &Header, node: usize) -> Duration {
    let timing = timing_of(header, node);
    timing.path_patience.min(timing.keepalive_interval * timing.suspect_after_missed)
}

/// From the loss of a way to the moment at which another one is known that exists: a newer number of the destination is asked for, over
/// as many links as there are nodes, made after the pause that there is between two, and told over as many.
pub fn reroute(header: &Header) -> Duration {
    let nodes = u32::try_from(header.nodes.len()).unwrap_or(u32::MAX);
    one_way(&header.net) * 2 * nodes + Duration::from_secs(1)
}

/// How long after its end a fault may still be felt.
pub fn echo(header: &Header) -> Duration {
    converge(header)
}

/// A question's way to the farthest node and back.
pub fn question(header: &Header) -> Duration {
    one_way(&header.net) * 2 * (farthest(header) + 1)
}

/// Whether a call waits for so long that a question of it is heard out everywhere: each node on the way waits for half of the time that
/// it was given, and the last one must still hear its neighbours.
pub fn is_patient(header: &Header, timeout: Micros) -> bool {
    let hops = farthest(header).min(limits(header).question_hops_max.into());
    let needed = one_way(&header.net) * 2 * 2_u32.saturating_pow(hops + 2);
    timeout.as_duration() >= needed
}

/// The limits of a run's nodes.
pub fn limits(header: &Header) -> Limits {
    let mut limits = Limits::default();
    header.limits.apply(&mut limits);
    limits
}

/// From the last outcome to the moment at which nothing may be left in any table: retired links end, keep-alives settle.
pub fn quiet(header: &Header) -> Duration {
    let timing = slowest_timing(header);
    timing.retire_timeout + one_way(&header.net) * 8 + timing.keepalive_interval * 2 + Duration::from_secs(1)
}

/// When tables are looked at towards the end. Between two looks a session that nobody uses any more may end, which takes a
/// moment and is no leak.
pub fn last_looks(header: &Header) -> Vec<Micros> {
    let end = header.phases.end.0;
    (1..=LAST_LOOKS).filter_map(|looks| end.checked_sub(looks * LAST_LOOK_EVERY_US)).map(Micros).collect()
}

/// Room that a timeout leaves for a small call and its answer on a line that nothing disturbs: three round trips, because the
/// call may meet a link that is being replaced.
pub fn undisturbed_call(net: &Net) -> Duration {
    one_way(net) * 6
}

/// What a message of a stream counts against windows and queues.
pub fn stream_cost(bytes: u64) -> u64 {
    bytes + STREAM_ITEM_COST as u64
}

/// How far the sender of a stream may be ahead of whoever takes its messages, of so many bytes each. What has left the sender is
/// bounded by the window of the other end, and by one message that may be lent to it so that it arrives whole; what has not, by
/// the sender's queue, which always takes one.
pub fn stream_ahead(header: &Header, bytes: u64) -> u64 {
    let (limits, message) = (limits(header), stream_cost(bytes));
    let window = u64::from(limits.stream_window_bytes.max(STREAM_WINDOW_MIN));
    window + message + (limits.stream_queue_bytes as u64).max(message)
}

/// A small call and its answer on a line that nothing disturbs but streams, and other calls of so many bytes together: what can be in
/// front of each of the two, as fast as the line takes it.
///
/// In front are the record that is being sent, a chunk that has begun, one turn of every lane, announcements, and where uploads can
/// use up the credit of the link, a window of that. Of the other calls every byte counts threefold: for each turn that
/// they take, streams and what is relayed may have one. How long the streams are does not matter.
pub fn call_beside_streams(header: &Header, queued: u64) -> Duration {
    let net = &header.net;
    let turns = LANES * QUANTUM + CHUNK_LEN_MAX as u64 + RECORD_LEN_MAX as u64 + ANNOUNCED_LEN_MAX;
    // What is under way, and what the other end saves up before it grants it again, may come to the whole window.
    let link_window = u64::from(limits(header).link_window_bytes);
    let credit =
        if net.window + RECORD_LEN_MAX as u64 + link_window / 4 < link_window { 0 } else { link_window };
    let bytes = turns + credit + 3 * queued;
    let on_line = Duration::from_nanos(bytes.saturating_mul(1_000_000_000) / net.bandwidth);
    let rounds = u32::try_from(bytes / net.window + 2).unwrap_or(u32::MAX);
    let acknowledged = (net.latency_max.as_duration() + net.jitter_max.as_duration()) * 2 * rounds;
    (one_way(net) + on_line + acknowledged) * 2
}

/// Bytes of one message that a run's nodes take.
pub fn message_bytes_max(header: &Header) -> u64 {
    limits(header).message_bytes_max as u64
}

/// A span as runs write it, rounded up.
pub fn micros(span: Duration) -> Micros {
    Micros::from_duration(span).plus(Micros(1))
}
