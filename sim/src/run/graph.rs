//! Who is linked with whom, and how far it is from one to another.

use std::collections::{BTreeSet, VecDeque};

/// Links between nodes that are numbers.
///
/// ```
/// use lacewing_sim::run::Graph;
///
/// let line = Graph::new(4, [(0, 1), (1, 2)]);
/// assert_eq!(line.distance(0, 2), Some(2));
/// assert_eq!(line.distance(0, 3), None);
/// assert_eq!(line.diameter(), None, "node 3 is alone");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    neighbours: Vec<BTreeSet<usize>>,
}

impl Graph {
    /// The graph of these links, each named once, in either order.
    pub fn new(nodes: usize, links: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let mut neighbours = vec![BTreeSet::new(); nodes];
        for (one, other) in links {
            neighbours[one].insert(other);
            neighbours[other].insert(one);
        }
        Self { neighbours }
    }

    /// Those that a node has links to.
    pub fn neighbours(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
        self.neighbours[node].iter().copied()
    }

    /// How many links there are.
    pub fn links(&self) -> usize {
        self.neighbours.iter().map(BTreeSet::len).sum::<usize>() / 2
    }

    /// The least number of links from a node to each other one; `None` where no path leads.
    pub fn distances(&self, from: usize) -> Vec<Option<usize>> {
        self.distances_over(from, |_, _| true)
    }

    /// The same, over those links only that pass.
    pub fn distances_over(&self, from: usize, passes: impl Fn(usize, usize) -> bool) -> Vec<Option<usize>> {
        let mut distances = vec![None; self.neighbours.len()];
        distances[from] = Some(0);
        let mut frontier = VecDeque::from([(from, 0)]);
        while let Some((node, distance)) = frontier.pop_front() {
            for next in self.neighbours(node) {
                if distances[next].is_none() && passes(node, next) {
                    distances[next] = Some(distance + 1);
                    frontier.push_back((next, distance + 1));
                }
            }
        }
        distances
    }

    /// The least number of links from one node to another.
    pub fn distance(&self, one: usize, other: usize) -> Option<usize> {
        self.distances(one)[other]
    }

    /// The greatest distance of two nodes; `None` where some cannot reach others.
    pub fn diameter(&self) -> Option<usize> {
        let farthest = |node| self.distances(node).into_iter().try_fold(0, |most, it| Some(it?.max(most)));
        (0..self.neighbours.len()).try_fold(0, |most, node| Some(farthest(node)?.max(most)))
    }
}
