//! Nobody gets what they did not ask for.

use std::collections::BTreeSet;

use lacewing_core::wire::path::{ActionPath, PathPattern};

use super::{Case, Class, Finding, Oracle};
use crate::history::What;
use crate::run::EventMode;

pub(super) const ORACLE: Oracle = Oracle {
    name: "events-are-asked-for",
    proves: "a subscription gets only events that were published, as they were, on topics that it matches, while it lasts",
    class: Class::Safety,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let (events, subscriptions) = (case.run.events(), case.run.subscriptions());
    let (mut published, mut open) = (BTreeSet::new(), BTreeSet::new());
    for entry in &case.history.entries {
        let wrong = match entry.what {
            What::Started { .. } => {
                open.retain(|(node, _)| *node != entry.node);
                continue;
            }
            What::Subscribed { sub } => {
                open.insert((entry.node, sub));
                continue;
            }
            What::Unsubscribed { sub } => {
                open.remove(&(entry.node, sub));
                continue;
            }
            What::EventPublished { event, .. } => {
                published.insert(event);
                continue;
            }
            What::EventArrives { sub, event, matches } => {
                let item = event.and_then(|event| events.get(&event));
                let subscription = sub.and_then(|sub| subscriptions.get(&sub));
                let (Some(item), Some(subscription)) = (item, subscription) else {
                    let text = format!("an event of nobody, or for no subscription: {:?}", entry.what);
                    findings.push(Finding { node: entry.node, t: entry.t, text });
                    continue;
                };
                let pattern: Option<PathPattern> = subscription.pattern.parse().ok();
                let topic: Option<ActionPath> = item.topic.parse().ok();
                let asked = pattern.zip(topic).is_some_and(|(pattern, topic)| pattern.admits(&topic));
                if !asked {
                    format!("event {} on {} does not match {}", item.id, item.topic, subscription.pattern)
                } else if !open.contains(&(entry.node, subscription.id)) {
                    format!("event {} came to subscription {}, which is not open", item.id, subscription.id)
                } else if !matches {
                    format!("event {} is not as it was published", item.id)
                } else if !published.contains(&item.id) {
                    format!("event {} came before it was published", item.id)
                } else if item.mode == EventMode::Local && item.node != entry.node {
                    format!("event {} was to stay at n{}", item.id, item.node)
                } else {
                    continue;
                }
            }
            _ => continue,
        };
        findings.push(Finding { node: entry.node, t: entry.t, text: wrong });
    }
}
