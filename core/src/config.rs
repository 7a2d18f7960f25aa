//! What a node is told at start: its network, whom it trusts, its limits and its times.

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use zeroize::Zeroizing;

use crate::access::{AccessPolicy, TOKENS_PER_SESSION_MAX};
use crate::address::Address;
use crate::crypto::CryptoProvider;
use crate::identity::{NodeLabel, PublicKey};
use crate::token::{ISSUERS_MAX, Token};
use crate::wire::body::KEEPALIVE_MS;
use crate::wire::body::directory::TTL_S;

/// Everything the engine is told once, at its start.
#[derive(Clone, Debug)]
pub struct Config {
    /// The network: nodes of another network cannot finish a handshake with this one.
    pub network: NetworkName,
    /// Whom this node lets in.
    pub trust: Trust,
    /// Who may do what here, whose tokens count for that, and what this node shows to others.
    pub access: Access,
    /// What makes a route good.
    pub route_metric: RouteMetric,
    /// What people call this node. Labels need not be unique.
    pub label: NodeLabel,
    /// Addresses that this node listens on, to be told to peers. Unspecified hosts are replaced by what
    /// peers have reached this node on.
    pub listen: Vec<Address>,
    /// Caps on everything that can grow.
    pub limits: Limits,
    /// Intervals and time-outs.
    pub timing: Timing,
    /// AEADs, hashes and signatures.
    pub crypto: Arc<dyn CryptoProvider>,
}

/// Who may do what on a node, and what it has to show to others. The default has no rules, believes no issuer, and shows nothing.
///
/// ```
/// use lacewing_core::config::Access;
///
/// assert!(Access::default().policy.rules().is_empty());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// The rules.
    pub policy: AccessPolicy,
    /// The issuers whose tokens count, at most [`ISSUERS_MAX`], each with the least generation of which they do.
    pub issuers: Vec<(PublicKey, u64)>,
    /// What this node shows to every node that it has a session with, at most [`TOKENS_PER_SESSION_MAX`]. Those of other nodes
    /// are left out.
    pub tokens: Vec<Token>,
}

/// What makes a route good. All nodes of a network should agree.
///
/// ```
/// assert_eq!(lacewing_core::config::RouteMetric::default(), lacewing_core::config::RouteMetric::RoundTrip);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RouteMetric {
    /// The measured round trips of its links, and a little for each of them.
    #[default]
    RoundTrip,
    /// The number of its links alone: each route is a shortest one once things are quiet.
    Hops,
}

/// The name of a network: 1 to 64 bytes of UTF-8 without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkName(String);

/// Text that cannot name a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a network name has 1 to 64 bytes and no control characters")]
pub struct NetworkNameError;

impl NetworkName {
    /// Longest name in bytes.
    pub const LEN_MAX: usize = 64;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NetworkName {
    type Err = NetworkNameError;

    fn from_str(text: &str) -> Result<Self, NetworkNameError> {
        if text.is_empty() || text.len() > Self::LEN_MAX || text.chars().any(char::is_control) {
            return Err(NetworkNameError);
        }
        Ok(Self(text.to_string()))
    }
}

/// The 32-byte key that all members of a network share. Wiped from memory when dropped, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct NetworkKey(Zeroizing<[u8; 32]>);

impl NetworkKey {
    /// A key from its bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, for the handshake only.
    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for NetworkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NetworkKey(..)")
    }
}

/// Whom a node lets in. Links are encrypted and peers prove their identity in every case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Whoever holds the network key.
    NetworkKey(NetworkKey),
    /// Only these identities, with or without a network key on top.
    PinnedKeys {
        /// The identities.
        keys: BTreeSet<PublicKey>,
        /// The network key, if there is one too.
        network_key: Option<NetworkKey>,
    },
    /// Whoever has a membership token of one of these issuers (the right [`Join`](crate::token::Right::Join)) for its own identity,
    /// with or without a network key on top. These issuers are believed in everything else too, as those of [`Access::issuers`]
    /// are, who say from which generation on. A node that does not know what time it is lets nobody in.
    Tokens {
        /// The issuers.
        issuers: BTreeSet<PublicKey>,
        /// The network key, if there is one too.
        network_key: Option<NetworkKey>,
    },
    /// Anybody who names the same network. Must be asked for.
    Open,
}

