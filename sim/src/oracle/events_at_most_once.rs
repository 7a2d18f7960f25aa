//! No event comes twice.

use std::collections::BTreeSet;

use super::{Case, Class, Finding, Oracle};
use crate::history::What;
use crate::run::EventMode;

pub(super) const ORACLE: Oracle = Oracle {
    name: "events-at-most-once",
    proves: "no subscription gets an event twice, and of a group at most one member gets one that is for one of each",
    class: Class::Safety,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let (events, subscriptions) = (case.run.events(), case.run.subscriptions());
    let (mut seen, mut seen_of_group) = (BTreeSet::new(), BTreeSet::new());
    for entry in &case.history.entries {
        let What::EventArrives { sub: Some(sub), event: Some(event), .. } = entry.what else { continue };
        let mut find = |text| findings.push(Finding { node: entry.node, t: entry.t, text });
        if !seen.insert((sub, event)) {
            find(format!("subscription {sub} got event {event} twice"));
            continue;
        }
        let is_for_one = events.get(&event).is_some_and(|item| item.mode == EventMode::OnePerGroup);
        let group = subscriptions.get(&sub).and_then(|subscription| subscription.group.as_deref());
        if let Some(group) = group.filter(|_| is_for_one)
            && !seen_of_group.insert((group, event))
        {
            find(format!("two members of the group {group} got event {event}"));
        }
    }
}
