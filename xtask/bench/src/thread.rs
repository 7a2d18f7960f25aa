//! Threads: one to serve while another listens to the parent, one for each blocking connection, one that keeps time.

use std::time::Duration;

/// Starts a thread that nobody waits for.
#[expect(clippy::disallowed_methods, reason = "nothing here is simulated, and a blocking echo is a thread")]
pub(crate) fn start(work: impl FnOnce() + Send + 'static) {
    std::thread::spawn(work);
}

/// Ends the process after this time, so that a measurement that hangs is a failure and not a wait. Servers end with it,
/// because their standard input closes.
#[expect(clippy::disallowed_methods, reason = "this thread has nothing else to do")]
pub(crate) fn end_process_after(limit: Duration) {
    start(move || {
        std::thread::sleep(limit);
        eprintln!("lacewing-bench: not done after {} s, which is far too long: given up", limit.as_secs());
        std::process::exit(1);
    });
}
