//! Where nothing is wrong, events arrive.

use std::collections::{BTreeMap, BTreeSet};

use lacewing_core::wire::path::{ActionPath, PathPattern};

use super::case::at;
use super::{Case, Class, Finding, Oracle};
use crate::history::What;
use crate::payload;
use crate::run::{EventMode, PublishItem};

pub(super) const ORACLE: Oracle = Oracle {
    name: "fresh-events-arrive",
    proves: "once everything is back, an event reaches every subscription that matches, wherever payloads get to",
    class: Class::Liveness,
    check,
};

/// Places that a queue has at least, so that it has room for the few events of the fresh phase.
const ROOM: usize = 32;

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let fresh = at(case.run.header.phases.fresh);
    let (events, subscriptions) = (case.run.events(), case.run.subscriptions());
    let mut open: BTreeMap<u64, usize> = BTreeMap::new();
    let (mut published, mut arrived) = (Vec::new(), BTreeSet::new());
    for entry in &case.history.entries {
        match entry.what {
            What::Started { .. } | What::Gone { .. } => open.retain(|_, node| *node != entry.node),
            What::Subscribed { sub } => {
                open.insert(sub, entry.node);
            }
            What::Unsubscribed { sub } => {
                open.remove(&sub);
            }
            What::EventPublished { event, .. } if entry.t >= fresh => published.push((event, entry)),
            What::EventArrives { sub: Some(sub), event: Some(event), .. } => {
                arrived.insert((event, sub));
            }
            _ => {}
        }
    }
    for (event, entry) in published {
        // Those of areas need rights.
        let is_open = |item: &&&PublishItem| payload::area_of(&item.topic).is_none();
        let item = events.get(&event).filter(|item| item.mode == EventMode::All);
        let Some(item) = item.filter(is_open) else { continue };
        let Ok(topic) = item.topic.parse::<ActionPath>() else { continue };
        for (sub, node) in &open {
            let Some(subscription) = subscriptions.get(sub).filter(|it| it.queue >= ROOM) else { continue };
            let asked = subscription.pattern.parse().is_ok_and(|pattern: PathPattern| pattern.admits(&topic));
            let near = item.node == *node || case.is_near(item.node, *node) == Some(true);
            if asked && near && !arrived.contains(&(event, *sub)) {
                let text =
                    format!("event {event} on {} did not reach subscription {sub} of n{node}", item.topic);
                findings.push(Finding { node: entry.node, t: entry.t, text });
            }
        }
    }
}
