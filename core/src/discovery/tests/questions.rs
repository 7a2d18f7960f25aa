//! What comes of a question, on meshes that one can draw.

use core::time::Duration;

use super::mesh::{Mesh, path};
use crate::discovery::{In, Outcome};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// C2, as far as this machine goes.
#[test]
fn in_a_full_mesh_of_six_an_unknown_action_is_known_to_be_unknown_after_two_frames_a_link() {
    let mut mesh = Mesh::full(6);
    let query = mesh.ask(0, "nobody/serves/this", 5_000);
    let start = mesh.now;
    mesh.run();
    assert_eq!(mesh.outcome(query), Outcome::NotFound);
    assert!(mesh.answered_at(query).unwrap() - start < ms(100));
    assert!(mesh.frame_count() <= 2 * mesh.link_count(), "{} frames", mesh.frame_count());
    assert!(mesh.frames.values().all(|count| *count <= 2));
    mesh.assert_quiet();
}

#[test]
fn a_provider_three_hops_away_is_found() {
    let mut mesh = Mesh::line(4);
    mesh.provide(3, "sum");
    let query = mesh.ask(0, "sum", 5_000);
    mesh.run();
    assert_eq!(mesh.found(query, "sum"), [3].into());
    assert_eq!(mesh.frame_count(), 2 * mesh.link_count());
    mesh.assert_quiet();
}

#[test]
fn whoever_knows_a_provider_may_answer_for_it() {
    let mut mesh = Mesh::line(4);
    mesh.learn(1, 3, "sum");
    let query = mesh.ask(0, "sum", 5_000);
    mesh.run();
    assert_eq!(mesh.found(query, "sum"), [3].into());
    assert_eq!(mesh.frame_count(), 2, "the question went no further than to the node that knows");
}

#[test]
fn a_ring_is_asked_from_both_sides_and_each_link_carries_two_frames() {
    let edges: alloc::vec::Vec<_> = (0..8).map(|node| (node, (node + 1) % 8)).collect();
    let mut mesh = Mesh::new(8, &edges);
    let query = mesh.ask(0, "sum", 5_000);
    mesh.run();
    assert_eq!(mesh.outcome(query), Outcome::NotFound);
    assert_eq!(mesh.frame_count(), 2 * mesh.link_count());
}

#[test]
fn a_diamond_answers_once_and_asks_its_far_corner_once() {
    let mut mesh = Mesh::new(4, &[(0, 1), (0, 2), (1, 3), (2, 3)]);
    mesh.provide(3, "sum");
    let query = mesh.ask(0, "sum", 5_000);
    mesh.run();
    assert_eq!(mesh.found(query, "sum"), [3].into());
    assert!(mesh.frames.values().all(|count| *count <= 2));
    mesh.assert_quiet();
}

#[test]
fn a_line_longer_than_the_hop_limit_is_incomplete_and_one_as_long_is_not() {
    let mut mesh = Mesh::line(10);
    mesh.provide(9, "far");
    let query = mesh.ask(0, "far", 5_000);
    mesh.run();
    assert_eq!(mesh.outcome(query), Outcome::Incomplete);

    let mut mesh = Mesh::line(9);
    let query = mesh.ask(0, "nowhere", 5_000);
    mesh.run();
    assert_eq!(mesh.outcome(query), Outcome::NotFound);
    mesh.provide(8, "there");
    let query = mesh.ask(0, "there", 5_000);
    mesh.run();
    assert_eq!(mesh.found(query, "there"), [8].into());
}

#[test]
fn a_node_alone_knows_at_once_that_nobody_serves_it() {
    let mut mesh = Mesh::new(1, &[]);
    let start = mesh.now;
    let query = mesh.ask(0, "sum", 5_000);
    mesh.run();
    assert_eq!(mesh.outcome(query), Outcome::NotFound);
    assert_eq!(mesh.answered_at(query), Some(start));
}

#[test]
fn what_the_own_directory_knows_is_not_asked_of_anybody() {
    let mut mesh = Mesh::full(3);
    mesh.learn(0, 2, "sum");
    let query = mesh.ask(0, "sum", 5_000);
    mesh.run();
    assert_eq!(mesh.found(query, "sum"), [2].into());
    assert_eq!(mesh.frame_count(), 0);
}

