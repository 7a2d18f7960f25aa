//! Stories of four nodes in a line, of which the ends have no link.

use lacewing_core::engine::NodeStatus;
use lacewing_core::{Code, Instant};

use super::{Story, fail, ok, runs};
use crate::history::What;
use crate::history::mesh::{Loop, Owner, Question, Route, Shown, Sight, Version};
use crate::run::PoolState;

const HEADER: &str = r#"{"format":2,"wire":1,"plan":"test","seed":"7","nodes":[{},{},{},{}],"dials":[[0,1],[1,2],[2,3]],"net":{"latency_min":"1ms","latency_max":"2ms","jitter_max":0,"bandwidth":1000000,"window":1000,"retransmit_timeout":"9s"},"phases":{"heal":"60s","fresh":"70s","quiet":"80s","end":"90s"},"route_metric":"hops","limits":{"question_hops_max":4}}"#;
/// Op 1: from one end to the other. Op 2: an action that nobody serves. Op 3: a pool that node 3 serves.
const CALLS: &str = r#"{"do":"serve","t":0,"node":3,"pool":0}
{"do":"call","t":"1s","id":1,"from":0,"to":3,"size":20,"timeout":"1s","handler":{"kind":"reply","after":0,"size":10}}
{"do":"call","t":"2s","id":2,"from":0,"action":"unknown","size":20,"timeout":"1s","handler":{"kind":"never"}}
{"do":"call","t":"3s","id":3,"from":0,"action":{"pool":0},"size":20,"timeout":"1s","handler":{"kind":"reply","after":0,"size":10}}"#;
const LAST_CRASH: &str = r#"{"do":"crash","t":"10s","node":3,"mode":"kill","down":"40s"}"#;

fn version(sequence: u64) -> Version {
    Version { incarnation: 1, sequence }
}

impl Story {
    /// Everybody is there and knows everybody, at the start and at the end.
    fn line(items: &str) -> Self {
        let mut story = Self::of(HEADER, items);
        for node in 0..4_usize {
            story = story.at(0, node, What::Started { life: 0 });
            for other in (0..4).filter(|other| *other != node) {
                if node.abs_diff(other) == 1 {
                    story = story.at(10, node, What::PeerUp { peer: Some(other) });
                    story.history.peers_at_fresh.entry(node).or_default().push(other);
                }
                story = story.at(20, node, What::NodeUp { of: Some(other), incarnation: 1 });
            }
        }
        story = story.at(20, 3, What::Serves { pool: 0, state: Some(PoolState::Running) });
        for node in 0..4_usize {
            story.history.mesh.announced.insert((node, version(1)), Some(100 + node as u64));
            let statuses: Vec<usize> = (0..4).filter(|other| *other != node).collect();
            let up = || statuses.iter().map(|other| (*other, NodeStatus::Up)).collect();
            story.history.mesh.statuses_at_fresh.insert(node, up());
            let owner =
                |owner: usize| Owner { version: version(1), fingerprint: 100 + owner as u64, visible: true };
            let route = |other: usize| Route {
                next_hop: if other > node { node + 1 } else { node - 1 },
                hops: u8::try_from(node.abs_diff(other)).unwrap(),
            };
            let sight = Sight {
                owners: (0..4).map(|other| (other, owner(other))).collect(),
                routes: statuses.iter().map(|other| (*other, route(*other))).collect(),
                statuses: up(),
                providers: [(0, vec![3])].into(),
            };
            story.history.mesh.at_end.insert(node, sight);
        }
        story
    }

    fn far_call(self) -> Self {
        self.at(1_000, 0, What::Invoke { op: 1 })
            .at(1_010, 3, runs(1))
            .at(1_010, 3, What::Answer { op: 1 })
            .at(1_020, 0, ok(1))
    }

    fn good_line() -> Self {
        Self::line(CALLS)
            .far_call()
            .at(2_000, 0, What::Invoke { op: 2 })
            .at(2_020, 0, fail(2, Code::NotFound, false))
            .at(3_000, 0, What::Invoke { op: 3 })
            .at(3_010, 3, runs(3))
            .at(3_010, 3, What::Answer { op: 3 })
            .at(3_020, 0, ok(3))
    }

