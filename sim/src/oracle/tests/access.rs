//! Oracles about rights.

use lacewing_core::Code;

use super::{HEADER, Story, fail, ok, runs};
use crate::history::What;

/// Node 1 guards an area. Node 0 has a token of the first generation to call until 5 s, one of the second from 6 s on to do
/// everything, and calls at 2 s, 7 s and in the fresh phase; both publish, and node 1 subscribes.
const ITEMS: &str = r#"{"do":"token","t":"1s","node":0,"area":0,"rights":["call"],"until":"5s"}
{"do":"subscribe","t":"1s","id":1,"node":1,"pattern":"sim/area/0","queue":64}
{"do":"call","t":"2s","id":2,"from":0,"to":1,"action":{"area":0},"size":20,"timeout":"1s","handler":{"kind":"reply","after":0,"size":10}}
{"do":"publish","t":"2s","id":3,"node":0,"topic":"sim/area/0","size":20}
{"do":"revoke","t":"6s","node":1,"area":0,"generation":1}
{"do":"token","t":"6s","node":0,"area":0,"rights":["call","publish","subscribe"],"generation":1}
{"do":"call","t":"7s","id":4,"from":0,"to":1,"action":{"area":0},"size":20,"timeout":"1s","handler":{"kind":"reply","after":0,"size":10}}
{"do":"revoke","t":"11s","node":1,"area":0,"generation":1}
{"do":"call","t":"20s","id":5,"from":0,"to":1,"action":{"area":0},"size":20,"timeout":"1s","handler":{"kind":"reply","after":0,"size":10}}
{"do":"call","t":"20s","id":6,"from":1,"to":0,"action":{"area":0},"size":20,"timeout":"1s","handler":{"kind":"reply","after":0,"size":10}}
{"do":"publish","t":"20s","id":7,"node":0,"topic":"sim/area/0","size":20}"#;

fn begun(items: &str) -> Story {
    let header = HEADER.replace("\"phases\"", "\"areas\":{\"count\":1},\"phases\"");
    let mut story = Story::of(&header, items);
    story.history.peers_at_fresh.extend([(0, vec![1]), (1, vec![0])]);
    story.starts().at(1_000, 1, What::Subscribed { sub: 1 })
}

fn called(story: Story, t: u64, op: u64) -> Story {
    story.at(t, 0, What::Invoke { op }).at(t + 2, 1, runs(op)).at(t + 2, 1, What::Answer { op }).at(
        t + 4,
        0,
        ok(op),
    )
}

fn refused(story: Story, t: u64, from: usize, op: u64) -> Story {
    story.at(t, from, What::Invoke { op }).at(t + 4, from, fail(op, Code::Unauthenticated, false))
}

fn event(story: Story, t: u64, event: u64) -> Story {
    story.at(t, 0, What::EventPublished { event, attempted: 1, dropped: 0 }).at(
        t + 2,
        1,
        What::EventArrives { sub: Some(1), event: Some(event), matches: true },
    )
}

/// As it should end: node 0 may, node 1 has no token for anything at node 0.
fn ended(story: Story) -> Story {
    let story = called(story, 20_000, 5);
    event(refused(story, 20_000, 1, 6), 20_100, 7)
}

/// The same where node 1 may subscribe at node 0.
const SUBSCRIBER: &str = r#"
{"do":"token","t":"1s","node":1,"area":0,"rights":["subscribe"],"generation":1}"#;

fn items() -> String {
    format!("{ITEMS}{SUBSCRIBER}")
}

fn told(story: Story) -> Story {
    story.at(6_000, 1, What::IssuerTold { area: 0, generation: 1 }).at(
        6_000,
        1,
        What::IssuerHeard { area: 0, generation: 1 },
    )
}

#[test]
fn calls_and_events_with_a_right_upset_nobody() {
    let story = told(called(begun(&items()), 2_000, 2));
    assert_eq!(ended(called(story, 7_000, 4)).upsets(), Vec::<String>::new());
}

#[test]
fn nothing_runs_after_the_end_of_a_token_or_what_was_taken_back() {
    // A few milliseconds too late is what clocks may be off.
    assert_eq!(ended(told(called(begun(&items()), 4_999, 2))).upsets(), Vec::<String>::new());
    ended(told(called(begun(&items()), 5_100, 2))).upsets_only("no-action-without-a-right");
    // The first token, if it did not end.
    let lasting = items().replace(",\"until\":\"5s\"", "");
    assert_eq!(ended(told(called(begun(&lasting), 5_100, 2))).upsets(), Vec::<String>::new());
    let alone = lasting.replacen("\"t\":\"6s\",\"node\":0", "\"t\":\"8s\",\"node\":0", 1);
    ended(called(told(begun(&alone)), 7_000, 4)).upsets_only("no-action-without-a-right");
    // Who was not told, or has forgotten, believes it.
    assert_eq!(ended(called(begun(&alone), 7_000, 4)).upsets(), Vec::<String>::new());
}

#[test]
fn nothing_runs_for_a_token_that_is_no_good() {
    let forged = items().replacen("\"until\":\"5s\"", "\"flaw\":\"forged\"", 1);
    let upset = ended(told(called(begun(&forged), 2_000, 2))).upsets();
    assert_eq!(upset, ["no-action-without-a-right"]);
}

#[test]
fn events_need_a_right_at_both_ends() {
    // The first token is for calls.
    ended(told(event(begun(&items()), 2_000, 3))).upsets_only("no-action-without-a-right");
    ended(told(begun(ITEMS))).upsets_only("no-action-without-a-right");
    let unguarded = r#""areas":{"count":1,"unguarded":[0]}"#;
    let mut story = ended(told(begun(ITEMS)));
    story.run.header.areas = serde_json::from_str(unguarded.trim_start_matches("\"areas\":")).unwrap();
    assert!(!story.upsets().contains(&"no-action-without-a-right".to_owned()));
}

#[test]
fn whoever_has_a_right_gets_what_it_is_a_right_to() {
    let end = |story: Story| refused(event(story, 20_100, 7), 20_000, 1, 6);
    end(refused(told(begun(&items())), 20_000, 0, 5)).upsets_only("rights-hold-when-quiet");
    let quiet = refused(called(told(begun(&items())), 20_000, 5), 20_000, 1, 6);
    let published = What::EventPublished { event: 7, attempted: 0, dropped: 0 };
    quiet.at(20_100, 0, published).upsets_only("rights-hold-when-quiet");
}

#[test]
fn whoever_has_none_is_refused_and_nothing_has_run() {
    let story = event(called(told(begun(&items())), 20_000, 5), 20_100, 7);
    let lost = story.at(20_000, 1, What::Invoke { op: 6 }).at(20_900, 1, fail(6, Code::Unavailable, false));
    let upset = lost.upsets();
    assert!(upset.contains(&"rights-hold-when-quiet".to_owned()), "{upset:?}");
}
