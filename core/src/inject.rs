//! Bugs on purpose: what the testbed switches on to see that its oracles notice.
//!
//! They are compiled in only under `--cfg lacewing_inject`, which simulation builds set. Released artefacts hold none.

/// `injected!(cx, "bug-name")`: whether a named bug is switched on. A constant `false` outside simulation builds.
macro_rules! injected {
    ($cx:expr, $bug:literal) => {{
        #[cfg(lacewing_inject)]
        {
            $cx.trace.inject($bug)
        }
        #[cfg(not(lacewing_inject))]
        {
            let _ = &$cx;
            false
        }
    }};
}
pub(crate) use injected;

/// A named bug.
#[cfg(lacewing_inject)]
#[derive(Clone, Copy, Debug)]
pub struct Bug {
    /// What `--inject` calls it.
    pub name: &'static str,
    /// The machine that misbehaves.
    pub machine: &'static str,
    /// What goes wrong.
    pub what: &'static str,
}

/// Every bug that the core can be told to have.
#[cfg(lacewing_inject)]
pub const BUGS: &[Bug] = &[
    Bug {
        name: "answer-to-wrong-call",
        machine: "delivery",
        what: "now and then an answer goes to the call before",
    },
    Bug {
        name: "both-links-dropped",
        machine: "membership",
        what: "of two links to one node the good one is closed too",
    },
    Bug { name: "cancel-dropped", machine: "delivery", what: "a cancel does not reach the handler" },
    Bug { name: "credit-leak", machine: "delivery", what: "credit is never given back" },
    Bug { name: "deadline-missed", machine: "delivery", what: "one call in eight has no deadline" },
    Bug { name: "double-outcome", machine: "delivery", what: "now and then a call ends twice" },
    Bug { name: "keepalive-forgotten", machine: "link", what: "no keep-alives are sent" },
    Bug {
        name: "lost-link-unnoticed",
        machine: "delivery",
        what: "half of the calls on a lost link wait for their deadline",
    },
    Bug {
        name: "maybe-executed-denied",
        machine: "delivery",
        what: "a call on a lost link claims that it was not executed",
    },
    Bug { name: "outcome-lost", machine: "delivery", what: "now and then a call has no outcome" },
    Bug { name: "pending-cap-ignored", machine: "delivery", what: "the limit on pending calls is not kept" },
    Bug {
        name: "redial-forgotten",
        machine: "membership",
        what: "an address that failed twice is never dialled again",
    },
    Bug { name: "pause-unheeded", machine: "delivery", what: "a paused action takes calls all the same" },
    Bug { name: "request-leak", machine: "delivery", what: "answered requests stay in the link's table" },
    Bug {
        name: "request-sent-twice",
        machine: "delivery",
        what: "now and then a request is sent twice and not recognised",
    },
    Bug {
        name: "event-delivered-twice",
        machine: "topics",
        what: "now and then a subscription gets an event twice",
    },
    Bug {
        name: "event-to-wrong-topic",
        machine: "topics",
        what: "now and then a subscription gets an event that it did not ask for",
    },
    Bug {
        name: "event-overtaken",
        machine: "topics",
        what: "now and then an event that waits is handed over before older ones",
    },
    Bug { name: "interest-unsaid", machine: "engine", what: "patterns with wildcards are not announced" },
    Bug { name: "unsubscribe-forgotten", machine: "topics", what: "a subscription that was ended goes on" },
    Bug { name: "goodbye-unsaid", machine: "link", what: "links end without a word" },
    Bug {
        name: "peer-up-twice",
        machine: "membership",
        what: "a second link to a node is told as a second coming",
    },
    Bug { name: "stop-untold", machine: "engine", what: "a node that has stopped does not say so" },
    Bug {
        name: "finding-kept-to-itself",
        machine: "discovery",
        what: "what came of a question is not told to whoever brought it",
    },
    Bug { name: "question-sent-twice", machine: "discovery", what: "a question goes out twice on each link" },
    Bug {
        name: "unasked-counts-as-no",
        machine: "discovery",
        what: "whoever could not be asked is taken for one that said no",
    },
    Bug {
        name: "infeasible-route-taken",
        machine: "routing",
        what: "a neighbour's offer is taken whether or not it may lead back",
    },
    Bug { name: "retraction-unsaid", machine: "routing", what: "neighbours are not told that a way is gone" },
    Bug {
        name: "sequence-request-unheard",
        machine: "routing",
        what: "nobody makes or passes on a newer sequence number when asked for one",
    },
    Bug { name: "lost-record-forgotten", machine: "link", what: "what relays have lost is not sent again" },
    Bug {
        name: "node-down-unsaid",
        machine: "membership",
        what: "nobody is told that a node of the mesh is gone",
    },
    Bug {
        name: "relayed-in-clear",
        machine: "link",
        what: "one in eight records that relays carry is not sealed",
    },
    Bug {
        name: "replay-window-off",
        machine: "link",
        what: "a record that came before through relays is taken once more",
    },
    Bug {
        name: "announcement-not-applied",
        machine: "directory",
        what: "a known node's new entries are taken for read and left as they were",
    },
    Bug {
        name: "comparison-forgotten",
        machine: "directory",
        what: "neighbours never compare what they know",
    },
    Bug {
        name: "forgery-believed",
        machine: "directory",
        what: "signatures of announcements are not checked",
    },
    Bug {
        name: "breaker-probes-twice",
        machine: "resilience",
        what: "a half-open breaker lets a second probe through",
    },
    Bug {
        name: "expired-work-started",
        machine: "delivery",
        what: "what has timed out in a queue runs all the same",
    },
    Bug {
        name: "hedge-loser-kept",
        machine: "resilience",
        what: "whoever answers too late is not told to stop",
    },
    Bug {
        name: "permit-leak",
        machine: "delivery",
        what: "now and then a handler that has ended keeps its place",
    },
    Bug {
        name: "retry-though-executed",
        machine: "resilience",
        what: "what may have been executed is tried again",
    },
    Bug {
        name: "retry-unbudgeted",
        machine: "resilience",
        what: "everything is tried again, however much it is",
    },
    Bug { name: "access-unchecked", machine: "delivery", what: "whoever calls may, whatever the rules say" },
    Bug {
        name: "publisher-unchecked",
        machine: "topics",
        what: "whoever publishes may, whatever the rules say",
    },
    Bug {
        name: "revocation-ignored",
        machine: "authority",
        what: "what an issuer takes back still counts, and is not passed on",
    },
    Bug { name: "tokens-unshown", machine: "authority", what: "tokens are not shown in new sessions" },
    Bug {
        name: "stream-cancel-lost",
        machine: "delivery",
        what: "a handler is not told that the caller of its stream has given up",
    },
    Bug {
        name: "stream-credit-leak",
        machine: "delivery",
        what: "the window of a stream is never given back",
    },
    Bug {
        name: "stream-end-lost",
        machine: "delivery",
        what: "the end of a stream's items is not passed on",
    },
    Bug {
        name: "stream-handler-forgotten",
        machine: "delivery",
        what: "a handler is not told that the link of its stream is lost",
    },
    Bug {
        name: "stream-item-lost",
        machine: "delivery",
        what: "one message of a stream in four is not sent",
    },
    Bug {
        name: "stream-item-twice",
        machine: "delivery",
        what: "one message of a stream in four is sent twice",
    },
    Bug {
        name: "stream-order-lost",
        machine: "delivery",
        what: "one message of a stream in four is sent behind the next one",
    },
    Bug {
        name: "stream-queue-unbounded",
        machine: "delivery",
        what: "an end of a stream takes messages whatever waits",
    },
    Bug {
        name: "streams-hog-link",
        machine: "link",
        what: "streams have their turn for as long as they have anything to send",
    },
    Bug { name: "bulkhead-ignored", machine: "resilience", what: "a bulkhead lets everything through" },
    Bug {
        name: "cast-accepted-in-vain",
        machine: "delivery",
        what: "a cast that is refused is acknowledged like one that is accepted",
    },
    Bug {
        name: "gather-ends-with-first-error",
        machine: "resilience",
        what: "the first error speaks for everybody who was asked",
    },
    Bug { name: "hedge-uncounted", machine: "resilience", what: "others are asked again and again" },
    Bug {
        name: "queue-cap-ignored",
        machine: "delivery",
        what: "any number of requests may wait for an action",
    },
    Bug {
        name: "hopeless-work-queued",
        machine: "delivery",
        what: "what cannot begin in time waits all the same",
    },
    Bug { name: "oldest-event-kept", machine: "topics", what: "`drop_oldest` drops the newest" },
    Bug { name: "newest-event-kept", machine: "topics", what: "`drop_newest` drops the oldest" },
    Bug { name: "block-unheeded", machine: "topics", what: "a full subscription holds up no publisher" },
    Bug {
        name: "pace-unheeded",
        machine: "topics",
        what: "a topic may be published on as often as anybody likes",
    },
    Bug { name: "limit-ignored", machine: "delivery", what: "every fourth request runs whatever the limit" },
];
