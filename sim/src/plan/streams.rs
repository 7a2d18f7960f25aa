//! The streams of a run.

use serde::Deserialize;

use super::never;
use super::work::{Ids, longest, other};
use crate::payload::KEYED_MIN;
use crate::quantity::{Micros, Range, Ratio};
use crate::random::Random;
use crate::run::{
    ActionKind, CallItem, CancelItem, Handler, Header, Item, Policy, Selection, Sends, Shape, StreamSpec,
};

/// Streams of every shape between random nodes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamPlan {
    /// Streams a second, of all nodes together.
    pub rate: Range<u64>,
    /// How many messages go each way, and of which size.
    pub messages: Vec<WeightedMessages>,
    /// How long callers wait.
    pub timeout: Range<Micros>,
    /// For how long nothing may move.
    pub idle: Range<Micros>,
    /// How likely there is no other time limit.
    #[serde(default = "never")]
    pub endless: Ratio,
    /// How long senders pause after each message, and how likely they do.
    #[serde(default = "at_once")]
    pub every: Range<Micros>,
    /// See `every`.
    #[serde(default = "never")]
    pub paced: Ratio,
    /// How long receivers pause after each message, and how likely they do.
    #[serde(default = "at_once")]
    pub taken_every: Range<Micros>,
    /// See `taken_every`.
    #[serde(default = "never")]
    pub slow: Ratio,
    /// How long handlers work when everything has gone through.
    pub work: Range<Micros>,
    /// How likely a handler fails.
    #[serde(default = "never")]
    pub fails: Ratio,
    /// How likely a handler does not answer.
    #[serde(default = "never")]
    pub hangs: Ratio,
    /// How likely a handler answers before everything has gone through.
    #[serde(default = "never")]
    pub early: Ratio,
    /// How likely the caller has enough before everything has gone through.
    #[serde(default = "never")]
    pub stops: Ratio,
    /// How likely the caller gives up at any time.
    #[serde(default = "never")]
    pub cancelled: Ratio,
    /// How likely the action has another shape than the call.
    #[serde(default = "never")]
    pub mistaken: Ratio,
    /// How likely a node calls itself.
    #[serde(default = "never")]
    pub own: Ratio,
    /// How likely nobody in particular is called.
    #[serde(default = "never")]
    pub anybody: Ratio,
    /// How likely any node is called, in place of one with a link.
    #[serde(default = "never")]
    pub far: Ratio,
}

fn at_once() -> Range<Micros> {
    Range { low: Micros::ZERO, high: Micros::ZERO }
}

/// A class of messages.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightedMessages {
    /// How many.
    pub count: Range<u64>,
    /// Bytes of each.
    pub bytes: Range<u64>,
    /// How likely, in proportion to the other classes.
    pub weight: u32,
}