#[test]
fn a_link_lost_under_way_makes_the_answer_incomplete_at_once() {
    let mut mesh = Mesh::line(4);
    mesh.slow_down(2, 3, ms(400));
    let (start, query) = (mesh.now, mesh.ask(0, "sum", 5_000));
    let link = mesh.link(1, 2);
    mesh.cut_at(ms(50), link);
    mesh.run();
    assert_eq!(mesh.outcome(query), Outcome::Incomplete);
    assert_eq!(mesh.answered_at(query).unwrap() - start, ms(51));
    mesh.assert_quiet();
}

#[test]
fn a_link_lost_elsewhere_does_not_hide_a_provider() {
    let mut mesh = Mesh::new(4, &[(0, 1), (0, 2), (1, 3), (2, 3)]);
    mesh.provide(3, "sum");
    mesh.slow_down(2, 3, ms(100));
    mesh.slow_down(1, 3, ms(100));
    let query = mesh.ask(0, "sum", 5_000);
    let link = mesh.link(0, 1);
    mesh.cut_at(ms(50), link);
    mesh.run();
    assert_eq!(mesh.found(query, "sum"), [3].into());
    mesh.assert_quiet();
}

#[test]
fn a_slow_child_counts_as_incomplete_within_half_of_the_remaining_time() {
    let mut mesh = Mesh::new(3, &[(0, 1), (1, 2)]);
    mesh.slow_down(1, 2, ms(60_000));
    let (start, query) = (mesh.now, mesh.ask(0, "sum", 4_000));
    mesh.run();
    assert_eq!(mesh.outcome(query), Outcome::Incomplete);
    // Node 1 was told 2,000 ms and waits half of that.
    assert_eq!(mesh.answered_at(query).unwrap() - start, ms(1_002));

    let mut mesh = Mesh::line(2);
    mesh.slow_down(0, 1, ms(60_000));
    let (start, query) = (mesh.now, mesh.ask(0, "sum", 4_000));
    mesh.run();
    assert_eq!(mesh.outcome(query), Outcome::Incomplete);
    assert_eq!(mesh.answered_at(query).unwrap() - start, ms(2_000));
    mesh.assert_quiet();
}

#[test]
fn a_yes_does_not_wait_for_a_slow_child() {
    let mut mesh = Mesh::new(4, &[(0, 1), (1, 2), (1, 3)]);
    mesh.slow_down(1, 2, ms(60_000));
    mesh.provide(3, "sum");
    let (start, query) = (mesh.now, mesh.ask(0, "sum", 4_000));
    mesh.run();
    assert_eq!(mesh.found(query, "sum"), [3].into());
    assert_eq!(mesh.answered_at(query).unwrap() - start, ms(4));
}

#[test]
fn a_yes_that_came_too_late_is_there_for_the_next_question() {
    let mut mesh = Mesh::line(2);
    mesh.slow_down(0, 1, ms(1_500));
    mesh.provide(1, "sum");
    let first = mesh.ask(0, "sum", 4_000);
    mesh.run();
    assert_eq!(mesh.outcome(first), Outcome::Incomplete);
    let second = mesh.ask(0, "sum", 4_000);
    mesh.run();
    assert_eq!(mesh.found(second, "sum"), [1].into());
    assert_eq!(mesh.frame_count(), 2, "nobody was asked again");
}

#[test]
fn no_time_left_is_no_question() {
    let mut mesh = Mesh::full(3);
    let query = mesh.ask(0, "sum", 0);
    mesh.run();
    assert_eq!(mesh.outcome(query), Outcome::Incomplete);
    assert_eq!(mesh.frame_count(), 0);
}

#[test]
fn the_first_yes_wins_and_gathering_finds_them_all() {
    let mut mesh = Mesh::full(6);
    for node in [2, 3, 5] {
        mesh.provide(node, "sum");
    }
    let query = mesh.ask(0, "sum", 5_000);
    mesh.run();
    assert_eq!(mesh.found(query, "sum").len(), 1);

    let query = mesh.gather(0, "sum", 5_000, 200);
    mesh.run();
    assert_eq!(mesh.found(query, "sum"), [2, 3, 5].into());
    assert!(mesh.frames.values().all(|count| *count <= 2));
    mesh.assert_quiet();
}

#[test]
fn gathering_finds_providers_behind_each_other() {
    let mut mesh = Mesh::line(5);
    for node in [0, 1, 2, 4] {
        mesh.provide(node, "sum");
    }
    let query = mesh.gather(0, "sum", 5_000, 500);
    mesh.run();
    assert_eq!(mesh.found(query, "sum"), [0, 1, 2, 4].into());
    mesh.assert_quiet();
}

