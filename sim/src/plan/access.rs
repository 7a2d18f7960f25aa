//! Who is given tokens, what is taken back, and what is done meanwhile with and without a right.

use super::AccessPlan;
use super::expand::FRESH_TIMEOUT;
use super::work::Ids;
use crate::payload::{self, KEYED_MIN};
use crate::quantity::{Micros, Range};
use crate::random::Random;
use crate::run::{
    ActionKind, AreaRight, Areas, CallItem, EventMode, Flaw, Handler, Header, Item, OverflowRule, Policy,
    PublishItem, RevokeItem, Selection, SubscribeItem, TokenItem,
};

/// Tokens that a node is given in a run: fewer than the 16 that it may show.
const TOKENS_MAX: usize = 12;
/// Calls around the time when a token ends or is taken back.
const RACES: u64 = 4;
/// How far from that time they are.
const RACE_SPAN_US: u64 = 20_000;
/// Places of a subscription's queue: enough for what comes at once.
const QUEUE: usize = 64;
/// How soon after the heal phase everybody is told again what was taken back: every node is there then.
const SETTLES_AFTER: Micros = Micros::from_millis(100);

/// What nodes guard.
pub(super) fn areas(plan: &AccessPlan, nodes: usize, random: &mut Random) -> Areas {
    let count = u32::try_from(plan.areas.draw(random)).unwrap_or(1);
    let unguarded = (0..nodes).filter(|_| plan.unguarded.draw(random)).collect();
    Areas { count, unguarded }
}

/// See [`WorkPlan::Access`](super::WorkPlan::Access).
pub(super) fn expand(
    plan: &AccessPlan,
    header: &Header,
    ids: &mut Ids,
    random: &mut Random,
    items: &mut Vec<Item>,
) {
    let areas = header.areas.as_ref().map_or(0, |areas| areas.count);
    let mut work = Work {
        plan,
        header,
        areas,
        generations: vec![0; areas as usize],
        tokens: vec![0; header.nodes.len()],
        ids,
        random,
        items,
    };
    work.begin();
    work.change();
    work.go_on();
    work.settle();
    work.fresh();
}

struct Work<'a> {
    plan: &'a AccessPlan,
    header: &'a Header,
    areas: u32,
    /// In which generation each issuer signs.
    generations: Vec<u64>,
    /// How many tokens each node was given.
    tokens: Vec<usize>,
    ids: &'a mut Ids,
    random: &'a mut Random,
    items: &'a mut Vec<Item>,
}

