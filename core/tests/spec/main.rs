//! The specification in `docs/spec` and the code say the same.
//!
//! `LACEWING_BLESS=1 cargo test -p lacewing-core --test spec` writes the generated pages anew.

mod constants;
mod example;
mod hex;
mod links;
mod noise;
mod pages;
mod predicates;

use std::fs;
use std::path::PathBuf;

use lacewing_core::CloseReason;
use lacewing_core::wire::WireErrorKind;
use lacewing_core::wire::frame::FrameType;

/// The folder of the workspace.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("core lies in the workspace").to_owned()
}

/// Compares a generated page with what is checked in, or writes it.
fn compare(name: &str, expected: &str) {
    let path = root().join("docs/spec").join(name);
    if std::env::var_os("LACEWING_BLESS").is_some() {
        fs::write(&path, expected).expect("the page can be written");
        return;
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    if found == expected {
        return;
    }
    let line = found.lines().zip(expected.lines()).take_while(|(a, b)| a == b).count();
    panic!(
        "docs/spec/{name} has drifted from the code, from line {} on:\n  page: {}\n  code: {}\nIf the code is right, run \
         LACEWING_BLESS=1 cargo test -p lacewing-core --test spec",
        line + 1,
        found.lines().nth(line).unwrap_or("(its end)"),
        expected.lines().nth(line).unwrap_or("(its end)")
    );
}

/// Whether `word` stands in `text` by itself.
fn mentions(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|other| other == word)
}

#[test]
fn the_table_of_constants_is_that_of_the_code() {
    compare("constants.md", &constants::page());
}

#[test]
fn the_worked_example_is_what_the_code_does() {
    compare("example.md", &example::page());
}

#[test]
fn every_example_is_what_it_says() {
    let examples: Vec<_> = pages::all().iter().flat_map(pages::examples).collect();
    let wrong: Vec<String> = examples
        .iter()
        .filter_map(|example| pages::check(example).err().map(|error| format!("{}: {error}", example.place)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(examples.len() >= 40, "only {} examples were found: nothing would be proved", examples.len());
}

#[test]
fn every_frame_type_has_its_section_and_an_example() {
    let pages = pages::all();
    let frames = pages.iter().find(|page| page.name == "frames.md").expect("docs/spec/frames.md is there");
    for frame_type in FrameType::ALL {
        let heading = format!("### {} (0x{:02x})", frame_type.name(), frame_type.number());
        assert!(frames.text.contains(&heading), "docs/spec/frames.md has no section \"{heading}\"");
        let example = format!("```hex frame {}\n", frame_type.name());
        assert!(frames.text.contains(&example), "docs/spec/frames.md shows no {}", frame_type.name());
    }
}

#[test]
fn every_close_reason_and_wire_error_is_explained() {
    let by_hand: String = pages::all()
        .into_iter()
        .filter(|page| !["codes.md", "constants.md", "example.md", "values.md"].contains(&page.name.as_str()))
        .map(|page| page.text)
        .collect();
    let missing: Vec<&str> = CloseReason::ALL
        .iter()
        .map(|reason| reason.name())
        .chain(WireErrorKind::ALL.iter().map(|kind| kind.name()))
        .filter(|name| !mentions(&by_hand, name))
        .collect();
    assert!(missing.is_empty(), "docs/spec says nowhere when these happen: {}", missing.join(", "));
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let broken = links::broken();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