/// C13, as far as this machine goes.
#[test]
fn gathering_ends_in_time_and_an_incomplete_neighbour_does_not_mask_a_yes() {
    let mut mesh = Mesh::full(4);
    mesh.provide(1, "sum");
    mesh.slow_down(0, 3, ms(9_000));
    let (start, query) = (mesh.now, mesh.gather(0, "sum", 5_000, 200));
    let link = mesh.link(0, 2);
    mesh.cut_at(Duration::from_micros(500), link);
    mesh.run();
    assert_eq!(mesh.found(query, "sum"), [1].into());
    assert_eq!(mesh.answered_at(query).unwrap() - start, ms(200));
}

#[test]
fn after_the_time_for_gathering_the_first_yes_is_enough() {
    let mut mesh = Mesh::new(3, &[(0, 1), (0, 2)]);
    mesh.slow_down(0, 1, ms(300));
    mesh.slow_down(0, 2, ms(9_000));
    mesh.provide(1, "sum");
    let (start, query) = (mesh.now, mesh.gather(0, "sum", 5_000, 200));
    mesh.run();
    assert_eq!(mesh.found(query, "sum"), [1].into());
    assert_eq!(mesh.answered_at(query).unwrap() - start, ms(600));
}

#[test]
fn gathering_ends_even_if_nobody_says_anything() {
    let mut mesh = Mesh::line(2);
    mesh.slow_down(0, 1, ms(60_000));
    let (start, query) = (mesh.now, mesh.gather(0, "sum", 5_000, 200));
    mesh.run();
    assert_eq!(mesh.outcome(query), Outcome::Incomplete);
    assert_eq!(mesh.answered_at(query).unwrap() - start, ms(2_500));
}

#[test]
fn a_new_neighbour_is_asked_what_nobody_served_before_it_came() {
    let mut mesh = Mesh::new(3, &[(0, 1)]);
    mesh.provide(2, "sum");
    let before = mesh.ask(0, "sum", 5_000);
    mesh.run();
    assert_eq!(mesh.outcome(before), Outcome::NotFound);
    mesh.connect(0, 2, ms(1));
    let after = mesh.ask(0, "sum", 5_000);
    mesh.run();
    assert_eq!(mesh.found(after, "sum"), [2].into());
}

#[test]
fn the_answer_to_a_question_serves_the_next_ones_until_it_is_old() {
    let mut mesh = Mesh::full(4);
    let first = mesh.ask(0, "sum", 5_000);
    mesh.run();
    let frames = mesh.frame_count();
    let second = mesh.ask(0, "sum", 5_000);
    mesh.run();
    assert_eq!([mesh.outcome(first), mesh.outcome(second)], [Outcome::NotFound, Outcome::NotFound]);
    assert_eq!(mesh.frame_count(), frames, "nobody was asked again");

    // A provider that nobody tells of is found when the answer is old.
    mesh.provide(3, "sum");
    mesh.run_for(ms(1_000));
    let third = mesh.ask(0, "sum", 5_000);
    mesh.run();
    assert_eq!(mesh.found(third, "sum"), [3].into());
}

#[test]
fn a_change_of_the_directory_forgets_what_was_found_out() {
    let mut mesh = Mesh::full(3);
    let absent = mesh.ask(0, "sum", 5_000);
    mesh.run();
    assert_eq!(mesh.outcome(absent), Outcome::NotFound);
    mesh.provide(2, "sum");
    mesh.tell(0, In::DirectoryChanged { paths: Some([path("sum")].into()) });
    let there = mesh.ask(0, "sum", 5_000);
    mesh.run();
    assert_eq!(mesh.found(there, "sum"), [2].into());

    let frames = mesh.frame_count();
    mesh.tell(0, In::DirectoryChanged { paths: Some([path("another")].into()) });
    mesh.ask(0, "sum", 5_000);
    mesh.run();
    assert_eq!(mesh.frame_count(), frames, "another path changed");
    mesh.tell(0, In::DirectoryChanged { paths: None });
    mesh.ask(0, "sum", 5_000);
    mesh.run();
    assert!(mesh.frame_count() > frames);
}

#[test]
fn a_change_of_the_directory_answers_those_who_wait() {
    let mut mesh = Mesh::line(2);
    mesh.slow_down(0, 1, ms(9_000));
    let (start, query) = (mesh.now, mesh.ask(0, "sum", 5_000));
    mesh.run_for(ms(30));
    mesh.learn(0, 1, "sum");
    mesh.tell(0, In::DirectoryChanged { paths: Some([path("sum")].into()) });
    mesh.run();
    assert_eq!(mesh.found(query, "sum"), [1].into());
    assert_eq!(mesh.answered_at(query).unwrap() - start, ms(30));
}

