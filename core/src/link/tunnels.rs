//! Links whose carrier is not a byte stream: sessions from end to end, over what relays pass on.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::{Bytes, BytesMut};
use rand_core::Rng;

use super::connected::Framing;
use super::greeting::Greeting;
use super::tunnel::{Heard, Tunnel};
use super::{Carrier, Link, LinkId, Links, Out, Phase};
use crate::code::CloseReason;
use crate::config::Timing;
use crate::identity::{Incarnation, NodeId};
use crate::machine::{Cx, injected};
use crate::time::Instant;
use crate::wire::body::{ACK_NUMBER_BIT, TUNNEL_HEADER_LEN, TunnelAck, TunnelHeader, TunnelKind};
use crate::wire::frame::HANDSHAKE_LEN_MAX;

/// A tunnel without calls for this long may be closed.
const QUIET_AFTER: Duration = Duration::from_secs(60);
/// A tunnel that the peer is said not to know must answer within this time.
const RESET_PATIENCE: Duration = Duration::from_secs(1);
/// How often a handshake begins again that somebody has spoiled, before the tunnel is given up.
const RESTARTS_MAX: u32 = 5;
/// The pause before it begins again for the second time; it doubles with each time. The first time there is none.
const RESTART_PAUSE: Duration = Duration::from_millis(250);
/// Unfinished handshakes that one node may begin.
const HANDSHAKES_PER_NODE_MAX: usize = 4;

impl Carrier {
    /// How the next record is put on it.
    pub(super) fn framing(&self) -> Framing {
        match self {
            Self::Stream(_) => Framing::Stream,
            Self::Tunnel(tunnel) => {
                let number = tunnel.sending.next_number();
                Framing::Numbered { number, header: tunnel.header(TunnelKind::Record, number) }
            }
        }
    }
}

/// When a tunnel must be looked at again.
pub(super) fn next_due(tunnel: &Tunnel, phase: &Phase, opened_at: Instant, timing: &Timing) -> Instant {
    match phase {
        Phase::Greeting(_) => {
            let end = opened_at + timing.connect_timeout;
            tunnel.greetings.next_due().map_or(end, |due| due.min(end))
        }
        Phase::Connected(_) => {
            let mut due = tunnel.sending.ask_at().min(tunnel.active_at + QUIET_AFTER);
            if let Some(since) = tunnel.sending.unanswered_since() {
                due = due.min(since + timing.down_after);
            }
            if let Some(since) = tunnel.reset_at {
                due = due.min(since + RESET_PATIENCE);
            }
            tunnel.receiving.ack_due().map_or(due, |ack| ack.min(due))
        }
    }
}

/// Whether such a payload of a tunnel that is not known is answered with a RESET: where only who takes the tunnel for known
/// sends one. The first greeting of a tunnel has its own answer.
fn may_be_reset(kind: TunnelKind, from_opener: bool) -> bool {
    match kind {
        TunnelKind::Record | TunnelKind::Ack => true,
        TunnelKind::Greeting => from_opener,
        TunnelKind::Reset | TunnelKind::Probe | TunnelKind::ProbeAnswer => false,
    }
}

impl Links {
    /// Opens a session to a node that is no neighbour, unless one of ours is there or on its way.
    pub(super) fn open_tunnel(&mut self, cx: &mut Cx<'_>, peer: NodeId) {
        if self.is_opening_tunnel(peer) {
            return;
        }
        if self.tunnels.len() >= self.shared.config.limits.tunnels_max {
            cx.count("link.tunnels_full");
            let link = self.tunnel_id();
            let reason = CloseReason::TooManyLinks;
            return self.out.push_back(Out::TunnelClosed { link, peer, proved: false, reason });
        }
        cx.mark("link.tunnel_opened");
        self.begin_tunnel(cx, peer, 0);
    }

