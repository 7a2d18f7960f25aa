//! What the driver counts beside the engine, with what the engine counts.

use std::sync::atomic::Ordering;

use lacewing_core::Engine;

use super::Driver;
use crate::metrics::{DriverMetrics, Snapshot, Source};

impl Source for Driver {
    fn metrics(&self) -> Snapshot {
        let (mut snapshot, driver) = {
            let core = self.lock();
            let queues = core.subscribers.iter().map(|subscriber| subscriber.queue_len());
            let driver = DriverMetrics {
                uptime: self.clock.now() - lacewing_core::Instant::ZERO,
                sockets: core.links.len(),
                sockets_lingering: self.lingering.load(Ordering::Relaxed),
                handlers_running: core.requests.len(),
                watchers: core.subscribers.len(),
                watcher_queue: queues.max().unwrap_or(0),
                watchers_missed: core.counters.events_missed,
                accepts_failed: core.counters.accept_failed,
                handlers_panicked: core.counters.handler_panicked,
                driver_errors: core.counters.engine_misused,
            };
            (core.engine.metrics(), driver)
        };
        let config = &self.config;
        let node = [self.node_id.to_string(), config.label.to_string(), config.network.as_str().to_owned()];
        driver.add_to(&mut snapshot, node);
        snapshot
    }

    fn neighbour_metrics(&self) -> Snapshot {
        self.inspect(Engine::neighbour_metrics)
    }
}
