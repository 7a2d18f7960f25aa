//! Conformance scenarios, by their numbers: each is one run and what must be seen of it, on every engine that can execute it.
//! `FIDELITY.md` has the table of which engine can.

mod calls;
mod engines;
mod limits;
mod links;
mod membership;
mod mesh;
mod policies;
mod providers;
mod stage;
mod streams;
mod topics;