    /// Begins a handshake, under a number that nobody has seen: after a pause, where others before it were spoiled.
    fn begin_tunnel(&mut self, cx: &mut Cx<'_>, peer: NodeId, restarts: u32) {
        let mut rng = self.shared.handshake_rng();
        let id = rng.next_u64();
        let (greeting, first) = Greeting::initiate(&self.shared.relayed_handshake, rng);
        let link = self.add_tunnel(cx, (peer, true, id), greeting);
        let Some(first) = first else { return };
        if let Some(Link { carrier: Carrier::Tunnel(tunnel), .. }) = self.table.get_mut(&link) {
            tunnel.restarts = restarts;
            if restarts > 1 {
                tunnel.greet_later(cx.now + RESTART_PAUSE * (1 << (restarts - 2)), first);
                return self.reschedule(link, cx.now);
            }
        }
        self.say(cx, link, first);
    }

    /// A handshake of ours came to nothing. Until the peer has proved who it is, anybody who has seen the tunnel's number may
    /// be the reason: it begins again under another number. `false` if it has done so too often.
    fn begin_again(&mut self, cx: &mut Cx<'_>, link: LinkId, reason: CloseReason) -> bool {
        let Some(Link { carrier: Carrier::Tunnel(tunnel), phase: Phase::Greeting(_), .. }) =
            self.table.get(&link)
        else {
            return false;
        };
        // The one reason that only the peer itself can give.
        if !tunnel.opened_by_us || tunnel.restarts >= RESTARTS_MAX || reason == CloseReason::Untrusted {
            return false;
        }
        cx.count("link.tunnel_began_again");
        let (peer, restarts) = (tunnel.peer, tunnel.restarts + 1);
        self.forget(link, reason, false);
        self.begin_tunnel(cx, peer, restarts);
        true
    }

    /// The tunnels to a node: all, whether or not they are open yet, or those to a life older than this.
    pub(crate) fn tunnels_to(&self, peer: NodeId, older_than: Option<Incarnation>) -> Vec<LinkId> {
        let is_older = |link: &LinkId| match self.table.get(link).map(|state| &state.phase) {
            Some(Phase::Connected(connected)) => {
                older_than.is_none_or(|newer| connected.peer.incarnation.incarnation < newer)
            }
            Some(Phase::Greeting(_)) => older_than.is_none(),
            None => false,
        };
        let all = self.tunnels.range((peer, false, u64::MIN)..=(peer, true, u64::MAX)).map(|(_, link)| *link);
        all.filter(is_older).collect()
    }

    /// Whether a session to a node is on its way.
    pub(crate) fn is_opening_tunnel(&self, peer: NodeId) -> bool {
        let ours = (peer, true, u64::MIN)..=(peer, true, u64::MAX);
        self.tunnels.range(ours).any(|(_, link)| {
            self.table.get(link).is_some_and(|state| matches!(state.phase, Phase::Greeting(_)))
        })
    }

    fn tunnel_id(&mut self) -> LinkId {
        self.tunnels_opened += 1;
        LinkId(LinkId::TUNNEL_BIT | self.tunnels_opened)
    }

    fn add_tunnel(&mut self, cx: &mut Cx<'_>, key: (NodeId, bool, u64), greeting: Greeting) -> LinkId {
        let (peer, opened_by_us, id) = key;
        let link = self.tunnel_id();
        let window_max = self.shared.config.limits.tunnel_window_bytes;
        let wake_up_at = cx.now + self.shared.config.timing.connect_timeout;
        let state = Link {
            carrier: Carrier::Tunnel(Box::new(Tunnel::new(peer, opened_by_us, id, window_max, cx.now))),
            opened_at: cx.now,
            wake_up_at,
            phase: Phase::Greeting(Some(greeting)),
        };
        self.table.insert(link, state);
        self.tunnels.insert(key, link);
        self.wake_ups.insert((wake_up_at, link));
        link
    }

