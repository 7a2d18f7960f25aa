//! The task that wakes the engine when it asked to be woken.

use std::sync::Arc;

use lacewing_core::Instant;

use super::Driver;

/// Sleeps until the engine's next time, or until that has moved to an earlier one.
pub(super) async fn run(driver: Arc<Driver>) {
    loop {
        let at = {
            let mut core = driver.lock();
            let at = core.engine.poll_timeout().unwrap_or(Instant::NEVER);
            core.timer_at = at;
            at
        };
        tokio::select! {
            biased;
            () = driver.timer.notified() => {}
            () = tokio::time::sleep_until(driver.clock.at(at)) => {
                driver.with(|core, now| {
                    // This task looks again by itself, so nobody needs to wake it.
                    core.timer_at = Instant::ZERO;
                    core.follow_time(now);
                    let outcome = core.engine.handle_timeout(now);
                    core.check(outcome);
                });
            }
        }
    }
}
