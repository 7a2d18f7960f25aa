//! What people call nodes.

use alloc::string::{String, ToString};
use core::fmt;
use core::str::FromStr;

/// What people call a node, typically `name@host:port`: 1 to 255 bytes without control characters. Labels need
/// not be unique, and prove nothing.
///
/// ```
/// use lacewing_core::NodeLabel;
///
/// let label: NodeLabel = "billing@db.example:7400".parse().unwrap();
/// assert_eq!(label.as_str(), "billing@db.example:7400");
/// assert!("two\nlines".parse::<NodeLabel>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeLabel(String);

/// Text that cannot be a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// Nothing at all.
    #[error("a label cannot be empty: write for example name@host:port")]
    Empty,
    /// More than 255 bytes.
    #[error("a label has at most 255 bytes, this one has {0}")]
    TooLong(usize),
    /// A control character, which would garble logs and terminals.
    #[error("byte {0} of the label is a control character, which labels cannot have")]
    ControlCharacter(usize),
}

impl NodeLabel {
    /// Longest label in bytes.
    pub const LEN_MAX: usize = 255;

    /// The label as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodeLabel {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        if text.is_empty() {
            return Err(LabelError::Empty);
        }
        if text.len() > Self::LEN_MAX {
            return Err(LabelError::TooLong(text.len()));
        }
        match text.find(char::is_control) {
            Some(at) => Err(LabelError::ControlCharacter(at)),
            None => Ok(Self(text.to_string())),
        }
    }
}

impl fmt::Display for NodeLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
