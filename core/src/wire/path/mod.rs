//! Names of actions, and patterns that many names match.

mod pattern;
mod pattern_set;

#[cfg(test)]
mod tests;

pub use pattern::{Bindings, PathPattern, PatternError, Segment};
pub use pattern_set::{PatternMatch, PatternSet};

use alloc::string::{String, ToString};
use core::borrow::Borrow;
use core::fmt;
use core::str::FromStr;

/// The path of an action: 1 to 64 segments separated by `/`, 1,024 bytes at most.
///
/// A segment is not empty and has no control characters, no white space and none of `*`, `>`, `{`, `}`, which patterns use.
///
/// ```
/// use lacewing_core::wire::path::ActionPath;
///
/// assert_eq!("orders/eu/place".parse::<ActionPath>().unwrap().as_str(), "orders/eu/place");
/// assert!("orders//place".parse::<ActionPath>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionPath(String);

/// Text that is no action path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nothing at all.
    #[error("an action path cannot be empty")]
    Empty,
    /// More than 1,024 bytes.
    #[error("an action path has at most 1024 bytes, this one has {0}")]
    TooLong(usize),
    /// More than 64 segments.
    #[error("an action path has at most 64 segments")]
    TooManySegments,
    /// `//`, or a slash at the start or the end.
    #[error("the segment at byte {0} of the action path is empty")]
    EmptySegment(usize),
    /// A character that paths do not have.
    #[error("byte {0} of the action path: control characters, white space and * > {{ }} are not allowed")]
    BadCharacter(usize),
}

impl ActionPath {
    /// Longest path in bytes.
    pub const LEN_MAX: usize = 1_024;
    /// Most segments.
    pub const SEGMENTS_MAX: usize = 64;

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is one of the node's own paths, which begin with `$`.
    pub fn is_internal(&self) -> bool {
        self.0.starts_with('$')
    }

    /// Whether `text` is an action path, without allocating.
    pub fn check(text: &str) -> Result<(), PathError> {
        if text.is_empty() {
            return Err(PathError::Empty);
        }
        if text.len() > Self::LEN_MAX {
            return Err(PathError::TooLong(text.len()));
        }
        let mut at = 0;
        for (index, segment) in text.split('/').enumerate() {
            if index == Self::SEGMENTS_MAX {
                return Err(PathError::TooManySegments);
            }
            if segment.is_empty() {
                return Err(PathError::EmptySegment(at));
            }
            let bad = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '*' | '>' | '{' | '}');
            if let Some(offset) = segment.find(bad) {
                return Err(PathError::BadCharacter(at + offset));
            }
            at += segment.len() + 1;
        }
        Ok(())
    }
}

impl FromStr for ActionPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        Self::check(text)?;
        Ok(Self(text.to_string()))
    }
}

impl Borrow<str> for ActionPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ActionPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
