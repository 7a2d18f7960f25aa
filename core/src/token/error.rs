//! Why a token is refused.

use crate::code::Code;
use crate::wire::WireError;

/// What a link allows beyond the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Widening {
    /// More rights.
    Rights,
    /// More paths, or other networks.
    Pattern,
    /// An earlier beginning or a later end.
    Time,
}

impl Widening {
    /// The stable name that fixtures use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rights => "rights",
            Self::Pattern => "pattern",
            Self::Time => "time",
        }
    }
}

/// A token that is not believed, or not made.
///
/// Nothing of the token is in it. `link` counts the links of the chain from 0, which is the issuer's own.
///
/// ```
/// use lacewing_core::Code;
/// use lacewing_core::token::TokenError;
///
/// assert_eq!(TokenError::Expired { ms: 5 }.code(), Code::Unauthenticated);
/// assert_eq!(TokenError::WrongSubject.name(), "WrongSubject");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// More than 4,096 bytes, or a text that is longer than those would make it.
    #[error("a token has at most {max} bytes here, this one has {0}", max = super::TOKEN_LEN_MAX)]
    TooLong(usize),
    /// A text that does not begin with `lwt1.`, or is not base64url without padding after it.
    #[error("a token as text is lwt1. and base64url without padding")]
    Text,
    /// Bytes that are no token.
    #[error("the token cannot be read: {0}")]
    Malformed(WireError),
    /// The issuer is not among those that this node trusts.
    #[error("the token's issuer is not trusted here")]
    UnknownIssuer,
    /// The issuer has taken back what it signed in this generation.
    #[error("the token's issuer has taken back all tokens before its generation {0}")]
    Revoked(u64),
    /// It holds longer than this node lets any token hold.
    #[error("the token holds longer than the {0} ms that are allowed here")]
    TooLongLived(u64),
    /// It was passed on more often than a link before allows.
    #[error("link {link} of the token is one more than the link before it allows")]
    OverDelegated {
        /// Which link.
        link: u8,
    },
    /// A link is not signed by the subject of the link before it.
    #[error("link {link} of the token is not made by the subject of the link before it")]
    WrongDelegator {
        /// Which link.
        link: u8,
    },
    /// A link allows more than the link before it.
    #[error("link {link} of the token has more {what} than the link before it", what = .what.name())]
    Widened {
        /// Which link.
        link: u8,
        /// What it has more of.
        what: Widening,
    },
    /// It was made for another node than the one that shows it.
    #[error("the token is for another node")]
    WrongSubject,
    /// Its time has not come.
    #[error("the token holds in {ms} ms only")]
    NotYet {
        /// How much too early it is, with the allowance for clocks taken off.
        ms: u64,
    },
    /// Its time is over.
    #[error("the token has expired {ms} ms ago")]
    Expired {
        /// How much too late it is, with the allowance for clocks taken off.
        ms: u64,
    },
    /// A signature is not that of the key that it is said to be of.
    #[error("link {link} of the token is not signed by the key in it")]
    BadSignature {
        /// Which link.
        link: u8,
    },
    /// The terms of a link that is to be made contradict themselves: no right, no time, delegations over the limit or of a
    /// token for anyone.
    #[error(
        "a token has a right, ends after it begins, is passed on at most 8 times, and not at all if it is for anyone"
    )]
    BadTerms,
    /// The session has shown as many tokens as are kept, and all of them hold.
    #[error("this session has shown {0} tokens already")]
    TooMany(usize),
    /// The peer has shown so many tokens, or so many bad ones, that the next is not looked at yet.
    #[error("too many tokens were checked for this peer: the next one is in {retry_after_ms} ms")]
    Throttled {
        /// When it is worth while to try again.
        retry_after_ms: u32,
    },
}

impl TokenError {
    /// The code that the other side is told.
    pub const fn code(self) -> Code {
        match self {
            Self::TooLong(_)
            | Self::Text
            | Self::Malformed(_)
            | Self::UnknownIssuer
            | Self::Revoked(_)
            | Self::TooLongLived(_)
            | Self::NotYet { .. }
            | Self::Expired { .. }
            | Self::BadSignature { .. } => Code::Unauthenticated,
            Self::OverDelegated { .. }
            | Self::WrongDelegator { .. }
            | Self::Widened { .. }
            | Self::WrongSubject => Code::PermissionDenied,
            Self::BadTerms => Code::InvalidArgument,
            Self::TooMany(_) | Self::Throttled { .. } => Code::ResourceExhausted,
        }
    }

    /// The stable name that fixtures use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooLong(_) => "TooLong",
            Self::Text => "Text",
            Self::Malformed(_) => "Malformed",
            Self::UnknownIssuer => "UnknownIssuer",
            Self::Revoked(_) => "Revoked",
            Self::TooLongLived(_) => "TooLongLived",
            Self::OverDelegated { .. } => "OverDelegated",
            Self::WrongDelegator { .. } => "WrongDelegator",
            Self::Widened { .. } => "Widened",
            Self::WrongSubject => "WrongSubject",
            Self::NotYet { .. } => "NotYet",
            Self::Expired { .. } => "Expired",
            Self::BadSignature { .. } => "BadSignature",
            Self::BadTerms => "BadTerms",
            Self::TooMany(_) => "TooMany",
            Self::Throttled { .. } => "Throttled",
        }
    }
}
