//! How a predicate did over many candidates.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::label::Label;
use super::walk::{Event, walk};
use super::{Facts, Predicate};
use crate::json_text::JsonText;

/// Counts how often each clause was evaluated, and how often it held.
///
/// ```
/// use lacewing_core::capability::CapabilitySet;
/// use lacewing_core::predicate::{Predicate, Tally};
///
/// let predicate: Predicate = "hardware.gpu".parse().unwrap();
/// let mut tally = Tally::new(&predicate);
/// assert!(!tally.count(&CapabilitySet::new()));
/// assert!(tally.count(&CapabilitySet::new().with_tag("hardware.gpu").unwrap()));
/// assert_eq!(tally.report().to_json(), r#"{"total_candidates":2,"matched":1,"clause_stats":[{"label":"Exists(hardware.gpu)","evaluated":2,"matched":1}]}"#);
/// ```
#[derive(Clone, Debug)]
pub struct Tally<'a> {
    predicate: &'a Predicate,
    total: u64,
    matched: u64,
    /// Of each node: how often it was evaluated, and how often it held.
    counts: Vec<(u64, u64)>,
}

/// What a predicate did over many candidates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DebugReport {
    /// Candidates that were asked.
    pub total_candidates: u64,
    /// Candidates for which the predicate held.
    pub matched: u64,
    /// The clauses and composites that were evaluated at least once, in ascending order of their labels, no label twice.
    pub clause_stats: Vec<ClauseStats>,
}

/// What clauses with the same label did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClauseStats {
    label: Label,
    /// How often they were evaluated; at most once for each candidate and node.
    pub evaluated: u64,
    /// How often they held.
    pub matched: u64,
}

impl<'a> Tally<'a> {
    /// Nothing counted yet.
    pub fn new(predicate: &'a Predicate) -> Self {
        Self { predicate, total: 0, matched: 0, counts: vec![(0, 0); predicate.nodes.len()] }
    }

    /// Evaluates the predicate for one more candidate, and gives the result.
    pub fn count(&mut self, facts: &impl Facts) -> bool {
        let counts = &mut self.counts;
        let see = |event| {
            if let Event::Leave(node, result) = event {
                counts[node].0 += 1;
                counts[node].1 += u64::from(result);
            }
        };
        let result = walk(self.predicate, |clause| clause.holds(facts), see);
        self.total += 1;
        self.matched += u64::from(result);
        result
    }

    /// The report so far.
    pub fn report(&self) -> DebugReport {
        let counted =
            self.predicate.nodes.iter().zip(&self.counts).filter(|(_, (evaluated, _))| *evaluated > 0);
        let stats = counted.map(|(node, (evaluated, matched))| ClauseStats {
            label: Label::of(node),
            evaluated: *evaluated,
            matched: *matched,
        });
        DebugReport {
            total_candidates: self.total,
            matched: self.matched,
            clause_stats: merged(stats.collect()),
        }
    }
}

impl DebugReport {
    /// The report of a predicate over these candidates.
    pub fn over<'f, F: Facts + 'f>(
        predicate: &Predicate,
        candidates: impl IntoIterator<Item = &'f F>,
    ) -> Self {
        let mut tally = Tally::new(predicate);
        for candidate in candidates {
            tally.count(candidate);
        }
        tally.report()
    }

    /// The report without what clauses compare the metadata of these keys with: [`REDACTED`](super::REDACTED) stands there
    /// instead. Labels that become equal are merged.
    #[must_use]
    pub fn redacted(&self, keys: &[&str]) -> Self {
        let redact = |stats: &ClauseStats| ClauseStats { label: stats.label.redacted(keys), ..*stats };
        Self { clause_stats: merged(self.clause_stats.iter().map(redact).collect()), ..*self }
    }

    /// The report as compact JSON.
    pub fn to_json(&self) -> String {
        let mut json = JsonText::default();
        json.open('{')
            .name("total_candidates")
            .number(self.total_candidates)
            .name("matched")
            .number(self.matched);
        json.name("clause_stats").open('[');
        for stats in &self.clause_stats {
            json.open('{').field("label", stats.label()).name("evaluated").number(stats.evaluated);
            json.name("matched").number(stats.matched).close('}');
        }
        json.close(']').close('}');
        json.into_text()
    }
}

impl ClauseStats {
    /// The label of the clauses.
    pub fn label(&self) -> &str {
        &self.label.text
    }
}

/// Sorted by label, equal labels made one.
fn merged(mut stats: Vec<ClauseStats>) -> Vec<ClauseStats> {
    stats.sort_by(|a, b| a.label.text.cmp(&b.label.text));
    stats.dedup_by(|later, kept| {
        let same = later.label.text == kept.label.text;
        if same {
            kept.label.absorb(&later.label);
            kept.evaluated += later.evaluated;
            kept.matched += later.matched;
        }
        same
    });
    stats
}
