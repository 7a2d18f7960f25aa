//! A publisher's events come in its order.

use std::collections::BTreeMap;

use super::{Case, Class, Finding, Oracle};
use crate::history::What;

pub(super) const ORACLE: Oracle = Oracle {
    name: "events-in-order",
    proves: "a subscription gets the events of one publisher on one topic in the order in which they were published",
    class: Class::Safety,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let events = case.run.events();
    let mut published = BTreeMap::new();
    // The latest event that each subscription has got, of each publisher and topic.
    let mut latest: BTreeMap<(u64, usize, &str), (usize, u64)> = BTreeMap::new();
    for (place, entry) in case.history.entries.iter().enumerate() {
        match entry.what {
            What::EventPublished { event, .. } => {
                published.insert(event, place);
            }
            What::EventArrives { sub: Some(sub), event: Some(event), .. } => {
                let (Some(item), Some(place)) = (events.get(&event), published.get(&event)) else { continue };
                let key = (sub, item.node, item.topic.as_str());
                let before = latest.insert(key, (*place, event));
                if let Some((_, other)) = before.filter(|(other, _)| other > place) {
                    let text = format!("subscription {sub} got event {event} after the later {other}");
                    findings.push(Finding { node: entry.node, t: entry.t, text });
                }
            }
            _ => {}
        }
    }
}
