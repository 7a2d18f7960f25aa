//! The Lacewing protocol as a sans-IO engine.
//!
//! This crate holds no clock, socket, thread or source of randomness: [`Engine`] is told the time and the
//! bytes that arrived, and answers with the bytes to send and the things that happened. The very code that
//! runs in production therefore also runs, bit for bit reproducible, in a simulated network.
//!
//! Reading order, which is also the order of dependence: [`time`], [`code`], [`crypto`], [`identity`],
//! [`machine`], [`wire`], [`token`], [`capability`], [`predicate`],
//! [`access`], [`session`], [`link`], [`membership`], [`delivery`], [`engine`].
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod access;
pub mod address;
mod authority;
pub mod capability;
pub mod code;
pub mod config;
pub mod crypto;
pub mod delivery;
pub mod directory;
mod discovery;
pub mod engine;
pub mod identity;
mod inject;
mod json_text;
pub mod link;
pub mod machine;
pub mod marks;
pub mod membership;
pub mod metrics;
pub mod predicate;
mod reassembly;
mod resilience;
pub mod routing;
mod sequence_map;
pub mod session;
pub mod time;
pub mod token;
pub mod topics;
pub mod wire;

pub use address::Address;
pub use code::{CloseReason, Code, Error, Kind};
pub use config::{Config, Limits, Timing, Trust};
pub use engine::{Engine, Event, Input, Misuse, Output};
pub use identity::{Identity, Incarnation, NodeId, NodeLabel};
pub use machine::{NoTrace, Trace};
pub use time::Instant;
