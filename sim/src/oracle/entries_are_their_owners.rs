//! Nobody speaks for others.

use super::{Case, Class, Finding, Oracle};

pub(super) const ORACLE: Oracle = Oracle {
    name: "entries-are-their-owners",
    proves: "whatever a node has of another one's announcements is, entry for entry, what that one announced under this number",
    class: Class::Safety,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let mesh = &case.history.mesh;
    for ((owner, version, fingerprint), (t, node)) in &mesh.known {
        let number = format!("announcement {} of life {}", version.sequence, version.incarnation);
        let text = match mesh.announced.get(&(*owner, *version)) {
            Some(said) if said.is_none_or(|said| said == *fingerprint) => continue,
            Some(_) => format!("it has other entries under {number} of n{owner} than n{owner} announced"),
            None => format!("it has {number} of n{owner}, which n{owner} never made"),
        };
        findings.push(Finding { node: *node, t: *t, text });
    }
}
