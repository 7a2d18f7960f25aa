//! One neighbour: how far away it is, and how much it may say.

use alloc::collections::VecDeque;
use core::time::Duration;

use bytes::Bytes;

use super::bucket::Bucket;
use super::round_trip::RoundTrip;
use crate::identity::NodeId;
use crate::time::Instant;
use crate::wire::frame::FrameType;

/// Entries of ROUTES, and requests, that a neighbour may send in a second for ever. What it sends by itself is less than half of
/// that, see `announce.rs`.
const HEARD_RATE: u64 = 4_096;
/// And at once: twice everything that it can have to say.
const HEARD_BURST: u64 = 131_072;
/// Bytes of frames that wait until the neighbour may be heard again. At the limit the link closes.
pub(super) const BACKLOG_BYTES_MAX: usize = 1 << 20;
/// PINGs that are answered in a second for ever, and at once.
const PINGS_RATE: u64 = 10;
const PINGS_BURST: u64 = 20;
/// Frames like ROUTES with nothing in them still cost something.
const FRAME_BYTES_MIN: usize = 64;

/// A neighbour, by its one link.
#[derive(Debug)]
pub(super) struct Neighbour {
    pub(super) peer: NodeId,
    pub(super) round_trip: RoundTrip,
    /// The PING that waits for its answer: its token, and when it left.
    pub(super) ping: Option<(u64, Instant)>,
    /// How many were answered.
    pub(super) pongs: u32,
    /// How many destinations it offers to carry to.
    pub(super) offers: usize,
    /// Whether some of its offers were not heard for lack of room.
    pub(super) deaf: bool,
    /// It broke the rules: nothing that it says counts any more.
    pub(super) cut: bool,
    /// When it was last told everything because it asked.
    pub(super) told_everything_at: Option<Instant>,
    pings: Bucket,
    heard: Bucket,
    backlog: VecDeque<(FrameType, Bytes)>,
    backlog_bytes: usize,
}

impl Neighbour {
    pub(super) fn new(peer: NodeId, now: Instant) -> Self {
        Self {
            peer,
            round_trip: RoundTrip::default(),
            ping: None,
            pongs: 0,
            offers: 0,
            deaf: false,
            cut: false,
            told_everything_at: None,
            pings: Bucket::new(PINGS_RATE, PINGS_BURST, now),
            heard: Bucket::new(HEARD_RATE, HEARD_BURST, now),
            backlog: VecDeque::new(),
            backlog_bytes: 0,
        }
    }

    /// Whether a PING is to be answered.
    pub(super) fn may_ping(&mut self, now: Instant) -> bool {
        self.pings.take(now, 1)
    }

    /// Whether a frame that costs `count` is to be heard now. Nothing overtakes what waits already.
    pub(super) fn may_say(&mut self, now: Instant, count: u64) -> bool {
        self.backlog.is_empty() && self.heard.take(now, count)
    }

    /// Lets a frame wait. `false` if there is no room for it.
    pub(super) fn wait(&mut self, frame_type: FrameType, body: Bytes) -> bool {
        let bytes = body.len().max(FRAME_BYTES_MIN);
        if self.backlog_bytes + bytes > BACKLOG_BYTES_MAX {
            return false;
        }
        self.backlog_bytes += bytes;
        self.backlog.push_back((frame_type, body));
        true
    }

    /// The first frame that waits.
    pub(super) fn waiting(&self) -> Option<&(FrameType, Bytes)> {
        self.backlog.front()
    }

    /// Takes the first frame that waits, which costs `count`, if it is to be heard now.
    pub(super) fn hear_waiting(&mut self, now: Instant, count: u64) -> bool {
        let heard = self.heard.take(now, count);
        if heard && let Some((_, body)) = self.backlog.pop_front() {
            self.backlog_bytes -= body.len().max(FRAME_BYTES_MIN);
        }
        heard
    }

    /// When a frame that costs `count` may be heard.
    pub(super) fn hears_at(&self, count: u64) -> Instant {
        self.heard.ready_at(count)
    }

    pub(super) fn backlog_bytes(&self) -> usize {
        self.backlog_bytes
    }

    pub(super) fn cut(&mut self) {
        self.cut = true;
        self.backlog.clear();
        self.backlog_bytes = 0;
    }

    /// How long until the next PING: soon at first, until the round trip is known well.
    pub(super) fn ping_pause(&self, longest: Duration) -> Duration {
        Duration::from_secs(1 << self.pongs.min(16)).min(longest)
    }
}
