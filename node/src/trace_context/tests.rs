use super::TraceContext;

const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn a_well_formed_one_comes_back_as_it_was() {
    for flags in ["00", "01"] {
        let text = format!("{}{flags}", &GOOD[..53]);
        let trace: TraceContext = text.parse().unwrap();
        assert_eq!(trace.to_string(), text);
        assert_eq!(trace.sampled(), flags == "01");
    }
}

#[test]
fn flags_that_nobody_knows_yet_are_not_passed_on() {
    let trace: TraceContext = format!("{}ff", &GOOD[..53]).parse().unwrap();
    assert_eq!(trace.to_string(), GOOD);
}

#[test]
fn what_is_not_well_formed_is_none() {
    let zero_trace = format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32));
    let zero_span = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", "0".repeat(16));
    let longer = format!("{GOOD}-00");
    let upper = GOOD.to_uppercase();
    let bad = [
        "",
        "00",
        &zero_trace,
        &zero_span,
        &longer,
        &upper,
        &GOOD[..54],
        &GOOD.replace("00-4", "01-4"),
        &GOOD.replace("00-4", "ff-4"),
        &GOOD.replace('-', "_"),
        &GOOD.replace("4bf", "4bg"),
        &GOOD.replace("4bf9", "ä9"),
        &format!(" {GOOD}"),
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
        "00-4bf92f3577b34da6a3ce929d0e0e473-000f067aa0ba902b7-01",
    ];
    for text in bad {
        assert!(text.parse::<TraceContext>().is_err(), "{text:?}");
    }
}

#[test]
fn roots_and_children_have_numbers_of_their_own() {
    let root = TraceContext::root(true);
    let (one, other) = (root.child(), root.child());
    assert_ne!(TraceContext::root(true).trace_id(), root.trace_id());
    assert_eq!((one.trace_id(), one.sampled()), (root.trace_id(), true));
    assert_ne!(one.span_id(), other.span_id());
    assert_ne!(one.span_id(), root.span_id());
    assert_eq!(TraceContext::new([0; 16], [1; 8], true), None);
}
