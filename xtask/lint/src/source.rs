//! The Rust files of the workspace, parsed.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use syn::visit::{self, Visit};

use crate::Finding;

/// Folders that hold no source of ours.
const SKIPPED: [&str; 4] = ["target", ".git", "node_modules", ".venv"];

/// One parsed file.
pub struct Source {
    /// Path from the root, with `/`.
    pub path: String,
    /// The text.
    pub text: String,
    /// The syntax tree.
    pub file: syn::File,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Source {
    /// Parses `text` as the file at `path`.
    ///
    /// ```
    /// assert!(lacewing_lint::source::Source::parse("core/src/lib.rs", "fn main() {}").is_ok());
    /// assert!(lacewing_lint::source::Source::parse("core/src/lib.rs", "fn main() {").is_err());
    /// ```
    pub fn parse(path: &str, text: &str) -> Result<Self, Finding> {
        let file = syn::parse_file(text)
            .map_err(|error| Finding::new("parse", path, error.span().start().line, error.to_string()))?;
        Ok(Self { path: path.to_owned(), text: text.to_owned(), file })
    }

    /// Every macro call, as statement, expression or item.
    pub fn macros(&self) -> Vec<&syn::Macro> {
        struct Macros<'ast>(Vec<&'ast syn::Macro>);
        impl<'ast> Visit<'ast> for Macros<'ast> {
            fn visit_macro(&mut self, node: &'ast syn::Macro) {
                self.0.push(node);
                visit::visit_macro(self, node);
            }
        }
        let mut macros = Macros(Vec::new());
        macros.visit_file(&self.file);
        macros.0
    }
}

/// Parses every Rust file below `root`; what does not parse is a finding.
pub fn load(root: &Path) -> io::Result<(Vec<Source>, Vec<Finding>)> {
    let (mut sources, mut findings) = (Vec::new(), Vec::new());
    for path in files(root)? {
        if Path::new(&path).extension().is_some_and(|extension| extension == "rs") {
            match Source::parse(&path, &fs::read_to_string(root.join(&path))?) {
                Ok(source) => sources.push(source),
                Err(finding) => findings.push(finding),
            }
        }
    }
    Ok((sources, findings))
}

/// Every file below `root` that is ours, as sorted paths from the root.
pub fn files(root: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    collect(root, "", &mut found)?;
    found.sort();
    Ok(found)
}

fn collect(root: &Path, prefix: &str, found: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(prefix))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        let kind = entry.file_type()?;
        if kind.is_dir() && !SKIPPED.contains(&name.as_str()) {
            collect(root, &path, found)?;
        } else if kind.is_file() {
            found.push(path);
        }
    }
    Ok(())
}
