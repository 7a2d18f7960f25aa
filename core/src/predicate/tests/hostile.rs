use alloc::format;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use std::thread;

use super::{chain, clause, doubled, set};
use crate::predicate::{
    CHILDREN_MAX, Candidate, Clause, DebugReport, NODES_MAX, Node, Predicate, PredicateError,
    TRACE_JSON_LEN_MAX,
};

/// If any of this were exponential, it would not end.
#[test]
fn a_predicate_that_would_expand_to_two_to_the_hundred_is_as_cheap_as_its_nodes() {
    let predicate = doubled(100);
    let set = set(&["hardware.gpu"], &[]);
    let mut asked = 0;
    assert!(predicate.decide(|_| {
        asked += 1;
        true
    }));
    assert_eq!(asked, 1);
    assert!(predicate.evaluate(&set) && predicate.evaluate(&Candidate::from(&set)));
    assert_eq!(predicate.cost(), u32::MAX);
    let trace = predicate.trace(&set);
    assert_eq!((trace.result(), trace.len()), (true, 151), "an or asks once, an and twice");
    assert!(trace.to_json().unwrap().len() < 10_000);
    assert_eq!(DebugReport::over(&predicate, [&set, &set]).matched, 2);
    assert_eq!(predicate.to_text().unwrap_err().name(), "Oversize");
    assert_eq!(predicate.to_string(), predicate.to_json(), "what is too long as text is shown as JSON");
    assert_eq!(Predicate::from_json(&predicate.to_json()), Ok(predicate));
}

/// On a stack on which a recursion of a thousand levels has no room.
#[test]
fn a_chain_of_a_thousand_nots_needs_no_stack() {
    let work = || {
        let predicate = chain(1_000);
        let set = set(&["hardware.gpu"], &[]);
        assert!(predicate.evaluate(&set));
        let trace = predicate.trace(&set);
        assert_eq!((trace.result(), trace.len()), (true, 1_001));
        assert!(trace.to_json().unwrap().ends_with("}]}]}"));
        assert_eq!(trace.redacted(&["a"]), trace.clone());
        assert_eq!(format!("{trace:?}").matches("Not").count(), 1_000);
        assert_eq!(DebugReport::over(&predicate, [&set]).clause_stats.len(), 2);
        assert_eq!(predicate.cost(), 20);
        let text = predicate.to_string();
        assert!(text.starts_with("not not not ") && format!("{predicate:?}").contains(&text));
        assert_eq!(text.parse::<Predicate>().as_ref(), Ok(&predicate));
        assert_eq!(predicate.to_json().matches("not").count(), 1_000);
        let mut bytes = Vec::new();
        predicate.clone().encode(&mut bytes);
        assert!(bytes.len() > 4_000);
    };
    let small = thread::Builder::new().stack_size(64 * 1_024).spawn(work).unwrap();
    small.join().unwrap();
}

#[test]
fn four_thousand_parentheses_need_no_stack() {
    let work = || {
        let nested = format!("{}hardware.gpu{}", "(".repeat(2_000), ")".repeat(2_000));
        assert_eq!(nested.parse::<Predicate>().unwrap().nodes().len(), 1);
        let open = "(".repeat(4_096).parse::<Predicate>().unwrap_err();
        assert_eq!(open.column, 4_097);
        let lists = format!("{}{}", "all(".repeat(800), ")".repeat(800));
        let predicate: Predicate = lists.parse().unwrap();
        assert_eq!(predicate.to_text().unwrap(), lists);
        assert!(predicate.evaluate(&set(&[], &[])));
    };
    let small = thread::Builder::new().stack_size(64 * 1_024).spawn(work).unwrap();
    small.join().unwrap();
}

/// One clause with a long text, and as many references to it as fit into a header.
#[test]
fn a_trace_that_repeats_a_long_label_ends_at_its_limit() {
    let long = Clause::Equals { key: "software.a".parse().unwrap(), value: "x".repeat(2_000) };
    let root = Node::Or(vec![0; 950]);
    let predicate = Predicate::new(vec![Node::Clause(long), root], 1).unwrap();
    assert!(predicate.to_header().is_ok(), "a peer can send this");
    let trace = predicate.trace(&set(&[], &[]));
    assert_eq!((trace.len(), trace.root().children().count()), (951, 950));
    assert!(matches!(
        trace.to_json(),
        Err(PredicateError::Oversize { max: TRACE_JSON_LEN_MAX, found, .. }) if found < TRACE_JSON_LEN_MAX + 3_000
    ));
    assert_eq!(predicate.to_text().unwrap_err().name(), "Oversize");
    let report = DebugReport::over(&predicate, [&set(&[], &[])]);
    assert_eq!(report.clause_stats.iter().map(|stats| stats.evaluated).collect::<Vec<_>>(), [1, 1]);
}

/// More routines than fit on the stack, each asked for from two places.
#[test]
fn hundreds_of_shared_nodes_are_evaluated_once_each() {
    let mut nodes: Vec<Node> = (0..200).map(|index| clause(&format!("hardware.k{index}"))).collect();
    for index in 0..200 {
        nodes.push(Node::And(vec![index, (index + 1) % 200]));
    }
    nodes.push(Node::And((200..400).collect()));
    let predicate = Predicate::new(nodes, 400).unwrap();
    let mut asked = vec![0; 200];
    assert!(predicate.decide(|clause| {
        asked[clause] += 1;
        true
    }));
    assert_eq!(asked, [1; 200]);
    assert!(!predicate.decide(|clause| clause != 199));
}

#[test]
fn limits_hold_for_predicates_made_in_rust() {
    let name = |nodes: Vec<Node>| Predicate::new(nodes, 0).map_err(|error| error.name());
    assert!(name(vec![Node::And(vec![]); NODES_MAX]).is_ok());
    assert_eq!(name(vec![Node::And(vec![]); NODES_MAX + 1]), Err("Oversize"));
    let wide = |children| vec![clause("hardware.a"), Node::Or(vec![0; children])];
    assert!(name(wide(CHILDREN_MAX)).is_ok());
    assert_eq!(name(wide(CHILDREN_MAX + 1)), Err("Oversize"));
    let long = |length| vec![Node::Clause(Clause::MetadataExists { key: "k".repeat(length) })];
    assert!(name(long(4_096)).is_ok());
    assert_eq!(name(long(4_097)), Err("Oversize"));
    let infinite = Clause::MetadataNumericAtLeast { key: "k".to_string(), threshold: f64::INFINITY };
    assert_eq!(name(vec![Node::Clause(infinite)]), Err("NotFinite"));
    let not_a_number = Clause::NumericInRange { key: "hardware.a".parse().unwrap(), min: 0.0, max: f64::NAN };
    assert_eq!(name(vec![Node::Clause(not_a_number)]), Err("NotFinite"));
    assert_eq!(name(vec![]), Err("Empty"));
}
