//! How dials and bytes travel.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use lacewing_core::engine::{DialFailure, DialId, Input};
use lacewing_core::{Address, Instant};

use super::queue::{Dialling, Event};
use super::stream::{EndState, Held, LINGER, Piece, Side, Stream, StreamEnd};
use super::{World, host, leaks};

/// Pause before the first packet of a dial is sent again; it doubles, as with TCP.
const SYN_PAUSE: Duration = Duration::from_secs(1);
/// Pause before a notice of taken bytes is sent again that did not get through.
const CREDIT_PAUSE: Duration = Duration::from_millis(400);
/// Bites of a slow reader in a second.
const BITES_PER_SECOND: u64 = 20;
/// The first port of those that dialling sides have.
const PORT_EPHEMERAL: u16 = 49_152;

impl World<'_, '_, '_> {
    pub(super) fn side(&self, end: StreamEnd) -> &Side {
        &self.streams[end.stream].sides[end.side]
    }

    pub(super) fn side_mut(&mut self, end: StreamEnd) -> &mut Side {
        &mut self.streams[end.stream].sides[end.side]
    }

    fn pair_index(&self, from: usize, to: usize) -> usize {
        from * self.hosts.len() + to
    }

    pub(super) fn blocked_mut(&mut self, from: usize, to: usize) -> &mut u32 {
        let index = self.pair_index(from, to);
        &mut self.blocked[index]
    }

    /// Whether a packet from one machine gets to another.
    fn reaches(&self, from: usize, to: usize) -> bool {
        self.blocked[self.pair_index(from, to)] == 0 && self.hosts[to].powered
    }

    fn latency(&self, from: usize, to: usize) -> Duration {
        Duration::from_nanos(self.latency[self.pair_index(from, to)])
    }

    fn latency_with_jitter(&mut self, from: usize, to: usize) -> Duration {
        let most = self.run.header.net.jitter_max.0;
        let drawn = match leaks::number(self.options.inject.as_deref()) {
            Some(number) => number % (most + 1),
            None => self.jitter.below(most + 1),
        };
        self.latency(from, to) + Duration::from_micros(drawn)
    }

    // --- dials

    pub(super) fn dial(&mut self, from: usize, dial: DialId, addr: &Address) {
        let now = self.now;
        let host = &mut self.hosts[from];
        let (life, timeout) = (host.life, host.config.timing.connect_timeout);
        let Some(process) = &mut host.process else { return };
        process.dials.insert(dial);
        let failed = |reason| Event::DialFailed { node: from, life, dial, reason };
        let Some(to) = host::node_at(addr).filter(|to| *to < self.hosts.len()) else {
            self.queue.push(now, failed(DialFailure::Unreachable));
            return;
        };
        self.queue.push(now + timeout, failed(DialFailure::TimedOut));
        let arrival = now + self.latency_with_jitter(from, to);
        self.queue.push(arrival, Event::Syn(Dialling { from, life, to, dial, losses: 0 }));
    }

    /// Whether anybody waits for the outcome of this dial.
    fn dial_is_open(&mut self, dialling: Dialling) -> bool {
        let process = self.process(dialling.from, dialling.life);
        process.is_some_and(|process| process.dials.contains(&dialling.dial))
    }

    fn syn_again(&mut self, dialling: Dialling) {
        let pause = SYN_PAUSE * (1 << dialling.losses.min(6));
        self.queue.push(self.now + pause, Event::Syn(Dialling { losses: dialling.losses + 1, ..dialling }));
    }

    pub(super) fn syn(&mut self, dialling: Dialling) {
        if !self.dial_is_open(dialling) {
            return;
        }
        let Dialling { from, life, to, dial, .. } = dialling;
        if !self.reaches(from, to) {
            self.syn_again(dialling);
            return;
        }
        let answer_at = self.now + self.latency_with_jitter(to, from);
        if self.hosts[to].process.is_some() {
            self.queue.push(answer_at, Event::SynAck(dialling));
        } else if self.reaches(to, from) {
            self.queue
                .push(answer_at, Event::DialFailed { node: from, life, dial, reason: DialFailure::Refused });
        }
    }

    pub(super) fn syn_ack(&mut self, dialling: Dialling) {
        if !self.dial_is_open(dialling) {
            return;
        }
        let Dialling { from, life, to, dial, .. } = dialling;
        if !self.reaches(to, from) {
            self.syn_again(dialling);
            return;
        }
        let listener_life = self.hosts[to].life;
        let dialler = StreamEnd { stream: self.streams.len(), side: 0 };
        self.streams.push(Stream::new((from, life), (to, listener_life)));
        self.side_mut(dialler).inbox.push_back(Piece::Up(Some(dial)));
        self.send(dialler, Piece::Up(None));
        self.read(dialler);
    }

    pub(super) fn dial_failed(&mut self, node: usize, life: u32, dial: DialId, reason: DialFailure) {
        let Some(process) = self.process(node, life) else { return };
        if process.dials.remove(&dial) {
            self.input(node, Input::DialFailed { dial, reason });
            self.drain(node);
        }
    }

    // --- sending

    pub(super) fn transmit(&mut self, end: StreamEnd, data: Bytes) {
        debug_assert_eq!(self.side(end).state, EndState::Open, "engines transmit on open links only");
        // Now and then the other side gets one write in two reads.
        if data.len() > 1 && self.jitter.below(16) == 0 {
            let cut = 1 + self.jitter.index(data.len() - 1);
            self.send(end, Piece::Data(data.slice(..cut)));
            self.send(end, Piece::Data(data.slice(cut..)));
        } else {
            self.send(end, Piece::Data(data));
        }
    }

    /// Sends a piece: behind those that are on their way, and not faster than the line takes it.
    pub(super) fn send(&mut self, end: StreamEnd, piece: Piece) {
        let (now, from, to) = (self.now, self.side(end).node, self.side(end.other()).node);
        let delay = self.latency_with_jitter(from, to);
        let len = if let Piece::Data(data) = &piece { data.len() as u64 } else { 0 };
        let on_line = Duration::from_nanos(len * 1_000_000_000 / self.run.header.net.bandwidth);
        let flow = &mut self.side_mut(end).flow;
        flow.free_at = flow.free_at.max(now) + on_line;
        flow.last_arrival = flow.last_arrival.max(flow.free_at + delay);
        flow.pieces.push_back((flow.last_arrival, piece));
        let arrival = flow.last_arrival;
        self.queue.push(arrival, Event::Arrive(end));
    }

    /// The engine has closed this end: what was written arrives, then the end does.
    pub(super) fn close(&mut self, end: StreamEnd) {
        let now = self.now;
        let side = self.side_mut(end);
        if side.state != EndState::Open {
            return;
        }
        side.state = EndState::Closed(now);
        side.inbox.clear();
        let node = side.node;
        if let Some(process) = &mut self.hosts[node].process {
            process.choked.remove(&end);
        }
        self.send(end, Piece::End);
    }

    // --- arriving

    /// Whether what this end sends gets to the other one's machine.
    fn gets_through(&self, end: StreamEnd) -> bool {
        let stream = &self.streams[end.stream];
        let side = &stream.sides[end.side];
        !stream.severed && side.flow.stalls == 0 && self.reaches(side.node, self.side(end.other()).node)
    }

    /// Takes what has arrived of this end's data.
    pub(super) fn arrive(&mut self, end: StreamEnd) {
        if self.side(end).flow.held.is_none() {
            self.deliver(end);
        }
    }

    fn deliver(&mut self, end: StreamEnd) {
        let (now, other) = (self.now, end.other());
        while self.side(end).flow.pieces.front().is_some_and(|(arrival, _)| *arrival <= now) {
            if !self.gets_through(end) {
                return self.hold(end);
            }
            match self.receiver(other) {
                Receiver::Listening => {
                    let Some((_, piece)) = self.side_mut(end).flow.pieces.pop_front() else { return };
                    self.side_mut(other).inbox.push_back(piece);
                    self.read(other);
                }
                Receiver::Lingering => {
                    self.side_mut(end).flow.pieces.pop_front();
                }
                // The answer that nobody knows the stream has to get back before the sender stops.
                Receiver::Nobody if self.gets_through(other) => {
                    self.side_mut(end).flow.pieces.clear();
                    let (from, to) = (self.side(other).node, self.side(end).node);
                    let answer = now + self.latency_with_jitter(from, to);
                    // It does not overtake what was sent before it.
                    let arrival = answer.max(self.side(other).flow.last_arrival);
                    self.queue.push(arrival, Event::Refused(end));
                }
                Receiver::Nobody => return self.hold(end),
            }
        }
    }

    fn receiver(&self, end: StreamEnd) -> Receiver {
        let side = self.side(end);
        let lives = self.hosts[side.node].life == side.life && self.hosts[side.node].process.is_some();
        match side.state {
            EndState::Opening | EndState::Open if lives => Receiver::Listening,
            EndState::Closed(since) if self.now - since <= LINGER => Receiver::Lingering,
            EndState::Opening | EndState::Open | EndState::Closed(_) | EndState::Dead => Receiver::Nobody,
        }
    }

    fn hold(&mut self, end: StreamEnd) {
        let now = self.now;
        let flow = &mut self.side_mut(end).flow;
        let held = flow.held.map_or(Held::new(now), Held::longer);
        flow.held = Some(held);
        self.queue.push(now + held.pause, Event::Retransmit(end));
    }

    pub(super) fn retransmit(&mut self, end: StreamEnd) {
        let Some(held) = self.side(end).flow.held else { return };
        if self.gets_through(end) && !matches!(self.receiver(end.other()), Receiver::Nobody) {
            self.side_mut(end).flow.held = None;
            self.deliver(end);
        } else if self.now - held.since >= self.run.header.net.retransmit_timeout.as_duration() {
            self.lose(end);
        } else {
            // Tries again, and holds again if need be, with the longer pause.
            self.deliver(end);
            if self.side(end).flow.pieces.is_empty() {
                self.side_mut(end).flow.held = None;
            }
        }
    }

    // --- reading

    /// Hands what has arrived to the engine, as far as that takes it.
    pub(super) fn read(&mut self, end: StreamEnd) {
        let node = self.side(end).node;
        loop {
            if self.hosts[node].pauses > 0 || self.side(end).inbox.is_empty() {
                return;
            }
            if self.receiver(end) != Receiver::Listening {
                return;
            }
            if let Some(Piece::Data(_)) = self.side(end).inbox.front() {
                if !self.hosts[node].slow.is_empty() {
                    return self.bite_later(end);
                }
                if !self.wants(node, end) {
                    return;
                }
            }
            self.take(end, usize::MAX);
        }
    }

    /// Whether the engine wants data from this end; it is asked again after its next step where it does not.
    fn wants(&mut self, node: usize, end: StreamEnd) -> bool {
        let Some(process) = &mut self.hosts[node].process else { return false };
        let wants = process.engine.wants_input(end.link());
        if !wants {
            process.choked.insert(end);
        }
        wants
    }

    fn bite_later(&mut self, end: StreamEnd) {
        let now = self.now;
        let side = self.side_mut(end);
        if !side.biting {
            side.biting = true;
            self.queue.push(now + Duration::from_nanos(1_000_000_000 / BITES_PER_SECOND), Event::Read(end));
        }
    }

    /// A slow reader takes its next bytes.
    pub(super) fn bite(&mut self, end: StreamEnd) {
        let node = self.side(end).node;
        self.side_mut(end).biting = false;
        if self.receiver(end) != Receiver::Listening {
            return;
        }
        if let Some(rate) = self.hosts[node].slow.iter().min().copied()
            && matches!(self.side(end).inbox.front(), Some(Piece::Data(_)))
            && self.wants(node, end)
        {
            let bytes = usize::try_from(rate / BITES_PER_SECOND).unwrap_or(usize::MAX);
            self.take(end, bytes.max(1));
        }
        self.read(end);
    }

    /// Hands the next piece to the engine, or the first bytes of it.
    fn take(&mut self, end: StreamEnd, bytes_max: usize) {
        let (node, link) = (self.side(end).node, end.link());
        let Some(piece) = self.side_mut(end).inbox.pop_front() else { return };
        match piece {
            Piece::Up(dial) => self.link_up(end, dial),
            Piece::Data(mut data) => {
                if data.len() > bytes_max {
                    let rest = data.split_off(bytes_max);
                    self.side_mut(end).inbox.push_front(Piece::Data(rest));
                }
                let taken = data.len();
                self.input(node, Input::Received { link, data: BytesMut::from(data) });
                self.drain(node);
                self.taken(end, taken);
            }
            Piece::End => self.link_down(end),
        }
    }

    fn link_up(&mut self, end: StreamEnd, dial: Option<DialId>) {
        let (node, peer, link) = (self.side(end).node, self.side(end.other()).node, end.link());
        let port = if dial.is_some() { host::PORT } else { PORT_EPHEMERAL + (end.stream % 16_384) as u16 };
        let remote_addr = SocketAddr::new(host::ip(peer), port);
        if let (Some(dial), Some(process)) = (dial, &mut self.hosts[node].process) {
            process.dials.remove(&dial);
        }
        self.side_mut(end).state = EndState::Open;
        if !self.input(node, Input::LinkUp { link, dial, remote_addr }) {
            // The engine gave the dial up before it came to anything.
            self.close(end);
            self.drain(node);
            return;
        }
        self.drain(node);
        if self.side(end).state == EndState::Open {
            let bytes = usize::try_from(self.run.header.net.window).unwrap_or(usize::MAX);
            self.input(node, Input::Credit { link, bytes });
            self.drain(node);
        }
    }

    /// The stream is over for this end, and its engine is told.
    pub(super) fn link_down(&mut self, end: StreamEnd) {
        let side = self.side_mut(end);
        let (node, life, open) = (side.node, side.life, side.state == EndState::Open);
        side.die();
        if !open {
            return;
        }
        let Some(process) = self.process(node, life) else { return };
        process.choked.remove(&end);
        self.input(node, Input::LinkDown { link: end.link() });
        self.drain(node);
    }

    /// This end has sent in vain for too long.
    fn lose(&mut self, end: StreamEnd) {
        let node = self.side(end).node;
        if self.hosts[node].pauses > 0 {
            self.hosts[node].deferred.push_back(Event::Refused(end));
            return;
        }
        self.link_down(end);
    }

    pub(super) fn refused(&mut self, end: StreamEnd) {
        // The answer is lost where the way back is cut, and comes again with the next piece.
        if self.gets_through(end.other()) || self.streams[end.stream].severed {
            self.link_down(end);
        }
    }

    // --- credit

    /// Tells the sender that bytes were taken: not for each piece, but before a quarter of the window is missing.
    fn taken(&mut self, end: StreamEnd, bytes: usize) {
        let (now, quarter) =
            (self.now, usize::try_from(self.run.header.net.window / 4).unwrap_or(usize::MAX));
        let side = self.side_mut(end);
        side.uncredited += bytes;
        if side.uncredited <= quarter {
            return;
        }
        let (bytes, from) = (std::mem::take(&mut side.uncredited), side.node);
        let other = end.other();
        let delay = self.latency_with_jitter(from, self.side(other).node);
        self.queue.push(now + delay, Event::Credit { end: other, bytes, since: now });
    }

    pub(super) fn credit(&mut self, end: StreamEnd, bytes: usize, since: Instant) {
        if self.side(end).state != EndState::Open {
            return;
        }
        if !self.gets_through(end.other()) {
            if self.now - since >= self.run.header.net.retransmit_timeout.as_duration() {
                self.link_down(end);
            } else {
                self.queue.push(self.now + CREDIT_PAUSE, Event::Credit { end, bytes, since });
            }
            return;
        }
        let (node, life) = (self.side(end).node, self.side(end).life);
        if self.process(node, life).is_some() {
            self.input(node, Input::Credit { link: end.link(), bytes });
            self.drain(node);
        }
    }
}

/// What is at the end of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Receiver {
    /// A process that reads, sooner or later.
    Listening,
    /// A system that has closed the stream a moment ago.
    Lingering,
    /// A system that does not know the stream.
    Nobody,
}
