//! What was seen of the mesh as a whole: what nodes announced and what others made of it, ways, questions, relays.

use std::collections::BTreeMap;

use lacewing_core::Instant;
use lacewing_core::engine::NodeStatus;

/// See the module's text. Nodes are their numbers.
#[derive(Clone, Debug, Default)]
pub struct Mesh {
    /// The fingerprint of everything that an owner said, for each of its announcements; `None` where nobody looked in time.
    pub announced: BTreeMap<(usize, Version), Option<u64>>,
    /// Every fingerprint that somebody else had for an announcement, and who had it first.
    pub known: BTreeMap<(usize, Version, u64), (Instant, usize)>,
    /// When each node first had each announcement of an owner: the owner, the announcement, the node.
    pub heard: BTreeMap<(usize, Version, usize), Instant>,
    /// What left all nodes, for each second of the run.
    pub traffic: BTreeMap<u64, Traffic>,
    /// Control frames and what they carry, by name, for each second of the run.
    pub frames: BTreeMap<(u64, &'static str), Traffic>,
    /// Ways that led in a circle: each once for a destination and a set of nodes.
    pub loops: Vec<Loop>,
    /// What relays saw that only the two ends should have seen.
    pub shown: Vec<Shown>,
    /// Questions for actions, by the node that asked and the number that it gave.
    pub questions: BTreeMap<(usize, u64), Question>,
    /// How each living node sees every other one at the beginning of the fresh phase.
    pub statuses_at_fresh: BTreeMap<usize, BTreeMap<usize, NodeStatus>>,
    /// Everything that each living node knows at the end.
    pub at_end: BTreeMap<usize, Sight>,
}

/// Which announcement: the life and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The incarnation.
    pub incarnation: u64,
    /// The number of the announcement.
    pub sequence: u64,
}

/// So many things, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// How many.
    pub count: u64,
    /// Their bytes in all.
    pub bytes: u64,
}

impl Traffic {
    /// One more.
    pub fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }
}

/// Next hops that lead in a circle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loop {
    /// When.
    pub t: Instant,
    /// Where to.
    pub destination: usize,
    /// The nodes on the circle, in the order in which a payload would visit them, from the smallest on.
    pub circle: Vec<usize>,
}

/// Something that a relay should not have been able to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// When.
    pub t: Instant,
    /// Which relay.
    pub node: usize,
    /// How long the body was.
    pub bytes: usize,
}

/// A question for an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// When its first frame was sent.
    pub first: Instant,
    /// When its last one was.
    pub last: Instant,
    /// How many frames it took in the whole mesh.
    pub frames: u64,
}

/// What a node knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// What it has of each owner, itself included.
    pub owners: BTreeMap<usize, Owner>,
    /// The way to each node that it has one to.
    pub routes: BTreeMap<usize, Route>,
    /// How it sees each other node.
    pub statuses: BTreeMap<usize, NodeStatus>,
    /// Who it thinks takes calls to the action of each pool.
    pub providers: BTreeMap<u32, Vec<usize>>,
}

/// What is known of an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its latest announcement.
    pub version: Version,
    /// The fingerprint of what it said.
    pub fingerprint: u64,
    /// Whether it counts as alive.
    pub visible: bool,
}

/// A way to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The neighbour to which payloads go first.
    pub next_hop: usize,
    /// The links that they cross.
    pub hops: u8,
}
