// Generated from fixtures/v1/codes.json by `cargo xtask fixtures`. Do not edit.

/// What went wrong: one of the stable codes, or a code of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// The deadline passed before an outcome was known.
    DeadlineExceeded,
    /// The caller cancelled the operation.
    Cancelled,
    /// An argument is wrong whatever the state of the system.
    InvalidArgument,
    /// Nothing of that name is served.
    NotFound,
    /// The caller is known and may not do this.
    PermissionDenied,
    /// The caller did not prove who it is, or is not trusted.
    Unauthenticated,
    /// A limit of the remote side was reached.
    ResourceExhausted,
    /// The target cannot be reached or cannot serve now.
    Unavailable,
    /// The system is not in a state in which this can be done.
    FailedPrecondition,
    /// The operation was given up because of a conflict with another.
    Aborted,
    /// The handler failed, or an invariant was broken.
    Internal,
    /// A message is larger than the limit.
    TooLarge,
    /// A payload could not be encoded or decoded.
    Codec,
    /// The peer broke the rules of the protocol.
    Protocol,
    /// No common version, network name and key.
    HandshakeFailed,
    /// A newer instance with the same identity, or a better link to the same peer, took over.
    Superseded,
    /// A local queue is full; nothing was sent.
    Backpressure,
    /// A code of the application, from 0x8000 on.
    Application(u16),
}

impl Code {
    /// Every code but the application's, by number.
    pub const ALL: [Self; 17] = [
        Self::DeadlineExceeded,
        Self::Cancelled,
        Self::InvalidArgument,
        Self::NotFound,
        Self::PermissionDenied,
        Self::Unauthenticated,
        Self::ResourceExhausted,
        Self::Unavailable,
        Self::FailedPrecondition,
        Self::Aborted,
        Self::Internal,
        Self::TooLarge,
        Self::Codec,
        Self::Protocol,
        Self::HandshakeFailed,
        Self::Superseded,
        Self::Backpressure,
    ];

    /// The stable number.
    pub const fn number(self) -> u16 {
        match self {
            Self::DeadlineExceeded => 1,
            Self::Cancelled => 2,
            Self::InvalidArgument => 3,
            Self::NotFound => 4,
            Self::PermissionDenied => 5,
            Self::Unauthenticated => 6,
            Self::ResourceExhausted => 7,
            Self::Unavailable => 8,
            Self::FailedPrecondition => 9,
            Self::Aborted => 10,
            Self::Internal => 11,
            Self::TooLarge => 12,
            Self::Codec => 13,
            Self::Protocol => 14,
            Self::HandshakeFailed => 15,
            Self::Superseded => 16,
            Self::Backpressure => 17,
            Self::Application(number) => number,
        }
    }

    /// The code of a number; `None` for a number that no version has given out.
    pub const fn from_number(number: u16) -> Option<Self> {
        Some(match number {
            1 => Self::DeadlineExceeded,
            2 => Self::Cancelled,
            3 => Self::InvalidArgument,
            4 => Self::NotFound,
            5 => Self::PermissionDenied,
            6 => Self::Unauthenticated,
            7 => Self::ResourceExhausted,
            8 => Self::Unavailable,
            9 => Self::FailedPrecondition,
            10 => Self::Aborted,
            11 => Self::Internal,
            12 => Self::TooLarge,
            13 => Self::Codec,
            14 => Self::Protocol,
            15 => Self::HandshakeFailed,
            16 => Self::Superseded,
            17 => Self::Backpressure,
            0x8000.. => Self::Application(number),
            _ => return None,
        })
    }

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DeadlineExceeded => "DeadlineExceeded",
            Self::Cancelled => "Cancelled",
            Self::InvalidArgument => "InvalidArgument",
            Self::NotFound => "NotFound",
            Self::PermissionDenied => "PermissionDenied",
            Self::Unauthenticated => "Unauthenticated",
            Self::ResourceExhausted => "ResourceExhausted",
            Self::Unavailable => "Unavailable",
            Self::FailedPrecondition => "FailedPrecondition",
            Self::Aborted => "Aborted",
            Self::Internal => "Internal",
            Self::TooLarge => "TooLarge",
            Self::Codec => "Codec",
            Self::Protocol => "Protocol",
            Self::HandshakeFailed => "HandshakeFailed",
            Self::Superseded => "Superseded",
            Self::Backpressure => "Backpressure",
            Self::Application(_) => "Application",
        }
    }

    /// What it means, for people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::DeadlineExceeded => "the deadline passed before an outcome was known",
            Self::Cancelled => "the caller cancelled the operation",
            Self::InvalidArgument => "an argument is wrong whatever the state of the system",
            Self::NotFound => "nothing of that name is served",
            Self::PermissionDenied => "the caller is known and may not do this",
            Self::Unauthenticated => "the caller did not prove who it is, or is not trusted",
            Self::ResourceExhausted => "a limit of the remote side was reached",
            Self::Unavailable => "the target cannot be reached or cannot serve now",
            Self::FailedPrecondition => "the system is not in a state in which this can be done",
            Self::Aborted => "the operation was given up because of a conflict with another",
            Self::Internal => "the handler failed, or an invariant was broken",
            Self::TooLarge => "a message is larger than the limit",
            Self::Codec => "a payload could not be encoded or decoded",
            Self::Protocol => "the peer broke the rules of the protocol",
            Self::HandshakeFailed => "no common version, network name and key",
            Self::Superseded => {
                "a newer instance with the same identity, or a better link to the same peer, took over"
            }
            Self::Backpressure => "a local queue is full; nothing was sent",
            Self::Application(_) => "an error that the application defines",
        }
    }

    /// Whether the same call may succeed later. Whether it is safe to repeat is another question: see
    /// `Error::maybe_executed`.
    pub const fn retryable(self) -> bool {
        matches!(
            self,
            Self::DeadlineExceeded
                | Self::ResourceExhausted
                | Self::Unavailable
                | Self::Aborted
                | Self::Backpressure
        )
    }
}

