use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::{capabilities, graph, number, tree, value};
use crate::capability::{CapabilitySet, number as capability_number};
use crate::predicate::{Candidate, Clause, Key, Node, Predicate, Tally, TraceEntry, Version, print_number};

/// Every node, children first, with nothing left out and nothing in another order.
fn evaluated_naively(predicate: &Predicate, set: &CapabilitySet) -> bool {
    let mut results: Vec<bool> = Vec::new();
    for node in predicate.nodes() {
        let result = match node {
            Node::Clause(clause) => clause_holds(clause, set),
            Node::And(children) => !children.iter().any(|child| !results[usize::from(*child)]),
            Node::Or(children) => children.iter().filter(|child| results[usize::from(**child)]).count() > 0,
            Node::Not(child) => !results[usize::from(*child)],
        };
        results.push(result);
    }
    results[predicate.root()]
}

fn clause_holds(clause: &Clause, set: &CapabilitySet) -> bool {
    let key = match clause.key() {
        Key::Metadata(key) => {
            return set.metadata().get(key).is_some_and(|value| value_fits(clause, value));
        }
        Key::Tag(key) => key,
    };
    set.tags().iter().any(|tag| {
        let Some(rest) = tag.strip_prefix(key.axis().name()).and_then(|rest| rest.strip_prefix('.')) else {
            return false;
        };
        let end = rest.find(['=', ':']).unwrap_or(rest.len());
        let (name, value) = rest.split_at(end);
        let same = !name.is_empty() && name == key.key();
        let exists = matches!(clause, Clause::Exists { .. });
        same && (exists || !value.is_empty() && value_fits(clause, &value[1..]))
    })
}

fn value_fits(clause: &Clause, value: &str) -> bool {
    // Plain `parse` takes words that are no numbers here.
    let number = || {
        let is_word = value.contains(|c: char| c.is_alphabetic() && c != 'e' && c != 'E');
        let is_inf = ["inf", "+inf", "-inf"].contains(&value);
        if is_word && !is_inf { f64::NAN } else { value.parse().unwrap_or(f64::NAN) }
    };
    let versions = |wanted: &str| Some((release(value)?, release(wanted)?));
    match clause {
        Clause::Exists { .. } | Clause::MetadataExists { .. } => true,
        Clause::Equals { value: wanted, .. } | Clause::MetadataEquals { value: wanted, .. } => {
            value == wanted
        }
        Clause::NumericAtLeast { threshold, .. } | Clause::MetadataNumericAtLeast { threshold, .. } => {
            number() >= *threshold
        }
        Clause::NumericAtMost { threshold, .. } => number() <= *threshold,
        Clause::NumericInRange { min, max, .. } => number() >= *min && number() <= *max,
        Clause::SemverAtLeast { version, .. } => versions(version.as_str()).is_some_and(|(a, b)| a >= b),
        Clause::SemverAtMost { version, .. } => versions(version.as_str()).is_some_and(|(a, b)| a <= b),
        Clause::SemverCompatible { version, .. } => versions(version.as_str()).is_some_and(|(a, b)| {
            // The caret: everything below the next release in which the leftmost component that is not zero grows.
            let limit = match b {
                [0, 0, patch] => [0, 0, patch.saturating_add(1)],
                [0, minor, _] => [0, minor.saturating_add(1), 0],
                [major, ..] => [major.saturating_add(1), 0, 0],
            };
            a >= b && a < limit
        }),
        Clause::StringPrefix { prefix, .. } => value.get(..prefix.len()) == Some(prefix.as_str()),
        Clause::StringMatches { pattern, .. } | Clause::MetadataMatches { pattern, .. } => {
            value.find(pattern.as_str()).is_some()
        }
    }
}

fn release(text: &str) -> Option<[u64; 3]> {
    let text = text.split(['-', '+']).next()?;
    let parts: Vec<&str> = text.split('.').collect();
    let good = parts.iter().all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit()));
    if parts.len() > 3 || !good {
        return None;
    }
    let component = |index: usize| parts.get(index).map_or(Some(0), |part| part.parse::<u64>().ok());
    Some([component(0)?, component(1)?, component(2)?])
}

