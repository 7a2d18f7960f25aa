//! What every machine of the engine is: inputs in, outputs out, a timer, and nothing else.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::fmt;

use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

pub(crate) use crate::inject::injected;
#[cfg(lacewing_inject)]
pub use crate::inject::{BUGS, Bug};
use crate::metrics::Metrics;
use crate::time::Instant;

/// One noun of the protocol as a state machine.
///
/// A machine owns its state, its configuration, its timers and its random stream, and knows no other machine.
/// Mutate, then drain: after each `handle` or `on_timeout`, call `poll` until it gives `None`. Only
/// `engine/wiring` turns what one machine gives into what another takes.
pub trait Machine {
    /// What it takes.
    type In;
    /// What it gives.
    type Out;

    /// Takes one input.
    fn handle(&mut self, cx: &mut Cx<'_>, input: Self::In);
    /// Gives the next output, in the order in which they came to be.
    fn poll(&mut self) -> Option<Self::Out>;
    /// When it wants to be woken, if at all.
    fn timeout(&self) -> Option<Instant>;
    /// Does what is due at `cx.now`. Spurious calls are harmless.
    fn on_timeout(&mut self, cx: &mut Cx<'_>);
}

/// What a machine is handed with each input: the time, and the trace.
pub struct Cx<'a> {
    /// The present, as the driver told it. It never goes back.
    pub now: Instant,
    /// Where coverage marks go, and whom fault sites ask.
    pub trace: &'a mut dyn Trace,
    /// What operators see: how often each noteworthy thing happened.
    pub counters: &'a mut Counters,
}

impl Cx<'_> {
    /// Leaves a coverage mark: this branch was reached. Names are `machine.what_happened`.
    pub fn mark(&mut self, name: &'static str) {
        self.trace.mark(name);
    }

    /// Counts something that an operator wants to know of, and marks it too.
    pub fn count(&mut self, name: &'static str) {
        self.trace.mark(name);
        *self.counters.named.entry(name).or_insert(0) += 1;
    }

    /// Where what happens often is counted, and times are.
    pub(crate) fn metrics(&mut self) -> &mut Metrics {
        &mut self.counters.metrics
    }
}

impl fmt::Debug for Cx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cx").field("now", &self.now).finish_non_exhaustive()
    }
}

/// What machines count: by name what should be rare, in fixed places what happens on hot paths.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    named: BTreeMap<&'static str, u64>,
    /// Apart, because they are large and an engine is moved about.
    pub(crate) metrics: Box<Metrics>,
}

impl Counters {
    /// Every counter that has ever counted, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.named.iter().map(|(name, count)| (*name, *count))
    }
}

/// The testbed's hook into the engine. In production it is [`NoTrace`], and costs nothing worth measuring.
pub trait Trace: Send {
    /// A branch that coverage wants to see was reached.
    fn mark(&mut self, _name: &'static str) {}

    /// Asks whether the fault site `site` should misbehave now, in a way that the protocol must survive.
    fn fault(&mut self, _site: &'static str) -> bool {
        false
    }

    /// This node passes a ROUTED frame on: all that a relay ever sees of it.
    fn relayed(&mut self, _body: &[u8]) {}

    /// What a member says to a neighbour, before it is sealed: the name of the frame, and its body. A testbed may put something
    /// else in its place, to see that the others survive a member that lies. Asked for announcements, questions and what is
    /// relayed.
    fn say(&mut self, _frame: &'static str, body: Bytes) -> Bytes {
        body
    }

    /// Asks whether the named bug is switched on. Exists only in simulation builds, so that no released
    /// artefact can hold one.
    #[cfg(lacewing_inject)]
    fn inject(&mut self, _bug: &'static str) -> bool {
        false
    }
}

impl<T: Trace + ?Sized> Trace for Box<T> {
    fn mark(&mut self, name: &'static str) {
        (**self).mark(name);
    }

    fn fault(&mut self, site: &'static str) -> bool {
        (**self).fault(site)
    }

    fn relayed(&mut self, body: &[u8]) {
        (**self).relayed(body);
    }

    fn say(&mut self, frame: &'static str, body: Bytes) -> Bytes {
        (**self).say(frame, body)
    }

    #[cfg(lacewing_inject)]
    fn inject(&mut self, bug: &'static str) -> bool {
        (**self).inject(bug)
    }
}

/// A trace that looks away.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTrace;

impl Trace for NoTrace {}

/// Each machine draws from its own stream of the seed, so that a new draw in one shifts no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum RandomDomain {
    Membership = 1,
    Routing = 2,
    Directory = 3,
    Discovery = 4,
    Delivery = 5,
    Resilience = 6,
    Topics = 7,
}

/// The random stream of one machine: ChaCha8 over the engine's seed, with the machine's own stream number.
pub(crate) fn random_stream(seed: &[u8; 32], domain: RandomDomain) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::from_seed(*seed);
    rng.set_stream(domain as u64);
    rng
}
