//! What is known of whom calls with a policy go to.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::time::Duration;

use super::breaker::{Answer, Breaker, Settings, Verdict};
use super::budget::Budget;
use crate::code::{Code, Error, Kind};
use crate::delivery::CallPolicy;
use crate::identity::NodeId;
use crate::machine::{Cx, injected};
use crate::time::Instant;
use crate::wire::path::ActionPath;

/// A node and an action of it; no node where it is being asked who serves the action.
pub(super) type Key = (Option<NodeId>, Arc<ActionPath>);

#[derive(Debug)]
struct Target {
    in_flight: usize,
    probes: usize,
    breaker: Breaker,
    budget: Budget,
}

impl Target {
    fn is_forgettable(&self, now: Instant, settings: &Settings) -> bool {
        self.in_flight == 0 && self.breaker.is_forgettable(now, settings) && self.budget.is_full(now)
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct Targets {
    known: BTreeMap<Key, Target>,
    most: usize,
    settings: Settings,
}

impl Targets {
    pub(super) fn new(most: usize, settings: Settings) -> Self {
        Self { known: BTreeMap::new(), most, settings }
    }

    /// The target, made if it is not known. `None` where there are too many that are worth knowing.
    fn entry(&mut self, cx: &mut Cx<'_>, key: &Key) -> Option<&mut Target> {
        if !self.known.contains_key(key) {
            if self.known.len() >= self.most {
                let settings = &self.settings;
                self.known.retain(|_, target| !target.is_forgettable(cx.now, settings));
            }
            if self.known.len() >= self.most {
                cx.count("resilience.targets_full");
                return None;
            }
            let target = Target {
                in_flight: 0,
                probes: 0,
                breaker: Breaker::new(cx.now),
                budget: Budget::new(cx.now),
            };
            self.known.insert(key.clone(), target);
        }
        self.known.get_mut(key)
    }

    /// Whether an attempt may go there.
    pub(super) fn check(&self, cx: &mut Cx<'_>, key: &Key, policy: &CallPolicy) -> Result<(), Error> {
        let Some(target) = self.known.get(key) else { return Ok(()) };
        if policy.bulkhead.is_some_and(|most| target.in_flight >= most) && !injected!(cx, "bulkhead-ignored")
        {
            cx.count("resilience.bulkhead_full");
            let text = alloc::format!("{} attempts to this node are under way, the limit", target.in_flight);
            return Err(Error::new(Code::Backpressure, text));
        }
        match target.breaker.ask(cx.now, &self.settings) {
            Answer::Refused(wait) if policy.breaker => {
                if injected!(cx, "breaker-probes-twice") && target.probes == 1 {
                    return Ok(());
                }
                cx.count("resilience.breaker_refused");
                let error =
                    Error::of_kind(Kind::Unstable, "calls to this node fail, and none is made for a while");
                Err(error.with_retry_after_ms(millis(wait)))
            }
            Answer::Pass | Answer::Probe | Answer::Refused(_) => Ok(()),
        }
    }

    /// An attempt goes there. `true` where it is the probe.
    pub(super) fn begin(&mut self, cx: &mut Cx<'_>, key: &Key, policy: &CallPolicy, first: bool) -> bool {
        let settings = self.settings;
        let Some(target) = self.entry(cx, key) else { return false };
        target.in_flight += 1;
        if first {
            target.budget.earn(cx.now);
        }
        let again = injected!(cx, "breaker-probes-twice") && target.probes == 1;
        let probe = policy.breaker && (target.breaker.ask(cx.now, &settings) == Answer::Probe || again);
        if probe {
            cx.mark("resilience.breaker_probes");
            target.breaker.probe_begins();
            target.probes += 1;
        }
        probe
    }

    /// An attempt that went to `key` has ended, at `met` if that was found out only later.
    pub(super) fn ended(&mut self, cx: &mut Cx<'_>, key: &Key, met: &Key, verdict: Verdict, probe: bool) {
        let settings = self.settings;
        if let Some(target) = self.known.get_mut(key) {
            target.in_flight = target.in_flight.saturating_sub(1);
            target.probes -= usize::from(probe);
        }
        let judge = |targets: &mut Self, cx: &mut Cx<'_>, key: &Key, verdict, probe| {
            let Some(target) = targets.entry(cx, key) else { return };
            if target.breaker.ended(cx.now, verdict, probe, &settings) {
                cx.count("resilience.breaker_opened");
            }
        };
        if key == met {
            judge(self, cx, key, verdict, probe);
        } else {
            // Somebody was found, and then did well or not.
            judge(self, cx, key, Verdict::Good, probe);
            judge(self, cx, met, verdict, false);
        }
    }

    /// Whether one more attempt may be made because of one that went there.
    pub(super) fn spend(&mut self, cx: &mut Cx<'_>, key: &Key) -> bool {
        let enough = self.entry(cx, key).is_some_and(|target| target.budget.spend(cx.now));
        if !enough {
            cx.count("resilience.budget_spent");
        }
        enough || injected!(cx, "retry-unbudgeted")
    }

    pub(super) fn gauges(&self, gauge: &mut impl FnMut(&'static str, usize, usize, bool)) {
        gauge("resilience.targets", self.known.len(), self.most, false);
        let probes = self.known.values().map(|target| target.probes).max().unwrap_or(0);
        gauge("resilience.probes_per_target", probes, 1, true);
        let in_flight = self.known.values().map(|target| target.in_flight).sum();
        gauge("resilience.attempts_to_targets", in_flight, usize::MAX, true);
    }
}

fn millis(wait: Duration) -> Option<u32> {
    u32::try_from(wait.as_millis().max(1)).ok()
}
