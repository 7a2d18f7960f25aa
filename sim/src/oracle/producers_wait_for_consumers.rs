//! A slow consumer costs its producer no memory.

use std::collections::BTreeMap;

use super::{Case, Class, Finding, Oracle};
use crate::bounds;
use crate::history::What;

pub(super) const ORACLE: Oracle = Oracle {
    name: "producers-wait-for-consumers",
    proves: "no end of a stream has sent more than the other one has taken, a window, a queue and one message",
    class: Class::Safety,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let mut ahead: BTreeMap<_, u64> = BTreeMap::new();
    for entry in &case.history.entries {
        match entry.what {
            What::Sent { op, flow, bytes, .. } => {
                let ahead = ahead.entry((op, flow)).or_default();
                let before = *ahead;
                *ahead += bounds::stream_cost(bytes);
                let bound = bounds::stream_ahead(&case.run.header, bytes);
                // Once is enough.
                if *ahead > bound && before <= bound {
                    let text = format!(
                        "{ahead} bytes of the {flow} of op {op} were sent and not taken, the bound is {bound}"
                    );
                    findings.push(Finding { node: entry.node, t: entry.t, text });
                }
            }
            What::Taken { op, flow, bytes, .. } => {
                let ahead = ahead.entry((op, flow)).or_default();
                *ahead = ahead.saturating_sub(bounds::stream_cost(bytes));
            }
            _ => {}
        }
    }
}
