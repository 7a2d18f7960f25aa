//! A mesh that is whole again does its work.

use super::{Case, Class, Finding, Oracle};
use crate::history::What;
use crate::run::Handler;

pub(super) const ORACLE: Oracle = Oracle {
    name: "fresh-calls-succeed",
    proves: "calls that begin once every link is back are answered",
    class: Class::Liveness,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let fresh = case.run.header.phases.fresh;
    for spec in case.calls.values() {
        let (Some(from), Some(to), Some(at)) = (spec.from, spec.to, spec.at) else { continue };
        if at < fresh || !matches!(spec.handler, Handler::Reply { .. }) || !case.run.linked(from, to) {
            continue;
        }
        let outcome = case.operations.get(&spec.id).and_then(|operation| operation.outcomes.first());
        let text = match outcome.map(|seen| &seen.entry.what) {
            Some(What::Ok { .. }) => continue,
            Some(What::Fail { code, .. }) => format!("op {} to n{to} failed with {}", spec.id, code.name()),
            _ => format!("op {} to n{to} was not answered", spec.id),
        };
        let t = outcome.map_or(lacewing_core::Instant::from_nanos(at.as_nanos()), |seen| seen.entry.t);
        findings.push(Finding { node: from, t, text });
    }
}
