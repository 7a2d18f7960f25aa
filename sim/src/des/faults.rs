//! What goes wrong, and how it ends.

use std::time::Duration;

use super::queue::Event;
use super::stream::{EndState, Piece, StreamEnd};
use super::{Tag, World, at, tell};
use crate::history::What;
use crate::quantity::Micros;
use crate::run::{CrashItem, CrashMode, Direction, Item, PartitionItem, StallItem};

/// What a node that shuts down in order is given for it.
pub(crate) const SHUTDOWN_WITHIN: Duration = Duration::from_secs(2);
/// What it may take beyond that, before the testbed says that it hangs.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(100);

impl<'r> World<'r, '_, '_> {
    /// The node whose application does this item, where it is one's application and not the world.
    pub(super) fn item_node(&self, index: usize) -> Option<usize> {
        match &self.run.items[index] {
            Item::Call(call) => Some(call.from),
            Item::Cancel(cancel) => self.calls.get(&cancel.id).and_then(|call| call.from),
            Item::Serve(item) => Some(item.node),
            Item::Unserve(item) => Some(item.node),
            Item::Capabilities(item) => Some(item.node),
            Item::Subscribe(item) => Some(item.node),
            Item::Unsubscribe(item) => Some(item.node),
            Item::Publish(item) => Some(item.node),
            Item::Token(item) => Some(item.node),
            Item::Revoke(item) => Some(item.node),
            Item::Crash(crash) if crash.mode == CrashMode::Clean => Some(crash.node),
            Item::Crash(_)
            | Item::Partition(_)
            | Item::Reset(_)
            | Item::HalfOpen(_)
            | Item::Stall(_)
            | Item::SlowReader(_)
            | Item::Pause(_)
            | Item::Misbehave(_) => None,
        }
    }

    pub(super) fn item(&mut self, index: usize) {
        let run: &'r _ = self.run;
        let item = &run.items[index];
        if item.fault().is_some() {
            self.chain.add(&[self.now.as_nanos(), index as u64, Tag::Command as u64], b"fault");
            if self.options.trace.is_some() {
                self.tell(0, format_args!("{item:?}"));
            }
        }
        let took_effect = match item {
            Item::Call(call) => {
                self.begin_call(call.from, call.id, None);
                true
            }
            Item::Cancel(cancel) => {
                self.cancel_call(cancel.id);
                true
            }
            Item::Serve(item) => {
                self.serve(item);
                true
            }
            Item::Unserve(item) => {
                self.unserve(item);
                true
            }
            Item::Capabilities(item) => {
                self.set_capabilities(item);
                true
            }
            Item::Subscribe(item) => {
                self.subscribe(item);
                true
            }
            Item::Unsubscribe(item) => {
                self.unsubscribe(item);
                true
            }
            Item::Publish(item) => {
                self.publish(item);
                true
            }
            Item::Token(item) => self.give_token(item),
            Item::Revoke(item) => self.take_back(item),
            Item::Partition(partition) => self.partition(index, partition),
            Item::Reset(reset) => self.reset(reset.pair),
            Item::HalfOpen(half_open) => self.sever(half_open.pair),
            Item::Stall(stall) => self.stall(index, stall),
            Item::Crash(crash) => self.crash(crash),
            Item::SlowReader(slow) => {
                self.hosts[slow.node].slow.push(slow.rate);
                self.ends(index, slow.t.plus(slow.lasts))
            }
            Item::Pause(pause) => {
                self.hosts[pause.node].pauses += 1;
                if self.hosts[pause.node].pauses == 1 {
                    self.history.push(self.now, pause.node, What::Paused);
                }
                self.ends(index, pause.t.plus(pause.lasts))
            }
            Item::Misbehave(item) => {
                self.survey.ears[item.node].lock().misbehave(item.how, true);
                self.ends(index, item.t.plus(item.lasts))
            }
        };
        if let Some(fault) = item.fault().filter(|_| took_effect) {
            *self.tally.faults.entry(fault.to_owned()).or_insert(0) += 1;
        }
    }

    /// The fault is over then, and at the heal phase in any case.
    fn ends(&mut self, index: usize, when: Micros) -> bool {
        let end = when.min(self.run.header.phases.heal);
        self.queue.push(at(end).max(self.now), Event::FaultEnd(index));
        true
    }

    pub(super) fn fault_ends(&mut self, index: usize) {
        self.chain.add(&[self.now.as_nanos(), index as u64, Tag::Command as u64], b"fault ends");
        let run: &'r _ = self.run;
        match &run.items[index] {
            Item::Partition(partition) => self.cut(partition, false),
            Item::Stall(_) => {
                for end in self.stalled.remove(&index).unwrap_or_default() {
                    self.side_mut(end).flow.stalls -= 1;
                }
            }
            Item::SlowReader(slow) => {
                let rates = &mut self.hosts[slow.node].slow;
                if let Some(place) = rates.iter().position(|rate| *rate == slow.rate) {
                    rates.remove(place);
                }
            }
            Item::Pause(pause) => self.resume(pause.node),
            Item::Misbehave(item) => self.survey.ears[item.node].lock().misbehave(item.how, false),
            Item::Call(_)
            | Item::Cancel(_)
            | Item::Serve(_)
            | Item::Unserve(_)
            | Item::Capabilities(_)
            | Item::Subscribe(_)
            | Item::Unsubscribe(_)
            | Item::Publish(_)
            | Item::Token(_)
            | Item::Revoke(_)
            | Item::Reset(_)
            | Item::HalfOpen(_)
            | Item::Crash(_) => {}
        }
    }

