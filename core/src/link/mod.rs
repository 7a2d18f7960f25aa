//! Links: sessions over byte streams between neighbours, with framing, keep-alive, credit and goodbye.
//!
//! The machine holds every link of a node. Each link is a value of its own that knows neither the engine nor
//! the other links. Whatever a peer sends, the worst that follows is that its link closes with a reason.

mod advertised;
mod connected;
mod door;
mod doorkeeper;
mod greeting;
mod outbox;
mod traffic;
mod tunnel;
mod tunnels;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use core::fmt;
use core::net::{IpAddr, SocketAddr};

use bytes::{Bytes, BytesMut};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use zeroize::Zeroizing;

use self::advertised::Advertised;
use self::connected::Connected;
pub(crate) use self::door::{In, Out};
use self::doorkeeper::Doorkeeper;
use self::greeting::{Greeting, Side, Step};
pub(crate) use self::outbox::{Drop, End, Message, StreamLane, StreamOrder};
use self::tunnel::Tunnel;
use crate::address::Address;
use crate::code::CloseReason;
use crate::config::{Config, Limits};
use crate::identity::{Identity, Incarnation, NodeId, SignedIncarnation};
use crate::machine::{Cx, Machine, injected};
use crate::session::{Carrier as SessionCarrier, HandshakeConfig, Offer, VersionRange, WireLimits};
use crate::time::Instant;
use crate::wire::body::Hello;
use crate::wire::frame::{HANDSHAKE_LEN_MAX, RECORD_LEN_MAX};
use crate::wire::framing::Deframer;

/// A byte stream that the driver opened or accepted. The driver chooses the number, below 2^63, and never uses it twice. From
/// 2^63 on the engine numbers its own *tunnels*: sessions that relays carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

impl LinkId {
    const TUNNEL_BIT: u64 = 1 << 63;

    /// Whether this is a session that relays carry, not a byte stream.
    pub const fn is_tunnel(self) -> bool {
        self.0 & Self::TUNNEL_BIT != 0
    }
}

/// The machine.
#[derive(Debug)]
pub(crate) struct Links {
    shared: Shared,
    table: BTreeMap<LinkId, Link>,
    /// When each link wants to be looked at. The times are early rather than exact: a link that was busy in the meantime
    /// is simply put back.
    wake_ups: BTreeSet<(Instant, LinkId)>,
    /// Links that may have something to transmit.
    dirty: BTreeSet<LinkId>,
    /// Unfinished handshakes that strangers have begun on streams.
    handshakes: usize,
    /// Tunnels by the node at the other end, whether this side opened them, and their number.
    tunnels: BTreeMap<(NodeId, bool, u64), LinkId>,
    tunnels_opened: u64,
    /// Tunnels that others have begun and that are not open yet, oldest first.
    greeting_tunnels: BTreeSet<LinkId>,
    /// How many more may be begun in the second that began then.
    greetings_left: usize,
    greetings_since: Instant,
    out: VecDeque<Out>,
}

/// What all links of a node have in common.
struct Shared {
    config: Arc<Config>,
    handshake: HandshakeConfig,
    relayed_handshake: HandshakeConfig,
    identity: Identity,
    incarnation: SignedIncarnation,
    advertised: Advertised,
    doorkeeper: Doorkeeper,
    /// The token that makes this node a member elsewhere.
    membership: Option<Bytes>,
    /// Records are built here, sealed in place and split off; what the transport has written is used again.
    buffer: BytesMut,
    key_seed: Zeroizing<[u8; 32]>,
    handshakes_begun: u64,
    /// The sequence number of the last call that began to leave, on whatever link.
    last_sequence: u64,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl Shared {
    /// Fresh randomness for one handshake: a stream of its own of the engine's seed.
    fn handshake_rng(&mut self) -> ChaCha20Rng {
        self.handshakes_begun += 1;
        let mut rng = ChaCha20Rng::from_seed(*self.key_seed);
        rng.set_stream(self.handshakes_begun);
        rng
    }

    fn hello(&self, dialled: Option<&Address>) -> Hello {
        Hello {
            label: self.config.label.clone(),
            addrs: self.advertised.addresses(),
            features: 0,
            keepalive_ms: self.config.timing.keepalive_interval.as_millis() as u32,
            dialled: dialled.cloned(),
            membership: self.membership.clone(),
        }
    }
}

/// One link.
#[derive(Debug)]
struct Link {
    carrier: Carrier,
    opened_at: Instant,
    wake_up_at: Instant,
    phase: Phase,
}

/// What carries a session.
#[derive(Debug)]
enum Carrier {
    Stream(Stream),
    Tunnel(Box<Tunnel>),
}

/// A byte stream.
#[derive(Debug)]
struct Stream {
    remote_addr: SocketAddr,
    dialled: Option<Address>,
    deframer: Deframer,
    /// Since when a part of a message waits for the rest.
    partial_since: Option<Instant>,
    /// Bytes that the transport takes. The last record may take it below zero.
    transport_credit: i64,
    received_bytes: u64,
    sent_bytes: u64,
}

impl Link {
    fn stream(&mut self) -> Option<&mut Stream> {
        match &mut self.carrier {
            Carrier::Stream(stream) => Some(stream),
            Carrier::Tunnel(_) => None,
        }
    }

