//! What a relay can say of what it passes on.

use lacewing_core::Trace;
use lacewing_core::wire::body::routing::RoutedHead;

/// Logs each payload of others that this node passes on: from whom, for whom, how many bytes. What is in it is sealed, the number of
/// its trace too.
pub(crate) struct RelayLog;

impl Trace for RelayLog {
    fn relayed(&mut self, body: &[u8]) {
        // Asked first, because a relay does this for every record that goes through it.
        if !tracing::enabled!(tracing::Level::DEBUG) {
            return;
        }
        let Ok(head) = RoutedHead::decode(body) else { return };
        let RoutedHead { source, destination, hop_limit, .. } = head;
        let bytes = body.len() - RoutedHead::LEN;
        let span = tracing::debug_span!("relay", %source, %destination, hop_limit, bytes);
        span.in_scope(|| tracing::debug!("forwarded"));
    }
}