/// A closer description of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Unavailable: there is no link and no route to the target.
    Unreachable,
    /// Unavailable: the target, or the link to it, was lost.
    NodeDown,
    /// Unavailable: the service exists and is not running.
    NotRunning,
    /// Unavailable: the node is draining or stopped.
    Stopped,
    /// Unavailable: the cluster view has not settled.
    Unstable,
    /// Internal: the handler returned a failure that carries no code.
    Handler,
    /// Internal: the handler panicked.
    Panic,
}

impl Kind {
    /// Every kind, by number.
    pub const ALL: [Self; 7] = [
        Self::Unreachable,
        Self::NodeDown,
        Self::NotRunning,
        Self::Stopped,
        Self::Unstable,
        Self::Handler,
        Self::Panic,
    ];

    /// The stable number.
    pub const fn number(self) -> u16 {
        match self {
            Self::Unreachable => 1,
            Self::NodeDown => 2,
            Self::NotRunning => 3,
            Self::Stopped => 4,
            Self::Unstable => 5,
            Self::Handler => 6,
            Self::Panic => 7,
        }
    }

    /// The kind of a number; `None` for a number that no version has given out.
    pub const fn from_number(number: u16) -> Option<Self> {
        Some(match number {
            1 => Self::Unreachable,
            2 => Self::NodeDown,
            3 => Self::NotRunning,
            4 => Self::Stopped,
            5 => Self::Unstable,
            6 => Self::Handler,
            7 => Self::Panic,
            _ => return None,
        })
    }

    /// The code that it describes.
    #[expect(clippy::match_same_arms, reason = "a table: one row for each")]
    pub const fn code(self) -> Code {
        match self {
            Self::Unreachable => Code::Unavailable,
            Self::NodeDown => Code::Unavailable,
            Self::NotRunning => Code::Unavailable,
            Self::Stopped => Code::Unavailable,
            Self::Unstable => Code::Unavailable,
            Self::Handler => Code::Internal,
            Self::Panic => Code::Internal,
        }
    }

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::NodeDown => "node_down",
            Self::NotRunning => "not_running",
            Self::Stopped => "stopped",
            Self::Unstable => "unstable",
            Self::Handler => "handler",
            Self::Panic => "panic",
        }
    }

    /// What it means, for people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Unreachable => "there is no link and no route to the target",
            Self::NodeDown => "the target, or the link to it, was lost",
            Self::NotRunning => "the service exists and is not running",
            Self::Stopped => "the node is draining or stopped",
            Self::Unstable => "the cluster view has not settled",
            Self::Handler => "the handler returned a failure that carries no code",
            Self::Panic => "the handler panicked",
        }
    }
}

