use super::{Flow, Handler, Item, Run, Selection};
use crate::plan::{BUNDLED, Plan};
use crate::quantity::Micros;
use crate::seed::Seed;

const HEADER: &str = r#"{"format":1,"wire":1,"plan":"test","seed":"7","nodes":[{},{"start":"1s"}],"dials":[[0,1]],"net":{"latency_min":"1ms","latency_max":"2ms","jitter_max":0,"bandwidth":1000000,"window":65536,"retransmit_timeout":"9s"},"phases":{"heal":"10s","fresh":"20s","quiet":"30s","end":"40s"}}"#;

fn error(lines: &str) -> String {
    let text = format!("{HEADER}\n{lines}");
    let error = Run::parse("a.jsonl", &text).unwrap_err().to_string();
    assert!(!error.contains('\n'), "{error}");
    error
}

#[test]
fn every_plan_gives_runs_that_read_as_they_were_written() {
    for (name, _) in BUNDLED {
        let plan = Plan::load(name).unwrap();
        for seed in 0..5 {
            let run = plan.expand(Seed(seed));
            let text = run.to_text();
            let read = Run::parse("x.jsonl", &text).unwrap();
            assert_eq!(read, run);
            assert_eq!(read.to_text(), text, "the same run gives the same bytes");
        }
    }
}

#[test]
fn times_are_whole_microseconds_or_text_with_a_unit() {
    let call = |t: &str| {
        format!(
            r#"{{"do":"call","t":{t},"id":1,"from":0,"to":1,"size":9,"timeout":"1s","handler":{{"kind":"never"}}}}"#
        )
    };
    let run = Run::parse("a", &format!("{HEADER}\n{}", call("1200000"))).unwrap();
    assert_eq!(run, Run::parse("a", &format!("{HEADER}\n{}", call("\"1200ms\""))).unwrap());
    assert_eq!(run.items[0].at(), Micros::from_millis(1_200));
    assert!(error(&call("1.5")).contains("whole number of microseconds"));
    assert!(error(&call("\"1.5\"")).contains("1200ms"));
}

#[test]
fn an_unknown_field_is_refused_with_its_line_and_what_is_allowed() {
    let text = error(
        "{\"do\":\"pause\",\"t\":\"1s\",\"lasts\":\"1s\",\"node\":0}\n{\"do\":\"pause\",\"t\":\"1s\",\"lasts\":\"1s\",\"nod\":0}",
    );
    assert!(text.starts_with("a.jsonl:3: "), "{text}");
    assert!(text.contains("`nod`") && text.contains("`node`") && text.contains("`lasts`"), "{text}");
    let nested = error(
        r#"{"do":"call","t":0,"id":1,"from":0,"to":1,"size":9,"timeout":"1s","handler":{"kind":"reply","after":0,"size":1,"x":1}}"#,
    );
    assert!(nested.contains("`x`") && nested.contains("`after`"), "{nested}");
}

