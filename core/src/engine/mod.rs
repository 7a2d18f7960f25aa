//! The composed machine of one node.
//!
//! Four families of methods, and no others: *inputs* (`handle_*`), *outputs* (`poll_*`), *commands* of the application
//! (`call`, `serve`, ...), and *getters*. After any input or command, drain [`Engine::poll_output`] until it gives `None`
//! and look at [`Engine::poll_timeout`].

mod door;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

pub use door::*;

use crate::address::Address;
use crate::code::Error;
use crate::config::Config;
use crate::identity::{Identity, Incarnation, NodeId};
use crate::machine::Trace;
use crate::time::Instant;
use crate::wire::path::ActionPath;

/// The protocol of one node, without any I/O.
pub struct Engine {
    _skeleton: (),
}

#[allow(unused_variables, clippy::todo, missing_docs)]
impl Engine {
    pub fn new(
        config: Arc<Config>,
        identity: Identity,
        incarnation: Incarnation,
        now: Instant,
        seed: [u8; 32],
        trace: Box<dyn Trace>,
    ) -> Self {
        todo!()
    }

    // --- inputs
    pub fn handle_input(&mut self, now: Instant, input: Input) -> Result<(), Misuse> {
        todo!()
    }
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Misuse> {
        todo!()
    }

    // --- outputs
    pub fn poll_output(&mut self) -> Option<Output> {
        todo!()
    }
    pub fn poll_timeout(&self) -> Option<Instant> {
        todo!()
    }
    /// Which machine asked to be woken.
    pub fn timeout_reason(&self) -> Option<&'static str> {
        todo!()
    }
    /// Read back-pressure: whether the driver should go on reading from this link.
    pub fn wants_input(&self, link: LinkId) -> bool {
        todo!()
    }

    // --- commands
    /// Dials this address for ever (with back-off) until `disconnect`.
    pub fn connect(&mut self, now: Instant, addr: Address) -> Result<(), Error> {
        todo!()
    }
    pub fn disconnect(&mut self, now: Instant, addr: &Address) -> bool {
        todo!()
    }
    pub fn serve(&mut self, now: Instant, action: &str) -> Result<Arc<ActionPath>, ServeError> {
        todo!()
    }
    pub fn unserve(&mut self, now: Instant, action: &str) -> bool {
        todo!()
    }
    /// Starts a call. `Err` is its one outcome (refused at once); `Ok` promises exactly one `Event::CallDone`.
    pub fn call(&mut self, now: Instant, call: Call) -> Result<OpId, Error> {
        todo!()
    }
    /// Cancels a call: its outcome is `Cancelled`, unless another came first.
    pub fn cancel(&mut self, now: Instant, op: OpId) {
        todo!()
    }
    /// Answers a request. `false`: nobody waits for it any more (cancelled, late, link lost), or it was answered before.
    pub fn reply(&mut self, now: Instant, request: RequestId, result: Result<Payload, Error>) -> bool {
        todo!()
    }
    /// Closes one link (tests, administration). It may be dialled again.
    pub fn close_link(&mut self, now: Instant, link: LinkId) {
        todo!()
    }
    /// Refuses new work, finishes what it has, says goodbye by `deadline`; ends in `Event::Stopped`.
    pub fn shutdown(&mut self, now: Instant, deadline: Instant) {
        todo!()
    }

    // --- getters
    pub fn node_id(&self) -> NodeId {
        todo!()
    }
    pub fn incarnation(&self) -> Incarnation {
        todo!()
    }
    pub fn config(&self) -> &Arc<Config> {
        todo!()
    }
    pub fn lifecycle(&self) -> Lifecycle {
        todo!()
    }
    /// Neighbours in the order of their ids.
    pub fn peers(&self) -> Vec<PeerInfo> {
        todo!()
    }
    /// Every bounded table and queue, with its cap.
    pub fn gauges(&self) -> Vec<Gauge> {
        todo!()
    }
    /// Monotonic counters by name: `link.closed.record_rejected`, `delivery.late_reply`, ... Sorted by name.
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        todo!()
    }
}