    /// Whether a stranger began it.
    fn is_accepted(&self) -> bool {
        match &self.carrier {
            Carrier::Stream(stream) => stream.dialled.is_none(),
            Carrier::Tunnel(tunnel) => !tunnel.opened_by_us,
        }
    }

    fn side(&self) -> Side<'_> {
        match &self.carrier {
            Carrier::Stream(stream) => stream.dialled.as_ref().map_or(Side::Accepted(None), Side::Dialled),
            Carrier::Tunnel(tunnel) if tunnel.opened_by_us => Side::Opened(tunnel.peer),
            Carrier::Tunnel(tunnel) => Side::Accepted(Some(tunnel.peer)),
        }
    }

    /// Whether the transport takes more.
    fn has_room(&self) -> bool {
        match &self.carrier {
            Carrier::Stream(stream) => stream.transport_credit > 0,
            Carrier::Tunnel(tunnel) => tunnel.sending.has_room(),
        }
    }
}

/// How far a link is.
#[derive(Debug)]
enum Phase {
    /// Handshake and proof. Empty only while a step consumes it.
    Greeting(Option<Greeting>),
    /// Both sides know each other.
    Connected(Box<Connected>),
}

impl Links {
    pub(crate) fn new(
        config: Arc<Config>,
        identity: Identity,
        incarnation: Incarnation,
        key_seed: [u8; 32],
    ) -> Self {
        let offer = Offer {
            versions: VersionRange::SUPPORTED,
            aeads: crate::crypto::AeadId::ALL.to_vec(),
            limits: wire_limits(&config.limits),
        };
        let handshake = HandshakeConfig {
            network: config.network.clone(),
            network_key: config.trust.network_key().cloned(),
            offer,
            crypto: config.crypto.clone(),
            carrier: SessionCarrier::Stream,
        };
        let relayed_handshake = HandshakeConfig { carrier: SessionCarrier::Relays, ..handshake.clone() };
        let advertised = Advertised::new(&config.listen);
        let incarnation = identity.sign_incarnation(incarnation);
        let greetings_left = config.limits.handshakes_max;
        let doorkeeper = Doorkeeper::new(&config);
        let shared = Shared {
            config,
            handshake,
            relayed_handshake,
            identity,
            incarnation,
            advertised,
            doorkeeper,
            membership: None,
            buffer: BytesMut::new(),
            key_seed: Zeroizing::new(key_seed),
            handshakes_begun: 0,
            last_sequence: 0,
        };
        Self {
            shared,
            table: BTreeMap::new(),
            wake_ups: BTreeSet::new(),
            dirty: BTreeSet::new(),
            handshakes: 0,
            tunnels: BTreeMap::new(),
            tunnels_opened: 0,
            greeting_tunnels: BTreeSet::new(),
            greetings_left,
            greetings_since: Instant::ZERO,
            out: VecDeque::new(),
        }
    }

