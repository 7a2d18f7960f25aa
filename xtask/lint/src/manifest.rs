//! The minimum Rust version is one number, and no dependency asks for more.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use crate::Finding;

const RULE: &str = "minimum-rust";

/// A version as cargo writes it, with what is missing read as zero.
fn version(text: &str) -> Option<[u64; 3]> {
    let mut numbers = [0; 3];
    for (slot, part) in text.split(['-', '+']).next()?.splitn(3, '.').enumerate() {
        numbers[slot] = part.parse().ok()?;
    }
    Some(numbers)
}

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    version: String,
    rust_version: Option<String>,
}

/// Compares `Cargo.toml`, `clippy.toml` and everything that `Cargo.lock` resolves to.
pub fn check(root: &Path) -> io::Result<Vec<Finding>> {
    let stated =
        stated(&fs::read_to_string(root.join("Cargo.toml"))?, &["workspace", "package", "rust-version"])?;
    let clippy = stated_in_clippy(root)?;
    let mut findings = compare_stated(stated.as_deref(), clippy.as_deref());
    if let Some(stated) = stated {
        findings.extend(check_packages(&stated, &metadata(root)?)?);
    }
    Ok(findings)
}

fn stated_in_clippy(root: &Path) -> io::Result<Option<String>> {
    stated(&fs::read_to_string(root.join("clippy.toml"))?, &["msrv"])
}

fn stated(text: &str, keys: &[&str]) -> io::Result<Option<String>> {
    let table: toml::Table = toml::from_str(text).map_err(io::Error::other)?;
    let mut value = Some(&toml::Value::Table(table)).cloned();
    for key in keys {
        value = value.and_then(|value| value.get(key).cloned());
    }
    Ok(value.and_then(|value| value.as_str().map(str::to_owned)))
}

fn metadata(root: &Path) -> io::Result<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--locked", "--format-version", "1"])
        .current_dir(root)
        .stderr(std::process::Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other("`cargo metadata --locked` failed: is Cargo.lock up to date?"));
    }
    String::from_utf8(output.stdout).map_err(io::Error::other)
}

/// The two places that state the version.
pub fn compare_stated(cargo: Option<&str>, clippy: Option<&str>) -> Vec<Finding> {
    let Some(cargo) = cargo else {
        return vec![Finding::new(RULE, "Cargo.toml", 0, "workspace.package.rust-version is missing")];
    };
    if clippy == Some(cargo) {
        return Vec::new();
    }
    let text = format!("msrv is {}, rust-version in Cargo.toml is {cargo}", clippy.unwrap_or("missing"));
    vec![Finding::new(RULE, "clippy.toml", 0, text)]
}

/// Every package of `cargo metadata` against the stated version.
pub fn check_packages(stated: &str, metadata: &str) -> io::Result<Vec<Finding>> {
    let metadata: Metadata = serde_json::from_str(metadata).map_err(io::Error::other)?;
    let limit = version(stated).ok_or_else(|| io::Error::other(format!("`{stated}` is no version")))?;
    let mut findings = Vec::new();
    for package in metadata.packages {
        let needed = package.rust_version.as_deref().and_then(version).unwrap_or_default();
        if needed > limit {
            let Package { name, version, rust_version } = package;
            let needed = rust_version.unwrap_or_default();
            let text = format!(
                "{name} {version} needs Rust {needed}, we state {stated}: choose an older one or raise ours"
            );
            findings.push(Finding::new(RULE, "Cargo.lock", 0, text));
        }
    }
    Ok(findings)
}
