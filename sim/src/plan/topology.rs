//! Who is linked with whom.

use serde::Deserialize;

use crate::random::Random;
use crate::run::Graph;

/// The greatest distance of two nodes in what is generated, unless a plan wants more: payloads cross no more links.
pub(super) const DIAMETER_MAX: usize = 8;
/// Draws of a random graph before the last one is taken as it is.
const DRAWS_MAX: usize = 1_000;

/// Who is linked with whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topology {
    /// Everybody with everybody.
    Full,
    /// Everybody with the next one, and the last with the first.
    Ring,
    /// Everybody with the next one.
    Line,
    /// Everybody with the first one.
    Star,
    /// Everybody but the first with one that came before.
    Tree,
    /// Everybody with three others, at random; where that cannot be, one of them with two.
    RandomK3,
    /// Everybody with four others, at random.
    RandomK4,
    /// Two rings, and one link between them.
    Islands,
}

impl Topology {
    /// How many nodes it can have so that nobody is further than [`DIAMETER_MAX`] links from anybody.
    pub(super) const fn nodes_max(self) -> Option<u64> {
        match self {
            Self::Line => Some(DIAMETER_MAX as u64 + 1),
            Self::Ring => Some(2 * DIAMETER_MAX as u64 + 1),
            // Half way round each of two rings, and the bridge.
            Self::Islands => Some(2 * (DIAMETER_MAX as u64 - 1)),
            // Of larger ones few have no two nodes that are too far from each other.
            Self::RandomK3 => Some(64),
            Self::Full | Self::Star | Self::Tree | Self::RandomK4 => None,
        }
    }

    /// The pairs that are linked.
    pub(super) fn pairs(self, count: usize, beyond_hop_limit: bool, random: &mut Random) -> Vec<[usize; 2]> {
        let draw = |random: &mut Random| match self {
            Self::Full => full(0..count),
            Self::Ring => ring(0, count),
            Self::Line => line(count),
            Self::Star => (1..count).map(|node| [0, node]).collect(),
            Self::Tree => tree(count, beyond_hop_limit, random),
            Self::RandomK3 => regular(count, 3, random),
            Self::RandomK4 => regular(count, 4, random),
            Self::Islands => islands(count, random),
        };
        let mut pairs = draw(random);
        for _ in 0..DRAWS_MAX {
            let links = pairs.iter().map(|[one, other]| (*one, *other));
            let fits = |diameter| beyond_hop_limit || diameter <= DIAMETER_MAX;
            if Graph::new(count, links).diameter().is_some_and(fits) {
                break;
            }
            pairs = draw(random);
        }
        pairs
    }
}

fn full(nodes: std::ops::Range<usize>) -> Vec<[usize; 2]> {
    let end = nodes.end;
    nodes.flat_map(|one| (one + 1..end).map(move |other| [one, other])).collect()
}

fn line(count: usize) -> Vec<[usize; 2]> {
    (1..count).map(|node| [node - 1, node]).collect()
}

/// Each node hangs on one that came before, usually not too far down.
fn tree(count: usize, beyond_hop_limit: bool, random: &mut Random) -> Vec<[usize; 2]> {
    let mut depths = vec![0];
    let mut pairs = Vec::new();
    for node in 1..count {
        let hangs_low = |parent: &usize| beyond_hop_limit || depths[*parent] < DIAMETER_MAX / 2;
        let parents: Vec<usize> = (0..node).filter(hangs_low).collect();
        let parent = *random.pick(&parents);
        depths.push(depths[parent] + 1);
        pairs.push([parent, node]);
    }
    pairs
}

/// A ring of so many nodes from the first on. Two are linked once.
fn ring(first: usize, count: usize) -> Vec<[usize; 2]> {
    let mut pairs: Vec<[usize; 2]> = (1..count).map(|node| [first + node - 1, first + node]).collect();
    if count > 2 {
        pairs.push([first, first + count - 1]);
    }
    pairs
}