    pub(crate) fn contains(&self, link: LinkId) -> bool {
        self.table.contains_key(&link)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Every link and tunnel, finished or not.
    pub(crate) fn ids(&self) -> alloc::vec::Vec<LinkId> {
        self.table.keys().copied().collect()
    }

    /// Whether every message has left its queue; what went into tunnels must have arrived, because relays may lose it.
    pub(crate) fn is_drained(&self) -> bool {
        self.table.values().all(|link| match (&link.phase, &link.carrier) {
            (Phase::Greeting(_), _) => true,
            (Phase::Connected(connected), Carrier::Stream(_)) => connected.outbox.is_drained(),
            (Phase::Connected(connected), Carrier::Tunnel(tunnel)) => {
                connected.outbox.is_drained() && tunnel.sending.has_arrived()
            }
        })
    }

    /// Whether some link may have something to transmit.
    pub(crate) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Whether more input from this link is welcome. A peer that sends without reading its answers is not read.
    pub(crate) fn wants_input(&self, link: LinkId) -> bool {
        let limits = &self.shared.config.limits;
        match self.table.get(&link).map(|link| &link.phase) {
            Some(Phase::Connected(connected)) => {
                connected.outbox.len()
                    <= limits.pending_requests_per_link_max + limits.pending_calls_per_link_max
            }
            Some(Phase::Greeting(_)) => true,
            None => false,
        }
    }

    /// Where this node can be dialled, as far as it knows.
    pub(crate) fn addresses(&self) -> alloc::vec::Vec<Address> {
        self.shared.advertised.addresses()
    }

    pub(crate) fn gauges(&self, mut gauge: impl FnMut(&'static str, usize, usize, bool)) {
        let limits = &self.shared.config.limits;
        gauge("link.links", self.table.len() - self.tunnels.len(), limits.links_max, false);
        gauge("link.tunnels", self.tunnels.len(), limits.tunnels_max, false);
        gauge("link.handshakes", self.handshakes, limits.handshakes_max, false);
        gauge("link.tunnel_handshakes", self.greeting_tunnels.len(), limits.handshakes_max, false);
        let queued = self.table.values().map(|link| match &link.phase {
            Phase::Greeting(_) => 0,
            Phase::Connected(connected) => connected.outbox.len(),
        });
        // Calls, answers, and a cancel for each call.
        let queue_max = 2 * (limits.pending_calls_per_link_max + limits.pending_requests_per_link_max);
        gauge("link.queued_messages_per_link", queued.max().unwrap_or(0), queue_max, true);
        let streams = self.table.values().map(|link| match &link.phase {
            Phase::Greeting(_) => 0,
            Phase::Connected(connected) => connected.outbox.streams_len(),
        });
        let streams_max = 2 * limits.streams_per_link_max;
        gauge("link.stream_queues_per_link", streams.max().unwrap_or(0), streams_max, true);
        let buffered = self.table.values().map(|link| match &link.carrier {
            Carrier::Stream(stream) => stream.deframer.buffered(),
            Carrier::Tunnel(_) => 0,
        });
        let buffered = buffered.max().unwrap_or(0);
        // One unfinished record and what the driver hands over in one piece.
        gauge("link.buffered_bytes_per_link", buffered, RECORD_LEN_MAX + (1 << 20), false);
        let carried = |of: fn((usize, usize)) -> usize| {
            let outboxes = self.table.values().filter_map(|link| match &link.phase {
                Phase::Greeting(_) => None,
                Phase::Connected(connected) => Some(of(connected.outbox.carried_bytes())),
            });
            outboxes.max().unwrap_or(0)
        };
        let relayed_max = limits.relayed_link_bytes_max;
        gauge("link.relayed_bytes_per_link", carried(|(relayed, _)| relayed), relayed_max, true);
        let announced_max = limits.announced_link_bytes_max;
        gauge("link.announced_bytes_per_link", carried(|(_, announced)| announced), announced_max, false);
        gauge("link.wake_ups", self.wake_ups.len(), limits.links_max + limits.tunnels_max, false);
    }

    fn open(&mut self, cx: &mut Cx<'_>, link: LinkId, dialled: Option<Address>, remote_addr: SocketAddr) {
        if let Some(reason) = self.refusal(remote_addr.ip(), dialled.is_some()) {
            cx.mark("link.refused_at_the_door");
            self.out.push_back(Out::Closed { link, reason, remote_addr, peer: None, peer_closed: false });
            return;
        }
        let is_stranger = dialled.is_none();
        let rng = self.shared.handshake_rng();
        let (greeting, first) = match dialled {
            Some(_) => Greeting::initiate(&self.shared.handshake, rng),
            None => (Greeting::respond(&self.shared.handshake, rng), None),
        };
        let wake_up_at = cx.now + self.shared.config.timing.handshake_timeout;
        self.table.insert(
            link,
            Link {
                carrier: Carrier::Stream(Stream {
                    remote_addr,
                    dialled,
                    deframer: Deframer::new(HANDSHAKE_LEN_MAX),
                    partial_since: None,
                    transport_credit: 0,
                    received_bytes: 0,
                    sent_bytes: 0,
                }),
                opened_at: cx.now,
                wake_up_at,
                phase: Phase::Greeting(Some(greeting)),
            },
        );
        self.handshakes += usize::from(is_stranger);
        self.wake_ups.insert((wake_up_at, link));
        if let Some(data) = first {
            self.transmit(link, data);
        }
    }

    /// Why a new link cannot be had, if so.
    fn refusal(&self, ip: IpAddr, is_dialled: bool) -> Option<CloseReason> {
        let limits = &self.shared.config.limits;
        if self.table.len() - self.tunnels.len() >= limits.links_max {
            return Some(CloseReason::TooManyLinks);
        }
        if is_dialled {
            // Strangers who keep handshakes open must not keep us from our own peers.
            return None;
        }
        let greeting = |link: &&Link| matches!(link.phase, Phase::Greeting(_)) && link.is_accepted();
        let is_there =
            |link: &&Link| matches!(&link.carrier, Carrier::Stream(stream) if stream.remote_addr.ip() == ip);
        let from_there = || self.table.values().filter(greeting).filter(is_there).count();
        if self.handshakes >= limits.handshakes_max || from_there() >= limits.handshakes_per_address_max {
            return Some(CloseReason::TooManyHandshakes);
        }
        None
    }

    fn poke(&mut self, link: LinkId) {
        if let Some(connected) = self.connected(link) {
            connected.outbox.keep_alive();
        }
    }

    fn transmit(&mut self, link: LinkId, data: BytesMut) {
        if let Some(stream) = self.table.get_mut(&link).and_then(Link::stream) {
            stream.transport_credit -= data.len() as i64;
            stream.sent_bytes += data.len() as u64;
            self.out.push_back(Out::Transmit { link, data: data.freeze() });
        }
    }

    fn received(&mut self, cx: &mut Cx<'_>, link: LinkId, data: BytesMut) {
        let patience = self.shared.config.timing.down_after * 2;
        let Some(state) = self.table.get_mut(&link) else { return };
        // A record on its way is a sign of life, but not for ever: a stream that has lost its place would wait for the end
        // of a record that nobody sends, and take the keep-alives for parts of it.
        let Some(stream) = state.stream() else { return };
        let goes_on = stream.partial_since.is_none_or(|since| cx.now - since < patience);
        if let Phase::Connected(connected) = &mut state.phase
            && goes_on
            && connected.heard(cx.now)
        {
            self.out.push_back(Out::Recovered { link });
            self.reschedule(link, cx.now);
        }
        let Some(stream) = self.table.get_mut(&link).and_then(Link::stream) else { return };
        stream.received_bytes += data.len() as u64;
        stream.deframer.push(data);
        // The link may close, or change its phase, with every message.
        loop {
            let Some(stream) = self.table.get_mut(&link).and_then(Link::stream) else { return };
            let message = match stream.deframer.next() {
                Ok(Some(message)) => {
                    stream.partial_since = None;
                    message
                }
                Ok(None) if stream.deframer.buffered() == 0 => return,
                Ok(None) => {
                    stream.partial_since.get_or_insert(cx.now);
                    return;
                }
                Err(_) => return self.close(cx, link, CloseReason::LengthExceeded, None),
            };
            if let Err(reason) = self.message(cx, link, message) {
                return self.close(cx, link, reason, None);
            }
        }
    }

    /// One handshake message or record.
    fn message(&mut self, cx: &mut Cx<'_>, link: LinkId, message: BytesMut) -> Result<(), CloseReason> {
        let Some(state) = self.table.get_mut(&link) else { return Ok(()) };
        match &mut state.phase {
            Phase::Greeting(greeting) => {
                let Some(greeting) = greeting.take() else { return Ok(()) };
                self.greet(cx, link, greeting, message)
            }
            Phase::Connected(connected) => {
                self.dirty.insert(link);
                connected.record(cx, &self.shared, link, message, &mut self.out)
            }
        }
    }

    fn greet(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkId,
        greeting: Greeting,
        message: BytesMut,
    ) -> Result<(), CloseReason> {
        let Some(state) = self.table.get_mut(&link) else { return Ok(()) };
        let step = greeting.read(cx, &mut self.shared, state.side(), message);
        match step {
            Step::Next { greeting, reply } => {
                state.phase = Phase::Greeting(Some(greeting));
                if let Some(data) = reply {
                    self.say(cx, link, data);
                }
                Ok(())
            }
            Step::Done { connected, reply, hello, membership } => {
                let peer = connected.peer;
                let message_bytes_max = connected.message_bytes_max;
                match &mut state.carrier {
                    Carrier::Stream(stream) => stream.deframer.set_length_max(RECORD_LEN_MAX),
                    Carrier::Tunnel(tunnel) => {
                        tunnel.sending.begin(cx.now, self.shared.config.timing.down_after);
                    }
                }
                state.phase = Phase::Connected(connected);
                if !self.greeting_tunnels.remove(&link) {
                    self.handshakes -= usize::from(state.is_accepted());
                }
                cx.mark("link.proved");
                if let Some(data) = reply {
                    self.say(cx, link, data);
                }
                self.out.push_back(Out::Proved { link, peer, hello, message_bytes_max, membership });
                self.reschedule(link, cx.now);
                Ok(())
            }
            Step::Refused { reply, reason } => {
                if let Some(data) = reply {
                    self.say(cx, link, data);
                }
                Err(reason)
            }
        }
    }

    /// Closes a link from this side. A peer that can read it is told why.
    fn close(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkId,
        reason: CloseReason,
        stale: Option<SignedIncarnation>,
    ) {
        let Some(state) = self.table.get_mut(&link) else { return };
        if let Phase::Connected(connected) = &mut state.phase
            && !(reason == CloseReason::Graceful && injected!(cx, "goodbye-unsaid"))
        {
            let framing = state.carrier.framing();
            if let Some(data) = connected.last_words(&mut self.shared.buffer, reason, stale, framing) {
                self.last_transmission(link, data);
            }
        }
        cx.mark("link.closed_by_us");
        self.forget(link, reason, false);
    }

    fn forget(&mut self, link: LinkId, reason: CloseReason, peer_closed: bool) {
        let Some(state) = self.table.remove(&link) else { return };
        self.wake_ups.remove(&(state.wake_up_at, link));
        self.dirty.remove(&link);
        let is_accepted = state.is_accepted();
        let stream = match state.carrier {
            Carrier::Stream(stream) => stream,
            Carrier::Tunnel(tunnel) => {
                let proved = matches!(state.phase, Phase::Connected(_));
                self.greeting_tunnels.remove(&link);
                self.tunnels.remove(&(tunnel.peer, tunnel.opened_by_us, tunnel.id));
                self.out.push_back(Out::TunnelClosed { link, peer: tunnel.peer, proved, reason });
                return;
            }
        };
        let (peer, reason) = match &state.phase {
            Phase::Greeting(_) => {
                self.handshakes -= usize::from(is_accepted);
                // Whoever is dialled with the wrong name or key hangs up without a word. That is all the dialler learns.
                let hung_up = peer_closed && !is_accepted;
                (None, if hung_up { CloseReason::HandshakeFailed } else { reason })
            }
            // After a goodbye the end of the stream is what was announced.
            Phase::Connected(connected) => {
                let announced = connected.goodbye_heard.filter(|_| peer_closed);
                (Some(connected.peer), announced.unwrap_or(reason))
            }
        };
        let remote_addr = stream.remote_addr;
        self.out.push_back(Out::Closed { link, reason, remote_addr, peer, peer_closed });
    }

    fn connected(&mut self, link: LinkId) -> Option<&mut Connected> {
        match self.table.get_mut(&link).map(|link| &mut link.phase) {
            Some(Phase::Connected(connected)) => {
                self.dirty.insert(link);
                Some(connected)
            }
            _ => None,
        }
    }

    /// Builds records for every link that has something to send and a transport that takes it.
    pub(crate) fn flush(&mut self, cx: &mut Cx<'_>) {
        while let Some(link) = self.dirty.pop_first() {
            let Some(state) = self.table.get_mut(&link) else { continue };
            if matches!(state.phase, Phase::Greeting(_)) {
                continue;
            }
            while let Some(state) = self.table.get_mut(&link) {
                let has_room = state.has_room();
                let Phase::Connected(connected) = &mut state.phase else { break };
                if !has_room || !connected.outbox.has_work() {
                    break;
                }
                let framing = state.carrier.framing();
                match connected.build_record(cx, &mut self.shared, link, &mut self.out, framing) {
                    Ok(Some(data)) => self.transmit_record(cx, link, data),
                    Ok(None) => break,
                    Err(reason) => {
                        self.close(cx, link, reason, None);
                        break;
                    }
                }
            }
            self.check_stall(cx, link);
            self.reschedule_tunnel(link, cx.now);
        }
    }

    /// Starts or ends the clock of a peer that takes nothing while something waits for it.
    fn check_stall(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        let Some(state) = self.table.get_mut(&link) else { return };
        // A tunnel has a clock of its own for that.
        let Carrier::Stream(stream) = &state.carrier else { return };
        let Phase::Connected(connected) = &mut state.phase else { return };
        let waits = stream.transport_credit <= 0 && connected.outbox.has_work();
        match (waits, connected.stalled_since) {
            (true, None) => {
                cx.mark("link.transport_full");
                connected.stalled_since = Some(cx.now);
                self.reschedule(link, cx.now);
            }
            (false, Some(_)) => connected.stalled_since = None,
            _ => {}
        }
    }

    /// Moves the wake-up of a link earlier if it wants to be looked at before the time it is down for.
    fn reschedule(&mut self, link: LinkId, now: Instant) {
        let Some(state) = self.table.get_mut(&link) else { return };
        let timing = &self.shared.config.timing;
        let due = match (&state.carrier, &state.phase) {
            (Carrier::Tunnel(tunnel), phase) => tunnels::next_due(tunnel, phase, state.opened_at, timing),
            (Carrier::Stream(_), Phase::Greeting(_)) => state.opened_at + timing.handshake_timeout,
            (Carrier::Stream(_), Phase::Connected(connected)) => connected.next_due(timing),
        };
        let due = due.max(now);
        if due < state.wake_up_at || !self.wake_ups.contains(&(state.wake_up_at, link)) {
            self.wake_ups.remove(&(state.wake_up_at, link));
            state.wake_up_at = due;
            self.wake_ups.insert((due, link));
        }
    }

    /// Looks at one link whose time has come.
    fn wake(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        let Some(state) = self.table.get_mut(&link) else { return };
        let timing = &self.shared.config.timing;
        if matches!(state.carrier, Carrier::Tunnel(_)) {
            return self.wake_tunnel(cx, link);
        }
        match &mut state.phase {
            Phase::Greeting(_) => {
                if state.opened_at + timing.handshake_timeout <= cx.now {
                    cx.mark("link.handshake_timeout");
                    return self.close(cx, link, CloseReason::HandshakeTimeout, None);
                }
            }
            Phase::Connected(connected) => match connected.wake(cx, timing) {
                connected::Verdict::Fine => {}
                connected::Verdict::Suspect => self.out.push_back(Out::Suspect { link }),
                connected::Verdict::Dead(reason) => return self.close(cx, link, reason, None),
            },
        }
        self.dirty.insert(link);
        self.reschedule(link, cx.now);
    }

    /// After a long sleep of the whole process the silence of the peers means nothing: what they sent has not been read.
    fn forgive_own_pause(&mut self, cx: &mut Cx<'_>) {
        let Some(due) = self.wake_ups.first().map(|(at, _)| *at) else { return };
        let timing = &self.shared.config.timing;
        if cx.now - due < timing.keepalive_interval * timing.suspect_after_missed {
            return;
        }
        cx.count("link.own_pause_noticed");
        for state in self.table.values_mut() {
            if let Carrier::Tunnel(tunnel) = &mut state.carrier {
                tunnel.heard(cx.now);
            }
            if let Phase::Connected(connected) = &mut state.phase {
                connected.forgive(cx.now);
            }
        }
    }
}

impl Links {
    /// The transport takes so many bytes more.
    fn transport_takes(&mut self, link: LinkId, bytes: usize) {
        let Some(state) = self.table.get_mut(&link) else { return };
        if let Some(stream) = state.stream() {
            stream.transport_credit = stream.transport_credit.saturating_add_unsigned(bytes as u64);
        }
        if let Phase::Connected(connected) = &mut state.phase {
            connected.stalled_since = None;
        }
        self.dirty.insert(link);
    }
}

impl Machine for Links {
    type In = In;
    type Out = Out;

    fn handle(&mut self, cx: &mut Cx<'_>, input: In) {
        match input {
            In::Open { link, dialled, remote_addr } => self.open(cx, link, dialled, remote_addr),
            In::Down { link } => self.forget(link, CloseReason::ConnectionClosed, true),
            In::Received { link, data } => self.received(cx, link, data),
            In::TransportCredit { link, bytes } => self.transport_takes(link, bytes),
            In::Send { link, message } => {
                if let Some(connected) = self.connected(link) {
                    connected.outbox.push(message);
                }
            }
            In::Withdraw { link, op, sequence, tell_peer } => {
                if let Some(connected) = self.connected(link) {
                    let bytes = connected.outbox.withdraw(op, sequence, tell_peer);
                    self.out.push_back(Out::Flushed { link, bytes });
                }
            }
            In::WithdrawReply { link, id } => {
                if let Some(connected) = self.connected(link) {
                    let bytes = connected.outbox.withdraw_reply(id);
                    self.out.push_back(Out::Flushed { link, bytes });
                }
            }
            In::Publish { link, head, payload } => {
                if let Some(connected) = self.connected(link) {
                    connected.outbox.publish(head, payload);
                }
            }
            In::Stream { link, order } => {
                if let Some(connected) = self.connected(link) {
                    connected.outbox.order(order);
                }
            }
            In::Grant { link, bytes } => {
                if let Some(connected) = self.connected(link) {
                    connected.grant(bytes as u64);
                }
            }
            In::Poke { link } => self.poke(link),
            In::Goodbye { link, reason } => {
                if let Some(connected) = self.connected(link)
                    && !injected!(cx, "goodbye-unsaid")
                {
                    connected.outbox.say_goodbye(reason);
                }
            }
            In::Close { link, reason, stale } => self.close(cx, link, reason, stale),
            In::Finish { link } => self.finish(cx, link),
            In::EndTunnels => self.end_tunnels(cx),
            In::WallClock { unix_ms } => self.shared.doorkeeper.told_time(cx.now, unix_ms),
            In::IssuerHead { head } => self.shared.doorkeeper.learn(&head),
            In::Membership { token } => self.shared.membership = token,
            In::Reincarnate { incarnation } => {
                self.shared.incarnation = self.shared.identity.sign_incarnation(incarnation);
            }
            In::Control { link, frame_type, body } => {
                if let Some(connected) = self.connected(link) {
                    connected.outbox.push_control(cx, frame_type, body);
                }
            }
            In::Forward { link, source, destination, body } => {
                self.forward(cx, link, (source, destination), body);
            }
            In::OpenTunnel { peer } => self.open_tunnel(cx, peer),
            In::Routed { source, payload } => self.routed(cx, source, &payload),
            In::DoubtPath { peer } => self.doubt_path(cx, peer),
            In::CloseTunnels { peer, reason, older_than } => self.close_tunnels(cx, peer, reason, older_than),
        }
    }

    fn poll(&mut self) -> Option<Out> {
        self.out.pop_front()
    }

    fn timeout(&self) -> Option<Instant> {
        self.wake_ups.first().map(|(at, _)| *at)
    }

    fn on_timeout(&mut self, cx: &mut Cx<'_>) {
        if self.timeout().is_none_or(|at| at > cx.now) {
            return;
        }
        self.forgive_own_pause(cx);
        // Keep-alives that would be due in a moment go out with those that are due now: one wake-up for all.
        let horizon = cx.now + self.shared.config.timing.keepalive_interval / 8;
        let mut due = core::mem::take(&mut self.wake_ups);
        self.wake_ups = due.split_off(&(horizon, LinkId(u64::MAX)));
        for (_, link) in due {
            self.wake(cx, link);
        }
    }
}

/// What this node is ready to receive, within what the wire can say.
fn wire_limits(limits: &Limits) -> WireLimits {
    let narrow = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    WireLimits {
        record_bytes_max: RECORD_LEN_MAX as u32,
        message_bytes_max: narrow(limits.message_bytes_max),
        window_bytes: limits.link_window_bytes.max(WireLimits::WINDOW_BYTES_MIN),
    }
}