#[test]
fn an_unknown_kind_is_refused_with_those_that_exist() {
    let text = error(r#"{"do":"explode","t":"1s"}"#);
    assert!(
        text.starts_with("a.jsonl:2: ") && text.contains("`explode`") && text.contains("`half-open`"),
        "{text}"
    );
}

#[test]
fn another_version_of_the_format_is_refused_before_its_fields_are_looked_at() {
    let text = r#"{"format":3,"new":true}"#;
    let error = Run::parse("a.jsonl", text).unwrap_err().to_string();
    assert_eq!(error, "a.jsonl:1: format version 3: this program knows 1 to 2");
    assert!(Run::parse("a.jsonl", "").unwrap_err().to_string().contains("header"));
}

#[test]
fn a_run_of_the_first_version_of_the_format_still_reads() {
    assert!(HEADER.starts_with(r#"{"format":1,"#));
    let item =
        r#"{"do":"call","t":"1s","id":1,"from":0,"to":1,"size":9,"timeout":"1s","handler":{"kind":"never"}}"#;
    let run = Run::parse("a.jsonl", &format!("{HEADER}\n{item}")).unwrap();
    assert_eq!(run.header.route_metric, crate::run::RouteMetric::RoundTrip);
    // And is written again as what it was.
    assert_eq!(Run::parse("b.jsonl", &run.to_text()).unwrap(), run);
}

#[test]
fn calls_to_pools_and_tags_are_checked() {
    let call = |size: u64, pool: u32, handler: &str| {
        format!(
            r#"{{"do":"call","t":"1s","id":1,"from":0,"action":{{"pool":{pool}}},"size":{size},"timeout":"1s","handler":{handler}}}"#
        )
    };
    let never = r#"{"kind":"never"}"#;
    assert!(Run::parse("a.jsonl", &format!("{HEADER}\n{}", call(12, 3, never))).is_ok());
    assert!(error(&call(11, 3, never)).contains("12 bytes at least"));
    assert!(error(&call(12, 5_000, never)).contains("pools 0 to 999"));
    let nested = r#"{"kind":"call","id":2,"to":1,"size":9,"timeout":"1s","handler":{"kind":"never"}}"#;
    assert!(error(&call(12, 3, nested)).contains("does not call on"));
    assert!(error(r#"{"do":"capabilities","t":"1s","node":0,"tags":[""]}"#).contains("tag"));
    assert!(error(r#"{"do":"serve","t":"1s","node":9,"pool":0}"#).contains("there is no node 9"));
}

#[test]
fn streams_are_checked_and_read_as_they_were_written() {
    let call = |stream: &str, more: &str, handler: &str| {
        format!(
            r#"{{"do":"call","t":"1s","id":1,"from":0,"to":1{more},"stream":{{{stream}}},"size":20,"timeout":"1s","handler":{{"kind":{handler}}}}}"#
        )
    };
    let good = r#""shape":"bidirectional","uploads":{"count":3,"size":9,"every":"1ms"},"items":{"count":5,"size":7},"idle":"2s","ends_after":4"#;
    let text = format!("{HEADER}\n{}", call(good, "", r#""never""#));
    let run = Run::parse("a.jsonl", &text).unwrap();
    assert_eq!(Run::parse("b.jsonl", &run.to_text()).unwrap(), run);
    let spec = run.calls()[0];
    assert_eq!((spec.sends(Flow::Uploads), spec.sends(Flow::Items)), ((3, 9), (4, 7)));
    let never = r#""never""#;
    for (stream, more, handler, what) in [
        (r#""shape":"client-stream","idle":0"#, "", never, "idle time of zero"),
        (r#""shape":"client-stream","idle":"1s","ends_after":0"#, "", never, "1 at least"),
        (
            r#""shape":"client-stream","idle":"1s","uploads":{"count":100001,"size":1}"#,
            "",
            never,
            "100000 each way",
        ),
        (r#""shape":"client-stream","idle":"1s""#, r#","policy":{"retry":true}"#, never, "without a policy"),
        (r#""shape":"client-stream","idle":"1s""#, r#","action":"unknown""#, never, "served all the time"),
        (
            r#""shape":"client-stream","idle":"1s""#,
            "",
            r#""call","id":2,"to":1,"size":9,"timeout":"1s","handler":{"kind":"never"}"#,
            "does not call on",
        ),
    ] {
        let text = error(&call(stream, more, handler));
        assert!(text.contains(what), "{text}");
    }
}

#[test]
fn items_that_cannot_be_are_refused() {
    for (item, what) in [
        (r#"{"do":"pause","t":"1s","lasts":"1s","node":2}"#, "no node 2"),
        (r#"{"do":"pause","t":"11s","lasts":"1s","node":1}"#, "after the heal phase"),
        (r#"{"do":"cancel","t":"1s","id":4}"#, "no call before this line has the id 4"),
        (r#"{"do":"reset","t":"1s","pair":[1,1]}"#, "twice node 1"),
        (r#"{"do":"partition","t":"1s","lasts":"1s","from":[0],"to":[0],"dir":"both"}"#, "both sides"),
        (r#"{"do":"slow-reader","t":"1s","lasts":"1s","node":0,"rate":0}"#, "at least 1"),
        (
            r#"{"do":"call","t":0,"id":1,"from":0,"size":1,"timeout":0,"handler":{"kind":"never"}}"#,
            "timeout of zero",
        ),
        (
            r#"{"do":"call","t":0,"id":1,"from":0,"size":1,"timeout":1,"handler":{"kind":"fail","after":0,"code":7}}"#,
            "codes of applications",
        ),
        (
            r#"{"do":"call","t":0,"id":1,"from":0,"size":1,"timeout":1,"handler":{"kind":"call","id":1,"to":0,"size":1,"timeout":1,"handler":{"kind":"never"}}}"#,
            "another call has the id 1",
        ),
    ] {
        let text = error(item);
        assert!(text.contains(what), "{text}");
    }
    let back = error(
        "{\"do\":\"reset\",\"t\":\"2s\",\"pair\":[0,1]}\n{\"do\":\"reset\",\"t\":\"1s\",\"pair\":[0,1]}",
    );
    assert!(back.contains("time goes back"), "{back}");
}

#[test]
fn any_item_can_be_left_out_and_what_remains_is_a_run() {
    let run = Plan::load("smoke").unwrap().expand(Seed(3));
    let keep = |item: &Item| !matches!(item, Item::Cancel(_));
    for left_out in 0..run.items.len() {
        let mut less = run.clone();
        let item = less.items.remove(left_out);
        // A cancel belongs to its call.
        if matches!(item, Item::Call(_)) {
            less.items.retain(keep);
        }
        Run::parse("x", &less.to_text()).unwrap();
    }
}

#[test]
fn calls_of_handlers_are_calls_too() {
    let inner = Handler::Call {
        id: 2,
        to: 0,
        size: 1,
        timeout: Micros(5),
        handler: Box::new(Handler::Reply { after: Micros(1), size: 3 }),
    };
    let line = format!(
        r#"{{"do":"call","t":0,"id":1,"from":0,"to":1,"size":9,"timeout":"1s","handler":{}}}"#,
        serde_json::to_string(&inner).unwrap()
    );
    let run = Run::parse("a", &format!("{HEADER}\n{line}")).unwrap();
    let calls: Vec<_> = run.calls().iter().map(|call| (call.id, call.from, call.to)).collect();
    assert_eq!(calls, [(1, Some(0), Some(1)), (2, Some(1), Some(0))]);
}

#[test]
fn who_is_called_is_named_or_selected_and_not_both() {
    let call = |whom: &str| {
        format!(
            r#"{{"do":"call","t":0,"id":1,"from":0,{whom}"action":{{"pool":0}},"select":"round-robin","size":20,"timeout":"1s","handler":{{"kind":"never"}}}}"#
        )
    };
    let run = Run::parse("a", &format!("{HEADER}\n{}", call(""))).unwrap();
    assert_eq!(run.calls()[0].select, Selection::RoundRobin);
    assert_eq!(Run::parse("a", &run.to_text()).unwrap(), run);
    assert!(error(&call(r#""to":1,"#)).contains("nothing to select"));
}
