//! What calls with a policy get besides being made once: retries, hedges, breakers, bulkheads, and answers from everybody.
//!
//! A machine between the application and `delivery`. To delivery an attempt is a call like any other, with a number of its own; here
//! a call is one operation whose attempts come and go, and which ends once. Calls without a policy never come by. It is a machine of
//! its own because every attempt chooses its node anew, from what the directory and the routes say by then, which no part of
//! delivery knows.

mod breaker;
mod budget;
mod plan;
mod target;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

use self::breaker::{Settings, Verdict};
pub(crate) use self::plan::Order;
use self::plan::Plan;
use self::target::{Key, Targets};
use crate::code::{Code, Error};
use crate::config::Config;
use crate::delivery::selector::CHOICES_MAX;
use crate::delivery::{OpId, Payload, Retry, Target};
use crate::identity::NodeId;
use crate::machine::{Cx, Machine, injected};
use crate::time::Instant;

/// Most providers that one call asks.
pub(crate) const GATHER_MAX: usize = 256;

/// Who has answered what.
pub(crate) type Answers = Vec<(NodeId, Result<Payload, Error>)>;

/// Why an attempt is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It is the first.
    First,
    /// The one before has failed.
    Retry,
    /// Whoever was asked certainly did not take the call.
    Elsewhere,
    /// The answer takes long.
    Hedge,
}

/// What it is told.
#[derive(Debug)]
pub(crate) enum In {
    /// A call begins.
    Start { op: OpId, order: Order },
    /// An attempt has ended, at `node` where that is known.
    Ended { attempt: OpId, node: Option<NodeId>, result: Result<Payload, Error> },
    /// The application waits no longer.
    Cancel { op: OpId },
    /// Make no more attempts.
    Stop,
}

/// What it gives.
#[derive(Debug)]
pub(crate) enum Out {
    /// Make an attempt of this call.
    Attempt { op: OpId, next: Next },
    /// Cancel an attempt.
    Cancel { attempt: OpId },
    /// What everybody has answered.
    Gathered { op: OpId, answers: Answers },
    /// A call has its outcome.
    Done { op: OpId, began: Instant, result: Result<Payload, Error> },
}

/// An attempt that is under way.
#[derive(Debug)]
struct Attempt {
    plan: u64,
    key: Key,
    probe: bool,
}

/// The machine.
#[derive(Debug)]
pub(crate) struct Resilience {
    config: Arc<Config>,
    stopping: bool,
    plans: BTreeMap<u64, Plan>,
    attempts: BTreeMap<u64, Attempt>,
    wakes: BTreeSet<(Instant, u64)>,
    targets: Targets,
    rng: ChaCha8Rng,
    out: VecDeque<Out>,
}

impl Resilience {
    pub(crate) fn new(config: Arc<Config>, rng: ChaCha8Rng) -> Self {
        let settings = Settings {
            failures: config.limits.breaker_failures,
            window: config.timing.breaker_window,
            open: config.timing.breaker_open,
        };
        let targets = Targets::new(config.limits.call_targets_max, settings);
        Self {
            config,
            stopping: false,
            plans: BTreeMap::new(),
            attempts: BTreeMap::new(),
            wakes: BTreeSet::new(),
            targets,
            rng,
            out: VecDeque::new(),
        }
    }

    // --- what the engine asks while it makes an attempt

    /// Whether another call with a policy may begin.
    pub(crate) fn check_room(&self, cx: &mut Cx<'_>) -> Result<(), Error> {
        let limit = self.config.limits.policy_calls_max;
        if self.plans.len() < limit {
            return Ok(());
        }
        cx.count("resilience.calls_full");
        Err(Error::new(Code::Backpressure, alloc::format!("{limit} calls with a policy are open, the limit")))
    }

    /// Whether this operation is a call with a policy that is open.
    pub(crate) fn is_open(&self, op: OpId) -> bool {
        self.plans.contains_key(&op.0)
    }

    /// Whether this operation of delivery is an attempt of such a call.
    pub(crate) fn is_attempt(&self, op: OpId) -> bool {
        !self.attempts.is_empty() && self.attempts.contains_key(&op.0)
    }

    /// Whether no such call is open.
    pub(crate) fn is_idle(&self) -> bool {
        self.plans.is_empty()
    }

    /// What to call.
    pub(crate) fn order(&self, op: OpId) -> Option<&Order> {
        self.plans.get(&op.0).map(|plan| &plan.order)
    }

