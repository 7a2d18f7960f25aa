//! `docs/spec/constants.md`: every size, range, time and number of the wire, from the code.

use std::fmt::{Display, Write as _};
use std::fs;
use std::time::Duration;

use lacewing_core::access;
use lacewing_core::code::Error;
use lacewing_core::config::NetworkName;
use lacewing_core::crypto::{AeadId, TAG_LEN};
use lacewing_core::identity::{NodeId, SignedIncarnation};
use lacewing_core::predicate;
use lacewing_core::session::{
    IdentityProof, Offer, PATTERN_KEYED, PATTERN_OPEN, RefusalNumber, Sealer, VersionRange, WireLimits,
};
use lacewing_core::token::{self, IssuerHead, Token};
use lacewing_core::wire::body::directory::{self, SignedHead};
use lacewing_core::wire::body::discovery::{PROOF_LEN_MAX, PROOFS_LEN_MAX, PROOFS_MAX, QUESTION_HOPS_MAX};
use lacewing_core::wire::body::topics::{GROUPS_MAX, GroupName};
use lacewing_core::wire::body::{HELLO_ADDRS_MAX, KEEPALIVE_MS};
use lacewing_core::wire::cbor::DEPTH_MAX;
use lacewing_core::wire::frame::{
    BODY_LEN_MAX, CHUNK_LEN_MAX, FrameType, HANDSHAKE_LEN_MAX, HEADER_LEN, MORE, RECORD_LEN_MAX,
};
use lacewing_core::wire::framing::PREFIX_LEN;
use lacewing_core::wire::path::{ActionPath, PathPattern};
use lacewing_core::wire::payload::Codec;
use lacewing_core::{Address, Limits, NodeLabel, Timing};

use crate::root;

const INTRODUCTION: &str = "\
# Constants

Generated from the code by `LACEWING_BLESS=1 cargo test -p lacewing-core --test spec`. Do not edit.

The numbers of error codes, kinds and close reasons are in [codes.md](codes.md).
";

/// The whole page.
pub(crate) fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    versions(&mut page);
    sizes(&mut page);
    texts(&mut page);
    frame_types(&mut page);
    numbers(&mut page);
    limits(&mut page);
    timing(&mut page);
    page
}

fn table(page: &mut String, title: &str, columns: &[&str]) {
    let rule = "---|".repeat(columns.len());
    writeln!(page, "\n## {title}\n\n| {} |\n|{rule}", columns.join(" | ")).unwrap();
}

fn row(page: &mut String, name: &str, value: impl Display) {
    writeln!(page, "| {name} | {value} |").unwrap();
}

/// 16777216 as `16,777,216`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn bytes(count: usize) -> String {
    format!("{} bytes", grouped(count as u64))
}

fn span(time: Duration) -> String {
    match time.as_millis() {
        ms if ms.is_multiple_of(1_000) => format!("{} s", grouped(ms as u64 / 1_000)),
        ms => format!("{} ms", grouped(ms as u64)),
    }
}

/// A constant that the crate keeps to itself, read from its source: `const NAME: type = 32_768;`
fn private(file: &str, name: &str) -> usize {
    let text = fs::read_to_string(root().join("core/src").join(file)).unwrap_or_else(|error| {
        panic!("core/src/{file}, which held the constant {name}, cannot be read: {error}")
    });
    let value = text.lines().find_map(|line| {
        let (left, right) = line.split_once('=')?;
        let declared = left.trim_start().trim_start_matches("pub(super) ").trim_start_matches("pub(crate) ");
        declared.starts_with(&format!("const {name}:")).then(|| right.trim().trim_end_matches(';'))
    });
    let value = value.unwrap_or_else(|| panic!("core/src/{file} has no constant {name} any more"));
    let factor = |text: &str| text.trim().replace('_', "").parse::<usize>().ok();
    value
        .split('*')
        .map(factor)
        .product::<Option<usize>>()
        .unwrap_or_else(|| panic!("core/src/{file}: the value of {name} is no plain number: {value}"))
}

