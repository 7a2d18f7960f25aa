//! How soon all nodes of a mesh know of a change, and what a mesh costs in which nothing happens.
//!
//! The testbed measures it, in simulated time: its figures are the same on every machine. This program only runs it, and
//! holds its figures against the goals.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Map, Value};

use crate::failure::{Failure, While as _};
use crate::goal::{Goal, Verdict};

/// Nodes of each mesh.
pub(crate) const NODES: [u32; 2] = [50, 200];

/// What the testbed has found out about one mesh, as it tells it.
#[derive(Clone, Debug)]
pub(crate) struct Mesh {
    pub(crate) nodes: u32,
    pub(crate) figures: Map<String, Value>,
}

/// A figure that the table shows. The JSON has all that the testbed tells.
pub(crate) struct Metric {
    /// The name that the testbed gives it, its unit last.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) goal: Option<Goal>,
}

impl Metric {
    pub(crate) const ALL: [Self; 8] = [
        Self::new("diameter", "diameter: links", None),
        Self::new("change_known_by_half_ms", "change known by half: simulated ms", None),
        Self::new("change_known_by_all_ms", "change known by all: simulated ms", None),
        Self::new("change_in_diameters", "the same in latencies of the diameter", Some(Goal::at(200, 3.0))),
        Self::new("change_frames", "change: frames that announce it", None),
        Self::new("change_bytes", "change: sealed bytes in all", None),
        Self::new("idle_bytes_per_link_per_s", "idle link: sealed bytes/s", Some(Goal::everywhere(200.0))),
        Self::new("start_known_by_all_ms", "all know all after the start: simulated ms", None),
    ];

    const fn new(name: &'static str, title: &'static str, goal: Option<Goal>) -> Self {
        Self { name, title, goal }
    }

    /// What it is of a mesh.
    pub(crate) fn of(&self, mesh: &Mesh) -> f64 {
        mesh.figures[self.name].as_f64().expect("it was looked at when the figures came")
    }

    /// What became of its goal, if it has one.
    pub(crate) fn verdict(&self, meshes: &[Mesh]) -> Option<Verdict> {
        self.goal?.judge(meshes.iter().map(|mesh| (mesh.nodes, self.of(mesh))))
    }
}

/// Runs the testbed and reads what it prints.
pub(crate) fn run(simulator: &Path) -> Result<Vec<Mesh>, Failure> {
    eprintln!("convergence of {NODES:?} nodes");
    let doing = format!("running {}", simulator.display());
    let mut command = Command::new(simulator);
    command.args(["convergence", "--json"]).stdin(Stdio::null()).stderr(Stdio::inherit());
    for nodes in NODES {
        command.args(["--nodes", &nodes.to_string()]);
    }
    let output = command.output().when(&doing)?;
    if !output.status.success() {
        return Err(Failure::new(format!("{doing}: {}", output.status)));
    }
    read(&output.stdout).map_err(|problem| Failure::new(format!("{doing}: {problem}")))
}

/// Reads the figures of all meshes, and sees that each that the table shows is there.
fn read(json: &[u8]) -> Result<Vec<Mesh>, String> {
    let meshes: Vec<Map<String, Value>> = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let meshes: Vec<Mesh> = meshes
        .into_iter()
        .map(|figures| {
            let nodes = figures.get("nodes").and_then(Value::as_u64).ok_or("a mesh without `nodes`")?;
            let absent = |metric: &&Metric| figures.get(metric.name).and_then(Value::as_f64).is_none();
            match Metric::ALL.iter().find(absent) {
                Some(metric) => Err(format!("{nodes} nodes without `{}`", metric.name)),
                None => Ok(Mesh { nodes: nodes as u32, figures }),
            }
        })
        .collect::<Result<_, _>>()?;
    let nodes: Vec<u32> = meshes.iter().map(|mesh| mesh.nodes).collect();
    if nodes == NODES { Ok(meshes) } else { Err(format!("figures of {nodes:?} nodes, not of {NODES:?}")) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::{Metric, read};

    fn mesh(nodes: u32) -> Map<String, Value> {
        let figures = Metric::ALL.iter().map(|metric| (metric.name.to_owned(), json!(1.5)));
        figures.chain([("nodes".to_owned(), json!(nodes)), ("seed".to_owned(), json!("0"))]).collect()
    }

    fn text(meshes: &[Map<String, Value>]) -> Vec<u8> {
        serde_json::to_vec(meshes).unwrap()
    }

    #[test]
    fn figures_are_read_with_all_that_comes_beside_them() {
        let meshes = read(&text(&[mesh(50), mesh(200)])).unwrap();
        assert_eq!(meshes.iter().map(|mesh| mesh.nodes).collect::<Vec<_>>(), [50, 200]);
        assert!((Metric::ALL[0].of(&meshes[1]) - 1.5).abs() < 1e-9);
        assert_eq!(meshes[0].figures["seed"], "0");
    }

    #[test]
    fn a_figure_or_a_mesh_that_is_not_there_is_told() {
        let mut lacks = mesh(200);
        lacks.remove("change_bytes");
        assert_eq!(read(&text(&[mesh(50), lacks])).unwrap_err(), "200 nodes without `change_bytes`");
        assert!(read(&text(&[mesh(50)])).unwrap_err().contains("not of [50, 200]"));
        assert!(read(b"no figures").is_err());
    }
}
