//! Each named bug is noticed by the testbed.
//!
//! Bugs of the driver show in turmoil only, so both engines look; one that notices is enough.

use crate::cargo::{self, Profile};
use crate::process::{self, Failure};
use crate::suite::released;

/// Seeds that a bug may take to show.
const SEEDS: &str = "60";
/// Exit codes of a run in which an oracle spoke, something did not come back, or the core stopped itself.
const NOTICED: [i32; 3] = [1, 2, 6];

/// Runs every plan with each bug in turn.
pub(super) fn check() -> Result<(), Failure> {
    let program = cargo::build("lacewing-sim", "lacewing-sim", Profile::Sim)?;
    let mut missed = Vec::new();
    for name in released::names()? {
        let mut noticed = None;
        for engine in ["des", "turmoil"] {
            let mut sim = process::command(&program);
            sim.args([
                "run",
                "--plan",
                "all",
                "--seeds",
                SEEDS,
                "--engine",
                engine,
                "--fail-fast",
                "--no-shrink",
            ]);
            sim.args(["--inject", &name]);
            match process::quiet_code(&mut sim)? {
                0 => {}
                code if NOTICED.contains(&code) => {
                    noticed = Some(engine);
                    break;
                }
                code => return Err(Failure::new(format!("`{}` ended with {code}", process::shown(&sim)))),
            }
        }
        eprintln!(
            "{name}: {}",
            noticed.map_or_else(|| "MISSED".to_owned(), |engine| format!("noticed by {engine}"))
        );
        if noticed.is_none() {
            missed.push(name);
        }
    }
    if missed.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(format!("nothing noticed {}", missed.join(", "))))
    }
}
