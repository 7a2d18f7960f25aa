//! `cargo xtask lint`: looks at the workspace it was built from, or at the one whose root is its argument.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate lies in xtask/lint");
    let root = std::env::args_os().nth(1).map_or_else(|| own.to_owned(), PathBuf::from);
    match lacewing_lint::check(&root) {
        Ok(findings) if findings.is_empty() => {
            eprintln!("lint: no findings");
            ExitCode::SUCCESS
        }
        Ok(findings) => {
            for finding in &findings {
                println!("{finding}");
            }
            eprintln!("lint: {} findings", findings.len());
            ExitCode::from(1)
        }
        Err(error) => {
            eprintln!("lint: {error}");
            ExitCode::from(1)
        }
    }
}
