//! Findings that are accepted, each with a reason; one that nothing needs any more is a finding.

use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;

use crate::Finding;

const PATH: &str = "xtask/lint/exceptions.toml";

/// The table of exceptions.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exceptions {
    #[serde(default, rename = "exception")]
    list: Vec<Exception>,
}

/// One accepted finding.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    rule: String,
    path: String,
    /// The function or import; left out where the rule is about whole files.
    item: Option<String>,
    reason: String,
}

impl Exceptions {
    /// Reads the table of the workspace at `root`.
    pub fn load(root: &Path) -> io::Result<Self> {
        Self::parse(&fs::read_to_string(root.join(PATH))?)
    }

    /// Reads a table.
    ///
    /// ```
    /// let table = "[[exception]]\nrule = \"file-length\"\npath = \"core/src/big.rs\"\nreason = \"generated\"\n";
    /// assert!(lacewing_lint::exceptions::Exceptions::parse(table).is_ok());
    /// ```
    pub fn parse(text: &str) -> io::Result<Self> {
        toml::from_str(text).map_err(|error| io::Error::other(format!("{PATH}: {error}")))
    }

    /// Takes away what is accepted, and adds what is wrong with the table itself.
    pub fn apply(&self, findings: Vec<Finding>) -> Vec<Finding> {
        let mut used = vec![false; self.list.len()];
        let mut left: Vec<Finding> = findings
            .into_iter()
            .filter(|finding| {
                let found = self.list.iter().position(|exception| exception.accepts(finding));
                if let Some(index) = found {
                    used[index] = true;
                }
                found.is_none()
            })
            .collect();
        for (exception, used) in self.list.iter().zip(used) {
            let Exception { rule, path, .. } = exception;
            if !used {
                let text =
                    format!("the exception from `{rule}` for {path} is not needed any more: remove it");
                left.push(Finding::new("stale-exception", PATH, 0, text));
            }
            if exception.reason.trim().len() < 10 {
                left.push(Finding::new(
                    "no-reason",
                    PATH,
                    0,
                    format!("the exception for {path} needs a reason"),
                ));
            }
        }
        left
    }
}

impl Exception {
    fn accepts(&self, finding: &Finding) -> bool {
        self.rule == finding.rule && self.path == finding.path && self.item == finding.item
    }
}