fn versions(page: &mut String) {
    table(page, "Versions and patterns", &["what", "value"]);
    row(page, "versions of the protocol", VersionRange::SUPPORTED);
    row(page, "pattern without a network key", format!("`{PATTERN_OPEN}`"));
    row(page, "pattern with a network key", format!("`{PATTERN_KEYED}`"));
    let ascii = |bytes: &[u8]| format!("`{}`", String::from_utf8_lossy(bytes));
    row(page, "hashed before a public key, for a node id", ascii(NodeId::DOMAIN));
    row(page, "signed before role and handshake hash", ascii(IdentityProof::DOMAIN));
    row(page, "signed before an incarnation", ascii(SignedIncarnation::DOMAIN));
    row(page, "signed before a directory head", ascii(SignedHead::DOMAIN));
    row(page, "signed before a link of a token", ascii(Token::DOMAIN));
    row(page, "signed before an issuer's generation", ascii(IssuerHead::DOMAIN));
}

fn sizes(page: &mut String) {
    table(page, "Sizes", &["what", "value"]);
    row(page, "length prefix of a handshake message or record", bytes(PREFIX_LEN));
    row(page, "largest message or record before the peer has proved its identity", bytes(HANDSHAKE_LEN_MAX));
    row(page, "largest record, tag included, prefix not", bytes(RECORD_LEN_MAX));
    row(page, "largest plaintext of a record", bytes(Sealer::PLAINTEXT_LEN_MAX));
    row(page, "tag of a record", bytes(TAG_LEN));
    row(page, "frame header", bytes(HEADER_LEN));
    row(page, "largest body of a frame", bytes(BODY_LEN_MAX));
    row(page, "most payload in one frame that this implementation writes", bytes(CHUNK_LEN_MAX));
    let range = WireLimits::RECORD_BYTES;
    let (low, high) = (grouped((*range.start()).into()), grouped((*range.end()).into()));
    row(page, "range of `record_bytes_max`", format!("{low} to {high}"));
    row(page, "smallest `window_bytes`", grouped(WireLimits::WINDOW_BYTES_MIN.into()));
    row(page, "most credit outstanding that is believed", "1,099,511,627,776 bytes (2^40)");
    row(page, "AEADs in an offer", format!("at most {}", Offer::AEADS_MAX));
    row(page, "addresses in a HELLO", format!("at most {HELLO_ADDRS_MAX}"));
    let (low, high) = KEEPALIVE_MS.into_inner();
    row(page, "range of a keep-alive interval", format!("{low} to {} ms", grouped(high)));
    row(page, "links that a question may cross", format!("1 to {QUESTION_HOPS_MAX}"));
    row(page, "proofs in an answer", format!("1 to {PROOFS_MAX}"));
    row(page, "proof", format!("1 to {}", bytes(PROOF_LEN_MAX)));
    row(page, "all proofs of an answer", format!("at most {}", bytes(PROOFS_LEN_MAX)));
    row(page, "nesting of CBOR that is skipped", format!("at most {DEPTH_MAX} levels"));
    let dedup = private("delivery/dedup.rs", "SPAN");
    row(page, "sequence numbers that the window against running twice spans", grouped(dedup as u64));
    row(page, "groups of one event, and of one pattern of a node", format!("at most {GROUPS_MAX}"));
    directory_sizes(page);
    token_sizes(page);
}

fn token_sizes(page: &mut String) {
    row(page, "token", format!("at most {}", bytes(token::TOKEN_LEN_MAX)));
    row(page, "links of a token", format!("1 to {}", token::DELEGATIONS_MAX + 1));
    row(page, "life of a token, by default", format!("at most {} ms", grouped(token::LIFE_MS_MAX)));
    row(page, "how far clocks may be apart for a token", format!("{} ms", grouped(token::SKEW_MS)));
    row(
        page,
        "token in a HELLO",
        format!("at most {}", bytes(lacewing_core::wire::body::MEMBERSHIP_LEN_MAX)),
    );
    row(page, "issuers that a node trusts", format!("at most {}", token::ISSUERS_MAX));
    row(page, "tokens of a session", format!("at most {}", access::TOKENS_PER_SESSION_MAX));
    row(page, "rules of a node", format!("at most {}", grouped(access::RULES_MAX as u64)));
    row(
        page,
        "peers whose checks of tokens are remembered",
        format!("at most {}", grouped(access::GATE_PEERS_MAX as u64)),
    );
    row(page, "cost of a good token", span(access::GOOD_TOKEN_COST));
    row(page, "cost of a bad token", span(access::BAD_TOKEN_COST));
    row(page, "sum of costs from which on tokens wait", span(access::TOKEN_COST_MAX));
}