/// Why a link was closed. Sent in a goodbye, counted by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CloseReason {
    /// The peer said goodbye.
    Graceful,
    /// The transport was closed or failed.
    ConnectionClosed,
    /// Wrong network name, wrong network key or malformed handshake; which one is not told on purpose.
    HandshakeFailed,
    /// The peer did not prove its identity in time.
    HandshakeTimeout,
    /// No protocol version in common.
    VersionMismatch,
    /// Too many unfinished handshakes, in all or from one address.
    TooManyHandshakes,
    /// A length prefix over the limit.
    LengthExceeded,
    /// A record that does not authenticate: corrupted, forged, replayed or reordered.
    RecordRejected,
    /// The first record does not prove an identity.
    IdentityRejected,
    /// The peer is not let in: its key is not pinned, or it is no member by token.
    Untrusted,
    /// A frame that cannot be decoded.
    MalformedFrame,
    /// A frame type that is unknown and may not be skipped.
    UnknownFrame,
    /// A known frame at a time at which it may not be sent.
    UnexpectedFrame,
    /// The peer sent more than it was given credit for.
    CreditExceeded,
    /// Nothing was heard from the peer for too long.
    HeartbeatTimeout,
    /// The peer stopped reading.
    WriteStalled,
    /// Another link to the same peer, or a newer instance of it, took over.
    Superseded,
    /// The peer is this very node.
    SelfConnection,
    /// The node came back with an incarnation older than one the peer has seen; it adopts a newer one and dials again.
    StaleIncarnation,
    /// The limit on links was reached.
    TooManyLinks,
    /// This side closed the link on request.
    LocalClose,
    /// The peer sent far more announcements than it may.
    Flooding,
    /// No path leads to the node any more.
    Unreachable,
}

impl CloseReason {
    /// Every reason, by number.
    pub const ALL: [Self; 23] = [
        Self::Graceful,
        Self::ConnectionClosed,
        Self::HandshakeFailed,
        Self::HandshakeTimeout,
        Self::VersionMismatch,
        Self::TooManyHandshakes,
        Self::LengthExceeded,
        Self::RecordRejected,
        Self::IdentityRejected,
        Self::Untrusted,
        Self::MalformedFrame,
        Self::UnknownFrame,
        Self::UnexpectedFrame,
        Self::CreditExceeded,
        Self::HeartbeatTimeout,
        Self::WriteStalled,
        Self::Superseded,
        Self::SelfConnection,
        Self::StaleIncarnation,
        Self::TooManyLinks,
        Self::LocalClose,
        Self::Flooding,
        Self::Unreachable,
    ];

    /// The stable number.
    pub const fn number(self) -> u16 {
        match self {
            Self::Graceful => 1,
            Self::ConnectionClosed => 2,
            Self::HandshakeFailed => 3,
            Self::HandshakeTimeout => 4,
            Self::VersionMismatch => 5,
            Self::TooManyHandshakes => 6,
            Self::LengthExceeded => 7,
            Self::RecordRejected => 8,
            Self::IdentityRejected => 9,
            Self::Untrusted => 10,
            Self::MalformedFrame => 11,
            Self::UnknownFrame => 12,
            Self::UnexpectedFrame => 13,
            Self::CreditExceeded => 14,
            Self::HeartbeatTimeout => 15,
            Self::WriteStalled => 16,
            Self::Superseded => 17,
            Self::SelfConnection => 18,
            Self::StaleIncarnation => 19,
            Self::TooManyLinks => 20,
            Self::LocalClose => 21,
            Self::Flooding => 22,
            Self::Unreachable => 23,
        }
    }

    /// The reason of a number; `None` for a number that no version has given out.
    pub const fn from_number(number: u16) -> Option<Self> {
        Some(match number {
            1 => Self::Graceful,
            2 => Self::ConnectionClosed,
            3 => Self::HandshakeFailed,
            4 => Self::HandshakeTimeout,
            5 => Self::VersionMismatch,
            6 => Self::TooManyHandshakes,
            7 => Self::LengthExceeded,
            8 => Self::RecordRejected,
            9 => Self::IdentityRejected,
            10 => Self::Untrusted,
            11 => Self::MalformedFrame,
            12 => Self::UnknownFrame,
            13 => Self::UnexpectedFrame,
            14 => Self::CreditExceeded,
            15 => Self::HeartbeatTimeout,
            16 => Self::WriteStalled,
            17 => Self::Superseded,
            18 => Self::SelfConnection,
            19 => Self::StaleIncarnation,
            20 => Self::TooManyLinks,
            21 => Self::LocalClose,
            22 => Self::Flooding,
            23 => Self::Unreachable,
            _ => return None,
        })
    }