impl StreamPlan {
    /// What types alone cannot say: the word to look for, and what is wrong.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.messages.iter().all(|class| class.weight == 0) {
            return Err(("messages", "at least one class of messages must have a weight above 0".to_owned()));
        }
        if self.rate.low == 0 || self.timeout.low == Micros::ZERO || self.idle.low < Micros::from_millis(1) {
            return Err(("[[work]]", "rate and timeout must be above 0, and idle 1ms at least".to_owned()));
        }
        Ok(())
    }

    fn sends(&self, random: &mut Random) -> Sends {
        let total: u64 = self.messages.iter().map(|class| u64::from(class.weight)).sum();
        let mut drawn = random.below(total);
        let class = self.messages.iter().find(|class| {
            let weight = u64::from(class.weight);
            let is_it = drawn < weight;
            drawn = drawn.saturating_sub(weight);
            is_it
        });
        let (count, size) =
            class.map_or((0, 0), |class| (class.count.draw(random), class.bytes.draw(random)));
        let mut pause = |likely: Ratio, range: Range<Micros>| {
            if likely.draw(random) { whole(range.draw(random)) } else { Micros::ZERO }
        };
        let (every, taken_every) = (pause(self.paced, self.every), pause(self.slow, self.taken_every));
        Sends { count, size, every, taken_every }
    }

    fn spec(&self, random: &mut Random) -> StreamSpec {
        let streams = [Shape::ServerStream, Shape::ClientStream, Shape::Bidirectional];
        let shape = *random.pick(&streams);
        let (uploads, items) = (self.sends(random), self.sends(random));
        let idle = whole(self.idle.draw(random));
        let mut spec = StreamSpec { shape, uploads, items, idle, ..StreamSpec::default() };
        spec.endless = self.endless.draw(random);
        let some = |most: u64, random: &mut Random| 1 + random.below(most.max(1));
        if self.stops.draw(random) {
            spec.stop_after = Some(some(items.count, random));
        }
        if self.early.draw(random) {
            let sends = if shape == Shape::ClientStream { uploads } else { items };
            spec.ends_after = Some(some(sends.count, random));
        }
        if self.mistaken.draw(random) {
            let all = [Shape::Unary, Shape::ServerStream, Shape::ClientStream, Shape::Bidirectional];
            spec.shape = *random.pick(&all);
            spec.called = Some(*random.pick(&all)).filter(|called| *called != spec.shape);
        }
        spec
    }

    fn handler(&self, random: &mut Random) -> Handler {
        let after = self.work.draw(random);
        if self.hangs.draw(random) {
            Handler::Never
        } else if self.fails.draw(random) {
            Handler::Fail { after, code: 0x8000 + u16::try_from(random.below(100)).unwrap_or(0) }
        } else {
            Handler::Reply { after, size: random.below(2_000) }
        }
    }
}

/// Pauses are whole milliseconds, as the steps of one of the engines are.
fn whole(span: Micros) -> Micros {
    Micros(span.0.div_ceil(1_000) * 1_000)
}

pub(super) fn expand(
    plan: &StreamPlan,
    header: &Header,
    ids: &mut Ids,
    random: &mut Random,
    items: &mut Vec<Item>,
) {
    let (rate, nodes) = (plan.rate.draw(random), header.nodes.len());
    let mut t = Micros::ZERO;
    loop {
        t = t.plus(Micros(random.below(2 * 1_000_000 / rate + 1).max(1)));
        if t > header.phases.heal {
            return;
        }
        let from = random.index(nodes);
        let to = if plan.own.draw(random) { from } else { other(plan.far, header, from, random) };
        let to = Some(to).filter(|_| !plan.anybody.draw(random));
        let (id, size) = (ids.next(), KEYED_MIN + random.below(200));
        let timeout = plan.timeout.draw(random).min(longest(header, t));
        let (stream, handler) = (Some(plan.spec(random)), plan.handler(random));
        items.push(stream_call((t, id), (from, to), (size, timeout), stream, handler));
        if plan.cancelled.draw(random) {
            let after = Range { low: Micros(0), high: timeout }.draw(random);
            items.push(Item::Cancel(CancelItem { t: t.plus(after), id }));
        }
    }
}

fn stream_call(
    (t, id): (Micros, u64),
    (from, to): (usize, Option<usize>),
    (size, timeout): (u64, Micros),
    stream: Option<StreamSpec>,
    handler: Handler,
) -> Item {
    let (action, select, policy) = (ActionKind::Served, Selection::default(), Policy::default());
    Item::Call(CallItem { t, id, from, to, action, select, policy, stream, size, timeout, handler })
}

/// One short stream of each shape, once everything should be back.
pub(super) fn fresh(header: &Header, timeout: Micros, ids: &mut Ids, random: &mut Random) -> Vec<Item> {
    let nodes = header.nodes.len();
    let mut stream = |shape| {
        let sends = Sends { count: 3, size: 500, ..Sends::default() };
        let spec = StreamSpec { shape, uploads: sends, items: sends, idle: timeout, ..StreamSpec::default() };
        let handler = Handler::Reply { after: Micros::ZERO, size: random.below(500) };
        let (from, to) = (random.index(nodes), random.index(nodes));
        stream_call((header.phases.fresh, ids.next()), (from, Some(to)), (100, timeout), Some(spec), handler)
    };
    [Shape::ServerStream, Shape::ClientStream, Shape::Bidirectional].map(&mut stream).into()
}
