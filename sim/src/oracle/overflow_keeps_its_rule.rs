//! What a full subscription drops is what its rule says.

use std::collections::BTreeMap;
use std::time::Duration;

use lacewing_core::Instant;
use lacewing_core::wire::path::{ActionPath, PathPattern};

use super::{Case, Class, Finding, Oracle};
use crate::history::What;
use crate::run::{EventMode, Item, OverflowRule, PublishItem, SubscribeItem};

/// What taking one event may take besides the work on it.
const STEP: Duration = Duration::from_millis(2);
/// Bytes that always have room in a queue, whatever its places.
const ROOMY: u64 = 12 * 1024 * 1024;
/// How long an event of another node may be under way.
const ON_THE_WAY: Duration = Duration::from_secs(20);

pub(super) const ORACLE: Oracle = Oracle {
    name: "overflow-keeps-its-rule",
    proves: "an event of the same node is lost to a subscription only where that was full: with `drop_oldest` as many newer events came behind it as \
             there are places, with `drop_newest` as many older ones were waiting, and with `block` never",
    class: Class::Safety,
    check,
};

/// One life of a subscription.
struct Life<'a> {
    item: &'a SubscribeItem,
    pattern: PathPattern,
    node: usize,
    /// Its places in the history, and the time of the end.
    from: usize,
    to: usize,
    ends: Instant,
    /// When it got each event.
    got: BTreeMap<u64, (usize, Instant)>,
}

/// An event that was published.
struct Published<'a> {
    item: &'a PublishItem,
    topic: ActionPath,
    index: usize,
    t: Instant,
}

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    // Where nodes stand still nobody knows how long the application takes.
    if case.run.items.iter().any(|item| matches!(item, Item::Pause(_))) {
        return;
    }
    let published = published(case);
    for life in lives(case) {
        let matching: Vec<&Published<'_>> =
            published.iter().filter(|event| life.pattern.admits(&event.topic)).collect();
        let largest = matching.iter().map(|event| event.item.size).max().unwrap_or(0);
        if life.item.queue as u64 * largest > ROOMY {
            continue;
        }
        for event in &matching {
            let own = event.item.node == life.node && event.item.mode != EventMode::OnePerGroup;
            let open = (life.from..life.to).contains(&event.index);
            if !own || !open || life.got.contains_key(&event.item.id) {
                continue;
            }
            if let Some(text) = lost(&life, event, &matching) {
                findings.push(Finding { node: life.node, t: event.t, text });
            }
        }
    }
}

/// Why an event should not have been lost; `None` where it may have been.
fn lost(life: &Life<'_>, event: &Published<'_>, matching: &[&Published<'_>]) -> Option<String> {
    let places = life.item.queue;
    let each = life.item.work.as_duration() + STEP;
    let by = event.t + each * u32::try_from(places + 3).unwrap_or(u32::MAX);
    if by >= life.ends {
        return None;
    }
    let (event_id, sub) = (event.item.id, life.item.id);
    match life.item.overflow {
        OverflowRule::Block => {
            Some(format!("event {event_id} was lost to subscription {sub}, which holds up its publishers"))
        }
        OverflowRule::DropNewest => {
            let waited = |other: &&&Published<'_>| {
                let later = life.got.get(&other.item.id).is_some_and(|(index, _)| *index > event.index);
                later && other.index < event.index
            };
            let older = matching.iter().filter(waited).count();
            let text = format!(
                "event {event_id} was lost to subscription {sub} behind {older} older ones, which has {places} places"
            );
            (older < places).then_some(text)
        }
        OverflowRule::DropOldest => {
            let behind = |other: &&&Published<'_>| {
                let later = life.got.get(&other.item.id).is_none_or(|(index, _)| *index > event.index);
                let own = other.item.node == life.node && other.index > event.index;
                let foreign = other.item.node != life.node && event.t <= other.t + ON_THE_WAY;
                later && other.t <= by && (own || foreign)
            };
            let newer = matching.iter().filter(behind).count();
            let text = format!(
                "event {event_id} was lost to subscription {sub} before {newer} newer ones, which has {places} places"
            );
            (newer < places).then_some(text)
        }
    }
}

fn published<'a>(case: &Case<'a>) -> Vec<Published<'a>> {
    let events = case.run.events();
    let of = |(index, entry): (usize, &crate::history::Entry)| {
        let What::EventPublished { event, .. } = entry.what else { return None };
        let item = *events.get(&event)?;
        Some(Published { item, topic: item.topic.parse().ok()?, index, t: entry.t })
    };
    case.history.entries.iter().enumerate().filter_map(of).collect()
}

/// Every life of every subscription, to its end or that of the run.
fn lives<'a>(case: &Case<'a>) -> Vec<Life<'a>> {
    let subscriptions = case.run.subscriptions();
    let (mut open, mut over): (BTreeMap<u64, Life<'a>>, Vec<Life<'a>>) = Default::default();
    for (index, entry) in case.history.entries.iter().enumerate() {
        let mut ended = Vec::new();
        match entry.what {
            What::Subscribed { sub } => {
                let Some(item) = subscriptions.get(&sub).copied() else { continue };
                let Ok(pattern) = item.pattern.parse() else { continue };
                let (node, to, ends) = (entry.node, usize::MAX, Instant::NEVER);
                let life = Life { item, pattern, node, from: index, to, ends, got: BTreeMap::new() };
                open.insert(sub, life);
            }
            What::Unsubscribed { sub } => ended.extend(open.remove(&sub)),
            What::Gone { .. } | What::Started { .. } | What::StopOverdue => {
                let gone: Vec<u64> =
                    open.iter().filter(|(_, life)| life.node == entry.node).map(|(sub, _)| *sub).collect();
                ended.extend(gone.into_iter().filter_map(|sub| open.remove(&sub)));
            }
            What::EventArrives { sub: Some(sub), event: Some(event), .. } => {
                if let Some(life) = open.get_mut(&sub) {
                    life.got.entry(event).or_insert((index, entry.t));
                }
            }
            _ => {}
        }
        for life in &mut ended {
            (life.to, life.ends) = (index, entry.t);
        }
        over.append(&mut ended);
    }
    over.extend(open.into_values());
    over
}
