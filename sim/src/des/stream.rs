//! Byte streams as the simulated network has them: in order, without loss or change, and sometimes late or dead.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use lacewing_core::Instant;
use lacewing_core::engine::{DialId, LinkId};

/// First pause before data is sent again, as TCP has it on short paths; it doubles.
const RETRANSMIT_MIN: Duration = Duration::from_millis(200);
/// Longest such pause. Shorter than TCP's, which would only make runs longer.
pub(crate) const RETRANSMIT_MAX: Duration = Duration::from_millis(3_200);
/// How long a closed end swallows what still arrives, before it answers that the stream is unknown.
pub(super) const LINGER: Duration = Duration::from_secs(1);

/// One end of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StreamEnd {
    pub(super) stream: usize,
    /// 0 for the side that dialled.
    pub(super) side: usize,
}

impl StreamEnd {
    pub(super) fn other(self) -> Self {
        Self { side: 1 - self.side, ..self }
    }

    /// The engine's number for it.
    pub(super) fn link(self) -> LinkId {
        LinkId((self.stream * 2 + self.side + 1) as u64)
    }

    /// The end that an engine knows by this number.
    pub(super) fn of_link(link: LinkId) -> Self {
        let index = usize::try_from(link.0 - 1).expect("streams are counted from 0");
        Self { stream: index / 2, side: index % 2 }
    }
}

/// What travels.
#[derive(Debug)]
pub(super) enum Piece {
    /// The stream is there; with the dial that it came of.
    Up(Option<DialId>),
    Data(Bytes),
    /// Nothing follows.
    End,
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// What is on its way, with the time at which it arrives.
    pub(super) pieces: VecDeque<(Instant, Piece)>,
    /// When the sender's line is free again.
    pub(super) free_at: Instant,
    pub(super) last_arrival: Instant,
    /// Data did not get through and is sent again.
    pub(super) held: Option<Held>,
    /// Faults that make it stand still.
    pub(super) stalls: u32,
}

/// Retransmission.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) since: Instant,
    pub(super) pause: Duration,
}

impl Held {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, pause: RETRANSMIT_MIN }
    }

    pub(super) fn longer(self) -> Self {
        Self { pause: (self.pause * 2).min(RETRANSMIT_MAX), ..self }
    }
}

/// How far an end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndState {
    /// Known to the network, not yet to the engine.
    Opening,
    /// The engine knows it.
    Open,
    /// The engine has closed it.
    Closed(Instant),
    /// Nobody here knows it any more.
    Dead,
}

/// One side.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) node: usize,
    pub(super) life: u32,
    pub(super) state: EndState,
    /// What has arrived and was not taken.
    pub(super) inbox: VecDeque<Piece>,
    /// Bytes taken, of which the sender was not told.
    pub(super) uncredited: usize,
    /// A slow reader's next bite is scheduled.
    pub(super) biting: bool,
    /// What it sends.
    pub(super) flow: Flow,
}

/// A stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) sides: [Side; 2],
    /// The network has forgotten it, and tells nobody.
    pub(super) severed: bool,
}

impl Stream {
    pub(super) fn new(dialler: (usize, u32), listener: (usize, u32)) -> Self {
        let side = |(node, life)| Side {
            node,
            life,
            state: EndState::Opening,
            inbox: VecDeque::new(),
            uncredited: 0,
            biting: false,
            flow: Flow::default(),
        };
        Self { sides: [side(dialler), side(listener)], severed: false }
    }

    pub(super) fn is_between(&self, one: usize, other: usize) -> bool {
        let nodes = [self.sides[0].node, self.sides[1].node];
        nodes == [one, other] || nodes == [other, one]
    }

    /// Whether any end is of use to anybody.
    pub(super) fn is_alive(&self) -> bool {
        self.sides.iter().any(|side| matches!(side.state, EndState::Opening | EndState::Open))
    }
}

impl Side {
    /// Forgets everything.
    pub(super) fn die(&mut self) {
        self.state = EndState::Dead;
        self.inbox = VecDeque::new();
        self.flow.pieces = VecDeque::new();
        self.flow.held = None;
    }
}
