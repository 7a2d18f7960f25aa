//! A predicate in the headers of a call.

use alloc::string::String;

use super::error::within;
use super::{FORM_LEN_MAX, Predicate, PredicateError};

/// The name of the header that carries a predicate, as compact JSON of at most [`FORM_LEN_MAX`] bytes.
pub const HEADER: &str = "net-where";

/// What the headers of a call say about where it may run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Where {
    /// There is no such header: anywhere.
    Absent,
    /// Where this holds.
    Ok(Predicate),
    /// There is such a header, and it cannot be read. That is no permission to run anywhere.
    Error(PredicateError),
}

impl Where {
    /// Reads headers. The first one with exactly the name [`HEADER`] counts, and no other.
    ///
    /// ```
    /// use lacewing_core::predicate::{HEADER, Predicate, Where};
    ///
    /// let predicate: Predicate = "hardware.gpu".parse().unwrap();
    /// let value = predicate.to_header().unwrap();
    /// let headers = [("trace", &b"7"[..]), (HEADER, value.as_bytes()), (HEADER, b"!")];
    /// assert_eq!(Where::of_headers(headers), Where::Ok(predicate));
    /// assert_eq!(Where::of_headers([("trace", &b"7"[..])]), Where::Absent);
    /// assert!(matches!(Where::of_headers([(HEADER, &b"!"[..])]), Where::Error(_)));
    /// ```
    pub fn of_headers<'a>(headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let Some((_, value)) = headers.into_iter().find(|(name, _)| *name == HEADER) else {
            return Self::Absent;
        };
        match read(value) {
            Ok(predicate) => Self::Ok(predicate),
            Err(error) => Self::Error(error),
        }
    }
}

fn read(value: &[u8]) -> Result<Predicate, PredicateError> {
    within("bytes", value.len(), FORM_LEN_MAX)?;
    match core::str::from_utf8(value) {
        Ok(text) => Predicate::from_json(text),
        Err(error) => Err(PredicateError::Json { at: error.valid_up_to(), expected: "UTF-8" }),
    }
}

impl Predicate {
    /// The value of the header; `Oversize` where the JSON form has more than [`FORM_LEN_MAX`] bytes.
    pub fn to_header(&self) -> Result<String, PredicateError> {
        let json = self.to_json();
        within("bytes", json.len(), FORM_LEN_MAX)?;
        Ok(json)
    }
}
