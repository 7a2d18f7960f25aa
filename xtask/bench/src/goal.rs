//! What figures should come to. A goal that is missed is told and never an error: times belong to the machine.

use serde::Serialize;

/// The most that a figure should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Goal {
    pub(crate) at_most: f64,
    /// The mesh for which it is set; `None` for every one, and then the worst counts.
    pub(crate) nodes: Option<u32>,
}

/// A goal beside what was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Verdict {
    pub(crate) at_most: f64,
    /// The mesh that decided.
    pub(crate) nodes: u32,
    pub(crate) measured: f64,
    /// What was measured, divided by the goal.
    pub(crate) ratio: f64,
    pub(crate) met: bool,
}

impl Goal {
    /// At most this, whatever the size of the mesh.
    pub(crate) const fn everywhere(at_most: f64) -> Self {
        Self { at_most, nodes: None }
    }

    /// At most this, in a mesh of so many nodes.
    pub(crate) const fn at(nodes: u32, at_most: f64) -> Self {
        Self { at_most, nodes: Some(nodes) }
    }

    /// Judges figures, each of a mesh of so many nodes. `None` if there is none for which the goal is set.
    pub(crate) fn judge(self, figures: impl IntoIterator<Item = (u32, f64)>) -> Option<Verdict> {
        let concerned =
            figures.into_iter().filter(|(nodes, _)| self.nodes.is_none_or(|wanted| wanted == *nodes));
        let (nodes, measured) = concerned.max_by(|left, right| left.1.total_cmp(&right.1))?;
        let ratio = measured / self.at_most;
        Some(Verdict { at_most: self.at_most, nodes, measured, ratio, met: ratio <= 1.0 })
    }
}

impl Verdict {
    /// The last two cells of a row: the goal, and what became of it.
    pub(crate) fn cells(self) -> [String; 2] {
        let Self { at_most, nodes, ratio, met, .. } = self;
        let outcome = if met { "met" } else { "missed" };
        [format!("{at_most} at {nodes} nodes"), format!("{outcome}, {ratio:.2} of it")]
    }
}

#[cfg(test)]
mod tests {
    use super::Goal;

    #[test]
    fn a_goal_for_one_size_looks_at_that_size() {
        let figures = [(10, 1.0), (20, 4.0), (30, 9.0)];
        let verdict = Goal::at(20, 2.0).judge(figures).unwrap();
        assert_eq!((verdict.nodes, verdict.measured, verdict.ratio, verdict.met), (20, 4.0, 2.0, false));
        assert_eq!(verdict.cells(), ["2 at 20 nodes", "missed, 2.00 of it"]);
        assert_eq!(Goal::at(40, 2.0).judge(figures), None);
    }

    #[test]
    fn a_goal_for_every_size_is_met_by_the_worst() {
        let verdict = Goal::everywhere(9.0).judge([(10, 3.0), (20, 9.0), (30, 1.0)]).unwrap();
        assert_eq!((verdict.nodes, verdict.ratio, verdict.met), (20, 1.0, true));
        assert!(!Goal::everywhere(8.9).judge([(10, 3.0), (20, 9.0)]).unwrap().met);
    }
}