impl Trust {
    /// The network key, where there is one.
    pub fn network_key(&self) -> Option<&NetworkKey> {
        match self {
            Self::NetworkKey(key) => Some(key),
            Self::PinnedKeys { network_key, .. } | Self::Tokens { network_key, .. } => network_key.as_ref(),
            Self::Open => None,
        }
    }

    /// Whether an identity that has proved itself is let in, whatever it has to show.
    pub fn admits(&self, key: &PublicKey) -> bool {
        match self {
            Self::NetworkKey(_) | Self::Open => true,
            Self::Tokens { .. } => false,
            Self::PinnedKeys { keys, .. } => keys.contains(key),
        }
    }
}

/// The smallest credit that a link may begin with: the largest frame of a call must fit.
pub const WINDOW_BYTES_MIN: u32 = 65_536;

/// The largest limit on the directory entries of one node: what surely fits the frames of one set.
const DIRECTORY_BYTES_PER_OWNER_MAX: usize = 2 * 1024 * 1024;
/// Neighbours that compared their views more often would do little else.
const DIGEST_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// Caps on everything that can grow. Each has a policy at the limit and a counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Links, finished or not. At the limit new ones are closed (`too_many_links`).
    pub links_max: usize,
    /// Unfinished handshakes in all. At the limit new links are closed (`too_many_handshakes`).
    pub handshakes_max: usize,
    /// Unfinished handshakes from one IP address; the same policy.
    pub handshakes_per_address_max: usize,
    /// Largest message in bytes. Larger ones are `TooLarge`, at the sender before anything is sent.
    pub message_bytes_max: usize,
    /// Calls of this node that wait for an outcome, for each link. At the limit `call` is refused with `Backpressure`.
    pub pending_calls_per_link_max: usize,
    /// Requests from one peer that wait for an answer. At the limit the peer's call fails with `ResourceExhausted`.
    pub pending_requests_per_link_max: usize,
    /// Bytes of calls that wait until there is a session to their node, or until it is known who serves their action; of all
    /// nodes together. At the limit `call` is refused with `Backpressure`; a single call always has room.
    pub waiting_bytes_max: usize,
    /// Bytes queued towards one peer. At the limit `call` is refused with `Backpressure`.
    pub queued_bytes_per_link_max: usize,
    /// Bytes of half-received messages, for each link. At the limit the message fails with `ResourceExhausted`.
    pub reassembly_bytes_per_link_max: usize,
    /// Bytes of calls that a peer may have on the way before it gets new credit; 64 KiB at least.
    pub link_window_bytes: u32,
    /// Streams on each link, those of either side counted apart. At the limit a call is refused with `Backpressure`, a peer's with
    /// `ResourceExhausted`.
    pub streams_per_link_max: usize,
    /// Bytes of a stream, with 64 for each item, that its other end may send before this node's application has taken some; 16 KiB
    /// at least.
    pub stream_window_bytes: u32,
    /// Bytes of items that wait at the end that sends. At the limit `send_item` is refused with `Backpressure`; a single item is
    /// always taken.
    pub stream_queue_bytes: usize,
    /// Bytes of items of all streams of a link that this node's application has not taken. At the limit the stream fails with
    /// `ResourceExhausted`.
    pub stream_bytes_per_link_max: usize,
    /// Calls with a policy that are open. At the limit `call` is refused with `Backpressure`.
    pub policy_calls_max: usize,
    /// Nodes and actions whose failures are kept for calls with a policy. At the limit those are forgotten of which there is nothing to
    /// know, and others are called without a breaker.
    pub call_targets_max: usize,
    /// Failures within `Timing::breaker_window`, at least half of all attempts in it, after which a breaker opens.
    pub breaker_failures: u32,
    /// Actions that this node serves. At the limit `serve` is refused.
    pub actions_max: usize,
    /// Neighbours that this node wants. While it has fewer, it dials nodes that it has heard of, chosen at random, besides the
    /// configured addresses. 0: it has the links that it was told to have, and those that others dial.
    pub neighbours_sought: usize,
    /// Subscriptions of this node. At the limit `subscribe` is refused.
    pub subscriptions_max: usize,
    /// Events on one topic that may be published at once. Further ones are `ResourceExhausted`.
    pub events_per_topic_burst: u32,
    /// Events on one topic that may be published in a second, in the long run; the same policy.
    pub events_per_topic_per_s: u32,
    /// Topics on which events are being published. At the limit events on further ones are `ResourceExhausted`.
    pub topics_max: usize,
    /// Bytes of events queued towards one peer, and of those that wait for sessions. At the limit further ones are dropped; a single
    /// event always has room.
    pub published_bytes_per_link_max: usize,
    /// Addresses that this node dials. At the limit `connect` is refused.
    pub configured_peers_max: usize,
    /// Sessions to nodes that are no neighbours. At the limit a call that needs one more is `Unavailable`.
    pub tunnels_max: usize,
    /// Bytes that such a session may have under way, and thus in relays, before they are acknowledged.
    pub tunnel_window_bytes: usize,
    /// Bytes of one flow that a relay queues towards a neighbour. What is over it is dropped, and the source told.
    pub relayed_flow_bytes_max: usize,
    /// Bytes of all flows together that a relay queues towards a neighbour; the same policy.
    pub relayed_link_bytes_max: usize,
    /// Bytes of announcements (routes, directory, questions) queued towards a neighbour. What is over it is dropped and
    /// repaired later.
    pub announced_link_bytes_max: usize,
    /// Nodes of the mesh that are kept track of. At the limit others are not known to be there.
    pub nodes_max: usize,
    /// Peers that are remembered after they are gone, for dedup windows and incarnations. The oldest are forgotten.
    pub remembered_peers_max: usize,
    /// Links that a question about an unknown action crosses at most, 1 to 16. Where it would have to go further, its answer is
    /// incomplete.
    pub question_hops_max: u8,
    /// Such questions, of this node and others, that are under way in this node. At the limit the answer is incomplete.
    pub questions_max: usize,
    /// Such questions that are remembered after their end, so that none goes round twice. The oldest are forgotten.
    pub remembered_questions_max: usize,
    /// Paths whose answer is kept. The oldest are forgotten.
    pub cached_answers_max: usize,
    /// Nodes whose directory entries are kept. At the limit further ones are refused.
    pub directory_owners_max: usize,
    /// Entries of one node. A larger set is refused.
    pub directory_entries_per_owner_max: usize,
    /// Bytes of the entries of one node; 2 MiB at most. A larger set is refused.
    pub directory_bytes_per_owner_max: usize,
    /// Bytes of all entries, with what they take around them. At the limit what would grow further is refused.
    pub directory_bytes_max: usize,
    /// Announcements that a neighbour may make at once. Further ones are dropped, and far too many cut the link (`flooding`).
    pub directory_announcements_burst: usize,
    /// Announcements that a neighbour may make in a second, in the long run; the same policy.
    pub directory_announcements_per_s: usize,
    /// Changes of one node that are passed on at once. Further ones wait and are joined.
    pub directory_changes_per_owner_burst: usize,
    /// Changes of one node that are passed on in a second, in the long run; the same policy.
    pub directory_changes_per_owner_per_s: usize,
    /// Destinations that are known. At the limit the one that has been unreachable for longest makes room, else new ones are
    /// not heard of.
    pub routes_max: usize,
    /// Destinations that one neighbour offers to carry to. At the limit its further offers are not heard.
    pub routes_per_link_max: usize,
    /// Offers of all neighbours together, most of them spare. At the limit new ones are not heard.
    pub route_offers_max: usize,
    /// Flows (source and destination) that pass through this node. At the limit the one idle for longest is forgotten.
    pub flows_max: usize,
    /// How many links a payload may cross. What would need more fails.
    pub hops_max: u8,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            links_max: 4_096,
            handshakes_max: 256,
            handshakes_per_address_max: 64,
            message_bytes_max: 16 * 1024 * 1024,
            pending_calls_per_link_max: 16_384,
            pending_requests_per_link_max: 16_384,
            waiting_bytes_max: 64 * 1024 * 1024,
            queued_bytes_per_link_max: 64 * 1024 * 1024,
            reassembly_bytes_per_link_max: 64 * 1024 * 1024,
            link_window_bytes: 4 * 1024 * 1024,
            streams_per_link_max: 1_024,
            stream_window_bytes: 256 * 1024,
            stream_queue_bytes: 256 * 1024,
            stream_bytes_per_link_max: 128 * 1024 * 1024,
            policy_calls_max: 16_384,
            call_targets_max: 4_096,
            breaker_failures: 5,
            actions_max: 4_096,
            neighbours_sought: 0,
            subscriptions_max: 4_096,
            events_per_topic_burst: 10_000,
            events_per_topic_per_s: 10_000,
            topics_max: 16_384,
            published_bytes_per_link_max: 8 * 1024 * 1024,
            configured_peers_max: 1_024,
            tunnels_max: 4_096,
            tunnel_window_bytes: 256 * 1024,
            relayed_flow_bytes_max: 512 * 1024,
            relayed_link_bytes_max: 8 * 1024 * 1024,
            announced_link_bytes_max: 4 * 1024 * 1024,
            nodes_max: 65_536,
            remembered_peers_max: 4_096,
            question_hops_max: 8,
            questions_max: 4_096,
            remembered_questions_max: 8_192,
            cached_answers_max: 4_096,
            directory_owners_max: 65_536,
            directory_entries_per_owner_max: 8_192,
            directory_bytes_per_owner_max: 1024 * 1024,
            directory_bytes_max: 256 * 1024 * 1024,
            directory_announcements_burst: 1_000,
            directory_announcements_per_s: 200,
            directory_changes_per_owner_burst: 100,
            directory_changes_per_owner_per_s: 20,
            routes_max: 65_536,
            routes_per_link_max: 32_768,
            route_offers_max: 1_048_576,
            flows_max: 16_384,
            hops_max: 8,
        }
    }
}