    /// Accepts a tunnel that a peer, or somebody in its name, begins.
    fn accept_tunnel(&mut self, cx: &mut Cx<'_>, peer: NodeId, id: u64) -> Option<LinkId> {
        let limits = &self.shared.config.limits;
        let (tunnels_max, handshakes_max) = (limits.tunnels_max, limits.handshakes_max);
        if cx.now - self.greetings_since >= Duration::from_secs(1) {
            (self.greetings_since, self.greetings_left) = (cx.now, handshakes_max);
        }
        if self.tunnels.len() >= tunnels_max || self.greetings_left == 0 {
            cx.count("link.tunnel_refused_at_the_door");
            return None;
        }
        self.greetings_left -= 1;
        // Whoever is in earnest goes on at once. Older ones make room, so that nobody can keep others out by beginning
        // tunnels in their names.
        let of_peer: Vec<LinkId> = self
            .tunnels
            .range((peer, false, u64::MIN)..=(peer, false, u64::MAX))
            .map(|(_, link)| *link)
            .filter(|link| self.greeting_tunnels.contains(link))
            .collect();
        let oldest = if of_peer.len() >= HANDSHAKES_PER_NODE_MAX {
            of_peer.into_iter().min()
        } else {
            self.greeting_tunnels.first().copied().filter(|_| self.greeting_tunnels.len() >= handshakes_max)
        };
        if let Some(oldest) = oldest {
            cx.count("link.tunnel_made_room");
            self.forget(oldest, CloseReason::TooManyHandshakes, false);
        }
        let rng = self.shared.handshake_rng();
        let greeting = Greeting::respond(&self.shared.relayed_handshake, rng);
        let link = self.add_tunnel(cx, (peer, false, id), greeting);
        self.greeting_tunnels.insert(link);
        Some(link)
    }

    /// Sends a message of the handshake, by whatever carries the session.
    pub(super) fn say(&mut self, cx: &mut Cx<'_>, link: LinkId, data: BytesMut) {
        let Some(state) = self.table.get_mut(&link) else { return };
        let Carrier::Tunnel(tunnel) = &mut state.carrier else { return self.transmit(link, data) };
        let peer = tunnel.peer;
        for payload in tunnel.greet(cx.now, data) {
            self.out.push_back(Out::Route { peer, class: TunnelKind::Greeting, payload });
        }
        self.reschedule(link, cx.now);
    }

    /// Sends a sealed record.
    pub(super) fn transmit_record(&mut self, cx: &mut Cx<'_>, link: LinkId, data: BytesMut) {
        let Some(state) = self.table.get_mut(&link) else { return };
        match &mut state.carrier {
            Carrier::Stream(_) => self.transmit(link, data),
            Carrier::Tunnel(tunnel) => {
                let payload = data.freeze();
                tunnel.sending.sent(cx.now, payload.clone());
                tunnel.active_at = cx.now;
                let peer = tunnel.peer;
                self.out.push_back(Out::Route { peer, class: TunnelKind::Record, payload });
            }
        }
    }

    /// Sends what nobody will send again.
    pub(super) fn last_transmission(&mut self, link: LinkId, data: BytesMut) {
        let Some(state) = self.table.get_mut(&link) else { return };
        match &state.carrier {
            Carrier::Stream(_) => self.transmit(link, data),
            Carrier::Tunnel(tunnel) => {
                let (peer, payload) = (tunnel.peer, data.freeze());
                self.out.push_back(Out::Route { peer, class: TunnelKind::Record, payload });
            }
        }
    }

    /// Queues a ROUTED frame of another flow, or says that there is no room.
    pub(super) fn forward(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkId,
        (source, destination): (NodeId, NodeId),
        body: Bytes,
    ) {
        let Some(connected) = self.connected(link) else { return };
        if let Err(reason) = connected.outbox.push_routed((source, destination), body) {
            cx.count("link.routed_frame_dropped");
            self.out.push_back(Out::Dropped { link, source, destination, reason });
        }
    }

