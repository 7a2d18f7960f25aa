//! Shapes of networks, as lists of links.

use alloc::vec::Vec;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

pub(super) type Edges = Vec<(usize, usize)>;

pub(super) fn line(nodes: usize) -> Edges {
    (1..nodes).map(|node| (node - 1, node)).collect()
}

pub(super) fn ring(nodes: usize) -> Edges {
    (0..nodes).map(|node| (node, (node + 1) % nodes)).collect()
}

pub(super) fn star(nodes: usize) -> Edges {
    (1..nodes).map(|node| (0, node)).collect()
}

pub(super) fn tree(nodes: usize) -> Edges {
    (1..nodes).map(|node| ((node - 1) / 2, node)).collect()
}

pub(super) fn full(nodes: usize) -> Edges {
    (0..nodes).flat_map(|a| (a + 1..nodes).map(move |b| (a, b))).collect()
}

/// Two full islands of the same size, with one link between them.
pub(super) fn islands(nodes: usize) -> Edges {
    let half = nodes / 2;
    let other = full(half).into_iter().map(|(a, b)| (a + half, b + half));
    full(half).into_iter().chain(other).chain([(half - 1, half)]).collect()
}

/// A random graph in which every node has `degree` links, an even number: rings through the nodes in random orders.
pub(super) fn regular(nodes: usize, degree: usize, seed: u64) -> Edges {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut edges = Edges::new();
    while edges.len() < nodes * degree / 2 {
        let mut order: Vec<usize> = (0..nodes).collect();
        for left in (1..nodes).rev() {
            order.swap(left, rng.next_u64() as usize % (left + 1));
        }
        let round: Edges =
            ring(nodes).into_iter().map(|(a, b)| (order[a].min(order[b]), order[a].max(order[b]))).collect();
        // A ring that shares a link with those before it is drawn again.
        if round.iter().all(|edge| !edges.contains(edge)) {
            edges.extend(round);
        }
    }
    edges
}
