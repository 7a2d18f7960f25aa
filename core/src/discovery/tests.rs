//! Many machines on made-up links, and one machine with a hostile neighbour.

mod graphs;
mod hostile;
mod mesh;
mod questions;
