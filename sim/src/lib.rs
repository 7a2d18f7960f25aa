//! The Lacewing testbed: it executes runs (concrete lists of calls and faults) on simulated networks, and asks oracles
//! whether every promise was kept.
//!
//! A plan ([`plan`]) and a seed give a run ([`run`]); an engine ([`engine`]) executes it and writes a history ([`history`]);
//! the oracles ([`oracle`]) read that.

pub mod bounds;
pub mod chain;
pub mod cli;
pub mod des;
pub mod engine;
pub mod history;
pub mod oracle;
pub mod payload;
pub mod plan;
pub mod quantity;
pub mod random;
pub mod rights;
pub mod run;
pub mod seed;
mod survey;
mod trace;
pub mod turmoil;
pub mod verdict;
