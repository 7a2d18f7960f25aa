//! Which configured addresses are dialled, and when: for ever, with full-jitter exponential back-off.
//!
//! Full jitter after "Exponential Backoff and Jitter" (Brooker, 2015): the pause is drawn from zero to a cap that doubles.

use alloc::collections::BTreeMap;
use core::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

use super::{DialFailure, DialId};
use crate::address::Address;
use crate::config::Timing;
use crate::identity::NodeId;
use crate::link::LinkId;
use crate::machine::{Cx, injected};
use crate::time::Instant;

/// Every configured address and what is being done about it.
#[derive(Debug)]
pub(super) struct Dialling {
    slots: BTreeMap<Address, Slot>,
    last_dial: u64,
    rng: ChaCha8Rng,
}

#[derive(Debug)]
struct Slot {
    state: SlotState,
    /// Failures in a row.
    failures: u32,
    /// Who answered there last, or should.
    node: Option<NodeId>,
    /// Nobody has configured it: it is forgotten when it leads nowhere, or when its node is gone.
    sought: bool,
}

/// Dials of an address that nobody has configured.
const SOUGHT_TRIES: u32 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SlotState {
    /// Dial at this time.
    Waiting { until: Instant },
    /// Asked the driver for a stream.
    Dialling { dial: DialId, give_up_at: Instant },
    /// The stream is there; who is at the other end is not known yet.
    Greeting { link: LinkId },
    /// The node of this address is a neighbour, by whatever link.
    Satisfied { node: NodeId },
    /// It is this very node.
    Myself,
}

impl Dialling {
    pub(super) fn new(rng: ChaCha8Rng) -> Self {
        Self { slots: BTreeMap::new(), last_dial: 0, rng }
    }

    /// Configured addresses.
    pub(super) fn len(&self) -> usize {
        self.slots.values().filter(|slot| !slot.sought).count()
    }

    /// Addresses that are dialled although nobody has configured them, and have led nowhere yet.
    pub(super) fn sought_len(&self) -> usize {
        let pending = |slot: &&Slot| slot.sought && !matches!(slot.state, SlotState::Satisfied { .. });
        self.slots.values().filter(pending).count()
    }

    /// Whether some address of a node is dialled, or was found to be its own.
    pub(super) fn seeks(&self, node: &NodeId) -> bool {
        self.slots.values().any(|slot| slot.node == Some(*node))
    }

    /// Dials an address that a node has announced, unless it is dialled anyhow.
    pub(super) fn seek(&mut self, addr: Address, node: NodeId, now: Instant) {
        let state = SlotState::Waiting { until: now };
        self.slots.entry(addr).or_insert(Slot { state, failures: 0, node: Some(node), sought: true });
    }

    /// A span from zero to `cap`.
    pub(super) fn drawn(&mut self, cap: Duration) -> Duration {
        jittered(&mut self.rng, cap)
    }

    /// A number below `count`, which is not zero.
    pub(super) fn drawn_below(&mut self, count: usize) -> usize {
        (self.rng.next_u64() % count.max(1) as u64) as usize
    }

    /// Adds an address, to be dialled at once. Adding it again changes nothing.
    pub(super) fn add(&mut self, addr: Address, now: Instant) {
        let state = SlotState::Waiting { until: now };
        let slot = self.slots.entry(addr).or_insert(Slot { state, failures: 0, node: None, sought: false });
        slot.sought = false;
    }

    pub(super) fn remove(&mut self, addr: &Address) -> bool {
        self.slots.remove(addr).is_some()
    }

    /// The next address that is due, as a dial.
    pub(super) fn next_dial(&mut self, now: Instant, timing: &Timing) -> Option<(DialId, Address)> {
        let due = |slot: &Slot| matches!(slot.state, SlotState::Waiting { until } if until <= now);
        let (addr, slot) = self.slots.iter_mut().find(|(_, slot)| due(slot))?;
        self.last_dial += 1;
        let dial = DialId(self.last_dial);
        slot.state = SlotState::Dialling { dial, give_up_at: now + timing.connect_timeout };
        Some((dial, addr.clone()))
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.slots
            .values()
            .filter_map(|slot| match slot.state {
                SlotState::Waiting { until } => Some(until),
                SlotState::Dialling { give_up_at, .. } => Some(give_up_at),
                SlotState::Greeting { .. } | SlotState::Satisfied { .. } | SlotState::Myself => None,
            })
            .min()
    }

    /// Whether this dial was ever asked for.
    pub(super) fn was_asked(&self, dial: DialId) -> bool {
        dial.0 >= 1 && dial.0 <= self.last_dial
    }

    fn slot_of(&self, dial: DialId) -> Option<&Address> {
        let is_it = |slot: &Slot| matches!(slot.state, SlotState::Dialling { dial: own, .. } if own == dial);
        self.slots.iter().find(|(_, slot)| is_it(slot)).map(|(addr, _)| addr)
    }

    /// The dial gave a stream. `None` when nobody waits for it any more.
    pub(super) fn opened(&mut self, dial: DialId, link: LinkId) -> Option<Address> {
        let addr = self.slot_of(dial)?.clone();
        if let Some(slot) = self.slots.get_mut(&addr) {
            slot.state = SlotState::Greeting { link };
        }
        Some(addr)
    }