/// Intervals and time-outs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// A link on which nothing was sent for this long sends a keep-alive. Told to the peer; 100 ms to 60 s.
    pub keepalive_interval: Duration,
    /// A peer is suspect after this many of its own intervals without a byte.
    pub suspect_after_missed: u32,
    /// A peer is down after this long without a byte, or after `suspect_after_missed + 2` of its own intervals where that is longer.
    pub down_after: Duration,
    /// From the opening of the stream to a proved identity.
    pub handshake_timeout: Duration,
    /// How long a dial may take before the engine gives it up.
    pub connect_timeout: Duration,
    /// First pause before an address is dialled again; doubles up to `backoff_max`, drawn from zero to it (full jitter).
    pub backoff_min: Duration,
    /// Longest pause between two dials.
    pub backoff_max: Duration,
    /// A link that was up for this long resets the pause.
    pub backoff_reset_after: Duration,
    /// Pause between two looks for more neighbours, give or take a half.
    pub neighbour_seek_interval: Duration,
    /// A peer that takes no byte for this long while bytes wait is closed (`write_stalled`).
    pub write_stall_timeout: Duration,
    /// How long what waits for a node waits on when no path leads there any more.
    pub path_patience: Duration,
    /// How long a node that is down is remembered.
    pub forget_after: Duration,
    /// How long a link that another one has replaced may finish its calls.
    pub retire_timeout: Duration,
    /// Records under one key, in bytes, before a new key is derived.
    pub rekey_after_bytes: u64,
    /// Age of a key before a new one is derived.
    pub rekey_after: Duration,
    /// The deadline of a call that names none.
    pub call_timeout: Duration,
    /// How long nothing may move on a stream that names no time of its own. Then it ends as `DeadlineExceeded`.
    pub stream_idle_timeout: Duration,
    /// How long failures count that open a breaker.
    pub breaker_window: Duration,
    /// How long a breaker stays open until it lets a probe through.
    pub breaker_open: Duration,
    /// How long the answer to a question about an unknown action is kept, where somebody serves it.
    pub found_ttl: Duration,
    /// How long it is kept where nobody does.
    pub absent_ttl: Duration,
    /// How long what this node has announced is good for; announced again at half of it. 60 s to 24 h.
    pub directory_ttl: Duration,
    /// How often neighbours compare what they know.
    pub directory_digest_interval: Duration,
    /// Pause between two measurements of a link's round trip, once it is known well; give or take a quarter.
    pub ping_interval: Duration,
    /// How often neighbours compare what one has offered and the other has heard; give or take a quarter.
    pub route_check_interval: Duration,
    /// How long a destination without a route is remembered, so that nobody takes an old offer for a new one.
    pub route_garbage_after: Duration,
    /// A flow on which nothing was sent for this long is forgotten.
    pub flow_idle_after: Duration,
}

