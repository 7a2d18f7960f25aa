//! Links from page to page.

use std::fs;
use std::path::{Path, PathBuf};

use crate::root;

/// Every relative link of the README and its companions, and of the pages below `docs`, that leads to no file.
pub(crate) fn broken() -> Vec<String> {
    let root = root();
    let mut pages: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].iter().map(|name| root.join(name)).collect();
    collect(&root.join("docs"), &mut pages);
    let mut broken = Vec::new();
    for page in pages {
        let text = fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
        let folder = page.parent().expect("a page lies in a folder");
        for target in targets(&text) {
            if !folder.join(target).exists() {
                let shown = page.strip_prefix(&root).unwrap_or(&page).display();
                broken.push(format!("{shown}: there is no {target}"));
            }
        }
    }
    broken
}

fn collect(folder: &Path, pages: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("docs can be listed") {
        let path = entry.expect("docs can be listed").path();
        if path.is_dir() {
            collect(&path, pages);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
}

/// What stands between `](` and `)`, without the part after `#`. Links to the outside are not looked at.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|target| !target.contains("://") && !target.contains(char::is_whitespace))
        .map(|target| target.split('#').next().unwrap_or_default())
        .filter(|target| !target.is_empty())
}
