//! The three forms of predicates in `docs/spec/predicates.md`.
//!
//! A block marked `predicate` has the text, the JSON and the CBOR of one predicate, each as the code writes it.

use lacewing_core::predicate::Predicate;

use crate::hex::{hex, unhex};
use crate::pages;

fn page() -> String {
    let pages = pages::all();
    pages
        .into_iter()
        .find(|page| page.name == "predicates.md")
        .expect("docs/spec/predicates.md is there")
        .text
}

#[test]
fn every_predicate_has_the_three_forms_that_the_page_shows() {
    let page = page();
    let blocks: Vec<&str> = page.split("```predicate\n").skip(1).collect();
    assert!(blocks.len() >= 3, "only {} examples were found", blocks.len());
    for block in blocks {
        let lines: Vec<&str> = block.split("\n```").next().unwrap_or_default().split('\n').collect();
        let predicate: Predicate = lines[0].parse().unwrap_or_else(|error| panic!("{}: {error}", lines[0]));
        assert_eq!(predicate.to_text().unwrap(), lines[0]);
        assert_eq!(predicate.to_json(), lines[1]);
        assert_eq!(Predicate::from_json(lines[1]).as_ref(), Ok(&predicate));
        let mut bytes = Vec::new();
        predicate.encode(&mut bytes);
        assert_eq!(hex(&bytes), lines[2]);
        assert_eq!(Predicate::decode(&unhex(lines[2]).unwrap()), Ok(predicate));
    }
}

/// The pairs of cells in the rows of a table that begin with code, as in sections 2 and 5.
fn pairs(page: &str) -> Vec<(String, String)> {
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let pair = |cells: &[&str]| (cells[0].trim().to_owned(), cells[1].trim().to_owned());
    let of_row = |row: &str| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        cells.chunks_exact(2).map(pair).collect::<Vec<_>>()
    };
    rows.flat_map(of_row).collect()
}

#[test]
fn the_tables_have_every_kind_of_clause_with_its_number_cost_and_text() {
    let page = page();
    let pairs = pairs(&page);
    let mut kinds = Vec::new();
    for (text, kind) in &pairs {
        let text = text.trim_matches('`');
        let Ok(predicate) = text.parse::<Predicate>() else { continue };
        let clause = predicate.clauses().next().expect("a clause");
        assert_eq!(
            (predicate.to_text().as_deref(), format!("`{}`", clause.kind())),
            (Ok(text), kind.clone())
        );
        let costs: Vec<&str> =
            pairs.iter().filter(|(kinds, _)| kinds.contains(kind)).map(|(_, cost)| cost.as_str()).collect();
        assert!(
            costs.contains(&clause.cost().to_string().as_str()),
            "{kind} costs {}: {costs:?}",
            clause.cost()
        );
        let mut bytes = Vec::new();
        predicate.encode(&mut bytes);
        // A map, a key, a list of one node, the head of the node, and there it is.
        let row = format!("| {} | {kind} | `key`", bytes[4]);
        assert!(page.contains(&row), "section 1 has no row that begins with {row}");
        kinds.push(clause.kind());
    }
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds.len(), 14, "section 5 shows {kinds:?}");
}