/// A setting with which a node could not work: what it is, and what would be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Peers would refuse the node's HELLO.
    #[error("the keep-alive interval must be from 100 ms to 60 s")]
    KeepaliveInterval,
    /// Nothing could ever be dialled or accepted.
    #[error("the time-outs for connecting, for the handshake and for silence must be more than zero")]
    ZeroTimeout,
    /// Dials would follow each other without a pause.
    #[error("the first pause between dials must be more than zero and at most the longest one")]
    Backoff,
    /// The largest frame of a call would not fit.
    #[error("the window of a link must be at least 65,536 bytes")]
    Window,
    /// Nothing could ever be sent through a relay, or pings would follow each other without a pause.
    #[error("hops and the intervals of pings, checks, idle flows and lost routes must be more than zero")]
    Routes,
    /// A message of the largest size could never be received.
    #[error("the largest message must fit the limits on queued and on half-received bytes, and 32 bits")]
    Message,
    /// Other nodes would refuse what the node announces, or the node's own set would not fit the frames of one.
    #[error(
        "directory entries must live from 60 s to 24 h, be compared at most once a second, and have at most 2 MiB for each node"
    )]
    Directory,
    /// Some would not count, or not be shown.
    #[error("a node trusts at most 256 issuers and shows at most 16 tokens")]
    Access,
}

