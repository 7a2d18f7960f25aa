//! What applications and the testbed saw happen: the material of the oracles.
//!
//! Engines write it, oracles read it. It says nothing about how an engine works, so that both engines are judged by the
//! same oracles.

pub mod mesh;

use std::collections::BTreeMap;

use lacewing_core::{Code, Instant};
use serde::{Serialize, Serializer};

use crate::run::Flow;

/// Everything that was seen in one execution.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// What happened, in order.
    pub entries: Vec<Entry>,
    /// Queues that were found over their caps, each once for a node and a name.
    pub over_cap: Vec<Reading>,
    /// Every table of every living node at the end: the least that was found at the last few looks.
    pub at_end: Vec<Reading>,
    /// The neighbours of every living node at the beginning of the fresh phase, by their numbers.
    pub peers_at_fresh: BTreeMap<usize, Vec<usize>>,
    /// What was seen of the mesh as a whole, where the engine can see it.
    pub mesh: mesh::Mesh,
}

/// One thing that was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// When: nanoseconds since the start of the run.
    #[serde(serialize_with = "nanos")]
    pub t: Instant,
    /// At which node.
    pub node: usize,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn nanos<S: Serializer>(instant: &Instant, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(instant.as_nanos())
}

/// See [`Entry`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum What {
    /// A call begins.
    Invoke {
        /// The operation.
        op: u64,
    },
    /// The caller asks to give up.
    Cancel {
        /// The operation.
        op: u64,
    },
    /// A call is answered.
    Ok {
        /// The operation.
        op: u64,
        /// Whether the answer is, byte for byte, that of this operation.
        matches: bool,
        /// Its length.
        bytes: u64,
    },
    /// A call fails.
    Fail {
        /// The operation.
        op: u64,
        /// The code.
        #[serde(serialize_with = "code_name")]
        code: Code,
        /// The code's number.
        number: u16,
        /// Whether the handler may have run.
        maybe_executed: bool,
    },
    /// Everybody who was asked has answered, or the time is over. The outcome follows.
    Gathered {
        /// The operation.
        op: u64,
        /// How many have answered well.
        good: u64,
        /// Whether each of those answers is, byte for byte, that of this operation.
        matches: bool,
    },
    /// The caller is gone before it was told: nothing is known of the outcome.
    Unknown {
        /// The operation.
        op: u64,
    },
    /// A handler starts.
    Execute {
        /// The operation; `None` for a request that no operation of the run could have sent.
        op: Option<u64>,
        /// Whether the argument is, byte for byte, that of this operation.
        matches: bool,
        /// Whether the caller is the node that the run says.
        caller_matches: bool,
    },
    /// A handler answers.
    Answer {
        /// The operation.
        op: u64,
    },
    /// A handler is told that nobody waits any more.
    Withdrawn {
        /// The operation.
        op: u64,
    },
    /// The node takes a message of a stream from its application.
    Sent {
        /// The operation.
        op: u64,
        /// Which way it goes.
        flow: Flow,
        /// Its number, from 0.
        number: u64,
        /// Its length.
        bytes: u64,
    },
    /// The application takes a message of a stream.
    Taken {
        /// The operation.
        op: u64,
        /// Which way it went.
        flow: Flow,
        /// Which one it is, byte for byte; `None` for one that was not to be sent.
        number: Option<u64>,
        /// Its length.
        bytes: u64,
    },
    /// The caller of a stream has said that it uploads no more.
    UploadsEnded {
        /// The operation.
        op: u64,
    },
    /// The handler of a stream has taken everything before the end of the uploads, and learns of it.
    UploadsOver {
        /// The operation.
        op: u64,
    },
    /// The node's process starts.
    Started {
        /// Which of its lives, from 0.
        life: u32,
    },
    /// The node's process is gone.
    Gone {
        /// Whether it shut down in order.
        clean: bool,
    },
    /// The node was asked to shut down, and has not ended in the time that it was given.
    StopOverdue,
    /// The node serves the action of a pool from now on, or does not.
    Serves {
        /// The number of the pool.
        pool: u32,
        /// Whether it takes calls; `None` where it is not served any more.
        state: Option<crate::run::PoolState>,
    },
    /// The node's application has a subscription from now on.
    Subscribed {
        /// Which one of the run.
        sub: u64,
    },
    /// It has ended it.
    Unsubscribed {
        /// Which one of the run.
        sub: u64,
    },
    /// An event is published.
    EventPublished {
        /// Which one of the run.
        event: u64,
        /// How many copies were to be made.
        attempted: u64,
        /// How many of them were dropped at once.
        dropped: u64,
    },
    /// An event is refused, and nobody gets it.
    EventRefused {
        /// Which one of the run.
        event: u64,
        /// The code's number.
        number: u16,
    },
    /// A subscription gets an event.
    EventArrives {
        /// Which subscription of the run; `None` for one that the application does not have.
        sub: Option<u64>,
        /// Which event; `None` for one that no node of the run could have published.
        event: Option<u64>,
        /// Whether topic, payload and publisher are, byte for byte, those of this event.
        matches: bool,
    },
    /// The application tells its node what the issuer of an area says.
    IssuerTold {
        /// The area.
        area: u32,
        /// The issuer's generation.
        generation: u64,
    },
    /// The node, which trusts the issuer of an area, knows what that says. It may have known for a while.
    IssuerHeard {
        /// The area.
        area: u32,
        /// The issuer's generation.
        generation: u64,
    },
    /// The node stands still.
    Paused,
    /// The node goes on.
    Resumed,
    /// A neighbour is up.
    PeerUp {
        /// Which one; `None` for an identity that no node of the run has.
        peer: Option<usize>,
    },
    /// A neighbour is silent.
    PeerSuspect {
        /// Which one.
        peer: Option<usize>,
    },
    /// A neighbour is down.
    PeerDown {
        /// Which one.
        peer: Option<usize>,
        /// Why.
        reason: String,
    },
    /// A node of the mesh is there.
    NodeUp {
        /// Which one; `None` for an identity that no node of the run has.
        of: Option<usize>,
        /// Which of its lives.
        incarnation: u64,
    },
    /// Nothing proves any more that a node of the mesh is there.
    NodeSuspect {
        /// Which one.
        of: Option<usize>,
    },
    /// A suspect node of the mesh is there after all.
    NodeRecovered {
        /// Which one.
        of: Option<usize>,
    },
    /// A node of the mesh is gone.
    NodeDown {
        /// Which one.
        of: Option<usize>,
        /// Which of its lives.
        incarnation: u64,
        /// Why.
        reason: String,
    },
    /// A link ended.
    LinkClosed {
        /// Who was at the other end, where that was proved.
        peer: Option<usize>,
        /// Why.
        reason: String,
    },
    /// The node learnt of a later life of its own and took the number after it.
    Adopted,
    /// The node thinks that a newer process lives with its key.
    Superseded,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn code_name<S: Serializer>(code: &Code, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(code.name())
}

