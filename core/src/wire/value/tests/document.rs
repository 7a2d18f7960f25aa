use alloc::string::String;
use alloc::vec::Vec;

use super::unhex;
use crate::wire::value::{decode, encode, from_json, tag, to_json};
use crate::wire::{WireErrorKind, cbor};

const DOCUMENT: &str = include_str!("../../../../../docs/spec/values.md");

/// The cells of all rows of the tables whose last column has this title.
fn rows(title: &str) -> Vec<[&'static str; 3]> {
    let mut inside = false;
    let mut rows = Vec::new();
    for line in DOCUMENT.lines() {
        let cells: Vec<&str> = line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        match cells[..] {
            ["", _, _, last, ""] if last == title => inside = true,
            ["", first, _, _, ""] if inside && first.starts_with("---") => {}
            ["", description, view, last, ""] if inside => rows.push([description, view, last]),
            _ => inside = false,
        }
    }
    rows
}

#[test]
fn every_example_of_the_specification_holds_both_ways() {
    let examples = rows("hex");
    assert!(examples.len() >= 60, "only {} examples were found", examples.len());
    for [description, view, hex] in examples {
        let json = serde_json::from_str(view).expect(description);
        let bytes = unhex(hex);
        let value = decode(&bytes).expect(description);
        assert_eq!(to_json(&value, 10_000).unwrap(), json, "{description}");
        assert_eq!(from_json(&json).expect(description), value, "{description}");
        assert_eq!(encode(&value, 10_000).unwrap(), bytes, "{description}");
    }
}

#[test]
fn every_example_of_bad_bytes_is_refused_by_its_name() {
    let examples = rows("error");
    assert!(examples.len() >= 30, "only {} examples were found", examples.len());
    for [description, hex, name] in &examples {
        let error = decode(&unhex(hex)).expect_err(description);
        assert_eq!(error.kind.name(), *name, "{description}");
    }
    // Values have no reserved bits.
    for kind in WireErrorKind::ALL.into_iter().filter(|kind| *kind != WireErrorKind::ReservedBits) {
        let deep = kind == WireErrorKind::TooDeep || kind == WireErrorKind::TooLarge;
        assert!(deep || examples.iter().any(|[_, _, name]| *name == kind.name()), "no example of {kind}");
    }
}

#[test]
fn every_example_of_a_bad_view_is_refused_at_its_place() {
    let examples = rows("pointer");
    assert!(examples.len() >= 8, "only {} examples were found", examples.len());
    for [description, view, pointer] in examples {
        let error = from_json(&serde_json::from_str(view).unwrap()).expect_err(description);
        assert_eq!(error.pointer, pointer.trim_matches('"'), "{description}");
    }
}

#[test]
fn the_specification_names_the_tags_and_limits_of_the_code() {
    let tags = [
        tag::BIG_UNSIGNED,
        tag::BIG_NEGATIVE,
        tag::SET,
        tag::TIME,
        tag::ERROR,
        tag::REF,
        tag::REGEX,
        tag::STRUCT,
    ];
    for number in tags {
        assert!(DOCUMENT.contains(&std::format!("| {number} |")), "tag {number} is not in the table of tags");
    }
    for limit in [
        std::format!("at most {} levels", cbor::DEPTH_MAX),
        std::format!("1 to {} bytes", crate::wire::value::NAME_LEN_MAX),
        String::from("1 to 1,024 bytes"),
    ] {
        assert!(DOCUMENT.contains(&limit), "{limit}");
    }
}
