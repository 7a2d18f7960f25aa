//! What the README shows is what runs.
//!
//! The contract: the first shell block is exactly the two commands; every `cargo run` line in a block marked `sh` is run to
//! its end; the first Rust block is the text of `node/examples/ten_lines.rs`, which is run too, as are the other examples.
//! The first Rust block of the guide to the mesh is an example too.
//! Programs that do not end belong into blocks with another mark (`text`, `console`).

use std::fs;

use crate::cargo::cargo;
use crate::markdown::{self, Fence};
use crate::process::{self, Failure};

const FIRST_COMMANDS: [&str; 2] = ["cargo xtask sim", "cargo xtask test"];
/// Examples by the names that cargo gives them, and the pages that show them.
const EXAMPLES: [(&str, &str); 2] = [("ten_lines", "README.md"), ("find_by_predicate", "docs/guide/mesh.md")];

/// Compares and runs.
pub(super) fn check() -> Result<(), Failure> {
    let readme = read("README.md")?;
    let fences = markdown::fences(&readme);
    check_commands(&fences)?;
    for (example, page) in EXAMPLES {
        let path = format!("node/examples/{example}.rs");
        check_example(page, &markdown::fences(&read(page)?), &path, &read(&path)?)?;
    }
    // Built by the tests of the workspace already; `cargo run` would build it again with other features.
    let named = EXAMPLES.iter().flat_map(|(example, _)| ["--example", example]);
    process::run(cargo().args(["test", "--quiet", "--workspace", "--no-run"]).args(named))?;
    for (example, _) in EXAMPLES {
        let example = process::target_dir().join("debug/examples").join(example);
        process::run(&mut process::command(example.with_extension(std::env::consts::EXE_EXTENSION)))?;
    }
    for command in shell(&fences).flat_map(|fence| markdown::commands(&fence.text)) {
        let mut words = command.split_whitespace();
        if words.next() == Some("cargo") && words.next() == Some("run") {
            process::run(cargo().arg("run").args(words))?;
        }
    }
    Ok(())
}

fn read(path: &str) -> Result<String, Failure> {
    fs::read_to_string(process::root().join(path))
        .map_err(|error| Failure::new(format!("cannot read {path}: {error}")))
}

fn shell(fences: &[Fence]) -> impl Iterator<Item = &Fence> {
    fences.iter().filter(|fence| fence.language == "sh")
}

fn check_commands(fences: &[Fence]) -> Result<(), Failure> {
    let first = shell(fences).next().ok_or_else(|| Failure::new("README.md has no `sh` block"))?;
    let commands = markdown::commands(&first.text);
    if commands == FIRST_COMMANDS {
        return Ok(());
    }
    Err(Failure::new(format!(
        "README.md:{}: the first block must be exactly `{}`, and is `{}`",
        first.line,
        FIRST_COMMANDS.join("` and `"),
        commands.join("` and `")
    )))
}

/// The block and the file say the same; the file may have a header of comments and attributes on top.
fn check_example(page: &str, fences: &[Fence], path: &str, example: &str) -> Result<(), Failure> {
    let fence = fences.iter().find(|fence| fence.language == "rust");
    let fence = fence.ok_or_else(|| Failure::new(format!("{page} has no `rust` block")))?;
    let is_header =
        |line: &&str| line.starts_with("//!") || line.starts_with("#![") || line.trim().is_empty();
    let body: Vec<&str> = example.lines().skip_while(is_header).collect();
    let shown: Vec<&str> = fence.text.lines().skip_while(is_header).collect();
    if body == shown {
        return Ok(());
    }
    let at = body.iter().zip(&shown).take_while(|(a, b)| a == b).count();
    Err(Failure::new(format!(
        "{page}:{}: the Rust block differs from {path} in line {} of the block; copy the file",
        fence.line,
        at + 1
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "```sh\ncargo xtask sim\ncargo xtask test\n```\n```rust\nfn main() {}\n```\n";

    #[test]
    fn the_two_commands_come_first() {
        assert!(check_commands(&markdown::fences(GOOD)).is_ok());
        let other = markdown::fences("```sh\ncargo build\n```\n");
        assert!(check_commands(&other).unwrap_err().to_string().contains("README.md:1"));
    }

    #[test]
    fn the_example_is_the_file() {
        let fences = markdown::fences(GOOD);
        let check = |example| check_example("README.md", &fences, "main.rs", example);
        assert!(check("//! Doc.\n\nfn main() {}\n").is_ok());
        let drifted = check("fn main() { }\n").unwrap_err();
        assert!(drifted.to_string().contains("line 1 of the block"));
    }
}