    /// The dial failed; gives the address and when it is tried again.
    pub(super) fn failed(
        &mut self,
        cx: &mut Cx<'_>,
        timing: &Timing,
        dial: DialId,
    ) -> Option<(Address, Instant)> {
        let addr = self.slot_of(dial)?.clone();
        // One that nobody has configured is dialled no more.
        let until = self.back_off(cx, timing, &addr).unwrap_or(Instant::NEVER);
        Some((addr, until))
    }

    /// Dials that the driver has not answered in time count as failed.
    pub(super) fn give_up_late(
        &mut self,
        cx: &mut Cx<'_>,
        timing: &Timing,
    ) -> Option<(Address, DialFailure, Instant)> {
        let late = |slot: &Slot| matches!(slot.state, SlotState::Dialling { give_up_at, .. } if give_up_at <= cx.now);
        let addr = self.slots.iter().find(|(_, slot)| late(slot)).map(|(addr, _)| addr.clone())?;
        cx.mark("membership.dial_given_up");
        let until = self.back_off(cx, timing, &addr).unwrap_or(Instant::NEVER);
        Some((addr, DialFailure::TimedOut, until))
    }

    fn back_off(&mut self, cx: &mut Cx<'_>, timing: &Timing, addr: &Address) -> Option<Instant> {
        let slot = self.slots.get_mut(addr)?;
        let cap = timing.backoff_min.saturating_mul(1 << slot.failures.min(16)).min(timing.backoff_max);
        slot.failures = slot.failures.saturating_add(1);
        if slot.sought && slot.failures >= SOUGHT_TRIES {
            cx.mark("membership.sought_in_vain");
            self.slots.remove(addr);
            return None;
        }
        let mut until = cx.now + jittered(&mut self.rng, cap);
        if injected!(cx, "redial-forgotten") && slot.failures >= 2 {
            until = Instant::NEVER;
        }
        slot.state = SlotState::Waiting { until };
        Some(until)
    }

    /// The link that an address led to proved to be this node.
    pub(super) fn proved(&mut self, link: LinkId, node: NodeId) {
        for slot in self.slots.values_mut() {
            if slot.state == (SlotState::Greeting { link }) {
                slot.state = SlotState::Satisfied { node };
                slot.node = Some(node);
            }
        }
    }

    /// A link ended before or after its proof.
    pub(super) fn link_closed(&mut self, cx: &mut Cx<'_>, timing: &Timing, link: LinkId, is_self: bool) {
        let state = SlotState::Greeting { link };
        let Some(addr) =
            self.slots.iter().find(|(_, slot)| slot.state == state).map(|(addr, _)| addr.clone())
        else {
            return;
        };
        if is_self {
            cx.mark("membership.address_is_own");
            match self.slots.get_mut(&addr) {
                Some(slot) if slot.sought => {
                    self.slots.remove(&addr);
                }
                Some(slot) => slot.state = SlotState::Myself,
                None => {}
            }
            return;
        }
        self.back_off(cx, timing, &addr);
    }

    /// A node came up, by whatever link: its addresses need not be dialled.
    pub(super) fn node_up(&mut self, node: NodeId) {
        for slot in self.slots.values_mut() {
            if slot.node == Some(node) && matches!(slot.state, SlotState::Waiting { .. }) {
                slot.state = SlotState::Satisfied { node };
            }
        }
    }

    /// A node is gone: its addresses are dialled again, without the memory of failures if it was up for long.
    pub(super) fn node_down(&mut self, cx: &mut Cx<'_>, timing: &Timing, node: NodeId, was_up_for: Duration) {
        let satisfied = SlotState::Satisfied { node };
        self.slots.retain(|_, slot| !(slot.sought && slot.state == satisfied));
        while let Some(addr) =
            self.slots.iter().find(|(_, slot)| slot.state == satisfied).map(|(addr, _)| addr.clone())
        {
            if was_up_for >= timing.backoff_reset_after
                && let Some(slot) = self.slots.get_mut(&addr)
            {
                cx.mark("membership.backoff_reset");
                slot.failures = 0;
            }
            if self.back_off(cx, timing, &addr).is_none() {
                return;
            }
        }
    }

    /// Stops dialling for good.
    pub(super) fn stop(&mut self) {
        self.slots.clear();
    }

    /// Dials everything that waits at once: after a new incarnation nothing of the old failures counts.
    pub(super) fn retry_now(&mut self, now: Instant) {
        for slot in self.slots.values_mut() {
            slot.failures = 0;
            if matches!(slot.state, SlotState::Waiting { .. }) {
                slot.state = SlotState::Waiting { until: now };
            }
        }
    }
}

/// A span drawn evenly from zero to `cap`.
fn jittered(rng: &mut ChaCha8Rng, cap: Duration) -> Duration {
    let cap_nanos = u64::try_from(cap.as_nanos()).unwrap_or(u64::MAX);
    // The high half of a 128-bit product maps 64 random bits to 0..=cap without a bias that would matter.
    let drawn = (u128::from(rng.next_u64()) * (u128::from(cap_nanos) + 1)) >> 64;
    Duration::from_nanos(drawn as u64)
}
