//! `cargo xtask test`: every suite once.

mod deep;
mod inject;
mod readme;
mod released;

use std::process::Command;

use crate::cargo;
use crate::process::{self, Failure};

/// Cases for each decoder in an ordinary run: about ten seconds in all.
const FUZZ_ITERATIONS: &str = "20000";

/// One suite.
struct Part {
    name: &'static str,
    proves: &'static str,
    needs: &'static [Need],
    deep: bool,
    run: fn() -> Result<(), Failure>,
}

/// A tool that a part cannot do without.
struct Need {
    what: &'static str,
    probe: &'static [&'static str],
    install: &'static str,
}

const LINKER: Need = Need {
    what: "a C compiler and linker",
    probe: &["cc", "--version"],
    install: "the Debian package `gcc`",
};
const NIGHTLY: Need = Need {
    what: "a nightly toolchain",
    probe: &["rustup", "run", "nightly", "rustc", "--version"],
    install: "it with `rustup toolchain install nightly --profile minimal`",
};

const PARTS: [Part; 10] = [
    Part {
        name: "rust",
        proves: "unit, scenario and property tests of every crate, doctests; examples compile",
        needs: &[LINKER],
        deep: false,
        run: rust,
    },
    Part {
        name: "readme",
        proves: "what the README shows is what runs",
        needs: &[LINKER],
        deep: false,
        run: readme::check,
    },
    Part {
        name: "fixtures",
        proves: "generated files are up to date, every fixture was executed by every runner",
        needs: &[LINKER],
        deep: false,
        run: fixtures,
    },
    Part {
        name: "fuzz",
        proves: "decoders survive mutated fixtures, and re-encode what they accept",
        needs: &[LINKER],
        deep: false,
        run: fuzz,
    },
    Part {
        name: "released-artefacts",
        proves: "a release build holds none of the named bugs",
        needs: &[LINKER],
        deep: false,
        run: released::check,
    },
    Part {
        name: "inject",
        proves: "each oracle of the testbed fails on a bug put in on purpose",
        needs: &[LINKER],
        deep: false,
        run: inject::check,
    },
    Part {
        name: "release",
        proves: "the tests also hold with optimisations and without assertions",
        needs: &[LINKER],
        deep: true,
        run: deep::release,
    },
    Part {
        name: "sanitizers",
        proves: "no memory error under AddressSanitizer",
        needs: &[LINKER, NIGHTLY],
        deep: true,
        run: deep::sanitizers,
    },
    Part {
        name: "fuzz-long",
        proves: "as fuzz, fifty times as long",
        needs: &[LINKER],
        deep: true,
        run: deep::fuzz,
    },
    Part {
        name: "sim-long",
        proves: "every plan over many seeds on both engines; debug equals release",
        needs: &[LINKER],
        deep: true,
        run: deep::sim,
    },
];

/// Which parts to run.
struct Selection {
    parts: Vec<&'static Part>,
    skipped: Vec<&'static str>,
}

/// Runs the parts that the command line asks for.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    if args == ["--list"] {
        for part in &PARTS {
            println!("{:19} {}{}", part.name, if part.deep { "(--deep) " } else { "" }, part.proves);
        }
        return Ok(());
    }
    let selection = select(args)?;
    let missing = missing_tools(&selection.parts);
    if !missing.is_empty() {
        return Err(Failure::new(missing.join("\n       ")));
    }
    let mut failed = Vec::new();
    for part in &selection.parts {
        let start = now();
        eprintln!("\n== {}: {}", part.name, part.proves);
        match (part.run)() {
            Ok(()) => eprintln!("== {} passed in {} s", part.name, (now() - start).as_secs()),
            Err(failure) => {
                eprintln!("== {} FAILED in {} s: {failure}", part.name, (now() - start).as_secs());
                failed.push(part.name);
            }
        }
    }
    for name in &selection.skipped {
        eprintln!("== {name} skipped as asked");
    }
    println!(
        "{} passed, {} failed, {} skipped",
        selection.parts.len() - failed.len(),
        failed.len(),
        selection.skipped.len()
    );
    if failed.is_empty() { Ok(()) } else { Err(Failure::new(format!("failed: {}", failed.join(", ")))) }
}

