//! A topic that is published on too often is held up.

use std::collections::BTreeMap;
use std::time::Duration;

use lacewing_core::Instant;

use super::{Case, Class, Finding, Oracle};
use crate::bounds;
use crate::history::What;

/// What the engine and the application may note apart.
const SLACK: Duration = Duration::from_millis(3);

pub(super) const ORACLE: Oracle = Oracle {
    name: "topics-keep-their-pace",
    proves: "no node publishes more events on a topic at once than its burst, and from then on than its rate",
    class: Class::Safety,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let (events, limits) = (case.run.events(), bounds::limits(&case.run.header));
    let cost = Duration::from_secs(1) / limits.events_per_topic_per_s.max(1);
    let debt_max = cost * limits.events_per_topic_burst.saturating_sub(1);
    // When each topic of a node owes nothing any more.
    let mut free_at: BTreeMap<(usize, &str), Instant> = BTreeMap::new();
    for entry in &case.history.entries {
        match entry.what {
            What::Started { .. } => free_at.retain(|(node, _), _| *node != entry.node),
            What::EventPublished { event, .. } => {
                let Some(item) = events.get(&event) else { continue };
                let free_at = free_at.entry((entry.node, item.topic.as_str())).or_insert(entry.t);
                let debt = *free_at - entry.t;
                if debt > debt_max + SLACK {
                    let text = format!(
                        "event {event} was published on {} {:?} too early, at {} a second",
                        item.topic,
                        debt.saturating_sub(debt_max),
                        limits.events_per_topic_per_s
                    );
                    findings.push(Finding { node: entry.node, t: entry.t, text });
                }
                *free_at = (*free_at).max(entry.t) + cost;
            }
            _ => {}
        }
    }
}