fn directory_sizes(page: &mut String) {
    row(page, "links that an announcement crosses unasked", format!("at most {}", directory::HOPS_MAX));
    let (low, high) = directory::TTL_S.into_inner();
    row(page, "range of a head's time to live", format!("{low} to {} s", grouped(high.into())));
    row(page, "entry of the directory", format!("at most {}", bytes(directory::ENTRY_LEN_MAX)));
    row(page, "parts of a set of entries", format!("2 to {}", directory::PARTS_MAX));
    row(
        page,
        "entries, or removed keys, in a frame",
        format!("at most {}", grouped(directory::DELTA_ITEMS_MAX)),
    );
    row(page, "versions in a DIRECTORY_DIGEST", format!("at most {}", directory::DIGEST_VERSIONS_MAX));
    row(page, "owners in a DIRECTORY_REQUEST", format!("at most {}", directory::REQUEST_NODES_MAX));
    row(page, "siblings in a proof", format!("at most {}", directory::PATH_LEN_MAX));
}

fn texts(page: &mut String) {
    table(page, "Texts", &["what", "value"]);
    row(page, "network name", format!("1 to {}", bytes(NetworkName::LEN_MAX)));
    row(page, "label", format!("1 to {}", bytes(NodeLabel::LEN_MAX)));
    row(page, "host of an address", format!("1 to {}", bytes(Address::HOST_LEN_MAX)));
    row(page, "address in a HELLO", format!("at most {}", bytes(Address::HOST_LEN_MAX + 8)));
    row(page, "name of a directory entry", format!("at most {}", bytes(directory::ENTRY_NAME_LEN_MAX)));
    row(page, "action path", format!("1 to {}", bytes(ActionPath::LEN_MAX)));
    row(page, "segments of an action path", format!("1 to {}", ActionPath::SEGMENTS_MAX));
    row(page, "path pattern, its network included", format!("1 to {}", bytes(PathPattern::LEN_MAX)));
    row(page, "segments of a path pattern", format!("1 to {}", PathPattern::SEGMENTS_MAX));
    row(
        page,
        "JSON, CBOR or text form of a predicate",
        format!("at most {}", bytes(predicate::FORM_LEN_MAX)),
    );
    row(page, "nodes of a predicate", format!("1 to {}", grouped(predicate::NODES_MAX as u64)));
    row(
        page,
        "references to children in a predicate",
        format!("at most {}", grouped(predicate::CHILDREN_MAX as u64)),
    );
    row(page, "JSON of a predicate's trace", format!("at most {}", bytes(predicate::TRACE_JSON_LEN_MAX)));
    row(page, "name of a group", format!("1 to {}", bytes(GroupName::LEN_MAX)));
    row(page, "message of an error", format!("at most {}", bytes(Error::MESSAGE_LEN_MAX)));
    row(page, "detail of an error", format!("at most {}", bytes(Error::DETAIL_LEN_MAX)));
}

fn frame_types(page: &mut String) {
    table(page, "Frame types", &["number", "name", "id", "may have MORE", "uses credit"]);
    let yes = |flag: bool| if flag { "yes" } else { "no" };
    for frame_type in FrameType::ALL {
        let id = if frame_type.is_delivery() { "1 and more" } else { "0" };
        writeln!(
            page,
            "| 0x{:02x} | {} | {id} | {} | {} |",
            frame_type.number(),
            frame_type.name(),
            yes(frame_type.may_continue()),
            yes(frame_type.uses_credit())
        )
        .unwrap();
    }
    writeln!(page, "| 0x80 to 0xff | skippable | any | any | no |").unwrap();
    writeln!(page, "\nThe flag MORE is 0x{MORE:02x}. All other numbers are unknown and close the link.")
        .unwrap();
    assert!(matches!(FrameType::from_number(0x80), Some(FrameType::Skippable(_))));
    assert_eq!(FrameType::from_number(0x7f), None);
}