    fn sight(&mut self, node: usize) -> &mut Sight {
        self.history.mesh.at_end.get_mut(&node).unwrap()
    }
}

fn gone_down(of: usize) -> What {
    What::NodeDown { of: Some(of), incarnation: 1, reason: "ConnectionClosed".to_owned() }
}

#[test]
fn a_line_in_which_all_went_well_upsets_nobody() {
    assert_eq!(Story::good_line().upsets(), Vec::<String>::new());
}

#[test]
fn next_hops_that_lead_in_a_circle_are_seen() {
    let mut story = Story::good_line();
    let t = Instant::from_millis(5_000);
    story.history.mesh.loops.push(Loop { t, destination: 3, circle: vec![0, 1] });
    story.upsets_only("no-route-loops");
}

#[test]
fn what_a_relay_can_read_is_seen() {
    let mut story = Story::good_line();
    story.history.mesh.shown.push(Shown { t: Instant::from_millis(1_005), node: 1, bytes: 300 });
    story.upsets_only("relays-see-nothing");
}

#[test]
fn an_entry_that_its_owner_never_made_is_seen() {
    let known = |version: Version, fingerprint: u64| {
        let mut story = Story::good_line();
        let seen = (Instant::from_millis(500), 2);
        story.history.mesh.known.insert((0, version, fingerprint), seen);
        story
    };
    assert_eq!(known(version(1), 100).upsets(), Vec::<String>::new());
    known(version(1), 666).upsets_only("entries-are-their-owners");
    known(version(2), 100).upsets_only("entries-are-their-owners");
}

#[test]
fn views_that_differ_when_all_is_quiet_are_seen() {
    let spoilt = |spoil: fn(&mut Sight)| {
        let mut story = Story::good_line();
        spoil(story.sight(1));
        story.upsets_only("views-agree-when-quiet");
    };
    spoilt(|sight| {
        sight.owners.remove(&3);
    });
    spoilt(|sight| sight.owners.get_mut(&3).unwrap().version = version(0));
    spoilt(|sight| sight.owners.get_mut(&3).unwrap().fingerprint = 1);
    spoilt(|sight| sight.owners.get_mut(&3).unwrap().visible = false);
    spoilt(|sight| sight.providers.get_mut(&0).unwrap().clear());
}

#[test]
fn a_way_that_is_not_a_shortest_one_is_seen() {
    let mut story = Story::good_line();
    story.sight(0).routes.get_mut(&2).unwrap().hops = 3;
    story.upsets_only("hops-are-distances");
    let mut story = Story::good_line();
    story.sight(0).routes.remove(&2);
    story.upsets_only("hops-are-distances");
}

#[test]
fn nodes_of_the_mesh_come_up_and_go_down_in_turn() {
    let calls_and_crash = format!("{CALLS}\n{LAST_CRASH}");
    let story = || Story::line(&calls_and_crash).far_call();
    let up = |incarnation| What::NodeUp { of: Some(3), incarnation };
    story().at(12_000, 0, up(1)).upsets_only("nodes-alternate");
    story().at(12_000, 0, What::NodeRecovered { of: Some(3) }).upsets_only("nodes-alternate");
    story().at(12_000, 0, What::NodeUp { of: None, incarnation: 1 }).upsets_only("nodes-alternate");
    story().at(12_000, 0, gone_down(3)).at(12_001, 0, gone_down(3)).upsets_only("nodes-alternate");
    let back = story().at(12_000, 0, gone_down(3)).at(13_000, 0, up(0)).at(14_000, 0, gone_down(3));
    back.upsets_only("nodes-alternate");
    let suspect = story().at(12_000, 0, What::NodeSuspect { of: Some(3) });
    let fine = suspect.at(13_000, 0, What::NodeRecovered { of: Some(3) }).at(14_000, 0, gone_down(3)).at(
        15_000,
        0,
        up(2),
    );
    assert_eq!(fine.upsets(), Vec::<String>::new());
}