/// What a trace says of itself, entry by entry.
fn check_entry(entry: TraceEntry<'_>) -> usize {
    let children: Vec<TraceEntry<'_>> = entry.children().collect();
    let results: Vec<bool> = children.iter().map(|child| child.result()).collect();
    if let [result] = results[..]
        && entry.label() == "Not"
    {
        assert_eq!(entry.result(), !result);
    }
    if entry.label().starts_with("And(") && !children.is_empty() {
        assert_eq!(entry.result(), results.iter().all(|result| *result));
        assert!(results[..results.len() - 1].iter().all(|result| *result), "nothing after the first false");
    }
    if entry.label().starts_with("Or(") && !children.is_empty() {
        assert_eq!(entry.result(), results.iter().any(|result| *result));
        assert!(!results[..results.len() - 1].iter().any(|result| *result), "nothing after the first true");
    }
    1 + children.into_iter().map(check_entry).sum::<usize>()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn short_circuits_and_order_change_no_result(predicate in graph(), set in capabilities()) {
        let expected = evaluated_naively(&predicate, &set);
        prop_assert_eq!(predicate.evaluate(&set), expected, "{}", predicate.to_json());
        prop_assert_eq!(predicate.evaluate(&Candidate::from(&set)), expected);
        prop_assert_eq!(predicate.trace(&set).result(), expected);
        prop_assert_eq!(Tally::new(&predicate).count(&set), expected);
    }

    #[test]
    fn no_clause_is_asked_twice(predicate in graph(), set in capabilities()) {
        let clauses: Vec<&Clause> = predicate.clauses().collect();
        let mut asked = vec![0; clauses.len()];
        let result = predicate.decide(|clause| {
            asked[clause] += 1;
            clauses[clause].holds(&set)
        });
        prop_assert_eq!(result, evaluated_naively(&predicate, &set));
        prop_assert!(asked.iter().all(|times| *times <= 1), "{:?}", asked);
        let mut tally = Tally::new(&predicate);
        tally.count(&set);
        let report = tally.report();
        let evaluated: u64 = report.clause_stats.iter().map(|stats| stats.evaluated).sum();
        prop_assert!(evaluated <= predicate.nodes().len() as u64);
    }

    /// The plan and the walk are two pieces of code with one meaning.
    #[test]
    fn traces_and_evaluation_ask_the_same_clauses_in_the_same_order(predicate in graph(), set in capabilities()) {
        let clauses: Vec<&Clause> = predicate.clauses().collect();
        let mut asked = Vec::new();
        predicate.decide(|clause| {
            asked.push(format!("{}", clauses[clause]));
            clauses[clause].holds(&set)
        });
        let mut walked = Vec::new();
        let holds = |clause: &Clause| {
            walked.push(format!("{clause}"));
            clause.holds(&set)
        };
        crate::predicate::walk::walk(&predicate, holds, |_| {});
        prop_assert_eq!(asked, walked);
    }

    #[test]
    fn a_trace_explains_itself_in_as_many_entries_as_there_are_references(
        predicate in graph(),
        set in capabilities(),
    ) {
        let trace = predicate.trace(&set);
        let references: usize = predicate.nodes().iter().map(|node| node.children().len()).sum();
        prop_assert!(trace.len() <= references + 1);
        prop_assert_eq!(check_entry(trace.root()), trace.len());
        let json: serde_json::Value = serde_json::from_str(&trace.to_json().unwrap()).unwrap();
        prop_assert_eq!(&json["label"], trace.root().label());
        prop_assert_eq!(&json["result"], trace.result());
        prop_assert_eq!(json["children"].as_array().unwrap().len(), trace.root().children().count());
    }

    #[test]
    fn json_reads_back_as_the_same_predicate(predicate in graph()) {
        let json = predicate.to_json();
        if json.len() <= 4_096 {
            let again = Predicate::from_json(&json).unwrap();
            prop_assert_eq!(&again, &predicate);
            prop_assert_eq!(again.to_json(), json);
        }
    }

    #[test]
    fn cbor_reads_back_as_the_same_predicate(predicate in graph()) {
        let mut bytes = Vec::new();
        predicate.encode(&mut bytes);
        let again = Predicate::decode(&bytes).unwrap();
        prop_assert_eq!(again.to_json(), predicate.to_json());
        prop_assert_eq!(again, predicate);
    }

    #[test]
    fn text_reads_back_as_the_same_tree(tree in tree()) {
        let predicate = tree.predicate();
        let text = predicate.to_text().unwrap();
        let again: Predicate = text.parse().map_err(|error: crate::predicate::text::TextError| {
            TestCaseError::fail(error.render(&text))
        })?;
        prop_assert_eq!(again.to_json(), predicate.to_json(), "{}", text);
        prop_assert!(text.len() <= predicate.to_json().len(), "text is never longer than JSON: {}", text);
    }

    /// Sharing is lost in a text, and nothing else.
    #[test]
    fn text_of_shared_nodes_means_the_same(predicate in graph(), set in capabilities()) {
        if let Ok(text) = predicate.to_text() {
            let again: Predicate = text.parse().unwrap();
            prop_assert_eq!(again.evaluate(&set), predicate.evaluate(&set));
            prop_assert_eq!(again.to_text().unwrap(), text);
            prop_assert_eq!(again.cost(), predicate.cost());
        }
    }

    #[test]
    fn damaged_cbor_is_refused_or_has_one_spelling(
        tree in tree(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let mut bytes = Vec::new();
        tree.predicate().encode(&mut bytes);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(predicate) = Predicate::decode(&bytes) {
            let mut again = Vec::new();
            predicate.encode(&mut again);
            prop_assert_eq!(again, bytes);
        }
    }

    #[test]
    fn damaged_json_is_refused_or_reads_back(
        tree in tree(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(&b"{}[]\",:0aE-\\ u"[..])), 0..3),
    ) {
        let mut bytes = tree.predicate().to_json().into_bytes();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(text) = String::from_utf8(bytes) {
            match Predicate::from_json(&text) {
                Ok(predicate) => {
                    prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}", text);
                    prop_assert_eq!(Predicate::from_json(&predicate.to_json()), Ok(predicate));
                }
                Err(crate::predicate::PredicateError::Json { at, .. }) => prop_assert!(at <= text.len()),
                Err(_) => {}
            }
        }
    }

    #[test]
    fn any_text_is_a_predicate_or_refused_at_one_of_its_columns(
        text in r#"((and|or|not|all|any|in|meta\.a|hardware\.b|"x"|[()=,]|>=|~=|v?[0-9.]{1,3}|contains| |\PC) ?){0,12}"#,
    ) {
        match text.parse::<Predicate>() {
            Ok(predicate) => prop_assert_eq!(predicate.to_text().unwrap().parse(), Ok(predicate)),
            Err(error) => {
                prop_assert!((1..=text.chars().count() + 1).contains(&error.column), "{:?} {}", text, error);
                prop_assert!(error.render(&text).contains(&error.expected));
            }
        }
    }

    #[test]
    fn numbers_are_printed_as_json_has_them(number in number()) {
        let text = print_number(number);
        prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), number.to_bits());
        prop_assert_eq!(capability_number::parse(&text).map(f64::to_bits), Some(number.to_bits()));
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(json.as_f64().map(f64::to_bits), Some(number.to_bits()));
        prop_assert!(text.contains(['.', 'e']), "{}", text);
        let others = format!("{}", serde_json::Number::from_f64(number).unwrap());
        prop_assert_eq!(others.replace("e+", "e"), text, "the same digits and places as serde_json");
    }

    #[test]
    fn numbers_and_versions_are_what_the_rules_say(text in value()) {
        let numeric = Clause::NumericAtLeast { key: "hardware.a".parse().unwrap(), threshold: f64::MIN };
        let expected = value_fits(&numeric, &text) || text == "-inf" || text == "-1e400";
        prop_assert_eq!(capability_number::parse(&text).is_some(), expected, "{}", text);
        prop_assert_eq!(Version::parse(&text), release(&text).map(|[a, b, c]| Version::new(a, b, c)));
    }
}
