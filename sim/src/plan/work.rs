//! What the applications of a run do.

use super::CallPlan;
use crate::payload::KEYED_MIN;
use crate::quantity::{Micros, Range, Ratio};
use crate::random::Random;
use crate::run::{ActionKind, CallItem, CancelItem, Handler, Header, Item, Policy, Selection};

/// Deepest chain of handlers that call on, as in A -> B -> A -> B -> A.
const NESTING_MAX: u64 = 4;
const APPLICATION_CODE_MIN: u16 = 0x8000;
/// How long an answer may take until somebody else is asked.
const HEDGE_MIN: Micros = Micros::from_millis(50);
const HEDGE_MAX: Micros = Micros::from_millis(200);
/// How long answers of everybody are collected at most.
const GATHER_WITHIN_MAX: Micros = Micros::from_millis(600);
/// Calls that a bulkhead lets through at most.
const BULKHEAD_MAX: u64 = 4;

/// Numbers operations.
#[derive(Debug, Default)]
pub(super) struct Ids(u64);

impl Ids {
    pub(super) fn next(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

pub(super) fn expand(
    plan: &CallPlan,
    pools: u32,
    header: &Header,
    ids: &mut Ids,
    random: &mut Random,
    items: &mut Vec<Item>,
) {
    let rate = plan.rate.draw(random);
    // Calls end before the links are asked to be back.
    let last = header.phases.heal;
    let mut t = Micros::ZERO;
    loop {
        let burst = plan.burst.draw(random);
        let pause = 2 * burst * 1_000_000 / rate;
        t = t.plus(Micros(random.below(pause + 1).max(1)));
        if t > last {
            return;
        }
        let from = random.index(header.nodes.len());
        for _ in 0..burst {
            call(plan, pools, header, (t, from), ids, random, items);
        }
    }
}

fn call(
    plan: &CallPlan,
    pools: u32,
    header: &Header,
    (t, from): (Micros, usize),
    ids: &mut Ids,
    random: &mut Random,
    items: &mut Vec<Item>,
) {
    let nodes = header.nodes.len();
    let timeout = plan.timeout.draw(random).min(longest(header, t));
    let to = if plan.own.draw(random) { from } else { other(plan.far, header, from, random) };
    let to = if plan.anybody.draw(random) { None } else { Some(to) };
    let (id, select, stream) = (ids.next(), Selection::default(), None);
    let action = if plan.unknown.draw(random) { ActionKind::Unknown } else { ActionKind::Served };
    let size = size(plan, random);
    let provider = to.unwrap_or_else(|| usize::try_from(id % nodes as u64).unwrap_or(0));
    if plan.pool.draw(random) && pools > 0 {
        let to = to.filter(|_| random.below(4) == 0);
        let (action, size) = (pool(pools, random), size.max(KEYED_MIN));
        let handler = plain_handler(plan, random);
        let policy = policy(plan, (action, &handler), random);
        items.push(Item::Call(CallItem {
            t,
            id,
            from,
            to,
            action,
            select,
            policy,
            stream,
            size,
            timeout,
            handler,
        }));
        return cancel_perhaps(plan, (t, id), timeout, random, items);
    }
    let handler = handler(plan, (from, provider), timeout, ids, random);
    let policy = policy(plan, (action, &handler), random);
    items.push(Item::Call(CallItem {
        t,
        id,
        from,
        to,
        action,
        select,
        policy,
        stream,
        size,
        timeout,
        handler,
    }));
    cancel_perhaps(plan, (t, id), timeout, random, items);
}

/// What is done for a call, where anything is. Nobody would end a cast whose handler does not end by itself; and an operation of a
/// handler happens once.
fn policy(plan: &CallPlan, (action, handler): (ActionKind, &Handler), random: &mut Random) -> Policy {
    let (cast, more) = (plan.cast.draw(random), plan.policy.draw(random));
    if action == ActionKind::Unknown || matches!(handler, Handler::Call { .. }) {
        return Policy::default();
    }
    if cast && !matches!(handler, Handler::Never) {
        return Policy { cast: true, acknowledged: random.below(2) == 0, ..Policy::default() };
    }
    if !more {
        return Policy::default();
    }
    let idempotent = random.below(2) == 0;
    let delay = Range { low: HEDGE_MIN, high: HEDGE_MAX };
    let hedge = (idempotent && random.below(2) == 0).then(|| delay.draw(random));
    let (retry, breaker) = (random.below(3) > 0, random.below(3) == 0);
    let bulkhead = (random.below(4) == 0).then(|| 1 + random.below(BULKHEAD_MAX));
    let policy = Policy { idempotent, retry, hedge, breaker, bulkhead, ..Policy::default() };
    if random.below(6) > 0 {
        return policy;
    }
    let within = Range { low: HEDGE_MIN, high: GATHER_WITHIN_MAX }.draw(random);
    Policy { retry: false, hedge: None, gather: Some(within), ..policy }
}

fn pool(pools: u32, random: &mut Random) -> ActionKind {
    ActionKind::Pool(u32::try_from(random.below(pools.into())).unwrap_or(0))
}

fn cancel_perhaps(
    plan: &CallPlan,
    (t, id): (Micros, u64),
    timeout: Micros,
    random: &mut Random,
    items: &mut Vec<Item>,
) {
    if plan.cancelled.draw(random) {
        let after = Range { low: Micros(0), high: timeout }.draw(random);
        items.push(Item::Cancel(CancelItem { t: t.plus(after), id }));
    }
}

/// The longest that a call begun at `t` may take, so that it is over in the fresh phase.
pub(super) fn longest(header: &Header, t: Micros) -> Micros {
    Micros((header.phases.fresh.0 - t.0).max(1))
}

/// Somebody who should be linked; as often as the plan says, anybody.
pub(super) fn other(far: Ratio, header: &Header, from: usize, random: &mut Random) -> usize {
    let of = |[one, other]: &[usize; 2]| match (*one == from, *other == from) {
        (true, _) => Some(*other),
        (_, true) => Some(*one),
        (false, false) => None,
    };
    let neighbours: Vec<usize> = header.dials.iter().filter_map(of).collect();
    if neighbours.is_empty() || far.draw(random) {
        random.index(header.nodes.len())
    } else {
        *random.pick(&neighbours)
    }
}

fn size(plan: &CallPlan, random: &mut Random) -> u64 {
    let total: u64 = plan.size.iter().map(|class| u64::from(class.weight)).sum();
    let mut drawn = random.below(total);
    for class in &plan.size {
        let weight = u64::from(class.weight);
        if drawn < weight {
            return class.bytes.draw(random);
        }
        drawn -= weight;
    }
    plan.size.last().map_or(0, |class| class.bytes.low)
}

fn handler(
    plan: &CallPlan,
    (from, to): (usize, usize),
    timeout: Micros,
    ids: &mut Ids,
    random: &mut Random,
) -> Handler {
    let mut handler = plain_handler(plan, random);
    if plan.nested.draw(random) {
        // Back and forth between the two, the innermost first.
        let depth = 1 + random.below(NESTING_MAX);
        for level in (0..depth).rev() {
            let to = if level % 2 == 0 { from } else { to };
            handler = Handler::Call {
                id: ids.next(),
                to,
                size: size(plan, random),
                timeout,
                handler: Box::new(handler),
            };
        }
    }
    handler
}

fn plain_handler(plan: &CallPlan, random: &mut Random) -> Handler {
    let after = plan.work.draw(random);
    if plan.hangs.draw(random) {
        Handler::Never
    } else if plan.fails.draw(random) {
        let code = APPLICATION_CODE_MIN + u16::try_from(random.below(100)).unwrap_or(0);
        Handler::Fail { after, code }
    } else {
        Handler::Reply { after, size: size(plan, random) }
    }
}

/// Small calls, once everything should be back: one in each direction of each link, one from each node to any other, one to
/// each pool, and one to an action that nobody serves.
pub(super) fn fresh(
    header: &Header,
    pools: u32,
    timeout: Micros,
    ids: &mut Ids,
    random: &mut Random,
) -> Vec<Item> {
    let nodes = header.nodes.len();
    let mut pairs: Vec<(usize, usize)> = header.dials.iter().map(|[from, to]| (*from, *to)).collect();
    pairs.extend(header.dials.iter().map(|[from, to]| (*to, *from)));
    pairs.extend((0..nodes).map(|from| (from, random.index(nodes))));
    pairs.sort_unstable();
    pairs.dedup();
    let mut calls: Vec<(usize, Option<usize>, ActionKind)> =
        pairs.into_iter().map(|(from, to)| (from, Some(to), ActionKind::Served)).collect();
    calls.extend((0..pools).map(|pool| (random.index(nodes), None, ActionKind::Pool(pool))));
    calls.push((random.index(nodes), None, ActionKind::Unknown));
    let mut call = |(from, to, action)| {
        let id = ids.next();
        let handler = Handler::Reply { after: Micros::ZERO, size: 1 + random.below(2_000) };
        let size = KEYED_MIN + random.below(2_000);
        let (t, select) = (header.phases.fresh, Selection::default());
        let (policy, stream) = (Policy::default(), None);
        Item::Call(CallItem { t, id, from, to, action, select, policy, stream, size, timeout, handler })
    };
    calls.into_iter().map(&mut call).collect()
}
