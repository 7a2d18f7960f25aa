//! What is said of what cannot be read or written: what was expected and where, never what was sent.

use std::fmt;

use lacewing_core::wire::WireError;
use serde::de::{Expected, Unexpected};

/// Why one of the codecs of this crate cannot read or write something.
#[derive(Debug)]
pub(super) struct Failure {
    what: String,
    /// Bytes before the place.
    at: Option<usize>,
}

impl Failure {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), at: None }
    }

    /// The same at a place, unless it has one.
    pub(super) fn at(mut self, at: usize) -> Self {
        self.at.get_or_insert(at);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => write!(f, "{}, at byte {at}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl std::error::Error for Failure {}

impl From<WireError> for Failure {
    fn from(error: WireError) -> Self {
        Self::new(error.kind.to_string()).at(error.at)
    }
}

impl serde::ser::Error for Failure {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::new(told(&text.to_string()))
    }
}

impl serde::de::Error for Failure {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::new(told(&text.to_string()))
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {expected}"))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {expected}"))
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {expected}"))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("expected one of {}", expected.join(", ")))
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("expected only the fields {}", expected.join(", ")))
    }
}

/// What of serde's texts comes from the type and not from the payload: which field is missing, and what was expected.
pub(super) fn told(text: &str) -> String {
    if let Some(field) = text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
        return format!("the field {field} is missing");
    }
    match text.rfind(", expected ") {
        Some(at) => text[at + 2..].to_owned(),
        None => "it is not what its type takes".to_owned(),
    }
}

/// The same of JSON, with the place.
pub(super) fn json(error: &serde_json::Error) -> String {
    let place = format!("at line {}, column {}", error.line(), error.column());
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    match error.classify() {
        serde_json::error::Category::Data => format!("{}, {place}", told(text)),
        // What the text is not; it holds nothing of what it is.
        _ => format!("{text}, {place}"),
    }
}
