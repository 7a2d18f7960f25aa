//! Nothing is done for those who have no right to it.

use std::collections::BTreeMap;
use std::time::Duration;

use lacewing_core::Instant;

use super::case::at;
use super::{Case, Class, Finding, Oracle};
use crate::history::What;
use crate::payload;
use crate::run::{ActionKind, AreaRight, Areas, Item, TokenItem};

pub(super) const ORACLE: Oracle = Oracle {
    name: "no-action-without-a-right",
    proves: "no handler of a guarded area starts for a node, and no event of one comes from a publisher or goes to a subscriber, without a \
             token that holds at that time, as far as the checking node has heard of what was taken back",
    class: Class::Safety,
    check,
};

/// What the clocks of nodes may be behind: they count whole milliseconds from the start of each life.
const CLOCKS_BEHIND: Duration = Duration::from_millis(5);

/// When an issuer's word came to a node, and which.
type Heard = BTreeMap<(usize, u32), Vec<(Instant, u64)>>;

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let Some(areas) = &case.run.header.areas else { return };
    let rights = Rights::new(case, areas);
    let events = case.run.events();
    let mut heard = Heard::new();
    let mut published: BTreeMap<u64, (Instant, Option<u64>)> = BTreeMap::new();
    for entry in &case.history.entries {
        let (node, t) = (entry.node, entry.t);
        match entry.what {
            // Whatever it had heard, it has forgotten.
            What::Started { .. } => heard.retain(|(knows, _), _| *knows != node),
            What::IssuerTold { area, generation } | What::IssuerHeard { area, generation } => {
                heard.entry((node, area)).or_default().push((t, generation));
            }
            What::Execute { op: Some(op), caller_matches: true, .. } => {
                let Some((area, from)) = area_call(case, op) else { continue };
                let claim = Claim { node: from, area, right: AreaRight::Call };
                if !rights.allow(node, claim, (t, t), known(&heard, node, area, t)) {
                    let text = format!("op {op} ran for n{from}, which had no right to call area {area}");
                    findings.push(Finding { node, t, text });
                }
            }
            What::EventPublished { event, .. } => {
                let area = events.get(&event).and_then(|item| payload::area_of(&item.topic));
                if let (Some(area), Some(item)) = (area, events.get(&event)) {
                    // It may have waited for room since the application wanted it.
                    published.insert(event, (t, known(&heard, node, area, at(item.t))));
                }
            }
            What::EventArrives { event: Some(event), .. } => {
                let (Some(item), Some((sent, known_there))) = (events.get(&event), published.get(&event))
                else {
                    continue;
                };
                let Some(area) = payload::area_of(&item.topic) else { continue };
                let claim = Claim { node: item.node, area, right: AreaRight::Publish };
                // It was checked when it came, and may have waited in a queue since.
                if !rights.allow(node, claim, (*sent, t), known(&heard, node, area, *sent)) {
                    let text = format!("event {event} of n{}, which had no right to publish it", item.node);
                    findings.push(Finding { node, t, text });
                }
                let claim = Claim { node, area, right: AreaRight::Subscribe };
                if !rights.allow(item.node, claim, (at(item.t), *sent), *known_there) {
                    let text =
                        format!("event {event} of n{} came to n{node}, which had no right to it", item.node);
                    findings.push(Finding { node, t, text });
                }
            }
            _ => {}
        }
    }
}

/// The area that an operation is a call to, and who calls.
fn area_call(case: &Case<'_>, op: u64) -> Option<(u32, usize)> {
    let spec = case.calls.get(&op)?;
    match spec.action {
        ActionKind::Area(area) => Some((area, spec.from?)),
        _ => None,
    }
}

/// The latest generation of an issuer that a node had certainly heard of before this time.
fn known(heard: &Heard, node: usize, area: u32, before: Instant) -> Option<u64> {
    let heard = heard.get(&(node, area))?.iter();
    heard.filter(|(t, _)| *t < before).map(|(_, generation)| *generation).max()
}

/// What somebody wants to do.
#[derive(Clone, Copy)]
struct Claim {
    node: usize,
    area: u32,
    right: AreaRight,
}

struct Rights<'a> {
    areas: &'a Areas,
    tokens: Vec<&'a TokenItem>,
}

impl<'a> Rights<'a> {
    fn new(case: &Case<'a>, areas: &'a Areas) -> Self {
        let token = |item: &'a Item| match item {
            Item::Token(token) => Some(token),
            _ => None,
        };
        Self { areas, tokens: case.run.items.iter().filter_map(token).collect() }
    }

    /// Whether somebody may have had a right at `at` at some time between these two, if it had heard of this generation.
    fn allow(&self, at: usize, claim: Claim, (from, until): (Instant, Instant), known: Option<u64>) -> bool {
        let holds = |token: &&&TokenItem| {
            token.node == claim.node
                && token.area == claim.area
                && token.rights.contains(&claim.right)
                && token.flaw.is_none()
                && known.is_none_or(|known| token.generation >= known)
                && token.t.max(token.from.unwrap_or_default()).as_nanos() <= until.as_nanos()
                && token.until.is_none_or(|until| from < super::case::at(until) + CLOCKS_BEHIND)
        };
        at == claim.node || !self.areas.are_guarded_by(at) || self.tokens.iter().any(|token| holds(&token))
    }
}
