//! What goes wrong, and how it ends.

use std::time::Duration;

use tokio::sync::mpsc;

use super::host::SHUTDOWN_WITHIN;
use super::scene::{Command, Phase, Tag, tell};
use super::wire::name;
use super::{Act, World, at};
use crate::history::What;
use crate::quantity::Micros;
use crate::run::{CrashItem, CrashMode, Direction, Item, PartitionItem, StallItem};

/// What a shutdown may take beyond the time that it was given: the driver says that links get 1.5 seconds for their last bytes,
/// and the testbed has a step for each of its tasks.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(1_600);

impl World<'_, '_> {
    pub(super) fn item(&mut self, index: usize) {
        let item = self.scene.run.items[index].clone();
        if item.fault().is_some() {
            self.scene.chain(0, Tag::Testbed, &[index as u64], b"fault");
            tell!(self.scene, 0, "{item:?}");
        }
        let took_effect = match &item {
            Item::Call(call) => self.command(call.from, Command::Call(call.id)),
            Item::Cancel(cancel) => self.cancel(cancel.id),
            Item::Partition(partition) => {
                self.cut(partition, true);
                self.ends(index, partition.t.plus(partition.lasts))
            }
            Item::Reset(reset) => {
                let wires = self.scene.wires.between(reset.pair);
                for wire in &wires {
                    wire.reset();
                }
                !wires.is_empty()
            }
            Item::HalfOpen(half_open) => {
                let wires = self.scene.wires.between(half_open.pair);
                for wire in &wires {
                    wire.sever();
                }
                !wires.is_empty()
            }
            Item::Stall(stall) => self.stall(index, stall),
            Item::Crash(crash) => self.crash(crash),
            Item::SlowReader(slow) => {
                self.scene.board(slow.node).slow.push(slow.rate);
                self.ends(index, slow.t.plus(slow.lasts))
            }
            Item::Serve(item) => self.serve(item),
            Item::Unserve(item) => self.unserve(item),
            Item::Capabilities(item) => self.set_capabilities(item),
            Item::Subscribe(item) => self.subscribe(item),
            Item::Unsubscribe(item) => self.unsubscribe(item),
            Item::Publish(item) => self.publish(item),
            Item::Token(item) => self.give_token(index, item),
            Item::Revoke(item) => self.command(item.node, Command::Revoke(index)),
            Item::Misbehave(item) => {
                self.misbehave(item.node, item.how, true);
                self.ends(index, item.t.plus(item.lasts))
            }
            Item::Pause(_) => {
                self.scene.give_up(format!("{item:?}, which `supports` refuses, came to be executed"));
                false
            }
        };
        if let Some(fault) = item.fault().filter(|_| took_effect) {
            *self.scene.record().tally.faults.entry(fault.to_owned()).or_insert(0) += 1;
        }
    }

    /// The fault is over then, and at the heal phase in any case.
    fn ends(&mut self, index: usize, when: Micros) -> bool {
        let end = when.min(self.scene.run.header.phases.heal);
        self.plan(at(end), Act::FaultEnd(index));
        true
    }

    pub(super) fn fault_ends(&mut self, index: usize) {
        self.scene.chain(0, Tag::Testbed, &[index as u64], b"fault ends");
        let item = self.scene.run.items[index].clone();
        tell!(self.scene, 0, "is over: {item:?}");
        match &item {
            Item::Partition(partition) => self.cut(partition, false),
            Item::Stall(_) => {
                for wire in self.stalled.remove(&index).unwrap_or_default() {
                    wire.release();
                }
            }
            Item::SlowReader(slow) => {
                let rates = &mut self.scene.board(slow.node).slow;
                if let Some(place) = rates.iter().position(|rate| *rate == slow.rate) {
                    rates.remove(place);
                }
            }
            Item::Misbehave(item) => self.misbehave(item.node, item.how, false),
            Item::Call(_)
            | Item::Cancel(_)
            | Item::Reset(_)
            | Item::HalfOpen(_)
            | Item::Crash(_)
            | Item::Serve(_)
            | Item::Unserve(_)
            | Item::Capabilities(_)
            | Item::Subscribe(_)
            | Item::Unsubscribe(_)
            | Item::Publish(_)
            | Item::Token(_)
            | Item::Revoke(_)
            | Item::Pause(_) => {}
        }
    }

    // --- applications

