//! Who finds a node: scopes, from the node's `scope:` tags.
//!
//! Scopes narrow what queries give. They are no protection: whoever is a member sees every set.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;

use super::set::{CapabilitySet, SetError};
use super::tag::{Tag, TagError};

#[cfg(test)]
mod tests;

const SUBNET_LOCAL: &str = "subnet-local";
const TENANT: &str = "tenant:";
const REGION: &str = "region:";

/// The scope that a node has put on itself. The strictest wins: a subnet-local node has no tenants or regions.
///
/// ```
/// use lacewing_core::capability::{CapabilitySet, Scope, ScopeQuery};
///
/// let mut set = CapabilitySet::new();
/// assert_eq!(Scope::of(&set), Scope::Global);
/// set.add_tenant("acme").unwrap();
/// let scope = Scope::of(&set);
/// assert!(ScopeQuery::tenants(["acme"]).admits(&scope, None));
/// assert!(!ScopeQuery::GlobalOnly.admits(&scope, None));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// No scope tags: everyone finds it.
    Global,
    /// For some tenants, some regions, or both; not both are empty.
    Limited {
        /// Tenants that find it.
        tenants: BTreeSet<String>,
        /// Regions that find it.
        regions: BTreeSet<String>,
    },
    /// Only its own subnet finds it.
    SubnetLocal,
}

impl Scope {
    /// The scope of a set. Tags without an id, and scopes that this version does not know, are as if they were not there.
    pub fn of(set: &CapabilitySet) -> Self {
        let (mut tenants, mut regions) = (BTreeSet::new(), BTreeSet::new());
        for tag in set.parsed() {
            let Tag::Reserved { prefix: super::tag::SCOPE_PREFIX, rest } = tag else { continue };
            if rest == SUBNET_LOCAL {
                return Self::SubnetLocal;
            }
            if let Some(id) = rest.strip_prefix(TENANT).filter(|id| !id.is_empty()) {
                tenants.insert(id.to_owned());
            }
            if let Some(name) = rest.strip_prefix(REGION).filter(|name| !name.is_empty()) {
                regions.insert(name.to_owned());
            }
        }
        if tenants.is_empty() && regions.is_empty() {
            Self::Global
        } else {
            Self::Limited { tenants, regions }
        }
    }
}

/// Which scopes a query wants to see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ScopeQuery {
    /// Everything but subnet-local nodes.
    #[default]
    Any,
    /// Nodes without a scope.
    GlobalOnly,
    /// Nodes of the subnet of the one who asks.
    SameSubnet,
    /// Nodes without a scope, and those of one of these tenants.
    Tenants(BTreeSet<String>),
    /// Nodes without a scope, and those of one of these regions.
    Regions(BTreeSet<String>),
}

impl ScopeQuery {
    /// Nodes without a scope, and those of one of these tenants; empty ids are ignored.
    pub fn tenants<'a>(ids: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Tenants(named(ids))
    }

    /// Nodes without a scope, and those of one of these regions; empty names are ignored.
    pub fn regions<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Regions(named(names))
    }

    /// Whether the query shows a node of this scope. `same_subnet` says whether the node is in the subnet of the one who asks;
    /// `None`, where either subnet is not known yet, counts as yes.
    pub fn admits(&self, scope: &Scope, same_subnet: Option<bool>) -> bool {
        match (self, scope) {
            (Self::SameSubnet, _) => same_subnet.unwrap_or(true),
            (_, Scope::SubnetLocal) => false,
            (Self::Any, _) | (_, Scope::Global) => true,
            (Self::GlobalOnly, Scope::Limited { .. }) => false,
            (Self::Tenants(wanted), Scope::Limited { tenants, .. }) => !wanted.is_disjoint(tenants),
            (Self::Regions(wanted), Scope::Limited { regions, .. }) => !wanted.is_disjoint(regions),
        }
    }
}

fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    names.into_iter().filter(|name| !name.is_empty()).map(ToOwned::to_owned).collect()
}

/// Scopes that a node puts on itself. A second time changes nothing; each gives whether the tag is new.
impl CapabilitySet {
    /// The tenant finds the node. An empty id is refused.
    pub fn add_tenant(&mut self, id: &str) -> Result<bool, SetError> {
        self.add_scope(TENANT, id)
    }

    /// The region finds the node. An empty name is refused.
    pub fn add_region(&mut self, name: &str) -> Result<bool, SetError> {
        self.add_scope(REGION, name)
    }

    /// Only the node's own subnet finds it.
    pub fn set_subnet_local(&mut self) -> Result<bool, SetError> {
        self.insert_tag(&format!("{}{SUBNET_LOCAL}", super::tag::SCOPE_PREFIX))
    }

    fn add_scope(&mut self, kind: &str, name: &str) -> Result<bool, SetError> {
        let tag = format!("{}{kind}{name}", super::tag::SCOPE_PREFIX);
        if name.is_empty() {
            return Err(SetError::Tag { tag, error: TagError::NoScopeName });
        }
        self.insert_tag(&tag)
    }
}
