//! The outcome comes as soon as it is known: a lost neighbour fails its calls at once.

use std::collections::BTreeMap;

use super::{Case, Class, Finding, Oracle};
use crate::history::What;

pub(super) const ORACLE: Oracle = Oracle {
    name: "calls-fail-with-their-peer",
    proves: "when a neighbour is reported down, every call to it has its outcome already; none waits for its deadline",
    class: Class::Safety,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let mut open: BTreeMap<(usize, usize), Vec<u64>> = BTreeMap::new();
    for entry in &case.history.entries {
        match entry.what {
            What::Invoke { op } => {
                if let Some(to) = case.calls.get(&op).and_then(|spec| spec.to).filter(|to| *to != entry.node)
                {
                    open.entry((entry.node, to)).or_default().push(op);
                }
            }
            What::Ok { op, .. } | What::Fail { op, .. } | What::Unknown { op } => {
                if let Some(to) = case.calls.get(&op).and_then(|spec| spec.to) {
                    open.entry((entry.node, to)).or_default().retain(|other| *other != op);
                }
            }
            What::PeerDown { peer: Some(peer), .. } => {
                if let Some(op) = open.get(&(entry.node, peer)).and_then(|ops| ops.first()) {
                    let text = format!("n{peer} is down, but op {op} to it still waits");
                    findings.push(Finding { node: entry.node, t: entry.t, text });
                }
            }
            _ => {}
        }
    }
}
