//! A release build holds none of the named bugs.
//!
//! The names come from the source, where the bugs are; the same search over the simulator, which does hold them, shows
//! that it would find one.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::cargo::{self, Profile};
use crate::process::{self, Failure};

/// Folders whose code users get.
const SHIPPED: [&str; 2] = ["core/src", "node/src"];
/// How a fault site asks for its bug.
const SITES: [&str; 2] = ["injected!(", ".inject("];
/// Fewer names than this means that the search for them went wrong.
const NAMES_MIN: usize = 8;

/// Builds both programs and searches them.
pub(super) fn check() -> Result<(), Failure> {
    let names = names()?;
    let released = read(&cargo::build("lacewing", "lacewing", Profile::Release)?)?;
    let simulator = read(&cargo::build("lacewing-sim", "lacewing-sim", Profile::Sim)?)?;
    for name in &names {
        if !holds(&simulator, name) {
            return Err(Failure::new(format!(
                "the simulator does not hold the bug `{name}`: this search proves nothing"
            )));
        }
        if holds(&released, name) {
            return Err(Failure::new(format!("the released `lacewing` holds the named bug `{name}`")));
        }
    }
    eprintln!(
        "{} names, none in {} bytes of the released program, all in the simulator",
        names.len(),
        released.len()
    );
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))
}

fn holds(bytes: &[u8], name: &str) -> bool {
    bytes.windows(name.len()).any(|window| window == name.as_bytes())
}

/// The names of all bugs in the code that users get.
pub(super) fn names() -> Result<BTreeSet<String>, Failure> {
    let mut names = BTreeSet::new();
    for folder in SHIPPED {
        for file in rust_files(&process::root().join(folder))? {
            let text = String::from_utf8(read(&file)?)
                .map_err(|_| Failure::new(format!("{} is not UTF-8", file.display())))?;
            names.extend(names_in(&text));
        }
    }
    if names.len() < NAMES_MIN {
        let found = names.len();
        return Err(Failure::new(format!(
            "found {found} named bugs in {SHIPPED:?}, expected {NAMES_MIN} or more"
        )));
    }
    Ok(names)
}

fn rust_files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let listed = |error| Failure::new(format!("cannot list {}: {error}", folder.display()));
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(listed)? {
        let path = entry.map_err(listed)?.path();
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The first string in each call of a fault site. Comments are left out: they show how it is done.
fn names_in(text: &str) -> BTreeSet<String> {
    let code: String =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut names = BTreeSet::new();
    for site in SITES {
        for (at, _) in code.match_indices(site) {
            let call = &code[at + site.len()..];
            let call = &call[..call.find(')').unwrap_or(call.len())];
            if let Some(name) = call.split('"').nth(1) {
                names.insert(name.to_owned());
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_where_the_bugs_are() {
        let text = "/// `injected!(cx, \"example\")`\nif injected!(cx, \"skip-dedup\") {}\nif cx.trace.inject(\n    \"lost-reply\",\n) {}\n";
        assert_eq!(names_in(text), BTreeSet::from(["lost-reply".to_owned(), "skip-dedup".to_owned()]));
    }

    #[test]
    fn a_name_inside_the_bytes_is_found() {
        assert!(holds(b"\0\x7fskip-dedup\0", "skip-dedup"));
        assert!(!holds(b"skip-de", "skip-dedup"));
    }
}
