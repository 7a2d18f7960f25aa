//! Where streams come from: listeners and dials.

use std::sync::Arc;
use std::time::Duration;

use lacewing_core::Address;
use lacewing_core::engine::{DialFailure, DialId, Input};

use super::Driver;
use crate::transport::{Listener, dial_failure};

/// Pause after a failed accept, which is usually a lack of file descriptors that passes.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts streams for as long as the node lives.
pub(super) async fn accept(driver: Arc<Driver>, mut listener: Box<dyn Listener>) {
    loop {
        match listener.accept().await {
            Ok(connection) => driver.open_link(None, connection.stream, connection.remote_addr),
            Err(error) => {
                driver.count_accept_failure();
                tracing::warn!(node = %driver.node_id, addr = %listener.local_addr(), %error, "cannot accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Does one dial that the engine asked for, and tells it what came of it.
pub(super) async fn dial(driver: Arc<Driver>, dial: DialId, addr: Address) {
    let connect = driver.transport.connect(&addr);
    let reason = match tokio::time::timeout(driver.config.timing.connect_timeout, connect).await {
        Ok(Ok(connection)) => return driver.open_link(Some(dial), connection.stream, connection.remote_addr),
        Ok(Err(error)) => {
            tracing::debug!(node = %driver.node_id, %addr, %error, "cannot dial");
            dial_failure(&error)
        }
        Err(_) => DialFailure::TimedOut,
    };
    driver.with(|core, now| core.input(now, Input::DialFailed { dial, reason }));
}
