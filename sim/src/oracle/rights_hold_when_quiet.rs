//! Whoever has a right gets what it is a right to, and whoever has none does not.

use std::collections::{BTreeMap, BTreeSet};

use lacewing_core::Code;

use super::case::at;
use super::{Case, Class, Finding, Oracle};
use crate::history::What;
use crate::payload;
use crate::quantity::Micros;
use crate::run::{ActionKind, AreaRight, Areas, CallSpec, Item, TokenItem};

pub(super) const ORACLE: Oracle = Oracle {
    name: "rights-hold-when-quiet",
    proves: "once everything is back, calls and events of guarded areas get to where their nodes have a right, by tokens of the latest \
             generation, and calls of others are refused without having run",
    class: Class::Liveness,
    check,
};

/// What a node may do at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It surely has the right.
    Holds,
    /// It surely has not.
    Lacks,
    /// It depends on when who heard of what.
    Unsure,
}

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let Some(areas) = &case.run.header.areas else { return };
    let rights = Rights::new(case, areas);
    for spec in case.calls.values() {
        check_call(case, &rights, spec, findings);
    }
    check_events(case, &rights, findings);
}

fn check_call(case: &Case<'_>, rights: &Rights<'_>, spec: &CallSpec<'_>, findings: &mut Vec<Finding>) {
    let fresh = case.run.header.phases.fresh;
    let (ActionKind::Area(area), Some(from), Some(to)) = (spec.action, spec.from, spec.to) else { return };
    let Some(begun) = spec.at.filter(|begun| *begun >= fresh) else { return };
    if from != to && case.is_near(from, to) != Some(true) {
        return;
    }
    let outcome = case.operations.get(&spec.id).and_then(|operation| operation.outcomes.first());
    let seen = outcome.map(|seen| &seen.entry.what);
    let what = match (rights.standing(to, from, area, AreaRight::Call), seen) {
        (Standing::Unsure, _) | (Standing::Holds, Some(What::Ok { .. })) => return,
        (
            Standing::Lacks,
            Some(What::Fail {
                code: Code::Unauthenticated | Code::PermissionDenied,
                maybe_executed: false,
                ..
            }),
        ) => return,
        (Standing::Holds, _) => "should be answered",
        (Standing::Lacks, _) => "should be refused",
    };
    let t = outcome.map_or(at(begun), |seen| seen.entry.t);
    let text = format!("op {} of n{from} to area {area} of n{to} {what}: {seen:?}", spec.id);
    findings.push(Finding { node: from, t, text });
}

fn check_events(case: &Case<'_>, rights: &Rights<'_>, findings: &mut Vec<Finding>) {
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
            What::EventPublished { event, .. } if entry.t >= fresh => published.push((event, entry)),
            What::EventArrives { sub: Some(sub), event: Some(event), .. } => {
                arrived.insert((event, sub));
            }
            _ => {}
        }
    }
    for (event, entry) in published {
        let Some(item) = events.get(&event) else { continue };
        let Some(area) = payload::area_of(&item.topic) else { continue };
        for (sub, node) in &open {
            let asked = subscriptions.get(sub).is_some_and(|subscription| subscription.pattern == item.topic);
            // Others may have to be given a session first, in which they can show what they have.
            if !asked || arrived.contains(&(event, *sub)) || !case.run.linked(item.node, *node) {
                continue;
            }
            let may = rights.standing(*node, item.node, area, AreaRight::Publish) == Standing::Holds
                && rights.standing(item.node, *node, area, AreaRight::Subscribe) == Standing::Holds;
            if may {
                let text =
                    format!("event {event} of area {area} did not reach subscription {sub} of n{node}");
                findings.push(Finding { node: entry.node, t: entry.t, text });
            }
        }
    }
}

struct Rights<'a> {
    areas: &'a Areas,
    tokens: Vec<&'a TokenItem>,
    fresh: Micros,
    end: Micros,
    /// The latest generation of each area, and whether somebody said so after all faults were over.
    latest: BTreeMap<u32, (u64, bool)>,
}

impl<'a> Rights<'a> {
    fn new(case: &Case<'a>, areas: &'a Areas) -> Self {
        let phases = case.run.header.phases;
        let mut tokens = Vec::new();
        let mut latest: BTreeMap<u32, (u64, bool)> = BTreeMap::new();
        for item in &case.run.items {
            match item {
                Item::Token(token) => tokens.push(token),
                Item::Revoke(item) => {
                    let said = (item.generation, item.t > phases.heal);
                    let known = latest.entry(item.area).or_default();
                    *known = said.max(*known);
                }
                _ => {}
            }
        }
        Self { areas, tokens, fresh: phases.fresh, end: phases.end, latest }
    }

    /// Whether a node has a right at another.
    fn standing(&self, at: usize, node: usize, area: u32, right: AreaRight) -> Standing {
        if at == node || !self.areas.are_guarded_by(at) {
            return Standing::Holds;
        }
        let own = || self.tokens.iter().filter(|token| token.node == node);
        let (latest, is_known) = self.latest.get(&area).copied().unwrap_or((0, true));
        let might = |token: &&&TokenItem| {
            token.area == area
                && token.rights.contains(&right)
                && token.flaw.is_none()
                && token.until.is_none_or(|until| until > self.fresh)
                && (token.generation >= latest || !is_known)
        };
        let surely = |token: &&TokenItem| {
            token.t < self.fresh
                && token.generation >= latest
                && token.from.is_none_or(|from| from < self.fresh)
                && token.until.is_none_or(|until| until > self.end)
        };
        let mut candidates = own().filter(might).peekable();
        if candidates.peek().is_none() {
            return Standing::Lacks;
        }
        // Whoever shows what is no good may have to wait until something else of it is looked at.
        let is_honest = own().all(|token| token.flaw.is_none());
        if is_honest && candidates.any(surely) { Standing::Holds } else { Standing::Unsure }
    }
}