    /// A payload from the other end of some tunnel, as it says.
    pub(super) fn routed(&mut self, cx: &mut Cx<'_>, source: NodeId, payload: &Bytes) {
        let Ok(header) = TunnelHeader::decode(payload) else {
            return cx.count("link.tunnel_payload_malformed");
        };
        let key = (source, !header.from_opener, header.tunnel);
        let known = self.tunnels.get(&key).copied();
        let link = match (known, header.kind) {
            (Some(link), _) => link,
            (None, TunnelKind::Greeting) if header.from_opener && header.number == 0 => {
                match self.accept_tunnel(cx, source, header.tunnel) {
                    Some(link) => link,
                    None => return,
                }
            }
            (None, kind) if may_be_reset(kind, header.from_opener) => {
                cx.mark("link.tunnel_unknown");
                let reset = TunnelHeader {
                    kind: TunnelKind::Reset,
                    from_opener: !header.from_opener,
                    tunnel: header.tunnel,
                    number: 0,
                };
                let payload = Bytes::copy_from_slice(&reset.encode());
                return self.out.push_back(Out::Route { peer: source, class: TunnelKind::Reset, payload });
            }
            (None, _) => return cx.mark("link.tunnel_payload_too_late"),
        };
        let result = match header.kind {
            TunnelKind::Greeting => self.tunnel_greeting(cx, link, header, payload),
            TunnelKind::Record => self.tunnel_record(cx, link, header, payload),
            TunnelKind::Ack => {
                self.tunnel_ack(cx, link, header, payload);
                Ok(())
            }
            TunnelKind::Reset => {
                self.tunnel_reset(cx, link);
                Ok(())
            }
            TunnelKind::Probe | TunnelKind::ProbeAnswer => Ok(()),
        };
        match result {
            Err(reason) if self.begin_again(cx, link, reason) => {}
            Err(reason) => self.close(cx, link, reason, None),
            Ok(()) => {
                self.dirty.insert(link);
                self.reschedule(link, cx.now);
            }
        }
    }

    fn tunnel_greeting(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkId,
        header: TunnelHeader,
        payload: &Bytes,
    ) -> Result<(), CloseReason> {
        let Some(Link { carrier: Carrier::Tunnel(tunnel), phase, .. }) = self.table.get_mut(&link) else {
            return Ok(());
        };
        let message = &payload[TUNNEL_HEADER_LEN..];
        match (tunnel.greetings.hear(header.number), phase) {
            (Heard::Next, Phase::Greeting(greeting)) => {
                if message.len() > HANDSHAKE_LEN_MAX {
                    return Err(CloseReason::LengthExceeded);
                }
                let Some(greeting) = greeting.take() else { return Ok(()) };
                self.greet(cx, link, greeting, BytesMut::from(message))
            }
            (Heard::Again, _) => {
                cx.mark("link.tunnel_greeting_repeated");
                let peer = tunnel.peer;
                for payload in tunnel.greetings.again(cx.now, false) {
                    let payload = payload.clone();
                    self.out.push_back(Out::Route { peer, class: TunnelKind::Greeting, payload });
                }
                Ok(())
            }
            (Heard::Next, Phase::Connected(_)) | (Heard::TooEarly, _) => Ok(()),
        }
    }

    fn tunnel_record(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkId,
        header: TunnelHeader,
        payload: &Bytes,
    ) -> Result<(), CloseReason> {
        let Some(Link { carrier: Carrier::Tunnel(tunnel), phase: Phase::Connected(connected), .. }) =
            self.table.get_mut(&link)
        else {
            return Ok(());
        };
        let sealed = &payload[TUNNEL_HEADER_LEN..];
        if !tunnel.receiving.wants(header.number, sealed.len()) && !injected!(cx, "replay-window-off") {
            cx.mark("link.tunnel_record_repeated");
            tunnel.receiving.repeated(cx.now);
            return Ok(());
        }
        // The buffer may be shared with other frames of the relay's record, so the text is opened in a copy.
        let head = &payload[..TUNNEL_HEADER_LEN];
        let Ok(plaintext) = connected.open_numbered(header.number, head, BytesMut::from(sealed)) else {
            cx.count("link.tunnel_record_rejected");
            return Ok(());
        };
        tunnel.heard(cx.now);
        tunnel.active_at = cx.now;
        if !tunnel.receiving.wants(header.number, plaintext.len()) {
            // Only where the window is off.
            tunnel.receiving.check_order(header.number);
            return connected.frames(cx, &self.shared, link, plaintext, &mut self.out);
        }
        tunnel.receiving.put(cx.now, header.number, plaintext);
        while let Some(plaintext) = tunnel.receiving.next() {
            connected.frames(cx, &self.shared, link, plaintext, &mut self.out)?;
        }
        Ok(())
    }