impl Config {
    /// Whether a node can work with this. Drivers ask before they start an engine.
    ///
    /// ```
    /// use lacewing_core::config::{ConfigError, Timing};
    ///
    /// let never = Timing { keepalive_interval: core::time::Duration::ZERO, ..Timing::default() };
    /// assert_eq!(never.check(), Err(ConfigError::KeepaliveInterval));
    /// ```
    pub fn check(&self) -> Result<(), ConfigError> {
        self.access.check()?;
        if self.issuers().count() > ISSUERS_MAX {
            return Err(ConfigError::Access);
        }
        self.timing.check()?;
        self.limits.check()
    }
}

impl Config {
    /// Those whose tokens count here, for whatever it is, each with the least generation of which they do.
    pub(crate) fn issuers(&self) -> impl Iterator<Item = (PublicKey, u64)> + '_ {
        let members = match &self.trust {
            Trust::Tokens { issuers, .. } => Some(issuers),
            Trust::NetworkKey(_) | Trust::PinnedKeys { .. } | Trust::Open => None,
        };
        let others = &self.access.issuers;
        let only_members =
            members.into_iter().flatten().filter(|key| others.iter().all(|(other, _)| other != *key));
        others.iter().copied().chain(only_members.map(|key| (*key, 0)))
    }
}

