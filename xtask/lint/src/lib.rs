//! The house rules that rustc and clippy do not know.
//!
//! Each rule is a plain function of sources that gives [`Finding`]s, so that its tests can show it bad code. The table of
//! exceptions has a reason on each line, and an exception that nothing needs any more is a finding itself.

pub mod exceptions;
pub mod layers;
pub mod manifest;
pub mod marks;
pub mod selects;
pub mod size;
pub mod source;
pub mod words;

use std::fmt;
use std::io;
use std::path::Path;

use exceptions::Exceptions;
use source::Source;

/// Something that breaks a rule.
///
/// ```
/// let finding = lacewing_lint::Finding::new("select", "node/src/driver.rs", 7, "write `biased;` first");
/// assert_eq!(finding.to_string(), "node/src/driver.rs:7: [select] write `biased;` first");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Path from the root of the workspace.
    pub path: String,
    /// Line, from 1; 0 for the whole file.
    pub line: usize,
    /// Which rule.
    pub rule: &'static str,
    /// The function or item it is about, where exceptions name one.
    pub item: Option<String>,
    /// What is wrong and what would be right.
    pub text: String,
}

impl Finding {
    /// A finding without an item.
    pub fn new(rule: &'static str, path: &str, line: usize, text: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, rule, item: None, text: text.into() }
    }

    /// The same finding about a named item.
    #[must_use]
    pub fn about(mut self, item: impl Into<String>) -> Self {
        self.item = Some(item.into());
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: [{}] {}", self.path, self.line, self.rule, self.text)
    }
}

/// Every finding in the workspace at `root`, sorted by place.
pub fn check(root: &Path) -> io::Result<Vec<Finding>> {
    let (sources, mut findings) = source::load(root)?;
    if sources.is_empty() {
        return Err(io::Error::other(format!(
            "no Rust file below {}: nothing would be proved",
            root.display()
        )));
    }
    for source in &sources {
        findings.extend(per_file(source));
    }
    findings.extend(marks::check(&sources));
    findings.extend(words::check(root)?);
    findings.extend(manifest::check(root)?);
    let mut findings = Exceptions::load(root)?.apply(findings);
    findings.sort();
    findings.dedup();
    Ok(findings)
}

/// The rules that look at one file at a time.
pub fn per_file(source: &Source) -> Vec<Finding> {
    let mut findings = selects::check(source);
    findings.extend(size::check(source));
    findings.extend(layers::check(source));
    findings
}