#[test]
fn a_node_to_which_an_undisturbed_path_leads_does_not_go_down() {
    let down = || Story::good_line().at(5_000, 0, gone_down(2));
    down().upsets_only("no-node-down-without-cause");
    let reset = |pair: &str| format!(r#"{{"do":"reset","t":"4s","pair":{pair}}}"#);
    let story = |pair| Story::line(&format!("{CALLS}\n{}", reset(pair))).far_call();
    assert_eq!(story("[1,2]").at(5_000, 0, gone_down(2)).upsets(), Vec::<String>::new());
    story("[2,3]").at(5_000, 0, gone_down(2)).upsets_only("no-node-down-without-cause");
}

#[test]
fn a_node_that_is_away_for_long_must_be_down_for_everybody() {
    let story = |told: bool| {
        let story = Story::line(&format!("{CALLS}\n{LAST_CRASH}")).far_call();
        let mut story = story.at(10_000, 3, What::Gone { clean: false });
        for node in 0..3 {
            if told || node != 1 {
                story = story.at(12_000, node, gone_down(3));
            }
        }
        let serves = What::Serves { pool: 0, state: Some(PoolState::Running) };
        story.at(50_000, 3, What::Started { life: 1 }).at(50_000, 3, serves)
    };
    assert_eq!(story(true).upsets(), Vec::<String>::new());
    story(false).upsets_only("dead-nodes-are-down");
}

#[test]
fn a_node_that_is_not_up_again_is_seen() {
    let mut story = Story::good_line();
    story.history.mesh.statuses_at_fresh.get_mut(&0).unwrap().insert(3, NodeStatus::Suspect);
    story.upsets_only("nodes-come-back");
    let mut story = Story::good_line();
    story.history.mesh.statuses_at_fresh.get_mut(&0).unwrap().remove(&3);
    story.upsets_only("nodes-come-back");
}

#[test]
fn a_question_of_too_many_frames_is_seen_unless_links_came_or_went() {
    let asked = |frames| {
        let mut story = Story::good_line();
        let (first, last) = (Instant::from_millis(2_000), Instant::from_millis(2_020));
        story.history.mesh.questions.insert((0, 77), Question { first, last, frames });
        story
    };
    assert_eq!(asked(6).upsets(), Vec::<String>::new());
    asked(7).upsets_only("questions-stay-small");
    let closed = What::LinkClosed { peer: Some(1), reason: "superseded".to_owned() };
    assert_eq!(asked(7).at(2_500, 0, closed).upsets(), Vec::<String>::new());
}

#[test]
fn an_unknown_action_is_answered_soon_and_truly() {
    let story =
        |millis, what| Story::line(CALLS).far_call().at(2_000, 0, What::Invoke { op: 2 }).at(millis, 0, what);
    story(2_020, fail(2, Code::Unavailable, false)).upsets_only("unknown-actions-are-answered");
    story(2_200, fail(2, Code::NotFound, false)).upsets_only("unknown-actions-are-answered");
}

#[test]
fn a_call_through_relays_that_fails_needs_a_cause() {
    let story = |items: &str| {
        let story = Story::line(items).at(1_000, 0, What::Invoke { op: 1 });
        story.at(1_020, 0, fail(1, Code::Unavailable, true))
    };
    story(CALLS).upsets_only("no-failure-without-cause");
    let reset = r#"{"do":"reset","t":"900ms","pair":[1,2]}"#;
    assert_eq!(story(&format!("{CALLS}\n{reset}")).upsets(), Vec::<String>::new());
}

#[test]
fn an_action_that_is_paused_or_not_served_does_not_run() {
    for state in [Some(PoolState::Paused), Some(PoolState::Draining), None] {
        let story = Story::line(CALLS).at(2_500, 3, What::Serves { pool: 0, state });
        let story = story.at(3_000, 0, What::Invoke { op: 3 }).at(3_010, 3, runs(3)).at(3_020, 0, ok(3));
        let story = story.at(50_000, 3, What::Serves { pool: 0, state: Some(PoolState::Running) });
        story.upsets_only("paused-actions-do-not-run");
    }
}

#[test]
fn calls_to_a_node_of_the_mesh_fail_with_it() {
    let story = Story::line(&format!("{CALLS}\n{LAST_CRASH}")).at(1_000, 0, What::Invoke { op: 1 });
    let story = story.at(12_000, 0, gone_down(3)).at(12_001, 0, fail(1, Code::Unavailable, true));
    let upset = story.upsets();
    assert!(upset.contains(&"calls-fail-with-their-peer".to_owned()), "{upset:?}");
}
