//! What is asked of a policy.

use super::{Credentials, Denied};
use crate::capability::CapabilitySet;
use crate::identity::NodeId;
use crate::token::Right;
use crate::wire::path::{ActionPath, PathPattern};

/// What somebody wants to do something with.
///
/// ```
/// use lacewing_core::access::Target;
/// use lacewing_core::wire::path::ActionPath;
///
/// let path: ActionPath = "orders/eu".parse().unwrap();
/// assert!(Target::Path(&path).is_within(&"orders/>".parse().unwrap()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// One action or topic.
    Path(&'a ActionPath),
    /// All topics that a pattern matches, as a subscription does. A wildcard in the first place stands for no path that begins
    /// with `$`: whoever delivers must hold to that too.
    Pattern(&'a PathPattern),
}

impl Target<'_> {
    /// Whether it is one of the node's own paths, or some of them.
    pub fn is_internal(self) -> bool {
        match self {
            Self::Path(path) => path.is_internal(),
            Self::Pattern(pattern) => pattern.is_internal(),
        }
    }

    /// Whether a pattern matches all of it, whatever the networks. Internal paths are in no pattern that begins with a
    /// wildcard.
    pub fn is_within(self, pattern: &PathPattern) -> bool {
        self.is_internal() == pattern.is_internal()
            && match self {
                Self::Path(path) => pattern.admits(path),
                Self::Pattern(own) => pattern.covers_paths_of(own),
            }
    }

    /// How much of it a pattern matches, whatever the networks.
    pub(super) fn reach_of(self, pattern: &PathPattern) -> Reach {
        if self.is_within(pattern) {
            return Reach::All;
        }
        match self {
            Self::Pattern(own)
                if own.is_internal() == pattern.is_internal() && pattern.overlaps_paths_of(own) =>
            {
                Reach::Some
            }
            Self::Path(_) | Self::Pattern(_) => Reach::None,
        }
    }

    /// Whether it is a thing of this network.
    pub(super) fn is_for(self, network: &str) -> bool {
        match self {
            Self::Path(_) => true,
            Self::Pattern(pattern) => pattern.is_for(network),
        }
    }
}

/// How much of a target a pattern matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// All of it.
    All,
    /// Perhaps a part.
    Some,
    /// Nothing.
    None,
}

/// Who wants to do it.
#[derive(Clone, Copy, Debug)]
pub enum Caller<'a> {
    /// The node's own application, which is under no rules.
    Local,
    /// Another node.
    Peer {
        /// Whether its session is one of holders of the network key.
        holds_network_key: bool,
        /// What it says of itself in the directory, if that is known.
        capabilities: Option<&'a CapabilitySet>,
        /// Which node it is, as its session proved it, and the tokens that the session has shown.
        credentials: &'a Credentials,
    },
}

/// A question to a policy.
///
/// ```
/// use lacewing_core::access::{AccessPolicy, Caller, Request, Target};
/// use lacewing_core::token::{Issuers, Right};
///
/// let path = "$lacewing/stop".parse().unwrap();
/// let request =
///     Request { right: Right::Call, target: Target::Path(&path), network: "prod", caller: Caller::Local };
/// assert_eq!(AccessPolicy::closed().check(&request, &Issuers::default(), 0), Ok(()));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// What it wants to do.
    pub right: Right,
    /// With what.
    pub target: Target<'a>,
    /// The name of this node's network.
    pub network: &'a str,
    /// Who.
    pub caller: Caller<'a>,
}

/// Answers what other nodes may do on this one, at the time at which it is asked.
pub(crate) trait Judge {
    /// Whether this node, as its session has proved it, may do this.
    fn judge(&self, right: Right, target: Target<'_>, node: &NodeId) -> Result<(), Denied>;
}
