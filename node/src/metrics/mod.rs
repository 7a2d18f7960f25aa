//! What a node counts and measures, for whoever operates it.
//!
//! [`Node::metrics`](crate::Node::metrics) gives a [`Snapshot`] of what the node and its driver count, and
//! [`Node::neighbour_metrics`](crate::Node::neighbour_metrics) one of each neighbour. [`text`] writes one as Prometheus reads it, and
//! [`Builder::metrics_at`](crate::Builder::metrics_at) serves both over HTTP.

mod endpoint;
mod text;

use std::time::Duration;

pub use lacewing_core::metrics::{
    Family, FamilyKind, Histogram, Measured, Sample, Snapshot, Value, families,
};

pub(crate) use endpoint::{Endpoint, Source};
pub use text::{CONTENT_TYPE, text};

/// What the driver counts beside the engine.
pub mod driver_families {
    use super::{Family, FamilyKind};

    macro_rules! families {
        ($($ident:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
            $(
                #[doc = $help]
                pub static $ident: Family =
                    Family { name: $name, kind: FamilyKind::$kind, labels: &[$($label),*], help: $help };
            )*

            /// All of them, in the order of a snapshot.
            pub static ALL: &[&Family] = &[$(&$ident),*];
        };
    }

    families! {
        NODE_INFO = Gauge "lacewing_node_info" ["node", "label", "network", "version"]
            "Always 1; the labels say which node it is.";
        UPTIME = Gauge "lacewing_uptime_seconds" []
            "Time since the node was started.";
        SOCKETS = Gauge "lacewing_sockets" []
            "Streams that links have open.";
        SOCKETS_LINGERING = Gauge "lacewing_sockets_lingering" []
            "Streams of closed links that wait for the peer's end.";
        HANDLERS_RUNNING = Gauge "lacewing_handlers_running" []
            "Handlers that work on a request.";
        WATCHERS = Gauge "lacewing_watchers" []
            "Parts of the application that listen to what happens to the node.";
        WATCHER_QUEUE = Gauge "lacewing_watcher_queue_length" []
            "Events that wait for the slowest of them, 1,024 at most.";
        WATCHERS_MISSED = Counter "lacewing_watchers_missed_total" []
            "Events that were dropped because one of them was too slow.";
        ACCEPTS_FAILED = Counter "lacewing_accepts_failed_total" []
            "Streams that could not be accepted, usually for lack of file descriptors.";
        HANDLERS_PANICKED = Counter "lacewing_handlers_panicked_total" []
            "Handlers that have panicked.";
        DRIVER_ERRORS = Counter "lacewing_driver_errors_total" []
            "Inputs that the engine has refused from its driver, which is a bug.";
    }
}

/// What the driver knows beside the engine, at one moment.
#[derive(Debug, Default)]
pub(crate) struct DriverMetrics {
    pub(crate) uptime: Duration,
    pub(crate) sockets: usize,
    pub(crate) sockets_lingering: usize,
    pub(crate) handlers_running: usize,
    pub(crate) watchers: usize,
    pub(crate) watcher_queue: usize,
    pub(crate) watchers_missed: u64,
    pub(crate) accepts_failed: u64,
    pub(crate) handlers_panicked: u64,
    pub(crate) driver_errors: u64,
}

impl DriverMetrics {
    /// Adds its families behind those of the engine. `node` is who it is: id, label, network.
    pub(crate) fn add_to(&self, snapshot: &mut Snapshot, node: [String; 3]) {
        use driver_families as families;
        let version = env!("CARGO_PKG_VERSION").into();
        let labels = node.into_iter().map(Into::into).chain([version]).collect();
        snapshot.push(&families::NODE_INFO, vec![Sample { labels, value: Value::Number(1) }]);
        snapshot.add(&families::UPTIME, self.uptime);
        snapshot.add(&families::SOCKETS, self.sockets);
        snapshot.add(&families::SOCKETS_LINGERING, self.sockets_lingering);
        snapshot.add(&families::HANDLERS_RUNNING, self.handlers_running);
        snapshot.add(&families::WATCHERS, self.watchers);
        snapshot.add(&families::WATCHER_QUEUE, self.watcher_queue);
        snapshot.add(&families::WATCHERS_MISSED, self.watchers_missed);
        snapshot.add(&families::ACCEPTS_FAILED, self.accepts_failed);
        snapshot.add(&families::HANDLERS_PANICKED, self.handlers_panicked);
        snapshot.add(&families::DRIVER_ERRORS, self.driver_errors);
    }
}