impl Work<'_> {
    fn nodes(&self) -> usize {
        self.header.nodes.len()
    }

    fn area(&mut self) -> u32 {
        u32::try_from(self.random.below(self.areas.into())).unwrap_or(0)
    }

    fn node(&mut self) -> usize {
        self.random.index(self.nodes())
    }

    fn begin(&mut self) {
        for node in 0..self.nodes() {
            for area in 0..self.areas {
                if self.plan.entitled.draw(self.random) {
                    let token = self.token(Micros::ZERO, node, area);
                    self.give(token);
                }
                if self.random.below(2) == 0 {
                    self.subscribe(node, area);
                }
            }
        }
    }

    fn subscribe(&mut self, node: usize, area: u32) {
        self.items.push(Item::Subscribe(SubscribeItem {
            t: Micros::ZERO,
            id: self.ids.next(),
            node,
            pattern: payload::area(area),
            group: None,
            queue: QUEUE,
            overflow: OverflowRule::default(),
            work: Micros::ZERO,
        }));
    }

    /// A token that is good for as long as the run lasts, if nobody takes it back.
    fn token(&mut self, t: Micros, node: usize, area: u32) -> TokenItem {
        let rights = if self.random.below(4) == 0 {
            vec![*self.random.pick(&AreaRight::ALL)]
        } else {
            AreaRight::ALL.to_vec()
        };
        let generation = self.generations[area as usize];
        let via = (self.random.below(4) == 0).then(|| self.random.index(self.header.nodes.len()));
        TokenItem { t, node, area, rights, generation, from: None, until: None, via, flaw: None }
    }

    fn give(&mut self, item: TokenItem) {
        let given = &mut self.tokens[item.node];
        if *given < TOKENS_MAX {
            *given += 1;
            self.items.push(Item::Token(item));
        }
    }

    fn change(&mut self) {
        let mut t = Micros::ZERO;
        loop {
            t = t.plus(Micros(self.plan.every.draw(self.random).0.max(1)));
            if t >= self.header.phases.heal {
                return;
            }
            let (node, area) = (self.node(), self.area());
            if self.plan.revoked.draw(self.random) {
                self.revoke(t, node, area);
            } else {
                self.give_some(t, node, area);
            }
        }
    }

    /// A token of one kind or another.
    fn give_some(&mut self, t: Micros, node: usize, area: u32) {
        let mut token = self.token(t, node, area);
        let lasts = Range { low: Micros::from_millis(100), high: Micros::from_millis(3_000) };
        let then = t.plus(lasts.draw(self.random));
        if self.plan.flawed.draw(self.random) {
            let flaw = if self.random.below(2) == 0 { Flaw::Forged } else { Flaw::Stranger };
            token.flaw = Some(flaw);
        } else {
            match self.random.below(4) {
                0 => token.from = Some(then),
                1 | 2 => token.until = Some(then),
                _ => {}
            }
        }
        let bounds = [token.from, token.until];
        self.give(token);
        for bound in bounds.into_iter().flatten().filter(|bound| *bound < self.header.phases.heal) {
            self.race(bound, Some(node), area);
        }
    }

    /// Everything of an area is taken back, and some nodes are given something new.
    fn revoke(&mut self, t: Micros, node: usize, area: u32) {
        self.race(t, None, area);
        let generation = &mut self.generations[area as usize];
        *generation += 1;
        let generation = *generation;
        self.items.push(Item::Revoke(RevokeItem { t, node, area, generation }));
        for holder in 0..self.nodes() {
            if self.plan.entitled.draw(self.random) {
                let later = t.plus(Micros(self.random.below(1_000_000)));
                if later < self.header.phases.heal {
                    let token = self.token(later, holder, area);
                    self.give(token);
                }
            }
        }
    }

    /// Calls around a time, of one node or of any.
    fn race(&mut self, t: Micros, caller: Option<usize>, area: u32) {
        for _ in 0..RACES {
            let around = t.0.saturating_sub(RACE_SPAN_US / 2) + self.random.below(RACE_SPAN_US);
            let from = caller.unwrap_or_else(|| self.random.index(self.header.nodes.len()));
            let around = Micros(around.clamp(1, self.header.phases.heal.0));
            self.call(around, from, area);
        }
    }

    fn go_on(&mut self) {
        let rate = self.plan.rate.draw(self.random).max(1);
        let mut t = Micros::ZERO;
        loop {
            t = t.plus(Micros(self.random.below(2_000_000 / rate + 1).max(1)));
            if t > self.header.phases.heal {
                return;
            }
            let (node, area) = (self.node(), self.area());
            if self.plan.event.draw(self.random) {
                self.publish(t, node, area);
            } else {
                self.call(t, node, area);
            }
        }
    }

    fn call(&mut self, t: Micros, from: usize, area: u32) {
        let to = self.node();
        let left = Micros((self.header.phases.fresh.0 - t.0).max(1));
        let patience = Range { low: Micros::from_millis(1_000), high: Micros::from_millis(5_000) };
        let timeout = patience.draw(self.random).min(left);
        let after = Range { low: Micros::ZERO, high: Micros::from_millis(30) }.draw(self.random);
        self.push_call(t, (from, to), area, timeout, after);
    }

    fn push_call(
        &mut self,
        t: Micros,
        (from, to): (usize, usize),
        area: u32,
        timeout: Micros,
        after: Micros,
    ) {
        let size = KEYED_MIN + self.random.below(200);
        let handler = Handler::Reply { after, size: self.random.below(200) };
        self.items.push(Item::Call(CallItem {
            t,
            id: self.ids.next(),
            from,
            to: Some(to),
            action: ActionKind::Area(area),
            select: Selection::default(),
            policy: Policy::default(),
            stream: None,
            size,
            timeout,
            handler,
        }));
    }

    fn publish(&mut self, t: Micros, node: usize, area: u32) {
        let (id, size) = (self.ids.next(), KEYED_MIN + self.random.below(200));
        let (topic, mode) = (payload::area(area), EventMode::All);
        self.items.push(Item::Publish(PublishItem { t, id, node, topic, size, mode }));
    }

    /// Once every node is there, it is said again what was taken back, and some are given something new.
    fn settle(&mut self) {
        let t = self.header.phases.heal.plus(SETTLES_AFTER);
        for area in 0..self.areas {
            let generation = self.generations[area as usize];
            if generation > 0 {
                let node = self.node();
                self.items.push(Item::Revoke(RevokeItem { t, node, area, generation }));
            }
            for node in 0..self.nodes() {
                if self.random.below(4) == 0 {
                    let token = self.token(t, node, area);
                    self.give(token);
                }
            }
        }
    }

    /// Each node calls some others, and publishes.
    fn fresh(&mut self) {
        let t = self.header.phases.fresh;
        for node in 0..self.nodes() {
            for area in 0..self.areas {
                for _ in 0..2 {
                    let to = self.node();
                    self.push_call(t, (node, to), area, FRESH_TIMEOUT, Micros::ZERO);
                }
                self.publish(t, node, area);
            }
        }
    }
}
