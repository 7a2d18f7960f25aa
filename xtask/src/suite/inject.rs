//! Each named bug is noticed by the testbed, and each of its oracles notices one.

use std::process::Stdio;

use crate::cargo::{self, Profile};
use crate::process::{self, Failure};
use crate::suite::released;

/// Where `prove` says which oracles were of no use.
const BLIND: &str = "oracles that noticed none: ";

/// Compares the simulator's list of bugs with the source, and lets it switch each on.
pub(super) fn check() -> Result<(), Failure> {
    let program = cargo::build("lacewing-sim", "lacewing-sim", Profile::Sim)?;
    let listed = process::output(process::command(&program).args(["list", "--bugs"]))?;
    for name in released::names()? {
        if !listed.split_whitespace().any(|word| word == name) {
            return Err(Failure::new(format!(
                "the bug `{name}` is in the source, but not in `sim list --bugs`"
            )));
        }
    }
    let proof = process::output(process::command(&program).arg("prove").stdin(Stdio::null()))?;
    print!("{proof}");
    match blind(&proof) {
        Some("none") => Ok(()),
        Some(names) => Err(Failure::new(format!("these oracles noticed no bug: {names}"))),
        None => Err(Failure::new(format!("`sim prove` does not say `{BLIND}`"))),
    }
}

fn blind(proof: &str) -> Option<&str> {
    proof.lines().find_map(|line| line.strip_prefix(BLIND)).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::blind;

    #[test]
    fn an_oracle_that_noticed_nothing_is_named() {
        let proof = "  a  noticed by x\noracles that noticed none: late_outcome\nverdict: ok\n";
        assert_eq!(blind(proof), Some("late_outcome"));
        assert_eq!(blind("verdict: ok\n"), None);
    }
}
