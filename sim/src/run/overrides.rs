//! Limits and times that differ from the core's defaults.

use lacewing_core::{Limits, Timing};
use serde::{Deserialize, Serialize};

use crate::quantity::Micros;

macro_rules! overrides {
    ($(#[$doc:meta])* $name:ident of $target:ty { $($field:ident: $ty:ty => $apply:expr),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $(
                #[doc = concat!("In place of the default of `", stringify!($field), "`.")]
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $field: Option<$ty>,
            )*
        }

        impl $name {
            /// Whether the defaults hold throughout.
            pub fn is_empty(&self) -> bool {
                *self == Self::default()
            }

            /// Puts what is given here into `target`.
            pub fn apply(&self, target: &mut $target) {
                $(
                    if let Some(value) = self.$field {
                        target.$field = ($apply)(value);
                    }
                )*
            }
        }
    };
}

fn size(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

fn same<T>(value: T) -> T {
    value
}

overrides! {
    /// Caps that differ from the defaults.
    LimitOverrides of Limits {
        links_max: u64 => size,
        handshakes_max: u64 => size,
        handshakes_per_address_max: u64 => size,
        message_bytes_max: u64 => size,
        pending_calls_per_link_max: u64 => size,
        pending_requests_per_link_max: u64 => size,
        queued_bytes_per_link_max: u64 => size,
        reassembly_bytes_per_link_max: u64 => size,
        link_window_bytes: u32 => same,
        streams_per_link_max: u64 => size,
        stream_window_bytes: u32 => same,
        stream_queue_bytes: u64 => size,
        stream_bytes_per_link_max: u64 => size,
        waiting_bytes_max: u64 => size,
        actions_max: u64 => size,
        neighbours_sought: u64 => size,
        configured_peers_max: u64 => size,
        remembered_peers_max: u64 => size,
        tunnels_max: u64 => size,
        tunnel_window_bytes: u64 => size,
        relayed_flow_bytes_max: u64 => size,
        relayed_link_bytes_max: u64 => size,
        announced_link_bytes_max: u64 => size,
        question_hops_max: u8 => same,
        flows_max: u64 => size,
        events_per_topic_burst: u32 => same,
        events_per_topic_per_s: u32 => same,
        hops_max: u8 => same,
    }
}

overrides! {
    /// Times that differ from the defaults.
    TimingOverrides of Timing {
        keepalive_interval: Micros => Micros::as_duration,
        suspect_after_missed: u32 => same,
        down_after: Micros => Micros::as_duration,
        handshake_timeout: Micros => Micros::as_duration,
        connect_timeout: Micros => Micros::as_duration,
        backoff_min: Micros => Micros::as_duration,
        backoff_max: Micros => Micros::as_duration,
        backoff_reset_after: Micros => Micros::as_duration,
        neighbour_seek_interval: Micros => Micros::as_duration,
        write_stall_timeout: Micros => Micros::as_duration,
        path_patience: Micros => Micros::as_duration,
        retire_timeout: Micros => Micros::as_duration,
        rekey_after_bytes: u64 => same,
        rekey_after: Micros => Micros::as_duration,
        call_timeout: Micros => Micros::as_duration,
        breaker_window: Micros => Micros::as_duration,
        breaker_open: Micros => Micros::as_duration,
        stream_idle_timeout: Micros => Micros::as_duration,
        found_ttl: Micros => Micros::as_duration,
        absent_ttl: Micros => Micros::as_duration,
        directory_digest_interval: Micros => Micros::as_duration,
        ping_interval: Micros => Micros::as_duration,
        route_check_interval: Micros => Micros::as_duration,
        route_garbage_after: Micros => Micros::as_duration,
        flow_idle_after: Micros => Micros::as_duration,
    }
}