/// How full a table of a node was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// When.
    #[serde(serialize_with = "nanos")]
    pub t: Instant,
    /// Whose.
    pub node: usize,
    /// Which table.
    pub name: &'static str,
    /// How much there was.
    pub value: usize,
    /// How much there may be.
    pub cap: usize,
    /// Whether it must be empty when nothing is going on.
    pub zero_when_quiet: bool,
}

impl History {
    /// Notes something.
    pub fn push(&mut self, t: Instant, node: usize, what: What) {
        self.entries.push(Entry { t, node, what });
    }

    /// Notes how full a table is towards the end. Of several looks the least counts.
    pub fn look(&mut self, reading: Reading) {
        let same = |before: &&mut Reading| before.node == reading.node && before.name == reading.name;
        match self.at_end.iter_mut().find(same) {
            Some(before) if before.value <= reading.value => {}
            Some(before) => *before = reading,
            None => self.at_end.push(reading),
        }
    }

    /// The entries as JSON lines.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for entry in &self.entries {
            text.push_str(&serde_json::to_string(entry).expect("an entry has only text keys"));
            text.push('\n');
        }
        text
    }

    /// What happened to each operation, in the order of the operations.
    pub fn operations(&self) -> BTreeMap<u64, Operation<'_>> {
        let mut operations: BTreeMap<u64, Operation<'_>> = BTreeMap::new();
        for (index, entry) in self.entries.iter().enumerate() {
            let seen = Seen { index, entry };
            match entry.what {
                What::Invoke { op } => operations.entry(op).or_default().invoked.push(seen),
                What::Cancel { op } => operations.entry(op).or_default().cancelled.push(seen),
                What::Ok { op, .. } | What::Fail { op, .. } | What::Unknown { op } => {
                    operations.entry(op).or_default().outcomes.push(seen);
                }
                What::Execute { op: Some(op), .. } => operations.entry(op).or_default().executions.push(seen),
                What::Answer { op } | What::Withdrawn { op } => {
                    operations.entry(op).or_default().releases.push(seen);
                }
                What::Sent { op, flow, .. } => {
                    operations.entry(op).or_default().flow_mut(flow).sent.push(seen);
                }
                What::Taken { op, flow, .. } => {
                    operations.entry(op).or_default().flow_mut(flow).taken.push(seen);
                }
                What::UploadsEnded { op } => operations.entry(op).or_default().uploads_ended = Some(seen),
                What::UploadsOver { op } => operations.entry(op).or_default().uploads_over = Some(seen),
                What::Execute { op: None, .. }
                | What::Gathered { .. }
                | What::Started { .. }
                | What::Gone { .. }
                | What::StopOverdue
                | What::Serves { .. }
                | What::Subscribed { .. }
                | What::Unsubscribed { .. }
                | What::EventPublished { .. }
                | What::EventRefused { .. }
                | What::EventArrives { .. }
                | What::IssuerTold { .. }
                | What::IssuerHeard { .. }
                | What::Paused
                | What::Resumed
                | What::PeerUp { .. }
                | What::PeerSuspect { .. }
                | What::PeerDown { .. }
                | What::NodeUp { .. }
                | What::NodeSuspect { .. }
                | What::NodeRecovered { .. }
                | What::NodeDown { .. }
                | What::LinkClosed { .. }
                | What::Adopted
                | What::Superseded => {}
            }
        }
        operations
    }
}

