//! Oracles about what calls ask for besides being made, and about actions with limits.

use lacewing_core::Code;

use super::{HEADER, Story, fail, ok, runs};
use crate::history::What;
use crate::run::PoolState;

fn call(id: u64, more: &str) -> String {
    format!(
        r#"{{"do":"call","t":"1s","id":{id},"from":0,"to":1,"size":20,"timeout":"1s","handler":{{"kind":"reply","after":0,"size":10}},{more}}}"#
    )
}

fn story(items: &[String]) -> Story {
    Story::with(&items.join("\n")).starts()
}

/// At most one handler at once.
fn limited(items: &[String]) -> Story {
    let header = HEADER.replace(r#""phases""#, r#""action_limit":{"max":1,"queue":50},"phases""#);
    let mut story = Story::of(&header, &items.join("\n"));
    story.history.peers_at_fresh.extend([(0, vec![1]), (1, vec![0])]);
    story.starts()
}

fn invoke(op: u64) -> What {
    What::Invoke { op }
}

fn answer(op: u64) -> What {
    What::Answer { op }
}

#[test]
fn a_call_is_executed_as_often_as_it_has_attempts_and_hedges() {
    let policy = r#""policy":{"idempotent":true,"retry":true,"hedge":"50ms"}"#;
    let begun = |times: u64| {
        let mut story = story(&[call(1, policy)]).at(1_000, 0, invoke(1));
        for time in 0..times {
            story = story.at(1_010 + time, 1, runs(1)).at(1_010 + time, 1, answer(1));
        }
        story.at(1_100, 0, ok(1))
    };
    assert_eq!(begun(4).upsets(), Vec::<String>::new());
    begun(5).upsets_only("attempts-within-policy");
}

/// Everybody who serves the pool is asked, which are both.
fn gathering() -> Story {
    let serves = What::Serves { pool: 0, state: Some(PoolState::Running) };
    let item = call(1, r#""policy":{"gather":"4s"}"#).replace(r#""to":1"#, r#""action":{"pool":0}"#);
    let item = item.replace(r#""timeout":"1s""#, r#""timeout":"5s""#);
    story(&[item]).at(20, 0, serves.clone()).at(20, 1, serves).at(1_000, 0, invoke(1)).at(1_002, 1, runs(1))
}

#[test]
fn of_those_that_are_asked_together_each_executes_the_call_once() {
    let gathered = What::Gathered { op: 1, good: 2, matches: true };
    let ended = |story: Story| {
        story.at(1_003, 1, answer(1)).at(1_003, 0, answer(1)).at(1_006, 0, gathered.clone()).at(
            1_006,
            0,
            ok(1),
        )
    };
    assert_eq!(ended(gathering().at(1_002, 0, runs(1))).upsets(), Vec::<String>::new());
    ended(gathering().at(1_002, 1, runs(1))).upsets_only("attempts-within-policy");
}

#[test]
fn a_bulkhead_counts_calls_that_are_open() {
    let calls = [call(1, r#""policy":{"bulkhead":1}"#), call(2, r#""policy":{"bulkhead":1}"#)];
    let begun = |second: u64| {
        story(&calls)
            .at(1_000, 0, invoke(1))
            .at(1_002, 1, runs(1))
            .at(1_002, 1, answer(1))
            .at(1_004, 0, ok(1))
            .at(second, 0, invoke(2))
            .at(second + 2, 1, runs(2))
            .at(second + 2, 1, answer(2))
            .at(second + 4, 0, ok(2))
    };
    assert_eq!(begun(1_004).upsets(), Vec::<String>::new());
    begun(1_003).upsets_only("bulkheads-hold");
    // One that was refused has not got through.
    let refused = story(&calls).at(1_000, 0, invoke(1)).at(1_001, 0, invoke(2)).at(
        1_001,
        0,
        fail(2, Code::Backpressure, false),
    );
    let refused = refused.at(1_002, 1, runs(1)).at(1_002, 1, answer(1)).at(1_004, 0, ok(1));
    assert_eq!(refused.upsets(), Vec::<String>::new());
}

#[test]
fn what_was_accepted_is_done() {
    let cast = call(1, r#""policy":{"cast":true,"acknowledged":true}"#);
    let accepted = || story(std::slice::from_ref(&cast)).at(1_000, 0, invoke(1)).at(1_004, 0, ok(1));
    accepted().upsets_only("accepted-casts-run");
    assert_eq!(accepted().at(1_005, 1, runs(1)).at(1_005, 1, answer(1)).upsets(), Vec::<String>::new());
    assert_eq!(accepted().at(1_005, 1, What::Gone { clean: false }).upsets(), Vec::<String>::new());
}

#[test]
fn what_was_accepted_may_wait_in_vain_where_others_run_all_the_time() {
    let items = [call(1, r#""policy":{"cast":true,"acknowledged":true}"#), call(2, r#""policy":{}"#)];
    let busy = |until| {
        limited(&items)
            .at(1_000, 0, invoke(2))
            .at(1_000, 0, invoke(1))
            .at(1_002, 1, runs(2))
            .at(1_004, 0, ok(1))
            .at(until, 1, answer(2))
            .at(until + 2, 0, ok(2))
    };
    busy(1_500).upsets_only("accepted-casts-run");
    let late = busy(1_998);
    assert!(!late.upsets().contains(&"accepted-casts-run".to_owned()));
}

#[test]
fn one_good_answer_is_enough_and_none_is_left_out() {
    let of = |good| What::Gathered { op: 1, good, matches: true };
    let answered = || gathering().at(1_003, 1, answer(1));
    assert_eq!(answered().at(1_006, 0, of(1)).at(1_006, 0, ok(1)).upsets(), Vec::<String>::new());
    let failed = fail(1, Code::DeadlineExceeded, true);
    for story in [
        // An error in place of the answer, an answer that nobody has given, and one that was changed.
        answered().at(1_006, 0, of(1)).at(1_006, 0, failed.clone()),
        answered().at(1_006, 0, of(0)).at(1_006, 0, failed),
        gathering().at(1_006, 0, of(1)).at(1_006, 0, ok(1)).at(1_007, 1, What::Withdrawn { op: 1 }),
        answered().at(1_006, 0, What::Gathered { op: 1, good: 1, matches: false }).at(1_006, 0, ok(1)),
    ] {
        story.upsets_only("gathered-answers-count");
    }
}

#[test]
fn a_call_that_cannot_begin_in_time_is_told_so_at_once() {
    // Calls of node 1 to itself, each of which takes 100 ms. Ten are measured, then twenty wait at once.
    let items: Vec<String> = (1..=30)
        .map(|id| {
            format!(
                r#"{{"do":"call","t":"1s","id":{id},"from":1,"to":1,"size":20,"timeout":"{}","handler":{{"kind":"reply","after":0,"size":10}}}}"#,
                if id == 30 { "500ms" } else { "5s" }
            )
        })
        .collect();
    let ends = |last_at: u64, code: Code| {
        let mut story = limited(&items);
        for op in 1..=10 {
            let t = 1_000 + 100 * op;
            story = story.at(t - 100, 1, invoke(op)).at(t - 100, 1, runs(op)).at(t, 1, answer(op)).at(
                t,
                1,
                ok(op),
            );
        }
        for op in 11..=30 {
            story = story.at(2_050, 1, invoke(op));
        }
        let mut entries = vec![(last_at, fail(30, code, false))];
        for op in 11..30 {
            let t = 2_050 + 100 * (op - 11);
            entries.push((t, runs(op)));
            entries.push((t + 100, answer(op)));
            entries.push((t + 100, ok(op)));
        }
        entries.sort_by_key(|(t, _)| *t);
        for (t, what) in entries {
            story = story.at(t, 1, what);
        }
        story.upsets()
    };
    assert_eq!(ends(2_050, Code::ResourceExhausted), Vec::<String>::new());
    assert_eq!(ends(2_550, Code::DeadlineExceeded), ["hopeless-calls-are-refused"]);
}