#[test]
fn a_no_is_not_kept_if_a_neighbour_came_while_it_was_asked_for() {
    let mut mesh = Mesh::new(3, &[(0, 1)]);
    mesh.slow_down(0, 1, ms(100));
    mesh.provide(2, "sum");
    let first = mesh.ask(0, "sum", 5_000);
    mesh.run_for(ms(50));
    mesh.connect(0, 2, ms(1));
    mesh.run();
    let second = mesh.ask(0, "sum", 5_000);
    mesh.run();
    assert_eq!(mesh.outcome(first), Outcome::NotFound);
    assert_eq!(mesh.found(second, "sum"), [2].into());
}

#[test]
fn many_who_ask_for_the_same_are_asked_for_together() {
    let mut mesh = Mesh::line(3);
    let queries: alloc::vec::Vec<_> = (0..100).map(|_| mesh.ask(0, "sum", 5_000)).collect();
    mesh.run();
    assert!(queries.iter().all(|query| mesh.outcome(*query) == Outcome::NotFound));
    assert_eq!(mesh.frame_count(), 2 * mesh.link_count());
    mesh.assert_quiet();
}

#[test]
fn who_has_less_time_does_not_wait_with_those_who_have_more() {
    let mut mesh = Mesh::line(2);
    mesh.slow_down(0, 1, ms(9_000));
    let (start, long, short) = (mesh.now, mesh.ask(0, "sum", 5_000), mesh.ask(0, "sum", 1_000));
    mesh.run();
    assert_eq!(mesh.answered_at(long).unwrap() - start, ms(2_500));
    assert_eq!(mesh.answered_at(short).unwrap() - start, ms(500));
}

#[test]
fn two_questions_for_the_same_path_from_two_nodes_do_not_disturb_each_other() {
    let mut mesh = Mesh::full(5);
    mesh.provide(4, "sum");
    let queries = [0, 1, 2, 3].map(|node| mesh.ask(node, "sum", 5_000));
    mesh.run();
    for query in queries {
        assert_eq!(mesh.found(query, "sum"), [4].into());
    }
    assert!(mesh.frames.values().all(|count| *count <= 2));
}

#[test]
fn a_question_that_nobody_waits_for_any_more_is_not_answered() {
    let mut mesh = Mesh::line(2);
    let query = mesh.ask(0, "sum", 5_000);
    mesh.run_for(Duration::from_micros(10));
    mesh.tell(0, In::Abandon { query });
    mesh.run();
    assert_eq!(mesh.answered_at(query), None);
    let again = mesh.ask(0, "sum", 5_000);
    let frames = mesh.frame_count();
    mesh.run();
    assert_eq!(mesh.outcome(again), Outcome::NotFound);
    assert_eq!(mesh.frame_count(), frames, "what came of it was kept");
}

#[test]
fn a_node_that_stops_answers_whoever_waits_and_asks_no_more() {
    let mut mesh = Mesh::line(3);
    mesh.slow_down(1, 2, ms(300));
    let (start, theirs, own) = (mesh.now, mesh.ask(0, "sum", 5_000), mesh.ask(1, "product", 5_000));
    mesh.run_for(ms(10));
    mesh.tell(1, In::Stop);
    let late = mesh.ask(1, "sum", 5_000);
    let refused = mesh.ask(0, "difference", 5_000);
    mesh.run();
    for query in [theirs, own, late, refused] {
        assert_eq!(mesh.outcome(query), Outcome::Incomplete);
    }
    assert_eq!(mesh.answered_at(theirs).unwrap() - start, ms(11));
    assert_eq!(mesh.answered_at(own).unwrap() - start, ms(10));
    mesh.assert_quiet();
}

#[test]
fn who_asks_too_often_hears_so_at_once_and_may_ask_again_later() {
    let mut mesh = Mesh::line(2);
    let queries: alloc::vec::Vec<_> =
        (0..200).map(|number| mesh.ask(0, &alloc::format!("action/{number}"), 5_000)).collect();
    mesh.run();
    let refused = queries.iter().filter(|query| mesh.outcome(**query) == Outcome::Incomplete).count();
    assert_eq!(refused, 200 - 128);
    assert_eq!(mesh.counted(0, "discovery.asked_too_often"), 72);
    assert_eq!(mesh.counted(1, "discovery.question_refused"), 0);
    mesh.run_for(ms(1_000));
    let query = mesh.ask(0, "action/again", 5_000);
    mesh.run();
    assert_eq!(mesh.outcome(query), Outcome::NotFound);
}
