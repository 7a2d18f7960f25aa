use std::time::Duration;

use super::{Figures, quantile};
use crate::top::reading::Reading;

fn reading(text: &str) -> Reading {
    Reading::parse(text).unwrap()
}

fn calls(ok: u64, failed: u64, quick: u64, slow: u64) -> Reading {
    let (all, both) = (ok + failed, quick + slow);
    reading(&format!(
        "lacewing_calls_started_total {all}\n\
         lacewing_calls_finished_total{{code=\"ok\"}} {ok}\n\
         lacewing_calls_finished_total{{code=\"NotFound\"}} {failed}\n\
         lacewing_call_duration_seconds_bucket{{le=\"0.001\"}} {quick}\n\
         lacewing_call_duration_seconds_bucket{{le=\"0.01\"}} {both}\n\
         lacewing_call_duration_seconds_bucket{{le=\"+Inf\"}} {both}\n"
    ))
}

fn between(latest: &Reading, before: &Reading, oldest: Option<&Reading>) -> Figures {
    let nobody = Reading::default();
    Figures::between((latest, before, oldest), (&nobody, &nobody, None), Duration::from_secs(2))
}

#[test]
fn rates_are_what_has_come_between_two_looks() {
    let figures = between(&calls(30, 8, 0, 0), &calls(10, 4, 0, 0), None);
    assert_eq!((figures.calls.per_s, figures.calls.failed_per_s), (12.0, 2.0));
}

#[test]
fn a_counter_that_has_begun_anew_counts_from_zero() {
    let figures = between(&calls(6, 0, 0, 0), &calls(1_000, 0, 0, 0), None);
    assert_eq!((figures.calls.per_s, figures.calls.failed_per_s), (3.0, 0.0));
}

#[test]
fn latencies_are_those_of_the_window() {
    let (oldest, latest) = (calls(0, 0, 1_000, 0), calls(0, 0, 1_000, 10));
    let window = between(&latest, &latest, Some(&oldest)).calls.latency;
    assert!(window.p50.unwrap() > 0.001, "all calls of the window were slow: {window:?}");
    let since_ever = between(&latest, &latest, None).calls.latency;
    assert!(since_ever.p50.unwrap() < 0.001, "most calls were quick: {since_ever:?}");
    let quiet = between(&latest, &latest, Some(&latest)).calls.latency;
    assert_eq!((quiet.p50, quiet.p99), (None, None));
}

#[test]
fn a_quantile_lies_within_its_bucket() {
    let buckets = [(1.0, 0.0), (2.0, 10.0), (4.0, 20.0), (f64::INFINITY, 21.0)];
    assert_eq!(quantile(&buckets, 0.0), Some(1.0));
    assert_eq!(quantile(&buckets, 10.0 / 21.0), Some(2.0));
    assert_eq!(quantile(&buckets, 15.0 / 21.0), Some(3.0));
    assert_eq!(quantile(&buckets, 1.0), Some(4.0), "what is above every bound is at least the last");
    assert_eq!(quantile(&[], 0.5), None);
}

#[test]
fn a_neighbour_has_its_own_figures() {
    let page = |bytes: u64| {
        reading(&format!(
            "lacewing_neighbour_up{{node=\"ab\",label=\"x@y\"}} 1\n\
             lacewing_neighbour_up{{node=\"cd\",label=\"z\"}} 0\n\
             lacewing_neighbour_round_trip_seconds{{node=\"ab\",label=\"x@y\"}} 0.002\n\
             lacewing_neighbour_sent_bytes_total{{node=\"ab\",label=\"x@y\"}} {bytes}\n\
             lacewing_neighbour_sent_bytes_total{{node=\"cd\",label=\"z\"}} 5\n"
        ))
    };
    let (latest, before, node) = (page(300), page(100), Reading::default());
    let looks = (&latest, &before, None);
    let figures = Figures::between((&node, &node, None), looks, Duration::from_secs(2));
    let [first, second] = &figures.neighbours[..] else { panic!("{figures:?}") };
    assert_eq!((first.node.as_str(), first.sent_bytes_per_s, first.round_trip_s), ("ab", 100.0, Some(0.002)));
    assert!(first.is_up && !second.is_up);
    assert_eq!((second.sent_bytes_per_s, second.round_trip_s), (0.0, None));
    assert_eq!(figures.json()["neighbours"][1]["label"], "z");
}
