//! What the directory keeps for each link.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use super::bucket::{Rate, TOKEN, TokenBucket};
use crate::config::Limits;
use crate::identity::NodeId;
use crate::link::LinkId;
use crate::time::Instant;
use crate::wire::body::directory::{EntryKey, SignedHead, Version};

/// What every unsolicited frame costs before anybody looks into it.
pub(super) const PRICE_FRAME: u64 = TOKEN / 10;
/// A head that its owner has not signed: only a neighbour that does not check, or makes them, sends one.
pub(super) const PRICE_FORGED: u64 = 50 * TOKEN;
/// A comparison, which this node may have to answer with a few kilobytes.
pub(super) const PRICE_VIEW: u64 = TOKEN;
/// A digest that names versions makes this node look up as many.
pub(super) const PRICE_VERSIONS: u64 = 2 * TOKEN;
/// Bytes and entries that cost a token each.
const BYTES_PER_TOKEN: u64 = 16 * 1_024;
const ENTRIES_PER_TOKEN: u64 = 2_048;
/// What a neighbour may be told in answer to its requests.
const SERVE: Rate = Rate { burst: 4 * 1_024 * 1_024, per_s: 1_024 * 1_024 };

/// What an announcement costs: a signature to check, bytes to hash, a tree to build.
pub(super) fn price(body_len: usize, entries: u32) -> u64 {
    TOKEN + body_len as u64 * TOKEN / BYTES_PER_TOKEN + u64::from(entries) * TOKEN / ENTRIES_PER_TOKEN
}

/// The shapes of a link's buckets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rates {
    /// What a neighbour may announce.
    inbound: Rate,
    /// What it may announce above that before it is cut: a few thousand frames that all are dropped.
    excess: Rate,
    /// What this node announces. So far below `inbound` that a link which stood still for seconds brings no more than that.
    outbound: Rate,
}

impl Rates {
    pub(super) fn of(limits: &Limits) -> Self {
        let burst = limits.directory_announcements_burst.max(8) as u64;
        let per_s = limits.directory_announcements_per_s.max(2) as u64;
        Self {
            inbound: Rate { burst, per_s },
            excess: Rate { burst: 4 * burst, per_s: per_s.div_ceil(4) },
            outbound: Rate { burst: burst / 4, per_s: per_s / 2 },
        }
    }
}

/// Owners that were asked for on a link.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) nodes: BTreeSet<NodeId>,
    /// When nobody waits for the answer any more.
    pub(super) until: Instant,
    /// Whether something of it was of use.
    pub(super) progress: bool,
}

/// A set that comes in several frames.
#[derive(Debug)]
pub(super) struct Reassembly {
    pub(super) announced: Announced,
    pub(super) next_part: u16,
    pub(super) parts: u16,
    pub(super) bytes: usize,
}

/// An announcement whose head is signed and new, with its entries not yet looked at.
#[derive(Debug)]
pub(super) struct Announced {
    pub(super) node: NodeId,
    pub(super) head: SignedHead,
    pub(super) age_s: u32,
    pub(super) hops: u8,
    pub(super) full: bool,
    pub(super) entries: Vec<Box<[u8]>>,
    pub(super) removed: Vec<EntryKey>,
    /// Whether this node asked for it.
    pub(super) solicited: bool,
}

/// A link to a neighbour.
#[derive(Debug)]
pub(super) struct Neighbour {
    pub(super) peer: NodeId,
    rates: Rates,
    inbound: TokenBucket,
    excess: TokenBucket,
    outbound: TokenBucket,
    serve: TokenBucket,
    /// When the next digest leaves.
    pub(super) digest_at: Instant,
    pub(super) digest_sent: Option<Instant>,
    /// Owners to ask for.
    pub(super) wants: VecDeque<NodeId>,
    pub(super) asked: Option<Asked>,
    /// Owners that the neighbour has asked for and not got.
    pub(super) serving: VecDeque<NodeId>,
    pub(super) serve_at: Instant,
    pub(super) reassembly: Option<Reassembly>,
    /// Whether views have been compared since the link is there.
    pub(super) compared: bool,
    /// Whether it has said that it had something, and did not send it when it was asked.
    pub(super) owes: bool,
    /// Whether it has broken the rules and is being closed.
    pub(super) cut: bool,
}

impl Neighbour {
    pub(super) fn new(peer: NodeId, rates: Rates, now: Instant, digest_at: Instant) -> Self {
        Self {
            peer,
            rates,
            inbound: TokenBucket::full(rates.inbound, now),
            excess: TokenBucket::full(rates.excess, now),
            outbound: TokenBucket::full(rates.outbound, now),
            serve: TokenBucket::full(SERVE, now),
            digest_at,
            digest_sent: None,
            wants: VecDeque::new(),
            asked: None,
            serving: VecDeque::new(),
            serve_at: Instant::NEVER,
            reassembly: None,
            compared: false,
            owes: false,
            cut: false,
        }
    }

    /// Pays for something that the neighbour sent. `false`: it has sent too much.
    pub(super) fn charge(&mut self, now: Instant, price: u64) -> bool {
        self.inbound.take(self.rates.inbound, now, price)
    }

    /// Takes a fine, as far as it can be paid.
    pub(super) fn fine(&mut self, now: Instant, price: u64) {
        self.inbound.drain(self.rates.inbound, now, price);
    }

    /// One more frame that was dropped. `false`: it is enough.
    pub(super) fn tolerate(&mut self, now: Instant) -> bool {
        self.excess.take(self.rates.excess, now, TOKEN)
    }

    /// Whether so much may be announced to the neighbour now; it is paid for.
    pub(super) fn may_announce(&mut self, now: Instant, price: u64) -> bool {
        self.outbound.take(self.rates.outbound, now, price)
    }

    /// Whether so many bytes may be sent in answer; else when.
    pub(super) fn may_serve(&mut self, now: Instant, bytes: usize) -> Result<(), Instant> {
        let cost = bytes as u64 * TOKEN;
        if self.serve.take(SERVE, now, cost) { Ok(()) } else { Err(self.serve.ready_at(SERVE, cost)) }
    }

    /// Whether it is answering a request, as far as this node knows.
    pub(super) fn is_awaited(&self) -> bool {
        self.asked.is_some() || self.reassembly.as_ref().is_some_and(|set| set.announced.solicited)
    }

    /// When something is due on the link.
    pub(super) fn due(&self) -> Instant {
        let asked = self.asked.as_ref().map_or(Instant::NEVER, |asked| asked.until);
        self.digest_at.min(self.serve_at).min(asked)
    }
}

/// Who is asked for what: an owner is asked for on one link at a time.
pub(super) type Wanted = BTreeMap<NodeId, (LinkId, Version)>;
