//! A mesh that is whole again does its work.

use lacewing_core::Code;

use super::case::at;
use super::{Case, Class, Finding, Oracle};
use crate::bounds;
use crate::history::What;
use crate::run::{ActionKind, CallSpec, Handler};

pub(super) const ORACLE: Oracle = Oracle {
    name: "fresh-calls-succeed",
    proves: "calls that begin once everybody is back are answered, by whichever node they are for; those that nobody serves are NotFound, \
             and those beyond the hop limit Unavailable",
    class: Class::Liveness,
    check,
};

/// How a call must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Answer,
    Error(Code),
    /// It depends on which of several ways is taken.
    Either,
}

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let fresh = case.run.header.phases.fresh;
    for spec in case.calls.values() {
        let (Some(from), Some(begun)) = (spec.from, spec.at) else { continue };
        if begun < fresh || !matches!(spec.handler, Handler::Reply { .. }) {
            continue;
        }
        let expected = expected(case, from, spec);
        let outcome = case.operations.get(&spec.id).and_then(|operation| operation.outcomes.first());
        let text = match (outcome.map(|seen| &seen.entry.what), expected) {
            (_, Expected::Either) | (Some(What::Ok { .. }), Expected::Answer) => continue,
            (Some(What::Fail { code, .. }), Expected::Error(expected)) if *code == expected => continue,
            (Some(What::Fail { code, .. }), _) => format!("failed with {}", code.name()),
            (Some(What::Ok { .. }), _) => "was answered".to_owned(),
            _ => "has no outcome".to_owned(),
        };
        let text = match expected {
            Expected::Error(code) => format!("op {} {text}, and should fail with {}", spec.id, code.name()),
            Expected::Answer | Expected::Either => format!("op {} {text}, and should be answered", spec.id),
        };
        let t = outcome.map_or(at(begun), |seen| seen.entry.t);
        findings.push(Finding { node: from, t, text });
    }
}

fn expected(case: &Case<'_>, from: usize, spec: &CallSpec<'_>) -> Expected {
    if let Some(stream) = spec.stream {
        if stream.stop_after.is_some() {
            return Expected::Either;
        }
        if !stream.is_allowed() {
            return Expected::Error(Code::InvalidArgument);
        }
    }
    let near = |to: usize| match case.is_near(from, to) {
        Some(true) => Expected::Answer,
        Some(false) => Expected::Error(Code::Unavailable),
        None if case.graph.distance(from, to).is_none() => Expected::Error(Code::Unavailable),
        None => Expected::Either,
    };
    let nobody =
        || match case.asks_everybody(from).filter(|_| bounds::is_patient(&case.run.header, spec.timeout)) {
            Some(true) => Expected::Error(Code::NotFound),
            Some(false) => Expected::Error(Code::Unavailable),
            None => Expected::Either,
        };
    match (spec.to, spec.action) {
        (Some(to), ActionKind::Served) => near(to),
        (Some(to), ActionKind::Unknown) if near(to) == Expected::Answer => Expected::Error(Code::NotFound),
        (Some(_), _) | (None, ActionKind::Area(_)) => Expected::Either,
        (None, ActionKind::Unknown) => nobody(),
        (None, ActionKind::Served) => {
            spec.provider(case.run.header.nodes.len()).map_or(Expected::Either, near)
        }
        (None, ActionKind::Pool(pool)) => {
            let providers: Vec<Expected> =
                case.reachable_from(from).filter(|node| case.serves_at_end(*node, pool)).map(near).collect();
            match providers.as_slice() {
                [] if case.reachable_from(from).any(|node| case.pauses_at_end(node, pool)) => {
                    Expected::Error(Code::Unavailable)
                }
                [] => nobody(),
                all if all.contains(&Expected::Answer) => Expected::Answer,
                _ => Expected::Either,
            }
        }
    }
}
