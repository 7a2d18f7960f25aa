//! Questions to the directory: who can do this? Measured in one thread, over meshes of several sizes.

mod mesh;
mod metric;

use std::time::Duration;

pub(crate) use metric::Metric;

use crate::goal::Verdict;
use crate::statistics::Spread;

/// Nodes of each mesh.
pub(crate) const NODES: [u32; 3] = [1_000, 10_000, 50_000];

/// What was measured of one mesh.
pub(crate) struct Column {
    pub(crate) nodes: u32,
    /// In the order of [`Metric::ALL`].
    pub(crate) spreads: Vec<Spread>,
}

/// Measures each mesh in turn; in each round every metric for about `span`.
pub(crate) fn run(rounds: usize, span: Duration) -> Vec<Column> {
    NODES.map(|nodes| column(nodes, rounds, span)).into()
}

fn column(nodes: u32, rounds: usize, span: Duration) -> Column {
    eprintln!("directory of {nodes} nodes");
    let mut mesh = metric::Mesh::new(nodes);
    let samples: Vec<_> = (0..rounds).map(|_| mesh.sample(span)).collect();
    let spreads = Metric::ALL.map(|metric| Spread::of(samples.iter().map(|sample| sample[metric as usize])));
    Column { nodes, spreads: spreads.into() }
}

/// What became of a metric's goal, if it has one.
pub(crate) fn verdict(metric: Metric, columns: &[Column]) -> Option<Verdict> {
    let medians = columns.iter().map(|column| (column.nodes, column.spreads[metric as usize].median));
    metric.goal()?.judge(medians)
}
