//! Asking around costs little.

use super::{Case, Class, Finding, Oracle};
use crate::bounds;
use crate::history::What;
use crate::history::mesh::Question;

pub(super) const ORACLE: Oracle = Oracle {
    name: "questions-stay-small",
    proves: "a question for an action takes at most two frames for each link, in all of the mesh, while no link comes or goes",
    class: Class::Safety,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let most = 2 * case.graph.links() as u64;
    for ((asker, number), question) in &case.history.mesh.questions {
        if question.frames > most && !links_change(case, question) {
            let text = format!(
                "question {number:#x} took {} frames, and there are {} links",
                question.frames,
                case.graph.links()
            );
            findings.push(Finding { node: *asker, t: question.last, text });
        }
    }
}

/// Whether links may have come or gone while the question was under way. That a second link to a neighbour came up is told only
/// when the first one ends.
fn links_change(case: &Case<'_>, question: &Question) -> bool {
    let retired = question.last + bounds::slowest_timing(&case.run.header).retire_timeout * 2;
    case.history.entries.iter().any(|entry| match entry.what {
        What::PeerUp { .. } | What::PeerDown { .. } | What::Gone { .. } | What::Started { .. } => {
            question.first <= entry.t && entry.t <= question.last
        }
        What::LinkClosed { .. } => question.first <= entry.t && entry.t <= retired,
        _ => false,
    })
}
