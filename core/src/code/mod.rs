//! Error codes, and the one error type that operations end in.
//!
//! The tables come from `fixtures/v1/codes.json`, which every language shares.

mod table;

use alloc::borrow::Cow;
use core::fmt;

use bytes::Bytes;

pub use table::{CloseReason, Code, Kind};

/// Why an operation failed: a stable code, and whether its work may have been done all the same.
///
/// ```
/// use lacewing_core::{Code, Error, Kind};
///
/// let error = Error::new(Code::NotFound, "no action \"sum\" here");
/// assert!(!error.code().retryable() && !error.maybe_executed());
/// assert_eq!(error.to_string(), "NotFound: no action \"sum\" here");
///
/// let lost = Error::of_kind(Kind::NodeDown, "the link was lost").executed_perhaps(true);
/// assert_eq!(lost.to_string(), "Unavailable (node_down): the link was lost; the work may have been executed");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    code: Code,
    kind: Option<Kind>,
    maybe_executed: bool,
    retry_after_ms: Option<u32>,
    message: Cow<'static, str>,
    detail: Bytes,
}

impl Error {
    /// Longest message that travels; longer ones are cut at a character.
    pub const MESSAGE_LEN_MAX: usize = 1_024;
    /// Longest detail that travels; a longer one is left out.
    pub const DETAIL_LEN_MAX: usize = 16 * 1_024;

    /// An error whose work was certainly not executed.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            kind: None,
            maybe_executed: false,
            retry_after_ms: None,
            message: message.into(),
            detail: Bytes::new(),
        }
    }

    /// An error with the kind's code.
    pub fn of_kind(kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: Some(kind), ..Self::new(kind.code(), message) }
    }

    /// The same error, saying whether the work may have been executed.
    #[must_use]
    pub fn executed_perhaps(mut self, maybe_executed: bool) -> Self {
        self.maybe_executed = maybe_executed;
        self
    }

    /// The same error with a detail for machines, usually JSON.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Bytes>) -> Self {
        self.detail = detail.into();
        self
    }

    /// The same error with the time after which a retry makes sense.
    #[must_use]
    pub fn with_retry_after_ms(mut self, retry_after_ms: Option<u32>) -> Self {
        self.retry_after_ms = retry_after_ms;
        self
    }

    /// The stable code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// What kind of that code, where there are kinds.
    pub fn kind(&self) -> Option<Kind> {
        self.kind
    }

    /// Whether the handler may have run. `false` is a promise.
    pub fn maybe_executed(&self) -> bool {
        self.maybe_executed
    }

    /// Milliseconds after which a retry makes sense, where the other side said so.
    pub fn retry_after_ms(&self) -> Option<u32> {
        self.retry_after_ms
    }

    /// Text for people. Holds no payload, key or token.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Detail for machines, usually JSON; empty where there is none.
    pub fn detail(&self) -> &Bytes {
        &self.detail
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.name())?;
        if let Code::Application(number) = self.code {
            write!(f, "({number:#06x})")?;
        }
        if let Some(kind) = self.kind {
            write!(f, " ({})", kind.name())?;
        }
        let text = if self.message.is_empty() { self.code.text() } else { &self.message };
        write!(f, ": {text}")?;
        if self.maybe_executed {
            f.write_str("; the work may have been executed")?;
        }
        Ok(())
    }
}

impl core::error::Error for Error {}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Application(number) => write!(f, "Application({number:#06x})"),
            code => f.write_str(code.name()),
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
