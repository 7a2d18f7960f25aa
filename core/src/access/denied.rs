//! Why something is not allowed.

use crate::code::Code;

/// Nobody allows it. Says nothing of the rules but which kind is missing.
///
/// ```
/// use lacewing_core::Code;
/// use lacewing_core::access::Denied;
///
/// assert_eq!(Denied::NotNamed.code(), Code::PermissionDenied);
/// assert_eq!(Denied::NoToken.code(), Code::Unauthenticated);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// A path that begins with `$`, and no rule that names it.
    #[error("paths that begin with $ are for the node's own application")]
    Internal,
    /// No rule is about this, and what no rule is about is not allowed here.
    #[error("no rule allows this")]
    NoRule,
    /// There are rules about this, and none names the caller.
    #[error("the rules for this do not name the caller")]
    NotNamed,
    /// A token would do, and none was shown.
    #[error("this needs a token, and none was shown")]
    NoToken,
    /// A token would do, and those that were shown do not allow this.
    #[error("no token that was shown allows this")]
    NoTokenForThis,
    /// A token that was shown allows this, and its time is over or has not come.
    #[error("the token that allows this does not hold now")]
    TokenNotNow,
    /// A token that was shown allows this, and its issuer has taken it back or is not trusted any more.
    #[error("the token that allows this was taken back")]
    TokenRevoked,
}

impl Denied {
    /// The code that the caller is told.
    pub const fn code(self) -> Code {
        match self {
            Self::Internal | Self::NoRule | Self::NotNamed | Self::NoTokenForThis => Code::PermissionDenied,
            Self::NoToken | Self::TokenNotNow | Self::TokenRevoked => Code::Unauthenticated,
        }
    }

    /// Whether a token that is shown now could change it.
    pub(crate) const fn wants_token(self) -> bool {
        matches!(self, Self::NoToken | Self::NoTokenForThis | Self::TokenNotNow | Self::TokenRevoked)
    }

    /// The stable name that fixtures use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Internal => "Internal",
            Self::NoRule => "NoRule",
            Self::NotNamed => "NotNamed",
            Self::NoToken => "NoToken",
            Self::NoTokenForThis => "NoTokenForThis",
            Self::TokenNotNow => "TokenNotNow",
            Self::TokenRevoked => "TokenRevoked",
        }
    }
}
