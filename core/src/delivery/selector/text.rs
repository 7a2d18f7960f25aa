//! Selectors as text, for command lines and configuration files.

use core::fmt;
use core::str::FromStr;

use super::Selector;

/// Text that is no selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// None of the names.
    #[error(
        "no such selector: there are local_first, first_found, round_robin, least_loaded, random, fastest, node:ID and \
         sticky:KEY"
    )]
    Unknown,
    /// `node:` without the 64 digits of a node id.
    #[error("node: is followed by the 64 hexadecimal digits of a node id")]
    BadNode,
    /// `sticky:` without a key.
    #[error("sticky: is followed by a key")]
    NoKey,
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LocalFirst => f.write_str("local_first"),
            Self::FirstFound => f.write_str("first_found"),
            Self::RoundRobin => f.write_str("round_robin"),
            Self::LeastLoaded => f.write_str("least_loaded"),
            Self::Random => f.write_str("random"),
            Self::Sticky(key) => write!(f, "sticky:{key}"),
            Self::Fastest => f.write_str("fastest"),
            Self::Node(node) => write!(f, "node:{node}"),
            Self::Predicate(predicate, inner) => write!(f, "{inner} where {predicate}"),
            Self::Custom(_) => f.write_str("custom"),
        }
    }
}

/// Reads what `Display` writes, except predicates, which have a [text form](crate::predicate::text) of their own, and functions.
///
/// ```
/// use lacewing_core::delivery::selector::{Selector, SelectorError};
///
/// assert_eq!("sticky:user-7".parse(), Ok(Selector::sticky("user-7")));
/// assert_eq!("fairest".parse::<Selector>(), Err(SelectorError::Unknown));
/// ```
impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        Ok(match text {
            "local_first" => Self::LocalFirst,
            "first_found" => Self::FirstFound,
            "round_robin" => Self::RoundRobin,
            "least_loaded" => Self::LeastLoaded,
            "random" => Self::Random,
            "fastest" => Self::Fastest,
            _ => match text.split_once(':') {
                Some(("node", id)) => Self::Node(id.parse().map_err(|_| SelectorError::BadNode)?),
                Some(("sticky", "")) => return Err(SelectorError::NoKey),
                Some(("sticky", key)) => Self::sticky(key),
                _ => return Err(SelectorError::Unknown),
            },
        })
    }
}
