//! The table for people and the JSON for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::contender::Contender;
use crate::convergence;
use crate::directory;
use crate::environment::Environment;
use crate::failure::{Failure, While as _};
use crate::goal::Verdict;
use crate::load;
use crate::options::Settings;
use crate::rounds::{Metric, Round};
use crate::statistics::Spread;

/// Raised when a reader of an older file would be misled.
const FORMAT: u32 = 1;
const FLOORS: [Contender; 2] = [Contender::Blocking, Contender::Framed];

/// Everything that is known after a run.
pub(crate) struct Report {
    environment: Environment,
    settings: Settings,
    /// Empty where calls were not measured.
    rows: Vec<Row>,
    /// Empty where the directory was not measured.
    directory: Vec<directory::Column>,
    /// Empty where convergence was not measured.
    convergence: Vec<convergence::Mesh>,
    /// Empty where loads were not measured.
    load: load::Rows,
}

/// One metric.
struct Row {
    metric: Metric,
    contenders: Vec<Spread>,
    /// Our call divided by each floor, round by round, so that what slows a whole round down cancels out.
    ratios: Vec<Spread>,
}

impl Row {
    fn new(metric: Metric, rounds: &[Round]) -> Self {
        let value = |round: &Round, contender: Contender| round[contender as usize].of(metric);
        let contenders = Contender::ALL
            .map(|contender| Spread::of(rounds.iter().map(|round| value(round, contender))))
            .to_vec();
        let ratio = |round: &Round, floor| value(round, Contender::Call) / value(round, floor);
        let ratios = FLOORS.map(|floor| Spread::of(rounds.iter().map(|round| ratio(round, floor)))).to_vec();
        Self { metric, contenders, ratios }
    }
}

impl Report {
    pub(crate) fn new(
        environment: Environment,
        settings: Settings,
        rounds: &[Round],
        directory: Vec<directory::Column>,
        convergence: Vec<convergence::Mesh>,
        load: load::Rows,
    ) -> Self {
        let metrics = if rounds.is_empty() { &[][..] } else { &Metric::ALL };
        let rows = metrics.iter().map(|metric| Row::new(*metric, rounds)).collect();
        Self { environment, settings, rows, directory, convergence, load }
    }

