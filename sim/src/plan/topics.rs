//! Who subscribes to what, and what is published.

use super::{TopicPlan, WeightedSize};
use crate::payload::{KEYED_MIN, TOPIC};
use crate::plan::work::Ids;
use crate::quantity::Micros;
use crate::random::Random;
use crate::run::{EventMode, Header, Item, OverflowRule, PublishItem, SubscribeItem, UnsubscribeItem};

/// What comes behind the first segments of topics.
const TOPICS: [&str; 5] = ["a", "b", "a/x", "a/y", "b/x"];
/// Patterns of them, of every kind, that overlap.
const PATTERNS: [&str; 8] = ["a", "a/x", "*", "*/x", "a/*", "{p}/y", "b/>", ">"];
const GROUPS: [&str; 2] = ["audit", "workers"];
/// The topic of the fresh phase.
const FRESH: &str = "fresh/now";

/// See [`WorkPlan::Topics`](super::WorkPlan::Topics).
pub(super) fn expand(
    plan: &TopicPlan,
    header: &Header,
    ids: &mut Ids,
    random: &mut Random,
    items: &mut Vec<Item>,
) {
    let mut open = Vec::new();
    for node in 0..header.nodes.len() {
        for _ in 0..plan.subscriptions.draw(random) {
            let item = subscription(plan, (Micros::ZERO, node), ids, random);
            open.push((item.id, node));
            items.push(Item::Subscribe(item));
        }
    }
    let mut t = Micros::ZERO;
    loop {
        t = t.plus(Micros(plan.every.draw(random).0.max(1)));
        if t >= header.phases.heal {
            break;
        }
        if random.below(2) == 0 && !open.is_empty() {
            let (id, node) = open.swap_remove(random.index(open.len()));
            items.push(Item::Unsubscribe(UnsubscribeItem { t, id, node }));
        } else {
            let node = random.index(header.nodes.len());
            let item = subscription(plan, (t, node), ids, random);
            open.push((item.id, node));
            items.push(Item::Subscribe(item));
        }
    }
    publications(plan, header, ids, random, items);
    for node in 0..header.nodes.len() {
        let (t, size) = (header.phases.fresh, KEYED_MIN + random.below(500));
        let (id, topic) = (ids.next(), format!("{TOPIC}/{FRESH}"));
        items.push(Item::Publish(PublishItem { t, id, node, topic, size, mode: EventMode::All }));
    }
}

fn publications(
    plan: &TopicPlan,
    header: &Header,
    ids: &mut Ids,
    random: &mut Random,
    items: &mut Vec<Item>,
) {
    let rate = plan.rate.draw(random).max(1);
    let mut t = Micros::ZERO;
    loop {
        let burst = plan.burst.draw(random);
        t = t.plus(Micros(random.below(2 * burst * 1_000_000 / rate + 1).max(1)));
        if t > header.phases.heal {
            return;
        }
        let node = random.index(header.nodes.len());
        let topic = format!("{TOPIC}/{}", random.pick(&TOPICS));
        for _ in 0..burst {
            let mode = if plan.one_per_group.draw(random) {
                EventMode::OnePerGroup
            } else if plan.local.draw(random) {
                EventMode::Local
            } else {
                EventMode::All
            };
            let (id, size) = (ids.next(), size(&plan.size, random).max(KEYED_MIN));
            items.push(Item::Publish(PublishItem { t, id, node, topic: topic.clone(), size, mode }));
        }
    }
}

fn subscription(
    plan: &TopicPlan,
    (t, node): (Micros, usize),
    ids: &mut Ids,
    random: &mut Random,
) -> SubscribeItem {
    let pattern = *random.pick(&PATTERNS);
    // One that is about everything needs nothing in front.
    let pattern = if pattern == ">" { pattern.to_owned() } else { format!("{TOPIC}/{pattern}") };
    let group = plan.grouped.draw(random).then(|| (*random.pick(&GROUPS)).to_owned());
    let queue = usize::try_from(plan.queue.draw(random).max(1)).unwrap_or(1);
    let overflow = *random.pick(&OverflowRule::ALL);
    SubscribeItem { t, id: ids.next(), node, pattern, group, queue, overflow, work: plan.work.draw(random) }
}

fn size(classes: &[WeightedSize], random: &mut Random) -> u64 {
    let total: u64 = classes.iter().map(|class| u64::from(class.weight)).sum();
    let mut drawn = random.below(total.max(1));
    for class in classes {
        let weight = u64::from(class.weight);
        if drawn < weight {
            return class.bytes.draw(random);
        }
        drawn -= weight;
    }
    KEYED_MIN
}
