//! Once nothing changes, everybody knows the same: what each owner said last.

use super::case::at;
use super::{Case, Class, Finding, Oracle};
use crate::history::mesh::Sight;

pub(super) const ORACLE: Oracle = Oracle {
    name: "views-agree-when-quiet",
    proves: "at the end each node has of every other one that a path leads to exactly what that one says of itself, shows it as alive, \
             and finds the same providers as the others do",
    class: Class::Liveness,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let sights = &case.history.mesh.at_end;
    for (node, sight) in sights {
        let mut found =
            |text| findings.push(Finding { node: *node, t: at(case.run.header.phases.end), text });
        for other in case.reachable_from(*node).filter(|other| other != node) {
            let Some(said) = sights.get(&other).and_then(|sight| sight.owners.get(&other)) else { continue };
            match sight.owners.get(&other) {
                None => found(format!("n{other} is not known at the end")),
                Some(known) if known.version != said.version => found(format!(
                    "announcement {} of n{other} is known at the end, and the latest is {}",
                    known.version.sequence, said.version.sequence
                )),
                Some(known) if known.fingerprint != said.fingerprint => {
                    found(format!("what is known of n{other} at the end is not what it says of itself"));
                }
                Some(known) if !known.visible => found(format!("n{other} lives and is hidden at the end")),
                Some(_) => {}
            }
        }
        if let Some(text) = wrong_providers(case, *node, sight) {
            found(text);
        }
    }
}

/// The providers of a pool are those who say so of themselves.
fn wrong_providers(case: &Case<'_>, node: usize, sight: &Sight) -> Option<String> {
    for (pool, found) in &sight.providers {
        let is_provider = |other: &usize| case.serves_at_end(*other, *pool);
        let mut expected: Vec<usize> = case.reachable_from(node).filter(is_provider).collect();
        expected.sort_unstable();
        if *found != expected {
            return Some(format!(
                "pool {pool} is served by {expected:?}, and {found:?} are found at the end"
            ));
        }
    }
    None
}