fn numbers(page: &mut String) {
    table(page, "AEADs", &["number", "name"]);
    for aead in AeadId::ALL {
        let name = match aead {
            AeadId::Aes256Gcm => "AES-256-GCM",
            AeadId::ChaCha20Poly1305 => "ChaCha20-Poly1305",
        };
        row(page, &aead.number().to_string(), name);
    }
    table(page, "Refusals", &["number", "meaning"]);
    row(page, &RefusalNumber::NO_COMMON_VERSION.0.to_string(), "no version in common");
    row(page, &RefusalNumber::NO_COMMON_AEAD.0.to_string(), "no AEAD in common");
    table(page, "Codecs", &["number", "name"]);
    for codec in (0..=u8::MAX).filter_map(Codec::from_number) {
        let name = match codec {
            Codec::Raw => "raw bytes",
            Codec::Json => "JSON, UTF-8",
            Codec::MessagePack => "MessagePack",
            Codec::Cbor => "CBOR: one [typed value](values.md)",
        };
        row(page, &(codec as u8).to_string(), name);
    }
}

fn limits(page: &mut String) {
    table(page, "Default limits of a node", &["name in `Limits`", "value"]);
    // Named one by one: a new limit does not compile until somebody has put it here.
    let Limits {
        links_max,
        handshakes_max,
        handshakes_per_address_max,
        message_bytes_max,
        pending_calls_per_link_max,
        pending_requests_per_link_max,
        waiting_bytes_max,
        queued_bytes_per_link_max,
        reassembly_bytes_per_link_max,
        link_window_bytes,
        streams_per_link_max,
        stream_window_bytes,
        stream_queue_bytes,
        stream_bytes_per_link_max,
        policy_calls_max,
        call_targets_max,
        breaker_failures,
        actions_max,
        neighbours_sought,
        subscriptions_max,
        events_per_topic_burst,
        events_per_topic_per_s,
        topics_max,
        published_bytes_per_link_max,
        configured_peers_max,
        tunnels_max,
        tunnel_window_bytes,
        relayed_flow_bytes_max,
        relayed_link_bytes_max,
        announced_link_bytes_max,
        nodes_max,
        remembered_peers_max,
        question_hops_max,
        questions_max,
        remembered_questions_max,
        cached_answers_max,
        directory_owners_max,
        directory_entries_per_owner_max,
        directory_bytes_per_owner_max,
        directory_bytes_max,
        directory_announcements_burst,
        directory_announcements_per_s,
        directory_changes_per_owner_burst,
        directory_changes_per_owner_per_s,
        routes_max,
        routes_per_link_max,
        route_offers_max,
        flows_max,
        hops_max,
    } = Limits::default();
    for (name, value) in [
        ("links_max", links_max),
        ("handshakes_max", handshakes_max),
        ("handshakes_per_address_max", handshakes_per_address_max),
        ("message_bytes_max", message_bytes_max),
        ("pending_calls_per_link_max", pending_calls_per_link_max),
        ("pending_requests_per_link_max", pending_requests_per_link_max),
        ("waiting_bytes_max", waiting_bytes_max),
        ("queued_bytes_per_link_max", queued_bytes_per_link_max),
        ("reassembly_bytes_per_link_max", reassembly_bytes_per_link_max),
        ("link_window_bytes", link_window_bytes as usize),
        ("streams_per_link_max", streams_per_link_max),
        ("stream_window_bytes", stream_window_bytes as usize),
        ("stream_queue_bytes", stream_queue_bytes),
        ("stream_bytes_per_link_max", stream_bytes_per_link_max),
        ("policy_calls_max", policy_calls_max),
        ("call_targets_max", call_targets_max),
        ("breaker_failures", breaker_failures as usize),
        ("actions_max", actions_max),
        ("neighbours_sought", neighbours_sought),
        ("subscriptions_max", subscriptions_max),
        ("events_per_topic_burst", events_per_topic_burst as usize),
        ("events_per_topic_per_s", events_per_topic_per_s as usize),
        ("topics_max", topics_max),
        ("published_bytes_per_link_max", published_bytes_per_link_max),
        ("configured_peers_max", configured_peers_max),
        ("tunnels_max", tunnels_max),
        ("tunnel_window_bytes", tunnel_window_bytes),
        ("relayed_flow_bytes_max", relayed_flow_bytes_max),
        ("relayed_link_bytes_max", relayed_link_bytes_max),
        ("announced_link_bytes_max", announced_link_bytes_max),
        ("nodes_max", nodes_max),
        ("remembered_peers_max", remembered_peers_max),
        ("question_hops_max", question_hops_max.into()),
        ("questions_max", questions_max),
        ("remembered_questions_max", remembered_questions_max),
        ("cached_answers_max", cached_answers_max),
        ("directory_owners_max", directory_owners_max),
        ("directory_entries_per_owner_max", directory_entries_per_owner_max),
        ("directory_bytes_per_owner_max", directory_bytes_per_owner_max),
        ("directory_bytes_max", directory_bytes_max),
        ("directory_announcements_burst", directory_announcements_burst),
        ("directory_announcements_per_s", directory_announcements_per_s),
        ("directory_changes_per_owner_burst", directory_changes_per_owner_burst),
        ("directory_changes_per_owner_per_s", directory_changes_per_owner_per_s),
        ("routes_max", routes_max),
        ("routes_per_link_max", routes_per_link_max),
        ("route_offers_max", route_offers_max),
        ("flows_max", flows_max),
        ("hops_max", hops_max.into()),
    ] {
        row(page, &format!("`{name}`"), grouped(value as u64));
    }
}