    fn partition(&mut self, index: usize, partition: &PartitionItem) -> bool {
        self.cut(partition, true);
        self.ends(index, partition.t.plus(partition.lasts))
    }

    fn cut(&mut self, partition: &PartitionItem, begins: bool) {
        for from in &partition.from {
            for to in &partition.to {
                let both = partition.dir == Direction::Both;
                for (from, to) in [(*from, *to), (*to, *from)].into_iter().take(1 + usize::from(both)) {
                    let count = self.blocked_mut(from, to);
                    *count = if begins { *count + 1 } else { *count - 1 };
                }
            }
        }
    }

    fn streams_between(&self, pair: [usize; 2]) -> Vec<usize> {
        let between = |index: &usize| {
            let stream = &self.streams[*index];
            stream.is_alive() && stream.is_between(pair[0], pair[1])
        };
        (0..self.streams.len()).filter(between).collect()
    }

    fn reset(&mut self, pair: [usize; 2]) -> bool {
        let streams = self.streams_between(pair);
        for stream in &streams {
            for side in 0..2 {
                let end = StreamEnd { stream: *stream, side };
                // Whoever stands still is told when it goes on.
                let node = self.side(end).node;
                if self.hosts[node].pauses > 0 {
                    self.streams[*stream].severed = true;
                    self.hosts[node].deferred.push_back(Event::Refused(end));
                } else {
                    self.link_down(end);
                }
            }
        }
        !streams.is_empty()
    }

    fn sever(&mut self, pair: [usize; 2]) -> bool {
        let streams = self.streams_between(pair);
        for stream in &streams {
            self.streams[*stream].severed = true;
        }
        !streams.is_empty()
    }

    fn stall(&mut self, index: usize, stall: &StallItem) -> bool {
        let mut ends = Vec::new();
        for stream in self.streams_between(stall.pair) {
            for side in 0..2 {
                let end = StreamEnd { stream, side };
                if stall.dir == Direction::Both || self.side(end).node == stall.pair[0] {
                    self.side_mut(end).flow.stalls += 1;
                    ends.push(end);
                }
            }
        }
        let any = !ends.is_empty();
        self.stalled.insert(index, ends);
        self.ends(index, stall.t.plus(stall.lasts)) && any
    }

    fn resume(&mut self, node: usize) {
        self.hosts[node].pauses -= 1;
        if self.hosts[node].pauses > 0 {
            return;
        }
        self.history.push(self.now, node, What::Resumed);
        tell!(self, node, "goes on");
        // What the system has taken meanwhile comes first, then what was due.
        for stream in 0..self.streams.len() {
            for side in 0..2 {
                let end = StreamEnd { stream, side };
                if self.side(end).node == node {
                    self.read(end);
                }
            }
        }
        let deferred = std::mem::take(&mut self.hosts[node].deferred);
        for event in deferred {
            self.handle(event);
        }
    }

    // --- crashes

    fn crash(&mut self, crash: &CrashItem) -> bool {
        let node = crash.node;
        let back = at(crash.t.plus(crash.down).min(self.run.header.phases.heal)).max(self.now);
        let host = &mut self.hosts[node];
        let Some(process) = host.process.as_mut().filter(|process| !process.stopping) else { return false };
        host.clock = crash.clock;
        self.queue.push(back, Event::Start(node));
        match crash.mode {
            CrashMode::Clean => {
                process.stopping = true;
                let (now, life) = (self.now, host.life);
                process.engine.shutdown(now, now + SHUTDOWN_WITHIN);
                tell!(self, node, "shuts down");
                self.queue.push(now + SHUTDOWN_WITHIN + SHUTDOWN_GRACE, Event::StopDue { node, life });
                self.drain(node);
            }
            CrashMode::Kill => self.process_ends(node, false),
            CrashMode::PowerLoss => {
                self.process_ends(node, false);
                self.hosts[node].powered = false;
                for stream in &mut self.streams {
                    for side in stream.sides.iter_mut().filter(|side| side.node == node) {
                        side.die();
                    }
                }
            }
        }
        true
    }

    pub(super) fn stop_due(&mut self, node: usize, life: u32) {
        if self.process(node, life).is_some() {
            self.history.push(self.now, node, What::StopOverdue);
            self.process_ends(node, false);
        }
    }

    /// The process of a node is gone; its system closes what it had open.
    pub(super) fn process_ends(&mut self, node: usize, clean: bool) {
        let now = self.now;
        let Some(process) = self.hosts[node].process.take() else { return };
        tell!(self, node, "is gone");
        for call in process.calls.values().filter(|call| !call.done) {
            self.history.push(now, node, What::Unknown { op: call.op });
        }
        self.history.push(now, node, What::Gone { clean });
        self.survey.set_routes(node, &[]);
        let host = &mut self.hosts[node];
        host.life += 1;
        // What the old life had to do is of no interest to the new one, but for what belongs to the system.
        host.deferred.retain(|event| matches!(event, Event::Item(_)));
        for stream in 0..self.streams.len() {
            for side in 0..2 {
                let end = StreamEnd { stream, side };
                if self.side(end).node != node {
                    continue;
                }
                let state = std::mem::replace(&mut self.side_mut(end).state, EndState::Dead);
                self.side_mut(end).inbox.clear();
                if matches!(state, EndState::Opening | EndState::Open) {
                    self.send(end, Piece::End);
                }
            }
        }
        if self.hosts[node].restart_due {
            self.queue.push(now, Event::Start(node));
        }
    }
}