    /// Tells a process to do something. `false`: there is none.
    pub(super) fn command(&self, node: usize, command: Command) -> bool {
        let board = self.scene.board(node);
        board.commands.as_ref().is_some_and(|commands| commands.send(command).is_ok())
    }

    fn cancel(&self, op: u64) -> bool {
        let Some(node) = self.scene.call(op).and_then(|call| call.from) else { return false };
        let cancel = self.scene.board(node).open_calls.get_mut(&op).and_then(Option::take);
        cancel.is_some_and(|cancel| cancel.send(()).is_ok())
    }

    // --- the network

    fn cut(&mut self, partition: &PartitionItem, begins: bool) {
        let both = partition.dir == Direction::Both;
        for from in &partition.from {
            for to in &partition.to {
                for (from, to) in [(*from, *to), (*to, *from)].into_iter().take(1 + usize::from(both)) {
                    self.block(from, to, begins);
                }
            }
        }
    }

    /// turmoil knows only whether a direction is cut, so overlapping faults are counted here.
    fn block(&mut self, from: usize, to: usize, begins: bool) {
        if from == to {
            return;
        }
        let count = &mut self.blocked[from * self.dark.len() + to];
        if begins {
            *count += 1;
            if *count == 1 {
                self.sim.partition_oneway(name(from), name(to));
            }
        } else {
            *count -= 1;
            if *count == 0 {
                self.sim.repair_oneway(name(from), name(to));
            }
        }
    }

    fn stall(&mut self, index: usize, stall: &StallItem) -> bool {
        let [from, to] = stall.pair;
        let mut held = self.scene.wires.between(stall.pair);
        // What stands still is what arrives: at the second of the two, where only one direction is concerned.
        held.retain(|wire| stall.dir == Direction::Both || (wire.node, wire.peer) == (to, from));
        for wire in &held {
            wire.stall();
        }
        let any = !held.is_empty();
        self.stalled.insert(index, held);
        self.ends(index, stall.t.plus(stall.lasts)) && any
    }

    // --- processes

    /// Starts a node's process, unless it runs.
    pub(super) fn start(&mut self, node: usize) {
        {
            let mut board = self.scene.board(node);
            board.restart_due = board.phase != Phase::Away;
            if board.restart_due {
                return;
            }
            board.phase = Phase::Running;
            let (commands, inbox) = mpsc::unbounded_channel();
            (board.commands, board.inbox) = (Some(commands), Some(inbox));
        }
        if std::mem::take(&mut self.dark[node]) {
            self.power(node, true);
        }
        self.sim.bounce(name(node));
    }

    fn crash(&mut self, crash: &CrashItem) -> bool {
        let node = crash.node;
        let back = at(crash.t.plus(crash.down).min(self.scene.run.header.phases.heal));
        let life = {
            let mut board = self.scene.board(node);
            if board.phase != Phase::Running {
                return false;
            }
            board.clock = crash.clock;
            board.life
        };
        self.plan(back, Act::Start(node));
        match crash.mode {
            CrashMode::Clean => {
                self.scene.board(node).phase = Phase::Stopping;
                self.command(node, Command::Stop);
                tell!(self.scene, node, "shuts down");
                self.plan(self.now() + SHUTDOWN_WITHIN + SHUTDOWN_GRACE, Act::StopDue { node, life });
            }
            CrashMode::Kill => self.kill(node),
            CrashMode::PowerLoss => {
                // The last words of the sockets must not get out.
                self.power(node, false);
                self.dark[node] = true;
                self.kill(node);
            }
        }
        true
    }

    /// Switches a machine's network off or on.
    fn power(&mut self, node: usize, on: bool) {
        for other in 0..self.dark.len() {
            self.block(node, other, !on);
            self.block(other, node, !on);
        }
    }

    /// The process is gone, and its system closes what it had open.
    fn kill(&mut self, node: usize) {
        tell!(self.scene, node, "is killed");
        self.scene.gone(node, false);
        self.scene.wires.begin_kill(node);
        self.sim.crash(name(node));
        self.scene.wires.end_kill();
    }

    pub(super) fn stop_due(&mut self, node: usize, life: u32) {
        let overdue = {
            let board = self.scene.board(node);
            board.life == life && board.phase != Phase::Away
        };
        if overdue {
            self.scene.push(node, What::StopOverdue);
            self.kill(node);
        }
    }
}