impl Access {
    /// Whether a node can work with this.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.issuers.len() > ISSUERS_MAX || self.tokens.len() > TOKENS_PER_SESSION_MAX {
            return Err(ConfigError::Access);
        }
        Ok(())
    }
}

impl Limits {
    /// Whether a node can work with this.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.link_window_bytes < WINDOW_BYTES_MIN {
            return Err(ConfigError::Window);
        }
        if self.directory_bytes_per_owner_max > DIRECTORY_BYTES_PER_OWNER_MAX {
            return Err(ConfigError::Directory);
        }
        if self.hops_max == 0 {
            return Err(ConfigError::Routes);
        }
        let room =
            self.queued_bytes_per_link_max.min(self.reassembly_bytes_per_link_max).min(u32::MAX as usize);
        if self.message_bytes_max > room { Err(ConfigError::Message) } else { Ok(()) }
    }
}

impl Timing {
    /// Whether a node can work with this.
    pub fn check(&self) -> Result<(), ConfigError> {
        let keepalive_ms = u64::try_from(self.keepalive_interval.as_millis()).unwrap_or(u64::MAX);
        if !KEEPALIVE_MS.contains(&keepalive_ms) {
            return Err(ConfigError::KeepaliveInterval);
        }
        if self.connect_timeout.is_zero() || self.handshake_timeout.is_zero() || self.down_after.is_zero() {
            return Err(ConfigError::ZeroTimeout);
        }
        if self.backoff_min.is_zero() || self.backoff_min > self.backoff_max {
            return Err(ConfigError::Backoff);
        }
        let ttl_s = u32::try_from(self.directory_ttl.as_secs()).unwrap_or(u32::MAX);
        if !TTL_S.contains(&ttl_s) || self.directory_digest_interval < DIGEST_INTERVAL_MIN {
            return Err(ConfigError::Directory);
        }
        let routes =
            [self.ping_interval, self.route_check_interval, self.route_garbage_after, self.flow_idle_after];
        if routes.iter().any(Duration::is_zero) {
            return Err(ConfigError::Routes);
        }
        Ok(())
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            keepalive_interval: Duration::from_secs(1),
            suspect_after_missed: 3,
            down_after: Duration::from_secs(5),
            handshake_timeout: Duration::from_secs(2),
            connect_timeout: Duration::from_secs(5),
            backoff_min: Duration::from_millis(200),
            backoff_max: Duration::from_secs(30),
            backoff_reset_after: Duration::from_secs(10),
            neighbour_seek_interval: Duration::from_secs(5),
            write_stall_timeout: Duration::from_secs(10),
            path_patience: Duration::from_secs(1),
            forget_after: Duration::from_secs(24 * 3_600),
            retire_timeout: Duration::from_secs(5),
            rekey_after_bytes: 1 << 30,
            rekey_after: Duration::from_secs(3_600),
            call_timeout: Duration::from_secs(5),
            stream_idle_timeout: Duration::from_secs(30),
            breaker_window: Duration::from_secs(10),
            breaker_open: Duration::from_secs(5),
            found_ttl: Duration::from_secs(10),
            absent_ttl: Duration::from_secs(1),
            directory_ttl: Duration::from_secs(3_600),
            directory_digest_interval: Duration::from_secs(30),
            ping_interval: Duration::from_secs(30),
            route_check_interval: Duration::from_secs(300),
            route_garbage_after: Duration::from_secs(180),
            flow_idle_after: Duration::from_secs(60),
        }
    }
}
