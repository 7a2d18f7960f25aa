//! Every family that a node measures, by name. What only a driver knows it adds with families of its own.

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
    // --- calls

    CALLS_STARTED = Counter "lacewing_calls_started_total" []
        "Calls that this node has begun, streams included, casts and the attempts of a policy not.";
    CALLS_FINISHED = Counter "lacewing_calls_finished_total" ["code"]
        "Calls of this node that have their outcome: `ok` or the code of the error.";
    CALLS_IN_FLIGHT = Gauge "lacewing_calls_in_flight" []
        "Calls of this node that have no outcome yet.";
    CALL_DURATION = Histogram "lacewing_call_duration_seconds" []
        "Time from the beginning of a call to its outcome, whatever that was.";
    CALL_RETRIES = Counter "lacewing_call_retries_total" []
        "Attempts that were made because the one before had failed.";
    CALL_HEDGES = Counter "lacewing_call_hedges_total" []
        "Attempts that were made because the answer took long.";
    CALLS_REFUSED_BY_POLICY = Counter "lacewing_calls_refused_by_policy_total" ["policy"]
        "Attempts that a policy did not allow: an open breaker, a full bulkhead, a spent retry budget, or too many calls with a policy.";
    BREAKER_OPENINGS = Counter "lacewing_breaker_openings_total" []
        "Circuit breakers that have opened.";
    CALLS_HELD_BACK = Counter "lacewing_calls_held_back_total" []
        "Calls that found no room towards their node: too many pending, or too many bytes queued.";
    CASTS = Counter "lacewing_casts_total" ["fate"]
        "Casts by what became of them: queued or not by this node, lost on the way; refused, dropped or failed where this node served them.";

    // --- requests

    REQUESTS_RECEIVED = Counter "lacewing_requests_received_total" []
        "Requests that this node was to serve, its own included.";
    REQUESTS_FINISHED = Counter "lacewing_requests_finished_total" ["code"]
        "Requests that this node is done with: `ok`, the code of its answer or refusal, or `Cancelled` where nobody waited any more.";
    REQUESTS_IN_FLIGHT = Gauge "lacewing_requests_in_flight" []
        "Requests that are arriving, waiting or being served.";
    REQUEST_DURATION = Histogram "lacewing_request_duration_seconds" []
        "Time from handing a request to its handler until its end.";
    REQUESTS_QUEUED = Counter "lacewing_requests_queued_total" []
        "Requests that had to wait because as many of their action ran as may.";
    REQUEST_QUEUE = Histogram "lacewing_request_queue_seconds" []
        "Time that requests have waited for their turn, of those that had one.";
    REQUESTS_REFUSED = Counter "lacewing_requests_refused_total" ["limit"]
        "Requests that a limit of this node refused, by the limit; `not_served` where they waited for an action that then took no calls any more.";
    REQUESTS_REPEATED = Counter "lacewing_requests_repeated_total" ["kind"]
        "Requests that were not executed because they had been seen before, or are older than what is remembered.";
    ACTION_REQUESTS = Counter "lacewing_action_requests_total" ["action"]
        "Requests for each action that this node serves, those that a limit refused included.";

    // --- streams

    STREAMS_OPENED = Counter "lacewing_streams_opened_total" ["end"]
        "Streams that were opened, at the caller's end and at the handler's.";
    STREAMS_FINISHED = Counter "lacewing_streams_finished_total" ["end", "code"]
        "Streams that have ended, at each end: `ok` or the code of the error.";
    STREAM_ITEMS_SENT = Counter "lacewing_stream_items_sent_total" []
        "Items that this node has sent on streams.";
    STREAM_SENT = Counter "lacewing_stream_sent_bytes_total" []
        "Bytes of the items that this node has sent on streams.";
    STREAM_ITEMS_RECEIVED = Counter "lacewing_stream_items_received_total" []
        "Items that have arrived on streams.";
    STREAM_RECEIVED = Counter "lacewing_stream_received_bytes_total" []
        "Bytes of the items that have arrived on streams.";

    // --- topics

    EVENTS_PUBLISHED = Counter "lacewing_events_published_total" []
        "Events that this node has published.";
    EVENT_COPIES = Counter "lacewing_event_copies_total" []
        "Copies of them that were to be made: one for each node, and one for each subscription of this node.";
    EVENT_COPIES_DROPPED = Counter "lacewing_event_copies_dropped_total" []
        "Copies of them for which there was no room or no way.";
    EVENTS_REFUSED = Counter "lacewing_events_refused_total" ["limit"]
        "Events that this node was asked to publish and did not: too many on their topic, or a full subscription of this node.";
    EVENTS_RECEIVED = Counter "lacewing_events_received_total" []
        "Events of other nodes that have arrived whole.";
    EVENTS_LOST = Counter "lacewing_events_lost_total" []
        "Events of other nodes that were meant for this one and did not arrive, as far as later ones tell.";
    EVENTS_DELIVERED = Counter "lacewing_events_delivered_total" []
        "Events that were handed to subscriptions.";
    EVENTS_OVERFLOWED = Counter "lacewing_events_overflowed_total" ["policy"]
        "Events that a full subscription has dropped, by its policy.";

    // --- links

    LINKS_OPENED = Counter "lacewing_links_opened_total" ["kind"]
        "Links whose other end has proved who it is: over a stream of its own, or a tunnel that relays carry.";
    LINKS_CLOSED = Counter "lacewing_links_closed_total" ["reason"]
        "Links and tunnels that have ended, also before they were up, by the reason.";
    HANDSHAKES_FAILED = Counter "lacewing_handshakes_failed_total" ["reason"]
        "Those of them that ended before the other end had proved who it is.";
    DIALS_FAILED = Counter "lacewing_dials_failed_total" []
        "Dials that led to no stream.";
    LINK_RECEIVED = Counter "lacewing_link_received_bytes_total" []
        "Bytes that were read from streams, as they are on the wire.";
    LINK_SENT = Counter "lacewing_link_sent_bytes_total" []
        "Bytes that were handed over for streams, as they are on the wire.";
    FRAMES_RECEIVED = Counter "lacewing_frames_received_total" ["type"]
        "Frames that the machines were handed, by their type.";
    LINK_ROUND_TRIP = Histogram "lacewing_link_round_trip_seconds" []
        "Measured round trips of links.";

    // --- mesh

    RELAYED = Counter "lacewing_relayed_payloads_total" []
        "Payloads of others that this node has passed on.";
    RELAYED_BYTES = Counter "lacewing_relayed_bytes_total" []
        "Bytes of those payloads, with their heads.";
    RELAYED_DROPPED = Counter "lacewing_relayed_dropped_total" ["reason"]
        "Payloads of others, or of this node's tunnels, that were not passed on.";
    NEIGHBOUR_TRANSITIONS = Counter "lacewing_neighbour_transitions_total" ["to"]
        "What neighbours have become.";
    NODE_TRANSITIONS = Counter "lacewing_node_transitions_total" ["to"]
        "What nodes of the mesh have become, neighbours or not.";
    NODES = Gauge "lacewing_nodes" ["status"]
        "Nodes of the mesh that are known, this one included, by how they are.";
    DIRECTORY_REFUSED = Counter "lacewing_directory_refused_total" ["reason"]
        "Announcements that were not believed or not kept, by the reason.";

    // --- rights

    RIGHTS_REFUSED = Counter "lacewing_rights_refused_total" ["what"]
        "What others asked of this node without the right to it: calls without a proof of who calls, calls that are not allowed, events.";
    TOKENS_REFUSED = Counter "lacewing_tokens_refused_total" ["reason"]
        "Tokens that were shown to this node and give nothing: bad, or not even looked at after too many bad ones.";

    // --- everything else

    TABLE_ENTRIES = Gauge "lacewing_table_entries" ["table"]
        "How much there is in each table and queue: entries, or bytes where the name says so. Of what is kept for each link, the largest.";
    TABLE_LIMIT = Gauge "lacewing_table_limit" ["table"]
        "How much there may be.";
    INCIDENTS = Counter "lacewing_incidents_total" ["incident"]
        "Everything else that is worth a count and should be rare: limits that were hit, and bad input.";

    // --- neighbours, apart because there may be many

    NEIGHBOUR_UP = Gauge "lacewing_neighbour_up" ["node", "label"]
        "1, or 0 for one that has not been heard for some intervals.";
    NEIGHBOUR_ROUND_TRIP = Gauge "lacewing_neighbour_round_trip_seconds" ["node", "label"]
        "The smoothed round trip, once it is measured.";
    NEIGHBOUR_RECEIVED = Counter "lacewing_neighbour_received_bytes_total" ["node", "label"]
        "Bytes that were read from its link. From zero again with a new link, like all counters of neighbours.";
    NEIGHBOUR_SENT = Counter "lacewing_neighbour_sent_bytes_total" ["node", "label"]
        "Bytes that were handed over for its link.";
    NEIGHBOUR_DROPPED = Counter "lacewing_neighbour_dropped_total" ["node", "label"]
        "Announcements and relayed payloads that were dropped because its link was slow.";
    NEIGHBOUR_CALLS_IN_FLIGHT = Gauge "lacewing_neighbour_calls_in_flight" ["node", "label"]
        "Calls to it that have no outcome yet.";
    NEIGHBOUR_REQUESTS_IN_FLIGHT = Gauge "lacewing_neighbour_requests_in_flight" ["node", "label"]
        "Requests of it that are arriving, waiting or being served.";
    NEIGHBOUR_CALL_DURATION = Histogram "lacewing_neighbour_call_duration_seconds" ["node", "label"]
        "Time from sending it a call until it was over, attempts of policies included.";
}