/// An entry and its place in the history.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Its place.
    pub index: usize,
    /// The entry.
    pub entry: &'a Entry,
}

/// What happened to one operation.
#[derive(Clone, Debug, Default)]
pub struct Operation<'a> {
    /// When it began.
    pub invoked: Vec<Seen<'a>>,
    /// When the caller asked to give up.
    pub cancelled: Vec<Seen<'a>>,
    /// How it ended.
    pub outcomes: Vec<Seen<'a>>,
    /// Where its handler ran.
    pub executions: Vec<Seen<'a>>,
    /// Where its handler answered, or was told that nobody waits.
    pub releases: Vec<Seen<'a>>,
    /// What its caller has uploaded.
    pub uploads: Messages<'a>,
    /// What its handler has sent.
    pub items: Messages<'a>,
    /// When its caller said that it uploads no more.
    pub uploads_ended: Option<Seen<'a>>,
    /// When its handler had taken all of it.
    pub uploads_over: Option<Seen<'a>>,
}

/// What went one way of a stream.
#[derive(Clone, Debug, Default)]
pub struct Messages<'a> {
    /// When the one end sent.
    pub sent: Vec<Seen<'a>>,
    /// When the other end took.
    pub taken: Vec<Seen<'a>>,
}

impl<'a> Operation<'a> {
    /// What went one way.
    pub fn flow(&self, flow: Flow) -> &Messages<'a> {
        match flow {
            Flow::Uploads => &self.uploads,
            Flow::Items => &self.items,
        }
    }

    fn flow_mut(&mut self, flow: Flow) -> &mut Messages<'a> {
        match flow {
            Flow::Uploads => &mut self.uploads,
            Flow::Items => &mut self.items,
        }
    }
}