fn timing(page: &mut String) {
    table(page, "Default times of a node", &["name in `Timing`", "value"]);
    let Timing {
        keepalive_interval,
        suspect_after_missed,
        down_after,
        handshake_timeout,
        connect_timeout,
        backoff_min,
        backoff_max,
        backoff_reset_after,
        neighbour_seek_interval,
        write_stall_timeout,
        path_patience,
        forget_after,
        retire_timeout,
        rekey_after_bytes,
        rekey_after,
        call_timeout,
        stream_idle_timeout,
        breaker_window,
        breaker_open,
        found_ttl,
        absent_ttl,
        directory_ttl,
        directory_digest_interval,
        ping_interval,
        route_check_interval,
        route_garbage_after,
        flow_idle_after,
    } = Timing::default();
    for (name, value) in [
        ("keepalive_interval", span(keepalive_interval)),
        ("suspect_after_missed", format!("{suspect_after_missed} intervals")),
        ("down_after", span(down_after)),
        ("handshake_timeout", span(handshake_timeout)),
        ("connect_timeout", span(connect_timeout)),
        ("backoff_min", span(backoff_min)),
        ("backoff_max", span(backoff_max)),
        ("backoff_reset_after", span(backoff_reset_after)),
        ("neighbour_seek_interval", span(neighbour_seek_interval)),
        ("write_stall_timeout", span(write_stall_timeout)),
        ("path_patience", span(path_patience)),
        ("forget_after", span(forget_after)),
        ("retire_timeout", span(retire_timeout)),
        ("rekey_after_bytes", bytes(rekey_after_bytes as usize)),
        ("rekey_after", span(rekey_after)),
        ("call_timeout", span(call_timeout)),
        ("stream_idle_timeout", span(stream_idle_timeout)),
        ("breaker_window", span(breaker_window)),
        ("breaker_open", span(breaker_open)),
        ("found_ttl", span(found_ttl)),
        ("absent_ttl", span(absent_ttl)),
        ("directory_ttl", span(directory_ttl)),
        ("directory_digest_interval", span(directory_digest_interval)),
        ("ping_interval", span(ping_interval)),
        ("route_check_interval", span(route_check_interval)),
        ("route_garbage_after", span(route_garbage_after)),
        ("flow_idle_after", span(flow_idle_after)),
    ] {
        row(page, &format!("`{name}`"), value);
    }
}