    fn tunnel_ack(&mut self, cx: &mut Cx<'_>, link: LinkId, header: TunnelHeader, payload: &Bytes) {
        let patience = self.shared.config.timing.down_after;
        let Some(Link { carrier: Carrier::Tunnel(tunnel), phase: Phase::Connected(connected), .. }) =
            self.table.get_mut(&link)
        else {
            return;
        };
        if header.number & ACK_NUMBER_BIT != 0 || !tunnel.receiving.is_news(header.number) {
            return cx.mark("link.tunnel_ack_is_old_news");
        }
        let (head, sealed) = payload.split_at(TUNNEL_HEADER_LEN);
        let number = header.number | ACK_NUMBER_BIT;
        let Ok(plaintext) = connected.open_numbered(number, head, BytesMut::from(sealed)) else {
            return cx.count("link.tunnel_record_rejected");
        };
        let Ok(ack) = TunnelAck::decode(&plaintext) else {
            return cx.count("link.tunnel_payload_malformed");
        };
        tunnel.heard(cx.now);
        tunnel.receiving.ack_heard(cx.now, header.number, ack.wants_answer);
        let again = tunnel.sending.acked(cx.now, &ack, patience);
        let peer = tunnel.peer;
        for payload in again {
            cx.mark("link.tunnel_record_sent_again");
            if !injected!(cx, "lost-record-forgotten") {
                self.out.push_back(Out::Route { peer, class: TunnelKind::Record, payload });
            }
        }
        self.finish_if_done(cx, link);
    }

    /// Closes a tunnel once everything that was sent on it has arrived.
    pub(super) fn finish(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        if let Some(Link { carrier: Carrier::Tunnel(tunnel), .. }) = self.table.get_mut(&link) {
            tunnel.finishes = true;
            self.finish_if_done(cx, link);
        }
    }

    fn finish_if_done(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        let Some(Link { carrier: Carrier::Tunnel(tunnel), phase: Phase::Connected(connected), .. }) =
            self.table.get(&link)
        else {
            return;
        };
        if tunnel.finishes && tunnel.sending.has_arrived() && connected.outbox.is_drained() {
            // The peer need not find out by asking that its own last record has arrived.
            self.acknowledge(cx, link, false);
            self.close(cx, link, CloseReason::Superseded, None);
        }
    }

    /// Somebody says that the other end knows of no such tunnel. Only its own silence proves it.
    fn tunnel_reset(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        let Some(Link { carrier: Carrier::Tunnel(tunnel), phase, .. }) = self.table.get_mut(&link) else {
            return;
        };
        cx.mark("link.tunnel_reset_heard");
        match phase {
            // It may have taken a message of somebody else for ours. Where this cannot begin again, it may still go on.
            Phase::Greeting(_) if tunnel.greetings.has_heard() => {
                self.begin_again(cx, link, CloseReason::ConnectionClosed);
            }
            Phase::Connected(_) if tunnel.reset_at.is_none() => {
                tunnel.reset_at = Some(cx.now);
                self.acknowledge(cx, link, true);
            }
            Phase::Greeting(_) | Phase::Connected(_) => {}
        }
    }

    /// Closes every tunnel, and tells each peer what has arrived.
    pub(super) fn end_tunnels(&mut self, cx: &mut Cx<'_>) {
        let tunnels: Vec<LinkId> = self.tunnels.values().copied().collect();
        for link in tunnels {
            self.acknowledge(cx, link, false);
            self.close(cx, link, CloseReason::Graceful, None);
        }
    }

