//! Where hops are what counts, every way is a shortest one.

use super::case::at;
use super::{Case, Class, Finding, Oracle};
use crate::run::RouteMetric;

/// Ways that are longer are told to nobody.
const ANNOUNCED_HOPS_MAX: usize = 16;

pub(super) const ORACLE: Oracle = Oracle {
    name: "hops-are-distances",
    proves: "where routes are chosen by hops, each node has a way to every other one at the end, with as many hops as the graph of links \
             says; where they are chosen by round trips, at least as many",
    class: Class::Liveness,
    check,
};

fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let exact = case.run.header.route_metric == RouteMetric::Hops;
    for (node, sight) in &case.history.mesh.at_end {
        let distances = case.graph.distances(*node);
        for (other, distance) in distances.iter().enumerate().filter(|(other, _)| other != node) {
            let Some(distance) = distance.filter(|distance| *distance <= ANNOUNCED_HOPS_MAX) else {
                continue;
            };
            let hops = sight.routes.get(&other).map(|route| usize::from(route.hops));
            let text = match hops {
                None => format!("there is no way to n{other} at the end"),
                Some(hops) if hops < distance || exact && hops != distance => {
                    format!("the way to n{other} has {hops} hops at the end, and it is {distance} links away")
                }
                Some(_) => continue,
            };
            findings.push(Finding { node: *node, t: at(case.run.header.phases.end), text });
        }
    }
}
