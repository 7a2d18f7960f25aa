//! Rules.

use alloc::collections::BTreeSet;
use alloc::string::String;

use crate::identity::{NodeId, PublicKey};
use crate::token::Rights;
use crate::wire::path::PathPattern;

/// Whom a rule names.
///
/// Labels are not among it: anybody may go by any label.
///
/// ```
/// use lacewing_core::NodeId;
/// use lacewing_core::access::Who;
///
/// let operator = NodeId::from_bytes([7; 32]);
/// assert_eq!(Who::node(operator), Who::Nodes([operator].into()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Every node that was let in.
    Anyone,
    /// These nodes.
    Nodes(BTreeSet<NodeId>),
    /// Nodes that hold the network key. Where trust is a network key those are all; elsewhere it tells them from guests.
    NetworkKey,
    /// Nodes that say in the directory that they have this tag. Their own word is all there is for it: this keeps honest nodes
    /// apart, and keeps nobody out who lies.
    Tag(String),
    /// Nodes that have shown a token, of any issuer that is trusted, which allows what they want to do.
    Token,
    /// The same, of this issuer only.
    TokenOf(PublicKey),
}

impl Who {
    /// One node.
    pub fn node(node: NodeId) -> Self {
        Self::Nodes([node].into())
    }
}

/// One rule: these rights, on the paths of this pattern, for whom it names.
///
/// ```
/// use lacewing_core::access::{Rule, Who};
/// use lacewing_core::token::{Right, Rights};
///
/// let rule = Rule::new(Right::Call, "orders/>".parse().unwrap(), Who::Token);
/// assert_eq!(rule.rights, Rights::from(Right::Call));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What is allowed.
    pub rights: Rights,
    /// On which paths; with a network in front, on nodes of that network only.
    pub pattern: PathPattern,
    /// Whom.
    pub who: Who,
}

impl Rule {
    /// A rule from its parts.
    pub fn new(rights: impl Into<Rights>, pattern: PathPattern, who: Who) -> Self {
        Self { rights: rights.into(), pattern, who }
    }
}