fn islands(count: usize, random: &mut Random) -> Vec<[usize; 2]> {
    let half = count / 2;
    let mut pairs = ring(0, half);
    pairs.extend(ring(half, count - half));
    if half > 0 {
        pairs.push([random.index(half), half + random.index(count - half)]);
    }
    pairs
}

/// Each node with `degree` others: ends of links are matched at random, and two links that fit badly exchange their ends. One
/// link is missing where the ends cannot all be matched. Where there are too few nodes, everybody is linked with everybody.
fn regular(count: usize, degree: usize, random: &mut Random) -> Vec<[usize; 2]> {
    if count <= degree + 1 {
        return full(0..count);
    }
    let ends: Vec<usize> = (0..count * degree).map(|end| end / degree).collect();
    let order = random.sample(ends.len(), ends.len());
    let mut pairs: Vec<[usize; 2]> =
        order.chunks_exact(2).map(|pair| [ends[pair[0]], ends[pair[1]]]).collect();
    let sorted = |[one, other]: [usize; 2]| [one.min(other), one.max(other)];
    let fits = |pairs: &[[usize; 2]], at: usize| {
        let [one, other] = pairs[at];
        let pair = sorted(pairs[at]);
        one != other && !pairs.iter().enumerate().any(|(index, it)| index != at && sorted(*it) == pair)
    };
    for _ in 0..DRAWS_MAX * count {
        let Some(bad) = (0..pairs.len()).find(|at| !fits(&pairs, *at)) else { return pairs };
        let good = random.index(pairs.len());
        let (end, other_end) = (random.index(2), random.index(2));
        let (one, other) = (pairs[bad][end], pairs[good][other_end]);
        pairs[bad][end] = other;
        pairs[good][other_end] = one;
    }
    pairs.retain(|[one, other]| one != other);
    pairs
}

#[cfg(test)]
mod tests {
    use super::{DIAMETER_MAX, Topology};
    use crate::random::Random;
    use crate::run::Graph;
    use crate::seed::Seed;

    fn draw(topology: Topology, count: usize, seed: u64) -> Graph {
        let pairs = topology.pairs(count, false, &mut Random::new(Seed(seed), "topology"));
        let links: Vec<(usize, usize)> = pairs.iter().map(|[one, other]| (*one, *other)).collect();
        let graph = Graph::new(count, links.iter().copied());
        assert_eq!(graph.links(), links.len(), "{topology:?} of {count}: each link is there once");
        graph
    }

    #[test]
    fn everybody_is_within_reach_of_everybody() {
        let all = [
            Topology::Full,
            Topology::Ring,
            Topology::Line,
            Topology::Star,
            Topology::Tree,
            Topology::RandomK3,
            Topology::RandomK4,
            Topology::Islands,
        ];
        for topology in all {
            let most = topology.nodes_max().unwrap_or(40);
            for count in 1..=most {
                let diameter = draw(topology, usize::try_from(count).unwrap(), count).diameter();
                assert!(
                    diameter.is_some_and(|it| it <= DIAMETER_MAX),
                    "{topology:?} of {count}: {diameter:?}"
                );
            }
        }
    }

    #[test]
    fn random_graphs_give_each_node_as_many_links() {
        for (topology, degree, most) in [(Topology::RandomK3, 3, 64), (Topology::RandomK4, 4, 200)] {
            for count in [6, 10, 50, most] {
                for seed in 0..3 {
                    let graph = draw(topology, count, seed);
                    let degrees = |node| graph.neighbours(node).count();
                    assert!((0..count).all(|node| degrees(node) == degree), "{topology:?} of {count}");
                }
            }
            // An odd number of ends cannot all be matched.
            let odd = draw(topology, 9, 1);
            let missing: usize = (0..9).map(|node| degree - odd.neighbours(node).count()).sum();
            assert_eq!(missing, 9 * degree % 2, "{topology:?}");
        }
    }

    #[test]
    fn islands_hang_together_by_one_link() {
        let graph = draw(Topology::Islands, 9, 3);
        let over =
            (0..4).flat_map(|node| graph.neighbours(node).filter(|other| *other >= 4).collect::<Vec<_>>());
        assert_eq!(over.count(), 1);
    }
}
