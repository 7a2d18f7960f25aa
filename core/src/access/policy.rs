//! A node's rules.

use alloc::vec::Vec;

use super::request::Reach;
use super::{Caller, Denied, RULES_MAX, Request, Rule, Who};
use crate::token::{Issuers, Right};

/// No room for one more rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a policy has at most {RULES_MAX} rules")]
pub struct PolicyFull;

/// Who may do what on a node: at most [`RULES_MAX`] rules.
///
/// A rule allows, and none forbids: whoever is named by one of the rules about a path may. Where no rule is about a path (for the
/// right in question), an [`open`](Self::open) policy lets everybody who was let in, and a [`closed`](Self::closed) one nobody. Paths
/// that begin with `$` are the node's own: other nodes reach them only by a rule whose pattern begins with the same segment, and
/// by tokens of which that is true too. The node's own application is under no rules.
///
/// ```
/// use lacewing_core::NodeId;
/// use lacewing_core::access::{AccessPolicy, Caller, Credentials, Denied, Request, Rule, Target, Who};
/// use lacewing_core::token::{Issuers, Right};
///
/// let (alice, bob) = (NodeId::from_bytes([1; 32]), NodeId::from_bytes([2; 32]));
/// let mut policy = AccessPolicy::open();
/// policy.allow(Rule::new(Right::Call, "ledger/>".parse().unwrap(), Who::node(alice))).unwrap();
///
/// let call = |node, path: &str| {
///     let (path, credentials) = (path.parse().unwrap(), Credentials::new(node));
///     let caller = Caller::Peer { holds_network_key: true, capabilities: None, credentials: &credentials };
///     let request = Request { right: Right::Call, target: Target::Path(&path), network: "prod", caller };
///     policy.check(&request, &Issuers::default(), 1_700_000_000_000)
/// };
/// assert_eq!(call(alice, "ledger/close"), Ok(()));
/// assert_eq!(call(bob, "ledger/close"), Err(Denied::NotNamed));
/// assert_eq!(call(bob, "weather/today"), Ok(()));
/// assert_eq!(call(alice, "$lacewing/stop"), Err(Denied::Internal));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessPolicy {
    rules: Vec<Rule>,
    closed: bool,
}

impl AccessPolicy {
    /// What no rule is about, everybody may who was let in; but not on paths that begin with `$`. This is the default.
    pub fn open() -> Self {
        Self::default()
    }

    /// What no rule is about, nobody may.
    pub fn closed() -> Self {
        Self { rules: Vec::new(), closed: true }
    }

    /// Adds a rule.
    pub fn allow(&mut self, rule: Rule) -> Result<(), PolicyFull> {
        if self.rules.len() >= RULES_MAX {
            return Err(PolicyFull);
        }
        self.rules.push(rule);
        Ok(())
    }

    /// The rules, as they were added.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether nobody may what no rule is about.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether rules say who may serve. Where none does, everybody may, also where the policy is closed: that is about what
    /// others do on this node, and whom this node calls is its own choice.
    pub fn asks_who_serves(&self) -> bool {
        self.rules.iter().any(|rule| rule.rights.contains(Right::Serve))
    }

    /// Whether a request is allowed at this time. Checks no signature; costs a comparison with the pattern of each rule for the
    /// right, and of each token of the session where a rule asks for one.
    pub fn check(&self, request: &Request<'_>, issuers: &Issuers, now_unix_ms: u64) -> Result<(), Denied> {
        let Caller::Peer { holds_network_key, capabilities, credentials } = request.caller else {
            return Ok(());
        };
        let Request { right, target, network, .. } = *request;
        if !target.is_for(network) {
            return Err(Denied::NoRule);
        }
        let tokens = |issuer| credentials.allow(right, target, network, issuer, issuers, now_unix_ms);
        let mut denied = None;
        for rule in &self.rules {
            let concerns = rule.rights.contains(right) && rule.pattern.is_for(network);
            if !concerns {
                continue;
            }
            let named = |named: bool| if named { Ok(()) } else { Err(Denied::NotNamed) };
            let allowed = match (target.reach_of(&rule.pattern), &rule.who) {
                (Reach::None, _) => continue,
                // A subscription that goes beyond the rule is guarded by it, and not allowed by it.
                (Reach::Some, _) => Err(Denied::NotNamed),
                (Reach::All, Who::Anyone) => Ok(()),
                (Reach::All, Who::Nodes(nodes)) => named(nodes.contains(&credentials.holder())),
                (Reach::All, Who::NetworkKey) => named(holds_network_key),
                (Reach::All, Who::Tag(tag)) => named(capabilities.is_some_and(|set| set.holds(tag))),
                (Reach::All, Who::Token) => tokens(None),
                (Reach::All, Who::TokenOf(issuer)) => tokens(Some(issuer)),
            };
            match allowed {
                Ok(()) => return Ok(()),
                // What a token lacks says more than that another rule names others.
                Err(reason) if denied.is_none_or(|denied| denied == Denied::NotNamed) => {
                    denied = Some(reason);
                }
                Err(_) => {}
            }
        }
        match denied {
            Some(denied) => Err(denied),
            None if target.is_internal() => Err(Denied::Internal),
            None if self.closed => Err(Denied::NoRule),
            None => Ok(()),
        }
    }
}