fn select(args: &[String]) -> Result<Selection, Failure> {
    let (mut named, mut skipped, mut deep) = (Vec::new(), Vec::new(), false);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--deep" => deep = true,
            "--skip" => {
                let name =
                    args.next().ok_or_else(|| Failure::usage("test: --skip needs the name of a part"))?;
                skipped.push(part(name)?.name);
            }
            flag if flag.starts_with('-') => {
                return Err(Failure::usage(format!("test: unknown option `{flag}`")));
            }
            name => named.push(part(name)?.name),
        }
    }
    // A deep part that is named runs without --deep; without names everything does that fits.
    let wanted =
        |part: &&Part| if named.is_empty() { deep || !part.deep } else { named.contains(&part.name) };
    let parts: Vec<_> = PARTS.iter().filter(wanted).filter(|part| !skipped.contains(&part.name)).collect();
    if parts.is_empty() {
        return Err(Failure::usage("test: every part is skipped; nothing would be proved"));
    }
    Ok(Selection { parts, skipped })
}

fn part(name: &str) -> Result<&'static Part, Failure> {
    PARTS.iter().find(|part| part.name == name).ok_or_else(|| {
        let names: Vec<_> = PARTS.iter().map(|part| part.name).collect();
        Failure::usage(format!("test: unknown part `{name}`; there are {}", names.join(", ")))
    })
}

/// One line for each tool that is not there, with what to do about it. Asked before anything runs.
fn missing_tools(parts: &[&Part]) -> Vec<String> {
    let mut lines = Vec::new();
    for part in parts {
        for need in part.needs {
            let (program, args) = need.probe.split_first().expect("a probe names a program");
            if !process::succeeds(Command::new(program).args(args)) {
                let Part { name, .. } = part;
                lines.push(format!(
                    "part `{name}` needs {}: install {}, or leave the part out with `--skip {name}`",
                    need.what, need.install
                ));
            }
        }
    }
    lines
}

#[expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "reports how long a part took, decides nothing"
)]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

fn rust() -> Result<(), Failure> {
    process::run(cargo::cargo().args(["test", "--workspace", "--no-fail-fast"]))
}

fn fixtures() -> Result<(), Failure> {
    // The same package set as in `rust`: another one would choose other features and build everything again.
    process::run(cargo::cargo().args([
        "test",
        "--workspace",
        "--test",
        "fixture_runner",
        "--test",
        "fixture_meta",
    ]))?;
    let program = cargo::build_tool("lacewing-fixtures", "fixture_runner")?;
    process::run(process::command(&program).arg("--check"))?;
    process::run(process::command(&program).arg("--reports"))
}

fn fuzz() -> Result<(), Failure> {
    let program = cargo::build_tool("lacewing-fixtures", "fixture_runner")?;
    process::run(process::command(program).args(["fuzz", "--iterations", FUZZ_ITERATIONS]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(args: &[&str]) -> Result<Vec<&'static str>, String> {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        match select(&args) {
            Ok(selection) => Ok(selection.parts.iter().map(|part| part.name).collect()),
            Err(failure) => Err(failure.to_string()),
        }
    }

    #[test]
    fn without_arguments_everything_but_the_deep_parts_runs() {
        let plain = names(&[]).unwrap();
        assert!(plain.contains(&"rust") && !plain.contains(&"sanitizers"), "{plain:?}");
        assert_eq!(names(&["--deep"]).unwrap().len(), PARTS.len());
    }

    #[test]
    fn parts_are_chosen_and_left_out_by_name() {
        assert_eq!(names(&["fuzz", "rust"]).unwrap(), ["rust", "fuzz"]);
        assert!(!names(&["--skip", "fuzz"]).unwrap().contains(&"fuzz"));
        assert_eq!(names(&["sanitizers"]).unwrap(), ["sanitizers"]);
    }

    #[test]
    fn what_is_not_known_is_refused() {
        assert!(names(&["rusty"]).unwrap_err().contains("unknown part `rusty`"));
        assert!(names(&["--fast"]).unwrap_err().contains("unknown option `--fast`"));
        assert!(names(&["--skip"]).unwrap_err().contains("--skip needs"));
        assert!(names(&["fuzz", "--skip", "fuzz"]).unwrap_err().contains("nothing would be proved"));
    }

    #[test]
    fn a_missing_tool_is_named_with_its_package() {
        const ABSENT: Need =
            Need { what: "a loom", probe: &["no-such-loom"], install: "the Debian package `loom`" };
        let part = Part { name: "weave", proves: "", needs: &[ABSENT], deep: false, run: || Ok(()) };
        let lines = missing_tools(&[&part]);
        let expected = "part `weave` needs a loom: install the Debian package `loom`, or leave the part out with `--skip weave`";
        assert_eq!(lines, [expected]);
    }
}