    /// Sends an acknowledgement, which may ask for one in return.
    fn acknowledge(&mut self, cx: &mut Cx<'_>, link: LinkId, ask: bool) {
        let patience = self.shared.config.timing.down_after;
        let Some(Link { carrier: Carrier::Tunnel(tunnel), phase: Phase::Connected(connected), .. }) =
            self.table.get_mut(&link)
        else {
            return;
        };
        let number = tunnel.sending.next_ack();
        let ack = tunnel.receiving.ack(ask);
        let mut payload = BytesMut::with_capacity(TUNNEL_HEADER_LEN + 64);
        payload.extend_from_slice(&tunnel.header(TunnelKind::Ack, number));
        ack.encode(&mut payload);
        if connected.seal_numbered(number | ACK_NUMBER_BIT, &mut payload, TUNNEL_HEADER_LEN).is_err() {
            return;
        }
        if ask {
            tunnel.sending.asked(cx.now, number, patience);
        }
        let (peer, payload) = (tunnel.peer, payload.freeze());
        self.out.push_back(Out::Route { peer, class: TunnelKind::Ack, payload });
    }

    /// The path to a node has changed, or has lost something: find out what arrived.
    pub(super) fn doubt_path(&mut self, cx: &mut Cx<'_>, peer: NodeId) {
        for link in self.tunnels_to(peer, None) {
            if let Some(Link { carrier: Carrier::Tunnel(tunnel), .. }) = self.table.get_mut(&link) {
                cx.mark("link.tunnel_path_doubted");
                tunnel.sending.doubt(cx.now);
                self.reschedule(link, cx.now);
            }
        }
    }

    /// Closes the tunnels to a node: all, or those to an older life.
    pub(super) fn close_tunnels(
        &mut self,
        cx: &mut Cx<'_>,
        peer: NodeId,
        reason: CloseReason,
        older_than: Option<Incarnation>,
    ) {
        for link in self.tunnels_to(peer, older_than) {
            cx.mark("link.tunnel_closed_with_its_node");
            self.close(cx, link, reason, None);
        }
    }

    /// Looks at one tunnel whose time has come.
    pub(super) fn wake_tunnel(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        let Some(state) = self.table.get_mut(&link) else { return };
        let Carrier::Tunnel(tunnel) = &mut state.carrier else { return };
        let timing = &self.shared.config.timing;
        let peer = tunnel.peer;
        match &state.phase {
            Phase::Greeting(_) if state.opened_at + timing.connect_timeout <= cx.now => {
                cx.mark("link.handshake_timeout");
                return self.close(cx, link, CloseReason::HandshakeTimeout, None);
            }
            Phase::Greeting(_) => {
                for payload in tunnel.greetings.again(cx.now, true) {
                    let payload = payload.clone();
                    self.out.push_back(Out::Route { peer, class: TunnelKind::Greeting, payload });
                }
            }
            Phase::Connected(connected) => {
                let is_silent = tunnel
                    .sending
                    .unanswered_since()
                    .is_some_and(|since| cx.now - since >= timing.down_after);
                let is_gone = tunnel.reset_at.is_some_and(|since| cx.now - since >= RESET_PATIENCE);
                if is_silent || is_gone {
                    cx.mark(if is_gone { "link.tunnel_is_gone" } else { "link.tunnel_silent" });
                    let reason =
                        if is_gone { CloseReason::ConnectionClosed } else { CloseReason::HeartbeatTimeout };
                    return self.close(cx, link, reason, None);
                }
                let is_worn = connected.is_worn(cx.now, timing);
                if cx.now - tunnel.active_at >= QUIET_AFTER || is_worn {
                    cx.mark("link.tunnel_quiet");
                    tunnel.active_at = cx.now;
                    self.out.push_back(Out::Quiet { link, is_worn });
                }
                let ask = tunnel.sending.is_ask_due(cx.now);
                if ask || tunnel.receiving.ack_due().is_some_and(|due| due <= cx.now) {
                    self.acknowledge(cx, link, ask);
                }
            }
        }
        self.dirty.insert(link);
        self.reschedule_tunnel(link, cx.now);
    }

    /// Puts a tunnel down for its next time.
    pub(super) fn reschedule_tunnel(&mut self, link: LinkId, now: Instant) {
        if link.is_tunnel() {
            self.reschedule(link, now);
        }
    }
}