    /// Medians with the smallest and the largest round, as Markdown.
    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        if !self.rows.is_empty() {
            text += &self.calls();
            text.push('\n');
        }
        if !self.directory.is_empty() {
            text += &self.questions();
            text.push('\n');
        }
        if !self.convergence.is_empty() {
            text += &self.changes();
            text.push('\n');
        }
        if !self.load.is_empty() {
            text += &self.loads();
            text.push('\n');
        }
        if !self.rows.is_empty() || !self.directory.is_empty() {
            let Settings { payload_bytes, rounds, .. } = self.settings;
            let _ = write!(
                text,
                "{payload_bytes}-byte payloads, median of {rounds} rounds (smallest to largest); "
            );
        }
        let Environment { cores, cpu_model, os, rustc, profile, .. } = &self.environment;
        let _ = writeln!(text, "{cores} cores, {cpu_model}, {os}, {rustc}, {profile} profile");
        text
    }

    fn questions(&self) -> String {
        let mut header = vec![String::new()];
        header.extend(self.directory.iter().map(|column| format!("{} nodes", column.nodes)));
        header.extend(GOAL_HEADER.map(str::to_owned));
        let mut lines = vec![header];
        for (index, metric) in directory::Metric::ALL.into_iter().enumerate() {
            let mut cells = vec![metric.title().to_owned()];
            cells.extend(self.directory.iter().map(|column| cell(&column.spreads[index])));
            cells.extend(goal_cells(directory::verdict(metric, &self.directory)));
            lines.push(cells);
        }
        aligned(&lines)
    }

    fn changes(&self) -> String {
        let mut header = vec![String::new()];
        header.extend(self.convergence.iter().map(|mesh| format!("{} nodes", mesh.nodes)));
        header.extend(GOAL_HEADER.map(str::to_owned));
        let mut lines = vec![header];
        for metric in &convergence::Metric::ALL {
            let mut cells = vec![metric.title.to_owned()];
            cells.extend(self.convergence.iter().map(|mesh| rounded(metric.of(mesh))));
            cells.extend(goal_cells(metric.verdict(&self.convergence)));
            lines.push(cells);
        }
        aligned(&lines)
    }

    fn loads(&self) -> String {
        let mut lines = vec![["", "measured", GOAL_HEADER[0], GOAL_HEADER[1]].map(str::to_owned).to_vec()];
        for (metric, spread) in &self.load {
            let mut cells = vec![metric.title(&self.settings.load), cell(spread)];
            cells.extend(goal_cells(load::verdict(*metric, &self.load)));
            lines.push(cells);
        }
        let rounds = self.settings.load_rounds;
        format!(
            "{}\nMedian of {rounds} rounds (smallest to largest), one round of many links\n",
            aligned(&lines)
        )
    }

    fn calls(&self) -> String {
        let mut header = vec![String::new()];
        header.extend(Contender::ALL.map(|contender| contender.title().to_owned()));
        header.extend(FLOORS.map(|floor| format!("call / {}", floor.name())));
        let mut lines = vec![header];
        for row in &self.rows {
            let mut cells = vec![row.metric.title(self.settings.in_flight)];
            cells.extend(row.contenders.iter().map(cell));
            cells.extend(row.ratios.iter().map(cell));
            lines.push(cells);
        }
        aligned(&lines)
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        let doing = format!("writing {}", path.display());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).when(&doing)?;
        }
        let mut text = serde_json::to_string_pretty(&self.json()).when(&doing)?;
        text.push('\n');
        std::fs::write(path, text).when(&doing)
    }

    fn json(&self) -> Json<'_> {
        let column = |pick: &dyn Fn(&Row) -> Spread| -> Map<String, Value> {
            let member = |row: &Row| (row.metric.name().to_owned(), serde_json::json!(pick(row)));
            self.rows.iter().map(member).collect()
        };
        let contenders = Contender::ALL.into_iter().enumerate().map(|(index, contender)| Column {
            name: contender.name(),
            title: contender.title(),
            metrics: column(&|row| row.contenders[index]),
        });
        let ratios = FLOORS.into_iter().enumerate().map(|(index, floor)| Column {
            name: floor.name(),
            title: floor.title(),
            metrics: column(&|row| row.ratios[index]),
        });
        Json {
            format: FORMAT,
            environment: &self.environment,
            settings: self.settings,
            contenders: if self.rows.is_empty() { Vec::new() } else { contenders.collect() },
            ratios_of_call_to: if self.rows.is_empty() { Vec::new() } else { ratios.collect() },
            directory: self.directory.iter().map(Questions::of).collect(),
            convergence: self.convergence.iter().map(|mesh| &mesh.figures).collect(),
            load: self.load.iter().map(|(metric, spread)| (metric.name(), *spread)).collect(),
            goals: self.goals(),
        }
    }

    /// What became of each goal of what was measured, by the name of the metric.
    fn goals(&self) -> Map<String, Value> {
        let directory = directory::Metric::ALL
            .into_iter()
            .filter_map(|metric| Some((metric.name(), directory::verdict(metric, &self.directory)?)));
        let convergence = convergence::Metric::ALL
            .iter()
            .filter_map(|metric| Some((metric.name, metric.verdict(&self.convergence)?)));
        let load = load::Metric::ALL
            .into_iter()
            .filter_map(|metric| Some((metric.name(), load::verdict(metric, &self.load)?)));
        directory
            .chain(convergence)
            .chain(load)
            .map(|(name, verdict)| (name.to_owned(), serde_json::json!(verdict)))
            .collect()
    }
}

/// The last two columns of a table with goals.
const GOAL_HEADER: [&str; 2] = ["goal: at most", ""];

/// The cells under them.
fn goal_cells(verdict: Option<Verdict>) -> [String; 2] {
    verdict.map_or_else(Default::default, Verdict::cells)
}

#[derive(Serialize)]
struct Json<'a> {
    format: u32,
    environment: &'a Environment,
    settings: Settings,
    contenders: Vec<Column>,
    ratios_of_call_to: Vec<Column>,
    directory: Vec<Questions>,
    convergence: Vec<&'a Map<String, Value>>,
    load: BTreeMap<&'static str, Spread>,
    goals: Map<String, Value>,
}

/// What was measured of a mesh of so many nodes.
#[derive(Serialize)]
struct Questions {
    nodes: u32,
    #[serde(flatten)]
    metrics: Map<String, Value>,
}

impl Questions {
    fn of(column: &directory::Column) -> Self {
        let metrics = directory::Metric::ALL.into_iter().zip(&column.spreads);
        let metrics = metrics.map(|(metric, spread)| (metric.name().to_owned(), serde_json::json!(spread)));
        Self { nodes: column.nodes, metrics: metrics.collect() }
    }
}

#[derive(Serialize)]
struct Column {
    name: &'static str,
    title: &'static str,
    #[serde(flatten)]
    metrics: Map<String, Value>,
}

fn cell(spread: &Spread) -> String {
    format!("{} ({} to {})", rounded(spread.median), rounded(spread.min), rounded(spread.max))
}

/// Three significant digits, or all those before the point.
fn rounded(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A Markdown table that can be read as it is.
fn aligned(lines: &[Vec<String>]) -> String {
    let widths: Vec<usize> = (0..lines[0].len())
        .map(|column| lines.iter().map(|cells| cells[column].len()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for (index, cells) in lines.iter().enumerate() {
        for (cell, width) in cells.iter().zip(&widths) {
            let _ = write!(text, "| {cell:width$} ");
        }
        text.push_str("|\n");
        if index == 0 {
            for width in &widths {
                let _ = write!(text, "|{}", "-".repeat(width + 2));
            }
            text.push_str("|\n");
        }
    }
    text
}