    /// The error code that a call sees which the closing ends.
    #[expect(clippy::match_same_arms, reason = "a table: one row for each")]
    pub const fn code(self) -> Code {
        match self {
            Self::Graceful => Code::Unavailable,
            Self::ConnectionClosed => Code::Unavailable,
            Self::HandshakeFailed => Code::HandshakeFailed,
            Self::HandshakeTimeout => Code::HandshakeFailed,
            Self::VersionMismatch => Code::HandshakeFailed,
            Self::TooManyHandshakes => Code::ResourceExhausted,
            Self::LengthExceeded => Code::TooLarge,
            Self::RecordRejected => Code::Protocol,
            Self::IdentityRejected => Code::Unauthenticated,
            Self::Untrusted => Code::Unauthenticated,
            Self::MalformedFrame => Code::Protocol,
            Self::UnknownFrame => Code::Protocol,
            Self::UnexpectedFrame => Code::Protocol,
            Self::CreditExceeded => Code::Protocol,
            Self::HeartbeatTimeout => Code::Unavailable,
            Self::WriteStalled => Code::ResourceExhausted,
            Self::Superseded => Code::Superseded,
            Self::SelfConnection => Code::FailedPrecondition,
            Self::StaleIncarnation => Code::FailedPrecondition,
            Self::TooManyLinks => Code::ResourceExhausted,
            Self::LocalClose => Code::Cancelled,
            Self::Flooding => Code::ResourceExhausted,
            Self::Unreachable => Code::Unavailable,
        }
    }

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Graceful => "graceful",
            Self::ConnectionClosed => "connection_closed",
            Self::HandshakeFailed => "handshake_failed",
            Self::HandshakeTimeout => "handshake_timeout",
            Self::VersionMismatch => "version_mismatch",
            Self::TooManyHandshakes => "too_many_handshakes",
            Self::LengthExceeded => "length_exceeded",
            Self::RecordRejected => "record_rejected",
            Self::IdentityRejected => "identity_rejected",
            Self::Untrusted => "untrusted",
            Self::MalformedFrame => "malformed_frame",
            Self::UnknownFrame => "unknown_frame",
            Self::UnexpectedFrame => "unexpected_frame",
            Self::CreditExceeded => "credit_exceeded",
            Self::HeartbeatTimeout => "heartbeat_timeout",
            Self::WriteStalled => "write_stalled",
            Self::Superseded => "superseded",
            Self::SelfConnection => "self_connection",
            Self::StaleIncarnation => "stale_incarnation",
            Self::TooManyLinks => "too_many_links",
            Self::LocalClose => "local_close",
            Self::Flooding => "flooding",
            Self::Unreachable => "unreachable",
        }
    }

    /// What it means, for people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Graceful => "the peer said goodbye",
            Self::ConnectionClosed => "the transport was closed or failed",
            Self::HandshakeFailed => {
                "wrong network name, wrong network key or malformed handshake; which one is not told on purpose"
            }
            Self::HandshakeTimeout => "the peer did not prove its identity in time",
            Self::VersionMismatch => "no protocol version in common",
            Self::TooManyHandshakes => "too many unfinished handshakes, in all or from one address",
            Self::LengthExceeded => "a length prefix over the limit",
            Self::RecordRejected => {
                "a record that does not authenticate: corrupted, forged, replayed or reordered"
            }
            Self::IdentityRejected => "the first record does not prove an identity",
            Self::Untrusted => "the peer is not let in: its key is not pinned, or it is no member by token",
            Self::MalformedFrame => "a frame that cannot be decoded",
            Self::UnknownFrame => "a frame type that is unknown and may not be skipped",
            Self::UnexpectedFrame => "a known frame at a time at which it may not be sent",
            Self::CreditExceeded => "the peer sent more than it was given credit for",
            Self::HeartbeatTimeout => "nothing was heard from the peer for too long",
            Self::WriteStalled => "the peer stopped reading",
            Self::Superseded => "another link to the same peer, or a newer instance of it, took over",
            Self::SelfConnection => "the peer is this very node",
            Self::StaleIncarnation => {
                "the node came back with an incarnation older than one the peer has seen; it adopts a newer one and dials again"
            }
            Self::TooManyLinks => "the limit on links was reached",
            Self::LocalClose => "this side closed the link on request",
            Self::Flooding => "the peer sent far more announcements than it may",
            Self::Unreachable => "no path leads to the node any more",
        }
    }
}