    /// Which of the nodes gets the attempt; nobody where nobody is known. `Err(None)` where there is nobody left to turn to.
    pub(crate) fn pick(
        &mut self,
        cx: &mut Cx<'_>,
        op: OpId,
        next: Next,
        nodes: &[NodeId],
    ) -> Result<Option<NodeId>, Option<Error>> {
        let Some(plan) = self.plans.get(&op.0) else { return Err(None) };
        let mut refusal = None;
        let candidates: Vec<Option<NodeId>> = match nodes {
            [] if next == Next::Elsewhere => Vec::new(),
            [] => alloc::vec![None],
            nodes => plan.preferred(nodes, next).into_iter().map(Some).collect(),
        };
        for node in candidates {
            let key = (node, plan.order.action.clone());
            match self.targets.check(cx, &key, &plan.order.policy) {
                Ok(()) => return Ok(node),
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        Err(refusal)
    }

    /// Whether one of those that everybody is asked of may be asked.
    pub(crate) fn may_ask(&self, cx: &mut Cx<'_>, order: &Order, node: NodeId) -> Result<(), Error> {
        self.targets.check(cx, &(Some(node), order.action.clone()), &order.policy)
    }

    /// An attempt has begun.
    pub(crate) fn began(
        &mut self,
        cx: &mut Cx<'_>,
        op: OpId,
        next: Next,
        attempt: OpId,
        node: Option<NodeId>,
    ) {
        let Some(plan) = self.plans.get_mut(&op.0) else { return };
        let key = (node, plan.order.action.clone());
        let probe = self.targets.begin(cx, &key, &plan.order.policy, next == Next::First);
        self.attempts.insert(attempt.0, Attempt { plan: op.0, key, probe });
        plan.live.push(attempt);
        plan.tried.extend(node.filter(|node| !plan.tried.contains(node)));
        match next {
            Next::First | Next::Retry => plan.attempts += 1,
            Next::Elsewhere => cx.mark("resilience.went_elsewhere"),
            Next::Hedge => cx.count("resilience.hedged"),
        }
        if next == Next::Retry {
            cx.count("resilience.retried");
        }
        self.plan_hedge(cx.now, op);
    }

    /// An attempt could not be made. Without an error there was nobody left to turn to.
    pub(crate) fn refused(
        &mut self,
        cx: &mut Cx<'_>,
        op: OpId,
        next: Next,
        node: Option<NodeId>,
        error: Option<Error>,
    ) {
        let Some(plan) = self.plans.get_mut(&op.0) else { return };
        if let (Some(answers), Some(node)) = (&mut plan.answers, node) {
            if let Some(error) = error {
                answers.push((node, Err(error)));
            }
            return;
        }
        if matches!(next, Next::First | Next::Retry) {
            plan.attempts += 1;
        }
        if let Some(error) = error {
            plan.failure = Some((error, (node, plan.order.action.clone())));
        }
        plan.exhausted |= next == Next::Elsewhere;
        if next == Next::Hedge {
            // It was tried, and there is no other to ask.
            plan.hedges_left = 0;
        }
        if plan.live.is_empty() {
            self.after_failure(cx, op);
        }
    }

    /// Everybody is being asked from now on.
    pub(crate) fn asks_everybody(&mut self, op: OpId) {
        if let Some(plan) = self.plans.get_mut(&op.0) {
            plan.is_asking = true;
        }
    }

    /// Everybody has been asked.
    pub(crate) fn asked_everybody(&mut self, op: OpId) {
        let Some(plan) = self.plans.get_mut(&op.0) else { return };
        plan.is_asking = false;
        if plan.live.is_empty() {
            self.finish_gathering(op);
        }
    }

    pub(crate) fn gauges(&self, gauge: &mut impl FnMut(&'static str, usize, usize, bool)) {
        let limits = &self.config.limits;
        gauge("resilience.calls", self.plans.len(), limits.policy_calls_max, true);
        let attempts_max = limits.policy_calls_max.saturating_mul(GATHER_MAX);
        gauge("resilience.attempts", self.attempts.len(), attempts_max, true);
        gauge("resilience.timers", self.wakes.len(), limits.policy_calls_max, true);
        self.targets.gauges(gauge);
    }

    // --- the life of a call

    fn attempt_ended(
        &mut self,
        cx: &mut Cx<'_>,
        attempt: OpId,
        node: Option<NodeId>,
        result: Result<Payload, Error>,
    ) {
        let Some(Attempt { plan: op, key, probe }) = self.attempts.remove(&attempt.0) else { return };
        let met = (node.or(key.0), key.1.clone());
        self.targets.ended(cx, &key, &met, verdict(&result), probe);
        let Some(plan) = self.plans.get_mut(&op) else { return };
        plan.live.retain(|live| *live != attempt);
        plan.maybe_executed |= result.as_ref().map_or_else(Error::maybe_executed, |_| true);
        plan.tried.extend(met.0.filter(|node| !plan.tried.contains(node)));
        let op = OpId(op);
        if plan.ending.is_some() {
            if plan.live.is_empty() {
                self.finish_ending(op);
            }
            return;
        }
        if let Some(answers) = &mut plan.answers {
            // Who was being looked for and not found has no name.
            match (met.0, result) {
                (Some(node), result) => answers.push((node, result)),
                (None, Err(error)) => plan.failure = Some((error, met)),
                (None, Ok(_)) => {}
            }
            let failed = answers.iter().any(|(_, answer)| answer.is_err());
            if failed && injected!(cx, "gather-ends-with-first-error") {
                answers.retain(|(_, answer)| answer.is_err());
                plan.live.clear();
            }
            if plan.live.is_empty() && !plan.is_asking {
                self.finish_gathering(op);
            }
            return;
        }
        match result {
            Ok(answer) => self.finish(cx, op, Ok(answer)),
            Err(error) => {
                plan.failure = Some((error, met));
                if plan.live.is_empty() {
                    self.after_failure(cx, op);
                }
            }
        }
    }

    /// The last attempt has failed, and none is under way: somebody else is asked, or it is tried again, or this is the outcome.
    fn after_failure(&mut self, cx: &mut Cx<'_>, op: OpId) {
        let Some(plan) = self.plans.get_mut(&op.0) else { return };
        let Some((error, key)) = plan.failure.clone() else {
            let error = Error::new(Code::NotFound, "nobody is left to call");
            return self.finish(cx, op, Err(error));
        };
        if let Some((at, _)) = plan.wake.take() {
            self.wakes.remove(&(at, op.0));
        }
        let may_go_on = !self.stopping && cx.now < plan.order.deadline;
        let unexecuted = !(plan.maybe_executed || error.maybe_executed());
        let elsewhere = matches!(error.code(), Code::NotFound | Code::Unavailable)
            && unexecuted
            && !plan.exhausted
            && plan.tried.len() < CHOICES_MAX
            && !matches!(plan.order.target, Target::Node(_));
        if may_go_on && elsewhere {
            return self.out.push_back(Out::Attempt { op, next: Next::Elsewhere });
        }
        plan.exhausted = false;
        let allowed = unexecuted || plan.order.policy.idempotent || injected!(cx, "retry-though-executed");
        let worth_it = may_go_on && allowed && error.code().retryable();
        if worth_it && plan.hedges_left > 0 && self.targets.spend(cx, &key) {
            plan.hedges_left -= 1;
            return self.out.push_back(Out::Attempt { op, next: Next::Hedge });
        }
        let Some(retry) = plan.order.policy.retry.filter(|retry| worth_it && plan.attempts < retry.attempts)
        else {
            return self.finish(cx, op, Err(error));
        };
        let asked_for = Duration::from_millis(error.retry_after_ms().unwrap_or(0).into());
        let at = cx.now + pause(&retry, plan.attempts, &mut self.rng).max(asked_for);
        if at >= plan.order.deadline {
            cx.mark("resilience.no_time_to_retry");
            return self.finish(cx, op, Err(error));
        }
        if !self.targets.spend(cx, &key) {
            return self.finish(cx, op, Err(error));
        }
        plan.wake = Some((at, Next::Retry));
        self.wakes.insert((at, op.0));
    }

    /// Sees to it that somebody else is asked if the answer takes long.
    fn plan_hedge(&mut self, now: Instant, op: OpId) {
        let Some(plan) = self.plans.get_mut(&op.0) else { return };
        let Some(hedge) = plan.order.policy.hedge.filter(|_| plan.hedges_left > 0) else { return };
        let at = now + hedge.delay;
        if at < plan.order.deadline && plan.wake.is_none() {
            plan.wake = Some((at, Next::Hedge));
            self.wakes.insert((at, op.0));
        }
    }

    fn woken(&mut self, cx: &mut Cx<'_>, op: OpId) {
        let Some(plan) = self.plans.get_mut(&op.0) else { return };
        let Some((_, next)) = plan.wake.take() else { return };
        if next == Next::Hedge {
            let first = plan.live.first().and_then(|attempt| self.attempts.get(&attempt.0));
            let Some(key) = first.map(|attempt| attempt.key.clone()) else { return };
            if !injected!(cx, "hedge-uncounted") {
                plan.hedges_left -= 1;
            }
            if !self.targets.spend(cx, &key) {
                plan.hedges_left = 0;
                return;
            }
        }
        self.out.push_back(Out::Attempt { op, next });
    }

    fn cancel(&mut self, cx: &mut Cx<'_>, op: OpId) {
        if self.is_open(op) {
            cx.mark("resilience.cancelled");
            self.finish(cx, op, Err(Error::new(Code::Cancelled, "")));
        }
    }

    /// Makes no more attempts: what waits to be tried again has its outcome.
    fn stop(&mut self, cx: &mut Cx<'_>) {
        self.stopping = true;
        let waiting: Vec<u64> =
            self.plans.iter().filter(|(_, plan)| plan.live.is_empty()).map(|(op, _)| *op).collect();
        for op in waiting {
            let failure = self.plans.get(&op).and_then(|plan| plan.failure.clone());
            if let Some((error, _)) = failure {
                self.finish(cx, OpId(op), Err(error));
            }
        }
    }

    /// Ends a call. An error waits for the end of the attempts that are under way: they know whether they were executed.
    fn finish(&mut self, cx: &mut Cx<'_>, op: OpId, result: Result<Payload, Error>) {
        let Some(plan) = self.plans.get_mut(&op.0) else { return };
        if let Some((at, _)) = plan.wake.take() {
            self.wakes.remove(&(at, op.0));
        }
        for attempt in &plan.live {
            cx.mark("resilience.loser_cancelled");
            if !injected!(cx, "hedge-loser-kept") {
                self.out.push_back(Out::Cancel { attempt: *attempt });
            }
        }
        match result {
            Ok(answer) => {
                let began = plan.order.began;
                self.plans.remove(&op.0);
                self.out.push_back(Out::Done { op, began, result: Ok(answer) });
            }
            Err(error) => {
                plan.ending = Some(error);
                if plan.live.is_empty() {
                    self.finish_ending(op);
                }
            }
        }
    }

    fn finish_ending(&mut self, op: OpId) {
        let Some(plan) = self.plans.remove(&op.0) else { return };
        let Some(error) = plan.ending else { return };
        let executed = plan.maybe_executed || error.maybe_executed();
        let began = plan.order.began;
        self.out.push_back(Out::Done { op, began, result: Err(error.executed_perhaps(executed)) });
    }

    /// Everybody has answered, or their time is over. One success is a success.
    fn finish_gathering(&mut self, op: OpId) {
        let Some(plan) = self.plans.remove(&op.0) else { return };
        let answers = plan.answers.unwrap_or_default();
        let first = answers.iter().find_map(|(_, result)| result.as_ref().err()).cloned();
        let result = if answers.iter().any(|(_, result)| result.is_ok()) {
            Ok(Payload::default())
        } else {
            let error = first.or(plan.failure.map(|(error, _)| error));
            let error = error.unwrap_or_else(|| Error::new(Code::NotFound, "nobody was there to be asked"));
            Err(error.executed_perhaps(plan.maybe_executed))
        };
        if !answers.is_empty() {
            self.out.push_back(Out::Gathered { op, answers });
        }
        self.out.push_back(Out::Done { op, began: plan.order.began, result });
    }
}

impl Machine for Resilience {
    type In = In;
    type Out = Out;

    fn handle(&mut self, cx: &mut Cx<'_>, input: In) {
        match input {
            In::Start { op, order } => {
                self.plans.insert(op.0, Plan::new(order));
                self.out.push_back(Out::Attempt { op, next: Next::First });
            }
            In::Ended { attempt, node, result } => self.attempt_ended(cx, attempt, node, result),
            In::Cancel { op } => self.cancel(cx, op),
            In::Stop => self.stop(cx),
        }
    }

    fn poll(&mut self) -> Option<Out> {
        self.out.pop_front()
    }

    fn timeout(&self) -> Option<Instant> {
        self.wakes.first().map(|(at, _)| *at)
    }

    fn on_timeout(&mut self, cx: &mut Cx<'_>) {
        while let Some((at, op)) = self.wakes.first().copied() {
            if at > cx.now {
                return;
            }
            self.wakes.pop_first();
            self.woken(cx, OpId(op));
        }
    }
}

/// What an attempt's end says of the node.
fn verdict(result: &Result<Payload, Error>) -> Verdict {
    match result.as_ref().map_err(Error::code) {
        Err(Code::Cancelled | Code::Backpressure) => Verdict::None,
        Err(Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted | Code::Internal) => {
            Verdict::Bad
        }
        Ok(_) | Err(_) => Verdict::Good,
    }
}

/// How long to wait before the attempt after `made` of them: anything up to a bound that doubles each time ("full jitter").
fn pause(retry: &Retry, made: u32, rng: &mut ChaCha8Rng) -> Duration {
    let doublings = made.saturating_sub(1).min(31);
    let bound = retry.base.saturating_mul(1 << doublings).min(retry.max);
    let bound = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
    // The high half of a 128-bit product maps 64 random bits to the range without a bias that would matter.
    let drawn = (u128::from(rng.next_u64()) * (u128::from(bound) + 1)) >> 64;
    Duration::from_nanos(u64::try_from(drawn).unwrap_or(u64::MAX))
}
